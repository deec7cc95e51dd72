//! Config servers on loopback, and an agent whose nodes are only told about.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use base::{ClusterId, NodeId};
use cluster::api::{
    Agent, CreateInstance, Edition, HostOrders, HostReport, LeaseGrant, LinkState, NodePhase,
    NodeReport, NodeRole, NodeState, ProcessId, ProcessState, Role, ShardStatus,
};
use cluster::client::{Client, ClientError};
use control::{Options, Server};
use tempfile::TempDir;

pub(crate) const CLUSTER: ClusterId = ClusterId(0xc1);
pub(crate) const SECRET: &str = "a secret";
const PATIENCE: Duration = Duration::from_secs(30);

/// Ports that were free a moment ago.
pub(crate) fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("bind")).collect();
    held.iter().map(|socket| socket.local_addr().expect("address").port()).collect()
}

pub(crate) fn options(dir: &Path, server_id: u64, ports: &[u16]) -> Options {
    let address = |port: &u16| format!("127.0.0.1:{port}");
    let members: BTreeMap<u64, String> = (1..).zip(ports.iter().map(address)).collect();
    let listen: SocketAddr = members[&server_id].parse().expect("address");
    let dir = dir.join(format!("config-{server_id}"));
    Options { dir, listen, server_id, members, cluster: CLUSTER, secret: SECRET.into() }
}

pub(crate) fn client(ports: &[u16]) -> Client {
    let servers = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    Client::new(servers, CLUSTER, SECRET)
}

/// One server in a directory of its own.
pub(crate) struct Single {
    pub(crate) dir: TempDir,
    pub(crate) ports: Vec<u16>,
    pub(crate) server: Server,
    pub(crate) client: Client,
}

pub(crate) async fn single() -> Single {
    let dir = tempfile::tempdir().expect("tempdir");
    let ports = free_ports(1);
    let server = Server::start(options(dir.path(), 1, &ports)).await.expect("start");
    let client = client(&ports);
    leader(&client).await;
    Single { dir, ports, server, client }
}

/// Waits until requests that need a leader are answered.
pub(crate) async fn leader(client: &Client) {
    eventually("a leader", async || client.status().await.ok()).await;
}

/// Asks until there is an answer.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn instance(name: &str, replicas: u8, port: u16) -> CreateInstance {
    CreateInstance {
        name: name.into(),
        edition: if replicas == 0 { Edition::Single } else { Edition::Standard },
        replicas: Some(replicas),
        port,
        bind: "127.0.0.1".into(),
        params: BTreeMap::new(),
    }
}

/// A host whose nodes do at once as they are ordered.
pub(crate) struct Host {
    name: String,
    start: u64,
    seq: u64,
    nonce: u64,
    pids: u32,
    pub(crate) orders: HostOrders,
    pub(crate) nodes: BTreeMap<NodeId, NodeReport>,
    /// Epochs and instants of all leases that were handed out.
    pub(crate) leases: Vec<LeaseGrant>,
    /// Writes that the master takes with each exchange.
    pub(crate) writes: u64,
    /// Replicas receive nothing.
    pub(crate) cut: bool,
}

impl Host {
    pub(crate) fn new(name: &str) -> Host {
        let orders = HostOrders {
            revision: 0,
            cluster: CLUSTER,
            secret: String::new(),
            nodes: Vec::new(),
            leases: Vec::new(),
        };
        Host {
            name: name.into(),
            start: 1,
            seq: 0,
            nonce: 0,
            pids: 100,
            orders,
            nodes: BTreeMap::new(),
            leases: Vec::new(),
            writes: 0,
            cut: false,
        }
    }

    pub(crate) fn report(&mut self) -> HostReport {
        self.seq += 1;
        HostReport {
            cluster: CLUSTER,
            host: self.name.clone(),
            agent: Agent { start: self.start, pid: 1, seq: self.seq },
            revision: self.orders.revision,
            nodes: self.nodes.values().cloned().collect(),
        }
    }

    /// Report in, orders out, orders carried out.
    pub(crate) async fn exchange(&mut self, client: &Client) -> Result<(), ClientError> {
        let report = self.report();
        self.orders = client.sync(&report).await?;
        assert_eq!(self.orders.secret, SECRET);
        self.leases.extend(self.orders.leases.iter().copied());
        self.obey();
        Ok(())
    }

