//! A sandbox: one interpreter with what scripts may use, and nothing else.
//!
//! ```text
//!   scripts (EVAL)       _G, read-only: base string table math + cjson cmsgpack struct bit os.clock redis KEYS ARGV
//!   functions (FCALL)    globals: an empty read-only table over
//!                          |- while a library loads: { redis = { register_function, log, ... } }
//!                          `- while a function runs: _G as above, without KEYS and ARGV
//! ```
//!
//! Invariants
//! - What scripts share cannot be changed by them: globals, libraries, their metatables, that of strings.
//! - A host is reachable exactly while a call that it was lent to runs.
//! - Between two calls the interpreter is lenient and has no hook.

use std::ffi::{CString, c_int};
use std::ptr::NonNull;

use crate::ffi::{self, State};
use crate::heap::{self, Heap};
use crate::host::Host;
use crate::library;
use crate::stack::{Kind, Raise, Stack, hook};

/// Instructions between two questions to the host.
const INSTRUCTIONS_PER_LOOK: c_int = 100_000;
/// A step of the collector is due after so many calls.
const CALLS_PER_STEP: u32 = 50;
const STEP_SIZE: i32 = 50;
/// An interpreter that is larger than this after a call, and twice as large as after the last full collection, is
/// collected at once (bytes).
const COLLECT_ABOVE: usize = 8 << 20;

/// Functions of Lua that servers of Redis offer only where `lua-enable-deprecated-api` says so.
const DEPRECATED: [&str; 3] = ["getfenv", "newproxy", "setfenv"];

/// What a sandbox is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    Scripts,
    Functions,
}

/// A function that the interpreter keeps; give it back with [`Sandbox::release`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FunctionRef(pub(crate) c_int);

/// Why a script ended early.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The message, code first; `None` when what was thrown has none.
    pub message: Option<Vec<u8>>,
    /// Where in the script: source and line.
    pub place: Option<(String, i32)>,
    /// The error was counted when the command failed.
    pub is_counted: bool,
    /// It was no error of the script, such as memory that ran out: there is no table with fields.
    pub is_bare: bool,
}

/// An interpreter.
#[derive(Debug)]
pub struct Sandbox {
    state: NonNull<State>,
    heap: NonNull<Heap>,
    purpose: Purpose,
    /// What globals mean while a library loads, and else. Registry references.
    library_globals: c_int,
    own_globals: c_int,
    calls: u32,
    collected_bytes: usize,
}

// SAFETY: state and heap are reached through the sandbox only, so they move to another thread together with it; at rest
// no host is lent.
unsafe impl Send for Sandbox {}

impl Sandbox {
    /// `memory_max`: bytes that the interpreter may take.
    pub fn new(purpose: Purpose, memory_max: usize) -> Sandbox {
        let heap = NonNull::from(Box::leak(Box::new(Heap::new(usize::MAX))));
        // SAFETY: the heap lives until `drop` has closed the state.
        let state = unsafe { ffi::lua_newstate(heap::allocate, heap.as_ptr().cast()) };
        let state = NonNull::new(state).expect("a lenient heap refuses nothing");
        let mut sandbox = Sandbox {
            state,
            heap,
            purpose,
            library_globals: 0,
            own_globals: 0,
            calls: 0,
            collected_bytes: 0,
        };
        sandbox.furnish().expect("an empty interpreter has room for its libraries");
        sandbox.heap().set_bound(memory_max);
        sandbox.collect_all();
        sandbox
    }

    /// Takes away what scripts can change the meaning of names with, for themselves and for those behind them.
    #[must_use]
    pub fn without_deprecated(mut self) -> Sandbox {
        let own_globals = (self.purpose == Purpose::Functions).then_some(self.own_globals);
        let withdrawn = library::withdraw(&mut self.stack(), own_globals, &DEPRECATED);
        withdrawn.expect("what is taken away needs no room");
        self
    }

    fn heap(&self) -> &Heap {
        // SAFETY: it lives as long as the sandbox, and is used through shared references only.
        unsafe { self.heap.as_ref() }
    }

