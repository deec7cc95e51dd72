//! Streams: entries in the order of their IDs, and groups of consumers that read them.
//!
//! ```text
//!   nodes    1000-0 -> [ 1000-0 1000-1 1003-0 ... ]   2041-7 -> [ 2041-7 ... ]      packed, see wire::stream::node
//!   groups   "billing" -> how far it has read, what is pending, whose it is         see group.rs
//! ```
//!
//! Invariants
//! - The key of a node is the ID of the first entry that it ever had; no node is without live entries, and all IDs of
//!   a node are below the next node's key.
//! - `last_id` is at least every ID there ever was: it only falls by XSETID, never below an entry.
//! - `length` is the number of live entries, `first_id` the ID of the first of them, 0-0 when there is none.
//! - A node obeys the settings `stream-node-max-*` as of the time when it was written; no content depends on them.

mod group;
mod load;
mod range;

use std::collections::BTreeMap;

use wire::stream::node::{self, Entry};
use wire::stream::{Node, StreamId};

use crate::apply::ApplyError;
use crate::graveyard::Remains;
use crate::{Thresholds, pick};
pub use group::{Consumer, Group, Pending};
pub use range::{Range, RangeBack};

/// Bytes that a node, a pending entry or the like cost in their tree, about: trees of the standard library are two
/// thirds full.
const CELL_BYTES: usize = 36;
/// Nodes by which the shape of a radix tree over all of them is judged.
const RADIX_SAMPLES: usize = 1 << 16;

/// A stream. One pointer, so that it fits an entry of the keyspace.
#[derive(Clone, Debug, Default)]
pub struct Stream(Box<Inner>);

#[derive(Clone, Debug, Default)]
struct Inner {
    nodes: BTreeMap<StreamId, Node>,
    length: usize,
    last_id: StreamId,
    first_id: StreamId,
    max_deleted: StreamId,
    entries_added: u64,
    groups: BTreeMap<Box<[u8]>, Group>,
}

/// Which entries at the front are too many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trim {
    /// All but the last so many.
    MaxLen(u64),
    /// Those below the ID.
    MinId(StreamId),
}

/// How exactly to trim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effort {
    Exact,
    /// Whole nodes only, and at most so many entries; 0: any number.
    WholeNodes {
        limit: u64,
    },
}

impl Effort {
    fn is_exceeded_by(self, count: u64) -> bool {
        match self {
            Effort::Exact | Effort::WholeNodes { limit: 0 } => false,
            Effort::WholeNodes { limit } => count > limit,
        }
    }
}

/// Looking.
impl Stream {
    pub fn new() -> Stream {
        Stream::default()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.length
    }

    pub fn is_empty(&self) -> bool {
        self.0.length == 0
    }

    /// The largest ID that was given out.
    pub fn last_id(&self) -> StreamId {
        self.0.last_id
    }

    /// The first entry's; 0-0 when there is none.
    pub fn first_id(&self) -> StreamId {
        self.0.first_id
    }

    /// The largest ID that was deleted by name (not by trimming); 0-0 when there was none.
    pub fn max_deleted(&self) -> StreamId {
        self.0.max_deleted
    }

    /// Entries that the stream has ever had.
    pub fn entries_added(&self) -> u64 {
        self.0.entries_added
    }

