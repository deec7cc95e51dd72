//! Client-side caching: who may hold a copy of which key, and telling them when it is of no use any more.
//!
//! ```text
//!   default     GET k --> table: k -> { clients }      k changes --> each is told, and k is forgotten
//!   BCAST       prefixes: p -> { clients, changed }     k changes --> noted under each prefix it begins with;
//!                                                       told once a turn, all keys of a prefix together
//!   FLUSHALL    all tracking clients hear null: everything has changed
//!
//!   to whom     RESP3: a push `invalidate` to the client itself, or to the one it redirects to
//!               RESP2: a message of the channel __redis__:invalidate to the one it redirects to
//! ```
//!
//! Keys are tracked without their database, as in Redis. What changes is queued by the keyspace ([`Change`]); the
//! shell hands it over when a command has ended, so that its client hears of its own changes behind the reply.
//!
//! Invariants
//! - `items` is the number of clients in all sets of the table; each key of the table is in `order` exactly once.
//! - A client is listed under a prefix exactly while the prefix is in its [`Tracked`].
//! - Ids of clients that are gone may stand in the table: they are skipped, and go with the key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use catalog::{CommandSpec, Flag};
use hashbrown::HashMap;
use net::Token;
use store::{Graveyard, Rng};
use wire::resp::reply::{Protocol, ReplyWriter};

use crate::client::{ClientId, Session};
use crate::command::Args;
use crate::keyspace::Keyspace;
use crate::node::{Node, NodeTurn};

/// Keys that one look at a table above `tracking-table-max-keys` gives up; more each time it was not enough.
const KEYS_GIVEN_UP: usize = 100;
/// The channel in which a RESP2 client hears of another one's keys.
const CHANNEL: &[u8] = b"__redis__:invalidate";

/// Something has changed that a client may hold a copy of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// `by_client`: the command of a client has changed it, not its expiry or eviction.
    Key { key: Box<[u8]>, by_client: bool },
    /// Whole databases were emptied.
    All,
}

/// Which of the keys that a client reads are remembered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// All of them.
    Default,
    /// Those of the command behind CLIENT CACHING YES.
    OptIn,
    /// All but those of the command behind CLIENT CACHING NO.
    OptOut,
    /// None: the client hears of every change under its prefixes.
    Broadcast,
}

/// CLIENT TRACKING ON: what the session of a client remembers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tracked {
    pub mode: Mode,
    /// The client does not hear of its own changes.
    pub no_loop: bool,
    /// Who is told in the place of this client.
    pub redirect: Option<ClientId>,
    /// CLIENT CACHING was said for the command or transaction that comes next.
    pub is_caching_said: bool,
    /// The client that was to be told is gone.
    pub is_redirect_broken: bool,
    pub prefixes: BTreeSet<Box<[u8]>>,
    /// Memory that the prefixes take, about (bytes).
    pub prefix_bytes: usize,
}

/// What a prefix costs besides its bytes, at the client and where changes are looked up.
const PREFIX_BYTES: usize = 2 * size_of::<Box<[u8]>>() + size_of::<Audience>();

impl Tracked {
    /// Whether the keys that the client reads now are to be remembered.
    fn remembers(&self) -> bool {
        match self.mode {
            Mode::Default => true,
            Mode::OptIn => self.is_caching_said,
            Mode::OptOut => !self.is_caching_said,
            Mode::Broadcast => false,
        }
    }
}

/// The client on whose behalf something is told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Current {
    token: Option<Token>,
    /// Its command is running, so its session is not among the clients.
    running: Option<Running>,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    protocol: Protocol,
    is_subscribed: bool,
    /// It tracks in default mode, and wants to hear of its own changes.
    wants_own: bool,
}

impl Current {
    /// What happens is nobody's doing: expiry, eviction, the link to a master.
    pub(crate) fn nobody() -> Current {
        Current::default()
    }

    /// A client whose command has ended.
    pub(crate) fn client(token: Token) -> Current {
        Current { token: Some(token), running: None }
    }

    /// A client whose command is running and holds its session.
    pub(crate) fn running(session: &Session) -> Current {
        let tracked = session.tracking.as_ref();
        let running = Running {
            protocol: session.protocol,
            is_subscribed: session.is_subscribed(),
            wants_own: tracked
                .is_some_and(|tracked| tracked.mode != Mode::Broadcast && !tracked.no_loop),
        };
        Current { token: Some(session.token), running: Some(running) }
    }

    /// Whether it is this client whose command is running.
    pub(crate) fn is_running(&self, token: Token) -> bool {
        self.running_as(token).is_some()
    }

    fn running_as(&self, token: Token) -> Option<Running> {
        self.running.filter(|_| self.token == Some(token))
    }

