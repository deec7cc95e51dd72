//! The parameters that act, as typed fields.

use std::path::{Path, PathBuf};

use base::UnixMs;
use binlog::SyncPolicy;
use net::{ClientCertificates, Password, TlsOptions};
use store::evict::Policy;
use store::{Access, Thresholds};

use super::Values;
use super::kind::{OutputLimit, read_output_limits};

/// What the node acts upon; read again as a whole after each change.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    // memory
    /// Bytes; 0 is no limit.
    pub maxmemory: u64,
    pub maxmemory_policy: Policy,
    /// Keys looked at for each eviction.
    pub maxmemory_samples: u32,
    /// 0..=100: how long one command may evict.
    pub maxmemory_eviction_tenacity: u32,
    pub lfu_log_factor: u32,
    pub lfu_decay_minutes: u32,
    pub active_expire_effort: u32,

    // encodings
    pub hash_max_listpack_entries: u64,
    pub hash_max_listpack_value: u64,
    pub set_max_intset_entries: u64,
    pub set_max_listpack_entries: u64,
    pub set_max_listpack_value: u64,
    pub zset_max_listpack_entries: u64,
    pub zset_max_listpack_value: u64,
    /// Bytes, header included.
    pub hll_sparse_max_bytes: u64,
    /// Positive: entries a node; -1..=-5: 4 KiB..64 KiB a node.
    pub list_max_listpack_size: i32,
    /// Bytes; 0 is no limit.
    pub stream_node_max_bytes: u64,
    /// 0 is no limit.
    pub stream_node_max_entries: u64,

    // clients
    pub requirepass: String,
    /// New users may use all channels (`acl-pubsub-default`).
    pub acl_pubsub_opens: bool,
    /// Relative to `dir`; empty: none.
    pub aclfile: String,
    pub acllog_max_len: u64,
    pub protected_mode: bool,
    pub maxclients: u32,
    /// Seconds without a command after which a client is closed; 0 never.
    pub timeout_seconds: u32,
    /// 0: no keepalive probes.
    pub tcp_keepalive_seconds: u32,
    pub proto_max_bulk_len: u64,
    pub client_query_buffer_limit: u64,
    pub output_limits: OutputLimits,
    /// Bytes of all clients together (a share of maxmemory already computed); 0 is no limit.
    pub maxmemory_clients: u64,

    // network
    pub port: u16,
    /// Addresses to listen on; `*` is all, a leading `-` tolerates failure.
    pub bind: Vec<String>,
    pub tcp_backlog: u32,
    /// Path of a socket to listen at; empty: none.
    pub unixsocket: String,
    /// Permission bits of that path; 0: as the process makes them.
    pub unixsocket_mode: u32,
    /// Go on in the background.
    pub goes_to_background: bool,
    /// For encrypted connections; 0: none are taken.
    pub tls_port: u16,
    pub tls: TlsOptions,
    pub tls_links: TlsLinks,
    pub databases: u16,

    // housekeeping and observation
    /// Housekeeping turns a second, 1..=500.
    pub hz: u32,
    /// Microseconds; negative switches the slow log off, 0 logs every command.
    pub slowlog_slower_than_us: i64,
    pub slowlog_max_len: u64,
    pub latency_tracking: bool,
    /// Others are served while a script runs longer; 0 or less: they wait.
    pub busy_reply_threshold_ms: i64,
    /// Bytes that the interpreter of scripts, and that of functions, may take.
    pub lua_memory_limit: u64,
    pub latency_percentiles: Vec<f64>,
    /// Milliseconds; 0 switches the latency monitor off.
    pub latency_monitor_threshold_ms: u64,
    /// Keys that client-side caching remembers; 0 is no limit.
    pub tracking_table_max_keys: u64,
    /// Letters in the form that CONFIG GET shows.
    pub notify_keyspace_events: String,
    pub loglevel: LogLevel,
    pub enable_debug_command: LocalAccess,
    pub enable_protected_configs: LocalAccess,

    // durability and replicas
    pub appendfsync: AppendFsync,
    pub save_points: Vec<SavePoint>,
    /// A checkpoint is made when the log behind the newest one is so large (bytes) ...
    pub auto_checkpoint_bytes_min: u64,
    /// ... and this share of the checkpoint, per cent; 0: never.
    pub auto_checkpoint_percentage: u32,
    /// Where `dbfilename` and the log lie; empty: unknown.
    pub dir: String,
    pub dbfilename: String,
    /// 0: a write needs no replica.
    pub min_replicas_to_write: u32,
    pub min_replicas_max_lag_seconds: u32,
    pub replica_priority: u32,

    // replicas and masters of Redis
    /// Bytes of the stream that are kept for replicas that come back.
    pub repl_backlog_size: u64,
    /// Seconds without a replica after which nothing is kept; 0: never.
    pub repl_backlog_ttl_seconds: u64,
    pub repl_ping_period_seconds: u32,
    /// Who is silent for longer is gone.
    pub repl_timeout_seconds: u32,
    /// How this node logs in at its master; empty: not, or as the default user.
    pub masterauth: String,
    pub masteruser: String,
    /// `<host> <port>`; empty: this node is a master.
    pub replicaof: String,
    pub replica_read_only: bool,
    /// Clients are served though the link to the master is down.
    pub replica_serve_stale_data: bool,
    pub replica_announce_ip: String,
    /// 0: the port itself.
    pub replica_announce_port: u16,
    /// Keys that expired, or were evicted, are freed in the background, and go as UNLINK into the stream.
    pub lazyfree_lazy_expire: bool,
    pub lazyfree_lazy_eviction: bool,
    pub process: ProcessSettings,
    pub sync: SyncSettings,
}

