//! A node of a cluster: which role it has, and what follows from that for its data.
//!
//! ```text
//!   order (POLLUX ROLE) --> accept: epoch, role ----.                    between turns:
//!                                                   v
//!   data:  Waiting --handshake or order--> Loading --> Running --order--> (role changes in place)
//!             ^          cut the tail,        ^           |
//!             |          start over           '-----------'  the histories differ: cut, load anew
//!
//!   master:  followers (sender threads), lease, endpoint      replica:  link thread -> batches -> log
//! ```
//!
//! Invariants
//! - A command only notes an order; it is carried out after the turn was committed.
//! - The endpoint is bound only by a master whose data is complete and whose lease holds.
//! - Nothing is cut from a log before it was set aside, durably.
//! - A replica changes nothing by itself: its log is the master's, byte for byte.
//! - A node without usable data ends; it never stands in the way of one that has it.
//! - What is in memory is what the log holds. A batch that was taken by only one of them costs the whole memory: it is
//!   built anew, from the log or from the master.

mod follow;
pub mod handshake;
mod lead;
mod link;
mod master;
mod orders;
mod report;
mod sender;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::{Epoch, NodeId, Tick};
use binlog::{Directory, Discarded, Discards, OpenError};
use net::{ListenerId, Token, Wake};
use wire::effect::Effect;
use wire::resp::reply::ErrorReply;

use crate::boot;
use crate::command::TimeoutReply;
use crate::interop::refresh_replicas;
use crate::keyspace::Keyspace;
use crate::lease::{self, Lease};
use crate::node::{Node, NodeTurn};
use crate::persist::checkpoint::{Checkpointer, Desk};
use crate::persist::restore::{LOAD_SLICE, REPORT_EVERY};
use crate::persist::{Restore, RestoreError};
use crate::turn::{Executor, monotonic_clock, wall_clock};
use follow::Upstream;
use handshake::{Identity, SyncRequest};
use lead::Lead;
use master::Arrival;
pub use orders::Order;

/// What the node does for its shard.
#[derive(Debug)]
enum Role {
    /// Nothing was ordered yet.
    None,
    Master(Lead),
    Replica(Upstream),
}

/// Where the data is.
#[derive(Debug)]
enum Data {
    /// On disk; the log's end is known, nothing is loaded.
    Waiting(Box<Directory>),
    Loading(Box<Loading>),
    /// In memory, complete; the log runs.
    Running,
    /// It cannot be used; the error says why. The node ends: its next process begins with what is on disk.
    Lost,
}

/// Checkpoint and log on their way into memory.
#[derive(Debug)]
struct Loading {
    directory: Box<Directory>,
    restore: Restore,
    reported: Tick,
}

/// Why the data cannot be brought into the state that a role needs.
#[derive(Debug, thiserror::Error)]
enum DataError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("the node holds no usable data")]
    Lost,
}

/// The node's part in its cluster. `None` in a [`Node`] that belongs to none.
#[derive(Debug)]
pub struct Replication {
    identity: Identity,
    /// Where other nodes and the agent are heard.
    listener: ListenerId,
    wake: Wake,
    pub(crate) lease: Lease,
    /// The newest epoch in which this process was given a role.
    epoch: Epoch,
    /// The newest epoch in which this process, as a replica, had everything of which the master had told it.
    followed: Epoch,
    role: Role,
    data: Data,
    /// Accepted, not carried out yet.
    order: Option<Order>,
    discards: Discards,
    error: Option<String>,
    has_more: bool,
}

/// What a change of role reaches.
struct Surroundings<'a> {
    node: &'a mut Node,
    keys: &'a mut Keyspace,
    checkpointer: &'a mut Checkpointer,
}

