//! One command, from its parsed words to its reply.
//!
//! ```text
//!   resolved? -> admitted? -> run -> group closed -> ready keys served -> requests carried out
//! ```

use std::time::Duration;

use catalog::{CommandSpec, Flag};
use net::Token;
use wire::resp::reply::{ErrorReply, ReplyWriter};

use crate::access::Denial;
use crate::admit::{self, Admission, House};
use crate::batch::Input;
use crate::blocking::{Blocking, Unserved};
use crate::client::{Blocked, ReplyMode, Session};
use crate::command::internal;
use crate::command::table::{self, Resolved};
use crate::command::{Args, CmdResult, Handler, NodeTurn, Queued, Stop, Turn};
use crate::eviction::Room;
use crate::keyspace::{Keyspace, TOO_LARGE};
use crate::latency;
use crate::monitor::Shown;
use crate::node::{Node, Request};
use crate::slowlog;
use crate::stats::Ended;
use crate::tracking::Current;
use crate::turn::monotonic_clock;

/// What is queued is a request that goes on, and is bounded like one.
pub(crate) const TRANSACTION_TOO_LARGE: ErrorReply =
    ErrorReply::new("ERR the commands of this transaction exceed client-query-buffer-limit");

/// Errors of commands in a file that the log tells one by one.
const FILE_ERRORS_TOLD: u64 = 100;

/// Whether the client's next command may follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum After {
    Next,
    /// The command is done with, but the client is parked or about to be closed.
    Stop,
    /// The client has had its share of the turn; what it sent behind the command runs in the next one.
    Yield,
    /// The command has not run and must be parsed again when the hold ends.
    Held,
}

/// What a command runs against: everything that the executor owns, but its queues.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) node: &'a mut Node,
    pub(crate) keys: &'a mut Keyspace,
    pub(crate) blocking: &'a mut Blocking,
    /// Where commands of the kind Node write, as they may reach all outputs.
    pub(crate) scratch: &'a mut Vec<u8>,
    /// Clients to be looked at again in the next turn.
    pub(crate) resumed: &'a mut Vec<Token>,
    /// Inputs of the batch that have not had their turn.
    pub(crate) later: &'a mut [Input],
}

