//! What streams are made of: the IDs of their entries, and the packed nodes that hold them in memory and in RDB.
//!
//! ```text
//!   ID     1700000000123-0      ms u64, seq u64; ordered as a pair; in RDB 16 bytes, big-endian
//!   node   see [`node`]
//! ```

pub mod node;

pub use node::Node;

use std::fmt;

/// Bytes of the longest text of an ID: twice 20 digits and the dash.
const TEXT_BYTES_MAX: usize = 41;
/// Longest text that is looked at as an ID (as Redis).
const PARSED_BYTES_MAX: usize = 127;

/// ID of an entry: a time, and a number among those of the same time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StreamId {
    /// Milliseconds since 1970, if the server chose it.
    pub ms: u64,
    pub seq: u64,
}

/// The sequence number that a client gave with an ID.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sequence {
    Missing,
    /// `*`: the server chooses.
    Auto,
    Given(u64),
}

impl StreamId {
    /// No entry has this one: it stands for "none so far".
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };
    /// Bytes in RDB.
    pub const BYTES: usize = 16;

    pub const fn new(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    /// The ID behind this one; none is behind the last.
    pub fn next(self) -> Option<StreamId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => self.ms.checked_add(1).map(|ms| StreamId { ms, seq: 0 }),
        }
    }

    /// The ID before this one; none is before 0-0.
    pub fn previous(self) -> Option<StreamId> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { ms: self.ms, seq }),
            None => self.ms.checked_sub(1).map(|ms| StreamId { ms, seq: u64::MAX }),
        }
    }

    /// The form of RDB, in which the order of bytes is the order of IDs.
    pub fn to_bytes(self) -> [u8; StreamId::BYTES] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }

    pub fn from_bytes(bytes: [u8; StreamId::BYTES]) -> StreamId {
        let [ms, seq] = [0, 8].map(|at| {
            let half = bytes[at..].first_chunk().expect("two halves of 8 bytes");
            u64::from_be_bytes(*half)
        });
        StreamId { ms, seq }
    }

    /// Reads `ms`, `ms-seq` or `ms-*`. Numbers may have spaces, a plus and zeros in front, as in Redis.
    pub fn parse(text: &[u8]) -> Option<(u64, Sequence)> {
        if text.len() > PARSED_BYTES_MAX {
            return None;
        }
        match text.iter().position(|byte| *byte == b'-') {
            None => Some((number(text)?, Sequence::Missing)),
            Some(dash) => {
                let ms = number(&text[..dash])?;
                match &text[dash + 1..] {
                    b"*" => Some((ms, Sequence::Auto)),
                    seq => Some((ms, Sequence::Given(number(seq)?))),
                }
            }
        }
    }
}

fn number(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii_start();
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text of an ID, without allocation.
#[derive(Clone, Copy, Debug)]
pub struct IdText {
    bytes: [u8; TEXT_BYTES_MAX],
    length: usize,
}

impl IdText {
    pub fn of(id: StreamId) -> IdText {
        let mut text = IdText { bytes: [0; TEXT_BYTES_MAX], length: 0 };
        let mut digits = itoa::Buffer::new();
        text.push(digits.format(id.ms).as_bytes());
        text.push(b"-");
        text.push(digits.format(id.seq).as_bytes());
        text
    }

    fn push(&mut self, part: &[u8]) {
        self.bytes[self.length..][..part.len()].copy_from_slice(part);
        self.length += part.len();
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours() {
        assert_eq!(StreamId::new(1, u64::MAX).next(), Some(StreamId::new(2, 0)));
        assert_eq!(StreamId::new(2, 0).previous(), Some(StreamId::new(1, u64::MAX)));
        assert_eq!(StreamId::MAX.next(), None);
        assert_eq!(StreamId::MIN.previous(), None);
    }

    #[test]
    fn bytes_have_the_order_of_ids() {
        let (small, large) = (StreamId::new(1, u64::MAX), StreamId::new(256, 0));
        assert!(small < large && small.to_bytes() < large.to_bytes());
        assert_eq!(StreamId::from_bytes(small.to_bytes()), small);
        assert_eq!(StreamId::MAX.to_string(), "18446744073709551615-18446744073709551615");
        assert_eq!(IdText::of(StreamId::MAX).as_bytes(), StreamId::MAX.to_string().as_bytes());
    }

    #[test]
    fn texts() {
        let check = |text: &[u8], expect| assert_eq!(StreamId::parse(text), expect);
        check(b"5", Some((5, Sequence::Missing)));
        check(b"5-*", Some((5, Sequence::Auto)));
        check(b"5-7", Some((5, Sequence::Given(7))));
        check(b" +05-7", Some((5, Sequence::Given(7))));
        check(b"18446744073709551615-0", Some((u64::MAX, Sequence::Given(0))));
        for wrong in ["", "-", "+", "-5", "5-", "5--1", "x", "5-x", "18446744073709551616", "5-7-1"]
        {
            check(wrong.as_bytes(), None);
        }
        check(&[b'1'; 200], None);
    }
}
