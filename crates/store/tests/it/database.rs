//! Ways through a database: scan, random, samples, slots.

use std::collections::BTreeSet;

use base::{Slot, UnixMs};
use store::expire::{Expirer, FieldExpirer};
use store::{Db, Place, Rng, Store};
use wire::effect::{Effect, Expiry};

use crate::model::new_store;

fn set(store: &mut Store, key: &str, expiry: Expiry) {
    store.apply(0, &Effect::SetString { key: key.as_bytes(), value: b"v", expiry }).unwrap();
}

fn scan(db: &Db, mut each: impl FnMut(&str, u64)) {
    let mut cursor = 0;
    loop {
        let mut keys = Vec::new();
        cursor = db.scan(cursor, |entry| keys.push(entry.key().to_vec()));
        keys.iter().for_each(|key| each(std::str::from_utf8(key).unwrap(), cursor));
        if cursor == 0 {
            return;
        }
    }
}

#[test]
fn a_scan_names_every_key_once_with_cursors_that_fit_an_i64() {
    for keys in [0, 1, 2, 100, 30_000] {
        let mut store = new_store();
        (0..keys).for_each(|n| set(&mut store, &format!("key:{n}"), Expiry::Clear));
        let mut seen = BTreeSet::new();
        let mut last = 0;
        scan(store.db(0), |key, cursor| {
            assert!(seen.insert(key.to_owned()), "{key} came twice");
            assert!(cursor == 0 || (cursor >= last && cursor < 1 << 62));
            last = cursor;
        });
        assert_eq!(seen.len(), keys);
    }
}

#[test]
fn a_scan_sees_what_stays_while_other_keys_come_and_go() {
    let mut store = new_store();
    (0..2_000).for_each(|n| set(&mut store, &format!("stay:{n}"), Expiry::Clear));
    let (mut cursor, mut seen, mut round) = (0, Vec::new(), 0);
    loop {
        cursor = store.db(0).scan(cursor, |entry| seen.push(entry.key().to_vec()));
        if cursor == 0 {
            break;
        }
        round += 1;
        for n in 0..20 {
            // In one slot, so that its table grows, and is emptied again.
            set(&mut store, &format!("{{tag}}{}", round * 20 + n), Expiry::Clear);
            let gone = format!("{{tag}}{}", (round / 2) * 20 + n);
            store.apply(0, &Effect::Delete { key: gone.as_bytes() }).unwrap();
        }
    }
    seen.retain(|key| key.starts_with(b"stay"));
    assert_eq!(seen.len(), 2_000, "none twice");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>().len(), 2_000, "each once");
}

#[test]
fn any_number_is_a_valid_cursor() {
    let mut store = new_store();
    (0..300).for_each(|n| set(&mut store, &format!("key:{n}"), Expiry::Clear));
    let mut rng = Rng::new(2);
    for _ in 0..2_000 {
        let cursor = rng.next_u64() >> rng.below(64);
        let next = store.db(0).scan(cursor, |_| {});
        assert!(next == 0 || next > cursor);
        store.db(0).scan_volatile(cursor, |_| {});
    }
}

#[test]
fn random_keys_are_even_over_crowded_and_lonely_slots() {
    let mut store = new_store();
    (0..50).for_each(|n| set(&mut store, &format!("{{tag}}{n}"), Expiry::Clear));
    (0..50).for_each(|n| set(&mut store, &format!("key:{n}"), Expiry::Clear));
    let mut rng = Rng::new(9);
    let crowded = (0..4_000)
        .filter(|_| store.db(0).random(&mut rng).unwrap().key().starts_with(b"{tag}"))
        .count();
    // Half of 4,000; the standard deviation is 32.
    assert!((1_840..=2_160).contains(&crowded), "{crowded}");
    assert!(store.db(1).random(&mut rng).is_none());
}

