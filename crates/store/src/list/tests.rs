use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

const LIMITS: Thresholds = Thresholds {
    list_max_listpack_size: 4,
    hash_max_listpack_entries: 0,
    hash_max_listpack_value: 0,
    set_max_intset_entries: 0,
    set_max_listpack_entries: 0,
    set_max_listpack_value: 0,
    zset_max_listpack_entries: 0,
    zset_max_listpack_value: 0,
    stream_node_max_bytes: 0,
    stream_node_max_entries: 0,
};

fn list_of(count: usize) -> List {
    let mut list = List::new();
    for at in 0..count {
        list.push(End::Tail, &[at.to_string().as_bytes()], &LIMITS);
    }
    list
}

/// All that the drawing in the module promises.
fn check(list: &List) {
    let mut counted = 0;
    for number in 0..list.node_count() {
        match list.node(number).unwrap() {
            NodeRef::Pack(pack) => {
                assert!(!pack.is_empty() || list.encoding() == "listpack");
                assert!(wire::listpack::validate(pack.as_bytes()));
                counted += pack.len();
            }
            NodeRef::Plain(_) => counted += 1,
        }
    }
    assert_eq!(counted, list.len());
}

fn texts<'a>(elements: impl Iterator<Item = Element<'a>>) -> Vec<Vec<u8>> {
    elements.map(|element| element.to_vec()).collect()
}

#[test]
fn encoding_follows_the_size_with_hysteresis() {
    let mut list = list_of(4);
    assert_eq!(list.encoding(), "listpack");
    list.push(End::Head, &[b"x"], &LIMITS);
    assert_eq!((list.encoding(), list.node_count()), ("quicklist", 2));
    list.pop(End::Head, 1, &LIMITS);
    assert_eq!(list.encoding(), "quicklist", "one node, but more than half full");
    list.pop(End::Head, 2, &LIMITS);
    assert_eq!(list.encoding(), "listpack");
    list.push(End::Tail, &[&[b'x'; 9000]], &LIMITS);
    assert_eq!(list.encoding(), "quicklist");
    assert!(matches!(list.node(1), Some(NodeRef::Plain(_))));
    assert_eq!(list.remove(0, &[b'x'; 9000], &LIMITS), 1);
    assert_eq!(list.encoding(), "listpack");
}

/// A full node stays one when an element of it is replaced.
#[test]
fn replacing_does_not_split() {
    let mut list = list_of(4);
    assert!(list.set(3, b"x", &LIMITS));
    assert_eq!((list.encoding(), list.node_count()), ("quicklist", 1), "as many as a node holds");
    assert!(list.set(0, b"y", &LIMITS));
    assert_eq!((list.node_count(), list.len()), (1, 4));
    check(&list);
}

#[test]
fn a_batch_converts_by_its_sum() {
    let limits = Thresholds::default();
    let value = [b'x'; 40];
    let mut list = List::new();
    list.push(End::Tail, &vec![value.as_slice(); 200], &limits);
    assert_eq!(list.encoding(), "listpack", "8,000 bytes of values, though 8,407 with heads");
    list.push(End::Tail, &[b"x"], &limits);
    assert_eq!(list.encoding(), "quicklist");
}

#[test]
fn an_emptied_list_is_a_fresh_one() {
    let mut list = list_of(100);
    assert_eq!(list.pop(End::Tail, 1000, &LIMITS), 100);
    assert!(list.is_empty() && list.iter().next().is_none());
    assert_eq!(list.encoding(), "listpack");
}

#[derive(Clone, Debug)]
enum Step {
    Push(End, Vec<Vec<u8>>),
    Pop(End, usize),
    Set(usize, Vec<u8>),
    Insert(usize, Vec<u8>),
    Trim(usize, usize),
    Remove(i64, Vec<u8>),
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        12 => (0u8..6).prop_map(|value| value.to_string().into_bytes()),
        4 => proptest::collection::vec(any::<u8>(), 0..4),
        1 => Just(vec![b'L'; 8193]),
        1 => Just(vec![b'M'; 5000]),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Head), Just(End::Tail)]
}

fn step() -> impl Strategy<Value = Step> {
    let values = proptest::collection::vec(value(), 1..6);
    prop_oneof![
        6 => (end(), values).prop_map(|(end, values)| Step::Push(end, values)),
        2 => (end(), 0usize..6).prop_map(|(end, count)| Step::Pop(end, count)),
        3 => (any::<usize>(), value()).prop_map(|(at, value)| Step::Set(at, value)),
        4 => (any::<usize>(), value()).prop_map(|(at, value)| Step::Insert(at, value)),
        1 => (0usize..12, 0usize..60).prop_map(|(start, count)| Step::Trim(start, count)),
        1 => (-3i64..4, value()).prop_map(|(count, value)| Step::Remove(count, value)),
    ]
}

fn model_remove(model: &mut VecDeque<Vec<u8>>, count: i64, value: &[u8]) -> usize {
    let equal = (0..model.len()).filter(|&at| model[at] == value);
    let mut doomed: Vec<usize> = if count < 0 { equal.rev().collect() } else { equal.collect() };
    if count != 0 {
        doomed.truncate(usize::try_from(count.unsigned_abs()).unwrap());
    }
    doomed.sort_unstable();
    doomed.iter().rev().for_each(|&at| drop(model.remove(at)));
    doomed.len()
}

fn run(list: &mut List, model: &mut VecDeque<Vec<u8>>, step: Step) {
    match step {
        Step::Push(end, values) => {
            let slices: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
            list.push(end, &slices, &LIMITS);
            for value in values {
                match end {
                    End::Head => model.push_front(value),
                    End::Tail => model.push_back(value),
                }
            }
        }
        Step::Pop(end, count) => {
            let count = count.min(model.len());
            assert_eq!(list.pop(end, count, &LIMITS), count);
            match end {
                End::Head => drop(model.drain(..count)),
                End::Tail => model.truncate(model.len() - count),
            }
        }
        Step::Set(at, value) => {
            let at = at % (model.len() + 1);
            assert_eq!(list.set(at, &value, &LIMITS), at < model.len());
            if let Some(slot) = model.get_mut(at) {
                *slot = value;
            }
        }
        Step::Insert(at, value) => {
            let at = at % (model.len() + 1);
            assert!(list.insert(at, &value, &LIMITS));
            model.insert(at, value);
        }
        Step::Trim(start, count) => {
            list.trim(start, count, &LIMITS);
            *model = model.iter().skip(start).take(count).cloned().collect();
        }
        Step::Remove(count, value) => {
            let removed = list.remove(count, &value, &LIMITS);
            assert_eq!(removed, model_remove(model, count, &value));
        }
    }
}

proptest! {
    #[test]
    fn behaves_as_a_deque(
        steps in proptest::collection::vec(step(), 0..80),
        from in any::<usize>(),
    ) {
        let (mut list, mut model) = (List::new(), VecDeque::new());
        for step in steps {
            run(&mut list, &mut model, step);
            check(&list);
            prop_assert_eq!(list.len(), model.len());
        }
        prop_assert_eq!(texts(list.iter()), Vec::from(model.clone()));
        if !model.is_empty() {
            let from = from % model.len();
            let (forth, back) = (list.iter_from(from), list.iter_back_from(from));
            prop_assert_eq!(forth.len(), model.len() - from);
            prop_assert_eq!(texts(forth), model.iter().skip(from).cloned().collect::<Vec<_>>());
            prop_assert_eq!(
                texts(back),
                model.iter().take(from + 1).rev().cloned().collect::<Vec<_>>()
            );
        }
    }
}
