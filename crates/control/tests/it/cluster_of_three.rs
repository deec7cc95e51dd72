//! Three config servers: the leader dies, the state stays.

use base::Epoch;
use control::Server;

use crate::world::{Host, client, eventually, free_ports, instance, leader, options};

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
    let led = eventually("a known leader", async || {
        let health = all.health(&format!("127.0.0.1:{}", ports[0])).await.ok()?;
        ports.iter().position(|port| health.leader == Some(format!("127.0.0.1:{port}")))
    })
    .await;
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
