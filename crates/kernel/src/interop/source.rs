//! Replicas of Redis that follow this node: clients whose output is filled from the stream.
//!
//! ```text
//!   Introduced --PSYNC, SYNC--> Gathering --repl-diskless-sync-delay--> Waiting --round ends--> Loading --sent--> Online
//!    (REPLCONF)      `---------- offset in the backlog ------------------------------------------------------------^
//! ```
//!
//! Invariants
//! - A replica that waits, loads or is online has everything in the backlog that it was not sent.
//! - An output holds at most [`OUTPUT_AHEAD_BYTES`] and one piece of the image or of the stream.

use std::net::{Ipv4Addr, SocketAddr};

use base::{Position, Tick, UnixMs};
use net::{Address, Token, Wake};
use wire::rdb::save::Writer;

use super::image::{ImageReader, Piece};
use crate::client_list;
use crate::info::ReplicaFacts;
use crate::keyspace::Keyspace;
use crate::node::{Node, NodeTurn, Saving};
use crate::persist::checkpoint::USELESS;
use crate::turn::{Executor, monotonic_clock};

/// Output of a replica is filled up to here; the rest waits in the backlog or in the file.
const OUTPUT_AHEAD_BYTES: usize = 1 << 20;
/// Bytes of the stream appended at once.
const PIECE_BYTES: usize = 256 << 10;
const BEAT_MS: u64 = 1000;

/// What a client that is, or may become, a replica has said of itself.
#[derive(Debug, Default)]
pub(crate) struct Downstream {
    pub(crate) phase: Phase,
    /// `REPLCONF listening-port` and `ip-address`.
    pub(crate) listening_port: u16,
    pub(crate) announced_ip: String,
    /// It wants the image and nothing behind it.
    pub(crate) is_rdb_only: bool,
    /// It wants these parts of the image only.
    pub(crate) filter: Option<Filter>,
    /// It understands a second ID (`capa psync2`).
    pub(crate) knows_second_id: bool,
    /// It said SYNC, as Redis before 2.8, and acknowledges nothing.
    pub(crate) is_old: bool,
    /// Offset behind the last byte in its output.
    pub(crate) sent: u64,
    pub(crate) acked: u64,
    pub(crate) acked_at: UnixMs,
}

/// The parts of an image that a replica wants; the keys are none of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) has_functions: bool,
}

#[derive(Debug, Default)]
pub(crate) enum Phase {
    /// A client like others.
    #[default]
    Introduced,
    /// For others, who may share the checkpoint.
    Gathering {
        since: Tick,
    },
    /// For a checkpoint: the rounds that had ended when it asked. `announced` is the op at which it will stand, once the
    /// replica was told.
    Waiting {
        rounds: u64,
        announced: Option<u64>,
    },
    Loading(ImageReader),
    Online,
}

impl Downstream {
    pub(crate) fn is_replica(&self) -> bool {
        !matches!(self.phase, Phase::Introduced)
    }

    pub(crate) fn is_online(&self) -> bool {
        matches!(self.phase, Phase::Online)
    }

    fn state(&self) -> &'static str {
        match self.phase {
            Phase::Introduced | Phase::Gathering { .. } | Phase::Waiting { .. } => "wait_bgsave",
            Phase::Loading(_) => "send_bulk",
            Phase::Online => "online",
        }
    }
}

/// The node's replicas.
#[derive(Debug, Default)]
pub(crate) struct Source {
    replicas: Vec<Token>,
    next_beat: Tick,
    pinged_at: Tick,
    /// Since when there is no replica; `None`: there is one, or nobody has looked.
    lonely_since: Option<Tick>,
    /// Somebody waits for acknowledgements.
    pub(crate) wants_acks: bool,
    /// Replicas that are online and not silent for longer than `min-replicas-max-lag`.
    pub(crate) good: usize,
}

/// Whether a replica stays.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    Gone,
}

impl Source {
    pub(crate) fn is_empty(&self) -> bool {
        self.replicas.is_empty()
    }

    pub(super) fn tokens(&self) -> impl Iterator<Item = Token> {
        self.replicas.iter().copied()
    }

