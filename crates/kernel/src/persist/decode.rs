//! From RDB to values that the store takes.

use store::{Body, Hash, List, Set, Stream, Thresholds, Zset};
use wire::effect::End;
use wire::rdb::load::{ListNode, Value, VolatileField};

/// The value to store, in the encoding that the thresholds ask for. `None` when the file holds what no key
/// can: a collection without elements, an element twice, or a pending entry of a stream without owner. A stream is
/// taken out of `value`.
pub(crate) fn body<'v>(value: &'v mut Value, limits: &Thresholds) -> Option<Body<'v>> {
    let body = match value {
        Value::String(bytes) => Body::string(bytes),
        Value::List(nodes) => Body::List(list(std::mem::take(nodes), limits)),
        Value::SetIntset(ints) => Body::Set(Set::from_intset(ints.clone(), limits)),
        Value::SetListpack(pack) => Body::Set(Set::from_listpack(std::mem::take(pack), limits)?),
        Value::Set(members) => Body::Set(set(members, limits)?),
        Value::HashListpack(pack) => Body::Hash(Hash::from_listpack(std::mem::take(pack), limits)?),
        Value::Hash(pairs) => Body::Hash(hash(pairs, limits)?),
        Value::VolatileHash(fields) => Body::Hash(volatile_hash(fields, limits)?),
        Value::ZsetListpack(pack) => Body::Zset(Zset::from_listpack(std::mem::take(pack), limits)?),
        Value::Zset(members) => Body::Zset(zset(members, limits)?),
        Value::Stream(_) => {
            let Value::Stream(parts) = std::mem::replace(value, Value::Set(Vec::new())) else {
                unreachable!("matched above")
            };
            Body::Stream(Stream::load(*parts)?)
        }
    };
    let is_empty = match &body {
        Body::Int(_) | Body::Inline(_) | Body::Large(_) | Body::Stream(_) => false,
        Body::List(list) => list.is_empty(),
        Body::Hash(hash) => hash.is_empty(),
        Body::Set(set) => set.is_empty(),
        Body::Zset(zset) => zset.is_empty(),
    };
    (!is_empty).then_some(body)
}

fn list(nodes: Vec<ListNode>, limits: &Thresholds) -> List {
    let mut nodes = nodes;
    if let [ListNode::Packed(pack)] = nodes.as_mut_slice() {
        return List::from_listpack(std::mem::take(pack), limits);
    }
    let mut list = List::new();
    for node in nodes {
        match node {
            ListNode::Packed(pack) => list.append_node(pack),
            ListNode::Item(item) => list.push(End::Tail, &[&item], limits),
        }
    }
    list
}

fn set(members: &[Vec<u8>], limits: &Thresholds) -> Option<Set> {
    let mut set = Set::new();
    members.iter().all(|member| set.add(member, limits)).then_some(set)
}

fn hash(pairs: &[(Vec<u8>, Vec<u8>)], limits: &Thresholds) -> Option<Hash> {
    let mut hash = Hash::new();
    pairs.iter().all(|(field, value)| hash.set(field, value, limits)).then_some(hash)
}

fn volatile_hash(fields: &[VolatileField], limits: &Thresholds) -> Option<Hash> {
    let mut hash = Hash::new();
    for VolatileField { field, value, deadline } in fields {
        if !hash.set(field, value, limits) {
            return None;
        }
        if let Some(at) = deadline {
            hash.set_deadline(field, *at);
        }
    }
    Some(hash)
}

fn zset(members: &[(Vec<u8>, f64)], limits: &Thresholds) -> Option<Zset> {
    let mut zset = Zset::new();
    for (member, score) in members {
        zset.add(*score, member, limits);
    }
    (zset.len() == members.len()).then_some(zset)
}
