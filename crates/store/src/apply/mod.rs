//! Effects and what they do: the only way in which data changes.
//!
//! | effect | outcome | key is missing | wrong type |
//! |---|---|---|---|
//! | Delete | 1 if the key was there, else 0 | 0 | - |
//! | Rename, Copy, Move | 1 | `NoSuchKey` | - |
//! | ExpireAt | 1 if the key is there, else 0 | 0 | - |
//! | Persist | 1 if there was an expiry, else 0 | 0 | - |
//! | SetClock | 1 if the key is there, else 0 | 0 | - |
//! | FlushDb, FlushAll | keys removed | - | - |
//! | SwapDb | 1 | - | - |
//! | FunctionLoad | 1 if it replaced a library, else 0 | - | - |
//! | FunctionDelete | 1 if the library was there, else 0 | - | - |
//! | FunctionFlush | libraries removed | - | - |
//! | SetString | bytes of the value | created | replaced |
//! | Append, SetRange | new length in bytes | created | `WrongType` |
//! | IncrBy | the new integer | created as 0 | `WrongType` |
//! | ListPush | new length | created | `WrongType` |
//! | ListPop, ListTrim, ListRemove | elements removed | 0 | `WrongType` |
//! | ListSet | 1 | `NoSuchKey` | `WrongType` |
//! | ListInsert | new length | `NoSuchKey` | `WrongType` |
//! | HashSet | fields that are new | created | `WrongType` |
//! | HashSetAndKeep | fields that are new | created | `WrongType` |
//! | HashDelete | fields removed | 0 | `WrongType` |
//! | HashExpire | fields that expire now | 0 | `WrongType` |
//! | HashPersist | fields that expired before | 0 | `WrongType` |
//! | SetAdd | members that are new | created | `WrongType` |
//! | SetRemove | members removed | 0 | `WrongType` |
//! | ZsetAdd | members that are new | created | `WrongType` |
//! | ZsetRemove | members removed | 0 | `WrongType` |
//! | StreamAdd, StreamAddNode | new length | created | `WrongType` |
//! | StreamDelete, StreamTrim | entries removed | 0 | `WrongType` |
//! | StreamSet | 1 if the stream is new, else 0 | created | `WrongType` |
//! | StreamSetGroup | 1 if the group is new, else 0 | created | `WrongType` |
//! | StreamRemoveGroup | 1 if the group was there, else 0 | 0 | `WrongType` |
//! | StreamSetConsumer | 1 if the consumer is new, else 0 | `NoSuchKey` | `WrongType` |
//! | StreamRemoveConsumer | IDs that were pending for it | `NoSuchKey` | `WrongType` |
//! | StreamDeliver, StreamClaim | IDs given | `NoSuchKey` | `WrongType` |
//! | StreamAck | IDs that were pending | `NoSuchKey` | `WrongType` |
//!
//! Invariants
//! - An error leaves the data as it was.
//! - No empty collection stays: whatever empties one removes its key. Streams are none: an empty one remembers IDs.
//! - What an effect does depends on the effect and the data alone: not on time (a due key is a key until
//!   its Delete comes), chance, or settings (those choose encodings, never contents).

mod hash;
mod keys;
mod list;
mod set;
pub(crate) mod stream;
mod string;
mod zset;

use wire::effect::Effect;

use crate::db::Db;
use crate::dict::Entry;
use crate::environment::Environment;
use crate::slots::Place;
use crate::store::Store;
use crate::value::{Body, Kind};

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
    #[error("there is no such consumer group, or no such consumer in it")]
    NoSuchGroup,
    #[error("the ID is not above those that the stream has had")]
    StaleId,
    #[error("the node of a stream is malformed or too large")]
    BadNode,
}

/// Longest string that APPEND and SETRANGE may make, whatever `proto-max-bulk-len` says.
pub const STRING_BYTES_MAX: u64 = (1 << 32) - 1;

