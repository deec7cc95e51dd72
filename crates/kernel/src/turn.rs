//! The turn: one pass of the executor over everything that is ready.
//!
//! ```text
//!   accept -> read -> parse -> execute -> commit -> reply -> housekeep
//! ```
//!
//! Invariants
//! - Commands of one connection run, and are answered, in the order in which they came.
//! - A reply leaves after the barrier of the newest op that its client has written.
//! - Nothing in a turn waits, except `accept` for something to do.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base::{Tick, UnixMs};
use net::{CloseReason, Event, Token, Wake};
use rustix::time::{ClockId, clock_gettime};
use tracing::{debug, warn};
use wire::resp::reply::{ErrorReply, ReplyWriter};
use wire::resp::request::RequestLimits;

use crate::batch::{Batch, Input, Rest};
use crate::blocking::Blocking;
use crate::client::Session;
use crate::execute::{After, Stage};
use crate::expiry::ExpiryCycle;
use crate::housekeep::Housekeeper;
use crate::keyspace::Keyspace;
use crate::limits::MASTER_BULK_BYTES_MAX;
use crate::node::Node;
use crate::persist::checkpoint::Checkpointer;
use crate::tracking::Current;

/// Wait for the log's writer when it has fallen behind: new commands would only grow its queue.
const LOG_PATIENCE: Duration = Duration::from_millis(2);

/// Turns, and bytes of their effects, that may pass before the writer of the log hears of them while clients
/// have more to do: a wake costs as much as a command.
const TURNS_OPEN_MAX: u32 = 8;
const OPEN_BYTES_MAX: usize = 16 << 10;

/// Bytes of replies to one client per turn: who asks for large values by the thousand must not make the others wait.
const OUTPUT_PER_TURN: usize = 16 << 20;

/// Output (bytes) up to which no limit is asked for before the end of the turn.
const OUTPUT_BOUND_MIN: usize = 16 << 10;

/// Tables being resized are looked after every so many turns: a look goes over 64 of them.
const TURNS_PER_STEP: u64 = 16;

/// How much further than it has come an unfinished request may grow before it is looked at again (bytes).
const PARTIAL_BYTES_MORE: usize = 1 << 20;

/// Between two looks at the disk for clients that wait for it (WAITAOF).
const DISK_PATIENCE: Duration = Duration::from_millis(10);

/// The surroundings of one command. The fields are apart so that a value can be borrowed from
/// `keys` while it is written to `reply`.
#[derive(Debug)]
pub struct Turn<'a> {
    pub keys: &'a mut Keyspace,
    pub reply: ReplyWriter<'a>,
    pub session: &'a mut Session,
}

/// The thread that owns the data, and its queues.
#[derive(Debug)]
pub struct Executor {
    pub node: Node,
    pub keys: Keyspace,
    pub(crate) blocking: Blocking,
    pub(crate) housekeeper: Housekeeper,
    pub(crate) expiry: ExpiryCycle,
    pub(crate) checkpointer: Checkpointer,
    events: Vec<Event>,
    /// Clients with input to parse, in order of arrival.
    ready: Vec<Token>,
    /// Clients whose next command waits for the end of a hold.
    held: Vec<Token>,
    batch: Batch,
    scratch: Vec<u8>,
    /// Turns in a row that have left their effects in the open batch of the log.
    turns_open: u32,
}

impl Executor {
    pub fn new(node: Node, keys: Keyspace) -> Executor {
        let checkpointer = Checkpointer::new(Arc::clone(&node.desk));
        Executor {
            node,
            keys,
            blocking: Blocking::default(),
            housekeeper: Housekeeper::default(),
            expiry: ExpiryCycle::default(),
            checkpointer,
            events: Vec::new(),
            ready: Vec::new(),
            held: Vec::new(),
            batch: Batch::default(),
            scratch: Vec::new(),
            turns_open: 0,
        }
    }

    /// Ends a wait of the executor from another thread.
    pub fn wake_handle(&self) -> Wake {
        self.node.net.wake_handle()
    }

    /// One turn; waits at its beginning when there is nothing to do.
    pub fn turn(&mut self) -> io::Result<()> {
        let patience = self.patience();
        self.pass(patience)
    }

    /// One turn that does not wait: the caller has work of its own.
    pub fn turn_at_once(&mut self) -> io::Result<()> {
        self.pass(Duration::ZERO)
    }

