//! The replica's side: a link to the master that mends itself.
//!
//! ```text
//!   link thread   dial, POLLUX HELLO, POLLUX SYNC, frames --> checked --> [ Event queue ] --> executor
//!   ack thread    <-- Progress (applied, written, fsynced) <----------------------------------'
//! ```
//!
//! The thread remembers where its own stream stands, so that after a cut it dials again and goes on by
//! itself; only what concerns the data (cut the log, load a snapshot) is the executor's to decide.
//!
//! Invariants
//! - Records reach the executor checked, dense, in whole groups, behind each other.
//! - A snapshot reaches it as a complete, fsynced file that was decoded once from end to end.
//! - The queue is bounded: a slow executor slows the socket, nothing grows.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use base::{Epoch, NodeId, Position};
use binlog::{History, RawBatch, RawError};
use crossbeam_channel::{Receiver, SendTimeoutError, Sender};
use net::Wake;
use wire::frame::{Ack, Frame, FrameError};
use wire::rdb::RdbError;
use wire::rdb::load as rdb;
use wire::resp::response::{Response, ResponseError, ResponseLimits, decode, encode_command};

use super::handshake::{Heard, Hello, Identity, Peer, SyncRequest};

/// Events that may wait for the executor; each holds a frame's worth of records.
const EVENTS_COUNT_MAX: usize = 64;
const DIAL_TIMEOUT: Duration = Duration::from_secs(1);
/// A master says something every 100 ms.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// Pauses between attempts grow from the one to the other.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LAST: Duration = Duration::from_millis(250);
/// Acknowledged at least this often, whether something changed or not.
const ACK_EVERY: Duration = Duration::from_secs(1);
const READ_BYTES: usize = 256 << 10;

/// The answers of the handshake: a map, and a line that may carry an epoch history.
const ANSWER_LIMITS: ResponseLimits = ResponseLimits { bytes_max: 4 << 20, depth_max: 4 };

/// What the executor hears from a link.
#[derive(Debug)]
pub(crate) enum Event {
    /// Our log and the master's are one up to `after`; records from there on follow, if `after` is
    /// where our log ends. Otherwise the link has ended, for the log must be cut first.
    Continue {
        after: u64,
    },
    /// A snapshot is on its way. Our histories are one up to `common`.
    Full {
        common: u64,
        reason: String,
    },
    /// So much of it is here.
    Progress {
        bytes: u64,
        total: u64,
    },
    /// It is complete, in `image`.
    Snapshot {
        image: PathBuf,
        position: Position,
        history: History,
        common: u64,
    },
    Records(RawBatch),
    Heartbeat {
        newest: Position,
    },
    Down {
        why: String,
    },
}

