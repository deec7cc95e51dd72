//! Streams of all three forms, and what no stream is.

use base::UnixMs;

use super::super::dump::{OpenError, open};
use super::super::load::{Consumer, Group, Pending, Stream, Value};
use super::super::save::{Totals, Writer};
use super::super::{RdbError, crc64};
use super::head;
use crate::listpack::Listpack;
use crate::stream::{Node, StreamId};

/// `DUMP` by redis-server 7.2.6 of a stream of three entries in two nodes, of which one more was deleted; a group has
/// read one entry for alice, and bob has read nothing.
const STREAM_3: &str = "\
    1502100000000000000001000000000000000122220000000c00010100010201816602816e02000102010001\
    00018176020c010501ff100000000000000002000000000000000031310000001100020100010101856f7468\
    6572060001020100010001817802040100010101000101018166028176020601ff0303000101010204010167\
    010181ffffffffffffffff0100000000000000010000000000000001299a2500a2010000010205616c696365\
    299a2500a2010000299a2500a2010000010000000000000001000000000000000103626f624c9a2500a20100\
    00ffffffffffffffff000b005c836c3a36f2617f";
/// The same commands at redis-server 7.0.15.
const STREAM_2: &str = "\
    1302100000000000000001000000000000000122220000000c00010100010201816602816e02000102010001\
    00018176020c010501ff100000000000000002000000000000000031310000001100020100010101856f7468\
    6572060001020100010001817802040100010101000101018166028176020601ff0303000101010204010167\
    010181ffffffffffffffff010000000000000001000000000000000155d42500a2010000010205616c696365\
    55d42500a2010000010000000000000001000000000000000103626f626dd42500a2010000000a008e419521\
    d81d848d";

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn node(key: StreamId, ids: &[StreamId]) -> Node {
    let mut node = Node::new([b"f".as_slice()].into_iter());
    ids.iter().for_each(|id| node.append(key, *id, &[b"f", b"v"]));
    node
}

const FIRST: StreamId = StreamId::new(5, 1);
const LAST: StreamId = StreamId::new(6, 0);

/// Adds a stream of one node, with a group of one consumer.
pub(super) fn write_sample(writer: &mut Writer) {
    writer.begin_stream(&head("stream"), 1);
    writer.stream_node(FIRST, node(FIRST, &[FIRST, LAST]).as_listpack());
    let totals = Totals {
        length: 2,
        last_id: StreamId::new(7, u64::MAX),
        first_id: FIRST,
        max_deleted: StreamId::MIN,
        entries_added: 1 << 40,
    };
    writer.stream_totals(&totals, 1);
    writer.begin_group(b"group", FIRST, None, 1);
    writer.pending(FIRST, UnixMs(1000), 3);
    writer.begin_consumers(1);
    writer.begin_consumer(b"alice", UnixMs(2000), None, 1);
    writer.owned(FIRST);
}

pub(super) fn sample() -> Value {
    Value::Stream(Box::new(Stream {
        nodes: vec![(FIRST, node(FIRST, &[FIRST, LAST]))],
        last_id: StreamId::new(7, u64::MAX),
        max_deleted: StreamId::MIN,
        entries_added: 1 << 40,
        groups: vec![Group {
            name: b"group".to_vec(),
            last_id: FIRST,
            entries_read: None,
            pending: vec![Pending { id: FIRST, at: UnixMs(1000), count: 3 }],
            consumers: vec![Consumer {
                name: b"alice".to_vec(),
                seen: UnixMs(2000),
                // Files do not have it, and this is the best guess.
                active: Some(UnixMs(2000)),
                pending: vec![FIRST],
            }],
        }],
        has_read_counters: true,
    }))
}

fn opened(payload: &[u8]) -> Stream {
    match open(payload) {
        Ok(Value::Stream(stream)) => *stream,
        other => panic!("{other:?}"),
    }
}

