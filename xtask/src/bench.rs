//! Pollux beside redis-server: the same load generator, the same pinning, in turns.
//!
//! Each round measures every server once at every pipeline depth; the table shows medians over the rounds. CPU time is
//! that of the whole server (all threads, ended child processes), from /proc, so that work moved elsewhere is not hidden.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::flags;
use crate::servers::{Server, binary, cpu_seconds, scratch, start_pollux, start_redis};

const USAGE: &str = "\
usage: cargo xtask bench [--rounds N] [--keys N] [--requests N] [--bin PATH]

Builds the shipped profile of pollux (unless --bin names one), starts it and redis-server, both with
persistence `everysec` on an empty directory, the server pinned to the first core and redis-benchmark
to the second, and prints CPU per operation and throughput at pipeline 1, 16 and 64.

  --rounds N    measurements of each cell, medians are shown (5)
  --keys N      number of different keys, 64-byte values (1000000)
  --requests N  requests of a measurement at pipeline 1; times 4 at 16 and 64 (300000)
  --bin PATH    a pollux binary that is already built

example: cargo xtask bench --rounds 3 --keys 100000
";

const PIPELINES: [u32; 3] = [1, 16, 64];
const COMMANDS: [&str; 2] = ["set", "get"];
const VALUE_BYTES: u32 = 64;
const CLIENTS: u32 = 50;

struct Options {
    rounds: usize,
    keys: u64,
    requests: u64,
    bin: Option<PathBuf>,
}

/// What one run of the load generator cost and gave.
#[derive(Clone, Copy)]
struct Sample {
    cpu_us_per_op: f64,
    ops_per_second: f64,
}

pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    let options = flags::read(USAGE, args, |flags| {
        Ok(Options {
            rounds: flags.take("--rounds")?.unwrap_or(5),
            keys: flags.take("--keys")?.unwrap_or(1_000_000),
            requests: flags.take("--requests")?.unwrap_or(300_000),
            bin: flags.take("--bin")?,
        })
    })?;
    let Some(mut options) = options else { return Ok(()) };
    ensure!(
        options.rounds > 0 && options.keys > 0 && options.requests > 0,
        "numbers must be positive"
    );
    let bin = binary(root, options.bin.take())?;
    measure(&bin, scratch()?.path(), &options)
}

fn measure(bin: &Path, scratch: &Path, options: &Options) -> Result<()> {
    let servers = [start_redis(scratch)?, start_pollux(bin, scratch)?];
    for server in &servers {
        eprintln!("filling {} with {} keys", server.name, options.keys);
        benchmark(server, "set", 64, options.keys, options.keys)?;
    }
    let mut samples = vec![Vec::new(); servers.len() * COMMANDS.len() * PIPELINES.len()];
    for round in 1..=options.rounds {
        let mut cell = 0;
        for command in COMMANDS {
            for pipeline in PIPELINES {
                let requests = if pipeline == 1 { options.requests } else { options.requests * 4 };
                for server in &servers {
                    samples[cell].push(sample(server, command, pipeline, requests, options.keys)?);
                    cell += 1;
                }
            }
        }
        eprintln!("round {round} of {}", options.rounds);
    }
    print_table(&samples, options);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the table is what the task is asked for")]
fn print_table(samples: &[Vec<Sample>], options: &Options) {
    println!(
        "{} keys, {VALUE_BYTES}-byte values, {CLIENTS} connections, everysec, one core for the server, median of {}\n",
        options.keys, options.rounds
    );
    println!(
        "| command | pipeline | redis-server CPU µs/op | Pollux CPU µs/op | ratio | redis-server ops/s | Pollux ops/s | ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut cells = samples.chunks_exact(2);
    for command in COMMANDS {
        for pipeline in PIPELINES {
            let [redis, pollux] = cells.next().expect("a pair of cells for each row") else {
                unreachable!("chunks of two")
            };
            let cpu = |cell: &[Sample]| median(cell.iter().map(|s| s.cpu_us_per_op));
            let ops = |cell: &[Sample]| median(cell.iter().map(|s| s.ops_per_second));
            println!(
                "| {} | {pipeline} | {:.2} | {:.2} | {:.2} | {:.0} | {:.0} | {:.2} |",
                command.to_uppercase(),
                cpu(redis),
                cpu(pollux),
                cpu(pollux) / cpu(redis),
                ops(redis),
                ops(pollux),
                ops(pollux) / ops(redis),
            );
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn sample(
    server: &Server,
    command: &str,
    pipeline: u32,
    requests: u64,
    keys: u64,
) -> Result<Sample> {
    let before = cpu_seconds(server.child.id())?;
    let start = Instant::now();
    benchmark(server, command, pipeline, requests, keys)?;
    let wall = start.elapsed().as_secs_f64();
    let cpu = cpu_seconds(server.child.id())? - before;
    #[expect(clippy::cast_precision_loss, reason = "request counts are far below 2^52")]
    let requests = requests as f64;
    Ok(Sample { cpu_us_per_op: cpu * 1e6 / requests, ops_per_second: requests / wall })
}

fn benchmark(
    server: &Server,
    command: &str,
    pipeline: u32,
    requests: u64,
    keys: u64,
) -> Result<()> {
    let done = Command::new("taskset")
        .args([
            "-c",
            "1",
            "redis-benchmark",
            "-h",
            "127.0.0.1",
            "-p",
            &server.port.to_string(),
            "-q",
        ])
        .args(["-t", command, "-P", &pipeline.to_string(), "-n", &requests.to_string()])
        .args(["-r", &keys.to_string(), "-d", &VALUE_BYTES.to_string(), "-c", &CLIENTS.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("redis-benchmark (Debian: redis-tools) and taskset (util-linux) are needed")?;
    ensure!(done.success(), "redis-benchmark failed against {}", server.name);
    Ok(())
}
