//! Effects on sorted sets.

use super::{ApplyError, Outcome, Target};
use crate::Zset;
use crate::value::{Body, Kind};

/// The sorted set of a key for changing; `None` when there is no such key.
fn find<'t>(target: &'t mut Target<'_>, key: &[u8]) -> Result<Option<&'t mut Zset>, ApplyError> {
    match target.db.get(key) {
        None => Ok(None),
        Some(entry) if entry.kind() != Kind::Zset => Err(ApplyError::WrongType),
        Some(_) => Ok(target.find(key).and_then(|entry| entry.zset_mut())),
    }
}

pub(super) fn add(
    target: &mut Target<'_>,
    key: &[u8],
    members: &[(f64, &[u8])],
) -> Result<Outcome, ApplyError> {
    let limits = target.env.thresholds;
    if let Some(zset) = find(target, key)? {
        return Ok(Outcome::count(zset.add_all(members, &limits)));
    }
    let mut zset = Zset::new();
    let added = zset.add_all(members, &limits);
    if added > 0 {
        target.create(key, Body::Zset(Box::new(zset)));
    }
    Ok(Outcome::count(added))
}

pub(super) fn remove(
    target: &mut Target<'_>,
    key: &[u8],
    members: &[&[u8]],
) -> Result<Outcome, ApplyError> {
    let Some(zset) = find(target, key)? else { return Ok(Outcome(0)) };
    let removed = members.iter().filter(|member| zset.remove(member)).count();
    if zset.is_empty() {
        target.remove(key);
    }
    Ok(Outcome::count(removed))
}
