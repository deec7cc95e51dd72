//! Pollux as replica of a redis-server under random writes, for as long as one likes.
//!
//! ```text
//!   seeds --writes--> redis-server --stream--> pollux server
//!                          `----- digests and keyspaces compared, and what Pollux could not do of what it was told
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use testkit::client::{Client, Response};
use testkit::differential::{Duel, RedisServer, Script};

use crate::flags;
use crate::servers::{binary, scratch, start_pollux_anywhere};

const USAGE: &str = "\
usage: cargo xtask follow [--seed N] [--minutes N] [--steps N] [--bin PATH]

Writes random data of all types to a redis-server (REDIS_SERVER names another program) that a `pollux server` follows.
After each round both must hold the same, and Pollux must not have refused anything of the stream.

  --seed N       the first seed (from the clock; printed)
  --minutes N    how long (1)
  --steps N      how long the script of one seed is, of which the writes are said (3000)
  --bin PATH     a pollux binary that is already built
";

/// Clients that write at once.
const WRITERS: u64 = 2;
/// What others wait for meanwhile, a hundredth of a second each time.
const TAKERS: [&str; 6] = [
    "BLPOP l2 l1 0.01",
    "BLMOVE l1 l2 RIGHT LEFT 0.01",
    "BLMPOP 0.01 2 l1 l2 LEFT COUNT 2",
    "BZPOPMAX z2 z1 0.01",
    "BZMPOP 0.01 2 z1 z2 MIN COUNT 2",
    "XREADGROUP GROUP g bob COUNT 1 BLOCK 10 STREAMS x1 >",
];
const DATABASES: usize = 16;
/// Within so long a master has looked for its due keys many times.
const EXPIRY_PATIENCE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(60);

struct Options {
    seed: u64,
    minutes: u64,
    steps: usize,
    bin: Option<PathBuf>,
}

pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock")?;
    let options = flags::read(USAGE, args, |flags| {
        Ok(Options {
            seed: flags.take("--seed")?.unwrap_or(now.as_secs()),
            minutes: flags.take("--minutes")?.unwrap_or(1),
            steps: flags.take("--steps")?.unwrap_or(3000),
            bin: flags.take("--bin")?,
        })
    })?;
    let Some(mut options) = options else { return Ok(()) };
    let bin = binary(root, options.bin.take())?;
    let scratch = scratch()?;
    let result = play(&bin, scratch.path(), &options);
    if result.is_err() {
        let log = fs::read_to_string(scratch.path().join("pollux.log")).unwrap_or_default();
        log.lines().filter(|line| line.contains("CRITICAL")).for_each(|line| eprintln!("{line}"));
    }
    result
}

#[expect(clippy::print_stdout, reason = "the report is what the task is asked for")]
fn play(bin: &Path, scratch: &Path, options: &Options) -> Result<()> {
    let redis = RedisServer::start().context("starting redis-server")?;
    let pollux = start_pollux_anywhere(bin, scratch)?;
    let duel = Duel { redis: redis.address(), pollux: format!("127.0.0.1:{}", pollux.port) };
    let mut master = Client::connect(&duel.redis)?;
    let mut replica = Client::connect(&duel.pollux)?;
    // There are no others to wait for.
    ask(&mut master, "CONFIG SET repl-diskless-sync-delay 0")?;
    let port = duel.redis.rsplit_once(':').context("an address has a port")?.1;
    ask(&mut replica, &format!("REPLICAOF 127.0.0.1 {port}"))?;
    let is_old = ask(&mut master, "INFO server")?.contains("redis_version:7.0.");
    let started = Instant::now();
    let mut seed = options.seed;
    println!("first seed: {seed}");
    while started.elapsed() < Duration::from_secs(60 * options.minutes) {
        let round = format!("seeds {seed}..{}", seed + WRITERS);
        write(&duel.redis, seed..seed + WRITERS, options.steps).with_context(|| round.clone())?;
        come_to_rest(&mut master, &mut replica).with_context(|| round.clone())?;
        if let Some(found) = duel.compare_keyspace()? {
            bail!("{round}: {found}");
        }
        compare_digests(&mut master, &mut replica, is_old).with_context(|| round.clone())?;
        let stats = ask(&mut replica, "INFO stats")?;
        let refused = field(&stats, "unexpected_error_replies");
        ensure!(refused == Some("0"), "{round}: {refused:?} commands of the master were refused");
        seed += WRITERS;
    }
    let seeds = seed - options.seed;
    let stream = ask(&mut replica, "INFO replication")?;
    println!(
        "{seeds} seeds in {:.0?}, {} bytes of stream, digests equal {} times, nothing refused",
        started.elapsed(),
        field(&stream, "slave_repl_offset").unwrap_or("?"),
        seeds / WRITERS
    );
    Ok(())
}

