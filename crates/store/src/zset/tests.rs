use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::Rng;

fn limits() -> Thresholds {
    Thresholds {
        zset_max_listpack_entries: 8,
        zset_max_listpack_value: 16,
        stream_node_max_bytes: 0,
        stream_node_max_entries: 0,
        ..Thresholds::default()
    }
}

fn owned((score, member): Entry<'_>) -> (f64, Vec<u8>) {
    (score, member.to_vec())
}

fn numbered(count: usize) -> Zset {
    let mut zset = Zset::new();
    for at in 0..count {
        assert_eq!(zset.add(at as f64, at.to_string().as_bytes(), &limits()), Added::New);
    }
    zset
}

#[test]
fn encoding_follows_number_and_length() {
    assert_eq!(numbered(8).encoding(), "listpack");
    assert_eq!(numbered(9).encoding(), "skiplist");
    let mut zset = numbered(1);
    zset.add(1.0, &[b'x'; 17], &limits());
    assert_eq!((zset.encoding(), zset.len()), ("skiplist", 2));
    let mut zset = Zset::new();
    assert_eq!(zset.add_all(&[(1.0, b"a".as_slice()); 9], &limits()), 1);
    assert_eq!(
        (zset.encoding(), zset.len()),
        ("skiplist", 1),
        "the number of arguments is the hint"
    );
}

#[test]
fn scores_in_a_listpack_keep_every_bit() {
    let mut zset = Zset::new();
    let scores =
        [f64::NEG_INFINITY, -1e300, -1.5, 0.0, 5e-324, 0.1 + 0.2, 4e18, 1e20, f64::INFINITY];
    for (at, score) in scores.iter().enumerate().take(8) {
        zset.add(*score, at.to_string().as_bytes(), &limits());
    }
    assert_eq!(zset.encoding(), "listpack");
    assert!(zset.iter().map(|(score, _)| score).eq(scores.into_iter().take(8)));
    zset.add(-0.0, b"3", &limits());
    assert_eq!(zset.score(b"3").map(f64::is_sign_positive), Some(true));
}

#[test]
fn foreign_listpacks_are_checked() {
    let pack = |values: &[&str]| values.iter().map(|v| v.as_bytes()).collect::<Listpack>();
    let check = |values: &[&str], expect: Option<usize>| {
        let zset = Zset::from_listpack(pack(values), &limits());
        assert_eq!(zset.map(|zset| zset.len()), expect, "{values:?}");
    };
    check(&["a", "1", "b", "1"], Some(2));
    check(&["b", "1", "a", "1"], None);
    check(&["a", "2", "b", "1"], None);
    check(&["a", "1", "a", "2"], None);
    check(&["a", "1", "b"], None);
    check(&["a", "nan"], None);
    check(&["a", "x"], None);
}

#[test]
fn random_members_are_distinct() {
    for count in [5, 300] {
        let (zset, mut rng) = (numbered(count), Rng::new(7));
        for wanted in [1, count / 10, count / 2, count, count + 5] {
            let picked: BTreeMap<_, _> = zset
                .random_distinct(wanted, &mut rng)
                .into_iter()
                .map(|(score, member)| (member.to_vec(), score))
                .collect();
            assert_eq!(picked.len(), wanted.min(count));
        }
    }
    assert!(Zset::new().random(&mut Rng::new(1)).is_none());
}

proptest! {
    #[test]
    fn behaves_as_a_sorted_map(
        steps in proptest::collection::vec((0u8..5, 0u8..24, -4i8..5), 0..120),
        (start, count) in (0usize..26, 0usize..26),
    ) {
        let (mut zset, mut model) = (Zset::new(), BTreeMap::<Vec<u8>, f64>::new());
        for (kind, member, score) in steps {
            let (member, score) = (member.to_string().into_bytes(), f64::from(score) / 2.0);
            if kind == 0 {
                prop_assert_eq!(zset.remove(&member), model.remove(&member).is_some());
            } else {
                let expect = match model.insert(member.clone(), score) {
                    None => Added::New,
                    Some(old) if old == score => Added::Same,
                    Some(_) => Added::Updated,
                };
                prop_assert_eq!(zset.add(score, &member, &limits()), expect);
            }
            prop_assert_eq!(zset.score(&member), model.get(&member).copied());
            prop_assert_eq!(zset.len(), model.len());
        }
        let mut sorted: Vec<_> = model.iter().map(|(member, score)| (*score, member.clone())).collect();
        sorted.sort_by(|a, b| rank_tree::compare((a.0, &a.1), (b.0, &b.1)));
        for zset in [&zset, &zset.clone()] {
            prop_assert_eq!(zset.iter().map(owned).collect::<Vec<_>>(), sorted.clone());
        }
        let slice: Vec<_> = sorted.iter().skip(start).take(count).cloned().collect();
        prop_assert_eq!(zset.range(start, count).map(owned).collect::<Vec<_>>(), slice.clone());
        let backwards: Vec<_> = zset.range(start, count).rev().map(owned).collect();
        prop_assert_eq!(backwards, slice.into_iter().rev().collect::<Vec<_>>());
        for (at, (score, member)) in sorted.iter().enumerate() {
            prop_assert_eq!(zset.rank(member), Some((at, *score)));
        }
        let below = sorted.iter().filter(|(score, _)| *score < 1.0).count();
        prop_assert_eq!(zset.rank_where(|score, _| score < 1.0), below);
        let mut scanned = Vec::new();
        let mut cursor = zset.scan(0, |entry| scanned.push(owned(entry)));
        while cursor != 0 {
            cursor = zset.scan(cursor, |entry| scanned.push(owned(entry)));
        }
        scanned.sort_by(|a, b| rank_tree::compare((a.0, &a.1), (b.0, &b.1)));
        prop_assert_eq!(scanned, sorted);
    }
}
