//! Effects: the whole vocabulary of changes to a keyspace, and their bytes.
//!
//! ```text
//!   payload of a binlog record:  tag u8 | fields in the order of the variant
//!   bytes = varint length + bytes;  integer = varint (zigzag when signed);  list = varint count + items
//!   score = 8 bytes, little-endian IEEE 754
//! ```
//!
//! Invariants
//! - An effect is deterministic: no clock, no randomness, no order of iteration decides what it does.
//! - Tags are never reused; a new meaning takes a new tag.
//! - `decode(encode(e)) == e`, and `decode` of hostile bytes errs without allocating by their claims.

mod stream;

use base::UnixMs;

pub use stream::Claim;

use crate::stream::StreamId;
use crate::varint::{put_bytes, put_i64, put_u64, take_bytes, take_i64, take_u64};

/// What happens to the expiry of a key whose value is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expiry {
    /// The key never expires from now on.
    Clear,
    /// Whatever the key had stays.
    Keep,
    At(UnixMs),
}

/// End of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Head,
    Tail,
}

/// One deterministic change, borrowed from the command's arguments or from the log.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect<'a> {
    // keys
    Delete {
        key: &'a [u8],
    },
    /// Replaces `to` if it is there; the expiry travels with the value.
    Rename {
        from: &'a [u8],
        to: &'a [u8],
    },
    /// Copies value and expiry into `to_db`, replacing `to`.
    Copy {
        from: &'a [u8],
        to_db: u16,
        to: &'a [u8],
    },
    /// Moves the key with its expiry into `to_db`, where it must not be.
    Move {
        key: &'a [u8],
        to_db: u16,
    },
    ExpireAt {
        key: &'a [u8],
        at: UnixMs,
    },
    Persist {
        key: &'a [u8],
    },
    /// Says how lately or how often the key was used, for eviction: the lower 24 bits, which mean what the
    /// eviction policy wants. A missing key stays missing.
    SetClock {
        key: &'a [u8],
        clock: u32,
    },
    FlushDb,
    FlushAll,
    SwapDb {
        a: u16,
        b: u16,
    },
    // libraries of functions, which belong to no database
    /// Replaces the library of that name.
    FunctionLoad {
        name: &'a [u8],
        code: &'a [u8],
    },
    FunctionDelete {
        name: &'a [u8],
    },
    FunctionFlush,
    // strings
    SetString {
        key: &'a [u8],
        value: &'a [u8],
        expiry: Expiry,
    },
    Append {
        key: &'a [u8],
        value: &'a [u8],
    },
    /// Zero-pads up to `offset` (bytes).
    SetRange {
        key: &'a [u8],
        offset: u64,
        value: &'a [u8],
    },
    /// A missing key counts as 0; overflow was ruled out by the command.
    IncrBy {
        key: &'a [u8],
        delta: i64,
    },
    // lists
    /// Pushed one after the other, so that the last value ends up outermost.
    ListPush {
        key: &'a [u8],
        end: End,
        values: Vec<&'a [u8]>,
    },
    ListPop {
        key: &'a [u8],
        end: End,
        count: u64,
    },
    /// `index` counts from the head and exists.
    ListSet {
        key: &'a [u8],
        index: u64,
        value: &'a [u8],
    },
    /// Afterwards `value` stands at `index` (counted from the head, at most the old length).
    ListInsert {
        key: &'a [u8],
        index: u64,
        value: &'a [u8],
    },
    /// Keeps `start..start + count`.
    ListTrim {
        key: &'a [u8],
        start: u64,
        count: u64,
    },
    /// As LREM: from the head if `count` > 0, from the tail if < 0, all if 0.
    ListRemove {
        key: &'a [u8],
        count: i64,
        value: &'a [u8],
    },
    // hashes: field, value, field, value, ...
    /// The fields that are set expire no more.
    HashSet {
        key: &'a [u8],
        pairs: Vec<&'a [u8]>,
    },
    HashDelete {
        key: &'a [u8],
        fields: Vec<&'a [u8]>,
    },
    /// As `HashSet`, but a field that is there expires when it did.
    HashSetAndKeep {
        key: &'a [u8],
        pairs: Vec<&'a [u8]>,
    },
    /// Each field that is there expires at its time.
    HashExpire {
        key: &'a [u8],
        fields: Vec<(UnixMs, &'a [u8])>,
    },
    /// The fields expire no more.
    HashPersist {
        key: &'a [u8],
        fields: Vec<&'a [u8]>,
    },
    // sets
    SetAdd {
        key: &'a [u8],
        members: Vec<&'a [u8]>,
    },
    SetRemove {
        key: &'a [u8],
        members: Vec<&'a [u8]>,
    },
    // sorted sets: scores are final, never increments
    ZsetAdd {
        key: &'a [u8],
        members: Vec<(f64, &'a [u8])>,
    },
    ZsetRemove {
        key: &'a [u8],
        members: Vec<&'a [u8]>,
    },
    // streams
    /// `id` is above all that the stream has had; field, value, field, value, ... in `pairs`.
    StreamAdd {
        key: &'a [u8],
        id: StreamId,
        pairs: Vec<&'a [u8]>,
    },
    /// Appends a whole node of entries, a listpack as in RDB; all of its IDs are above those of the stream.
    StreamAddNode {
        key: &'a [u8],
        first: StreamId,
        listpack: &'a [u8],
    },
    /// Removes entries, and remembers the largest of their IDs as deleted.
    StreamDelete {
        key: &'a [u8],
        ids: Vec<StreamId>,
    },
    /// Removes the first `count` entries.
    StreamTrim {
        key: &'a [u8],
        count: u64,
    },
    /// Sets what the stream remembers beside its entries. A missing stream is created, empty.
    StreamSet {
        key: &'a [u8],
        last_id: StreamId,
        max_deleted: StreamId,
        entries_added: u64,
    },
    /// Creates a group, and the stream if it is missing; or sets how far the group has read.
    /// `entries_read`: `None` when it is not known.
    StreamSetGroup {
        key: &'a [u8],
        group: &'a [u8],
        last_id: StreamId,
        entries_read: Option<u64>,
    },
    StreamRemoveGroup {
        key: &'a [u8],
        group: &'a [u8],
    },
    /// Creates a consumer of a group, or sets when it was heard of and served last.
    StreamSetConsumer {
        key: &'a [u8],
        group: &'a [u8],
        consumer: &'a [u8],
        seen: UnixMs,
        active: Option<UnixMs>,
    },
    /// What was pending for the consumer is pending no more.
    StreamRemoveConsumer {
        key: &'a [u8],
        group: &'a [u8],
        consumer: &'a [u8],
    },
    /// The group has read these entries for the consumer, who is created if it is missing, for the first time.
    StreamDeliver {
        key: &'a [u8],
        group: &'a [u8],
        consumer: &'a [u8],
        at: UnixMs,
        last_id: StreamId,
        entries_read: Option<u64>,
        ids: Vec<StreamId>,
    },
    /// These IDs are pending for the consumer, who exists, whoever had them before.
    StreamClaim {
        key: &'a [u8],
        group: &'a [u8],
        consumer: &'a [u8],
        claims: Vec<Claim>,
    },
    /// These IDs are pending no more.
    StreamAck {
        key: &'a [u8],
        group: &'a [u8],
        ids: Vec<StreamId>,
    },
}

/// Bytes that are not an effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EffectError {
    #[error("unknown effect tag {0}")]
    UnknownTag(u8),
    #[error("effect is cut off or malformed")]
    Malformed,
    #[error("{0} bytes follow the effect")]
    TrailingBytes(usize),
}

