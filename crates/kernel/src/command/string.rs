//! Strings: GET, SET and their relatives, ranges, counters.

use base::UnixMs;
use base::extended::Extended;
use store::StringRef;
use wire::effect::{Effect, Expiry};
use wire::resp::reply::{ErrorReply, ReplyWriter};

use super::expiry::{self, Unit};
use super::table::Binding;
use super::{Args, CmdResult, Handler, NodeTurn, Stop, Turn};
use crate::keyspace::{Class, Keyspace};

pub(crate) const COMMANDS: &[Binding] = &[
    ("get", Handler::Data(get)),
    ("set", Handler::Data(set)),
    ("setnx", Handler::Data(setnx)),
    ("setex", Handler::Data(setex)),
    ("psetex", Handler::Data(psetex)),
    ("getset", Handler::Data(getset)),
    ("getdel", Handler::Data(getdel)),
    ("getex", Handler::Data(getex)),
    ("mget", Handler::Data(mget)),
    ("mset", Handler::Data(mset)),
    ("msetnx", Handler::Data(msetnx)),
    ("append", Handler::Node(append)),
    ("strlen", Handler::Data(strlen)),
    ("setrange", Handler::Node(setrange)),
    ("getrange", Handler::Data(getrange)),
    ("substr", Handler::Data(getrange)),
    ("incr", Handler::Data(incr)),
    ("decr", Handler::Data(decr)),
    ("incrby", Handler::Data(incrby)),
    ("decrby", Handler::Data(decrby)),
    ("incrbyfloat", Handler::Data(incrbyfloat)),
];

const TOO_LONG: ErrorReply =
    ErrorReply::new("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
const OVERFLOW: ErrorReply = ErrorReply::new("ERR increment or decrement would overflow");

/// A string as a reply.
fn reply_string(reply: &mut ReplyWriter<'_>, string: Option<StringRef<'_>>) {
    match string {
        None => reply.null(),
        Some(StringRef::Int(number)) => reply.bulk_integer(number),
        Some(StringRef::Bytes { bytes, .. }) => reply.bulk(bytes),
    }
}

fn get(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let string = cx.keys.string(args.key(1))?;
    reply_string(&mut cx.reply, string);
    Ok(())
}

// --- SET

/// Whether a key must or must not be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    Missing,
    Present,
}

struct SetOptions {
    when: When,
    expiry: Expiry,
    returns_old: bool,
}

impl SetOptions {
    fn parse(args: &Args<'_>, now: UnixMs) -> Result<SetOptions, Stop> {
        let mut options =
            SetOptions { when: When::Always, expiry: Expiry::Clear, returns_old: false };
        let mut time = None;
        let mut at = 3;
        while at < args.len() {
            if args.is(at, "nx") && options.when != When::Present {
                options.when = When::Missing;
            } else if args.is(at, "xx") && options.when != When::Missing {
                options.when = When::Present;
            } else if args.is(at, "get") {
                options.returns_old = true;
            } else if args.is(at, "keepttl") && time.is_none() {
                options.expiry = Expiry::Keep;
            } else if let Some(unit) = Unit::option(args, at, time.map(|(unit, _)| unit))
                && options.expiry != Expiry::Keep
            {
                time = Some((unit, at + 1));
                at += 1;
            } else {
                return Err(ErrorReply::SYNTAX.into());
            }
            at += 1;
        }
        if let Some((unit, at)) = time {
            options.expiry = Expiry::At(unit.deadline(args.int(at)?, now, "set")?);
        }
        Ok(options)
    }
}

/// What SET and its relatives do, and tell subscribers.
#[inline]
fn put(keys: &mut Keyspace, key: &[u8], value: &[u8], expiry: Expiry) {
    if keys.wants(Class::Expired) {
        // What was there may be due: its end is told first.
        keys.settle(key);
    }
    keys.apply(Effect::SetString { key, value, expiry });
    keys.notify(Class::String, "set", key);
    if let Expiry::At(_) = expiry {
        keys.notify(Class::Generic, "expire", key);
    }
}

fn set(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (key, value) = (args.key(1), args.key(2));
    if args.len() == 3 {
        put(cx.keys, key, value, Expiry::Clear);
        cx.reply.ok();
        return Ok(());
    }
    let options = SetOptions::parse(args, cx.keys.now())?;
    let is_there = if options.returns_old {
        let old = cx.keys.string(key)?;
        reply_string(&mut cx.reply, old);
        old.is_some()
    } else {
        cx.keys.peek_entry(key).is_some()
    };
    let is_allowed = match options.when {
        When::Always => true,
        When::Missing => !is_there,
        When::Present => is_there,
    };
    if is_allowed {
        put(cx.keys, key, value, options.expiry);
    }
    match (options.returns_old, is_allowed) {
        (true, _) => {}
        (false, true) => cx.reply.ok(),
        (false, false) => cx.reply.null(),
    }
    Ok(())
}