/// Limits by class of client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutputLimits {
    pub normal: OutputLimit,
    pub replica: OutputLimit,
    pub pubsub: OutputLimit,
}

/// `save <seconds> <changes>`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SavePoint {
    pub seconds: u64,
    pub changes: u64,
}

/// When the log must be on disk before a reply leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AppendFsync {
    Always,
    Everysec,
    No,
}

/// What the process does with itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessSettings {
    /// What of this process the system thinks when memory runs out.
    pub oom_scoring: OomScoring,
    /// Of a master, of a replica, and of a child in the background, which there is none of.
    pub oom_scores: [i32; 3],
    /// Microseconds that a checkpoint takes longer for each key, for tests; negative: a share of one in Redis, nothing here.
    pub key_save_delay_us: i32,
    /// The same for loading.
    pub key_load_delay_us: i32,
    /// Scripts have functions of Lua with which they can disturb each other.
    pub lua_offers_deprecated: bool,
    /// How long a node that is to end waits for its replicas.
    pub shutdown_timeout_seconds: u32,
    /// A signal ends the node without that wait.
    pub stops_at_once: bool,
}

/// How images get to replicas of Redis, and from a master.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncSettings {
    /// Source address of the link to a master; empty: the system chooses.
    pub bind_source_addr: String,
    /// Replicas that come within so many seconds share an image; 0: nobody waits for others.
    pub delay_seconds: u32,
    /// So many replicas do not wait longer; 0: they do.
    pub delay_replicas_max: u32,
    /// An image is loaded while it comes (`repl-diskless-load`): as far as INFO is concerned.
    pub loads_diskless: bool,
}

/// `oom-score-adj`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OomScoring {
    Off,
    /// The values are added to the score that the process was started with.
    Relative,
    Absolute,
}

/// Who may use a command that can do harm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LocalAccess {
    No,
    Yes,
    /// Clients of this machine only.
    Local,
}

impl LocalAccess {
    pub fn allows(self, is_local: bool) -> bool {
        match self {
            LocalAccess::No => false,
            LocalAccess::Yes => true,
            LocalAccess::Local => is_local,
        }
    }

