//! Expiry of the fields of a hash: HEXPIRE, HTTL, HPERSIST and their relatives, as in Redis 7.4.
//!
//! ```text
//!   HPEXPIRE key ms [NX|XX|GT|LT] FIELDS n field ...   -> for each: -2 no field, 0 not met, 1 set, 2 deleted at once
//!   HPTTL    key                  FIELDS n field ...   -> for each: -2 no field, -1 no expiry, or the time
//!   HPERSIST key                  FIELDS n field ...   -> for each: -2 no field, -1 no expiry, 1 persisted
//! ```

use std::collections::BTreeSet;

use base::UnixMs;
use wire::effect::Effect;
use wire::resp::reply::ErrorReply;

use crate::command::{Args, CmdResult, Stop, Turn, bounds};
use crate::keyspace::Class;

/// Latest deadline (unix ms), as in Redis.
const DEADLINE_MS_MAX: i64 = (1 << 46) - 1;

const NO_FIELD: i64 = -2;
const NO_EXPIRY: i64 = -1;
const CONDITION_NOT_MET: i64 = 0;
const DONE: i64 = 1;
const DELETED: i64 = 2;

/// What a time argument or reply is counted in, and from when.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Clock {
    name: &'static str,
    is_seconds: bool,
    /// From now, not from 1970.
    is_relative: bool,
}

/// When a deadline may be set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    /// NX
    Without,
    /// XX
    With,
    /// GT
    Later,
    /// LT: no deadline is the latest.
    Earlier,
}

impl Condition {
    fn parse(args: &Args<'_>, at: usize) -> Condition {
        let named = [
            ("nx", Condition::Without),
            ("xx", Condition::With),
            ("gt", Condition::Later),
            ("lt", Condition::Earlier),
        ];
        let found = named.into_iter().find(|(name, _)| args.is(at, name));
        found.map_or(Condition::Always, |(_, condition)| condition)
    }

    fn allows(self, old: Option<UnixMs>, new: UnixMs) -> bool {
        match (self, old) {
            (Condition::Always, _) => true,
            (Condition::Without, old) => old.is_none(),
            (Condition::With, old) => old.is_some(),
            (Condition::Later, old) => old.is_some_and(|old| new > old),
            (Condition::Earlier, old) => old.is_none_or(|old| new < old),
        }
    }
}

/// The fields behind `FIELDS n` at argument `at`.
fn fields<'a>(
    args: &Args<'a>,
    at: usize,
    not_positive: &'static str,
) -> Result<Vec<&'a [u8]>, Stop> {
    if at >= args.len() || !args.is(at, "fields") {
        let text = "ERR Mandatory argument FIELDS is missing or not at the right position";
        return Err(ErrorReply::new(text).into());
    }
    let count = match at + 1 < args.len() {
        true => bounds::at_least(args, at + 1, 1, not_positive)?,
        false => return Err(ErrorReply::new(not_positive).into()),
    };
    let fields = args.from(at + 2);
    if fields.len() != count {
        let text = "ERR The `numfields` parameter must match the number of arguments";
        return Err(ErrorReply::new(text).into());
    }
    Ok(fields)
}

const FIELDS_NOT_POSITIVE: &str = "ERR Number of fields must be a positive integer";

// --- setting

pub(super) fn hexpire(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    expire(cx, args, Clock { name: "hexpire", is_seconds: true, is_relative: true })
}

pub(super) fn hpexpire(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    expire(cx, args, Clock { name: "hpexpire", is_seconds: false, is_relative: true })
}

pub(super) fn hexpireat(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    expire(cx, args, Clock { name: "hexpireat", is_seconds: true, is_relative: false })
}

pub(super) fn hpexpireat(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    expire(cx, args, Clock { name: "hpexpireat", is_seconds: false, is_relative: false })
}

impl Clock {
    /// The deadline that argument `at` says.
    fn deadline(self, args: &Args<'_>, at: usize, now: UnixMs) -> Result<UnixMs, Stop> {
        let time = args.int(at)?;
        if time < 0 {
            return Err(ErrorReply::new("ERR invalid expire time, must be >= 0").into());
        }
        let invalid = || {
            let text = format!("ERR invalid expire time in '{}' command", self.name);
            Stop::Error(text.into())
        };
        let base = if self.is_relative { now.0 } else { 0 };
        let ms = if self.is_seconds { time.checked_mul(1000) } else { Some(time) };
        let ms = ms.and_then(|ms| ms.checked_add_unsigned(base));
        let ms = ms.filter(|ms| *ms <= DEADLINE_MS_MAX).ok_or_else(invalid)?;
        Ok(UnixMs(ms.cast_unsigned()))
    }