impl Stage<'_> {
    /// Executes, queues, parks, refuses or holds one command of a client.
    #[inline]
    pub(crate) fn perform(&mut self, token: Token, resolved: Resolved, args: &Args<'_>) -> After {
        if self.node.clients.get_mut(token).is_some_and(|session| session.is_internal) {
            return self.perform_internal(token, args);
        }
        let Resolved::Known { spec, handler } = resolved else {
            if is_http(args.key(0)) {
                return self.cut_off(token);
            }
            let error = table::unresolved(&resolved, args).expect("it is not known");
            let spec = if let Resolved::WrongArity { spec } = resolved { Some(spec) } else { None };
            return self.refuse(token, spec, args, &error);
        };
        if self.node.tracking.is_on() {
            self.node.bound_tracking(self.keys.rng());
        }
        let is_full = self.make_room() == Room::None;
        self.node.is_full = is_full;
        let house = House {
            scripts: &self.node.scripts,
            holds: &self.node.holds,
            holds_master: self.node.holds.pause.is_some() && self.node.is_master_link(token),
            is_loading: self.node.is_loading,
            is_loading_aside: self.node.is_loading_aside(),
            replication: self.node.replication.as_deref(),
            wants_replicas: self.node.lacks_replicas(),
            tick: self.node.tick,
            is_full,
            is_read_only: self.node.config.settings().replica_read_only,
            is_stale: self.node.is_stale(),
        };
        let Some(session) = self.node.clients.get_mut(token) else { return After::Stop };
        if session.is_replica() && !matches!(spec.name, "replconf" | "psync" | "sync") {
            return self.dismiss_replica(token, spec);
        }
        match house.admit(spec, args, session, self.keys) {
            Admission::Run => self.run(token, spec, handler, args),
            Admission::Hold => After::Held,
            Admission::Refuse(error) => self.refuse(token, Some(spec), args, &error),
            Admission::Deny(denial) => {
                let error = deny(self.node, token, spec, args, denial);
                self.refuse(token, Some(spec), args, &error)
            }
            Admission::Queue => {
                let transaction = session.transaction.as_mut().expect("only then it is queued");
                // What a master has done is to be done here.
                let bytes_max = match session.is_master {
                    true => usize::MAX,
                    false => self.node.limits.client_query_buffer_limit,
                };
                if !transaction.take(Queued::new(spec, handler, args), bytes_max) {
                    return self.refuse(token, Some(spec), args, &TRANSACTION_TOO_LARGE);
                }
                self.answer(token, |reply| reply.simple("QUEUED"));
                After::Next
            }
        }
    }

    /// Ends the connection of a replica that asks for something: it would take the answer for a part of its stream.
    #[cold]
    fn dismiss_replica(&mut self, token: Token, spec: &CommandSpec) -> After {
        let Some(session) = self.node.clients.get(token) else { return After::Stop };
        if spec.has(Flag::Readonly) || spec.has(Flag::Write) || admit::may_replicate(spec) {
            tracing::warn!(
                "== CRITICAL == This master is sending an error to its replica: \
                 'Replica can't interact with the keyspace' after processing the command '{}'",
                spec.name
            );
        }
        let peer = &session.peer;
        tracing::warn!(
            "Replica generated a reply to command '{}', disconnecting it: {peer}",
            spec.name
        );
        self.node.close(token);
        self.carry_out_requests();
        After::Stop
    }

    /// One command of the cluster itself.
    #[cold]
    fn perform_internal(&mut self, token: Token, args: &Args<'_>) -> After {
        if let Err(Stop::Error(error)) = self.call_node(token, internal::pollux, args) {
            self.answer(token, |reply| reply.error(&error));
        }
        self.node.touch(token);
        self.carry_out_requests();
        match self.node.clients.get(token) {
            Some(session) if !session.close_after_reply => After::Next,
            _ => After::Stop,
        }
    }

    #[inline]
    fn run(
        &mut self,
        token: Token,
        spec: &'static CommandSpec,
        handler: Handler,
        args: &Args<'_>,
    ) -> After {
        if let Some(session) = self.node.clients.get_mut(token) {
            session.last_command = Some(spec);
            session.commands += 1;
            if session.reply_mode == ReplyMode::SkipNext {
                session.reply_mode = ReplyMode::Skip;
            }
        }
        self.node.show_command_of(Shown::Before, token, spec, args);
        let result = self.call(token, spec, handler, args);
        self.node.show_command_of(Shown::After, token, spec, args);
        match result {
            Ok(()) => self.account(token, spec, args, Ended::Replied),
            Err(Stop::Error(error)) => {
                self.account(token, spec, args, Ended::Failed);
                count_error(self.node, &error);
                self.note_master_error(token, spec.name, &error);
                self.answer(token, |reply| reply.error(&error));
            }
            Err(Stop::Block(on)) => {
                // It is counted when its wait ends.
                let session = self.node.clients.get_mut(token).expect("its command just ran");
                if session.plays_file {
                    return After::Next;
                }
                let command = match &on.again {
                    Some(words) => Queued::of_words(spec, handler, words),
                    None => Queued::new(spec, handler, args),
                };
                self.blocking.park(self.keys, session, on, command);
                return After::Stop;
            }
        }
        self.end_caching(token, spec);
        // First: who was unblocked or closed by a transaction gets nothing of what it has pushed, as in Redis.
        if !self.node.requests.is_empty() {
            self.carry_out_requests();
        }
        if self.keys.interest.has_ready() {
            self.serve_ready();
            if !self.node.requests.is_empty() {
                self.carry_out_requests();
            }
        }
        match self.node.clients.get(token) {
            Some(session) if !session.close_after_reply => After::Next,
            _ => After::Stop,
        }
    }

    /// Counts a call and its time; one that took too long is noted.
    #[inline]
    fn account(&mut self, token: Token, spec: &'static CommandSpec, args: &Args<'_>, ended: Ended) {
        let took = count_call(self.node, spec, ended);
        if took >= self.node.limits.noteworthy
            && let Some(caller) = self.node.clients.get(token).map(Caller::of)
        {
            note_slow(self.node, caller, spec, args, took);
        }
    }

    /// Calls the handler as one atomic group. What it replied before it stopped is taken back; what it changed stays.
    #[inline]
    fn call(
        &mut self,
        token: Token,
        spec: &'static CommandSpec,
        handler: Handler,
        args: &Args<'_>,
    ) -> CmdResult {
        let op_before = self.keys.begin_command();
        let is_quoted = self.keys.begin_call(spec);
        if self.keys.is_replica() {
            let is_master = self.node.clients.get(token).is_some_and(|session| session.is_master);
            self.keys.removes_due = spec.has(Flag::Write) && !is_master;
        }
        let result = match handler {
            Handler::Data(run) => self.call_data(token, run, args),
            Handler::Node(run) => self.call_node(token, run, args),
        };
        self.keys.end_call(is_quoted, args);
        self.keys.removes_due = false;
        let op = self.keys.end_command();
        self.keys.commit_if_large();
        self.tell_news(Current::client(token));
        if self.node.tracking.is_on() {
            self.track(token, spec, args);
        }
        if op != op_before
            && let Some(session) = self.node.clients.get_mut(token)
        {
            session.waits_for_op = op;
        }
        result
    }

    /// Tells others what has changed.
    #[inline]
    pub(crate) fn tell_news(&mut self, current: Current) {
        if self.keys.has_news() {
            self.node.tell_news(current, self.keys);
        }
    }

    /// Remembers what a client has read, if it tracks keys, and tells it what it has changed in a transaction.
    #[cold]
    fn track(&mut self, token: Token, spec: &CommandSpec, args: &Args<'_>) {
        self.node.tell_own(Current::client(token));
        if spec.has(Flag::Readonly) {
            self.node.remember_read(token, spec, args);
        }
    }

    /// CLIENT CACHING holds for one command, or for one transaction.
    #[inline]
    fn end_caching(&mut self, token: Token, spec: &CommandSpec) {
        if self.node.tracking.is_on()
            && let Some(session) = self.node.clients.get_mut(token)
            && session.transaction.is_none()
            && let Some(tracked) = &mut session.tracking
            && !spec.name.starts_with("client|")
        {
            tracked.is_caching_said = false;
        }
    }

    #[inline]
    fn call_data(
        &mut self,
        token: Token,
        run: fn(&mut Turn<'_>, &Args<'_>) -> CmdResult,
        args: &Args<'_>,
    ) -> CmdResult {
        let session = self.node.clients.get_mut(token).expect("looked up by the caller");
        let Some(output) = self.node.net.output(token) else { return Ok(()) };
        let buffer = output.chunk();
        let before = buffer.len();
        self.keys.serve(session);
        let reply = ReplyWriter::new(buffer, session.protocol);
        let mut turn = Turn { keys: self.keys, reply, session };
        let result = run(&mut turn, args);
        if result.is_err() || session.reply_mode != ReplyMode::On {
            buffer.truncate(before);
            if result.is_ok() {
                end_skip(session);
            }
        }
        result
    }

    fn call_node(
        &mut self,
        token: Token,
        run: fn(&mut NodeTurn<'_>, &Args<'_>) -> CmdResult,
        args: &Args<'_>,
    ) -> CmdResult {
        let mut session = self.node.clients.take_session(token).expect("looked up by the caller");
        let pending = self.node.net.output(token).map_or(0, |output| output.chunk().len());
        self.scratch.clear();
        self.keys.serve(&session);
        let reply = ReplyWriter::new(self.scratch, session.protocol);
        let turn = Turn { keys: self.keys, reply, session: &mut session };
        let (node, blocking) = (&mut *self.node, &mut *self.blocking);
        let result = run(&mut NodeTurn { turn, node, blocking, later: self.later }, args);
        if result.is_ok() && session.reply_mode == ReplyMode::On {
            if let Some(output) = self.node.net.output(token) {
                // What the command pushed to its own client (PUBLISH) leaves behind the reply.
                let buffer = output.buffer();
                let pushed = buffer.split_off(pending.min(buffer.len()));
                buffer.extend_from_slice(self.scratch);
                buffer.extend_from_slice(&pushed);
            }
        } else if result.is_ok() {
            end_skip(&mut session);
        }
        self.node.clients.put_session(session);
        // A fence that the command has set holds from here, not from the next turn on.
        self.keys.hold_still(self.node.is_still(self.node.tick));
        result
    }

    fn note_master_error(&mut self, token: Token, name: &str, error: &ErrorReply) {
        let Some(session) = self.node.clients.get(token).filter(|session| session.is_master) else {
            return;
        };
        let is_of_file = session.plays_file;
        note_master_error(self.node, self.keys, is_of_file, name, error);
    }

    /// Refuses a command before it runs; a transaction that is being queued is doomed by it.
    #[cold]
    fn refuse(
        &mut self,
        token: Token,
        spec: Option<&'static CommandSpec>,
        args: &Args<'_>,
        error: &ErrorReply,
    ) -> After {
        let name = spec.map_or_else(
            || String::from_utf8_lossy(args.key(0)).into_owned(),
            |spec| spec.name.to_owned(),
        );
        self.note_master_error(token, &name, error);
        if let Some(spec) = spec {
            self.node.counters.reject(spec.id);
            self.end_caching(token, spec);
            if spec.name == "exec" {
                return self.abort(token, spec, args, error);
            }
        }
        count_error(self.node, error);
        if let Some(session) = self.node.clients.get_mut(token)
            && let Some(transaction) = &mut session.transaction
        {
            transaction.is_doomed = true;
        }
        self.answer(token, |reply| reply.error(error));
        After::Next
    }
    /// Ends a connection at which a web page made a browser knock: what follows in the body would be commands.
    fn cut_off(&mut self, token: Token) -> After {
        if let Some(session) = self.node.clients.get(token) {
            tracing::warn!(peer = %session.peer, "connection closed: it speaks HTTP, maybe on behalf of an attacker");
        }
        self.node.close(token);
        self.carry_out_requests();
        After::Stop
    }

    /// Ends a transaction whose EXEC was refused.
    fn abort(
        &mut self,
        token: Token,
        spec: &CommandSpec,
        args: &Args<'_>,
        reason: &ErrorReply,
    ) -> After {
        self.node.show_command_of(Shown::After, token, spec, args);
        if let Some(session) = self.node.clients.get_mut(token) {
            if let Some(transaction) = session.transaction.take() {
                self.keys.forget_queue(transaction);
            }
            self.keys.unwatch(session);
        }
        let reason = reason.0.strip_prefix("ERR ").unwrap_or(&reason.0);
        let text = format!("EXECABORT Transaction discarded because of: {reason}");
        let error = ErrorReply::from(text);
        count_error(self.node, &error);
        self.answer(token, |reply| reply.error(&error));
        After::Next
    }

    /// Writes a reply that no handler wrote.
    pub(crate) fn answer(&mut self, token: Token, write: impl FnOnce(&mut ReplyWriter<'_>)) {
        let Some(session) = self.node.clients.get_mut(token) else { return };
        if session.reply_mode != ReplyMode::On {
            return end_skip(session);
        }
        let protocol = session.protocol;
        let Some(output) = self.node.net.output(token) else { return };
        write(&mut ReplyWriter::new(output.chunk(), protocol));
        self.node.touch(token);
    }

    /// Runs the commands of parked clients whose keys have arrived, until none is ready.
    pub(crate) fn serve_ready(&mut self) {
        while self.keys.interest.has_ready() {
            for arrived in self.keys.interest.take_ready() {
                let mut behind = None;
                while let Some(waiter) = self.keys.interest.next_waiting(&arrived, behind) {
                    behind = Some(waiter);
                    let (_, token) = waiter;
                    let session = self.node.clients.get(token);
                    let awaited = session.and_then(|session| session.blocked.as_ref());
                    let awaited = awaited.map(|blocked| blocked.on.awaited);
                    if awaited.is_some_and(|awaited| {
                        self.keys.is_served(arrived.db, &arrived.key, awaited)
                    }) {
                        self.rerun(token);
                    }
                }
            }
        }
    }

    /// Runs the command of a parked client again; it stays parked if there is nothing to take.
    fn rerun(&mut self, token: Token) {
        let Some(session) = self.node.clients.get_mut(token) else { return };
        let Some(blocked) = session.blocked.take() else { return };
        let command = &blocked.command;
        if let Err(denial) = session.check(command.spec, &command.args()) {
            let error = deny(self.node, token, command.spec, &command.args(), denial);
            return self.deny_parked(token, blocked, &error);
        }
        let result = self.call(token, command.spec, command.handler, &command.args());
        let ended = if result.is_ok() { Ended::Replied } else { Ended::Failed };
        let Some(session) = self.node.clients.get_mut(token) else { return };
        session.blocked = Some(blocked);
        if let Err(Stop::Block(_)) = result {
            return;
        }
        if let Some(Blocked { command, .. }) = self.blocking.unpark(self.keys, session) {
            self.account(token, command.spec, &command.args(), ended);
        }
        if let Err(Stop::Error(error)) = result {
            count_error(self.node, &error);
            self.answer(token, |reply| reply.error(&error));
        }
        self.node.touch(token);
        self.resumed.push(token);
    }

    /// Ends the wait of a client that in the meantime has lost the right to its command.
    fn deny_parked(&mut self, token: Token, blocked: Blocked, error: &ErrorReply) {
        self.node.counters.reject(blocked.command.spec.id);
        count_error(self.node, error);
        if let Some(session) = self.node.clients.get_mut(token) {
            session.blocked = Some(blocked);
            self.blocking.unpark(self.keys, session);
        }
        self.answer(token, |reply| reply.error(error));
        self.resumed.push(token);
    }

    /// Ends the wait of a parked client without serving it.
    pub(crate) fn end_wait(&mut self, token: Token, error: Option<&ErrorReply>) {
        let Some(session) = self.node.clients.get_mut(token) else { return };
        let Some(blocked) = self.blocking.unpark(self.keys, session) else { return };
        let (unserved, ended) = match error {
            Some(error) => (Unserved::Error(error.clone()), Ended::Failed),
            None => (Unserved::timeout(&blocked.on, self.node, self.keys), Ended::Replied),
        };
        count_call(self.node, blocked.command.spec, ended);
        error.into_iter().for_each(|error| count_error(self.node, error));
        self.answer(token, |reply| unserved.write(reply));
        self.resumed.push(token);
    }

    /// What commands, or the end of a checkpoint, have asked to be done to clients.
    pub(crate) fn carry_out_requests(&mut self) {
        for request in std::mem::take(&mut self.node.requests) {
            match request {
                Request::Close(token) => {
                    self.node.net.close(token);
                    self.forget(token);
                }
                Request::Attach(token, ask) => {
                    self.forget(token);
                    let mut replication =
                        self.node.replication.take().expect("only then a replica asks");
                    replication.attach(self.node, self.keys, token, *ask);
                    self.node.replication = Some(replication);
                }
                Request::Unblock { token, error } => self.end_wait(token, error.as_ref()),
                Request::Rerun(token) => self.rerun(token),
                Request::UnblockAll(error) => {
                    for token in self.blocking.parked().collect::<Vec<Token>>() {
                        self.end_wait(token, Some(&error));
                    }
                }
            }
        }
    }

    /// Drops a client whose connection is gone.
    pub(crate) fn forget(&mut self, token: Token) {
        self.retire(token);
        let gone = self.node.clients.remove(token);
        if let Some(transaction) = gone.and_then(|session| session.transaction) {
            self.keys.forget_queue(transaction);
        }
    }

    /// Ends what a client is interested in. One that only waits until its last replies have left stays among
    /// the clients: it counts, its output is bounded, and it is closed together with the others.
    pub(crate) fn retire(&mut self, token: Token) {
        let Some(mut session) = self.node.clients.take_session(token) else { return };
        retire(&mut session, self.node, self.blocking, self.keys);
        self.node.clients.put_session(session);
    }
}

