//! Compares what is desired with what was seen and says what to commit. Pure: the same input gives the same plan,
//! whoever leads; nothing is remembered between two calls but what is in the arguments.
//!
//! Every command carries the epoch for which it was made, so a plan that comes too late changes nothing.

use base::Tick;

use crate::api::{Cause, ProcessState};
use crate::failover::{self, Rule, Verdict, choose, timing};
use crate::observed::{Observed, SeenNode};
use crate::state::{Command, Mastership, Shard, State, SwitchoverPhase};
use crate::switchover;

/// The next commands, in order.
pub fn decide(desired: &State, observed: &Observed, now: Tick) -> Vec<Command> {
    let mut plan = Vec::new();
    for host in observed.hosts.keys() {
        if !desired.hosts.contains(host) {
            plan.push(Command::JoinHost { host: host.clone() });
        }
    }
    for shard in desired.shards.values() {
        let deleting = desired.instances.get(&shard.instance).is_some_and(|i| i.deleting);
        if !deleting {
            note_facts(desired, observed, shard, &mut plan);
            look_after(desired, observed, shard, now, &mut plan);
        }
    }
    for instance in desired.instances.values().filter(|instance| instance.deleting) {
        let mut nodes = desired.nodes.values().filter(|n| instance.shards.contains(&n.shard));
        let gone = |seen: &SeenNode| seen.process == ProcessState::Removed;
        if nodes.all(|node| observed.nodes.get(&node.id).is_some_and(gone)) {
            plan.push(Command::PurgeInstance { name: instance.name.clone() });
        }
    }
    plan
}

/// Facts that must outlive this leader.
fn note_facts(desired: &State, observed: &Observed, shard: &Shard, plan: &mut Vec<Command>) {
    for id in &shard.nodes {
        let (Some(node), Some(seen)) = (desired.nodes.get(id), observed.nodes.get(id)) else {
            continue;
        };
        if let Some(address) = &seen.address
            && node.address.as_ref() != Some(address)
        {
            plan.push(Command::SetAddress { node: *id, address: address.clone() });
        }
        let Some(state) = &seen.state else { continue };
        if state.opid > 0 && !node.had_data {
            plan.push(Command::NoteData { node: *id });
        }
        if state.discarded_ops > node.discarded_ops {
            let (total, last) = (state.discarded_ops, state.last_discarded_ops);
            plan.push(Command::NoteDiscarded { node: *id, total, last });
        }
    }
}

fn look_after(
    desired: &State,
    observed: &Observed,
    shard: &Shard,
    now: Tick,
    plan: &mut Vec<Command>,
) {
    match shard.mastership {
        Mastership::Vacant => {
            let cause = match shard.epoch.0 {
                0 => Cause::First,
                _ => Cause::ProcessDied,
            };
            replace(desired, observed, shard, cause, "nobody is master", now, plan);
        }
        Mastership::Ending { node, process, cause } => {
            let seen = observed.nodes.get(&node);
            if seen.is_some_and(|seen| seen.process.proves_death_of(process)) {
                let proof = seen.map(|seen| seen.end_of(process)).unwrap_or_default();
                replace(desired, observed, shard, cause, &proof, now, plan);
            } else if observed.leases.have_ended(shard.id, desired.timing.lease_ms, now) {
                replace(desired, observed, shard, cause, "its lease has ended", now, plan);
            }
        }
        Mastership::Held { node, process } => {
            let seen = observed.nodes.get(&node);
            if let Some(seen) = seen.filter(|seen| seen.process.proves_death_of(process)) {
                let proof = seen.end_of(process);
                replace(desired, observed, shard, Cause::ProcessDied, &proof, now, plan);
            } else if let Some((cause, why)) = why_suspect(desired, observed, shard, now) {
                suspect(desired, observed, shard, (cause, why), now, plan);
            } else {
                tend(desired, observed, shard, now, plan);
            }
        }
    }
}

/// The master is certainly gone: names its successor, or says once why there is none.
fn replace(
    desired: &State,
    observed: &Observed,
    shard: &Shard,
    cause: Cause,
    proof: &str,
    now: Tick,
    plan: &mut Vec<Command>,
) {
    let choice = choose(desired, observed, shard, now, Rule::InSync);
    let mut record = failover::record(observed, shard, cause, String::new(), now);
    record.candidates = choice.candidates;
    if let Some(since) = observed.shards.get(&shard.id).and_then(|seen| seen.masterless_since) {
        record.timings.push(timing("choose", now.ms_since(since)));
    }
    match choice.verdict {
        Verdict::Wait(_) => {}
        Verdict::Chosen { node, process } => {
            let chosen = record.candidates.iter().find(|candidate| candidate.node == node);
            let why = match chosen {
                Some(chosen) if chosen.reason == failover::FOLLOWED => "that followed to the end",
                Some(_) | None => "in sync",
            };
            record.decision = format!("{proof}; {node} holds the newest history of those {why}");
            let report = observed.newest_report(desired, node);
            let (shard, from_epoch) = (shard.id, shard.epoch);
            plan.push(Command::Promote { shard, from_epoch, node, process, report, record });
        }
        Verdict::Refused(why) => {
            // Before anything was heard there is nothing to refuse, and a refusal is said once, not every tick.
            let new = shard.epoch.0 == 0;
            let said = shard.mastership == Mastership::Vacant && shard.problem.is_some();
            if !new && !said && all_heard(desired, observed, shard, now) {
                record.decision = format!("{proof}; {why}");
                plan.push(Command::Vacate { shard: shard.id, epoch: shard.epoch, record });
            }
        }
    }
}

