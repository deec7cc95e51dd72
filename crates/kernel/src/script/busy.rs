//! Others, while a script runs for too long: they hear -BUSY, and may end it.
//!
//! ```text
//!   the script's hook -> look -> serve_others: sockets -> requests -> allowed? run : -BUSY -> replies leave
//! ```
//!
//! Invariants
//! - Requests are answered in order; one that is not complete stays in its connection's buffer, and what a client sends
//!   while it waits for something waits as well.
//! - What the executor had parsed already goes back to the buffers first: who has sent SCRIPT KILL in the same moment as
//!   the script came must be heard.
//! - What a master sends stays where it is until the script has ended: it is neither refused nor taken for relayed.
//! - No command runs that changes data, roles or where the log goes: the script is in the middle of its group. The
//!   cluster's questions, leases and orders are taken; a fence, which promises that nothing is written, is refused.

use std::time::Duration;

use catalog::Flag;
use net::{CloseReason, Event, Token};
use wire::resp::reply::{ErrorReply, ReplyWriter};
use wire::resp::request::{Progress, RequestLimits};

use super::busy;
use crate::admit;
use crate::client::Session;
use crate::command::table::{self, Resolved};
use crate::command::transaction::is_never_queued;
use crate::command::{Args, Handler, NodeTurn, Queued, Stop, Turn, internal};
use crate::execute;
use crate::turn::wall_clock;

/// What the node address hears to an order that cannot be carried out now.
const NO_FENCE: ErrorReply = ErrorReply::new("BUSY a script runs and may write");