    /// A deadline as a reply says it.
    fn shown(self, deadline: UnixMs, now: UnixMs) -> i64 {
        let base = if self.is_relative { now.0 } else { 0 };
        let ms = deadline.0.saturating_sub(base);
        (if self.is_seconds { ms.div_ceil(1000) } else { ms }).cast_signed()
    }
}

fn expire(cx: &mut Turn<'_>, args: &Args<'_>, clock: Clock) -> CmdResult {
    let (key, now) = (args.key(1), cx.keys.now());
    cx.keys.peek_hash(key)?;
    let deadline = clock.deadline(args, 2, now)?;
    let condition = Condition::parse(args, 3);
    let at = if condition == Condition::Always { 3 } else { 4 };
    let fields = fields(args, at, "ERR Parameter `numFields` should be greater than 0")?;
    cx.keys.settle_fields(key, fields.iter().copied());
    let is_past = deadline <= now;
    // A field may stand there twice: the second time it meets what the first has made of it.
    let (mut planned, mut planned_once) = (Vec::new(), BTreeSet::new());
    let mut replies = Vec::with_capacity(fields.len());
    let hash = cx.keys.peek_hash(key)?;
    for field in fields {
        let old = match hash.and_then(|hash| hash.deadline(field)) {
            Some(_) if planned_once.contains(field) => (!is_past).then_some(Some(deadline)),
            old => old,
        };
        replies.push(match old {
            None => NO_FIELD,
            Some(old) if !condition.allows(old, deadline) => CONDITION_NOT_MET,
            Some(_) => {
                if planned_once.insert(field) {
                    planned.push(field);
                }
                if is_past { DELETED } else { DONE }
            }
        });
    }
    if !planned.is_empty() && is_past {
        cx.keys.delete_fields(cx.keys.db(), key, planned, "hdel");
    } else if !planned.is_empty() {
        let fields = planned.into_iter().map(|field| (deadline, field)).collect();
        cx.keys.apply(Effect::HashExpire { key, fields });
        cx.keys.notify(Class::Hash, "hexpire", key);
    }
    reply_all(cx, &replies);
    Ok(())
}

fn reply_all(cx: &mut Turn<'_>, replies: &[i64]) {
    cx.reply.array(replies.len());
    replies.iter().for_each(|reply| cx.reply.integer(*reply));
}

// --- asking

pub(super) fn httl(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    time(cx, args, Clock { name: "httl", is_seconds: true, is_relative: true })
}

pub(super) fn hpttl(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    time(cx, args, Clock { name: "hpttl", is_seconds: false, is_relative: true })
}

pub(super) fn hexpiretime(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    time(cx, args, Clock { name: "hexpiretime", is_seconds: true, is_relative: false })
}

pub(super) fn hpexpiretime(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    time(cx, args, Clock { name: "hpexpiretime", is_seconds: false, is_relative: false })
}

fn time(cx: &mut Turn<'_>, args: &Args<'_>, clock: Clock) -> CmdResult {
    let now = cx.keys.now();
    let hash = cx.keys.hash(args.key(1))?;
    let replies = fields(args, 2, FIELDS_NOT_POSITIVE)?.into_iter().map(|field| {
        match hash.and_then(|hash| hash.deadline(field)) {
            None => NO_FIELD,
            Some(None) => NO_EXPIRY,
            Some(Some(deadline)) => clock.shown(deadline, now),
        }
    });
    let replies: Vec<i64> = replies.collect();
    reply_all(cx, &replies);
    Ok(())
}

// --- HPERSIST

pub(super) fn hpersist(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let key = args.key(1);
    let hash = cx.keys.peek_hash(key)?;
    let mut planned = BTreeSet::new();
    let replies = fields(args, 2, FIELDS_NOT_POSITIVE)?.into_iter().map(|field| {
        match hash.and_then(|hash| hash.deadline(field)) {
            None => NO_FIELD,
            Some(Some(_)) if planned.insert(field) => DONE,
            Some(_) => NO_EXPIRY,
        }
    });
    let replies: Vec<i64> = replies.collect();
    if !planned.is_empty() {
        cx.keys.apply(Effect::HashPersist { key, fields: planned.into_iter().collect() });
        cx.keys.notify(Class::Hash, "hpersist", key);
    }
    reply_all(cx, &replies);
    Ok(())
}
