//! A client as one line of text: CLIENT LIST, CLIENT INFO.

use base::UnixMs;
use net::Driver;
use wire::resp::reply::Protocol;

use crate::client::{Session, Subscriptions, Watched};
use crate::node::Node;
use crate::tracking::Mode;

/// What TYPE filters by. Links between the nodes of an instance are neither listed nor killed; those of replicas and
/// masters of Redis are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ClientType {
    Normal,
    Pubsub,
    Replica,
    Master,
}

impl ClientType {
    pub(crate) fn of(session: &Session) -> ClientType {
        if session.is_master {
            ClientType::Master
        } else if session.is_replica() {
            ClientType::Replica
        } else if session.is_subscribed() {
            ClientType::Pubsub
        } else {
            ClientType::Normal
        }
    }

    pub(crate) fn parse(text: &[u8]) -> Option<ClientType> {
        match text.to_ascii_lowercase().as_slice() {
            b"normal" => Some(ClientType::Normal),
            b"pubsub" => Some(ClientType::Pubsub),
            b"slave" | b"replica" => Some(ClientType::Replica),
            b"master" => Some(ClientType::Master),
            _ => None,
        }
    }
}

/// Redis keeps so much of the output in a first buffer (`obl`), and what is more in a list of buffers (`oll`, `omem`).
/// Here there is one buffer; it is told in these terms, as tools watch `omem`.
const FIRST_BYTES: usize = 16 << 10;

/// What `omem` tells of so many unsent bytes.
fn told_output(pending: usize) -> usize {
    pending.saturating_sub(FIRST_BYTES)
}

/// What `client-output-buffer-limit` counts of so many unsent bytes. Of messages as much as `omem` tells, so that who watches
/// that sees the limit hold; of replies all, as in Redis, where a large one does not begin in the first buffer.
pub(crate) fn counted_output(pending: usize, is_subscribed: bool) -> u64 {
    if is_subscribed { told_output(pending) as u64 } else { pending as u64 }
}

/// A buffer counts with this (bytes) at least: it grows to that with the first requests, and what is compared with
/// `maxmemory-clients` shall not hang on the length of each.
const BUFFER_BYTES_MIN: usize = 1 << 10;

/// The line with its line break. `fd` is the connection's place, which is as unique. `request` is the length of the
/// request that runs, for the client that has sent it: it has left the input buffer, but not yet the memory.
/// `is_broken`: a key that it watches has changed.
pub(crate) fn line(session: &Session, node: &Node, is_broken: bool, request: usize) -> Vec<u8> {
    let (net, now) = (&node.net, node.now);
    let (input_capacity, output_capacity) = net.buffer_bytes(session.token);
    let input = net.input_length(session.token) + request;
    // A long argument is told of without what stands before it, as in Redis, which has put that elsewhere.
    let input = input - node.clients.before_long_argument(session.token).min(input);
    let output = net.output_pending(session.token);
    let multi = session.transaction.as_ref();
    let multi_bytes: usize =
        multi.map_or(0, |multi| multi.queue.iter().map(|queued| queued.bytes()).sum());
    let mut line = Vec::with_capacity(400);
    let mut put = |name: &str, value: &[u8]| {
        if !line.is_empty() {
            line.push(b' ');
        }
        line.extend_from_slice(name.as_bytes());
        line.push(b'=');
        line.extend_from_slice(value);
    };
    let number = |value: usize| value.to_string().into_bytes();
    let seconds = |since: UnixMs| (now.0.saturating_sub(since.0) / 1000).to_string().into_bytes();
    put("id", session.id.0.to_string().as_bytes());
    put("addr", session.peer.to_string().as_bytes());
    put("laddr", session.local.to_string().as_bytes());
    put("fd", &number(session.token.index()));
    put("name", &session.name);
    put("age", &seconds(session.connected_at));
    put("idle", &seconds(session.active_at));
    put("flags", &flags(session, is_broken));
    put("db", session.db.to_string().as_bytes());
    put("sub", &number(session.subscriptions.channels.len()));
    put("psub", &number(session.subscriptions.patterns.len()));
    put("ssub", &number(session.subscriptions.shard_channels.len()));
    put("multi", &multi.map_or(b"-1".to_vec(), |multi| number(multi.queue.len())));
    put("qbuf", &number(input));
    put("qbuf-free", &number(input_capacity.saturating_sub(input)));
    put("argv-mem", &number(session.blocked.as_ref().map_or(0, |parked| parked.command.bytes())));
    put("multi-mem", &number(multi_bytes));
    put("rbs", &number(output_capacity));
    put("rbp", &number(output_capacity));
    put("obl", &number(output.min(FIRST_BYTES)));
    put("oll", &number(output.saturating_sub(FIRST_BYTES).div_ceil(FIRST_BYTES)));
    put("omem", &number(told_output(output)));
    put("tot-mem", &number(memory_bytes(session, net)));
    put("events", if output > 0 { b"rw" } else { b"r" });
    put("cmd", session.last_command.map_or("NULL", |spec| spec.name).as_bytes());
    put("user", session.user.name());
    let tracked = session.tracking.as_ref();
    let redirect = tracked.map(|tracked| tracked.redirect.map_or(0, |id| id.0));
    put("redir", redirect.map_or(b"-1".to_vec(), |id| id.to_string().into_bytes()).as_slice());
    put("resp", if session.protocol == Protocol::Resp3 { b"3" } else { b"2" });
    put("lib-name", &session.library_name);
    put("lib-ver", &session.library_version);
    line.push(b'\n');
    line
}

/// Memory of a connection: state, queued and parked commands, buffers (bytes).
pub(crate) fn memory_bytes(session: &Session, net: &Driver) -> usize {
    let (input, output) = net.buffer_bytes(session.token);
    let names = session.name.len() + session.library_name.len() + session.library_version.len();
    let queued = session.transaction.as_ref().map_or(0, |multi| multi.bytes);
    let parked = session.blocked.as_ref().map_or(0, |parked| parked.command.bytes());
    let watched = |watched: &Watched| watched.key.len() + size_of::<Watched>();
    let watched: usize = session.watched.iter().map(watched).sum();
    let Subscriptions { channels, patterns, shard_channels } = &session.subscriptions;
    let subscribed = channels.bytes() + patterns.bytes() + shard_channels.bytes();
    let tracked = session.tracking.as_ref().map_or(0, |tracked| tracked.prefix_bytes);
    let buffers = input.max(BUFFER_BYTES_MIN) + output.max(BUFFER_BYTES_MIN);
    size_of::<Session>() + names + queued + parked + watched + subscribed + tracked + buffers
}

/// One letter a state, `N` for none.
fn flags(session: &Session, is_broken: bool) -> Vec<u8> {
    let tracked = session.tracking.as_ref();
    let states = [
        (session.is_replica(), b'S'),
        (session.is_master, b'M'),
        (session.is_monitor, b'O'),
        (session.is_subscribed(), b'P'),
        (session.transaction.is_some(), b'x'),
        (session.blocked.is_some(), b'b'),
        (tracked.is_some(), b't'),
        (tracked.is_some_and(|tracked| tracked.is_redirect_broken), b'R'),
        (tracked.is_some_and(|tracked| tracked.mode == Mode::Broadcast), b'B'),
        (is_broken, b'd'),
        (session.close_after_reply, b'c'),
        (session.no_evict, b'e'),
        (session.no_touch, b'T'),
    ];
    let flags: Vec<u8> = states.iter().filter(|(is, _)| *is).map(|(_, letter)| *letter).collect();
    if flags.is_empty() { b"N".to_vec() } else { flags }
}
