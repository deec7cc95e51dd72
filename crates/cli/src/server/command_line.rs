//! The command line of `pollux server`, which is that of redis-server.
//!
//! ```text
//!   [CONFIG-FILE] [--NAME VALUE...]... [-]        `-`: more of the file is on standard input
//! ```
//!
//! What follows a `--NAME` is its value even if it begins with `--`, so that every value can be written; only `--save`
//! with nothing behind it means `save ""`. A name and its values may stand in one argument, quoted as in the file.

use std::io::{self, Read as _};
use std::path::PathBuf;

use kernel::config::file::{self, Directive};

use crate::out::Trouble;

const REMEDY: &str =
    "parameters are those of redis.conf, as --name value; see `pollux server --help`";

/// What the arguments ask for.
#[derive(Debug, Default)]
pub(super) struct CommandLine {
    pub(super) file: Option<PathBuf>,
    pub(super) directives: Vec<Directive>,
    /// Directives of standard input come between those of the file and those of the command line.
    pub(super) reads_stdin: bool,
}

/// Something else than a server is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Instead {
    Version,
    Help,
}

pub(super) fn instead_of_serving(words: &[String]) -> Option<Instead> {
    match words {
        [word] if matches!(word.as_str(), "-v" | "--version") => Some(Instead::Version),
        [word] if matches!(word.as_str(), "-h" | "--help") => Some(Instead::Help),
        _ => None,
    }
}

impl CommandLine {
    pub(super) fn parse(words: &[String]) -> Result<CommandLine, Trouble> {
        let mut line = CommandLine::default();
        let mut words = words.iter();
        if let Some(first) = words.as_slice().first()
            && !first.starts_with('-')
        {
            line.file = Some(PathBuf::from(first));
            words.next();
        }
        // The name that the next word, whatever it is, belongs to.
        let mut awaits_value = false;
        for word in words {
            if word == "-" && !awaits_value {
                line.reads_stdin = true;
                continue;
            }
            let is_name = word.starts_with("--") && word.len() > 2;
            let closes_save =
                is_name && line.directives.last().is_some_and(|last| last.name == "save");
            if is_name && (!awaits_value || closes_save) {
                awaits_value = line.begin(word)?;
            } else {
                line.add_value(word)?;
                awaits_value = false;
            }
        }
        for directive in &mut line.directives {
            if directive.name == "save" && directive.words.is_empty() {
                directive.words.push(String::new());
            }
        }
        Ok(line)
    }

    /// A new directive; whether its first value is still to come.
    fn begin(&mut self, word: &str) -> Result<bool, Trouble> {
        let mut parts = split(&word[2..])?.into_iter();
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let words: Vec<String> = parts.collect();
        let awaits_value = words.is_empty();
        self.directives.push(Directive { name, words });
        Ok(awaits_value)
    }

    /// One more value. In front of the first name, words without dashes are a directive of their own.
    fn add_value(&mut self, word: &str) -> Result<(), Trouble> {
        if word.starts_with("--") && word.len() > 2 && self.directives.is_empty() {
            return Err(Trouble::usage(format!("'{word}' is no parameter"), REMEDY));
        }
        match self.directives.last_mut() {
            Some(last) => last.words.push(word.to_owned()),
            None => {
                self.directives.push(Directive { name: word.to_owned(), words: Vec::new() });
            }
        }
        Ok(())
    }

    /// The directives on standard input.
    pub(super) fn read_stdin(&self) -> Result<Vec<Directive>, Trouble> {
        let mut text = String::new();
        if self.reads_stdin {
            io::stdin().read_to_string(&mut text).map_err(|error| {
                Trouble::usage(format!("standard input: {error}"), "it must be text")
            })?;
        }
        file::parse(&text)
            .map_err(|error| Trouble::usage(format!("standard input: {error}"), REMEDY))
    }
}

fn split(text: &str) -> Result<Vec<String>, Trouble> {
    file::split_words(text)
        .ok_or_else(|| Trouble::usage(format!("unbalanced quotes in '{text}'"), REMEDY))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Vec<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let line = CommandLine::parse(&words).unwrap();
        let shown = line.directives.iter();
        let shown = shown.map(|directive| format!("{} {:?}", directive.name, directive.words));
        let file = line.file.map(|path| path.display().to_string());
        file.into_iter().chain(shown).collect()
    }

    #[test]
    fn a_file_comes_first_and_names_take_their_values() {
        assert_eq!(
            parsed(&["a.conf", "--port", "7000", "--save", "60", "1", "--loglevel", "debug"]),
            ["a.conf", r#"port ["7000"]"#, r#"save ["60", "1"]"#, r#"loglevel ["debug"]"#]
        );
        assert_eq!(
            parsed(&["a.conf", "loglevel", "verbose"]),
            ["a.conf", r#"loglevel ["verbose"]"#]
        );
    }

    #[test]
    fn a_value_may_look_like_a_name() {
        assert_eq!(
            parsed(&["--proc-title-template", "--save", "--port", "1"]),
            [r#"proc-title-template ["--save"]"#, r#"port ["1"]"#]
        );
        assert_eq!(parsed(&["--save", "--port", "1"]), [r#"save [""]"#, r#"port ["1"]"#]);
        assert_eq!(parsed(&["--port", "1", "--save"]), [r#"port ["1"]"#, r#"save [""]"#]);
    }

    #[test]
    fn name_and_value_may_be_one_argument() {
        assert_eq!(
            parsed(&["--maxmemory '700mb'", "--proc-title-template --mine", "--port 1"]),
            [r#"maxmemory ["700mb"]"#, r#"proc-title-template ["--mine"]"#, r#"port ["1"]"#]
        );
    }
}
