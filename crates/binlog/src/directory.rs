//! A log directory that is locked and recovered, and not written to by any thread.
//!
//! ```text
//!   open -> Directory --start--> Appender (+ writer, syncer)
//!              ^  |                  |
//!              |  +- truncate_after, start_over, reader
//!              +--------stop---------+
//! ```
//!
//! ```text
//!   LOCK                                  held (flock) by the process that owns the directory
//!   MANIFEST                              see `manifest`
//!   00000000000000000101.binlog           segments, see `segment`
//!   checkpoint-00000000000000000090-1.rdb the images that the manifest names
//!   discarded-4.binlog                    records that a new master's history does not have
//!   *.tmp                                 unfinished; removed at start
//! ```
//!
//! Invariants
//! - Identity is compared before anything is changed.
//! - Records leave the log only after they stand, fsynced, in a `discarded-` file; see [`cut`].

mod cut;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use base::{Epoch, OpId, Position};
use rustix::fs::FlockOperation;

use crate::appender::Appender;
use crate::cursor::{ReadError, Reader};
use crate::history::{History, HistoryError};
use crate::log::{Options, Shared};
use crate::manifest::{Checkpoint, Discards, MANIFEST, Manifest, ManifestError, Owner};
use crate::progress::Health;
use crate::recover::{self, Recovered};
use crate::segment::{self, SegmentInfo};
use crate::sync;
use crate::writer::{Active, Writer};

const LOCK: &str = "LOCK";

/// Why a log directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{path} is in use by process {pid}")]
    Locked { path: PathBuf, pid: String },
    #[error("{path} belongs to {field} {found}, not {expected}")]
    Identity { path: PathBuf, field: &'static str, expected: String, found: String },
    #[error("{path} is not empty and has no manifest: {file} does not belong to a new log")]
    Foreign { path: PathBuf, file: String },
    #[error("{}: {error}", path.join(MANIFEST).display())]
    Manifest { path: PathBuf, error: ManifestError },
    #[error("{file} is corrupt at byte {offset}: {why}")]
    Corrupt { file: PathBuf, offset: u64, why: String },
    #[error("the log begins at OpID {oldest}, but no checkpoint reaches that far")]
    Gap { oldest: OpId },
    #[error("{count} ops could not be written ({why:?})")]
    Unwritten { count: u64, why: Health },
    #[error("{path}: {error}")]
    Path { path: PathBuf, error: io::Error },
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The flock of a directory; dropping it gives the directory free.
#[derive(Debug)]
pub(crate) struct LockFile {
    _file: File,
}

impl LockFile {
    fn take(directory: &Path) -> Result<LockFile, OpenError> {
        let path = directory.join(LOCK);
        let at_path = |error| OpenError::Path { path: path.clone(), error };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(at_path)?;
        match rustix::fs::flock(file.as_fd(), FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                file.take(32).read_to_string(&mut pid).map_err(at_path)?;
                let pid = pid.trim().to_owned();
                return Err(OpenError::Locked { path: directory.to_owned(), pid });
            }
            Err(error) => return Err(at_path(error.into())),
        }
        file.set_len(0).map_err(at_path)?;
        writeln!(file, "{}", std::process::id()).map_err(at_path)?;
        Ok(LockFile { _file: file })
    }
}

/// A torn tail that recovery cut off.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Torn {
    pub file: PathBuf,
    /// Where the log ends now.
    pub offset: u64,
    pub bytes: u64,
    pub why: String,
}

/// What a cut took out of the log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Discarded {
    pub count: u64,
    /// Where the records are now; none when there were none.
    pub file: Option<PathBuf>,
}

/// A locked and recovered log directory. See the module.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    lock: LockFile,
    manifest: Manifest,
    recovered: Recovered,
    fresh: bool,
}

