//! A node that belongs to no cluster: `pollux server`.
//!
//! ```text
//!   open:  listen -> lock <dir>/binlog -> recover the log's end -> seed the hash
//!   run:   restore, or import what Redis left (clients get -LOADING) -> serve -> stop: everything that was executed is fsynced
//! ```
//!
//! Invariants
//! - Nothing is written to a directory before its identity was checked.
//! - A node whose log has failed ends: what it would serve could be gone after the next start.

pub mod import;
mod past;
mod seed;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{ClusterId, Epoch, Incarnation, NodeId, ShardId};
use binlog::{Directory, Health, OpenError, Owner};
use store::dict::HashSeed;
use tracing::warn;

use crate::access::file::UsersError;
use crate::boot::{self, ListenError};
use crate::command::table;
use crate::config::Config;
use crate::config::file::Directive;
use crate::info::LoadFacts;
use crate::journal;
use crate::keyspace::Keyspace;
use crate::listeners::Listeners;
use crate::node::Node;
use crate::persist::restore::{LOAD_SLICE, REPORT_EVERY};
use crate::persist::{Restore, RestoreError, RestoreProgress};
use crate::stopper::Stopper;
use crate::turn::{Executor, monotonic_clock};
use past::Past;

/// Where the log lies in the directory `dir`.
const LOG_DIRECTORY: &str = "binlog";
/// Owner of a log that belongs to no cluster; it never matches that of a cluster's node.
const OWNER: Owner = Owner {
    cluster: ClusterId(0),
    shard: ShardId(0),
    node: NodeId(0),
    incarnation: Incarnation(1),
};
/// A lone node is its own master, once and for all.
const REIGN: Epoch = Epoch(1);

/// Why a lone node does not run, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum AloneError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Users(#[from] UsersError),
    #[error("{why}")]
    Rename { why: &'static str },
    #[error("cannot use {path}: {error}")]
    Directory { path: PathBuf, error: io::Error },
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error("{path} of Redis cannot be imported: {why}")]
    Import { path: PathBuf, why: String },
    #[error("the log cannot be written: {why}")]
    LogFailed { why: String },
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl AloneError {
    /// What the operator can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            AloneError::Listen(ListenError::PathInUse { .. }) => {
                "stop what listens there, or take another path with --unixsocket"
            }
            AloneError::Listen(ListenError::InUse { .. }) => {
                "stop what listens there, or take another port with --port"
            }
            AloneError::Listen(ListenError::Tls(_)) => {
                "see to the files named by tls-cert-file, tls-key-file and tls-ca-cert-file, and to tls-auth-clients"
            }
            AloneError::Listen(_) => "name addresses of this machine with --bind",
            AloneError::Rename { .. } => "see to the `rename-command` lines of the configuration",
            AloneError::Users(_) => {
                "see to the aclfile, or to the `user` lines of the configuration"
            }
            AloneError::Directory { .. } | AloneError::Open(OpenError::Path { .. }) => {
                "check its permissions, or name another directory with --dir"
            }
            AloneError::Open(OpenError::Locked { .. }) => {
                "stop that process, or name another directory with --dir"
            }
            AloneError::Open(OpenError::Identity { .. } | OpenError::Foreign { .. }) => {
                "it holds something else and is left as it is; name another directory with --dir"
            }
            AloneError::Open(OpenError::Manifest { .. } | OpenError::Corrupt { .. })
            | AloneError::Restore(_) => {
                "nothing was changed; bring the directory back from a backup, or start with an empty one"
            }
            AloneError::Import { .. } => {
                "nothing was changed; repair the file with redis-check-aof or redis-check-rdb, or move it away"
            }
            AloneError::Open(_) | AloneError::LogFailed { .. } | AloneError::Io(_) => {
                "see to the disk, then start again: everything up to the last good write is there"
            }
        }
    }
}

/// What a node tells about its start.
#[derive(Clone, Copy, Debug)]
pub enum Stage {
    /// Told when loading takes long, about once a second.
    Loading(RestoreProgress),
    /// Clients are served.
    Ready(RestoreProgress),
}

/// A node that listens, and owns its directory.
#[derive(Debug)]
pub struct Alone {
    executor: Executor,
    directory: Directory,
    stopper: Stopper,
}

