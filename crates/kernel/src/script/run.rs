//! A script that runs: its commands go through the same handlers as those of clients.
//!
//! ```text
//!   redis.call(words) -> known? arity? allowed in scripts? may it write? room? -> handler -> reply -> back to the script
//! ```
//!
//! Invariants
//! - Once a script has written it is not refused anything because of the state of the node: it shall end as it was
//!   meant to.
//! - The session of the caller is as before when the script has ended, whatever its commands have chosen.

use std::ops::Deref;
use std::time::Duration;

use base::Tick;
use catalog::{CommandSpec, Flag};
use lua::{Answer, Failure, FunctionRef, Host, LogLevel, Refused, Registration, Sandbox, Words};
use wire::resp::reply::{ErrorReply, Protocol, ReplyWriter};
use wire::resp::request::Span;

use super::flags::{ScriptFlag, ScriptFlags};
use super::{Kind, Running};
use crate::access::Context;
use crate::admit::{self, MASTER_DOWN, OUT_OF_MEMORY, READ_ONLY};
use crate::blocking::Unserved;
use crate::command::table::{self, Resolved};
use crate::command::{
    Args, BlockOn, CmdResult, Handler, NodeTurn, Stop, TimeoutReply, Turn, stream,
};
use crate::execute;
use crate::stats::Ended;
use crate::turn::monotonic_clock;

/// Others are served after this, while a script with slow commands runs.
const PATIENCE: Duration = Duration::from_millis(1);

/// What is called, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) kind: Kind,
    /// Name of the function, or SHA-1 of the script.
    pub(crate) name: &'a str,
    pub(crate) function: FunctionRef,
    /// `None`: a script that declares nothing.
    pub(crate) flags: Option<ScriptFlags>,
    /// `EVAL_RO` and so on.
    pub(crate) is_read_only: bool,
    /// Keys are arguments `3..3 + keys`, what follows are the others.
    pub(crate) keys: usize,
}

/// Runs a script in a sandbox that was taken out of the node.
pub(crate) fn run(
    cx: &mut NodeTurn<'_>,
    sandbox: &mut Sandbox,
    call: &Call<'_>,
    args: &Args<'_>,
) -> CmdResult {
    if let Some(refusal) = refuse(cx, call) {
        return Err(refusal.into());
    }
    let has = |flag| call.flags.is_some_and(|flags| flags.has(flag));
    let began = monotonic_clock();
    let began_counting = cx.node.tick;
    let is_of_master = cx.turn.session.is_master;
    cx.node.scripts.running = Some(Running::new(call.kind, call.name, is_of_master, began, args));
    let (db, protocol) = (cx.turn.session.db, cx.turn.session.protocol);
    cx.turn.keys.is_for_script = true;
    let mut run = Run {
        is_resp3: false,
        is_read_only: call.is_read_only || has(ScriptFlag::NoWrites),
        allows_oom: has(ScriptFlag::AllowOom),
        spans: Vec::new(),
        name: call.name,
        looked: began,
        cx,
    };
    let (mut reply, mut errors) = (Vec::new(), Vec::new());
    let finish = |answer: Answer<'_>| {
        errors = answer.write(&mut ReplyWriter::new(&mut reply, protocol));
    };
    let keys = args.iter_from(3).take(call.keys);
    let others = args.iter_from(3 + call.keys);
    let result = sandbox.run(call.function, keys, others, &mut run, finish);
    let session = &mut *cx.turn.session;
    (session.db, session.protocol) = (db, protocol);
    cx.turn.keys.select(db);
    cx.turn.keys.is_for_script = false;
    cx.node.scripts.running = None;
    // The time of a script is that of all that it did.
    cx.node.tick = began_counting;
    match result {
        Ok(()) => answer(cx, &reply, &errors),
        Err(failure) => fail(cx, call, failure),
    }
}

/// Hands over what the script has returned.
fn answer(cx: &mut NodeTurn<'_>, reply: &[u8], errors: &[ErrorReply]) -> CmdResult {
    if let Some(text) = reply.strip_prefix(b"-") {
        cx.node.is_error_counted = errors.is_empty();
        let text = String::from_utf8_lossy(text);
        return Err(ErrorReply::from(text.trim_end_matches("\r\n").to_owned()).into());
    }
    for error in errors {
        execute::count_error(cx.node, error);
    }
    cx.turn.reply.buffer().extend_from_slice(reply);
    Ok(())
}

/// Tells what ended the script.
fn fail(cx: &mut NodeTurn<'_>, call: &Call<'_>, failure: Failure) -> CmdResult {
    let message = failure.message.map(|text| String::from_utf8_lossy(&text).into_owned());
    let name = call.name;
    if failure.is_bare {
        let message: String = message.unwrap_or_default().chars().take(100).collect();
        return Err(ErrorReply::from(format!("ERR Error running script {name}, {message}")).into());
    }
    let mut text = message.unwrap_or_else(|| "ERR unknown error".to_owned());
    if let Some((source, line)) = failure.place {
        text.push_str(&format!(" script: {name}, on {source}:{line}."));
    }
    let error = ErrorReply::from(text);
    cx.node.is_error_counted = failure.is_counted;
    Err(error.into())
}

