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

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use agent::process::Spec;
use anyhow::{Context as _, Result, bail};
use cluster::api::{CreateInstance, ErrorCode};
use cluster::client::Client;
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::args;
use crate::layout::{self, Layout};
use crate::out::{Trouble, say};
use child::{Child, News, What};
use progress::Progress;

/// The first instance.
pub(crate) const INSTANCE: &str = "default";
/// A config server that has not answered by then will not.
const CONFIG_READY: Duration = Duration::from_secs(60);
/// A config server that was asked to end has its state on disk already.
const CONFIG_END: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(100);
const WATCH: Duration = Duration::from_millis(500);

/// Runs until it is stopped.
pub(crate) async fn run(args: args::Up) -> Result<()> {
    let dir = std::path::absolute(&args.dir).context("the working directory is gone")?;
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
        outcome = site.serve(args.requirepass) => outcome,
        () = interrupts.next() => Ok(()),
    };
    if let Err(error) = &outcome {
        say(format_args!("failed: {error:#}"));
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
    config_servers: Vec<Child>,
    agent: Child,
    news: mpsc::UnboundedReceiver<News>,
}

impl Site {
    /// Starts config servers and agent, or finds them.
    fn start(dir: PathBuf, binary: PathBuf, layout: Layout) -> Result<Site> {
        for folder in ["log", "run"] {
            let folder = dir.join(folder);
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let (tell, news) = mpsc::unbounded_channel();
        let ids = 1..=layout.config_servers.len();
        let config_servers = ids
            .map(|id| {
                let id = id.to_string();
                let args = ["config", "--detach", "--id", &id];
                let name = format!("config-{id}");
                Child::supervise(&name, spec(&dir, &binary, &name, &args), tell.clone())
            })
            .collect();
        let args = ["agent", "--detach"];
        let agent = Child::supervise("agent", spec(&dir, &binary, "agent", &args), tell);
        let client = Client::new(layout.config_addresses(), layout.cluster, &layout.secret);
        Ok(Site { dir, binary, layout, client, config_servers, agent, news })
    }

    /// Brings the instance up, tells about it, and watches. Returns only with an error.
    async fn serve(&mut self, password: Option<String>) -> Result<()> {
        self.wait_for_config_servers().await?;
        let mut told = self.newest_event().await;
        self.create_instance(password).await?;
        let mut progress = Progress::default();
        let status = loop {
            match self.client.status().await {
                Ok(status) if progress.show(&status) => break status,
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "no status"),
            }
            self.pause(POLL).await;
        };
        progress::summary(&self.dir, &self.layout, &self.pids(), &status);
        loop {
            self.pause(WATCH).await;
            match self.client.events(told).await {
                Ok(events) => {
                    for event in events {
                        told = told.max(event.id);
                        say(format_args!("{}", event.message));
                    }
                }
                Err(error) => tracing::debug!(%error, "no events"),
            }
        }
    }

    /// Waits a moment and says what happened to the children meanwhile.
    async fn pause(&mut self, pause: Duration) {
        let end = Instant::now() + pause;
        while let Ok(Some(news)) = timeout_at(end, self.news.recv()).await {
            tell(&self.dir, &news);
        }
        // The channel ends with the last child, which `up` itself stops.
        sleep_until(end).await;
    }

    async fn wait_for_config_servers(&mut self) -> Result<()> {
        let deadline = Instant::now() + CONFIG_READY;
        loop {
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
            if Instant::now() > deadline {
                bail!(Trouble::new(
                    format!("no config server is ready after {} s", CONFIG_READY.as_secs()),
                    format!("see {}", self.dir.join("log").display()),
                ));
            }
            self.pause(POLL).await;
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

    async fn newest_event(&self) -> u64 {
        let events = self.client.events(0).await.unwrap_or_default();
        events.last().map_or(0, |event| event.id)
    }

    fn pids(&self) -> Vec<(String, Option<u32>)> {
        let servers = self.config_servers.iter().zip(1..);
        let mut pids: Vec<_> =
            servers.map(|(child, id)| (format!("config-{id}"), child.pid())).collect();
        pids.push(("agent".to_owned(), self.agent.pid()));
        pids
    }

    /// Clean: no write that was acknowledged is lost.
    async fn stop(&mut self) {
        say("stopping: nodes write down what they have (Ctrl-C again: kill them) ...");
        for server in &self.config_servers {
            server.end(Signal::TERM);
        }
        for server in &mut self.config_servers {
            if timeout(CONFIG_END, server.ended()).await.is_err() {
                server.end(Signal::KILL);
                server.ended().await;
            }
        }
        self.agent.end(Signal::USR1);
        self.agent.ended().await;
        say(format_args!("stopped; `pollux up --dir {}` resumes", self.dir.display()));
    }

    /// At once; what was written to the log stays.
    async fn kill(&mut self) {
        for child in self.config_servers.iter_mut().chain([&mut self.agent]) {
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

fn tell(dir: &Path, news: &News) {
    let name = &news.name;
    match &news.what {
        What::Started { pid } => say(format_args!("  {name} started (pid {pid})")),
        What::Found { pid } => say(format_args!("  {name} still runs (pid {pid}); taken over")),
        What::Died(exit) => say(format_args!(
            "  {name} ended ({exit}) and is started again; see {}",
            log_file(dir, name).display()
        )),
        What::CannotStart(error) => say(format_args!("  {name} cannot be started: {error}")),
    }
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
