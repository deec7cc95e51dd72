//! The driver: listeners and connections of one thread, behind an interface that epoll serves now
//! and a completion queue can serve as well: `wait` hands over what is *done* (accepted, received,
//! closed), never what might be tried.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use slab::Slab;

use crate::address::Address;
use crate::connection::{Connection, INPUT_AHEAD_MAX, Progress};
use crate::connector::{Outgoing, TlsStream};
use crate::encrypted::Encrypted;
use crate::listener::{self, Bound, Listener, ListenerId, TcpOptions};
use crate::output::{Output, allocated};
use crate::poll::{Poll, Ready, Wake};
use crate::socket::Socket;
use crate::tls::TlsAcceptor;

/// Connections taken from one listener per call.
const ACCEPTS_MAX: usize = 256;
/// Shared by all reads of a driver (bytes).
const READ_BUFFER_BYTES: usize = 64 << 10;
/// Buffers of this capacity (bytes) are not freed here; see [`Driver::take_spent`].
const SPENT_BYTES_MIN: usize = 1 << 20;
/// Pause before a listener that could not accept (no file descriptors) is tried again.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// A TLS handshake that takes longer is given up.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Marks a source of epoll as a listener; below it lies the index, in the upper half the
/// generation of a connection.
const LISTENER_BIT: usize = 1 << 31;

/// Names a connection of a driver; a later connection never has the same token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Token {
    index: u32,
    generation: u32,
}

impl Token {
    /// Place of the connection: small, dense, and reused after it closed.
    #[inline]
    pub fn index(self) -> usize {
        self.index as usize
    }
}

/// What the driver has done.
#[derive(Debug)]
pub enum Event {
    Accepted {
        token: Token,
        listener: ListenerId,
        peer: Address,
    },
    /// The system would not give the next connection (out of descriptors or memory), or it could not be set up. The
    /// former is told once, and tried again, after pauses, until a connection is accepted.
    AcceptFailed {
        listener: ListenerId,
        error: io::Error,
    },
    /// Bytes were appended to the connection's input.
    Received {
        token: Token,
        count: usize,
    },
    /// The connection is gone, and was not closed by [`Driver::close`].
    Closed {
        token: Token,
        reason: CloseReason,
    },
    /// A [`Wake`] was called.
    Woken,
}

/// Why a connection ended.
#[derive(Debug)]
pub enum CloseReason {
    /// The peer closed.
    Peer,
    /// All output was sent after [`Driver::close_after_flush`].
    Flushed,
    Failed(io::Error),
}

/// A connection that left its driver.
#[derive(Debug)]
pub struct Detached {
    /// Blocking again.
    pub socket: TcpStream,
    /// Received and not consumed.
    pub input: Vec<u8>,
    /// Appended and not sent.
    pub output: Vec<u8>,
}

/// Listeners and connections of one thread.
#[derive(Debug)]
pub struct Driver {
    poll: Poll,
    listeners: Vec<Listener>,
    listeners_opened: u32,
    /// Listeners with connections left in their queue.
    accepts: Vec<ListenerId>,
    connections: Slab<Connection>,
    generation: u32,
    is_memory_scarce: bool,
    reads: Vec<Token>,
    writes: Vec<Token>,
    /// Handshakes that may not be done, and when they must be; the earliest first.
    handshakes: VecDeque<(Instant, Token)>,
    /// Closures noticed by `flush`, told by the next `wait`.
    closed: Vec<(Token, CloseReason)>,
    read_buffer: Box<[u8]>,
    sent: Sent,
    spent: Vec<Vec<u8>>,
}

/// What left since somebody asked last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sent {
    pub bytes: u64,
    /// Connections written to, once a turn each.
    pub writes: u64,
}

impl Driver {
    pub fn new() -> io::Result<Driver> {
        Ok(Driver {
            poll: Poll::new()?,
            listeners: Vec::new(),
            listeners_opened: 0,
            accepts: Vec::new(),
            connections: Slab::new(),
            generation: 0,
            is_memory_scarce: false,
            reads: Vec::new(),
            writes: Vec::new(),
            handshakes: VecDeque::new(),
            closed: Vec::new(),
            read_buffer: vec![0; READ_BUFFER_BYTES].into_boxed_slice(),
            sent: Sent::default(),
            spent: Vec::new(),
        })
    }

    /// A handle by which other threads end a [`Driver::wait`].
    pub fn wake_handle(&self) -> Wake {
        self.poll.wake_handle()
    }

    // --- listeners

