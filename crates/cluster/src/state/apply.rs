//! Applies commands to the state: deterministic, so that every config server computes the same state from the
//! same log.

use std::collections::{BTreeMap, BTreeSet};

use base::{Epoch, Incarnation, NodeId, ShardId, UnixMs};

use super::{
    Applied, Command, EVENTS_COUNT_MAX, HOSTS_COUNT_MAX, Instance, Mastership, Node, Proposal,
    Rejected, Shard, State, Switchover, SwitchoverPhase,
};
use crate::api::{Cause, Event, EventKind, MoveRecord, PhaseTiming, ProcessId, ReportNumber};

/// Priority of a node unless someone sets another.
const PRIORITY_DEFAULT: u32 = 100;

impl State {
    /// Applies one entry of the log. A rejected command changes nothing.
    pub fn apply(&mut self, proposal: &Proposal) -> Result<Applied, Rejected> {
        let at = proposal.at;
        let event = match &proposal.command {
            Command::JoinHost { host } => self.join_host(at, host)?,
            Command::CreateInstance { name, edition, replicas, endpoint, params, hash_seed } => {
                let instance = Instance {
                    name: name.clone(),
                    edition: *edition,
                    endpoint: endpoint.clone(),
                    params: params.clone(),
                    shards: Vec::new(),
                    deleting: false,
                };
                self.create_instance(at, instance, *replicas, *hash_seed)?
            }
            Command::DeleteInstance { name } => self.delete_instance(name)?,
            Command::PurgeInstance { name } => self.purge_instance(at, name)?,
            Command::SetAddress { node, address } => {
                self.node_mut(*node)?.address = Some(address.clone());
                None
            }
            Command::NoteData { node } => {
                self.node_mut(*node)?.had_data = true;
                None
            }
            Command::NoteDataLost { shard, epoch, node } => {
                self.note_data_lost(at, (*shard, *epoch), *node)?
            }
            Command::Promote { shard, from_epoch, node, process, report, record } => {
                let event = self.promote(at, (*shard, *from_epoch), (*node, *process), record)?;
                self.node_mut(*node)?.promoted_on = *report;
                event
            }
            Command::Suspect { shard, epoch, cause, record } => {
                self.suspect(at, (*shard, *epoch), *cause, record)?
            }
            Command::Vacate { shard, epoch, record } => {
                self.vacate(at, (*shard, *epoch), record)?
            }
            Command::AddInSync { shard, epoch, node, reason } => {
                self.change_in_sync(at, (*shard, *epoch), *node, true, reason)?
            }
            Command::RemoveInSync { shard, epoch, node, reason } => {
                self.change_in_sync(at, (*shard, *epoch), *node, false, reason)?
            }
            Command::StartSwitchover { shard, epoch, target, timeout_ms } => {
                self.start_switchover(at, (*shard, *epoch), *target, *timeout_ms)?
            }
            Command::FenceSwitchover { shard, epoch, id } => {
                self.fence_switchover((*shard, *epoch), *id)?
            }
            Command::AbortSwitchover { shard, epoch, id, record } => {
                self.abort_switchover(at, (*shard, *epoch), *id, record)?
            }
            Command::NoteDiscarded { node, total, last } => {
                self.note_discarded(at, *node, *total, *last)?
            }
            Command::CompleteMove { event, timings } => self.complete_move(*event, timings)?,
        };
        self.revision += 1;
        Ok(Applied { revision: self.revision, event })
    }

    fn join_host(&mut self, at: UnixMs, host: &str) -> Result<Option<u64>, Rejected> {
        if self.hosts.len() >= HOSTS_COUNT_MAX {
            return Err(Rejected::Conflict(format!("{HOSTS_COUNT_MAX} hosts have joined already")));
        }
        if !self.hosts.insert(host.to_owned()) {
            return Err(Rejected::Conflict(format!("host {host} has joined already")));
        }
        Ok(Some(self.leave_event(at, EventKind::HostJoined, None, format!("host {host} joined"))))
    }

