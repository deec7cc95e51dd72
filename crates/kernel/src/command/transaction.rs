//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! Everything that EXEC runs is one atomic group of the log: the shell closes a group when the
//! command that it called has ended, and it called EXEC.

use catalog::Flag;
use wire::resp::reply::ErrorReply;

use super::table::Binding;
use super::{Args, BlockOn, CmdResult, Handler, NodeTurn, Queued, Stop, TimeoutReply, Turn};
use crate::access::Denial;
use crate::blocking::Unserved;
use crate::client::{Transaction, Watched};
use crate::execute;
use crate::monitor::{self, Shown};
use crate::stats::Ended;

pub(crate) const COMMANDS: &[Binding] = &[
    ("multi", Handler::Data(multi)),
    ("exec", Handler::Node(exec)),
    ("discard", Handler::Data(discard)),
    ("watch", Handler::Data(watch)),
    ("unwatch", Handler::Data(unwatch)),
];

/// What stands behind a script that SHUTDOWN has ended.
const ENDING: ErrorReply = ErrorReply::new("ERR The server is shutting down");

/// Commands that act at once although a transaction is being queued.
pub(crate) fn is_never_queued(name: &str) -> bool {
    matches!(name, "exec" | "discard" | "multi" | "watch" | "quit" | "reset")
}

fn multi(cx: &mut Turn<'_>, _: &Args<'_>) -> CmdResult {
    if cx.session.transaction.is_some() {
        return Err(ErrorReply::new("ERR MULTI calls can not be nested").into());
    }
    cx.session.transaction = Some(Transaction::default());
    cx.reply.ok();
    Ok(())
}

fn discard(cx: &mut Turn<'_>, _: &Args<'_>) -> CmdResult {
    let Some(transaction) = cx.session.transaction.take() else {
        return Err(ErrorReply::new("ERR DISCARD without MULTI").into());
    };
    cx.keys.forget_queue(transaction);
    cx.keys.unwatch(cx.session);
    cx.reply.ok();
    Ok(())
}

fn watch(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    if cx.session.transaction.is_some() {
        return Err(ErrorReply::new("ERR WATCH inside MULTI is not allowed").into());
    }
    for key in args.iter_from(1) {
        let db = cx.session.db;
        if cx.keys.interest.is_watching(db, key, cx.session.token) {
            continue;
        }
        // What is removed now cannot break the transaction later.
        cx.keys.settle(key);
        let was_expired = cx.keys.is_expired(db, key);
        cx.keys.interest.watch(db, key, cx.session.token);
        cx.session.watched.push(Watched { db, key: key.into(), was_expired });
    }
    cx.reply.ok();
    Ok(())
}

fn unwatch(cx: &mut Turn<'_>, _: &Args<'_>) -> CmdResult {
    cx.keys.unwatch(cx.session);
    cx.reply.ok();
    Ok(())
}

fn exec(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    let turn = &mut cx.turn;
    let Some(Transaction { queue, is_doomed, .. }) = turn.session.transaction.take() else {
        return Err(ErrorReply::new("ERR EXEC without MULTI").into());
    };
    let queue = turn.keys.temporary(queue);
    let has_changed =
        turn.keys.interest.is_broken(turn.session.token)
            || turn.session.watched.iter().any(|watched| {
                !watched.was_expired && turn.keys.is_expired(watched.db, &watched.key)
            });
    turn.keys.unwatch(turn.session);
    if is_doomed {
        let text = "EXECABORT Transaction discarded because of previous errors.";
        return Err(ErrorReply::new(text).into());
    }
    if has_changed {
        turn.reply.null_array();
        return Ok(());
    }
    turn.reply.array(queue.len());
    turn.session.runs_transaction = true;
    for command in queue.iter() {
        if cx.turn.keys.is_abandoned() {
            cx.turn.reply.error(&ENDING);
            continue;
        }
        run_queued(cx, command);
    }
    cx.turn.session.runs_transaction = false;
    Ok(())
}

/// The rules have changed since the command was queued.
fn deny_queued(cx: &mut NodeTurn<'_>, command: &Queued, denial: Denial) {
    let session = &*cx.turn.session;
    cx.node.note_denial(session, session.context(), denial, command.spec, &command.args());
    let error = ErrorReply::from(format!("NOPERM {}", denial.text_in_exec()));
    execute::count_error(cx.node, &error);
    cx.turn.reply.error(&error);
}

fn run_queued(cx: &mut NodeTurn<'_>, command: &Queued) {
    let args = command.args();
    if let Err(denial) = cx.turn.session.check(command.spec, &args) {
        return deny_queued(cx, command, denial);
    }
    cx.turn.keys.select(cx.turn.session.db);
    let before = cx.turn.reply.buffer().len();
    let refusal = command
        .spec
        .has(Flag::Write)
        .then(|| cx.turn.keys.check_room(std::iter::empty()).err())
        .flatten();
    let is_monitor = command.spec.name == "monitor";
    let refusal = refusal.or_else(|| is_monitor.then_some(monitor::NOT_IN_TRANSACTION));
    cx.node.show_command(Shown::Before, cx.turn.session, command.spec, &args);
    let is_quoted = cx.turn.keys.begin_call(command.spec);
    let result = match (refusal, command.handler) {
        (Some(error), _) => Err(Stop::Error(error)),
        (None, Handler::Data(run)) => run(&mut cx.turn, &args),
        (None, Handler::Node(run)) => run(cx, &args),
    };
    cx.turn.keys.end_call(is_quoted, &args);
    cx.node.show_command(Shown::After, cx.turn.session, command.spec, &args);
    let ended = if matches!(result, Err(Stop::Error(_))) { Ended::Failed } else { Ended::Replied };
    let took = execute::count_call(cx.node, command.spec, ended);
    if took >= cx.node.limits.noteworthy {
        let caller = execute::Caller::of(cx.turn.session);
        execute::note_slow(cx.node, caller, command.spec, &args, took);
    }
    cx.tell_news();
    cx.remember_read(command.spec, &args);
    match result {
        Ok(()) => {}
        Err(Stop::Error(error)) => {
            cx.turn.reply.buffer().truncate(before);
            execute::count_error(cx.node, &error);
            if cx.turn.session.is_master {
                let is_of_file = cx.turn.session.plays_file;
                let (node, keys) = (&mut *cx.node, &mut *cx.turn.keys);
                execute::note_master_error(node, keys, is_of_file, command.spec.name, &error);
            }
            cx.turn.reply.error(&error);
        }
        Err(Stop::Block(BlockOn { on_timeout: TimeoutReply::NullArrayAfterWait, .. })) => {
            cx.turn.reply.null();
        }
        Err(Stop::Block(on)) => {
            Unserved::timeout(&on, cx.node, cx.turn.keys).write(&mut cx.turn.reply);
        }
    }
}
