//! Every policy lets those keys go first that it is meant to.

use base::UnixMs;
use store::evict::{Evictor, Policy};
use store::{Access, Rng, Store};
use wire::effect::{Effect, Expiry};

use crate::model::new_store;

const KEYS: u64 = 1_000;

/// Keys 0 to 999 of which the odd ones expire, key n at 10,000 - n s, used at n s, n / 100 times.
fn filled(is_lfu: bool) -> Store {
    let mut store = new_store();
    for n in 0..KEYS {
        let access = Access { now: UnixMs(n * 1_000), is_lfu, ..Access::default() };
        store.set_access(access);
        let at = UnixMs((10_000 - n) * 1_000);
        let expiry = if n % 2 == 0 { Expiry::Clear } else { Expiry::At(at) };
        let key = n.to_le_bytes();
        store.apply(0, &Effect::SetString { key: &key, value: b"v", expiry }).unwrap();
    }
    let access = store.access().to_owned();
    store.set_access(Access { lfu_log_factor: 0, lfu_decay_minutes: 0, ..access });
    if is_lfu {
        for n in 0..KEYS {
            (0..n / 100).for_each(|_| {
                store.touch(0, &n.to_le_bytes());
            });
        }
    }
    store
}

/// The numbers of the first 200 victims.
fn victims(policy: Policy) -> Vec<u64> {
    let mut store = filled(policy.is_lfu());
    let (mut evictor, mut rng) = (Evictor::default(), Rng::new(4));
    (0..200)
        .map(|_| {
            let victim = evictor.victim(&store, policy, 5, &mut rng).expect("there are keys");
            store.apply(victim.db, &Effect::Delete { key: &victim.key }).unwrap();
            u64::from_le_bytes((*victim.key).try_into().unwrap())
        })
        .collect()
}

fn mean(numbers: &[u64]) -> u64 {
    numbers.iter().sum::<u64>() / numbers.len() as u64
}

#[test]
fn the_least_recently_used_go_first() {
    // Of perfectly chosen victims the mean would be 100, of random ones 500.
    let all = victims(Policy::AllkeysLru);
    assert!(mean(&all) < 200, "{}", mean(&all));
    let volatile = victims(Policy::VolatileLru);
    assert!(volatile.iter().all(|n| n % 2 == 1));
    assert!(mean(&volatile) < 320, "{}", mean(&volatile));
}

#[test]
fn the_least_frequently_used_go_first() {
    let all = victims(Policy::AllkeysLfu);
    assert!(mean(&all) < 200, "{}", mean(&all));
    let volatile = victims(Policy::VolatileLfu);
    assert!(volatile.iter().all(|n| n % 2 == 1));
    assert!(mean(&volatile) < 320, "{}", mean(&volatile));
}

#[test]
fn the_soonest_to_expire_go_first() {
    let volatile = victims(Policy::VolatileTtl);
    assert!(volatile.iter().all(|n| n % 2 == 1));
    assert!(mean(&volatile) > 680, "{}", mean(&volatile));
}

#[test]
fn random_policies_take_any_key_that_qualifies() {
    let all = victims(Policy::AllkeysRandom);
    assert!((400..600).contains(&mean(&all)), "{}", mean(&all));
    let volatile = victims(Policy::VolatileRandom);
    assert!(volatile.iter().all(|n| n % 2 == 1));
}

#[test]
fn nobody_goes_when_nobody_qualifies() {
    let (mut evictor, mut rng) = (Evictor::default(), Rng::new(4));
    assert_eq!(evictor.victim(&filled(false), Policy::NoEviction, 5, &mut rng), None);
    let mut store = new_store();
    store.apply(1, &Effect::IncrBy { key: b"n", delta: 1 }).unwrap();
    for policy in Policy::ALL.into_iter().filter(|policy| policy.is_volatile()) {
        assert_eq!(evictor.victim(&store, policy, 5, &mut rng), None, "{policy:?}");
    }
    for policy in [Policy::AllkeysLru, Policy::AllkeysLfu, Policy::AllkeysRandom] {
        let victim = evictor.victim(&store, policy, 5, &mut rng).expect("one key");
        assert_eq!((victim.db, &*victim.key), (1, b"n".as_slice()));
    }
}

#[test]
fn policies_are_parsed_by_their_names() {
    for policy in Policy::ALL {
        assert_eq!(Policy::parse(&policy.name().to_uppercase()), Some(policy));
    }
    assert_eq!(Policy::parse("lru"), None);
}
