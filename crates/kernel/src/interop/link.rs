//! The link to a master of Redis up to the point where its stream begins: a thread that connects, introduces
//! itself, asks to continue, and receives the image if it must.
//!
//! ```text
//!   connect -> [TLS] -> PING -> [AUTH] -> REPLCONF listening-port, capa -> PSYNC id offset
//!     +CONTINUE [id]                                  -> Event::Continue: socket, bytes behind the answer
//!     +FULLRESYNC id offset, $length | $EOF:<mark>    -> image to a file, fsynced -> Event::Image: the same, and the file
//! ```
//!
//! Invariants
//! - The thread waits no longer than `timeout` for a byte; dropping the [`Link`] ends it within [`POLL`].
//! - What is not handed over is removed: the file of an image that did not come to its end.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use net::{Outgoing, TlsConnector, Wake};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

/// Said when an image begins to be the data.
pub(super) const LOADING: &str = "MASTER <-> REPLICA sync: Loading DB in memory";
/// Between two looks whether the link is still wanted.
const POLL: Duration = Duration::from_millis(500);
const READ_BYTES: usize = 256 << 10;
/// A stream cannot be so long; what a master counts from must leave room for what comes.
const OFFSET_MAX: u64 = u64::MAX / 2;
/// A line of the handshake is not longer (bytes).
const LINE_BYTES_MAX: usize = 64 << 10;
const ID_DIGITS: usize = 40;
/// Length of the mark behind an image of unknown length (bytes).
const MARK_BYTES: usize = 40;

/// Whom to ask for what.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) host: String,
    pub(super) port: u16,
    /// The link is encrypted.
    pub(super) tls: Option<TlsConnector>,
    /// `masteruser` and `masterauth`; empty: none.
    pub(super) user: String,
    pub(super) password: String,
    /// Where our own clients are served, for the master's INFO.
    pub(super) listening_port: u16,
    pub(super) announced_ip: String,
    /// History and the number of its bytes that we have.
    pub(super) id: String,
    pub(super) offset: u64,
    /// Silence after which the master counts as gone.
    pub(super) timeout: Duration,
    /// Where the image goes.
    pub(super) image: PathBuf,
    /// We step down for this very node: it is to become the master (FAILOVER).
    pub(super) is_failover: bool,
    /// Where the connection comes from; empty: the system chooses.
    pub(super) source: String,
    /// The image counts as being loaded while it comes.
    pub(super) is_diskless: bool,
}

/// A connection at the beginning of the stream.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) socket: Outgoing,
    /// Bytes of the stream that have come already.
    pub(super) rest: Vec<u8>,
}

#[derive(Debug)]
pub(super) enum Event {
    /// The stream goes on where we stand; its history may have a new name.
    Continue {
        attached: Attached,
        id: Option<String>,
    },
    /// Everything up to `offset` is in the image.
    Image {
        attached: Attached,
        id: String,
        offset: u64,
    },
    Failed {
        why: String,
    },
    /// The master does not want to be one.
    Refused {
        why: String,
    },
}

/// How far the thread has come, in the words of ROLE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    Connecting,
    Handshake,
    Sync,
}

#[derive(Debug, Default)]
struct Progress {
    stage: AtomicU8,
    received: AtomicU64,
    /// 0 while unknown.
    total: AtomicU64,
    is_unwanted: AtomicBool,
}

/// The executor's end.
#[derive(Debug)]
pub(super) struct Link {
    events: Receiver<Event>,
    progress: Arc<Progress>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.progress.is_unwanted.store(true, Ordering::Relaxed);
    }
}

impl Link {
    pub(super) fn start(request: Request, wake: Wake) -> io::Result<Link> {
        let (send, events) = unbounded();
        let progress = Arc::new(Progress::default());
        let talk = Talk { request, progress: Arc::clone(&progress), events: send, wake };
        thread::Builder::new().name("redis-master".to_owned()).spawn(move || talk.run())?;
        Ok(Link { events, progress })
    }

