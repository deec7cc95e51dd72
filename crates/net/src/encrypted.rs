//! The encrypted kind of connection: TLS between the socket and the same two buffers.
//!
//! ```text
//!   socket --read_tls--> [ at most a record ] --process--> plain text --> Connection::input
//!   socket <--write_tls-- [ <= 64 KiB sealed ] <--writer-- released part of Connection::output
//! ```
//!
//! Invariants
//! - Nothing is taken from the output before the handshake is done, and no more than is sealed and sent soon: what a
//!   slow client does not read waits in its output, where it is counted and bounded.
//! - Plain text is moved to the input as soon as a record is opened, so TLS holds back less than a record of it.
//! - A peer is told of the end of the stream, and of the reason when it broke the protocol, if it takes a write; who speaks
//!   another protocol is told nothing.

use std::io::{self, Read as _, Write as _};

use rustix::net::{RecvFlags, SendFlags};
use rustls::{ClientConnection, InvalidMessage, ServerConnection};

use crate::connection::{Connection, Progress, READ_BYTES_MAX, WRITE_BYTES_MAX};
use crate::socket::Socket;
use crate::tls::TlsAcceptor;

/// Plain text that is sealed before the socket is written to (bytes).
const SEALED_BYTES_MAX: usize = 64 << 10;

/// The TLS state of one connection.
#[derive(Debug)]
pub(crate) struct Encrypted {
    session: rustls::Connection,
    /// The end of the stream was announced to the peer.
    has_said_goodbye: bool,
    /// The peer has announced the end of its stream.
    has_ended: bool,
}

impl Encrypted {
    pub(crate) fn new(acceptor: &TlsAcceptor) -> io::Result<Box<Encrypted>> {
        let session = ServerConnection::new(acceptor.0.clone()).map_err(io::Error::other)?;
        Ok(Encrypted::of(session.into()))
    }

    /// Goes on with a session that was begun elsewhere; what it has opened already is appended to `input`.
    pub(crate) fn adopted(
        session: ClientConnection,
        input: &mut Vec<u8>,
    ) -> io::Result<Box<Encrypted>> {
        let mut encrypted = Encrypted::of(session.into());
        encrypted.take_opened(input)?;
        Ok(encrypted)
    }

    fn of(mut session: rustls::Connection) -> Box<Encrypted> {
        session.set_buffer_limit(Some(SEALED_BYTES_MAX));
        Box::new(Encrypted { session, has_said_goodbye: false, has_ended: false })
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    /// Whether bytes wait that are none of the owner's: of the handshake, alerts, sealed records.
    pub(crate) fn wants_write(&self) -> bool {
        self.session.wants_write()
    }

    /// Opens what `sealed` holds, and appends the plain text to `input`. Nothing behind the end of the stream is looked at.
    fn open(&mut self, mut sealed: &[u8], input: &mut Vec<u8>) -> io::Result<()> {
        while !sealed.is_empty() && !self.has_ended {
            self.session.read_tls(&mut sealed)?;
            self.take_opened(input)?;
        }
        Ok(())
    }

    /// Opens the records that are whole, and appends their plain text to `input`.
    fn take_opened(&mut self, input: &mut Vec<u8>) -> io::Result<()> {
        let state = self
            .session
            .process_new_packets()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let count = state.plaintext_bytes_to_read();
        if count > 0 {
            let start = input.len();
            input.resize(start + count, 0);
            self.session.reader().read_exact(&mut input[start..])?;
        }
        self.has_ended = state.peer_has_closed();
        Ok(())
    }
}

/// A socket as rustls wants it; a peer that is gone is an error and not a signal.
struct Sink<'a>(&'a Socket);

impl io::Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(self.0, bytes, SendFlags::NOSIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Connection {
    /// [`Connection::read`] by way of TLS; `shared` holds what the socket had.
    pub(crate) fn read_encrypted(&mut self, shared: &mut [u8]) -> io::Result<(usize, Progress)> {
        let encrypted = self.encrypted.as_deref_mut().expect("only then it is called");
        if encrypted.has_ended {
            return Ok((0, Progress::Ended));
        }
        let start = self.input.len();
        let mut total = 0;
        loop {
            let count = match rustix::net::recv(&self.socket, &mut *shared, RecvFlags::empty()) {
                Ok((count, _)) => count,
                Err(rustix::io::Errno::AGAIN) => {
                    return Ok((self.input.len() - start, Progress::Idle));
                }
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            encrypted.open(&shared[..count], &mut self.input).inspect_err(|error| {
                if !is_other_protocol(error) {
                    // The alert that says why; a peer that does not take it learns less.
                    let _ = encrypted_alert(&mut encrypted.session, &self.socket);
                }
            })?;
            total += count;
            let received = self.input.len() - start;
            if count == 0 || encrypted.has_ended {
                return Ok((received, Progress::Ended));
            }
            if count < shared.len() {
                let progress = if self.ended { Progress::More } else { Progress::Idle };
                return Ok((received, progress));
            }
            if total >= READ_BYTES_MAX {
                return Ok((received, Progress::More));
            }
        }
    }

    /// [`Connection::write`] by way of TLS.
    pub(crate) fn write_encrypted(&mut self) -> io::Result<Progress> {
        let encrypted = self.encrypted.as_deref_mut().expect("only then it is called");
        let mut total = 0;
        loop {
            while encrypted.session.wants_write() {
                match encrypted.session.write_tls(&mut Sink(&self.socket)) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.write_blocked = true;
                        return Ok(Progress::Idle);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            if encrypted.is_handshaking() {
                return Ok(Progress::Idle);
            }
            let sendable = self.output.sendable();
            if sendable.is_empty() {
                let is_over = self.closing && self.output.pending() == 0;
                if !is_over || encrypted.has_said_goodbye {
                    return Ok(Progress::Idle);
                }
                encrypted.has_said_goodbye = true;
                encrypted.session.send_close_notify();
                continue;
            }
            if total >= WRITE_BYTES_MAX {
                return Ok(Progress::More);
            }
            let share = sendable.len().min(SEALED_BYTES_MAX);
            let taken = encrypted.session.writer().write(&sendable[..share])?;
            if taken == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.output.advance(taken);
            total += taken;
        }
    }
}

/// Whether what has come is no TLS at all: who speaks something else would take an alert for a reply.
fn is_other_protocol(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(error, Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)))
}

/// Sends what rustls has to say about a broken connection, if the socket takes it at once.
fn encrypted_alert(session: &mut rustls::Connection, socket: &Socket) -> io::Result<usize> {
    session.write_tls(&mut Sink(socket))
}
