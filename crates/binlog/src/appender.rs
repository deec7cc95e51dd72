//! The appender: the executor's end of the log.
//!
//! ```text
//!   append, append, begin_group, append, append, end_group    encode into the open batch
//!   commit                                                    seal, publish, one notify
//! ```
//!
//! Invariants
//! - OpIDs are assigned here and nowhere else (on a master), dense.
//! - Every record of a group but the last carries `MORE`; a batch holds whole groups.
//! - Nothing here does I/O or waits, except [`Appender::begin_reign`] and [`Appender::stop`], which
//!   belong to changes of role.

use std::sync::Arc;
use std::thread::JoinHandle;

use base::{Epoch, OpId, Position, UnixMs};
use wire::record::{self, Flags, Head, Origin, Record, RecordError};

use crate::directory::{Directory, LockFile, OpenError};
use crate::history::{History, HistoryError};
use crate::log::{Log, Shared};
use crate::progress::Barrier;
use crate::tail::Batch;

/// A fresh batch buffer is never made larger than this in advance, bytes.
const BUFFER_BYTES_MAX: usize = 256 << 10;

/// The executor's end of a running log. See the module.
#[derive(Debug)]
pub struct Appender {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// Taken by [`Appender::stop`].
    lock: Option<LockFile>,
    /// Records since the last commit, of one turn or of several: closed, not sealed.
    open: Vec<u8>,
    /// First OpID in `open`.
    open_first: OpId,
    /// Where in `open` the newest record starts.
    newest_at: usize,
    next: OpId,
    /// Epoch of the newest record.
    last_epoch: Epoch,
    /// Epoch that new records get.
    epoch: Epoch,
    time: UnixMs,
    group_depth: u32,
    /// OpID that was next when the outermost group began.
    group_first: OpId,
    /// Length of `open`, place and epoch of the newest record, when the outermost group began.
    before_group: (usize, usize, Epoch),
    published_bytes: u64,
}

impl Appender {
    pub(crate) fn new(
        shared: Arc<Shared>,
        threads: Vec<JoinHandle<()>>,
        lock: LockFile,
        position: Position,
    ) -> Appender {
        let next = OpId::new(position.opid + 1).expect("one more than something is not zero");
        Appender {
            shared,
            threads,
            lock: Some(lock),
            open: Vec::new(),
            open_first: next,
            newest_at: 0,
            next,
            last_epoch: position.epoch,
            epoch: position.epoch,
            time: UnixMs::default(),
            group_depth: 0,
            group_first: next,
            before_group: (0, 0, position.epoch),
            published_bytes: 0,
        }
    }

    /// The handle that every other thread may use.
    pub fn log(&self) -> Log {
        Log::new(Arc::clone(&self.shared))
    }

    /// Where the log ends, the open batch included.
    pub fn position(&self) -> Position {
        Position { epoch: self.last_epoch, opid: self.next.get() - 1 }
    }

    /// The epoch that [`Appender::append`] writes.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Starts a mastership: durably notes that `epoch` begins with the next op. Waits for the disk.
    pub fn begin_reign(&mut self, epoch: Epoch) -> Result<(), OpenError> {
        assert!(self.open.is_empty(), "a reign begins between commits");
        {
            let mut manifest = self.shared.manifest.current();
            manifest.history.begin(epoch, self.next)?;
            manifest.epoch = manifest.epoch.max(epoch);
        }
        self.shared.manifest.save(&self.shared.path)?;
        self.epoch = epoch;
        Ok(())
    }

    /// Durably notes an epoch that this node was told of. Waits for the disk when it is a new one.
    pub fn note_epoch(&mut self, epoch: Epoch) -> Result<(), OpenError> {
        {
            let mut manifest = self.shared.manifest.current();
            if manifest.epoch >= epoch {
                return Ok(());
            }
            manifest.epoch = epoch;
        }
        Ok(self.shared.manifest.save(&self.shared.path)?)
    }

    /// Appends one record to the open batch; `payload` writes the encoded effect.
    pub fn append(
        &mut self,
        flags: Flags,
        db: u16,
        time: UnixMs,
        payload: impl FnOnce(&mut Vec<u8>),
    ) -> OpId {
        let opid = self.next;
        let flags = if self.group_depth > 0 { flags.with(Flags::MORE) } else { flags };
        let head = Head { opid, epoch: self.epoch, time, origin: Origin::default(), flags, db };
        if self.open.is_empty() {
            self.open_first = opid;
        }
        let start = record::open(&mut self.open, &head);
        payload(&mut self.open);
        record::close(&mut self.open, start);
        self.newest_at = start;
        self.next = opid.next();
        self.last_epoch = self.epoch;
        self.time = time;
        opid
    }

