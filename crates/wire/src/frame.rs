//! Frames: what flows on a replication link once its handshake is over.
//!
//! ```text
//!   frame      len u32 | crc u32 | kind u8 | payload (len bytes)      integers little-endian
//!              crc = CRC-32C of kind and payload
//!
//!   master to replica                            replica to master
//!     1 records         whole binlog records       16 ack    applied u64 | written u64 | fsynced u64
//!     2 heartbeat       epoch u64 | opid u64 | unix ms u64
//!     3 snapshot chunk  bytes of the RDB file, in order          both ways
//!     4 snapshot end    epoch u64 | opid u64 | bytes u64           32 close  reason (UTF-8)
//!     5 snapshot begin  bytes u64
//! ```
//!
//! Invariants
//! - Kinds are never reused. A frame of an unknown kind ends the link: both ends are of one version or
//!   the handshake refused them.
//! - `decode` looks at a cut-off frame's header only, so growing a buffer for a large frame costs nothing,
//!   and it borrows the payload.

use base::{Epoch, Position, UnixMs};

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 9;
/// Largest payload, bytes: above the largest record, which holds one effect of a few 512 MiB strings.
pub const PAYLOAD_BYTES_MAX: usize = 2 << 30;
/// Longest reason in a close frame, bytes; longer ones are cut.
pub const REASON_BYTES_MAX: usize = 1024;

mod kind {
    pub(super) const RECORDS: u8 = 1;
    pub(super) const HEARTBEAT: u8 = 2;
    pub(super) const SNAPSHOT_CHUNK: u8 = 3;
    pub(super) const SNAPSHOT_END: u8 = 4;
    pub(super) const SNAPSHOT_BEGIN: u8 = 5;
    pub(super) const ACK: u8 = 16;
    pub(super) const CLOSE: u8 = 32;
}

/// How far a replica came: OpIDs, 0 for "nothing yet".
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ack {
    /// Newest op in the replica's memory.
    pub applied: u64,
    /// Newest op in the replica's log file.
    pub written: u64,
    /// Newest op that the replica's disk holds for certain.
    pub fsynced: u64,
}

/// One frame, borrowed from the link's buffer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame<'a> {
    /// Raw bytes of one or more whole records, OpIDs consecutive.
    Records(&'a [u8]),
    /// The master lives, and its log reaches up to `newest`.
    Heartbeat {
        newest: Position,
        at: UnixMs,
    },
    /// A snapshot of `bytes` follows in chunks.
    SnapshotBegin {
        bytes: u64,
    },
    SnapshotChunk(&'a [u8]),
    /// The snapshot is complete: it was `bytes` long and stands at `position`.
    SnapshotEnd {
        position: Position,
        bytes: u64,
    },
    Ack(Ack),
    /// The sender closes the link, and why.
    Close {
        reason: &'a str,
    },
}

/// Bytes that are no frame: the link must be closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    #[error("frame of {0} bytes is larger than {PAYLOAD_BYTES_MAX}")]
    TooLarge(u32),
    #[error("frame's checksum is {found:#010x}, its header says {expected:#010x}")]
    Checksum { expected: u32, found: u32 },
    #[error("unknown kind of frame {0}")]
    UnknownKind(u8),
    #[error("frame of kind {0} is malformed")]
    Malformed(u8),
}