    pub(super) fn try_next(&self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    pub(super) fn stage(&self) -> Stage {
        match self.progress.stage.load(Ordering::Relaxed) {
            0 => Stage::Connecting,
            1 => Stage::Handshake,
            _ => Stage::Sync,
        }
    }

    /// Bytes of the image that are here, and bytes in all (0: unknown).
    pub(super) fn received(&self) -> (u64, u64) {
        let load = |number: &AtomicU64| number.load(Ordering::Relaxed);
        (load(&self.progress.received), load(&self.progress.total))
    }
}

/// What PSYNC is answered when there is something to be had.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Answer {
    Continue { id: Option<String> },
    Full { id: String, offset: u64 },
}

impl Answer {
    /// `None`: it is none of these. The ID becomes that of our own history, so it must be one.
    fn of(line: &str) -> Option<Answer> {
        let mut words = line.split_ascii_whitespace();
        match words.next()? {
            "+CONTINUE" => {
                let id = words.next();
                id.is_none_or(is_id).then(|| Answer::Continue { id: id.map(str::to_owned) })
            }
            "+FULLRESYNC" => {
                let id = words.next().filter(|id| is_id(id))?.to_owned();
                let offset = words.next()?.parse().ok().filter(|offset| *offset <= OFFSET_MAX)?;
                Some(Answer::Full { id, offset })
            }
            _ => None,
        }
    }
}

/// Whether a word is the ID of a history: 40 hexadecimal digits.
pub(crate) fn is_id(word: &str) -> bool {
    word.len() == ID_DIGITS && word.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// The thread's side.
struct Talk {
    request: Request,
    progress: Arc<Progress>,
    events: Sender<Event>,
    wake: Wake,
}

/// Bytes from the master, read ahead.
struct Input {
    socket: Outgoing,
    bytes: Vec<u8>,
    timeout: Duration,
    progress: Arc<Progress>,
}

impl Input {
    /// Waits for more bytes.
    fn fill(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            if self.progress.is_unwanted.load(Ordering::Relaxed) {
                return Err("it is not wanted any more".to_owned());
            }
            match self.socket.read(&mut buffer) {
                Ok(0) => return Err("the master closed the connection".to_owned()),
                Ok(count) => {
                    self.bytes.extend_from_slice(&buffer[..count]);
                    return Ok(());
                }
                Err(error) if is_to_be_repeated(&error) => {
                    if begun.elapsed() >= self.timeout {
                        return Err(self.timed_out().to_owned());
                    }
                }
                Err(error) => return Err(format!("the connection failed: {error}")),
            }
        }
    }

    fn timed_out(&self) -> &'static str {
        match self.progress.stage.load(Ordering::Relaxed) {
            2 => "Timeout receiving bulk data from MASTER...",
            _ => "Timeout connecting to the MASTER...",
        }
    }

    /// A line without its end. Empty ones are signs of life, and are passed over.
    fn line(&mut self) -> Result<String, String> {
        loop {
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.bytes.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if !line.is_empty() {
                    return Ok(line);
                }
            } else if self.bytes.len() > LINE_BYTES_MAX {
                return Err("the master's answer has no end".to_owned());
            } else {
                self.fill()?;
            }
        }
    }

    fn say(&mut self, words: &[&str]) -> Result<String, String> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let mut command = Vec::new();
        super::translate::command(&mut command, &words);
        self.socket
            .write_all(&command)
            .map_err(|error| format!("the connection failed: {error}"))?;
        self.line()
    }
}

