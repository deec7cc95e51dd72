//! Who may become master, and who of them should.
//!
//! Eligible is a node that (1) is a member of the in-sync set of its shard, (2) answers as this node of this shard in
//! this incarnation, (3) holds one consistent history (it is not in the middle of a sync, and not empty where it
//! held data), (4) has a priority. Among the eligible the greatest (epoch, OpID) wins, then the smallest priority,
//! then the smallest number. Nobody is promoted for want of a better one: the shard stays without a master, with the
//! reasons of all candidates on record, until an eligible node appears or a person accepts the loss.
//!
//! Two situations differ in what may be waited for:
//! - *hot*: replicas followed the dead master to its end. Waiting for the master to come back would be the outage
//!   that replicas exist to prevent, even when its next process answers already, since that would have to load its
//!   data first; the best of them is taken at once (with several, after each of them answered
//!   once more, since the last ops may still have been on their way).
//! - *cold*: no candidate follows anybody, because all were restarted. Then any in-sync node, the old master above all,
//!   may hold the longest history: the choice waits until all have answered, but not longer than `gather_ms`.

use base::{NodeId, Position, Tick};

use crate::api::{
    Candidate, Cause, MoveRecord, NodePhase, NodeRole, NodeState, PhaseTiming, ProcessId, Sample,
};
use crate::observed::{Observed, SeenNode};
use crate::state::{Mastership, Shard, State};

/// How long several hot candidates may take to answer once more.
const REANSWER_MS: u64 = 300;

/// Reason of a candidate that can go on where the master ended.
pub(crate) const FOLLOWED: &str = "followed the master";

/// What a choice came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    Chosen {
        node: NodeId,
        process: ProcessId,
    },
    /// Too early to tell; the text says what is waited for.
    Wait(String),
    /// Nobody is eligible.
    Refused(String),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choice {
    pub verdict: Verdict,
    /// Every node of the shard with its verdict, best first.
    pub candidates: Vec<Candidate>,
}

/// Which nodes count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// Members of the in-sync set.
    InSync,
    /// All that hold a consistent history: a person accepted what may be lost.
    AcceptDataLoss,
}

/// One node that passed all tests.
struct Eligible<'a> {
    node: NodeId,
    process: ProcessId,
    state: &'a NodeState,
    seen: &'a SeenNode,
    priority: u32,
}

impl Eligible<'_> {
    /// Followed the master of the current epoch. Being told to is not enough: a former master keeps its place in the
    /// in-sync set, and until it has heard of the new one it lacks all that was written since.
    fn is_hot(&self, shard: &Shard) -> bool {
        self.state.role == NodeRole::Replica
            && self.state.phase == NodePhase::Ready
            && self.state.epoch == shard.epoch
            && self.state.followed == shard.epoch
    }

    fn rank(&self) -> impl Ord + use<> {
        (self.state.position(), std::cmp::Reverse((self.priority, self.node)))
    }
}

/// Chooses a master for a shard whose master is gone or to be replaced. Pure.
pub fn choose(
    desired: &State,
    observed: &Observed,
    shard: &Shard,
    now: Tick,
    rule: Rule,
) -> Choice {
    let mut eligible: Vec<Eligible<'_>> = Vec::new();
    let mut candidates = Vec::new();
    for id in &shard.nodes {
        let verdict = examine(desired, observed, shard, *id, now, rule);
        let mut candidate = describe(desired, observed, *id);
        match verdict {
            Ok(node) => {
                candidate.eligible = true;
                let reason = match (node.state.role, node.state.phase) {
                    (NodeRole::Replica, _) if node.is_hot(shard) => FOLLOWED,
                    (NodeRole::Replica, _) => "waits for its master",
                    (NodeRole::Master, _) => "is the present master",
                    (NodeRole::None, _) => "waits for a role",
                };
                candidate.reason = reason.to_owned();
                eligible.push(node);
            }
            Err(reason) => candidate.reason = reason,
        }
        candidates.push(candidate);
    }
    // One that followed serves at once. One that came back must load first, and what it holds in addition is what an
    // asynchronous class may lose; it is set aside and counted.
    let best = eligible.iter().max_by_key(|node| (node.is_hot(shard), node.rank()));
    candidates.sort_by_key(|c| (best.is_none_or(|best| best.node != c.node), !c.eligible, c.node));
    let verdict = match best {
        Some(best) => match what_to_wait_for(desired, observed, shard, &eligible, best, now) {
            Some(what) if rule == Rule::InSync => Verdict::Wait(what),
            _ => Verdict::Chosen { node: best.node, process: best.process },
        },
        None => Verdict::Refused(refusal(&candidates)),
    };
    Choice { verdict, candidates }
}

fn refusal(candidates: &[Candidate]) -> String {
    let reasons: Vec<String> =
        candidates.iter().map(|c| format!("{}: {}", c.node, c.reason)).collect();
    format!("no node is eligible ({})", reasons.join("; "))
}

