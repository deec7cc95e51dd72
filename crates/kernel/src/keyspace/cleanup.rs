//! Removing keys that no client asked to remove: due ones, and victims of `maxmemory`.
//!
//! Invariant: callers ask `may_clean_up` first; a replica, and a master whose writes are held, remove nothing, but for what
//! the clients of a writable replica have given a deadline themselves.

use store::evict::Policy;
use store::expire::{DueFields, Slice};
use store::{Hash, Value, memory};
use wire::effect::{Effect, Expiry};
use wire::record::Flags;

use super::{Class, Keyspace, in_parts};

/// Deadlines of its own that a replica remembers; keys beyond that stay until the next full synchronisation.
const OWN_DEADLINES_MAX: usize = 1 << 20;
/// Elements by which the size of a victim is judged.
const SIZE_SAMPLES: usize = 5;

impl Keyspace {
    /// Removes a due key that was met.
    pub(crate) fn delete_due(&mut self, db: u16, key: &[u8]) {
        self.apply_in(db, &Effect::Delete { key }, Flags::EXPIRED);
        self.tally.expired += 1;
        self.notify_in(db, Class::Expired, "expired", key);
    }

    /// Remembers the key of an effect that a client of a writable replica caused, if that gives it a deadline.
    #[cold]
    pub(super) fn note_own_deadline(&mut self, db: u16, effect: &Effect<'_>) {
        let key = match effect {
            Effect::ExpireAt { key, .. } => key,
            Effect::SetString { key, expiry: Expiry::At(_), .. } => key,
            _ => return,
        };
        if self.own_deadlines.len() < OWN_DEADLINES_MAX {
            self.own_deadlines.insert((db, Box::from(*key)));
        }
    }

    /// Keys of which [`Keyspace::expire_own`] knows.
    pub(crate) fn own_deadlines(&self) -> usize {
        self.own_deadlines.len()
    }

    /// Removes what is due of the keys that clients of this replica have given a deadline.
    pub(crate) fn expire_own(&mut self) {
        if self.own_deadlines.is_empty() || self.is_still || !self.is_log_sound {
            return;
        }
        let mut keys = std::mem::take(&mut self.own_deadlines);
        keys.retain(|(db, key)| {
            let deadline = self.store.db(*db).get(key).and_then(store::Entry::expiry);
            if deadline.is_some_and(|at| at <= self.now) {
                self.delete_due(*db, key);
                return false;
            }
            deadline.is_some()
        });
        self.own_deadlines = keys;
    }

    /// Looks at about `budget` volatile keys and removes those that are due.
    pub(crate) fn expire_slice(&mut self, budget: usize) -> Slice {
        let mut due = Vec::new();
        let slice = self.expirer.slice(&self.store, self.now, budget, &mut due);
        for key in due {
            self.delete_due(key.db, &key.key);
        }
        slice
    }

    /// Removes those of the fields that are due, where that is this node's to do. Databases without volatile hashes
    /// are not even looked at.
    #[inline]
    pub(crate) fn settle_fields<'a>(&mut self, key: &[u8], fields: impl Iterator<Item = &'a [u8]>) {
        if self.store.db(self.db).volatile_hashes_len() > 0 {
            let now = self.now;
            let due = self.volatile_hash(key).map(|hash| {
                let is_due = |field: &&[u8]| hash.deadline(field).is_some_and(|at| at <= now);
                fields.filter(is_due).collect()
            });
            self.delete_due_fields(key, due.unwrap_or_default());
        }
    }

    /// Removes all fields of a hash that are due, where that is this node's to do.
    pub(crate) fn settle_all_fields(&mut self, key: &[u8]) {
        if self.store.db(self.db).volatile_hashes_len() > 0 {
            let now = self.now;
            let due = self.volatile_hash(key).map(|hash| hash.due(now).map(<[u8]>::to_vec));
            let due = self.temporary(due.into_iter().flatten().collect::<Vec<Vec<u8>>>());
            in_parts(
                due.iter().map(Vec::as_slice),
                |field| field.len(),
                |part| {
                    self.delete_due_fields(key, part.to_vec());
                },
            );
        }
    }

    /// A hash whose due fields this node may delete.
    fn volatile_hash(&self, key: &[u8]) -> Option<&Hash> {
        match self.visible(self.db, key)?.value() {
            Value::Hash(hash) if hash.has_deadlines() && self.may_clean_up() => Some(hash),
            _ => None,
        }
    }

    fn delete_due_fields(&mut self, key: &[u8], fields: Vec<&[u8]>) {
        if !fields.is_empty() {
            self.delete_fields(self.db, key, fields, "hexpired");
        }
    }

    /// Removes fields because of their deadlines, and tells of `event`.
    pub(crate) fn delete_fields(
        &mut self,
        db: u16,
        key: &[u8],
        fields: Vec<&[u8]>,
        event: &'static str,
    ) {
        let deleted = self.apply_in(db, &Effect::HashDelete { key, fields }, Flags::EXPIRED).0;
        self.tally.expired_fields += deleted.unsigned_abs();
        self.notify_in(db, Class::Hash, event, key);
        if self.wants(Class::Generic) && self.visible(db, key).is_none() {
            self.notify_in(db, Class::Generic, "del", key);
        }
    }

    /// Looks at about `budget` hashes that have fields with deadlines and removes about `budget` due fields at most.
    pub(crate) fn expire_fields_slice(&mut self, budget: usize) -> Slice {
        let mut due = Vec::new();
        let slice = self.field_expirer.slice(&self.store, self.now, budget, &mut due);
        for DueFields { db, key, fields } in due {
            let fields = fields.iter().map(|field| &**field).collect();
            self.delete_fields(db, &key, fields, "hexpired");
        }
        slice
    }

    /// Removes the key that should go next, and tells how much memory it takes, about (bytes); `None` when the policy finds
    /// none that may.
    pub(crate) fn evict(&mut self, policy: Policy, samples: usize) -> Option<u64> {
        let victim = self.evictor.victim(&self.store, policy, samples, &mut self.rng)?;
        let size = self.store.db(victim.db).memory_usage(&victim.key, SIZE_SAMPLES);
        let size = size.unwrap_or(0) as u64;
        let (pending, used) = (self.store.graveyard().pending(), memory::used_bytes());
        self.apply_in(victim.db, &Effect::Delete { key: &victim.key }, Flags::EVICTED);
        self.tally.evicted += 1;
        self.notify_in(victim.db, Class::Evicted, "evicted", &victim.key);
        let freed = used.saturating_sub(memory::used_bytes());
        if self.store.graveyard().pending() > pending {
            self.buried_bytes += size.saturating_sub(freed);
        }
        // Either may be short: the one is sampled, and the other lacks what was written down of the eviction.
        Some(size.max(freed))
    }

    /// Memory of victims that the background has not freed yet, about (bytes): evicting more for it would
    /// be evicting twice.
    pub(crate) fn buried_bytes(&mut self) -> u64 {
        if self.store.graveyard().pending() == 0 {
            self.buried_bytes = 0;
        }
        self.buried_bytes
    }
}
