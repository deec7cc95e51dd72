//! Commands on lists.

mod block;
mod transfer;

use store::List;
use wire::effect::{Effect, End};
use wire::listpack::{Element, Needle};
use wire::resp::reply::{ErrorReply, ReplyWriter};

use super::bounds::{self, POP_KEYS};
use super::element::{element, element_or_null};
use super::table::Binding;
use super::{Args, CmdResult, Handler, Stop, Turn};
use crate::keyspace::Class;

pub(crate) const COMMANDS: &[Binding] = &[
    ("lpush", Handler::Data(lpush)),
    ("rpush", Handler::Data(rpush)),
    ("lpushx", Handler::Data(lpushx)),
    ("rpushx", Handler::Data(rpushx)),
    ("lpop", Handler::Data(lpop)),
    ("rpop", Handler::Data(rpop)),
    ("llen", Handler::Data(llen)),
    ("lindex", Handler::Data(lindex)),
    ("lset", Handler::Data(lset)),
    ("linsert", Handler::Data(linsert)),
    ("lrange", Handler::Data(lrange)),
    ("ltrim", Handler::Data(ltrim)),
    ("lrem", Handler::Data(lrem)),
    ("lpos", Handler::Data(lpos)),
    ("lmove", Handler::Data(transfer::lmove)),
    ("rpoplpush", Handler::Data(transfer::rpoplpush)),
    ("lmpop", Handler::Data(lmpop)),
    ("blpop", Handler::Data(block::blpop)),
    ("brpop", Handler::Data(block::brpop)),
    ("blmove", Handler::Data(block::blmove)),
    ("brpoplpush", Handler::Data(block::brpoplpush)),
    ("blmpop", Handler::Data(block::blmpop)),
];

fn lpush(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    push(cx, args, End::Head)
}

fn rpush(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    push(cx, args, End::Tail)
}

fn push(cx: &mut Turn<'_>, args: &Args<'_>, end: End) -> CmdResult {
    let key = args.key(1);
    cx.keys.peek_list(key)?;
    let length = cx.keys.apply(Effect::ListPush { key, end, values: args.from(2) });
    cx.keys.notify(Class::List, pushed(end), key);
    cx.reply.integer(length.0);
    Ok(())
}

/// The event of a push at this end.
fn pushed(end: End) -> &'static str {
    match end {
        End::Head => "lpush",
        End::Tail => "rpush",
    }
}

/// Takes elements that are there from an end.
fn take(cx: &mut Turn<'_>, key: &[u8], end: End, count: usize) {
    cx.keys.apply(Effect::ListPop { key, end, count: count as u64 });
    cx.keys.notify_removal(Class::List, popped(end), key);
}

/// The event of a pop at this end.
fn popped(end: End) -> &'static str {
    match end {
        End::Head => "lpop",
        End::Tail => "rpop",
    }
}

fn lpushx(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    push_existing(cx, args, End::Head)
}

fn rpushx(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    push_existing(cx, args, End::Tail)
}

fn push_existing(cx: &mut Turn<'_>, args: &Args<'_>, end: End) -> CmdResult {
    if cx.keys.peek_list(args.key(1))?.is_none() {
        cx.reply.integer(0);
        return Ok(());
    }
    push(cx, args, end)
}

fn lpop(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    pop(cx, args, End::Head, "lpop")
}

fn rpop(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    pop(cx, args, End::Tail, "rpop")
}

fn pop(cx: &mut Turn<'_>, args: &Args<'_>, end: End, name: &str) -> CmdResult {
    if args.len() > 3 {
        return Err(ErrorReply::wrong_arity(name).into());
    }
    let key = args.key(1);
    if args.len() == 2 {
        let Some(list) = cx.keys.peek_list(key)? else {
            cx.reply.null();
            return Ok(());
        };
        element_or_null(&mut cx.reply, outermost(list, end).next());
        take(cx, key, end, 1);
        return Ok(());
    }
    let count = bounds::count(args, 2)?;
    let Some(list) = cx.keys.peek_list(key)? else {
        cx.reply.null_array();
        return Ok(());
    };
    let count = reply_outermost(&mut cx.reply, list, end, count);
    if count > 0 {
        take(cx, key, end, count);
    }
    Ok(())
}