impl Alone {
    /// Listens, locks the directory, recovers the end of its log, and seeds the hash of this process.
    pub fn open(mut config: Config) -> Result<Alone, AloneError> {
        let dir = settle_directory(&mut config)?;
        table::rename(config.renames()).map_err(|why| AloneError::Rename { why })?;
        fit_descriptors(&mut config)?;
        let mut executor = boot::executor(config)?;
        let node = &mut executor.node;
        node.access.load_at_start(&node.config)?;
        let listeners = Listeners::open(&mut node.net, node.config.settings())?;
        node.listeners = Some(listeners);
        let log = dir.join(LOG_DIRECTORY);
        let directory = Directory::open(&log, OWNER)?;
        if let Some(torn) = directory.torn() {
            warn!(file = %torn.file.display(), bytes = torn.bytes, why = torn.why, "torn end of the log cut");
        }
        let seed = seed::of(&log).map_err(|error| AloneError::Directory { path: log, error })?;
        if !HashSeed::new(seed).install() {
            warn!("another node of this process has seeded the hash");
        }
        let stopper = Stopper::new(executor.wake_handle());
        executor.node.stopper = Some(stopper.clone());
        Ok(Alone { executor, directory, stopper })
    }

    /// Where clients are accepted.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners().addresses()
    }

    /// The socket in the file system, if there is one.
    pub fn unix_path(&self) -> Option<&Path> {
        self.listeners().unix_path()
    }

    fn listeners(&self) -> &Listeners {
        self.executor.node.listeners.as_ref().expect("opened with the node")
    }

    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Loads and serves until SHUTDOWN or a [`Stopper`]; then everything executed is on disk.
    pub fn run(mut self, tell: &mut dyn FnMut(Stage)) -> Result<(), AloneError> {
        let Some(loaded) = self.load(tell)? else { return Ok(()) };
        let settings = self.executor.node.config.settings();
        let options = boot::lone_log_options(settings, self.executor.wake_handle());
        let mut appender = self.directory.start(options)?;
        if appender.epoch() < REIGN {
            appender.begin_reign(REIGN)?;
        }
        self.executor.keys.attach_log(appender);
        journal::set_role('M');
        tell(Stage::Ready(loaded));
        resume_replication(&mut self.executor)?;
        let served = serve(&mut self.executor);
        self.executor.node.take_leave(&self.executor.keys);
        let past = self.executor.node.replication_past(&self.executor.keys);
        // A log that failed cannot be stopped cleanly either; why it failed is the better answer.
        let Some(appender) = self.executor.keys.detach_log() else { return served };
        served?;
        let directory = appender.stop()?;
        if let Some((id, offset, db)) = past {
            let op = directory.position().opid;
            past::keep(directory.path(), &Past { op, id, offset, db })?;
        }
        Ok(())
    }

    /// Brings the data back, a slice a turn; `None` when the node was stopped meanwhile.
    fn load(&mut self, tell: &mut dyn FnMut(Stage)) -> Result<Option<RestoreProgress>, AloneError> {
        if let Some(progress) = self.import()? {
            return Ok(progress);
        }
        let mut restore = Restore::begin(&self.directory)?;
        restore.accept_foreign_images();
        let executor = &mut self.executor;
        executor.node.is_loading = true;
        let mut reported = monotonic_clock();
        let mut started_at = None;
        let mut delayed_until = reported;
        while !restore.is_done() {
            executor.turn_at_once()?;
            if is_over(executor, &self.stopper) {
                return Ok(None);
            }
            if monotonic_clock() < delayed_until {
                executor.turn()?;
                continue;
            }
            let before = restore.progress();
            restore.step(&mut executor.keys, LOAD_SLICE)?;
            let progress = restore.progress();
            let loaded = (progress.keys + progress.ops).saturating_sub(before.keys + before.ops);
            delayed_until = monotonic_clock().plus(load_delay(&executor.node, loaded));
            executor.node.facts.persistence.load = LoadFacts {
                started_at: *started_at.get_or_insert(executor.node.now),
                bytes_total: progress.bytes_total,
                bytes_loaded: progress.bytes_done,
            };
            let now = monotonic_clock();
            if now.since(reported) >= REPORT_EVERY {
                reported = now;
                tell(Stage::Loading(progress));
            }
        }
        executor.node.is_loading = false;
        executor.node.facts.persistence.keys_loaded = executor.keys.store().len() as u64;
        Ok(Some(restore.progress()))
    }
}

