//! Streams from RDB.

use wire::rdb::load;

use super::{Group, Inner, Stream};

impl Stream {
    /// A stream as a file held it; `None` when groups or consumers have the same name, or when a pending entry has no
    /// owner or several.
    pub fn load(parts: load::Stream) -> Option<Stream> {
        let load::Stream { nodes, last_id, max_deleted, entries_added, groups, has_read_counters } =
            parts;
        let length = nodes.iter().map(|(_, node)| node.live()).sum();
        let mut stream = Stream(Box::new(Inner {
            nodes: nodes.into_iter().collect(),
            length,
            last_id,
            max_deleted,
            entries_added,
            ..Inner::default()
        }));
        stream.find_first();
        for parts in groups {
            let mut group = load_group(&parts)?;
            if !has_read_counters {
                group.entries_read = stream.distance(group.last_id);
            }
            if stream.0.groups.insert(parts.name.into(), group).is_some() {
                return None;
            }
        }
        Some(stream)
    }
}

fn load_group(parts: &load::Group) -> Option<Group> {
    let mut group = Group::new(parts.last_id, parts.entries_read);
    let mut pending = std::collections::BTreeMap::new();
    for entry in &parts.pending {
        if pending.insert(entry.id, entry).is_some() {
            return None;
        }
    }
    for consumer in &parts.consumers {
        if !group.set_consumer(&consumer.name, consumer.seen, consumer.active) {
            return None;
        }
        for id in &consumer.pending {
            // Taken out, so that nobody else can own it.
            let entry = pending.remove(id)?;
            group.give(&consumer.name, *id, entry.at, entry.count);
        }
    }
    pending.is_empty().then_some(group)
}
