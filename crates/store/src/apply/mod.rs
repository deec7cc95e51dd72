//! Effects and what they do: the only way in which data changes.
//!
//! | effect | outcome | key is missing | wrong type |
//! |---|---|---|---|
//! | Delete | 1 if the key was there, else 0 | 0 | - |
//! | Rename, Copy, Move | 1 | `NoSuchKey` | - |
//! | ExpireAt | 1 if the key is there, else 0 | 0 | - |
//! | Persist | 1 if there was an expiry, else 0 | 0 | - |
//! | FlushDb, FlushAll | keys removed | - | - |
//! | SwapDb | 1 | - | - |
//! | SetString | bytes of the value | created | replaced |
//! | Append, SetRange | new length in bytes | created | `WrongType` |
//! | IncrBy | the new integer | created as 0 | `WrongType` |
//! | ListPush | new length | created | `WrongType` |
//! | ListPop, ListTrim, ListRemove | elements removed | 0 | `WrongType` |
//! | ListSet | 1 | `NoSuchKey` | `WrongType` |
//! | ListInsert | new length | `NoSuchKey` | `WrongType` |
//! | HashSet | fields that are new | created | `WrongType` |
//! | HashDelete | fields removed | 0 | `WrongType` |
//! | SetAdd | members that are new | created | `WrongType` |
//! | SetRemove | members removed | 0 | `WrongType` |
//! | ZsetAdd | members that are new | created | `WrongType` |
//! | ZsetRemove | members removed | 0 | `WrongType` |
//!
//! Invariants
//! - An error leaves the data as it was.
//! - No empty collection stays: whatever empties one removes its key.
//! - What an effect does depends on the effect and the data alone: not on time (a due key is a key until
//!   its Delete comes), chance, or settings (those choose encodings, never contents).

mod hash;
mod keys;
mod list;
mod set;
mod string;
mod zset;

use wire::effect::Effect;

use crate::db::Db;
use crate::dict::Entry;
use crate::environment::Environment;
use crate::store::Store;
use crate::value::Body;

/// What an effect tells the command; see the table above.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome(pub i64);

impl Outcome {
    fn count(count: usize) -> Outcome {
        Outcome(i64::try_from(count).expect("fewer things than fit in memory"))
    }

    fn flag(flag: bool) -> Outcome {
        Outcome(i64::from(flag))
    }
}

/// The effect does not fit the data: a command that did not look, or a log of another history.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("there is no database {0}")]
    NoSuchDatabase(u16),
    #[error("there is no such key")]
    NoSuchKey,
    #[error("the target key is there already")]
    KeyExists,
    #[error("the key holds a value of another type")]
    WrongType,
    #[error("the index lies outside the value")]
    OutOfRange,
    #[error("the string is not an integer")]
    NotAnInteger,
    #[error("the integer overflows")]
    Overflow,
    #[error("the string becomes longer than {STRING_BYTES_MAX} bytes")]
    TooLong,
}

/// Longest string that APPEND and SETRANGE may make, whatever `proto-max-bulk-len` says.
pub const STRING_BYTES_MAX: u64 = (1 << 32) - 1;

/// A database together with what its changes need.
struct Target<'s> {
    db: &'s mut Db,
    env: &'s mut Environment,
}

impl Target<'_> {
    /// The entry of a key for changing.
    fn find(&mut self, key: &[u8]) -> Option<&mut Entry> {
        self.db.find_mut(self.env, key)
    }

    /// Stores a key that is not there, with a new clock.
    fn create(&mut self, key: &[u8], body: Body<'_>) {
        let mut entry = Entry::new(key, None, body);
        entry.set_clock(self.env.access.fresh());
        self.db.insert(self.env, entry);
    }

    fn remove(&mut self, key: &[u8]) -> bool {
        self.db.remove(self.env, key)
    }
}

/// See [`Store::apply`].
pub(crate) fn apply(
    store: &mut Store,
    db: u16,
    effect: &Effect<'_>,
) -> Result<Outcome, ApplyError> {
    check_databases(store, db, effect)?;
    let target = |store| target(store, db);
    match effect {
        Effect::Delete { .. }
        | Effect::Rename { .. }
        | Effect::Copy { .. }
        | Effect::Move { .. }
        | Effect::ExpireAt { .. }
        | Effect::Persist { .. }
        | Effect::FlushDb
        | Effect::FlushAll
        | Effect::SwapDb { .. } => keys::apply(store, db, effect),
        Effect::SetString { key, value, expiry } => {
            Ok(string::set(&mut target(store), key, value, *expiry))
        }
        Effect::Append { key, value } => string::append(&mut target(store), key, value),
        Effect::SetRange { key, offset, value } => {
            string::set_range(&mut target(store), key, *offset, value)
        }
        Effect::IncrBy { key, delta } => string::incr_by(&mut target(store), key, *delta),
        Effect::ListPush { .. }
        | Effect::ListPop { .. }
        | Effect::ListSet { .. }
        | Effect::ListInsert { .. }
        | Effect::ListTrim { .. }
        | Effect::ListRemove { .. } => list::apply(&mut target(store), effect),
        Effect::HashSet { key, pairs } => hash::set(&mut target(store), key, pairs),
        Effect::HashDelete { key, fields } => hash::delete(&mut target(store), key, fields),
        Effect::SetAdd { key, members } => set::add(&mut target(store), key, members),
        Effect::SetRemove { key, members } => set::remove(&mut target(store), key, members),
        Effect::ZsetAdd { key, members } => zset::add(&mut target(store), key, members),
        Effect::ZsetRemove { key, members } => zset::remove(&mut target(store), key, members),
    }
}

fn target(store: &mut Store, db: u16) -> Target<'_> {
    Target { db: &mut store.dbs[usize::from(db)], env: &mut store.env }
}

fn check_databases(store: &Store, db: u16, effect: &Effect<'_>) -> Result<(), ApplyError> {
    let others = match effect {
        Effect::Copy { to_db, .. } | Effect::Move { to_db, .. } => [*to_db; 2],
        Effect::SwapDb { a, b } => [*a, *b],
        _ => [db; 2],
    };
    let unknown = [db, others[0], others[1]].into_iter().find(|&db| db >= store.databases());
    unknown.map_or(Ok(()), |db| Err(ApplyError::NoSuchDatabase(db)))
}
