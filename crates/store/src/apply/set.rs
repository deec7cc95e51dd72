//! Effects on sets.

use super::{ApplyError, Outcome, Target};
use crate::Set;
use crate::value::{Body, Kind};

/// The set of a key for changing; `None` when there is no such key.
fn find<'t>(target: &'t mut Target<'_>, key: &[u8]) -> Result<Option<&'t mut Set>, ApplyError> {
    match target.db.get(key) {
        None => Ok(None),
        Some(entry) if entry.kind() != Kind::Set => Err(ApplyError::WrongType),
        Some(_) => Ok(target.find(key).and_then(|entry| entry.set_mut())),
    }
}

pub(super) fn add(
    target: &mut Target<'_>,
    key: &[u8],
    members: &[&[u8]],
) -> Result<Outcome, ApplyError> {
    let limits = target.env.thresholds;
    if let Some(set) = find(target, key)? {
        return Ok(Outcome::count(set.add_all(members, &limits)));
    }
    let mut set = Set::new();
    let added = set.add_all(members, &limits);
    if added > 0 {
        target.create(key, Body::Set(Box::new(set)));
    }
    Ok(Outcome::count(added))
}

pub(super) fn remove(
    target: &mut Target<'_>,
    key: &[u8],
    members: &[&[u8]],
) -> Result<Outcome, ApplyError> {
    let Some(set) = find(target, key)? else { return Ok(Outcome(0)) };
    let removed = members.iter().filter(|member| set.remove(member)).count();
    if set.is_empty() {
        target.remove(key);
    }
    Ok(Outcome::count(removed))
}
