//! One database: its keys by slot, and an index of those that can expire.
//!
//! ```text
//!   Db ── Slots ── Table<Entry> a slot
//!     |── Volatile ── Table<Id>: slot and hash position of each key with an expiry, 8 bytes in a cell
//!     `── VolatileHashes ── the same of each hash that has a field with a deadline
//! ```
//!
//! An index is a table of numbers, not of pointers: an entry may move in memory without telling it,
//! nothing in it can dangle, and a key costs 12-16 bytes there, volatile keys only. From an id to
//! its entries: all entries at that position of that slot's table (one, as a rule).
//!
//! Invariants
//! - An index holds one id for every entry that it is about, and no other.
//! - `find_mut`, `assign`, `insert`, `take`, `set_expiry` and `flush` are the only ways to change an entry; each tells a
//!   running snapshot first.

use base::{Slot, UnixMs};
use wire::effect::Expiry;

use crate::Rng;
use crate::apply::ApplyError;
use crate::dict::{Entry, Item, Table};
use crate::environment::Environment;
use crate::slots::{Place, Slots};
use crate::value::{Body, Kind, Value};

/// Share of a table's buckets that falls on one key, for MEMORY USAGE.
const CELL_BYTES: usize = 14;

/// One database.
#[derive(Debug, Default)]
pub struct Db {
    slots: Slots,
    volatile: Table<Id>,
    volatile_hashes: Table<Id>,
    /// Number of this database when the running snapshot began.
    pub(crate) image: u16,
}

/// [`Place::id`] of a volatile key.
#[derive(Debug)]
struct Id(u64);

impl Item for Id {
    type Key = u64;

    fn hash(&self) -> u64 {
        hash_of_id(self.0)
    }

    fn is(&self, key: &u64) -> bool {
        self.0 == *key
    }
}

/// Ids are hashes already, but in slot order; this spreads them (finalizer of MurmurHash3).
fn hash_of_id(id: u64) -> u64 {
    let mut hash = id;
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// Which of the indexes an entry is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Marks {
    /// The key has an expiry.
    key: bool,
    /// It is a hash that has a field with a deadline.
    fields: bool,
}

impl Marks {
    fn of(entry: &Entry) -> Marks {
        Marks { key: entry.expiry().is_some(), fields: has_deadlines(entry) }
    }
}

fn has_deadlines(entry: &Entry) -> bool {
    matches!(entry.value(), Value::Hash(hash) if hash.has_deadlines())
}

/// Reading.
impl Db {
    /// Keys, also those that are due but not yet removed.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keys with an expiry.
    pub fn volatile_len(&self) -> usize {
        self.volatile.len()
    }

    /// Hashes that have a field with a deadline.
    pub fn volatile_hashes_len(&self) -> usize {
        self.volatile_hashes.len()
    }

    /// Keys in one slot.
    pub fn slot_len(&self, slot: Slot) -> usize {
        self.slots.table(slot).map_or(0, Table::len)
    }

