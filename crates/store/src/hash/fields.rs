//! Fields with values, in one of two forms.
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

use super::Entry;
use crate::dict::{Pair, Table, hash_of};
use crate::{Rng, Thresholds, pick};

/// Fields with values, none of which expires.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    form: Form,
}

#[derive(Debug)]
enum Form {
    Listpack(Listpack),
    Hashtable(Box<Table<Pair>>),
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

impl Fields {
    pub(super) fn new() -> Fields {
        Fields { form: Form::Listpack(Listpack::new()) }
    }

    /// A hash that a snapshot kept as one listpack; `None` if a field is without value or there twice.
    pub(super) fn from_listpack(pack: Listpack, limits: &Thresholds) -> Option<Fields> {
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
        let mut fields = Fields { form: Form::Listpack(pack) };
        if count / 2 > limits.hash_max_listpack_entries
            || length_max > limits.hash_max_listpack_value
        {
            fields.table_mut();
        }
        Some(fields)
    }

    pub(super) fn leave_listpack(&mut self) {
        self.table_mut();
    }

    /// Number of fields.
    pub(super) fn len(&self) -> usize {
        match &self.form {
            Form::Listpack(pack) => pack.len() / 2,
            Form::Hashtable(table) => table.len(),
        }
    }

    /// The bytes of the compact form, if that is the form.
    pub(super) fn as_listpack(&self) -> Option<&Listpack> {
        match &self.form {
            Form::Listpack(pack) => Some(pack),
            Form::Hashtable(_) => None,
        }
    }

    /// Bytes allocated, without `Self`. Exact for a listpack; of a table it visits up to `samples` fields.
    pub(super) fn memory_bytes(&self, samples: usize) -> usize {
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
    pub(super) fn free_effort(&self) -> usize {
        match &self.form {
            Form::Listpack(_) => 1,
            Form::Hashtable(table) => table.len(),
        }
    }

    /// The value of a field.
    pub(super) fn get(&self, field: &[u8]) -> Option<Element<'_>> {
        match &self.form {
            Form::Listpack(pack) => pack.get(pack.after(find(pack, field)?)),
            Form::Hashtable(table) => {
                table.find(hash_of(field), field).map(|pair| Element::Bytes(pair.value()))
            }
        }
    }

    pub(super) fn contains(&self, field: &[u8]) -> bool {
        match &self.form {
            Form::Listpack(pack) => find(pack, field).is_some(),
            Form::Hashtable(table) => table.find(hash_of(field), field).is_some(),
        }
    }

    /// Whether the field is new.
    pub(super) fn set(&mut self, field: &[u8], value: &[u8], limits: &Thresholds) -> bool {
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

    /// Removes a field; what is to be freed of it, or `None` if it was not there.
    pub(super) fn take(&mut self, field: &[u8]) -> Option<Option<Pair>> {
        match &mut self.form {
            Form::Listpack(pack) => {
                let place = find(pack, field)?;
                pack.remove(place, 2);
                Some(None)
            }
            Form::Hashtable(table) => table.remove(hash_of(field), field).map(Some),
        }
    }

    /// All fields with their values.
    pub(super) fn iter(&self) -> Box<dyn Iterator<Item = Entry<'_>> + '_> {
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
    pub(super) fn scan(&self, cursor: u64, mut visit: impl FnMut(Entry<'_>)) -> u64 {
        match &self.form {
            Form::Listpack(_) => {
                self.iter().for_each(visit);
                0
            }
            Form::Hashtable(table) => table.scan(cursor, |pair| visit(entry(pair))),
        }
    }

    pub(super) fn random(&self, rng: &mut Rng) -> Option<Entry<'_>> {
        match &self.form {
            Form::Listpack(pack) => {
                let place = pack.at(2 * rng.index(self.len().max(1)))?;
                Some((pack.get(place)?, pack.get(pack.after(place))?))
            }
            Form::Hashtable(table) => table.random(rng).map(entry),
        }
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
