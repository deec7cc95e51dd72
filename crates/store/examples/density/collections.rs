//! Bytes of collections: 100,000 of ten elements, and single ones of a million.

use std::io::Write as _;

use store::memory::used_bytes;
use store::{Graveyard, Rng, Store};
use wire::effect::{Effect, End, Expiry};

use crate::{VALUE, key, line, resident};

const SMALL: u64 = 100_000;
const LARGE: u64 = 1_000_000;
/// Elements of a small collection.
const TEN: u64 = 10;

pub(crate) fn table() {
    println!("| data | counted B each | resident B each |");
    println!("|---|---|---|");
    for kind in [
        "strings of 64 bytes",
        "integers",
        "strings with an expiry",
        "hashes",
        "lists",
        "sets",
        "sets of integers",
        "sorted sets",
        "fields of a hash",
        "members of a set",
        "members of a sorted set",
        "elements of a list",
    ] {
        line(&["collections", kind]);
    }
}

pub(crate) fn measure(kind: &str) {
    let mut store = Store::new(1, Graveyard::immediate(), Rng::new(1));
    let (counted, mapped) = (used_bytes(), resident());
    let count = if matches!(kind, "hashes" | "lists" | "sets" | "sets of integers" | "sorted sets")
    {
        SMALL
    } else {
        LARGE
    };
    for number in 0..count {
        add(&mut store, kind, number);
    }
    println!(
        "| {count} {kind} | {:.1} | {:.1} |",
        (used_bytes() - counted) as f64 / count as f64,
        (resident() - mapped) as f64 / count as f64
    );
}

/// The texts of ten elements.
fn texts(number: u64, prefix: &str) -> Vec<Vec<u8>> {
    let text = |at| {
        let mut text = prefix.as_bytes().to_vec();
        write!(text, "{:06}", (number * TEN + at) % 1_000_000).expect("memory takes all");
        text
    };
    (0..TEN).map(text).collect()
}

fn add(store: &mut Store, kind: &str, number: u64) {
    let key = key(number);
    let key = key.as_slice();
    let value = texts(number, "value:");
    let member = texts(number, "member:");
    let integers: Vec<Vec<u8>> =
        (0..TEN).map(|at| (number * TEN + at).to_string().into_bytes()).collect();
    let fields: Vec<Vec<u8>> = (0..TEN).map(|at| format!("field{at}").into_bytes()).collect();
    let effect = match kind {
        "integers" => Effect::SetString { key, value: &integers[0], expiry: Expiry::Clear },
        "strings with an expiry" => {
            let expiry = Expiry::At(base::UnixMs(4_102_444_800_000));
            Effect::SetString { key, value: &VALUE, expiry }
        }
        "hashes" => {
            let pairs = fields.iter().zip(&value).flat_map(|(f, v)| [f.as_slice(), v.as_slice()]);
            Effect::HashSet { key, pairs: pairs.collect() }
        }
        "lists" => Effect::ListPush { key, end: End::Tail, values: slices(&value) },
        "sets" => Effect::SetAdd { key, members: slices(&member) },
        "sets of integers" => Effect::SetAdd { key, members: slices(&integers) },
        "sorted sets" => {
            let members = member.iter().enumerate();
            let scored =
                members.map(|(at, text)| ((number * TEN + at as u64) as f64, text.as_slice()));
            Effect::ZsetAdd { key, members: scored.collect() }
        }
        "fields of a hash" => Effect::HashSet { key: b"big", pairs: vec![key, &value[0][..12]] },
        "members of a set" => Effect::SetAdd { key: b"big", members: vec![key] },
        "members of a sorted set" => {
            let score = (number * 7919 % 1_000_003) as f64;
            Effect::ZsetAdd { key: b"big", members: vec![(score, key)] }
        }
        "elements of a list" => {
            Effect::ListPush { key: b"big", end: End::Tail, values: vec![&value[0][..12]] }
        }
        _ => Effect::SetString { key, value: &VALUE, expiry: Expiry::Clear },
    };
    store.apply(0, &effect).expect("every key holds one kind");
}

fn slices(texts: &[Vec<u8>]) -> Vec<&[u8]> {
    texts.iter().map(Vec::as_slice).collect()
}
