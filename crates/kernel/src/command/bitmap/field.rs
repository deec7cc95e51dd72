//! BITFIELD and BITFIELD_RO.

use base::number::parse_i64;
use wire::effect::Effect;
use wire::resp::reply::ErrorReply;

use super::bits::{Field, Overflow};
use crate::command::{Args, CmdResult, NodeTurn, Stop};
use crate::keyspace::{Class, Keyspace};

const BAD_TYPE: ErrorReply = ErrorReply::new(
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
);

/// One subcommand.
struct Step {
    field: Field,
    action: Action,
    overflow: Overflow,
}

#[derive(Clone, Copy)]
enum Action {
    Get,
    Set(i64),
    Increment(i64),
}

pub(super) fn bitfield(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let steps = parse(args, super::addressable_bytes(cx))?;
    run(cx, args.key(1), &steps)
}

pub(super) fn bitfield_ro(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let steps = parse(args, super::addressable_bytes(cx))?;
    if steps.iter().any(Step::is_write) {
        return Err(ErrorReply::new("ERR BITFIELD_RO only supports the GET subcommand").into());
    }
    run(cx, args.key(1), &steps)
}

fn parse(args: &Args<'_>, bytes_max: u64) -> Result<Vec<Step>, Stop> {
    let (mut steps, mut overflow, mut at) = (Vec::new(), Overflow::Wrap, 2);
    while at < args.len() {
        let behind = args.len() - at - 1;
        if args.is(at, "overflow") && behind >= 1 {
            overflow = parse_overflow(args, at + 1)?;
            at += 2;
            continue;
        }
        let is_get = args.is(at, "get");
        let words = if is_get { 2 } else { 3 };
        let is_known = is_get || args.is(at, "set") || args.is(at, "incrby");
        if !is_known || behind < words {
            return Err(ErrorReply::SYNTAX.into());
        }
        let (is_signed, width) = parse_type(args.key(at + 1)).ok_or(Stop::Error(BAD_TYPE))?;
        let offset = super::offset(args.key(at + 2), Some(width), bytes_max)?;
        let action = match (is_get, args.is(at, "set")) {
            (true, _) => Action::Get,
            (false, true) => Action::Set(args.int(at + 3)?),
            (false, false) => Action::Increment(args.int(at + 3)?),
        };
        steps.push(Step { field: Field { offset, width, is_signed }, action, overflow });
        at += 1 + words;
    }
    Ok(steps)
}

fn parse_overflow(args: &Args<'_>, at: usize) -> Result<Overflow, Stop> {
    if args.is(at, "wrap") {
        Ok(Overflow::Wrap)
    } else if args.is(at, "sat") {
        Ok(Overflow::Saturate)
    } else if args.is(at, "fail") {
        Ok(Overflow::Fail)
    } else {
        Err(ErrorReply::new("ERR Invalid OVERFLOW type specified").into())
    }
}

/// `i1`..`i64`, `u1`..`u63`, up to the first NUL: whether it is signed, and its width.
fn parse_type(text: &[u8]) -> Option<(bool, u32)> {
    let (kind, digits) = text.split_first()?;
    let is_signed = match kind {
        b'i' => true,
        b'u' => false,
        _ => return None,
    };
    let width = parse_i64(digits.split(|byte| *byte == 0).next()?)?;
    let width = u32::try_from(width).ok()?;
    let widest = if is_signed { 64 } else { 63 };
    (1..=widest).contains(&width).then_some((is_signed, width))
}

impl Step {
    fn is_write(&self) -> bool {
        !matches!(self.action, Action::Get)
    }

    /// Carries the step out; `None` when the number does not fit and must not be stored.
    fn run(&self, keys: &mut Keyspace, key: &[u8]) -> Result<Option<i64>, Stop> {
        let field = self.field;
        let old = super::with_bytes(keys, key, |bytes| field.read(bytes))?;
        let (target, returns_old) = match self.action {
            Action::Get => return Ok(Some(old)),
            Action::Set(value)
                if self.overflow == Overflow::Saturate && field.looks_too_large(value) =>
            {
                (i128::from(i64::MAX), true)
            }
            Action::Set(value) if field.is_signed => (i128::from(value), true),
            // A negative number is the large one of the same bits.
            Action::Set(value) => (i128::from(value.cast_unsigned()), true),
            Action::Increment(by) => (i128::from(old) + i128::from(by), false),
        };
        let Some(new) = field.fit(target, self.overflow) else { return Ok(None) };
        if new != old {
            let value = super::with_bytes(keys, key, |bytes| field.written(bytes, new))?;
            keys.apply(Effect::SetRange { key, offset: field.first_byte() as u64, value: &value });
        }
        Ok(Some(if returns_old { old } else { new }))
    }
}

fn run(cx: &mut NodeTurn<'_>, key: &[u8], steps: &[Step]) -> CmdResult {
    let ends = steps.iter().filter(|step| step.is_write()).map(|step| &step.field);
    let end = ends.map(|field| field.first_byte() + field.bytes()).max();
    // The type is checked before anything is replied; what only reads counts as a read.
    match end {
        None => cx.turn.keys.string(key)?,
        Some(_) => cx.turn.keys.peek_string(key)?,
    };
    let length_before = super::length(cx.turn.keys, key)?;
    let changes_before = cx.turn.keys.tally().changes;
    cx.turn.reply.array(steps.len());
    let mut is_any_stored = false;
    for step in steps {
        let outcome = step.run(cx.turn.keys, key)?;
        match outcome {
            Some(value) => cx.turn.reply.integer(value),
            None => cx.turn.reply.null(),
        }
        is_any_stored |= step.is_write() && outcome.is_some();
    }
    let is_any_changed = cx.turn.keys.tally().changes != changes_before;
    // As in Redis, there is room even for what was not stored.
    if let Some(end) = end
        && super::length(cx.turn.keys, key)? < end
    {
        cx.turn.keys.apply(Effect::SetRange { key, offset: end as u64 - 1, value: &[0] });
    }
    // Room alone is no change that Redis tells of.
    let has_grown = end.is_some_and(|end| length_before < end);
    if is_any_changed || is_any_stored && has_grown {
        cx.turn.keys.notify(Class::String, "setbit", key);
    } else if end.is_some() {
        cx.turn.keys.make_editable(key);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types() {
        let check = |text: &str, expect| assert_eq!(parse_type(text.as_bytes()), expect, "{text}");
        check("i64", Some((true, 64)));
        check("u63", Some((false, 63)));
        check("u64", None);
        check("i65", None);
        check("i0", None);
        check("U8", None);
        check("u", None);
        check("", None);
        check("u08", None);
    }
}
