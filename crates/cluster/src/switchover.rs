//! The planned change of a master: no acknowledged write is lost in any durability class.
//!
//! ```text
//!   catch up            fence                          commit epoch e+1
//!   target's lag    ->  master holds writes,      ->   target is master, old master follows
//!   gets small          no lease; target drains
//!        |                    |
//!        +--- too late -------+--> abort: the old master goes on as if nothing had been
//! ```
//!
//! Why no write can slip through. From the commit of the fence on the leader grants no lease, so the master's last lease
//! ends at most `lease_ms` later; the fence at the node lasts [`fence_timeout_ms`], which is longer. So between fence and
//! either outcome the node is fenced, or without a lease, or both, whatever happens to the messages, the agent or
//! the leader. Abort and promotion are entries of one Raft log for the same epoch: only the first of them applies.
//! The master's position counts only when its answer was asked for after the fence order had been carried out, so a
//! left-over answer from an earlier switchover proves nothing.

use base::{NodeId, Tick};

use crate::api::{Cause, NodePhase, NodeRole, ProcessId};
use crate::failover;
use crate::observed::Observed;
use crate::state::{Command, Shard, State, Switchover, SwitchoverPhase, Timing};

/// Lag at which writes are fenced: what is left drains in about this time.
const FENCE_LAG_MS_MAX: u64 = 500;
/// How much longer than a lease a node keeps the fence without hearing more.
const FENCE_BEYOND_LEASE_MS: u64 = 1000;
/// Catching up may take this long unless the request says otherwise.
pub const TIMEOUT_DEFAULT_MS: u64 = 10_000;
/// The longest wait that a request may ask for.
pub const TIMEOUT_MAX_MS: u64 = 600_000;

/// How long a fenced node holds writes before it takes them again by itself (if it has a lease, that is).
pub fn fence_timeout_ms(timing: &Timing) -> u64 {
    timing.lease_ms + FENCE_BEYOND_LEASE_MS
}

/// The next step of the switchover that is under way, or `None` while there is something to wait for. The caller has
/// looked at the master first: one that lost its process is a case for failover.
pub fn step(
    desired: &State,
    observed: &Observed,
    shard: &Shard,
    switchover: &Switchover,
    now: Tick,
) -> Option<Command> {
    let clock = observed.shards.get(&shard.id).and_then(|seen| seen.switchover);
    let waited_ms = clock.map_or(0, |(_, _, since)| now.ms_since(since));
    let target = match target_process(observed, switchover.target) {
        Some(target) => target,
        None if observed.nodes.contains_key(&switchover.target) => {
            return Some(abort(observed, shard, switchover, "the target's process ended", now));
        }
        None => return None,
    };
    match switchover.phase {
        SwitchoverPhase::CatchUp => {
            match why_not_caught_up(desired, observed, shard, switchover, now) {
                None => Some(Command::FenceSwitchover {
                    shard: shard.id,
                    epoch: shard.epoch,
                    id: switchover.id,
                }),
                Some(why) if waited_ms >= switchover.timeout_ms => {
                    let text = format!("the target did not catch up in {waited_ms} ms: {why}");
                    Some(abort(observed, shard, switchover, &text, now))
                }
                Some(_) => None,
            }
        }
        SwitchoverPhase::Fence { revision } => {
            match why_not_drained(desired, observed, shard, switchover, revision, now) {
                None => Some(promote(desired, observed, shard, switchover, target, now)),
                Some(why) if waited_ms >= desired.timing.fence_ms => {
                    let text = format!("writes were held for {waited_ms} ms: {why}");
                    Some(abort(observed, shard, switchover, &text, now))
                }
                Some(_) => None,
            }
        }
    }
}

fn target_process(observed: &Observed, target: NodeId) -> Option<ProcessId> {
    observed.nodes.get(&target)?.process.running()
}

fn why_not_caught_up(
    desired: &State,
    observed: &Observed,
    shard: &Shard,
    switchover: &Switchover,
    now: Tick,
) -> Option<String> {
    if observed.live_master(desired, shard, now).is_none() {
        return Some("the master does not answer".into());
    }
    if !shard.in_sync.contains(&switchover.target) {
        return Some("it is not in the in-sync set".into());
    }
    if let Some(why) = observed.why_behind(desired, shard, switchover.target, now) {
        return Some(why);
    }
    let state = observed.live_state(desired, switchover.target, now)?;
    let lag_ms = state.link.as_ref().map_or(0, |link| link.lag_ms);
    (lag_ms > FENCE_LAG_MS_MAX).then(|| format!("it lags {lag_ms} ms"))
}

fn why_not_drained(
    desired: &State,
    observed: &Observed,
    shard: &Shard,
    switchover: &Switchover,
    revision: u64,
    now: Tick,
) -> Option<String> {
    let Some(master) = observed.live_master(desired, shard, now) else {
        return Some("the master does not answer".into());
    };
    let seen = shard.master().and_then(|id| observed.nodes.get(&id));
    if !master.fenced || seen.is_none_or(|seen| seen.revision < revision) {
        return Some("the master has not held its writes yet".into());
    }
    // It may have left the set in the same breath in which writes were fenced.
    if !shard.in_sync.contains(&switchover.target) {
        return Some("the target is not in the in-sync set".into());
    }
    let Some(target) = observed.live_state(desired, switchover.target, now) else {
        return Some("the target does not answer".into());
    };
    let follows = target.role == NodeRole::Replica
        && target.phase == NodePhase::Ready
        && target.epoch == shard.epoch;
    if !follows {
        return Some("the target does not follow the master any more".into());
    }
    (target.position() != master.position()).then(|| {
        format!("the target is at {}, the master at {}", target.position(), master.position())
    })
}

fn promote(
    desired: &State,
    observed: &Observed,
    shard: &Shard,
    switchover: &Switchover,
    process: ProcessId,
    now: Tick,
) -> Command {
    let at = observed
        .live_state(desired, switchover.target, now)
        .map(|state| state.position().to_string())
        .unwrap_or_default();
    let decision = format!("the old master holds writes and both stand at {at}");
    let mut record = failover::record(observed, shard, Cause::Requested, decision, now);
    record.candidates =
        failover::choose(desired, observed, shard, now, failover::Rule::InSync).candidates;
    record.discarded_ops = Some(0);
    if let Some((_, _, since)) = observed.shards.get(&shard.id).and_then(|seen| seen.switchover) {
        record.timings.push(failover::timing("fence and drain", now.ms_since(since)));
    }
    Command::Promote {
        shard: shard.id,
        from_epoch: shard.epoch,
        node: switchover.target,
        process,
        report: observed.newest_report(desired, switchover.target),
        record,
    }
}

fn abort(
    observed: &Observed,
    shard: &Shard,
    switchover: &Switchover,
    why: &str,
    now: Tick,
) -> Command {
    let record = failover::record(observed, shard, Cause::Requested, why.to_owned(), now);
    Command::AbortSwitchover { shard: shard.id, epoch: shard.epoch, id: switchover.id, record }
}