    pub(crate) fn add(&mut self, token: Token) {
        if self.replicas.is_empty() {
            self.pinged_at = monotonic_clock();
            self.lonely_since = None;
        }
        self.replicas.push(token);
    }
}

impl Node {
    /// Replicas of Redis that have acknowledged `op`.
    pub(crate) fn interop_acknowledged(&self, keys: &Keyspace, op: u64) -> usize {
        if self.source.is_empty() {
            return 0;
        }
        let offset = keys.stream().offset_of(op);
        let has_it = |token: &&Token| {
            let downstream = self.clients.get(**token).and_then(|s| s.downstream.as_deref());
            downstream.is_some_and(|replica| replica.is_online() && replica.acked >= offset)
        };
        self.source.replicas.iter().filter(has_it).count()
    }

    /// Whether fewer replicas follow, and are not silent for too long, than `min-replicas-to-write` wants.
    #[inline]
    pub(crate) fn lacks_replicas(&self) -> bool {
        self.limits.wants_replicas
            && self.source.good < self.config.settings().min_replicas_to_write as usize
    }

    /// Memory of the backlog beyond `repl-backlog-size`: it is there because a replica still needs it, or has until a moment
    /// ago (bytes).
    pub(crate) fn backlog_beyond_bound(&self, keys: &Keyspace) -> u64 {
        let allocated = keys.stream().backlog().map_or(0, |backlog| backlog.allocated);
        allocated.saturating_sub(self.config.settings().repl_backlog_size)
    }

    /// Memory of the connections of replicas of Redis (bytes).
    pub(crate) fn replica_buffers(&self) -> usize {
        let sessions = self.source.replicas.iter().filter_map(|token| self.clients.get(*token));
        sessions.map(|session| client_list::memory_bytes(session, &self.net)).sum()
    }

    /// Replicas that are sent the stream, each with its address.
    pub(crate) fn online_replicas(&self) -> impl Iterator<Item = (&Address, &Downstream)> {
        let sessions = self.source.replicas.iter().filter_map(|token| self.clients.get(*token));
        let replicas =
            sessions.filter_map(|session| Some((&session.peer, session.downstream.as_deref()?)));
        replicas.filter(|(_, replica)| replica.is_online())
    }

    /// How far the node is, as INFO and ROLE tell: the offset of the stream; in an instance the newest OpID as long as
    /// no replica of Redis has opened one.
    pub(crate) fn replication_offset(&self, keys: &Keyspace) -> u64 {
        if keys.stream().is_open() || self.replication.is_none() {
            keys.stream().offset()
        } else {
            keys.newest_op().max(self.facts.replication.newest_op)
        }
    }
}

impl Node {
    /// Closes all replicas: they shall ask anew, as the history has another name, or other data.
    pub(crate) fn close_replicas(&mut self) {
        for token in self.source.replicas.clone() {
            self.close(token);
        }
    }
}

/// Adds the replicas of Redis to what INFO and ROLE show.
pub(crate) fn refresh_replicas(cx: &mut NodeTurn<'_>) {
    let node = &mut *cx.node;
    let now = node.now;
    for token in &node.source.replicas {
        let Some(session) = node.clients.get(*token) else { continue };
        let Some(replica) = session.downstream.as_deref() else { continue };
        let peer = session.peer.ip().map_or(Ipv4Addr::LOCALHOST.into(), |peer| peer.ip());
        let ip = replica.announced_ip.parse().unwrap_or(peer);
        node.facts.replication.replicas.push(ReplicaFacts {
            address: SocketAddr::new(ip, replica.listening_port),
            state: replica.state(),
            acked: replica.acked,
            silent_seconds: now.0.saturating_sub(replica.acked_at.0) / 1000,
        });
    }
}

