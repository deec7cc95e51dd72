//! `pollux up` in a directory of its own, on free ports, that is gone when the test is.
//!
//! All waiting is polling with a deadline; what a process printed is part of every failure.

use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::client::Client;

/// Nothing that a test waits for takes so long on a machine that works.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Polls until `look` finds something; panics with `what` when the deadline has passed.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "not seen in {DEADLINE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A machine with one `pollux up`.
#[derive(Debug)]
pub struct Site {
    binary: PathBuf,
    /// Removed at the end, after the processes.
    dir: tempfile::TempDir,
    port: u16,
    up: Option<std::process::Child>,
}

impl Site {
    /// A directory and a port; nothing runs yet.
    pub fn new(binary: &str) -> Site {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        Site { binary: binary.into(), dir, port, up: None }
    }

    /// A new cluster, waited for until it serves and every node is in sync.
    pub fn running(binary: &str, options: &[&str]) -> Site {
        let mut site = Site::new(binary);
        let port = site.port.to_string();
        site.up(&[&["--port", &port], options].concat());
        site.wait_ready();
        site
    }

    /// Starts `pollux up` on the directory with further options.
    pub fn up(&mut self, options: &[&str]) {
        assert!(self.up.is_none(), "it runs already");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join("up.log"))
            .expect("the log of up");
        let child = Command::new(&self.binary)
            .arg("up")
            .arg("--dir")
            .arg(self.data())
            .args(options)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("pollux up starts");
        self.up = Some(child);
    }

    /// The directory of `pollux up`.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// `ip:port` of the endpoint.
    pub fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What `pollux up` printed.
    pub fn printed(&self) -> String {
        fs::read_to_string(self.dir.path().join("up.log")).unwrap_or_default()
    }

    /// Runs `pollux` with these arguments on the directory.
    pub fn pollux(&self, args: &[&str]) -> Output {
        Command::new(&self.binary)
            .args(args)
            .arg("--dir")
            .arg(self.data())
            .stdin(Stdio::null())
            .output()
            .expect("pollux runs")
    }

    /// `pollux status --json`; `None` while it cannot be had.
    pub fn status(&self) -> Option<Value> {
        let output = self.pollux(&["status", "--json"]);
        output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("JSON"))
    }

    /// The only shard of instance `default`.
    pub fn shard(&self) -> Option<Value> {
        let status = self.status()?;
        let instances = status["instances"].as_array()?;
        let instance = instances.iter().find(|instance| instance["name"] == "default")?;
        instance["shards"].get(0).cloned()
    }

    /// Waits for the shard to be as `condition` wants it, and returns it.
    pub fn wait_shard(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let mut last = None;
        let end = Instant::now() + DEADLINE;
        while Instant::now() < end {
            last = self.shard().or(last);
            if let Some(shard) = &last
                && condition(shard)
            {
                return shard.clone();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("not seen in {DEADLINE:?}: {what}\n{last:#?}\n{}", self.everything_printed());
    }

    /// Waits until the shard has a master that serves and all nodes are in sync.
    pub fn wait_ready(&self) -> Value {
        self.wait_shard("ready", |shard| {
            let nodes = shard["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
            let serves =
                |node: &Value| node["id"] == shard["master"] && node["endpoint_bound"] == true;
            !nodes.is_empty()
                && nodes.iter().any(serves)
                && nodes.iter().all(|node| node["state"] == "in-sync" && node["in_sync"] == true)
        })
    }

    /// A connection to the endpoint; waits until there is one.
    pub fn client(&self) -> Client {
        eventually("a connection to the endpoint", || Client::connect(&self.endpoint()).ok())
    }

    /// The log files of all processes, for messages of failed tests.
    pub fn everything_printed(&self) -> String {
        let mut text = self.printed();
        let nodes = fs::read_dir(self.data().join("nodes")).into_iter().flatten().flatten();
        let logs = fs::read_dir(self.data().join("log")).into_iter().flatten().flatten();
        let files = logs.map(|entry| entry.path());
        for path in files.chain(nodes.map(|entry| entry.path().join("node.log"))) {
            let log = fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let end = &lines[lines.len().saturating_sub(40)..];
            text.push_str(&format!("\n--- end of {}\n{}\n", path.display(), end.join("\n")));
        }
        text
    }

    /// Pid of the running `pollux up`.
    pub fn up_pid(&self) -> u32 {
        self.up.as_ref().expect("it runs").id()
    }

    /// Stops `pollux up` as Ctrl-C does and waits for its end.
    pub fn stop(&mut self) -> ExitStatus {
        signal(self.up_pid(), Signal::INT);
        self.wait_up()
    }

    /// Waits for the end of `pollux up`.
    pub fn wait_up(&mut self) -> ExitStatus {
        let mut up = self.up.take().expect("it runs");
        eventually("the end of pollux up", || up.try_wait().expect("our child"))
    }

    /// Pids of all processes that work in our directory, by their command lines.
    pub fn pids(&self) -> Vec<u32> {
        pids_in(&self.data())
    }

    /// Pid of the process whose command line has `role` behind the program's name, say `agent`.
    pub fn pid_of(&self, role: &str) -> Option<u32> {
        self.pids().into_iter().find(|pid| {
            command_line(*pid).is_some_and(|line| line.get(1).is_some_and(|arg| arg == role))
        })
    }

    /// Kills everything at once, as a power cut of the processes would; data on disk stays.
    pub fn kill_all(&mut self) {
        let up = self.up.take();
        if let Some(up) = &up {
            signal(up.id(), Signal::KILL);
        }
        // A process that was just being started shows itself only after its parent is gone.
        eventually("the end of all processes", || {
            let pids = self.pids();
            pids.iter().for_each(|pid| signal(*pid, Signal::KILL));
            pids.is_empty().then_some(())
        });
        if let Some(mut up) = up {
            up.wait().expect("our child");
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.kill_all();
    }
}

/// The node of a shard's status that is master.
pub fn master(shard: &Value) -> &Value {
    node(shard, "master", |node| node["id"] == shard["master"])
}

/// The first replica of a shard's status.
pub fn replica(shard: &Value) -> &Value {
    node(shard, "replica", |node| node["role"] == "replica")
}

/// The node `id` of a shard's status.
pub fn node_of<'a>(shard: &'a Value, id: &Value) -> &'a Value {
    node(shard, "node", |node| node["id"] == *id)
}

fn node<'a>(shard: &'a Value, what: &str, is_it: impl Fn(&Value) -> bool) -> &'a Value {
    let nodes = shard["nodes"].as_array().into_iter().flatten();
    nodes.into_iter().find(|node| is_it(node)).unwrap_or_else(|| panic!("no {what} in {shard:#}"))
}

