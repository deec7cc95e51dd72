//! The host: one keeper a node, one conversation with the config servers.
//!
//! ```text
//!   config server <--- report --- sync ---- instructions ---> keeper (node-1) ---> process
//!                 ---- orders -->      <--- reports --------- keeper (node-2) ---> process
//! ```
//!
//! Invariants
//! - Orders with a smaller revision than those held are dropped; orders of another cluster are refused.
//! - The orders held are kept in a file, so that a restarted agent keeps its nodes alive although no
//!   config server can be reached. They can do no harm: a mastership in them is for one process.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::{ClusterId, NodeId};
use cluster::api::{
    Agent, HostOrders, HostReport, LeaseGrant, NodeOrder, NodeReport, ProcessState, Role,
};
use cluster::client::Client;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use crate::clock::unix;
use crate::courier::Assignment;
use crate::decide::Patience;
use crate::directory::{DirectoryLock, LockError, create_private};
use crate::keeper::{self, Credentials, Handle, Host, Instruction};
use crate::process::write_atomically;

/// Least pause between two reports, so that a busy host does not flood the config server.
const PACE: Duration = Duration::from_millis(10);
/// Pause after a report that nobody took.
const RETRY: Duration = Duration::from_millis(100);
/// The config server parks a report for 100 ms; this much later it is not coming back.
const SYNC_DEADLINE: Duration = Duration::from_secs(2);

const ORDERS_FILE: &str = "orders.json";
const START_FILE: &str = "start";

/// How to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The agent's own directory.
    pub dir: PathBuf,
    /// Holds a directory for each node.
    pub nodes_dir: PathBuf,
    /// Name of this host: 1..=64 of `[a-z0-9.-]`.
    pub host: String,
    pub cluster: ClusterId,
    pub secret: String,
    /// `host:port` of the config servers.
    pub config_servers: Vec<String>,
    /// The program whose command `node` is a data node.
    pub binary: PathBuf,
    /// Address on which nodes listen for each other.
    pub listen: IpAddr,
    pub patience: Patience,
}

/// What the owner of the agent wants of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Stop {
    #[default]
    No,
    /// End, and leave the nodes running for the next agent.
    Leave,
    /// End all nodes cleanly, then end.
    Drain,
}

/// Why the agent cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("cannot use {path}")]
    Directory { path: PathBuf, source: io::Error },
    #[error("{path} was written for cluster {found}, not for {expected}")]
    ForeignDirectory { path: PathBuf, found: ClusterId, expected: ClusterId },
}

