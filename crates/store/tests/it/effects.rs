//! Random effects do to a store what they do to the model.

use base::UnixMs;
use proptest::prelude::*;
use store::{ApplyError, Body, Graveyard, Outcome, Rng, Store, digest};
use wire::effect::{Effect, Expiry};

use crate::model::{Model, Plain, new_store, op};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn effects_have_the_same_outcome_and_leave_the_same_data(
        ops in prop::collection::vec(op(), 1..200),
    ) {
        let (mut store, mut model) = (new_store(), Model::new());
        for op in &ops {
            let effect = op.effect();
            let outcome = store.apply(op.db, &effect).map(|outcome| outcome.0);
            prop_assert_eq!(outcome, model.apply(op.db, &effect), "{:?}", effect);
        }
        prop_assert_eq!(Model::of(&store), model.clone());
        for (number, db) in (0..).zip(&model.0) {
            prop_assert_eq!(store.db(number).len(), db.len());
            let volatile = db.values().filter(|(_, expiry)| expiry.is_some()).count();
            prop_assert_eq!(store.db(number).volatile_len(), volatile);
            let mut indexed = 0;
            let mut cursor = 0;
            loop {
                cursor = store.db(number).scan_volatile(cursor, |_| indexed += 1);
                if cursor == 0 {
                    break;
                }
            }
            prop_assert_eq!(indexed, volatile);
            let has_deadline = |content: &Plain| match content {
                Plain::Hash(hash) => hash.values().any(|(_, deadline)| deadline.is_some()),
                _ => false,
            };
            let hashes = db.values().filter(|(content, _)| has_deadline(content)).count();
            prop_assert_eq!(store.db(number).volatile_hashes_len(), hashes);
            let mut indexed = 0;
            while {
                cursor = store.db(number).scan_volatile_hashes(cursor, |_| indexed += 1);
                cursor != 0
            } {}
            prop_assert_eq!(indexed, hashes);
        }
    }

    /// Replaying the same effects gives the same digest, and so does loading the image of the result.
    #[test]
    fn equal_data_has_an_equal_digest(ops in prop::collection::vec(op(), 1..100), extra in op()) {
        let (mut master, mut replica) = (new_store(), new_store());
        for op in &ops {
            let effect = op.effect();
            let outcome = master.apply(op.db, &effect);
            prop_assert_eq!(replica.apply(op.db, &effect), outcome);
        }
        prop_assert_eq!(digest::of_store(&master), digest::of_store(&replica));
        let before = Model::of(&replica);
        let _refused_is_fine = replica.apply(extra.db, &extra.effect());
        let is_same = Model::of(&replica) == before;
        prop_assert_eq!(digest::of_store(&master) == digest::of_store(&replica), is_same);
    }
}

fn set(store: &mut Store, key: &str, value: &[u8]) {
    let effect = Effect::SetString { key: key.as_bytes(), value, expiry: Expiry::Clear };
    store.apply(0, &effect).unwrap();
}

fn encoding(store: &Store, key: &str) -> &'static str {
    store.db(0).get(key.as_bytes()).unwrap().value().encoding()
}

#[test]
fn strings_are_encoded_as_redis_says() {
    let mut store = new_store();
    for (value, expect) in [
        ("123", "int"),
        ("-9223372036854775808", "int"),
        ("9223372036854775808", "embstr"),
        ("0123", "embstr"),
        ("", "embstr"),
        (&"x".repeat(44), "embstr"),
        (&"x".repeat(45), "raw"),
        (&"x".repeat(5000), "raw"),
    ] {
        set(&mut store, "k", value.as_bytes());
        assert_eq!(encoding(&store, "k"), expect, "{value}");
    }
    set(&mut store, "k", b"12");
    store.apply(0, &Effect::Append { key: b"k", value: b"3" }).unwrap();
    assert_eq!(encoding(&store, "k"), "raw", "after APPEND");
    store.apply(0, &Effect::Copy { from: b"k", to_db: 0, to: b"copy" }).unwrap();
    assert_eq!(encoding(&store, "copy"), "raw", "copied as it is");
    store.apply(0, &Effect::IncrBy { key: b"k", delta: 1 }).unwrap();
    assert_eq!(encoding(&store, "k"), "int", "after INCR");
    store.apply(0, &Effect::Append { key: b"new", value: b"3" }).unwrap();
    assert_eq!(encoding(&store, "new"), "int", "APPEND creates as SET does");
    store.apply(0, &Effect::SetRange { key: b"k", offset: 0, value: b"9" }).unwrap();
    assert_eq!(encoding(&store, "k"), "raw", "after SETRANGE");
    store.apply(0, &Effect::SetRange { key: b"range", offset: 1, value: b"9" }).unwrap();
    assert_eq!(encoding(&store, "range"), "raw");
}

