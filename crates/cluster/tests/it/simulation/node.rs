//! A data node as its contract describes it: a log, a role, a lease by its own clock, a fence.

use base::{Epoch, Incarnation, NodeId, ShardId};
use cluster::api::{LinkState, NodePhase, NodeRole, NodeState, ProcessId};

use crate::world::CLUSTER;

/// One write: the epoch under which it was taken, and a number that no other write has.
pub(super) type Op = (Epoch, u64);

/// Ops that a replica takes over in one step.
const COPY_OPS_MAX: usize = 4;

/// What survives the process.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    pub(super) id: NodeId,
    pub(super) log: Vec<Op>,
    pub(super) discarded: u64,
    pub(super) last_discarded: u64,
    /// How much faster than real time its clock runs, millionths.
    pub(super) drift: i64,
    pub(super) process: Option<Process>,
}

/// What dies with the process.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) id: ProcessId,
    /// SIGSTOP.
    pub(super) is_stopped: bool,
    pub(super) role: NodeRole,
    phase: NodePhase,
    pub(super) epoch: Epoch,
    followed: Epoch,
    pub(super) master: Option<NodeId>,
    /// The handshake with the master of this epoch is done.
    is_joined: bool,
    /// What it holds is not of one instant until it has caught up.
    is_full_sync: bool,
    link_up: bool,
    caught_up_at: u64,
    lag_ops: u64,
    /// By the node's own clock, as all instants here.
    lease_until: u64,
    fenced_until: Option<u64>,
    nonces: Vec<u64>,
}

impl Disk {
    /// The node's own clock at real time `now`.
    fn clock(&self, now: u64) -> u64 {
        let now = i64::try_from(now).expect("a short story");
        u64::try_from(now + now * self.drift / 1_000_000).expect("drift is small")
    }

    pub(super) fn start(&mut self, pid: u32) {
        self.process = Some(Process {
            id: ProcessId { pid, started: 1 },
            is_stopped: false,
            role: NodeRole::None,
            phase: NodePhase::Waiting,
            epoch: Epoch(0),
            followed: Epoch(0),
            master: None,
            is_joined: false,
            is_full_sync: false,
            link_up: false,
            caught_up_at: 0,
            lag_ops: 0,
            lease_until: 0,
            fenced_until: None,
            nonces: Vec::new(),
        });
    }

    fn is_fenced(&self, now: u64) -> bool {
        let until = self.process.as_ref().and_then(|process| process.fenced_until);
        until.is_some_and(|until| self.clock(now) < until)
    }

    /// Whether a write that arrives now is taken and acknowledged.
    pub(super) fn can_write(&self, now: u64) -> bool {
        let Some(process) = &self.process else { return false };
        process.role == NodeRole::Master
            && !process.is_stopped
            && !self.is_fenced(now)
            && self.clock(now) < process.lease_until
    }

    /// `POLLUX STATE`.
    pub(super) fn state(&mut self, now: u64) -> Option<NodeState> {
        let (clock, fenced) = (self.clock(now), self.is_fenced(now));
        let process = self.process.as_mut().filter(|process| !process.is_stopped)?;
        process.nonces.push(clock);
        let mut state = NodeState::waiting(CLUSTER, ShardId(0), self.id, Incarnation(1));
        state.role = process.role;
        state.phase = process.phase;
        (state.epoch, state.followed) = (process.epoch, process.followed);
        state.fenced = fenced;
        state.nonce = process.nonces.len() as u64;
        state.opid = self.log.len() as u64;
        state.opid_epoch = self.log.last().map_or(Epoch(0), |op| op.0);
        state.endpoint_bound = process.role == NodeRole::Master;
        (state.discarded_ops, state.last_discarded_ops) = (self.discarded, self.last_discarded);
        if process.role == NodeRole::Replica {
            let lag_ms = if process.lag_ops == 0 { 0 } else { now - process.caught_up_at };
            let (up, lag_ops) = (process.link_up, process.lag_ops);
            state.link = Some(LinkState { up, lag_ops, lag_ms, why_down: None });
        }
        Some(state)
    }

