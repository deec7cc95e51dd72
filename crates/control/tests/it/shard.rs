//! One shard through its life, with a simulated host: failover, refusal, switchover, abort.

use base::{Epoch, NodeId};
use cluster::api::{Cause, ErrorCode, EventKind, FailoverRequest, ShardStatus, StateWord};
use cluster::client::Client;

use crate::world::{Host, Single, instance, single};

fn in_sync(shard: &ShardStatus) -> usize {
    shard.nodes.iter().filter(|node| node.in_sync && node.state == StateWord::InSync).count()
}

/// A master and `replicas` in sync, with data.
async fn standard(replicas: u8) -> (Single, Host) {
    let world = single().await;
    let mut host = Host::new("h");
    host.exchange(&world.client).await.expect("join");
    let request = instance("cache", replicas, 7000);
    world.client.create_instance(&request).await.expect("create");
    host.writes = 10;
    let all = usize::from(replicas) + 1;
    let shard = host.until(&world.client, "all are in sync", |shard| in_sync(shard) == all).await;
    assert_eq!((shard.master, shard.epoch), (Some(NodeId(1)), Epoch(1)));
    (world, host)
}

async fn newest(client: &Client, kind: EventKind) -> cluster::api::Event {
    let events = client.events(0).await.expect("events");
    events.into_iter().rev().find(|event| event.kind == kind).expect("such an event")
}

#[tokio::test]
async fn a_dead_master_is_followed_in_the_answer_to_the_report_of_its_death() {
    let (world, mut host) = standard(1).await;
    host.kill(NodeId(1));
    host.exchange(&world.client).await.expect("sync");
    let order = host.order(NodeId(2));
    assert_eq!(order.epoch, Epoch(2), "decided and committed before the answer");
    assert!(matches!(order.role, cluster::api::Role::Master { .. }));
    assert!(
        host.orders.leases.iter().any(|lease| lease.node == NodeId(2) && lease.epoch == Epoch(2)),
        "and its lease came with the order"
    );
    // The old master comes back with a tail that nobody else has, and follows.
    host.restart(NodeId(1), 1_000_000, 1);
    host.until(&world.client, "both are in sync", |shard| in_sync(shard) == 2).await;
    let event = newest(&world.client, EventKind::Failover).await;
    let record = event.record.expect("a record");
    assert_eq!((record.cause, record.from), (Cause::ProcessDied, Some(NodeId(1))));
    assert_eq!((record.to, record.to_epoch), (Some(NodeId(2)), Some(Epoch(2))));
    assert!(record.decision.contains("exited by signal 9"), "{}", record.decision);
    let phases: Vec<&str> = record.timings.iter().map(|timing| timing.phase.as_str()).collect();
    assert_eq!(phases, ["choose", "commit", "promote and bind the endpoint"]);
    // It tells how much it had to set aside; the record learns it.
    let state = host.nodes.get_mut(&NodeId(1)).and_then(|node| node.state.as_mut()).expect("runs");
    (state.discarded_ops, state.last_discarded_ops) = (7, 7);
    host.exchange(&world.client).await.expect("sync");
    let event = newest(&world.client, EventKind::Failover).await;
    assert_eq!(event.record.expect("a record").discarded_ops, Some(7));
    world.server.stop().await;
}

#[tokio::test]
async fn nobody_is_promoted_who_was_never_in_sync() {
    let (world, mut host) = standard(1).await;
    let replica = host.nodes.get_mut(&NodeId(2)).and_then(|n| n.state.as_mut()).expect("runs");
    replica.phase = cluster::api::NodePhase::Syncing;
    host.cut = true;
    // As long as it is syncing, the simulated replica must not be made ready by its order.
    let removed = async {
        loop {
            let report = host.report();
            let orders = world.client.sync(&report).await.expect("sync");
            host.orders.revision = orders.revision;
            for (nonce, node) in (1_000_u64..).zip(host.nodes.values_mut()) {
                node.revision = orders.revision;
                if let Some(state) = &mut node.state {
                    state.nonce = nonce + orders.revision * 100;
                }
            }
            let status = world.client.status().await.expect("status");
            if !status.instances[0].shards[0].nodes[1].in_sync {
                break;
            }
        }
    };
    removed.await;
    host.kill(NodeId(1));
    let report = host.report();
    world.client.sync(&report).await.expect("sync");
    let status = world.client.status().await.expect("status");
    let shard = &status.instances[0].shards[0];
    assert_eq!(shard.master, None);
    assert!(shard.problem.as_deref().is_some_and(|why| why.contains("not in the in-sync set")));
    newest(&world.client, EventKind::FailoverRefused).await;
    let request = FailoverRequest::default();
    let error = world.client.failover("cache", &request).await.expect_err("refused");
    assert_eq!(error.code(), Some(ErrorCode::NotEligible));
    // Its data may be used when a person says so, but not while it is of no one instant.
    let forced = FailoverRequest { accept_data_loss: true, ..FailoverRequest::default() };
    let error = world.client.failover("cache", &forced).await.expect_err("still syncing");
    assert!(error.to_string().contains("has not completed its sync"), "{error}");
    let replica = host.nodes.get_mut(&NodeId(2)).and_then(|n| n.state.as_mut()).expect("runs");
    replica.phase = cluster::api::NodePhase::Ready;
    let report = host.report();
    world.client.sync(&report).await.expect("sync");
    let outcome = world.client.failover("cache", &forced).await.expect("forced");
    assert_eq!((outcome.master, outcome.epoch), (Some(NodeId(2)), 2));
    assert_eq!(outcome.event.record.map(|record| record.cause), Some(Cause::Forced));
    world.server.stop().await;
}

