//! Restoring at boot: the newest checkpoint of a log directory, then the log behind it, in slices.
//!
//! ```text
//!   binlog::Directory --begin--> Restore --step--> step --> ... --> is_done
//!
//!   attempts   [ newest checkpoint | log behind it ] [ older one | longer log ] [ nothing | whole log ]
//!                 damaged? the data is emptied, and the next attempt begins ->
//! ```
//!
//! Invariants
//! - A step takes about the time it is given, so that clients are served between two steps.
//! - The log is read up to where the directory ended at `begin`; only whole groups are applied.
//! - A damaged checkpoint costs time, not data: the log that replaces it is still there, or restoring fails.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use base::OpId;
use binlog::{Checkpoint, Directory, ReadError, Reader};
use store::ApplyError;
use wire::effect::{Effect, EffectError};
use wire::record::Record;

use super::{FileLoader, LoadError};
use crate::keyspace::Keyspace;
use crate::turn::monotonic_clock;

/// How long loading goes on between two turns.
pub(crate) const LOAD_SLICE: Duration = Duration::from_millis(5);
/// Loading that takes longer than this is reported, each time it has passed again.
pub(crate) const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Bytes of log that are applied between two looks at the clock.
const LOG_CHUNK_BYTES: usize = 64 << 10;

/// Why the data cannot be brought back. The keyspace holds a part of it.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("{file}: {error}")]
    Checkpoint { file: PathBuf, error: LoadError },
    #[error("op {opid} of the log cannot be read: {error}")]
    Effect { opid: OpId, error: EffectError },
    #[error("op {opid} of the log does not fit the data: {error}")]
    Apply { opid: OpId, error: ApplyError },
    #[error("the log begins at op {oldest}, and no checkpoint reaches that far")]
    Gap { oldest: OpId },
    #[error(transparent)]
    Log(#[from] ReadError),
}

/// How far a restore has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RestoreProgress {
    /// Of checkpoint and log together, about.
    pub bytes_total: u64,
    pub bytes_done: u64,
    /// Keys of the checkpoint.
    pub keys: u64,
    /// Ops of the log that were applied.
    pub ops: u64,
}

impl RestoreProgress {
    /// 0 to 100.
    pub fn percent(&self) -> u8 {
        let done = self.bytes_done.min(self.bytes_total);
        let percent = (done * 100).checked_div(self.bytes_total).unwrap_or(100);
        u8::try_from(percent).expect("the part is at most the whole")
    }
}

/// One way to the data.
#[derive(Debug)]
struct Attempt {
    checkpoint: Option<Checkpoint>,
    log: Reader,
    log_bytes: u64,
}

#[derive(Debug)]
enum Stage {
    Checkpoint(Box<FileLoader>),
    Log,
    Done,
}

/// A restore under way.
#[derive(Debug)]
pub struct Restore {
    path: PathBuf,
    /// The one under way is the first.
    attempts: VecDeque<Attempt>,
    stage: Stage,
    progress: RestoreProgress,
    takes_foreign_images: bool,
}

impl Restore {
    /// Finds out what is to be read. `directory` must not be cut or started over before the end.
    pub fn begin(directory: &Directory) -> Result<Restore, RestoreError> {
        let end = directory.position().opid;
        let oldest = directory.oldest();
        // Behind this op the log has everything.
        let log_from = oldest.map_or(end, |oldest| oldest.get() - 1);
        let checkpoints = directory.checkpoints().iter().rev().map(Some);
        let attempts: VecDeque<Attempt> = checkpoints
            .chain([None])
            .map(|checkpoint| (checkpoint, checkpoint.map_or(0, |c| c.position.opid)))
            .filter(|(_, base)| (log_from..=end).contains(base))
            .map(|(checkpoint, base)| {
                let first = OpId::new(base + 1).expect("one more than something is not zero");
                let (log, log_bytes) = (directory.reader(first), directory.log_bytes_from(first));
                Attempt { checkpoint: checkpoint.cloned(), log, log_bytes }
            })
            .collect();
        if attempts.is_empty() {
            let oldest = oldest.unwrap_or_else(|| OpId::new(end + 1).expect("not zero"));
            return Err(RestoreError::Gap { oldest });
        }
        let path = directory.path().to_owned();
        let progress = RestoreProgress::default();
        let mut restore =
            Restore { path, attempts, stage: Stage::Log, progress, takes_foreign_images: false };
        if let Err(error) = restore.enter() {
            // Nothing was loaded yet, so there is nothing to empty.
            restore.give_up(error)?;
        }
        Ok(restore)
    }

