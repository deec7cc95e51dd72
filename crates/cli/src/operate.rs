//! The operator's commands: what they ask of the config servers and how they show the answer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use cluster::api::{
    CreateInstance, Event, FailoverRequest, InstanceStatus, NodeStatus, ShardStatus, Status,
};
use cluster::client::{Client, ClientError};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

use crate::args;
use crate::layout::{self, Found, Layout};
use crate::out::{Trouble, say, say_json, utc};

pub(crate) async fn status(args: &args::Status) -> Result<()> {
    let client = connect(&args.at.dir)?;
    let status = client.status().await.map_err(|error| unreachable(&args.at.dir, error))?;
    if args.json {
        say_json(&status);
        return Ok(());
    }
    say(status_text(&status));
    Ok(())
}

pub(crate) async fn events(args: &args::Events) -> Result<()> {
    let client = connect(&args.at.dir)?;
    let events = client.events(0).await.map_err(|error| unreachable(&args.at.dir, error))?;
    let newest = &events[events.len().saturating_sub(args.limit)..];
    if args.json {
        say_json(&newest);
        return Ok(());
    }
    if newest.is_empty() {
        say("nothing has happened yet");
    }
    for event in newest {
        say(event_text(event));
    }
    Ok(())
}

pub(crate) async fn instance(command: args::Instance) -> Result<()> {
    match command {
        args::Instance::List { at, json } => {
            let client = connect(&at.dir)?;
            let status = client.status().await.map_err(|error| unreachable(&at.dir, error))?;
            if json {
                say_json(&status.instances);
                return Ok(());
            }
            let mut table = table(&["INSTANCE", "EDITION", "ENDPOINT", "SHARDS", "NODES"]);
            for instance in &status.instances {
                let nodes: usize = instance.shards.iter().map(|shard| shard.nodes.len()).sum();
                table.add_row([
                    instance.name.clone(),
                    instance.edition.to_string(),
                    instance.endpoint.clone(),
                    instance.shards.len().to_string(),
                    nodes.to_string(),
                ]);
            }
            say(trimmed(&table));
            Ok(())
        }
        args::Instance::Create(args) => create(args).await,
        args::Instance::Delete { name, at, yes } => {
            if !yes {
                bail!(Trouble::usage(
                    format!("this would delete instance {name} with all its data"),
                    "say --yes if that is meant",
                ));
            }
            let client = connect(&at.dir)?;
            client.delete_instance(&name).await.map_err(|error| unreachable(&at.dir, error))?;
            say(format_args!("instance {name} is being deleted; see `pollux status`"));
            Ok(())
        }
        args::Instance::Failover(args) => failover(&args).await,
    }
}

async fn create(args: args::Create) -> Result<()> {
    let request = CreateInstance {
        name: args.name,
        edition: args.edition,
        replicas: args.replicas,
        port: args.port,
        bind: args.bind.to_string(),
        params: args.params.into_iter().collect::<BTreeMap<_, _>>(),
    };
    request.validate()?;
    let client = connect(&args.at.dir)?;
    let made =
        client.create_instance(&request).await.map_err(|error| unreachable(&args.at.dir, error))?;
    let nodes: Vec<String> = made.nodes.iter().map(ToString::to_string).collect();
    say(format_args!(
        "instance {}: {} starting; endpoint {}",
        made.name,
        nodes.join(", "),
        made.endpoint
    ));
    say("see `pollux status` for when it is ready");
    Ok(())
}

async fn failover(args: &args::Failover) -> Result<()> {
    let client = connect(&args.at.dir)?;
    if !args.json {
        say(format_args!("moving the master of {} (at most {} s) ...", args.name, args.timeout));
    }
    let request = FailoverRequest {
        target: args.target,
        timeout_ms: Some(args.timeout.saturating_mul(1000)),
        accept_data_loss: args.accept_data_loss,
    };
    let outcome = client
        .failover(&args.name, &request)
        .await
        .map_err(|error| unreachable(&args.at.dir, error))?;
    if args.json {
        say_json(&outcome);
        return Ok(());
    }
    say(event_text(&outcome.event));
    match outcome.master {
        Some(master) => say(format_args!(
            "{} is master of {} in epoch {}",
            master, outcome.shard, outcome.epoch
        )),
        None => say(format_args!("{} has no master", outcome.shard)),
    }
    Ok(())
}

/// A client for the cluster in `dir`.
fn connect(dir: &Path) -> Result<Client> {
    match Layout::find(dir)? {
        Found::Ours(layout) => {
            Ok(Client::new(layout.config_addresses(), layout.cluster, &layout.secret))
        }
        Found::Nothing | Found::Foreign { .. } => bail!(Trouble::new(
            format!("{} is not a directory of `pollux up`", dir.display()),
            "name the directory with --dir, or start one with `pollux up`",
        )),
    }
}

fn unreachable(dir: &Path, error: ClientError) -> anyhow::Error {
    match error {
        ClientError::Refused(refusal) => refusal.into(),
        ClientError::Unreachable { .. } => Trouble::new(
            error.to_string(),
            format!(
                "is it running? start it with `pollux up{}`",
                layout::dir_option(&absolute(dir))
            ),
        )
        .into(),
        ClientError::Unknown { .. } => {
            Trouble::new(error.to_string(), "see `pollux status` before you ask again").into()
        }
    }
}

fn absolute(dir: &Path) -> PathBuf {
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned())
}

