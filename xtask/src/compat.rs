//! The differential tester for as long as one likes: `pollux server` beside redis-server.
//!
//! ```text
//!   seed, seed + 1, ... -> a script each -> both servers -> keyspaces compared
//!                                             `- Pollux killed, started from its log, keyspaces compared again
//! ```

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use testkit::client::{Client, Response};
use testkit::differential::{Difference, Duel, Gap, RedisServer, Report, Script, left_out};

use crate::flags;
use crate::servers::{binary, scratch, start_pollux_anywhere};

/// Loading that gets nowhere for so long is a failure.
const STUCK_AFTER: Duration = Duration::from_secs(60);

const USAGE: &str = "\
usage: cargo xtask compat [--seed N] [--commands N] [--minutes N] [--steps N] [--bin PATH] [--keep-going true]
                          [--coverage true]

Plays random commands to `pollux server` and to a redis-server (REDIS_SERVER names another program), and compares the
replies, the keyspaces, and the keyspace of Pollux killed and restored from its log. A difference is cut down to the
shortest script that shows it, and ends the run with an error.

  --seed N       the first seed (from the clock; printed)
  --commands N   how many in all (100000)
  --minutes N    go on for so long, however many commands that are
  --steps N      how many of one seed (3000)
  --bin PATH     a pollux binary that is already built
  --keep-going true   collect the differences of all seeds, and do not look for their shortest scripts
  --coverage true     list how often each command and each of its options was answered, and how often not with an error

example: cargo xtask compat --commands 1000000
";

struct Options {
    seed: u64,
    commands: usize,
    minutes: Option<u64>,
    steps: usize,
    bin: Option<PathBuf>,
    keeps_going: bool,
    shows_coverage: bool,
}

pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock")?;
    let options = flags::read(USAGE, args, |flags| {
        Ok(Options {
            seed: flags.take("--seed")?.unwrap_or(now.as_secs()),
            commands: flags.take("--commands")?.unwrap_or(100_000),
            minutes: flags.take("--minutes")?,
            steps: flags.take("--steps")?.unwrap_or(3000),
            bin: flags.take("--bin")?,
            keeps_going: flags.take("--keep-going")?.unwrap_or(false),
            shows_coverage: flags.take("--coverage")?.unwrap_or(false),
        })
    })?;
    let Some(mut options) = options else { return Ok(()) };
    let bin = binary(root, options.bin.take())?;
    play(&bin, scratch()?.path(), &options)
}

/// Seeds until enough commands were said or something differs.
#[expect(clippy::print_stdout, reason = "the report is what the task is asked for")]
fn play(bin: &Path, scratch: &Path, options: &Options) -> Result<()> {
    let redis = RedisServer::start().context("starting redis-server")?;
    let mut pollux = start_pollux_anywhere(bin, scratch)?;
    let started = Instant::now();
    let (mut sum, mut seed, mut restarts) = (Report::default(), options.seed, 0);
    let mut slowest = Duration::ZERO;
    println!("first seed: {seed}");
    let is_over = |commands: usize| match options.minutes {
        Some(minutes) => started.elapsed() >= Duration::from_secs(60 * minutes),
        None => commands >= options.commands,
    };
    while !is_over(sum.commands) {
        let duel = Duel { redis: redis.address(), pollux: format!("127.0.0.1:{}", pollux.port) };
        let script = Script::generate(seed, options.steps);
        let report = duel.run(&script).with_context(|| format!("seed {seed}"))?;
        if options.keeps_going {
            report.differences.iter().for_each(|found| println!("{found}\n"));
        } else if let Some(found) = report.differences.first() {
            println!("{}", explain(&duel, &script, found)?);
            bail!("seed {seed} shows a difference");
        }
        sum.add(report);
        // Killed: what was answered is in the log.
        drop(pollux);
        pollux = start_pollux_anywhere(bin, scratch)?;
        restarts += 1;
        let duel = Duel { pollux: format!("127.0.0.1:{}", pollux.port), ..duel };
        slowest = slowest.max(wait_until_loaded(&duel.pollux)?);
        if let Some(found) = duel.compare_keyspace()? {
            println!("{found}");
            ensure!(options.keeps_going, "seed {seed}: the keyspace differs after a restart");
            sum.differences.push(found);
        }
        seed += 1;
        if (seed - options.seed).is_multiple_of(10) {
            println!("{} commands, {} seeds", sum.commands, seed - options.seed);
        }
    }
    ensure!(sum.successes * 2 > sum.commands, "most commands failed: {sum:?}");
    println!(
        "{} commands of {} seeds in {:.0?}: {} succeeded, {} served to waiting clients, {} keys compared, {} payloads \
         exchanged and {} compared, {restarts} restarts from the log, of which the slowest took {slowest:.1?}",
        sum.commands,
        seed - options.seed,
        started.elapsed(),
        sum.successes,
        sum.served,
        sum.compared.keys,
        sum.compared.exchanged,
        sum.compared.payloads
    );
    for (reason, count) in &sum.known {
        println!("known, {count} times: {reason}");
    }
    if options.shows_coverage {
        println!("{}", sum.coverage);
    }
    report_coverage(&sum);
    ensure!(sum.differences.is_empty(), "{} differences", sum.differences.len());
    Ok(())
}

