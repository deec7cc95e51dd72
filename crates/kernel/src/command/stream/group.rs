//! XGROUP.

use store::Stream;
use store::stream::Group;
use wire::effect::Effect;
use wire::resp::reply::ErrorReply;
use wire::stream::StreamId;

use super::ids;
use crate::command::args::wrong_form;
use crate::command::{Args, CmdResult, Stop, Turn};
use crate::keyspace::Class;

/// Options of CREATE and SETID.
#[derive(Default)]
struct Options {
    creates_stream: bool,
    entries_read: Option<u64>,
}

impl Options {
    fn parse(args: &Args<'_>, is_create: bool) -> Result<Options, Stop> {
        let mut options = Options::default();
        let mut at = 5;
        while at < args.len() {
            if is_create && args.is(at, "MKSTREAM") {
                options.creates_stream = true;
                at += 1;
            } else if args.is(at, "ENTRIESREAD") && at + 1 < args.len() {
                options.entries_read = match args.int(at + 1)? {
                    -1 => None,
                    count => Some(u64::try_from(count).map_err(|_| {
                        ErrorReply::new("ERR value for ENTRIESREAD must be positive or -1")
                    })?),
                };
                at += 2;
            } else {
                return Err(wrong_form(args));
            }
        }
        Ok(options)
    }
}

/// The stream of a subcommand, which must be there.
fn find<'t>(cx: &'t mut Turn<'_>, key: &[u8]) -> Result<&'t Stream, Stop> {
    let stream = cx.keys.peek_stream(key)?;
    stream.ok_or(Stop::Error(ErrorReply::new(
        "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to \
         use the MKSTREAM option to create an empty stream automatically.",
    )))
}

/// The group of a stream, which must be there.
pub(super) fn find_group<'s>(
    stream: &'s Stream,
    key: &[u8],
    group: &[u8],
) -> Result<&'s Group, Stop> {
    stream.group(group).ok_or_else(|| {
        let (key, group) = (String::from_utf8_lossy(key), String::from_utf8_lossy(group));
        let text = format!("NOGROUP No such consumer group '{group}' for key name '{key}'");
        Stop::Error(ErrorReply::from(text))
    })
}

/// `XGROUP CREATE key group id|$ [MKSTREAM] [ENTRIESREAD count]`
pub(super) fn create(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (key, group) = (args.key(2), args.key(3));
    let options = Options::parse(args, true)?;
    let stream = match options.creates_stream {
        true => cx.keys.peek_stream(key)?,
        false => Some(find(cx, key)?),
    };
    if args.len() > 8 {
        return Err(wrong_form(args));
    }
    let last_id = match args.key(4) {
        b"$" => stream.map_or(StreamId::MIN, Stream::last_id),
        _ => ids::strict(args, 4, 0)?,
    };
    if stream.is_some_and(|stream| stream.group(group).is_some()) {
        return Err(ErrorReply::new("BUSYGROUP Consumer Group name already exists").into());
    }
    let (is_new, entries_read) = (stream.is_none(), options.entries_read);
    cx.keys.apply(Effect::StreamSetGroup { key, group, last_id, entries_read });
    if is_new {
        // A group alone is no change to those who watch the key, but a new stream is.
        let db = cx.keys.db();
        cx.keys.interest.changed(db, key);
    }
    cx.keys.notify(Class::Stream, "xgroup-create", key);
    cx.reply.ok();
    Ok(())
}

/// `XGROUP SETID key group id|$ [ENTRIESREAD count]`
pub(super) fn set_id(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (key, group) = (args.key(2), args.key(3));
    let options = Options::parse(args, false)?;
    let stream = find(cx, key)?;
    find_group(stream, key, group)?;
    if args.len() > 7 {
        return Err(wrong_form(args));
    }
    let last_id = match args.key(4) {
        b"$" => stream.last_id(),
        _ => ids::loose(args, 4, 0)?,
    };
    let entries_read = options.entries_read;
    cx.keys.apply(Effect::StreamSetGroup { key, group, last_id, entries_read });
    cx.keys.notify(Class::Stream, "xgroup-setid", key);
    cx.reply.ok();
    Ok(())
}

/// `XGROUP DESTROY key group`
pub(super) fn destroy(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (key, group) = (args.key(2), args.key(3));
    let is_there = find(cx, key)?.group(group).is_some();
    if is_there {
        cx.keys.apply(Effect::StreamRemoveGroup { key, group });
        cx.keys.notify(Class::Stream, "xgroup-destroy", key);
    }
    cx.reply.integer(i64::from(is_there));
    Ok(())
}

/// `XGROUP CREATECONSUMER key group consumer`
pub(super) fn create_consumer(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (key, group, consumer) = (args.key(2), args.key(3), args.key(4));
    let is_there = find_group(find(cx, key)?, key, group)?.consumer(consumer).is_some();
    if !is_there {
        let seen = cx.keys.now();
        cx.keys.apply(Effect::StreamSetConsumer { key, group, consumer, seen, active: None });
        cx.keys.notify(Class::Stream, "xgroup-createconsumer", key);
    }
    cx.reply.integer(i64::from(!is_there));
    Ok(())
}

/// `XGROUP DELCONSUMER key group consumer`
pub(super) fn delete_consumer(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (key, group, consumer) = (args.key(2), args.key(3), args.key(4));
    let is_there = find_group(find(cx, key)?, key, group)?.consumer(consumer).is_some();
    if !is_there {
        cx.reply.integer(0);
        return Ok(());
    }
    let pending = cx.keys.apply(Effect::StreamRemoveConsumer { key, group, consumer });
    cx.keys.notify(Class::Stream, "xgroup-delconsumer", key);
    cx.reply.integer(pending.0);
    Ok(())
}
