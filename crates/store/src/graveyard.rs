//! Where what is large goes to be freed: a thread in the background, so that no DEL stops the executor.
//!
//! ```text
//!   bury     values of the store, counted (INFO: lazyfree_pending_objects, lazyfreed_objects) --.
//!   discard  temporaries, parts of values, buffers --------------------------------------------+--> thread: drop
//! ```
//!
//! The store only sends; whoever owns the thread (the kernel) receives and drops. Without a
//! thread (tests, tools) everything is dropped at once.
//!
//! `docs/design/freeing.md` says for every command, and for whatever else lets go of much, where it is freed.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender};

use crate::value::Body;

/// What takes more allocations than this is freed in the background (Redis: LAZYFREE_THRESHOLD).
pub const FREE_EFFORT_MAX: usize = 64;
/// Single allocations above this (bytes) are freed in the background: returning so many pages takes the kernel a while.
pub const FREE_BYTES_MAX: usize = 1 << 20;

/// Something to be dropped elsewhere.
pub type Garbage = Box<dyn std::any::Any + Send>;

/// The sending end.
#[derive(Clone, Debug, Default)]
pub struct Graveyard(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    thread: Option<Sender<Garbage>>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    /// Values.
    pending: AtomicUsize,
    freed: AtomicUsize,
    /// Memory of large vectors on their way to be freed.
    vector_bytes: AtomicUsize,
}

/// Garbage that is counted until it is gone: fields are dropped in this order.
struct Buried<G> {
    _garbage: G,
    _grave: Grave,
}

/// What is counted of it: values of keys, or, of what is no value, the memory of a large vector.
struct Grave {
    objects: usize,
    vector_bytes: usize,
    /// Not the graveyard: its thread would keep itself alive.
    counts: Arc<Counts>,
}

impl Drop for Grave {
    fn drop(&mut self) {
        self.counts.freed.fetch_add(self.objects, Ordering::Relaxed);
        self.counts.pending.fetch_sub(self.objects, Ordering::Release);
        self.counts.vector_bytes.fetch_sub(self.vector_bytes, Ordering::Release);
    }
}

impl Graveyard {
    /// Drops at once.
    pub fn immediate() -> Graveyard {
        Graveyard::default()
    }

    /// A graveyard and what its thread must receive and drop until the channel closes. The channel has no
    /// bound: what waits in it was in use before, so it is memory that is not yet free, never new.
    pub fn background() -> (Graveyard, Receiver<Garbage>) {
        let (sender, receiver) = crossbeam_channel::unbounded();
        let inner = Inner { thread: Some(sender), counts: Arc::default() };
        (Graveyard(Arc::new(inner)), receiver)
    }

    /// Drops `garbage`, which is `objects` values of keys, elsewhere if possible.
    pub fn bury(&self, garbage: impl Send + 'static, objects: usize) {
        self.send_counted(garbage, objects, 0);
    }

    fn send_counted(&self, garbage: impl Send + 'static, objects: usize, vector_bytes: usize) {
        let counts = &self.0.counts;
        if self.0.thread.is_some() {
            counts.pending.fetch_add(objects, Ordering::Relaxed);
            counts.vector_bytes.fetch_add(vector_bytes, Ordering::Relaxed);
            let grave = Grave { objects, vector_bytes, counts: Arc::clone(counts) };
            self.send(Buried { _garbage: garbage, _grave: grave });
        }
    }

    /// Drops what is no value of a key, elsewhere if it consists of so many allocations that it takes long.
    #[inline]
    pub fn discard(&self, garbage: impl Send + 'static, allocations: usize) {
        if allocations > FREE_EFFORT_MAX {
            self.send(garbage);
        }
    }

    /// Drops a vector whose items own memory, or that is large itself, elsewhere if it takes long.
    #[inline]
    pub fn discard_vec<T: Send + 'static>(&self, items: Vec<T>) {
        let allocations = if std::mem::needs_drop::<T>() { items.len() } else { 1 };
        let bytes = items.capacity() * size_of::<T>();
        if allocations > FREE_EFFORT_MAX || bytes > FREE_BYTES_MAX {
            self.send_counted(items, 0, bytes);
        }
    }

    /// Drops a value that is in no store, elsewhere if it takes long.
    pub fn discard_body(&self, body: Body<'static>) {
        if body.is_dear_to_free() {
            self.send(body);
        }
    }

    /// Holds what is made on the way to a result, and discards it however that way ends.
    #[inline]
    pub fn temporary<T: Send + 'static>(&self, items: Vec<T>) -> Temporary<T> {
        Temporary { items, graveyard: self.clone() }
    }

    #[cold]
    fn send(&self, garbage: impl Send + 'static) {
        if let Some(thread) = &self.0.thread {
            // The thread is gone only when the process ends; the error hands the garbage back, to be
            // dropped here.
            drop(thread.send(Box::new(garbage)));
        }
    }

    /// Values that the background has freed since the last reset (INFO: lazyfreed_objects).
    pub fn freed(&self) -> usize {
        self.0.counts.freed.load(Ordering::Relaxed)
    }

    /// Counts what is freed from here on (CONFIG RESETSTAT).
    pub fn reset_freed(&self) {
        self.0.counts.freed.store(0, Ordering::Relaxed);
    }

    /// Values that are not freed yet, those that are being freed included (INFO:
    /// lazyfree_pending_objects).
    pub fn pending(&self) -> usize {
        self.0.counts.pending.load(Ordering::Acquire)
    }

    /// Memory of large vectors that were discarded and are not freed yet (bytes), without what their items own.
    pub fn discarded_bytes(&self) -> usize {
        self.0.counts.vector_bytes.load(Ordering::Acquire)
    }
}

/// A vector that is discarded when it is let go of; see [`Graveyard::temporary`].
#[derive(Debug)]
pub struct Temporary<T: Send + 'static> {
    items: Vec<T>,
    graveyard: Graveyard,
}

impl<T: Send + 'static> Deref for Temporary<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.items
    }
}

impl<T: Send + 'static> DerefMut for Temporary<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.items
    }
}

impl<T: Send + 'static> Drop for Temporary<T> {
    fn drop(&mut self) {
        self.graveyard.discard_vec(std::mem::take(&mut self.items));
    }
}

/// What is taken out of a collection part by part: a few parts are dropped where they are, the others are kept for the
/// graveyard. So a change of a few elements allocates nothing, and one of a million frees next to nothing.
#[derive(Debug)]
pub(crate) struct Remains<T> {
    dropped: usize,
    kept: Vec<T>,
}

impl<T: Send + 'static> Remains<T> {
    pub(crate) fn new() -> Remains<T> {
        Remains { dropped: 0, kept: Vec::new() }
    }

    #[inline]
    pub(crate) fn add(&mut self, part: T) {
        if self.dropped < FREE_EFFORT_MAX {
            self.dropped += 1;
        } else {
            self.kept.push(part);
        }
    }

    pub(crate) fn bury(self, graveyard: &Graveyard) {
        if !self.kept.is_empty() {
            graveyard.send(self.kept);
        }
    }
}
