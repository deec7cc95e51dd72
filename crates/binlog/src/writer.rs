//! The writer thread: moves published batches from the tail into segments.
//!
//! ```text
//!   take batches -> rotate if full -> [mark] + batches in one write -> written mark -> syncer
//! ```
//!
//! Rotation is the only place where it waits for the disk: a segment must be durable before its
//! successor exists. Meanwhile the queue takes what comes, and raises backpressure at its bound.
//!
//! A full disk is waited for: the batches stay in memory, nothing is claimed, and writing goes on at
//! the very byte where it stopped. Any other error ends the log.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base::OpId;

use crate::disk::is_full;
use crate::log::Shared;
use crate::manifest::{Owner, sync_directory};
use crate::progress::{Barrier, Health};
use crate::segment::{self, Header, SegmentInfo};
use crate::tail::Batch;

/// Bytes of batches that go into one write, unless a single batch is larger.
const WRITE_BYTES_MAX: usize = 4 << 20;

/// Pause between two attempts on a full disk.
const FULL_RETRY: Duration = Duration::from_millis(200);

/// The segment that is written to.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) file: Arc<File>,
    /// Offset where the next write goes.
    pub(crate) bytes: u64,
    /// Durable OpID of the newest mark in it.
    pub(crate) marked: u64,
}

#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    active: Option<Active>,
    next: OpId,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, active: Option<Active>, next: OpId) -> Writer {
        Writer { shared, active, next }
    }

    /// Body of the writer thread.
    pub(crate) fn run(mut self) {
        // A backlog must not end up in one giant segment.
        let segment_bytes = usize::try_from(self.shared.options.segment_bytes);
        let bytes_max = WRITE_BYTES_MAX.min(segment_bytes.unwrap_or(usize::MAX));
        loop {
            let batches = self.shared.tail.take_from(self.next, bytes_max);
            let Some(last) = batches.last().map(|batch| batch.last()) else { break };
            if !self.write_patiently(&batches) {
                break;
            }
            self.next = last.next();
            let bytes = batches.iter().map(|batch| batch.bytes().len() as u64).sum();
            self.shared.progress.add_written_bytes(bytes);
            // Before the syncer hears of it: nothing is durable that is not written.
            self.shared.progress.advance(Barrier::Written, last.get());
            if let Some(active) = &self.active {
                self.shared.sync.written(&active.file, last);
            }
            // So that it is the tail that frees them, which counts them until then.
            drop(batches);
            self.shared.tail.shrink(last);
        }
        self.shared.sync.close();
    }

    /// Writes `batches`; waits while the disk is full. False when the log has failed or was stopped
    /// while full.
    fn write_patiently(&mut self, batches: &[Arc<Batch>]) -> bool {
        // Fixed for all attempts: what a reader saw of a half done write must not move.
        let durable = self.shared.progress.reached(Barrier::Durable);
        let mut was_full = false;
        loop {
            if self.shared.progress.has_failed() {
                return false;
            }
            match self.write(batches, durable) {
                Ok(()) => {
                    if was_full {
                        tracing::info!("there is space on the disk again: the log goes on");
                    }
                    self.shared.progress.set_health(Health::Sound);
                    return true;
                }
                Err(error) if is_full(&error) => {
                    if !was_full {
                        was_full = true;
                        tracing::error!(%error, "the log cannot be written: no write is accepted until there is space");
                    }
                    self.shared.progress.set_health(Health::Full { why: error.to_string() });
                    if self.shared.tail.wait_closed(FULL_RETRY) {
                        return false;
                    }
                }
                Err(error) => {
                    self.shared.progress.fail("write of the log", &error);
                    return false;
                }
            }
        }
    }

    fn write(&mut self, batches: &[Arc<Batch>], durable: u64) -> io::Result<()> {
        let disk = Arc::clone(&self.shared.options.disk);
        if self.active.as_ref().is_some_and(|a| a.bytes >= self.shared.options.segment_bytes) {
            self.rotate()?;
        }
        let active = match &mut self.active {
            Some(active) => active,
            none => none.insert(create(&self.shared, &batches[0])?),
        };
        let mark = segment::encode_mark(durable, active.bytes);
        let mut parts: Vec<&[u8]> = Vec::with_capacity(batches.len() + 1);
        if durable > active.marked {
            parts.push(&mark);
        }
        parts.extend(batches.iter().map(|batch| batch.bytes()));
        disk.write(&active.file, &parts, active.bytes)?;
        active.bytes += parts.iter().map(|part| part.len() as u64).sum::<u64>();
        active.marked = active.marked.max(durable);
        if let Some(newest) = self.shared.segments().last_mut() {
            newest.bytes = active.bytes;
        }
        Ok(())
    }

    /// Closes the active segment: footer, fsync, manifest; then lets retention work.
    fn rotate(&mut self) -> io::Result<()> {
        let Some(active) = &self.active else { return Ok(()) };
        let last = OpId::new(self.next.get() - 1).expect("an active segment holds a record");
        let disk = &self.shared.options.disk;
        let footer = segment::encode_footer(last, active.bytes);
        disk.write(&active.file, &[&footer], active.bytes)?;
        if let Err(error) = disk.sync(&active.file) {
            // Never tried again: see `Health::Failed`.
            self.shared.progress.fail("fsync of the log", &error);
            return Err(error);
        }
        self.shared.progress.advance(Barrier::Durable, last.get());
        self.shared.sync.poke();
        {
            let mut segments = self.shared.segments();
            let newest = segments.last_mut().expect("the active segment is in the list");
            newest.bytes = active.bytes + footer.len() as u64;
            newest.last = Some(last);
        }
        let durable = last.get();
        {
            let mut manifest = self.shared.manifest.current();
            manifest.durable = manifest.durable.max(durable);
        }
        self.shared.manifest.save(&self.shared.path)?;
        self.active = None;
        if let Err(error) = self.retain() {
            tracing::warn!(%error, "old segments could not be removed");
        }
        Ok(())
    }

    /// Removes closed segments that retention gives up, oldest first.
    fn retain(&self) -> io::Result<()> {
        let mut given_up = Vec::new();
        {
            let mut segments = self.shared.segments();
            // Behind the lock: a consumer that registers and then finds a segment in the list keeps it.
            let needed_after = self.shared.needed_after();
            let mut total: u64 = segments.iter().map(|segment| segment.bytes).sum();
            while let Some(oldest) = segments.first() {
                let unneeded = oldest.last.is_some_and(|last| last.get() <= needed_after);
                let retention = &self.shared.options.retention;
                let over =
                    total > retention.bytes_max || age_seconds(oldest) > retention.age_seconds_max;
                if !(unneeded && over) {
                    break;
                }
                total -= oldest.bytes;
                given_up.push(segments.remove(0));
            }
        }
        for segment in &given_up {
            std::fs::remove_file(&segment.path)?;
        }
        if given_up.is_empty() { Ok(()) } else { sync_directory(&self.shared.path) }
    }
}

