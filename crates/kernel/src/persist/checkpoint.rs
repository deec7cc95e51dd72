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
//! - The walk takes the executor for a slice at a time, and no more than a tenth of it while there is other
//!   work ([`Pacer`]).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use base::{Position, Tick, UnixMs};
use binlog::Log;
use net::Wake;
use store::Progress;

use super::pacer::{Pacer, SLICE};
use super::{About, FileWriter, Snapshot, SnapshotStep};
use crate::config::{SavePoint, Settings};
use crate::keyspace::Keyspace;
use crate::node::{Node, SaveKind, Saving};
use crate::turn::monotonic_clock;

/// Checkpoints streamed to replicas at the same time; the others wait their turn.
pub const STREAMS_COUNT_MAX: u32 = 2;

/// Keys visited between two looks at the clock.
const KEYS_PER_STEP: usize = 64;

/// Between two looks at what asks for a checkpoint by itself.
const LOOK_EVERY_MS: u64 = 1000;

/// After a checkpoint failed, none is begun unasked for so long (Redis: the same).
const RETRY_AFTER_MS: u64 = 5000;

/// A walk with a delay (`rdb-key-save-delay`) looks at the setting again after this.
const DELAY_LOOK: Duration = Duration::from_millis(10);

/// Why a round ends that nobody waits for any more.
pub(crate) const USELESS: &str = "no replica waits for it any more";

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
    /// `wake` ends a wait of the executor that serves this desk.
    pub fn new(wake: Wake) -> Desk {
        Desk { state: Mutex::default(), news: Condvar::new(), wake }
    }

    /// Rounds that have ended.
    pub(crate) fn rounds(&self) -> u64 {
        self.lock().rounds
    }

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

    /// Takes the order, if there is one: the round begins. Not while the file of the one before is
    /// being installed.
    fn begin_round(&self) -> bool {
        let mut state = self.lock();
        if state.is_round {
            return false;
        }
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
    /// Where users of Redis expect the newest image (`dir`/`dbfilename`).
    export: Option<PathBuf>,
    /// Nobody but replicas has asked for it.
    is_for_replicas: bool,
    /// Keys of which the delay for each is already counted in `delayed_until`.
    keys_delayed: u64,
    delayed_until: Tick,
}

/// How urgent the next look at the walk is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Pace {
    /// Nothing is under way in this thread.
    #[default]
    Idle,
    Walking,
    /// Clients and replication come first, for so long.
    Resting(Duration),
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
    pacer: Pacer,
    /// Rounds of the desk that the node was told of.
    told: u64,
    /// OpID of the newest checkpoint; `None` until the log is asked.
    newest: Option<u64>,
    /// Its size (bytes).
    newest_bytes: u64,
    /// When it was last asked whether a checkpoint is due.
    looked_at: UnixMs,
}

impl Checkpointer {
    pub(crate) fn new(desk: Arc<Desk>) -> Checkpointer {
        Checkpointer {
            desk,
            running: None,
            is_draining: false,
            pace: Pace::Idle,
            pacer: Pacer::default(),
            told: 0,
            newest: None,
            newest_bytes: 0,
            looked_at: UnixMs(0),
        }
    }

    /// How long the executor may wait before it looks here again.
    pub(crate) fn patience(&self) -> Duration {
        match self.pace {
            Pace::Idle => Duration::MAX,
            Pace::Walking => Duration::ZERO,
            Pace::Resting(rest) => rest,
            Pace::Waiting => DISK_PATIENCE,
        }
    }

    /// A slice of the walk; begins one that is ordered, and tells the node when one is complete.
    pub(crate) fn poll(&mut self, node: &mut Node, keys: &mut Keyspace) {
        self.pace = Pace::Idle;
        if self.is_draining || self.running.is_some() {
            self.work(node, keys);
        } else {
            self.take_order(node, keys);
        }
        self.tell(node, keys);
    }