    /// Accepts connections at `address` from the next `wait` on.
    pub fn listen(&mut self, address: SocketAddr, options: &TcpOptions) -> io::Result<ListenerId> {
        let socket = listener::open(address, options)?;
        self.add_listener(socket, options, None)
    }

    /// As [`Driver::listen`], for connections that are encrypted.
    pub fn listen_tls(
        &mut self,
        address: SocketAddr,
        options: &TcpOptions,
        acceptor: TlsAcceptor,
    ) -> io::Result<ListenerId> {
        let socket = listener::open(address, options)?;
        self.add_listener(socket, options, Some(acceptor))
    }

    /// Has the listeners for TLS use this acceptor for later connections.
    pub fn set_tls(&mut self, acceptor: &TlsAcceptor) {
        for tls in self.listeners.iter_mut().filter_map(|listener| listener.tls.as_mut()) {
            *tls = acceptor.clone();
        }
    }

    /// Accepts connections at a path of the file system, which gets the permission bits `mode` if not 0. The path is
    /// removed when the listener goes.
    ///
    /// # Errors
    /// `AddrInUse` when somebody listens there, or the path is no socket.
    pub fn listen_unix(
        &mut self,
        path: &Path,
        mode: u32,
        options: &TcpOptions,
    ) -> io::Result<ListenerId> {
        let socket = listener::open_unix(path, mode, options)?;
        self.add_listener(socket, options, None)
    }

    fn add_listener(
        &mut self,
        mut socket: Bound,
        options: &TcpOptions,
        tls: Option<TlsAcceptor>,
    ) -> io::Result<ListenerId> {
        let id = ListenerId(self.listeners_opened);
        self.poll.add_source(socket.source(), LISTENER_BIT | id.0 as usize)?;
        self.listeners_opened += 1;
        self.listeners.push(Listener::new(id, socket, options.keepalive, tls));
        Ok(id)
    }

    /// Stops accepting there and frees the address; accepted connections live on.
    pub fn unlisten(&mut self, id: ListenerId) {
        if let Some(at) = self.listeners.iter().position(|listener| listener.id == id) {
            let mut listener = self.listeners.swap_remove(at);
            // Failing means that epoll does not know the socket, which is what is wanted.
            let _ = self.poll.remove(listener.socket.source());
        }
    }

    /// Idle time after which peers of later connections are probed; zero: never.
    pub fn set_keepalive(&mut self, keepalive: Duration) {
        for listener in &mut self.listeners {
            listener.keepalive = keepalive;
        }
    }

    /// The bound address, with the port that the system chose if 0 was asked for.
    pub fn local_address(&self, id: ListenerId) -> Option<SocketAddr> {
        let listener = self.listeners.iter().find(|listener| listener.id == id)?;
        listener.local_address().ok()?.ip()
    }

    // --- connections

    /// Takes over a connection that was begun elsewhere. What an encrypted one has opened already is input; no event tells
    /// of it.
    pub fn adopt(
        &mut self,
        connection: impl Into<Outgoing>,
        options: &TcpOptions,
    ) -> io::Result<Token> {
        let mut input = Vec::new();
        let (socket, encrypted) = match connection.into() {
            Outgoing::Plain(socket) => (socket, None),
            Outgoing::Encrypted(stream) => {
                let TlsStream { socket, session } = *stream;
                (socket, Some(Encrypted::adopted(session, &mut input)?))
            }
        };
        socket.set_nonblocking(true)?;
        let peer = Address::Ip(socket.peer_addr()?);
        let local = Address::Ip(socket.local_addr()?);
        let socket = Socket::Tcp(mio::net::TcpStream::from_std(socket));
        let token = self.insert(socket, peer, local, options.keepalive, encrypted)?;
        self.put_input(token, input, 0);
        Ok(token)
    }

    /// Whether the connection speaks TLS.
    pub fn is_encrypted(&self, token: Token) -> bool {
        self.get(token).is_some_and(|connection| connection.encrypted.is_some())
    }

    pub fn is_open(&self, token: Token) -> bool {
        self.get(token).is_some()
    }

    pub fn peer(&self, token: Token) -> Option<Address> {
        self.get(token).map(|connection| connection.peer.clone())
    }

    /// The address at which the connection arrived.
    pub fn local(&self, token: Token) -> Option<Address> {
        self.get(token).map(|connection| connection.local.clone())
    }

