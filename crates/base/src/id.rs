//! Who is who. Every internal handshake carries an [`Identity`]; a mismatch is refused before
//! anything is touched, so a reused address can never join two clusters.

use std::fmt;
use std::str::FromStr;

use crate::opid::Epoch;

/// 128 random bits made once, when a cluster is created; never changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u128);

/// Number of a shard, unique in its cluster and never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShardId(pub u32);

/// Number of a node, unique in its cluster and never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub u32);

/// Distinguishes two lives of one data directory: it grows whenever the directory is created anew
/// (empty), so that a node that lost its data is not mistaken for the one that had it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Incarnation(pub u64);

/// The four facts that both ends of an internal link compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    pub cluster: ClusterId,
    pub shard: ShardId,
    pub node: NodeId,
    pub incarnation: Incarnation,
    pub epoch: Epoch,
}

/// Text that is not an id of the wanted kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseIdError;

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a valid id")
    }
}

impl std::error::Error for ParseIdError {}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterId({self})")
    }
}

impl FromStr for ClusterId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ParseIdError);
        }
        u128::from_str_radix(text, 16).map(ClusterId).map_err(|_| ParseIdError)
    }
}

macro_rules! numbered {
    ($name:ident, $inner:ty, $prefix:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let digits = text.strip_prefix($prefix).ok_or(ParseIdError)?;
                if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(ParseIdError);
                }
                digits.parse::<$inner>().map($name).map_err(|_| ParseIdError)
            }
        }
    };
}

numbered!(ShardId, u32, "shard-");
numbered!(NodeId, u32, "node-");
numbered!(Incarnation, u64, "");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_as_text() {
        let cluster = ClusterId(0x0123_4567_89ab_cdef);
        assert_eq!(cluster.to_string().parse(), Ok(cluster));
        assert_eq!("node-7".parse(), Ok(NodeId(7)));
        assert_eq!(NodeId(7).to_string(), "node-7");
        assert_eq!("shard-0".parse(), Ok(ShardId(0)));
    }

    #[test]
    fn foreign_text_is_refused() {
        for text in ["", "node-", "node-+1", "shard-1", "node-4294967296", "7"] {
            assert_eq!(text.parse::<NodeId>(), Err(ParseIdError), "{text}");
        }
        assert_eq!("+123456789012345678901234567890f".parse::<ClusterId>(), Err(ParseIdError));
    }
}
