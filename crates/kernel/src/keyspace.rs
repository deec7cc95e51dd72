//! The keyspace as a command sees it.

mod interest;

use base::UnixMs;

use crate::client::Session;
pub(crate) use interest::Interest;

/// The data of the node, seen from the selected db at the time of the command.
#[derive(Debug)]
pub struct Keyspace {
    now: UnixMs,
    db: u16,
    is_replica: bool,
    pub(crate) interest: Interest,
}

impl Keyspace {
    /// Wall time of the turn: the same for every command in it.
    pub fn now(&self) -> UnixMs {
        self.now
    }

    /// The selected database.
    pub fn db(&self) -> u16 {
        self.db
    }

    /// What follows is about this database.
    #[inline]
    pub(crate) fn select(&mut self, db: u16) {
        self.db = db;
    }

    /// A replica changes nothing by itself: expired keys are invisible to it, but stay until its
    /// master deletes them.
    pub fn is_replica(&self) -> bool {
        self.is_replica
    }

    /// Forgets the keys that a client watches, and what happened to them.
    pub(crate) fn unwatch(&mut self, session: &mut Session) {
        for watched in session.watched.drain(..) {
            self.interest.unwatch(watched.db, &watched.key, session.token);
        }
        self.interest.mend(session.token);
    }
}
