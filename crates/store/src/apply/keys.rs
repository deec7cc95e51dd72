//! Effects on whole keys and databases.

use wire::effect::Effect;

use super::{ApplyError, Outcome};
use crate::db::Db;
use crate::environment::Environment;
use crate::store::Store;

pub(super) fn apply(
    store: &mut Store,
    db: u16,
    effect: &Effect<'_>,
) -> Result<Outcome, ApplyError> {
    match *effect {
        Effect::Rename { from, to } => rename(store, db, from, to),
        Effect::Copy { from, to_db, to } => copy(store, db, from, to_db, to),
        Effect::Move { key, to_db } => move_key(store, db, key, to_db),
        Effect::ExpireAt { key, at } => {
            let (db, env) = parts(store, db);
            Ok(Outcome::flag(db.set_expiry(env, key, Some(at)).is_some()))
        }
        Effect::Persist { key } => {
            let (db, env) = parts(store, db);
            Ok(Outcome::flag(db.set_expiry(env, key, None).flatten().is_some()))
        }
        Effect::SetClock { key, clock } => {
            Ok(Outcome::flag(store.dbs[usize::from(db)].set_clock(key, clock)))
        }
        Effect::FlushDb => {
            let (db, env) = parts(store, db);
            Ok(Outcome::count(db.flush(env)))
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

/// A database and what its changes need.
fn parts(store: &mut Store, db: u16) -> (&mut Db, &mut Environment) {
    (&mut store.dbs[usize::from(db)], &mut store.env)
}

fn rename(store: &mut Store, db: u16, from: &[u8], to: &[u8]) -> Result<Outcome, ApplyError> {
    let (db, env) = parts(store, db);
    if from == to {
        return db.get(from).map(|_| Outcome(1)).ok_or(ApplyError::NoSuchKey);
    }
    let entry = db.take(env, from).ok_or(ApplyError::NoSuchKey)?;
    db.insert(env, entry.with_key(to));
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
        let (db, env) = parts(store, to_db);
        db.insert(env, copy);
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
    let (from, env) = parts(store, db);
    let entry = from.take(env, key).expect("looked up above");
    let (to, env) = parts(store, to_db);
    to.insert(env, entry);
    Ok(Outcome(1))
}
