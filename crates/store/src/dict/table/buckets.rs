//! One array of 64-byte buckets and their overflow chains: the memory under a [`Table`](super::Table).
//!
//! ```text
//!   bucket, one cache line           full: the 7th cell becomes the link
//!   ┌ tags 7 x u8 ┬ linked u8 ┬ cell 0 ┬ cell 1 ┬ ... ┬ cell 6 / link ┐
//!   └─────────────┴───────────┴────────┴────────┴─────┴───────┬───────┘
//!                                                             └─▶ overflow bucket ─▶ ...
//! ```
//!
//! Invariants
//! - A cell holds an item exactly if its tag is not 0; all-zero memory is an empty bucket.
//! - `linked` is 0 or 1; if 1, tag 6 is 0 and cell 6 holds the only pointer to the overflow bucket.
//! - No overflow bucket is empty. Items of a chain stand in no order.
//!
//! An array of more than [`SEGMENT_BUCKETS`] is cut into segments of so many, which come and go one by one:
//! neither a table that grows nor one that was left ever has to touch megabytes at once.
//!
//! ```text
//!   few    first ──▶ bucket bucket ...
//!   many   first ──▶ ┌ segment 0 ┬ segment 1 ┬ ... ┐ each null or ──▶ 4,096 buckets
//!                    └───────────┴───────────┴─────┘
//! ```
//!
//! - The segments that exist follow one another without a gap: a new array is provided from its start on, and
//!   an old one is released from its start on.
//!
//! This module is one of the few with `unsafe`. What it offers outwards is safe: indexes are
//! checked, items are handed out under the borrow of the array.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::mem::{ManuallyDrop, size_of};
use std::ops::Range;
use std::ptr::NonNull;

/// Items in a bucket that has no overflow.
pub(super) const BUCKET_ITEMS: usize = 7;
/// Bytes of a bucket.
pub(super) const BUCKET_BYTES: usize = LINE_BYTES;
/// What the CPU loads at once.
const LINE_BYTES: usize = 64;

/// Buckets of a segment: 256 KiB, which take some tens of microseconds to come by and to give back. Fewer in
/// unit tests, so that small tables have many.
pub(super) const SEGMENT_BUCKETS: u32 = if cfg!(test) { 128 } else { 4096 };

const LINK: usize = BUCKET_ITEMS - 1;
const ONES: u64 = 0x0101_0101_0101_0101;
const LOW_7_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
/// The high bit of each of the 7 tag bytes; the 8th byte of the word is `linked`.
const TAG_HIGH_BITS: u64 = 0x0080_8080_8080_8080;

union Cell<T> {
    item: ManuallyDrop<T>,
    link: NonNull<Bucket<T>>,
}

#[repr(C, align(64))]
struct Bucket<T> {
    tags: [u8; BUCKET_ITEMS],
    linked: u8,
    cells: [Cell<T>; BUCKET_ITEMS],
}

/// The tag of a hash: its lowest byte (the position uses the highest ones), never 0.
#[inline]
pub(super) fn tag_of(hash: u64) -> u8 {
    hash.to_le_bytes()[0].max(1)
}

/// Iterates over the bytes whose high bit is set in a mask.
struct Hits(u64);

impl Iterator for Hits {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let at = (self.0.trailing_zeros() / 8) as usize;
        self.0 &= self.0 - 1;
        Some(at)
    }
}

impl<T> Bucket<T> {
    #[inline]
    fn word(&self) -> u64 {
        let [a, b, c, d, e, f, g] = self.tags;
        u64::from_le_bytes([a, b, c, d, e, f, g, self.linked])
    }

    /// Cells whose tag may be `tag`. The subtraction can borrow into the byte above a true hit, so
    /// there may be a false one; only occupied cells are ever named because `tag` is not 0.
    #[inline]
    fn candidates(&self, tag: u8) -> Hits {
        let word = self.word();
        let differs = word ^ (ONES * u64::from(tag));
        let equal = differs.wrapping_sub(ONES) & !differs;
        Hits(equal & TAG_HIGH_BITS & Self::occupied_mask(word))
    }

    #[inline]
    fn occupied_mask(word: u64) -> u64 {
        (((word & LOW_7_BITS) + LOW_7_BITS) | word) & TAG_HIGH_BITS
    }

