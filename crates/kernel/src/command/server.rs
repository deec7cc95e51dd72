//! INFO, TIME, LOLWUT, SHUTDOWN, and the commands that ask for a checkpoint.

use rustix::time::{ClockId, clock_gettime};
use wire::resp::reply::ErrorReply;

use super::table::Binding;
use super::{Args, Awaited, BlockOn, CmdResult, Handler, NodeTurn, Stop, TimeoutReply, Turn};
use crate::info;
use crate::node::{SaveKind, Saving, Shutdown};
use crate::replicate::refresh_facts;
use crate::script;

pub(crate) const COMMANDS: &[Binding] = &[
    ("bgrewriteaof", Handler::Node(bgrewriteaof)),
    ("bgsave", Handler::Node(bgsave)),
    ("info", Handler::Node(info)),
    ("lastsave", Handler::Node(lastsave)),
    ("lolwut", Handler::Data(lolwut)),
    ("save", Handler::Node(save)),
    ("shutdown", Handler::Node(shutdown)),
    ("time", Handler::Data(time)),
];

fn error(text: &'static str) -> Stop {
    Stop::Error(ErrorReply::new(text))
}

fn info(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    refresh_facts(cx);
    let text = info::text(cx, &args.from(1));
    cx.turn.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// The clock of now, not of the turn: clients measure with it. In a script time stands still, to the millisecond.
fn time(cx: &mut Turn<'_>, _: &Args<'_>) -> CmdResult {
    // It stands still for as long as nothing else can happen in between.
    let (seconds, microseconds) = if cx.keys.is_for_script || cx.session.runs_transaction {
        let now = cx.keys.now().0;
        (now / 1000, now % 1000 * 1000)
    } else {
        let now = clock_gettime(ClockId::Realtime);
        let part = |value: i64| u64::try_from(value).unwrap_or(0);
        (part(now.tv_sec), part(now.tv_nsec) / 1000)
    };
    cx.reply.array(2);
    cx.reply.bulk(seconds.to_string().as_bytes());
    cx.reply.bulk(microseconds.to_string().as_bytes());
    Ok(())
}

fn lastsave(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    let at = cx.node.facts.persistence.last_save_at.seconds();
    cx.turn.reply.integer(i64::try_from(at).unwrap_or(i64::MAX));
    Ok(())
}

const IN_PROGRESS: &str = "ERR Background save already in progress";

const REWRITE_IN_PROGRESS: &str = "ERR Background append only file rewriting already in progress";
const OTHER_IN_PROGRESS: &str = "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE \
                                 SCHEDULE in order to schedule a BGSAVE whenever possible.";

/// What became of the wish for a checkpoint.
enum Order {
    Begins,
    /// It comes behind the one that runs, which is of the other kind.
    Follows,
}

/// Asks for a checkpoint; refused when one of its kind is on its way.
fn want_save(cx: &mut NodeTurn<'_>, kind: SaveKind) -> Result<Order, Stop> {
    match cx.node.saving {
        Saving::Unavailable => Err(error("ERR This node keeps its data in memory only")),
        Saving::Wanted(running) | Saving::Running(running) if running == kind => {
            let is_rewrite = kind == SaveKind::Rewrite;
            Err(error(if is_rewrite { REWRITE_IN_PROGRESS } else { IN_PROGRESS }))
        }
        Saving::Wanted(_) | Saving::Running(_) => {
            cx.node.save_next = Some(kind);
            Ok(Order::Follows)
        }
        Saving::Idle => {
            cx.node.saving = Saving::Wanted(kind);
            Ok(Order::Begins)
        }
    }
}

/// `BGSAVE [SCHEDULE]`
fn bgsave(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let is_schedule = args.len() == 2 && args.is(1, "SCHEDULE");
    if args.len() > 1 && !is_schedule {
        return Err(ErrorReply::SYNTAX.into());
    }
    let is_rewriting = |saving| {
        matches!(saving, Saving::Wanted(SaveKind::Rewrite) | Saving::Running(SaveKind::Rewrite))
    };
    if !is_schedule && is_rewriting(cx.node.saving) {
        return Err(error(OTHER_IN_PROGRESS));
    }
    let text = match want_save(cx, SaveKind::Snapshot)? {
        Order::Begins => "Background saving started",
        Order::Follows => "Background saving scheduled",
    };
    cx.turn.reply.simple(text);
    Ok(())
}

/// A checkpoint is what makes the log short here.
fn bgrewriteaof(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    let text = match want_save(cx, SaveKind::Rewrite)? {
        Order::Begins => "Background append only file rewriting started",
        Order::Follows => "Background append only file rewriting scheduled",
    };
    cx.turn.reply.simple(text);
    Ok(())
}

/// Answers when the checkpoint is complete; others are served meanwhile.
fn save(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    want_save(cx, SaveKind::Snapshot)?;
    Err(Stop::Block(BlockOn {
        keys: Vec::new(),
        awaited: Awaited::List,
        deadline: None,
        on_timeout: TimeoutReply::Ok,
        again: None,
    }))
}

/// `SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]`. The log holds everything that was acknowledged, so a
/// checkpoint before the end would add nothing, and without one nothing is lost. No reply: the
/// connection ends with the process, after a wait for replicas of Redis unless NOW is said.
fn shutdown(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let has = |word: &str| (1..args.len()).any(|at| args.is(at, word));
    let known = ["NOSAVE", "SAVE", "NOW", "FORCE", "ABORT"];
    let is_known = |at: usize| known.iter().any(|word| args.is(at, word));
    if !(1..args.len()).all(is_known)
        || (has("NOSAVE") && has("SAVE"))
        || (has("ABORT") && args.len() > 2)
    {
        return Err(ErrorReply::SYNTAX.into());
    }
    if has("ABORT") {
        if !cx.node.stay() {
            return Err(error("ERR No shutdown in progress."));
        }
        cx.turn.reply.ok();
        return Ok(());
    }
    if let Some(running) = &cx.node.scripts.running
        && !has("NOSAVE")
    {
        return Err(script::busy(running.kind).into());
    }
    if cx.node.replication.is_some() {
        cx.node.shutdown = Some(Shutdown::Clean);
        return Ok(());
    }
    // While a script runs nobody else would be served, and nobody would end the wait.
    let is_now = has("NOW") || cx.node.scripts.running.is_some();
    if cx.node.depart(cx.turn.keys, is_now) {
        return Err(Stop::Block(BlockOn {
            keys: Vec::new(),
            awaited: Awaited::List,
            deadline: None,
            on_timeout: TimeoutReply::Ok,
            again: None,
        }));
    }
    Ok(())
}

/// The twins, by their brightest stars.
const GEMINI: &str = "
        Castor *              * Pollux
              / \\            / \\
             *   \\          /   *
            /     *--------*     \\
           *      |        |      *
          /       *        *       \\
         *       /          \\       *
                *            *

";

/// `LOLWUT [VERSION version [argument ...]]`: there is one picture for all versions.
fn lolwut(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    if args.len() >= 3 && args.is(1, "VERSION") {
        (2..args.len()).try_for_each(|at| args.int(at).map(|_| ()))?;
    }
    let (redis, own) = (crate::REDIS_VERSION, env!("CARGO_PKG_VERSION"));
    let text = format!("{GEMINI}Redis ver. {redis} (Pollux {own})\n");
    cx.reply.verbatim("txt", text.as_bytes());
    Ok(())
}