/// Seconds since the last write to a segment; zero when the file system cannot tell.
fn age_seconds(segment: &SegmentInfo) -> u64 {
    let modified = std::fs::metadata(&segment.path).and_then(|metadata| metadata.modified());
    let age = modified.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
    age.map_or(0, |age| age.as_secs())
}

/// Creates the segment that begins with `batch`, durably, and adds it to the list.
fn create(shared: &Shared, batch: &Batch) -> io::Result<Active> {
    let first = batch.first();
    let path = shared.path.join(segment::file_name(first));
    let (Owner { cluster, shard, .. }, generation) = {
        let manifest = shared.manifest.current();
        (manifest.owner, manifest.generation)
    };
    let header = Header { generation, cluster, shard, epoch: batch.epoch(), first };
    let file =
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    let disk = &shared.options.disk;
    let prepared = disk
        .reserve(&file, shared.options.segment_bytes)
        .and_then(|()| disk.write(&file, &[&header.encode()], 0))
        .and_then(|()| disk.sync(&file))
        .and_then(|()| sync_directory(&shared.path));
    if let Err(error) = prepared {
        // Nothing was promised in this file yet; a full disk will be tried again from the start.
        std::fs::remove_file(&path)?;
        return Err(error);
    }
    let bytes = segment::HEADER_BYTES as u64;
    shared.segments().push(SegmentInfo { first, last: None, bytes, path });
    let marked = shared.progress.reached(Barrier::Durable);
    Ok(Active { file: Arc::new(file), bytes, marked })
}
