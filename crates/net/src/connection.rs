//! One connection: its socket, its buffers, and what is still to be done with it.

use std::io;

use rustix::net::{RecvFlags, SendFlags};

use crate::address::Address;
use crate::encrypted::Encrypted;
use crate::output::Output;
use crate::socket::Socket;

/// Bytes that one connection may hand over per turn, so that no client starves the others.
pub(crate) const READ_BYTES_MAX: usize = 1 << 20;
/// Bytes that one connection may send per turn.
pub(crate) const WRITE_BYTES_MAX: usize = 4 << 20;
/// An input this long (bytes) is a large argument on its way: it is read in place, not by way of
/// the shared buffer.
const DIRECT_READ_BYTES_MIN: usize = 32 << 10;
/// Input that nobody has consumed (bytes) above which the peer is not read from: it then waits in the
/// sockets, and at last at the peer. [`Driver::allow_input`](crate::Driver::allow_input) raises it.
pub(crate) const INPUT_AHEAD_MAX: usize = 256 << 10;
/// An empty input buffer above this capacity (bytes) is given back at once.
const KEPT_CAPACITY_MAX: usize = 64 << 10;

/// How a read or write of this turn ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// Nothing more to do until epoll says so.
    Idle,
    /// The share of the turn is used up; go on in the next one.
    More,
    /// The peer sends no more.
    Ended,
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) generation: u32,
    pub(crate) socket: Socket,
    pub(crate) peer: Address,
    /// Where it arrived.
    pub(crate) local: Address,
    pub(crate) input: Vec<u8>,
    pub(crate) output: Output,
    /// It speaks TLS.
    pub(crate) encrypted: Option<Box<Encrypted>>,
    /// Input (bytes) at which reading stops until some is consumed.
    pub(crate) input_bound: usize,
    /// Length that the input will have when its first request is complete (bytes); 0: unknown.
    pub(crate) input_expected: usize,
    /// There may be more to read, but `input` has reached its bound.
    pub(crate) read_stalled: bool,
    /// Listed in the driver's `reads`: to be read again without an announcement.
    pub(crate) read_queued: bool,
    /// Listed in the driver's `writes`.
    pub(crate) write_queued: bool,
    /// The socket took less than was offered; epoll announces when it takes more.
    pub(crate) write_blocked: bool,
    /// The announcement said that the peer ended: read until the end shows.
    pub(crate) ended: bool,
    /// Close as soon as the output is empty; input is ignored from now on.
    pub(crate) closing: bool,
    /// Nothing more is sent.
    pub(crate) is_mute: bool,
}

impl Connection {
    pub(crate) fn new(
        generation: u32,
        socket: Socket,
        peer: Address,
        local: Address,
        encrypted: Option<Box<Encrypted>>,
    ) -> Connection {
        Connection {
            generation,
            socket,
            peer,
            local,
            input: Vec::new(),
            output: Output::default(),
            encrypted,
            input_bound: INPUT_AHEAD_MAX,
            input_expected: 0,
            read_stalled: false,
            read_queued: false,
            write_queued: false,
            write_blocked: false,
            ended: false,
            closing: false,
            is_mute: false,
        }
    }

    /// Whether reading has to wait until input was consumed. The rest of a peer that has ended is read
    /// anyway: it is no more than the sockets hold, and only behind it the end shows.
    pub(crate) fn is_full(&self) -> bool {
        self.input.len() >= self.input_bound && !self.ended && !self.closing
    }

    /// Whether a write would do something without the owner's doing: TLS has something to say, or output was released
    /// before the handshake was done.
    pub(crate) fn wants_write(&self) -> bool {
        self.encrypted.as_deref().is_some_and(|encrypted| {
            let may_send = !encrypted.is_handshaking() && !self.output.sendable().is_empty();
            !self.write_blocked && (encrypted.wants_write() || may_send)
        })
    }