impl Directory {
    /// Locks the directory (created if it is not there), checks whose it is, and recovers the log's end:
    /// one segment is read, whatever the size of the log.
    pub fn open(path: &Path, owner: Owner) -> Result<Directory, OpenError> {
        let at_path = |error| OpenError::Path { path: path.to_owned(), error };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at_path)?;
        let lock = LockFile::take(path)?;
        let loaded = Manifest::load(path)
            .map_err(|error| OpenError::Manifest { path: path.to_owned(), error })?;
        let fresh = loaded.is_none();
        let manifest = match loaded {
            Some(manifest) => manifest,
            None => {
                refuse_foreign(path)?;
                let manifest = Manifest::new(owner);
                manifest.store(path).map_err(at_path)?;
                manifest
            }
        };
        check_owner(path, &manifest.owner, &owner)?;
        remove_unfinished(path)?;
        Directory::recover(path.to_owned(), lock, manifest, fresh)
    }

    pub(crate) fn resume(
        path: PathBuf,
        lock: LockFile,
        manifest: Manifest,
    ) -> Result<Directory, OpenError> {
        manifest.store(&path)?;
        Directory::recover(path, lock, manifest, false)
    }

    fn recover(
        path: PathBuf,
        lock: LockFile,
        mut manifest: Manifest,
        fresh: bool,
    ) -> Result<Directory, OpenError> {
        let recovered = recover::recover(&path, &mut manifest)?;
        manifest.durable = recovered.end;
        Ok(Directory { path, lock, manifest, recovered, fresh })
    }

    /// Whether this directory held no log before. The caller must refuse that where it knows there
    /// was data.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the log ends: everything up to here is durable.
    pub fn position(&self) -> Position {
        self.manifest.history.position(self.recovered.end)
    }

    /// The newest epoch this node was ever told of.
    pub fn epoch(&self) -> Epoch {
        self.manifest.epoch.max(self.manifest.history.newest())
    }

    pub fn history(&self) -> &History {
        &self.manifest.history
    }

    /// The checkpoints on disk, oldest first.
    pub fn checkpoints(&self) -> &[Checkpoint] {
        &self.manifest.checkpoints
    }

    /// The oldest OpID on disk; `None` when there is no record.
    pub fn oldest(&self) -> Option<OpId> {
        self.recovered.segments.first().map(|segment| segment.first)
    }

    /// What [`Directory::truncate_after`] has set aside in the life of this directory.
    pub fn discards(&self) -> Discards {
        self.manifest.discards
    }

    /// The torn tail that recovery cut off, if there was one.
    pub fn torn(&self) -> Option<&Torn> {
        self.recovered.torn.as_ref()
    }

    /// Whether the data as of `opid` can be built from what is here: a checkpoint at or before it
    /// (or none at all, when the log is complete) and the log from there.
    pub fn can_rebuild(&self, opid: u64) -> bool {
        let base = self.manifest.checkpoints.iter().map(|checkpoint| checkpoint.position.opid);
        let log_from = self.oldest().map_or(self.recovered.end, |oldest| oldest.get() - 1);
        std::iter::once(0).chain(base).any(|base| base <= opid && base >= log_from)
    }

    /// Bytes of the segments that hold `from` and what follows, for showing progress.
    pub fn log_bytes_from(&self, from: OpId) -> u64 {
        let segments = &self.recovered.segments;
        let after = segments.partition_point(|segment| segment.first <= from);
        segments[after.saturating_sub(1)..].iter().map(|segment| segment.bytes).sum()
    }

    /// Reads the log from `from` up to its end.
    pub fn reader(&self, from: OpId) -> Reader {
        Reader::fixed(self.recovered.segments.clone(), from, self.recovered.end)
    }

    /// Starts the writer and the syncer.
    pub fn start(self, options: Options) -> Result<Appender, OpenError> {
        let position = self.position();
        let active = self.open_active()?;
        let Directory { path, lock, manifest, recovered, .. } = self;
        let end = recovered.end;
        let segments = recovered.segments;
        let shared = Arc::new(Shared::new(path, options, manifest, segments, end));
        let next = OpId::new(end + 1).expect("one more than something is not zero");
        let writer = Writer::new(Arc::clone(&shared), active, next);
        let for_sync = Arc::clone(&shared);
        let threads = vec![
            thread::Builder::new().name("log-writer".to_owned()).spawn(move || writer.run())?,
            thread::Builder::new().name("log-syncer".to_owned()).spawn(move || {
                sync::run(&for_sync);
            })?,
        ];
        Ok(Appender::new(shared, threads, lock, position))
    }

    /// The newest segment, when it is not closed, for writing on.
    fn open_active(&self) -> io::Result<Option<Active>> {
        let Some(newest) = self.recovered.segments.last().filter(|s| s.last.is_none()) else {
            return Ok(None);
        };
        let file = OpenOptions::new().read(true).write(true).open(&newest.path)?;
        // The next write tells with a mark how much recovery made durable.
        Ok(Some(Active { file: Arc::new(file), bytes: newest.bytes, marked: 0 }))
    }
}

fn check_owner(path: &Path, found: &Owner, expected: &Owner) -> Result<(), OpenError> {
    let facts = [
        ("cluster", expected.cluster.to_string(), found.cluster.to_string()),
        ("shard", expected.shard.to_string(), found.shard.to_string()),
        ("node", expected.node.to_string(), found.node.to_string()),
        ("incarnation", expected.incarnation.to_string(), found.incarnation.to_string()),
    ];
    for (field, expected, found) in facts {
        if expected != found {
            return Err(OpenError::Identity { path: path.to_owned(), field, expected, found });
        }
    }
    Ok(())
}

/// A directory without a manifest may hold nothing but what an interrupted first start leaves.
fn refuse_foreign(path: &Path) -> Result<(), OpenError> {
    for entry in std::fs::read_dir(path)? {
        let file = entry?.file_name().to_string_lossy().into_owned();
        if file != LOCK && !file.ends_with(".tmp") {
            return Err(OpenError::Foreign { path: path.to_owned(), file });
        }
    }
    Ok(())
}

fn remove_unfinished(path: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(".tmp") {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// All segments in a directory by their names, oldest first.
pub(crate) fn list_segments(path: &Path) -> io::Result<Vec<SegmentInfo>> {
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if let Some(first) = segment::parse_file_name(&entry.file_name().to_string_lossy()) {
            let bytes = entry.metadata()?.len();
            segments.push(SegmentInfo { first, last: None, bytes, path: entry.path() });
        }
    }
    segments.sort_by_key(|segment| segment.first);
    Ok(segments)
}