    fn create_instance(
        &mut self,
        at: UnixMs,
        mut instance: Instance,
        replicas: u8,
        hash_seed: u64,
    ) -> Result<Option<u64>, Rejected> {
        if self.instances.contains_key(&instance.name) {
            return Err(Rejected::InstanceExists(instance.name));
        }
        let taken = self.instances.values().find(|other| other.endpoint == instance.endpoint);
        if let Some(owner) = taken {
            return Err(Rejected::EndpointTaken {
                endpoint: instance.endpoint,
                owner: owner.name.clone(),
            });
        }
        if self.hosts.is_empty() {
            return Err(Rejected::NoHost);
        }
        let shard = ShardId(self.shards_made);
        self.shards_made += 1;
        let hosts = self.emptiest_hosts(1 + usize::from(replicas));
        let nodes: Vec<NodeId> = hosts.into_iter().map(|host| self.add_node(shard, host)).collect();
        self.shards.insert(
            shard,
            Shard {
                id: shard,
                instance: instance.name.clone(),
                epoch: Epoch(0),
                mastership: Mastership::Vacant,
                // Only one may become the first master; the others join the set when they have synced from it.
                in_sync: nodes.first().copied().into_iter().collect(),
                switchover: None,
                nodes,
                hash_seed,
                problem: None,
            },
        );
        instance.shards = vec![shard];
        let name = instance.name.clone();
        let message = format!(
            "instance {name} created: {} edition, endpoint {}",
            instance.edition, instance.endpoint
        );
        self.instances.insert(name, instance);
        Ok(Some(self.leave_event(at, EventKind::InstanceCreated, Some(shard), message)))
    }

    /// One host a node, always the one with the fewest nodes, so that the nodes of a shard share a host only
    /// when there are fewer hosts than nodes.
    fn emptiest_hosts(&self, count: usize) -> Vec<String> {
        let mut load: BTreeMap<&str, usize> = BTreeMap::new();
        for host in &self.hosts {
            load.insert(host, self.nodes_of(host).count());
        }
        let mut used: BTreeSet<&str> = BTreeSet::new();
        let mut chosen = Vec::with_capacity(count);
        for _ in 0..count {
            if used.len() == load.len() {
                used.clear();
            }
            let free = load.iter_mut().filter(|(host, _)| !used.contains(*host));
            let Some((host, nodes)) = free.min_by_key(|(_, nodes)| **nodes) else { break };
            *nodes += 1;
            used.insert(host);
            chosen.push((*host).to_owned());
        }
        chosen
    }

    fn add_node(&mut self, shard: ShardId, host: String) -> NodeId {
        self.nodes_made += 1;
        let id = NodeId(self.nodes_made);
        self.nodes.insert(
            id,
            Node {
                id,
                shard,
                host,
                incarnation: Incarnation(1),
                priority: PRIORITY_DEFAULT,
                address: None,
                had_data: false,
                discarded_ops: 0,
                promoted_on: ReportNumber::default(),
            },
        );
        id
    }

    fn delete_instance(&mut self, name: &str) -> Result<Option<u64>, Rejected> {
        let instance = self
            .instances
            .get_mut(name)
            .ok_or_else(|| Rejected::NotFound(format!("instance {name}")))?;
        instance.deleting = true;
        for id in &instance.shards {
            if let Some(shard) = self.shards.get_mut(id) {
                shard.mastership = Mastership::Vacant;
                shard.switchover = None;
                shard.problem = Some("the instance is being deleted".into());
            }
        }
        Ok(None)
    }

    fn purge_instance(&mut self, at: UnixMs, name: &str) -> Result<Option<u64>, Rejected> {
        let found = self.instances.get(name).is_some_and(|instance| instance.deleting);
        if !found {
            return Err(Rejected::NotFound(format!("deleted instance {name}")));
        }
        let instance = self.instances.remove(name).expect("looked up above");
        for id in instance.shards {
            self.shards.remove(&id);
            self.nodes.retain(|_, node| node.shard != id);
        }
        let message = format!("instance {name} deleted");
        Ok(Some(self.leave_event(at, EventKind::InstanceDeleted, None, message)))
    }

    fn promote(
        &mut self,
        at: UnixMs,
        (id, from_epoch): (ShardId, Epoch),
        (node, process): (NodeId, ProcessId),
        record: &MoveRecord,
    ) -> Result<Option<u64>, Rejected> {
        let shard = self.shard_in(id, from_epoch)?;
        if !shard.nodes.contains(&node) {
            return Err(Rejected::NotFound(format!("{node} in {id}")));
        }
        if record.cause != Cause::Forced && !shard.in_sync.contains(&node) {
            return Err(Rejected::Conflict(format!("{node} is not in the in-sync set of {id}")));
        }
        shard.epoch = from_epoch.next();
        shard.mastership = Mastership::Held { node, process };
        shard.switchover = None;
        shard.problem = None;
        if record.cause == Cause::Forced {
            // The others may be ahead of it, in a history that a person has given up.
            shard.in_sync.clear();
        }
        shard.in_sync.insert(node);
        let epoch = shard.epoch;
        let (kind, what) = match record.cause {
            Cause::First => (EventKind::MasterNamed, "first master"),
            Cause::Requested => (EventKind::Switchover, "switchover"),
            Cause::ProcessDied | Cause::MasterHung | Cause::HostSilent | Cause::Forced => {
                (EventKind::Failover, "failover")
            }
        };
        let message = format!("{what}: {node} is master of {id} in epoch {epoch}");
        let record = MoveRecord { to: Some(node), to_epoch: Some(epoch), ..record.clone() };
        Ok(Some(self.leave_move(at, kind, id, message, record)))
    }

