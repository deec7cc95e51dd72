//! Clients: what the node remembers of each connection between two commands.
//!
//! ```text
//!   Clients -- slab, at the index of the connection's net::Token
//!     Client { parser, session: Option<Box<Session>>, ... }
//!                        `- None while a command of the kind Node runs for this client:
//!                           that command holds the session, and sees all others here
//! ```

use std::sync::Arc;

use base::{Epoch, UnixMs};
use catalog::CommandSpec;
use hashbrown::HashMap;
use net::{Address, Token};
use wire::resp::reply::Protocol;
use wire::resp::request::RequestParser;

use crate::access::User;
use crate::command::{BlockOn, Queued};
use crate::interop::Downstream;
use crate::replicate::handshake::Peer;
use crate::tracking::Tracked;

/// Number of a connection, never reused in the life of a process (CLIENT ID).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientId(pub u64);

/// State of one connection that outlives a command.
#[derive(Debug)]
pub struct Session {
    pub id: ClientId,
    pub token: Token,
    pub peer: Address,
    pub local: Address,
    /// Selected database.
    pub db: u16,
    pub protocol: Protocol,
    /// Whose rights the commands have. Changed only by `access::sessions`.
    pub user: Arc<User>,
    /// No command needs to be checked against the rules of `user`.
    pub(crate) is_unrestricted: bool,
    /// Proved to be `user`, or needed no proof when it connected.
    pub(crate) has_logged_in: bool,
    /// Logged in, or no password is asked for.
    pub is_authenticated: bool,
    /// It arrived at the node address, where only POLLUX is understood.
    pub is_internal: bool,
    /// Who proved with `POLLUX HELLO` to be part of the cluster, and the epoch that it knew.
    pub introduced: Option<(Peer, Epoch)>,
    /// CLIENT SETNAME; empty: none.
    pub name: Vec<u8>,
    /// CLIENT SETINFO.
    pub library_name: Vec<u8>,
    pub library_version: Vec<u8>,
    pub connected_at: UnixMs,
    /// When the last bytes came.
    pub active_at: UnixMs,
    pub last_command: Option<&'static CommandSpec>,
    /// Commands executed for this client.
    pub commands: u64,
    pub reply_mode: ReplyMode,
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    /// CLIENT NO-TOUCH: look-ups of this client leave LRU and LFU alone.
    pub no_touch: bool,
    /// EXEC is running.
    pub(crate) runs_transaction: bool,
    /// Between MULTI and EXEC.
    pub transaction: Option<Transaction>,
    /// WATCHed keys.
    pub watched: Vec<Watched>,
    pub subscriptions: Subscriptions,
    /// MONITOR: every command is shown to it.
    pub is_monitor: bool,
    /// CLIENT TRACKING ON.
    pub tracking: Option<Box<Tracked>>,
    /// Parked by a blocking command.
    pub blocked: Option<Blocked>,
    /// Newest op that a reply of this client waits for; 0: none.
    pub waits_for_op: u64,
    /// Set by a command: close when the replies so far have left.
    pub close_after_reply: bool,
    /// The commands are those of this node's master, in its stream.
    pub(crate) is_master: bool,
    /// Its commands are those of a file that is imported: they never wait, and their errors are no reason to stop.
    pub(crate) plays_file: bool,
    /// What a replica of Redis has said of itself.
    pub(crate) downstream: Option<Box<Downstream>>,
}

impl Session {
    pub fn is_subscribed(&self) -> bool {
        self.subscriptions.count() + self.subscriptions.shard_channels.len() > 0
    }

    /// Whether it follows this node, by Redis' own protocol.
    pub fn is_replica(&self) -> bool {
        self.downstream.as_deref().is_some_and(Downstream::is_replica)
    }
}

/// CLIENT REPLY.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReplyMode {
    #[default]
    On,
    Off,
    /// The next command stays without reply.
    SkipNext,
    /// This command stays without reply.
    Skip,
}

/// Commands queued since MULTI.
#[derive(Debug, Default)]
pub struct Transaction {
    pub queue: Vec<Queued>,
    /// Memory of the queue's arguments.
    pub bytes: usize,
    /// A command was refused while queueing: EXEC will abort.
    pub is_doomed: bool,
}

impl Transaction {
    /// Queues a command. `false`: the queue would hold more than `bytes_max`, and is left as it is.
    pub(crate) fn take(&mut self, command: Queued, bytes_max: usize) -> bool {
        let bytes = self.bytes + command.bytes();
        let has_room = bytes <= bytes_max;
        if has_room {
            self.bytes = bytes;
            self.queue.push(command);
        }
        has_room
    }
}

