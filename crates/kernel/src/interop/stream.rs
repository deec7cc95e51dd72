//! The replication stream: what Redis replicas of this node are sent, as one sequence of bytes.
//!
//! ```text
//!   effects of a group -> [SELECT] [MULTI] command ... [EXEC] --append--> backlog
//!                                                                 ^ offset = bytes appended before, ever
//!   marks        (op 7, offset 120) (op 90, offset 4711)      where checkpoints stand
//!   milestones   (op 88, 4600) (op 91, 4790) ...              which offset has which op, once a turn
//! ```
//!
//! Invariants
//! - Without a backlog nothing is translated, and the offset stands still.
//! - A group is in the stream as a whole or not at all; SELECT precedes the first write behind a mark.
//! - While the node is itself a replica of Redis, its master's bytes are the stream, unchanged. Its master need not
//!   select a database again for our replicas, so which one is selected is known from the first byte on.

use std::collections::VecDeque;

use store::{Outcome, Store};
use wire::effect::Effect;
use wire::record::Flags;

use super::backlog::Backlog;
use super::translate;
use crate::info::random_id;

/// Checkpoints whose place in the stream is remembered: one that is complete, and one under way.
const MARKS_COUNT_MAX: usize = 2;
/// Turns of which is remembered how far the stream had come. WAIT for an older op waits for the oldest of them.
const MILESTONES_COUNT_MAX: usize = 4096;
/// Name of a history that nobody has.
const NO_ID: &str = "0000000000000000000000000000000000000000";

/// An op and the offset behind its command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    op: u64,
    offset: u64,
}

/// The history before this one, which goes on here from `until`.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Second {
    id: String,
    /// First offset that is not of that history any more.
    until: u64,
}

/// The effects of the group that is open.
#[derive(Debug, Default)]
struct Group {
    depth: u32,
    bytes: Vec<u8>,
    commands: usize,
    /// Of these, keys that went because their time had come: they need no transaction around them.
    expired: usize,
    /// Database of the first command, and of the last.
    dbs: Option<(u16, u16)>,
    /// The running command is told in its own words: its effects so far.
    quoted: Option<usize>,
}

/// A place in the open group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phrase {
    bytes: usize,
    commands: usize,
    expired: usize,
    dbs: Option<(u16, u16)>,
}

/// What is known of the stream for INFO.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BacklogFacts {
    /// As Redis counts: the first byte ever has the offset 1.
    pub first: u64,
    pub bytes: u64,
    /// Memory that it takes.
    pub allocated: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Stream {
    id: String,
    second: Option<Second>,
    offset: u64,
    backlog: Option<Backlog>,
    group: Group,
    /// Database that the commands so far have selected.
    selected: Option<u16>,
    marks: VecDeque<Place>,
    milestones: VecDeque<Place>,
    /// The bytes come from a master.
    is_relaying: bool,
    /// `lazyfree-lazy-expire` and `lazyfree-lazy-eviction`.
    pub(crate) unlinks_expired: bool,
    pub(crate) unlinks_evicted: bool,
}

impl Default for Stream {
    fn default() -> Stream {
        Stream {
            id: random_id(),
            second: None,
            offset: 0,
            backlog: None,
            group: Group::default(),
            selected: None,
            marks: VecDeque::new(),
            milestones: VecDeque::new(),
            is_relaying: false,
            unlinks_expired: false,
            unlinks_evicted: false,
        }
    }
}

