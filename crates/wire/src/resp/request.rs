//! Requests: commands found in place in a connection's input buffer.
//!
//! ```text
//!   multibulk   *2 CRLF $3 CRLF GET CRLF $3 CRLF key CRLF
//!                              |---|            |---|      args: ranges relative to the `*`
//!   inline      GET "a key" CRLF                           unquoted in place, as quotes only shrink
//! ```
//!
//! The parser is handed everything that was read and not yet consumed, always beginning at the first
//! byte of a request. When the request is cut off it remembers how far it came, so a command that
//! arrives in thousands of reads is looked at once.
//!
//! Invariants
//! - The result does not depend on how the bytes were split into reads.
//! - The number of arguments held grows with the bytes that arrived, never with the length claimed.
//! - Every range lies inside the bytes reported as consumed.

use base::limits;
use base::number::parse_i64;

use super::reply::ErrorReply;

/// An argument this long (bytes) has, in the words of Redis, a buffer of its own.
const LONG_ARGUMENT_MIN: usize = 32 << 10;
/// Argument ranges kept allocated between requests; a larger table is given back.
const ARGS_KEPT_MAX: usize = 1024;

/// What one client may send.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// Largest argument, bytes (`proto-max-bulk-len`).
    pub bulk_bytes_max: usize,
    pub args_count_max: usize,
    /// The client must authenticate and has not: the tight limits of [`limits`] hold as well.
    pub unauthenticated: bool,
}

impl Default for RequestLimits {
    fn default() -> RequestLimits {
        RequestLimits {
            bulk_bytes_max: limits::BULK_BYTES_DEFAULT,
            args_count_max: limits::ARGS_COUNT_MAX,
            unauthenticated: false,
        }
    }
}

/// Bytes that are no request. The connection must be closed after the reply, since it is unknown
/// where the next request would begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProtocolError {
    #[error("Protocol error: too big inline request")]
    InlineTooBig,
    #[error("Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
    #[error("Protocol error: too big mbulk count string")]
    CountLineTooBig,
    #[error("Protocol error: invalid multibulk length")]
    InvalidCount,
    #[error("Protocol error: unauthenticated multibulk length")]
    UnauthenticatedCount,
    #[error("Protocol error: too big bulk count string")]
    LengthLineTooBig,
    #[error("Protocol error: expected '$', got '{}'", char::from(*.0))]
    ExpectedBulk(u8),
    #[error("Protocol error: invalid bulk length")]
    InvalidLength,
    #[error("Protocol error: unauthenticated bulk length")]
    UnauthenticatedLength,
}

impl From<ProtocolError> for ErrorReply {
    fn from(error: ProtocolError) -> ErrorReply {
        format!("ERR {error}").into()
    }
}

/// Where an argument lies, counted from the first byte of its request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    pub start: usize,
    pub length: usize,
}

impl Span {
    /// The argument's bytes; `request` is what [`RequestParser::parse`] was given, or its consumed part.
    #[inline]
    pub fn of(self, request: &[u8]) -> &[u8] {
        &request[self.start..self.start + self.length]
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// The request is cut off: call again with the same bytes and more behind them.
    Incomplete,
    /// One request, `consumed` bytes long, lies in [`RequestParser::args`]. No arguments (an empty line, `*0`)
    /// means that there is nothing to do and nothing to answer.
    Request { consumed: usize },
}

/// Parser of one connection; holds the state of the request that is being received.
#[derive(Debug, Default)]
pub struct RequestParser {
    args: Vec<Span>,
    /// Everything before it has been understood.
    at: usize,
    /// Bytes searched in vain for the end of the line that begins at `at`.
    searched: usize,
    /// Arguments still to come; zero also before the count line was read.
    args_missing: usize,
    /// Length of the argument that begins at `at`, when its length line was read.
    bulk_len: Option<usize>,
    is_done: bool,
}

impl RequestParser {
    pub fn new() -> RequestParser {
        RequestParser::default()
    }

    /// Arguments of the request that `parse` reported last, the command's name first.
    #[inline]
    pub fn args(&self) -> &[Span] {
        &self.args
    }

    /// Bytes of the request up to the end of the argument that is being received; 0 when that is not known.
    pub fn expected(&self) -> usize {
        self.bulk_len.map_or(0, |length| self.at.saturating_add(length).saturating_add(2))
    }