/// A WATCHed key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Watched {
    pub db: u16,
    pub key: Box<[u8]>,
    /// The key had expired already when WATCH came, so its expiry is no change.
    pub was_expired: bool,
}

/// What a client listens to.
#[derive(Debug, Default)]
pub struct Subscriptions {
    pub channels: Names,
    pub patterns: Names,
    pub shard_channels: Names,
}

/// Distinct names, which know the order in which they came. Each costs one look-up, however many there are:
/// a client may have hundreds of thousands.
#[derive(Debug, Default)]
pub struct Names {
    /// Name to its number; later ones have larger numbers.
    numbers: HashMap<Box<[u8]>, u64, foldhash::fast::RandomState>,
    last: u64,
    /// Length of all names.
    length: usize,
}

/// A name costs its bytes, its place here, and about as much where its subscribers are found.
const NAME_BYTES: usize = 2 * size_of::<(Box<[u8]>, u64)>();

impl Names {
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// A name that is there already keeps its place.
    pub(crate) fn insert(&mut self, name: &[u8]) {
        if !self.numbers.contains_key(name) {
            self.last += 1;
            self.length += name.len();
            self.numbers.insert(name.into(), self.last);
        }
    }

    pub(crate) fn remove(&mut self, name: &[u8]) {
        if self.numbers.remove(name).is_some() {
            self.length -= name.len();
        }
    }

    /// Memory that the names take, about (bytes).
    pub(crate) fn bytes(&self) -> usize {
        self.length + self.len() * NAME_BYTES
    }

    /// All names, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.numbers.keys().map(|name| &**name)
    }

    /// All names, the oldest first.
    pub(crate) fn in_order(&self) -> Vec<Box<[u8]>> {
        let mut names: Vec<(u64, &Box<[u8]>)> =
            self.numbers.iter().map(|(name, number)| (*number, name)).collect();
        names.sort_unstable_by_key(|(number, _)| *number);
        names.into_iter().map(|(_, name)| name.clone()).collect()
    }
}

impl Subscriptions {
    /// Channels and patterns: the count that SUBSCRIBE replies with.
    pub fn count(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }
}

/// A parked command.
#[derive(Debug)]
pub struct Blocked {
    pub on: BlockOn,
    /// Its place in the queues of its keys.
    pub(crate) number: u64,
    pub command: Queued,
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    session: Option<Box<Session>>,
    pub(crate) parser: RequestParser,
    /// Listed among the clients whose output changed in this turn.
    pub(crate) is_touched: bool,
    /// Its next command waits for the end of a hold.
    pub(crate) is_held: bool,
    /// Its share of the memory of all clients when it was last measured (`maxmemory-clients`; bytes).
    pub(crate) measured_bytes: u64,
    /// When the output first exceeded the soft limit.
    pub(crate) over_soft_limit_since: Option<UnixMs>,
    /// For a client that is closed when its last replies have left: how many bytes of them were left when some
    /// were last seen to leave, and when that was.
    pub(crate) leaving: Option<(usize, UnixMs)>,
}

/// All clients, reached by the token of their connection.
#[derive(Debug, Default)]
pub struct Clients {
    places: Vec<Option<Client>>,
    /// Where each client is, by its number.
    by_id: HashMap<ClientId, Token, foldhash::fast::RandomState>,
    /// Sum of `measured_bytes`.
    noted_bytes: u64,
    /// The bound of that sum may have changed: all clients are to be measured.
    is_measure_due: bool,
    last_id: u64,
}

impl Clients {
    /// Bytes of the client's input that stand before a long argument that is being received.
    pub(crate) fn before_long_argument(&self, token: Token) -> usize {
        let client = self.places.get(token.index()).and_then(Option::as_ref);
        client.map_or(0, |client| client.parser.before_long_argument())
    }

    /// See [`Clients::is_measure_due`].
    pub(crate) fn measure_anew(&mut self) {
        self.is_measure_due = true;
    }

    /// Whether all clients are to be measured, once.
    pub(crate) fn is_measure_due(&mut self) -> bool {
        std::mem::take(&mut self.is_measure_due)
    }

    pub fn count(&self) -> usize {
        self.by_id.len()
    }

    /// Connections accepted so far.
    pub fn total(&self) -> u64 {
        self.last_id
    }