/// As [`Stage::retire`], of a session that is not among the clients: its command runs.
pub(crate) fn retire(
    session: &mut Session,
    node: &mut Node,
    blocking: &mut Blocking,
    keys: &mut Keyspace,
) {
    node.pubsub.unsubscribe_all(session);
    node.tracking.disable(session);
    if std::mem::take(&mut session.is_monitor) {
        node.monitors.retain(|monitor| *monitor != session.token);
    }
    blocking.unpark(keys, session);
    keys.unwatch(session);
    node.follow_trackers(keys);
}

/// Notes that the user of a client may not run this; what the client is told.
pub(crate) fn deny(
    node: &mut Node,
    token: Token,
    spec: &'static CommandSpec,
    args: &Args<'_>,
    denial: Denial,
) -> ErrorReply {
    let mut session = node.clients.take_session(token).expect("looked up by the caller");
    session.last_command = Some(spec);
    node.note_denial(&session, session.context(), denial, spec, args);
    let text = denial.text(&session.user, spec);
    node.clients.put_session(session);
    format!("NOPERM {text}").into()
}

/// The first words of HTTP that a browser sends across origins without asking. Redis closes such connections too.
fn is_http(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"post") || word.eq_ignore_ascii_case(b"host:")
}

/// A command without reply has passed; only `CLIENT REPLY OFF` goes on.
fn end_skip(session: &mut Session) {
    if session.reply_mode == ReplyMode::Skip {
        session.reply_mode = ReplyMode::On;
    }
}

