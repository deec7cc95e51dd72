//! Union, intersection and difference of sorted sets, and of plain sets, whose members count 1.

use foldhash::quality::RandomState;
use hashbrown::HashMap;
use store::zset::rank_tree::compare;
use store::{Set, Value, Zset};
use wire::listpack::TextBuffer;
use wire::resp::reply::ErrorReply;

use super::range::{Members, replace};
use crate::command::bounds::{self, CountedKeysErrors};
use crate::command::element::{pair, pairs, score};
use crate::command::set::combine::intersection_limit;
use crate::command::{Args, CmdResult, Stop, Turn};
use crate::keyspace::Keyspace;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Combine {
    Union,
    Intersection,
    Difference,
}

/// How the scores of one member become one score.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            // inf - inf counts 0.
            Aggregate::Sum => zero_if_nan(a + b),
            Aggregate::Min => a.min(b),
            Aggregate::Max => a.max(b),
        }
    }
}

fn zero_if_nan(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value }
}

/// Arguments of ZUNION and its relatives.
struct Request<'a> {
    combine: Combine,
    keys: Vec<&'a [u8]>,
    /// One a key.
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
}

/// The number of keys at argument `at`, and the keys.
fn counted_keys<'a>(
    args: &Args<'a>,
    at: usize,
    name: &str,
) -> Result<bounds::CountedKeys<'a>, Stop> {
    if args.int(at)? < 1 {
        let text = format!("ERR at least 1 input key is needed for '{name}' command");
        return Err(Stop::Error(text.into()));
    }
    let errors = CountedKeysErrors {
        not_positive: "ERR value is not an integer or out of range",
        too_many: "ERR syntax error",
    };
    bounds::counted_keys(args, at, &errors)
}

impl<'a> Request<'a> {
    /// `numkeys key ... [WEIGHTS weight ...] [AGGREGATE SUM|MIN|MAX] [WITHSCORES]` from argument `at`.
    /// A command that stores its result takes no WITHSCORES, a difference nothing else.
    /// The kinds of the keys are checked before what stands behind them, as in Redis.
    fn parse(
        keys: &Keyspace,
        args: &Args<'a>,
        at: usize,
        combine: Combine,
        name: &str,
        stores: bool,
    ) -> Result<Request<'a>, Stop> {
        let counted = counted_keys(args, at, name)?;
        sources(keys, &counted.keys)?;
        let mut request = Request {
            combine,
            weights: vec![1.0; counted.keys.len()],
            keys: counted.keys,
            aggregate: Aggregate::Sum,
            with_scores: false,
        };
        let is_difference = combine == Combine::Difference;
        let mut at = counted.next;
        while at < args.len() {
            let left = args.len() - at - 1;
            if !is_difference && args.is(at, "WEIGHTS") && left >= request.keys.len() {
                for (weight, position) in request.weights.iter_mut().zip(at + 1..) {
                    *weight = args.float(position).map_err(|_| {
                        Stop::Error(ErrorReply::new("ERR weight value is not a float"))
                    })?;
                }
                at += request.keys.len();
            } else if !is_difference && args.is(at, "AGGREGATE") && left >= 1 {
                request.aggregate = match () {
                    () if args.is(at + 1, "SUM") => Aggregate::Sum,
                    () if args.is(at + 1, "MIN") => Aggregate::Min,
                    () if args.is(at + 1, "MAX") => Aggregate::Max,
                    () => return Err(ErrorReply::SYNTAX.into()),
                };
                at += 1;
            } else if !stores && args.is(at, "WITHSCORES") {
                request.with_scores = true;
            } else {
                return Err(ErrorReply::SYNTAX.into());
            }
            at += 1;
        }
        Ok(request)
    }

    /// The result, in order.
    fn run(&self, keys: &mut Keyspace) -> Result<Members, Stop> {
        let sources = look_up(keys, &self.keys)?;
        let mut weighted: Vec<(Source<'_>, f64)> =
            sources.into_iter().zip(self.weights.iter().copied()).collect();
        let mut members = match self.combine {
            Combine::Difference => difference(&weighted),
            Combine::Union | Combine::Intersection => {
                // The smallest first, as Redis does: sums of floats depend on the order.
                weighted.sort_by_key(|(source, _)| source.len());
                if self.combine == Combine::Union {
                    union(&weighted, self.aggregate)
                } else {
                    intersection(&weighted, self.aggregate, usize::MAX)
                }
            }
        };
        members.sort_unstable_by(|a, b| compare((a.0, &a.1), (b.0, &b.1)));
        Ok(members)
    }
}

/// A set of either kind, or a missing key.
#[derive(Clone, Copy)]
enum Source<'k> {
    Nothing,
    Set(&'k Set),
    Zset(&'k Zset),
}

impl Source<'_> {
    fn len(&self) -> usize {
        match self {
            Source::Nothing => 0,
            Source::Set(set) => set.len(),
            Source::Zset(zset) => zset.len(),
        }
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Source::Nothing => None,
            Source::Set(set) => set.contains(member).then_some(1.0),
            Source::Zset(zset) => zset.score(member),
        }
    }

    fn for_each(&self, mut visit: impl FnMut(f64, &[u8])) {
        let mut buffer = TextBuffer::default();
        match self {
            Source::Nothing => {}
            Source::Set(set) => set.iter().for_each(|member| visit(1.0, member.text(&mut buffer))),
            Source::Zset(zset) => {
                zset.iter().for_each(|(score, member)| visit(score, member.text(&mut buffer)));
            }
        }
    }
}