    /// For the report of a failure.
    pub(super) fn describe(&self) -> String {
        let Some(process) = &self.process else { return "no process".into() };
        format!(
            "{} {:?} {:?} of epoch {}, follows {:?}, stopped {}, joined {}, lease until {}, fence until {:?}",
            process.id,
            process.role,
            process.phase,
            process.epoch,
            process.master,
            process.is_stopped,
            process.is_joined,
            process.lease_until,
            process.fenced_until
        )
    }

    /// `POLLUX ROLE MASTER`.
    pub(super) fn lead(&mut self, epoch: Epoch) {
        let Some(process) = self.process.as_mut() else { return };
        if epoch > process.epoch {
            (process.role, process.phase) = (NodeRole::Master, NodePhase::Ready);
            (process.epoch, process.master) = (epoch, None);
            (process.lease_until, process.fenced_until) = (0, None);
        }
    }

    /// `POLLUX ROLE REPLICA`.
    pub(super) fn follow(&mut self, epoch: Epoch, master: NodeId) {
        let Some(process) = self.process.as_mut() else { return };
        if epoch >= process.epoch && (epoch, Some(master)) != (process.epoch, process.master) {
            process.role = NodeRole::Replica;
            (process.epoch, process.master) = (epoch, Some(master));
            (process.is_joined, process.link_up) = (false, false);
            (process.lease_until, process.fenced_until) = (0, None);
        }
    }

    /// `POLLUX LEASE`.
    pub(super) fn lease(&mut self, nonce: u64, epoch: Epoch, ttl_ms: u64) {
        let Some(process) = self.process.as_mut() else { return };
        let asked =
            usize::try_from(nonce).ok().and_then(|nonce| process.nonces.get(nonce - 1).copied());
        if let Some(asked) = asked.filter(|_| process.epoch == epoch) {
            process.lease_until = process.lease_until.max(asked + ttl_ms);
        }
    }

    /// `POLLUX FENCE`, and `UNFENCE` with 0 ms.
    pub(super) fn fence(&mut self, epoch: Epoch, timeout_ms: u64, now: u64) {
        let until = self.clock(now) + timeout_ms;
        if let Some(process) = self.process.as_mut().filter(|process| process.epoch == epoch) {
            process.fenced_until = Some(until);
        }
    }

    /// The process as the one to copy from, if it leads in `epoch`.
    pub(super) fn leads_in(&self, epoch: Epoch) -> bool {
        self.process.as_ref().is_some_and(|process| {
            process.role == NodeRole::Master && process.epoch == epoch && !process.is_stopped
        })
    }

    /// Takes over some of the master's log; `None` when the master cannot be reached.
    pub(super) fn replicate(&mut self, master: Option<&[Op]>, now: u64) {
        let Some(process) = self.process.as_mut().filter(|process| !process.is_stopped) else {
            return;
        };
        process.link_up = master.is_some();
        let Some(theirs) = master else { return };
        if !process.is_joined {
            let agrees = |(ours, theirs): &(&Op, &Op)| ours == theirs;
            let common = self.log.iter().zip(theirs).take_while(agrees).count();
            let tail = (self.log.len() - common) as u64;
            if tail > 0 {
                (self.discarded, self.last_discarded) = (self.discarded + tail, tail);
                process.is_full_sync = true;
            }
            self.log.truncate(common);
            process.is_joined = true;
            process.phase = match process.is_full_sync {
                true => NodePhase::Syncing,
                false => NodePhase::Ready,
            };
        }
        let missing = &theirs[self.log.len()..];
        self.log.extend(missing.iter().take(COPY_OPS_MAX));
        process.lag_ops = (theirs.len() - self.log.len()) as u64;
        if process.lag_ops == 0 {
            (process.phase, process.caught_up_at) = (NodePhase::Ready, now);
            process.followed = process.epoch;
            process.is_full_sync = false;
        }
    }
}
