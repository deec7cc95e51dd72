//! The configuration: the parameters of redis.conf, and the typed values that the node acts upon.
//!
//! ```text
//!   redis.conf, --name value, CONFIG SET
//!        |  kind.rs: is it a value? which form is kept?
//!        v
//!   values: one text a row of table.rs   <--- CONFIG GET, CONFIG REWRITE
//!        |  Settings::read (after each change, all of it)
//!        v
//!   Settings { maxmemory, timeout_seconds, ... }   <--- the hot path: fields, no look-up
//! ```
//!
//! Invariants
//! - Every kept text went through its kind, so reading the typed fields cannot fail.
//! - A change of several parameters happens as a whole or not at all.

pub mod file;
mod kind;
mod settings;
mod table;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use base::glob;
use wire::resp::reply::ErrorReply;

pub use kind::OutputLimit;
pub use settings::{
    AppendFsync, LocalAccess, LogLevel, OomScoring, OutputLimits, SavePoint, Settings,
};
use table::{Change, PARAMETERS, Parameter};

/// All parameters of one node.
#[derive(Clone, Debug)]
pub struct Config {
    /// In the order of `PARAMETERS`, in the form that CONFIG GET shows.
    values: Vec<String>,
    settings: Settings,
    /// The `user` lines, each a name and its rules.
    users: Vec<Vec<String>>,
    /// The `rename-command` lines: a name and the one that takes its place.
    renames: Vec<(String, String)>,
    /// Words for parameters that keep their default whatever is said: names of the table, and values.
    in_vain: Vec<(&'static str, String)>,
    /// The file that CONFIG REWRITE writes.
    file: Option<PathBuf>,
}

/// A line or argument at the start that cannot be obeyed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DirectiveError {
    /// The whole line, as of all below.
    #[error("unknown parameter '{0}' or wrong number of arguments")]
    Unknown(String),
    #[error("'{line}': {problem}")]
    Value { line: String, problem: String },
    #[error("'{0}' is not available in this edition")]
    NotAvailable(String),
}

impl Default for Config {
    fn default() -> Config {
        let values: Vec<String> = PARAMETERS.iter().map(|row| row.default.to_owned()).collect();
        let settings = Settings::read(&Values(&values));
        Config {
            values,
            settings,
            users: Vec::new(),
            renames: Vec::new(),
            in_vain: Vec::new(),
            file: None,
        }
    }
}

impl Config {
    /// The typed values.
    #[inline]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where CONFIG REWRITE writes to.
    pub fn set_file(&mut self, path: PathBuf) {
        self.file = Some(path);
    }

    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Users that the file or the arguments declare: a name and its rules each.
    pub fn users(&self) -> &[Vec<String>] {
        &self.users
    }

    /// Commands that the file or the arguments give another name; an empty one for none at all.
    pub fn renames(&self) -> &[(String, String)] {
        &self.renames
    }

    /// What the file or the arguments said of a parameter that keeps its default nevertheless.
    pub fn said_in_vain(&self, name: &str) -> Option<&str> {
        let said = self.in_vain.iter().rev().find(|(pinned, _)| *pinned == name);
        said.map(|(_, value)| value.as_str())
    }

    /// The value of a parameter as CONFIG GET shows it; by name or older name, in any case.
    pub fn get(&self, name: &str) -> Option<&str> {
        let index = index_of(name.as_bytes())?;
        Some(&self.values[index])
    }

