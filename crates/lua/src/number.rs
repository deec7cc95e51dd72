//! Numbers as C writes and reads them: `%.14g` and `strtod`.

use base::number::parse_double;

/// `printf("%.<precision>g")`; at least one digit.
pub(crate) fn format_g(value: f64, precision: usize) -> String {
    let precision = precision.max(1);
    if value.is_nan() {
        return if value.is_sign_negative() { "-nan" } else { "nan" }.to_owned();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-inf" } else { "inf" }.to_owned();
    }
    let scientific = format!("{value:.*e}", precision - 1);
    let (mantissa, exponent) = scientific.split_once('e').expect("{:e} writes an exponent");
    let exponent: i32 = exponent.parse().expect("{:e} writes a decimal exponent");
    let digits = i32::try_from(precision).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= digits {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", without_zeros(mantissa), exponent.unsigned_abs());
    }
    let decimals = usize::try_from(digits - 1 - exponent).expect("the exponent is smaller");
    let fixed = format!("{value:.decimals$}");
    without_zeros(&fixed).to_owned()
}

fn without_zeros(number: &str) -> &str {
    if !number.contains('.') {
        return number;
    }
    number.trim_end_matches('0').trim_end_matches('.')
}

/// A number without its fraction, as C converts it on x86-64: what does not fit becomes the smallest integer.
pub(crate) fn truncate(number: f64) -> i64 {
    const END: f64 = 9_223_372_036_854_775_808.0;
    if (-END..END).contains(&number) { number as i64 } else { i64::MIN }
}

/// The number at the front of a text, as `strtod` reads it, and how long it is.
pub(crate) fn number_at_front(text: &[u8]) -> Option<(f64, usize)> {
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let rest = &text[sign..];
    let starts =
        |word: &[u8]| rest.get(..word.len()).is_some_and(|front| front.eq_ignore_ascii_case(word));
    if starts(b"nan") {
        return Some((f64::NAN, sign + 3));
    }
    for word in [&b"infinity"[..], b"inf"] {
        if starts(word) {
            let value = if text[0] == b'-' { f64::NEG_INFINITY } else { f64::INFINITY };
            return Some((value, sign + word.len()));
        }
    }
    let length = sign + if starts(b"0x") { hex_length(rest) } else { decimal_length(rest) };
    let number = &text[..length];
    if length == sign {
        return None;
    }
    let plain = || std::str::from_utf8(number).ok()?.parse().ok();
    Some((parse_double(number).or_else(plain)?, length))
}

fn decimal_length(text: &[u8]) -> usize {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(0);
    let mut end = whole;
    if text.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        if whole + fraction == 0 {
            return 0;
        }
        end += 1 + fraction;
    }
    if end > 0 && matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits((end + 1 + sign).min(text.len()));
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    end
}

/// `text` begins with `0x`; without a digit behind it only the zero counts.
fn hex_length(text: &[u8]) -> usize {
    let digits =
        |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let whole = digits(2);
    let mut end = 2 + whole;
    if text.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        if whole + fraction == 0 {
            return 1;
        }
        end += 1 + fraction;
    }
    if end == 2 { 1 } else { end }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_printf() {
        let check = |value: f64, expect: &str| assert_eq!(format_g(value, 14), expect, "{value:?}");
        check(0.0, "0");
        check(1.0, "1");
        check(-1.5, "-1.5");
        check(0.1, "0.1");
        check(1e15, "1e+15");
        check(1e13, "10000000000000");
        check(123_456_789_012_345.0, "1.2345678901234e+14");
        check(0.0001, "0.0001");
        check(0.00001, "1e-05");
        check(2.0_f64.sqrt(), "1.4142135623731");
        check(1e100, "1e+100");
        check(f64::NEG_INFINITY, "-inf");
        assert_eq!(format_g(3.15, 2), "3.1");
        assert_eq!(format_g(9.96, 2), "10");
    }

    #[test]
    fn as_strtod() {
        let check = |text: &str, expect: Option<(f64, usize)>| {
            assert_eq!(number_at_front(text.as_bytes()), expect, "{text}");
        };
        check("12,3", Some((12.0, 2)));
        check("-1.5e3]", Some((-1500.0, 6)));
        check("1e", Some((1.0, 1)));
        check("1e+", Some((1.0, 1)));
        check("1.", Some((1.0, 2)));
        check(".5", Some((0.5, 2)));
        check(".", None);
        check("-", None);
        check("", None);
        check("0x10}", Some((16.0, 4)));
        check("0x", Some((0.0, 1)));
        check("-Infinity ", Some((f64::NEG_INFINITY, 9)));
        check("1e400", Some((f64::INFINITY, 5)));
        check("1e-400", Some((0.0, 6)));
    }
}
