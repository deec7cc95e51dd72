//! Sorted sets.
//!
//! ```text
//!   listpack    [ member score member score ... ]     ascending
//!   skiplist    Table<Scored>: member -> score,  and  RankTree: (score, member) in order
//! ```
//!
//! The second encoding keeps the name that clients know; there is no skiplist in it.
//!
//! Invariants
//! - Order: by score, then bytewise by member. A score is never NaN. No member is there twice.
//! - Table and tree hold the same elements.
//! - A listpack writes a score in the text of `base::number::format_double`, zero without a sign.

mod pack;
pub mod rank_tree;

use std::cmp::Ordering;
use std::collections::BTreeSet;

use wire::listpack::{Element, Listpack, TextBuffer};

use crate::dict::{Scored, Table, hash_of};
use crate::graveyard::Remains;
use crate::{Rng, Thresholds, pick};
use rank_tree::RankTree;

/// Members with scores, in order.
#[derive(Clone, Debug)]
pub struct Zset {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Listpack(Listpack),
    Skiplist(Box<Ranked>),
}

#[derive(Debug)]
struct Ranked {
    table: Table<Scored>,
    tree: RankTree,
}

/// A member that was removed, as table and tree had it.
pub(crate) type Removed = (Scored, Box<[u8]>);

/// A member with its score.
pub type Entry<'a> = (f64, Element<'a>);

/// What adding a member did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Added {
    New,
    /// It was there with another score.
    Updated,
    Same,
}

impl Default for Zset {
    fn default() -> Zset {
        Zset::new()
    }
}

impl Clone for Ranked {
    fn clone(&self) -> Ranked {
        let mut table = Table::with_capacity(self.table.len());
        for item in self.table.iter() {
            table.insert_new(hash_of(item.member()), Scored::new(item.score(), item.member()));
        }
        Ranked { table, tree: self.tree.clone() }
    }
}

impl Zset {
    pub fn new() -> Zset {
        Zset { form: Form::Listpack(Listpack::new()) }
    }

    /// A sorted set that a snapshot kept as one listpack; `None` if it is out of order, has a member
    /// twice, or something that is no score.
    pub fn from_listpack(pack: Listpack, limits: &Thresholds) -> Option<Zset> {
        let (mut members, mut length_max) = (BTreeSet::new(), 0);
        let mut previous: Option<(f64, Vec<u8>)> = None;
        let mut elements = pack.iter();
        while let Some(member) = elements.next() {
            let score = pack::parse_score(elements.next()?)?;
            let member = member.to_vec();
            length_max = length_max.max(member.len());
            if let Some((lower, before)) = &previous
                && rank_tree::compare((*lower, before), (score, &member)) != Ordering::Less
            {
                return None;
            }
            if !members.insert(member.clone()) {
                return None;
            }
            previous = Some((score, member));
        }
        let is_long = members.len() > limits.zset_max_listpack_entries;
        let mut zset = Zset { form: Form::Listpack(pack) };
        if is_long || length_max > limits.zset_max_listpack_value {
            zset.ranked_mut(0);
        }
        Some(zset)
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        match &self.form {
            Form::Listpack(pack) => pack.len() / 2,
            Form::Skiplist(ranked) => ranked.table.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As OBJECT ENCODING says it.
    pub fn encoding(&self) -> &'static str {
        match self.form {
            Form::Listpack(_) => "listpack",
            Form::Skiplist(_) => "skiplist",
        }
    }

    /// The compact form, if that is the form: what a snapshot writes.
    pub fn as_listpack(&self) -> Option<&Listpack> {
        match &self.form {
            Form::Listpack(pack) => Some(pack),
            Form::Skiplist(_) => None,
        }
    }

    /// Bytes allocated, without `Self`. Of a large set it visits up to `samples` members (0: all).
    pub fn memory_bytes(&self, samples: usize) -> usize {
        match &self.form {
            Form::Listpack(pack) => pack.memory_bytes(),
            Form::Skiplist(ranked) => {
                let (table, tree) = (&ranked.table, &ranked.tree);
                // The tree has a copy of each member and at most half its cells empty.
                let sizes = table.iter().map(|item| 2 * item.heap_bytes() + tree.cell_bytes());
                table.bytes() + pick::extrapolate(sizes, table.len(), samples)
            }
        }
    }

    /// Allocations, about: what freeing this costs.
    pub fn free_effort(&self) -> usize {
        match &self.form {
            Form::Listpack(_) => 1,
            Form::Skiplist(ranked) => 2 * ranked.table.len(),
        }
    }

    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.form {
            Form::Listpack(pack) => pack::find(pack, member).map(|(_, score)| score),
            Form::Skiplist(ranked) => ranked.score(member),
        }
    }