    /// Obeys directives of a file or of `--name value` arguments, each with its words; of lists
    /// (`save`) the first line replaces the default and the following ones add to it.
    pub fn load<'a>(
        &mut self,
        directives: impl IntoIterator<Item = &'a file::Directive>,
    ) -> Result<(), DirectiveError> {
        let mut next = self.values.clone();
        let mut seen = vec![false; PARAMETERS.len()];
        let mut users = self.users.clone();
        let mut renames = self.renames.clone();
        let mut in_vain = self.in_vain.clone();
        for directive in directives {
            if directive.name.eq_ignore_ascii_case("user") {
                declare(&mut users, directive)?;
                continue;
            }
            let unknown = || DirectiveError::Unknown(directive.line());
            if directive.name.eq_ignore_ascii_case("rename-command") {
                let [old, new] = directive.words.as_slice() else { return Err(unknown()) };
                renames.push((old.clone(), new.clone()));
                continue;
            }
            let index = index_of(directive.name.as_bytes()).ok_or_else(unknown)?;
            let row = &PARAMETERS[index];
            let text = match directive.words.as_slice() {
                [one] => one.clone(),
                words if row.kind.is_list() || row.name == "bind" => words.join(" "),
                words if row.name == "replicaof" && words.len() == 2 => words.join(" "),
                _ => return Err(unknown()),
            };
            let wrong = |problem| DirectiveError::Value { line: directive.line(), problem };
            let mut value = row.kind.normalize(&text, &next[index]).map_err(wrong)?;
            if row.name == "replicaof" {
                value = master(&value).ok_or_else(|| match directive.words.len() {
                    2 => wrong("Invalid master port".to_owned()),
                    _ => unknown(),
                })?;
            }
            if row.name == "save" && seen[index] && !value.is_empty() && !next[index].is_empty() {
                value = format!("{} {value}", next[index]);
            }
            seen[index] = true;
            match row.change {
                Change::Pinned => in_vain.push((row.name, value)),
                Change::Fixed if value != row.default => {
                    return Err(DirectiveError::NotAvailable(directive.name.clone()));
                }
                Change::Fixed | Change::Always | Change::AtStart | Change::Protected => {
                    next[index] = value;
                }
            }
        }
        self.take(next);
        self.users = users;
        self.renames = renames;
        self.in_vain = in_vain;
        Ok(())
    }

    /// CONFIG SET: all pairs of name and value or none. Returns the names (those of the table) whose
    /// values changed. `is_local`: the client came over a loopback address.
    pub fn set(
        &mut self,
        pairs: &[(&[u8], &[u8])],
        is_local: bool,
    ) -> Result<Vec<&'static str>, ErrorReply> {
        let rows = self.rows_to_set(pairs, is_local)?;
        let mut next = self.values.clone();
        let mut changed = Vec::new();
        for (&index, (name, text)) in rows.iter().zip(pairs) {
            let row = &PARAMETERS[index];
            let value = std::str::from_utf8(text)
                .map_err(|_| "argument must be valid UTF-8 text".to_owned())
                .and_then(|text| row.kind.normalize(text, &next[index]))
                .map_err(|problem| set_failed(name, &problem))?;
            if row.change != Change::Pinned && value != next[index] {
                if row.change == Change::Fixed {
                    return Err(set_failed(name, "can't set immutable config"));
                }
                next[index] = value;
                changed.push(row.name);
            }
        }
        self.take(next);
        Ok(changed)
    }

    /// The rows of the pairs, when each of them may be set and none comes twice.
    fn rows_to_set(
        &self,
        pairs: &[(&[u8], &[u8])],
        is_local: bool,
    ) -> Result<Vec<usize>, ErrorReply> {
        let mut rows = Vec::with_capacity(pairs.len());
        for (name, _) in pairs {
            let index = index_of(name).ok_or_else(|| {
                let name = String::from_utf8_lossy(name);
                ErrorReply::from(format!(
                    "ERR Unknown option or number of arguments for CONFIG SET - '{name}'"
                ))
            })?;
            match PARAMETERS[index].change {
                Change::AtStart => return Err(set_failed(name, "can't set immutable config")),
                Change::Protected if !self.settings.enable_protected_configs.allows(is_local) => {
                    return Err(set_failed(name, "can't set protected config"));
                }
                Change::Protected | Change::Always | Change::Fixed | Change::Pinned => {}
            }
            if rows.contains(&index) {
                return Err(set_failed(name, "duplicate parameter"));
            }
            rows.push(index);
        }
        Ok(rows)
    }

    /// REPLICAOF: what CONFIG GET shows and CONFIG REWRITE keeps; `<host> <port>`, or empty.
    pub(crate) fn note_master(&mut self, replicaof: &str) {
        let mut next = self.values.clone();
        next[index_of(b"replicaof").expect("it is in the table")] = replicaof.to_owned();
        self.take(next);
    }

    fn take(&mut self, values: Vec<String>) {
        self.settings = Settings::read(&Values(&values));
        self.values = values;
    }

    /// Names and values that match one of the globs (case does not matter), each once; older names
    /// are entries of their own, and a whole name is given back as it was written, as in Redis. What is hidden must be
    /// asked for by its whole name.
    pub fn matching(&self, globs: &[&[u8]]) -> Vec<(String, Cow<'_, str>)> {
        let name_of = |name: &str, is_hidden: bool| {
            let is_whole = |pattern: &&&[u8]| pattern.eq_ignore_ascii_case(name.as_bytes());
            if let Some(written) = globs.iter().find(is_whole) {
                return Some(String::from_utf8_lossy(written).into_owned());
            }
            let is_wanted = |pattern: &&[u8]| glob::matches(pattern, name.as_bytes(), true);
            (!is_hidden && globs.iter().any(is_wanted)).then(|| name.to_owned())
        };
        PARAMETERS
            .iter()
            .zip(&self.values)
            .flat_map(|(row, value)| {
                let names = std::iter::once(row.name).chain(row.alias);
                names.map(move |name| (name, row.is_hidden, row.kind.shown(value)))
            })
            .filter_map(|(name, is_hidden, value)| Some((name_of(name, is_hidden)?, value)))
            .collect()
    }

    /// Every parameter in the order of the table, with its value and whether it is the default.
    fn each(&self) -> impl Iterator<Item = (&'static Parameter, &str)> {
        PARAMETERS.iter().zip(self.values.iter().map(String::as_str))
    }
}

