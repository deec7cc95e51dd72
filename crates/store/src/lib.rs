//! The data: typed values, the keyspace that holds them, and the one function that changes them.
//!
//! ```text
//!   Store -> Db (up to 256) -> 16,384 slots -> Table<Entry> -> String | List | Hash | Set | Zset
//! ```
//!
//! Invariants
//! - Nothing here reads a clock, sleeps, or touches a socket or a file: time, randomness and thresholds
//!   come in as values.

pub mod dict;
pub mod hash;
pub mod list;
mod pick;
mod rng;
pub mod set;
mod thresholds;
pub mod zset;

pub use hash::Hash;
pub use list::List;
pub use rng::Rng;
pub use set::Set;
pub use thresholds::Thresholds;
pub use zset::Zset;
