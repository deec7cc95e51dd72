//! What can be looked at.

use axum::Json;
use axum::extract::{Query, State};
use cluster::api::{ClusterStatus, Event, Health, MemberStatus, Status};
use cluster::status::status as status_of;
use serde::Deserialize;

use super::{App, Failure};

pub(super) async fn health(State(app): State<App>) -> Json<Health> {
    let leader = app.controller.consensus.servers().leader_address();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    Json(Health { live: true, ready: leader.is_some(), leader, version })
}

pub(super) async fn cluster(State(app): State<App>) -> Json<ClusterStatus> {
    let servers = app.controller.consensus.servers();
    let leader = servers.leader;
    let member = |(id, address)| MemberStatus { id, address, leader: leader == Some(id) };
    Json(ClusterStatus {
        cluster: app.cluster,
        server: servers.own_id,
        leader,
        term: servers.term,
        members: servers.members.into_iter().map(member).collect(),
    })
}

pub(super) async fn status(State(app): State<App>) -> Result<Json<Status>, Failure> {
    let status = app.controller.with(|state, observed, now| status_of(state, observed, now))?;
    Ok(Json(status))
}

#[derive(Debug, Deserialize)]
pub(super) struct After {
    #[serde(default)]
    after: u64,
}

/// Oldest first.
pub(super) async fn events(
    State(app): State<App>,
    Query(after): Query<After>,
) -> Result<Json<Vec<Event>>, Failure> {
    let events = app.controller.with(|state, _, _| {
        state.events.iter().filter(|event| event.id > after.after).cloned().collect()
    })?;
    Ok(Json(events))
}
