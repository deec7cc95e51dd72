//! Effects on hashes.

use wire::effect::Effect;

use super::{ApplyError, Outcome, Target};
use crate::graveyard::Remains;
use crate::value::{Body, Kind};
use crate::{Hash, Thresholds};

pub(super) fn apply(target: Target<'_>, effect: &Effect<'_>) -> Result<Outcome, ApplyError> {
    let mut target = target;
    let changed = match effect {
        Effect::HashSet { pairs, .. } => return set(target, pairs, Hash::set),
        Effect::HashSetAndKeep { pairs, .. } => return set(target, pairs, Hash::set_and_keep),
        Effect::HashDelete { fields, .. } => delete(&mut target, fields),
        Effect::HashExpire { fields, .. } => change(&mut target, |hash, _| {
            fields.iter().filter(|(at, field)| hash.set_deadline(field, *at)).count()
        }),
        Effect::HashPersist { fields, .. } => {
            change(&mut target, |hash, _| fields.iter().filter(|field| hash.persist(field)).count())
        }
        _ => unreachable!("apply sends only effects on hashes here"),
    };
    Ok(Outcome::count(changed?.unwrap_or(0)))
}

fn delete(target: &mut Target<'_>, fields: &[&[u8]]) -> Result<Option<usize>, ApplyError> {
    let mut remains = Remains::new();
    let deleted = change(target, |hash, _| {
        fields.iter().filter(|field| hash.delete_into(field, &mut remains)).count()
    });
    remains.bury(&target.env.graveyard);
    deleted
}

/// `pairs`: field, value, field, value, ...
fn set(
    mut target: Target<'_>,
    pairs: &[&[u8]],
    set: fn(&mut Hash, &[u8], &[u8], &Thresholds) -> bool,
) -> Result<Outcome, ApplyError> {
    let fill = |hash: &mut Hash, limits: &Thresholds| {
        let (pairs, _) = pairs.as_chunks::<2>();
        hash.expect_fields(pairs.len(), limits);
        pairs.iter().filter(|[field, value]| set(hash, field, value, limits)).count()
    };
    if let Some(added) = change(&mut target, fill)? {
        return Ok(Outcome::count(added));
    }
    let mut hash = Hash::new();
    let added = fill(&mut hash, &target.env.thresholds);
    if added > 0 {
        target.create(Body::Hash(hash));
    }
    Ok(Outcome::count(added))
}

/// Changes a hash if it is there; returns what `run` counted.
fn change(
    target: &mut Target<'_>,
    run: impl FnOnce(&mut Hash, &Thresholds) -> usize,
) -> Result<Option<usize>, ApplyError> {
    let limits = target.env.thresholds;
    let Some(entry) = target.find(Kind::Hash)? else { return Ok(None) };
    let hash = entry.hash_mut().expect("an entry of this kind was found");
    let had_deadlines = hash.has_deadlines();
    let count = run(hash, &limits);
    let (has_deadlines, is_empty) = (hash.has_deadlines(), hash.is_empty());
    target.db.index_fields(target.place, had_deadlines, has_deadlines);
    if is_empty {
        target.remove();
    }
    Ok(Some(count))
}
