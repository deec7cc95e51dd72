//! Who may do what: the users of this node, their rules, and what was denied to them.
//!
//! ```text
//!   ACL SETUSER, `user` lines, aclfile --rules--> User (never changed, only replaced)
//!                                                   |- passwords   SHA-256
//!                                                   `- selectors   commands, key patterns, channel patterns
//!   Session { user: Arc<User>, is_unrestricted } --check--> run | NOPERM, counted and noted in the AccessLog
//! ```
//!
//! A session holds the user it is logged in as. When the rules of a user change, a new [`User`] takes the place
//! of the old one here and in the sessions ([`crate::node::NodeTurn::replace_user`]), so that a check needs no look-up,
//! and costs one flag for who may do everything.
//!
//! Invariants
//! - The user `default` is always there.
//! - A client of the endpoint is one of the users in [`Access`], or about to be closed.
//! - Passwords are kept as hashes only, and compared in constant time.

mod check;
pub mod file;
mod log;
mod password;
mod rules;
mod selector;
mod sessions;
mod user;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use check::may_read_every_key;
pub use check::{Denial, check};
pub use log::{AccessLog, Context, Denials, Entry, Incident, Reason};
pub(crate) use password::hex;
pub(crate) use rules::has_gaps;
pub use rules::{Problem, RuleError};
pub(crate) use selector::find_category;
pub use user::User;

use crate::config::Settings;

/// Name of the user that every connection starts as.
pub const DEFAULT_USER: &[u8] = b"default";

/// All users of the node.
#[derive(Debug)]
pub struct Access {
    /// By name, in the order in which ACL LIST shows them.
    users: BTreeMap<Box<[u8]>, Arc<User>>,
    /// New selectors may use every channel (`acl-pubsub-default allchannels`).
    opens_channels: bool,
    pub log: AccessLog,
}

impl Default for Access {
    /// The default user alone, who may do everything and needs no password.
    fn default() -> Access {
        let mut access =
            Access { users: BTreeMap::new(), opens_channels: false, log: AccessLog::default() };
        access.insert(Arc::new(User::default_user(b"")));
        access
    }
}

impl Access {
    /// The default user as `requirepass` wants it.
    pub fn of(settings: &Settings) -> Access {
        let mut access = Access::default();
        access.configure(settings);
        access.insert(Arc::new(User::default_user(settings.requirepass.as_bytes())));
        access
    }

    /// Takes over what parameters say of all users alike. `requirepass` is not among them: it acts when it changes.
    pub fn configure(&mut self, settings: &Settings) {
        self.opens_channels = settings.acl_pubsub_opens;
        self.log.set_bound(settings.acllog_max_len);
    }

    pub fn user(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.users.get(name)
    }

    pub fn default_user(&self) -> &Arc<User> {
        self.users.get(DEFAULT_USER).expect("the default user is never removed")
    }

    /// All users, by name.
    pub fn users(&self) -> impl ExactSizeIterator<Item = &Arc<User>> {
        self.users.values()
    }

    /// Whether a connection needs no login: the default user is on and asks for no password.
    pub fn is_open(&self) -> bool {
        self.default_user().is_open()
    }

    /// The user if name and password are right and the user is enabled.
    pub fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<&Arc<User>> {
        self.user(name).filter(|user| user.accepts(password))
    }

    /// The user `name` (a new one if there is none) with the rules added; nothing is changed yet.
    pub fn changed_user(&self, name: &[u8], words: &[&[u8]]) -> Result<User, RuleError> {
        let mut user = match self.user(name) {
            Some(user) => User::clone(user),
            None => User::new(name, self.opens_channels),
        };
        for rule in rules::merged(words)? {
            user.apply(&rule, self.opens_channels)
                .map_err(|problem| RuleError::Rule { rule, problem })?;
        }
        Ok(user)
    }

    /// Puts a user in the place of the one with the same name, which is returned.
    pub fn insert(&mut self, user: Arc<User>) -> Option<Arc<User>> {
        self.users.insert(user.name().into(), user)
    }

    /// Takes a user out; the default user stays.
    pub fn remove(&mut self, name: &[u8]) -> Option<Arc<User>> {
        if name == DEFAULT_USER {
            return None;
        }
        self.users.remove(name)
    }

    /// Every user as a line of an aclfile, `user` included, without line break.
    pub fn lines(&self) -> impl Iterator<Item = Vec<u8>> {
        self.users().map(|user| user.line())
    }
}

#[cfg(test)]
mod tests;
