//! Users in files: the aclfile, and the `user` lines of the configuration file.
//!
//! ```text
//!   user alice on #<SHA-256> ~cache:* resetchannels &news -@all +@read (~a* resetchannels -@all +get)
//! ```
//!
//! Invariants
//! - A file with an error changes nothing; all its errors are told at once.
//! - Saving replaces the whole file or nothing of it.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::warn;

use super::rules::{self, RuleError, has_gaps, report};
use super::{Access, DEFAULT_USER, User};
use crate::config::{Config, Settings};

/// Why a node does not start with the users that it was given.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    #[error(
        "users are declared in the configuration file and an aclfile is named: choose one of them"
    )]
    DeclaredTwice,
    #[error("error in the declaration of user '{user}': {problem}")]
    Declaration { user: String, problem: String },
    #[error("{0}")]
    File(String),
}

/// Where the aclfile lies, if there is one.
pub(crate) fn path(settings: &Settings) -> Option<PathBuf> {
    (!settings.aclfile.is_empty()).then(|| Path::new(&settings.dir).join(&settings.aclfile))
}

impl Access {
    /// Adds the users that the configuration declares, or those of its aclfile.
    pub fn load_at_start(&mut self, config: &Config) -> Result<(), UsersError> {
        let settings = config.settings();
        if !settings.aclfile.is_empty() && !config.users().is_empty() {
            return Err(UsersError::DeclaredTwice);
        }
        for declaration in config.users() {
            self.declare(declaration)?;
        }
        if !settings.aclfile.is_empty() {
            for user in load(settings, self.opens_channels).map_err(UsersError::File)? {
                self.insert(Arc::new(user));
            }
        }
        Ok(())
    }

    /// A `user` line: the name and its rules.
    fn declare(&mut self, words: &[String]) -> Result<(), UsersError> {
        let (name, rules) =
            words.split_first().expect("the configuration keeps no line without a name");
        let failed = |problem: String| UsersError::Declaration { user: name.clone(), problem };
        if has_gaps(name.as_bytes()) {
            return Err(failed("spaces are not allowed in names of users".to_owned()));
        }
        let mut user = User::new(name.as_bytes(), self.opens_channels);
        let rules: Vec<&[u8]> = rules.iter().map(String::as_bytes).collect();
        for rule in rules::merged(&rules).map_err(|error| failed(error.to_string()))? {
            user.apply(&rule, self.opens_channels).map_err(|problem| {
                failed(format!("'{}': {problem}", String::from_utf8_lossy(&rule)))
            })?;
        }
        if !user.is_enabled() {
            warn!(user = name, "a declared user is off: its rules have no `on`");
        }
        self.insert(Arc::new(user));
        Ok(())
    }
}

/// The users of the aclfile, the default user among them; or everything that is wrong with it.
pub(crate) fn load(settings: &Settings, opens_channels: bool) -> Result<Vec<User>, String> {
    let name = &settings.aclfile;
    let path = path(settings).ok_or_else(|| "no aclfile is configured".to_owned())?;
    let text = fs::read(path).map_err(|error| {
        format!("Error loading ACLs, opening file '{name}': {}", without_number(&error))
    })?;
    parse(name, &text, opens_channels)
}

fn parse(name: &str, text: &[u8], opens_channels: bool) -> Result<Vec<User>, String> {
    let mut reader = Reader { name, opens_channels, users: Vec::new(), errors: String::new() };
    let mut seen = BTreeSet::new();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        reader.line(index + 1, line.trim_ascii(), &mut seen);
    }
    if !reader.errors.is_empty() {
        return Err(reader.errors
            + "WARNING: ACL errors detected, no change to the previously active ACL rules was performed");
    }
    if !seen.contains(DEFAULT_USER) {
        reader.users.push(User::default_user(b""));
    }
    Ok(reader.users)
}

struct Reader<'a> {
    name: &'a str,
    opens_channels: bool,
    users: Vec<User>,
    errors: String,
}

