//! `pollux server`: one node without a cluster, which can stand in for redis-server: the same command line,
//! configuration file, log and signals.
//!
//! ```text
//!   arguments --command_line--> Config --> background? --> journal --> kernel::alone::Alone --> Ready to accept connections
//! ```

mod command_line;
mod journal;
mod service;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;

use anyhow::{Context as _, Result};
use kernel::alone::{Alone, AloneError, Stage};
use kernel::boot::ListenError;
use kernel::config::file::{self, Directive, ReadError};
use kernel::config::{Config, DirectiveError};
use kernel::stopper::Stopper;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use crate::out::{self, Trouble};
use command_line::{CommandLine, Instead};
use journal::Sink;
use service::{PidFile, Supervisor};

/// Names under which this program behaves as `pollux server`, for scripts that start redis-server.
const NAMES: [&str; 2] = ["redis-server", "valkey-server"];

const PARAMETERS_REMEDY: &str =
    "parameters are those of redis.conf, as --name value; see `pollux server --help`";

const USAGE: &str = "\
Usage: pollux server [CONFIG-FILE] [--NAME VALUE...]... [-]
       pollux server -v | --version

Parameters are those of redis.conf. `-` reads more of them from standard input.

Examples:
  pollux server /etc/redis/redis.conf
  pollux server --port 7000 --dir /var/lib/pollux --maxmemory 1gb
  echo 'maxmemory 128mb' | pollux server -";

/// The twins and their stars. The suites of Redis look for the process id in it.
const GREETING: &str = r"
        Castor *              * Pollux
              / \            / \
             *   \          /   *        Pollux {version}
            /     *--------*     \
           *      |        |      *      Port: {port}
          /       *        *       \     PID: {pid}
         *       /          \       *
                *            *

";

/// Whether the program was started by a name of redis-server's.
pub(crate) fn is_asked_for_by_name(program: &str) -> bool {
    let name = Path::new(program).file_name();
    NAMES.iter().any(|known| name.is_some_and(|name| name == *known))
}

/// Runs until SHUTDOWN, SIGTERM or SIGINT.
pub(crate) fn run(words: &[String]) -> Result<()> {
    match command_line::instead_of_serving(words) {
        Some(Instead::Version) => {
            out::say(format_args!(
                "Pollux server v={} (behaves as Redis {}) bits={}",
                env!("CARGO_PKG_VERSION"),
                kernel::REDIS_VERSION,
                usize::BITS
            ));
            return Ok(());
        }
        Some(Instead::Help) => {
            out::say(USAGE);
            return Ok(());
        }
        None => {}
    }
    let config = configure(words)?;
    let sink = sink(&config);
    sink.check().map_err(|error| {
        let path = config.get("logfile").unwrap_or_default();
        Trouble::new(format!("cannot write {path}: {error}"), "name another --logfile")
    })?;
    let in_background = config.settings().goes_to_background;
    if in_background && service::went_on_in_the_background()? {
        return Ok(());
    }
    serve(config, &sink, in_background)
}

fn serve(config: Config, sink: &Sink, in_background: bool) -> Result<()> {
    let supervisor = Supervisor::of(config.get("supervised").unwrap_or_default());
    let pid_file = config.get("pidfile").unwrap_or_default().to_owned();
    kernel::journal::set_level(config.settings().loglevel);
    journal::start(sink.clone());
    greet(&config, sink);
    let node = Alone::open(config).map_err(|problem| trouble(&problem))?;
    let _pid_file = PidFile::write(&pid_file, in_background);
    stop_on_signals(node.stopper())?;
    let addresses = node.addresses().to_vec();
    let path = node.unix_path().map(Path::to_owned);
    for address in &addresses {
        info!("Listening on {address}");
    }
    info!("Server initialized");
    let stopped = node.run(&mut |stage| match stage {
        Stage::Loading(progress) => {
            info!(keys = progress.keys, ops = progress.ops, "Loading: {} %", progress.percent())
        }
        Stage::Ready(_) => {
            if !addresses.is_empty() {
                info!("Ready to accept connections tcp");
            }
            if path.is_some() {
                info!("Ready to accept connections unix");
            }
            supervisor.tell_ready();
        }
    });
    supervisor.tell_stopping();
    stopped.map_err(|problem| trouble(&problem))?;
    info!("Everything is on disk");
    warn!("Pollux is now ready to exit, bye bye...");
    Ok(())
}

