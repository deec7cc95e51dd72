//! The two clocks, read here and handed to everything that must not read them.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use base::{Tick, UnixMs};

/// Monotonic, from an arbitrary start of this process.
pub(crate) fn tick() -> Tick {
    static START: OnceLock<Instant> = OnceLock::new();
    let since = START.get_or_init(Instant::now).elapsed();
    Tick(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Wall clock, for people only: no decision rests on it.
pub(crate) fn unix_ms() -> UnixMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
