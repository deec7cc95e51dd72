//! The ranges of sorted sets: ZRANGE and its relatives, for reading, storing and removing.

use std::ops::Range;

use store::Zset;
use store::zset::Entry;
use wire::effect::Effect;
use wire::resp::reply::ErrorReply;

use super::interval::Interval;
use crate::command::bounds;
use crate::command::element::{element, pair, pairs, score};
use crate::command::{Args, CmdResult, Stop, Turn};
use crate::keyspace::{Class, Stored, in_parts};

/// What the edges of a range are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Member,
}

/// What a command fixes; `None` is for its options to say.
#[derive(Clone, Copy)]
struct Fixed {
    by: Option<By>,
    is_reverse: Option<bool>,
    may_have_scores: bool,
}

/// A range: arguments of ZRANGE.
struct Zrange<'a> {
    select: Select<'a>,
    is_reverse: bool,
    /// Members left out at the start, and members taken at most.
    limit: Option<(i64, i64)>,
    with_scores: bool,
}

enum Select<'a> {
    Ranks(i64, i64),
    Interval(Interval<'a>),
}

impl<'a> Zrange<'a> {
    /// `start stop [BYSCORE|BYLEX] [REV] [LIMIT offset count] [WITHSCORES]` from argument `at` on.
    fn parse(args: &Args<'a>, at: usize, fixed: Fixed) -> Result<Zrange<'a>, Stop> {
        let (start, stop) = (args.key(at), args.key(at + 1));
        let (mut by, mut is_reverse) = (fixed.by, fixed.is_reverse);
        let (mut limit, mut with_scores) = (None, false);
        let mut option = at + 2;
        while option < args.len() {
            if fixed.may_have_scores && args.is(option, "WITHSCORES") {
                with_scores = true;
            } else if args.is(option, "LIMIT") && option + 2 < args.len() {
                limit = Some((args.int(option + 1)?, args.int(option + 2)?));
                option += 2;
            } else if fixed.is_reverse.is_none() && args.is(option, "REV") {
                is_reverse = Some(true);
            } else if fixed.by.is_none() && by.is_none() && args.is(option, "BYLEX") {
                by = Some(By::Member);
            } else if fixed.by.is_none() && by.is_none() && args.is(option, "BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(ErrorReply::SYNTAX.into());
            }
            option += 1;
        }
        let (by, is_reverse) = (by.unwrap_or(By::Rank), is_reverse.unwrap_or(false));
        let error = |text| Err(Stop::Error(ErrorReply::new(text)));
        if by == By::Rank && limit.is_some_and(|(_, count)| count != -1) {
            return error(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            );
        }
        if with_scores && by == By::Member {
            return error("ERR syntax error, WITHSCORES not supported in combination with BYLEX");
        }
        // Reversed intervals name the upper edge first.
        let (min, max) = if is_reverse { (stop, start) } else { (start, stop) };
        let select = match by {
            By::Rank => Select::Ranks(args.int(at)?, args.int(at + 1)?),
            By::Score => Select::Interval(Interval::scores(min, max)?),
            By::Member => Select::Interval(Interval::members(min, max)?),
        };
        let limit = limit.filter(|_| by != By::Rank);
        Ok(Zrange { select, is_reverse, limit, with_scores })
    }

    /// The ranks that are selected, counted in ascending order whatever the direction.
    fn ranks(&self, zset: &Zset) -> Range<usize> {
        let found = match &self.select {
            Select::Ranks(start, stop) => {
                let span = bounds::span(*start, *stop, zset.len());
                return if self.is_reverse { mirrored(&span, zset.len()) } else { span };
            }
            Select::Interval(interval) => interval.ranks_from(zset, self.is_reverse),
        };
        let Some((offset, count)) = self.limit else { return found };
        // A negative offset selects nothing, a negative count everything.
        let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(found.len());
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(found.len() - offset);
        if self.is_reverse {
            found.end - offset - count..found.end - offset
        } else {
            found.start + offset..found.start + offset + count
        }
    }

    /// The selected members in the order of the reply.
    fn entries<'z>(&self, zset: &'z Zset) -> Box<dyn ExactSizeIterator<Item = Entry<'z>> + 'z> {
        let ranks = self.ranks(zset);
        let entries = zset.range(ranks.start, ranks.len());
        if self.is_reverse { Box::new(entries.rev()) } else { Box::new(entries) }
    }
}

/// The same span, counted from the other end.
fn mirrored(span: &Range<usize>, length: usize) -> Range<usize> {
    length - span.end..length - span.start
}

pub(super) fn zrange(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    reply(cx, args, Fixed { by: None, is_reverse: None, may_have_scores: true })
}

pub(super) fn zrevrange(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    reply_by(cx, args, By::Rank, true)
}

pub(super) fn zrangebyscore(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    reply_by(cx, args, By::Score, false)
}

pub(super) fn zrevrangebyscore(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    reply_by(cx, args, By::Score, true)
}

