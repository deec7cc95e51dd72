//! Numbers in arguments that have bounds: counts, ranges of indexes, numbers of keys.

use std::ops::Range;

use base::number::parse_i64;
use wire::resp::reply::ErrorReply;

use super::{Args, Stop};

/// Largest negative count of HRANDFIELD, SRANDMEMBER and ZRANDMEMBER, without sign. Such a reply may repeat
/// elements, so the collection does not bound it; Redis would fill its memory.
const REPEATED_COUNT_MAX: i64 = 1 << 24;

const MUST_BE_POSITIVE: &str = "ERR value is out of range, must be positive";

/// An integer of at least `min`; anything else is `text`.
pub(crate) fn at_least(
    args: &Args<'_>,
    at: usize,
    min: i64,
    text: &'static str,
) -> Result<usize, Stop> {
    let value = parse_i64(args.key(at)).filter(|value| *value >= min);
    let count = value.and_then(|value| usize::try_from(value).ok());
    count.ok_or(Stop::Error(ErrorReply::new(text)))
}

/// A count that may be 0.
pub(crate) fn count(args: &Args<'_>, at: usize) -> Result<usize, Stop> {
    at_least(args, at, 0, MUST_BE_POSITIVE)
}

/// An integer that has a counterpart of the other sign.
pub(crate) fn symmetric(args: &Args<'_>, at: usize) -> Result<i64, Stop> {
    match args.int(at)? {
        i64::MIN => Err(ErrorReply::new(
            "ERR value is out of range, value must between -9223372036854775807 and \
             9223372036854775807",
        )
        .into()),
        value => Ok(value),
    }
}

/// How many random elements are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sample {
    /// So many different ones.
    Distinct(usize),
    /// Exactly so many, each drawn anew.
    Repeated(usize),
}

/// The count of the random commands; `is_paired`: each element comes with a second reply.
pub(crate) fn sample(args: &Args<'_>, at: usize, is_paired: bool) -> Result<Sample, Stop> {
    let count = symmetric(args, at)?;
    let is_too_large = is_paired && count.unsigned_abs() > i64::MAX.unsigned_abs() / 2;
    if is_too_large || count < -REPEATED_COUNT_MAX {
        return Err(ErrorReply::new("ERR value is out of range").into());
    }
    let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    Ok(if count < 0 { Sample::Repeated(size) } else { Sample::Distinct(size) })
}

/// `key count [with]` of commands whose elements come in pairs: how many, and whether the second halves are wanted.
pub(crate) fn sample_of_pairs(args: &Args<'_>, with: &str) -> Result<(Sample, bool), Stop> {
    let is_paired = args.len() == 4 && args.is(3, with);
    if args.len() > 3 && !is_paired {
        // The count is looked at first, as in Redis.
        symmetric(args, 2)?;
        return Err(ErrorReply::SYNTAX.into());
    }
    Ok((sample(args, 2, is_paired)?, is_paired))
}

/// `start..=stop` of a sequence, where negative numbers count from the end, as indexes that exist.
pub(crate) fn span(start: i64, stop: i64, length: usize) -> Range<usize> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let from_end = |index: i64| if index < 0 { index.saturating_add(length) } else { index };
    let start = from_end(start).max(0);
    let end = from_end(stop).min(length - 1) + 1;
    let index = |value: i64| usize::try_from(value).expect("between 0 and the length");
    if start >= end { 0..0 } else { index(start)..index(end) }
}

/// The index of one element, where negative numbers count from the end.
pub(crate) fn index(index: i64, length: usize) -> Option<usize> {
    let found = span(index, index, length);
    (!found.is_empty()).then_some(found.start)
}

/// Keys that are preceded by their number.
#[derive(Debug)]
pub(crate) struct CountedKeys<'a> {
    pub(crate) keys: Vec<&'a [u8]>,
    /// The argument behind the last key.
    pub(crate) next: usize,
}

/// What to say about a number of keys.
pub(crate) struct CountedKeysErrors {
    pub(crate) not_positive: &'static str,
    pub(crate) too_many: &'static str,
}

/// The number of keys at argument `at`, and the keys behind it.
pub(crate) fn counted_keys<'a>(
    args: &Args<'a>,
    at: usize,
    errors: &CountedKeysErrors,
) -> Result<CountedKeys<'a>, Stop> {
    let number = at_least(args, at, 1, errors.not_positive)?;
    if number > args.len() - at - 1 {
        return Err(ErrorReply::new(errors.too_many).into());
    }
    let keys = args.iter_from(at + 1).take(number).collect();
    Ok(CountedKeys { keys, next: at + 1 + number })
}

/// The errors of LMPOP and ZMPOP.
pub(crate) const POP_KEYS: CountedKeysErrors = CountedKeysErrors {
    not_positive: "ERR numkeys should be greater than 0",
    too_many: "ERR syntax error",
};

/// The tail `[COUNT count]` of LMPOP and ZMPOP; 1 without it.
pub(crate) fn pop_count(args: &Args<'_>, at: usize) -> Result<usize, Stop> {
    if at == args.len() {
        return Ok(1);
    }
    if at + 1 == args.len() || !args.is(at, "COUNT") {
        return Err(ErrorReply::SYNTAX.into());
    }
    let count = at_least(args, at + 1, 1, "ERR count should be greater than 0")?;
    if at + 2 != args.len() {
        return Err(ErrorReply::SYNTAX.into());
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_stay_inside() {
        let check = |start, stop, length, expect| assert_eq!(span(start, stop, length), expect);
        check(0, -1, 5, 0..5);
        check(-2, -1, 5, 3..5);
        check(-100, 100, 5, 0..5);
        check(3, 1, 5, 0..0);
        check(5, 9, 5, 0..0);
        check(0, -6, 5, 0..0);
        check(0, -1, 0, 0..0);
        check(i64::MIN, i64::MAX, 5, 0..5);
        check(i64::MAX, i64::MIN, 5, 0..0);
        assert_eq!(index(-1, 3), Some(2));
        assert_eq!(index(3, 3), None);
        assert_eq!(index(-4, 3), None);
    }
}
