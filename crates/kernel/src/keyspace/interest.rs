//! Who is interested in a change of which key: WATCH and blocking commands.
//!
//! ```text
//!   watched:  (db, key) -> clients      a change breaks their next EXEC
//!   awaited:  (db, key) -> clients      an arrival makes the key "ready"; in order of arrival
//! ```
//!
//! Invariant: without interest a change costs two look-ups at an empty map, nothing else.

use std::collections::VecDeque;

use hashbrown::{HashMap, HashSet};
use net::Token;

type ByKey<V> = HashMap<Box<[u8]>, V, foldhash::fast::RandomState>;
type ByDb<V> = HashMap<u16, ByKey<V>, foldhash::fast::RandomState>;

/// A key in a database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DbKey {
    pub(crate) db: u16,
    pub(crate) key: Box<[u8]>,
}

#[derive(Debug, Default)]
pub(crate) struct Interest {
    watched: ByDb<Vec<Token>>,
    broken: HashSet<Token, foldhash::fast::RandomState>,
    awaited: ByDb<VecDeque<Token>>,
    /// Awaited keys that have arrived and were not served, oldest first.
    ready: Vec<DbKey>,
}

impl Interest {
    pub(crate) fn watch(&mut self, db: u16, key: &[u8], client: Token) {
        self.watched.entry(db).or_default().entry(key.into()).or_default().push(client);
    }

    pub(crate) fn unwatch(&mut self, db: u16, key: &[u8], client: Token) {
        forget(&mut self.watched, db, key, |clients| {
            clients.retain(|listed| *listed != client);
            clients.is_empty()
        });
    }

    /// Whether a watched key of the client changed since it was watched; asked by EXEC.
    pub(crate) fn is_broken(&self, client: Token) -> bool {
        self.broken.contains(&client)
    }

    /// The client watches nothing any more.
    pub(crate) fn mend(&mut self, client: Token) {
        self.broken.remove(&client);
    }

    /// `key` was changed.
    #[inline]
    pub(crate) fn changed(&mut self, db: u16, key: &[u8]) {
        if self.watched.is_empty() {
            return;
        }
        let watching = self.watched.get(&db).and_then(|keys| keys.get(key));
        self.broken.extend(watching.into_iter().flatten());
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.watched.is_empty() && self.awaited.is_empty()
    }

    #[inline]
    pub(crate) fn has_watched(&self) -> bool {
        !self.watched.is_empty()
    }

    /// Watched keys of `db`, for changes of a whole database.
    pub(crate) fn watched_keys(&self, db: u16) -> impl Iterator<Item = &[u8]> {
        self.watched.get(&db).into_iter().flatten().map(|(key, _)| &**key)
    }

    pub(crate) fn wait_for(&mut self, db: u16, key: &[u8], client: Token) {
        let queue = self.awaited.entry(db).or_default().entry(key.into()).or_default();
        if !queue.contains(&client) {
            queue.push_back(client);
        }
    }

    pub(crate) fn leave(&mut self, db: u16, key: &[u8], client: Token) {
        forget(&mut self.awaited, db, key, |queue| {
            queue.retain(|listed| *listed != client);
            queue.is_empty()
        });
    }

    /// Clients that wait for `key`, the longest waiting first.
    pub(crate) fn waiting(&self, at: &DbKey) -> Vec<Token> {
        let queue = self.awaited.get(&at.db).and_then(|keys| keys.get(&at.key));
        queue.into_iter().flatten().copied().collect()
    }

    /// `key` has come into being or has grown.
    #[inline]
    pub(crate) fn arrived(&mut self, db: u16, key: &[u8]) {
        if self.awaited.is_empty() {
            return;
        }
        let is_awaited = self.awaited.get(&db).is_some_and(|keys| keys.contains_key(key));
        let is_listed = || self.ready.iter().any(|listed| listed.db == db && *listed.key == *key);
        if is_awaited && !is_listed() {
            self.ready.push(DbKey { db, key: key.into() });
        }
    }

    /// Every awaited key of `db` may have arrived (SWAPDB).
    pub(crate) fn arrived_all(&mut self, db: u16) {
        let keys: Vec<Box<[u8]>> =
            self.awaited.get(&db).into_iter().flatten().map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.arrived(db, &key);
        }
    }

    #[inline]
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(crate) fn take_ready(&mut self) -> Vec<DbKey> {
        std::mem::take(&mut self.ready)
    }
}

/// Lets `remove` work on the entry of a key, and drops what it left empty (it says so).
fn forget<V>(map: &mut ByDb<V>, db: u16, key: &[u8], remove: impl FnOnce(&mut V) -> bool) {
    let Some(keys) = map.get_mut(&db) else { return };
    let Some(value) = keys.get_mut(key) else { return };
    if remove(value) {
        keys.remove(key);
        if keys.is_empty() {
            map.remove(&db);
        }
    }
}
