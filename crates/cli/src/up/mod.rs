//! `pollux up`: everything on this machine, in the foreground.
//!
//! ```text
//!   check directory, lock, ports -> config servers -> agent -> instance -> wait until ready -> watch
//!                                                                                              |
//!        nodes end (masters first) <- agent <- config servers end first  <---- Ctrl-C ---------+
//! ```
//!
//! Config servers end first at the stop, so that the end of the nodes is not taken for a failure and answered
//! with a failover. An `up` that was killed leaves its children running; the next one finds them.

mod check;
mod child;
mod progress;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agent::process::Spec;
use anyhow::{Context as _, Result, bail};
use cluster::api::{CreateInstance, ErrorCode, Status};
use cluster::client::Client;
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::args;
use crate::layout::{self, Layout};
use crate::out::{Trouble, say, time_of_day};
use child::{Child, News, What};
use progress::{Progress, Ready, Returns};

/// The first instance.
pub(crate) const INSTANCE: &str = "default";
/// A config server that has not answered by then will not.
const CONFIG_READY: Duration = Duration::from_secs(60);
/// A config server that was asked to end has its state on disk already.
const CONFIG_END: Duration = Duration::from_secs(5);
/// A child that failed so often while nothing was ready yet will fail again.
const FAILED_STARTS_MAX: u32 = 3;
/// The master serves for so long already: no reason to keep people waiting for its replicas.
const REPLICAS_READY: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);
const WATCH: Duration = Duration::from_millis(100);

/// Runs until it is stopped.
pub(crate) async fn run(args: args::Up) -> Result<()> {
    let dir = std::path::absolute(&args.dir).context("the working directory is gone")?;
    let begin = Instant::now();
    let mut interrupts = Interrupts::new().context("cannot wait for signals")?;
    let (_lock, layout, is_new) = check::prepare(&dir, &args)?;
    let binary = std::env::current_exe().context("cannot find the program's own file")?;
    say(format_args!(
        "pollux {}: {} {}",
        env!("CARGO_PKG_VERSION"),
        if is_new { "new cluster in" } else { "resuming" },
        dir.display()
    ));
    let mut site = Site::start(dir, binary, layout)?;
    let outcome = tokio::select! {
        outcome = site.serve(args.requirepass, begin) => outcome,
        () = interrupts.next() => Ok(()),
    };
    if outcome.is_err() {
        say("that did not work; ending what was started ...");
    }
    tokio::select! {
        () = site.stop() => {}
        () = interrupts.next() => site.kill().await,
    }
    outcome
}

