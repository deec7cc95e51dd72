//! Effects on sets.

use super::{ApplyError, Outcome, Target};
use crate::Set;
use crate::graveyard::Remains;
use crate::value::{Body, Kind};

/// The set for changing; `None` when there is no such key.
fn find<'t>(target: &'t mut Target<'_>) -> Result<Option<&'t mut Set>, ApplyError> {
    Ok(target.find(Kind::Set)?.and_then(|entry| entry.set_mut()))
}

pub(super) fn add(mut target: Target<'_>, members: &[&[u8]]) -> Result<Outcome, ApplyError> {
    let limits = target.env.thresholds;
    if let Some(set) = find(&mut target)? {
        return Ok(Outcome::count(set.add_all(members, &limits)));
    }
    let mut set = Set::new();
    let added = set.add_all(members, &limits);
    if added > 0 {
        target.create(Body::Set(set));
    }
    Ok(Outcome::count(added))
}

pub(super) fn remove(mut target: Target<'_>, members: &[&[u8]]) -> Result<Outcome, ApplyError> {
    let Some(set) = find(&mut target)? else { return Ok(Outcome(0)) };
    let mut remains = Remains::new();
    let removed = members.iter().filter(|member| set.remove_into(member, &mut remains)).count();
    if set.is_empty() {
        target.remove();
    }
    remains.bury(&target.env.graveyard);
    Ok(Outcome::count(removed))
}
