//! The values of a running function, as safe code sees them; and the door by which Lua enters Rust.
//!
//! ```text
//!   script --call--> trampoline --> serve: a Function of safe code, with a Stack
//!                        |             `- its frames are gone
//!                        `- lua_error, if it failed: nothing of Rust is jumped over
//! ```
//!
//! Invariants
//! - While a `Stack` is in use its interpreter is lenient (see [`crate::heap`]), so that no call below throws.
//! - Positions count from 1, and negative ones from the top; a position without a value is a bug and panics.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use crate::cjson;
use crate::ffi::{self, Debug as DebugInfo, State};
use crate::heap::{Heap, Scratch};
use crate::host::Host;

/// A function that scripts can call: the number of results that it leaves on top, or why it failed.
pub(crate) type Function = fn(&mut Stack<'_>) -> Result<u32, Raise>;

/// Why a function fails.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Raise {
    /// The value on top is the error.
    Top,
    /// A message, which is told together with the line of the script.
    Text(String),
    NoMemory,
    /// The host ends the script; the script cannot catch that for long.
    Killed(&'static str),
}

impl Raise {
    pub(crate) fn text(text: &str) -> Raise {
        Raise::Text(text.to_owned())
    }
}

/// The kinds of values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// There is no value at this position.
    None,
    Nil,
    Boolean,
    LightUserdata,
    Number,
    String,
    Table,
    Function,
    Userdata,
    Thread,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::None => "no value",
            Kind::Nil => "nil",
            Kind::Boolean => "boolean",
            Kind::LightUserdata | Kind::Userdata => "userdata",
            Kind::Number => "number",
            Kind::String => "string",
            Kind::Table => "table",
            Kind::Function => "function",
            Kind::Thread => "thread",
        }
    }
}

/// A running function, as `debug.getinfo` tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Frame {
    /// `@user_script`
    pub(crate) source: Vec<u8>,
    pub(crate) line: i32,
    pub(crate) is_native: bool,
}

/// Memory that an empty table takes at least; to refuse large ones before they are made.
const SLOT_BYTES: usize = 16;

/// The values of one running function.
#[derive(Debug)]
pub(crate) struct Stack<'s> {
    state: NonNull<State>,
    heap: &'s Heap,
    _values: PhantomData<&'s mut State>,
}

