//! EVAL, EVALSHA, their read-only forms, SCRIPT.

use wire::resp::reply::ErrorReply;

use super::help::help;
use super::table::Binding;
use super::{Args, CmdResult, Handler, NodeTurn, Stop, Turn};
use crate::script::Kind;
use crate::script::run::{Call, run};

pub(crate) const COMMANDS: &[Binding] = &[
    ("eval", Handler::Node(|cx, args| eval(cx, args, false))),
    ("eval_ro", Handler::Node(|cx, args| eval(cx, args, true))),
    ("evalsha", Handler::Node(|cx, args| evalsha(cx, args, false))),
    ("evalsha_ro", Handler::Node(|cx, args| evalsha(cx, args, true))),
    ("script|debug", Handler::Data(debug)),
    ("script|exists", Handler::Node(exists)),
    ("script|flush", Handler::Node(flush)),
    ("script|help", Handler::Data(help)),
    ("script|kill", Handler::Node(kill)),
    ("script|load", Handler::Node(load)),
];

const NO_SCRIPT: ErrorReply = ErrorReply::new("NOSCRIPT No matching script. Please use EVAL.");

/// How many of the arguments are keys.
pub(super) fn key_count(args: &Args<'_>, not_a_number: ErrorReply) -> Result<usize, Stop> {
    let count = args.int(2).map_err(|_| Stop::Error(not_a_number))?;
    let others = i64::try_from(args.len() - 3).expect("arguments are counted in memory");
    if count > others {
        let text = "ERR Number of keys can't be greater than number of args";
        return Err(ErrorReply::new(text).into());
    }
    let negative = || ErrorReply::new("ERR Number of keys can't be negative");
    Ok(usize::try_from(count).map_err(|_| negative())?)
}

fn eval(cx: &mut NodeTurn<'_>, args: &Args<'_>, is_read_only: bool) -> CmdResult {
    let keys = key_count(args, ErrorReply::NOT_AN_INTEGER)?;
    let mut sandbox = cx.node.scripts.take_sandbox();
    let added = cx.node.scripts.cache.add(&mut sandbox, args.key(1), false);
    let result = added.map_err(Stop::Error).and_then(|(sha, script)| {
        let name = std::str::from_utf8(&sha).expect("digits are ASCII");
        let (function, flags) = (script.function, script.flags);
        let call = Call { kind: Kind::Script, name, function, flags, is_read_only, keys };
        run(cx, &mut sandbox, &call, args)
    });
    cx.node.scripts.sandbox = Some(sandbox);
    result
}

fn evalsha(cx: &mut NodeTurn<'_>, args: &Args<'_>, is_read_only: bool) -> CmdResult {
    if args.key(1).len() != 40 {
        return Err(NO_SCRIPT.into());
    }
    let keys = key_count(args, ErrorReply::NOT_AN_INTEGER)?;
    let Some((sha, script)) = cx.node.scripts.cache.find(args.key(1)) else {
        return Err(NO_SCRIPT.into());
    };
    let name = std::str::from_utf8(&sha).expect("digits are ASCII");
    let (function, flags) = (script.function, script.flags);
    let call = Call { kind: Kind::Script, name, function, flags, is_read_only, keys };
    let mut sandbox = cx.node.scripts.take_sandbox();
    let result = run(cx, &mut sandbox, &call, args);
    cx.node.scripts.sandbox = Some(sandbox);
    result
}

fn load(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let mut sandbox = cx.node.scripts.take_sandbox();
    let added = cx.node.scripts.cache.add(&mut sandbox, args.key(2), true);
    cx.node.scripts.sandbox = Some(sandbox);
    let (sha, _) = added?;
    cx.turn.reply.bulk(&sha);
    Ok(())
}

fn exists(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    cx.turn.reply.array(args.len() - 2);
    for sha in args.iter_from(2) {
        cx.turn.reply.integer(i64::from(cx.node.scripts.cache.contains(sha)));
    }
    Ok(())
}

/// `SCRIPT FLUSH [ASYNC | SYNC]`
fn flush(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let is_known = |at: usize| args.is(at, "ASYNC") || args.is(at, "SYNC");
    if args.len() > 3 || (args.len() == 3 && !is_known(2)) {
        let text = "ERR SCRIPT FLUSH only support SYNC|ASYNC option";
        return Err(ErrorReply::new(text).into());
    }
    cx.node.scripts.flush(cx.turn.keys.store().graveyard());
    cx.turn.reply.ok();
    Ok(())
}

fn kill(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    cx.node.scripts.kill(Kind::Script)?;
    cx.turn.reply.ok();
    Ok(())
}

/// There is no debugger: only switching it off succeeds.
fn debug(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    if cx.session.runs_transaction {
        let text = "ERR SCRIPT DEBUG must be called outside a pipeline";
        return Err(ErrorReply::new(text).into());
    }
    if args.is(2, "NO") {
        cx.reply.ok();
        return Ok(());
    }
    if args.is(2, "YES") || args.is(2, "SYNC") {
        return Err(ErrorReply::new("ERR the Lua debugger is not available").into());
    }
    Err(ErrorReply::new("ERR Use SCRIPT DEBUG YES/SYNC/NO").into())
}
