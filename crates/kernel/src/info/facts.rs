//! Facts for INFO that other parts of the node write down as they happen.

use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;

use base::UnixMs;

/// What INFO tells beyond counters and configuration.
#[derive(Clone, Debug)]
pub struct Facts {
    /// 40 hexadecimal digits, new with every start of the process.
    pub run_id: String,
    pub started_at: UnixMs,
    /// Memory in use before there was any data (bytes).
    pub startup_bytes: u64,
    pub persistence: PersistenceFacts,
    pub replication: ReplicationFacts,
}

impl Facts {
    pub fn new(started_at: UnixMs) -> Facts {
        Facts {
            run_id: random_id(),
            started_at,
            startup_bytes: store::memory::used_bytes(),
            persistence: PersistenceFacts { last_save_at: started_at, ..Default::default() },
            replication: ReplicationFacts::default(),
        }
    }
}

/// Checkpoints and the log, in the words of Redis' INFO.
#[derive(Clone, Debug, Default)]
pub struct PersistenceFacts {
    /// When the newest checkpoint was complete; the start of the process before there is one.
    pub last_save_at: UnixMs,
    /// When the latest attempt ended, well or not.
    pub last_try_at: UnixMs,
    pub last_save_failed: bool,
    /// Duration of the newest checkpoint.
    pub last_save_seconds: Option<u64>,
    /// A checkpoint is being written since.
    pub save_started_at: Option<UnixMs>,
    pub saves: u64,
    /// Of the checkpoints, those that were to make the log short, and the duration of the newest.
    pub rewrites: u64,
    pub last_rewrite_seconds: Option<u64>,
    /// Keys of the checkpoint being written: all at its beginning, and those done.
    pub save_keys_total: u64,
    pub save_keys_done: u64,
    /// Ops since the newest checkpoint.
    pub changes_since_save: u64,
    /// The log could not be written or synced.
    pub log_failed: bool,
    /// Bytes of the log on disk.
    pub log_bytes: u64,
    pub keys_loaded: u64,
    pub keys_expired_at_load: u64,
    /// Progress of loading.
    pub load: LoadFacts,
}

/// How far loading has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadFacts {
    pub started_at: UnixMs,
    pub bytes_total: u64,
    pub bytes_loaded: u64,
}

/// Roles and links.
#[derive(Clone, Debug, Default)]
pub struct ReplicationFacts {
    /// Newest OpID of this node, while it is not that of the log.
    pub newest_op: u64,
    /// Ops of this node's own past that were set aside, as no other node had them.
    pub discarded_ops: u64,
    pub replicas: Vec<ReplicaFacts>,
    /// On a replica: its link to the master.
    pub master: Option<MasterFacts>,
}

/// A replica as its master sees it.
#[derive(Clone, Debug)]
pub struct ReplicaFacts {
    pub address: SocketAddr,
    /// In Redis' words: `wait_bgsave`, `send_bulk`, `online`.
    pub state: &'static str,
    /// Newest OpID it acknowledged; an offset of the stream if it is a replica of Redis.
    pub acked: u64,
    /// Since its last sign of life.
    pub silent_seconds: u64,
}

/// The master as its replica sees it.
#[derive(Clone, Debug)]
pub struct MasterFacts {
    pub host: String,
    pub port: u16,
    /// In the words of ROLE: `connect`, `connecting`, `handshake`, `sync`, `connected`.
    pub state: &'static str,
    /// `None` while nothing is heard.
    pub silent_seconds: Option<u64>,
    /// In a full synchronisation: bytes that are here, and bytes in all (0: unknown).
    pub received: Option<(u64, u64)>,
    /// Bytes of its stream that are here and have not run.
    pub unread: usize,
    /// Meaningful while the link is down.
    pub down_seconds: u64,
}

impl MasterFacts {
    pub fn is_up(&self) -> bool {
        self.state == "connected"
    }
}

/// 40 hexadecimal digits from the seeds of the standard library's hasher, which are random.
pub fn random_id() -> String {
    let mut id = String::with_capacity(48);
    for part in 0..3u8 {
        write!(id, "{:016x}", RandomState::new().hash_one(part)).expect("a String takes any text");
    }
    id.truncate(40);
    id
}