impl Executor {
    /// The replicas' share of the turn, when everything else has happened in it.
    pub(crate) fn serve_replicas(&mut self) {
        if self.node.source.is_empty() && !self.keys.stream().is_open() {
            return;
        }
        let (now, wake) = (monotonic_clock(), self.wake_handle());
        let mut source = std::mem::take(&mut self.node.source);
        let is_beat = now >= source.next_beat;
        if is_beat {
            source.next_beat = now.plus_ms(BEAT_MS);
            source.beat(&self.node, &mut self.keys, now);
        }
        if std::mem::take(&mut source.wants_acks) {
            self.keys.stream_mut().request_acks();
        }
        self.keys.note_milestone();
        self.node.gather(&source);
        self.give_up_useless_round(&source);
        let mut needed_from = self.keys.stream().offset();
        let mut replicas = std::mem::take(&mut source.replicas);
        replicas.retain(|token| {
            let fate = self.serve_replica(*token, is_beat, &wake);
            let session = self.node.clients.get(*token).filter(|_| fate == Fate::Stays);
            let replica = session.and_then(|session| session.downstream.as_deref());
            needed_from = needed_from.min(replica.map_or(u64::MAX, |replica| replica.sent));
            replica.is_some()
        });
        source.replicas = replicas;
        source.count_good(&self.node);
        let bytes = self.node.config.settings().repl_backlog_size;
        self.keys.stream_mut().trim(bytes, needed_from);
        self.node.source = source;
        self.node.net.flush();
        for token in self.node.source.replicas.clone() {
            self.bound_output(token);
        }
        self.node.counters.repl_bytes_out += self.node.net.take_sent().bytes;
    }

    fn serve_replica(&mut self, token: Token, is_beat: bool, wake: &Wake) -> Fate {
        let node = &mut self.node;
        let Some(session) = node.clients.get_mut(token) else { return Fate::Gone };
        let Some(mut replica) = session.downstream.take() else { return Fate::Gone };
        let served = serve(node, &mut self.keys, token, &mut replica, is_beat, wake);
        if let Some(session) = node.clients.get_mut(token) {
            session.downstream = Some(replica);
        }
        if let Err(why) = served {
            tracing::warn!(why, "replica closed");
            self.node.net.close(token);
            self.stage(|stage| stage.forget(token));
            return Fate::Gone;
        }
        Fate::Stays
    }
}

impl Source {
    /// Once a second: a sign of life, and the end of a backlog that nobody wants.
    fn beat(&mut self, node: &Node, keys: &mut Keyspace, now: Tick) {
        let settings = node.config.settings();
        if !self.replicas.is_empty() {
            self.lonely_since = None;
            let period_ms = u64::from(settings.repl_ping_period_seconds) * 1000;
            // Who hands its role over, or ends, waits until its replicas have everything. Other holds may last, and a
            // replica that hears nothing would count its master as gone.
            let is_waiting_for_them = node.failover.is_some() || node.departure.is_some();
            if now.ms_since(self.pinged_at) >= period_ms && !is_waiting_for_them {
                self.pinged_at = now;
                keys.stream_mut().ping();
            }
            return;
        }
        let ttl_ms = settings.repl_backlog_ttl_seconds.saturating_mul(1000);
        let since = *self.lonely_since.get_or_insert(now);
        if ttl_ms > 0 && !keys.is_replica() && now.ms_since(since) >= ttl_ms {
            keys.stream_mut().close();
        }
    }

    fn count_good(&mut self, node: &Node) {
        let lag_ms_max = u64::from(node.config.settings().min_replicas_max_lag_seconds) * 1000;
        let is_good = |token: &&Token| {
            let replica = node.clients.get(**token).and_then(|s| s.downstream.as_deref());
            replica.is_some_and(|replica| {
                let silent_ms = node.now.0.saturating_sub(replica.acked_at.0);
                // A whole second is as late as Redis can tell.
                replica.is_online() && silent_ms < lag_ms_max + 1000
            })
        };
        self.good = self.replicas.iter().filter(is_good).count();
    }
}

/// Moves one replica on, as far as its output takes.
fn serve(
    node: &mut Node,
    keys: &mut Keyspace,
    token: Token,
    replica: &mut Downstream,
    is_beat: bool,
    wake: &Wake,
) -> Result<(), String> {
    if let (Phase::Gathering { .. }, Some(filter)) = (&replica.phase, replica.filter) {
        send_filtered(node, keys, token, replica, filter);
    }
    if is_beat && matches!(replica.phase, Phase::Gathering { .. } | Phase::Waiting { .. }) {
        put(node, token, b"\n");
    }
    if let Phase::Waiting { rounds, announced } = replica.phase {
        if announced.is_none() && !replica.is_old {
            announce(node, keys, token, replica, rounds);
        }
        match node.desk.wait(rounds, std::time::Duration::ZERO) {
            None => {}
            Some(Err(why)) => return Err(format!("no checkpoint: {why}")),
            Some(Ok(position)) => begin_image(node, keys, token, replica, position, wake)?,
        }
    }
    if matches!(replica.phase, Phase::Loading(_)) {
        send_image(node, token, replica)?;
    }
    if replica.is_online() {
        if is_silent(node, replica) {
            return Err("it acknowledged nothing for repl-timeout".to_owned());
        }
        send_stream(node, keys, token, replica)?;
    }
    Ok(())
}

