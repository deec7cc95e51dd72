//! The longest single step while one key, or a database, grows large and goes.

use std::time::Duration;

use store::{Graveyard, Rng, Store};
use wire::effect::{Effect, End, Expiry};

use crate::{VALUE, cpu, key};

pub(crate) fn table(elements: u64) {
    println!(
        "| {elements} elements | mean push ns | longest push µs | removal µs | freed elsewhere in ms |"
    );
    println!("|---|---|---|---|---|");
    for kind in ["list", "hash", "set", "sorted set", "database"] {
        measure(kind, elements);
    }
}

fn measure(kind: &str, elements: u64) {
    let (graveyard, garbage) = Graveyard::background();
    let mut store = Store::new(1, graveyard, Rng::new(1));
    let begin = cpu();
    let (mut longest, mut last) = (Duration::ZERO, begin);
    for number in 0..elements {
        push(&mut store, kind, number);
        let now = cpu();
        longest = longest.max(now - last);
        last = now;
    }
    let mean = (cpu() - begin).as_nanos() as f64 / elements as f64;
    let start = cpu();
    let effect = match kind {
        "database" => Effect::FlushAll,
        _ => Effect::Delete { key: b"big" },
    };
    store.apply(0, &effect).expect("both always work");
    let removal = cpu() - start;
    let start = cpu();
    drop(store);
    garbage.iter().for_each(drop);
    println!(
        "| {kind} | {mean:.0} | {} | {} | {} |",
        longest.as_micros(),
        removal.as_micros(),
        (cpu() - start).as_millis()
    );
}

fn push(store: &mut Store, kind: &str, number: u64) {
    let text = key(number);
    let big = b"big".as_slice();
    let effect = match kind {
        "list" => Effect::ListPush { key: big, end: End::Tail, values: vec![&text] },
        "hash" => Effect::HashSet { key: big, pairs: vec![&text, &VALUE[..16]] },
        "set" => Effect::SetAdd { key: big, members: vec![&text] },
        "sorted set" => {
            let score = (number * 7919 % 1_000_003) as f64;
            Effect::ZsetAdd { key: big, members: vec![(score, &text)] }
        }
        _ => Effect::SetString { key: &text, value: &VALUE, expiry: Expiry::Clear },
    };
    store.apply(0, &effect).expect("every key holds one kind");
}
