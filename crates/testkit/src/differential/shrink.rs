//! Cutting a script down to the steps that a difference needs.

use std::io;

use super::duel::{Difference, Duel};
use super::script::Script;

/// Runs that a search may take.
const RUNS_MAX: usize = 600;

impl Duel {
    /// The shortest script found that still shows a difference of `found`'s command, and what it shows.
    ///
    /// Leaves out ever smaller pieces, as in delta debugging (Zeller, Hildebrandt 2002).
    pub fn shrink(&self, script: &Script, found: &Difference) -> io::Result<(Script, Difference)> {
        let mut best =
            Script { steps: script.steps[found.since..=found.step].to_vec(), ..script.clone() };
        let mut shown = found.clone();
        let mut piece = best.steps.len().div_ceil(2);
        let mut runs = 0;
        while piece > 0 && runs < RUNS_MAX {
            let mut from = 0;
            let mut is_shorter = false;
            while from < best.steps.len() && runs < RUNS_MAX {
                let end = (from + piece).min(best.steps.len());
                let mut candidate = best.clone();
                candidate.steps.drain(from..end);
                runs += 1;
                let report = self.run(&candidate)?;
                match report.differences.into_iter().find(|seen| seen.command() == found.command())
                {
                    Some(seen) => {
                        candidate.steps.truncate(seen.step + 1);
                        (best, shown, is_shorter) = (candidate, seen, true);
                    }
                    None => from = end,
                }
            }
            if !is_shorter || piece > 1 {
                piece /= 2;
            }
        }
        Ok((best, shown))
    }
}
