//! The clocks of this shell. Decisions get time as a value; here is where it comes from.

use base::{Tick, UnixMs};
use rustix::time::{ClockId, clock_gettime};

/// CLOCK_MONOTONIC: stands still while the machine sleeps.
pub fn monotonic() -> Tick {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    Tick(seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds))
}

/// The wall clock.
pub fn unix() -> UnixMs {
    let time = clock_gettime(ClockId::Realtime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let milliseconds = u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000;
    UnixMs(seconds.saturating_mul(1000).saturating_add(milliseconds))
}
