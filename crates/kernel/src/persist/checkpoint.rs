//! Checkpoints on order: one walk of the keyspace serves everyone who waits for it.
//!
//! ```text
//!   BGSAVE, save points --Node::saving--.
//!   replicas' senders ------------want--> Desk --poll (executor)--> Snapshot --chunks--> file
//!          ^                                                                              |
//!          `------------- end of the round <--- manifest <--- install (a thread) <--------'
//! ```
//!
//! Invariants
//! - At most one round at a time; who comes while it runs gets its result, never a part.
//! - The executor only walks: the file is written, fsynced and installed by other threads.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use base::Position;
use binlog::Log;
use net::Wake;
use store::Progress;

use super::{About, FileWriter, Snapshot, SnapshotStep};
use crate::keyspace::Keyspace;
use crate::node::{Node, Saving};

/// Checkpoints streamed to replicas at the same time; the others wait their turn.
pub const STREAMS_COUNT_MAX: u32 = 2;

/// Keys visited per turn; some hundred microseconds of work.
const KEYS_PER_TURN: usize = 512;

/// Pause between two looks at a walk that waits for the disk.
const DISK_PATIENCE: Duration = Duration::from_millis(2);

#[derive(Debug, Default)]
struct State {
    is_wanted: bool,
    /// Between the beginning of a walk and the installation of its file.
    is_round: bool,
    /// Rounds that ended, well or not.
    rounds: u64,
    /// Where the newest checkpoint stands, or why the latest round made none.
    outcome: Option<Result<Position, String>>,
    streams: u32,
}

/// Where orders for checkpoints are taken; shared by the executor and those who wait.
#[derive(Debug)]
pub struct Desk {
    state: Mutex<State>,
    news: Condvar,
    wake: Wake,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Orders a checkpoint, unless one is being made. Returns the number of rounds that have ended.
    pub fn want(&self) -> u64 {
        let mut state = self.lock();
        state.is_wanted |= !state.is_round;
        let rounds = state.rounds;
        drop(state);
        // It fails only when the executor is gone.
        let _ = self.wake.wake();
        rounds
    }

    /// Waits until more than `rounds` rounds have ended, but not longer than `patience`. `None`: not
    /// yet; else how the latest ended.
    pub fn wait(&self, rounds: u64, patience: Duration) -> Option<Result<Position, String>> {
        let (state, _) = self
            .news
            .wait_timeout_while(self.lock(), patience, |state| state.rounds <= rounds)
            .unwrap_or_else(PoisonError::into_inner);
        if state.rounds > rounds { state.outcome.clone() } else { None }
    }

    /// A place among those who stream a checkpoint; waits up to `patience` for one of
    /// [`STREAMS_COUNT_MAX`] to become free.
    pub fn enter(self: &Arc<Self>, patience: Duration) -> Option<StreamPlace> {
        let is_full = |state: &mut State| state.streams >= STREAMS_COUNT_MAX;
        let (mut state, _) = self
            .news
            .wait_timeout_while(self.lock(), patience, is_full)
            .unwrap_or_else(PoisonError::into_inner);
        if is_full(&mut state) {
            return None;
        }
        state.streams += 1;
        Some(StreamPlace { desk: Arc::clone(self) })
    }

    /// Takes the order, if there is one: the round begins.
    fn begin_round(&self) -> bool {
        let mut state = self.lock();
        state.is_round = std::mem::take(&mut state.is_wanted);
        state.is_round
    }

    fn end_round(&self, outcome: Result<Position, String>) {
        let mut state = self.lock();
        state.rounds += 1;
        state.is_round = false;
        state.outcome = Some(outcome);
        drop(state);
        self.news.notify_all();
        // It fails only when the executor is gone.
        let _ = self.wake.wake();
    }
}

/// The right to stream a checkpoint; given back when it is dropped.
#[derive(Debug)]
pub struct StreamPlace {
    desk: Arc<Desk>,
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        self.desk.lock().streams -= 1;
        self.desk.news.notify_all();
    }
}

