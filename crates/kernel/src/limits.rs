//! The bounds that the executor asks for at every step; CONFIG SET changes them.

use std::time::Duration;

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
}

/// Names are those of redis.conf where there is one.
#[derive(Clone, Debug)]
pub struct Limits {
    pub maxclients: usize,
    /// Idle clients are closed after this; zero: never.
    pub timeout: Duration,
    pub client_query_buffer_limit: usize,
    pub proto_max_bulk_len: usize,
    pub output_normal: OutputLimit,
    pub output_pubsub: OutputLimit,
    /// Bytes of data above which keys are evicted or growing writes refused; 0: unbounded.
    pub maxmemory: u64,
    /// Periodic work a second (`hz`).
    pub hz: u32,
    pub databases: u16,
    /// Commands slower than this go to the slow log; `None`: none do.
    pub slowlog_slower_than: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Limits {
        let mib = 1 << 20;
        Limits {
            maxclients: 10_000,
            timeout: Duration::ZERO,
            client_query_buffer_limit: 1 << 30,
            proto_max_bulk_len: base::limits::BULK_BYTES_DEFAULT,
            output_normal: OutputLimit::NONE,
            output_pubsub: OutputLimit {
                hard_bytes: 32 * mib,
                soft_bytes: 8 * mib,
                soft_for: Duration::from_secs(60),
            },
            maxmemory: 0,
            hz: 10,
            databases: 16,
            slowlog_slower_than: Some(Duration::from_millis(10)),
        }
    }
}
