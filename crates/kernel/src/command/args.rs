//! The arguments of one command: slices into the client's input buffer.
//!
//! ```text
//!   buffer  *2\r\n$3\r\nGET\r\n$3\r\nfoo\r\n
//!   spans              ^^^           ^^^        (start, length)
//! ```

use std::ops::Index;

use base::UnixMs;
use base::extended::Extended;
use base::number::{parse_double, parse_i64};
use wire::resp::reply::ErrorReply;
use wire::resp::request::Span;

use super::Stop;

/// `args[0]` is the command's name as the client wrote it. Indexing past the end panics, as arity
/// was checked before the handler ran.
#[derive(Clone, Copy, Debug)]
pub struct Args<'a> {
    buffer: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// Every span must lie inside `buffer`.
    pub fn new(buffer: &'a [u8], spans: &'a [Span]) -> Args<'a> {
        Args { buffer, spans }
    }

    /// Number of arguments, the name included.
    #[expect(clippy::len_without_is_empty, reason = "a command has at least its name")]
    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Bytes of the request in RESP, as clients send it.
    pub(crate) fn request_bytes(&self) -> usize {
        let line = |number: usize| 1 + itoa::Buffer::new().format(number).len() + 2;
        let words = self.spans.iter().map(|span| line(span.length) + span.length + 2);
        line(self.len()) + words.sum::<usize>()
    }

    /// Argument `i` for as long as the input buffer lives.
    #[inline]
    pub fn key(&self, i: usize) -> &'a [u8] {
        self.spans[i].of(self.buffer)
    }

    pub fn get(&self, i: usize) -> Option<&'a [u8]> {
        (i < self.len()).then(|| self.key(i))
    }

    /// Arguments `i..`; empty when there are none.
    pub fn from(&self, i: usize) -> Vec<&'a [u8]> {
        self.iter_from(i).collect()
    }

    pub fn iter_from(
        &self,
        i: usize,
    ) -> impl ExactSizeIterator<Item = &'a [u8]> + DoubleEndedIterator + Clone + use<'a> {
        let (buffer, spans) = (self.buffer, &self.spans[i.min(self.spans.len())..]);
        spans.iter().map(move |span| span.of(buffer))
    }

    /// The words from `i` on, as the arguments of a command of their own; there must be one.
    pub(crate) fn tail(&self, i: usize) -> Args<'a> {
        Args { buffer: self.buffer, spans: &self.spans[i..] }
    }

    /// Whether argument `i` is the keyword `word` (given in any case).
    pub fn is(&self, i: usize, word: &str) -> bool {
        self.key(i).eq_ignore_ascii_case(word.as_bytes())
    }

    /// A 64-bit integer, or "value is not an integer or out of range".
    pub fn int(&self, i: usize) -> Result<i64, Stop> {
        parse_i64(self.key(i)).ok_or(Stop::Error(ErrorReply::NOT_AN_INTEGER))
    }

    /// An integer of 32 bits, or what Redis says of one that is no integer, or too large.
    pub(crate) fn int32(&self, i: usize) -> Result<i32, Stop> {
        i32::try_from(self.int(i)?).map_err(|_| {
            Stop::Error(ErrorReply::new(
                "ERR value is out of range, value must between -2147483648 and 2147483647",
            ))
        })
    }

    /// A finite or infinite number, or "value is not a valid float".
    pub fn float(&self, i: usize) -> Result<f64, Stop> {
        parse_double(self.key(i)).ok_or(Stop::Error(ErrorReply::NOT_A_FLOAT))
    }

    /// The timeout argument of a blocking command, in seconds with a fraction, as a deadline;
    /// 0 blocks for ever.
    pub fn deadline(&self, i: usize, now: UnixMs) -> Result<Option<UnixMs>, Stop> {
        let error = |text| Stop::Error(ErrorReply::new(text));
        let seconds = parse_double(self.key(i))
            .or_else(|| beyond_double(self.key(i)))
            .ok_or_else(|| error("ERR timeout is not a float or out of range"))?;
        if seconds < 0.0 {
            return Err(error("ERR timeout is negative"));
        }
        let ms = (seconds * 1000.0).ceil();
        // 2^63 ms: what Redis can hold.
        if ms >= 9_223_372_036_854_775_807.0 - now.0 as f64 {
            return Err(error("ERR timeout is out of range"));
        }
        Ok((ms > 0.0).then(|| now.plus_ms(ms as u64)))
    }
}

