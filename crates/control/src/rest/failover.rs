//! `POST /v1/instances/{name}/failover`: moves the mastership because a person asked for it.
//!
//! With a living master this is a switchover. Without one the controller is at work already, and the request
//! waits for it; only `accept_data_loss` lets a person go further than the controller may.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use base::{NodeId, ShardId, Tick};
use cluster::api::{
    ApiError, Cause, ErrorCode, Event, EventKind, FailoverOutcome, FailoverRequest,
};
use cluster::failover::{Rule, Verdict, choose, record};
use cluster::observed::Observed;
use cluster::state::{Command, Mastership, Shard, State as Desired};
use cluster::switchover::{TIMEOUT_DEFAULT_MS, TIMEOUT_MAX_MS};

use super::instances::no_instance;
use super::{App, Failure, not_proposed, parse};

/// What a switchover may take beyond the time for catching up: fence, election of a config leader, commit.
const GRACE: Duration = Duration::from_secs(5);

/// What has to be done for a request.
enum Step {
    /// Commit this, then wait for the end of the story that begins with its event.
    Commit(Box<Command>),
    /// A story that began with this event is under way: wait for its end.
    Join(u64),
}

pub(super) async fn failover(
    State(app): State<App>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<FailoverOutcome>, Failure> {
    let request: FailoverRequest =
        if body.is_empty() { FailoverRequest::default() } else { parse(&body)? };
    let timeout_ms = request.timeout_ms.unwrap_or(TIMEOUT_DEFAULT_MS);
    if timeout_ms > TIMEOUT_MAX_MS {
        let text = format!("timeout_ms: at most {TIMEOUT_MAX_MS}");
        return Err(ApiError::new(ErrorCode::Invalid, text).into());
    }
    let (shard, step) = app.controller.with(|state, observed, now| {
        let instance = state.instances.get(&name).ok_or_else(|| no_instance(&name))?;
        let id = instance.shards.first().copied();
        let shard = id.and_then(|id| state.shards.get(&id)).ok_or_else(|| no_instance(&name))?;
        first_step(state, observed, shard, &request, timeout_ms, now).map(|step| (shard.id, step))
    })??;
    let began = match step {
        Step::Join(event) => event,
        Step::Commit(command) => {
            let is_final = matches!(*command, Command::Promote { .. });
            let applied = app.controller.commit(&command).await;
            let event = applied.map_err(|error| not_proposed(&app, error))?.event.unwrap_or(0);
            // The end of the story may be its beginning.
            if is_final { event.saturating_sub(1) } else { event }
        }
    };
    app.controller.step().await;
    let deadline = Duration::from_millis(timeout_ms) + GRACE;
    let event = match tokio::time::timeout(deadline, end_of(&app, shard, began)).await {
        Ok(event) => event?,
        Err(_) => return Err(not_in_time(&app, shard).into()),
    };
    let state = app.controller.consensus.state();
    let now = state.shards.get(&shard);
    match event.kind {
        EventKind::FailoverRefused => {
            Err(ApiError::new(ErrorCode::NotEligible, event.message).hint(LOSS_HINT).into())
        }
        EventKind::SwitchoverAborted => Err(ApiError::new(ErrorCode::Timeout, event.message)
            .hint("the old master goes on; nothing was lost")
            .into()),
        _ => Ok(Json(FailoverOutcome {
            instance: name,
            shard,
            master: now.and_then(Shard::master),
            epoch: now.map_or(0, |shard| shard.epoch.0),
            event,
        })),
    }
}

const LOSS_HINT: &str =
    "start a node of the in-sync set, or accept the loss of what it holds with accept_data_loss";

fn first_step(
    state: &Desired,
    observed: &Observed,
    shard: &Shard,
    request: &FailoverRequest,
    timeout_ms: u64,
    now: Tick,
) -> Result<Step, ApiError> {
    if let Some(target) = request.target
        && !shard.nodes.contains(&target)
    {
        let text = format!("{target} is not a node of instance {}", shard.instance);
        return Err(ApiError::new(ErrorCode::NotFound, text));
    }
    if let Some(switchover) = shard.switchover {
        if request.target.is_none_or(|target| target == switchover.target) {
            return Ok(Step::Join(switchover.id));
        }
        let text = format!("a switchover to {} is under way", switchover.target);
        return Err(ApiError::new(ErrorCode::Conflict, text));
    }
    match shard.mastership {
        Mastership::Held { node: master, .. }
            if observed.live_master(state, shard, now).is_some() =>
        {
            let target = switchover_target(state, observed, shard, request.target, master, now)?;
            let (shard, epoch) = (shard.id, shard.epoch);
            Ok(Step::Commit(Box::new(Command::StartSwitchover {
                shard,
                epoch,
                target,
                timeout_ms,
            })))
        }
        Mastership::Vacant if request.accept_data_loss => {
            force(state, observed, shard, request.target, now)
        }
        Mastership::Vacant if shard.problem.is_some() => {
            let problem = shard.problem.clone().unwrap_or_default();
            Err(ApiError::new(ErrorCode::NotEligible, problem).hint(LOSS_HINT))
        }
        // The controller is about to act.
        Mastership::Vacant | Mastership::Held { .. } | Mastership::Ending { .. } => {
            Ok(Step::Join(state.events_made))
        }
    }
}

fn switchover_target(
    state: &Desired,
    observed: &Observed,
    shard: &Shard,
    asked: Option<NodeId>,
    master: NodeId,
    now: Tick,
) -> Result<NodeId, ApiError> {
    if asked == Some(master) {
        let text = format!("{master} is the master already");
        return Err(ApiError::new(ErrorCode::Conflict, text));
    }
    if let Some(target) = asked {
        return Ok(target);
    }
    // As if the present master were not there.
    let mut others = shard.clone();
    others.in_sync.remove(&master);
    match choose(state, observed, &others, now, Rule::InSync).verdict {
        Verdict::Chosen { node, .. } => Ok(node),
        Verdict::Wait(what) => Err(ApiError::new(
            ErrorCode::NotEligible,
            format!("no replica is ready: waits for {what}"),
        )),
        Verdict::Refused(why) => {
            Err(ApiError::new(ErrorCode::NotEligible, why).hint("wait until a replica is in sync"))
        }
    }
}

/// Promotes what is left, because a person said so.
fn force(
    state: &Desired,
    observed: &Observed,
    shard: &Shard,
    target: Option<NodeId>,
    now: Tick,
) -> Result<Step, ApiError> {
    let mut wanted = shard.clone();
    if let Some(target) = target {
        wanted.nodes.retain(|node| *node == target);
    }
    let choice = choose(state, observed, &wanted, now, Rule::AcceptDataLoss);
    let Verdict::Chosen { node, process } = choice.verdict else {
        let why = match choice.verdict {
            Verdict::Refused(why) | Verdict::Wait(why) => why,
            Verdict::Chosen { .. } => String::new(),
        };
        return Err(ApiError::new(ErrorCode::NotEligible, why));
    };
    let decision = format!("a person accepted the loss of what {node} does not hold");
    let mut record = record(observed, shard, Cause::Forced, decision, now);
    record.candidates = choice.candidates;
    let report = observed.newest_report(state, node);
    let (shard, from_epoch) = (shard.id, shard.epoch);
    Ok(Step::Commit(Box::new(Command::Promote {
        shard,
        from_epoch,
        node,
        process,
        report,
        record,
    })))
}

/// Waits for the event that ends what began with event `began`.
async fn end_of(app: &App, shard: ShardId, began: u64) -> Result<Event, ApiError> {
    let is_end = |event: &&Event| {
        event.id > began
            && event.shard == Some(shard)
            && matches!(
                event.kind,
                EventKind::MasterNamed
                    | EventKind::Failover
                    | EventKind::FailoverRefused
                    | EventKind::Switchover
                    | EventKind::SwitchoverAborted
            )
    };
    let mut watch = app.controller.consensus.watch();
    loop {
        let found = watch.borrow_and_update().events.iter().find(is_end).cloned();
        if let Some(event) = found {
            return Ok(event);
        }
        if watch.changed().await.is_err() {
            return Err(ApiError::new(ErrorCode::NoLeader, "the config server stops"));
        }
    }
}

fn not_in_time(app: &App, shard: ShardId) -> ApiError {
    let state = app.controller.consensus.state();
    let problem = state.shards.get(&shard).and_then(|shard| shard.problem.clone());
    let why = problem.unwrap_or_else(|| "it is still under way".into());
    ApiError::new(ErrorCode::Timeout, format!("{shard} has no new master yet: {why}"))
        .hint("`pollux events` tells how it ends")
}
