//! `math.random` and `math.randomseed`: the same numbers on every machine for the same seed.
//!
//! The generator is that of `lrand48`: `x = x * 0x5DEECE66D + 11 mod 2^48`, of which the upper 31 bits are used.

use std::cell::Cell;

use crate::stack::{Raise, Stack};

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const INCREMENT: u64 = 11;
const MASK: u64 = (1 << 48) - 1;
/// Where `lrand48` begins, and what stands below a seed.
const BEGIN: u64 = 0x1234_ABCD_330E;
const BELOW_SEED: u64 = 0x330E;
const RANGE: f64 = 2_147_483_647.0;

thread_local! {
    static STATE: Cell<u64> = const { Cell::new(BEGIN) };
}

/// 0 <= x < 1
fn next() -> f64 {
    let state = STATE.get().wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT) & MASK;
    STATE.set(state);
    f64::from((state >> 17) as u32 % 0x7FFF_FFFF) / RANGE
}

pub(crate) fn random(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    let r = next();
    let result = match stack.top() {
        0 => r,
        1 => {
            let upper = stack.integer_argument(1)? as i32;
            if upper < 1 {
                return Err(stack.argument_error(1, "interval is empty"));
            }
            (r * f64::from(upper)).floor() + 1.0
        }
        2 => {
            let lower = stack.integer_argument(1)? as i32;
            let upper = stack.integer_argument(2)? as i32;
            if lower > upper {
                return Err(stack.argument_error(2, "interval is empty"));
            }
            let width = upper.wrapping_sub(lower).wrapping_add(1);
            (r * f64::from(width)).floor() + f64::from(lower)
        }
        _ => return Err(Raise::text("wrong number of arguments")),
    };
    stack.push_number(result)?;
    Ok(1)
}

pub(crate) fn seed(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    let seed = stack.integer_argument(1)? as u32;
    STATE.set(u64::from(seed) << 16 | BELOW_SEED);
    Ok(0)
}
