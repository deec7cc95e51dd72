//! Loading: an RDB file that arrives in chunks becomes entries.
//!
//! ```text
//!   chunk -> feed -> buffer:  | checksummed | understood | cut-off unit |
//!                                           ^hashed      ^at
//!   next_event -> Aux | Database | Entry | End | NeedMore
//!
//!   unit = what is decoded at once: an opcode with its fields, a type with its key, a packed value, one element
//! ```
//!
//! A cut-off unit is only measured, never decoded twice, and elements of a large collection are kept from call
//! to call; so loading takes time in proportion to the file however it is cut into chunks.
//!
//! Invariants
//! - The buffer holds at most one unit and one chunk.
//! - What is allocated for a value grows with the bytes that arrived.

mod stream;

use std::collections::HashMap;

use base::UnixMs;
use base::number::parse_double;

pub use stream::{Consumer, Group, Pending, Stream};

use super::dump::FunctionsError;
use super::{
    CRC64, Crc64, FIELD_DEADLINES, FIELD_DEADLINES_BYTES, HEADER_BYTES, RdbError, STRING_BYTES_MAX,
    VERSION_READ_MAX, container, kind, legacy, length, lzf, opcode,
};
use crate::intset::Intset;
use crate::listpack::{Element, Listpack};

/// A value as the file held it, checked. Collections may be empty and may hold an element twice when a foreign
/// writer erred; whoever builds the real thing decides.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    String(Vec<u8>),
    List(Vec<ListNode>),
    Set(Vec<Vec<u8>>),
    SetIntset(Intset),
    SetListpack(Listpack),
    Hash(Vec<(Vec<u8>, Vec<u8>)>),
    /// Field, value, ...: an even number of elements.
    HashListpack(Listpack),
    /// A hash some of whose fields expire.
    VolatileHash(Vec<VolatileField>),
    /// No score is NaN.
    Zset(Vec<(Vec<u8>, f64)>),
    /// Member, score, ...: read it with [`scored`].
    ZsetListpack(Listpack),
    Stream(Box<Stream>),
}

/// A field of a [`Value::VolatileHash`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VolatileField {
    pub field: Vec<u8>,
    pub value: Vec<u8>,
    /// Below [`DEADLINE_MS_MAX`].
    pub deadline: Option<UnixMs>,
}

/// Latest deadline of a field that Redis can hold (unix ms).
pub const DEADLINE_MS_MAX: u64 = (1 << 48) - 1;

/// A piece of a list, head first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListNode {
    Item(Vec<u8>),
    Packed(Listpack),
}

/// Members and scores of a [`Value::ZsetListpack`].
pub fn scored(listpack: &Listpack) -> impl Iterator<Item = (Element<'_>, f64)> {
    let mut elements = listpack.iter();
    std::iter::from_fn(move || {
        let member = elements.next()?;
        let score = elements.next().and_then(score_of);
        Some((member, score.expect("the scores were checked when the value was read")))
    })
}

fn score_of(element: Element<'_>) -> Option<f64> {
    match element {
        Element::Integer(value) => Some(value as f64),
        Element::Bytes(text) => parse_double(text),
    }
}

/// One key of the file.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    pub db: u16,
    pub key: Vec<u8>,
    pub expire: Option<UnixMs>,
    /// LFU counter, when the file has one.
    pub frequency: Option<u8>,
    /// Time since the last access, when the file has one.
    pub idle_seconds: Option<u64>,
    pub value: Value,
}

/// What [`Reader::next_event`] found.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// Nothing more can be said before another chunk is fed.
    NeedMore,
    Aux {
        name: Vec<u8>,
        value: Vec<u8>,
    },
    /// What the writer claims to follow; for sizing tables within reason.
    Sizes {
        db: u16,
        keys: u64,
        expiries: u64,
    },
    Entry(Entry),
    /// The code of a library of functions.
    Function(Vec<u8>),
    /// The file is complete and its checksum right. Bytes behind it are in [`Reader::rest`].
    End,
}

