//! Union, intersection and difference of sets.

use store::Set;
use wire::effect::Effect;
use wire::listpack::{Element, TextBuffer};
use wire::resp::reply::ErrorReply;

use crate::command::bounds::{self, CountedKeysErrors};
use crate::command::element::element;
use crate::command::{Args, CmdResult, Stop, Turn};
use crate::keyspace::{Class, Keyspace, Stored, in_parts};

/// How sets become one.
#[derive(Clone, Copy)]
enum Combine {
    Union,
    Intersection,
    Difference,
}

pub(super) fn sinter(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    reply(cx, args, Combine::Intersection)
}

pub(super) fn sunion(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    reply(cx, args, Combine::Union)
}

pub(super) fn sdiff(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    reply(cx, args, Combine::Difference)
}

pub(super) fn sinterstore(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    store(cx, args, Combine::Intersection)
}

pub(super) fn sunionstore(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    store(cx, args, Combine::Union)
}

pub(super) fn sdiffstore(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    store(cx, args, Combine::Difference)
}

/// The sets of all keys, `None` where there is none; WRONGTYPE if any key holds something else.
fn look_up<'k>(keys: &'k mut Keyspace, names: &[&[u8]]) -> Result<Vec<Option<&'k Set>>, Stop> {
    for name in names {
        keys.set(name)?;
    }
    let keys = &*keys;
    names.iter().map(|name| keys.view_set(name)).collect()
}

fn reply(cx: &mut Turn<'_>, args: &Args<'_>, combine: Combine) -> CmdResult {
    let sets = look_up(cx.keys, &args.from(1))?;
    if let Combine::Union = combine {
        let union = union(&sets);
        cx.reply.set(union.len());
        union.iter().for_each(|member| element(&mut cx.reply, member));
        let effort = union.free_effort();
        cx.keys.discard(union, effort);
        return Ok(());
    }
    let members = members(&sets, combine, usize::MAX);
    cx.reply.set(members.len());
    members.into_iter().for_each(|member| element(&mut cx.reply, member));
    Ok(())
}

/// `target key ...`
fn store(cx: &mut Turn<'_>, args: &Args<'_>, combine: Combine) -> CmdResult {
    let target = args.key(1);
    let sets = look_up(cx.keys, &args.from(2))?;
    let members: Vec<Vec<u8>> = match combine {
        Combine::Union => {
            let union = union(&sets);
            let members = union.iter().map(|member| member.to_vec()).collect();
            let effort = union.free_effort();
            cx.keys.discard(union, effort);
            members
        }
        Combine::Intersection | Combine::Difference => {
            members(&sets, combine, usize::MAX).iter().map(Element::to_vec).collect()
        }
    };
    let members = cx.keys.temporary(members);
    cx.keys.check_room(members.iter().map(Vec::len))?;
    let was_there = cx.keys.make_way(target, members.is_empty());
    in_parts(
        members.iter().map(Vec::as_slice),
        |member| member.len(),
        |part| {
            cx.keys.apply(Effect::SetAdd { key: target, members: part.to_vec() });
        },
    );
    let event = match combine {
        Combine::Union => "sunionstore",
        Combine::Intersection => "sinterstore",
        Combine::Difference => "sdiffstore",
    };
    let stored = Stored::of(members.is_empty(), was_there);
    cx.keys.notify_stored(Class::Set, event, target, stored);
    cx.reply.count(members.len());
    Ok(())
}

/// The union, in an own set that drops what comes twice: in Redis' order while it is compact.
fn union(sets: &[Option<&Set>]) -> Set {
    let limits = store::Thresholds::default();
    let (mut union, mut buffer) = (Set::new(), TextBuffer::default());
    for member in sets.iter().flatten().flat_map(|set| set.iter()) {
        union.add_all(&[member.text(&mut buffer)], &limits);
    }
    union
}

/// Up to `limit` members of the intersection or the difference.
fn members<'s>(sets: &[Option<&'s Set>], combine: Combine, limit: usize) -> Vec<Element<'s>> {
    let is_difference = matches!(combine, Combine::Difference);
    let walked = if is_difference {
        sets.first().copied().flatten()
    } else if sets.iter().any(Option::is_none) {
        None
    } else {
        sets.iter().copied().flatten().min_by_key(|set| set.len())
    };
    let Some(walked) = walked else { return Vec::new() };
    let skipped = usize::from(is_difference);
    let others: Vec<&Set> = sets[skipped..]
        .iter()
        .copied()
        .flatten()
        .filter(|set| is_difference || !std::ptr::eq(*set, walked))
        .collect();
    let mut buffer = TextBuffer::default();
    let mut stays = |member: &Element<'_>| {
        let text = member.text(&mut buffer);
        others.iter().all(|set| set.contains(text) != is_difference)
    };
    walked.iter().filter(|member| stays(member)).take(limit).collect()
}

/// `numkeys key ... [LIMIT limit]`
pub(super) fn sintercard(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let errors = CountedKeysErrors {
        not_positive: "ERR numkeys should be greater than 0",
        too_many: "ERR Number of keys can't be greater than number of args",
    };
    let counted = bounds::counted_keys(args, 1, &errors)?;
    let limit = intersection_limit(args, counted.next)?;
    let sets = look_up(cx.keys, &counted.keys)?;
    cx.reply.count(members(&sets, Combine::Intersection, limit).len());
    Ok(())
}

/// The tail `[LIMIT limit] ...` of SINTERCARD and ZINTERCARD; 0 is none.
pub(crate) fn intersection_limit(args: &Args<'_>, from: usize) -> Result<usize, Stop> {
    let mut limit = usize::MAX;
    for at in (from..args.len()).step_by(2) {
        if !args.is(at, "LIMIT") || at + 1 == args.len() {
            return Err(ErrorReply::SYNTAX.into());
        }
        limit = match bounds::at_least(args, at + 1, 0, "ERR LIMIT can't be negative")? {
            0 => usize::MAX,
            limit => limit,
        };
    }
    Ok(limit)
}
