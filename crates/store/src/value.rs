//! The value of a key: borrowed for reading ([`Value`]), owned for storing ([`Body`]).

use crate::graveyard::{FREE_BYTES_MAX, FREE_EFFORT_MAX};
use crate::{Hash, List, Set, Stream, Zset};

/// Bytes up to which a string stands inside its entry. Longer ones have their own allocation, so that
/// giving a key an expiry never copies more than this.
pub(crate) const INLINE_BYTES_MAX: usize = 4096;
/// Longest string that Redis calls `embstr` (OBJ_ENCODING_EMBSTR_SIZE_LIMIT).
const EMBSTR_BYTES_MAX: usize = 44;
/// What a key holds, borrowed from the store.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    String(StringRef<'a>),
    List(&'a List),
    Hash(&'a Hash),
    Set(&'a Set),
    Zset(&'a Zset),
    Stream(&'a Stream),
}

/// A string: integers in canonical form are kept as numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StringRef<'a> {
    Int(i64),
    /// `is_edited`: it was made by APPEND, SETRANGE or the like, or is longer than an entry takes, and
    /// keeps spare room for more.
    Bytes {
        bytes: &'a [u8],
        is_edited: bool,
    },
}

/// The type of a value, by which a command tells WRONGTYPE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    String,
    List,
    Hash,
    Set,
    Zset,
    Stream,
}

impl Kind {
    /// As TYPE says it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::List => "list",
            Kind::Hash => "hash",
            Kind::Set => "set",
            Kind::Zset => "zset",
            Kind::Stream => "stream",
        }
    }
}

impl<'a> StringRef<'a> {
    /// The text. `room` takes the digits of an integer.
    pub fn text<'t>(self, room: &'t mut itoa::Buffer) -> &'t [u8]
    where
        'a: 't,
    {
        match self {
            StringRef::Int(number) => room.format(number).as_bytes(),
            StringRef::Bytes { bytes, .. } => bytes,
        }
    }

    /// Bytes of the text.
    pub fn len(self) -> usize {
        match self {
            StringRef::Int(number) => itoa::Buffer::new().format(number).len(),
            StringRef::Bytes { bytes, .. } => bytes.len(),
        }
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The number, also when it was put together by APPEND.
    pub fn integer(self) -> Option<i64> {
        match self {
            StringRef::Int(number) => Some(number),
            StringRef::Bytes { bytes, .. } => base::number::parse_i64(bytes),
        }
    }

    /// As OBJECT ENCODING says it.
    pub fn encoding(self) -> &'static str {
        match self {
            StringRef::Int(_) => "int",
            StringRef::Bytes { bytes, is_edited: false } if bytes.len() <= EMBSTR_BYTES_MAX => {
                "embstr"
            }
            StringRef::Bytes { .. } => "raw",
        }
    }
}

impl Value<'_> {
    pub fn kind(&self) -> Kind {
        match self {
            Value::String(_) => Kind::String,
            Value::List(_) => Kind::List,
            Value::Hash(_) => Kind::Hash,
            Value::Set(_) => Kind::Set,
            Value::Zset(_) => Kind::Zset,
            Value::Stream(_) => Kind::Stream,
        }
    }

    /// As OBJECT ENCODING says it.
    pub fn encoding(&self) -> &'static str {
        match self {
            Value::String(string) => string.encoding(),
            Value::List(list) => list.encoding(),
            Value::Hash(hash) => hash.encoding(),
            Value::Set(set) => set.encoding(),
            Value::Zset(zset) => zset.encoding(),
            Value::Stream(_) => "stream",
        }
    }

    /// A copy to be stored under another key.
    pub(crate) fn to_body(self) -> Body<'static> {
        match self {
            Value::String(StringRef::Int(number)) => Body::Int(number),
            Value::String(StringRef::Bytes { bytes, .. }) => Body::Large(Box::new(bytes.to_vec())),
            Value::List(list) => Body::List(list.clone()),
            Value::Hash(hash) => Body::Hash(hash.clone()),
            Value::Set(set) => Body::Set(set.clone()),
            Value::Zset(zset) => Body::Zset(zset.clone()),
            Value::Stream(stream) => Body::Stream(stream.clone()),
        }
    }
}

/// A value to be stored, or one that was taken out of the store.
#[derive(Debug)]
pub enum Body<'a> {
    Int(i64),
    /// At most [`INLINE_BYTES_MAX`] bytes, copied into the entry.
    Inline(&'a [u8]),
    /// A string with its own, growable allocation.
    Large(Box<Vec<u8>>),
    List(List),
    Hash(Hash),
    Set(Set),
    Zset(Zset),
    Stream(Stream),
}

impl<'a> Body<'a> {
    /// The best form of a string that a client sent.
    pub fn string(bytes: &'a [u8]) -> Body<'a> {
        match base::number::parse_i64(bytes) {
            Some(number) => Body::Int(number),
            None if bytes.len() <= INLINE_BYTES_MAX => Body::Inline(bytes),
            None => Body::Large(Box::new(bytes.to_vec())),
        }
    }

    pub fn kind(&self) -> Kind {
        match self {
            Body::Int(_) | Body::Inline(_) | Body::Large(_) => Kind::String,
            Body::List(_) => Kind::List,
            Body::Hash(_) => Kind::Hash,
            Body::Set(_) => Kind::Set,
            Body::Zset(_) => Kind::Zset,
            Body::Stream(_) => Kind::Stream,
        }
    }

    /// Whether dropping this would hold up the executor.
    pub(crate) fn is_dear_to_free(&self) -> bool {
        match self {
            Body::Int(_) | Body::Inline(_) => false,
            Body::Large(bytes) => bytes.capacity() > FREE_BYTES_MAX,
            Body::List(list) => list.free_effort() > FREE_EFFORT_MAX,
            Body::Hash(hash) => hash.free_effort() > FREE_EFFORT_MAX,
            Body::Set(set) => set.free_effort() > FREE_EFFORT_MAX,
            Body::Zset(zset) => zset.free_effort() > FREE_EFFORT_MAX,
            Body::Stream(stream) => stream.free_effort() > FREE_EFFORT_MAX,
        }
    }
}
