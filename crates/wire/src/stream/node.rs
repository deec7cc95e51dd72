//! A node of a stream: neighbouring entries in one listpack, with what they have in common written once.
//!
//! ```text
//!   node  = | live | deleted | n | field 1 .. field n | 0 | entry | entry | ...
//!           '---------------- master entry -------------'
//!   entry = | flags | ms | seq |     value 1 .. value n                       | pieces |    SAME_FIELDS
//!         | | flags | ms | seq | m | field 1 | value 1 .. field m | value m   | pieces |
//!
//!   flags    1 DELETED (the entry only takes room), 2 SAME_FIELDS (its fields are those of the master entry)
//!   ms, seq  what is to be added to the node's key, which is the ID of the first entry it ever had
//!   pieces   listpack items of the entry before this one, so that it can be walked backwards
//! ```
//!
//! This is the format of Redis since 5.0, in memory and in RDB.
//!
//! Invariants
//! - IDs ascend, deleted ones included, and none is below the key.
//! - `live` and `deleted` are the numbers of entries without and with DELETED.
//! - Bytes from outside enter only by [`Node::from_listpack`], which walks every entry; so the walks below trust
//!   them. All access is bounds-checked nevertheless.

use base::number::parse_i64;

use super::StreamId;
use crate::listpack::{self, Element, Listpack, Place};

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;
/// Head, backlen and counters around an item, estimated high (bytes).
const ITEM_EXTRA_BYTES: usize = 11;
/// Of a listpack so many bytes stay free, for counters that grow, and the fixed items of an entry.
const RESERVE_BYTES: usize = 256;

/// Entries packed together. The key of a node, to which IDs are relative, is kept by its owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    pack: Listpack,
}

/// Whether an entry of these fields and values can be stored at all.
pub fn has_room_for(pairs: &[&[u8]]) -> bool {
    entry_bytes_max(pairs) <= listpack::BYTES_MAX - RESERVE_BYTES
}

/// Bytes of an entry in a node of its own, fields in the master entry included; estimated high.
fn entry_bytes_max(pairs: &[&[u8]]) -> usize {
    pairs.iter().fold(RESERVE_BYTES, |sum, item| {
        sum.saturating_add(item.len()).saturating_add(ITEM_EXTRA_BYTES)
    })
}

/// Limits of a node that is appended to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// 0: as many as a listpack can hold.
    pub bytes_max: usize,
    /// Deleted ones count; 0: no limit.
    pub entries_max: usize,
}

