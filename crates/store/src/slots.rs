//! The keys of one database, slot by slot.
//!
//! ```text
//!   Slots ── 256 groups, made when first needed ── 64 tables each ── Table<Entry>
//!   scan cursor  ┌ slot: 14 bits ┬ position in the slot's table: 48 bits ┐  below 2^62, so it fits an i64
//! ```
//!
//! Invariants
//! - A group exists exactly if it has a key; `keys` counts are exact. So a database without keys costs nothing,
//!   and every walk over slots skips what is empty in steps of 64.

use base::Slot;

use crate::Rng;
use crate::dict::{Entry, Table, hash_of, prefetch_line};

const GROUP_SLOTS: usize = 64;
const GROUPS: usize = Slot::COUNT / GROUP_SLOTS;
const POSITION_BITS: u32 = 48;

/// Where a key belongs: computed once, used for the prefetch and the look-ups.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    pub slot: Slot,
    pub hash: u64,
}

impl Place {
    #[inline]
    pub fn of(key: &[u8]) -> Place {
        Place { slot: Slot::of(key), hash: hash_of(key) }
    }

    /// Slot and position in one number, of which several keys may share one, though hardly ever.
    #[inline]
    pub(crate) fn id(self) -> u64 {
        (u64::from(self.slot.get()) << POSITION_BITS) | (self.hash >> (64 - POSITION_BITS))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Slots {
    /// Empty, or [`GROUPS`] long.
    groups: Vec<Option<Box<Group>>>,
    keys: usize,
}

#[derive(Debug)]
struct Group {
    keys: usize,
    tables: [Table<Entry>; GROUP_SLOTS],
}

impl Slots {
    pub(crate) fn len(&self) -> usize {
        self.keys
    }

    #[inline]
    pub(crate) fn table(&self, slot: Slot) -> Option<&Table<Entry>> {
        let group = self.groups.get(slot.index() / GROUP_SLOTS)?.as_ref()?;
        Some(&group.tables[slot.index() % GROUP_SLOTS])
    }

    /// Loads the head of a slot's table, which says where its buckets are.
    #[inline]
    pub(crate) fn prefetch(&self, slot: Slot) {
        if let Some(table) = self.table(slot) {
            prefetch_line(std::ptr::from_ref(table).cast());
        }
    }

    #[inline]
    fn table_mut(&mut self, slot: Slot) -> Option<&mut Table<Entry>> {
        let group = self.groups.get_mut(slot.index() / GROUP_SLOTS)?.as_mut()?;
        Some(&mut group.tables[slot.index() % GROUP_SLOTS])
    }

    #[inline]
    pub(crate) fn find(&self, place: Place, key: &[u8]) -> Option<&Entry> {
        self.table(place.slot)?.find(place.hash, key)
    }

    #[inline]
    pub(crate) fn find_mut(&mut self, place: Place, key: &[u8]) -> Option<&mut Entry> {
        self.table_mut(place.slot)?.find_mut(place.hash, key)
    }

    /// Adds an entry whose key is not there.
    pub(crate) fn insert_new(&mut self, place: Place, entry: Entry) {
        if self.groups.is_empty() {
            self.groups.resize_with(GROUPS, || None);
        }
        let group = self.groups[place.slot.index() / GROUP_SLOTS].get_or_insert_with(|| {
            Box::new(Group { keys: 0, tables: std::array::from_fn(|_| Table::new()) })
        });
        group.tables[place.slot.index() % GROUP_SLOTS].insert_new(place.hash, entry);
        group.keys += 1;
        self.keys += 1;
    }

    pub(crate) fn remove(&mut self, place: Place, key: &[u8]) -> Option<Entry> {
        let group = self.groups.get_mut(place.slot.index() / GROUP_SLOTS)?;
        let inside = group.as_mut()?;
        let entry = inside.tables[place.slot.index() % GROUP_SLOTS].remove(place.hash, key)?;
        inside.keys -= 1;
        if inside.keys == 0 {
            *group = None;
        }
        self.keys -= 1;
        Some(entry)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        let tables = self.groups.iter().flatten().flat_map(|group| &group.tables);
        tables.flat_map(Table::iter)
    }

    /// The first slot from `slot` on whose table is not empty.
    fn next_filled(&self, slot: usize) -> Option<Slot> {
        let mut slot = slot;
        while slot < Slot::COUNT {
            match self.groups.get(slot / GROUP_SLOTS)? {
                None => slot = (slot / GROUP_SLOTS + 1) * GROUP_SLOTS,
                Some(group) if group.tables[slot % GROUP_SLOTS].is_empty() => slot += 1,
                Some(_) => return slot_at(slot),
            }
        }
        None
    }

    /// Visits the keys of one bucket from `cursor` on and returns the next cursor, 0 at the end.
    pub(crate) fn scan(&self, cursor: u64, visit: impl FnMut(&Entry)) -> u64 {
        let Some((slot, position)) = self.resume(cursor) else { return 0 };
        let next = self.table(slot).map_or(0, |table| table.scan(position, visit));
        self.next_cursor(slot, next)
    }

    /// As [`scan`](Self::scan), for visitors that change flags of the entries.
    pub(crate) fn scan_mut(&mut self, cursor: u64, visit: impl FnMut(&mut Entry)) -> u64 {
        let Some((slot, position)) = self.resume(cursor) else { return 0 };
        let next = self.table_mut(slot).map_or(0, |table| table.scan_mut(position, visit));
        self.next_cursor(slot, next)
    }

    /// The slot and position to look at for a cursor: those of the cursor, or the next filled slot.
    fn resume(&self, cursor: u64) -> Option<(Slot, u64)> {
        let wanted = usize::try_from(cursor >> POSITION_BITS).ok()?;
        let slot = self.next_filled(wanted)?;
        let position = cursor & ((1 << POSITION_BITS) - 1);
        Some((slot, if slot.index() == wanted { position } else { 0 }))
    }

    fn next_cursor(&self, slot: Slot, position: u64) -> u64 {
        let next = match position {
            0 => self.next_filled(slot.index() + 1).map(|slot| (slot, 0)),
            position => Some((slot, position)),
        };
        next.map_or(0, |(slot, position)| (u64::from(slot.get()) << POSITION_BITS) | position)
    }

    /// A table, each with a chance by its length.
    fn random_table(&self, rng: &mut Rng) -> Option<&Table<Entry>> {
        if self.keys == 0 {
            return None;
        }
        let mut left = rng.index(self.keys);
        for group in self.groups.iter().flatten() {
            if left >= group.keys {
                left -= group.keys;
                continue;
            }
            for table in &group.tables {
                if left < table.len() {
                    return Some(table);
                }
                left -= table.len();
            }
        }
        unreachable!("the counts of keys are exact")
    }

    /// A random entry, all with the same chance.
    pub(crate) fn random(&self, rng: &mut Rng) -> Option<&Entry> {
        self.random_table(rng)?.random(rng)
    }

    /// Visits up to `count` entries from random places; one may come twice.
    pub(crate) fn sample<'s>(
        &'s self,
        rng: &mut Rng,
        count: usize,
        mut visit: impl FnMut(&'s Entry),
    ) {
        let mut left = count;
        for _ in 0..count {
            let Some(table) = self.random_table(rng) else { return };
            table.sample(rng, left, |entry| {
                visit(entry);
                left -= 1;
            });
            if left == 0 {
                return;
            }
        }
    }

    /// Moves buckets of the tables of one group that are being resized; `group` counts round.
    pub(crate) fn step_group(&mut self, group: usize, buckets: u32) {
        if let Some(Some(group)) = self.groups.get_mut(group % GROUPS) {
            for table in &mut group.tables {
                table.step(buckets);
            }
        }
    }

    /// Bytes of the tables; those of the entries are not in it.
    pub(crate) fn bytes(&self) -> usize {
        let groups = self.groups.iter().flatten();
        self.groups.capacity() * size_of::<Option<Box<Group>>>()
            + groups
                .map(|group| {
                    size_of::<Group>() + group.tables.iter().map(Table::bytes).sum::<usize>()
                })
                .sum::<usize>()
    }
}

fn slot_at(index: usize) -> Option<Slot> {
    u16::try_from(index).ok().and_then(Slot::new)
}