    fn suspect(
        &mut self,
        at: UnixMs,
        (id, epoch): (ShardId, Epoch),
        cause: Cause,
        record: &MoveRecord,
    ) -> Result<Option<u64>, Rejected> {
        let shard = self.shard_in(id, epoch)?;
        let Mastership::Held { node, process } = shard.mastership else {
            return Err(Rejected::Conflict(format!("{id} has no master in good standing")));
        };
        shard.mastership = Mastership::Ending { node, process, cause };
        shard.switchover = None;
        let message = format!("{node}, master of {id}, is to be replaced: {}", record.decision);
        Ok(Some(self.leave_move(at, EventKind::MasterSuspected, id, message, record.clone())))
    }

    fn vacate(
        &mut self,
        at: UnixMs,
        (id, epoch): (ShardId, Epoch),
        record: &MoveRecord,
    ) -> Result<Option<u64>, Rejected> {
        let shard = self.shard_in(id, epoch)?;
        shard.mastership = Mastership::Vacant;
        shard.switchover = None;
        shard.problem = Some(record.decision.clone());
        let message = format!("{id} is without a master: {}", record.decision);
        Ok(Some(self.leave_move(at, EventKind::FailoverRefused, id, message, record.clone())))
    }

    fn change_in_sync(
        &mut self,
        at: UnixMs,
        (id, epoch): (ShardId, Epoch),
        node: NodeId,
        add: bool,
        reason: &str,
    ) -> Result<Option<u64>, Rejected> {
        let shard = self.shard_in(id, epoch)?;
        if !shard.nodes.contains(&node) {
            return Err(Rejected::NotFound(format!("{node} in {id}")));
        }
        if !add && (shard.in_sync.len() == 1 || shard.master() == Some(node)) {
            return Err(Rejected::Conflict(format!("{node} stays: the set keeps its master")));
        }
        let changed = if add { shard.in_sync.insert(node) } else { shard.in_sync.remove(&node) };
        if !changed {
            return Err(Rejected::Conflict(format!("{node} is so already")));
        }
        let (kind, verb) = match add {
            true => (EventKind::InSyncAdded, "joined"),
            false => (EventKind::InSyncRemoved, "left"),
        };
        let message = format!("{node} {verb} the in-sync set of {id}: {reason}");
        Ok(Some(self.leave_event(at, kind, Some(id), message)))
    }

    fn note_data_lost(
        &mut self,
        at: UnixMs,
        (id, epoch): (ShardId, Epoch),
        node: NodeId,
    ) -> Result<Option<u64>, Rejected> {
        let shard = self.shard_in(id, epoch)?;
        let Some(master) = shard.master().filter(|master| *master != node) else {
            return Err(Rejected::Conflict(format!("{id} has no other master than {node}")));
        };
        if shard.in_sync.contains(&node) {
            return Err(Rejected::Conflict(format!("{node} is in the in-sync set of {id}")));
        }
        self.node_mut(node)?.had_data = false;
        let message = format!(
            "the data of {node} is gone; it fetches everything from {master}, master of {id}"
        );
        Ok(Some(self.leave_event(at, EventKind::DataLost, Some(id), message)))
    }

    fn start_switchover(
        &mut self,
        at: UnixMs,
        (id, epoch): (ShardId, Epoch),
        target: NodeId,
        timeout_ms: u64,
    ) -> Result<Option<u64>, Rejected> {
        let event = self.events_made + 1;
        let shard = self.shard_in(id, epoch)?;
        let Some(master) = shard.master() else {
            return Err(Rejected::Conflict(format!("{id} has no master to switch from")));
        };
        if shard.switchover.is_some() {
            return Err(Rejected::Conflict(format!("a switchover of {id} is under way")));
        }
        if master == target {
            return Err(Rejected::Conflict(format!("{target} is master already")));
        }
        if !shard.nodes.contains(&target) {
            return Err(Rejected::NotFound(format!("{target} in {id}")));
        }
        let phase = SwitchoverPhase::CatchUp;
        shard.switchover = Some(Switchover { id: event, target, phase, timeout_ms });
        let message = format!("switchover of {id} from {master} to {target} started");
        Ok(Some(self.leave_event(at, EventKind::SwitchoverStarted, Some(id), message)))
    }