/// The key that an effect is about, with what its change needs. Its place is computed once.
struct Target<'s> {
    db: &'s mut Db,
    env: &'s mut Environment,
    key: &'s [u8],
    place: Place,
}

impl Target<'_> {
    /// The entry for changing, if it is there and of this kind.
    fn find(&mut self, kind: Kind) -> Result<Option<&mut Entry>, ApplyError> {
        self.db.find_mut(self.env, self.place, self.key, kind)
    }

    /// Stores the key, which is not there, with a new clock.
    fn create(&mut self, body: Body<'_>) {
        let mut entry = Entry::new(self.key, None, body);
        entry.set_clock(self.env.access.fresh());
        self.db.insert_at(self.env, self.place, entry);
    }

    fn remove(&mut self) -> bool {
        self.db.remove(self.env, self.place, self.key)
    }
}

/// See [`Store::apply`].
pub(crate) fn apply(
    store: &mut Store,
    db: u16,
    effect: &Effect<'_>,
) -> Result<Outcome, ApplyError> {
    check_databases(store, db, effect)?;
    match effect {
        Effect::Rename { .. }
        | Effect::Copy { .. }
        | Effect::Move { .. }
        | Effect::ExpireAt { .. }
        | Effect::Persist { .. }
        | Effect::SetClock { .. }
        | Effect::FlushDb
        | Effect::FlushAll
        | Effect::SwapDb { .. } => keys::apply(store, db, effect),
        Effect::FunctionLoad { name, code } => {
            Ok(Outcome::flag(store.libraries.insert(name, code)))
        }
        Effect::FunctionDelete { name } => Ok(Outcome::flag(store.libraries.remove(name))),
        Effect::FunctionFlush => Ok(Outcome::count(store.libraries.clear())),
        Effect::Delete { key } => Ok(Outcome::flag(target(store, db, key).remove())),
        Effect::SetString { key, value, expiry } => {
            Ok(string::set(target(store, db, key), value, *expiry))
        }
        Effect::Append { key, value } => string::append(target(store, db, key), value),
        Effect::SetRange { key, offset, value } => {
            string::set_range(target(store, db, key), *offset, value)
        }
        Effect::IncrBy { key, delta } => string::incr_by(target(store, db, key), *delta),
        Effect::ListPush { key, .. }
        | Effect::ListPop { key, .. }
        | Effect::ListSet { key, .. }
        | Effect::ListInsert { key, .. }
        | Effect::ListTrim { key, .. }
        | Effect::ListRemove { key, .. } => list::apply(target(store, db, key), effect),
        Effect::HashSet { key, .. }
        | Effect::HashSetAndKeep { key, .. }
        | Effect::HashDelete { key, .. }
        | Effect::HashExpire { key, .. }
        | Effect::HashPersist { key, .. } => hash::apply(target(store, db, key), effect),
        Effect::SetAdd { key, members } => set::add(target(store, db, key), members),
        Effect::SetRemove { key, members } => set::remove(target(store, db, key), members),
        Effect::ZsetAdd { key, members } => zset::add(target(store, db, key), members),
        Effect::ZsetRemove { key, members } => zset::remove(target(store, db, key), members),
        Effect::StreamAdd { key, .. }
        | Effect::StreamAddNode { key, .. }
        | Effect::StreamDelete { key, .. }
        | Effect::StreamTrim { key, .. }
        | Effect::StreamSet { key, .. }
        | Effect::StreamSetGroup { key, .. }
        | Effect::StreamRemoveGroup { key, .. }
        | Effect::StreamSetConsumer { key, .. }
        | Effect::StreamRemoveConsumer { key, .. }
        | Effect::StreamDeliver { key, .. }
        | Effect::StreamClaim { key, .. }
        | Effect::StreamAck { key, .. } => stream::apply(target(store, db, key), effect),
    }
}

fn target<'s>(store: &'s mut Store, db: u16, key: &'s [u8]) -> Target<'s> {
    let db = &mut store.dbs[usize::from(db)];
    Target { db, env: &mut store.env, key, place: Place::of(key) }
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
