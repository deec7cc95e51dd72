//! The data node over real loopback sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod hostile;
mod replication;
mod save;
mod server;
mod shard;
mod transcript;