    fn fence_switchover(
        &mut self,
        (id, epoch): (ShardId, Epoch),
        number: u64,
    ) -> Result<Option<u64>, Rejected> {
        let revision = self.revision + 1;
        let shard = self.shard_in(id, epoch)?;
        let switchover = this_switchover(shard, number)?;
        if switchover.phase != SwitchoverPhase::CatchUp {
            return Err(Rejected::Conflict(format!("switchover {number} is fencing already")));
        }
        switchover.phase = SwitchoverPhase::Fence { revision };
        Ok(None)
    }

    fn abort_switchover(
        &mut self,
        at: UnixMs,
        (id, epoch): (ShardId, Epoch),
        number: u64,
        record: &MoveRecord,
    ) -> Result<Option<u64>, Rejected> {
        let shard = self.shard_in(id, epoch)?;
        this_switchover(shard, number)?;
        shard.switchover = None;
        let message = format!("switchover of {id} aborted: {}", record.decision);
        Ok(Some(self.leave_move(at, EventKind::SwitchoverAborted, id, message, record.clone())))
    }

    fn note_discarded(
        &mut self,
        at: UnixMs,
        id: NodeId,
        total: u64,
        last: u64,
    ) -> Result<Option<u64>, Rejected> {
        let node = self.node_mut(id)?;
        if total <= node.discarded_ops {
            return Err(Rejected::Conflict(format!("{id} reported {total} discarded ops before")));
        }
        node.discarded_ops = total;
        let shard = node.shard;
        // The move that this node's ops were lost by is the newest one away from it.
        let moved = self.events.iter_mut().rev().filter(|event| event.shard == Some(shard));
        let mut records = moved.filter_map(|event| event.record.as_mut());
        if let Some(record) = records.find(|r| r.from == Some(id) && r.to.is_some()) {
            record.discarded_ops = Some(last);
        }
        let message =
            format!("{id} set {last} ops aside that the history of {shard} does not hold");
        Ok(Some(self.leave_event(at, EventKind::OpsDiscarded, Some(shard), message)))
    }

    fn complete_move(&mut self, id: u64, timings: &[PhaseTiming]) -> Result<Option<u64>, Rejected> {
        let event = self.events.iter_mut().find(|event| event.id == id);
        let record = event
            .and_then(|event| event.record.as_mut())
            .ok_or_else(|| Rejected::NotFound(format!("event {id}")))?;
        record.timings.extend_from_slice(timings);
        Ok(None)
    }

    /// The shard, if it is still in the epoch that the command was made for.
    fn shard_in(&mut self, id: ShardId, epoch: Epoch) -> Result<&mut Shard, Rejected> {
        let shard = self.shards.get_mut(&id).ok_or_else(|| Rejected::NotFound(id.to_string()))?;
        if shard.epoch != epoch {
            return Err(Rejected::StaleEpoch { current: shard.epoch, found: epoch });
        }
        Ok(shard)
    }

    fn node_mut(&mut self, id: NodeId) -> Result<&mut Node, Rejected> {
        self.nodes.get_mut(&id).ok_or_else(|| Rejected::NotFound(id.to_string()))
    }

    fn leave_event(
        &mut self,
        at: UnixMs,
        kind: EventKind,
        shard: Option<ShardId>,
        message: String,
    ) -> u64 {
        self.events_made += 1;
        let instance =
            shard.and_then(|id| self.shards.get(&id)).map(|shard| shard.instance.clone());
        let id = self.events_made;
        self.events.push_back(Event {
            id,
            at_ms: at,
            kind,
            instance,
            shard,
            message,
            record: None,
        });
        while self.events.len() > EVENTS_COUNT_MAX {
            self.events.pop_front();
        }
        id
    }

    fn leave_move(
        &mut self,
        at: UnixMs,
        kind: EventKind,
        shard: ShardId,
        message: String,
        record: MoveRecord,
    ) -> u64 {
        let id = self.leave_event(at, kind, Some(shard), message);
        let event = self.events.back_mut().expect("an event was just added");
        event.record = Some(record);
        id
    }
}

fn this_switchover(shard: &mut Shard, number: u64) -> Result<&mut Switchover, Rejected> {
    let id = shard.id;
    let wanted = shard.switchover.as_mut().filter(|switchover| switchover.id == number);
    wanted.ok_or_else(|| Rejected::Conflict(format!("switchover {number} of {id} is over")))
}
