//! The data: typed values, the keyspace that holds them, and the one function that changes them.

pub mod list;
mod thresholds;
pub mod zset;

pub use list::List;
pub use thresholds::Thresholds;
