//! table: where Pollux answers other than the redis-server 7.0.15 that it is compared with, each with its reason.
//!
//! Most are changes that Redis itself made up to 7.2, which is what Pollux follows.

/// A reply that may differ.
#[derive(Debug)]
pub(super) struct Known {
    /// Command in upper case; `*` for any.
    pub(super) command: &'static str,
    /// What redis-server 7.0 says and what Pollux says: texts that the replies contain.
    pub(super) redis: &'static str,
    pub(super) pollux: &'static str,
    #[expect(dead_code, reason = "the reason is for the reader")]
    pub(super) reason: &'static str,
}

pub(super) const KNOWN: &[Known] = &[];

pub(super) fn is_known(command: &str, redis: &str, pollux: &str) -> bool {
    KNOWN.iter().any(|known| {
        (known.command == "*" || known.command == command)
            && redis.contains(known.redis)
            && pollux.contains(known.pollux)
    })
}