impl Replication {
    /// A node without a role over a recovered log. `listener` is that of the node address.
    pub fn new(
        identity: Identity,
        directory: Directory,
        listener: ListenerId,
        wake: Wake,
    ) -> Replication {
        Replication {
            identity,
            listener,
            wake,
            lease: Lease::new(wall_clock().0),
            epoch: Epoch(0),
            followed: Epoch(0),
            role: Role::None,
            order: None,
            discards: directory.discards(),
            data: Data::Waiting(Box::new(directory)),
            error: None,
            has_more: false,
        }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether connections of this listener come from the cluster itself.
    pub(crate) fn is_node_address(&self, listener: ListenerId) -> bool {
        self.listener == listener
    }

    /// Why a client's write may not be executed at `now`.
    #[inline]
    pub(crate) fn refuse_write(&self, now: Tick) -> Option<ErrorReply> {
        match &self.role {
            Role::Master(lead) if self.order.is_none() => {
                if !self.lease.holds(now) {
                    return Some(lease::RUN_OUT);
                }
                lead.refuse_write()
            }
            Role::None | Role::Master(_) | Role::Replica(_) => Some(lease::RUN_OUT),
        }
    }

    /// Whether clients are connected that must hear nothing any more: the lease has run out.
    pub(crate) fn is_run_out(&self, now: Tick) -> bool {
        matches!(&self.role, Role::Master(lead) if lead.is_bound()) && !self.lease.holds(now)
    }

    /// Replicas that have `op` in memory, or on disk.
    pub(crate) fn acknowledged(&self, op: u64, is_durable: bool) -> usize {
        match &self.role {
            Role::Master(lead) => lead.followers.acknowledged(op, is_durable),
            Role::None | Role::Replica(_) => 0,
        }
    }

    /// How long the executor may wait before it looks here again.
    pub(crate) fn patience(&self, now: Tick) -> Duration {
        if self.has_more || self.order.is_some() || matches!(self.data, Data::Loading(_)) {
            return Duration::ZERO;
        }
        match self.lease.ms_left(now) {
            Some(left) if left > 0 => Duration::from_millis(left.unsigned_abs()),
            _ => Duration::MAX,
        }
    }

    /// The work between two turns: orders, loading, what the link brought, the endpoint.
    fn poll(&mut self, around: &mut Surroundings<'_>) {
        let now = monotonic_clock();
        self.has_more = false;
        if let Some(order) = self.order.take() {
            let carried_out = self.carry_out(order, around);
            self.note(carried_out);
        }
        if matches!(self.data, Data::Loading(_)) {
            let loaded = self.load(around);
            self.note(loaded);
        }
        match self.role {
            Role::None => {}
            Role::Master(_) => self.lead(around, now),
            Role::Replica(_) => {
                let followed = self.follow(around, now);
                self.note(followed);
            }
        }
    }

    /// Remembers what went wrong, for STATE; the next order or success takes it back. A master that cannot do as
    /// ordered must not go on: as long as it answers it gets leases, and nobody else becomes master.
    fn note(&mut self, result: Result<(), DataError>) {
        if let Err(error) = result {
            tracing::error!(%error, "the node cannot do as ordered");
            let is_kept = matches!(self.data, Data::Running | Data::Waiting(_));
            if matches!(self.role, Role::Master(_)) || !is_kept {
                self.data = Data::Lost;
            }
            self.error = Some(error.to_string());
        }
    }

    /// Why this process cannot be of use any more.
    pub(crate) fn why_lost(&self) -> Option<&str> {
        let is_lost = matches!(self.data, Data::Lost);
        is_lost.then(|| self.error.as_deref().unwrap_or("the reason is in the log"))
    }

    // --- data

    /// Where this node's log ends, and the history it has.
    fn sync_request(&self, keys: &Keyspace) -> Option<SyncRequest> {
        let (position, history) = match (&self.data, keys.log()) {
            (Data::Waiting(directory), _) => (directory.position(), directory.history().clone()),
            (Data::Running, Some(log)) => (log.position(), log.log().history()),
            _ => return None,
        };
        let mut history = history;
        history.truncate_after(position.opid);
        Some(SyncRequest { position, history, wants_full: false })
    }

    /// Stops the log, or gives up loading: the directory, with nothing in memory.
    fn unload(&mut self, around: &mut Surroundings<'_>) -> Result<Box<Directory>, DataError> {
        around.checkpointer.abandon(around.keys);
        around.node.close_clients();
        let directory = match std::mem::replace(&mut self.data, Data::Lost) {
            Data::Waiting(directory) => return Ok(directory),
            Data::Loading(loading) => loading.directory,
            Data::Running => {
                let log = around.keys.detach_log().expect("a running node has a log");
                Box::new(log.stop()?)
            }
            Data::Lost => return Err(DataError::Lost),
        };
        for effect in [Effect::FlushAll, Effect::FunctionFlush] {
            let emptied = around.keys.store_mut().apply(0, &effect);
            emptied.expect("database 0 is always there");
        }
        Ok(directory)
    }

    /// Ops behind `after` were set aside, and the directory has counted them.
    fn tell_discarded(&mut self, directory: &Directory, discarded: &Discarded, after: u64) {
        self.discards = directory.discards();
        if discarded.count > 0 {
            let file = discarded.file.as_deref().unwrap_or(Path::new("")).display();
            tracing::warn!(
                ops = discarded.count,
                after,
                %file,
                "ops that the shard's history does not have were set aside"
            );
        }
    }

    fn begin_loading(&mut self, directory: Box<Directory>) -> Result<(), DataError> {
        let restore = Restore::begin(&directory)?;
        tracing::info!(position = %directory.position(), "loading");
        let reported = monotonic_clock();
        self.data = Data::Loading(Box::new(Loading { directory, restore, reported }));
        Ok(())
    }

    /// A slice of loading; at its end the log runs.
    fn load(&mut self, around: &mut Surroundings<'_>) -> Result<(), DataError> {
        let Data::Loading(loading) = &mut self.data else { return Ok(()) };
        around.node.is_loading = true;
        if let Err(error) = loading.restore.step(around.keys, LOAD_SLICE) {
            around.node.is_loading = false;
            if !matches!(self.role, Role::Replica(_)) {
                return Err(error.into());
            }
            // The master has what this disk has not.
            tracing::error!(%error, "own data not usable: fetching it anew");
            let directory = self.unload(around)?;
            self.data = Data::Waiting(directory);
            return self.dial(around.keys, true);
        }
        let progress = loading.restore.progress();
        if !loading.restore.is_done() {
            let now = monotonic_clock();
            if now.since(loading.reported) >= REPORT_EVERY {
                loading.reported = now;
                tracing::info!(
                    percent = progress.percent(),
                    keys = progress.keys,
                    ops = progress.ops,
                    "loading"
                );
            }
            return Ok(());
        }
        let Data::Loading(loading) = std::mem::replace(&mut self.data, Data::Lost) else {
            unreachable!("matched above");
        };
        let settings = around.node.config.settings();
        let options = boot::log_options(settings, self.wake.clone());
        let mut log = loading.directory.start(options)?;
        if matches!(self.role, Role::Replica(_)) {
            // What is on disk may tell of a reign of this node that wrote nothing before it died.
            log.follow();
        }
        log.note_epoch(self.epoch)?;
        tracing::info!(position = %log.position(), keys = around.keys.store().len(), "loaded");
        around.keys.attach_log(log);
        around.node.is_loading = false;
        around.node.facts.persistence.keys_loaded = around.keys.store().len() as u64;
        self.data = Data::Running;
        if matches!(self.role, Role::Master(_)) { self.begin_reign(around) } else { Ok(()) }
    }

    // --- orders

    fn carry_out(&mut self, order: Order, around: &mut Surroundings<'_>) -> Result<(), DataError> {
        self.error = None;
        match order {
            Order::Master { epoch, endpoint } => {
                tracing::info!(%epoch, "ordered to be the master");
                // Of an older epoch: its lease, its fence and its followers are not those of this one.
                self.step_down(around);
                self.drain_link(around)?;
                self.role = Role::Master(Lead::new(endpoint));
                match std::mem::replace(&mut self.data, Data::Lost) {
                    Data::Waiting(directory) => self.begin_loading(directory),
                    Data::Running => {
                        self.data = Data::Running;
                        self.begin_reign(around)
                    }
                    // The reign begins when it is complete.
                    data @ Data::Loading(_) => {
                        self.data = data;
                        Ok(())
                    }
                    Data::Lost => Err(DataError::Lost),
                }
            }
            Order::Replica { epoch, master, address } => {
                tracing::info!(%epoch, %master, %address, "ordered to be a replica");
                self.step_down(around);
                self.role = Role::Replica(Upstream::new(master, address));
                around.keys.set_replica(true);
                if matches!(self.data, Data::Loading(_)) {
                    let directory = self.unload(around)?;
                    around.node.is_loading = false;
                    self.data = Data::Waiting(directory);
                }
                if let Some(log) = around.keys.log_mut() {
                    log.follow();
                    log.note_epoch(epoch)?;
                }
                self.dial(around.keys, false)
            }
        }
    }

    /// Ends what only a master does. Clients hear no more of this node.
    fn step_down(&mut self, around: &mut Surroundings<'_>) {
        around.node.close_clients();
        if let Role::Master(lead) = &mut self.role {
            self.lease.revoke();
            around.node.holds.fence_until = None;
            lead.end(around.node);
        }
    }

    /// The data is complete, and this node is its master from here on.
    fn begin_reign(&mut self, around: &mut Surroundings<'_>) -> Result<(), DataError> {
        let log = around.keys.log_mut().expect("a running node has a log");
        if log.epoch() < self.epoch {
            log.begin_reign(self.epoch)?;
        }
        around.keys.set_replica(false);
        tracing::info!(epoch = %self.epoch, newest = around.keys.newest_op(), "master");
        Ok(())
    }

    /// A replica asked for the log: its socket leaves the executor and gets threads of its own.
    pub(crate) fn attach(&mut self, node: &mut Node, keys: &Keyspace, token: Token, ask: Ask) {
        let (Role::Master(lead), Some(log)) = (&mut self.role, keys.log()) else {
            node.net.close(token);
            return;
        };
        let attached = node.net.detach(token).and_then(|detached| {
            let arrival = Arrival {
                node: ask.node,
                request: ask.request,
                socket: detached.socket,
                unsent: detached.output,
            };
            lead.followers.attach(arrival, &log.log(), ask.desk, self.wake.clone())
        });
        match attached {
            Ok(handshake::Answer::Continue { .. }) => node.counters.sync_partial_ok += 1,
            Ok(handshake::Answer::Full { .. }) => node.counters.sync_full += 1,
            Err(error) => tracing::warn!(node = %ask.node, %error, "a replica was lost at once"),
        }
    }
}

/// Brings the facts that INFO and ROLE show up to now.
pub(crate) fn refresh_facts(cx: &mut NodeTurn<'_>) {
    let facts = &mut cx.node.facts.replication;
    facts.newest_op = cx.turn.keys.newest_op();
    match &cx.node.replication {
        Some(replication) => replication.tell(facts, monotonic_clock()),
        None => {
            facts.replicas.clear();
            let master = cx.node.sink.as_ref().map(|sink| sink.facts(cx.node));
            cx.node.facts.replication.master = master;
        }
    }
    refresh_replicas(cx);
}

/// A replica's `POLLUX SYNC`, carried out when the command has ended.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) node: NodeId,
    pub(crate) request: SyncRequest,
    pub(crate) desk: Arc<Desk>,
}