fn status_text(status: &Status) -> String {
    if status.instances.is_empty() {
        return "no instances; create one with `pollux instance create NAME --port PORT`".into();
    }
    let mut text = Vec::new();
    for instance in &status.instances {
        text.push(instance_text(instance));
    }
    let hosts: Vec<String> = status
        .hosts
        .iter()
        .map(|host| match (host.silent_ms, host.agent_pid) {
            (Some(ms), Some(pid)) if ms < 2_000 => format!("{} (agent pid {pid})", host.name),
            (Some(ms), _) => format!("{} (silent for {} s)", host.name, ms / 1000),
            (None, _) => format!("{} (not heard of)", host.name),
        })
        .collect();
    text.push(format!("hosts: {}", hosts.join(", ")));
    text.join("\n")
}

fn instance_text(instance: &InstanceStatus) -> String {
    let deleting = if instance.deleting { ", being deleted" } else { "" };
    let mut text = format!(
        "{} ({}{deleting})  endpoint {}\n",
        instance.name, instance.edition, instance.endpoint
    );
    for shard in &instance.shards {
        let master = shard.master.map_or("no master".to_owned(), |node| format!("master {node}"));
        text.push_str(&format!("{}  epoch {}  {master}\n", shard.id, shard.epoch));
        if let Some(problem) = &shard.problem {
            text.push_str(&format!("  problem: {problem}\n"));
        }
        if let Some(switchover) = &shard.switchover {
            text.push_str(&format!("  switchover: {switchover}\n"));
        }
        text.push_str(&nodes_table(shard));
        text.push('\n');
        for node in &shard.nodes {
            if let Some(error) = &node.error {
                text.push_str(&format!("  {}: {error}\n", node.id));
            }
        }
    }
    text
}

fn nodes_table(shard: &ShardStatus) -> String {
    let mut table = table(&[
        "NODE",
        "ROLE",
        "STATE",
        "EPOCH",
        "PID",
        "ADDRESS",
        "OPID",
        "LAG OPS",
        "LAG MS",
        "IN SYNC",
        "DISCARDED",
    ]);
    for column in [3, 4, 6, 7, 8, 10] {
        let column = table.column_mut(column).expect("the header has eleven columns");
        column.set_cell_alignment(CellAlignment::Right);
    }
    for node in &shard.nodes {
        table.add_row(node_row(node));
    }
    trimmed(&table)
}

fn node_row(node: &NodeStatus) -> [String; 11] {
    use cluster::api::StateWord::{Loading, Syncing};
    let state = match node.state {
        Loading | Syncing => format!("{} {} %", node.state, node.phase_percent),
        _ => node.state.to_string(),
    };
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        node.id.to_string(),
        node.role.clone(),
        state,
        node.epoch.to_string(),
        or_dash(node.pid.map(|pid| pid.to_string())),
        or_dash(node.address.clone()),
        node.opid.to_string(),
        node.lag_ops.to_string(),
        node.lag_ms.to_string(),
        if node.in_sync { "yes" } else { "no" }.to_owned(),
        node.discarded_ops.to_string(),
    ]
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header.iter().copied());
    table
}

/// Without the spaces that a borderless table leaves at the ends of its lines.
fn trimmed(table: &Table) -> String {
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// One event: when, what, and for a master's move how it was decided.
fn event_text(event: &Event) -> String {
    let mut text = format!("#{} {} {}", event.id, utc(event.at_ms.0), event.message);
    if let Some(record) = &event.record {
        text.push_str(&format!("\n    decision: {}", record.decision));
        let timings: Vec<String> = record
            .timings
            .iter()
            .map(|timing| format!("{} {} ms", timing.phase, timing.ms))
            .collect();
        if !timings.is_empty() {
            text.push_str(&format!("\n    timings: {}", timings.join(", ")));
        }
        if let Some(ops) = record.discarded_ops {
            text.push_str(&format!("\n    discarded ops: {ops}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_shows_every_node_with_its_lag() {
        let status: Status = serde_json::from_value(serde_json::json!({
            "instances": [{
                "name": "default", "edition": "standard", "endpoint": "127.0.0.1:6379",
                "shards": [{
                    "id": "shard-1", "epoch": 3, "master": "node-2", "problem": "replica is late",
                    "nodes": [
                        {"id": "node-1", "role": "replica", "pid": null, "address": null, "opid": 7,
                         "lag_ops": 5, "lag_ms": 40, "in_sync": false, "state": "loading",
                         "phase_percent": 40, "epoch": 2, "discarded_ops": 2, "error": "why"},
                        {"id": "node-2", "role": "master", "pid": 9, "address": "127.0.0.1:1", "opid": 12,
                         "lag_ops": 0, "lag_ms": 0, "in_sync": true, "state": "in-sync", "epoch": 3}
                    ]
                }]
            }],
            "hosts": [{"name": "local", "silent_ms": 20, "agent_pid": 4}]
        }))
        .unwrap();
        let text = status_text(&status);
        let row = |node: &str| {
            let line = text.lines().find(|line| line.trim_start().starts_with(node)).unwrap();
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(row("node-1 "), "node-1 replica loading 40 % 2 - - 7 5 40 no 2");
        assert_eq!(row("node-2"), "node-2 master in-sync 3 9 127.0.0.1:1 12 0 0 yes 0");
        for part in ["epoch 3", "problem: replica is late", "node-1: why", "local (agent pid 4)"] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }
}
