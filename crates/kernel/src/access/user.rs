//! One user: on or off, passwords, selectors.

use std::sync::{Arc, LazyLock};

use subtle::Choice;

use super::DEFAULT_USER;
use super::password::PasswordHash;
use super::rules::{self, Problem};
use super::selector::Selector;

/// A user as it is at one moment. Who is connected holds on to it, so it is replaced and not changed.
#[derive(Clone, Debug)]
pub struct User {
    name: Box<[u8]>,
    is_enabled: bool,
    /// Any password will do.
    needs_no_password: bool,
    /// `skip-sanitize-payload`: what RESTORE gets from this user is trusted.
    is_payload_trusted: bool,
    passwords: Vec<PasswordHash>,
    /// The first one is the root selector.
    selectors: Vec<Selector>,
}

static NOBODY: LazyLock<Arc<User>> = LazyLock::new(|| Arc::new(User::new(b"", false)));

impl User {
    /// Who may do nothing and is in no list: connections that are not clients.
    pub(crate) fn nobody() -> Arc<User> {
        Arc::clone(&NOBODY)
    }

    /// A user that is off and may do nothing, but use all channels if `opens_channels`.
    pub(super) fn new(name: &[u8], opens_channels: bool) -> User {
        User {
            name: name.into(),
            is_enabled: false,
            needs_no_password: false,
            is_payload_trusted: false,
            passwords: Vec::new(),
            selectors: vec![Selector::new(opens_channels)],
        }
    }

    /// The default user, who may do everything; an empty password is none.
    pub(super) fn default_user(password: &[u8]) -> User {
        let mut user = User::new(DEFAULT_USER, true);
        user.is_enabled = true;
        user.root().open_commands(true);
        user.root().open_keys(true);
        user.set_password(password);
        user
    }

    /// The only password; an empty one is none.
    pub(crate) fn set_password(&mut self, password: &[u8]) {
        self.passwords.clear();
        self.needs_no_password = password.is_empty();
        if !password.is_empty() {
            self.passwords.push(PasswordHash::of(password));
        }
    }

    pub fn name(&self) -> &[u8] {
        &self.name
    }

    pub fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    pub fn needs_no_password(&self) -> bool {
        self.needs_no_password
    }

    /// Who connects as this user is logged in at once.
    pub fn is_open(&self) -> bool {
        self.is_enabled && self.needs_no_password
    }

    /// Whether no check of a command can fail.
    pub fn is_unrestricted(&self) -> bool {
        self.selectors.iter().any(Selector::is_unrestricted)
    }

    /// Whether one may log in as this user with the password. The time that it takes says nothing about the passwords.
    pub(super) fn accepts(&self, password: &[u8]) -> bool {
        if !self.is_enabled || self.needs_no_password {
            return self.is_enabled;
        }
        let hash = PasswordHash::of(password);
        let none = Choice::from(0);
        self.passwords.iter().fold(none, |found, known| found | known.matches(&hash)).into()
    }

    pub(super) fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    fn root(&mut self) -> &mut Selector {
        self.selectors.first_mut().expect("a user has a root selector")
    }

    /// Follows one rule; after an error the user is as before.
    pub(super) fn apply(&mut self, rule: &[u8], opens_channels: bool) -> Result<(), Problem> {
        match rule.to_ascii_lowercase().as_slice() {
            b"" => {}
            b"on" => self.is_enabled = true,
            b"off" => self.is_enabled = false,
            b"skip-sanitize-payload" => self.is_payload_trusted = true,
            b"sanitize-payload" => self.is_payload_trusted = false,
            b"nopass" => {
                self.passwords.clear();
                self.needs_no_password = true;
            }
            b"resetpass" => {
                self.passwords.clear();
                self.needs_no_password = false;
            }
            b"clearselectors" => self.selectors.truncate(1),
            b"reset" => *self = User::new(&self.name, opens_channels),
            [b'>' | b'#' | b'<' | b'!', ..] => return self.apply_password(rule),
            [b'(', .., b')'] => {
                let mut selector = Selector::new(opens_channels);
                rules::words(&rule[1..rule.len() - 1]).try_for_each(|rule| selector.apply(rule))?;
                self.selectors.push(selector);
            }
            _ => self.root().apply(rule)?,
        }
        Ok(())
    }

    /// `>password`, `#hash` add; `<password`, `!hash` remove.
    fn apply_password(&mut self, rule: &[u8]) -> Result<(), Problem> {
        let text = &rule[1..];
        let hash = match rule[0] {
            b'>' | b'<' => PasswordHash::of(text),
            _ => PasswordHash::parse(text).ok_or(Problem::NotAHash)?,
        };
        let place = self.passwords.iter().position(|known| *known == hash);
        if matches!(rule[0], b'>' | b'#') {
            if place.is_none() {
                self.passwords.push(hash);
            }
            self.needs_no_password = false;
            return Ok(());
        }
        self.passwords.remove(place.ok_or(Problem::NoSuchPassword)?);
        Ok(())
    }

    /// Flags in the order in which they are shown.
    pub(crate) fn flags(&self) -> impl Iterator<Item = &'static str> {
        let all = [
            (self.is_enabled, "on"),
            (!self.is_enabled, "off"),
            (self.needs_no_password, "nopass"),
            (self.is_payload_trusted, "skip-sanitize-payload"),
            (!self.is_payload_trusted, "sanitize-payload"),
        ];
        all.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name)
    }

    /// Hashes in hexadecimal digits.
    pub(crate) fn password_hashes(&self) -> impl ExactSizeIterator<Item = String> {
        self.passwords.iter().map(PasswordHash::to_hex)
    }

    /// Commands, keys and channels of each selector, the root selector first.
    pub(crate) fn selector_rules(
        &self,
    ) -> impl ExactSizeIterator<Item = (String, Vec<u8>, Vec<u8>)> {
        self.selectors.iter().map(|selector| {
            (selector.command_rules(), selector.key_rules(), selector.channel_rules())
        })
    }

    /// `user <name> <flags> <passwords> <rules> (<rules>)`: from this line the same user can be made.
    pub(crate) fn line(&self) -> Vec<u8> {
        let mut line = [b"user ".as_slice(), &self.name, b" "].concat();
        for flag in self.flags() {
            line.extend_from_slice(flag.as_bytes());
            line.push(b' ');
        }
        for hash in self.password_hashes() {
            line.push(b'#');
            line.extend_from_slice(hash.as_bytes());
            line.push(b' ');
        }
        for (at, selector) in self.selectors.iter().enumerate() {
            if at > 0 {
                line.extend_from_slice(b" (");
            }
            selector.describe(&mut line);
            if at > 0 {
                line.push(b')');
            }
        }
        line
    }

    /// Whether it may listen to the channel, or to the very pattern.
    pub(super) fn allows_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.selectors.iter().any(|selector| selector.allows_channel(channel, is_pattern))
    }

    /// Whether who listens with the permissions of `old` may have to stop under those of `self`.
    pub(super) fn narrows_channels(&self, old: &User) -> bool {
        if self.selectors.iter().any(Selector::allows_all_channels) {
            return false;
        }
        let is_kept = |glob: &[u8]| {
            self.selectors.iter().any(|new| new.channels().iter().any(|kept| **kept == *glob))
        };
        old.selectors.iter().any(|selector| {
            selector.allows_all_channels() || selector.channels().iter().any(|glob| !is_kept(glob))
        })
    }
}
