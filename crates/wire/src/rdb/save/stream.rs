//! Saving a stream, piece by piece.
//!
//! ```text
//!   begin_stream -> stream_node* -> stream_totals -> (begin_group -> pending* -> begin_consumers
//!                                                        -> (begin_consumer -> owned*)*)*
//! ```

use base::UnixMs;

use super::{Form, Head, Writer, kind, put_length};
use crate::listpack::Listpack;
use crate::stream::StreamId;

/// What a stream remembers beside its entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Totals {
    pub length: u64,
    pub last_id: StreamId,
    /// Of the first entry; 0-0 when there is none.
    pub first_id: StreamId,
    pub max_deleted: StreamId,
    pub entries_added: u64,
}

impl Writer {
    /// Exactly `nodes` calls of [`stream_node`](Self::stream_node) must follow, and one of
    /// [`stream_totals`](Self::stream_totals).
    pub fn begin_stream(&mut self, head: &Head<'_>, nodes: usize) {
        // Replicas of Redis 7.0 must be able to read our files; when consumers were last active is not in them.
        let kind = match self.form {
            Form::File | Form::OldDump => kind::STREAM_2,
            Form::Dump => kind::STREAM_3,
        };
        self.head(head, kind);
        put_length(&mut self.out, nodes as u64);
    }

    pub fn stream_node(&mut self, key: StreamId, pack: &Listpack) {
        self.strings.put(&mut self.out, &key.to_bytes());
        self.strings.put(&mut self.out, pack.as_bytes());
    }

    /// Exactly `groups` calls of [`begin_group`](Self::begin_group) must follow, each with what belongs to it.
    pub fn stream_totals(&mut self, totals: &Totals, groups: usize) {
        put_length(&mut self.out, totals.length);
        for id in [totals.last_id, totals.first_id, totals.max_deleted] {
            self.put_id(id);
        }
        put_length(&mut self.out, totals.entries_added);
        put_length(&mut self.out, groups as u64);
    }

    /// Exactly `pending` calls of [`pending`](Self::pending) must follow, and one of
    /// [`begin_consumers`](Self::begin_consumers). `entries_read`: `None` when it is not known.
    pub fn begin_group(
        &mut self,
        name: &[u8],
        last_id: StreamId,
        entries_read: Option<u64>,
        pending: usize,
    ) {
        self.strings.put(&mut self.out, name);
        self.put_id(last_id);
        put_length(&mut self.out, entries_read.unwrap_or(u64::MAX));
        put_length(&mut self.out, pending as u64);
    }

    /// A pending entry, in the order of IDs.
    pub fn pending(&mut self, id: StreamId, at: UnixMs, count: u64) {
        self.owned(id);
        self.put_time(Some(at));
        put_length(&mut self.out, count);
    }

    /// Exactly `count` calls of [`begin_consumer`](Self::begin_consumer) must follow.
    pub fn begin_consumers(&mut self, count: usize) {
        put_length(&mut self.out, count as u64);
    }

    /// Exactly `pending` calls of [`owned`](Self::owned) must follow.
    pub fn begin_consumer(
        &mut self,
        name: &[u8],
        seen: UnixMs,
        active: Option<UnixMs>,
        pending: usize,
    ) {
        self.strings.put(&mut self.out, name);
        self.put_time(Some(seen));
        if self.form == Form::Dump {
            self.put_time(active);
        }
        put_length(&mut self.out, pending as u64);
    }

    /// An entry that is pending for the consumer.
    pub fn owned(&mut self, id: StreamId) {
        self.out.extend_from_slice(&id.to_bytes());
    }

    fn put_id(&mut self, id: StreamId) {
        put_length(&mut self.out, id.ms);
        put_length(&mut self.out, id.seq);
    }

    /// Never is -1.
    fn put_time(&mut self, at: Option<UnixMs>) {
        let ms = at.map_or(-1, |UnixMs(ms)| i64::try_from(ms).unwrap_or(i64::MAX));
        self.out.extend_from_slice(&ms.to_le_bytes());
    }
}
