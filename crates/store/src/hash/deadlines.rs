//! When the fields of one hash expire.
//!
//! ```text
//!   by field   field -> time          does this one expire?
//!   by time    (time, field), ...     which expire first?
//! ```
//!
//! Invariant: both hold the same pairs; the two share the bytes of a field.

use std::collections::BTreeSet;
use std::sync::Arc;

use base::UnixMs;
use base::allocation::size_class;
use hashbrown::HashMap;

/// The deadlines of some of a hash's fields.
#[derive(Clone, Debug, Default)]
pub(super) struct Deadlines {
    by_field: HashMap<Arc<[u8]>, UnixMs, foldhash::fast::RandomState>,
    by_time: BTreeSet<(UnixMs, Arc<[u8]>)>,
}

impl Deadlines {
    pub(super) fn len(&self) -> usize {
        self.by_time.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }

    pub(super) fn get(&self, field: &[u8]) -> Option<UnixMs> {
        self.by_field.get(field).copied()
    }

    pub(super) fn first(&self) -> Option<UnixMs> {
        self.by_time.first().map(|(at, _)| *at)
    }

    pub(super) fn set(&mut self, field: &[u8], at: UnixMs) {
        self.take(field);
        let field: Arc<[u8]> = field.into();
        self.by_field.insert(field.clone(), at);
        self.by_time.insert((at, field));
    }

    /// Takes the deadline of a field away, if it has one, and returns the name of the field.
    pub(super) fn take(&mut self, field: &[u8]) -> Option<Arc<[u8]>> {
        // Most fields of most hashes have none.
        if self.by_field.is_empty() {
            return None;
        }
        let pair = self.by_field.remove_entry(field).map(|(field, at)| (at, field))?;
        let was_there = self.by_time.remove(&pair);
        assert!(was_there, "both orders hold the same pairs");
        Some(pair.1)
    }

    /// All pairs, the first to expire first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (UnixMs, &Arc<[u8]>)> {
        self.by_time.iter().map(|(at, field)| (*at, field))
    }

    /// The fields that are due at `now`.
    pub(super) fn due(&self, now: UnixMs) -> impl Iterator<Item = &Arc<[u8]>> {
        self.iter().take_while(move |(at, _)| *at <= now).map(|(_, field)| field)
    }

    /// Bytes allocated, about: nodes of the tree are taken to be two thirds full.
    pub(super) fn memory_bytes(&self) -> usize {
        let names: usize = self.by_field.keys().map(|field| size_class(16 + field.len())).sum();
        let pair = size_of::<(UnixMs, Arc<[u8]>)>();
        names + self.by_field.allocation_size() + self.len() * pair * 3 / 2
    }
}
