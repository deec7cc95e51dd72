//! Hashes.
//!
//! ```text
//!   fixed       Fields                  a listpack or a table
//!   volatile    Fields + Deadlines      from the first HEXPIRE on, behind one more pointer
//! ```
//!
//! Invariants
//! - A hash none of whose fields ever expired pays nothing for it.
//! - Every deadline is that of a field that is there. A due field is there until its deletion comes:
//!   nothing here knows the time.

mod deadlines;
mod fields;
mod visible;

use std::sync::Arc;

use base::UnixMs;
use wire::listpack::{Element, Listpack};

use crate::dict::Pair;
use crate::graveyard::Remains;
use crate::{Rng, Thresholds};
use deadlines::Deadlines;
use fields::Fields;
pub use visible::Visible;

/// Fields with values.
#[derive(Clone, Debug)]
pub struct Hash {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Fixed(Fields),
    Volatile(Box<Volatile>),
}

#[derive(Clone, Debug)]
struct Volatile {
    fields: Fields,
    deadlines: Deadlines,
}

/// A field that was removed: with its value, if that had its own memory, and the name by which it had a deadline.
pub(crate) type Removed = (Option<Pair>, Option<Arc<[u8]>>);

/// A field and its value.
pub type Entry<'a> = (Element<'a>, Element<'a>);

impl Default for Hash {
    fn default() -> Hash {
        Hash::new()
    }
}

impl Hash {
    pub fn new() -> Hash {
        Hash { form: Form::Fixed(Fields::new()) }
    }

    /// A hash that a snapshot kept as one listpack; `None` if a field is without value or there twice.
    pub fn from_listpack(pack: Listpack, limits: &Thresholds) -> Option<Hash> {
        Some(Hash { form: Form::Fixed(Fields::from_listpack(pack, limits)?) })
    }

    fn fields(&self) -> &Fields {
        match &self.form {
            Form::Fixed(fields) => fields,
            Form::Volatile(volatile) => &volatile.fields,
        }
    }

    fn fields_mut(&mut self) -> &mut Fields {
        match &mut self.form {
            Form::Fixed(fields) => fields,
            Form::Volatile(volatile) => &mut volatile.fields,
        }
    }

    fn deadlines(&self) -> Option<&Deadlines> {
        match &self.form {
            Form::Fixed(_) => None,
            Form::Volatile(volatile) => Some(&volatile.deadlines),
        }
    }

    fn deadlines_mut(&mut self) -> Option<&mut Deadlines> {
        match &mut self.form {
            Form::Fixed(_) => None,
            Form::Volatile(volatile) => Some(&mut volatile.deadlines),
        }
    }

