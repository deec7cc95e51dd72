//! Effects on streams in Redis' words.
//!
//! When a consumer was heard of last is not said: Redis' own master does not say it either.

use store::{Db, Outcome, Stream, Value};
use wire::effect::{Claim, Effect};
use wire::stream::{IdText, StreamId};

use super::{bulk, command, header, long};

/// An ID or a number as a word.
fn id(id: StreamId) -> Vec<u8> {
    IdText::of(id).as_bytes().to_vec()
}

fn number(value: u64) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// -1 when it is not known.
fn entries_read(value: Option<u64>) -> Vec<u8> {
    value.map_or(b"-1".to_vec(), number)
}

fn with_ids(out: &mut Vec<u8>, words: &[&[u8]], ids: &[StreamId]) {
    header(out, words.len() + ids.len());
    words.iter().for_each(|word| bulk(out, word));
    ids.iter().for_each(|one| bulk(out, &id(*one)));
}

/// The stream that an effect has just been applied to.
fn of<'d>(db: &'d Db, key: &[u8]) -> &'d Stream {
    match db.get(key).map(|entry| entry.value()) {
        Some(Value::Stream(stream)) => stream,
        _ => unreachable!("the effect has just been applied to this stream"),
    }
}

/// As [`super::effect`], for an effect on a stream.
pub(super) fn effect(out: &mut Vec<u8>, effect: &Effect<'_>, outcome: Outcome, db: &Db) -> usize {
    match effect {
        Effect::StreamAdd { key, id: one, pairs } => {
            let id = id(*one);
            let rest = [&[id.as_slice()], pairs.as_slice()].concat();
            long(out, b"XADD", key, &rest);
        }
        Effect::StreamAddNode { key, first, .. } => return add_all(out, key, of(db, key), *first),
        Effect::StreamDelete { key, ids } => with_ids(out, &[b"XDEL", key], ids),
        Effect::StreamTrim { key, .. } => {
            let length = number(of(db, key).len() as u64);
            command(out, &[b"XTRIM", key, b"MAXLEN", b"=", &length]);
        }
        Effect::StreamSet { key, last_id, max_deleted, entries_added } => {
            let added = number(*entries_added);
            let (last, deleted) = (id(*last_id), id(*max_deleted));
            let mut words: Vec<&[u8]> = vec![b"XSETID", key, &last, b"ENTRIESADDED", &added];
            if max_deleted <= last_id {
                words.extend([b"MAXDELETEDID".as_slice(), &deleted]);
            }
            // Redis creates an empty stream with a group only.
            if outcome.0 == 1 {
                command(out, &[b"XGROUP", b"CREATE", key, b"-", b"0", b"MKSTREAM"]);
                command(out, &[b"XGROUP", b"DESTROY", key, b"-"]);
            }
            command(out, &words);
            return if outcome.0 == 1 { 3 } else { 1 };
        }
        _ => return of_group(out, effect, outcome, db),
    }
    1
}

/// The entries of a node that was added.
fn add_all(out: &mut Vec<u8>, key: &[u8], stream: &Stream, first: StreamId) -> usize {
    let add = |entry: wire::stream::node::Entry<'_>| {
        let pairs: Vec<Vec<u8>> =
            entry.pairs().flat_map(|(field, value)| [field.to_vec(), value.to_vec()]).collect();
        let id = id(entry.id);
        let rest: Vec<&[u8]> = std::iter::once(&id).chain(&pairs).map(Vec::as_slice).collect();
        long(out, b"XADD", key, &rest);
    };
    stream.range(first, StreamId::MAX).map(add).count()
}

/// One pending entry: whose it is, since when, how often it was delivered; and how far its group has read.
fn xclaim(out: &mut Vec<u8>, [key, group, consumer]: [&[u8]; 3], claim: &Claim, last: &[u8]) {
    let Claim { id: one, at, count } = claim;
    let (one, at, count) = (id(*one), number(at.0), number(*count));
    let whose: [&[u8]; 6] = [b"XCLAIM", key, group, consumer, b"0", &one];
    let options: [&[u8]; 8] =
        [b"TIME", &at, b"RETRYCOUNT", &count, b"FORCE", b"JUSTID", b"LASTID", last];
    command(out, &[&whose[..], &options].concat());
}

