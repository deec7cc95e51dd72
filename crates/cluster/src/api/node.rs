//! What a data node says about itself: the answer to `POLLUX STATE`.

use base::{ClusterId, Epoch, Incarnation, NodeId, Position, ShardId};
use serde::{Deserialize, Serialize};

/// One look at a node, taken by its executor between two turns, so that all numbers belong together.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NodeState {
    pub cluster: ClusterId,
    pub shard: ShardId,
    pub node: NodeId,
    pub incarnation: Incarnation,
    /// The newest epoch in which this process was given a role; 0 before the first order.
    #[serde(default)]
    pub epoch: Epoch,
    #[serde(default)]
    pub role: NodeRole,
    #[serde(default)]
    pub phase: NodePhase,
    /// Progress of loading or syncing, 0..=100.
    #[serde(default)]
    pub phase_percent: u8,
    /// Newest OpID applied (while waiting: the end of the log on disk); 0 = nothing yet.
    #[serde(default)]
    pub opid: u64,
    /// Epoch under which the op `opid` was written.
    #[serde(default)]
    pub opid_epoch: Epoch,
    /// The newest epoch in which this process, as a replica, had everything of which the master had told it; 0 before.
    #[serde(default)]
    pub followed: Epoch,
    /// Newest OpID handed to the operating system.
    #[serde(default)]
    pub written: u64,
    /// Newest OpID on stable storage.
    #[serde(default)]
    pub durable: u64,
    /// Writes are held; `opid` does not move while this is so.
    #[serde(default)]
    pub fenced: bool,
    /// What is left of the lease by the node's own clock; `None` without one.
    #[serde(default)]
    pub lease_ms_left: Option<i64>,
    /// The instance's endpoint is bound by this process.
    #[serde(default)]
    pub endpoint_bound: bool,
    /// Names the instant of this answer; a lease that quotes it counts from that instant. 0 = none.
    #[serde(default)]
    pub nonce: u64,
    /// Turns since the process started: it stands still when the executor does.
    #[serde(default)]
    pub turns: u64,
    /// Ops that this directory had to set aside when it joined a newer history, since it was created.
    #[serde(default)]
    pub discarded_ops: u64,
    /// Ops set aside at the latest of these occasions.
    #[serde(default)]
    pub last_discarded_ops: u64,
    /// Of a replica: its link to the master.
    #[serde(default)]
    pub link: Option<LinkState>,
    /// Of a master: its replicas as it sees them.
    #[serde(default)]
    pub replicas: Vec<ReplicaState>,
    /// What keeps the node from doing as ordered, in words for a person.
    #[serde(default)]
    pub error: Option<String>,
}

impl NodeState {
    /// A node that has just started: it knows who it is, holds nothing and waits for an order.
    pub fn waiting(
        cluster: ClusterId,
        shard: ShardId,
        node: NodeId,
        incarnation: Incarnation,
    ) -> NodeState {
        NodeState {
            cluster,
            shard,
            node,
            incarnation,
            epoch: Epoch(0),
            role: NodeRole::None,
            phase: NodePhase::Waiting,
            phase_percent: 0,
            opid: 0,
            opid_epoch: Epoch(0),
            followed: Epoch(0),
            written: 0,
            durable: 0,
            fenced: false,
            lease_ms_left: None,
            endpoint_bound: false,
            nonce: 0,
            turns: 0,
            discarded_ops: 0,
            last_discarded_ops: 0,
            link: None,
            replicas: Vec::new(),
            error: None,
        }
    }

    /// How far the history of this node reaches.
    pub fn position(&self) -> Position {
        Position { epoch: self.opid_epoch, opid: self.opid }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeRole {
    #[default]
    None,
    Master,
    Replica,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodePhase {
    /// The log's end is known; the node waits for an order before it loads anything.
    #[default]
    Waiting,
    /// Reads its own checkpoint and log.
    Loading,
    /// A replica that fetches what it lacks; its data is not of one instant.
    Syncing,
    /// Holds a consistent state: a master serves, a replica follows.
    Ready,
}

/// A replica's view of its link to the master.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LinkState {
    #[serde(default)]
    pub up: bool,
    /// Ops of the master that are not applied here.
    #[serde(default)]
    pub lag_ops: u64,
    /// Age of the oldest of these ops, ms.
    #[serde(default)]
    pub lag_ms: u64,
    #[serde(default)]
    pub why_down: Option<String>,
}

/// A master's view of one replica.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReplicaState {
    pub node: NodeId,
    /// Newest OpID that the replica acknowledged as applied.
    #[serde(default)]
    pub acked: u64,
    #[serde(default)]
    pub lag_ops: u64,
    #[serde(default)]
    pub lag_ms: u64,
}