/// Pid of a node's status.
pub fn pid(node: &Value) -> u32 {
    let pid = node["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
    pid.unwrap_or_else(|| panic!("it does not run: {node:#}"))
}

/// Ops that the nodes of a shard set aside: the loss that the status admits to.
pub fn discarded_ops(shard: &Value) -> u64 {
    let nodes = shard["nodes"].as_array().into_iter().flatten();
    nodes.filter_map(|node| node["discarded_ops"].as_u64()).sum()
}

/// Sends a signal to a process that the test started; one that is gone already is fine.
pub fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a pid");
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(errno) => panic!("cannot signal {pid:?}: {errno}"),
    }
}

fn pids_in(dir: &Path) -> Vec<u32> {
    let own = std::process::id();
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    processes
        .filter_map(|process| process.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != own)
        .filter(|pid| {
            command_line(*pid)
                .is_some_and(|line| line.iter().any(|arg| Path::new(arg).starts_with(dir)))
        })
        .collect()
}

fn command_line(pid: u32) -> Option<Vec<String>> {
    let bytes: io::Result<Vec<u8>> = fs::read(format!("/proc/{pid}/cmdline"));
    let bytes = bytes.ok()?;
    let args = bytes.split(|&byte| byte == 0);
    Some(args.map(|arg| String::from_utf8_lossy(arg).into_owned()).collect())
}
