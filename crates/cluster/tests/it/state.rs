//! Applying commands: what they change, and when they are refused.

use std::collections::BTreeMap;

use base::{Epoch, NodeId, ShardId, UnixMs};
use cluster::api::{Cause, Edition, EventKind, MoveRecord, ProcessId, ReportNumber, Role};
use cluster::orders::orders;
use cluster::state::{Applied, Command, Mastership, Proposal, Rejected, State, SwitchoverPhase};

const SHARD: ShardId = ShardId(0);

fn apply(state: &mut State, command: Command) -> Result<Applied, Rejected> {
    state.apply(&Proposal { at: UnixMs(1), command })
}

fn create(name: &str, replicas: u8, endpoint: &str) -> Command {
    Command::CreateInstance {
        name: name.into(),
        edition: Edition::Standard,
        replicas,
        endpoint: endpoint.into(),
        params: BTreeMap::new(),
        hash_seed: 5,
    }
}

fn record(cause: Cause) -> MoveRecord {
    MoveRecord {
        cause,
        from: None,
        from_epoch: Epoch(0),
        to: None,
        to_epoch: None,
        decision: "because".into(),
        samples: Vec::new(),
        candidates: Vec::new(),
        timings: Vec::new(),
        discarded_ops: None,
    }
}

fn promote(from_epoch: u64, node: u32, cause: Cause) -> Command {
    Command::Promote {
        shard: SHARD,
        from_epoch: Epoch(from_epoch),
        node: NodeId(node),
        process: ProcessId { pid: node, started: 1 },
        report: ReportNumber::default(),
        record: record(cause),
    }
}

/// One instance of three nodes on two hosts, the first of them master in epoch 1.
fn world() -> State {
    let mut state = State::default();
    for host in ["a", "b"] {
        apply(&mut state, Command::JoinHost { host: host.into() }).expect("join");
    }
    apply(&mut state, create("cache", 2, "127.0.0.1:7000")).expect("create");
    for node in 1..=3 {
        let address = format!("127.0.0.1:{}", 8000 + node);
        apply(&mut state, Command::SetAddress { node: NodeId(node), address }).expect("address");
    }
    apply(&mut state, promote(0, 1, Cause::First)).expect("promote");
    state
}

#[test]
fn only_a_replica_that_is_not_in_sync_may_lose_its_data() {
    let mut state = world();
    let lost = |epoch: u64, node: u32| Command::NoteDataLost {
        shard: SHARD,
        epoch: Epoch(epoch),
        node: NodeId(node),
    };
    for node in 1..=3 {
        apply(&mut state, Command::NoteData { node: NodeId(node) }).expect("data");
    }
    add_in_sync(&mut state, 2);
    assert!(matches!(apply(&mut state, lost(1, 1)), Err(Rejected::Conflict(_))), "the master");
    assert!(matches!(apply(&mut state, lost(1, 2)), Err(Rejected::Conflict(_))), "in sync");
    assert!(matches!(apply(&mut state, lost(0, 3)), Err(Rejected::StaleEpoch { .. })));
    let applied = apply(&mut state, lost(1, 3)).expect("a replica that may start anew");
    let event = state.event(applied.event.expect("an event")).expect("kept");
    assert_eq!(event.kind, EventKind::DataLost);
    let had_data = |host| orders(&state, host).into_iter().map(|o| (o.node.0, o.had_data));
    let mut all: Vec<_> = ["a", "b"].into_iter().flat_map(had_data).collect();
    all.sort_unstable();
    assert_eq!(all, [(1, true), (2, true), (3, false)]);
}

fn add_in_sync(state: &mut State, node: u32) {
    let (shard, epoch, reason) = (SHARD, Epoch(1), String::from("why"));
    apply(state, Command::AddInSync { shard, epoch, node: NodeId(node), reason }).expect("add");
}

#[test]
fn only_members_of_the_in_sync_set_are_promoted() {
    let mut state = world();
    for cause in [Cause::ProcessDied, Cause::Requested, Cause::HostSilent] {
        let refused = apply(&mut state, promote(1, 2, cause));
        assert!(matches!(refused, Err(Rejected::Conflict(_))), "{refused:?}");
    }
    add_in_sync(&mut state, 2);
    apply(&mut state, promote(1, 2, Cause::ProcessDied)).expect("a member");
}

#[test]
fn nodes_are_spread_over_hosts() {
    let state = world();
    let hosts: Vec<&str> = state.nodes.values().map(|node| node.host.as_str()).collect();
    assert_eq!(hosts, ["a", "b", "a"]);
}

#[test]
fn names_endpoints_and_hosts_are_unique_and_needed() {
    let mut state = State::default();
    assert_eq!(apply(&mut state, create("x", 1, "e")), Err(Rejected::NoHost));
    let mut state = world();
    let before = state.clone();
    let exists = apply(&mut state, create("cache", 1, "127.0.0.1:7001"));
    assert_eq!(exists, Err(Rejected::InstanceExists("cache".into())));
    let taken = apply(&mut state, create("other", 1, "127.0.0.1:7000"));
    assert!(matches!(taken, Err(Rejected::EndpointTaken { .. })));
    assert_eq!(state, before, "a rejected command changes nothing");
}