/// Why the script may not run in this way. Whether it may run now was asked before, with what it declares; those that
/// declare nothing are asked command by command, but none of them runs on stale data.
fn refuse(cx: &NodeTurn<'_>, call: &Call<'_>) -> Option<ErrorReply> {
    let Some(flags) = call.flags else {
        return cx.node.is_stale().then_some(MASTER_DOWN);
    };
    let text = "ERR Can not execute a script with write flag using *_ro command.";
    (call.is_read_only && !flags.has(ScriptFlag::NoWrites)).then_some(ErrorReply::new(text))
}

/// The host of a running script.
struct Run<'r, 'n> {
    cx: &'r mut NodeTurn<'n>,
    is_resp3: bool,
    is_read_only: bool,
    allows_oom: bool,
    /// Kept from call to call.
    spans: Vec<Span>,
    name: &'r str,
    /// When others were served last.
    looked: Tick,
}

impl Run<'_, '_> {
    fn running(&mut self) -> &mut Running {
        self.cx.node.scripts.running.as_mut().expect("it is what runs")
    }

    fn protocol(&self) -> Protocol {
        if self.is_resp3 { Protocol::Resp3 } else { Protocol::Resp2 }
    }

    /// Why a known command may not run here; its code first, or a text that gets ERR.
    fn refuse(&mut self, spec: &'static CommandSpec, args: &Args<'_>) -> Option<ErrorReply> {
        // A second script cannot run inside of one, whatever DEBUG SET-DISABLE-DENY-SCRIPTS says.
        let is_script = matches!(spec.name.trim_end_matches("_ro"), "eval" | "evalsha" | "fcall")
            || spec.name.starts_with("script|")
            || spec.name.starts_with("function|");
        if spec.has(Flag::Noscript) && (is_script || !self.cx.node.scripts.allows_all) {
            return Some(ErrorReply::new("ERR This Redis command is not allowed from script"));
        }
        if matches!(spec.name, "xread" | "xreadgroup") && stream::asks_to_wait(args) {
            let name = String::from_utf8_lossy(args.key(0));
            let text = format!("ERR {name} command is not allowed with BLOCK option from scripts");
            return Some(text.into());
        }
        if !spec.has(Flag::Stale) && self.cx.node.is_stale() {
            return Some(ErrorReply::new("ERR Can not execute the command on a stale replica"));
        }
        if let Err(denial) = self.cx.turn.session.check(spec, args) {
            let session = &*self.cx.turn.session;
            self.cx.node.note_denial(session, Context::Lua, denial, spec, args);
            let text = denial.text(&session.user, spec);
            return Some(format!("ERR ACL failure in script: {text}").into());
        }
        if self.is_read_only && (spec.has(Flag::Write) || admit::may_replicate(spec)) {
            let text = "ERR Write commands are not allowed from read-only scripts.";
            return Some(ErrorReply::new(text));
        }
        if !spec.has(Flag::Write) {
            return None;
        }
        if !self.running().has_written && !self.cx.turn.session.is_master {
            if !self.cx.turn.keys.is_log_sound() {
                return Some(admit::log_trouble(self.cx.turn.keys));
            }
            if self.cx.is_read_only() {
                return Some(READ_ONLY);
            }
            if let Some(refusal) = admit::refuse_write(self.cx.node) {
                return Some(refusal);
            }
            if spec.has(Flag::Denyoom) && self.cx.node.is_full && !self.allows_oom {
                return Some(OUT_OF_MEMORY);
            }
        }
        // What a script hands over is bounded by its memory only.
        let lengths = (0..args.len()).map(|at| args.key(at).len());
        self.cx.turn.keys.check_room(lengths).err()
    }

    /// Runs one command and counts it.
    fn perform(
        &mut self,
        spec: &'static CommandSpec,
        handler: Handler,
        args: &Args<'_>,
        reply: &mut Vec<u8>,
    ) {
        let protocol = self.protocol();
        let cx = &mut *self.cx;
        cx.turn.session.protocol = protocol;
        cx.turn.keys.select(cx.turn.session.db);
        let is_quoted = cx.turn.keys.begin_call(spec);
        let result = {
            let turn = Turn {
                keys: &mut *cx.turn.keys,
                reply: ReplyWriter::new(reply, protocol),
                session: &mut *cx.turn.session,
            };
            let (node, blocking) = (&mut *cx.node, &mut *cx.blocking);
            call_handler(NodeTurn { turn, node, blocking, later: &mut *cx.later }, handler, args)
        };
        cx.turn.keys.end_call(is_quoted, args);
        // What is told when the script has ended would be kept without a bound until then.
        cx.tell_news();
        cx.remember_read(spec, args);
        cx.node.show_scripted(cx.turn.session.db, spec, args);
        let is_error = matches!(result, Err(Stop::Error(_)));
        let ended = if is_error { Ended::Failed } else { Ended::Replied };
        let took = execute::count_call(cx.node, spec, ended);
        if took >= cx.node.limits.noteworthy {
            let caller = execute::Caller::of(cx.turn.session);
            execute::note_slow(cx.node, caller, spec, args, took);
        }
        let Err(stop) = result else { return };
        reply.clear();
        let mut writer = ReplyWriter::new(reply, protocol);
        match stop {
            Stop::Error(error) => {
                count_error(cx, &error);
                writer.error(&error);
            }
            Stop::Block(BlockOn { on_timeout: TimeoutReply::NullArrayAfterWait, .. }) => {
                writer.null();
            }
            Stop::Block(on) => {
                Unserved::timeout(&on, cx.node, cx.turn.keys).write(&mut writer);
            }
        }
    }
}