/// Reads one file.
pub struct Reader {
    buffer: Vec<u8>,
    at: usize,
    hashed: usize,
    crc: Crc64,
    state: State,
    version: u16,
    db: u16,
    traits: Traits,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let waiting = self.buffer.len() - self.at;
        f.debug_struct("Reader").field("db", &self.db).field("waiting", &waiting).finish()
    }
}

/// Where the next unit belongs.
enum State {
    Header,
    Opcode,
    Value { key: Vec<u8>, shape: Shape },
    Checksum,
    End,
}

/// Opcodes that describe the entry behind them.
#[derive(Default)]
struct Traits {
    expire: Option<UnixMs>,
    frequency: Option<u8>,
    idle_seconds: Option<u64>,
    /// Of fields of the hash, by their names.
    deadlines: HashMap<Vec<u8>, UnixMs>,
}

/// How much of a value was read.
enum Shape {
    /// One string, whatever is packed inside it.
    Whole {
        kind: u8,
    },
    /// A count is next; before it, in some types, a deadline.
    Uncounted {
        kind: u8,
    },
    Elements {
        kind: u8,
        missing: u64,
        so_far: Value,
        /// Deadlines of fields are relative to this (ms).
        earliest: u64,
    },
    Stream(Box<stream::Parts>),
}

impl Default for Reader {
    fn default() -> Reader {
        Reader::new()
    }
}

impl Reader {
    pub fn new() -> Reader {
        Reader {
            buffer: Vec::new(),
            at: 0,
            hashed: 0,
            crc: CRC64.digest(),
            state: State::Header,
            version: 0,
            db: 0,
            traits: Traits::default(),
        }
    }

    /// Hands over the next bytes of the file.
    pub fn feed(&mut self, chunk: &[u8]) {
        // Understood bytes go only when they are the greater part, so that each is moved about once.
        if self.at > self.buffer.len() / 2 {
            self.checksum_understood();
            self.buffer.drain(..self.at);
            self.at = 0;
            self.hashed = 0;
        }
        self.buffer.extend_from_slice(chunk);
    }

