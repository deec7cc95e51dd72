//! Makes commands durable and ordered over the config servers: the only place that knows openraft.
//!
//! ```text
//!   propose(command) --> log.rs (redb, fsync) --> net.rs (to the others) --> majority --> machine.rs (State)
//! ```

mod log;
mod machine;
mod net;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use base::ClusterId;
use cluster::state::{Applied, Command, Proposal, Rejected, State};
use openraft::async_runtime::WatchReceiver as _;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::impls::leader_id_std;
use openraft::{BasicNode, Config, ReadPolicy, SnapshotPolicy};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::clock;
pub(crate) use net::{BODY_BYTES_MAX, ServeError};

/// Number of a config server, 1..
pub type ServerId = u64;

/// Result of an entry of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The entry was Raft's own.
    Nothing,
    Applied(Applied),
    Rejected(Rejected),
}

openraft::declare_raft_types!(
    pub(crate) TypeConfig:
        D = Proposal,
        R = Answer,
        NodeId = ServerId,
        Node = BasicNode,
        LeaderId = leader_id_std::LeaderId<Self::Term, Self::NodeId>,
);

type Raft = openraft::Raft<TypeConfig, machine::Machine>;
type Entry = openraft::alias::EntryOf<TypeConfig>;
type LogId = openraft::alias::LogIdOf<TypeConfig>;
type Vote = openraft::alias::VoteOf<TypeConfig>;
type SnapshotMeta = openraft::alias::SnapshotMetaOf<TypeConfig>;
type Snapshot = openraft::alias::SnapshotOf<TypeConfig, Vec<u8>>;
type StoredMembership = openraft::alias::StoredMembershipOf<TypeConfig>;

/// Raft's times, ms. A follower votes for nobody else while it heard of the leader within `ELECTION_MAX_MS`; leases
/// of shards build on that.
const HEARTBEAT_MS: u64 = 60;
const ELECTION_MIN_MS: u64 = 400;
const ELECTION_MAX_MS: u64 = 700;
/// Entries after which the state is written as a snapshot and the log is cut.
const SNAPSHOT_ENTRIES: u64 = 2000;
/// A command that no majority confirmed within this is reported as of unknown outcome.
const PROPOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// A stop does not wait longer than this for the last write to the disk.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the config server cannot take part.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot open the Raft database {path}: {source}")]
    Database { path: std::path::PathBuf, source: io::Error },
    #[error("cannot start Raft: {0}")]
    Raft(String),
    #[error("cannot set up the HTTP client: {0}")]
    Http(#[from] reqwest::Error),
}

/// Why a command has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProposeError {
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// Another server leads (its address, when known). The command was not taken.
    #[error("this config server does not lead")]
    NotLeader(Option<String>),
    /// It may be carried out, or not.
    #[error("the outcome is not known: {0}")]
    Unknown(String),
}

/// A view of the servers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Servers {
    pub(crate) own_id: ServerId,
    pub(crate) leader: Option<ServerId>,
    pub(crate) term: u64,
    pub(crate) members: BTreeMap<ServerId, String>,
}

impl Servers {
    pub(crate) fn leader_address(&self) -> Option<String> {
        self.leader.and_then(|id| self.members.get(&id)).cloned()
    }
}

/// See [`Consensus::watch_servers`].
pub(crate) struct ServersWatch(
    openraft::alias::WatchReceiverOf<TypeConfig, openraft::metrics::RaftServerMetrics<TypeConfig>>,
);

impl ServersWatch {
    /// Returns at the next change; never, once Raft has stopped.
    pub(crate) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[derive(Clone)]
pub(crate) struct Consensus {
    raft: Raft,
    state: watch::Receiver<Arc<State>>,
    /// See [`log::Store::closing`].
    closing: watch::Receiver<()>,
    /// As configured; Raft's own list takes its place once it is known.
    members: BTreeMap<ServerId, String>,
}

impl std::fmt::Debug for Consensus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consensus").field("members", &self.members).finish_non_exhaustive()
    }
}

impl Consensus {
    /// Opens the database and starts to take part. The first time, all servers of `members` found the
    /// cluster together: each starts with the same list, so it does not matter who is first.
    pub(crate) async fn open(
        database: &Path,
        own_id: ServerId,
        members: &BTreeMap<ServerId, String>,
        cluster: ClusterId,
        secret: &str,
    ) -> Result<Consensus, OpenError> {
        let failed = |source| OpenError::Database { path: database.to_owned(), source };
        let owner = format!("server {own_id} of cluster {cluster}");
        let store = log::Store::open(database, &owner).map_err(failed)?;
        let machine = machine::Machine::open(store.clone()).map_err(failed)?;
        Consensus::start((store, machine), own_id, members, cluster, secret).await
    }

