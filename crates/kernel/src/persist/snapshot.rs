//! A running snapshot: the walk through the store feeds an encoder, whose chunks go to a drain.
//!
//! ```text
//!   Snapshot::step --> Store::walk --> Sink --.
//!   a command changes an unvisited key ------> Encoder --chunks--> Drain (file writer, replica's link)
//! ```
//!
//! The store owns the sink while the walk lasts, and commands write pre-images through it; so encoder and drain
//! are shared between sink and `Snapshot`. Both belong to the executor: the lock is never contended.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::{Position, UnixMs};
use store::{Access, Entry, Progress, SnapshotRunning, SnapshotSink, Store, Value};
use wire::rdb::save::{Head, Usage, Writer};

use super::{aux, encode};

/// Bytes that go to the drain together. A step ends early after so many, too: values may be large, and who steps looks
/// at the clock only in between. Checksumming a chunk takes some 30 µs.
const CHUNK_BYTES: usize = 64 << 10;

/// Where the bytes of a snapshot go.
pub trait Drain: Send {
    /// Takes a chunk, or gives it back while too many wait.
    fn offer(&self, chunk: Vec<u8>) -> Result<(), Vec<u8>>;

    /// Says that all chunks were offered; `false` when it must be said again later.
    fn finish(&self) -> bool;
}

/// A drain whose owner looks at it beside the snapshot.
impl<D: Drain + Sync> Drain for Arc<D> {
    fn offer(&self, chunk: Vec<u8>) -> Result<(), Vec<u8>> {
        D::offer(self, chunk)
    }

    fn finish(&self) -> bool {
        D::finish(self)
    }
}

/// What the head of the file says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct About {
    /// The newest op that the data contains.
    pub position: Position,
    pub now: UnixMs,
    /// In use by the data; 0: not known.
    pub memory_bytes: u64,
    /// The database that a replica must have selected for the stream behind the snapshot, unless that tells.
    pub stream_db: Option<u16>,
}

/// How far a snapshot is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SnapshotStep {
    /// Keys are still being visited, and the next step can visit more; `keys` so far.
    Walking { keys: u64 },
    /// The drain must take chunks before there is anything to do.
    Draining { keys: u64 },
    /// The drain has everything, and knows it.
    Delivered { keys: u64, bytes: u64 },
}

/// One snapshot of a store, from its beginning to the last chunk.
pub struct Snapshot {
    encoder: Arc<Mutex<Encoder>>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoder = lock(&self.encoder);
        f.debug_struct("Snapshot")
            .field("keys", &encoder.keys)
            .field("bytes", &encoder.bytes)
            .finish_non_exhaustive()
    }
}

impl Snapshot {
    /// Fixes the image: what changes from now on is not in it.
    pub fn begin(
        store: &mut Store,
        about: &About,
        is_compressing: bool,
        drain: Box<dyn Drain>,
    ) -> Result<Snapshot, SnapshotRunning> {
        let encoder = Arc::new(Mutex::new(Encoder::new(store, about, is_compressing, drain)));
        store.begin_snapshot(Box::new(Sink(Arc::clone(&encoder))))?;
        Ok(Snapshot { encoder })
    }

    /// Visits about `budget` keys or 64 KiB, unless the drain is full. Cheap when there is nothing to do.
    pub fn step(&mut self, store: &mut Store, budget: usize) -> SnapshotStep {
        if !lock(&self.encoder).drain() {
            return self.state();
        }
        if lock(&self.encoder).begin_step() {
            match store.walk(budget) {
                Progress::Walking => {}
                Progress::Done(_) | Progress::Idle => lock(&self.encoder).close(),
            }
            lock(&self.encoder).drain();
        }
        self.state()
    }

    /// Gives up. The store still has to be walked to its end ([`Store::walk`]) before the next snapshot.
    pub fn abort(self, store: &mut Store) {
        if lock(&self.encoder).end == End::Open {
            store.abort_snapshot();
        }
    }

    fn state(&self) -> SnapshotStep {
        let encoder = lock(&self.encoder);
        match encoder.end {
            End::Open if encoder.chunks.is_empty() => SnapshotStep::Walking { keys: encoder.keys },
            End::Open | End::Closed => SnapshotStep::Draining { keys: encoder.keys },
            End::Told => SnapshotStep::Delivered { keys: encoder.keys, bytes: encoder.bytes },
        }
    }
}

/// A panic inside the lock ends the process, as the executor runs with `panic = abort`.
fn lock(encoder: &Mutex<Encoder>) -> MutexGuard<'_, Encoder> {
    encoder.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Sink(Arc<Mutex<Encoder>>);

