//! Commands on sorted sets.

mod add;
mod combine;
mod interval;
mod pop;
mod range;

use std::ops::Range;

use base::number::{format_double, format_double_17};
use store::Zset;
use wire::effect::Effect;
use wire::resp::reply::ErrorReply;

use super::bounds::{self, Sample};
use super::element::{element, element_or_null, pair, pairs, score};
use super::scan::{self, Scan};
use super::table::Binding;
use super::{Args, CmdResult, Handler, Turn};
use crate::keyspace::Class;
use interval::Interval;

pub(super) use add::{add, only};
pub(super) use range::{Members, replace};

pub(crate) const COMMANDS: &[Binding] = &[
    ("zadd", Handler::Data(add::zadd)),
    ("zincrby", Handler::Data(add::zincrby)),
    ("zrem", Handler::Data(zrem)),
    ("zcard", Handler::Data(zcard)),
    ("zscore", Handler::Data(zscore)),
    ("zmscore", Handler::Data(zmscore)),
    ("zrank", Handler::Data(zrank)),
    ("zrevrank", Handler::Data(zrevrank)),
    ("zcount", Handler::Data(zcount)),
    ("zlexcount", Handler::Data(zlexcount)),
    ("zrandmember", Handler::Data(zrandmember)),
    ("zscan", Handler::Data(zscan)),
    ("zrange", Handler::Data(range::zrange)),
    ("zrangestore", Handler::Data(range::zrangestore)),
    ("zrevrange", Handler::Data(range::zrevrange)),
    ("zrangebyscore", Handler::Data(range::zrangebyscore)),
    ("zrevrangebyscore", Handler::Data(range::zrevrangebyscore)),
    ("zrangebylex", Handler::Data(range::zrangebylex)),
    ("zrevrangebylex", Handler::Data(range::zrevrangebylex)),
    ("zremrangebyrank", Handler::Data(range::zremrangebyrank)),
    ("zremrangebyscore", Handler::Data(range::zremrangebyscore)),
    ("zremrangebylex", Handler::Data(range::zremrangebylex)),
    ("zpopmin", Handler::Data(pop::zpopmin)),
    ("zpopmax", Handler::Data(pop::zpopmax)),
    ("zmpop", Handler::Data(pop::zmpop)),
    ("bzpopmin", Handler::Data(pop::bzpopmin)),
    ("bzpopmax", Handler::Data(pop::bzpopmax)),
    ("bzmpop", Handler::Data(pop::bzmpop)),
    ("zunion", Handler::Data(combine::zunion)),
    ("zinter", Handler::Data(combine::zinter)),
    ("zdiff", Handler::Data(combine::zdiff)),
    ("zunionstore", Handler::Data(combine::zunionstore)),
    ("zinterstore", Handler::Data(combine::zinterstore)),
    ("zdiffstore", Handler::Data(combine::zdiffstore)),
    ("zintercard", Handler::Data(combine::zintercard)),
];

/// The ranks of the members with scores from `first`, included, to `behind`, excluded.
pub(super) fn ranks_of_scores(zset: &Zset, first: f64, behind: f64) -> Range<usize> {
    Interval::between(first, behind).ranks(zset)
}

fn zrem(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let key = args.key(1);
    let zset = cx.keys.peek_zset(key)?;
    let mut members = args.from(2);
    members.retain(|member| zset.is_some_and(|zset| zset.score(member).is_some()));
    let mut removed = 0;
    if !members.is_empty() {
        removed = cx.keys.apply(Effect::ZsetRemove { key, members }).0;
        cx.keys.notify_removal(Class::Zset, "zrem", key);
    }
    cx.reply.integer(removed);
    Ok(())
}

fn zcard(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let length = cx.keys.zset(args.key(1))?.map_or(0, Zset::len);
    cx.reply.count(length);
    Ok(())
}

fn zscore(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    match cx.keys.zset(args.key(1))?.and_then(|zset| zset.score(args.key(2))) {
        Some(found) => score(&mut cx.reply, found),
        None => cx.reply.null(),
    }
    Ok(())
}

