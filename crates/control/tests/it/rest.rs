//! Requests of people, good and bad, against one server.

use cluster::api::{ApiError, ErrorCode};
use cluster::client::{Client, ClientError};
use control::{Server, StartError};

use crate::world::{CLUSTER, Host, SECRET, client, free_ports, instance, leader, options, single};

fn code<T: std::fmt::Debug>(result: Result<T, ClientError>) -> ErrorCode {
    result.expect_err("refused").code().expect("an answer")
}

#[tokio::test]
async fn instances_are_created_once_and_deleted_with_their_nodes() {
    let world = single().await;
    let client = &world.client;
    let mut host = Host::new("h");
    host.exchange(client).await.expect("join");
    let created = client.create_instance(&instance("cache", 1, 7000)).await.expect("create");
    assert_eq!((created.endpoint.as_str(), created.nodes.len()), ("127.0.0.1:7000", 2));
    assert_eq!(code(client.create_instance(&instance("cache", 1, 7001)).await), ErrorCode::Exists);
    assert_eq!(code(client.create_instance(&instance("other", 1, 7000)).await), ErrorCode::Exists);
    assert_eq!(code(client.create_instance(&instance("Other", 1, 7001)).await), ErrorCode::Invalid);
    host.until(client, "the shard has a master", |shard| shard.master.is_some()).await;
    client.delete_instance("cache").await.expect("delete");
    assert_eq!(code(client.delete_instance("nothing").await), ErrorCode::NotFound);
    crate::world::eventually("the instance to be gone", async || {
        host.exchange(client).await.expect("sync");
        client.status().await.expect("status").instances.is_empty().then_some(())
    })
    .await;
    host.exchange(client).await.expect("sync");
    assert!(host.orders.nodes.is_empty(), "{:?}", host.orders);
    world.server.stop().await;
}

#[tokio::test]
async fn an_instance_needs_a_host() {
    let world = single().await;
    let error = world.client.create_instance(&instance("cache", 0, 7000)).await.expect_err("early");
    assert!(error.to_string().contains("no host has joined"), "{error}");
    world.server.stop().await;
}

#[tokio::test]
async fn every_mistake_has_a_code_and_a_message() {
    let world = single().await;
    let http = reqwest::Client::builder().no_proxy().build().expect("http");
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", world.ports[0]);
    let error = async |request: reqwest::RequestBuilder| {
        let response = request.send().await.expect("answer");
        let status = response.status().as_u16();
        let error: ApiError = response.json().await.expect("an ApiError");
        assert_eq!(status, error.status());
        error.code
    };
    assert_eq!(error(http.get(url("/v1/nothing"))).await, ErrorCode::NotFound);
    let post = |path: &str| http.post(url(path)).header("x-pollux-secret", SECRET);
    assert_eq!(error(post("/v1/status")).await, ErrorCode::Method);
    assert_eq!(error(http.get(url("/v1/hosts/h/sync"))).await, ErrorCode::ForeignCluster);
    assert_eq!(error(http.get(url("/v1/instances/x"))).await, ErrorCode::NotFound);
    assert_eq!(error(http.get(url("/v1/instances/%ff"))).await, ErrorCode::Invalid);
    assert_eq!(error(http.get(url("/v1/events?after=x"))).await, ErrorCode::Invalid);
    assert_eq!(error(post("/v1/instances").body("{")).await, ErrorCode::Invalid);
    let misspelt = r#"{"name":"a","prot":1}"#;
    assert_eq!(error(post("/v1/instances").body(misspelt)).await, ErrorCode::Invalid);
    assert_eq!(error(post("/v1/instances").body("[".repeat(100_000))).await, ErrorCode::Invalid);
    let huge = vec![b' '; (4 << 20) + 1];
    assert_eq!(error(post("/v1/instances").body(huge)).await, ErrorCode::TooLarge);
    assert_eq!(error(post("/v1/instances/x/failover")).await, ErrorCode::NotFound);
    let from_page = post("/v1/instances").header("origin", "http://evil.example");
    assert_eq!(error(from_page).await, ErrorCode::Unauthorized);
    // Changes take the secret; a stranger is turned away before the body is looked at.
    assert_eq!(error(http.post(url("/v1/instances")).body("{")).await, ErrorCode::Unauthorized);
    assert_eq!(error(http.delete(url("/v1/instances/x"))).await, ErrorCode::Unauthorized);
    // Internal requests prove cluster and secret, in this order.
    let sync = || http.post(url("/v1/hosts/h/sync"));
    assert_eq!(error(sync()).await, ErrorCode::ForeignCluster);
    let named = || sync().header("x-pollux-cluster", CLUSTER.to_string());
    assert_eq!(error(named()).await, ErrorCode::Unauthorized);
    assert_eq!(error(named().header("x-pollux-secret", "no")).await, ErrorCode::Unauthorized);
    let raft = http.post(url("/v1/raft/append"));
    assert_eq!(error(raft).await, ErrorCode::ForeignCluster);
    let garbage = http
        .post(url("/v1/raft/append"))
        .header("x-pollux-cluster", CLUSTER.to_string())
        .header("x-pollux-secret", SECRET)
        .body(vec![0xff; 40]);
    assert_eq!(error(garbage).await, ErrorCode::Invalid);
    world.server.stop().await;
}