    /// Bytes that stand before the argument that is being received, if that is a long one; else 0.
    pub fn before_long_argument(&self) -> usize {
        let is_long = self.bulk_len.is_some_and(|length| length >= LONG_ARGUMENT_MIN);
        if is_long { self.at } else { 0 }
    }

    /// Forgets a half-received request.
    pub fn reset(&mut self) {
        self.args.clear();
        if self.args.capacity() > ARGS_KEPT_MAX {
            self.args.shrink_to(ARGS_KEPT_MAX);
        }
        self.at = 0;
        self.searched = 0;
        self.args_missing = 0;
        self.bulk_len = None;
        self.is_done = false;
    }

    /// Looks for one whole request at the front of `input`. After [`Progress::Request`] the next call
    /// begins a new request, so the consumed bytes must be gone from `input` by then; after
    /// [`Progress::Incomplete`] it must begin with the same bytes. After an error only
    /// [`reset`](Self::reset) or dropping the parser makes sense.
    pub fn parse(
        &mut self,
        input: &mut [u8],
        limits: &RequestLimits,
    ) -> Result<Progress, ProtocolError> {
        if self.is_done {
            self.reset();
        }
        match input.first() {
            None => Ok(Progress::Incomplete),
            Some(b'*') => self.multibulk(input, limits),
            Some(_) => self.inline(input),
        }
    }

    fn done(&mut self, consumed: usize) -> Progress {
        self.is_done = true;
        Progress::Request { consumed }
    }

    fn multibulk(
        &mut self,
        input: &[u8],
        limits: &RequestLimits,
    ) -> Result<Progress, ProtocolError> {
        if self.at == 0 {
            let Some((count, next)) = self.number_line(input, ProtocolError::CountLineTooBig)?
            else {
                return Ok(Progress::Incomplete);
            };
            self.at = next;
            let count = count.ok_or(ProtocolError::InvalidCount)?;
            // A negative count is an empty request, as in Redis.
            self.args_missing = usize::try_from(count).unwrap_or(0);
            if self.args_missing > limits.args_count_max {
                return Err(ProtocolError::InvalidCount);
            }
            if limits.unauthenticated && self.args_missing > limits::UNAUTHENTICATED_ARGS_COUNT_MAX
            {
                return Err(ProtocolError::UnauthenticatedCount);
            }
        }
        while self.args_missing > 0 {
            let len = match self.bulk_len {
                Some(len) => len,
                None => match self.length_line(input, limits)? {
                    Some(len) => len,
                    None => return Ok(Progress::Incomplete),
                },
            };
            // The two bytes behind an argument are skipped unread, as in Redis.
            if input.len() - self.at < len + 2 {
                self.bulk_len = Some(len);
                return Ok(Progress::Incomplete);
            }
            self.bulk_len = None;
            self.args.push(Span { start: self.at, length: len });
            self.at += len + 2;
            self.args_missing -= 1;
        }
        Ok(self.done(self.at))
    }

    /// Reads `$<len>` at `at` and steps behind it.
    #[inline]
    fn length_line(
        &mut self,
        input: &[u8],
        limits: &RequestLimits,
    ) -> Result<Option<usize>, ProtocolError> {
        let Some((len, next)) = self.number_line(input, ProtocolError::LengthLineTooBig)? else {
            return Ok(None);
        };
        if input[self.at] != b'$' {
            return Err(ProtocolError::ExpectedBulk(input[self.at]));
        }
        let len = len
            .and_then(|len| usize::try_from(len).ok())
            .filter(|&len| len <= limits.bulk_bytes_max)
            .ok_or(ProtocolError::InvalidLength)?;
        if limits.unauthenticated && len > limits::UNAUTHENTICATED_BULK_BYTES_MAX {
            return Err(ProtocolError::UnauthenticatedLength);
        }
        self.at = next;
        Ok(Some(len))
    }

    /// The number of the line at `at`, behind its kind byte, and where the next line begins. The outer
    /// `None`: the line is cut off. The inner `None`: it holds no integer.
    #[inline]
    fn number_line(
        &mut self,
        input: &[u8],
        too_big: ProtocolError,
    ) -> Result<Option<(Option<i64>, usize)>, ProtocolError> {
        if let Some((number, next)) = short_number(input, self.at + 1) {
            self.searched = 0;
            return Ok(Some((Some(number), next)));
        }
        let Some(end) = self.line_end(input, b'\r', too_big)? else {
            return Ok(None);
        };
        if end + 1 >= input.len() {
            return Ok(None);
        }
        self.searched = 0;
        // The line is not empty of a kind byte unless CR stands first, which is a wrong kind byte.
        let digits = input.get(self.at + 1..end).unwrap_or_default();
        Ok(Some((parse_i64(digits), end + 2)))
    }