    /// Takes the input out, so that it can be read while other connections are touched; it comes
    /// back with [`Driver::put_input`]. Empty when the connection is gone.
    #[inline]
    pub fn take_input(&mut self, token: Token) -> Vec<u8> {
        self.get_mut(token)
            .map(|connection| std::mem::take(&mut connection.input))
            .unwrap_or_default()
    }

    /// Gives the input back without its first `consumed` bytes.
    #[inline]
    pub fn put_input(&mut self, token: Token, input: Vec<u8>, consumed: usize) {
        if let Some(connection) = self.get_mut(token) {
            let spent = connection.put_input(input, consumed);
            connection.input_bound = INPUT_AHEAD_MAX;
            connection.input_expected = 0;
            if connection.read_stalled {
                self.resume_reading(token);
            }
            self.keep_spent([spent]);
        } else {
            self.keep_spent([input]);
        }
    }

    /// Buffers of more than [`SPENT_BYTES_MIN`] that have done their duty since the last call: requests that were
    /// read, replies that were sent, what was left of connections that are gone. To free one takes the system long,
    /// so that is left to whoever has time.
    #[inline]
    pub fn take_spent(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.spent)
    }

    /// Memory of what [`Driver::take_spent`] would give.
    pub fn spent_bytes(&self) -> usize {
        self.spent.iter().map(allocated).sum()
    }

    #[inline]
    fn keep_spent(&mut self, buffers: impl IntoIterator<Item = Vec<u8>>) {
        let is_large = |buffer: &Vec<u8>| buffer.capacity() >= SPENT_BYTES_MIN;
        self.spent.extend(buffers.into_iter().filter(is_large));
    }

    /// Lets the input grow to `bytes` before it must be consumed: for one request that is longer than
    /// what is read ahead. `expected`: its length as far as it is known, or 0; no more memory is taken than for that.
    /// Holds until the next [`Driver::put_input`].
    pub fn allow_input(&mut self, token: Token, bytes: usize, expected: usize) {
        if let Some(connection) = self.get_mut(token) {
            connection.input_bound = bytes.max(INPUT_AHEAD_MAX);
            connection.input_expected = expected;
            if connection.read_stalled {
                self.resume_reading(token);
            }
        }
    }

    /// Reads again from a connection that had reached its bound, once it is below.
    fn resume_reading(&mut self, token: Token) {
        let Some(connection) = self.get_mut(token) else { return };
        if connection.is_full() {
            return;
        }
        connection.read_stalled = false;
        if !connection.read_queued {
            connection.read_queued = true;
            self.reads.push(token);
        }
    }

    /// Bytes received and not consumed.
    pub fn input_length(&self, token: Token) -> usize {
        self.get(token).map_or(0, |connection| connection.input.len())
    }

    /// Where to append what the connection shall send; [`Driver::flush`] sends what is released
    /// of the connections that were asked for here. `None`: it is gone, or mute.
    #[inline]
    pub fn output(&mut self, token: Token) -> Option<&mut Output> {
        let connection = self.connections.get_mut(token.index()).filter(|connection| {
            connection.generation == token.generation && !connection.is_mute
        })?;
        if !connection.write_queued {
            connection.write_queued = true;
            self.writes.push(token);
        }
        Some(&mut connection.output)
    }

    /// Bytes appended and not yet sent.
    pub fn output_pending(&self, token: Token) -> usize {
        self.get(token).map_or(0, |connection| connection.output.pending())
    }

    /// What the input and the output buffer take (bytes). The input counts as long as its request will be, where that is
    /// announced: whoever bounds the memory of clients need not wait until it is filled.
    pub fn buffer_bytes(&self, token: Token) -> (usize, usize) {
        self.get(token).map_or((0, 0), |connection| {
            let input = allocated(&connection.input).max(connection.input_expected);
            (input, connection.output.allocated())
        })
    }

    /// Gives the memory of empty buffers back: for connections that have been idle for a while.
    pub fn trim(&mut self, token: Token) {
        if let Some(connection) = self.get_mut(token) {
            if connection.input.is_empty() {
                connection.input = Vec::new();
            }
            connection.output.trim();
        }
    }

    /// While memory is scarce no buffer is kept that is empty after its bytes were sent.
    pub fn set_memory_scarce(&mut self, is_scarce: bool) {
        self.is_memory_scarce = is_scarce;
    }

    /// Closes at once, whatever is still to be sent; no event follows.
    pub fn close(&mut self, token: Token) {
        self.drop_connection(token);
    }

    /// Drops what was not sent, and sends nothing more: for a connection that is to be closed, but not at this moment.
    pub fn mute(&mut self, token: Token) {
        let Some(connection) = self.get_mut(token) else { return };
        connection.is_mute = true;
        let output = std::mem::take(&mut connection.output);
        self.keep_spent(output.into_buffers());
    }

    /// Reads no more, and closes as soon as all output is released and sent.
    pub fn close_after_flush(&mut self, token: Token) {
        let Some(connection) = self.get_mut(token) else { return };
        connection.closing = true;
        let input = std::mem::take(&mut connection.input);
        self.keep_spent([input]);
        self.queue_write(token);
    }

    /// Has the next `flush` look at the connection.
    fn queue_write(&mut self, token: Token) {
        if let Some(connection) = self.get_mut(token)
            && !connection.write_queued
        {
            connection.write_queued = true;
            self.writes.push(token);
        }
    }

    /// Hands a TCP connection over to another thread; no event follows. An encrypted one stays.
    pub fn detach(&mut self, token: Token) -> io::Result<Detached> {
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        if self.is_encrypted(token) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let connection = self.remove(token).ok_or_else(gone)?;
        let socket = connection.socket.into_blocking()?;
        Ok(Detached { socket, input: connection.input, output: connection.output.into_unsent() })
    }

    // --- the turn

    /// Waits until something is done, a [`Wake`] is called or `timeout` has passed (`None`: for
    /// ever), and appends what was done to `events`. Does not wait when work is left over.
    pub fn wait(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        events.extend(self.closed.drain(..).map(|(token, reason)| Event::Closed { token, reason }));
        let has_more =
            !self.reads.is_empty() || !self.writes.is_empty() || !self.accepts.is_empty();
        let timeout = if has_more || !events.is_empty() {
            Some(Duration::ZERO)
        } else {
            let retries = self.listeners.iter().filter_map(|listener| listener.retry_at);
            let retry = retries.min().map(|at| at.saturating_duration_since(Instant::now()));
            let handshake = self.next_handshake_end();
            timeout.into_iter().chain(retry).chain(handshake).min()
        };
        if self.poll.wait(timeout)? {
            events.push(Event::Woken);
        }
        for id in std::mem::take(&mut self.accepts) {
            self.accept(id, events);
        }
        self.retry_accepting(events);
        for token in std::mem::take(&mut self.reads) {
            if let Some(connection) = self.get_mut(token) {
                connection.read_queued = false;
                self.read(token, events);
            }
        }
        let ready = std::mem::take(&mut self.poll.ready);
        for announced in &ready {
            self.handle(*announced, events);
        }
        self.poll.ready = ready;
        self.give_up_handshakes(events);
        Ok(())
    }

    /// How long the oldest handshake may still take; those that are done are forgotten.
    fn next_handshake_end(&mut self) -> Option<Duration> {
        while let Some((end, token)) = self.handshakes.front().copied() {
            if self.get(token).is_some_and(Connection::is_handshaking) {
                return Some(end.saturating_duration_since(Instant::now()));
            }
            self.handshakes.pop_front();
        }
        None
    }

    fn give_up_handshakes(&mut self, events: &mut Vec<Event>) {
        while self.next_handshake_end().is_some_and(|left| left.is_zero()) {
            let (_, token) = self.handshakes.pop_front().expect("there is one that has ended");
            self.end(token, CloseReason::Failed(io::ErrorKind::TimedOut.into()), events);
        }
    }

    /// Sends the released output of every connection that has some.
    pub fn flush(&mut self) {
        let mut writes = std::mem::take(&mut self.writes);
        for token in writes.drain(..) {
            if let Some(connection) = self.get_mut(token) {
                connection.write_queued = false;
                self.write(token);
            }
            if self.is_memory_scarce {
                self.trim(token);
            }
        }
        // Connections whose share of the turn is used up were queued anew meanwhile.
        if self.writes.is_empty() {
            self.writes = writes;
        }
    }

    /// What was sent since the last call.
    pub fn take_sent(&mut self) -> Sent {
        std::mem::take(&mut self.sent)
    }

    fn handle(&mut self, announced: Ready, events: &mut Vec<Event>) {
        if announced.source & LISTENER_BIT != 0 {
            let number = (announced.source & (LISTENER_BIT - 1)) as u32;
            return self.accept(ListenerId(number), events);
        }
        let token = token_of(announced.source);
        let Some(connection) = self.get_mut(token) else { return };
        connection.ended |= announced.ended;
        if announced.writable && connection.write_blocked {
            // Only `flush` sends: its caller decides whether anything may leave at all.
            connection.write_blocked = false;
            self.queue_write(token);
        }
        if announced.readable || announced.ended {
            self.read(token, events);
        }
    }

    /// Tries the listeners again that could not accept a while ago.
    fn retry_accepting(&mut self, events: &mut Vec<Event>) {
        if self.listeners.iter().all(|listener| listener.retry_at.is_none()) {
            return;
        }
        let now = Instant::now();
        let mut due = Vec::new();
        for listener in &mut self.listeners {
            if listener.retry_at.take_if(|at| *at <= now).is_some() {
                due.push(listener.id);
            }
        }
        due.into_iter().for_each(|id| self.accept(id, events));
    }

    fn accept(&mut self, id: ListenerId, events: &mut Vec<Event>) {
        for _ in 0..ACCEPTS_MAX {
            let Some(listener) = self.listeners.iter_mut().find(|listener| listener.id == id)
            else {
                return;
            };
            if listener.retry_at.is_some() {
                return;
            }
            let (keepalive, tls) = (listener.keepalive, listener.tls.clone());
            let accepted = match listener.accept() {
                Ok((socket, peer)) => {
                    listener.has_failed = false;
                    let local = arrived_at(&socket, &peer);
                    let encrypted = tls.as_ref().map(Encrypted::new).transpose();
                    let token = encrypted.and_then(|encrypted| {
                        self.insert(socket, peer.clone(), local, keepalive, encrypted)
                    });
                    token.map(|token| (token, peer))
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The peer gave up while it was queued.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => {
                    listener.retry_at = Some(Instant::now() + ACCEPT_RETRY);
                    if !std::mem::replace(&mut listener.has_failed, true) {
                        events.push(Event::AcceptFailed { listener: id, error });
                    }
                    return;
                }
            };
            match accepted {
                Ok((token, peer)) => events.push(Event::Accepted { token, listener: id, peer }),
                // Accepted, but gone again before it could be set up.
                Err(error) => events.push(Event::AcceptFailed { listener: id, error }),
            }
        }
        if !self.accepts.contains(&id) {
            self.accepts.push(id);
        }
    }

    fn insert(
        &mut self,
        mut socket: Socket,
        peer: Address,
        local: Address,
        keepalive: Duration,
        encrypted: Option<Box<Encrypted>>,
    ) -> io::Result<Token> {
        listener::set_up(&socket, keepalive)?;
        self.generation = self.generation.wrapping_add(1);
        let entry = self.connections.vacant_entry();
        let index = u32::try_from(entry.key()).expect("fewer connections than 2^32");
        let token = Token { index, generation: self.generation };
        self.poll.add_source_both(socket.source(), source_of(token))?;
        let connection = Connection::new(token.generation, socket, peer, local, encrypted);
        let is_handshaking = connection.is_handshaking();
        entry.insert(connection);
        if is_handshaking {
            self.handshakes.push_back((Instant::now() + HANDSHAKE_MAX, token));
        }
        Ok(token)
    }

    fn read(&mut self, token: Token, events: &mut Vec<Event>) {
        let Some(connection) = self
            .connections
            .get_mut(token.index())
            .filter(|connection| connection.generation == token.generation)
        else {
            return;
        };
        if connection.read_queued {
            return;
        }
        if connection.is_full() {
            connection.read_stalled = true;
            return;
        }
        let result = connection.read(&mut self.read_buffer);
        if connection.wants_write() && !connection.write_queued {
            connection.write_queued = true;
            self.writes.push(token);
        }
        match result {
            Ok((count, progress)) => {
                if connection.closing {
                    connection.input = Vec::new();
                } else if count > 0 {
                    events.push(Event::Received { token, count });
                }
                // Bytes that came before the end get their turn first.
                let later = progress == Progress::More
                    || (progress == Progress::Ended && count > 0 && !connection.closing);
                if later {
                    connection.read_queued = true;
                    self.reads.push(token);
                } else if progress == Progress::Ended {
                    self.end(token, CloseReason::Peer, events);
                }
            }
            Err(error) => self.end(token, CloseReason::Failed(error), events),
        }
    }

    fn end(&mut self, token: Token, reason: CloseReason, events: &mut Vec<Event>) {
        if self.drop_connection(token) {
            events.push(Event::Closed { token, reason });
        }
    }

    fn write(&mut self, token: Token) {
        let Some(connection) = self.get_mut(token) else { return };
        let before = connection.output.pending();
        let result = connection.write();
        let bytes = before - connection.output.pending();
        let spent = connection.output.take_spent();
        self.keep_spent(spent);
        self.sent.bytes += bytes as u64;
        self.sent.writes += u64::from(bytes > 0);
        let Some(connection) = self.get_mut(token) else { return };
        let reason = match result {
            Ok(Progress::More) => {
                connection.write_queued = true;
                self.writes.push(token);
                return;
            }
            Ok(_) if connection.closing && connection.is_flushed() => CloseReason::Flushed,
            Ok(_) => return,
            Err(error) => CloseReason::Failed(error),
        };
        self.drop_connection(token);
        self.closed.push((token, reason));
    }

    #[inline]
    fn get(&self, token: Token) -> Option<&Connection> {
        self.connections
            .get(token.index())
            .filter(|connection| connection.generation == token.generation)
    }

    #[inline]
    fn get_mut(&mut self, token: Token) -> Option<&mut Connection> {
        self.connections
            .get_mut(token.index())
            .filter(|connection| connection.generation == token.generation)
    }

    /// Ends a connection; whether it was there.
    fn drop_connection(&mut self, token: Token) -> bool {
        let Some(Connection { input, output, .. }) = self.remove(token) else { return false };
        self.keep_spent(output.into_buffers().chain([input]));
        true
    }

    fn remove(&mut self, token: Token) -> Option<Connection> {
        self.get(token)?;
        let mut connection = self.connections.remove(token.index());
        // Failing means that epoll does not know the socket, which is what is wanted.
        let _ = self.poll.remove(connection.socket.source());
        Some(connection)
    }
}

