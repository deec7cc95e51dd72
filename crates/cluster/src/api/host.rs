//! The conversation between an agent and the config server: `POST /v1/hosts/{host}/sync`, report in, orders
//! out. Both are whole pictures, not changes: any message may be lost.

use std::collections::BTreeMap;

use base::{ClusterId, Epoch, Incarnation, NodeId, ShardId};
use serde::{Deserialize, Serialize};

use super::node::NodeState;

/// Who reports. Of two agents on one host the one that started later speaks; the other is refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Agent {
    /// Grows with each start of the agent on this host (unix ms at start).
    pub start: u64,
    pub pid: u32,
    /// Grows with each report of this start; an older one that arrives late is refused.
    pub seq: u64,
}

impl Agent {
    /// Orders the reports of one host.
    pub fn number(&self) -> ReportNumber {
        ReportNumber { start: self.start, seq: self.seq }
    }
}

/// Place of a report among those of its host: of two, the greater was made later.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct ReportNumber {
    pub start: u64,
    pub seq: u64,
}

/// What an agent knows about its host.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HostReport {
    pub cluster: ClusterId,
    /// Name of the host: 1..=64 of `[a-z0-9.-]`.
    pub host: String,
    pub agent: Agent,
    /// Revision of the newest orders that the agent holds; 0 = none. The config server parks the request
    /// while it has nothing newer to say.
    #[serde(default)]
    pub revision: u64,
    /// All nodes that the agent has orders for, or finds a data directory or process of.
    pub nodes: Vec<NodeReport>,
}

/// What an agent knows about one node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NodeReport {
    pub node: NodeId,
    /// Revision of the orders that had been carried out on this node *before* `state` was asked for: a state
    /// with `revision >= r` shows the effect of orders `r`.
    #[serde(default)]
    pub revision: u64,
    pub process: ProcessState,
    /// Where other nodes reach this one (`ip:port`), once it is known.
    #[serde(default)]
    pub address: Option<String>,
    /// The newest answer of *this* process to `POLLUX STATE`.
    #[serde(default)]
    pub state: Option<NodeState>,
    /// How long the node has left its agent without an answer. Counted in polls that the agent made, so a
    /// pause of the agent itself adds nothing.
    #[serde(default)]
    pub silent_ms: u64,
    /// What keeps the agent from carrying out the order, in words for a person.
    #[serde(default)]
    pub error: Option<String>,
    /// How the newest process of the node that is gone came to its end; kept while the next one runs, which is often
    /// started before the report of the end is sent.
    #[serde(default)]
    pub last_exit: Option<LastExit>,
    /// The node is not started, because its directory holds no log although it had data.
    #[serde(default)]
    pub lost_data: bool,
}

/// The end of a process; waited for, so this is certain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LastExit {
    pub process: ProcessId,
    /// In words that follow the name of the process, say `ended by signal 9`.
    pub how: String,
}

impl std::fmt::Display for LastExit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.process, self.how)
    }
}

/// Tells two processes apart, also when the operating system reuses the pid.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProcessId {
    pub pid: u32,
    /// Start time of the process as the kernel knows it (`starttime` in `/proc/<pid>/stat`).
    pub started: u64,
}

impl std::fmt::Display for ProcessId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pid {}", self.pid)
    }
}

/// The process of a node. Only the agent starts nodes, so each variant but `Running` proves that no process of
/// this node is alive on this host, and `Running` proves it of every *other* process of the node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum ProcessState {
    /// None runs, and how the last one ended is not known (never started, or the host was restarted).
    Absent,
    Running {
        process: ProcessId,
    },
    /// Ended by itself; waited for, so this is certain.
    Exited {
        process: ProcessId,
        /// Exit code, or `None` after a signal.
        #[serde(default)]
        code: Option<i32>,
        #[serde(default)]
        signal: Option<i32>,
    },
    /// Ended by the agent, as ordered; waited for.
    Killed {
        process: ProcessId,
    },
    /// No process runs and the data directory was removed, as ordered by [`Role::Removed`].
    Removed,
}

impl ProcessState {
    /// The process that runs, if one does.
    pub fn running(&self) -> Option<ProcessId> {
        match self {
            ProcessState::Running { process } => Some(*process),
            ProcessState::Absent
            | ProcessState::Exited { .. }
            | ProcessState::Killed { .. }
            | ProcessState::Removed => None,
        }
    }

    /// Whether this proves that `process` no longer runs.
    pub fn proves_death_of(&self, process: ProcessId) -> bool {
        self.running() != Some(process)
    }
}

/// What a host should look like. Whole: a node that is not named is none of this host's business any more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HostOrders {
    /// Grows with every change of the desired state, also over a change of the leader. Orders with a smaller
    /// revision than those already held are stale and must be dropped.
    pub revision: u64,
    pub cluster: ClusterId,
    /// The cluster's secret, for `POLLUX HELLO`.
    pub secret: String,
    pub nodes: Vec<NodeOrder>,
    /// Leases to hand to nodes; they are not part of the revision.
    #[serde(default)]
    pub leases: Vec<LeaseGrant>,
}

/// What one node should be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NodeOrder {
    pub node: NodeId,
    pub shard: ShardId,
    pub instance: String,
    pub incarnation: Incarnation,
    /// Current epoch of the shard.
    pub epoch: Epoch,
    pub role: Role,
    /// `redis.conf` parameters of the instance.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// Seed of the keyspace's hash function: one for all nodes of a shard.
    pub hash_seed: u64,
    /// How far the shard's history certainly reached when it was last seen: with a data directory found empty
    /// although this is not 0, the node must not be started as if it were new.
    #[serde(default)]
    pub had_data: bool,
}

/// The role of a node. The agent brings the node there step by step and says so in its next report.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum Role {
    /// The process runs and is told nothing: the shard has no master at present.
    Wait,
    /// `POLLUX ROLE MASTER` (and `UNFENCE` where the node is fenced). Meant for exactly this process: a process
    /// that died ended its mastership, and its successor must wait for a new epoch.
    Master { endpoint: String, process: ProcessId },
    /// As `Master`, with writes held: `POLLUX FENCE <epoch> <timeout_ms>` unless the node is fenced already.
    Fenced { endpoint: String, process: ProcessId, timeout_ms: u64 },
    /// `POLLUX ROLE REPLICA`, following this master.
    Replica { master: NodeId, address: String },
    /// No process: `POLLUX SHUTDOWN`, and SIGKILL after a grace period.
    Stopped,
    /// No process, at once: SIGKILL. Someone waits for the proof of death.
    Killed,
    /// As `Stopped`, then the data directory is removed.
    Removed,
}

/// Permission to act as master, `POLLUX LEASE <nonce> <epoch> <ttl_ms>`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LeaseGrant {
    pub node: NodeId,
    /// The nonce of the state that the grant answers; the lease counts from its instant.
    pub nonce: u64,
    pub epoch: Epoch,
    pub ttl_ms: u64,
}
