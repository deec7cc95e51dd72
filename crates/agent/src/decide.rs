//! What to do about the process of one node: a pure function of what is wanted and what was seen.
//!
//! ```text
//!              start                    answers
//!   Gone ----------------> Running ---------------> Running (probed every cycle)
//!    ^                        |                        |
//!    |      kill: 30 s without a first answer          | kill: hung_after without an answer
//!    |                        v                        v
//!    +---------------- Ending (asked, later killed) <--+-- ask to end: removed from the orders
//! ```
//!
//! Invariants
//! - A process is never started while another one of the same node may run (`Gone` is proof).
//! - Time that passed while the agent itself did not run counts for nothing (`Silence`).

use base::Tick;

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Without an answer from the data path for this long a node is hung, milliseconds.
    pub hung_after_ms: u64,
    /// A node that does not answer but works, by the CPU time of its executor, counts as alive for so long, milliseconds.
    pub busy_ms: u64,
    /// A new process must answer for the first time within this, milliseconds. It does so before it
    /// loads data, so this covers only finding the end of its log.
    pub start_ms: u64,
    /// A node that was asked to end may flush for this long, milliseconds.
    pub end_ms: u64,
    /// Pause before the second start in a row; doubles with each failure, milliseconds.
    pub backoff_ms: u64,
    /// Longest pause between starts, milliseconds: with the loading behind it, a node that is killed again and again is
    /// still back within seconds.
    pub backoff_ms_max: u64,
    /// A process that lived this long was not a failed start, milliseconds: starting it again at once costs no more
    /// than it did to live. Longer, and a master that is killed now and then would be kept waiting for it.
    pub settled_ms: u64,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            hung_after_ms: 2_000,
            busy_ms: 30_000,
            start_ms: 30_000,
            end_ms: 30_000,
            backoff_ms: 200,
            backoff_ms_max: 2_000,
            settled_ms: 2_000,
        }
    }
}

/// What the orders say about the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    Running,
    /// Asked to flush and end.
    Stopped,
    /// Gone at once; someone waits for the proof of death.
    Killed,
}

/// What is known of the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// Proven not to run. `failures` starts in a row ended before they settled.
    Gone { since: Tick, failures: u32 },
    /// Started or adopted at `since`; `answered` once it spoke, and has been silent from `silent` on.
    Running { since: Tick, answered: bool, silent: Tick },
    /// Asked to end at `since`.
    Ending { since: Tick },
    /// Killed; the kernel has not confirmed it yet.
    Killed,
}

/// Why a process is killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KillReason {
    /// The data path did not answer for so many milliseconds.
    Hung { silent_ms: u64 },
    /// It never answered.
    NeverStarted { after_ms: u64 },
    /// It did not end when asked.
    DidNotEnd { after_ms: u64 },
    /// The config server said so.
    Ordered,
}

/// In words that follow the name of the process.
impl std::fmt::Display for KillReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            KillReason::Hung { silent_ms } => {
                write!(f, "was hung (no answer for {silent_ms} ms) and was killed")
            }
            KillReason::NeverStarted { after_ms } => {
                write!(f, "gave no first answer in {after_ms} ms and was killed")
            }
            KillReason::DidNotEnd { after_ms } => {
                write!(f, "was asked to end, did not in {after_ms} ms and was killed")
            }
            KillReason::Ordered => f.write_str("was killed as ordered"),
        }
    }
}

/// The one thing to do now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    Nothing,
    Start,
    /// Ask it to flush and to end.
    End,
    Kill(KillReason),
}

/// Decides; called every cycle and after every change.
pub fn decide(wanted: Wanted, seen: Seen, now: Tick, patience: &Patience) -> Action {
    match (wanted, seen) {
        (_, Seen::Killed) | (Wanted::Stopped | Wanted::Killed, Seen::Gone { .. }) => {
            Action::Nothing
        }
        (Wanted::Killed, Seen::Running { .. } | Seen::Ending { .. }) => {
            Action::Kill(KillReason::Ordered)
        }
        (Wanted::Running, Seen::Gone { since, failures }) => {
            if now.ms_since(since) >= backoff_ms(failures, patience) {
                Action::Start
            } else {
                Action::Nothing
            }
        }
        (Wanted::Running, Seen::Running { since, answered, silent }) => {
            let silent_ms = now.ms_since(silent);
            if answered && silent_ms >= patience.hung_after_ms {
                Action::Kill(KillReason::Hung { silent_ms })
            } else if !answered && silent_ms >= patience.start_ms {
                Action::Kill(KillReason::NeverStarted { after_ms: now.ms_since(since) })
            } else {
                Action::Nothing
            }
        }
        (Wanted::Stopped, Seen::Running { .. }) => Action::End,
        // A node that was asked to end is let go even if the orders want it again: it starts anew then.
        (Wanted::Running | Wanted::Stopped, Seen::Ending { since }) => {
            let after_ms = now.ms_since(since);
            if after_ms >= patience.end_ms {
                Action::Kill(KillReason::DidNotEnd { after_ms })
            } else {
                Action::Nothing
            }
        }
    }
}