    /// Fed bytes that were not understood yet; after [`Event::End`], what follows the file.
    pub fn rest(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    /// The next fact of the file. An error ends the reading: calling again makes no sense.
    pub fn next_event(&mut self) -> Result<Event, RdbError> {
        loop {
            match self.unit() {
                Ok(Some(event)) => return Ok(event),
                Ok(None) => {}
                Err(Halt::CutOff) => return Ok(Event::NeedMore),
                Err(Halt::Wrong(error)) => return Err(error),
            }
        }
    }

    fn checksum_understood(&mut self) {
        self.crc.update(&self.buffer[self.hashed..self.at]);
        self.hashed = self.at;
    }

    /// Decodes one unit; the state changes only when it is there as a whole.
    fn unit(&mut self) -> Result<Option<Event>, Halt> {
        match self.state {
            State::Header => self.header(),
            State::Opcode => self.opcode(),
            State::Value { .. } => self.value(),
            State::Checksum => self.checksum(),
            State::End => Ok(Some(Event::End)),
        }
    }

    fn header(&mut self) -> Result<Option<Event>, Halt> {
        let mut cursor = Cursor(&self.buffer[self.at..]);
        let header = cursor.array::<HEADER_BYTES>()?;
        let digits = header.strip_prefix(b"REDIS").ok_or(RdbError::Signature)?;
        let digits = digits.iter().all(u8::is_ascii_digit).then_some(digits);
        let version = digits.map(|digits| {
            digits.iter().fold(0, |version, digit| version * 10 + u16::from(digit - b'0'))
        });
        self.version = version.ok_or(RdbError::Signature)?;
        if !(1..=VERSION_READ_MAX).contains(&self.version) {
            return Err(RdbError::Version(self.version).into());
        }
        self.at += HEADER_BYTES;
        self.state = State::Opcode;
        Ok(None)
    }

    fn opcode(&mut self) -> Result<Option<Event>, Halt> {
        let mut cursor = Cursor(&self.buffer[self.at..]);
        let mut event = None;
        match cursor.byte()? {
            opcode::AUX => {
                let (name, value) = (cursor.string()?, cursor.string()?);
                let (name, value) = (name.decode()?, value.decode()?);
                if name == FIELD_DEADLINES.as_bytes() {
                    read_deadlines(&value, &mut self.traits.deadlines)?;
                } else {
                    event = Some(Event::Aux { name, value });
                }
            }
            opcode::SELECT_DB => {
                self.db = u16::try_from(cursor.length()?)
                    .ok()
                    .filter(|&db| db < base::limits::DATABASES_MAX)
                    .ok_or(RdbError::Malformed("database number"))?;
            }
            opcode::RESIZE_DB => {
                let (keys, expiries) = (cursor.length()?, cursor.length()?);
                event = Some(Event::Sizes { db: self.db, keys, expiries });
            }
            opcode::EXPIRE_MS => {
                let at = i64::from_le_bytes(cursor.array()?);
                self.traits.expire = Some(expire(at));
            }
            opcode::EXPIRE_SECONDS => {
                let at = i64::from(i32::from_le_bytes(cursor.array()?)) * 1000;
                self.traits.expire = Some(expire(at));
            }
            opcode::IDLE => self.traits.idle_seconds = Some(cursor.length()?),
            opcode::FREQ => self.traits.frequency = Some(cursor.byte()?),
            opcode::EOF => self.state = State::Checksum,
            opcode::FUNCTION => event = Some(Event::Function(cursor.string()?.decode()?)),
            opcode::FUNCTION_BEFORE_7_0 => return Err(BEFORE_7_0.into()),
            opcode::MODULE_AUX => return Err(RdbError::Unsupported("data of a module").into()),
            kind => {
                let shape = Shape::of(kind)?;
                let key = cursor.string()?.decode()?;
                self.state = State::Value { key, shape };
            }
        }
        self.at = self.buffer.len() - cursor.0.len();
        Ok(event)
    }

    fn value(&mut self) -> Result<Option<Event>, Halt> {
        let State::Value { shape, .. } = &mut self.state else {
            unreachable!("called in this state only")
        };
        let mut cursor = Cursor(&self.buffer[self.at..]);
        let value = shape.read(&mut cursor)?;
        self.at = self.buffer.len() - cursor.0.len();
        let Some(value) = value else { return Ok(None) };
        let State::Value { key, .. } = std::mem::replace(&mut self.state, State::Opcode) else {
            unreachable!("matched above")
        };
        let Traits { expire, frequency, idle_seconds, deadlines } =
            std::mem::take(&mut self.traits);
        let value = if deadlines.is_empty() { value } else { with_deadlines(value, deadlines)? };
        let entry = Entry { db: self.db, key, expire, frequency, idle_seconds, value };
        Ok(Some(Event::Entry(entry)))
    }

    fn checksum(&mut self) -> Result<Option<Event>, Halt> {
        self.checksum_understood();
        // Before version 5 files had no checksum; a zero says that the writer was told to save the time.
        if self.version >= 5 {
            let mut cursor = Cursor(&self.buffer[self.at..]);
            let expected = u64::from_le_bytes(cursor.array()?);
            let found = self.crc.clone().finalize();
            if expected != 0 && expected != found {
                return Err(RdbError::Checksum { expected, found }.into());
            }
            self.at += 8;
        }
        self.state = State::End;
        Ok(Some(Event::End))
    }
}

impl Value {
    /// Whether it is a collection without elements, which no key holds.
    pub fn is_empty(&self) -> bool {
        match self {
            Value::List(nodes) => nodes.iter().all(|node| match node {
                ListNode::Item(_) => false,
                ListNode::Packed(pack) => pack.is_empty(),
            }),
            Value::Set(members) => members.is_empty(),
            Value::SetIntset(ints) => ints.is_empty(),
            Value::Hash(pairs) => pairs.is_empty(),
            Value::VolatileHash(fields) => fields.is_empty(),
            Value::Zset(members) => members.is_empty(),
            Value::SetListpack(pack) | Value::HashListpack(pack) | Value::ZsetListpack(pack) => {
                pack.is_empty()
            }
            Value::String(_) | Value::Stream(_) => false,
        }
    }
}

impl Shape {
    fn of(kind: u8) -> Result<Shape, RdbError> {
        match kind {
            kind::STRING
            | kind::HASH_ZIPMAP
            | kind::LIST_ZIPLIST
            | kind::SET_INTSET
            | kind::ZSET_ZIPLIST
            | kind::HASH_ZIPLIST
            | kind::HASH_LISTPACK
            | kind::ZSET_LISTPACK
            | kind::SET_LISTPACK
            | kind::HASH_LISTPACK_EX
            | kind::HASH_LISTPACK_EX_OLD => Ok(Shape::Whole { kind }),
            kind::LIST
            | kind::SET
            | kind::ZSET
            | kind::HASH
            | kind::ZSET_2
            | kind::LIST_QUICKLIST
            | kind::LIST_QUICKLIST_2
            | kind::HASH_METADATA
            | kind::HASH_METADATA_OLD => Ok(Shape::Uncounted { kind }),
            kind::STREAM | kind::STREAM_2 | kind::STREAM_3 => {
                Ok(Shape::Stream(Box::new(stream::Parts::new(kind))))
            }
            kind::MODULE | kind::MODULE_2 => Err(RdbError::Unsupported("value of a module")),
            unknown => Err(RdbError::UnknownType(unknown)),
        }
    }

