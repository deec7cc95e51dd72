//! What scripts find around them, and how it is kept from them.

use std::ffi::c_int;
use std::time::Instant;

use crate::sandbox::{Failure, Purpose};
use crate::stack::{Function, Kind, Raise, Stack};
use crate::{api, bit, cjson, cmsgpack, protect, random, structs};

/// Puts everything into the globals of a fresh interpreter, and makes it read-only.
pub(crate) fn furnish(stack: &mut Stack<'_>, purpose: Purpose) -> Result<(), Raise> {
    stack.push_globals()?;
    stack.push_native(protect::pcall)?;
    stack.set_field(-2, "pcall")?;
    put_functions(stack, &[("collectgarbage", collectgarbage)])?;
    stack.get_field(-1, "math")?;
    put_functions(stack, &[("random", random::random), ("randomseed", random::seed)])?;
    stack.pop(1);
    let libraries: [(&str, &[(&str, Function)]); 4] = [
        ("bit", bit::FUNCTIONS),
        ("cmsgpack", cmsgpack::FUNCTIONS),
        ("os", &[("clock", clock)]),
        ("struct", structs::FUNCTIONS),
    ];
    for (name, functions) in libraries {
        stack.push_table(0, functions.len())?;
        put_functions(stack, functions)?;
        stack.set_field(-2, name)?;
    }
    cjson::push_module(stack)?;
    stack.set_field(-2, "cjson")?;
    cmsgpack::describe(stack)?;
    api::push_redis(stack, purpose)?;
    stack.set_field(-2, "redis")?;
    put_error_metatable(stack)?;
    protect_strings(stack)?;
    protect_table(stack)?;
    stack.pop(1);
    Ok(())
}

/// Sets functions in the table on top.
pub(crate) fn put_functions(
    stack: &mut Stack<'_>,
    functions: &[(&str, Function)],
) -> Result<(), Raise> {
    for (name, function) in functions {
        stack.push_function(*function)?;
        stack.set_field(-2, name)?;
    }
    Ok(())
}

/// Who looks for a name that is not in the table on top gets an error.
fn put_error_metatable(stack: &mut Stack<'_>) -> Result<(), Raise> {
    stack.push_table(0, 1)?;
    stack.push_function(missing_global)?;
    stack.set_field(-2, "__index")?;
    stack.set_metatable(-2)
}

fn missing_global(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    let Some(name) = stack.text(2) else {
        return Err(Raise::text(
            "Second argument to luaProtectedTableError must be a string or number",
        ));
    };
    let name = String::from_utf8_lossy(&name);
    Err(Raise::Text(format!("Script attempted to access nonexistent global variable '{name}'")))
}

/// The metatable of strings is shared by all scripts.
fn protect_strings(stack: &mut Stack<'_>) -> Result<(), Raise> {
    stack.push_bytes(b"")?;
    if stack.metatable(-1)? {
        protect_table(stack)?;
        stack.pop(1);
    }
    stack.pop(1);
    Ok(())
}

/// Makes the table on top read-only, with all tables that it leads to.
fn protect_table(stack: &mut Stack<'_>) -> Result<(), Raise> {
    if stack.is_readonly(-1) {
        return Ok(());
    }
    stack.set_readonly(-1, true);
    stack.push_nil()?;
    while stack.next(-2)? {
        if stack.kind(-1) == Kind::Table {
            protect_table(stack)?;
        }
        stack.pop(1);
    }
    if stack.metatable(-1)? {
        protect_table(stack)?;
        stack.pop(1);
    }
    Ok(())
}

/// Keeps the globals of functions and those of libraries that load, and pushes the table that stands for either.
pub(crate) fn split_globals(stack: &mut Stack<'_>) -> Result<(c_int, c_int), Raise> {
    stack.push_table(0, 1)?;
    api::push_library_redis(stack)?;
    put_error_metatable(stack)?;
    stack.set_field(-2, "redis")?;
    put_error_metatable(stack)?;
    protect_table(stack)?;
    let library = stack.keep();
    stack.push_globals()?;
    let own = stack.keep();
    stack.push_table(0, 0)?;
    stack.push_table(0, 1)?;
    stack.push_globals()?;
    stack.set_field(-2, "__index")?;
    stack.set_readonly(-1, true);
    stack.set_metatable(-2)?;
    stack.set_readonly(-1, true);
    Ok((library, own))
}

/// Takes names out of the globals: of those that are kept under `reference`, if there is one.
pub(crate) fn withdraw(
    stack: &mut Stack<'_>,
    reference: Option<c_int>,
    names: &[&str],
) -> Result<(), Raise> {
    match reference {
        Some(reference) => stack.push_kept(reference)?,
        None => stack.push_globals()?,
    }
    stack.set_readonly(-1, false);
    for name in names {
        stack.push_nil()?;
        stack.set_field(-2, name)?;
    }
    stack.set_readonly(-1, true);
    stack.pop(1);
    Ok(())
}

