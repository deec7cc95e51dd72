//! Replies of commands to values of Lua, and what a script returns to a reply.
//!
//! ```text
//!   RESP           Lua                                  Lua                             RESP3 (RESP2)
//!   :1             1                                    1.9                             :1
//!   $1 a           "a"                                  "a"                             $1 a
//!   +OK            { ok = "OK" }                        { ok = "OK" }                   +OK
//!   -ERR x         { err = "ERR x", ... }               { err = "ERR x" }               -ERR x
//!   *2 ..          { .., .. }                           { .., .., nil }                 *2 ..
//!   $-1 *-1        false                                false                           #f, after setresp(3); else _ ($-1)
//!   _              nil                                  nil, a function, ...            _ ($-1)
//!   #t             true                                 true                            #t, after setresp(3); else :1
//!   ,1.5           { double = 1.5 }                     { double = 1.5 }                ,1.5 ($3 1.5)
//!   (12            { big_number = "12" }                the same                        (12 ($2 12)
//!   =txt:a         { verbatim_string =                  the same                        =txt:a ($1 a)
//!                    { string = "a", format = "txt" } }
//!   %1 k v         { map = { [k] = v } }                the same                        %1 k v (*2 k v)
//!   ~1 e           { set = { [e] = true } }             the same                        ~1 e (*1 e)
//! ```
//!
//! Invariant: neither direction nests deeper than its bound.

use base::number::{format_double, parse_double, parse_i64};
use wire::resp::reply::{ErrorReply, ReplyWriter};

use crate::library::text_field;
use crate::number::truncate;
use crate::sandbox::Answer;
use crate::stack::{Kind, Raise, Stack};

/// Replies of commands nest a few levels deep.
const REPLY_DEPTH_MAX: u32 = 64;
/// What a script returns may nest this deep; far below what fits on the stack.
const VALUE_DEPTH_MAX: u32 = 500;

// --- replies to values

/// Pushes the value of a reply; `true` when it is an error.
pub(crate) fn push_reply(stack: &mut Stack<'_>, reply: &[u8]) -> Result<bool, Raise> {
    let mut reader = Reader { rest: reply };
    reader.push(stack, 0)?;
    Ok(reply.first() == Some(&b'-'))
}

/// Pushes the table of an error: `-CODE text`, or a text that gets the code ERR.
pub(crate) fn push_error(stack: &mut Stack<'_>, error: &[u8]) -> Result<(), Raise> {
    let (code, text) = match error.strip_prefix(b"-") {
        None => (&b"ERR"[..], error),
        Some(error) => match error.iter().position(|byte| *byte == b' ') {
            Some(space) => (&error[..space], &error[space + 1..]),
            None => (&b"ERR"[..], error),
        },
    };
    let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let from = text.iter().take_while(|byte| is_break(byte)).count();
    let behind = text[from..].iter().rev().take_while(|byte| is_break(byte)).count();
    let message = [code, b" ", &text[from..text.len() - behind]].concat();
    stack.push_table(0, 4)?;
    stack.push_bytes(&message)?;
    stack.set_field(-2, "err")
}

/// Says in the error on top that it was counted already.
pub(crate) fn mark_counted(stack: &mut Stack<'_>) -> Result<(), Raise> {
    stack.push_boolean(true)?;
    stack.set_field(-2, "ignore_error_stats_update")
}

/// Reads a reply of our own commands: it is well formed.
struct Reader<'r> {
    rest: &'r [u8],
}