    /// As a client sees it at `now`.
    pub fn at(&self, now: UnixMs) -> Visible<'_> {
        Visible::new(self, now)
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.fields().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As OBJECT ENCODING says it.
    pub fn encoding(&self) -> &'static str {
        match (&self.form, self.as_listpack()) {
            (_, None) => "hashtable",
            (Form::Fixed(_), Some(_)) => "listpack",
            (Form::Volatile(_), Some(_)) => "listpackex",
        }
    }

    /// The bytes of the compact form of fields and values, if that is the form: what a snapshot writes.
    pub fn as_listpack(&self) -> Option<&Listpack> {
        self.fields().as_listpack()
    }

    /// Bytes allocated, without `Self`. Exact for a listpack; of a table it visits up to `samples` fields.
    pub fn memory_bytes(&self, samples: usize) -> usize {
        let volatile = self.deadlines().map_or(0, |deadlines| {
            base::allocation::size_class(size_of::<Volatile>()) + deadlines.memory_bytes()
        });
        self.fields().memory_bytes(samples) + volatile
    }

    /// Allocations, about: what freeing this costs.
    pub fn free_effort(&self) -> usize {
        self.fields().free_effort() + self.deadlines().map_or(0, Deadlines::len)
    }

    /// The value of a field.
    pub fn get(&self, field: &[u8]) -> Option<Element<'_>> {
        self.fields().get(field)
    }

    pub fn contains(&self, field: &[u8]) -> bool {
        self.fields().contains(field)
    }

    /// Up to `count` fields are about to be set at once: more than a listpack may hold make a hash table of it, even if some
    /// of them turn out to be the same (Redis 7.2: `hashTypeTryConversion`).
    pub(crate) fn expect_fields(&mut self, count: usize, limits: &Thresholds) {
        if count > limits.hash_max_listpack_entries {
            self.fields_mut().leave_listpack();
        }
    }

    /// Whether the field is new. It expires no more.
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: &Thresholds) -> bool {
        self.persist(field);
        self.set_and_keep(field, value, limits)
    }

    /// Whether the field is new. If it is not, it expires when it did.
    pub fn set_and_keep(&mut self, field: &[u8], value: &[u8], limits: &Thresholds) -> bool {
        self.fields_mut().set(field, value, limits)
    }

    /// Whether the field was there.
    pub fn delete(&mut self, field: &[u8]) -> bool {
        self.delete_into(field, &mut Remains::new())
    }

    /// The same; what is to be freed is added to `remains`.
    pub(crate) fn delete_into(&mut self, field: &[u8], remains: &mut Remains<Removed>) -> bool {
        let name = self.deadlines_mut().and_then(|deadlines| deadlines.take(field));
        match self.fields_mut().take(field) {
            Some(pair) => remains.add((pair, name)),
            None => return false,
        }
        true
    }

    /// All fields with their values.
    pub fn iter(&self) -> Box<dyn Iterator<Item = Entry<'_>> + '_> {
        self.fields().iter()
    }

    /// Visits some fields from `cursor` on and returns the next cursor, 0 at the end. A listpack is
    /// visited whole. A field that stays in the hash from the first call to the last is visited.
    pub fn scan(&self, cursor: u64, visit: impl FnMut(Entry<'_>)) -> u64 {
        self.fields().scan(cursor, visit)
    }

    pub fn random(&self, rng: &mut Rng) -> Option<Entry<'_>> {
        self.fields().random(rng)
    }
}

/// Expiry of fields.
impl Hash {
    /// Whether any field has a deadline.
    pub fn has_deadlines(&self) -> bool {
        self.deadlines().is_some_and(|deadlines| !deadlines.is_empty())
    }

    /// When a field expires.
    pub fn deadline(&self, field: &[u8]) -> Option<UnixMs> {
        self.deadlines()?.get(field)
    }

    /// When the first field expires.
    pub fn first_deadline(&self) -> Option<UnixMs> {
        self.deadlines()?.first()
    }

    /// All deadlines with their fields, the earliest first.
    pub fn iter_deadlines(&self) -> impl Iterator<Item = (UnixMs, &[u8])> {
        let all = self.deadlines().into_iter().flat_map(Deadlines::iter);
        all.map(|(at, field)| (at, &**field))
    }

    /// The fields that are due at `now`, in the order of their deadlines.
    pub fn due(&self, now: UnixMs) -> impl Iterator<Item = &[u8]> {
        self.deadlines()
            .into_iter()
            .flat_map(move |deadlines| deadlines.due(now))
            .map(|field| &**field)
    }

    /// Makes a field expire at `at`; whether it is there.
    pub fn set_deadline(&mut self, field: &[u8], at: UnixMs) -> bool {
        if !self.contains(field) {
            return false;
        }
        if let Form::Fixed(fields) = &mut self.form {
            let fields = std::mem::replace(fields, Fields::new());
            let volatile = Volatile { fields, deadlines: Deadlines::default() };
            self.form = Form::Volatile(Box::new(volatile));
        }
        let Form::Volatile(volatile) = &mut self.form else { unreachable!("it was just made so") };
        volatile.deadlines.set(field, at);
        true
    }

    /// Takes a field's deadline away; whether it had one.
    pub fn persist(&mut self, field: &[u8]) -> bool {
        self.deadlines_mut().and_then(|deadlines| deadlines.take(field)).is_some()
    }
}

#[cfg(test)]
mod tests;
