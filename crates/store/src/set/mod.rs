//! Sets.
//!
//! ```text
//!   intset      integers, ascending
//!   listpack    [ member member ... ]     in order of insertion
//!   hashtable   Table<Bytes>              in hash order
//! ```
//!
//! Invariants
//! - No member is there twice.
//! - Encodings change only downward in this list.

use std::collections::BTreeSet;

use base::number::parse_i64;
use wire::intset::Intset;
use wire::listpack::{Element, Listpack, Needle, TextBuffer};

use crate::dict::{Bytes, Table, hash_of};
use crate::graveyard::Remains;
use crate::{Rng, Thresholds, pick};

/// Distinct members.
#[derive(Clone, Debug, Default)]
pub struct Set {
    form: Form,
}

#[derive(Debug)]
enum Form {
    Intset(Intset),
    Listpack(Listpack),
    Hashtable(Box<Table<Bytes>>),
}

/// The compact forms of a set: what a snapshot writes.
#[derive(Clone, Copy, Debug)]
pub enum Compact<'a> {
    Intset(&'a Intset),
    Listpack(&'a Listpack),
}

impl Default for Form {
    fn default() -> Form {
        Form::Intset(Intset::new())
    }
}

impl Clone for Form {
    fn clone(&self) -> Form {
        match self {
            Form::Intset(ints) => Form::Intset(ints.clone()),
            Form::Listpack(pack) => Form::Listpack(pack.clone()),
            Form::Hashtable(table) => {
                let mut copy = Table::with_capacity(table.len());
                for member in table.iter().map(Bytes::as_slice) {
                    copy.insert_new(hash_of(member), Bytes::new(member));
                }
                Form::Hashtable(Box::new(copy))
            }
        }
    }
}

impl Set {
    pub fn new() -> Set {
        Set::default()
    }

    /// A set that a snapshot kept as an intset.
    pub fn from_intset(ints: Intset, limits: &Thresholds) -> Set {
        let is_long = ints.len() > limits.set_max_intset_entries;
        let mut set = Set { form: Form::Intset(ints) };
        if is_long {
            set.table_mut(0);
        }
        set
    }

    /// A set that a snapshot kept as a listpack; `None` if a member is there twice.
    pub fn from_listpack(pack: Listpack, limits: &Thresholds) -> Option<Set> {
        let (mut members, mut length_max) = (BTreeSet::new(), 0);
        for element in &pack {
            length_max = length_max.max(element.text_len());
            if !members.insert(element.to_vec()) {
                return None;
            }
        }
        let is_long = members.len() > limits.set_max_listpack_entries;
        let mut set = Set { form: Form::Listpack(pack) };
        if is_long || length_max > limits.set_max_listpack_value {
            set.table_mut(0);
        }
        Some(set)
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        match &self.form {
            Form::Intset(ints) => ints.len(),
            Form::Listpack(pack) => pack.len(),
            Form::Hashtable(table) => table.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As OBJECT ENCODING says it.
    pub fn encoding(&self) -> &'static str {
        match self.form {
            Form::Intset(_) => "intset",
            Form::Listpack(_) => "listpack",
            Form::Hashtable(_) => "hashtable",
        }
    }

    /// The compact form, unless the set is a table.
    pub fn as_compact(&self) -> Option<Compact<'_>> {
        match &self.form {
            Form::Intset(ints) => Some(Compact::Intset(ints)),
            Form::Listpack(pack) => Some(Compact::Listpack(pack)),
            Form::Hashtable(_) => None,
        }
    }

    /// Bytes allocated, without `Self`. Of a table it visits up to `samples` members (0: all).
    pub fn memory_bytes(&self, samples: usize) -> usize {
        match &self.form {
            Form::Intset(ints) => ints.memory_bytes(),
            Form::Listpack(pack) => pack.memory_bytes(),
            Form::Hashtable(table) => {
                let sizes = table.iter().map(Bytes::heap_bytes);
                size_of_val(&**table)
                    + table.bytes()
                    + pick::extrapolate(sizes, table.len(), samples)
            }
        }
    }

    /// Allocations, about: what freeing this costs.
    pub fn free_effort(&self) -> usize {
        match &self.form {
            Form::Intset(_) | Form::Listpack(_) => 1,
            Form::Hashtable(table) => table.len(),
        }
    }

    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.form {
            Form::Intset(ints) => parse_i64(member).is_some_and(|value| ints.contains(value)),
            Form::Listpack(pack) => pack.find(pack.begin(), &Needle::new(member), 1).is_some(),
            Form::Hashtable(table) => table.find(hash_of(member), member).is_some(),
        }
    }

    /// Adds members and returns how many are new. Their number is a hint of what comes: it decides the
    /// first encoding, as in Redis.
    pub fn add_all(&mut self, members: &[&[u8]], limits: &Thresholds) -> usize {
        self.expect(members, limits);
        members.iter().filter(|member| self.add(member, limits)).count()
    }

    /// Whether the member is new.
    pub fn add(&mut self, member: &[u8], limits: &Thresholds) -> bool {
        match &mut self.form {
            Form::Intset(ints) => {
                if let Some(value) = parse_i64(member) {
                    let is_new = ints.insert(value);
                    if ints.len() > limits.set_max_intset_entries {
                        self.table_mut(0);
                    }
                    return is_new;
                }
                self.leave_intset(member, limits);
                self.add(member, limits)
            }
            Form::Listpack(pack) => {
                if pack.find(pack.begin(), &Needle::new(member), 1).is_some() {
                    return false;
                }
                if pack.len() < limits.set_max_listpack_entries
                    && member.len() <= limits.set_max_listpack_value
                {
                    pack.push_back(member);
                } else {
                    self.table_mut(1).insert_new(hash_of(member), Bytes::new(member));
                }
                true
            }
            Form::Hashtable(table) => {
                let hash = hash_of(member);
                let is_new = table.find(hash, member).is_none();
                if is_new {
                    table.insert_new(hash, Bytes::new(member));
                }
                is_new
            }
        }
    }

    /// Whether the member was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        self.remove_into(member, &mut Remains::new())
    }

    /// The same; what is to be freed is added to `remains`.
    pub(crate) fn remove_into(&mut self, member: &[u8], remains: &mut Remains<Bytes>) -> bool {
        match &mut self.form {
            Form::Intset(ints) => parse_i64(member).is_some_and(|value| ints.remove(value)),
            Form::Listpack(pack) => match pack.find(pack.begin(), &Needle::new(member), 1) {
                Some(place) => pack.remove(place, 1) == 1,
                None => false,
            },
            Form::Hashtable(table) => {
                table.remove(hash_of(member), member).map(|item| remains.add(item)).is_some()
            }
        }
    }

    pub fn iter(&self) -> Box<dyn Iterator<Item = Element<'_>> + '_> {
        match &self.form {
            Form::Intset(ints) => Box::new(ints.iter().map(Element::Integer)),
            Form::Listpack(pack) => Box::new(pack.iter()),
            Form::Hashtable(table) => Box::new(table.iter().map(element)),
        }
    }

    /// Visits some members from `cursor` on and returns the next cursor, 0 at the end. A compact set is
    /// visited whole. A member that stays in the set from the first call to the last is visited.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(Element<'_>)) -> u64 {
        match &self.form {
            Form::Intset(_) | Form::Listpack(_) => {
                self.iter().for_each(visit);
                0
            }
            Form::Hashtable(table) => table.scan(cursor, |member| visit(element(member))),
        }
    }

    pub fn random(&self, rng: &mut Rng) -> Option<Element<'_>> {
        match &self.form {
            Form::Intset(ints) => ints.get(rng.index(ints.len().max(1))).map(Element::Integer),
            Form::Listpack(pack) => pack.get(pack.at(rng.index(pack.len().max(1)))?),
            Form::Hashtable(table) => table.random(rng).map(element),
        }
    }

    /// `count` different members, or all.
    pub fn random_distinct(&self, count: usize, rng: &mut Rng) -> Vec<Element<'_>> {
        let draw = |rng: &mut Rng| self.random(rng);
        pick::distinct(self.len(), count, rng, self.iter(), draw, |member| *member)
    }

    /// Chooses the encoding before these are added.
    fn expect(&mut self, members: &[&[u8]], limits: &Thresholds) {
        let count = members.len();
        let fits_intset = count <= limits.set_max_intset_entries;
        let fits_listpack = count <= limits.set_max_listpack_entries;
        let starts_integer = || members.first().is_some_and(|first| parse_i64(first).is_some());
        let stays = match &self.form {
            Form::Intset(ints) if !ints.is_empty() => fits_intset,
            Form::Intset(_) if fits_intset && starts_integer() => true,
            Form::Intset(_) if fits_listpack => {
                self.form = Form::Listpack(Listpack::new());
                true
            }
            Form::Intset(_) => false,
            Form::Listpack(_) => fits_listpack,
            Form::Hashtable(_) => true,
        };
        if !stays {
            self.table_mut(count);
        }
    }

    /// Before a member that is no integer: to a listpack if all would fit, else to a table.
    fn leave_intset(&mut self, member: &[u8], limits: &Thresholds) {
        let Form::Intset(ints) = &self.form else { return };
        let edges = [ints.get(0), ints.len().checked_sub(1).and_then(|last| ints.get(last))];
        let lengths = edges.into_iter().flatten().map(|value| Element::Integer(value).text_len());
        let length_max = lengths.max().unwrap_or(0).max(member.len());
        if ints.len() < limits.set_max_listpack_entries
            && length_max <= limits.set_max_listpack_value
        {
            let mut pack = Listpack::new();
            let mut buffer = TextBuffer::default();
            ints.iter().for_each(|v| pack.push_back(Element::Integer(v).text(&mut buffer)));
            self.form = Form::Listpack(pack);
        } else {
            self.table_mut(1);
        }
    }

    fn table_mut(&mut self, more: usize) -> &mut Table<Bytes> {
        if !matches!(self.form, Form::Hashtable(_)) {
            let mut table = Table::with_capacity(self.len() + more);
            let mut buffer = TextBuffer::default();
            for member in self.iter() {
                let member = member.text(&mut buffer);
                table.insert_new(hash_of(member), Bytes::new(member));
            }
            self.form = Form::Hashtable(Box::new(table));
        }
        match &mut self.form {
            Form::Hashtable(table) => table,
            Form::Intset(_) | Form::Listpack(_) => unreachable!("it was just turned into a table"),
        }
    }
}

fn element(member: &Bytes) -> Element<'_> {
    Element::Bytes(member.as_slice())
}

#[cfg(test)]
mod tests;
