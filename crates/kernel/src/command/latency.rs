//! LATENCY: how long commands run, and what took too long.
//!
//! Distributions are kept for every command (`latency-tracking`), events only above
//! `latency-monitor-threshold`.

use catalog::CommandSpec;
use wire::resp::reply::{ErrorReply, ReplyWriter};

use super::table::Binding;
use super::{Args, CmdResult, Handler, NodeTurn, Stop};
use crate::latency::{Event, Sample};
use crate::stats::Histogram;

pub(crate) const COMMANDS: &[Binding] = &[
    ("latency|doctor", Handler::Node(doctor)),
    ("latency|graph", Handler::Node(graph)),
    ("latency|histogram", Handler::Node(histogram)),
    ("latency|history", Handler::Node(history)),
    ("latency|latest", Handler::Node(latest)),
    ("latency|reset", Handler::Node(reset)),
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

fn latest(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    let (events, reply) = (cx.node.latency.events(), &mut cx.turn.reply);
    reply.array(events.len());
    for (name, event) in events {
        reply.array(4);
        reply.bulk(name.as_bytes());
        write_sample(reply, event.latest());
        write_number(reply, event.longest_ms());
    }
    Ok(())
}

fn history(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let samples = cx.node.latency.get(args.key(2)).map(Event::samples);
    let reply = &mut cx.turn.reply;
    reply.array(samples.as_ref().map_or(0, ExactSizeIterator::len));
    for sample in samples.into_iter().flatten() {
        reply.array(2);
        write_sample(reply, sample);
    }
    Ok(())
}

fn write_sample(reply: &mut ReplyWriter<'_>, sample: Sample) {
    write_number(reply, sample.unix_seconds);
    write_number(reply, sample.ms);
}

fn write_number(reply: &mut ReplyWriter<'_>, number: u64) {
    reply.integer(i64::try_from(number).unwrap_or(i64::MAX));
}

/// `LATENCY RESET [event ...]`: how many were forgotten.
fn reset(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let monitor = &mut cx.node.latency;
    let forgotten = if args.len() == 2 {
        monitor.clear()
    } else {
        args.iter_from(2).filter(|name| monitor.forget(name)).count()
    };
    cx.turn.reply.count(forgotten);
    Ok(())
}

/// Heights of a column of the graph, from low to high.
const HEIGHTS: [char; 4] = ['_', 'o', 'O', '#'];

/// One column a sample, oldest first, between the shortest and the longest of them.
fn graph(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let Some(event) = cx.node.latency.get(args.key(2)) else {
        let event = String::from_utf8_lossy(args.key(2));
        let text = format!("ERR No samples available for event '{event}'");
        return Err(Stop::Error(ErrorReply::from(text)));
    };
    let name = String::from_utf8_lossy(args.key(2)).into_owned();
    let all: Vec<u64> = event.samples().map(|sample| sample.ms).collect();
    let low = all.iter().copied().min().unwrap_or(0);
    let high = all.iter().copied().max().unwrap_or(0);
    let step = (high - low) / HEIGHTS.len() as u64 + 1;
    let column = |ms: &u64| HEIGHTS[usize::try_from((ms - low) / step).unwrap_or(0).min(3)];
    let columns: String = all.iter().map(column).collect();
    let longest = event.longest_ms();
    let text =
        format!("{name} - high {high} ms, low {low} ms (all time high {longest} ms)\n{columns}\n");
    cx.turn.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn doctor(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    let threshold_ms = cx.node.config.settings().latency_monitor_threshold_ms;
    let mut text = String::new();
    if threshold_ms == 0 {
        text += "The latency monitor is off. Switch it on with CONFIG SET latency-monitor-threshold \
                 <milliseconds>; LATENCY HISTOGRAM and SLOWLOG tell how long commands take.\n";
    } else if cx.node.latency.events().len() == 0 {
        text += &format!("Nothing took longer than {threshold_ms} ms.\n");
    }
    for (name, event) in cx.node.latency.events() {
        let (count, longest) = (event.samples().len(), event.longest_ms());
        let sum: u64 = event.samples().map(|sample| sample.ms).sum();
        let mean = sum / count.max(1) as u64;
        text += &format!(
            "{name}: {count} seconds with latency above the threshold, {mean} ms on average, \
             {longest} ms at most.\n"
        );
    }
    cx.turn.reply.verbatim("txt", text.as_bytes());
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
