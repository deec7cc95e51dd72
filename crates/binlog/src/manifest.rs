//! The manifest: the one small file that says what a log directory holds.
//!
//! ```text
//!   pollux-log 1
//!   owner <cluster id> shard-0 node-1 17        cluster, shard, node, incarnation
//!   generation 3                                segments of an older generation are rubbish
//!   epoch 5                                     newest epoch this node was ever told of
//!   durable 159                                 the log reaches at least this far
//!   reigns 1:1,4:101,5:160
//!   discarded 12 3                              ops set aside ever, and at the latest occasion; only if any
//!   cut 159                                     what the log holds behind this is to be removed; only if any
//!   checkpoint 90 1 checkpoint-00000000000000000090-1.rdb 123456
//!   crc 1a2b3c4d                                CRC-32C of every byte above
//! ```
//!
//! Invariants
//! - Replaced as a whole: write `MANIFEST.tmp`, fsync, rename, fsync the directory. A crash leaves
//!   the old one or the new one.
//! - A checkpoint is named only after its file is durable and so is the log up to its OpID.
//! - At most [`CHECKPOINTS_KEPT`] checkpoints, oldest first.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base::{ClusterId, Epoch, Incarnation, NodeId, Position, ShardId};

use crate::history::History;

/// Name of the manifest in a log directory.
pub const MANIFEST: &str = "MANIFEST";
const MANIFEST_TMP: &str = "MANIFEST.tmp";
const MAGIC: &str = "pollux-log 1";
/// A manifest is larger than this only by mistake.
const MANIFEST_BYTES_MAX: u64 = 16 << 20;

/// Checkpoints that stay on disk: the newest, and one in case the newest turns out damaged.
pub const CHECKPOINTS_KEPT: usize = 2;

/// Whose log a directory holds. A mismatch is refused before anything is touched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner {
    pub cluster: ClusterId,
    pub shard: ShardId,
    pub node: NodeId,
    pub incarnation: Incarnation,
}

/// A complete image of the data at one position, by its file in the log directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// The image holds everything up to and including this op.
    pub position: Position,
    /// File name, without directories.
    pub file: String,
    pub bytes: u64,
}

impl Checkpoint {
    /// The name that a checkpoint at `position` has.
    pub fn file_name(position: Position) -> String {
        format!("checkpoint-{:020}-{}.rdb", position.opid, position.epoch)
    }

    /// The name of one that was received from a master and began the log's `generation`: never that of one that
    /// this node made at the same position.
    pub(crate) fn received_file_name(position: Position, generation: u32) -> String {
        format!("checkpoint-{:020}-{}.g{generation}.rdb", position.opid, position.epoch)
    }

    /// Whether a checkpoint at `position` may have this name.
    fn is_file_name(file: &str, position: Position) -> bool {
        let made = Checkpoint::file_name(position);
        let received = || {
            let stem = made.strip_suffix(".rdb")?;
            let generation = file.strip_prefix(stem)?.strip_prefix(".g")?.strip_suffix(".rdb")?;
            generation.parse::<u32>().ok()
        };
        file == made || received().is_some()
    }

    /// Whether a file in a log directory can be a checkpoint, by its name.
    pub(crate) fn is_one(file: &str) -> bool {
        file.starts_with("checkpoint-") && file.ends_with(".rdb")
    }
}

/// Ops of this directory that the shard's history went on without.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Discards {
    /// Since the directory was created.
    pub total: u64,
    /// At the latest occasion.
    pub latest: u64,
}

