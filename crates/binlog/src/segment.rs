//! A segment: one file of the log.
//!
//! ```text
//!   ┌ header 64 B ┬ record ┬ record ┬ mark 24 B ┬ record ┬ ... ┬ footer 32 B (only when closed) ┐
//!   └─────────────┴────────┴────────┴───────────┴────────┴─────┴────────────────────────────────┘
//!
//!   header  magic 8 | version u32 | generation u32 | cluster u128 | shard u32 | zero u32
//!           | epoch u64 | first_opid u64 | zero u32 | crc u32
//!   mark    ff ff ff fe | crc u32 | durable u64 | zero u64          crc also covers the mark's offset
//!   footer  ff ff ff ff | crc u32 | last_opid u64 | bytes u64 | zero u64
//! ```
//!
//! A mark says "when I was written, everything up to `durable` had been fsynced". It is what tells a
//! torn tail (legal: only bytes behind the last fsync can be torn) from corruption (bytes that had been
//! fsynced and are damaged now).
//!
//! Invariants
//! - A segment is named by its first OpID, zero-padded to 20 digits, so names sort like OpIDs.
//! - OpIDs inside are dense, epochs never fall, and a segment begins and ends at group boundaries.
//! - A closed segment never changes and was fsynced before its successor was created: a torn tail is
//!   legal only in the newest segment.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use base::{ClusterId, Epoch, OpId, ShardId};
use wire::record::{self, Record, RecordError};

pub(crate) const HEADER_BYTES: usize = 64;
pub(crate) const MARK_BYTES: usize = 24;
pub(crate) const FOOTER_BYTES: usize = 32;

const MAGIC: &[u8; 8] = b"POLLUXBL";
const VERSION: u32 = 1;
const MARK: u32 = 0xffff_fffe;
const FOOTER: u32 = 0xffff_ffff;

/// How much a scan reads at once, bytes.
const WINDOW_BYTES: usize = 256 << 10;

/// The facts in front of the records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    pub(crate) generation: u32,
    pub(crate) cluster: ClusterId,
    pub(crate) shard: ShardId,
    /// Epoch of the first record.
    pub(crate) epoch: Epoch,
    pub(crate) first: OpId,
}

/// File name of the segment that begins with `first`.
pub(crate) fn file_name(first: OpId) -> String {
    format!("{:020}.binlog", first.get())
}

/// The first OpID that a file name tells, if it is that of a segment.
pub(crate) fn parse_file_name(name: &str) -> Option<OpId> {
    let digits = name.strip_suffix(".binlog")?;
    if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    OpId::new(digits.parse().ok()?)
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[0..8].copy_from_slice(MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[12..16].copy_from_slice(&self.generation.to_le_bytes());
        out[16..32].copy_from_slice(&self.cluster.0.to_le_bytes());
        out[32..36].copy_from_slice(&self.shard.0.to_le_bytes());
        out[40..48].copy_from_slice(&self.epoch.0.to_le_bytes());
        out[48..56].copy_from_slice(&self.first.get().to_le_bytes());
        let crc = crc32c::crc32c(&out[..60]);
        out[60..64].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// The header, or what is wrong with it.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Header, &'static str> {
        let bytes: &[u8; HEADER_BYTES] =
            bytes.first_chunk().ok_or("it is shorter than a segment header")?;
        if &bytes[0..8] != MAGIC {
            return Err("it has a foreign magic number");
        }
        if u32_at(bytes, 60) != crc32c::crc32c(&bytes[..60]) {
            return Err("the checksum of its header does not match");
        }
        if u32_at(bytes, 8) != VERSION {
            return Err("it was written by another version of the format");
        }
        Ok(Header {
            generation: u32_at(bytes, 12),
            cluster: ClusterId(u128::from_le_bytes(
                *bytes[16..].first_chunk().expect("a header has 64 bytes"),
            )),
            shard: ShardId(u32_at(bytes, 32)),
            epoch: Epoch(u64_at(bytes, 40)),
            first: OpId::new(u64_at(bytes, 48)).ok_or("its first OpID is zero")?,
        })
    }
}

/// A mark at file offset `at` that vouches for everything up to OpID `durable`.
pub(crate) fn encode_mark(durable: u64, at: u64) -> [u8; MARK_BYTES] {
    let mut out = [0; MARK_BYTES];
    out[0..4].copy_from_slice(&MARK.to_le_bytes());
    out[8..16].copy_from_slice(&durable.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&at.to_le_bytes()), &out[8..]);
    out[4..8].copy_from_slice(&crc.to_le_bytes());
    out
}

fn decode_mark(bytes: &[u8; MARK_BYTES], at: u64) -> Option<u64> {
    let crc = crc32c::crc32c_append(crc32c::crc32c(&at.to_le_bytes()), &bytes[8..]);
    (u32_at(bytes, 0) == MARK && u32_at(bytes, 4) == crc).then(|| u64_at(bytes, 8))
}

