//! POLLUX: what the cluster says to a node, on the node address only.
//!
//! ```text
//!   HELLO 1 <cluster> <shard> <from> <incarnation> <epoch> <secret>      first; identity goes both ways
//!   STATE                                            bulk: JSON of cluster::api::NodeState
//!   LEASE <nonce> <epoch> <ttl ms>                   may act as master until ttl after that nonce
//!   ROLE MASTER <epoch> <endpoint | ->               ROLE REPLICA <epoch> <node> <node address>
//!   FENCE <epoch> <timeout ms>, UNFENCE <epoch>      hold writes; let them go
//!   SYNC <position> <history> [FULL]                 the connection becomes a replication link
//!   SHUTDOWN                                         everything executed is on disk, then exit 0
//! ```
//!
//! Invariant: before HELLO has succeeded nothing is told and nothing is changed.

use std::sync::Arc;

use base::Epoch;
use wire::resp::reply::ErrorReply;

use super::{Args, CmdResult, NodeTurn};
use crate::node::{Request, Shutdown};
use crate::replicate::handshake::{Hello, Peer, SyncRequest, VERSION};
use crate::replicate::{Ask, Order, Replication};
use crate::turn::monotonic_clock;

const FOREIGN: ErrorReply = ErrorReply::new("ERR this address is for the cluster's own traffic");
const NO_HELLO: ErrorReply = ErrorReply::new("NOAUTH POLLUX HELLO comes first");
/// The longest fence and lease that an order may ask for, ms.
const MS_MAX: u64 = 600_000;

/// One command on the node address.
pub(crate) fn pollux(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    if !args.is(0, "POLLUX") || args.len() < 2 {
        cx.turn.session.close_after_reply = true;
        return Err(FOREIGN.into());
    }
    if args.is(1, "HELLO") {
        return hello(cx, args);
    }
    let Some((peer, epoch)) = cx.turn.session.introduced else {
        cx.turn.session.close_after_reply = true;
        return Err(NO_HELLO.into());
    };
    let words = args.from(2);
    match args.key(1).to_ascii_uppercase().as_slice() {
        b"STATE" => return state(cx),
        b"SYNC" => return sync(cx, peer, epoch, &words),
        b"LEASE" => lease(cx, &words)?,
        b"ROLE" => role(cx, &words)?,
        b"FENCE" => fence(cx, &words)?,
        b"UNFENCE" => unfence(cx, &words)?,
        b"SHUTDOWN" => cx.node.shutdown = Some(Shutdown::Clean),
        other => {
            let name = String::from_utf8_lossy(other).into_owned();
            return Err(ErrorReply::from(format!("ERR unknown order '{name}'")).into());
        }
    }
    cx.turn.reply.ok();
    Ok(())
}

fn replication<'a>(cx: &'a mut NodeTurn<'_>) -> &'a mut Replication {
    cx.node.replication.as_mut().expect("only a node of a cluster has a node address")
}

fn word<T: std::str::FromStr>(words: &[&[u8]], at: usize, what: &str) -> Result<T, ErrorReply> {
    let text = words.get(at).and_then(|bytes| std::str::from_utf8(bytes).ok());
    let parsed = text.and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| ErrorReply::from(format!("ERR invalid {what}")))
}

fn count(words: &[&[u8]], count: usize) -> Result<(), ErrorReply> {
    if words.len() == count { Ok(()) } else { Err(ErrorReply::wrong_arity("pollux")) }
}

fn milliseconds(words: &[&[u8]], at: usize) -> Result<u64, ErrorReply> {
    let ms: u64 = word(words, at, "time")?;
    if ms <= MS_MAX { Ok(ms) } else { Err(ErrorReply::new("ERR invalid time")) }
}

