//! The config server: keeps the desired state by Raft, decides who is master, and answers people and agents.
//!
//! ```text
//!             people, agents                                  other config servers
//!                  |  REST (rest)                                    |  /v1/raft
//!                  v                                                 v
//!   reports -> controller --decide (cluster, pure)--> commands -> consensus (Raft, redb) -> State
//!                  ^------------------------------------------------------------------------/
//! ```
//!
//! The decisions are pure functions of the crate `cluster`; this crate gives them a clock, a memory, a log on disk and
//! a network.

mod clock;
mod consensus;
mod controller;
mod directory;
mod rest;
mod server;

pub use consensus::{OpenError, ServerId};
pub use directory::DirectoryError;
pub use server::{Options, Server, StartError, run};
