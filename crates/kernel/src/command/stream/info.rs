//! XINFO.

use base::UnixMs;
use store::Stream;
use store::stream::{Consumer, Group};
use wire::resp::reply::{ErrorReply, ReplyWriter};
use wire::stream::StreamId;
use wire::stream::node::Entry;

use super::group::find_group;
use super::{put_entries, put_entry, put_id};
use crate::command::args::wrong_form;
use crate::command::{Args, CmdResult, Stop, Turn};

/// Entries, and pending ones of each group and consumer, that FULL shows unless COUNT says otherwise.
const COUNT_DEFAULT: usize = 10;

/// The stream, which must be there.
fn find<'t>(cx: &'t mut Turn<'_>, key: &[u8]) -> Result<&'t Stream, Stop> {
    cx.keys.read_stream(key)?.ok_or(Stop::Error(ErrorReply::NO_SUCH_KEY))
}

/// `XINFO STREAM key [FULL [COUNT count]]`
pub(super) fn stream(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let key = args.key(2);
    cx.keys.read_stream(key)?.ok_or(ErrorReply::NO_SUCH_KEY)?;
    let full = parse_full(args)?;
    let Some(stream) = cx.keys.view_stream(key)? else { return Ok(()) };
    let reply = &mut cx.reply;
    reply.map(if full.is_some() { 9 } else { 10 });
    put_number(reply, "length", stream.len() as u64);
    put_number(reply, "radix-tree-keys", stream.nodes().len() as u64);
    put_number(reply, "radix-tree-nodes", stream.radix_nodes() as u64);
    put_named_id(reply, "last-generated-id", stream.last_id());
    put_named_id(reply, "max-deleted-entry-id", stream.max_deleted());
    put_number(reply, "entries-added", stream.entries_added());
    put_named_id(reply, "recorded-first-entry-id", stream.first_id());
    match full {
        Some(count) => {
            reply.bulk(b"entries");
            put_entries(reply, stream.range(StreamId::MIN, StreamId::MAX), count);
            reply.bulk(b"groups");
            reply.array(stream.groups().len());
            for (name, group) in stream.groups() {
                put_full_group(reply, stream, name, group, count);
            }
        }
        None => {
            put_number(reply, "groups", stream.groups().len() as u64);
            let mut forwards = stream.range(StreamId::MIN, StreamId::MAX);
            put_edge(reply, "first-entry", forwards.next());
            let mut backwards = stream.range_back(StreamId::MIN, StreamId::MAX);
            put_edge(reply, "last-entry", backwards.next());
        }
    }
    Ok(())
}

/// `Some` with FULL: how many entries it shows, `None` for all.
fn parse_full(args: &Args<'_>) -> Result<Option<Option<usize>>, Stop> {
    if args.len() == 3 {
        return Ok(None);
    }
    let is_full = args.is(3, "FULL") && matches!(args.len(), 4 | 6);
    if !is_full || args.len() == 6 && !args.is(4, "COUNT") {
        return Err(wrong_form(args));
    }
    if args.len() == 4 {
        return Ok(Some(Some(COUNT_DEFAULT)));
    }
    let count = usize::try_from(args.int(5)?).unwrap_or(COUNT_DEFAULT);
    Ok(Some((count > 0).then_some(count)))
}

fn put_edge(reply: &mut ReplyWriter<'_>, name: &str, entry: Option<Entry<'_>>) {
    reply.bulk(name.as_bytes());
    match entry {
        Some(entry) => put_entry(reply, &entry),
        None => reply.null(),
    }
}

fn put_number(reply: &mut ReplyWriter<'_>, name: &str, value: u64) {
    reply.bulk(name.as_bytes());
    reply.integer(value.cast_signed());
}

fn put_named_id(reply: &mut ReplyWriter<'_>, name: &str, id: StreamId) {
    reply.bulk(name.as_bytes());
    put_id(reply, id);
}

fn put_name(reply: &mut ReplyWriter<'_>, name: &[u8]) {
    reply.bulk(b"name");
    reply.bulk(name);
}