    /// The protocol that a client speaks; `None` when it is gone.
    pub(crate) fn protocol(&self, node: &Node, token: Token) -> Option<Protocol> {
        let running = self.running_as(token).map(|running| running.protocol);
        running.or_else(|| node.clients.get(token).map(|session| session.protocol))
    }
}

/// Who may hold a key.
#[derive(Debug, Default)]
struct Holders {
    clients: BTreeSet<ClientId>,
    /// Place of the key in `order`.
    place: usize,
}

/// The keys of the clients in default mode, and a way to draw one of them.
#[derive(Debug, Default)]
struct Table {
    keys: HashMap<Arc<[u8]>, Holders, foldhash::fast::RandomState>,
    order: Vec<Arc<[u8]>>,
    items: usize,
}

impl Table {
    fn remember(&mut self, key: &[u8], client: ClientId) {
        if let Some(holders) = self.keys.get_mut(key) {
            self.items += usize::from(holders.clients.insert(client));
            return;
        }
        let key: Arc<[u8]> = key.into();
        let holders = Holders { clients: BTreeSet::from([client]), place: self.order.len() };
        self.order.push(Arc::clone(&key));
        self.keys.insert(key, holders);
        self.items += 1;
    }

    fn take(&mut self, key: &[u8]) -> Option<BTreeSet<ClientId>> {
        let holders = self.keys.remove(key)?;
        self.items -= holders.clients.len();
        self.order.swap_remove(holders.place);
        if let Some(moved) = self.order.get(holders.place) {
            self.keys.get_mut(moved).expect("keys and order agree").place = holders.place;
        }
        Some(holders.clients)
    }
}

/// Clients that hear of all changes under one prefix.
#[derive(Debug, Default)]
struct Audience {
    clients: BTreeSet<Token>,
    /// Changed since the last turn, with the client that did it.
    changed: BTreeMap<Box<[u8]>, Option<Token>>,
}

/// Everything that tracking remembers.
#[derive(Debug, Default)]
pub struct Tracking {
    table: Table,
    prefixes: BTreeMap<Box<[u8]>, Audience>,
    clients: BTreeSet<Token>,
    /// What the client of the running command will hear when it has ended; `None` stands for everything.
    own: Vec<Option<Box<[u8]>>>,
    /// Something waits under a prefix for the end of the turn.
    has_broadcasts: bool,
    /// Looks at a table that was too large, in a row.
    looks_in_vain: usize,
}

impl Tracking {
    /// Whether any client tracks keys.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        !self.clients.is_empty()
    }

    pub(crate) fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Keys of the table (INFO).
    pub(crate) fn keys(&self) -> usize {
        self.table.keys.len()
    }

    /// Pairs of key and client in the table (INFO).
    pub(crate) fn items(&self) -> usize {
        self.table.items
    }

    pub(crate) fn prefixes(&self) -> usize {
        self.prefixes.len()
    }

    #[inline]
    pub(crate) fn has_broadcasts(&self) -> bool {
        self.has_broadcasts
    }

    /// `session` tracks from now on, or goes on with other options; prefixes add to those it has.
    pub(crate) fn enable(&mut self, session: &mut Session, mut tracked: Tracked) {
        for prefix in &tracked.prefixes {
            let audience = self.prefixes.entry(prefix.clone()).or_default();
            audience.clients.insert(session.token);
        }
        if let Some(old) = session.tracking.take() {
            tracked.prefixes.extend(old.prefixes);
            tracked.is_caching_said = old.is_caching_said;
        }
        let bytes = tracked.prefixes.iter().map(|prefix| prefix.len() + PREFIX_BYTES);
        tracked.prefix_bytes = bytes.sum();
        self.clients.insert(session.token);
        session.tracking = Some(Box::new(tracked));
    }

    /// `session` tracks no more.
    pub(crate) fn disable(&mut self, session: &mut Session) {
        let Some(tracked) = session.tracking.take() else { return };
        for prefix in &tracked.prefixes {
            let Some(audience) = self.prefixes.get_mut(prefix) else { continue };
            audience.clients.remove(&session.token);
            if audience.clients.is_empty() {
                self.prefixes.remove(prefix);
            }
        }
        self.clients.remove(&session.token);
    }

    /// Remembers the keys that a command of `session` has read.
    fn remember(&mut self, session: &Session, spec: &CommandSpec, args: &Args<'_>) {
        let remembers = session.tracking.as_ref().is_some_and(|tracked| tracked.remembers());
        // What a script reads is remembered by the commands that it calls.
        let is_script = matches!(spec.name, "eval_ro" | "evalsha_ro" | "fcall_ro");
        if !remembers || is_script || spec.has(Flag::Pubsub) {
            return;
        }
        let table = &mut self.table;
        // Arguments that do not say which of them are keys are an error that the command has replied.
        let _ = catalog::keys(spec, args, |position, _| {
            table.remember(args.key(position), session.id);
        });
    }

    fn note_broadcast(&mut self, key: &[u8], by: Option<Token>) {
        for (prefix, audience) in &mut self.prefixes {
            if key.starts_with(prefix) {
                audience.changed.insert(key.into(), by);
                self.has_broadcasts = true;
            }
        }
    }
}

