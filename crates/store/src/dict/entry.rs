//! An entry of the keyspace: key, value, expiry and access clock in one allocation.
//!
//! ```text
//!   ┌ flags u8 ┬ clock u24 ┬ key length u16 ┬ value length u16 ┐ 8 bytes
//!   ├ expiry u64, if any ──────────────────────────────────────┤ aligned to 8
//!   ├ held: i64, Box<Vec<u8>>, List, Hash, Set, Zset, Stream ──┤ unless the value is inline
//!   ├ key length u32, if above 65,535 ┬ key ... ┬ inline value ┤
//!   └─────────────────────────────────┴─────────┴──────────────┘
//!   flags: bits 0-2 form of the value, 3 expiry, 4 snapshot parity, 5 wide key, 6 value taken
//! ```
//!
//! So a 16-byte key with a 64-byte string takes 88 bytes, with an expiry 96: one size class of jemalloc.
//!
//! Invariants
//! - The allocation has exactly the size that the header tells ([`Entry::layout`]).
//! - The held value is of the type that the form tells. The entry drops it, unless bit 6 says that it was moved
//!   out; such an entry is only replaced or dropped.
//! - `value length` is the length of the inline value; 0 in the other forms.
//!
//! This module is one of the few with `unsafe`; it offers only safe functions.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::NonNull;

use base::UnixMs;

use super::{Item, hash_of};
use crate::value::{Body, INLINE_BYTES_MAX, Kind, StringRef, Value};
use crate::{Hash, List, Set, Stream, Zset};

#[repr(C, align(8))]
struct Head {
    flags: u8,
    clock: [u8; 3],
    key_length: u16,
    value_length: u16,
}

const HEAD_BYTES: usize = size_of::<Head>();
const EXPIRY_BYTES: usize = 8;
const WIDE_BYTES: usize = 4;

const FORM: u8 = 0b0000_0111;
const HAS_EXPIRY: u8 = 0b0000_1000;
const PARITY: u8 = 0b0001_0000;
const WIDE_KEY: u8 = 0b0010_0000;
const TAKEN: u8 = 0b0100_0000;

/// The form of the value, bits 0-2 of the flags.
mod form {
    pub(super) const INLINE: u8 = 0;
    pub(super) const INT: u8 = 1;
    pub(super) const LARGE: u8 = 2;
    pub(super) const LIST: u8 = 3;
    pub(super) const HASH: u8 = 4;
    pub(super) const SET: u8 = 5;
    pub(super) const ZSET: u8 = 6;
    pub(super) const STREAM: u8 = 7;
}

/// Bytes of the held value by form. All are multiples of 8, so that what follows is aligned.
const HELD_BYTES: [usize; 8] = [
    0,
    size_of::<i64>(),
    size_of::<Box<Vec<u8>>>(),
    size_of::<List>(),
    size_of::<Hash>(),
    size_of::<Set>(),
    size_of::<Zset>(),
    size_of::<Stream>(),
];

/// Key, value, expiry and clock behind a pointer of 8 bytes.
pub struct Entry {
    head: NonNull<Head>,
    owns: PhantomData<Body<'static>>,
}

// SAFETY: an entry owns everything it points to, and all of that is Send.
unsafe impl Send for Entry {}
// SAFETY: shared references only read, and everything in an entry is Sync.
unsafe impl Sync for Entry {}

