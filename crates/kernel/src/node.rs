//! Everything the executor owns besides the data itself.

use std::sync::Arc;
use std::time::Duration;

use base::{Tick, UnixMs};
use net::{Address, Driver, ListenerId, Token};
use tracing::warn;
use wire::resp::reply::{ErrorReply, Protocol, ReplyWriter};

use crate::access::Access;
use crate::barrier::Barrier;
use crate::batch::Input;
use crate::blocking::Blocking;
use crate::client::{Clients, Session};
use crate::client_list::counted_output;
use crate::config::Config;
use crate::departure::Departure;
use crate::eviction::Eviction;
use crate::info::Facts;
use crate::interop::{Failover, Sink, Source};
use crate::journal;
use crate::keyspace::{Keyspace, Wanted};
use crate::latency::LatencyMonitor;
use crate::limits::Limits;
use crate::listeners::Listeners;
use crate::oom::OomScore;
use crate::persist::checkpoint::Desk;
use crate::pubsub::PubSub;
use crate::replicate::{Ask, Replication};
use crate::script::Scripts;
use crate::slowlog::Slowlog;
use crate::stats::Stats;
use crate::stopper::Stopper;
use crate::tracking::Tracking;
use crate::turn::{Turn, wall_clock};

/// Connections at the node address: agents and replicas are few.
const PEERS_COUNT_MAX: usize = 64;

const TOO_MANY_CLIENTS: ErrorReply = ErrorReply::new("ERR max number of clients reached");
const PROTECTED: ErrorReply = ErrorReply::new(
    "DENIED Pollux runs in protected mode and has no password: it takes connections of its own machine \
     only. Set requirepass, or switch protected-mode off if no stranger can reach the port.",
);

/// The node: what commands of the kind `Handler::Node` may reach.
#[derive(Debug)]
pub struct Node {
    pub net: Driver,
    pub clients: Clients,
    pub limits: Limits,
    pub pubsub: PubSub,
    /// Clients that are shown every command, in the order in which they came.
    pub(crate) monitors: Vec<Token>,
    /// Client-side caching.
    pub tracking: Tracking,
    pub holds: Holds,
    /// Users, and what was denied to them.
    pub access: Access,
    /// Where clients are accepted, if the node decides that itself.
    pub listeners: Option<Listeners>,
    /// Data is being read from disk: only commands with the flag `loading` run.
    pub is_loading: bool,
    /// Set to end the executor after this turn.
    pub shutdown: Option<Shutdown>,
    /// Set while the node waits for its replicas before it ends.
    pub(crate) departure: Option<Departure>,
    /// The wish of a signal that the node shall end.
    pub(crate) stopper: Option<Stopper>,
    pub(crate) oom: OomScore,
    pub counters: Stats,
    pub config: Config,
    pub scripts: Scripts,
    pub slowlog: Slowlog,
    pub latency: LatencyMonitor,
    pub facts: Facts,
    pub saving: Saving,
    /// What a command has asked for behind the checkpoint that runs.
    pub save_next: Option<SaveKind>,
    /// Where checkpoints are ordered.
    pub desk: Arc<Desk>,
    /// The node's part in its cluster; `None`: it belongs to none.
    pub replication: Option<Box<Replication>>,
    /// Replicas of Redis that follow this node.
    pub(crate) source: Source,
    /// The master of Redis that this node follows.
    pub(crate) sink: Option<Box<Sink>>,
    /// The role is about to be handed to a replica.
    pub(crate) failover: Option<Failover>,
    /// Who was to be the master instead of this node has said no.
    pub(crate) is_refused: bool,
    /// The op at which the checkpoint stands that is being made.
    pub(crate) round_op: Option<u64>,
    /// DEBUG SET-ACTIVE-EXPIRE: whether due keys are looked for.
    pub is_active_expire_on: bool,
    /// DEBUG PAUSE-CRON: no periodic work is done.
    pub is_cron_paused: bool,
    /// The error that the running command ends with was counted when it arose.
    pub(crate) is_error_counted: bool,
    /// When the running command began, the data took more than `maxmemory`, and no key might go.
    pub(crate) is_full: bool,
    pub(crate) eviction: Eviction,
    /// Replies that wait for the log.
    pub(crate) barrier: Barrier,
    /// Wall time of the turn.
    pub now: UnixMs,
    /// When the running command began.
    pub tick: Tick,
    /// Clients whose output changed in this turn.
    pub(crate) touched: Vec<Token>,
    /// What commands asked to be done to other clients, after the command.
    pub(crate) requests: Vec<Request>,
}