    /// Reads one unit: the whole value, the count, or one element. The value when it is complete.
    fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Value>, Halt> {
        match self {
            Shape::Whole { kind } => {
                if *kind == kind::HASH_LISTPACK_EX {
                    // The earliest deadline, which the listpack tells again.
                    cursor.array::<8>()?;
                }
                Ok(Some(whole_value(*kind, cursor.string()?.decode()?)?))
            }
            Shape::Uncounted { kind } => {
                let kind = *kind;
                let earliest = match kind {
                    kind::HASH_METADATA => u64::from_le_bytes(cursor.array()?),
                    // So that what is read is the deadline itself.
                    _ => 1,
                };
                let missing = cursor.length()?;
                *self = Shape::Elements { kind, missing, so_far: empty_value(kind), earliest };
                Ok(None)
            }
            Shape::Elements { missing: 0, so_far, .. } => {
                Ok(Some(std::mem::replace(so_far, Value::String(Vec::new()))))
            }
            Shape::Elements { kind, missing, so_far, earliest } => {
                element(*kind, cursor, so_far, *earliest)?;
                *missing -= 1;
                Ok(None)
            }
            Shape::Stream(parts) => Ok(parts.read(cursor)?.map(|s| Value::Stream(Box::new(s)))),
        }
    }
}

/// The value that fills `bytes`: a type, and what belongs to it.
pub(super) fn read_value(bytes: &[u8]) -> Result<Value, RdbError> {
    let mut cursor = Cursor(bytes);
    let value = cursor.byte().and_then(|kind| {
        let mut shape = Shape::of(kind)?;
        loop {
            if let Some(value) = shape.read(&mut cursor)? {
                return Ok(value);
            }
        }
    });
    match value {
        Ok(value) if cursor.0.is_empty() => Ok(value),
        Ok(_) => Err(RdbError::Malformed("value: more bytes than it has")),
        Err(Halt::CutOff) => Err(RdbError::Malformed("value: fewer bytes than it has")),
        Err(Halt::Wrong(error)) => Err(error),
    }
}

const BEFORE_7_0: RdbError =
    RdbError::Unsupported("function library of a release candidate of Redis 7.0");

/// The code of the libraries that fill `bytes`.
pub(super) fn read_functions(bytes: &[u8]) -> Result<Vec<Vec<u8>>, FunctionsError> {
    let mut cursor = Cursor(bytes);
    let mut libraries = Vec::new();
    while !cursor.0.is_empty() {
        match cursor.byte() {
            Ok(opcode::FUNCTION) => {}
            Ok(opcode::FUNCTION_BEFORE_7_0) => return Err(FunctionsError::Before7),
            Ok(_) | Err(_) => return Err(FunctionsError::OtherType),
        }
        let code = cursor.string().and_then(|code| Ok(code.decode()?));
        libraries.push(code.map_err(|_| FunctionsError::Malformed)?);
    }
    Ok(libraries)
}

/// Redis keeps expiries signed; one before 1970 has passed like any other.
fn expire(at: i64) -> UnixMs {
    UnixMs(u64::try_from(at).unwrap_or(0))
}

const BAD_DEADLINES: RdbError = RdbError::Malformed("deadlines of fields");

/// Adds what one fact tells of deadlines: one of each field.
fn read_deadlines(told: &[u8], out: &mut HashMap<Vec<u8>, UnixMs>) -> Result<(), RdbError> {
    let mut rest = told;
    while !rest.is_empty() {
        // What was compressed may be much more than what arrived, so short ones are counted, and none comes twice.
        if told.len() - rest.len() >= FIELD_DEADLINES_BYTES {
            return Err(BAD_DEADLINES);
        }
        let (at, behind) = rest.split_first_chunk::<8>().ok_or(BAD_DEADLINES)?;
        let (length, behind) = behind.split_first_chunk::<4>().ok_or(BAD_DEADLINES)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| BAD_DEADLINES)?;
        let (field, behind) = behind.split_at_checked(length).ok_or(BAD_DEADLINES)?;
        let at = deadline(Some(u64::from_le_bytes(*at)))?.ok_or(BAD_DEADLINES)?;
        if out.insert(field.to_vec(), at).is_some() {
            return Err(BAD_DEADLINES);
        }
        rest = behind;
    }
    Ok(())
}