    /// Position of `mark`, searched from `at`, at most [`limits::INLINE_BYTES_MAX`] behind it.
    fn line_end(
        &mut self,
        input: &[u8],
        mark: u8,
        too_big: ProtocolError,
    ) -> Result<Option<usize>, ProtocolError> {
        let from = self.at + self.searched;
        let found = memchr::memchr(mark, &input[from..]).map(|found| from + found);
        let line_len = found.unwrap_or(input.len()) - self.at;
        if line_len > limits::INLINE_BYTES_MAX {
            return Err(too_big);
        }
        // The mark itself is found again if what must follow it is not there yet.
        self.searched = line_len;
        Ok(found)
    }

    fn inline(&mut self, input: &mut [u8]) -> Result<Progress, ProtocolError> {
        let Some(newline) = self.line_end(input, b'\n', ProtocolError::InlineTooBig)? else {
            return Ok(Progress::Incomplete);
        };
        let line = &mut input[..newline];
        let line = match line {
            [line @ .., b'\r'] => line,
            line => line,
        };
        split_line(line, &mut self.args).ok_or(ProtocolError::UnbalancedQuotes)?;
        Ok(self.done(newline + 1))
    }
}

/// One to seven digits closed by CRLF, which are nearly all numbers that occur; `None` sends the caller
/// the long way, whatever the reason. Leading zeros go the long way too.
#[inline]
fn short_number(input: &[u8], at: usize) -> Option<(i64, usize)> {
    let digits = input.get(at..)?;
    let mut value = 0i64;
    for (index, &byte) in digits.iter().take(8).enumerate() {
        if byte.is_ascii_digit() {
            if index > 0 && value == 0 {
                return None;
            }
            value = value * 10 + i64::from(byte - b'0');
        } else {
            let is_end = index > 0 && byte == b'\r' && digits.get(index + 1) == Some(&b'\n');
            return is_end.then_some((value, at + index + 2));
        }
    }
    None
}

/// Splits a line at white space and removes quotes in place, pushing what it finds on `args`. `None` when
/// a quote is not closed or something sticks to a closing quote.
///
/// Inside `"` the escapes `\n \r \t \b \a \xHH` and `\<any>` hold; inside `'` only `\'`. A quote may also
/// open in the middle of a word and then continues that word.
pub fn split_line(line: &mut [u8], args: &mut Vec<Span>) -> Option<()> {
    let mut read = 0;
    loop {
        while line.get(read).is_some_and(|&byte| is_space(byte)) {
            read += 1;
        }
        if read == line.len() {
            return Some(());
        }
        let start = read;
        let mut write = read;
        while let Some(&byte) = line.get(read) {
            match byte {
                _ if is_space(byte) => break,
                b'"' | b'\'' => {
                    read = unquote(line, read, &mut write)?;
                    break;
                }
                _ => {
                    line[write] = byte;
                    write += 1;
                    read += 1;
                }
            }
        }
        args.push(Span { start, length: write - start });
    }
}

/// Unquotes the string that opens at `read` to `write`; returns the position behind the closing quote.
fn unquote(line: &mut [u8], mut read: usize, write: &mut usize) -> Option<usize> {
    let quote = line[read];
    read += 1;
    loop {
        let (byte, len) = match (line.get(read..)?, quote) {
            ([], _) => return None,
            ([b'\\', b'x', high, low, ..], b'"')
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (hex_digit(*high) << 4 | hex_digit(*low), 4)
            }
            ([b'\\', escaped, ..], b'"') => (unescape(*escaped), 2),
            ([b'\\', b'\'', ..], b'\'') => (b'\'', 2),
            ([byte, ..], quote) if *byte == quote => break,
            ([byte, ..], _) => (*byte, 1),
        };
        line[*write] = byte;
        *write += 1;
        read += len;
    }
    read += 1;
    line.get(read).is_none_or(|&byte| is_space(byte)).then_some(read)
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

/// White space of the C locale.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

#[cfg(test)]
#[path = "request/tests.rs"]
mod tests;
