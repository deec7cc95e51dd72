//! Unsigned LEB128 integers and length-prefixed bytes: seven bits a byte, least significant first.

/// Appends `value` in 1 to 10 bytes.
#[inline]
pub fn put_u64(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

/// Takes an integer from the front of `input`; `None` when it is cut off or above 64 bits.
#[inline]
pub fn take_u64(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for (at, &byte) in input.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if at == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * at);
        if byte & 0x80 == 0 {
            *input = &input[at + 1..];
            return Some(value);
        }
    }
    None
}

/// Zigzag form of a signed integer, so that small negatives stay short.
#[inline]
pub fn put_i64(out: &mut Vec<u8>, value: i64) {
    put_u64(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

#[inline]
pub fn take_i64(input: &mut &[u8]) -> Option<i64> {
    let zigzag = take_u64(input)?;
    Some((zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed()))
}

#[inline]
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Takes length-prefixed bytes; `None` when fewer are there than the length says.
#[inline]
pub fn take_bytes<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_u64(input)?).ok()?;
    let (bytes, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_round_trip() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_u64(&mut out, value);
            let mut input = out.as_slice();
            assert_eq!(take_u64(&mut input), Some(value));
            assert!(input.is_empty());
        }
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            let mut out = Vec::new();
            put_i64(&mut out, value);
            assert_eq!(take_i64(&mut out.as_slice()), Some(value));
        }
    }

    #[test]
    fn cut_and_overlong_input_is_refused() {
        assert_eq!(take_u64(&mut [0x80].as_slice()), None);
        assert_eq!(take_u64(&mut [0xff; 11].as_slice()), None);
        assert_eq!(take_bytes(&mut [5, b'a'].as_slice()), None);
    }
}
