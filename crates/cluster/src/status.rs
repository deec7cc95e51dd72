//! Lays what is desired and what was seen side by side, for people.

use base::{NodeId, Tick};

use crate::api::{
    HostStatus, InstanceStatus, NodePhase, NodeRole, NodeStatus, ShardStatus, StateWord, Status,
};
use crate::observed::{FRESH_MS, Lag, Observed, SeenNode};
use crate::state::{Shard, State, SwitchoverPhase};

pub fn status(desired: &State, observed: &Observed, now: Tick) -> Status {
    let instances = desired.instances.values().map(|instance| InstanceStatus {
        name: instance.name.clone(),
        edition: instance.edition,
        endpoint: instance.endpoint.clone(),
        shards: instance
            .shards
            .iter()
            .filter_map(|id| desired.shards.get(id))
            .map(|shard| shard_status(desired, observed, shard, now))
            .collect(),
        deleting: instance.deleting,
    });
    let hosts = desired.hosts.iter().map(|host| HostStatus {
        name: host.clone(),
        silent_ms: observed.hosts.get(host).map(|seen| now.ms_since(seen.at)),
        agent_pid: observed.hosts.get(host).map(|seen| seen.agent.pid),
    });
    Status { instances: instances.collect(), hosts: hosts.collect(), revision: desired.revision }
}

fn shard_status(desired: &State, observed: &Observed, shard: &Shard, now: Tick) -> ShardStatus {
    let switchover = shard.switchover.map(|switchover| match switchover.phase {
        SwitchoverPhase::CatchUp => format!("{} catches up", switchover.target),
        SwitchoverPhase::Fence { .. } => format!("writes are held for {}", switchover.target),
    });
    ShardStatus {
        id: shard.id,
        epoch: shard.epoch,
        master: shard.master(),
        nodes: shard
            .nodes
            .iter()
            .map(|id| node_status(desired, observed, shard, *id, now))
            .collect(),
        switchover,
        problem: shard.problem.clone(),
    }
}

fn node_status(
    desired: &State,
    observed: &Observed,
    shard: &Shard,
    id: NodeId,
    now: Tick,
) -> NodeStatus {
    let seen = observed.nodes.get(&id);
    let state = seen.and_then(|seen| seen.state.as_ref());
    let is_master = shard.master() == Some(id);
    let lag = if is_master { Lag::default() } else { observed.lag(desired, shard, id, now) };
    let error = seen.and_then(|seen| seen.error.clone());
    NodeStatus {
        id,
        role: if is_master { "master" } else { "replica" }.to_owned(),
        pid: seen.and_then(|seen| seen.process.running()).map(|process| process.pid),
        address: desired.nodes.get(&id).and_then(|node| node.address.clone()),
        opid: state.map_or(0, |state| state.opid),
        lag_ops: lag.ops,
        lag_ms: lag.ms,
        in_sync: shard.in_sync.contains(&id),
        state: word(desired, observed, shard, id, now),
        host: desired.nodes.get(&id).map(|node| node.host.clone()).unwrap_or_default(),
        epoch: state.map(|state| state.epoch).unwrap_or_default(),
        phase_percent: state.map_or(0, |state| state.phase_percent),
        discarded_ops: state.map_or(0, |state| state.discarded_ops),
        last_discarded_ops: state.map_or(0, |state| state.last_discarded_ops),
        endpoint_bound: state.is_some_and(|state| state.endpoint_bound),
        error: error.or_else(|| state.and_then(|state| state.error.clone())),
    }
}

fn word(desired: &State, observed: &Observed, shard: &Shard, id: NodeId, now: Tick) -> StateWord {
    let Some(seen) = observed.nodes.get(&id) else { return StateWord::Starting };
    let host = desired.nodes.get(&id).map(|node| node.host.as_str()).unwrap_or_default();
    if observed.host_silent_ms(host, now) > FRESH_MS {
        return StateWord::Down;
    }
    if seen.process.running().is_none() {
        return if shard.epoch.0 == 0 { StateWord::Starting } else { StateWord::Down };
    }
    let Some(state) = &seen.state else { return StateWord::Starting };
    if is_hung(desired, seen) {
        return StateWord::Down;
    }
    if state.fenced {
        return StateWord::Fenced;
    }
    match (state.role, state.phase) {
        (NodeRole::None, NodePhase::Waiting) => StateWord::Starting,
        (_, NodePhase::Waiting | NodePhase::Loading) => StateWord::Loading,
        (_, NodePhase::Syncing) => StateWord::Syncing,
        (NodeRole::Master, NodePhase::Ready) => StateWord::InSync,
        (NodeRole::None | NodeRole::Replica, NodePhase::Ready) => {
            match observed.why_behind(desired, shard, id, now) {
                None if shard.in_sync.contains(&id) => StateWord::InSync,
                None | Some(_) => StateWord::Lagging,
            }
        }
    }
}

/// Silent for longer than a node may be when it must act.
fn is_hung(desired: &State, seen: &SeenNode) -> bool {
    seen.silent_ms >= desired.timing.lease_ms
}
