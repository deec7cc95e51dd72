//! Recovery: finds the end of the log after any kind of death.
//!
//! ```text
//!   closed segments          newest segment
//!   [ header ... footer ]    [ header | group | group | mark | group | half a gro..
//!     only the ends are        every record is checked              ^ cut here
//!     looked at
//! ```
//!
//! The log is the longest valid prefix that ends at a group boundary. Damage in the newest segment is a
//! torn tail when it lies behind everything that is known to have been durable (by the manifest, or by a
//! mark that stands behind the damage); otherwise it is corruption and refused with its place, because
//! cutting there would drop ops that were promised.
//!
//! Closed segments were checked when they were the newest; damage that came later is found, with its
//! place, by whoever reads them.
//!
//! A cut or a start over that a crash interrupted is completed first, if the manifest tells of it.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;

use base::{Epoch, OpId};
use wire::record::Flags;

use crate::directory::{OpenError, Torn, list_segments};
use crate::history::History;
use crate::manifest::{Checkpoint, Manifest, sync_directory};
use crate::segment::{self, HEADER_BYTES, Header, Item, Scan, ScanError, SegmentInfo};

/// What was found on disk.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// Oldest first, dense; only the newest may be open.
    pub(crate) segments: Vec<SegmentInfo>,
    /// Newest OpID of log and checkpoints together.
    pub(crate) end: u64,
    pub(crate) torn: Option<Torn>,
}

/// Brings the directory into order and completes the history in `manifest` from the records.
pub(crate) fn recover(path: &Path, manifest: &mut Manifest) -> Result<Recovered, OpenError> {
    remove_unnamed_checkpoints(path, manifest)?;
    drop_missing_checkpoints(path, manifest)?;
    let mut segments = current_segments(path, manifest)?;
    finish_cut(path, manifest, &mut segments)?;
    check_closed(&mut segments)?;
    let mut torn = None;
    let mut end = None;
    if let Some(mut newest) = segments.pop() {
        let mut scanned = scan_newest(&newest, manifest)?;
        let (first, file) = (newest.first.get(), newest.path.clone());
        torn = scanned.torn.take().map(|(offset, why)| Torn {
            file,
            offset,
            bytes: newest.bytes.saturating_sub(offset),
            why,
        });
        end = Some(scanned.last.unwrap_or(first - 1));
        if scanned.last.is_some() {
            cut(&mut newest, &scanned)?;
            segments.push(newest);
        } else {
            // It was created, and nothing came of it.
            std::fs::remove_file(&newest.path)?;
            sync_directory(path)?;
        }
    }
    let end = join_checkpoints(path, manifest, &mut segments, end)?;
    if end < manifest.durable {
        let file = segments.last().map_or(path.to_owned(), |newest| newest.path.clone());
        let why = format!("the log ends at OpID {end}, but it had reached {}", manifest.durable);
        return Err(OpenError::Corrupt { file, offset: bytes_of(segments.last()), why });
    }
    // A reign that begins right behind the end was noted and wrote nothing yet; later ones are void.
    manifest.history.truncate_after(end + 1);
    Ok(Recovered { segments, end, torn })
}

fn bytes_of(segment: Option<&SegmentInfo>) -> u64 {
    segment.map_or(0, |segment| segment.bytes)
}

fn corrupt(file: &Path, offset: u64, why: impl Into<String>) -> OpenError {
    OpenError::Corrupt { file: file.to_owned(), offset, why: why.into() }
}

/// A checkpoint whose file is gone or cut does not count; whether the rest suffices is judged later.
fn drop_missing_checkpoints(path: &Path, manifest: &mut Manifest) -> Result<(), OpenError> {
    let mut missing = Vec::new();
    manifest.checkpoints.retain(|checkpoint| {
        let found = std::fs::metadata(path.join(&checkpoint.file)).map(|metadata| metadata.len());
        let whole = found.is_ok_and(|bytes| bytes == checkpoint.bytes);
        if !whole {
            missing.push(path.join(&checkpoint.file));
        }
        whole
    });
    for file in &missing {
        tracing::error!(file = %file.display(), "checkpoint is missing or cut");
    }
    match missing.into_iter().next() {
        Some(file) if manifest.checkpoints.is_empty() && !log_is_complete(path)? => {
            Err(corrupt(&file, 0, "the checkpoint is missing or cut, and there is no other"))
        }
        _ => Ok(()),
    }
}

fn log_is_complete(path: &Path) -> Result<bool, OpenError> {
    Ok(list_segments(path)?.first().is_some_and(|oldest| oldest.first == OpId::FIRST))
}

