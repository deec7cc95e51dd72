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
            let mut picked: Vec<_> =
                hash.random_distinct(wanted, &mut rng).into_iter().map(owned).collect();
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