fn is_to_be_repeated(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

impl Talk {
    fn run(self) {
        let event = self.talk().unwrap_or_else(|why| {
            // Nobody wants a part of an image; that it is not there is fine as well.
            let _ = std::fs::remove_file(&self.request.image);
            Event::Failed { why }
        });
        // Both fail only when the executor is gone, or does not want this link any more.
        if self.events.send(event).is_err() {
            let _ = std::fs::remove_file(&self.request.image);
        }
        let _ = self.wake.wake();
    }

    fn enter(&self, stage: u8) {
        self.progress.stage.store(stage, Ordering::Relaxed);
    }

    fn talk(&self) -> Result<Event, String> {
        let mut input = self.connect()?;
        self.enter(1);
        self.introduce(&mut input)?;
        let next = (self.request.offset + 1).to_string();
        let mut words = vec!["PSYNC", &self.request.id, &next];
        if self.request.is_failover {
            words.push("FAILOVER");
        }
        let answer = input.say(&words)?;
        let is_passing =
            ["-NOMASTERLINK", "-LOADING"].iter().any(|start| answer.starts_with(start));
        if answer.starts_with('-') && !is_passing {
            let why = format!("the master answered PSYNC by '{answer}'");
            return Ok(Event::Refused { why });
        }
        match Answer::of(&answer) {
            Some(Answer::Continue { id }) => {
                Ok(Event::Continue { attached: input.into_attached(), id })
            }
            Some(Answer::Full { id, offset }) => {
                tracing::info!("Full resync from master: {id}:{offset}");
                self.enter(2);
                self.receive(&mut input)?;
                Ok(Event::Image { attached: input.into_attached(), id, offset })
            }
            None => Err(format!("the master answered PSYNC by '{answer:.100}'")),
        }
    }

    fn connect(&self) -> Result<Input, String> {
        let Request { host, port, timeout, .. } = &self.request;
        let addresses = (host.as_str(), *port)
            .to_socket_addrs()
            .map_err(|error| format!("{host} is no address: {error}"))?;
        let mut failure = format!("{host} has no address");
        for address in addresses {
            match dial(&address, *timeout, &self.request.source) {
                Ok(socket) => {
                    let failed = |error| format!("cannot begin with {address}: {error}");
                    return self.prepare(socket).map_err(failed);
                }
                Err(error) => failure = format!("cannot connect to {address}: {error}"),
            }
        }
        Err(failure)
    }

    fn prepare(&self, socket: TcpStream) -> io::Result<Input> {
        let Request { tls, timeout, .. } = &self.request;
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(*timeout))?;
        let socket = Outgoing::begin(socket, tls.as_ref(), *timeout)?;
        socket.socket().set_read_timeout(Some(POLL))?;
        let progress = Arc::clone(&self.progress);
        Ok(Input { socket, bytes: Vec::new(), timeout: *timeout, progress })
    }

    fn introduce(&self, input: &mut Input) -> Result<(), String> {
        let pong = input.say(&["PING"])?;
        // A master that wants a password first is alive as well.
        let may_go_on = ["+PONG", "-NOAUTH", "-NOPERM", "-ERR operation not permitted"];
        if !may_go_on.iter().any(|start| pong.starts_with(start)) {
            return Err(format!("the master answered PING by '{pong}'"));
        }
        let Request { user, password, listening_port, announced_ip, .. } = &self.request;
        if !password.is_empty() {
            let answer = match user.as_str() {
                "" => input.say(&["AUTH", password])?,
                user => input.say(&["AUTH", user, password])?,
            };
            if !answer.starts_with('+') {
                return Err(format!("Unable to AUTH to MASTER: {answer}"));
            }
        }
        // Masters that do not know a word go on without it.
        input.say(&["REPLCONF", "listening-port", &listening_port.to_string()])?;
        if !announced_ip.is_empty() {
            input.say(&["REPLCONF", "ip-address", announced_ip])?;
        }
        input.say(&["REPLCONF", "capa", "eof", "capa", "psync2"])?;
        Ok(())
    }

    /// The image, into its file.
    fn receive(&self, input: &mut Input) -> Result<(), String> {
        let header = input.line()?;
        let Some(length) = header.strip_prefix('$') else {
            return Err(format!("the master sends '{header}' instead of an image"));
        };
        if self.request.is_diskless {
            tracing::info!("{LOADING}");
        }
        let failed = |error: io::Error| format!("the image cannot be written: {error}");
        let mut file = create(&self.request.image).map_err(failed)?;
        match length.strip_prefix("EOF:") {
            Some(mark) if mark.len() == MARK_BYTES => {
                self.until_mark(input, mark.as_bytes(), &mut file)?;
            }
            _ => {
                let length = length.parse().map_err(|_| format!("'{header}' is no length"))?;
                self.progress.total.store(length, Ordering::Relaxed);
                self.bytes(input, length, &mut file)?;
            }
        }
        file.sync_all().map_err(failed)
    }

    fn bytes(&self, input: &mut Input, length: u64, file: &mut File) -> Result<(), String> {
        let mut missing = length;
        while missing > 0 {
            if input.bytes.is_empty() {
                input.fill()?;
            }
            let count = usize::try_from(missing).unwrap_or(usize::MAX).min(input.bytes.len());
            self.write(file, &input.bytes[..count])?;
            input.bytes.drain(..count);
            missing -= count as u64;
        }
        Ok(())
    }

    /// Up to the mark, behind which the master says nothing until it hears of us.
    fn until_mark(&self, input: &mut Input, mark: &[u8], file: &mut File) -> Result<(), String> {
        while !input.bytes.ends_with(mark) {
            // What may be the beginning of the mark stays.
            let count = input.bytes.len().saturating_sub(MARK_BYTES);
            self.write(file, &input.bytes[..count])?;
            input.bytes.drain(..count);
            input.fill()?;
        }
        let count = input.bytes.len() - MARK_BYTES;
        self.write(file, &input.bytes[..count])?;
        input.bytes.clear();
        Ok(())
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> Result<(), String> {
        self.progress.received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        file.write_all(bytes).map_err(|error| format!("the image cannot be written: {error}"))
    }
}

impl Input {
    fn into_attached(self) -> Attached {
        Attached { socket: self.socket, rest: self.bytes }
    }
}

/// Connects, from the address `source` if it is not empty.
fn dial(address: &SocketAddr, timeout: Duration, source: &str) -> io::Result<TcpStream> {
    if source.is_empty() {
        return TcpStream::connect_timeout(address, timeout);
    }
    let invalid =
        |_| io::Error::new(io::ErrorKind::InvalidInput, format!("bind-source-addr: {source}"));
    let source: IpAddr = source.parse().map_err(invalid)?;
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // How long a connection may take, too.
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(timeout))?;
    rustix::net::bind(&socket, &SocketAddr::new(source, 0))?;
    rustix::net::connect(&socket, address)?;
    Ok(TcpStream::from(socket))
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_history_that_has_a_proper_name_is_followed() {
        let id = "0123456789abcdefABCD0123456789abcdefABCD";
        let full = |offset: u64| Some(Answer::Full { id: id.to_owned(), offset });
        assert_eq!(Answer::of(&format!("+FULLRESYNC {id} 17")), full(17));
        assert_eq!(Answer::of(&format!("+FULLRESYNC {id} {OFFSET_MAX}")), full(OFFSET_MAX));
        assert_eq!(Answer::of("+CONTINUE"), Some(Answer::Continue { id: None }));
        let named = Answer::Continue { id: Some(id.to_owned()) };
        assert_eq!(Answer::of(&format!("+CONTINUE {id}")), Some(named));
        for wrong in ["x", &id[1..], &format!("{id}0"), &id.replace('0', "g"), &"0".repeat(60_000)]
        {
            assert_eq!(Answer::of(&format!("+FULLRESYNC {wrong} 17")), None);
            assert_eq!(Answer::of(&format!("+CONTINUE {wrong}")), None);
        }
        for wrong in ["", "+OK", "+FULLRESYNC", &format!("+FULLRESYNC {id}")] {
            assert_eq!(Answer::of(wrong), None);
        }
        assert_eq!(Answer::of(&format!("+FULLRESYNC {id} {}", OFFSET_MAX + 1)), None);
    }
}
