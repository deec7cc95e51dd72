//! May this command run now? The questions, in the order in which Redis asks them.

use base::Tick;
use catalog::{CommandSpec, Flag};
use wire::resp::reply::{ErrorReply, Protocol};

use crate::access::Denial;
use crate::client::Session;
use crate::command::Args;
use crate::command::absent::NO_MODULES;
use crate::command::transaction::is_never_queued;
use crate::keyspace::Keyspace;
use crate::node::{Holds, Node};
use crate::replicate::Replication;
use crate::script::Scripts;
use crate::script::flags::ScriptFlag;
use crate::turn::monotonic_clock;

/// What is to be done with a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Admission {
    Run,
    /// Kept for EXEC.
    Queue,
    /// Waits, unanswered, until the hold ends.
    Hold,
    Refuse(ErrorReply),
    /// The client's user may not run it.
    Deny(Denial),
}

const NOT_LOGGED_IN: ErrorReply = ErrorReply::new("NOAUTH Authentication required.");
pub(crate) const READ_ONLY: ErrorReply =
    ErrorReply::new("READONLY You can't write against a read only replica.");
pub(crate) const LOADING: ErrorReply =
    ErrorReply::new("LOADING Redis is loading the dataset in memory");
pub(crate) const MASTER_DOWN: ErrorReply = ErrorReply::new(
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
);
pub(crate) const OUT_OF_MEMORY: ErrorReply =
    ErrorReply::new("OOM command not allowed when used memory > 'maxmemory'.");
pub(crate) const NO_REPLICAS: ErrorReply =
    ErrorReply::new("NOREPLICAS Not enough good replicas to write.");
pub(crate) const NOT_IN_TRANSACTION: ErrorReply =
    ErrorReply::new("ERR Command not allowed inside a transaction");

/// What the node says to every command alike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct House<'a> {
    pub(crate) holds: &'a Holds,
    /// What this node's own master says waits like the rest: CLIENT PAUSE stops a replica of Redis, too.
    pub(crate) holds_master: bool,
    pub(crate) is_loading: bool,
    /// Data of a master is on its way into memory, while the data so far is served.
    pub(crate) is_loading_aside: bool,
    pub(crate) replication: Option<&'a Replication>,
    /// `min-replicas-to-write` asks for more than follow by the protocol of Redis.
    pub(crate) wants_replicas: bool,
    /// When the command begins.
    pub(crate) tick: Tick,
    /// The data takes more than `maxmemory`, and no key may go.
    pub(crate) is_full: bool,
    /// `replica-read-only`.
    pub(crate) is_read_only: bool,
    /// The link to the master is down, and `replica-serve-stale-data` rules out to answer from what is here.
    pub(crate) is_stale: bool,
    /// Which of them declare that they do not write.
    pub(crate) scripts: &'a Scripts,
}

