//! The library `cjson`: JSON to values of Lua and back. Behaviour as Lua CJSON 2.1.0, which Redis has.
//!
//! ```text
//!   null <-> cjson.null (a null pointer)      [] and {} -> {} -> {}      {1, 2, [4] = 3} -> [1,2,null,3]
//! ```
//!
//! Invariant: nothing nests deeper than [`DEPTH_MAX`], whatever a script sets, as each level takes stack of this thread.

mod decode;
mod encode;

use crate::library::put_functions;
use crate::stack::{Function, Kind, Raise, Stack};

/// Deepest nesting, and what a script finds set.
const DEPTH_MAX: i32 = 1000;

const FUNCTIONS: &[(&str, Function)] = &[
    ("encode", encode::encode),
    ("decode", decode::decode),
    ("encode_sparse_array", set_sparse_array),
    ("encode_max_depth", set_encode_depth),
    ("decode_max_depth", set_decode_depth),
    ("encode_number_precision", set_precision),
    ("encode_keep_buffer", set_keep_buffer),
    ("encode_invalid_numbers", set_encode_invalid),
    ("decode_invalid_numbers", set_decode_invalid),
    ("new", new),
];

/// What scripts can set; it stays for the scripts behind them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Sparse arrays become objects, else they are an error.
    sparse_convert: bool,
    /// An array is sparse when it has more than so many places for each element,
    sparse_ratio: i32,
    /// and more than so many places.
    sparse_safe: i32,
    encode_depth: i32,
    decode_depth: i32,
    /// Digits of a number.
    precision: i32,
    keep_buffer: bool,
    encode_invalid: Invalid,
    decode_invalid: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth: DEPTH_MAX,
            decode_depth: DEPTH_MAX,
            precision: 14,
            keep_buffer: true,
            encode_invalid: Invalid::Refuse,
            decode_invalid: true,
        }
    }
}

/// What becomes of infinity and NaN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Invalid {
    Refuse,
    Write,
    Null,
}

/// Pushes the module.
pub(crate) fn push_module(stack: &mut Stack<'_>) -> Result<(), Raise> {
    stack.push_table(0, 16)?;
    put_functions(stack, FUNCTIONS)?;
    stack.push_null()?;
    stack.set_field(-2, "null")?;
    for (name, value) in [("_NAME", "cjson"), ("_VERSION", "2.1.0")] {
        stack.push_bytes(value.as_bytes())?;
        stack.set_field(-2, name)?;
    }
    Ok(())
}

/// `cjson.new()`: the same settings are behind every module of a sandbox.
fn new(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    push_module(stack)?;
    Ok(1)
}

fn check_count(stack: &Stack<'_>, count_max: i32) -> Result<(), Raise> {
    if stack.top() > count_max {
        return Err(stack.argument_error(count_max + 1, "found too many arguments"));
    }
    Ok(())
}

/// A new value for a setting, if argument `n` is one.
fn number(stack: &Stack<'_>, n: i32, old: i32, min: i32, max: i32) -> Result<i32, Raise> {
    if matches!(stack.kind(n), Kind::None | Kind::Nil) {
        return Ok(old);
    }
    let value = stack.integer_argument(n)?;
    match i32::try_from(value) {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        _ => {
            let text = format!("expected integer between {min} and {max}");
            Err(stack.argument_error(1, &text))
        }
    }
}

/// The place of argument `n` among the options; a boolean is the first or the second.
fn choice(stack: &mut Stack<'_>, n: i32, options: &[&str]) -> Result<Option<usize>, Raise> {
    match stack.kind(n) {
        Kind::None | Kind::Nil => Ok(None),
        Kind::Boolean => Ok(Some(usize::from(stack.boolean(n)))),
        _ => {
            let text = stack.bytes_argument(n)?;
            match options.iter().position(|option| option.as_bytes() == text) {
                Some(place) => Ok(Some(place)),
                None => {
                    let text = format!("invalid option '{}'", String::from_utf8_lossy(&text));
                    Err(stack.argument_error(n, &text))
                }
            }
        }
    }
}

fn switch(stack: &mut Stack<'_>, n: i32, old: bool) -> Result<bool, Raise> {
    Ok(choice(stack, n, &["off", "on"])?.map_or(old, |place| place == 1))
}

fn set_sparse_array(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    check_count(stack, 3)?;
    let mut settings = stack.json().get();
    settings.sparse_convert = switch(stack, 1, settings.sparse_convert)?;
    settings.sparse_ratio = number(stack, 2, settings.sparse_ratio, 0, i32::MAX)?;
    settings.sparse_safe = number(stack, 3, settings.sparse_safe, 0, i32::MAX)?;
    stack.json().set(settings);
    stack.push_boolean(settings.sparse_convert)?;
    stack.push_number(f64::from(settings.sparse_ratio))?;
    stack.push_number(f64::from(settings.sparse_safe))?;
    Ok(3)
}

/// Sets one number, which `place` finds.
fn set_number(
    stack: &mut Stack<'_>,
    max: i32,
    place: fn(&mut Settings) -> &mut i32,
) -> Result<u32, Raise> {
    check_count(stack, 1)?;
    let mut settings = stack.json().get();
    let value = number(stack, 1, *place(&mut settings), 1, max)?;
    *place(&mut settings) = value;
    stack.json().set(settings);
    stack.push_number(f64::from(value))?;
    Ok(1)
}

fn set_encode_depth(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    set_number(stack, i32::MAX, |settings| &mut settings.encode_depth)
}

fn set_decode_depth(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    set_number(stack, i32::MAX, |settings| &mut settings.decode_depth)
}

fn set_precision(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    set_number(stack, 14, |settings| &mut settings.precision)
}

fn set_switch(stack: &mut Stack<'_>, place: fn(&mut Settings) -> &mut bool) -> Result<u32, Raise> {
    check_count(stack, 1)?;
    let mut settings = stack.json().get();
    let value = switch(stack, 1, *place(&mut settings))?;
    *place(&mut settings) = value;
    stack.json().set(settings);
    stack.push_boolean(value)?;
    Ok(1)
}

/// Accepted; there is no buffer that could be kept.
fn set_keep_buffer(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    set_switch(stack, |settings| &mut settings.keep_buffer)
}

fn set_decode_invalid(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    set_switch(stack, |settings| &mut settings.decode_invalid)
}

fn set_encode_invalid(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    const OPTIONS: [Invalid; 3] = [Invalid::Refuse, Invalid::Write, Invalid::Null];
    check_count(stack, 1)?;
    let mut settings = stack.json().get();
    if let Some(place) = choice(stack, 1, &["off", "on", "null"])? {
        settings.encode_invalid = OPTIONS[place];
        stack.json().set(settings);
    }
    match settings.encode_invalid {
        Invalid::Refuse => stack.push_boolean(false)?,
        Invalid::Write => stack.push_boolean(true)?,
        Invalid::Null => stack.push_bytes(b"null")?,
    }
    Ok(1)
}
