//! Records of what happened and why. Each change of a master, and each refusal to make one, leaves an event
//! from which the decision can be understood without a log file.

use base::{Epoch, NodeId, Position, ShardId, UnixMs};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Dense, starts at 1.
    pub id: u64,
    /// When the event was committed.
    pub at_ms: UnixMs,
    pub kind: EventKind,
    #[serde(default)]
    pub instance: Option<String>,
    #[serde(default)]
    pub shard: Option<ShardId>,
    /// One sentence.
    pub message: String,
    /// Of an event about a master: how it came to it.
    #[serde(default)]
    pub record: Option<MoveRecord>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    InstanceCreated,
    InstanceDeleted,
    HostJoined,
    /// The first master of a new shard.
    MasterNamed,
    /// The master was lost and another node is master now.
    Failover,
    /// No node may become master; the shard is unavailable.
    FailoverRefused,
    SwitchoverStarted,
    Switchover,
    SwitchoverAborted,
    /// The master is to be replaced but may still be alive: it gets no lease any more.
    MasterSuspected,
    InSyncAdded,
    InSyncRemoved,
    /// A former master set ops aside that no other node had.
    OpsDiscarded,
    /// The directory of a replica was found without its data; it fetches everything from its master.
    DataLost,
}

/// How a mastership moved, or why it could not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MoveRecord {
    pub cause: Cause,
    pub from: Option<NodeId>,
    pub from_epoch: Epoch,
    /// `None`: refused or aborted.
    pub to: Option<NodeId>,
    pub to_epoch: Option<Epoch>,
    /// Why it was safe (or why not): the proof in words.
    pub decision: String,
    /// What was seen of each node of the shard.
    pub samples: Vec<Sample>,
    /// All nodes of the shard, each with its verdict.
    pub candidates: Vec<Candidate>,
    /// How long each step took, in order.
    pub timings: Vec<PhaseTiming>,
    /// Ops of the old master that the new history does not hold; `None` until the old master has come back.
    pub discarded_ops: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A new shard gets its first master.
    First,
    /// The process of the master is gone.
    ProcessDied,
    /// The master's executor does not answer.
    MasterHung,
    /// Nothing is heard of the master's host.
    HostSilent,
    /// A person asked for it.
    Requested,
    /// A person accepted the loss of data.
    Forced,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sample {
    pub node: NodeId,
    /// What was seen, in words.
    pub seen: String,
    /// How long ago it was seen when the decision was made; `None` = never.
    pub age_ms: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Candidate {
    pub node: NodeId,
    pub host: String,
    pub position: Option<Position>,
    pub lag_ms: Option<u64>,
    pub priority: u32,
    pub eligible: bool,
    /// Why (not).
    pub reason: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PhaseTiming {
    pub phase: String,
    pub ms: u64,
}
