//! Hash slots, the unit of placement in every edition.

use crate::crc16::crc16;

/// One of 16,384 hash slots.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Slot(u16);

impl Slot {
    pub const COUNT: usize = 16_384;

    /// `None` from [`Slot::COUNT`] on.
    pub fn new(value: u16) -> Option<Slot> {
        (usize::from(value) < Slot::COUNT).then_some(Slot(value))
    }

    pub fn get(self) -> u16 {
        self.0
    }

    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The slot of a key: CRC-16 of its hash tag (the bytes between the first `{` and the next `}`,
    /// when there is at least one), else of the whole key. Source: Redis Cluster specification.
    #[inline]
    pub fn of(key: &[u8]) -> Slot {
        Slot(crc16(hash_tag(key)) & 0x3fff)
    }
}

#[inline]
fn hash_tag(key: &[u8]) -> &[u8] {
    if !has_open_brace(key) {
        return key;
    }
    let Some(open) = key.iter().position(|&b| b == b'{') else { return key };
    let rest = &key[open + 1..];
    match rest.iter().position(|&b| b == b'}') {
        None | Some(0) => key,
        Some(length) => &rest[..length],
    }
}

/// Whether there is a `{`: eight bytes a step, because most keys have none and every command asks.
#[inline]
fn has_open_brace(key: &[u8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let (words, rest) = key.as_chunks::<8>();
    let is_in = |word: &[u8; 8]| {
        // A byte becomes zero where there is a brace; the sum finds out whether one did.
        let zero = u64::from_le_bytes(*word) ^ (ONES * u64::from(b'{'));
        zero.wrapping_sub(ONES) & !zero & (ONES << 7) != 0
    };
    words.iter().any(is_in) || rest.contains(&b'{')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brace_is_found_at_every_place() {
        for length in 0..40 {
            let mut key = vec![b'z'; length];
            assert!(!has_open_brace(&key));
            for at in 0..length {
                key[at] = b'{';
                assert!(has_open_brace(&key), "at {at} of {length}");
                // The neighbours of the brace in the alphabet are none.
                key[at] = if at % 2 == 0 { b'|' } else { 0xfb };
                assert!(!has_open_brace(&key), "at {at} of {length}");
            }
        }
    }

    #[test]
    fn known_slots() {
        assert_eq!(Slot::of(b"foo").get(), 12182);
        assert_eq!(Slot::of(b"").get(), 0);
    }

    #[test]
    fn tags() {
        assert_eq!(Slot::of(b"{foo}.x"), Slot::of(b"foo"));
        assert_eq!(Slot::of(b"a{foo}{bar}"), Slot::of(b"foo"));
        assert_ne!(Slot::of(b"{}foo"), Slot::of(b"foo"));
        assert_eq!(hash_tag(b"foo{{bar}}"), b"{bar");
        assert_eq!(hash_tag(b"foo{}{bar}"), b"foo{}{bar}");
        assert_eq!(hash_tag(b"foo{bar"), b"foo{bar");
    }
}
