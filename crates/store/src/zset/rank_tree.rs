//! The order of a large sorted set: a B+tree that counts.
//!
//! ```text
//!                 inner   | 7.5: 120 | 9: 64 |            lowest score and number of elements of each child
//!                           /            \
//!      leaf  | (7.5,"a") (7.5,"b") ... |  | (9,"k") ... |    elements by (score, member)
//! ```
//!
//! Invariants
//! - Elements ascend by score, and bytewise by member where scores are equal; none is there twice.
//! - All leaves are equally deep. `count` of a child is the number of elements below it, `low` the score
//!   of the first of them; no node but an empty root is empty.
//! - After a removal no node but the root is less than a quarter full. (A split at the right edge leaves
//!   a small last node on purpose: ascending inserts then fill nodes to the brim.)

use std::cmp::Ordering;

/// Elements of a leaf, children of an inner node.
const LEAF_MAX: usize = 64;
const INNER_MAX: usize = 64;

/// An ordered set of (score, member) with ranks. Scores are never NaN.
#[derive(Clone, Debug, Default)]
pub struct RankTree {
    root: Node,
    length: usize,
}

#[derive(Clone, Debug)]
struct Element {
    score: f64,
    member: Box<[u8]>,
}

#[derive(Clone, Debug)]
enum Node {
    Leaf(Vec<Element>),
    Inner(Vec<Child>),
}

#[derive(Clone, Debug)]
struct Child {
    low: f64,
    count: usize,
    node: Box<Node>,
}

impl Default for Node {
    fn default() -> Node {
        Node::Leaf(Vec::new())
    }
}

/// The order of sorted sets.
pub fn compare(a: (f64, &[u8]), b: (f64, &[u8])) -> Ordering {
    a.0.partial_cmp(&b.0).expect("a score is never NaN").then_with(|| a.1.cmp(b.1))
}

impl Element {
    fn key(&self) -> (f64, &[u8]) {
        (self.score, &self.member)
    }
}

impl Child {
    fn of(node: Node) -> Child {
        let (low, count) = (node.first().expect("no child is empty").score, node.count());
        Child { low, count, node: Box::new(node) }
    }

    /// Brings `low` and `count` up to date after a change below.
    fn refresh(&mut self) {
        self.low = self.node.first().map_or(self.low, |element| element.score);
        self.count = self.node.count();
    }

    /// Whether the first element below comes after `key`.
    fn starts_after(&self, key: (f64, &[u8])) -> bool {
        match self.low.partial_cmp(&key.0).expect("a score is never NaN") {
            Ordering::Less => false,
            Ordering::Greater => true,
            Ordering::Equal => self.node.first().is_some_and(|first| *first.member > *key.1),
        }
    }
}

impl RankTree {
    pub fn new() -> RankTree {
        RankTree::default()
    }

