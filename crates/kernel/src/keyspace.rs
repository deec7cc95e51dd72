//! The keyspace as a command sees it: the selected database at the time of the turn.
//!
//! ```text
//!   command --string(key), list(key), ...--> Store          what is there
//!           --apply(effect)----------------> Store          change it
//!                                            log::Appender  write it down
//!                                            Interest       tell who watches or waits
//!           --notify(class, event, key)----> Notices        tell who subscribed to keyspace events
//! ```
//!
//! Three ways to look, for each type `T` and untyped:
//! - `list(key)`: a client reads; counts a hit or miss, and touches the entry's LRU or LFU clock.
//! - `peek_list(key)`: a writer looks before it changes; neither counted nor touched.
//! - `view_list(key)`: the same through `&self`, for several keys at once; a due key is invisible, but
//!   stays (call `settle(key)` first to have it removed).
//!
//! Invariants
//! - `apply` is the only way to change data, and every change is in the log.
//! - A due key is never visible. A master deletes the due keys that it meets; a replica, and a
//!   master whose writes are held, leave them alone.

mod cleanup;
mod interest;
mod log;
mod look;
mod notify;
mod parts;

use std::collections::HashSet;

use base::UnixMs;
use binlog::Appender;
use store::evict::Evictor;
use store::expire::{Expirer, FieldExpirer};
use store::{Access, Outcome, Place, Rng, Store, StringRef, Temporary};
use wire::effect::Effect;
use wire::record::Flags;

use crate::client::{Session, Transaction};
use crate::command::Awaited;
use crate::interop::Stream;
pub(crate) use interest::Interest;
pub(crate) use notify::{Class, Notice, Stored, Wanted};
pub(crate) use parts::{TOO_LARGE, in_parts};

/// Buckets moved per step in each table of one group of slots that is being resized.
const RESIZE_BUCKETS: u32 = 8;

/// What happened in a keyspace, for INFO.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    pub hits: u64,
    pub misses: u64,
    pub expired: u64,
    /// Fields of hashes.
    pub expired_fields: u64,
    pub evicted: u64,
    /// Effects applied: `rdb_changes_since_last_save` counts from here.
    pub changes: u64,
}

/// The data of the node, seen from the selected db at the time of the command.
#[derive(Debug)]
pub struct Keyspace {
    store: Store,
    log: Option<Appender>,
    now: UnixMs,
    db: u16,
    /// The running client's look-ups touch no clocks (CLIENT NO-TOUCH).
    no_touch: bool,
    /// A script runs: what it sees is in an order, where a client sees none.
    pub(crate) is_for_script: bool,
    is_replica: bool,
    /// The running command is the master's: what is due goes when the master says so.
    sees_due: bool,
    /// The running command is a write of a client to a replica: what is due in its way goes.
    pub(crate) removes_due: bool,
    /// DEBUG SET-SKIP-CHECKSUM-VALIDATION: RESTORE takes payloads with a wrong checksum.
    pub(crate) skips_checksums: bool,
    /// Nothing may change but by the running command: a fence or a pause holds writes.
    is_still: bool,
    /// At the beginning of the turn the log took what is written.
    is_log_sound: bool,
    /// See [`Keyspace::is_abandoned`].
    is_abandoned: bool,
    rng: Rng,
    tally: Tally,
    expirer: Expirer,
    field_expirer: FieldExpirer,
    evictor: Evictor,
    /// Keys of a replica that its own clients have given a deadline: no master will say that they are due.
    own_deadlines: HashSet<(u16, Box<[u8]>)>,
    /// See [`Keyspace::buried_bytes`].
    buried_bytes: u64,
    pub(crate) interest: Interest,
    notices: notify::Notices,
    /// What replicas of Redis are sent.
    stream: Stream,
}

impl Keyspace {
    /// A master's keyspace over `store` that keeps no log.
    pub fn new(store: Store, rng: Rng) -> Keyspace {
        Keyspace {
            store,
            log: None,
            now: UnixMs(0),
            db: 0,
            no_touch: false,
            is_for_script: false,
            is_replica: false,
            sees_due: false,
            removes_due: false,
            skips_checksums: false,
            is_still: false,
            is_log_sound: true,
            is_abandoned: false,
            rng,
            tally: Tally::default(),
            expirer: Expirer::default(),
            field_expirer: FieldExpirer::default(),
            evictor: Evictor::default(),
            own_deadlines: HashSet::new(),
            buried_bytes: 0,
            interest: Interest::default(),
            notices: notify::Notices::default(),
            stream: Stream::default(),
        }
    }

