//! Number text as Redis reads and writes it: strict integers, and floats in its forms.
//!
//! A double is written in one of three ways, byte for byte those of Redis 7.2:
//!
//! | | 1/3 | 10^9 | where |
//! |-|-----|------|-------|
//! | [`format_double`] | `0.3333333333333333` | `1000000000` | replies, listpacks, arguments of scripts |
//! | [`format_double_compact`] | `0.3333333333333333` | `1e+9` | digests, which hash a text of each score |
//! | [`format_double_17`] | `0.33333333333333331` | `1000000000` | ZSCAN of a large set; everything up to 7.0 |

use std::fmt::{self, Write as _};

mod grisu;

/// A 64-bit integer in canonical form: optional `-`, no leading zeros, no spaces, no `+`
/// (Redis: `string2ll`). `None` for anything else, including overflow.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.first()? {
        b'-' => (true, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    if digits[0] == b'0' {
        return (digits.len() == 1 && !negative).then_some(0);
    }
    let mut value: u64 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
    }
    if negative { 0i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

/// A float as strict as Redis reads one: everything that C's `strtod` takes (decimal, hexadecimal,
/// `inf`, `infinity`, any case), no spaces, nothing behind it. `None` also for NaN, for overflow to
/// infinity and for underflow to zero.
pub fn parse_double(text: &[u8]) -> Option<f64> {
    let value = strtod(text)?;
    // What overflowed to infinity says nothing of it, and what underflowed to zero has another digit.
    let digits = text.iter().take_while(|&&byte| !matches!(byte, b'e' | b'E'));
    let is_word = || text.iter().any(|byte| matches!(byte, b'n' | b'N'));
    let is_zero = || digits.copied().all(|byte| matches!(byte, b'+' | b'-' | b'0' | b'.'));
    let is_hex = text.iter().any(|byte| matches!(byte, b'x' | b'X'));
    let is_exact = is_hex || if value == 0.0 { is_zero() } else { value.is_finite() || is_word() };
    is_exact.then_some(value)
}

/// A bound of a range of scores, where Redis is less strict: nothing at all counts 0, spaces may stand in front, too much
/// is infinity, and a NUL ends the text.
pub fn parse_score_bound(text: &[u8]) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let spaces = text.iter().take_while(|byte| is_space(byte)).count();
    strtod(&text[spaces..])
}

/// C's `strtod` on the whole text, without NaN.
fn strtod(text: &[u8]) -> Option<f64> {
    let (negative, magnitude) = match text.first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let value = match magnitude {
        [b'0', b'x' | b'X', hex @ ..] => parse_hex(hex)?,
        [b'0'..=b'9' | b'.', ..] => std::str::from_utf8(magnitude).ok()?.parse().ok()?,
        word if word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"infinity") => {
            f64::INFINITY
        }
        _ => return None,
    };
    Some(if negative { -value } else { value })
}

/// `1f.8p3`, without the `0x`. Bits beyond the 53rd are rounded to nearest, ties to even.
fn parse_hex(text: &[u8]) -> Option<f64> {
    let (mut mantissa, mut exponent, mut digits) = (0u64, 0i32, 0usize);
    let (mut seen_point, mut sticky) = (false, false);
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        match (char::from(*byte).to_digit(16), byte) {
            (Some(digit), _) => {
                digits += 1;
                if mantissa >> 59 == 0 {
                    mantissa = (mantissa << 4) | u64::from(digit);
                } else {
                    sticky |= digit != 0;
                    exponent = exponent.checked_add(4)?;
                }
                exponent = exponent.checked_sub(if seen_point { 4 } else { 0 })?;
            }
            (None, b'.') if !seen_point => seen_point = true,
            (None, b'p' | b'P') => {
                let digits = tail.strip_prefix(b"+").or(tail.strip_prefix(b"-")).unwrap_or(tail);
                if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                    return None;
                }
                let power: i64 = std::str::from_utf8(tail).ok()?.parse().ok()?;
                exponent = exponent.checked_add(i32::try_from(power).ok()?)?;
                break;
            }
            (None, _) => return None,
        }
        rest = tail;
    }
    if digits == 0 {
        return None;
    }
    if mantissa == 0 {
        return Some(0.0);
    }
    // The mantissa has up to 63 bits: a sticky lowest bit keeps one rounding step correct.
    let value = scale((mantissa << 1) | u64::from(sticky), exponent.checked_sub(1)?);
    (value.is_finite() && value != 0.0).then_some(value)
}

