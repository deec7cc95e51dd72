//! Intset: a sorted run of distinct integers of one width, as Redis writes it to RDB.
//!
//! ```text
//!   | width u32: 2, 4 or 8 | count u32 | integer | integer | ...      little-endian, signed
//! ```
//!
//! Invariants
//! - Strictly ascending. The width is that of the widest integer ever added; it never shrinks.
//! - Bytes from outside enter only by `from_bytes`, which checks all of this.

use crate::thin::ThinBytes;

const HEADER_BYTES: usize = 8;

/// An owned intset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Intset {
    bytes: ThinBytes,
}

impl Default for Intset {
    fn default() -> Intset {
        Intset::new()
    }
}

impl Intset {
    pub fn new() -> Intset {
        Intset { bytes: ThinBytes::new(&[2, 0, 0, 0, 0, 0, 0, 0]) }
    }

    /// Takes bytes of foreign origin; `None` unless they are an intset through and through.
    pub fn from_bytes(bytes: &[u8]) -> Option<Intset> {
        let (header, body) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| header[at + byte]));
        let (width, count) = (usize::try_from(word(0)).ok()?, usize::try_from(word(4)).ok()?);
        if !matches!(width, 2 | 4 | 8) || count.checked_mul(width) != Some(body.len()) {
            return None;
        }
        let set = Intset { bytes: ThinBytes::new(bytes) };
        set.iter().is_sorted_by(|a, b| a < b).then_some(set)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes that the allocation holds.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.heap_bytes()
    }

    #[inline]
    pub fn len(&self) -> usize {
        (self.bytes.len() - HEADER_BYTES) / self.width()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.len() == HEADER_BYTES
    }

    /// The integer at `index` of the ascending order.
    pub fn get(&self, index: usize) -> Option<i64> {
        (index < self.len()).then(|| self.read(index))
    }

    pub fn contains(&self, value: i64) -> bool {
        self.search(value).is_ok()
    }

    /// Ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = i64> + ExactSizeIterator + '_ {
        (0..self.len()).map(|index| self.read(index))
    }

    /// Whether `value` is new.
    pub fn insert(&mut self, value: i64) -> bool {
        let Err(index) = self.search(value) else { return false };
        if width_of(value) > self.width() {
            self.widen(width_of(value));
        }
        let width = self.width();
        let (at, length) = (HEADER_BYTES + index * width, self.bytes.len());
        self.bytes.resize(length + width);
        self.bytes.copy_within(at..length, at + width);
        self.bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        self.seal();
        true
    }

    /// Whether `value` was there.
    pub fn remove(&mut self, value: i64) -> bool {
        let Ok(index) = self.search(value) else { return false };
        let width = self.width();
        let at = HEADER_BYTES + index * width;
        self.bytes.cut(at..at + width);
        self.seal();
        true
    }

    fn width(&self) -> usize {
        usize::from(self.bytes[0])
    }

    fn read(&self, index: usize) -> i64 {
        let width = self.width();
        let bytes = &self.bytes[HEADER_BYTES + index * width..][..width];
        match *bytes {
            [a, b] => i64::from(i16::from_le_bytes([a, b])),
            [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
            [a, b, c, d, e, f, g, h] => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
            _ => unreachable!("the width is 2, 4 or 8"),
        }
    }

    /// `Ok(index)` of the value, or `Err(index)` where it belongs.
    fn search(&self, value: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.read(middle).cmp(&value) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    fn widen(&mut self, width: usize) {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + (self.len() + 1) * width);
        bytes.extend_from_slice(&[0; HEADER_BYTES]);
        for value in self.iter() {
            bytes.extend_from_slice(&value.to_le_bytes()[..width]);
        }
        bytes[0] = u8::try_from(width).expect("2, 4 or 8");
        self.bytes = ThinBytes::new(&bytes);
    }

    fn seal(&mut self) {
        let count = u32::try_from(self.len()).expect("a set converts long before 2^32 integers");
        self.bytes[4..8].copy_from_slice(&count.to_le_bytes());
    }
}

fn width_of(value: i64) -> usize {
    match value {
        -0x8000..=0x7fff => 2,
        -0x8000_0000..=0x7fff_ffff => 4,
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Bytes as redis-server 7.0 writes them (taken from DUMP of a set).
    #[test]
    fn bytes_are_those_of_redis() {
        let mut set = Intset::new();
        assert!(set.insert(5) && set.insert(-1) && !set.insert(5));
        assert_eq!(set.as_bytes(), [2, 0, 0, 0, 2, 0, 0, 0, 0xff, 0xff, 5, 0]);
        assert!(set.insert(40_000));
        assert_eq!(
            set.as_bytes(),
            [4, 0, 0, 0, 3, 0, 0, 0, 255, 255, 255, 255, 5, 0, 0, 0, 0x40, 0x9c, 0, 0]
        );
        assert!(set.remove(40_000));
        assert_eq!(set.as_bytes()[0], 4, "the width never shrinks");
    }

    #[test]
    fn hostile_bytes_are_refused() {
        let check = |bytes: &[u8]| assert_eq!(Intset::from_bytes(bytes), None, "{bytes:?}");
        check(&[]);
        check(&[3, 0, 0, 0, 0, 0, 0, 0]);
        check(&[2, 1, 0, 0, 0, 0, 0, 0]);
        check(&[2, 0, 0, 0, 1, 0, 0, 0]);
        check(&[2, 0, 0, 0, 255, 255, 255, 255, 1, 0]);
        check(&[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0]);
        check(&[2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 1, 0]);
    }

    proptest! {
        #[test]
        fn behaves_as_a_sorted_set(
            steps in proptest::collection::vec(
                (any::<bool>(), prop_oneof![-9i64..9, -70_000i64..70_000, any::<i64>()]),
                0..80,
            ),
        ) {
            let (mut set, mut model) = (Intset::new(), BTreeSet::new());
            for (adds, value) in steps {
                if adds {
                    prop_assert_eq!(set.insert(value), model.insert(value));
                } else {
                    prop_assert_eq!(set.remove(value), model.remove(&value));
                }
                prop_assert_eq!(set.contains(value), model.contains(&value));
            }
            prop_assert!(set.iter().eq(model.iter().copied()));
            prop_assert_eq!(Intset::from_bytes(set.as_bytes()), Some(set));
        }
    }
}
