//! XCLAIM and XAUTOCLAIM: pending entries change hands.

use std::collections::{BTreeMap, BTreeSet};

use base::UnixMs;
use base::number::parse_i64;
use store::Stream;
use store::stream::Group;
use wire::effect::{Claim, Effect};
use wire::resp::reply::{ErrorReply, ReplyWriter};
use wire::stream::StreamId;

use super::pending::{idle_ms, no_group};
use super::{ids, put_counted, put_entry, put_header, put_id};
use crate::command::{Args, CmdResult, Stop, Turn, bounds};
use crate::keyspace::{Class, Keyspace, in_parts};

/// Entries that XAUTOCLAIM claims at most, unless COUNT says otherwise.
const AUTO_COUNT_DEFAULT: usize = 100;
/// It looks at so many pending entries for each that it may claim.
const LOOKS_PER_CLAIM: usize = 10;
/// Largest COUNT (as Redis).
const AUTO_COUNT_MAX: usize = (i64::MAX / 16) as usize;

/// Arguments of both commands.
struct Claimer<'a> {
    key: &'a [u8],
    group: &'a [u8],
    consumer: &'a [u8],
    idle_min_ms: i64,
    /// Of what is claimed: when it was delivered.
    at: UnixMs,
    /// Of what is claimed: how often it was delivered; `None`: once more, unless `just_id`.
    count: Option<u64>,
    /// Entries that are not pending are claimed as well.
    is_forced: bool,
    just_id: bool,
}

/// What a claim has come to.
#[derive(Default)]
struct Claimed {
    claims: BTreeMap<StreamId, Claim>,
    /// Pending entries that exist no more.
    dropped: BTreeSet<StreamId>,
}

impl<'a> Claimer<'a> {
    fn new(args: &Args<'a>, now: UnixMs, wrong_idle: &'static str) -> Result<Claimer<'a>, Stop> {
        let idle = parse_i64(args.key(4)).ok_or(Stop::Error(ErrorReply::new(wrong_idle)))?;
        Ok(Claimer {
            key: args.key(1),
            group: args.key(2),
            consumer: args.key(3),
            idle_min_ms: idle.max(0),
            at: now,
            count: None,
            is_forced: false,
            just_id: false,
        })
    }

    fn look<'k>(&self, keys: &'k mut Keyspace) -> Result<(&'k Stream, &'k Group), Stop> {
        let stream = keys.read_stream(self.key)?;
        stream
            .and_then(|stream| Some((stream, stream.group(self.group)?)))
            .ok_or_else(|| no_group(self.key, self.group))
    }

    /// Claims one entry and writes it, if it may be claimed.
    fn claim(
        &self,
        reply: &mut ReplyWriter<'_>,
        (stream, group): (&Stream, &Group),
        id: StreamId,
        now: UnixMs,
        so_far: &mut Claimed,
    ) -> bool {
        // The same ID may have come before.
        let before = match so_far.claims.get(&id) {
            Some(claim) => Some((now.0.cast_signed() - claim.at.0.cast_signed(), claim.count)),
            None if so_far.dropped.contains(&id) => None,
            None => group.find_pending(id).map(|pending| (idle_ms(pending, now), pending.count)),
        };
        let Some(entry) = stream.entry(id) else {
            if before.is_some() {
                so_far.dropped.insert(id);
            }
            return false;
        };
        let count = match before {
            Some((idle_ms, _)) if self.idle_min_ms > 0 && idle_ms < self.idle_min_ms => {
                return false;
            }
            Some((_, count)) => count,
            // A forced claim counts as a second delivery, as in Redis.
            None if self.is_forced => 1,
            None => return false,
        };
        let once_more = count.saturating_add(u64::from(!self.just_id));
        let count = self.count.unwrap_or(once_more);
        so_far.claims.insert(id, Claim { id, at: self.at, count });
        match self.just_id {
            true => put_id(reply, id),
            false => put_entry(reply, &entry),
        }
        true
    }

    /// Makes what was claimed so, and notes that the consumer was here.
    fn finish(&self, keys: &mut Keyspace, so_far: Claimed) -> Result<(), Stop> {
        let Claimer { key, group, consumer, .. } = *self;
        let now = keys.now();
        keys.check_room(so_far.claims.values().map(|_| size_of::<Claim>()))?;
        let found = keys.view_stream(key)?.and_then(|stream| stream.group(group));
        let known = found.and_then(|group| group.consumer(consumer));
        if so_far.claims.is_empty() && known.is_some() {
            keys.see_consumer(key, group, consumer);
        } else {
            let before = known.and_then(|consumer| consumer.active);
            let active = if so_far.claims.is_empty() { before } else { Some(now) };
            let outcome =
                keys.apply(Effect::StreamSetConsumer { key, group, consumer, seen: now, active });
            if outcome.0 == 1 {
                keys.notify(Class::Stream, "xgroup-createconsumer", key);
            }
        }
        in_parts(
            so_far.claims.values().cloned(),
            |_| size_of::<Claim>(),
            |part| {
                let claims = part.to_vec();
                keys.apply(Effect::StreamClaim { key, group, consumer, claims });
            },
        );
        if !so_far.dropped.is_empty() {
            let ids = so_far.dropped.iter().copied().collect();
            keys.apply(Effect::StreamAck { key, group, ids });
        }
        let entries = so_far.claims.len() + so_far.dropped.len();
        keys.discard(so_far, entries);
        Ok(())
    }
}

