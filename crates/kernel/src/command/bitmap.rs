//! Bitmaps: strings whose bits are addressed one by one (SETBIT, BITCOUNT, BITPOS, BITOP) or as integers of any
//! width (BITFIELD).
//!
//! ```text
//!   byte   |       0       |       1       |
//!   bit     0 1 2 3 4 5 6 7 8 9 ...            bit 0 is the highest bit of the first byte
//! ```
//!
//! A write becomes an effect on the bytes that it touches (`SetRange`), not on the whole string.

mod bits;
mod field;
mod operate;

use std::ops::Range;

use base::number::parse_i64;
use store::StringRef;
use wire::effect::Effect;
use wire::resp::reply::ErrorReply;

use super::bounds;
use super::table::Binding;
use super::{Args, CmdResult, Handler, NodeTurn, Stop, Turn};
use crate::keyspace::{Class, Keyspace};

pub(crate) const COMMANDS: &[Binding] = &[
    ("setbit", Handler::Node(setbit)),
    ("getbit", Handler::Node(getbit)),
    ("bitcount", Handler::Data(bitcount)),
    ("bitpos", Handler::Data(bitpos)),
    ("bitop", Handler::Data(operate::bitop)),
    ("bitfield", Handler::Node(field::bitfield)),
    ("bitfield_ro", Handler::Node(field::bitfield_ro)),
];

const BAD_OFFSET: ErrorReply = ErrorReply::new("ERR bit offset is not an integer or out of range");
const BAD_BIT: ErrorReply = ErrorReply::new("ERR bit is not an integer or out of range");

/// Bytes of the widest field, wherever it begins: so many may lie behind the byte of its offset.
const FIELD_BYTES_MAX: u64 = 9;

/// Bytes that an offset may address.
fn addressable_bytes(cx: &NodeTurn<'_>) -> u64 {
    let bulk_max = cx.node.config.settings().proto_max_bulk_len;
    bulk_max.min(store::apply::STRING_BYTES_MAX - FIELD_BYTES_MAX)
}

/// The offset of a bit. `width`: bits of a field, which may be counted in (`#3` is the fourth field).
fn offset(text: &[u8], width: Option<u32>, bytes_max: u64) -> Result<u64, Stop> {
    let (digits, unit) = match (text.strip_prefix(b"#"), width) {
        (Some(digits), Some(width)) => (digits, i64::from(width)),
        (_, _) => (text, 1),
    };
    let bits = parse_i64(digits).and_then(|number| number.checked_mul(unit));
    let bits = bits.and_then(|bits| u64::try_from(bits).ok());
    bits.filter(|bits| bits >> 3 < bytes_max).ok_or(Stop::Error(BAD_OFFSET))
}

/// The index of the byte that holds a bit.
fn byte_of(bit: u64) -> usize {
    usize::try_from(bit >> 3).expect("an offset lies inside a string")
}

/// Runs `read` on the bytes of a string, which is not touched; a missing key is empty.
fn with_bytes<R>(
    keys: &mut Keyspace,
    key: &[u8],
    read: impl FnOnce(&[u8]) -> R,
) -> Result<R, Stop> {
    let mut room = itoa::Buffer::new();
    let string = keys.peek_string(key)?;
    Ok(read(string.as_ref().map_or(b"".as_slice(), |string| string.text(&mut room))))
}

fn setbit(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let bit = offset(args.key(2), None, addressable_bytes(cx))?;
    let is_on = match parse_i64(args.key(3)) {
        Some(0) => false,
        Some(1) => true,
        Some(_) | None => return Err(BAD_BIT.into()),
    };
    let (key, at, mask) = (args.key(1), byte_of(bit), 0x80 >> (bit & 7));
    let keys = &mut *cx.turn.keys;
    let old = with_bytes(keys, key, |bytes| bytes.get(at).copied())?;
    let was_on = old.is_some_and(|byte| byte & mask != 0);
    if old.is_none() || was_on != is_on {
        let old = old.unwrap_or(0);
        let new = if is_on { old | mask } else { old & !mask };
        keys.apply(Effect::SetRange { key, offset: at as u64, value: &[new] });
        keys.notify(Class::String, "setbit", key);
    } else {
        keys.make_editable(key);
    }
    cx.turn.reply.integer(i64::from(was_on));
    Ok(())
}

fn getbit(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let bit = offset(args.key(2), None, addressable_bytes(cx))?;
    let mut room = itoa::Buffer::new();
    let string = cx.turn.keys.string(args.key(1))?;
    let byte = string.as_ref().and_then(|string| string.text(&mut room).get(byte_of(bit)));
    let is_on = byte.is_some_and(|byte| byte & (0x80 >> (bit & 7)) != 0);
    cx.turn.reply.integer(i64::from(is_on));
    Ok(())
}

