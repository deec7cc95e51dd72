//! Keeping the data below `maxmemory`: before each command, and in every turn.
//!
//! ```text
//!   excess = used - not counted - waiting to be freed or to leave - maxmemory
//!     evict keys by the policy until they sum up to it, as long as `maxmemory-eviction-tenacity` allows
//!       |- enough:      the command runs
//!       |- out of time: the command runs, and the following turns go on
//!       `- no key may go: commands that need memory are refused
//! ```
//!
//! Invariants
//! - What replicas are still to be sent, the part of the log that is kept in memory, and what clients take beyond
//!   `maxmemory-clients`, for which some are about to be closed, evict no key.
//! - What evicting itself takes, for the log, for replicas and for clients that are told of keys, evicts no further key
//!   before it can have left: with long keys each would make the next one necessary. As long as keys are evicted, clients
//!   keep no empty buffers for the same reason.
//! - Like expiry, only on a master whose writes are not held.

use std::time::Duration;

use store::memory;

use crate::execute::Stage;
use crate::keyspace::Keyspace;
use crate::latency;
use crate::node::Node;
use crate::turn::{Executor, monotonic_clock};

/// Evictions between two looks at the clock.
const KEYS_PER_LOOK: u32 = 16;

/// How the attempt to stay below `maxmemory` ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Room {
    Enough,
    /// There is no time for more at this place; the next turn goes on.
    Unfinished,
    /// Nothing is left that may go.
    None,
}

/// What evicting remembers from one time to the next.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Eviction {
    pub(crate) is_unfinished: bool,
    /// What evicting keys has itself taken (bytes), in this turn ...
    caused: u64,
    /// ... and before, which leaves when the log has come to an op.
    leaving: (u64, u64),
    /// Keys went since the last beat.
    is_recent: bool,
    /// What clients took beyond `maxmemory-clients` when none was left that might be closed for it (bytes).
    pub(crate) clients_that_stay: u64,
}

impl Stage<'_> {
    /// Evicts keys while the data takes more than `maxmemory`, within the time that one command may take.
    #[inline]
    pub(crate) fn make_room(&mut self) -> Room {
        let maxmemory = self.node.limits.maxmemory;
        if maxmemory == 0 || memory::used_bytes() <= maxmemory {
            self.node.eviction.is_unfinished = false;
            return Room::Enough;
        }
        let room = self.evict(maxmemory);
        self.node.eviction.is_unfinished = room == Room::Unfinished;
        room
    }

    #[cold]
    fn evict(&mut self, maxmemory: u64) -> Room {
        if !self.keys.may_clean_up() || self.node.is_loading {
            return Room::Enough;
        }
        let before = (self.counted(), self.keys.buried_bytes());
        let Eviction { caused, leaving, .. } = self.node.eviction;
        let discarded = self.keys.store().graveyard().discarded_bytes();
        let buffers = (discarded + self.node.net.spent_bytes()) as u64;
        let spared = caused + leaving.0 + before.1 + buffers + self.clients_to_go();
        let excess = before.0.saturating_sub(spared).saturating_sub(maxmemory);
        if excess == 0 {
            return Room::Enough;
        }
        let settings = self.node.config.settings();
        let (policy, samples) = (settings.maxmemory_policy, settings.maxmemory_samples as usize);
        let patience = patience(settings.maxmemory_eviction_tenacity);
        let began = monotonic_clock();
        let (mut evicted, mut freed) = (0, 0);
        let room = loop {
            if freed >= excess {
                break Room::Enough;
            }
            let is_look_due = evicted > 0 && evicted % KEYS_PER_LOOK == 0;
            if is_look_due && monotonic_clock().since(began) > patience {
                break Room::Unfinished;
            }
            let Some(bytes) = self.keys.evict(policy, samples) else { break Room::None };
            freed += bytes;
            evicted += 1;
        };
        if evicted > 0 {
            self.note_caused(before, freed);
            // The command that follows is not to blame for this time.
            self.node.tick = monotonic_clock();
            let took = self.node.tick.since(began);
            if self.node.limits.latency_threshold.is_some_and(|bound| took >= bound) {
                self.node.latency.note(latency::EVICTION_CYCLE, self.node.now.seconds(), took);
            }
        }
        room
    }

    /// Used memory but for what evicts no key. What is freed between the two looks must not count: so in this order.
    fn counted(&self) -> u64 {
        let not_counted = self.node.not_counted(self.keys);
        memory::used_bytes().saturating_sub(not_counted)
    }

    /// Keys of `freed` bytes went. `before`: bytes that counted, and of them those that waited to be freed. What is more now
    /// than there should be was taken by telling of it.
    fn note_caused(&mut self, before: (u64, u64), freed: u64) {
        let expected = (before.0 + self.keys.buried_bytes()).saturating_sub(before.1 + freed);
        self.node.eviction.caused += self.counted().saturating_sub(expected);
        self.node.eviction.is_recent = true;
        self.node.net.set_memory_scarce(true);
    }

    /// What clients take beyond `maxmemory-clients`, but for those that may not be closed: others are, before anything else is
    /// done for a client.
    fn clients_to_go(&self) -> u64 {
        match self.node.config.settings().maxmemory_clients {
            0 => 0,
            bound => {
                let beyond = self.node.clients.noted_bytes().saturating_sub(bound);
                beyond.saturating_sub(self.node.eviction.clients_that_stay)
            }
        }
    }
}

impl Node {
    /// Bytes that evict no key: what replicas are still to be sent, and what the log has not written.
    pub(crate) fn not_counted(&self, keys: &Keyspace) -> u64 {
        let log = keys.log().map_or(0, |log| log.log().tail_bytes());
        let waiting = self.replica_buffers() + log + keys.open_bytes();
        waiting as u64 + self.backlog_beyond_bound(keys)
    }
}

impl Executor {
    /// At the end of a turn that has let everything leave up to op `passed`: what evicting has caused until then counts.
    pub(crate) fn settle_eviction(&mut self, passed: u64) {
        let Eviction { caused, leaving, .. } = &mut self.node.eviction;
        if (*caused > 0 || leaving.0 > 0) && passed >= leaving.1 {
            *leaving = (std::mem::take(caused), self.keys.newest_op());
        }
    }

    /// At each beat: clients may keep their buffers again when no key was evicted since the last one.
    pub(crate) fn relax_after_eviction(&mut self) {
        if !std::mem::take(&mut self.node.eviction.is_recent) {
            self.node.net.set_memory_scarce(false);
        }
    }
}

/// How long one command may evict, by `maxmemory-eviction-tenacity` (0..=100). Source: redis.conf; up to 10 it
/// grows evenly to half a millisecond, then by 15 % a step, and 100 is without end.
fn patience(tenacity: u32) -> Duration {
    match tenacity {
        0..=10 => Duration::from_micros(50) * tenacity,
        11..=99 => {
            let steps = i32::try_from(tenacity - 10).expect("at most 89");
            Duration::from_micros(500).mul_f64(1.15_f64.powi(steps))
        }
        _ => Duration::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_grows_with_tenacity() {
        assert_eq!(patience(0), Duration::ZERO);
        assert_eq!(patience(10), Duration::from_micros(500));
        assert_eq!(patience(11), Duration::from_micros(575));
        assert!(patience(99) > Duration::from_secs(60));
        assert_eq!(patience(100), Duration::MAX);
    }
}