mod tag {
    pub(super) const DELETE: u8 = 1;
    pub(super) const RENAME: u8 = 2;
    pub(super) const COPY: u8 = 3;
    pub(super) const MOVE: u8 = 4;
    pub(super) const EXPIRE_AT: u8 = 5;
    pub(super) const PERSIST: u8 = 6;
    pub(super) const FLUSH_DB: u8 = 7;
    pub(super) const FLUSH_ALL: u8 = 8;
    pub(super) const SWAP_DB: u8 = 9;
    pub(super) const SET_CLOCK: u8 = 10;
    pub(super) const SET_STRING: u8 = 16;
    pub(super) const SET_STRING_KEEP: u8 = 17;
    pub(super) const SET_STRING_AT: u8 = 18;
    pub(super) const APPEND: u8 = 19;
    pub(super) const SET_RANGE: u8 = 20;
    pub(super) const INCR_BY: u8 = 21;
    pub(super) const LIST_PUSH_HEAD: u8 = 32;
    pub(super) const LIST_PUSH_TAIL: u8 = 33;
    pub(super) const LIST_POP_HEAD: u8 = 34;
    pub(super) const LIST_POP_TAIL: u8 = 35;
    pub(super) const LIST_SET: u8 = 36;
    pub(super) const LIST_INSERT: u8 = 37;
    pub(super) const LIST_TRIM: u8 = 38;
    pub(super) const LIST_REMOVE: u8 = 39;
    pub(super) const HASH_SET: u8 = 48;
    pub(super) const HASH_DELETE: u8 = 49;
    pub(super) const HASH_SET_AND_KEEP: u8 = 50;
    pub(super) const HASH_EXPIRE: u8 = 51;
    pub(super) const HASH_PERSIST: u8 = 52;
    pub(super) const SET_ADD: u8 = 64;
    pub(super) const SET_REMOVE: u8 = 65;
    pub(super) const ZSET_ADD: u8 = 80;
    pub(super) const ZSET_REMOVE: u8 = 81;
    pub(super) const STREAM_ADD: u8 = 82;
    pub(super) const STREAM_ADD_NODE: u8 = 83;
    pub(super) const STREAM_DELETE: u8 = 84;
    pub(super) const STREAM_TRIM: u8 = 85;
    pub(super) const STREAM_SET: u8 = 86;
    pub(super) const STREAM_SET_GROUP: u8 = 87;
    pub(super) const STREAM_REMOVE_GROUP: u8 = 88;
    pub(super) const STREAM_SET_CONSUMER: u8 = 89;
    pub(super) const STREAM_REMOVE_CONSUMER: u8 = 90;
    pub(super) const STREAM_DELIVER: u8 = 91;
    pub(super) const STREAM_CLAIM: u8 = 92;
    pub(super) const STREAM_ACK: u8 = 93;
    pub(super) const FUNCTION_LOAD: u8 = 96;
    pub(super) const FUNCTION_DELETE: u8 = 97;
    pub(super) const FUNCTION_FLUSH: u8 = 98;
}

