//! The keyspace's end of the log: atomic groups, commits, and how far promises have come true.

use binlog::{Appender, Barrier, Health, SyncPolicy};
use catalog::CommandSpec;

use super::Keyspace;
use crate::command::Args;
use crate::interop;

impl Keyspace {
    /// From now on changes are written to this log, which must end where the data stands.
    pub fn attach_log(&mut self, log: Appender) {
        self.log = Some(log);
    }

    /// Changes are written down no more.
    pub fn detach_log(&mut self) -> Option<Appender> {
        self.commit();
        self.log.take()
    }

    pub fn log(&self) -> Option<&Appender> {
        self.log.as_ref()
    }

    /// For changes of role: what commands have written so far is handed over first.
    pub fn log_mut(&mut self) -> Option<&mut Appender> {
        self.commit();
        self.log.as_mut()
    }

    /// OpID of the newest effect, open batch included; 0: none ever.
    #[inline]
    pub fn newest_op(&self) -> u64 {
        self.log.as_ref().map_or(0, |log| log.position().opid)
    }

    /// What follows until [`Keyspace::end_command`] is one atomic group. Returns the newest op.
    #[inline]
    pub(crate) fn begin_command(&mut self) -> u64 {
        self.stream.begin_group();
        match &mut self.log {
            Some(log) => {
                log.begin_group();
                log.position().opid
            }
            None => 0,
        }
    }

    /// A command begins, to be followed by [`Keyspace::end_call`] with what this returns: whether replicas of Redis hear it in
    /// its own words.
    #[inline]
    pub(crate) fn begin_call(&mut self, spec: &CommandSpec) -> bool {
        let is_quoted = self.stream.is_open() && interop::is_quoted(spec.name);
        if is_quoted {
            self.stream.begin_quote();
        }
        is_quoted
    }

    /// The command has run, in the database that is selected.
    #[inline]
    pub(crate) fn end_call(&mut self, is_quoted: bool, args: &Args<'_>) {
        if is_quoted {
            self.stream.end_quote(self.db, &args.from(0));
        }
    }

    /// Closes the group and returns the newest op.
    #[inline]
    pub(crate) fn end_command(&mut self) -> u64 {
        self.stream.end_group();
        match &mut self.log {
            Some(log) => {
                log.end_group();
                log.position().opid
            }
            None => 0,
        }
    }

    /// Everything up to now is in the stream of Redis replicas, as far as there are any.
    pub(crate) fn note_milestone(&mut self) {
        let op = self.newest_op();
        self.stream.note_milestone(op);
    }

    /// Takes back what the running command has written to the log, and to the stream of Redis replicas. The data has it
    /// still: the node must end, and nothing that stands behind may run.
    pub(crate) fn abandon_command(&mut self) {
        self.is_abandoned = true;
        self.stream.abandon_group();
        if let Some(log) = &mut self.log {
            log.abandon_group();
        }
    }

    /// A command was taken back: data and log are not the same any more.
    #[inline]
    pub(crate) fn is_abandoned(&self) -> bool {
        self.is_abandoned
    }

    /// Bytes of the effects that the log's threads have not got yet.
    #[inline]
    pub(crate) fn open_bytes(&self) -> usize {
        self.log.as_ref().map_or(0, Appender::open_bytes)
    }

    #[inline]
    pub(crate) fn has_open_batch(&self) -> bool {
        self.open_bytes() > 0
    }

    /// Hands the effects since the last call to the log's threads.
    pub(crate) fn commit(&mut self) {
        if let Some(log) = &mut self.log {
            log.commit();
        }
    }

    /// Newest op whose replies may leave, by `appendfsync`. Without a log none: who wrote while there was one
    /// must not hear that it is safe, and who writes without one waits for no op.
    pub(crate) fn passed_op(&self) -> u64 {
        let Some(log) = &self.log else { return 0 };
        match log.log().policy() {
            SyncPolicy::Always => log.durable(),
            SyncPolicy::EverySecond => log.written(),
            SyncPolicy::Never => log.position().opid,
        }
    }

    /// Has the executor woken when the replies that wait for `op` may leave; `false` when they
    /// already may.
    pub(crate) fn wake_when_passed(&self, op: u64) -> bool {
        let Some(log) = &self.log else { return false };
        match log.log().policy() {
            SyncPolicy::Always => !log.wake_when(Barrier::Durable, op),
            SyncPolicy::EverySecond => !log.wake_when(Barrier::Written, op),
            SyncPolicy::Never => false,
        }
    }

    /// The executor is awake: the wish of [`Keyspace::wake_when_passed`] is void.
    pub(crate) fn cancel_wake(&self) {
        if let Some(log) = &self.log {
            match log.log().policy() {
                SyncPolicy::Always => log.cancel_wake(Barrier::Durable),
                SyncPolicy::EverySecond => log.cancel_wake(Barrier::Written),
                SyncPolicy::Never => {}
            }
        }
    }

    /// Why the log takes nothing more at the moment; `None` when it does.
    pub fn log_trouble(&self) -> Option<String> {
        match self.log.as_ref()?.log().health() {
            Health::Sound => None,
            Health::Full { why } | Health::Failed { why } => Some(why),
        }
    }

    /// Whether so much waits for the disk that clients must wait as well.
    pub(crate) fn is_log_behind(&self) -> bool {
        self.log.as_ref().is_some_and(Appender::backpressure)
    }
}
