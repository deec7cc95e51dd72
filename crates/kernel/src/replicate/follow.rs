//! What only a replica does: applies what its link brings, and brings its log onto the master's history.
//!
//! ```text
//!   Continue n   our log ends at n: the stream goes on            else: cut behind n, load, dial again
//!   Snapshot     set our tail aside, start over with the image, load; records follow
//!   Records      apply, append the very bytes, acknowledge
//! ```

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use base::{NodeId, Position, Tick};
use binlog::{Barrier, History, HistoryError, RawBatch};
use store::ApplyError;
use wire::effect::{Effect, EffectError};
use wire::frame::Ack;
use wire::record::Record;

use super::link::{Event, Link, Target};
use super::{Data, DataError, Leader, Replication, Role, Surroundings};
use crate::keyspace::Keyspace;
use crate::turn::monotonic_clock;

/// How long batches are applied before other work gets its turn.
const APPLY_SLICE: Duration = Duration::from_millis(5);

/// How long a replica that becomes the master applies what it has received.
const DRAIN_MAX: Duration = Duration::from_secs(1);

/// A replica's state beside its data.
#[derive(Debug)]
pub(super) struct Upstream {
    leader: Leader,
    link: Option<Link>,
    pub(super) is_up: bool,
    pub(super) is_syncing: bool,
    /// Of a snapshot: bytes here, and bytes in all.
    received: (u64, u64),
    /// Newest op of the master, as it last said.
    pub(super) newest: u64,
    /// It has said so over the present link.
    is_told: bool,
    /// When this node last had everything that it knew of.
    pub(super) caught_up_at: Tick,
    pub(super) heard_at: Tick,
    pub(super) down_since: Tick,
    pub(super) why_down: Option<String>,
}

/// A batch that does not fit this node's data: the data must be fetched anew.
#[derive(Debug, thiserror::Error)]
enum BatchError {
    #[error("op {opid} cannot be read: {error}")]
    Effect { opid: u64, error: EffectError },
    #[error("op {opid} does not fit the data: {error}")]
    Apply { opid: u64, error: ApplyError },
    #[error("it does not continue the log: {0}")]
    Log(#[from] HistoryError),
}

impl Upstream {
    pub(super) fn new(node: NodeId, address: SocketAddr) -> Upstream {
        let now = monotonic_clock();
        Upstream {
            leader: Leader { node, address },
            link: None,
            is_up: false,
            is_syncing: false,
            received: (0, 0),
            newest: 0,
            is_told: false,
            caught_up_at: now,
            heard_at: now,
            down_since: now,
            why_down: Some("connecting".to_owned()),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.leader.address
    }

    pub(super) fn is_behind(&self, node: NodeId, address: SocketAddr) -> bool {
        self.leader == Leader { node, address }
    }

    /// How much of a snapshot is here, 0 to 100.
    pub(super) fn percent(&self) -> u8 {
        let (bytes, total) = self.received;
        let percent = (bytes.min(total) * 100).checked_div(total).unwrap_or(0);
        u8::try_from(percent).expect("the part is at most the whole")
    }

    /// Notes how much has arrived; each tenth is worth a line.
    fn progress(&mut self, bytes: u64, total: u64) {
        let before = self.percent() / 10;
        self.received = (bytes, total);
        if self.percent() / 10 > before {
            tracing::info!(percent = self.percent(), bytes, total, "receiving a snapshot");
        }
    }

    fn go_down(&mut self, why: String, now: Tick) {
        if self.why_down.as_ref() != Some(&why) {
            tracing::warn!(master = %self.leader.node, why, "link down");
        }
        if self.is_up {
            self.down_since = now;
        }
        self.is_up = false;
        self.is_told = false;
        self.is_syncing = false;
        self.why_down = Some(why);
    }
}

impl Replication {
    /// Starts a link from where the log ends. `wants_full`: the data cannot be built from the log.
    pub(super) fn dial(&mut self, keys: &Keyspace, wants_full: bool) -> Result<(), DataError> {
        let request = self.sync_request(keys).ok_or(DataError::Lost)?;
        let directory = match (&self.data, keys.log()) {
            (Data::Waiting(directory), _) => directory.path().to_owned(),
            (_, Some(log)) => log.log().directory().to_owned(),
            _ => return Err(DataError::Lost),
        };
        let Role::Replica(upstream) = &mut self.role else { return Ok(()) };
        let target = Target {
            identity: self.identity.clone(),
            epoch: self.epoch,
            master: upstream.leader.node,
            address: upstream.leader.address,
            directory,
        };
        // The old link first: two must not write into the same directory.
        upstream.link = None;
        let request = super::SyncRequest { wants_full, ..request };
        upstream.link = Some(Link::start(target, request, self.wake.clone())?);
        Ok(())
    }

