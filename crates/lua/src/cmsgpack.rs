//! The library `cmsgpack`: values of Lua to MessagePack and back. Behaviour as lua-cmsgpack 0.4.0, which Redis has.

use crate::stack::{Function, Kind, Raise, Stack};

pub(crate) const FUNCTIONS: &[(&str, Function)] = &[
    ("pack", pack),
    ("unpack", unpack),
    ("unpack_one", unpack_one),
    ("unpack_limit", unpack_limit),
];

/// Tables that are nested deeper are packed as nil.
const PACK_DEPTH_MAX: u32 = 16;
/// Deeper input is refused, as each level takes stack of this thread.
const UNPACK_DEPTH_MAX: u32 = 1000;

/// Adds to the module what is no function: the globals are on top.
pub(crate) fn describe(stack: &mut Stack<'_>) -> Result<(), Raise> {
    stack.get_field(-1, "cmsgpack")?;
    for (name, value) in [
        ("_NAME", "cmsgpack"),
        ("_VERSION", "lua-cmsgpack 0.4.0"),
        ("_DESCRIPTION", "MessagePack C implementation for Lua"),
    ] {
        stack.push_bytes(value.as_bytes())?;
        stack.set_field(-2, name)?;
    }
    stack.pop(1);
    Ok(())
}

// --- packing

fn pack(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    let count = stack.top();
    if count == 0 {
        return Err(stack.argument_error(0, "MessagePack pack needs input."));
    }
    let mut packed = Vec::new();
    for position in 1..=count {
        stack.push_copy(position)?;
        pack_value(stack, &mut packed, 0)?;
    }
    stack.push_bytes(&packed)?;
    Ok(1)
}

/// Packs the value on top and takes it away.
fn pack_value(stack: &mut Stack<'_>, packed: &mut Vec<u8>, depth: u32) -> Result<(), Raise> {
    if !stack.fits(packed.len()) {
        return Err(Raise::NoMemory);
    }
    match stack.kind(-1) {
        Kind::String => pack_bytes(packed, stack.bytes(-1).expect("it is a string")),
        Kind::Boolean => packed.push(if stack.boolean(-1) { 0xc3 } else { 0xc2 }),
        Kind::Number => pack_number(packed, stack.number(-1).expect("it is a number")),
        Kind::Table if depth < PACK_DEPTH_MAX => pack_table(stack, packed, depth)?,
        _ => packed.push(0xc0),
    }
    stack.pop(1);
    Ok(())
}

/// A header of 1, 2 or 4 bytes of length: `(mark8, mark16, mark32)`; no `mark8` where there is none.
fn pack_length(packed: &mut Vec<u8>, length: usize, marks: (Option<u8>, u8, u8)) {
    match (marks.0, u8::try_from(length), u16::try_from(length)) {
        (Some(mark), Ok(length), _) => packed.extend_from_slice(&[mark, length]),
        (_, _, Ok(length)) => {
            packed.push(marks.1);
            packed.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            packed.push(marks.2);
            // What is longer does not fit into memory that a script may take.
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            packed.extend_from_slice(&length.to_be_bytes());
        }
    }
}

/// A length of a few bits goes into the mark.
fn pack_short(packed: &mut Vec<u8>, length: usize, mark: u8, below: u8) -> bool {
    match u8::try_from(length) {
        Ok(length) if length < below => {
            packed.push(mark | length);
            true
        }
        _ => false,
    }
}

fn pack_bytes(packed: &mut Vec<u8>, bytes: &[u8]) {
    if !pack_short(packed, bytes.len(), 0xa0, 32) {
        pack_length(packed, bytes.len(), (Some(0xd9), 0xda, 0xdb));
    }
    packed.extend_from_slice(bytes);
}

fn pack_number(packed: &mut Vec<u8>, number: f64) {
    const INTEGERS_END: f64 = 9_223_372_036_854_775_808.0;
    let integer = number as i64;
    if integer as f64 == number && number < INTEGERS_END {
        return pack_integer(packed, integer);
    }
    let short = number as f32;
    if f64::from(short) == number {
        packed.push(0xca);
        packed.extend_from_slice(&short.to_be_bytes());
    } else {
        packed.push(0xcb);
        packed.extend_from_slice(&number.to_be_bytes());
    }
}