    async fn start(
        (store, machine): (log::Store, machine::Machine),
        own_id: ServerId,
        members: &BTreeMap<ServerId, String>,
        cluster: ClusterId,
        secret: &str,
    ) -> Result<Consensus, OpenError> {
        let (state, closing) = (machine.watch(), store.closing());
        let network = net::Network::new(own_id, cluster, secret.to_owned())?;
        let config = Config {
            cluster_name: cluster.to_string(),
            heartbeat_interval: HEARTBEAT_MS,
            election_timeout_min: ELECTION_MIN_MS,
            election_timeout_max: ELECTION_MAX_MS,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(SNAPSHOT_ENTRIES),
            max_in_snapshot_log_to_keep: SNAPSHOT_ENTRIES / 4,
            enable_pre_vote: Some(true),
            ..Config::default()
        };
        let broken = |error: &dyn std::fmt::Display| OpenError::Raft(error.to_string());
        let config = config.validate().map_err(|error| broken(&error))?;
        let raft = Raft::new(own_id, Arc::new(config), network, store, machine)
            .await
            .map_err(|error| broken(&error))?;
        let is_founded = raft.is_initialized().await.map_err(|error| broken(&error))?;
        if !is_founded {
            let node = |(id, address): (&ServerId, &String)| (*id, BasicNode::new(address));
            let founders: BTreeMap<ServerId, BasicNode> = members.iter().map(node).collect();
            if let Err(error) = raft.initialize(founders).await {
                // Another founder may have been quicker and brought us in.
                if !raft.is_initialized().await.map_err(|error| broken(&error))? {
                    return Err(broken(&error));
                }
            }
        }
        Ok(Consensus { raft, state, closing, members: members.clone() })
    }

    /// The newest state that this server knows. Only a leader that confirmed its leadership knows the newest there is.
    pub(crate) fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.borrow())
    }

    /// Wakes at each change of the state.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<State>> {
        self.state.clone()
    }

    pub(crate) fn servers(&self) -> Servers {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let nodes = metrics.membership_config.nodes();
        let mut members: BTreeMap<ServerId, String> =
            nodes.map(|(id, node)| (*id, node.addr.clone())).collect();
        if members.is_empty() {
            members.clone_from(&self.members);
        }
        Servers {
            own_id: metrics.id,
            leader: metrics.current_leader,
            term: metrics.current_term,
            members,
        }
    }

    /// Tells when what [`Consensus::servers`] says may have changed.
    pub(crate) fn watch_servers(&self) -> ServersWatch {
        ServersWatch(self.raft.server_metrics())
    }

    /// Becomes true for a leader once its state holds everything that was ever committed.
    ///
    /// A read index alone is not enough: a leader that was restarted goes on in its term, and openraft's index is then
    /// the first entry of that term, though later ones may have been committed and confirmed before the restart. A
    /// leader's log lacks nothing that was committed, so all of it is applied first, and only then is it made sure that
    /// nobody else led in the meantime.
    pub(crate) async fn leads_with_newest_state(&self) -> bool {
        let last = self.raft.metrics().borrow_watched().last_log_index;
        let applied = self.raft.wait(None).applied_index_at_least(last, "the whole log").await;
        applied.is_ok() && self.raft.ensure_linearizable(ReadPolicy::ReadIndex).await.is_ok()
    }

    /// Whether it is certain that no other server leads at this moment: a majority heard of this leader within the
    /// time in which it votes for nobody else.
    pub(crate) async fn certainly_leads(&self) -> bool {
        self.raft.ensure_linearizable(ReadPolicy::LeaseRead).await.is_ok()
    }

    /// Commits a command. The result is that of applying it.
    pub(crate) async fn propose(&self, command: Command) -> Result<Applied, ProposeError> {
        let proposal = Proposal { at: clock::unix_ms(), command };
        let write = self.raft.client_write(proposal);
        let result = match tokio::time::timeout(PROPOSE_TIMEOUT, write).await {
            Ok(result) => result,
            Err(_) => {
                let text = format!("no majority in {} s", PROPOSE_TIMEOUT.as_secs());
                return Err(ProposeError::Unknown(text));
            }
        };
        match result {
            Ok(response) => match response.data {
                Answer::Applied(applied) => Ok(applied),
                Answer::Rejected(rejected) => Err(rejected.into()),
                Answer::Nothing => Err(ProposeError::Unknown("the entry was not a command".into())),
            },
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
                Err(ProposeError::NotLeader(forward.leader_node.map(|node| node.addr)))
            }
            Err(error) => Err(ProposeError::Unknown(error.to_string())),
        }
    }

    /// Answers a message of another config server; `None` for an unknown kind.
    pub(crate) async fn serve(
        &self,
        path: &str,
        body: &Bytes,
    ) -> Option<Result<Vec<u8>, ServeError>> {
        net::serve(&self.raft, path, body).await
    }

    /// Returns when this server can take part no more, with the reason: its disk failed, in most cases. What is on
    /// disk is good; a process that starts anew goes on from there.
    pub(crate) async fn failed(&self) -> String {
        let mut metrics = self.raft.metrics();
        loop {
            if let Err(fatal) = &metrics.borrow_watched().running_state {
                return fatal.to_string();
            }
            if metrics.changed().await.is_err() {
                return "raft has stopped".to_owned();
            }
        }
    }

    /// Stops taking part, and returns when the database can be opened again: Raft's tasks let go of it one by one.
    pub(crate) async fn shutdown(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(%error, "raft did not stop cleanly");
        }
        let mut closing = self.closing.clone();
        let closed = async { while closing.changed().await.is_ok() {} };
        if tokio::time::timeout(CLOSE_TIMEOUT, closed).await.is_err() {
            tracing::warn!("the database is still in use");
        }
    }
}

#[cfg(test)]
mod tests;