/// The segments of this generation. Older ones are what `start_over` could not remove any more.
fn current_segments(path: &Path, manifest: &Manifest) -> Result<Vec<SegmentInfo>, OpenError> {
    let mut segments = list_segments(path)?;
    let count = segments.len();
    let mut kept = Vec::with_capacity(count);
    for (at, segment) in segments.drain(..).enumerate() {
        let file = File::open(&segment.path)?;
        match Scan::open(Arc::new(file)) {
            Ok((header, _)) => {
                check_header(&segment.path, &header, manifest, segment.first)?;
                if header.generation < manifest.generation {
                    std::fs::remove_file(&segment.path)?;
                } else {
                    kept.push(segment);
                }
            }
            // A crash while it was created: its header never became durable, so nothing else did.
            Err(ScanError::Header(_))
                if at + 1 == count && segment.bytes <= HEADER_BYTES as u64 =>
            {
                std::fs::remove_file(&segment.path)?;
            }
            Err(ScanError::Io(error)) => return Err(error.into()),
            Err(error) => return Err(corrupt(&segment.path, 0, error.to_string())),
        }
    }
    Ok(kept)
}

fn check_header(
    file: &Path,
    header: &Header,
    manifest: &Manifest,
    first: OpId,
) -> Result<(), OpenError> {
    let path = file.to_owned();
    let identity = |field, expected, found| OpenError::Identity { path, field, expected, found };
    let owner = &manifest.owner;
    if header.cluster != owner.cluster {
        return Err(identity("cluster", owner.cluster.to_string(), header.cluster.to_string()));
    }
    if header.shard != owner.shard {
        return Err(identity("shard", owner.shard.to_string(), header.shard.to_string()));
    }
    if header.first != first {
        return Err(corrupt(file, 0, format!("it begins with OpID {}", header.first)));
    }
    if header.generation > manifest.generation {
        return Err(corrupt(file, 0, "it is newer than the manifest"));
    }
    Ok(())
}

/// All but the newest segment must be closed and end where the next one begins.
fn check_closed(segments: &mut [SegmentInfo]) -> Result<(), OpenError> {
    for at in 1..segments.len() {
        let next = segments[at].first;
        let closed = &mut segments[at - 1];
        let last = segment::read_footer(&File::open(&closed.path)?)?;
        let Some(last) = last else {
            return Err(corrupt(&closed.path, closed.bytes, "it has no footer, but a successor"));
        };
        if last.next() != next {
            let why = format!("it ends with OpID {last}, but the next segment begins with {next}");
            return Err(corrupt(&closed.path, closed.bytes, why));
        }
        closed.last = Some(last);
    }
    Ok(())
}

/// The newest segment after a full scan.
#[derive(Debug)]
struct Scanned {
    /// Offset behind the last whole group.
    bytes: u64,
    /// Last OpID of the last whole group.
    last: Option<u64>,
    closed: bool,
    torn: Option<(u64, String)>,
}

fn scan_newest(segment: &SegmentInfo, manifest: &mut Manifest) -> Result<Scanned, OpenError> {
    let file = Arc::new(File::open(&segment.path)?);
    let noted = manifest.history.reigns().last().copied();
    let mut history = manifest.history.clone();
    history.truncate_after(segment.first.get() - 1);
    let scanned = scan(segment, &file, manifest.durable, &mut history)?;
    if let Some(noted) = noted
        && scanned.last.unwrap_or(segment.first.get() - 1) + 1 == noted.first.get()
        && noted.epoch > history.newest()
    {
        history.begin(noted.epoch, noted.first)?;
    }
    manifest.history = history;
    Ok(scanned)
}

fn scan(
    segment: &SegmentInfo,
    file: &Arc<File>,
    durable: u64,
    history: &mut History,
) -> Result<Scanned, OpenError> {
    let path = &segment.path;
    let (_, mut scan) =
        Scan::open(Arc::clone(file)).map_err(|error| corrupt(path, 0, error.to_string()))?;
    let mut expected = segment.first;
    let mut epoch = Epoch(0);
    let mut out = Scanned { bytes: HEADER_BYTES as u64, last: None, closed: false, torn: None };
    // Reigns of a group that is not whole yet do not count.
    let mut reigns = Vec::new();
    loop {
        let offset = scan.offset();
        match scan.next() {
            Ok(Item::Record(record, bytes)) => {
                let head = record.head;
                if out.closed || head.opid != expected || head.epoch < epoch {
                    let why =
                        format!("record {} does not follow {}", head.opid, expected.get() - 1);
                    return Err(corrupt(path, offset, why));
                }
                if head.epoch > epoch {
                    epoch = head.epoch;
                    reigns.push((epoch, head.opid));
                }
                expected = expected.next();
                if !head.flags.contains(Flags::MORE) {
                    for (epoch, first) in reigns.drain(..) {
                        history.observe(epoch, first)?;
                    }
                    out.bytes = offset + bytes.len() as u64;
                    out.last = Some(head.opid.get());
                }
            }
            Ok(Item::Mark) => {}
            Ok(Item::Footer { last })
                if last.next() == expected && out.last == Some(last.get()) =>
            {
                out.closed = true;
            }
            Ok(Item::Footer { .. }) => return Err(corrupt(path, offset, "its footer is wrong")),
            Ok(Item::End) => {
                let cut = expected.get() - 1 - out.last.unwrap_or(segment.first.get() - 1);
                if cut > 0 {
                    out.torn = Some((out.bytes, format!("{cut} records of an unfinished group")));
                }
                return Ok(out);
            }
            Err(ScanError::Io(error)) => return Err(error.into()),
            Err(error) => {
                let vouched = segment::find_marks(file, offset)?.unwrap_or(0).max(durable);
                if out.closed || vouched >= expected.get() {
                    return Err(corrupt(path, offset, error.to_string()));
                }
                out.torn = Some((out.bytes, error.to_string()));
                return Ok(out);
            }
        }
    }
}

