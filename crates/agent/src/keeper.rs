//! Keeps one node: its process, its courier, its report.
//!
//! ```text
//!            assignment                       every 100 ms, and at once after
//!   sync ------------------> keeper: decide --- an exit, an answer, an order
//!    ^                        |      |
//!    +---- report ------------+      +-- start / find / end / kill process, spawn courier
//! ```
//!
//! Invariants
//! - The keeper is the only one that starts or kills its node.
//! - The report says `Running` from before the process is started, and anything else only after the
//!   kernel has said that it is gone. There is no report at all before it was looked for a process of an earlier
//!   agent: `Absent` would prove the death of a master that lives.
//! - A data directory is removed only when ordered, and never while a process may use it.
//! - A node that had data is not started without it: that is reported, and the config server decides.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::{ClusterId, NodeId, Tick};
use cluster::api::{LastExit, NodeOrder, NodeReport, ProcessState, Role};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::clock::monotonic;
use crate::courier::{self, Assignment, News, Peer};
use crate::decide::{Action, KillReason, Patience, Seen, Silence, Wanted, decide};
use crate::directory::create_private;
use crate::effort::Effort;
use crate::link::Expected;
use crate::process::{self, Exit, Process, Spec};
use crate::render::{NodeConf, node_conf};

/// A node that is silent for so long (ms) is looked at: does it work?
const LOOK_AFTER_MS: u64 = 500;
const CYCLE: Duration = Duration::from_millis(100);

/// What a node's directory has when the node ever kept anything in it.
const DATA_MANIFEST: &str = "binlog/MANIFEST";
const CONF_FILE: &str = "node.conf";
const LOG_FILE: &str = "node.log";
const RECORD_FILE: &str = "process.json";
/// The node writes its own pid here when it listens.
const PID_FILE: &str = "node.pid";
/// The node writes the address here on which it listens.
const ADDRESS_FILE: &str = "node.address";

/// What all keepers of a host share.
#[derive(Debug)]
pub(crate) struct Host {
    /// The program that is started with `node --detach --dir <dir>`.
    pub binary: PathBuf,
    /// Holds a directory for each node.
    pub nodes_dir: PathBuf,
    /// Address on which nodes listen for each other.
    pub listen: IpAddr,
    pub patience: Patience,
    /// Rung when a report changed in a way that somebody waits for.
    pub urgent: Notify,
}

/// Who the nodes belong to; known with the first orders.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Credentials {
    pub cluster: Option<ClusterId>,
    pub secret: String,
}

/// What a keeper is told.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Instruction {
    pub assignment: Assignment,
    pub credentials: Credentials,
    /// The host is to be emptied: as if everything were ordered to stop.
    pub draining: bool,
}

/// A keeper's two ends.
#[derive(Debug)]
pub(crate) struct Handle {
    pub instruction: watch::Sender<Instruction>,
    /// `None` until it is known whether the node's process runs.
    pub report: watch::Receiver<Option<NodeReport>>,
    pub task: JoinHandle<()>,
}

/// How the node in `dir` is started.
fn node_spec(binary: &Path, dir: &Path) -> Spec {
    Spec {
        binary: binary.to_owned(),
        args: vec!["node".into(), "--detach".into(), "--dir".into(), dir.into()],
        log: dir.join(LOG_FILE),
        record: dir.join(RECORD_FILE),
    }
}

/// Kills every node of a host whose agent is gone, and returns when they are.
pub async fn kill_nodes(nodes_dir: &Path, binary: &Path) -> io::Result<()> {
    for entry in fs::read_dir(nodes_dir)? {
        let dir = entry?.path();
        if let Some(process) = Process::find(&node_spec(binary, &dir), Some(&dir.join(PID_FILE)))? {
            process.kill();
            process.exited().await;
        }
    }
    Ok(())
}

/// Starts keeping `node`.
pub(crate) fn keep(node: NodeId, host: Arc<Host>) -> Handle {
    let (instruction, instructions) = watch::channel(Instruction::default());
    let (report, reports) = watch::channel(None);
    let keeper = Keeper::new(node, host, instructions, report);
    Handle { instruction, report: reports, task: tokio::spawn(keeper.run()) }
}

