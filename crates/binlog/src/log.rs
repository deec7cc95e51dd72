//! The running log as all threads but the executor see it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::{OpId, Position};

use crate::cursor::Cursor;
use crate::disk::{Disk, RealDisk};
use crate::history::History;
use crate::manifest::{CHECKPOINTS_KEPT, Checkpoint, Manifest, ManifestStore, sync_directory};
use crate::progress::{Barrier, Health, Progress, Waker};
use crate::segment::SegmentInfo;
use crate::sync::SyncQueue;
use crate::tail::Tail;

/// When the log is fsynced.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SyncPolicy {
    /// After every write of the writer thread: one fsync for all commits that came meanwhile.
    Always,
    /// At most a second after the write.
    #[default]
    EverySecond,
    /// Only when a segment is closed, at checkpoints and at the end.
    Never,
}

impl SyncPolicy {
    fn from_code(code: u8) -> SyncPolicy {
        match code {
            0 => SyncPolicy::Always,
            1 => SyncPolicy::EverySecond,
            _ => SyncPolicy::Never,
        }
    }

    fn code(self) -> u8 {
        match self {
            SyncPolicy::Always => 0,
            SyncPolicy::EverySecond => 1,
            SyncPolicy::Never => 2,
        }
    }
}

/// What closed segments may occupy. Both bounds yield to what the kept checkpoints and the registered
/// consumers still need.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    /// Bytes of all segments together.
    pub bytes_max: u64,
    /// Age of a closed segment, seconds since its last write.
    pub age_seconds_max: u64,
}

/// How a log is to be run.
#[derive(Clone)]
pub struct Options {
    /// A segment is closed when it reaches this size, bytes.
    pub segment_bytes: u64,
    pub policy: SyncPolicy,
    /// Bytes of written batches that stay in memory for replicas.
    pub tail_bytes_max: usize,
    /// Bytes that may wait for the writer before [`crate::Appender::backpressure`] is raised.
    pub unwritten_bytes_max: u64,
    pub retention: Retention,
    pub disk: Arc<dyn Disk>,
    pub waker: Waker,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            segment_bytes: 64 << 20,
            policy: SyncPolicy::default(),
            tail_bytes_max: 16 << 20,
            unwritten_bytes_max: 64 << 20,
            retention: Retention { bytes_max: 1 << 30, age_seconds_max: 7 * 24 * 3600 },
            disk: Arc::new(RealDisk),
            waker: Arc::new(|| {}),
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("segment_bytes", &self.segment_bytes)
            .field("policy", &self.policy)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}

/// What the threads of a running log share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) path: PathBuf,
    pub(crate) options: Options,
    policy: AtomicU8,
    pub(crate) tail: Tail,
    pub(crate) progress: Progress,
    pub(crate) manifest: ManifestStore,
    /// All segments on disk, oldest first.
    pub(crate) segments: Mutex<Vec<SegmentInfo>>,
    pub(crate) sync: SyncQueue,
    consumers: Mutex<BTreeMap<u64, Arc<AtomicU64>>>,
}

impl Shared {
    pub(crate) fn new(
        path: PathBuf,
        options: Options,
        manifest: Manifest,
        segments: Vec<SegmentInfo>,
        end: u64,
    ) -> Shared {
        let next = OpId::new(end + 1).expect("one more than something is not zero");
        Shared {
            path,
            policy: AtomicU8::new(options.policy.code()),
            tail: Tail::new(next, options.tail_bytes_max),
            progress: Progress::new(end, Arc::clone(&options.waker)),
            manifest: ManifestStore::new(manifest),
            segments: Mutex::new(segments),
            sync: SyncQueue::default(),
            consumers: Mutex::new(BTreeMap::new()),
            options,
        }
    }

    pub(crate) fn segments(&self) -> MutexGuard<'_, Vec<SegmentInfo>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn policy(&self) -> SyncPolicy {
        SyncPolicy::from_code(self.policy.load(Ordering::Relaxed))
    }

    /// Lets writer and syncer finish what was published, and end.
    pub(crate) fn close(&self) {
        self.tail.close();
    }

    fn consumers(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<AtomicU64>>> {
        self.consumers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// OpID behind which records must stay: of the oldest kept checkpoint and of all consumers.
    pub(crate) fn needed_after(&self) -> u64 {
        let checkpoint = self.manifest.current().checkpoints.first().map_or(0, |c| c.position.opid);
        let consumers = self.consumers();
        let slowest = consumers.values().map(|at| at.load(Ordering::Acquire)).min();
        checkpoint.min(slowest.unwrap_or(u64::MAX))
    }
}

/// A handle on a running log, for every thread but the executor. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Log {
    shared: Arc<Shared>,
}

impl Log {
    pub(crate) fn new(shared: Arc<Shared>) -> Log {
        Log { shared }
    }

