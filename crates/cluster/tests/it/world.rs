//! Reads the little language in which the tables describe a shard and what was seen of it, and prints plans.
//!
//! ```text
//!   now 5000                                  ms on the leader's clock; default 10000
//!   leading-since 0
//!   shard epoch 3 held node-1 pid 10 in-sync node-1,node-2
//!   shard epoch 3 held node-1 pid 10 in-sync node-1,node-2 switchover node-2 fence 7 since 9900
//!   granted 9000                              newest lease
//!   node-1 exited 10 signal 9 seen 10000
//!   node-2 runs 20 replica 3 ready at 3-500 lag 4 answered 9950
//! ```

use std::collections::BTreeMap;

use base::{ClusterId, Epoch, Incarnation, NodeId, ShardId, Tick};
use cluster::api::{
    Agent, Cause, Edition, HostReport, LastExit, LinkState, NodePhase, NodeReport, NodeRole,
    NodeState, ProcessId, ProcessState, ReportNumber,
};
use cluster::observed::Observed;
use cluster::state::{
    Command, Instance, Mastership, Node, Shard, State, Switchover, SwitchoverPhase,
};

pub(crate) const CLUSTER: ClusterId = ClusterId(7);
const SHARD: ShardId = ShardId(0);

pub(crate) struct World {
    pub(crate) desired: State,
    pub(crate) observed: Observed,
    pub(crate) now: Tick,
}

fn at_ms(ms: &str) -> Tick {
    Tick(0).plus_ms(ms.parse().expect("ms"))
}

fn process(pid: &str) -> ProcessId {
    ProcessId { pid: pid.parse().expect("pid"), started: 1 }
}

impl World {
    pub(crate) fn read(text: &str) -> World {
        let mut now = at_ms("10000");
        let mut leading_since = at_ms("0");
        let mut granted = None;
        let mut desired = State::default();
        let mut switchover_since = None;
        let mut nodes = Vec::new();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("now") => now = at_ms(words.next().expect("now <ms>")),
                Some("leading-since") => leading_since = at_ms(words.next().expect("<ms>")),
                Some("granted") => granted = Some(at_ms(words.next().expect("<ms>"))),
                Some("shard") => {
                    let (shard, since) = read_shard(words);
                    switchover_since = since;
                    desired.shards.insert(SHARD, shard);
                }
                Some(name) => nodes.push((name.to_owned(), words.collect::<Vec<_>>().join(" "))),
                None => {}
            }
        }
        let mut observed = Observed::new(leading_since);
        if let Some(at) = granted {
            let epoch = desired.shards[&SHARD].epoch;
            observed.leases.note(SHARD, epoch, at);
        }
        desired.instances.insert("a".into(), instance());
        for (name, line) in &nodes {
            add_node(&mut desired, name.parse().expect("node-<n>"), line);
        }
        if let Some(since) = switchover_since {
            observed.refresh(&desired, since);
        }
        for (name, line) in &nodes {
            see(&desired, &mut observed, name.parse().expect("node-<n>"), line, now);
        }
        observed.refresh(&desired, now);
        World { desired, observed, now }
    }
}

fn instance() -> Instance {
    Instance {
        name: "a".into(),
        edition: Edition::Standard,
        endpoint: "127.0.0.1:7000".into(),
        params: BTreeMap::new(),
        shards: vec![SHARD],
        deleting: false,
    }
}

fn read_shard<'a>(mut words: impl Iterator<Item = &'a str>) -> (Shard, Option<Tick>) {
    let mut shard = Shard {
        id: SHARD,
        instance: "a".into(),
        epoch: Epoch(0),
        mastership: Mastership::Vacant,
        in_sync: Default::default(),
        switchover: None,
        nodes: Vec::new(),
        hash_seed: 1,
        problem: None,
    };
    let mut since = None;
    while let Some(word) = words.next() {
        let mut next = || words.next().expect("a value");
        match word {
            "epoch" => shard.epoch = Epoch(next().parse().expect("epoch")),
            "vacant" => shard.mastership = Mastership::Vacant,
            "refused" => shard.problem = Some("said before".into()),
            "held" | "ending" => {
                let node = next().parse().expect("node");
                assert_eq!(next(), "pid");
                let process = process(next());
                shard.mastership = match word {
                    "held" => Mastership::Held { node, process },
                    _ => Mastership::Ending { node, process, cause: Cause::MasterHung },
                };
            }
            "in-sync" => {
                shard.in_sync = next().split(',').map(|id| id.parse().expect("node")).collect();
            }
            "switchover" => {
                let target = next().parse().expect("node");
                let phase = SwitchoverPhase::CatchUp;
                shard.switchover = Some(Switchover { id: 1, target, phase, timeout_ms: 3000 });
            }
            "fence" => {
                let revision = next().parse().expect("revision");
                let switchover = shard.switchover.as_mut().expect("switchover comes first");
                switchover.phase = SwitchoverPhase::Fence { revision };
            }
            "since" => since = Some(at_ms(next())),
            other => panic!("what is {other:?} of a shard?"),
        }
    }
    (shard, since)
}

