//! The REST API. Every answer that is not a success is an [`ApiError`] with its HTTP status.
//!
//! | path | who | what |
//! |---|---|---|
//! | `GET /v1/health` | all | alive? a leader known? answered by every server |
//! | `GET /v1/cluster` | all | the config servers; answered by every server |
//! | `GET /v1/status`, `/v1/instances[/{name}]`, `/v1/events?after=` | all | what is and what was; by the leader |
//! | `POST /v1/instances`, `DELETE /v1/instances/{name}` | people | create, delete; by the leader |
//! | `POST /v1/instances/{name}/failover` | people | move the master; waits for the outcome |
//! | `POST /v1/hosts/{host}/sync` | agents, with the secret | report in, orders out |
//! | `POST /v1/raft/{message}` | config servers, with the secret | Raft |

mod failover;
mod hosts;
mod instances;
mod pages;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base::ClusterId;
use cluster::api::{ApiError, CLUSTER_HEADER, ErrorCode, LEADER_HEADER, SECRET_HEADER};
use serde::de::DeserializeOwned;

use crate::consensus::{BODY_BYTES_MAX, ProposeError, ServeError};
use crate::controller::Controller;

/// Largest body of a request that is not Raft's.
const REQUEST_BYTES_MAX: usize = 4 << 20;

/// What every handler needs.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) controller: Arc<Controller>,
    pub(crate) cluster: ClusterId,
    pub(crate) secret: Arc<str>,
}

/// An error on its way to the client.
#[derive(Debug)]
pub(crate) struct Failure(ApiError);

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Failure {
        Failure(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let leader = self.0.leader.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
        let mut response = (status, Json(&self.0)).into_response();
        if let Some(leader) = leader {
            response.headers_mut().insert(LEADER_HEADER, leader);
        }
        if self.0.is_retryable() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

pub(crate) fn router(app: App) -> Router {
    let raft = Router::new()
        .route("/v1/raft/{message}", post(raft))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    Router::new()
        .route("/v1/health", get(pages::health))
        .route("/v1/cluster", get(pages::cluster))
        .route("/v1/status", get(pages::status))
        .route("/v1/events", get(pages::events))
        .route("/v1/instances", get(instances::list).post(instances::create))
        .route("/v1/instances/{name}", get(instances::show).delete(instances::delete))
        .route("/v1/instances/{name}/failover", post(failover::failover))
        .route("/v1/hosts/{host}/sync", post(hosts::sync))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .merge(raft)
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(middleware::from_fn_with_state(app.clone(), guard))
        .with_state(app)
}

async fn unknown_path(request: Request) -> Failure {
    let path = request.uri().path();
    ApiError::new(ErrorCode::NotFound, format!("there is nothing at {path}")).into()
}

async fn unknown_method(request: Request) -> Failure {
    let (method, path) = (request.method(), request.uri().path());
    ApiError::new(ErrorCode::Invalid, format!("{path} does not answer {method}")).into()
}

/// Lets internal requests in only with the right cluster and secret, and changes never from a web page.
async fn guard(State(app): State<App>, request: Request, next: Next) -> Result<Response, Failure> {
    let path = request.uri().path();
    let is_internal = path.starts_with("/v1/hosts/") || path.starts_with("/v1/raft/");
    check_credentials(&app, request.headers(), is_internal)?;
    if !request.method().is_safe() && request.headers().contains_key(header::ORIGIN) {
        let error = ApiError::new(ErrorCode::Unauthorized, "changes are not taken from web pages");
        return Err(error.into());
    }
    Ok(next.run(request).await)
}

/// Headers that are given must be right; internal requests must give them. The cluster is looked at first: a
/// stranger learns that it came to the wrong place, not whether its secret is right.
fn check_credentials(app: &App, headers: &HeaderMap, required: bool) -> Result<(), ApiError> {
    match headers.get(CLUSTER_HEADER).map(HeaderValue::as_bytes) {
        Some(theirs) if theirs == app.cluster.to_string().as_bytes() => {}
        None if !required => {}
        Some(_) | None => {
            let text = format!("this is a config server of cluster {}", app.cluster);
            return Err(ApiError::new(ErrorCode::ForeignCluster, text)
                .hint(format!("send the header {CLUSTER_HEADER}")));
        }
    }
    match headers.get(SECRET_HEADER) {
        Some(theirs) if is_same_secret(theirs.as_bytes(), app.secret.as_bytes()) => Ok(()),
        None if !required => Ok(()),
        Some(_) | None => {
            Err(ApiError::new(ErrorCode::Unauthorized, "the cluster secret is missing or wrong"))
        }
    }
}

/// Takes the same time wherever two secrets of one length differ.
fn is_same_secret(theirs: &[u8], ours: &[u8]) -> bool {
    let differences = theirs.iter().zip(ours).fold(0, |all, (a, b)| all | (a ^ b));
    theirs.len() == ours.len() && std::hint::black_box(differences) == 0
}

/// A request body that must be JSON of a known shape.
fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| {
        ApiError::new(ErrorCode::Invalid, format!("the body is not valid: {error}"))
    })
}

/// A command that a person asked for did not go through.
fn not_proposed(app: &App, error: ProposeError) -> ApiError {
    use cluster::state::Rejected;
    match error {
        ProposeError::Rejected(rejected) => {
            let code = match &rejected {
                Rejected::InstanceExists(_) | Rejected::EndpointTaken { .. } => ErrorCode::Exists,
                Rejected::NoHost => ErrorCode::NoHost,
                Rejected::NotFound(_) => ErrorCode::NotFound,
                Rejected::Conflict(_) => ErrorCode::Conflict,
                Rejected::StaleEpoch { .. } => ErrorCode::Stale,
            };
            let error = ApiError::new(code, rejected.to_string());
            match rejected {
                Rejected::NoHost => error.hint("start `pollux agent` on a host"),
                _ => error,
            }
        }
        ProposeError::NotLeader(_) => app.controller.not_leading(),
        ProposeError::Unknown(why) => {
            let text = format!("not confirmed by a majority of the config servers: {why}");
            ApiError::new(ErrorCode::Timeout, text)
                .hint("it may still be carried out; look at the status before asking again")
        }
    }
}

async fn raft(
    State(app): State<App>,
    Path(message): Path<String>,
    body: Bytes,
) -> Result<Vec<u8>, Failure> {
    match app.controller.consensus.serve(&message, &body).await {
        Some(Ok(answer)) => Ok(answer),
        Some(Err(error @ ServeError::Malformed(_))) => {
            Err(ApiError::new(ErrorCode::Invalid, error.to_string()).into())
        }
        Some(Err(error @ ServeError::Raft(_))) => {
            Err(ApiError::new(ErrorCode::Internal, error.to_string()).into())
        }
        None => {
            let text = format!("there is no Raft message {message:?}");
            Err(ApiError::new(ErrorCode::NotFound, text).into())
        }
    }
}
