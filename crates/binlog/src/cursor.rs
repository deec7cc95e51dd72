//! Reading the log by OpID: from disk ([`Reader`]), or from wherever it is ([`Cursor`]).
//!
//! ```text
//!   Cursor::next(wanted)
//!     in the tail? -------- yes --> the batch in memory, no copy
//!        | no, older                 (waits there for what is not written yet)
//!        v
//!     Reader: the segment that holds it, then its successors
//! ```
//!
//! Invariants
//! - What is handed out is whole groups, dense, from the wanted OpID on.
//! - The disk is read only up to the written mark, so a reader never meets a write in progress.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::{Epoch, OpId, UnixMs};
use wire::record::{self, Flags};

use crate::log::Shared;
use crate::progress::Barrier;
use crate::segment::{Item, Scan, SegmentInfo};
use crate::tail::{Batch, TailRead};

/// Bytes that a cursor takes from disk at once, unless one group is larger.
const CHUNK_BYTES: usize = 256 << 10;

/// Why a reader cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("OpID {wanted} is no longer in the log")]
    Gone { wanted: OpId },
    #[error("{file} is corrupt at byte {offset}: {why}")]
    Corrupt { file: PathBuf, offset: u64, why: String },
    #[error(transparent)]
    Io(#[from] io::Error),
}

#[derive(Debug)]
enum Source {
    /// A stopped log, and its last OpID.
    Fixed(Vec<SegmentInfo>, u64),
    Running(Arc<Shared>),
}

impl Source {
    /// The segment that holds `opid`, or would if it were written.
    fn segment(&self, opid: OpId) -> Option<PathBuf> {
        let find = |segments: &[SegmentInfo]| {
            let after = segments.partition_point(|segment| segment.first <= opid);
            after.checked_sub(1).map(|at| segments[at].path.clone())
        };
        match self {
            Source::Fixed(segments, _) => find(segments),
            Source::Running(shared) => find(&shared.segments()),
        }
    }

    fn end(&self) -> u64 {
        match self {
            Source::Fixed(_, end) => *end,
            Source::Running(shared) => shared.progress.reached(Barrier::Written),
        }
    }
}

/// Reads records from the segments on disk.
#[derive(Debug)]
pub struct Reader {
    source: Source,
    scan: Option<(PathBuf, Scan)>,
    next: OpId,
}

impl Reader {
    pub(crate) fn fixed(segments: Vec<SegmentInfo>, from: OpId, end: u64) -> Reader {
        Reader { source: Source::Fixed(segments, end), scan: None, next: from }
    }

    fn running(shared: Arc<Shared>, from: OpId) -> Reader {
        Reader { source: Source::Running(shared), scan: None, next: from }
    }

    /// The next records: about `bytes_max` of them (one group at least); `None` at the log's end.
    pub fn next(&mut self, bytes_max: usize) -> Result<Option<Batch>, ReadError> {
        let end = self.source.end();
        let mut chunk = Chunk::default();
        while self.next.get() <= end && !(chunk.is_whole() && chunk.bytes.len() >= bytes_max) {
            self.step(&mut chunk)?;
        }
        match chunk.first {
            None => Ok(None),
            Some((first, epoch)) => {
                let last = OpId::new(self.next.get() - 1).expect("the chunk is not empty");
                Ok(Some(Batch::new(chunk.bytes, first, last, epoch, chunk.time)))
            }
        }
    }

    /// Takes one item; a record that is wanted goes into `chunk`.
    fn step(&mut self, chunk: &mut Chunk) -> Result<(), ReadError> {
        let (path, scan) = match &mut self.scan {
            Some(open) => open,
            none => none.insert(open_segment(&self.source, self.next)?),
        };
        let offset = scan.offset();
        let corrupt = |why: String| ReadError::Corrupt { file: path.clone(), offset, why };
        match scan.next() {
            Ok(Item::Record(record, bytes)) => {
                if record.head.opid < self.next {
                    return Ok(());
                }
                if record.head.opid > self.next {
                    return Err(corrupt(format!("found record {}", record.head.opid)));
                }
                chunk.first.get_or_insert((record.head.opid, record.head.epoch));
                chunk.time = record.head.time;
                chunk.more = record.head.flags.contains(Flags::MORE);
                chunk.bytes.extend_from_slice(bytes);
                self.next = self.next.next();
                Ok(())
            }
            Ok(Item::Mark) => Ok(()),
            Ok(Item::Footer { last }) if last < self.next => {
                self.scan = None;
                Ok(())
            }
            Ok(Item::Footer { .. } | Item::End) => {
                Err(corrupt(format!("it ends before OpID {}", self.next)))
            }
            Err(error) => Err(corrupt(error.to_string())),
        }
    }
}

