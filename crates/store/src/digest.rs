//! A fingerprint of the data, by which a master and its replica are compared.
//!
//! It depends on keys, types, elements and expiries, and not on order, encodings, access clocks (of keys, and of the
//! consumers of streams), or the hash seed of the process: two stores that a client cannot tell apart have the same
//! digest.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::FixedState;
use wire::listpack::{Element, TextBuffer};
use wire::stream::StreamId;

use crate::db::Db;
use crate::dict::Entry;
use crate::store::Store;
use crate::stream::{Group, Stream};
use crate::value::Value;

/// Never to be changed: digests of different processes are compared.
const SEED: u64 = 0x506f_6c6c_7578;

/// The digest of all databases.
pub fn of_store(store: &Store) -> u64 {
    let numbered = (0..store.databases()).map(|number| (number, of_db(store.db(number))));
    // An empty database adds nothing, so that the setting `databases` does not matter.
    numbered
        .filter(|(_, digest)| *digest != 0)
        .map(|(number, digest)| mix(&[&number.to_le_bytes(), &digest.to_le_bytes()]))
        .fold(0, u64::wrapping_add)
}

/// The digest of one database; 0 when it is empty.
pub fn of_db(db: &Db) -> u64 {
    db.iter().map(of_entry).fold(0, u64::wrapping_add)
}

/// The digest of one key with its value and expiry.
pub fn of_entry(entry: &Entry) -> u64 {
    // No expiry and the expiry 0 must differ; a time is never u64::MAX.
    let expiry = entry.expiry().map_or(u64::MAX, |at| at.0);
    let value = entry.value();
    mix(&[
        entry.key(),
        value.kind().name().as_bytes(),
        &of_value(value).to_le_bytes(),
        &expiry.to_le_bytes(),
    ])
}

/// The digest of a value alone, whatever its key, type and expiry.
pub fn of_value(value: Value<'_>) -> u64 {
    let mut room = TextBuffer::default();
    let mut text = |element: Element<'_>| mix(&[element.text(&mut room)]);
    match value {
        Value::String(string) => mix(&[string.text(&mut itoa::Buffer::new())]),
        Value::List(list) => list
            .iter()
            .fold(0, |digest, element| mix(&[&digest.to_le_bytes(), &text(element).to_le_bytes()])),
        Value::Hash(hash) => hash
            .iter()
            .map(|(field, value)| mix(&[&text(field).to_le_bytes(), &text(value).to_le_bytes()]))
            .chain(hash.iter_deadlines().map(|(at, field)| {
                mix(&[b"deadline", &mix(&[field]).to_le_bytes(), &at.0.to_le_bytes()])
            }))
            .fold(0, u64::wrapping_add),
        Value::Set(set) => set.iter().map(text).fold(0, u64::wrapping_add),
        Value::Zset(zset) => zset
            .iter()
            .map(|(score, member)| {
                // -0 and 0 are the same score to a client.
                let score = score + 0.0;
                mix(&[&score.to_le_bytes(), &text(member).to_le_bytes()])
            })
            .fold(0, u64::wrapping_add),
        Value::Stream(stream) => of_stream(stream),
    }
}

fn of_stream(stream: &Stream) -> u64 {
    let mut room = TextBuffer::default();
    let mut text = |element: Element<'_>| mix(&[element.text(&mut room)]).to_le_bytes();
    let about = [
        &stream.last_id().to_bytes()[..],
        &stream.max_deleted().to_bytes(),
        &stream.entries_added().to_le_bytes(),
    ];
    let entries = stream.range(StreamId::MIN, StreamId::MAX).fold(mix(&about), |digest, entry| {
        let digest = mix(&[&digest.to_le_bytes(), &entry.id.to_bytes()]);
        entry.pairs().fold(digest, |digest, (field, value)| {
            mix(&[&digest.to_le_bytes(), &text(field), &text(value)])
        })
    });
    stream.groups().fold(entries, |digest, (name, group)| {
        mix(&[&digest.to_le_bytes(), name, &of_group(group).to_le_bytes()])
    })
}

fn of_group(group: &Group) -> u64 {
    let read = group.entries_read.unwrap_or(u64::MAX);
    let about = mix(&[&group.last_id.to_bytes(), &read.to_le_bytes()]);
    let pending = group.pending().fold(about, |digest, (id, pending)| {
        let (at, count) = (pending.at.0.to_le_bytes(), pending.count.to_le_bytes());
        let owner = group.owner(pending).name();
        mix(&[&digest.to_le_bytes(), &id.to_bytes(), &at, &count, owner])
    });
    group.consumers().fold(pending, |digest, consumer| {
        // When it was last active is not in snapshots, so it is no part of the data either.
        mix(&[&digest.to_le_bytes(), consumer.name()])
    })
}

/// The hash of the parts, each with its length.
fn mix(parts: &[&[u8]]) -> u64 {
    let mut hasher = FixedState::with_seed(SEED).build_hasher();
    for part in parts {
        hasher.write_u64(part.len() as u64);
        hasher.write(part);
    }
    hasher.finish()
}
