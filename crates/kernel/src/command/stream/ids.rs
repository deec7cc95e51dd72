//! IDs of stream entries in arguments.

use wire::resp::reply::ErrorReply;
use wire::stream::{Sequence, StreamId};

use crate::command::{Args, Stop};

pub(super) const INVALID_ID: ErrorReply =
    ErrorReply::new("ERR Invalid stream ID specified as stream command argument");

/// An ID, of which the sequence number may be missing.
pub(super) fn parse(text: &[u8], missing: u64) -> Option<StreamId> {
    let (ms, seq) = StreamId::parse(text)?;
    match seq {
        Sequence::Missing => Some(StreamId::new(ms, missing)),
        Sequence::Given(seq) => Some(StreamId::new(ms, seq)),
        Sequence::Auto => None,
    }
}

/// An ID at argument `at`; `-` and `+` are none.
pub(super) fn strict(args: &Args<'_>, at: usize, missing: u64) -> Result<StreamId, Stop> {
    parse(args.key(at), missing).ok_or(Stop::Error(INVALID_ID))
}

/// An ID, `-` for the smallest or `+` for the largest one.
pub(super) fn loose(args: &Args<'_>, at: usize, missing: u64) -> Result<StreamId, Stop> {
    match args.key(at) {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => strict(args, at, missing),
    }
}

/// Arguments `at..`, all of which are IDs.
pub(super) fn list(args: &Args<'_>, at: usize) -> Result<Vec<StreamId>, Stop> {
    (at..args.len()).map(|at| strict(args, at, 0)).collect()
}

/// The start of an interval: an ID, `-`, `+`, or `(` and an ID that is not part of it.
pub(super) fn interval_start(args: &Args<'_>, at: usize) -> Result<StreamId, Stop> {
    let Some(text) = exclusive(args, at) else { return loose(args, at, 0) };
    let id = parse(text, 0).ok_or(Stop::Error(INVALID_ID))?;
    id.next().ok_or(Stop::Error(ErrorReply::new("ERR invalid start ID for the interval")))
}

/// The end of an interval; a missing sequence number is the largest one.
pub(super) fn interval_end(args: &Args<'_>, at: usize) -> Result<StreamId, Stop> {
    let Some(text) = exclusive(args, at) else { return loose(args, at, u64::MAX) };
    let id = parse(text, u64::MAX).ok_or(Stop::Error(INVALID_ID))?;
    id.previous().ok_or(Stop::Error(ErrorReply::new("ERR invalid end ID for the interval")))
}

fn exclusive<'a>(args: &Args<'a>, at: usize) -> Option<&'a [u8]> {
    args.key(at).strip_prefix(b"(").filter(|text| !text.is_empty())
}
