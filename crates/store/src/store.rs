//! The store: all databases of a shard, and the doors to them.
//!
//! Reading goes through [`Store::db`] or [`Store::touch`], changing only through [`Store::apply`]
//! (a command, a replica and log replay alike) and [`Store::load`] (a snapshot file).

use base::UnixMs;
use wire::effect::Effect;

use crate::access::Access;
use crate::apply::{ApplyError, Outcome};
use crate::db::Db;
use crate::dict::Entry;
use crate::environment::Environment;
use crate::graveyard::Graveyard;
use crate::libraries::Libraries;
use crate::rng::Rng;
use crate::slots::Place;
use crate::snapshot::{Capture, Progress, SnapshotRunning, SnapshotSink};
use crate::thresholds::Thresholds;
use crate::value::Body;

/// Databases unless the setting says otherwise.
pub const DATABASES_DEFAULT: u16 = 16;

/// All databases of a shard.
#[derive(Debug)]
pub struct Store {
    pub(crate) dbs: Vec<Db>,
    pub(crate) env: Environment,
    pub(crate) libraries: Libraries,
    /// Group of slots whose tables [`Store::step`] looks at next.
    step_group: usize,
}

impl Store {
    /// `databases` is 1 to [`base::limits::DATABASES_MAX`].
    pub fn new(databases: u16, graveyard: Graveyard, rng: Rng) -> Store {
        assert!(
            (1..=base::limits::DATABASES_MAX).contains(&databases),
            "the setting was checked: {databases} databases"
        );
        let env = Environment {
            thresholds: Thresholds::default(),
            access: Access::default(),
            capture: Capture::default(),
            graveyard,
            rng,
        };
        let libraries = Libraries::default();
        let mut store = Store { dbs: Vec::new(), env, libraries, step_group: 0 };
        store.dbs.resize_with(usize::from(databases), Db::default);
        store
    }

    /// Libraries of functions.
    pub fn libraries(&self) -> &Libraries {
        &self.libraries
    }

    /// Stores a library from a snapshot file.
    pub fn load_library(&mut self, name: &[u8], code: &[u8]) {
        self.libraries.insert(name, code);
    }

    pub fn databases(&self) -> u16 {
        u16::try_from(self.dbs.len()).expect("at most 256 databases")
    }

    /// Panics when there is no such database: SELECT checks numbers.
    #[inline]
    pub fn db(&self, number: u16) -> &Db {
        &self.dbs[usize::from(number)]
    }

    /// Keys of all databases.
    pub fn len(&self) -> usize {
        self.dbs.iter().map(Db::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry of a key that a command reads: counts as a use for LRU and LFU.
    #[inline]
    pub fn touch(&mut self, number: u16, key: &[u8]) -> Option<&Entry> {
        self.touch_at(number, Place::of(key), key)
    }

    /// As [`touch`](Self::touch) for a caller who knows the key's place.
    #[inline]
    pub fn touch_at(&mut self, number: u16, place: Place, key: &[u8]) -> Option<&Entry> {
        self.dbs[usize::from(number)].touch(&mut self.env, place, key)
    }

    /// Remembers when a consumer of a stream has asked for entries last, if it is there. That is no part of the data:
    /// it is in no log, and digests leave it out.
    pub fn see_consumer(
        &mut self,
        number: u16,
        key: &[u8],
        group: &[u8],
        consumer: &[u8],
        at: UnixMs,
    ) {
        self.dbs[usize::from(number)].see_consumer(key, group, consumer, at);
    }

    pub fn thresholds(&self) -> Thresholds {
        self.env.thresholds
    }

    /// Holds for collections from their next change on.
    pub fn set_thresholds(&mut self, thresholds: Thresholds) {
        self.env.thresholds = thresholds;
    }

    pub fn access(&self) -> &Access {
        &self.env.access
    }

    /// Tells the time and the meaning of the access clocks; once a turn.
    pub fn set_access(&mut self, access: Access) {
        self.env.access = access;
    }

    pub fn graveyard(&self) -> &Graveyard {
        &self.env.graveyard
    }

    /// Gives all data up, to be freed in the background.
    pub fn abandon(self) {
        let keys = self.len();
        self.env.graveyard.bury(self.dbs, keys);
    }

    /// Changes the data: the only function that does. See [`crate::apply`] for the outcome of each effect.
    /// An error leaves the data as it was, and means that caller and store disagree about what is there.
    pub fn apply(&mut self, db: u16, effect: &Effect<'_>) -> Result<Outcome, ApplyError> {
        crate::apply::apply(self, db, effect)
    }

    /// Stores a value from a snapshot file, replacing the key if it is there. `clock` is from
    /// [`Access::idle_clock`] or [`Access::lfu_clock`]. Panics when there is no such database.
    pub fn load(
        &mut self,
        db: u16,
        key: &[u8],
        expiry: Option<UnixMs>,
        body: Body<'_>,
        clock: Option<u32>,
    ) {
        let mut entry = Entry::new(key, expiry, body);
        entry.set_clock(clock.unwrap_or_else(|| self.env.access.fresh()));
        self.dbs[usize::from(db)].insert(&mut self.env, entry);
    }

    /// Housekeeping: hurries tables that are being resized but see no traffic. Looks at the tables of 64
    /// slots of each database and moves up to `buckets` buckets of each.
    pub fn step(&mut self, buckets: u32) {
        self.step_group = self.step_group.wrapping_add(1);
        for db in &mut self.dbs {
            db.step_group(self.step_group, buckets);
        }
    }
}

/// Snapshots; see [`crate::snapshot`].
impl Store {
    /// Begins an image of this very moment, to be delivered to `sink` by [`walk`](Self::walk) and by
    /// changes.
    pub fn begin_snapshot(&mut self, sink: Box<dyn SnapshotSink>) -> Result<(), SnapshotRunning> {
        self.env.capture.begin(sink)?;
        for (number, db) in (0..).zip(&mut self.dbs) {
            db.image = number;
        }
        Ok(())
    }

    /// Gives up the running image. The walk must still be walked to its end before the next can begin.
    pub fn abort_snapshot(&mut self) {
        if let Some(walk) = &mut self.env.capture.walk {
            walk.sink = None;
        }
    }

    pub fn is_snapshot_running(&self) -> bool {
        self.env.capture.walk.is_some()
    }

    /// Walks on past about `budget` entries.
    pub fn walk(&mut self, budget: usize) -> Progress {
        let mut left = budget.max(1);
        loop {
            let Some(walk) = &mut self.env.capture.walk else { return Progress::Idle };
            let image = walk.image;
            if usize::from(image) == self.dbs.len() {
                let walk = self.env.capture.walk.take().expect("looked at above");
                return Progress::Done(walk.sink);
            }
            let detached = walk.detached.iter().position(|(number, _)| *number == image);
            let is_done = if let Some(at) = detached {
                let (_, mut slots) = walk.detached.swap_remove(at);
                let is_done = self.env.capture.walk_slots(&mut slots, &mut left);
                if is_done {
                    let keys = slots.len();
                    self.env.graveyard.bury(slots, keys);
                } else if let Some(walk) = &mut self.env.capture.walk {
                    walk.detached.push((image, slots));
                }
                is_done
            } else {
                let db = self.dbs.iter_mut().find(|db| db.image == image);
                let db = db.expect("every number at the beginning belongs to a database");
                db.walk(&mut self.env, &mut left)
            };
            if !is_done {
                return Progress::Walking;
            }
            if let Some(walk) = &mut self.env.capture.walk {
                walk.image += 1;
            }
        }
    }
}