/// A walk under way.
#[derive(Debug)]
struct Running {
    snapshot: Snapshot,
    writer: Arc<FileWriter>,
    position: Position,
    image: PathBuf,
    keys: u64,
}

/// How urgent the next look at the walk is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Pace {
    /// Nothing is under way in this thread.
    #[default]
    Idle,
    Walking,
    /// The disk must do its part first.
    Waiting,
}

/// The executor's side: takes orders, walks, and tells the node.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    desk: Arc<Desk>,
    running: Option<Running>,
    /// A walk that was given up goes on until its end; only then the next one may begin.
    is_draining: bool,
    pace: Pace,
    /// Rounds of the desk that the node was told of.
    told: u64,
    /// OpID of the newest checkpoint; `None` until the log was asked.
    newest: Option<u64>,
}

impl Checkpointer {
    pub(crate) fn new(wake: Wake) -> Checkpointer {
        let desk = Desk { state: Mutex::default(), news: Condvar::new(), wake };
        Checkpointer {
            desk: Arc::new(desk),
            running: None,
            is_draining: false,
            pace: Pace::Idle,
            told: 0,
            newest: None,
        }
    }

    /// How long the executor may wait before it looks here again.
    pub(crate) fn patience(&self) -> Duration {
        match self.pace {
            Pace::Idle => Duration::MAX,
            Pace::Walking => Duration::ZERO,
            Pace::Waiting => DISK_PATIENCE,
        }
    }

    /// A slice of the walk; begins one that is ordered, and tells the node when one is complete.
    pub(crate) fn poll(&mut self, node: &mut Node, keys: &mut Keyspace) {
        self.pace = Pace::Idle;
        if self.is_draining {
            self.is_draining = matches!(keys.store_mut().walk(KEYS_PER_TURN), Progress::Walking);
            self.pace = Pace::Walking;
        } else if self.running.is_some() {
            self.step(keys);
        } else {
            self.take_order(node, keys);
        }
        self.tell(node, keys);
    }

    fn take_order(&mut self, node: &mut Node, keys: &mut Keyspace) {
        match (keys.log().is_some(), node.saving) {
            (true, Saving::Unavailable) => node.saving = Saving::Idle,
            (true, Saving::Wanted) => {
                self.desk.want();
                node.saving = Saving::Running;
            }
            (false, Saving::Idle) => node.saving = Saving::Unavailable,
            _ => {}
        }
        if !self.desk.begin_round() {
            return;
        }
        node.saving = Saving::Running;
        node.facts.persistence.save_started_at = Some(node.now);
        match begin(node, keys) {
            Ok(running) => {
                self.running = Some(running);
                self.pace = Pace::Walking;
            }
            Err(why) => self.desk.end_round(Err(why)),
        }
    }

    fn step(&mut self, keys: &mut Keyspace) {
        let Some(running) = &mut self.running else { return };
        let step = running.snapshot.step(keys.store_mut(), KEYS_PER_TURN);
        self.pace = Pace::Waiting;
        if let SnapshotStep::Walking { keys } = step
            && keys > running.keys
        {
            running.keys = keys;
            self.pace = Pace::Walking;
        }
        match running.writer.outcome() {
            None => {}
            Some(Ok(_)) => {
                assert!(matches!(step, SnapshotStep::Delivered { .. }), "the file is complete");
                let done = self.running.take().expect("looked at above");
                self.pace = Pace::Idle;
                self.install(keys.log().map(binlog::Appender::log), done);
            }
            Some(Err(error)) => {
                let failed = self.running.take().expect("looked at above");
                failed.snapshot.abort(keys.store_mut());
                self.is_draining = true;
                self.pace = Pace::Walking;
                self.desk.end_round(Err(error.to_string()));
            }
        }
    }

    /// Lets a thread of its own name the file in the manifest, as that waits for the log.
    fn install(&self, log: Option<Log>, done: Running) {
        let desk = Arc::clone(&self.desk);
        let Some(log) = log else { return desk.end_round(Err("the log was closed".to_owned())) };
        let spawned = thread::Builder::new().name("checkpoint".to_owned()).spawn(move || {
            let installed = log.install_checkpoint(&done.image, done.position);
            desk.end_round(installed.map(|_| done.position).map_err(|error| error.to_string()));
        });
        if let Err(error) = spawned {
            self.desk.end_round(Err(error.to_string()));
        }
    }

