//! OBJECT: what the store knows about one key. None of it counts as a use of the key.

use store::{Entry, StringRef, Value};
use wire::resp::reply::ErrorReply;

use super::table::Binding;
use super::{Args, CmdResult, Handler, NodeTurn, Turn};

pub(crate) const COMMANDS: &[Binding] = &[
    ("object|encoding", Handler::Data(encoding)),
    ("object|freq", Handler::Data(freq)),
    ("object|idletime", Handler::Data(idletime)),
    ("object|refcount", Handler::Node(refcount)),
];

const NO_FREQUENCY: ErrorReply = ErrorReply::new(
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that \
     when switching between policies at runtime LRU and LFU data will take some time to adjust.",
);
const NO_IDLE_TIME: ErrorReply = ErrorReply::new(
    "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when \
     switching between policies at runtime LRU and LFU data will take some time to adjust.",
);

fn encoding(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    match cx.keys.peek_value(args.key(2)) {
        Some(value) => cx.reply.bulk(value.encoding().as_bytes()),
        None => cx.reply.null(),
    }
    Ok(())
}

fn freq(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let Some(clock) = cx.keys.peek_entry(args.key(2)).map(Entry::clock) else {
        cx.reply.null();
        return Ok(());
    };
    let access = cx.keys.store().access();
    if !access.is_lfu {
        return Err(NO_FREQUENCY.into());
    }
    cx.reply.integer(i64::from(access.frequency(clock)));
    Ok(())
}

fn idletime(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let Some(clock) = cx.keys.peek_entry(args.key(2)).map(Entry::clock) else {
        cx.reply.null();
        return Ok(());
    };
    let access = cx.keys.store().access();
    if access.is_lfu {
        return Err(NO_IDLE_TIME.into());
    }
    cx.reply.integer(i64::from(access.idle_seconds(clock)));
    Ok(())
}

/// Integers below this one are part of the entry and cost nothing (Redis: OBJ_SHARED_INTEGERS, objects that all keys share).
const FREE_INTEGERS_END: i64 = 10_000;
/// What Redis says of an object that is shared and never freed.
const SHARED: i64 = i32::MAX as i64;

/// Values are never shared between keys; small integers need no memory of their own, and are told to be shared, but where
/// Redis needs a clock for each: under a policy that goes by use.
fn refcount(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let settings = cx.node.config.settings();
    let may_share = settings.maxmemory == 0
        || !(settings.maxmemory_policy.is_lru() || settings.maxmemory_policy.is_lfu());
    let cx = &mut cx.turn;
    let Some(entry) = cx.keys.peek_entry(args.key(2)) else {
        cx.reply.null();
        return Ok(());
    };
    let is_free = matches!(entry.value(), Value::String(StringRef::Int(0..FREE_INTEGERS_END)));
    cx.reply.integer(if is_free && may_share { SHARED } else { 1 });
    Ok(())
}
