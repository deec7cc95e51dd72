//! A table for each slot beside one table for the database.

use std::hint::black_box;
use std::time::Duration;

use store::dict::{Table, hash_of};
use store::memory::used_bytes;
use store::{Body, Entry, Graveyard, Place, Rng, Store};

use crate::{Key, VALUE, cpu, each, key, line, resident};

const LOOKUPS: u64 = 2_000_000;
const ROUNDS: u64 = 3;
/// Keys of a turn that are prefetched together.
const BATCH: usize = 16;

pub(crate) fn table() {
    println!(
        "| layout | keys | counted B/key | resident B/key | insert ns | longest insert µs | GET ns | GET of {BATCH} ns |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for keys in ["1000", "100000", "1000000", "5000000"] {
        line(&["layout", "slots", keys]);
        line(&["layout", "one", keys]);
    }
}

pub(crate) fn measure(layout: &str, keys: u64) {
    match layout {
        "slots" => {
            let store = Store::new(1, Graveyard::immediate(), Rng::new(1));
            run("a table for each slot", PerSlot(store), keys);
        }
        _ => run("one table", Single(Table::new()), keys),
    }
}

/// One of the two layouts.
trait Layout {
    fn insert(&mut self, key: &Key);
    fn get(&self, key: &Key) -> bool;
    fn get_batch(&self, keys: &[Key; BATCH]) -> usize;
}

struct PerSlot(Store);

impl Layout for PerSlot {
    fn insert(&mut self, key: &Key) {
        self.0.load(0, key, None, Body::Inline(&VALUE), None);
    }

    fn get(&self, key: &Key) -> bool {
        self.0.db(0).get(key).is_some()
    }

    fn get_batch(&self, keys: &[Key; BATCH]) -> usize {
        let places = keys.map(|key| Place::of(&key));
        let db = self.0.db(0);
        places.iter().for_each(|&place| db.prefetch_bucket(place));
        places.iter().for_each(|&place| db.prefetch_entry(place));
        let found = places.iter().zip(keys).filter(|(place, key)| {
            let entry = db.get_at(**place, *key);
            entry.is_some()
        });
        found.count()
    }
}

/// The least that a database with one table would do: it looks before it inserts, as the store does.
struct Single(Table<Entry>);

impl Layout for Single {
    fn insert(&mut self, key: &Key) {
        let hash = hash_of(key);
        assert!(self.0.find(hash, key).is_none(), "the keys are different");
        self.0.insert_new(hash, Entry::new(key, None, Body::Inline(&VALUE)));
    }

    fn get(&self, key: &Key) -> bool {
        self.0.find(hash_of(key), key).is_some()
    }

    fn get_batch(&self, keys: &[Key; BATCH]) -> usize {
        let hashes = keys.map(|key| hash_of(&key));
        hashes.iter().for_each(|&hash| self.0.prefetch(hash));
        hashes.iter().for_each(|&hash| self.0.prefetch_items(hash));
        hashes.iter().zip(keys).filter(|(hash, key)| self.0.find(**hash, *key).is_some()).count()
    }
}

/// Fills once for the bytes and the time of an insertion, then once more, clock in hand, for the longest.
fn run(name: &str, mut layout: impl Layout, keys: u64) {
    let (counted, mapped, start) = (used_bytes(), resident(), cpu());
    (0..keys).for_each(|number| layout.insert(&key(number)));
    let insert = each(start, keys);
    let counted = (used_bytes() - counted) as f64 / keys as f64;
    let mapped = (resident() - mapped) as f64 / keys as f64;
    let (mut get, mut batch) = (f64::MAX, f64::MAX);
    for round in 0..ROUNDS {
        let mut rng = Rng::new(round);
        let start = cpu();
        for _ in 0..LOOKUPS {
            assert!(layout.get(black_box(&key(rng.below(keys)))));
        }
        get = get.min(each(start, LOOKUPS));
        let start = cpu();
        for _ in 0..LOOKUPS / BATCH as u64 {
            let keys = std::array::from_fn(|_| key(rng.below(keys)));
            assert_eq!(layout.get_batch(black_box(&keys)), BATCH);
        }
        batch = batch.min(each(start, LOOKUPS));
    }
    let longest = longest_insert(&mut layout, keys);
    println!(
        "| {name} | {keys} | {counted:.1} | {mapped:.1} | {insert:.0} | {} | {get:.0} | {batch:.0} |",
        longest.as_micros()
    );
}

/// The longest of as many insertions again: the table passes through two or three of its steps meanwhile.
fn longest_insert(layout: &mut impl Layout, keys: u64) -> Duration {
    let (mut longest, mut last) = (Duration::ZERO, cpu());
    for number in keys..2 * keys {
        layout.insert(&key(number));
        let now = cpu();
        longest = longest.max(now - last);
        last = now;
    }
    longest
}