impl House<'_> {
    #[inline]
    pub(crate) fn admit(
        &self,
        spec: &'static CommandSpec,
        args: &Args<'_>,
        session: &Session,
        keys: &Keyspace,
    ) -> Admission {
        if session.is_master {
            let is_queued = session.transaction.is_some() && !is_never_queued(spec.name);
            return if self.holds_master && self.is_held(spec, args, session) {
                Admission::Hold
            } else if is_queued {
                Admission::Queue
            } else {
                Admission::Run
            };
        }
        if spec.has(Flag::Admin)
            && matches!(spec.name, "module|load" | "module|loadex" | "module|unload")
        {
            return Admission::Refuse(NO_MODULES);
        }
        if !session.is_authenticated && !spec.has(Flag::NoAuth) {
            return Admission::Refuse(NOT_LOGGED_IN);
        }
        if session.transaction.is_some() && spec.has(Flag::NoMulti) {
            return Admission::Refuse(NOT_IN_TRANSACTION);
        }
        if let Err(denial) = session.check(spec, args) {
            return Admission::Deny(denial);
        }
        if self.is_full && self.needs_memory(spec, args, session) {
            return Admission::Refuse(OUT_OF_MEMORY);
        }
        if self.is_any(spec, args, session, Flag::Write) {
            if !keys.is_log_sound() {
                return Admission::Refuse(log_trouble(keys));
            }
            if keys.is_replica() && self.is_read_only {
                return Admission::Refuse(READ_ONLY);
            }
            let refusal = match self.replication {
                Some(replication) => replication.refuse_write(self.tick),
                None => self.wants_replicas.then_some(NO_REPLICAS),
            };
            if let Some(refusal) = refusal {
                return Admission::Refuse(refusal);
            }
        }
        if let Some(error) = refuse_subscriber(spec, session) {
            return Admission::Refuse(error);
        }
        if self.is_stale && !self.is_every(spec, args, session, Flag::Stale) {
            return Admission::Refuse(MASTER_DOWN);
        }
        if self.is_loading && !spec.has(Flag::Loading)
            || self.is_loading_aside && spec.has(Flag::NoAsyncLoading)
        {
            return Admission::Refuse(LOADING);
        }
        if !self.holds.is_empty() && self.is_held(spec, args, session) {
            return Admission::Hold;
        }
        if session.transaction.is_some() && !is_never_queued(spec.name) {
            return Admission::Queue;
        }
        Admission::Run
    }

    /// A fence or CLIENT PAUSE holds what may write, and EXEC when it would; queueing goes on. Links
    /// of the cluster are never held: they end the fence. Neither are replicas: who does not acknowledge is closed.
    fn is_held(&self, spec: &CommandSpec, args: &Args<'_>, session: &Session) -> bool {
        if session.is_internal || session.is_replica() {
            return false;
        }
        if self.holds.hold_all() {
            return true;
        }
        let is_queueing = session.transaction.is_some() && spec.name != "exec";
        let may_write = |spec: &CommandSpec, args: &Args<'_>| {
            spec.has(Flag::Write)
                || may_replicate(spec) && !self.scripts.only_reads(spec.name, args)
        };
        let mut queue = session.transaction.iter().flat_map(|transaction| &transaction.queue);
        let is_exec = spec.name == "exec";
        !is_queueing
            && (may_write(spec, args)
                || is_exec && queue.any(|queued| may_write(queued.spec, &queued.args())))
    }

    /// Whether a command has a flag: one that calls a script which declares what it does has the flags of the script.
    #[inline]
    fn has(&self, spec: &CommandSpec, args: &Args<'_>, flag: Flag) -> bool {
        // All commands that call scripts have this flag, so that the others are asked no more.
        if spec.has(Flag::NoMandatoryKeys)
            && let Some(declared) = self.scripts.declared(spec.name, args)
        {
            let only_reads = declared.has(ScriptFlag::NoWrites);
            return match flag {
                Flag::Write => !only_reads,
                Flag::Denyoom => !only_reads && !declared.has(ScriptFlag::AllowOom),
                Flag::Stale => declared.has(ScriptFlag::AllowStale),
                other => spec.has(other),
            };
        }
        spec.has(flag)
    }

    /// Whether the command, or for EXEC any command that it would run, has a flag.
    #[inline]
    fn is_any(&self, spec: &CommandSpec, args: &Args<'_>, session: &Session, flag: Flag) -> bool {
        if self.has(spec, args, flag) {
            return true;
        }
        let Some(transaction) = &session.transaction else { return false };
        spec.name == "exec"
            && transaction.queue.iter().any(|queued| self.has(queued.spec, &queued.args(), flag))
    }

    /// Whether the command, and for EXEC every command that it would run, has a flag.
    #[cold]
    fn is_every(&self, spec: &CommandSpec, args: &Args<'_>, session: &Session, flag: Flag) -> bool {
        let is_exec = spec.name == "exec";
        let mut queue = session.transaction.iter().flat_map(|transaction| &transaction.queue);
        self.has(spec, args, flag)
            && (!is_exec || queue.all(|queued| self.has(queued.spec, &queued.args(), flag)))
    }

    /// Whether the command may take more memory; a transaction's queue takes it for every command.
    #[cold]
    fn needs_memory(&self, spec: &CommandSpec, args: &Args<'_>, session: &Session) -> bool {
        let is_queued = session.transaction.is_some()
            && !matches!(spec.name, "exec" | "discard" | "quit" | "reset");
        is_queued || self.is_any(spec, args, session, Flag::Denyoom)
    }
}

/// Commands that do not write by themselves, but may cause something that replicas are to see.
pub(crate) fn may_replicate(spec: &CommandSpec) -> bool {
    matches!(spec.name, "publish" | "spublish" | "pfcount" | "eval" | "evalsha" | "fcall")
}

#[cold]
pub(crate) fn log_trouble(keys: &Keyspace) -> ErrorReply {
    let why = keys.log_trouble().unwrap_or_else(|| "the disk was full".to_owned());
    format!("MISCONF Errors writing to the AOF file: {why}").into()
}
/// Why nothing may be written at this moment, though the node is a master and its log is sound.
pub(crate) fn refuse_write(node: &Node) -> Option<ErrorReply> {
    match &node.replication {
        Some(replication) => replication.refuse_write(monotonic_clock()),
        None => node.lacks_replicas().then_some(NO_REPLICAS),
    }
}

/// Why a client that listens to channels may not call the command: in RESP2 it could not tell the reply from a message.
#[inline]
pub(crate) fn refuse_subscriber(spec: &CommandSpec, session: &Session) -> Option<ErrorReply> {
    let is_refused = session.protocol == Protocol::Resp2
        && session.is_subscribed()
        && !is_for_subscribers(spec.name);
    is_refused.then(|| not_for_subscribers(spec))
}

fn is_for_subscribers(name: &str) -> bool {
    matches!(
        name,
        "ping"
            | "subscribe"
            | "ssubscribe"
            | "psubscribe"
            | "unsubscribe"
            | "sunsubscribe"
            | "punsubscribe"
            | "quit"
            | "reset"
    )
}

fn not_for_subscribers(spec: &CommandSpec) -> ErrorReply {
    format!(
        "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are \
         allowed in this context",
        spec.name
    )
    .into()
}
