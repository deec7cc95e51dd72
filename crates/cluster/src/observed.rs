//! What was seen: the leader's memory of the agents' reports. It is never replicated; a new leader starts with
//! nothing seen, and nothing seen is never taken for bad news.
//!
//! Invariants
//! - A state is kept only when it carries the cluster, shard, node and incarnation that the report's node should
//!   have: an answer from a foreign process cannot influence a decision.
//! - Of two agents of one host the one that started later is believed; of two reports the one with the
//!   greater sequence number; none that is older than the promotion of a node of the host.
//! - All instants are those of this leader's monotonic clock.

use std::collections::BTreeMap;

use base::{ClusterId, NodeId, ShardId, Tick};

use crate::api::{
    Agent, HostReport, LastExit, NodePhase, NodeReport, NodeRole, NodeState, ProcessId,
    ProcessState, ReportNumber,
};
use crate::lease::Leases;
use crate::state::{Mastership, Node, Shard, State, SwitchoverPhase};

/// A host counts as heard of while its last report is not older; agents report ten times a second.
pub const FRESH_MS: u64 = 1500;
/// A node counts as answering while it kept its agent waiting for less.
pub const ANSWERING_MS: u64 = 1000;

/// A replica joins the in-sync set only when it lags no more than this; a member may fall behind further for a while
/// (`lag_ms_max`), so that the set does not change with every burst.
pub const JOIN_LAG_MS_MAX: u64 = 500;

/// How far a replica is behind its master.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Lag {
    pub ops: u64,
    /// Age of the oldest op that it lacks.
    pub ms: u64,
}

#[derive(Clone, Debug)]
pub struct Observed {
    /// When this config server became leader.
    pub leading_since: Tick,
    pub hosts: BTreeMap<String, SeenHost>,
    pub nodes: BTreeMap<NodeId, SeenNode>,
    pub shards: BTreeMap<ShardId, SeenShard>,
    pub leases: Leases,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeenHost {
    pub agent: Agent,
    /// Arrival of the newest report.
    pub at: Tick,
}

/// What the newest report said of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeenNode {
    /// Arrival of that report.
    pub at: Tick,
    /// Arrival of the newest *answer* of the node (its nonce or its process changed).
    pub answered_at: Tick,
    pub revision: u64,
    pub process: ProcessState,
    pub address: Option<String>,
    pub state: Option<NodeState>,
    pub silent_ms: u64,
    pub error: Option<String>,
    /// How the process before the present one ended.
    pub last_exit: Option<LastExit>,
    /// Its directory holds no log although it had data, and it is not started.
    pub lost_data: bool,
    /// Since when the replica does not qualify as in sync.
    pub behind_since: Option<Tick>,
}

/// Clocks of a shard: since when something has been so.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SeenShard {
    /// No process that is master is alive.
    pub masterless_since: Option<Tick>,
    /// The switchover of this number is in its present phase (`true` = fencing).
    pub switchover: Option<(u64, bool, Tick)>,
    /// Since when the process that was made master answers, but not as the master that it should be.
    pub unwilling_since: Option<Tick>,
    /// The newest promotion, until its master serves.
    pub moving: Option<Moving>,
}

/// A promotion that this leader committed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moving {
    /// The event with its record.
    pub event: u64,
    pub decided: Tick,
    pub committed: Tick,
}

/// Why a report is not believed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReportRefused {
    #[error("this is cluster {ours}, the report is from cluster {theirs}")]
    ForeignCluster { ours: ClusterId, theirs: ClusterId },
    #[error("a newer agent (pid {0}) speaks for this host")]
    Superseded(u32),
    #[error("a later report was received already")]
    OutOfOrder,
}

impl Observed {
    pub fn new(now: Tick) -> Observed {
        Observed {
            leading_since: now,
            hosts: BTreeMap::new(),
            nodes: BTreeMap::new(),
            shards: BTreeMap::new(),
            leases: Leases::new(now),
        }
    }

    /// Takes in a report. The host need not have joined yet; nodes that are not this host's are ignored.
    pub fn accept(
        &mut self,
        cluster: ClusterId,
        desired: &State,
        report: &HostReport,
        now: Tick,
    ) -> Result<(), ReportRefused> {
        if report.cluster != cluster {
            return Err(ReportRefused::ForeignCluster { ours: cluster, theirs: report.cluster });
        }
        if let Some(known) = self.hosts.get(&report.host) {
            if known.agent.start > report.agent.start {
                return Err(ReportRefused::Superseded(known.agent.pid));
            }
            if known.agent.start == report.agent.start && known.agent.seq >= report.agent.seq {
                return Err(ReportRefused::OutOfOrder);
            }
        }
        let promoted_on = desired.nodes_of(&report.host).map(|node| node.promoted_on).max();
        if promoted_on.is_some_and(|number| report.agent.number() < number) {
            return Err(ReportRefused::OutOfOrder);
        }
        let seen = SeenHost { agent: report.agent.clone(), at: now };
        self.hosts.insert(report.host.clone(), seen);
        for told in &report.nodes {
            let Some(node) = desired.nodes.get(&told.node) else { continue };
            if node.host == report.host {
                self.accept_node(cluster, node, told, now);
            }
        }
        self.refresh(desired, now);
        Ok(())
    }

