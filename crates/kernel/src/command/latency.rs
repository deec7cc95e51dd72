//! LATENCY: how long commands run.
//!
//! Distributions are kept for every command. The event monitor (`latency-monitor-threshold`) has no
//! events here, as nothing in a turn waits for a disk or a fork: its subcommands answer as a monitor does
//! that has seen none.

use catalog::CommandSpec;
use wire::resp::reply::ErrorReply;

use super::table::Binding;
use super::{Args, CmdResult, Handler, NodeTurn, Stop, Turn};
use crate::stats::Histogram;

pub(crate) const COMMANDS: &[Binding] = &[
    ("latency|doctor", Handler::Data(doctor)),
    ("latency|graph", Handler::Data(graph)),
    ("latency|histogram", Handler::Node(histogram)),
    ("latency|history", Handler::Data(history)),
    ("latency|latest", Handler::Data(latest)),
    ("latency|reset", Handler::Data(reset)),
];

/// `LATENCY HISTOGRAM [command ...]`; a container stands for its subcommands.
fn histogram(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let stats = &cx.node.counters;
    let mut wanted: Vec<&'static CommandSpec> = Vec::new();
    if args.len() == 2 {
        wanted.extend(stats.commands().map(|(spec, _)| spec));
    }
    for spec in args.iter_from(2).filter_map(catalog::find_full) {
        wanted.push(spec);
        wanted.extend(spec.subcommands());
    }
    let found: Vec<(&CommandSpec, &Histogram)> = wanted
        .into_iter()
        .filter_map(|spec| Some((spec, stats.command(spec.id).latency.as_deref()?)))
        .collect();
    let reply = &mut cx.turn.reply;
    reply.map(found.len());
    for (spec, histogram) in found {
        reply.bulk(spec.name.as_bytes());
        reply.map(2);
        reply.bulk(b"calls");
        reply.integer(i64::try_from(histogram.count()).unwrap_or(i64::MAX));
        reply.bulk(b"histogram_usec");
        let points = histogram.by_power_of_two();
        reply.map(points.len());
        for (bound_ns, count) in points {
            reply.integer(i64::try_from(shown_us(bound_ns)).unwrap_or(i64::MAX));
            reply.integer(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
    Ok(())
}

/// Bounds as Redis shows them: its buckets are 1/128 wide, and it shows the end of the one that a power
/// of two begins (32768 ns: 33 us).
fn shown_us(bound_ns: u64) -> u64 {
    (bound_ns + bound_ns / 128 - 1) / 1000
}

fn latest(cx: &mut Turn<'_>, _: &Args<'_>) -> CmdResult {
    cx.reply.array(0);
    Ok(())
}

fn history(cx: &mut Turn<'_>, _: &Args<'_>) -> CmdResult {
    cx.reply.array(0);
    Ok(())
}

fn reset(cx: &mut Turn<'_>, _: &Args<'_>) -> CmdResult {
    cx.reply.integer(0);
    Ok(())
}

fn graph(_: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let event = String::from_utf8_lossy(args.key(2));
    Err(Stop::Error(ErrorReply::from(format!("ERR No samples available for event '{event}'"))))
}

fn doctor(cx: &mut Turn<'_>, _: &Args<'_>) -> CmdResult {
    cx.reply.verbatim(
        "txt",
        b"No latency events: nothing in a turn of this node waits for a disk or a fork. \
          See LATENCY HISTOGRAM and SLOWLOG for the time that commands take.\n",
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_shown_as_redis_does() {
        let shown: Vec<u64> = (10..=20).map(|power| shown_us(1 << power)).collect();
        assert_eq!(shown, [1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056]);
    }
}