pub(super) fn zrangebylex(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    reply_by(cx, args, By::Member, false)
}

pub(super) fn zrevrangebylex(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    reply_by(cx, args, By::Member, true)
}

fn reply_by(cx: &mut Turn<'_>, args: &Args<'_>, by: By, is_reverse: bool) -> CmdResult {
    let fixed = Fixed { by: Some(by), is_reverse: Some(is_reverse), may_have_scores: true };
    reply(cx, args, fixed)
}

/// `key start stop ...`
fn reply(cx: &mut Turn<'_>, args: &Args<'_>, fixed: Fixed) -> CmdResult {
    let range = Zrange::parse(args, 2, fixed)?;
    let Some(zset) = cx.keys.zset(args.key(1))? else {
        cx.reply.array(0);
        return Ok(());
    };
    let entries = range.entries(zset);
    if !range.with_scores {
        cx.reply.array(entries.len());
        entries.for_each(|(_, member)| element(&mut cx.reply, member));
        return Ok(());
    }
    pairs(&mut cx.reply, entries.len());
    for (found, member) in entries {
        pair(&mut cx.reply);
        element(&mut cx.reply, member);
        score(&mut cx.reply, found);
    }
    Ok(())
}

/// `target source start stop ...`
pub(super) fn zrangestore(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (target, source) = (args.key(1), args.key(2));
    let fixed = Fixed { by: None, is_reverse: None, may_have_scores: false };
    let range = Zrange::parse(args, 3, fixed)?;
    let copy = |zset: &Zset| -> Members {
        range.entries(zset).map(|(score, member)| (score, member.to_vec())).collect()
    };
    let members = cx.keys.zset(source)?.map(copy).unwrap_or_default();
    let members = cx.keys.temporary(members);
    replace(cx, target, &members, "zrangestore")?;
    cx.reply.count(members.len());
    Ok(())
}

/// Copies of members, with their scores.
pub(in crate::command) type Members = Vec<(f64, Vec<u8>)>;

/// Makes `target` a sorted set of these members, or nothing if there are none, whatever it was; subscribers are told
/// of `event`.
pub(in crate::command) fn replace(
    cx: &mut Turn<'_>,
    target: &[u8],
    members: &[(f64, Vec<u8>)],
    event: &'static str,
) -> CmdResult {
    cx.keys.check_room(members.iter().map(|(_, member)| member.len()))?;
    let was_there = cx.keys.make_way(target, members.is_empty());
    in_parts(
        members.iter().map(|(score, member)| (*score, member.as_slice())),
        |(_, member)| member.len(),
        |part| {
            cx.keys.apply(Effect::ZsetAdd { key: target, members: part.to_vec() });
        },
    );
    let stored = Stored::of(members.is_empty(), was_there);
    cx.keys.notify_stored(Class::Zset, event, target, stored);
    Ok(())
}

pub(super) fn zremrangebyrank(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (start, stop) = (args.int(2)?, args.int(3)?);
    remove(cx, args, "zremrangebyrank", |zset| bounds::span(start, stop, zset.len()))
}

pub(super) fn zremrangebyscore(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let interval = Interval::scores(args.key(2), args.key(3))?;
    remove(cx, args, "zremrangebyscore", |zset| interval.ranks(zset))
}

pub(super) fn zremrangebylex(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let interval = Interval::members(args.key(2), args.key(3))?;
    remove(cx, args, "zremrangebylex", |zset| interval.ranks(zset))
}

fn remove(
    cx: &mut Turn<'_>,
    args: &Args<'_>,
    event: &'static str,
    select: impl FnOnce(&Zset) -> Range<usize>,
) -> CmdResult {
    let key = args.key(1);
    let mut removed = 0;
    if let Some(zset) = cx.keys.peek_zset(key)? {
        let ranks = select(zset);
        removed = ranks.len();
        remove_ranks(cx, key, ranks, event)?;
    }
    cx.reply.count(removed);
    Ok(())
}

/// Removes the members with these ranks, which exist, and tells subscribers of `event`.
pub(super) fn remove_ranks(
    cx: &mut Turn<'_>,
    key: &[u8],
    ranks: Range<usize>,
    event: &'static str,
) -> CmdResult {
    let Some(zset) = cx.keys.peek_zset(key)? else { return Ok(()) };
    if ranks.is_empty() {
        return Ok(());
    }
    if ranks.len() == zset.len() {
        cx.keys.apply(Effect::Delete { key });
    } else {
        let entries = zset.range(ranks.start, ranks.len());
        let members: Vec<Vec<u8>> = entries.map(|(_, member)| member.to_vec()).collect();
        let members = cx.keys.temporary(members);
        cx.keys.check_room(members.iter().map(Vec::len))?;
        in_parts(
            members.iter().map(Vec::as_slice),
            |member| member.len(),
            |part| {
                cx.keys.apply(Effect::ZsetRemove { key, members: part.to_vec() });
            },
        );
    }
    cx.keys.notify_removal(Class::Zset, event, key);
    Ok(())
}