/// Why a link broke.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error("cannot reach the master: {0}")]
    Dial(io::Error),
    #[error("connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("the master closed the connection")]
    Closed,
    #[error("the master closes the link: {0}")]
    Farewell(String),
    #[error("the master refuses: {0}")]
    Refused(String),
    #[error("{0} answers at this address")]
    Stranger(String),
    #[error("unexpected answer to {0}")]
    Unexpected(&'static str),
    #[error("the answer is not RESP: {0}")]
    Response(#[from] ResponseError),
    #[error("broken frame: {0}")]
    Frame(#[from] FrameError),
    #[error("broken records: {0}")]
    Records(#[from] RawError),
    #[error("broken snapshot: {0}")]
    Snapshot(#[from] RdbError),
    #[error("the snapshot is not whole")]
    CutSnapshot,
    #[error("the link is not wanted any more")]
    Stopped,
}

/// Where to and from where.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) identity: Identity,
    pub(crate) epoch: Epoch,
    pub(crate) master: NodeId,
    pub(crate) address: SocketAddr,
    /// Where received snapshots are written.
    pub(crate) directory: PathBuf,
}

#[derive(Debug, Default)]
struct Progress {
    ack: Ack,
    /// Grows with each change, so that the ack thread sees one.
    changes: u64,
}

/// What the executor and the two threads share.
#[derive(Debug)]
struct Shared {
    is_stopped: AtomicBool,
    /// What has arrived is still wanted, nothing after it.
    is_last: AtomicBool,
    /// The present connection, to be shut down from outside.
    socket: Mutex<Option<TcpStream>>,
    progress: Mutex<Progress>,
    news: Condvar,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }

    fn is_last(&self) -> bool {
        self.is_last.load(Ordering::Acquire)
    }
}

/// The executor's handle of a link. Dropping it ends the link.
#[derive(Debug)]
pub(crate) struct Link {
    shared: Arc<Shared>,
    events: Receiver<Event>,
}

impl Link {
    /// Starts to follow, from a log that ends as `request` says.
    pub(crate) fn start(target: Target, request: SyncRequest, wake: Wake) -> io::Result<Link> {
        let (sender, events) = crossbeam_channel::bounded(EVENTS_COUNT_MAX);
        let shared = Arc::new(Shared {
            is_stopped: AtomicBool::new(false),
            is_last: AtomicBool::new(false),
            socket: Mutex::new(None),
            progress: Mutex::new(Progress::default()),
            news: Condvar::new(),
        });
        let mut worker = Worker {
            target,
            request,
            outbox: Outbox { sender, wake, shared: Arc::clone(&shared) },
            input: Vec::new(),
        };
        thread::Builder::new().name("link".to_owned()).spawn(move || worker.run())?;
        Ok(Link { shared, events })
    }

    /// The next event, if one is there.
    pub(crate) fn try_next(&self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    /// Ends the connection behind what has arrived here already, which is often all that is left of a master;
    /// it is then had from [`Link::wait_rest`]. There is no other connection after it.
    pub(crate) fn finish(&self) {
        self.shared.is_last.store(true, Ordering::Release);
        if let Some(socket) = lock(&self.shared.socket).as_ref() {
            // The thread reads what the system holds, and then finds the end. It may be closed already.
            let _ = socket.shutdown(Shutdown::Read);
        }
        // A thread between its look at the flags and its wait holds this lock: it hears the call, or sees the flag.
        drop(lock(&self.shared.progress));
        self.shared.news.notify_all();
    }

    /// The next event after [`Link::finish`]; `None` when there is no more, or none in time.
    pub(crate) fn wait_rest(&self, deadline: Instant) -> Option<Event> {
        self.events.recv_deadline(deadline).ok()
    }

    /// Tells the master how far we are; sent by another thread.
    pub(crate) fn acknowledge(&self, ack: Ack) {
        let mut progress = lock(&self.shared.progress);
        if progress.ack != ack {
            progress.ack = ack;
            progress.changes += 1;
            drop(progress);
            self.shared.news.notify_all();
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::Release);
        if let Some(socket) = lock(&self.shared.socket).as_ref() {
            // It may be closed already.
            let _ = socket.shutdown(Shutdown::Both);
        }
        drop(lock(&self.shared.progress));
        self.shared.news.notify_all();
    }
}

/// The way to the executor.
#[derive(Debug)]
struct Outbox {
    sender: Sender<Event>,
    wake: Wake,
    shared: Arc<Shared>,
}

impl Outbox {
    /// Waits for room, but not for a link that nobody wants.
    fn put(&self, event: Event) -> Result<(), LinkError> {
        let mut event = event;
        loop {
            if self.shared.is_stopped() {
                return Err(LinkError::Stopped);
            }
            match self.sender.send_timeout(event, Duration::from_millis(100)) {
                Ok(()) => return Ok(self.wake.wake()?),
                Err(SendTimeoutError::Timeout(back)) => event = back,
                Err(SendTimeoutError::Disconnected(_)) => return Err(LinkError::Stopped),
            }
        }
    }
}

/// The link thread.
#[derive(Debug)]
struct Worker {
    target: Target,
    /// Where the stream stands.
    request: SyncRequest,
    outbox: Outbox,
    input: Vec<u8>,
}

impl Worker {
    fn run(&mut self) {
        let mut pause = RETRY_FIRST;
        while !self.outbox.shared.is_stopped() && !self.outbox.shared.is_last() {
            let before = self.request.position;
            let why = match self.follow() {
                Ok(()) | Err(LinkError::Stopped) => return,
                Err(error) => error.to_string(),
            };
            *lock(&self.outbox.shared.socket) = None;
            if self.outbox.put(Event::Down { why }).is_err() {
                return;
            }
            let is_better = self.request.position != before;
            pause = if is_better { RETRY_FIRST } else { (pause * 2).min(RETRY_LAST) };
            let progress = lock(&self.outbox.shared.progress);
            let shared = &self.outbox.shared;
            let is_wanted = |_: &mut Progress| !shared.is_stopped() && !shared.is_last();
            // Only an end of the link ends the pause early.
            drop(shared.news.wait_timeout_while(progress, pause, is_wanted));
        }
    }

    /// One connection, until it breaks; `Ok` when the log must be cut before another one.
    fn follow(&mut self) -> Result<(), LinkError> {
        let mut socket = TcpStream::connect_timeout(&self.target.address, DIAL_TIMEOUT)
            .map_err(LinkError::Dial)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(SILENCE_MAX))?;
        *lock(&self.outbox.shared.socket) = Some(socket.try_clone()?);
        self.input.clear();
        self.hello(&mut socket)?;
        let words = self.request.words();
        let answer = match self.call(&mut socket, &words)? {
            Response::Simple(text) => Heard::parse(&text),
            _ => None,
        };
        match answer.ok_or(LinkError::Unexpected("POLLUX SYNC"))? {
            Heard::Continue { after } => {
                let end = self.request.position.opid;
                self.outbox.put(Event::Continue { after })?;
                if after != end {
                    return Ok(());
                }
                // Reigns of ours that wrote nothing are not part of the common history.
                self.request.history.truncate_after(end);
            }
            Heard::Full { common, history, reason } => {
                self.outbox.put(Event::Full { common, reason })?;
                let acks = AckThread::start(&self.outbox.shared, &socket)?;
                let (image, position) = self.receive_snapshot(&mut socket)?;
                let mut history = history;
                history.truncate_after(position.opid);
                if history.position(position.opid) != position {
                    return Err(LinkError::CutSnapshot);
                }
                self.request = SyncRequest { position, history, wants_full: false };
                let history = self.request.history.clone();
                self.outbox.put(Event::Snapshot { image, position, history, common })?;
                drop(acks);
            }
        }
        let _acks = AckThread::start(&self.outbox.shared, &socket)?;
        loop {
            self.receive(&mut socket)?;
        }
    }

    fn hello(&mut self, socket: &mut TcpStream) -> Result<(), LinkError> {
        let Target { identity, epoch, master, .. } = &self.target;
        let owner = identity.owner;
        let hello = Hello {
            cluster: owner.cluster,
            shard: owner.shard,
            from: Peer::Node(owner.node),
            incarnation: owner.incarnation,
            epoch: *epoch,
            secret: identity.secret.clone(),
        };
        let master = master.to_string();
        let answer = self.call(socket, &hello.words())?;
        let found = answer.get("node").and_then(Response::as_bytes).unwrap_or_default();
        if found != master.as_bytes() {
            return Err(LinkError::Stranger(String::from_utf8_lossy(found).into_owned()));
        }
        Ok(())
    }

    /// One command of the handshake and its answer.
    fn call(&mut self, socket: &mut TcpStream, words: &[Vec<u8>]) -> Result<Response, LinkError> {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let mut output = Vec::new();
        encode_command(&mut output, &words);
        socket.write_all(&output)?;
        loop {
            if let Some((response, length)) = decode(&self.input, &ANSWER_LIMITS)? {
                self.input.drain(..length);
                return match response {
                    Response::Error(text) => Err(LinkError::Refused(text)),
                    other => Ok(other),
                };
            }
            self.read_more(socket)?;
        }
    }

    fn read_more(&mut self, socket: &mut TcpStream) -> Result<(), LinkError> {
        let there = self.input.len();
        self.input.resize(there + READ_BYTES, 0);
        let read = socket.read(&mut self.input[there..]);
        self.input.truncate(there + read.as_ref().map_or(0, |count| *count));
        if read? == 0 { Err(LinkError::Closed) } else { Ok(()) }
    }

    /// Handles the frames at hand, and reads more when there is none.
    fn receive(&mut self, socket: &mut TcpStream) -> Result<(), LinkError> {
        let mut taken = 0;
        while let Some((frame, length)) = Frame::decode(&self.input[taken..])? {
            match frame {
                Frame::Records(records) => {
                    let position = self.request.position;
                    let batch = RawBatch::validate(records.to_vec(), position)?;
                    let begun = batch.continue_history(&mut self.request.history);
                    begun.map_err(|_| LinkError::Unexpected("records of an older epoch"))?;
                    self.request.position = batch.end();
                    self.outbox.put(Event::Records(batch))?;
                }
                Frame::Heartbeat { newest, .. } => {
                    self.outbox.put(Event::Heartbeat { newest })?;
                }
                Frame::Close { reason } => return Err(LinkError::Farewell(reason.to_owned())),
                Frame::SnapshotBegin { .. }
                | Frame::SnapshotChunk(_)
                | Frame::SnapshotEnd { .. }
                | Frame::Ack(_) => {
                    return Err(LinkError::Unexpected("a stream of records"));
                }
            }
            taken += length;
        }
        self.input.drain(..taken);
        self.read_more(socket)
    }

    /// Writes the coming snapshot into a file, decoding it on the way to be sure that it is sound.
    fn receive_snapshot(
        &mut self,
        socket: &mut TcpStream,
    ) -> Result<(PathBuf, Position), LinkError> {
        let mut incoming = Incoming::create(&self.target.directory)?;
        let mut total = 0;
        loop {
            let mut taken = 0;
            let mut end = None;
            while let Some((frame, length)) = Frame::decode(&self.input[taken..])? {
                match frame {
                    Frame::SnapshotBegin { bytes } => total = bytes,
                    Frame::SnapshotChunk(chunk) => incoming.take(chunk)?,
                    Frame::SnapshotEnd { position, bytes } => end = Some((position, bytes)),
                    Frame::Heartbeat { newest, .. } => {
                        self.outbox.put(Event::Heartbeat { newest })?;
                    }
                    Frame::Close { reason } => {
                        return Err(LinkError::Farewell(reason.to_owned()));
                    }
                    Frame::Records(_) | Frame::Ack(_) => {
                        return Err(LinkError::Unexpected("a snapshot"));
                    }
                }
                taken += length;
                if end.is_some() {
                    break;
                }
            }
            self.input.drain(..taken);
            if total > 0 {
                self.outbox.put(Event::Progress { bytes: incoming.bytes, total })?;
            }
            if let Some((position, bytes)) = end {
                return Ok((incoming.finish(bytes)?, position));
            }
            self.read_more(socket)?;
        }
    }
}

/// Numbers the files of received snapshots in the life of a process.
static NEXT_FILE: AtomicU64 = AtomicU64::new(0);

/// A snapshot that is being received; its file is removed unless it becomes complete.
#[derive(Debug)]
struct Incoming {
    file: File,
    path: PathBuf,
    bytes: u64,
    reader: rdb::Reader,
    is_whole: bool,
    is_kept: bool,
}

impl Incoming {
    fn create(directory: &std::path::Path) -> Result<Incoming, LinkError> {
        let number = NEXT_FILE.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!("incoming-{number}.tmp"));
        let file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        let reader = rdb::Reader::new();
        Ok(Incoming { file, path, bytes: 0, reader, is_whole: false, is_kept: false })
    }

    fn take(&mut self, chunk: &[u8]) -> Result<(), LinkError> {
        self.file.write_all(chunk)?;
        self.bytes += chunk.len() as u64;
        self.reader.feed(chunk);
        loop {
            match self.reader.next_event()? {
                rdb::Event::NeedMore => return Ok(()),
                rdb::Event::End => {
                    self.is_whole = true;
                    return Ok(());
                }
                rdb::Event::Aux { .. }
                | rdb::Event::Sizes { .. }
                | rdb::Event::Function(_)
                | rdb::Event::Entry(_) => {}
            }
        }
    }

    fn finish(mut self, bytes: u64) -> Result<PathBuf, LinkError> {
        if !self.is_whole || self.bytes != bytes {
            return Err(LinkError::CutSnapshot);
        }
        self.file.sync_all()?;
        self.is_kept = true;
        Ok(self.path.clone())
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.is_kept {
            // A leftover is removed at the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The ack thread of one connection; dropping the handle ends it.
#[derive(Debug)]
struct AckThread {
    shared: Arc<Shared>,
    is_over: Arc<AtomicBool>,
}

impl AckThread {
    fn start(shared: &Arc<Shared>, socket: &TcpStream) -> io::Result<AckThread> {
        let is_over = Arc::new(AtomicBool::new(false));
        let (shared_there, over_there) = (Arc::clone(shared), Arc::clone(&is_over));
        let socket = socket.try_clone()?;
        thread::Builder::new().name("link-acks".to_owned()).spawn(move || {
            if send_acks(&shared_there, &over_there, &socket).is_err() {
                // The link thread meets the same error when it reads.
                let _ = socket.shutdown(Shutdown::Both);
            }
        })?;
        Ok(AckThread { shared: Arc::clone(shared), is_over })
    }
}

impl Drop for AckThread {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        drop(lock(&self.shared.progress));
        self.shared.news.notify_all();
    }
}

fn send_acks(shared: &Shared, is_over: &AtomicBool, mut socket: &TcpStream) -> io::Result<()> {
    let mut sent = None;
    let is_ended = || shared.is_stopped() || is_over.load(Ordering::Acquire);
    while !is_ended() {
        let ack = {
            let progress = lock(&shared.progress);
            let nothing_new =
                |progress: &mut Progress| sent == Some(progress.changes) && !is_ended();
            let (progress, _) = shared
                .news
                .wait_timeout_while(progress, ACK_EVERY, nothing_new)
                .unwrap_or_else(PoisonError::into_inner);
            sent = Some(progress.changes);
            progress.ack
        };
        let mut bytes = Vec::new();
        Frame::Ack(ack).encode(&mut bytes);
        socket.write_all(&bytes)?;
    }
    Ok(())
}