/// `XCLAIM key group consumer min-idle id ... [IDLE ms] [TIME unix-ms] [RETRYCOUNT n] [FORCE] [JUSTID] [LASTID id]`
pub(super) fn xclaim(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let now = cx.keys.now();
    let stream = cx.keys.read_stream(args.key(1))?;
    if stream.and_then(|stream| stream.group(args.key(2))).is_none() {
        return Err(no_group(args.key(1), args.key(2)));
    }
    let mut claimer = Claimer::new(args, now, "ERR Invalid min-idle-time argument for XCLAIM")?;
    let ids: Vec<StreamId> = (5..args.len()).map_while(|at| ids::parse(args.key(at), 0)).collect();
    let last_id = claimer.options(args, 5 + ids.len(), now)?;
    let Claimer { key, group, .. } = claimer;
    let (_, found) = claimer.look(cx.keys)?;
    if last_id > found.last_id {
        let entries_read = found.entries_read;
        cx.keys.apply(Effect::StreamSetGroup { key, group, last_id, entries_read });
    }
    let found = claimer.look(cx.keys)?;
    let mut so_far = Claimed::default();
    put_counted(&mut cx.reply, |reply| {
        let claim = |id: &&StreamId| claimer.claim(reply, found, **id, now, &mut so_far);
        ids.iter().filter(claim).count()
    });
    claimer.finish(cx.keys, so_far)
}

impl Claimer<'_> {
    /// The options of XCLAIM; returns the value of LASTID.
    fn options(&mut self, args: &Args<'_>, from: usize, now: UnixMs) -> Result<StreamId, Stop> {
        let number = |at: usize, text: &'static str| {
            parse_i64(args.key(at)).ok_or(Stop::Error(ErrorReply::new(text)))
        };
        let mut last_id = StreamId::MIN;
        let mut at = from;
        while at < args.len() {
            let has_value = at + 1 < args.len();
            if args.is(at, "FORCE") {
                self.is_forced = true;
            } else if args.is(at, "JUSTID") {
                self.just_id = true;
            } else if args.is(at, "IDLE") && has_value {
                let idle = number(at + 1, "ERR Invalid IDLE option argument for XCLAIM")?;
                self.at = past(now.0.cast_signed().wrapping_sub(idle), now);
                at += 1;
            } else if args.is(at, "TIME") && has_value {
                let time = number(at + 1, "ERR Invalid TIME option argument for XCLAIM")?;
                self.at = past(time, now);
                at += 1;
            } else if args.is(at, "RETRYCOUNT") && has_value {
                let count = number(at + 1, "ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
                self.count = u64::try_from(count).ok();
                at += 1;
            } else if args.is(at, "LASTID") && has_value {
                last_id = ids::strict(args, at + 1, 0)?;
                at += 1;
            } else {
                let option = String::from_utf8_lossy(args.key(at));
                let text = format!("ERR Unrecognized XCLAIM option '{option}'");
                return Err(ErrorReply::from(text).into());
            }
            at += 1;
        }
        Ok(last_id)
    }
}

/// A time of delivery; what cannot be one is now, as the clocks of clients may be wrong.
fn past(ms: i64, now: UnixMs) -> UnixMs {
    u64::try_from(ms).map_or(now, UnixMs).min(now)
}

/// `XAUTOCLAIM key group consumer min-idle start [COUNT count] [JUSTID]`
pub(super) fn xautoclaim(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let now = cx.keys.now();
    let mut claimer = Claimer::new(args, now, "ERR Invalid min-idle-time argument for XAUTOCLAIM")?;
    let start = ids::interval_start(args, 5)?;
    let mut count = AUTO_COUNT_DEFAULT;
    let mut at = 6;
    while at < args.len() {
        if args.is(at, "COUNT") && at + 1 < args.len() {
            let text = "ERR COUNT must be > 0";
            count = bounds::at_least(args, at + 1, 1, text)?;
            if count > AUTO_COUNT_MAX {
                return Err(ErrorReply::new(text).into());
            }
            at += 1;
        } else if args.is(at, "JUSTID") {
            claimer.just_id = true;
        } else {
            return Err(ErrorReply::SYNTAX.into());
        }
        at += 1;
    }
    let found = claimer.look(cx.keys)?;
    let mut so_far = Claimed::default();
    let mut pending = found.1.pending_from(start).map(|(id, _)| id);
    let begin = cx.reply.buffer().len();
    put_counted(&mut cx.reply, |reply| {
        let (mut looks, mut claimed) = (count.saturating_mul(LOOKS_PER_CLAIM), 0);
        while looks > 0
            && claimed + so_far.dropped.len() < count
            && let Some(id) = pending.next()
        {
            looks -= 1;
            claimed += usize::from(claimer.claim(reply, found, id, now, &mut so_far));
        }
        claimed
    });
    // Where the next call goes on stands in front of what this one has claimed.
    let next = pending.next().unwrap_or(StreamId::MIN);
    drop(pending);
    put_header(&mut cx.reply, begin, |reply| {
        reply.array(3);
        put_id(reply, next);
    });
    cx.reply.array(so_far.dropped.len());
    so_far.dropped.iter().for_each(|id| put_id(&mut cx.reply, *id));
    claimer.finish(cx.keys, so_far)
}
