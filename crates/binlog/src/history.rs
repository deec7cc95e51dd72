//! The epoch history of a log: which master's epoch wrote which stretch of it.
//!
//! ```text
//!   reigns    (epoch 1, first 1)      (epoch 4, first 101)   (epoch 5, first 160)
//!   OpIDs     1 .............. 100    101 ............ 159   160 ........... end
//! ```
//!
//! Invariants
//! - Epochs and first OpIDs both grow strictly from reign to reign: a reign that wrote nothing is
//!   replaced by the next one.
//! - Two logs of one shard that agree on a reign hold the same records in it, as far as both reach:
//!   an epoch has one master, and that master writes each OpID once.
//! - Each reign begins at a group boundary, so the common point of two logs is one too.

use std::fmt;
use std::str::FromStr;

use base::{Epoch, OpId, Position};

/// Reigns that a history may hold; the text of a hostile peer is refused beyond it.
pub const REIGNS_COUNT_MAX: usize = 1 << 16;

/// One epoch's stretch of the log: from `first` up to the next reign's first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Reign {
    pub epoch: Epoch,
    pub first: OpId,
}

/// All reigns of a log, oldest first. Text form: `epoch:first` joined by commas, `-` when empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History {
    reigns: Vec<Reign>,
}

/// Why a reign cannot follow, or a text is no history.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("epoch {new} does not follow epoch {newest}")]
    OldEpoch { new: Epoch, newest: Epoch },
    #[error("epoch {new} would begin at OpID {first}, before epoch {newest} does")]
    BeginsBefore { new: Epoch, first: OpId, newest: Epoch },
    #[error("not an epoch history")]
    NotAHistory,
}

impl History {
    pub fn reigns(&self) -> &[Reign] {
        &self.reigns
    }

    /// The newest epoch, or zero.
    pub fn newest(&self) -> Epoch {
        self.reigns.last().map_or(Epoch(0), |reign| reign.epoch)
    }

    /// Adds the next reign. One that begins where the newest begins replaces it, and the newest itself, as long as it
    /// has written nothing, may begin again: its node was started anew.
    pub fn begin(&mut self, epoch: Epoch, first: OpId) -> Result<(), HistoryError> {
        if let Some(newest) = self.reigns.last().copied() {
            if newest == (Reign { epoch, first }) {
                return Ok(());
            }
            if epoch <= newest.epoch {
                return Err(HistoryError::OldEpoch { new: epoch, newest: newest.epoch });
            }
            if first < newest.first {
                let newest = newest.epoch;
                return Err(HistoryError::BeginsBefore { new: epoch, first, newest });
            }
            if first == newest.first {
                self.reigns.pop();
            }
        }
        self.reigns.push(Reign { epoch, first });
        Ok(())
    }

    /// Notes that the record `opid` was written in `epoch`: begins a reign when that is news.
    pub fn observe(&mut self, epoch: Epoch, opid: OpId) -> Result<(), HistoryError> {
        if self.reigns.last().is_some_and(|newest| newest.epoch == epoch && newest.first <= opid) {
            return Ok(());
        }
        self.begin(epoch, opid)
    }

    /// The epoch in which `opid` was (or would be) written; zero before the first reign.
    pub fn epoch_of(&self, opid: u64) -> Epoch {
        let after = self.reigns.partition_point(|reign| reign.first.get() <= opid);
        after.checked_sub(1).map_or(Epoch(0), |at| self.reigns[at].epoch)
    }

    /// The position of a log with this history that ends at `opid`.
    pub fn position(&self, opid: u64) -> Position {
        Position { epoch: self.epoch_of(opid), opid }
    }

    /// Forgets the reigns that begin behind `opid`.
    pub fn truncate_after(&mut self, opid: u64) {
        self.reigns.retain(|reign| reign.first.get() <= opid);
    }

    /// The last OpID up to which this log (ending at `end`) and the other one hold the same records.
    pub fn common_point(&self, end: u64, other: &History, other_end: u64) -> u64 {
        let mut common = 0;
        let mut at = 0;
        loop {
            let here = self.stretch(at, end);
            let there = other.stretch(at, other_end);
            let (Some((reign, last)), Some((other_reign, other_last))) = (here, there) else {
                return common;
            };
            if reign != other_reign {
                return common;
            }
            common = last.min(other_last);
            if last != other_last {
                return common;
            }
            at += 1;
        }
    }