/// A number that only C's `long double` can hold, in which Redis reads timeouts: as good as infinite, or as nothing.
fn beyond_double(text: &[u8]) -> Option<f64> {
    let digits = Extended::parse(text)?.to_text();
    let size = if digits.trim_start_matches('-').starts_with('0') { 0.0 } else { f64::INFINITY };
    Some(if digits.starts_with('-') { -size } else { size.max(f64::MIN_POSITIVE) })
}

/// The error to a subcommand with more arguments than any of its forms has.
pub(crate) fn wrong_form(args: &Args<'_>) -> Stop {
    let name = String::from_utf8_lossy(args.key(1));
    let container = String::from_utf8_lossy(args.key(0)).to_uppercase();
    let text = "ERR unknown subcommand or wrong number of arguments for";
    Stop::Error(format!("{text} '{name}'. Try {container} HELP.").into())
}

impl catalog::Arguments for Args<'_> {
    fn count(&self) -> usize {
        self.len()
    }

    fn at(&self, index: usize) -> &[u8] {
        self.key(index)
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];

    #[inline]
    fn index(&self, i: usize) -> &[u8] {
        self.key(i)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_args<R>(words: &[&str], test: impl FnOnce(Args<'_>) -> R) -> R {
        let buffer = words.concat().into_bytes();
        let mut start = 0;
        let spans: Vec<Span> = words
            .iter()
            .map(|word| {
                let span = Span { start, length: word.len() };
                start += word.len();
                span
            })
            .collect();
        test(Args::new(&buffer, &spans))
    }

    #[test]
    fn slices_and_numbers() {
        with_args(&["ZADD", "key", "-5", "1.5", "nan", "inf"], |args| {
            assert_eq!(args.len(), 6);
            assert_eq!(&args[1], b"key");
            assert!(args.is(0, "zadd"));
            assert_eq!(args.int(2), Ok(-5));
            assert_eq!(args.int(3), Err(Stop::Error(ErrorReply::NOT_AN_INTEGER)));
            assert_eq!(args.float(3), Ok(1.5));
            assert_eq!(args.float(4), Err(Stop::Error(ErrorReply::NOT_A_FLOAT)));
            assert_eq!(args.float(5), Ok(f64::INFINITY));
            assert_eq!(args.from(4), [b"nan".as_slice(), b"inf"]);
            assert!(args.from(9).is_empty());
        });
    }

    #[test]
    fn bytes_of_the_request() {
        // *2\r\n$6\r\nclient\r\n$4\r\nlist\r\n
        with_args(&["client", "list"], |args| assert_eq!(args.request_bytes(), 26));
    }

    #[test]
    fn deadlines() {
        let text = |stop: Result<Option<UnixMs>, Stop>| match stop {
            Err(Stop::Error(error)) => error.to_string(),
            other => panic!("{other:?}"),
        };
        with_args(&["BLPOP", "0", "0.1", "-1", "x", "1e30", "1e400", "-1e400", "1e-400"], |args| {
            let now = UnixMs(1000);
            assert_eq!(args.deadline(1, now), Ok(None));
            assert_eq!(args.deadline(2, now), Ok(Some(UnixMs(1100))));
            assert_eq!(text(args.deadline(3, now)), "ERR timeout is negative");
            assert_eq!(text(args.deadline(4, now)), "ERR timeout is not a float or out of range");
            assert_eq!(text(args.deadline(5, now)), "ERR timeout is out of range");
            assert_eq!(text(args.deadline(6, now)), "ERR timeout is out of range");
            assert_eq!(text(args.deadline(7, now)), "ERR timeout is negative");
            assert_eq!(args.deadline(8, now), Ok(Some(UnixMs(1001))));
        });
    }
}
