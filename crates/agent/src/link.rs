//! The connection to one node: `POLLUX HELLO`, then one question at a time.
//!
//! Identity goes both ways: the node refuses a stranger, and its answer must name the node that we
//! meant, so an address that was reused by someone else is noticed before any order is given.

use std::io;

use base::{ClusterId, Incarnation, NodeId, ShardId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::resp::response::{Response, ResponseError, ResponseLimits, decode, encode_command};

/// A node's longest answer is its state: some kilobytes.
const LIMITS: ResponseLimits = ResponseLimits { bytes_max: 1 << 20, depth_max: 4 };

/// Whom we expect behind an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Expected {
    pub cluster: ClusterId,
    pub shard: ShardId,
    pub node: NodeId,
    pub incarnation: Incarnation,
    pub secret: String,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("connection failed")]
    Io(#[from] io::Error),
    #[error("the node closed the connection")]
    Closed,
    #[error("the answer is not RESP")]
    Protocol(#[from] ResponseError),
    #[error("node refused: {0}")]
    Refused(String),
    #[error("unexpected answer to {0}")]
    Unexpected(&'static str),
    #[error("the node's state is not readable")]
    State(#[source] serde_json::Error),
    #[error("no answer")]
    Silent,
    #[error("{address} is {found}, not {expected}")]
    Stranger { address: String, found: String, expected: String },
}

/// An open connection; dropped after any error, because answers would no longer match questions.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Link {
    /// Connects and introduces us as the agent.
    pub(crate) async fn open(address: &str, expected: &Expected) -> Result<Link, LinkError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut link = Link { stream, input: Vec::new() };
        let cluster = expected.cluster.to_string();
        let shard = expected.shard.to_string();
        let incarnation = expected.incarnation.to_string();
        let answer = link
            .call(&[
                "POLLUX",
                "HELLO",
                "1",
                &cluster,
                &shard,
                FROM,
                &incarnation,
                "0",
                &expected.secret,
            ])
            .await?;
        let found = answer.get("node").and_then(Response::as_bytes).unwrap_or_default();
        if found != expected.node.to_string().as_bytes() {
            return Err(LinkError::Stranger {
                address: address.to_owned(),
                found: String::from_utf8_lossy(found).into_owned(),
                expected: expected.node.to_string(),
            });
        }
        Ok(link)
    }

    /// `POLLUX STATE`: the node's own JSON.
    pub(crate) async fn state(&mut self) -> Result<Vec<u8>, LinkError> {
        match self.call(&["POLLUX", "STATE"]).await? {
            Response::Bulk(json) => Ok(json),
            _ => Err(LinkError::Unexpected("POLLUX STATE")),
        }
    }

    /// Sends a command and expects `OK`.
    pub(crate) async fn order(&mut self, args: &[&str]) -> Result<(), LinkError> {
        match self.call(args).await? {
            Response::Simple(_) => Ok(()),
            _ => Err(LinkError::Unexpected("an order")),
        }
    }

    /// One question, one answer; an error reply is `Refused`.
    async fn call(&mut self, args: &[&str]) -> Result<Response, LinkError> {
        let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
        let mut output = Vec::new();
        encode_command(&mut output, &args);
        self.stream.write_all(&output).await?;
        loop {
            if let Some((response, length)) = decode(&self.input, &LIMITS)? {
                self.input.drain(..length);
                return match response {
                    Response::Error(text) => Err(LinkError::Refused(text)),
                    other => Ok(other),
                };
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(LinkError::Closed);
            }
        }
    }
}

/// Our name in `POLLUX HELLO`; an agent is no node and has no number.
const FROM: &str = "agent";