impl SnapshotSink for Sink {
    fn entry(&mut self, db: u16, entry: &Entry) {
        let mut encoder = lock(&self.0);
        let usage = encoder.usage(entry.clock());
        let head = Head { key: entry.key(), expire: entry.expiry(), usage };
        encoder.entry(db, &head, entry.value());
    }

    fn wants_pause(&self) -> bool {
        lock(&self.0).wants_pause()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// Keys may still come.
    Open,
    /// The checksum is written.
    Closed,
    /// The drain knows that it has everything.
    Told,
}

struct Encoder {
    /// `None` once the checksum is written.
    writer: Option<Writer>,
    selected: Option<u16>,
    /// Keys and expiries of each database at the beginning, until they were written.
    sizes: Vec<Option<(u64, u64)>>,
    /// What the drain did not take yet.
    chunks: VecDeque<Vec<u8>>,
    drain: Box<dyn Drain>,
    end: End,
    keys: u64,
    /// Left the writer, for the drain.
    bytes: u64,
    /// [`encoded`](Self::encoded) when the latest step began.
    step_began_at: u64,
    /// What clocks meant when the image was fixed.
    access: Access,
}

impl Encoder {
    fn new(store: &Store, about: &About, is_compressing: bool, drain: Box<dyn Drain>) -> Encoder {
        let mut writer = Writer::new(is_compressing);
        let mut number = |name: &str, value: u64| writer.aux(name, value.to_string().as_bytes());
        number("redis-bits", 64);
        number("ctime", about.now.seconds());
        number("used-mem", about.memory_bytes);
        number(aux::OPID, about.position.opid);
        number(aux::EPOCH, about.position.epoch.0);
        if let Some(db) = about.stream_db {
            number(aux::STREAM_DB, u64::from(db));
        }
        writer.aux("redis-ver", crate::REDIS_VERSION.as_bytes());
        for (_, code) in store.libraries().iter() {
            writer.function(code);
        }
        let count = |count: usize| count as u64;
        let sizes = (0..store.databases())
            .map(|db| store.db(db))
            .map(|db| Some((count(db.len()), count(db.volatile_len()))))
            .collect();
        Encoder {
            writer: Some(writer),
            selected: None,
            sizes,
            chunks: VecDeque::new(),
            drain,
            end: End::Open,
            keys: 0,
            bytes: 0,
            step_began_at: 0,
            access: Access { now: about.now, ..*store.access() },
        }
    }

    /// What the policy of eviction wants to know of a key again, as in Redis: under the others nothing is kept.
    fn usage(&self, clock: u32) -> Usage {
        match self.access {
            Access { is_lfu: true, .. } => Usage::Frequency(self.access.frequency_before(clock)),
            Access { is_lru: true, .. } => {
                Usage::Idle(u64::from(self.access.idle_seconds_before(clock)))
            }
            Access { .. } => Usage::Unknown,
        }
    }

    /// Bytes of the file so far.
    fn encoded(&self) -> u64 {
        let pending = self.writer.as_ref().map_or(0, Writer::pending_bytes);
        self.bytes + pending as u64
    }

    /// Whether there are keys to visit.
    fn begin_step(&mut self) -> bool {
        self.step_began_at = self.encoded();
        self.end == End::Open
    }

    fn wants_pause(&self) -> bool {
        !self.chunks.is_empty() || self.encoded() - self.step_began_at >= CHUNK_BYTES as u64
    }

    /// Pre-images come from any database, so the file may return to one: its sizes are told once.
    fn entry(&mut self, db: u16, head: &Head<'_>, value: Value<'_>) {
        let writer = self.writer.as_mut().expect("no key comes after the end of the walk");
        if self.selected != Some(db) {
            self.selected = Some(db);
            writer.select(db);
            if let Some((keys, expiries)) = self.sizes[usize::from(db)].take() {
                writer.sizes(keys, expiries);
            }
        }
        encode::put(writer, head, value);
        self.keys += 1;
        if writer.pending_bytes() >= CHUNK_BYTES {
            let chunk = writer.take();
            self.bytes += chunk.len() as u64;
            self.chunks.push_back(chunk);
            self.drain();
        }
    }

    fn close(&mut self) {
        if let Some(writer) = self.writer.take() {
            let last = writer.finish();
            self.bytes += last.len() as u64;
            self.chunks.push_back(last);
            self.end = End::Closed;
        }
    }

    /// Passes chunks on; `true` when none is left.
    fn drain(&mut self) -> bool {
        while let Some(chunk) = self.chunks.pop_front() {
            if let Err(chunk) = self.drain.offer(chunk) {
                self.chunks.push_front(chunk);
                return false;
            }
        }
        if self.end == End::Closed && self.drain.finish() {
            self.end = End::Told;
        }
        true
    }
}
