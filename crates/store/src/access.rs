//! The access clock of an entry: 24 bits that tell how long ago, or how often, it was used.
//!
//! ```text
//!   LRU   ┌ seconds, modulo 2^24 (194 days) ─────────┐
//!   LFU   ┌ minutes of the last decay: 16 ┬ count: 8 ┐   count: logarithmic (Morris), 255 at most
//! ```
//!
//! Both are those of Redis, so OBJECT IDLETIME, OBJECT FREQ and the settings mean the same.

use base::UnixMs;

use crate::Rng;

const CLOCK_BITS: u32 = 24;
/// Count of a new key, so that it is not evicted at once (Redis: LFU_INIT_VAL).
const COUNT_NEW: u8 = 5;

/// What the clocks of entries mean, and what time it is. Told by the shell once a turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    pub now: UnixMs,
    /// Clocks count frequency (an LFU policy is set), else recency.
    pub is_lfu: bool,
    /// Keys are evicted by recency (an LRU policy is set): snapshots keep it.
    pub is_lru: bool,
    /// The larger, the more accesses it takes to reach the highest count.
    pub lfu_log_factor: u32,
    /// Minutes after which a count falls by one; 0: never.
    pub lfu_decay_minutes: u32,
}

impl Default for Access {
    /// The settings that Redis starts with, at time 0.
    fn default() -> Access {
        Access {
            now: UnixMs(0),
            is_lfu: false,
            is_lru: false,
            lfu_log_factor: 10,
            lfu_decay_minutes: 1,
        }
    }
}

impl Access {
    /// The clock of a new entry.
    pub fn fresh(&self) -> u32 {
        if self.is_lfu { self.lfu_clock(COUNT_NEW) } else { self.seconds() }
    }

    /// The clock of an entry that is being used.
    #[inline]
    pub fn touched(&self, clock: u32, rng: &mut Rng) -> u32 {
        if !self.is_lfu {
            return self.seconds();
        }
        let count = self.frequency(clock);
        let above_new = u32::from(count.saturating_sub(COUNT_NEW));
        let chance =
            1.0 / f64::from(above_new.saturating_mul(self.lfu_log_factor).saturating_add(1));
        let grows = count < u8::MAX && rng.unit() < chance;
        self.lfu_clock(count + u8::from(grows))
    }

    /// Seconds since the last use; meaningful for LRU clocks.
    pub fn idle_seconds(&self, clock: u32) -> u32 {
        self.seconds().wrapping_sub(clock) & mask(CLOCK_BITS)
    }

    /// The count after decay; meaningful for LFU clocks.
    pub fn frequency(&self, clock: u32) -> u8 {
        let [count, ..] = clock.to_le_bytes();
        if self.lfu_decay_minutes == 0 {
            return count;
        }
        let minutes = self.minutes().wrapping_sub(clock >> 8) & mask(16);
        let periods = minutes / self.lfu_decay_minutes;
        count.saturating_sub(u8::try_from(periods).unwrap_or(u8::MAX))
    }

    /// Seconds since the last use, as seen from a moment that may lie before it: then 0.
    pub fn idle_seconds_before(&self, clock: u32) -> u32 {
        let idle = self.idle_seconds(clock);
        if idle > mask(CLOCK_BITS) / 2 { 0 } else { idle }
    }

    /// The count after decay, as seen from a moment that may lie before the last use: then without decay.
    pub fn frequency_before(&self, clock: u32) -> u8 {
        let [count, ..] = clock.to_le_bytes();
        let minutes = self.minutes().wrapping_sub(clock >> 8) & mask(16);
        if minutes > mask(16) / 2 { count } else { self.frequency(clock) }
    }

    /// The clock that says "idle for so many seconds" (RESTORE with IDLETIME, snapshots).
    pub fn idle_clock(&self, seconds: u32) -> u32 {
        self.seconds().wrapping_sub(seconds) & mask(CLOCK_BITS)
    }

    /// The clock that says "this count" (RESTORE with FREQ, snapshots).
    pub fn lfu_clock(&self, count: u8) -> u32 {
        (self.minutes() << 8) | u32::from(count)
    }

    fn seconds(&self) -> u32 {
        low_bits(self.now.seconds(), CLOCK_BITS)
    }

    fn minutes(&self) -> u32 {
        low_bits(self.now.seconds() / 60, 16)
    }
}

fn mask(bits: u32) -> u32 {
    (1 << bits) - 1
}

fn low_bits(value: u64, bits: u32) -> u32 {
    u32::try_from(value & u64::from(mask(bits))).expect("masked to fewer than 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recency_wraps_around() {
        let mut access = Access { now: UnixMs(16_777_215_000), ..Access::default() };
        let clock = access.fresh();
        assert_eq!(clock, 0xff_ffff);
        access.now = access.now.plus_ms(3_000);
        assert_eq!(access.idle_seconds(clock), 3);
        assert_eq!(access.idle_seconds(access.idle_clock(77)), 77);
    }

    #[test]
    fn frequency_grows_slower_and_slower_and_decays_with_time() {
        let mut access = Access { is_lfu: true, ..Access::default() };
        let mut rng = Rng::new(1);
        let mut clock = access.fresh();
        assert_eq!(access.frequency(clock), COUNT_NEW);
        let mut after = |hits: u32| {
            (0..hits).for_each(|_| clock = access.touched(clock, &mut rng));
            clock
        };
        let (hundred, million) = (after(100), after(1_000_000));
        assert!((6..=16).contains(&access.frequency(hundred)), "{}", access.frequency(hundred));
        assert_eq!(access.frequency(million), 255);
        access.now = access.now.plus_ms(10 * 60_000);
        assert_eq!(access.frequency(million), 245);
        access.lfu_decay_minutes = 5;
        assert_eq!(access.frequency(million), 253);
        access.lfu_decay_minutes = 0;
        assert_eq!(access.frequency(million), 255);
    }
}
