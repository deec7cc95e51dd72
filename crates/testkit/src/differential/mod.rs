//! The differential tester: the same random commands against Pollux and a real redis-server.
//!
//! ```text
//!   table of grammars --seed--> script -> duel: both servers, several clients -> replies made comparable
//!                                  ^                                                  |- equal
//!                                  |                                                  |- a listed difference
//!                                  `----------------- shrink <-------- a difference <-'
//! ```
//!
//! Arguments are right most of the time and wrong on purpose some of the time: missing, surplus, of the wrong type, out of
//! range. A script works on few keys, so that commands meet each other's values. Every few hundred commands the whole
//! keyspace of both servers is compared, key by key: type, encoding, content, expiry, digest, what DUMP gives, and what
//! each server restores from the payload of the other.
//!
//! Invariants
//! - A script is made of its seed alone; what servers answer decides only which steps are passed over (those of a client
//!   that is parked). So a script can be cut down, and what is left still means the same.
//! - Replies are compared byte for byte, but for the commands that `compare.rs` names.

mod commands;
mod compare;
mod coverage;
mod differences;
mod duel;
mod frame;
mod grammar;
mod keyspace;
mod lua;
mod payload;
mod redis;
mod script;
mod shrink;
mod stage;
mod values;
mod writes;

pub use commands::commands;
pub use coverage::{Coverage, Gap, Hits, left_out};
pub use differences::EXEMPT;
pub use duel::{Difference, Duel, Report};
pub use keyspace::Compared;
pub use redis::RedisServer;
pub use script::{Script, Step};
