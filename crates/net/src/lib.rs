//! Moves bytes for the data node and the proxy: sockets in, sockets out, no protocol.
//!
//! ```text
//!            wait()                          flush()
//!   sockets --------> input buffers   output buffers --------> sockets
//!                        |                  ^
//!                        v                  |
//!                    the owner: parses, executes, appends, releases
//! ```
//!
//! A listener may be one for TLS: its connections are encrypted between socket and buffers, and nothing else about them
//! differs.
//!
//! One thread owns a [`Driver`]; other threads reach it only by a [`Wake`].
//!
//! Invariants
//! - Work per call is bounded: accepts, bytes read and bytes written of a connection all have a
//!   limit per call, and what is left over is taken up by the next call without waiting.
//! - A [`Token`] of a closed connection never names a later one.
//! - An idle connection holds no buffer once `trim` was called for it.

mod address;
mod connection;
mod connector;
mod driver;
mod encrypted;
mod key;
mod listener;
mod output;
mod poll;
mod socket;
mod tls;

pub use address::Address;
pub use connector::{Outgoing, TlsConnector, TlsStream};
pub use driver::{CloseReason, Detached, Driver, Event, Sent, Token};
pub use key::Password;
pub use listener::{ListenerId, TcpOptions};
pub use output::Output;
pub use poll::Wake;
pub use tls::{ClientCertificates, TlsAcceptor, TlsError, TlsOptions};
