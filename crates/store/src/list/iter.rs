//! Walking a list from any index towards either end.

use wire::effect::End;
use wire::listpack::{Element, Place};

use super::{Form, List, NodeRef, find_node};

/// The elements of a list from an index towards an end.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    list: &'a List,
    node: usize,
    /// In a listpack node: the element that comes next.
    place: Option<Place>,
    towards: End,
    /// Elements still to come.
    left: usize,
}

impl<'a> Iter<'a> {
    pub(super) fn new(list: &'a List, index: usize, towards: End) -> Iter<'a> {
        if index >= list.length {
            return Iter { list, node: 0, place: None, towards, left: 0 };
        }
        let (node, offset) = match &list.form {
            Form::Listpack(_) => (0, index),
            Form::Quicklist(nodes) => find_node(nodes, index, list.length),
        };
        let place = match list.node(node) {
            Some(NodeRef::Pack(pack)) => pack.at(offset),
            Some(NodeRef::Plain(_)) | None => None,
        };
        let left = match towards {
            End::Head => index + 1,
            End::Tail => list.length - index,
        };
        Iter { list, node, place, towards, left }
    }

    /// Goes to the next element, which exists.
    fn step(&mut self) {
        if let (Some(NodeRef::Pack(pack)), Some(place)) = (self.list.node(self.node), self.place) {
            let next = match self.towards {
                End::Head => pack.before(place),
                End::Tail => Some(pack.after(place)).filter(|&next| next != pack.end()),
            };
            if next.is_some() {
                self.place = next;
                return;
            }
        }
        self.node = match self.towards {
            End::Head => self.node - 1,
            End::Tail => self.node + 1,
        };
        self.place = match (self.list.node(self.node), self.towards) {
            (Some(NodeRef::Pack(pack)), End::Head) => pack.before(pack.end()),
            (Some(NodeRef::Pack(pack)), End::Tail) => Some(pack.begin()),
            (Some(NodeRef::Plain(_)) | None, _) => None,
        };
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        self.left = self.left.checked_sub(1)?;
        let element = match self.list.node(self.node)? {
            NodeRef::Pack(pack) => pack.get(self.place?)?,
            NodeRef::Plain(value) => Element::Bytes(value),
        };
        if self.left > 0 {
            self.step();
        }
        Some(element)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Iter<'_> {}