    /// The nodes with their keys: the unit in which RDB holds them.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (StreamId, &Node)> {
        self.0.nodes.iter().map(|(key, node)| (*key, node))
    }

    /// The entry with this ID.
    pub fn entry(&self, id: StreamId) -> Option<Entry<'_>> {
        self.range(id, id).next()
    }

    /// The ID of the last entry, which may be below [`last_id`](Self::last_id).
    pub fn last_entry_id(&self) -> Option<StreamId> {
        self.range_back(StreamId::MIN, StreamId::MAX).next().map(|entry| entry.id)
    }

    /// Entries from `start` to `end`, both included, in order.
    pub fn range(&self, start: StreamId, end: StreamId) -> Range<'_> {
        Range::new(&self.0.nodes, start, end)
    }

    /// The same from `end` back to `start`.
    pub fn range_back(&self, start: StreamId, end: StreamId) -> RangeBack<'_> {
        RangeBack::new(&self.0.nodes, start, end)
    }

    /// How many entries trimming removes, from the first on.
    pub fn trim_count(&self, trim: Trim, effort: Effort) -> u64 {
        let (mut length, mut count) = (self.len() as u64, 0);
        for (key, node) in self.nodes() {
            let live = node.live() as u64;
            let goes_whole = match trim {
                Trim::MaxLen(max) if length <= max => break,
                Trim::MaxLen(max) => length - live >= max,
                Trim::MinId(min) => node.view(key).last_id() < min,
            };
            if effort.is_exceeded_by(count + live) {
                break;
            }
            if goes_whole {
                (length, count) = (length - live, count + live);
                continue;
            }
            if effort == Effort::Exact {
                count += match trim {
                    Trim::MaxLen(max) => length - max,
                    Trim::MinId(min) => live_below(node, key, min),
                };
            }
            break;
        }
        count
    }

    /// Groups in the order of their names.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> {
        self.0.groups.iter().map(|(name, group)| (&**name, group))
    }

    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.0.groups.get(name)
    }

    /// How many entries come before and with `id` in the stream's whole history; `None` where deleted entries, or an
    /// ID that is none, make that unknown. The cases are those of Redis, so that the answers are.
    pub fn distance(&self, id: StreamId) -> Option<u64> {
        let Inner { last_id, first_id, entries_added, .. } = *self.0;
        if entries_added == 0 {
            return Some(0);
        }
        if id == last_id || self.is_empty() && id < last_id {
            return Some(entries_added);
        }
        if id > last_id || self.0.max_deleted >= first_id && self.0.max_deleted != StreamId::MIN {
            return None;
        }
        let before = entries_added.wrapping_sub(self.len() as u64);
        match id.cmp(&first_id) {
            std::cmp::Ordering::Less => Some(before),
            std::cmp::Ordering::Equal => Some(before.wrapping_add(1)),
            std::cmp::Ordering::Greater => None,
        }
    }

    /// How many entries a group has read that had read `entries_read` and now gets `id`.
    pub fn read_with(&self, entries_read: Option<u64>, id: StreamId) -> Option<u64> {
        match entries_read {
            Some(read) if !self.has_deleted_from(id) => Some(read.wrapping_add(1)),
            _ => self.distance(id),
        }
    }

    /// Entries that the group has not read yet; `None` when that is unknown. Negative when a client has set counters
    /// to what they are not.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        if self.0.entries_added == 0 {
            return Some(0);
        }
        let read = match group.entries_read {
            Some(read) if !self.has_deleted_from(group.last_id) => Some(read),
            _ => self.distance(group.last_id),
        };
        read.map(|read| self.0.entries_added.wrapping_sub(read).cast_signed())
    }

    /// Whether an entry from `start` on may have been deleted by name.
    fn has_deleted_from(&self, start: StreamId) -> bool {
        let Inner { first_id, max_deleted, .. } = *self.0;
        let none = self.is_empty() || max_deleted == StreamId::MIN || first_id > max_deleted;
        !none && start <= max_deleted
    }

    /// Nodes that a radix tree over the keys of our nodes has, as Redis keeps one: exact up to 65,536 of them, and
    /// judged by the first ones beyond that.
    pub fn radix_nodes(&self) -> usize {
        let keys = self.0.nodes.keys().take(RADIX_SAMPLES).map(|key| key.to_bytes());
        let (count, samples) = radix_nodes(keys);
        match samples {
            0 => 1,
            samples => count * self.0.nodes.len() / samples,
        }
    }

    /// Bytes allocated, without `Self`. Of a large stream it looks at `samples` nodes (0: all).
    pub fn memory_bytes(&self, samples: usize) -> usize {
        let nodes = &self.0.nodes;
        let sizes = nodes.values().map(|node| CELL_BYTES + node.memory_bytes());
        let groups = self.0.groups.iter().map(|(name, group)| name.len() + group.memory_bytes());
        size_of::<Inner>() + pick::extrapolate(sizes, nodes.len(), samples) + groups.sum::<usize>()
    }

    /// Allocations, about: what freeing this costs.
    pub fn free_effort(&self) -> usize {
        self.0.nodes.len() + self.0.groups.values().map(Group::free_effort).sum::<usize>()
    }
}