    /// Exchanges until `done` says so.
    pub(crate) async fn until(
        &mut self,
        client: &Client,
        what: &str,
        mut done: impl FnMut(&ShardStatus) -> bool,
    ) -> ShardStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            // A change of the leader may cost an exchange.
            drop(self.exchange(client).await);
            if let Ok(status) = client.status().await
                && let Some(shard) = status.instances.first().and_then(|i| i.shards.first())
                && done(shard)
            {
                return shard.clone();
            }
            assert!(Instant::now() < until, "waited in vain until {what}");
        }
    }

    /// The process of the node is gone, as its agent sees it.
    pub(crate) fn kill(&mut self, node: NodeId) {
        let report = self.nodes.get_mut(&node).expect("a node of this host");
        let process = report.process.running().expect("it runs");
        report.process = ProcessState::Exited { process, code: None, signal: Some(9) };
        report.state = None;
    }

    /// Starts the node anew, with its data.
    pub(crate) fn restart(&mut self, node: NodeId, opid: u64, opid_epoch: u64) {
        self.pids += 1;
        let order = self.order(node);
        let mut state = NodeState::waiting(CLUSTER, order.shard, node, order.incarnation);
        state.opid = opid;
        state.opid_epoch = base::Epoch(opid_epoch);
        let report = self.nodes.get_mut(&node).expect("a node of this host");
        report.process =
            ProcessState::Running { process: ProcessId { pid: self.pids, started: 1 } };
        report.state = Some(state);
    }

    pub(crate) fn order(&self, node: NodeId) -> &cluster::api::NodeOrder {
        self.orders.nodes.iter().find(|order| order.node == node).expect("ordered")
    }

    fn obey(&mut self) {
        for order in self.orders.nodes.clone() {
            if let Entry::Vacant(place) = self.nodes.entry(order.node) {
                place.insert(absent(order.node));
                self.restart(order.node, 0, 0);
            }
            let revision = self.orders.revision;
            let report = self.nodes.get_mut(&order.node).expect("just made");
            self.nonce += 1;
            obey_one(report, &order, self.nonce);
            report.revision = revision;
        }
        self.write_and_replicate();
    }

    fn write_and_replicate(&mut self) {
        let mut masters: Vec<(u64, base::Epoch)> = Vec::new();
        for report in self.nodes.values_mut() {
            let Some(state) = &mut report.state else { continue };
            if state.role == NodeRole::Master {
                if !state.fenced && self.writes > 0 {
                    state.opid += self.writes;
                    state.opid_epoch = state.epoch;
                }
                masters.push((state.opid, state.opid_epoch));
            }
        }
        let [(opid, epoch)] = masters[..] else { return };
        for report in self.nodes.values_mut() {
            let Some(state) = &mut report.state else { continue };
            if state.role == NodeRole::Replica && !self.cut {
                (state.opid, state.opid_epoch) = (opid, epoch);
            }
        }
    }
}

fn absent(node: NodeId) -> NodeReport {
    NodeReport {
        node,
        revision: 0,
        process: ProcessState::Absent,
        address: Some(format!("127.0.0.1:{}", 20_000 + node.0)),
        state: None,
        silent_ms: 0,
        error: None,
        last_exit: None,
        lost_data: false,
    }
}

fn obey_one(report: &mut NodeReport, order: &cluster::api::NodeOrder, nonce: u64) {
    if order.role == Role::Removed {
        (report.process, report.state) = (ProcessState::Removed, None);
        return;
    }
    let Some(running) = report.process.running() else { return };
    if matches!(order.role, Role::Killed | Role::Stopped) {
        (report.process, report.state) = (ProcessState::Killed { process: running }, None);
        return;
    }
    let Some(state) = &mut report.state else { return };
    state.nonce = nonce;
    match &order.role {
        Role::Master { process, .. } | Role::Fenced { process, .. } if *process == running => {
            (state.role, state.phase) = (NodeRole::Master, NodePhase::Ready);
            state.epoch = order.epoch;
            state.endpoint_bound = true;
            state.fenced = matches!(order.role, Role::Fenced { .. });
            state.link = None;
        }
        Role::Replica { .. } => {
            (state.role, state.phase) = (NodeRole::Replica, NodePhase::Ready);
            (state.epoch, state.followed) = (order.epoch, order.epoch);
            (state.endpoint_bound, state.fenced) = (false, false);
            state.link = Some(LinkState { up: true, ..LinkState::default() });
        }
        _ => {}
    }
}