/// A hash, and the deadlines that were told in front of it: all of them are of its fields.
fn with_deadlines(
    value: Value,
    mut deadlines: HashMap<Vec<u8>, UnixMs>,
) -> Result<Value, RdbError> {
    let mut volatile = |field: Vec<u8>, value: Vec<u8>| {
        let deadline = deadlines.remove(&field);
        VolatileField { field, value, deadline }
    };
    let fields: Vec<VolatileField> = match value {
        Value::Hash(pairs) => {
            pairs.into_iter().map(|(field, value)| volatile(field, value)).collect()
        }
        Value::HashListpack(listpack) => {
            let mut elements = listpack.iter();
            let pairs = std::iter::from_fn(|| Some((elements.next()?, elements.next()?)));
            pairs.map(|(field, value)| volatile(field.to_vec(), value.to_vec())).collect()
        }
        _ => return Err(BAD_DEADLINES),
    };
    if deadlines.is_empty() { Ok(Value::VolatileHash(fields)) } else { Err(BAD_DEADLINES) }
}

/// The value that is packed into one string.
fn whole_value(kind: u8, bytes: Vec<u8>) -> Result<Value, RdbError> {
    let listpack =
        |bytes: Vec<u8>, what| Listpack::from_bytes(&bytes).ok_or(RdbError::Malformed(what));
    let ziplist = |bytes: Vec<u8>| legacy::ziplist(&bytes).ok_or(RdbError::Malformed("ziplist"));
    match kind {
        kind::STRING => Ok(Value::String(bytes)),
        kind::SET_INTSET => {
            Intset::from_bytes(&bytes).map(Value::SetIntset).ok_or(RdbError::Malformed("intset"))
        }
        kind::SET_LISTPACK => listpack(bytes, "set").map(Value::SetListpack),
        kind::HASH_LISTPACK => hash_value(listpack(bytes, "hash")?),
        kind::HASH_LISTPACK_EX | kind::HASH_LISTPACK_EX_OLD => {
            volatile_hash_value(&listpack(bytes, "hash")?)
        }
        kind::HASH_ZIPLIST => hash_value(ziplist(bytes)?),
        kind::HASH_ZIPMAP => {
            hash_value(legacy::zipmap(&bytes).ok_or(RdbError::Malformed("zipmap"))?)
        }
        kind::ZSET_LISTPACK => zset_value(listpack(bytes, "sorted set")?),
        kind::ZSET_ZIPLIST => zset_value(ziplist(bytes)?),
        kind::LIST_ZIPLIST => Ok(Value::List(vec![ListNode::Packed(ziplist(bytes)?)])),
        other => unreachable!("type {other} is no whole value, says Shape::of"),
    }
}

