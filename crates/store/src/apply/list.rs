//! Effects on lists.

use wire::effect::{Effect, End};

use super::{ApplyError, Outcome, Target};
use crate::value::{Body, Kind};
use crate::{List, Thresholds};

pub(super) fn apply(target: &mut Target<'_>, effect: &Effect<'_>) -> Result<Outcome, ApplyError> {
    match effect {
        Effect::ListPush { key, end, values } => push(target, key, *end, values),
        Effect::ListPop { key, end, count } => {
            shrink(target, key, |list, limits| list.pop(*end, clamp(*count), limits))
        }
        Effect::ListSet { key, index, value } => {
            change(target, key, |list, limits| list.set(clamp(*index), value, limits).then_some(1))
        }
        Effect::ListInsert { key, index, value } => change(target, key, |list, limits| {
            list.insert(clamp(*index), value, limits).then(|| list.len())
        }),
        Effect::ListTrim { key, start, count } => shrink(target, key, |list, limits| {
            let old = list.len();
            list.trim(clamp(*start), clamp(*count), limits);
            old - list.len()
        }),
        Effect::ListRemove { key, count, value } => {
            shrink(target, key, |list, limits| list.remove(*count, value, limits))
        }
        _ => unreachable!("apply sends only effects on lists here"),
    }
}

/// No list is longer than that.
fn clamp(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The list of a key for changing, and the thresholds; `None` when there is no such key.
fn find<'t>(target: &'t mut Target<'_>, key: &[u8]) -> Result<Option<&'t mut List>, ApplyError> {
    match target.db.get(key) {
        None => Ok(None),
        Some(entry) if entry.kind() != Kind::List => Err(ApplyError::WrongType),
        Some(_) => Ok(target.find(key).and_then(|entry| entry.list_mut())),
    }
}

fn push(
    target: &mut Target<'_>,
    key: &[u8],
    end: End,
    values: &[&[u8]],
) -> Result<Outcome, ApplyError> {
    let limits = target.env.thresholds;
    if let Some(list) = find(target, key)? {
        list.push(end, values, &limits);
        return Ok(Outcome::count(list.len()));
    }
    let mut list = List::new();
    list.push(end, values, &limits);
    let length = list.len();
    if length > 0 {
        target.create(key, Body::List(Box::new(list)));
    }
    Ok(Outcome::count(length))
}

/// For changes that may empty the list; `run` returns how many elements it removed.
fn shrink(
    target: &mut Target<'_>,
    key: &[u8],
    run: impl FnOnce(&mut List, &Thresholds) -> usize,
) -> Result<Outcome, ApplyError> {
    let limits = target.env.thresholds;
    let Some(list) = find(target, key)? else { return Ok(Outcome(0)) };
    let removed = run(list, &limits);
    if list.is_empty() {
        target.remove(key);
    }
    Ok(Outcome::count(removed))
}

/// For changes at an index; `run` returns `None` when the index lies outside.
fn change(
    target: &mut Target<'_>,
    key: &[u8],
    run: impl FnOnce(&mut List, &Thresholds) -> Option<usize>,
) -> Result<Outcome, ApplyError> {
    let limits = target.env.thresholds;
    let list = find(target, key)?.ok_or(ApplyError::NoSuchKey)?;
    run(list, &limits).map(Outcome::count).ok_or(ApplyError::OutOfRange)
}