impl<'a> Frame<'a> {
    /// Appends the frame. Panics above [`PAYLOAD_BYTES_MAX`]: senders cut chunks and batches far below.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; HEADER_BYTES]);
        let kind = match self {
            Frame::Records(records) => {
                out.extend_from_slice(records);
                kind::RECORDS
            }
            Frame::Heartbeat { newest, at } => {
                put(out, [newest.epoch.0, newest.opid, at.0]);
                kind::HEARTBEAT
            }
            Frame::SnapshotBegin { bytes } => {
                out.extend_from_slice(&bytes.to_le_bytes());
                kind::SNAPSHOT_BEGIN
            }
            Frame::SnapshotChunk(bytes) => {
                out.extend_from_slice(bytes);
                kind::SNAPSHOT_CHUNK
            }
            Frame::SnapshotEnd { position, bytes } => {
                put(out, [position.epoch.0, position.opid, *bytes]);
                kind::SNAPSHOT_END
            }
            Frame::Ack(ack) => {
                put(out, [ack.applied, ack.written, ack.fsynced]);
                kind::ACK
            }
            Frame::Close { reason } => {
                out.extend_from_slice(cut(reason).as_bytes());
                kind::CLOSE
            }
        };
        let (header, payload) = out[start..].split_at_mut(HEADER_BYTES);
        header.copy_from_slice(&self::header(kind, payload));
    }

    /// Reads the frame at the front of `input` and tells its length in bytes. `None`: it is cut off.
    pub fn decode(input: &'a [u8]) -> Result<Option<(Frame<'a>, usize)>, FrameError> {
        let Some((header, rest)) = input.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let [l0, l1, l2, l3, c0, c1, c2, c3, kind] = *header;
        let len = u32::from_le_bytes([l0, l1, l2, l3]);
        let payload_len = len as usize;
        if payload_len > PAYLOAD_BYTES_MAX {
            return Err(FrameError::TooLarge(len));
        }
        let Some(payload) = rest.get(..payload_len) else { return Ok(None) };
        let expected = u32::from_le_bytes([c0, c1, c2, c3]);
        let found = checksum(kind, payload);
        if expected != found {
            return Err(FrameError::Checksum { expected, found });
        }
        let frame = decode_payload(kind, payload)?;
        Ok(Some((frame, HEADER_BYTES + payload_len)))
    }
}

/// Header of a records frame, for a sender that writes header and records with one vectored write.
pub fn records_header(records: &[u8]) -> [u8; HEADER_BYTES] {
    header(kind::RECORDS, records)
}

/// Header of a snapshot chunk frame, for the same use.
pub fn snapshot_chunk_header(chunk: &[u8]) -> [u8; HEADER_BYTES] {
    header(kind::SNAPSHOT_CHUNK, chunk)
}

fn header(kind: u8, payload: &[u8]) -> [u8; HEADER_BYTES] {
    assert!(payload.len() <= PAYLOAD_BYTES_MAX, "a frame's payload must stay below its bound");
    let len = u32::try_from(payload.len()).expect("the bound fits in 32 bits");
    let [l0, l1, l2, l3] = len.to_le_bytes();
    let [c0, c1, c2, c3] = checksum(kind, payload).to_le_bytes();
    [l0, l1, l2, l3, c0, c1, c2, c3, kind]
}

fn checksum(kind: u8, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&[kind]), payload)
}

fn decode_payload(kind: u8, payload: &[u8]) -> Result<Frame<'_>, FrameError> {
    let numbers = || take(payload).ok_or(FrameError::Malformed(kind));
    Ok(match kind {
        kind::RECORDS => Frame::Records(payload),
        kind::HEARTBEAT => {
            let [epoch, opid, at] = numbers()?;
            Frame::Heartbeat { newest: Position { epoch: Epoch(epoch), opid }, at: UnixMs(at) }
        }
        kind::SNAPSHOT_BEGIN => {
            let bytes = payload.try_into().map_err(|_| FrameError::Malformed(kind))?;
            Frame::SnapshotBegin { bytes: u64::from_le_bytes(bytes) }
        }
        kind::SNAPSHOT_CHUNK => Frame::SnapshotChunk(payload),
        kind::SNAPSHOT_END => {
            let [epoch, opid, bytes] = numbers()?;
            Frame::SnapshotEnd { position: Position { epoch: Epoch(epoch), opid }, bytes }
        }
        kind::ACK => {
            let [applied, written, fsynced] = numbers()?;
            Frame::Ack(Ack { applied, written, fsynced })
        }
        kind::CLOSE if payload.len() <= REASON_BYTES_MAX => Frame::Close {
            reason: str::from_utf8(payload).map_err(|_| FrameError::Malformed(kind))?,
        },
        kind::CLOSE => return Err(FrameError::Malformed(kind)),
        unknown => return Err(FrameError::UnknownKind(unknown)),
    })
}