fn pack_integer(packed: &mut Vec<u8>, integer: i64) {
    let bytes = integer.to_be_bytes();
    let (mark, length) = match integer {
        -32..=127 => return packed.push(bytes[7]),
        128..=0xff => (0xcc, 1),
        0x100..=0xffff => (0xcd, 2),
        0x1_0000..=0xffff_ffff => (0xce, 4),
        0x1_0000_0000.. => (0xcf, 8),
        -128..=-33 => (0xd0, 1),
        -0x8000..=-129 => (0xd1, 2),
        -0x8000_0000..=-0x8001 => (0xd2, 4),
        i64::MIN..=-0x8000_0001 => (0xd3, 8),
    };
    packed.push(mark);
    packed.extend_from_slice(&bytes[8 - length..]);
}

fn pack_table(stack: &mut Stack<'_>, packed: &mut Vec<u8>, depth: u32) -> Result<(), Raise> {
    let (count, is_array) = shape(stack)?;
    if is_array {
        if !pack_short(packed, count, 0x90, 16) {
            pack_length(packed, count, (None, 0xdc, 0xdd));
        }
        for n in 1..=i32::try_from(count).map_err(|_| Raise::NoMemory)? {
            stack.get_index(-1, n)?;
            pack_value(stack, packed, depth + 1)?;
        }
        return Ok(());
    }
    if !pack_short(packed, count, 0x80, 16) {
        pack_length(packed, count, (None, 0xde, 0xdf));
    }
    stack.push_nil()?;
    while stack.next(-2)? {
        stack.push_copy(-2)?;
        pack_value(stack, packed, depth + 1)?;
        pack_value(stack, packed, depth + 1)?;
    }
    Ok(())
}

/// Number of elements of the table on top, and whether their keys are 1 to that.
fn shape(stack: &mut Stack<'_>) -> Result<(usize, bool), Raise> {
    let (mut count, mut largest, mut is_array) = (0_usize, 0.0_f64, true);
    stack.push_nil()?;
    while stack.next(-2)? {
        stack.pop(1);
        count += 1;
        let key = if stack.kind(-1) == Kind::Number { stack.number(-1) } else { None };
        match key {
            Some(key) if key > 0.0 && f64::from(key as i32) == key => largest = largest.max(key),
            _ => is_array = false,
        }
    }
    Ok((count, is_array && largest == count as f64))
}

// --- unpacking

fn unpack(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    unpack_from(stack, 0, 0)
}

fn unpack_one(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    let offset = stack.integer_argument_or(2, 0)?;
    unpack_from(stack, 1, offset)
}

fn unpack_limit(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    let limit = stack.integer_argument(2)?;
    let offset = stack.integer_argument_or(3, 0)?;
    unpack_from(stack, limit, offset)
}

/// Pushes up to `limit` values from `offset` on, below them where the next one begins, or -1 at the end; with neither
/// limit nor offset just all values.
fn unpack_from(stack: &mut Stack<'_>, limit: i64, offset: i64) -> Result<u32, Raise> {
    let packed = stack.bytes_argument(1)?;
    stack.set_top(1);
    let length = packed.len();
    let is_all = limit == 0 && offset == 0;
    let (Ok(limit), Ok(from)) = (usize::try_from(limit), usize::try_from(offset)) else {
        return Err(Raise::Text(format!(
            "Invalid request to unpack with offset of {} and limit of {}.",
            offset as i32, length as i32
        )));
    };
    let Some(rest) = packed.get(from..) else {
        return Err(Raise::Text(format!(
            "Start offset {} greater than input length {}.",
            offset as i32, length as i32
        )));
    };
    let limit = if is_all { usize::MAX } else { limit };
    let mut unpacker = Unpacker { rest };
    let mut count = 0;
    while !unpacker.rest.is_empty() && count < limit {
        unpacker.value(stack, 0)?;
        count += 1;
    }
    if !is_all {
        let left = unpacker.rest.len();
        let next = if left == 0 { -1.0 } else { (length - left) as f64 };
        stack.push_number(next)?;
        stack.insert(2);
        count += 1;
    }
    u32::try_from(count).map_err(|_| Raise::NoMemory)
}

