//! Saving: values become the bytes of an RDB file, piece by piece.
//!
//! ```text
//!   Writer::new -> aux* -> (select -> sizes? -> (string | list | set | ...)*)* -> finish
//!                      `- take() at any time: the bytes so far, checksummed, for the file or the link
//! ```
//!
//! Invariants
//! - Every byte leaves through `take` or `finish` exactly once, in order, and is in the checksum.
//! - The writer never holds more than was written since the last `take`.

mod stream;

use base::UnixMs;
use base::number::parse_i64;

pub use stream::Totals;

use super::lzf::Compressor;
use super::{
    CRC64, Crc64, FIELD_DEADLINES, FIELD_DEADLINES_BYTES, VERSION, VERSION_OF_DEADLINES, container,
    kind, length, opcode,
};
use crate::listpack::{Element, Listpack};

/// Strings up to this length are not worth compressing (as Redis).
const COMPRESS_BYTES_MIN: usize = 21;

/// What precedes a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head<'a> {
    pub key: &'a [u8],
    pub expire: Option<UnixMs>,
    pub usage: Usage,
}

/// What is known of the use of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Usage {
    Unknown,
    /// Seconds since the last use.
    Idle(u64),
    /// The logarithmic count of LFU policies.
    Frequency(u8),
}

/// One node of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListNode<'a> {
    Packed(&'a Listpack),
    /// One item that is too large for a listpack.
    Plain(&'a [u8]),
}

/// Writes one RDB file, or one DUMP payload.
#[derive(Debug)]
pub struct Writer {
    out: Vec<u8>,
    crc: Crc64Debug,
    strings: StringEncoder,
    form: Form,
    /// The version of RDB that knows everything that was written.
    version: u16,
}

/// What the bytes are to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    File,
    /// One value, without its key.
    Dump,
    /// The same, in types that Redis 7.0 knows.
    OldDump,
}

/// The digest of the `crc` crate has no `Debug`.
struct Crc64Debug(Crc64);

impl std::fmt::Debug for Crc64Debug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Crc64")
    }
}

impl Writer {
    /// Writes the header. `is_compressing`: strings above 20 bytes go through LZF (`rdbcompression`).
    pub fn new(is_compressing: bool) -> Writer {
        let header = format!("REDIS{VERSION:04}").into_bytes();
        Writer::begin(header, is_compressing, Form::File)
    }

    /// Writes a DUMP payload: one value must follow, whose head is left out.
    pub fn for_dump() -> Writer {
        Writer::begin(Vec::new(), true, Form::Dump)
    }

    /// As [`Writer::for_dump`], for servers since Redis 7.0: when consumers of a stream were last active is not in it.
    pub fn for_old_dump() -> Writer {
        Writer::begin(Vec::new(), true, Form::OldDump)
    }

    fn begin(out: Vec<u8>, is_compressing: bool, form: Form) -> Writer {
        let compressor = is_compressing.then(Compressor::new);
        Writer {
            out,
            crc: Crc64Debug(CRC64.digest()),
            strings: StringEncoder { compressor, packed: Vec::new() },
            form,
            version: VERSION,
        }
    }

    /// Whether it is a DUMP payload that is written.
    pub fn is_payload(&self) -> bool {
        self.form != Form::File
    }

    /// Bytes that wait for `take`.
    pub fn pending_bytes(&self) -> usize {
        self.out.len()
    }