    /// A reader that begins with `from`, in memory or on disk.
    pub fn cursor(&self, from: OpId) -> Cursor {
        Cursor::new(Arc::clone(&self.shared), from)
    }

    /// Bytes of records that are kept in memory for readers.
    pub fn tail_bytes(&self) -> usize {
        self.shared.tail.memory_bytes()
    }

    /// The oldest OpID that can still be read; `None` when the log holds no record.
    pub fn oldest(&self) -> Option<OpId> {
        let oldest = self.shared.segments().first().map(|segment| segment.first);
        // Nothing on disk yet: then all there is, if anything, is in memory and unwritten.
        oldest.or_else(|| self.shared.tail.oldest())
    }

    /// Where the log ends, as of the newest commit.
    pub fn position(&self) -> Position {
        let end = self.shared.tail.next().get() - 1;
        self.shared.manifest.current().history.position(end)
    }

    pub fn history(&self) -> History {
        self.shared.manifest.current().history.clone()
    }

    /// The manifest as it is now.
    pub fn manifest(&self) -> Manifest {
        self.shared.manifest.current().clone()
    }

    pub fn directory(&self) -> &Path {
        &self.shared.path
    }

    pub fn written(&self) -> u64 {
        self.shared.progress.reached(Barrier::Written)
    }

    pub fn durable(&self) -> u64 {
        self.shared.progress.reached(Barrier::Durable)
    }

    /// False from the first error until it is over; [`Log::health`] tells which.
    pub fn is_sound(&self) -> bool {
        self.shared.progress.is_sound()
    }

    pub fn health(&self) -> Health {
        self.shared.progress.health()
    }

    pub fn policy(&self) -> SyncPolicy {
        self.shared.policy()
    }

    /// Takes effect with the next write.
    pub fn set_policy(&self, policy: SyncPolicy) {
        self.shared.policy.store(policy.code(), Ordering::Relaxed);
        self.shared.sync.poke();
    }

    /// Bytes of all segments on disk.
    pub fn bytes_on_disk(&self) -> u64 {
        self.shared.segments().iter().map(|segment| segment.bytes).sum()
    }

    /// About how many bytes of records follow `opid` on disk. The segment that holds it counts by the share of
    /// its ops behind it, so the estimate is off by less than one segment, however unlike the records are.
    pub fn bytes_behind(&self, opid: u64) -> u64 {
        let written = self.written();
        let segments = self.shared.segments();
        segments.iter().map(|segment| segment.bytes_behind(opid, written)).sum()
    }

    /// Waits until `opid` is durable, whatever the policy; false when the log fails or stops before.
    pub fn wait_durable(&self, opid: u64) -> bool {
        self.shared.sync.wait_durable(&self.shared.progress, opid)
    }

    /// Makes the finished, fsynced file `image` (in the log's directory) the newest checkpoint. Waits
    /// for the disk: the log up to the checkpoint must be durable before the manifest names it.
    pub fn install_checkpoint(&self, image: &Path, position: Position) -> io::Result<Checkpoint> {
        if !self.wait_durable(position.opid) {
            return Err(io::Error::other("the log stopped before the checkpoint was durable"));
        }
        let file = Checkpoint::file_name(position);
        let bytes = std::fs::metadata(image)?.len();
        std::fs::rename(image, self.shared.path.join(&file))?;
        sync_directory(&self.shared.path)?;
        let checkpoint = Checkpoint { position, file, bytes };
        let mut superseded = Vec::new();
        {
            let mut manifest = self.shared.manifest.current();
            manifest.checkpoints.retain(|other| other.file != checkpoint.file);
            manifest.checkpoints.push(checkpoint.clone());
            while manifest.checkpoints.len() > CHECKPOINTS_KEPT {
                superseded.push(manifest.checkpoints.remove(0));
            }
            manifest.durable = manifest.durable.max(self.durable());
        }
        self.shared.manifest.save(&self.shared.path)?;
        for old in superseded {
            std::fs::remove_file(self.shared.path.join(&old.file))?;
        }
        Ok(checkpoint)
    }

    /// Registers a reader whose records retention must leave alone, beginning behind `opid`.
    pub fn register_consumer(&self, opid: u64) -> Consumer {
        let at = Arc::new(AtomicU64::new(opid));
        let mut consumers = self.shared.consumers();
        let key = consumers.last_key_value().map_or(0, |(key, _)| key + 1);
        consumers.insert(key, Arc::clone(&at));
        drop(consumers);
        Consumer { shared: Arc::clone(&self.shared), key, at }
    }
}

/// A registered reader's place; dropping it lets retention go on.
#[derive(Debug)]
pub struct Consumer {
    shared: Arc<Shared>,
    key: u64,
    at: Arc<AtomicU64>,
}

impl Consumer {
    /// Records up to `opid` are no longer needed.
    pub fn advance(&self, opid: u64) {
        self.at.fetch_max(opid, Ordering::AcqRel);
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.shared.consumers().remove(&self.key);
    }
}