/// Counts the error of a command. The script may pass over it, or wrap it; what is missing of a master's data stays missing.
fn count_error(cx: &mut NodeTurn<'_>, error: &ErrorReply) {
    execute::count_error(cx.node, error);
    if cx.turn.session.is_upstream() {
        execute::note_missing(cx.node, cx.turn.keys, error);
    }
}

fn call_handler(mut cx: NodeTurn<'_>, handler: Handler, args: &Args<'_>) -> CmdResult {
    match handler {
        Handler::Data(run) => run(&mut cx.turn, args),
        Handler::Node(run) => run(&mut cx, args),
    }
}

impl Host for Run<'_, '_> {
    fn look(&mut self) -> Option<&'static str> {
        let now = monotonic_clock();
        let threshold = self.cx.node.limits.busy_reply_threshold?;
        let running = self.running();
        let lasts = now.since(running.began);
        if lasts < threshold {
            return None;
        }
        if !running.is_busy {
            running.is_busy = true;
            tracing::warn!(
                name = self.name,
                ms = lasts.as_millis(),
                "a script is slow; it can be ended"
            );
        }
        self.looked = now;
        self.cx.serve_others();
        if self.cx.node.shutdown.is_some() {
            self.cx.turn.keys.abandon_command();
            return Some("Script killed by user with SHUTDOWN...");
        }
        self.running().is_killed.then_some("Script killed by user with SCRIPT KILL...")
    }

    fn call(&mut self, words: &Words, reply: &mut Vec<u8>) -> Result<(), Refused> {
        let mut spans = std::mem::take(&mut self.spans);
        spans.clear();
        spans.extend(words.places().map(|(start, length)| Span { start, length }));
        let args = Args::new(words.bytes(), &spans);
        let outcome = match table::resolve(&args) {
            Resolved::Known { spec, handler } => match self.refuse(spec, &args) {
                None => {
                    self.running().has_written |= spec.has(Flag::Write);
                    self.perform(spec, handler, &args, reply);
                    // Commands may take longer than all that the script does between them.
                    if self.cx.node.tick.since(self.looked) >= PATIENCE
                        && let Some(why) = self.look()
                    {
                        return Err(Refused::Killed(why));
                    }
                    Ok(())
                }
                Some(refusal) => Err((Some(spec), refusal)),
            },
            Resolved::WrongArity { spec } => {
                let text = "ERR Wrong number of args calling Redis command from script";
                Err((Some(spec), ErrorReply::new(text)))
            }
            Resolved::UnknownCommand | Resolved::UnknownSubcommand { .. } => {
                Err((None, ErrorReply::new("ERR Unknown Redis command called from script")))
            }
        };
        self.spans = spans;
        outcome.map_err(|(spec, refusal)| {
            if let Some(spec) = spec {
                self.cx.node.counters.reject(spec.id);
            }
            count_error(self.cx, &refusal);
            Refused::Error(format!("-{}", refusal.0))
        })
    }

    fn may_call(&mut self, words: &Words) -> Option<bool> {
        let spans: Vec<Span> =
            words.places().map(|(start, length)| Span { start, length }).collect();
        let args = Args::new(words.bytes(), &spans);
        match table::resolve(&args) {
            Resolved::Known { spec, .. } | Resolved::WrongArity { spec } => {
                Some(self.cx.turn.session.check(spec, &args).is_ok())
            }
            Resolved::UnknownCommand | Resolved::UnknownSubcommand { .. } => None,
        }
    }

    fn set_resp3(&mut self, is_resp3: bool) {
        self.is_resp3 = is_resp3;
    }

    fn is_resp3(&self) -> bool {
        self.is_resp3
    }

    fn log(&mut self, level: LogLevel, text: &[u8]) {
        log(level, text);
    }

    fn register(&mut self, _: Registration) -> Result<(), String> {
        Err("redis.register_function can only be called on FUNCTION LOAD command".to_owned())
    }
}

/// `redis.log`
pub(crate) fn log(level: LogLevel, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let text = text.deref();
    match level {
        LogLevel::Debug => tracing::trace!(text, "script"),
        LogLevel::Verbose => tracing::debug!(text, "script"),
        // What a script calls a warning is none for who runs the node.
        LogLevel::Notice | LogLevel::Warning => tracing::info!(text, "script"),
    }
}
