//! MEMORY: what uses memory.

use base::number::format_double;
use wire::resp::reply::{ErrorReply, ReplyWriter};

use super::table::Binding;
use super::{Args, CmdResult, Handler, NodeTurn, Turn};
use crate::info::MemoryReport;

pub(crate) const COMMANDS: &[Binding] = &[
    ("memory|doctor", Handler::Node(doctor)),
    ("memory|malloc-stats", Handler::Node(malloc_stats)),
    ("memory|purge", Handler::Data(purge)),
    ("memory|stats", Handler::Node(stats)),
    ("memory|usage", Handler::Data(usage)),
];

/// Elements of a collection that are looked at unless SAMPLES says otherwise (Redis: the same).
const SAMPLES_DEFAULT: usize = 5;

/// `MEMORY USAGE key [SAMPLES count]`
fn usage(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let mut samples = SAMPLES_DEFAULT;
    for at in (3..args.len()).step_by(2) {
        if !args.is(at, "SAMPLES") || at + 1 == args.len() {
            return Err(ErrorReply::SYNTAX.into());
        }
        samples = usize::try_from(args.int(at + 1)?).map_err(|_| ErrorReply::SYNTAX)?;
    }
    let (key, db) = (args.key(2), cx.keys.db());
    let is_there = cx.keys.peek_value(key).is_some();
    let bytes = is_there.then(|| cx.keys.store().db(db).memory_usage(key, samples)).flatten();
    match bytes {
        Some(bytes) => cx.reply.count(bytes),
        None => cx.reply.null(),
    }
    Ok(())
}

/// Freed memory is given back by the allocator on its own.
fn purge(cx: &mut Turn<'_>, _: &Args<'_>) -> CmdResult {
    cx.reply.ok();
    Ok(())
}

fn stats(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    let report = MemoryReport::of(cx);
    let store = cx.turn.keys.store();
    let used: Vec<u16> = (0..store.databases()).filter(|db| !store.db(*db).is_empty()).collect();
    let tables: Vec<u64> = used.iter().map(|db| store.db(*db).table_bytes() as u64).collect();
    let dataset = report.dataset();
    let share = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
    let before = [
        ("peak.allocated", report.peak),
        ("total.allocated", report.used),
        ("startup.allocated", report.startup),
        ("replication.backlog", report.log_tail),
        ("clients.slaves", 0),
        ("clients.normal", report.clients),
        ("cluster.links", 0),
        ("aof.buffer", 0),
        ("lua.caches", 0),
        ("functions.caches", 0),
    ];
    let fragmented = report.resident.saturating_sub(report.used);
    let fragmentation = report.resident as f64 / report.used.max(1) as f64;
    let reply = &mut cx.turn.reply;
    reply.map(before.len() + used.len() + 16);
    before.iter().for_each(|(name, value)| write_count(reply, name, *value));
    for (db, bytes) in used.iter().zip(tables) {
        reply.bulk(format!("db.{db}").as_bytes());
        reply.map(3);
        write_count(reply, "overhead.hashtable.main", bytes);
        write_count(reply, "overhead.hashtable.expires", 0);
        write_count(reply, "overhead.hashtable.slot-to-keys", 0);
    }
    write_count(reply, "overhead.total", report.overhead);
    write_count(reply, "keys.count", report.keys);
    write_count(reply, "keys.bytes-per-key", dataset / report.keys.max(1));
    write_count(reply, "dataset.bytes", dataset);
    write_ratio(reply, "dataset.percentage", share(dataset, report.used - report.startup));
    write_ratio(reply, "peak.percentage", share(report.used, report.peak));
    write_count(reply, "allocator.allocated", report.used);
    write_count(reply, "allocator.active", report.resident);
    write_count(reply, "allocator.resident", report.resident);
    write_ratio(reply, "allocator-fragmentation.ratio", fragmentation);
    write_count(reply, "allocator-fragmentation.bytes", fragmented);
    write_ratio(reply, "allocator-rss.ratio", 1.0);
    write_count(reply, "allocator-rss.bytes", 0);
    write_ratio(reply, "rss-overhead.ratio", 1.0);
    write_ratio(reply, "fragmentation", fragmentation);
    write_count(reply, "fragmentation.bytes", fragmented);
    Ok(())
}

fn write_count(reply: &mut ReplyWriter<'_>, name: &str, value: u64) {
    reply.bulk(name.as_bytes());
    reply.integer(i64::try_from(value).unwrap_or(i64::MAX));
}

fn write_ratio(reply: &mut ReplyWriter<'_>, name: &str, value: f64) {
    reply.bulk(name.as_bytes());
    reply.double_text(&format_double(value));
}

/// Sizes below which ratios say nothing (Redis: 5 MB).
const DIAGNOSIS_BYTES_MIN: u64 = 5 << 20;

/// What looks wrong, each with its number.
fn doctor(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    let report = MemoryReport::of(cx);
    let clients = cx.node.clients.count().max(1) as u64;
    let mut found = Vec::new();
    if report.used < DIAGNOSIS_BYTES_MIN {
        found.push("The node uses so little memory that ratios would say nothing.".to_owned());
    } else {
        if report.peak > report.used / 2 * 3 {
            let peak = report.peak;
            found.push(format!(
                "The peak was {peak} bytes, more than 1.5 times of what is used now: the resident \
                 size stays high after it."
            ));
        }
        if report.resident > report.used / 5 * 7 {
            found.push(format!(
                "{} bytes are resident and {} used: memory is fragmented.",
                report.resident, report.used
            ));
        }
        if report.clients / clients > 200 << 10 {
            found.push(format!(
                "Clients use {} bytes each: some read slowly or send large pipelines.",
                report.clients / clients
            ));
        }
        if found.is_empty() {
            found.push("Nothing stands out in the use of memory.".to_owned());
        }
    }
    cx.turn.reply.verbatim("txt", (found.join("\n") + "\n").as_bytes());
    Ok(())
}

fn malloc_stats(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    let MemoryReport { used, peak, resident, .. } = MemoryReport::of(cx);
    let text = format!("jemalloc\nallocated: {used}\npeak: {peak}\nresident: {resident}\n");
    cx.turn.reply.verbatim("txt", text.as_bytes());
    Ok(())
}