    /// The bytes written since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        self.crc.0.update(&self.out);
        std::mem::take(&mut self.out)
    }

    /// Ends the file, or the payload, and returns its last bytes.
    pub fn finish(mut self) -> Vec<u8> {
        match self.form {
            Form::File => self.out.push(opcode::EOF),
            Form::Dump | Form::OldDump => {
                self.out.extend_from_slice(&self.version.to_le_bytes());
            }
        }
        let mut last = self.take();
        last.extend_from_slice(&self.crc.0.finalize().to_le_bytes());
        last
    }

    /// A fact about the file; readers skip those that they do not know.
    pub fn aux(&mut self, name: &str, value: &[u8]) {
        self.out.push(opcode::AUX);
        self.strings.put(&mut self.out, name.as_bytes());
        self.strings.put(&mut self.out, value);
    }

    /// A library of functions.
    pub fn function(&mut self, code: &[u8]) {
        self.out.push(opcode::FUNCTION);
        self.strings.put(&mut self.out, code);
    }

    /// What follows belongs to this database.
    pub fn select(&mut self, db: u16) {
        self.out.push(opcode::SELECT_DB);
        put_length(&mut self.out, u64::from(db));
    }

    /// How many keys the selected database has, and how many of them expire, so that a reader can size its
    /// tables.
    pub fn sizes(&mut self, keys: u64, expiries: u64) {
        self.out.push(opcode::RESIZE_DB);
        put_length(&mut self.out, keys);
        put_length(&mut self.out, expiries);
    }

    pub fn string(&mut self, head: &Head<'_>, value: &[u8]) {
        self.head(head, kind::STRING);
        self.strings.put(&mut self.out, value);
    }

    pub fn integer(&mut self, head: &Head<'_>, value: i64) {
        self.head(head, kind::STRING);
        self.strings.put_integer(&mut self.out, value);
    }

    pub fn list<'a>(
        &mut self,
        head: &Head<'_>,
        nodes: impl ExactSizeIterator<Item = ListNode<'a>>,
    ) {
        self.head(head, kind::LIST_QUICKLIST_2);
        put_length(&mut self.out, nodes.len() as u64);
        for node in nodes {
            let (container, bytes) = match node {
                ListNode::Plain(bytes) => (container::PLAIN, bytes),
                ListNode::Packed(listpack) => (container::PACKED, listpack.as_bytes()),
            };
            put_length(&mut self.out, container);
            self.strings.put(&mut self.out, bytes);
        }
    }

    /// `bytes` is an intset in its own format.
    pub fn set_intset(&mut self, head: &Head<'_>, bytes: &[u8]) {
        self.head(head, kind::SET_INTSET);
        self.strings.put(&mut self.out, bytes);
    }

    /// Field, value, field, value, ...
    pub fn hash_listpack(&mut self, head: &Head<'_>, listpack: &Listpack) {
        self.head(head, kind::HASH_LISTPACK);
        self.strings.put(&mut self.out, listpack.as_bytes());
    }

    /// Member, score as text, member, score, ... in the order of the set.
    pub fn zset_listpack(&mut self, head: &Head<'_>, listpack: &Listpack) {
        self.head(head, kind::ZSET_LISTPACK);
        self.strings.put(&mut self.out, listpack.as_bytes());
    }

    /// Exactly `count` calls of [`element`](Self::element) must follow. Sets in a listpack are written so
    /// too, as Redis 7.0 knows no other form.
    pub fn begin_set(&mut self, head: &Head<'_>, count: usize) {
        self.head(head, kind::SET);
        put_length(&mut self.out, count as u64);
    }

    /// Exactly `count` times field and value must follow, each as an [`element`](Self::element).
    pub fn begin_hash(&mut self, head: &Head<'_>, count: usize) {
        self.head(head, kind::HASH);
        put_length(&mut self.out, count as u64);
    }

    /// Deadlines of fields of the hash that comes next in a file, and is written as if it had none: Redis then holds its
    /// fields until somebody deletes them.
    pub fn field_deadlines<'f>(&mut self, deadlines: impl Iterator<Item = (UnixMs, &'f [u8])>) {
        let mut told = Vec::new();
        for (at, field) in deadlines {
            let length = u32::try_from(field.len()).expect("no string is longer than 2 GiB");
            told.extend_from_slice(&at.0.to_le_bytes());
            told.extend_from_slice(&length.to_le_bytes());
            told.extend_from_slice(field);
            if told.len() >= FIELD_DEADLINES_BYTES {
                self.aux(FIELD_DEADLINES, &told);
                told.clear();
            }
        }
        if !told.is_empty() {
            self.aux(FIELD_DEADLINES, &told);
        }
    }

    /// For payloads. Field, value, deadline (0: none), field, ...; `earliest` is the first of the deadlines.
    pub fn volatile_hash_listpack(
        &mut self,
        head: &Head<'_>,
        earliest: UnixMs,
        listpack: &Listpack,
    ) {
        self.version = VERSION_OF_DEADLINES;
        self.head(head, kind::HASH_LISTPACK_EX);
        self.out.extend_from_slice(&earliest.0.to_le_bytes());
        self.strings.put(&mut self.out, listpack.as_bytes());
    }

    /// For payloads. Exactly `count` times a [`deadline`](Self::deadline), a field and its value must follow.
    pub fn begin_volatile_hash(&mut self, head: &Head<'_>, earliest: UnixMs, count: usize) {
        self.version = VERSION_OF_DEADLINES;
        self.head(head, kind::HASH_METADATA);
        self.out.extend_from_slice(&earliest.0.to_le_bytes());
        put_length(&mut self.out, count as u64);
    }

    /// When the field that follows expires; `earliest` as when the hash was begun.
    pub fn deadline(&mut self, earliest: UnixMs, at: Option<UnixMs>) {
        put_length(&mut self.out, at.map_or(0, |at| at.0 - earliest.0 + 1));
    }

    /// Exactly `count` times an [`element`](Self::element) and its [`score`](Self::score) must follow. Redis
    /// writes the highest score first, so that its readers always insert at the front.
    pub fn begin_zset(&mut self, head: &Head<'_>, count: usize) {
        self.head(head, kind::ZSET_2);
        put_length(&mut self.out, count as u64);
    }

    pub fn element(&mut self, element: Element<'_>) {
        match element {
            Element::Integer(value) => self.strings.put_integer(&mut self.out, value),
            Element::Bytes(bytes) => self.strings.put(&mut self.out, bytes),
        }
    }

    pub fn score(&mut self, score: f64) {
        self.out.extend_from_slice(&score.to_le_bytes());
    }

    fn head(&mut self, head: &Head<'_>, kind: u8) {
        if self.form != Form::File {
            self.out.push(kind);
            return;
        }
        if let Some(at) = head.expire {
            self.out.push(opcode::EXPIRE_MS);
            self.out.extend_from_slice(&at.0.to_le_bytes());
        }
        match head.usage {
            Usage::Unknown => {}
            Usage::Idle(seconds) => {
                self.out.push(opcode::IDLE);
                put_length(&mut self.out, seconds);
            }
            Usage::Frequency(count) => self.out.extend([opcode::FREQ, count]),
        }
        self.out.push(kind);
        self.strings.put(&mut self.out, head.key);
    }
}

