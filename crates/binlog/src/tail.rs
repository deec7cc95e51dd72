//! The tail: the newest batches of the log in memory, between the executor and everyone who reads.
//!
//! ```text
//!   executor --publish--> [ batch | batch | batch | batch ]  --> log writer   (all of them, in order)
//!                           ^ dropped when written and          --> senders     (from any OpID in here)
//!                             over the byte bound
//! ```
//!
//! Invariants
//! - Batches are dense and in order; each holds whole groups.
//! - A batch that is not written yet is never dropped, so memory and disk together have no gap.
//! - The lock is held for pointer work only: no I/O, no copying of bytes, no freeing of batches.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::allocation::size_class;
use base::{Epoch, OpId, UnixMs};

/// The records of one commit: sealed, whole groups.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    first: OpId,
    last: OpId,
    epoch: Epoch,
    time: UnixMs,
}

/// What keeps a batch beside its records: itself with its counts of owners, and its place in the queue (bytes).
const BATCH_OVERHEAD: usize = size_of::<Batch>() + 3 * size_of::<usize>();

impl Batch {
    pub(crate) fn new(
        bytes: Vec<u8>,
        first: OpId,
        last: OpId,
        epoch: Epoch,
        time: UnixMs,
    ) -> Batch {
        Batch { bytes, first, last, epoch, time }
    }

    /// With it in memory there is so much less (bytes): for small records as much again as for the records.
    fn memory_bytes(&self) -> usize {
        size_class(self.bytes.capacity()) + BATCH_OVERHEAD
    }

    /// The records, one behind the other.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn first(&self) -> OpId {
        self.first
    }

    pub fn last(&self) -> OpId {
        self.last
    }

    /// Epoch of the first record.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Time of the last record.
    pub fn time(&self) -> UnixMs {
        self.time
    }
}

/// What a reader of the tail gets.
#[derive(Debug)]
pub(crate) enum TailRead {
    /// The batch that holds the wanted OpID.
    Batch(Arc<Batch>),
    /// The wanted OpID was dropped from memory; the disk has it.
    OnDisk,
    /// Nothing new in the time given.
    Idle,
    /// The log was stopped, and the wanted OpID was never published.
    Closed,
}

#[derive(Debug)]
struct Inner {
    batches: VecDeque<Arc<Batch>>,
    /// Bytes of all `batches`.
    bytes: usize,
    /// Memory of all `batches`, and of those that are just being freed (bytes).
    memory_bytes: usize,
    /// OpID that the next batch begins with.
    next: OpId,
    waiting: u32,
    closed: bool,
}

#[derive(Debug)]
pub(crate) struct Tail {
    inner: Mutex<Inner>,
    news: Condvar,
    bytes_max: usize,
}

impl Tail {
    /// An empty tail of a log that goes on with `next`; keeps up to `bytes_max` of written batches.
    pub(crate) fn new(next: OpId, bytes_max: usize) -> Tail {
        let inner = Inner {
            batches: VecDeque::new(),
            bytes: 0,
            memory_bytes: 0,
            next,
            waiting: 0,
            closed: false,
        };
        Tail { inner: Mutex::new(inner), news: Condvar::new(), bytes_max }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the next batch and wakes those who wait, with one notify.
    pub(crate) fn publish(&self, batch: Arc<Batch>) {
        let mut inner = self.lock();
        assert_eq!(batch.first, inner.next, "batches are published in order");
        inner.next = batch.last.next();
        inner.bytes += batch.bytes.len();
        inner.memory_bytes += batch.memory_bytes();
        inner.batches.push_back(batch);
        let anyone = inner.waiting > 0;
        drop(inner);
        if anyone {
            self.news.notify_all();
        }
    }

    /// Drops the oldest batches over the bound, as far as they are `written`.
    pub(crate) fn shrink(&self, written: OpId) {
        let mut dropped = Vec::new();
        let mut inner = self.lock();
        while inner.bytes > self.bytes_max
            && let Some(oldest) = inner.batches.pop_front_if(|oldest| oldest.last <= written)
        {
            inner.bytes -= oldest.bytes.len();
            dropped.push(oldest);
        }
        drop(inner);
        if dropped.is_empty() {
            return;
        }
        // Only now is it no longer memory of the log: `maxmemory` must not take it for data in between.
        let freed: usize = dropped.iter().map(|batch| batch.memory_bytes()).sum();
        drop(dropped);
        self.lock().memory_bytes -= freed;
    }

    /// The batch that holds `wanted`; waits up to `patience` for one that is not there yet.
    pub(crate) fn read(&self, wanted: OpId, patience: Duration) -> TailRead {
        let mut inner = self.lock();
        if wanted >= inner.next && !inner.closed && !patience.is_zero() {
            inner.waiting += 1;
            let wait = |inner: &mut Inner| wanted >= inner.next && !inner.closed;
            let (woken, _) = self
                .news
                .wait_timeout_while(inner, patience, wait)
                .unwrap_or_else(PoisonError::into_inner);
            inner = woken;
            inner.waiting -= 1;
        }
        if wanted >= inner.next {
            return if inner.closed { TailRead::Closed } else { TailRead::Idle };
        }
        match inner.position(wanted) {
            Some(at) => TailRead::Batch(Arc::clone(&inner.batches[at])),
            None => TailRead::OnDisk,
        }
    }

    /// The log writer's way to read: all batches from `next` on up to `bytes_max`, waiting without
    /// end. Empty when the tail is closed and nothing is left.
    pub(crate) fn take_from(&self, next: OpId, bytes_max: usize) -> Vec<Arc<Batch>> {
        let mut inner = self.lock();
        inner.waiting += 1;
        let wait = |inner: &mut Inner| next >= inner.next && !inner.closed;
        inner = self.news.wait_while(inner, wait).unwrap_or_else(PoisonError::into_inner);
        inner.waiting -= 1;
        if next >= inner.next {
            return Vec::new();
        }
        let from = inner.position(next).expect("what is not written is never dropped");
        let mut bytes = 0;
        let fits = |batch: &&Arc<Batch>| {
            let first_or_fits = bytes == 0 || bytes + batch.bytes.len() <= bytes_max;
            bytes += batch.bytes.len();
            first_or_fits
        };
        inner.batches.iter().skip(from).take_while(fits).cloned().collect()
    }

    /// Waits for [`Tail::close`], but not longer than `patience`; whether it is closed.
    pub(crate) fn wait_closed(&self, patience: Duration) -> bool {
        let mut inner = self.lock();
        inner.waiting += 1;
        let (mut inner, _) = self
            .news
            .wait_timeout_while(inner, patience, |inner| !inner.closed)
            .unwrap_or_else(PoisonError::into_inner);
        inner.waiting -= 1;
        inner.closed
    }

    /// Memory of the batches (bytes).
    pub(crate) fn memory_bytes(&self) -> usize {
        self.lock().memory_bytes
    }

    /// The oldest OpID in memory.
    pub(crate) fn oldest(&self) -> Option<OpId> {
        self.lock().batches.front().map(|batch| batch.first)
    }

    /// OpID that the next batch begins with.
    pub(crate) fn next(&self) -> OpId {
        self.lock().next
    }

    /// Nothing will be published any more; those who wait are woken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.news.notify_all();
    }
}

