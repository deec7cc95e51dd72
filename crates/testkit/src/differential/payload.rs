//! What DUMP says of a key on both servers: compared, and given to the other server.
//!
//! ```text
//!   payload: type u8 | value | version u16 | checksum u64
//!
//!   redis-server: DUMP --> own ---.--> RESTORE own, other --> DEBUG DIGEST-VALUE key, own, other: equal
//!                                 X                           OBJECT ENCODING (XINFO STREAM) own, other: equal
//!   Pollux:       DUMP --> own ---'--> RESTORE own, other --> the same
//! ```
//!
//! Invariants
//! - Digests of both servers are equal, as Pollux counts them as Redis does.
//! - Where the encodings are the same, and say in which order elements stand, payloads hold the same: the same bytes in
//!   each listpack. Whether strings are compressed is up to the writer, and where a list is cut into nodes to its history.
//! - Both servers restore two keys and delete them, whatever they can read: who listens hears the same.

use std::io;

use wire::rdb::load::{ListNode, Value};
use wire::rdb::{crc64, dump};

use super::compare::{self, Promise, Release};
use super::frame::Frame;
use super::keyspace::{Asked, Compared, Unlike};

/// Where the payloads are restored.
const OWN: &[u8] = b"copy:own";
const OTHER: &[u8] = b"copy:other";

/// Bytes of version and checksum.
const SEAL_BYTES: usize = 10;

const TYPES_ZSET: [u8; 2] = [5, TYPE_ZSET_LISTPACK];
const TYPE_ZSET_LISTPACK: u8 = 17;
const TYPE_SET_LISTPACK: u8 = 20;
const TYPES_STREAM: [u8; 2] = [19, 21];
/// Sets as listpacks, and streams that know when consumers were active.
const TYPES_SINCE_7_2: [u8; 2] = [TYPE_SET_LISTPACK, TYPES_STREAM[1]];

pub(super) fn compare(
    asked: &mut Asked<'_>,
    key: &[u8],
    compared: &mut Compared,
) -> io::Result<Result<(), Unlike>> {
    let (redis, pollux) = asked.both(&[b"DUMP", key])?;
    let (Some(of_redis), Some(of_pollux)) = (redis.text(), pollux.text()) else {
        return Ok(Err(asked.unlike(&[b"DUMP", key], redis, pollux)));
    };
    let encodings = asked.both(&[b"OBJECT", b"ENCODING", key])?;
    let is_alike = encodings.0 == encodings.1;
    if is_alike && is_ordered(asked.release, of_redis, &encodings.0) {
        if !is_same_value(of_redis, of_pollux) {
            return Ok(Err(asked.unlike(&[b"DUMP", key], redis, pollux)));
        }
        compared.payloads += 1;
    }
    // Pollux reads what any release has written.
    let is_legible = asked.release != Release::V70 || !TYPES_SINCE_7_2.contains(&of_pollux[0]);
    let to_redis =
        if is_legible { sealed(of_pollux, version(of_redis)) } else { of_redis.to_vec() };
    compared.exchanged += 1 + usize::from(is_legible);
    let answer = restored(asked, key, (of_redis, &to_redis), (of_pollux, of_redis), is_alike)?;
    asked.both(&[b"DEL", OWN, OTHER])?;
    Ok(answer)
}

