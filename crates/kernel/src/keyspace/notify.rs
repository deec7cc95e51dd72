//! Keyspace events: telling subscribers what commands, expiry and eviction do to keys.
//!
//! ```text
//!   command --notify(class, event, key)--> pending --end of the command--> __keyspace@<db>__:<key>   event
//!                  |                                                       __keyevent@<db>__:<event> key
//!                  `- class not in notify-keyspace-events: nothing happens, at the cost of one test of a bit
//! ```
//!
//! A keyspace knows no subscribers: it queues what is to be told, and the shell publishes it when the command has
//! ended, before a PUBLISH of the same transaction, and between the commands of EXEC. So a client that listens to
//! itself hears of its own change behind the reply, and everybody hears in the order in which things happened.
//!
//! Invariants
//! - With the parameter empty the queue stays empty.
//! - An event is queued after the change that it tells of.

use wire::effect::Effect;

use super::Keyspace;

/// The classes of `notify-keyspace-events`, each with its letter there. (`d`, events of modules, never happen here.)
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    Generic,
    String,
    List,
    Set,
    Hash,
    Zset,
    Expired,
    Evicted,
    Stream,
    /// A client looked for a key that is not there.
    KeyMiss,
    /// A key came into being; told before what was done to it.
    New,
}

impl Class {
    const LETTERS: [(char, Class); 11] = [
        ('g', Class::Generic),
        ('$', Class::String),
        ('l', Class::List),
        ('s', Class::Set),
        ('h', Class::Hash),
        ('z', Class::Zset),
        ('x', Class::Expired),
        ('e', Class::Evicted),
        ('t', Class::Stream),
        ('m', Class::KeyMiss),
        ('n', Class::New),
    ];

    const fn bit(self) -> u16 {
        1 << self as u16
    }

    /// `A` stands for all classes but these two.
    fn is_in_all(self) -> bool {
        !matches!(self, Class::KeyMiss | Class::New)
    }
}

/// Which events are told, and under which kinds of channel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Wanted {
    /// Bits of classes; none when neither kind of channel is wanted.
    classes: u16,
    /// `K`: `__keyspace@<db>__:<key>`.
    pub(crate) by_key: bool,
    /// `E`: `__keyevent@<db>__:<event>`.
    pub(crate) by_event: bool,
}

impl Wanted {
    /// From the letters of `notify-keyspace-events`; the configuration has checked them.
    pub(crate) fn parse(letters: &str) -> Wanted {
        let (by_key, by_event) = (letters.contains('K'), letters.contains('E'));
        let is_all = letters.contains('A');
        let is_wanted = |(letter, class): &&(char, Class)| {
            letters.contains(*letter) || (is_all && class.is_in_all())
        };
        let bits = Class::LETTERS.iter().filter(is_wanted).map(|(_, class)| class.bit());
        let classes = if by_key || by_event { bits.sum() } else { 0 };
        Wanted { classes, by_key, by_event }
    }
}

/// One event that is to be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Notice {
    pub(crate) db: u16,
    pub(crate) event: &'static str,
    pub(crate) key: Box<[u8]>,
}

/// Events that have happened and are not told yet.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    wanted: Wanted,
    pending: Vec<Notice>,
    /// The running command has removed the key that it writes next: Redis overwrites, so the key is not new.
    is_overwriting: bool,
}

impl Notices {
    #[inline]
    pub(super) fn wants(&self, class: Class) -> bool {
        self.wanted.classes & class.bit() != 0
    }

    #[inline]
    pub(super) fn add(&mut self, db: u16, class: Class, event: &'static str, key: &[u8]) {
        if self.wants(class) {
            self.push(db, event, key);
        }
    }

    #[cold]
    fn push(&mut self, db: u16, event: &'static str, key: &[u8]) {
        self.pending.push(Notice { db, event, key: key.into() });
    }
}

impl Keyspace {
    /// Tells subscribers of an event in the selected database. Call it where Redis does: after the change, once for
    /// each key and event, also when a command needed several effects.
    #[inline]
    pub(crate) fn notify(&mut self, class: Class, event: &'static str, key: &[u8]) {
        self.notices.add(self.db, class, event, key);
    }

    /// Whether somebody may be told of such events.
    #[inline]
    pub(crate) fn wants(&self, class: Class) -> bool {
        self.notices.wants(class)
    }

    /// The same for a key of another database (COPY, MOVE).
    #[inline]
    pub(crate) fn notify_in(&mut self, db: u16, class: Class, event: &'static str, key: &[u8]) {
        self.notices.add(db, class, event, key);
    }

    /// Tells of `event`, which took elements away, and of `del` if it was the last one.
    #[inline]
    pub(crate) fn notify_removal(&mut self, class: Class, event: &'static str, key: &[u8]) {
        self.notify(class, event, key);
        if self.notices.wants(Class::Generic) && self.visible(self.db, key).is_none() {
            self.notify(Class::Generic, "del", key);
        }
    }

    /// Tells of a result that was stored under `key`: `event`, or `del` if the result was empty and took the place of
    /// something.
    pub(crate) fn notify_stored(
        &mut self,
        class: Class,
        event: &'static str,
        key: &[u8],
        stored: Stored,
    ) {
        self.notices.is_overwriting = false;
        match stored {
            Stored::Something => self.notify(class, event, key),
            Stored::NothingInPlaceOfSomething => self.notify(Class::Generic, "del", key),
            Stored::Nothing => {}
        }
    }

