//! Ways through a whole table: scan by cursor, iteration, random items.

use super::{Item, POSITION_BITS, Table, position_of, start_of};
use crate::rng::Rng;

/// A random pick looks for one of so many cells in a chain; at a load of 5.5 one chain in 50,000 is longer.
const CHAIN_CELLS: u64 = 16;
/// Failed picks after which the next item in hash order is taken instead.
const PICKS_MAX: u32 = 256;

impl<T: Item> Table<T> {
    /// Visits the items of one bucket, from position `cursor` (0 at first), and returns the cursor to go on
    /// with: 0 at the end, else greater than `cursor` and below 2^48.
    ///
    /// Whatever happens to the table between two calls, an item that is in it from the first call to
    /// the last is visited exactly once. Any number is a valid cursor.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(&T)) -> u64 {
        if self.is_empty() || cursor >> POSITION_BITS != 0 {
            return 0;
        }
        let next = self.behind(cursor);
        self.prefetch_scan(cursor, next);
        let (buckets, index) = self.home(cursor);
        let inside = start_of(index, buckets.count()) < cursor;
        for item in buckets.chain(index) {
            if !inside || position_of(item.hash()) >= cursor {
                visit(item);
            }
        }
        next
    }

    /// As [`scan`](Self::scan). The visitor must leave the keys of the items alone.
    pub fn scan_mut(&mut self, cursor: u64, mut visit: impl FnMut(&mut T)) -> u64 {
        if self.is_empty() || cursor >> POSITION_BITS != 0 {
            return 0;
        }
        let next = self.behind(cursor);
        self.prefetch_scan(cursor, next);
        let (buckets, index) = self.home_mut(cursor);
        let inside = start_of(index, buckets.count()) < cursor;
        buckets.visit_mut(index, |item| {
            if !inside || position_of(item.hash()) >= cursor {
                visit(item);
            }
        });
        next
    }

    /// Loads what the items of the next bucket point to while those of this one are visited. Whoever visits reads
    /// them, and one after the other the waits for memory would be most of a scan.
    #[inline]
    fn prefetch_scan(&self, cursor: u64, next: u64) {
        let first = (cursor == 0).then_some(cursor);
        for position in first.into_iter().chain((next != 0).then_some(next)) {
            let (buckets, index) = self.home(position);
            buckets.prefetch_all(index);
        }
    }

    /// Where the bucket of `cursor` ends: the next cursor.
    fn behind(&self, cursor: u64) -> u64 {
        let (buckets, index) = self.home(cursor);
        let mut end = start_of(index + 1, buckets.count());
        if let Some(moving) = &self.moving
            && cursor < moving.frontier
        {
            // Of the new bucket at the frontier only the part below it is filled.
            end = end.min(moving.frontier);
        }
        if end >> POSITION_BITS == 0 { end } else { 0 }
    }

    /// The items at exactly this position: one, as a rule.
    pub(crate) fn at_position(&self, position: u64) -> impl Iterator<Item = &T> {
        let home = (!self.is_empty()).then(|| self.home(position));
        home.into_iter()
            .flat_map(|(buckets, index)| buckets.chain(index))
            .filter(move |item| position_of(item.hash()) == position)
    }

    /// All items, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let old = self.moving.as_ref().map(|moving| &moving.old);
        std::iter::once(&self.buckets)
            .chain(old)
            .flat_map(|buckets| buckets.existing().flat_map(|index| buckets.chain(index)))
    }

    /// A random item, each with the same chance (but for chains that are longer than
    /// 16 items). `None` when the table is empty.
    pub fn random(&self, rng: &mut Rng) -> Option<&T> {
        if self.is_empty() {
            return None;
        }
        // A position falls on a bucket with a chance of 1/count; the rejection makes up for different
        // lengths, and, while the table moves, for different counts.
        let old_count = self.moving.as_ref().map_or(0, |moving| moving.old.count());
        let count_max = u64::from(self.buckets.count().max(old_count));
        for _ in 0..PICKS_MAX {
            let (buckets, index) = self.home(rng.next_u64() >> (64 - POSITION_BITS));
            let cell = rng.below(CHAIN_CELLS * count_max / u64::from(buckets.count()));
            if let Some(item) = buckets.chain(index).nth(cell as usize) {
                return Some(item);
            }
        }
        let mut found = None;
        self.sample(rng, 1, |item| found = Some(item));
        found.or_else(|| self.iter().next())
    }

    /// Visits up to `count` items that stand next to each other from a random place on: cheap, and
    /// random enough for eviction. Looks at no more than 16 + `count` buckets.
    pub fn sample<'t>(&'t self, rng: &mut Rng, count: usize, mut visit: impl FnMut(&'t T)) {
        if self.is_empty() {
            return;
        }
        let start = rng.next_u64() >> (64 - POSITION_BITS);
        let (mut left, mut position, mut is_wrapped) = (count, start, false);
        for _ in 0..16 + count {
            let (buckets, index) = self.home(position);
            for item in buckets.chain(index) {
                if left == 0 {
                    return;
                }
                visit(item);
                left -= 1;
            }
            position = self.behind(position);
            is_wrapped |= position == 0;
            let end = self.behind(position);
            if is_wrapped && (end == 0 || end > start) {
                return;
            }
        }
    }
}
