//! Three config servers: the leader dies, the state stays, and masters are replaced as ever.

use base::{Epoch, NodeId};
use cluster::client::Client;
use control::Server;
use tempfile::TempDir;

use crate::world::{Host, client, eventually, free_ports, instance, leader, options};

/// Three servers, a host, and an instance whose replica is in sync.
struct Three {
    dir: TempDir,
    ports: Vec<u16>,
    servers: Vec<Server>,
    client: Client,
    host: Host,
}

impl Three {
    async fn start() -> Three {
        let (dir, ports) = (tempfile::tempdir().expect("tempdir"), free_ports(3));
        let client = client(&ports);
        let mut three = Three { dir, ports, servers: Vec::new(), client, host: Host::new("h") };
        three.start_servers().await;
        three.host.exchange(&three.client).await.expect("join");
        three.client.create_instance(&instance("cache", 1, 7000)).await.expect("create");
        let is_whole =
            |shard: &cluster::api::ShardStatus| shard.nodes.iter().all(|node| node.in_sync);
        three.host.until(&three.client, "both are in sync", is_whole).await;
        three
    }

    async fn start_servers(&mut self) {
        for id in 1..=3 {
            let options = options(self.dir.path(), id, &self.ports);
            self.servers.push(Server::start(options).await.expect("start"));
        }
        leader(&self.client).await;
    }

    async fn stop_all(&mut self) {
        for server in self.servers.drain(..) {
            server.stop().await;
        }
    }
}

/// Which of the servers leads, as the first of them says.
async fn led(client: &Client, ports: &[u16]) -> usize {
    eventually("a known leader", async || {
        let health = client.health(&format!("127.0.0.1:{}", ports[0])).await.ok()?;
        ports.iter().position(|port| health.leader == Some(format!("127.0.0.1:{port}")))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_dies_with_the_leader_is_replaced_after_the_election() {
    let mut three = Three::start().await;
    let led = led(&three.client, &three.ports).await;
    three.servers.remove(led).stop().await;
    three.host.kill(NodeId(1));
    let shard = three
        .host
        .until(&three.client, "the replica is master", |shard| shard.master == Some(NodeId(2)))
        .await;
    assert_eq!(shard.epoch, Epoch(2));
    three.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_servers_come_back_with_what_they_knew() {
    let mut three = Three::start().await;
    let events = three.client.events(0).await.expect("events");
    three.stop_all().await;
    three.start_servers().await;
    let shard = three
        .host
        .until(&three.client, "all is seen", |shard| shard.nodes.iter().all(|n| n.pid.is_some()))
        .await;
    assert_eq!((shard.master, shard.epoch), (Some(NodeId(1)), Epoch(1)), "no failover");
    let after = three.client.events(0).await.expect("events");
    assert_eq!(after[..events.len()], events[..]);
    three.stop_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_leads_on_with_the_same_state() {
    let dir = tempfile::tempdir().expect("tempdir");
    let ports = free_ports(3);
    let mut servers = Vec::new();
    for id in 1..=3 {
        servers.push(Server::start(options(dir.path(), id, &ports)).await.expect("start"));
    }
    let all = client(&ports);
    leader(&all).await;
    let mut host = Host::new("h");
    host.exchange(&all).await.expect("join");
    all.create_instance(&instance("cache", 1, 7000)).await.expect("create");
    let before = host.until(&all, "a master", |shard| shard.master.is_some()).await;
    let led = led(&all, &ports).await;
    // A server that does not lead says who does.
    let follower = (led + 1) % 3;
    let http = reqwest::Client::builder().no_proxy().build().expect("http");
    let url = format!("http://127.0.0.1:{}/v1/status", ports[follower]);
    let response = http.get(url).send().await.expect("answer");
    assert_eq!(response.status().as_u16(), 421);
    let hint = response.headers()["x-pollux-leader"].to_str().expect("text").to_owned();
    assert_eq!(hint, format!("127.0.0.1:{}", ports[led]));

    servers.remove(led).stop().await;
    let after = host.until(&all, "the shard is known", |shard| shard.master.is_some()).await;
    assert_eq!((after.master, after.epoch), (before.master, Epoch(1)), "no failover was needed");
    all.create_instance(&instance("other", 1, 7001)).await.expect("two of three suffice");

    // The one that was away catches up and may lead again.
    let id = u64::try_from(led).expect("small") + 1;
    servers.push(Server::start(options(dir.path(), id, &ports)).await.expect("back"));
    eventually("the returned server to know the leader", async || {
        let health = all.health(&format!("127.0.0.1:{}", ports[led])).await.ok()?;
        health.ready.then_some(())
    })
    .await;
    for server in servers {
        server.stop().await;
    }
}
