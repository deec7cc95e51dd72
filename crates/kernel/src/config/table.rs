//! table: the parameters of redis.conf, with their defaults of Redis 7.2.
//!
//! One row a parameter, in alphabetical order. How a row may change:
//!
//! | word | a file or argument at the start | CONFIG SET |
//! |---|---|---|
//! | (none) | yes | yes |
//! | `at_start` | yes | "can't set immutable config" |
//! | `protected` | yes | only with `enable-protected-configs` |
//! | `fixed` | only the value it has | "can't set immutable config" unless it is that value |
//! | `pinned` | any valid value is accepted and the default stays | the same |
//!
//! `fixed` is for what this edition does not have; `pinned` for what it always does.

use super::kind::Kind;

/// One parameter of redis.conf.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    /// The older name that Redis still knows.
    pub(super) alias: Option<&'static str>,
    pub(super) kind: Kind,
    pub(super) default: &'static str,
    pub(super) change: Change,
    /// Never shown in the slow log.
    pub(super) is_secret: bool,
    /// CONFIG GET shows it only by its whole name: it is for tests of Redis.
    pub(super) is_hidden: bool,
}

/// When a parameter may get another value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    Always,
    AtStart,
    Protected,
    Fixed,
    Pinned,
}

const fn row(name: &'static str, kind: Kind, default: &'static str) -> Parameter {
    Parameter {
        name,
        alias: None,
        kind,
        default,
        change: Change::Always,
        is_secret: false,
        is_hidden: false,
    }
}

impl Parameter {
    const fn alias(mut self, alias: &'static str) -> Parameter {
        self.alias = Some(alias);
        self
    }

    const fn at_start(mut self) -> Parameter {
        self.change = Change::AtStart;
        self
    }

    const fn protected(mut self) -> Parameter {
        self.change = Change::Protected;
        self
    }

    const fn fixed(mut self) -> Parameter {
        self.change = Change::Fixed;
        self
    }

    const fn pinned(mut self) -> Parameter {
        self.change = Change::Pinned;
        self
    }

    const fn hidden(mut self) -> Parameter {
        self.is_hidden = true;
        self
    }

    const fn secret(mut self) -> Parameter {
        self.is_secret = true;
        self
    }
}

const BOOL: Kind = Kind::Bool;
const TEXT: Kind = Kind::Text;
const PORT: Kind = int(0, 65535);
const POSITIVE: Kind = int(1, I32_MAX);
const NATURAL: Kind = int(0, I32_MAX);
const LONG: Kind = int(0, i64::MAX);
const I32_MAX: i64 = i32::MAX as i64;

const fn int(min: i64, max: i64) -> Kind {
    Kind::Int { min, max }
}

const fn memory(min: u64, max: u64) -> Kind {
    Kind::Memory { min, max }
}

const SIGNED_MAX: u64 = i64::MAX as u64;
const ACCESS: Kind = Kind::Choice(&["no", "yes", "local"]);
const FACILITIES: &[&str] =
    &["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"];
/// In the order in which the error text lists them.
const POLICIES: &[&str] = &[
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "noeviction",
];
const SHUTDOWN_WORDS: &[&str] = &["default", "save", "nosave", "now", "force"];