    fn read(text: &str) -> LocalAccess {
        match text {
            "yes" => LocalAccess::Yes,
            "local" => LocalAccess::Local,
            _ => LocalAccess::No,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogLevel {
    Debug,
    Verbose,
    Notice,
    Warning,
    Nothing,
}

impl Settings {
    /// When collections leave their compact encodings.
    pub fn thresholds(&self) -> Thresholds {
        let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        Thresholds {
            list_max_listpack_size: self.list_max_listpack_size,
            hash_max_listpack_entries: size(self.hash_max_listpack_entries),
            hash_max_listpack_value: size(self.hash_max_listpack_value),
            set_max_intset_entries: size(self.set_max_intset_entries),
            set_max_listpack_entries: size(self.set_max_listpack_entries),
            set_max_listpack_value: size(self.set_max_listpack_value),
            zset_max_listpack_entries: size(self.zset_max_listpack_entries),
            zset_max_listpack_value: size(self.zset_max_listpack_value),
            stream_node_max_bytes: size(self.stream_node_max_bytes),
            stream_node_max_entries: size(self.stream_node_max_entries),
        }
    }

    /// What the access clocks of entries mean.
    pub fn access(&self, now: UnixMs) -> Access {
        Access {
            now,
            is_lfu: self.maxmemory_policy.is_lfu(),
            is_lru: self.maxmemory_policy.is_lru(),
            lfu_log_factor: self.lfu_log_factor,
            lfu_decay_minutes: self.lfu_decay_minutes,
        }
    }

    pub(super) fn read(values: &Values<'_>) -> Settings {
        let maxmemory = values.number("maxmemory");
        Settings {
            maxmemory,
            maxmemory_policy: policy(values.text("maxmemory-policy")),
            maxmemory_samples: values.number("maxmemory-samples"),
            maxmemory_eviction_tenacity: values.number("maxmemory-eviction-tenacity"),
            lfu_log_factor: values.number("lfu-log-factor"),
            lfu_decay_minutes: values.number("lfu-decay-time"),
            active_expire_effort: values.number("active-expire-effort"),
            hash_max_listpack_entries: values.number("hash-max-listpack-entries"),
            hash_max_listpack_value: values.number("hash-max-listpack-value"),
            set_max_intset_entries: values.number("set-max-intset-entries"),
            set_max_listpack_entries: values.number("set-max-listpack-entries"),
            set_max_listpack_value: values.number("set-max-listpack-value"),
            zset_max_listpack_entries: values.number("zset-max-listpack-entries"),
            zset_max_listpack_value: values.number("zset-max-listpack-value"),
            hll_sparse_max_bytes: values.number("hll-sparse-max-bytes"),
            list_max_listpack_size: values.number("list-max-listpack-size"),
            stream_node_max_bytes: values.number("stream-node-max-bytes"),
            stream_node_max_entries: values.number("stream-node-max-entries"),
            requirepass: values.text("requirepass").to_owned(),
            acl_pubsub_opens: values.text("acl-pubsub-default") == "allchannels",
            aclfile: values.text("aclfile").to_owned(),
            acllog_max_len: values.number("acllog-max-len"),
            protected_mode: values.is_on("protected-mode"),
            maxclients: values.number("maxclients"),
            timeout_seconds: values.number("timeout"),
            tcp_keepalive_seconds: values.number("tcp-keepalive"),
            proto_max_bulk_len: values.number("proto-max-bulk-len"),
            client_query_buffer_limit: values.number("client-query-buffer-limit"),
            output_limits: OutputLimits::read(values.text("client-output-buffer-limit")),
            maxmemory_clients: memory_share(values.text("maxmemory-clients"), maxmemory),
            port: values.number("port"),
            bind: values.text("bind").split_ascii_whitespace().map(str::to_owned).collect(),
            tcp_backlog: values.number("tcp-backlog"),
            unixsocket: values.text("unixsocket").to_owned(),
            unixsocket_mode: octal(values.text("unixsocketperm")),
            goes_to_background: values.is_on("daemonize"),
            tls_port: values.number("tls-port"),
            tls: tls_options(values),
            tls_links: TlsLinks::of(values),
            databases: values.number("databases"),
            hz: values.number("hz"),
            slowlog_slower_than_us: values.number("slowlog-log-slower-than"),
            slowlog_max_len: values.number("slowlog-max-len"),
            latency_tracking: values.is_on("latency-tracking"),
            busy_reply_threshold_ms: values.number("busy-reply-threshold"),
            lua_memory_limit: values.number("lua-memory-limit"),
            latency_percentiles: read_numbers(values.text("latency-tracking-info-percentiles")),
            latency_monitor_threshold_ms: values.number("latency-monitor-threshold"),
            tracking_table_max_keys: values.number("tracking-table-max-keys"),
            notify_keyspace_events: values.text("notify-keyspace-events").to_owned(),
            loglevel: LogLevel::read(values.text("loglevel")),
            enable_debug_command: LocalAccess::read(values.text("enable-debug-command")),
            enable_protected_configs: LocalAccess::read(values.text("enable-protected-configs")),
            appendfsync: AppendFsync::read(values.text("appendfsync")),
            save_points: read_save_points(values.text("save")),
            auto_checkpoint_bytes_min: values.number("auto-aof-rewrite-min-size"),
            auto_checkpoint_percentage: values.number("auto-aof-rewrite-percentage"),
            dir: values.text("dir").to_owned(),
            dbfilename: values.text("dbfilename").to_owned(),
            min_replicas_to_write: values.number("min-replicas-to-write"),
            min_replicas_max_lag_seconds: values.number("min-replicas-max-lag"),
            replica_priority: values.number("replica-priority"),
            repl_backlog_size: values.number("repl-backlog-size"),
            repl_backlog_ttl_seconds: values.number("repl-backlog-ttl"),
            repl_ping_period_seconds: values.number("repl-ping-replica-period"),
            repl_timeout_seconds: values.number("repl-timeout"),
            masterauth: values.text("masterauth").to_owned(),
            masteruser: values.text("masteruser").to_owned(),
            replicaof: values.text("replicaof").to_owned(),
            replica_read_only: values.is_on("replica-read-only"),
            replica_serve_stale_data: values.is_on("replica-serve-stale-data"),
            replica_announce_ip: values.text("replica-announce-ip").to_owned(),
            replica_announce_port: values.number("replica-announce-port"),
            lazyfree_lazy_expire: values.is_on("lazyfree-lazy-expire"),
            lazyfree_lazy_eviction: values.is_on("lazyfree-lazy-eviction"),
            process: ProcessSettings::read(values),
            sync: SyncSettings::read(values),
        }
    }
}

impl OutputLimits {
    fn read(text: &str) -> OutputLimits {
        let [normal, replica, pubsub] = read_output_limits(text);
        OutputLimits { normal, replica, pubsub }
    }
}

impl ProcessSettings {
    fn read(values: &Values<'_>) -> ProcessSettings {
        ProcessSettings {
            oom_scoring: match values.text("oom-score-adj") {
                "no" => OomScoring::Off,
                "absolute" => OomScoring::Absolute,
                _ => OomScoring::Relative,
            },
            oom_scores: read_scores(values.text("oom-score-adj-values")),
            key_save_delay_us: values.number("rdb-key-save-delay"),
            key_load_delay_us: values.number("key-load-delay"),
            lua_offers_deprecated: values.is_on("lua-enable-deprecated-api"),
            shutdown_timeout_seconds: values.number("shutdown-timeout"),
            stops_at_once: values.text("shutdown-on-sigterm").contains("now"),
        }
    }
}

impl SyncSettings {
    fn read(values: &Values<'_>) -> SyncSettings {
        SyncSettings {
            bind_source_addr: values.text("bind-source-addr").to_owned(),
            delay_seconds: match values.is_on("repl-diskless-sync") {
                true => values.number("repl-diskless-sync-delay"),
                false => 0,
            },
            delay_replicas_max: values.number("repl-diskless-sync-max-replicas"),
            loads_diskless: values.text("repl-diskless-load") != "disabled",
        }
    }
}

fn octal(kept: &str) -> u32 {
    u32::from_str_radix(kept, 8).expect("kept in octal digits")
}

impl AppendFsync {
    /// The same in the words of the log.
    pub fn policy(self) -> SyncPolicy {
        match self {
            AppendFsync::Always => SyncPolicy::Always,
            AppendFsync::Everysec => SyncPolicy::EverySecond,
            AppendFsync::No => SyncPolicy::Never,
        }
    }

    fn read(text: &str) -> AppendFsync {
        match text {
            "always" => AppendFsync::Always,
            "no" => AppendFsync::No,
            _ => AppendFsync::Everysec,
        }
    }
}

impl LogLevel {
    fn read(text: &str) -> LogLevel {
        match text {
            "debug" => LogLevel::Debug,
            "verbose" => LogLevel::Verbose,
            "warning" => LogLevel::Warning,
            "nothing" => LogLevel::Nothing,
            _ => LogLevel::Notice,
        }
    }
}

fn policy(name: &str) -> Policy {
    Policy::parse(name).expect("the kind of maxmemory-policy lists these names")
}

/// The connections that this node begins and encrypts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TlsLinks {
    /// To a master of Redis.
    pub replication: bool,
    /// To other servers of a cluster, that is MIGRATE.
    pub cluster: bool,
}

impl TlsLinks {
    fn of(values: &Values<'_>) -> TlsLinks {
        let is_on = |name| values.is_on(name);
        TlsLinks { replication: is_on("tls-replication"), cluster: is_on("tls-cluster") }
    }

    pub fn any(self) -> bool {
        self.replication || self.cluster
    }
}

/// Files are relative to `dir`.
fn tls_options(values: &Values<'_>) -> TlsOptions {
    let path = |name: &str| -> Option<PathBuf> {
        let file = Some(values.text(name)).filter(|file| !file.is_empty())?;
        Some(Path::new(values.text("dir")).join(file))
    };
    let sessions_max = match values.is_on("tls-session-caching") {
        true => values.number("tls-session-cache-size"),
        false => 0,
    };
    TlsOptions {
        certificate_file: path("tls-cert-file"),
        key_file: path("tls-key-file"),
        key_password: Password(values.text("tls-key-file-pass").to_owned()),
        client_certificate_file: path("tls-client-cert-file"),
        client_key_file: path("tls-client-key-file"),
        client_key_password: Password(values.text("tls-client-key-file-pass").to_owned()),
        ca_file: path("tls-ca-cert-file"),
        ca_dir: path("tls-ca-cert-dir"),
        client_certificates: match values.text("tls-auth-clients") {
            "no" => ClientCertificates::NotAsked,
            "optional" => ClientCertificates::Optional,
            _ => ClientCertificates::Required,
        },
        protocols: values.text("tls-protocols").to_owned(),
        ciphers: values.text("tls-ciphers").to_owned(),
        ciphersuites: values.text("tls-ciphersuites").to_owned(),
        prefers_own_ciphers: values.is_on("tls-prefer-server-ciphers"),
        sessions_max,
    }
}

fn memory_share(text: &str, maxmemory: u64) -> u64 {
    let number = |digits: &str| digits.parse::<u64>().expect("the kind keeps digits");
    match text.strip_suffix('%') {
        None => number(text),
        Some(percent) => maxmemory / 100 * number(percent),
    }
}

fn read_numbers(text: &str) -> Vec<f64> {
    let read = |word: &str| word.parse().expect("the kind keeps numbers");
    text.split_ascii_whitespace().map(read).collect()
}

fn read_scores(text: &str) -> [i32; 3] {
    let mut scores = text.split_ascii_whitespace().map(|word| word.parse());
    std::array::from_fn(|_| {
        scores.next().and_then(Result::ok).expect("the kind keeps three numbers")
    })
}

fn read_save_points(text: &str) -> Vec<SavePoint> {
    let numbers: Vec<u64> = text
        .split_ascii_whitespace()
        .map(|word| word.parse().expect("the kind keeps numbers"))
        .collect();
    numbers.chunks(2).map(|pair| SavePoint { seconds: pair[0], changes: pair[1] }).collect()
}