/// Counts a call of a command that has just ended, and returns the time that it took: since the one
/// before it ended, so that each command costs one look at the clock.
#[inline]
pub(crate) fn count_call(node: &mut Node, spec: &CommandSpec, ended: Ended) -> Duration {
    let tick = monotonic_clock();
    let took = tick.since(node.tick);
    node.tick = tick;
    let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    node.counters.record(spec.id, ns, ended, node.limits.latency_tracking);
    took
}

/// Who is named in the slow log.
pub(crate) struct Caller {
    address: String,
    name: Vec<u8>,
}

impl Caller {
    pub(crate) fn of(session: &Session) -> Caller {
        Caller { address: session.peer.to_string(), name: session.name.clone() }
    }
}

/// Adds a slow command to the slow log and to the latency monitor, whichever it is slow for.
#[cold]
pub(crate) fn note_slow(
    node: &mut Node,
    caller: Caller,
    spec: &'static CommandSpec,
    args: &Args<'_>,
    took: Duration,
) {
    let is_slow = |bound: Option<Duration>| bound.is_some_and(|bound| took >= bound);
    if is_slow(node.limits.latency_threshold) {
        let is_fast = spec.has(Flag::Fast);
        let event = if is_fast { latency::FAST_COMMAND } else { latency::COMMAND };
        node.latency.note(event, node.now.seconds(), took);
    }
    if is_slow(node.limits.slowlog_slower_than) && !spec.has(Flag::SkipSlowlog) {
        let entry = slowlog::Entry {
            id: 0,
            unix_seconds: node.now.seconds(),
            micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            args: slowlog::trimmed(spec, args),
            address: caller.address,
            client_name: caller.name,
        };
        node.slowlog.push(entry, node.config.settings().slowlog_max_len);
    }
}

