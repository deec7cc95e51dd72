//! Responses: replies read by our own clients (agent, replica's handshake, tests).
//!
//! A whole reply is decoded at once into an owned tree; a cut-off reply is decoded anew when more bytes came.
//! That is fine for the short answers of a node's control commands, and nothing else uses it.
//!
//! Invariants
//! - What is allocated is bounded by [`ResponseLimits`] and by the bytes at hand, not by claims.
//! - Nesting is bounded, so decoding cannot exhaust the stack.

use base::number::parse_i64;

/// Bounds on one reply.
#[derive(Clone, Copy, Debug)]
pub struct ResponseLimits {
    /// Whole reply, bytes.
    pub bytes_max: usize,
    /// Arrays inside arrays.
    pub depth_max: usize,
}

impl Default for ResponseLimits {
    fn default() -> ResponseLimits {
        ResponseLimits { bytes_max: 64 << 20, depth_max: 8 }
    }
}

/// One reply of a node.
#[derive(Clone, PartialEq, Debug)]
pub enum Response {
    Null,
    Simple(String),
    /// Code first: `ERR syntax error`.
    Error(String),
    Integer(i64),
    Double(f64),
    Boolean(bool),
    /// Also verbatim text, without its format, and big numbers.
    Bulk(Vec<u8>),
    /// Also sets.
    Array(Vec<Response>),
    Map(Vec<(Response, Response)>),
    Push(Vec<Response>),
}

impl Response {
    /// The bytes of a simple or bulk string.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Response::Simple(text) => Some(text.as_bytes()),
            Response::Bulk(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The value under `key` of a map, or of the flat array that RESP2 has in its place.
    pub fn get(&self, key: &str) -> Option<&Response> {
        let is_key = |candidate: &Response| candidate.as_bytes() == Some(key.as_bytes());
        match self {
            Response::Map(pairs) => pairs.iter().find(|(k, _)| is_key(k)).map(|(_, value)| value),
            Response::Array(items) => {
                let mut pairs = items.chunks_exact(2);
                pairs.find(|pair| is_key(&pair[0])).map(|pair| &pair[1])
            }
            _ => None,
        }
    }
}

/// Bytes that are no reply; the connection is of no use any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ResponseError {
    #[error("unknown kind of reply: byte {0:#04x}")]
    UnknownKind(u8),
    #[error("malformed {0}")]
    Malformed(&'static str),
    #[error("reply is larger than {0} bytes")]
    TooLarge(usize),
    #[error("reply is nested deeper than {0} levels")]
    TooDeep(usize),
}

/// Decodes the reply at the front of `input` and tells its length in bytes. `None`: it is cut off.
pub fn decode(
    input: &[u8],
    limits: &ResponseLimits,
) -> Result<Option<(Response, usize)>, ResponseError> {
    let mut reader = Reader { input, at: 0, limits };
    match reader.value(0) {
        Ok(response) => Ok(Some((response, reader.at))),
        Err(Halt::CutOff) if input.len() >= limits.bytes_max => {
            Err(ResponseError::TooLarge(limits.bytes_max))
        }
        Err(Halt::CutOff) => Ok(None),
        Err(Halt::Wrong(error)) => Err(error),
    }
}

/// Appends a command in the form that every server reads.
pub fn encode_command(out: &mut Vec<u8>, args: &[&[u8]]) {
    let header = |out: &mut Vec<u8>, kind: u8, count: usize| {
        out.push(kind);
        out.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
        out.extend_from_slice(b"\r\n");
    };
    header(out, b'*', args.len());
    for arg in args {
        header(out, b'$', arg.len());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

/// Why no value came out.
enum Halt {
    CutOff,
    Wrong(ResponseError),
}

impl From<ResponseError> for Halt {
    fn from(error: ResponseError) -> Halt {
        Halt::Wrong(error)
    }
}

struct Reader<'a> {
    input: &'a [u8],
    at: usize,
    limits: &'a ResponseLimits,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Response, Halt> {
        if depth > self.limits.depth_max {
            return Err(ResponseError::TooDeep(self.limits.depth_max).into());
        }
        let (&kind, line) = self.line()?.split_first().ok_or(ResponseError::Malformed("line"))?;
        Ok(match kind {
            b'+' => Response::Simple(text(line)),
            b'-' => Response::Error(text(line)),
            b':' => Response::Integer(integer(line)?),
            b',' => Response::Double(
                text(line).parse().map_err(|_| ResponseError::Malformed("double"))?,
            ),
            b'#' => Response::Boolean(match line {
                b"t" => true,
                b"f" => false,
                _ => return Err(ResponseError::Malformed("boolean").into()),
            }),
            b'_' => Response::Null,
            b'(' => Response::Bulk(line.to_vec()),
            b'!' => Response::Error(text(&self.sized(line)?.unwrap_or_default())),
            b'$' => self.sized(line)?.map_or(Response::Null, Response::Bulk),
            b'=' => {
                let mut body = self.sized(line)?.ok_or(ResponseError::Malformed("length"))?;
                if body.get(3) != Some(&b':') {
                    return Err(ResponseError::Malformed("verbatim text").into());
                }
                body.drain(..4);
                Response::Bulk(body)
            }
            b'*' | b'~' | b'>' => {
                let Some(count) = length(line)? else { return Ok(Response::Null) };
                let items = self.items(count, depth)?;
                if kind == b'>' { Response::Push(items) } else { Response::Array(items) }
            }
            b'%' => Response::Map(self.pairs(line, depth)?),
            b'|' => {
                // Attributes describe the reply that follows them; none of our clients asks for any.
                self.pairs(line, depth)?;
                self.value(depth + 1)?
            }
            other => return Err(ResponseError::UnknownKind(other).into()),
        })
    }

    /// Items one by one: the list grows with what is there, whatever the count claims.
    fn items(&mut self, count: usize, depth: usize) -> Result<Vec<Response>, Halt> {
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(self.value(depth + 1)?);
        }
        Ok(items)
    }

