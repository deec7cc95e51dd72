//! Where large values go to be freed: a thread in the background, so that no DEL stops the executor.
//!
//! The store only sends; whoever owns the thread (the kernel) receives and drops. Without a
//! thread (tests, tools) everything is dropped at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender};

/// Something to be dropped elsewhere.
pub type Garbage = Box<dyn std::any::Any + Send>;

/// The sending end.
#[derive(Clone, Debug, Default)]
pub struct Graveyard {
    thread: Option<Sender<Garbage>>,
    pending: Arc<AtomicUsize>,
    freed: Arc<AtomicUsize>,
}

/// Garbage that is counted until it is gone: fields are dropped in this order.
struct Buried<G> {
    _garbage: G,
    _grave: Grave,
}

struct Grave {
    pending: Arc<AtomicUsize>,
    freed: Arc<AtomicUsize>,
}

impl Drop for Grave {
    fn drop(&mut self) {
        self.freed.fetch_add(1, Ordering::Relaxed);
        self.pending.fetch_sub(1, Ordering::Release);
    }
}

impl Graveyard {
    /// Drops at once.
    pub fn immediate() -> Graveyard {
        Graveyard::default()
    }

    /// A graveyard and what its thread must receive and drop until the channel closes. The channel has no
    /// bound: what waits in it was in the store before, so it is memory that is not yet free, never new.
    pub fn background() -> (Graveyard, Receiver<Garbage>) {
        let (sender, receiver) = crossbeam_channel::unbounded();
        (Graveyard { thread: Some(sender), ..Graveyard::default() }, receiver)
    }

    /// Drops `garbage`, elsewhere if possible.
    pub fn bury(&self, garbage: impl Send + 'static) {
        if let Some(thread) = &self.thread {
            // The thread is gone only when the process ends; the error hands the garbage back, to be
            // dropped here.
            self.pending.fetch_add(1, Ordering::Relaxed);
            let grave =
                Grave { pending: Arc::clone(&self.pending), freed: Arc::clone(&self.freed) };
            drop(thread.send(Box::new(Buried { _garbage: garbage, _grave: grave })));
        }
    }

    /// Values that the background has freed since the last reset (INFO: lazyfreed_objects).
    pub fn freed(&self) -> usize {
        self.freed.load(Ordering::Relaxed)
    }

    /// Counts what is freed from here on (CONFIG RESETSTAT).
    pub fn reset_freed(&self) {
        self.freed.store(0, Ordering::Relaxed);
    }

    /// Values that are not freed yet, the one that is being freed included (INFO:
    /// lazyfree_pending_objects).
    pub fn pending(&self) -> usize {
        self.pending.load(Ordering::Acquire)
    }
}