/// Totals, and everything that was not answered, with the reason.
#[expect(clippy::print_stdout, reason = "the report is what the task is asked for")]
fn report_coverage(sum: &Report) {
    for (what, of_options) in [("commands", false), ("options", true)] {
        let [all, said, answered] = sum.coverage.totals(of_options);
        println!(
            "{what}: {all} in the grammar, {said} said, {answered} answered not only with errors"
        );
    }
    let gaps = sum.coverage.gaps();
    let print = |title: &str, is_meant: &dyn Fn(&&Gap) -> bool| {
        let found: Vec<String> = gaps
            .iter()
            .filter(is_meant)
            .map(|gap| match gap.reason {
                Some(reason) => format!("{} ({reason})", gap.what),
                None => gap.what.clone(),
            })
            .collect();
        println!(
            "{title}: {}",
            if found.is_empty() { "none".to_owned() } else { found.join(", ") }
        );
    };
    print("never said", &|gap| !gap.is_said);
    print("only refused, for a reason", &|gap| gap.is_said && gap.reason.is_some());
    print("only refused, by chance", &|gap| gap.is_said && gap.reason.is_none());
    let left_out: Vec<String> = left_out().map(|(what, why)| format!("{what} ({why})")).collect();
    println!("left out: {}", left_out.join(", "));
}

/// Waits as long as loading goes on, however slow the machine is; how long it took.
fn wait_until_loaded(address: &str) -> Result<Duration> {
    let mut client = Client::connect(address)?;
    let begun = Instant::now();
    let (mut moved, mut loaded) = (begun, None);
    while let Response::Error(error) = client.call(&[b"PING"])? {
        ensure!(error.starts_with("LOADING"), "pollux answers after a restart: {error}");
        let info = client.call(&[b"INFO", b"persistence"])?;
        let info = String::from_utf8_lossy(info.as_bytes().unwrap_or_default()).into_owned();
        let bytes = info.lines().find_map(|line| line.strip_prefix("loading_loaded_bytes:"));
        if bytes != loaded.as_deref() {
            (moved, loaded) = (Instant::now(), bytes.map(str::to_owned));
        }
        ensure!(moved.elapsed() < STUCK_AFTER, "pollux is stuck loading:\n{info}");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(begun.elapsed())
}

/// The difference, and the shortest script found that shows it.
fn explain(duel: &Duel, script: &Script, found: &Difference) -> Result<String> {
    let (shortest, shown) = duel.shrink(script, found)?;
    Ok(format!("{found}\n\nshortest script:\n{shortest}{shown}"))
}
