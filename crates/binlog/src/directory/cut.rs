//! How records leave a log: behind a cut, or all of them when a received snapshot takes their place.
//!
//! ```text
//!   truncate_after   tail -> discarded-<epoch>.binlog          manifest: `cut n`         tail removed, `cut` taken back
//!   start_over       tail -> discarded-<epoch>.binlog, image   manifest: generation + 1  old segments and images removed
//!                    gets its name
//!                    ----------- a crash here: as before ------------>|<------------ a crash here: as after ---------
//! ```
//!
//! Invariants
//! - One step counts, the renaming of the manifest. Before it nothing was taken away; what a crash behind it leaves
//!   undone, recovery does (`recover`).
//! - Records leave only after they stand, fsynced, in a `discarded-` file. A crash before the step that counts leaves
//!   a file that the next attempt writes again under another number; nothing is counted twice.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base::{Epoch, OpId, Position};

use super::{Directory, Discarded, OpenError};
use crate::history::History;
use crate::manifest::{Checkpoint, Discards, sync_directory};
use crate::recover;
use crate::segment::Header;

/// Bytes of discarded records copied at once.
const COPY_BYTES: usize = 1 << 20;

impl Directory {
    /// Cuts the log after `opid` (a group boundary). The records behind it are first written, durably,
    /// to `discarded-<epoch>.binlog`, where `<epoch>` is that of the last of them.
    pub fn truncate_after(&mut self, opid: u64) -> Result<Discarded, OpenError> {
        let discarded = self.set_aside(opid)?;
        self.commit_cut(opid, &discarded)?;
        self.finish_cut()?;
        Ok(discarded)
    }

    /// Replaces everything by a received checkpoint: `image` is a complete, verified, fsynced file in
    /// this directory, and the master's history and ours are one up to `common`. What only this log has is
    /// set aside as [`Directory::truncate_after`] does.
    pub fn start_over(
        &mut self,
        image: &Path,
        position: Position,
        history: History,
        common: u64,
    ) -> Result<Discarded, OpenError> {
        let discarded = self.set_aside(common)?;
        let checkpoint = self.name_image(image, position)?;
        self.commit_start(checkpoint, history, &discarded)?;
        self.remove_replaced()?;
        Ok(discarded)
    }

    /// Copies the records behind `opid` into a file of their own, a segment in form, and makes it durable.
    fn set_aside(&self, opid: u64) -> Result<Discarded, OpenError> {
        assert!(opid <= self.recovered.end, "a log is cut within itself");
        let count = self.recovered.end - opid;
        if count == 0 {
            return Ok(Discarded::default());
        }
        let first = OpId::new(opid + 1).expect("one more than something is not zero");
        let epoch = self.position().epoch;
        let (path, mut out) = self.create_discarded(epoch)?;
        let header = Header {
            generation: self.manifest.generation,
            cluster: self.manifest.owner.cluster,
            shard: self.manifest.owner.shard,
            epoch: self.manifest.history.epoch_of(first.get()),
            first,
        };
        out.write_all(&header.encode())?;
        let mut reader = self.reader(first);
        while let Some(batch) = reader.next(COPY_BYTES)? {
            out.write_all(batch.bytes())?;
        }
        out.sync_all()?;
        sync_directory(&self.path)?;
        Ok(Discarded { count, file: Some(path) })
    }

    /// A new file for discarded records; an epoch that lost a tail before gets a numbered one.
    fn create_discarded(&self, epoch: Epoch) -> io::Result<(PathBuf, File)> {
        for number in 0u32.. {
            let name = match number {
                0 => format!("discarded-{epoch}.binlog"),
                number => format!("discarded-{epoch}.{number}.binlog"),
            };
            let path = self.path.join(name);
            let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            match created {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        unreachable!("a file system holds fewer than 2^32 files of one name")
    }

    /// Counted in the manifest that takes the records away, so that it happens once or not at all.
    fn count(&mut self, discarded: &Discarded) {
        if discarded.count > 0 {
            let total = self.manifest.discards.total + discarded.count;
            self.manifest.discards = Discards { total, latest: discarded.count };
        }
    }

    fn commit_cut(&mut self, opid: u64, discarded: &Discarded) -> Result<(), OpenError> {
        self.count(discarded);
        self.manifest.history.truncate_after(opid);
        self.manifest.durable = opid;
        self.manifest.checkpoints.retain(|checkpoint| checkpoint.position.opid <= opid);
        self.manifest.cut = (discarded.count > 0).then_some(opid);
        Ok(self.manifest.store(&self.path)?)
    }

    fn finish_cut(&mut self) -> Result<(), OpenError> {
        if let Some(opid) = self.manifest.cut {
            recover::finish_cut(&self.path, &mut self.manifest, &mut self.recovered.segments)?;
            self.recovered.end = opid;
        }
        Ok(recover::remove_unnamed_checkpoints(&self.path, &self.manifest)?)
    }

    /// Gives the image the name that the manifest will tell. No file of the present manifest has it, as it carries the
    /// generation to come.
    fn name_image(&self, image: &Path, position: Position) -> Result<Checkpoint, OpenError> {
        let file = Checkpoint::received_file_name(position, self.manifest.generation + 1);
        let bytes = std::fs::metadata(image)?.len();
        std::fs::rename(image, self.path.join(&file))?;
        sync_directory(&self.path)?;
        Ok(Checkpoint { position, file, bytes })
    }

    fn commit_start(
        &mut self,
        checkpoint: Checkpoint,
        mut history: History,
        discarded: &Discarded,
    ) -> Result<(), OpenError> {
        let position = checkpoint.position;
        history.truncate_after(position.opid);
        self.count(discarded);
        self.manifest.history = history;
        self.manifest.epoch = self.manifest.epoch.max(position.epoch);
        self.manifest.durable = position.opid;
        self.manifest.checkpoints = vec![checkpoint];
        // From here on the old segments are of an older generation: recovery removes what we cannot.
        self.manifest.generation += 1;
        self.manifest.store(&self.path)?;
        self.recovered.end = position.opid;
        Ok(())
    }

    fn remove_replaced(&mut self) -> Result<(), OpenError> {
        for segment in self.recovered.segments.drain(..) {
            std::fs::remove_file(&segment.path)?;
        }
        recover::remove_unnamed_checkpoints(&self.path, &self.manifest)?;
        Ok(sync_directory(&self.path)?)
    }
}

#[cfg(test)]
mod tests;
