//! The memory of an interpreter: bounded while a script runs.
//!
//! ```text
//!   the VM runs a script      Strict    more than the bound is refused: Lua throws "not enough memory"
//!   Rust code runs            Lenient   nothing is refused, so no call into Lua can throw past a Rust frame
//! ```
//!
//! Who was lenient looks at [`Heap::is_over`] before it goes back to the script, and throws then. Memory beyond the bound
//! is therefore taken only by one function of Rust at a time, which checks as it goes.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::cell::Cell;
use std::ffi::c_void;
use std::fmt;
use std::ptr::{self, NonNull};

use crate::cjson;
use crate::host::{Host, Words};

/// What `malloc` of C promises.
const ALIGN: usize = 16;

/// What belongs to one interpreter besides its state; Lua knows it as the argument of its allocator.
pub(crate) struct Heap {
    used: Cell<usize>,
    bound: Cell<usize>,
    is_strict: Cell<bool>,
    /// Who serves the running script. Lent for the time of a call, see `Sandbox::protected`.
    pub(crate) host: Cell<Option<NonNull<dyn Host>>>,
    /// The host wants the script to end.
    pub(crate) is_killed: Cell<bool>,
    pub(crate) scratch: Cell<Scratch>,
    pub(crate) json: Cell<cjson::Settings>,
}

/// Words and reply of the running command: kept, so that each call does without taking memory.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) words: Words,
    pub(crate) reply: Vec<u8>,
}

impl fmt::Debug for Heap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heap").field("used", &self.used).field("bound", &self.bound).finish()
    }
}

impl Heap {
    /// `bound` in bytes.
    pub(crate) fn new(bound: usize) -> Heap {
        Heap {
            used: Cell::new(0),
            bound: Cell::new(bound),
            is_strict: Cell::new(false),
            host: Cell::new(None),
            is_killed: Cell::new(false),
            scratch: Cell::default(),
            json: Cell::default(),
        }
    }

    pub(crate) fn used(&self) -> usize {
        self.used.get()
    }

    pub(crate) fn set_bound(&self, bytes: usize) {
        self.bound.set(bytes);
    }

    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.used.get() > self.bound.get()
    }

    /// Whether `more` bytes would still fit.
    #[inline]
    pub(crate) fn fits(&self, more: usize) -> bool {
        self.used.get().saturating_add(more) <= self.bound.get()
    }

    /// Returns what it was.
    #[inline]
    pub(crate) fn set_strict(&self, is_strict: bool) -> bool {
        self.is_strict.replace(is_strict)
    }

    fn refuses(&self, old: usize, new: usize) -> bool {
        new > old && self.is_strict.get() && !self.fits(new - old)
    }

    fn account(&self, old: usize, new: usize) {
        self.used.set((self.used.get() + new).saturating_sub(old));
    }
}

/// `lua_Alloc`: frees, takes or resizes a block.
///
/// # Safety
/// `ud` is a living `Heap`; `block` is null and `old` 0, or it came from here with size `old`.
pub(crate) unsafe extern "C" fn allocate(
    ud: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: Lua passes what `Sandbox::new` gave it, and the heap outlives the state.
    let heap = unsafe { &*ud.cast::<Heap>() };
    if new == 0 {
        if !block.is_null() {
            heap.account(old, 0);
            // SAFETY: the block was taken here with this size; size and alignment were valid then.
            unsafe { dealloc(block.cast(), Layout::from_size_align_unchecked(old, ALIGN)) };
        }
        return ptr::null_mut();
    }
    if heap.refuses(old, new) {
        return ptr::null_mut();
    }
    let Ok(layout) = Layout::from_size_align(new, ALIGN) else { return ptr::null_mut() };
    let taken = if block.is_null() {
        // SAFETY: the layout is not empty.
        unsafe { alloc(layout) }
    } else {
        // SAFETY: the block was taken here with size `old`, and `new` is a valid size, not 0.
        unsafe { realloc(block.cast(), Layout::from_size_align_unchecked(old, ALIGN), new) }
    };
    if taken.is_null() {
        // A smaller block must not fail either: Lua relies on it.
        if !heap.is_strict.get() || new <= old {
            handle_alloc_error(layout);
        }
        return ptr::null_mut();
    }
    heap.account(old, new);
    taken.cast()
}