    #[inline]
    fn occupied(&self) -> Hits {
        Hits(Self::occupied_mask(self.word()))
    }

    /// A cell that can take an item without a new bucket.
    #[inline]
    fn vacant(&self) -> Option<usize> {
        let mut free = !Self::occupied_mask(self.word()) & TAG_HIGH_BITS;
        if self.linked != 0 {
            free &= !(0x80 << (8 * LINK));
        }
        Hits(free).next()
    }

    #[inline]
    fn link(&self) -> Option<NonNull<Bucket<T>>> {
        // SAFETY: by the invariant of `linked`, cell 6 holds the link.
        (self.linked != 0).then(|| unsafe { self.cells[LINK].link })
    }

    #[inline]
    fn next(&self) -> Option<&Bucket<T>> {
        // SAFETY: a link is the only pointer to a live bucket, owned by this chain, which `self` borrows.
        self.link().map(|link| unsafe { link.as_ref() })
    }

    #[inline]
    fn next_mut(&mut self) -> Option<&mut Bucket<T>> {
        // SAFETY: as in `next`; the borrow of the chain is unique.
        self.link().map(|mut link| unsafe { link.as_mut() })
    }

    /// The item of an occupied cell.
    #[inline]
    fn item(&self, cell: usize) -> &T {
        assert!(self.tags[cell] != 0, "only occupied cells hold an item");
        // SAFETY: the tag is not 0, so the cell holds an item.
        unsafe { &self.cells[cell].item }
    }

    #[inline]
    fn item_mut(&mut self, cell: usize) -> &mut T {
        assert!(self.tags[cell] != 0, "only occupied cells hold an item");
        // SAFETY: as in `item`.
        unsafe { &mut self.cells[cell].item }
    }

    /// The 8 bytes of an occupied cell taken as an address, for prefetching only.
    #[inline]
    fn bits(&self, cell: usize) -> *const u8 {
        let item = std::ptr::from_ref(self.item(cell)).cast::<*const u8>();
        // SAFETY: a cell is 8 initialised bytes, aligned to 8; any bit pattern is a valid raw pointer.
        unsafe { item.read() }
    }

    fn put(&mut self, cell: usize, tag: u8, item: T) {
        self.tags[cell] = tag;
        self.cells[cell].item = ManuallyDrop::new(item);
    }

    fn take(&mut self, cell: usize) -> T {
        assert!(self.tags[cell] != 0, "only occupied cells hold an item");
        self.tags[cell] = 0;
        // SAFETY: the tag was not 0, so the cell held an item; now that it is 0 nobody reads it again.
        unsafe { ManuallyDrop::take(&mut self.cells[cell].item) }
    }

    fn set_link(&mut self, link: Option<NonNull<Bucket<T>>>) {
        self.linked = u8::from(link.is_some());
        if let Some(link) = link {
            debug_assert_eq!(self.tags[LINK], 0);
            self.cells[LINK].link = link;
        }
    }
}

/// An array of `count` buckets. `count` 0 owns no memory.
pub(super) struct Buckets<T> {
    /// The buckets, or the segments if `count` is more than a segment holds.
    first: First<T>,
    count: u32,
    overflow: u32,
}

/// A segment, if it exists.
type Segment<T> = Option<NonNull<Bucket<T>>>;

/// Which one it is follows from the count.
union First<T> {
    buckets: NonNull<Bucket<T>>,
    segments: NonNull<Segment<T>>,
}

// SAFETY: the array owns its items and buckets like a Vec<T> does; nothing is shared or thread-bound.
unsafe impl<T: Send> Send for Buckets<T> {}
// SAFETY: as above; through a shared reference the array only hands out shared references.
unsafe impl<T: Sync> Sync for Buckets<T> {}

impl<T> Buckets<T> {
    const ITEM_FILLS_A_CELL: () = assert!(size_of::<T>() == 8, "an item is 8 bytes");
    const BUCKET_FILLS_A_LINE: () = assert!(size_of::<Bucket<T>>() == BUCKET_BYTES);

    pub(super) const EMPTY: Buckets<T> =
        Buckets { first: First { buckets: NonNull::dangling() }, count: 0, overflow: 0 };

