//! A heap block of bytes behind a pointer of 8 bytes.
//!
//! ```text
//!   Block ──▶ ┌ length u32 ┬ bytes ... ┐      one allocation, aligned to 4
//!             └────────────┴───────────┘
//! ```
//!
//! `Box<[u8]>` is 16 bytes and would not fit a cell of a table; this one keeps its length in front of its
//! bytes. It is one of the few modules with `unsafe`, so that what is built on it needs none.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::NonNull;

const HEADER_BYTES: usize = size_of::<u32>();

/// Owned bytes behind a thin pointer.
pub(super) struct Block {
    memory: NonNull<u32>,
    owns: PhantomData<[u8]>,
}

// SAFETY: a block owns plain bytes; nothing about it is bound to a thread.
unsafe impl Send for Block {}
// SAFETY: shared references only read.
unsafe impl Sync for Block {}

impl Block {
    /// The parts one after the other. Panics above 4 GiB in all: an argument of a command is smaller.
    pub(super) fn concat(parts: &[&[u8]]) -> Block {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let header = u32::try_from(length).expect("a block is shorter than 4 GiB");
        let layout = Self::layout(length);
        // SAFETY: the layout has at least the header's size.
        let memory = unsafe { alloc(layout) }.cast::<u32>();
        let memory = NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout));
        // SAFETY: the allocation starts with an aligned u32, `length` bytes follow it, and the parts,
        // which are other memory, fill them exactly.
        unsafe {
            memory.write(header);
            let mut to = memory.add(1).cast::<u8>();
            for part in parts {
                to.copy_from_nonoverlapping(NonNull::from(*part).cast(), part.len());
                to = to.add(part.len());
            }
        }
        Block { memory, owns: PhantomData }
    }

    fn layout(length: usize) -> Layout {
        Layout::from_size_align(HEADER_BYTES + length, align_of::<u32>())
            .expect("4 GiB fit an isize")
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        // SAFETY: `concat` wrote the header and nobody changes it.
        unsafe { self.memory.read() as usize }
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: `len` initialised bytes follow the header, borrowed as long as `self`.
        unsafe { std::slice::from_raw_parts(self.memory.add(1).cast().as_ptr(), self.len()) }
    }

    #[inline]
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; `self` is borrowed uniquely.
        unsafe { std::slice::from_raw_parts_mut(self.memory.add(1).cast().as_ptr(), self.len()) }
    }

    /// Bytes asked of the allocator.
    pub(super) fn heap_bytes(&self) -> usize {
        HEADER_BYTES + self.len()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated in `concat` with the layout of this very length.
        unsafe { dealloc(self.memory.as_ptr().cast(), Self::layout(self.len())) }
    }
}
