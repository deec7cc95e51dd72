//! Which process the system ends first when memory runs out: `oom-score-adj`.
//!
//! ```text
//!   no        ----------------------------------------> what the process was started with
//!   relative  value of the role (master, replica) ----> that, plus the value
//!   absolute  value of the role ----------------------> the value
//! ```
//!
//! Invariant: what the process was started with is put back when the parameter is `no` again.

use std::fs;
use std::io;

use crate::config::{OomScoring, Settings};

const FILE: &str = "/proc/self/oom_score_adj";
/// The system takes no scores beyond these.
const SCORES: std::ops::RangeInclusive<i32> = -1000..=1000;

/// The score of this process, as far as the node has set it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OomScore {
    /// What the score was before it was set; `None`: it was not.
    base: Option<i32>,
}

impl OomScore {
    /// Makes the score what the settings say for a master or a replica.
    pub(crate) fn apply(&mut self, settings: &Settings, is_replica: bool) -> io::Result<()> {
        let [master, replica, _] = settings.process.oom_scores;
        let value = if is_replica { replica } else { master };
        let score = match (settings.process.oom_scoring, self.base) {
            (OomScoring::Off, None) => return Ok(()),
            (OomScoring::Off, Some(base)) => base,
            (OomScoring::Relative, base) => value + base.map_or_else(read, Ok)?,
            (OomScoring::Absolute, _) => value,
        };
        if settings.process.oom_scoring == OomScoring::Off {
            self.base = None;
        } else if self.base.is_none() {
            self.base = Some(read()?);
        }
        fs::write(FILE, score.clamp(*SCORES.start(), *SCORES.end()).to_string())
    }

    /// The same, where nobody can be told that it failed.
    pub(crate) fn follow_role(&mut self, settings: &Settings, is_replica: bool) {
        if let Err(error) = self.apply(settings, is_replica) {
            tracing::warn!(%error, "oom_score_adj cannot be set");
        }
    }
}

fn read() -> io::Result<i32> {
    let text = fs::read_to_string(FILE)?;
    text.trim().parse().map_err(|_| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_score_of_the_start_comes_back() {
        let started_with = read().unwrap();
        let set = |pairs: &[(&str, &str)]| {
            let mut config = Config::default();
            let pairs: Vec<_> = pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
            config.set(&pairs, true).unwrap();
            config
        };
        let mut score = OomScore::default();
        let off = set(&[]);
        score.apply(off.settings(), false).unwrap();
        assert_eq!(read().unwrap(), started_with, "nothing was asked for");
        let on = set(&[("oom-score-adj", "yes"), ("oom-score-adj-values", "1 3 5")]);
        score.apply(on.settings(), false).unwrap();
        assert_eq!(read().unwrap(), started_with + 1);
        score.apply(on.settings(), true).unwrap();
        assert_eq!(read().unwrap(), started_with + 3);
        score.apply(off.settings(), true).unwrap();
        assert_eq!(read().unwrap(), started_with);
    }
}