/// A process with the one who talks to it.
#[derive(Debug)]
struct Running {
    process: Process,
    since: Tick,
    silence: Silence,
    effort: Effort,
    ending: Option<Tick>,
    killed: Option<KillReason>,
    news: watch::Receiver<News>,
    /// Answers that `silence` knows of.
    answers: u64,
    courier: Option<JoinHandle<()>>,
    address_file: PathBuf,
    /// Kept so that the channel stays open before there is a courier.
    to_courier: watch::Sender<Assignment>,
    from_courier: watch::Sender<News>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(courier) = &self.courier {
            courier.abort();
        }
    }
}

struct Keeper {
    node: NodeId,
    dir: PathBuf,
    spec: Spec,
    host: Arc<Host>,
    instructions: watch::Receiver<Instruction>,
    report: watch::Sender<Option<NodeReport>>,
    running: Option<Running>,
    /// Valid while nothing runs.
    ended: ProcessState,
    ended_at: Tick,
    failures: u32,
    error: Option<String>,
    last_exit: Option<LastExit>,
    lost_data: bool,
}

impl Keeper {
    fn new(
        node: NodeId,
        host: Arc<Host>,
        instructions: watch::Receiver<Instruction>,
        report: watch::Sender<Option<NodeReport>>,
    ) -> Keeper {
        let dir = host.nodes_dir.join(node.to_string());
        let spec = node_spec(&host.binary, &dir);
        Keeper {
            node,
            dir,
            spec,
            host,
            instructions,
            report,
            running: None,
            ended: ProcessState::Absent,
            ended_at: monotonic(),
            failures: 0,
            error: None,
            last_exit: None,
            lost_data: false,
        }
    }

