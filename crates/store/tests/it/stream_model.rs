//! A stream made of standard collections, and random effects on streams.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use base::UnixMs;
use store::{ApplyError, Stream};
use wire::effect::{Claim, Effect};
use wire::listpack::Element;
use wire::stream::{Node, StreamId};

/// A stream as plain collections.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct PlainStream {
    entries: BTreeMap<StreamId, Vec<Vec<u8>>>,
    last_id: StreamId,
    max_deleted: StreamId,
    entries_added: u64,
    groups: BTreeMap<Vec<u8>, PlainGroup>,
}

#[derive(Clone, PartialEq, Debug, Default)]
struct PlainGroup {
    last_id: StreamId,
    entries_read: Option<u64>,
    /// Owner, time, count.
    pending: BTreeMap<StreamId, (Vec<u8>, u64, u64)>,
    /// When they were active.
    consumers: BTreeMap<Vec<u8>, Option<u64>>,
}

impl PlainStream {
    /// What is in a stream, which must look the same from every side.
    pub(crate) fn of(stream: &Stream) -> PlainStream {
        let text = |element: Element<'_>| element.to_vec();
        let (all, none) = ((StreamId::MIN, StreamId::MAX), StreamId::MIN);
        let entries: BTreeMap<StreamId, Vec<Vec<u8>>> = stream
            .range(all.0, all.1)
            .map(|entry| (entry.id, entry.pairs().flat_map(|(f, v)| [text(f), text(v)]).collect()))
            .collect();
        assert_eq!(stream.len(), entries.len());
        assert_eq!(stream.first_id(), entries.keys().next().copied().unwrap_or(none));
        assert_eq!(stream.last_entry_id(), entries.keys().next_back().copied());
        let back: Vec<StreamId> = stream.range_back(all.0, all.1).map(|entry| entry.id).collect();
        assert!(back.iter().rev().eq(entries.keys()), "both directions");
        for id in entries.keys() {
            let from = |start| stream.range(start, all.1).map(|entry| entry.id);
            assert!(from(*id).eq(entries.range(*id..).map(|(id, _)| *id)), "from {id} on");
            let to = stream.range_back(all.0, *id).map(|entry| entry.id);
            assert!(to.eq(entries.range(..=*id).rev().map(|(id, _)| *id)), "from {id} back");
            assert_eq!(stream.entry(*id).map(|entry| entry.id), Some(*id));
        }
        let groups = stream.groups().map(|(name, group)| {
            let mut owned = BTreeSet::new();
            for consumer in group.consumers() {
                owned.extend(consumer.pending().map(|id| (id, consumer.name().to_vec())));
            }
            let pending = group.pending().map(|(id, pending)| {
                let owner = group.owner(pending).name().to_vec();
                assert!(owned.remove(&(id, owner.clone())), "{id} is its owner's");
                (id, (owner, pending.at.0, pending.count))
            });
            let plain = PlainGroup {
                last_id: group.last_id,
                entries_read: group.entries_read,
                pending: pending.collect(),
                consumers: group
                    .consumers()
                    .map(|consumer| (consumer.name().to_vec(), consumer.active.map(|at| at.0)))
                    .collect(),
            };
            assert!(owned.is_empty(), "nothing is pending for a consumer alone");
            (name.to_vec(), plain)
        });
        PlainStream {
            groups: groups.collect(),
            entries,
            last_id: stream.last_id(),
            max_deleted: stream.max_deleted(),
            entries_added: stream.entries_added(),
        }
    }

