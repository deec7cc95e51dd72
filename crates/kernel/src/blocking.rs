//! Parked clients: a blocking command that found nothing is kept, and run again when one of its keys
//! arrives.
//!
//! ```text
//!   BLPOP k 5 --Stop::Block--> parked: Session::blocked, queue of k, deadline
//!   RPUSH k v --> k is ready --> the longest waiting client runs its command again
//!                                   |- took it: reply, unparked
//!                                   `- nothing left, or the wrong kind: stays, keeps its place
//! ```
//!
//! Invariants
//! - A client is in the queues of exactly the keys of its `Session::blocked`.
//! - A parked client's further input is not looked at.

use std::collections::BTreeSet;

use base::UnixMs;
use net::Token;
use wire::resp::reply::{ErrorReply, ReplyWriter};

use crate::client::{Blocked, Session};
use crate::command::{BlockOn, Queued, TimeoutReply};
use crate::keyspace::Keyspace;

/// Deadlines of parked clients.
#[derive(Debug, Default)]
pub struct Blocking {
    deadlines: BTreeSet<(UnixMs, Token)>,
    parked: BTreeSet<Token>,
}

impl Blocking {
    /// Clients that wait (`blocked_clients`).
    pub fn count(&self) -> usize {
        self.parked.len()
    }

    pub(crate) fn parked(&self) -> impl Iterator<Item = Token> {
        self.parked.iter().copied()
    }

    pub(crate) fn earliest_deadline(&self) -> Option<UnixMs> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Parked clients whose time is up.
    pub(crate) fn overdue(&self, now: UnixMs) -> Vec<Token> {
        let is_overdue = |(deadline, _): &&(UnixMs, Token)| *deadline <= now;
        self.deadlines.iter().take_while(is_overdue).map(|(_, client)| *client).collect()
    }

    pub(crate) fn park(
        &mut self,
        keys: &mut Keyspace,
        session: &mut Session,
        on: BlockOn,
        command: Queued,
    ) {
        for key in &on.keys {
            keys.interest.wait_for(session.db, key, session.token);
        }
        if let Some(deadline) = on.deadline {
            self.deadlines.insert((deadline, session.token));
        }
        self.parked.insert(session.token);
        session.blocked = Some(Blocked { on, command });
    }

    /// The client waits no more; the caller answers it.
    pub(crate) fn unpark(&mut self, keys: &mut Keyspace, session: &mut Session) -> Option<Blocked> {
        let blocked = session.blocked.take()?;
        for key in &blocked.on.keys {
            keys.interest.leave(session.db, key, session.token);
        }
        if let Some(deadline) = blocked.on.deadline {
            self.deadlines.remove(&(deadline, session.token));
        }
        self.parked.remove(&session.token);
        Some(blocked)
    }
}

/// The reply of a blocking command that is not served: `error`, or that of its timeout.
pub(crate) fn reply_unserved(
    reply: &mut ReplyWriter<'_>,
    on: &BlockOn,
    error: Option<&ErrorReply>,
) {
    match (error, on.on_timeout) {
        (Some(error), _) => reply.error(error),
        (None, TimeoutReply::Ok) => reply.ok(),
        (None, TimeoutReply::NullArray | TimeoutReply::NullArrayAfterWait) => reply.null_array(),
    }
}
