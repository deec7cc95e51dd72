//! Commands: what a handler gets, what it may answer, and how it is bound to its name.
//!
//! ```rust,ignore
//! pub(crate) const COMMANDS: &[(&str, Handler)] = &[("get", Handler::Data(get)), ...];
//!
//! fn get(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult { ... }
//! ```
//!
//! A container's subcommand is bound under `"container|subcommand"`, and sees the full argument
//! list: `args[0]` is the container.
//!
//! Invariants
//! - A handler parses its arguments completely before it looks at a key, and looks at all keys
//!   before it changes one: an error leaves the data as it was.
//! - A handler that stops with an error or to block has written no reply; the shell writes it.

pub(crate) mod absent;
mod acl;
pub mod args;
mod bitmap;
mod bounds;
pub mod client;
pub mod config;
pub mod connection;
pub mod debug;
pub mod describe;
mod digest;
mod dump;
mod element;
mod expiry;
mod function;
mod geo;
mod hash;
pub mod help;
mod hyperloglog;
pub(crate) mod internal;
mod keys;
pub mod latency;
mod lcs;
mod list;
pub mod memory;
mod migrate;
mod object;
mod psync;
pub mod pubsub;
mod queued;
pub mod replication;
mod scan;
mod script;
pub mod server;
mod set;
pub mod slowlog;
mod sort;
pub(crate) mod stream;
mod string;
pub mod table;
mod tracking;
pub mod transaction;
mod walk;
mod zset;

use base::UnixMs;
use wire::resp::reply::ErrorReply;

pub use crate::node::NodeTurn;
pub use crate::turn::Turn;
pub use args::Args;
pub use queued::Queued;

/// `Ok` when the handler wrote its reply.
pub type CmdResult = Result<(), Stop>;

/// Why a handler wrote no reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The client's mistake; the shell sends it.
    Error(ErrorReply),
    /// Nothing to take: the shell parks the client and runs the same command again later.
    Block(BlockOn),
}

impl From<ErrorReply> for Stop {
    fn from(error: ErrorReply) -> Stop {
        Stop::Error(error)
    }
}

/// What a parked client waits for. The shell keeps the deadline of the first run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlockOn {
    /// Keys of the selected db whose arrival makes the command worth another run.
    pub keys: Vec<Vec<u8>>,
    /// The kind of value that is awaited; keys of other kinds do not wake the client.
    pub awaited: Awaited,
    /// `None`: for ever.
    pub deadline: Option<UnixMs>,
    pub on_timeout: TimeoutReply,
    /// The arguments of later runs, where they are not those of the first: what "from now on" meant stays.
    pub again: Option<Vec<Vec<u8>>>,
}

/// The kinds of value that clients block for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Awaited {
    List,
    Zset,
    Stream,
    /// A stream with a certain group. Who waits for one is also woken when the key is gone or holds something else.
    Group,
}

/// The reply when the deadline passes, and at once inside MULTI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeoutReply {
    /// What was waited for has happened (SAVE).
    Ok,
    /// A checkpoint is being written, and nobody waits for its end (DEBUG RELOAD inside MULTI).
    Busy,
    NullArray,
    /// As `NullArray`, but null inside MULTI (BLMOVE): what RESP2 sees of the difference between a
    /// command that did not wait and one that waited in vain.
    NullArrayAfterWait,
    /// How many nodes have what the client wrote.
    Reached(replication::Quorum),
}

/// The function behind a command name.
#[derive(Clone, Copy, Debug)]
pub enum Handler {
    /// Reads and changes keys, nothing else.
    Data(fn(&mut Turn<'_>, &Args<'_>) -> CmdResult),
    /// Needs the node: clients, configuration, pub/sub, replication.
    Node(fn(&mut NodeTurn<'_>, &Args<'_>) -> CmdResult),
}