    pub fn len(&self) -> usize {
        self.length
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bytes that the tree takes for an element beside the member itself, at the usual filling.
    pub fn cell_bytes(&self) -> usize {
        size_of::<Element>() * 4 / 3
    }

    /// Whether the element is new.
    pub fn insert(&mut self, score: f64, member: &[u8]) -> bool {
        assert!(!score.is_nan(), "a score is never NaN");
        let Some(split) = self.root.insert((score, member)) else { return false };
        self.length += 1;
        if let Some(right) = split {
            let left = std::mem::take(&mut self.root);
            self.root = Node::Inner(vec![Child::of(left), Child::of(right)]);
        }
        true
    }

    /// Whether the element was there.
    pub fn remove(&mut self, score: f64, member: &[u8]) -> bool {
        self.take(score, member).is_some()
    }

    /// The same; returns the tree's copy of the member.
    pub(crate) fn take(&mut self, score: f64, member: &[u8]) -> Option<Box<[u8]>> {
        let taken = self.root.take((score, member))?;
        self.length -= 1;
        while let Node::Inner(children) = &mut self.root
            && children.len() < 2
        {
            self.root = children.pop().map_or_else(Node::default, |child| *child.node);
        }
        Some(taken)
    }

    /// The number of elements before this one, if it is there.
    pub fn rank(&self, score: f64, member: &[u8]) -> Option<usize> {
        let key = (score, member);
        let rank = self.rank_where(|score, member| compare((score, member), key).is_lt());
        (self.at(rank) == Some(key)).then_some(rank)
    }

    /// The number of elements for which `is_before` holds; it must hold for all up to some element and
    /// for none behind that.
    pub fn rank_where(&self, is_before: impl Fn(f64, &[u8]) -> bool) -> usize {
        let (mut node, mut rank) = (&self.root, 0);
        let holds = |element: &Element| is_before(element.score, &element.member);
        loop {
            match node {
                Node::Leaf(elements) => return rank + elements.partition_point(holds),
                Node::Inner(children) => {
                    let begun = |child: &Child| child.node.first().is_some_and(holds);
                    let Some(last) = children.partition_point(begun).checked_sub(1) else {
                        return rank;
                    };
                    rank += children[..last].iter().map(|child| child.count).sum::<usize>();
                    node = &children[last].node;
                }
            }
        }
    }

    /// The element at a rank.
    pub fn at(&self, rank: usize) -> Option<(f64, &[u8])> {
        let (leaf, offset) = self.leaf_at(rank)?;
        leaf.get(offset).map(Element::key)
    }

    /// The elements with ranks `start..start + count`, as far as they are there, ascending.
    pub fn range(&self, start: usize, count: usize) -> Range<'_> {
        let start = start.min(self.length);
        let count = count.min(self.length - start);
        Range { tree: self, front: start, back: start + count, leaf: &[], leaf_start: 0 }
    }

    /// The leaf that holds the element of this rank, and where in it.
    fn leaf_at(&self, rank: usize) -> Option<(&[Element], usize)> {
        if rank >= self.length {
            return None;
        }
        let (mut node, mut offset) = (&self.root, rank);
        loop {
            match node {
                Node::Leaf(elements) => return Some((elements, offset)),
                Node::Inner(children) => {
                    let mut children = children.iter();
                    node = loop {
                        let child = children.next()?;
                        if offset < child.count {
                            break &child.node;
                        }
                        offset -= child.count;
                    };
                }
            }
        }
    }
}

impl Node {
    fn first(&self) -> Option<&Element> {
        let mut node = self;
        loop {
            match node {
                Node::Leaf(elements) => return elements.first(),
                Node::Inner(children) => node = &children.first()?.node,
            }
        }
    }

    /// Elements below.
    fn count(&self) -> usize {
        match self {
            Node::Leaf(elements) => elements.len(),
            Node::Inner(children) => children.iter().map(|child| child.count).sum(),
        }
    }

    /// `None` if the key was there; otherwise the right half, if the node had to be split.
    fn insert(&mut self, key: (f64, &[u8])) -> Option<Option<Node>> {
        match self {
            Node::Leaf(elements) => {
                let at = match elements.binary_search_by(|element| compare(element.key(), key)) {
                    Ok(_) => return None,
                    Err(at) => at,
                };
                let right = (elements.len() == LEAF_MAX).then(|| split(elements, at));
                let element = Element { score: key.0, member: key.1.into() };
                Some(match right {
                    Some(mut right) if at > elements.len() || right.is_empty() => {
                        right.insert(at - elements.len(), element);
                        Some(Node::Leaf(right))
                    }
                    right => {
                        elements.insert(at, element);
                        right.map(Node::Leaf)
                    }
                })
            }
            Node::Inner(children) => {
                let at = child_of(children, key);
                let split_off = children[at].node.insert(key)?;
                children[at].refresh();
                let Some(node) = split_off else { return Some(None) };
                let (at, child) = (at + 1, Child::of(node));
                let right = (children.len() == INNER_MAX).then(|| split(children, at));
                Some(match right {
                    Some(mut right) if at > children.len() || right.is_empty() => {
                        right.insert(at - children.len(), child);
                        Some(Node::Inner(right))
                    }
                    right => {
                        children.insert(at, child);
                        right.map(Node::Inner)
                    }
                })
            }
        }
    }

    fn take(&mut self, key: (f64, &[u8])) -> Option<Box<[u8]>> {
        match self {
            Node::Leaf(elements) => {
                let found = elements.binary_search_by(|element| compare(element.key(), key));
                found.ok().map(|at| elements.remove(at).member)
            }
            Node::Inner(children) => {
                let at = child_of(children, key);
                let taken = children[at].node.take(key)?;
                children[at].refresh();
                refill(children, at);
                Some(taken)
            }
        }
    }

