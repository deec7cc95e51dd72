//! XACK and XPENDING.

use base::UnixMs;
use store::stream::{Consumer, Group, Pending};
use wire::effect::Effect;
use wire::resp::reply::{ErrorReply, ReplyWriter};
use wire::stream::StreamId;

use super::{ids, put_counted, put_id};
use crate::command::{Args, CmdResult, Stop, Turn};

/// `XACK key group id ...`
pub(super) fn xack(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (key, group) = (args.key(1), args.key(2));
    let stream = cx.keys.read_stream(key)?;
    let Some(found) = stream.and_then(|stream| stream.group(group)) else {
        cx.reply.integer(0);
        return Ok(());
    };
    let mut ids = ids::list(args, 3)?;
    ids.retain(|id| found.find_pending(*id).is_some());
    let acknowledged = match ids.is_empty() {
        true => 0,
        false => cx.keys.apply(Effect::StreamAck { key, group, ids }).0,
    };
    cx.reply.integer(acknowledged);
    Ok(())
}

/// The error of commands that need a group, when it or the key is missing.
pub(super) fn no_group(key: &[u8], group: &[u8]) -> Stop {
    let (key, group) = (String::from_utf8_lossy(key), String::from_utf8_lossy(group));
    let text = format!("NOGROUP No such key '{key}' or consumer group '{group}'");
    ErrorReply::from(text).into()
}

/// What XPENDING lists.
struct Listed<'a> {
    idle_min_ms: i64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Listed<'a> {
    /// `[IDLE ms] start end count [consumer]`; `None` when nothing of it is there.
    fn parse(args: &Args<'a>) -> Result<Option<Listed<'a>>, Stop> {
        if args.len() == 3 {
            return Ok(None);
        }
        if !(6..=9).contains(&args.len()) {
            return Err(ErrorReply::SYNTAX.into());
        }
        let (mut at, mut idle_min_ms) = (3, 0);
        if args.is(3, "IDLE") {
            idle_min_ms = args.int(4)?;
            if args.len() < 8 {
                return Err(ErrorReply::SYNTAX.into());
            }
            at = 5;
        }
        let count = usize::try_from(args.int(at + 2)?).unwrap_or(0);
        let (start, end) = (ids::interval_start(args, at)?, ids::interval_end(args, at + 1)?);
        Ok(Some(Listed { idle_min_ms, start, end, count, consumer: args.get(at + 3) }))
    }

    fn put(&self, reply: &mut ReplyWriter<'_>, group: &Group, now: UnixMs) {
        match self.consumer.map(|name| group.consumer(name)) {
            None => {
                let ids = group.pending_from(self.start).map(|(id, _)| id);
                self.put_ids(reply, group, ids, now);
            }
            Some(Some(consumer)) => {
                self.put_ids(reply, group, consumer.pending_from(self.start), now);
            }
            Some(None) => reply.array(0),
        }
    }

    fn put_ids(
        &self,
        reply: &mut ReplyWriter<'_>,
        group: &Group,
        ids: impl Iterator<Item = StreamId>,
        now: UnixMs,
    ) {
        let listed = ids
            .take_while(|id| *id <= self.end)
            .filter_map(|id| group.find_pending(id).map(|pending| (id, pending)))
            .filter(|(_, pending)| {
                self.idle_min_ms == 0 || idle_ms(pending, now) >= self.idle_min_ms
            });
        put_counted(reply, |reply| {
            let put = |(id, pending): (StreamId, &Pending)| {
                reply.array(4);
                put_id(reply, id);
                reply.bulk(group.owner(pending).name());
                reply.integer(idle_ms(pending, now).max(0));
                reply.integer(pending.count.cast_signed());
            };
            listed.take(self.count).map(put).count()
        });
    }
}

/// Time since the last delivery, below 0 when the clock was set back.
pub(super) fn idle_ms(pending: &Pending, now: UnixMs) -> i64 {
    now.0.cast_signed().saturating_sub(pending.at.0.cast_signed())
}

/// How many are pending, the first and the last of them, and for whom.
fn put_summary(reply: &mut ReplyWriter<'_>, group: &Group) {
    let mut pending = group.pending();
    reply.array(4);
    reply.count(pending.len());
    let first = pending.next().map(|(id, _)| id);
    let Some(first) = first else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    put_id(reply, first);
    put_id(reply, pending.next_back().map_or(first, |(id, _)| id));
    let owners = group.consumers().filter(|consumer| consumer.pending().len() > 0);
    put_counted(reply, |reply| {
        let put = |owner: &Consumer| {
            reply.array(2);
            reply.bulk(owner.name());
            reply.bulk(owner.pending().len().to_string().as_bytes());
        };
        owners.map(put).count()
    });
}

/// `XPENDING key group [[IDLE ms] start end count [consumer]]`
pub(super) fn xpending(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (key, group) = (args.key(1), args.key(2));
    let listed = Listed::parse(args)?;
    let now = cx.keys.now();
    let stream = cx.keys.read_stream(key)?;
    let found = stream.and_then(|stream| stream.group(group));
    let found = found.ok_or_else(|| no_group(key, group))?;
    match listed {
        Some(listed) => listed.put(&mut cx.reply, found, now),
        None => put_summary(&mut cx.reply, found),
    }
    Ok(())
}
