//! Hosts, network, config server, and what must hold among them.

use std::collections::{BTreeMap, BTreeSet};

use base::{Epoch, NodeId, ShardId, Tick, UnixMs};
use cluster::api::{Cause, Edition, HostOrders, HostReport, NodeRole, ProcessId};
use cluster::lease;
use cluster::observed::Observed;
use cluster::orders::orders;
use cluster::reconcile::decide;
use cluster::state::{Applied, Command, Proposal, Rejected, State};

use super::Chance;
use super::host::Host;
use super::node::{Disk, Op};
use crate::world::CLUSTER;

const STEP_MS: u64 = 10;
const SHARD: ShardId = ShardId(0);
/// The leader looks at the time so often, ms.
const TICK_MS: u64 = 50;
/// Decisions that may follow from each other at once.
const ROUNDS_MAX: usize = 8;

/// What happened in a world, so that a run can show that it was eventful.
#[derive(Clone, Debug, Default)]
pub(super) struct Story {
    pub(super) writes: u64,
    pub(super) failovers: u64,
    pub(super) switchovers: u64,
    pub(super) aborts: u64,
    pub(super) leaders: u64,
    /// Acknowledged ops that a failover cost: the class is `async`.
    pub(super) lost: u64,
}

impl Story {
    pub(super) fn add(&mut self, other: &Story) {
        self.writes += other.writes;
        self.failovers += other.failovers;
        self.switchovers += other.switchovers;
        self.aborts += other.aborts;
        self.leaders += other.leaders;
        self.lost += other.lost;
    }
}

#[derive(Clone, Debug)]
enum Message {
    Report(HostReport),
    Orders(HostOrders),
}

/// The process that leads. Raft itself is not simulated: what is applied is agreed upon.
#[derive(Clone, Debug)]
struct Leader {
    observed: Observed,
    /// It does not run until then (SIGSTOP); what arrives waits.
    stopped_until: u64,
    ran_at: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Site {
    seed: u64,
    chance: Chance,
    pub(super) now: u64,
    state: State,
    leader: Option<Leader>,
    next_leader_at: u64,
    hosts: Vec<Host>,
    disks: Vec<Disk>,
    /// (arrival, number of the host, message)
    network: Vec<(u64, usize, Message)>,
    pids: u32,
    /// The process of each epoch.
    masters: BTreeMap<Epoch, (NodeId, ProcessId)>,
    /// Acknowledged, and not lost by a failover.
    acknowledged: BTreeSet<u64>,
    is_healed: bool,
    pub(super) story: Story,
}

impl Site {
    pub(super) fn new(seed: u64) -> Site {
        let mut chance = Chance::new(seed);
        let count = u32::try_from(chance.between(2, 5)).expect("small");
        let disk = |id: u32, chance: &mut Chance| Disk {
            id: NodeId(id),
            log: Vec::new(),
            discarded: 0,
            last_discarded: 0,
            drift: i64::try_from(chance.between(0, 20_000)).expect("small") - 10_000,
            process: None,
        };
        let mut site = Site {
            seed,
            now: 0,
            state: State::default(),
            leader: None,
            next_leader_at: 0,
            hosts: (1..=count).map(|id| Host::new(format!("h{id}"))).collect(),
            disks: (1..=count).map(|id| disk(id, &mut chance)).collect(),
            chance,
            network: Vec::new(),
            pids: 0,
            masters: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            is_healed: false,
            story: Story::default(),
        };
        for host in 1..=count {
            site.apply(&Command::JoinHost { host: format!("h{host}") }).expect("join");
        }
        let create = Command::CreateInstance {
            name: "a".into(),
            edition: Edition::Standard,
            replicas: u8::try_from(count - 1).expect("small"),
            endpoint: "h:1".into(),
            params: BTreeMap::new(),
            hash_seed: 1,
        };
        site.apply(&create).expect("create");
        site
    }

    /// Something bad, now and then.
    pub(super) fn trouble(&mut self) {
        let chance = &mut self.chance;
        let at = usize::try_from(chance.between(0, self.hosts.len() as u64)).expect("small");
        let (host, disk) = (&mut self.hosts[at], &mut self.disks[at]);
        if chance.once_in(500) {
            disk.process = None;
        }
        if let Some(process) = &mut disk.process {
            let odds = if process.is_stopped { 200 } else { 1_500 };
            process.is_stopped ^= chance.once_in(odds);
        }
        if chance.once_in(800) {
            host.kill_agent(self.now + chance.between(100, 4_000));
        }
        if chance.once_in(1_000) {
            host.cut_off_until = self.now + chance.between(100, 12_000);
        }
        if chance.once_in(800) {
            host.isolated_until = self.now + chance.between(100, 4_000);
        }
        if chance.once_in(1_000) {
            self.leader = None;
            self.next_leader_at = self.now + chance.between(400, 1_500);
        }
        if chance.once_in(1_500)
            && let Some(leader) = &mut self.leader
        {
            leader.stopped_until = self.now + chance.between(100, 8_000);
        }
        if chance.once_in(400) {
            self.ask_for_switchover();
        }
    }

