//! This node as a replica of Redis: what REPLICAOF begins, and REPLICAOF NO ONE ends.
//!
//! ```text
//!   Idle --a second--> Talking (link thread) --Continue-----------------------------> Connected
//!    ^                    |      `-----------Image--> Loading (second store) --swap--> |
//!    `---- it failed -----'------------ closed, or silent for repl-timeout ------------'
//! ```
//!
//! Invariants
//! - The data is that of one instant of the master's history, of which the stream's offset tells: an image replaces it only
//!   when it was loaded as a whole.
//! - Bytes of the master are relayed when their commands have run; those of an open transaction after its end.
//! - The log begins anew with the image, by one step (`Directory::start_over`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Position, Tick};
use binlog::OpenError;
use net::{Address, Outgoing, TcpOptions, Token};
use store::{Rng, Store};
use wire::resp::reply::ErrorReply;

use super::link::{Attached, Event, LOADING, Link, Request, Stage};
use super::translate;
use crate::boot;
use crate::config::Settings;
use crate::info::MasterFacts;
use crate::keyspace::Keyspace;
use crate::node::Node;
use crate::persist::FileLoader;
use crate::turn::{Executor, monotonic_clock};

/// Pause before the master is asked again.
const RETRY_MS: u64 = 1000;
/// Between two acknowledgements.
const ACK_MS: u64 = 1000;
/// How long loading goes on between two turns.
const LOAD_SLICE: Duration = Duration::from_millis(5);
const ROLE_CHANGED: ErrorReply = ErrorReply::new(
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
);

/// An image on its way into a store of its own.
#[derive(Debug)]
struct Loading {
    attached: Attached,
    id: String,
    offset: u64,
    image: PathBuf,
    loader: Box<FileLoader>,
    store: Box<Store>,
    newline_at: Tick,
    /// For `key-load-delay`.
    delayed_until: Tick,
}

#[derive(Debug)]
enum Phase {
    /// Until the next try.
    Idle {
        until: Tick,
    },
    Talking {
        link: Link,
        image: PathBuf,
    },
    Loading(Loading),
    Connected(Token),
}

/// A node's master that speaks the protocol of Redis.
#[derive(Debug)]
pub(crate) struct Sink {
    host: String,
    port: u16,
    phase: Phase,
    /// Bytes of commands that have run, or were queued, and are not relayed yet.
    pending: Vec<u8>,
    /// What the stream has selected.
    db: u16,
    /// The master asked how far we are.
    pub(crate) owes_ack: bool,
    acked_at: Tick,
    down_since: Tick,
    /// Images asked for, to give each a file of its own.
    images: u64,
}

impl Sink {
    fn new(host: String, port: u16) -> Sink {
        let now = monotonic_clock();
        Sink {
            host,
            port,
            phase: Phase::Idle { until: now },
            pending: Vec::new(),
            db: 0,
            owes_ack: false,
            acked_at: now,
            down_since: now,
            images: 0,
        }
    }

    pub(crate) fn is_of(&self, host: &str, port: u16) -> bool {
        self.host == host && self.port == port
    }

    /// The connection of the master, while its stream comes.
    pub(crate) fn master(&self) -> Option<Token> {
        match &self.phase {
            Phase::Connected(token) => Some(*token),
            Phase::Idle { .. } | Phase::Talking { .. } | Phase::Loading(_) => None,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.master().is_some()
    }

    /// Whether the executor has work here without being woken.
    pub(crate) fn is_busy(&self, now: Tick) -> bool {
        matches!(&self.phase, Phase::Loading(loading) if loading.delayed_until <= now)
    }

    /// Whether an image is on its way into memory, while the data so far is served.
    pub(crate) fn is_loading(&self, settings: &Settings) -> bool {
        match &self.phase {
            Phase::Loading(_) => true,
            Phase::Talking { link, .. } => {
                settings.sync.loads_diskless && link.stage() == Stage::Sync
            }
            Phase::Idle { .. } | Phase::Connected(_) => false,
        }
    }

    fn retry(&mut self, why: &str) {
        let now = monotonic_clock();
        if self.is_up() {
            tracing::info!("Connection with master lost.");
            self.down_since = now;
        }
        tracing::warn!(master = %self.host, port = self.port, "{why}");
        self.pending.clear();
        self.phase = Phase::Idle { until: now.plus_ms(RETRY_MS) };
    }

    /// What INFO and ROLE tell.
    pub(crate) fn facts(&self, node: &Node) -> MasterFacts {
        let heard = self.master().and_then(|master| node.clients.get(master));
        let silent = heard.map(|session| node.now.0.saturating_sub(session.active_at.0) / 1000);
        let (state, received) = match &self.phase {
            Phase::Idle { .. } => ("connect", None),
            Phase::Talking { link, .. } => match link.stage() {
                Stage::Connecting => ("connecting", None),
                Stage::Handshake => ("handshake", None),
                Stage::Sync => ("sync", Some(link.received())),
            },
            Phase::Loading(loading) => {
                let bytes = loading.loader.bytes_total();
                ("sync", Some((bytes, bytes)))
            }
            Phase::Connected(_) => ("connected", None),
        };
        MasterFacts {
            host: self.host.clone(),
            port: self.port,
            state,
            silent_seconds: silent,
            received,
            unread: self
                .master()
                .map_or(0, |master| node.net.input_length(master) + self.pending.len()),
            down_seconds: monotonic_clock().ms_since(self.down_since) / 1000,
        }
    }
}

impl Node {
    /// REPLICAOF: from now on the data is that of the node at `host`:`port`.
    /// `db` is selected in the stream where this node stands, if it is of the same history.
    pub(crate) fn follow_redis(&mut self, keys: &mut Keyspace, host: String, port: u16, db: u16) {
        tracing::info!(
            "Before turning into a replica of {host}:{port}, the history up to here is kept."
        );
        self.leave_master();
        let db = self.sink.take().map_or(db, |sink| sink.db);
        self.sink = Some(Box::new(Sink { db, ..Sink::new(host, port) }));
        keys.set_replica(true);
        keys.stream_mut().relay(db);
        self.oom.follow_role(self.config.settings(), true);
        self.unblock_all(ROLE_CHANGED);
    }