impl<'s> Stack<'s> {
    /// # Safety
    /// `state` and `heap` belong together, live for `'s`, and are lenient; nobody else uses the state meanwhile.
    pub(crate) unsafe fn new(state: NonNull<State>, heap: &'s Heap) -> Stack<'s> {
        Stack { state, heap, _values: PhantomData }
    }

    fn raw(&self) -> *mut State {
        self.state.as_ptr()
    }

    /// The position from 1, checked.
    fn at(&self, position: i32) -> c_int {
        let top = self.top();
        let from_bottom = if position < 0 { top + 1 + position } else { position };
        assert!((1..=top).contains(&from_bottom), "no value at {position} of {top}");
        from_bottom
    }

    /// A table that may be written to.
    fn table_at(&self, position: i32) -> c_int {
        let at = self.at(position);
        assert!(self.kind(at) == Kind::Table, "no table at {position}");
        at
    }

    // --- looking

    /// Number of values.
    pub(crate) fn top(&self) -> i32 {
        // SAFETY: the state lives; this reads it.
        unsafe { ffi::lua_gettop(self.raw()) }
    }

    pub(crate) fn kind(&self, position: i32) -> Kind {
        let top = self.top();
        let from_bottom = if position < 0 { top + 1 + position } else { position };
        if !(1..=top).contains(&from_bottom) {
            return Kind::None;
        }
        // SAFETY: the position was checked.
        match unsafe { ffi::lua_type(self.raw(), from_bottom) } {
            ffi::TYPE_NIL => Kind::Nil,
            ffi::TYPE_BOOLEAN => Kind::Boolean,
            ffi::TYPE_LIGHT_USERDATA => Kind::LightUserdata,
            ffi::TYPE_NUMBER => Kind::Number,
            ffi::TYPE_STRING => Kind::String,
            ffi::TYPE_TABLE => Kind::Table,
            ffi::TYPE_FUNCTION => Kind::Function,
            ffi::TYPE_USERDATA => Kind::Userdata,
            ffi::TYPE_THREAD => Kind::Thread,
            other => panic!("Lua knows a type {other}"),
        }
    }

    /// Everything but nil and false is true.
    pub(crate) fn boolean(&self, position: i32) -> bool {
        // SAFETY: the position is checked.
        unsafe { ffi::lua_toboolean(self.raw(), self.at(position)) != 0 }
    }

    /// A number, or a string that reads as one.
    pub(crate) fn number(&self, position: i32) -> Option<f64> {
        if self.kind(position) == Kind::None {
            return None;
        }
        let at = self.at(position);
        // SAFETY: the position was checked; both functions only read.
        unsafe {
            (ffi::lua_isnumber(self.raw(), at) != 0).then(|| ffi::lua_tonumber(self.raw(), at))
        }
    }

    /// The bytes of a string; numbers are none.
    pub(crate) fn bytes(&self, position: i32) -> Option<&[u8]> {
        if self.kind(position) != Kind::String {
            return None;
        }
        let mut length = 0;
        // SAFETY: a string at a checked position is not converted; Lua gives its bytes, which stay where they are while
        // the value is on the stack, and nothing leaves the stack while `self` is borrowed.
        unsafe {
            let bytes = ffi::lua_tolstring(self.raw(), self.at(position), &raw mut length);
            Some(std::slice::from_raw_parts(bytes.cast::<u8>(), length))
        }
    }

    /// A string, or a number in the form of `tostring`.
    pub(crate) fn text(&mut self, position: i32) -> Option<Vec<u8>> {
        match self.kind(position) {
            Kind::String => self.bytes(position).map(<[u8]>::to_vec),
            Kind::Number => {
                self.push_copy(position).ok()?;
                // SAFETY: the copy on top becomes a string; that takes memory, which is not refused.
                unsafe { ffi::lua_tolstring(self.raw(), -1, ptr::null_mut()) };
                let text = self.bytes(-1).map(<[u8]>::to_vec);
                self.pop(1);
                text
            }
            _ => None,
        }
    }

    /// The address of a table, function, ..., by which it can be told from others.
    pub(crate) fn address(&self, position: i32) -> usize {
        // SAFETY: the position is checked.
        unsafe { ffi::lua_topointer(self.raw(), self.at(position)) as usize }
    }

    // --- moving

    pub(crate) fn set_top(&mut self, top: i32) {
        assert!((0..=self.top()).contains(&top), "the stack shrinks here");
        // SAFETY: it only shrinks.
        unsafe { ffi::lua_settop(self.raw(), top) };
    }

    pub(crate) fn pop(&mut self, count: i32) {
        self.set_top(self.top() - count);
    }

    /// Moves the top to this position.
    pub(crate) fn insert(&mut self, position: i32) {
        // SAFETY: the position is checked.
        unsafe { ffi::lua_insert(self.raw(), self.at(position)) };
    }

    // --- pushing

    /// Makes sure that a value fits, on the stack and, being of `bytes`, in memory.
    #[inline]
    fn room(&mut self, bytes: usize) -> Result<(), Raise> {
        if !self.heap.fits(bytes) {
            return Err(Raise::NoMemory);
        }
        // SAFETY: grows the stack; its memory is not refused.
        if unsafe { ffi::lua_checkstack(self.raw(), 2) } == 0 {
            return Err(Raise::text("stack overflow"));
        }
        Ok(())
    }

    /// Whether `bytes` would fit into the memory of the script.
    pub(crate) fn fits(&self, bytes: usize) -> bool {
        self.heap.fits(bytes)
    }

    pub(crate) fn push_nil(&mut self) -> Result<(), Raise> {
        self.room(0)?;
        // SAFETY: there is room.
        unsafe { ffi::lua_pushnil(self.raw()) };
        Ok(())
    }

    pub(crate) fn push_boolean(&mut self, value: bool) -> Result<(), Raise> {
        self.room(0)?;
        // SAFETY: there is room.
        unsafe { ffi::lua_pushboolean(self.raw(), c_int::from(value)) };
        Ok(())
    }

    pub(crate) fn push_number(&mut self, number: f64) -> Result<(), Raise> {
        self.room(0)?;
        // SAFETY: there is room.
        unsafe { ffi::lua_pushnumber(self.raw(), number) };
        Ok(())
    }

    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) -> Result<(), Raise> {
        self.room(bytes.len())?;
        // SAFETY: there is room; Lua copies the bytes.
        unsafe {
            ffi::lua_pushlstring(self.raw(), bytes.as_ptr().cast::<c_char>(), bytes.len());
        }
        Ok(())
    }