/// Whom a replica is to follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Leader {
    node: NodeId,
    address: SocketAddr,
}

impl Executor {
    /// The share of a turn that belongs to the node's role in its cluster.
    pub(crate) fn replicate(&mut self) {
        let Some(mut replication) = self.node.replication.take() else { return };
        let mut around = Surroundings {
            node: &mut self.node,
            keys: &mut self.keys,
            checkpointer: &mut self.checkpointer,
        };
        replication.poll(&mut around);
        self.node.replication = Some(replication);
        self.stage(|stage| stage.carry_out_requests());
    }

    /// Answers those whose WAIT is over: enough nodes have what they wrote.
    pub(crate) fn answer_waiting(&mut self) {
        if self.blocking.quorums().is_empty() {
            return;
        }
        let node = &self.node;
        let is_over = |token: &Token| {
            let blocked = node.clients.get(*token).and_then(|session| session.blocked.as_ref());
            let Some(TimeoutReply::Reached(quorum)) = blocked.map(|blocked| blocked.on.on_timeout)
            else {
                return false;
            };
            quorum.is_met(quorum.reached(node, &self.keys))
        };
        let over: Vec<Token> = self.blocking.quorums().iter().copied().filter(is_over).collect();
        for token in over {
            self.stage(|stage| stage.end_wait(token, None));
        }
    }

    /// Closes every client, unheard, when the lease has run out meanwhile: what it would read may be
    /// outdated, and what it wrote may be lost.
    pub(crate) fn silence_if_run_out(&mut self) {
        let Some(replication) = &self.node.replication else { return };
        if replication.is_run_out(monotonic_clock()) {
            self.node.close_clients();
            self.stage(|stage| stage.carry_out_requests());
        }
    }
}
