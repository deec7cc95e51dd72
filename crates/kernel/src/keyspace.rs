//! The keyspace as a command sees it.

use base::UnixMs;

/// The data of the node, seen from the selected db at the time of the command.
#[derive(Debug)]
pub struct Keyspace {
    now: UnixMs,
    db: u16,
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
}