    fn ask_for_switchover(&mut self) {
        let shard = &self.state.shards[&SHARD];
        let others = shard.nodes.iter().filter(|node| shard.master() != Some(**node));
        let others: Vec<NodeId> = others.copied().collect();
        let at = self.chance.between(0, others.len() as u64);
        let target = others[usize::try_from(at).expect("small")];
        let (shard, epoch) = (SHARD, shard.epoch);
        // Refused when there is no master, or one under way.
        drop(self.apply(&Command::StartSwitchover { shard, epoch, target, timeout_ms: 3_000 }));
    }

    /// No more trouble from now on.
    pub(super) fn heal(&mut self) {
        self.is_healed = true;
        self.next_leader_at = self.next_leader_at.min(self.now + 1_000);
        if let Some(leader) = &mut self.leader {
            leader.stopped_until = self.now;
        }
        for host in &mut self.hosts {
            host.agent_down_until = host.agent_down_until.min(self.now);
            (host.cut_off_until, host.isolated_until) = (self.now, self.now);
        }
        for disk in &mut self.disks {
            if let Some(process) = &mut disk.process {
                process.is_stopped = false;
            }
        }
    }

    /// A master takes writes, and all hold the same.
    pub(super) fn is_well(&self) -> bool {
        let in_sync = self.state.shards[&SHARD].in_sync.len();
        let same = self.disks.iter().all(|disk| disk.log == self.disks[0].log);
        let alive = self.disks.iter().all(|disk| disk.process.is_some());
        let writers = self.disks.iter().filter(|disk| disk.can_write(self.now)).count();
        writers == 1 && same && alive && in_sync == self.disks.len()
    }

    pub(super) fn step(&mut self) {
        self.now += STEP_MS;
        self.elect();
        self.deliver();
        if self.now.is_multiple_of(TICK_MS) {
            self.run_leader();
        }
        for at in 0..self.hosts.len() {
            let (host, disk) = (&mut self.hosts[at], &mut self.disks[at]);
            let report = host.step(disk, &mut self.pids, &mut self.chance, self.now);
            if let Some(report) = report {
                self.send(at, Message::Report(report));
            }
        }
        self.write();
        self.replicate();
        self.check();
    }

    fn elect(&mut self) {
        if self.leader.is_none() && self.now >= self.next_leader_at {
            self.story.leaders += 1;
            let observed = Observed::new(self.tick());
            self.leader = Some(Leader { observed, stopped_until: 0, ran_at: self.now });
        }
    }

    fn tick(&self) -> Tick {
        Tick(0).plus_ms(self.now)
    }

    fn send(&mut self, host: usize, message: Message) {
        if self.now < self.hosts[host].cut_off_until {
            return;
        }
        let delay = match self.is_healed {
            true => 0,
            // One in a hundred is lost, one is very late.
            false => match self.chance.between(0, 100) {
                0 => return,
                1 => self.chance.between(1_000, 20_000),
                _ => self.chance.between(0, 60),
            },
        };
        self.network.push((self.now + delay, host, message));
    }

    fn deliver(&mut self) {
        let is_stopped = self.leader.as_ref().is_some_and(|leader| self.now < leader.stopped_until);
        let now = self.now;
        let waits = |(at, _, message): &(u64, usize, Message)| {
            *at > now || is_stopped && matches!(message, Message::Report(_))
        };
        let (later, mut due): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.network).into_iter().partition(waits);
        self.network = later;
        due.sort_by_key(|(at, _, _)| *at);
        for (_, host, message) in due {
            match message {
                Message::Orders(orders) => self.hosts[host].take(orders, now),
                Message::Report(report) => self.answer(host, &report),
            }
        }
    }

    /// The config server's answer to a report, as `control` makes it.
    fn answer(&mut self, host: usize, report: &HostReport) {
        let now = self.tick();
        self.wake();
        let Some(leader) = &mut self.leader else { return };
        if leader.observed.accept(CLUSTER, &self.state, report, now).is_err() {
            return;
        }
        self.decide();
        let Some(leader) = &mut self.leader else { return };
        let leases = lease::grants(&self.state, &leader.observed, &report.host, now);
        for grant in &leases {
            leader.observed.leases.note(SHARD, grant.epoch, now);
        }
        let nodes = orders(&self.state, &report.host);
        let (revision, secret) = (self.state.revision, String::new());
        let answer = HostOrders { revision, cluster: CLUSTER, secret, nodes, leases };
        self.send(host, Message::Orders(answer));
    }

    fn run_leader(&mut self) {
        if self.leader.as_ref().is_some_and(|leader| self.now >= leader.stopped_until) {
            self.wake();
            self.decide();
        }
    }