    /// A replica's share of the turn: takes what the link has brought.
    pub(super) fn follow(
        &mut self,
        around: &mut Surroundings<'_>,
        now: Tick,
    ) -> Result<(), DataError> {
        while !matches!(self.data, Data::Loading(_) | Data::Lost) {
            let Role::Replica(upstream) = &mut self.role else { return Ok(()) };
            let Some(event) = upstream.link.as_ref().and_then(Link::try_next) else { break };
            upstream.heard_at = now;
            match event {
                Event::Continue { after } => self.go_on(around, after)?,
                Event::Full { common, reason } => {
                    tracing::info!(common, reason, "full synchronisation");
                    upstream.is_syncing = true;
                    upstream.received = (0, 0);
                    upstream.why_down = None;
                }
                Event::Progress { bytes, total } => upstream.progress(bytes, total),
                Event::Snapshot { image, position, history, common } => {
                    self.start_over(around, &image, position, history, common)?;
                }
                Event::Records(batch) => self.take_records(around, batch)?,
                Event::Heartbeat { newest } => {
                    upstream.newest = newest.opid;
                    upstream.is_told = true;
                }
                Event::Down { why } => upstream.go_down(why, now),
            }
            // A log that has fallen behind slows the link: nothing grows.
            if around.keys.is_log_behind() || monotonic_clock().since(now) >= APPLY_SLICE {
                self.has_more = true;
                break;
            }
        }
        self.acknowledge(around.keys, now);
        Ok(())
    }

    /// The master's history and ours are one up to `after`.
    fn go_on(&mut self, around: &mut Surroundings<'_>, after: u64) -> Result<(), DataError> {
        let Role::Replica(upstream) = &mut self.role else { return Ok(()) };
        let end = match (&self.data, around.keys.log()) {
            (Data::Waiting(directory), _) => directory.position().opid,
            (_, Some(log)) => log.position().opid,
            _ => return Err(DataError::Lost),
        };
        if after == end {
            upstream.is_up = true;
            upstream.is_syncing = false;
            upstream.why_down = None;
            tracing::info!(master = %upstream.leader.node, after, "link up");
            return match std::mem::replace(&mut self.data, Data::Lost) {
                Data::Waiting(directory) => self.begin_loading(directory),
                data => {
                    self.data = data;
                    Ok(())
                }
            };
        }
        let mut directory = self.unload(around)?;
        if !directory.can_rebuild(after) {
            tracing::warn!(after, "no checkpoint reaches the common point");
            self.data = Data::Waiting(directory);
            return self.dial(around.keys, true);
        }
        let discarded = directory.truncate_after(after)?;
        self.tell_discarded(&directory, &discarded, after);
        self.data = Data::Waiting(directory);
        self.dial(around.keys, false)
    }

    /// A snapshot has arrived and replaces everything.
    fn start_over(
        &mut self,
        around: &mut Surroundings<'_>,
        image: &Path,
        position: Position,
        history: History,
        common: u64,
    ) -> Result<(), DataError> {
        let mut directory = self.unload(around)?;
        let common = common.min(directory.position().opid);
        let discarded = directory.start_over(image, position, history, common)?;
        self.tell_discarded(&directory, &discarded, common);
        tracing::info!(%position, "snapshot received");
        if let Role::Replica(upstream) = &mut self.role {
            upstream.is_up = true;
            upstream.is_syncing = false;
        }
        self.begin_loading(directory)
    }