/// A client for each seed, and those who wait for elements, all at once.
fn write(address: &str, seeds: std::ops::Range<u64>, steps: usize) -> Result<()> {
    let is_over = AtomicBool::new(false);
    let write = |seed| Script::generate(seed, steps).write_to(&mut Client::connect(address)?);
    let take = |words: &str| -> Result<()> {
        let mut client = Client::connect(address)?;
        while !is_over.load(Ordering::Relaxed) {
            ask(&mut client, words)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let writers: Vec<_> = seeds.map(|seed| scope.spawn(move || write(seed))).collect();
        let takers: Vec<_> = TAKERS.iter().map(|words| scope.spawn(move || take(words))).collect();
        let written: Vec<_> =
            writers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        is_over.store(true, Ordering::Relaxed);
        for written in written {
            written.expect("a writer does not panic")?;
        }
        takers.into_iter().try_for_each(|taker| taker.join().expect("a taker does not panic"))
    })
}

/// Takes all expiries off, so that time changes nothing any more, and waits until the replica has everything.
fn come_to_rest(master: &mut Client, replica: &mut Client) -> Result<()> {
    for db in 0..DATABASES {
        ask(master, &format!("SELECT {db}"))?;
        let Response::Array(keys) = master.call(&[b"KEYS", b"*"])? else {
            bail!("KEYS gives no list")
        };
        for key in keys.iter().filter_map(Response::as_bytes) {
            master.call_raw(&[b"PERSIST", key])?;
        }
    }
    ask(master, "SELECT 0")?;
    ask(master, "SET rest 1")?;
    let deadline = Instant::now() + PATIENCE;
    while !ask(replica, "INFO replication")?.contains("link_status:up")
        || ask(master, "WAIT 1 1000")? != ":1\r\n"
    {
        ensure!(Instant::now() < deadline, "the replica does not get what was written");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Digests of all data. Of keys that are due the master's DEL may be still to come. When they differ, the keys of 7.2 must be
/// equal one by one, but for signs of zeros.
fn compare_digests(master: &mut Client, replica: &mut Client, is_old: bool) -> Result<()> {
    let question = if is_old { "DEBUG DIGEST" } else { "DEBUG DIGEST 7.2" };
    let deadline = Instant::now() + EXPIRY_PATIENCE;
    loop {
        let digests = (ask(master, "DEBUG DIGEST")?, ask(replica, question)?);
        if digests.0 == digests.1 {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let (theirs, ours) = (keys(master, is_old)?, keys(replica, is_old)?);
            let unlike: Vec<_> = theirs.symmetric_difference(&ours).collect();
            ensure!(!is_old && unlike.is_empty(), "digests {digests:?}, of keys {unlike:?}");
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// All keys with their types and digests. Of sorted sets of 7.2 the contents, as `DIGEST-VALUE` of Pollux is that of 7.0, and
/// zeros without a sign: whether it is kept depends on the encoding.
fn keys(client: &mut Client, is_old: bool) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for db in 0..DATABASES {
        ask(client, &format!("SELECT {db}"))?;
        let Response::Array(keys) = client.call(&[b"KEYS", b"*"])? else {
            bail!("KEYS gives no list")
        };
        for key in keys.iter().filter_map(Response::as_bytes) {
            let kind = String::from_utf8_lossy(&client.call_raw(&[b"TYPE", key])?.1).into_owned();
            let value = match kind.trim_end() {
                "+zset" if !is_old => scores(client, key)?,
                _ => format!("{:?}", client.call(&[b"DEBUG", b"DIGEST-VALUE", key])?),
            };
            all.insert(format!("{} {db} {} {value}", kind.trim_end(), key.escape_ascii()));
        }
    }
    ask(client, "SELECT 0")?;
    Ok(all)
}

/// Members and scores, in order, as text.
fn scores(client: &mut Client, key: &[u8]) -> Result<String> {
    let Response::Array(words) = client.call(&[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"])? else {
        bail!("ZRANGE gives no list")
    };
    let words: Vec<&[u8]> = words.iter().filter_map(Response::as_bytes).collect();
    let pairs = words.chunks(2).map(|pair| {
        let score: &[u8] = if pair[1] == b"-0" { b"0" } else { pair[1] };
        format!("{} {}", pair[0].escape_ascii(), score.escape_ascii())
    });
    Ok(pairs.collect::<Vec<_>>().join(", "))
}

/// The reply to words, as text.
fn ask(client: &mut Client, words: &str) -> Result<String> {
    let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
    let (_, raw) = client.call_raw(&words)?;
    Ok(String::from_utf8_lossy(&raw).into_owned())
}

/// The value of a field of INFO.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}
