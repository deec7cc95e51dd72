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

pub mod access;
mod admit;
pub mod alone;
mod barrier;
mod batch;
pub mod blocking;
pub mod boot;
pub mod client;
mod client_list;
pub mod command;
pub mod config;
mod departure;
mod eviction;
mod execute;
mod expiry;
mod housekeep;
pub mod info;
pub mod interop;
pub mod journal;
pub mod keyspace;
pub mod latency;
pub mod lease;
pub mod limits;
pub mod listeners;
pub mod member;
mod monitor;
pub mod node;
mod oom;
pub mod persist;
pub mod pubsub;
pub mod replicate;
pub mod script;
pub mod slowlog;
pub mod stats;
pub mod stopper;
pub mod tracking;
pub mod turn;

/// The version of Redis whose behaviour clients may rely on.
pub const REDIS_VERSION: &str = "7.2.0";