impl Entry {
    /// Panics when the key is 4 GiB or longer (an argument of a command is shorter), or when an inline
    /// body breaks its bound.
    pub fn new(key: &[u8], expiry: Option<UnixMs>, body: Body<'_>) -> Entry {
        let (form, inline): (u8, &[u8]) = match &body {
            Body::Inline(bytes) => (form::INLINE, bytes),
            Body::Int(_) => (form::INT, &[]),
            Body::Large(_) => (form::LARGE, &[]),
            Body::List(_) => (form::LIST, &[]),
            Body::Hash(_) => (form::HASH, &[]),
            Body::Set(_) => (form::SET, &[]),
            Body::Zset(_) => (form::ZSET, &[]),
            Body::Stream(_) => (form::STREAM, &[]),
        };
        let entry = Entry::build(form, key, expiry, inline);
        let held = entry.held_address();
        // SAFETY: `build` left room for the type of this form there, aligned to 8; nothing was there before.
        unsafe {
            match body {
                Body::Inline(_) => {}
                Body::Int(number) => held.cast().write(number),
                Body::Large(bytes) => held.cast().write(bytes),
                Body::List(list) => held.cast().write(list),
                Body::Hash(hash) => held.cast().write(hash),
                Body::Set(set) => held.cast().write(set),
                Body::Zset(zset) => held.cast().write(zset),
                Body::Stream(stream) => held.cast().write(stream),
            }
        }
        entry
    }

    /// All but the held value, which the caller must write at once.
    fn build(form: u8, key: &[u8], expiry: Option<UnixMs>, inline: &[u8]) -> Entry {
        assert!(inline.len() <= INLINE_BYTES_MAX, "a longer value is not inline");
        let short = u16::try_from(key.len());
        let wide = u32::try_from(key.len()).expect("a key is shorter than 4 GiB");
        let head = Head {
            flags: form
                | if expiry.is_some() { HAS_EXPIRY } else { 0 }
                | if short.is_err() { WIDE_KEY } else { 0 },
            clock: [0; 3],
            key_length: short.unwrap_or(0),
            value_length: u16::try_from(inline.len()).expect("inline values are short"),
        };
        let layout = Entry::layout(&head, key.len());
        // SAFETY: the layout has at least the size of the head.
        let memory = unsafe { alloc(layout) };
        let Some(memory) = NonNull::new(memory) else { handle_alloc_error(layout) };
        let (flags, mut at) = (head.flags, key_offset(head.flags));
        // SAFETY: the writes go to the offsets that `layout` added up, with the 8-byte fields first, so they
        // are aligned and within the allocation; the sources are other memory.
        unsafe {
            memory.cast::<Head>().write(head);
            if let Some(UnixMs(expiry)) = expiry {
                memory.add(HEAD_BYTES).cast::<u64>().write(expiry);
            }
            if flags & WIDE_KEY != 0 {
                memory.add(at - WIDE_BYTES).cast::<u32>().write(wide);
            }
            memory.add(at).copy_from_nonoverlapping(NonNull::from(key).cast(), key.len());
            at += key.len();
            memory.add(at).copy_from_nonoverlapping(NonNull::from(inline).cast(), inline.len());
        }
        Entry { head: memory.cast(), owns: PhantomData }
    }

    fn layout(head: &Head, key_length: usize) -> Layout {
        let size = key_offset(head.flags) + key_length + usize::from(head.value_length);
        Layout::from_size_align(size, align_of::<Head>()).expect("4 GiB fit an isize")
    }

    #[inline]
    fn head(&self) -> &Head {
        // SAFETY: the allocation starts with an initialised head.
        unsafe { self.head.as_ref() }
    }

    #[inline]
    fn head_mut(&mut self) -> &mut Head {
        // SAFETY: as in `head`, borrowed uniquely.
        unsafe { self.head.as_mut() }
    }

    #[inline]
    fn at(&self, offset: usize) -> NonNull<u8> {
        debug_assert!(offset <= Entry::layout(self.head(), self.key_length()).size());
        // SAFETY: callers pass offsets of fields that the header says are there, so they are within the
        // allocation or one behind its end (an empty value).
        unsafe { self.head.cast::<u8>().add(offset) }
    }

    #[inline]
    fn key_length(&self) -> usize {
        let head = self.head();
        if head.flags & WIDE_KEY == 0 {
            return usize::from(head.key_length);
        }
        let offset = key_offset(head.flags) - WIDE_BYTES;
        // SAFETY: the flag says that the length stands in front of the key; it is aligned to 4 because
        // only fields of 8 bytes precede it.
        unsafe { self.head.cast::<u8>().add(offset).cast::<u32>().read() as usize }
    }