/// How far a group has read in entries (`ENTRIESREAD`) a replica learns only by SETID, as from a master of Redis.
fn of_group(out: &mut Vec<u8>, effect: &Effect<'_>, outcome: Outcome, db: &Db) -> usize {
    match effect {
        Effect::StreamSetGroup { key, group, last_id, entries_read: read } => {
            let (last, read) = (id(*last_id), entries_read(*read));
            if outcome.0 == 1 {
                let name = b"CREATE".as_slice();
                let options = [b"MKSTREAM".as_slice(), b"ENTRIESREAD", &read];
                long(out, b"XGROUP", name, &[&[*key, group, &last][..], &options].concat());
            } else {
                command(out, &[b"XGROUP", b"SETID", key, group, &last, b"ENTRIESREAD", &read]);
            }
        }
        Effect::StreamRemoveGroup { key, group } => {
            command(out, &[b"XGROUP", b"DESTROY", key, group]);
        }
        // Of a consumer that was there only times have changed.
        Effect::StreamSetConsumer { .. } if outcome.0 == 0 => return 0,
        Effect::StreamSetConsumer { key, group, consumer, .. } => {
            command(out, &[b"XGROUP", b"CREATECONSUMER", key, group, consumer]);
        }
        Effect::StreamRemoveConsumer { key, group, consumer } => {
            command(out, &[b"XGROUP", b"DELCONSUMER", key, group, consumer]);
        }
        Effect::StreamDeliver { key, group, consumer, at, last_id, entries_read: read, ids } => {
            let (last, read) = (id(*last_id), entries_read(*read));
            if ids.is_empty() {
                // NOACK: nothing waits for an acknowledgement.
                command(out, &[b"XGROUP", b"SETID", key, group, &last, b"ENTRIESREAD", &read]);
                return 1;
            }
            ids.iter().for_each(|one| {
                let claim = Claim { id: *one, at: *at, count: 1 };
                xclaim(out, [key, group, consumer], &claim, &last);
            });
            return ids.len();
        }
        Effect::StreamClaim { key, group, consumer, claims } => {
            let last = of(db, key).group(group).map_or(StreamId::MIN, |group| group.last_id);
            claims.iter().for_each(|claim| {
                xclaim(out, [key, group, consumer], claim, &id(last));
            });
            return claims.len();
        }
        Effect::StreamAck { key, group, ids } => with_ids(out, &[b"XACK", key, group], ids),
        _ => unreachable!("only effects on streams are sent here"),
    }
    1
}

#[cfg(test)]
mod tests {
    use base::UnixMs;

    use super::super::tests::check;
    use super::*;

    #[test]
    fn streams_and_groups() {
        let (key, group, consumer) = (b"k".as_slice(), b"g".as_slice(), b"alice".as_slice());
        let at = |ms| StreamId::new(ms, 0);
        let (last_id, entries_read) = (at(2), Some(2));
        check(
            &[
                Effect::StreamSetGroup { key, group, last_id: at(0), entries_read: None },
                Effect::StreamAdd { key, id: at(1), pairs: vec![b"f", b"v"] },
                Effect::StreamAdd { key, id: at(2), pairs: vec![b"f", b"w"] },
                Effect::StreamDeliver {
                    key,
                    group,
                    consumer,
                    at: UnixMs(99),
                    last_id,
                    entries_read,
                    ids: vec![at(1), at(2)],
                },
                Effect::StreamSetConsumer { key, group, consumer, seen: UnixMs(7), active: None },
                Effect::StreamTrim { key, count: 1 },
                Effect::StreamAck { key, group, ids: vec![at(1)] },
            ],
            "XGROUP CREATE k g 0-0 MKSTREAM ENTRIESREAD -1; XADD k 1-0 f v; XADD k 2-0 f w; \
             XCLAIM k g alice 0 1-0 TIME 99 RETRYCOUNT 1 FORCE JUSTID LASTID 2-0 | \
             XCLAIM k g alice 0 2-0 TIME 99 RETRYCOUNT 1 FORCE JUSTID LASTID 2-0; ; XTRIM k MAXLEN = 1; XACK k g 1-0",
        );
    }
}
