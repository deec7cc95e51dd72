//! How much of the executor a walk gets.
//!
//! ```text
//!   other work   slice---------------------------slice---------------------------slice---   a tenth of the time at most
//!                |<1>|<----------- 9 ----------->|
//!   quiet        sliceslicesliceslicesliceslice|-----                                       all of it, until a command
//!                                          command: waits for the rest of one slice
//! ```
//!
//! The rest is reckoned from what the slice really took, so the share holds whatever keys, values and the machine are
//! like. It is time, not turns: a turn can be a single command, and a slice in each would leave clients next to
//! nothing.

use std::time::Duration;

use base::Tick;

/// Longest time that a walk takes at once, but for a single key that needs longer.
pub(super) const SLICE: Duration = Duration::from_micros(100);
/// A slice is followed by so many times its length for others.
const REST_FACTOR: u32 = 9;
/// Nothing to do for others since so long: they do not need the rest.
const QUIET_AFTER: Duration = Duration::from_millis(1);

/// Counters that move when the executor works for others: commands, and the newest op.
pub(super) type Others = (u64, u64);

/// The state of one walk's share; it is kept from one walk to the next.
#[derive(Debug, Default)]
pub(super) struct Pacer {
    rests_until: Tick,
    others: Others,
    /// When `others` were last seen to move.
    busy_at: Tick,
}

impl Pacer {
    /// How long the walk must wait if nothing happens meanwhile; `None`: its slice may begin.
    pub(super) fn rest(&mut self, now: Tick, others: Others) -> Option<Duration> {
        if others != self.others {
            self.others = others;
            self.busy_at = now;
        }
        let until = self.rests_until.min(self.busy_at.plus(QUIET_AFTER));
        (now < until).then(|| until.since(now))
    }

    /// A slice took this time.
    pub(super) fn walked(&mut self, begin: Tick, end: Tick) {
        self.rests_until = end.plus(end.since(begin) * REST_FACTOR);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Time (ns) that a walk gets of one second in slices of `slice_ns`. A turn takes `turn_ns` when there is work for
    /// others, else a microsecond.
    fn share(turn_ns: u64, slice_ns: u64, is_busy: impl Fn(u64) -> bool) -> u64 {
        let mut pacer = Pacer::default();
        let (mut now, mut walked, mut commands) = (Tick(SECOND), 0, 0);
        while now.0 < 2 * SECOND {
            if is_busy(now.0 - SECOND) {
                commands += 1;
                now.0 += turn_ns;
            } else {
                now.0 += 1_000;
            }
            if pacer.rest(now, (commands, 0)).is_none() {
                let begin = now;
                now.0 += slice_ns;
                walked += slice_ns;
                pacer.walked(begin, now);
            }
        }
        walked
    }

    #[test]
    fn busy_clients_leave_a_tenth() {
        for turn_ns in [2_000, 50_000, 900_000] {
            for slice_ns in [1_000, 200_000, 30_000_000] {
                let walked = share(turn_ns, slice_ns, |_| true);
                assert!(walked <= SECOND / 10 + 2 * slice_ns, "{turn_ns} {slice_ns}: {walked}");
            }
        }
        assert!(share(2_000, 100_000, |_| true) >= SECOND / 12, "but it gets on");
    }

    #[test]
    fn an_idle_node_walks_all_the_time() {
        assert!(share(2_000, 100_000, |_| false) >= SECOND / 100 * 99);
    }

    /// A command every 100 µs: the gaps between them are not idleness.
    #[test]
    fn clients_that_pause_between_commands_are_busy() {
        let walked = share(2_000, 100_000, |ns| ns % 100_000 < 3_000);
        assert!(walked <= SECOND / 10 + 200_000, "{walked}");
    }

    #[test]
    fn a_replica_that_applies_ops_is_busy() {
        let mut pacer = Pacer::default();
        pacer.walked(Tick(SECOND), Tick(SECOND + 1_000));
        assert_eq!(pacer.rest(Tick(SECOND + 1_000), (7, 1)), Some(Duration::from_nanos(9_000)));
        assert_eq!(pacer.rest(Tick(SECOND + 10_000), (7, 2)), None);
    }
}
