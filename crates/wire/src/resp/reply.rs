//! Replies: what a command says, in the protocol that the client speaks.
//!
//! Source of the forms: the RESP3 specification and the replies of redis-server.

use std::borrow::Cow;
use std::fmt;

/// Protocol version of a connection; chosen with HELLO.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Protocol {
    #[default]
    Resp2,
    Resp3,
}

/// The client's mistake, in Redis' exact words, code first: `ERR syntax error`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ErrorReply(pub Cow<'static, str>);

impl ErrorReply {
    pub const fn new(text: &'static str) -> ErrorReply {
        ErrorReply(Cow::Borrowed(text))
    }

    pub const SYNTAX: ErrorReply = ErrorReply::new("ERR syntax error");
    pub const WRONG_TYPE: ErrorReply =
        ErrorReply::new("WRONGTYPE Operation against a key holding the wrong kind of value");
    pub const NOT_AN_INTEGER: ErrorReply =
        ErrorReply::new("ERR value is not an integer or out of range");
    pub const NOT_A_FLOAT: ErrorReply = ErrorReply::new("ERR value is not a valid float");
    pub const NO_SUCH_KEY: ErrorReply = ErrorReply::new("ERR no such key");
    pub const INDEX_OUT_OF_RANGE: ErrorReply = ErrorReply::new("ERR index out of range");

    pub fn wrong_arity(command: &str) -> ErrorReply {
        format!("ERR wrong number of arguments for '{command}' command").into()
    }
}

impl From<String> for ErrorReply {
    fn from(text: String) -> ErrorReply {
        ErrorReply(Cow::Owned(text))
    }
}

impl fmt::Display for ErrorReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ErrorReply {}

/// Appends replies to a client's output.
#[derive(Debug)]
pub struct ReplyWriter<'a> {
    out: &'a mut Vec<u8>,
    protocol: Protocol,
}

impl<'a> ReplyWriter<'a> {
    pub fn new(out: &'a mut Vec<u8>, protocol: Protocol) -> ReplyWriter<'a> {
        ReplyWriter { out, protocol }
    }

    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Takes effect with the next reply (HELLO answers in the new version).
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// The bytes behind the writer: for a caller that measures, or takes back a half-written reply.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.out
    }

    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// Line breaks inside the text become spaces, as they would end the reply.
    pub fn error(&mut self, error: &ErrorReply) {
        self.out.push(b'-');
        self.out.extend(error.0.bytes().map(|b| if matches!(b, b'\r' | b'\n') { b' ' } else { b }));
        self.out.extend_from_slice(b"\r\n");
    }

    #[inline]
    pub fn integer(&mut self, value: i64) {
        self.number_line(b':', value);
    }

    /// A count or length.
    pub fn count(&mut self, value: usize) {
        self.integer(i64::try_from(value).unwrap_or(i64::MAX));
    }

    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.header(b'$', bytes.len());
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    /// An integer as a bulk string (GET of an int-encoded value).
    pub fn bulk_integer(&mut self, value: i64) {
        let mut buffer = itoa::Buffer::new();
        self.bulk(buffer.format(value).as_bytes());
    }

    /// The missing value: `$-1` or `_`.
    pub fn null(&mut self) {
        self.out.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"$-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// The missing array: `*-1` or `_`.
    pub fn null_array(&mut self) {
        self.out.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"*-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// A header; exactly `count` replies must follow.
    #[inline]
    pub fn array(&mut self, count: usize) {
        self.header(b'*', count);
    }

    /// `pairs` keys, each followed by its value; in RESP2 a flat array.
    pub fn map(&mut self, pairs: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', pairs * 2),
            Protocol::Resp3 => self.header(b'%', pairs),
        }
    }

    pub fn set(&mut self, count: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', count),
            Protocol::Resp3 => self.header(b'~', count),
        }
    }

    /// Out-of-band data; in RESP2 an ordinary array.
    pub fn push(&mut self, count: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', count),
            Protocol::Resp3 => self.header(b'>', count),
        }
    }

    pub fn boolean(&mut self, value: bool) {
        match self.protocol {
            Protocol::Resp2 => self.integer(i64::from(value)),
            Protocol::Resp3 => {
                self.out.extend_from_slice(if value { b"#t\r\n" } else { b"#f\r\n" });
            }
        }
    }

    /// `text` is the number in Redis' form: a bulk string in RESP2, `,text` in RESP3.
    pub fn double_text(&mut self, text: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => self.line(b',', text),
        }
    }

    /// An integer of any size, as text: a bulk string in RESP2, `(text` in RESP3.
    pub fn big_number(&mut self, text: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text.as_bytes()),
            Protocol::Resp3 => self.line(b'(', text.as_bytes()),
        }
    }

    /// Text with a three-letter format (`txt`, `mkd`); plain bulk in RESP2.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                self.header(b'=', text.len() + 4);
                self.out.extend_from_slice(format.as_bytes());
                self.out.push(b':');
                self.out.extend_from_slice(text);
                self.out.extend_from_slice(b"\r\n");
            }
        }
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.out.push(kind);
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(b"\r\n");
    }

    #[inline]
    fn header(&mut self, kind: u8, count: usize) {
        self.number_line(kind, i64::try_from(count).unwrap_or(i64::MAX));
    }

    #[inline]
    fn number_line(&mut self, kind: u8, value: i64) {
        if let Ok(digit @ 0..=9) = u8::try_from(value) {
            self.out.extend_from_slice(&[kind, b'0' + digit, b'\r', b'\n']);
            return;
        }
        let mut buffer = itoa::Buffer::new();
        self.line(kind, buffer.format(value).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(protocol: Protocol, write: impl Fn(&mut ReplyWriter<'_>), expect: &str) {
        let mut out = Vec::new();
        write(&mut ReplyWriter::new(&mut out, protocol));
        assert_eq!(String::from_utf8_lossy(&out), expect);
    }

    #[test]
    fn same_reply_in_both_protocols() {
        check(Protocol::Resp2, |w| w.null(), "$-1\r\n");
        check(Protocol::Resp3, |w| w.null(), "_\r\n");
        check(Protocol::Resp2, |w| w.map(2), "*4\r\n");
        check(Protocol::Resp3, |w| w.map(2), "%2\r\n");
        check(Protocol::Resp2, |w| w.double_text(b"1.5"), "$3\r\n1.5\r\n");
        check(Protocol::Resp3, |w| w.double_text(b"1.5"), ",1.5\r\n");
        check(Protocol::Resp3, |w| w.verbatim("txt", b"hi"), "=6\r\ntxt:hi\r\n");
    }

    #[test]
    fn an_error_stays_on_its_line() {
        check(
            Protocol::Resp2,
            |w| w.error(&ErrorReply::from("ERR a\r\nb".to_owned())),
            "-ERR a  b\r\n",
        );
        check(Protocol::Resp2, |w| w.integer(i64::MIN), ":-9223372036854775808\r\n");
        check(Protocol::Resp2, |w| w.integer(7), ":7\r\n");
    }
}
