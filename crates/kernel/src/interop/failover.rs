//! FAILOVER: the master of Redis replicas hands its role to one of them, and follows it.
//!
//! ```text
//!   FAILOVER --> Waiting --a replica has everything--> Handing over --it continues our history--> its replica
//!                  |  `- timeout, FORCE ------------------^   |
//!                  `- timeout, ABORT --> master again <-------'- it refuses, ABORT
//! ```
//!
//! Invariants
//! - From the command to the end nothing is written, so what one replica has is everything.
//! - The node is a replica from the moment at which it asks the other to be master: never are there two masters.

use base::Tick;
use wire::resp::reply::ErrorReply;

use super::source::Downstream;
use crate::keyspace::Keyspace;
use crate::node::Node;
use crate::turn::{Executor, monotonic_clock};

/// Where a replica serves its clients.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// What FAILOVER asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    /// `None`: the first replica that has everything.
    pub(crate) target: Option<Target>,
    pub(crate) timeout_ms: Option<u64>,
    /// At the end of the timeout the target becomes master though it lacks something.
    pub(crate) is_forced: bool,
}

/// A failover under way.
#[derive(Clone, Debug)]
pub(crate) struct Failover {
    order: Order,
    deadline: Option<Tick>,
    is_handing_over: bool,
}

impl Failover {
    /// `master_failover_state` of INFO.
    pub(crate) fn state(&self) -> &'static str {
        if self.is_handing_over { "failover-in-progress" } else { "waiting-for-sync" }
    }
}

const NOT_A_REPLICA: ErrorReply =
    ErrorReply::new("ERR FAILOVER target HOST and PORT is not a replica.");

impl Node {
    /// FAILOVER, when its words are in order.
    pub(crate) fn begin_failover(&mut self, order: Order) -> Result<(), ErrorReply> {
        if self.source.is_empty() {
            return Err(ErrorReply::new("ERR FAILOVER requires connected replicas."));
        }
        if order.is_forced && (order.timeout_ms.is_none() || order.target.is_none()) {
            return Err(ErrorReply::new(
                "ERR FAILOVER with force option requires both a timeout and target HOST and IP to be specified.",
            ));
        }
        if let Some(target) = &order.target {
            if !self.replicas().any(|(at, _)| at == *target) {
                return Err(NOT_A_REPLICA);
            }
            let is_online =
                |(at, replica): (Target, &Downstream)| at == *target && replica.is_online();
            if !self.replicas().any(is_online) {
                return Err(ErrorReply::new("ERR FAILOVER target replica is not online."));
            }
            tracing::info!("FAILOVER requested to {}:{}.", target.host, target.port);
        } else {
            tracing::info!("FAILOVER requested.");
        }
        let deadline = order.timeout_ms.map(|ms| monotonic_clock().plus_ms(ms));
        self.failover = Some(Failover { order, deadline, is_handing_over: false });
        self.holds.is_failing_over = true;
        self.source.wants_acks = true;
        Ok(())
    }

    /// Where each replica serves its clients, and what it has said.
    fn replicas(&self) -> impl Iterator<Item = (Target, &Downstream)> {
        self.source.tokens().filter_map(|token| {
            let session = self.clients.get(token)?;
            let replica = session.downstream.as_deref()?;
            let host = match replica.announced_ip.as_str() {
                "" => session.peer.ip()?.ip().to_string(),
                announced => announced.to_owned(),
            };
            Some((Target { host, port: replica.listening_port }, replica))
        })
    }

    /// The order is given up, or was obeyed: writes go on, as far as the role allows.
    fn end_failover(&mut self) {
        self.failover = None;
        self.holds.is_failing_over = false;
    }

    /// The node remains the master, or is it again. `false`: there is nothing to abort.
    pub(crate) fn abort_failover(&mut self, keys: &mut Keyspace, why: &str) -> bool {
        let Some(failover) = self.failover.take() else { return false };
        tracing::info!("{why}; failover aborted while in state {}", failover.state());
        self.end_failover();
        if failover.is_handing_over {
            self.lead_alone(keys);
            self.config.note_master("");
        }
        true
    }

    /// The target has answered: we follow it.
    pub(super) fn complete_failover(&mut self) {
        if self.failover.is_some() {
            tracing::info!("Failover completed: this node follows the new master.");
            self.end_failover();
        }
    }

    pub(super) fn is_handing_over(&self) -> bool {
        self.failover.as_ref().is_some_and(|failover| failover.is_handing_over)
    }
}

impl Executor {
    /// The share of a turn that belongs to a failover.
    pub(super) fn look_after_failover(&mut self) {
        let (node, keys) = (&mut self.node, &mut self.keys);
        let Some(failover) = node.failover.as_ref().filter(|failover| !failover.is_handing_over)
        else {
            return;
        };
        let is_late = failover.deadline.is_some_and(|deadline| monotonic_clock() >= deadline);
        let wanted = failover.order.target.clone();
        if is_late && !failover.order.is_forced {
            node.abort_failover(keys, "Replica never caught up before timeout");
            return;
        }
        let target = if is_late {
            let target = wanted.expect("it is demanded together with force");
            let Target { host, port } = &target;
            tracing::info!("Failover to {host}:{port} time out exceeded, failing over.");
            Some(target)
        } else {
            let offset = keys.stream().offset();
            let mut able = node.replicas().filter(|(at, replica)| {
                let is_meant = wanted.as_ref().is_none_or(|wanted| wanted == at);
                is_meant && replica.is_online() && replica.acked >= offset
            });
            able.next().map(|(at, _)| at)
        };
        let Some(Target { host, port }) = target else { return };
        tracing::info!("Failover target is {host}:{port}, which is asked to be the master.");
        if let Some(failover) = &mut node.failover {
            failover.is_handing_over = true;
        }
        node.config.note_master(&format!("{host} {port}"));
        node.follow_redis(keys, host, port, 0);
    }
}
