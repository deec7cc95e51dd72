//! `pollux`: every role and every verb of the database in one program.

mod args;
mod layout;
mod node;
mod operate;
mod out;
mod ports;
mod roles;
mod server;
mod up;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use store::memory::CountingAllocator;
use tikv_jemallocator::Jemalloc;
use tracing_subscriber::fmt::MakeWriter;

use args::{Cli, Command};

/// Counts what is in use, for INFO and `maxmemory`.
#[global_allocator]
static ALLOCATOR: CountingAllocator<Jemalloc> = CountingAllocator(Jemalloc);

/// Exit code when what was asked for did not happen.
const FAILED: u8 = 1;
/// Exit code when what was asked for makes no sense; the same as clap's.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let result = match words.split_first() {
        Some((program, words)) if server::is_asked_for_by_name(program) => server::run(words),
        _ => run(Cli::parse().command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed; the exit code still tells.
            let _ = writeln!(io::stderr(), "pollux: {}", out::with_causes(&error));
            let is_usage =
                error.downcast_ref().is_some_and(|trouble: &out::Trouble| trouble.is_usage);
            ExitCode::from(if is_usage { USAGE } else { FAILED })
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Up(args) => {
            log_to_stderr("warn");
            block_on(up::run(args))
        }
        Command::Status(args) => block_on(operate::status(&args)),
        Command::Instance(command) => block_on(operate::instance(command)),
        Command::Events(args) => block_on(operate::events(&args)),
        Command::Agent(args) => {
            log_to_stderr("info");
            block_on(roles::agent(args))
        }
        Command::Config(args) => {
            log_to_stderr("info,openraft=error");
            block_on(roles::config(args))
        }
        Command::Node(args) => {
            log_to_stderr("info");
            node::run(&args)
        }
        Command::Server(args) => server::run(&args.words),
        Command::Version => {
            out::say(format_args!(
                "pollux {} (behaves as Redis {})",
                env!("CARGO_PKG_VERSION"),
                kernel::REDIS_VERSION
            ));
            Ok(())
        }
    }
}

/// The control plane's runtime; data nodes have their own loop.
fn block_on<F: Future<Output = Result<()>>>(future: F) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(future)
}

/// Logs go to standard error, which whoever started us sends to a file. `POLLUX_LOG` changes what is
/// logged, in the form of `RUST_LOG`.
fn log_to_stderr(default: &str) {
    log_to(default, io::stderr);
}

fn log_to(default: &str, writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_env_var("POLLUX_LOG")
        .try_from_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    // A log that cannot be written (a full disk, a terminal that is gone) must not end the process: the library would
    // tell so on standard error, and panic when that fails as well.
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(false)
        .log_internal_errors(false)
        .init();
}