impl<'a> Effect<'a> {
    /// Appends the payload bytes of this effect.
    #[expect(clippy::too_many_lines, reason = "one arm for each effect")]
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Effect::Delete { key } => tagged(out, tag::DELETE, key),
            Effect::Rename { from, to } => {
                tagged(out, tag::RENAME, from);
                put_bytes(out, to);
            }
            Effect::Copy { from, to_db, to } => {
                tagged(out, tag::COPY, from);
                put_u64(out, u64::from(*to_db));
                put_bytes(out, to);
            }
            Effect::Move { key, to_db } => {
                tagged(out, tag::MOVE, key);
                put_u64(out, u64::from(*to_db));
            }
            Effect::ExpireAt { key, at } => {
                tagged(out, tag::EXPIRE_AT, key);
                put_u64(out, at.0);
            }
            Effect::Persist { key } => tagged(out, tag::PERSIST, key),
            Effect::SetClock { key, clock } => {
                tagged(out, tag::SET_CLOCK, key);
                put_u64(out, u64::from(*clock));
            }
            Effect::FlushDb => out.push(tag::FLUSH_DB),
            Effect::FlushAll => out.push(tag::FLUSH_ALL),
            Effect::SwapDb { a, b } => {
                out.push(tag::SWAP_DB);
                put_u64(out, u64::from(*a));
                put_u64(out, u64::from(*b));
            }
            Effect::FunctionLoad { name, code } => {
                tagged(out, tag::FUNCTION_LOAD, name);
                put_bytes(out, code);
            }
            Effect::FunctionDelete { name } => tagged(out, tag::FUNCTION_DELETE, name),
            Effect::FunctionFlush => out.push(tag::FUNCTION_FLUSH),
            Effect::SetString { .. }
            | Effect::Append { .. }
            | Effect::SetRange { .. }
            | Effect::IncrBy { .. } => self.encode_string(out),
            Effect::ListPush { .. }
            | Effect::ListPop { .. }
            | Effect::ListSet { .. }
            | Effect::ListInsert { .. }
            | Effect::ListTrim { .. }
            | Effect::ListRemove { .. } => self.encode_list(out),
            Effect::HashSet { key, pairs } => keyed_list(out, tag::HASH_SET, key, pairs),
            Effect::HashDelete { key, fields } => keyed_list(out, tag::HASH_DELETE, key, fields),
            Effect::HashSetAndKeep { key, pairs } => {
                keyed_list(out, tag::HASH_SET_AND_KEEP, key, pairs);
            }
            Effect::HashExpire { key, fields } => {
                tagged(out, tag::HASH_EXPIRE, key);
                put_u64(out, fields.len() as u64);
                for (at, field) in fields {
                    put_u64(out, at.0);
                    put_bytes(out, field);
                }
            }
            Effect::HashPersist { key, fields } => keyed_list(out, tag::HASH_PERSIST, key, fields),
            Effect::SetAdd { key, members } => keyed_list(out, tag::SET_ADD, key, members),
            Effect::SetRemove { key, members } => keyed_list(out, tag::SET_REMOVE, key, members),
            Effect::ZsetAdd { key, members } => {
                tagged(out, tag::ZSET_ADD, key);
                put_u64(out, members.len() as u64);
                for (score, member) in members {
                    out.extend_from_slice(&score.to_le_bytes());
                    put_bytes(out, member);
                }
            }
            Effect::ZsetRemove { key, members } => keyed_list(out, tag::ZSET_REMOVE, key, members),
            Effect::StreamAdd { .. }
            | Effect::StreamAddNode { .. }
            | Effect::StreamDelete { .. }
            | Effect::StreamTrim { .. }
            | Effect::StreamSet { .. }
            | Effect::StreamSetGroup { .. }
            | Effect::StreamRemoveGroup { .. }
            | Effect::StreamSetConsumer { .. }
            | Effect::StreamRemoveConsumer { .. }
            | Effect::StreamDeliver { .. }
            | Effect::StreamClaim { .. }
            | Effect::StreamAck { .. } => stream::encode(self, out),
        }
    }

    fn encode_string(&self, out: &mut Vec<u8>) {
        match self {
            Effect::SetString { key, value, expiry } => {
                match expiry {
                    Expiry::Clear => tagged(out, tag::SET_STRING, key),
                    Expiry::Keep => tagged(out, tag::SET_STRING_KEEP, key),
                    Expiry::At(at) => {
                        tagged(out, tag::SET_STRING_AT, key);
                        put_u64(out, at.0);
                    }
                }
                put_bytes(out, value);
            }
            Effect::Append { key, value } => {
                tagged(out, tag::APPEND, key);
                put_bytes(out, value);
            }
            Effect::SetRange { key, offset, value } => {
                tagged(out, tag::SET_RANGE, key);
                put_u64(out, *offset);
                put_bytes(out, value);
            }
            Effect::IncrBy { key, delta } => {
                tagged(out, tag::INCR_BY, key);
                put_i64(out, *delta);
            }
            _ => unreachable!("encode sends only string effects here"),
        }
    }

    fn encode_list(&self, out: &mut Vec<u8>) {
        match self {
            Effect::ListPush { key, end: End::Head, values } => {
                keyed_list(out, tag::LIST_PUSH_HEAD, key, values);
            }
            Effect::ListPush { key, end: End::Tail, values } => {
                keyed_list(out, tag::LIST_PUSH_TAIL, key, values);
            }
            Effect::ListPop { key, end, count } => {
                let tag = if *end == End::Head { tag::LIST_POP_HEAD } else { tag::LIST_POP_TAIL };
                tagged(out, tag, key);
                put_u64(out, *count);
            }
            Effect::ListSet { key, index, value } => {
                tagged(out, tag::LIST_SET, key);
                put_u64(out, *index);
                put_bytes(out, value);
            }
            Effect::ListInsert { key, index, value } => {
                tagged(out, tag::LIST_INSERT, key);
                put_u64(out, *index);
                put_bytes(out, value);
            }
            Effect::ListTrim { key, start, count } => {
                tagged(out, tag::LIST_TRIM, key);
                put_u64(out, *start);
                put_u64(out, *count);
            }
            Effect::ListRemove { key, count, value } => {
                tagged(out, tag::LIST_REMOVE, key);
                put_i64(out, *count);
                put_bytes(out, value);
            }
            _ => unreachable!("encode sends only list effects here"),
        }
    }

    /// Reads one effect that must fill `payload` exactly.
    pub fn decode(payload: &'a [u8]) -> Result<Effect<'a>, EffectError> {
        let (&tag, mut input) = payload.split_first().ok_or(EffectError::Malformed)?;
        let effect = decode_body(tag, &mut input)?;
        if input.is_empty() { Ok(effect) } else { Err(EffectError::TrailingBytes(input.len())) }
    }
}

