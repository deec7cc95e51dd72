//! CPU of single operations through the doors that commands use.

use std::hint::black_box;

use store::{Graveyard, Place, Rng, Store};
use wire::effect::{Effect, End, Expiry};

use crate::{VALUE, cpu, each, key};

const ROUNDS: u64 = 3;
const BATCHES: [usize; 4] = [1, 4, 16, 64];
/// Keys that hold the collections, so that they are not all in the caches either.
const COLLECTIONS: u64 = 100_000;

pub(crate) fn table(keys: u64) {
    let mut store = Store::new(1, Graveyard::immediate(), Rng::new(1));
    let start = cpu();
    for number in 0..keys {
        set(&mut store, &key(number), &VALUE);
    }
    println!("| operation, {keys} keys | batch of 1 ns | 4 | 16 | 64 |");
    println!("|---|---|---|---|---|");
    println!("| SET of a new key | {:.0} | | | |", each(start, keys));
    row(&mut store, "GET", keys, &|store, key| {
        assert!(black_box(store.touch(0, key)).is_some());
    });
    row(&mut store, "SET of the same length", keys, &|store, key| set(store, key, &VALUE));
    let counters = keys..2 * keys;
    counters.for_each(|number| set(&mut store, &key(number), b"1"));
    row_from(&mut store, "INCR", keys, keys, &|store, key| {
        store.apply(0, &Effect::IncrBy { key, delta: 1 }).expect("it is an integer");
    });
    collections(&mut store, 2 * keys);
}

fn collections(store: &mut Store, first: u64) {
    let lists = first;
    row_from(store, "RPUSH of 16 bytes", lists, COLLECTIONS, &|store, key| {
        let values = vec![&VALUE[..16]];
        let push = Effect::ListPush { key, end: End::Tail, values };
        store.apply(0, &push).expect("it is a list");
    });
    let hashes = lists + COLLECTIONS;
    row_from(store, "HSET, 8 fields", hashes, COLLECTIONS, &|store, key| {
        let pairs = vec![&key[15..], &VALUE[..16]];
        store.apply(0, &Effect::HashSet { key, pairs }).expect("it is a hash");
    });
    large(store);
}

/// One collection of a million elements each.
fn large(store: &mut Store) {
    const ELEMENTS: u64 = 1_000_000;
    row_from(store, "HSET, 1 M fields", 0, ELEMENTS, &|store, key| {
        let pairs = vec![key, &VALUE[..16]];
        store.apply(0, &Effect::HashSet { key: b"hash", pairs }).expect("it is a hash");
    });
    row_from(store, "SADD, 1 M members", 0, ELEMENTS, &|store, key| {
        store.apply(0, &Effect::SetAdd { key: b"set", members: vec![key] }).expect("it is a set");
    });
    row_from(store, "ZADD, 1 M members", 0, ELEMENTS, &|store, key| {
        let score = f64::from(key[15]) * 1e6 + f64::from(key[13]) * 1e3 + f64::from(key[11]);
        let add = Effect::ZsetAdd { key: b"zset", members: vec![(score, key)] };
        store.apply(0, &add).expect("it is a sorted set");
    });
}

fn set(store: &mut Store, key: &[u8], value: &[u8]) {
    let set = Effect::SetString { key, value, expiry: Expiry::Clear };
    store.apply(0, &set).expect("SET never fails");
}

fn row(store: &mut Store, name: &str, keys: u64, operation: &dyn Fn(&mut Store, &[u8])) {
    row_from(store, name, 0, keys, operation);
}

/// An operation on random keys of `first..first + keys`; prefetched as a turn does it.
fn row_from(
    store: &mut Store,
    name: &str,
    first: u64,
    keys: u64,
    operation: &dyn Fn(&mut Store, &[u8]),
) {
    let operations = keys.clamp(1, 1_000_000);
    let cells = BATCHES.map(|batch| {
        let mut best = f64::MAX;
        for round in 0..ROUNDS {
            let mut rng = Rng::new(round);
            let mut batch_keys = vec![key(0); batch];
            let mut places = Vec::with_capacity(batch);
            let rounds = operations / batch as u64;
            let start = cpu();
            for _ in 0..rounds {
                batch_keys.fill_with(|| key(first + rng.below(keys)));
                if batch > 1 {
                    let db = store.db(0);
                    places.clear();
                    places.extend(batch_keys.iter().map(|key| Place::of(key)));
                    places.iter().for_each(|&place| db.prefetch_bucket(place));
                    places.iter().for_each(|&place| db.prefetch_entry(place));
                }
                batch_keys.iter().for_each(|key| operation(store, key));
            }
            best = best.min(each(start, rounds * batch as u64));
        }
        best
    });
    let [one, four, sixteen, sixty_four] = cells;
    println!("| {name} | {one:.0} | {four:.0} | {sixteen:.0} | {sixty_four:.0} |");
}
