//! What people ask for: instances, failovers.

use std::collections::BTreeMap;

use base::{NodeId, ShardId};
use serde::{Deserialize, Serialize};

use super::event::Event;

/// Body of `POST /v1/instances`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateInstance {
    /// 1..=48 of `[a-z0-9-]`, starting with a letter.
    pub name: String,
    #[serde(default)]
    pub edition: Edition,
    /// Replicas a shard; default 0 for `single`, 1 for `standard`.
    #[serde(default)]
    pub replicas: Option<u8>,
    /// Port of the endpoint.
    pub port: u16,
    /// Address of the endpoint.
    #[serde(default = "loopback")]
    pub bind: String,
    /// `redis.conf` parameters.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
}

fn loopback() -> String {
    "127.0.0.1".into()
}

/// Why a request to create an instance is refused; the text is for the person who made it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ValidationError {
    #[error("name {0:?}: 1 to 48 lowercase letters, digits and hyphens, starting with a letter")]
    Name(String),
    #[error("replicas: {found} is not possible in the {edition} edition ({allowed})")]
    Replicas { edition: Edition, found: u8, allowed: &'static str },
    #[error("port must not be 0")]
    Port,
    #[error("bind {0:?} is not an IP address")]
    Bind(String),
    #[error("params: at most {PARAMS_COUNT_MAX} of them, {PARAM_BYTES_MAX} bytes each")]
    Params,
}

/// Parameters of an instance: enough for every one that `redis.conf` knows.
const PARAMS_COUNT_MAX: usize = 512;
/// Longest name or value of a parameter.
const PARAM_BYTES_MAX: usize = 4096;

impl CreateInstance {
    /// Checks what can be checked without knowing the cluster. Returns the number of replicas a shard.
    pub fn validate(&self) -> Result<u8, ValidationError> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let starts_well = self.name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        if !starts_well || self.name.len() > 48 || !self.name.bytes().all(legal) {
            return Err(ValidationError::Name(self.name.clone()));
        }
        if self.port == 0 {
            return Err(ValidationError::Port);
        }
        if self.bind.parse::<std::net::IpAddr>().is_err() {
            return Err(ValidationError::Bind(self.bind.clone()));
        }
        let too_long = |text: &String| text.len() > PARAM_BYTES_MAX;
        if self.params.len() > PARAMS_COUNT_MAX
            || self.params.iter().any(|(name, value)| too_long(name) || too_long(value))
        {
            return Err(ValidationError::Params);
        }
        self.edition.replicas(self.replicas)
    }

    /// `ip:port` of the endpoint, with brackets around an IPv6 address.
    pub fn endpoint(&self) -> String {
        if self.bind.contains(':') {
            format!("[{}]:{}", self.bind, self.port)
        } else {
            format!("{}:{}", self.bind, self.port)
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Edition {
    /// One node.
    Single,
    /// A master and 1 to 5 replicas.
    #[default]
    Standard,
}

impl Edition {
    fn replicas(self, asked: Option<u8>) -> Result<u8, ValidationError> {
        let (default, range, allowed) = match self {
            Edition::Single => (0, 0..=0, "it has none"),
            Edition::Standard => (1, 1..=5, "1 to 5"),
        };
        let replicas = asked.unwrap_or(default);
        if range.contains(&replicas) {
            Ok(replicas)
        } else {
            Err(ValidationError::Replicas { edition: self, found: replicas, allowed })
        }
    }
}

impl std::fmt::Display for Edition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Edition::Single => "single",
            Edition::Standard => "standard",
        })
    }
}

/// Answer of `POST /v1/instances`: what was allotted. The nodes start when their agents have heard of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InstanceSummary {
    pub name: String,
    pub edition: Edition,
    pub endpoint: String,
    pub shards: Vec<ShardId>,
    pub nodes: Vec<NodeId>,
}

/// Body of `POST /v1/instances/{name}/failover`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailoverRequest {
    /// The node that should become master; default: the best replica.
    #[serde(default)]
    pub target: Option<NodeId>,
    /// How long the target may take to catch up before the old master goes on (default 10,000).
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// With no master alive: also accept a node that is not known to hold all acknowledged writes. Asked for
    /// by a person who knows what may be lost.
    #[serde(default)]
    pub accept_data_loss: bool,
}

/// Answer of a failover request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FailoverOutcome {
    pub instance: String,
    pub shard: ShardId,
    /// Master after the request.
    pub master: Option<NodeId>,
    pub epoch: u64,
    /// The record of what was done, or of why it was not.
    pub event: Event,
}
