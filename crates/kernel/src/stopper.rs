//! Ends a node from another thread: a signal's, for example.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use net::Wake;

/// Ends a running node cleanly: its executor looks at the wish after each turn.
#[derive(Clone, Debug)]
pub struct Stopper {
    is_wanted: Arc<AtomicBool>,
    wake: Wake,
}

impl Stopper {
    /// `wake` ends a wait of the executor that will ask.
    pub fn new(wake: Wake) -> Stopper {
        Stopper { is_wanted: Arc::default(), wake }
    }

    pub fn stop(&self) {
        self.is_wanted.store(true, Ordering::Release);
        if let Err(error) = self.wake.wake() {
            // It looks at the wish again at its next beat.
            tracing::warn!(%error, "the executor could not be woken");
        }
    }

    /// The node goes on after all. `false`: nobody wanted it to end.
    pub(crate) fn take_back(&self) -> bool {
        self.is_wanted.swap(false, Ordering::AcqRel)
    }

    pub fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::Acquire)
    }
}