    fn pass(&mut self, patience: Duration) -> io::Result<()> {
        self.accept(patience)?;
        self.read();
        self.parse();
        self.execute();
        self.commit();
        self.reply();
        self.housekeep();
        if self.has_more_to_say() {
            // What is told of evicted keys must not wait in memory, where it would evict more of them.
            self.reply();
        }
        self.serve_replicas();
        Ok(())
    }

    /// Whether the end of the turn, behind its replies, has left something that others are to hear.
    fn has_more_to_say(&self) -> bool {
        !self.node.touched.is_empty() || self.node.tracking.has_broadcasts()
    }

    /// How long the turn may wait for something to do.
    fn patience(&self) -> Duration {
        let is_cleaning_up = self.expiry.is_running()
            || self.node.eviction.is_unfinished
            || self.node.sink.as_ref().is_some_and(|sink| sink.is_busy(monotonic_clock()));
        if self.keys.is_log_behind() {
            LOG_PATIENCE
        } else if is_cleaning_up || !self.ready.is_empty() || self.has_more_to_say() {
            Duration::ZERO
        } else {
            let beat = self.housekeeper.time_to_next(&self.node, &self.blocking, wall_clock());
            let replication = self.node.replication.as_ref();
            let role = replication.map_or(Duration::MAX, |role| role.patience(monotonic_clock()));
            let disks =
                if self.blocking.quorums().is_empty() { Duration::MAX } else { DISK_PATIENCE };
            beat.min(self.checkpointer.patience()).min(role).min(disks)
        }
    }

    /// Waits for sockets, wakes and deadlines; then the turn's time stands still.
    fn accept(&mut self, patience: Duration) -> io::Result<()> {
        self.wait(patience)?;
        self.node.now = wall_clock();
        let is_still = self.node.is_still(monotonic_clock());
        self.keys.begin_turn(self.node.now, is_still);
        self.node.counters.turns += 1;
        Ok(())
    }

    /// Waits, but not before the log's writer has everything and the executor will be woken for the
    /// replies that it holds back. What clients have ready comes before that: their effects join the batch,
    /// and the writer, who may live on the same core, is woken once for all of them.
    fn wait(&mut self, patience: Duration) -> io::Result<()> {
        let is_owing = self.keys.has_open_batch() || self.node.barrier.oldest_op().is_some();
        if is_owing && !patience.is_zero() {
            self.node.net.wait(Some(Duration::ZERO), &mut self.events)?;
            if self.events.iter().any(is_of_client) {
                return Ok(());
            }
            self.hand_over();
            if let Some(op) = self.node.barrier.oldest_op() {
                if self.keys.wake_when_passed(op) {
                    self.node.net.wait(Some(patience), &mut self.events)?;
                    self.keys.cancel_wake();
                }
                return Ok(());
            }
        }
        self.node.net.wait(Some(patience), &mut self.events)
    }

