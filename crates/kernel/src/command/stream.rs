//! Commands on streams: entries. Those on groups and reading are in the files below.

mod add;
mod claim;
mod group;
mod ids;
mod info;
mod pending;
mod read;

pub(crate) use read::asks_to_wait;
use store::Stream;
use wire::effect::Effect;
use wire::resp::reply::{ErrorReply, ReplyWriter};
use wire::stream::node::Entry;
use wire::stream::{IdText, StreamId};

use super::element::element;
use super::help::help;
use super::table::Binding;
use super::{Args, CmdResult, Handler, Stop, Turn};
use crate::keyspace::Class;

pub(crate) const COMMANDS: &[Binding] = &[
    ("xack", Handler::Data(pending::xack)),
    ("xadd", Handler::Data(add::xadd)),
    ("xautoclaim", Handler::Data(claim::xautoclaim)),
    ("xclaim", Handler::Data(claim::xclaim)),
    ("xdel", Handler::Data(xdel)),
    ("xgroup|create", Handler::Data(group::create)),
    ("xgroup|createconsumer", Handler::Data(group::create_consumer)),
    ("xgroup|delconsumer", Handler::Data(group::delete_consumer)),
    ("xgroup|destroy", Handler::Data(group::destroy)),
    ("xgroup|help", Handler::Data(help)),
    ("xgroup|setid", Handler::Data(group::set_id)),
    ("xinfo|consumers", Handler::Data(info::consumers)),
    ("xinfo|groups", Handler::Data(info::groups)),
    ("xinfo|help", Handler::Data(help)),
    ("xinfo|stream", Handler::Data(info::stream)),
    ("xlen", Handler::Data(xlen)),
    ("xpending", Handler::Data(pending::xpending)),
    ("xrange", Handler::Data(xrange)),
    ("xread", Handler::Data(read::xread)),
    ("xreadgroup", Handler::Data(read::xreadgroup)),
    ("xrevrange", Handler::Data(xrevrange)),
    ("xsetid", Handler::Data(xsetid)),
    ("xtrim", Handler::Data(add::xtrim)),
];

/// An ID as a bulk string.
fn put_id(reply: &mut ReplyWriter<'_>, id: StreamId) {
    reply.bulk(IdText::of(id).as_bytes());
}

/// `[id, [field, value, ...]]`
fn put_entry(reply: &mut ReplyWriter<'_>, entry: &Entry<'_>) {
    reply.array(2);
    put_id(reply, entry.id);
    let pairs = entry.pairs();
    reply.array(2 * pairs.len());
    for (field, value) in pairs {
        element(reply, field);
        element(reply, value);
    }
}

/// Writes an array of what `put` writes, which is known only behind it: `put` tells how many.
fn put_counted(reply: &mut ReplyWriter<'_>, put: impl FnOnce(&mut ReplyWriter<'_>) -> usize) {
    let at = reply.buffer().len();
    let count = put(reply);
    put_header(reply, at, |reply| reply.array(count));
}

/// Puts a header in front of what was written since the buffer had `at` bytes.
fn put_header(reply: &mut ReplyWriter<'_>, at: usize, put: impl FnOnce(&mut ReplyWriter<'_>)) {
    let end = reply.buffer().len();
    put(reply);
    let buffer = reply.buffer();
    let header_bytes = buffer.len() - end;
    buffer[at..].rotate_right(header_bytes);
}

/// An array of up to `count` entries (`None`: all of them).
fn put_entries<'a>(
    reply: &mut ReplyWriter<'_>,
    entries: impl Iterator<Item = Entry<'a>>,
    count: Option<usize>,
) {
    put_counted(reply, |reply| {
        let entries = entries.take(count.unwrap_or(usize::MAX));
        entries.map(|entry| put_entry(reply, &entry)).count()
    });
}

fn xlen(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let length = cx.keys.read_stream(args.key(1))?.map_or(0, Stream::len);
    cx.reply.count(length);
    Ok(())
}

