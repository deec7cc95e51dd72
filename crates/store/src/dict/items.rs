//! Items of the large collections, one allocation each.
//!
//! ```text
//!   Bytes   ┌ bytes ┐
//!   Pair    ┌ key length: u8, or 255 and u32 ┬ key ┬ value ┐
//!   Scored  ┌ score f64 ┬ bytes ┐
//! ```

use std::fmt;

use super::block::Block;
use super::{Item, hash_of};

/// A byte string: member of a set.
pub struct Bytes(Block);

impl Bytes {
    pub fn new(bytes: &[u8]) -> Bytes {
        Bytes(Block::concat(&[bytes]))
    }

    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        self.0.bytes()
    }

    /// Bytes asked of the allocator.
    pub fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }
}

impl Item for Bytes {
    type Key = [u8];

    fn hash(&self) -> u64 {
        hash_of(self.as_slice())
    }

    #[inline]
    fn is(&self, key: &[u8]) -> bool {
        self.as_slice() == key
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes(\"{}\")", self.as_slice().escape_ascii())
    }
}

/// A key and its value: field of a hash.
pub struct Pair(Block);

/// First byte of a pair whose key is this long or longer; the length follows as u32.
const LONG_KEY: u8 = u8::MAX;

impl Pair {
    pub fn new(key: &[u8], value: &[u8]) -> Pair {
        Pair(match u8::try_from(key.len()) {
            Ok(length) if length < LONG_KEY => Block::concat(&[&[length], key, value]),
            Ok(_) | Err(_) => {
                let length = u32::try_from(key.len()).expect("a key is shorter than 4 GiB");
                Block::concat(&[&[LONG_KEY], &length.to_le_bytes(), key, value])
            }
        })
    }

    /// Where the key starts and where it ends.
    #[inline]
    fn key_range(&self) -> (usize, usize) {
        let bytes = self.0.bytes();
        match bytes[0] {
            LONG_KEY => {
                let length: [u8; 4] = bytes[1..5].try_into().expect("four bytes were sliced");
                (5, 5 + u32::from_le_bytes(length) as usize)
            }
            length => (1, 1 + usize::from(length)),
        }
    }

    #[inline]
    pub fn key(&self) -> &[u8] {
        let (start, end) = self.key_range();
        &self.0.bytes()[start..end]
    }

    #[inline]
    pub fn value(&self) -> &[u8] {
        let (_, end) = self.key_range();
        &self.0.bytes()[end..]
    }

    /// Replaces the value; in place when the length stays.
    pub fn set_value(&mut self, value: &[u8]) {
        if self.value().len() == value.len() {
            let (_, end) = self.key_range();
            self.0.bytes_mut()[end..].copy_from_slice(value);
        } else {
            *self = Pair::new(self.key(), value);
        }
    }

    /// Bytes asked of the allocator.
    pub fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }
}

impl Item for Pair {
    type Key = [u8];

    fn hash(&self) -> u64 {
        hash_of(self.key())
    }

    #[inline]
    fn is(&self, key: &[u8]) -> bool {
        self.key() == key
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pair(\"{}\", ", self.key().escape_ascii())?;
        write!(f, "\"{}\")", self.value().escape_ascii())
    }
}

/// A byte string with a score: member of a sorted set.
pub struct Scored(Block);

const SCORE_BYTES: usize = size_of::<f64>();

impl Scored {
    pub fn new(score: f64, member: &[u8]) -> Scored {
        Scored(Block::concat(&[&score.to_le_bytes(), member]))
    }

    #[inline]
    pub fn score(&self) -> f64 {
        let score = self.0.bytes().first_chunk().expect("the score stands in front");
        f64::from_le_bytes(*score)
    }

    pub fn set_score(&mut self, score: f64) {
        self.0.bytes_mut()[..SCORE_BYTES].copy_from_slice(&score.to_le_bytes());
    }

    #[inline]
    pub fn member(&self) -> &[u8] {
        &self.0.bytes()[SCORE_BYTES..]
    }

    /// Bytes asked of the allocator.
    pub fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }
}

impl Item for Scored {
    type Key = [u8];

    fn hash(&self) -> u64 {
        hash_of(self.member())
    }

    #[inline]
    fn is(&self, key: &[u8]) -> bool {
        self.member() == key
    }
}

impl fmt::Debug for Scored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scored({}, \"{}\")", self.score(), self.member().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_give_back_what_they_were_made_of() {
        for length in [0, 1, 254, 255, 256, 70_000] {
            let key = vec![b'k'; length];
            let mut pair = Pair::new(&key, b"value");
            assert_eq!((pair.key(), pair.value()), (key.as_slice(), b"value".as_slice()));
            pair.set_value(b"other");
            assert_eq!((pair.key(), pair.value()), (key.as_slice(), b"other".as_slice()));
            pair.set_value(b"");
            assert_eq!((pair.key(), pair.value()), (key.as_slice(), b"".as_slice()));
            assert_eq!(Bytes::new(&key).as_slice(), key);
            let mut scored = Scored::new(1.5, &key);
            assert_eq!((scored.score(), scored.member()), (1.5, key.as_slice()));
            scored.set_score(f64::NEG_INFINITY);
            assert_eq!((scored.score(), scored.member()), (f64::NEG_INFINITY, key.as_slice()));
            assert_eq!(scored.hash(), pair.hash());
        }
    }
}