impl Node {
    /// A node without entries, whose master entry has these fields. The caller appends at once.
    pub fn new<'f>(fields: impl ExactSizeIterator<Item = &'f [u8]> + Clone) -> Node {
        let mut pack = Listpack::new();
        let count = i64::try_from(fields.len()).expect("fields fit the address space");
        let head = [0, 0, count].map(Element::Integer).into_iter();
        let zero = std::iter::once(Element::Integer(0));
        pack.extend_back(head.chain(fields.map(Element::Bytes)).chain(zero));
        Node { pack }
    }

    /// Takes a listpack of foreign origin; `None` unless it is a node with this key through and through.
    pub fn from_listpack(key: StreamId, pack: Listpack) -> Option<Node> {
        let is_sound = pack.byte_len() <= listpack::BYTES_MAX - RESERVE_BYTES;
        (is_sound && is_node(key, &pack)).then_some(Node { pack })
    }

    pub fn as_listpack(&self) -> &Listpack {
        &self.pack
    }

    /// Bytes allocated.
    pub fn memory_bytes(&self) -> usize {
        self.pack.memory_bytes()
    }

    /// Entries that are not deleted.
    pub fn live(&self) -> usize {
        self.count_at(self.pack.begin())
    }

    /// Entries, deleted ones included.
    fn total(&self) -> usize {
        self.live() + self.count_at(self.pack.after(self.pack.begin()))
    }

    fn count_at(&self, place: Place) -> usize {
        usize::try_from(integer(&self.pack, place)).expect("a counter is never negative")
    }

    /// Whether this entry may join the others.
    pub fn has_room(&self, pairs: &[&[u8]], limits: Limits) -> bool {
        let (own, more) = (self.pack.byte_len(), entry_bytes_max(pairs));
        let payload: usize = pairs.iter().map(|item| item.len()).sum();
        own + more <= listpack::BYTES_MAX - RESERVE_BYTES
            && (limits.bytes_max == 0 || own + payload < limits.bytes_max)
            && (limits.entries_max == 0 || self.total() < limits.entries_max)
    }

    /// Adds an entry behind all others: `id` must be above theirs. Fields and values alternate in `pairs`.
    pub fn append(&mut self, key: StreamId, id: StreamId, pairs: &[&[u8]]) {
        let count = pairs.len() / 2;
        let has_same_fields = self.has_fields(pairs);
        let number = |count: usize| Element::Integer(i64::try_from(count).expect("few pieces"));
        let flags = if has_same_fields { SAME_FIELDS } else { 0 };
        let head = [
            Element::Integer(flags),
            Element::Integer(id.ms.wrapping_sub(key.ms).cast_signed()),
            Element::Integer(id.seq.wrapping_sub(key.seq).cast_signed()),
        ];
        let items = pairs.iter().map(|item| Element::Bytes(item));
        if has_same_fields {
            let values = items.skip(1).step_by(2);
            let pieces = std::iter::once(number(count + head.len()));
            self.pack.extend_back(head.into_iter().chain(values).chain(pieces));
        } else {
            let counts = std::iter::once(number(count));
            let pieces = std::iter::once(number(2 * count + 1 + head.len()));
            self.pack.extend_back(head.into_iter().chain(counts).chain(items).chain(pieces));
        }
        self.add_to_counts(1, 0);
    }

    /// Whether the fields are those of the master entry.
    fn has_fields(&self, pairs: &[&[u8]]) -> bool {
        let view = self.view(StreamId::MIN);
        if view.fields * 2 != pairs.len() {
            return false;
        }
        let mut place = view.first_field;
        pairs.iter().step_by(2).all(|field| {
            let is_same = match self.pack.get(place) {
                Some(Element::Bytes(bytes)) => bytes == *field,
                Some(Element::Integer(value)) => parse_i64(field) == Some(value),
                None => false,
            };
            place = self.pack.after(place);
            is_same
        })
    }

    /// Marks the entry with this ID as deleted; whether it was there.
    pub fn delete(&mut self, key: StreamId, id: StreamId) -> bool {
        let Some(place) = self.view(key).find(id).map(|entry| entry.place) else { return false };
        self.mark(place);
        self.add_to_counts(-1, 1);
        true
    }

    /// Marks the first `count` entries as deleted, which must be there.
    pub fn delete_first(&mut self, key: StreamId, count: usize) {
        let mut left = count;
        let mut place = self.view(key).first;
        while left > 0 {
            let entry = self.view(key).entry(place).expect("so many entries are there");
            let (is_live, next) = (!entry.is_deleted, entry.end());
            if is_live {
                self.mark(place);
                left -= 1;
            }
            place = next;
        }
        let count = i64::try_from(count).expect("entries fit the address space");
        self.add_to_counts(-count, count);
    }

    /// Takes away the deleted entries behind the last live one, so that their IDs are free.
    pub fn forget_deleted_tail(&mut self, key: StreamId) {
        let view = self.view(key);
        let (mut place, mut count) = (view.end(), 0);
        while let Some(entry) = view.entry_before(place).filter(|entry| entry.is_deleted) {
            place = entry.place();
            count += 1;
        }
        if count > 0 {
            self.pack.remove(place, usize::MAX);
            self.add_to_counts(0, -count);
        }
    }

    /// Sets the flag of an entry. Flags take one byte in any case, so no place moves.
    fn mark(&mut self, place: Place) {
        let flags = integer(&self.pack, place);
        self.pack.replace_integer(place, flags | DELETED);
    }

    fn add_to_counts(&mut self, live: i64, deleted: i64) {
        let first = self.pack.begin();
        self.pack.replace_integer(first, integer(&self.pack, first) + live);
        if deleted != 0 {
            let second = self.pack.after(first);
            self.pack.replace_integer(second, integer(&self.pack, second) + deleted);
        }
    }

    /// The entries of the node with this key.
    pub fn view(&self, key: StreamId) -> View<'_> {
        let pack = &self.pack;
        let counts = pack.after(pack.after(pack.begin()));
        let fields = self.count_at(counts);
        let first_field = pack.after(counts);
        let zero = (0..fields).fold(first_field, |place, _| pack.after(place));
        View { pack, key, fields, first_field, first: pack.after(zero) }
    }
}

/// The integer at `place`: one is there in every node.
fn integer(pack: &Listpack, place: Place) -> i64 {
    match pack.get(place) {
        Some(Element::Integer(value)) => value,
        Some(Element::Bytes(_)) | None => unreachable!("a node was checked when it was made"),
    }
}

/// A node, ready to be walked.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pack: &'a Listpack,
    key: StreamId,
    /// Fields of the master entry.
    fields: usize,
    first_field: Place,
    first: Place,
}

impl<'a> View<'a> {
    /// To which IDs are relative.
    pub fn key(&self) -> StreamId {
        self.key
    }

    /// Where the first entry begins.
    pub fn first(&self) -> Place {
        self.first
    }

    /// Behind the last entry.
    pub fn end(&self) -> Place {
        self.pack.end()
    }

