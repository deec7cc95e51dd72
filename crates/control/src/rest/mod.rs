//! The REST API. Every answer that is not a success is an [`ApiError`] with its HTTP status.
//!
//! Reading is open to whoever reaches the address; what changes anything takes the cluster's secret.
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
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
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

/// Largest body of a request that is not Raft's: the report of a host with thousands of nodes.
const REQUEST_BYTES_MAX: usize = 4 << 20;
/// Within this the whole body of a request must have arrived.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest text of axum's own refusals.
const REFUSAL_BYTES_MAX: usize = 4096;

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
    Router::new()
        .route("/v1/health", get(pages::health))
        .route("/v1/cluster", get(pages::cluster))
        .route("/v1/status", get(pages::status))
        .route("/v1/events", get(pages::events))
        .route("/v1/instances", get(instances::list).post(instances::create))
        .route("/v1/instances/{name}", get(instances::show).delete(instances::delete))
        .route("/v1/instances/{name}/failover", post(failover::failover))
        .route("/v1/hosts/{host}/sync", post(hosts::sync))
        .route("/v1/raft/{message}", post(raft))
        // The guard has read the body by then, within its own bounds.
        .layer(DefaultBodyLimit::disable())
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
    ApiError::new(ErrorCode::Method, format!("{path} does not answer {method}")).into()
}

/// Every request passes here first. Internal ones prove cluster and secret, changes the secret, and changes are
/// never taken from a web page. Only then is the body read, with a bound on its size and on the time that it takes.
async fn guard(State(app): State<App>, request: Request, next: Next) -> Result<Response, Failure> {
    let path = request.uri().path();
    let is_internal = path.starts_with("/v1/hosts/") || path.starts_with("/v1/raft/");
    let is_change = !request.method().is_safe();
    check_credentials(&app, request.headers(), is_internal, is_change)?;
    if is_change && request.headers().contains_key(header::ORIGIN) {
        let error = ApiError::new(ErrorCode::Unauthorized, "changes are not taken from web pages");
        return Err(error.into());
    }
    let bytes_max = if path.starts_with("/v1/raft/") { BODY_BYTES_MAX } else { REQUEST_BYTES_MAX };
    let (parts, body) = request.into_parts();
    let body = match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, bytes_max)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let text = format!("the body breaks off, or is larger than {bytes_max} bytes");
            return Err(ApiError::new(ErrorCode::TooLarge, text).into());
        }
        Err(_) => {
            let text = format!("the body did not arrive in {} s", BODY_TIMEOUT.as_secs());
            return Err(ApiError::new(ErrorCode::Slow, text).into());
        }
    };
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    Ok(in_our_form(response).await)
}

/// Refusals of the framework itself (a path that is not UTF-8, a query that does not parse) are plain text: gives
/// them the form of all others.
async fn in_our_form(response: Response) -> Response {
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !response.status().is_client_error() || is_json {
        return response;
    }
    let text = to_bytes(response.into_body(), REFUSAL_BYTES_MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    Failure(ApiError::new(ErrorCode::Invalid, text)).into_response()
}

/// Headers that are given must be right; internal requests must give both, changes the secret. The cluster is looked at
/// first: a stranger learns that it came to the wrong place, not whether its secret is right.
fn check_credentials(
    app: &App,
    headers: &HeaderMap,
    is_internal: bool,
    is_change: bool,
) -> Result<(), ApiError> {
    match headers.get(CLUSTER_HEADER).map(HeaderValue::as_bytes) {
        Some(theirs) if theirs == app.cluster.to_string().as_bytes() => {}
        None if !is_internal => {}
        Some(_) | None => {
            let text = format!("this is a config server of cluster {}", app.cluster);
            return Err(ApiError::new(ErrorCode::ForeignCluster, text)
                .hint(format!("send the header {CLUSTER_HEADER}")));
        }
    }
    match headers.get(SECRET_HEADER) {
        Some(theirs) if is_same_secret(theirs.as_bytes(), app.secret.as_bytes()) => Ok(()),
        None if !is_internal && !is_change => Ok(()),
        Some(_) | None => {
            Err(ApiError::new(ErrorCode::Unauthorized, "the cluster secret is missing or wrong")
                .hint(format!(
                    "send the header {SECRET_HEADER}; `pollux up` keeps it in pollux.json"
                )))
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