    pub(crate) fn insert(
        &mut self,
        token: Token,
        peer: Address,
        local: Address,
        now: UnixMs,
    ) -> &mut Session {
        self.last_id += 1;
        let session = Session {
            id: ClientId(self.last_id),
            token,
            peer,
            local,
            db: 0,
            protocol: Protocol::Resp2,
            user: User::nobody(),
            is_unrestricted: false,
            has_logged_in: false,
            is_authenticated: false,
            is_internal: false,
            introduced: None,
            name: Vec::new(),
            library_name: Vec::new(),
            library_version: Vec::new(),
            connected_at: now,
            active_at: now,
            last_command: None,
            commands: 0,
            reply_mode: ReplyMode::On,
            no_evict: false,
            no_touch: false,
            runs_transaction: false,
            transaction: None,
            watched: Vec::new(),
            subscriptions: Subscriptions::default(),
            is_monitor: false,
            tracking: None,
            blocked: None,
            waits_for_op: 0,
            close_after_reply: false,
            is_master: false,
            plays_file: false,
            downstream: None,
        };
        let client = Client {
            session: Some(Box::new(session)),
            parser: RequestParser::new(),
            is_touched: false,
            is_held: false,
            measured_bytes: 0,
            over_soft_limit_since: None,
            leaving: None,
        };
        if token.index() >= self.places.len() {
            self.places.resize_with(token.index() + 1, || None);
        }
        let place = &mut self.places[token.index()];
        assert!(place.is_none(), "a client outlived its connection");
        self.by_id.insert(ClientId(self.last_id), token);
        place.insert(client).session.as_deref_mut().expect("put in above")
    }

    pub(crate) fn remove(&mut self, token: Token) -> Option<Box<Session>> {
        self.client(token)?;
        let client = self.places[token.index()].take()?;
        self.noted_bytes -= client.measured_bytes;
        let session = client.session;
        match &session {
            Some(session) => drop(self.by_id.remove(&session.id)),
            // Its own command holds the session.
            None => self.by_id.retain(|_, place| *place != token),
        }
        session
    }

    /// What a client uses, as measured now (bytes).
    pub(crate) fn note_bytes(&mut self, token: Token, bytes: u64) {
        if let Some(client) = self.client(token) {
            let before = std::mem::replace(&mut client.measured_bytes, bytes);
            self.noted_bytes = self.noted_bytes - before + bytes;
        }
    }

    /// What all clients used when each was measured last (bytes).
    pub(crate) fn noted_bytes(&self) -> u64 {
        self.noted_bytes
    }

    /// The client with this number, if it is still there.
    pub fn by_id(&self, id: ClientId) -> Option<Token> {
        self.by_id.get(&id).copied()
    }

    /// The session of a client; `None` when it is gone, or while its own command holds it.
    #[inline]
    pub fn get(&self, token: Token) -> Option<&Session> {
        let session = self.places.get(token.index())?.as_ref()?.session.as_deref()?;
        (session.token == token).then_some(session)
    }

    #[inline]
    pub fn get_mut(&mut self, token: Token) -> Option<&mut Session> {
        let session = self.places.get_mut(token.index())?.as_mut()?.session.as_deref_mut()?;
        (session.token == token).then_some(session)
    }

    #[inline]
    pub(crate) fn client(&mut self, token: Token) -> Option<&mut Client> {
        let client = self.places.get_mut(token.index())?.as_mut()?;
        let is_same = client.session.as_deref().is_none_or(|session| session.token == token);
        is_same.then_some(client)
    }

    /// Parser and session side by side.
    #[inline]
    pub(crate) fn parts(&mut self, token: Token) -> Option<(&mut RequestParser, &mut Session)> {
        let client = self.client(token)?;
        Some((&mut client.parser, client.session.as_deref_mut()?))
    }

    /// Takes the session out for a command of the kind Node.
    pub(crate) fn take_session(&mut self, token: Token) -> Option<Box<Session>> {
        self.client(token)?.session.take()
    }

    /// Puts the session back; dropped when its connection was closed meanwhile.
    pub(crate) fn put_session(&mut self, session: Box<Session>) {
        if let Some(Some(client)) = self.places.get_mut(session.token.index())
            && client.session.is_none()
        {
            client.session = Some(session);
        }
    }

    /// All clients but the one whose command is running, by place.
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.places.iter().flatten().filter_map(|client| client.session.as_deref())
    }

    /// Clients whose next command waits for the end of a hold.
    pub(crate) fn held(&self) -> usize {
        self.places.iter().flatten().filter(|client| client.is_held).count()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.places.iter_mut().flatten().filter_map(|client| client.session.as_deref_mut())
    }

    /// Number of places, for a walk in slices with [`Clients::at`].
    pub(crate) fn places(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn at(&self, place: usize) -> Option<&Session> {
        self.places.get(place)?.as_ref()?.session.as_deref()
    }
}
