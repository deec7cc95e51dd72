//! From values of the store to RDB.

use store::{StringRef, Value, list, set};
use wire::rdb::save::{Head, ListNode, Writer};

/// The payload that DUMP gives for a value.
pub(crate) fn dump(value: Value<'_>) -> Vec<u8> {
    let mut writer = Writer::for_dump();
    put(&mut writer, &Head { key: b"", expire: None }, value);
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
        Value::Hash(hash) => match hash.as_listpack() {
            Some(pack) => writer.hash_listpack(head, pack),
            None => {
                writer.begin_hash(head, hash.len());
                for (field, value) in hash.iter() {
                    writer.element(field);
                    writer.element(value);
                }
            }
        },
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
    }
}