/// Runs until `stop` says otherwise.
pub async fn run(options: Options, mut stop: watch::Receiver<Stop>) -> Result<(), RunError> {
    let _lock = DirectoryLock::take(&options.dir, "agent")?;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| RunError::Directory { path, source }
    };
    create_private(&options.nodes_dir).map_err(failed(&options.nodes_dir))?;
    let start = next_start(&options.dir).map_err(failed(&options.dir))?;
    let held = held_orders(&options)?;
    let client = Client::new(options.config_servers.clone(), options.cluster, &options.secret);
    let mut agent = Keepers::new(&options, start, held);
    agent.find_nodes().map_err(failed(&options.nodes_dir))?;
    agent.instruct();
    loop {
        let mode = *stop.borrow_and_update();
        match mode {
            Stop::No => {}
            Stop::Leave => return Ok(()),
            Stop::Drain => {
                agent.drain().await;
                return Ok(());
            }
        }
        tokio::select! {
            () = agent.exchange(&client) => {}
            changed = stop.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

/// All keepers and the orders they follow.
struct Keepers {
    host: Arc<Host>,
    name: String,
    cluster: ClusterId,
    secret: String,
    orders_file: PathBuf,
    start: u64,
    seq: u64,
    orders: Option<HostOrders>,
    leases: Vec<LeaseGrant>,
    keepers: BTreeMap<NodeId, Handle>,
    draining: Draining,
    /// The last trouble with the config servers, logged once.
    trouble: Option<String>,
}

/// Masters end first: they hand the last ops to their replicas, which are still there to take them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Draining {
    No,
    Masters,
    All,
}

impl Keepers {
    fn new(options: &Options, start: u64, orders: Option<HostOrders>) -> Keepers {
        let host = Host {
            binary: options.binary.clone(),
            nodes_dir: options.nodes_dir.clone(),
            listen: options.listen,
            patience: options.patience,
            urgent: Notify::new(),
        };
        Keepers {
            host: Arc::new(host),
            name: options.host.clone(),
            cluster: options.cluster,
            secret: options.secret.clone(),
            orders_file: options.dir.join(ORDERS_FILE),
            start,
            seq: 0,
            orders,
            leases: Vec::new(),
            keepers: BTreeMap::new(),
            draining: Draining::No,
            trouble: None,
        }
    }

    /// Keepers for what is ordered and for every directory that is a node's.
    fn find_nodes(&mut self) -> io::Result<()> {
        let mut nodes: Vec<NodeId> = self.ordered().map(|order| order.node).collect();
        for entry in fs::read_dir(&self.host.nodes_dir)? {
            if let Some(node) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) {
                nodes.push(node);
            }
        }
        for node in nodes {
            self.keeper(node);
        }
        Ok(())
    }

    fn ordered(&self) -> impl Iterator<Item = &NodeOrder> {
        self.orders.iter().flat_map(|orders| &orders.nodes)
    }

    fn keeper(&mut self, node: NodeId) {
        let host = Arc::clone(&self.host);
        self.keepers.entry(node).or_insert_with(|| keeper::keep(node, host));
    }

    /// Tells every keeper what it should know now.
    fn instruct(&mut self) {
        let nodes: Vec<NodeId> = self.ordered().map(|order| order.node).collect();
        for node in nodes {
            self.keeper(node);
        }
        let revision = self.orders.as_ref().map_or(0, |orders| orders.revision);
        let hurry = self.ordered().any(|order| self.is_watched_closely(order));
        let credentials = Credentials { cluster: Some(self.cluster), secret: self.secret.clone() };
        for (node, handle) in &self.keepers {
            let order = self.ordered().find(|order| order.node == *node).cloned();
            let is_master = order.as_ref().is_some_and(|order| {
                matches!(order.role, Role::Master { .. } | Role::Fenced { .. })
            });
            let instruction = Instruction {
                assignment: Assignment {
                    revision,
                    order: order.map(Arc::new),
                    lease: self.leases.iter().find(|lease| lease.node == *node).copied(),
                    hurry,
                    ending: false,
                },
                credentials: credentials.clone(),
                draining: match self.draining {
                    Draining::No => false,
                    Draining::Masters => is_master,
                    Draining::All => true,
                },
            };
            handle.instruction.send_if_modified(|old| {
                let changed = *old != instruction;
                *old = instruction;
                changed
            });
        }
    }

    /// Somebody's writes are held, or a master has died and the choice among its replicas wants their newest answers.
    fn is_watched_closely(&self, order: &NodeOrder) -> bool {
        match &order.role {
            Role::Fenced { .. } => true,
            Role::Master { process, .. } => {
                let report = self.keepers.get(&order.node).map(|handle| handle.report.borrow());
                report.is_some_and(|report| {
                    report.as_ref().is_some_and(|report| report.process.proves_death_of(*process))
                })
            }
            Role::Wait | Role::Replica { .. } | Role::Stopped | Role::Killed | Role::Removed => {
                false
            }
        }
    }

    /// One report out, one set of orders in.
    async fn exchange(&mut self, client: &Client) {
        self.seq += 1;
        let report = self.report();
        let host = Arc::clone(&self.host);
        let answer = tokio::select! {
            answer = timeout(SYNC_DEADLINE, client.sync(&report)) => answer,
            // What is parked over there is out of date: say the news at once.
            () = host.urgent.notified() => {
                self.instruct();
                return sleep(PACE).await;
            }
        };
        let trouble = match answer {
            Ok(Ok(orders)) => {
                self.take(orders);
                None
            }
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no answer in {} ms", SYNC_DEADLINE.as_millis())),
        };
        let pause = if trouble.is_some() { RETRY } else { PACE };
        if trouble != self.trouble {
            match &trouble {
                Some(why) => tracing::warn!(why, "no orders from the config servers"),
                None => tracing::info!("config servers answer"),
            }
            self.trouble = trouble;
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = host.urgent.notified() => host.urgent.notify_one(),
        }
    }

    fn report(&self) -> HostReport {
        let agent = Agent { start: self.start, pid: std::process::id(), seq: self.seq };
        HostReport {
            cluster: self.cluster,
            host: self.name.clone(),
            agent,
            revision: self.orders.as_ref().map_or(0, |orders| orders.revision),
            nodes: self
                .keepers
                .values()
                .filter_map(|handle| handle.report.borrow().clone())
                .collect(),
        }
    }

    /// Takes orders unless they are foreign or stale.
    fn take(&mut self, orders: HostOrders) {
        if orders.cluster != self.cluster {
            tracing::error!(found = %orders.cluster, "orders of another cluster refused");
            return;
        }
        let held = self.orders.as_ref().map_or(0, |orders| orders.revision);
        if orders.revision < held {
            tracing::debug!(revision = orders.revision, held, "stale orders dropped");
            return;
        }
        self.leases.clone_from(&orders.leases);
        let is_new = orders.revision > held;
        if is_new {
            // Before anybody hears of them: an agent that crashed and went back to older orders could take a fence back.
            let keep = HostOrders { leases: Vec::new(), ..orders.clone() };
            if let Err(error) = save(&self.orders_file, &keep) {
                tracing::error!(%error, path = %self.orders_file.display(), "orders not saved");
            }
        }
        if is_new || self.orders.is_none() {
            self.orders = Some(orders);
        }
        self.instruct();
    }

    /// Ends all nodes, masters first, and returns when the last one is gone.
    async fn drain(&mut self) {
        for step in [Draining::Masters, Draining::All] {
            self.draining = step;
            self.instruct();
            for handle in self.keepers.values_mut() {
                let leaves = step == Draining::All || handle.instruction.borrow().draining;
                // An error means that the keeper is gone, and then nothing will be heard of it.
                if leaves {
                    let _ = handle.report.wait_for(is_gone).await;
                }
            }
        }
    }
}

