//! Raft's messages between config servers: `POST /v1/raft/{append,vote,pre-vote,snapshot}`, postcard in and out,
//! with the cluster's id and secret in the headers.

use std::future::Future;

use axum::body::Bytes;
use base::ClusterId;
use cluster::api::{CLUSTER_HEADER, SECRET_HEADER};
use openraft::errors::{
    NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable,
};
use openraft::network::{RPCOption, RPCTypes};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::{AnyError, BasicNode, OptionalSend, RaftNetworkFactory, RaftNetworkV2};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Raft, ServerId, Snapshot, SnapshotMeta, TypeConfig, Vote};

/// Largest body of a Raft message, bytes: a snapshot of the state of a large cluster.
pub(crate) const BODY_BYTES_MAX: usize = 64 << 20;

/// Makes connections to other config servers.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    http: reqwest::Client,
    own_id: ServerId,
    cluster: ClusterId,
    secret: String,
}

impl Network {
    pub(crate) fn new(
        own_id: ServerId,
        cluster: ClusterId,
        secret: String,
    ) -> Result<Network, reqwest::Error> {
        let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
        Ok(Network { http, own_id, cluster, secret })
    }
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Peer;

    async fn new_client(&mut self, target: ServerId, node: &BasicNode) -> Peer {
        Peer { network: self.clone(), target, address: node.addr.clone() }
    }
}

/// One other config server.
#[derive(Debug)]
pub(crate) struct Peer {
    network: Network,
    target: ServerId,
    address: String,
}

impl Peer {
    async fn call<Q: Serialize, A: DeserializeOwned>(
        &self,
        kind: RPCTypes,
        path: &str,
        request: &Q,
        option: &RPCOption,
    ) -> Result<A, RPCError<TypeConfig>> {
        let body = postcard::to_allocvec(request)
            .map_err(|error| RPCError::Network(NetworkError::new(&error)))?;
        let send = self
            .network
            .http
            .post(format!("http://{}/v1/raft/{path}", self.address))
            .header(CLUSTER_HEADER, self.network.cluster.to_string())
            .header(SECRET_HEADER, &self.network.secret)
            .timeout(option.hard_ttl())
            .body(body)
            .send();
        let lost = |error: reqwest::Error| {
            if error.is_timeout() {
                RPCError::Timeout(Timeout {
                    action: kind,
                    id: self.network.own_id,
                    target: self.target,
                    timeout: option.hard_ttl(),
                })
            } else {
                RPCError::Unreachable(Unreachable::new(&error))
            }
        };
        let response = send.await.map_err(lost)?;
        let status = response.status();
        let body = response.bytes().await.map_err(lost)?;
        if !status.is_success() {
            let text = format!("{}: {status}, {}", self.address, String::from_utf8_lossy(&body));
            return Err(RPCError::Unreachable(Unreachable::new(&AnyError::error(text))));
        }
        postcard::from_bytes(&body).map_err(|error| RPCError::Network(NetworkError::new(&error)))
    }
}

impl RaftNetworkV2<TypeConfig> for Peer {
    type SnapshotData = Vec<u8>;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.call(RPCTypes::AppendEntries, "append", &rpc, &option).await
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.call(RPCTypes::Vote, "vote", &rpc, &option).await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.call(RPCTypes::Vote, "pre-vote", &rpc, &option).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let message = (vote, snapshot.meta, snapshot.snapshot);
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            answer = self.call(RPCTypes::InstallSnapshot, "snapshot", &message, &option) => {
                answer.map_err(StreamingError::from)
            }
        }
    }
}

/// Why a Raft message was not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error("not a Raft message: {0}")]
    Malformed(#[from] postcard::Error),
    #[error("{0}")]
    Raft(String),
}

/// Answers the message of kind `path` in `body`; `None` for an unknown kind.
pub(crate) async fn serve(
    raft: &Raft,
    path: &str,
    body: &Bytes,
) -> Option<Result<Vec<u8>, ServeError>> {
    Some(match path {
        "append" => answer(body, |rpc| raft.append_entries(rpc)).await,
        "vote" => answer(body, |rpc| raft.vote(rpc)).await,
        "pre-vote" => answer(body, |rpc| raft.pre_vote(rpc)).await,
        "snapshot" => {
            let install = |(vote, meta, snapshot): (Vote, SnapshotMeta, Vec<u8>)| {
                raft.install_full_snapshot(vote, Snapshot { meta, snapshot })
            };
            answer(body, install).await
        }
        _ => return None,
    })
}

async fn answer<Q, A, E, F>(
    body: &Bytes,
    handle: impl FnOnce(Q) -> F,
) -> Result<Vec<u8>, ServeError>
where
    Q: DeserializeOwned,
    A: Serialize,
    E: std::fmt::Display,
    F: Future<Output = Result<A, E>>,
{
    let request = postcard::from_bytes(body)?;
    let answer = handle(request).await.map_err(|error| ServeError::Raft(error.to_string()))?;
    Ok(postcard::to_allocvec(&answer)?)
}