/// Checkpoints on demand: a command makes it `Wanted`, who writes checkpoints does the rest and ends with
/// [`Node::saved`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Saving {
    /// There is no directory to write to.
    #[default]
    Unavailable,
    Idle,
    Wanted(SaveKind),
    Running(SaveKind),
}

/// What a checkpoint is for. They are all alike; INFO tells them apart as Redis does its RDB files and AOF rewrites.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SaveKind {
    /// SAVE, BGSAVE, a save point, a replica that needs everything.
    Snapshot,
    /// BGREWRITEAOF, or the log has become long: it is cut behind the checkpoint.
    Rewrite,
}

/// How the executor shall end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shutdown {
    /// Everything acknowledged is on disk first.
    Clean,
}

/// Why commands wait: they are held without error until released or timed out.
#[derive(Clone, Debug, Default)]
pub struct Holds {
    /// The switchover fence; holds writes. A lease that was granted before it must run out within it, and leases
    /// know no steps of the wall clock.
    pub fence_until: Option<Tick>,
    /// CLIENT PAUSE.
    pub pause: Option<Pause>,
    /// The node waits for its replicas before it ends; holds writes.
    pub is_departing: bool,
    /// FAILOVER; holds writes.
    pub is_failing_over: bool,
}

/// CLIENT PAUSE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pause {
    pub until: UnixMs,
    /// `ALL`; else only commands that may write.
    pub is_all: bool,
}

impl Holds {
    pub(crate) fn is_empty(&self) -> bool {
        self.fence_until.is_none()
            && self.pause.is_none()
            && !self.is_departing
            && !self.is_failing_over
    }

    /// Whether commands that may write wait. Nothing then changes the data: no expiry, no eviction.
    pub fn hold_writes(&self) -> bool {
        !self.is_empty()
    }

    pub(crate) fn hold_all(&self) -> bool {
        self.pause.is_some_and(|pause| pause.is_all)
    }

    /// Drops what has timed out.
    pub(crate) fn expire(&mut self, now: UnixMs, tick: Tick) {
        self.fence_until = self.fence_until.filter(|until| *until > tick);
        self.pause = self.pause.filter(|pause| pause.until > now);
    }
}

/// Done by the shell when the command that asked has ended.
#[derive(Debug)]
pub(crate) enum Request {
    Close(Token),
    Unblock {
        token: Token,
        error: Option<ErrorReply>,
    },
    /// Ends every parked command with this error.
    UnblockAll(ErrorReply),
    /// Runs the parked command of a client again.
    Rerun(Token),
    /// The connection becomes the link of a replica.
    Attach(Token, Box<Ask>),
}

impl Node {
    pub fn new(net: Driver, limits: Limits) -> Node {
        let desk = Arc::new(Desk::new(net.wake_handle()));
        Node {
            desk,
            replication: None,
            net,
            clients: Clients::default(),
            limits,
            pubsub: PubSub::default(),
            monitors: Vec::new(),
            tracking: Tracking::default(),
            holds: Holds::default(),
            access: Access::default(),
            listeners: None,
            is_loading: false,
            shutdown: None,
            departure: None,
            stopper: None,
            oom: OomScore::default(),
            counters: Stats::default(),
            config: Config::default(),
            scripts: Scripts::default(),
            slowlog: Slowlog::default(),
            latency: LatencyMonitor::default(),
            facts: Facts::new(wall_clock()),
            saving: Saving::default(),
            save_next: None,
            source: Source::default(),
            sink: None,
            failover: None,
            is_refused: false,
            round_op: None,
            is_active_expire_on: true,
            is_cron_paused: false,
            is_error_counted: false,
            is_full: false,
            eviction: Eviction::default(),
            barrier: Barrier::default(),
            now: UnixMs(0),
            tick: Tick(0),
            touched: Vec::new(),
            requests: Vec::new(),
        }
    }

    /// Lets a new connection in, or not.
    pub(crate) fn welcome(&mut self, token: Token, peer: Address, listener: ListenerId) {
        if self.is_node_address(listener) {
            self.welcome_peer(token, peer);
        } else {
            self.welcome_client(token, peer);
        }
    }

    /// Connections at the node address count apart from clients: a full node must still be led.
    fn welcome_peer(&mut self, token: Token, peer: Address) {
        if self.clients.iter().filter(|session| session.is_internal).count() >= PEERS_COUNT_MAX {
            warn!(%peer, "too many connections at the node address");
            return self.net.close(token);
        }
        let local = self.net.local(token).unwrap_or_else(|| peer.clone());
        self.clients.insert(token, peer, local, self.now).is_internal = true;
    }

