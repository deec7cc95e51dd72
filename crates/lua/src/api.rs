//! The table `redis`: commands, errors, the log, registering functions.
//!
//! Texts are those of redis-server 7.2.

use sha1::{Digest, Sha1};

use crate::convert;
use crate::host::{LogLevel, Refused, Registration, Words};
use crate::library::put_functions;
use crate::sandbox::{FunctionRef, Purpose};
use crate::stack::{Function, Kind, Raise, Stack};
use crate::{REDIS_VERSION, REDIS_VERSION_NUM};

/// Largest integer that a script's number is sure to hold, and then some: beyond it numbers are written as floats.
const INTEGER_MAX: f64 = 4_611_686_018_427_387_904.0;

const FUNCTIONS: &[(&str, Function)] = &[
    ("call", call),
    ("pcall", pcall),
    ("log", log),
    ("setresp", setresp),
    ("sha1hex", sha1hex),
    ("error_reply", error_reply),
    ("status_reply", status_reply),
    ("set_repl", set_repl),
    ("acl_check_cmd", acl_check_cmd),
];

/// Those that only EVAL has.
const SCRIPT_FUNCTIONS: &[(&str, Function)] =
    &[("breakpoint", breakpoint), ("debug", debug), ("replicate_commands", replicate_commands)];

const NUMBERS: &[(&str, u32)] =
    &[("REPL_NONE", 0), ("REPL_AOF", 1), ("REPL_SLAVE", 2), ("REPL_REPLICA", 2), ("REPL_ALL", 3)];
const LEVELS: &[(&str, u32)] =
    &[("LOG_DEBUG", 0), ("LOG_VERBOSE", 1), ("LOG_NOTICE", 2), ("LOG_WARNING", 3)];

/// SHA-1 of a script in hexadecimal: its name.
pub fn sha1_hex(bytes: &[u8]) -> [u8; 40] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha1::digest(bytes);
    let mut text = [0; 40];
    for (pair, byte) in text.chunks_exact_mut(2).zip(digest) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

/// Pushes the table for scripts and functions.
pub(crate) fn push_redis(stack: &mut Stack<'_>, purpose: Purpose) -> Result<(), Raise> {
    stack.push_table(0, 32)?;
    put_functions(stack, FUNCTIONS)?;
    if purpose == Purpose::Scripts {
        put_functions(stack, SCRIPT_FUNCTIONS)?;
    }
    put_numbers(stack, NUMBERS)?;
    put_facts(stack)
}

/// Pushes the table for a library that loads.
pub(crate) fn push_library_redis(stack: &mut Stack<'_>) -> Result<(), Raise> {
    stack.push_table(0, 8)?;
    put_functions(stack, &[("register_function", register_function), ("log", log)])?;
    put_facts(stack)
}

fn put_facts(stack: &mut Stack<'_>) -> Result<(), Raise> {
    put_numbers(stack, LEVELS)?;
    put_numbers(stack, &[("REDIS_VERSION_NUM", REDIS_VERSION_NUM)])?;
    stack.push_bytes(REDIS_VERSION.as_bytes())?;
    stack.set_field(-2, "REDIS_VERSION")
}

fn put_numbers(stack: &mut Stack<'_>, numbers: &[(&str, u32)]) -> Result<(), Raise> {
    for (name, number) in numbers {
        stack.push_number(f64::from(*number))?;
        stack.set_field(-2, name)?;
    }
    Ok(())
}

// --- errors

/// An error as `redis.call` throws it.
fn throw(stack: &mut Stack<'_>, text: &str) -> Raise {
    match convert::push_error(stack, text.as_bytes()) {
        Ok(()) => Raise::Top,
        Err(raise) => raise,
    }
}

/// An error as `redis.pcall` returns it.
fn give(stack: &mut Stack<'_>, text: &str) -> Result<u32, Raise> {
    convert::push_error(stack, text.as_bytes())?;
    Ok(1)
}

// --- commands

fn call(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    if run(stack)? { Err(Raise::Top) } else { Ok(1) }
}

fn pcall(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    run(stack)?;
    Ok(1)
}

/// Runs the command that the arguments are, and pushes its reply; `true` when that is an error.
fn run(stack: &mut Stack<'_>) -> Result<bool, Raise> {
    let mut scratch = stack.take_scratch();
    let result = run_with(stack, &mut scratch.words, &mut scratch.reply);
    // A large reply does not stay for ever.
    if scratch.reply.capacity() > 64 << 10 {
        scratch.reply = Vec::new();
    }
    stack.put_scratch(scratch);
    result
}

