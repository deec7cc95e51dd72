//! What the tasks are told: flags with a value each, `--name value`.
//!
//! ```text
//!   args --> pairs --> the task takes what it knows, by name --> what is left over is an error, with the help text
//! ```

use std::error::Error;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};

/// The flags that were given and are not taken yet.
pub(crate) struct Flags<'a> {
    given: Vec<(&'a str, &'a str)>,
}

/// Lets `take_all` take what the task knows. `None`: help was asked for, and is printed. An error when a flag lacks its
/// value, has a wrong one, comes twice or is not known.
pub(crate) fn read<T>(
    usage: &str,
    args: &[String],
    take_all: impl FnOnce(&mut Flags<'_>) -> Result<T>,
) -> Result<Option<T>> {
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        eprint!("{usage}");
        return Ok(None);
    }
    parse(args, take_all).map(Some).map_err(|error| error.context(format!("{usage}\nwrong call")))
}

fn parse<T>(args: &[String], take_all: impl FnOnce(&mut Flags<'_>) -> Result<T>) -> Result<T> {
    let mut flags = Flags { given: Vec::new() };
    for pair in args.chunks(2) {
        let [name, value] = pair else { bail!("{} needs a value", pair[0]) };
        if flags.given.iter().any(|(other, _)| other == name) {
            bail!("{name} is given twice");
        }
        flags.given.push((name, value));
    }
    let taken = take_all(&mut flags)?;
    match flags.given.first() {
        Some((unknown, _)) => bail!("unknown option {unknown}"),
        None => Ok(taken),
    }
}

impl Flags<'_> {
    /// The value of a flag, if it was given.
    pub(crate) fn take<T>(&mut self, name: &str) -> Result<Option<T>>
    where
        T: FromStr<Err: Error + Send + Sync + 'static>,
    {
        let Some(at) = self.given.iter().position(|(given, _)| *given == name) else {
            return Ok(None);
        };
        let (_, value) = self.given.swap_remove(at);
        value.parse().map(Some).with_context(|| format!("{name} {value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_two(line: &str) -> Result<Option<(u64, Option<String>)>, String> {
        let args: Vec<String> = line.split_ascii_whitespace().map(str::to_owned).collect();
        let take = |flags: &mut Flags<'_>| {
            Ok((flags.take("--rounds")?.unwrap_or(5), flags.take("--bin")?))
        };
        read("usage: ...\n", &args, take).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn flags_come_in_any_order_or_not_at_all() {
        assert_eq!(read_two(""), Ok(Some((5, None))));
        assert_eq!(read_two("--bin x --rounds 7"), Ok(Some((7, Some("x".to_owned())))));
        assert_eq!(read_two("--rounds 7 --help"), Ok(None));
        assert_eq!(read_two("-h"), Ok(None));
    }

    #[test]
    fn what_is_wrong_is_named_behind_the_help() {
        for (line, why) in [
            ("--rounds", "--rounds needs a value"),
            ("--rounds x", "--rounds x: invalid digit found in string"),
            ("--rounds 1 --rounds 2", "--rounds is given twice"),
            ("--rounds 1 --sound 2", "unknown option --sound"),
        ] {
            assert_eq!(read_two(line), Err(format!("usage: ...\n\nwrong call: {why}")));
        }
    }
}