    fn wake(&mut self) {
        let now = self.tick();
        if let Some(leader) = &mut self.leader {
            if self.now > leader.ran_at + 500 {
                leader.observed.forgive_pause(now);
            }
            leader.ran_at = self.now;
        }
    }

    fn decide(&mut self) {
        let now = self.tick();
        for _ in 0..ROUNDS_MAX {
            let Some(leader) = &mut self.leader else { return };
            leader.observed.refresh(&self.state, now);
            let plan = decide(&self.state, &leader.observed, now);
            let mut any = false;
            for command in plan {
                any |= self.apply(&command).is_ok();
                // The leader dies with its plan half done.
                if !self.is_healed && self.chance.once_in(500) {
                    self.leader = None;
                    self.next_leader_at = self.now + 700;
                    return;
                }
            }
            if !any {
                return;
            }
        }
    }

    fn apply(&mut self, command: &Command) -> Result<Applied, Rejected> {
        let before = self.state.shards.get(&SHARD).cloned();
        let proposal = Proposal { at: UnixMs(self.now), command: command.clone() };
        let applied = self.state.apply(&proposal)?;
        if let (Command::Promote { node, process, record, .. }, Some(before)) = (command, before) {
            let after = &self.state.shards[&SHARD];
            assert_eq!(after.epoch, before.epoch.next(), "{}", self.scene());
            assert!(before.in_sync.contains(node), "not in sync: {}", self.scene());
            assert!(self.masters.insert(after.epoch, (*node, *process)).is_none());
            self.on_promotion(*node, record.cause);
        }
        if matches!(command, Command::AbortSwitchover { .. }) {
            self.story.aborts += 1;
        }
        Ok(applied)
    }

    fn on_promotion(&mut self, node: NodeId, cause: Cause) {
        let disk = self.disks.iter().find(|disk| disk.id == node).expect("a node");
        let kept: BTreeSet<u64> = disk.log.iter().map(|op| op.1).collect();
        let lost = self.acknowledged.difference(&kept).count() as u64;
        match cause {
            Cause::Requested => {
                assert_eq!(lost, 0, "a switchover lost writes: {}", self.scene());
                self.story.switchovers += 1;
            }
            Cause::First => {}
            _ => {
                self.story.failovers += 1;
                self.story.lost += lost;
            }
        }
        self.acknowledged = kept;
    }

    /// Clients write to whoever takes it.
    fn write(&mut self) {
        if self.is_healed || !self.now.is_multiple_of(2 * STEP_MS) {
            return;
        }
        for disk in &mut self.disks {
            if disk.can_write(self.now) {
                let epoch = disk.process.as_ref().expect("it writes").epoch;
                self.story.writes += 1;
                disk.log.push((epoch, self.story.writes));
                self.acknowledged.insert(self.story.writes);
            }
        }
    }

    fn replicate(&mut self) {
        let reach = |at: usize| self.now >= self.hosts[at].isolated_until;
        let source = |at: usize| -> Option<(usize, bool)> {
            let process = self.disks[at].process.as_ref()?;
            let master = process.master.filter(|_| process.role == NodeRole::Replica)?;
            let from = self.disks.iter().position(|disk| disk.id == master)?;
            let leads = self.disks[from].leads_in(process.epoch);
            Some((from, leads && reach(at) && reach(from)))
        };
        let sources: Vec<Option<(usize, bool)>> = (0..self.disks.len()).map(source).collect();
        for (at, source) in sources.into_iter().enumerate() {
            let Some((from, is_up)) = source else { continue };
            let log: Vec<Op> = std::mem::take(&mut self.disks[from].log);
            self.disks[at].replicate(is_up.then_some(&log), self.now);
            self.disks[from].log = log;
        }
    }

    fn check(&self) {
        let writers: Vec<&Disk> =
            self.disks.iter().filter(|disk| disk.can_write(self.now)).collect();
        assert!(writers.len() <= 1, "two masters: {}", self.scene());
        for disk in writers {
            let process = disk.process.as_ref().expect("it writes");
            let named = self.masters.get(&process.epoch);
            let newest = self.state.shards[&SHARD].epoch;
            assert_eq!(process.epoch, newest, "a master of the past: {}", self.scene());
            assert_eq!(named, Some(&(disk.id, process.id)), "not its epoch: {}", self.scene());
            // One history: epochs never go back in a log.
            assert!(disk.log.is_sorted_by_key(|op| op.0), "mixed: {}", self.scene());
        }
    }

    pub(super) fn scene(&self) -> String {
        let (seed, now) = (self.seed, self.now);
        let nodes: Vec<String> = self
            .disks
            .iter()
            .map(|disk| format!("{}: {} ops, {}", disk.id, disk.log.len(), disk.describe()))
            .collect();
        let shard = &self.state.shards[&SHARD];
        let events: Vec<String> =
            self.state.events.iter().rev().take(6).map(|e| e.message.clone()).collect();
        format!("seed {seed} at {now} ms\n{shard:#?}\n{}\n{}", nodes.join("\n"), events.join("\n"))
    }
}
