//! `GET /v1/status`, `/v1/cluster`, `/v1/health`: the state of everything on one page.

use base::{ClusterId, Epoch, NodeId, ShardId};
use serde::{Deserialize, Serialize};

use super::instance::Edition;

#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    pub instances: Vec<InstanceStatus>,
    #[serde(default)]
    pub hosts: Vec<HostStatus>,
    /// Revision of the desired state that this page shows.
    #[serde(default)]
    pub revision: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InstanceStatus {
    pub name: String,
    pub edition: Edition,
    pub endpoint: String,
    pub shards: Vec<ShardStatus>,
    #[serde(default)]
    pub deleting: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ShardStatus {
    pub id: ShardId,
    pub epoch: Epoch,
    /// `None`: the shard has no master and is unavailable; `problem` says why.
    pub master: Option<NodeId>,
    pub nodes: Vec<NodeStatus>,
    #[serde(default)]
    pub switchover: Option<String>,
    #[serde(default)]
    pub problem: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NodeStatus {
    pub id: NodeId,
    /// `master` or `replica`: what it should be.
    pub role: String,
    pub pid: Option<u32>,
    pub address: Option<String>,
    pub opid: u64,
    pub lag_ops: u64,
    pub lag_ms: u64,
    pub in_sync: bool,
    pub state: StateWord,
    #[serde(default)]
    pub host: String,
    /// Newest epoch that the node knows of.
    #[serde(default)]
    pub epoch: Epoch,
    /// Progress of loading or syncing.
    #[serde(default)]
    pub phase_percent: u8,
    #[serde(default)]
    pub discarded_ops: u64,
    #[serde(default)]
    pub last_discarded_ops: u64,
    #[serde(default)]
    pub endpoint_bound: bool,
    #[serde(default)]
    pub error: Option<String>,
}

/// One word for a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StateWord {
    /// The process is being started or has not answered yet.
    Starting,
    /// Reads its data from disk.
    Loading,
    /// Fetches all data from the master.
    Syncing,
    /// Serves, and holds everything that it should.
    InSync,
    /// Follows, but too far behind to become master.
    Lagging,
    /// No process, or no sign of it.
    Down,
    /// Holds writes during a switchover.
    Fenced,
}

impl std::fmt::Display for StateWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            StateWord::Starting => "starting",
            StateWord::Loading => "loading",
            StateWord::Syncing => "full sync",
            StateWord::InSync => "in-sync",
            StateWord::Lagging => "lagging",
            StateWord::Down => "down",
            StateWord::Fenced => "fenced",
        })
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HostStatus {
    pub name: String,
    /// Since the last report; `None` = not heard of by this leader.
    pub silent_ms: Option<u64>,
    pub agent_pid: Option<u32>,
}

/// `GET /v1/cluster`: the config servers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClusterStatus {
    pub cluster: ClusterId,
    /// The server that answers.
    pub server: u64,
    pub leader: Option<u64>,
    pub term: u64,
    pub members: Vec<MemberStatus>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MemberStatus {
    pub id: u64,
    pub address: String,
    pub leader: bool,
}

/// `GET /v1/health`: answered by every config server, without authentication.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Health {
    /// The process serves.
    pub live: bool,
    /// It knows a leader, so that requests can succeed.
    pub ready: bool,
    pub leader: Option<String>,
    pub version: String,
}