fn setnx(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (key, value) = (args.key(1), args.key(2));
    let is_missing = cx.keys.peek_entry(key).is_none();
    if is_missing {
        put(cx.keys, key, value, Expiry::Clear);
    }
    cx.reply.integer(i64::from(is_missing));
    Ok(())
}

fn setex(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    set_with_expiry(cx, args, Unit::Seconds, "setex")
}

fn psetex(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    set_with_expiry(cx, args, Unit::Milliseconds, "psetex")
}

fn set_with_expiry(cx: &mut Turn<'_>, args: &Args<'_>, unit: Unit, command: &str) -> CmdResult {
    let at = unit.deadline(args.int(2)?, cx.keys.now(), command)?;
    put(cx.keys, args.key(1), args.key(3), Expiry::At(at));
    cx.reply.ok();
    Ok(())
}

// --- reading and changing in one

fn getset(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (key, value) = (args.key(1), args.key(2));
    let old = cx.keys.string(key)?;
    reply_string(&mut cx.reply, old);
    put(cx.keys, key, value, Expiry::Clear);
    Ok(())
}

fn getdel(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let key = args.key(1);
    let old = cx.keys.string(key)?;
    reply_string(&mut cx.reply, old);
    if old.is_some() {
        cx.keys.apply(Effect::Delete { key });
        cx.keys.notify(Class::Generic, "del", key);
    }
    Ok(())
}

/// What GETEX does to the expiry.
enum GetexOption {
    Nothing,
    Persist,
    Time { unit: Unit, at: usize },
}

impl GetexOption {
    fn parse(args: &Args<'_>) -> Result<GetexOption, Stop> {
        let mut option = GetexOption::Nothing;
        let mut at = 2;
        while at < args.len() {
            let time = match option {
                GetexOption::Nothing => Unit::option(args, at, None),
                GetexOption::Time { unit, .. } => Unit::option(args, at, Some(unit)),
                GetexOption::Persist => None,
            };
            let is_timed = matches!(option, GetexOption::Time { .. });
            if args.is(at, "persist") && !is_timed {
                option = GetexOption::Persist;
            } else if let Some(unit) = time {
                option = GetexOption::Time { unit, at: at + 1 };
                at += 1;
            } else {
                return Err(ErrorReply::SYNTAX.into());
            }
            at += 1;
        }
        Ok(option)
    }
}

fn getex(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let option = GetexOption::parse(args)?;
    let (key, now) = (args.key(1), cx.keys.now());
    let string = cx.keys.string(key)?;
    let is_there = string.is_some();
    // As in Redis, a wrong time does not matter to a key that is missing.
    let deadline = match option {
        GetexOption::Time { unit, at } if is_there => {
            Some(unit.deadline(args.int(at)?, now, "getex")?)
        }
        GetexOption::Time { .. } | GetexOption::Nothing | GetexOption::Persist => None,
    };
    reply_string(&mut cx.reply, string);
    match (deadline, option) {
        (Some(at), _) => expiry::expire_at(cx.keys, key, at),
        (None, GetexOption::Persist) => expiry::persist(cx.keys, key),
        (None, GetexOption::Nothing | GetexOption::Time { .. }) => false,
    };
    Ok(())
}

// --- several keys

fn mget(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    cx.reply.array(args.len() - 1);
    for key in args.iter_from(1) {
        // A key of another type reads as missing.
        let string = cx.keys.string(key).unwrap_or(None);
        reply_string(&mut cx.reply, string);
    }
    Ok(())
}

fn mset(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    check_pairs(args, "mset")?;
    set_pairs(cx, args);
    cx.reply.ok();
    Ok(())
}

fn msetnx(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    check_pairs(args, "msetnx")?;
    let is_free = args.iter_from(1).step_by(2).all(|key| cx.keys.peek_entry(key).is_none());
    if is_free {
        set_pairs(cx, args);
    }
    cx.reply.integer(i64::from(is_free));
    Ok(())
}

fn check_pairs(args: &Args<'_>, command: &str) -> CmdResult {
    if args.len().is_multiple_of(2) {
        return Err(ErrorReply::wrong_arity(command).into());
    }
    Ok(())
}

fn set_pairs(cx: &mut Turn<'_>, args: &Args<'_>) {
    for at in (1..args.len()).step_by(2) {
        let (key, value) = (args.key(at), args.key(at + 1));
        put(cx.keys, key, value, Expiry::Clear);
    }
}