/// Ctrl-C and SIGTERM, as often as they come.
struct Interrupts {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Interrupts {
    fn new() -> std::io::Result<Interrupts> {
        Ok(Interrupts {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// Everything that runs.
struct Site {
    dir: PathBuf,
    binary: PathBuf,
    layout: Layout,
    client: Client,
    config_servers: Vec<ConfigServer>,
    agent: Child,
    news: mpsc::UnboundedReceiver<News>,
    failures: BTreeMap<String, Failures>,
}

#[derive(Debug)]
struct ConfigServer {
    name: String,
    address: String,
    child: Child,
}

/// The ends of one child that nobody asked for.
#[derive(Debug, Default)]
struct Failures {
    count: u32,
    /// What it said last, told once.
    why: String,
}

impl Site {
    /// Starts config servers and agent, or finds them.
    fn start(dir: PathBuf, binary: PathBuf, layout: Layout) -> Result<Site> {
        for folder in ["log", "run"] {
            let folder = dir.join(folder);
            fs::create_dir_all(&folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let (tell, news) = mpsc::unbounded_channel();
        let lost = layout.lost_config_servers(&dir);
        let mut config_servers = Vec::new();
        for (id, address) in (1..).zip(layout.config_addresses()) {
            let name = format!("config-{id}");
            if lost.contains(&id) {
                say(format_args!(
                    "  {name} has lost its directory and stays out; the others go on"
                ));
                continue;
            }
            let args = ["config", "--detach", "--id", &id.to_string()];
            let child = Child::supervise(&name, spec(&dir, &binary, &name, &args), tell.clone());
            config_servers.push(ConfigServer { name, address, child });
        }
        let args = ["agent", "--detach"];
        let agent = Child::supervise("agent", spec(&dir, &binary, "agent", &args), tell);
        let client = Client::new(layout.config_addresses(), layout.cluster, &layout.secret);
        let failures = BTreeMap::new();
        Ok(Site { dir, binary, layout, client, config_servers, agent, news, failures })
    }

    /// Brings the instance up, tells about it, and watches. Returns only with an error.
    async fn serve(&mut self, password: Option<String>, begin: Instant) -> Result<()> {
        self.wait_for_config_servers().await?;
        let is_open = password.is_none() && !self.layout.instance_created;
        self.create_instance(password).await?;
        let status = self.wait_until_ready().await;
        // What led here was shown as progress; from now on events are news.
        let mut told = self.newest_event().await;
        progress::summary(&self.dir, &self.roles(), &status, begin.elapsed());
        if is_open && !self.layout.bind.is_loopback() {
            say(progress::OPEN_TO_ALL);
        }
        let mut returns = Returns::default();
        loop {
            self.pause(WATCH).await;
            if let Ok(status) = self.client.status().await {
                let at = time_of_day(unix_ms());
                returns.news(&status).iter().for_each(|line| say(format_args!("{at} {line}")));
            }
            match self.client.events(told).await {
                Ok(events) => {
                    for event in events {
                        told = told.max(event.id);
                        say(format_args!("{} {}", time_of_day(event.at_ms.0), event.message));
                    }
                }
                Err(error) => tracing::debug!(%error, "no events"),
            }
        }
    }

    /// Shows progress until everything is in its place, or the master serves and its replicas take long.
    async fn wait_until_ready(&mut self) -> Status {
        let mut progress = Progress::default();
        let mut serves_since = None;
        loop {
            match self.client.status().await {
                Ok(status) => match progress.show(&status) {
                    Ready::Complete => return status,
                    Ready::MasterServes => {
                        let since: Instant = *serves_since.get_or_insert_with(Instant::now);
                        if since.elapsed() > REPLICAS_READY {
                            return status;
                        }
                    }
                    Ready::No => serves_since = None,
                },
                Err(error) => tracing::debug!(%error, "no status"),
            }
            self.pause(POLL).await;
        }
    }

    /// Waits a moment and says what happened to the children meanwhile.
    async fn pause(&mut self, pause: Duration) {
        let end = Instant::now() + pause;
        while let Ok(Some(news)) = timeout_at(end, self.news.recv()).await {
            self.tell(&news);
        }
        // The channel ends with the last child, which `up` itself stops.
        sleep_until(end).await;
    }

    fn tell(&mut self, news: &News) {
        let name = &news.name;
        let failures = self.failures.entry(name.clone()).or_default();
        match &news.what {
            What::Started { pid } if failures.count == 0 => {
                say(format_args!("  {name} started (pid {pid})"));
            }
            What::Started { pid } => tracing::info!(name, pid, "started again"),
            What::Found { pid } => say(format_args!("  {name} still runs (pid {pid}); taken over")),
            What::Died(exit) => {
                failures.count += 1;
                let log = log_file(&self.dir, name);
                let why = agent::process::last_words(&log)
                    .unwrap_or_else(|| format!("{exit}; see {}", log.display()));
                if why != failures.why {
                    say(format_args!("  {name}: {why}; it is started again"));
                    failures.why = why;
                }
            }
            What::CannotStart(error) => {
                failures.count += 1;
                let why = format!("cannot be started: {error}");
                if why != failures.why {
                    say(format_args!("  {name} {why}"));
                    failures.why = why;
                }
            }
        }
    }

    async fn wait_for_config_servers(&mut self) -> Result<()> {
        let deadline = Instant::now() + CONFIG_READY;
        loop {
            self.pause(POLL).await;
            for address in self.layout.config_addresses() {
                match self.client.health(&address).await {
                    Ok(health) if health.ready => {
                        say(format_args!("  config servers are up ({address} answers)"));
                        return Ok(());
                    }
                    Ok(_) => {}
                    Err(error) => tracing::debug!(%error, "not ready"),
                }
            }
            let hopeless = |failures: &&Failures| failures.count >= FAILED_STARTS_MAX;
            if let Some(failures) = self.failures.values().find(hopeless) {
                bail!(Trouble::new(failures.why.clone(), self.see_logs()));
            }
            if Instant::now() > deadline {
                bail!(Trouble::new(
                    format!("no config server is ready after {} s", CONFIG_READY.as_secs()),
                    self.see_logs(),
                ));
            }
        }
    }

    /// On the first start. Done again after a crash in between: then it exists, which is as good.
    async fn create_instance(&mut self, password: Option<String>) -> Result<()> {
        if self.layout.instance_created {
            return Ok(());
        }
        let request = CreateInstance {
            name: INSTANCE.to_owned(),
            edition: self.layout.edition,
            replicas: Some(self.layout.replicas),
            port: self.layout.port,
            bind: self.layout.bind.to_string(),
            params: password
                .map(|password| ("requirepass".to_owned(), password))
                .into_iter()
                .collect(),
        };
        let deadline = Instant::now() + CONFIG_READY;
        loop {
            match self.client.create_instance(&request).await {
                Ok(_) => break,
                Err(error) if error.code() == Some(ErrorCode::Exists) => break,
                // The agent may not have reported yet, or the leader may be about to change.
                Err(error) if Instant::now() > deadline => {
                    return Err(error).context("cannot create the instance");
                }
                Err(error) if error.code() == Some(ErrorCode::Invalid) => {
                    return Err(error).context("cannot create the instance");
                }
                Err(error) => tracing::debug!(%error, "instance not created yet"),
            }
            self.pause(POLL).await;
        }
        self.layout.instance_created = true;
        Ok(self.layout.save(&self.dir)?)
    }

    fn see_logs(&self) -> String {
        format!("the whole story is in {}", self.dir.join("log").display())
    }

    async fn newest_event(&self) -> u64 {
        let events = self.client.events(0).await.unwrap_or_default();
        events.last().map_or(0, |event| event.id)
    }

    /// What runs beside the nodes: name, what it is, pid.
    fn roles(&self) -> Vec<progress::RoleLine> {
        let servers = self.config_servers.iter().map(|server| progress::RoleLine {
            name: server.name.clone(),
            what: "config server",
            pid: server.child.pid(),
            address: Some(server.address.clone()),
        });
        let agent = progress::RoleLine {
            name: "agent".to_owned(),
            what: "of this host",
            pid: self.agent.pid(),
            address: None,
        };
        servers.chain([agent]).collect()
    }

    /// Clean: no write that was acknowledged is lost.
    async fn stop(&mut self) {
        say("stopping: nodes write down what they have (Ctrl-C again: kill them) ...");
        for server in &self.config_servers {
            server.child.end(Signal::TERM);
        }
        for server in &mut self.config_servers {
            if timeout(CONFIG_END, server.child.ended()).await.is_err() {
                server.child.end(Signal::KILL);
                server.child.ended().await;
            }
        }
        self.agent.end(Signal::USR1);
        self.agent.ended().await;
        let option = layout::dir_option(&self.dir);
        say(format_args!("stopped; `pollux up{option}` resumes"));
    }

    /// At once; what was written to the log stays.
    async fn kill(&mut self) {
        let servers = self.config_servers.iter_mut().map(|server| &mut server.child);
        for child in servers.chain([&mut self.agent]) {
            child.end(Signal::KILL);
            child.ended().await;
        }
        // Without its agent nobody starts a node any more.
        match agent::kill_nodes(&layout::nodes_dir(&self.dir), &self.binary).await {
            Ok(()) => say("killed"),
            Err(error) => say(format_args!("nodes may still run: {error}")),
        }
    }
}

fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

fn log_file(dir: &Path, name: &str) -> PathBuf {
    dir.join("log").join(format!("{name}.log"))
}

/// A child is `pollux <args> --dir <dir>`.
fn spec(dir: &Path, binary: &Path, name: &str, args: &[&str]) -> Spec {
    let mut args: Vec<OsString> = args.iter().map(OsString::from).collect();
    args.extend(["--dir".into(), dir.into()]);
    Spec {
        binary: binary.to_owned(),
        args,
        log: log_file(dir, name),
        record: dir.join("run").join(format!("{name}.json")),
    }
}
