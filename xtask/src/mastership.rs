//! How long a change of master takes, and what it costs: measured on `pollux up` under write load.
//!
//! ```text
//!   failover    signal to the master ----> first good write on the same port ----> old master in sync again
//!   switchover  the writers' longest wait around the command; lost writes, judged at the end
//! ```
//!
//! Writers at full speed run throughout, so a failover happens with replication busy and its loss is counted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use testkit::client::Client;
use testkit::oracle::{Oracle, judge};
use testkit::site::{Site, discarded_ops, master, node_of, pid, signal};
use wire::resp::response::Response;

use crate::flags;
use crate::servers::binary;

const USAGE: &str = "\
usage: cargo xtask failover   [--rounds N] [--writers N] [--writes N] [--bin PATH] [--signal kill|stop]
       cargo xtask switchover [--rounds N] [--writers N] [--writes N] [--bin PATH]

Starts `pollux up` in a temporary directory (the shipped profile is built unless --bin names a binary), keeps
writers busy, and takes the master away again and again: by SIGKILL, by SIGSTOP, or by `pollux instance failover`.
Prints each round and the medians; ends with an error when an acknowledged write is lost that the status does not
admit to, at a switchover when any is.

  --rounds N     changes of master (failover 20, switchover 50)
  --writers N    connections that write without pause (4)
  --writes N     writes before each round (2000); many of them make a long log, which the old master has to load
  --signal S     what the master gets (kill)

example: cargo xtask failover --rounds 5 --signal stop
";

/// Pause of the prober between two attempts.
const PROBE: Duration = Duration::from_millis(1);

struct Options {
    rounds: usize,
    writers: usize,
    /// Before each round, so that the shard is busy and its members have settled.
    writes: u64,
    bin: Option<PathBuf>,
    signal: Signal,
}

impl Options {
    /// `None`: help was asked for.
    fn parse(args: &[String], rounds: usize) -> Result<Option<Options>> {
        let options = flags::read(USAGE, args, |flags| {
            Ok(Options {
                rounds: flags.take("--rounds")?.unwrap_or(rounds),
                writers: flags.take("--writers")?.unwrap_or(4),
                writes: flags.take("--writes")?.unwrap_or(2_000),
                bin: flags.take("--bin")?,
                signal: match flags.take::<String>("--signal")?.as_deref() {
                    None | Some("kill") => Signal::KILL,
                    Some("stop") => Signal::STOP,
                    Some(other) => bail!("--signal is kill or stop, not {other}"),
                },
            })
        })?;
        let Some(options) = options else { return Ok(None) };
        ensure!(options.rounds > 0 && options.writers > 0, "numbers must be positive");
        Ok(Some(options))
    }

    fn start(&mut self, root: &Path) -> Result<(Site, Oracle)> {
        let bin = binary(root, self.bin.take())?;
        let site = Site::running(&bin.to_string_lossy(), &[]);
        let oracle = Oracle::start(&site.endpoint(), self.writers);
        Ok((site, oracle))
    }
}

