//! What only a master does: the endpoint, and the replicas that follow.

use std::net::SocketAddr;
use std::time::Duration;

use base::Tick;
use net::{ListenerId, TcpOptions};
use wire::resp::reply::ErrorReply;

use super::master::Followers;
use super::{Data, Replication, Role, Surroundings};
use crate::admit::NO_REPLICAS;
use crate::boot;
use crate::node::Node;

/// Pause between attempts to bind an endpoint that somebody else holds, ms.
const BIND_RETRY_MS: u64 = 100;

/// An endpoint that is open.
#[derive(Clone, Copy, Debug)]
struct Bound {
    address: SocketAddr,
    listener: ListenerId,
    /// At the same address, `tls-port`.
    encrypted: Option<ListenerId>,
}

/// A master's state beside its data.
#[derive(Debug)]
pub(super) struct Lead {
    /// Where clients are to be served.
    endpoint: Option<SocketAddr>,
    bound: Option<Bound>,
    bind_tried: Option<Tick>,
    pub(super) followers: Followers,
    /// `min-replicas-to-write` asks for more than there are.
    lacks_replicas: bool,
}

impl Lead {
    pub(super) fn new(endpoint: Option<SocketAddr>) -> Lead {
        Lead {
            endpoint,
            bound: None,
            bind_tried: None,
            followers: Followers::default(),
            lacks_replicas: false,
        }
    }

    pub(super) fn move_endpoint(&mut self, endpoint: Option<SocketAddr>) {
        self.endpoint = endpoint;
        self.bind_tried = None;
    }

    pub(super) fn is_bound(&self) -> bool {
        self.bound.is_some()
    }

    pub(super) fn refuse_write(&self) -> Option<ErrorReply> {
        self.lacks_replicas.then_some(NO_REPLICAS)
    }

    /// The mastership is over.
    pub(super) fn end(&mut self, node: &mut Node) {
        self.unbind(node);
        self.followers.close_all();
    }

    /// No client is served any more.
    fn unbind(&mut self, node: &mut Node) {
        if let Some(Bound { address, listener, encrypted }) = self.bound.take() {
            node.net.unlisten(listener);
            encrypted.into_iter().for_each(|listener| node.net.unlisten(listener));
            node.close_clients();
            tracing::info!(%address, "endpoint closed");
        }
    }

    /// Binds the endpoint; why it cannot be, when that is news.
    fn bind(&mut self, node: &mut Node, now: Tick) -> Option<String> {
        let address = self.endpoint?;
        if self.bind_tried.is_some_and(|tried| now.ms_since(tried) < BIND_RETRY_MS) {
            return None;
        }
        self.bind_tried = Some(now);
        let settings = node.config.settings();
        let options = TcpOptions {
            backlog: settings.tcp_backlog,
            keepalive: Duration::from_secs(u64::from(settings.tcp_keepalive_seconds)),
        };
        let listener = match node.net.listen(address, &options) {
            Ok(listener) => listener,
            Err(error) => return Some(format!("cannot bind the endpoint {address}: {error}")),
        };
        match listen_tls(node, address, &options) {
            Ok(encrypted) => {
                tracing::info!(%address, "endpoint open");
                self.bound = Some(Bound { address, listener, encrypted });
                None
            }
            Err(problem) => {
                node.net.unlisten(listener);
                Some(format!("cannot take TLS connections at the endpoint {address}: {problem}"))
            }
        }
    }

    fn count_replicas(&mut self, node: &Node, now: Tick, newest: u64) {
        let settings = node.config.settings();
        let wanted = settings.min_replicas_to_write as usize;
        if wanted == 0 || settings.min_replicas_max_lag_seconds == 0 {
            self.lacks_replicas = false;
            return;
        }
        let lag_ms_max = u64::from(settings.min_replicas_max_lag_seconds) * 1000;
        let reports = self.followers.reports(now, newest);
        self.lacks_replicas =
            reports.iter().filter(|report| report.lag_ms <= lag_ms_max).count() < wanted;
    }
}

/// Listens for TLS beside the endpoint, if there is a `tls-port`.
fn listen_tls(
    node: &mut Node,
    endpoint: SocketAddr,
    options: &TcpOptions,
) -> Result<Option<ListenerId>, String> {
    let settings = node.config.settings();
    let Some(acceptor) = boot::acceptor(settings).map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    let address = SocketAddr::new(endpoint.ip(), settings.tls_port);
    let listener = node.net.listen_tls(address, options, acceptor);
    listener.map(Some).map_err(|error| format!("{address}: {error}"))
}

impl Replication {
    /// A master's share of the turn.
    pub(super) fn lead(&mut self, around: &mut Surroundings<'_>, now: Tick) {
        let is_running = matches!(self.data, Data::Running);
        let may_serve = is_running && self.lease.holds(now);
        let Role::Master(lead) = &mut self.role else { return };
        let newest = around.keys.newest_op();
        lead.followers.poll(now, newest);
        lead.count_replicas(around.node, now, newest);
        let is_elsewhere = lead.bound.is_some_and(|bound| Some(bound.address) != lead.endpoint);
        if lead.is_bound() && (!may_serve || is_elsewhere) {
            if !may_serve {
                tracing::warn!(epoch = %self.epoch, "the lease has run out");
            }
            lead.unbind(around.node);
        }
        if may_serve && !lead.is_bound() {
            let problem = lead.bind(around.node, now);
            if lead.is_bound() {
                self.error = None;
            } else if let Some(problem) = problem
                && self.error.as_ref() != Some(&problem)
            {
                tracing::error!(problem, "clients cannot be served");
                self.error = Some(problem);
            }
        }
    }
}
