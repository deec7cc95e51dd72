//! The data node over real loopback sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod hostile;
mod save;
mod server;
mod transcript;
