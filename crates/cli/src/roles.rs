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
