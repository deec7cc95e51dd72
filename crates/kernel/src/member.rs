//! A node that belongs to a cluster: `pollux node`.
//!
//! ```text
//!   open:  listen at the node address -> lock <dir>/binlog -> recover the log's end
//!   run:   wait for orders (POLLUX ROLE) -> load -> serve or follow -> stop: everything is fsynced
//! ```
//!
//! Invariants
//! - Nothing is written to a directory before its identity was checked.
//! - Nothing is loaded and no client is served before an order came.
//! - A node whose log has failed ends: what it would serve could be gone after the next start.
//! - A node whose data is lost ends, above all as master: its end is what makes room for another one.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use base::{ClusterId, Incarnation, NodeId, ShardId};
use binlog::{Directory, Health, OpenError, Owner};
use net::TcpOptions;
use tracing::{info, warn};

use crate::boot;
use crate::config::file::Directive;
use crate::config::{Config, DirectiveError};
use crate::replicate::Replication;
use crate::replicate::handshake::Identity;
use crate::stopper::Stopper;
use crate::turn::Executor;

/// Where the log lies in the directory of a node.
const LOG_DIRECTORY: &str = "binlog";

/// Why a node of a cluster does not run, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    #[error("node.conf: {0}")]
    Conf(#[from] ConfError),
    #[error("cannot listen at the node address {address}: {error}")]
    Listen { address: SocketAddr, error: io::Error },
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the log cannot be written: {why}")]
    LogFailed { why: String },
    #[error("its data cannot be used: {why}")]
    DataLost { why: String },
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A node.conf that does not say who the node is.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfError {
    #[error("'{0}' is missing")]
    Missing(&'static str),
    #[error("'{0}' has no such value")]
    Value(&'static str),
    #[error(transparent)]
    Parameter(#[from] DirectiveError),
}

/// What node.conf says.
#[derive(Clone, Debug)]
pub struct NodeConf {
    pub identity: Identity,
    /// Seed of the hash of keys, the same in all nodes of a shard.
    pub hash_seed: u64,
    /// The node address; port 0 lets the system choose.
    pub listen: SocketAddr,
    pub config: Config,
}

impl NodeConf {
    /// Reads the lines of a node.conf: those that begin with `pollux-` are the node's own, all others
    /// are parameters of redis.conf.
    pub fn parse(directives: Vec<Directive>) -> Result<NodeConf, ConfError> {
        let (own, parameters): (Vec<Directive>, Vec<Directive>) =
            directives.into_iter().partition(|line| line.name.starts_with("pollux-"));
        let owner = Owner {
            cluster: value::<ClusterId>(&own, "pollux-cluster")?,
            shard: value::<ShardId>(&own, "pollux-shard")?,
            node: value::<NodeId>(&own, "pollux-node")?,
            incarnation: value::<Incarnation>(&own, "pollux-incarnation")?,
        };
        let secret = value::<String>(&own, "pollux-secret")?.into_bytes();
        let mut config = Config::default();
        config.load(&parameters)?;
        Ok(NodeConf {
            identity: Identity { owner, secret },
            hash_seed: value(&own, "pollux-hash-seed")?,
            listen: value(&own, "pollux-listen")?,
            config,
        })
    }
}

fn value<T: std::str::FromStr>(lines: &[Directive], name: &'static str) -> Result<T, ConfError> {
    let line = lines.iter().find(|line| line.name == name).ok_or(ConfError::Missing(name))?;
    let [word] = line.words.as_slice() else { return Err(ConfError::Value(name)) };
    word.parse().map_err(|_| ConfError::Value(name))
}

/// A node that listens, and owns its directory.
#[derive(Debug)]
pub struct Member {
    executor: Executor,
    address: SocketAddr,
    stopper: Stopper,
}

impl Member {
    /// Locks the directory, recovers the end of its log and listens at the node address. The seed of
    /// the hash must be installed before.
    pub fn open(dir: &Path, conf: NodeConf) -> Result<Member, MemberError> {
        let NodeConf { identity, listen, mut config, .. } = conf;
        // Whatever else is written by name belongs beside the log, not where the agent was started.
        let words = vec![dir.to_string_lossy().into_owned()];
        config
            .load([&Directive { name: "dir".to_owned(), words }])
            .map_err(|error| MemberError::Conf(error.into()))?;
        let directory = Directory::open(&dir.join(LOG_DIRECTORY), identity.owner)?;
        if let Some(torn) = directory.torn() {
            warn!(file = %torn.file.display(), bytes = torn.bytes, why = torn.why, "torn end of the log cut");
        }
        boot::provide_descriptors(config.settings().maxclients)?;
        let mut executor = boot::executor(config)?;
        let node = &mut executor.node;
        let failed = |error| MemberError::Listen { address: listen, error };
        let listener = node.net.listen(listen, &TcpOptions::default()).map_err(failed)?;
        let address = node.net.local_address(listener).unwrap_or(listen);
        info!(
            node = %identity.owner.node,
            shard = %identity.owner.shard,
            incarnation = %identity.owner.incarnation,
            %address,
            position = %directory.position(),
            epoch = %directory.epoch(),
            "waiting for an order"
        );
        let wake = node.net.wake_handle();
        // Nothing may change by itself before a role says so.
        executor.keys.set_replica(true);
        let replication = Replication::new(identity, directory, listener, wake.clone());
        node.replication = Some(Box::new(replication));
        Ok(Member { executor, address, stopper: Stopper::new(wake) })
    }

    /// The node address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Does as ordered until `POLLUX SHUTDOWN`, SHUTDOWN or a [`Stopper`]; then everything executed is
    /// on disk.
    pub fn run(mut self) -> Result<(), MemberError> {
        let served = self.serve();
        match self.executor.keys.detach_log() {
            // A log that failed cannot be stopped cleanly either; why it failed is the better answer.
            Some(log) => served.and(log.stop().map(drop).map_err(MemberError::Open)),
            None => served,
        }
    }

    fn serve(&mut self) -> Result<(), MemberError> {
        let executor = &mut self.executor;
        while executor.node.shutdown.is_none() && !self.stopper.is_wanted() {
            executor.turn()?;
            let replication = executor.node.replication.as_ref();
            if let Some(why) = replication.and_then(|replication| replication.why_lost()) {
                return Err(MemberError::DataLost { why: why.to_owned() });
            }
            let Some(log) = executor.keys.log().map(binlog::Appender::log) else { continue };
            let is_sound = log.is_sound();
            if !is_sound && let Health::Failed { why } = log.health() {
                return Err(MemberError::LogFailed { why });
            }
            executor.node.facts.persistence.log_failed = !is_sound;
        }
        info!("stopping");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file;

    const CONF: &str = "pollux-cluster 000000000000000000000000000000ab\npollux-shard shard-1\n\
        pollux-node node-2\npollux-incarnation 3\npollux-secret \"s \\\"x\"\npollux-hash-seed 7\n\
        pollux-listen 127.0.0.1:0\nappendfsync always\n";

    #[test]
    fn a_conf_says_who_the_node_is() {
        let conf = NodeConf::parse(file::parse(CONF).unwrap()).unwrap();
        assert_eq!(conf.identity.owner.node, NodeId(2));
        assert_eq!(conf.identity.secret, b"s \"x");
        assert_eq!(conf.config.get("appendfsync"), Some("always"));
    }

    #[test]
    fn a_conf_that_lacks_something_is_refused_by_name() {
        for name in ["pollux-cluster", "pollux-node", "pollux-listen", "pollux-hash-seed"] {
            let text: Vec<&str> = CONF.lines().filter(|line| !line.starts_with(name)).collect();
            let refused = NodeConf::parse(file::parse(&text.join("\n")).unwrap()).unwrap_err();
            assert_eq!(refused.to_string(), format!("'{name}' is missing"));
        }
        let wrong = CONF.replace("node-2", "2");
        let refused = NodeConf::parse(file::parse(&wrong).unwrap()).unwrap_err();
        assert_eq!(refused, ConfError::Value("pollux-node"));
    }
}