    /// The entry of a key, whether it is due or not.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<&Entry> {
        self.slots.find(Place::of(key), key)
    }

    /// As [`get`](Self::get) for a caller who knows the key's place.
    #[inline]
    pub fn get_at(&self, place: Place, key: &[u8]) -> Option<&Entry> {
        self.slots.find(place, key)
    }

    /// Stage one of a prefetch: the head of the slot's table.
    #[inline]
    pub fn prefetch_table(&self, slot: Slot) {
        self.slots.prefetch(slot);
    }

    /// Stage two: the bucket.
    #[inline]
    pub fn prefetch_bucket(&self, place: Place) {
        if let Some(table) = self.slots.table(place.slot) {
            table.prefetch(place.hash);
        }
    }

    /// Stage three: the entry, once the bucket has come.
    #[inline]
    pub fn prefetch_entry(&self, place: Place) {
        if let Some(table) = self.slots.table(place.slot) {
            table.prefetch_items(place.hash);
        }
    }

    /// Visits the keys of one bucket from `cursor` (0 at first) and returns the cursor to go on with: 0
    /// at the end, else below 2^62. A key that is there from the first call to the last is visited
    /// exactly once. Any number is a valid cursor.
    pub fn scan(&self, cursor: u64, visit: impl FnMut(&Entry)) -> u64 {
        self.slots.scan(cursor, visit)
    }

    /// Visits all entries of one slot.
    pub fn slot_iter(&self, slot: Slot) -> impl Iterator<Item = &Entry> {
        self.slots.table(slot).into_iter().flat_map(Table::iter)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter()
    }

    /// A random entry, all with the same chance.
    pub fn random(&self, rng: &mut Rng) -> Option<&Entry> {
        self.slots.random(rng)
    }

    /// Visits up to `count` entries from random places; one may come twice.
    pub fn sample<'d>(&'d self, rng: &mut Rng, count: usize, visit: impl FnMut(&'d Entry)) {
        self.slots.sample(rng, count, visit);
    }

    /// As [`sample`](Self::sample), among the keys with an expiry.
    pub fn sample_volatile<'d>(
        &'d self,
        rng: &mut Rng,
        count: usize,
        mut visit: impl FnMut(&'d Entry),
    ) {
        let mut ids = Vec::with_capacity(count);
        self.volatile.sample(rng, count, |id| ids.push(id.0));
        for id in ids {
            self.at_id(id, |entry| entry.expiry().is_some(), &mut visit);
        }
    }

    /// Visits the volatile keys of one bucket of their index; cursors as in [`scan`](Self::scan).
    pub fn scan_volatile<'d>(&'d self, cursor: u64, mut visit: impl FnMut(&'d Entry)) -> u64 {
        let mut ids = Vec::new();
        let next = self.volatile.scan(cursor, |id| ids.push(id.0));
        for id in ids {
            self.at_id(id, |entry| entry.expiry().is_some(), &mut visit);
        }
        next
    }

    /// As [`scan_volatile`](Self::scan_volatile), the hashes that have a field with a deadline.
    pub fn scan_volatile_hashes<'d>(
        &'d self,
        cursor: u64,
        mut visit: impl FnMut(&'d Entry),
    ) -> u64 {
        let mut ids = Vec::new();
        let next = self.volatile_hashes.scan(cursor, |id| ids.push(id.0));
        for id in ids {
            self.at_id(id, has_deadlines, &mut visit);
        }
        next
    }

    fn at_id<'d>(
        &'d self,
        id: u64,
        is_meant: impl Fn(&Entry) -> bool,
        visit: &mut impl FnMut(&'d Entry),
    ) {
        let slot = u16::try_from(id >> 48).ok().and_then(Slot::new);
        let table = slot.and_then(|slot| self.slots.table(slot));
        let table = table.expect("an id in the index stands for an entry");
        for entry in table.at_position(id & ((1 << 48) - 1)) {
            if is_meant(entry) {
                visit(entry);
            }
        }
    }

    /// What a key costs, for MEMORY USAGE; a large collection is judged by `samples` elements
    /// (0: by all).
    pub fn memory_usage(&self, key: &[u8], samples: usize) -> Option<usize> {
        let entry = self.get(key)?;
        let index = if entry.expiry().is_some() { 2 * CELL_BYTES } else { CELL_BYTES };
        Some(index + entry.heap_bytes(samples))
    }

    /// Bytes of the tables, for MEMORY STATS.
    pub fn table_bytes(&self) -> usize {
        self.slots.bytes() + self.volatile.bytes() + self.volatile_hashes.bytes()
    }
}

/// Changing.
impl Db {
    /// Gives the entry of a key for changing, counts it as used, and lets a snapshot see it first. An entry of
    /// another kind is an error, and nothing happens to it. The caller must not empty a collection
    /// and leave it.
    pub(crate) fn find_mut(
        &mut self,
        env: &mut Environment,
        place: Place,
        key: &[u8],
        kind: Kind,
    ) -> Result<Option<&mut Entry>, ApplyError> {
        let Some(entry) = self.slots.find_mut(place, key) else { return Ok(None) };
        if entry.kind() != kind {
            return Err(ApplyError::WrongType);
        }
        env.capture.before_change(self.image, entry);
        entry.set_clock(env.access.touched(entry.clock(), &mut env.rng));
        Ok(Some(entry))
    }

    /// The entry of a key that is being used, as a reader sees it.
    #[inline]
    pub(crate) fn touch(
        &mut self,
        env: &mut Environment,
        place: Place,
        key: &[u8],
    ) -> Option<&Entry> {
        let entry = self.slots.find_mut(place, key)?;
        entry.set_clock(env.access.touched(entry.clock(), &mut env.rng));
        Some(entry)
    }

    /// Sets the access clock of a key and returns whether it is there. The clock is no part of the data, so no
    /// snapshot needs to know.
    pub(crate) fn set_clock(&mut self, key: &[u8], clock: u32) -> bool {
        let entry = self.slots.find_mut(Place::of(key), key);
        entry.map(|entry| entry.set_clock(clock)).is_some()
    }

    /// A consumer of a stream has asked for entries. Like the access clock of a key, that is no part of the data.
    pub(crate) fn see_consumer(&mut self, key: &[u8], group: &[u8], consumer: &[u8], at: UnixMs) {
        let entry = self.slots.find_mut(Place::of(key), key);
        if let Some(stream) = entry.and_then(Entry::stream_mut) {
            crate::apply::stream::see_consumer(stream, group, consumer, at);
        }
    }

    /// Stores an entry, in the place of one with the same key if there is one.
    pub(crate) fn insert(&mut self, env: &mut Environment, entry: Entry) {
        self.insert_at(env, Place::of(entry.key()), entry);
    }

    /// As [`insert`](Self::insert) for a caller who knows the key's place.
    pub(crate) fn insert_at(&mut self, env: &mut Environment, place: Place, mut entry: Entry) {
        env.capture.mark_visited(&mut entry);
        let after = Marks::of(&entry);
        if let Some(old) = self.slots.find_mut(place, entry.key()) {
            env.capture.before_change(self.image, old);
            let old = std::mem::replace(old, entry);
            self.index(place, Marks::of(&old), after);
            env.bury(old.into_boxed());
        } else {
            self.slots.insert_new(place, entry);
            self.index(place, Marks::default(), after);
        }
    }

