//! Looking at keys. See the module above for the three ways.

use base::UnixMs;
use store::hash::Visible;
use store::{Entry, List, Place, Set, Stream, StringRef, Value, Zset};
use wire::resp::reply::ErrorReply;

use super::{Class, Keyspace};
use crate::command::Stop;

/// The typed looks of one type: `$read`, `$peek`, `$view`.
macro_rules! typed {
    ($read:ident, $peek:ident, $view:ident, $variant:ident, $type:ty) => {
        #[doc = concat!("Reads a ", stringify!($variant), ": counted and touched.")]
        #[inline]
        pub fn $read(&mut self, key: &[u8]) -> Result<Option<$type>, Stop> {
            match self.value(key) {
                None => Ok(None),
                Some(Value::$variant(value)) => Ok(Some(value)),
                Some(_) => Err(Stop::Error(ErrorReply::WRONG_TYPE)),
            }
        }

        #[doc = concat!("Looks at a ", stringify!($variant), ", neither counted nor touched.")]
        #[inline]
        pub fn $peek(&mut self, key: &[u8]) -> Result<Option<$type>, Stop> {
            self.settle(key);
            self.$view(key)
        }

        #[doc = concat!("Looks at a ", stringify!($variant), " beside others.")]
        #[inline]
        pub fn $view(&self, key: &[u8]) -> Result<Option<$type>, Stop> {
            match self.view_value(key) {
                None => Ok(None),
                Some(Value::$variant(value)) => Ok(Some(value)),
                Some(_) => Err(Stop::Error(ErrorReply::WRONG_TYPE)),
            }
        }
    };
}

impl Keyspace {
    typed!(string, peek_string, view_string, String, StringRef<'_>);
    typed!(list, peek_list, view_list, List, &List);
    typed!(set, peek_set, view_set, Set, &Set);
    typed!(zset, peek_zset, view_zset, Zset, &Zset);
    typed!(read_stream, peek_stream, view_stream, Stream, &Stream);

    /// Reads a hash, of which due fields are invisible: counted and touched.
    #[inline]
    pub fn hash(&mut self, key: &[u8]) -> Result<Option<Visible<'_>>, Stop> {
        let now = self.now;
        match self.value(key) {
            None => Ok(None),
            Some(Value::Hash(hash)) => Ok(Some(hash.at(now))),
            Some(_) => Err(Stop::Error(ErrorReply::WRONG_TYPE)),
        }
    }

    /// Looks at a hash, neither counted nor touched.
    #[inline]
    pub fn peek_hash(&mut self, key: &[u8]) -> Result<Option<Visible<'_>>, Stop> {
        self.settle(key);
        match self.view_value(key) {
            None => Ok(None),
            Some(Value::Hash(hash)) => Ok(Some(hash.at(self.now))),
            Some(_) => Err(Stop::Error(ErrorReply::WRONG_TYPE)),
        }
    }

    /// Reads a value of any type: counted and touched.
    #[inline]
    pub fn value(&mut self, key: &[u8]) -> Option<Value<'_>> {
        let (db, place) = (self.db, Place::of(key));
        if !self.is_visible(db, place, key) {
            self.tally.misses += 1;
            self.notify(Class::KeyMiss, "keymiss", key);
            return None;
        }
        let entry = if self.no_touch {
            self.store.db(db).get_at(place, key)
        } else {
            self.store.touch_at(db, place, key)
        };
        match entry {
            Some(_) => self.tally.hits += 1,
            None => {
                self.tally.misses += 1;
                self.notices.add(db, Class::KeyMiss, "keymiss", key);
            }
        }
        entry.map(Entry::value)
    }

    /// Looks at a value of any type, neither counted nor touched.
    pub fn peek_value(&mut self, key: &[u8]) -> Option<Value<'_>> {
        self.settle(key);
        self.view_value(key)
    }

    /// Looks at a value of any type beside others.
    #[inline]
    pub fn view_value(&self, key: &[u8]) -> Option<Value<'_>> {
        self.visible(self.db, key).map(Entry::value)
    }

    /// The whole entry with its expiry and clock, neither counted nor touched.
    pub fn peek_entry(&mut self, key: &[u8]) -> Option<&Entry> {
        self.settle(key);
        self.visible(self.db, key)
    }

    /// The whole entry for a client that asks about the key, not for its value (EXISTS, TYPE, TTL): counted, not
    /// touched.
    pub fn look(&mut self, key: &[u8]) -> Option<&Entry> {
        self.settle(key);
        let (db, now) = (self.db, self.now);
        let is_alive = |entry: &&Entry| entry.expiry().is_none_or(|expiry| expiry > now);
        let entry = self.store.db(db).get(key).filter(is_alive);
        match entry {
            Some(_) => self.tally.hits += 1,
            None => {
                self.tally.misses += 1;
                self.notices.add(db, Class::KeyMiss, "keymiss", key);
            }
        }
        entry
    }

    /// Whether the key is there in another database (COPY, MOVE): neither counted nor touched.
    pub fn exists_in(&mut self, db: u16, key: &[u8]) -> bool {
        self.is_visible(db, Place::of(key), key) && self.store.db(db).get(key).is_some()
    }

    /// The expiry of a key that is there; neither counted nor touched.
    pub fn peek_expiry(&mut self, key: &[u8]) -> Option<Option<UnixMs>> {
        self.peek_entry(key).map(Entry::expiry)
    }

    /// Removes the key if it is due, where that is this node's to do.
    #[inline]
    pub fn settle(&mut self, key: &[u8]) {
        self.settle_in(self.db, key);
    }

    /// [`Keyspace::settle`] in another database than the selected one.
    #[inline]
    pub(crate) fn settle_in(&mut self, db: u16, key: &[u8]) {
        self.is_visible(db, Place::of(key), key);
    }

    /// Whether the key is there, but due.
    pub(crate) fn is_expired(&self, db: u16, key: &[u8]) -> bool {
        self.store.db(db).get(key).is_some_and(|entry| self.is_due(entry))
    }

    /// The entry unless it is due.
    #[inline]
    pub(crate) fn visible(&self, db: u16, key: &[u8]) -> Option<&Entry> {
        self.store.db(db).get(key).filter(|entry| !self.is_due(entry))
    }

    /// `false` for a due key, which is removed if that is this node's to do; a missing key counts as
    /// visible. Databases without volatile keys are not even looked at.
    #[inline]
    fn is_visible(&mut self, db: u16, place: Place, key: &[u8]) -> bool {
        if self.store.db(db).volatile_len() == 0 {
            return true;
        }
        let is_due = self.store.db(db).get_at(place, key).is_some_and(|entry| self.is_due(entry));
        if is_due && (self.may_clean_up() || self.removes_due) {
            self.delete_due(db, key);
        }
        !is_due
    }

    /// Whether a key of this expiry is gone for the running command. For a command of the master nothing is: the
    /// commands that it sends next may be about the key, and its DEL comes behind them.
    #[inline]
    pub(crate) fn is_past(&self, expiry: UnixMs) -> bool {
        expiry <= self.now && !self.sees_due
    }

    #[inline]
    fn is_due(&self, entry: &Entry) -> bool {
        entry.expiry().is_some_and(|expiry| self.is_past(expiry))
    }
}