    #[inline]
    pub fn key(&self) -> &[u8] {
        let start = self.at(key_offset(self.head().flags));
        // SAFETY: that many bytes were copied there by `build`.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), self.key_length()) }
    }

    /// When the key stops to exist; whether that has come is the caller's to say.
    #[inline]
    pub fn expiry(&self) -> Option<UnixMs> {
        if self.head().flags & HAS_EXPIRY == 0 {
            return None;
        }
        // SAFETY: the flag says that the expiry follows the head, aligned to 8.
        Some(UnixMs(unsafe { self.at(HEAD_BYTES).cast::<u64>().read() }))
    }

    /// Sets, changes or removes the expiry. The entry may move.
    pub(crate) fn set_expiry(&mut self, expiry: Option<UnixMs>) {
        match (self.expiry(), expiry) {
            (None, None) => {}
            (Some(_), Some(UnixMs(at))) => {
                // SAFETY: as in `expiry`; `self` is borrowed uniquely.
                unsafe { self.at(HEAD_BYTES).cast::<u64>().write(at) }
            }
            (None, Some(_)) | (Some(_), None) => {
                let body = self.take_body();
                let new =
                    Entry::new(self.key(), expiry, body.unwrap_or(Body::Inline(self.inline())));
                self.replace(new);
            }
        }
    }