impl Alone {
    /// Takes over what redis-server has left in the directory, if this node has written nothing yet. `None`: there was
    /// nothing; else as [`Alone::load`].
    fn import(&mut self) -> Result<Option<Option<RestoreProgress>>, AloneError> {
        let executor = &mut self.executor;
        // From its first op on, the log has the say.
        if self.directory.position().opid > 0 || !self.directory.checkpoints().is_empty() {
            import::tell_what_is_left(&executor.node.config, self.directory.path());
            return Ok(None);
        }
        let Some(found) = import::find(&executor.node.config)? else { return Ok(None) };
        executor.node.is_loading = true;
        let stopper = &self.stopper;
        let is_over = |executor: &Executor| is_over(executor, stopper);
        if !import::load(executor, &found, &is_over)? {
            return Ok(Some(None));
        }
        import::keep(executor, &mut self.directory)?;
        executor.node.is_loading = false;
        let keys = executor.keys.store().len() as u64;
        executor.node.facts.persistence.keys_loaded = keys;
        Ok(Some(Some(RestoreProgress { keys, ..RestoreProgress::default() })))
    }
}

/// `key-load-delay` for so many keys.
fn load_delay(node: &Node, keys: u64) -> Duration {
    let delay_us = u64::try_from(node.config.settings().process.key_load_delay_us).unwrap_or(0);
    Duration::from_micros(delay_us.saturating_mul(keys))
}

/// Goes on in the replication with Redis where the last stop has left it, as a replica if `replicaof` says so.
fn resume_replication(executor: &mut Executor) -> Result<(), AloneError> {
    let Executor { node, keys, .. } = executor;
    let log = keys.log().expect("attached before");
    let past = past::take(log.log().directory(), log.position().opid)?;
    // There may be fewer databases than at the last start.
    let db = past.as_ref().map_or(0, |past| past.db);
    let db = if db < keys.store().databases() { db } else { 0 };
    if let Some(past) = &past {
        keys.stream_mut().resume(&past.id, past.offset, db);
    }
    if !follow_as_configured(node, keys, db) && past.is_some() {
        keys.stream_mut().lead();
    }
    Ok(())
}

/// `replicaof` of the configuration; `db` is selected in the master's stream. `false`: this node is a master.
fn follow_as_configured(node: &mut Node, keys: &mut Keyspace, db: u16) -> bool {
    let replicaof = node.config.settings().replicaof.clone();
    let Some((host, port)) = replicaof.split_once(' ') else { return false };
    let port = port.trim().parse();
    match port {
        Ok(port) => node.follow_redis(keys, host.to_owned(), port, db),
        Err(_) => warn!(replicaof, "no port to connect to"),
    }
    port.is_ok()
}

/// Turns until the node is told to end, or cannot be trusted any more.
fn serve(executor: &mut Executor) -> Result<(), AloneError> {
    while executor.node.shutdown.is_none() {
        executor.turn()?;
        executor.follow_redis()?;
        executor.look_after_departure();
        let log = executor.keys.log().expect("a node that serves has a log").log();
        let is_sound = log.is_sound();
        if !is_sound && let Health::Failed { why } = log.health() {
            return Err(AloneError::LogFailed { why });
        }
        executor.node.facts.persistence.log_failed = !is_sound;
    }
    Ok(())
}

fn is_over(executor: &Executor, stopper: &Stopper) -> bool {
    executor.node.shutdown.is_some() || stopper.is_wanted()
}

/// Makes `dir` absolute, so that CONFIG GET tells where the data is; it must be there already.
fn settle_directory(config: &mut Config) -> Result<PathBuf, AloneError> {
    let named = match config.get("dir") {
        None | Some("") => Path::new("."),
        Some(named) => Path::new(named),
    };
    let failed = |error| AloneError::Directory { path: named.to_owned(), error };
    let dir = named.canonicalize().map_err(failed)?;
    if !dir.is_dir() {
        return Err(failed(io::ErrorKind::NotADirectory.into()));
    }
    put(config, "dir", dir.to_string_lossy().into_owned());
    Ok(dir)
}

/// Lowers `maxclients` to what the system lets this process open.
fn fit_descriptors(config: &mut Config) -> Result<(), AloneError> {
    let wanted = config.settings().maxclients;
    let fit = boot::provide_descriptors(wanted)?;
    if fit < wanted {
        warn!(wanted, fit, "maxclients lowered: raise the limit of open files (ulimit -n)");
        put(config, "maxclients", fit.to_string());
    }
    Ok(())
}

fn put(config: &mut Config, name: &str, value: String) {
    let directive = Directive { name: name.to_owned(), words: vec![value] };
    config.load([&directive]).expect("the value is of the parameter's kind");
}
