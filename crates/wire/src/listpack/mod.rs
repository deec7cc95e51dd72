//! Listpack: a sequence of small strings and integers in one run of bytes, as Redis writes it to RDB.
//!
//! ```text
//!   | bytes u32 | count u16 | entry | entry | ... | 0xFF |        little-endian
//!
//!   entry = | head 1..9 | data | backlen 1..5 |          backlen = length of head + data
//!
//!   head   0xxxxxxx                7-bit unsigned        10xxxxxx            string of < 64 bytes
//!          110xxxxx x              13-bit signed         1110xxxx x          string of < 4096 bytes
//!          F1 xx / F2 xxx / F3 xxxx / F4 xxxxxxxx        F0 xxxx             string, 32-bit length
//!          = 16, 24, 32, 64-bit signed
//! ```
//!
//! The backlen is written so that it can be read from its end: seven bits a byte, the bit 0x80 says
//! "one more byte before this one".
//!
//! Invariants
//! - `bytes` is the length of the whole run; the terminator is its last byte.
//! - `count` is exact, or `COUNT_UNKNOWN` when there are 65,535 entries or more.
//! - Bytes from outside enter only by `from_bytes`, which checks every entry; so the walk below may
//!   trust heads and lengths. All access is bounds-checked nevertheless.

mod entry;

pub use entry::{Element, Needle, TextBuffer};
use entry::{Encoded, backlen_size, entry_size};

use crate::thin::ThinBytes;

/// Bytes in front of the run that [`ThinBytes`] keeps: it writes `bytes` itself.
const LENGTH_BYTES: usize = 4;
/// Bytes of `count`, behind which the first entry stands.
const HEADER_BYTES: usize = 2;
const COUNT_UNKNOWN: u16 = u16::MAX;
const TERMINATOR: u8 = 0xff;
/// Longest listpack that is built (Redis: LISTPACK_MAX_SAFETY_LIMIT); collections convert long before.
pub const BYTES_MAX: usize = 1 << 30;

/// Where an entry begins, or the terminator. Valid until the listpack changes before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place(usize);

/// An owned listpack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listpack {
    /// All behind the length; places count from here.
    bytes: ThinBytes,
}

impl Default for Listpack {
    fn default() -> Listpack {
        Listpack::new()
    }
}

impl Listpack {
    pub fn new() -> Listpack {
        Listpack { bytes: ThinBytes::new(&[0, 0, TERMINATOR]) }
    }

    /// Takes bytes of foreign origin; `None` unless they are a listpack through and through.
    pub fn from_bytes(bytes: &[u8]) -> Option<Listpack> {
        validate(bytes).then(|| Listpack { bytes: ThinBytes::new(&bytes[LENGTH_BYTES..]) })
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.with_total()
    }

    /// Length in bytes, header and terminator included.
    pub fn byte_len(&self) -> usize {
        LENGTH_BYTES + self.bytes.len()
    }