impl Inner {
    /// The place of the batch that holds `wanted`, or would hold it. Readers stand near the end as a rule, so
    /// the search starts there, with steps that double.
    fn position(&self, wanted: OpId) -> Option<usize> {
        let count = self.batches.len();
        let mut step = 1;
        while step < count && self.batches[count - step].first > wanted {
            step *= 2;
        }
        let (mut low, mut high) = (count.saturating_sub(step), count);
        while low < high {
            let middle = low.midpoint(high);
            if self.batches[middle].first <= wanted {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(first: u64, last: u64, bytes: usize) -> Arc<Batch> {
        let opid = |value| OpId::new(value).unwrap();
        Arc::new(Batch::new(vec![0; bytes], opid(first), opid(last), Epoch(1), UnixMs(0)))
    }

    fn holds(read: &TailRead, first: u64) -> bool {
        matches!(read, TailRead::Batch(batch) if batch.first().get() == first)
    }

    #[test]
    fn only_written_batches_are_dropped() {
        let opid = |value| OpId::new(value).unwrap();
        let tail = Tail::new(OpId::FIRST, 150);
        tail.publish(batch(1, 3, 100));
        tail.publish(batch(4, 4, 100));
        tail.publish(batch(5, 9, 100));
        let each = size_class(100) + BATCH_OVERHEAD;
        assert_eq!(tail.memory_bytes(), 3 * each);
        tail.shrink(opid(3));
        assert!(matches!(tail.read(opid(2), Duration::ZERO), TailRead::OnDisk));
        assert!(holds(&tail.read(opid(4), Duration::ZERO), 4));
        tail.shrink(opid(9));
        assert!(matches!(tail.read(opid(4), Duration::ZERO), TailRead::OnDisk));
        assert!(holds(&tail.read(opid(7), Duration::ZERO), 5));
        assert!(matches!(tail.read(opid(10), Duration::ZERO), TailRead::Idle));
    }

    #[test]
    fn every_op_is_found_in_its_batch() {
        let opid = |value| OpId::new(value).unwrap();
        let tail = Tail::new(OpId::FIRST, usize::MAX);
        for number in 0..100 {
            tail.publish(batch(number * 3 + 1, number * 3 + 3, 1));
        }
        for wanted in 1..=300 {
            let first = (wanted - 1) / 3 * 3 + 1;
            assert!(holds(&tail.read(opid(wanted), Duration::ZERO), first), "{wanted}");
        }
    }

    #[test]
    fn closing_wakes_those_who_wait() {
        let tail = Arc::new(Tail::new(OpId::FIRST, 150));
        let reader = std::thread::spawn({
            let tail = Arc::clone(&tail);
            move || tail.take_from(OpId::FIRST, 1000)
        });
        tail.close();
        assert!(reader.join().unwrap().is_empty());
    }

    #[test]
    fn the_writer_takes_at_least_one_batch() {
        let tail = Tail::new(OpId::FIRST, 0);
        for opid in 1..=3 {
            tail.publish(batch(opid, opid, 10));
        }
        assert_eq!(tail.take_from(OpId::FIRST, 1).len(), 1);
        assert_eq!(tail.take_from(OpId::FIRST, 20).len(), 2);
        assert_eq!(tail.take_from(OpId::FIRST, 1000).len(), 3);
    }
}