#[tokio::test]
async fn a_switchover_moves_the_master_without_loss() {
    let (world, mut host) = standard(2).await;
    let request = FailoverRequest { target: Some(NodeId(3)), ..FailoverRequest::default() };
    let asked = world.client.failover("cache", &request);
    tokio::pin!(asked);
    let mut fenced_at = None;
    let outcome = loop {
        tokio::select! {
            outcome = &mut asked => break outcome.expect("switchover"),
            exchanged = host.exchange(&world.client) => exchanged.expect("sync"),
        }
        let master = host.nodes[&NodeId(1)].state.as_ref().expect("runs");
        if master.fenced {
            fenced_at = Some(master.opid);
        }
    };
    assert_eq!((outcome.master, outcome.epoch), (Some(NodeId(3)), 2));
    let fenced_at = fenced_at.expect("writes were held first");
    let record = outcome.event.record.expect("a record");
    assert_eq!((record.cause, record.discarded_ops), (Cause::Requested, Some(0)));
    assert!(record.decision.contains(&format!("1-{fenced_at}")), "{}", record.decision);
    host.until(&world.client, "all are in sync", |shard| in_sync(shard) == 3).await;
    let epochs: Vec<Epoch> = host.leases.iter().map(|lease| lease.epoch).collect();
    assert!(epochs.is_sorted(), "no lease of the old epoch after one of the new");
    let again = world.client.failover("cache", &request).await.expect_err("is master already");
    assert_eq!(again.code(), Some(ErrorCode::Conflict));
    world.server.stop().await;
}

#[tokio::test]
async fn a_switchover_that_cannot_drain_is_taken_back() {
    let (world, mut host) = standard(1).await;
    host.cut = true;
    let request = FailoverRequest::default();
    let asked = world.client.failover("cache", &request);
    tokio::pin!(asked);
    let error = loop {
        tokio::select! {
            outcome = &mut asked => break outcome.expect_err("aborted"),
            exchanged = host.exchange(&world.client) => exchanged.expect("sync"),
        }
    };
    assert_eq!(error.code(), Some(ErrorCode::Timeout));
    assert!(error.to_string().contains("the old master goes on"), "{error}");
    let shard = host
        .until(&world.client, "the master takes writes", |shard| {
            shard.nodes[0].state == StateWord::InSync
        })
        .await;
    assert_eq!((shard.master, shard.epoch), (Some(NodeId(1)), Epoch(1)));
    newest(&world.client, EventKind::SwitchoverAborted).await;
    world.server.stop().await;
}

#[tokio::test]
async fn a_second_request_joins_the_first() {
    let (world, mut host) = standard(1).await;
    let request = FailoverRequest::default();
    let (first, second) =
        (world.client.failover("cache", &request), world.client.failover("cache", &request));
    let both = async { tokio::join!(first, second) };
    tokio::pin!(both);
    let (first, second) = loop {
        tokio::select! {
            outcomes = &mut both => break outcomes,
            exchanged = host.exchange(&world.client) => exchanged.expect("sync"),
        }
    };
    let epochs = [first, second].map(|outcome| outcome.map(|outcome| outcome.epoch).ok());
    assert!(epochs.iter().flatten().all(|epoch| *epoch == 2), "{epochs:?}");
    assert!(epochs.contains(&Some(2)), "{epochs:?}");
    world.server.stop().await;
}
