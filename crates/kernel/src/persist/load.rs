//! Loading a snapshot into the store, chunk by chunk: from a file at boot, from the link at a full
//! synchronisation.
//!
//! Keys whose expiry has passed are loaded like all others: the log behind the snapshot deletes them, and until
//! then every node of a shard must hold the same data. Keys that hold an empty collection, which old versions of
//! Redis could leave in a file, are passed over.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use base::number::parse_i64;
use base::{Epoch, Position};
use store::Store;
use wire::rdb::RdbError;
use wire::rdb::load::{Entry, Event, Reader};

use super::{aux, decode};
use crate::script::library::Header;

const CHUNK_BYTES: usize = 1 << 20;
/// So many of the keys that are passed over are named in the log.
const EMPTY_KEYS_NAMED: u64 = 10;

/// Why a snapshot was not loaded. The store holds a part of it then and must be emptied.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("cannot read the snapshot: {0}")]
    Io(#[from] io::Error),
    #[error("the snapshot is damaged: {0}")]
    Format(#[from] RdbError),
    #[error("the snapshot ends in the middle")]
    CutOff,
    #[error("{0} bytes follow the snapshot")]
    TrailingBytes(usize),
    #[error("the snapshot holds database {0}, which the setting `databases` rules out")]
    NoSuchDatabase(u16),
    #[error("key {key:?} holds an element twice, or a pending entry without owner")]
    InvalidValue { key: String },
    #[error("a library of functions cannot be loaded: {0}")]
    Library(String),
    #[error("the snapshot is of another position ({found:?}) than its name says")]
    OtherPosition { found: Option<Position> },
}

/// A complete snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Loaded {
    /// Where it stands in the shard's history; `None` for a file of another program.
    pub position: Option<Position>,
    pub keys: u64,
    /// What is selected in the stream behind it, where its writer could not say so there.
    pub stream_db: Option<u16>,
}

/// Loads chunks from anywhere.
#[derive(Debug, Default)]
pub struct Loader {
    reader: Reader,
    keys: u64,
    /// Keys that held nothing.
    empty_keys: u64,
    epoch: Option<Epoch>,
    opid: Option<u64>,
    stream_db: Option<u16>,
}

impl Loader {
    pub fn new() -> Loader {
        Loader::default()
    }

    /// Keys so far.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// Loads everything that `chunk` completes; `Some` when the snapshot is complete.
    pub fn feed(&mut self, store: &mut Store, chunk: &[u8]) -> Result<Option<Loaded>, LoadError> {
        match self.feed_front(store, chunk)? {
            Some((_, rest)) if !rest.is_empty() => Err(LoadError::TrailingBytes(rest.len())),
            fed => Ok(fed.map(|(loaded, _)| loaded)),
        }
    }

    /// As [`Loader::feed`]; what follows the snapshot is given back.
    pub(crate) fn feed_front(
        &mut self,
        store: &mut Store,
        chunk: &[u8],
    ) -> Result<Option<(Loaded, Vec<u8>)>, LoadError> {
        self.reader.feed(chunk);
        loop {
            match self.reader.next_event()? {
                Event::NeedMore => return Ok(None),
                Event::Aux { name, value } => self.aux(&name, &value),
                // Tables grow bit by bit, so they need not be told.
                Event::Sizes { .. } => {}
                Event::Entry(entry) => self.entry(store, entry)?,
                Event::Function(code) => {
                    let header = Header::of(&code).map_err(LoadError::Library)?;
                    store.load_library(&header.name, &code);
                }
                Event::End => {
                    let rest = self.reader.rest().to_vec();
                    if self.empty_keys > 0 {
                        tracing::warn!(
                            "Done loading RDB, keys loaded: {}, empty keys skipped: {}.",
                            self.keys,
                            self.empty_keys
                        );
                    }
                    let position =
                        self.epoch.zip(self.opid).map(|(epoch, opid)| Position { epoch, opid });
                    let stream_db = self.stream_db;
                    let loaded = Loaded { position, keys: self.keys, stream_db };
                    return Ok(Some((loaded, rest)));
                }
            }
        }
    }

    fn aux(&mut self, name: &[u8], value: &[u8]) {
        let number = || parse_i64(value).and_then(|number| u64::try_from(number).ok());
        if name == aux::OPID.as_bytes() {
            self.opid = number();
        } else if name == aux::EPOCH.as_bytes() {
            self.epoch = number().map(Epoch);
        } else if name == aux::STREAM_DB.as_bytes() {
            self.stream_db = number().and_then(|db| u16::try_from(db).ok());
        }
    }

    fn entry(&mut self, store: &mut Store, mut entry: Entry) -> Result<(), LoadError> {
        if entry.db >= store.databases() {
            return Err(LoadError::NoSuchDatabase(entry.db));
        }
        if entry.value.is_empty() {
            self.empty_keys += 1;
            if self.empty_keys <= EMPTY_KEYS_NAMED {
                let key = String::from_utf8_lossy(&entry.key);
                tracing::warn!("skipping empty key: {key}");
            }
            return Ok(());
        }
        let limits = store.thresholds();
        let Some(body) = decode::body(&mut entry.value, &limits) else {
            let key = String::from_utf8_lossy(&entry.key).into_owned();
            return Err(LoadError::InvalidValue { key });
        };
        let access = store.access();
        let clock = if access.is_lfu {
            entry.frequency.map(|count| access.lfu_clock(count))
        } else {
            let idle = entry.idle_seconds.map(|idle| u32::try_from(idle).unwrap_or(u32::MAX));
            idle.map(|idle| access.idle_clock(idle))
        };
        store.load(entry.db, &entry.key, entry.expire, body, clock);
        self.keys += 1;
        Ok(())
    }
}

/// Loads a file in slices.
#[derive(Debug)]
pub struct FileLoader {
    file: File,
    loader: Loader,
    chunk: Vec<u8>,
    bytes_read: u64,
    bytes_total: u64,
}

impl FileLoader {
    pub fn open(path: &Path) -> Result<FileLoader, LoadError> {
        let file = File::open(path)?;
        let bytes_total = file.metadata()?.len();
        let chunk = vec![0; CHUNK_BYTES];
        Ok(FileLoader { file, loader: Loader::new(), chunk, bytes_read: 0, bytes_total })
    }

    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    pub fn bytes_total(&self) -> u64 {
        self.bytes_total
    }

    /// Loads the next MiB; `Some` when the file is complete.
    pub fn step(&mut self, store: &mut Store) -> Result<Option<Loaded>, LoadError> {
        let count = self.file.read(&mut self.chunk)?;
        self.bytes_read += count as u64;
        let loaded = self.loader.feed(store, &self.chunk[..count])?;
        if loaded.is_none() && count == 0 {
            return Err(LoadError::CutOff);
        }
        Ok(loaded)
    }
}
