//! Bytes behind one pointer: what listpacks and intsets are kept in.
//!
//! ```text
//!   ThinBytes ──▶ ┌ total u32 ┬ bytes ... ┬ spare ... ┐      as large as the total's size class
//!                 └───────────┴───────────┴───────────┘
//! ```
//!
//! The total counts itself, little-endian: that is how a listpack begins, so the run from there on is one.
//!
//! A `Vec<u8>` is 24 bytes; millions of small collections would pay for them, and for another allocation
//! to put them in. This is 8 bytes, which fit into the entry of the key.
//!
//! Invariants
//! - The allocation has the layout that [`layout`] gives for the length: so there is no capacity to be
//!   remembered, and what the size class has to spare is used before anything moves.
//! - So many bytes as the total says are initialised. Nobody outside this file can write the total.
//!
//! This module is one of the few with `unsafe`; it offers only safe functions.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut, Range};
use std::ptr::NonNull;

use base::allocation::size_class;

const HEADER_BYTES: usize = size_of::<u32>();

/// Owned bytes that grow and shrink, below 4 GiB.
pub(crate) struct ThinBytes {
    memory: NonNull<u32>,
    owns: PhantomData<[u8]>,
}

// SAFETY: it owns plain bytes; nothing about it is bound to a thread.
unsafe impl Send for ThinBytes {}
// SAFETY: shared references only read.
unsafe impl Sync for ThinBytes {}

/// Of the allocation for so many bytes.
fn layout(length: usize) -> Layout {
    Layout::from_size_align(size_class(HEADER_BYTES + length), align_of::<u32>())
        .expect("4 GiB fit an isize")
}

/// What is written in front of so many bytes.
fn total(length: usize) -> u32 {
    let total = u32::try_from(HEADER_BYTES + length);
    total.expect("a listpack or intset is shorter than 4 GiB").to_le()
}

impl ThinBytes {
    /// A copy of `bytes`.
    pub(crate) fn new(bytes: &[u8]) -> ThinBytes {
        let (total, layout) = (total(bytes.len()), layout(bytes.len()));
        // SAFETY: the layout has at least the header's size.
        let memory = unsafe { alloc(layout) }.cast::<u32>();
        let memory = NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout));
        // SAFETY: the allocation starts with an aligned u32, and has room for the bytes behind it.
        unsafe {
            memory.write(total);
            let to = memory.add(1).cast::<u8>();
            to.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
        }
        ThinBytes { memory, owns: PhantomData }
    }

    #[inline]
    fn length(&self) -> usize {
        // SAFETY: the allocation starts with the total, which is at least its own size.
        unsafe { u32::from_le(self.memory.read()) as usize - HEADER_BYTES }
    }

    #[inline]
    fn first(&self) -> NonNull<u8> {
        // SAFETY: the allocation is at least as long as the header.
        unsafe { self.memory.add(1).cast() }
    }

    /// Cuts the end off, or puts zeros there.
    pub(crate) fn resize(&mut self, length: usize) {
        let old = self.length();
        let (total, from, to) = (total(length), layout(old), layout(length));
        if from != to {
            // SAFETY: allocated with the layout `from`; the new size is not 0.
            let memory = unsafe { realloc(self.memory.as_ptr().cast(), from, to.size()) };
            let memory = NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(to));
            self.memory = memory.cast();
        }
        // SAFETY: the allocation has room for `length` bytes behind the total; those up to the shorter
        // one are initialised, the others are written here.
        unsafe {
            self.memory.write(total);
            if length > old {
                self.first().add(old).write_bytes(0, length - old);
            }
        }
    }

    /// Takes `range` out; what follows moves up.
    pub(crate) fn cut(&mut self, range: Range<usize>) {
        let length = self.length() - range.len();
        self.copy_within(range.end.., range.start);
        self.resize(length);
    }

    /// The total and the bytes.
    #[inline]
    pub(crate) fn with_total(&self) -> &[u8] {
        // SAFETY: the total and so many bytes behind it are initialised, borrowed as long as `self`.
        unsafe {
            let first = self.memory.cast::<u8>().as_ptr();
            std::slice::from_raw_parts(first, HEADER_BYTES + self.length())
        }
    }

    /// Bytes of the allocation.
    pub(crate) fn heap_bytes(&self) -> usize {
        layout(self.length()).size()
    }
}

impl Deref for ThinBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: that many initialised bytes follow the total, borrowed as long as `self`.
        unsafe { std::slice::from_raw_parts(self.first().as_ptr(), self.length()) }
    }
}

impl DerefMut for ThinBytes {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; `self` is borrowed uniquely.
        unsafe { std::slice::from_raw_parts_mut(self.first().as_ptr(), self.length()) }
    }
}

impl Drop for ThinBytes {
    fn drop(&mut self) {
        // SAFETY: allocated with the layout of this very length.
        unsafe { dealloc(self.memory.as_ptr().cast(), layout(self.length())) }
    }
}

impl Clone for ThinBytes {
    fn clone(&self) -> ThinBytes {
        ThinBytes::new(self)
    }
}

impl PartialEq for ThinBytes {
    fn eq(&self, other: &ThinBytes) -> bool {
        **self == **other
    }
}

impl Eq for ThinBytes {}

impl std::fmt::Debug for ThinBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Resize(usize),
        Cut(usize, usize),
        Fill(usize, u8),
        Clone,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0usize..700).prop_map(Step::Resize),
            (0usize..700, 0usize..80).prop_map(|(at, count)| Step::Cut(at, count)),
            (0usize..700, any::<u8>()).prop_map(|(at, byte)| Step::Fill(at, byte)),
            Just(Step::Clone),
        ]
    }

    proptest! {
        #[test]
        fn behaves_like_a_vec(steps in prop::collection::vec(step(), 1..60)) {
            let (mut thin, mut model) = (ThinBytes::new(b"start"), b"start".to_vec());
            for step in steps {
                match step {
                    Step::Resize(length) => {
                        thin.resize(length);
                        model.resize(length, 0);
                    }
                    Step::Cut(at, count) => {
                        let start = at.min(model.len());
                        let end = (start + count).min(model.len());
                        thin.cut(start..end);
                        model.drain(start..end);
                    }
                    Step::Fill(at, byte) => {
                        let start = at.min(model.len());
                        thin[start..].fill(byte);
                        model[start..].fill(byte);
                    }
                    Step::Clone => thin = thin.clone(),
                }
                prop_assert_eq!(&*thin, model.as_slice());
                let run = thin.with_total();
                prop_assert_eq!(&run[..4], &u32::try_from(run.len()).unwrap().to_le_bytes());
                prop_assert_eq!(&run[4..], model.as_slice());
                prop_assert!(thin.heap_bytes() >= run.len());
            }
        }
    }

    #[test]
    fn takes_one_word() {
        assert_eq!(size_of::<Option<ThinBytes>>(), 8);
    }
}
