//! The data node: serves one shard.
//!
//! ```text
//!  turn = accept -> read -> parse -> execute -> commit -> reply -> housekeep      (turn.rs)
//!
//!   net::Driver --input--> command::Args --> command::Handler --> keyspace::Keyspace --> binlog
//!        ^                                        |                    (effects)
//!        +------------- output <--- barrier <-----+
//! ```
//!
//! Invariants
//! - One thread, the executor, owns keys, clients and everything else in a [`node::Node`].
//! - A command changes data only by `Keyspace::apply(Effect)`.
//! - The executor never waits for a disk or a peer; only replies do.

pub mod client;
pub mod command;
pub mod keyspace;
pub mod node;
pub mod turn;