fn tagged(out: &mut Vec<u8>, tag: u8, key: &[u8]) {
    out.push(tag);
    put_bytes(out, key);
}

fn keyed_list(out: &mut Vec<u8>, tag: u8, key: &[u8], items: &[&[u8]]) {
    tagged(out, tag, key);
    put_u64(out, items.len() as u64);
    for item in items {
        put_bytes(out, item);
    }
}

fn decode_body<'a>(tag: u8, input: &mut &'a [u8]) -> Result<Effect<'a>, EffectError> {
    let input = &mut Fields(input);
    Ok(match tag {
        tag::DELETE => Effect::Delete { key: input.bytes()? },
        tag::RENAME => Effect::Rename { from: input.bytes()?, to: input.bytes()? },
        tag::COPY => Effect::Copy { from: input.bytes()?, to_db: input.db()?, to: input.bytes()? },
        tag::MOVE => Effect::Move { key: input.bytes()?, to_db: input.db()? },
        tag::EXPIRE_AT => Effect::ExpireAt { key: input.bytes()?, at: UnixMs(input.number()?) },
        tag::PERSIST => Effect::Persist { key: input.bytes()? },
        tag::SET_CLOCK => Effect::SetClock { key: input.bytes()?, clock: input.clock()? },
        tag::FLUSH_DB => Effect::FlushDb,
        tag::FLUSH_ALL => Effect::FlushAll,
        tag::SWAP_DB => Effect::SwapDb { a: input.db()?, b: input.db()? },
        tag::FUNCTION_LOAD => Effect::FunctionLoad { name: input.bytes()?, code: input.bytes()? },
        tag::FUNCTION_DELETE => Effect::FunctionDelete { name: input.bytes()? },
        tag::FUNCTION_FLUSH => Effect::FunctionFlush,
        tag::SET_STRING => {
            Effect::SetString { key: input.bytes()?, expiry: Expiry::Clear, value: input.bytes()? }
        }
        tag::SET_STRING_KEEP => {
            Effect::SetString { key: input.bytes()?, expiry: Expiry::Keep, value: input.bytes()? }
        }
        tag::SET_STRING_AT => Effect::SetString {
            key: input.bytes()?,
            expiry: Expiry::At(UnixMs(input.number()?)),
            value: input.bytes()?,
        },
        tag::APPEND => Effect::Append { key: input.bytes()?, value: input.bytes()? },
        tag::SET_RANGE => {
            Effect::SetRange { key: input.bytes()?, offset: input.number()?, value: input.bytes()? }
        }
        tag::INCR_BY => Effect::IncrBy { key: input.bytes()?, delta: input.signed()? },
        tag::HASH_SET => Effect::HashSet { key: input.bytes()?, pairs: input.pairs()? },
        tag::HASH_DELETE => Effect::HashDelete { key: input.bytes()?, fields: input.list()? },
        tag::HASH_SET_AND_KEEP => {
            Effect::HashSetAndKeep { key: input.bytes()?, pairs: input.pairs()? }
        }
        tag::HASH_EXPIRE => Effect::HashExpire { key: input.bytes()?, fields: input.timed()? },
        tag::HASH_PERSIST => Effect::HashPersist { key: input.bytes()?, fields: input.list()? },
        tag::SET_ADD => Effect::SetAdd { key: input.bytes()?, members: input.list()? },
        tag::SET_REMOVE => Effect::SetRemove { key: input.bytes()?, members: input.list()? },
        tag::ZSET_ADD => Effect::ZsetAdd { key: input.bytes()?, members: input.scored()? },
        tag::ZSET_REMOVE => Effect::ZsetRemove { key: input.bytes()?, members: input.list()? },
        tag::STREAM_ADD..=tag::STREAM_ACK => stream::decode(tag, input)?,
        tag => return decode_list(tag, input),
    })
}