    fn accept_node(&mut self, cluster: ClusterId, node: &Node, told: &NodeReport, now: Tick) {
        let mut error = told.error.clone();
        let mut state = told.state.clone();
        if let Some(answer) = &state
            && !is_of(answer, cluster, node)
        {
            error = Some(format!(
                "something that is not {} answers at its address: {} of {} in cluster {}, incarnation {}",
                node.id, answer.node, answer.shard, answer.cluster, answer.incarnation
            ));
            state = None;
        }
        // Without a process there is nobody whose answer this could be.
        if told.process.running().is_none() {
            state = None;
        }
        let before = self.nodes.get(&told.node);
        let nonce = |state: &Option<NodeState>| state.as_ref().map(|state| state.nonce);
        let same_answer =
            |seen: &&SeenNode| seen.process == told.process && nonce(&seen.state) == nonce(&state);
        let seen = SeenNode {
            at: now,
            answered_at: before.filter(same_answer).map_or(now, |seen| seen.answered_at),
            revision: told.revision,
            process: told.process.clone(),
            address: told.address.clone(),
            state,
            silent_ms: told.silent_ms,
            error,
            last_exit: told.last_exit.clone(),
            lost_data: told.lost_data,
            behind_since: before.and_then(|seen| seen.behind_since),
        };
        self.nodes.insert(told.node, seen);
    }

    /// Brings the clocks in step with the desired state. Idempotent.
    pub fn refresh(&mut self, desired: &State, now: Tick) {
        self.nodes.retain(|id, _| desired.nodes.contains_key(id));
        self.shards.retain(|id, _| desired.shards.contains_key(id));
        for shard in desired.shards.values() {
            let masterless = self.is_masterless(desired, shard, now);
            let unwilling = self.is_unwilling(desired, shard, now);
            let seen = self.shards.entry(shard.id).or_default();
            seen.masterless_since = masterless.then(|| seen.masterless_since.unwrap_or(now));
            seen.unwilling_since = unwilling.then(|| seen.unwilling_since.unwrap_or(now));
            seen.switchover = shard.switchover.map(|switchover| {
                let fencing = switchover.phase != SwitchoverPhase::CatchUp;
                let is_this =
                    |known: &(u64, bool, Tick)| (known.0, known.1) == (switchover.id, fencing);
                seen.switchover.filter(is_this).unwrap_or((switchover.id, fencing, now))
            });
            let is_led = self.is_led(desired, shard, now);
            for id in &shard.nodes {
                let behind = is_led && self.why_behind(desired, shard, *id, now).is_some();
                if let Some(node) = self.nodes.get_mut(id) {
                    node.behind_since = behind.then(|| node.behind_since.unwrap_or(now));
                }
            }
        }
    }

    /// After a pause of this process: what happened meanwhile was not seen, so no clock may count it.
    pub fn forgive_pause(&mut self, now: Tick) {
        for host in self.hosts.values_mut() {
            host.at = now;
        }
        for node in self.nodes.values_mut() {
            node.at = now;
            node.behind_since = node.behind_since.map(|_| now);
        }
    }

    /// No process can be acting as master: proven, not supposed.
    fn is_masterless(&self, desired: &State, shard: &Shard, now: Tick) -> bool {
        let Some((node, process)) = shard.mastership.holder() else { return true };
        let is_ending = matches!(shard.mastership, Mastership::Ending { .. });
        let lease_is_over = || self.leases.have_ended(shard.id, desired.timing.lease_ms, now);
        self.nodes.get(&node).is_some_and(|seen| seen.process.proves_death_of(process))
            || (is_ending && lease_is_over())
    }

    /// The master's process answers and complains, and is not master.
    fn is_unwilling(&self, desired: &State, shard: &Shard, now: Tick) -> bool {
        let Some(node) = shard.master() else { return false };
        let state = self.live_state(desired, node, now);
        state.is_some_and(|state| state.role != NodeRole::Master && state.error.is_some())
    }

    /// ms since the host was heard of; counted from the start of the leadership if it never was.
    pub fn host_silent_ms(&self, host: &str, now: Tick) -> u64 {
        now.ms_since(self.hosts.get(host).map_or(self.leading_since, |seen| seen.at))
    }

    /// Number of the newest report of the node's host.
    pub fn newest_report(&self, desired: &State, id: NodeId) -> ReportNumber {
        let host = desired.nodes.get(&id).and_then(|node| self.hosts.get(&node.host));
        host.map(|seen| seen.agent.number()).unwrap_or_default()
    }

    /// The node's newest state, if its host reports and the node itself answers.
    pub fn live_state(&self, desired: &State, id: NodeId, now: Tick) -> Option<&NodeState> {
        let host = &desired.nodes.get(&id)?.host;
        let seen = self.nodes.get(&id)?;
        let fresh = self.host_silent_ms(host, now) <= FRESH_MS && seen.silent_ms <= ANSWERING_MS;
        seen.state.as_ref().filter(|_| fresh)
    }

