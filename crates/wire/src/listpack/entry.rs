//! One entry of a listpack: head, data and backlen. The drawing is in the parent module.

use std::fmt;

use base::number::parse_i64;

use super::TERMINATOR;

/// What an entry holds. A string that is a canonical integer is kept as one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Element<'a> {
    Bytes(&'a [u8]),
    Integer(i64),
}

impl<'a> Element<'a> {
    /// The element as text; an integer is written into `buffer`.
    #[inline]
    pub fn text<'b>(&self, buffer: &'b mut TextBuffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match *self {
            Element::Bytes(bytes) => bytes,
            Element::Integer(value) => buffer.0.format(value).as_bytes(),
        }
    }

    pub fn to_vec(&self) -> Vec<u8> {
        self.text(&mut TextBuffer::default()).to_vec()
    }

    /// Length of the text in bytes.
    pub fn text_len(&self) -> usize {
        self.text(&mut TextBuffer::default()).len()
    }
}

/// Room for the text of an integer element.
#[derive(Default)]
pub struct TextBuffer(itoa::Buffer);

impl fmt::Debug for TextBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TextBuffer")
    }
}

/// A value to look for, parsed once.
#[derive(Clone, Copy, Debug)]
pub struct Needle<'a> {
    bytes: &'a [u8],
    integer: Option<i64>,
}

impl<'a> Needle<'a> {
    pub fn new(bytes: &'a [u8]) -> Needle<'a> {
        Needle { bytes, integer: parse_i64(bytes) }
    }

    #[inline]
    pub fn is(&self, element: Element<'_>) -> bool {
        match element {
            Element::Bytes(bytes) => bytes == self.bytes,
            Element::Integer(value) => self.integer == Some(value),
        }
    }
}

/// A value ready to be written as an entry.
pub(super) struct Encoded<'a> {
    head: [u8; 9],
    head_size: usize,
    data: &'a [u8],
}

