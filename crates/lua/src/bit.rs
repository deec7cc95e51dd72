//! The library `bit`: operations on 32 bits. Behaviour as LuaBitOp, which Redis has.

use crate::stack::{Function, Kind, Raise, Stack};

pub(crate) const FUNCTIONS: &[(&str, Function)] = &[
    ("tobit", |stack| unary(stack, |bits| bits)),
    ("bnot", |stack| unary(stack, |bits| !bits)),
    ("bswap", |stack| unary(stack, u32::swap_bytes)),
    ("band", |stack| fold(stack, |a, b| a & b)),
    ("bor", |stack| fold(stack, |a, b| a | b)),
    ("bxor", |stack| fold(stack, |a, b| a ^ b)),
    ("lshift", |stack| shift(stack, u32::wrapping_shl)),
    ("rshift", |stack| shift(stack, u32::wrapping_shr)),
    ("arshift", |stack| {
        shift(stack, |bits, by| bits.cast_signed().wrapping_shr(by).cast_unsigned())
    }),
    ("rol", |stack| shift(stack, |bits, by| bits.rotate_left(by & 31))),
    ("ror", |stack| shift(stack, |bits, by| bits.rotate_right(by & 31))),
    ("tohex", tohex),
];

/// 2^52 + 2^51: what is added to it is rounded to an integer, whose lower bits are those of the sum.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// The lower 32 bits of a number, rounded.
fn bits(stack: &Stack<'_>, n: i32) -> Result<u32, Raise> {
    Ok((stack.number_argument(n)? + ROUND).to_bits() as u32)
}

fn give(stack: &mut Stack<'_>, bits: u32) -> Result<u32, Raise> {
    stack.push_number(f64::from(bits.cast_signed()))?;
    Ok(1)
}

fn unary(stack: &mut Stack<'_>, operation: fn(u32) -> u32) -> Result<u32, Raise> {
    let result = operation(bits(stack, 1)?);
    give(stack, result)
}

fn fold(stack: &mut Stack<'_>, operation: fn(u32, u32) -> u32) -> Result<u32, Raise> {
    let mut result = bits(stack, 1)?;
    for n in 2..=stack.top() {
        result = operation(result, bits(stack, n)?);
    }
    give(stack, result)
}

fn shift(stack: &mut Stack<'_>, operation: fn(u32, u32) -> u32) -> Result<u32, Raise> {
    let result = operation(bits(stack, 1)?, bits(stack, 2)? & 31);
    give(stack, result)
}

/// `tohex(x [, n])`: the last n digits, in upper case when n is negative.
fn tohex(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    let value = bits(stack, 1)?;
    let digits = match stack.kind(2) {
        Kind::None => 8,
        _ => bits(stack, 2)?.cast_signed(),
    };
    let all = if digits < 0 { format!("{value:08X}") } else { format!("{value:08x}") };
    let count = usize::try_from(digits.unsigned_abs().min(8)).expect("at most 8");
    stack.push_bytes(&all.as_bytes()[8 - count..])?;
    Ok(1)
}