    /// Tells the node of a round that has ended, and how much the log has grown since.
    fn tell(&mut self, node: &mut Node, keys: &Keyspace) {
        let state = self.desk.lock();
        if state.rounds > self.told {
            self.told = state.rounds;
            let outcome = state.outcome.clone().expect("a round that ended has an outcome");
            drop(state);
            match &outcome {
                Ok(position) => {
                    tracing::info!(%position, "checkpoint");
                    self.newest = Some(position.opid);
                }
                Err(why) => tracing::error!(why, "no checkpoint"),
            }
            node.saved(outcome.as_ref().map(|_| ()).map_err(String::as_str));
        }
        let Some(appender) = keys.log() else { return };
        let newest = *self.newest.get_or_insert_with(|| {
            let newest = appender.log().manifest().checkpoints.pop();
            newest.map_or(0, |checkpoint| checkpoint.position.opid)
        });
        node.facts.persistence.changes_since_save = keys.newest_op().saturating_sub(newest);
    }
}

fn begin(node: &Node, keys: &mut Keyspace) -> Result<Running, String> {
    let appender = keys.log().ok_or("the node keeps no log")?;
    let position = appender.position();
    let image = appender.log().directory().join("snapshot.tmp");
    let writer = Arc::new(FileWriter::create(&image).map_err(|error| error.to_string())?);
    let about = About { position, now: node.now, memory_bytes: 0 };
    let drain = Box::new(Arc::clone(&writer));
    let begun = Snapshot::begin(keys.store_mut(), &about, false, drain);
    let snapshot = begun.map_err(|_| "another snapshot is being written")?;
    Ok(Running { snapshot, writer, position, image, keys: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use base::{ClusterId, Epoch, Incarnation, NodeId, ShardId};
    use binlog::{Directory, Options, Owner};
    use store::{Graveyard, Rng, Store};
    use wire::effect::{Effect, Expiry};

    #[test]
    fn one_walk_serves_all_who_wait() {
        let directory = tempfile::tempdir().unwrap();
        let owner = Owner {
            cluster: ClusterId(1),
            shard: ShardId(0),
            node: NodeId(1),
            incarnation: Incarnation(1),
        };
        let log = Directory::open(directory.path(), owner).unwrap();
        let mut log = log.start(Options::default()).unwrap();
        log.begin_reign(Epoch(1)).unwrap();
        let handle = log.log();
        let store = Store::new(1, Graveyard::immediate(), Rng::new(1));
        let mut keys = Keyspace::new(store, Rng::new(2));
        keys.attach_log(log);
        for number in 0..5000u32 {
            keys.apply(Effect::SetString {
                key: number.to_string().as_bytes(),
                value: b"v",
                expiry: Expiry::Clear,
            });
        }
        keys.commit();
        let mut node = Node::new(net::Driver::new().unwrap(), Limits::default());
        let mut checkpointer = Checkpointer::new(node.net.wake_handle());
        checkpointer.poll(&mut node, &mut keys);
        assert_eq!(node.saving, Saving::Idle);
        assert_eq!(node.facts.persistence.changes_since_save, 5000);

        let desk = Arc::clone(&checkpointer.desk);
        let rounds = desk.want();
        node.saving = Saving::Wanted;
        checkpointer.poll(&mut node, &mut keys);
        desk.want();
        while desk.wait(rounds, Duration::ZERO).is_none() {
            checkpointer.poll(&mut node, &mut keys);
            thread::yield_now();
        }
        checkpointer.poll(&mut node, &mut keys);
        assert_eq!(handle.manifest().checkpoints.len(), 1);
        assert_eq!(handle.manifest().checkpoints[0].position.opid, 5000);
        assert_eq!(node.facts.persistence.changes_since_save, 0);
        assert_eq!(node.facts.persistence.saves, 1);
    }
}