#[test]
fn a_small_string_with_an_expiry_fits_a_size_class_of_96_bytes() {
    let mut store = new_store();
    set(&mut store, "key:000000000016", &[b'v'; 64]);
    let bytes = |store: &Store| store.db(0).get(b"key:000000000016").unwrap().heap_bytes(0);
    assert_eq!(bytes(&store), 88);
    store.apply(0, &Effect::ExpireAt { key: b"key:000000000016", at: UnixMs(1) }).unwrap();
    assert_eq!(bytes(&store), 96);
}

#[test]
fn databases_that_are_not_there_are_refused() {
    let mut store = new_store();
    for effect in [
        Effect::SwapDb { a: 0, b: 3 },
        Effect::Move { key: b"k", to_db: 9 },
        Effect::Copy { from: b"k", to_db: 255, to: b"l" },
    ] {
        assert!(matches!(store.apply(0, &effect), Err(ApplyError::NoSuchDatabase(_))));
    }
    assert_eq!(store.apply(3, &Effect::FlushDb), Err(ApplyError::NoSuchDatabase(3)));
}

#[test]
fn large_values_are_sent_to_the_graveyard_and_small_ones_are_not() {
    let (graveyard, garbage) = Graveyard::background();
    let mut store = Store::new(1, graveyard, Rng::new(1));
    let members: Vec<Vec<u8>> = (0..1000u32).map(|n| n.to_string().into_bytes()).collect();
    let members: Vec<&[u8]> = members.iter().map(Vec::as_slice).collect();
    store.apply(0, &Effect::SetAdd { key: b"small", members: members[..3].to_vec() }).unwrap();
    store.apply(0, &Effect::Delete { key: b"small" }).unwrap();
    assert!(garbage.is_empty());
    store.apply(0, &Effect::SetAdd { key: b"large", members }).unwrap();
    set(&mut store, "large", b"overwritten");
    assert_eq!(garbage.len(), 1);
    store.apply(0, &Effect::FlushAll).unwrap();
    assert_eq!((garbage.len(), store.graveyard().pending()), (2, 2));
}

#[test]
fn large_vectors_count_until_they_are_freed() {
    let (graveyard, garbage) = Graveyard::background();
    graveyard.discard_vec(vec![0_u8; 1000]);
    assert_eq!((garbage.len(), graveyard.discarded_bytes()), (0, 0));
    graveyard.discard_vec(Vec::<u8>::with_capacity(2 << 20));
    assert_eq!((garbage.len(), graveyard.discarded_bytes()), (1, 2 << 20));
    drop(garbage.recv());
    assert_eq!(graveyard.discarded_bytes(), 0);
}

#[test]
fn loading_replaces_and_keeps_the_clock() {
    let mut store = new_store();
    set(&mut store, "k", b"old");
    store.load(0, b"k", Some(UnixMs(5)), Body::string(b"new"), Some(77));
    let entry = store.db(0).get(b"k").unwrap();
    assert_eq!((entry.expiry(), entry.clock()), (Some(UnixMs(5)), 77));
    assert_eq!(store.db(0).volatile_len(), 1);
    assert_eq!(store.apply(0, &Effect::Delete { key: b"k" }), Ok(Outcome(1)));
    assert_eq!(store.db(0).volatile_len(), 0);
}
