//! Extended: the 80-bit floats in which Redis adds (INCRBYFLOAT, HINCRBYFLOAT), in software.
//!
//! ```text
//!   value = (-1)^sign * mantissa * 2^exponent        mantissa: 64 bits, the highest one set; zero is 0 * 2^0
//! ```
//!
//! The sum of 0.1 and 0.2 reads 0.3 only because Redis computes with the 64-bit mantissas of the x87 and then
//! prints 17 decimals. A program that answers the same must round the same, at reading and at adding.
//!
//! Invariants
//! - Reading and adding round once, to nearest, ties to even. Infinity is the only value without mantissa.
//! - Texts and exponents are bounded, so the big integers below stay under a few kilobytes.

use std::cmp::Ordering;
use std::fmt::Write as _;

/// Longest text that is read (Redis: MAX_LONG_DOUBLE_CHARS, less its terminator).
pub const TEXT_BYTES_MAX: usize = 5 * 1024 - 1;
/// Decimals that are printed, before trailing zeros go.
const DECIMALS: usize = 17;
/// Exponents of the highest mantissa bit: above is infinity, below is zero.
const TOP_BIT_EXPONENT_MAX: i32 = 16_383;
const TOP_BIT_EXPONENT_MIN: i32 = -16_446;
/// Wherever an exponent in a text stands beyond this, the result is infinity or zero.
const EXPONENT_TEXT_MAX: i32 = 50_000;

/// A number as a long double of x86 holds it; never NaN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extended {
    is_negative: bool,
    /// `None` is infinity.
    magnitude: Option<Magnitude>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Magnitude {
    mantissa: u64,
    exponent: i32,
}

const ZERO: Magnitude = Magnitude { mantissa: 0, exponent: 0 };

impl Extended {
    /// Reads what C's `strtold` takes whole: decimal, hexadecimal, `inf`; `None` also for NaN, and for finite
    /// texts that overflow to infinity or underflow to zero.
    pub fn parse(text: &[u8]) -> Option<Extended> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (is_negative, rest) = match text.first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let magnitude = match rest {
            [b'0', b'x' | b'X', hex @ ..] => Some(Literal::parse(hex, 16, b'p')?.hexadecimal()?),
            word if word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"infinity") => {
                None
            }
            decimal => Some(Literal::parse(decimal, 10, b'e')?.decimal()?),
        };
        Some(Extended { is_negative, magnitude })
    }

    pub fn is_infinite(self) -> bool {
        self.magnitude.is_none()
    }

    /// The sum; `None` when it is infinite or no number.
    pub fn plus(self, other: Extended) -> Option<Extended> {
        let (a, b) = (self.magnitude?, other.magnitude?);
        if a.mantissa == 0 {
            return Some(other);
        }
        if b.mantissa == 0 {
            return Some(self);
        }
        let (large, small, is_negative) = if (a.top_bit(), a.mantissa) >= (b.top_bit(), b.mantissa)
        {
            (a, b, self.is_negative)
        } else {
            (b, a, other.is_negative)
        };
        let distance = large.exponent.abs_diff(small.exponent);
        let wide = u128::from(large.mantissa) << 63;
        let shifted = shift_right_sticky(u128::from(small.mantissa) << 63, distance);
        let sum =
            if self.is_negative == other.is_negative { wide + shifted } else { wide - shifted };
        let magnitude = round(sum, large.exponent - 63, false)?;
        // x - x is +0 when rounding to nearest.
        Some(Extended { is_negative: is_negative && sum != 0, magnitude: Some(magnitude) })
    }

    /// Decimal text without exponent: up to 17 decimals, no trailing zeros, no `-0`.
    pub fn to_text(self) -> String {
        let sign = if self.is_negative { "-" } else { "" };
        let Some(magnitude) = self.magnitude else { return format!("{sign}inf") };
        let text = magnitude.to_text();
        if text == "0" { text } else { format!("{sign}{text}") }
    }
}

impl Magnitude {
    fn top_bit(self) -> i32 {
        self.exponent + 63
    }

