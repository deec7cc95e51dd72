//! Hashes.
//!
//! ```text
//!   listpack    [ field value field value ... ]       in order of insertion
//!   hashtable   Table<Pair>                           in hash order
//! ```
//!
//! Invariants
//! - No field is there twice; a listpack has an even number of entries.
//! - A hashtable never becomes a listpack again.

use std::collections::BTreeSet;

use wire::listpack::{Element, Listpack, Needle, Place, TextBuffer};

use crate::dict::{Pair, Table, hash_of};
use crate::{Rng, Thresholds, pick};

/// Fields with values.
#[derive(Clone, Debug)]
pub struct Hash {
    form: Form,
}

#[derive(Debug)]
enum Form {
    Listpack(Listpack),
    Hashtable(Box<Table<Pair>>),
}

/// A field and its value.
pub type Entry<'a> = (Element<'a>, Element<'a>);

impl Default for Hash {
    fn default() -> Hash {
        Hash::new()
    }
}

impl Clone for Form {
    fn clone(&self) -> Form {
        match self {
            Form::Listpack(pack) => Form::Listpack(pack.clone()),
            Form::Hashtable(table) => {
                let mut copy = Table::with_capacity(table.len());
                for pair in table.iter() {
                    copy.insert_new(hash_of(pair.key()), Pair::new(pair.key(), pair.value()));
                }
                Form::Hashtable(Box::new(copy))
            }
        }
    }
}

impl Hash {
    pub fn new() -> Hash {
        Hash { form: Form::Listpack(Listpack::new()) }
    }

    /// A hash that a snapshot kept as one listpack; `None` if a field is without value or there twice.
    pub fn from_listpack(pack: Listpack, limits: &Thresholds) -> Option<Hash> {
        let (mut fields, mut length_max, mut count) = (BTreeSet::new(), 0, 0);
        for (at, element) in pack.iter().enumerate() {
            if at % 2 == 0 && !fields.insert(element.to_vec()) {
                return None;
            }
            length_max = length_max.max(element.text_len());
            count += 1;
        }
        if count % 2 != 0 {
            return None;
        }
        let mut hash = Hash { form: Form::Listpack(pack) };
        if count / 2 > limits.hash_max_listpack_entries
            || length_max > limits.hash_max_listpack_value
        {
            hash.table_mut();
        }
        Some(hash)
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        match &self.form {
            Form::Listpack(pack) => pack.len() / 2,
            Form::Hashtable(table) => table.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As OBJECT ENCODING says it.
    pub fn encoding(&self) -> &'static str {
        match self.form {
            Form::Listpack(_) => "listpack",
            Form::Hashtable(_) => "hashtable",
        }
    }

    /// The bytes of the compact form, if that is the form: what a snapshot writes.
    pub fn as_listpack(&self) -> Option<&Listpack> {
        match &self.form {
            Form::Listpack(pack) => Some(pack),
            Form::Hashtable(_) => None,
        }
    }

    /// Bytes allocated, without `Self`. Exact for a listpack; of a table it visits up to `samples` fields.
    pub fn memory_bytes(&self, samples: usize) -> usize {
        match &self.form {
            Form::Listpack(pack) => pack.memory_bytes(),
            Form::Hashtable(table) => {
                let sizes = table.iter().map(Pair::heap_bytes);
                size_of_val(&**table)
                    + table.bytes()
                    + pick::extrapolate(sizes, table.len(), samples)
            }
        }
    }

    /// Allocations, about: what freeing this costs.
    pub fn free_effort(&self) -> usize {
        match &self.form {
            Form::Listpack(_) => 1,
            Form::Hashtable(table) => table.len(),
        }
    }

    /// The value of a field.
    pub fn get(&self, field: &[u8]) -> Option<Element<'_>> {
        match &self.form {
            Form::Listpack(pack) => pack.get(pack.after(find(pack, field)?)),
            Form::Hashtable(table) => {
                table.find(hash_of(field), field).map(|pair| Element::Bytes(pair.value()))
            }
        }
    }