fn hash_value(listpack: Listpack) -> Result<Value, RdbError> {
    if listpack.len().is_multiple_of(2) {
        Ok(Value::HashListpack(listpack))
    } else {
        Err(RdbError::Malformed("hash"))
    }
}

/// Field, value, deadline, ...
fn volatile_hash_value(listpack: &Listpack) -> Result<Value, RdbError> {
    let mut elements = listpack.iter();
    let mut fields = Vec::new();
    while let Some(field) = elements.next() {
        let (Some(value), Some(Element::Integer(at))) = (elements.next(), elements.next()) else {
            return Err(RdbError::Malformed("hash"));
        };
        let at = u64::try_from(at).map_err(|_| RdbError::Malformed("deadline"))?;
        let (field, value) = (field.to_vec(), value.to_vec());
        fields.push(VolatileField { field, value, deadline: deadline(Some(at))? });
    }
    Ok(Value::VolatileHash(fields))
}

/// 0 is none; `None` is a number that is too large.
fn deadline(at: Option<u64>) -> Result<Option<UnixMs>, RdbError> {
    match at {
        Some(0) => Ok(None),
        Some(at) if at <= DEADLINE_MS_MAX => Ok(Some(UnixMs(at))),
        Some(_) | None => Err(RdbError::Malformed("deadline")),
    }
}

fn zset_value(listpack: Listpack) -> Result<Value, RdbError> {
    let is_even = listpack.len().is_multiple_of(2);
    let mut scores = listpack.iter().skip(1).step_by(2);
    if is_even && scores.all(|score| score_of(score).is_some()) {
        Ok(Value::ZsetListpack(listpack))
    } else {
        Err(RdbError::Malformed("sorted set"))
    }
}

fn empty_value(kind: u8) -> Value {
    match kind {
        kind::LIST | kind::LIST_QUICKLIST | kind::LIST_QUICKLIST_2 => Value::List(Vec::new()),
        kind::SET => Value::Set(Vec::new()),
        kind::HASH => Value::Hash(Vec::new()),
        kind::HASH_METADATA | kind::HASH_METADATA_OLD => Value::VolatileHash(Vec::new()),
        kind::ZSET | kind::ZSET_2 => Value::Zset(Vec::new()),
        other => unreachable!("type {other} has no elements, says Shape::of"),
    }
}

/// Decodes one element and adds it to the value.
fn element(
    kind: u8,
    cursor: &mut Cursor<'_>,
    so_far: &mut Value,
    earliest: u64,
) -> Result<(), Halt> {
    match so_far {
        Value::List(nodes) => nodes.push(list_node(kind, cursor)?),
        Value::Set(members) => members.push(cursor.string()?.decode()?),
        Value::Hash(pairs) => {
            let (field, value) = (cursor.string()?, cursor.string()?);
            pairs.push((field.decode()?, value.decode()?));
        }
        Value::VolatileHash(fields) => {
            let at = match cursor.length()? {
                0 => Some(0),
                behind => behind.checked_add(earliest).map(|at| at - 1),
            };
            let (field, value) = (cursor.string()?, cursor.string()?);
            let (field, value) = (field.decode()?, value.decode()?);
            fields.push(VolatileField { field, value, deadline: deadline(at)? });
        }
        Value::Zset(members) => {
            let member = cursor.string()?;
            let score = match kind {
                kind::ZSET => cursor.score_text()?,
                _ => f64::from_le_bytes(cursor.array()?),
            };
            if score.is_nan() {
                return Err(RdbError::Malformed("score").into());
            }
            members.push((member.decode()?, score));
        }
        Value::String(_)
        | Value::SetIntset(_)
        | Value::SetListpack(_)
        | Value::HashListpack(_)
        | Value::ZsetListpack(_)
        | Value::Stream(_) => unreachable!("empty_value makes values with elements"),
    }
    Ok(())
}

