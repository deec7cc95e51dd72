use proptest::prelude::*;

use super::*;

const KEY: StreamId = StreamId::new(1000, 5);
const NO_LIMITS: Limits = Limits { bytes_max: 0, entries_max: 0 };

fn id(ms: u64, seq: u64) -> StreamId {
    StreamId::new(ms, seq)
}

/// Four entries, the third with other fields, the fourth with a smaller sequence number.
fn sample() -> Node {
    let first: [&[u8]; 4] = [b"field", b"one", b"12", b"34"];
    let mut node = Node::new(first.iter().step_by(2).copied().collect::<Vec<_>>().into_iter());
    node.append(KEY, KEY, &first);
    node.append(KEY, id(1000, 6), &[b"field", b"two", b"12", b""]);
    node.append(KEY, id(1000, 7), &[b"other", b"three"]);
    node.append(KEY, id(1001, 0), &[b"field", b"four", b"12", b"-1"]);
    node
}

fn texts(node: &Node, is_reversed: bool) -> Vec<String> {
    let view = node.view(KEY);
    let mut entries = Vec::new();
    let mut place = if is_reversed { view.end() } else { view.first() };
    while let Some(entry) = if is_reversed { view.entry_before(place) } else { view.entry(place) } {
        place = if is_reversed { entry.place() } else { entry.end() };
        let text = |element: Element<'_>| String::from_utf8_lossy(&element.to_vec()).into_owned();
        let pairs = entry.pairs().map(|(field, value)| format!(" {}={}", text(field), text(value)));
        let mark = if entry.is_deleted { "x" } else { "" };
        entries.push(format!("{mark}{}{}", entry.id, pairs.collect::<String>()));
    }
    entries
}

#[test]
fn entries_are_walked_from_both_ends() {
    let node = sample();
    let mut expect = vec![
        "1000-5 field=one 12=34",
        "1000-6 field=two 12=",
        "1000-7 other=three",
        "1001-0 field=four 12=-1",
    ];
    assert_eq!(texts(&node, false), expect);
    expect.reverse();
    assert_eq!(texts(&node, true), expect);
    assert_eq!(node.view(KEY).last_id(), id(1001, 0));
}

#[test]
fn deleted_entries_stay_in_their_place() {
    let mut node = sample();
    assert!(node.delete(KEY, id(1000, 6)));
    assert!(!node.delete(KEY, id(1000, 6)), "only once");
    assert!(!node.delete(KEY, id(1000, 100)));
    assert_eq!(node.live(), 3);
    node.delete_first(KEY, 2);
    assert_eq!(node.live(), 1);
    let expect = [
        "x1000-5 field=one 12=34",
        "x1000-6 field=two 12=",
        "x1000-7 other=three",
        "1001-0 field=four 12=-1",
    ];
    assert_eq!(texts(&node, false), expect);
    assert!(Node::from_listpack(KEY, node.as_listpack().clone()).is_some());
}

#[test]
fn ids_of_a_deleted_tail_are_given_out_again() {
    let mut node = sample();
    node.forget_deleted_tail(KEY);
    assert_eq!(texts(&node, false).len(), 4, "nothing is deleted");
    assert!(node.delete(KEY, id(1000, 7)) && node.delete(KEY, id(1001, 0)));
    node.forget_deleted_tail(KEY);
    node.append(KEY, id(1000, 7), &[b"again", b""]);
    let expect = ["1000-5 field=one 12=34", "1000-6 field=two 12=", "1000-7 again="];
    assert_eq!(texts(&node, false), expect);
    assert!(Node::from_listpack(KEY, node.as_listpack().clone()).is_some());
}

#[test]
fn a_node_is_full_by_bytes_or_by_entries() {
    let node = sample();
    let pairs: [&[u8]; 2] = [b"field", b"value"];
    assert!(node.has_room(&pairs, NO_LIMITS));
    assert!(!node.has_room(&pairs, Limits { entries_max: 4, ..NO_LIMITS }));
    assert!(node.has_room(&pairs, Limits { entries_max: 5, ..NO_LIMITS }));
    let bytes = node.as_listpack().byte_len();
    assert!(!node.has_room(&pairs, Limits { bytes_max: bytes + 10, ..NO_LIMITS }));
    assert!(node.has_room(&pairs, Limits { bytes_max: bytes + 11, ..NO_LIMITS }));
}

fn check_foreign(items: &[&str]) -> bool {
    let pack: Listpack = items.iter().map(|item| item.as_bytes()).collect();
    Node::from_listpack(KEY, pack).is_some()
}

#[test]
fn what_is_no_node_is_refused() {
    assert!(check_foreign(&["1", "0", "1", "f", "0", "2", "0", "0", "v", "4"]));
    assert!(check_foreign(&["1", "0", "1", "f", "0", "0", "0", "0", "1", "g", "v", "6"]));
    assert!(check_foreign(&["0", "0", "0", "0"]), "no entries at all");
    let wrong: [&[&str]; 14] = [
        &[],
        &["1"],
        &["x", "0", "1", "f", "0"],
        &["0", "0", "9223372036854775807", "f", "0"],
        &["0", "0", "-1", "0"],
        &["0", "0", "1", "f", "1"],
        // Counts.
        &["2", "0", "1", "f", "0", "2", "0", "0", "v", "4"],
        &["1", "1", "1", "f", "0", "2", "0", "0", "v", "4"],
        &["1", "0", "1", "f", "0", "3", "0", "0", "v", "4"],
        // Pieces.
        &["1", "0", "1", "f", "0", "2", "0", "0", "v", "5"],
        &["1", "0", "1", "f", "0", "2", "0", "0", "v"],
        // Before the key, twice the same, an unknown flag.
        &["1", "0", "1", "f", "0", "2", "-1", "0", "v", "4"],
        &["2", "0", "1", "f", "0", "2", "0", "0", "v", "4", "2", "0", "0", "v", "4"],
        &["1", "0", "1", "f", "0", "6", "0", "0", "v", "4"],
    ];
    for items in wrong {
        assert!(!check_foreign(items), "{items:?}");
    }
}

proptest! {
    /// A byte of a node is changed: it is refused, or it can be walked like any other.
    #[test]
    fn damaged_nodes_never_panic(at in 0usize..120, to in any::<u8>()) {
        let mut bytes = sample().as_listpack().as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = to;
        let pack = Listpack::from_bytes(&bytes);
        if let Some(mut node) = pack.and_then(|pack| Node::from_listpack(KEY, pack)) {
            let count = texts(&node, false).len();
            prop_assert_eq!(texts(&node, true).len(), count);
            node.delete_first(KEY, node.live());
            prop_assert_eq!(node.live(), 0);
        }
    }
}
