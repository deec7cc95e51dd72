//! Expiry: EXPIRE and its relatives, and the time arguments of SET and GETEX.
//!
//! Times on the wire are relative or absolute, in seconds or milliseconds, and may be negative; effects know
//! only absolute unix milliseconds. A key that is given a time in the past is deleted at once.

use base::UnixMs;
use store::Entry;
use wire::effect::Effect;
use wire::resp::reply::ErrorReply;

use super::table::Binding;
use super::{Args, CmdResult, Handler, Stop, Turn};
use crate::keyspace::{Class, Keyspace};

pub(crate) const COMMANDS: &[Binding] = &[
    ("expire", Handler::Data(expire)),
    ("pexpire", Handler::Data(pexpire)),
    ("expireat", Handler::Data(expireat)),
    ("pexpireat", Handler::Data(pexpireat)),
    ("ttl", Handler::Data(ttl)),
    ("pttl", Handler::Data(pttl)),
    ("expiretime", Handler::Data(expiretime)),
    ("pexpiretime", Handler::Data(pexpiretime)),
    ("persist", Handler::Data(persist_command)),
];

/// What the number in a time argument means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
    UnixSeconds,
    UnixMilliseconds,
}

impl Unit {
    /// The unit that option `at` names and whose number follows it. The same option may come again, another
    /// one may not.
    pub(super) fn option(args: &Args<'_>, at: usize, earlier: Option<Unit>) -> Option<Unit> {
        let units = [
            ("ex", Unit::Seconds),
            ("px", Unit::Milliseconds),
            ("exat", Unit::UnixSeconds),
            ("pxat", Unit::UnixMilliseconds),
        ];
        let (_, unit) = units.into_iter().find(|(word, _)| args.is(at, word))?;
        let is_complete = at + 1 < args.len();
        let is_alone = earlier.is_none_or(|earlier| earlier == unit);
        (is_complete && is_alone).then_some(unit)
    }

    /// Unix milliseconds; `None` when they do not fit in 63 bits.
    fn unix_ms(self, number: i64, now: UnixMs) -> Option<i64> {
        let ms = match self {
            Unit::Seconds | Unit::UnixSeconds => number.checked_mul(1000)?,
            Unit::Milliseconds | Unit::UnixMilliseconds => number,
        };
        match self {
            Unit::Seconds | Unit::Milliseconds => ms.checked_add_unsigned(now.0),
            Unit::UnixSeconds | Unit::UnixMilliseconds => Some(ms),
        }
    }

    /// The instant that a value is stored until; only numbers above zero are times there.
    pub(super) fn deadline(self, number: i64, now: UnixMs, command: &str) -> Result<UnixMs, Stop> {
        let ms = (number > 0).then(|| self.unix_ms(number, now)).flatten();
        let at = ms.and_then(|ms| u64::try_from(ms).ok()).map(UnixMs);
        at.ok_or_else(|| invalid_time(command))
    }
}

fn invalid_time(command: &str) -> Stop {
    Stop::Error(format!("ERR invalid expire time in '{command}' command").into())
}

/// Lets a key that is there expire at `at`; deletes it when that has passed.
pub(super) fn expire_at(keys: &mut Keyspace, key: &[u8], at: UnixMs) -> bool {
    let (effect, event) = if keys.is_past(at) {
        (Effect::Delete { key }, "del")
    } else {
        (Effect::ExpireAt { key, at }, "expire")
    };
    let is_done = keys.apply(effect).0 == 1;
    keys.notify(Class::Generic, event, key);
    is_done
}

/// Takes the expiry off a key; `false` when there is nothing to take off.
pub(super) fn persist(keys: &mut Keyspace, key: &[u8]) -> bool {
    let is_volatile = keys.peek_expiry(key).flatten().is_some();
    if is_volatile {
        keys.apply(Effect::Persist { key });
        keys.notify(Class::Generic, "persist", key);
    }
    is_volatile
}

// --- EXPIRE

