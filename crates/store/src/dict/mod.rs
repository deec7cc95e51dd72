//! Hash tables and what stands in them.
//!
//! ```text
//!   Table<T> ── buckets of one cache line ── 8-byte items ──▶ Entry   (keyspace: header, key, value)
//!                                                        ├─▶ Bytes   (member of a set)
//!                                                        ├─▶ Pair    (field and value of a hash)
//!                                                        └─▶ Scored  (member and score of a sorted set)
//! ```
//!
//! The same table serves the keyspace and the large collections, so growing, scanning, random picks and
//! snapshots are solved once.

mod block;
mod entry;
mod hash;
mod items;
mod table;

pub use entry::Entry;
pub use hash::{HashSeed, hash_of};
pub use items::{Bytes, Pair, Scored};
pub(crate) use table::prefetch_line;
pub use table::{Item, Table};