/// What a client is told: the keys, or everything (null).
type Told<'a> = Option<&'a [&'a [u8]]>;

impl Node {
    /// Has the keyspace list changes while somebody is to hear of them. What a client has read stays in the table
    /// when it stops tracking: it may begin again, and hears of it then, as in Redis.
    pub(crate) fn follow_trackers(&self, keys: &mut Keyspace) {
        keys.interest.set_tracking(self.tracking.is_on() || self.tracking.keys() > 0);
    }

    /// Tells the clients that hold what has changed.
    #[cold]
    pub(crate) fn invalidate(
        &mut self,
        current: Current,
        changes: Vec<Change>,
        graveyard: &Graveyard,
    ) {
        for change in changes {
            match change {
                Change::Key { key, by_client } => {
                    self.tracking.note_broadcast(&key, current.token.filter(|_| by_client));
                    self.invalidate_key(current, &key);
                }
                Change::All => {
                    let clients: Vec<Token> = self.tracking.clients.iter().copied().collect();
                    for token in clients {
                        self.tell_or_keep(current, token, None);
                    }
                    let table = std::mem::take(&mut self.tracking.table);
                    let keys = table.keys.len();
                    graveyard.discard(table, keys);
                }
            }
        }
        self.tell_own(current);
    }

    /// The client of the running command hears of what it has changed itself when its session is back.
    pub(crate) fn tell_own(&mut self, current: Current) {
        let Some(token) = current.token.filter(|_| current.running.is_none()) else { return };
        for key in std::mem::take(&mut self.tracking.own) {
            match key {
                Some(key) => self.tell(current, token, Some(&[&key])),
                None => self.tell(current, token, None),
            }
        }
    }

    /// Tells who may hold `key`, and forgets that they do.
    fn invalidate_key(&mut self, current: Current, key: &[u8]) {
        for id in self.tracking.table.take(key).unwrap_or_default() {
            let Some(token) = self.clients.by_id(id) else { continue };
            let is_current = current.token == Some(token);
            let wants = |session: &Session| {
                session.tracking.as_ref().is_some_and(|tracked| {
                    tracked.mode != Mode::Broadcast && !(tracked.no_loop && is_current)
                })
            };
            if let Some(running) = current.running_as(token) {
                if running.wants_own {
                    self.tracking.own.push(Some(key.into()));
                }
            } else if self.clients.get(token).is_some_and(wants) {
                self.tell(current, token, Some(&[key]));
            }
        }
    }

    fn tell_or_keep(&mut self, current: Current, token: Token, told: Told<'_>) {
        if current.running_as(token).is_some() {
            self.tracking.own.push(None);
        } else {
            self.tell(current, token, told);
        }
    }

    /// Sends an invalidation to a tracking client, or to the one it redirects to.
    fn tell(&mut self, current: Current, token: Token, told: Told<'_>) {
        let Some(session) = self.clients.get(token) else { return };
        let protocol = session.protocol;
        let Some(tracked) = &session.tracking else { return };
        let Some(redirect) = tracked.redirect else {
            if protocol == Protocol::Resp3 {
                let is_subscribed = session.is_subscribed();
                self.send_told(token, protocol, protocol, told);
                self.bound_told(token, is_subscribed);
            }
            return;
        };
        let Some(to) = self.clients.by_id(redirect) else { return self.break_redirect(token) };
        let Some(to_protocol) = current.protocol(self, to) else { return };
        let is_subscribed = match current.running_as(to) {
            Some(running) => running.is_subscribed,
            None => self.clients.get(to).is_some_and(Session::is_subscribed),
        };
        if to_protocol == Protocol::Resp3 || is_subscribed {
            self.send_told(to, to_protocol, protocol, told);
            self.bound_told(to, is_subscribed);
        }
    }

    /// `protocol` is that of the receiver; the null that stands for everything comes in that of the tracking client,
    /// as in Redis.
    fn send_told(&mut self, to: Token, protocol: Protocol, null_in: Protocol, told: Told<'_>) {
        self.touch(to);
        let Some(output) = self.net.output(to) else { return };
        let buffer = output.buffer();
        let mut writer = ReplyWriter::new(buffer, protocol);
        if protocol == Protocol::Resp3 {
            writer.push(2);
            writer.bulk(b"invalidate");
        } else {
            writer.array(3);
            writer.bulk(b"message");
            writer.bulk(CHANNEL);
        }
        match told {
            Some(keys) => {
                writer.array(keys.len());
                keys.iter().for_each(|key| writer.bulk(key));
            }
            None => ReplyWriter::new(buffer, null_in).null(),
        }
    }

    /// The client that was to be told is gone; the tracking client hears of it.
    fn break_redirect(&mut self, token: Token) {
        let Some(session) = self.clients.get_mut(token) else { return };
        let Some(tracked) = &mut session.tracking else { return };
        tracked.is_redirect_broken = true;
        let (protocol, redirect) = (session.protocol, tracked.redirect);
        if protocol != Protocol::Resp3 {
            return;
        }
        self.touch(token);
        let Some(output) = self.net.output(token) else { return };
        let mut writer = ReplyWriter::new(output.buffer(), protocol);
        writer.push(2);
        writer.bulk(b"tracking-redir-broken");
        let id = redirect.map_or(0, |id| id.0);
        writer.integer(i64::try_from(id).unwrap_or(i64::MAX));
    }

    /// Tells the clients in broadcast mode what has changed in this turn.
    #[cold]
    pub(crate) fn broadcast(&mut self) {
        self.tracking.has_broadcasts = false;
        let mut prefixes = std::mem::take(&mut self.tracking.prefixes);
        for audience in prefixes.values_mut() {
            let changed = std::mem::take(&mut audience.changed);
            if changed.is_empty() {
                continue;
            }
            let all: Vec<&[u8]> = changed.keys().map(|key| &**key).collect();
            for token in &audience.clients {
                let no_loop = self.clients.get(*token).is_some_and(|session| {
                    session.tracking.as_ref().is_some_and(|tracked| tracked.no_loop)
                });
                if !no_loop {
                    self.tell(Current::nobody(), *token, Some(&all));
                    continue;
                }
                let of_others = changed.iter().filter(|(_, by)| **by != Some(*token));
                let of_others: Vec<&[u8]> = of_others.map(|(key, _)| &**key).collect();
                if !of_others.is_empty() {
                    self.tell(Current::nobody(), *token, Some(&of_others));
                }
            }
        }
        self.tracking.prefixes = prefixes;
    }

    /// Remembers the keys that a command which only reads has just read for a client.
    #[cold]
    pub(crate) fn remember_read(&mut self, token: Token, spec: &CommandSpec, args: &Args<'_>) {
        if let Some(session) = self.clients.get(token) {
            self.tracking.remember(session, spec, args);
        }
    }

    /// Keeps the table below `tracking-table-max-keys`: clients are told that keys drawn by chance have changed.
    #[cold]
    pub(crate) fn bound_tracking(&mut self, rng: &mut Rng) {
        let bound = self.config.settings().tracking_table_max_keys;
        let bound = usize::try_from(bound).unwrap_or(usize::MAX);
        let is_over = |tracking: &Tracking| bound > 0 && tracking.keys() > bound;
        if !is_over(&self.tracking) {
            self.tracking.looks_in_vain = 0;
            return;
        }
        let effort = KEYS_GIVEN_UP * (self.tracking.looks_in_vain + 1);
        for _ in 0..effort {
            if !is_over(&self.tracking) {
                break;
            }
            let drawn = rng.index(self.tracking.table.order.len());
            let key = Arc::clone(&self.tracking.table.order[drawn]);
            self.invalidate_key(Current::nobody(), &key);
        }
        self.tracking.looks_in_vain =
            if is_over(&self.tracking) { self.tracking.looks_in_vain + 1 } else { 0 };
    }
}

impl NodeTurn<'_> {
    /// Remembers the keys that a command inside a transaction or script has just read.
    pub(crate) fn remember_read(&mut self, spec: &CommandSpec, args: &Args<'_>) {
        if self.node.tracking.is_on() && spec.has(Flag::Readonly) {
            self.node.tracking.remember(self.turn.session, spec, args);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_knows_its_size_whatever_goes() {
        let mut table = Table::default();
        for key in [b"a", b"b", b"c", b"a"] {
            for client in [1, 2] {
                table.remember(key, ClientId(client));
            }
        }
        assert_eq!((table.keys.len(), table.order.len(), table.items), (3, 3, 6));
        assert_eq!(table.take(b"a").map(|clients| clients.len()), Some(2));
        assert!(table.take(b"a").is_none());
        for (place, key) in table.order.iter().enumerate() {
            assert_eq!(table.keys[key].place, place);
        }
        assert_eq!(table.items, 4);
        assert!(table.take(b"c").is_some() && table.take(b"b").is_some());
        assert_eq!((table.order.len(), table.items), (0, 0));
    }
}
