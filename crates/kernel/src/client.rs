//! A client as commands see it.

use wire::resp::reply::Protocol;

/// Number of a connection, never reused in the life of a process (CLIENT ID).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientId(pub u64);

/// State of one connection that outlives a command.
#[derive(Debug)]
pub struct Session {
    pub id: ClientId,
    /// Selected database.
    pub db: u16,
    pub protocol: Protocol,
}
