//! Stream sockets of both families behind one type: what a connection does with either is the same system call.

use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};

use mio::event::Source;
use mio::{Interest, Registry, Token};

#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(mio::net::TcpStream),
    Unix(mio::net::UnixStream),
}

impl Socket {
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

impl Source for Socket {
    fn register(&mut self, to: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        match self {
            Socket::Tcp(socket) => socket.register(to, token, interest),
            Socket::Unix(socket) => socket.register(to, token, interest),
        }
    }

    fn reregister(&mut self, to: &Registry, token: Token, interest: Interest) -> io::Result<()> {
        match self {
            Socket::Tcp(socket) => socket.reregister(to, token, interest),
            Socket::Unix(socket) => socket.reregister(to, token, interest),
        }
    }

    fn deregister(&mut self, from: &Registry) -> io::Result<()> {
        match self {
            Socket::Tcp(socket) => socket.deregister(from),
            Socket::Unix(socket) => socket.deregister(from),
        }
    }
}
