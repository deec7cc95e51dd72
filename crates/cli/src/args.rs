//! The command line: what can be said, with an example for each.

use std::net::IpAddr;
use std::path::PathBuf;

use base::NodeId;
use clap::{Args, Parser, Subcommand};
use cluster::api::Edition;

#[derive(Debug, Parser)]
#[command(
    name = "pollux",
    version = env!("CARGO_PKG_VERSION"),
    about = "A highly available, Redis-compatible in-memory database",
    after_help = "Start here:\n  pollux up                 everything on this machine, endpoint 127.0.0.1:6379\n  \
                  redis-cli set k v         any Redis client works\n  pollux status             what runs, and how far it is"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything on this machine: config server, agent, and a first instance
    Up(Up),
    /// Show instances, masters, replicas and how far they are
    Status(Status),
    /// Create, list, delete instances; move a master
    #[command(subcommand)]
    Instance(Instance),
    /// Show what happened and why: failovers, switchovers, refusals
    Events(Events),
    /// Run the agent of a host (started by `up`)
    Agent(Agent),
    /// Run a config server (started by `up`)
    Config(Config),
    /// Run one node without a cluster, with the parameters of redis.conf
    Server(Server),
    /// Run a data node (started by the agent)
    Node(Node),
    /// Print the version
    Version,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pollux up\n  pollux up --dir /var/lib/pollux --port 7000 --replicas 2\n  \
                        pollux up --dir ./ha --config-servers 3\n\nThe first start decides the layout; later starts with \
                        the same --dir resume it and need no other option.\nCtrl-C stops everything cleanly."
)]
pub(crate) struct Up {
    /// Directory that holds everything
    #[arg(long, default_value = "./pollux-data", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Port of the endpoint [default: 6379]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// Address of the endpoint [default: 127.0.0.1]
    #[arg(long, value_name = "IP")]
    pub(crate) bind: Option<IpAddr>,
    /// Number of config servers: 1, or 3 to survive the loss of one [default: 1]
    #[arg(long, value_name = "N", value_parser = one_or_three)]
    pub(crate) config_servers: Option<u8>,
    /// Replicas of the master, 1 to 5 [default: 1; edition single: 0]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=5))]
    pub(crate) replicas: Option<u8>,
    /// `standard` (master and replicas) or `single` (one node) [default: standard]
    #[arg(long, value_parser = edition)]
    pub(crate) edition: Option<Edition>,
    /// Password of the default user; without one the endpoint is open to whoever reaches it
    #[arg(long, value_name = "PASSWORD", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) requirepass: Option<String>,
}

#[derive(Debug, Args)]
#[command(
    override_usage = "pollux server [CONFIG-FILE] [--NAME VALUE]...",
    after_help = "Examples:\n  pollux server --port 7000 --dir /var/lib/pollux\n  \
                  pollux server redis.conf --appendfsync always --maxmemory 1gb\n\nThe data is kept in \
                  DIR/binlog. SIGTERM or Ctrl-C stops the node when everything is on disk."
)]
pub(crate) struct Server {
    /// A file in the form of redis.conf, then parameters: --port, --bind, --dir, --appendfsync, --maxclients,
    /// --requirepass, --maxmemory, --maxmemory-policy, --databases and all others
    #[arg(
        value_name = "CONFIG-FILE | --NAME VALUE",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) words: Vec<String>,
}

/// Where the config servers are.
#[derive(Debug, Args)]
pub(crate) struct At {
    /// Directory of `pollux up`
    #[arg(long, default_value = "./pollux-data", value_name = "DIR", global = true)]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pollux status\n  pollux status --dir /var/lib/pollux --json | jq .instances"
)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) at: At,
    /// Print the status as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pollux events\n  pollux events --limit 5 --json")]