    /// Removes what is there under a key that the command writes next, or leaves empty, and tells of with
    /// [`Keyspace::notify_stored`]; returns whether there was something. Subscribers hear of the overwriting only.
    /// What nothing follows (`leaves_nothing`) is removed as it is: a key that is due does not expire before.
    pub(crate) fn make_way(&mut self, key: &[u8], leaves_nothing: bool) -> bool {
        let was_there = if leaves_nothing {
            self.store.db(self.db).get(key).is_some()
        } else {
            self.peek_entry(key).is_some()
        };
        if was_there {
            self.apply(Effect::Delete { key });
            self.notices.is_overwriting = self.notices.wants(Class::New);
        }
        was_there
    }

    pub(crate) fn set_wanted(&mut self, wanted: Wanted) {
        self.notices.wanted = wanted;
    }

    pub(crate) fn wanted(&self) -> Wanted {
        self.notices.wanted
    }

    /// Whether subscribers, or clients that track keys, are to be told something.
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        !self.notices.pending.is_empty() || self.interest.has_changes()
    }

    pub(crate) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices.pending)
    }

    /// The key that an effect is about to bring into being, if somebody wants to know.
    #[inline]
    pub(super) fn foresee_new<'e>(
        &mut self,
        db: u16,
        effect: &'e Effect<'_>,
    ) -> Option<(u16, &'e [u8])> {
        if !self.notices.wants(Class::New) {
            return None;
        }
        let is_overwriting = std::mem::take(&mut self.notices.is_overwriting);
        let (db, key) = written(db, effect)?;
        // What RENAME and COPY replace is removed first, also in Redis.
        let is_replacing = matches!(effect, Effect::Rename { .. } | Effect::Copy { .. });
        let is_new = !is_overwriting && self.store.db(db).get(key).is_none();
        (is_replacing || is_new).then_some((db, key))
    }
}

/// What a command that stores its result has stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stored {
    Something,
    Nothing,
    NothingInPlaceOfSomething,
}

impl Stored {
    pub(crate) fn of(is_empty: bool, was_there: bool) -> Stored {
        match (is_empty, was_there) {
            (false, _) => Stored::Something,
            (true, true) => Stored::NothingInPlaceOfSomething,
            (true, false) => Stored::Nothing,
        }
    }
}

/// The key that is there when an effect that can create one is done. Effects that only ever change or remove what is
/// there have none.
fn written<'e>(db: u16, effect: &'e Effect<'_>) -> Option<(u16, &'e [u8])> {
    match effect {
        Effect::Rename { to, .. } => Some((db, to)),
        Effect::Copy { to_db, to, .. } => Some((*to_db, to)),
        Effect::Move { key, to_db } => Some((*to_db, key)),
        Effect::SetString { key, .. }
        | Effect::Append { key, .. }
        | Effect::SetRange { key, .. }
        | Effect::IncrBy { key, .. }
        | Effect::ListPush { key, .. }
        | Effect::HashSet { key, .. }
        | Effect::SetAdd { key, .. }
        | Effect::ZsetAdd { key, .. }
        | Effect::StreamAdd { key, .. }
        | Effect::StreamAddNode { key, .. }
        | Effect::StreamSet { key, .. }
        | Effect::StreamSetGroup { key, .. } => Some((db, key)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use store::{Graveyard, Rng, Store};
    use wire::effect::Expiry;

    use super::*;

    fn keyspace(letters: &str) -> Keyspace {
        let store = Store::new(2, Graveyard::immediate(), Rng::new(1));
        let mut keys = Keyspace::new(store, Rng::new(1));
        keys.set_wanted(Wanted::parse(letters));
        keys
    }

    fn told(keys: &mut Keyspace) -> Vec<(u16, &'static str)> {
        keys.take_notices().into_iter().map(|notice| (notice.db, notice.event)).collect()
    }

    #[test]
    fn only_what_the_letters_name_is_queued() {
        for (letters, is_queued) in
            [("KEg", true), ("Kg", true), ("EA", true), ("g", false), ("KE$", false), ("", false)]
        {
            let mut keys = keyspace(letters);
            keys.notify(Class::Generic, "del", b"k");
            assert_eq!(keys.has_news(), is_queued, "{letters}");
        }
        let mut keys = keyspace("KEA");
        keys.notify(Class::KeyMiss, "keymiss", b"k");
        keys.notify(Class::New, "new", b"k");
        assert!(!keys.has_news(), "these two must be named");
    }

    #[test]
    fn a_key_is_new_once() {
        let mut keys = keyspace("KEn");
        let set = Effect::SetString { key: b"k", value: b"v", expiry: Expiry::Clear };
        keys.apply(set.clone());
        keys.apply(set.clone());
        assert_eq!(told(&mut keys), [(0, "new")]);
        assert!(keys.make_way(b"k", false));
        keys.apply(set);
        assert_eq!(told(&mut keys), [], "it was overwritten");
        keys.apply(Effect::Move { key: b"k", to_db: 1 });
        assert_eq!(told(&mut keys), [(1, "new")]);
    }

    #[test]
    fn the_last_element_takes_the_key_with_it() {
        let mut keys = keyspace("KEA");
        keys.apply(Effect::SetAdd { key: b"s", members: vec![b"a", b"b"] });
        keys.apply(Effect::SetRemove { key: b"s", members: vec![b"a"] });
        keys.notify_removal(Class::Set, "srem", b"s");
        assert_eq!(told(&mut keys), [(0, "srem")]);
        keys.apply(Effect::SetRemove { key: b"s", members: vec![b"b"] });
        keys.notify_removal(Class::Set, "srem", b"s");
        assert_eq!(told(&mut keys), [(0, "srem"), (0, "del")]);
    }
}
