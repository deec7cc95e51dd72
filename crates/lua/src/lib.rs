//! Runs scripts: Lua 5.1 in a sandbox that looks to scripts like that of Redis 7.2.
//!
//! ```text
//!   Sandbox::compile(code) -> FunctionRef
//!   Sandbox::run(function, KEYS, ARGV, host) -> Answer -> RESP
//!                 |  ^
//!      redis.call v  | reply          every 100,000 instructions: may it go on?
//!                 Host: the program around it
//! ```
//!
//! The engine is the C library of Lua, compiled by `build.rs` with the changes that
//! `patches/README.md` lists. What Redis adds in C to it is written in Rust here: `redis`, `cjson`, `cmsgpack`, `struct`, `bit`.
//!
//! Invariants
//! - No script crashes, reads or writes memory that is not its own, takes more memory than it may, or runs on when the
//!   host wants it to end (but one call of a library function may take long).
//! - Errors of Lua (`longjmp`) never pass a frame of Rust that owns something: see [`stack`].
//! - `unsafe` stands in `ffi`, `heap`, `stack`, `sandbox` and `protect` only.

mod api;
mod arguments;
mod bit;
mod cjson;
mod cmsgpack;
mod convert;
mod ffi;
mod heap;
mod host;
mod library;
mod number;
mod protect;
mod random;
mod sandbox;
mod stack;
mod structs;

pub use api::sha1_hex;
pub use host::{Host, LogLevel, Refused, Registration, Words};
pub use sandbox::{Answer, Failure, FunctionRef, Purpose, Sandbox};

/// What `redis.REDIS_VERSION` tells.
pub const REDIS_VERSION: &str = "7.2.0";
/// `redis.REDIS_VERSION_NUM`: the same as a number.
pub const REDIS_VERSION_NUM: u32 = 0x0007_0200;