impl Reader<'_> {
    fn line<'t>(&mut self, number: usize, line: &'t [u8], seen: &mut BTreeSet<&'t [u8]>) {
        if line.is_empty() {
            return;
        }
        let file = self.name;
        let errors = &mut self.errors;
        let mut words = line.split(|byte| *byte == b' ');
        let (Some(b"user"), Some(name)) = (words.next(), words.next()) else {
            let what = "should start with user keyword followed by the username";
            return report(errors, format_args!("{file}:{number} {what}. "));
        };
        let shown = String::from_utf8_lossy(name);
        if has_gaps(name) {
            let what = format_args!("username '{shown}' contains invalid characters");
            return report(errors, format_args!("'{file}:{number}: {what}. "));
        }
        if !seen.insert(name) {
            let what = format_args!("Duplicate user '{shown}' found on line {number}");
            return report(errors, format_args!("WARNING: {what}. "));
        }
        let mut user = User::new(name, self.opens_channels);
        let words: Vec<&[u8]> = words.map(<[u8]>::trim_ascii).collect();
        let Ok(rules) = rules::merged(&words) else {
            let what = "Unmatched parenthesis in selector definition.";
            return report(errors, format_args!("{file}:{number}: {what}"));
        };
        // Of the errors that may quote a password only the first is told, and without the rule.
        let mut is_told = false;
        for rule in rules {
            let Err(problem) = user.apply(&rule, self.opens_channels) else { continue };
            let error = RuleError::Rule { rule, problem };
            if let RuleError::Rule { rule, problem } = &error
                && error.is_unknown_name()
            {
                let rule = String::from_utf8_lossy(rule);
                let what = format_args!("Error in applying operation '{rule}': {problem}");
                report(errors, format_args!("{file}:{number}: {what}. "));
            } else if !is_told {
                report(errors, format_args!("{file}:{number}: {problem}. "));
                is_told = true;
            }
        }
        self.users.push(user);
    }
}

/// Replaces the aclfile by `lines`: a temporary one beside it is written, synced and renamed. Who may read it stays as
/// it was; a new file is for its user only.
pub(crate) fn save(path: &Path, lines: impl Iterator<Item = Vec<u8>>) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    if let Ok(replaced) = fs::metadata(path) {
        file.set_permissions(replaced.permissions())?;
    }
    for mut line in lines {
        line.push(b'\n');
        file.write_all(&line)?;
    }
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// What the system says of an error, as redis-server quotes it.
fn without_number(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&[&str], &str>) {
        let loaded = parse("f", text.as_bytes(), false);
        let lines = loaded.map(|users| {
            users.iter().map(|user| String::from_utf8(user.line()).unwrap()).collect::<Vec<_>>()
        });
        let end = "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";
        let expect = expect
            .map(|lines| lines.iter().map(|line| (*line).to_owned()).collect())
            .map_err(|errors| format!("{errors}{end}"));
        assert_eq!(lines, expect, "{text}");
    }

    #[test]
    fn lines_are_read_and_written_back() {
        check(
            "\nuser default off\r\n  user a on nopass ~x %R~y &z +get (+set  ~k)  \n",
            Ok(&[
                "user default off sanitize-payload resetchannels -@all",
                "user a on nopass sanitize-payload ~x %R~y resetchannels &z -@all +get (~k resetchannels -@all +set)",
            ]),
        );
        check("", Ok(&["user default on nopass sanitize-payload ~* &* +@all"]));
    }

    #[test]
    fn all_errors_are_told() {
        check(
            "# no comments",
            Err("f:1 should start with user keyword followed by the username. "),
        );
        check("user a\nuser a on", Err("WARNING: Duplicate user 'a' found on line 2. "));
        check("user a (+get", Err("f:1: Unmatched parenthesis in selector definition."));
        check(
            "user a +nope -@no #12 !34",
            Err(
                "f:1: Error in applying operation '+nope': Unknown command or category name in ACL. \
                 f:1: Error in applying operation '-@no': Unknown command or category name in ACL. \
                 f:1: The password hash must be exactly 64 characters and contain only lowercase hexadecimal \
                 characters. ",
            ),
        );
    }

    #[test]
    fn saving_replaces_the_file_and_keeps_its_permissions() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("users.acl");
        save(&path, [b"user a".to_vec(), b"user b".to_vec()].into_iter()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"user a\nuser b\n");
        save(&path, std::iter::empty()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