/// Finds the shortest form of strings.
#[derive(Debug)]
struct StringEncoder {
    compressor: Option<Compressor>,
    /// Scratch for the compressed form, whose length must precede it.
    packed: Vec<u8>,
}

impl StringEncoder {
    fn put(&mut self, out: &mut Vec<u8>, bytes: &[u8]) {
        // The longest text of a 32-bit integer has 11 bytes.
        let integer = if bytes.len() <= 11 { parse_i64(bytes) } else { None };
        if integer.is_some_and(|value| put_small_integer(out, value)) {
            return;
        }
        if bytes.len() >= COMPRESS_BYTES_MIN
            && let Some(compressor) = &mut self.compressor
        {
            self.packed.clear();
            if compressor.compress(bytes, &mut self.packed) {
                out.push(length::LZF);
                put_length(out, self.packed.len() as u64);
                put_length(out, bytes.len() as u64);
                out.extend_from_slice(&self.packed);
                return;
            }
        }
        put_length(out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    }

    fn put_integer(&mut self, out: &mut Vec<u8>, value: i64) {
        if !put_small_integer(out, value) {
            let mut buffer = itoa::Buffer::new();
            let text = buffer.format(value).as_bytes();
            put_length(out, text.len() as u64);
            out.extend_from_slice(text);
        }
    }
}

/// `false`: the value needs more than 32 bits and has no special form.
fn put_small_integer(out: &mut Vec<u8>, value: i64) -> bool {
    if let Ok(value) = i8::try_from(value) {
        out.push(length::INT_8);
        out.extend_from_slice(&value.to_le_bytes());
    } else if let Ok(value) = i16::try_from(value) {
        out.push(length::INT_16);
        out.extend_from_slice(&value.to_le_bytes());
    } else if let Ok(value) = i32::try_from(value) {
        out.push(length::INT_32);
        out.extend_from_slice(&value.to_le_bytes());
    } else {
        return false;
    }
    true
}

fn put_length(out: &mut Vec<u8>, value: u64) {
    if value < 1 << 6 {
        out.push(value as u8);
    } else if value < 1 << 14 {
        out.extend_from_slice(&[length::BITS_14 | (value >> 8) as u8, (value & 0xff) as u8]);
    } else if let Ok(value) = u32::try_from(value) {
        out.push(length::BITS_32);
        out.extend_from_slice(&value.to_be_bytes());
    } else {
        out.push(length::BITS_64);
        out.extend_from_slice(&value.to_be_bytes());
    }
}
