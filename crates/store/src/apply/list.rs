//! Effects on lists.

use wire::effect::{Effect, End};

use super::{ApplyError, Outcome, Target};
use crate::graveyard::Remains;
use crate::list::Node;
use crate::value::{Body, Kind};
use crate::{List, Thresholds};

pub(super) fn apply(target: Target<'_>, effect: &Effect<'_>) -> Result<Outcome, ApplyError> {
    match effect {
        Effect::ListPush { end, values, .. } => push(target, *end, values),
        Effect::ListPop { end, count, .. } => shrink(target, |list, limits, remains| {
            let count = clamp(*count).min(list.len());
            let left = list.len() - count;
            let start = if *end == End::Head { count } else { 0 };
            list.trim_into(start, left, limits, remains);
            count
        }),
        Effect::ListSet { index, value, .. } => {
            change(target, |list, limits| list.set(clamp(*index), value, limits).then_some(1))
        }
        Effect::ListInsert { index, value, .. } => change(target, |list, limits| {
            list.insert(clamp(*index), value, limits).then(|| list.len())
        }),
        Effect::ListTrim { start, count, .. } => shrink(target, |list, limits, remains| {
            let old = list.len();
            list.trim_into(clamp(*start), clamp(*count), limits, remains);
            old - list.len()
        }),
        Effect::ListRemove { count, value, .. } => {
            shrink(target, |list, limits, remains| list.remove_into(*count, value, limits, remains))
        }
        _ => unreachable!("apply sends only effects on lists here"),
    }
}

/// No list is longer than that.
fn clamp(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The list for changing; `None` when there is no such key.
fn find<'t>(target: &'t mut Target<'_>) -> Result<Option<&'t mut List>, ApplyError> {
    Ok(target.find(Kind::List)?.and_then(|entry| entry.list_mut()))
}

fn push(mut target: Target<'_>, end: End, values: &[&[u8]]) -> Result<Outcome, ApplyError> {
    let limits = target.env.thresholds;
    if let Some(list) = find(&mut target)? {
        list.push(end, values, &limits);
        return Ok(Outcome::count(list.len()));
    }
    let mut list = List::new();
    list.push(end, values, &limits);
    let length = list.len();
    if length > 0 {
        target.create(Body::List(list));
    }
    Ok(Outcome::count(length))
}

/// For changes that may empty the list; `run` returns how many elements it removed.
fn shrink(
    mut target: Target<'_>,
    run: impl FnOnce(&mut List, &Thresholds, &mut Remains<Node>) -> usize,
) -> Result<Outcome, ApplyError> {
    let limits = target.env.thresholds;
    let Some(list) = find(&mut target)? else { return Ok(Outcome(0)) };
    let mut remains = Remains::new();
    let removed = run(list, &limits, &mut remains);
    if list.is_empty() {
        target.remove();
    }
    remains.bury(&target.env.graveyard);
    Ok(Outcome::count(removed))
}

/// For changes at an index; `run` returns `None` when the index lies outside.
fn change(
    mut target: Target<'_>,
    run: impl FnOnce(&mut List, &Thresholds) -> Option<usize>,
) -> Result<Outcome, ApplyError> {
    let limits = target.env.thresholds;
    let list = find(&mut target)?.ok_or(ApplyError::NoSuchKey)?;
    run(list, &limits).map(Outcome::count).ok_or(ApplyError::OutOfRange)
}