    /// The slice of this turn, unless it is not the walk's turn.
    fn work(&mut self, node: &mut Node, keys: &mut Keyspace) {
        let begin = monotonic_clock();
        let others = (node.counters.commands, keys.newest_op());
        if let Some(rest) = self.pacer.rest(begin, others) {
            self.pace = Pace::Resting(rest);
            return;
        }
        let until = begin.plus(SLICE);
        if self.is_draining {
            self.pace = Pace::Walking;
            while self.is_draining && monotonic_clock() < until {
                let progress = keys.store_mut().walk(KEYS_PER_STEP);
                self.is_draining = matches!(progress, Progress::Walking);
            }
        } else {
            self.step(node, keys, until);
        }
        self.pacer.walked(begin, monotonic_clock());
    }

    /// The data is about to be replaced, or the log to be closed: what runs is worth nothing.
    pub(crate) fn abandon(&mut self, keys: &mut Keyspace) {
        self.newest = None;
        self.give_up(keys, "the node changes its data");
    }

    /// Ends the walk that is under way without a result.
    pub(crate) fn give_up(&mut self, keys: &mut Keyspace, why: &str) {
        if let Some(running) = self.running.take() {
            running.snapshot.abort(keys.store_mut());
            self.is_draining = true;
            self.desk.end_round(Err(why.to_owned()));
        }
    }

    /// Whether a walk is under way that only replicas have asked for.
    pub(crate) fn serves_only_replicas(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.is_for_replicas)
    }

    /// The store is about to be another one: whatever walk is under way goes with the old one.
    pub(crate) fn replaced(&mut self, keys: &mut Keyspace) {
        self.abandon(keys);
        self.is_draining = false;
    }

    fn take_order(&mut self, node: &mut Node, keys: &mut Keyspace) {
        if node.saving == Saving::Idle
            && let Some(kind) = self.due(node, keys)
        {
            node.saving = Saving::Wanted(kind);
        }
        let is_for_replicas = !matches!(node.saving, Saving::Wanted(_));
        match (keys.log().is_some(), node.saving) {
            (true, Saving::Unavailable) => node.saving = Saving::Idle,
            (true, Saving::Wanted(kind)) => {
                self.desk.want();
                node.saving = Saving::Running(kind);
            }
            (false, Saving::Idle) => node.saving = Saving::Unavailable,
            _ => {}
        }
        if !self.desk.begin_round() {
            return;
        }
        if !matches!(node.saving, Saving::Running(_)) {
            node.saving = Saving::Running(SaveKind::Snapshot);
        }
        node.facts.persistence.save_started_at = Some(node.now);
        node.facts.persistence.save_keys_total = keys.store().len() as u64;
        match begin(node, keys) {
            Ok(mut running) => {
                running.is_for_replicas = is_for_replicas;
                node.round_op = Some(running.position.opid);
                self.running = Some(running);
                self.pace = Pace::Walking;
            }
            Err(why) => self.desk.end_round(Err(why)),
        }
    }

    /// Whether `save` or the length of the log asks for a checkpoint. Looks once a second.
    fn due(&mut self, node: &mut Node, keys: &Keyspace) -> Option<SaveKind> {
        let (settings, facts) = (node.config.settings(), &mut node.facts.persistence);
        let silent_ms = |since: UnixMs| node.now.0.saturating_sub(since.0);
        if node.is_loading || silent_ms(self.looked_at) < LOOK_EVERY_MS {
            return None;
        }
        self.looked_at = node.now;
        let log = keys.log().map(binlog::Appender::log)?;
        facts.log_bytes = log.bytes_on_disk();
        if facts.last_save_failed && silent_ms(facts.last_try_at) < RETRY_AFTER_MS {
            return None;
        }
        let elapsed_seconds = silent_ms(facts.last_save_at) / 1000;
        let is_reached = |point: &SavePoint| {
            facts.changes_since_save >= point.changes.max(1) && elapsed_seconds >= point.seconds
        };
        let bytes = log.bytes_behind(self.newest.unwrap_or(0));
        let share = self.newest_bytes / 100 * u64::from(settings.auto_checkpoint_percentage);
        let is_long = settings.auto_checkpoint_percentage > 0
            && bytes > 0
            && bytes >= settings.auto_checkpoint_bytes_min.max(share);
        if settings.save_points.iter().any(is_reached) {
            return Some(SaveKind::Snapshot);
        }
        is_long.then_some(SaveKind::Rewrite)
    }

    /// Walks on until the time `until`, and looks whether the file is complete.
    fn step(&mut self, node: &mut Node, keys: &mut Keyspace, until: Tick) {
        let Some(running) = &mut self.running else { return };
        let delay_us = node.config.settings().process.key_save_delay_us;
        let now = monotonic_clock();
        if delay_us > 0 && now < running.delayed_until {
            self.pace = Pace::Resting(running.delayed_until.since(now).min(DELAY_LOOK));
            return;
        }
        let step = loop {
            let budget = if delay_us > 0 { 1 } else { KEYS_PER_STEP };
            let step = running.snapshot.step(keys.store_mut(), budget);
            if let SnapshotStep::Walking { keys } = step
                && let Ok(delay_us) = u32::try_from(delay_us)
                && delay_us > 0
            {
                let more = u32::try_from(keys - running.keys_delayed).unwrap_or(u32::MAX);
                running.keys_delayed = keys;
                let delay = Duration::from_micros(u64::from(delay_us)) * more;
                running.delayed_until = running.delayed_until.max(now).plus(delay);
                break step;
            }
            if !matches!(step, SnapshotStep::Walking { .. }) || monotonic_clock() >= until {
                break step;
            }
        };
        (self.pace, node.facts.persistence.save_keys_done) = match step {
            SnapshotStep::Walking { keys } => (Pace::Walking, keys),
            SnapshotStep::Draining { keys } | SnapshotStep::Delivered { keys, .. } => {
                (Pace::Waiting, keys)
            }
        };
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
            if let (Ok(checkpoint), Some(export)) = (&installed, &done.export)
                && let Err(error) = publish(&log.directory().join(&checkpoint.file), export)
            {
                tracing::warn!(path = %export.display(), %error, "the checkpoint was not linked");
            }
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
                    self.newest = None;
                }
                Err(why) if why == USELESS => return node.save_dropped(),
                Err(why) => tracing::error!(why, "no checkpoint"),
            }
            node.saved(outcome.as_ref().map(|_| ()).map_err(String::as_str));
        }
        if self.newest.is_none()
            && let Some(log) = keys.log().map(binlog::Appender::log)
        {
            let newest = log.manifest().checkpoints.pop();
            self.newest_bytes = newest.as_ref().map_or(0, |checkpoint| checkpoint.bytes);
            self.newest = Some(newest.map_or(0, |checkpoint| checkpoint.position.opid));
        }
        let newest = self.newest.unwrap_or(0);
        node.facts.persistence.changes_since_save = keys.newest_op().saturating_sub(newest);
    }
}