/// Pause before the next start.
fn backoff_ms(failures: u32, patience: &Patience) -> u64 {
    match failures {
        0 => 0,
        n => patience
            .backoff_ms
            .saturating_mul(1_u64.checked_shl(n - 1).unwrap_or(u64::MAX))
            .min(patience.backoff_ms_max),
    }
}

/// When the data path was last heard of, in time during which the agent itself ran.
///
/// A monitor that was paused (stopped, starved, machine asleep) must not blame the node for its own
/// pause: when its cycles lie further apart than `PAUSE_MS`, the excess is not counted.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    from: Tick,
    cycle: Tick,
}

/// Cycles are about 100 ms apart; a gap beyond this is our own pause, milliseconds.
pub const PAUSE_MS: u64 = 500;

impl Silence {
    pub fn new(now: Tick) -> Silence {
        Silence { from: now, cycle: now }
    }

    /// The node answered.
    pub fn broken(&mut self, now: Tick) {
        self.from = now;
        self.cycle = now;
    }

    /// A cycle of the monitor; returns its own pause in milliseconds if it had one.
    pub fn cycle(&mut self, now: Tick) -> Option<u64> {
        let gap_ms = now.ms_since(self.cycle);
        self.cycle = now;
        if gap_ms <= PAUSE_MS {
            return None;
        }
        // Samples taken across the pause are void: the node gets its full time again.
        self.from = now;
        Some(gap_ms)
    }

    /// Since when the node is silent.
    pub fn since(&self) -> Tick {
        self.from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Tick {
        Tick(0).plus_ms(ms)
    }

    fn running(answered: bool, silent: u64) -> Seen {
        Seen::Running { since: at(0), answered, silent: at(silent) }
    }

    #[test]
    fn the_table() {
        use Action::{End, Kill, Nothing, Start};
        use Wanted::{Killed, Running, Stopped};
        let hung = |silent_ms| Kill(KillReason::Hung { silent_ms });
        let rows = [
            // a node that does not run
            (Running, Seen::Gone { since: at(0), failures: 0 }, 0, Start),
            (Running, Seen::Gone { since: at(0), failures: 1 }, 199, Nothing),
            (Running, Seen::Gone { since: at(0), failures: 1 }, 200, Start),
            (Running, Seen::Gone { since: at(0), failures: 3 }, 799, Nothing),
            (Running, Seen::Gone { since: at(0), failures: 3 }, 800, Start),
            (Running, Seen::Gone { since: at(0), failures: 500 }, 1_999, Nothing),
            (Running, Seen::Gone { since: at(0), failures: 500 }, 2_000, Start),
            (Stopped, Seen::Gone { since: at(0), failures: 0 }, 9_000, Nothing),
            // a node that runs
            (Running, running(true, 0), 1_999, Nothing),
            (Running, running(true, 0), 2_000, hung(2_000)),
            (Running, running(true, 1_000), 2_999, Nothing),
            (Running, running(false, 0), 29_999, Nothing),
            (
                Running,
                running(false, 0),
                30_000,
                Kill(KillReason::NeverStarted { after_ms: 30_000 }),
            ),
            (Stopped, running(true, 0), 1, End),
            (Stopped, running(false, 0), 1, End),
            // a node on its way out
            (Stopped, Seen::Ending { since: at(0) }, 29_999, Nothing),
            (
                Stopped,
                Seen::Ending { since: at(0) },
                30_000,
                Kill(KillReason::DidNotEnd { after_ms: 30_000 }),
            ),
            (Running, Seen::Ending { since: at(0) }, 10, Nothing),
            (Running, Seen::Killed, 90_000, Nothing),
            (Stopped, Seen::Killed, 90_000, Nothing),
            // someone waits for the proof
            (Killed, running(true, 0), 1, Kill(KillReason::Ordered)),
            (Killed, Seen::Ending { since: at(0) }, 1, Kill(KillReason::Ordered)),
            (Killed, Seen::Killed, 1, Nothing),
            (Killed, Seen::Gone { since: at(0), failures: 0 }, 90_000, Nothing),
        ];
        for (wanted, seen, now, want) in rows {
            let got = decide(wanted, seen, at(now), &Patience::default());
            assert_eq!(got, want, "{wanted:?} {seen:?} at {now} ms");
        }
    }

    #[test]
    fn a_pause_of_the_monitor_is_not_the_nodes_silence() {
        let mut silence = Silence::new(at(0));
        assert_eq!(silence.cycle(at(100)), None);
        assert_eq!(silence.cycle(at(60_000)), Some(59_900));
        assert_eq!(silence.since(), at(60_000));

        for ms in (60_100..=62_000).step_by(100) {
            assert_eq!(silence.cycle(at(ms)), None);
        }
        let seen = Seen::Running { since: at(0), answered: true, silent: silence.since() };
        let action = decide(Wanted::Running, seen, at(62_000), &Patience::default());
        assert_eq!(action, Action::Kill(KillReason::Hung { silent_ms: 2_000 }));
    }
}
