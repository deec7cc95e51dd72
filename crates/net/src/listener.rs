//! Listening sockets: opened and closed while the driver runs.

use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockRef, TcpKeepalive, Type};

use crate::address::Address;
use crate::socket::Socket;
use crate::tls::TlsAcceptor;

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
pub(crate) enum Bound {
    Tcp(mio::net::TcpListener),
    Unix(mio::net::UnixListener, Arc<Path>),
}

#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) id: ListenerId,
    pub(crate) socket: Bound,
    pub(crate) keepalive: Duration,
    /// Its connections are encrypted.
    pub(crate) tls: Option<TlsAcceptor>,
    /// It could not accept, and is not tried before this.
    pub(crate) retry_at: Option<Instant>,
    /// It could not accept, which was told, and has not accepted since.
    pub(crate) has_failed: bool,
}

impl Listener {
    pub(crate) fn new(
        id: ListenerId,
        socket: Bound,
        keepalive: Duration,
        tls: Option<TlsAcceptor>,
    ) -> Listener {
        Listener { id, socket, keepalive, tls, retry_at: None, has_failed: false }
    }

    /// The next connection of the queue.
    pub(crate) fn accept(&self) -> io::Result<(Socket, Address)> {
        match &self.socket {
            Bound::Tcp(socket) => {
                let (socket, peer) = socket.accept()?;
                Ok((Socket::Tcp(socket), Address::Ip(peer)))
            }
            Bound::Unix(socket, path) => {
                let (socket, _) = socket.accept()?;
                Ok((Socket::Unix(socket), Address::Unix(Arc::clone(path))))
            }
        }
    }

    pub(crate) fn local_address(&self) -> io::Result<Address> {
        match &self.socket {
            Bound::Tcp(socket) => socket.local_addr().map(Address::Ip),
            Bound::Unix(_, path) => Ok(Address::Unix(Arc::clone(path))),
        }
    }
}

/// The path of a Unix socket goes with its listener.
impl Drop for Listener {
    fn drop(&mut self) {
        if let Bound::Unix(_, path) = &self.socket {
            // Somebody may have removed it, which is as good.
            let _ = fs::remove_file(path);
        }
    }
}

impl Bound {
    /// What epoll watches.
    pub(crate) fn source(&mut self) -> &mut dyn mio::event::Source {
        match self {
            Bound::Tcp(socket) => socket,
            Bound::Unix(socket, _) => socket,
        }
    }
}

/// A bound, listening, non-blocking socket. An address left in TIME_WAIT by a predecessor may be
/// taken over; one that is in use may not.
pub(crate) fn open(address: SocketAddr, options: &TcpOptions) -> io::Result<Bound> {
    let domain = Domain::for_address(address);
    let socket = socket2::Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog(options))?;
    Ok(Bound::Tcp(mio::net::TcpListener::from_std(socket.into())))
}

/// The same at a path of the file system, with these permission bits if not 0. A socket that a predecessor has left
/// there is replaced; one that somebody listens at, or another kind of file, is `AddrInUse`.
pub(crate) fn open_unix(path: &Path, mode: u32, options: &TcpOptions) -> io::Result<Bound> {
    if let Ok(found) = fs::symlink_metadata(path) {
        if !found.file_type().is_socket() || UnixStream::connect(path).is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        fs::remove_file(path)?;
    }
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&socket2::SockAddr::unix(path)?)?;
    if mode != 0 {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    socket.listen(backlog(options))?;
    Ok(Bound::Unix(mio::net::UnixListener::from_std(socket.into()), path.into()))
}

fn backlog(options: &TcpOptions) -> i32 {
    i32::try_from(options.backlog).unwrap_or(i32::MAX)
}

/// Small replies must not wait for acknowledgements, and dead peers must be noticed.
pub(crate) fn set_up(socket: &Socket, keepalive: Duration) -> io::Result<()> {
    let Socket::Tcp(socket) = socket else { return Ok(()) };
    socket.set_nodelay(true)?;
    if keepalive.is_zero() {
        return Ok(());
    }
    let third = (keepalive / 3).max(Duration::from_secs(1));
    let probes = TcpKeepalive::new().with_time(keepalive).with_interval(third).with_retries(3);
    SockRef::from(socket).set_tcp_keepalive(&probes)
}
