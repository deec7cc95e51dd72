//! The part of Lua's C interface that is used here, as in its `lua.h`.
//!
//! Functions marked *throws* may end by a `longjmp` to the innermost protected call for the reason given. All others
//! throw only when memory is refused, which [`crate::heap`] never does while Rust code runs.

use std::ffi::{c_char, c_int, c_void};
use std::marker::{PhantomData, PhantomPinned};

/// An interpreter or one of its coroutines.
#[repr(C)]
pub(crate) struct State {
    _private: [u8; 0],
    _not_send: PhantomData<(*mut u8, PhantomPinned)>,
}

/// A function that Lua calls: returns how many results it has left on the stack.
pub(crate) type CFunction = unsafe extern "C-unwind" fn(*mut State) -> c_int;
pub(crate) type Allocator =
    unsafe extern "C" fn(*mut c_void, *mut c_void, usize, usize) -> *mut c_void;
pub(crate) type Hook = unsafe extern "C-unwind" fn(*mut State, *mut Debug);

/// `lua_Debug`: what is known of a running function.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Debug {
    pub(crate) event: c_int,
    pub(crate) name: *const c_char,
    pub(crate) namewhat: *const c_char,
    pub(crate) what: *const c_char,
    pub(crate) source: *const c_char,
    pub(crate) currentline: c_int,
    pub(crate) nups: c_int,
    pub(crate) linedefined: c_int,
    pub(crate) lastlinedefined: c_int,
    pub(crate) short_src: [c_char; 60],
    pub(crate) i_ci: c_int,
}

impl Debug {
    pub(crate) const EMPTY: Debug = Debug {
        event: 0,
        name: std::ptr::null(),
        namewhat: std::ptr::null(),
        what: std::ptr::null(),
        source: std::ptr::null(),
        currentline: -1,
        nups: 0,
        linedefined: 0,
        lastlinedefined: 0,
        short_src: [0; 60],
        i_ci: 0,
    };
}

pub(crate) const REGISTRY: c_int = -10000;
pub(crate) const GLOBALS: c_int = -10002;
pub(crate) const MULTIPLE_RESULTS: c_int = -1;

pub(crate) const ERROR_MEMORY: c_int = 4;

pub(crate) const TYPE_NIL: c_int = 0;
pub(crate) const TYPE_BOOLEAN: c_int = 1;
pub(crate) const TYPE_LIGHT_USERDATA: c_int = 2;
pub(crate) const TYPE_NUMBER: c_int = 3;
pub(crate) const TYPE_STRING: c_int = 4;
pub(crate) const TYPE_TABLE: c_int = 5;
pub(crate) const TYPE_FUNCTION: c_int = 6;
pub(crate) const TYPE_USERDATA: c_int = 7;
pub(crate) const TYPE_THREAD: c_int = 8;

pub(crate) const MASK_LINE: c_int = 1 << 2;
pub(crate) const MASK_COUNT: c_int = 1 << 3;

pub(crate) const GC_COLLECT: c_int = 2;
pub(crate) const GC_STEP: c_int = 5;

/// The pseudo index of an upvalue of the running C function.
pub(crate) const fn upvalue(i: c_int) -> c_int {
    GLOBALS - i
}