    /// `count` empty buckets.
    pub(super) fn new(count: u32) -> Buckets<T> {
        let mut buckets = Buckets::unprovided(count);
        if count > 0 {
            buckets.provide(count - 1);
        }
        buckets
    }

    /// As [`new`](Self::new), but of many buckets none exists until [`provide`](Self::provide).
    pub(super) fn unprovided(count: u32) -> Buckets<T> {
        let () = Self::ITEM_FILLS_A_CELL;
        let () = Self::BUCKET_FILLS_A_LINE;
        let first = match count {
            0 => return Buckets::EMPTY,
            1..=SEGMENT_BUCKETS => First { buckets: Self::allocate(count) },
            _ => {
                let segments: Box<[Segment<T>]> = vec![None; Self::segments_of(count)].into();
                let first = NonNull::from(Box::leak(segments)).cast();
                First { segments: first }
            }
        };
        Buckets { first, count, overflow: 0 }
    }

    fn segments_of(count: u32) -> usize {
        count.div_ceil(SEGMENT_BUCKETS) as usize
    }

    #[inline]
    fn is_segmented(&self) -> bool {
        self.count > SEGMENT_BUCKETS
    }

    #[inline]
    fn segments(&self) -> &[Segment<T>] {
        if !self.is_segmented() {
            return &[];
        }
        // SAFETY: by the count `first` points to so many segments, made by `unprovided`.
        unsafe {
            std::slice::from_raw_parts(self.first.segments.as_ptr(), Self::segments_of(self.count))
        }
    }

    fn segments_mut(&mut self) -> &mut [Segment<T>] {
        if !self.is_segmented() {
            return &mut [];
        }
        // SAFETY: as in `segments`, borrowed uniquely.
        unsafe {
            std::slice::from_raw_parts_mut(
                self.first.segments.as_ptr(),
                Self::segments_of(self.count),
            )
        }
    }

    /// Makes the buckets up to `index` exist.
    pub(super) fn provide(&mut self, index: u32) {
        assert!(index < self.count, "bucket index within the array");
        let last = (index / SEGMENT_BUCKETS) as usize;
        if self.is_segmented() && self.segments()[last].is_none() {
            let missing = self.segments_mut()[..=last].iter_mut().rev();
            for segment in missing.take_while(|segment| segment.is_none()) {
                *segment = Some(Self::allocate(SEGMENT_BUCKETS));
            }
        }
    }

    /// Gives back the segment that ends with bucket `index`, if one does. All up to it were drained.
    pub(super) fn release(&mut self, index: u32) {
        let at = (index / SEGMENT_BUCKETS) as usize;
        let is_last = index % SEGMENT_BUCKETS == SEGMENT_BUCKETS - 1 || index + 1 == self.count;
        if is_last
            && let Some(segment) = self.segments_mut().get_mut(at)
            && let Some(memory) = segment.take()
        {
            Self::free(memory, SEGMENT_BUCKETS);
        }
    }

    /// The buckets that exist.
    pub(super) fn existing(&self) -> Range<u32> {
        if !self.is_segmented() {
            return 0..self.count;
        }
        let is_there = |segment: &Segment<T>| segment.is_some();
        let Some(first) = self.segments().iter().position(is_there) else { return 0..0 };
        let there = self.segments()[first..].iter().take_while(|segment| is_there(segment)).count();
        let bucket = |segment: usize| (segment as u32).saturating_mul(SEGMENT_BUCKETS);
        bucket(first)..bucket(first + there).min(self.count)
    }

    fn layout(count: u32) -> Layout {
        Layout::array::<Bucket<T>>(count as usize).expect("2^32 buckets of 64 bytes fit an isize")
    }

    fn allocate(count: u32) -> NonNull<Bucket<T>> {
        let layout = Self::layout(count);
        // SAFETY: `count` is not 0, so the layout has a size.
        let memory = unsafe { alloc_zeroed(layout) };
        NonNull::new(memory.cast()).unwrap_or_else(|| handle_alloc_error(layout))
    }

    /// Frees memory from `allocate(count)` whose items were dropped or moved out.
    fn free(first: NonNull<Bucket<T>>, count: u32) {
        // SAFETY: private, and all callers pass a pointer and the count it was allocated with, and
        // forget the pointer afterwards.
        unsafe { dealloc(first.as_ptr().cast(), Self::layout(count)) }
    }

