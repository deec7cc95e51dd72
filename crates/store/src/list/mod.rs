//! Lists.
//!
//! ```text
//!   listpack    [ a b c ]                                  one short listpack
//!   quicklist   [ a b c ] [ d e f g ] [ "8 KiB ..." ] ...  nodes: listpacks, and elements too large for one
//! ```
//!
//! Invariants
//! - No node is empty, and a node knows how many elements it has, so an index is found by counting nodes.
//! - `length` is the sum of the counts.
//! - A quicklist node obeys `list_max_listpack_size` as of the time when it was written.

mod iter;
mod node;

use std::collections::VecDeque;

use wire::effect::End;
use wire::listpack::{Element, Listpack, Needle};

use crate::Thresholds;
use crate::graveyard::Remains;
pub use iter::Iter;
pub(crate) use node::Node;
pub use node::NodeRef;

/// A list of strings.
#[derive(Clone, Debug)]
pub struct List {
    form: Form,
    length: usize,
}

#[derive(Clone, Debug)]
enum Form {
    Listpack(Listpack),
    #[expect(clippy::box_collection, reason = "the box keeps the list small enough for its entry")]
    Quicklist(Box<VecDeque<Node>>),
}

impl Default for List {
    fn default() -> List {
        List::new()
    }
}

impl List {
    pub fn new() -> List {
        List { form: Form::Listpack(Listpack::new()), length: 0 }
    }

    /// A list that a snapshot kept as one listpack.
    pub fn from_listpack(pack: Listpack, limits: &Thresholds) -> List {
        let length = pack.len();
        let mut list = List { form: Form::Listpack(pack), length };
        list.grow(0, 0, limits);
        list
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// As OBJECT ENCODING says it.
    pub fn encoding(&self) -> &'static str {
        match self.form {
            Form::Listpack(_) => "listpack",
            Form::Quicklist(_) => "quicklist",
        }
    }

    /// Bytes allocated, without `Self`.
    pub fn memory_bytes(&self) -> usize {
        match &self.form {
            Form::Listpack(pack) => pack.memory_bytes(),
            Form::Quicklist(nodes) => {
                size_of_val(&**nodes)
                    + nodes.capacity() * size_of::<Node>()
                    + nodes.iter().map(Node::memory_bytes).sum::<usize>()
            }
        }
    }

    /// Allocations, about: what freeing this costs.
    pub fn free_effort(&self) -> usize {
        self.node_count()
    }

    pub fn node_count(&self) -> usize {
        match &self.form {
            Form::Listpack(_) => 1,
            Form::Quicklist(nodes) => nodes.len(),
        }
    }