impl NodeTurn<'_> {
    /// Serves whoever has something to say; does not wait.
    pub(crate) fn serve_others(&mut self) {
        let mut heard = std::mem::take(&mut self.node.scripts.heard);
        for input in self.later.iter_mut().filter(|input| !input.requests.is_empty()) {
            let (token, bytes) = (input.token, input.withdraw());
            self.node.net.put_input(token, bytes, 0);
            if let Some((parser, _)) = self.node.clients.parts(token) {
                parser.reset();
            }
            heard.push(token);
        }
        let mut events = Vec::new();
        if let Err(error) = self.node.net.wait(Some(Duration::ZERO), &mut events) {
            tracing::warn!(%error, "sockets cannot be looked at while a script runs");
        }
        for event in events {
            match event {
                Event::Accepted { token, peer, listener } => {
                    self.node.welcome(token, peer, listener);
                }
                Event::Received { token, count } => {
                    self.node.counters.bytes_in += count as u64;
                    self.node.counters.reads_processed += 1;
                    self.note_heard(token);
                    heard.push(token);
                }
                Event::Closed { token, reason } => {
                    if let CloseReason::Failed(error) = &reason {
                        tracing::debug!(%error, "connection failed");
                    }
                    self.forget(token);
                }
                Event::AcceptFailed { .. } | Event::Woken => {}
            }
        }
        heard.sort_unstable_by_key(|token| token.index());
        heard.dedup();
        for token in &heard {
            self.serve(*token);
        }
        self.node.scripts.heard = heard;
        self.send_replies();
    }

    /// The turn's time stands still, but who speaks is not idle.
    fn note_heard(&mut self, token: Token) {
        let own = &mut *self.turn.session;
        let session = if own.token == token { Some(own) } else { self.node.clients.get_mut(token) };
        if let Some(session) = session {
            session.active_at = wall_clock();
        }
    }

    /// Drops a client whose connection is gone; that of the script itself, too.
    fn forget(&mut self, token: Token) {
        let NodeTurn { turn, node, blocking, .. } = self;
        if turn.session.token == token {
            execute::retire(turn.session, node, blocking, turn.keys);
        } else if let Some(mut session) = node.clients.take_session(token) {
            execute::retire(&mut session, node, blocking, turn.keys);
            node.clients.put_session(session);
        }
        let gone = node.clients.remove(token);
        if let Some(transaction) = gone.and_then(|session| session.transaction) {
            turn.keys.forget_queue(transaction);
        }
    }

    /// Answers the complete requests of a client.
    fn serve(&mut self, token: Token) {
        if self.node.is_master_link(token) {
            return;
        }
        let is_waiting = |session: &Session| session.blocked.is_some() || session.close_after_reply;
        let may_speak = |session: &Session| !is_waiting(session);
        if !self.node.clients.get(token).is_some_and(may_speak)
            || self.node.clients.client(token).is_none_or(|client| client.is_held)
        {
            return;
        }
        let mut bytes = self.node.net.take_input(token);
        let mut done = 0;
        while self.node.clients.get(token).is_some_and(may_speak) {
            let bulk_bytes_max = self.node.limits.proto_max_bulk_len;
            let Some((parser, session)) = self.node.clients.parts(token) else { break };
            let unauthenticated = !session.is_authenticated;
            let limits =
                RequestLimits { bulk_bytes_max, unauthenticated, ..RequestLimits::default() };
            match parser.parse(&mut bytes[done..], &limits) {
                Ok(Progress::Incomplete) => break,
                Ok(Progress::Request { consumed }) => {
                    let spans = parser.args().to_vec();
                    if !spans.is_empty() {
                        let args = Args::new(&bytes[done..done + consumed], &spans);
                        self.answer(token, &args);
                    }
                    done += consumed;
                }
                Err(error) => {
                    self.reply(token, |reply| reply.error(&ErrorReply::from(error)));
                    if let Some(session) = self.node.clients.get_mut(token) {
                        session.close_after_reply = true;
                    }
                }
            }
        }
        self.node.net.put_input(token, bytes, done);
    }

    /// Answers one request: the few commands that are allowed run, others are refused.
    fn answer(&mut self, token: Token, args: &Args<'_>) {
        let Some(session) = self.node.clients.get(token) else { return };
        if session.is_internal {
            return if args.get(1).is_some_and(|order| order.eq_ignore_ascii_case(b"FENCE")) {
                self.reply(token, |reply| reply.error(&NO_FENCE));
            } else {
                self.call(token, Handler::Node(internal::pollux), args);
            };
        }
        let resolved = table::resolve(args);
        let Resolved::Known { spec, handler } = resolved else {
            let error = table::unresolved(&resolved, args).expect("it is not known");
            return self.refuse(token, &error);
        };
        if !session.is_authenticated && !spec.has(Flag::NoAuth) {
            return self.refuse(token, &ErrorReply::new("NOAUTH Authentication required."));
        }
        let is_in_transaction = session.transaction.is_some();
        if is_in_transaction && spec.has(Flag::NoMulti) {
            self.node.counters.reject(spec.id);
            return self.refuse(token, &admit::NOT_IN_TRANSACTION);
        }
        if let Err(denial) = session.check(spec, args) {
            self.node.counters.reject(spec.id);
            let error = execute::deny(self.node, token, spec, args, denial);
            return self.refuse(token, &error);
        }
        if let Some(error) = admit::refuse_subscriber(spec, session) {
            self.node.counters.reject(spec.id);
            return self.refuse(token, &error);
        }
        if spec.has(Flag::AllowBusy) {
            return if is_in_transaction && !is_never_queued(spec.name) {
                self.queue(token, Queued::new(spec, handler, args));
            } else {
                self.call(token, handler, args);
            };
        }
        self.node.counters.reject(spec.id);
        let kind = self.node.scripts.running.as_ref().expect("one runs").kind;
        if spec.name == "exec" {
            self.abort(token, &busy(kind));
        } else {
            self.refuse(token, &busy(kind));
        }
    }

    /// Keeps a command for EXEC, which may come when the script has ended.
    fn queue(&mut self, token: Token, command: Queued) {
        let bytes_max = self.node.limits.client_query_buffer_limit;
        let session = self.node.clients.get_mut(token).expect("it has just spoken");
        let transaction = session.transaction.as_mut().expect("only then it is queued");
        if transaction.take(command, bytes_max) {
            self.reply(token, |reply| reply.simple("QUEUED"));
        } else {
            self.refuse(token, &execute::TRANSACTION_TOO_LARGE);
        }
    }

    /// Runs a command for another client than that of the script.
    fn call(&mut self, token: Token, handler: Handler, args: &Args<'_>) {
        let Some(mut session) = self.node.clients.take_session(token) else { return };
        let mut written = Vec::new();
        let result = {
            let turn = Turn {
                keys: &mut *self.turn.keys,
                reply: ReplyWriter::new(&mut written, session.protocol),
                session: &mut session,
            };
            let (node, blocking) = (&mut *self.node, &mut *self.blocking);
            let mut cx = NodeTurn { turn, node, blocking, later: &mut [] };
            cx.turn.keys.select(cx.turn.session.db);
            match handler {
                Handler::Data(run) => run(&mut cx.turn, args),
                Handler::Node(run) => run(&mut cx, args),
            }
        };
        self.turn.keys.select(self.turn.session.db);
        self.node.clients.put_session(session);
        match result {
            Ok(()) => {
                if let Some(output) = self.node.net.output(token) {
                    output.buffer().extend_from_slice(&written);
                    self.node.touch(token);
                }
            }
            Err(Stop::Error(error)) => self.refuse(token, &error),
            Err(Stop::Block(_)) => unreachable!("what is allowed meanwhile does not wait"),
        }
    }

    fn refuse(&mut self, token: Token, error: &ErrorReply) {
        execute::count_error(self.node, error);
        if let Some(session) = self.node.clients.get_mut(token)
            && let Some(transaction) = &mut session.transaction
        {
            transaction.is_doomed = true;
        }
        self.reply(token, |reply| reply.error(error));
    }

    /// Ends a transaction whose EXEC was refused.
    fn abort(&mut self, token: Token, reason: &ErrorReply) {
        if let Some(session) = self.node.clients.get_mut(token) {
            session.transaction = None;
            self.turn.keys.unwatch(session);
        }
        let text = format!("EXECABORT Transaction discarded because of: {}", reason.0);
        self.refuse(token, &ErrorReply::from(text));
    }

    fn reply(&mut self, token: Token, write: impl FnOnce(&mut ReplyWriter<'_>)) {
        if let Some(mut output) = self.node.output(token) {
            write(&mut output);
        }
    }

    /// Lets the replies leave that wait for nothing; the others wait for the end of the turn, as ever.
    fn send_replies(&mut self) {
        let passed = self.turn.keys.passed_op();
        let touched = std::mem::take(&mut self.node.touched);
        for token in &touched {
            let waits_for =
                self.node.clients.get(*token).map_or(u64::MAX, |session| session.waits_for_op);
            if waits_for <= passed
                && let Some(output) = self.node.net.output(*token)
            {
                output.release();
            }
        }
        self.node.touched = touched;
        self.node.net.flush();
    }
}
