//! How much memory is in use: an allocator that counts.
//!
//! ```text
//!   thread's counter  += size class   ── every KiB of difference ──▶  process counter   ◀── used_bytes()
//! ```
//!
//! Counted is what an allocation takes, its jemalloc size class, not what was asked for; so
//! `maxmemory` holds what Redis' `used_memory` would hold. The process counter is off by at most
//! [`FLUSH_BYTES`] for each thread that lives or has lived.
//!
//! This module is one of the few with `unsafe`: it is the allocator's interface.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicI64, Ordering};

use base::allocation::size_class;

/// Difference after which a thread tells the process. The executor allocates what the log's threads free: with more than
/// a little of that not told, `used_memory` drifts, and `maxmemory` evicts keys for nothing.
pub const FLUSH_BYTES: i64 = 1 << 10;

static PROCESS: AtomicI64 = AtomicI64::new(0);

thread_local! {
    // Const and without destructor: using it never allocates.
    static THREAD: Cell<i64> = const { Cell::new(0) };
}

/// Bytes in use by the process, 0 without a [`CountingAllocator`].
pub fn used_bytes() -> u64 {
    let own = THREAD.try_with(Cell::get).unwrap_or(0);
    u64::try_from(PROCESS.load(Ordering::Relaxed) + own).unwrap_or(0)
}

#[cfg(debug_assertions)]
mod frees {
    use std::cell::Cell;

    thread_local! {
        static FREES: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
    }

    pub(super) fn add(bytes: usize) {
        // A thread that is ending may have lost its counter, and is asked no more.
        let _ = FREES.try_with(|frees| {
            let (count, sum) = frees.get();
            frees.set((count + 1, sum + bytes as u64));
        });
    }

    /// Allocations that this thread has freed, and their bytes as they were asked for: proves that work is left to
    /// other threads. Counted in builds with debug assertions only.
    pub fn frees_of_this_thread() -> (u64, u64) {
        FREES.get()
    }
}

#[cfg(debug_assertions)]
pub use frees::frees_of_this_thread;

#[inline]
fn count(bytes: i64) {
    // A thread that is ending may have lost its counter; then the process counter takes it directly.
    let counted = THREAD.try_with(|thread| {
        let sum = thread.get() + bytes;
        if sum.abs() < FLUSH_BYTES {
            thread.set(sum);
        } else {
            thread.set(0);
            PROCESS.fetch_add(sum, Ordering::Relaxed);
        }
    });
    if counted.is_err() {
        PROCESS.fetch_add(bytes, Ordering::Relaxed);
    }
}

fn counted(layout: Layout) -> i64 {
    i64::try_from(size_class(layout.size().max(layout.align()))).expect("no layout is larger")
}

/// Counts what passes through and leaves the work to `A`.
#[derive(Debug, Default)]
pub struct CountingAllocator<A>(pub A);

// SAFETY: every call goes to `A` with the same arguments, and what `A` returns is returned; counting touches no
// memory but its counters and neither allocates nor panics.
unsafe impl<A: GlobalAlloc> GlobalAlloc for CountingAllocator<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract, which is the same.
        let memory = unsafe { self.0.alloc(layout) };
        if !memory.is_null() {
            count(counted(layout));
        }
        memory
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract, which is the same.
        let memory = unsafe { self.0.alloc_zeroed(layout) };
        if !memory.is_null() {
            count(counted(layout));
        }
        memory
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-counted(layout));
        #[cfg(debug_assertions)]
        frees::add(layout.size());
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { self.0.dealloc(memory, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: the caller keeps the contract, which is the same.
        let moved = unsafe { self.0.realloc(memory, layout, bytes) };
        if !moved.is_null() {
            let new = size_class(bytes.max(layout.align()));
            count(i64::try_from(new).expect("no layout is larger") - counted(layout));
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use std::alloc::System;

    use super::*;

    /// Nobody else in this test process counts, so the sums are exact but for the threshold.
    #[test]
    fn what_is_freed_is_no_longer_counted() {
        let allocator = CountingAllocator(System);
        let layout = Layout::from_size_align(1 << 20, 8).unwrap();
        // SAFETY: the layouts have a size, and what is freed is what was allocated, with its layout.
        unsafe {
            let before = used_bytes();
            let memory = allocator.alloc(layout);
            assert_eq!(used_bytes() - before, 1 << 20);
            let memory = allocator.realloc(memory, layout, 2 << 20);
            assert_eq!(used_bytes() - before, 2 << 20);
            allocator.dealloc(memory, Layout::from_size_align(2 << 20, 8).unwrap());
            assert_eq!(used_bytes(), before);
        }
    }
}
