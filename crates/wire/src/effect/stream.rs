//! The bytes of effects on streams.
//!
//! ```text
//!   id      zigzag of ms, zigzag of seq, each less that of the ID before it in the same list (0-0 before the first)
//!   option  0 for none, else the number plus 1
//!   claim   id, time, count
//! ```

use base::UnixMs;

use super::{Effect, EffectError, Fields, keyed_list, tag, tagged};
use crate::stream::StreamId;
use crate::varint::{put_bytes, put_i64, put_u64};

/// An entry becomes pending for another consumer, or again for the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim {
    pub id: StreamId,
    /// When it was delivered last.
    pub at: UnixMs,
    /// How often it was delivered.
    pub count: u64,
}

/// Appends the payload bytes; `effect` is one on a stream.
pub(super) fn encode(effect: &Effect<'_>, out: &mut Vec<u8>) {
    match effect {
        Effect::StreamAdd { key, id, pairs } => {
            keyed_list(out, tag::STREAM_ADD, key, pairs);
            put_ids(out, &[*id]);
        }
        Effect::StreamAddNode { key, first, listpack } => {
            tagged(out, tag::STREAM_ADD_NODE, key);
            put_ids(out, &[*first]);
            put_bytes(out, listpack);
        }
        Effect::StreamDelete { key, ids } => {
            tagged(out, tag::STREAM_DELETE, key);
            put_id_list(out, ids);
        }
        Effect::StreamTrim { key, count } => {
            tagged(out, tag::STREAM_TRIM, key);
            put_u64(out, *count);
        }
        Effect::StreamSet { key, last_id, max_deleted, entries_added } => {
            tagged(out, tag::STREAM_SET, key);
            put_ids(out, &[*last_id, *max_deleted]);
            put_u64(out, *entries_added);
        }
        _ => encode_of_group(effect, out),
    }
}

fn encode_of_group(effect: &Effect<'_>, out: &mut Vec<u8>) {
    match effect {
        Effect::StreamSetGroup { key, group, last_id, entries_read } => {
            tagged(out, tag::STREAM_SET_GROUP, key);
            put_bytes(out, group);
            put_ids(out, &[*last_id]);
            put_option(out, *entries_read);
        }
        Effect::StreamRemoveGroup { key, group } => {
            tagged(out, tag::STREAM_REMOVE_GROUP, key);
            put_bytes(out, group);
        }
        Effect::StreamSetConsumer { key, group, consumer, seen, active } => {
            consumer_of(out, tag::STREAM_SET_CONSUMER, key, group, consumer);
            put_u64(out, seen.0);
            put_option(out, active.map(|at| at.0));
        }
        Effect::StreamRemoveConsumer { key, group, consumer } => {
            consumer_of(out, tag::STREAM_REMOVE_CONSUMER, key, group, consumer);
        }
        Effect::StreamDeliver { key, group, consumer, at, last_id, entries_read, ids } => {
            consumer_of(out, tag::STREAM_DELIVER, key, group, consumer);
            put_u64(out, at.0);
            put_ids(out, &[*last_id]);
            put_option(out, *entries_read);
            put_id_list(out, ids);
        }
        Effect::StreamClaim { key, group, consumer, claims } => {
            consumer_of(out, tag::STREAM_CLAIM, key, group, consumer);
            put_u64(out, claims.len() as u64);
            let mut before = StreamId::MIN;
            for claim in claims {
                put_id(out, &mut before, claim.id);
                put_u64(out, claim.at.0);
                put_u64(out, claim.count);
            }
        }
        Effect::StreamAck { key, group, ids } => {
            tagged(out, tag::STREAM_ACK, key);
            put_bytes(out, group);
            put_id_list(out, ids);
        }
        _ => unreachable!("only effects on streams come here"),
    }
}

fn consumer_of(out: &mut Vec<u8>, tag: u8, key: &[u8], group: &[u8], consumer: &[u8]) {
    tagged(out, tag, key);
    put_bytes(out, group);
    put_bytes(out, consumer);
}

/// `None` of a number that is `u64::MAX` cannot be told apart; no time and no counter reaches it.
fn put_option(out: &mut Vec<u8>, value: Option<u64>) {
    put_u64(out, value.map_or(0, |value| value.saturating_add(1)));
}

fn put_id_list(out: &mut Vec<u8>, ids: &[StreamId]) {
    put_u64(out, ids.len() as u64);
    put_ids(out, ids);
}

fn put_ids(out: &mut Vec<u8>, ids: &[StreamId]) {
    let mut before = StreamId::MIN;
    ids.iter().for_each(|id| put_id(out, &mut before, *id));
}

fn put_id(out: &mut Vec<u8>, before: &mut StreamId, id: StreamId) {
    put_i64(out, id.ms.wrapping_sub(before.ms).cast_signed());
    put_i64(out, id.seq.wrapping_sub(before.seq).cast_signed());
    *before = id;
}