/// The elements from an end inwards.
fn outermost(list: &List, end: End) -> store::list::Iter<'_> {
    match end {
        End::Head => list.iter(),
        End::Tail => list.iter_back_from(list.len().saturating_sub(1)),
    }
}

/// An array of up to `count` elements from an end inwards; returns how many there were.
fn reply_outermost(reply: &mut ReplyWriter<'_>, list: &List, end: End, count: usize) -> usize {
    let count = count.min(list.len());
    reply.array(count);
    outermost(list, end).take(count).for_each(|found| element(reply, found));
    count
}

fn parse_end(args: &Args<'_>, at: usize) -> Result<End, Stop> {
    match args.get(at) {
        Some(_) if args.is(at, "LEFT") => Ok(End::Head),
        Some(_) if args.is(at, "RIGHT") => Ok(End::Tail),
        Some(_) | None => Err(ErrorReply::SYNTAX.into()),
    }
}

fn llen(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let length = cx.keys.list(args.key(1))?.map_or(0, List::len);
    cx.reply.count(length);
    Ok(())
}

fn lindex(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let Some(list) = cx.keys.list(args.key(1))? else {
        cx.reply.null();
        return Ok(());
    };
    let index = bounds::index(args.int(2)?, list.len());
    element_or_null(&mut cx.reply, index.and_then(|index| list.get(index)));
    Ok(())
}

fn lset(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let key = args.key(1);
    let list = cx.keys.peek_list(key)?.ok_or(ErrorReply::NO_SUCH_KEY)?;
    let said = args.int(2)?;
    // A master of Redis 7.2 has set what the lower half of the index names.
    let said = if cx.session.is_master { i64::from(lower_half(said)) } else { said };
    let index = bounds::index(said, list.len()).ok_or(ErrorReply::INDEX_OUT_OF_RANGE)?;
    cx.keys.apply(Effect::ListSet { key, index: index as u64, value: args.key(3) });
    cx.keys.notify(Class::List, "lset", key);
    cx.reply.ok();
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "that is what is wanted")]
fn lower_half(index: i64) -> i32 {
    index as i32
}

fn linsert(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (key, value) = (args.key(1), args.key(4));
    let offset = match () {
        () if args.is(2, "BEFORE") => 0,
        () if args.is(2, "AFTER") => 1,
        () => return Err(ErrorReply::SYNTAX.into()),
    };
    let Some(list) = cx.keys.peek_list(key)? else {
        cx.reply.integer(0);
        return Ok(());
    };
    let pivot = Needle::new(args.key(3));
    let Some(at) = list.iter().position(|found| pivot.is(found)) else {
        cx.reply.integer(-1);
        return Ok(());
    };
    let index = (at + offset) as u64;
    let length = cx.keys.apply(Effect::ListInsert { key, index, value });
    cx.keys.notify(Class::List, "linsert", key);
    cx.reply.integer(length.0);
    Ok(())
}

fn lrange(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (start, stop) = (args.int(2)?, args.int(3)?);
    let Some(list) = cx.keys.list(args.key(1))? else {
        cx.reply.array(0);
        return Ok(());
    };
    let span = bounds::span(start, stop, list.len());
    cx.reply.array(span.len());
    let reply = &mut cx.reply;
    list.iter_from(span.start).take(span.len()).for_each(|found| element(reply, found));
    Ok(())
}

fn ltrim(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (key, start, stop) = (args.key(1), args.int(2)?, args.int(3)?);
    if let Some(list) = cx.keys.peek_list(key)? {
        let span = bounds::span(start, stop, list.len());
        let (start, count) = (span.start as u64, span.len() as u64);
        cx.keys.apply(Effect::ListTrim { key, start, count });
        cx.keys.notify_removal(Class::List, "ltrim", key);
    }
    cx.reply.ok();
    Ok(())
}

fn lrem(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (key, count, value) = (args.key(1), args.int(2)?, args.key(3));
    let needle = Needle::new(value);
    let is_there =
        cx.keys.peek_list(key)?.is_some_and(|list| list.iter().any(|found| needle.is(found)));
    let mut removed = 0;
    if is_there {
        removed = cx.keys.apply(Effect::ListRemove { key, count, value }).0;
        cx.keys.notify_removal(Class::List, "lrem", key);
    }
    cx.reply.integer(removed);
    Ok(())
}

