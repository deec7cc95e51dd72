//! Taking members from the ends of sorted sets, with and without waiting.

use std::ops::Range;

use base::UnixMs;
use store::zset::Entry;
use store::{Temporary, Zset};
use wire::resp::reply::ErrorReply;

use super::range::{Members, remove_ranks};
use crate::command::bounds::{self, POP_KEYS};
use crate::command::element::{pair, pairs, score};
use crate::command::{Args, Awaited, BlockOn, CmdResult, Stop, TimeoutReply, Turn};

/// End of a sorted set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Min,
    Max,
}

impl End {
    /// The ranks of up to `count` members from this end inwards.
    fn ranks(self, zset: &Zset, count: usize) -> Range<usize> {
        let count = count.min(zset.len());
        match self {
            End::Min => 0..count,
            End::Max => zset.len() - count..zset.len(),
        }
    }

    /// The command that takes from this end without waiting.
    fn command(self) -> &'static [u8] {
        match self {
            End::Min => b"ZPOPMIN",
            End::Max => b"ZPOPMAX",
        }
    }

    /// Those members, outermost first.
    fn entries(self, zset: &Zset, ranks: &Range<usize>) -> Members {
        let owned = |(score, member): Entry<'_>| (score, member.to_vec());
        let entries = zset.range(ranks.start, ranks.len());
        match self {
            End::Min => entries.map(owned).collect(),
            End::Max => entries.rev().map(owned).collect(),
        }
    }
}

/// Members that are nobody's any more.
type Taken = Temporary<(f64, Vec<u8>)>;

/// Takes up to `count` members from an end; `None` when the key is not there.
fn take(cx: &mut Turn<'_>, key: &[u8], end: End, count: usize) -> Result<Option<Taken>, Stop> {
    let Some(zset) = cx.keys.peek_zset(key)? else { return Ok(None) };
    let ranks = end.ranks(zset, count);
    let taken = end.entries(zset, &ranks);
    let taken = cx.keys.temporary(taken);
    let event = match end {
        End::Min => "zpopmin",
        End::Max => "zpopmax",
    };
    remove_ranks(cx, key, ranks, event)?;
    Ok(Some(taken))
}

pub(super) fn zpopmin(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    pop(cx, args, End::Min)
}

pub(super) fn zpopmax(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    pop(cx, args, End::Max)
}

/// `key [count]`
fn pop(cx: &mut Turn<'_>, args: &Args<'_>, end: End) -> CmdResult {
    if args.len() > 3 {
        return Err(ErrorReply::SYNTAX.into());
    }
    let has_count = args.len() == 3;
    let count = if has_count { bounds::count(args, 2)? } else { 1 };
    let taken = take(cx, args.key(1), end, count)?;
    let taken = taken.as_deref().map_or(&[][..], Vec::as_slice);
    // Without a count there is one pair, flat in both protocols.
    if has_count || taken.is_empty() {
        pairs(&mut cx.reply, taken.len());
    } else {
        cx.reply.array(2);
    }
    for (found, member) in taken {
        if has_count {
            pair(&mut cx.reply);
        }
        cx.reply.bulk(member);
        score(&mut cx.reply, *found);
    }
    Ok(())
}

/// Arguments of ZMPOP behind the timeout of its blocking twin.
struct Zmpop<'a> {
    keys: Vec<&'a [u8]>,
    end: End,
    count: usize,
}

impl<'a> Zmpop<'a> {
    /// `numkeys key ... MIN|MAX [COUNT count]` from argument `at`.
    fn parse(args: &Args<'a>, at: usize) -> Result<Zmpop<'a>, Stop> {
        let counted = bounds::counted_keys(args, at, &POP_KEYS)?;
        let end = match args.get(counted.next) {
            Some(_) if args.is(counted.next, "MIN") => End::Min,
            Some(_) if args.is(counted.next, "MAX") => End::Max,
            Some(_) | None => return Err(ErrorReply::SYNTAX.into()),
        };
        let count = bounds::pop_count(args, counted.next + 1)?;
        Ok(Zmpop { keys: counted.keys, end, count })
    }

    /// Pops from the first sorted set that is there; `false`, and no reply, when there is none.
    fn serve(&self, cx: &mut Turn<'_>) -> Result<bool, Stop> {
        for &key in &self.keys {
            let phrase = cx.keys.stream().phrase();
            let Some(taken) = take(cx, key, self.end, self.count)? else { continue };
            let (db, count) = (cx.keys.db(), taken.len().to_string());
            let words = [self.end.command(), key, count.as_bytes()];
            cx.keys.stream_mut().instead(phrase, db, &words);
            cx.reply.array(2);
            cx.reply.bulk(key);
            cx.reply.array(taken.len());
            for (found, member) in taken.iter() {
                cx.reply.array(2);
                cx.reply.bulk(member);
                score(&mut cx.reply, *found);
            }
            return Ok(true);
        }
        Ok(false)
    }
}

pub(super) fn zmpop(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    if !Zmpop::parse(args, 1)?.serve(cx)? {
        cx.reply.null_array();
    }
    Ok(())
}

/// Parks the client until a sorted set appears at one of the keys.
fn wait<'a>(keys: impl Iterator<Item = &'a [u8]>, deadline: Option<UnixMs>) -> CmdResult {
    Err(Stop::Block(BlockOn {
        keys: keys.map(<[u8]>::to_vec).collect(),
        awaited: Awaited::Zset,
        deadline,
        on_timeout: TimeoutReply::NullArray,
        again: None,
    }))
}

pub(super) fn bzpopmin(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    pop_or_wait(cx, args, End::Min)
}

pub(super) fn bzpopmax(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    pop_or_wait(cx, args, End::Max)
}

/// `key ... timeout`
fn pop_or_wait(cx: &mut Turn<'_>, args: &Args<'_>, end: End) -> CmdResult {
    let last = args.len() - 1;
    let deadline = args.deadline(last, cx.keys.now())?;
    let keys = || args.iter_from(1).take(last - 1);
    for key in keys() {
        let phrase = cx.keys.stream().phrase();
        let Some(taken) = take(cx, key, end, 1)? else { continue };
        let db = cx.keys.db();
        cx.keys.stream_mut().instead(phrase, db, &[end.command(), key]);
        cx.reply.array(3);
        cx.reply.bulk(key);
        for (found, member) in taken.iter() {
            cx.reply.bulk(member);
            score(&mut cx.reply, *found);
        }
        return Ok(());
    }
    wait(keys(), deadline)
}

/// `timeout numkeys key ... MIN|MAX [COUNT count]`
pub(super) fn bzmpop(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let zmpop = Zmpop::parse(args, 2)?;
    let deadline = args.deadline(1, cx.keys.now())?;
    if zmpop.serve(cx)? {
        return Ok(());
    }
    wait(zmpop.keys.iter().copied(), deadline)
}
