//! Raft's log, vote and snapshot in one redb file.
//!
//! ```text
//!   table "log":   index u64 -> entry (JSON)
//!   table "meta":  "owner" | "vote" | "committed" | "purged" | "snapshot_meta" | "snapshot" -> value (JSON)
//! ```
//!
//! Invariants
//! - Indexes in "log" are dense; everything up to "purged" is covered by the snapshot.
//! - When `append` or `save_vote` reports success the transaction is on stable storage. "committed" is a hint that
//!   saves time after a restart and goes to disk with the next durable transaction.
//!
//! JSON, because a config server must read what its predecessor version wrote: unknown fields are ignored and
//! missing ones have defaults. The volume is a few entries a second.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::path::Path;
use std::sync::Arc;

use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{LogState, OptionalSend, RaftLogReader};
use redb::{
    Database, Durability, ReadableDatabase as _, ReadableTable as _, TableDefinition,
    WriteTransaction,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::{Entry, LogId, TypeConfig, Vote};

const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");

const OWNER: &str = "owner";
const VOTE: &str = "vote";
const COMMITTED: &str = "committed";
const PURGED: &str = "purged";

/// Entries that one read for replication returns at most.
const READ_ENTRIES_MAX: u64 = 256;

/// Handle to the file; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    file: Arc<OpenFile>,
}

/// The fields are dropped in this order: who waits for `closed` to be gone finds the file free.
#[derive(Debug)]
struct OpenFile {
    db: Database,
    closed: watch::Sender<()>,
}

fn foreign(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn failed(error: impl Into<redb::Error>) -> io::Error {
    io::Error::other(error.into())
}

impl Store {
    /// Opens or makes the file of `owner`. A file that redb cannot repair, or that is another's, is refused, never
    /// replaced: a server that votes with a foreign memory can elect two leaders.
    pub(crate) fn open(path: &Path, owner: &str) -> io::Result<Store> {
        Store::adopt(open_whole(path)?, owner)
    }

    pub(super) fn adopt(db: Database, owner: &str) -> io::Result<Store> {
        let (closed, _) = watch::channel(());
        let store = Store { file: Arc::new(OpenFile { db, closed }) };
        store.write_here(Durability::Immediate, |transaction| {
            let is_new = transaction.list_tables().map_err(failed)?.next().is_none();
            transaction.open_table(LOG).map_err(failed)?;
            let mut meta = transaction.open_table(META).map_err(failed)?;
            if is_new {
                meta.insert(OWNER, encode(&owner)?.as_slice()).map_err(failed)?;
            }
            let found: Option<String> = match meta.get(OWNER).map_err(failed)? {
                Some(bytes) => Some(decode(bytes.value())?),
                None => None,
            };
            match found {
                Some(found) if found == owner => Ok(()),
                Some(found) => Err(foreign(format!("it belongs to {found}, not to {owner}"))),
                None => Err(foreign("it holds something else than a Raft log".to_owned())),
            }
        })?;
        Ok(store)
    }

    /// Its `changed` fails as soon as the last handle is gone and the file can be opened again.
    pub(super) fn closing(&self) -> watch::Receiver<()> {
        self.file.closed.subscribe()
    }

    fn write_here<T>(
        &self,
        durability: Durability,
        change: impl FnOnce(&WriteTransaction) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut transaction = self.file.db.begin_write().map_err(failed)?;
        transaction.set_durability(durability).map_err(failed)?;
        let result = change(&transaction)?;
        transaction.commit().map_err(failed)?;
        Ok(result)
    }

    /// A durable transaction waits for the disk, so it runs off the runtime's own threads.
    async fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        change: impl FnOnce(&WriteTransaction) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || store.write_here(durability, change))
            .await
            .map_err(io::Error::other)?
    }

    /// Replaces values of "meta", all or none.
    pub(crate) async fn save(&self, values: Vec<(&'static str, Vec<u8>)>) -> io::Result<()> {
        self.write(Durability::Immediate, move |transaction| {
            let mut meta = transaction.open_table(META).map_err(failed)?;
            for (name, value) in values {
                meta.insert(name, value.as_slice()).map_err(failed)?;
            }
            Ok(())
        })
        .await
    }

    /// A value of "meta".
    pub(crate) fn load<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        let transaction = self.file.db.begin_read().map_err(failed)?;
        let meta = transaction.open_table(META).map_err(failed)?;
        let value = meta.get(name).map_err(failed)?;
        value.map(|bytes| decode(bytes.value())).transpose()
    }

    pub(super) fn entries(&self, range: impl RangeBounds<u64>) -> io::Result<Vec<Entry>> {
        let transaction = self.file.db.begin_read().map_err(failed)?;
        let log = transaction.open_table(LOG).map_err(failed)?;
        let (first, end) = bounds(&range);
        let mut entries = Vec::new();
        if first >= end {
            return Ok(entries);
        }
        for item in log.range(first..end).map_err(failed)? {
            let (index, bytes) = item.map_err(failed)?;
            let expected = entries.last().map_or(index.value(), |e: &Entry| e.log_id.index + 1);
            if index.value() != expected {
                let text = format!("the Raft log has a hole before index {}", index.value());
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            entries.push(decode(bytes.value())?);
        }
        Ok(entries)
    }
}