fn open_segment(source: &Source, wanted: OpId) -> Result<(PathBuf, Scan), ReadError> {
    let path = source.segment(wanted).ok_or(ReadError::Gone { wanted })?;
    let file = match File::open(&path) {
        Ok(file) => file,
        // Retention was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ReadError::Gone { wanted });
        }
        Err(error) => return Err(error.into()),
    };
    let (_, scan) = Scan::open(Arc::new(file)).map_err(|error| damaged(&path, &error))?;
    Ok((path, scan))
}

fn damaged(path: &Path, error: &dyn std::fmt::Display) -> ReadError {
    ReadError::Corrupt { file: path.to_owned(), offset: 0, why: error.to_string() }
}

/// Records on their way from disk.
#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    first: Option<(OpId, Epoch)>,
    time: UnixMs,
    /// The newest record is not the last of its group.
    more: bool,
}

impl Chunk {
    fn is_whole(&self) -> bool {
        self.first.is_some() && !self.more
    }
}

/// Records that a cursor hands out, without a copy when they are in memory.
#[derive(Clone, Debug)]
pub struct Records {
    batch: Arc<Batch>,
    skip: usize,
    first: OpId,
}

impl Records {
    /// The very bytes of the records, one behind the other.
    pub fn bytes(&self) -> &[u8] {
        &self.batch.bytes()[self.skip..]
    }

    pub fn first(&self) -> OpId {
        self.first
    }

    pub fn last(&self) -> OpId {
        self.batch.last()
    }

    /// The master's clock at the last record.
    pub fn time(&self) -> UnixMs {
        self.batch.time()
    }
}

/// What [`Cursor::next`] found.
#[derive(Debug)]
pub enum Step {
    Records(Records),
    /// Nothing new in the time given.
    Idle,
    /// The log was stopped, and everything was read.
    Closed,
}

/// A reader of a running log that follows it without end.
#[derive(Debug)]
pub struct Cursor {
    shared: Arc<Shared>,
    next: OpId,
    reader: Option<Reader>,
}

impl Cursor {
    pub(crate) fn new(shared: Arc<Shared>, from: OpId) -> Cursor {
        Cursor { shared, next: from, reader: None }
    }

    /// The OpID that will be read next.
    pub fn position(&self) -> OpId {
        self.next
    }

    /// The next whole groups; waits up to `patience` when the end is reached.
    pub fn next(&mut self, patience: Duration) -> Result<Step, ReadError> {
        let records = match self.shared.tail.read(self.next, patience) {
            TailRead::Idle => return Ok(Step::Idle),
            TailRead::Closed => return Ok(Step::Closed),
            TailRead::Batch(batch) => {
                self.reader = None;
                from_batch(batch, self.next)
            }
            TailRead::OnDisk => {
                let reader = self
                    .reader
                    .get_or_insert_with(|| Reader::running(Arc::clone(&self.shared), self.next));
                let wanted = self.next;
                let batch = reader.next(CHUNK_BYTES)?.ok_or(ReadError::Gone { wanted })?;
                from_batch(Arc::new(batch), wanted)
            }
        };
        self.next = records.last().next();
        Ok(Step::Records(records))
    }
}

/// The part of `batch` that begins with `wanted`, which is in it.
fn from_batch(batch: Arc<Batch>, wanted: OpId) -> Records {
    let mut skip = 0;
    for _ in batch.first().get()..wanted.get() {
        let length = record::length(&batch.bytes()[skip..]);
        skip += length.expect("a batch holds whole records");
    }
    Records { batch, skip, first: wanted }
}
