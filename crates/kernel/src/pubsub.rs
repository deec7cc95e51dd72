//! Who listens to which channel.
//!
//! Invariant: a client is listed under a name exactly while the name is in its `Subscriptions`.

use std::collections::{BTreeMap, BTreeSet};

use base::glob;
use hashbrown::HashMap;
use net::Token;

use crate::client::{Names, Session, Subscriptions};
use crate::keyspace::{Keyspace, Notice};
use crate::node::{Node, NodeTurn};
use crate::tracking::Current;
use wire::resp::reply::{Protocol, ReplyWriter};

/// The three kinds of names that a client can listen to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    Channel,
    Pattern,
    ShardChannel,
}

impl Scope {
    /// Names of a session in this scope.
    pub(crate) fn of(self, subscriptions: &mut Subscriptions) -> &mut Names {
        match self {
            Scope::Channel => &mut subscriptions.channels,
            Scope::Pattern => &mut subscriptions.patterns,
            Scope::ShardChannel => &mut subscriptions.shard_channels,
        }
    }
}

type Listeners = BTreeSet<Token>;

/// Listeners by name.
#[derive(Debug, Default)]
pub struct PubSub {
    channels: HashMap<Box<[u8]>, Listeners, foldhash::fast::RandomState>,
    patterns: BTreeMap<Box<[u8]>, Listeners>,
    shard_channels: HashMap<Box<[u8]>, Listeners, foldhash::fast::RandomState>,
}

impl PubSub {
    /// Returns whether the client did not listen to the name before.
    pub(crate) fn subscribe(&mut self, scope: Scope, name: &[u8], session: &mut Session) -> bool {
        let listeners = match scope {
            Scope::Channel => self.channels.entry(name.into()).or_default(),
            Scope::Pattern => self.patterns.entry(name.into()).or_default(),
            Scope::ShardChannel => self.shard_channels.entry(name.into()).or_default(),
        };
        let is_new = listeners.insert(session.token);
        if is_new {
            scope.of(&mut session.subscriptions).insert(name);
        }
        is_new
    }

    pub(crate) fn unsubscribe(&mut self, scope: Scope, name: &[u8], session: &mut Session) {
        scope.of(&mut session.subscriptions).remove(name);
        let Some(listeners) = self.listeners_mut(scope, name) else { return };
        listeners.remove(&session.token);
        if listeners.is_empty() {
            match scope {
                Scope::Channel => drop(self.channels.remove(name)),
                Scope::Pattern => drop(self.patterns.remove(name)),
                Scope::ShardChannel => drop(self.shard_channels.remove(name)),
            }
        }
    }

    /// Forgets a client that goes, or starts anew.
    pub(crate) fn unsubscribe_all(&mut self, session: &mut Session) {
        for scope in [Scope::Channel, Scope::Pattern, Scope::ShardChannel] {
            for name in scope.of(&mut session.subscriptions).in_order() {
                self.unsubscribe(scope, &name, session);
            }
        }
    }

    fn listeners_mut(&mut self, scope: Scope, name: &[u8]) -> Option<&mut Listeners> {
        match scope {
            Scope::Channel => self.channels.get_mut(name),
            Scope::Pattern => self.patterns.get_mut(name),
            Scope::ShardChannel => self.shard_channels.get_mut(name),
        }
    }

    /// Active channels (`Scope::Pattern` is not asked for) that match `pattern`, in no order.
    pub(crate) fn names<'a>(
        &'a self,
        scope: Scope,
        pattern: Option<&'a [u8]>,
    ) -> impl Iterator<Item = &'a [u8]> {
        let map = if scope == Scope::Channel { &self.channels } else { &self.shard_channels };
        map.keys()
            .map(|name| &**name)
            .filter(move |name| pattern.is_none_or(|pattern| glob::matches(pattern, name, false)))
    }

    pub(crate) fn listeners(&self, scope: Scope, name: &[u8]) -> usize {
        let listeners = match scope {
            Scope::Channel => self.channels.get(name),
            Scope::Pattern => self.patterns.get(name),
            Scope::ShardChannel => self.shard_channels.get(name),
        };
        listeners.map_or(0, BTreeSet::len)
    }

    pub fn channels(&self) -> usize {
        self.channels.len()
    }

    /// Distinct patterns that somebody listens to (PUBSUB NUMPAT).
    pub fn patterns(&self) -> usize {
        self.patterns.len()
    }

    pub fn shard_channels(&self) -> usize {
        self.shard_channels.len()
    }
}

impl NodeTurn<'_> {
    /// Sends `message` to everybody who listens; returns the number of deliveries.
    pub(crate) fn publish(&mut self, scope: Scope, channel: &[u8], message: &[u8]) -> usize {
        self.tell_news();
        self.node.publish(Current::running(self.turn.session), scope, channel, message)
    }

    /// Tells others what the running command has changed so far.
    pub(crate) fn tell_news(&mut self) {
        if self.turn.keys.has_news() {
            self.node.tell_news(Current::running(self.turn.session), self.turn.keys);
        }
    }
}

