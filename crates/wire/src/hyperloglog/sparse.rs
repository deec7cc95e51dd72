//! Sparse registers: runs of equal ones.
//!
//! ```text
//!   00llllll             ZERO    l + 1 registers are 0               (1 to 64)
//!   01llllll llllllll    XZERO   the same, for longer runs           (1 to 16,384)
//!   1vvvvvll             VAL     l + 1 registers are v + 1           (1 to 4 of rank 1 to 32)
//! ```

use std::ops::Range;

use super::{Corrupt, HEADER_BYTES, REGISTERS};

/// A sound sketch has at most one opcode a register, of two bytes at most; longer ones are not looked at.
const BYTES_MAX: usize = HEADER_BYTES + 2 * REGISTERS;
const RANK_MAX: u8 = 32;
const VALUES_MAX: usize = 4;
const ZEROS_MAX: usize = 64;
/// Opcodes that are looked at for being joined after a change, from the one before it on.
const JOINED_MAX: usize = 5;

/// What one opcode says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// 0 for zeros.
    pub rank: u8,
    /// Registers.
    pub length: usize,
    /// Whether it is an XZERO, which has two bytes.
    pub is_wide: bool,
}

impl Run {
    /// The opcode at the beginning of `bytes`, which are not empty. A cut-off XZERO goes on in a zero.
    fn read(bytes: &[u8]) -> Run {
        let first = bytes[0];
        let length = usize::from(first & 0x3f);
        match first >> 6 {
            0 => Run { rank: 0, length: length + 1, is_wide: false },
            1 => {
                let low = usize::from(bytes.get(1).copied().unwrap_or(0));
                Run { rank: 0, length: (length << 8 | low) + 1, is_wide: true }
            }
            _ => Run {
                rank: (first >> 2 & 0x1f) + 1,
                length: usize::from(first & 3) + 1,
                is_wide: false,
            },
        }
    }

    fn bytes(self) -> usize {
        if self.is_wide { 2 } else { 1 }
    }
}

/// All runs, whatever they add up to.
pub fn runs(mut bytes: &[u8]) -> impl Iterator<Item = Run> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let run = Run::read(bytes);
        bytes = &bytes[run.bytes().min(bytes.len())..];
        Some(run)
    })
}

/// Visits the registers that are not 0. As in Redis, a run of values that does not fit ends the walk, and the runs before
/// it must cover all registers.
pub(super) fn visit(bytes: &[u8], mut visit: impl FnMut(Range<usize>, u8)) -> Result<(), Corrupt> {
    let mut covered = 0;
    for run in runs(bytes) {
        if run.rank > 0 {
            if covered + run.length > REGISTERS {
                break;
            }
            visit(covered..covered + run.length, run.rank);
        }
        covered += run.length;
    }
    if covered == REGISTERS { Ok(()) } else { Err(Corrupt) }
}

/// Appends a run of zeros (1 to 16,384).
pub(super) fn push_zeros(bytes: &mut Vec<u8>, length: usize) {
    let code = u16::try_from(length - 1).expect("at most 16,384");
    let [high, low] = code.to_be_bytes();
    if length > ZEROS_MAX {
        bytes.extend([0x40 | high, low]);
    } else {
        bytes.push(low);
    }
}

/// Appends a run of values (1 to 4 of rank 1 to 32).
fn push_values(bytes: &mut Vec<u8>, rank: u8, length: usize) {
    bytes.push(value(rank, length));
}

fn value(rank: u8, length: usize) -> u8 {
    let length = u8::try_from(length - 1).expect("at most 4");
    0x80 | (rank - 1) << 2 | length
}

/// What became of a register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Raised {
    No,
    Yes,
    /// Nothing was changed: only a dense sketch can hold it.
    TooLarge,
}

/// Raises a register of a sparse sketch: `bytes` with the header.
pub(super) fn raise(
    bytes: &mut Vec<u8>,
    index: usize,
    rank: u8,
    bytes_max: usize,
) -> Result<Raised, Corrupt> {
    if bytes.len() > BYTES_MAX {
        return Err(Corrupt);
    }
    if rank > RANK_MAX {
        return Ok(Raised::TooLarge);
    }
    let found = Found::seek(bytes, index)?;
    let run = found.run;
    if run.rank >= rank {
        return Ok(Raised::No);
    }
    let split = found.split(index, rank);
    let old = run.bytes();
    if split.len() > old && bytes.len() + split.len() - old > bytes_max {
        return Ok(Raised::TooLarge);
    }
    bytes.splice(found.at..found.at + old, split);
    join(bytes, found.previous);
    Ok(Raised::Yes)
}

/// The opcode that covers a register.
struct Found {
    run: Run,
    at: usize,
    /// Where the opcode before it stands; the first one if there is none before it.
    previous: usize,
    /// The first register that it covers.
    first: usize,
}

impl Found {
    fn seek(bytes: &[u8], index: usize) -> Result<Found, Corrupt> {
        let (mut at, mut previous, mut first) = (HEADER_BYTES, HEADER_BYTES, 0);
        while at < bytes.len() {
            let run = Run::read(&bytes[at..]);
            if index < first + run.length {
                let is_cut_off = at + run.bytes() > bytes.len();
                return if is_cut_off {
                    Err(Corrupt)
                } else {
                    Ok(Found { run, at, previous, first })
                };
            }
            previous = at;
            at += run.bytes();
            first += run.length;
        }
        Err(Corrupt)
    }

    /// The opcodes that take the place of this one when one register is raised: itself before and behind.
    fn split(&self, index: usize, rank: u8) -> Vec<u8> {
        let mut split = Vec::with_capacity(5);
        let before = index - self.first;
        self.push_rest(&mut split, before);
        push_values(&mut split, rank, 1);
        self.push_rest(&mut split, self.run.length - before - 1);
        split
    }

    /// Appends an opcode for `length` of the registers that stay as they were.
    fn push_rest(&self, split: &mut Vec<u8>, length: usize) {
        match (length, self.run.rank) {
            (0, _) => {}
            (_, 0) => push_zeros(split, length),
            (_, rank) => push_values(split, rank, length),
        }
    }
}

/// Joins neighbouring runs of the same value, from opcode `at` on.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOINED_MAX {
        if at >= bytes.len() {
            break;
        }
        let run = Run::read(&bytes[at..]);
        if run.rank == 0 {
            at += run.bytes();
            continue;
        }
        if let Some(next) = bytes.get(at + 1..).filter(|rest| !rest.is_empty()).map(Run::read)
            && next.rank == run.rank
            && run.length + next.length <= VALUES_MAX
        {
            // Stays here: the joined run may take the next one too.
            bytes[at + 1] = value(run.rank, run.length + next.length);
            bytes.remove(at);
            continue;
        }
        at += 1;
    }
}