/// Reads the fields behind the tag of an effect on a stream.
pub(super) fn decode<'a>(tag: u8, input: &mut Fields<'_, 'a>) -> Result<Effect<'a>, EffectError> {
    let key = input.bytes()?;
    let mut before = StreamId::MIN;
    Ok(match tag {
        tag::STREAM_ADD => {
            let pairs = input.pairs()?;
            Effect::StreamAdd { key, pairs, id: input.id(&mut before)? }
        }
        tag::STREAM_ADD_NODE => {
            Effect::StreamAddNode { key, first: input.id(&mut before)?, listpack: input.bytes()? }
        }
        tag::STREAM_DELETE => Effect::StreamDelete { key, ids: input.ids()? },
        tag::STREAM_TRIM => Effect::StreamTrim { key, count: input.number()? },
        tag::STREAM_SET => Effect::StreamSet {
            key,
            last_id: input.id(&mut before)?,
            max_deleted: input.id(&mut before)?,
            entries_added: input.number()?,
        },
        tag => return decode_of_group(tag, key, input),
    })
}

fn decode_of_group<'a>(
    tag: u8,
    key: &'a [u8],
    input: &mut Fields<'_, 'a>,
) -> Result<Effect<'a>, EffectError> {
    let group = input.bytes()?;
    let mut before = StreamId::MIN;
    Ok(match tag {
        tag::STREAM_SET_GROUP => Effect::StreamSetGroup {
            key,
            group,
            last_id: input.id(&mut before)?,
            entries_read: input.option()?,
        },
        tag::STREAM_REMOVE_GROUP => Effect::StreamRemoveGroup { key, group },
        tag::STREAM_SET_CONSUMER => Effect::StreamSetConsumer {
            key,
            group,
            consumer: input.bytes()?,
            seen: UnixMs(input.number()?),
            active: input.option()?.map(UnixMs),
        },
        tag::STREAM_REMOVE_CONSUMER => {
            Effect::StreamRemoveConsumer { key, group, consumer: input.bytes()? }
        }
        tag::STREAM_DELIVER => Effect::StreamDeliver {
            key,
            group,
            consumer: input.bytes()?,
            at: UnixMs(input.number()?),
            last_id: input.id(&mut before)?,
            entries_read: input.option()?,
            ids: input.ids()?,
        },
        tag::STREAM_CLAIM => {
            Effect::StreamClaim { key, group, consumer: input.bytes()?, claims: input.claims()? }
        }
        tag::STREAM_ACK => Effect::StreamAck { key, group, ids: input.ids()? },
        unknown => return Err(EffectError::UnknownTag(unknown)),
    })
}

impl Fields<'_, '_> {
    fn option(&mut self) -> Result<Option<u64>, EffectError> {
        Ok(self.number()?.checked_sub(1))
    }

    fn id(&mut self, before: &mut StreamId) -> Result<StreamId, EffectError> {
        let (ms, seq) = (self.signed()?, self.signed()?);
        *before = StreamId {
            ms: before.ms.wrapping_add(ms.cast_unsigned()),
            seq: before.seq.wrapping_add(seq.cast_unsigned()),
        };
        Ok(*before)
    }

    fn ids(&mut self) -> Result<Vec<StreamId>, EffectError> {
        let count = self.count(2)?;
        let mut before = StreamId::MIN;
        (0..count).map(|_| self.id(&mut before)).collect()
    }

    fn claims(&mut self) -> Result<Vec<Claim>, EffectError> {
        let count = self.count(4)?;
        let mut before = StreamId::MIN;
        let mut claim = || {
            let id = self.id(&mut before)?;
            Ok(Claim { id, at: UnixMs(self.number()?), count: self.number()? })
        };
        (0..count).map(|_| claim()).collect()
    }
}

/// One effect of each kind, for the tests of all effects.
#[cfg(test)]
pub(super) fn samples() -> Vec<Effect<'static>> {
    let (key, group, consumer) = (b"key".as_slice(), b"group".as_slice(), b"consumer".as_slice());
    let (first, last_id) = (StreamId::new(1_700_000_000_000, 3), StreamId::MAX);
    let ids = vec![first, StreamId::MIN, last_id];
    let at = UnixMs(1_700_000_000_000);
    let claim = Claim { id: first, at, count: 7 };
    let entries_read = Some(0);
    vec![
        Effect::StreamAdd { key, id: first, pairs: vec![b"f", b""] },
        Effect::StreamAddNode { key, first, listpack: b"bytes" },
        Effect::StreamDelete { key, ids: ids.clone() },
        Effect::StreamTrim { key, count: 3 },
        Effect::StreamSet { key, last_id, max_deleted: first, entries_added: 9 },
        Effect::StreamSetGroup { key, group, last_id, entries_read: None },
        Effect::StreamRemoveGroup { key, group },
        Effect::StreamSetConsumer { key, group, consumer, seen: at, active: None },
        Effect::StreamSetConsumer { key, group, consumer, seen: at, active: Some(UnixMs(0)) },
        Effect::StreamRemoveConsumer { key, group, consumer },
        Effect::StreamDeliver { key, group, consumer, at, last_id, entries_read, ids: ids.clone() },
        Effect::StreamClaim { key, group, consumer, claims: vec![claim, claim] },
        Effect::StreamAck { key, group, ids },
    ]
}
