//! Effects on streams.

use base::UnixMs;
use wire::effect::Effect;
use wire::listpack::Listpack;
use wire::stream::{Node, StreamId};

use super::{ApplyError, Outcome, Target};
use crate::graveyard::Remains;
use crate::stream::{Group, Stream};
use crate::value::{Body, Kind};

pub(super) fn apply(mut target: Target<'_>, effect: &Effect<'_>) -> Result<Outcome, ApplyError> {
    match effect {
        Effect::StreamAdd { id, pairs, .. } => add(target, *id, pairs),
        Effect::StreamAddNode { first, listpack, .. } => add_node(target, *first, listpack),
        Effect::StreamDelete { ids, .. } => {
            let Some(stream) = find(&mut target)? else { return Ok(Outcome(0)) };
            let mut remains = Remains::new();
            let removed = ids.iter().filter(|id| stream.remove(**id, &mut remains)).count();
            remains.bury(&target.env.graveyard);
            Ok(Outcome::count(removed))
        }
        Effect::StreamTrim { count, .. } => trim(target, *count),
        Effect::StreamSet { last_id, max_deleted, entries_added, .. } => {
            if let Some(stream) = find(&mut target)? {
                stream.set(*last_id, *max_deleted, *entries_added)?;
                return Ok(Outcome(0));
            }
            let mut stream = Stream::new();
            stream.set(*last_id, *max_deleted, *entries_added)?;
            target.create(Body::Stream(stream));
            Ok(Outcome(1))
        }
        Effect::StreamSetGroup { group, last_id, entries_read, .. } => {
            if let Some(stream) = find(&mut target)? {
                return Ok(Outcome::flag(stream.set_group(group, *last_id, *entries_read)));
            }
            let mut stream = Stream::new();
            stream.set_group(group, *last_id, *entries_read);
            target.create(Body::Stream(stream));
            Ok(Outcome(1))
        }
        Effect::StreamRemoveGroup { group, .. } => remove_group(target, group),
        _ => apply_to_group(target, effect),
    }
}

fn apply_to_group(mut target: Target<'_>, effect: &Effect<'_>) -> Result<Outcome, ApplyError> {
    match effect {
        Effect::StreamSetConsumer { group, consumer, seen, active, .. } => {
            let group = find_group(&mut target, group)?;
            Ok(Outcome::flag(group.set_consumer(consumer, *seen, *active)))
        }
        Effect::StreamRemoveConsumer { group, consumer, .. } => {
            let removed = find_group(&mut target, group)?.remove_consumer(consumer);
            let pending = removed.as_ref().map_or(0, |(consumer, _)| consumer.pending().len());
            target.env.graveyard.discard(removed, pending);
            Ok(Outcome::count(pending))
        }
        Effect::StreamDeliver { group, consumer, at, last_id, entries_read, ids, .. } => {
            let group = find_group(&mut target, group)?;
            (group.last_id, group.entries_read) = (*last_id, *entries_read);
            group.set_consumer(consumer, *at, Some(*at));
            let given = ids.iter().filter(|id| group.give(consumer, **id, *at, 1)).count();
            Ok(Outcome::count(given))
        }
        Effect::StreamClaim { group, consumer, claims, .. } => {
            let group = find_group(&mut target, group)?;
            if group.consumer(consumer).is_none() {
                return Err(ApplyError::NoSuchGroup);
            }
            for claim in claims {
                group.give(consumer, claim.id, claim.at, claim.count);
            }
            Ok(Outcome::count(claims.len()))
        }
        Effect::StreamAck { group, ids, .. } => {
            let group = find_group(&mut target, group)?;
            Ok(Outcome::count(ids.iter().filter(|id| group.acknowledge(**id)).count()))
        }
        _ => unreachable!("apply sends only effects on streams here"),
    }
}

/// The stream for changing; `None` when there is no such key.
fn find<'t>(target: &'t mut Target<'_>) -> Result<Option<&'t mut Stream>, ApplyError> {
    Ok(target.find(Kind::Stream)?.and_then(|entry| entry.stream_mut()))
}

fn find_group<'t>(target: &'t mut Target<'_>, name: &[u8]) -> Result<&'t mut Group, ApplyError> {
    let stream = find(target)?.ok_or(ApplyError::NoSuchKey)?;
    stream.group_mut(name).ok_or(ApplyError::NoSuchGroup)
}

/// Changes the stream by something that makes it longer, or creates it so.
fn extend(
    mut target: Target<'_>,
    run: impl FnOnce(&mut Stream) -> Result<(), ApplyError>,
) -> Result<Outcome, ApplyError> {
    if let Some(stream) = find(&mut target)? {
        run(stream)?;
        return Ok(Outcome::count(stream.len()));
    }
    let mut stream = Stream::new();
    run(&mut stream)?;
    let length = stream.len();
    target.create(Body::Stream(stream));
    Ok(Outcome::count(length))
}

fn add(target: Target<'_>, id: StreamId, pairs: &[&[u8]]) -> Result<Outcome, ApplyError> {
    let limits = target.env.thresholds;
    extend(target, |stream| stream.add(id, pairs, &limits))
}

fn add_node(target: Target<'_>, first: StreamId, listpack: &[u8]) -> Result<Outcome, ApplyError> {
    let node = Listpack::from_bytes(listpack).and_then(|pack| Node::from_listpack(first, pack));
    let node = node.ok_or(ApplyError::BadNode)?;
    extend(target, |stream| stream.add_node(first, node))
}

fn trim(mut target: Target<'_>, count: u64) -> Result<Outcome, ApplyError> {
    let Some(stream) = find(&mut target)? else { return Ok(Outcome(0)) };
    let (removed, emptied) = stream.trim(usize::try_from(count).unwrap_or(usize::MAX));
    target.env.graveyard.discard_vec(emptied);
    Ok(Outcome::count(removed))
}

fn remove_group(mut target: Target<'_>, name: &[u8]) -> Result<Outcome, ApplyError> {
    let removed = find(&mut target)?.and_then(|stream| stream.remove_group(name));
    let is_there = removed.is_some();
    if let Some(group) = removed {
        let effort = group.free_effort();
        target.env.graveyard.discard(group, effort);
    }
    Ok(Outcome::flag(is_there))
}

/// See [`Store::see_consumer`](crate::Store::see_consumer).
pub(crate) fn see_consumer(stream: &mut Stream, group: &[u8], consumer: &[u8], at: UnixMs) {
    if let Some(group) = stream.group_mut(group) {
        group.see_consumer(consumer, at);
    }
}
