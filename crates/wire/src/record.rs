//! A record of the binlog: one effect with its place in history.
//!
//! ```text
//!   0      4       8      16      24        32            36            44      45   47
//!   ┌ len  ┬ crc   ┬ opid ┬ epoch ┬ time_ms ┬ origin_site ┬ origin_opid ┬ flags ┬ db ┬ payload ┐
//!   │ u32  │ u32   │ u64  │ u64   │ u64     │ u32         │ u64         │ u8    │ u16│ ...     │
//!   └──────┴───────┴──────┴───────┴─────────┴─────────────┴─────────────┴───────┴────┴─────────┘
//! ```
//!
//! Little-endian. `len` counts the whole record; `crc` is the CRC-32C of everything behind it.
//!
//! Invariants
//! - A record is open (no CRC yet) between [`open`] and [`seal`]; only sealed bytes leave the process
//!   that made them, and those never change again: replicas store the very bytes of the master.
//! - The bytes `00 00 00 00` and `ff ff ff f0..=ff` never start a record: a log may use them as marks.

use base::{Epoch, OpId, UnixMs};

/// Bytes in front of the payload.
pub const HEADER_BYTES: usize = 47;

/// Largest record, bytes. A client's command is bounded by its query buffer (1 GiB), and an effect is
/// hardly larger than the command; twice that leaves room and still fits every 32-bit length.
pub const RECORD_BYTES_MAX: usize = 2 << 30;

/// Offset of the first byte that the CRC covers.
const COVERED_FROM: usize = 8;
const FLAGS_AT: usize = 44;

/// What is special about a record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Flags(u8);

impl Flags {
    pub const NONE: Flags = Flags(0);
    /// The atomic group goes on: the next record belongs to it, and no cut may fall between.
    pub const MORE: Flags = Flags(1);
    /// The key was removed because its time had come, not because a client asked.
    pub const EXPIRED: Flags = Flags(2);
    /// The key was removed to free memory.
    pub const EVICTED: Flags = Flags(4);

    const KNOWN: u8 = 7;

    #[must_use]
    pub fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    pub fn bits(self) -> u8 {
        self.0
    }
}

/// Where an op was first written. All zero for ops of this site's own clients.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Origin {
    pub site: u32,
    /// OpID in the history of that site.
    pub opid: u64,
}

/// Everything about a record but its payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    pub opid: OpId,
    /// Epoch of the master that wrote it.
    pub epoch: Epoch,
    /// The master's wall clock when it executed the command.
    pub time: UnixMs,
    pub origin: Origin,
    pub flags: Flags,
    pub db: u16,
}

/// A sealed record, borrowed from the bytes it was found in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    pub head: Head,
    /// An encoded [`crate::effect::Effect`]; its own decoder judges it.
    pub payload: &'a [u8],
}

/// Bytes that are not a whole, sound record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordError {
    /// Sound so far, but the end is missing: a torn write, or a read that must go on.
    #[error("record is cut off: {have} of {needed} bytes")]
    Torn { needed: usize, have: usize },
    #[error("length {0} is not that of a record")]
    BadLength(u32),
    #[error("checksum is {computed:08x}, the record says {stored:08x}")]
    BadCrc { stored: u32, computed: u32 },
    /// The checksum is right, but a newer or foreign program wrote something this one does not know.
    #[error("record of another format: {0}")]
    Foreign(&'static str),
}

impl<'a> Record<'a> {
    /// Reads the record at the front of `input`, and how many bytes it takes.
    pub fn decode(input: &'a [u8]) -> Result<(Record<'a>, usize), RecordError> {
        let length = length(input)?;
        let Some(bytes) = input.get(..length) else {
            return Err(RecordError::Torn { needed: length, have: input.len() });
        };
        let stored = u32_at(bytes, 4);
        let computed = crc32c::crc32c(&bytes[COVERED_FROM..]);
        if stored != computed {
            return Err(RecordError::BadCrc { stored, computed });
        }
        Ok((Record { head: head(bytes)?, payload: &bytes[HEADER_BYTES..] }, length))
    }
}

/// Length in bytes of the record at the front of `input`, of which its first four bytes must be there.
pub fn length(input: &[u8]) -> Result<usize, RecordError> {
    if input.len() < 4 {
        return Err(RecordError::Torn { needed: HEADER_BYTES, have: input.len() });
    }
    let length = u32_at(input, 0);
    match usize::try_from(length) {
        Ok(bytes) if (HEADER_BYTES..=RECORD_BYTES_MAX).contains(&bytes) => Ok(bytes),
        _ => Err(RecordError::BadLength(length)),
    }
}

/// The facts of a record whose header bytes are all there; the checksum is not looked at.
pub fn head(header: &[u8]) -> Result<Head, RecordError> {
    if header.len() < HEADER_BYTES {
        return Err(RecordError::Torn { needed: HEADER_BYTES, have: header.len() });
    }
    let opid = OpId::new(u64_at(header, 8)).ok_or(RecordError::Foreign("its OpID is zero"))?;
    let flags = header[FLAGS_AT];
    if flags & !Flags::KNOWN != 0 {
        return Err(RecordError::Foreign("it carries unknown flags"));
    }
    let db = u16::from_le_bytes([header[45], header[46]]);
    if db >= base::limits::DATABASES_MAX {
        return Err(RecordError::Foreign("its db number is too large"));
    }
    Ok(Head {
        opid,
        epoch: Epoch(u64_at(header, 16)),
        time: UnixMs(u64_at(header, 24)),
        origin: Origin { site: u32_at(header, 32), opid: u64_at(header, 36) },
        flags: Flags(flags),
        db,
    })
}