/// `dir`/`dbfilename`, unless one of them is unknown.
fn export_path(settings: &Settings) -> Option<PathBuf> {
    let is_known = !settings.dir.is_empty() && !settings.dbfilename.is_empty();
    is_known.then(|| Path::new(&settings.dir).join(&settings.dbfilename))
}

/// Gives the file `image` a second name, replacing what had that name; the bytes are not copied.
fn publish(image: &Path, export: &Path) -> io::Result<()> {
    let mut name = export.as_os_str().to_owned();
    name.push(".tmp");
    let fresh = PathBuf::from(name);
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    std::fs::hard_link(image, &fresh)?;
    std::fs::rename(&fresh, export)
}

fn begin(node: &Node, keys: &mut Keyspace) -> Result<Running, String> {
    let appender = keys.log().ok_or("the node keeps no log")?;
    let position = appender.position();
    let image = appender.log().directory().join("snapshot.tmp");
    let writer = Arc::new(FileWriter::create(&image).map_err(|error| error.to_string())?);
    let stream_db = keys.stream().relayed_db();
    let memory_bytes = store::memory::used_bytes();
    let about = About { position, now: node.now, memory_bytes, stream_db };
    let drain = Box::new(Arc::clone(&writer));
    let begun = Snapshot::begin(keys.store_mut(), &about, false, drain);
    let snapshot = begun.map_err(|_| "another snapshot is being written")?;
    keys.stream_mut().mark(position.opid);
    let export = export_path(node.config.settings());
    Ok(Running {
        snapshot,
        writer,
        position,
        image,
        export,
        is_for_replicas: false,
        keys_delayed: 0,
        delayed_until: monotonic_clock(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::Directive;
    use crate::limits::Limits;
    use base::{ClusterId, Epoch, Incarnation, NodeId, ShardId};
    use binlog::{Directory, Options, Owner};
    use store::{Graveyard, Rng, Store};
    use wire::effect::{Effect, Expiry};

    /// A node without settings and its keyspace, whose log lies at `path`.
    fn node_with_log(path: &Path) -> (Node, Keyspace) {
        let owner = Owner {
            cluster: ClusterId(1),
            shard: ShardId(0),
            node: NodeId(1),
            incarnation: Incarnation(1),
        };
        let log = Directory::open(path, owner).unwrap();
        let mut log = log.start(Options::default()).unwrap();
        log.begin_reign(Epoch(1)).unwrap();
        let store = Store::new(1, Graveyard::immediate(), Rng::new(1));
        let mut keys = Keyspace::new(store, Rng::new(2));
        keys.attach_log(log);
        (Node::new(net::Driver::new().unwrap(), Limits::default()), keys)
    }

    fn fill(keys: &mut Keyspace, count: u32) {
        for number in 0..count {
            keys.apply(Effect::SetString {
                key: number.to_string().as_bytes(),
                value: b"v",
                expiry: Expiry::Clear,
            });
        }
        keys.commit();
    }

    #[test]
    fn one_walk_serves_all_who_wait() {
        let directory = tempfile::tempdir().unwrap();
        let (mut node, mut keys) = node_with_log(directory.path());
        let handle = keys.log().unwrap().log();
        fill(&mut keys, 5000);
        let mut checkpointer = Checkpointer::new(Arc::clone(&node.desk));
        checkpointer.poll(&mut node, &mut keys);
        assert_eq!(node.saving, Saving::Idle);
        assert_eq!(node.facts.persistence.changes_since_save, 5000);

        let desk = Arc::clone(&node.desk);
        let rounds = desk.want();
        node.saving = Saving::Wanted(SaveKind::Snapshot);
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
        assert_eq!(node.facts.persistence.save_keys_total, 0);
    }

    #[test]
    fn a_save_point_orders_a_checkpoint_that_redis_tools_find() {
        let directory = tempfile::tempdir().unwrap();
        let (mut node, mut keys) = node_with_log(&directory.path().join("binlog"));
        let dir = directory.path().to_str().unwrap().to_owned();
        let set = |name: &str, words: &[&str]| Directive {
            name: name.to_owned(),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
        };
        let directives = [set("dir", &[&dir]), set("save", &["60", "100"])];
        node.config.load(&directives).unwrap();
        node.now = UnixMs(1_000_000);
        node.facts.persistence.last_save_at = node.now;
        let mut checkpointer = Checkpointer::new(Arc::clone(&node.desk));
        checkpointer.poll(&mut node, &mut keys);
        fill(&mut keys, 99);
        node.now = node.now.plus_ms(61_000);
        checkpointer.poll(&mut node, &mut keys);
        assert_eq!(node.saving, Saving::Idle, "99 changes are less than 100");
        fill(&mut keys, 1);
        checkpointer.poll(&mut node, &mut keys);
        node.now = node.now.plus_ms(1_000);
        checkpointer.poll(&mut node, &mut keys);
        let is_running = |node: &Node| node.saving == Saving::Running(SaveKind::Snapshot);
        assert!(is_running(&node));
        while is_running(&node) {
            checkpointer.poll(&mut node, &mut keys);
            thread::yield_now();
        }
        let checkpoint = keys.log().unwrap().log().manifest().checkpoints.pop().unwrap();
        let image = std::fs::read(directory.path().join("binlog").join(checkpoint.file)).unwrap();
        assert_eq!(std::fs::read(directory.path().join("dump.rdb")).unwrap(), image);
        assert!(image.starts_with(b"REDIS"));
    }
}
