//! What every command is, without doing it: the single source of truth for COMMAND, ACL, routing and
//! dispatch.
//!
//! ```text
//!   find("get") --> &CommandSpec { id, arity, flags, categories, keys, docs }
//!                      |                                         |
//!        kernel: handler table by id          keys(spec, args): positions of keys
//! ```
//!
//! The table holds the whole command set of Redis 7.2, also what this program does not execute: whether a
//! command exists here is decided by who binds handlers to ids. Nothing in here executes, allocates
//! or looks at a clock.

mod find;
mod keys;
mod row;
mod spec;
mod syntax;
mod table;

pub use find::{find, find_full, find_subcommand};
pub use keys::{Arguments, KeysError, keys};
pub use spec::{
    Argument, ArgumentKind, Begin, Categories, Category, CommandId, CommandSpec, Docs, Find, Flag,
    Flags, Group, KeyFlag, KeyFlags, KeySpec, ReplyClass,
};
pub use syntax::Syntax;
pub use table::{COMMAND_COUNT, COMMANDS};