/// Appends the header of a record whose payload the caller appends next; returns where it starts.
pub fn open(out: &mut Vec<u8>, head: &Head) -> usize {
    let start = out.len();
    let mut header = [0u8; HEADER_BYTES];
    header[8..16].copy_from_slice(&head.opid.get().to_le_bytes());
    header[16..24].copy_from_slice(&head.epoch.0.to_le_bytes());
    header[24..32].copy_from_slice(&head.time.0.to_le_bytes());
    header[32..36].copy_from_slice(&head.origin.site.to_le_bytes());
    header[36..44].copy_from_slice(&head.origin.opid.to_le_bytes());
    header[FLAGS_AT] = head.flags.0;
    header[45..47].copy_from_slice(&head.db.to_le_bytes());
    out.extend_from_slice(&header);
    start
}

/// Fixes the length of the open record that runs from `start` to the end of `out`.
///
/// Panics when it is larger than [`RECORD_BYTES_MAX`]: the command had to refuse that.
pub fn close(out: &mut [u8], start: usize) {
    let length = out.len() - start;
    assert!(length <= RECORD_BYTES_MAX, "a record of {length} bytes");
    let length = u32::try_from(length).expect("RECORD_BYTES_MAX fits 32 bits");
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// Marks the closed, not yet sealed record at `start` as the last of its group.
pub fn end_group(out: &mut [u8], start: usize) {
    out[start + FLAGS_AT] &= !Flags::MORE.0;
}

/// Seals every closed record in `out`: computes its checksum.
pub fn seal(out: &mut [u8]) {
    let mut rest = out;
    while !rest.is_empty() {
        let length = length(rest).expect("only closed records are in here");
        let (record, behind) = rest.split_at_mut(length);
        let crc = crc32c::crc32c(&record[COVERED_FROM..]);
        record[4..8].copy_from_slice(&crc.to_le_bytes());
        rest = behind;
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

    fn sample(flags: Flags) -> Head {
        Head {
            opid: OpId::new(0x0102_0304_0506_0708).unwrap(),
            epoch: Epoch(9),
            time: UnixMs(1_700_000_000_123),
            origin: Origin { site: 7, opid: 99 },
            flags,
            db: 255,
        }
    }

    fn sealed(flags: Flags, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let start = open(&mut out, &sample(flags));
        out.extend_from_slice(payload);
        close(&mut out, start);
        seal(&mut out);
        out
    }

    #[test]
    fn a_record_round_trips_and_tells_its_length() {
        let mut bytes = sealed(Flags::MORE.with(Flags::EXPIRED), b"payload");
        bytes.extend_from_slice(b"next");
        let (record, length) = Record::decode(&bytes).unwrap();
        assert_eq!(record.head, sample(Flags::MORE.with(Flags::EXPIRED)));
        assert_eq!((record.payload, length), (b"payload".as_slice(), HEADER_BYTES + 7));
    }

    #[test]
    fn layout_is_fixed() {
        let bytes = sealed(Flags::EVICTED, b"\xaa");
        assert_eq!(bytes[..4], [48, 0, 0, 0]);
        assert_eq!(bytes[8..16], [8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(bytes[44..], [4, 255, 0, 0xaa]);
    }

    #[test]
    fn every_prefix_is_torn_and_every_flipped_bit_is_seen() {
        let bytes = sealed(Flags::NONE, b"some payload");
        for cut in 0..bytes.len() {
            let error = Record::decode(&bytes[..cut]).unwrap_err();
            assert!(matches!(error, RecordError::Torn { .. }), "cut at {cut}: {error}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(Record::decode(&wrong).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn foreign_bytes_are_told_from_damage() {
        assert_eq!(Record::decode(&[0; 100]), Err(RecordError::BadLength(0)));
        assert_eq!(Record::decode(&[0xff; 100]), Err(RecordError::BadLength(u32::MAX)));
        let mut unknown = sealed(Flags::NONE, b"");
        unknown[FLAGS_AT] = 0x80;
        seal(&mut unknown);
        assert!(matches!(Record::decode(&unknown), Err(RecordError::Foreign(_))));
    }

    #[test]
    fn the_end_of_a_group_loses_its_flag_before_the_seal() {
        let mut out = Vec::new();
        for _ in 0..2 {
            let start = open(&mut out, &sample(Flags::MORE));
            close(&mut out, start);
        }
        end_group(&mut out, HEADER_BYTES);
        seal(&mut out);
        let (first, length) = Record::decode(&out).unwrap();
        let (second, _) = Record::decode(&out[length..]).unwrap();
        assert!(first.head.flags.contains(Flags::MORE));
        assert!(!second.head.flags.contains(Flags::MORE));
    }
}