pub(crate) struct Events {
    #[command(flatten)]
    pub(crate) at: At,
    /// The newest so many
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) limit: usize,
    /// Print one JSON array with the full records
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Instance {
    /// List the instances
    #[command(after_help = "Example:\n  pollux instance list")]
    List {
        #[command(flatten)]
        at: At,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Create an instance
    #[command(after_help = "Examples:\n  pollux instance create cache --port 6400\n  \
                            pollux instance create jobs --port 6401 --replicas 2 --set appendfsync=always")]
    Create(Create),
    /// Delete an instance and its data
    #[command(after_help = "Example:\n  pollux instance delete cache --yes")]
    Delete {
        /// Name of the instance
        name: String,
        #[command(flatten)]
        at: At,
        /// Yes, delete its data
        #[arg(long)]
        yes: bool,
    },
    /// Make another node the master; loses no acknowledged write, and changes nothing when it cannot be done
    #[command(after_help = "Examples:\n  pollux instance failover default\n  \
                            pollux instance failover default --target node-2 --timeout 5")]
    Failover(Failover),
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Name of the new instance: lowercase letters, digits and hyphens
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) at: At,
    /// Port of the endpoint
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: u16,
    /// Address of the endpoint
    #[arg(long, default_value = "127.0.0.1", value_name = "IP")]
    pub(crate) bind: IpAddr,
    /// `standard` (master and replicas) or `single` (one node)
    #[arg(long, default_value = "standard", value_parser = edition)]
    pub(crate) edition: Edition,
    /// Replicas of the master [default: 1; edition single: 0]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=5))]
    pub(crate) replicas: Option<u8>,
    /// A parameter of redis.conf; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parameter)]
    pub(crate) params: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(crate) struct Failover {
    /// Name of the instance
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) at: At,
    /// The node that should become master [default: the best replica]
    #[arg(long, value_name = "NODE", value_parser = node)]
    pub(crate) target: Option<NodeId>,
    /// Seconds that the target may take to catch up
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) timeout: u64,
    /// When no complete copy is alive: accept one that may lack acknowledged writes
    #[arg(long)]
    pub(crate) accept_data_loss: bool,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What every role command has.
#[derive(Debug, Args)]
pub(crate) struct Detach {
    /// Leave the terminal and session of whoever started this
    #[arg(long)]
    pub(crate) detach: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  pollux agent --dir ./pollux-data\n\nSIGTERM ends the agent and leaves its nodes \
                        running; SIGUSR1 ends the nodes cleanly first."
)]
pub(crate) struct Agent {
    #[command(flatten)]
    pub(crate) detach: Detach,
    /// Directory of `pollux up`, with its pollux.json
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  pollux config --dir ./pollux-data --id 1\n\nREST is served on the address that \
                        pollux.json names for this number. SIGTERM ends it; the state is on disk already."
)]
pub(crate) struct Config {
    #[command(flatten)]
    pub(crate) detach: Detach,
    /// Directory of `pollux up`, with its pollux.json
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Which of the config servers this is, 1 to 3
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) id: u8,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  pollux node --dir ./pollux-data/nodes/node-1\n\nThe directory holds node.conf. \
                        The node waits for the orders of its agent."
)]
pub(crate) struct Node {
    #[command(flatten)]
    pub(crate) detach: Detach,
    /// Directory of the node, with its node.conf
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

fn one_or_three(text: &str) -> Result<u8, String> {
    match text {
        "1" => Ok(1),
        "3" => Ok(3),
        _ => Err("1 or 3 (an even number would not survive more losses than one less)".into()),
    }
}

fn edition(text: &str) -> Result<Edition, String> {
    match text {
        "standard" => Ok(Edition::Standard),
        "single" => Ok(Edition::Single),
        _ => Err("standard or single".into()),
    }
}

fn node(text: &str) -> Result<NodeId, String> {
    text.parse().map_err(|_| "a node is named like node-2; see `pollux status`".into())
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a parameter is written NAME=VALUE, for example maxmemory=1gb".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent_and_every_command_has_an_example() {
        Cli::command().debug_assert();
        fn check(command: &clap::Command) {
            for sub in command.get_subcommands() {
                let name = sub.get_name();
                let has_example = sub.get_after_help().is_some() || sub.has_subcommands();
                assert!(has_example || name == "version", "{name} has no example");
                check(sub);
            }
        }
        check(&Cli::command());
    }

    #[test]
    fn wrong_values_are_refused() {
        for line in [
            &["up", "--port", "0"][..],
            &["up", "--port", "65536"],
            &["up", "--bind", "localhost"],
            &["up", "--config-servers", "2"],
            &["up", "--replicas", "6"],
            &["up", "--edition", "cluster"],
            &["instance", "failover", "default", "--target", "2"],
            &["instance", "create", "x"],
            &["instance", "create", "x", "--port", "1", "--set", "maxmemory"],
            &["nonsense"],
        ] {
            let line: Vec<&str> = std::iter::once("pollux").chain(line.iter().copied()).collect();
            assert!(Cli::try_parse_from(&line).is_err(), "{line:?}");
        }
    }
}