unsafe extern "C-unwind" {
    pub(crate) fn lua_newstate(allocator: Allocator, ud: *mut c_void) -> *mut State;
    pub(crate) fn lua_close(state: *mut State);
    pub(crate) fn lua_getallocf(state: *mut State, ud: *mut *mut c_void) -> Option<Allocator>;
    pub(crate) fn lua_gc(state: *mut State, what: c_int, data: c_int) -> c_int;

    pub(crate) fn lua_gettop(state: *mut State) -> c_int;
    pub(crate) fn lua_settop(state: *mut State, top: c_int);
    pub(crate) fn lua_pushvalue(state: *mut State, index: c_int);
    pub(crate) fn lua_remove(state: *mut State, index: c_int);
    pub(crate) fn lua_insert(state: *mut State, index: c_int);
    pub(crate) fn lua_replace(state: *mut State, index: c_int);
    pub(crate) fn lua_checkstack(state: *mut State, count: c_int) -> c_int;

    pub(crate) fn lua_type(state: *mut State, index: c_int) -> c_int;
    pub(crate) fn lua_toboolean(state: *mut State, index: c_int) -> c_int;
    pub(crate) fn lua_tonumber(state: *mut State, index: c_int) -> f64;
    pub(crate) fn lua_isnumber(state: *mut State, index: c_int) -> c_int;
    pub(crate) fn lua_tolstring(
        state: *mut State,
        index: c_int,
        length: *mut usize,
    ) -> *const c_char;
    pub(crate) fn lua_touserdata(state: *mut State, index: c_int) -> *mut c_void;
    pub(crate) fn lua_topointer(state: *mut State, index: c_int) -> *const c_void;
    pub(crate) fn lua_isreadonly(state: *mut State, index: c_int) -> c_int;

    pub(crate) fn lua_pushnil(state: *mut State);
    pub(crate) fn lua_pushnumber(state: *mut State, number: f64);
    pub(crate) fn lua_pushlstring(state: *mut State, bytes: *const c_char, length: usize);
    pub(crate) fn lua_pushboolean(state: *mut State, value: c_int);
    pub(crate) fn lua_pushlightuserdata(state: *mut State, pointer: *mut c_void);
    pub(crate) fn lua_pushcclosure(state: *mut State, function: CFunction, upvalues: c_int);
    pub(crate) fn lua_createtable(state: *mut State, array: c_int, records: c_int);

    pub(crate) fn lua_rawget(state: *mut State, index: c_int);
    pub(crate) fn lua_rawgeti(state: *mut State, index: c_int, n: c_int);
    /// Throws when the table is read-only, or the key is nil or NaN.
    pub(crate) fn lua_rawset(state: *mut State, index: c_int);
    /// Throws when the table is read-only.
    pub(crate) fn lua_rawseti(state: *mut State, index: c_int, n: c_int);
    pub(crate) fn lua_getmetatable(state: *mut State, index: c_int) -> c_int;
    /// Throws when the table is read-only.
    pub(crate) fn lua_setmetatable(state: *mut State, index: c_int) -> c_int;
    pub(crate) fn lua_setreadonly(state: *mut State, index: c_int, on: c_int);
    /// Throws when the key on the stack is not in the table.
    pub(crate) fn lua_next(state: *mut State, index: c_int) -> c_int;

    /// Always throws the value on top.
    pub(crate) fn lua_error(state: *mut State) -> c_int;
    pub(crate) fn lua_pcall(
        state: *mut State,
        arguments: c_int,
        results: c_int,
        handler: c_int,
    ) -> c_int;
    pub(crate) fn luaL_loadbuffer(
        state: *mut State,
        code: *const c_char,
        length: usize,
        name: *const c_char,
    ) -> c_int;
    pub(crate) fn luaL_ref(state: *mut State, table: c_int) -> c_int;
    pub(crate) fn luaL_unref(state: *mut State, table: c_int, reference: c_int);

    pub(crate) fn lua_getstack(state: *mut State, level: c_int, debug: *mut Debug) -> c_int;
    pub(crate) fn lua_getinfo(state: *mut State, what: *const c_char, debug: *mut Debug) -> c_int;
    pub(crate) fn lua_sethook(
        state: *mut State,
        hook: Option<Hook>,
        mask: c_int,
        count: c_int,
    ) -> c_int;

    // Throw what their work throws: to be called by `lua_pcall` only.
    pub(crate) fn luaopen_base(state: *mut State) -> c_int;
    pub(crate) fn luaopen_table(state: *mut State) -> c_int;
    pub(crate) fn luaopen_string(state: *mut State) -> c_int;
    pub(crate) fn luaopen_math(state: *mut State) -> c_int;
}
