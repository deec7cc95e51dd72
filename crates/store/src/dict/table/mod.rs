//! A hash table in hash order, in cache lines, that never stops to grow.
//!
//! ```text
//!   hash  ┌──────── position: 48 bits ────────┬─ 8 ─┬─ tag: 8 ─┐
//!         └───────────────────────────────────┴─────┴──────────┘
//!   bucket = position * count / 2^48          so: bucket order = position order, for any count
//!
//!   moving:   new  │▓▓▓▓▓▓▓▓▓▓▓▓▓│               │     position < frontier  is in new
//!             old  │             │▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓│     position >= frontier is in old
//!                                ^ frontier
//! ```
//!
//! Invariants
//! - An item stands in the chain of the bucket that its position selects, in the one array that
//!   `frontier` selects: a look-up touches one array, also while the table moves.
//! - `frontier` is the start of old bucket `next`; the old buckets before it are empty. New buckets
//!   exist as far as the frontier has come, old ones from it on.
//! - A scan cursor is a position, so it means the same before and after any resize.
//! - No two items are equal, unless the owner inserts them with [`Table::insert_new`].

mod buckets;
mod grow;
mod scan;
#[cfg(test)]
mod tests;

pub(crate) use buckets::prefetch_line;
use buckets::{Buckets, tag_of};
use grow::{AT_ONCE_BUCKETS_MAX, BUCKETS_MOVED_PER_CHANGE};

/// What a [`Table`] holds: 8 bytes, a thin owning pointer as a rule.
pub trait Item {
    /// What an item is looked up by.
    type Key: ?Sized;

    /// The hash of the item's key, from [`hash_of`](super::hash_of) or as well mixed.
    fn hash(&self) -> u64;

    /// Whether this is the item with that key.
    fn is(&self, key: &Self::Key) -> bool;
}

/// An unordered-to-the-user map or set of items. An empty table owns no memory.
///
/// The hash of a key is passed in beside the key, so that one computation serves the prefetch, the
/// look-up and the insertion; it must be `T::hash` of the item with that key.
#[derive(Debug)]
pub struct Table<T: Item> {
    buckets: Buckets<T>,
    length: usize,
    moving: Option<Box<Moving<T>>>,
}

/// The rest of the array that a table is leaving.
#[derive(Debug)]
struct Moving<T> {
    old: Buckets<T>,
    /// First old bucket that was not moved.
    next: u32,
    /// Where that bucket starts.
    frontier: u64,
}

/// Bits of a position.
const POSITION_BITS: u32 = 48;

/// Where a hash stands in hash order.
#[inline]
fn position_of(hash: u64) -> u64 {
    hash >> (64 - POSITION_BITS)
}

#[inline]
fn index_of(position: u64, count: u32) -> u32 {
    ((u128::from(position) * u128::from(count)) >> POSITION_BITS) as u32
}

/// The lowest position in bucket `index` of `count`; 2^48 behind the last one.
fn start_of(index: u32, count: u32) -> u64 {
    (u128::from(index) << POSITION_BITS).div_ceil(u128::from(count)) as u64
}

impl<T: Item> Default for Table<T> {
    fn default() -> Self {
        Table::new()
    }
}

impl<T: Item> Table<T> {
    pub const fn new() -> Table<T> {
        Table { buckets: Buckets::EMPTY, length: 0, moving: None }
    }

