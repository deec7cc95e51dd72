//! Walks through the keys of a database: SCAN, KEYS, RANDOMKEY.
//!
//! Due keys are passed over; RANDOMKEY removes those that it draws. SCAN removes those that it met when the step is done: a walk is no place to change the table
//! that is walked.

use base::{UnixMs, glob};
use store::Entry;
use wire::listpack::Element;

use super::scan::{Body, Scan};
use super::table::Binding;
use super::{Args, CmdResult, Handler, Turn};

pub(crate) const COMMANDS: &[Binding] = &[
    ("scan", Handler::Data(scan)),
    ("keys", Handler::Data(keys)),
    ("randomkey", Handler::Data(randomkey)),
];

/// Keys drawn before RANDOMKEY gives up finding one that is not due.
const DRAWS_MAX: usize = 100;

fn is_alive(entry: &Entry, now: UnixMs) -> bool {
    entry.expiry().is_none_or(|at| at > now)
}

fn scan(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let mut kind = None;
    let scan = Scan::parse_with(args, 1, |at| {
        let is_type = args.is(at, "type");
        if is_type {
            kind = Some(args.key(at + 1));
        }
        is_type
    })?;
    let (db, now) = (cx.keys.store().db(cx.keys.db()), cx.keys.now());
    let is_wanted = |entry: &Entry| {
        let is_kind = |kind: &[u8]| kind.eq_ignore_ascii_case(entry.kind().name().as_bytes());
        kind.is_none_or(is_kind) && scan.takes(Element::Bytes(entry.key()))
    };
    let mut body = Body::new(cx.reply.protocol());
    let mut due: Vec<Box<[u8]>> = Vec::new();
    let cursor = scan.run(|cursor| {
        let mut visited = 0;
        let next = db.scan(cursor, |entry| {
            visited += 1;
            if !is_alive(entry, now) {
                due.push(Box::from(entry.key()));
            } else if is_wanted(entry) {
                body.add(|reply| reply.bulk(entry.key()));
            }
        });
        (next, visited)
    });
    body.finish(&mut cx.reply, cursor);
    due.iter().for_each(|key| cx.keys.settle(key));
    Ok(())
}

fn keys(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (pattern, now) = (args.key(1), cx.keys.now());
    let is_wanted = |entry: &&Entry| {
        is_alive(entry, now) && (pattern == b"*" || glob::matches(pattern, entry.key(), false))
    };
    let db = cx.keys.store().db(cx.keys.db());
    let found: Vec<&Entry> = db.iter().filter(is_wanted).collect();
    cx.reply.array(found.len());
    for entry in found {
        cx.reply.bulk(entry.key());
    }
    Ok(())
}

/// Due keys that are drawn are removed. A database that seems full of them is answered like an empty one.
fn randomkey(cx: &mut Turn<'_>, _: &Args<'_>) -> CmdResult {
    let (number, now) = (cx.keys.db(), cx.keys.now());
    for _ in 0..DRAWS_MAX {
        let (store, rng) = cx.keys.store_and_rng();
        let Some(entry) = store.db(number).random(rng) else { break };
        if is_alive(entry, now) {
            cx.reply.bulk(entry.key());
            return Ok(());
        }
        let key = entry.key().to_vec();
        cx.keys.settle(&key);
    }
    cx.reply.null();
    Ok(())
}
