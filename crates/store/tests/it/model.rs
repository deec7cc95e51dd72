//! A store made of standard collections, and random effects for both.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::LazyLock;

use base::UnixMs;
use proptest::prelude::*;
use store::{ApplyError, Graveyard, Rng, Store, Value};
use wire::effect::{Effect, End, Expiry};

use crate::stream_model::{self, PlainStream};

pub(crate) const DATABASES: u16 = 3;

/// A value as plain collections.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Plain {
    String(Vec<u8>),
    List(VecDeque<Vec<u8>>),
    /// Values and deadlines.
    Hash(PlainHash),
    Set(BTreeSet<Vec<u8>>),
    Zset(BTreeMap<Vec<u8>, f64>),
    Stream(PlainStream),
}

type PlainHash = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

impl From<Value<'_>> for Plain {
    fn from(value: Value<'_>) -> Plain {
        match value {
            Value::String(string) => Plain::String(string.text(&mut itoa::Buffer::new()).to_vec()),
            Value::List(list) => Plain::List(list.iter().map(|element| element.to_vec()).collect()),
            Value::Hash(hash) => Plain::Hash(
                hash.iter()
                    .map(|(field, value)| {
                        let field = field.to_vec();
                        let deadline = hash.deadline(&field).map(|at| at.0);
                        (field, (value.to_vec(), deadline))
                    })
                    .collect(),
            ),
            Value::Set(set) => Plain::Set(set.iter().map(|member| member.to_vec()).collect()),
            Value::Zset(zset) => {
                Plain::Zset(zset.iter().map(|(score, member)| (member.to_vec(), score)).collect())
            }
            Value::Stream(stream) => Plain::Stream(PlainStream::of(stream)),
        }
    }
}

type PlainDb = BTreeMap<Vec<u8>, (Plain, Option<u64>)>;

/// All databases.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Model(pub(crate) Vec<PlainDb>);

pub(crate) fn new_store() -> Store {
    Store::new(DATABASES, Graveyard::immediate(), Rng::new(1))
}

impl Model {
    pub(crate) fn new() -> Model {
        Model(vec![PlainDb::new(); usize::from(DATABASES)])
    }

    /// What is in a store.
    pub(crate) fn of(store: &Store) -> Model {
        let mut model = Model::new();
        for number in 0..DATABASES {
            for entry in store.db(number).iter() {
                model.put(number, entry.key(), entry.expiry(), entry.value());
            }
        }
        model
    }

    /// Adds a key that must not be there.
    pub(crate) fn put(&mut self, db: u16, key: &[u8], expiry: Option<UnixMs>, value: Value<'_>) {
        let content = (Plain::from(value), expiry.map(|at| at.0));
        let old = self.0[usize::from(db)].insert(key.to_vec(), content);
        assert!(old.is_none(), "a key comes once");
    }

    pub(crate) fn apply(&mut self, db: u16, effect: &Effect<'_>) -> Result<i64, ApplyError> {
        let dbs = &mut self.0;
        let here = usize::from(db);
        match *effect {
            Effect::Delete { key } => Ok(i64::from(dbs[here].remove(key).is_some())),
            Effect::Rename { from, to } => {
                let moved = dbs[here].remove(from).ok_or(ApplyError::NoSuchKey)?;
                dbs[here].insert(to.to_vec(), moved);
                Ok(1)
            }
            Effect::Copy { from, to_db, to } => {
                let copy = dbs[here].get(from).cloned().ok_or(ApplyError::NoSuchKey)?;
                dbs[usize::from(to_db)].insert(to.to_vec(), copy);
                Ok(1)
            }
            Effect::Move { key, to_db } => {
                if !dbs[here].contains_key(key) {
                    return Err(ApplyError::NoSuchKey);
                }
                if dbs[usize::from(to_db)].contains_key(key) {
                    return Err(ApplyError::KeyExists);
                }
                let moved = dbs[here].remove(key).unwrap();
                dbs[usize::from(to_db)].insert(key.to_vec(), moved);
                Ok(1)
            }
            Effect::ExpireAt { key, at } => match dbs[here].get_mut(key) {
                Some((_, expiry)) => {
                    *expiry = Some(at.0);
                    Ok(1)
                }
                None => Ok(0),
            },
            Effect::Persist { key } => {
                Ok(dbs[here].get_mut(key).and_then(|(_, expiry)| expiry.take()).map_or(0, |_| 1))
            }
            Effect::SetClock { key, .. } => Ok(i64::from(dbs[here].contains_key(key))),
            Effect::FlushDb => Ok(int(std::mem::take(&mut dbs[here]).len())),
            Effect::FlushAll => Ok(dbs.iter_mut().map(|db| int(std::mem::take(db).len())).sum()),
            Effect::SwapDb { a, b } => {
                dbs.swap(usize::from(a), usize::from(b));
                Ok(1)
            }
            _ => apply_to_value(&mut dbs[here], effect),
        }
    }
}