/// Whether argument `at` says that a range counts bits.
fn counts_bits(args: &Args<'_>, at: usize) -> Result<bool, Stop> {
    if args.is(at, "bit") {
        Ok(true)
    } else if args.is(at, "byte") {
        Ok(false)
    } else {
        Err(ErrorReply::SYNTAX.into())
    }
}

/// The bits from `start` to `end`, both included, of a string; negative positions count from its end.
fn bit_range(start: i64, end: i64, counts_bits: bool, bytes: &[u8]) -> Range<usize> {
    let unit = if counts_bits { 1 } else { 8 };
    let length = bytes.len() * 8 / unit;
    // A negative end before the string means its first position here, unlike in the ranges of lists.
    let first = i64::try_from(length).expect("no string has 2^60 bytes").saturating_neg();
    let span = bounds::span(start, end.max(first), length);
    span.start * unit..span.end * unit
}

fn bitcount(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let mut room = itoa::Buffer::new();
    let count = match &cx.keys.string(args.key(1))? {
        // As in Redis, wrong arguments do not matter to a key that is missing.
        None => 0,
        Some(string) => count_in(string.text(&mut room), args)?,
    };
    cx.reply.integer(i64::try_from(count).expect("fewer bits than 2^63"));
    Ok(())
}

fn count_in(bytes: &[u8], args: &Args<'_>) -> Result<u64, Stop> {
    let range = match args.len() {
        2 => 0..bytes.len() * 8,
        4 | 5 => {
            let (start, end) = (args.int(2)?, args.int(3)?);
            if start < 0 && end < 0 && start > end {
                return Ok(0);
            }
            bit_range(start, end, args.len() == 5 && counts_bits(args, 4)?, bytes)
        }
        _ => return Err(ErrorReply::SYNTAX.into()),
    };
    Ok(bits::count(bytes, range))
}

fn bitpos(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let is_on = match args.int(2)? {
        0 => false,
        1 => true,
        _ => return Err(ErrorReply::new("ERR The bit argument must be 1 or 0.").into()),
    };
    let mut room = itoa::Buffer::new();
    let found = match &cx.keys.string(args.key(1))? {
        // A key that is missing is an endless row of zeros.
        None => (!is_on).then_some(0),
        Some(string) => position_in(string.text(&mut room), is_on, args)?,
    };
    let position = found.map(|bit| i64::try_from(bit).expect("fewer bits than 2^63"));
    cx.reply.integer(position.unwrap_or(-1));
    Ok(())
}

fn position_in(bytes: &[u8], is_on: bool, args: &Args<'_>) -> Result<Option<usize>, Stop> {
    let range = match args.len() {
        3 => 0..bytes.len() * 8,
        4..=6 => {
            let start = args.int(3)?;
            let counts_bits = args.len() == 6 && counts_bits(args, 5)?;
            let end = if args.len() > 4 { args.int(4)? } else { -1 };
            bit_range(start, end, counts_bits, bytes)
        }
        _ => return Err(ErrorReply::SYNTAX.into()),
    };
    if range.is_empty() {
        return Ok(None);
    }
    // Without an end the string goes on in zeros.
    let behind = (!is_on && args.len() < 5).then_some(range.end);
    Ok(bits::position(bytes, range, is_on).or(behind))
}

/// Bytes of a string, for those who are going to change it.
fn length(keys: &mut Keyspace, key: &[u8]) -> Result<usize, Stop> {
    Ok(keys.peek_string(key)?.map_or(0, StringRef::len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets() {
        let check = |text: &str, width, expect| {
            assert_eq!(offset(text.as_bytes(), width, 100).ok(), expect, "{text}");
        };
        check("0", None, Some(0));
        check("799", None, Some(799));
        check("800", None, None);
        check("-1", None, None);
        check("#3", None, None);
        check("#3", Some(5), Some(15));
        check("#9223372036854775807", Some(64), None);
        check("", Some(8), None);
    }

    #[test]
    fn ranges() {
        let bytes = [0; 3];
        assert_eq!(bit_range(0, -1, false, &bytes), 0..24);
        assert_eq!(bit_range(1, 1, false, &bytes), 8..16);
        assert_eq!(bit_range(5, -3, true, &bytes), 5..22);
        assert_eq!(bit_range(0, -100, false, &bytes), 0..8, "as in Redis, -100 is the first byte");
        assert!(bit_range(3, 9, false, &bytes).is_empty());
        assert!(bit_range(0, -1, true, b"").is_empty());
        assert!(bit_range(i64::MIN, i64::MAX, true, b"").is_empty());
    }
}