fn add_node(desired: &mut State, id: NodeId, line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let after = |key| words.iter().position(|word| *word == key).map(|at| words[at + 1]);
    let host = after("host").unwrap_or("h").to_owned();
    desired.hosts.insert(host.clone());
    desired.shards.get_mut(&SHARD).expect("shard comes first").nodes.push(id);
    let node = Node {
        id,
        shard: SHARD,
        host,
        incarnation: Incarnation(1),
        priority: after("priority").map_or(100, |text| text.parse().expect("priority")),
        address: Some(format!("127.0.0.1:{}", 8000 + id.0)),
        had_data: words.contains(&"had-data") || words.contains(&"at"),
        discarded_ops: 0,
        promoted_on: ReportNumber::default(),
    };
    desired.nodes.insert(id, node);
}

fn last_exit(pid: &str, how: &str) -> LastExit {
    LastExit { process: process(pid), how: how.replace('_', " ") }
}

/// Feeds what the line says to `observed`, as the report of the node's agent.
fn see(desired: &State, observed: &mut Observed, id: NodeId, line: &str, now: Tick) {
    let mut report = NodeReport {
        node: id,
        revision: 100,
        process: ProcessState::Absent,
        address: Some(format!("127.0.0.1:{}", 8000 + id.0)),
        state: None,
        silent_ms: 0,
        error: None,
        last_exit: None,
        lost_data: false,
    };
    let mut state = NodeState::waiting(CLUSTER, SHARD, id, Incarnation(1));
    state.nonce = 1;
    let (mut seen_at, mut answered_at, mut behind_since) = (now, now, None);
    let mut words = line.split_whitespace();
    let mut link = LinkState { up: true, ..LinkState::default() };
    while let Some(word) = words.next() {
        let mut next = || words.next().expect("a value");
        match word {
            "unseen" => return,
            "absent" => report.process = ProcessState::Absent,
            "runs" => report.process = ProcessState::Running { process: process(next()) },
            "lost-data" => report.lost_data = true,
            "exit" => report.last_exit = Some(last_exit(next(), next())),
            "killed" => report.process = ProcessState::Killed { process: process(next()) },
            "exited" => {
                let process = process(next());
                assert_eq!(next(), "signal");
                let signal = Some(next().parse().expect("signal"));
                report.process = ProcessState::Exited { process, code: None, signal };
            }
            "master" | "replica" => {
                state.role = if word == "master" { NodeRole::Master } else { NodeRole::Replica };
                state.epoch = Epoch(next().parse().expect("epoch"));
                state.followed = state.epoch;
            }
            "followed" => state.followed = Epoch(next().parse().expect("epoch")),
            "waiting" => state.phase = NodePhase::Waiting,
            "loading" => state.phase = NodePhase::Loading,
            "syncing" => state.phase = NodePhase::Syncing,
            "ready" => state.phase = NodePhase::Ready,
            "at" => {
                let position: base::Position = next().parse().expect("position");
                (state.opid, state.opid_epoch) = (position.opid, position.epoch);
            }
            "lag" => link.lag_ms = next().parse().expect("ms"),
            "link-down" => link.up = false,
            "fenced" => state.fenced = true,
            "error" => state.error = Some(next().to_owned()),
            "incarnation" => state.incarnation = Incarnation(next().parse().expect("number")),
            "revision" => report.revision = next().parse().expect("revision"),
            "silent" => report.silent_ms = next().parse().expect("ms"),
            "seen" => seen_at = at_ms(next()),
            "answered" => answered_at = at_ms(next()),
            "behind-since" => behind_since = Some(at_ms(next())),
            "mute" => state.nonce = 0,
            "host" | "priority" => drop(next()),
            "had-data" => {}
            other => panic!("what is {other:?} of a node?"),
        }
    }
    if state.role == NodeRole::Replica {
        state.link = Some(link);
    }
    report.state = (state.nonce > 0).then_some(state);
    let host = desired.nodes[&id].host.clone();
    let seq = observed.hosts.get(&host).map_or(1, |seen| seen.agent.seq + 1);
    let agent = Agent { start: 1, pid: 1, seq };
    let report = HostReport {
        cluster: CLUSTER,
        host: host.clone(),
        agent,
        revision: 0,
        nodes: vec![report],
    };
    observed.accept(CLUSTER, desired, &report, seen_at).expect("a good report");
    let seen = observed.nodes.get_mut(&id).expect("just seen");
    seen.answered_at = answered_at;
    seen.behind_since = behind_since.or(seen.behind_since);
}

/// One line a command, with what a reader of the plan wants to know.
pub(crate) fn print(command: &Command) -> String {
    let verdicts = |record: &cluster::api::MoveRecord| {
        let lines = record.candidates.iter().map(|candidate| {
            let mark = if candidate.eligible { '+' } else { '-' };
            format!("\n  {mark} {}: {}", candidate.node, candidate.reason)
        });
        format!("{}{}", record.decision, lines.collect::<String>())
    };
    match command {
        Command::Promote { from_epoch, node, process, record, .. } => {
            format!("promote {node} {process} after epoch {from_epoch}: {}", verdicts(record))
        }
        Command::Suspect { epoch, record, .. } => {
            format!("suspect the master of epoch {epoch}: {}", verdicts(record))
        }
        Command::Vacate { epoch, record, .. } => {
            format!("vacate epoch {epoch}: {}", verdicts(record))
        }
        Command::AbortSwitchover { record, .. } => format!("abort: {}", record.decision),
        Command::FenceSwitchover { epoch, .. } => format!("fence in epoch {epoch}"),
        Command::AddInSync { node, reason, .. } => format!("in sync {node}: {reason}"),
        Command::RemoveInSync { node, reason, .. } => format!("not in sync {node}: {reason}"),
        other => format!("{other:?}"),
    }
}