fn is_silent(node: &Node, replica: &Downstream) -> bool {
    let timeout_ms = u64::from(node.config.settings().repl_timeout_seconds) * 1000;
    !replica.is_old && node.now.0.saturating_sub(replica.acked_at.0) > timeout_ms
}

/// Tells a replica where the checkpoint stands that is being made for it, so that it knows that one is on its way.
fn announce(node: &mut Node, keys: &Keyspace, token: Token, replica: &mut Downstream, rounds: u64) {
    let Some(op) = node.round_op else { return };
    // The round may have begun before the stream did, or have ended by now.
    let Some(offset) = keys.stream().offset_of_checkpoint(op) else { return };
    if node.desk.rounds() != rounds {
        return;
    }
    replica.phase = Phase::Waiting { rounds, announced: Some(op) };
    put(node, token, format!("+FULLRESYNC {} {offset}\r\n", keys.stream().id()).as_bytes());
}

/// The checkpoint at `position` is complete; if the stream knows its place, it is what the replica gets.
fn begin_image(
    node: &mut Node,
    keys: &Keyspace,
    token: Token,
    replica: &mut Downstream,
    position: Position,
    wake: &Wake,
) -> Result<(), String> {
    let stream = keys.stream();
    let announced = match replica.phase {
        Phase::Waiting { announced, .. } => announced,
        _ => None,
    };
    if announced.is_some_and(|op| op != position.opid) {
        return Err("another checkpoint than it was told of".to_owned());
    }
    let Some(offset) = stream.offset_of_checkpoint(position.opid) else {
        // It was begun before the stream was.
        replica.phase = Phase::Waiting { rounds: node.desk.want(), announced: None };
        return Ok(());
    };
    let log = keys.log().ok_or("the log was closed")?.log();
    let checkpoints = log.manifest().checkpoints;
    let found = checkpoints.iter().rfind(|checkpoint| checkpoint.position == position);
    let file = &found.ok_or("the checkpoint has been replaced")?.file;
    let (image, length) = ImageReader::start(&log.directory().join(file), wake.clone())
        .map_err(|error| format!("its checkpoint cannot be read: {error}"))?;
    if !replica.is_old && announced.is_none() {
        put(node, token, format!("+FULLRESYNC {} {offset}\r\n", stream.id()).as_bytes());
    }
    put(node, token, format!("${length}\r\n").as_bytes());
    tracing::info!(bytes = length, offset, "sending a checkpoint to a replica");
    replica.sent = offset;
    replica.phase = Phase::Loading(image);
    Ok(())
}

/// An image without keys needs no checkpoint: it is made here and now, where the stream stands.
fn send_filtered(
    node: &mut Node,
    keys: &mut Keyspace,
    token: Token,
    replica: &mut Downstream,
    filter: Filter,
) {
    let mut writer = Writer::new(true);
    writer.aux("redis-ver", crate::REDIS_VERSION.as_bytes());
    if let Some(db) = keys.stream().relayed_db() {
        writer.aux("repl-stream-db", db.to_string().as_bytes());
    }
    if filter.has_functions {
        keys.store().libraries().iter().for_each(|(_, code)| writer.function(code));
    }
    let image = writer.finish();
    let stream = keys.stream_mut();
    stream.select_anew();
    if !replica.is_old {
        let begin = format!("+FULLRESYNC {} {}\r\n", stream.id(), stream.offset());
        put(node, token, begin.as_bytes());
    }
    replica.sent = stream.offset();
    put(node, token, format!("${}\r\n", image.len()).as_bytes());
    put(node, token, &image);
    go_online(node, token, replica);
}

