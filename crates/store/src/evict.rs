//! Which key goes when memory is full: the eight `maxmemory-policy` settings.
//!
//! ```text
//!   sample a few keys of each database ─▶ pool of the 16 best so far, by merit ─▶ the best that is still there
//! ```
//!
//! The pool outlives a single eviction, so that good candidates that were met once are not forgotten: sampling
//! 5 keys with a pool comes close to true LRU. Nothing is removed here; the caller turns the victim
//! into a Delete.

use crate::Rng;
use crate::access::Access;
use crate::dict::Entry;
use crate::store::Store;

/// Candidates remembered (Redis: EVPOOL_SIZE).
const POOL_KEYS_MAX: usize = 16;
/// Rounds of sampling for one victim; a round finds none only if no key qualifies or chance is unkind.
const ROUNDS_MAX: u32 = 16;

/// `maxmemory-policy`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Policy {
    #[default]
    NoEviction,
    AllkeysLru,
    AllkeysLfu,
    AllkeysRandom,
    VolatileLru,
    VolatileLfu,
    VolatileRandom,
    VolatileTtl,
}

impl Policy {
    /// All, in the order of the documentation.
    pub const ALL: [Policy; 8] = [
        Policy::NoEviction,
        Policy::AllkeysLru,
        Policy::AllkeysLfu,
        Policy::AllkeysRandom,
        Policy::VolatileLru,
        Policy::VolatileLfu,
        Policy::VolatileRandom,
        Policy::VolatileTtl,
    ];

    /// As in redis.conf.
    pub fn name(self) -> &'static str {
        match self {
            Policy::NoEviction => "noeviction",
            Policy::AllkeysLru => "allkeys-lru",
            Policy::AllkeysLfu => "allkeys-lfu",
            Policy::AllkeysRandom => "allkeys-random",
            Policy::VolatileLru => "volatile-lru",
            Policy::VolatileLfu => "volatile-lfu",
            Policy::VolatileRandom => "volatile-random",
            Policy::VolatileTtl => "volatile-ttl",
        }
    }

    /// By the name in redis.conf, in any case.
    pub fn parse(name: &str) -> Option<Policy> {
        Policy::ALL.into_iter().find(|policy| policy.name().eq_ignore_ascii_case(name))
    }

    /// Whether clocks must count frequency.
    pub fn is_lfu(self) -> bool {
        matches!(self, Policy::AllkeysLfu | Policy::VolatileLfu)
    }

    /// Whether keys go by when they were used last.
    pub fn is_lru(self) -> bool {
        matches!(self, Policy::AllkeysLru | Policy::VolatileLru)
    }

    /// Whether only keys with an expiry may go.
    pub fn is_volatile(self) -> bool {
        matches!(
            self,
            Policy::VolatileLru
                | Policy::VolatileLfu
                | Policy::VolatileRandom
                | Policy::VolatileTtl
        )
    }

    fn is_random(self) -> bool {
        matches!(self, Policy::AllkeysRandom | Policy::VolatileRandom)
    }

    /// How well an entry suits for eviction: the largest goes first.
    fn merit(self, entry: &Entry, access: &Access) -> u64 {
        match self {
            Policy::AllkeysLru | Policy::VolatileLru => {
                u64::from(access.idle_seconds(entry.clock()))
            }
            Policy::AllkeysLfu | Policy::VolatileLfu => {
                u64::from(u8::MAX - access.frequency(entry.clock()))
            }
            Policy::VolatileTtl => entry.expiry().map_or(0, |expiry| u64::MAX - expiry.0),
            Policy::NoEviction | Policy::AllkeysRandom | Policy::VolatileRandom => 0,
        }
    }
}

/// A key that may go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Victim {
    pub db: u16,
    pub key: Box<[u8]>,
}

#[derive(Debug)]
struct Candidate {
    merit: u64,
    victim: Victim,
}

/// Chooses victims.
#[derive(Debug, Default)]
pub struct Evictor {
    /// By merit, the best last. At most [`POOL_KEYS_MAX`].
    pool: Vec<Candidate>,
    policy: Policy,
    /// Database that a random policy looks at next.
    next_db: u16,
}

impl Evictor {
    /// The key that should go next; `None` when the policy finds none that may. `samples` is
    /// `maxmemory-samples`, keys looked at for each database and round.
    pub fn victim(
        &mut self,
        store: &Store,
        policy: Policy,
        samples: usize,
        rng: &mut Rng,
    ) -> Option<Victim> {
        if policy != self.policy {
            // The merits in the pool mean something else now.
            self.pool.clear();
            self.policy = policy;
        }
        match policy {
            Policy::NoEviction => None,
            policy if policy.is_random() => self.random(store, rng),
            _ => self.best(store, samples.max(1), rng),
        }
    }

    /// Databases take turns.
    fn random(&mut self, store: &Store, rng: &mut Rng) -> Option<Victim> {
        for _ in 0..store.databases() {
            let number = self.next_db % store.databases();
            self.next_db = (number + 1) % store.databases();
            let (db, mut found) = (store.db(number), None);
            if self.policy.is_volatile() {
                db.sample_volatile(rng, 1, |entry| found = Some(entry));
            } else {
                found = db.random(rng);
            }
            if let Some(entry) = found {
                return Some(Victim { db: number, key: entry.key().into() });
            }
        }
        None
    }

    fn best(&mut self, store: &Store, samples: usize, rng: &mut Rng) -> Option<Victim> {
        // Most databases have no key that may go, and often none has: then nothing is worth a round.
        let is_eligible = |number: &u16| {
            let db = store.db(*number);
            if self.policy.is_volatile() { db.volatile_len() > 0 } else { !db.is_empty() }
        };
        let eligible: Vec<u16> = (0..store.databases()).filter(is_eligible).collect();
        let rounds = if eligible.is_empty() { 0 } else { ROUNDS_MAX };
        for _ in 0..rounds {
            for &number in &eligible {
                self.sample(store, number, samples, rng);
            }
            while let Some(candidate) = self.pool.pop() {
                if self.is_there(store, &candidate.victim) {
                    return Some(candidate.victim);
                }
            }
        }
        None
    }

    fn sample(&mut self, store: &Store, number: u16, samples: usize, rng: &mut Rng) {
        let db = store.db(number);
        let (policy, access) = (self.policy, store.access());
        let offer = |entry: &Entry| self.offer(number, entry, policy.merit(entry, access));
        if policy.is_volatile() {
            db.sample_volatile(rng, samples, offer);
        } else {
            db.sample(rng, samples, offer);
        }
    }

    /// Puts a candidate in its place in the pool, if it is good enough and not there already.
    fn offer(&mut self, db: u16, entry: &Entry, merit: u64) {
        let place = self.pool.partition_point(|candidate| candidate.merit < merit);
        let is_full = self.pool.len() == POOL_KEYS_MAX;
        let is_same = |candidate: &Candidate| {
            candidate.victim.db == db && *candidate.victim.key == *entry.key()
        };
        if (is_full && place == 0) || self.pool.iter().any(is_same) {
            return;
        }
        let victim = Victim { db, key: entry.key().into() };
        self.pool.insert(place, Candidate { merit, victim });
        if is_full {
            self.pool.remove(0);
        }
    }

    fn is_there(&self, store: &Store, victim: &Victim) -> bool {
        // `databases` cannot shrink while a store lives.
        let entry = store.db(victim.db).get(&victim.key);
        entry.is_some_and(|entry| !self.policy.is_volatile() || entry.expiry().is_some())
    }
}
