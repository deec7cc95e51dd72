//! What `up` says while it starts, the summary then, and what it says of nodes that come back later.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use base::NodeId;
use cluster::api::{InstanceStatus, NodeStatus, ShardStatus, StateWord, Status};

use super::INSTANCE;
use crate::layout;
use crate::out::say;

/// For a first start without a password on an address that others reach.
pub(crate) const OPEN_TO_ALL: &str = "\
warning: there is no password, and others can reach the endpoint
  a password is given when the site is created: start again with --requirepass and another --dir
";

/// A problem that was seen so often in a row is one; before that it is a step of the start.
const PROBLEM_SEEN_MIN: u32 = 40;

/// How far the first instance is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ready {
    No,
    /// Clients are served; replicas are missing.
    MasterServes,
    /// Every node is in its place.
    Complete,
}

/// What was said of each node, so that it is said once.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    said: BTreeMap<NodeId, String>,
    problems: BTreeMap<String, Problem>,
}

/// What keeps a node or a shard from its work.
#[derive(Debug, Default)]
struct Problem {
    /// The text without its numbers, which change all the time.
    kind: String,
    /// In a row.
    seen: u32,
}

impl Progress {
    /// Says what is new.
    pub(crate) fn show(&mut self, status: &Status) -> Ready {
        let Some(instance) = status.instances.iter().find(|instance| instance.name == INSTANCE)
        else {
            // It was deleted by hand; there is nothing to wait for.
            return Ready::Complete;
        };
        let (mut serves, mut is_complete) = (true, true);
        for shard in &instance.shards {
            serves &= has_master(shard);
            for node in &shard.nodes {
                is_complete &= node.state == StateWord::InSync;
                self.show_node(node);
            }
            self.show_problem(&shard.id.to_string(), shard.problem.as_ref());
        }
        match (serves, is_complete) {
            (true, true) => Ready::Complete,
            (true, false) => Ready::MasterServes,
            (false, _) => Ready::No,
        }
    }

    /// Says a problem of `whose` that does not go away, once.
    fn show_problem(&mut self, whose: &str, text: Option<&String>) {
        let Some(text) = text else {
            self.problems.remove(whose);
            return;
        };
        let problem = self.problems.entry(whose.to_owned()).or_default();
        let kind: String = text.chars().filter(|c| !c.is_ascii_digit()).collect();
        if problem.kind != kind {
            *problem = Problem { kind, seen: 0 };
        }
        problem.seen += 1;
        if problem.seen == PROBLEM_SEEN_MIN {
            say(format_args!("  {whose}: {text}"));
        }
    }

    fn show_node(&mut self, node: &NodeStatus) {
        let line = match node.state {
            // Ten steps are enough for a person.
            StateWord::Loading | StateWord::Syncing => {
                format!("{} {} %", node.state, node.phase_percent / 10 * 10)
            }
            StateWord::InSync if node.role == "master" => "serves as master".to_owned(),
            StateWord::InSync => "in sync with its master".to_owned(),
            StateWord::Starting | StateWord::Lagging | StateWord::Down | StateWord::Fenced => {
                node.state.to_string()
            }
        };
        self.show_problem(&node.id.to_string(), node.error.as_ref());
        if self.said.get(&node.id) != Some(&line) {
            say(format_args!("  {}: {line}", node.id));
            self.said.insert(node.id, line);
        }
    }
}

/// Nodes that come back while `up` watches: how far each of them is.
#[derive(Debug, Default)]
pub(crate) struct Returns {
    nodes: BTreeMap<NodeId, Return>,
}

#[derive(Debug, Default)]
struct Return {
    /// Looks in a row at which it was on its way.
    seen: u32,
    said: Option<String>,
}

impl Returns {
    /// What is new, a line each. Who loads what it has is usually through before anyone could read that.
    pub(crate) fn news(&mut self, status: &Status) -> Vec<String> {
        let shards = status.instances.iter().flat_map(|instance| &instance.shards);
        shards.flat_map(|shard| &shard.nodes).filter_map(|node| self.look(node)).collect()
    }

    fn look(&mut self, node: &NodeStatus) -> Option<String> {
        let is_on_its_way = matches!(node.state, StateWord::Loading | StateWord::Syncing);
        if !is_on_its_way {
            let told = self.nodes.get(&node.id)?.said.is_some();
            if node.state != StateWord::InSync {
                return None;
            }
            self.nodes.remove(&node.id);
            return told.then(|| format!("{} is in its place", node.id));
        }
        let seen = self.nodes.entry(node.id).or_default();
        seen.seen += 1;
        let line = format!("{}: {} {} %", node.id, node.state, node.phase_percent / 10 * 10);
        let is_worth_it = node.state == StateWord::Syncing || seen.said.is_some() || seen.seen > 2;
        if !is_worth_it || seen.said.as_ref() == Some(&line) {
            return None;
        }
        seen.said = Some(line.clone());
        Some(line)
    }
}

