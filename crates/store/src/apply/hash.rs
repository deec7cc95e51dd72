//! Effects on hashes.

use super::{ApplyError, Outcome, Target};
use crate::Hash;
use crate::value::{Body, Kind};

/// The hash of a key for changing; `None` when there is no such key.
fn find<'t>(target: &'t mut Target<'_>, key: &[u8]) -> Result<Option<&'t mut Hash>, ApplyError> {
    match target.db.get(key) {
        None => Ok(None),
        Some(entry) if entry.kind() != Kind::Hash => Err(ApplyError::WrongType),
        Some(_) => Ok(target.find(key).and_then(|entry| entry.hash_mut())),
    }
}

/// `pairs`: field, value, field, value, ...
pub(super) fn set(
    target: &mut Target<'_>,
    key: &[u8],
    pairs: &[&[u8]],
) -> Result<Outcome, ApplyError> {
    let limits = target.env.thresholds;
    let fill = |hash: &mut Hash| {
        let (pairs, _) = pairs.as_chunks::<2>();
        pairs.iter().filter(|[field, value]| hash.set(field, value, &limits)).count()
    };
    if let Some(hash) = find(target, key)? {
        return Ok(Outcome::count(fill(hash)));
    }
    let mut hash = Hash::new();
    let added = fill(&mut hash);
    if added > 0 {
        target.create(key, Body::Hash(Box::new(hash)));
    }
    Ok(Outcome::count(added))
}

pub(super) fn delete(
    target: &mut Target<'_>,
    key: &[u8],
    fields: &[&[u8]],
) -> Result<Outcome, ApplyError> {
    let Some(hash) = find(target, key)? else { return Ok(Outcome(0)) };
    let removed = fields.iter().filter(|field| hash.delete(field)).count();
    if hash.is_empty() {
        target.remove(key);
    }
    Ok(Outcome::count(removed))
}