    /// Sorts what has happened: new clients, clients with input, clients that are gone.
    fn read(&mut self) {
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            match event {
                Event::Accepted { token, peer, listener } => {
                    self.node.welcome(token, peer, listener);
                }
                Event::AcceptFailed { error, .. } => warn!(%error, "cannot accept connections"),
                Event::Received { token, count } => {
                    self.node.counters.bytes_in += count as u64;
                    self.node.counters.reads_processed += 1;
                    let now = self.node.now;
                    if let Some(session) = self.node.clients.get_mut(token) {
                        session.active_at = now;
                        self.ready.push(token);
                        self.measure(token);
                    }
                }
                Event::Closed { token, reason } => {
                    if let CloseReason::Failed(error) = &reason {
                        debug!(%error, "connection failed");
                    }
                    self.stage(|stage| stage.forget(token));
                }
                Event::Woken => {}
            }
        }
        self.events = events;
        self.bound_measured();
    }

    /// Parses the complete commands of the clients that have input, as many as one turn takes.
    fn parse(&mut self) {
        self.batch.clear();
        if self.keys.is_log_behind() {
            return;
        }
        let mut taken = 0;
        while taken < self.ready.len() && self.batch.has_room() {
            let token = self.ready[taken];
            taken += 1;
            let bulk_bytes_max = self.node.limits.proto_max_bulk_len;
            if self.node.clients.client(token).is_none_or(|client| client.is_held) {
                continue;
            }
            let Some((parser, session)) = self.node.clients.parts(token) else { continue };
            if session.blocked.is_some() || session.close_after_reply {
                continue;
            }
            let limits = RequestLimits {
                bulk_bytes_max: if session.is_master {
                    MASTER_BULK_BYTES_MAX
                } else {
                    bulk_bytes_max
                },
                unauthenticated: !session.is_authenticated,
                ..RequestLimits::default()
            };
            let bytes = self.node.net.take_input(token);
            if bytes.is_empty() {
                continue;
            }
            self.batch.add(token, session.db, bytes, parser, &limits);
        }
        self.ready.drain(..taken);
    }

    /// Runs the batch, client by client.
    fn execute(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        self.node.tick = monotonic_clock();
        for at in 0..batch.inputs.len() {
            // Whose announcement was too much is gone before the next client looks.
            self.bound_measured();
            let token = batch.inputs[at].token;
            self.node.touch(token);
            let after = match self.keys.is_abandoned() {
                true => After::Stop,
                false => self.execute_input(&mut batch, at),
            };
            let input = &mut batch.inputs[at];
            if after == After::Next {
                input.consumed = input.parsed;
            }
            let rest = input.rest;
            let (bytes, consumed) = (std::mem::take(&mut input.bytes), input.consumed);
            // Not only when the replies of the turn leave: who asks later in this turn shall not meet it any more.
            if self.node.net.output_pending(token) > OUTPUT_BOUND_MIN {
                self.bound_output(token);
                self.measure(token);
            }
            if self.node.is_master_link(token) {
                self.relay(token, &bytes[..consumed]);
            }
            self.node.net.put_input(token, bytes, consumed);
            match after {
                After::Next => self.end_input(token, rest),
                After::Stop => self.restart_parser(token),
                After::Yield => {
                    self.restart_parser(token);
                    self.ready.push(token);
                }
                After::Held => {
                    self.restart_parser(token);
                    if let Some(client) = self.node.clients.client(token) {
                        client.is_held = true;
                        self.held.push(token);
                    }
                }
            }
        }
        self.batch = batch;
        // Who was served while a script ran may have sent more.
        self.ready.append(&mut self.node.scripts.heard);
    }

    fn execute_input(&mut self, batch: &mut Batch, at: usize) -> After {
        let token = batch.inputs[at].token;
        let pending = self.node.net.output_pending(token);
        let mut after = After::Next;
        for index in batch.inputs[at].requests.clone() {
            batch.prefetch(index, &self.keys);
            let (resolved, args, end, later) = batch.request(index);
            after = self.stage_before(later, |stage| stage.perform(token, resolved, &args));
            if after != After::Held {
                batch.inputs[at].consumed = end;
            }
            if after != After::Next || self.keys.is_abandoned() {
                break;
            }
            if self.node.net.output_pending(token) > pending + OUTPUT_PER_TURN {
                return After::Yield;
            }
        }
        after
    }

    /// Everything that was complete has run; what stands behind it?
    fn end_input(&mut self, token: Token, rest: Rest) {
        match rest {
            Rest::More => self.ready.push(token),
            Rest::Partial(length) => {
                let is_master = self.node.clients.get(token).is_some_and(|client| client.is_master);
                if length > self.node.limits.client_query_buffer_limit && !is_master {
                    warn!(length, "client closed: its request exceeds client-query-buffer-limit");
                    self.node.counters.query_limit_closed += 1;
                    self.node.net.close(token);
                    self.stage(|stage| stage.forget(token));
                } else if length > 0 {
                    let expected =
                        self.node.clients.parts(token).map_or(0, |(parser, _)| parser.expected());
                    self.node.net.allow_input(token, length + PARTIAL_BYTES_MORE, expected);
                    self.measure(token);
                }
            }
            Rest::Broken(error) => {
                let error = ErrorReply::from(error);
                self.stage(|stage| stage.answer(token, |reply| reply.error(&error)));
                if let Some(session) = self.node.clients.get_mut(token) {
                    session.close_after_reply = true;
                }
            }
        }
    }

    /// The client has input that did not come from its socket in this turn.
    pub(crate) fn hear(&mut self, token: Token) {
        self.ready.push(token);
    }

    /// The bytes behind the last executed command will be parsed again from its end.
    fn restart_parser(&mut self, token: Token) {
        if let Some((parser, _)) = self.node.clients.parts(token) {
            parser.reset();
        }
    }

    /// Hands the effects to the log, unless they are few and more may follow at once: see
    /// [`Executor::wait`].
    fn commit(&mut self) {
        self.turns_open += 1;
        if self.turns_open >= TURNS_OPEN_MAX || self.keys.open_bytes() >= OPEN_BYTES_MAX {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        self.keys.commit();
        self.turns_open = 0;
    }

    /// Lets replies leave whose barrier has passed, and sends them.
    fn reply(&mut self) {
        self.silence_if_run_out();
        if self.node.tracking.has_broadcasts() {
            self.node.broadcast();
        }
        let passed = self.keys.passed_op();
        let mut touched = std::mem::take(&mut self.node.touched);
        for token in touched.drain(..) {
            self.release(token, passed);
            self.measure(token);
        }
        self.node.touched = touched;
        self.bound_measured();
        let net = &mut self.node.net;
        self.node.barrier.pass(passed, |token, end| {
            if let Some(output) = net.output(token) {
                output.release_to(end);
            }
        });
        self.node.net.flush();
        for buffer in self.node.net.take_spent() {
            self.keys.store().graveyard().discard_vec(buffer);
        }
        let sent = self.node.net.take_sent();
        self.node.counters.bytes_out += sent.bytes;
        self.node.counters.writes_processed += sent.writes;
        self.settle_eviction(passed);
    }

    fn release(&mut self, token: Token, passed: u64) {
        let Some(client) = self.node.clients.client(token) else { return };
        client.is_touched = false;
        let Some(session) = self.node.clients.get(token) else { return };
        let (waits_for, is_closing) = (session.waits_for_op, session.close_after_reply);
        if let Some(output) = self.node.net.output(token) {
            if waits_for > passed {
                self.node.barrier.hold(waits_for, token, output.end());
            } else {
                output.release();
            }
        }
        if is_closing {
            self.node.net.close_after_flush(token);
            self.stage(|stage| stage.retire(token));
        }
        self.bound_output(token);
    }

    /// Periodic work, deadlines, and the ends of holds.
    fn housekeep(&mut self) {
        let now = self.node.now;
        for token in self.blocking.overdue(now) {
            self.stage(|stage| stage.end_wait(token, None));
        }
        if !self.node.holds.is_empty() {
            self.node.holds.expire(now, monotonic_clock());
        }
        if self.node.holds.is_empty() {
            for token in self.held.drain(..) {
                if let Some(client) = self.node.clients.client(token) {
                    client.is_held = false;
                    self.ready.push(token);
                }
            }
        }
        if self.node.counters.turns.is_multiple_of(TURNS_PER_STEP) {
            self.keys.housekeep();
        }
        self.checkpointer.poll(&mut self.node, &mut self.keys);
        if !self.node.requests.is_empty() {
            self.stage(|stage| stage.carry_out_requests());
        }
        self.replicate();
        self.answer_waiting();
        if !self.node.is_cron_paused && self.housekeeper.is_due(&self.node, now) {
            self.batch.trim();
            self.relax_after_eviction();
            self.look_after_clients();
            self.bound_clients();
            self.node.bound_tracking(self.keys.rng());
            self.begin_expiry_cycle();
            self.node.counters.sample(monotonic_clock(), store::memory::used_bytes());
        }
        self.expire();
        self.stage(|stage| {
            stage.make_room();
            // The master's effects, or a key that went without a command, concern clients that wait.
            stage.serve_ready();
            stage.tell_news(Current::nobody());
        });
    }

    pub(crate) fn stage<R>(&mut self, act: impl FnOnce(&mut Stage<'_>) -> R) -> R {
        self.stage_before(&mut [], act)
    }

    /// What is done before the inputs `later` of the batch have had their turn.
    fn stage_before<R>(&mut self, later: &mut [Input], act: impl FnOnce(&mut Stage<'_>) -> R) -> R {
        act(&mut Stage {
            later,
            node: &mut self.node,
            keys: &mut self.keys,
            blocking: &mut self.blocking,
            scratch: &mut self.scratch,
            resumed: &mut self.ready,
        })
    }
}

/// Whether something came from a client: it may bring more for the open batch.
fn is_of_client(event: &Event) -> bool {
    match event {
        Event::Accepted { .. } | Event::Received { .. } | Event::Closed { .. } => true,
        Event::AcceptFailed { .. } | Event::Woken => false,
    }
}

/// Milliseconds since 1970, as the system's clock has it.
pub(crate) fn wall_clock() -> UnixMs {
    let now = clock_gettime(ClockId::Realtime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    UnixMs(seconds * 1000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000)
}

/// The same in microseconds, for what people read.
pub(crate) fn wall_clock_micros() -> u64 {
    let now = clock_gettime(ClockId::Realtime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1000
}

/// Time since the machine started.
#[inline]
pub(crate) fn monotonic_clock() -> Tick {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Tick(seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests;
