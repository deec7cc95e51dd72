//! The hash of elements: 64-bit MurmurHash2 (variant A) of Austin Appleby, with the seed that Redis uses.

use super::{RANK_MAX, REGISTERS};

const SEED: u64 = 0xadc8_3b19;
const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
const SHIFT: u32 = 47;
const INDEX_BITS: u32 = REGISTERS.trailing_zeros();

/// The register of an element, and the rank that it has there (1 to [`RANK_MAX`]).
pub fn place(element: &[u8]) -> (usize, u8) {
    let hash = murmur(element);
    let index = usize::try_from(hash % REGISTERS as u64).expect("below the number of registers");
    let zeros = (hash >> INDEX_BITS).trailing_zeros().min(u32::from(RANK_MAX) - 1);
    (index, u8::try_from(zeros + 1).expect("at most 51"))
}

fn murmur(text: &[u8]) -> u64 {
    let mut hash = SEED ^ (text.len() as u64).wrapping_mul(MULTIPLIER);
    let (words, tail) = text.as_chunks::<8>();
    for word in words {
        let mut word = u64::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        word = (word ^ word >> SHIFT).wrapping_mul(MULTIPLIER);
        hash = (hash ^ word).wrapping_mul(MULTIPLIER);
    }
    if !tail.is_empty() {
        let mut last = [0; 8];
        last[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ hash >> SHIFT).wrapping_mul(MULTIPLIER);
    hash ^ hash >> SHIFT
}
