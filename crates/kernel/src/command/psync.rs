//! REPLCONF, PSYNC, SYNC: how a replica of Redis introduces itself and asks for data.

use wire::resp::reply::ErrorReply;

use super::table::Binding;
use super::{Args, CmdResult, Handler, NodeTurn, Stop};
use crate::interop::{Downstream, Filter, Phase, full_from};

pub(crate) const COMMANDS: &[Binding] = &[
    ("psync", Handler::Node(psync)),
    ("replconf", Handler::Node(replconf)),
    ("sync", Handler::Node(sync)),
];

const NO_MASTER_LINK: ErrorReply =
    ErrorReply::new("NOMASTERLINK Can't SYNC while not connected with my master");
const FAILING_OVER: ErrorReply = ErrorReply::new("NOMASTERLINK Can't SYNC while failing over");
/// Longest address that a replica may announce (bytes).
const ANNOUNCED_BYTES_MAX: usize = 255;

fn downstream<'t>(cx: &'t mut NodeTurn<'_>) -> &'t mut Downstream {
    cx.turn.session.downstream.get_or_insert_default()
}

/// `REPLCONF option value ...`
fn replconf(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    if args.len().is_multiple_of(2) {
        return Err(ErrorReply::SYNTAX.into());
    }
    for at in (1..args.len()).step_by(2) {
        let value = args.key(at + 1);
        if args.is(at, "listening-port") {
            let port = u16::try_from(args.int(at + 1)?);
            downstream(cx).listening_port = port.map_err(|_| ErrorReply::NOT_AN_INTEGER)?;
        } else if args.is(at, "ip-address") {
            if value.len() > ANNOUNCED_BYTES_MAX {
                let text = "ERR REPLCONF ip-address provided by replica instance is too long";
                return Err(ErrorReply::from(format!("{text}: {} bytes", value.len())).into());
            }
            downstream(cx).announced_ip = String::from_utf8_lossy(value).into_owned();
        } else if args.is(at, "capa") {
            // Others, like `eof`, change nothing: images are sent with their length.
            downstream(cx).knows_second_id |= args.is(at + 1, "psync2");
        } else if args.is(at, "rdb-only") {
            downstream(cx).is_rdb_only = args.int(at + 1)? == 1;
        } else if args.is(at, "rdb-filter-only") {
            downstream(cx).filter = Some(filter(value)?);
        } else if args.is(at, "ack") {
            acknowledge(cx, args, at);
            return Ok(());
        } else if args.is(at, "getack") {
            // Only the master may ask; it is told at the end of the turn.
            if let Some(sink) = cx.node.sink.as_mut().filter(|_| cx.turn.session.is_master) {
                sink.owes_ack = true;
            }
            return Ok(());
        } else {
            let name = String::from_utf8_lossy(args.key(at));
            return Err(
                ErrorReply::from(format!("ERR Unrecognized REPLCONF option: {name}")).into()
            );
        }
    }
    cx.turn.reply.ok();
    Ok(())
}

/// `REPLCONF rdb-filter-only`: the parts of the image that are wanted, by name.
fn filter(names: &[u8]) -> Result<Filter, Stop> {
    let mut filter = Filter::default();
    for name in names.split(u8::is_ascii_whitespace).filter(|name| !name.is_empty()) {
        if !name.eq_ignore_ascii_case(b"functions") {
            let name = String::from_utf8_lossy(name);
            let text = format!("ERR Unsupported rdb-filter-only option: {name}");
            return Err(ErrorReply::from(text).into());
        }
        filter.has_functions = true;
    }
    Ok(filter)
}

/// `REPLCONF ACK offset` is never answered, and means nothing from a client that is no replica.
fn acknowledge(cx: &mut NodeTurn<'_>, args: &Args<'_>, at: usize) {
    let now = cx.node.now;
    let Some(replica) = cx.turn.session.downstream.as_deref_mut() else { return };
    let offset = args.int(at + 1).ok().and_then(|offset| u64::try_from(offset).ok());
    if let Some(offset) = offset.filter(|_| replica.is_replica()) {
        replica.acked = replica.acked.max(offset);
        replica.acked_at = now;
    }
}

/// `PSYNC id offset [FAILOVER]`: everything behind the bytes before `offset`, or everything. With the third word our
/// master asks that we take its place.
fn psync(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    if args.len() > 3 && args.is(3, "failover") && !cx.turn.session.is_replica() {
        if args.key(1) != cx.turn.keys.stream().id().as_bytes() {
            let text = "ERR PSYNC FAILOVER replid must match my replid.";
            return Err(ErrorReply::new(text).into());
        }
        if cx.node.sink.is_some() {
            cx.node.lead_alone(cx.turn.keys);
            cx.node.config.note_master("");
            let peer = &cx.turn.session.peer;
            tracing::info!("MASTER MODE enabled (failover request from '{peer}')");
        }
    }
    let Ok(wanted) = args.int(2) else {
        let peer = &cx.turn.session.peer;
        tracing::warn!("Replica {peer} asks for synchronization but with a wrong offset");
        return Err(ErrorReply::NOT_AN_INTEGER.into());
    };
    if is_settled(cx)? {
        return Ok(());
    }
    let has = wanted.checked_sub(1).and_then(|has| u64::try_from(has).ok());
    let stream = cx.turn.keys.stream();
    let has = has.filter(|has| stream.can_continue(args.key(1), *has));
    let Some(has) = has else {
        cx.node.counters.sync_partial_refused += u64::from(!args.is(1, "?"));
        ask_for_all(cx, false);
        return Ok(());
    };
    let answer = if downstream(cx).knows_second_id {
        format!("CONTINUE {}", cx.turn.keys.stream().id())
    } else {
        "CONTINUE".to_owned()
    };
    cx.turn.reply.simple(&answer);
    cx.node.counters.sync_partial_ok += 1;
    let now = cx.node.now;
    let replica = downstream(cx);
    (replica.sent, replica.acked, replica.acked_at) = (has, has, now);
    replica.phase = Phase::Online;
    tracing::info!(offset = has, "a replica continues");
    let token = cx.turn.session.token;
    cx.node.source.add(token);
    Ok(())
}

/// SYNC, as Redis before 2.8 asks: the image without an announcement, and no acknowledgements.
fn sync(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    if !is_settled(cx)? {
        ask_for_all(cx, true);
    }
    Ok(())
}

/// Whether the client is a replica already, so that there is nothing to do. Who is not connected to a master cannot be one.
fn is_settled(cx: &NodeTurn<'_>) -> Result<bool, Stop> {
    if cx.node.failover.is_some() {
        return Err(FAILING_OVER.into());
    }
    if cx.node.sink.as_ref().is_some_and(|sink| !sink.is_up()) {
        return Err(NO_MASTER_LINK.into());
    }
    Ok(cx.turn.session.is_replica())
}

/// The replica gets the next checkpoint; the executor does the rest.
fn ask_for_all(cx: &mut NodeTurn<'_>, is_old: bool) {
    cx.node.counters.sync_full += 1;
    cx.turn.keys.stream_mut().open();
    let sent = full_from(cx.node, cx.turn.keys);
    let (now, tick) = (cx.node.now, cx.node.tick);
    let replica = downstream(cx);
    (replica.sent, replica.acked_at, replica.is_old) = (sent, now, is_old);
    replica.phase = Phase::Gathering { since: tick };
    let token = cx.turn.session.token;
    cx.node.source.add(token);
}
