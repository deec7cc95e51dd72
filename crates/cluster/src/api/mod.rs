//! The REST contract: every JSON body that config servers, agents, nodes and the command line exchange.
//!
//! ```text
//!   node --NodeState--> agent --HostReport--> config server --HostOrders--> agent --POLLUX ...--> node
//!                                             config server --Status, Event, ApiError--> people
//! ```
//!
//! Rules of the contract
//! - Ids are text (`"node-1"`, `"shard-0"`), epochs, OpIDs, counts and milliseconds are numbers.
//! - A reader ignores fields that it does not know, and a missing field has its documented default, so that
//!   two neighbouring versions understand each other.
//! - What crosses a host carries cluster id and epoch, and a mismatch is refused.

mod error;
mod event;
mod host;
mod instance;
mod node;
mod status;

pub use error::{ApiError, ErrorCode};
pub use event::{Candidate, Cause, Event, EventKind, MoveRecord, PhaseTiming, Sample};
pub use host::{
    Agent, HostOrders, HostReport, LastExit, LeaseGrant, NodeOrder, NodeReport, ProcessId,
    ProcessState, ReportNumber, Role,
};
pub use instance::{
    CreateInstance, Edition, FailoverOutcome, FailoverRequest, InstanceSummary, ValidationError,
};
pub use node::{LinkState, NodePhase, NodeRole, NodeState, ReplicaState};
pub use status::{
    ClusterStatus, Health, HostStatus, InstanceStatus, MemberStatus, NodeStatus, ShardStatus,
    StateWord, Status,
};

/// Header that carries the cluster secret on every internal request.
pub const SECRET_HEADER: &str = "x-pollux-secret";
/// Header that carries the cluster id on every internal request; a foreign one is refused first.
pub const CLUSTER_HEADER: &str = "x-pollux-cluster";
/// Header of a 421 answer: `host:port` of the config server that leads, when known.
pub const LEADER_HEADER: &str = "x-pollux-leader";