fn is_gone(report: &Option<NodeReport>) -> bool {
    let process = report.as_ref().map(|report| &report.process);
    process.is_some_and(|process| !matches!(process, ProcessState::Running { .. }))
}

impl Drop for Keepers {
    fn drop(&mut self) {
        for handle in self.keepers.values() {
            handle.task.abort();
        }
    }
}

fn save(path: &Path, orders: &HostOrders) -> io::Result<()> {
    write_atomically(path, &serde_json::to_vec_pretty(orders)?)
}

/// Orders of an earlier life. A file that cannot be read is no reason to stop: the config server has
/// the truth; one of another cluster is, because then the nodes are not ours either.
fn held_orders(options: &Options) -> Result<Option<HostOrders>, RunError> {
    let path = options.dir.join(ORDERS_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(RunError::Directory { path, source }),
    };
    match serde_json::from_slice::<HostOrders>(&bytes) {
        Ok(orders) if orders.cluster == options.cluster => Ok(Some(orders)),
        Ok(orders) => Err(RunError::ForeignDirectory {
            path,
            found: orders.cluster,
            expected: options.cluster,
        }),
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "saved orders are not readable; waiting for new ones");
            Ok(None)
        }
    }
}

/// Number of this start: wall-clock milliseconds, but always above the last one, so that a clock that
/// was set back does not make us look like the older of two agents.
fn next_start(dir: &Path) -> io::Result<u64> {
    let path = dir.join(START_FILE);
    let last = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    let start = unix().0.max(last.unwrap_or(0).saturating_add(1));
    write_atomically(&path, start.to_string().as_bytes())?;
    Ok(start)
}