/// What [`MANIFEST`] says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    pub owner: Owner,
    /// Grows when the log is started over (full sync); segments carry it.
    pub generation: u32,
    /// The newest epoch that this node was told of; orders of older epochs are stale.
    pub epoch: Epoch,
    /// OpID that the log certainly reaches; a shorter log has lost something.
    pub durable: u64,
    pub history: History,
    pub discards: Discards,
    /// The records behind this OpID have left the log: what is still there of them is to be removed.
    pub cut: Option<u64>,
    pub checkpoints: Vec<Checkpoint>,
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("manifest is corrupt at byte {offset}: {why}")]
    Corrupt { offset: usize, why: &'static str },
    #[error("manifest is of another format: {0:?}")]
    Foreign(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Manifest {
    pub(crate) fn new(owner: Owner) -> Manifest {
        Manifest {
            owner,
            generation: 1,
            epoch: Epoch(0),
            durable: 0,
            history: History::default(),
            discards: Discards::default(),
            cut: None,
            checkpoints: Vec::new(),
        }
    }

    fn encode(&self) -> String {
        let Owner { cluster, shard, node, incarnation } = self.owner;
        let mut text = format!("{MAGIC}\nowner {cluster} {shard} {node} {incarnation}\n");
        let mut line = |args: std::fmt::Arguments<'_>| {
            text.write_fmt(args).expect("writing to a string cannot fail");
        };
        line(format_args!("generation {}\n", self.generation));
        line(format_args!("epoch {}\n", self.epoch));
        line(format_args!("durable {}\n", self.durable));
        line(format_args!("reigns {}\n", self.history));
        if self.discards.total > 0 {
            line(format_args!("discarded {} {}\n", self.discards.total, self.discards.latest));
        }
        if let Some(opid) = self.cut {
            line(format_args!("cut {opid}\n"));
        }
        for Checkpoint { position, file, bytes } in &self.checkpoints {
            line(format_args!("checkpoint {} {} {file} {bytes}\n", position.opid, position.epoch));
        }
        let crc = crc32c::crc32c(text.as_bytes());
        writeln!(text, "crc {crc:08x}").expect("writing to a string cannot fail");
        text
    }

    fn decode(text: &str) -> Result<Manifest, ManifestError> {
        let corrupt = |offset, why| ManifestError::Corrupt { offset, why };
        if !text.starts_with(MAGIC) {
            let start: String = text.chars().take(24).collect();
            return Err(ManifestError::Foreign(start));
        }
        let crc_at = text.rfind("crc ").ok_or(corrupt(text.len(), "checksum is missing"))?;
        let stored = text[crc_at..].strip_prefix("crc ").and_then(|rest| rest.strip_suffix('\n'));
        let stored = stored.and_then(|hex| u32::from_str_radix(hex, 16).ok());
        if stored != Some(crc32c::crc32c(&text.as_bytes()[..crc_at])) {
            return Err(corrupt(crc_at, "checksum does not match"));
        }
        let mut manifest = None;
        let mut offset = 0;
        for line in text[..crc_at].split_inclusive('\n') {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match (&mut manifest, words.as_slice()) {
                (None, _) if offset == 0 => {}
                (None, ["owner", owner @ ..]) => {
                    let owner = parse_owner(owner).ok_or(corrupt(offset, "owner"))?;
                    manifest = Some(Manifest::new(owner));
                }
                (None, _) => return Err(corrupt(offset, "owner is missing")),
                (Some(manifest), words) => {
                    manifest.take_line(words).ok_or(corrupt(offset, "line is not understood"))?;
                }
            }
            offset += line.len();
        }
        manifest.ok_or(corrupt(crc_at, "owner is missing"))
    }

    fn take_line(&mut self, words: &[&str]) -> Option<()> {
        match words {
            ["generation", generation] => self.generation = generation.parse().ok()?,
            ["epoch", epoch] => self.epoch = Epoch(epoch.parse().ok()?),
            ["durable", opid] => self.durable = opid.parse().ok()?,
            ["reigns", history] => self.history = history.parse().ok()?,
            ["discarded", total, latest] => {
                self.discards =
                    Discards { total: total.parse().ok()?, latest: latest.parse().ok()? };
            }
            ["cut", opid] => self.cut = Some(opid.parse().ok()?),
            ["checkpoint", opid, epoch, file, bytes] => {
                let position =
                    Position { epoch: Epoch(epoch.parse().ok()?), opid: opid.parse().ok()? };
                if !Checkpoint::is_file_name(file, position) {
                    return None;
                }
                let bytes = bytes.parse().ok()?;
                self.checkpoints.push(Checkpoint { position, file: (*file).to_owned(), bytes });
            }
            _ => return None,
        }
        Some(())
    }

    /// `None` when the directory has no manifest.
    pub(crate) fn load(directory: &Path) -> Result<Option<Manifest>, ManifestError> {
        let file = match File::open(directory.join(MANIFEST)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut bytes = Vec::new();
        file.take(MANIFEST_BYTES_MAX).read_to_end(&mut bytes)?;
        let text = std::str::from_utf8(&bytes).map_err(|error| ManifestError::Corrupt {
            offset: error.valid_up_to(),
            why: "not text",
        })?;
        Manifest::decode(text).map(Some)
    }

    /// Makes this the directory's manifest, durably.
    pub(crate) fn store(&self, directory: &Path) -> io::Result<()> {
        let tmp = directory.join(MANIFEST_TMP);
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&tmp)?;
        file.write_all(self.encode().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&tmp, directory.join(MANIFEST))?;
        sync_directory(directory)
    }
}

fn parse_owner(words: &[&str]) -> Option<Owner> {
    let [cluster, shard, node, incarnation] = words else { return None };
    Some(Owner {
        cluster: cluster.parse().ok()?,
        shard: shard.parse().ok()?,
        node: node.parse().ok()?,
        incarnation: incarnation.parse().ok()?,
    })
}

/// Makes creations, renames and removals in `directory` durable.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// The manifest of a running log: changed by the executor, written by whoever can wait.
#[derive(Debug)]
pub(crate) struct ManifestStore {
    current: Mutex<Manifest>,
    /// Held while the file is written, so that an older state never replaces a newer one; whether the log was stopped.
    saving: Mutex<bool>,
}

impl ManifestStore {
    pub(crate) fn new(manifest: Manifest) -> ManifestStore {
        ManifestStore { current: Mutex::new(manifest), saving: Mutex::new(false) }
    }

    /// The present state; held for an instant only, never across I/O.
    pub(crate) fn current(&self) -> MutexGuard<'_, Manifest> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the present state to disk. Waits for the disk.
    pub(crate) fn save(&self, directory: &Path) -> io::Result<()> {
        let is_closed = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_closed {
            return Err(io::Error::other("the log was stopped"));
        }
        let manifest = self.current().clone();
        manifest.store(directory)
    }

    /// The end of this store: waits for a write that is under way, and refuses any other. Whoever runs late, as a
    /// thread that installs a checkpoint may, must not overwrite what comes after this log.
    pub(crate) fn close(&self) -> Manifest {
        *self.saving.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.current().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Manifest {
        let owner = Owner {
            cluster: ClusterId(77),
            shard: ShardId(0),
            node: NodeId(1),
            incarnation: Incarnation(17),
        };
        let position = Position { epoch: Epoch(1), opid: 90 };
        let file = Checkpoint::file_name(position);
        Manifest {
            generation: 3,
            epoch: Epoch(5),
            durable: 159,
            history: "1:1,4:101,5:160".parse().unwrap(),
            discards: Discards { total: 12, latest: 3 },
            cut: Some(159),
            checkpoints: vec![Checkpoint { position, file, bytes: 123_456 }],
            ..Manifest::new(owner)
        }
    }

    #[test]
    fn round_trips_through_a_file() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Manifest::load(directory.path()).unwrap().is_none());
        sample().store(directory.path()).unwrap();
        assert_eq!(Manifest::load(directory.path()).unwrap(), Some(sample()));
    }

    #[test]
    fn checkpoints_have_the_names_of_their_positions() {
        let position = Position { epoch: Epoch(7), opid: 90 };
        let made = Checkpoint::file_name(position);
        let received = Checkpoint::received_file_name(position, 12);
        let other = Checkpoint::file_name(Position { epoch: Epoch(77), opid: 90 });
        for (file, expect) in [
            (made.as_str(), true),
            (&received, true),
            (&other, false),
            ("checkpoint-00000000000000000090-7.g.rdb", false),
            ("checkpoint-00000000000000000090-7.g1/../x.rdb", false),
            ("../MANIFEST", false),
        ] {
            assert_eq!(Checkpoint::is_file_name(file, position), expect, "{file}");
        }
    }

    #[test]
    fn any_damage_is_refused() {
        let text = sample().encode();
        for cut in 0..text.len() {
            assert!(Manifest::decode(&text[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[at] ^= 1;
            let wrong = String::from_utf8(wrong).unwrap();
            assert!(Manifest::decode(&wrong).is_err(), "byte {at}: {wrong}");
        }
    }
}