impl Stream {
    /// Whether there is a backlog, so that something is to be written down.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.backlog.is_some()
    }

    /// `master_replid`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// `master_replid2` and `second_repl_offset`.
    pub fn second(&self) -> (&str, i64) {
        match &self.second {
            Some(second) => (&second.id, i64::try_from(second.until).unwrap_or(i64::MAX)),
            None => (NO_ID, -1),
        }
    }

    /// `master_repl_offset`: bytes of the stream so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    pub fn backlog(&self) -> Option<BacklogFacts> {
        let backlog = self.backlog.as_ref()?;
        let bytes = backlog.end() - backlog.first();
        let allocated = backlog.allocated_bytes() as u64;
        Some(BacklogFacts { first: backlog.first() + 1, bytes, allocated })
    }

    // --- the effects

    pub(crate) fn begin_group(&mut self) {
        self.group.depth += 1;
    }

    /// Puts the group into the stream, when it is the outermost one that ends.
    pub(crate) fn end_group(&mut self) {
        self.group.depth -= 1;
        if self.group.depth == 0 && self.group.commands > 0 {
            self.flush_group();
        }
    }

    /// Takes back what the open group holds; it is still to be ended.
    pub(crate) fn abandon_group(&mut self) {
        self.group = Group { depth: self.group.depth, ..Group::default() };
    }

    /// Translates an effect that was just applied to `db`.
    pub(crate) fn note(
        &mut self,
        db: u16,
        effect: &Effect<'_>,
        outcome: Outcome,
        flags: Flags,
        store: &Store,
    ) {
        if self.is_relaying {
            return;
        }
        let is_own = !flags.contains(Flags::EXPIRED) && !flags.contains(Flags::EVICTED);
        if let Some(effects) = self.group.quoted.as_mut().filter(|_| is_own) {
            *effects += usize::from(!matches!(effect, Effect::SetClock { .. }));
            return;
        }
        let unlinks = (flags.contains(Flags::EXPIRED) && self.unlinks_expired)
            || (flags.contains(Flags::EVICTED) && self.unlinks_evicted);
        let group = &mut self.group;
        let before = group.bytes.len();
        if group.dbs.is_some_and(|(_, last)| last != db) {
            select(&mut group.bytes, db);
        }
        match translate::effect(&mut group.bytes, effect, outcome, store.db(db), unlinks) {
            0 => group.bytes.truncate(before),
            commands => {
                group.commands += commands;
                group.expired += usize::from(flags.contains(Flags::EXPIRED));
                group.dbs = Some((group.dbs.map_or(db, |(first, _)| first), db));
            }
        }
        if group.depth == 0 && group.commands > 0 {
            self.flush_group();
        }
    }

    /// The command that begins is told in its own words: until [`Stream::end_quote`] its effects are only counted. What
    /// leaves because its time has come, or to make room, is told as ever, in front of it.
    pub(crate) fn begin_quote(&mut self) {
        self.group.quoted = Some(0);
    }

    /// The command has run in `db`; if it has changed anything, it is put into the group.
    pub(crate) fn end_quote(&mut self, db: u16, words: &[&[u8]]) {
        let effects = self.group.quoted.take().unwrap_or(0);
        if effects > 0 && !self.is_relaying {
            self.say_in_group(db, words);
        }
    }

    /// Where effects begin for which Redis has a command of its own.
    pub(crate) fn phrase(&self) -> Phrase {
        let Group { bytes, commands, expired, dbs, .. } = &self.group;
        Phrase { bytes: bytes.len(), commands: *commands, expired: *expired, dbs: *dbs }
    }

    /// Puts one command, which does the same, in place of the effects since `phrase` in `db`.
    pub(crate) fn instead(&mut self, phrase: Phrase, db: u16, words: &[&[u8]]) {
        let group = &mut self.group;
        if group.commands == phrase.commands {
            return;
        }
        group.bytes.truncate(phrase.bytes);
        (group.commands, group.expired, group.dbs) = (phrase.commands, phrase.expired, phrase.dbs);
        self.say_in_group(db, words);
    }

    fn say_in_group(&mut self, db: u16, words: &[&[u8]]) {
        let group = &mut self.group;
        if group.dbs.is_some_and(|(_, last)| last != db) {
            select(&mut group.bytes, db);
        }
        translate::command(&mut group.bytes, words);
        group.commands += 1;
        group.dbs = Some((group.dbs.map_or(db, |(first, _)| first), db));
    }

    /// A message to subscribers, which the replicas tell theirs: `command` is PUBLISH or SPUBLISH. Only in a group.
    pub(crate) fn publish(&mut self, db: u16, command: &[u8], channel: &[u8], message: &[u8]) {
        // It belongs to no database: that of the command before it stays selected.
        self.insert(db, &[command, channel, message]);
    }

    /// Puts a command into the open group that no effect stands for.
    pub(crate) fn insert(&mut self, db: u16, words: &[&[u8]]) {
        if self.backlog.is_none() || self.is_relaying {
            return;
        }
        translate::command(&mut self.group.bytes, words);
        self.group.commands += 1;
        self.group.dbs = self.group.dbs.or(Some((db, db)));
        if self.group.depth == 0 {
            self.flush_group();
        }
    }

    fn flush_group(&mut self) {
        let bytes = std::mem::take(&mut self.group.bytes);
        let (first, last) = self.group.dbs.take().expect("a command has a database");
        let commands = std::mem::take(&mut self.group.commands);
        let expired = std::mem::take(&mut self.group.expired);
        let is_many = commands > 1 && expired < commands;
        let mut frame = Vec::new();
        if is_many {
            translate::command(&mut frame, &[b"MULTI"]);
        }
        if self.selected != Some(first) {
            select(&mut frame, first);
        }
        self.selected = Some(last);
        if !frame.is_empty() {
            self.append(&frame);
        }
        self.append(&bytes);
        if is_many {
            frame.clear();
            translate::command(&mut frame, &[b"EXEC"]);
            self.append(&frame);
        }
        // The buffer serves the next group, unless it has grown large.
        if bytes.capacity() <= 64 << 10 {
            self.group.bytes = bytes;
            self.group.bytes.clear();
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        if let Some(backlog) = &mut self.backlog {
            backlog.append(bytes);
            self.offset += bytes.len() as u64;
        }
    }

    /// A sign of life; only between groups.
    pub(crate) fn ping(&mut self) {
        self.say(&[b"PING"]);
    }

    /// Asks every replica how far it is; only between groups.
    pub(crate) fn request_acks(&mut self) {
        self.say(&[b"REPLCONF", b"GETACK", b"*"]);
    }

    fn say(&mut self, words: &[&[u8]]) {
        if self.is_relaying || self.group.depth > 0 {
            return;
        }
        let mut bytes = Vec::new();
        translate::command(&mut bytes, words);
        self.append(&bytes);
    }

    // --- the backlog

    /// The first replica has come: what happens from now on is kept, as a new history.
    pub(crate) fn open(&mut self) {
        if self.backlog.is_some() {
            return;
        }
        self.rename();
        self.backlog = Some(Backlog::new(self.offset));
        // What replicas cost is seen at once, not bit by bit.
        self.milestones.reserve_exact(MILESTONES_COUNT_MAX);
    }

    /// The data is that of the history `id` at `offset`, where `db` was selected when the last process ended.
    pub(crate) fn resume(&mut self, id: &str, offset: u64, db: u16) {
        self.begin_relay(id, offset, db);
        self.is_relaying = false;
    }

    /// Nobody has been interested for a long time: the history ends. Never while the node is a replica itself.
    pub(crate) fn close(&mut self) {
        self.backlog = None;
        self.marks.clear();
        self.milestones.clear();
        self.rename();
    }

    /// Begins a history that nobody has a part of.
    pub(crate) fn rename(&mut self) {
        self.id = random_id();
        self.second = None;
        self.selected = None;
    }

    /// Keeps `bytes` of the newest, and everything from `needed_from` on.
    pub(crate) fn trim(&mut self, bytes: u64, needed_from: u64) {
        if let Some(backlog) = &mut self.backlog {
            backlog.trim(needed_from.min(self.offset.saturating_sub(bytes)));
        }
    }

    /// Appends up to `bytes_max` bytes from `from` on; `None` when the backlog does not reach so far back.
    pub(crate) fn copy(&self, from: u64, bytes_max: usize, out: &mut Vec<u8>) -> Option<usize> {
        let backlog = self.backlog.as_ref()?;
        let is_here = (backlog.first()..=backlog.end()).contains(&from);
        is_here.then(|| backlog.copy(from, bytes_max, out))
    }

    /// Whether a replica that has `offset` bytes of the history `id` can go on with this stream.
    pub(crate) fn can_continue(&self, id: &[u8], offset: u64) -> bool {
        let is_ours = id == self.id.as_bytes();
        let is_second = self
            .second
            .as_ref()
            .is_some_and(|second| id == second.id.as_bytes() && offset < second.until);
        let is_here = self
            .backlog
            .as_ref()
            .is_some_and(|backlog| (backlog.first()..=backlog.end()).contains(&offset));
        (is_ours || is_second) && is_here
    }

    // --- a master of Redis

    /// From now on only a master's bytes are the stream. If it is of the same history, `db` is selected where we stand.
    pub(crate) fn relay(&mut self, db: u16) {
        self.is_relaying = true;
        self.selected = Some(db);
    }

    /// The data is that of the history `id` at `offset`, where `db` is selected, and nothing before it is known.
    pub(crate) fn begin_relay(&mut self, id: &str, offset: u64, db: u16) {
        id.clone_into(&mut self.id);
        self.second = None;
        self.offset = offset;
        self.backlog = Some(Backlog::new(offset));
        self.marks.clear();
        self.milestones.clear();
        self.relay(db);
    }

    /// The master goes on where this stream stands, with `db` selected. Whether its history has another name from here
    /// on.
    pub(crate) fn continue_as(&mut self, id: Option<&str>, db: u16) -> bool {
        self.relay(db);
        self.backlog.get_or_insert_with(|| Backlog::new(self.offset));
        match id {
            Some(id) if id != self.id => {
                self.shift(id.to_owned());
                true
            }
            Some(_) | None => false,
        }
    }

    /// Bytes of the master, whose commands have run; `db` is selected behind them.
    pub(crate) fn pass_on(&mut self, bytes: &[u8], db: u16) {
        self.append(bytes);
        self.selected = Some(db);
    }

    /// The database that a replica of this node must have selected in front of what is relayed next.
    pub(crate) fn relayed_db(&self) -> Option<u16> {
        self.selected.filter(|_| self.is_relaying)
    }

    /// This node is the master of what follows.
    pub(crate) fn lead(&mut self) {
        self.is_relaying = false;
        self.selected = None;
        self.shift(random_id());
    }

    fn shift(&mut self, id: String) {
        let id = std::mem::replace(&mut self.id, id);
        self.second = Some(Second { id, until: self.offset + 1 });
    }

    // --- places

    /// A checkpoint begins, that will hold everything up to `op`.
    pub(crate) fn mark(&mut self, op: u64) {
        if self.backlog.is_none() {
            return;
        }
        if self.marks.len() == MARKS_COUNT_MAX {
            self.marks.pop_front();
        }
        self.marks.push_back(Place { op, offset: self.offset });
        self.select_anew();
    }

    /// A replica begins here: the next command is preceded by SELECT, unless the master's bytes are passed on.
    pub(crate) fn select_anew(&mut self) {
        if !self.is_relaying {
            self.selected = None;
        }
    }

    /// Where the stream goes on behind the checkpoint that holds everything up to `op`.
    pub(crate) fn offset_of_checkpoint(&self, op: u64) -> Option<u64> {
        let first = self.backlog.as_ref()?.first();
        let mark = self.marks.iter().rev().find(|mark| mark.op == op)?;
        (mark.offset >= first).then_some(mark.offset)
    }

    /// The place of the newest checkpoint, which may be under way.
    pub(crate) fn newest_mark(&self) -> Option<u64> {
        self.marks.back().map(|mark| mark.offset)
    }

    /// Everything up to `op` is in the stream now.
    pub(crate) fn note_milestone(&mut self, op: u64) {
        if self.backlog.is_none() || self.milestones.back().is_some_and(|place| place.op >= op) {
            return;
        }
        if self.milestones.len() == MILESTONES_COUNT_MAX {
            self.milestones.pop_front();
        }
        self.milestones.push_back(Place { op, offset: self.offset });
    }

    /// An offset whose acknowledgement says that a replica has `op`.
    pub(crate) fn offset_of(&self, op: u64) -> u64 {
        let at = self.milestones.partition_point(|place| place.op < op);
        self.milestones.get(at).map_or(self.offset, |place| place.offset)
    }
}

