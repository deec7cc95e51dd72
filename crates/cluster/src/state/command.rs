//! The entries of the Raft log: every change of the desired state, each with the condition under which it is
//! still wanted.

use std::collections::BTreeMap;

use base::{Epoch, NodeId, ShardId, UnixMs};
use serde::{Deserialize, Serialize};

use crate::api::{Cause, Edition, MoveRecord, PhaseTiming, ProcessId, ReportNumber};

/// A command with the wall-clock time at which the leader proposed it, which becomes the time of its events:
/// applying must not read a clock.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Proposal {
    pub at: UnixMs,
    pub command: Command,
}

impl std::fmt::Display for Proposal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.command)
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// A host whose agent reported for the first time.
    JoinHost {
        host: String,
    },
    /// Nodes are placed when the command is applied, on the hosts with the fewest nodes.
    CreateInstance {
        name: String,
        edition: Edition,
        replicas: u8,
        endpoint: String,
        params: BTreeMap<String, String>,
        /// Drawn by the proposer: applying must not draw random numbers.
        hash_seed: u64,
    },
    DeleteInstance {
        name: String,
    },
    /// All nodes of a deleted instance were reported as removed.
    PurgeInstance {
        name: String,
    },
    /// The address at which an agent's node listens.
    SetAddress {
        node: NodeId,
        address: String,
    },
    /// The node was seen with data.
    NoteData {
        node: NodeId,
    },
    /// The data of a replica that is not in sync is gone for good: it may start anew from its master.
    NoteDataLost {
        shard: ShardId,
        epoch: Epoch,
        node: NodeId,
    },
    /// This process is master from now on, in the epoch that follows `from_epoch`.
    Promote {
        shard: ShardId,
        from_epoch: Epoch,
        node: NodeId,
        process: ProcessId,
        /// The newest report of the node's host that the decision knows of.
        #[serde(default)]
        report: ReportNumber,
        record: MoveRecord,
    },
    /// The master is to be replaced but may be alive.
    Suspect {
        shard: ShardId,
        epoch: Epoch,
        cause: Cause,
        record: MoveRecord,
    },
    /// The mastership of this epoch has certainly ended, and nobody can follow at present.
    Vacate {
        shard: ShardId,
        epoch: Epoch,
        record: MoveRecord,
    },
    AddInSync {
        shard: ShardId,
        epoch: Epoch,
        node: NodeId,
        reason: String,
    },
    RemoveInSync {
        shard: ShardId,
        epoch: Epoch,
        node: NodeId,
        reason: String,
    },
    StartSwitchover {
        shard: ShardId,
        epoch: Epoch,
        target: NodeId,
        timeout_ms: u64,
    },
    FenceSwitchover {
        shard: ShardId,
        epoch: Epoch,
        id: u64,
    },
    AbortSwitchover {
        shard: ShardId,
        epoch: Epoch,
        id: u64,
        record: MoveRecord,
    },
    /// A node reported ops that it set aside.
    NoteDiscarded {
        node: NodeId,
        total: u64,
        last: u64,
    },
    /// The new master of event `event` serves: adds what was not known when the event was made.
    CompleteMove {
        event: u64,
        timings: Vec<PhaseTiming>,
    },
}

/// What applying a command did.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Applied {
    /// Revision of the state after it.
    pub revision: u64,
    /// The event that it left.
    pub event: Option<u64>,
}

/// Why a command was not applied. The state is as before.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Rejected {
    #[error("the shard is in epoch {current}, the command was made for epoch {found}")]
    StaleEpoch { current: Epoch, found: Epoch },
    #[error("instance {0} exists already")]
    InstanceExists(String),
    #[error("endpoint {endpoint} belongs to instance {owner}")]
    EndpointTaken { endpoint: String, owner: String },
    #[error("no host has joined the cluster yet")]
    NoHost,
    #[error("there is no {0}")]
    NotFound(String),
    #[error("{0}")]
    Conflict(String),
}