impl<'r> Reader<'r> {
    fn line(&mut self) -> &'r [u8] {
        let end = self.rest.windows(2).position(|pair| pair == b"\r\n").unwrap_or(self.rest.len());
        let line = &self.rest[..end];
        self.rest = self.rest.get(end + 2..).unwrap_or_default();
        line
    }

    fn bulk(&mut self, length: usize) -> &'r [u8] {
        let bytes = &self.rest[..length.min(self.rest.len())];
        self.rest = self.rest.get(length + 2..).unwrap_or_default();
        bytes
    }

    fn push(&mut self, stack: &mut Stack<'_>, depth: u32) -> Result<(), Raise> {
        if depth > REPLY_DEPTH_MAX {
            return Err(Raise::text("reached lua stack limit"));
        }
        let Some((&kind, rest)) = self.rest.split_first() else { return stack.push_nil() };
        self.rest = rest;
        let line = self.line();
        match kind {
            b'+' => {
                stack.push_table(0, 1)?;
                stack.push_bytes(line)?;
                stack.set_field(-2, "ok")
            }
            b'-' => {
                push_error(stack, &[b"-", line].concat())?;
                mark_counted(stack)
            }
            b':' => stack.push_number(parse_i64(line).unwrap_or(0) as f64),
            b'_' => stack.push_nil(),
            b'#' => stack.push_boolean(line == b"t"),
            b',' => {
                stack.push_table(0, 1)?;
                stack.push_number(parse_double(line).unwrap_or(f64::NAN))?;
                stack.set_field(-2, "double")
            }
            b'(' => {
                stack.push_table(0, 1)?;
                stack.push_bytes(line)?;
                stack.set_field(-2, "big_number")
            }
            _ => match parse_i64(line).and_then(|count| usize::try_from(count).ok()) {
                Some(count) => self.push_counted(stack, kind, count, depth),
                None => stack.push_boolean(false),
            },
        }
    }

    fn push_counted(
        &mut self,
        stack: &mut Stack<'_>,
        kind: u8,
        count: usize,
        depth: u32,
    ) -> Result<(), Raise> {
        match kind {
            b'$' => stack.push_bytes(self.bulk(count)),
            b'=' => {
                let text = self.bulk(count);
                let (format, text) = text.split_at(text.len().min(4));
                stack.push_table(0, 1)?;
                stack.push_table(0, 2)?;
                stack.push_bytes(text)?;
                stack.set_field(-2, "string")?;
                stack.push_bytes(format.strip_suffix(b":").unwrap_or(format))?;
                stack.set_field(-2, "format")?;
                stack.set_field(-2, "verbatim_string")
            }
            b'|' => {
                // Scripts do not see attributes, only the reply that they describe.
                for _ in 0..2 * count {
                    self.push(stack, depth + 1)?;
                    stack.pop(1);
                }
                self.push(stack, depth + 1)
            }
            b'%' => {
                stack.push_table(0, 1)?;
                stack.push_table(0, count)?;
                for _ in 0..count {
                    self.push(stack, depth + 1)?;
                    self.push(stack, depth + 1)?;
                    stack.set(-3)?;
                }
                stack.set_field(-2, "map")
            }
            b'~' => {
                stack.push_table(0, 1)?;
                stack.push_table(0, count)?;
                for _ in 0..count {
                    self.push(stack, depth + 1)?;
                    stack.push_boolean(true)?;
                    stack.set(-3)?;
                }
                stack.set_field(-2, "set")
            }
            _ => {
                stack.push_table(count, 0)?;
                for n in 1..=i32::try_from(count).map_err(|_| Raise::NoMemory)? {
                    self.push(stack, depth + 1)?;
                    stack.set_index(-2, n)?;
                }
                Ok(())
            }
        }
    }
}

// --- values to replies

impl Answer<'_> {
    /// Writes what the script has returned. Returns the errors in it that are to be counted.
    pub fn write(mut self, reply: &mut ReplyWriter<'_>) -> Vec<ErrorReply> {
        let begin = reply.buffer().len();
        let mut writer =
            Writer { reply, is_resp3: self.is_resp3, errors: Vec::new(), begin, values: 0 };
        // What does not fit on the stack was answered with an error in its place.
        if writer.write(&mut self.stack, 0).is_err() {
            writer.too_deep();
        }
        if writer.is_full() {
            let error = ErrorReply::new("ERR the script returned too much");
            writer.reply.buffer().truncate(begin);
            writer.reply.error(&error);
            writer.errors = vec![error];
        }
        writer.errors
    }
}

/// A table can hold itself many times over; what it becomes as a reply has these bounds, both for all of it.
const REPLY_BYTES_MAX: usize = 1 << 30;
const REPLY_VALUES_MAX: usize = 32 << 20;
/// Values that a table itself counts for: to look at it takes as long.
const TABLE_VALUES: usize = 16;

struct Writer<'w, 'r> {
    reply: &'w mut ReplyWriter<'r>,
    is_resp3: bool,
    errors: Vec<ErrorReply>,
    /// Where the reply begins in its buffer.
    begin: usize,
    /// Values of the tables that were begun.
    values: usize,
}

impl Writer<'_, '_> {
    /// Whether a bound is reached: then nothing more is written, and all of it will be replaced by an error.
    fn is_full(&mut self) -> bool {
        self.values > REPLY_VALUES_MAX || self.reply.buffer().len() - self.begin > REPLY_BYTES_MAX
    }

    fn too_deep(&mut self) {
        let error = ErrorReply::new("ERR reached lua stack limit");
        self.reply.error(&error);
        self.errors.push(error);
    }

    /// Writes the value on top and takes it away. Exactly one reply is written, or nothing and `Err`.
    fn write(&mut self, stack: &mut Stack<'_>, depth: u32) -> Result<(), Raise> {
        match stack.kind(-1) {
            _ if self.is_full() => {}
            Kind::String => self.reply.bulk(stack.bytes(-1).expect("it is a string")),
            Kind::Number => self.reply.integer(truncate(stack.number(-1).expect("it is a number"))),
            Kind::Boolean => match (self.is_resp3, stack.boolean(-1)) {
                (true, value) => self.reply.boolean(value),
                (false, true) => self.reply.integer(1),
                (false, false) => self.reply.null(),
            },
            Kind::Table if depth >= VALUE_DEPTH_MAX => self.too_deep(),
            Kind::Table => self.write_table(stack, depth)?,
            _ => self.reply.null(),
        }
        stack.pop(1);
        Ok(())
    }