/// Counts an error reply, unless the command says that it was.
pub(crate) fn count_error(node: &mut Node, error: &ErrorReply) {
    if !std::mem::take(&mut node.is_error_counted) {
        node.counters.error(&error.0);
    }
}

/// What our master could do, or is done in a file of Redis, we cannot, be it in a transaction: from here on the data may
/// differ.
#[cold]
pub(crate) fn note_master_error(
    node: &mut Node,
    keys: &mut Keyspace,
    is_of_file: bool,
    name: &str,
    error: &ErrorReply,
) {
    let is_known = catalog::find_full(name.as_bytes()).is_some();
    let count = &mut node.counters.unexpected_error_replies;
    *count += u64::from(is_known);
    // A file may hold as many as it likes; how many there were is said at its end.
    if is_of_file && *count > FILE_ERRORS_TOLD {
        return;
    }
    let (from, to) =
        if is_of_file { ("server", "AOF-loading-client") } else { ("replica", "master") };
    tracing::warn!(
        "== CRITICAL == This {from} is sending an error to its {to}: '{}' after processing the command '{name}'",
        error.0
    );
    if !is_of_file {
        note_missing(node, keys, error);
    }
}

/// A group of our master's that does not fit into one of the log is missing here, whatever becomes of the error.
pub(crate) fn note_missing(node: &mut Node, keys: &mut Keyspace, error: &ErrorReply) {
    if *error == TOO_LARGE {
        node.ask_for_image(keys);
    }
}