/// What each server makes of its own payload and of the other's.
fn restored(
    asked: &mut Asked<'_>,
    key: &[u8],
    to_redis: (&[u8], &[u8]),
    to_pollux: (&[u8], &[u8]),
    is_alike: bool,
) -> io::Result<Result<(), Unlike>> {
    let deadlines = asked.both(&[b"PEXPIRETIME", key])?;
    let deadline = |frame: &Frame| frame.integer().unwrap_or(0).max(0).to_string();
    let deadlines = (deadline(&deadlines.0), deadline(&deadlines.1));
    for (name, payloads) in [(OWN, (to_redis.0, to_pollux.0)), (OTHER, (to_redis.1, to_pollux.1))] {
        let (redis, pollux) = asked.each(
            &[b"RESTORE", name, deadlines.0.as_bytes(), payloads.0, b"ABSTTL"],
            &[b"RESTORE", name, deadlines.1.as_bytes(), payloads.1, b"ABSTTL"],
        )?;
        if !redis.is_line("OK") || !pollux.is_line("OK") {
            return Ok(Err(asked.unlike(&[b"RESTORE", name, key], redis, pollux)));
        }
    }
    let question: [&[u8]; 5] = [b"DEBUG", b"DIGEST-VALUE", key, OWN, OTHER];
    let digests = asked.both(&question)?;
    // A small sorted set that is restored may lose the sign of a zero, and 7.0 counts scores in another way.
    let (is_stream, is_zset) =
        (TYPES_STREAM.contains(&to_pollux.0[0]), TYPES_ZSET.contains(&to_redis.0[0]));
    if !is_zset && (digests.0 != digests.1 || !is_one(&digests.0)) {
        return Ok(Err(asked.unlike(&question, digests.0, digests.1)));
    }
    // What the other's encoding becomes is that of the own one, if they were the same; but a small set is a table again
    // if it is written as a plain set, as 7.0 reads it.
    if is_alike && to_redis.0[0] == to_redis.1[0] {
        let own = asked.both(&[b"OBJECT", b"ENCODING", OWN])?;
        let other = asked.both(&[b"OBJECT", b"ENCODING", OTHER])?;
        for (own, other) in [(own.0, other.0), (own.1, other.1)] {
            if own != other {
                return Ok(Err(asked.unlike(&[b"OBJECT", b"ENCODING", OTHER, key], own, other)));
            }
        }
    }
    if deadlines.0 != "0" {
        let own = asked.both(&[b"PEXPIRETIME", OWN])?;
        let other = asked.both(&[b"PEXPIRETIME", OTHER])?;
        let is_kept = own == other && own.0.text() == Some(deadlines.0.as_bytes());
        if !is_kept {
            return Ok(Err(asked.unlike(&[b"PEXPIRETIME", OWN, OTHER], own.0, other.0)));
        }
    }
    let scores = |key| -> [&[u8]; 5] { [b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"] };
    if is_zset && let Err(unlike) = are_alike(asked, Promise::Scores, &scores)? {
        return Ok(Err(unlike));
    }
    // Groups and consumers, of which digests say nothing.
    let about = |key| -> [&[u8]; 6] { [b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"] };
    if is_stream { are_alike(asked, Promise::Ages, &about) } else { Ok(Ok(())) }
}

/// Asks each server about both of its copies.
fn are_alike<const N: usize>(
    asked: &mut Asked<'_>,
    promise: Promise,
    question: &dyn Fn(&'static [u8]) -> [&'static [u8]; N],
) -> io::Result<Result<(), Unlike>> {
    let (own, other) = (asked.both(&question(OWN))?, asked.both(&question(OTHER))?);
    for (own, other) in [(own.0, other.0), (own.1, other.1)] {
        if !compare::equal(asked.release, promise, &own, &other) {
            return Ok(Err(asked.unlike(&question(OTHER), own, other)));
        }
    }
    Ok(Ok(()))
}

/// Whether the payload says elements in an order that the value has: not that of a hash table.
fn is_ordered(release: Release, payload: &[u8], encoding: &Frame) -> bool {
    match encoding.text() {
        Some(b"int" | b"embstr" | b"raw" | b"intset" | b"skiplist" | b"quicklist") => true,
        // 7.0 writes scores in more digits.
        Some(b"listpack") if release == Release::V70 => payload[0] != TYPE_ZSET_LISTPACK,
        Some(b"listpack") => payload[0] != TYPE_SET_LISTPACK,
        _ => false,
    }
}

/// Whether payloads are the same but for the compression of strings and the seal.
fn is_same_value(left: &[u8], right: &[u8]) -> bool {
    let value = |payload: &[u8]| payload[..payload.len() - SEAL_BYTES].to_vec();
    value(left) == value(right)
        || match (dump::open(left), dump::open(right)) {
            (Ok(Value::List(left)), Ok(Value::List(right))) => items(&left) == items(&right),
            (Ok(left), Ok(right)) => left == right,
            _ => false,
        }
}

/// The items of a list, as they are encoded, whatever node they are in.
fn items(nodes: &[ListNode]) -> Vec<Vec<u8>> {
    let of_node = |node: &ListNode| -> Vec<Vec<u8>> {
        match node {
            ListNode::Packed(pack) => pack.iter().map(|item| item.to_vec()).collect(),
            ListNode::Item(item) => vec![item.clone()],
        }
    };
    nodes.iter().flat_map(of_node).collect()
}

/// Whether all digests are the same.
fn is_one(digests: &Frame) -> bool {
    let digests = digests.items().unwrap_or_default();
    !digests.is_empty() && digests.windows(2).all(|pair| pair[0] == pair[1])
}

fn version(payload: &[u8]) -> [u8; 2] {
    let at = payload.len() - SEAL_BYTES;
    [payload[at], payload[at + 1]]
}

/// The payload as one of another version; the type of its value must be one of those that this version knows.
fn sealed(payload: &[u8], version: [u8; 2]) -> Vec<u8> {
    let mut sealed = payload[..payload.len() - SEAL_BYTES].to_vec();
    sealed.extend(version);
    let checksum = crc64(&sealed).to_le_bytes();
    sealed.extend(checksum);
    sealed
}