fn decode_list<'a>(tag: u8, input: &mut Fields<'_, 'a>) -> Result<Effect<'a>, EffectError> {
    let end = match tag {
        tag::LIST_PUSH_HEAD | tag::LIST_POP_HEAD => End::Head,
        _ => End::Tail,
    };
    Ok(match tag {
        tag::LIST_PUSH_HEAD | tag::LIST_PUSH_TAIL => {
            Effect::ListPush { key: input.bytes()?, end, values: input.list()? }
        }
        tag::LIST_POP_HEAD | tag::LIST_POP_TAIL => {
            Effect::ListPop { key: input.bytes()?, end, count: input.number()? }
        }
        tag::LIST_SET => {
            Effect::ListSet { key: input.bytes()?, index: input.number()?, value: input.bytes()? }
        }
        tag::LIST_INSERT => Effect::ListInsert {
            key: input.bytes()?,
            index: input.number()?,
            value: input.bytes()?,
        },
        tag::LIST_TRIM => {
            Effect::ListTrim { key: input.bytes()?, start: input.number()?, count: input.number()? }
        }
        tag::LIST_REMOVE => Effect::ListRemove {
            key: input.bytes()?,
            count: input.signed()?,
            value: input.bytes()?,
        },
        unknown => return Err(EffectError::UnknownTag(unknown)),
    })
}

