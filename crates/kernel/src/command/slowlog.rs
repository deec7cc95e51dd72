//! SLOWLOG: the commands that ran longest lately.

use base::number::parse_i64;
use wire::resp::reply::ErrorReply;

use super::args::wrong_form;
use super::table::Binding;
use super::{Args, CmdResult, Handler, NodeTurn, Stop};

pub(crate) const COMMANDS: &[Binding] = &[
    ("slowlog|get", Handler::Node(get)),
    ("slowlog|len", Handler::Node(len)),
    ("slowlog|reset", Handler::Node(reset)),
];

/// Entries that GET shows when it is not told how many.
const SHOWN_DEFAULT: usize = 10;

fn get(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    const ERROR: &str = "ERR count should be greater than or equal to -1";
    let count = match args.len() {
        2 => Some(SHOWN_DEFAULT),
        3 => match parse_i64(args.key(2)) {
            Some(-1) => None,
            Some(count @ 0..) => Some(usize::try_from(count).unwrap_or(usize::MAX)),
            _ => return Err(Stop::Error(ErrorReply::new(ERROR))),
        },
        _ => return Err(wrong_form(args)),
    };
    let entries = cx.node.slowlog.newest(count);
    let reply = &mut cx.turn.reply;
    reply.array(entries.len());
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    for entry in entries {
        reply.array(6);
        reply.integer(number(entry.id));
        reply.integer(number(entry.unix_seconds));
        reply.integer(number(entry.micros));
        reply.array(entry.args.len());
        for arg in &entry.args {
            reply.bulk(arg);
        }
        reply.bulk(entry.address.as_bytes());
        reply.bulk(&entry.client_name);
    }
    Ok(())
}

fn len(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    cx.turn.reply.count(cx.node.slowlog.len());
    Ok(())
}

fn reset(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    cx.node.slowlog.clear();
    cx.turn.reply.ok();
    Ok(())
}