    /// Bytes that the allocation holds.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.heap_bytes()
    }

    /// Number of entries; walks them all when there are more than the header can count.
    pub fn len(&self) -> usize {
        match self.header_count() {
            COUNT_UNKNOWN => self.iter().count(),
            count => usize::from(count),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.bytes[HEADER_BYTES] == TERMINATOR
    }

    /// The first entry, or the end when there is none.
    pub fn begin(&self) -> Place {
        Place(HEADER_BYTES)
    }

    /// The terminator: the place behind the last entry.
    pub fn end(&self) -> Place {
        Place(self.bytes.len() - 1)
    }

    /// The entry at `index`, from the nearer end.
    pub fn at(&self, index: usize) -> Option<Place> {
        let count = self.len();
        if index >= count {
            return None;
        }
        if index <= count / 2 {
            let mut place = self.begin();
            for _ in 0..index {
                place = self.after(place);
            }
            return Some(place);
        }
        let mut place = self.end();
        for _ in index..count {
            place = self.before(place)?;
        }
        Some(place)
    }

    /// The entry at `place`; `None` at the end.
    #[inline]
    pub fn get(&self, place: Place) -> Option<Element<'_>> {
        entry::decode(&self.bytes[place.0..])
    }

    /// Whether the entry at `place` is an integer in its shortest form, a byte (0 to 127).
    pub fn is_byte(&self, place: Place) -> bool {
        self.bytes[place.0] < 0x80
    }

    /// The place behind the entry at `place`; stays at the end.
    #[inline]
    pub fn after(&self, place: Place) -> Place {
        match entry_size(&self.bytes[place.0..]) {
            Some(size) => Place(place.0 + size + backlen_size(size)),
            None => place,
        }
    }

    /// The entry before `place`; `None` at the beginning.
    pub fn before(&self, place: Place) -> Option<Place> {
        if place.0 <= HEADER_BYTES {
            return None;
        }
        let size = entry::backlen_before(&self.bytes[HEADER_BYTES..place.0])?;
        place.0.checked_sub(size + backlen_size(size)).map(Place)
    }

    /// Entries from first to last, or from both ends.
    pub fn iter(&self) -> Iter<'_> {
        Iter { pack: self, front: self.begin(), back: self.end() }
    }

    /// The first entry from `from` on that equals `needle`, looking at every `stride`-th entry.
    ///
    /// A hash looks for a field with stride 2.
    pub fn find(&self, from: Place, needle: &Needle<'_>, stride: usize) -> Option<Place> {
        let mut place = from;
        loop {
            if needle.is(self.get(place)?) {
                return Some(place);
            }
            for _ in 0..stride {
                place = self.after(place);
            }
        }
    }

    pub fn push_back(&mut self, value: &[u8]) {
        self.insert(self.end(), value);
    }

    pub fn push_front(&mut self, value: &[u8]) {
        self.insert(self.begin(), value);
    }

    /// Inserts before the entry at `place`, where the new entry then is.
    pub fn insert(&mut self, place: Place, value: &[u8]) {
        let encoded = Encoded::of(value);
        self.open_gap(place.0, 0, encoded.total_size());
        encoded.write(&mut self.bytes[place.0..]);
        self.add_to_count(1);
    }

    /// Appends all items, and moves the bytes once for all of them.
    pub fn extend_back<'v>(&mut self, items: impl Iterator<Item = Element<'v>> + Clone) {
        let (mut size, mut count) = (0, 0);
        for item in items.clone() {
            size += Encoded::of_element(item).total_size();
            count += 1;
        }
        let mut at = self.end().0;
        self.open_gap(at, 0, size);
        for item in items {
            let encoded = Encoded::of_element(item);
            encoded.write(&mut self.bytes[at..]);
            at += encoded.total_size();
        }
        self.add_to_count(count);
    }

    /// Replaces the entry at `place`, which must not be the end.
    pub fn replace(&mut self, place: Place, value: &[u8]) {
        self.replace_encoded(place, &Encoded::of(value));
    }

    /// As [`replace`](Self::replace), by an integer.
    pub fn replace_integer(&mut self, place: Place, value: i64) {
        self.replace_encoded(place, &Encoded::of_element(Element::Integer(value)));
    }

    fn replace_encoded(&mut self, place: Place, encoded: &Encoded<'_>) {
        let old = self.after(place).0 - place.0;
        assert!(old > 0, "there is no entry at the end to replace");
        self.open_gap(place.0, old, encoded.total_size());
        encoded.write(&mut self.bytes[place.0..]);
    }

    /// Removes up to `count` entries from `place` on; `place` then names what followed them.
    /// Returns how many were removed.
    pub fn remove(&mut self, place: Place, count: usize) -> usize {
        let (mut end, mut removed) = (place, 0);
        while removed < count && end != self.end() {
            end = self.after(end);
            removed += 1;
        }
        self.remove_span(place, end, removed);
        removed
    }

    /// Takes the entries from `place` on into a listpack of their own.
    #[must_use]
    pub fn split_off(&mut self, place: Place) -> Listpack {
        let mut tail = Listpack { bytes: ThinBytes::new(&[0; HEADER_BYTES]) };
        tail.bytes.resize(HEADER_BYTES + self.bytes.len() - place.0);
        tail.bytes[HEADER_BYTES..].copy_from_slice(&self.bytes[place.0..]);
        let moved = tail.iter().count();
        tail.set_count(moved);
        self.remove_span(place, self.end(), moved);
        tail
    }

    /// Appends all entries of `other`.
    pub fn append(&mut self, other: &Listpack) {
        let (mine, theirs) = (self.len(), other.len());
        let end = self.bytes.len() - 1;
        self.bytes.resize(end + other.bytes.len() - HEADER_BYTES);
        self.bytes[end..].copy_from_slice(&other.bytes[HEADER_BYTES..]);
        self.check_length();
        self.set_count(mine + theirs);
    }

    fn remove_span(&mut self, start: Place, end: Place, entries: usize) {
        if entries == 0 {
            return;
        }
        self.bytes.cut(start.0..end.0);
        let removed = i64::try_from(entries).expect("entries fit the address space");
        self.add_to_count(-removed);
    }

    /// Makes `bytes[at..at + old]` exactly `new` bytes long; what the gap holds is left to the caller.
    fn open_gap(&mut self, at: usize, old: usize, new: usize) {
        let length = self.bytes.len();
        if new == old {
            return;
        }
        if new > old {
            self.bytes.resize(length + new - old);
            self.bytes.copy_within(at + old..length, at + new);
        } else {
            self.bytes.copy_within(at + old..length, at + new);
            self.bytes.resize(length - (old - new));
        }
        self.check_length();
    }

    fn check_length(&self) {
        assert!(
            self.byte_len() <= BYTES_MAX,
            "a collection converts before its listpack is so long"
        );
    }

    fn header_count(&self) -> u16 {
        u16::from_le_bytes([self.bytes[0], self.bytes[1]])
    }

    fn set_count(&mut self, count: usize) {
        let count = u16::try_from(count).unwrap_or(COUNT_UNKNOWN);
        self.bytes[..HEADER_BYTES].copy_from_slice(&count.to_le_bytes());
    }

    fn add_to_count(&mut self, delta: i64) {
        match self.header_count() {
            // Redis keeps "unknown" until somebody counts; counting when entries leave keeps it exact.
            COUNT_UNKNOWN if delta > 0 => {}
            COUNT_UNKNOWN => self.set_count(self.iter().count()),
            count => {
                let count = i64::from(count) + delta;
                self.set_count(usize::try_from(count).expect("no more leave than were there"));
            }
        }
    }
}

