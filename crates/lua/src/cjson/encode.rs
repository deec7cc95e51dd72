//! Values of Lua to JSON.

use super::{DEPTH_MAX, Invalid, Settings};
use crate::number::format_g;
use crate::stack::{Kind, Raise, Stack};

pub(super) fn encode(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    if stack.top() != 1 {
        return Err(stack.argument_error(1, "expected 1 argument"));
    }
    let mut encoder = Encoder { settings: stack.json().get(), json: Vec::new() };
    encoder.value(stack, 0)?;
    stack.push_bytes(&encoder.json)?;
    Ok(1)
}

struct Encoder {
    settings: Settings,
    json: Vec<u8>,
}

/// How a table is written.
enum Shape {
    /// With so many places.
    Array(i32),
    Object,
}

impl Encoder {
    fn refuse(stack: &Stack<'_>, position: i32, why: &str) -> Raise {
        Raise::Text(format!("Cannot serialise {}: {why}", stack.kind(position).name()))
    }

    /// Writes the value on top, and leaves it there.
    fn value(&mut self, stack: &mut Stack<'_>, depth: i32) -> Result<(), Raise> {
        // Checked here too, so that a text that doubles with each level ends in time.
        if !stack.fits(self.json.len()) {
            return Err(Raise::NoMemory);
        }
        match stack.kind(-1) {
            Kind::String => self.string(stack.bytes(-1).expect("it is a string")),
            Kind::Number => self.number(stack, -1)?,
            Kind::Boolean if stack.boolean(-1) => self.json.extend_from_slice(b"true"),
            Kind::Boolean => self.json.extend_from_slice(b"false"),
            Kind::Nil => self.json.extend_from_slice(b"null"),
            Kind::LightUserdata if stack.address(-1) == 0 => self.json.extend_from_slice(b"null"),
            Kind::Table => return self.table(stack, depth + 1),
            _ => return Err(Encoder::refuse(stack, -1, "type not supported")),
        }
        Ok(())
    }

    fn table(&mut self, stack: &mut Stack<'_>, depth: i32) -> Result<(), Raise> {
        if depth > self.settings.encode_depth.min(DEPTH_MAX) {
            return Err(Raise::Text(format!("Cannot serialise, excessive nesting ({depth})")));
        }
        match self.shape(stack)? {
            Shape::Array(length) => {
                for n in 1..=length {
                    self.json.push(if n == 1 { b'[' } else { b',' });
                    stack.get_index(-1, n)?;
                    self.value(stack, depth)?;
                    stack.pop(1);
                }
                self.json.push(b']');
            }
            Shape::Object => {
                self.json.push(b'{');
                let mut is_first = true;
                stack.push_nil()?;
                while stack.next(-2)? {
                    if !is_first {
                        self.json.push(b',');
                    }
                    is_first = false;
                    self.key(stack)?;
                    self.value(stack, depth)?;
                    stack.pop(1);
                }
                self.json.push(b'}');
            }
        }
        Ok(())
    }

    /// Looks at all keys of the table on top.
    fn shape(&self, stack: &mut Stack<'_>) -> Result<Shape, Raise> {
        let (mut places, mut elements) = (0, 0_i32);
        stack.push_nil()?;
        while stack.next(-2)? {
            let key = if stack.kind(-2) == Kind::Number { stack.number(-2) } else { None };
            stack.pop(1);
            match key {
                Some(key) if key >= 1.0 && key.floor() == key => {
                    // Too large ones are as sparse as it gets.
                    places = places.max(key as i32);
                    elements = elements.saturating_add(1);
                }
                _ => {
                    stack.pop(1);
                    return Ok(Shape::Object);
                }
            }
        }
        let Settings { sparse_ratio, sparse_safe, sparse_convert, .. } = self.settings;
        let is_sparse = sparse_ratio > 0
            && i64::from(places) > i64::from(elements) * i64::from(sparse_ratio)
            && places > sparse_safe;
        match (is_sparse, sparse_convert) {
            (true, false) => Err(Encoder::refuse(stack, -1, "excessively sparse array")),
            (true, true) => Ok(Shape::Object),
            (false, _) if places > 0 => Ok(Shape::Array(places)),
            (false, _) => Ok(Shape::Object),
        }
    }

    /// Writes the key below the top, with its colon.
    fn key(&mut self, stack: &mut Stack<'_>) -> Result<(), Raise> {
        match stack.kind(-2) {
            Kind::Number => {
                self.json.push(b'"');
                self.number(stack, -2)?;
                self.json.push(b'"');
            }
            Kind::String => self.string(stack.bytes(-2).expect("it is a string")),
            _ => return Err(Encoder::refuse(stack, -2, "table key must be a number or string")),
        }
        self.json.push(b':');
        Ok(())
    }

    fn number(&mut self, stack: &Stack<'_>, position: i32) -> Result<(), Raise> {
        let number = stack.number(position).expect("it is a number");
        if !number.is_finite() {
            match self.settings.encode_invalid {
                Invalid::Refuse => {
                    return Err(Encoder::refuse(stack, position, "must not be NaN or Inf"));
                }
                Invalid::Null => {
                    self.json.extend_from_slice(b"null");
                    return Ok(());
                }
                Invalid::Write if number.is_nan() => {
                    self.json.extend_from_slice(b"nan");
                    return Ok(());
                }
                Invalid::Write => {}
            }
        }
        let precision = usize::try_from(self.settings.precision).expect("1 to 14");
        self.json.extend_from_slice(format_g(number, precision).as_bytes());
        Ok(())
    }

    fn string(&mut self, bytes: &[u8]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.json.push(b'"');
        for &byte in bytes {
            let short = match byte {
                b'"' => b'"',
                b'\\' => b'\\',
                b'/' => b'/',
                8 => b'b',
                b'\t' => b't',
                b'\n' => b'n',
                12 => b'f',
                b'\r' => b'r',
                0..=31 | 127 => {
                    let (high, low) =
                        (DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]);
                    self.json.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
                    continue;
                }
                _ => {
                    self.json.push(byte);
                    continue;
                }
            };
            self.json.extend_from_slice(&[b'\\', short]);
        }
        self.json.push(b'"');
    }
}
