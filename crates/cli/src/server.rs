//! `pollux server`: one node without a cluster, configured as redis-server is.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, Result};
use kernel::alone::{Alone, AloneError, Stage};
use kernel::config::file::{self, ReadError};
use kernel::config::{Config, DirectiveError, LogLevel};
use kernel::stopper::Stopper;
use tokio::signal::unix::{SignalKind, signal};

use crate::out::{self, Trouble};

const PARAMETERS_REMEDY: &str =
    "parameters are those of redis.conf, as --name value; see `pollux server --help`";

/// Runs until SHUTDOWN, SIGTERM or SIGINT.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let config = configure(words)?;
    log_as_configured(&config)?;
    let node = Alone::open(config).map_err(|error| trouble(&error))?;
    stop_on_signals(node.stopper())?;
    let addresses: Vec<String> = node.addresses().iter().map(ToString::to_string).collect();
    let addresses = addresses.join(" ");
    node.run(&mut |stage| match stage {
        Stage::Loading(progress) => out::say(format_args!(
            "loading: {} %, {} keys, {} ops",
            progress.percent(),
            progress.keys,
            progress.ops
        )),
        Stage::Ready(_) => out::say(format_args!("ready: {addresses}")),
    })
    .map_err(|error| trouble(&error))?;
    out::say("stopped: everything is on disk");
    Ok(())
}

fn trouble(error: &AloneError) -> Trouble {
    Trouble::new(error.to_string(), error.remedy())
}

/// The file, if one is named, and the arguments behind it, which have the last word.
fn configure(words: &[String]) -> Result<Config> {
    let (path, arguments) = match words {
        [path, arguments @ ..] if !path.starts_with("--") => (Some(PathBuf::from(path)), arguments),
        arguments => (None, arguments),
    };
    let mut config = Config::default();
    if let Some(path) = path {
        let directives = file::read(&path).map_err(|error| unreadable(&path, &error))?;
        let wrong = |error| misled(&format!("{}: ", path.display()), &error);
        config.load(&directives).map_err(wrong)?;
        config.set_file(path.canonicalize().unwrap_or(path));
    }
    let directives = file::parse_arguments(arguments)
        .map_err(|error| Trouble::usage(error.to_string(), PARAMETERS_REMEDY))?;
    config.load(&directives).map_err(|error| misled("", &error))?;
    Ok(config)
}

fn unreadable(path: &Path, error: &ReadError) -> Trouble {
    let what = match error {
        ReadError::Io { .. } => error.to_string(),
        _ => format!("{}: {error}", path.display()),
    };
    Trouble::usage(what, "name a readable configuration file before the first --name")
}

fn misled(place: &str, error: &DirectiveError) -> Trouble {
    Trouble::usage(format!("{place}{error}"), PARAMETERS_REMEDY)
}

/// `loglevel` and `logfile`; without a file, standard error.
fn log_as_configured(config: &Config) -> Result<()> {
    let level = match config.settings().loglevel {
        LogLevel::Debug => "debug",
        LogLevel::Verbose | LogLevel::Notice => "info",
        LogLevel::Warning => "warn",
        LogLevel::Nothing => "off",
    };
    match config.get("logfile") {
        None | Some("") => crate::log_to_stderr(level),
        Some(path) => {
            let log = OpenOptions::new().create(true).append(true).open(path).map_err(|error| {
                Trouble::new(format!("cannot write {path}: {error}"), "name another --logfile")
            })?;
            crate::log_to(level, Mutex::new(log));
        }
    }
    Ok(())
}

/// A thread of its own waits for the signals: the executor belongs to the data.
pub(crate) fn stop_on_signals(stopper: Stopper) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut terminate, mut interrupt) = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let wait = move || {
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        });
        tracing::info!("asked to stop");
        stopper.stop();
    };
    thread::Builder::new().name("signals".to_owned()).spawn(wait).context("no thread")?;
    Ok(())
}