    /// Wall time of the turn: the same for every command in it.
    #[inline]
    pub fn now(&self) -> UnixMs {
        self.now
    }

    /// The selected database.
    #[inline]
    pub fn db(&self) -> u16 {
        self.db
    }

    pub fn databases(&self) -> u16 {
        self.store.databases()
    }

    /// The data, for commands that look at more than a key (SCAN, DBSIZE, RANDOMKEY, INFO).
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// For loading, snapshots and settings; commands use [`Keyspace::apply`].
    pub fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    pub(crate) fn stream_mut(&mut self) -> &mut Stream {
        &mut self.stream
    }

    /// Holds what a command makes on its way to a result; it is freed in the background if that takes long.
    #[inline]
    pub(crate) fn temporary<T: Send + 'static>(&self, items: Vec<T>) -> Temporary<T> {
        self.store.graveyard().temporary(items)
    }

    /// Frees what a command has made, elsewhere if it consists of so many allocations that it takes long.
    #[inline]
    pub(crate) fn discard(&self, garbage: impl Send + 'static, allocations: usize) {
        self.store.graveyard().discard(garbage, allocations);
    }

    /// Puts another store in place of the data: whatever clients watch has changed, what they wait for may be there.
    pub(crate) fn put_store(&mut self, fresh: Store) -> Store {
        for db in 0..self.databases() {
            let watched: Vec<Box<[u8]>> = self.interest.watched_keys(db).map(Box::from).collect();
            watched.iter().for_each(|key| self.interest.changed(db, key));
            self.interest.arrived_all(db);
        }
        std::mem::replace(&mut self.store, fresh)
    }

    /// Chance for commands like SPOP and RANDOMKEY.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// Data and chance side by side.
    pub fn store_and_rng(&mut self) -> (&Store, &mut Rng) {
        (&self.store, &mut self.rng)
    }

    pub fn tally(&self) -> Tally {
        self.tally
    }

    pub fn reset_tally(&mut self) {
        self.tally = Tally { changes: self.tally.changes, ..Tally::default() };
    }

    /// A replica changes nothing by itself: expired keys are invisible to it, but stay until its
    /// master deletes them.
    #[inline]
    pub fn is_replica(&self) -> bool {
        self.is_replica
    }

    pub fn set_replica(&mut self, is_replica: bool) {
        self.is_replica = is_replica;
        self.own_deadlines.clear();
    }

    /// Whether what is written now reaches the disk; see [`Keyspace::log_trouble`].
    #[inline]
    pub(crate) fn is_log_sound(&self) -> bool {
        self.is_log_sound
    }

    /// Whether due keys may be deleted and victims evicted, though no client asks for it.
    #[inline]
    pub(crate) fn may_clean_up(&self) -> bool {
        !self.is_replica && !self.is_still && self.is_log_sound
    }

    // --- the turn

    /// The time of the turn, and whether only commands may change anything in it.
    pub(crate) fn begin_turn(&mut self, now: UnixMs, is_still: bool) {
        self.hold_still(is_still);
        self.is_log_sound = self.log.as_ref().is_none_or(|log| log.log().is_sound());
        if now != self.now {
            self.now = now;
            let access = Access { now, ..*self.store.access() };
            self.store.set_access(access);
        }
    }

    /// Whether from now on only commands may change anything.
    #[inline]
    pub(crate) fn hold_still(&mut self, is_still: bool) {
        self.is_still = is_still;
    }

    /// What follows is about this database.
    #[inline]
    pub(crate) fn select(&mut self, db: u16) {
        self.db = db;
    }

    /// What follows is done for this client.
    #[inline]
    pub(crate) fn serve(&mut self, session: &Session) {
        self.db = session.db;
        self.no_touch = session.no_touch;
        self.sees_due = session.is_master;
    }

    /// Stage one of a prefetch: computes where `key` belongs and fetches the head of its table.
    #[inline]
    pub(crate) fn prefetch_table(&self, db: u16, key: &[u8]) -> Place {
        let place = Place::of(key);
        self.store.db(db).prefetch_table(place.slot);
        place
    }

    /// Stage two: the bucket.
    #[inline]
    pub(crate) fn prefetch_bucket(&self, db: u16, place: Place) {
        self.store.db(db).prefetch_bucket(place);
    }

    /// Stage three: the entries that the bucket points to.
    #[inline]
    pub(crate) fn prefetch_entry(&self, db: u16, place: Place) {
        self.store.db(db).prefetch_entry(place);
    }

    /// A share of the work that tables have put off.
    pub(crate) fn housekeep(&mut self) {
        self.store.step(RESIZE_BUCKETS);
    }

    // --- changing

    /// Changes the selected database, writes the effect down, and wakes who is interested. The
    /// command has looked before, so the effect fits the data.
    #[expect(clippy::needless_pass_by_value, reason = "commands build an effect to apply it")]
    pub fn apply(&mut self, effect: Effect<'_>) -> Outcome {
        self.apply_in(self.db, &effect, Flags::NONE)
    }

    pub(crate) fn apply_in(&mut self, db: u16, effect: &Effect<'_>, flags: Flags) -> Outcome {
        if self.interest.has_watched() {
            self.note_before(db, effect);
        }
        let new = self.foresee_new(db, effect);
        let outcome = self.put_down(db, effect, flags);
        self.interest.set_by_client(flags == Flags::NONE);
        self.note_after(db, effect);
        if self.is_replica && !self.sees_due {
            self.note_own_deadline(db, effect);
        }
        if let Some((db, key)) = new {
            self.notify_in(db, Class::New, "new", key);
        }
        outcome
    }

    /// Changes the form in which a value is kept, and not the value: written down, but nobody is told.
    pub(crate) fn apply_unheard(&mut self, effect: &Effect<'_>) {
        self.put_down(self.db, effect, Flags::NONE);
    }

    /// Changes the data, and writes the effect down for the log and for replicas of Redis.
    #[inline]
    fn put_down(&mut self, db: u16, effect: &Effect<'_>, flags: Flags) -> Outcome {
        let outcome = self
            .store
            .apply(db, effect)
            .unwrap_or_else(|error| panic!("a command did not look before {effect:?}: {error}"));
        self.tally.changes += 1;
        if let Some(log) = &mut self.log {
            log.append(flags, db, self.now, |out| effect.encode(out));
        }
        if self.stream.is_open() {
            self.stream.note(db, effect, outcome, flags, &self.store);
        }
        outcome
    }

    /// Makes a string one that is edited in place (OBJECT ENCODING: raw), as Redis does with every string that a command
    /// for bits or sketches may write to, also when it then writes nothing. The value stays, so nobody is told.
    pub(crate) fn make_editable(&mut self, key: &[u8]) {
        let Ok(Some(string)) = self.peek_string(key) else { return };
        if matches!(string, StringRef::Bytes { is_edited: true, .. }) {
            return;
        }
        let mut room = itoa::Buffer::new();
        let Some(first) = string.text(&mut room).first().copied() else { return };
        let effect = Effect::SetRange { key, offset: 0, value: &[first] };
        self.store.apply(self.db, &effect).expect("the key holds a string");
        if let Some(log) = &mut self.log {
            log.append(Flags::NONE, self.db, self.now, |out| effect.encode(out));
        }
    }

    /// Applies an effect that comes from the log: of the master, or of this node's own past. It is
    /// not written down again.
    pub fn replay(&mut self, db: u16, effect: &Effect<'_>) -> Result<Outcome, store::ApplyError> {
        if self.interest.has_watched() {
            self.note_before(db, effect);
        }
        let outcome = self.store.apply(db, effect)?;
        self.tally.changes += 1;
        self.note_after(db, effect);
        Ok(outcome)
    }

    /// Changes of whole databases: which watched keys will they change?
    fn note_before(&mut self, db: u16, effect: &Effect<'_>) {
        let dbs = match effect {
            Effect::FlushDb => vec![db],
            Effect::FlushAll => (0..self.databases()).collect(),
            Effect::SwapDb { a, b } => vec![*a, *b],
            _ => return,
        };
        for db in dbs {
            let watched: Vec<Box<[u8]>> = self.interest.watched_keys(db).map(Box::from).collect();
            for key in watched {
                let is_there = match effect {
                    Effect::SwapDb { a, b } => {
                        [a, b].into_iter().any(|db| self.store.db(*db).get(&key).is_some())
                    }
                    _ => self.store.db(db).get(&key).is_some(),
                };
                if is_there {
                    self.interest.touched(db, &key);
                }
            }
        }
    }

    /// Tells who watches or waits for the keys of an effect.
    #[inline]
    fn note_after(&mut self, db: u16, effect: &Effect<'_>) {
        if self.interest.is_empty() {
            return;
        }
        let interest = &mut self.interest;
        match effect {
            Effect::Rename { from, to } => {
                interest.changed(db, from);
                interest.arrived(db, from);
                interest.changed(db, to);
                interest.arrived(db, to);
            }
            Effect::Copy { to_db, to, .. } => {
                interest.changed(*to_db, to);
                interest.arrived(*to_db, to);
            }
            Effect::Move { key, to_db } => {
                interest.changed(db, key);
                interest.arrived(db, key);
                interest.changed(*to_db, key);
                interest.arrived(*to_db, key);
            }
            Effect::FlushDb => {
                interest.flushed();
                interest.arrived_all(db);
            }
            Effect::FlushAll => {
                interest.flushed();
                (0..self.store.databases()).for_each(|db| interest.arrived_all(db));
            }
            Effect::FunctionLoad { .. } | Effect::FunctionDelete { .. } | Effect::FunctionFlush => {
            }
            Effect::SwapDb { a, b } => {
                interest.arrived_all(*a);
                interest.arrived_all(*b);
            }
            Effect::ListPush { key, .. }
            | Effect::ZsetAdd { key, .. }
            | Effect::StreamAdd { key, .. }
            | Effect::StreamAddNode { key, .. } => {
                interest.changed(db, key);
                interest.arrived(db, key);
            }
            Effect::Delete { key } | Effect::SetString { key, .. } => {
                interest.changed(db, key);
                interest.arrived(db, key);
            }
            Effect::ExpireAt { key, .. }
            | Effect::Persist { key }
            | Effect::SetClock { key, .. }
            | Effect::Append { key, .. }
            | Effect::SetRange { key, .. }
            | Effect::IncrBy { key, .. }
            | Effect::ListPop { key, .. }
            | Effect::ListSet { key, .. }
            | Effect::ListInsert { key, .. }
            | Effect::ListTrim { key, .. }
            | Effect::ListRemove { key, .. }
            | Effect::HashSet { key, .. }
            | Effect::HashSetAndKeep { key, .. }
            | Effect::HashDelete { key, .. }
            | Effect::HashExpire { key, .. }
            | Effect::HashPersist { key, .. }
            | Effect::SetAdd { key, .. }
            | Effect::SetRemove { key, .. }
            | Effect::ZsetRemove { key, .. }
            | Effect::StreamDelete { key, .. }
            | Effect::StreamTrim { key, .. } => interest.changed(db, key),
            // To WATCH and to caches a stream is its entries, as in Redis: groups may read on.
            Effect::StreamRemoveGroup { key, .. } => interest.arrived(db, key),
            Effect::StreamSet { .. }
            | Effect::StreamSetGroup { .. }
            | Effect::StreamSetConsumer { .. }
            | Effect::StreamRemoveConsumer { .. }
            | Effect::StreamDeliver { .. }
            | Effect::StreamClaim { .. }
            | Effect::StreamAck { .. } => {}
        }
    }

    // --- transactions and blocking

    /// Lets go of commands that will not run.
    pub(crate) fn forget_queue(&self, transaction: Transaction) {
        self.store.graveyard().discard_vec(transaction.queue);
    }

    /// Forgets the keys that a client watches, and what happened to them.
    pub(crate) fn unwatch(&mut self, session: &mut Session) {
        for watched in session.watched.drain(..) {
            self.interest.unwatch(watched.db, &watched.key, session.token);
        }
        self.interest.mend(session.token);
    }

    /// Whether a client that waits for `awaited` under this key may go on. A key that is due by now is met here, and
    /// goes, so that replicas lose it at once.
    pub(crate) fn is_served(&mut self, db: u16, key: &[u8], awaited: Awaited) -> bool {
        self.settle_in(db, key);
        let kind = self.visible(db, key).map(store::Entry::kind);
        match awaited {
            Awaited::List => kind == Some(store::Kind::List),
            Awaited::Zset => kind == Some(store::Kind::Zset),
            Awaited::Stream => kind == Some(store::Kind::Stream),
            // It hears of it when its group is gone, whatever is there instead.
            Awaited::Group => true,
        }
    }

    /// A consumer of a group has asked for entries; see [`Store::see_consumer`].
    pub(crate) fn see_consumer(&mut self, key: &[u8], group: &[u8], consumer: &[u8]) {
        self.store.see_consumer(self.db, key, group, consumer, self.now);
    }
}
