//! Clock values. The core never asks for the time: a shell reads the clock and passes these in.

use std::time::Duration;

/// Wall-clock milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct UnixMs(pub u64);

impl UnixMs {
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> UnixMs {
        UnixMs(self.0.saturating_add(ms))
    }

    /// Whole seconds, rounded down.
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }
}

/// Monotonic nanoseconds since an arbitrary start of this process's machine (CLOCK_MONOTONIC);
/// comparable only within one machine's uptime.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Tick(pub u64);

impl Tick {
    #[must_use]
    pub fn plus(self, duration: Duration) -> Tick {
        Tick(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Tick {
        Tick(self.0.saturating_add(ms.saturating_mul(1_000_000)))
    }

    /// Time since `earlier`; zero when `earlier` lies ahead.
    pub fn since(self, earlier: Tick) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Whole milliseconds since `earlier`.
    pub fn ms_since(self, earlier: Tick) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000_000
    }
}
