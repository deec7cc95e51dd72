//! HyperLogLogs: strings that estimate how many different elements were added, byte for byte as Redis keeps them.
//!
//! ```text
//!   0     4    5        8               16
//!   | HYLL | enc | 0 0 0 | cached count  | registers ...
//!
//!   enc 0  dense    16,384 registers of 6 bits, the first in the low bits of the first byte: 12,288 bytes
//!   enc 1  sparse   opcodes that cover 16,384 registers; see `sparse`
//!   cached count    u64, little-endian; its highest bit says that it is out of date
//! ```
//!
//! An element is hashed to a register (14 bits of the hash) and a rank (1 + zeros that follow, at most 51);
//! a register keeps the largest rank. The estimate is the one of Ertl, "New cardinality estimation algorithms
//! for HyperLogLog sketches" (arXiv:1702.01284).
//!
//! Invariants
//! - Any bytes may claim to be one, as clients can write to strings: every function here takes hostile bytes,
//!   and answers `Corrupt` at worst.
//! - The same additions in the same order make the same bytes as in Redis 7.2.

mod estimate;
mod hash;
pub mod sparse;

use std::ops::Range;

pub use hash::place;

/// Registers of a sketch.
pub const REGISTERS: usize = 1 << 14;
/// Bytes in front of the registers.
pub const HEADER_BYTES: usize = 16;
/// Bytes of a dense sketch.
pub const DENSE_BYTES: usize = HEADER_BYTES + REGISTERS * REGISTER_BITS / 8;
/// Largest rank that an element can have.
pub const RANK_MAX: u8 = 64 - 14 + 1;

const MAGIC: &[u8; 4] = b"HYLL";
const ENCODING_AT: usize = 4;
const CACHE: Range<usize> = 8..16;
const STALE: u8 = 0x80;
const REGISTER_BITS: usize = 6;
const REGISTER_MASK: u16 = (1 << REGISTER_BITS) - 1;

/// How the registers are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    Dense,
    Sparse,
}

/// The registers are not what the header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("corrupted HyperLogLog")]
pub struct Corrupt;

/// The registers of one or of many sketches, one byte each.
pub type Registers = [u8; REGISTERS];

/// The encoding of a string that has the form of a sketch; whether a sparse one is sound shows only when it is read.
pub fn encoding(bytes: &[u8]) -> Option<Encoding> {
    if bytes.len() < HEADER_BYTES || !bytes.starts_with(MAGIC) {
        return None;
    }
    match bytes[ENCODING_AT] {
        0 if bytes.len() == DENSE_BYTES => Some(Encoding::Dense),
        1 => Some(Encoding::Sparse),
        _ => None,
    }
}

/// Where the cached count stands, and its bytes.
pub fn cache(count: u64) -> (usize, [u8; 8]) {
    (CACHE.start, count.to_le_bytes())
}

/// The byte that says whether the cached count is out of date.
pub const CACHE_FLAG_AT: usize = CACHE.end - 1;

/// What that byte becomes when a register changes.
pub fn stale_flag(flag: u8) -> u8 {
    flag | STALE
}

/// The count as of the last change, if it was computed since.
pub fn cached_count(bytes: &[u8]) -> Option<u64> {
    let cache: [u8; 8] = bytes.get(CACHE)?.try_into().expect("8 bytes");
    (cache[7] & STALE == 0).then(|| u64::from_le_bytes(cache))
}

/// The estimate for one sketch, computed anew.
pub fn count(bytes: &[u8]) -> Result<u64, Corrupt> {
    let mut histogram = estimate::Histogram::default();
    match encoding(bytes) {
        Some(Encoding::Dense) => {
            (0..REGISTERS).for_each(|index| histogram.add(dense_register(bytes, index), 1));
        }
        Some(Encoding::Sparse) => {
            let mut covered = 0;
            for run in sparse::runs(&bytes[HEADER_BYTES..]) {
                histogram.add(run.rank, run.length);
                covered += run.length;
            }
            if covered != REGISTERS {
                return Err(Corrupt);
            }
        }
        None => return Err(Corrupt),
    }
    Ok(histogram.estimate())
}

/// The estimate for registers that were merged.
pub fn count_registers(registers: &Registers) -> u64 {
    let mut histogram = estimate::Histogram::default();
    registers.iter().for_each(|rank| histogram.add(*rank, 1));
    histogram.estimate()
}