    fn pairs(&mut self, line: &[u8], depth: usize) -> Result<Vec<(Response, Response)>, Halt> {
        let count = length(line)?.ok_or(ResponseError::Malformed("length"))?;
        let mut pairs = Vec::new();
        for _ in 0..count {
            pairs.push((self.value(depth + 1)?, self.value(depth + 1)?));
        }
        Ok(pairs)
    }

    /// The line at `at` without its CRLF.
    fn line(&mut self) -> Result<&'a [u8], Halt> {
        let rest = &self.input[self.at..];
        let end = memchr::memchr(b'\r', rest).ok_or(Halt::CutOff)?;
        match rest.get(end + 1) {
            None => Err(Halt::CutOff),
            Some(b'\n') => {
                self.at += end + 2;
                Ok(&rest[..end])
            }
            Some(_) => Err(ResponseError::Malformed("line end").into()),
        }
    }

    /// The bytes behind a length line; `None` for the length -1.
    fn sized(&mut self, line: &[u8]) -> Result<Option<Vec<u8>>, Halt> {
        let Some(len) = length(line)? else { return Ok(None) };
        if len > self.limits.bytes_max {
            return Err(ResponseError::TooLarge(self.limits.bytes_max).into());
        }
        let body = self.input.get(self.at..self.at + len).ok_or(Halt::CutOff)?;
        match self.input.get(self.at + len..self.at + len + 2) {
            None => Err(Halt::CutOff),
            Some(b"\r\n") => {
                self.at += len + 2;
                Ok(Some(body.to_vec()))
            }
            Some(_) => Err(ResponseError::Malformed("bulk end").into()),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn integer(line: &[u8]) -> Result<i64, ResponseError> {
    parse_i64(line).ok_or(ResponseError::Malformed("integer"))
}

/// A length or count; `None` for -1, the null of RESP2.
fn length(line: &[u8]) -> Result<Option<usize>, ResponseError> {
    match integer(line)? {
        -1 => Ok(None),
        len => usize::try_from(len).map(Some).map_err(|_| ResponseError::Malformed("length")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::reply::{Protocol, ReplyWriter};

    fn sample(protocol: Protocol) -> Vec<u8> {
        let mut out = Vec::new();
        let mut reply = ReplyWriter::new(&mut out, protocol);
        reply.map(4);
        reply.bulk(b"a");
        reply.integer(-5);
        reply.bulk(b"b");
        reply.array(2);
        reply.null();
        reply.simple("OK");
        reply.bulk(b"c");
        reply.double_text(b"1.5");
        reply.bulk(b"d");
        reply.verbatim("txt", b"hi");
        out
    }

    #[test]
    fn what_the_writer_writes_is_read_back() {
        let limits = ResponseLimits::default();
        for protocol in [Protocol::Resp2, Protocol::Resp3] {
            let bytes = sample(protocol);
            let (response, len) = decode(&bytes, &limits).unwrap().unwrap();
            assert_eq!(len, bytes.len());
            assert_eq!(response.get("a"), Some(&Response::Integer(-5)));
            let list = vec![Response::Null, Response::Simple("OK".to_owned())];
            assert_eq!(response.get("b"), Some(&Response::Array(list)));
            assert_eq!(response.get("d").and_then(Response::as_bytes), Some(b"hi".as_slice()));
            assert_eq!(response.get("e"), None);
            for cut in 0..bytes.len() {
                assert_eq!(decode(&bytes[..cut], &limits), Ok(None), "cut at {cut}");
            }
        }
    }

    #[test]
    fn errors_attributes_and_pushes() {
        let check = |input: &[u8], expect: Response| {
            let decoded = decode(input, &ResponseLimits::default());
            assert_eq!(decoded, Ok(Some((expect, input.len()))));
        };
        check(b"-ERR no\r\n", Response::Error("ERR no".to_owned()));
        check(b"!6\r\nERR no\r\n", Response::Error("ERR no".to_owned()));
        check(b"|1\r\n+ttl\r\n:3\r\n#t\r\n", Response::Boolean(true));
        check(b">1\r\n$-1\r\n", Response::Push(vec![Response::Null]));
        check(b",inf\r\n", Response::Double(f64::INFINITY));
    }

    #[test]
    fn hostile_replies_are_refused() {
        let limits = ResponseLimits { bytes_max: 100, depth_max: 3 };
        let check = |input: &[u8], expect| assert_eq!(decode(input, &limits), expect);
        check(b"$101\r\n", Err(ResponseError::TooLarge(100)));
        check(b"*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", Err(ResponseError::TooDeep(3)));
        check(b"*9223372036854775807\r\n", Ok(None));
        check(&[b'+'; 100], Err(ResponseError::TooLarge(100)));
        check(b"*-2\r\n", Err(ResponseError::Malformed("length")));
        check(b"?\r\n", Err(ResponseError::UnknownKind(b'?')));
        check(b"$1\r\nabc", Err(ResponseError::Malformed("bulk end")));
    }

    #[test]
    fn commands_are_encoded_as_multibulk() {
        let mut out = Vec::new();
        encode_command(&mut out, &[b"POLLUX", b""]);
        assert_eq!(out, b"*2\r\n$6\r\nPOLLUX\r\n$0\r\n\r\n");
    }
}