/// The replica has the whole image.
fn go_online(node: &mut Node, token: Token, replica: &mut Downstream) {
    replica.acked_at = node.now;
    replica.phase = Phase::Online;
    tracing::info!("replica online");
    if replica.is_rdb_only {
        node.net.close_after_flush(token);
    }
}

fn send_image(node: &mut Node, token: Token, replica: &mut Downstream) -> Result<(), String> {
    let Phase::Loading(image) = &mut replica.phase else { return Ok(()) };
    while node.net.output_pending(token) < OUTPUT_AHEAD_BYTES {
        match image.next() {
            Piece::Bytes(bytes) => put(node, token, &bytes),
            Piece::NotYet => break,
            Piece::Failed(error) => return Err(format!("its checkpoint cannot be read: {error}")),
            Piece::End => {
                go_online(node, token, replica);
                break;
            }
        }
    }
    Ok(())
}

fn send_stream(
    node: &mut Node,
    keys: &Keyspace,
    token: Token,
    replica: &mut Downstream,
) -> Result<(), String> {
    if replica.is_rdb_only {
        return Ok(());
    }
    while replica.sent < keys.stream().offset()
        && node.net.output_pending(token) < OUTPUT_AHEAD_BYTES
    {
        let Some(output) = node.net.output(token) else { return Err("it is gone".to_owned()) };
        let copied = keys.stream().copy(replica.sent, PIECE_BYTES, output.chunk());
        output.release();
        replica.sent += copied.ok_or("the backlog was lost")? as u64;
    }
    Ok(())
}

fn put(node: &mut Node, token: Token, bytes: &[u8]) {
    if let Some(output) = node.net.output(token) {
        output.chunk().extend_from_slice(bytes);
        output.release();
    }
}

impl Node {
    /// Orders the checkpoint that gathering replicas wait for, when they have waited long enough, or there are enough of
    /// them.
    fn gather(&mut self, source: &Source) {
        let settings = self.config.settings();
        let delay_ms = u64::from(settings.sync.delay_seconds) * 1000;
        let enough = match settings.sync.delay_replicas_max {
            0 => usize::MAX,
            count => count as usize,
        };
        let gathering: Vec<(Token, Tick)> = (source.replicas.iter())
            .filter_map(|token| {
                let replica = self.clients.get(*token)?.downstream.as_deref()?;
                match replica.phase {
                    Phase::Gathering { since } if replica.filter.is_none() => Some((*token, since)),
                    _ => None,
                }
            })
            .collect();
        let now = monotonic_clock();
        let has_waited = |(_, since): &(Token, Tick)| now.ms_since(*since) >= delay_ms;
        if gathering.is_empty() || !(gathering.iter().any(has_waited) || gathering.len() >= enough)
        {
            return;
        }
        let rounds = self.desk.want();
        for (token, _) in gathering {
            let session = self.clients.get_mut(token);
            if let Some(replica) = session.and_then(|session| session.downstream.as_deref_mut()) {
                replica.phase = Phase::Waiting { rounds, announced: None };
            }
        }
    }
}

impl Executor {
    /// A checkpoint that replicas have asked for, and nobody waits for any more, is not made to its end, unless the node
    /// keeps checkpoints for itself.
    fn give_up_useless_round(&mut self, source: &Source) {
        let is_waiting = |token: &Token| {
            let replica = self.node.clients.get(*token).and_then(|s| s.downstream.as_deref());
            replica.is_some_and(|replica| {
                matches!(replica.phase, Phase::Gathering { .. } | Phase::Waiting { .. })
            })
        };
        let is_wanted = self.node.replication.is_some()
            || !self.node.config.settings().save_points.is_empty()
            || !self.checkpointer.serves_only_replicas()
            || source.replicas.iter().any(is_waiting);
        if !is_wanted {
            tracing::info!("checkpoint given up: no replica waits for it any more");
            self.checkpointer.give_up(&mut self.keys, USELESS);
        }
    }
}

/// Where the backlog must reach back to for a replica that asks for everything now.
pub(crate) fn full_from(node: &Node, keys: &Keyspace) -> u64 {
    let is_round = matches!(node.saving, Saving::Running(_));
    keys.stream().newest_mark().filter(|_| is_round).unwrap_or_else(|| keys.stream().offset())
}