/// Each host of the shard has reported to this leader, or had the time to.
fn all_heard(desired: &State, observed: &Observed, shard: &Shard, now: Tick) -> bool {
    let heard = shard.nodes.iter().all(|id| observed.nodes.contains_key(id));
    heard || now.ms_since(observed.leading_since) >= desired.timing.gather_ms
}

/// Signs that the master does not serve although its death is not proven.
fn why_suspect(
    desired: &State,
    observed: &Observed,
    shard: &Shard,
    now: Tick,
) -> Option<(Cause, String)> {
    let master = shard.master()?;
    let host = &desired.nodes.get(&master)?.host;
    let silent_ms = observed.host_silent_ms(host, now);
    if silent_ms >= desired.timing.host_silent_ms {
        let why = format!("nothing was heard of host {host} for {silent_ms} ms");
        return Some((Cause::HostSilent, why));
    }
    let seen = observed.nodes.get(&master)?;
    let unwilling = observed.shards.get(&shard.id).and_then(|seen| seen.unwilling_since);
    if let Some(since) = unwilling.filter(|since| now.ms_since(*since) >= desired.timing.hung_ms) {
        let error = seen.state.as_ref().and_then(|state| state.error.as_deref());
        let ms = now.ms_since(since);
        let why = format!("it has not become master in {ms} ms: {}", error.unwrap_or_default());
        return Some((Cause::MasterHung, why));
    }
    (seen.silent_ms >= desired.timing.hung_ms).then(|| {
        (Cause::MasterHung, format!("it has not answered its agent for {} ms", seen.silent_ms))
    })
}

/// A master that may be alive is given up only for someone who can take over.
fn suspect(
    desired: &State,
    observed: &Observed,
    shard: &Shard,
    (cause, why): (Cause, String),
    now: Tick,
    plan: &mut Vec<Command>,
) {
    let mut others = shard.clone();
    if let Some((node, process)) = shard.mastership.holder() {
        others.mastership = Mastership::Ending { node, process, cause };
    }
    let choice = choose(desired, observed, &others, now, Rule::InSync);
    if !matches!(choice.verdict, Verdict::Refused(_)) {
        let mut record = failover::record(observed, shard, cause, why, now);
        record.candidates = choice.candidates;
        plan.push(Command::Suspect { shard: shard.id, epoch: shard.epoch, cause, record });
    }
}

/// The master is in good standing: keep the in-sync set true, and take the switchover a step further.
fn tend(desired: &State, observed: &Observed, shard: &Shard, now: Tick, plan: &mut Vec<Command>) {
    if observed.live_master(desired, shard, now).is_some() {
        tend_emptied(desired, observed, shard, plan);
        tend_in_sync(desired, observed, shard, now, plan);
        complete_move(observed, shard, now, plan);
    }
    if let Some(switchover) = &shard.switchover {
        plan.extend(switchover::step(desired, observed, shard, switchover, now));
    }
}

/// A replica whose directory was emptied fetches everything from the living master. It leaves the in-sync set before it
/// starts: an empty node that counts as a member could become master of nothing.
fn tend_emptied(desired: &State, observed: &Observed, shard: &Shard, plan: &mut Vec<Command>) {
    let (id, epoch) = (shard.id, shard.epoch);
    for node in shard.nodes.iter().copied().filter(|node| shard.master() != Some(*node)) {
        let had_data = desired.nodes.get(&node).is_some_and(|node| node.had_data);
        if !had_data || !observed.nodes.get(&node).is_some_and(|seen| seen.lost_data) {
            continue;
        }
        if shard.in_sync.contains(&node) {
            let reason = "its data is gone".to_owned();
            plan.push(Command::RemoveInSync { shard: id, epoch, node, reason });
        }
        plan.push(Command::NoteDataLost { shard: id, epoch, node });
    }
}

/// Only under the eyes of a living master: when the master is gone, links are down everywhere, and that must not
/// cost the replicas their right to succeed it.
fn tend_in_sync(
    desired: &State,
    observed: &Observed,
    shard: &Shard,
    now: Tick,
    plan: &mut Vec<Command>,
) {
    let (id, epoch) = (shard.id, shard.epoch);
    // While writes are held nobody can fall behind.
    let is_fencing = |node| {
        shard.switchover.is_some_and(|switchover| {
            switchover.target == node && switchover.phase != SwitchoverPhase::CatchUp
        })
    };
    for node in shard.nodes.iter().copied().filter(|node| shard.master() != Some(*node)) {
        let member = shard.in_sync.contains(&node);
        match observed.why_behind(desired, shard, node, now) {
            None if !member => {
                let reason = "its link is up and its lag is small".to_owned();
                plan.push(Command::AddInSync { shard: id, epoch, node, reason });
            }
            Some(reason) if member && !is_fencing(node) && observed.is_led(desired, shard, now) => {
                let since = observed.nodes.get(&node).and_then(|seen| seen.behind_since);
                let since = since.unwrap_or(observed.leading_since);
                if now.ms_since(since) >= desired.timing.drop_ms {
                    plan.push(Command::RemoveInSync { shard: id, epoch, node, reason });
                }
            }
            None | Some(_) => {}
        }
    }
}

/// The new master serves: completes the record of how it became master.
fn complete_move(observed: &Observed, shard: &Shard, now: Tick, plan: &mut Vec<Command>) {
    let Some(moving) = observed.shards.get(&shard.id).and_then(|seen| seen.moving) else {
        return;
    };
    let state = shard.master().and_then(|node| observed.nodes.get(&node)?.state.as_ref());
    if state.is_some_and(|state| state.endpoint_bound) {
        let timings = vec![
            timing("commit", moving.committed.ms_since(moving.decided)),
            timing("promote and bind the endpoint", now.ms_since(moving.committed)),
        ];
        plan.push(Command::CompleteMove { event: moving.event, timings });
    }
}