/// What stands at the head of the log of each start.
fn greet(config: &Config, sink: &Sink) {
    let (version, port) = (env!("CARGO_PKG_VERSION"), config.settings().port);
    info!("Pollux is starting");
    info!(
        "Pollux version={version}, behaves as Redis {}, bits={}, pid={}, just started",
        kernel::REDIS_VERSION,
        usize::BITS,
        process::id()
    );
    match config.file() {
        Some(_) => info!("Configuration loaded"),
        None => warn!(
            "Warning: no config file specified, using the default config. In order to specify a config file use \
             pollux server /path/to/redis.conf"
        ),
    }
    let is_seen = matches!(sink, Sink::Stdout) && std::io::stdout().is_terminal();
    if is_seen || config.get("always-show-logo") == Some("yes") {
        let pid = process::id().to_string();
        let text = GREETING.replace("{version}", version).replace("{pid}", &pid);
        sink.write(&text.replace("{port}", &port.to_string()));
    } else {
        info!("Running mode=standalone, port={port}.");
    }
}

/// Where the log goes: `logfile`, which is relative to `dir` as in Redis, or standard output.
fn sink(config: &Config) -> Sink {
    match config.get("logfile") {
        None | Some("") => Sink::Stdout,
        Some(path) => Sink::File(Path::new(config.get("dir").unwrap_or(".")).join(path)),
    }
}

fn trouble(problem: &AloneError) -> Trouble {
    if let AloneError::Listen(ListenError::InUse { address }) = problem {
        warn!("Failed listening on port {} (tcp), aborting.", address.port());
    }
    error!("{problem}");
    Trouble::new(problem.to_string(), problem.remedy())
}

/// The file, if one is named, then standard input, and the arguments, which have the last word.
fn configure(words: &[String]) -> Result<Config> {
    let line = CommandLine::parse(words)?;
    let mut config = Config::default();
    let mut directives: Vec<Directive> = Vec::new();
    if let Some(path) = &line.file {
        directives = file::read(path).map_err(|error| unreadable(path, &error))?;
        let wrong = |error| misled(&format!("{}: ", path.display()), &error);
        config.clone().load(&directives).map_err(wrong)?;
        config.set_file(path.canonicalize().unwrap_or_else(|_| PathBuf::from(path)));
    }
    directives.extend(line.read_stdin()?);
    directives.extend(line.directives);
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

/// A thread of its own waits for the signals: the executor belongs to the data. A second SIGINT ends the process at
/// once. SIGHUP is ignored, so that a server outlives the terminal that it was started from.
pub(crate) fn stop_on_signals(stopper: Stopper) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut terminate, mut interrupt, mut hang_up) = {
        let _inside = runtime.enter();
        let waiting = |kind| signal(kind);
        (
            waiting(SignalKind::terminate())?,
            waiting(SignalKind::interrupt())?,
            waiting(SignalKind::hangup())?,
        )
    };
    let wait = move || {
        runtime.block_on(async {
            loop {
                let (name, is_insistent) = next(&mut terminate, &mut interrupt, &mut hang_up).await;
                if is_insistent && stopper.is_wanted() {
                    warn!("You insist... exiting now.");
                    process::exit(1);
                }
                warn!("Received {name} scheduling shutdown...");
                stopper.stop();
            }
        });
    };
    thread::Builder::new().name("signals".to_owned()).spawn(wait).context("no thread")?;
    Ok(())
}

/// The next signal that means something: its name, and whether its repetition ends the process.
async fn next(
    terminate: &mut Signal,
    interrupt: &mut Signal,
    hang_up: &mut Signal,
) -> (&'static str, bool) {
    loop {
        tokio::select! {
            _ = terminate.recv() => return ("SIGTERM", false),
            _ = interrupt.recv() => return ("SIGINT", true),
            _ = hang_up.recv() => {}
        }
    }
}