/// From here on the globals mean what was kept under `reference`.
pub(crate) fn swap_globals(stack: &mut Stack<'_>, reference: c_int) -> Result<(), Raise> {
    stack.push_globals()?;
    assert!(stack.metatable(-1)?, "split_globals has set it");
    stack.set_readonly(-1, false);
    stack.push_kept(reference)?;
    stack.set_field(-2, "__index")?;
    stack.set_readonly(-1, true);
    stack.pop(2);
    Ok(())
}

/// `collectgarbage`: scripts may ask for work, but not change how the collector works for those behind them.
fn collectgarbage(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    let what = match stack.kind(1) {
        Kind::None | Kind::Nil => b"collect".to_vec(),
        _ => stack.bytes_argument(1)?,
    };
    let argument = stack.integer_argument_or(2, 0)?;
    match what.as_slice() {
        b"collect" => {
            stack.collect(None);
            stack.push_number(0.0)?;
        }
        b"count" => {
            let kilobytes = stack.memory() as f64 / 1024.0;
            stack.push_number(kilobytes)?;
        }
        b"step" => {
            let is_done = stack.collect(Some(argument.clamp(0, 1 << 20) as i32));
            stack.push_boolean(is_done)?;
        }
        b"stop" | b"restart" | b"setpause" | b"setstepmul" => stack.push_number(0.0)?,
        other => {
            let text = format!("invalid option '{}'", String::from_utf8_lossy(other));
            return Err(stack.argument_error(1, &text));
        }
    }
    Ok(1)
}

/// `os.clock`: seconds that pass, to be measured with; where they count from means nothing.
fn clock(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    thread_local! {
        static BEGAN: Instant = Instant::now();
    }
    let seconds = BEGAN.with(Instant::elapsed).as_secs_f64();
    stack.push_number(seconds)?;
    Ok(1)
}

/// The handler of errors: makes a table of what was thrown, and adds where that was.
pub(crate) fn describe_error(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    if stack.kind(1) != Kind::Table {
        let mut message = b"ERR ".to_vec();
        match stack.kind(1) {
            Kind::Nil | Kind::None => message.extend_from_slice(b"nil"),
            Kind::Boolean => message.extend_from_slice(stack.boolean(1).to_string().as_bytes()),
            Kind::String | Kind::Number => message.extend(stack.text(1).unwrap_or_default()),
            kind => message
                .extend_from_slice(format!("{}: {:#x}", kind.name(), stack.address(1)).as_bytes()),
        }
        stack.set_top(0);
        stack.push_table(0, 3)?;
        stack.push_bytes(&message)?;
        stack.set_field(1, "err")?;
    }
    // A function of the library has no line: its caller is who went wrong.
    let frame =
        stack.frame(1).and_then(|frame| if frame.is_native { stack.frame(2) } else { Some(frame) });
    if let Some(frame) = frame
        && !stack.is_readonly(1)
    {
        stack.push_bytes(&frame.source)?;
        stack.set_field(1, "source")?;
        stack.push_number(f64::from(frame.line))?;
        stack.set_field(1, "line")?;
    }
    stack.set_top(1);
    Ok(1)
}

/// Reads the error on top, which [`describe_error`] has made unless it could not.
pub(crate) fn failure(stack: &mut Stack<'_>) -> Result<Failure, Raise> {
    if stack.kind(-1) != Kind::Table {
        let message = Some(stack.text(-1).unwrap_or_else(|| b"execution failure".to_vec()));
        return Ok(Failure { message, place: None, is_counted: false, is_bare: true });
    }
    let message = text_field(stack, "err")?;
    let source = text_field(stack, "source")?;
    stack.get_field(-1, "line")?;
    let line = stack.number(-1).map(|line| line as i32);
    stack.pop(1);
    stack.get_field(-1, "ignore_error_stats_update")?;
    let is_counted = stack.kind(-1) == Kind::Boolean && stack.boolean(-1);
    stack.pop(1);
    let place = source.map(|source| String::from_utf8_lossy(&source).into_owned()).zip(line);
    Ok(Failure { message, place, is_counted, is_bare: false })
}

/// A field of the table on top that is a string or number.
pub(crate) fn text_field(stack: &mut Stack<'_>, name: &str) -> Result<Option<Vec<u8>>, Raise> {
    stack.get_field(-1, name)?;
    let text = stack.text(-1);
    stack.pop(1);
    Ok(text)
}
