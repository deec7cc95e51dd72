//! Instances: create, show, delete.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use cluster::api::{ApiError, CreateInstance, ErrorCode, InstanceStatus, InstanceSummary};
use cluster::state::Command;
use cluster::status::status;

use super::{App, Failure, not_proposed, parse};

pub(super) async fn list(State(app): State<App>) -> Result<Json<Vec<InstanceStatus>>, Failure> {
    let status = app.controller.with(|state, observed, now| status(state, observed, now))?;
    Ok(Json(status.instances))
}

pub(super) async fn show(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<InstanceStatus>, Failure> {
    Ok(Json(find(&app, &name)?))
}

fn find(app: &App, name: &str) -> Result<InstanceStatus, ApiError> {
    let status = app.controller.with(|state, observed, now| status(state, observed, now))?;
    let found = status.instances.into_iter().find(|instance| instance.name == name);
    found.ok_or_else(|| no_instance(name))
}

pub(super) fn no_instance(name: &str) -> ApiError {
    ApiError::new(ErrorCode::NotFound, format!("there is no instance {name:?}"))
}

pub(super) async fn create(
    State(app): State<App>,
    body: Bytes,
) -> Result<(StatusCode, Json<InstanceSummary>), Failure> {
    let request: CreateInstance = parse(&body)?;
    let replicas =
        request.validate().map_err(|error| ApiError::new(ErrorCode::Invalid, error.to_string()))?;
    // Before the proposal, so that a server that does not lead refuses at once.
    app.controller.with(|_, _, _| ())?;
    let endpoint = request.endpoint();
    let command = Command::CreateInstance {
        name: request.name.clone(),
        edition: request.edition,
        replicas,
        endpoint: endpoint.clone(),
        params: request.params,
        hash_seed: RandomState::new().build_hasher().finish(),
    };
    let proposed = app.controller.consensus.propose(command).await;
    proposed.map_err(|error| not_proposed(&app, error))?;
    let state = app.controller.consensus.state();
    let shards = state.instances.get(&request.name).map(|i| i.shards.clone()).unwrap_or_default();
    let of_it = |node: &&cluster::state::Node| shards.contains(&node.shard);
    let nodes = state.nodes.values().filter(of_it).map(|node| node.id).collect();
    let (name, edition) = (request.name, request.edition);
    let summary = InstanceSummary { name, edition, endpoint, shards, nodes };
    Ok((StatusCode::CREATED, Json(summary)))
}

/// Decides the deletion; the agents remove the nodes and their data, after which the instance is forgotten.
pub(super) async fn delete(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<InstanceStatus>), Failure> {
    find(&app, &name)?;
    let proposed = app.controller.consensus.propose(Command::DeleteInstance { name: name.clone() });
    proposed.await.map_err(|error| not_proposed(&app, error))?;
    Ok((StatusCode::ACCEPTED, Json(find(&app, &name)?)))
}
