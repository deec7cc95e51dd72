//! The table against a `BTreeMap`, and the promises of scan and random.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::dict::{Pair, hash_of};
use crate::rng::Rng;

fn key(number: u64) -> Vec<u8> {
    number.to_le_bytes().to_vec()
}

fn insert(table: &mut Table<Pair>, number: u64, value: &[u8]) {
    let key = key(number);
    let hash = hash_of(&key);
    match table.find_mut(hash, &key) {
        Some(pair) => pair.set_value(value),
        None => table.insert_new(hash, Pair::new(&key, value)),
    }
}

fn remove(table: &mut Table<Pair>, number: u64) -> Option<Pair> {
    let key = key(number);
    table.remove(hash_of(&key), &key)
}

fn get(table: &Table<Pair>, number: u64) -> Option<&[u8]> {
    let key = key(number);
    table.find(hash_of(&key), &key).map(Pair::value)
}

fn number_of(pair: &Pair) -> u64 {
    u64::from_le_bytes(pair.key().try_into().unwrap())
}

fn scan_all(table: &Table<Pair>) -> Vec<u64> {
    let mut seen = Vec::new();
    let mut cursor = 0;
    loop {
        cursor = table.scan(cursor, |pair| seen.push(number_of(pair)));
        if cursor == 0 {
            return seen;
        }
    }
}

/// Random changes in waves of growing and shrinking, compared with a model all along.
#[test]
fn behaves_like_a_map_through_growth_and_shrinking() {
    let mut table = Table::new();
    let mut model = BTreeMap::new();
    let mut rng = Rng::new(7);
    let (rounds, span) = if cfg!(miri) { (2_000, 300) } else { (60_000, 8_000) };
    for round in 0..rounds {
        let number = rng.below(span);
        let growing = (round / (rounds / 4)) % 2 == 0;
        if rng.below(10) < if growing { 8 } else { 2 } {
            let value = rng.next_u64().to_le_bytes();
            insert(&mut table, number, &value);
            model.insert(number, value.to_vec());
        } else {
            let removed = remove(&mut table, number).map(|pair| pair.value().to_vec());
            assert_eq!(removed, model.remove(&number));
        }
        assert_eq!(table.len(), model.len());
        let probe = rng.below(span);
        assert_eq!(get(&table, probe), model.get(&probe).map(Vec::as_slice));
    }
    let mut all: Vec<u64> = table.iter().map(number_of).collect();
    all.sort_unstable();
    assert!(all.iter().eq(model.keys()));
    let mut scanned = scan_all(&table);
    scanned.sort_unstable();
    assert_eq!(scanned, all);
    for number in all {
        assert!(remove(&mut table, number).is_some());
    }
    assert_eq!((table.len(), table.bytes()), (0, 0));
}

#[test]
fn a_scan_sees_exactly_once_what_stays_while_the_table_resizes() {
    let stay = if cfg!(miri) { 100 } else { 3_000 };
    let mut table = Table::new();
    for number in 0..stay {
        insert(&mut table, number, b"");
    }
    let mut seen = Vec::new();
    let (mut cursor, mut next) = (0, stay);
    loop {
        cursor = table.scan(cursor, |pair| seen.push(number_of(pair)));
        if cursor == 0 {
            break;
        }
        // First it grows to many times its size, then it shrinks again.
        if seen.len() < 1_000 {
            for _ in 0..40 {
                insert(&mut table, next, b"");
                next += 1;
            }
        } else {
            for _ in 0..60 {
                if next > stay {
                    next -= 1;
                    remove(&mut table, next);
                }
            }
        }
    }
    let kept: Vec<u64> = seen.into_iter().filter(|&number| number < stay).collect();
    assert_eq!(kept.len() as u64, stay, "none twice");
    assert_eq!(kept.into_iter().collect::<BTreeSet<_>>().len() as u64, stay, "each once");
}

#[test]
fn every_number_is_a_valid_cursor() {
    let mut table = Table::new();
    for number in 0..100 {
        insert(&mut table, number, b"");
    }
    let mut rng = Rng::new(3);
    for _ in 0..1_000 {
        let cursor = rng.next_u64() >> rng.below(64);
        let next = table.scan(cursor, |_| {});
        assert!(next == 0 || next > cursor);
    }
    assert_eq!(table.scan(u64::MAX, |_| {}), 0);
    assert_eq!(Table::<Pair>::new().scan(5, |_| {}), 0);
}

