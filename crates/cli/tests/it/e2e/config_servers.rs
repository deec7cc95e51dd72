//! `pollux config` as processes: killed, stopped, all at once, and refused where they do not belong.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use base::ClusterId;
use cluster::api::{Agent, HostReport};
use cluster::client::Client;
use rustix::process::{Pid, Signal, kill_process};
use testkit::site::eventually;
use tokio::runtime::Runtime;

use super::POLLUX;

const CLUSTER: ClusterId = ClusterId(0xc0f);
const SECRET: &str = "0123456789abcdef";

/// Config servers of one directory, without agent.
struct Servers {
    dir: tempfile::TempDir,
    addresses: Vec<String>,
    children: Vec<Child>,
    client: Client,
    runtime: Runtime,
    reports: u64,
}

impl Servers {
    fn start(count: usize) -> Servers {
        let dir = tempfile::tempdir().expect("a directory");
        let held: Vec<TcpListener> =
            (0..=count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        let address = |socket: &TcpListener| socket.local_addr().expect("bound").to_string();
        let mut addresses: Vec<String> = held.iter().map(address).collect();
        let endpoint = addresses.pop().expect("one more");
        let port: u16 = endpoint.rsplit(':').next().expect("port").parse().expect("port");
        drop(held);
        let layout = serde_json::json!({
            "format": 1, "cluster": CLUSTER, "secret": SECRET, "host": "h",
            "config_servers": addresses, "bind": "127.0.0.1", "port": port,
            "edition": "standard", "replicas": 1, "instance_created": false,
        });
        fs::write(dir.path().join("pollux.json"), layout.to_string()).expect("pollux.json");
        let client = Client::new(addresses.clone(), CLUSTER, SECRET);
        let runtime = Runtime::new().expect("runtime");
        let mut servers =
            Servers { dir, addresses, children: Vec::new(), client, runtime, reports: 0 };
        servers.start_all();
        servers
    }

    fn start_all(&mut self) {
        for id in 1..=self.addresses.len() {
            self.children.push(start(self.dir.path(), id));
        }
        self.wait_leader();
    }

    fn kill_all(&mut self) {
        for child in &mut self.children {
            child.kill().expect("kill");
        }
        for mut child in self.children.drain(..) {
            child.wait().expect("wait");
        }
    }

    /// Number of the server that leads, 0..; some server must answer for that.
    fn wait_leader(&self) -> usize {
        eventually("a leader", || {
            self.runtime.block_on(self.client.status()).ok()?;
            let mut healths = self.addresses.iter().filter_map(|address| {
                self.runtime.block_on(async {
                    let ask = self.client.health(address);
                    let patience = std::time::Duration::from_secs(1);
                    tokio::time::timeout(patience, ask).await.ok()?.ok()?.leader
                })
            });
            let leader = healths.next()?;
            self.addresses.iter().position(|address| *address == leader)
        })
    }

    fn signal(&self, at: usize, signal: Signal) {
        let pid = i32::try_from(self.children[at].id()).expect("a pid");
        kill_process(Pid::from_raw(pid).expect("not 0"), signal).expect("it runs");
    }

    /// A host reports, as agents do again and again, until it is known. One answer is not enough: a leader that ends
    /// between the report and the commit forgets what it heard.
    fn join(&mut self, host: &str) {
        eventually("the host in the status", || {
            self.reports += 1;
            let report = HostReport {
                cluster: CLUSTER,
                host: host.to_owned(),
                agent: Agent { start: 1, pid: 1, seq: self.reports },
                revision: 0,
                nodes: Vec::new(),
            };
            self.runtime.block_on(self.client.sync(&report)).ok()?;
            self.hosts().contains(&host.to_owned()).then_some(())
        });
    }

    fn hosts(&self) -> Vec<String> {
        let status = eventually("the status", || self.runtime.block_on(self.client.status()).ok());
        status.hosts.into_iter().map(|host| host.name).collect()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It may have ended already.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn config(dir: &Path, id: usize) -> Command {
    let mut command = Command::new(POLLUX);
    command.arg("config").arg("--dir").arg(dir).arg("--id").arg(id.to_string());
    command.stdin(Stdio::null());
    command
}

fn start(dir: &Path, id: usize) -> Child {
    let log = log_file(dir, id);
    let log = fs::File::options().create(true).append(true).open(log).expect("log");
    config(dir, id).stdout(Stdio::null()).stderr(log).spawn().expect("start")
}

fn log_file(dir: &Path, id: usize) -> PathBuf {
    dir.join(format!("config-{id}.log"))
}

fn refusal(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn three_lose_nothing_whatever_happens_to_them() {
    let mut servers = Servers::start(3);
    servers.join("first");
    // Stopped, the leader keeps its connections open and answers nobody.
    let led = servers.wait_leader();
    servers.signal(led, Signal::STOP);
    servers.join("second");
    servers.signal(led, Signal::CONT);
    servers.join("third");
    let led = servers.wait_leader();
    servers.children[led].kill().expect("kill");
    servers.children[led].wait().expect("wait");
    servers.join("fourth");
    servers.children[led] = start(servers.dir.path(), led + 1);
    servers.kill_all();
    servers.start_all();
    let mut hosts = vec!["first", "fourth", "second", "third"];
    assert_eq!(servers.hosts(), hosts);
    // What was confirmed a moment ago is known to whoever leads first, in each of several restarts.
    for late in ["v", "w", "x", "y", "z"] {
        servers.join(late);
        hosts.push(late);
        servers.kill_all();
        servers.start_all();
        assert_eq!(servers.hosts(), hosts);
    }
}

#[test]
fn one_ends_cleanly_and_knows_what_is_its_own() {
    let mut servers = Servers::start(1);
    servers.join("first");
    let dir = servers.dir.path().to_owned();
    let again = config(&dir, 1).output().expect("run");
    let (code, text) = refusal(&again);
    assert!(code == Some(1) && text.contains("is in use by another process (pid "), "{text}");
    let none = config(&dir, 2).output().expect("run");
    let (code, text) = refusal(&none);
    assert!(code == Some(2) && text.contains("--id takes 1 to 1"), "{text}");

    servers.signal(0, Signal::TERM);
    let status = servers.children[0].wait().expect("wait");
    let log = fs::read_to_string(log_file(&dir, 1)).expect("log");
    assert!(status.success(), "{status}\n{log}");
    servers.children.clear();
    servers.start_all();
    assert_eq!(servers.hosts(), ["first"]);
    servers.kill_all();

    let nothing = config(&dir.join("config-1"), 1).output().expect("run");
    let (code, text) = refusal(&nothing);
    assert!(code == Some(1) && text.contains("has no pollux.json"), "{text}");
    let layout = fs::read_to_string(dir.join("pollux.json")).expect("read");
    let other = layout.replace(&CLUSTER.to_string(), &ClusterId(0xbad).to_string());
    assert_ne!(layout, other);
    fs::write(dir.join("pollux.json"), other).expect("write");
    let foreign = config(&dir, 1).output().expect("run");
    let (code, text) = refusal(&foreign);
    assert!(code == Some(1) && text.contains("belongs to server 1 of cluster"), "{text}");
}
