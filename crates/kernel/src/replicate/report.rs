//! What the node says about itself: `POLLUX STATE`, and the facts of INFO and ROLE.
//!
//! The agent reads the same JSON as `cluster::api::NodeState`, and its documentation holds here. The
//! data plane does not depend on the control plane, so the form is written down on both sides; the
//! tests of this crate read it through the other one.

use base::{ClusterId, Epoch, Incarnation, NodeId, Position, ShardId, Tick};
use serde::Serialize;

use super::follow::Upstream;
use super::master::FollowerReport;
use super::{Data, Replication, Role};
use crate::info::{MasterFacts, ReplicaFacts, ReplicationFacts};
use crate::keyspace::Keyspace;
use crate::node::Node;

/// One look at the node between two commands.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct State {
    cluster: ClusterId,
    shard: ShardId,
    node: NodeId,
    incarnation: Incarnation,
    epoch: Epoch,
    role: &'static str,
    phase: &'static str,
    /// 0 to 100.
    phase_percent: u8,
    opid: u64,
    opid_epoch: Epoch,
    followed: Epoch,
    written: u64,
    durable: u64,
    fenced: bool,
    lease_ms_left: Option<i64>,
    endpoint_bound: bool,
    nonce: u64,
    turns: u64,
    discarded_ops: u64,
    last_discarded_ops: u64,
    link: Option<LinkState>,
    replicas: Vec<ReplicaState>,
    error: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct LinkState {
    up: bool,
    lag_ops: u64,
    lag_ms: u64,
    why_down: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct ReplicaState {
    node: NodeId,
    acked: u64,
    lag_ops: u64,
    lag_ms: u64,
}

impl Upstream {
    fn state(&self, applied: u64, now: Tick) -> LinkState {
        let lag_ops = self.newest.saturating_sub(applied);
        let is_level = self.is_up && lag_ops == 0;
        let lag_ms = if is_level { 0 } else { now.ms_since(self.caught_up_at) };
        let why_down = if self.is_up { None } else { self.why_down.clone() };
        LinkState { up: self.is_up, lag_ops, lag_ms, why_down }
    }
}

impl Replication {
    /// One look at the node at `now`; the nonce names this instant.
    pub(crate) fn state(&mut self, node: &Node, keys: &Keyspace, now: Tick) -> State {
        let owner = self.identity.owner;
        let position = self.position(keys);
        let (written, durable) = match keys.log() {
            Some(log) => (log.written(), log.durable()),
            None => (position.opid, position.opid),
        };
        let (phase, phase_percent) = self.phase();
        let (role, link, replicas) = match &self.role {
            Role::None => ("none", None, Vec::new()),
            Role::Master(lead) => {
                let reports = lead.followers.reports(now, position.opid);
                ("master", None, reports.iter().map(replica_state).collect())
            }
            Role::Replica(upstream) => {
                ("replica", Some(upstream.state(position.opid, now)), Vec::new())
            }
        };
        State {
            cluster: owner.cluster,
            shard: owner.shard,
            node: owner.node,
            incarnation: owner.incarnation,
            epoch: self.epoch,
            role,
            phase,
            phase_percent,
            opid: position.opid,
            opid_epoch: position.epoch,
            followed: self.followed,
            written,
            durable,
            fenced: node.holds.fence_until.is_some(),
            lease_ms_left: self.lease.ms_left(now),
            endpoint_bound: matches!(&self.role, Role::Master(lead) if lead.is_bound()),
            nonce: self.ask(now),
            turns: node.counters.turns,
            discarded_ops: self.discards.total,
            last_discarded_ops: self.discards.latest,
            link,
            replicas,
            error: self.error.clone().or_else(|| {
                keys.log_trouble().map(|why| format!("its log cannot be written: {why}"))
            }),
        }
    }

    fn phase(&self) -> (&'static str, u8) {
        match (&self.role, &self.data) {
            (Role::Replica(upstream), _) if upstream.is_syncing => ("syncing", upstream.percent()),
            (_, Data::Waiting(_)) => ("waiting", 0),
            (_, Data::Loading(loading)) => ("loading", loading.restore.progress().percent()),
            (_, Data::Running) => ("ready", 100),
            // What is in memory is not of one instant.
            (_, Data::Lost) => ("syncing", 0),
        }
    }

    /// Where the node's history ends.
    fn position(&self, keys: &Keyspace) -> Position {
        match (&self.data, keys.log()) {
            (Data::Waiting(directory), _) => directory.position(),
            (Data::Loading(loading), _) => loading.directory.position(),
            (_, Some(log)) => log.position(),
            (Data::Running | Data::Lost, None) => Position::default(),
        }
    }

    /// Writes down what INFO and ROLE show; the newest op is there already.
    pub(super) fn tell(&self, facts: &mut ReplicationFacts, now: Tick) {
        let seconds = |since: Tick| now.ms_since(since) / 1000;
        facts.master = match &self.role {
            Role::Replica(upstream) => Some(MasterFacts {
                host: upstream.address().ip().to_string(),
                port: upstream.address().port(),
                state: match (upstream.is_up, upstream.is_syncing) {
                    (true, _) => "connected",
                    (false, true) => "sync",
                    (false, false) => "connect",
                },
                silent_seconds: Some(seconds(upstream.heard_at)),
                received: None,
                unread: 0,
                down_seconds: if upstream.is_up { 0 } else { seconds(upstream.down_since) },
            }),
            Role::None | Role::Master(_) => None,
        };
        facts.replicas = match &self.role {
            Role::Master(lead) => {
                let reports = lead.followers.reports(now, facts.newest_op);
                reports.iter().map(replica_facts).collect()
            }
            Role::None | Role::Replica(_) => Vec::new(),
        };
    }
}

fn replica_state(report: &FollowerReport) -> ReplicaState {
    ReplicaState {
        node: report.node,
        acked: report.ack.applied,
        lag_ops: report.lag_ops,
        lag_ms: report.lag_ms,
    }
}

fn replica_facts(report: &FollowerReport) -> ReplicaFacts {
    ReplicaFacts {
        address: report.address,
        state: if report.ack.applied > 0 || report.lag_ops == 0 { "online" } else { "wait_bgsave" },
        acked: report.ack.applied,
        silent_seconds: report.silent_ms / 1000,
    }
}