#[test]
fn payloads_of_redis_are_opened() {
    let (new, old) = (opened(&bytes(STREAM_3)), opened(&bytes(STREAM_2)));
    let keys: Vec<StreamId> = new.nodes.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, [StreamId::new(1, 1), StreamId::new(2, 0)]);
    assert_eq!(new.nodes.iter().map(|(_, node)| node.live()).sum::<usize>(), 3);
    assert_eq!((new.last_id, new.max_deleted), (StreamId::new(3, 0), StreamId::new(1, 2)));
    assert_eq!(new.entries_added, 4);
    let [group] = new.groups.as_slice() else { panic!("{:?}", new.groups) };
    assert_eq!((group.last_id, group.entries_read), (StreamId::new(1, 1), None));
    assert_eq!(group.pending[0].count, 1);
    let [alice, bob] = group.consumers.as_slice() else { panic!("{:?}", group.consumers) };
    assert_eq!(alice.pending, [StreamId::new(1, 1)]);
    assert_eq!(alice.active, Some(alice.seen));
    assert_eq!((bob.active, bob.pending.len()), (None, 0));
    assert_eq!(new.nodes, old.nodes);
    let bob = &old.groups[0].consumers[1];
    assert_eq!(bob.active, Some(bob.seen), "the best guess, as in Redis");
}

/// The form of Redis 5 and 6: `1-1 f v`, and a group that has read it for nobody.
#[test]
fn a_stream_without_counters_is_opened() {
    let key = StreamId::new(1, 1);
    let mut payload = vec![15, 1, 16];
    payload.extend_from_slice(&key.to_bytes());
    let pack = node(key, &[key]).as_listpack().as_bytes().to_vec();
    payload.push(u8::try_from(pack.len()).unwrap());
    payload.extend_from_slice(&pack);
    payload.extend_from_slice(b"\x01\x01\x01\x01\x01g\x01\x01\x00\x00\x06\x00");
    payload.extend_from_slice(&crc64(&payload).to_le_bytes());
    let stream = opened(&payload);
    assert_eq!((stream.entries_added, stream.has_read_counters), (1, false));
    assert_eq!(stream.groups[0].entries_read, None);
}

/// A payload of a stream of these nodes, with this length and last ID, and no groups.
fn payload(nodes: &[(StreamId, Listpack)], length: u64, last_id: StreamId) -> Vec<u8> {
    let mut writer = Writer::for_dump();
    writer.begin_stream(&head(""), nodes.len());
    nodes.iter().for_each(|(key, pack)| writer.stream_node(*key, pack));
    let none = StreamId::MIN;
    let totals = Totals { length, last_id, first_id: none, max_deleted: none, entries_added: 0 };
    writer.stream_totals(&totals, 0);
    writer.finish()
}

#[test]
fn nodes_must_fit_together() {
    let [a, b, c] = [1, 2, 3].map(|ms| StreamId::new(ms, 0));
    let pack = |key, ids: &[StreamId]| (key, node(key, ids).as_listpack().clone());
    let check = |nodes: &[(StreamId, Listpack)], length, last_id| {
        open(&payload(nodes, length, last_id)).map(drop)
    };
    let refused = Err(OpenError::Value(RdbError::Malformed("stream")));
    assert_eq!(check(&[pack(a, &[a, b]), pack(c, &[c])], 3, c), Ok(()));
    assert_eq!(check(&[], 0, StreamId::MIN), Ok(()));
    assert_eq!(check(&[pack(a, &[a, b]), pack(b, &[b])], 3, c), refused, "they overlap");
    assert_eq!(check(&[pack(b, &[b]), pack(a, &[a])], 2, c), refused, "out of order");
    assert_eq!(check(&[pack(a, &[a])], 2, c), refused, "length");
    assert_eq!(check(&[pack(b, &[b])], 1, a), refused, "last ID");
    assert_eq!(check(&[pack(StreamId::MIN, &[StreamId::MIN])], 1, a), refused, "no entry is 0-0");
    assert_eq!(check(&[(a, Listpack::new())], 0, a), refused, "an empty listpack");
}

#[test]
fn a_node_without_live_entries_is_left_out() {
    let [a, b] = [1, 2].map(|ms| StreamId::new(ms, 0));
    let mut dead = node(a, &[a]);
    assert!(dead.delete(a, a));
    let nodes = [(a, dead.as_listpack().clone()), (b, node(b, &[b]).as_listpack().clone())];
    let stream = opened(&payload(&nodes, 1, b));
    assert_eq!(stream.nodes.len(), 1);
}