#[tokio::test]
async fn stale_reports_are_refused() {
    let world = single().await;
    let mut host = Host::new("h");
    let early = host.report();
    host.exchange(&world.client).await.expect("join");
    assert_eq!(code(world.client.sync(&early).await), ErrorCode::Stale);
    let mut foreign = host.report();
    foreign.cluster = base::ClusterId(9);
    assert_eq!(code(world.client.sync(&foreign).await), ErrorCode::ForeignCluster);
    let mut older_agent = host.report();
    older_agent.agent.start = 0;
    assert_eq!(code(world.client.sync(&older_agent).await), ErrorCode::Stale);
    world.server.stop().await;
}

#[tokio::test]
async fn a_report_from_before_the_promotion_proves_no_death() {
    let world = single().await;
    let mut host = Host::new("h");
    host.exchange(&world.client).await.expect("join");
    world.client.create_instance(&instance("cache", 1, 7000)).await.expect("create");
    host.exchange(&world.client).await.expect("orders");
    let mut late = host.report();
    late.nodes.iter_mut().for_each(|node| {
        (node.process, node.state) = (cluster::api::ProcessState::Absent, None);
    });
    host.until(&world.client, "a master", |shard| shard.master.is_some()).await;
    // A new leader has heard nothing yet, so only the state can tell it that this report is too old.
    world.server.stop().await;
    let server = Server::start(options(world.dir.path(), 1, &world.ports)).await.expect("again");
    let client = client(&world.ports);
    leader(&client).await;
    assert_eq!(code(client.sync(&late).await), ErrorCode::Stale);
    let shard = host.until(&client, "it is seen", |shard| shard.nodes[0].pid.is_some()).await;
    assert_eq!(shard.epoch, base::Epoch(1));
    server.stop().await;
}

#[tokio::test]
async fn what_was_committed_survives_a_restart() {
    let world = single().await;
    let mut host = Host::new("h");
    host.exchange(&world.client).await.expect("join");
    world.client.create_instance(&instance("cache", 1, 7000)).await.expect("create");
    let before = host.until(&world.client, "a master", |shard| shard.master.is_some()).await;
    world.server.stop().await;
    let server = Server::start(options(world.dir.path(), 1, &world.ports)).await.expect("again");
    let client = client(&world.ports);
    leader(&client).await;
    let after = host
        .until(&client, "all is seen again", |shard| shard.nodes.iter().all(|n| n.pid.is_some()))
        .await;
    assert_eq!((after.master, after.epoch), (before.master, before.epoch), "no failover");
    server.stop().await;
}

#[tokio::test]
async fn a_server_says_why_it_does_not_start() {
    let world = single().await;
    let error = Server::start(options(world.dir.path(), 1, &world.ports)).await.expect_err("twice");
    assert!(matches!(error, StartError::Directory(_)), "{error}");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    let other = tempfile::tempdir().expect("tempdir");
    let error = Server::start(options(other.path(), 1, &world.ports)).await.expect_err("port");
    assert!(matches!(error, StartError::Listen { .. }), "{error}");
    world.server.stop().await;
    let mut foreign = options(world.dir.path(), 1, &world.ports);
    foreign.cluster = base::ClusterId(9);
    let error = Server::start(foreign).await.expect_err("foreign");
    assert!(error.to_string().contains("belongs to server 1 of cluster"), "{error}");
    let database = world.dir.path().join("config-1/raft.redb");
    // The log of another server of the same cluster: with its votes in memory this one could elect a second leader.
    let ports = free_ports(3);
    let second = Server::start(options(other.path(), 2, &ports)).await.expect("start");
    second.stop().await;
    let own = std::fs::read(&database).expect("read");
    std::fs::copy(other.path().join("config-2/raft.redb"), &database).expect("copy");
    let error = Server::start(options(world.dir.path(), 1, &world.ports)).await.expect_err("alien");
    assert!(error.to_string().contains("it belongs to server 2 of cluster"), "{error}");
    std::fs::write(&database, own).expect("write");
    let server = Server::start(options(world.dir.path(), 1, &world.ports)).await.expect("own");
    server.stop().await;
    std::fs::write(&database, b"not a database").expect("write");
    let error = Server::start(options(world.dir.path(), 1, &world.ports)).await.expect_err("bad");
    assert!(matches!(error, StartError::Consensus(_)), "{error}");
    assert_eq!(std::fs::read(&database).expect("read"), b"not a database", "left as it was");
}

#[tokio::test]
async fn without_a_majority_there_is_no_leader_and_a_hint() {
    let dir = tempfile::tempdir().expect("tempdir");
    let ports = free_ports(3);
    let server = Server::start(options(dir.path(), 1, &ports)).await.expect("start");
    let client: Client = client(&ports[..1]);
    let error = client.status().await.expect_err("no leader");
    assert!(error.to_string().contains("no leader at present"), "{error}");
    let health = client.health(&format!("127.0.0.1:{}", ports[0])).await.expect("health");
    assert!(health.live && !health.ready);
    server.stop().await;
}
