//! The client of the REST contract: finds the config server that leads and speaks to it.
//!
//! Any server of the list may be asked; one that does not lead names the one that does. A request is
//! repeated at another server only when it is known not to have been carried out there, or when carrying
//! it out twice does no harm.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::ClusterId;
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::{
    ApiError, CLUSTER_HEADER, CreateInstance, ErrorCode, Event, FailoverOutcome, FailoverRequest,
    Health, HostOrders, HostReport, InstanceSummary, SECRET_HEADER, Status,
};

/// A server that does not accept a connection within this is taken for dead.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Longest wait for an answer, unless the call says otherwise.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The same while there is another server to ask. A server that was stopped (SIGSTOP) accepts connections and never
/// answers; the leases of masters (3 s) must not run out over the wait for it.
const TURN_AWAY_TIMEOUT: Duration = Duration::from_millis(800);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The config server refused.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// No config server could be asked; `tried` of them were.
    #[error("no config server answers (tried {tried}): {last}")]
    Unreachable { tried: String, last: String },
    /// The request was sent and no answer came: it may or may not have been carried out.
    #[error("no answer from {address}; what was asked for may still happen: {last}")]
    Unknown { address: String, last: String },
}

/// How to ask.
struct Manner {
    /// Longest wait for an answer.
    patience: Duration,
    /// Carried out twice it does no harm, so it is asked again after an answer was lost.
    is_repeatable: bool,
}

const PLAIN: Manner = Manner { patience: ANSWER_TIMEOUT, is_repeatable: true };

impl ClientError {
    /// The code of a refusal.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            ClientError::Refused(error) => Some(error.code),
            ClientError::Unreachable { .. } | ClientError::Unknown { .. } => None,
        }
    }
}

/// Knows the config servers of one cluster.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    /// In the order in which they are asked: who answered last comes first, who failed last comes last.
    addresses: Mutex<VecDeque<String>>,
    cluster: ClusterId,
    secret: String,
}

impl Client {
    /// `addresses` are `host:port`.
    pub fn new(addresses: Vec<String>, cluster: ClusterId, secret: &str) -> Client {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .no_proxy()
            .build()
            .expect("a client without TLS has nothing to fail at");
        Client { http, addresses: Mutex::new(addresses.into()), cluster, secret: secret.to_owned() }
    }

    /// `POST /v1/hosts/{host}/sync`
    pub async fn sync(&self, report: &HostReport) -> Result<HostOrders, ClientError> {
        self.call(Method::POST, &format!("/v1/hosts/{}/sync", report.host), Some(report), &PLAIN)
            .await
    }