    fn is_sparse(&self) -> bool {
        match self {
            Node::Leaf(elements) => elements.len() < LEAF_MAX / 4,
            Node::Inner(children) => children.len() < INNER_MAX / 4,
        }
    }

    /// Appends what `right` holds; returns what is too much for one node.
    fn join(&mut self, right: Node) -> Option<Node> {
        match (self, right) {
            (Node::Leaf(left), Node::Leaf(mut right)) => {
                join(left, &mut right, LEAF_MAX).then_some(Node::Leaf(right))
            }
            (Node::Inner(left), Node::Inner(mut right)) => {
                join(left, &mut right, INNER_MAX).then_some(Node::Inner(right))
            }
            _ => unreachable!("all leaves are equally deep"),
        }
    }
}

/// The child where `key` is or belongs.
fn child_of(children: &[Child], key: (f64, &[u8])) -> usize {
    children.partition_point(|child| !child.starts_after(key)).saturating_sub(1)
}

/// Splits a full node before an insertion at `at`: in the middle, or at the end if that is where the
/// insertion goes, so that ascending inserts leave full nodes behind.
fn split<T>(full: &mut Vec<T>, at: usize) -> Vec<T> {
    let (length, capacity) = (full.len(), full.capacity());
    let mut right = Vec::with_capacity(capacity);
    if at < length {
        right.extend(full.drain(length / 2..));
    }
    right
}

/// Moves `right` behind `left`; whether there is so much that both remain, evenly filled.
fn join<T>(left: &mut Vec<T>, right: &mut Vec<T>, max: usize) -> bool {
    let both = left.len() + right.len();
    if both <= max * 3 / 4 {
        left.append(right);
        return false;
    }
    let half = both / 2;
    if left.len() < half {
        left.extend(right.drain(..half - left.len()));
    } else {
        right.splice(0..0, left.drain(half..));
    }
    true
}

/// After a removal below child `at`: drops the child if it is empty, joins it with a neighbour if it is
/// sparse.
fn refill(children: &mut Vec<Child>, at: usize) {
    if children[at].count == 0 {
        children.remove(at);
        return;
    }
    if !children[at].node.is_sparse() || children.len() == 1 {
        return;
    }
    let left = at.min(children.len() - 2);
    let right = children.remove(left + 1);
    let rest = children[left].node.join(*right.node);
    children[left].refresh();
    if let Some(rest) = rest {
        children.insert(left + 1, Child::of(rest));
    }
}

/// Elements of a span of ranks, from both ends. Finds its leaf anew for every leaf, so it needs no
/// links between leaves.
#[derive(Clone, Debug)]
pub struct Range<'a> {
    tree: &'a RankTree,
    front: usize,
    back: usize,
    /// The leaf met last, and the rank of its first element.
    leaf: &'a [Element],
    leaf_start: usize,
}

impl<'a> Range<'a> {
    fn element(&mut self, rank: usize) -> Option<(f64, &'a [u8])> {
        if rank < self.leaf_start || rank >= self.leaf_start + self.leaf.len() {
            let (leaf, offset) = self.tree.leaf_at(rank)?;
            (self.leaf, self.leaf_start) = (leaf, rank - offset);
        }
        self.leaf.get(rank - self.leaf_start).map(Element::key)
    }
}

impl<'a> Iterator for Range<'a> {
    type Item = (f64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        self.front += 1;
        self.element(self.front - 1)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.back - self.front;
        (left, Some(left))
    }
}

impl DoubleEndedIterator for Range<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        self.back -= 1;
        self.element(self.back)
    }
}

