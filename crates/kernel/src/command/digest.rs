//! The fingerprints of DEBUG DIGEST and DEBUG DIGEST-VALUE: those of redis-server, bit for bit, so that a node and a
//! real server can be compared by one word.
//!
//! ```text
//!   add(d, x) = d xor SHA1(x)              of a set: in any order
//!   mix(d, x) = SHA1(d xor SHA1(x))        of a sequence: in this order
//!
//!   value     mix type (u32, big-endian), then its elements:
//!               string  mix text                       list    mix each element
//!               set     add each member                stream  mix "ms.seq", each field, each value of each entry
//!               hash    add mix(mix(0, field), value)  zset    add mix(mix(0, member), score)
//!             an expiry adds "!!expire!!", that of a field "!!hexpire!!" to the field's part
//!   all data  for each database with keys: mix its number, then xor mix(0, key) with its value mixed in for each key
//! ```
//!
//! Neither times of expiry nor groups of streams are in it. `store::digest` has both, and is what nodes of an instance
//! are compared by.

use std::fmt::Write as _;

use base::number::{DoubleText, format_double_17, format_double_compact};
use sha1::{Digest as _, Sha1};
use store::{Entry, Store, Value};
use wire::listpack::TextBuffer;
use wire::stream::StreamId;

/// How scores are written: the two ways give different digests for most scores that have a fraction or are large.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Scores {
    /// With 17 digits, as servers up to 7.0 do.
    #[default]
    Long,
    /// With the digits that Grisu2 finds, and `1e+9`, as servers from 7.2 on do: not the text of replies.
    Short,
}

/// 160 bits; all of them 0 for what is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Digest([u8; 20]);

impl Digest {
    fn add(&mut self, bytes: &[u8]) {
        self.xor(&Digest(Sha1::digest(bytes).into()));
    }

    fn xor(&mut self, other: &Digest) {
        self.0.iter_mut().zip(other.0).for_each(|(byte, other)| *byte ^= other);
    }

    fn mix(&mut self, bytes: &[u8]) {
        self.add(bytes);
        self.0 = Sha1::digest(self.0).into();
    }

    /// Mixes the parts into nothing, and adds the result.
    fn add_mixed(&mut self, parts: &[&[u8]], marks: &[&[u8]]) {
        let mut element = Digest::default();
        parts.iter().for_each(|part| element.mix(part));
        marks.iter().for_each(|mark| element.add(mark));
        self.add(&element.0);
    }

    pub(super) fn hex(&self) -> String {
        self.0.iter().fold(String::with_capacity(40), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a string takes everything");
            text
        })
    }

    fn mix_value(&mut self, value: Value<'_>, scores: Scores) {
        let mut room = TextBuffer::default();
        let mut other = TextBuffer::default();
        let kind: u32 = match value {
            Value::String(_) => 0,
            Value::List(_) => 1,
            Value::Set(_) => 2,
            Value::Zset(_) => 3,
            Value::Hash(_) => 4,
            Value::Stream(_) => 6,
        };
        self.mix(&kind.to_be_bytes());
        match value {
            Value::String(string) => self.mix(string.text(&mut itoa::Buffer::new())),
            Value::List(list) => list.iter().for_each(|element| self.mix(element.text(&mut room))),
            Value::Set(set) => set.iter().for_each(|member| self.add(member.text(&mut room))),
            Value::Zset(zset) => {
                for (score, member) in zset.iter() {
                    self.add_mixed(&[member.text(&mut room), &score_text(score, scores)], &[]);
                }
            }
            Value::Hash(hash) => {
                for (field, value) in hash.iter() {
                    let field = field.text(&mut room);
                    let is_to_go = hash.has_deadlines() && hash.deadline(field).is_some();
                    let marks: &[&[u8]] = if is_to_go { &[b"!!hexpire!!"] } else { &[] };
                    self.add_mixed(&[field, value.text(&mut other)], marks);
                }
            }
            Value::Stream(stream) => {
                for entry in stream.range(StreamId::MIN, StreamId::MAX) {
                    let StreamId { ms, seq } = entry.id;
                    self.mix(format!("{ms}.{seq}").as_bytes());
                    for (field, value) in entry.pairs() {
                        self.mix(field.text(&mut room));
                        self.mix(value.text(&mut room));
                    }
                }
            }
        }
    }
}

/// The digest of a value and of whether it expires, whatever its key.
pub(super) fn of_value(entry: &Entry, scores: Scores) -> Digest {
    let mut digest = Digest::default();
    mix_entry(&mut digest, entry, scores);
    digest
}

fn mix_entry(digest: &mut Digest, entry: &Entry, scores: Scores) {
    digest.mix_value(entry.value(), scores);
    if entry.expiry().is_some() {
        digest.add(b"!!expire!!");
    }
}

/// The digest of all databases. Keys that are due and not removed yet are part of it.
pub(super) fn of_store(store: &Store, scores: Scores) -> Digest {
    let mut all = Digest::default();
    for number in 0..store.databases() {
        let db = store.db(number);
        if db.is_empty() {
            continue;
        }
        all.mix(&u32::from(number).to_be_bytes());
        for entry in db.iter() {
            let mut digest = Digest::default();
            digest.mix(entry.key());
            mix_entry(&mut digest, entry, scores);
            all.add(&digest.0);
        }
    }
    all
}

fn score_text(score: f64, scores: Scores) -> DoubleText {
    match scores {
        Scores::Long => format_double_17(score),
        Scores::Short => format_double_compact(score),
    }
}