impl Node {
    /// Tells clients that track keys, and subscribers to keyspace events, what has happened.
    #[cold]
    pub(crate) fn tell_news(&mut self, current: Current, keys: &mut Keyspace) {
        let changes = keys.interest.take_changes();
        if !changes.is_empty() {
            self.invalidate(current, changes, keys.store().graveyard());
            self.follow_trackers(keys);
        }
        let notices = keys.take_notices();
        if self.pubsub.channels.is_empty() && self.pubsub.patterns.is_empty() {
            return;
        }
        let wanted = keys.wanted();
        for Notice { db, event, key } in notices {
            let event = event.as_bytes();
            if wanted.by_key {
                let channel = [format!("__keyspace@{db}__:").as_bytes(), &key].concat();
                self.publish(current, Scope::Channel, &channel, event);
            }
            if wanted.by_event {
                let channel = [format!("__keyevent@{db}__:").as_bytes(), event].concat();
                self.publish(current, Scope::Channel, &channel, &key);
            }
        }
    }

    /// Sends `message` to everybody who listens; returns the number of deliveries.
    fn publish(&mut self, current: Current, scope: Scope, channel: &[u8], message: &[u8]) -> usize {
        let is_shard = scope == Scope::ShardChannel;
        let direct = if is_shard {
            self.pubsub.shard_channels.get(channel)
        } else {
            self.pubsub.channels.get(channel)
        };
        let kind: &[u8] = if is_shard { b"smessage" } else { b"message" };
        let direct: Vec<Token> = direct.into_iter().flatten().copied().collect();
        for token in &direct {
            self.push(current, *token, &[kind, channel, message]);
        }
        if is_shard {
            return direct.len();
        }
        let matching: Vec<(Box<[u8]>, Vec<Token>)> = self
            .pubsub
            .patterns
            .iter()
            .filter(|(pattern, _)| glob::matches(pattern, channel, false))
            .map(|(pattern, listeners)| (pattern.clone(), listeners.iter().copied().collect()))
            .collect();
        let mut deliveries = direct.len();
        for (pattern, listeners) in &matching {
            for token in listeners {
                self.push(current, *token, &[b"pmessage", pattern, channel, message]);
            }
            deliveries += listeners.len();
        }
        deliveries
    }

    /// Appends out-of-band data for a client that listens. What the running client gets leaves behind the
    /// reply to its command.
    fn push(&mut self, current: Current, token: Token, parts: &[&[u8]]) {
        let Some(protocol) = current.protocol(self, token) else { return };
        self.touch(token);
        let Some(output) = self.net.output(token) else { return };
        let is_running = current.is_running(token);
        // The reply of the running command is put in front of what is in its buffer now.
        push(if is_running { output.buffer() } else { output.chunk() }, protocol, parts);
        self.bound_told(token, true);
    }
}

fn push(out: &mut Vec<u8>, protocol: Protocol, parts: &[&[u8]]) {
    let mut writer = ReplyWriter::new(out, protocol);
    writer.push(parts.len());
    for part in parts {
        writer.bulk(part);
    }
}

#[cfg(test)]
mod tests {
    use base::UnixMs;

    use super::*;
    use crate::client::Clients;

    /// Enough that a search through all of them for each of them would not end today.
    const MANY: u32 = 300_000;

    fn client(clients: &mut Clients) -> &mut Session {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut driver = net::Driver::new().unwrap();
        let socket = std::net::TcpStream::connect(address).unwrap();
        let token = driver.adopt(socket, &net::TcpOptions::default()).unwrap();
        clients.insert(token, address.into(), address.into(), UnixMs(0))
    }

    #[test]
    fn a_client_may_leave_many_channels_at_once() {
        let mut clients = Clients::default();
        let (mut pubsub, session) = (PubSub::default(), client(&mut clients));
        for scope in [Scope::Channel, Scope::ShardChannel, Scope::Pattern] {
            for name in (0..MANY).map(u32::to_be_bytes) {
                assert!(pubsub.subscribe(scope, &name, session));
            }
        }
        assert_eq!(session.subscriptions.count(), 2 * MANY as usize);
        pubsub.unsubscribe_all(session);
        assert!(!session.is_subscribed());
        assert_eq!((pubsub.channels(), pubsub.patterns(), pubsub.shard_channels()), (0, 0, 0));
    }

    #[test]
    fn names_are_listed_in_the_order_in_which_they_came() {
        let mut clients = Clients::default();
        let (mut pubsub, session) = (PubSub::default(), client(&mut clients));
        for name in ["c", "a", "b", "a", "d"] {
            pubsub.subscribe(Scope::Channel, name.as_bytes(), session);
        }
        pubsub.unsubscribe(Scope::Channel, b"b", session);
        pubsub.subscribe(Scope::Channel, b"b", session);
        let names = session.subscriptions.channels.in_order();
        assert_eq!(names.concat(), b"cadb");
    }
}