    pub fn contains(&self, field: &[u8]) -> bool {
        match &self.form {
            Form::Listpack(pack) => find(pack, field).is_some(),
            Form::Hashtable(table) => table.find(hash_of(field), field).is_some(),
        }
    }

    /// Whether the field is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: &Thresholds) -> bool {
        if let Form::Listpack(pack) = &mut self.form
            && field.len().max(value.len()) <= limits.hash_max_listpack_value
        {
            if let Some(place) = find(pack, field) {
                pack.replace(pack.after(place), value);
                return false;
            }
            if pack.len() / 2 < limits.hash_max_listpack_entries {
                pack.push_back(field);
                pack.push_back(value);
                return true;
            }
        }
        let (table, hash) = (self.table_mut(), hash_of(field));
        match table.find_mut(hash, field) {
            Some(pair) => {
                pair.set_value(value);
                false
            }
            None => {
                table.insert_new(hash, Pair::new(field, value));
                true
            }
        }
    }

    /// Whether the field was there.
    pub fn delete(&mut self, field: &[u8]) -> bool {
        match &mut self.form {
            Form::Listpack(pack) => match find(pack, field) {
                Some(place) => pack.remove(place, 2) == 2,
                None => false,
            },
            Form::Hashtable(table) => table.remove(hash_of(field), field).is_some(),
        }
    }

    /// All fields with their values.
    pub fn iter(&self) -> Box<dyn Iterator<Item = Entry<'_>> + '_> {
        match &self.form {
            Form::Listpack(pack) => {
                let mut elements = pack.iter();
                Box::new(std::iter::from_fn(move || Some((elements.next()?, elements.next()?))))
            }
            Form::Hashtable(table) => Box::new(table.iter().map(entry)),
        }
    }

    /// Visits some fields from `cursor` on and returns the next cursor, 0 at the end. A listpack is
    /// visited whole. A field that stays in the hash from the first call to the last is visited.
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(Entry<'_>)) -> u64 {
        match &self.form {
            Form::Listpack(_) => {
                self.iter().for_each(visit);
                0
            }
            Form::Hashtable(table) => table.scan(cursor, |pair| visit(entry(pair))),
        }
    }

    pub fn random(&self, rng: &mut Rng) -> Option<Entry<'_>> {
        match &self.form {
            Form::Listpack(pack) => {
                let place = pack.at(2 * rng.index(self.len().max(1)))?;
                Some((pack.get(place)?, pack.get(pack.after(place))?))
            }
            Form::Hashtable(table) => table.random(rng).map(entry),
        }
    }

    /// `count` different fields, or all.
    pub fn random_distinct(&self, count: usize, rng: &mut Rng) -> Vec<Entry<'_>> {
        let draw = |rng: &mut Rng| self.random(rng);
        pick::distinct(self.len(), count, rng, self.iter(), draw, |entry| entry.0)
    }

    fn table_mut(&mut self) -> &mut Table<Pair> {
        if let Form::Listpack(_) = &self.form {
            let mut table = Table::with_capacity(self.len() + 1);
            let (mut buffer, mut other) = (TextBuffer::default(), TextBuffer::default());
            for (field, value) in self.iter() {
                let field = field.text(&mut buffer);
                table.insert_new(hash_of(field), Pair::new(field, value.text(&mut other)));
            }
            self.form = Form::Hashtable(Box::new(table));
        }
        match &mut self.form {
            Form::Hashtable(table) => table,
            Form::Listpack(_) => unreachable!("it was just turned into a table"),
        }
    }
}

fn find(pack: &Listpack, field: &[u8]) -> Option<Place> {
    pack.find(pack.begin(), &Needle::new(field), 2)
}

fn entry(pair: &Pair) -> Entry<'_> {
    (Element::Bytes(pair.key()), Element::Bytes(pair.value()))
}

#[cfg(test)]
mod tests;
