//! The library `struct`: numbers and strings to the bytes of a C structure and back. Behaviour as Roberto
//! Ierusalimschy's library, which Redis has, with sizes as on 64-bit Linux.
//!
//! ```text
//!   < > !n      little, big endian; align to at most n (8)
//!   b B h H l L T   integers of 1, 2, 8 bytes; lower case is signed    i[n] I[n]   of n bytes (4), at most 32
//!   f d         floats of 4 and 8 bytes          x   a byte of padding
//!   c[n]        n bytes (1); c0: to pack all, to unpack as many as the number before says
//!   s           bytes up to a NUL
//! ```

use crate::stack::{Function, Raise, Stack};

pub(crate) const FUNCTIONS: &[(&str, Function)] =
    &[("pack", pack), ("unpack", unpack), ("size", size)];

const INTEGER_BYTES_MAX: usize = 32;
const ALIGN_DEFAULT: usize = 8;

/// A format while it is read.
struct Format {
    text: Vec<u8>,
    at: usize,
    is_big: bool,
    align: usize,
}

impl Format {
    fn new(mut text: Vec<u8>) -> Format {
        // The format is a text of C.
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        text.truncate(end);
        Format { text, at: 0, is_big: false, align: 1 }
    }

    /// The next option, with the size of what it stands for; 0 when that depends on the value.
    fn next(&mut self) -> Result<Option<(u8, usize)>, Raise> {
        let Some(&option) = self.text.get(self.at) else { return Ok(None) };
        self.at += 1;
        let size = match option {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'f' => 4,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'c' => self.number(1)?,
            b'i' | b'I' => {
                let size = self.number(4)?;
                if size > INTEGER_BYTES_MAX {
                    let text =
                        format!("integral size {size} is larger than limit of {INTEGER_BYTES_MAX}");
                    return Err(Raise::Text(text));
                }
                size
            }
            _ => 0,
        };
        Ok(Some((option, size)))
    }

    /// The digits that follow, if any.
    fn number(&mut self, default: usize) -> Result<usize, Raise> {
        let digits = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Ok(default);
        }
        let text = std::str::from_utf8(&self.text[self.at..self.at + digits]);
        self.at += digits;
        let number = text.ok().and_then(|text| text.parse::<i32>().ok());
        let number = number.and_then(|number| usize::try_from(number).ok());
        number.ok_or_else(|| Raise::text("integral size overflow"))
    }

    /// An option that stands for no value.
    fn control(&mut self, stack: &Stack<'_>, option: u8) -> Result<(), Raise> {
        match option {
            b' ' => {}
            b'>' => self.is_big = true,
            b'<' => self.is_big = false,
            b'!' => {
                let align = self.number(ALIGN_DEFAULT)?;
                if !align.is_power_of_two() {
                    return Err(Raise::Text(format!("alignment {align} is not a power of 2")));
                }
                self.align = align;
            }
            other => {
                let text = format!("invalid format option '{}'", char::from(other));
                return Err(stack.argument_error(1, &text));
            }
        }
        Ok(())
    }

    /// Bytes of padding in front of a value at `position`.
    fn padding(&self, position: usize, option: u8, size: usize) -> usize {
        if size == 0 || option == b'c' {
            return 0;
        }
        let size = size.min(self.align);
        (size - (position & (size - 1))) & (size - 1)
    }

    /// Bytes of a value, lowest first, in the order of the format; and the same back.
    fn order(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        if self.is_big {
            bytes.reverse();
        }
        bytes
    }
}

fn pack(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    let mut format = Format::new(stack.bytes_argument(1)?);
    // An argument that is missing is nil, not nothing: the library of C puts one between arguments and result.
    stack.push_nil()?;
    let mut packed = Vec::new();
    let mut n = 2;
    while let Some((option, size)) = format.next()? {
        packed.resize(packed.len() + format.padding(packed.len(), option, size), 0);
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let number = stack.number_argument(n)?;
                let value =
                    if number < 0.0 { (number as i64).cast_unsigned() } else { number as u64 };
                let mut bytes = value.to_le_bytes().to_vec();
                bytes.resize(size, 0);
                packed.extend(format.order(bytes));
            }
            b'x' => packed.push(0),
            b'f' => {
                let bytes = (stack.number_argument(n)? as f32).to_le_bytes().to_vec();
                packed.extend(format.order(bytes));
            }
            b'd' => {
                packed.extend(format.order(stack.number_argument(n)?.to_le_bytes().to_vec()));
            }
            b'c' | b's' => {
                let text = stack.bytes_argument(n)?;
                let size = if size == 0 { text.len() } else { size };
                if text.len() < size {
                    return Err(stack.argument_error(n + 1, "string too short"));
                }
                // What is put together here is none of the script's memory yet; twice, as Lua gets a copy.
                if !stack.fits(2 * (packed.len() + size)) {
                    return Err(Raise::NoMemory);
                }
                packed.extend_from_slice(&text[..size]);
                if option == b's' {
                    packed.push(0);
                }
            }
            other => {
                format.control(stack, other)?;
                continue;
            }
        }
        n += i32::from(option != b'x');
    }
    stack.push_bytes(&packed)?;
    Ok(1)
}