    /// Stores another value and expiry under the same key and returns the old value if it had its own
    /// memory. In place when the layout stays (both values inline and equally long, or both integers, and
    /// both with or both without expiry); else the entry moves.
    pub(crate) fn assign(
        &mut self,
        body: Body<'_>,
        expiry: Option<UnixMs>,
    ) -> Option<Body<'static>> {
        let stays = self.expiry().is_some() == expiry.is_some();
        match body {
            Body::Inline(bytes)
                if stays && self.form() == form::INLINE && self.inline().len() == bytes.len() =>
            {
                self.inline_mut().copy_from_slice(bytes);
            }
            Body::Int(number) if stays && self.form() == form::INT => {
                // SAFETY: the form says that an integer is held; it is aligned to 8.
                unsafe { self.held_address().cast::<i64>().write(number) }
            }
            body => {
                let old = match self.form() {
                    form::INLINE | form::INT => None,
                    _ => Some(self.take_held()),
                };
                let new = Entry::new(self.key(), expiry, body);
                self.replace(new);
                return old;
            }
        }
        self.set_expiry(expiry);
        None
    }

    /// Puts a rebuilt entry in the place of this one; clock and parity stay.
    fn replace(&mut self, mut new: Entry) {
        let parity = self.head().flags & PARITY;
        new.head_mut().flags |= parity;
        new.head_mut().clock = self.head().clock;
        *self = new;
    }

    #[inline]
    fn form(&self) -> u8 {
        self.head().flags & FORM
    }

    /// Where the held value is, if the form has one.
    #[inline]
    fn held_address(&self) -> NonNull<u8> {
        self.at(HEAD_BYTES + expiry_bytes(self.head().flags))
    }

    /// The held value, whose type must be that of the form.
    #[inline]
    fn held<T>(&self, form: u8) -> &T {
        assert_eq!(self.head().flags & (FORM | TAKEN), form, "the form tells the type");
        // SAFETY: `new` wrote a T there by the form, and it was not moved out; it is borrowed as long as `self`.
        unsafe { self.held_address().cast::<T>().as_ref() }
    }

    #[inline]
    fn held_mut<T>(&mut self, form: u8) -> Option<&mut T> {
        // SAFETY: as in `held`, borrowed uniquely.
        (self.head().flags & (FORM | TAKEN) == form)
            .then(|| unsafe { self.held_address().cast::<T>().as_mut() })
    }

    #[inline]
    fn inline(&self) -> &[u8] {
        let head = self.head();
        let start = self.at(key_offset(head.flags) + self.key_length());
        // SAFETY: that many bytes were copied there by `build`.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), usize::from(head.value_length)) }
    }

    fn inline_mut(&mut self) -> &mut [u8] {
        let length = usize::from(self.head().value_length);
        let start = self.at(key_offset(self.head().flags) + self.key_length());
        // SAFETY: as in `inline`, borrowed uniquely.
        unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), length) }
    }

    #[inline]
    pub fn value(&self) -> Value<'_> {
        match self.form() {
            form::INLINE => {
                Value::String(StringRef::Bytes { bytes: self.inline(), is_edited: false })
            }
            form::INT => Value::String(StringRef::Int(*self.held(form::INT))),
            form::LARGE => {
                let bytes = self.held::<Box<Vec<u8>>>(form::LARGE);
                Value::String(StringRef::Bytes { bytes, is_edited: true })
            }
            form::LIST => Value::List(self.held(form::LIST)),
            form::HASH => Value::Hash(self.held(form::HASH)),
            form::SET => Value::Set(self.held(form::SET)),
            form::ZSET => Value::Zset(self.held(form::ZSET)),
            form::STREAM => Value::Stream(self.held(form::STREAM)),
            other => unreachable!("no value has the form {other}"),
        }
    }

    pub fn kind(&self) -> Kind {
        match self.form() {
            form::LIST => Kind::List,
            form::HASH => Kind::Hash,
            form::SET => Kind::Set,
            form::ZSET => Kind::Zset,
            form::STREAM => Kind::Stream,
            _ => Kind::String,
        }
    }

    /// The growable bytes of a string; a string of another form is changed into this one first.
    pub(crate) fn large_mut(&mut self) -> Option<&mut Vec<u8>> {
        if let Value::String(string) = self.value()
            && self.form() != form::LARGE
        {
            let text = string.text(&mut itoa::Buffer::new()).to_vec();
            self.assign(Body::Large(Box::new(text)), self.expiry());
        }
        self.held_mut::<Box<Vec<u8>>>(form::LARGE).map(|bytes| &mut **bytes)
    }

    pub(crate) fn list_mut(&mut self) -> Option<&mut List> {
        self.held_mut(form::LIST)
    }

    pub(crate) fn hash_mut(&mut self) -> Option<&mut Hash> {
        self.held_mut(form::HASH)
    }

    pub(crate) fn set_mut(&mut self) -> Option<&mut Set> {
        self.held_mut(form::SET)
    }

    pub(crate) fn zset_mut(&mut self) -> Option<&mut Zset> {
        self.held_mut(form::ZSET)
    }

    pub(crate) fn stream_mut(&mut self) -> Option<&mut Stream> {
        self.held_mut(form::STREAM)
    }

    /// Moves the held value out; what stays may only be replaced or dropped.
    fn take_held(&mut self) -> Body<'static> {
        let flags = self.head().flags;
        assert_eq!(flags & TAKEN, 0, "a value is taken once");
        self.head_mut().flags |= TAKEN;
        let held = self.held_address();
        // SAFETY: `new` wrote a value of the form's type there, and bit 6 says from now on that it is gone.
        unsafe {
            match flags & FORM {
                form::LARGE => Body::Large(held.cast().read()),
                form::LIST => Body::List(held.cast().read()),
                form::HASH => Body::Hash(held.cast().read()),
                form::SET => Body::Set(held.cast().read()),
                form::ZSET => Body::Zset(held.cast().read()),
                form::STREAM => Body::Stream(held.cast().read()),
                other => unreachable!("form {other} holds nothing that must be taken"),
            }
        }
    }

    /// The value if it has its own memory; the rest of the entry is freed.
    pub(crate) fn into_boxed(mut self) -> Option<Body<'static>> {
        match self.form() {
            form::INLINE | form::INT => None,
            _ => Some(self.take_held()),
        }
    }

    /// The value, unless it is inline. What stays is an entry that may only be dropped or replaced.
    fn take_body(&mut self) -> Option<Body<'static>> {
        match self.value() {
            Value::String(StringRef::Bytes { is_edited: false, .. }) => None,
            Value::String(StringRef::Int(number)) => Some(Body::Int(number)),
            _ => Some(self.take_held()),
        }
    }

    /// The same value and expiry under another key.
    pub(crate) fn with_key(mut self, key: &[u8]) -> Entry {
        let body = self.take_body();
        let body = body.unwrap_or(Body::Inline(self.inline()));
        let mut new = Entry::new(key, self.expiry(), body);
        new.head_mut().clock = self.head().clock;
        new
    }

    /// A deep copy under another key.
    pub(crate) fn copy_as(&self, key: &[u8]) -> Entry {
        let body = match self.form() {
            form::INLINE => Body::Inline(self.inline()),
            _ => self.value().to_body(),
        };
        let mut new = Entry::new(key, self.expiry(), body);
        new.head_mut().clock = self.head().clock;
        new
    }

    /// The 24 bits of LRU or LFU state; see [`crate::evict`].
    #[inline]
    pub fn clock(&self) -> u32 {
        let [low, middle, high] = self.head().clock;
        u32::from_le_bytes([low, middle, high, 0])
    }

    /// Keeps the lower 24 bits.
    #[inline]
    pub(crate) fn set_clock(&mut self, clock: u32) {
        let [low, middle, high, _] = clock.to_le_bytes();
        self.head_mut().clock = [low, middle, high];
    }

    /// See [`crate::snapshot`].
    #[inline]
    pub(crate) fn parity(&self) -> bool {
        self.head().flags & PARITY != 0
    }

    #[inline]
    pub(crate) fn set_parity(&mut self, parity: bool) {
        let head = self.head_mut();
        head.flags = (head.flags & !PARITY) | if parity { PARITY } else { 0 };
    }

    /// Bytes asked of the allocator for the entry and what it owns. Large collections are judged by
    /// `samples` elements (0: all).
    pub fn heap_bytes(&self, samples: usize) -> usize {
        let own = Entry::layout(self.head(), self.key_length()).size();
        own + match self.value() {
            Value::String(StringRef::Int(_)) => 0,
            Value::String(StringRef::Bytes { is_edited: false, .. }) => 0,
            Value::String(StringRef::Bytes { .. }) => {
                size_of::<Vec<u8>>() + self.held::<Box<Vec<u8>>>(form::LARGE).capacity()
            }
            Value::List(list) => list.memory_bytes(),
            Value::Hash(hash) => hash.memory_bytes(samples),
            Value::Set(set) => set.memory_bytes(samples),
            Value::Zset(zset) => zset.memory_bytes(samples),
            Value::Stream(stream) => stream.memory_bytes(samples),
        }
    }
}

fn expiry_bytes(flags: u8) -> usize {
    if flags & HAS_EXPIRY == 0 { 0 } else { EXPIRY_BYTES }
}

fn held_bytes(flags: u8) -> usize {
    HELD_BYTES[usize::from(flags & FORM)]
}

/// Where the key starts.
#[inline]
fn key_offset(flags: u8) -> usize {
    let wide = if flags & WIDE_KEY == 0 { 0 } else { WIDE_BYTES };
    HEAD_BYTES + expiry_bytes(flags) + held_bytes(flags) + wide
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !matches!(self.form(), form::INLINE | form::INT) && self.head().flags & TAKEN == 0 {
            drop(self.take_held());
        }
        let layout = Entry::layout(self.head(), self.key_length());
        // SAFETY: allocated by `build` with this layout: nothing that it depends on ever changes.
        unsafe { dealloc(self.head.as_ptr().cast(), layout) }
    }
}

impl Item for Entry {
    type Key = [u8];

    fn hash(&self) -> u64 {
        hash_of(self.key())
    }

    #[inline]
    fn is(&self, key: &[u8]) -> bool {
        self.key() == key
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key().escape_ascii().to_string())
            .field("expiry", &self.expiry())
            .field("value", &self.value())
            .finish()
    }
}
