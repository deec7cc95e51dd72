//! Who is interested in a change of which key: WATCH and blocking commands.
//!
//! ```text
//!   watched:  (db, key) -> clients      a change breaks their next EXEC
//!   awaited:  (db, key) -> clients      an arrival makes the key "ready"; in order of arrival
//!   tracked:  while any client does     every change is listed; `tracking` knows who is to hear of it
//! ```
//!
//! Invariants
//! - Without interest a change costs two look-ups at an empty map, nothing else.
//! - What one client or one key adds, and takes away again, costs a look-up, however many others there are.

use std::collections::BTreeSet;
use std::ops::Bound;

use hashbrown::{HashMap, HashSet};
use net::Token;

use crate::tracking::Change;

type ByKey<V> = HashMap<Box<[u8]>, V, foldhash::fast::RandomState>;
type ByDb<V> = HashMap<u16, ByKey<V>, foldhash::fast::RandomState>;

/// A key in a database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DbKey {
    pub(crate) db: u16,
    pub(crate) key: Box<[u8]>,
}

/// A parked client, by when it was parked.
pub(crate) type Waiter = (u64, Token);

/// Who waits for one key, the longest waiting first.
#[derive(Debug, Default)]
struct Queue {
    waiters: BTreeSet<Waiter>,
    /// The key is among the ready ones.
    is_ready: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Interest {
    watched: ByDb<BTreeSet<Token>>,
    broken: HashSet<Token, foldhash::fast::RandomState>,
    awaited: ByDb<Queue>,
    /// Awaited keys that have arrived and were not served, oldest first.
    ready: Vec<DbKey>,
    /// Clients track keys (CLIENT TRACKING), so changes are listed for them.
    is_tracking: bool,
    /// What happens is the doing of a client, not of time or of a lack of memory.
    is_by_client: bool,
    changes: Vec<Change>,
}

impl Interest {
    pub(crate) fn watch(&mut self, db: u16, key: &[u8], client: Token) {
        self.watched.entry(db).or_default().entry(key.into()).or_default().insert(client);
    }

    pub(crate) fn is_watching(&self, db: u16, key: &[u8], client: Token) -> bool {
        let watching = self.watched.get(&db).and_then(|keys| keys.get(key));
        watching.is_some_and(|clients| clients.contains(&client))
    }