/// Tests one node; the error says why it is not eligible.
fn examine<'a>(
    desired: &State,
    observed: &'a Observed,
    shard: &Shard,
    id: NodeId,
    now: Tick,
    rule: Rule,
) -> Result<Eligible<'a>, String> {
    let node = desired.nodes.get(&id).ok_or("it is not known")?;
    if rule == Rule::InSync && !shard.in_sync.contains(&id) {
        return Err("it is not in the in-sync set".into());
    }
    if node.priority == 0 {
        return Err("its priority is 0".into());
    }
    let seen = observed.nodes.get(&id).ok_or("nothing was heard of it")?;
    if seen.lost_data {
        return Err("its data is gone".into());
    }
    let Some(process) = seen.process.running() else {
        return Err("its process does not run".into());
    };
    if let Mastership::Ending { node, process: ending, .. } = shard.mastership
        && (node, ending) == (id, process)
    {
        return Err("it is the master that is to be replaced".into());
    }
    let Some(state) = observed.live_state(desired, id, now) else {
        return Err(seen.error.clone().unwrap_or_else(|| "it does not answer".into()));
    };
    if state.epoch > shard.epoch || state.opid_epoch > shard.epoch {
        return Err(format!("it knows of an epoch after {}", shard.epoch));
    }
    if node.had_data && state.opid == 0 {
        return Err("it is empty although it held data".into());
    }
    // A replica that only waits for its master, or loads, holds on disk what made it a member. Without it a master that
    // dies before its replicas reached it would leave a shard in which nobody may lead, for ever.
    if state.role == NodeRole::Replica && state.phase == NodePhase::Syncing {
        return Err("it has not completed its sync".into());
    }
    Ok(Eligible { node: id, process, state, seen, priority: node.priority })
}

fn what_to_wait_for(
    desired: &State,
    observed: &Observed,
    shard: &Shard,
    eligible: &[Eligible<'_>],
    best: &Eligible<'_>,
    now: Tick,
) -> Option<String> {
    let since =
        observed.shards.get(&shard.id).and_then(|seen| seen.masterless_since).unwrap_or(now);
    let waited_ms = now.ms_since(since);
    if best.is_hot(shard) {
        let hot: Vec<_> = eligible.iter().filter(|node| node.is_hot(shard)).collect();
        let late = hot.iter().find(|node| node.seen.answered_at <= since);
        let may_wait = hot.len() > 1 && waited_ms < REANSWER_MS;
        return late.filter(|_| may_wait).map(|late| format!("{} to answer once more", late.node));
    }
    // A node whose data is gone will not answer, and would have nothing to say.
    let is_known = |id: &&NodeId| {
        observed.live_state(desired, **id, now).is_some()
            || observed.nodes.get(id).is_some_and(|seen| seen.lost_data)
    };
    let missing = shard.in_sync.iter().find(|id| !is_known(id))?;
    (waited_ms < desired.timing.gather_ms)
        .then(|| format!("{missing}, which is in sync, to answer after the restart"))
}

/// What is known of a node, for the record.
fn describe(desired: &State, observed: &Observed, id: NodeId) -> Candidate {
    let node = desired.nodes.get(&id);
    let state = observed.nodes.get(&id).and_then(|seen| seen.state.as_ref());
    Candidate {
        node: id,
        host: node.map(|node| node.host.clone()).unwrap_or_default(),
        position: state.map(NodeState::position).filter(|p| *p != Position::default()),
        lag_ms: state.and_then(|state| state.link.as_ref()).map(|link| link.lag_ms),
        priority: node.map_or(0, |node| node.priority),
        eligible: false,
        reason: String::new(),
    }
}

/// What was last seen of each node of the shard, for the record.
pub fn samples(observed: &Observed, shard: &Shard, now: Tick) -> Vec<Sample> {
    let sample = |id: &NodeId| match observed.nodes.get(id) {
        None => Sample { node: *id, seen: "nothing".into(), age_ms: None },
        Some(seen) => {
            Sample { node: *id, seen: seen.describe(), age_ms: Some(now.ms_since(seen.at)) }
        }
    };
    shard.nodes.iter().map(sample).collect()
}

/// The record of a move of the mastership of `shard`, not yet decided.
pub fn record(
    observed: &Observed,
    shard: &Shard,
    cause: Cause,
    decision: String,
    now: Tick,
) -> MoveRecord {
    MoveRecord {
        cause,
        from: shard.mastership.holder().map(|(node, _)| node),
        from_epoch: shard.epoch,
        to: None,
        to_epoch: None,
        decision,
        samples: samples(observed, shard, now),
        candidates: Vec::new(),
        timings: Vec::new(),
        discarded_ops: None,
    }
}

/// One line of a record's timings.
pub fn timing(phase: &str, ms: u64) -> PhaseTiming {
    PhaseTiming { phase: phase.to_owned(), ms }
}