/// The own end of an accepted connection; of a Unix socket both ends have the path of the listener.
fn arrived_at(socket: &Socket, peer: &Address) -> Address {
    match socket {
        Socket::Tcp(socket) => socket.local_addr().map_or_else(|_| peer.clone(), Address::Ip),
        Socket::Unix(_) => peer.clone(),
    }
}

/// `generation << 32 | index`; indices stay below `LISTENER_BIT`, as descriptors do.
fn source_of(token: Token) -> usize {
    (token.generation as usize) << 32 | token.index as usize
}

fn token_of(source: usize) -> Token {
    Token { index: (source & 0xffff_ffff) as u32, generation: (source >> 32) as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_that_takes_too_long_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let identity = testkit::certificates::Authority::new("one").issue(dir.path(), "one");
        let acceptor = TlsAcceptor::load(&crate::TlsOptions {
            certificate_file: Some(identity.certificate_file),
            key_file: Some(identity.key_file),
            ..crate::TlsOptions::default()
        });
        let mut driver = Driver::new().unwrap();
        let address = "127.0.0.1:0".parse().unwrap();
        let id = driver.listen_tls(address, &TcpOptions::default(), acceptor.unwrap()).unwrap();
        let _silent = TcpStream::connect(driver.local_address(id).unwrap()).unwrap();
        let mut events = Vec::new();
        driver.wait(Some(Duration::from_secs(60)), &mut events).unwrap();
        assert!(matches!(events[..], [Event::Accepted { .. }]), "{events:?}");
        events.clear();
        driver.handshakes[0].0 = Instant::now();
        driver.wait(Some(Duration::from_secs(60)), &mut events).unwrap();
        assert!(
            matches!(&events[..], [Event::Closed { reason: CloseReason::Failed(error), .. }]
                if error.kind() == io::ErrorKind::TimedOut),
            "{events:?}"
        );
        assert!(driver.handshakes.is_empty());
    }

    #[test]
    fn a_listener_that_failed_is_left_alone_until_its_time() {
        let mut driver = Driver::new().unwrap();
        let address = "127.0.0.1:0".parse().unwrap();
        let id = driver.listen(address, &TcpOptions::default()).unwrap();
        let _client = TcpStream::connect(driver.local_address(id).unwrap()).unwrap();
        let mut events = Vec::new();
        driver.listeners[0].retry_at = Some(Instant::now() + Duration::from_secs(3600));
        // The connection is announced, and once only.
        driver.wait(Some(Duration::from_secs(60)), &mut events).unwrap();
        assert!(events.is_empty(), "{events:?}");
        driver.listeners[0].retry_at = Some(Instant::now());
        driver.wait(None, &mut events).unwrap();
        assert!(matches!(events[..], [Event::Accepted { .. }]), "{events:?}");
        assert_eq!(driver.listeners[0].retry_at, None);
    }
}