fn live_below(node: &Node, key: StreamId, min: StreamId) -> u64 {
    let view = node.view(key);
    let (mut place, mut count) = (view.first(), 0);
    while let Some(entry) = view.entry(place)
        && entry.id < min
    {
        count += u64::from(!entry.is_deleted);
        place = entry.end();
    }
    count
}

/// Nodes of a compressed radix tree over sorted keys of equal length, and how many keys there were: one node a key, one
/// a branching, one for each run of bytes between them.
fn radix_nodes(keys: impl Iterator<Item = [u8; StreamId::BYTES]>) -> (usize, usize) {
    let (mut count, mut samples) = (0, 0);
    // Depths of the branchings on the way to the last key.
    let mut path: Vec<usize> = Vec::new();
    let mut previous: Option<[u8; StreamId::BYTES]> = None;
    // A run leads from `above` (behind the byte that was branched by) to `below`.
    let run = |above: Option<&usize>, below: usize| {
        usize::from(below > above.map_or(0, |depth| depth + 1))
    };
    for key in keys {
        samples += 1;
        if let Some(previous) = previous {
            let shared = previous.iter().zip(&key).take_while(|(a, b)| a == b).count();
            count += close(&mut path, shared, run);
            if path.last() != Some(&shared) {
                path.push(shared);
            }
        }
        previous = Some(key);
    }
    if samples > 0 {
        count += close_all(&mut path, run);
    }
    (count, samples)
}

/// Counts the last key with the run that leads to it, and what lies below `shared` on its path, which ends there.
fn close(
    path: &mut Vec<usize>,
    shared: usize,
    run: impl Fn(Option<&usize>, usize) -> usize,
) -> usize {
    // The leaf hangs at the deeper of its last branching and the new one.
    let at = path.last().copied().filter(|depth| *depth >= shared).unwrap_or(shared);
    let mut count = 1 + run(Some(&at), StreamId::BYTES);
    while let Some(depth) = path.pop_if(|depth| *depth > shared) {
        let above = path.last().copied().filter(|above| *above >= shared).unwrap_or(shared);
        count += 1 + run(Some(&above), depth);
    }
    count
}

/// Counts the last key and all branchings that are left on its path.
fn close_all(path: &mut Vec<usize>, run: impl Fn(Option<&usize>, usize) -> usize) -> usize {
    let mut count = 1 + run(path.last(), StreamId::BYTES);
    while let Some(depth) = path.pop() {
        count += 1 + run(path.last(), depth);
    }
    count
}

/// Changing.
impl Stream {
    /// Adds an entry; field, value, field, value, ... in `pairs`.
    pub(crate) fn add(
        &mut self,
        id: StreamId,
        pairs: &[&[u8]],
        limits: &Thresholds,
    ) -> Result<(), ApplyError> {
        if id <= self.0.last_id {
            return Err(ApplyError::StaleId);
        }
        if !node::has_room_for(pairs) {
            return Err(ApplyError::BadNode);
        }
        let limits = node::Limits {
            bytes_max: limits.stream_node_max_bytes,
            entries_max: limits.stream_node_max_entries,
        };
        match self.0.nodes.last_entry() {
            Some(mut tail) if tail.get().has_room(pairs, limits) => {
                let key = *tail.key();
                tail.get_mut().append(key, id, pairs);
            }
            Some(_) | None => {
                let fields: Vec<&[u8]> = pairs.iter().step_by(2).copied().collect();
                let mut node = Node::new(fields.into_iter());
                node.append(id, id, pairs);
                self.0.nodes.insert(id, node);
            }
        }
        self.note_added(1, id);
        Ok(())
    }