/// A time, or -1 when there was none.
fn put_time(reply: &mut ReplyWriter<'_>, name: &str, at: Option<UnixMs>) {
    reply.bulk(name.as_bytes());
    reply.integer(at.map_or(-1, |at| at.0.cast_signed()));
}

/// How far a group has read, and what it has not; null where that is unknown.
fn put_progress(reply: &mut ReplyWriter<'_>, stream: &Stream, group: &Group) {
    for (name, value) in
        [("entries-read", group.entries_read.map(u64::cast_signed)), ("lag", stream.lag(group))]
    {
        reply.bulk(name.as_bytes());
        match value {
            Some(value) => reply.integer(value),
            None => reply.null(),
        }
    }
}

fn put_full_group(
    reply: &mut ReplyWriter<'_>,
    stream: &Stream,
    name: &[u8],
    group: &Group,
    count: Option<usize>,
) {
    let pending = group.pending();
    let shown = count.map_or(pending.len(), |count| count.min(pending.len()));
    reply.map(7);
    put_name(reply, name);
    put_named_id(reply, "last-delivered-id", group.last_id);
    put_progress(reply, stream, group);
    put_number(reply, "pel-count", pending.len() as u64);
    reply.bulk(b"pending");
    reply.array(shown);
    for (id, pending) in pending.take(shown) {
        reply.array(4);
        put_id(reply, id);
        reply.bulk(group.owner(pending).name());
        reply.integer(pending.at.0.cast_signed());
        reply.integer(pending.count.cast_signed());
    }
    reply.bulk(b"consumers");
    reply.array(group.consumers().len());
    for consumer in group.consumers() {
        put_full_consumer(reply, group, consumer, count);
    }
}

fn put_full_consumer(
    reply: &mut ReplyWriter<'_>,
    group: &Group,
    consumer: &Consumer,
    count: Option<usize>,
) {
    let pending = consumer.pending();
    let shown = count.map_or(pending.len(), |count| count.min(pending.len()));
    reply.map(5);
    put_name(reply, consumer.name());
    put_time(reply, "seen-time", Some(consumer.seen));
    put_time(reply, "active-time", consumer.active);
    put_number(reply, "pel-count", pending.len() as u64);
    reply.bulk(b"pending");
    reply.array(shown);
    for id in pending.take(shown) {
        let pending = group.find_pending(id).expect("what a consumer has, its group has");
        reply.array(3);
        put_id(reply, id);
        reply.integer(pending.at.0.cast_signed());
        reply.integer(pending.count.cast_signed());
    }
}

/// `XINFO GROUPS key`
pub(super) fn groups(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    find(cx, args.key(2))?;
    let Some(stream) = cx.keys.view_stream(args.key(2))? else { return Ok(()) };
    let reply = &mut cx.reply;
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(6);
        put_name(reply, name);
        put_number(reply, "consumers", group.consumers().len() as u64);
        put_number(reply, "pending", group.pending().len() as u64);
        put_named_id(reply, "last-delivered-id", group.last_id);
        put_progress(reply, stream, group);
    }
    Ok(())
}

/// `XINFO CONSUMERS key group`
pub(super) fn consumers(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let now = cx.keys.now().0.cast_signed();
    find(cx, args.key(2))?;
    let Some(stream) = cx.keys.view_stream(args.key(2))? else { return Ok(()) };
    let group = find_group(stream, args.key(2), args.key(3))?;
    let reply = &mut cx.reply;
    let since = |at: UnixMs| now.saturating_sub(at.0.cast_signed());
    reply.array(group.consumers().len());
    for consumer in group.consumers() {
        reply.map(4);
        put_name(reply, consumer.name());
        put_number(reply, "pending", consumer.pending().len() as u64);
        reply.bulk(b"idle");
        reply.integer(since(consumer.seen).max(0));
        reply.bulk(b"inactive");
        reply.integer(consumer.active.map_or(-1, since));
    }
    Ok(())
}