    /// Whether the link to the master is down, and `replica-serve-stale-data` rules out to answer from what is here.
    pub(crate) fn is_stale(&self) -> bool {
        self.sink.as_ref().is_some_and(|sink| !sink.is_up())
            && !self.config.settings().replica_serve_stale_data
    }

    /// Whether this is the connection of the master that this node follows as a replica of Redis.
    pub(crate) fn is_master_link(&self, token: Token) -> bool {
        self.sink.as_ref().is_some_and(|sink| sink.master() == Some(token))
    }

    /// History, offset and selected database to be kept for the next start; `None`: nobody takes part in it.
    pub(crate) fn replication_past(&self, keys: &Keyspace) -> Option<(String, u64, u16)> {
        let stream = keys.stream();
        let db = self.sink.as_ref().map_or(0, |sink| sink.db);
        stream.is_open().then(|| (stream.id().to_owned(), stream.offset(), db))
    }

    /// REPLICAOF NO ONE: the data is this node's own, and the history goes on under a new name.
    pub(crate) fn lead_alone(&mut self, keys: &mut Keyspace) {
        self.leave_master();
        if self.sink.take().is_some() {
            tracing::info!("MASTER MODE enabled");
            self.oom.follow_role(self.config.settings(), false);
            keys.set_replica(false);
            keys.stream_mut().lead();
            self.close_replicas();
        }
    }

    /// Ends the link to the master, of which something could not be done here. The data is of no history any more, and a
    /// history that nobody has is continued by nobody: whomever this node follows next begins with an image.
    pub(crate) fn ask_for_image(&mut self, keys: &mut Keyspace) {
        keys.stream_mut().rename();
        self.close_replicas();
        self.leave_master();
    }

    fn leave_master(&mut self) {
        if let Some(master) = self.sink.as_ref().and_then(|sink| sink.master()) {
            self.close(master);
        }
    }
}

impl Executor {
    /// The share of a turn that belongs to a master of Redis. An error means that the log is lost to this process.
    pub(crate) fn follow_redis(&mut self) -> Result<(), OpenError> {
        self.look_after_failover();
        let Some(mut sink) = self.node.sink.take() else { return Ok(()) };
        let followed = self.follow(&mut sink);
        self.node.sink = Some(sink);
        if std::mem::take(&mut self.node.is_refused) {
            let why = "Failover target rejected psync request";
            self.node.abort_failover(&mut self.keys, why);
        }
        followed
    }

    fn follow(&mut self, sink: &mut Sink) -> Result<(), OpenError> {
        let now = monotonic_clock();
        match &mut sink.phase {
            Phase::Idle { until } if now < *until => {}
            Phase::Idle { .. } => self.dial(sink),
            Phase::Talking { link, .. } => {
                if let Some(event) = link.try_next() {
                    self.take_event(sink, event);
                }
            }
            Phase::Loading(_) => self.load(sink, now)?,
            Phase::Connected(master) => {
                let master = *master;
                self.look_after_master(sink, master, now);
            }
        }
        Ok(())
    }