    /// A node by its number from the head: the unit in which a snapshot walks a list.
    pub fn node(&self, number: usize) -> Option<NodeRef<'_>> {
        match &self.form {
            Form::Listpack(pack) => (number == 0).then_some(NodeRef::Pack(pack)),
            Form::Quicklist(nodes) => nodes.get(number).map(Node::as_ref),
        }
    }

    /// Appends a listpack as a node (loading a snapshot); an empty one is left out.
    pub fn append_node(&mut self, pack: Listpack) {
        if !pack.is_empty() {
            let node = Node::pack(pack);
            self.length += node.count();
            self.nodes_mut().push_back(node);
        }
    }

    /// The elements from the head.
    pub fn iter(&self) -> Iter<'_> {
        self.iter_from(0)
    }

    /// The elements from `index` to the tail.
    pub fn iter_from(&self, index: usize) -> Iter<'_> {
        Iter::new(self, index, End::Tail)
    }

    /// The elements from `index` back to the head.
    pub fn iter_back_from(&self, index: usize) -> Iter<'_> {
        Iter::new(self, index, End::Head)
    }

    pub fn get(&self, index: usize) -> Option<Element<'_>> {
        self.iter_from(index).next()
    }

    /// Pushes the values one after the other, so that the last one ends up outermost.
    pub fn push(&mut self, end: End, values: &[&[u8]], limits: &Thresholds) {
        self.grow(values.iter().map(|value| value.len()).sum(), values.len(), limits);
        self.length += values.len();
        match &mut self.form {
            Form::Listpack(pack) => {
                for value in values {
                    match end {
                        End::Head => pack.push_front(value),
                        End::Tail => pack.push_back(value),
                    }
                }
            }
            Form::Quicklist(nodes) => {
                for value in values {
                    push_node(nodes, end, value, limits);
                }
            }
        }
    }

    /// Removes up to `count` elements from an end; returns how many there were.
    pub fn pop(&mut self, end: End, count: usize, limits: &Thresholds) -> usize {
        let count = count.min(self.length);
        match end {
            End::Head => self.trim(count, self.length - count, limits),
            End::Tail => self.trim(0, self.length - count, limits),
        }
        count
    }

    /// Replaces the element at `index`, if there is one.
    pub fn set(&mut self, index: usize, value: &[u8], limits: &Thresholds) -> bool {
        if index >= self.length {
            return false;
        }
        self.grow(value.len(), 1, limits);
        match &mut self.form {
            Form::Listpack(pack) => {
                let place = pack.at(index).expect("the index is below the length");
                pack.replace(place, value);
            }
            Form::Quicklist(nodes) => {
                let (number, offset) = find_node(nodes, index, self.length);
                if !nodes[number].replace(offset, value, limits) {
                    insert_beside(nodes, number, offset + 1, value, limits);
                    // The new element may stand in the same node, in the next, or between two halves.
                    let (number, offset) = find_node(nodes, index, self.length + 1);
                    remove_at(nodes, number, offset);
                }
            }
        }
        self.shrink(limits);
        true
    }

    /// Puts `value` at `index`, at most the length: what stood there moves towards the tail.
    pub fn insert(&mut self, index: usize, value: &[u8], limits: &Thresholds) -> bool {
        if index > self.length {
            return false;
        }
        if index == self.length {
            self.push(End::Tail, &[value], limits);
            return true;
        }
        self.grow(value.len(), 1, limits);
        match &mut self.form {
            Form::Listpack(pack) => {
                let place = pack.at(index).expect("the index is below the length");
                pack.insert(place, value);
            }
            Form::Quicklist(nodes) => {
                let (number, offset) = find_node(nodes, index, self.length);
                insert_beside(nodes, number, offset, value, limits);
            }
        }
        self.length += 1;
        true
    }

    /// Keeps the elements `start..start + count`.
    pub fn trim(&mut self, start: usize, count: usize, limits: &Thresholds) {
        self.trim_into(start, count, limits, &mut Remains::new());
    }

    /// The same; what is to be freed is added to `remains`.
    pub(crate) fn trim_into(
        &mut self,
        start: usize,
        count: usize,
        limits: &Thresholds,
        remains: &mut Remains<Node>,
    ) {
        let start = start.min(self.length);
        let count = count.min(self.length - start);
        let behind = self.length - start - count;
        self.length = count;
        match &mut self.form {
            Form::Listpack(pack) => {
                pack.remove(pack.at(start + count).unwrap_or(pack.end()), behind);
                pack.remove(pack.begin(), start);
            }
            Form::Quicklist(nodes) => {
                drop_from(nodes, End::Tail, behind, remains);
                drop_from(nodes, End::Head, start, remains);
            }
        }
        self.shrink(limits);
    }

    /// Removes elements equal to `value`: the first `count`, the last `-count`, or all if 0.
    /// Returns how many.
    pub fn remove(&mut self, count: i64, value: &[u8], limits: &Thresholds) -> usize {
        self.remove_into(count, value, limits, &mut Remains::new())
    }

    /// The same; what is to be freed is added to `remains`.
    pub(crate) fn remove_into(
        &mut self,
        count: i64,
        value: &[u8],
        limits: &Thresholds,
        remains: &mut Remains<Node>,
    ) -> usize {
        let needle = Needle::new(value);
        let limit = match usize::try_from(count.unsigned_abs()) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(limit) => limit,
        };
        let end = if count < 0 { End::Tail } else { End::Head };
        let removed = match &mut self.form {
            Form::Listpack(pack) => node::remove_equal(pack, end, &needle, limit),
            Form::Quicklist(nodes) => remove_equal(nodes, end, &needle, limit, remains),
        };
        self.length -= removed;
        if removed > 0 {
            self.shrink(limits);
        }
        removed
    }

    /// Becomes a quicklist if `more` elements of `bytes` together would not fit one listpack.
    fn grow(&mut self, bytes: usize, more: usize, limits: &Thresholds) {
        if let Form::Listpack(pack) = &self.form
            && limits.node_exceeds(pack.byte_len() + bytes, self.length + more)
        {
            self.nodes_mut();
        }
    }

    /// Becomes one listpack again when a single small node is left.
    fn shrink(&mut self, limits: &Thresholds) {
        let Form::Quicklist(nodes) = &mut self.form else { return };
        if nodes.len() > 1 {
            return;
        }
        match nodes.pop_front() {
            None => self.form = Form::Listpack(Listpack::new()),
            Some(node) => match node.into_small_pack(limits) {
                Ok(pack) => self.form = Form::Listpack(pack),
                Err(node) => nodes.push_front(node),
            },
        }
    }

    fn nodes_mut(&mut self) -> &mut VecDeque<Node> {
        if let Form::Listpack(pack) = &mut self.form {
            let pack = std::mem::take(pack);
            let nodes = if pack.is_empty() { VecDeque::new() } else { [Node::pack(pack)].into() };
            self.form = Form::Quicklist(Box::new(nodes));
        }
        match &mut self.form {
            Form::Quicklist(nodes) => nodes,
            Form::Listpack(_) => unreachable!("it was just turned into a quicklist"),
        }
    }
}