/// The end of a closed segment whose records end at file offset `bytes`.
pub(crate) fn encode_footer(last: OpId, bytes: u64) -> [u8; FOOTER_BYTES] {
    let mut out = [0; FOOTER_BYTES];
    out[0..4].copy_from_slice(&FOOTER.to_le_bytes());
    out[8..16].copy_from_slice(&last.get().to_le_bytes());
    out[16..24].copy_from_slice(&bytes.to_le_bytes());
    let crc = crc32c::crc32c(&out[8..]);
    out[4..8].copy_from_slice(&crc.to_le_bytes());
    out
}

fn decode_footer(bytes: &[u8; FOOTER_BYTES], at: u64) -> Option<OpId> {
    let sound = u32_at(bytes, 0) == FOOTER
        && u32_at(bytes, 4) == crc32c::crc32c(&bytes[8..])
        && u64_at(bytes, 16) == at;
    if sound { OpId::new(u64_at(bytes, 8)) } else { None }
}

/// The last OpID of a closed segment, by the footer at the end of its file.
pub(crate) fn read_footer(file: &File) -> io::Result<Option<OpId>> {
    let size = file.metadata()?.len();
    let Some(at) = size.checked_sub(FOOTER_BYTES as u64) else { return Ok(None) };
    let mut bytes = [0; FOOTER_BYTES];
    file.read_exact_at(&mut bytes, at)?;
    Ok(decode_footer(&bytes, at))
}

/// The largest durable OpID that any sound mark at or behind file offset `from` vouches for.
pub(crate) fn find_marks(file: &File, from: u64) -> io::Result<Option<u64>> {
    let size = file.metadata()?.len();
    let mut found = None;
    let mut window = vec![0; WINDOW_BYTES];
    let mut at = from;
    while at < size {
        let want = usize::try_from(size - at).unwrap_or(usize::MAX).min(WINDOW_BYTES);
        file.read_exact_at(&mut window[..want], at)?;
        for offset in 0..want.saturating_sub(MARK_BYTES - 1) {
            let bytes = window[offset..].first_chunk().expect("the loop leaves room for a mark");
            if let Some(durable) = decode_mark(bytes, at + offset as u64) {
                found = found.max(Some(durable));
            }
        }
        // Windows overlap, so that a mark on their border is seen by the second of them.
        let step = if want < WINDOW_BYTES { want } else { want - (MARK_BYTES - 1) };
        at += step as u64;
    }
    Ok(found)
}

/// What stands at one place of a segment.
#[derive(Debug)]
pub(crate) enum Item<'a> {
    /// A sound record, and its very bytes.
    Record(Record<'a>, &'a [u8]),
    /// A sound mark; only recovery asks for what it vouches, see [`find_marks`].
    Mark,
    Footer {
        last: OpId,
    },
    /// The file ends here, between two items.
    End,
}

