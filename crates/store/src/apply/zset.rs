//! Effects on sorted sets.

use super::{ApplyError, Outcome, Target};
use crate::Zset;
use crate::graveyard::Remains;
use crate::value::{Body, Kind};

/// The sorted set for changing; `None` when there is no such key.
fn find<'t>(target: &'t mut Target<'_>) -> Result<Option<&'t mut Zset>, ApplyError> {
    Ok(target.find(Kind::Zset)?.and_then(|entry| entry.zset_mut()))
}

pub(super) fn add(mut target: Target<'_>, members: &[(f64, &[u8])]) -> Result<Outcome, ApplyError> {
    let limits = target.env.thresholds;
    if let Some(zset) = find(&mut target)? {
        return Ok(Outcome::count(zset.add_all(members, &limits)));
    }
    let mut zset = Zset::new();
    let added = zset.add_all(members, &limits);
    if added > 0 {
        target.create(Body::Zset(zset));
    }
    Ok(Outcome::count(added))
}

pub(super) fn remove(mut target: Target<'_>, members: &[&[u8]]) -> Result<Outcome, ApplyError> {
    let Some(zset) = find(&mut target)? else { return Ok(Outcome(0)) };
    let mut remains = Remains::new();
    let removed = members.iter().filter(|member| zset.remove_into(member, &mut remains)).count();
    if zset.is_empty() {
        target.remove();
    }
    remains.bury(&target.env.graveyard);
    Ok(Outcome::count(removed))
}