/// The master's process holds the endpoint.
fn has_master(shard: &ShardStatus) -> bool {
    shard.nodes.iter().any(|node| Some(node.id) == shard.master && node.endpoint_bound)
}

/// A process that is not a node.
#[derive(Debug)]
pub(crate) struct RoleLine {
    pub(crate) name: String,
    pub(crate) what: &'static str,
    pub(crate) pid: Option<u32>,
    /// Where it serves REST.
    pub(crate) address: Option<String>,
}

/// Where to connect, what to do next, and what runs.
pub(crate) fn summary(dir: &Path, roles: &[RoleLine], status: &Status, took: Duration) {
    let option = layout::dir_option(dir);
    say("");
    if status.instances.is_empty() {
        say("no instance is left; `pollux instance create` makes one");
    }
    for instance in &status.instances {
        let mut nodes = instance.shards.iter().flat_map(|shard| &shard.nodes);
        let missing = nodes.any(|node| node.state != StateWord::InSync);
        let serving = instance.shards.iter().all(has_master);
        let word = match (serving, missing) {
            (true, false) => "ready",
            (true, true) => "serving, not all replicas are there yet",
            (false, _) => "not serving",
        };
        let InstanceStatus { name, edition, .. } = instance;
        say(format_args!("{word}: instance {name} ({edition})"));
        say(format_args!("  connect   {}", connect(instance)));
    }
    say(format_args!("  status    pollux status{option}"));
    say(format_args!("  failover  pollux instance failover {INSTANCE}{option}"));
    say(format_args!("  stop      Ctrl-C here; `pollux up{option}` resumes"));
    say(format_args!("  data      {}", dir.display()));
    let pid = |pid: Option<u32>| pid.map_or("-".to_owned(), |pid| pid.to_string());
    let shards = status.instances.iter().flat_map(|instance| &instance.shards);
    for node in shards.flat_map(|shard| &shard.nodes) {
        say(format_args!("  {:<8}  {:<13}  pid {}", node.id.to_string(), node.role, pid(node.pid)));
    }
    for RoleLine { name, what, pid: number, address } in roles {
        let at = address.as_ref().map_or(String::new(), |address| format!(", http://{address}"));
        say(format_args!("  {name:<8}  {what:<13}  pid {}{at}", pid(*number)));
    }
    say(format_args!("started in {:.1} s", took.as_secs_f64()));
    say("");
}

fn connect(instance: &InstanceStatus) -> String {
    let Some((host, port)) = instance.endpoint.rsplit_once(':') else {
        return instance.endpoint.clone();
    };
    let host = host.trim_matches(['[', ']']);
    let host = match host {
        "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        other => other,
    };
    format!("redis-cli -h {host} -p {port}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: StateWord, phase_percent: u8) -> Status {
        let json = serde_json::json!({
            "instances": [{
                "name": INSTANCE, "edition": "standard", "endpoint": "127.0.0.1:7000",
                "shards": [{
                    "id": "shard-0", "epoch": 1, "master": "node-1",
                    "nodes": [{
                        "id": "node-2", "role": "replica", "pid": 1, "address": null, "opid": 0,
                        "lag_ops": 0, "lag_ms": 0, "in_sync": false, "state": state,
                        "phase_percent": phase_percent,
                    }],
                }],
            }],
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_full_sync_is_told_at_once_and_a_short_load_not_at_all() {
        use StateWord::{Down, InSync, Loading, Syncing};
        let mut returns = Returns::default();
        let mut check = |state: StateWord, percent: u8, expect: &[&str]| {
            assert_eq!(returns.news(&status(state, percent)), expect, "{state} {percent}");
        };
        check(InSync, 100, &[]);
        check(Down, 0, &[]);
        check(Loading, 30, &[]);
        check(InSync, 100, &[]);
        check(Syncing, 0, &["node-2: full sync 0 %"]);
        check(Syncing, 9, &[]);
        check(Syncing, 43, &["node-2: full sync 40 %"]);
        check(Loading, 55, &["node-2: loading 50 %"]);
        check(StateWord::Lagging, 100, &[]);
        check(InSync, 100, &["node-2 is in its place"]);
        check(InSync, 100, &[]);
        for (percent, expect) in [(10, [].as_slice()), (20, &[]), (30, &["node-2: loading 30 %"])] {
            check(Loading, percent, expect);
        }
    }
}
