//! Listening sockets: opened and closed while the driver runs.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

/// Names a listener of a driver; never reused in the driver's life.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ListenerId(pub(crate) u32);

/// How accepted sockets are set up.
#[derive(Clone, Copy, Debug)]
pub struct TcpOptions {
    /// Connections the system queues before it refuses (`tcp-backlog`).
    pub backlog: u32,
    /// Idle time after which the peer is probed (`tcp-keepalive`); zero turns it off.
    pub keepalive: Duration,
}

impl Default for TcpOptions {
    fn default() -> TcpOptions {
        TcpOptions { backlog: 511, keepalive: Duration::from_secs(300) }
    }
}

#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) id: ListenerId,
    pub(crate) socket: mio::net::TcpListener,
    pub(crate) keepalive: Duration,
    /// It could not accept, and is not tried before this.
    pub(crate) retry_at: Option<Instant>,
    /// It could not accept, which was told, and has not accepted since.
    pub(crate) has_failed: bool,
}

impl Listener {
    pub(crate) fn new(
        id: ListenerId,
        socket: mio::net::TcpListener,
        keepalive: Duration,
    ) -> Listener {
        Listener { id, socket, keepalive, retry_at: None, has_failed: false }
    }
}

/// A bound, listening, non-blocking socket. An address left in TIME_WAIT by a predecessor may be
/// taken over; one that is in use may not.
pub(crate) fn open(address: SocketAddr, options: &TcpOptions) -> io::Result<mio::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    Ok(mio::net::TcpListener::from_std(socket.into()))
}

/// Small replies must not wait for acknowledgements, and dead peers must be noticed.
pub(crate) fn set_up(socket: &mio::net::TcpStream, keepalive: Duration) -> io::Result<()> {
    socket.set_nodelay(true)?;
    if keepalive.is_zero() {
        return Ok(());
    }
    let third = (keepalive / 3).max(Duration::from_secs(1));
    let probes = TcpKeepalive::new().with_time(keepalive).with_interval(third).with_retries(3);
    SockRef::from(socket).set_tcp_keepalive(&probes)
}
