//! The data: typed values, the keyspace that holds them, and the one function that changes them.
//!
//! ```text
//!   Store -> Db (up to 256) -> 16,384 slots -> Table<Entry> -> String | List | Hash | Set | Zset | Stream
//! ```
//!
//! Invariants
//! - Nothing here reads a clock, sleeps, or touches a socket or a file: time, randomness and thresholds
//!   come in as values.

pub mod access;
pub mod apply;
mod db;
pub mod dict;
pub mod digest;
mod environment;
pub mod evict;
pub mod expire;
mod graveyard;
pub mod hash;
pub mod libraries;
pub mod list;
pub mod memory;
mod pick;
mod rng;
pub mod set;
mod slots;
pub mod snapshot;
mod store;
pub mod stream;
mod thresholds;
pub mod value;
pub mod zset;

pub use access::Access;
pub use apply::{ApplyError, Outcome};
pub use db::Db;
pub use dict::Entry;
pub use graveyard::{FREE_BYTES_MAX, FREE_EFFORT_MAX, Garbage, Graveyard, Temporary};
pub use hash::Hash;
pub use list::List;
pub use rng::Rng;
pub use set::Set;
pub use slots::Place;
pub use snapshot::{Progress, SnapshotRunning, SnapshotSink};
pub use store::{DATABASES_DEFAULT, Store};
pub use stream::Stream;
pub use thresholds::Thresholds;
pub use value::{Body, Kind, StringRef, Value};
pub use zset::Zset;
