//! Active expiry: finding keys that are due although nobody asks for them.
//!
//! ```text
//!   index of volatile keys, db by db   ──▶──▶──▶──▶──▶ cursor, round and round
//!   a slice looks at some of them and names those that are due; the caller deletes them
//! ```
//!
//! Every volatile key is looked at once in a round. The caller runs slices as long as a slice finds that more than a
//! tenth of what it saw was due, within its time; so the due keys that still hold memory stay near a tenth.

use base::UnixMs;

use crate::store::Store;
use crate::value::Value;

/// A key that is due.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DueKey {
    pub db: u16,
    pub key: Box<[u8]>,
    pub expiry: UnixMs,
}

/// What a slice saw.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Slice {
    /// Volatile keys looked at.
    pub examined: usize,
    /// Of these, due ones.
    pub due: usize,
    /// Whether the round ended in this slice.
    pub is_round: bool,
}

impl Slice {
    /// Whether so much was due that another slice is worth its time.
    pub fn is_rewarding(&self) -> bool {
        self.due * 10 > self.examined
    }
}

/// Fields of a hash that are due.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DueFields {
    pub db: u16,
    pub key: Box<[u8]>,
    pub fields: Vec<Box<[u8]>>,
}

/// Where the search for due fields goes on: round and round among the hashes that have a field with a deadline.
#[derive(Clone, Copy, Debug, Default)]
pub struct FieldExpirer {
    db: u16,
    cursor: u64,
}

impl FieldExpirer {
    /// Looks at about `budget` hashes, appends to `due` about `budget` fields whose time has come at `now`, and ends
    /// early when it has been through all databases, wherever it began. Of a hash that has more due fields than that, the
    /// others wait for the next slice. [`Slice::due`] counts fields here.
    pub fn slice(
        &mut self,
        store: &Store,
        now: UnixMs,
        budget: usize,
        due: &mut Vec<DueFields>,
    ) -> Slice {
        let (mut slice, mut passed) = (Slice::default(), 0);
        while slice.examined < budget && slice.due < budget && !slice.is_round {
            let number = self.db;
            self.cursor = store.db(number).scan_volatile_hashes(self.cursor, |entry| {
                slice.examined += 1;
                let Value::Hash(hash) = entry.value() else { return };
                let left = budget.saturating_sub(slice.due).max(1);
                let fields: Vec<Box<[u8]>> = hash.due(now).take(left).map(Box::from).collect();
                if !fields.is_empty() {
                    slice.due += fields.len();
                    due.push(DueFields { db: number, key: entry.key().into(), fields });
                }
            });
            if self.cursor == 0 {
                self.db = (number + 1) % store.databases();
                passed += 1;
                slice.is_round = passed == store.databases();
            }
        }
        slice
    }
}

/// Where the search goes on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expirer {
    db: u16,
    cursor: u64,
}

impl Expirer {
    /// Looks at about `budget` volatile keys and appends those to `due` whose time has come at `now`. Ends early
    /// when it has been through all databases.
    pub fn slice(
        &mut self,
        store: &Store,
        now: UnixMs,
        budget: usize,
        due: &mut Vec<DueKey>,
    ) -> Slice {
        let mut slice = Slice::default();
        while slice.examined < budget && !slice.is_round {
            let number = self.db;
            self.cursor = store.db(number).scan_volatile(self.cursor, |entry| {
                slice.examined += 1;
                if let Some(expiry) = entry.expiry()
                    && expiry <= now
                {
                    slice.due += 1;
                    due.push(DueKey { db: number, key: entry.key().into(), expiry });
                }
            });
            if self.cursor == 0 {
                self.db = (number + 1) % store.databases();
                slice.is_round = self.db == 0;
            }
        }
        slice
    }
}