fn zmscore(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let zset = cx.keys.zset(args.key(1))?;
    cx.reply.array(args.len() - 2);
    for member in args.iter_from(2) {
        match zset.and_then(|zset| zset.score(member)) {
            Some(found) => score(&mut cx.reply, found),
            None => cx.reply.null(),
        }
    }
    Ok(())
}

fn zrank(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    rank(cx, args, "zrank", |rank, _| rank)
}

fn zrevrank(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    rank(cx, args, "zrevrank", |rank, length| length - 1 - rank)
}

/// `key member [WITHSCORE]`
fn rank(
    cx: &mut Turn<'_>,
    args: &Args<'_>,
    name: &str,
    counted: fn(usize, usize) -> usize,
) -> CmdResult {
    if args.len() > 4 {
        return Err(ErrorReply::wrong_arity(name).into());
    }
    let with_score = args.len() == 4;
    if with_score && !args.is(3, "WITHSCORE") {
        return Err(ErrorReply::SYNTAX.into());
    }
    let zset = cx.keys.zset(args.key(1))?;
    let found = zset.and_then(|zset| {
        let (rank, score) = zset.rank(args.key(2))?;
        Some((counted(rank, zset.len()), score))
    });
    match found {
        Some((rank, found)) if with_score => {
            cx.reply.array(2);
            cx.reply.count(rank);
            score(&mut cx.reply, found);
        }
        Some((rank, _)) => cx.reply.count(rank),
        None if with_score => cx.reply.null_array(),
        None => cx.reply.null(),
    }
    Ok(())
}

fn zcount(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let interval = Interval::scores(args.key(2), args.key(3))?;
    count(cx, args, &interval)
}

fn zlexcount(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let interval = Interval::members(args.key(2), args.key(3))?;
    count(cx, args, &interval)
}

fn count(cx: &mut Turn<'_>, args: &Args<'_>, interval: &Interval<'_>) -> CmdResult {
    let count = cx.keys.zset(args.key(1))?.map_or(0, |zset| interval.ranks(zset).len());
    cx.reply.count(count);
    Ok(())
}

fn zrandmember(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let mut rng = cx.keys.rng().fork();
    if args.len() == 2 {
        let found = cx.keys.zset(args.key(1))?.and_then(|zset| zset.random(&mut rng));
        element_or_null(&mut cx.reply, found.map(|(_, member)| member));
        return Ok(());
    }
    let (sample, with_scores) = bounds::sample_of_pairs(args, "WITHSCORES")?;
    let Some(zset) = cx.keys.zset(args.key(1))? else {
        cx.reply.array(0);
        return Ok(());
    };
    let picked = match sample {
        Sample::Distinct(count) => zset.random_distinct(count, &mut rng),
        Sample::Repeated(count) => (0..count).filter_map(|_| zset.random(&mut rng)).collect(),
    };
    if !with_scores {
        cx.reply.array(picked.len());
        picked.into_iter().for_each(|(_, member)| element(&mut cx.reply, member));
        return Ok(());
    }
    pairs(&mut cx.reply, picked.len());
    for (found, member) in picked {
        pair(&mut cx.reply);
        element(&mut cx.reply, member);
        score(&mut cx.reply, found);
    }
    Ok(())
}

fn zscan(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    scan::cursor(args.key(2))?;
    let Some(zset) = cx.keys.zset(args.key(1))? else {
        scan::reply_nothing(&mut cx.reply);
        return Ok(());
    };
    let request = Scan::parse(args, 2)?;
    let mut body = scan::Body::new(cx.reply.protocol());
    let is_listpack = zset.as_listpack().is_some();
    let cursor = request.run(|cursor| {
        let mut visited = 0;
        let next = zset.scan(cursor, |(score, member)| {
            visited += 1;
            if request.takes(member) {
                body.add(|reply| element(reply, member));
                // A bulk string in both protocols: what a listpack holds, and a skiplist's scores in 17 digits.
                let text = if is_listpack { format_double(score) } else { format_double_17(score) };
                body.add(|reply| reply.bulk(&text));
            }
        });
        (next, visited)
    });
    body.finish(&mut cx.reply, cursor);
    Ok(())
}