/// `mantissa * 2^exponent`, rounded once, to nearest.
fn scale(mantissa: u64, exponent: i32) -> f64 {
    let bits = 64 - i32::try_from(mantissa.leading_zeros()).expect("at most 64");
    let lowest = exponent.saturating_add(bits - 53).max(-1074);
    let drop = lowest.saturating_sub(exponent);
    if drop <= 0 {
        // At most 53 bits: exact, and so is every product by a power of two down to 2^-1074.
        return power_of_two(mantissa as f64, exponent);
    }
    if drop > 64 {
        return 0.0;
    }
    let wide = u128::from(mantissa);
    let (kept, half) = (wide >> drop, 1u128 << (drop - 1));
    let tail = wide & ((half << 1) - 1);
    let up = tail > half || (tail == half && kept & 1 == 1);
    power_of_two((kept + u128::from(up)) as f64, lowest)
}

fn power_of_two(mut value: f64, mut exponent: i32) -> f64 {
    while exponent > 1000 && value.is_finite() {
        (value, exponent) = (value * 2f64.powi(1000), exponent - 1000);
    }
    while exponent < -1000 && value != 0.0 {
        (value, exponent) = (value * 2f64.powi(-1000), exponent + 1000);
    }
    value * 2f64.powi(exponent.clamp(-1000, 1000))
}

/// Text of a float, on the stack.
#[derive(Clone, Copy, Debug)]
pub struct DoubleText {
    bytes: [u8; DOUBLE_TEXT_BYTES_MAX],
    length: usize,
}

/// Sign, 17 digits, point, leading zeros and exponent stay below this.
const DOUBLE_TEXT_BYTES_MAX: usize = 40;

impl DoubleText {
    fn new() -> DoubleText {
        DoubleText { bytes: [0; DOUBLE_TEXT_BYTES_MAX], length: 0 }
    }

    fn put(&mut self, text: &[u8]) {
        self.bytes[self.length..self.length + text.len()].copy_from_slice(text);
        self.length += text.len();
    }

    fn zeros(&mut self, count: usize) {
        self.bytes[self.length..self.length + count].fill(b'0');
        self.length += count;
    }

    /// An integer, with zeros in front if it has fewer digits than `width`.
    fn integer(&mut self, mut value: u64, width: usize) {
        let start = self.length;
        self.length += value.checked_ilog10().map_or(1, |log| log as usize + 1).max(width);
        for place in (start..self.length).rev() {
            self.bytes[place] = b'0' + (value % 10) as u8;
            value /= 10;
        }
    }

    /// What needs no digits: all of `nan`, zero and infinity, of other values the sign.
    fn begin(value: f64) -> (DoubleText, bool) {
        let mut text = DoubleText::new();
        if value.is_sign_negative() && !value.is_nan() {
            text.put(b"-");
        }
        let word: &[u8] = match value {
            _ if value.is_nan() => b"nan",
            _ if value.is_infinite() => b"inf",
            0.0 => b"0",
            _ => b"",
        };
        text.put(word);
        (text, !word.is_empty())
    }
}

impl std::ops::Deref for DoubleText {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl fmt::Write for DoubleText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}

/// The text of a score, as Redis 7.2 writes it in replies and in listpacks: integers up to 2^62 in full, otherwise the
/// digits that Grisu2 finds, which are the fewest that read back as `value` but for one double in a thousand
/// or so. `3`, `0.1`, `1e+20`, `1.5e-9`, `inf`, `-inf`, `nan`, `-0`.
pub fn format_double(value: f64) -> DoubleText {
    let magnitude = value.abs();
    if magnitude <= INTEGERS_MAX && magnitude.trunc() == magnitude {
        let mut text = DoubleText::new();
        if value.is_sign_negative() {
            text.put(b"-");
        }
        text.integer(magnitude as u64, 1);
        return text;
    }
    format_double_compact(value)
}

/// Redis 7.2 writes integers up to 2^62 in full.
const INTEGERS_MAX: f64 = 4_611_686_018_427_387_904.0;