impl<'a> Encoded<'a> {
    pub(super) fn of(value: &'a [u8]) -> Encoded<'a> {
        let mut encoded = Encoded { head: [0; 9], head_size: 0, data: &[] };
        match parse_i64(value) {
            Some(integer) => encoded.integer(integer),
            None => encoded.string(value),
        }
        encoded
    }

    /// As [`of`](Self::of); an integer needs no text.
    pub(super) fn of_element(element: Element<'a>) -> Encoded<'a> {
        match element {
            Element::Bytes(bytes) => Encoded::of(bytes),
            Element::Integer(value) => {
                let mut encoded = Encoded { head: [0; 9], head_size: 0, data: &[] };
                encoded.integer(value);
                encoded
            }
        }
    }

    fn integer(&mut self, value: i64) {
        let bytes = value.to_le_bytes();
        match value {
            0..=127 => self.set_head(&[bytes[0]]),
            -4096..=4095 => self.set_head(&[0xc0 | (bytes[1] & 0x1f), bytes[0]]),
            -0x8000..=0x7fff => self.tagged(0xf1, &bytes[..2]),
            -0x80_0000..=0x7f_ffff => self.tagged(0xf2, &bytes[..3]),
            -0x8000_0000..=0x7fff_ffff => self.tagged(0xf3, &bytes[..4]),
            _ => self.tagged(0xf4, &bytes),
        }
    }

    fn string(&mut self, value: &'a [u8]) {
        let length = u32::try_from(value.len()).expect("a listpack string is below 4 GiB");
        let bytes = length.to_be_bytes();
        match length {
            0..64 => self.set_head(&[0x80 | bytes[3]]),
            64..4096 => self.set_head(&[0xe0 | bytes[2], bytes[3]]),
            _ => self.tagged(0xf0, &length.to_le_bytes()),
        }
        self.data = value;
    }

    fn set_head(&mut self, head: &[u8]) {
        self.head[..head.len()].copy_from_slice(head);
        self.head_size = head.len();
    }

    fn tagged(&mut self, tag: u8, rest: &[u8]) {
        self.head[0] = tag;
        self.head[1..=rest.len()].copy_from_slice(rest);
        self.head_size = 1 + rest.len();
    }

    /// Head, data and backlen.
    pub(super) fn total_size(&self) -> usize {
        let size = self.head_size + self.data.len();
        size + backlen_size(size)
    }

    /// Writes the entry at the front of `out`.
    pub(super) fn write(&self, out: &mut [u8]) {
        let (head, rest) = out.split_at_mut(self.head_size);
        head.copy_from_slice(&self.head[..self.head_size]);
        let (data, rest) = rest.split_at_mut(self.data.len());
        data.copy_from_slice(self.data);
        let size = self.head_size + self.data.len();
        let last = backlen_size(size) - 1;
        for (at, byte) in rest[..=last].iter_mut().enumerate() {
            let bits = (size >> (7 * (last - at))) & 0x7f;
            let more = if at == 0 { 0 } else { 0x80 };
            *byte = u8::try_from(bits).expect("seven bits") | more;
        }
    }
}

/// Bytes that the backlen of an entry of `size` takes. The limits are Redis' own: the largest value
/// of each width already takes one byte more.
#[inline]
pub(super) fn backlen_size(size: usize) -> usize {
    match size {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

/// Reads the backlen that ends with the last byte of `bytes`.
pub(super) fn backlen_before(bytes: &[u8]) -> Option<usize> {
    let mut size = 0;
    for (at, &byte) in bytes.iter().rev().enumerate().take(5) {
        size |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some(size);
        }
    }
    None
}

/// Length of head and data of the entry at the front of `bytes`, as its head says; `None` at the
/// terminator, at a head that does not exist and at a length that is cut off.
#[inline]
pub(super) fn entry_size(bytes: &[u8]) -> Option<usize> {
    let head = *bytes.first()?;
    Some(match head {
        0x00..=0x7f => 1,
        0x80..=0xbf => 1 + usize::from(head & 0x3f),
        0xc0..=0xdf => 2,
        0xe0..=0xef => 2 + (usize::from(head & 0x0f) << 8) + usize::from(*bytes.get(1)?),
        0xf0 => 5 + long_length(bytes)?,
        0xf1 => 3,
        0xf2 => 4,
        0xf3 => 5,
        0xf4 => 9,
        _ => return None,
    })
}

fn long_length(bytes: &[u8]) -> Option<usize> {
    let length = bytes.get(1..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*length)).ok()
}

/// What lies behind the entry at the front of `bytes`, if that entry is sound.
pub(super) fn skip_checked(bytes: &[u8]) -> Option<&[u8]> {
    let size = entry_size(bytes)?;
    let end = size.checked_add(backlen_size(size))?;
    let rest = bytes.get(end..)?;
    (backlen_before(&bytes[size..end]) == Some(size)).then_some(rest)
}

/// The element at the front of `bytes`; `None` at the terminator.
#[inline]
pub(super) fn decode(bytes: &[u8]) -> Option<Element<'_>> {
    let head = *bytes.first()?;
    Some(match head {
        0x00..=0x7f => Element::Integer(i64::from(head)),
        0x80..=0xbf => Element::Bytes(&bytes[1..1 + usize::from(head & 0x3f)]),
        0xc0..=0xdf => {
            let unsigned = (i64::from(head & 0x1f) << 8) | i64::from(bytes[1]);
            Element::Integer(sign_extend(unsigned, 13))
        }
        0xe0..=0xef => Element::Bytes(&bytes[2..entry_size(bytes)?]),
        0xf0 => Element::Bytes(&bytes[5..entry_size(bytes)?]),
        0xf1 => Element::Integer(little_endian(&bytes[1..3])),
        0xf2 => Element::Integer(little_endian(&bytes[1..4])),
        0xf3 => Element::Integer(little_endian(&bytes[1..5])),
        0xf4 => Element::Integer(little_endian(&bytes[1..9])),
        0xf5..=TERMINATOR => return None,
    })
}

/// A signed integer of 2, 3, 4 or 8 bytes.
fn little_endian(bytes: &[u8]) -> i64 {
    let unsigned = bytes.iter().rev().fold(0u64, |value, &byte| (value << 8) | u64::from(byte));
    sign_extend(unsigned.cast_signed(), 8 * u32::try_from(bytes.len()).expect("at most 8"))
}

fn sign_extend(value: i64, bits: u32) -> i64 {
    let unused = 64 - bits;
    (value << unused) >> unused
}
