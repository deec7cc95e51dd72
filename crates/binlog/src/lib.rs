//! The ordered history of a shard on disk.
//!
//! ```text
//!                     commit                 take             fdatasync
//!   executor: Appender ------> Tail (memory) -----> writer ------------> syncer
//!                               |                     |
//!                     Cursor <--+---- Reader <--- segments, MANIFEST, checkpoints
//! ```
//!
//! [`Directory::open`] locks and recovers; [`Directory::start`] gives the executor its [`Appender`];
//! every other thread uses a [`Log`] handle.
//!
//! Invariants
//! - Payloads are not interpreted here.
//! - The executor never does I/O and never waits, except where a role changes.
//! - Nothing is removed before what replaces it is durable.

mod appender;
mod cursor;
mod directory;
mod disk;
mod history;
mod log;
mod manifest;
mod progress;
mod recover;
mod segment;
mod sync;
mod tail;
mod writer;

pub use appender::{Appender, RawBatch, RawError};
pub use cursor::{Cursor, ReadError, Reader, Records, Step};
pub use directory::{Directory, Discarded, OpenError, Torn};
pub use disk::{Disk, RealDisk};
pub use history::{History, HistoryError, REIGNS_COUNT_MAX, Reign};
pub use log::{Consumer, Log, Options, Retention, SyncPolicy};
pub use manifest::{
    CHECKPOINTS_KEPT, Checkpoint, Discards, MANIFEST, Manifest, ManifestError, Owner,
};
pub use progress::{Barrier, Health, Waker};
pub use tail::Batch;