#[test]
fn random_picks_are_even_also_while_moving() {
    let mut table = Table::new();
    let mut number = 0;
    while !(table.is_moving() && table.len() > 500) {
        insert(&mut table, number, b"");
        number += 1;
    }
    table.step(table.buckets.count() / 3);
    assert!(table.is_moving());
    let mut rng = Rng::new(11);
    let mut counts = vec![0u32; table.len()];
    let picks = 100 * table.len();
    for _ in 0..picks {
        let pair = table.random(&mut rng).expect("the table is not empty");
        counts[usize::try_from(number_of(pair)).unwrap()] += 1;
    }
    // A hundred picks each on average; the standard deviation is 10.
    assert!(counts.iter().all(|&count| (45..=160).contains(&count)), "{counts:?}");
    assert!(Table::<Pair>::new().random(&mut rng).is_none());
}

#[test]
fn samples_stay_within_their_bound_and_do_not_repeat() {
    let mut rng = Rng::new(5);
    for size in [1u64, 5, 50, 2_000] {
        let mut table = Table::new();
        (0..size).for_each(|number| insert(&mut table, number, b""));
        for count in [0, 1, 5, 64] {
            let mut seen = Vec::new();
            table.sample(&mut rng, count, |pair| seen.push(number_of(pair)));
            assert!(seen.len() <= count);
            assert!(count == 0 || !seen.is_empty());
            let distinct: BTreeSet<u64> = seen.iter().copied().collect();
            assert_eq!(distinct.len(), seen.len());
        }
    }
}

#[test]
fn scan_mut_visits_what_scan_visits() {
    let mut table = Table::new();
    (0..500).for_each(|number| insert(&mut table, number, b"a"));
    let mut cursor = 0;
    loop {
        cursor = table.scan_mut(cursor, |pair| pair.set_value(b"bb"));
        if cursor == 0 {
            break;
        }
    }
    assert!(table.iter().all(|pair| pair.value() == b"bb"));
}

/// The old array goes as the new one comes: there are never two whole ones.
#[test]
fn a_moving_table_holds_little_more_than_one_array() {
    use super::buckets::{BUCKET_BYTES, SEGMENT_BUCKETS};
    let items = if cfg!(miri) { 2_000 } else { 40_000 };
    let slack = 3 * SEGMENT_BUCKETS as usize * BUCKET_BYTES;
    let mut table = Table::new();
    for number in 0..items {
        insert(&mut table, number, b"");
        // 3.6 items a bucket are the fewest, right behind a step of one half; chains come on top.
        let most = table.len() * BUCKET_BYTES * 10 / 34 + slack;
        assert!(table.bytes() <= most, "{} bytes for {} items", table.bytes(), table.len());
        if number == items / 2 {
            assert!(table.iter().count() == table.len(), "segments that do not exist are left out");
        }
    }
    for number in 0..items {
        assert!(remove(&mut table, number).is_some());
        assert!(table.bytes() <= items as usize * BUCKET_BYTES * 10 / 34 + slack);
    }
}

#[test]
fn items_are_dropped_with_their_table() {
    use std::rc::Rc;
    struct Counted(Box<(u64, Rc<()>)>);
    impl Item for Counted {
        type Key = u64;
        fn hash(&self) -> u64 {
            hash_of(&self.0.0.to_le_bytes())
        }
        fn is(&self, key: &u64) -> bool {
            self.0.0 == *key
        }
    }
    let alive = Rc::new(());
    let mut table = Table::new();
    for number in 0..900u64 {
        let item = Counted(Box::new((number, Rc::clone(&alive))));
        table.insert_new(item.hash(), item);
    }
    for number in 0..100u64 {
        drop(table.remove(hash_of(&number.to_le_bytes()), &number));
    }
    assert_eq!(Rc::strong_count(&alive), 801);
    drop(table);
    assert_eq!(Rc::strong_count(&alive), 1);
}

/// All items in one bucket: only the chain grows.
#[test]
fn equal_hashes_are_told_apart_by_their_keys() {
    struct Same(Box<u64>);
    impl Item for Same {
        type Key = u64;
        fn hash(&self) -> u64 {
            42 << 40
        }
        fn is(&self, key: &u64) -> bool {
            *self.0 == *key
        }
    }
    let mut table = Table::new();
    for number in 0..100 {
        table.insert_new(42 << 40, Same(Box::new(number)));
    }
    for number in (0..100).step_by(2) {
        assert_eq!(table.remove(42 << 40, &number).map(|same| *same.0), Some(number));
    }
    for number in 0..100 {
        assert_eq!(table.find(42 << 40, &number).is_some(), number % 2 == 1);
    }
}