/// What all keys hold; WRONGTYPE if any holds neither kind of set.
fn look_up<'k>(keys: &'k mut Keyspace, names: &[&[u8]]) -> Result<Vec<Source<'k>>, Stop> {
    for name in names {
        // Counts the look-up, and removes the key if it has expired.
        keys.value(name);
    }
    sources(keys, names)
}

fn sources<'k>(keys: &'k Keyspace, names: &[&[u8]]) -> Result<Vec<Source<'k>>, Stop> {
    let source = |name: &&[u8]| match keys.view_value(name) {
        None => Ok(Source::Nothing),
        Some(Value::Set(set)) => Ok(Source::Set(set)),
        Some(Value::Zset(zset)) => Ok(Source::Zset(zset)),
        Some(Value::String(_) | Value::List(_) | Value::Hash(_) | Value::Stream(_)) => {
            Err(Stop::Error(ErrorReply::WRONG_TYPE))
        }
    };
    names.iter().map(source).collect()
}

fn union(weighted: &[(Source<'_>, f64)], aggregate: Aggregate) -> Members {
    let mut scores: HashMap<Vec<u8>, f64, RandomState> = HashMap::default();
    for (source, weight) in weighted {
        source.for_each(|score, member| {
            let score = zero_if_nan(score * weight);
            match scores.get_mut(member) {
                Some(old) => *old = aggregate.of(*old, score),
                None => drop(scores.insert(member.to_vec(), score)),
            }
        });
    }
    scores.into_iter().map(|(member, score)| (score, member)).collect()
}

/// Up to `limit` members that all sources have; the smallest source stands first.
fn intersection(weighted: &[(Source<'_>, f64)], aggregate: Aggregate, limit: usize) -> Members {
    let Some(((smallest, weight), others)) = weighted.split_first() else { return Vec::new() };
    let mut members = Vec::new();
    smallest.for_each(|score, member| {
        if members.len() == limit {
            return;
        }
        let first = Some(zero_if_nan(score * weight));
        let total = others.iter().fold(first, |total, (source, weight)| {
            // 0 * inf is no number, and makes the sum 0, as in Redis; only the first source's counts as 0 itself.
            Some(aggregate.of(total?, source.score(member)? * weight))
        });
        members.extend(total.map(|total| (total, member.to_vec())));
    });
    members
}

fn difference(weighted: &[(Source<'_>, f64)]) -> Members {
    let Some(((first, _), others)) = weighted.split_first() else { return Vec::new() };
    let mut members = Vec::new();
    first.for_each(|score, member| {
        if others.iter().all(|(source, _)| source.score(member).is_none()) {
            members.push((score, member.to_vec()));
        }
    });
    members
}

pub(super) fn zunion(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    reply(cx, args, Combine::Union, "zunion")
}

pub(super) fn zinter(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    reply(cx, args, Combine::Intersection, "zinter")
}

pub(super) fn zdiff(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    reply(cx, args, Combine::Difference, "zdiff")
}

fn reply(cx: &mut Turn<'_>, args: &Args<'_>, combine: Combine, name: &str) -> CmdResult {
    let request = Request::parse(cx.keys, args, 1, combine, name, false)?;
    let members = request.run(cx.keys)?;
    let members = cx.keys.temporary(members);
    if !request.with_scores {
        cx.reply.array(members.len());
        members.iter().for_each(|(_, member)| cx.reply.bulk(member));
        return Ok(());
    }
    pairs(&mut cx.reply, members.len());
    for (found, member) in members.iter() {
        pair(&mut cx.reply);
        cx.reply.bulk(member);
        score(&mut cx.reply, *found);
    }
    Ok(())
}

pub(super) fn zunionstore(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    store(cx, args, Combine::Union, "zunionstore")
}

pub(super) fn zinterstore(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    store(cx, args, Combine::Intersection, "zinterstore")
}

pub(super) fn zdiffstore(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    store(cx, args, Combine::Difference, "zdiffstore")
}

/// `target numkeys key ...`; the event has the name of the command.
fn store(cx: &mut Turn<'_>, args: &Args<'_>, combine: Combine, event: &'static str) -> CmdResult {
    let request = Request::parse(cx.keys, args, 2, combine, event, true)?;
    let members = request.run(cx.keys)?;
    let members = cx.keys.temporary(members);
    replace(cx, args.key(1), &members, event)?;
    cx.reply.count(members.len());
    Ok(())
}

/// `numkeys key ... [LIMIT limit]`
pub(super) fn zintercard(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let counted = counted_keys(args, 1, "zintercard")?;
    sources(cx.keys, &counted.keys)?;
    let limit = intersection_limit(args, counted.next)?;
    let mut sources: Vec<(Source<'_>, f64)> =
        look_up(cx.keys, &counted.keys)?.into_iter().map(|source| (source, 1.0)).collect();
    sources.sort_by_key(|(source, _)| source.len());
    let members = intersection(&sources, Aggregate::Sum, limit);
    cx.reply.count(cx.keys.temporary(members).len());
    Ok(())
}
