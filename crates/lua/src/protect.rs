//! `pcall`, as Redis has it: of an error that is a table with the field `err`, the script gets that field.

use std::ffi::c_int;

use crate::ffi::{self, MULTIPLE_RESULTS, State};

/// Owns nothing while Lua runs: what the script throws may pass through here.
pub(crate) unsafe extern "C-unwind" fn pcall(state: *mut State) -> c_int {
    // SAFETY: Lua calls this with a living state and 20 free places. All positions below exist: the function called is
    // the first value, and after a failure there is one value above the boolean.
    unsafe {
        if ffi::lua_gettop(state) == 0 {
            // Nothing cannot be called; Redis says no more than that.
            ffi::lua_pushboolean(state, 0);
            return 1;
        }
        ffi::lua_pushboolean(state, 1);
        ffi::lua_insert(state, 1);
        let arguments = ffi::lua_gettop(state) - 2;
        let status = ffi::lua_pcall(state, arguments, MULTIPLE_RESULTS, 0);
        if status == 0 {
            return ffi::lua_gettop(state);
        }
        if status == ffi::ERROR_MEMORY {
            // What took it is garbage now, and in the way of the handler.
            ffi::lua_gc(state, ffi::GC_COLLECT, 0);
        }
        if ffi::lua_type(state, -1) == ffi::TYPE_TABLE {
            ffi::lua_pushlstring(state, c"err".as_ptr(), 3);
            ffi::lua_rawget(state, -2);
            match ffi::lua_type(state, -1) {
                ffi::TYPE_STRING | ffi::TYPE_NUMBER => ffi::lua_remove(state, -2),
                _ => ffi::lua_settop(state, -2),
            }
        }
        ffi::lua_pushboolean(state, 0);
        ffi::lua_replace(state, 1);
        ffi::lua_gettop(state)
    }
}