    fn take_records(
        &mut self,
        around: &mut Surroundings<'_>,
        batch: RawBatch,
    ) -> Result<(), DataError> {
        let (bytes, newest) = (batch.bytes().len() as u64, batch.end().opid);
        if let Err(error) = take(around.keys, batch) {
            tracing::error!(%error, "this node's data is not the master's: fetching it anew");
            // Half of the batch may be in memory. The log has none of it, and is all that is left to speak for us.
            let directory = self.unload(around)?;
            self.data = Data::Waiting(directory);
            if let Role::Replica(upstream) = &mut self.role {
                upstream.go_down(error.to_string(), monotonic_clock());
            }
            return self.dial(around.keys, true);
        }
        around.node.counters.repl_bytes_in += bytes;
        let log = around.keys.log_mut().expect("a running node has a log");
        log.wake_when(Barrier::Written, newest);
        log.wake_when(Barrier::Durable, newest);
        Ok(())
    }

    /// Tells the master how far this node is, and itself how far behind.
    fn acknowledge(&mut self, keys: &Keyspace, now: Tick) {
        let Role::Replica(upstream) = &mut self.role else { return };
        // An answer must come first: our log may hold ops that the master never had.
        let Some(log) = keys.log().filter(|_| upstream.is_up) else { return };
        let applied = log.position().opid;
        if applied >= upstream.newest {
            upstream.newest = applied;
            upstream.caught_up_at = now;
            if upstream.is_told {
                self.followed = self.epoch;
            }
        }
        if let Some(link) = &upstream.link {
            link.acknowledge(Ack { applied, written: log.written(), fsynced: log.durable() });
        }
    }

    /// Applies what has arrived already: it may be all that is left of the old master. If that spoils what is in
    /// memory, the data waits on disk afterwards, where it is sound.
    pub(super) fn drain_link(&mut self, around: &mut Surroundings<'_>) -> Result<(), DataError> {
        let Role::Replica(Upstream { link: Some(link), .. }) = &self.role else { return Ok(()) };
        if !matches!(self.data, Data::Running) {
            return Ok(());
        }
        let mut deadline = Instant::now() + DRAIN_MAX;
        let before = around.keys.newest_op();
        link.finish();
        loop {
            match link.wait_rest(deadline) {
                Some(Event::Records(batch)) => {
                    if let Err(error) = take(around.keys, batch) {
                        tracing::error!(%error, "a last batch of the old master was not taken: loading anew");
                        let directory = self.unload(around)?;
                        self.data = Data::Waiting(directory);
                        return Ok(());
                    }
                }
                // Nothing in the way of the records behind it.
                Some(Event::Continue { after }) if after == around.keys.newest_op() => {}
                Some(Event::Heartbeat { .. }) => {}
                // What came over the next connection is queued already, or never comes.
                Some(Event::Down { .. }) => deadline = Instant::now(),
                Some(_) | None => break,
            }
        }
        let ops = around.keys.newest_op() - before;
        tracing::info!(ops, "took the last ops that the old master had sent");
        Ok(())
    }
}

/// Adds a batch to the data and to the log. On an error the data is not usable any more; the log is.
fn take(keys: &mut Keyspace, batch: RawBatch) -> Result<(), BatchError> {
    let mut rest = batch.bytes();
    while !rest.is_empty() {
        let (record, length) = Record::decode(rest).expect("the link checked the batch");
        let opid = record.head.opid.get();
        let effect =
            Effect::decode(record.payload).map_err(|error| BatchError::Effect { opid, error })?;
        keys.replay(record.head.db, &effect).map_err(|error| BatchError::Apply { opid, error })?;
        rest = &rest[length..];
    }
    Ok(keys.log_mut().expect("a running node has a log").append_raw(batch)?)
}
