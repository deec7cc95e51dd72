//! Consumer groups: how far a group has read, and which entries are pending for which of its consumers.
//!
//! ```text
//!   pending      1000-0 -> at 17:03, twice, consumer 1      1000-1 -> ...      of the whole group
//!   consumers    0: "alice" { 1002-0 ... }   1: "bob" { 1000-0 1000-1 ... }    of each of them, by number
//!   by_name      "alice" -> 0   "bob" -> 1
//! ```
//!
//! Invariants
//! - An ID that is pending in the group is pending for exactly the consumer whose number it has there.
//! - A number in `by_name` or in a pending entry is that of a consumer.
//! - `seen` of a consumer is no part of the data, as little as the access clock of a key: it is not written down
//!   each time that it changes, and replicas may have an older one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base::UnixMs;
use wire::stream::StreamId;

use super::CELL_BYTES;

/// One group of consumers.
#[derive(Clone, Debug)]
pub struct Group {
    /// Entries up to this one were delivered.
    pub last_id: StreamId,
    /// How many entries that were; `None` when it is not known.
    pub entries_read: Option<u64>,
    pending: BTreeMap<StreamId, Pending>,
    consumers: Vec<Option<Consumer>>,
    /// Numbers of consumers that were removed; they are given again before new ones.
    gaps: Vec<usize>,
    by_name: BTreeMap<Arc<[u8]>, usize>,
}

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pending {
    /// When it was delivered last.
    pub at: UnixMs,
    /// How often it was delivered.
    pub count: u64,
    owner: usize,
}

#[derive(Clone, Debug)]
pub struct Consumer {
    name: Arc<[u8]>,
    /// When it asked for entries last.
    pub seen: UnixMs,
    /// When it got some last.
    pub active: Option<UnixMs>,
    pending: BTreeSet<StreamId>,
}

impl Consumer {
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// IDs that are pending for it, in order.
    pub fn pending(&self) -> impl ExactSizeIterator<Item = StreamId> {
        self.pending.iter().copied()
    }

    /// Those from `start` on.
    pub fn pending_from(&self, start: StreamId) -> impl Iterator<Item = StreamId> {
        self.pending.range(start..).copied()
    }
}

impl Group {
    pub(super) fn new(last_id: StreamId, entries_read: Option<u64>) -> Group {
        Group {
            last_id,
            entries_read,
            pending: BTreeMap::new(),
            consumers: Vec::new(),
            gaps: Vec::new(),
            by_name: BTreeMap::new(),
        }
    }

    /// Pending entries in the order of their IDs.
    pub fn pending(
        &self,
    ) -> impl ExactSizeIterator<Item = (StreamId, &Pending)> + DoubleEndedIterator {
        self.pending.iter().map(|(id, pending)| (*id, pending))
    }

    /// Those from `start` on.
    pub fn pending_from(&self, start: StreamId) -> impl Iterator<Item = (StreamId, &Pending)> {
        self.pending.range(start..).map(|(id, pending)| (*id, pending))
    }

    pub fn find_pending(&self, id: StreamId) -> Option<&Pending> {
        self.pending.get(&id)
    }

    /// For whom an entry of this group is pending.
    pub fn owner(&self, pending: &Pending) -> &Consumer {
        self.at(pending.owner)
    }

    /// Consumers in the order of their names.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = &Consumer> {
        self.by_name.values().map(|number| self.at(*number))
    }

    pub fn consumer(&self, name: &[u8]) -> Option<&Consumer> {
        self.by_name.get(name).map(|number| self.at(*number))
    }

    fn at(&self, number: usize) -> &Consumer {
        self.consumers[number].as_ref().expect("a number in use is that of a consumer")
    }

    fn at_mut(&mut self, number: usize) -> &mut Consumer {
        self.consumers[number].as_mut().expect("a number in use is that of a consumer")
    }

    /// Creates the consumer or sets its times; whether it is new.
    pub(crate) fn set_consumer(
        &mut self,
        name: &[u8],
        seen: UnixMs,
        active: Option<UnixMs>,
    ) -> bool {
        if let Some(&number) = self.by_name.get(name) {
            let consumer = self.at_mut(number);
            (consumer.seen, consumer.active) = (seen, active);
            return false;
        }
        let name: Arc<[u8]> = name.into();
        let consumer = Consumer { name: Arc::clone(&name), seen, active, pending: BTreeSet::new() };
        let number = self.gaps.pop().unwrap_or_else(|| {
            self.consumers.push(None);
            self.consumers.len() - 1
        });
        self.consumers[number] = Some(consumer);
        self.by_name.insert(name, number);
        true
    }

    /// The consumer has asked for entries.
    pub(crate) fn see_consumer(&mut self, name: &[u8], seen: UnixMs) {
        if let Some(&number) = self.by_name.get(name) {
            self.at_mut(number).seen = seen;
        }
    }

    /// Removes a consumer with what is pending for it; returns it, and what else is to be freed. `None` when it is not
    /// there.
    pub(crate) fn remove_consumer(&mut self, name: &[u8]) -> Option<(Consumer, impl Send + use<>)> {
        let number = self.by_name.remove(name)?;
        let consumer =
            self.consumers[number].take().expect("a number in use is that of a consumer");
        self.gaps.push(number);
        let mut before = None;
        if consumer.pending.len() > self.pending.len() / 2 {
            // Most goes: to build what stays costs less, and frees nothing here.
            let stays = self.pending.iter().filter(|(_, pending)| pending.owner != number);
            let stays = stays.map(|(id, pending)| (*id, *pending)).collect();
            before = Some(std::mem::replace(&mut self.pending, stays));
        } else {
            for id in &consumer.pending {
                self.pending.remove(id);
            }
        }
        Some((consumer, before))
    }

    /// Makes an entry pending for a consumer, whoever had it before; `false` when there is no such consumer.
    pub(crate) fn give(&mut self, name: &[u8], id: StreamId, at: UnixMs, count: u64) -> bool {
        let Some(&owner) = self.by_name.get(name) else { return false };
        if let Some(before) = self.pending.insert(id, Pending { at, count, owner }) {
            if before.owner == owner {
                return true;
            }
            self.at_mut(before.owner).pending.remove(&id);
        }
        self.at_mut(owner).pending.insert(id);
        true
    }

    /// The entry is pending no more; whether it was.
    pub(crate) fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some(pending) = self.pending.remove(&id) else { return false };
        self.at_mut(pending.owner).pending.remove(&id);
        true
    }

    /// Bytes allocated, about.
    pub(super) fn memory_bytes(&self) -> usize {
        let pending = 2 * self.pending.len() * CELL_BYTES;
        let names: usize = self.by_name.keys().map(|name| name.len() + 2 * CELL_BYTES).sum();
        size_of::<Group>() + pending + names + self.consumers.capacity() * size_of::<Consumer>()
    }

    /// Allocations, about: a node of a tree holds several pending entries.
    pub(crate) fn free_effort(&self) -> usize {
        self.pending.len() / 4 + 2 * self.consumers.len()
    }
}