    fn welcome_client(&mut self, token: Token, peer: Address) {
        let refusal = if self.clients.count() >= self.limits.maxclients {
            Some(TOO_MANY_CLIENTS)
        } else if self.limits.is_protected
            && self.access.default_user().needs_no_password()
            && !peer.is_local()
        {
            Some(PROTECTED)
        } else {
            None
        };
        if let Some(error) = refusal {
            self.counters.rejected_connections += 1;
            if self.net.is_encrypted(token) {
                // Nothing can be said before the handshake, and nobody shall make the node wait for that.
                return self.net.close(token);
            }
            if let Some(output) = self.net.output(token) {
                ReplyWriter::new(output.buffer(), Protocol::Resp2).error(&error);
                output.release();
            }
            self.net.close_after_flush(token);
            return;
        }
        let local = self.net.local(token).unwrap_or_else(|| peer.clone());
        let session = self.clients.insert(token, peer, local, self.now);
        session.start_as_default(&self.access);
    }

    /// Makes what the executor, its sockets, the data and the log read at every step equal to the
    /// configuration.
    pub fn configure(&mut self, keys: &mut Keyspace) {
        let settings = self.config.settings();
        self.slowlog.shrink(settings.slowlog_max_len);
        self.net.set_keepalive(Duration::from_secs(u64::from(settings.tcp_keepalive_seconds)));
        if let Some(log) = keys.log() {
            log.log().set_policy(settings.appendfsync.policy());
        }
        self.limits = Limits::of(settings);
        self.scripts
            .set_memory_max(usize::try_from(settings.lua_memory_limit).unwrap_or(usize::MAX));
        self.clients.measure_anew();
        self.access.configure(settings);
        journal::set_level(settings.loglevel);
        self.scripts.offers_deprecated = settings.process.lua_offers_deprecated;
        self.scripts.functions.offers_deprecated = settings.process.lua_offers_deprecated;
        let stream = keys.stream_mut();
        stream.unlinks_expired = settings.lazyfree_lazy_expire;
        stream.unlinks_evicted = settings.lazyfree_lazy_eviction;
        let store = keys.store_mut();
        store.set_thresholds(settings.thresholds());
        store.set_access(settings.access(self.now));
        keys.set_wanted(Wanted::parse(&settings.notify_keyspace_events));
    }

    /// A checkpoint is complete, or failed for the reason given; answers SAVE, and lets those try again that waited
    /// for its end.
    pub fn saved(&mut self, outcome: Result<(), &str>) {
        let kind = match self.saving {
            Saving::Wanted(kind) | Saving::Running(kind) => kind,
            Saving::Unavailable | Saving::Idle => SaveKind::Snapshot,
        };
        self.saving = self.save_next.take().map_or(Saving::Idle, Saving::Wanted);
        self.round_op = None;
        let facts = &mut self.facts.persistence;
        facts.last_try_at = self.now;
        (facts.save_keys_done, facts.save_keys_total) = (0, 0);
        let started_at = facts.save_started_at.take().unwrap_or(self.now);
        facts.last_save_failed = outcome.is_err();
        if outcome.is_ok() {
            facts.last_save_at = self.now;
            let seconds = self.now.0.saturating_sub(started_at.0) / 1000;
            match kind {
                SaveKind::Snapshot => {
                    facts.last_save_seconds = Some(seconds);
                    facts.saves += 1;
                }
                SaveKind::Rewrite => {
                    facts.last_rewrite_seconds = Some(seconds);
                    facts.rewrites += 1;
                }
            }
        }
        let error = outcome.err().map(|reason| ErrorReply::from(format!("ERR {reason}")));
        for session in self.clients.iter() {
            let token = session.token;
            match session.blocked.as_ref().map(|parked| parked.command.spec.name) {
                Some("save") if kind == SaveKind::Snapshot => {
                    self.requests.push(Request::Unblock { token, error: error.clone() });
                }
                Some("debug") => self.requests.push(Request::Rerun(token)),
                _ => {}
            }
        }
    }

    /// A checkpoint was given up as nobody wants it any more: neither a success nor a failure.
    pub(crate) fn save_dropped(&mut self) {
        self.saving = self.save_next.take().map_or(Saving::Idle, Saving::Wanted);
        self.round_op = None;
        let facts = &mut self.facts.persistence;
        facts.save_started_at = None;
        (facts.save_keys_done, facts.save_keys_total) = (0, 0);
    }

    /// Whether data is read from disk, or comes from a master while other data is served.
    pub(crate) fn is_loading_anything(&self) -> bool {
        self.is_loading || self.is_loading_aside()
    }

    /// Whether data comes from a master while other data is served.
    #[inline]
    pub(crate) fn is_loading_aside(&self) -> bool {
        self.sink.as_ref().is_some_and(|sink| sink.is_loading(self.config.settings()))
    }

