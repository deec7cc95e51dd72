//! What SCAN, HSCAN, SSCAN and ZSCAN have in common: cursor, MATCH and COUNT.

use base::glob;
use wire::listpack::{Element, TextBuffer};
use wire::resp::reply::{ErrorReply, Protocol, ReplyWriter};

use super::{Args, Stop};

const COUNT_DEFAULT: usize = 10;
/// Calls of the table per element asked for, so that a sparse table cannot hold up the executor
/// (Redis: ten times the count).
const CALLS_PER_ELEMENT: usize = 10;

/// Arguments of a scan.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    pub(crate) cursor: u64,
    pub(crate) pattern: Option<&'a [u8]>,
    pub(crate) count: usize,
}

impl<'a> Scan<'a> {
    /// `cursor [MATCH pattern] [COUNT count]` from argument `at` to the end.
    pub(crate) fn parse(args: &Args<'a>, at: usize) -> Result<Scan<'a>, Stop> {
        Scan::parse_with(args, at, |_| false)
    }

    /// The same; any other word is shown to `takes`, by its position. It takes the argument behind it too.
    pub(crate) fn parse_with(
        args: &Args<'a>,
        at: usize,
        mut takes: impl FnMut(usize) -> bool,
    ) -> Result<Scan<'a>, Stop> {
        let cursor = cursor(args.key(at))?;
        let mut scan = Scan { cursor, pattern: None, count: COUNT_DEFAULT };
        let mut at = at + 1;
        while at < args.len() {
            if at + 1 == args.len() {
                return Err(ErrorReply::SYNTAX.into());
            }
            if args.is(at, "MATCH") {
                // The one pattern that also the empty text passes.
                scan.pattern = Some(args.key(at + 1)).filter(|pattern| *pattern != b"*");
            } else if args.is(at, "COUNT") {
                scan.count = match usize::try_from(args.int(at + 1)?) {
                    Ok(0) | Err(_) => return Err(ErrorReply::SYNTAX.into()),
                    Ok(count) => count,
                };
            } else if !takes(at) {
                return Err(ErrorReply::SYNTAX.into());
            }
            at += 2;
        }
        Ok(scan)
    }

    /// Whether an element passes the pattern.
    pub(crate) fn takes(&self, element: Element<'_>) -> bool {
        self.pattern.is_none_or(|pattern| {
            glob::matches(pattern, element.text(&mut TextBuffer::default()), false)
        })
    }

    /// Calls `step` (cursor in, cursor out, elements visited) until enough was visited; returns the
    /// cursor for the client.
    pub(crate) fn run(&self, mut step: impl FnMut(u64) -> (u64, usize)) -> u64 {
        let (mut cursor, mut visited) = (self.cursor, 0);
        for _ in 0..self.count.saturating_mul(CALLS_PER_ELEMENT) {
            let (next, more) = step(cursor);
            (cursor, visited) = (next, visited + more);
            if cursor == 0 || visited >= self.count {
                break;
            }
        }
        cursor
    }
}

/// A cursor as any earlier reply gave it, or not: any number is one, and so is nothing at all. Redis reads it with C's
/// `strtoul`, which takes a sign and stops at a NUL.
pub(crate) fn cursor(text: &[u8]) -> Result<u64, Stop> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let (is_negative, digits) = match text {
        b"" => return Ok(0),
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let is_number = digits.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(digits).ok().filter(|_| is_number);
    let cursor: Option<u64> = number.and_then(|digits| digits.parse().ok());
    let signed = cursor.map(|cursor| if is_negative { cursor.wrapping_neg() } else { cursor });
    signed.ok_or(Stop::Error(ErrorReply::new("ERR invalid cursor")))
}

/// The elements of a scan's reply, whose number is not known before the end.
#[derive(Debug)]
pub(crate) struct Body {
    bytes: Vec<u8>,
    protocol: Protocol,
    count: usize,
}

impl Body {
    pub(crate) fn new(protocol: Protocol) -> Body {
        Body { bytes: Vec::new(), protocol, count: 0 }
    }

    /// Adds what `write` replies: one element.
    pub(crate) fn add(&mut self, write: impl FnOnce(&mut ReplyWriter<'_>)) {
        write(&mut ReplyWriter::new(&mut self.bytes, self.protocol));
        self.count += 1;
    }

    /// Writes the whole reply.
    pub(crate) fn finish(self, reply: &mut ReplyWriter<'_>, cursor: u64) {
        reply.array(2);
        reply.bulk(cursor.to_string().as_bytes());
        reply.array(self.count);
        reply.buffer().extend_from_slice(&self.bytes);
    }
}

/// The reply where there is nothing to scan.
pub(crate) fn reply_nothing(reply: &mut ReplyWriter<'_>) {
    Body::new(reply.protocol()).finish(reply, 0);
}