impl ExactSizeIterator for Range<'_> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Depth of the leaves; panics where an invariant of the module does not hold.
    fn check(node: &Node, is_root: bool) -> usize {
        match node {
            Node::Leaf(elements) => {
                assert!(is_root || !elements.is_empty());
                assert!(elements.len() <= LEAF_MAX);
                assert!(elements.is_sorted_by(|a, b| compare(a.key(), b.key()).is_lt()));
                0
            }
            Node::Inner(children) => {
                assert!(!children.is_empty() && children.len() <= INNER_MAX);
                assert!(!is_root || children.len() > 1);
                let mut depths = children.iter().map(|child| {
                    assert_eq!(child.count, child.node.count());
                    assert_eq!(child.low, child.node.first().unwrap().score);
                    check(&child.node, false)
                });
                let depth = depths.next().unwrap();
                assert!(depths.all(|other| other == depth));
                depth + 1
            }
        }
    }

    fn member(number: u32) -> Vec<u8> {
        format!("m{number:05}").into_bytes()
    }

    #[test]
    fn ascending_inserts_fill_leaves() {
        let mut tree = RankTree::new();
        for number in 0..10_000u32 {
            assert!(tree.insert(f64::from(number), b"m"));
        }
        assert_eq!(check(&tree.root, true), 2);
        let Node::Inner(children) = &tree.root else { panic!("10,000 elements are no leaf") };
        assert_eq!(children[0].count, LEAF_MAX * INNER_MAX);
        assert_eq!(tree.at(9_999), Some((9_999.0, b"m".as_slice())));
        assert_eq!(tree.at(10_000), None);
        assert_eq!(tree.rank(1234.0, b"m"), Some(1234));
        assert_eq!(tree.rank(1234.0, b"n"), None);
    }

    #[test]
    fn equal_scores_are_ordered_by_member() {
        let mut tree = RankTree::new();
        for number in (0..5_000u32).rev() {
            assert!(tree.insert(0.0, &member(number)));
            assert!(!tree.insert(-0.0, &member(number)), "zero has no sign here");
        }
        check(&tree.root, true);
        for number in (0..5_000u32).step_by(97) {
            assert_eq!(tree.rank(0.0, &member(number)), Some(number as usize));
        }
        assert_eq!(tree.rank_where(|_, found| found < b"m01".as_slice()), 1000);
    }

    #[test]
    fn emptied_from_any_side() {
        for order in [|n: u32| n, |n: u32| 4999 - n, |n: u32| n * 1237 % 5000] {
            let mut tree = RankTree::new();
            (0..5_000u32).for_each(|n| assert!(tree.insert(f64::from(n % 7), &member(n))));
            for n in 0..5_000u32 {
                assert!(tree.remove(f64::from(order(n) % 7), &member(order(n))));
                if n % 50 == 0 {
                    check(&tree.root, true);
                }
            }
            assert!(tree.is_empty() && tree.range(0, 10).next().is_none());
        }
    }

    proptest! {
        #[test]
        fn behaves_as_a_sorted_vector(
            steps in proptest::collection::vec((0u32..4, 0u32..600, 0i32..4), 0..2500),
            (start, count) in (0usize..700, 0usize..700),
        ) {
            let (mut tree, mut model) = (RankTree::new(), Vec::<(f64, Vec<u8>)>::new());
            for (kind, number, score) in steps {
                let key = (f64::from(score), member(number));
                let found = model.binary_search_by(|(score, member)| {
                    compare((*score, member), (key.0, &key.1))
                });
                if kind == 0 {
                    prop_assert_eq!(tree.remove(key.0, &key.1), found.is_ok());
                    let _ = found.map(|at| model.remove(at));
                } else {
                    prop_assert_eq!(tree.insert(key.0, &key.1), found.is_err());
                    let _ = found.map_err(|at| model.insert(at, key));
                }
            }
            check(&tree.root, true);
            prop_assert_eq!(tree.len(), model.len());
            let slice: Vec<_> = model.iter().skip(start).take(count).collect();
            let owned = |(score, member): (f64, &[u8])| (score, member.to_vec());
            prop_assert!(tree.range(start, count).map(owned).eq(slice.iter().map(|&e| e.clone())));
            prop_assert!(tree.range(start, count).rev().map(owned).eq(slice.iter().rev().map(|&e| e.clone())));
            for (at, (score, member)) in model.iter().enumerate().step_by(17) {
                prop_assert_eq!(tree.rank(*score, member), Some(at));
            }
            let below_two = model.iter().filter(|(score, _)| *score < 2.0).count();
            prop_assert_eq!(tree.rank_where(|score, _| score < 2.0), below_two);
        }
    }
}
