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
use crate::command::replication::{Quorum, Reached};
use crate::command::{BlockOn, Queued, TimeoutReply};
use crate::keyspace::Keyspace;
use crate::node::Node;

/// Deadlines of parked clients.
#[derive(Debug, Default)]
pub struct Blocking {
    deadlines: BTreeSet<(UnixMs, Token)>,
    /// Clients parked so far: numbers say who has waited longest.
    last_number: u64,
    parked: BTreeSet<Token>,
    /// Those among them that wait for replicas or disks (WAIT, WAITAOF).
    quorums: BTreeSet<Token>,
}

impl Blocking {
    /// Clients that wait (`blocked_clients`).
    pub fn count(&self) -> usize {
        self.parked.len()
    }

    pub(crate) fn parked(&self) -> impl Iterator<Item = Token> {
        self.parked.iter().copied()
    }

    /// Clients that wait until enough nodes have what they wrote.
    pub(crate) fn quorums(&self) -> &BTreeSet<Token> {
        &self.quorums
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
        self.last_number += 1;
        let number = self.last_number;
        for key in &on.keys {
            keys.interest.wait_for(session.db, key, (number, session.token));
        }
        if let Some(deadline) = on.deadline {
            self.deadlines.insert((deadline, session.token));
        }
        self.parked.insert(session.token);
        if matches!(on.on_timeout, TimeoutReply::Reached(_)) {
            self.quorums.insert(session.token);
        }
        session.blocked = Some(Blocked { on, number, command });
    }

    /// The client waits no more; the caller answers it.
    pub(crate) fn unpark(&mut self, keys: &mut Keyspace, session: &mut Session) -> Option<Blocked> {
        let blocked = session.blocked.take()?;
        for key in &blocked.on.keys {
            keys.interest.leave(session.db, key, (blocked.number, session.token));
        }
        if let Some(deadline) = blocked.on.deadline {
            self.deadlines.remove(&(deadline, session.token));
        }
        self.parked.remove(&session.token);
        self.quorums.remove(&session.token);
        Some(blocked)
    }
}

/// What a blocking command replies that is not served.
#[derive(Clone, Debug)]
pub(crate) enum Unserved {
    Error(ErrorReply),
    Ok,
    NullArray,
    Reached(Quorum, Reached),
}

impl Unserved {
    /// The reply when the time of `on` is up.
    pub(crate) fn timeout(on: &BlockOn, node: &Node, keys: &Keyspace) -> Unserved {
        match on.on_timeout {
            TimeoutReply::Ok => Unserved::Ok,
            TimeoutReply::Busy => {
                Unserved::Error(ErrorReply::new("ERR a snapshot is being written, try again later"))
            }
            TimeoutReply::NullArray | TimeoutReply::NullArrayAfterWait => Unserved::NullArray,
            TimeoutReply::Reached(quorum) => Unserved::Reached(quorum, quorum.reached(node, keys)),
        }
    }

    pub(crate) fn write(&self, reply: &mut ReplyWriter<'_>) {
        match self {
            Unserved::Error(error) => reply.error(error),
            Unserved::Ok => reply.ok(),
            Unserved::NullArray => reply.null_array(),
            Unserved::Reached(quorum, reached) => quorum.reply(reply, *reached),
        }
    }
}
