//! Pollux beside redis-server: the same load generator, the same pinning, in turns.
//!
//! Each round measures every server once at every pipeline depth; the table shows medians over the rounds. CPU time is
//! that of the whole server process (all threads), from /proc, so that work moved to another thread is not hidden.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

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

impl Options {
    fn parse(args: &[String]) -> Result<Option<Options>> {
        let mut options = Options { rounds: 5, keys: 1_000_000, requests: 300_000, bin: None };
        let mut args = args.iter();
        while let Some(flag) = args.next() {
            if flag == "--help" || flag == "-h" {
                return Ok(None);
            }
            let value = args.next().with_context(|| format!("{flag} needs a value\n\n{USAGE}"))?;
            match flag.as_str() {
                "--rounds" => options.rounds = value.parse().context("--rounds")?,
                "--keys" => options.keys = value.parse().context("--keys")?,
                "--requests" => options.requests = value.parse().context("--requests")?,
                "--bin" => options.bin = Some(value.into()),
                unknown => bail!("unknown option {unknown}\n\n{USAGE}"),
            }
        }
        ensure!(
            options.rounds > 0 && options.keys > 0 && options.requests > 0,
            "numbers must be positive"
        );
        Ok(Some(options))
    }
}

/// A server under test, on core 0; killed when dropped.
struct Server {
    name: &'static str,
    child: Child,
    port: u16,
    dir: PathBuf,
}

/// What one run of the load generator cost and gave.
#[derive(Clone, Copy)]
struct Sample {
    cpu_us_per_op: f64,
    ops_per_second: f64,
}

pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    let Some(options) = Options::parse(args)? else {
        eprint!("{USAGE}");
        return Ok(());
    };
    let bin = match &options.bin {
        Some(path) => path.clone(),
        None => build(root)?,
    };
    let scratch = std::env::temp_dir().join(format!("pollux-bench-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let result = measure(&bin, &scratch, &options);
    fs::remove_dir_all(&scratch).with_context(|| format!("removing {}", scratch.display()))?;
    result
}

fn build(root: &Path) -> Result<PathBuf> {
    eprintln!("building the dist profile ...");
    let done = Command::new("cargo")
        .current_dir(root)
        .args(["build", "--quiet", "--profile", "dist", "--bin", "pollux"])
        .status()?;
    ensure!(done.success(), "the build failed");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("dist/pollux"))
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

fn start_redis(scratch: &Path) -> Result<Server> {
    let (dir, port) = place(scratch, "redis")?;
    let mut command = Command::new("taskset");
    command.args(["-c", "0", "redis-server", "--port", &port.to_string(), "--dir"]).arg(&dir);
    command.args(["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]);
    start("redis-server", command, port, dir)
}

fn start_pollux(bin: &Path, scratch: &Path) -> Result<Server> {
    let (dir, port) = place(scratch, "pollux")?;
    let mut command = Command::new("taskset");
    command
        .args(["-c", "0"])
        .arg(bin)
        .args(["server", "--port", &port.to_string(), "--dir"])
        .arg(&dir);
    command.args(["--appendfsync", "everysec"]);
    start("pollux", command, port, dir)
}

fn place(scratch: &Path, name: &str) -> Result<(PathBuf, u16)> {
    let dir = scratch.join(name);
    fs::create_dir_all(&dir)?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    Ok((dir, port))
}

fn start(name: &'static str, mut command: Command, port: u16, dir: PathBuf) -> Result<Server> {
    let log = fs::File::create(dir.with_extension("log"))?;
    let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
    let mut server = Server { name, child, port, dir };
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Some(status) = server.child.try_wait()? {
            let log = fs::read_to_string(server.dir.with_extension("log")).unwrap_or_default();
            bail!("{name} ended with {status}:\n{log}");
        }
        ensure!(Instant::now() < deadline, "{name} does not listen on port {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(server)
}

impl Drop for Server {
    fn drop(&mut self) {
        // A child that is gone already is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User and system time of a process, from /proc/<pid>/stat (fields 14 and 15, in ticks of 10 ms).
fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(") ").context("unexpected /proc stat")?;
    let tick = |index: usize| -> Result<f64> {
        fields.split(' ').nth(index - 3).context("short /proc stat")?.parse().context("/proc stat")
    };
    Ok((tick(14)? + tick(15)?) / 100.0)
}
