//! Keeping the data below `maxmemory`: before each command, and in every turn.
//!
//! ```text
//!   used - not counted - waiting to be freed > maxmemory ?
//!     evict keys by the policy, as long as `maxmemory-eviction-tenacity` allows
//!       |- enough:      the command runs
//!       |- out of time: the command runs, and the following turns go on
//!       `- no key may go: commands that need memory are refused
//! ```
//!
//! Invariants
//! - What replicas are still to be sent, and the part of the log that is kept in memory, evict no key.
//! - Like expiry, only on a master whose writes are not held.

use std::time::Duration;

use base::UnixMs;
use store::memory;

use crate::client_list;
use crate::execute::Stage;
use crate::latency;
use crate::turn::monotonic_clock;

/// Evictions between two looks at the clock.
const KEYS_PER_LOOK: u32 = 16;
/// What is not counted is measured again after this: it takes a look at every client.
const MEASURE_EVERY_MS: u64 = 10;

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
    /// Bytes that evict no key, when measured last.
    not_counted: u64,
    measured_at: UnixMs,
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
        self.measure_not_counted();
        let not_counted = self.node.eviction.not_counted;
        let settings = self.node.config.settings();
        let (policy, samples) = (settings.maxmemory_policy, settings.maxmemory_samples as usize);
        let patience = patience(settings.maxmemory_eviction_tenacity);
        let began = monotonic_clock();
        let mut evicted = 0;
        let room = loop {
            let spared = not_counted + self.keys.buried_bytes();
            if memory::used_bytes().saturating_sub(spared) <= maxmemory {
                break Room::Enough;
            }
            let is_look_due = evicted > 0 && evicted % KEYS_PER_LOOK == 0;
            if is_look_due && monotonic_clock().since(began) > patience {
                break Room::Unfinished;
            }
            if !self.keys.evict(policy, samples) {
                break Room::None;
            }
            evicted += 1;
        };
        if evicted > 0 {
            // The command that follows is not to blame for this time.
            self.node.tick = monotonic_clock();
            let took = self.node.tick.since(began);
            if self.node.limits.latency_threshold.is_some_and(|bound| took >= bound) {
                self.node.latency.note(latency::EVICTION_CYCLE, self.node.now.seconds(), took);
            }
        }
        room
    }

    fn measure_not_counted(&mut self) {
        let (now, eviction) = (self.node.now, self.node.eviction);
        if now.0.abs_diff(eviction.measured_at.0) < MEASURE_EVERY_MS {
            return;
        }
        let replicas = self.node.clients.iter().filter(|session| session.is_replica());
        let buffers: usize =
            replicas.map(|session| client_list::memory_bytes(session, &self.node.net)).sum();
        let log = self.keys.log().map_or(0, |log| log.log().tail_bytes());
        let backlog = self.node.backlog_beyond_bound(self.keys);
        self.node.eviction.not_counted = (buffers + log) as u64 + backlog;
        self.node.eviction.measured_at = now;
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