    pub(crate) fn apply(&mut self, effect: &Effect<'_>) -> Result<i64, ApplyError> {
        let int = |count: usize| i64::try_from(count).unwrap();
        match effect {
            Effect::StreamAdd { id, pairs, .. } => {
                self.add(&[(*id, pairs.iter().map(|item| item.to_vec()).collect())])?;
                Ok(int(self.entries.len()))
            }
            Effect::StreamAddNode { first, .. } => {
                let at = |seq| StreamId::new(first.ms, first.seq + seq);
                let pair = |value: &[u8]| vec![b"f".to_vec(), value.to_vec()];
                self.add(&[(at(0), pair(b"0")), (at(1), pair(b"one"))])?;
                Ok(int(self.entries.len()))
            }
            Effect::StreamDelete { ids, .. } => {
                let mut count = 0;
                for id in ids {
                    if self.entries.remove(id).is_some() {
                        (self.max_deleted, count) = (self.max_deleted.max(*id), count + 1);
                    }
                }
                Ok(count)
            }
            Effect::StreamTrim { count, .. } => {
                let count = (*count as usize).min(self.entries.len());
                (0..count).for_each(|_| drop(self.entries.pop_first()));
                Ok(int(count))
            }
            Effect::StreamSet { last_id, max_deleted, entries_added, .. } => {
                if self.entries.keys().next_back().is_some_and(|id| id > last_id) {
                    return Err(ApplyError::StaleId);
                }
                (self.last_id, self.max_deleted) = (*last_id, *max_deleted);
                self.entries_added = *entries_added;
                Ok(0)
            }
            Effect::StreamSetGroup { group, last_id, entries_read, .. } => {
                let is_new = !self.groups.contains_key(*group);
                let group = self.groups.entry(group.to_vec()).or_default();
                (group.last_id, group.entries_read) = (*last_id, *entries_read);
                Ok(i64::from(is_new))
            }
            Effect::StreamRemoveGroup { group, .. } => {
                Ok(i64::from(self.groups.remove(*group).is_some()))
            }
            _ => self.apply_to_group(effect),
        }
    }

    fn add(&mut self, entries: &[(StreamId, Vec<Vec<u8>>)]) -> Result<(), ApplyError> {
        if entries[0].0 <= self.last_id {
            return Err(ApplyError::StaleId);
        }
        self.entries.extend(entries.iter().cloned());
        self.last_id = entries.last().unwrap().0;
        self.entries_added += entries.len() as u64;
        Ok(())
    }

    fn apply_to_group(&mut self, effect: &Effect<'_>) -> Result<i64, ApplyError> {
        let name = match effect {
            Effect::StreamSetConsumer { group, .. }
            | Effect::StreamRemoveConsumer { group, .. }
            | Effect::StreamDeliver { group, .. }
            | Effect::StreamClaim { group, .. }
            | Effect::StreamAck { group, .. } => *group,
            other => unreachable!("{other:?} is not about groups"),
        };
        let group = self.groups.get_mut(name).ok_or(ApplyError::NoSuchGroup)?;
        let int = |count: usize| i64::try_from(count).unwrap();
        match effect {
            Effect::StreamSetConsumer { consumer, active, .. } => {
                let old = group.consumers.insert(consumer.to_vec(), active.map(|at| at.0));
                Ok(i64::from(old.is_none()))
            }
            Effect::StreamRemoveConsumer { consumer, .. } => {
                let before = group.pending.len();
                group.consumers.remove(*consumer);
                group.pending.retain(|_, (owner, ..)| owner != consumer);
                Ok(int(before - group.pending.len()))
            }
            Effect::StreamDeliver { consumer, at, last_id, entries_read, ids, .. } => {
                (group.last_id, group.entries_read) = (*last_id, *entries_read);
                group.consumers.insert(consumer.to_vec(), Some(at.0));
                for id in ids {
                    group.pending.insert(*id, (consumer.to_vec(), at.0, 1));
                }
                Ok(int(ids.len()))
            }
            Effect::StreamClaim { consumer, claims, .. } => {
                if !group.consumers.contains_key(*consumer) {
                    return Err(ApplyError::NoSuchGroup);
                }
                for claim in claims {
                    let pending = (consumer.to_vec(), claim.at.0, claim.count);
                    group.pending.insert(claim.id, pending);
                }
                Ok(int(claims.len()))
            }
            Effect::StreamAck { ids, .. } => {
                Ok(int(ids.iter().filter(|id| group.pending.remove(id).is_some()).count()))
            }
            other => unreachable!("{other:?} is not about groups"),
        }
    }
}

