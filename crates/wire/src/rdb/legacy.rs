//! Packed forms of old versions: ziplist and zipmap. They are read into listpacks, never written.
//!
//! ```text
//!   ziplist   bytes u32 | tail u32 | count u16 | entry* | FF                     little-endian
//!     entry   previous-length: u8 below FE, or FE u32 | head | data
//!     head    00llllll                       string, 6 bits     C0 i16   D0 i32   E0 i64   F0 i24   FE i8
//!             01llllll llllllll              14 bits            F1..FD   the integer 0..12
//!             80 u32 big-endian              32 bits
//!
//!   zipmap    count u8 | (length key length free value gap)* | FF        length: u8 below FE, or FE u32
//! ```
//!
//! Invariants
//! - Every length is compared with what is there; nothing is allocated by a claim.
//! - Previous-lengths, tail and count are redundant and not trusted: the walk decides.

use crate::listpack::Listpack;

const ZIPLIST_HEADER_BYTES: usize = 10;
const TERMINATOR: u8 = 0xff;
/// Marks a 32-bit length, of the previous entry or inside a zipmap.
const LONG_LENGTH: u8 = 0xfe;

/// The entries of a ziplist; `None` unless `bytes` are one through and through.
pub(super) fn ziplist(bytes: &[u8]) -> Option<Listpack> {
    let total = u32::from_le_bytes(*bytes.first_chunk()?);
    if usize::try_from(total) != Ok(bytes.len()) {
        return None;
    }
    let mut input = Input(bytes.get(ZIPLIST_HEADER_BYTES..)?);
    let mut list = Listpack::new();
    let mut text = itoa::Buffer::new();
    while input.0 != [TERMINATOR] {
        if input.byte()? == LONG_LENGTH {
            input.array::<4>()?;
        }
        match ziplist_entry(&mut input)? {
            ZiplistEntry::Bytes(bytes) => list.push_back(bytes),
            ZiplistEntry::Integer(value) => list.push_back(text.format(value).as_bytes()),
        }
    }
    Some(list)
}

enum ZiplistEntry<'a> {
    Bytes(&'a [u8]),
    Integer(i64),
}

fn ziplist_entry<'a>(input: &mut Input<'a>) -> Option<ZiplistEntry<'a>> {
    let head = input.byte()?;
    let low = u32::from(head & 0x3f);
    let integer = match head {
        0x00..=0x3f => return Some(ZiplistEntry::Bytes(input.bytes(low)?)),
        0x40..=0x7f => {
            let length = low << 8 | u32::from(input.byte()?);
            return Some(ZiplistEntry::Bytes(input.bytes(length)?));
        }
        0x80 => {
            let length = u32::from_be_bytes(input.array()?);
            return Some(ZiplistEntry::Bytes(input.bytes(length)?));
        }
        0xc0 => i64::from(i16::from_le_bytes(input.array()?)),
        0xd0 => i64::from(i32::from_le_bytes(input.array()?)),
        0xe0 => i64::from_le_bytes(input.array()?),
        0xf0 => {
            let [a, b, c] = input.array()?;
            // Placed in the upper three bytes, the shift back extends the sign.
            i64::from(i32::from_le_bytes([0, a, b, c]) >> 8)
        }
        0xfe => i64::from(i8::from_le_bytes(input.array()?)),
        0xf1..=0xfd => i64::from(head & 0x0f) - 1,
        _ => return None,
    };
    Some(ZiplistEntry::Integer(integer))
}

/// Field, value, field, value, ... of a zipmap; `None` unless `bytes` are one through and through.
pub(super) fn zipmap(bytes: &[u8]) -> Option<Listpack> {
    // The count is only a hint, as it ends at 254.
    let mut input = Input(bytes.get(1..)?);
    let mut list = Listpack::new();
    while input.0 != [TERMINATOR] {
        let length = input.zipmap_length()?;
        list.push_back(input.bytes(length)?);
        let length = input.zipmap_length()?;
        let gap = input.byte()?;
        list.push_back(input.bytes(length)?);
        input.bytes(u32::from(gap))?;
    }
    Some(list)
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }

    fn bytes(&mut self, length: u32) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(bytes)
    }

    fn zipmap_length(&mut self) -> Option<u32> {
        match self.byte()? {
            TERMINATOR => None,
            LONG_LENGTH => Some(u32::from_le_bytes(self.array()?)),
            short => Some(u32::from(short)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(list: Option<Listpack>) -> Option<Vec<String>> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        list.map(|list| list.iter().map(|element| text(element.to_vec())).collect())
    }

    fn framed(entries: &[&[u8]]) -> Vec<u8> {
        let body = [entries.concat().as_slice(), &[TERMINATOR]].concat();
        let total = u32::try_from(ZIPLIST_HEADER_BYTES + body.len()).unwrap();
        let mut bytes = total.to_le_bytes().to_vec();
        bytes.extend_from_slice(&[0; 6]);
        bytes.extend_from_slice(&body);
        bytes
    }

    #[test]
    fn every_form_of_ziplist_entry() {
        let bytes = framed(&[
            b"\x00\x03abc",
            b"\x00\x40\x02hi",
            b"\xfe\x01\x00\x00\x00\x80\x00\x00\x00\x01x",
            b"\x00\xf1",
            b"\x00\xfd",
            b"\x00\xfe\xff",
            b"\x00\xc0\x00\x80",
            b"\x00\xf0\xff\xff\xff",
            b"\x00\xd0\x00\x00\x01\x00",
            b"\x00\xe0\x00\x00\x00\x00\x00\x00\x00\x80",
        ]);
        let expect =
            ["abc", "hi", "x", "0", "12", "-1", "-32768", "-1", "65536", "-9223372036854775808"];
        assert_eq!(texts(ziplist(&bytes)).unwrap(), expect);
        for cut in 0..bytes.len() {
            assert_eq!(ziplist(&bytes[..cut]), None);
        }
        assert_eq!(ziplist(&framed(&[b"\x00\x05abc"])), None, "string passes the end");
        assert_eq!(ziplist(&framed(&[b"\x00\xff"])), None, "terminator as a head");
    }

    #[test]
    fn zipmap_with_gap_and_long_length() {
        let bytes = b"\x02\x01a\x02\x01bb_\xfe\x01\x00\x00\x00c\x00\x00\xff";
        assert_eq!(texts(zipmap(bytes)).unwrap(), ["a", "bb", "c", ""]);
        for cut in 0..bytes.len() {
            assert_eq!(zipmap(&bytes[..cut]), None);
        }
    }

    proptest! {
        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..80)) {
            ziplist(&framed(&[&noise]));
            zipmap(&noise);
        }
    }
}
