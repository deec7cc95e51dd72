//! What the log of a process needs to know of its node: what the node is at the moment, and how much it shall tell.
//!
//! The log belongs to the process, so this is kept for the process as well: one node a process, but in tests.

use std::sync::atomic::{AtomicU8, Ordering};

use tracing::level_filters::LevelFilter;

use crate::config::LogLevel;

/// The letter behind the process id in each line, as in Redis.
static ROLE: AtomicU8 = AtomicU8::new(b'C');
/// Index into [`LEVELS`].
static LEVEL: AtomicU8 = AtomicU8::new(3);

const LEVELS: [LevelFilter; 6] = [
    LevelFilter::OFF,
    LevelFilter::ERROR,
    LevelFilter::WARN,
    LevelFilter::INFO,
    LevelFilter::DEBUG,
    LevelFilter::TRACE,
];

/// `C` while the process starts, `M` for a master, `S` for a replica.
pub fn role() -> char {
    char::from(ROLE.load(Ordering::Relaxed))
}

/// Said by whoever gives the node its role.
pub fn set_role(letter: char) {
    ROLE.store(u8::try_from(letter).unwrap_or(b'?'), Ordering::Relaxed);
}

/// The least urgent level that is told.
pub fn level() -> LevelFilter {
    LEVELS[usize::from(LEVEL.load(Ordering::Relaxed))]
}

/// `loglevel`, at the start and by CONFIG SET.
pub fn set_level(level: LogLevel) {
    let index = match level {
        LogLevel::Nothing => 0,
        LogLevel::Warning => 2,
        LogLevel::Notice => 3,
        LogLevel::Verbose => 4,
        LogLevel::Debug => 5,
    };
    if LEVEL.swap(index, Ordering::Relaxed) != index {
        // Every place that logs remembers whether anybody listens.
        tracing::callsite::rebuild_interest_cache();
    }
}
