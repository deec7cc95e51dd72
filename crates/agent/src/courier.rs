//! The conversation with one process: asks for its state about every 100 ms and passes orders on.
//!
//! ```text
//!   connect -> HELLO -> [ STATE -> compare -> ROLE/FENCE/LEASE -> STATE ] -> wait for tick or order
//!      ^                                                                           |
//!      +------------------------------ any error ----------------------------------+
//! ```
//!
//! Invariants
//! - One question is open at a time, so that an unanswered one means silence of the node, not of us.
//! - A state is published with the revision of the orders that it shows, never with a newer one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cluster::api::{LeaseGrant, NodeOrder, NodeState, ProcessId};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::link::{Expected, Link, LinkError};
use crate::obey::{self, Command, Said};

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// The same while a switchover holds somebody's writes on this host, or its master has died.
const LOOK_HURRIED: Duration = Duration::from_millis(10);
/// Pause between two attempts to connect.
const RECONNECT: Duration = Duration::from_millis(20);
/// A connection whose question is open for so long is given up; the process may be long dead by then
/// (`decide`), this only keeps a half-open connection from lasting for ever.
const ANSWER: Duration = Duration::from_secs(30);

/// What a node should be, as far as its courier needs it.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Assignment {
    pub revision: u64,
    pub order: Option<Arc<NodeOrder>>,
    pub lease: Option<LeaseGrant>,
    /// Somewhere on this host writes are held, or a master has just died: look more often.
    pub hurry: bool,
    /// The process is to flush and to end.
    pub ending: bool,
}

/// What a courier learnt.
#[derive(Clone, Debug, Default)]
pub(crate) struct News {
    /// Where the node listens.
    pub address: Option<String>,
    pub state: Option<NodeState>,
    /// Revision of the orders that had been carried out before `state` was asked for.
    pub revision: u64,
    /// Number of answers, so that a reader sees that the node spoke again.
    pub answers: u64,
    pub error: Option<String>,
}

/// The process to talk to.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub expected: Expected,
    pub process: ProcessId,
    /// Where the node writes down on which address it listens.
    pub address_file: PathBuf,
}

/// Talks until it is dropped.
pub(crate) async fn run(
    peer: Peer,
    mut assignment: watch::Receiver<Assignment>,
    news: watch::Sender<News>,
) {
    let mut said = Said::default();
    loop {
        // A node that is being started has no address file yet.
        if let Ok(address) = tokio::fs::read_to_string(&peer.address_file).await {
            let address = address.trim().to_owned();
            let error = match timeout(ANSWER, Link::open(&address, &peer.expected)).await {
                Ok(Ok(mut link)) => {
                    news.send_modify(|news| {
                        news.address = Some(address);
                        news.error = None;
                    });
                    converse(&mut link, &peer, &mut assignment, &news, &mut said).await
                }
                Ok(Err(error)) => error,
                Err(_) => LinkError::Silent,
            };
            tracing::debug!(node = %peer.expected.node, error = &error as &dyn std::error::Error, "link lost");
            let refused = matches!(error, LinkError::Refused(_) | LinkError::Stranger { .. });
            news.send_modify(|news| news.error = refused.then(|| error.to_string()));
        }
        sleep(RECONNECT).await;
    }
}

/// Asks and tells over one connection until it fails.
async fn converse(
    link: &mut Link,
    peer: &Peer,
    assignment: &mut watch::Receiver<Assignment>,
    news: &watch::Sender<News>,
    said: &mut Said,
) -> LinkError {
    let mut hurried = interval(LOOK_HURRIED);
    let mut calm = interval(LOOK);
    // A late look is not made up for by several at once.
    hurried.set_missed_tick_behavior(MissedTickBehavior::Delay);
    calm.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let now = assignment.borrow_and_update().clone();
        let done = if now.ending {
            timeout(ANSWER, link.order(&["POLLUX", "SHUTDOWN"]))
                .await
                .unwrap_or(Err(LinkError::Silent))
        } else {
            look(link, peer, &now, news, said).await
        };
        if let Err(error) = done {
            return error;
        }
        let tick = if now.hurry { &mut hurried } else { &mut calm };
        tokio::select! {
            _ = tick.tick() => {}
            changed = assignment.changed() => {
                if changed.is_err() {
                    return LinkError::Closed;
                }
            }
        }
    }
}

/// One look: state, then what it lacks, then, if anything was said, the state again.
async fn look(
    link: &mut Link,
    peer: &Peer,
    assignment: &Assignment,
    news: &watch::Sender<News>,
    said: &mut Said,
) -> Result<(), LinkError> {
    let state = ask(link).await?;
    let Some(order) = &assignment.order else {
        publish(news, state, None, None);
        return Ok(());
    };
    let lease = assignment.lease.as_ref();
    let todo = obey::orders(order, lease, peer.process, &state, said);
    let shown = (todo.complete && todo.commands.is_empty()).then_some(assignment.revision);
    publish(news, state, shown, todo.obstacle);
    if todo.commands.is_empty() {
        return Ok(());
    }
    let refusal = tell(link, &todo.commands, said).await?;
    let done = (todo.complete && refusal.is_none()).then_some(assignment.revision);
    let state = ask(link).await?;
    publish(news, state, done, refusal);
    Ok(())
}

async fn ask(link: &mut Link) -> Result<NodeState, LinkError> {
    let json = timeout(ANSWER, link.state()).await.map_err(|_| LinkError::Silent)??;
    serde_json::from_slice(&json).map_err(LinkError::State)
}

/// Says the commands in order and stops at the first one that is refused; returns why.
async fn tell(
    link: &mut Link,
    commands: &[Command],
    said: &mut Said,
) -> Result<Option<String>, LinkError> {
    for command in commands {
        let words = command.words();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let answer = timeout(ANSWER, link.order(&words)).await.map_err(|_| LinkError::Silent)?;
        match answer {
            Ok(()) => match command {
                Command::Master { .. } | Command::Replica { .. } => {
                    tracing::info!(order = words.join(" "), "order accepted");
                    said.role = Some(command.clone());
                }
                Command::Lease { nonce, .. } => said.lease_nonce = *nonce,
                Command::Fence { .. } | Command::Unfence { .. } => {
                    tracing::info!(order = words.join(" "), "order accepted");
                }
            },
            Err(LinkError::Refused(why)) => {
                // A lease that came too late is replaced by the next one; everything else is news.
                if matches!(command, Command::Lease { .. }) {
                    tracing::debug!(order = words.join(" "), why, "lease refused");
                    continue;
                }
                tracing::warn!(order = words.join(" "), why, "order refused");
                return Ok(Some(why));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn publish(
    news: &watch::Sender<News>,
    state: NodeState,
    revision: Option<u64>,
    obstacle: Option<String>,
) {
    news.send_modify(|news| {
        news.error = obstacle.or_else(|| state.error.clone());
        news.state = Some(state);
        news.revision = revision.unwrap_or(news.revision);
        news.answers += 1;
    });
}
