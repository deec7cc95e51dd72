//! Snapshots: the keyspace becomes an RDB file and back, without the executor ever waiting for a disk.
//!
//! ```text
//!                  Snapshot::step                    snapshot writer (a thread a file)
//!   store walk --> Encoder (rdb::Writer) --chunks--> <name>.<n>.tmp -> fsync -> <name> -> fsync directory
//!                                            `-----> or a replica's link
//!
//!   file or link --chunks--> Loader (rdb::Reader) --> Store::load
//! ```
//!
//! Invariants
//! - A file bears its final name only when all of it is on disk: a crash leaves the old file or the new one.
//! - Chunks on the way out are bounded; the walk pauses while they are too many. Only what commands change
//!   ahead of the walk is buffered without a bound but that of the data.
//! - What is loaded replaces nothing until it was decoded and checked.

pub mod checkpoint;
pub(crate) mod decode;
pub(crate) mod encode;
pub mod file;
pub mod load;
mod pacer;
mod reload;
pub mod restore;
pub mod snapshot;

pub use file::{FileError, FileWriter};
pub use load::{FileLoader, LoadError, Loaded, Loader};
pub use reload::{ReloadError, reload};
pub use restore::{Restore, RestoreError, RestoreProgress};
pub use snapshot::{About, Drain, Snapshot, SnapshotStep};

/// Names of the facts in the head of our files, beside those of Redis.
mod aux {
    pub(super) const OPID: &str = "pollux-opid";
    pub(super) const EPOCH: &str = "pollux-epoch";
    /// One of Redis.
    pub(super) const STREAM_DB: &str = "repl-stream-db";
}

#[cfg(test)]
mod tests;