    /// An empty table with room for `items`.
    pub fn with_capacity(items: usize) -> Table<T> {
        Table { buckets: Buckets::new(grow::fitting(items)), length: 0, moving: None }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.length
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bytes of the buckets; what the items own is not in it.
    pub fn bytes(&self) -> usize {
        let moving =
            self.moving.as_ref().map_or(0, |moving| moving.old.bytes() + size_of_val(&**moving));
        self.buckets.bytes() + moving
    }

    /// The array and the bucket where a position belongs. The table must not be empty.
    #[inline]
    fn home(&self, position: u64) -> (&Buckets<T>, u32) {
        match &self.moving {
            Some(moving) if position >= moving.frontier => {
                (&moving.old, index_of(position, moving.old.count()))
            }
            _ => (&self.buckets, index_of(position, self.buckets.count())),
        }
    }

    #[inline]
    fn home_mut(&mut self, position: u64) -> (&mut Buckets<T>, u32) {
        match &mut self.moving {
            Some(moving) if position >= moving.frontier => {
                let index = index_of(position, moving.old.count());
                (&mut moving.old, index)
            }
            _ => {
                let index = index_of(position, self.buckets.count());
                (&mut self.buckets, index)
            }
        }
    }

    #[inline]
    pub fn find(&self, hash: u64, key: &T::Key) -> Option<&T> {
        if self.length == 0 {
            return None;
        }
        let (buckets, index) = self.home(position_of(hash));
        buckets.find(index, tag_of(hash), |item| item.is(key))
    }

    /// As [`find`](Self::find); the item may be replaced, but only by one with the same key.
    #[inline]
    pub fn find_mut(&mut self, hash: u64, key: &T::Key) -> Option<&mut T> {
        if self.length == 0 {
            return None;
        }
        let (buckets, index) = self.home_mut(position_of(hash));
        buckets.find_mut(index, tag_of(hash), |item| item.is(key))
    }

    /// Stage one of a prefetch: loads the bucket of this hash.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        if self.length != 0 {
            let (buckets, index) = self.home(position_of(hash));
            buckets.prefetch(index);
        }
    }

    /// Stage two: loads the items that may have this hash. Worth its while once the bucket is there.
    #[inline]
    pub fn prefetch_items(&self, hash: u64) {
        if self.length != 0 {
            let (buckets, index) = self.home(position_of(hash));
            buckets.prefetch_items(index, tag_of(hash));
        }
    }

    /// Adds an item whose key is not in the table.
    pub fn insert_new(&mut self, hash: u64, item: T) {
        debug_assert_eq!(hash, item.hash(), "the hash belongs to the item");
        if self.buckets.count() == 0 {
            self.buckets = Buckets::new(1);
        }
        let (buckets, index) = self.home_mut(position_of(hash));
        buckets.insert(index, tag_of(hash), item);
        self.length += 1;
        if self.moving.is_some() {
            self.step(BUCKETS_MOVED_PER_CHANGE);
        } else if self.length > grow::capacity(self.buckets.count()) {
            self.resize(grow::step_up(self.buckets.count()));
        }
    }

    /// Removes the item with this key and returns it.
    pub fn remove(&mut self, hash: u64, key: &T::Key) -> Option<T> {
        if self.length == 0 {
            return None;
        }
        let (buckets, index) = self.home_mut(position_of(hash));
        let item = buckets.remove(index, tag_of(hash), |item| item.is(key))?;
        self.length -= 1;
        if self.length == 0 {
            *self = Table::new();
        } else if self.moving.is_some() {
            self.step(BUCKETS_MOVED_PER_CHANGE);
        } else if grow::is_sparse(self.length, self.buckets.count()) {
            self.resize(grow::fitting(self.length));
        }
        Some(item)
    }

    /// Whether an array is being left.
    pub fn is_moving(&self) -> bool {
        self.moving.is_some()
    }

    /// Moves up to `buckets` buckets of a resize that is under way; `true` when some remain.
    /// Changes do this by themselves; a background loop may hurry it.
    pub fn step(&mut self, buckets: u32) -> bool {
        for _ in 0..buckets {
            let Some(moving) = &mut self.moving else { return false };
            let (index, count) = (moving.next, moving.old.count());
            if index + 1 < count {
                moving.old.prefetch_all(index + 1);
            }
            let new = &mut self.buckets;
            // What the frontier passes must exist, also where no item goes.
            moving.frontier = start_of(index + 1, count);
            new.provide(index_of(moving.frontier - 1, new.count()));
            moving.old.drain(index, |item| {
                let hash = item.hash();
                new.insert(index_of(position_of(hash), new.count()), tag_of(hash), item);
            });
            moving.old.release(index);
            moving.next = index + 1;
            if moving.next == count
                && let Some(moving) = self.moving.take()
            {
                moving.old.free_drained();
            }
        }
        self.moving.is_some()
    }

    fn resize(&mut self, count: u32) {
        let old = std::mem::replace(&mut self.buckets, Buckets::unprovided(count));
        let at_once = old.count() <= AT_ONCE_BUCKETS_MAX;
        self.moving = Some(Box::new(Moving { old, next: 0, frontier: 0 }));
        if at_once {
            self.step(AT_ONCE_BUCKETS_MAX);
        }
    }
}