fn put(out: &mut Vec<u8>, numbers: [u64; 3]) {
    for number in numbers {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

/// The three integers that fill `payload` exactly.
fn take(payload: &[u8]) -> Option<[u64; 3]> {
    let (chunks, rest) = payload.as_chunks::<8>();
    let numbers: &[[u8; 8]; 3] = chunks.try_into().ok()?;
    rest.is_empty().then(|| numbers.map(u64::from_le_bytes))
}

/// The longest prefix of whole characters within [`REASON_BYTES_MAX`].
fn cut(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Frame<'static>> {
        let position = Position { epoch: Epoch(3), opid: u64::MAX };
        vec![
            Frame::Records(b"records"),
            Frame::Heartbeat { newest: position, at: UnixMs(1_700_000_000_000) },
            Frame::SnapshotBegin { bytes: 12 },
            Frame::SnapshotChunk(b""),
            Frame::SnapshotEnd { position, bytes: 12 },
            Frame::Ack(Ack { applied: 3, written: 2, fsynced: 1 }),
            Frame::Close { reason: "node-2 is the master now" },
        ]
    }

    #[test]
    fn frames_round_trip_one_after_the_other() {
        let mut link = Vec::new();
        for frame in samples() {
            frame.encode(&mut link);
        }
        let mut rest = link.as_slice();
        for frame in samples() {
            let (decoded, len) = Frame::decode(rest).unwrap().unwrap();
            assert_eq!(decoded, frame);
            for cut in 0..len {
                assert_eq!(Frame::decode(&rest[..cut]), Ok(None), "{frame:?} cut at {cut}");
            }
            rest = &rest[len..];
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn header_and_payload_may_be_written_apart() {
        let mut whole = Vec::new();
        Frame::Records(b"abc").encode(&mut whole);
        assert_eq!([records_header(b"abc").as_slice(), b"abc"].concat(), whole);
        whole.clear();
        Frame::SnapshotChunk(b"abc").encode(&mut whole);
        assert_eq!([snapshot_chunk_header(b"abc").as_slice(), b"abc"].concat(), whole);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        for frame in samples() {
            let mut bytes = Vec::new();
            frame.encode(&mut bytes);
            for bit in 0..bytes.len() * 8 {
                bytes[bit / 8] ^= 1 << (bit % 8);
                // A changed length may make the frame look cut off; it must never look whole.
                assert!(!matches!(Frame::decode(&bytes), Ok(Some(_))), "{frame:?} bit {bit}");
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

    #[test]
    fn foreign_frames_are_refused() {
        let check = |kind: u8, payload: &[u8], expect: FrameError| {
            let bytes = [header(kind, payload).as_slice(), payload].concat();
            assert_eq!(Frame::decode(&bytes), Err(expect));
        };
        check(99, b"", FrameError::UnknownKind(99));
        check(kind::ACK, &[0; 23], FrameError::Malformed(kind::ACK));
        check(kind::ACK, &[0; 25], FrameError::Malformed(kind::ACK));
        check(kind::CLOSE, &[0xff], FrameError::Malformed(kind::CLOSE));
        check(kind::CLOSE, &[b'x'; REASON_BYTES_MAX + 1], FrameError::Malformed(kind::CLOSE));
        assert_eq!(Frame::decode(&[0xff; 9]), Err(FrameError::TooLarge(u32::MAX)));
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let long = "é".repeat(REASON_BYTES_MAX);
        let reason = format!("x{long}");
        let mut bytes = Vec::new();
        Frame::Close { reason: &reason }.encode(&mut bytes);
        assert_eq!(bytes.len(), HEADER_BYTES + REASON_BYTES_MAX - 1);
        assert!(matches!(Frame::decode(&bytes), Ok(Some(_))));
    }
}
