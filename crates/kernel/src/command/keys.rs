//! Keys as such: DEL, EXISTS, TYPE, RENAME, COPY, MOVE, and whole databases.

use base::number::parse_i64;
use wire::effect::Effect;
use wire::resp::reply::ErrorReply;

use super::table::Binding;
use super::{Args, CmdResult, Handler, Stop, Turn};
use crate::keyspace::Class;

pub(crate) const COMMANDS: &[Binding] = &[
    ("del", Handler::Data(del)),
    ("unlink", Handler::Data(del)),
    ("exists", Handler::Data(exists)),
    ("touch", Handler::Data(touch)),
    ("type", Handler::Data(type_of)),
    ("rename", Handler::Data(rename)),
    ("renamenx", Handler::Data(renamenx)),
    ("copy", Handler::Data(copy)),
    ("move", Handler::Data(move_key)),
    ("dbsize", Handler::Data(dbsize)),
    ("flushdb", Handler::Data(flushdb)),
    ("flushall", Handler::Data(flushall)),
    ("swapdb", Handler::Data(swapdb)),
];

const SAME_OBJECT: ErrorReply = ErrorReply::new("ERR source and destination objects are the same");
const DB_OUT_OF_RANGE: ErrorReply = ErrorReply::new("ERR DB index is out of range");

/// DEL and UNLINK: the store frees what is large in the background for both.
fn del(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let mut removed = 0;
    for key in args.iter_from(1) {
        if cx.keys.peek_entry(key).is_some() {
            removed += cx.keys.apply(Effect::Delete { key }).0;
            cx.keys.notify(Class::Generic, "del", key);
        }
    }
    cx.reply.integer(removed);
    Ok(())
}

fn exists(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let count = args.iter_from(1).filter(|key| cx.keys.look(key).is_some()).count();
    cx.reply.count(count);
    Ok(())
}

fn touch(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let count = args.iter_from(1).filter(|key| cx.keys.value(key).is_some()).count();
    cx.reply.count(count);
    Ok(())
}

fn type_of(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let kind = cx.keys.look(args.key(1)).map(|entry| entry.kind().name());
    cx.reply.simple(kind.unwrap_or("none"));
    Ok(())
}

// --- names

fn rename(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (from, to) = (args.key(1), args.key(2));
    if cx.keys.peek_entry(from).is_none() {
        return Err(ErrorReply::NO_SUCH_KEY.into());
    }
    if from != to {
        cx.keys.settle(to);
        apply_rename(cx, from, to);
    }
    cx.reply.ok();
    Ok(())
}

fn renamenx(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (from, to) = (args.key(1), args.key(2));
    if cx.keys.peek_entry(from).is_none() {
        return Err(ErrorReply::NO_SUCH_KEY.into());
    }
    let is_free = from != to && cx.keys.peek_entry(to).is_none();
    if is_free {
        apply_rename(cx, from, to);
    }
    cx.reply.integer(i64::from(is_free));
    Ok(())
}

fn apply_rename(cx: &mut Turn<'_>, from: &[u8], to: &[u8]) {
    cx.keys.apply(Effect::Rename { from, to });
    cx.keys.notify(Class::Generic, "rename_from", from);
    cx.keys.notify(Class::Generic, "rename_to", to);
}

fn copy(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (from, to) = (args.key(1), args.key(2));
    let (mut to_db, mut is_replacing) = (cx.keys.db(), false);
    let mut at = 3;
    while at < args.len() {
        if args.is(at, "replace") {
            is_replacing = true;
        } else if args.is(at, "db") && at + 1 < args.len() {
            to_db = existing(cx, args.int32(at + 1)?)?;
            at += 1;
        } else {
            return Err(ErrorReply::SYNTAX.into());
        }
        at += 1;
    }
    if from == to && to_db == cx.keys.db() {
        return Err(SAME_OBJECT.into());
    }
    let is_copied =
        cx.keys.value(from).is_some() && (!cx.keys.exists_in(to_db, to) || is_replacing);
    if is_copied {
        cx.keys.apply(Effect::Copy { from, to_db, to });
        cx.keys.notify_in(to_db, Class::Generic, "copy_to", to);
    }
    cx.reply.integer(i64::from(is_copied));
    Ok(())
}

fn move_key(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let key = args.key(1);
    let to_db = existing(cx, args.int32(2)?)?;
    if to_db == cx.keys.db() {
        return Err(SAME_OBJECT.into());
    }
    let is_moved = cx.keys.peek_entry(key).is_some() && !cx.keys.exists_in(to_db, key);
    if is_moved {
        cx.keys.apply(Effect::Move { key, to_db });
        cx.keys.notify(Class::Generic, "move_from", key);
        cx.keys.notify_in(to_db, Class::Generic, "move_to", key);
    }
    cx.reply.integer(i64::from(is_moved));
    Ok(())
}

// --- databases

fn database_number(text: &[u8], not_a_number: &ErrorReply) -> Result<i32, Stop> {
    let number = parse_i64(text).and_then(|number| i32::try_from(number).ok());
    number.ok_or_else(|| Stop::Error(not_a_number.clone()))
}

/// The database of that number, if there is one.
fn existing(cx: &Turn<'_>, number: i32) -> Result<u16, Stop> {
    u16::try_from(number)
        .ok()
        .filter(|&db| db < cx.keys.databases())
        .ok_or(Stop::Error(DB_OUT_OF_RANGE))
}

fn dbsize(cx: &mut Turn<'_>, _: &Args<'_>) -> CmdResult {
    cx.reply.count(cx.keys.store().db(cx.keys.db()).len());
    Ok(())
}

fn flushdb(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    flush(cx, args, Effect::FlushDb)
}

fn flushall(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    flush(cx, args, Effect::FlushAll)
}

/// SYNC and ASYNC make no difference: the tables are always freed in the background.
fn flush(cx: &mut Turn<'_>, args: &Args<'_>, effect: Effect<'_>) -> CmdResult {
    if args.len() > 2 || (args.len() == 2 && !args.is(1, "sync") && !args.is(1, "async")) {
        return Err(ErrorReply::SYNTAX.into());
    }
    cx.keys.apply(effect);
    cx.reply.ok();
    Ok(())
}

/// Removes the due ones among the keys that are watched in either database: to a transaction it is the same whether such
/// a key is gone, or is replaced by one that is.
fn settle_watched(cx: &mut Turn<'_>, a: u16, b: u16) {
    if !cx.keys.interest.has_watched() {
        return;
    }
    let watched = |db| cx.keys.interest.watched_keys(db).map(Box::from);
    let keys: Vec<Box<[u8]>> = watched(a).chain(watched(b)).collect();
    for db in [a, b] {
        cx.keys.select(db);
        keys.iter().for_each(|key| cx.keys.settle(key));
    }
    cx.keys.select(cx.session.db);
}

fn swapdb(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let a = database_number(args.key(1), &ErrorReply::new("ERR invalid first DB index"))?;
    let b = database_number(args.key(2), &ErrorReply::new("ERR invalid second DB index"))?;
    let (a, b) = (existing(cx, a)?, existing(cx, b)?);
    if a != b {
        settle_watched(cx, a, b);
        cx.keys.apply(Effect::SwapDb { a, b });
    }
    cx.reply.ok();
    Ok(())
}
