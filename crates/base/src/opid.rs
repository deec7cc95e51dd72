//! Positions in a shard's history.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

/// Position of one op in the history of a shard: dense, starts at 1, assigned by the master.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OpId(NonZeroU64);

impl OpId {
    /// The first op of a history.
    pub const FIRST: OpId = OpId(NonZeroU64::MIN);

    /// `None` for zero, which is never the id of an op.
    pub fn new(value: u64) -> Option<OpId> {
        NonZeroU64::new(value).map(OpId)
    }

    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// Panics after 2^64 ops: at 1 M ops/s that is half a million years.
    #[must_use]
    pub fn next(self) -> OpId {
        OpId(self.0.checked_add(1).expect("OpId exhausted"))
    }
}

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of a mastership; grows at each promotion. Zero means "never had a master".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Epoch(pub u64);

impl Epoch {
    #[must_use]
    pub fn next(self) -> Epoch {
        Epoch(self.0.checked_add(1).expect("Epoch exhausted"))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How far a node's history reaches: everything up to and including `opid` (0 = nothing yet), the
/// last of it written under `epoch`. Text form `epoch-opid`. Ordered by epoch, then by OpID: of two
/// histories the greater position holds the newer truth, however long the other one is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Position {
    pub epoch: Epoch,
    pub opid: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.opid)
    }
}

impl FromStr for Position {
    type Err = crate::id::ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (epoch, opid) = text.split_once('-').ok_or(crate::id::ParseIdError)?;
        let number = |digits: &str| digits.parse::<u64>().map_err(|_| crate::id::ParseIdError);
        Ok(Position { epoch: Epoch(number(epoch)?), opid: number(opid)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epoch_beats_length() {
        let old = Position { epoch: Epoch(3), opid: 1_000_000 };
        let new = Position { epoch: Epoch(4), opid: 10 };
        assert!(new > old);
        assert_eq!("4-10".parse(), Ok(new));
        assert_eq!(new.to_string(), "4-10");
    }

    #[test]
    fn zero_is_no_op() {
        assert_eq!(OpId::new(0), None);
        assert_eq!(OpId::FIRST.next().get(), 2);
    }
}