// --- ranges

fn append(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let (key, value) = (args.key(1), args.key(2));
    let keys = &mut *cx.turn.keys;
    let old = keys.peek_string(key)?.map_or(0, StringRef::len);
    check_length(cx.node.config.settings().proto_max_bulk_len, old as u64, value)?;
    let length = keys.apply(Effect::Append { key, value });
    keys.notify(Class::String, "append", key);
    cx.turn.reply.integer(length.0);
    Ok(())
}

fn setrange(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let (key, value) = (args.key(1), args.key(3));
    let offset =
        u64::try_from(args.int(2)?).map_err(|_| ErrorReply::new("ERR offset is out of range"))?;
    let keys = &mut *cx.turn.keys;
    let old = keys.peek_string(key)?.map_or(0, StringRef::len);
    if value.is_empty() {
        cx.turn.reply.count(old);
        return Ok(());
    }
    check_length(cx.node.config.settings().proto_max_bulk_len, offset, value)?;
    let length = keys.apply(Effect::SetRange { key, offset, value });
    keys.notify(Class::String, "setrange", key);
    cx.turn.reply.integer(length.0);
    Ok(())
}

/// Whether `value` may stand behind `start` bytes.
fn check_length(bytes_max: u64, start: u64, value: &[u8]) -> CmdResult {
    let end = start.checked_add(value.len() as u64);
    let bytes_max = bytes_max.min(store::apply::STRING_BYTES_MAX);
    match end {
        Some(end) if end <= bytes_max => Ok(()),
        Some(_) | None => Err(TOO_LONG.into()),
    }
}

fn strlen(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let length = cx.keys.string(args.key(1))?.map_or(0, StringRef::len);
    cx.reply.count(length);
    Ok(())
}

fn getrange(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (start, end) = (args.int(2)?, args.int(3)?);
    let mut room = itoa::Buffer::new();
    let string = cx.keys.string(args.key(1))?;
    let text = string.as_ref().map_or(b"".as_slice(), |string| string.text(&mut room));
    cx.reply.bulk(part(text, start, end));
    Ok(())
}

/// The bytes from `start` to `end`, both included; negative positions count from the end.
fn part(text: &[u8], start: i64, end: i64) -> &[u8] {
    let length = i64::try_from(text.len()).expect("no string has 2^63 bytes");
    if start < 0 && end < 0 && start > end {
        return b"";
    }
    let from_front = |at: i64| if at < 0 { at.saturating_add(length).max(0) } else { at };
    let (start, end) = (from_front(start), from_front(end).min(length - 1));
    if start > end {
        return b"";
    }
    let index = |at: i64| usize::try_from(at).expect("clamped to the text");
    &text[index(start)..=index(end)]
}

// --- counters

fn incr(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    add(cx, args.key(1), 1)
}

fn decr(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    add(cx, args.key(1), -1)
}

fn incrby(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    add(cx, args.key(1), args.int(2)?)
}

fn decrby(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let delta = args.int(2)?.checked_neg();
    add(cx, args.key(1), delta.ok_or(ErrorReply::new("ERR decrement would overflow"))?)
}

fn add(cx: &mut Turn<'_>, key: &[u8], delta: i64) -> CmdResult {
    let old = match cx.keys.peek_string(key)? {
        None => 0,
        Some(string) => string.integer().ok_or(ErrorReply::NOT_AN_INTEGER)?,
    };
    if old.checked_add(delta).is_none() {
        return Err(OVERFLOW.into());
    }
    let new = cx.keys.apply(Effect::IncrBy { key, delta });
    cx.keys.notify(Class::String, "incrby", key);
    cx.reply.integer(new.0);
    Ok(())
}

/// The sum is stored as text: what the addition of floats yields is then decided once, here.
fn incrbyfloat(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let key = args.key(1);
    let parse = |text: &[u8]| Extended::parse(text).ok_or(ErrorReply::NOT_A_FLOAT);
    let mut room = itoa::Buffer::new();
    let old = match cx.keys.peek_string(key)? {
        None => parse(b"0")?,
        Some(string) => parse(string.text(&mut room))?,
    };
    let sum = old.plus(parse(args.key(2))?);
    let sum = sum.ok_or(ErrorReply::new("ERR increment would produce NaN or Infinity"))?;
    let text = sum.to_text();
    let value = text.as_bytes();
    cx.keys.apply(Effect::SetString { key, value, expiry: Expiry::Keep });
    cx.keys.notify(Class::String, "incrbyfloat", key);
    cx.reply.bulk(value);
    Ok(())
}
