//! Housekeeping: what must happen although no client asks for it, in slices.

use std::time::Duration;

use base::UnixMs;
use net::Token;
use tracing::warn;

use crate::blocking::Blocking;
use crate::client::Session;
use crate::client_list;
use crate::limits::OutputLimit;
use crate::node::Node;
use crate::turn::{Executor, monotonic_clock};

/// Buffers of a client that was silent for this long (ms) are given back.
const TRIM_AFTER_MS: u64 = 2000;
/// Who says nothing at the node address for this long (ms) has no business there.
const STRANGER_MS_MAX: u64 = 5000;
/// Who has asked to be closed, and takes none of its last replies for this long (ms), does not hear the rest.
const LEAVING_MS_MAX: u64 = 60_000;
/// Clients looked at per beat, at least; all of them are seen once a second.
const CLIENTS_PER_BEAT_MIN: usize = 64;

/// When periodic work is due.
#[derive(Debug, Default)]
pub(crate) struct Housekeeper {
    next_beat: UnixMs,
    /// Place of the client that is looked at next.
    next_place: usize,
}

impl Housekeeper {
    /// Whether a beat is due; beats come `hz` times a second.
    pub(crate) fn is_due(&mut self, node: &Node, now: UnixMs) -> bool {
        if now < self.next_beat && self.next_beat.0 - now.0 <= 1000 {
            return false;
        }
        self.next_beat = now.plus_ms(1000 / u64::from(node.limits.hz.max(1)));
        true
    }

    /// How long the executor may wait when no socket has anything.
    pub(crate) fn time_to_next(&self, node: &Node, blocking: &Blocking, now: UnixMs) -> Duration {
        let pause_end = node.holds.pause.map(|pause| pause.until);
        let deadlines = blocking.earliest_deadline().into_iter().chain(pause_end);
        let earliest = deadlines.fold(self.next_beat, UnixMs::min);
        // A clock that was set back must not stop the beat.
        let time = Duration::from_millis(earliest.0.saturating_sub(now.0).min(1000));
        let fence_end = node.holds.fence_until.map(|until| until.since(monotonic_clock()));
        fence_end.map_or(time, |left| left.min(time))
    }
}

impl Executor {
    /// The beat's share of the clients: closes idle ones, gives memory of silent ones back.
    pub(crate) fn look_after_clients(&mut self) {
        let places = self.node.clients.places();
        let hz = usize::try_from(self.node.limits.hz.max(1)).expect("hz is small");
        for _ in 0..(places / hz).max(CLIENTS_PER_BEAT_MIN).min(places) {
            if self.housekeeper.next_place >= places {
                self.housekeeper.next_place = 0;
            }
            let place = self.housekeeper.next_place;
            self.housekeeper.next_place += 1;
            let Some(session) = self.node.clients.at(place) else { continue };
            let token = session.token;
            let silent_ms = self.node.now.0.saturating_sub(session.active_at.0);
            if is_idle(session, silent_ms, self.node.limits.timeout) || self.is_stuck(token) {
                self.node.net.close(token);
                self.stage(|stage| stage.forget(token));
            } else if silent_ms >= TRIM_AFTER_MS {
                self.node.net.trim(token);
            }
            self.bound_output(token);
        }
    }

    /// Whether a client that is leaving takes its last replies no more.
    fn is_stuck(&mut self, token: Token) -> bool {
        let now = self.node.now;
        let is_leaving =
            self.node.clients.get(token).is_some_and(|session| session.close_after_reply);
        let pending = self.node.net.output_pending(token);
        let Some(client) = self.node.clients.client(token).filter(|_| is_leaving) else {
            return false;
        };
        let (left, since) = *client.leaving.get_or_insert((pending, now));
        if pending != left {
            client.leaving = Some((pending, now));
            return false;
        }
        now.0.saturating_sub(since.0) > LEAVING_MS_MAX
    }

    /// Notes what a client uses now, when `maxmemory-clients` wants to know.
    pub(crate) fn measure(&mut self, token: Token) {
        if self.node.config.settings().maxmemory_clients == 0 {
            return;
        }
        let Some(session) = self.node.clients.get(token) else { return };
        let bytes = client_list::memory_bytes(session, &self.node.net) as u64;
        self.node.clients.note_bytes(token, bytes);
    }