struct Unpacker<'p> {
    rest: &'p [u8],
}

impl<'p> Unpacker<'p> {
    fn take(&mut self, count: usize) -> Result<&'p [u8], Raise> {
        let Some((front, rest)) = self.rest.split_at_checked(count) else {
            return Err(Raise::text("Missing bytes in input."));
        };
        self.rest = rest;
        Ok(front)
    }

    fn unsigned(&mut self, bytes: usize) -> Result<u64, Raise> {
        Ok(self.take(bytes)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn signed(&mut self, bytes: usize) -> Result<i64, Raise> {
        let unused = 64 - 8 * bytes;
        Ok((self.unsigned(bytes)? << unused).cast_signed() >> unused)
    }

    fn length(&mut self, bytes: usize) -> Result<usize, Raise> {
        usize::try_from(self.unsigned(bytes)?).map_err(|_| Raise::NoMemory)
    }

    /// Pushes one value.
    fn value(&mut self, stack: &mut Stack<'_>, depth: u32) -> Result<(), Raise> {
        if depth > UNPACK_DEPTH_MAX {
            return Err(Raise::text(
                "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)",
            ));
        }
        let mark = self.take(1)?[0];
        match mark {
            0x00..=0x7f => stack.push_number(f64::from(mark)),
            0xe0..=0xff => stack.push_number(f64::from(mark.cast_signed())),
            0x80..=0x8f => self.map(stack, usize::from(mark & 15), depth),
            0x90..=0x9f => self.array(stack, usize::from(mark & 15), depth),
            0xa0..=0xbf => self.bytes(stack, usize::from(mark & 31)),
            0xc0 => stack.push_nil(),
            0xc2 => stack.push_boolean(false),
            0xc3 => stack.push_boolean(true),
            0xca => {
                let bytes = <[u8; 4]>::try_from(self.take(4)?).expect("4 were taken");
                stack.push_number(f64::from(f32::from_be_bytes(bytes)))
            }
            0xcb => {
                let bytes = <[u8; 8]>::try_from(self.take(8)?).expect("8 were taken");
                stack.push_number(f64::from_be_bytes(bytes))
            }
            0xcc..=0xcf => {
                let number = self.unsigned(1 << (mark - 0xcc))?;
                stack.push_number(number as f64)
            }
            0xd0..=0xd3 => {
                let number = self.signed(1 << (mark - 0xd0))?;
                stack.push_number(number as f64)
            }
            0xd9..=0xdb => {
                let length = self.length(1 << (mark - 0xd9))?;
                self.bytes(stack, length)
            }
            0xdc | 0xdd => {
                let count = self.length(2 << (mark - 0xdc))?;
                self.array(stack, count, depth)
            }
            0xde | 0xdf => {
                let count = self.length(2 << (mark - 0xde))?;
                self.map(stack, count, depth)
            }
            0xc1 | 0xc4..=0xc9 | 0xd4..=0xd8 => Err(Raise::text("Bad data format in input.")),
        }
    }

    fn bytes(&mut self, stack: &mut Stack<'_>, length: usize) -> Result<(), Raise> {
        let bytes = self.take(length)?;
        stack.push_bytes(bytes)
    }

    fn array(&mut self, stack: &mut Stack<'_>, count: usize, depth: u32) -> Result<(), Raise> {
        // No more elements than bytes can come.
        stack.push_table(count.min(self.rest.len()), 0)?;
        for n in 1..=count {
            self.value(stack, depth + 1)?;
            stack.set_index(-2, i32::try_from(n).map_err(|_| Raise::NoMemory)?)?;
        }
        Ok(())
    }

    fn map(&mut self, stack: &mut Stack<'_>, count: usize, depth: u32) -> Result<(), Raise> {
        stack.push_table(0, count.min(self.rest.len() / 2))?;
        for _ in 0..count {
            self.value(stack, depth + 1)?;
            self.value(stack, depth + 1)?;
            stack.set(-3)?;
        }
        Ok(())
    }
}