    /// Begins an atomic group; groups nest, and the outermost one counts.
    pub fn begin_group(&mut self) {
        if self.group_depth == 0 {
            self.group_first = self.next;
            self.before_group = (self.open.len(), self.newest_at, self.last_epoch);
        }
        self.group_depth += 1;
    }

    /// Ends a group. One that wrote nothing leaves no trace.
    pub fn end_group(&mut self) {
        self.group_depth = self.group_depth.checked_sub(1).expect("a group was begun");
        if self.group_depth == 0 && self.next > self.group_first {
            record::end_group(&mut self.open, self.newest_at);
        }
    }

    /// Takes back what the running group has written so far, for a node that ends in the middle of it.
    pub fn abandon_group(&mut self) {
        assert!(self.group_depth > 0, "a group runs");
        let (length, newest_at, epoch) = self.before_group;
        self.open.truncate(length);
        (self.newest_at, self.last_epoch, self.next) = (newest_at, epoch, self.group_first);
    }

    /// Seals the open batch and hands it over; the executor says when, which need not be at the end of each turn. Returns the newest OpID (0: none ever).
    pub fn commit(&mut self) -> u64 {
        assert_eq!(self.group_depth, 0, "a batch holds whole groups");
        if !self.open.is_empty() {
            let capacity = self.open.len().min(BUFFER_BYTES_MAX);
            let mut bytes = std::mem::replace(&mut self.open, Vec::with_capacity(capacity));
            record::seal(&mut bytes);
            let last = OpId::new(self.next.get() - 1).expect("the batch is not empty");
            self.publish(Batch::new(bytes, self.open_first, last, self.epoch, self.time));
        }
        self.next.get() - 1
    }

    /// A replica's way: adds the master's very bytes. They must follow [`Appender::position`]. An error, with
    /// nothing added, means that this log's history goes another way than the master's.
    pub fn append_raw(&mut self, batch: RawBatch) -> Result<(), HistoryError> {
        assert!(self.open.is_empty(), "a replica writes nothing of its own");
        assert_eq!(batch.first, self.next, "raw records follow the end of the log");
        let first_epoch = match batch.reigns.first() {
            Some(&(epoch, first)) if first == batch.first => epoch,
            _ => self.last_epoch,
        };
        {
            let mut manifest = self.shared.manifest.current();
            // A reign of our own that was noted here, and is not the master's, shows even when none begins there.
            if manifest.history.newest() != first_epoch || !batch.reigns.is_empty() {
                let mut history = manifest.history.clone();
                history.observe(first_epoch, batch.first)?;
                batch.continue_history(&mut history)?;
                manifest.history = history;
                manifest.epoch = manifest.epoch.max(batch.last_epoch);
            }
        }
        self.next = batch.last.next();
        self.last_epoch = batch.last_epoch;
        self.epoch = self.epoch.max(batch.last_epoch);
        self.time = batch.time;
        self.publish(Batch::new(batch.bytes, batch.first, batch.last, first_epoch, batch.time));
        Ok(())
    }

    fn publish(&mut self, batch: Batch) {
        self.published_bytes += batch.bytes().len() as u64;
        self.shared.tail.publish(Arc::new(batch));
    }

    /// Whether so much waits for the disk that no more writes should be read from clients.
    pub fn backpressure(&self) -> bool {
        let waiting = self.published_bytes - self.shared.progress.written_bytes();
        waiting > self.shared.options.unwritten_bytes_max
    }

    /// Newest OpID handed to the operating system.
    pub fn written(&self) -> u64 {
        self.shared.progress.reached(Barrier::Written)
    }

    /// Newest OpID that is fsynced.
    pub fn durable(&self) -> u64 {
        self.shared.progress.reached(Barrier::Durable)
    }

    /// Asks for one call of the waker when `barrier` reaches `opid`; true when it already has (no call
    /// will come). One wish per barrier: a later one replaces it.
    pub fn wake_when(&self, barrier: Barrier, opid: u64) -> bool {
        self.shared.progress.wake_when(barrier, opid)
    }