    /// Removes an entry and returns it.
    pub(crate) fn take(&mut self, env: &mut Environment, key: &[u8]) -> Option<Entry> {
        self.take_at(env, Place::of(key), key)
    }

    fn take_at(&mut self, env: &mut Environment, place: Place, key: &[u8]) -> Option<Entry> {
        if env.capture.walk.is_some()
            && let Some(entry) = self.slots.find_mut(place, key)
        {
            env.capture.before_change(self.image, entry);
        }
        let entry = self.slots.remove(place, key)?;
        self.index(place, Marks::of(&entry), Marks::default());
        Some(entry)
    }

    /// Removes an entry; whether it was there.
    pub(crate) fn remove(&mut self, env: &mut Environment, place: Place, key: &[u8]) -> bool {
        let Some(entry) = self.take_at(env, place, key) else { return false };
        env.bury(entry.into_boxed());
        true
    }

    /// Stores a value whatever was there, with one look-up: SET.
    pub(crate) fn assign(
        &mut self,
        env: &mut Environment,
        place: Place,
        key: &[u8],
        body: Body<'_>,
        expiry: Expiry,
    ) {
        let Some(entry) = self.slots.find_mut(place, key) else {
            let expiry = match expiry {
                Expiry::Keep | Expiry::Clear => None,
                Expiry::At(at) => Some(at),
            };
            let mut entry = Entry::new(key, expiry, body);
            entry.set_clock(env.access.fresh());
            env.capture.mark_visited(&mut entry);
            self.slots.insert_new(place, entry);
            self.index_key(place, false, expiry.is_some());
            return;
        };
        env.capture.before_change(self.image, entry);
        entry.set_clock(env.access.touched(entry.clock(), &mut env.rng));
        let before = Marks::of(entry);
        let expiry = match expiry {
            Expiry::Keep => entry.expiry(),
            Expiry::Clear => None,
            Expiry::At(at) => Some(at),
        };
        let old = entry.assign(body, expiry);
        let after = Marks::of(entry);
        env.bury(old);
        self.index(place, before, after);
    }

    /// Sets or removes the expiry of a key and returns the old one; `None` when there is no such key.
    pub(crate) fn set_expiry(
        &mut self,
        env: &mut Environment,
        key: &[u8],
        expiry: Option<UnixMs>,
    ) -> Option<Option<UnixMs>> {
        let place = Place::of(key);
        let entry = self.slots.find_mut(place, key)?;
        let old = entry.expiry();
        if old != expiry {
            env.capture.before_change(self.image, entry);
            entry.set_expiry(expiry);
            self.index_key(place, old.is_some(), expiry.is_some());
        }
        Some(old)
    }

    /// Removes everything and returns how many keys there were.
    pub(crate) fn flush(&mut self, env: &mut Environment) -> usize {
        let keys = self.len();
        let slots = std::mem::take(&mut self.slots);
        let volatile =
            (std::mem::take(&mut self.volatile), std::mem::take(&mut self.volatile_hashes));
        if let Some(slots) = env.capture.before_flush(self.image, slots)
            && slots.len() > 0
        {
            env.graveyard.bury((slots, volatile), keys);
        }
        keys
    }

    /// Walks on for the running snapshot; `true` when this database is done.
    pub(crate) fn walk(&mut self, env: &mut Environment, budget: &mut usize) -> bool {
        env.capture.walk_slots(&mut self.slots, budget)
    }

    /// Moves buckets of tables that are being resized, those of one group of slots.
    pub(crate) fn step_group(&mut self, group: usize, buckets: u32) {
        self.slots.step_group(group, buckets);
        self.volatile.step(buckets);
        self.volatile_hashes.step(buckets);
    }

    /// Keeps the indexes true to an entry.
    #[inline]
    fn index(&mut self, place: Place, before: Marks, after: Marks) {
        self.index_key(place, before.key, after.key);
        self.index_fields(place, before.fields, after.fields);
    }

    /// Keeps the index true to the expiry of an entry.
    #[inline]
    fn index_key(&mut self, place: Place, was_volatile: bool, is_volatile: bool) {
        reindex(&mut self.volatile, place, was_volatile, is_volatile);
    }

    /// Keeps the index true to a hash, some of whose fields have deadlines, or none.
    #[inline]
    pub(crate) fn index_fields(&mut self, place: Place, had_deadlines: bool, has_deadlines: bool) {
        reindex(&mut self.volatile_hashes, place, had_deadlines, has_deadlines);
    }
}

#[inline]
fn reindex(index: &mut Table<Id>, place: Place, was_there: bool, is_there: bool) {
    if was_there == is_there {
        return;
    }
    let id = place.id();
    if is_there {
        index.insert_new(hash_of_id(id), Id(id));
    } else {
        let removed = index.remove(hash_of_id(id), &id);
        assert!(removed.is_some(), "every entry that the index is about is in it");
    }
}
