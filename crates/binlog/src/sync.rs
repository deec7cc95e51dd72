//! The syncer thread: makes written bytes durable by the policy, so that an fsync of seconds delays
//! nobody but the replies that wait for it.
//!
//! ```text
//!   writer --written(file, opid)--> [ newest goal ] --> fdatasync --> durable mark --> waker
//! ```
//!
//! One goal is enough: an fsync covers everything written to the file before it, and a closed segment
//! was synced by the writer. While one fsync runs the goal moves on, which is group commit.

use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base::OpId;

use crate::log::{Shared, SyncPolicy};
use crate::progress::{Barrier, Progress};

const EVERY_SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct State {
    /// The file written last, and the newest OpID in it.
    goal: Option<(Arc<File>, OpId)>,
    /// Someone waits for this OpID whatever the policy says.
    forced: u64,
    closed: bool,
    /// The syncer sleeps because everything written is durable. While it sleeps towards the end of a second
    /// it needs no wake: it looks at the newest goal by itself.
    is_idle: bool,
    /// The syncer has ended: nothing becomes durable any more.
    ended: bool,
}

/// What writer, syncer and those who wait for durability share.
#[derive(Debug, Default)]
pub(crate) struct SyncQueue {
    state: Mutex<State>,
    news: Condvar,
}

impl SyncQueue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer wrote up to `opid` into `file`.
    pub(crate) fn written(&self, file: &Arc<File>, opid: OpId) {
        let mut state = self.lock();
        match &mut state.goal {
            Some((goal, newest)) if Arc::ptr_eq(goal, file) => *newest = opid,
            goal => *goal = Some((Arc::clone(file), opid)),
        }
        let is_idle = state.is_idle;
        drop(state);
        if is_idle {
            self.news.notify_all();
        }
    }

    /// The writer is done; the syncer makes the rest durable and ends.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.news.notify_all();
    }

    /// The policy changed, or the durable mark moved: look again.
    pub(crate) fn poke(&self) {
        drop(self.lock());
        self.news.notify_all();
    }

    pub(crate) fn wait_durable(&self, progress: &Progress, opid: u64) -> bool {
        let mut state = self.lock();
        loop {
            if progress.reached(Barrier::Durable) >= opid {
                return true;
            }
            if state.ended || progress.has_failed() {
                return false;
            }
            state.forced = state.forced.max(opid);
            self.news.notify_all();
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next file to fsync and what that makes durable; `None` when there is nothing left to do.
    fn next_goal(&self, shared: &Shared, newest_sync: Instant) -> Option<(Arc<File>, OpId)> {
        let mut state = self.lock();
        loop {
            let durable = shared.progress.reached(Barrier::Durable);
            let goal = state.goal.as_ref().filter(|(_, opid)| opid.get() > durable);
            if shared.progress.has_failed() {
                return None;
            }
            let Some((_, opid)) = goal else {
                if state.closed {
                    return None;
                }
                state.is_idle = true;
                state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.is_idle = false;
                continue;
            };
            // A forced OpID that is not written yet is waited for by syncing what there is.
            let forced = state.forced > durable && opid.get() > durable;
            let due_in = match shared.policy() {
                _ if state.closed || forced => Duration::ZERO,
                SyncPolicy::Always => Duration::ZERO,
                SyncPolicy::EverySecond => EVERY_SECOND.saturating_sub(newest_sync.elapsed()),
                SyncPolicy::Never => Duration::MAX,
            };
            if due_in.is_zero() {
                return state.goal.clone();
            }
            let longest = Duration::from_secs(3600);
            let (woken, _) = self
                .news
                .wait_timeout(state, due_in.min(longest))
                .unwrap_or_else(PoisonError::into_inner);
            state = woken;
        }
    }

    fn end(&self) {
        self.lock().ended = true;
        self.news.notify_all();
    }
}

/// Body of the syncer thread.
pub(crate) fn run(shared: &Shared) {
    let mut newest_sync = Instant::now();
    while let Some((file, opid)) = shared.sync.next_goal(shared, newest_sync) {
        if let Err(error) = shared.options.disk.sync(&file) {
            shared.progress.fail("fsync of the log", &error);
            break;
        }
        newest_sync = Instant::now();
        shared.progress.advance(Barrier::Durable, opid.get());
        shared.sync.poke();
    }
    shared.sync.end();
}
