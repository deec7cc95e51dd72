//! JSON to values of Lua.

use super::{DEPTH_MAX, Settings};
use crate::number::number_at_front;
use crate::stack::{Raise, Stack};

pub(super) fn decode(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    if stack.top() != 1 {
        return Err(stack.argument_error(1, "expected 1 argument"));
    }
    let json = stack.bytes_argument(1)?;
    if json.len() >= 2 && (json[0] == 0 || json[1] == 0) {
        return Err(Raise::text("JSON parser does not support UTF-16 or UTF-32"));
    }
    let settings = stack.json().get();
    let mut decoder = Decoder { json: &json, at: 0, depth: 0, settings };
    let token = decoder.next();
    decoder.value(stack, token)?;
    match decoder.next() {
        Token { what: What::End, .. } => Ok(1),
        token => Err(token.unexpected("the end")),
    }
}

/// A piece of JSON.
struct Token {
    /// Where it begins.
    at: usize,
    what: What,
}

enum What {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Fault(&'static str),
}

impl Token {
    fn unexpected(&self, expected: &str) -> Raise {
        let found = match &self.what {
            What::ObjectBegin => "T_OBJ_BEGIN",
            What::ObjectEnd => "T_OBJ_END",
            What::ArrayBegin => "T_ARR_BEGIN",
            What::ArrayEnd => "T_ARR_END",
            What::String(_) => "T_STRING",
            What::Number(_) => "T_NUMBER",
            What::Boolean(_) => "T_BOOLEAN",
            What::Null => "T_NULL",
            What::Colon => "T_COLON",
            What::Comma => "T_COMMA",
            What::End => "T_END",
            What::Fault(why) => why,
        };
        let at = self.at + 1;
        Raise::Text(format!("Expected {expected} but found {found} at character {at}"))
    }
}

struct Decoder<'j> {
    json: &'j [u8],
    at: usize,
    depth: i32,
    settings: Settings,
}

