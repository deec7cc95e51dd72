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
    let Some(open) = key.iter().position(|&b| b == b'{') else { return key };
    let rest = &key[open + 1..];
    match rest.iter().position(|&b| b == b'}') {
        None | Some(0) => key,
        Some(length) => &rest[..length],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
