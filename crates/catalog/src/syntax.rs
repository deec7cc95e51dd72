//! Syntax lines from the argument tree: what HELP and the console show.

use std::fmt::{self, Write};

use crate::spec::{Argument, ArgumentKind, CommandSpec};

/// The words behind a command's name, as in `[NX | XX] [GT | LT] [CH] score member [score member ...]`.
#[derive(Clone, Copy, Debug)]
pub struct Syntax<'a>(pub &'a CommandSpec);

impl fmt::Display for Syntax<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_all(f, self.0.docs.arguments, " ")
    }
}

fn write_all(f: &mut fmt::Formatter<'_>, arguments: &[Argument], gap: &str) -> fmt::Result {
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 {
            f.write_str(gap)?;
        }
        write_argument(f, argument)?;
    }
    Ok(())
}

fn write_argument(f: &mut fmt::Formatter<'_>, argument: &Argument) -> fmt::Result {
    if argument.is_optional {
        f.write_char('[')?;
    }
    if let Some(token) = argument.token {
        f.write_str(token)?;
        if argument.kind != ArgumentKind::PureToken {
            f.write_char(' ')?;
        }
    }
    write_value(f, argument)?;
    if argument.is_multiple {
        f.write_str(" [")?;
        if let Some(token) = argument.token.filter(|_| argument.repeats_token) {
            write!(f, "{token} ")?;
        }
        write_value(f, argument)?;
        f.write_str(" ...]")?;
    }
    if argument.is_optional {
        f.write_char(']')?;
    }
    Ok(())
}

fn write_value(f: &mut fmt::Formatter<'_>, argument: &Argument) -> fmt::Result {
    match argument.kind {
        ArgumentKind::PureToken => Ok(()),
        ArgumentKind::Block => write_all(f, argument.arguments, " "),
        ArgumentKind::OneOf if argument.is_optional => write_all(f, argument.arguments, " | "),
        ArgumentKind::OneOf => {
            f.write_char('<')?;
            write_all(f, argument.arguments, " | ")?;
            f.write_char('>')
        }
        ArgumentKind::Double
        | ArgumentKind::Integer
        | ArgumentKind::Key
        | ArgumentKind::Pattern
        | ArgumentKind::String
        | ArgumentKind::UnixTime => f.write_str(argument.display.unwrap_or(argument.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expect: &str) {
        let spec = crate::find_full(name.as_bytes()).expect(name);
        assert_eq!(Syntax(spec).to_string(), expect, "{name}");
    }

    #[test]
    fn arguments_as_one_line() {
        check("ping", "[message]");
        check("zadd", "key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]");
        check("mget", "key [key ...]");
        check("client|reply", "<ON | OFF | SKIP>");
        check(
            "sort_ro",
            "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] \
                          [ASC | DESC] [ALPHA]",
        );
    }
}