/// Reads the file once as a whole, so that damage is found now and not when a page happens to be needed. On some
/// damaged pages redb panics instead of telling: then the process ends, and has changed nothing either.
fn open_whole(path: &Path) -> io::Result<Database> {
    let mut db = Database::create(path).map_err(failed)?;
    if !db.check_integrity().map_err(failed)? {
        tracing::warn!(path = %path.display(), "repaired; what had been synced is there");
    }
    Ok(db)
}

/// As a half-open interval.
fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let first = match range.start_bound() {
        Bound::Included(first) => *first,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    (first, end)
}

pub(crate) fn encode<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(io::Error::other)
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    serde_json::from_slice(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

impl RaftLogReader<TypeConfig> for Store {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        self.entries(range)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        self.load(VOTE)
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, io::Error> {
        self.entries(start..end.min(start.saturating_add(READ_ENTRIES_MAX)))
    }
}

impl RaftLogStorage<TypeConfig> for Store {
    type LogReader = Store;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let last_purged_log_id: Option<LogId> = self.load(PURGED)?;
        let transaction = self.file.db.begin_read().map_err(failed)?;
        let log = transaction.open_table(LOG).map_err(failed)?;
        let last = match log.last().map_err(failed)? {
            Some((_, bytes)) => Some(decode::<Entry>(bytes.value())?.log_id),
            None => None,
        };
        Ok(LogState { last_purged_log_id, last_log_id: last.or(last_purged_log_id) })
    }

    async fn get_log_reader(&mut self) -> Store {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.save(vec![(VOTE, encode(vote)?)]).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        let value = encode(&committed)?;
        self.write(Durability::None, move |transaction| {
            let mut meta = transaction.open_table(META).map_err(failed)?;
            meta.insert(COMMITTED, value.as_slice()).map_err(failed)?;
            Ok(())
        })
        .await
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.load::<Option<LogId>>(COMMITTED)?.flatten())
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: IOFlushed<TypeConfig>,
    ) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let encoded: Vec<(u64, Vec<u8>)> = entries
            .into_iter()
            .map(|entry| Ok((entry.log_id.index, encode(&entry)?)))
            .collect::<io::Result<_>>()?;
        self.write(Durability::Immediate, move |transaction| {
            let mut log = transaction.open_table(LOG).map_err(failed)?;
            for (index, bytes) in encoded {
                log.insert(index, bytes.as_slice()).map_err(failed)?;
            }
            Ok(())
        })
        .await?;
        callback.io_completed(Ok(()));
        Ok(())
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        let first = last_log_id.map_or(0, |last| last.index + 1);
        self.write(Durability::Immediate, move |transaction| {
            let mut log = transaction.open_table(LOG).map_err(failed)?;
            log.retain_in(first.., |_, _| false).map_err(failed)
        })
        .await
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        let purged = encode(&log_id)?;
        self.write(Durability::Immediate, move |transaction| {
            let mut log = transaction.open_table(LOG).map_err(failed)?;
            log.retain_in(..=log_id.index, |_, _| false).map_err(failed)?;
            let mut meta = transaction.open_table(META).map_err(failed)?;
            meta.insert(PURGED, purged.as_slice()).map_err(failed)?;
            Ok(())
        })
        .await
    }
}