    /// Writes the table on top.
    fn write_table(&mut self, stack: &mut Stack<'_>, depth: u32) -> Result<(), Raise> {
        if let Some(bytes) = string_field(stack, "err")? {
            return self.write_error(stack, &bytes);
        }
        if let Some(text) = string_field(stack, "ok")? {
            self.reply.simple(&one_line(&text));
            return Ok(());
        }
        stack.get_field(-1, "double")?;
        let double = if stack.kind(-1) == Kind::Number { stack.number(-1) } else { None };
        stack.pop(1);
        if let Some(double) = double {
            self.reply.double_text(&format_double(double));
            return Ok(());
        }
        if let Some(text) = string_field(stack, "big_number")? {
            self.reply.big_number(&one_line(&text));
            return Ok(());
        }
        if self.write_verbatim(stack)? {
            return Ok(());
        }
        for (name, is_map) in [("map", true), ("set", false)] {
            stack.get_field(-1, name)?;
            if stack.kind(-1) == Kind::Table {
                self.write_members(stack, is_map, depth)?;
                stack.pop(1);
                return Ok(());
            }
            stack.pop(1);
        }
        self.write_list(stack, depth)
    }

    fn write_error(&mut self, stack: &mut Stack<'_>, message: &[u8]) -> Result<(), Raise> {
        stack.get_field(-1, "ignore_error_stats_update")?;
        let is_counted = stack.kind(-1) == Kind::Boolean && stack.boolean(-1);
        stack.pop(1);
        let error = ErrorReply::from(one_line(message));
        self.reply.error(&error);
        if !is_counted {
            self.errors.push(error);
        }
        Ok(())
    }

    fn write_verbatim(&mut self, stack: &mut Stack<'_>) -> Result<bool, Raise> {
        stack.get_field(-1, "verbatim_string")?;
        let mut is_written = false;
        if stack.kind(-1) == Kind::Table
            && let Some(format) = string_field(stack, "format")?
            && let Some(text) = string_field(stack, "string")?
        {
            let letters = one_line(&format);
            let format: String =
                letters.chars().filter(char::is_ascii).chain("   ".chars()).take(3).collect();
            self.reply.verbatim(&format, &text);
            is_written = true;
        }
        stack.pop(1);
        Ok(is_written)
    }

    /// Writes the keys, or keys and values, of the table on top.
    fn write_members(
        &mut self,
        stack: &mut Stack<'_>,
        is_map: bool,
        depth: u32,
    ) -> Result<(), Raise> {
        let mut count = 0;
        stack.push_nil()?;
        while stack.next(-2)? {
            stack.pop(1);
            count += 1;
        }
        self.values += TABLE_VALUES + count;
        // Room for what follows: once the header is out, everything must come.
        let bottom = stack.top();
        for _ in 0..4 {
            stack.push_nil()?;
        }
        stack.set_top(bottom);
        if is_map {
            self.reply.map(count)
        } else {
            self.reply.set(count)
        }
        stack.push_nil()?;
        while stack.next(-2)? {
            if self.is_full() {
                stack.pop(2);
                break;
            }
            stack.push_copy(-2)?;
            self.write_or_refuse(stack, depth);
            if is_map {
                self.write_or_refuse(stack, depth);
            } else {
                stack.pop(1);
            }
        }
        Ok(())
    }

    /// Writes the elements of the table on top, up to the first nil.
    fn write_list(&mut self, stack: &mut Stack<'_>, depth: u32) -> Result<(), Raise> {
        let mut count = 0;
        loop {
            stack.get_index(-1, count + 1)?;
            let is_end = stack.kind(-1) == Kind::Nil;
            stack.pop(1);
            if is_end || count == i32::MAX - 1 {
                break;
            }
            count += 1;
        }
        let length = usize::try_from(count).expect("it counts up");
        self.values += TABLE_VALUES + length;
        self.reply.array(length);
        for n in 1..=count {
            if self.is_full() {
                break;
            }
            stack.get_index(-1, n)?;
            self.write_or_refuse(stack, depth);
        }
        Ok(())
    }

    /// Writes the value on top, or an error in its place.
    fn write_or_refuse(&mut self, stack: &mut Stack<'_>, depth: u32) {
        let below = stack.top() - 1;
        if self.write(stack, depth + 1).is_err() {
            self.too_deep();
            stack.set_top(below);
        }
    }
}

/// A field of the table on top that is a string, and not a number.
fn string_field(stack: &mut Stack<'_>, name: &str) -> Result<Option<Vec<u8>>, Raise> {
    stack.get_field(-1, name)?;
    let is_string = stack.kind(-1) == Kind::String;
    stack.pop(1);
    if is_string { text_field(stack, name) } else { Ok(None) }
}

/// Text that cannot end its line.
fn one_line(text: &[u8]) -> String {
    String::from_utf8_lossy(text).replace(['\r', '\n'], " ")
}
