//! The controller: on the leader, turns what agents report into commands, and commands into orders.
//!
//! ```text
//!   report --accept--> Observed --decide (pure)--> commands --Raft--> State --orders (pure)--> answer
//!             tick ------^
//! ```
//!
//! Invariants
//! - Only a leader whose state is the newest remembers and decides. It starts with nothing observed at each
//!   election, and forgets everything when it no longer leads.
//! - The memory's lock is never held across an await; what may have changed meanwhile is caught by the epoch in
//!   each command.
//! - A lease is noted in the memory before the answer that carries it leaves, and only while a majority
//!   certainly follows this leader.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::{ClusterId, Tick};
use cluster::api::{ApiError, ErrorCode, HostReport, LeaseGrant};
use cluster::lease;
use cluster::observed::{Moving, Observed, ReportRefused};
use cluster::reconcile::decide;
use cluster::state::{Applied, Command, State};

use crate::clock;
use crate::consensus::{Consensus, ProposeError};

/// How often time alone is looked at.
const TICK: Duration = Duration::from_millis(50);
/// A tick that comes so late shows that this process did not run: nothing is concluded from that time.
const PAUSE_MS: u64 = 500;
/// Decisions that may follow from each other in one step.
const ROUNDS_MAX: usize = 8;
/// How long a new leader may take to confirm that its state is the newest, before it tries again.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Controller {
    pub(crate) consensus: Consensus,
    cluster: ClusterId,
    leading: Mutex<Option<Leading>>,
    /// One step at a time: two would commit the same decision twice.
    stepping: tokio::sync::Mutex<()>,
}

/// The memory of a leader.
#[derive(Debug)]
struct Leading {
    term: u64,
    observed: Observed,
    /// When it was last looked at; that happens many times a second unless this process is stopped.
    looked: Tick,
}

impl Leading {
    /// Called before every look: a look right after a pause must not conclude anything from the time that passed.
    fn wake(&mut self, now: Tick) {
        let pause_ms = now.ms_since(self.looked);
        if pause_ms > PAUSE_MS {
            tracing::warn!(pause_ms, "this process was paused");
            self.observed.forgive_pause(now);
        }
        self.looked = now;
    }
}

impl Controller {
    pub(crate) fn new(consensus: Consensus, cluster: ClusterId) -> Arc<Controller> {
        let stepping = tokio::sync::Mutex::new(());
        Arc::new(Controller { consensus, cluster, leading: Mutex::new(None), stepping })
    }

