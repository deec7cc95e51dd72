//! How names and units look outside the process: in texts for people (JSON) an id is its printed form
//! (`"shard-0"`, `"node-7"`), in binary formats it is the bare number; epochs, incarnations and clock values
//! are numbers in both.
//!
//! A reader of a text accepts the bare number too, so that `7` and `"node-7"` name the same node.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{ClusterId, Incarnation, NodeId, ShardId};
use crate::opid::{Epoch, Position};
use crate::time::{Tick, UnixMs};

/// An id from its number or its text.
struct NumberOrText<T>(PhantomData<T>);

impl<T: FromStr + TryFromNumber> Visitor<'_> for NumberOrText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id as text or number")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        T::from_number(number).ok_or_else(|| E::custom("id out of range"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(|_| E::custom(format_args!("{text:?} is not a valid id")))
    }
}

trait TryFromNumber: Sized {
    fn from_number(number: u64) -> Option<Self>;
}

macro_rules! named {
    ($name:ident, $inner:ty) => {
        impl TryFromNumber for $name {
            fn from_number(number: u64) -> Option<Self> {
                <$inner>::try_from(number).ok().map($name)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    self.0.serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    deserializer.deserialize_any(NumberOrText(PhantomData))
                } else {
                    <$inner>::deserialize(deserializer).map($name)
                }
            }
        }
    };
}

macro_rules! plain {
    ($name:ident, $inner:ty) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$inner>::deserialize(deserializer).map($name)
            }
        }
    };
}

named!(ShardId, u32);
named!(NodeId, u32);
plain!(Incarnation, u64);
plain!(Epoch, u64);
plain!(UnixMs, u64);
plain!(Tick, u64);

impl Serialize for ClusterId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for ClusterId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
            text.parse().map_err(|_| D::Error::custom("a cluster id is 32 hex digits"))
        } else {
            u128::deserialize(deserializer).map(ClusterId)
        }
    }
}

/// Text form `epoch-opid` everywhere: a position is for reading, never on a hot path.
impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom("a position is <epoch>-<opid>"))
    }
}
