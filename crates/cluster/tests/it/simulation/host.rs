//! An agent as its contract describes it: looks at its node, reports, and makes it as ordered.

use base::NodeId;
use cluster::api::{
    Agent, HostOrders, HostReport, NodeOrder, NodeReport, ProcessId, ProcessState, Role,
};

use super::Chance;
use super::node::Disk;
use crate::world::CLUSTER;

/// Pause between two looks, ms.
const LOOK_MS: u64 = 100;
/// Pause between two looks while writes are held, ms.
const LOOK_HURRIED_MS: u64 = 10;

/// A host with one node and its agent.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) name: String,
    /// Its agent runs again from then on.
    pub(super) agent_down_until: u64,
    /// No message passes between it and the config server until then.
    pub(super) cut_off_until: u64,
    /// No message passes between it and other hosts until then.
    pub(super) isolated_until: u64,
    start: u64,
    seq: u64,
    orders: Option<HostOrders>,
    /// `None` until the agent has looked for the process.
    told: Option<NodeReport>,
    looked_at: u64,
    has_news: bool,
    restart_at: u64,
}

impl Host {
    pub(super) fn new(name: String) -> Host {
        Host {
            name,
            agent_down_until: 0,
            cut_off_until: 0,
            isolated_until: 0,
            start: 0,
            seq: 0,
            orders: None,
            told: None,
            looked_at: 0,
            has_news: false,
            restart_at: 0,
        }
    }

    /// The agent dies; the next one knows the saved orders and nothing else.
    pub(super) fn kill_agent(&mut self, until: u64) {
        self.agent_down_until = until;
        self.told = None;
        if let Some(orders) = &mut self.orders {
            orders.leases.clear();
        }
    }

    /// Takes orders unless they are older than those held.
    pub(super) fn take(&mut self, orders: HostOrders, now: u64) {
        let held = self.orders.as_ref().map_or(0, |held| held.revision);
        if now >= self.agent_down_until && orders.revision >= held {
            self.orders = Some(orders);
            self.has_news = true;
        }
    }

    fn order(&self, node: NodeId) -> Option<NodeOrder> {
        let orders = self.orders.as_ref()?;
        orders.nodes.iter().find(|order| order.node == node).cloned()
    }

    /// One step of the agent. A report comes back when it is time for one.
    pub(super) fn step(
        &mut self,
        disk: &mut Disk,
        pids: &mut u32,
        chance: &mut Chance,
        now: u64,
    ) -> Option<HostReport> {
        if now < self.agent_down_until {
            return None;
        }
        if self.told.is_none() {
            self.start += 1;
            self.seq = 0;
            self.looked_at = now;
            self.told = Some(NodeReport {
                node: disk.id,
                revision: 0,
                process: ProcessState::Absent,
                address: Some(format!("h:{}", disk.id.0)),
                state: None,
                silent_ms: 0,
                error: None,
                last_exit: None,
                lost_data: false,
            });
        }
        let died = self.watch(disk, pids, chance, now);
        let holds_writes =
            self.order(disk.id).is_some_and(|order| matches!(order.role, Role::Fenced { .. }));
        let pause = if holds_writes { LOOK_HURRIED_MS } else { LOOK_MS };
        if !died && !self.has_news && now < self.looked_at + pause {
            return None;
        }
        self.has_news = false;
        self.look(disk, now);
        self.looked_at = now;
        self.seq += 1;
        Some(HostReport {
            cluster: CLUSTER,
            host: self.name.clone(),
            agent: Agent { start: self.start, pid: 1, seq: self.seq },
            revision: self.orders.as_ref().map_or(0, |orders| orders.revision),
            nodes: self.told.iter().cloned().collect(),
        })
    }

    /// Notices the end of the process, and starts another. True when a process ended.
    fn watch(&mut self, disk: &mut Disk, pids: &mut u32, chance: &mut Chance, now: u64) -> bool {
        let order = self.order(disk.id);
        let Some(told) = &mut self.told else { return false };
        if let Some(process) = &disk.process {
            if order.is_some_and(|order| order.role == Role::Killed) {
                told.process = ProcessState::Killed { process: process.id };
                told.state = None;
                disk.process = None;
                self.restart_at = now + chance.between(100, 2_000);
                return true;
            }
            told.process = ProcessState::Running { process: process.id };
            return false;
        }
        if let Some(process) = told.process.running() {
            told.process = ProcessState::Exited { process, code: None, signal: Some(9) };
            told.state = None;
            self.restart_at = now + chance.between(100, 2_000);
            return true;
        }
        let is_wanted = order.is_some_and(|order| order.role != Role::Killed);
        if is_wanted && now >= self.restart_at {
            *pids += 1;
            disk.start(*pids);
            let process = ProcessId { pid: *pids, started: 1 };
            (told.process, told.silent_ms) = (ProcessState::Running { process }, 0);
        }
        false
    }

    /// Asks the node, says what it lacks, asks again.
    fn look(&mut self, disk: &mut Disk, now: u64) {
        let order = self.order(disk.id);
        let Some(orders) = &self.orders else { return };
        let Some(told) = &mut self.told else { return };
        if told.process.running().is_none() {
            told.revision = orders.revision;
            return;
        }
        let Some(state) = disk.state(now) else {
            told.silent_ms = told.silent_ms.saturating_add(now - self.looked_at);
            return;
        };
        told.silent_ms = 0;
        let running = told.process.running();
        let epoch = order.as_ref().map(|order| order.epoch).unwrap_or_default();
        match order.map(|order| order.role) {
            Some(Role::Master { process, .. }) if running == Some(process) => {
                disk.lead(epoch);
                if state.fenced {
                    disk.fence(epoch, 0, now);
                }
            }
            Some(Role::Fenced { process, timeout_ms, .. }) if running == Some(process) => {
                disk.lead(epoch);
                if !state.fenced {
                    disk.fence(epoch, timeout_ms, now);
                }
            }
            Some(Role::Replica { master, .. }) => disk.follow(epoch, master),
            _ => {}
        }
        if let Some(grant) = orders.leases.iter().find(|grant| grant.node == disk.id) {
            disk.lease(grant.nonce, grant.epoch, grant.ttl_ms);
        }
        told.state = disk.state(now);
        told.revision = orders.revision;
    }
}