fn int(count: usize) -> i64 {
    i64::try_from(count).unwrap()
}

/// Runs `change` on the collection of a key, made by `new` if missing; an emptied one is removed.
fn with<R>(
    db: &mut PlainDb,
    key: &[u8],
    new: Plain,
    change: impl FnOnce(&mut Plain) -> Result<R, ApplyError>,
) -> Result<R, ApplyError> {
    let mut content = db.remove(key).unwrap_or((new, None));
    let before = content.clone();
    let result = change(&mut content.0);
    if result.is_err() {
        content = before;
    }
    let is_empty = match &content.0 {
        // A string that failed to be made is not there either, but an empty one is.
        Plain::String(_) => false,
        Plain::List(list) => list.is_empty(),
        Plain::Hash(hash) => hash.is_empty(),
        Plain::Set(set) => set.is_empty(),
        Plain::Zset(zset) => zset.is_empty(),
        Plain::Stream(_) => false,
    };
    if !is_empty {
        db.insert(key.to_vec(), content);
    }
    result
}

fn apply_to_value(db: &mut PlainDb, effect: &Effect<'_>) -> Result<i64, ApplyError> {
    match effect {
        Effect::SetString { key, value, expiry } => {
            let old = db.get(*key).and_then(|(_, expiry)| *expiry);
            let expiry = match expiry {
                Expiry::Keep => old,
                Expiry::Clear => None,
                Expiry::At(at) => Some(at.0),
            };
            db.insert(key.to_vec(), (Plain::String(value.to_vec()), expiry));
            Ok(int(value.len()))
        }
        Effect::Append { key, value } => string(db, key, |text| {
            text.extend_from_slice(value);
            Ok(int(text.len()))
        }),
        Effect::SetRange { key, offset, value } => set_range(db, key, *offset, value),
        Effect::IncrBy { key, delta } => {
            if !db.contains_key(*key) {
                db.insert(key.to_vec(), (Plain::String(delta.to_string().into_bytes()), None));
                return Ok(*delta);
            }
            string(db, key, |text| {
                let old = base::number::parse_i64(text).ok_or(ApplyError::NotAnInteger)?;
                let new = old.checked_add(*delta).ok_or(ApplyError::Overflow)?;
                *text = new.to_string().into_bytes();
                Ok(new)
            })
        }
        Effect::ListPush { key, .. }
        | Effect::ListPop { key, .. }
        | Effect::ListSet { key, .. }
        | Effect::ListInsert { key, .. }
        | Effect::ListTrim { key, .. }
        | Effect::ListRemove { key, .. } => {
            let needs_key = matches!(effect, Effect::ListSet { .. } | Effect::ListInsert { .. });
            if needs_key && !db.contains_key(*key) {
                return Err(ApplyError::NoSuchKey);
            }
            with(db, key, Plain::List(VecDeque::new()), |value| match value {
                Plain::List(list) => apply_to_list(list, effect),
                _ => Err(ApplyError::WrongType),
            })
        }
        Effect::HashSet { .. }
        | Effect::HashSetAndKeep { .. }
        | Effect::HashDelete { .. }
        | Effect::HashExpire { .. }
        | Effect::HashPersist { .. } => apply_to_hash(db, effect),
        Effect::SetAdd { key, members } => {
            set(db, key, |set| members.iter().filter(|member| set.insert(member.to_vec())).count())
        }
        Effect::SetRemove { key, members } => {
            set(db, key, |set| members.iter().filter(|member| set.remove(**member)).count())
        }
        Effect::ZsetAdd { key, members } => zset(db, key, |zset| {
            let new =
                |(score, member): &&(f64, &[u8])| zset.insert(member.to_vec(), *score).is_none();
            members.iter().filter(new).count()
        }),
        Effect::ZsetRemove { key, members } => zset(db, key, |zset| {
            members.iter().filter(|member| zset.remove(**member).is_some()).count()
        }),
        other => apply_to_stream(db, other),
    }
}

