//! The servers under test: a real redis-server and Pollux, started alike; pinned to core 0 where they are measured.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

/// A server under test; killed when dropped.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) child: Child,
    pub(crate) port: u16,
    dir: PathBuf,
}

/// The program under test: what was named, or else what the sources give in the shipped profile.
pub(crate) fn binary(root: &Path, named: Option<PathBuf>) -> Result<PathBuf> {
    match named {
        Some(named) => Ok(std::path::absolute(named)?),
        None => build(root),
    }
}

/// Where servers keep their files; removed when dropped.
pub(crate) fn scratch() -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix("pollux-xtask-")
        .tempdir()
        .context("a directory for the servers")
}

pub(crate) fn build(root: &Path) -> Result<PathBuf> {
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

pub(crate) fn start_redis(scratch: &Path) -> Result<Server> {
    let (dir, port) = place(scratch, "redis")?;
    let mut command = Command::new("taskset");
    command.args(["-c", "0", "redis-server", "--port", &port.to_string(), "--dir"]).arg(&dir);
    command.args(["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]);
    command.args(["--maxclients", "20000"]);
    start("redis-server", command, port, dir)
}

pub(crate) fn start_pollux(bin: &Path, scratch: &Path) -> Result<Server> {
    let (dir, port) = place(scratch, "pollux")?;
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(bin);
    start("pollux", pollux(command, port, &dir), port, dir)
}

/// As [`start_pollux`], on whatever core is free: where nothing is measured.
pub(crate) fn start_pollux_anywhere(bin: &Path, scratch: &Path) -> Result<Server> {
    let (dir, port) = place(scratch, "pollux")?;
    start("pollux", pollux(Command::new(bin), port, &dir), port, dir)
}

/// The arguments behind the program.
fn pollux(mut command: Command, port: u16, dir: &Path) -> Command {
    command.args(["server", "--port", &port.to_string(), "--dir"]).arg(dir);
    command.args(["--appendfsync", "everysec", "--save", "", "--maxclients", "20000"]);
    command.args(["--enable-debug-command", "local"]);
    command
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

/// User and system time of a process and of its children that have ended (a rewrite of the AOF is one), from
/// /proc/<pid>/stat (fields 14 to 17, in ticks of 10 ms).
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(") ").context("unexpected /proc stat")?;
    let tick = |index: usize| -> Result<f64> {
        fields.split(' ').nth(index - 3).context("short /proc stat")?.parse().context("/proc stat")
    };
    Ok((tick(14)? + tick(15)? + tick(16)? + tick(17)?) / 100.0)
}

/// Resident memory of a process in bytes, from /proc/<pid>/status.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().context("VmRSS")?;
    Ok(kib * 1024)
}
