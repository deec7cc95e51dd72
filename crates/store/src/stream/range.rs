//! Walking the entries of a stream, in both directions.

use std::collections::{BTreeMap, btree_map};

use wire::listpack::Place;
use wire::stream::node::{Entry, View};
use wire::stream::{Node, StreamId};

type Nodes<'a> = btree_map::Range<'a, StreamId, Node>;

/// Entries in order.
#[derive(Clone, Debug)]
pub struct Range<'a> {
    nodes: Nodes<'a>,
    /// The node under way, and where in it the next entry begins.
    current: Option<(View<'a>, Place)>,
    end: StreamId,
}

impl<'a> Range<'a> {
    pub(super) fn new(
        nodes: &'a BTreeMap<StreamId, Node>,
        start: StreamId,
        end: StreamId,
    ) -> Range<'a> {
        let first = nodes.range(..=start).next_back();
        let key = first.map_or(start, |(key, _)| *key);
        let mut range = Range { nodes: nodes.range(key..), current: None, end };
        if first.is_some()
            && let Some((key, node)) = range.nodes.next()
        {
            let view = node.view(*key);
            range.current = Some((view, seek(&view, start)));
        }
        range
    }
}

impl<'a> Iterator for Range<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            if let Some((view, place)) = &mut self.current
                && let Some(entry) = view.entry(*place)
            {
                if entry.id > self.end {
                    return None;
                }
                *place = entry.end();
                if !entry.is_deleted {
                    return Some(entry);
                }
                continue;
            }
            let (key, node) = self.nodes.next()?;
            let view = node.view(*key);
            self.current = Some((view, view.first()));
        }
    }
}

/// Entries from the last to the first.
#[derive(Clone, Debug)]
pub struct RangeBack<'a> {
    nodes: Nodes<'a>,
    /// The node under way, and where in it the entry behind the next one begins.
    current: Option<(View<'a>, Place)>,
    start: StreamId,
}

impl<'a> RangeBack<'a> {
    pub(super) fn new(
        nodes: &'a BTreeMap<StreamId, Node>,
        start: StreamId,
        end: StreamId,
    ) -> RangeBack<'a> {
        let mut range = RangeBack { nodes: nodes.range(..=end), current: None, start };
        if let Some((key, node)) = range.nodes.next_back() {
            let view = node.view(*key);
            let behind = end.next().map_or(view.end(), |behind| seek(&view, behind));
            range.current = Some((view, behind));
        }
        range
    }
}

impl<'a> Iterator for RangeBack<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            if let Some((view, place)) = &mut self.current
                && let Some(entry) = view.entry_before(*place)
            {
                if entry.id < self.start {
                    return None;
                }
                *place = entry.place();
                if !entry.is_deleted {
                    return Some(entry);
                }
                continue;
            }
            let (key, node) = self.nodes.next_back()?;
            let view = node.view(*key);
            self.current = Some((view, view.end()));
        }
    }
}

/// Where the first entry of at least `id` begins, sought from the end that is likely to be nearer. Readers that keep
/// up look for the last few entries.
fn seek(view: &View<'_>, id: StreamId) -> Place {
    let last = view.last_id();
    if id > last {
        return view.end();
    }
    if distance(view.key(), id) <= distance(id, last) {
        let mut place = view.first();
        while let Some(entry) = view.entry(place).filter(|entry| entry.id < id) {
            place = entry.end();
        }
        return place;
    }
    let mut place = view.end();
    while let Some(entry) = view.entry_before(place).filter(|entry| entry.id >= id) {
        place = entry.place();
    }
    place
}

/// How far apart two IDs are; entries may lie anywhere between them.
fn distance(from: StreamId, to: StreamId) -> u64 {
    match to.ms.saturating_sub(from.ms) {
        0 => to.seq.saturating_sub(from.seq),
        ms => ms,
    }
}