/// Cuts what the scan did not accept, and makes the rest durable.
fn cut(newest: &mut SegmentInfo, scanned: &Scanned) -> Result<(), OpenError> {
    let file = OpenOptions::new().write(true).open(&newest.path)?;
    if scanned.closed {
        newest.last = scanned.last.and_then(OpId::new);
    } else {
        if newest.bytes > scanned.bytes {
            file.set_len(scanned.bytes)?;
        }
        newest.bytes = scanned.bytes;
    }
    Ok(file.sync_all()?)
}

/// Where the log ends, seen together with the checkpoints; also refuses a gap between them.
fn join_checkpoints(
    path: &Path,
    manifest: &Manifest,
    segments: &mut Vec<SegmentInfo>,
    log_end: Option<u64>,
) -> Result<u64, OpenError> {
    let newest = manifest.checkpoints.last().map_or(0, |checkpoint| checkpoint.position.opid);
    let log_end = log_end.unwrap_or(newest);
    if log_end < newest {
        // A checkpoint is named only when the log behind it is durable, so the disk has lied. The image
        // holds all that these segments hold; the log goes on behind it.
        tracing::error!(log_end, checkpoint = newest, "the log is shorter than its checkpoint");
        for segment in segments.drain(..) {
            std::fs::remove_file(&segment.path)?;
        }
        sync_directory(path)?;
        return Ok(newest);
    }
    match segments.first() {
        Some(oldest) if oldest.first.get() - 1 > newest => {
            Err(OpenError::Gap { oldest: oldest.first })
        }
        _ => Ok(log_end),
    }
}

/// Carries out the cut that the manifest tells of, if it does, and takes it back there. Idempotent.
pub(crate) fn finish_cut(
    path: &Path,
    manifest: &mut Manifest,
    segments: &mut Vec<SegmentInfo>,
) -> Result<(), OpenError> {
    let Some(opid) = manifest.cut else { return Ok(()) };
    while let Some(newest) = segments.pop_if(|segment| segment.first.get() > opid) {
        std::fs::remove_file(&newest.path)?;
    }
    if let Some(newest) = segments.last_mut() {
        let bytes = end_of(&newest.path, opid)?;
        let file = OpenOptions::new().write(true).open(&newest.path)?;
        file.set_len(bytes)?;
        file.sync_all()?;
        newest.bytes = bytes;
        newest.last = None;
    }
    sync_directory(path)?;
    // Before anything is appended: a cut that is carried out once more must find what it found before.
    manifest.cut = None;
    Ok(manifest.store(path)?)
}

/// Removes images that the manifest does not name: it was replaced before they could go, or never came to name them.
pub(crate) fn remove_unnamed_checkpoints(path: &Path, manifest: &Manifest) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_named = manifest.checkpoints.iter().any(|checkpoint| checkpoint.file == name);
        if Checkpoint::is_one(&name) && !is_named {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// File offset behind the record `opid` of the segment at `path`.
fn end_of(path: &Path, opid: u64) -> Result<u64, OpenError> {
    let damaged = |error: ScanError| corrupt(path, 0, error.to_string());
    let (_, mut scan) = Scan::open(Arc::new(File::open(path)?)).map_err(damaged)?;
    loop {
        match scan.next().map_err(damaged)? {
            Item::Record(record, _) if record.head.opid.get() == opid => return Ok(scan.offset()),
            Item::Record(..) | Item::Mark => {}
            Item::Footer { .. } | Item::End => {
                return Err(corrupt(path, scan.offset(), format!("OpID {opid} is not in it")));
            }
        }
    }
}
