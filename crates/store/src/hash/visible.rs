//! A hash as a client sees it at one moment: fields that are due are not there.

use base::UnixMs;
use wire::listpack::TextBuffer;

use super::{Element, Entry, Hash};
use crate::{Rng, pick};

/// A hash at a moment. Where nothing expires, it costs a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Visible<'a> {
    hash: &'a Hash,
    now: UnixMs,
    has_due: bool,
}

impl<'a> Visible<'a> {
    pub(super) fn new(hash: &'a Hash, now: UnixMs) -> Visible<'a> {
        let has_due = hash.first_deadline().is_some_and(|first| first <= now);
        Visible { hash, now, has_due }
    }

    /// With the fields that are due.
    pub fn whole(self) -> &'a Hash {
        self.hash
    }

    /// Number of fields that are not due.
    pub fn len(self) -> usize {
        if self.has_due {
            self.hash.len() - self.hash.due(self.now).count()
        } else {
            self.hash.len()
        }
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    pub fn get(self, field: &[u8]) -> Option<Element<'a>> {
        if self.is_due(field) { None } else { self.hash.get(field) }
    }

    pub fn contains(self, field: &[u8]) -> bool {
        !self.is_due(field) && self.hash.contains(field)
    }

    /// When a field expires; `None`: it is not there, `Some(None)`: never.
    pub fn deadline(self, field: &[u8]) -> Option<Option<UnixMs>> {
        self.contains(field).then(|| self.hash.deadline(field))
    }

    fn is_due(self, field: &[u8]) -> bool {
        self.has_due && self.hash.deadline(field).is_some_and(|at| at <= self.now)
    }

    /// Whether a field of the whole hash is not due.
    pub fn shows(self, field: Element<'_>) -> bool {
        !self.has_due || !self.is_due(field.text(&mut TextBuffer::default()))
    }

    pub fn iter(self) -> impl Iterator<Item = Entry<'a>> {
        self.hash.iter().filter(move |entry| self.shows(entry.0))
    }

    pub fn random(self, rng: &mut Rng) -> Option<Entry<'a>> {
        self.random_repeated(1, rng).pop()
    }

    /// `count` fields, each drawn anew; none when there are none.
    pub fn random_repeated(self, count: usize, rng: &mut Rng) -> Vec<Entry<'a>> {
        if !self.has_due {
            return (0..count).filter_map(|_| self.hash.random(rng)).collect();
        }
        let shown: Vec<Entry<'a>> = self.iter().collect();
        if shown.is_empty() {
            return shown;
        }
        (0..count).map(|_| shown[rng.index(shown.len())]).collect()
    }

    /// `count` different fields, or all.
    pub fn random_distinct(self, count: usize, rng: &mut Rng) -> Vec<Entry<'a>> {
        if self.has_due {
            let mut shown: Vec<Entry<'a>> = self.iter().collect();
            let length = shown.len();
            let count = count.min(length);
            for at in 0..count {
                shown.swap(at, at + rng.index(length - at));
            }
            shown.truncate(count);
            return shown;
        }
        let draw = |rng: &mut Rng| self.hash.random(rng);
        pick::distinct(self.len(), count, rng, self.iter(), draw, |entry| entry.0)
    }
}
