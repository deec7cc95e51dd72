use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::Rng;

fn limits() -> Thresholds {
    Thresholds {
        hash_max_listpack_entries: 8,
        hash_max_listpack_value: 16,
        ..Thresholds::default()
    }
}

fn owned((field, value): Entry<'_>) -> (Vec<u8>, Vec<u8>) {
    (field.to_vec(), value.to_vec())
}

fn numbered(count: usize) -> Hash {
    let mut hash = Hash::new();
    for at in 0..count {
        assert!(hash.set(format!("f{at}").as_bytes(), at.to_string().as_bytes(), &limits()));
    }
    hash
}

#[test]
fn encoding_follows_number_and_length() {
    assert_eq!(numbered(8).encoding(), "listpack");
    let mut hash = numbered(9);
    assert_eq!(hash.encoding(), "hashtable");
    assert!(hash.delete(b"f0") && hash.delete(b"f1") && !hash.delete(b"f1"));
    assert_eq!(hash.encoding(), "hashtable");
    let mut hash = numbered(1);
    assert!(!hash.set(b"f0", &[b'x'; 16], &limits()));
    assert_eq!(hash.encoding(), "listpack");
    assert!(!hash.set(b"f0", &[b'x'; 17], &limits()));
    assert_eq!(hash.encoding(), "hashtable");
}

#[test]
fn a_listpack_keeps_the_order_of_insertion() {
    let mut hash = numbered(3);
    hash.set(b"f1", b"new", &limits());
    let fields: Vec<_> = hash.iter().map(|(field, _)| field.to_vec()).collect();
    assert_eq!(fields, [b"f0", b"f1", b"f2"]);
}

#[test]
fn foreign_listpacks_are_checked() {
    let pack = |values: &[&str]| values.iter().map(|v| v.as_bytes()).collect::<Listpack>();
    let check = |values: &[&str], expect: Option<(usize, &str)>| {
        let hash = Hash::from_listpack(pack(values), &limits());
        assert_eq!(hash.map(|hash| (hash.len(), hash.encoding())), expect);
    };
    check(&["a", "1", "1", "a"], Some((2, "listpack")));
    check(&["a", "1", "a", "2"], None);
    check(&["a", "1", "b"], None);
    check(&["a", "a value above 16 bytes"], Some((1, "hashtable")));
}

#[test]
fn random_fields_are_distinct_and_reach_all() {
    for count in [5, 300] {
        let (hash, mut rng) = (numbered(count), Rng::new(7));
        for wanted in [1, count / 10, count / 2, count, count + 5] {
            let mut picked: Vec<_> = hash
                .at(UnixMs(0))
                .random_distinct(wanted, &mut rng)
                .into_iter()
                .map(owned)
                .collect();
            picked.sort_unstable();
            picked.dedup();
            assert_eq!(picked.len(), wanted.min(count));
            assert!(picked.iter().all(|(field, value)| field[1..] == value[..]));
        }
        let seen: BTreeMap<_, _> =
            (0..count * 20).map(|_| owned(hash.random(&mut rng).unwrap())).collect();
        assert_eq!(seen.len(), count);
    }
    assert!(Hash::new().random(&mut Rng::new(1)).is_none());
}

proptest! {
    #[test]
    fn behaves_as_a_map(
        steps in proptest::collection::vec((0u8..5, 0u8..24, "[a-z0-9]{0,20}"), 0..120),
    ) {
        let (mut hash, mut model) = (Hash::new(), BTreeMap::new());
        for (kind, field, value) in steps {
            let (field, value) = (field.to_string().into_bytes(), value.into_bytes());
            if kind == 0 {
                prop_assert_eq!(hash.delete(&field), model.remove(&field).is_some());
            } else {
                prop_assert_eq!(hash.set(&field, &value, &limits()), !model.contains_key(&field));
                model.insert(field.clone(), value);
            }
            prop_assert_eq!(hash.get(&field).map(|value| value.to_vec()), model.get(&field).cloned());
            prop_assert_eq!(hash.contains(&field), model.contains_key(&field));
            prop_assert_eq!(hash.len(), model.len());
        }
        prop_assert_eq!(hash.iter().map(owned).collect::<BTreeMap<_, _>>(), model.clone());
        prop_assert_eq!(hash.clone().iter().map(owned).collect::<BTreeMap<_, _>>(), model.clone());
        let (mut scanned, mut cursor) = (Vec::new(), 0);
        loop {
            cursor = hash.scan(cursor, |entry| scanned.push(owned(entry)));
            if cursor == 0 {
                break;
            }
        }
        prop_assert_eq!(scanned.len(), model.len());
        prop_assert_eq!(scanned.into_iter().collect::<BTreeMap<_, _>>(), model);
    }
}

#[test]
fn deadlines_follow_their_fields() {
    for count in [4, 100] {
        let mut hash = numbered(count);
        assert!(!hash.has_deadlines());
        assert!(!hash.set_deadline(b"nosuch", UnixMs(5)));
        assert_eq!(hash.first_deadline(), None);
        for (field, at) in [("f0", 30), ("f1", 10), ("f2", 20), ("f0", 15)] {
            assert!(hash.set_deadline(field.as_bytes(), UnixMs(at)));
        }
        let all: Vec<_> = hash.iter_deadlines().map(|(at, field)| (at.0, field.to_vec())).collect();
        assert_eq!(all, [(10, b"f1".to_vec()), (15, b"f0".to_vec()), (20, b"f2".to_vec())]);
        assert_eq!(hash.due(UnixMs(15)).count(), 2);

        let copy = hash.clone();
        assert!(hash.delete(b"f1"));
        assert!(!hash.set(b"f2", b"new", &limits()));
        assert!(!hash.set_and_keep(b"f0", b"new", &limits()));
        assert_eq!(hash.iter_deadlines().collect::<Vec<_>>(), [(UnixMs(15), b"f0".as_slice())]);
        assert!(hash.persist(b"f0"));
        assert!(!hash.persist(b"f0"));
        assert!(!hash.has_deadlines());
        assert_eq!(copy.iter_deadlines().count(), 3);
    }
}

#[test]
fn due_fields_are_invisible_but_there() {
    for count in [4, 100] {
        let mut hash = numbered(count);
        for (at, field) in [(10, "f0"), (20, "f1")] {
            hash.set_deadline(field.as_bytes(), UnixMs(at));
        }
        let mut rng = Rng::new(3);
        for (now, hidden) in [(9, 0), (10, 1), (25, 2)] {
            let seen = hash.at(UnixMs(now));
            assert_eq!((seen.len(), seen.iter().count()), (count - hidden, count - hidden));
            assert_eq!(seen.get(b"f0").is_some(), hidden == 0);
            assert_eq!(seen.contains(b"f1"), hidden < 2);
            assert_eq!(seen.random_distinct(count, &mut rng).len(), count - hidden);
            assert_eq!(seen.random_repeated(50, &mut rng).len(), 50);
            assert_eq!(seen.whole().len(), count);
        }
        assert_eq!(hash.at(UnixMs(9)).deadline(b"f0"), Some(Some(UnixMs(10))));
        assert_eq!(hash.at(UnixMs(10)).deadline(b"f0"), None);
        assert_eq!(hash.at(UnixMs(10)).deadline(b"f3"), Some(None));
    }
}

#[test]
fn a_hash_pays_nothing_for_deadlines_that_it_has_not() {
    assert_eq!(size_of::<Hash>(), size_of::<Fields>());
    assert_eq!(size_of::<Hash>(), 16);
}
