//! Active expiry: removing due keys, and due fields of hashes, that nobody asks for, beside the commands.
//!
//! ```text
//!   beat --> a cycle begins, with an allowance of time
//!   turn --> slices, a millisecond at most   |- much was due: goes on in the next turn
//!                                            |- little was due, or all databases were seen: over
//!                                            `- allowance spent: over until the next beat
//! ```
//!
//! Invariants
//! - A turn is held up for about a millisecond at most, however much is due.
//! - Only a master whose writes are not held expires keys; the others wait for its Deletes, but for what clients of a
//!   writable replica have written.

use std::time::Duration;

use crate::latency;
use crate::turn::{Executor, monotonic_clock};

/// Time in one turn.
const TURN_TIME_MAX: Duration = Duration::from_millis(1);
/// Volatile keys that a slice looks at: with the least effort, and more for each step of
/// `active-expire-effort` above it.
const SLICE_KEYS: usize = 64;
const SLICE_KEYS_PER_EFFORT: usize = 16;
/// Share of the time (per cent) that a cycle may take, likewise (Redis: the same).
const CYCLE_PERCENT: u32 = 25;
const CYCLE_PERCENT_PER_EFFORT: u32 = 2;
/// Weight of the newest slice in the running average of INFO's `expired_stale_perc`.
const AVERAGE_WEIGHT: f64 = 0.05;

/// What is left of the running cycle; zero: none runs.
#[derive(Debug, Default)]
pub(crate) struct ExpiryCycle {
    left: Duration,
}

impl ExpiryCycle {
    /// Whether the next turn has something to do here.
    pub(crate) fn is_running(&self) -> bool {
        !self.left.is_zero()
    }
}

impl Executor {
    /// A beat has come.
    pub(crate) fn begin_expiry_cycle(&mut self) {
        if self.keys.is_replica() && self.node.is_active_expire_on {
            self.keys.expire_own();
        }
        let percent = CYCLE_PERCENT + CYCLE_PERCENT_PER_EFFORT * self.effort();
        self.expiry.left = Duration::from_secs(1) / self.node.limits.hz.max(1) * percent / 100;
    }

    /// The turn's share of the running cycle.
    pub(crate) fn expire(&mut self) {
        let is_allowed =
            self.node.is_active_expire_on && !self.node.is_loading && self.keys.may_clean_up();
        if !is_allowed {
            self.expiry.left = Duration::ZERO;
        }
        let budget = SLICE_KEYS + SLICE_KEYS_PER_EFFORT * self.effort() as usize;
        let allowance = self.expiry.left.min(TURN_TIME_MAX);
        let (began, mut spent) = (monotonic_clock(), Duration::ZERO);
        let is_over = loop {
            if spent >= allowance {
                break false;
            }
            let has_more_keys = self.expire_keys(budget);
            let has_more_fields = self.expire_fields(budget);
            spent = monotonic_clock().since(began);
            if !has_more_keys && !has_more_fields {
                break true;
            }
        };
        if self.node.limits.latency_threshold.is_some_and(|bound| spent >= bound) {
            self.node.latency.note(latency::EXPIRE_CYCLE, self.node.now.seconds(), spent);
        }
        if is_over {
            self.expiry.left = Duration::ZERO;
        } else if self.expiry.is_running() {
            self.expiry.left = self.expiry.left.saturating_sub(spent);
            self.node.counters.expired_time_cap_reached += u64::from(!self.expiry.is_running());
        }
    }

    /// A slice of the keys; whether another is worth its time.
    fn expire_keys(&mut self, budget: usize) -> bool {
        let slice = self.keys.expire_slice(budget);
        let counters = &mut self.node.counters;
        if slice.examined > 0 {
            let percent = 100.0 * slice.due as f64 / slice.examined as f64;
            counters.expired_stale_percent +=
                AVERAGE_WEIGHT * (percent - counters.expired_stale_percent);
        }
        !slice.is_round && slice.is_rewarding()
    }

    /// The same for fields of hashes. One hash can have so many due ones that the slice ends with it.
    fn expire_fields(&mut self, budget: usize) -> bool {
        let slice = self.keys.expire_fields_slice(budget);
        slice.due >= budget || !slice.is_round && slice.is_rewarding()
    }

    /// Steps of `active-expire-effort` above the least.
    fn effort(&self) -> u32 {
        self.node.config.settings().active_expire_effort.saturating_sub(1)
    }
}