/// As [`format_double`], but integers like all other numbers: `1e+9`, and 2^62 is `4611686018427388000`.
pub fn format_double_compact(value: f64) -> DoubleText {
    let (mut text, is_complete) = DoubleText::begin(value);
    if is_complete {
        return text;
    }
    let digits = grisu::digits(value.abs());
    let count = i32::try_from(digits.len()).expect("at most 17");
    // Redis' own limits: `shift` is the exponent of the last digit, `leading` that of the first.
    let (shift, leading) = (digits.exponent, digits.exponent + count - 1);
    let is_plain = match shift {
        0.. => leading < count + 7,
        _ => shift > -7 || leading.abs() < 4,
    };
    if is_plain {
        lay_out_plainly(&mut text, &digits, leading + 1);
    } else {
        lay_out_with_exponent(&mut text, &digits, leading, 1);
    }
    text
}

/// As C's `%.17g`: the nearest 17 digits, without zeros at the end, with an exponent when the point would be far away.
/// Redis up to 7.0 writes every score so, and 7.2 those of a large sorted set in ZSCAN.
pub fn format_double_17(value: f64) -> DoubleText {
    const DIGITS: i32 = 17;
    let (mut text, is_complete) = DoubleText::begin(value);
    if is_complete {
        return text;
    }
    let mut scientific = DoubleText::new();
    write!(scientific, "{:.16e}", value.abs()).expect("the text is short enough");
    // One digit, the point, 16 digits, the letter, the exponent.
    let exponent = std::str::from_utf8(&scientific[19..]).ok().and_then(|text| text.parse().ok());
    let exponent: i32 = exponent.expect("the format has an exponent");
    scientific.bytes.copy_within(2..18, 1);
    let mut digits = &scientific.bytes[..17];
    while let [shorter @ .., b'0'] = digits {
        digits = shorter;
    }
    if (-4..DIGITS).contains(&exponent) {
        lay_out_plainly(&mut text, digits, exponent + 1);
    } else {
        lay_out_with_exponent(&mut text, digits, exponent, 2);
    }
    text
}

/// The digits with the point behind the first `point` of them, or that many zeros before them when it is negative.
fn lay_out_plainly(text: &mut DoubleText, digits: &[u8], point: i32) {
    match usize::try_from(point) {
        Ok(point) if point >= digits.len() => {
            text.put(digits);
            text.zeros(point - digits.len());
        }
        Ok(point @ 1..) => {
            text.put(&digits[..point]);
            text.put(b".");
            text.put(&digits[point..]);
        }
        _ => {
            text.put(b"0.");
            text.zeros(point.unsigned_abs() as usize);
            text.put(digits);
        }
    }
}