/// The form of `replicaof` that is kept: empty for none. `None`: it names no port.
fn master(text: &str) -> Option<String> {
    let mut words = text.split_ascii_whitespace();
    match (words.next(), words.next(), words.next()) {
        (None, ..) => Some(String::new()),
        (Some(no), Some(one), None)
            if no.eq_ignore_ascii_case("no") && one.eq_ignore_ascii_case("one") =>
        {
            Some(String::new())
        }
        (Some(host), Some(port), None) => {
            port.parse::<u16>().ok().map(|port| format!("{host} {port}"))
        }
        _ => None,
    }
}

/// Keeps a `user` line; a user is declared once.
fn declare(
    users: &mut Vec<Vec<String>>,
    directive: &file::Directive,
) -> Result<(), DirectiveError> {
    let name = directive.words.first();
    let name = name.ok_or_else(|| DirectiveError::Unknown(directive.line()))?;
    if users.iter().any(|known| known.first() == Some(name)) {
        let problem = format!("Duplicate user '{name}': a user can only be declared once");
        return Err(DirectiveError::Value { line: directive.line(), problem });
    }
    users.push(directive.words.clone());
    Ok(())
}

fn set_failed(name: &[u8], problem: &str) -> ErrorReply {
    let name = String::from_utf8_lossy(name);
    format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {problem}").into()
}

/// Whether the value of this parameter must not be shown in logs.
pub fn is_secret(name: &[u8]) -> bool {
    index_of(name).is_some_and(|index| PARAMETERS[index].is_secret)
}

/// By name or older name, in any case.
fn index_of(name: &[u8]) -> Option<usize> {
    PARAMETERS.iter().position(|row| {
        row.name.as_bytes().eq_ignore_ascii_case(name)
            || row.alias.is_some_and(|alias| alias.as_bytes().eq_ignore_ascii_case(name))
    })
}

/// The kept texts, read by name. A wrong name or kind is a bug of `Settings::read`, which every test
/// of this module runs.
struct Values<'a>(&'a [String]);

impl Values<'_> {
    fn text(&self, name: &str) -> &str {
        let index = PARAMETERS
            .binary_search_by(|row| row.name.cmp(name))
            .unwrap_or_else(|_| panic!("no parameter '{name}' in the table"));
        &self.0[index]
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> T {
        let text = self.text(name);
        text.parse().unwrap_or_else(|_| panic!("'{name}' does not hold '{text}'"))
    }

    fn is_on(&self, name: &str) -> bool {
        self.text(name) == "yes"
    }
}

#[cfg(test)]
mod tests;
