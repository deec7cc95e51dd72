//! What a person reads: lines on standard output, JSON for programs, errors with a way out.

use std::io::{self, Write};

use serde::Serialize;

/// Writes one line. A reader that went away (`pollux status | head -1`) is not an error of ours.
pub(crate) fn say(line: impl std::fmt::Display) {
    let mut out = io::stdout().lock();
    if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        tracing::warn!(%error, "cannot write to standard output");
    }
}

/// Writes a value as indented JSON.
pub(crate) fn say_json(value: &impl Serialize) {
    say(serde_json::to_string_pretty(value).expect("the contract's types always have a JSON form"));
}

/// What went wrong and what to do about it.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) what: String,
    pub(crate) remedy: String,
    /// The command line itself is wrong, as when clap refuses it.
    pub(crate) is_usage: bool,
}

impl Trouble {
    pub(crate) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Trouble {
        Trouble { what: what.into(), remedy: remedy.into(), is_usage: false }
    }

    pub(crate) fn usage(what: impl Into<String>, remedy: impl Into<String>) -> Trouble {
        Trouble { is_usage: true, ..Trouble::new(what, remedy) }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n  {}", self.what, self.remedy)
    }
}

impl std::error::Error for Trouble {}
