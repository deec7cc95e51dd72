//! What `up` says while it starts, and the summary at the end.

use std::collections::BTreeMap;
use std::path::Path;

use base::NodeId;
use cluster::api::{InstanceStatus, NodeStatus, StateWord, Status};

use super::INSTANCE;
use crate::layout::Layout;
use crate::out::say;

/// What was said of each node, so that it is said once.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    said: BTreeMap<NodeId, String>,
    problem: Option<String>,
}

impl Progress {
    /// Says what is new; true when the instance serves and every node is in its place.
    pub(crate) fn show(&mut self, status: &Status) -> bool {
        let Some(instance) = status.instances.iter().find(|instance| instance.name == INSTANCE)
        else {
            // It was deleted by hand; there is nothing to wait for.
            return true;
        };
        let mut is_ready = true;
        for shard in &instance.shards {
            let has_master =
                shard.nodes.iter().any(|node| Some(node.id) == shard.master && node.endpoint_bound);
            is_ready &= has_master;
            for node in &shard.nodes {
                is_ready &= node.state == StateWord::InSync;
                self.show_node(node);
            }
            if shard.problem != self.problem {
                if let Some(problem) = &shard.problem {
                    say(format_args!("  {}: {problem}", shard.id));
                }
                self.problem.clone_from(&shard.problem);
            }
        }
        is_ready
    }

    fn show_node(&mut self, node: &NodeStatus) {
        let mut line = match node.state {
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
        if let Some(error) = &node.error {
            line = format!("{line} ({error})");
        }
        if self.said.get(&node.id) != Some(&line) {
            say(format_args!("  {}: {line}", node.id));
            self.said.insert(node.id, line);
        }
    }
}

/// Where to connect, what runs, and what to do next.
pub(crate) fn summary(
    dir: &Path,
    layout: &Layout,
    pids: &[(String, Option<u32>)],
    status: &Status,
) {
    let dir = dir.display();
    say("");
    for instance in &status.instances {
        say(format_args!("ready: instance {} ({})", instance.name, instance.edition));
        say(format_args!("  connect   {}", connect(instance)));
    }
    let pid = |pid: &Option<u32>| pid.map_or("-".to_owned(), |pid| pid.to_string());
    let mut runs: Vec<String> =
        pids.iter().map(|(name, number)| format!("{name} (pid {})", pid(number))).collect();
    let nodes = status.instances.iter().flat_map(|instance| &instance.shards);
    for node in nodes.flat_map(|shard| &shard.nodes) {
        runs.push(format!("{} {} (pid {})", node.id, node.role, pid(&node.pid)));
    }
    say(format_args!("  runs      {}", runs.join(", ")));
    say(format_args!("  data      {dir}"));
    say(format_args!("  config    http://{}", layout.config_addresses().join(", http://")));
    say(format_args!("  status    pollux status --dir {dir}"));
    say(format_args!("  failover  pollux instance failover {INSTANCE} --dir {dir}"));
    say("  stop      Ctrl-C here; the next `pollux up` with this directory resumes");
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
