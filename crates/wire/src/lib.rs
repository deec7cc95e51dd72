//! Every byte format: RESP, effects, binlog records, RDB, listpack, HyperLogLog.
//!
//! Invariants
//! - Nothing here owns a socket or a file.
//! - No allocation by a length that was not bounded by what is there to read.

pub mod effect;
pub mod frame;
pub mod hyperloglog;
pub mod intset;
pub mod listpack;
pub mod rdb;
pub mod record;
pub mod resp;
pub mod stream;
mod thin;
pub mod varint;