/// Conditions on the expiry that the key has; all that are set must hold.
#[derive(Clone, Copy, Default)]
struct Conditions {
    is_missing: bool,
    is_present: bool,
    is_later: bool,
    is_earlier: bool,
}

impl Conditions {
    fn parse(args: &Args<'_>) -> Result<Conditions, Stop> {
        let mut conditions = Conditions::default();
        for at in 3..args.len() {
            let condition = match () {
                () if args.is(at, "nx") => &mut conditions.is_missing,
                () if args.is(at, "xx") => &mut conditions.is_present,
                () if args.is(at, "gt") => &mut conditions.is_later,
                () if args.is(at, "lt") => &mut conditions.is_earlier,
                () => {
                    let option = String::from_utf8_lossy(args.key(at));
                    return Err(Stop::Error(format!("ERR Unsupported option {option}").into()));
                }
            };
            *condition = true;
        }
        let Conditions { is_missing, is_present, is_later, is_earlier } = conditions;
        let error = |text| Err(Stop::Error(ErrorReply::new(text)));
        if is_missing && (is_present || is_later || is_earlier) {
            return error("ERR NX and XX, GT or LT options at the same time are not compatible");
        }
        if is_later && is_earlier {
            return error("ERR GT and LT options at the same time are not compatible");
        }
        Ok(conditions)
    }

    /// A key without expiry lives for ever: nothing is later.
    fn hold(&self, new: i64, old: Option<UnixMs>) -> bool {
        let old = old.map(|old| i64::try_from(old.0).unwrap_or(i64::MAX));
        !(self.is_missing && old.is_some()
            || self.is_present && old.is_none()
            || self.is_later && old.is_none_or(|old| new <= old)
            || self.is_earlier && old.is_some_and(|old| new >= old))
    }
}

fn expire(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    set_expiry(cx, args, Unit::Seconds, "expire")
}

fn pexpire(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    set_expiry(cx, args, Unit::Milliseconds, "pexpire")
}

fn expireat(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    set_expiry(cx, args, Unit::UnixSeconds, "expireat")
}

fn pexpireat(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    set_expiry(cx, args, Unit::UnixMilliseconds, "pexpireat")
}

fn set_expiry(cx: &mut Turn<'_>, args: &Args<'_>, unit: Unit, command: &str) -> CmdResult {
    let key = args.key(1);
    let conditions = Conditions::parse(args)?;
    let new = unit.unix_ms(args.int(2)?, cx.keys.now()).ok_or_else(|| invalid_time(command))?;
    let is_set = cx.keys.peek_expiry(key).is_some_and(|old| conditions.hold(new, old));
    if is_set {
        // Before 1970 is as past as anything.
        expire_at(cx.keys, key, UnixMs(u64::try_from(new).unwrap_or(0)));
    }
    cx.reply.integer(i64::from(is_set));
    Ok(())
}

fn persist_command(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let is_changed = persist(cx.keys, args.key(1));
    cx.reply.integer(i64::from(is_changed));
    Ok(())
}

// --- TTL

const NO_KEY: i64 = -2;
const NO_EXPIRY: i64 = -1;

fn ttl(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let now = cx.keys.now();
    reply_expiry(cx, args, |at| rounded_seconds(at.0.saturating_sub(now.0)))
}

fn pttl(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let now = cx.keys.now();
    reply_expiry(cx, args, |at| at.0.saturating_sub(now.0))
}

fn expiretime(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    reply_expiry(cx, args, |at| rounded_seconds(at.0))
}

fn pexpiretime(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    reply_expiry(cx, args, |at| at.0)
}

fn rounded_seconds(ms: u64) -> u64 {
    ms.saturating_add(500) / 1000
}

fn reply_expiry(cx: &mut Turn<'_>, args: &Args<'_>, convert: impl Fn(UnixMs) -> u64) -> CmdResult {
    let number = match cx.keys.look(args.key(1)).map(Entry::expiry) {
        None => NO_KEY,
        Some(None) => NO_EXPIRY,
        Some(Some(at)) => i64::try_from(convert(at)).unwrap_or(i64::MAX),
    };
    cx.reply.integer(number);
    Ok(())
}
