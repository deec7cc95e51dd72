//! What was denied lately (ACL LOG), newest first, and how often.
//!
//! ```text
//!   incident --like one of the newest 10, less than a minute ago?--> that entry, count + 1, to the front
//!            `---------------------------------------------------> a new entry; the oldest one goes
//! ```

use std::collections::VecDeque;

use base::UnixMs;

/// Incidents that are alike are counted in one entry when no more time than this has passed (ms).
const GROUP_MS_MAX: u64 = 60_000;
/// Entries that are looked at for one that is alike.
const LOOKED_AT_MAX: usize = 10;

/// What was denied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    Command,
    Key,
    Channel,
    /// Wrong name or password.
    Auth,
}

impl Reason {
    pub fn name(self) -> &'static str {
        match self {
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Channel => "channel",
            Reason::Auth => "auth",
        }
    }
}

impl From<super::Denial> for Reason {
    fn from(denial: super::Denial) -> Reason {
        match denial {
            super::Denial::Command => Reason::Command,
            super::Denial::Key { .. } => Reason::Key,
            super::Denial::Channel { .. } => Reason::Channel,
        }
    }
}

/// Where the command came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Context {
    /// The client, directly.
    Toplevel,
    /// It was being queued by MULTI, or run by EXEC.
    Multi,
    /// A script or function.
    Lua,
}

impl Context {
    pub fn name(self) -> &'static str {
        match self {
            Context::Toplevel => "toplevel",
            Context::Multi => "multi",
            Context::Lua => "lua",
        }
    }
}

/// One denial.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Incident {
    pub reason: Reason,
    pub context: Context,
    /// Command, key or channel; for a failed login the command as it was written.
    pub object: Vec<u8>,
    pub username: Vec<u8>,
    /// The client as CLIENT LIST shows it.
    pub client: Vec<u8>,
    pub at: UnixMs,
}

/// Incidents that are alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Grows by one an entry.
    pub id: u64,
    /// The latest one.
    pub incident: Incident,
    pub count: u64,
    pub created_at: UnixMs,
}

/// How often was denied what, since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Denials {
    pub auth: u64,
    pub command: u64,
    pub key: u64,
    pub channel: u64,
}

/// Newest first.
#[derive(Debug, Default)]
pub struct AccessLog {
    entries: VecDeque<Entry>,
    next_id: u64,
    entries_max: usize,
    denials: Denials,
}

impl AccessLog {
    /// `acllog-max-len`; what is too much goes with the next entry.
    pub(super) fn set_bound(&mut self, entries_max: u64) {
        self.entries_max = usize::try_from(entries_max).unwrap_or(usize::MAX);
    }

    pub fn denials(&self) -> Denials {
        self.denials
    }

    pub fn add(&mut self, incident: Incident) {
        let counter = match incident.reason {
            Reason::Auth => &mut self.denials.auth,
            Reason::Command => &mut self.denials.command,
            Reason::Key => &mut self.denials.key,
            Reason::Channel => &mut self.denials.channel,
        };
        *counter += 1;
        let newest = self.entries.iter().take(LOOKED_AT_MAX);
        let place = newest.enumerate().find(|(_, entry)| is_alike(&entry.incident, &incident));
        if let Some((place, _)) = place {
            let mut entry = self.entries.remove(place).expect("found there");
            entry.count += 1;
            entry.incident = incident;
            self.entries.push_front(entry);
            return;
        }
        let created_at = incident.at;
        self.entries.push_front(Entry { id: self.next_id, incident, count: 1, created_at });
        self.next_id += 1;
        self.entries.truncate(self.entries_max);
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Newest first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }
}

fn is_alike(old: &Incident, new: &Incident) -> bool {
    old.reason == new.reason
        && old.context == new.context
        && old.at.0.abs_diff(new.at.0) <= GROUP_MS_MAX
        && old.object == new.object
        && old.username == new.username
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident(object: &str, at: u64) -> Incident {
        Incident {
            reason: Reason::Key,
            context: Context::Toplevel,
            object: object.as_bytes().to_vec(),
            username: b"u".to_vec(),
            client: Vec::new(),
            at: UnixMs(at),
        }
    }

    fn check(log: &AccessLog, expect: &[(u64, &[u8], u64)]) {
        let entries = log.entries().map(|e| (e.id, e.incident.object.as_slice(), e.count));
        assert_eq!(entries.collect::<Vec<_>>(), expect);
    }

    #[test]
    fn like_incidents_are_counted_and_the_oldest_go() {
        let mut log = AccessLog::default();
        log.set_bound(2);
        log.add(incident("a", 0));
        log.add(incident("b", 1));
        log.add(incident("a", 60_000));
        check(&log, &[(0, b"a", 2), (1, b"b", 1)]);
        log.add(incident("b", 60_002));
        check(&log, &[(2, b"b", 1), (0, b"a", 2)]);
        assert_eq!(log.denials().key, 4);
        log.clear();
        log.add(incident("a", 60_000));
        check(&log, &[(3, b"a", 1)]);
    }
}
