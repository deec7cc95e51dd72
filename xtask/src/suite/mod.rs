//! The TCL suite of Redis against Pollux: `cargo xtask suite`.
//!
//! ```text
//!   source tree --copy, patched--> tests/ --one file after the other--> tclsh --> [ok] [err] ... per test
//!                                                                                      |
//!   suite/<mode>.tsv: what a real redis-server passes per file                         v
//!   suite/<mode>-misses.tsv: the tests that Pollux fails, each with its reason --> verdict
//! ```
//!
//! The lists are a ratchet: a test that fails and is not listed, and a file that passes fewer tests than a real server less
//! the listed ones, end the run with an error; a listed test that passes must leave the list.

mod record;
mod run;
mod source;
mod verdict;

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::servers::build;
use run::{Runner, Tally};
use source::Source;
use verdict::{Expected, Misses};

const USAGE: &str = "\
usage: cargo xtask suite [--mode external|spawn] [--source DIR] [--server PATH] [--out DIR] [--jobs N] [--idle N]
                         [--without FILE]... [--record] [FILE...]

Runs the TCL suite of Redis, file by file, and compares with what a real redis-server 7.0.15 passes and with the list of
known misses (xtask/suite). FILEs are named as the suite names them: unit/type/stream; none: all that the mode has.

  --mode MODE    external (default): a fresh server for each file, which the tests talk to.
                 spawn: the tests start servers themselves, with their own configuration files
  --source DIR   the source tree (default: target/redis-suite, where xtask/suite/fetch.sh puts it)
  --server PATH  a pollux binary that is already built, or `redis-server`
  --out DIR      the suite's own output, a file each (default: target/redis-suite-out)
  --jobs N       files that run at the same time (1); much of the suite is waiting
  --idle N       seconds without any output after which a test counts as hung (120)
  --without FILE leave a file out; may come several times
  --record       write down what this server passes as what is expected (with --server redis-server)

example: cargo xtask suite --mode spawn unit/acl integration/block-repl
";

/// How the suite meets its server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    External,
    Spawn,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Mode::External => "external",
            Mode::Spawn => "spawn",
        }
    }
}

struct Options {
    mode: Mode,
    source: PathBuf,
    server: Option<PathBuf>,
    out: PathBuf,
    idle: Duration,
    jobs: usize,
    records: bool,
    without: Vec<String>,
    files: Vec<String>,
}

#[expect(clippy::print_stdout, reason = "the report is what the task is asked for")]
pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    let Some(options) = parse(root, args)? else {
        eprint!("{USAGE}");
        return Ok(());
    };
    let lists = root.join("xtask/suite");
    let server = match &options.server {
        Some(path) => path.clone(),
        None => build(root)?,
    };
    fs::create_dir_all(&options.out)?;
    let expected = Expected::read(&lists.join(format!("{}.tsv", options.mode.name())))?;
    let misses = Misses::read(&lists.join(format!("{}-misses.tsv", options.mode.name())))?;
    let tallies = run_all(&options, &server, &expected)?;
    if options.records {
        return record::write(&lists, options.mode, &tallies);
    }
    let problems = verdict::judge(&tallies, &expected, &misses);
    verdict::summarize(&tallies, &expected, &misses);
    for problem in &problems {
        println!("{problem}");
    }
    ensure!(problems.is_empty(), "{} differences from what is expected", problems.len());
    Ok(())
}

/// Longest first, so that none of them is left alone at the end.
const LONG_FILES: [&str; 8] = [
    "unit/pause",
    "unit/tracking",
    "unit/geo",
    "unit/type/list-3",
    "unit/type/zset",
    "unit/hyperloglog",
    "unit/type/list",
    "unit/type/set",
];

/// Runs the files, so many at a time as asked for; each worker has a copy of the suite of its own. By name.
#[expect(clippy::print_stdout, reason = "progress of a long run")]
fn run_all(options: &Options, server: &Path, expected: &Expected) -> Result<Vec<(String, Tally)>> {
    let sources = (0..options.jobs.max(1))
        .map(|number| Source::prepare(&options.source, options.mode, number))
        .collect::<Result<Vec<Source>>>()?;
    let mut files =
        if options.files.is_empty() { sources[0].files()? } else { options.files.clone() };
    files.retain(|file| !options.without.contains(file));
    let is_long = |file: &String| LONG_FILES.contains(&file.as_str());
    files.sort_by_key(|file| (!is_long(file), file.clone()));
    let queue = Mutex::new(VecDeque::from(files));
    let tallies = Mutex::new(Vec::new());
    println!("{:<34} {:>5} {:>5} {:>5} {:>6}", "file", "ok", "bad", "redis", "s");
    let work = |source: &Source| -> Result<()> {
        let runner = Runner::new(source, server, &options.out, options.idle)?;
        loop {
            let Some(file) = queue.lock().expect("no worker panics").pop_front() else {
                return Ok(());
            };
            let tally = runner.run(&file)?;
            let real = expected.of(&file).map_or("-".to_owned(), |count| count.to_string());
            println!(
                "{file:<34} {:>5} {:>5} {real:>5} {:>6.0}",
                tally.passed.len(),
                tally.failed.len(),
                tally.took.as_secs_f64()
            );
            tallies.lock().expect("no worker panics").push((file, tally));
        }
    };
    thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = sources.iter().map(|source| scope.spawn(|| work(source))).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })?;
    let mut tallies = tallies.into_inner().expect("no worker panics");
    tallies.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(tallies)
}

/// `None`: help is asked for.
fn parse(root: &Path, args: &[String]) -> Result<Option<Options>> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let mut options = Options {
        mode: Mode::External,
        source: root.join("target/redis-suite"),
        server: None,
        out: target.join("redis-suite-out"),
        idle: Duration::from_secs(120),
        jobs: 1,
        records: false,
        without: Vec::new(),
        files: Vec::new(),
    };
    let mut args = args.iter();
    while let Some(word) = args.next() {
        let mut value = || args.next().with_context(|| format!("{word} needs a value\n\n{USAGE}"));
        match word.as_str() {
            "--help" | "-h" => return Ok(None),
            "--mode" => {
                options.mode = match value()?.as_str() {
                    "external" => Mode::External,
                    "spawn" => Mode::Spawn,
                    other => bail!("no mode '{other}'\n\n{USAGE}"),
                }
            }
            "--source" => options.source = value()?.into(),
            "--server" => options.server = Some(value()?.into()),
            "--out" => options.out = value()?.into(),
            "--idle" => options.idle = Duration::from_secs(value()?.parse()?),
            "--jobs" => options.jobs = value()?.parse()?,
            "--without" => options.without.push(value()?.to_owned()),
            "--record" => options.records = true,
            flag if flag.starts_with("--") => bail!("no option {flag}\n\n{USAGE}"),
            file => options.files.push(file.to_owned()),
        }
    }
    Ok(Some(options))
}