    /// Adds a node whose IDs are all above those of the stream.
    pub(crate) fn add_node(&mut self, key: StreamId, node: Node) -> Result<(), ApplyError> {
        if key <= self.0.last_id {
            return Err(ApplyError::StaleId);
        }
        let (live, last_id) = (node.live(), node.view(key).last_id());
        if live > 0 {
            self.0.nodes.insert(key, node);
        }
        self.note_added(live, last_id);
        Ok(())
    }

    fn note_added(&mut self, count: usize, last_id: StreamId) {
        let was_empty = self.is_empty();
        let inner = &mut *self.0;
        inner.length += count;
        inner.entries_added = inner.entries_added.wrapping_add(count as u64);
        inner.last_id = last_id;
        if was_empty {
            self.find_first();
        }
    }

    fn find_first(&mut self) {
        let first = self.range(StreamId::MIN, StreamId::MAX).next();
        self.0.first_id = first.map_or(StreamId::MIN, |entry| entry.id);
    }

    /// Removes an entry by name; whether it was there. What is to be freed is added to `remains`.
    pub(crate) fn remove(&mut self, id: StreamId, remains: &mut Remains<Node>) -> bool {
        let Some((&key, node)) = self.0.nodes.range_mut(..=id).next_back() else { return false };
        if !node.delete(key, id) {
            return false;
        }
        if node.live() == 0 {
            remains.add(self.0.nodes.remove(&key).expect("it was just found"));
        }
        self.0.length -= 1;
        self.0.max_deleted = self.0.max_deleted.max(id);
        if id == self.0.first_id {
            self.find_first();
        }
        true
    }

    /// Removes the first `count` entries. Returns how many there were, and the nodes that are no longer needed.
    pub(crate) fn trim(&mut self, count: usize) -> (usize, Vec<Node>) {
        let count = count.min(self.len());
        let (mut left, mut emptied) = (count, Vec::new());
        while left > 0
            && let Some(mut head) = self.0.nodes.first_entry()
        {
            let live = head.get().live();
            if live <= left {
                emptied.push(head.remove());
                left -= live;
            } else {
                let key = *head.key();
                head.get_mut().delete_first(key, left);
                left = 0;
            }
        }
        self.0.length -= count;
        if count > 0 {
            self.find_first();
        }
        (count, emptied)
    }

    /// Sets what the stream remembers beside its entries.
    pub(crate) fn set(
        &mut self,
        last_id: StreamId,
        max_deleted: StreamId,
        entries_added: u64,
    ) -> Result<(), ApplyError> {
        if self.last_entry_id().is_some_and(|id| id > last_id) {
            return Err(ApplyError::StaleId);
        }
        if last_id < self.0.last_id
            && let Some(mut tail) = self.0.nodes.last_entry()
        {
            // IDs of deleted entries may be given out again now, and must ascend.
            let key = *tail.key();
            tail.get_mut().forget_deleted_tail(key);
        }
        (self.0.last_id, self.0.max_deleted) = (last_id, max_deleted);
        self.0.entries_added = entries_added;
        Ok(())
    }

    /// Creates the group or sets how far it has read; whether it is new.
    pub(crate) fn set_group(
        &mut self,
        name: &[u8],
        last_id: StreamId,
        entries_read: Option<u64>,
    ) -> bool {
        if let Some(group) = self.0.groups.get_mut(name) {
            (group.last_id, group.entries_read) = (last_id, entries_read);
            return false;
        }
        self.0.groups.insert(name.into(), Group::new(last_id, entries_read));
        true
    }

    pub(crate) fn remove_group(&mut self, name: &[u8]) -> Option<Group> {
        self.0.groups.remove(name)
    }

    pub(crate) fn group_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        self.0.groups.get_mut(name)
    }
}

#[cfg(test)]
mod tests;
