//! WAIT, WAITAOF, ROLE, REPLICAOF, FAILOVER: what a client may know of replicas.
//!
//! A client that waits is parked without a key; the executor looks at it when an acknowledgement came
//! or its time is up, and answers with what was reached until then.

use base::UnixMs;
use wire::resp::reply::{ErrorReply, ReplyWriter};

use super::table::Binding;
use super::{Args, Awaited, BlockOn, CmdResult, Handler, NodeTurn, Stop, TimeoutReply};
use crate::interop::{Order, Target};
use crate::keyspace::Keyspace;
use crate::node::Node;
use crate::replicate::refresh_facts;

pub(crate) const COMMANDS: &[Binding] = &[
    ("failover", Handler::Node(failover)),
    ("replicaof", Handler::Node(replicaof)),
    ("slaveof", Handler::Node(replicaof)),
    ("role", Handler::Node(role)),
    ("wait", Handler::Node(wait)),
    ("waitaof", Handler::Node(waitaof)),
];

const NOT_BY_CLIENTS: ErrorReply =
    ErrorReply::new("ERR REPLICAOF is not available: the config server assigns the roles of nodes");
const NOT_WITHOUT_LOG: ErrorReply =
    ErrorReply::new("ERR REPLICAOF is not available: this node keeps no log");

/// What a client waits for: its newest write, on so many nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quorum {
    pub op: u64,
    /// On the disk of this node.
    pub local: bool,
    /// On so many replicas.
    pub replicas: usize,
    /// On their disks; else in their memory.
    pub is_durable: bool,
}

/// How many nodes have it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reached {
    pub local: bool,
    pub replicas: usize,
}

impl Quorum {
    pub(crate) fn reached(&self, node: &Node, keys: &Keyspace) -> Reached {
        let replication = node.replication.as_deref();
        Reached {
            local: keys.log().is_some_and(|log| log.durable() >= self.op),
            replicas: replication.map_or(0, |r| r.acknowledged(self.op, self.is_durable))
                + if self.is_durable { 0 } else { node.interop_acknowledged(keys, self.op) },
        }
    }

    pub(crate) fn is_met(&self, reached: Reached) -> bool {
        reached.replicas >= self.replicas && (reached.local || !self.local)
    }

    pub(crate) fn reply(&self, reply: &mut ReplyWriter<'_>, reached: Reached) {
        let replicas = i64::try_from(reached.replicas).unwrap_or(i64::MAX);
        if self.is_durable {
            reply.array(2);
            reply.integer(i64::from(reached.local));
        }
        reply.integer(replicas);
    }
}

/// Answers at once when it is met, else parks the client.
fn wait_for(cx: &mut NodeTurn<'_>, quorum: Quorum, timeout_ms: u64) -> CmdResult {
    let reached = quorum.reached(cx.node, cx.turn.keys);
    if quorum.is_met(reached) {
        quorum.reply(&mut cx.turn.reply, reached);
        return Ok(());
    }
    cx.node.source.wants_acks = !cx.node.source.is_empty();
    Err(Stop::Block(BlockOn {
        keys: Vec::new(),
        awaited: Awaited::List,
        deadline: (timeout_ms > 0).then(|| cx.node.now.plus_ms(timeout_ms)),
        on_timeout: TimeoutReply::Reached(quorum),
        again: None,
    }))
}

/// Milliseconds to wait; the end of the wait must be a time that Redis can tell.
pub(super) fn timeout_ms(args: &Args<'_>, at: usize, now: UnixMs) -> Result<u64, Stop> {
    let ms = args
        .int(at)
        .map_err(|_| ErrorReply::new("ERR timeout is not an integer or out of range"))?;
    let ms = u64::try_from(ms).map_err(|_| ErrorReply::new("ERR timeout is negative"))?;
    if ms > (i64::MAX as u64).saturating_sub(now.0) {
        return Err(ErrorReply::new("ERR timeout is out of range").into());
    }
    Ok(ms)
}

fn refuse_replica(cx: &NodeTurn<'_>, name: &str) -> Result<(), Stop> {
    if !cx.turn.keys.is_replica() {
        return Ok(());
    }
    let text = format!(
        "ERR {name} cannot be used with replica instances. Please also note that since Redis 4.0 if a \
         replica is configured to be writable (which is not the default) writes to replicas are just \
         local and are not propagated."
    );
    Err(ErrorReply::from(text).into())
}

/// `WAIT numreplicas timeout`
fn wait(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    refuse_replica(cx, "WAIT")?;
    let replicas = usize::try_from(args.int(1)?).unwrap_or(0);
    let timeout_ms = timeout_ms(args, 2, cx.turn.keys.now())?;
    let op = cx.turn.session.waits_for_op;
    wait_for(cx, Quorum { op, local: false, replicas, is_durable: false }, timeout_ms)
}

/// `WAITAOF numlocal numreplicas timeout`
fn waitaof(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let local = match args.int(1)? {
        local @ (0 | 1) => local == 1,
        _ => {
            let text = "ERR value is out of range, value must between 0 and 1";
            return Err(ErrorReply::new(text).into());
        }
    };
    let replicas =
        base::number::parse_i64(args.key(2)).and_then(|count| usize::try_from(count).ok());
    let replicas =
        replicas.ok_or(ErrorReply::new("ERR value is out of range, must be positive"))?;
    let timeout_ms = timeout_ms(args, 3, cx.turn.keys.now())?;
    refuse_replica(cx, "WAITAOF")?;
    let op = cx.turn.session.waits_for_op;
    wait_for(cx, Quorum { op, local, replicas, is_durable: true }, timeout_ms)
}

