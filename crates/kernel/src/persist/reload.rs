//! A snapshot into memory and back: what DEBUG RELOAD does to find out whether a snapshot holds everything.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use base::{Position, UnixMs};
use store::{Rng, Store};

use super::{About, Drain, LoadError, Loader, Snapshot, SnapshotStep};

/// Keys visited at a time; nothing else happens meanwhile.
const KEYS_PER_STEP: usize = 4096;

/// Why the data was not reloaded; it is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    #[error("a snapshot is being written, try again later")]
    Busy,
    #[error("the snapshot cannot be loaded: {0}")]
    Load(#[from] LoadError),
}

/// Takes everything at once.
#[derive(Debug, Default)]
struct Memory(Mutex<Vec<Vec<u8>>>);

impl Drain for Memory {
    fn offer(&self, chunk: Vec<u8>) -> Result<(), Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(chunk);
        Ok(())
    }

    fn finish(&self) -> bool {
        true
    }
}

/// Replaces the data by what a snapshot of it holds. Needs as much memory again, and stops the executor.
pub fn reload(store: &mut Store, now: UnixMs) -> Result<(), ReloadError> {
    let about = About { position: Position::default(), now, memory_bytes: 0, stream_db: None };
    let memory = Arc::new(Memory::default());
    let begun = Snapshot::begin(store, &about, false, Box::new(Arc::clone(&memory)));
    let mut snapshot = begun.map_err(|_| ReloadError::Busy)?;
    while !matches!(snapshot.step(store, KEYS_PER_STEP), SnapshotStep::Delivered { .. }) {}
    let chunks = mem::take(&mut *memory.0.lock().unwrap_or_else(PoisonError::into_inner));
    let mut fresh = Store::new(store.databases(), store.graveyard().clone(), Rng::new(now.0));
    fresh.set_thresholds(store.thresholds());
    fresh.set_access(*store.access());
    let mut loader = Loader::new();
    let mut loaded = None;
    for chunk in chunks {
        loaded = loader.feed(&mut fresh, &chunk)?;
    }
    if loaded.is_none() {
        return Err(ReloadError::Load(LoadError::CutOff));
    }
    mem::replace(store, fresh).abandon();
    Ok(())
}
