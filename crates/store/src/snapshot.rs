//! A point-in-time image without fork: a walk in slices, and pre-images of what changes ahead of it.
//!
//! ```text
//!   begin: parity flips, so every entry is unvisited        (entry.parity != store.parity)
//!
//!   walk    ▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓░░░░░░░░░░░░░░░░░░░░░░░░░░░░  (db, slot, position): hash order, so resizes do not matter
//!                             ^        ^
//!                             |        `-- a command changes or removes this unvisited entry:
//!                             |            its old state goes to the sink first (pre-image), and it counts as visited
//!                             `-- next slice: unvisited entries go to the sink, visited ones are passed over
//!   new entries are born visited: they are not part of the image.
//! ```
//!
//! Invariants
//! - Every entry that existed at `begin` goes to the sink exactly once, as it was at `begin`.
//! - All changes pass through `Db::find_mut`, `Db::assign`, `Db::insert`, `Db::take` and `Db::flush`, which call
//!   [`Capture::before_change`] or hand the tables over; there is no other way to a `&mut Entry`.
//! - A database is walked under the number that it had at `begin` ([`Db::image`](crate::Db)), so SWAPDB
//!   neither hides nor doubles it. FLUSH during a walk detaches the tables, and the walk goes on in them.
//! - An aborted walk still visits everything, without a sink: otherwise entries with the old parity
//!   would look visited to the next one.
//!
//! What a slice or a pre-image costs is bounded in entries, not yet in bytes: one collection goes to the sink
//! whole. Chunks fit in like this: `Walk` keeps, beside its position, the cursor inside one collection that is
//! half written (a node number of a list, the scan cursor of a table); the entry keeps the old parity
//! meanwhile, and `before_change` finishes exactly that collection, or, if it is too large for that, copies
//! the parts behind the cursor that the change touches. Nothing outside this file will notice.

use crate::dict::Entry;
use crate::slots::Slots;

/// What receives the image: the serializer.
pub trait SnapshotSink: Send {
    /// One key as it was when the snapshot began; but for its access clock, which is no part of the data and goes on.
    fn entry(&mut self, db: u16, entry: &Entry);

    /// Asked between buckets: whether the slice should end early because a buffer is full.
    fn wants_pause(&self) -> bool {
        false
    }
}

/// How far a walk has come.
pub enum Progress {
    Walking,
    /// Everything was visited. The sink is handed back, unless the walk was aborted.
    Done(Option<Box<dyn SnapshotSink>>),
    /// There is no walk.
    Idle,
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Progress::Walking => "Walking",
            Progress::Done(_) => "Done",
            Progress::Idle => "Idle",
        })
    }
}

/// A walk is under way; there is one at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a snapshot is already being taken")]
pub struct SnapshotRunning;

/// The state of snapshots in a store.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    /// Entries with this parity were visited by the walk, if there is one.
    parity: bool,
    pub(crate) walk: Option<Walk>,
}

/// Where a walk stands.
pub(crate) struct Walk {
    /// `None` after an abort.
    pub(crate) sink: Option<Box<dyn SnapshotSink>>,
    /// Number at `begin` of the database that is being walked.
    pub(crate) image: u16,
    /// Scan cursor inside it.
    pub(crate) cursor: u64,
    /// Tables of flushed databases that still have to be walked, with their number at `begin`.
    pub(crate) detached: Vec<(u16, Slots)>,
    /// Entries that went to the sink.
    pub(crate) entries: u64,
}

impl std::fmt::Debug for Walk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walk")
            .field("image", &self.image)
            .field("cursor", &self.cursor)
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}

impl Capture {
    pub(crate) fn begin(&mut self, sink: Box<dyn SnapshotSink>) -> Result<(), SnapshotRunning> {
        if self.walk.is_some() {
            return Err(SnapshotRunning);
        }
        self.parity = !self.parity;
        self.walk =
            Some(Walk { sink: Some(sink), image: 0, cursor: 0, detached: Vec::new(), entries: 0 });
        Ok(())
    }

    /// Marks an entry that is new, or about to be changed and not of interest to the image.
    #[inline]
    pub(crate) fn mark_visited(&self, entry: &mut Entry) {
        entry.set_parity(self.parity);
    }

    /// To be called before an entry is changed or removed.
    #[inline]
    pub(crate) fn before_change(&mut self, image: u16, entry: &mut Entry) {
        if let Some(walk) = &mut self.walk {
            walk.visit(self.parity, image, entry);
        }
    }

    /// Keeps the tables of a database that is being flushed, if the walk needs them; else gives them back.
    pub(crate) fn before_flush(&mut self, image: u16, slots: Slots) -> Option<Slots> {
        let Some(walk) = &mut self.walk else { return Some(slots) };
        let is_walked = image < walk.image;
        let is_new = walk.detached.iter().any(|(number, _)| *number == image);
        if is_walked || is_new || slots.len() == 0 {
            return Some(slots);
        }
        walk.detached.push((image, slots));
        None
    }

    /// Walks on through `slots`, the tables of database `walk.image`, until about `budget` entries were
    /// passed; `true` when the database is done.
    pub(crate) fn walk_slots(&mut self, slots: &mut Slots, budget: &mut usize) -> bool {
        let parity = self.parity;
        let walk = self.walk.as_mut().expect("only called while a walk is under way");
        while *budget > 0 && !walk.sink.as_ref().is_some_and(|sink| sink.wants_pause()) {
            let mut passed = 1;
            let cursor = slots.scan_mut(walk.cursor, |entry| {
                passed += 1;
                walk.visit(parity, walk.image, entry);
            });
            *budget = budget.saturating_sub(passed);
            walk.cursor = cursor;
            if cursor == 0 {
                return true;
            }
        }
        false
    }
}

impl Walk {
    #[inline]
    fn visit(&mut self, parity: bool, image: u16, entry: &mut Entry) {
        if entry.parity() == parity {
            return;
        }
        entry.set_parity(parity);
        if let Some(sink) = &mut self.sink {
            sink.entry(image, entry);
            self.entries += 1;
        }
    }
}