fn apply_to_stream(db: &mut PlainDb, effect: &Effect<'_>) -> Result<i64, ApplyError> {
    if stream_model::is_malformed(effect) {
        return Err(ApplyError::BadNode);
    }
    let (key, creates) = stream_model::key_of(effect);
    match db.get_mut(key) {
        Some((Plain::Stream(stream), _)) => stream.apply(effect),
        Some(_) => Err(ApplyError::WrongType),
        None if creates => {
            let mut stream = PlainStream::default();
            let outcome = match effect {
                Effect::StreamSet { .. } => stream.apply(effect).map(|_| 1)?,
                _ => stream.apply(effect)?,
            };
            db.insert(key.to_vec(), (Plain::Stream(stream), None));
            Ok(outcome)
        }
        None if stream_model::needs_group(effect) => Err(ApplyError::NoSuchKey),
        None => Ok(0),
    }
}

fn apply_to_hash(db: &mut PlainDb, effect: &Effect<'_>) -> Result<i64, ApplyError> {
    match effect {
        Effect::HashSet { key, pairs } => hash(db, key, |hash| {
            let (pairs, _) = pairs.as_chunks::<2>();
            let new = |[field, value]: &&[&[u8]; 2]| {
                hash.insert(field.to_vec(), (value.to_vec(), None)).is_none()
            };
            pairs.iter().filter(new).count()
        }),
        Effect::HashSetAndKeep { key, pairs } => hash(db, key, |hash| {
            let (pairs, _) = pairs.as_chunks::<2>();
            let new = |[field, value]: &&[&[u8]; 2]| {
                let deadline = hash.get(*field).and_then(|(_, deadline)| *deadline);
                hash.insert(field.to_vec(), (value.to_vec(), deadline)).is_none()
            };
            pairs.iter().filter(new).count()
        }),
        Effect::HashExpire { key, fields } => hash(db, key, |hash| {
            let set = |(at, field): &&(UnixMs, &[u8])| {
                hash.get_mut(*field).map(|(_, deadline)| *deadline = Some(at.0)).is_some()
            };
            fields.iter().filter(set).count()
        }),
        Effect::HashPersist { key, fields } => hash(db, key, |hash| {
            let taken = |field: &&&[u8]| {
                hash.get_mut(**field).and_then(|(_, deadline)| deadline.take()).is_some()
            };
            fields.iter().filter(taken).count()
        }),
        Effect::HashDelete { key, fields } => hash(db, key, |hash| {
            fields.iter().filter(|field| hash.remove(**field).is_some()).count()
        }),
        other => unreachable!("{other:?} is not about hashes"),
    }
}