    pub(crate) fn push_copy(&mut self, position: i32) -> Result<(), Raise> {
        let at = self.at(position);
        self.room(0)?;
        // SAFETY: there is room, and the position was checked.
        unsafe { ffi::lua_pushvalue(self.raw(), at) };
        Ok(())
    }

    /// An empty table with space for so many elements, and keys that are names.
    pub(crate) fn push_table(&mut self, elements: usize, names: usize) -> Result<(), Raise> {
        self.room((elements + 2 * names + 4).saturating_mul(SLOT_BYTES))?;
        let count = |wanted: usize| c_int::try_from(wanted.min(1 << 24)).expect("it is bounded");
        // SAFETY: there is room on the stack; memory is not refused.
        unsafe { ffi::lua_createtable(self.raw(), count(elements), count(names)) };
        Ok(())
    }

    /// A function of Rust.
    pub(crate) fn push_function(&mut self, function: Function) -> Result<(), Raise> {
        self.room(0)?;
        // SAFETY: there is room for two; the trampoline takes the pointer back as what it is.
        unsafe {
            ffi::lua_pushlightuserdata(self.raw(), function as *mut std::ffi::c_void);
            ffi::lua_pushcclosure(self.raw(), trampoline, 1);
        }
        Ok(())
    }

    /// A function that is no [`Function`], as it calls Lua.
    pub(crate) fn push_native(&mut self, function: ffi::CFunction) -> Result<(), Raise> {
        self.room(0)?;
        // SAFETY: there is room.
        unsafe { ffi::lua_pushcclosure(self.raw(), function, 0) };
        Ok(())
    }

    /// What stands for null in JSON.
    pub(crate) fn push_null(&mut self) -> Result<(), Raise> {
        self.room(0)?;
        // SAFETY: there is room; the pointer is never followed.
        unsafe { ffi::lua_pushlightuserdata(self.raw(), ptr::null_mut()) };
        Ok(())
    }

    /// How JSON is read and written here.
    pub(crate) fn json(&self) -> &Cell<cjson::Settings> {
        &self.heap.json
    }

    pub(crate) fn push_globals(&mut self) -> Result<(), Raise> {
        self.room(0)?;
        // SAFETY: there is room; the globals are always there.
        unsafe { ffi::lua_pushvalue(self.raw(), ffi::GLOBALS) };
        Ok(())
    }

    // --- tables, without metatables

    /// Replaces the key on top by its value.
    pub(crate) fn get(&mut self, table: i32) {
        let at = self.table_at(table);
        // SAFETY: the position holds a table, and the key is on top.
        unsafe { ffi::lua_rawget(self.raw(), at) };
    }

    /// Pushes the value of a name.
    pub(crate) fn get_field(&mut self, table: i32, name: &str) -> Result<(), Raise> {
        let at = self.table_at(table);
        self.push_bytes(name.as_bytes())?;
        self.get(at);
        Ok(())
    }

    /// Pushes element `n`.
    pub(crate) fn get_index(&mut self, table: i32, n: i32) -> Result<(), Raise> {
        let at = self.table_at(table);
        self.room(0)?;
        // SAFETY: the position holds a table, and there is room.
        unsafe { ffi::lua_rawgeti(self.raw(), at, n) };
        Ok(())
    }

    /// Takes value and key from the top.
    pub(crate) fn set(&mut self, table: i32) -> Result<(), Raise> {
        let at = self.table_at(table);
        self.check_writable(at)?;
        match self.kind(-2) {
            Kind::Nil => return Err(self.wrong_index("table index is nil")),
            Kind::Number if self.number(-2).is_some_and(f64::is_nan) => {
                return Err(self.wrong_index("table index is NaN"));
            }
            _ => {}
        }
        self.room(2 * SLOT_BYTES)?;
        // SAFETY: the position holds a table that may be written to, and the key is one that it takes.
        unsafe { ffi::lua_rawset(self.raw(), at) };
        Ok(())
    }

