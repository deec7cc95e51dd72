//! What is desired: the state that the config servers replicate by Raft.
//!
//! ```text
//!   State -> instances -> shards { epoch, mastership, in_sync, switchover } -> nodes { host, address }
//!
//!   mastership of one shard:
//!
//!                 Promote                     Suspect
//!     Vacant ----------------> Held(e) ------------------> Ending(e)
//!       ^                       |  |                          |  |
//!       |   Vacate (proof)      |  | Promote (e+1, proof)     |  | Promote (e+1, proof)
//!       +-----------------------+  +--> Held(e+1)             |  +--> Held(e+1)
//!       +-----------------------------------------------------+ Vacate (proof)
//! ```
//!
//! Invariants
//! - `epoch` grows with every `Promote` and never otherwise; a command that was made for another epoch is refused.
//! - A mastership belongs to one *process*: the node's next process never continues it, even in vain hope of the same
//!   data, because the tail of the log that died with the process may live on in a replica under the same epoch.
//! - Leases are granted only in `Held`, and not while a switchover is fencing.
//! - Only a member of `in_sync` is promoted, unless a person accepts the loss; a command that would do otherwise is refused.
//! - The master of a shard is a member of `in_sync`; `in_sync` is never empty.
//! - Numbers of shards, nodes and events are never reused.
//! - `revision` grows with each change, so that orders made from a newer state are known to be newer.

mod apply;
mod command;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use base::{Epoch, Incarnation, NodeId, ShardId};
use serde::{Deserialize, Serialize};

use crate::api::{Cause, Edition, Event, ProcessId, ReportNumber};
pub use command::{Applied, Command, Proposal, Rejected};

/// Events that are kept; older ones are dropped.
pub const EVENTS_COUNT_MAX: usize = 512;
/// Hosts that may join.
pub const HOSTS_COUNT_MAX: usize = 1024;

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct State {
    pub revision: u64,
    #[serde(default)]
    pub timing: Timing,
    pub hosts: BTreeSet<String>,
    pub instances: BTreeMap<String, Instance>,
    pub shards: BTreeMap<ShardId, Shard>,
    pub nodes: BTreeMap<NodeId, Node>,
    /// Newest last.
    pub events: VecDeque<Event>,
    /// Numbers handed out so far.
    pub shards_made: u32,
    pub nodes_made: u32,
    pub events_made: u64,
}

/// The times that decisions rest on, ms. One set for the whole cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Timing {
    /// Length of a lease.
    pub lease_ms: u64,
    /// Lag up to which a replica counts as in sync.
    pub lag_ms_max: u64,
    /// How long a replica may miss that before it leaves the in-sync set.
    pub drop_ms: u64,
    /// A node that leaves its agent without an answer for so long is to be replaced. Longer than a lease: by then a
    /// master that cannot be asked has no right to write any more, so waiting longer would spare nobody.
    pub hung_ms: u64,
    /// A host without a report for so long is to be replaced as a place for masters.
    pub host_silent_ms: u64,
    /// After a restart of all nodes: how long to wait for in-sync nodes that have not answered yet, since one of
    /// them may hold a longer history.
    pub gather_ms: u64,
    /// How long writes may be held by a switchover; shorter than a lease.
    pub fence_ms: u64,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            lease_ms: 3000,
            lag_ms_max: 5000,
            drop_ms: 1000,
            hung_ms: 3500,
            host_silent_ms: 5000,
            gather_ms: 5000,
            fence_ms: 2000,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Instance {
    pub name: String,
    pub edition: Edition,
    /// `ip:port`
    pub endpoint: String,
    pub params: BTreeMap<String, String>,
    pub shards: Vec<ShardId>,
    /// Its nodes are being removed; it is forgotten when the last of them is gone.
    pub deleting: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shard {
    pub id: ShardId,
    pub instance: String,
    pub epoch: Epoch,
    pub mastership: Mastership,
    /// Nodes that hold (but for the lag that is allowed) what was acknowledged: only they may become master.
    pub in_sync: BTreeSet<NodeId>,
    pub switchover: Option<Switchover>,
    pub nodes: Vec<NodeId>,
    pub hash_seed: u64,
    /// Why the shard has no master, in words.
    pub problem: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Mastership {
    /// Nobody is master, and nobody who was can write.
    Vacant,
    /// This process is master and may be granted leases.
    Held { node: NodeId, process: ProcessId },
    /// This process was master of the current epoch and gets no lease any more, but may not know it yet.
    Ending { node: NodeId, process: ProcessId, cause: Cause },
}

impl Mastership {
    /// The process that may still take writes.
    pub fn holder(&self) -> Option<(NodeId, ProcessId)> {
        match *self {
            Mastership::Vacant => None,
            Mastership::Held { node, process } | Mastership::Ending { node, process, .. } => {
                Some((node, process))
            }
        }
    }
}

impl Shard {
    /// The node that is master in good standing.
    pub fn master(&self) -> Option<NodeId> {
        match self.mastership {
            Mastership::Held { node, .. } => Some(node),
            Mastership::Vacant | Mastership::Ending { .. } => None,
        }
    }
}

/// A planned change of the master that is under way. The phase only ever goes forward.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Switchover {
    /// Unique; the id of the event of its start.
    pub id: u64,
    pub target: NodeId,
    pub phase: SwitchoverPhase,
    /// How long the target may take to catch up.
    pub timeout_ms: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SwitchoverPhase {
    /// The target's lag is not small enough yet; the master serves as ever.
    CatchUp,
    /// The master holds writes by the orders of this revision and gets no lease; the target drains.
    Fence { revision: u64 },
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Node {
    pub id: NodeId,
    pub shard: ShardId,
    pub host: String,
    pub incarnation: Incarnation,
    /// Among equals the smaller is preferred; 0 = never master.
    pub priority: u32,
    /// Where other nodes reach it, as its agent said last.
    pub address: Option<String>,
    /// It was seen with data: an empty directory would be a loss, not a start.
    pub had_data: bool,
    /// Ops that it reported as discarded, in total.
    pub discarded_ops: u64,
    /// The newest report of its host when it was last promoted. An older one that turns up late, at whichever
    /// config server, is about processes of the past and proves no death.
    #[serde(default)]
    pub promoted_on: ReportNumber,
}

impl State {
    /// The nodes of a host, in order.
    pub fn nodes_of<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a Node> {
        self.nodes.values().filter(move |node| node.host == host)
    }

    pub fn shard_of(&self, node: NodeId) -> Option<&Shard> {
        self.nodes.get(&node).and_then(|node| self.shards.get(&node.shard))
    }

    /// An event that is still kept.
    pub fn event(&self, id: u64) -> Option<&Event> {
        self.events.iter().find(|event| event.id == id)
    }
}
