//! Speaking with real Redis: its replication protocol on the data port, as a source and as a sink.
//!
//! ```text
//!   Keyspace::apply -> Stream (translate, backlog) -> Source -> output of each replica's connection
//!   checkpoint file -> ImageReader (a thread) -----------^
//!
//!   master of Redis -> Link (a thread) -> Sink -> master client -> handlers -> Keyspace::apply
//!                                                      `- its bytes -> Stream
//! ```
//!
//! `docs/design/interop.md` has the plan and the reasons.
//!
//! Invariants
//! - The stream is one sequence of bytes for all replicas; an offset counts its bytes, as in Redis.
//! - What a replica was not sent yet stays in the backlog; a replica that falls behind its output limit is closed.

mod backlog;
mod failover;
mod image;
mod link;
mod quote;
mod sink;
mod source;
mod stream;
mod translate;

pub(crate) use failover::{Failover, Order, Target};
pub(crate) use link::is_id;
pub(crate) use quote::is_quoted;
pub(crate) use sink::Sink;
pub(crate) use source::{Downstream, Filter, Phase, Source, full_from, refresh_replicas};
pub(crate) use stream::Phrase;
pub use stream::Stream;