    /// `GET /v1/status`
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.call(Method::GET, "/v1/status", None::<&()>, &PLAIN).await
    }

    /// `GET /v1/events`: events with an id above `after`, oldest first.
    pub async fn events(&self, after: u64) -> Result<Vec<Event>, ClientError> {
        self.call(Method::GET, &format!("/v1/events?after={after}"), None::<&()>, &PLAIN).await
    }

    /// `POST /v1/instances`
    pub async fn create_instance(
        &self,
        request: &CreateInstance,
    ) -> Result<InstanceSummary, ClientError> {
        self.call(Method::POST, "/v1/instances", Some(request), &PLAIN).await
    }

    /// `DELETE /v1/instances/{name}`
    pub async fn delete_instance(&self, name: &str) -> Result<(), ClientError> {
        self.call::<(), serde_json::Value>(Method::DELETE, &instance(name), None, &PLAIN)
            .await
            .map(drop)
    }

    /// `POST /v1/instances/{name}/failover`; answered when it is done or given up.
    pub async fn failover(
        &self,
        name: &str,
        request: &FailoverRequest,
    ) -> Result<FailoverOutcome, ClientError> {
        let path = format!("{}/failover", instance(name));
        // Asked twice it could move the master there and back.
        let patience = ANSWER_TIMEOUT + Duration::from_millis(request.timeout_ms.unwrap_or(0));
        let manner = Manner { patience, is_repeatable: false };
        self.call(Method::POST, &path, Some(request), &manner).await
    }

    /// `GET /v1/health` of one server.
    pub async fn health(&self, address: &str) -> Result<Health, ClientError> {
        match self.ask(address, &Method::GET, "/v1/health", None::<&()>, ANSWER_TIMEOUT).await {
            Ok(answer) => answer.map_err(ClientError::Refused),
            Err(last) => Err(ClientError::Unreachable {
                tried: address.to_owned(),
                last: with_causes(&last),
            }),
        }
    }

    async fn call<B: Serialize + Sync, A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
        manner: &Manner,
    ) -> Result<A, ClientError> {
        let mut last = String::from("no config server is known");
        let mut queue = self.addresses().clone();
        let tried = queue.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let patience = match manner.is_repeatable && queue.len() > 1 {
            true => manner.patience.min(TURN_AWAY_TIMEOUT),
            false => manner.patience,
        };
        // Each server names at most one other, so this bounds the hops as well.
        let mut attempts = 2 * queue.len() + 1;
        let mut dead: Vec<String> = Vec::new();
        while let Some(address) = queue.pop_front()
            && attempts > 0
        {
            attempts -= 1;
            match self.ask(&address, &method, path, body, patience).await {
                Ok(Ok(answer)) => {
                    self.prefer(&address);
                    return Ok(answer);
                }
                Ok(Err(refusal)) if refusal.is_retryable() => {
                    last = refusal.to_string();
                    // The others may still believe in a leader that was just found dead.
                    if let Some(leader) = refusal.leader.filter(|leader| !dead.contains(leader)) {
                        queue.retain(|other| *other != leader);
                        queue.push_front(leader);
                    }
                }
                Ok(Err(refusal)) => return Err(ClientError::Refused(refusal)),
                Err(error) if error.is_connect() || manner.is_repeatable => {
                    last = with_causes(&error);
                    self.put_last(&address);
                    dead.push(address);
                }
                Err(error) => {
                    self.put_last(&address);
                    return Err(ClientError::Unknown { address, last: with_causes(&error) });
                }
            }
        }
        Err(ClientError::Unreachable { tried, last })
    }

    /// One request to one server. The outer error means that it could not be asked.
    async fn ask<B: Serialize + Sync, A: DeserializeOwned>(
        &self,
        address: &str,
        method: &Method,
        path: &str,
        body: Option<&B>,
        patience: Duration,
    ) -> Result<Result<A, ApiError>, reqwest::Error> {
        let mut request = self
            .http
            .request(method.clone(), format!("http://{address}{path}"))
            .header(CLUSTER_HEADER, self.cluster.to_string())
            .header(SECRET_HEADER, &self.secret)
            .timeout(patience);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status();
        if status.is_success() {
            return response.json().await.map(Ok);
        }
        let body = response.bytes().await?;
        Ok(Err(serde_json::from_slice(&body).unwrap_or_else(|_| foreign_answer(address, status))))
    }

    fn addresses(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn prefer(&self, address: &str) {
        let mut addresses = self.addresses();
        if let Some(at) = addresses.iter().position(|known| known == address)
            && let Some(known) = addresses.remove(at)
        {
            addresses.push_front(known);
        }
    }

    fn put_last(&self, address: &str) {
        let mut addresses = self.addresses();
        if let Some(at) = addresses.iter().position(|known| known == address)
            && let Some(known) = addresses.remove(at)
        {
            addresses.push_back(known);
        }
    }
}

fn instance(name: &str) -> String {
    // A name is checked by the server; here it only must not become another path.
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let name: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    format!("/v1/instances/{name}")
}

/// An answer that is not of the contract: something else listens there.
fn foreign_answer(address: &str, status: StatusCode) -> ApiError {
    ApiError::new(
        ErrorCode::Internal,
        format!("{address} is not a config server: it says {status}"),
    )
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
