//! BITOP.

use wire::effect::Effect;
use wire::resp::reply::ErrorReply;

use crate::command::{Args, CmdResult, Stop, Turn};
use crate::keyspace::{Class, Stored};

/// An effect holds so many bytes of the result.
const BYTES_PER_EFFECT: usize = 1 << 20;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
}

impl Operation {
    fn parse(args: &Args<'_>) -> Result<Operation, Stop> {
        let named = [
            ("and", Operation::And),
            ("or", Operation::Or),
            ("xor", Operation::Xor),
            ("not", Operation::Not),
        ];
        let found = named.into_iter().find(|(name, _)| args.is(1, name));
        let (_, operation) = found.ok_or(Stop::Error(ErrorReply::SYNTAX))?;
        if operation == Operation::Not && args.len() != 4 {
            let text = "ERR BITOP NOT must be called with a single source key.";
            return Err(ErrorReply::new(text).into());
        }
        Ok(operation)
    }

    /// Takes one more source into the result. The shorter of the two goes on in zeros.
    fn fold(self, result: &mut Vec<u8>, source: &[u8]) {
        if result.len() < source.len() {
            result.resize(source.len(), 0);
        }
        let (common, rest) = result.split_at_mut(source.len());
        let pairs = common.iter_mut().zip(source);
        match self {
            Operation::And => {
                pairs.for_each(|(to, from)| *to &= from);
                rest.fill(0);
            }
            Operation::Or => pairs.for_each(|(to, from)| *to |= from),
            Operation::Xor => pairs.for_each(|(to, from)| *to ^= from),
            Operation::Not => unreachable!("it has one source"),
        }
    }
}

pub(super) fn bitop(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let operation = Operation::parse(args)?;
    let mut result = Vec::new();
    for (at, key) in args.iter_from(3).enumerate() {
        let mut room = itoa::Buffer::new();
        let string = cx.keys.string(key)?;
        let bytes = string.as_ref().map_or(b"".as_slice(), |string| string.text(&mut room));
        if at == 0 {
            result = bytes.to_vec();
        } else {
            operation.fold(&mut result, bytes);
        }
    }
    if operation == Operation::Not {
        result.iter_mut().for_each(|byte| *byte = !*byte);
    }
    let result = cx.keys.temporary(result);
    let key = args.key(2);
    cx.keys.check_room([result.len()].into_iter())?;
    let was_there = cx.keys.make_way(key, result.is_empty());
    // What is made by SetRange is a string with room to grow, as SETBIT likes it.
    for (number, value) in result.chunks(BYTES_PER_EFFECT).enumerate() {
        let offset = (number * BYTES_PER_EFFECT) as u64;
        cx.keys.apply(Effect::SetRange { key, offset, value });
    }
    let stored = Stored::of(result.is_empty(), was_there);
    cx.keys.notify_stored(Class::String, "set", key, stored);
    cx.reply.count(result.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_of_different_lengths() {
        let check = |operation: Operation, sources: &[&[u8]], expect: &[u8]| {
            let mut result = sources[0].to_vec();
            sources[1..].iter().for_each(|source| operation.fold(&mut result, source));
            assert_eq!(result, expect, "{operation:?}");
        };
        let (long, short) = ([0b1100, 0xff, 0x0f].as_slice(), [0b1010].as_slice());
        for sources in [[long, short], [short, long]] {
            check(Operation::And, &sources, &[0b1000, 0, 0]);
            check(Operation::Or, &sources, &[0b1110, 0xff, 0x0f]);
            check(Operation::Xor, &sources, &[0b0110, 0xff, 0x0f]);
        }
        check(Operation::And, &[long, b"", long], &[0, 0, 0]);
        check(Operation::Xor, &[b"", b""], b"");
    }
}
