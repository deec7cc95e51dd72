//! DEBUG, for tests: only where `enable-debug-command` allows it.

use std::time::Duration;

use store::Entry;
use wire::resp::reply::ErrorReply;

use super::table::Binding;
use super::{Args, CmdResult, Handler, NodeTurn, Stop};
use crate::info::random_id;

pub(crate) const COMMANDS: &[Binding] = &[("debug", Handler::Node(debug))];

const NOT_ALLOWED: &str = "ERR DEBUG command not allowed. If the enable-debug-command option is set \
                           to \"local\", you can run it from a local connection, otherwise you \
                           need to set this option in the configuration file, and then restart \
                           the server.";

/// A subcommand: name, number of arguments with `DEBUG`, function.
type Subcommand = (&'static str, usize, fn(&mut NodeTurn<'_>, &Args<'_>) -> CmdResult);

const SUBCOMMANDS: &[Subcommand] = &[
    ("CHANGE-REPL-ID", 2, change_repl_id),
    ("HELP", 2, help),
    ("OBJECT", 3, object),
    ("QUICKLIST-PACKED-THRESHOLD", 3, accept),
    ("SET-ACTIVE-EXPIRE", 3, set_active_expire),
    ("SLEEP", 3, sleep),
    ("STRINGMATCH-LEN", 4, stringmatch_len),
];

fn debug(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let is_local = cx.turn.session.peer.ip().is_loopback();
    if !cx.node.config.settings().enable_debug_command.allows(is_local) {
        return Err(Stop::Error(ErrorReply::new(NOT_ALLOWED)));
    }
    let fits = |(name, count, _): &&Subcommand| args.is(1, name) && args.len() == *count;
    let Some((_, _, run)) = SUBCOMMANDS.iter().find(fits) else {
        let name = String::from_utf8_lossy(args.key(1));
        return Err(Stop::Error(ErrorReply::from(format!(
            "ERR unknown subcommand or wrong number of arguments for '{name}'. Try DEBUG HELP."
        ))));
    };
    run(cx, args)
}

fn help(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    let reply = &mut cx.turn.reply;
    reply.array(SUBCOMMANDS.len() + 1);
    reply.simple("DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    SUBCOMMANDS.iter().for_each(|(name, ..)| reply.simple(name));
    Ok(())
}

/// A setting of Redis' lists that ours does not need.
fn accept(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    cx.turn.reply.ok();
    Ok(())
}

/// `DEBUG SLEEP seconds`: the executor stands still, as in Redis; text that is no number is 0.
fn sleep(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let seconds = std::str::from_utf8(args.key(2)).ok().and_then(|text| text.parse().ok());
    let duration = Duration::try_from_secs_f64(seconds.unwrap_or(0.0)).unwrap_or_default();
    std::thread::sleep(duration);
    cx.turn.reply.ok();
    Ok(())
}

fn set_active_expire(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    cx.node.is_active_expire_on = args.key(2) != b"0";
    cx.turn.reply.ok();
    Ok(())
}

fn change_repl_id(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    cx.node.facts.replication.id = random_id();
    cx.turn.reply.ok();
    Ok(())
}

/// `DEBUG STRINGMATCH-LEN length pattern`: matches the pattern against that many `a`.
fn stringmatch_len(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    const LENGTH_MAX: usize = 1 << 24;
    let length = usize::try_from(args.int(2)?).unwrap_or(0).min(LENGTH_MAX);
    let is_match = base::glob::matches(args.key(3), &vec![b'a'; length], false);
    cx.turn.reply.integer(i64::from(is_match));
    Ok(())
}

/// `DEBUG OBJECT key`. The serialized length is that of the value in memory.
fn object(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let (key, keys) = (args.key(2), &mut *cx.turn.keys);
    keys.settle(key);
    let is_there = keys.view_value(key).is_some();
    let store = keys.store();
    let entry = store.db(keys.db()).get(key).filter(|_| is_there);
    let Some(entry) = entry else { return Err(ErrorReply::NO_SUCH_KEY.into()) };
    let (address, clock) = (std::ptr::from_ref::<Entry>(entry), entry.clock());
    let (encoding, bytes) = (entry.value().encoding(), entry.heap_bytes(0));
    let idle = store.access().idle_seconds(clock);
    cx.turn.reply.simple(&format!(
        "Value at:{address:p} refcount:1 encoding:{encoding} serializedlength:{bytes} lru:{clock} \
         lru_seconds_idle:{idle}"
    ));
    Ok(())
}
