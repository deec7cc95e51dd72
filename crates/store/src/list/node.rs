//! A node of a quicklist: a listpack of elements, or one element that is too large for any.

use wire::effect::End;
use wire::listpack::{Element, Listpack, Needle};

use crate::Thresholds;

/// A node and its number of elements, kept beside it so that counting touches no other memory.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    count: u32,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    Pack(Listpack),
    Plain(Box<[u8]>),
}

/// What a node holds.
#[derive(Clone, Copy, Debug)]
pub enum NodeRef<'a> {
    Pack(&'a Listpack),
    /// One large element.
    Plain(&'a [u8]),
}

impl Node {
    pub(super) fn pack(pack: Listpack) -> Node {
        let count = u32::try_from(pack.len()).expect("an entry takes two bytes of at most 2^30");
        Node { count, body: Body::Pack(pack) }
    }

    /// A node of one element.
    pub(super) fn of(value: &[u8], limits: &Thresholds) -> Node {
        if limits.is_plain_node(value.len()) {
            return Node { count: 1, body: Body::Plain(value.into()) };
        }
        Node::pack([value].into_iter().collect())
    }

    /// Moves the node out and leaves an empty one.
    pub(super) fn take(&mut self) -> Node {
        std::mem::replace(self, Node { count: 0, body: Body::Plain(Box::default()) })
    }

    pub(super) fn count(&self) -> usize {
        self.count as usize
    }

    pub(super) fn as_ref(&self) -> NodeRef<'_> {
        match &self.body {
            Body::Pack(pack) => NodeRef::Pack(pack),
            Body::Plain(value) => NodeRef::Plain(value),
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        match &self.body {
            Body::Pack(pack) => pack.memory_bytes(),
            Body::Plain(value) => value.len(),
        }
    }

    /// The listpack, if it is at most half full.
    pub(super) fn into_small_pack(self, limits: &Thresholds) -> Result<Listpack, Node> {
        match self.body {
            Body::Pack(pack) if !limits.half_node_exceeds(pack.byte_len(), self.count as usize) => {
                Ok(pack)
            }
            body => Err(Node { count: self.count, body }),
        }
    }

    /// The listpack, if `value` may be added to `others` of its elements.
    fn room_for(
        &mut self,
        value: &[u8],
        others: usize,
        limits: &Thresholds,
    ) -> Option<&mut Listpack> {
        match &mut self.body {
            Body::Pack(pack) if limits.is_plain_node(value.len()) => {
                debug_assert!(!pack.is_empty(), "no node is empty");
                None
            }
            Body::Pack(pack) => {
                limits.node_has_room(pack.byte_len(), others, value.len()).then_some(pack)
            }
            Body::Plain(_) => None,
        }
    }

    /// Whether there was room.
    pub(super) fn push(&mut self, end: End, value: &[u8], limits: &Thresholds) -> bool {
        let Some(pack) = self.room_for(value, self.count(), limits) else { return false };
        match end {
            End::Head => pack.push_front(value),
            End::Tail => pack.push_back(value),
        }
        self.count += 1;
        true
    }

    /// Puts `value` before the element at `offset`, at most the count; whether there was room.
    pub(super) fn insert(&mut self, offset: usize, value: &[u8], limits: &Thresholds) -> bool {
        let Some(pack) = self.room_for(value, self.count(), limits) else { return false };
        pack.insert(pack.at(offset).unwrap_or(pack.end()), value);
        self.count += 1;
        true
    }

    /// Replaces the element at `offset` if that can stay one node of the right kind.
    pub(super) fn replace(&mut self, offset: usize, value: &[u8], limits: &Thresholds) -> bool {
        if self.count == 1 {
            *self = Node::of(value, limits);
            return true;
        }
        let Some(pack) = self.room_for(value, self.count() - 1, limits) else { return false };
        let place = pack.at(offset).expect("the offset is below the count");
        pack.replace(place, value);
        true
    }

    /// Removes one of several elements.
    pub(super) fn remove(&mut self, offset: usize) {
        let Body::Pack(pack) = &mut self.body else { unreachable!("a plain node has one element") };
        let place = pack.at(offset).expect("the offset is below the count");
        pack.remove(place, 1);
        self.count -= 1;
    }

    /// Drops some, not all, elements from an end.
    pub(super) fn drop_from(&mut self, end: End, count: usize) {
        let Body::Pack(pack) = &mut self.body else { unreachable!("a plain node has one element") };
        let place = match end {
            End::Head => Some(pack.begin()),
            End::Tail => pack.at(self.count as usize - count),
        };
        let removed = pack.remove(place.expect("fewer are dropped than there are"), count);
        self.count -= u32::try_from(removed).expect("no more than the count");
    }

    /// Takes the elements from `offset` on into a node behind this one; both keep some.
    pub(super) fn split_off(&mut self, offset: usize) -> Node {
        let Body::Pack(pack) = &mut self.body else { unreachable!("a plain node has one element") };
        let place = pack.at(offset).expect("the offset is below the count");
        let tail = Node::pack(pack.split_off(place));
        self.count -= tail.count;
        tail
    }

    /// As [`remove_equal`]; may leave the node empty, with count 0.
    pub(super) fn remove_equal(&mut self, end: End, needle: &Needle<'_>, limit: usize) -> usize {
        let removed = match &mut self.body {
            Body::Pack(pack) => remove_equal(pack, end, needle, limit),
            Body::Plain(value) => usize::from(limit > 0 && needle.is(Element::Bytes(value))),
        };
        self.count -= u32::try_from(removed).expect("no more than the count");
        removed
    }
}

/// Removes up to `limit` elements equal to `needle`, beginning at `end`; returns how many.
pub(super) fn remove_equal(
    pack: &mut Listpack,
    end: End,
    needle: &Needle<'_>,
    limit: usize,
) -> usize {
    let mut removed = 0;
    match end {
        End::Head => {
            let mut place = pack.begin();
            while removed < limit {
                let Some(found) = pack.find(place, needle, 1) else { break };
                removed += pack.remove(found, 1);
                place = found;
            }
        }
        End::Tail => {
            let mut place = pack.end();
            while removed < limit {
                let Some(before) = pack.before(place) else { break };
                if pack.get(before).is_some_and(|element| needle.is(element)) {
                    removed += pack.remove(before, 1);
                }
                place = before;
            }
        }
    }
    removed
}