fn run_with(stack: &mut Stack<'_>, words: &mut Words, reply: &mut Vec<u8>) -> Result<bool, Raise> {
    if let Err(text) = take_words(stack, words) {
        convert::push_error(stack, text.as_bytes())?;
        return Ok(true);
    }
    stack.set_top(0);
    reply.clear();
    let outcome = stack.host(|host| host.call(words, reply));
    match outcome {
        Some(Ok(())) => convert::push_reply(stack, reply),
        Some(Err(Refused::Killed(why))) => Err(Raise::Killed(why)),
        Some(Err(Refused::Error(text))) => {
            convert::push_error(stack, text.as_bytes())?;
            convert::mark_counted(stack)?;
            Ok(true)
        }
        None => {
            convert::push_error(
                stack,
                b"redis.call/pcall can only be called inside a script invocation",
            )?;
            Ok(true)
        }
    }
}

fn take_words(stack: &mut Stack<'_>, words: &mut Words) -> Result<(), &'static str> {
    words.clear();
    if stack.top() == 0 {
        return Err("Please specify at least one argument for this redis lib call");
    }
    let mut bytes = 0_usize;
    for position in 1..=stack.top() {
        match stack.kind(position) {
            Kind::String => {
                let word = stack.bytes(position).expect("it is a string");
                bytes += word.len();
                // They are copied out of the script's memory, and count with it.
                if !stack.fits(bytes) {
                    return Err("not enough memory");
                }
                words.push(word);
            }
            Kind::Number => push_number(words, stack.number(position).expect("it is a number")),
            _ => return Err("Lua redis lib command arguments must be strings or integers"),
        }
    }
    Ok(())
}

/// Integers in full, as commands know no exponent in them; others as scores are written.
fn push_number(words: &mut Words, number: f64) {
    let integer = number as i64;
    if number.abs() <= INTEGER_MAX && integer as f64 == number {
        words.push(itoa::Buffer::new().format(integer).as_bytes());
    } else if number.is_nan() && number.is_sign_negative() {
        words.push(b"-nan");
    } else {
        words.push(&base::number::format_double(number));
    }
}

fn acl_check_cmd(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    let mut words = Words::default();
    if let Err(text) = take_words(stack, &mut words) {
        return Err(throw(stack, text));
    }
    match stack.host(|host| host.may_call(&words)).flatten() {
        Some(may) => {
            stack.push_boolean(may)?;
            Ok(1)
        }
        None => Err(throw(stack, "Invalid command passed to redis.acl_check_cmd()")),
    }
}

fn setresp(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    if stack.top() != 1 {
        return Err(throw(stack, "redis.setresp() requires one argument."));
    }
    let version = stack.number(1).unwrap_or(0.0) as i64;
    if version != 2 && version != 3 {
        return Err(throw(stack, "RESP version must be 2 or 3."));
    }
    stack.host(|host| host.set_resp3(version == 3));
    Ok(0)
}

/// Accepted and without effect: the log has effects, and all of them.
fn set_repl(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    if stack.top() != 1 {
        return Err(throw(stack, "redis.set_repl() requires one argument."));
    }
    let flags = stack.number(1).unwrap_or(0.0);
    if flags.is_nan() || flags as i64 & !3 != 0 {
        let text = "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
        return Err(throw(stack, text));
    }
    Ok(0)
}

fn replicate_commands(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    stack.push_boolean(true)?;
    Ok(1)
}

/// There is no debugger to stop in.
fn breakpoint(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    stack.push_boolean(false)?;
    Ok(1)
}

fn debug(_: &mut Stack<'_>) -> Result<u32, Raise> {
    Ok(0)
}

// --- values

fn sha1hex(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    if stack.top() != 1 {
        return Err(throw(stack, "wrong number of arguments"));
    }
    let text = stack.text(1).unwrap_or_default();
    stack.push_bytes(&sha1_hex(&text))?;
    Ok(1)
}

fn error_reply(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    if stack.top() != 1 || stack.kind(1) != Kind::String {
        return give(stack, "wrong number or type of arguments");
    }
    let mut text = stack.text(1).unwrap_or_default();
    if text.first() != Some(&b'-') {
        text.insert(0, b'-');
    }
    convert::push_error(stack, &text)?;
    Ok(1)
}

fn status_reply(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    if stack.top() != 1 || stack.kind(1) != Kind::String {
        return give(stack, "wrong number or type of arguments");
    }
    stack.push_table(0, 1)?;
    stack.push_copy(1)?;
    stack.set_field(-2, "ok")?;
    Ok(1)
}

fn log(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    if stack.top() < 2 {
        return Err(throw(stack, "redis.log() requires two arguments or more."));
    }
    let Some(level) = stack.number(1) else {
        return Err(throw(stack, "First argument must be a number (log level)."));
    };
    let level = match level as i64 {
        0 => LogLevel::Debug,
        1 => LogLevel::Verbose,
        2 => LogLevel::Notice,
        3 => LogLevel::Warning,
        _ => return Err(throw(stack, "Invalid debug level.")),
    };
    let mut line = Vec::new();
    for position in 2..=stack.top() {
        if let Some(text) = stack.text(position) {
            if !stack.fits(line.len() + text.len()) {
                return Err(Raise::NoMemory);
            }
            if position > 2 {
                line.push(b' ');
            }
            line.extend_from_slice(&text);
        }
    }
    stack.host(|host| host.log(level, &line));
    Ok(0)
}

// --- libraries

fn register_function(stack: &mut Stack<'_>) -> Result<u32, Raise> {
    let registration = match stack.top() {
        1 => named_registration(stack)?,
        2 => positional_registration(stack)?,
        _ => {
            let text = "wrong number of arguments to redis.register_function";
            return Err(throw(stack, text));
        }
    };
    let outcome = stack.host(|host| host.register(registration));
    let text = match outcome {
        Some(Ok(())) => return Ok(0),
        Some(Err(text)) => text,
        None => "redis.register_function can only be called on FUNCTION LOAD command".to_owned(),
    };
    Err(throw(stack, &text))
}

fn positional_registration(stack: &mut Stack<'_>) -> Result<Registration, Raise> {
    let Some(name) = stack.text(1) else {
        return Err(throw(stack, "first argument to redis.register_function must be a string"));
    };
    if stack.kind(2) != Kind::Function {
        return Err(throw(stack, "second argument to redis.register_function must be a function"));
    }
    let function = FunctionRef(stack.keep());
    Ok(Registration { name, description: None, flags: Vec::new(), function })
}

/// What the table of named arguments has told so far.
#[derive(Default)]
struct Named {
    name: Option<Vec<u8>>,
    description: Option<Vec<u8>>,
    flags: Vec<Vec<u8>>,
    callback: Option<FunctionRef>,
}

fn named_registration(stack: &mut Stack<'_>) -> Result<Registration, Raise> {
    if stack.kind(1) != Kind::Table {
        let text = "calling redis.register_function with a single argument is only applicable to Lua table \
                    (representing named arguments).";
        return Err(throw(stack, text));
    }
    let mut named = Named::default();
    stack.push_nil()?;
    let mut fault = None;
    while fault.is_none() && stack.next(1)? {
        fault = read_named(stack, &mut named)?.err();
        stack.pop(1);
    }
    let fault = match (fault, &named) {
        (Some(fault), _) => fault,
        (None, Named { name: None, .. }) => {
            "redis.register_function must get a function name argument"
        }
        (None, Named { callback: None, .. }) => {
            "redis.register_function must get a callback argument"
        }
        (None, Named { name: Some(_), callback: Some(_), .. }) => {
            return Ok(Registration {
                name: named.name.expect("matched above"),
                description: named.description,
                flags: named.flags,
                function: named.callback.expect("matched above"),
            });
        }
    };
    if let Some(callback) = named.callback {
        stack.forget(callback.0);
    }
    Err(throw(stack, fault))
}

/// Takes in the argument on top, with its name below it.
fn read_named(stack: &mut Stack<'_>, named: &mut Named) -> Result<Result<(), &'static str>, Raise> {
    let Some(key) = stack.text(-2) else {
        return Ok(Err("named argument key given to redis.register_function is not a string"));
    };
    match key.to_ascii_lowercase().as_slice() {
        b"function_name" => match stack.text(-1) {
            Some(name) => named.name = Some(name),
            None => {
                return Ok(Err(
                    "function_name argument given to redis.register_function must be a string",
                ));
            }
        },
        b"description" => match stack.text(-1) {
            Some(description) => named.description = Some(description),
            None => {
                return Ok(Err(
                    "description argument given to redis.register_function must be a string",
                ));
            }
        },
        b"callback" => {
            if stack.kind(-1) != Kind::Function {
                return Ok(Err(
                    "callback argument given to redis.register_function must be a function",
                ));
            }
            stack.push_copy(-1)?;
            if let Some(earlier) = named.callback.replace(FunctionRef(stack.keep())) {
                stack.forget(earlier.0);
            }
        }
        b"flags" => {
            if stack.kind(-1) != Kind::Table {
                return Ok(Err(
                    "flags argument to redis.register_function must be a table representing function flags",
                ));
            }
            match read_flags(stack)? {
                Some(flags) => named.flags = flags,
                None => return Ok(Err("unknown flag given")),
            }
        }
        _ => return Ok(Err("unknown argument given to redis.register_function")),
    }
    Ok(Ok(()))
}

/// The elements of the table on top, if all of them are texts.
fn read_flags(stack: &mut Stack<'_>) -> Result<Option<Vec<Vec<u8>>>, Raise> {
    let mut flags = Vec::new();
    for n in 1.. {
        stack.get_index(-1, n)?;
        let (kind, flag) = (stack.kind(-1), stack.text(-1));
        stack.pop(1);
        match flag {
            Some(flag) => flags.push(flag),
            None if kind == Kind::Nil => break,
            None => return Ok(None),
        }
    }
    Ok(Some(flags))
}