/// `REPLICAOF host port`, `REPLICAOF NO ONE`. In an instance that is for the config server to decide: a node that changed its
/// role by itself could be a second master.
fn replicaof(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    if cx.node.failover.is_some() {
        let text = "ERR REPLICAOF not allowed while failing over.";
        return Err(ErrorReply::new(text).into());
    }
    if args.is(1, "NO") && args.is(2, "ONE") {
        if cx.node.replication.is_some() && cx.turn.keys.is_replica() {
            return Err(NOT_BY_CLIENTS.into());
        }
        cx.node.lead_alone(cx.turn.keys);
        cx.node.config.note_master("");
        cx.turn.reply.ok();
        return Ok(());
    }
    let port = base::number::parse_i64(args.key(2)).and_then(|port| u16::try_from(port).ok());
    let port = port.ok_or(ErrorReply::new("ERR Invalid master port"))?;
    let host = String::from_utf8_lossy(args.key(1)).into_owned();
    if cx.turn.session.is_replica() {
        let text = "ERR Command is not valid when client is a replica.";
        return Err(ErrorReply::new(text).into());
    }
    if cx.node.replication.is_some() {
        return Err(NOT_BY_CLIENTS.into());
    }
    if cx.turn.keys.log().is_none() {
        return Err(NOT_WITHOUT_LOG.into());
    }
    if cx.node.sink.as_ref().is_some_and(|sink| sink.is_of(&host, port)) {
        cx.turn.reply.simple("OK Already connected to specified master");
        return Ok(());
    }
    cx.node.config.note_master(&format!("{host} {port}"));
    cx.node.follow_redis(cx.turn.keys, host, port, 0);
    cx.turn.reply.ok();
    Ok(())
}

/// `FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT ms]`. In an instance nobody but the config server moves a mastership.
fn failover(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    if args.len() == 2 && args.is(1, "abort") {
        if !cx.node.abort_failover(cx.turn.keys, "Failover manually aborted") {
            return Err(ErrorReply::new("ERR No failover in progress.").into());
        }
        cx.turn.reply.ok();
        return Ok(());
    }
    let order = failover_order(args)?;
    if cx.node.failover.is_some() {
        return Err(ErrorReply::new("ERR FAILOVER already in progress.").into());
    }
    if cx.turn.keys.is_replica() {
        let text = "ERR FAILOVER is not valid when server is a replica.";
        return Err(ErrorReply::new(text).into());
    }
    if cx.node.replication.is_some() {
        let text = "ERR FAILOVER is not available: `pollux switchover` moves the master";
        return Err(ErrorReply::new(text).into());
    }
    cx.node.begin_failover(order)?;
    cx.turn.reply.ok();
    Ok(())
}

fn failover_order(args: &Args<'_>) -> Result<Order, Stop> {
    let mut order = Order::default();
    let mut at = 1;
    while at < args.len() {
        let left = args.len() - at - 1;
        if args.is(at, "timeout") && left >= 1 && order.timeout_ms.is_none() {
            let ms = u64::try_from(args.int(at + 1)?).ok().filter(|ms| *ms > 0);
            let wrong = ErrorReply::new("ERR FAILOVER timeout must be greater than 0");
            order.timeout_ms = Some(ms.ok_or(wrong)?);
            at += 1;
        } else if args.is(at, "to") && left >= 2 && order.target.is_none() {
            let host = String::from_utf8_lossy(args.key(at + 1)).into_owned();
            // A port that nobody can have belongs to no replica.
            let port = u16::try_from(args.int(at + 2)?).unwrap_or(0);
            order.target = Some(Target { host, port });
            at += 2;
        } else if args.is(at, "force") && !order.is_forced {
            order.is_forced = true;
        } else {
            return Err(ErrorReply::SYNTAX.into());
        }
        at += 1;
    }
    Ok(order)
}

fn role(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    refresh_facts(cx);
    let facts = &cx.node.facts.replication;
    let offset = i64::try_from(cx.node.replication_offset(cx.turn.keys)).unwrap_or(i64::MAX);
    let reply = &mut cx.turn.reply;
    if let Some(master) = &facts.master {
        reply.array(5);
        reply.bulk(b"slave");
        reply.bulk(master.host.as_bytes());
        reply.integer(i64::from(master.port));
        reply.bulk(master.state.as_bytes());
        reply.integer(offset);
        return Ok(());
    }
    reply.array(3);
    reply.bulk(b"master");
    reply.integer(offset);
    let online = || facts.replicas.iter().filter(|replica| replica.state == "online");
    reply.array(online().count());
    for replica in online() {
        reply.array(3);
        reply.bulk(replica.address.ip().to_string().as_bytes());
        reply.bulk(replica.address.port().to_string().as_bytes());
        reply.bulk(replica.acked.to_string().as_bytes());
    }
    Ok(())
}
