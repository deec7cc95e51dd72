//! table: where Pollux answers other than the redis-server that it is compared with, and what is not compared; each with its
//! reason.

use super::compare::Release;

/// A reply that may differ.
#[derive(Debug)]
pub(super) struct Known {
    /// Command in upper case; `*` for any.
    command: &'static str,
    /// Only where this release is compared with.
    release: Option<Release>,
    /// Texts that the replies contain.
    redis: &'static str,
    pollux: &'static str,
    pub(super) reason: &'static str,
}

pub(super) const KNOWN: &[Known] = &[
    Known {
        command: "OBJECT REFCOUNT",
        release: None,
        redis: ":2147483647",
        pollux: ":1",
        reason: "Redis shares small integers between keys, and counts them as shared for ever",
    },
    Known {
        command: "*",
        release: None,
        redis: "\\xfe",
        pollux: "\\xef\\xbf\\xbd",
        reason: "errors are text: what is no UTF-8 in the client's words is replaced",
    },
    Known {
        command: "*",
        release: Some(Release::V70),
        redis: "timeout is negative",
        pollux: "timeout is out of range",
        reason: "Redis 7.0 lets a timeout of more than 2^63 ms overflow",
    },
];

/// Whether a command is said only to a newer release, as this one does not know it in this form.
pub(super) fn is_newer(release: Release, command: &str, args: &[Vec<u8>]) -> bool {
    let is_newer = match command {
        // WITHSCORE.
        "ZRANK" | "ZREVRANK" => args.len() > 3,
        // Of commands with fewer than two words.
        "COMMAND GETKEYS" | "COMMAND GETKEYSANDFLAGS" => args.len() < 5,
        _ => false,
    };
    release == Release::V70 && is_newer
}

pub(super) fn known(
    release: Release,
    command: &str,
    redis: &str,
    pollux: &str,
) -> Option<&'static Known> {
    KNOWN.iter().find(|known| {
        (known.command == "*" || known.command == command)
            && known.release.is_none_or(|only| only == release)
            && redis.contains(known.redis)
            && pollux.contains(known.pollux)
    })
}

/// Commands that Pollux executes and that are not compared at random, in the catalog's form.
pub const EXEMPT: &[(&str, &str)] = &[
    ("bgrewriteaof", "starts work on files"),
    ("bgsave", "starts work on files"),
    ("client|kill", "closes connections of the tester"),
    ("client|pause", "stops the tester for a time"),
    ("client|unpause", "of no use without CLIENT PAUSE"),
    ("client|reply", "takes away replies that the tester waits for"),
    ("client|caching", "there is no client-side caching here"),
    ("client|tracking", "there is no client-side caching here"),
    ("client|help", "its lines are ours"),
    ("client|setinfo", "not in Redis 7.0"),
    ("client|no-touch", "not in Redis 7.0"),
    ("command", "describes the commands of this server"),
    ("command|count", "describes the commands of this server"),
    ("command|docs", "describes the commands of this server in our words"),
    ("command|help", "its lines are ours"),
    ("command|info", "describes the commands of this server"),
    ("command|list", "describes the commands of this server"),
    ("config|help", "its lines are ours"),
    ("config|rewrite", "writes a file"),
    ("debug", "looks inside, and inside is another program"),
    ("latency|doctor", "text about this server"),
    ("latency|graph", "text about this server"),
    ("latency|help", "its lines are ours"),
    ("latency|histogram", "measures this server"),
    ("latency|history", "measures this server"),
    ("latency|latest", "measures this server"),
    ("memory|doctor", "text about this server"),
    ("memory|help", "its lines are ours"),
    ("memory|malloc-stats", "text about this server"),
    ("memory|stats", "measures this server"),
    ("object|help", "its lines are ours"),
    ("pubsub|help", "its lines are ours"),
    ("replicaof", "changes the role of this server"),
    ("role", "tells of the links of this server"),
    ("save", "writes a file"),
    ("shutdown", "ends the server"),
    ("slaveof", "changes the role of this server"),
    ("slowlog|get", "measures this server"),
    ("slowlog|help", "its lines are ours"),
    ("wait", "counts the replicas of this server"),
    ("waitaof", "counts the replicas of this server"),
];