    /// Lua tells this error without a place when a function of the library makes it.
    fn wrong_index(&mut self, text: &str) -> Raise {
        self.push_bytes(text.as_bytes()).map_or_else(|raise| raise, |()| Raise::Top)
    }

    /// Takes the value of a name from the top.
    pub(crate) fn set_field(&mut self, table: i32, name: &str) -> Result<(), Raise> {
        let at = self.table_at(table);
        self.push_bytes(name.as_bytes())?;
        self.insert(-2);
        self.set(at)
    }

    /// Takes element `n` from the top.
    pub(crate) fn set_index(&mut self, table: i32, n: i32) -> Result<(), Raise> {
        let at = self.table_at(table);
        self.check_writable(at)?;
        self.room(2 * SLOT_BYTES)?;
        // SAFETY: the position holds a table that may be written to.
        unsafe { ffi::lua_rawseti(self.raw(), at, n) };
        Ok(())
    }

    /// Replaces the key on top by the next key and its value; `false`, and nothing is left, behind the last one. A nil
    /// begins. The key must come from here, and the table must not have got new keys since.
    pub(crate) fn next(&mut self, table: i32) -> Result<bool, Raise> {
        let at = self.table_at(table);
        self.room(0)?;
        // SAFETY: there is a table and room; by contract the key is in the table, so it does not throw.
        Ok(unsafe { ffi::lua_next(self.raw(), at) } != 0)
    }

    /// Pushes the metatable, if there is one.
    pub(crate) fn metatable(&mut self, position: i32) -> Result<bool, Raise> {
        let at = self.at(position);
        self.room(0)?;
        // SAFETY: the position was checked, and there is room.
        Ok(unsafe { ffi::lua_getmetatable(self.raw(), at) } != 0)
    }

    /// Takes the metatable from the top.
    pub(crate) fn set_metatable(&mut self, position: i32) -> Result<(), Raise> {
        let at = self.at(position);
        assert!(self.kind(-1) == Kind::Table, "a metatable is a table");
        self.check_writable(at)?;
        // SAFETY: the position was checked, and a table is on top.
        unsafe { ffi::lua_setmetatable(self.raw(), at) };
        Ok(())
    }

    fn check_writable(&self, at: c_int) -> Result<(), Raise> {
        if self.is_readonly(at) {
            return Err(Raise::text("Attempt to modify a readonly table"));
        }
        Ok(())
    }

    /// Whether it is a table that scripts cannot change.
    pub(crate) fn is_readonly(&self, position: i32) -> bool {
        // SAFETY: the position is checked; other values than tables are not read-only.
        unsafe { ffi::lua_isreadonly(self.raw(), self.at(position)) != 0 }
    }

    pub(crate) fn set_readonly(&mut self, table: i32, is_readonly: bool) {
        let at = self.table_at(table);
        // SAFETY: the position holds a table.
        unsafe { ffi::lua_setreadonly(self.raw(), at, c_int::from(is_readonly)) };
    }

    // --- references

    /// Takes the value from the top and keeps it until [`Stack::forget`].
    pub(crate) fn keep(&mut self) -> c_int {
        assert!(self.top() > 0, "there is a value to keep");
        // SAFETY: a value is on top; the registry is a table.
        unsafe { ffi::luaL_ref(self.raw(), ffi::REGISTRY) }
    }

    pub(crate) fn forget(&mut self, reference: c_int) {
        // SAFETY: the registry is a table; unknown references do nothing worse than waste a place.
        unsafe { ffi::luaL_unref(self.raw(), ffi::REGISTRY, reference) };
    }

    /// Pushes what was kept.
    pub(crate) fn push_kept(&mut self, reference: c_int) -> Result<(), Raise> {
        self.room(0)?;
        // SAFETY: there is room; a missing reference gives nil.
        unsafe { ffi::lua_rawgeti(self.raw(), ffi::REGISTRY, reference) };
        Ok(())
    }

    // --- around

    /// Asks who serves the running script; `None` while nobody does.
    pub(crate) fn host<R>(&mut self, ask: impl FnOnce(&mut dyn Host) -> R) -> Option<R> {
        let mut host = self.heap.host.take()?;
        // SAFETY: the host is lent for as long as the script runs, and it was taken out above, so that this is the only
        // reference to it.
        let answer = ask(unsafe { host.as_mut() });
        self.heap.host.set(Some(host));
        Some(answer)
    }