    /// The reign at index `at` and the last OpID it wrote in a log that ends at `end`.
    fn stretch(&self, at: usize, end: u64) -> Option<(Reign, u64)> {
        let reign = *self.reigns.get(at)?;
        if reign.first.get() > end {
            return None;
        }
        let last = self.reigns.get(at + 1).map_or(end, |next| end.min(next.first.get() - 1));
        Some((reign, last))
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reigns.is_empty() {
            return f.write_str("-");
        }
        for (at, reign) in self.reigns.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{}:{}", reign.epoch, reign.first)?;
        }
        Ok(())
    }
}

impl FromStr for History {
    type Err = HistoryError;

    fn from_str(text: &str) -> Result<History, HistoryError> {
        let mut history = History::default();
        if text == "-" {
            return Ok(history);
        }
        for part in text.split(',') {
            let (epoch, first) = part.split_once(':').ok_or(HistoryError::NotAHistory)?;
            let epoch = epoch.parse().map(Epoch).map_err(|_| HistoryError::NotAHistory)?;
            let first = first.parse().ok().and_then(OpId::new).ok_or(HistoryError::NotAHistory)?;
            history.begin(epoch, first)?;
            if history.reigns.len() > REIGNS_COUNT_MAX {
                return Err(HistoryError::NotAHistory);
            }
        }
        Ok(history)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(text: &str) -> History {
        text.parse().unwrap()
    }

    #[test]
    fn common_point_table() {
        let check = |a: &str, a_end: u64, b: &str, b_end: u64, expect: u64| {
            let (left, right) = (history(a), history(b));
            assert_eq!(
                left.common_point(a_end, &right, b_end),
                expect,
                "{a} {a_end} / {b} {b_end}"
            );
            assert_eq!(
                right.common_point(b_end, &left, a_end),
                expect,
                "{b} {b_end} / {a} {a_end}"
            );
        };
        // nothing in common
        check("-", 0, "-", 0, 0);
        check("-", 0, "1:1", 10, 0);
        check("1:1", 10, "2:1", 10, 0);
        // same reign, one is behind
        check("1:1", 10, "1:1", 7, 7);
        check("1:1", 10, "1:1", 10, 10);
        check("1:1,3:11", 20, "1:1", 10, 10);
        check("1:1,3:11", 20, "1:1", 4, 4);
        // the old master went on alone
        check("1:1,3:11", 20, "1:1", 15, 10);
        check("1:1,3:11", 11, "1:1", 5000, 10);
        // two masters after the same point, neither saw the other
        check("1:1,2:11", 30, "1:1,3:11", 12, 10);
        check("1:1,2:8", 30, "1:1,3:11", 12, 7);
        // promoted, and wrote nothing yet
        check("1:1,3:11", 10, "1:1", 10, 10);
        check("1:1,3:11", 10, "1:1", 12, 10);
        check("1:1,3:11", 10, "1:1,2:11", 10, 10);
        // an epoch without writes stands in neither history
        check("1:1,4:11", 20, "1:1,4:11", 15, 15);
        // divergence in an older reign, although the newest epochs are equal
        check("1:1,2:6,5:11", 20, "1:1,3:6,5:11", 20, 5);
    }

    #[test]
    fn a_reign_without_writes_is_replaced() {
        let mut reigns = history("1:1");
        reigns.begin(Epoch(2), OpId::new(11).unwrap()).unwrap();
        reigns.begin(Epoch(3), OpId::new(11).unwrap()).unwrap();
        assert_eq!(reigns, history("1:1,3:11"));
        assert_eq!(reigns.begin(Epoch(3), OpId::new(12).unwrap()).unwrap_err(), {
            HistoryError::OldEpoch { new: Epoch(3), newest: Epoch(3) }
        });
    }

    #[test]
    fn epochs_of_ops() {
        let reigns = history("2:1,4:11");
        let check =
            |opid: u64, epoch: u64| assert_eq!(reigns.epoch_of(opid), Epoch(epoch), "{opid}");
        check(0, 0);
        check(1, 2);
        check(10, 2);
        check(11, 4);
        check(999, 4);
    }

    #[test]
    fn text_round_trips_and_foreign_text_is_refused() {
        for text in ["-", "1:1", "1:1,3:11"] {
            assert_eq!(history(text).to_string(), text);
        }
        for text in ["", "1", "1:0", "1:1,", "2:1,1:5", "1:5,2:1", "x:1"] {
            assert!(text.parse::<History>().is_err(), "{text}");
        }
    }
}