fn select(out: &mut Vec<u8>, db: u16) {
    translate::command(out, &[b"SELECT", itoa::Buffer::new().format(db).as_bytes()]);
}

#[cfg(test)]
mod tests {
    use store::{Graveyard, Rng};
    use wire::effect::Expiry;

    use super::*;

    fn store() -> Store {
        Store::new(16, Graveyard::immediate(), Rng::new(1))
    }

    fn set(stream: &mut Stream, store: &mut Store, db: u16, key: &str) {
        let effect = Effect::SetString { key: key.as_bytes(), value: b"v", expiry: Expiry::Clear };
        let outcome = store.apply(db, &effect).unwrap();
        stream.note(db, &effect, outcome, Flags::NONE, store);
    }

    /// Commands from `from` on, words parted by spaces.
    fn text(stream: &Stream, from: u64) -> String {
        let mut out = Vec::new();
        stream.copy(from, usize::MAX, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines = text.split("\r\n").filter(|line| !line.starts_with('$') && !line.is_empty());
        lines
            .map(|line| if line.starts_with('*') { "|" } else { line })
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn nothing_is_kept_before_somebody_asks() {
        let (mut stream, mut store) = (Stream::default(), store());
        set(&mut stream, &mut store, 0, "a");
        // The keyspace asks `is_open` first; a note without a backlog leaves no trace either.
        assert_eq!((stream.is_open(), stream.offset()), (false, 0));
        let id = stream.id().to_owned();
        stream.open();
        assert_ne!(stream.id(), id, "a history without a past has a new name");
        assert_eq!(stream.copy(1, 9, &mut Vec::new()), None);
    }

    #[test]
    fn groups_are_transactions_and_databases_are_selected() {
        let (mut stream, mut store) = (Stream::default(), store());
        stream.open();
        set(&mut stream, &mut store, 0, "a");
        stream.begin_group();
        set(&mut stream, &mut store, 0, "b");
        stream.end_group();
        stream.begin_group();
        set(&mut stream, &mut store, 0, "c");
        set(&mut stream, &mut store, 9, "d");
        stream.end_group();
        stream.begin_group();
        stream.end_group();
        set(&mut stream, &mut store, 9, "e");
        stream.mark(7);
        stream.ping();
        set(&mut stream, &mut store, 9, "f");
        assert_eq!(
            text(&stream, 0),
            "| SELECT 0 | SET a v | SET b v | MULTI | SET c v | SELECT 9 | SET d v | EXEC \
             | SET e v | PING | SELECT 9 | SET f v"
        );
        let behind = stream.offset_of_checkpoint(7).unwrap();
        assert_eq!(text(&stream, behind), "| PING | SELECT 9 | SET f v");
        assert_eq!(stream.offset_of_checkpoint(8), None);
    }

    /// Keys that go because they are due need no transaction, and take none away from what comes next.
    #[test]
    fn a_lone_expiry_leaves_the_next_group_whole() {
        let (mut stream, mut store) = (Stream::default(), store());
        for key in ["a", "b"] {
            set(&mut stream, &mut store, 0, key);
        }
        stream.open();
        for key in ["a", "b"] {
            let effect = Effect::Delete { key: key.as_bytes() };
            let outcome = store.apply(0, &effect).unwrap();
            stream.begin_group();
            stream.note(0, &effect, outcome, Flags::EXPIRED, &store);
            stream.end_group();
        }
        stream.begin_group();
        set(&mut stream, &mut store, 0, "c");
        set(&mut stream, &mut store, 0, "d");
        stream.end_group();
        assert_eq!(
            text(&stream, 0),
            "| SELECT 0 | DEL a | DEL b | MULTI | SET c v | SET d v | EXEC"
        );
    }

    /// A master that goes on says nothing of the database that it selected long ago; our own replicas must hear of it.
    #[test]
    fn what_is_selected_is_known_before_the_master_says_anything() {
        let id = "0123456789".repeat(4);
        let mut stream = Stream::default();
        stream.resume(&id, 4711, 5);
        assert_eq!(stream.relayed_db(), None, "no master is followed yet");
        stream.relay(5);
        assert_eq!(stream.relayed_db(), Some(5));
        assert!(!stream.continue_as(Some(&id), 5));
        stream.select_anew();
        assert_eq!(stream.relayed_db(), Some(5));
        stream.begin_relay(&id, 9, 3);
        assert_eq!(stream.relayed_db(), Some(3));
        stream.pass_on(b"PING", 4);
        assert_eq!(stream.relayed_db(), Some(4));
        stream.lead();
        assert_eq!(stream.relayed_db(), None, "its own commands are preceded by SELECT");
    }

    #[test]
    fn a_replica_goes_on_where_the_backlog_reaches() {
        let (mut stream, mut store) = (Stream::default(), store());
        stream.open();
        for number in 0..10_000 {
            set(&mut stream, &mut store, 0, &number.to_string());
        }
        let (id, end) = (stream.id().as_bytes().to_vec(), stream.offset());
        assert!(stream.can_continue(&id, 0) && stream.can_continue(&id, end));
        assert!(!stream.can_continue(&id, end + 1) && !stream.can_continue(b"other", end));
        stream.trim(1, 70_000);
        assert!(stream.can_continue(&id, 70_000), "somebody needs it");
        stream.trim(1, end);
        assert!(!stream.can_continue(&id, 70_000) && stream.can_continue(&id, end));
    }

    #[test]
    fn an_op_is_acknowledged_by_an_offset_behind_it() {
        let (mut stream, mut store) = (Stream::default(), store());
        stream.open();
        for op in 1..=3u64 {
            set(&mut stream, &mut store, 0, "k");
            stream.note_milestone(op * 10);
        }
        let end = stream.offset();
        assert_eq!(stream.offset_of(30), end);
        assert!(stream.offset_of(11) < end && stream.offset_of(11) == stream.offset_of(20));
        assert_eq!(stream.offset_of(31), end);
    }
}