    /// The buffers of `redis.call`; give them back by [`Stack::put_scratch`].
    pub(crate) fn take_scratch(&mut self) -> Scratch {
        self.heap.scratch.take()
    }

    pub(crate) fn put_scratch(&mut self, scratch: Scratch) {
        self.heap.scratch.set(scratch);
    }

    /// Collects garbage: all of it, or as much as `step` asks for. Returns whether a cycle ended.
    pub(crate) fn collect(&mut self, step: Option<i32>) -> bool {
        let (what, data) = step.map_or((ffi::GC_COLLECT, 0), |size| (ffi::GC_STEP, size));
        // SAFETY: there are no finalizers, so this runs no code of scripts.
        unsafe { ffi::lua_gc(self.raw(), what, data) != 0 }
    }

    /// Bytes of the interpreter.
    pub(crate) fn memory(&self) -> usize {
        self.heap.used()
    }

    /// The function `level` calls up; 0 is the running one.
    pub(crate) fn frame(&self, level: i32) -> Option<Frame> {
        let info = self.debug_info(level, c"Sl")?;
        // SAFETY: "S" has filled in both names; they live as long as the function, which is being called.
        let (source, what) = unsafe { (CStr::from_ptr(info.source), CStr::from_ptr(info.what)) };
        Some(Frame {
            source: source.to_bytes().to_vec(),
            line: info.currentline,
            is_native: what == c"C",
        })
    }

    fn debug_info(&self, level: i32, what: &CStr) -> Option<DebugInfo> {
        let mut info = DebugInfo::EMPTY;
        // SAFETY: `info` has the layout that Lua fills; `what` asks for nothing that would be pushed.
        unsafe {
            if ffi::lua_getstack(self.raw(), level, &raw mut info) == 0 {
                return None;
            }
            ffi::lua_getinfo(self.raw(), what.as_ptr(), &raw mut info);
        }
        Some(info)
    }

    /// `user_script:1: `, or nothing for a function that is not of Lua.
    pub(crate) fn place(&self, level: i32) -> String {
        match self.debug_info(level, c"Sl") {
            Some(info) if info.currentline > 0 => {
                // SAFETY: Lua ends the short name with NUL inside of its array.
                let name = unsafe { CStr::from_ptr(info.short_src.as_ptr()) };
                format!("{}:{}: ", name.to_string_lossy(), info.currentline)
            }
            _ => String::new(),
        }
    }

    /// What is wrong with argument `n`.
    pub(crate) fn argument_error(&self, mut n: i32, text: &str) -> Raise {
        let Some(info) = self.debug_info(0, c"n") else {
            return Raise::Text(format!("bad argument #{n} ({text})"));
        };
        let read = |name: *const c_char| {
            // SAFETY: "n" has filled in names that live as long as the function, or null.
            (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_string_lossy())
        };
        let name = read(info.name).unwrap_or("?".into());
        if read(info.namewhat).is_some_and(|what| what == "method") {
            n -= 1;
            if n == 0 {
                return Raise::Text(format!("calling '{name}' on bad self ({text})"));
            }
        }
        Raise::Text(format!("bad argument #{n} to '{name}' ({text})"))
    }

    /// Pushes the value that a failure throws.
    fn push_raise(&mut self, raise: Raise) {
        let text = match raise {
            Raise::Top => return,
            Raise::Text(text) => format!("{}{text}", self.place(1)),
            Raise::NoMemory => "not enough memory".to_owned(),
            Raise::Killed(why) => return self.push_kill(why),
        };
        // SAFETY: memory is not refused, and two places are kept free by every check of room; a stack that is full
        // throws away what it has.
        unsafe {
            if ffi::lua_checkstack(self.raw(), 1) == 0 {
                ffi::lua_settop(self.raw(), 0);
            }
            ffi::lua_pushlstring(self.raw(), text.as_ptr().cast::<c_char>(), text.len());
        }
    }