/// `XRANGE key start end [COUNT count]`
fn xrange(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (start, end) = (ids::interval_start(args, 2)?, ids::interval_end(args, 3)?);
    let count = range_count(args)?;
    let Some(stream) = cx.keys.read_stream(args.key(1))? else {
        cx.reply.array(0);
        return Ok(());
    };
    match count {
        Some(0) => cx.reply.null_array(),
        count => put_entries(&mut cx.reply, stream.range(start, end), count),
    }
    Ok(())
}

/// `XREVRANGE key end start [COUNT count]`
fn xrevrange(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (start, end) = (ids::interval_start(args, 3)?, ids::interval_end(args, 2)?);
    let count = range_count(args)?;
    let Some(stream) = cx.keys.read_stream(args.key(1))? else {
        cx.reply.array(0);
        return Ok(());
    };
    match count {
        Some(0) => cx.reply.null_array(),
        count => put_entries(&mut cx.reply, stream.range_back(start, end), count),
    }
    Ok(())
}

/// The tail `[COUNT count]`, which may come several times; a negative count is 0.
fn range_count(args: &Args<'_>) -> Result<Option<usize>, Stop> {
    let mut count = None;
    for at in (4..args.len()).step_by(2) {
        if !args.is(at, "COUNT") || at + 1 == args.len() {
            return Err(ErrorReply::SYNTAX.into());
        }
        count = Some(usize::try_from(args.int(at + 1)?).unwrap_or(0));
    }
    Ok(count)
}

/// `XDEL key id ...`
fn xdel(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let key = args.key(1);
    let Some(stream) = cx.keys.peek_stream(key)? else {
        cx.reply.integer(0);
        return Ok(());
    };
    let mut ids = ids::list(args, 2)?;
    ids.retain(|id| stream.entry(*id).is_some());
    if ids.is_empty() {
        cx.reply.integer(0);
        return Ok(());
    }
    let deleted = cx.keys.apply(Effect::StreamDelete { key, ids });
    cx.keys.notify(Class::Stream, "xdel", key);
    cx.reply.integer(deleted.0);
    Ok(())
}

/// `XSETID key last-id [ENTRIESADDED count] [MAXDELETEDID id]`
fn xsetid(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let error = |text| Err(Stop::Error(ErrorReply::new(text)));
    let (key, last_id) = (args.key(1), ids::strict(args, 2, 0)?);
    let (mut entries_added, mut max_deleted) = (None, StreamId::MIN);
    for at in (3..args.len()).step_by(2) {
        if at + 1 == args.len() {
            return Err(ErrorReply::SYNTAX.into());
        }
        if args.is(at, "ENTRIESADDED") {
            let Ok(count) = u64::try_from(args.int(at + 1)?) else {
                return error("ERR entries_added must be positive");
            };
            entries_added = Some(count);
        } else if args.is(at, "MAXDELETEDID") {
            max_deleted = ids::strict(args, at + 1, 0)?;
            if last_id < max_deleted {
                return error(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                );
            }
        } else {
            return Err(ErrorReply::SYNTAX.into());
        }
    }
    let stream = cx.keys.peek_stream(key)?.ok_or(ErrorReply::NO_SUCH_KEY)?;
    // A master of 7.0 has not looked at them.
    if last_id < stream.max_deleted() && !cx.session.is_master {
        return error(
            "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
        );
    }
    if stream.last_entry_id().is_some_and(|id| last_id < id) {
        return error("ERR The ID specified in XSETID is smaller than the target stream top item");
    }
    let is_short = |count: u64| count < stream.len() as u64;
    if entries_added.is_some_and(is_short) {
        return error(
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        );
    }
    let entries_added = entries_added.unwrap_or(stream.entries_added());
    let max_deleted = if max_deleted == StreamId::MIN { stream.max_deleted() } else { max_deleted };
    cx.keys.apply(Effect::StreamSet { key, last_id, max_deleted, entries_added });
    cx.keys.notify(Class::Stream, "xsetid", key);
    cx.reply.ok();
    Ok(())
}
