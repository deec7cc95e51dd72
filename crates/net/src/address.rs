//! Where a connection comes from and where it arrived: an IP address with a port, or a socket in the file system.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// One end of a connection. Of a Unix socket both ends are known by the path of the listener.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    Ip(SocketAddr),
    Unix(Arc<Path>),
}

impl Address {
    /// Whether the other end is on this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Address::Ip(address) => address.ip().to_canonical().is_loopback(),
            Address::Unix(_) => true,
        }
    }

    /// `None` for a Unix socket.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Address::Ip(address) => Some(*address),
            Address::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Ip(address)
    }
}

/// `ip:port`; a Unix socket has port 0, as in Redis.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "{}:0", path.display()),
        }
    }
}