    /// Whether nothing is left to be sent.
    pub(crate) fn is_flushed(&self) -> bool {
        self.output.pending() == 0
            && self.encrypted.as_deref().is_none_or(|encrypted| !encrypted.wants_write())
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.encrypted.as_deref().is_some_and(Encrypted::is_handshaking)
    }

    /// Appends what has arrived to `input`, at most a turn's share, by way of `shared`.
    /// Returns the number of bytes and how it ended.
    pub(crate) fn read(&mut self, shared: &mut [u8]) -> io::Result<(usize, Progress)> {
        if self.encrypted.is_some() {
            return self.read_encrypted(shared);
        }
        let mut total = 0;
        loop {
            let (count, room) = match self.read_once(shared) {
                Ok(result) => result,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok((total, Progress::Idle));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            total += count;
            if count == 0 {
                return Ok((total, Progress::Ended));
            }
            if count < room {
                // A short read has emptied the socket: what comes later is announced anew, except
                // an end that was announced already.
                let progress = if self.ended { Progress::More } else { Progress::Idle };
                return Ok((total, progress));
            }
            if total >= READ_BYTES_MAX {
                return Ok((total, Progress::More));
            }
        }
    }

    /// One read call: the bytes it brought and the bytes it could have brought.
    fn read_once(&mut self, shared: &mut [u8]) -> io::Result<(usize, usize)> {
        if self.input.len() < DIRECT_READ_BYTES_MIN {
            let (count, _) = rustix::net::recv(&self.socket, &mut *shared, RecvFlags::empty())?;
            self.input.extend_from_slice(&shared[..count]);
            return Ok((count, shared.len()));
        }
        self.make_room(shared.len());
        let room = self.input.capacity() - self.input.len();
        let spare = rustix::buffer::spare_capacity(&mut self.input);
        Ok((rustix::io::read(&self.socket, spare)?, room))
    }

    /// Makes room for more input. It grows by what has come already, so that reading costs no more than twice the bytes,
    /// but not beyond what the request needs, as far as that is known.
    fn make_room(&mut self, least: usize) {
        let (length, capacity) = (self.input.len(), self.input.capacity());
        let missing = self.input_expected.saturating_sub(length);
        if missing > 0 && capacity == length {
            self.input.reserve_exact(missing.min(length.max(least)));
        } else if missing == 0 && length < INPUT_AHEAD_MAX {
            self.input.reserve_exact(least);
        } else if missing == 0 {
            self.input.reserve(least);
        }
    }

    /// Sends what is released, at most a turn's share.
    pub(crate) fn write(&mut self) -> io::Result<Progress> {
        if self.encrypted.is_some() {
            return self.write_encrypted();
        }
        let mut total = 0;
        loop {
            let sendable = self.output.sendable();
            if sendable.is_empty() {
                return Ok(Progress::Idle);
            }
            if total >= WRITE_BYTES_MAX {
                return Ok(Progress::More);
            }
            let share = sendable.len().min(WRITE_BYTES_MAX - total);
            match rustix::net::send(&self.socket, &sendable[..share], SendFlags::NOSIGNAL) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.output.advance(count);
                    total += count;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.write_blocked = true;
                    return Ok(Progress::Idle);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Puts the input back after its owner took `consumed` bytes from the front of it. Returns the buffer if it is too large
    /// to be kept empty; else one without memory.
    pub(crate) fn put_input(&mut self, mut input: Vec<u8>, consumed: usize) -> Vec<u8> {
        let mut spent = Vec::new();
        if consumed >= input.len() {
            input.clear();
            if input.capacity() > KEPT_CAPACITY_MAX {
                spent = std::mem::take(&mut input);
            }
        } else if consumed > 0 {
            input.drain(..consumed);
        }
        if self.input.is_empty() {
            self.input = input;
        } else {
            input.extend_from_slice(&self.input);
            self.input = input;
        }
        spent
    }
}