/// Why a scan cannot go on at `offset`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    #[error("at byte {offset}: {error}")]
    Record { offset: u64, error: RecordError },
    #[error("at byte {offset}: a damaged mark or footer")]
    Mark { offset: u64 },
    #[error("{0}")]
    Header(&'static str),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads a segment item by item through a window that grows only for records that are really there.
#[derive(Debug)]
pub(crate) struct Scan {
    file: Arc<File>,
    window: Vec<u8>,
    /// Where in `window` the next item starts.
    start: usize,
    /// File offset of `window[start]`.
    at: u64,
}

impl Scan {
    /// Opens a segment behind its header.
    pub(crate) fn open(file: Arc<File>) -> Result<(Header, Scan), ScanError> {
        let mut bytes = [0; HEADER_BYTES];
        let length = read_some_at(&file, &mut bytes, 0)?;
        let header = Header::decode(&bytes[..length]).map_err(ScanError::Header)?;
        Ok((header, Scan { file, window: Vec::new(), start: 0, at: HEADER_BYTES as u64 }))
    }

    /// File offset of the next item.
    pub(crate) fn offset(&self) -> u64 {
        self.at
    }

    /// Takes the next item. After an error the scan stays where it is.
    pub(crate) fn next(&mut self) -> Result<Item<'_>, ScanError> {
        let offset = self.at;
        let there = self.fill(4)?;
        if there == 0 {
            return Ok(Item::End);
        }
        let word = if there < 4 { 0 } else { u32_at(&self.window, self.start) };
        match word {
            MARK => {
                self.fill(MARK_BYTES)?;
                let bytes = self.window[self.start..].first_chunk();
                let durable = bytes.and_then(|bytes| decode_mark(bytes, offset));
                durable.ok_or(ScanError::Mark { offset })?;
                self.advance(MARK_BYTES);
                Ok(Item::Mark)
            }
            FOOTER => {
                self.fill(FOOTER_BYTES)?;
                let bytes = self.window[self.start..].first_chunk();
                let last = bytes.and_then(|bytes| decode_footer(bytes, offset));
                let last = last.ok_or(ScanError::Mark { offset })?;
                self.advance(FOOTER_BYTES);
                Ok(Item::Footer { last })
            }
            _ => self.next_record(offset),
        }
    }

    fn next_record(&mut self, offset: u64) -> Result<Item<'_>, ScanError> {
        let broken = |error| ScanError::Record { offset, error };
        let length = record::length(&self.window[self.start..]).map_err(broken)?;
        if self.window.len() - self.start < length {
            // Asked once a window, not once a record: a system call would cost more than the record.
            let left = self.file.metadata()?.len().saturating_sub(offset);
            let have = usize::try_from(left).unwrap_or(usize::MAX);
            if have < length {
                return Err(broken(RecordError::Torn { needed: length, have }));
            }
            self.fill(length)?;
        }
        let bytes = &self.window[self.start..self.start + length];
        let (record, _) = Record::decode(bytes).map_err(broken)?;
        self.start += length;
        self.at += length as u64;
        Ok(Item::Record(record, bytes))
    }

    fn advance(&mut self, bytes: usize) {
        self.start += bytes;
        self.at += bytes as u64;
    }

    /// Makes `needed` bytes visible behind `start`, unless the file ends before; returns how many are.
    fn fill(&mut self, needed: usize) -> io::Result<usize> {
        let there = self.window.len() - self.start;
        if there >= needed {
            return Ok(there);
        }
        self.window.drain(..self.start);
        self.start = 0;
        self.window.resize(needed.max(WINDOW_BYTES), 0);
        let read = read_some_at(&self.file, &mut self.window[there..], self.at + there as u64)?;
        self.window.truncate(there + read);
        Ok(self.window.len())
    }
}

/// Reads until `buffer` is full or the file ends.
fn read_some_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], at + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// A segment as the running log knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SegmentInfo {
    pub(crate) first: OpId,
    /// Set when the segment is closed.
    pub(crate) last: Option<OpId>,
    pub(crate) bytes: u64,
    pub(crate) path: PathBuf,
}

impl SegmentInfo {
    /// The bytes that belong to ops behind `opid`, as if all ops in here were of one size. `end` is the
    /// newest op of the log.
    pub(crate) fn bytes_behind(&self, opid: u64, end: u64) -> u64 {
        let first = self.first.get();
        let last = self.last.map_or(end, OpId::get);
        let ops = (last + 1).saturating_sub(first);
        let behind = last.saturating_sub(opid).min(ops);
        let share = u128::from(self.bytes) * u128::from(behind);
        let bytes = share.checked_div(u128::from(ops)).unwrap_or(0);
        u64::try_from(bytes).expect("a share is not larger than the whole")
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("the caller checked the length"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("the caller checked the length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_like_opids() {
        let name = file_name(OpId::new(42).unwrap());
        assert_eq!(name, "00000000000000000042.binlog");
        assert_eq!(parse_file_name(&name), OpId::new(42));
        for foreign in
            ["42.binlog", "00000000000000000000.binlog", "discarded-3.binlog", "MANIFEST"]
        {
            assert_eq!(parse_file_name(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn headers_round_trip_and_damage_is_seen() {
        let header = Header {
            generation: 2,
            cluster: ClusterId(7),
            shard: ShardId(3),
            epoch: Epoch(4),
            first: OpId::new(101).unwrap(),
        };
        let bytes = header.encode();
        assert_eq!(Header::decode(&bytes), Ok(header));
        for at in 0..HEADER_BYTES {
            let mut wrong = bytes;
            wrong[at] ^= 0x10;
            assert!(Header::decode(&wrong).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_segment_counts_by_the_share_of_its_ops() {
        let opid = |value| OpId::new(value);
        let segment = |last: Option<OpId>| SegmentInfo {
            first: OpId::new(101).unwrap(),
            last,
            bytes: 1000,
            path: PathBuf::new(),
        };
        let closed = segment(opid(200));
        for (behind, bytes) in [(0, 1000), (100, 1000), (150, 500), (199, 10), (200, 0), (900, 0)] {
            assert_eq!(closed.bytes_behind(behind, 5000), bytes, "{behind}");
        }
        // One that is open ends with the log; nothing may be written in it yet.
        assert_eq!(segment(None).bytes_behind(125, 150), 500);
        assert_eq!(segment(None).bytes_behind(0, 100), 0);
    }

    #[test]
    fn a_copied_mark_does_not_count() {
        let mark = encode_mark(9, 1000);
        assert_eq!(decode_mark(&mark, 1000), Some(9));
        assert_eq!(decode_mark(&mark, 1001), None);
    }
}