impl<'a> FromIterator<&'a [u8]> for Listpack {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(values: I) -> Listpack {
        let mut pack = Listpack::new();
        values.into_iter().for_each(|value| pack.push_back(value));
        pack
    }
}

impl<'a> IntoIterator for &'a Listpack {
    type Item = Element<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Whether `bytes` are a listpack: header, every head, every backlen, the terminator, the count.
pub fn validate(bytes: &[u8]) -> bool {
    let Some((header, body)) = bytes.split_first_chunk::<{ LENGTH_BYTES + HEADER_BYTES }>() else {
        return false;
    };
    let total = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    if usize::try_from(total) != Ok(bytes.len()) || bytes.len() > BYTES_MAX {
        return false;
    }
    let (mut rest, mut count) = (body, 0usize);
    loop {
        match rest {
            [] => return false,
            [TERMINATOR] => break,
            _ => {}
        }
        let Some(next) = entry::skip_checked(rest) else { return false };
        (rest, count) = (next, count + 1);
    }
    let claimed = u16::from_le_bytes([header[4], header[5]]);
    claimed == COUNT_UNKNOWN || usize::from(claimed) == count
}

/// Entries of a listpack from both ends.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    pack: &'a Listpack,
    front: Place,
    back: Place,
}

impl Iter<'_> {
    /// Where the next entry lies, or the end.
    pub fn place(&self) -> Place {
        self.front
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        if self.front >= self.back {
            return None;
        }
        let element = self.pack.get(self.front)?;
        self.front = self.pack.after(self.front);
        Some(element)
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        self.back = self.pack.before(self.back)?;
        self.pack.get(self.back)
    }
}

#[cfg(test)]
mod tests;