#[test]
fn slots_know_their_keys() {
    let mut store = new_store();
    (0..5).for_each(|n| set(&mut store, &format!("{{tag}}{n}"), Expiry::Clear));
    let slot = Slot::of(b"tag");
    assert_eq!(store.db(0).slot_len(slot), 5);
    assert_eq!(store.db(0).slot_iter(slot).count(), 5);
    assert_eq!(store.db(0).slot_len(Slot::of(b"other")), 0);
    let place = Place::of(b"{tag}1");
    store.db(0).prefetch_bucket(place);
    store.db(0).prefetch_entry(place);
    assert_eq!(store.db(0).get_at(place, b"{tag}1").unwrap().key(), b"{tag}1");
}

#[test]
fn the_expirer_names_every_due_key_in_one_round() {
    let mut store = new_store();
    for n in 0..3_000u64 {
        let expiry = if n % 3 == 0 { Expiry::Clear } else { Expiry::At(UnixMs(n)) };
        set(&mut store, &format!("{n}"), expiry);
    }
    let (mut expirer, mut due, mut examined) = (Expirer::default(), Vec::new(), 0);
    loop {
        let before = due.len();
        let slice = expirer.slice(&store, UnixMs(1_500), 100, &mut due);
        examined += slice.examined;
        assert!(slice.examined < 200, "a slice is bounded");
        assert_eq!(slice.due, due.len() - before);
        for key in &due[before..] {
            assert!(key.expiry <= UnixMs(1_500));
            store.apply(key.db, &Effect::Delete { key: &key.key }).unwrap();
        }
        if slice.is_round {
            break;
        }
    }
    // 0..=1500 without the multiples of 3.
    assert_eq!((examined, due.len()), (2_000, 1_000));
    assert_eq!(store.db(0).volatile_len(), 1_000);
}

#[test]
fn memory_usage_counts_the_value_and_the_index() {
    let mut store = new_store();
    set(&mut store, "k", Expiry::Clear);
    let plain = store.db(0).memory_usage(b"k", 5).unwrap();
    store.apply(0, &Effect::ExpireAt { key: b"k", at: UnixMs(1) }).unwrap();
    assert!(store.db(0).memory_usage(b"k", 5).unwrap() > plain);
    store.apply(0, &Effect::SetRange { key: b"k", offset: 10_000, value: b"x" }).unwrap();
    assert!(store.db(0).memory_usage(b"k", 5).unwrap() > 10_000);
    assert_eq!(store.db(0).memory_usage(b"none", 5), None);
    assert!(store.db(0).table_bytes() > 64);
}

/// Whatever database a slice ends in, the next one finds what is left: each takes its budget as long as there is so much.
#[test]
fn the_expirer_of_fields_takes_its_budget_in_each_slice() {
    let mut store = new_store();
    let fields: Vec<String> = (0..300).map(|n| format!("f{n}")).collect();
    let pairs = fields.iter().flat_map(|field| [field.as_bytes(), b"v"]).collect();
    store.apply(1, &Effect::HashSet { key: b"large", pairs }).unwrap();
    let timed = |at: u64| fields.iter().map(|field| (UnixMs(at), field.as_bytes())).collect();
    store.apply(1, &Effect::HashExpire { key: b"large", fields: timed(10) }).unwrap();
    for n in 0..50 {
        let (key, pairs) = (format!("h{n}"), vec![b"f".as_slice(), b"v"]);
        store.apply(0, &Effect::HashSet { key: key.as_bytes(), pairs }).unwrap();
        let fields = vec![(UnixMs(90), b"f".as_slice())];
        store.apply(0, &Effect::HashExpire { key: key.as_bytes(), fields }).unwrap();
    }
    let (mut expirer, mut taken) = (FieldExpirer::default(), Vec::new());
    loop {
        let mut due = Vec::new();
        let slice = expirer.slice(&store, UnixMs(50), 64, &mut due);
        for hash in due {
            let fields = hash.fields.iter().map(|field| &**field).collect();
            store.apply(hash.db, &Effect::HashDelete { key: &hash.key, fields }).unwrap();
        }
        taken.push(slice.due);
        if slice.due == 0 {
            break;
        }
    }
    taken.retain(|count| *count > 0);
    assert_eq!(taken, [64, 64, 64, 64, 44]);
    assert!(store.db(1).is_empty());
    assert_eq!(store.db(0).volatile_hashes_len(), 50);
}