    /// The error of a script that its host ends. From here on every line throws it again, whoever catches it.
    pub(crate) fn push_kill(&mut self, why: &str) {
        self.heap.is_killed.set(true);
        let text = format!("ERR {why}");
        // No handler of errors is run for this one, so it says itself where it was.
        let frame = self
            .frame(0)
            .and_then(|frame| if frame.is_native { self.frame(1) } else { Some(frame) });
        let raw = self.raw();
        let push = |text: &[u8]| {
            // SAFETY: there is room, which is seen to below; memory is not refused.
            unsafe { ffi::lua_pushlstring(raw, text.as_ptr().cast::<c_char>(), text.len()) };
        };
        // SAFETY: the stack is emptied if it is full; memory is not refused; a fresh table takes any name.
        unsafe {
            ffi::lua_sethook(raw, Some(hook), ffi::MASK_LINE | ffi::MASK_COUNT, 1);
            if ffi::lua_checkstack(raw, 4) == 0 {
                ffi::lua_settop(raw, 0);
            }
            ffi::lua_createtable(raw, 0, 3);
            push(b"err");
            push(text.as_bytes());
            ffi::lua_rawset(raw, -3);
            if let Some(frame) = frame {
                push(b"source");
                push(&frame.source);
                ffi::lua_rawset(raw, -3);
                push(b"line");
                ffi::lua_pushnumber(raw, f64::from(frame.line));
                ffi::lua_rawset(raw, -3);
            }
        }
    }
}

/// What belongs to a state besides it.
///
/// # Safety
/// The state was made by `Sandbox::new`, and lives for `'h`.
unsafe fn heap_of<'h>(state: *mut State) -> &'h Heap {
    let mut ud = ptr::null_mut();
    // SAFETY: by contract; the allocator's argument is the heap, which outlives the state.
    unsafe {
        ffi::lua_getallocf(state, &raw mut ud);
        &*ud.cast::<Heap>()
    }
}

/// Runs the [`Function`] that is the upvalue of the running closure.
unsafe extern "C-unwind" fn trampoline(state: *mut State) -> c_int {
    // SAFETY: Lua calls this with a living state, for closures that `push_function` made.
    let results = unsafe { serve(state) };
    if results < 0 {
        // SAFETY: the error is on top, and no frame of Rust but this one, which owns nothing, is left.
        return unsafe { ffi::lua_error(state) };
    }
    results
}

/// Number of results; -1 when the error is on top.
///
/// # Safety
/// As [`trampoline`].
unsafe fn serve(state: *mut State) -> c_int {
    // SAFETY: the first upvalue is what `push_function` put there; nobody else uses the state while this runs.
    let (function, heap, state) = unsafe {
        let pointer = ffi::lua_touserdata(state, ffi::upvalue(1));
        let function = std::mem::transmute::<*mut std::ffi::c_void, Function>(pointer);
        (function, heap_of(state), NonNull::new_unchecked(state))
    };
    let was_strict = heap.set_strict(false);
    // SAFETY: lenient since the line above, for as long as this function runs.
    let mut stack = unsafe { Stack::new(state, heap) };
    let mut result = function(&mut stack);
    if was_strict && heap.is_over() && !matches!(result, Err(Raise::Killed(_))) {
        result = Err(Raise::NoMemory);
    }
    let results = match result {
        Ok(count) => c_int::try_from(count).expect("a stack has fewer places"),
        Err(raise) => {
            stack.push_raise(raise);
            -1
        }
    };
    heap.set_strict(was_strict);
    results
}

/// Asks the host from time to time whether the script may go on.
pub(crate) unsafe extern "C-unwind" fn hook(state: *mut State, _: *mut DebugInfo) {
    // SAFETY: Lua calls this with a living state that runs a script.
    if unsafe { is_ended(state) } {
        // SAFETY: the error is on top, and no frame of Rust but this one, which owns nothing, is left.
        unsafe { ffi::lua_error(state) };
    }
}

/// Whether the script ends here; then the error is on top.
///
/// # Safety
/// As [`hook`].
unsafe fn is_ended(state: *mut State) -> bool {
    const KILLED: &str = "Script killed by user with SCRIPT KILL...";
    // SAFETY: by contract.
    let (heap, state) = unsafe { (heap_of(state), NonNull::new_unchecked(state)) };
    let was_strict = heap.set_strict(false);
    // SAFETY: lenient since the line above, for as long as this function runs.
    let mut stack = unsafe { Stack::new(state, heap) };
    let why = match heap.is_killed.get() {
        true => Some(KILLED),
        false => stack.host(|host| host.look()).flatten(),
    };
    if let Some(why) = why {
        stack.push_kill(why);
    }
    heap.set_strict(was_strict);
    why.is_some()
}