    fn dial(&mut self, sink: &mut Sink) {
        let Some(log) = self.keys.log() else { return };
        sink.images += 1;
        // The log removes such files when it is opened.
        let image = log.log().directory().join(format!("redis-{}.tmp", sink.images));
        let settings = self.node.config.settings();
        let stream = self.keys.stream();
        let tls =
            match settings.tls_links.replication.then(|| boot::connector(settings)).transpose() {
                Ok(tls) => tls,
                Err(error) => return sink.retry(&error.to_string()),
            };
        // Where we are served in the way in which we follow.
        let own_port = if tls.is_some() { settings.tls_port } else { settings.port };
        let port = match settings.replica_announce_port {
            0 => own_port,
            port => port,
        };
        let request = Request {
            host: sink.host.clone(),
            port: sink.port,
            tls,
            user: settings.masteruser.clone(),
            password: settings.masterauth.clone(),
            listening_port: port,
            announced_ip: settings.replica_announce_ip.clone(),
            id: stream.id().to_owned(),
            offset: stream.offset(),
            timeout: Duration::from_secs(u64::from(settings.repl_timeout_seconds)),
            image: image.clone(),
            is_failover: self.node.is_handing_over(),
            source: settings.sync.bind_source_addr.clone(),
            is_diskless: settings.sync.loads_diskless,
        };
        tracing::info!("Connecting to MASTER {}:{}", sink.host, sink.port);
        match Link::start(request, self.wake_handle()) {
            Ok(link) => sink.phase = Phase::Talking { link, image },
            Err(error) => sink.retry(&error.to_string()),
        }
    }

    fn take_event(&mut self, sink: &mut Sink, event: Event) {
        let phase = std::mem::replace(&mut sink.phase, Phase::Idle { until: monotonic_clock() });
        let Phase::Talking { image, .. } = phase else { unreachable!("only then events come") };
        match event {
            Event::Failed { why } => sink.retry(&why),
            Event::Refused { why } if self.node.is_handing_over() => {
                tracing::warn!("{why}");
                self.node.is_refused = true;
            }
            Event::Refused { why } => sink.retry(&why),
            Event::Continue { attached, id } => {
                tracing::info!(
                    offset = self.keys.stream().offset(),
                    "Successful partial resynchronization with master."
                );
                self.node.complete_failover();
                if self.keys.stream_mut().continue_as(id.as_deref(), sink.db) {
                    self.node.close_replicas();
                }
                self.attach(sink, attached);
            }
            Event::Image { attached, id, offset } => match FileLoader::open(&image) {
                Ok(loader) => {
                    self.node.complete_failover();
                    if !self.node.config.settings().sync.loads_diskless {
                        tracing::info!("{LOADING}");
                    }
                    let store = Box::new(self.fresh_store());
                    let loader = Box::new(loader);
                    let newline_at = monotonic_clock();
                    sink.phase = Phase::Loading(Loading {
                        attached,
                        id,
                        offset,
                        image,
                        loader,
                        store,
                        newline_at,
                        delayed_until: newline_at,
                    });
                }
                Err(error) => sink.retry(&error.to_string()),
            },
        }
    }

    fn fresh_store(&self) -> Store {
        let store = self.keys.store();
        let seed = Rng::new(monotonic_clock().0);
        let mut fresh = Store::new(store.databases(), store.graveyard().clone(), seed);
        fresh.set_thresholds(store.thresholds());
        fresh.set_access(*store.access());
        fresh
    }