impl Decoder<'_> {
    /// The byte `ahead` of here; a NUL ends the text, as its end does.
    fn peek(&self, ahead: usize) -> u8 {
        self.json.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn next(&mut self) -> Token {
        while matches!(self.peek(0), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        let at = self.at;
        let single = match self.peek(0) {
            0 => return Token { at, what: What::End },
            b'{' => What::ObjectBegin,
            b'}' => What::ObjectEnd,
            b'[' => What::ArrayBegin,
            b']' => What::ArrayEnd,
            b',' => What::Comma,
            b':' => What::Colon,
            b'"' => return self.string(),
            _ => return self.word(at),
        };
        self.at += 1;
        Token { at, what: single }
    }

    fn fault(&self, why: &'static str) -> Token {
        Token { at: self.at, what: What::Fault(why) }
    }

    /// A number, or `true`, `false`, `null`.
    fn word(&mut self, at: usize) -> Token {
        let is_lax = self.settings.decode_invalid;
        if matches!(self.peek(0), b'-' | b'0'..=b'9') {
            if !is_lax && self.is_invalid_number() {
                return self.fault("invalid number");
            }
            return self.number(at);
        }
        let words =
            [("true", What::Boolean(true)), ("false", What::Boolean(false)), ("null", What::Null)];
        for (word, what) in words {
            if self.json[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Token { at, what };
            }
        }
        let may_be_number = matches!(self.peek(0), b'+' | b'i' | b'I' | b'n' | b'N');
        if is_lax && may_be_number && self.is_invalid_number() {
            return self.number(at);
        }
        self.fault("invalid token")
    }

    /// Whether C reads a number here that JSON does not know.
    fn is_invalid_number(&self) -> bool {
        if self.peek(0) == b'+' {
            return true;
        }
        let sign = usize::from(self.peek(0) == b'-');
        match self.peek(sign) {
            b'0' => matches!(self.peek(sign + 1), b'x' | b'X' | b'0'..=b'9'),
            first if first <= b'9' => false,
            _ => {
                let word = self.json.get(self.at + sign..self.at + sign + 3).unwrap_or_default();
                word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"nan")
            }
        }
    }

    fn number(&mut self, at: usize) -> Token {
        match number_at_front(&self.json[self.at..]) {
            Some((number, length)) => {
                self.at += length;
                Token { at, what: What::Number(number) }
            }
            None => self.fault("invalid number"),
        }
    }

    fn string(&mut self) -> Token {
        let begin = self.at;
        let mut text = Vec::new();
        self.at += 1;
        loop {
            match self.peek(0) {
                0 => return self.fault("unexpected end of string"),
                b'"' => break,
                b'\\' => {
                    let plain = match self.peek(1) {
                        byte @ (b'"' | b'\\' | b'/') => byte,
                        b'b' => 8,
                        b't' => b'\t',
                        b'n' => b'\n',
                        b'f' => 12,
                        b'r' => b'\r',
                        b'u' => match self.unicode() {
                            Some((letter, length)) => {
                                text.extend_from_slice(&letter);
                                self.at += length;
                                continue;
                            }
                            None => return self.fault("invalid unicode escape code"),
                        },
                        _ => return self.fault("invalid escape code"),
                    };
                    text.push(plain);
                    self.at += 2;
                }
                byte => {
                    text.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        Token { at: begin, what: What::String(text) }
    }

    /// The letter of `\uXXXX`, or of a pair of them, in UTF-8, and the length of the escape.
    fn unicode(&self) -> Option<(Vec<u8>, usize)> {
        let first = self.hex(2)?;
        let (code, length) = match first {
            0xD800..=0xDBFF => {
                if self.peek(6) != b'\\' || self.peek(7) != b'u' {
                    return None;
                }
                let second = self.hex(8)?;
                if !(0xDC00..=0xDFFF).contains(&second) {
                    return None;
                }
                (0x10000 + ((first & 0x3FF) << 10 | second & 0x3FF), 12)
            }
            first => (first, 6),
        };
        let mut buffer = [0; 4];
        let letter = char::from_u32(code)?.encode_utf8(&mut buffer);
        Some((letter.as_bytes().to_vec(), length))
    }

    /// Four hexadecimal digits.
    fn hex(&self, ahead: usize) -> Option<u32> {
        (0..4).try_fold(0, |code, place| {
            let digit = char::from(self.peek(ahead + place)).to_digit(16)?;
            Some(code << 4 | digit)
        })
    }

    /// Pushes the value that begins with `token`.
    fn value(&mut self, stack: &mut Stack<'_>, token: Token) -> Result<(), Raise> {
        match token.what {
            What::String(text) => stack.push_bytes(&text),
            What::Number(number) => stack.push_number(number),
            What::Boolean(value) => stack.push_boolean(value),
            What::Null => stack.push_null(),
            What::ObjectBegin => self.object(stack),
            What::ArrayBegin => self.array(stack),
            _ => Err(token.unexpected("value")),
        }
    }

    fn descend(&mut self) -> Result<(), Raise> {
        self.depth += 1;
        if self.depth > self.settings.decode_depth.min(DEPTH_MAX) {
            let (depth, at) = (self.depth, self.at);
            return Err(Raise::Text(format!(
                "Found too many nested data structures ({depth}) at character {at}"
            )));
        }
        Ok(())
    }

    fn object(&mut self, stack: &mut Stack<'_>) -> Result<(), Raise> {
        self.descend()?;
        stack.push_table(0, 0)?;
        let mut token = self.next();
        if !matches!(token.what, What::ObjectEnd) {
            loop {
                let What::String(key) = &token.what else {
                    return Err(token.unexpected("object key string"));
                };
                stack.push_bytes(key)?;
                token = self.next();
                if !matches!(token.what, What::Colon) {
                    return Err(token.unexpected("colon"));
                }
                let token_of_value = self.next();
                self.value(stack, token_of_value)?;
                stack.set(-3)?;
                token = self.next();
                match token.what {
                    What::ObjectEnd => break,
                    What::Comma => token = self.next(),
                    _ => return Err(token.unexpected("comma or object end")),
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn array(&mut self, stack: &mut Stack<'_>) -> Result<(), Raise> {
        self.descend()?;
        stack.push_table(0, 0)?;
        let mut token = self.next();
        if !matches!(token.what, What::ArrayEnd) {
            for n in 1.. {
                self.value(stack, token)?;
                stack.set_index(-2, n)?;
                token = self.next();
                match token.what {
                    What::ArrayEnd => break,
                    What::Comma => token = self.next(),
                    _ => return Err(token.unexpected("comma or array end")),
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }
}