    fn to_text(self) -> String {
        if let Ok(up) = u32::try_from(self.exponent) {
            let mut whole = Big::from_u64(self.mantissa);
            whole.shift_left(up);
            return whole.to_decimal();
        }
        // Below 2^121, so nothing is lost before the one rounding.
        let scaled = u128::from(self.mantissa) * 10u128.pow(DECIMALS as u32);
        let down = self.exponent.unsigned_abs();
        let (whole, rest) = match (scaled.checked_shr(down), 1u128.checked_shl(down)) {
            (Some(whole), Some(unit)) => (whole, (scaled & (unit - 1)).cmp(&(unit / 2))),
            _ => (0, Ordering::Less),
        };
        let up = rest == Ordering::Greater || (rest == Ordering::Equal && whole & 1 == 1);
        let scaled = whole + u128::from(up);
        let unit = 10u128.pow(DECIMALS as u32);
        let text = format!("{}.{:0DECIMALS$}", scaled / unit, scaled % unit);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// Shifts right; a lost bit is remembered in the lowest one.
fn shift_right_sticky(value: u128, by: u32) -> u128 {
    match value.checked_shr(by) {
        Some(shifted) => shifted | u128::from(shifted << by != value),
        None => u128::from(value != 0),
    }
}

/// `wide * 2^exponent` with 64 bits; `is_inexact` says that the true value is a little more. `None`: out of range.
fn round(wide: u128, exponent: i32, is_inexact: bool) -> Option<Magnitude> {
    if wide == 0 {
        return Some(ZERO);
    }
    let leading = wide.leading_zeros();
    let normal = wide << leading;
    let exponent = exponent - leading.cast_signed() + 64;
    let (kept, tail) = ((normal >> 64) as u64, normal as u64);
    const HALF: u64 = 1 << 63;
    let up = match tail.cmp(&HALF) {
        Ordering::Less => false,
        Ordering::Equal => is_inexact || kept & 1 == 1,
        Ordering::Greater => true,
    };
    let (mantissa, exponent) = match kept.checked_add(u64::from(up)) {
        Some(mantissa) => (mantissa, exponent),
        None => (1 << 63, exponent + 1),
    };
    let magnitude = Magnitude { mantissa, exponent };
    (TOP_BIT_EXPONENT_MIN..=TOP_BIT_EXPONENT_MAX)
        .contains(&magnitude.top_bit())
        .then_some(magnitude)
}

/// A text taken apart: `digits * base^-decimals`, times a power that its exponent names.
struct Literal {
    digits: Big,
    /// Digits behind the point.
    decimals: i32,
    exponent: i32,
}

impl Literal {
    fn parse(text: &[u8], base: u32, mark: u8) -> Option<Literal> {
        let mut literal = Literal { digits: Big::default(), decimals: 0, exponent: 0 };
        let (mut is_behind_point, mut count) = (false, 0usize);
        for (at, &byte) in text.iter().enumerate() {
            if let Some(digit) = char::from(byte).to_digit(base) {
                literal.digits.multiply_add(base, digit);
                literal.decimals += i32::from(is_behind_point);
                count += 1;
            } else if byte == b'.' && !is_behind_point {
                is_behind_point = true;
            } else if byte.eq_ignore_ascii_case(&mark) && count > 0 {
                literal.exponent = exponent(&text[at + 1..])?;
                break;
            } else {
                return None;
            }
        }
        (count > 0).then_some(literal)
    }

    fn decimal(mut self) -> Option<Magnitude> {
        let mut divisor = Big::from_u64(1);
        let power = self.exponent - self.decimals;
        if self.digits.is_zero() {
            return Some(ZERO);
        }
        // More than any long double, or less, whatever the digits are: not worth a large power of ten.
        if power > 5_000 || power < -5_000 - TEXT_BYTES_MAX as i32 {
            return None;
        }
        let target = if power >= 0 { &mut self.digits } else { &mut divisor };
        for _ in 0..power.unsigned_abs() {
            target.multiply_add(10, 0);
        }
        self.digits.divide(divisor, 0)
    }

    fn hexadecimal(self) -> Option<Magnitude> {
        if self.digits.is_zero() {
            return Some(ZERO);
        }
        self.digits.divide(Big::from_u64(1), self.exponent - 4 * self.decimals)
    }
}

/// The number behind `e` or `p`; beyond [`EXPONENT_TEXT_MAX`] it is that.
fn exponent(text: &[u8]) -> Option<i32> {
    let (is_negative, digits) = match text.first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits
        .iter()
        .fold(0i32, |value, digit| (value * 10 + i32::from(digit - b'0')).min(EXPONENT_TEXT_MAX));
    Some(if is_negative { -value } else { value })
}

/// An unsigned integer of any size: 32-bit limbs, least significant first, the last one not zero.
#[derive(Clone, Default)]
struct Big(Vec<u32>);

impl Big {
    fn from_u64(value: u64) -> Big {
        let mut big = Big(vec![value as u32, (value >> 32) as u32]);
        big.trim();
        big
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    fn bits(&self) -> i32 {
        let top = self.0.last().map_or(0, |limb| 32 - limb.leading_zeros().cast_signed());
        let below = i32::try_from(self.0.len().saturating_sub(1)).expect("a few thousand limbs");
        below * 32 + top
    }

    fn multiply_add(&mut self, factor: u32, add: u32) {
        let mut carry = u64::from(add);
        for limb in &mut self.0 {
            let product = u64::from(*limb) * u64::from(factor) + carry;
            *limb = product as u32;
            carry = product >> 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    fn shift_left(&mut self, by: u32) {
        if self.is_zero() {
            return;
        }
        self.multiply_add(1 << (by % 32), 0);
        self.0.splice(0..0, std::iter::repeat_n(0, (by / 32) as usize));
    }

    fn compare(&self, other: &Big) -> Ordering {
        let by_length = self.0.len().cmp(&other.0.len());
        by_length.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }

    /// `other` must not be greater.
    fn subtract(&mut self, other: &Big) {
        let mut borrow = false;
        for (at, limb) in self.0.iter_mut().enumerate() {
            let (less, b1) = limb.overflowing_sub(other.0.get(at).copied().unwrap_or(0));
            let (less, b2) = less.overflowing_sub(u32::from(borrow));
            *limb = less;
            borrow = b1 || b2;
        }
        self.trim();
    }

    /// `self / divisor * 2^exponent`, rounded to 64 bits; neither is zero.
    fn divide(mut self, mut divisor: Big, exponent: i32) -> Option<Magnitude> {
        // Aligned so that the quotient lies between 1/2 and 2, it is drawn out bit by bit.
        let lift = self.bits() - divisor.bits();
        let aligned = if lift >= 0 { &mut divisor } else { &mut self };
        aligned.shift_left(lift.unsigned_abs());
        const QUOTIENT_BITS: i32 = 70;
        let mut quotient = 0u128;
        for _ in 0..QUOTIENT_BITS {
            quotient <<= 1;
            if self.compare(&divisor) != Ordering::Less {
                self.subtract(&divisor);
                quotient |= 1;
            }
            self.shift_left(1);
        }
        round(quotient, exponent + lift - (QUOTIENT_BITS - 1), !self.is_zero())
    }

    fn to_decimal(&self) -> String {
        const BILLION: u64 = 1_000_000_000;
        let (mut limbs, mut groups) = (self.clone(), Vec::new());
        while !limbs.is_zero() {
            let mut rest = 0u64;
            for limb in limbs.0.iter_mut().rev() {
                let value = (rest << 32) | u64::from(*limb);
                *limb = (value / BILLION) as u32;
                rest = value % BILLION;
            }
            limbs.trim();
            groups.push(rest);
        }
        let mut text = groups.pop().unwrap_or(0).to_string();
        for group in groups.iter().rev() {
            write!(text, "{group:09}").expect("writing to a String succeeds");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(a: &str, b: &str) -> Option<String> {
        let parse =
            |text: &str| Extended::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
        parse(a).plus(parse(b)).map(Extended::to_text)
    }

    /// Expectations were taken from redis-server on x86-64.
    #[test]
    fn sums_as_redis_prints_them() {
        let check = |a: &str, b: &str, expect: &str| {
            assert_eq!(sum(a, b).as_deref(), Some(expect), "{a} + {b}");
            assert_eq!(sum(b, a).as_deref(), Some(expect), "{b} + {a}");
        };
        check("0.1", "0.2", "0.3");
        check("10.50", "0.1", "10.6");
        check("3.0e3", "200", "3200");
        check("5", "-5", "0");
        check("-0", "-0", "0");
        check("1", "-1.5", "-0.5");
        check("9007199254740993", "0.5", "9007199254740993.5");
        check("18446744073709551615", "1", "18446744073709551616");
        check("18446744073709551616", "1", "18446744073709551616");
        check("1e-18", "0", "0");
        check("1", "1e-17", "1.00000000000000001");
        check("1e20", "-0.1", "100000000000000000000");
        check("0x10", "0x1.8p1", "19");
        check("3.14159265358979323846", "0", "3.14159265358979324");
        check("1e25", "1", "10000000000000000000000000");
    }

    #[test]
    fn ends_of_the_range() {
        assert_eq!(sum("inf", "1"), None);
        assert_eq!(sum("inf", "-inf"), None);
        assert_eq!(sum("1.18e4932", "1.18e4932"), None);
        let huge = sum("1e4932", "0").unwrap();
        assert_eq!((huge.len(), &huge[..6]), (4933, "100000"));
        assert_eq!(sum("1e-4940", "0").as_deref(), Some("0"));
    }

    #[test]
    fn what_is_no_number() {
        let long = "1".repeat(TEXT_BYTES_MAX + 1);
        let wrong = [
            "",
            "-",
            "+",
            ".",
            " 1",
            "1 ",
            "1a",
            "nan",
            "1e",
            "e1",
            "1e+",
            "0x",
            "0xp1",
            "1..2",
            "--1",
            "1e5000",
            "-1e5000",
            "1e-5000",
            "1e999999999999",
            "0x1p20000",
            "infin",
            long.as_str(),
        ];
        for text in wrong {
            assert_eq!(Extended::parse(text.as_bytes()), None, "{text}");
        }
        for text in ["0e99999999", "0x0p1", ".5", "5.", "+1", "INFINITY", "1e-4950"] {
            assert!(Extended::parse(text.as_bytes()).is_some(), "{text}");
        }
    }
}
