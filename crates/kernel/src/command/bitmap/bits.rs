//! Pure functions on rows of bits: counting, finding, and integers of any width.
//!
//! Invariant: ranges lie inside the bytes; loops go over 8 bytes at a time, so that the compiler can widen them.

use std::ops::Range;

/// Bits that are on in `range`.
pub(super) fn count(bytes: &[u8], range: Range<usize>) -> u64 {
    if range.is_empty() {
        return 0;
    }
    let (first, last) = (range.start / 8, (range.end - 1) / 8);
    let whole = &bytes[first..=last];
    let before = bytes[first] & !(0xff >> (range.start % 8));
    let behind = bytes[last] & !last_mask(range.end);
    count_all(whole) - u64::from(before.count_ones() + behind.count_ones())
}

/// The bits of the last byte that lie before `end`.
fn last_mask(end: usize) -> u8 {
    0xff << (7 - (end - 1) % 8)
}

fn count_all(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let in_words: u64 =
        words.iter().map(|word| u64::from(u64::from_le_bytes(*word).count_ones())).sum();
    in_words + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

/// The first bit of `range` that is on, or off.
pub(super) fn position(bytes: &[u8], range: Range<usize>, is_on: bool) -> Option<usize> {
    if range.is_empty() {
        return None;
    }
    // What is looked for becomes a one.
    let flip = if is_on { 0 } else { 0xff };
    let (first, last) = (range.start / 8, (range.end - 1) / 8);
    let head = (bytes[first] ^ flip) & (0xff >> (range.start % 8));
    let bit_in = |at: usize, byte: u8| at * 8 + byte.leading_zeros() as usize;
    let found = if head != 0 {
        bit_in(first, head)
    } else {
        let at = first + 1 + first_other(&bytes[first + 1..=last], flip)?;
        bit_in(at, bytes[at] ^ flip)
    };
    (found < range.end).then_some(found)
}

/// The first byte that is not `dull`.
fn first_other(bytes: &[u8], dull: u8) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    let skipped = words.iter().take_while(|word| **word == [dull; 8]).count() * 8;
    let found = bytes[skipped..].iter().position(|byte| *byte != dull);
    found.map(|at| skipped + at)
}

/// An integer inside a row of bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Field {
    /// Its highest bit.
    pub(super) offset: u64,
    /// 1 to 64 when signed, else 1 to 63.
    pub(super) width: u32,
    pub(super) is_signed: bool,
}

impl Field {
    /// Bytes that a field of 64 bits can touch.
    const BYTES: usize = 9;

    /// The first byte that the field touches.
    pub(super) fn first_byte(&self) -> usize {
        super::byte_of(self.offset)
    }

    /// How many it touches.
    pub(super) fn bytes(&self) -> usize {
        (self.skipped() + self.width).div_ceil(8) as usize
    }

    /// Bits of the first byte that are not the field's.
    fn skipped(&self) -> u32 {
        u32::try_from(self.offset & 7).expect("below 8")
    }

    fn mask(&self) -> u128 {
        (1 << self.width) - 1
    }

    /// Bits behind the field in a row of [`Field::BYTES`] bytes.
    fn shift(&self) -> u32 {
        8 * Self::BYTES as u32 - self.skipped() - self.width
    }

    fn row(&self, bytes: &[u8]) -> u128 {
        let at = |i: usize| bytes.get(self.first_byte() + i).copied().unwrap_or(0);
        (0..Self::BYTES).fold(0, |row, i| row << 8 | u128::from(at(i)))
    }

    /// The integer; behind the end of `bytes` there are zeros.
    pub(super) fn read(&self, bytes: &[u8]) -> i64 {
        let raw = i128::try_from(self.row(bytes) >> self.shift() & self.mask());
        self.wrap(raw.expect("at most 64 bits"))
    }

    /// The bytes from [`Field::first_byte`] on that the field touches, once it is `value`.
    pub(super) fn written(&self, bytes: &[u8], value: i64) -> Vec<u8> {
        let value = (value as u128 & self.mask()) << self.shift();
        let row = self.row(bytes) & !(self.mask() << self.shift()) | value;
        let row = row.to_be_bytes();
        row[row.len() - Self::BYTES..][..self.bytes()].to_vec()
    }

    /// Smallest and largest value.
    fn bounds(&self) -> (i128, i128) {
        if self.is_signed {
            (-(1 << (self.width - 1)), (1 << (self.width - 1)) - 1)
        } else {
            (0, (1 << self.width) - 1)
        }
    }