    /// An image may come from a master of Redis: it knows no position of ours, or that of another node.
    pub fn accept_foreign_images(&mut self) {
        self.takes_foreign_images = true;
    }

    pub fn progress(&self) -> RestoreProgress {
        self.progress
    }

    pub fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }

    /// Loads for about `budget`, into a keyspace that was empty at the first step.
    pub fn step(&mut self, keys: &mut Keyspace, budget: Duration) -> Result<(), RestoreError> {
        let begun = monotonic_clock();
        while !self.is_done() && monotonic_clock().since(begun) < budget {
            match &self.stage {
                Stage::Checkpoint(_) => {
                    if let Err(error) = self.step_checkpoint(keys) {
                        for effect in [Effect::FlushAll, Effect::FunctionFlush] {
                            let emptied = keys.store_mut().apply(0, &effect);
                            emptied.expect("database 0 is always there");
                        }
                        self.give_up(error)?;
                    }
                }
                Stage::Log => self.step_log(keys)?,
                Stage::Done => {}
            }
        }
        Ok(())
    }

    fn attempt(&mut self) -> &mut Attempt {
        self.attempts.front_mut().expect("giving the last one up is an error")
    }

    /// Begins the first attempt.
    fn enter(&mut self) -> Result<(), LoadError> {
        let attempt = self.attempts.front().expect("giving the last one up is an error");
        let bytes = attempt.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.bytes);
        self.progress =
            RestoreProgress { bytes_total: bytes + attempt.log_bytes, ..Default::default() };
        self.stage = match &attempt.checkpoint {
            Some(checkpoint) => {
                Stage::Checkpoint(Box::new(FileLoader::open(&self.path.join(&checkpoint.file))?))
            }
            None => Stage::Log,
        };
        Ok(())
    }

    /// The checkpoint of the first attempt is damaged: tries the next one, if there is one.
    fn give_up(&mut self, mut error: LoadError) -> Result<(), RestoreError> {
        loop {
            let failed = self.attempts.pop_front().and_then(|attempt| attempt.checkpoint);
            let failed = failed.expect("only reading a checkpoint fails so");
            let file = self.path.join(failed.file);
            if self.attempts.is_empty() {
                return Err(RestoreError::Checkpoint { file, error });
            }
            tracing::warn!(file = %file.display(), %error, "checkpoint not usable, trying an older one");
            match self.enter() {
                Ok(()) => return Ok(()),
                Err(next) => error = next,
            }
        }
    }

    fn step_checkpoint(&mut self, keys: &mut Keyspace) -> Result<(), LoadError> {
        let Stage::Checkpoint(loader) = &mut self.stage else { return Ok(()) };
        let loaded = loader.step(keys.store_mut())?;
        self.progress.bytes_done = loader.bytes_read();
        let Some(loaded) = loaded else { return Ok(()) };
        let checkpoint = self.attempts.front().and_then(|attempt| attempt.checkpoint.as_ref());
        let expected = checkpoint.map(|checkpoint| checkpoint.position);
        if loaded.position != expected && !self.takes_foreign_images {
            return Err(LoadError::OtherPosition { found: loaded.position });
        }
        self.progress.keys = loaded.keys;
        self.stage = Stage::Log;
        Ok(())
    }

    fn step_log(&mut self, keys: &mut Keyspace) -> Result<(), RestoreError> {
        let Some(batch) = self.attempt().log.next(LOG_CHUNK_BYTES)? else {
            self.progress.bytes_done = self.progress.bytes_total;
            self.stage = Stage::Done;
            return Ok(());
        };
        let mut rest = batch.bytes();
        while !rest.is_empty() {
            let (record, length) = Record::decode(rest).expect("the reader checked the record");
            let opid = record.head.opid;
            let effect = Effect::decode(record.payload)
                .map_err(|error| RestoreError::Effect { opid, error })?;
            keys.replay(record.head.db, &effect)
                .map_err(|error| RestoreError::Apply { opid, error })?;
            self.progress.ops += 1;
            rest = &rest[length..];
        }
        let done = self.progress.bytes_done + batch.bytes().len() as u64;
        self.progress.bytes_done = done.min(self.progress.bytes_total);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
