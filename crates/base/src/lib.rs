//! The vocabulary: names and units that every crate shares.
//!
//! Nothing in here does I/O, logs or spawns. A type lives here when two crates that may not import
//! each other must agree on it.

pub mod allocation;
pub mod crc16;
pub mod extended;
pub mod glob;
pub mod id;
pub mod limits;
pub mod number;
pub mod opid;
#[cfg(feature = "serde")]
mod serial;
pub mod slot;
pub mod time;

pub use id::{ClusterId, Identity, Incarnation, NodeId, ShardId};
pub use opid::{Epoch, OpId, Position};
pub use slot::Slot;
pub use time::{Tick, UnixMs};
