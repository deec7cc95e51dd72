//! The end of a node that others follow by the protocol of Redis: their replicas shall have everything first.
//!
//! ```text
//!   SHUTDOWN, a signal --all are in sync, or NOW------------------------> the executor ends
//!            `-- some lag --> writes wait --caught up, shutdown-timeout-----^
//!                                `-- SHUTDOWN ABORT --> as before
//! ```
//!
//! Invariants
//! - While the node waits nothing new is written, so its replicas can catch up.
//! - The log is complete in any case: what is at stake is only what the replicas have.

use base::Tick;
use net::Token;
use wire::resp::reply::ErrorReply;

use crate::client::Session;
use crate::keyspace::Keyspace;
use crate::node::{Node, Shutdown};
use crate::turn::{Executor, monotonic_clock};

pub(crate) const GIVEN_UP: ErrorReply =
    ErrorReply::new("ERR Errors trying to SHUTDOWN. Check logs.");

/// A node that waits for its replicas before it ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Departure {
    until: Tick,
}

impl Departure {
    /// Milliseconds that the node waits at most from now on.
    pub(crate) fn left_ms(self) -> u64 {
        self.until.ms_since(monotonic_clock())
    }
}

impl Node {
    /// Ends the node, at once or when its replicas have caught up. Whether the caller has to wait.
    pub(crate) fn depart(&mut self, keys: &mut Keyspace, is_now: bool) -> bool {
        if self.departure.is_some() && !is_now {
            return true;
        }
        let timeout_ms = u64::from(self.config.settings().process.shutdown_timeout_seconds) * 1000;
        if is_now || timeout_ms == 0 || keys.is_replica() || self.are_replicas_in_sync(keys) {
            self.shutdown = Some(Shutdown::Clean);
            return false;
        }
        tracing::info!("Waiting for replicas before shutting down.");
        self.departure = Some(Departure { until: monotonic_clock().plus_ms(timeout_ms) });
        self.holds.is_departing = true;
        self.source.wants_acks = true;
        true
    }

    /// SHUTDOWN ABORT. `false`: there is nothing to abort.
    pub(crate) fn stay(&mut self) -> bool {
        let was_signalled = self.stopper.as_ref().is_some_and(|stopper| stopper.take_back());
        if self.departure.take().is_none() && !was_signalled {
            return false;
        }
        tracing::info!("Shutdown manually aborted.");
        self.holds.is_departing = false;
        let is_waiting = |session: &&Session| {
            session.blocked.as_ref().is_some_and(|parked| parked.command.spec.name == "shutdown")
        };
        let waiting: Vec<Token> =
            self.clients.iter().filter(is_waiting).map(|session| session.token).collect();
        for token in waiting {
            self.unblock(token, Some(GIVEN_UP));
        }
        true
    }

    /// Says which replicas are left behind.
    pub(crate) fn take_leave(&self, keys: &Keyspace) {
        let offset = keys.stream().offset();
        let (mut online, mut in_sync) = (0, 0);
        for (peer, replica) in self.online_replicas() {
            online += 1;
            if replica.acked >= offset {
                in_sync += 1;
                continue;
            }
            let lag_seconds = self.now.0.saturating_sub(replica.acked_at.0) / 1000;
            tracing::warn!(
                "Lagging replica {peer} reported offset {} behind master, lag={lag_seconds}, state=online.",
                offset - replica.acked
            );
        }
        if online > 0 {
            tracing::info!("{in_sync} of {online} replicas are in sync when shutting down.");
        }
    }

    fn are_replicas_in_sync(&self, keys: &Keyspace) -> bool {
        let offset = keys.stream().offset();
        self.online_replicas().all(|(_, replica)| replica.acked >= offset)
    }
}

impl Executor {
    /// The share of a turn that belongs to a node that is to end.
    pub(crate) fn look_after_departure(&mut self) {
        let node = &mut self.node;
        let is_signalled = !node.is_cron_paused
            && node.stopper.as_ref().is_some_and(|stopper| stopper.is_wanted());
        if node.departure.is_none() && node.shutdown.is_none() && is_signalled {
            let is_now = node.config.settings().process.stops_at_once;
            node.depart(&mut self.keys, is_now);
        }
        let Some(departure) = node.departure else { return };
        if departure.left_ms() == 0 || node.are_replicas_in_sync(&self.keys) {
            node.shutdown = Some(Shutdown::Clean);
        }
    }
}