/// Reader of the fields of one payload.
struct Fields<'i, 'a>(&'i mut &'a [u8]);

impl<'a> Fields<'_, 'a> {
    fn bytes(&mut self) -> Result<&'a [u8], EffectError> {
        take_bytes(self.0).ok_or(EffectError::Malformed)
    }

    fn number(&mut self) -> Result<u64, EffectError> {
        take_u64(self.0).ok_or(EffectError::Malformed)
    }

    fn signed(&mut self) -> Result<i64, EffectError> {
        take_i64(self.0).ok_or(EffectError::Malformed)
    }

    fn db(&mut self) -> Result<u16, EffectError> {
        let db = u16::try_from(self.number()?).map_err(|_| EffectError::Malformed)?;
        if db < base::limits::DATABASES_MAX { Ok(db) } else { Err(EffectError::Malformed) }
    }

    fn clock(&mut self) -> Result<u32, EffectError> {
        u32::try_from(self.number()?).map_err(|_| EffectError::Malformed)
    }

    /// A count that the remaining bytes could hold, with at least `bytes_min` each.
    fn count(&mut self, bytes_min: usize) -> Result<usize, EffectError> {
        let count = usize::try_from(self.number()?).map_err(|_| EffectError::Malformed)?;
        let possible = self.0.len() / bytes_min;
        if count <= possible { Ok(count) } else { Err(EffectError::Malformed) }
    }

    fn list(&mut self) -> Result<Vec<&'a [u8]>, EffectError> {
        let count = self.count(1)?;
        (0..count).map(|_| self.bytes()).collect()
    }

    fn pairs(&mut self) -> Result<Vec<&'a [u8]>, EffectError> {
        let list = self.list()?;
        if list.len().is_multiple_of(2) { Ok(list) } else { Err(EffectError::Malformed) }
    }

    fn timed(&mut self) -> Result<Vec<(UnixMs, &'a [u8])>, EffectError> {
        let count = self.count(2)?;
        (0..count).map(|_| Ok((UnixMs(self.number()?), self.bytes()?))).collect()
    }

    fn scored(&mut self) -> Result<Vec<(f64, &'a [u8])>, EffectError> {
        let count = self.count(9)?;
        (0..count)
            .map(|_| {
                let (score, rest) =
                    self.0.split_first_chunk::<8>().ok_or(EffectError::Malformed)?;
                *self.0 = rest;
                let score = f64::from_le_bytes(*score);
                if score.is_nan() {
                    Err(EffectError::Malformed)
                } else {
                    Ok((score, self.bytes()?))
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Effect<'static>> {
        let (key, value) = (b"key".as_slice(), b"value".as_slice());
        vec![
            Effect::Delete { key },
            Effect::Rename { from: key, to: value },
            Effect::Copy { from: key, to_db: 15, to: value },
            Effect::Move { key, to_db: 3 },
            Effect::ExpireAt { key, at: UnixMs(1_700_000_000_000) },
            Effect::Persist { key },
            Effect::SetClock { key, clock: 0xff_ffff },
            Effect::FlushDb,
            Effect::FlushAll,
            Effect::FunctionLoad { name: b"lib", code: b"#!lua name=lib\n" },
            Effect::FunctionDelete { name: b"lib" },
            Effect::FunctionFlush,
            Effect::SwapDb { a: 0, b: 255 },
            Effect::SetString { key, value, expiry: Expiry::Clear },
            Effect::SetString { key, value, expiry: Expiry::Keep },
            Effect::SetString { key, value: b"", expiry: Expiry::At(UnixMs(1)) },
            Effect::Append { key, value },
            Effect::SetRange { key, offset: 1 << 40, value },
            Effect::IncrBy { key, delta: i64::MIN },
            Effect::ListPush { key, end: End::Head, values: vec![value, b""] },
            Effect::ListPush { key, end: End::Tail, values: vec![value] },
            Effect::ListPop { key, end: End::Head, count: 2 },
            Effect::ListPop { key, end: End::Tail, count: 1 },
            Effect::ListSet { key, index: 7, value },
            Effect::ListInsert { key, index: 7, value },
            Effect::ListTrim { key, start: 1, count: 3 },
            Effect::ListRemove { key, count: -2, value },
            Effect::HashSet { key, pairs: vec![b"f", value] },
            Effect::HashDelete { key, fields: vec![b"f"] },
            Effect::HashSetAndKeep { key, pairs: vec![b"f", value] },
            Effect::HashExpire { key, fields: vec![(UnixMs(1), b"f"), (UnixMs(1 << 46), b"")] },
            Effect::HashPersist { key, fields: vec![b"f"] },
            Effect::SetAdd { key, members: vec![b"a", b"b"] },
            Effect::SetRemove { key, members: vec![b"a"] },
            Effect::ZsetAdd { key, members: vec![(1.5, b"a"), (f64::NEG_INFINITY, b"b")] },
            Effect::ZsetRemove { key, members: vec![b"a"] },
        ]
        .into_iter()
        .chain(stream::samples())
        .collect()
    }

    #[test]
    fn every_effect_round_trips_and_no_prefix_of_it_decodes() {
        for effect in samples() {
            let mut bytes = Vec::new();
            effect.encode(&mut bytes);
            assert_eq!(Effect::decode(&bytes).as_ref(), Ok(&effect));
            for cut in 0..bytes.len() {
                assert!(Effect::decode(&bytes[..cut]).is_err(), "{effect:?} cut at {cut}");
            }
            bytes.push(0);
            assert_eq!(Effect::decode(&bytes), Err(EffectError::TrailingBytes(1)));
        }
    }

    #[test]
    fn hostile_counts_are_refused_before_allocation() {
        let mut bytes = vec![tag::SET_ADD, 1, b'k'];
        put_u64(&mut bytes, u64::MAX);
        assert_eq!(Effect::decode(&bytes), Err(EffectError::Malformed));
        assert_eq!(Effect::decode(&[200]), Err(EffectError::UnknownTag(200)));
        assert_eq!(Effect::decode(&[tag::SWAP_DB, 0, 0x80, 0x02]), Err(EffectError::Malformed));
    }
}
