//! What the control path costs of a failover: from the report of a master's death to the order that names its successor.
//!
//! ```text
//!   cargo run --release -p control --example failover_time [ROUNDS]
//! ```
//!
//! Real config servers (Raft, redb, fsync, HTTP on loopback), and a host that reports. What a real agent and the
//! promoted node add is measured by `cargo xtask failover`.

#![expect(clippy::print_stdout, reason = "the table is the point of it")]

#[path = "../tests/it/world.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod world;

use std::time::{Duration, Instant};

use base::NodeId;
use cluster::api::{EventKind, NodeReport, Role, ShardStatus};
use cluster::client::Client;
use control::Server;
use world::{Host, free_ports, instance, leader, options};

const ROUNDS: usize = 50;
/// Length of a lease: renewals must come more often, whatever happens to the config servers.
const LEASE: Duration = Duration::from_secs(3);

fn main() {
    let rounds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("runtime");
    println!("fsync of this disk        {}", spread(&mut fsyncs(rounds)));
    for servers in [1, 3] {
        runtime.block_on(measure(servers, rounds));
    }
}

/// What the disk alone takes: a page appended and synced.
fn fsyncs(rounds: usize) -> Vec<Duration> {
    use std::io::Write as _;
    let mut file = tempfile::tempfile().expect("file");
    let mut sync = || {
        let begin = Instant::now();
        file.write_all(&[1; 4096]).and_then(|()| file.sync_data()).expect("sync");
        begin.elapsed()
    };
    (0..rounds).map(|_| sync()).collect()
}

fn spread(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1000.0;
    format!("p50 {:6.1} ms   p99 {:6.1} ms   max {:6.1} ms", at(50), at(99), at(100))
}

fn is_whole(shard: &ShardStatus) -> bool {
    shard.nodes.iter().all(|node| node.in_sync)
}

async fn measure(count: u64, rounds: usize) {
    let dir = tempfile::tempdir().expect("tempdir");
    let ports = free_ports(usize::try_from(count).expect("small"));
    let mut servers = Vec::new();
    for id in 1..=count {
        servers.push(Server::start(options(dir.path(), id, &ports)).await.expect("start"));
    }
    let client = world::client(&ports);
    leader(&client).await;
    let mut host = Host::new("h");
    host.exchange(&client).await.expect("join");
    client.create_instance(&instance("cache", 1, 7000)).await.expect("create");
    let mut answers = Vec::new();
    for _ in 0..rounds {
        let shard = host.until(&client, "whole", is_whole).await;
        let master = shard.master.expect("whole");
        host.kill(master);
        let begin = Instant::now();
        host.exchange(&client).await.expect("sync");
        answers.push(begin.elapsed());
        let is_named =
            |node: &&NodeReport| matches!(host.order(node.node).role, Role::Master { .. });
        assert!(host.nodes.values().any(|node| is_named(&node)), "named in the same answer");
        let other = NodeId(3 - master.0);
        let opid = host.nodes[&other].state.as_ref().map_or(0, |state| state.opid);
        host.restart(master, opid, shard.epoch.0);
    }
    println!("{count} config server(s)");
    println!("  death reported -> order {}", spread(&mut answers));
    println!("  of it, commit           {}", spread(&mut commits(&client).await));
    if count > 1 {
        println!(
            "  no lease while the leader changes {:.0} ms",
            outage(&client, &mut host, servers, &ports).await
        );
    }
}

/// From the records of the failovers.
async fn commits(client: &Client) -> Vec<Duration> {
    let events = client.events(0).await.expect("events");
    let moves = events.into_iter().filter(|event| event.kind == EventKind::Failover);
    let timings = moves.filter_map(|event| event.record).flat_map(|record| record.timings);
    let commits = timings.filter(|timing| timing.phase == "commit");
    commits.map(|timing| Duration::from_millis(timing.ms)).collect()
}

/// The leader ends without a word; for how long is no lease renewed?
async fn outage(client: &Client, host: &mut Host, mut servers: Vec<Server>, ports: &[u16]) -> f64 {
    host.until(client, "whole", is_whole).await;
    let health = client.health(&format!("127.0.0.1:{}", ports[0])).await.expect("health");
    let led = ports.iter().position(|port| health.leader == Some(format!("127.0.0.1:{port}")));
    let begin = Instant::now();
    servers.remove(led.expect("a leader")).stop().await;
    let granted = host.leases.len();
    while host.leases.len() == granted {
        if host.exchange(client).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(begin.elapsed() < 10 * LEASE, "no leader");
    }
    begin.elapsed().as_secs_f64() * 1000.0
}
