//! Effects on whole keys and databases.

use wire::effect::Effect;

use super::{ApplyError, Outcome, target};
use crate::store::Store;

pub(super) fn apply(
    store: &mut Store,
    db: u16,
    effect: &Effect<'_>,
) -> Result<Outcome, ApplyError> {
    match *effect {
        Effect::Delete { key } => Ok(Outcome::flag(target(store, db).remove(key))),
        Effect::Rename { from, to } => rename(store, db, from, to),
        Effect::Copy { from, to_db, to } => copy(store, db, from, to_db, to),
        Effect::Move { key, to_db } => move_key(store, db, key, to_db),
        Effect::ExpireAt { key, at } => {
            let to = target(store, db);
            Ok(Outcome::flag(to.db.set_expiry(to.env, key, Some(at)).is_some()))
        }
        Effect::Persist { key } => {
            let to = target(store, db);
            Ok(Outcome::flag(to.db.set_expiry(to.env, key, None).flatten().is_some()))
        }
        Effect::FlushDb => {
            let to = target(store, db);
            Ok(Outcome::count(to.db.flush(to.env)))
        }
        Effect::FlushAll => {
            let env = &mut store.env;
            Ok(Outcome::count(store.dbs.iter_mut().map(|db| db.flush(env)).sum()))
        }
        Effect::SwapDb { a, b } => {
            store.dbs.swap(usize::from(a), usize::from(b));
            Ok(Outcome(1))
        }
        _ => unreachable!("apply sends only effects on keys here"),
    }
}

fn rename(store: &mut Store, db: u16, from: &[u8], to: &[u8]) -> Result<Outcome, ApplyError> {
    let at = target(store, db);
    if from == to {
        return at.db.get(from).map(|_| Outcome(1)).ok_or(ApplyError::NoSuchKey);
    }
    let entry = at.db.take(at.env, from).ok_or(ApplyError::NoSuchKey)?;
    at.db.insert(at.env, entry.with_key(to));
    Ok(Outcome(1))
}

fn copy(
    store: &mut Store,
    db: u16,
    from: &[u8],
    to_db: u16,
    to: &[u8],
) -> Result<Outcome, ApplyError> {
    let source = store.db(db).get(from).ok_or(ApplyError::NoSuchKey)?;
    if db != to_db || from != to {
        let copy = source.copy_as(to);
        let at = target(store, to_db);
        at.db.insert(at.env, copy);
    }
    Ok(Outcome(1))
}

fn move_key(store: &mut Store, db: u16, key: &[u8], to_db: u16) -> Result<Outcome, ApplyError> {
    if store.db(db).get(key).is_none() {
        return Err(ApplyError::NoSuchKey);
    }
    if store.db(to_db).get(key).is_some() {
        return Err(ApplyError::KeyExists);
    }
    let from = target(store, db);
    let entry = from.db.take(from.env, key).expect("looked up above");
    let to = target(store, to_db);
    to.db.insert(to.env, entry);
    Ok(Outcome(1))
}