#[expect(clippy::print_stdout, reason = "the rounds are what the task is asked for")]
pub(crate) fn failover(root: &Path, args: &[String]) -> Result<()> {
    let Some(mut options) = Options::parse(args, 20)? else { return Ok(()) };
    let (site, oracle) = options.start(root)?;
    let mut syncs = Syncs::default();
    let (mut writes, mut returns) = (Vec::new(), Vec::new());
    println!("round  old master  first good write  in sync again  by       discarded ops");
    for round in 1..=options.rounds {
        oracle.wait_for(options.writes);
        let before = site.wait_ready();
        let old = master(&before);
        let begin = Instant::now();
        signal(pid(old), options.signal);
        first_good_write(&site, &old["id"])?;
        let write = begin.elapsed();
        let after = site.wait_shard("the old master in sync again", |shard| {
            let node = node_of(shard, &old["id"]);
            shard["master"] != old["id"]
                && node["pid"] != old["pid"]
                && node["state"] == "in-sync"
                && node["in_sync"] == true
        });
        let back = begin.elapsed();
        let by = syncs.newest(&site, pid(master(&after)))?;
        println!(
            "{round:>5}  {:<10}  {:>13} ms  {:>10} ms  {by:<7}  {:>13}",
            old["id"].as_str().unwrap_or_default(),
            write.as_millis(),
            back.as_millis(),
            discarded_ops(&after) - discarded_ops(&before),
        );
        writes.push(write);
        returns.push(back);
    }
    println!("first good write: {}", Spread(&writes));
    println!("in sync again:    {}", Spread(&returns));
    let accounts = oracle.stop();
    let verdict = judge(&mut site.client(), &accounts);
    let told = discarded_ops(&site.wait_ready());
    let acknowledged: usize = accounts.iter().map(|account| account.acknowledged.len()).sum();
    println!(
        "of {acknowledged} acknowledged writes {} are lost, the status admits to {told} discarded ops; {verdict:?}",
        verdict.lost
    );
    ensure!(verdict.lost <= told, "a loss that nobody was told of");
    ensure!(verdict.doubled + verdict.reordered + verdict.invented == 0, "history is wrong");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the rounds are what the task is asked for")]
pub(crate) fn switchover(root: &Path, args: &[String]) -> Result<()> {
    let Some(mut options) = Options::parse(args, 50)? else { return Ok(()) };
    let (site, oracle) = options.start(root)?;
    let (mut gaps, mut times) = (Vec::new(), Vec::new());
    println!("round  new master  longest wait of a writer     command");
    for round in 1..=options.rounds {
        oracle.wait_for(options.writes);
        let before = site.wait_ready();
        oracle.take_longest_gap();
        let begin = Instant::now();
        let moved = site.pollux(&["instance", "failover", "default"]);
        let command = begin.elapsed();
        ensure!(
            moved.status.success(),
            "round {round}: {}",
            String::from_utf8_lossy(&moved.stderr)
        );
        let after = site.wait_ready();
        ensure!(after["master"] != before["master"], "round {round}: the master did not move");
        oracle.wait_for(options.writes);
        let gap = oracle.take_longest_gap();
        println!(
            "{round:>5}  {:<10}  {:>21} ms  {:>7} ms",
            after["master"].as_str().unwrap_or_default(),
            gap.as_millis(),
            command.as_millis()
        );
        gaps.push(gap);
        times.push(command);
    }
    println!("longest wait: {}", Spread(&gaps));
    println!("command:      {}", Spread(&times));
    let accounts = oracle.stop();
    let verdict = judge(&mut site.client(), &accounts);
    let acknowledged: usize = accounts.iter().map(|account| account.acknowledged.len()).sum();
    let refused: u64 = accounts.iter().map(|account| account.refused).sum();
    println!(
        "of {acknowledged} acknowledged writes {} are lost; {refused} refused; {verdict:?}",
        verdict.lost
    );
    ensure!(verdict.is_clean(), "a switchover must lose nothing");
    Ok(())
}

/// Returns when a new connection to the endpoint has written something, to another process than the one that was
/// signalled: a stopped one still accepts connections into its backlog, but answers none.
fn first_good_write(site: &Site, old: &serde_json::Value) -> Result<()> {
    let end = Instant::now() + testkit::site::DEADLINE;
    while Instant::now() < end {
        let attempt = Client::connect_within(&site.endpoint(), Duration::from_millis(100))
            .and_then(|mut client| client.call(&[b"SET", b"probe", b"1"]));
        if matches!(attempt, Ok(Response::Simple(_))) {
            return Ok(());
        }
        std::thread::sleep(PROBE);
    }
    bail!("nobody followed {old} at the endpoint\n{}", site.everything_printed())
}

/// Full and partial syncs that each master process has served, by its own count.
#[derive(Default)]
struct Syncs {
    known: BTreeMap<u32, (u64, u64)>,
}

impl Syncs {
    /// What the newest sync with the master `pid` was.
    fn newest(&mut self, site: &Site, pid: u32) -> Result<&'static str> {
        let Response::Bulk(info) = site.client().call(&[b"INFO", b"stats"])? else {
            bail!("INFO is not a string");
        };
        let info = String::from_utf8_lossy(&info);
        let field = |name: &str| {
            let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value
                .and_then(|value| value.trim().parse::<u64>().ok())
                .with_context(|| format!("no {name}"))
        };
        let now = (field("sync_full")?, field("sync_partial_ok")?);
        let (full, partial) = self.known.insert(pid, now).unwrap_or_default();
        Ok(match (now.0 > full, now.1 > partial) {
            (true, _) => "full",
            (false, true) => "partial",
            (false, false) => "-",
        })
    }
}

/// Median and extremes.
struct Spread<'a>(&'a [Duration]);

impl std::fmt::Display for Spread<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut sorted = self.0.to_vec();
        sorted.sort_unstable();
        let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else {
            return f.write_str("nothing measured");
        };
        let median = sorted[sorted.len() / 2];
        write!(
            f,
            "median {} ms, {} to {} ms in {} rounds",
            median.as_millis(),
            first.as_millis(),
            last.as_millis(),
            sorted.len()
        )
    }
}
