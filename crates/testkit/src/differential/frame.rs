//! A reply as its bytes say it: unlike the decoded form of clients it tells a set from an array, and null from null.

use std::fmt;

/// One reply, or an item of one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Frame {
    /// `+ - : , # _ (`
    Line(u8, Vec<u8>),
    /// `$ = !`; `None` is `$-1`.
    Text(u8, Option<Vec<u8>>),
    /// `* ~ > %`, of a map keys and values in turn; `None` is `*-1`.
    Items(u8, Option<Vec<Frame>>),
}

impl Frame {
    /// The one reply that `raw` is. Panics if it is anything else: the client has cut it out as a whole reply.
    pub(super) fn decode(raw: &[u8]) -> Frame {
        let mut rest = raw;
        let frame = take(&mut rest);
        assert!(rest.is_empty(), "more than a reply: {}", raw.escape_ascii());
        frame
    }

    pub(super) fn is_error(&self) -> bool {
        matches!(self, Frame::Line(b'-', _) | Frame::Text(b'!', _))
    }

    pub(super) fn is_line(&self, text: &str) -> bool {
        matches!(self, Frame::Line(_, line) if line == text.as_bytes())
    }

    /// Bytes of a string, or digits of a number.
    pub(super) fn text(&self) -> Option<&[u8]> {
        match self {
            Frame::Line(b'_', _) | Frame::Items(..) | Frame::Text(_, None) => None,
            Frame::Line(_, text) | Frame::Text(_, Some(text)) => Some(text),
        }
    }

    pub(super) fn items(&self) -> Option<&[Frame]> {
        if let Frame::Items(_, Some(items)) = self { Some(items) } else { None }
    }

    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Frame::Line(b':', digits) => std::str::from_utf8(digits).ok()?.parse().ok(),
            _ => None,
        }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Frame::Line(kind, line) => write!(f, "{}{}", char::from(*kind), line.escape_ascii()),
            Frame::Text(_, None) => write!(f, "null"),
            Frame::Text(b'$', Some(text)) => write!(f, "\"{}\"", text.escape_ascii()),
            Frame::Text(kind, Some(text)) => {
                write!(f, "{}\"{}\"", char::from(*kind), text.escape_ascii())
            }
            Frame::Items(_, None) => write!(f, "null-array"),
            Frame::Items(kind, Some(items)) => {
                let kind = if *kind == b'*' { String::new() } else { char::from(*kind).into() };
                let items: Vec<String> = items.iter().map(Frame::to_string).collect();
                write!(f, "{kind}[{}]", items.join(" "))
            }
        }
    }
}

fn take(rest: &mut &[u8]) -> Frame {
    let end = rest.windows(2).position(|pair| pair == b"\r\n").expect("a reply has a line");
    let (kind, line) = (rest[0], rest[1..end].to_vec());
    *rest = &rest[end + 2..];
    let length = || -> Option<usize> {
        let digits = std::str::from_utf8(&line).expect("a length is text");
        let length: i64 = digits.parse().expect("a length is a number");
        usize::try_from(length).ok()
    };
    match kind {
        b'$' | b'=' | b'!' => Frame::Text(
            kind,
            length().map(|length| {
                let text = rest[..length].to_vec();
                *rest = &rest[length + 2..];
                text
            }),
        ),
        b'*' | b'~' | b'>' | b'%' => Frame::Items(
            kind,
            length().map(|count| {
                let count = if kind == b'%' { 2 * count } else { count };
                (0..count).map(|_| take(rest)).collect()
            }),
        ),
        _ => Frame::Line(kind, line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_kept_apart() {
        assert_ne!(Frame::decode(b"$-1\r\n"), Frame::decode(b"*-1\r\n"));
        assert_ne!(Frame::decode(b"*1\r\n:1\r\n"), Frame::decode(b"~1\r\n:1\r\n"));
        let map = Frame::decode(b"%1\r\n$1\r\na\r\n*2\r\n,1.5\r\n_\r\n");
        assert_eq!(map.to_string(), "%[\"a\" [,1.5 _]]");
        assert_eq!(map.items().map(<[Frame]>::len), Some(2));
    }
}