    /// Until the instructions end.
    async fn run(mut self) {
        loop {
            match Process::find(&self.spec, Some(&self.dir.join(PID_FILE))) {
                Ok(Some(process)) => {
                    tracing::info!(node = %self.node, pid = process.pid(), "found running");
                    self.watch(process);
                    break;
                }
                Ok(None) => break,
                Err(error) => self.fail("cannot look for its process", &error),
            }
            sleep(CYCLE).await;
        }
        let mut cycle = interval(CYCLE);
        cycle.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let instruction = self.instructions.borrow_and_update().clone();
            self.act(&instruction);
            self.publish(&instruction);
            let running = &self.running;
            tokio::select! {
                _ = cycle.tick() => self.on_cycle(),
                exit = exited(running.as_ref()) => self.on_exit(exit),
                answers = heard(running.as_ref()) => self.on_answer(answers),
                changed = self.instructions.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn wanted(&self, instruction: &Instruction) -> Wanted {
        if instruction.draining {
            return Wanted::Stopped;
        }
        match &instruction.assignment.order {
            Some(order) => match &order.role {
                Role::Wait | Role::Master { .. } | Role::Fenced { .. } | Role::Replica { .. } => {
                    Wanted::Running
                }
                Role::Stopped | Role::Removed => Wanted::Stopped,
                Role::Killed => Wanted::Killed,
            },
            // Without any orders yet, what runs goes on; with orders that do not name it, it ends.
            None if instruction.assignment.revision == 0 && self.running.is_some() => {
                Wanted::Running
            }
            None => Wanted::Stopped,
        }
    }

    fn seen(&self) -> Seen {
        match &self.running {
            None => Seen::Gone { since: self.ended_at, failures: self.failures },
            Some(Running { killed: Some(_), .. }) => Seen::Killed,
            Some(Running { ending: Some(since), .. }) => Seen::Ending { since: *since },
            Some(running) => Seen::Running {
                since: running.since,
                answered: running.answers > 0,
                silent: running.silence.since(),
            },
        }
    }

    fn act(&mut self, instruction: &Instruction) {
        let now = monotonic();
        match decide(self.wanted(instruction), self.seen(), now, &self.host.patience) {
            Action::Nothing => {}
            Action::Start => self.start(instruction),
            Action::End => self.end(now),
            Action::Kill(reason) => self.kill(reason),
        }
        if let Some(running) = &mut self.running {
            running.talk(self.node, instruction);
        } else if is_removal(instruction) && self.ended != ProcessState::Removed {
            self.remove();
        }
    }

    fn start(&mut self, instruction: &Instruction) {
        let Some(order) = instruction.assignment.order.clone() else { return };
        // A directory that cannot be looked into has lost nothing; the start will tell what is wrong with it.
        let is_gone = matches!(self.dir.join(DATA_MANIFEST).try_exists(), Ok(false));
        self.lost_data = order.had_data && is_gone;
        let started = self.prepare(&order, &instruction.credentials).and_then(|()| {
            Process::start(&self.spec).map_err(|error| format!("cannot start: {error}"))
        });
        match started {
            Ok(process) => {
                tracing::info!(node = %self.node, pid = process.pid(), "started");
                self.error = None;
                self.watch(process);
            }
            Err(why) => {
                if self.error.as_ref() != Some(&why) {
                    tracing::error!(node = %self.node, why, "not started");
                }
                self.error = Some(why);
                // Missing data says nothing about the program: it starts soon after it is allowed to go without.
                self.failures = if self.lost_data { 1 } else { self.failures + 1 };
                self.ended_at = monotonic();
            }
        }
    }

    /// Makes the directory ready for a start; the reason in words when it is not.
    fn prepare(&self, order: &NodeOrder, credentials: &Credentials) -> Result<(), String> {
        let Some(cluster) = credentials.cluster else { return Err("no cluster yet".into()) };
        let failed =
            |what: &str, error: io::Error| format!("{what} {}: {error}", self.dir.display());
        create_private(&self.dir).map_err(|error| failed("cannot create", error))?;
        if self.lost_data {
            return Err(format!(
                "{} is empty, but this node had data: bring the data back; a replica fetches it from its master",
                self.dir.display()
            ));
        }
        let listen = last_address(&self.dir.join(ADDRESS_FILE), self.host.listen);
        for stale in [PID_FILE, ADDRESS_FILE] {
            absent_is_fine(fs::remove_file(self.dir.join(stale)))
                .map_err(|error| failed("cannot clean", error))?;
        }
        let conf = NodeConf {
            identity: expected(order, cluster, &credentials.secret),
            hash_seed: order.hash_seed,
            listen: listen.to_string(),
            parameters: order.params.clone().into_iter().collect(),
        };
        let text = node_conf(&conf).map_err(|error| error.to_string())?;
        process::write_atomically(&self.dir.join(CONF_FILE), text.as_bytes())
            .map_err(|error| failed("cannot write node.conf in", error))
    }

    fn watch(&mut self, process: Process) {
        let now = monotonic();
        let (to_courier, _) = watch::channel(Assignment::default());
        let (from_courier, news) = watch::channel(News::default());
        self.running = Some(Running {
            process,
            since: now,
            silence: Silence::new(now),
            effort: Effort::new(now),
            ending: None,
            killed: None,
            news,
            answers: 0,
            courier: None,
            address_file: self.dir.join(ADDRESS_FILE),
            to_courier,
            from_courier,
        });
    }

    /// The courier says `POLLUX SHUTDOWN`; a process that never answered gets a signal instead.
    fn end(&mut self, now: Tick) {
        if let Some(running) = &mut self.running {
            tracing::info!(node = %self.node, pid = running.process.pid(), "asked to end");
            running.ending = Some(now);
            if running.answers == 0 {
                running.process.terminate();
            }
        }
    }

    fn kill(&mut self, reason: KillReason) {
        if let Some(running) = &mut self.running {
            tracing::warn!(node = %self.node, "{} {reason}", running.process.id());
            running.killed = Some(reason);
            running.process.kill();
        }
    }

    fn on_cycle(&mut self) {
        if let Some(running) = &mut self.running
            && let Some(pause_ms) = running.silence.cycle(monotonic())
        {
            tracing::warn!(node = %self.node, pause_ms, "the agent itself was paused; samples discarded");
        }
        self.look_at_silent();
        if let Err(error) = process::rotate_log(&self.spec.log, process::LOG_BYTES_MAX) {
            self.fail("cannot rotate its log", &error);
        }
    }

    /// A node that is busy with one long command is not hung.
    fn look_at_silent(&mut self) {
        let now = monotonic();
        if let Some(running) = &mut self.running
            && now.ms_since(running.silence.since()) >= LOOK_AFTER_MS
            && let Some(ticks) = running.process.main_thread_ticks()
            && running.effort.works(ticks, now, self.host.patience.busy_ms)
        {
            tracing::debug!(node = %self.node, "busy, not hung");
            running.silence.broken(now);
        }
    }

    fn on_answer(&mut self, answers: u64) {
        if let Some(running) = &mut self.running {
            let now = monotonic();
            running.answers = answers;
            running.silence.broken(now);
            running.effort.answered(now);
        }
    }

    fn on_exit(&mut self, exit: Exit) {
        let Some(running) = self.running.take() else { return };
        let now = monotonic();
        let process = running.process.id();
        let settled = now.ms_since(running.since) >= self.host.patience.settled_ms;
        let asked = running.ending.is_some() || running.killed.is_some();
        self.failures = if asked || settled { 0 } else { self.failures + 1 };
        self.ended_at = now;
        let last_words = || process::last_words(&self.spec.log);
        let how = match (running.killed, exit) {
            (Some(reason), _) => reason.to_string(),
            (None, Exit::Code(1..)) => match last_words() {
                Some(why) => format!("{exit}: {why}"),
                None => exit.to_string(),
            },
            (None, _) => exit.to_string(),
        };
        self.ended = match (running.killed, exit) {
            (Some(_), _) => ProcessState::Killed { process },
            (None, Exit::Code(code)) => {
                ProcessState::Exited { process, code: Some(code), signal: None }
            }
            (None, Exit::Signal(signal)) => {
                ProcessState::Exited { process, code: None, signal: Some(signal) }
            }
            (None, Exit::Unknown) => ProcessState::Exited { process, code: None, signal: None },
        };
        if asked {
            tracing::info!(node = %self.node, "{process} {how}");
        } else {
            tracing::warn!(node = %self.node, "{process} {how}");
            self.error = Some(format!("{process} {how}; see {}", self.spec.log.display()));
        }
        self.last_exit = Some(LastExit { process, how });
    }

    /// Ordered removal: the directory goes away as a whole, its name first, so that a crash in between
    /// leaves nothing that could be taken for a node.
    fn remove(&mut self) {
        let doomed = self.host.nodes_dir.join(format!("{}.removed", self.node));
        let delete = |path: &Path| absent_is_fine(fs::remove_dir_all(path));
        let removed = delete(&doomed)
            .and_then(|()| absent_is_fine(fs::rename(&self.dir, &doomed)))
            .and_then(|()| delete(&doomed));
        match removed {
            Ok(()) => {
                tracing::info!(node = %self.node, "data directory removed as ordered");
                self.ended = ProcessState::Removed;
                self.error = None;
            }
            Err(error) => self.fail("cannot remove its directory", &error),
        }
    }

    fn fail(&mut self, what: &str, error: &io::Error) {
        let text = format!("{what}: {error}");
        if self.error.as_ref() != Some(&text) {
            tracing::error!(node = %self.node, "{text}");
        }
        self.error = Some(text);
    }

    /// Renews the report, and rings when somebody waits for what changed.
    fn publish(&self, instruction: &Instruction) {
        let new = match &self.running {
            Some(running) => {
                let news = running.news.borrow();
                NodeReport {
                    node: self.node,
                    revision: news.revision,
                    process: ProcessState::Running { process: running.process.id() },
                    address: news.address.clone(),
                    state: news.state.clone(),
                    silent_ms: monotonic().ms_since(running.silence.since()),
                    error: news.error.clone().or_else(|| self.error.clone()),
                    last_exit: self.last_exit.clone(),
                    lost_data: false,
                }
            }
            None => NodeReport {
                node: self.node,
                // Nothing runs: that is what `Stopped`, `Killed` and `Removed` order.
                revision: instruction.assignment.revision,
                process: self.ended.clone(),
                address: None,
                state: None,
                silent_ms: 0,
                error: self.error.clone(),
                last_exit: self.last_exit.clone(),
                lost_data: self.lost_data,
            },
        };
        let mut is_urgent = false;
        self.report.send_if_modified(|old| {
            is_urgent = old.as_ref().is_none_or(|old| !is_same_news(old, &new));
            let changed = old.as_ref() != Some(&new);
            *old = Some(new);
            changed
        });
        if is_urgent {
            self.host.urgent.notify_one();
        }
    }
}

impl Running {
    /// Passes the instruction to the courier; there is one as soon as we know who the node should be.
    fn talk(&mut self, node: NodeId, instruction: &Instruction) {
        let assignment =
            Assignment { ending: self.ending.is_some(), ..instruction.assignment.clone() };
        self.to_courier.send_if_modified(|old| {
            let changed = *old != assignment;
            *old = assignment;
            changed
        });
        let (Some(order), Some(cluster)) =
            (&instruction.assignment.order, instruction.credentials.cluster)
        else {
            return;
        };
        if self.courier.is_none() {
            let expected = expected(order, cluster, &instruction.credentials.secret);
            debug_assert_eq!(expected.node, node);
            let peer = Peer {
                expected,
                process: self.process.id(),
                address_file: self.address_file.clone(),
            };
            let assignments = self.to_courier.subscribe();
            let news = self.from_courier.clone();
            self.courier = Some(tokio::spawn(courier::run(peer, assignments, news)));
        }
    }
}

fn expected(order: &NodeOrder, cluster: ClusterId, secret: &str) -> Expected {
    Expected {
        cluster,
        shard: order.shard,
        node: order.node,
        incarnation: order.incarnation,
        secret: secret.to_owned(),
    }
}

fn is_removal(instruction: &Instruction) -> bool {
    instruction.assignment.order.as_ref().is_some_and(|order| order.role == Role::Removed)
}

/// Waits for the end of the process; for ever when there is none.
async fn exited(running: Option<&Running>) -> Exit {
    match running {
        Some(running) => running.process.exited().await,
        None => std::future::pending().await,
    }
}

/// Waits for an answer of the node; for ever when there is no process. Returns the number of answers.
async fn heard(running: Option<&Running>) -> u64 {
    let Some(running) = running else { return std::future::pending().await };
    let mut news = running.news.clone();
    loop {
        let answers = news.borrow_and_update().answers;
        if answers != running.answers {
            return answers;
        }
        if news.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Whether two reports differ only in what moves all the time (OpIDs, nonce, turns, silence).
fn is_same_news(old: &NodeReport, new: &NodeReport) -> bool {
    let states = match (&old.state, &new.state) {
        (None, None) => true,
        (Some(old), Some(new)) => {
            let link = |state: &cluster::api::NodeState| state.link.as_ref().map(|link| link.up);
            old.role == new.role
                && old.phase == new.phase
                && old.epoch == new.epoch
                && old.fenced == new.fenced
                && old.endpoint_bound == new.endpoint_bound
                && link(old) == link(new)
                // While writes are held the OpID tells when they have arrived.
                && (!new.fenced || old.opid == new.opid)
        }
        (None, Some(_)) | (Some(_), None) => false,
    };
    states
        && old.process == new.process
        && old.revision == new.revision
        && old.address == new.address
        && old.error == new.error
        && old.last_exit == new.last_exit
        && old.lost_data == new.lost_data
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The address that the node had the last time, if it is still to be had, so that an address stays with
/// its node; else one with port 0.
fn last_address(file: &Path, ip: IpAddr) -> SocketAddr {
    let any = SocketAddr::new(ip, 0);
    let last =
        fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<SocketAddr>().ok());
    match last {
        Some(last) if last.ip() == ip && TcpListener::bind(last).is_ok() => last,
        Some(_) | None => any,
    }
}
