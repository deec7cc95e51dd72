//! Whether a silent process works: the CPU time of its executor.
//!
//! ```text
//!   answer ------ silent ------ look ---- look ---- look ----> busy_ms: believed no longer
//!                               |          `- more CPU than at the look before: it works
//!                               `- the first look only notes the CPU time
//! ```
//!
//! A command over millions of elements keeps the executor from answering for seconds. That is no reason to kill it:
//! the client would repeat the command, and the next master would be killed for it too. A process that is stopped,
//! deadlocked, or waits for a disk uses no CPU, so it is found out as soon as without this.

use base::Tick;

/// What is known of the work of one process since it answered last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    answered: Tick,
    /// CPU time at the last look, in clock ticks.
    seen: Option<u64>,
}

impl Effort {
    pub(crate) fn new(now: Tick) -> Effort {
        Effort { answered: now, seen: None }
    }

    /// The process answered: nothing has to be believed.
    pub(crate) fn answered(&mut self, now: Tick) {
        *self = Effort::new(now);
    }

    /// A look at a silent process, whose executor has used `ticks` of CPU time: whether it has worked since the look
    /// before, and has not been silent for longer than `busy_ms` in all.
    pub(crate) fn works(&mut self, ticks: u64, now: Tick, busy_ms: u64) -> bool {
        let before = self.seen.replace(ticks);
        before.is_some_and(|before| ticks > before) && now.ms_since(self.answered) < busy_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Tick {
        Tick(ms * 1_000_000)
    }

    #[test]
    fn only_more_cpu_than_before_is_work() {
        let mut effort = Effort::new(at(0));
        assert!(!effort.works(700, at(600), 30_000), "nothing to compare with");
        assert!(effort.works(710, at(700), 30_000));
        assert!(!effort.works(710, at(800), 30_000), "stopped");
        assert!(effort.works(711, at(900), 30_000));
    }

    #[test]
    fn work_without_an_answer_is_not_believed_for_ever() {
        let mut effort = Effort::new(at(0));
        effort.works(0, at(600), 30_000);
        assert!(effort.works(2900, at(29_999), 30_000));
        assert!(!effort.works(3000, at(30_000), 30_000));
        effort.answered(at(31_000));
        effort.works(3100, at(31_600), 30_000);
        assert!(effort.works(3200, at(31_700), 30_000));
    }
}