    /// The low bits of a number, as the field shows them.
    fn wrap(&self, value: i128) -> i64 {
        let low = value & ((1 << self.width) - 1);
        let (_, largest) = self.bounds();
        let shown = if low > largest { low - (1 << self.width) } else { low };
        i64::try_from(shown).expect("a field has at most 64 bits")
    }

    /// Whether Redis takes a number that is far too small to be set for one that is too large: it is more than 2^63 - 1 below the
    /// largest one, and the difference overflows (`checkSignedBitfieldOverflow`).
    pub(super) fn looks_too_large(&self, value: i64) -> bool {
        let (_, largest) = self.bounds();
        self.is_signed && self.width < 64 && largest - i128::from(value) > i128::from(i64::MAX)
    }

    /// What a number becomes that is to be stored; `None`: it does not fit, and must not be stored.
    pub(super) fn fit(&self, value: i128, overflow: Overflow) -> Option<i64> {
        let (smallest, largest) = self.bounds();
        if (smallest..=largest).contains(&value) {
            return Some(self.wrap(value));
        }
        match overflow {
            Overflow::Wrap => Some(self.wrap(value)),
            Overflow::Saturate => Some(self.wrap(value.clamp(smallest, largest))),
            Overflow::Fail => None,
        }
    }
}

/// What happens to a number that its field is too narrow for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not a pattern of whole words.
    fn sample() -> Vec<u8> {
        (0..37_u8).map(|i| i.wrapping_mul(89) ^ 0x5a).collect()
    }

    fn is_on(bytes: &[u8], bit: usize) -> bool {
        bytes[bit / 8] & (0x80 >> (bit % 8)) != 0
    }

    #[test]
    fn counts_and_positions_agree_with_looking_at_every_bit() {
        let (mut full, mut empty) = (vec![0xff; 37], vec![0; 37]);
        (full[33], empty[33]) = (0xf7, 0x08);
        for bytes in [sample(), full, empty] {
            for start in 0..bytes.len() * 8 {
                for end in [start, start + 1, start + 9, start + 70, 296].map(|end| end.min(296)) {
                    let ones = (start..end).filter(|bit| is_on(&bytes, *bit)).count() as u64;
                    assert_eq!(count(&bytes, start..end), ones);
                    for value in [false, true] {
                        let first = (start..end).find(|bit| is_on(&bytes, *bit) == value);
                        assert_eq!(position(&bytes, start..end, value), first, "{start}..{end}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_field_reads_what_was_written_and_leaves_its_neighbours() {
        for width in 1..=64 {
            for offset in [0, 1, 7, 8, 13, 250] {
                for is_signed in [false, true].into_iter().filter(|signed| *signed || width < 64) {
                    let field = Field { offset, width, is_signed };
                    let value = field.wrap(0x1234_5678_9abc_def0_i128 * 31);
                    let mut bytes = sample();
                    bytes.resize(bytes.len() + 9, 0);
                    let before = bytes.clone();
                    let part = field.written(&bytes, value);
                    bytes[field.first_byte()..][..part.len()].copy_from_slice(&part);
                    assert_eq!(field.read(&bytes), value, "{field:?}");
                    let outside = |bit: &usize| {
                        let bit = *bit as u64;
                        bit < offset || bit >= offset + u64::from(width)
                    };
                    let same = (0..bytes.len() * 8)
                        .filter(outside)
                        .all(|bit| is_on(&bytes, bit) == is_on(&before, bit));
                    assert!(same, "{field:?}");
                }
            }
        }
    }

    #[test]
    fn overflow() {
        let u8_ = Field { offset: 0, width: 8, is_signed: false };
        let i8_ = Field { offset: 0, width: 8, is_signed: true };
        let i64_ = Field { offset: 0, width: 64, is_signed: true };
        let check = |field: Field, value, wrapped, saturated| {
            assert_eq!(field.fit(value, Overflow::Wrap), Some(wrapped));
            assert_eq!(field.fit(value, Overflow::Saturate), Some(saturated));
            let fits = (wrapped == saturated).then_some(wrapped);
            assert_eq!(field.fit(value, Overflow::Fail), fits);
        };
        check(u8_, 255, 255, 255);
        check(u8_, 256, 0, 255);
        check(u8_, -1, 255, 0);
        check(i8_, 127, 127, 127);
        check(i8_, 128, -128, 127);
        check(i8_, -129, 127, -128);
        check(i64_, i128::from(i64::MAX) + 1, i64::MIN, i64::MAX);
        assert!(i8_.looks_too_large(i64::MIN) && i8_.looks_too_large(i64::MIN + 127));
        assert!(!i8_.looks_too_large(i64::MIN + 128) && !i64_.looks_too_large(i64::MIN));
        assert!(!u8_.looks_too_large(i64::MIN));
    }
}