    /// Adds members or changes their scores; returns how many are new. Their number and the first's
    /// length are a hint of what comes: they decide the encoding, as in Redis.
    pub fn add_all(&mut self, members: &[(f64, &[u8])], limits: &Thresholds) -> usize {
        let length_max = members.iter().map(|(_, member)| member.len()).max().unwrap_or(0);
        if members.len() > limits.zset_max_listpack_entries
            || length_max > limits.zset_max_listpack_value
        {
            self.ranked_mut(members.len());
        }
        let is_new =
            |&&(score, member): &&(f64, &[u8])| self.add(score, member, limits) == Added::New;
        members.iter().filter(is_new).count()
    }

    /// Panics if the score is NaN.
    pub fn add(&mut self, score: f64, member: &[u8], limits: &Thresholds) -> Added {
        assert!(!score.is_nan(), "a score is never NaN");
        let Form::Listpack(pack) = &mut self.form else {
            return self.ranked_mut(0).add(score, member);
        };
        match pack::find(pack, member) {
            Some((_, old)) if old == score => return Added::Same,
            Some((place, _)) => {
                pack.remove(place, 2);
                pack::insert(pack, score, member);
                return Added::Updated;
            }
            None => {}
        }
        if pack.len() / 2 < limits.zset_max_listpack_entries
            && member.len() <= limits.zset_max_listpack_value
        {
            pack::insert(pack, score, member);
            return Added::New;
        }
        self.ranked_mut(1).add(score, member)
    }