#[test]
fn an_epoch_is_for_one_promotion() {
    let mut state = world();
    add_in_sync(&mut state, 2);
    apply(&mut state, promote(1, 2, Cause::ProcessDied)).expect("promote");
    let late = apply(&mut state, promote(1, 3, Cause::ProcessDied));
    assert_eq!(late, Err(Rejected::StaleEpoch { current: Epoch(2), found: Epoch(1) }));
    assert_eq!(state.shards[&SHARD].master(), Some(NodeId(2)));
}

#[test]
fn abort_and_promotion_exclude_each_other() {
    let switchover = |state: &mut State| {
        let (shard, epoch, target) = (SHARD, Epoch(1), NodeId(2));
        let start = Command::StartSwitchover { shard, epoch, target, timeout_ms: 1000 };
        let id = apply(state, start).expect("start").event.expect("event");
        apply(state, Command::FenceSwitchover { shard, epoch, id }).expect("fence");
        let phase = state.shards[&SHARD].switchover.expect("under way").phase;
        assert_eq!(phase, SwitchoverPhase::Fence { revision: state.revision });
        Command::AbortSwitchover { shard, epoch, id, record: record(Cause::Requested) }
    };
    let mut state = world();
    let abort = switchover(&mut state);
    assert!(matches!(orders(&state, "a")[0].role, Role::Fenced { .. }));
    add_in_sync(&mut state, 2);
    apply(&mut state, promote(1, 2, Cause::Requested)).expect("promote");
    assert!(matches!(apply(&mut state, abort), Err(Rejected::StaleEpoch { .. })));

    let mut state = world();
    let abort = switchover(&mut state);
    apply(&mut state, abort.clone()).expect("abort");
    assert!(matches!(orders(&state, "a")[0].role, Role::Master { .. }));
    assert!(matches!(apply(&mut state, abort), Err(Rejected::Conflict(_))));
}

#[test]
fn the_master_stays_in_the_in_sync_set() {
    let mut state = world();
    let (shard, epoch, reason) = (SHARD, Epoch(1), String::from("why"));
    let remove = |node| Command::RemoveInSync { shard, epoch, node, reason: reason.clone() };
    assert!(matches!(apply(&mut state, remove(NodeId(1))), Err(Rejected::Conflict(_))));
    let add = Command::AddInSync { shard, epoch, node: NodeId(2), reason: reason.clone() };
    apply(&mut state, add).expect("add");
    apply(&mut state, remove(NodeId(2))).expect("remove");
}

#[test]
fn forcing_forgets_who_was_in_sync() {
    let mut state = world();
    apply(&mut state, promote(1, 3, Cause::Forced)).expect("promote");
    let in_sync: Vec<NodeId> = state.shards[&SHARD].in_sync.iter().copied().collect();
    assert_eq!(in_sync, [NodeId(3)]);
}

#[test]
fn orders_follow_the_mastership() {
    let mut state = world();
    let role = |state: &State, host: &str, at: usize| orders(state, host)[at].role.clone();
    let replica = Role::Replica { master: NodeId(1), address: "127.0.0.1:8001".into() };
    assert_eq!(role(&state, "b", 0), replica);
    let suspect = Command::Suspect {
        shard: SHARD,
        epoch: Epoch(1),
        cause: Cause::MasterHung,
        record: record(Cause::MasterHung),
    };
    apply(&mut state, suspect).expect("suspect");
    assert_eq!((role(&state, "a", 0), role(&state, "b", 0)), (Role::Killed, replica));
    let vacate =
        Command::Vacate { shard: SHARD, epoch: Epoch(1), record: record(Cause::MasterHung) };
    apply(&mut state, vacate).expect("vacate");
    assert_eq!(state.shards[&SHARD].mastership, Mastership::Vacant);
    assert_eq!(role(&state, "a", 0), Role::Wait);
    apply(&mut state, Command::DeleteInstance { name: "cache".into() }).expect("delete");
    assert_eq!(role(&state, "b", 0), Role::Removed);
    apply(&mut state, Command::PurgeInstance { name: "cache".into() }).expect("purge");
    assert_eq!(orders(&state, "a"), []);
    assert_eq!(state.nodes_made, 3, "numbers are never reused");
}

#[test]
fn discarded_ops_find_the_event_that_cost_them() {
    let mut state = world();
    add_in_sync(&mut state, 2);
    let mut lost = record(Cause::ProcessDied);
    lost.from = Some(NodeId(1));
    let promote = Command::Promote {
        shard: SHARD,
        from_epoch: Epoch(1),
        node: NodeId(2),
        process: ProcessId { pid: 2, started: 1 },
        report: ReportNumber::default(),
        record: lost,
    };
    let event = apply(&mut state, promote).expect("promote").event.expect("event");
    let note = Command::NoteDiscarded { node: NodeId(1), total: 12, last: 12 };
    apply(&mut state, note.clone()).expect("note");
    let event = state.event(event).expect("kept");
    assert_eq!(event.kind, EventKind::Failover);
    assert_eq!(event.record.as_ref().and_then(|record| record.discarded_ops), Some(12));
    assert!(matches!(apply(&mut state, note), Err(Rejected::Conflict(_))), "told once");
}
