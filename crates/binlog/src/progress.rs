//! How far the log has come, told without locks: written and durable OpIDs, health, and who waits.
//!
//! Invariants
//! - `durable <= written`, and neither ever falls while the log runs.
//! - A wish (`wake_when`) that is registered before the mark passes it causes one wake; the executor
//!   looks at the mark again after registering, so none is lost.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Called from a log thread when a barrier that someone waits for has passed: pokes the executor's poll.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// A point that a reply may wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Barrier {
    /// Handed to the operating system: survives the death of this process.
    Written,
    /// Fsynced: survives the death of the machine.
    Durable,
}

/// Whether the log can be trusted to take more.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Health {
    #[default]
    Sound,
    /// No space or quota is left. The writer tries again by itself; nothing was lost, nothing is claimed.
    Full { why: String },
    /// A write or fsync failed. Nothing behind the durable mark is trusted, and the log stays stopped:
    /// after a failed fsync the kernel may have dropped the very pages, so trying again proves nothing.
    Failed { why: String },
}

#[derive(Debug, Default)]
struct Mark {
    reached: AtomicU64,
    /// OpID that the executor waits for; `u64::MAX` when it does not.
    wanted: AtomicU64,
}

pub(crate) struct Progress {
    written: Mark,
    durable: Mark,
    written_bytes: AtomicU64,
    unsound: AtomicBool,
    health: Mutex<Health>,
    waker: Waker,
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress").field("written", &self.written).finish_non_exhaustive()
    }
}

impl Progress {
    /// A log that ends, durably, at `opid`.
    pub(crate) fn new(opid: u64, waker: Waker) -> Progress {
        let mark = || Mark { reached: AtomicU64::new(opid), wanted: AtomicU64::new(u64::MAX) };
        Progress {
            written: mark(),
            durable: mark(),
            written_bytes: AtomicU64::new(0),
            unsound: AtomicBool::new(false),
            health: Mutex::new(Health::Sound),
            waker,
        }
    }

    fn mark(&self, barrier: Barrier) -> &Mark {
        match barrier {
            Barrier::Written => &self.written,
            Barrier::Durable => &self.durable,
        }
    }

    pub(crate) fn reached(&self, barrier: Barrier) -> u64 {
        self.mark(barrier).reached.load(Ordering::SeqCst)
    }

    pub(crate) fn written_bytes(&self) -> u64 {
        self.written_bytes.load(Ordering::Acquire)
    }

    pub(crate) fn add_written_bytes(&self, bytes: u64) {
        self.written_bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    /// Moves a mark up to `opid` and wakes the executor if it waits for that.
    pub(crate) fn advance(&self, barrier: Barrier, opid: u64) {
        let mark = self.mark(barrier);
        mark.reached.fetch_max(opid, Ordering::SeqCst);
        let wanted = mark.wanted.load(Ordering::SeqCst);
        if wanted <= opid {
            let taken =
                mark.wanted.compare_exchange(wanted, u64::MAX, Ordering::SeqCst, Ordering::SeqCst);
            if taken.is_ok() {
                (self.waker)();
            }
        }
    }

    /// Asks for a wake when `barrier` reaches `opid`. Returns true when it already has (then there
    /// will be no wake). A later call replaces an earlier one.
    pub(crate) fn wake_when(&self, barrier: Barrier, opid: u64) -> bool {
        let mark = self.mark(barrier);
        mark.wanted.store(opid, Ordering::SeqCst);
        if mark.reached.load(Ordering::SeqCst) < opid {
            return false;
        }
        mark.wanted.store(u64::MAX, Ordering::SeqCst);
        true
    }

    pub(crate) fn cancel_wake(&self, barrier: Barrier) {
        self.mark(barrier).wanted.store(u64::MAX, Ordering::Relaxed);
    }

    pub(crate) fn is_sound(&self) -> bool {
        !self.unsound.load(Ordering::Acquire)
    }

    pub(crate) fn health(&self) -> Health {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the state of health and wakes the executor, so that it hears of it at once.
    pub(crate) fn set_health(&self, health: Health) {
        let mut current = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*current, Health::Failed { .. }) || *current == health {
            return;
        }
        self.unsound.store(health != Health::Sound, Ordering::Release);
        *current = health;
        drop(current);
        (self.waker)();
    }

    pub(crate) fn fail(&self, what: &str, error: &io::Error) {
        tracing::error!(what, %error, "the log is not trusted any more");
        self.set_health(Health::Failed { why: format!("{what}: {error}") });
    }

    pub(crate) fn has_failed(&self) -> bool {
        !self.is_sound() && matches!(self.health(), Health::Failed { .. })
    }
}