/// Sorted by name.
pub(super) const PARAMETERS: &[Parameter] = &[
    row("acl-pubsub-default", Kind::Choice(&["allchannels", "resetchannels"]), "resetchannels"),
    row("aclfile", TEXT, "").at_start(),
    row("acllog-max-len", LONG, "128"),
    row("active-defrag-cycle-max", int(1, 99), "25"),
    row("active-defrag-cycle-min", int(1, 99), "1"),
    row("active-defrag-ignore-bytes", memory(1, SIGNED_MAX), "104857600"),
    row("active-defrag-max-scan-fields", int(1, i64::MAX), "1000"),
    row("active-defrag-threshold-lower", int(0, 1000), "10"),
    row("active-defrag-threshold-upper", int(0, 1000), "100"),
    row("active-expire-effort", int(1, 10), "1"),
    row("activedefrag", BOOL, "no").fixed(),
    row("activerehashing", BOOL, "yes").pinned(),
    row("always-show-logo", BOOL, "no").at_start(),
    row("aof-disable-auto-gc", BOOL, "no").hidden(),
    row("aof-load-truncated", BOOL, "yes"),
    row("aof-rewrite-incremental-fsync", BOOL, "yes"),
    row("aof-timestamp-enabled", BOOL, "no"),
    row("aof-use-rdb-preamble", BOOL, "yes"),
    row("aof_rewrite_cpulist", TEXT, "").at_start(),
    row(
        "appenddirname",
        Kind::Name {
            empty: Some("appenddirname can't be empty"),
            path: "appenddirname can't be a path, just a dirname",
        },
        "appendonlydir",
    )
    .at_start(),
    row(
        "appendfilename",
        Kind::Name {
            empty: Some("appendfilename can't be empty"),
            path: "appendfilename can't be a path, just a filename",
        },
        "appendonly.aof",
    )
    .at_start(),
    row("appendfsync", Kind::Choice(&["everysec", "always", "no"]), "everysec"),
    row("appendonly", BOOL, "yes").pinned(),
    row("auto-aof-rewrite-min-size", memory(0, SIGNED_MAX), "67108864"),
    row("auto-aof-rewrite-percentage", NATURAL, "100"),
    row("bgsave_cpulist", TEXT, "").at_start(),
    row("bind", TEXT, "* -::*"),
    row("bind-source-addr", TEXT, ""),
    row("bio_cpulist", TEXT, "").at_start(),
    row("busy-reply-threshold", LONG, "5000").alias("lua-time-limit"),
    row("client-output-buffer-limit", Kind::OutputLimits, OUTPUT_LIMITS_DEFAULT),
    row("client-query-buffer-limit", memory(1024 * 1024, SIGNED_MAX), "1073741824"),
    row("cluster-allow-pubsubshard-when-down", BOOL, "yes"),
    row("cluster-allow-reads-when-down", BOOL, "no"),
    row("cluster-allow-replica-migration", BOOL, "yes"),
    row("cluster-announce-bus-port", PORT, "0"),
    row("cluster-announce-hostname", TEXT, ""),
    row("cluster-announce-human-nodename", TEXT, ""),
    row("cluster-announce-ip", TEXT, ""),
    row("cluster-announce-port", PORT, "0"),
    row("cluster-announce-tls-port", PORT, "0"),
    row("cluster-config-file", TEXT, "nodes.conf").at_start(),
    row("cluster-enabled", BOOL, "no").fixed(),
    row("cluster-link-sendbuf-limit", memory(0, SIGNED_MAX), "0"),
    row("cluster-migration-barrier", NATURAL, "1"),
    row("cluster-node-timeout", LONG, "15000"),
    row("cluster-ping-interval", LONG, "1000").pinned().hidden(),
    row("cluster-port", PORT, "0").at_start(),
    row(
        "cluster-preferred-endpoint-type",
        Kind::Choice(&["ip", "hostname", "unknown-endpoint"]),
        "ip",
    ),
    row("cluster-replica-no-failover", BOOL, "no").alias("cluster-slave-no-failover"),
    row("cluster-replica-validity-factor", NATURAL, "10").alias("cluster-slave-validity-factor"),
    row("cluster-require-full-coverage", BOOL, "yes"),
    row("crash-log-enabled", BOOL, "yes"),
    row("crash-memcheck-enabled", BOOL, "yes"),
    row("daemonize", BOOL, "no").at_start(),
    row("databases", int(1, base::limits::DATABASES_MAX as i64), "16").at_start(),
    row(
        "dbfilename",
        Kind::Name { empty: None, path: "dbfilename can't be a path, just a filename" },
        "dump.rdb",
    )
    .protected(),
    row("dir", TEXT, "").protected(),
    row("disable-thp", BOOL, "yes").at_start(),
    row("dynamic-hz", BOOL, "yes"),
    row("enable-debug-command", ACCESS, "no").at_start(),
    row("enable-module-command", ACCESS, "no").at_start(),
    row("enable-protected-configs", ACCESS, "no").at_start(),
    row("hash-max-listpack-entries", LONG, "512").alias("hash-max-ziplist-entries"),
    row("hash-max-listpack-value", LONG, "64").alias("hash-max-ziplist-value"),
    row("hll-sparse-max-bytes", memory(0, SIGNED_MAX), "3000"),
    row("hz", Kind::Clamped { min: 1, max: 500 }, "10"),
    row("ignore-warnings", TEXT, ""),
    row("io-threads", int(1, 128), "1").at_start(),
    row("io-threads-do-reads", BOOL, "no").at_start(),
    row("jemalloc-bg-thread", BOOL, "yes"),
    row("key-load-delay", int(i32::MIN as i64, I32_MAX), "0").hidden(),
    row("latency-monitor-threshold", LONG, "0"),
    row("latency-tracking", BOOL, "yes"),
    row("latency-tracking-info-percentiles", Kind::Percentiles, "50 99 99.9"),
    row("lazyfree-lazy-eviction", BOOL, "no"),
    row("lazyfree-lazy-expire", BOOL, "no"),
    row("lazyfree-lazy-server-del", BOOL, "no"),
    row("lazyfree-lazy-user-del", BOOL, "no"),
    row("lazyfree-lazy-user-flush", BOOL, "no"),
    row("lfu-decay-time", NATURAL, "1"),
    row("lfu-log-factor", NATURAL, "10"),
    row("list-compress-depth", NATURAL, "0"),
    row("list-max-listpack-size", int(i32::MIN as i64, I32_MAX), "-2")
        .alias("list-max-ziplist-size"),
    row("loading-process-events-interval-bytes", memory(1024, I32_MAX as u64), "2097152")
        .pinned()
        .hidden(),
    row("locale-collate", TEXT, ""),
    row("logfile", TEXT, "").at_start(),
    row("loglevel", Kind::Choice(&["debug", "verbose", "notice", "warning", "nothing"]), "notice"),
    row("lua-enable-deprecated-api", BOOL, "no").at_start().hidden(),
    row("lua-memory-limit", memory(16 << 20, SIGNED_MAX), "1073741824"),
    row("masterauth", TEXT, "").secret(),
    row("masteruser", TEXT, "").secret(),
    row("max-new-connections-per-cycle", int(1, 1000), "10"),
    row("max-new-tls-connections-per-cycle", int(1, 1000), "1"),
    row("maxclients", int(1, u32::MAX as i64), "10000"),
    row("maxmemory", memory(0, u64::MAX), "0"),
    row("maxmemory-clients", Kind::MemoryOrPercent, "0"),
    row("maxmemory-eviction-tenacity", int(0, 100), "10"),
    row("maxmemory-policy", Kind::Choice(POLICIES), "noeviction"),
    row("maxmemory-samples", int(1, 64), "5"),
    row("min-replicas-max-lag", NATURAL, "10").alias("min-slaves-max-lag"),
    row("min-replicas-to-write", NATURAL, "0").alias("min-slaves-to-write"),
    row("no-appendfsync-on-rewrite", BOOL, "no"),
    row("notify-keyspace-events", Kind::Events, ""),
    row("oom-score-adj", Kind::Choice(&["no", "yes", "relative", "absolute"]), "no"),
    row("oom-score-adj-values", Kind::OomScores, "0 200 800"),
    row("pidfile", TEXT, "").at_start(),
    row("port", PORT, "6379"),
    row("proc-title-template", TEXT, "{title} {listen-addr} {server-mode}"),
    row(
        "propagation-error-behavior",
        Kind::Choice(&["ignore", "panic", "panic-on-replicas"]),
        "ignore",
    ),
    row("protected-mode", BOOL, "yes"),
    row("proto-max-bulk-len", memory(1024 * 1024, SIGNED_MAX), "536870912"),
    row("rdb-del-sync-files", BOOL, "no"),
    row("rdb-key-save-delay", int(i32::MIN as i64, I32_MAX), "0").hidden(),
    row("rdb-save-incremental-fsync", BOOL, "yes"),
    row("rdbchecksum", BOOL, "yes").at_start(),
    row("rdbcompression", BOOL, "yes"),
    row("repl-backlog-size", memory(1, SIGNED_MAX), "1048576"),
    row("repl-backlog-ttl", LONG, "3600"),
    row("repl-disable-tcp-nodelay", BOOL, "no"),
    row("repl-diskless-load", Kind::Choice(&["disabled", "on-empty-db", "swapdb"]), "disabled"),
    row("repl-diskless-sync", BOOL, "yes"),
    row("repl-diskless-sync-delay", NATURAL, "5"),
    row("repl-diskless-sync-max-replicas", NATURAL, "0"),
    row("repl-ping-replica-period", POSITIVE, "10").alias("repl-ping-slave-period"),
    row("repl-timeout", POSITIVE, "60"),
    row("replica-announce-ip", TEXT, "").alias("slave-announce-ip"),
    row("replica-announce-port", PORT, "0").alias("slave-announce-port"),
    row("replica-announced", BOOL, "yes"),
    row("replica-ignore-disk-write-errors", BOOL, "no"),
    row("replica-ignore-maxmemory", BOOL, "yes").alias("slave-ignore-maxmemory"),
    row("replica-lazy-flush", BOOL, "no").alias("slave-lazy-flush"),
    row("replica-priority", NATURAL, "100").alias("slave-priority"),
    row("replica-read-only", BOOL, "yes").alias("slave-read-only"),
    row("replica-serve-stale-data", BOOL, "yes").alias("slave-serve-stale-data"),
    row("replicaof", TEXT, "").alias("slaveof").at_start(),
    row("requirepass", TEXT, "").secret(),
    row("sanitize-dump-payload", Kind::Choice(&["no", "yes", "clients"]), "no"),
    row("save", Kind::SavePoints, "3600 1 300 100 60 10000"),
    row("server_cpulist", TEXT, "").at_start(),
    row("set-max-intset-entries", LONG, "512"),
    row("set-max-listpack-entries", LONG, "128"),
    row("set-max-listpack-value", LONG, "64"),
    row("set-proc-title", BOOL, "yes").at_start(),
    row("shutdown-on-sigint", Kind::Choices(SHUTDOWN_WORDS), "default"),
    row("shutdown-on-sigterm", Kind::Choices(SHUTDOWN_WORDS), "default"),
    row("shutdown-timeout", NATURAL, "10"),
    row("slowlog-log-slower-than", int(-1, i64::MAX), "10000"),
    row("slowlog-max-len", LONG, "128"),
    row("socket-mark-id", int(0, u32::MAX as i64), "0").at_start(),
    row("stop-writes-on-bgsave-error", BOOL, "yes"),
    row("stream-node-max-bytes", memory(0, SIGNED_MAX), "4096"),
    row("stream-node-max-entries", LONG, "100"),
    row("supervised", Kind::Choice(&["upstart", "systemd", "auto", "no"]), "no").at_start(),
    row("syslog-enabled", BOOL, "no").at_start(),
    row("syslog-facility", Kind::Choice(FACILITIES), "local0").at_start(),
    row("syslog-ident", TEXT, "redis").at_start(),
    row("tcp-backlog", NATURAL, "511").at_start(),
    row("tcp-keepalive", NATURAL, "300"),
    row("timeout", NATURAL, "0"),
    row("tls-auth-clients", Kind::Choice(&["no", "yes", "optional"]), "yes"),
    row("tls-ca-cert-dir", TEXT, ""),
    row("tls-ca-cert-file", TEXT, ""),
    row("tls-cert-file", TEXT, ""),
    row("tls-ciphers", TEXT, ""),
    row("tls-ciphersuites", TEXT, ""),
    row("tls-client-cert-file", TEXT, ""),
    row("tls-client-key-file", TEXT, ""),
    row("tls-client-key-file-pass", TEXT, "").secret(),
    row("tls-cluster", BOOL, "no"),
    row("tls-dh-params-file", TEXT, ""),
    row("tls-key-file", TEXT, ""),
    row("tls-key-file-pass", TEXT, "").secret(),
    row("tls-port", PORT, "0"),
    row("tls-prefer-server-ciphers", BOOL, "no"),
    row("tls-protocols", TEXT, ""),
    row("tls-replication", BOOL, "no"),
    row("tls-session-cache-size", NATURAL, "20480"),
    row("tls-session-cache-timeout", NATURAL, "300"),
    row("tls-session-caching", BOOL, "yes"),
    row("tracking-table-max-keys", LONG, "1000000"),
    row("unixsocket", TEXT, "").at_start(),
    row("unixsocketperm", Kind::Octal { max: 0o777 }, "0").at_start(),
    row("use-exit-on-panic", BOOL, "no").pinned().hidden(),
    row("watchdog-period", NATURAL, "0").pinned().hidden(),
    row("zset-max-listpack-entries", LONG, "128").alias("zset-max-ziplist-entries"),
    row("zset-max-listpack-value", LONG, "64").alias("zset-max-ziplist-value"),
];

const OUTPUT_LIMITS_DEFAULT: &str =
    "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