/// Arguments of LPOS.
struct Lpos<'a> {
    needle: Needle<'a>,
    /// Which match is the first to count.
    rank: usize,
    from: End,
    /// Matches to return; `None`: one, and not in an array.
    count: Option<usize>,
    /// Elements to compare.
    length_max: usize,
}

impl<'a> Lpos<'a> {
    fn parse(args: &Args<'a>) -> Result<Lpos<'a>, Stop> {
        let mut lpos = Lpos {
            needle: Needle::new(args.key(2)),
            rank: 1,
            from: End::Head,
            count: None,
            length_max: usize::MAX,
        };
        // 0 means all.
        let unlimited = |count: usize| if count == 0 { usize::MAX } else { count };
        for at in (3..args.len()).step_by(2) {
            if at + 1 == args.len() {
                return Err(ErrorReply::SYNTAX.into());
            }
            if args.is(at, "RANK") {
                let rank = bounds::symmetric(args, at + 1)?;
                if rank == 0 {
                    return Err(ErrorReply::new(
                        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the \
                         second ... or use negative to start from the end of the list",
                    )
                    .into());
                }
                lpos.rank = usize::try_from(rank.unsigned_abs()).unwrap_or(usize::MAX);
                lpos.from = if rank < 0 { End::Tail } else { End::Head };
            } else if args.is(at, "COUNT") {
                let count = bounds::at_least(args, at + 1, 0, "ERR COUNT can't be negative")?;
                lpos.count = Some(unlimited(count));
            } else if args.is(at, "MAXLEN") {
                let length = bounds::at_least(args, at + 1, 0, "ERR MAXLEN can't be negative")?;
                lpos.length_max = unlimited(length);
            } else {
                return Err(ErrorReply::SYNTAX.into());
            }
        }
        Ok(lpos)
    }

    fn matches(&self, list: &List) -> Vec<usize> {
        let is_match = |found: &(usize, Element<'_>)| self.needle.is(found.1);
        let found = outermost(list, self.from).take(self.length_max).enumerate().filter(is_match);
        let found = found.skip(self.rank - 1).take(self.count.unwrap_or(1));
        let index = |(distance, _): (usize, Element<'_>)| match self.from {
            End::Head => distance,
            End::Tail => list.len() - 1 - distance,
        };
        found.map(index).collect()
    }
}

fn lpos(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let lpos = Lpos::parse(args)?;
    let found = cx.keys.list(args.key(1))?.map(|list| lpos.matches(list)).unwrap_or_default();
    match (lpos.count, found.first()) {
        (Some(_), _) => {
            cx.reply.array(found.len());
            found.iter().for_each(|index| cx.reply.count(*index));
        }
        (None, Some(index)) => cx.reply.count(*index),
        (None, None) => cx.reply.null(),
    }
    Ok(())
}

/// Arguments of LMPOP behind the timeout of its blocking twin.
struct Lmpop<'a> {
    keys: Vec<&'a [u8]>,
    end: End,
    count: usize,
}

impl<'a> Lmpop<'a> {
    /// `numkeys key ... LEFT|RIGHT [COUNT count]` from argument `at`.
    fn parse(args: &Args<'a>, at: usize) -> Result<Lmpop<'a>, Stop> {
        let counted = bounds::counted_keys(args, at, &POP_KEYS)?;
        let end = parse_end(args, counted.next)?;
        let count = bounds::pop_count(args, counted.next + 1)?;
        Ok(Lmpop { keys: counted.keys, end, count })
    }

    /// Pops from the first list that is there; `false`, and no reply, when there is none.
    fn serve(&self, cx: &mut Turn<'_>) -> Result<bool, Stop> {
        for &key in &self.keys {
            let Some(list) = cx.keys.peek_list(key)? else { continue };
            cx.reply.array(2);
            cx.reply.bulk(key);
            let count = reply_outermost(&mut cx.reply, list, self.end, self.count);
            let phrase = cx.keys.stream().phrase();
            take(cx, key, self.end, count);
            let name: &[u8] = if self.end == End::Head { b"LPOP" } else { b"RPOP" };
            let (db, count) = (cx.keys.db(), count.to_string());
            cx.keys.stream_mut().instead(phrase, db, &[name, key, count.as_bytes()]);
            return Ok(true);
        }
        Ok(false)
    }
}

fn lmpop(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    if !Lmpop::parse(args, 1)?.serve(cx)? {
        cx.reply.null_array();
    }
    Ok(())
}
