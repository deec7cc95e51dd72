//! Loading a stream, unit by unit.
//!
//! ```text
//!   NodeCount -> Node* -> Totals -> GroupCount -> (Group -> Pending* -> ConsumerCount -> (Consumer -> Owned*)*)*
//! ```
//!
//! Invariants
//! - Nodes are checked entry by entry, their IDs ascend from node to node, and `last_id` is not below them.
//! - Groups are handed out as they were read: whoever builds the real thing checks that each pending entry has one
//!   owner.

use base::UnixMs;

use super::{Cursor, Halt, RdbError, kind};
use crate::listpack::Listpack;
use crate::stream::{Node, StreamId};

/// A stream as the file held it.
#[derive(Clone, PartialEq, Debug)]
pub struct Stream {
    /// With their keys. None is without live entries.
    pub nodes: Vec<(StreamId, Node)>,
    pub last_id: StreamId,
    pub max_deleted: StreamId,
    pub entries_added: u64,
    pub groups: Vec<Group>,
    /// Files before Redis 7.0 do not say how many entries a group has read.
    pub has_read_counters: bool,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Group {
    pub name: Vec<u8>,
    pub last_id: StreamId,
    pub entries_read: Option<u64>,
    pub pending: Vec<Pending>,
    pub consumers: Vec<Consumer>,
}

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Pending {
    pub id: StreamId,
    /// When it was delivered last.
    pub at: UnixMs,
    /// How often it was delivered.
    pub count: u64,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Consumer {
    pub name: Vec<u8>,
    /// When it asked for entries last.
    pub seen: UnixMs,
    /// When it got some last.
    pub active: Option<UnixMs>,
    /// IDs that are pending for it.
    pub pending: Vec<StreamId>,
}

/// A stream that is being read.
pub(super) struct Parts {
    kind: u8,
    stream: Stream,
    next: Unit,
}

/// What comes next, and how many of its kind.
#[derive(Clone, Copy)]
enum Unit {
    NodeCount,
    Node { left: u64 },
    Totals,
    GroupCount,
    Group { left: u64 },
    Pending { left: u64, groups: u64 },
    ConsumerCount { groups: u64 },
    Consumer { left: u64, groups: u64 },
    Owned { left: u64, consumers: u64, groups: u64 },
}

const MALFORMED: RdbError = RdbError::Malformed("stream");

impl Parts {
    pub(super) fn new(kind: u8) -> Parts {
        let stream = Stream {
            nodes: Vec::new(),
            last_id: StreamId::MIN,
            max_deleted: StreamId::MIN,
            entries_added: 0,
            groups: Vec::new(),
            has_read_counters: kind != kind::STREAM,
        };
        Parts { kind, stream, next: Unit::NodeCount }
    }

    /// Reads one unit; the stream when it is complete. A unit that is cut off leaves everything as it was.
    pub(super) fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Stream>, Halt> {
        self.next = match self.next {
            Unit::NodeCount => Unit::Node { left: cursor.length()? },
            Unit::Node { left: 0 } => Unit::Totals,
            Unit::Node { left } => {
                self.node(cursor)?;
                Unit::Node { left: left - 1 }
            }
            Unit::Totals => {
                self.totals(cursor)?;
                Unit::GroupCount
            }
            Unit::GroupCount => Unit::Group { left: cursor.length()? },
            Unit::Group { left: 0 } => {
                let done = Parts::new(self.kind).stream;
                return Ok(Some(std::mem::replace(&mut self.stream, done)));
            }
            Unit::Group { left } => Unit::Pending { left: self.group(cursor)?, groups: left - 1 },
            Unit::Pending { left: 0, groups } => Unit::ConsumerCount { groups },
            Unit::Pending { left, groups } => {
                let pending = Pending {
                    id: raw_id(cursor)?,
                    at: time(cursor)?.unwrap_or(UnixMs(0)),
                    count: cursor.length()?,
                };
                self.last_group().pending.push(pending);
                Unit::Pending { left: left - 1, groups }
            }
            Unit::ConsumerCount { groups } => Unit::Consumer { left: cursor.length()?, groups },
            Unit::Consumer { left: 0, groups } => Unit::Group { left: groups },
            Unit::Consumer { left, groups } => {
                let owned = self.consumer(cursor)?;
                Unit::Owned { left: owned, consumers: left - 1, groups }
            }
            Unit::Owned { left: 0, consumers, groups } => {
                Unit::Consumer { left: consumers, groups }
            }
            Unit::Owned { left, consumers, groups } => {
                let id = raw_id(cursor)?;
                let consumer = self.last_group().consumers.last_mut();
                consumer.expect("a consumer was read before").pending.push(id);
                Unit::Owned { left: left - 1, consumers, groups }
            }
        };
        Ok(None)
    }

    fn last_group(&mut self) -> &mut Group {
        self.stream.groups.last_mut().expect("a group was read before")
    }

    fn node(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Halt> {
        let (key, pack) = (cursor.string()?, cursor.string()?);
        let key = *key.decode()?.first_chunk().ok_or(MALFORMED)?;
        let key = StreamId::from_bytes(key);
        let pack = Listpack::from_bytes(&pack.decode()?).ok_or(MALFORMED)?;
        let node = Node::from_listpack(key, pack).ok_or(MALFORMED)?;
        let view = node.view(key);
        let last_id = view.last_id();
        // `last_id` is that of the nodes so far, until the file says what it is for the stream; no entry is 0-0.
        if key <= self.stream.last_id {
            return Err(MALFORMED.into());
        }
        self.stream.last_id = last_id;
        // Trimming in Redis may leave a node in which everything is deleted.
        if node.live() > 0 {
            self.stream.nodes.push((key, node));
        }
        Ok(())
    }

    fn totals(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Halt> {
        let length = cursor.length()?;
        let last_id = id(cursor)?;
        let (max_deleted, entries_added) = if self.kind == kind::STREAM {
            (StreamId::MIN, length)
        } else {
            // The first ID is that of the first live entry.
            id(cursor)?;
            (id(cursor)?, cursor.length()?)
        };
        let stream = &mut self.stream;
        let live: usize = stream.nodes.iter().map(|(_, node)| node.live()).sum();
        if length != live as u64 || last_id < stream.last_id {
            return Err(MALFORMED.into());
        }
        (stream.last_id, stream.max_deleted) = (last_id, max_deleted);
        stream.entries_added = entries_added;
        Ok(())
    }

    /// Returns how many entries are pending.
    fn group(&mut self, cursor: &mut Cursor<'_>) -> Result<u64, Halt> {
        let name = cursor.string()?;
        let last_id = id(cursor)?;
        let entries_read = match self.kind {
            kind::STREAM => None,
            _ => Some(cursor.length()?).filter(|count| *count != u64::MAX),
        };
        let pending = cursor.length()?;
        self.stream.groups.push(Group {
            name: name.decode()?,
            last_id,
            entries_read,
            pending: Vec::new(),
            consumers: Vec::new(),
        });
        Ok(pending)
    }

    /// Returns how many entries are pending for it.
    fn consumer(&mut self, cursor: &mut Cursor<'_>) -> Result<u64, Halt> {
        let name = cursor.string()?;
        let seen = time(cursor)?;
        let active = if self.kind == kind::STREAM_3 { time(cursor)? } else { seen };
        let owned = cursor.length()?;
        let (name, seen) = (name.decode()?, seen.unwrap_or(UnixMs(0)));
        self.last_group().consumers.push(Consumer { name, seen, active, pending: Vec::new() });
        Ok(owned)
    }
}

fn id(cursor: &mut Cursor<'_>) -> Result<StreamId, Halt> {
    Ok(StreamId { ms: cursor.length()?, seq: cursor.length()? })
}

fn raw_id(cursor: &mut Cursor<'_>) -> Result<StreamId, Halt> {
    Ok(StreamId::from_bytes(cursor.array()?))
}

/// Never, if negative.
fn time(cursor: &mut Cursor<'_>) -> Result<Option<UnixMs>, Halt> {
    let ms = i64::from_le_bytes(cursor.array()?);
    Ok(u64::try_from(ms).ok().map(UnixMs))
}