    pub(crate) fn unwatch(&mut self, db: u16, key: &[u8], client: Token) {
        forget(&mut self.watched, db, key, |clients| {
            clients.remove(&client);
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
        if self.is_tracking {
            self.list(key);
        }
        if !self.watched.is_empty() {
            self.touched(db, key);
        }
    }

    /// `key` was changed with its whole database: of that those who track are told by [`Interest::flushed`], if at all.
    pub(crate) fn touched(&mut self, db: u16, key: &[u8]) {
        let watching = self.watched.get(&db).and_then(|keys| keys.get(key));
        self.broken.extend(watching.into_iter().flatten());
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.watched.is_empty() && self.awaited.is_empty() && !self.is_tracking
    }

    #[cold]
    fn list(&mut self, key: &[u8]) {
        let is_listed =
            matches!(self.changes.last(), Some(Change::Key { key: last, .. }) if **last == *key);
        if !is_listed {
            self.changes.push(Change::Key { key: key.into(), by_client: self.is_by_client });
        }
    }

    /// Whole databases were emptied.
    pub(crate) fn flushed(&mut self) {
        if self.is_tracking {
            self.changes.push(Change::All);
        }
    }

    /// Whether changes are listed from now on.
    pub(crate) fn set_tracking(&mut self, is_tracking: bool) {
        self.is_tracking = is_tracking;
    }

    /// Who does what happens next.
    #[inline]
    pub(super) fn set_by_client(&mut self, is_by_client: bool) {
        self.is_by_client = is_by_client;
    }

    #[inline]
    pub(crate) fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// What has changed since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    #[inline]
    pub(crate) fn has_watched(&self) -> bool {
        !self.watched.is_empty()
    }

    /// Watched keys of `db`, for changes of a whole database.
    pub(crate) fn watched_keys(&self, db: u16) -> impl Iterator<Item = &[u8]> {
        self.watched.get(&db).into_iter().flatten().map(|(key, _)| &**key)
    }

    pub(crate) fn wait_for(&mut self, db: u16, key: &[u8], waiter: Waiter) {
        let queue = self.awaited.entry(db).or_default().entry(key.into()).or_default();
        queue.waiters.insert(waiter);
    }

    pub(crate) fn leave(&mut self, db: u16, key: &[u8], waiter: Waiter) {
        forget(&mut self.awaited, db, key, |queue| {
            queue.waiters.remove(&waiter);
            queue.waiters.is_empty()
        });
    }

    /// Of the clients that wait for `key`, the one that has waited longest, or longest but for those up to `behind`.
    pub(crate) fn next_waiting(&self, at: &DbKey, behind: Option<Waiter>) -> Option<Waiter> {
        let queue = self.awaited.get(&at.db)?.get(&at.key)?;
        let from = behind.map_or(Bound::Unbounded, Bound::Excluded);
        queue.waiters.range((from, Bound::Unbounded)).next().copied()
    }

    /// `key` has come into being or has grown; or it is gone, or something in it, which some wait for as well.
    #[inline]
    pub(crate) fn arrived(&mut self, db: u16, key: &[u8]) {
        if self.awaited.is_empty() {
            return;
        }
        if let Some(queue) = self.awaited.get_mut(&db).and_then(|keys| keys.get_mut(key))
            && !queue.is_ready
        {
            queue.is_ready = true;
            self.ready.push(DbKey { db, key: key.into() });
        }
    }

    /// Every awaited key of `db` may have arrived or vanished (SWAPDB, FLUSHDB).
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
        let ready = std::mem::take(&mut self.ready);
        for DbKey { db, key } in &ready {
            if let Some(queue) = self.awaited.get_mut(db).and_then(|keys| keys.get_mut(key)) {
                queue.is_ready = false;
            }
        }
        ready
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Enough that a search through all of them for each of them would not end today.
    const MANY: u32 = 300_000;

    fn tokens(count: usize) -> Vec<Token> {
        let mut driver = net::Driver::new().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut adopt = || {
            let socket = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            driver.adopt(socket, &net::TcpOptions::default()).unwrap()
        };
        (0..count).map(|_| adopt()).collect()
    }

    #[test]
    fn many_keys_may_arrive_at_once() {
        let client = tokens(1)[0];
        let mut interest = Interest::default();
        let keys: Vec<[u8; 4]> = (0..MANY).map(u32::to_be_bytes).collect();
        for key in &keys {
            interest.wait_for(0, key, (1, client));
        }
        interest.arrived_all(0);
        for key in &keys {
            interest.arrived(0, key);
        }
        assert_eq!(interest.take_ready().len(), keys.len(), "each key is listed once");
        interest.arrived(0, &keys[7]);
        assert_eq!(interest.take_ready().len(), 1, "and may arrive again");
        keys.iter().for_each(|key| interest.leave(0, key, (1, client)));
        assert!(interest.is_empty());
    }

    #[test]
    fn who_waits_longest_comes_first() {
        let [one, two, three] = tokens(3).try_into().unwrap();
        let mut interest = Interest::default();
        for waiter in [(5, three), (6, one), (7, two), (6, one)] {
            interest.wait_for(0, b"k", waiter);
        }
        let at = DbKey { db: 0, key: b"k".as_slice().into() };
        let mut order = Vec::new();
        let mut behind = None;
        while let Some(waiter) = interest.next_waiting(&at, behind) {
            order.push(waiter);
            behind = Some(waiter);
        }
        assert_eq!(order, [(5, three), (6, one), (7, two)]);
    }

    #[test]
    fn many_keys_may_be_watched() {
        let client = tokens(1)[0];
        let mut interest = Interest::default();
        for key in (0..MANY).map(u32::to_be_bytes) {
            assert!(!interest.is_watching(0, &key, client));
            interest.watch(0, &key, client);
        }
        interest.changed(0, &7_u32.to_be_bytes());
        assert!(interest.is_broken(client));
        (0..MANY).for_each(|key| interest.unwatch(0, &key.to_be_bytes(), client));
        assert!(interest.is_empty());
    }
}
