//! The roles: processes that `up` and the agent start, each with what it reads from its directory.

use std::path::Path;

use agent::Stop;
use anyhow::{Context as _, Result, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::args;
use crate::layout::{self, Found, Layout};
use crate::out::Trouble;

/// `pollux agent`
pub(crate) async fn agent(args: args::Agent) -> Result<()> {
    begin(&args.detach);
    let layout = own_layout(&args.dir)?;
    let options = agent::Options {
        dir: layout::agent_dir(&args.dir),
        nodes_dir: layout::nodes_dir(&args.dir),
        host: layout.host.clone(),
        cluster: layout.cluster,
        secret: layout.secret.clone(),
        config_servers: layout.config_addresses(),
        binary: std::env::current_exe().context("cannot find the program's own file")?,
        listen: std::net::Ipv4Addr::LOCALHOST.into(),
        patience: agent::Patience::default(),
    };
    let (stop, stopped) = watch::channel(Stop::No);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut drain = signal(SignalKind::user_defined1())?;
    tokio::spawn(async move {
        loop {
            let wish = tokio::select! {
                _ = terminate.recv() => Stop::Leave,
                _ = interrupt.recv() => Stop::Leave,
                _ = drain.recv() => Stop::Drain,
            };
            tracing::info!(?wish, "signal");
            stop.send_replace(wish);
        }
    });
    agent::run(options, stopped).await.context("agent")
}

/// `pollux config`
pub(crate) async fn config(args: args::Config) -> Result<()> {
    begin(&args.detach);
    let layout = own_layout(&args.dir)?;
    let servers = layout.config_servers.len();
    let Some(listen) =
        args.id.checked_sub(1).and_then(|at| layout.config_servers.get(usize::from(at)))
    else {
        bail!(Trouble::usage(
            format!(
                "{} has {servers} config server(s), and --id says {}",
                args.dir.display(),
                args.id
            ),
            format!("--id takes 1 to {servers}"),
        ));
    };
    let options = control::Options {
        dir: layout::config_dir(&args.dir, args.id),
        listen: *listen,
        server_id: args.id.into(),
        members: (1..).zip(layout.config_addresses()).collect(),
        cluster: layout.cluster,
        secret: layout.secret.clone(),
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to end");
    };
    control::run(options, stop).await.with_context(|| format!("config server {}", args.id))
}

fn begin(detach: &args::Detach) {
    if detach.detach {
        agent::process::detach();
    }
}

fn own_layout(dir: &Path) -> Result<Layout> {
    match Layout::find(dir)? {
        Found::Ours(layout) => Ok(*layout),
        Found::Nothing | Found::Foreign { .. } => bail!(Trouble::new(
            format!("{} has no pollux.json", dir.display()),
            "this command is started by `pollux up`; name its directory with --dir",
        )),
    }
}
