//! The latency monitor: what took longer than `latency-monitor-threshold`, by kind of event.
//!
//! ```text
//!   account(command) --.
//!   housekeeping -------+-- note("command", 312 ms) --> events["command"] { samples, longest }
//!                                                            |`- at most one a second, the longest of it
//!                                                            `- LATENCY LATEST, HISTORY, GRAPH
//! ```
//!
//! Invariants
//! - Kinds of events are names of this program, so their number is bounded; so are the samples of each.
//! - Samples of one event are at least a second apart, oldest first.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Samples kept of one event (Redis: the same).
const SAMPLES_MAX: usize = 160;

/// A command of the flag `fast` took too long: the machine did, rather than the command.
pub const FAST_COMMAND: &str = "fast-command";
/// Another command took too long.
pub const COMMAND: &str = "command";

/// A cycle of active expiry took too long.
pub const EXPIRE_CYCLE: &str = "expire-cycle";
/// Making room before a command took too long.
pub const EVICTION_CYCLE: &str = "eviction-cycle";

/// The longest duration of an event within one second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    pub unix_seconds: u64,
    pub ms: u64,
}

/// What is remembered of one kind of event.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Event {
    samples: VecDeque<Sample>,
    longest_ms: u64,
}

impl Event {
    /// Oldest first; never empty.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = Sample> {
        self.samples.iter().copied()
    }

    pub fn latest(&self) -> Sample {
        *self.samples.back().expect("an event is created with its first sample")
    }

    /// The longest since LATENCY RESET, also of samples that are gone.
    pub fn longest_ms(&self) -> u64 {
        self.longest_ms
    }
}

/// All events.
#[derive(Debug, Default)]
pub struct LatencyMonitor {
    events: BTreeMap<&'static str, Event>,
}

impl LatencyMonitor {
    /// Remembers that `event` took so long; the caller has compared it with the threshold.
    pub fn note(&mut self, event: &'static str, unix_seconds: u64, took: Duration) {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let event = self.events.entry(event).or_default();
        event.longest_ms = event.longest_ms.max(ms);
        match event.samples.back_mut() {
            Some(last) if last.unix_seconds == unix_seconds => last.ms = last.ms.max(ms),
            Some(_) | None => event.samples.push_back(Sample { unix_seconds, ms }),
        }
        if event.samples.len() > SAMPLES_MAX {
            event.samples.pop_front();
        }
    }

    pub fn get(&self, name: &[u8]) -> Option<&Event> {
        self.events.get(std::str::from_utf8(name).ok()?)
    }

    /// Events by name.
    pub fn events(&self) -> impl ExactSizeIterator<Item = (&'static str, &Event)> {
        self.events.iter().map(|(name, event)| (*name, event))
    }

    /// Forgets one event; whether it was known.
    pub fn forget(&mut self, name: &[u8]) -> bool {
        std::str::from_utf8(name).is_ok_and(|name| self.events.remove(name).is_some())
    }

    /// Forgets everything; how many events were known.
    pub fn clear(&mut self) -> usize {
        std::mem::take(&mut self.events).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_one_sample_and_history_an_end() {
        let mut monitor = LatencyMonitor::default();
        let ms = Duration::from_millis;
        monitor.note(COMMAND, 100, ms(5));
        monitor.note(COMMAND, 100, ms(9));
        monitor.note(COMMAND, 100, ms(7));
        monitor.note(FAST_COMMAND, 100, ms(1));
        let event = monitor.get(b"command").expect("noted");
        assert_eq!(event.samples().collect::<Vec<_>>(), [Sample { unix_seconds: 100, ms: 9 }]);
        for second in 101..500 {
            monitor.note(COMMAND, second, ms(2));
        }
        let event = monitor.get(b"command").expect("noted");
        assert_eq!(event.samples().len(), SAMPLES_MAX);
        assert_eq!(event.latest(), Sample { unix_seconds: 499, ms: 2 });
        assert_eq!(event.longest_ms(), 9);
        assert_eq!(
            monitor.events().map(|(name, _)| name).collect::<Vec<_>>(),
            ["command", "fast-command"]
        );
        assert!(monitor.forget(b"command") && !monitor.forget(b"command"));
        assert!(!monitor.forget(b"\xff"));
        assert_eq!(monitor.clear(), 1);
    }
}