    /// Whether the master of the shard was seen alive and acting in the current epoch.
    pub fn live_master<'a>(
        &'a self,
        desired: &State,
        shard: &Shard,
        now: Tick,
    ) -> Option<&'a NodeState> {
        let Mastership::Held { node, process } = shard.mastership else { return None };
        let state = self.live_state(desired, node, now)?;
        let same = self.nodes.get(&node)?.process.running() == Some(process);
        Some(state).filter(|s| same && s.role == NodeRole::Master && s.epoch == shard.epoch)
    }

    /// How far a replica is behind. What is on its way to it only the master knows, so the greater word counts.
    pub fn lag(&self, desired: &State, shard: &Shard, id: NodeId, now: Tick) -> Lag {
        let own = self.nodes.get(&id).and_then(|seen| seen.state.as_ref()?.link.as_ref());
        let own = own.map_or(Lag::default(), |link| Lag { ops: link.lag_ops, ms: link.lag_ms });
        let master = self.live_master(desired, shard, now);
        let told = master.and_then(|master| master.replicas.iter().find(|told| told.node == id));
        let told = told.map_or(Lag::default(), |told| Lag { ops: told.lag_ops, ms: told.lag_ms });
        Lag { ops: own.ops.max(told.ops), ms: own.ms.max(told.ms) }
    }

    /// Whether the shard's master speaks. Without it a broken link or a standing still says nothing about a replica, which
    /// may be the one to take over: nobody leaves the in-sync set then.
    pub fn is_led(&self, desired: &State, shard: &Shard, now: Tick) -> bool {
        shard.master().is_some_and(|node| self.live_state(desired, node, now).is_some())
    }

    /// Why a replica does not qualify as in sync; `None` when it does.
    pub fn why_behind(
        &self,
        desired: &State,
        shard: &Shard,
        id: NodeId,
        now: Tick,
    ) -> Option<String> {
        let Some(state) = self.live_state(desired, id, now) else {
            return Some("it does not answer".into());
        };
        if state.role != NodeRole::Replica || state.epoch != shard.epoch {
            return Some(format!("it does not follow the master of epoch {}", shard.epoch));
        }
        if state.phase != NodePhase::Ready {
            return Some("it has not completed its sync".into());
        }
        match &state.link {
            Some(link) if link.up => {
                let lag_ms = self.lag(desired, shard, id, now).ms;
                let is_member = shard.in_sync.contains(&id);
                // What joins must be close, or a death of the master right then would cost as much as is allowed
                // to a member that has fallen behind.
                let lag_ms_max =
                    if is_member { desired.timing.lag_ms_max } else { JOIN_LAG_MS_MAX };
                (lag_ms > lag_ms_max).then(|| format!("it lags {lag_ms} ms"))
            }
            Some(link) => Some(match &link.why_down {
                Some(why) => format!("its link is down: {why}"),
                None => "its link is down".into(),
            }),
            None => Some("its link is down".into()),
        }
    }
}

fn is_of(state: &NodeState, cluster: ClusterId, node: &Node) -> bool {
    (state.cluster, state.shard, state.node, state.incarnation)
        == (cluster, node.shard, node.id, node.incarnation)
}

impl SeenNode {
    /// How it is known that `old`, a process of this node, is dead.
    pub fn end_of(&self, old: ProcessId) -> String {
        match (&self.last_exit, self.process.running()) {
            (Some(exit), _) if exit.process == old => exit.to_string(),
            (_, Some(new)) => format!("{old} is dead, its node was started again as {new}"),
            (_, None) => self.describe(),
        }
    }

    /// In words, for a record.
    pub fn describe(&self) -> String {
        let process = match &self.process {
            ProcessState::Absent => "no process".to_owned(),
            ProcessState::Removed => "removed".to_owned(),
            ProcessState::Running { process } => format!("runs, {process}"),
            ProcessState::Killed { process } => format!("{process} killed by its agent"),
            ProcessState::Exited { process, code, signal } => match (code, signal) {
                (_, Some(signal)) => format!("{process} exited by signal {signal}"),
                (Some(code), None) => format!("{process} exited with code {code}"),
                (None, None) => format!("{process} exited"),
            },
        };
        let mut text = process;
        if let Some(state) = &self.state {
            let role = match state.role {
                NodeRole::None => "no role",
                NodeRole::Master => "master",
                NodeRole::Replica => "replica",
            };
            let phase = match state.phase {
                NodePhase::Waiting => "waiting",
                NodePhase::Loading => "loading",
                NodePhase::Syncing => "syncing",
                NodePhase::Ready => "ready",
            };
            text += &format!(", {role} of epoch {}, {phase}, at {}", state.epoch, state.position());
        }
        if self.silent_ms > 0 {
            text += &format!(", silent for {} ms", self.silent_ms);
        }
        if let Some(exit) = self.last_exit.as_ref().filter(|_| self.process.running().is_some()) {
            text += &format!("; before it {exit}");
        }
        text
    }
}