    /// Frees an array whose buckets were all drained, without looking at them again.
    pub(super) fn free_drained(self) {
        let mut array = ManuallyDrop::new(self);
        debug_assert!(array.existing().all(|index| array.chain(index).next().is_none()));
        array.free_arrays();
    }

    /// Frees all memory but the overflow buckets. The array must not be used afterwards.
    fn free_arrays(&mut self) {
        if self.count == 0 {
            return;
        }
        if !self.is_segmented() {
            // SAFETY: by the count `first` points to the buckets.
            Self::free(unsafe { self.first.buckets }, self.count);
            return;
        }
        self.segments().iter().flatten().for_each(|&memory| Self::free(memory, SEGMENT_BUCKETS));
        // SAFETY: a slice of this very length was leaked by `unprovided`.
        drop(unsafe { Box::from_raw(self.segments_mut()) });
    }

    #[inline]
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Bytes of all buckets.
    pub(super) fn bytes(&self) -> usize {
        let existing = match self.is_segmented() {
            false => self.count as usize,
            true => self.segments().iter().flatten().count() * SEGMENT_BUCKETS as usize,
        };
        (existing + self.overflow as usize) * BUCKET_BYTES + size_of_val(self.segments())
    }

    /// Where bucket `index` lies. The bucket must exist.
    #[inline]
    fn address(&self, index: u32) -> NonNull<Bucket<T>> {
        assert!(index < self.count, "bucket index within the array");
        if !self.is_segmented() {
            // SAFETY: by the count `first` points to the buckets, and the index is within them.
            return unsafe { self.first.buckets.add(index as usize) };
        }
        let segment = self.segments()[(index / SEGMENT_BUCKETS) as usize];
        let segment = segment.expect("nobody asks for a bucket that does not exist");
        // SAFETY: a segment has SEGMENT_BUCKETS buckets.
        unsafe { segment.add((index % SEGMENT_BUCKETS) as usize) }
    }

    #[inline]
    fn bucket(&self, index: u32) -> &Bucket<T> {
        // SAFETY: an address of a bucket of this array; zeroed memory is a valid bucket.
        unsafe { self.address(index).as_ref() }
    }

    #[inline]
    fn bucket_mut(&mut self, index: u32) -> &mut Bucket<T> {
        // SAFETY: as in `bucket`, and `self` is borrowed uniquely.
        unsafe { self.address(index).as_mut() }
    }

    /// The item of chain `index` with this tag that `is` accepts.
    #[inline]
    pub(super) fn find(&self, index: u32, tag: u8, is: impl Fn(&T) -> bool) -> Option<&T> {
        let mut bucket = self.bucket(index);
        loop {
            for cell in bucket.candidates(tag) {
                let item = bucket.item(cell);
                if is(item) {
                    return Some(item);
                }
            }
            bucket = bucket.next()?;
        }
    }

    #[inline]
    pub(super) fn find_mut(
        &mut self,
        index: u32,
        tag: u8,
        is: impl Fn(&T) -> bool,
    ) -> Option<&mut T> {
        let mut bucket = self.bucket_mut(index);
        loop {
            if let Some(cell) = bucket.candidates(tag).find(|&cell| is(bucket.item(cell))) {
                return Some(bucket.item_mut(cell));
            }
            bucket = bucket.next_mut()?;
        }
    }

    /// Adds an item to chain `index`; an equal one is not looked for.
    #[inline]
    pub(super) fn insert(&mut self, index: u32, tag: u8, item: T) {
        let mut bucket = self.bucket_mut(index);
        loop {
            if let Some(cell) = bucket.vacant() {
                bucket.put(cell, tag, item);
                return;
            }
            if bucket.linked == 0 {
                break;
            }
            bucket = bucket.next_mut().expect("a linked bucket has a next one");
        }
        let mut added = Self::allocate(1);
        // SAFETY: just allocated and zeroed, known to nobody else.
        let overflow = unsafe { added.as_mut() };
        let moved_tag = bucket.tags[LINK];
        overflow.put(0, moved_tag, bucket.take(LINK));
        overflow.put(1, tag, item);
        bucket.set_link(Some(added));
        self.overflow += 1;
    }

