//! Effects on strings.

use wire::effect::Expiry;

use super::{ApplyError, Outcome, STRING_BYTES_MAX, Target};
use crate::value::{Body, Kind, StringRef, Value};

pub(super) fn set(target: Target<'_>, value: &[u8], expiry: Expiry) -> Outcome {
    let Target { db, env, key, place } = target;
    db.assign(env, place, key, Body::string(value), expiry);
    Outcome::count(value.len())
}

/// The string, or `None` when there is no such key.
fn string<'t>(target: &'t Target<'_>) -> Result<Option<StringRef<'t>>, ApplyError> {
    match target.db.get_at(target.place, target.key).map(|entry| entry.value()) {
        None => Ok(None),
        Some(Value::String(string)) => Ok(Some(string)),
        Some(_) => Err(ApplyError::WrongType),
    }
}

pub(super) fn append(mut target: Target<'_>, value: &[u8]) -> Result<Outcome, ApplyError> {
    let Some(old) = string(&target)?.map(StringRef::len) else {
        target.create(Body::string(value));
        return Ok(Outcome::count(value.len()));
    };
    check_length(old as u64, value.len())?;
    let bytes = large(&mut target);
    bytes.extend_from_slice(value);
    Ok(Outcome::count(bytes.len()))
}

pub(super) fn set_range(
    mut target: Target<'_>,
    offset: u64,
    value: &[u8],
) -> Result<Outcome, ApplyError> {
    let old = string(&target)?.map(StringRef::len);
    if value.is_empty() {
        return Ok(Outcome::count(old.unwrap_or(0)));
    }
    let end = check_length(offset, value.len())?;
    let start = end - value.len();
    if old.is_none() {
        target.create(Body::Large(Box::default()));
    }
    let bytes = large(&mut target);
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
fn large<'t>(target: &'t mut Target<'_>) -> &'t mut Vec<u8> {
    let entry = target.find(Kind::String).expect("the key holds a string");
    entry.and_then(|entry| entry.large_mut()).expect("the key was looked up")
}

pub(super) fn incr_by(mut target: Target<'_>, delta: i64) -> Result<Outcome, ApplyError> {
    let Some(entry) = target.find(Kind::String)? else {
        target.create(Body::Int(delta));
        return Ok(Outcome(delta));
    };
    let Value::String(string) = entry.value() else { unreachable!("a key of this kind was found") };
    let old = string.integer().ok_or(ApplyError::NotAnInteger)?;
    let new = old.checked_add(delta).ok_or(ApplyError::Overflow)?;
    let expiry = entry.expiry();
    let old = entry.assign(Body::Int(new), expiry);
    target.env.bury(old);
    Ok(Outcome(new))
}
