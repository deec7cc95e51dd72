//! Effects on strings.

use wire::effect::Expiry;

use super::{ApplyError, Outcome, STRING_BYTES_MAX, Target};
use crate::dict::Entry;
use crate::value::{Body, StringRef, Value};

pub(super) fn set(target: &mut Target<'_>, key: &[u8], value: &[u8], expiry: Expiry) -> Outcome {
    let (db, env) = (&mut *target.db, &mut *target.env);
    if db.get(key).is_some() {
        db.set_body(env, key, Body::string(value));
        match expiry {
            Expiry::Keep => {}
            Expiry::Clear => drop(db.set_expiry(env, key, None)),
            Expiry::At(at) => drop(db.set_expiry(env, key, Some(at))),
        }
    } else {
        let expiry = match expiry {
            Expiry::Keep | Expiry::Clear => None,
            Expiry::At(at) => Some(at),
        };
        let mut entry = Entry::new(key, expiry, Body::string(value));
        entry.set_clock(env.access.fresh());
        db.insert(env, entry);
    }
    Outcome::count(value.len())
}

/// The string of a key; `None` when there is no such key.
fn string<'t>(target: &'t Target<'_>, key: &[u8]) -> Result<Option<StringRef<'t>>, ApplyError> {
    match target.db.get(key).map(Entry::value) {
        None => Ok(None),
        Some(Value::String(string)) => Ok(Some(string)),
        Some(_) => Err(ApplyError::WrongType),
    }
}

pub(super) fn append(
    target: &mut Target<'_>,
    key: &[u8],
    value: &[u8],
) -> Result<Outcome, ApplyError> {
    let Some(old) = string(target, key)?.map(StringRef::len) else {
        target.create(key, Body::string(value));
        return Ok(Outcome::count(value.len()));
    };
    check_length(old as u64, value.len())?;
    let bytes = large(target, key);
    bytes.extend_from_slice(value);
    Ok(Outcome::count(bytes.len()))
}

pub(super) fn set_range(
    target: &mut Target<'_>,
    key: &[u8],
    offset: u64,
    value: &[u8],
) -> Result<Outcome, ApplyError> {
    let old = string(target, key)?.map(StringRef::len);
    if value.is_empty() {
        return Ok(Outcome::count(old.unwrap_or(0)));
    }
    let end = check_length(offset, value.len())?;
    let start = end - value.len();
    if old.is_none() {
        target.create(key, Body::Large(Box::default()));
    }
    let bytes = large(target, key);
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[start..end].copy_from_slice(value);
    Ok(Outcome::count(bytes.len()))
}

/// Where `added` bytes behind `start` end, if a string may be that long.
fn check_length(start: u64, added: usize) -> Result<usize, ApplyError> {
    let end = start.checked_add(added as u64).filter(|&end| end <= STRING_BYTES_MAX);
    end.and_then(|end| usize::try_from(end).ok()).ok_or(ApplyError::TooLong)
}

/// The growable bytes of a key that is known to hold a string.
fn large<'t>(target: &'t mut Target<'_>, key: &[u8]) -> &'t mut Vec<u8> {
    let entry = target.find(key).expect("the key was looked up");
    entry.large_mut().expect("the key holds a string")
}

pub(super) fn incr_by(
    target: &mut Target<'_>,
    key: &[u8],
    delta: i64,
) -> Result<Outcome, ApplyError> {
    let Some(string) = string(target, key)? else {
        target.create(key, Body::Int(delta));
        return Ok(Outcome(delta));
    };
    let old = string.integer().ok_or(ApplyError::NotAnInteger)?;
    let new = old.checked_add(delta).ok_or(ApplyError::Overflow)?;
    target.db.set_body(target.env, key, Body::Int(new));
    Ok(Outcome(new))
}