    /// Whether at `tick` nothing may change but by the command of a client: no expiry, no eviction.
    #[inline]
    pub(crate) fn is_still(&self, tick: Tick) -> bool {
        let replication = self.replication.as_ref();
        self.is_loading
            || self.holds.hold_writes()
            || replication.is_some_and(|replication| replication.refuse_write(tick).is_some())
    }

    /// Closes another client when the running command has ended; output that was not sent is lost.
    /// For the running command's own client set `Session::close_after_reply`.
    pub fn close(&mut self, token: Token) {
        self.requests.push(Request::Close(token));
    }

    /// Something was appended for a client that has asked for more than replies. Who then leaves more unread than its
    /// hard limit hears nothing more, and is closed when the running command has ended: a single command can say more
    /// than the memory holds.
    #[inline]
    pub(crate) fn bound_told(&mut self, token: Token, is_subscribed: bool) {
        let bound = self.limits.output(is_subscribed).hard_bytes;
        if bound > 0 && counted_output(self.net.output_pending(token), is_subscribed) > bound {
            self.silence(token);
        }
    }

    #[cold]
    fn silence(&mut self, token: Token) {
        let pending = self.net.output_pending(token);
        // The session of the running client is not here.
        let client = self.clients.get(token).map(|session| session.id.0);
        tracing::warn!(client, pending, "client closed: it does not read what it is told");
        self.counters.output_limit_closed += 1;
        self.net.mute(token);
        self.close(token);
    }

    /// Whether this listener is for the cluster's own traffic.
    pub(crate) fn is_node_address(&self, listener: ListenerId) -> bool {
        self.replication.as_ref().is_some_and(|replication| replication.is_node_address(listener))
    }

    /// Closes all clients of the endpoint at once, those included that are only waiting for their last replies:
    /// nothing that they were still to hear is sent.
    pub(crate) fn close_clients(&mut self) {
        self.barrier.clear();
        let clients = self.clients.iter().filter(|session| !session.is_internal);
        self.requests.extend(clients.map(|session| Request::Close(session.token)));
    }

    /// Ends the parked command of a client: with its timeout reply, or with `error`.
    /// `false` when it is not parked.
    pub fn unblock(&mut self, token: Token, error: Option<ErrorReply>) -> bool {
        let is_blocked = self.clients.get(token).is_some_and(|session| session.blocked.is_some());
        if is_blocked {
            self.requests.push(Request::Unblock { token, error });
        }
        is_blocked
    }

    /// Ends every parked command, as the node changes its role.
    pub fn unblock_all(&mut self, error: ErrorReply) {
        self.requests.push(Request::UnblockAll(error));
    }

    /// Where to append something for a client other than the running one.
    pub fn output(&mut self, token: Token) -> Option<ReplyWriter<'_>> {
        let protocol = self.clients.get(token)?.protocol;
        self.touch(token);
        Some(ReplyWriter::new(self.net.output(token)?.buffer(), protocol))
    }

    /// Lists the client among those whose output is looked at before the turn ends.
    #[inline]
    pub(crate) fn touch(&mut self, token: Token) {
        if let Some(client) = self.clients.client(token)
            && !client.is_touched
        {
            client.is_touched = true;
            self.touched.push(token);
        }
    }
}

/// The surroundings of a command that needs the node.
#[derive(Debug)]
pub struct NodeTurn<'a> {
    pub turn: Turn<'a>,
    pub node: &'a mut Node,
    pub(crate) blocking: &'a mut Blocking,
    /// What other clients have sent, and is parsed already: for a command that lasts, as others are served meanwhile.
    pub(crate) later: &'a mut [Input],
}

impl NodeTurn<'_> {
    /// Every client, the running one included.
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.node.clients.iter().chain([&*self.turn.session])
    }

    /// Whether clients may not write because this node follows another one.
    pub(crate) fn is_read_only(&self) -> bool {
        self.turn.keys.is_replica() && self.node.config.settings().replica_read_only
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_wall_clock_does_not_end_a_fence() {
        let fence_until = Some(Tick(0).plus_ms(5_000));
        let until = UnixMs(1_000_000);
        let pause = Some(Pause { until, is_all: true });
        let mut holds = Holds { fence_until, pause, ..Holds::default() };
        holds.expire(UnixMs(2_000_000), Tick(0).plus_ms(4_999));
        assert!(holds.hold_writes() && !holds.hold_all(), "the pause is over, the fence is not");
        holds.expire(UnixMs(0), Tick(0).plus_ms(5_000));
        assert!(holds.is_empty());
    }
}