    /// Follows the leadership and the clock until it is dropped.
    pub(crate) async fn run(self: Arc<Controller>) {
        let mut servers = self.consensus.watch_servers();
        loop {
            self.follow_leadership().await;
            self.step_here().await;
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = servers.changed() => {}
            }
        }
    }

    async fn follow_leadership(&self) {
        let servers = self.consensus.servers();
        if servers.leader != Some(servers.own_id) {
            if self.memory().take().is_some() {
                tracing::info!(term = servers.term, "no longer leader");
            }
            return;
        }
        if self.memory().as_ref().is_some_and(|leading| leading.term == servers.term) {
            return;
        }
        let confirm = self.consensus.leads_with_newest_state();
        if let Ok(true) = tokio::time::timeout(CONFIRM_TIMEOUT, confirm).await {
            tracing::info!(term = servers.term, "leader");
            let looked = clock::tick();
            let observed = Observed::new(looked);
            *self.memory() = Some(Leading { term: servers.term, observed, looked });
        }
    }

    fn memory(&self) -> MutexGuard<'_, Option<Leading>> {
        self.leading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `look` on the newest state and what was observed, if this server leads.
    pub(crate) fn with<T>(
        &self,
        look: impl FnOnce(&State, &mut Observed, Tick) -> T,
    ) -> Result<T, ApiError> {
        let mut memory = self.memory();
        let Some(leading) = &mut *memory else {
            drop(memory);
            return Err(self.not_leading());
        };
        // Read under the lock, so that whoever holds it later sees no older state.
        let state = self.consensus.state();
        let now = clock::tick();
        leading.wake(now);
        Ok(look(&state, &mut leading.observed, now))
    }

    /// Whom to ask instead.
    pub(crate) fn not_leading(&self) -> ApiError {
        let servers = self.consensus.servers();
        let other = servers.leader.filter(|leader| *leader != servers.own_id);
        match (other, servers.leader_address()) {
            (Some(_), Some(address)) => {
                let mut error =
                    ApiError::new(ErrorCode::NotLeader, format!("the leader is {address}"));
                error.leader = Some(address);
                error
            }
            _ => ApiError::new(ErrorCode::NoLeader, "the config servers have no leader at present")
                .hint("an election takes about a second; ask again"),
        }
    }

    /// Takes in a report; the instant is that of its arrival.
    pub(crate) fn accept(&self, report: &HostReport) -> Result<Tick, ApiError> {
        let accepted = self.with(|state, observed, now| {
            observed.accept(self.cluster, state, report, now).map(|()| now)
        })?;
        accepted.map_err(|refused| {
            let code = match refused {
                ReportRefused::ForeignCluster { .. } => ErrorCode::ForeignCluster,
                ReportRefused::Superseded(_) | ReportRefused::OutOfOrder => ErrorCode::Stale,
            };
            ApiError::new(code, refused.to_string())
        })
    }

    /// Decides and commits until there is nothing left to decide. In a task of its own, because a request ends when its
    /// client hangs up, and a step must not end between a commit and the note of it.
    pub(crate) async fn step(self: &Arc<Controller>) {
        let controller = Arc::clone(self);
        if let Err(error) = tokio::spawn(async move { controller.step_here().await }).await {
            tracing::error!(%error, "a step of the controller failed");
        }
    }

    async fn step_here(&self) {
        let _one_at_a_time = self.stepping.lock().await;
        for _ in 0..ROUNDS_MAX {
            let plan = self.with(|state, observed, now| {
                observed.refresh(state, now);
                (decide(state, observed, now), now)
            });
            let Ok((plan, decided)) = plan else { return };
            if plan.is_empty() {
                return;
            }
            let mut any_applied = false;
            for command in plan {
                match self.commit_at(&command, decided).await {
                    Ok(_) => any_applied = true,
                    Err(ProposeError::Rejected(rejected)) => {
                        tracing::debug!(%rejected, ?command, "came too late");
                    }
                    Err(error @ (ProposeError::NotLeader(_) | ProposeError::Unknown(_))) => {
                        tracing::warn!(%error, ?command, "not committed");
                        return;
                    }
                }
            }
            if !any_applied {
                return;
            }
        }
    }

    /// Commits a command that a person asked for.
    pub(crate) async fn commit(&self, command: &Command) -> Result<Applied, ProposeError> {
        self.commit_at(command, clock::tick()).await
    }

    async fn commit_at(&self, command: &Command, decided: Tick) -> Result<Applied, ProposeError> {
        let applied = self.consensus.propose(command.clone()).await?;
        self.note(command, &applied, decided);
        Ok(applied)
    }

    /// Remembers what the leader alone needs of a command that was committed.
    fn note(&self, command: &Command, applied: &Applied, decided: Tick) {
        let noted = self.with(|state, observed, now| {
            match (command, applied.event) {
                (Command::Promote { shard, .. }, Some(event)) => {
                    let moving = Moving { event, decided, committed: now };
                    observed.shards.entry(*shard).or_default().moving = Some(moving);
                }
                (Command::CompleteMove { event, .. }, _) => {
                    for shard in observed.shards.values_mut() {
                        shard.moving = shard.moving.filter(|moving| moving.event != *event);
                    }
                }
                _ => {}
            }
            if let Some(event) = applied.event.and_then(|id| state.event(id)) {
                tracing::info!(event = event.id, "{}", event.message);
            }
        });
        if noted.is_err() {
            tracing::debug!("the leadership ended while a command was committed");
        }
    }

    /// Leases for the nodes of `host`.
    pub(crate) async fn grant_leases(&self, host: &str) -> Vec<LeaseGrant> {
        if !self.consensus.certainly_leads().await {
            return Vec::new();
        }
        let granted = self.with(|state, observed, now| {
            let grants = lease::grants(state, observed, host, now);
            for grant in &grants {
                if let Some(shard) = state.shard_of(grant.node) {
                    observed.leases.note(shard.id, grant.epoch, now);
                }
            }
            grants
        });
        granted.unwrap_or_default()
    }
}
