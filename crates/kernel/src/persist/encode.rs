//! From values of the store to RDB.

use base::UnixMs;
use store::{Hash, Stream, StringRef, Value, list, set};
use wire::listpack::{Listpack, TextBuffer};
use wire::rdb::save::{Head, ListNode, Totals, Usage, Writer};

/// The payload that DUMP gives for a value.
pub(crate) fn dump(value: Value<'_>) -> Vec<u8> {
    dump_with(Writer::for_dump(), value)
}

/// The same for servers since Redis 7.0, which do not know all types that DUMP gives.
pub(crate) fn dump_for_old(value: Value<'_>) -> Vec<u8> {
    dump_with(Writer::for_old_dump(), value)
}

fn dump_with(mut writer: Writer, value: Value<'_>) -> Vec<u8> {
    put(&mut writer, &Head { key: b"", expire: None, usage: Usage::Unknown }, value);
    writer.finish()
}

/// Appends one key, in the encoding that the store has it in where RDB knows that one.
pub(super) fn put(writer: &mut Writer, head: &Head<'_>, value: Value<'_>) {
    match value {
        Value::String(StringRef::Int(number)) => writer.integer(head, number),
        Value::String(StringRef::Bytes { bytes, .. }) => writer.string(head, bytes),
        Value::List(list) => {
            let nodes = (0..list.node_count()).map(|number| {
                match list.node(number).expect("numbers below node_count are nodes") {
                    list::NodeRef::Pack(pack) => ListNode::Packed(pack),
                    list::NodeRef::Plain(bytes) => ListNode::Plain(bytes),
                }
            });
            writer.list(head, nodes);
        }
        Value::Hash(hash) => put_hash(writer, head, hash),
        Value::Set(set) => match set.as_compact() {
            Some(set::Compact::Intset(ints)) => writer.set_intset(head, ints.as_bytes()),
            Some(set::Compact::Listpack(_)) | None => {
                writer.begin_set(head, set.len());
                for member in set.iter() {
                    writer.element(member);
                }
            }
        },
        Value::Zset(zset) => match zset.as_listpack() {
            Some(pack) => writer.zset_listpack(head, pack),
            None => {
                writer.begin_zset(head, zset.len());
                for (score, member) in zset.iter().rev() {
                    writer.element(member);
                    writer.score(score);
                }
            }
        },
        Value::Stream(stream) => put_stream(writer, head, stream),
    }
}

fn put_stream(writer: &mut Writer, head: &Head<'_>, stream: &Stream) {
    let nodes = stream.nodes();
    writer.begin_stream(head, nodes.len());
    for (key, node) in nodes {
        writer.stream_node(key, node.as_listpack());
    }
    let totals = Totals {
        length: stream.len() as u64,
        last_id: stream.last_id(),
        first_id: stream.first_id(),
        max_deleted: stream.max_deleted(),
        entries_added: stream.entries_added(),
    };
    let groups = stream.groups();
    writer.stream_totals(&totals, groups.len());
    for (name, group) in groups {
        let pending = group.pending();
        writer.begin_group(name, group.last_id, group.entries_read, pending.len());
        for (id, pending) in pending {
            writer.pending(id, pending.at, pending.count);
        }
        let consumers = group.consumers();
        writer.begin_consumers(consumers.len());
        for consumer in consumers {
            let owned = consumer.pending();
            writer.begin_consumer(consumer.name(), consumer.seen, consumer.active, owned.len());
            owned.for_each(|id| writer.owned(id));
        }
    }
}

/// A file is for all servers, a payload for those that keep the deadlines.
fn put_hash(writer: &mut Writer, head: &Head<'_>, hash: &Hash) {
    if let Some(earliest) = hash.first_deadline() {
        if writer.is_payload() {
            return put_volatile_hash(writer, head, earliest, hash);
        }
        writer.field_deadlines(hash.iter_deadlines());
    }
    match hash.as_listpack() {
        Some(pack) => writer.hash_listpack(head, pack),
        None => {
            writer.begin_hash(head, hash.len());
            for (field, value) in hash.iter() {
                writer.element(field);
                writer.element(value);
            }
        }
    }
}

fn put_volatile_hash(writer: &mut Writer, head: &Head<'_>, earliest: UnixMs, hash: &Hash) {
    if hash.as_listpack().is_some() {
        return writer.volatile_hash_listpack(head, earliest, &with_deadlines(hash));
    }
    writer.begin_volatile_hash(head, earliest, hash.len());
    for (field, value) in hash.iter() {
        writer.deadline(earliest, hash.deadline(field.text(&mut TextBuffer::default())));
        writer.element(field);
        writer.element(value);
    }
}

/// Field, value, deadline (0: none), ... in the order of Redis: the earliest deadline first, those without one last.
fn with_deadlines(hash: &Hash) -> Listpack {
    let mut pack = Listpack::new();
    let mut put = |field: &[u8], at: Option<UnixMs>| {
        let value = hash.get(field).expect("it is a field of the hash");
        pack.push_back(field);
        pack.push_back(value.text(&mut TextBuffer::default()));
        pack.push_back(itoa::Buffer::new().format(at.map_or(0, |at| at.0)).as_bytes());
    };
    hash.iter_deadlines().for_each(|(at, field)| put(field, Some(at)));
    for (field, _) in hash.iter() {
        let mut room = TextBuffer::default();
        let field = field.text(&mut room);
        if hash.deadline(field).is_none() {
            put(field, None);
        }
    }
    pack
}