/// Raises `registers` to those of a sketch.
pub fn merge(registers: &mut Registers, bytes: &[u8]) -> Result<(), Corrupt> {
    match encoding(bytes) {
        Some(Encoding::Dense) => {
            for (index, register) in registers.iter_mut().enumerate() {
                *register = (*register).max(dense_register(bytes, index));
            }
            Ok(())
        }
        Some(Encoding::Sparse) => sparse::visit(&bytes[HEADER_BYTES..], |range, rank| {
            registers[range].iter_mut().for_each(|register| *register = rank.max(*register));
        }),
        None => Err(Corrupt),
    }
}

/// An empty sketch.
pub fn empty() -> Vec<u8> {
    let mut bytes = header(Encoding::Sparse);
    sparse::push_zeros(&mut bytes, REGISTERS);
    bytes
}

fn header(encoding: Encoding) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    bytes[..MAGIC.len()].copy_from_slice(MAGIC);
    bytes[ENCODING_AT] = match encoding {
        Encoding::Dense => 0,
        Encoding::Sparse => 1,
    };
    bytes
}

/// Makes a sparse sketch dense.
pub fn to_dense(bytes: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let mut dense = header(Encoding::Dense);
    dense[ENCODING_AT + 1..HEADER_BYTES].copy_from_slice(&bytes[ENCODING_AT + 1..HEADER_BYTES]);
    dense.resize(DENSE_BYTES, 0);
    sparse::visit(&bytes[HEADER_BYTES..], |range, rank| {
        for index in range {
            let (at, pair) = dense_written(&dense, index, rank);
            dense[at..at + pair.len()].copy_from_slice(&pair);
        }
    })?;
    Ok(dense)
}

/// Raises a register of a sketch of either encoding. Returns whether that changed anything; the cached count is
/// left alone if it did not. A sparse sketch that would need more than `sparse_bytes_max` becomes dense.
pub fn raise(
    bytes: &mut Vec<u8>,
    index: usize,
    rank: u8,
    sparse_bytes_max: usize,
) -> Result<bool, Corrupt> {
    if encoding(bytes).ok_or(Corrupt)? == Encoding::Sparse {
        match sparse::raise(bytes, index, rank, sparse_bytes_max)? {
            sparse::Raised::No => return Ok(false),
            sparse::Raised::Yes => {
                invalidate(bytes);
                return Ok(true);
            }
            sparse::Raised::TooLarge => *bytes = to_dense(bytes)?,
        }
    }
    if dense_register(bytes, index) >= rank {
        return Ok(false);
    }
    let (at, pair) = dense_written(bytes, index, rank);
    bytes[at..at + pair.len()].copy_from_slice(&pair);
    invalidate(bytes);
    Ok(true)
}

/// Marks the cached count as out of date.
pub fn invalidate(bytes: &mut [u8]) {
    bytes[CACHE_FLAG_AT] = stale_flag(bytes[CACHE_FLAG_AT]);
}

/// A register of a dense sketch.
pub fn dense_register(bytes: &[u8], index: usize) -> u8 {
    let (at, shift) = dense_place(index);
    let pair = u16::from_le_bytes([bytes[at], bytes.get(at + 1).copied().unwrap_or(0)]);
    u8::try_from(pair >> shift & REGISTER_MASK).expect("6 bits")
}

/// Where the bytes of a register of a dense sketch stand, and what they become when it is set. The last register has but
/// one byte.
pub fn dense_written(bytes: &[u8], index: usize, rank: u8) -> (usize, Vec<u8>) {
    let (at, shift) = dense_place(index);
    let pair = u16::from_le_bytes([bytes[at], bytes.get(at + 1).copied().unwrap_or(0)]);
    let pair = pair & !(REGISTER_MASK << shift) | u16::from(rank) << shift;
    let length = (bytes.len() - at).min(2);
    (at, pair.to_le_bytes()[..length].to_vec())
}

/// First byte of a register, and its lowest bit there.
fn dense_place(index: usize) -> (usize, usize) {
    let bit = index * REGISTER_BITS;
    (HEADER_BYTES + bit / 8, bit % 8)
}

#[cfg(test)]
mod tests;