fn hello(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let checked = Hello::parse(&args.from(2)).and_then(|hello| {
        hello.check(replication(cx).identity())?;
        Ok(hello)
    });
    let hello = match checked {
        Ok(hello) => hello,
        Err(refusal) => {
            tracing::warn!(peer = %cx.turn.session.peer, why = %refusal.0, "a stranger was refused");
            cx.turn.session.close_after_reply = true;
            return Err(refusal.into());
        }
    };
    cx.turn.session.is_authenticated = true;
    cx.turn.session.introduced = Some((hello.from, hello.epoch));
    let owner = replication(cx).identity().owner;
    let epoch = replication(cx).epoch();
    let reply = &mut cx.turn.reply;
    reply.map(4);
    for (name, value) in [
        ("version", VERSION.to_string()),
        ("node", owner.node.to_string()),
        ("incarnation", owner.incarnation.to_string()),
        ("epoch", epoch.to_string()),
    ] {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    Ok(())
}

fn state(cx: &mut NodeTurn<'_>) -> CmdResult {
    // Taken out so that it can look at the rest of the node.
    let mut replication = cx.node.replication.take().expect("a node of a cluster");
    let state = replication.state(cx.node, cx.turn.keys, monotonic_clock());
    cx.node.replication = Some(replication);
    let json = serde_json::to_vec(&state).expect("a state is plain data");
    cx.turn.reply.bulk(&json);
    Ok(())
}

fn lease(cx: &mut NodeTurn<'_>, words: &[&[u8]]) -> Result<(), ErrorReply> {
    count(words, 3)?;
    let (nonce, epoch) = (word(words, 0, "nonce")?, word(words, 1, "epoch").map(Epoch)?);
    let ttl_ms = milliseconds(words, 2)?;
    replication(cx).grant(nonce, epoch, ttl_ms)
}

fn role(cx: &mut NodeTurn<'_>, words: &[&[u8]]) -> Result<(), ErrorReply> {
    let kind = words.first().map(|word| word.to_ascii_uppercase()).unwrap_or_default();
    let order = match kind.as_slice() {
        b"MASTER" => {
            count(words, 3)?;
            let endpoint = match words[2] {
                b"-" => None,
                _ => Some(word(words, 2, "endpoint")?),
            };
            Order::Master { epoch: word(words, 1, "epoch").map(Epoch)?, endpoint }
        }
        b"REPLICA" => {
            count(words, 4)?;
            Order::Replica {
                epoch: word(words, 1, "epoch").map(Epoch)?,
                master: word(words, 2, "node")?,
                address: word(words, 3, "address")?,
            }
        }
        _ => return Err(ErrorReply::SYNTAX),
    };
    let keys = &*cx.turn.keys;
    cx.node.replication.as_mut().expect("a node of a cluster").accept(order, keys)
}

fn fence(cx: &mut NodeTurn<'_>, words: &[&[u8]]) -> Result<(), ErrorReply> {
    count(words, 2)?;
    let (epoch, ms) = (word(words, 0, "epoch").map(Epoch)?, milliseconds(words, 1)?);
    replication(cx).check_master(epoch)?;
    tracing::info!(%epoch, ms, "writes are held");
    cx.node.holds.fence_until = Some(monotonic_clock().plus_ms(ms));
    Ok(())
}

fn unfence(cx: &mut NodeTurn<'_>, words: &[&[u8]]) -> Result<(), ErrorReply> {
    count(words, 1)?;
    let epoch: Epoch = word(words, 0, "epoch").map(Epoch)?;
    replication(cx).check_master(epoch)?;
    tracing::info!(%epoch, "writes go on");
    cx.node.holds.fence_until = None;
    Ok(())
}

fn sync(cx: &mut NodeTurn<'_>, peer: Peer, epoch: Epoch, words: &[&[u8]]) -> CmdResult {
    let Peer::Node(node) = peer else {
        return Err(ErrorReply::new("ERR only a node follows").into());
    };
    let request = SyncRequest::parse(words)?;
    replication(cx).check_master(epoch)?;
    replication(cx).check_complete()?;
    let ask = Ask { node, request, desk: Arc::clone(&cx.node.desk) };
    cx.node.requests.push(Request::Attach(cx.turn.session.token, Box::new(ask)));
    Ok(())
}
