use super::*;

fn id(ms: u64, seq: u64) -> StreamId {
    StreamId::new(ms, seq)
}

/// Entries 1-0, 2-0, ... with `entries_max` in a node.
fn stream(count: u64, entries_max: usize) -> Stream {
    let limits = Thresholds { stream_node_max_entries: entries_max, ..Thresholds::default() };
    let mut stream = Stream::new();
    for ms in 1..=count {
        stream.add(id(ms, 0), &[b"f", b"v"], &limits).unwrap();
    }
    stream
}

const MANY: Effort = Effort::WholeNodes { limit: 0 };

#[test]
fn trimming_by_whole_nodes_keeps_too_much_rather_than_too_little() {
    let stream = stream(10, 3);
    let count = |trim, effort| stream.trim_count(trim, effort);
    assert_eq!(count(Trim::MaxLen(5), Effort::Exact), 5);
    assert_eq!(count(Trim::MaxLen(5), MANY), 3);
    assert_eq!(count(Trim::MaxLen(4), MANY), 6);
    assert_eq!(count(Trim::MaxLen(10), MANY), 0);
    assert_eq!(count(Trim::MaxLen(u64::MAX), Effort::Exact), 0);
    assert_eq!(count(Trim::MaxLen(0), MANY), 10);
    assert_eq!(count(Trim::MaxLen(0), Effort::WholeNodes { limit: 7 }), 6);
    assert_eq!(count(Trim::MinId(id(6, 0)), Effort::Exact), 5);
    assert_eq!(count(Trim::MinId(id(6, 0)), MANY), 3);
    assert_eq!(count(Trim::MinId(id(7, 0)), MANY), 6);
    assert_eq!(count(Trim::MinId(StreamId::MAX), Effort::Exact), 10);
}

#[test]
fn deleted_entries_are_neither_found_nor_counted() {
    let mut stream = stream(7, 3);
    for ms in [1, 3, 5, 6, 4] {
        assert!(stream.remove(id(ms, 0), &mut Remains::new()));
        assert!(!stream.remove(id(ms, 0), &mut Remains::new()));
    }
    let ids: Vec<StreamId> = stream.range(id(1, 0), StreamId::MAX).map(|entry| entry.id).collect();
    assert_eq!(ids, [id(2, 0), id(7, 0)]);
    assert_eq!((stream.len(), stream.first_id(), stream.max_deleted()), (2, id(2, 0), id(6, 0)));
    assert_eq!(stream.nodes().len(), 2, "the node in the middle is empty");
    assert!(stream.remove(id(7, 0), &mut Remains::new()));
    assert_eq!(stream.last_entry_id(), Some(id(2, 0)));
    assert_eq!(stream.last_id(), id(7, 0));
}

#[test]
fn ids_only_rise_unless_they_are_set() {
    let limits = Thresholds::default();
    let mut stream = stream(3, 100);
    assert_eq!(stream.add(id(3, 0), &[b"f", b"v"], &limits), Err(ApplyError::StaleId));
    assert_eq!(stream.set(id(2, 0), StreamId::MIN, 3), Err(ApplyError::StaleId));
    assert!(stream.remove(id(3, 0), &mut Remains::new()));
    stream.set(id(2, 0), StreamId::MIN, 3).unwrap();
    stream.add(id(2, 5), &[b"f", b"v"], &limits).unwrap();
    let ids: Vec<StreamId> = stream.range_back(id(2, 0), id(3, 0)).map(|entry| entry.id).collect();
    assert_eq!(ids, [id(2, 5), id(2, 0)]);
}

#[test]
fn distances_are_known_at_the_ends() {
    let mut stream = stream(5, 100);
    let check = |stream: &Stream, ms, expect| assert_eq!(stream.distance(id(ms, 0)), expect);
    check(&stream, 0, Some(0));
    check(&stream, 1, Some(1));
    check(&stream, 3, None);
    check(&stream, 5, Some(5));
    check(&stream, 6, None);
    stream.trim(2);
    check(&stream, 0, Some(2));
    check(&stream, 3, Some(3));
    assert!(stream.remove(id(4, 0), &mut Remains::new()));
    check(&stream, 3, None);
    check(&stream, 5, Some(5));
    let group = Group::new(id(3, 0), Some(3));
    assert_eq!(stream.lag(&group), None, "an entry ahead was deleted");
    let group = Group::new(id(4, 5), Some(4));
    assert_eq!(stream.lag(&group), Some(1));
}

/// Numbers that redis-server 7.2.6 gives for streams of one entry a node.
#[test]
fn a_radix_tree_over_the_keys() {
    let count = |keys: &[(u64, u64)]| {
        let mut keys: Vec<StreamId> = keys.iter().map(|(ms, seq)| id(*ms, *seq)).collect();
        keys.sort();
        radix_nodes(keys.iter().map(|key| key.to_bytes())).0
    };
    assert_eq!(count(&[(1, 0)]), 2);
    assert_eq!(count(&[(1, 0), (2, 0)]), 6);
    assert_eq!(count(&[(1, 0), (1, 1)]), 4);
    assert_eq!(count(&[(1, 0), (2, 0), (3, 0), (256, 0)]), 11);
    assert_eq!(Stream::new().radix_nodes(), 1);
}

#[test]
fn consumers_may_come_and_go() {
    let mut group = Group::new(StreamId::MIN, None);
    let at = base::UnixMs(1);
    for name in [b"a", b"b", b"c"] {
        assert!(group.set_consumer(name, at, None));
        assert!(!group.set_consumer(name, at, None));
    }
    assert!(group.give(b"a", id(1, 0), at, 1) && group.give(b"b", id(2, 0), at, 1));
    assert!(group.give(b"b", id(1, 0), at, 2), "it changes hands");
    assert!(!group.give(b"nobody", id(1, 0), at, 2));
    let mut removed = |name| group.remove_consumer(name).map(|(gone, _)| gone.pending().len());
    assert_eq!([removed(b"a"), removed(b"b"), removed(b"b")], [Some(0), Some(2), None]);
    assert_eq!(group.pending().len(), 0);
    assert!(group.set_consumer(b"d", at, None) && group.set_consumer(b"e", at, None));
    assert!(group.give(b"c", id(3, 0), at, 1));
    let pending = group.find_pending(id(3, 0)).unwrap();
    assert_eq!(group.owner(pending).name(), b"c", "numbers are not mixed up");
    assert!(group.acknowledge(id(3, 0)) && !group.acknowledge(id(3, 0)));
}