    /// Closes clients if those that have been measured exceed `maxmemory-clients`.
    pub(crate) fn bound_measured(&mut self) {
        let bound = self.node.config.settings().maxmemory_clients;
        let is_due = self.node.clients.is_measure_due();
        if bound > 0 && (is_due || self.node.clients.noted_bytes() > bound) {
            self.bound_clients();
        }
    }

    /// `maxmemory-clients`: closes the clients that use most, until the others fit.
    pub(crate) fn bound_clients(&mut self) {
        let bound = self.node.config.settings().maxmemory_clients;
        if bound == 0 {
            return;
        }
        let net = &self.node.net;
        let measured: Vec<(u64, Token, bool)> = (self.node.clients.iter())
            .map(|session| {
                let bytes = client_list::memory_bytes(session, net) as u64;
                let may_go = !(session.no_evict
                    || session.is_internal
                    || session.is_replica()
                    || session.is_master
                    || session.is_monitor);
                (bytes, session.token, may_go)
            })
            .collect();
        for (bytes, token, _) in &measured {
            self.node.clients.note_bytes(*token, *bytes);
        }
        let mut largest: Vec<(u64, Token)> =
            measured.into_iter().filter(|(.., may_go)| *may_go).map(|(b, t, _)| (b, t)).collect();
        largest.sort_unstable();
        while self.node.clients.noted_bytes() > bound
            && let Some((bytes, token)) = largest.pop()
        {
            warn!(bytes, "client closed: all clients together exceed maxmemory-clients");
            self.node.counters.evicted_clients += 1;
            self.node.net.close(token);
            self.stage(|stage| stage.forget(token));
        }
        let beyond = self.node.clients.noted_bytes().saturating_sub(bound);
        self.node.eviction.clients_that_stay = beyond;
    }

    /// Closes a client that does not take its replies fast enough.
    pub(crate) fn bound_output(&mut self, token: Token) {
        let mut pending = self.node.net.output_pending(token) as u64;
        let now = self.node.now;
        let Some(session) = self.node.clients.get(token) else { return };
        let limit = if session.is_internal {
            OutputLimit::NONE
        } else if let Some(replica) = session.downstream.as_deref().filter(|d| d.is_replica()) {
            // What waits in the backlog waits for this client. What would be kept without it costs nothing.
            pending += self.keys.stream().offset().saturating_sub(replica.sent);
            self.node.limits.output_replica.at_least(self.node.config.settings().repl_backlog_size)
        } else if session.is_authenticated {
            let is_subscribed = session.is_subscribed();
            let unsent = self.node.net.output_pending(token);
            pending = client_list::counted_output(unsent, is_subscribed);
            self.node.limits.output(is_subscribed)
        } else {
            OutputLimit::STRANGER
        };
        let id = session.id;
        let Some(client) = self.node.clients.client(token) else { return };
        let is_over = |bound: u64| bound > 0 && pending > bound;
        if !is_over(limit.soft_bytes) {
            client.over_soft_limit_since = None;
        }
        let is_over_for = if is_over(limit.soft_bytes) {
            let since = *client.over_soft_limit_since.get_or_insert(now);
            Duration::from_millis(now.0.saturating_sub(since.0))
        } else {
            Duration::ZERO
        };
        let is_soft_over = is_over(limit.soft_bytes) && is_over_for > limit.soft_for;
        if is_over(limit.hard_bytes) || is_soft_over {
            warn!(client = id.0, pending, "client closed: it does not read its replies");
            self.node.counters.output_limit_closed += 1;
            self.node.net.close(token);
            self.stage(|stage| stage.forget(token));
        }
    }
}

/// `timeout` closes clients that neither wait for something nor belong to the cluster.
fn is_idle(session: &Session, silent_ms: u64, timeout: Duration) -> bool {
    if session.is_internal {
        return session.introduced.is_none() && silent_ms > STRANGER_MS_MAX;
    }
    let may_be_silent = session.blocked.is_some()
        || session.is_subscribed()
        || session.is_replica()
        || session.is_master
        || session.is_monitor;
    !timeout.is_zero() && !may_be_silent && u128::from(silent_ms) > timeout.as_millis()
}