fn list_node(kind: u8, cursor: &mut Cursor<'_>) -> Result<ListNode, Halt> {
    let malformed = RdbError::Malformed("list node");
    Ok(match kind {
        kind::LIST => ListNode::Item(cursor.string()?.decode()?),
        kind::LIST_QUICKLIST => {
            let node = legacy::ziplist(&cursor.string()?.decode()?);
            ListNode::Packed(node.ok_or(malformed)?)
        }
        _ => match cursor.length()? {
            container::PLAIN => match cursor.string()?.decode()? {
                // Only items that are large for a listpack stand alone.
                item if item.is_empty() => return Err(malformed.into()),
                item => ListNode::Item(item),
            },
            container::PACKED => {
                let node = Listpack::from_bytes(&cursor.string()?.decode()?);
                ListNode::Packed(node.ok_or(malformed)?)
            }
            _ => return Err(malformed.into()),
        },
    })
}

/// Why a unit was not decoded.
enum Halt {
    CutOff,
    Wrong(RdbError),
}

impl From<RdbError> for Halt {
    fn from(error: RdbError) -> Halt {
        Halt::Wrong(error)
    }
}

/// A string that is there as a whole, not yet decoded.
enum RawString<'a> {
    Plain(&'a [u8]),
    Integer(i32),
    Packed { bytes: &'a [u8], len: usize },
}

impl RawString<'_> {
    fn decode(self) -> Result<Vec<u8>, RdbError> {
        match self {
            RawString::Plain(bytes) => Ok(bytes.to_vec()),
            RawString::Integer(value) => Ok(itoa::Buffer::new().format(value).as_bytes().to_vec()),
            RawString::Packed { bytes, len } => {
                lzf::decompress(bytes, len).ok_or(RdbError::Malformed("compressed string"))
            }
        }
    }
}

/// What was not understood yet.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn byte(&mut self) -> Result<u8, Halt> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Halt> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or(Halt::CutOff)?;
        self.0 = rest;
        Ok(*array)
    }

    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Halt> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(Halt::CutOff)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn length(&mut self) -> Result<u64, Halt> {
        let first = self.byte()?;
        self.length_from(first)
    }

    fn length_from(&mut self, first: u8) -> Result<u64, Halt> {
        Ok(match first {
            0..length::BITS_14 => u64::from(first),
            length::BITS_14..length::BITS_32 => {
                u64::from(first & 0x3f) << 8 | u64::from(self.byte()?)
            }
            length::BITS_32 => u64::from(u32::from_be_bytes(self.array()?)),
            length::BITS_64 => u64::from_be_bytes(self.array()?),
            _ => return Err(RdbError::Malformed("length").into()),
        })
    }

    fn string(&mut self) -> Result<RawString<'a>, Halt> {
        Ok(match self.byte()? {
            length::INT_8 => RawString::Integer(i8::from_le_bytes(self.array()?).into()),
            length::INT_16 => RawString::Integer(i16::from_le_bytes(self.array()?).into()),
            length::INT_32 => RawString::Integer(i32::from_le_bytes(self.array()?)),
            length::LZF => {
                let packed = bounded("compressed string", self.length()?)?;
                let len = bounded("string", self.length()?)?;
                RawString::Packed { bytes: self.bytes(packed)?, len }
            }
            first => {
                let len = bounded("string", self.length_from(first)?)?;
                RawString::Plain(self.bytes(len)?)
            }
        })
    }

    /// A score of old files: its length and text, or a special length.
    fn score_text(&mut self) -> Result<f64, Halt> {
        match self.byte()? {
            253 => Ok(f64::NAN),
            254 => Ok(f64::INFINITY),
            255 => Ok(f64::NEG_INFINITY),
            len => {
                let text = self.bytes(usize::from(len))?;
                parse_double(text).ok_or(RdbError::Malformed("score").into())
            }
        }
    }
}

fn bounded(what: &'static str, bytes: u64) -> Result<usize, RdbError> {
    usize::try_from(bytes)
        .ok()
        .filter(|&len| len <= STRING_BYTES_MAX)
        .ok_or(RdbError::TooLarge { what, bytes })
}
