//! The bounds that the executor asks for at every step; CONFIG SET changes them.

use std::time::Duration;

use crate::config::{self, Config, Settings};

/// Largest request, or transaction that is being queued, whatever is configured (bytes): what it writes is one
/// group of the log, and must fit a frame of a replication link.
const REQUEST_BYTES_MAX: usize = 1 << 30;

/// The same for what a master says, or what Redis has left in a file: it was accepted there (bytes).
pub(crate) const MASTER_BULK_BYTES_MAX: usize = 2 << 30;

/// Hard and soft bound of a client's unsent output; zero turns a bound off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutputLimit {
    /// Closed at once above this (bytes).
    pub hard_bytes: u64,
    /// Closed when above this (bytes) for `soft_for` without interruption.
    pub soft_bytes: u64,
    pub soft_for: Duration,
}

impl OutputLimit {
    pub const NONE: OutputLimit =
        OutputLimit { hard_bytes: 0, soft_bytes: 0, soft_for: Duration::ZERO };

    /// For who has not logged in: replies to commands that are refused are small.
    pub(crate) const STRANGER: OutputLimit =
        OutputLimit { hard_bytes: 17 << 10, soft_bytes: 0, soft_for: Duration::ZERO };

    /// The same, but where there is a bound, no lower one than `bytes`.
    pub(crate) fn at_least(self, bytes: u64) -> OutputLimit {
        let raised = |bound: u64| if bound == 0 { 0 } else { bound.max(bytes) };
        OutputLimit {
            hard_bytes: raised(self.hard_bytes),
            soft_bytes: raised(self.soft_bytes),
            soft_for: self.soft_for,
        }
    }

    fn of(limit: config::OutputLimit) -> OutputLimit {
        OutputLimit {
            hard_bytes: limit.hard_bytes,
            soft_bytes: limit.soft_bytes,
            soft_for: Duration::from_secs(limit.soft_seconds),
        }
    }
}

/// Names are those of redis.conf where there is one.
#[derive(Clone, Debug)]
pub struct Limits {
    pub maxclients: usize,
    /// Without a password only clients of this machine are let in (`protected-mode`).
    pub is_protected: bool,
    /// Idle clients are closed after this; zero: never.
    pub timeout: Duration,
    pub client_query_buffer_limit: usize,
    pub proto_max_bulk_len: usize,
    pub output_normal: OutputLimit,
    pub output_pubsub: OutputLimit,
    pub output_replica: OutputLimit,
    /// Bytes of data above which keys are evicted or growing writes refused; 0: unbounded.
    pub maxmemory: u64,
    /// Periodic work a second (`hz`).
    pub hz: u32,
    pub databases: u16,
    /// Commands slower than this go to the slow log; `None`: none do.
    pub slowlog_slower_than: Option<Duration>,
    /// What is slower than this is an event of the latency monitor; `None`: it is off.
    pub latency_threshold: Option<Duration>,
    /// The shorter of the two, so that a command costs one comparison.
    pub noteworthy: Duration,
    /// `min-replicas-to-write` asks for replicas.
    pub wants_replicas: bool,
    /// The distribution of execution times is kept (`latency-tracking`).
    pub latency_tracking: bool,
    /// Others are served while a script runs for longer than this; `None`: they wait.
    pub busy_reply_threshold: Option<Duration>,
}

impl Limits {
    /// The bound of the output of a client that is neither a replica nor unknown.
    #[inline]
    pub fn output(&self, is_subscribed: bool) -> OutputLimit {
        if is_subscribed { self.output_pubsub } else { self.output_normal }
    }

    /// The bounds that the configuration gives.
    pub fn of(settings: &Settings) -> Limits {
        let bytes = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        let slowlog_slower_than =
            u64::try_from(settings.slowlog_slower_than_us).ok().map(Duration::from_micros);
        let latency_threshold = Some(settings.latency_monitor_threshold_ms)
            .filter(|ms| *ms > 0)
            .map(Duration::from_millis);
        let noteworthy = slowlog_slower_than.into_iter().chain(latency_threshold).min();
        Limits {
            maxclients: settings.maxclients as usize,
            is_protected: settings.protected_mode,
            timeout: Duration::from_secs(u64::from(settings.timeout_seconds)),
            client_query_buffer_limit: bytes(settings.client_query_buffer_limit)
                .min(REQUEST_BYTES_MAX),
            proto_max_bulk_len: bytes(settings.proto_max_bulk_len),
            output_normal: OutputLimit::of(settings.output_limits.normal),
            output_pubsub: OutputLimit::of(settings.output_limits.pubsub),
            output_replica: OutputLimit::of(settings.output_limits.replica),
            maxmemory: settings.maxmemory,
            hz: settings.hz,
            databases: settings.databases,
            slowlog_slower_than,
            latency_threshold,
            noteworthy: noteworthy.unwrap_or(Duration::MAX),
            wants_replicas: settings.min_replicas_to_write > 0
                && settings.min_replicas_max_lag_seconds > 0,
            latency_tracking: settings.latency_tracking,
            busy_reply_threshold: u64::try_from(settings.busy_reply_threshold_ms)
                .ok()
                .filter(|ms| *ms > 0)
                .map(Duration::from_millis),
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::of(Config::default().settings())
    }
}