    /// Whether the member was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        self.remove_into(member, &mut Remains::new())
    }

    /// The same; what is to be freed is added to `remains`.
    pub(crate) fn remove_into(&mut self, member: &[u8], remains: &mut Remains<Removed>) -> bool {
        match &mut self.form {
            Form::Listpack(pack) => match pack::find(pack, member) {
                Some((place, _)) => pack.remove(place, 2) == 2,
                None => false,
            },
            Form::Skiplist(ranked) => match ranked.table.remove(hash_of(member), member) {
                Some(item) => {
                    let element = ranked.tree.take(item.score(), member);
                    let element = element.expect("table and tree hold the same members");
                    remains.add((item, element));
                    true
                }
                None => false,
            },
        }
    }

    /// The number of members before this one, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match &self.form {
            Form::Listpack(pack) => {
                let (place, score) = pack::find(pack, member)?;
                Some((pack::index_of(pack, place), score))
            }
            Form::Skiplist(ranked) => {
                let score = ranked.score(member)?;
                Some((ranked.tree.rank(score, member)?, score))
            }
        }
    }

    /// The number of members for which `is_before(score, member)` holds; it must hold for all up to some
    /// member and for none behind that. O(log n) in a large set.
    pub fn rank_where(&self, is_before: impl Fn(f64, &[u8]) -> bool) -> usize {
        match &self.form {
            Form::Listpack(pack) => {
                let mut buffer = TextBuffer::default();
                pack::Range::new(pack, 0, self.len())
                    .take_while(|(score, member)| is_before(*score, member.text(&mut buffer)))
                    .count()
            }
            Form::Skiplist(ranked) => ranked.tree.rank_where(is_before),
        }
    }

    /// Members in order.
    pub fn iter(&self) -> Range<'_> {
        self.range(0, self.len())
    }

    /// The members with ranks `start..start + count`, as far as they are there, in order.
    pub fn range(&self, start: usize, count: usize) -> Range<'_> {
        match &self.form {
            Form::Listpack(pack) => Range(Kind::Pack(pack::Range::new(pack, start, count))),
            Form::Skiplist(ranked) => Range(Kind::Tree(ranked.tree.range(start, count))),
        }
    }

    /// Visits some members from `cursor` on and returns the next cursor, 0 at the end. A listpack is
    /// visited whole. A member that stays in the set from the first call to the last is visited.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(Entry<'_>)) -> u64 {
        match &self.form {
            Form::Listpack(_) => {
                self.iter().for_each(visit);
                0
            }
            Form::Skiplist(ranked) => ranked.table.scan(cursor, |item| visit(entry(item))),
        }
    }

    pub fn random(&self, rng: &mut Rng) -> Option<Entry<'_>> {
        self.range(rng.index(self.len().max(1)), 1).next()
    }

    /// `count` different members, or all.
    pub fn random_distinct(&self, count: usize, rng: &mut Rng) -> Vec<Entry<'_>> {
        let draw = |rng: &mut Rng| self.random(rng);
        pick::distinct(self.len(), count, rng, self.iter(), draw, |entry| entry.1)
    }

    fn ranked_mut(&mut self, more: usize) -> &mut Ranked {
        if let Form::Listpack(_) = &self.form {
            let table = Table::with_capacity(self.len() + more);
            let mut ranked = Box::new(Ranked { table, tree: RankTree::new() });
            let mut buffer = TextBuffer::default();
            for (score, member) in self.iter() {
                ranked.add(score, member.text(&mut buffer));
            }
            self.form = Form::Skiplist(ranked);
        }
        match &mut self.form {
            Form::Skiplist(ranked) => ranked,
            Form::Listpack(_) => unreachable!("it was just turned into table and tree"),
        }
    }
}

impl Ranked {
    fn score(&self, member: &[u8]) -> Option<f64> {
        self.table.find(hash_of(member), member).map(Scored::score)
    }

    fn add(&mut self, score: f64, member: &[u8]) -> Added {
        let hash = hash_of(member);
        match self.table.find_mut(hash, member) {
            Some(item) if item.score() == score => Added::Same,
            Some(item) => {
                self.tree.remove(item.score(), member);
                self.tree.insert(score, member);
                item.set_score(score);
                Added::Updated
            }
            None => {
                self.table.insert_new(hash, Scored::new(score, member));
                self.tree.insert(score, member);
                Added::New
            }
        }
    }
}

fn entry(item: &Scored) -> Entry<'_> {
    (item.score(), Element::Bytes(item.member()))
}

/// Members of a span of ranks, from both ends.
#[derive(Clone, Debug)]
pub struct Range<'a>(Kind<'a>);

#[derive(Clone, Debug)]
enum Kind<'a> {
    Pack(pack::Range<'a>),
    Tree(rank_tree::Range<'a>),
}

fn tree_entry<'a>((score, member): (f64, &'a [u8])) -> Entry<'a> {
    (score, Element::Bytes(member))
}

impl<'a> Iterator for Range<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        match &mut self.0 {
            Kind::Pack(range) => range.next(),
            Kind::Tree(range) => range.next().map(tree_entry),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Kind::Pack(range) => range.size_hint(),
            Kind::Tree(range) => range.size_hint(),
        }
    }
}

impl DoubleEndedIterator for Range<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Kind::Pack(range) => range.next_back(),
            Kind::Tree(range) => range.next_back().map(tree_entry),
        }
    }
}

impl ExactSizeIterator for Range<'_> {}

#[cfg(test)]
mod tests;