    fn stack(&mut self) -> Stack<'_> {
        // SAFETY: between calls the interpreter is lenient, and `&mut self` keeps others away.
        unsafe { Stack::new(self.state, self.heap.as_ref()) }
    }

    fn furnish(&mut self) -> Result<(), Raise> {
        for open in [ffi::luaopen_base, ffi::luaopen_table, ffi::luaopen_string, ffi::luaopen_math]
        {
            // SAFETY: each of them is a C function without arguments, called in protected mode as they ask.
            let status = unsafe {
                ffi::lua_pushcclosure(self.state.as_ptr(), open, 0);
                ffi::lua_pcall(self.state.as_ptr(), 0, 0, 0)
            };
            assert!(status == 0, "the libraries of Lua can be opened");
        }
        let purpose = self.purpose;
        let mut stack = self.stack();
        library::furnish(&mut stack, purpose)?;
        if purpose == Purpose::Functions {
            let (library, own) = library::split_globals(&mut stack)?;
            // SAFETY: a table is on top, and becomes the globals.
            unsafe { ffi::lua_replace(self.state.as_ptr(), ffi::GLOBALS) };
            (self.library_globals, self.own_globals) = (library, own);
        }
        Ok(())
    }

    /// Bytes that the interpreter takes.
    pub fn memory_bytes(&self) -> usize {
        self.heap().used()
    }

    /// Takes effect with the next call.
    pub fn set_memory_max(&mut self, bytes: usize) {
        self.heap().set_bound(bytes);
    }

    /// Compiles a script; `name` is what errors call it, such as `@user_script`. `Err` is the compiler's complaint.
    pub fn compile(&mut self, name: &str, code: &[u8]) -> Result<FunctionRef, Vec<u8>> {
        let name = CString::new(name).expect("names of scripts have no NUL");
        self.heap().set_strict(true);
        // SAFETY: Lua reads `code` while it compiles, in protected mode.
        let status = unsafe {
            ffi::luaL_loadbuffer(
                self.state.as_ptr(),
                code.as_ptr().cast(),
                code.len(),
                name.as_ptr(),
            )
        };
        self.heap().set_strict(false);
        let mut stack = self.stack();
        if status != 0 {
            let complaint = stack.text(-1).unwrap_or_default();
            stack.set_top(0);
            return Err(complaint);
        }
        Ok(FunctionRef(stack.keep()))
    }

    pub fn release(&mut self, function: FunctionRef) {
        self.stack().forget(function.0);
    }

    /// Runs a script or a function, then gives its result to `finish`.
    pub fn run<'a>(
        &mut self,
        function: FunctionRef,
        keys: impl ExactSizeIterator<Item = &'a [u8]>,
        args: impl ExactSizeIterator<Item = &'a [u8]>,
        host: &mut dyn Host,
        finish: impl FnOnce(Answer<'_>),
    ) -> Result<(), Failure> {
        let arguments = match self.prepare(function, keys, args) {
            Ok(arguments) => arguments,
            Err(_) => {
                self.stack().set_top(0);
                return Err(Failure::no_memory());
            }
        };
        let status = self.protected(host, arguments, 1);
        let result = if status == 0 {
            finish(Answer { stack: self.stack(), is_resp3: host.is_resp3() });
            Ok(())
        } else {
            Err(self.failure(status))
        };
        self.clean_up();
        result
    }

    /// Runs the code of a library, which registers its functions at the host. `Err` is what it threw.
    pub fn load(&mut self, code: FunctionRef, host: &mut dyn Host) -> Result<(), Failure> {
        assert!(self.purpose == Purpose::Functions, "scripts are no libraries");
        let library_globals = self.library_globals;
        let pushed = library::swap_globals(&mut self.stack(), library_globals)
            .and_then(|()| self.prepare(code, [].into_iter(), [].into_iter()));
        let status = match pushed {
            Ok(arguments) => {
                // The functions of a library take no arguments.
                let mut stack = self.stack();
                stack.pop(arguments);
                self.protected(host, 0, 0)
            }
            Err(_) => ffi::ERROR_MEMORY,
        };
        let result = if status == 0 { Ok(()) } else { Err(self.failure(status)) };
        let own = self.own_globals;
        library::swap_globals(&mut self.stack(), own).expect("there was room before");
        self.clean_up();
        result
    }

    /// Pushes handler, function and arguments; returns the number of those. KEYS and ARGV of scripts are globals.
    fn prepare<'a>(
        &mut self,
        function: FunctionRef,
        keys: impl ExactSizeIterator<Item = &'a [u8]>,
        args: impl ExactSizeIterator<Item = &'a [u8]>,
    ) -> Result<i32, Raise> {
        let purpose = self.purpose;
        let mut stack = self.stack();
        stack.push_function(library::describe_error)?;
        stack.push_kept(function.0)?;
        assert!(stack.kind(-1) == Kind::Function, "what was compiled is kept");
        push_list(&mut stack, keys)?;
        push_list(&mut stack, args)?;
        if purpose == Purpose::Functions {
            return Ok(2);
        }
        stack.push_globals()?;
        stack.insert(-3);
        stack.set_readonly(-3, false);
        stack.set_field(-3, "ARGV")?;
        stack.set_field(-2, "KEYS")?;
        stack.set_readonly(-1, true);
        stack.pop(1);
        Ok(0)
    }

    /// Calls what is prepared: the handler is the first value of the stack.
    fn protected(&mut self, host: &mut dyn Host, arguments: i32, results: c_int) -> c_int {
        let lent: NonNull<dyn Host + '_> = NonNull::from(host);
        // SAFETY: only the lifetime changes; it is taken back below, before `host` ends, and a panic ends the process or
        // drops the guard.
        let lent: NonNull<dyn Host> = unsafe { std::mem::transmute(lent) };
        let heap = self.heap();
        let _lease = Lease(heap);
        heap.host.set(Some(lent));
        heap.is_killed.set(false);
        heap.set_strict(true);
        // SAFETY: handler, function and arguments are on the stack; what the script throws ends here.
        let status = unsafe {
            let state = self.state.as_ptr();
            ffi::lua_sethook(state, Some(hook), ffi::MASK_COUNT, INSTRUCTIONS_PER_LOOK);
            let status = ffi::lua_pcall(state, arguments, results, 1);
            ffi::lua_sethook(state, None, 0, 0);
            status
        };
        heap.set_strict(false);
        status
    }

    /// What the script threw: it is on top.
    fn failure(&mut self, status: c_int) -> Failure {
        let mut stack = self.stack();
        if status == ffi::ERROR_MEMORY {
            return Failure::no_memory();
        }
        library::failure(&mut stack).unwrap_or_else(|_| Failure::no_memory())
    }

    /// Empties the stack and collects some garbage.
    fn clean_up(&mut self) {
        self.stack().set_top(0);
        self.calls += 1;
        let used = self.memory_bytes();
        if used > COLLECT_ABOVE && used / 2 > self.collected_bytes {
            self.collect_all();
        } else if self.calls >= CALLS_PER_STEP {
            self.calls = 0;
            self.stack().collect(Some(STEP_SIZE));
        }
    }

    fn collect_all(&mut self) {
        self.stack().collect(None);
        self.collected_bytes = self.memory_bytes();
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // SAFETY: nothing else knows the state; the heap is freed behind it, once.
        unsafe {
            ffi::lua_close(self.state.as_ptr());
            drop(Box::from_raw(self.heap.as_ptr()));
        }
    }
}

/// Ends the loan of a host.
struct Lease<'h>(&'h Heap);

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.0.host.set(None);
    }
}

/// What a script has returned.
#[derive(Debug)]
pub struct Answer<'s> {
    pub(crate) stack: Stack<'s>,
    /// The script has chosen RESP3.
    pub(crate) is_resp3: bool,
}

impl Failure {
    fn no_memory() -> Failure {
        let message = Some(b"not enough memory".to_vec());
        Failure { message, place: None, is_counted: false, is_bare: true }
    }
}

fn push_list<'a>(
    stack: &mut Stack<'_>,
    items: impl ExactSizeIterator<Item = &'a [u8]>,
) -> Result<(), Raise> {
    stack.push_table(items.len(), 0)?;
    for (index, item) in items.enumerate() {
        stack.push_bytes(item)?;
        let n = i32::try_from(index + 1).map_err(|_| Raise::NoMemory)?;
        stack.set_index(-2, n)?;
    }
    Ok(())
}
