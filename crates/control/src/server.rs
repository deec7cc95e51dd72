//! The process: opens the directory, takes part in Raft, serves REST.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use base::ClusterId;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::consensus::{Consensus, OpenError, ServerId};
use crate::controller::Controller;
use crate::directory::{Directory, DirectoryError};
use crate::rest::{self, App};

/// Requests that are being answered may take so long after the order to stop.
const DRAIN: Duration = Duration::from_millis(500);

/// How to run a config server.
#[derive(Clone)]
pub struct Options {
    /// Its own directory.
    pub dir: PathBuf,
    /// Address of REST and Raft; port 0 takes a free one (with a single server only).
    pub listen: SocketAddr,
    pub server_id: ServerId,
    /// All config servers of the cluster, itself included: number and `host:port`. Counts when the cluster is founded.
    pub members: BTreeMap<ServerId, String>,
    pub cluster: ClusterId,
    /// Known to the processes of this cluster only.
    pub secret: String,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("dir", &self.dir)
            .field("listen", &self.listen)
            .field("server_id", &self.server_id)
            .field("members", &self.members)
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

/// Why a config server does not run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("server {server} is not one of the members {members:?}")]
    NotAMember { server: ServerId, members: Vec<ServerId> },
    #[error("the secret is empty")]
    NoSecret,
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Consensus(#[from] OpenError),
    #[error("serving ended: {0}")]
    Serve(io::Error),
    /// Most likely the disk: nothing that was confirmed is lost, and nothing more is confirmed.
    #[error("this server can take part no more: {0}")]
    Failed(String),
}

/// A config server that runs in this process.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    consensus: Consensus,
    controller: JoinHandle<()>,
    serving: JoinHandle<io::Result<()>>,
    stop: watch::Sender<bool>,
    /// Dropped last: its lock keeps others out while anything of this server is alive.
    _directory: Directory,
}

impl Server {
    /// Starts; returns when requests are answered, which may be before there is a leader.
    pub async fn start(options: Options) -> Result<Server, StartError> {
        if !options.members.contains_key(&options.server_id) {
            let members = options.members.keys().copied().collect();
            return Err(StartError::NotAMember { server: options.server_id, members });
        }
        if options.secret.is_empty() {
            return Err(StartError::NoSecret);
        }
        let directory = Directory::open(&options.dir, options.cluster, options.server_id)?;
        let listen = |source| StartError::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let consensus = Consensus::open(
            &directory.database(),
            options.server_id,
            &options.members,
            options.cluster,
            &options.secret,
        )
        .await?;
        let controller = Controller::new(consensus.clone(), options.cluster);
        let app = App {
            controller: controller.clone(),
            cluster: options.cluster,
            secret: options.secret.as_str().into(),
        };
        let (stop, mut stopped) = watch::channel(false);
        let until = async move {
            // A dropped sender means the same.
            drop(stopped.wait_for(|stop| *stop).await);
        };
        let serve = axum::serve(listener, rest::router(app)).with_graceful_shutdown(until);
        tracing::info!(%address, server = options.server_id, "config server listens");
        Ok(Server {
            address,
            consensus,
            controller: tokio::spawn(controller.run()),
            serving: tokio::spawn(serve.into_future()),
            stop,
            _directory: directory,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns when the server has become useless.
    async fn failed(&mut self) -> StartError {
        let served = tokio::select! {
            served = &mut self.serving => served,
            why = self.consensus.failed() => return StartError::Failed(why),
        };
        match served {
            Ok(Ok(())) => StartError::Serve(io::Error::other("the listener was closed")),
            Ok(Err(error)) => StartError::Serve(error),
            Err(error) => StartError::Serve(io::Error::other(error)),
        }
    }

    /// Stops: no new requests, no decisions, no part in Raft.
    pub async fn stop(mut self) {
        self.controller.abort();
        self.stop.send_replace(true);
        if tokio::time::timeout(DRAIN, &mut self.serving).await.is_err() {
            self.serving.abort();
        }
        self.consensus.shutdown().await;
    }
}

/// Runs until `stop` is ready.
pub async fn run(options: Options, stop: impl Future<Output = ()>) -> Result<(), StartError> {
    let mut server = Server::start(options).await?;
    tokio::select! {
        () = stop => {
            server.stop().await;
            Ok(())
        }
        error = server.failed() => Err(error),
    }
}