fn set_range(db: &mut PlainDb, key: &[u8], offset: u64, value: &[u8]) -> Result<i64, ApplyError> {
    let missing = !db.contains_key(key);
    if value.is_empty() && missing {
        return Ok(0);
    }
    let end = offset.saturating_add(value.len() as u64);
    let is_too_long = end > store::apply::STRING_BYTES_MAX && !value.is_empty();
    if is_too_long && missing {
        return Err(ApplyError::TooLong);
    }
    string(db, key, |text| {
        if is_too_long {
            return Err(ApplyError::TooLong);
        }
        let start = usize::try_from(offset).unwrap();
        let end = start + value.len();
        if !value.is_empty() {
            text.resize(text.len().max(end), 0);
            text[start..end].copy_from_slice(value);
        }
        Ok(int(text.len()))
    })
}

fn string(
    db: &mut PlainDb,
    key: &[u8],
    change: impl FnOnce(&mut Vec<u8>) -> Result<i64, ApplyError>,
) -> Result<i64, ApplyError> {
    with(db, key, Plain::String(Vec::new()), |value| match value {
        Plain::String(text) => change(text),
        _ => Err(ApplyError::WrongType),
    })
}

macro_rules! collection {
    ($name:ident, $form:ident, $type:ty) => {
        fn $name(
            db: &mut PlainDb,
            key: &[u8],
            change: impl FnOnce(&mut $type) -> usize,
        ) -> Result<i64, ApplyError> {
            with(db, key, Plain::$form(<$type>::new()), |value| match value {
                Plain::$form(collection) => Ok(int(change(collection))),
                _ => Err(ApplyError::WrongType),
            })
        }
    };
}

collection!(hash, Hash, PlainHash);
collection!(set, Set, BTreeSet<Vec<u8>>);
collection!(zset, Zset, BTreeMap<Vec<u8>, f64>);

fn apply_to_list(list: &mut VecDeque<Vec<u8>>, effect: &Effect<'_>) -> Result<i64, ApplyError> {
    let old = list.len();
    let index = |index: u64| usize::try_from(index).unwrap();
    match effect {
        Effect::ListPush { end, values, .. } => {
            for value in values {
                match end {
                    End::Head => list.push_front(value.to_vec()),
                    End::Tail => list.push_back(value.to_vec()),
                }
            }
            return Ok(int(list.len()));
        }
        Effect::ListPop { end: End::Head, count, .. } => {
            list.drain(..index(*count).min(old));
        }
        Effect::ListPop { end: End::Tail, count, .. } => {
            list.truncate(old - index(*count).min(old));
        }
        Effect::ListSet { index: at, value, .. } => {
            *list.get_mut(index(*at)).ok_or(ApplyError::OutOfRange)? = value.to_vec();
            return Ok(1);
        }
        Effect::ListInsert { index: at, value, .. } => {
            if index(*at) > old {
                return Err(ApplyError::OutOfRange);
            }
            list.insert(index(*at), value.to_vec());
            return Ok(int(list.len()));
        }
        Effect::ListTrim { start, count, .. } => {
            *list = list.iter().skip(index(*start)).take(index(*count)).cloned().collect();
        }
        Effect::ListRemove { count, value, .. } => {
            let mut left = if *count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
            let mut keep = |element: &Vec<u8>| {
                let goes = left > 0 && element == value;
                left -= usize::from(goes);
                !goes
            };
            if *count < 0 {
                let mut kept: VecDeque<_> = std::mem::take(list).into_iter().rev().collect();
                kept.retain(&mut keep);
                list.extend(kept.into_iter().rev());
            } else {
                list.retain(&mut keep);
            }
        }
        other => unreachable!("{other:?} is not about lists"),
    }
    Ok(int(old - list.len()))
}

static KEYS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut keys: Vec<Vec<u8>> = (0..9).map(|n| format!("key:{n}").into_bytes()).collect();
    // All in one slot; one key so long that its length is kept in four bytes.
    keys.extend((0..3).map(|n| format!("{{tag}}{n}").into_bytes()));
    keys.push(vec![b'k'; 70_000]);
    keys.push(Vec::new());
    keys
});

static TEXTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut texts: Vec<Vec<u8>> =
        ["", "0", "-1", "7", "9223372036854775807", "007", "a", "b", "some text"]
            .map(|text| text.as_bytes().to_vec())
            .to_vec();
    texts.extend([44, 45, 64, 65, 4096, 4097, 9000].map(|length| vec![b'x'; length]));
    texts
});

/// Ingredients of a random effect, small so that failures shrink well.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    pub(crate) db: u16,
    kind: u8,
    key: usize,
    other: usize,
    number: u64,
    texts: Vec<usize>,
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    let texts = prop::collection::vec(0..TEXTS.len(), 0..5);
    (0..DATABASES, 0u8..64, 0..KEYS.len(), 0..KEYS.len(), 0u64..12, texts).prop_map(
        |(db, kind, key, other, number, texts)| Op { db, kind, key, other, number, texts },
    )
}

impl Op {
    pub(crate) fn effect(&self) -> Effect<'static> {
        let (key, other) = (KEYS[self.key].as_slice(), KEYS[self.other].as_slice());
        let texts: Vec<&[u8]> = self.texts.iter().map(|&text| TEXTS[text].as_slice()).collect();
        let value = texts.first().copied().unwrap_or(b"v");
        let number = self.number;
        let at = UnixMs(1000 + number);
        let end = if number.is_multiple_of(2) { End::Head } else { End::Tail };
        let to_db = u16::try_from(number).unwrap() % DATABASES;
        let scored =
            || texts.iter().zip(0..).map(|(&text, i)| (f64::from(i) - 1.5, text)).collect();
        match self.kind {
            0 | 1 => Effect::Delete { key },
            2 => Effect::Rename { from: key, to: other },
            3 => Effect::Copy { from: key, to_db, to: other },
            4 => Effect::Move { key, to_db },
            5 | 6 => Effect::ExpireAt { key, at },
            7 if number == 0 => Effect::SetClock { key, clock: 77 },
            7 => Effect::Persist { key },
            8 if number == 0 => Effect::FlushAll,
            8 if number < 4 => Effect::FlushDb,
            8 => Effect::SwapDb { a: self.db, b: to_db },
            9..=11 => Effect::SetString { key, value, expiry: Expiry::Clear },
            12 => Effect::SetString { key, value, expiry: Expiry::Keep },
            13 => Effect::SetString { key, value, expiry: Expiry::At(at) },
            14 => Effect::Append { key, value },
            15 if number == 11 => Effect::SetRange { key, offset: u64::MAX - 1, value },
            15 => Effect::SetRange { key, offset: number * 10, value },
            16 if number == 0 => Effect::IncrBy { key, delta: i64::MAX },
            16 | 17 => Effect::IncrBy { key, delta: 5 - i64::try_from(number).unwrap() },
            18..=21 => Effect::ListPush { key, end, values: texts },
            22 => Effect::ListPop { key, end, count: number },
            23 => Effect::ListSet { key, index: number, value },
            24 => Effect::ListInsert { key, index: number, value },
            25 => Effect::ListTrim { key, start: number / 4, count: number % 4 },
            26 => Effect::ListRemove { key, count: i64::try_from(number).unwrap() - 6, value },
            27..=29 => {
                let even = texts.len() / 2 * 2;
                Effect::HashSet { key, pairs: texts[..even].to_vec() }
            }
            30 => Effect::HashDelete { key, fields: texts },
            31..=33 => Effect::SetAdd { key, members: texts },
            34 => Effect::SetRemove { key, members: texts },
            35..=37 => Effect::ZsetAdd { key, members: scored() },
            38 | 39 => Effect::ZsetRemove { key, members: texts },
            kind @ 40..60 => stream_model::effect(kind - 40, key, number, &self.texts, &texts),
            60 | 61 => Effect::HashExpire {
                key,
                fields: texts.into_iter().map(|field| (at, field)).collect(),
            },
            62 => Effect::HashPersist { key, fields: texts },
            _ => {
                let even = texts.len() / 2 * 2;
                Effect::HashSetAndKeep { key, pairs: texts[..even].to_vec() }
            }
        }
    }
}