    /// Takes the item of chain `index` with this tag that `is` accepts.
    pub(super) fn remove(&mut self, index: u32, tag: u8, is: impl Fn(&T) -> bool) -> Option<T> {
        let mut bucket = self.bucket_mut(index);
        if let Some(cell) = bucket.candidates(tag).find(|&cell| is(bucket.item(cell))) {
            return Some(bucket.take(cell));
        }
        loop {
            let link = bucket.link()?;
            // SAFETY: as in `next_mut`, but spelled out because `bucket` is needed to unlink it.
            let overflow = unsafe { &mut *link.as_ptr() };
            if let Some(cell) = overflow.candidates(tag).find(|&cell| is(overflow.item(cell))) {
                let item = overflow.take(cell);
                if overflow.occupied().next().is_none() {
                    bucket.set_link(overflow.link());
                    Self::free(link, 1);
                    self.overflow -= 1;
                }
                return Some(item);
            }
            bucket = overflow;
        }
    }

    /// The items of chain `index`.
    #[inline]
    pub(super) fn chain(&self, index: u32) -> Chain<'_, T> {
        let bucket = self.bucket(index);
        Chain { bucket, hits: bucket.occupied() }
    }

    /// Calls `visit` for every item of chain `index`. The visitor must not change an item's key.
    pub(super) fn visit_mut(&mut self, index: u32, mut visit: impl FnMut(&mut T)) {
        let mut next = Some(self.bucket_mut(index));
        while let Some(bucket) = next {
            for cell in bucket.occupied() {
                visit(bucket.item_mut(cell));
            }
            next = bucket.next_mut();
        }
    }

    /// Empties chain `index` into `take`.
    pub(super) fn drain(&mut self, index: u32, mut take: impl FnMut(T)) {
        let bucket = self.bucket_mut(index);
        let mut link = bucket.link();
        bucket.set_link(None);
        for cell in bucket.occupied() {
            take(bucket.take(cell));
        }
        while let Some(owned) = link {
            // SAFETY: unlinked from its predecessor, so this loop is its only owner.
            let overflow = unsafe { &mut *owned.as_ptr() };
            link = overflow.link();
            for cell in overflow.occupied() {
                take(overflow.take(cell));
            }
            Self::free(owned, 1);
            self.overflow -= 1;
        }
    }

    /// Asks the CPU to load bucket `index`.
    #[inline]
    pub(super) fn prefetch(&self, index: u32) {
        prefetch_line(self.address(index).as_ptr().cast());
    }

    /// Asks the CPU to load what the items of bucket `index` with this tag point to. Items that are
    /// numbers instead of pointers are prefetched in vain, without harm.
    #[inline]
    pub(super) fn prefetch_items(&self, index: u32, tag: u8) {
        let bucket = self.bucket(index);
        for cell in bucket.candidates(tag) {
            // A short value stands in the entry, behind header and key: as a rule in the second line.
            prefetch_line(bucket.bits(cell));
            prefetch_line(bucket.bits(cell).wrapping_add(LINE_BYTES));
        }
    }

    /// Asks the CPU to load what all items of bucket `index` point to.
    #[inline]
    pub(super) fn prefetch_all(&self, index: u32) {
        let bucket = self.bucket(index);
        for cell in bucket.occupied() {
            prefetch_line(bucket.bits(cell));
        }
    }
}

impl<T> Drop for Buckets<T> {
    fn drop(&mut self) {
        for index in self.existing() {
            self.drain(index, drop);
        }
        self.free_arrays();
    }
}

impl<T> std::fmt::Debug for Buckets<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buckets")
            .field("count", &self.count)
            .field("overflow", &self.overflow)
            .finish()
    }
}

/// Iterator over the items of one chain.
pub(super) struct Chain<'a, T> {
    bucket: &'a Bucket<T>,
    hits: Hits,
}

impl<'a, T> Iterator for Chain<'a, T> {
    type Item = &'a T;

    #[inline]
    fn next(&mut self) -> Option<&'a T> {
        loop {
            if let Some(cell) = self.hits.next() {
                return Some(self.bucket.item(cell));
            }
            self.bucket = self.bucket.next()?;
            self.hits = self.bucket.occupied();
        }
    }
}

/// A hint only: an address that is not mapped is ignored by the CPU.
#[inline]
pub(crate) fn prefetch_line(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: PREFETCHT0 cannot fault and SSE is part of x86-64.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = address;
}
