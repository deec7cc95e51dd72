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
//! - Previous-lengths, tail and counts are redundant: where they are not what the walk finds, the bytes are refused, as
//!   a writer that errs in them may have erred in the entries.

use crate::listpack::Listpack;

const ZIPLIST_HEADER_BYTES: usize = 10;
const TERMINATOR: u8 = 0xff;
/// Marks a 32-bit length, of the previous entry or inside a zipmap.
const LONG_LENGTH: u8 = 0xfe;
/// What the header of a ziplist says of more entries than it can count.
const ZIPLIST_COUNT_MAX: u16 = u16::MAX;
/// The same of a zipmap.
const ZIPMAP_COUNT_MAX: u8 = 0xfe;

/// The entries of a ziplist; `None` unless `bytes` are one through and through.
pub(super) fn ziplist(bytes: &[u8]) -> Option<Listpack> {
    let header: &[u8; ZIPLIST_HEADER_BYTES] = bytes.first_chunk()?;
    let [a, b, c, d, e, f, g, h, i, j] = *header;
    let (total, tail) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
    let claimed = u16::from_le_bytes([i, j]);
    if usize::try_from(total) != Ok(bytes.len()) {
        return None;
    }
    let mut input = Input(&bytes[ZIPLIST_HEADER_BYTES..]);
    let mut list = Listpack::new();
    let mut text = itoa::Buffer::new();
    // Where the last entry begins, and its length.
    let (mut last, mut length) = (None, 0);
    while input.0 != [TERMINATOR] {
        let at = bytes.len() - input.0.len();
        if input.previous_length()? != length {
            return None;
        }
        match ziplist_entry(&mut input)? {
            ZiplistEntry::Bytes(bytes) => list.push_back(bytes),
            ZiplistEntry::Integer(value) => list.push_back(text.format(value).as_bytes()),
        }
        last = Some(at);
        length = bytes.len() - input.0.len() - at;
    }
    let is_counted = claimed == ZIPLIST_COUNT_MAX || usize::from(claimed) == list.len();
    let is_tail = last.is_none_or(|at| usize::try_from(tail) == Ok(at));
    (is_counted && is_tail).then_some(list)
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
    let (claimed, entries) = bytes.split_first()?;
    let mut input = Input(entries);
    let mut list = Listpack::new();
    while input.0 != [TERMINATOR] {
        let length = input.zipmap_length()?;
        list.push_back(input.bytes(length)?);
        let length = input.zipmap_length()?;
        let gap = input.byte()?;
        list.push_back(input.bytes(length)?);
        input.bytes(u32::from(gap))?;
    }
    let is_counted = *claimed >= ZIPMAP_COUNT_MAX || usize::from(*claimed) == list.len() / 2;
    // None is written empty: hashes end with their last field.
    (is_counted && !list.is_empty()).then_some(list)
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

    /// Of the entry before this one; the terminator is none.
    fn previous_length(&mut self) -> Option<usize> {
        match self.byte()? {
            TERMINATOR => None,
            LONG_LENGTH => usize::try_from(u32::from_le_bytes(self.array()?)).ok(),
            short => Some(usize::from(short)),
        }
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

    /// A ziplist of these entries, each given without the length of the one before it.
    fn packed(entries: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0; ZIPLIST_HEADER_BYTES];
        let (mut last, mut length) = (0, 0);
        for entry in entries {
            last = bytes.len();
            bytes.push(length);
            bytes.extend_from_slice(entry);
            length = u8::try_from(bytes.len() - last).unwrap();
        }
        bytes.push(TERMINATOR);
        let total = u32::try_from(bytes.len()).unwrap();
        bytes[..4].copy_from_slice(&total.to_le_bytes());
        bytes[4..8].copy_from_slice(&u32::try_from(last).unwrap().to_le_bytes());
        bytes[8..10].copy_from_slice(&u16::try_from(entries.len()).unwrap().to_le_bytes());
        bytes
    }

    #[test]
    fn every_form_of_ziplist_entry() {
        let bytes = packed(&[
            b"\x03abc",
            b"\x40\x02hi",
            b"\x80\x00\x00\x00\x01x",
            b"\xf1",
            b"\xfd",
            b"\xfe\xff",
            b"\xc0\x00\x80",
            b"\xf0\xff\xff\xff",
            b"\xd0\x00\x00\x01\x00",
            b"\xe0\x00\x00\x00\x00\x00\x00\x00\x80",
        ]);
        let expect =
            ["abc", "hi", "x", "0", "12", "-1", "-32768", "-1", "65536", "-9223372036854775808"];
        assert_eq!(texts(ziplist(&bytes)).unwrap(), expect);
        for cut in 0..bytes.len() {
            assert_eq!(ziplist(&bytes[..cut]), None);
        }
        assert_eq!(ziplist(&packed(&[b"\x05abc"])), None, "string passes the end");
        assert_eq!(ziplist(&packed(&[b"\xff"])), None, "terminator as a head");
        assert_eq!(texts(ziplist(&packed(&[]))).unwrap(), [""; 0]);
    }

    #[test]
    fn what_a_ziplist_says_twice_must_agree() {
        let good = packed(&[b"\x01a", b"\x01b"]);
        let changed = |at: usize, to: u8| {
            let mut bytes = good.clone();
            bytes[at] = to;
            texts(ziplist(&bytes))
        };
        let expect = Some(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(texts(ziplist(&good)), expect);
        assert_eq!(changed(4, 10), None, "the tail is another entry");
        assert_eq!(changed(8, 3), None, "it counts more");
        assert_eq!(changed(10, 1), None, "the first entry has one before it");
        assert_eq!(changed(13, 2), None, "the first entry is said to be shorter");
        assert_eq!(changed(13, TERMINATOR), None, "bytes behind the end");
        let mut uncounted = good.clone();
        uncounted[8..10].fill(0xff);
        assert_eq!(texts(ziplist(&uncounted)), expect, "too many to be counted");
        // The length of the entry before it may stand in five bytes where one would do.
        let long = [&good[..13], b"\xfe\x03\x00\x00\x00\x01b\xff"].concat();
        let long = [&u32::try_from(long.len()).unwrap().to_le_bytes(), &long[4..]].concat();
        assert_eq!(texts(ziplist(&long)), expect);
    }

    #[test]
    fn zipmap_with_gap_and_long_length() {
        let bytes = b"\x02\x01a\x02\x01bb_\xfe\x01\x00\x00\x00c\x00\x00\xff";
        assert_eq!(texts(zipmap(bytes)).unwrap(), ["a", "bb", "c", ""]);
        for cut in 0..bytes.len() {
            assert_eq!(zipmap(&bytes[..cut]), None);
        }
        let miscounted = [b"\x03", &bytes[1..]].concat();
        assert_eq!(zipmap(&miscounted), None);
        assert_eq!(zipmap(b"\x00\xff"), None, "it is empty");
        let uncounted = [b"\xfe", &bytes[1..]].concat();
        assert_eq!(texts(zipmap(&uncounted)).unwrap().len(), 4);
    }

    proptest! {
        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..80)) {
            ziplist(&packed(&[&noise]));
            zipmap(&noise);
        }
    }
}