/// The key of an effect on a stream, and whether a missing one is created.
pub(crate) fn key_of<'a>(effect: &Effect<'a>) -> (&'a [u8], bool) {
    match effect {
        Effect::StreamAdd { key, .. }
        | Effect::StreamAddNode { key, .. }
        | Effect::StreamSet { key, .. }
        | Effect::StreamSetGroup { key, .. } => (key, true),
        Effect::StreamDelete { key, .. }
        | Effect::StreamTrim { key, .. }
        | Effect::StreamRemoveGroup { key, .. }
        | Effect::StreamSetConsumer { key, .. }
        | Effect::StreamRemoveConsumer { key, .. }
        | Effect::StreamDeliver { key, .. }
        | Effect::StreamClaim { key, .. }
        | Effect::StreamAck { key, .. } => (key, false),
        other => unreachable!("{other:?} is not about streams"),
    }
}

/// Whether it is refused whatever the data.
pub(crate) fn is_malformed(effect: &Effect<'_>) -> bool {
    matches!(effect, Effect::StreamAddNode { listpack, .. } if *listpack != NODE.as_slice())
}

pub(crate) fn needs_group(effect: &Effect<'_>) -> bool {
    !matches!(
        effect,
        Effect::StreamDelete { .. } | Effect::StreamTrim { .. } | Effect::StreamRemoveGroup { .. }
    )
}

/// Two entries, an odd number of milliseconds behind whatever came before.
static NODE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut node = Node::new([b"f".as_slice()].into_iter());
    let first = StreamId::new(1, 1);
    node.append(first, first, &[b"f", b"0"]);
    node.append(first, StreamId::new(1, 2), &[b"f", b"one"]);
    node.as_listpack().as_bytes().to_vec()
});

/// A random effect on a stream: `kind` is below 20.
pub(crate) fn effect(
    kind: u8,
    key: &'static [u8],
    number: u64,
    choices: &[usize],
    texts: &[&'static [u8]],
) -> Effect<'static> {
    let id = StreamId::new(1 + number / 4, number % 4);
    let ids: Vec<StreamId> = choices
        .iter()
        .map(|choice| StreamId::new(1 + *choice as u64 / 4, *choice as u64 % 4))
        .collect();
    let group = [&b"g"[..], b"h"][usize::from(number.is_multiple_of(3))];
    let consumer = [&b"alice"[..], b"bob"][usize::from(number.is_multiple_of(2))];
    let at = UnixMs(number * 10);
    let entries_read = number.checked_sub(1);
    let last_id = id;
    match kind {
        0..=6 => {
            let even = texts.len() / 2 * 2;
            Effect::StreamAdd { key, id, pairs: texts[..even].to_vec() }
        }
        7 => Effect::StreamAddNode { key, first: id, listpack: &NODE },
        8 if number == 0 => Effect::StreamAddNode { key, first: id, listpack: b"no node" },
        8 | 9 => Effect::StreamDelete { key, ids },
        10 => Effect::StreamTrim { key, count: number / 3 },
        11 => Effect::StreamSet { key, last_id, max_deleted: id, entries_added: number },
        12 | 13 => Effect::StreamSetGroup { key, group, last_id, entries_read },
        14 if number < 3 => Effect::StreamRemoveGroup { key, group },
        14 | 15 => {
            let active = entries_read.map(UnixMs);
            Effect::StreamSetConsumer { key, group, consumer, seen: at, active }
        }
        16 if number < 3 => Effect::StreamRemoveConsumer { key, group, consumer },
        16 | 17 => Effect::StreamDeliver { key, group, consumer, at, last_id, entries_read, ids },
        18 => {
            let claims = ids.into_iter().map(|id| Claim { id, at, count: number }).collect();
            Effect::StreamClaim { key, group, consumer, claims }
        }
        _ => Effect::StreamAck { key, group, ids },
    }
}
