//! A sorted set in one listpack: member, score, member, score, ..., ascending.

use std::cmp::Ordering;

use base::number::{format_double, parse_double};
use wire::listpack::{Element, Listpack, Needle, Place, TextBuffer};

use super::Entry;
use super::rank_tree::compare;

pub(super) fn parse_score(element: Element<'_>) -> Option<f64> {
    match element {
        Element::Integer(value) => Some(value as f64),
        Element::Bytes(text) => parse_double(text),
    }
}

fn score_at(pack: &Listpack, place: Place) -> f64 {
    pack.get(place).and_then(parse_score).expect("a score follows each member")
}

/// Where the member stands, and its score.
pub(super) fn find(pack: &Listpack, member: &[u8]) -> Option<(Place, f64)> {
    let place = pack.find(pack.begin(), &Needle::new(member), 2)?;
    Some((place, score_at(pack, pack.after(place))))
}

/// The number of members before the one at `place`.
pub(super) fn index_of(pack: &Listpack, place: Place) -> usize {
    let (mut at, mut index) = (pack.begin(), 0);
    while at != place {
        at = pack.after(pack.after(at));
        index += 1;
    }
    index
}

/// Puts a member that is not there where it belongs.
pub(super) fn insert(pack: &mut Listpack, score: f64, member: &[u8]) {
    let mut buffer = TextBuffer::default();
    let mut place = pack.begin();
    while let Some(element) = pack.get(place) {
        let behind = pack.after(place);
        let found = (score_at(pack, behind), element.text(&mut buffer));
        if compare(found, (score, member)) == Ordering::Greater {
            break;
        }
        place = pack.after(behind);
    }
    // Zero loses its sign here, as in Redis.
    pack.insert(place, &format_double(if score == 0.0 { 0.0 } else { score }));
    pack.insert(place, member);
}

/// Members of a span of indexes, from both ends.
#[derive(Clone, Debug)]
pub(super) struct Range<'a> {
    pack: &'a Listpack,
    front: Place,
    back: Place,
    left: usize,
}

impl<'a> Range<'a> {
    pub(super) fn new(pack: &'a Listpack, start: usize, count: usize) -> Range<'a> {
        let length = pack.len() / 2;
        let start = start.min(length);
        let left = count.min(length - start);
        let at = |index: usize| pack.at(2 * index).unwrap_or(pack.end());
        Range { pack, front: at(start), back: at(start + left), left }
    }

    fn entry(&self, place: Place) -> Option<Entry<'a>> {
        let member = self.pack.get(place)?;
        Some((score_at(self.pack, self.pack.after(place)), member))
    }
}

impl<'a> Iterator for Range<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        self.left = self.left.checked_sub(1)?;
        let place = self.front;
        self.front = self.pack.after(self.pack.after(place));
        self.entry(place)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl DoubleEndedIterator for Range<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        self.back = self.pack.before(self.pack.before(self.back)?)?;
        self.entry(self.back)
    }
}

impl ExactSizeIterator for Range<'_> {}
