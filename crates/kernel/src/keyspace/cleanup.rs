//! Removing keys that no client asked to remove: due ones, and victims of `maxmemory`.
//!
//! Invariant: callers ask `may_clean_up` first; a replica, and a master whose writes are held, remove nothing.

use store::evict::Policy;
use store::expire::Slice;
use store::memory;
use wire::effect::Effect;
use wire::record::Flags;

use super::{Class, Keyspace};

/// Elements by which the size of a victim is judged.
const SIZE_SAMPLES: usize = 5;

impl Keyspace {
    /// Removes a due key that was met.
    pub(crate) fn delete_due(&mut self, db: u16, key: &[u8]) {
        self.apply_in(db, &Effect::Delete { key }, Flags::EXPIRED);
        self.tally.expired += 1;
        self.notify_in(db, Class::Expired, "expired", key);
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

    /// Removes the key that should go next; `false` when the policy finds none that may.
    pub(crate) fn evict(&mut self, policy: Policy, samples: usize) -> bool {
        let victim = self.evictor.victim(&self.store, policy, samples, &mut self.rng);
        let Some(victim) = victim else { return false };
        let size = self.store.db(victim.db).memory_usage(&victim.key, SIZE_SAMPLES);
        let (pending, used) = (self.store.graveyard().pending(), memory::used_bytes());
        self.apply_in(victim.db, &Effect::Delete { key: &victim.key }, Flags::EVICTED);
        self.tally.evicted += 1;
        self.notify_in(victim.db, Class::Evicted, "evicted", &victim.key);
        if self.store.graveyard().pending() > pending {
            let freed = used.saturating_sub(memory::used_bytes());
            self.buried_bytes += (size.unwrap_or(0) as u64).saturating_sub(freed);
        }
        true
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
