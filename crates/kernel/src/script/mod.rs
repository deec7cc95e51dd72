//! Scripts of clients: where they are kept, how they run.
//!
//! ```text
//!   EVAL  --sha--> cache --FunctionRef--> lua::Sandbox (scripts)   --+
//!   FCALL --name-> libraries ----------> lua::Sandbox (functions)  --+--> run::Run, the host: redis.call -> handlers
//! ```
//!
//! Invariants
//! - A script is one atomic group of the log, as the shell closes a group when the command that it called has ended.
//! - One script runs at a time: the sandbox is taken out of the node meanwhile.
//! - The interpreters are made when they are used first.

mod busy;
pub(crate) mod cache;
pub(crate) mod flags;
pub(crate) mod library;
pub(crate) mod run;

use base::Tick;
use lua::{Purpose, Sandbox};
use net::Token;
use store::Graveyard;
use wire::resp::reply::ErrorReply;

use crate::command::Args;
pub use cache::Cache;
use flags::{ScriptFlag, ScriptFlags, Shebang};
pub use library::Functions;

/// Bytes that an interpreter may take: `lua-memory-limit`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemoryMax(pub(crate) usize);

impl Default for MemoryMax {
    fn default() -> MemoryMax {
        MemoryMax(1 << 30)
    }
}

/// Words of a command that are kept for who asks what runs.
const WORDS_KEPT: usize = 128;

/// All scripts of a node.
#[derive(Debug, Default)]
pub struct Scripts {
    pub cache: Cache,
    pub functions: Functions,
    /// `None` before the first script, and while one runs.
    pub(crate) sandbox: Option<Box<Sandbox>>,
    memory_max: MemoryMax,
    pub(crate) running: Option<Running>,
    /// `lua-enable-deprecated-api`.
    pub(crate) offers_deprecated: bool,
    /// DEBUG SET-DISABLE-DENY-SCRIPTS: commands run in scripts that are not meant to.
    pub(crate) allows_all: bool,
    /// Clients that have sent something while a script ran; what was not answered waits in their buffers.
    pub(crate) heard: Vec<Token>,
}

/// How a script was called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// EVAL and its relatives.
    Script,
    /// FCALL.
    Function,
}

/// The script that runs.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) kind: Kind,
    /// Name of the function, or SHA-1 of the script.
    pub(crate) name: String,
    /// The command that called it.
    pub(crate) words: Vec<Vec<u8>>,
    pub(crate) began: Tick,
    /// A master runs it, or a file: it cannot be ended.
    is_of_master: bool,
    /// It has changed something: it cannot be ended any more.
    pub(crate) has_written: bool,
    pub(crate) is_killed: bool,
    /// It lasts longer than `busy-reply-threshold`: others are told so.
    pub(crate) is_busy: bool,
}

impl Running {
    fn new(kind: Kind, name: &str, is_of_master: bool, began: Tick, args: &Args<'_>) -> Running {
        // Only FUNCTION STATS shows them, and that only in part.
        let words = args.iter_from(0).take(WORDS_KEPT).map(<[u8]>::to_vec).collect();
        Running {
            kind,
            name: name.to_owned(),
            words,
            began,
            is_of_master,
            has_written: false,
            is_killed: false,
            is_busy: false,
        }
    }
}

impl Scripts {
    /// The interpreter for scripts; put it back into `sandbox`.
    pub(crate) fn take_sandbox(&mut self) -> Box<Sandbox> {
        take_or_make(&mut self.sandbox, Purpose::Scripts, self.memory_max, self.offers_deprecated)
    }

    /// Bounds both interpreters, from the next script on.
    pub(crate) fn set_memory_max(&mut self, bytes: usize) {
        self.memory_max = MemoryMax(bytes);
        self.functions.memory_max = MemoryMax(bytes);
    }

    /// Bytes of the interpreter for scripts.
    pub fn vm_bytes(&self) -> usize {
        self.sandbox.as_ref().map_or(0, |sandbox| sandbox.memory_bytes())
    }

    /// What the script that this command calls declares; `None`: it is none, is not known, or declares nothing.
    #[cold]
    pub(crate) fn declared(&self, command: &str, args: &Args<'_>) -> Option<ScriptFlags> {
        match command {
            "eval" | "eval_ro" => Shebang::of(args.key(1)).ok().and_then(|shebang| shebang.flags),
            "evalsha" | "evalsha_ro" => self.cache.flags(args.key(1)),
            "fcall" | "fcall_ro" => self.functions.find(args.key(1)).map(|function| function.flags),
            _ => None,
        }
    }

    /// Whether this command calls a script that declares that it does not write.
    pub(crate) fn only_reads(&self, command: &str, args: &Args<'_>) -> bool {
        self.declared(command, args).is_some_and(|flags| flags.has(ScriptFlag::NoWrites))
    }

    /// SCRIPT FLUSH: forgets all scripts, and what they have left in the interpreter.
    pub(crate) fn flush(&mut self, graveyard: &Graveyard) {
        let old = (std::mem::take(&mut self.cache), self.sandbox.take());
        // An interpreter is many allocations, however few scripts it has.
        graveyard.discard(old, usize::MAX);
    }

    /// SCRIPT KILL and FUNCTION KILL: the running script ends when it is looked at next.
    pub(crate) fn kill(&mut self, kind: Kind) -> Result<(), ErrorReply> {
        let Some(running) = &mut self.running else {
            return Err(ErrorReply::new("NOTBUSY No scripts in execution right now."));
        };
        if running.is_of_master {
            return Err(ErrorReply::new(
                "UNKILLABLE The busy script was sent by a master instance in the context of replication and cannot be \
                 killed.",
            ));
        }
        if running.has_written {
            return Err(ErrorReply::new(
                "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either \
                 wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
            ));
        }
        if running.kind != kind {
            return Err(busy(running.kind));
        }
        running.is_killed = true;
        Ok(())
    }
}

/// The interpreter of its place, bounded as is wanted now.
fn take_or_make(
    place: &mut Option<Box<Sandbox>>,
    purpose: Purpose,
    MemoryMax(bytes): MemoryMax,
    offers_deprecated: bool,
) -> Box<Sandbox> {
    match place.take() {
        Some(mut sandbox) => {
            sandbox.set_memory_max(bytes);
            sandbox
        }
        None if offers_deprecated => Box::new(Sandbox::new(purpose, bytes)),
        None => Box::new(Sandbox::new(purpose, bytes).without_deprecated()),
    }
}

/// What others hear while a script runs for too long.
pub(crate) fn busy(kind: Kind) -> ErrorReply {
    ErrorReply::new(match kind {
        Kind::Script => {
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
        }
        Kind::Function => {
            "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE."
        }
    })
}
