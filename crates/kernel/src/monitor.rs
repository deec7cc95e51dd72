//! MONITOR: clients that are shown every command of every other client.
//!
//! ```text
//!   +1700000000.123456 [0 127.0.0.1:50000] "set" "k" "a \"word\" \x00"
//!    seconds.micros     db address           words, escaped; passwords are "(redacted)"
//! ```
//!
//! A command is shown when it has run, once, also if it then waits for a key; one that runs others (EVAL, FCALL) before
//! they are. Commands with the flag `admin` are not shown, and neither is what was refused or only queued.

use std::fmt::Write;

use catalog::{CommandSpec, Flag};
use net::{Address, Token};
use wire::resp::reply::ErrorReply;

use crate::client::Session;
use crate::command::table::Binding;
use crate::command::{Args, CmdResult, Handler, NodeTurn};
use crate::node::Node;
use crate::slowlog;
use crate::turn::wall_clock_micros;

pub(crate) const COMMANDS: &[Binding] = &[("monitor", Handler::Node(monitor))];

/// MONITOR answers more than once, which a transaction or a script cannot.
pub(crate) const NOT_IN_TRANSACTION: ErrorReply =
    ErrorReply::new("ERR MONITOR isn't allowed for DENY BLOCKING client");

const REDACTED: &[u8] = b"(redacted)";

/// When a command is shown, if at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shown {
    Never,
    /// What it runs is shown behind it.
    Before,
    After,
}

impl Shown {
    pub(crate) fn of(spec: &CommandSpec) -> Shown {
        if spec.has(Flag::SkipMonitor) {
            Shown::Before
        } else if spec.has(Flag::Admin) {
            Shown::Never
        } else {
            Shown::After
        }
    }
}

fn monitor(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    let session = &mut *cx.turn.session;
    if !session.is_monitor {
        session.is_monitor = true;
        cx.node.monitors.push(session.token);
        cx.turn.reply.ok();
    }
    Ok(())
}

impl Node {
    /// The client watches no more.
    pub(crate) fn end_monitor(&mut self, session: &mut Session) {
        if std::mem::take(&mut session.is_monitor) {
            self.monitors.retain(|token| *token != session.token);
        }
    }

    /// Shows a command to all who watch.
    #[cold]
    pub(crate) fn show(&mut self, db: u16, source: &str, spec: &CommandSpec, args: &Args<'_>) {
        if self.is_loading {
            return;
        }
        let micros = wall_clock_micros();
        let mut line = format!("+{}.{:06} [{db} {source}]", micros / 1_000_000, micros % 1_000_000);
        for at in 0..args.len() {
            let is_secret = slowlog::is_secret(spec, args, at);
            line.push(' ');
            quote(&mut line, if is_secret { REDACTED } else { args.key(at) });
        }
        line.push_str("\r\n");
        for token in self.monitors.clone() {
            self.touch(token);
            if let Some(output) = self.net.output(token) {
                output.buffer().extend_from_slice(line.as_bytes());
                let is_subscribed = self.clients.get(token).is_some_and(Session::is_subscribed);
                self.bound_told(token, is_subscribed);
            }
        }
    }

    /// Shows a command that a script has called.
    #[inline]
    pub(crate) fn show_scripted(&mut self, db: u16, spec: &CommandSpec, args: &Args<'_>) {
        if !self.monitors.is_empty() && Shown::of(spec) == Shown::After {
            self.show(db, "lua", spec, args);
        }
    }

    /// Shows a command of a client whose session is at hand.
    #[inline]
    pub(crate) fn show_command(
        &mut self,
        when: Shown,
        session: &Session,
        spec: &CommandSpec,
        args: &Args<'_>,
    ) {
        if !self.monitors.is_empty() && Shown::of(spec) == when {
            self.show(session.db, &source(&session.peer), spec, args);
        }
    }

    /// The same for a client whose command does not run at the moment.
    #[inline]
    pub(crate) fn show_command_of(
        &mut self,
        when: Shown,
        token: Token,
        spec: &CommandSpec,
        args: &Args<'_>,
    ) {
        if !self.monitors.is_empty()
            && Shown::of(spec) == when
            && let Some(session) = self.clients.get(token)
        {
            let (db, source) = (session.db, source(&session.peer));
            self.show(db, &source, spec, args);
        }
    }
}

/// Where a command comes from.
fn source(peer: &Address) -> String {
    match peer {
        Address::Ip(address) => address.to_string(),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// A word in double quotes, with the escapes of C.
fn quote(line: &mut String, word: &[u8]) {
    line.push('"');
    for &byte in word {
        match byte {
            b'\\' | b'"' => line.extend(['\\', char::from(byte)]),
            b'\n' => line.push_str("\\n"),
            b'\r' => line.push_str("\\r"),
            b'\t' => line.push_str("\\t"),
            7 => line.push_str("\\a"),
            8 => line.push_str("\\b"),
            b' '..=b'~' => line.push(char::from(byte)),
            _ => write!(line, "\\x{byte:02x}").expect("a String takes any text"),
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_shown_as_they_are_typed() {
        let mut line = String::new();
        quote(&mut line, b"a \"b\"\\\r\n\t\x07\x08\x00\xff");
        assert_eq!(line, "\"a \\\"b\\\"\\\\\\r\\n\\t\\a\\b\\x00\\xff\"");
    }
}