    /// The entry that begins at `place`, deleted or not; `None` at the end.
    pub fn entry(&self, place: Place) -> Option<Entry<'a>> {
        let pack = self.pack;
        let Some(Element::Integer(flags)) = pack.get(place) else { return None };
        let ms = pack.after(place);
        let seq = pack.after(ms);
        let behind = pack.after(seq);
        let (fields, first) = if flags & SAME_FIELDS != 0 {
            (None, behind)
        } else {
            let count = integer(pack, behind);
            (Some(usize::try_from(count).expect("checked")), pack.after(behind))
        };
        Some(Entry {
            view: *self,
            place,
            id: StreamId {
                ms: self.key.ms.wrapping_add(integer(pack, ms).cast_unsigned()),
                seq: self.key.seq.wrapping_add(integer(pack, seq).cast_unsigned()),
            },
            is_deleted: flags & DELETED != 0,
            own_fields: fields,
            first,
        })
    }

    /// The entry before the one that begins at `place`; `None` at the first.
    pub fn entry_before(&self, place: Place) -> Option<Entry<'a>> {
        if place <= self.first {
            return None;
        }
        let mut at = self.pack.before(place)?;
        for _ in 0..integer(self.pack, at) {
            at = self.pack.before(at)?;
        }
        self.entry(at)
    }

    /// The entry with this ID, unless it is deleted.
    pub fn find(&self, id: StreamId) -> Option<Entry<'a>> {
        let mut place = self.first;
        while let Some(entry) = self.entry(place) {
            if entry.id >= id {
                return (entry.id == id && !entry.is_deleted).then_some(entry);
            }
            place = entry.end();
        }
        None
    }

    /// The ID of the last entry, deleted or not; the key when there is none.
    pub fn last_id(&self) -> StreamId {
        self.entry_before(self.end()).map_or(self.key, |entry| entry.id)
    }
}

/// One entry of a node.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    view: View<'a>,
    place: Place,
    pub id: StreamId,
    pub is_deleted: bool,
    /// `None`: those of the master entry.
    own_fields: Option<usize>,
    /// The first field, or the first value.
    first: Place,
}

impl<'a> Entry<'a> {
    /// Where the entry begins.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.own_fields.unwrap_or(self.view.fields)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the next entry begins.
    pub fn end(&self) -> Place {
        let items = match self.own_fields {
            Some(fields) => 2 * fields,
            None => self.view.fields,
        };
        // One more for the number of pieces.
        (0..=items).fold(self.first, |place, _| self.view.pack.after(place))
    }

    /// Fields and values.
    pub fn pairs(&self) -> Pairs<'a> {
        Pairs {
            pack: self.view.pack,
            field: if self.own_fields.is_some() { self.first } else { self.view.first_field },
            value: self.first,
            has_own_fields: self.own_fields.is_some(),
            left: self.len(),
        }
    }
}

/// Fields and values of an entry.
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    pack: &'a Listpack,
    field: Place,
    /// Of an entry with fields of its own it stands where `field` does.
    value: Place,
    has_own_fields: bool,
    left: usize,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Element<'a>, Element<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let field = self.pack.get(self.field)?;
        let behind = self.pack.after(self.field);
        if self.has_own_fields {
            let value = self.pack.get(behind)?;
            self.field = self.pack.after(behind);
            return Some((field, value));
        }
        let value = self.pack.get(self.value)?;
        (self.field, self.value) = (behind, self.pack.after(self.value));
        Some((field, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Pairs<'_> {}

/// Whether a sound listpack is a node.
fn is_node(key: StreamId, pack: &Listpack) -> bool {
    Checker { pack, items: pack.iter() }.node(key).is_some()
}

/// Walks the items of a listpack; `None` wherever it is no node.
struct Checker<'a> {
    pack: &'a Listpack,
    items: listpack::Iter<'a>,
}

impl Checker<'_> {
    fn node(&mut self, key: StreamId) -> Option<()> {
        let (live, deleted) = (self.count()?, self.count()?);
        let fields = self.count()?;
        self.skip(fields)?;
        if self.integer()? != 0 {
            return None;
        }
        let (mut seen_live, mut seen_deleted) = (0, 0);
        let mut least = Some(key);
        loop {
            let place = self.items.place();
            let Some(flags) = self.items.next() else { break };
            let Element::Integer(flags) = flags else { return None };
            // More flags than these two are not known. They are set in place, so they must not shrink then: a longer
            // form of the same number is refused.
            if !(0..=(DELETED | SAME_FIELDS)).contains(&flags) || !self.pack.is_byte(place) {
                return None;
            }
            let id = StreamId {
                ms: key.ms.wrapping_add(self.integer()?.cast_unsigned()),
                seq: key.seq.wrapping_add(self.integer()?.cast_unsigned()),
            };
            if id < least? {
                return None;
            }
            least = id.next();
            let pieces = if flags & SAME_FIELDS != 0 {
                self.skip(fields)?;
                fields.checked_add(3)?
            } else {
                let fields = self.count()?;
                self.skip(fields)?;
                self.skip(fields)?;
                fields.checked_mul(2)?.checked_add(4)?
            };
            if self.count()? != pieces {
                return None;
            }
            let seen = if flags & DELETED != 0 { &mut seen_deleted } else { &mut seen_live };
            *seen += 1;
        }
        (seen_live == live && seen_deleted == deleted).then_some(())
    }

    fn integer(&mut self) -> Option<i64> {
        match self.items.next()? {
            Element::Integer(value) => Some(value),
            Element::Bytes(_) => None,
        }
    }

    fn count(&mut self) -> Option<u64> {
        u64::try_from(self.integer()?).ok()
    }

    /// Ends with the listpack, however many are claimed.
    fn skip(&mut self, items: u64) -> Option<()> {
        (0..items).try_for_each(|_| self.items.next().map(drop))
    }
}

#[cfg(test)]
mod tests;