/// The point behind the first digit, and the exponent of ten, of at least `width` digits.
fn lay_out_with_exponent(text: &mut DoubleText, digits: &[u8], exponent: i32, width: usize) {
    text.put(&digits[..1]);
    if digits.len() > 1 {
        text.put(b".");
        text.put(&digits[1..]);
    }
    text.put(if exponent < 0 { b"e-" } else { b"e+" });
    text.integer(u64::from(exponent.unsigned_abs()), width);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_integers_only() {
        let check = |text: &str, expect: Option<i64>| {
            assert_eq!(parse_i64(text.as_bytes()), expect, "{text}")
        };
        check("0", Some(0));
        check("-1", Some(-1));
        check("9223372036854775807", Some(i64::MAX));
        check("-9223372036854775808", Some(i64::MIN));
        for wrong in [
            "",
            "-",
            "-0",
            "+1",
            "01",
            " 1",
            "1 ",
            "1a",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn floats_as_strtod_reads_them() {
        let check = |text: &str, expect: f64| {
            assert_eq!(parse_double(text.as_bytes()), Some(expect), "{text}");
        };
        check("0", 0.0);
        check("-0.0", -0.0);
        check("1.", 1.0);
        check(".5", 0.5);
        check("+1.5e3", 1500.0);
        check("1.e1", 10.0);
        check("0e999", 0.0);
        check("4.9e-324", 5e-324);
        check("inf", f64::INFINITY);
        check("-INFINITY", f64::NEG_INFINITY);
        check("0x10", 16.0);
        check("-0X1.8p1", -3.0);
        check("0x.8", 0.5);
        check("0x1p-1074", 5e-324);
        check("0x1.fffffffffffff8p0", 2.0);
        check("0x1.00000000000008p0", 1.0);
        check("0x1.000000000000080000000000001p0", 1.000_000_000_000_000_2);
        check("0x20000000000001", 9_007_199_254_740_992.0);
        for wrong in [
            "",
            "-",
            "+",
            ".",
            "e5",
            "1e",
            " 1",
            "1 ",
            "1a",
            "--1",
            "+-1",
            "nan",
            "NAN",
            "-nan",
            "infi",
            "1e400",
            "1e-400",
            "0x",
            "0x.",
            "0xg",
            "0x1p",
            "0x1p-",
            "0x1p+-1",
            "0x1p2000",
            "0x1p-2000",
            "1_0",
            "1\0",
            "0x1p99999999999",
            "0x1p2147483647",
            "0x1p-2147483648",
        ] {
            assert_eq!(parse_double(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn bounds_of_scores_are_read_loosely() {
        let check = |text: &[u8], expect| assert_eq!(parse_score_bound(text), expect, "{text:?}");
        check(b"", Some(0.0));
        check(b"\x00abc", Some(0.0));
        check(b" 1", Some(1.0));
        check(b"\t\r\n-2.5", Some(-2.5));
        check(b"1e400", Some(f64::INFINITY));
        check(b"1e-400", Some(0.0));
        check(b"-inf", Some(f64::NEG_INFINITY));
        for wrong in [" ", "1 ", "x", "nan", "(", "1e"] {
            check(wrong.as_bytes(), None);
        }
    }

    #[test]
    fn floats_as_redis_writes_them() {
        let check = |value: f64, expect: &str| {
            let text = format_double(value);
            assert_eq!(std::str::from_utf8(&text), Ok(expect));
            if value.is_finite() {
                assert_eq!(parse_double(&text), Some(value));
            }
        };
        check(0.0, "0");
        check(-0.0, "-0");
        check(3.0, "3");
        check(-17.0, "-17");
        check(0.1, "0.1");
        check(0.1 + 0.2, "0.30000000000000004");
        check(2.5 / 3.0, "0.8333333333333334");
        check(0.000_001, "0.000001");
        check(0.000_000_1, "1e-7");
        check(1.5e-9, "1.5e-9");
        check(0.001_234_567_89, "0.00123456789");
        check(0.000_123_456_789, "1.23456789e-4");
        check(4_503_599_627_370_495.0, "4503599627370495");
        check(1e15, "1000000000000000");
        check(1.234e17, "123400000000000000");
        check(123_456_789_012_345_678.0, "123456789012345680");
        check(4_611_686_018_427_387_904.0, "4611686018427387904");
        check(-4_611_686_018_427_388_928.0, "-4611686018427389000");
        check(1e20, "1e+20");
        check(12_345_678_901_234_567_890.0, "12345678901234567000");
        check(1e100, "1e+100");
        check(f64::MAX, "1.7976931348623157e+308");
        check(-f64::MIN_POSITIVE, "-2.2250738585072014e-308");
        check(f64::INFINITY, "inf");
        check(f64::NEG_INFINITY, "-inf");
        check(f64::NAN, "nan");
        check(-f64::NAN, "nan");
    }

    /// What a real server wrote: see the head of the table.
    #[test]
    fn doubles_are_those_of_redis_7_2_6() {
        let mut rows = 0;
        for row in include_str!("number/doubles.tsv").lines().filter(|row| !row.starts_with('#')) {
            let columns: Vec<&str> = row.split('\t').collect();
            let [bits, full, compact, long] = columns[..] else { panic!("four columns: {row}") };
            let value = f64::from_bits(u64::from_str_radix(bits, 16).expect("64 bits"));
            let texts = [
                (format_double(value), full),
                (format_double_compact(value), compact),
                (format_double_17(value), long),
            ];
            for (text, expect) in texts {
                assert_eq!(std::str::from_utf8(&text), Ok(expect), "{bits}");
                assert_eq!(parse_double(&text).map(f64::to_bits), Some(value.to_bits()), "{bits}");
            }
            rows += 1;
        }
        assert_eq!(rows, 385);
    }

    #[test]
    fn every_text_reads_back() {
        // xorshift64: any order of bits, the same in every run.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for round in 0..50_000 {
            let bits = next();
            let value = match round % 4 {
                0 => f64::from_bits(bits),
                1 => {
                    (bits >> (next() % 64)) as f64
                        / 10_f64.powi(i32::try_from(next() % 20).unwrap())
                }
                2 => f64::from_bits(bits >> 12),
                _ => f64::from_bits((bits >> 63 << 63) | (bits % 2047) << 52) + 0.0,
            };
            if value.is_finite() {
                for text in
                    [format_double(value), format_double_compact(value), format_double_17(value)]
                {
                    let read = parse_double(&text).map(f64::to_bits);
                    assert_eq!(read, Some(value.to_bits()), "{}", text.escape_ascii());
                }
            }
        }
    }
}