/// The node of the element at `index` of `length`, and the offset in it; counted from the nearer end.
fn find_node(nodes: &VecDeque<Node>, index: usize, length: usize) -> (usize, usize) {
    if index < length / 2 {
        let mut before = 0;
        for (number, node) in nodes.iter().enumerate() {
            if index < before + node.count() {
                return (number, index - before);
            }
            before += node.count();
        }
    } else {
        let mut behind = length - index;
        for (number, node) in nodes.iter().enumerate().rev() {
            if behind <= node.count() {
                return (number, node.count() - behind);
            }
            behind -= node.count();
        }
    }
    unreachable!("the index is below the length, and the length is the sum of the counts")
}

fn push_node(nodes: &mut VecDeque<Node>, end: End, value: &[u8], limits: &Thresholds) {
    let outermost = match end {
        End::Head => nodes.front_mut(),
        End::Tail => nodes.back_mut(),
    };
    if outermost.is_some_and(|node| node.push(end, value, limits)) {
        return;
    }
    match end {
        End::Head => nodes.push_front(Node::of(value, limits)),
        End::Tail => nodes.push_back(Node::of(value, limits)),
    }
}

/// Puts `value` before element `offset` of node `number`, or behind its last if that is the offset.
fn insert_beside(
    nodes: &mut VecDeque<Node>,
    number: usize,
    offset: usize,
    value: &[u8],
    limits: &Thresholds,
) {
    if nodes[number].insert(offset, value, limits) {
        return;
    }
    let count = nodes[number].count();
    let at = match offset {
        0 if number > 0 && nodes[number - 1].push(End::Tail, value, limits) => return,
        0 => number,
        _ if offset == count => {
            if nodes.get_mut(number + 1).is_some_and(|next| next.push(End::Head, value, limits)) {
                return;
            }
            number + 1
        }
        _ => {
            let tail = nodes[number].split_off(offset);
            nodes.insert(number + 1, tail);
            if nodes[number].push(End::Tail, value, limits) {
                return;
            }
            number + 1
        }
    };
    nodes.insert(at, Node::of(value, limits));
}

fn remove_at(nodes: &mut VecDeque<Node>, number: usize, offset: usize) {
    if nodes[number].count() == 1 {
        nodes.remove(number);
    } else {
        nodes[number].remove(offset);
    }
}

/// Drops `count` elements from an end, whole nodes where it can.
fn drop_from(nodes: &mut VecDeque<Node>, end: End, mut count: usize, remains: &mut Remains<Node>) {
    while count > 0 {
        let outermost = match end {
            End::Head => nodes.front_mut(),
            End::Tail => nodes.back_mut(),
        };
        let node = outermost.expect("no more is dropped than there is");
        if node.count() > count {
            node.drop_from(end, count);
            return;
        }
        count -= node.count();
        let dropped = match end {
            End::Head => nodes.pop_front(),
            End::Tail => nodes.pop_back(),
        };
        remains.add(dropped.expect("it was looked at"));
    }
}

fn remove_equal(
    nodes: &mut VecDeque<Node>,
    end: End,
    needle: &Needle<'_>,
    limit: usize,
    remains: &mut Remains<Node>,
) -> usize {
    let mut removed = 0;
    let mut visit = |node: &mut Node| {
        if removed < limit {
            removed += node.remove_equal(end, needle, limit - removed);
        }
    };
    match end {
        End::Head => nodes.iter_mut().for_each(&mut visit),
        End::Tail => nodes.iter_mut().rev().for_each(&mut visit),
    }
    if removed > 0 {
        nodes.retain_mut(|node| {
            let stays = node.count() > 0;
            if !stays {
                remains.add(node.take());
            }
            stays
        });
    }
    removed
}

#[cfg(test)]
mod tests;
