//! Stream sockets of both families behind one type: what a connection does with either is the same system call.

use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};

use mio::event::Source;

#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(mio::net::TcpStream),
    Unix(mio::net::UnixStream),
}

impl Socket {
    /// What epoll watches.
    pub(crate) fn source(&mut self) -> &mut dyn Source {
        match self {
            Socket::Tcp(socket) => socket,
            Socket::Unix(socket) => socket,
        }
    }

    /// The socket for blocking use; only TCP connections leave their driver.
    pub(crate) fn into_blocking(self) -> io::Result<TcpStream> {
        match self {
            Socket::Tcp(socket) => {
                let socket = TcpStream::from(socket);
                socket.set_nonblocking(false)?;
                Ok(socket)
            }
            Socket::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(socket) => socket.as_fd(),
            Socket::Unix(socket) => socket.as_fd(),
        }
    }
}