    /// A slice of the image; the swap when it was the last.
    fn load(&mut self, sink: &mut Sink, begun: Tick) -> Result<(), OpenError> {
        let Phase::Loading(loading) = &mut sink.phase else { return Ok(()) };
        let databases = loading.store.databases();
        if begun.ms_since(loading.newline_at) >= 1000 {
            loading.newline_at = begun;
            say_newline(&mut loading.attached.socket);
        }
        while begun >= loading.delayed_until && monotonic_clock().since(begun) < LOAD_SLICE {
            let keys_before = loading.store.len();
            match loading.loader.step(&mut loading.store) {
                Ok(None) => {
                    let delay_us = self.node.config.settings().process.key_load_delay_us;
                    let delay = Duration::from_micros(u64::try_from(delay_us).unwrap_or(0));
                    let keys = u32::try_from(loading.store.len() - keys_before);
                    loading.delayed_until = begun.plus(delay * keys.unwrap_or(u32::MAX));
                }
                Ok(Some(loaded)) if loaded.stream_db.is_some_and(|db| db >= databases) => {
                    let _ = std::fs::remove_file(&loading.image);
                    sink.retry(
                        "the master is in a database that the setting `databases` rules out",
                    );
                    return Ok(());
                }
                Ok(Some(loaded)) => {
                    let idle = Phase::Idle { until: begun };
                    let Phase::Loading(loading) = std::mem::replace(&mut sink.phase, idle) else {
                        unreachable!("matched above")
                    };
                    sink.db = loaded.stream_db.unwrap_or(0);
                    return self.swap(sink, loading);
                }
                Err(error) => {
                    // It is of no use, and the log removes it at the next start otherwise.
                    let _ = std::fs::remove_file(&loading.image);
                    sink.retry(&format!("the image cannot be loaded: {error}"));
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The image takes the place of the data, in memory and in the log.
    fn swap(&mut self, sink: &mut Sink, loading: Loading) -> Result<(), OpenError> {
        let Loading { attached, id, offset, image, store, .. } = loading;
        tracing::info!(
            keys = store.len(),
            offset,
            "MASTER <-> REPLICA sync: Finished with success"
        );
        self.node.close_replicas();
        self.checkpointer.replaced(&mut self.keys);
        self.keys.replace_store(*store);
        start_over(&mut self.node, &mut self.keys, &image)?;
        self.keys.stream_mut().begin_relay(&id, offset, sink.db);
        self.attach(sink, attached);
        Ok(())
    }

    /// The connection becomes a client whose commands are the master's.
    fn attach(&mut self, sink: &mut Sink, attached: Attached) {
        let Attached { socket, rest } = attached;
        let node = &mut self.node;
        let keepalive_seconds = node.config.settings().tcp_keepalive_seconds;
        let options = TcpOptions {
            keepalive: Duration::from_secs(u64::from(keepalive_seconds)),
            ..TcpOptions::default()
        };
        let peer = socket.socket().peer_addr();
        let adopted = peer.and_then(|peer| Ok((node.net.adopt(socket, &options)?, peer)));
        let (token, peer) = match adopted {
            Ok(adopted) => adopted,
            Err(error) => return sink.retry(&error.to_string()),
        };
        let peer = Address::from(peer);
        let local = node.net.local(token).unwrap_or_else(|| peer.clone());
        let session = node.clients.insert(token, peer, local, node.now);
        session.become_master();
        session.db = sink.db;
        node.net.put_input(token, rest, 0);
        self.hear(token);
        sink.phase = Phase::Connected(token);
        sink.pending.clear();
        sink.owes_ack = true;
    }

    /// Acknowledges, and notices when the master is gone.
    fn look_after_master(&mut self, sink: &mut Sink, master: Token, now: Tick) {
        let Some(session) = self.node.clients.get(master) else {
            return sink.retry("the connection was closed");
        };
        let silent_ms = self.node.now.0.saturating_sub(session.active_at.0);
        let timeout_ms = u64::from(self.node.config.settings().repl_timeout_seconds) * 1000;
        if silent_ms > timeout_ms {
            self.node.net.close(master);
            self.stage(|stage| stage.forget(master));
            return sink.retry("MASTER timeout: no data nor PING received...");
        }
        if sink.owes_ack || now.ms_since(sink.acked_at) >= ACK_MS {
            sink.owes_ack = false;
            sink.acked_at = now;
            acknowledge(&mut self.node, &self.keys, master);
        }
    }

    /// `bytes` of the master were executed, or queued by its transaction.
    pub(crate) fn relay(&mut self, master: Token, bytes: &[u8]) {
        let Some(session) = self.node.clients.get(master) else { return };
        let Some(sink) = self.node.sink.as_mut() else { return };
        self.node.counters.repl_bytes_in += bytes.len() as u64;
        if session.transaction.is_some() {
            sink.pending.extend_from_slice(bytes);
            return;
        }
        sink.db = session.db;
        let stream = self.keys.stream_mut();
        stream.pass_on(&sink.pending, session.db);
        stream.pass_on(bytes, session.db);
        sink.pending.clear();
    }
}

/// A master waits for a sign of life while an image is loaded. When the connection is broken, that shows later.
fn say_newline(socket: &mut Outgoing) {
    use std::io::Write as _;
    let _ = socket.write(b"\n");
}

fn acknowledge(node: &mut Node, keys: &Keyspace, master: Token) {
    if let Some(output) = node.net.output(master) {
        let offset = keys.stream().offset();
        let offset = itoa::Buffer::new().format(offset).as_bytes().to_vec();
        translate::command(output.chunk(), &[b"REPLCONF", b"ACK", &offset]);
        output.release();
        node.net.flush();
    }
}

/// The image becomes the only checkpoint of the log, which goes on behind it.
fn start_over(node: &mut Node, keys: &mut Keyspace, image: &Path) -> Result<(), OpenError> {
    let Some(log) = keys.detach_log() else { return Ok(()) };
    let epoch = log.epoch();
    let mut directory = log.stop()?;
    let (end, history) = (directory.position().opid, directory.history().clone());
    let position = Position { epoch, opid: end + 1 };
    directory.start_over(image, position, history, end)?;
    let options = boot::lone_log_options(node.config.settings(), node.net.wake_handle());
    keys.attach_log(directory.start(options)?);
    Ok(())
}

impl Keyspace {
    /// The data is replaced as a whole: everything that clients watch has changed, and what they wait for may be there.
    fn replace_store(&mut self, fresh: Store) {
        self.put_store(fresh).abandon();
    }
}
