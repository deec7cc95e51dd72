//! Effects on hashes.

use super::{ApplyError, Outcome, Target};
use crate::Hash;
use crate::value::{Body, Kind};

/// The hash for changing; `None` when there is no such key.
fn find<'t>(target: &'t mut Target<'_>) -> Result<Option<&'t mut Hash>, ApplyError> {
    Ok(target.find(Kind::Hash)?.and_then(|entry| entry.hash_mut()))
}

/// `pairs`: field, value, field, value, ...
pub(super) fn set(mut target: Target<'_>, pairs: &[&[u8]]) -> Result<Outcome, ApplyError> {
    let limits = target.env.thresholds;
    let fill = |hash: &mut Hash| {
        let (pairs, _) = pairs.as_chunks::<2>();
        pairs.iter().filter(|[field, value]| hash.set(field, value, &limits)).count()
    };
    if let Some(hash) = find(&mut target)? {
        return Ok(Outcome::count(fill(hash)));
    }
    let mut hash = Hash::new();
    let added = fill(&mut hash);
    if added > 0 {
        target.create(Body::Hash(hash));
    }
    Ok(Outcome::count(added))
}

pub(super) fn delete(mut target: Target<'_>, fields: &[&[u8]]) -> Result<Outcome, ApplyError> {
    let Some(hash) = find(&mut target)? else { return Ok(Outcome(0)) };
    let removed = fields.iter().filter(|field| hash.delete(field)).count();
    if hash.is_empty() {
        target.remove();
    }
    Ok(Outcome::count(removed))
}
