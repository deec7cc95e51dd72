//! The project's own tools: `cargo xtask <task>`.

mod bench;
mod compat;
mod flags;
mod follow;
mod footprint;
mod mastership;
mod pauses;
mod servers;
mod suite;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <task>

tasks:
  tidy    check what rustfmt and clippy cannot: import direction, file lengths, module docs, words, links
  bench   run Pollux and redis-server side by side and print the table of the README
          (--help lists its options; needs redis-server and redis-benchmark)
  compat  random commands to Pollux and to redis-server, compared; for as long as one likes
          (--help lists its options; needs redis-server)
  follow  Pollux as replica of a redis-server under random writes, for as long as one likes
          (--help lists its options; needs redis-server)
  suite   the TCL suite of Redis against Pollux, compared with a real server and a list of known misses
          (--help lists its options; needs tclsh and the suite's source)
  footprint
          memory of keys and of idle connections, beside redis-server
  pauses  how long others wait while a huge value is freed, beside redis-server
          (--help lists its options; needs redis-server)
  failover, switchover
          how long a change of master takes under write load, and what it costs
";

/// Root of the workspace, wherever cargo was called from.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let outcome = match args.next().as_deref() {
        Some("tidy") => tidy::run(&root()),
        Some("bench") => bench::run(&root(), &args.collect::<Vec<_>>()),
        Some("compat") => compat::run(&root(), &args.collect::<Vec<_>>()),
        Some("follow") => follow::run(&root(), &args.collect::<Vec<_>>()),
        Some("suite") => suite::run(&root(), &args.collect::<Vec<_>>()),
        Some("footprint") => footprint::run(&root(), &args.collect::<Vec<_>>()),
        Some("pauses") => pauses::run(&root(), &args.collect::<Vec<_>>()),
        Some("failover") => mastership::failover(&root(), &args.collect::<Vec<_>>()),
        Some("switchover") => mastership::switchover(&root(), &args.collect::<Vec<_>>()),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
