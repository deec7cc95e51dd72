//! How long others wait while a huge value goes away: Pollux beside redis-server.
//!
//! One client fills a key and lets go of it in one of the ways there are; another sends PING after PING all the while. What
//! the second one waited for longest is what any client of a busy server would have waited.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use testkit::client::{Client, Response};
use wire::resp::response::encode_command;

use crate::flags;
use crate::servers::{Server, binary, scratch, start_pollux, start_redis};

const USAGE: &str = "\
usage: cargo xtask pauses [--elements N] [--bin PATH]

Fills one key with N elements, frees it (DEL of each type; UNLINK, overwriting, expiry, FLUSHALL of a set) and prints how long
the command took, and the longest time that another client waited for its PING until everything was freed.

  --elements N   (5000000)
  --bin PATH     a pollux binary that is already built

example: cargo xtask pauses --elements 1000000
";

/// A server that is busy for longer than this is given up.
const PATIENCE: Duration = Duration::from_secs(120);
/// What is there after this long was not meant to go.
const NOTHING_TAKES: Duration = Duration::from_secs(2);
/// Elements that one command adds.
const ELEMENTS_PER_COMMAND: u64 = 1000;
const TYPES: [&str; 5] = ["list", "hash", "set", "zset", "stream"];
/// What is done to the set `big`; DEL of the other types comes besides. The first shows how noisy the machine is.
const WAYS: [(&str, &[&str]); 7] = [
    ("nothing", &["PING"]),
    ("DEL", &["DEL", "big"]),
    ("UNLINK", &["UNLINK", "big"]),
    ("SET over it", &["SET", "big", "small"]),
    ("SUNIONSTORE over it", &["SUNIONSTORE", "big", "small"]),
    ("PEXPIRE 1 ms", &["PEXPIRE", "big", "1"]),
    ("FLUSHALL", &["FLUSHALL"]),
];

pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    let told = flags::read(USAGE, args, |flags| {
        Ok((flags.take("--elements")?.unwrap_or(5_000_000), flags.take("--bin")?))
    })?;
    let Some((elements, bin)) = told else { return Ok(()) };
    measure(&binary(root, bin)?, scratch()?.path(), elements)
}

/// What one way of freeing costs.
struct Pause {
    command: Duration,
    others: Duration,
}

#[expect(clippy::print_stdout, reason = "the table is what the task is asked for")]
fn measure(bin: &Path, scratch: &Path, elements: u64) -> Result<()> {
    println!(
        "| {elements} elements | redis-server: command ms | others wait ms | Pollux: command ms | others wait ms |"
    );
    println!("|---|---|---|---|---|");
    let deletions = TYPES.iter().filter(|kind| **kind != "set").map(|kind| (*kind, &WAYS[1]));
    for (kind, (name, command)) in WAYS.iter().map(|way| ("set", way)).chain(deletions) {
        let mut cells = Vec::new();
        // One at a time: the other's memory and threads would be measured as well.
        for is_pollux in [false, true] {
            let server =
                if is_pollux { start_pollux(bin, scratch)? } else { start_redis(scratch)? };
            let pause = free(&server, kind, elements, command)?;
            cells.push(format!("{:.1}", pause.command.as_secs_f64() * 1e3));
            cells.push(format!("{:.1}", pause.others.as_secs_f64() * 1e3));
            drop(server);
            for name in ["redis", "pollux"] {
                let dir = scratch.join(name);
                if dir.exists() {
                    fs::remove_dir_all(&dir).with_context(|| dir.display().to_string())?;
                }
            }
        }
        println!("| {kind}: {name} | {} |", cells.join(" | "));
    }
    Ok(())
}

fn free(server: &Server, kind: &str, elements: u64, command: &[&str]) -> Result<Pause> {
    let address = format!("127.0.0.1:{}", server.port);
    let mut client = Client::connect_within(&address, PATIENCE)?;
    fill(&mut client, kind, elements)?;
    let is_over = AtomicBool::new(false);
    let (begun, has_begun) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        let others = scope.spawn(|| longest_ping(&address, &is_over, begun));
        let freed = has_begun.recv().context("the other client ended").and_then(|()| {
            let start = Instant::now();
            client.call(&words(command))?;
            let took = start.elapsed();
            wait_freed(&mut client)?;
            Ok(took)
        });
        is_over.store(true, Ordering::Relaxed);
        let others = others.join().expect("a client does not panic")?;
        Ok(Pause { command: freed?, others })
    })
}

/// Sends PING after PING; the longest time that one of them took.
fn longest_ping(
    address: &str,
    is_over: &AtomicBool,
    begun: std::sync::mpsc::Sender<()>,
) -> Result<Duration> {
    let mut client = Client::connect_within(address, PATIENCE)?;
    client.call(&[b"PING"])?;
    begun.send(()).context("nobody waits for it")?;
    // From here on there is nothing to hear of this client.
    drop(begun);
    let mut longest = Duration::ZERO;
    while !is_over.load(Ordering::Relaxed) {
        let start = Instant::now();
        client.call(&[b"PING"])?;
        longest = longest.max(start.elapsed());
    }
    Ok(longest)
}

/// The key is gone, and so is what was in it. Looked at seldom: INFO itself takes time that others wait for.
fn wait_freed(client: &mut Client) -> Result<()> {
    let start = Instant::now();
    loop {
        thread::sleep(Duration::from_millis(100));
        let is_small = match client.call(&[b"TYPE", b"big"])? {
            Response::Simple(kind) => matches!(kind.as_str(), "none" | "string"),
            other => anyhow::bail!("TYPE answers {other:?}"),
        };
        let Response::Bulk(memory) = client.call(&[b"INFO", b"memory"])? else {
            anyhow::bail!("INFO answers something else than text");
        };
        let is_idle = String::from_utf8_lossy(&memory).contains("lazyfree_pending_objects:0\r");
        // What was done may be nothing at all.
        if is_idle && (is_small || start.elapsed() > NOTHING_TAKES) {
            return Ok(());
        }
        ensure!(start.elapsed() < PATIENCE, "not freed in {PATIENCE:?}");
    }
}

fn fill(client: &mut Client, kind: &str, elements: u64) -> Result<()> {
    let mut next = 0;
    while next < elements {
        let end = elements.min(next + ELEMENTS_PER_COMMAND);
        let mut output = Vec::new();
        let mut replies = 1;
        let item = |n: u64| format!("element:{n:012}");
        match kind {
            "stream" => {
                replies = end - next;
                for n in next..end {
                    encode_command(&mut output, &words(&["XADD", "big", "*", "field", &item(n)]));
                }
            }
            _ => {
                let mut args = match kind {
                    "list" => vec!["RPUSH".to_owned()],
                    "hash" => vec!["HSET".to_owned()],
                    "set" => vec!["SADD".to_owned()],
                    _ => vec!["ZADD".to_owned()],
                };
                args.push("big".to_owned());
                for n in next..end {
                    match kind {
                        "hash" => args.extend([item(n), "value".to_owned()]),
                        "zset" => args.extend([n.to_string(), item(n)]),
                        _ => args.push(item(n)),
                    }
                }
                let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
                encode_command(&mut output, &args);
            }
        }
        client.send(&output)?;
        for _ in 0..replies {
            let (reply, _) = client.receive()?;
            ensure!(!matches!(reply, Response::Error(_)), "refused: {reply:?}");
        }
        next = end;
    }
    Ok(())
}

fn words<'a>(words: &[&'a str]) -> Vec<&'a [u8]> {
    words.iter().map(|word| word.as_bytes()).collect()
}