    /// Takes the wish of [`Appender::wake_when`] back; a wake that is already on its way still comes.
    pub fn cancel_wake(&self, barrier: Barrier) {
        self.shared.progress.cancel_wake(barrier);
    }

    /// Bytes appended since the last commit.
    #[inline]
    pub fn open_bytes(&self) -> usize {
        self.open.len()
    }

    /// Forgets reigns of this node that wrote nothing: it follows another master now.
    pub fn follow(&mut self) {
        assert!(self.open.is_empty(), "roles change between commits");
        let end = self.next.get() - 1;
        self.shared.manifest.current().history.truncate_after(end);
        self.epoch = self.last_epoch;
    }

    /// Writes and fsyncs everything, ends the threads, and gives the directory back. Waits for the disk.
    pub fn stop(mut self) -> Result<Directory, OpenError> {
        self.commit();
        let end = self.next.get() - 1;
        self.join();
        let lock = self.lock.take().expect("only stop takes the lock");
        let durable = self.durable();
        self.shared.manifest.current().durable = durable;
        if durable < end {
            return Err(OpenError::Unwritten { count: end - durable, why: self.log().health() });
        }
        let manifest = self.shared.manifest.close();
        Directory::resume(self.shared.path.clone(), lock, manifest)
    }

    fn join(&mut self) {
        self.shared.close();
        for thread in self.threads.drain(..) {
            thread.join().expect("a log thread does not panic");
        }
    }
}

impl Drop for Appender {
    /// Lets the threads finish what was committed; the directory stays locked until they have.
    fn drop(&mut self) {
        self.join();
    }
}

/// Records received from a master: checked, whole groups, following a known position.
#[derive(Debug)]
pub struct RawBatch {
    bytes: Vec<u8>,
    first: OpId,
    last: OpId,
    last_epoch: Epoch,
    time: UnixMs,
    /// Epochs in the batch, with the first OpID of each.
    reigns: Vec<(Epoch, OpId)>,
}

/// Why received bytes cannot be appended.
#[derive(Debug, thiserror::Error)]
pub enum RawError {
    #[error("record at byte {offset} of the batch: {error}")]
    Record { offset: usize, error: RecordError },
    #[error("record {found} came where {expected} was expected")]
    OutOfOrder { expected: OpId, found: OpId },
    #[error("epoch {found} came after epoch {newest}")]
    OldEpoch { newest: Epoch, found: Epoch },
    #[error("the batch ends inside a group")]
    CutGroup,
    #[error("the batch is empty")]
    Empty,
}

impl RawBatch {
    /// Checks `bytes` as records that follow `after`.
    pub fn validate(bytes: Vec<u8>, after: Position) -> Result<RawBatch, RawError> {
        let first = OpId::new(after.opid + 1).expect("one more than something is not zero");
        let (mut expected, mut epoch, mut reigns) = (first, after.epoch, Vec::new());
        let (mut offset, mut more, mut time) = (0, false, UnixMs::default());
        while offset < bytes.len() {
            let decoded = Record::decode(&bytes[offset..]);
            let (Record { head, .. }, length) =
                decoded.map_err(|error| RawError::Record { offset, error })?;
            if head.opid != expected {
                return Err(RawError::OutOfOrder { expected, found: head.opid });
            }
            if head.epoch < epoch {
                return Err(RawError::OldEpoch { newest: epoch, found: head.epoch });
            }
            if head.epoch > epoch {
                epoch = head.epoch;
                reigns.push((epoch, head.opid));
            }
            more = head.flags.contains(Flags::MORE);
            time = head.time;
            expected = expected.next();
            offset += length;
        }
        if expected == first {
            return Err(RawError::Empty);
        }
        if more {
            return Err(RawError::CutGroup);
        }
        let last = OpId::new(expected.get() - 1).expect("the batch is not empty");
        Ok(RawBatch { bytes, first, last, last_epoch: epoch, time, reigns })
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn first(&self) -> OpId {
        self.first
    }

    /// Where a log ends that has appended this batch.
    pub fn end(&self) -> Position {
        Position { epoch: self.last_epoch, opid: self.last.get() }
    }

    /// The master's clock at the last record.
    pub fn time(&self) -> UnixMs {
        self.time
    }

    /// Adds the epochs that begin in this batch to a history that ends where it starts.
    pub fn continue_history(&self, history: &mut History) -> Result<(), HistoryError> {
        self.reigns.iter().try_for_each(|&(epoch, first)| history.observe(epoch, first))
    }
}
