//! The estimate: from how many registers have which rank to how many elements there were.
//!
//! Floating point, in the order of operations of Redis: its result becomes bytes of the string.

use super::{RANK_MAX, REGISTERS};

/// 1 / (2 ln 2)
const ALPHA: f64 = 0.721_347_520_444_481_7;
/// Largest rank that is not the end of the scale.
const RANKS: usize = RANK_MAX as usize - 1;

/// Registers by rank. A hostile dense sketch has ranks up to 63, which count as none.
#[derive(Debug)]
pub(super) struct Histogram([u32; 64]);

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram([0; 64])
    }
}

impl Histogram {
    pub(super) fn add(&mut self, rank: u8, registers: usize) {
        let registers = u32::try_from(registers).expect("a run is at most 16,384 long");
        let count = &mut self.0[usize::from(rank) % 64];
        *count = count.wrapping_add(registers);
    }

    pub(super) fn estimate(&self) -> u64 {
        let m = REGISTERS as f64;
        let of = |rank: usize| f64::from(self.0[rank]);
        let mut z = m * tau((m - of(RANKS + 1)) / m);
        for rank in (1..=RANKS).rev() {
            z = (z + of(rank)) * 0.5;
        }
        z += m * sigma(of(0) / m);
        let estimate = (ALPHA * m * m / z).round();
        // What a C compiler makes of infinity: no register tells anything.
        if estimate < i64::MAX as f64 { estimate as u64 } else { 1 << 63 }
    }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if before == z {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if before == z {
            return z / 3.0;
        }
    }
}