fn unpack(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    let mut format = Format::new(stack.bytes_argument(1)?);
    let data = stack.bytes_argument(2)?;
    let from = stack.integer_argument_or(3, 1)?;
    if from == 0 {
        return Err(stack.argument_error(3, "offset must be 1 or greater"));
    }
    // One below zero wraps round, and is beyond the end of any data.
    let before = from.wrapping_sub(1).cast_unsigned();
    let mut position = usize::try_from(before).unwrap_or(usize::MAX);
    stack.set_top(3.min(stack.top()));
    let bottom = stack.top();
    while let Some((option, mut size)) = format.next()? {
        position = position.saturating_add(format.padding(position, option, size));
        let Some(value) = part(&data, position, size) else {
            return Err(stack.argument_error(2, "data string too short"));
        };
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let number = integer(&format.order(value.to_vec()), option.is_ascii_lowercase());
                stack.push_number(number)?;
            }
            b'x' => {}
            b'f' => {
                let bytes = format.order(value.to_vec());
                let bytes = <[u8; 4]>::try_from(bytes).expect("its size is 4");
                stack.push_number(f64::from(f32::from_le_bytes(bytes)))?;
            }
            b'd' => {
                let bytes = format.order(value.to_vec());
                stack.push_number(f64::from_le_bytes(bytes.try_into().expect("its size is 8")))?;
            }
            b'c' if size == 0 => {
                let length = if stack.top() > bottom { stack.number(-1) } else { None };
                let Some(length) = length else {
                    return Err(Raise::text("format 'c0' needs a previous size"));
                };
                stack.pop(1);
                // A negative length is as much too long as a huge one.
                size = if length < 0.0 { usize::MAX } else { length as usize };
                let Some(text) = part(&data, position, size) else {
                    return Err(stack.argument_error(2, "data string too short"));
                };
                stack.push_bytes(text)?;
            }
            b'c' => stack.push_bytes(value)?,
            b's' => {
                let rest = &data[position..];
                let Some(end) = rest.iter().position(|byte| *byte == 0) else {
                    return Err(Raise::text("unfinished string in data"));
                };
                stack.push_bytes(&rest[..end])?;
                size = end + 1;
            }
            other => format.control(stack, other)?,
        }
        position += size;
    }
    stack.push_number(position.wrapping_add(1).cast_signed() as f64)?;
    Ok(u32::try_from(stack.top() - bottom).expect("values were pushed"))
}

fn part(data: &[u8], position: usize, size: usize) -> Option<&[u8]> {
    data.get(position..position.checked_add(size)?)
}

/// A number of any size, lowest byte first; of long ones the lower 64 bits count.
fn integer(bytes: &[u8], is_signed: bool) -> f64 {
    let mut wide = [0; 8];
    let used = bytes.len().min(8);
    wide[..used].copy_from_slice(&bytes[..used]);
    let value = u64::from_le_bytes(wide);
    if !is_signed {
        return value as f64;
    }
    let unused = 64 - 8 * u32::try_from(used).expect("at most 8");
    // No bytes at all are 0.
    let extended = value.checked_shl(unused).unwrap_or(0).cast_signed();
    extended.checked_shr(unused).unwrap_or(0) as f64
}

fn size(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    let mut format = Format::new(stack.bytes_argument(1)?);
    let mut position = 0_usize;
    while let Some((option, size)) = format.next()? {
        position = position.saturating_add(format.padding(position, option, size));
        if option == b's' {
            return Err(stack.argument_error(1, "option 's' has no fixed size"));
        }
        if option == b'c' && size == 0 {
            return Err(stack.argument_error(1, "option 'c0' has no fixed size"));
        }
        if !option.is_ascii_alphanumeric() {
            format.control(stack, option)?;
        }
        position = position.saturating_add(size);
    }
    stack.push_number(position as f64)?;
    Ok(1)
}
