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
    /// The servers hold other data from here on.
    pub(super) leaves_other_data: bool,
}

/// A client that is woken by one of its keys looks at all of them again since 7.2, and may meet another type.
const fn served_alone(command: &'static str) -> Known {
    Known {
        command,
        release: Some(Release::V70),
        redis: "[",
        pollux: "-WRONGTYPE",
        reason: "Redis 7.0 serves the key that came, and does not look at the others",
        leaves_other_data: true,
    }
}

pub(super) const KNOWN: &[Known] = &[
    served_alone("BLPOP"),
    served_alone("BRPOP"),
    served_alone("BLMPOP"),
    served_alone("BZPOPMIN"),
    served_alone("BZPOPMAX"),
    served_alone("BZMPOP"),
    Known {
        command: "XREAD",
        release: Some(Release::V70),
        redis: "(is served)",
        pollux: "(waits)",
        reason: "Redis 7.0 serves a stream without entries whose last ID is higher, as SWAPDB may bring one",
        leaves_other_data: true,
    },
    Known {
        command: "XSETID",
        release: Some(Release::V70),
        redis: "-ERR The ID specified in XSETID is smaller than the target stream top item",
        pollux: "-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
        reason: "since 7.2 the deleted entries are looked at first",
        leaves_other_data: false,
    },
    Known {
        command: "XSETID",
        release: Some(Release::V70),
        redis: "+OK",
        pollux: "-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
        reason: "since 7.2 the deleted entries are looked at",
        leaves_other_data: true,
    },
    Known {
        command: "OBJECT REFCOUNT",
        release: None,
        redis: ":",
        pollux: ":1",
        reason: "Redis shares integers between keys, and values with the words of a transaction",
        leaves_other_data: false,
    },
    Known {
        command: "OBJECT REFCOUNT",
        release: None,
        redis: ":1",
        pollux: ":2147483647",
        reason: "in Redis the copy of an integer that COPY makes is not shared, though the same integer is when it is set",
        leaves_other_data: false,
    },
    Known {
        command: "ACL SETUSER",
        release: Some(Release::V70),
        redis: "-ERR Error in ACL SETUSER modifier",
        pollux: "-ERR Error in ACL SETUSER modifier \\'(",
        reason: "of rules in brackets in which a bracket opens Redis 7.0 sees only what follows the last one",
        leaves_other_data: false,
    },
    Known {
        command: "ACL SETUSER",
        release: Some(Release::V70),
        redis: "+OK",
        pollux: "-ERR Error in ACL SETUSER modifier \\'(",
        reason: "of rules in brackets in which a bracket opens Redis 7.0 sees only what follows the last one",
        leaves_other_data: true,
    },
    Known {
        command: "*",
        release: None,
        redis: "\\x",
        pollux: "\\xef\\xbf\\xbd",
        reason: "errors are text: what is no UTF-8 in the client's words is replaced",
        leaves_other_data: false,
    },
    Known {
        command: "*",
        release: None,
        redis: "-",
        pollux: "\\x00",
        reason: "Redis ends the client's words in an error at a NUL",
        leaves_other_data: false,
    },
    Known {
        command: "CONFIG SET",
        release: None,
        redis: "-ERR CONFIG SET failed",
        pollux: "argument must be valid UTF-8 text",
        reason: "settings are text",
        leaves_other_data: false,
    },
    Known {
        command: "COMMAND GETKEYSANDFLAGS",
        release: None,
        redis: "[",
        pollux: "-ERR Invalid arguments specified for command",
        reason: "where the number of keys is no number, Redis guesses one",
        leaves_other_data: false,
    },
    Known {
        command: "*",
        release: None,
        redis: "-NOPERM No permissions to access a key",
        pollux: "-ERR",
        reason: "where the number of keys is no number, Redis guesses one, and checks those",
        leaves_other_data: false,
    },
    Known {
        command: "*",
        release: None,
        redis: "-ERR",
        pollux: "-NOPERM No permissions to access a key",
        reason: "where the number of keys is too small, Redis checks not even those before it",
        leaves_other_data: false,
    },
    Known {
        command: "ACL DRYRUN",
        release: None,
        redis: "+OK",
        pollux: "no permissions to access the",
        reason: "where the number of keys is none that can be, Redis checks no key",
        leaves_other_data: false,
    },
    Known {
        command: "PFMERGE",
        release: None,
        redis: "+OK",
        pollux: "-NOPERM No permissions to access a key",
        reason: "where no source follows, Redis does not check the key that is made",
        leaves_other_data: true,
    },
    Known {
        command: "PFMERGE",
        release: None,
        redis: "+QUEUED",
        pollux: "-NOPERM No permissions to access a key",
        reason: "where no source follows, Redis does not check the key that is made",
        leaves_other_data: true,
    },
    Known {
        command: "PFMERGE",
        release: None,
        redis: "-WRONGTYPE",
        pollux: "-NOPERM No permissions to access a key",
        reason: "where no source follows, Redis does not check the key that is made",
        leaves_other_data: false,
    },
    Known {
        command: "COMMAND GETKEYS",
        release: None,
        redis: "[",
        pollux: "-ERR Invalid arguments specified for command",
        reason: "where the number of keys is no number, Redis guesses one",
        leaves_other_data: false,
    },
    Known {
        command: "SORT",
        release: None,
        redis: "-ERR One or more scores",
        pollux: "[",
        reason: "Redis takes an overflow in an earlier command for one in this (errno)",
        leaves_other_data: false,
    },
    Known {
        command: "SORT",
        release: None,
        redis: "-ERR One or more scores",
        pollux: ":",
        reason: "Redis takes an overflow in an earlier command for one in this (errno)",
        leaves_other_data: true,
    },
    Known {
        command: "SORT_RO",
        release: None,
        redis: "-ERR One or more scores",
        pollux: "[",
        reason: "Redis takes an overflow in an earlier command for one in this (errno)",
        leaves_other_data: false,
    },
    Known {
        command: "WAITAOF",
        release: None,
        redis: "[:0",
        pollux: "[:1",
        reason: "a node of Pollux that keeps a log keeps it always; Redis answers 0 without an append-only file",
        leaves_other_data: false,
    },
    Known {
        command: "HELLO",
        release: Some(Release::V70),
        redis: "-WRONGPASS",
        pollux: "-ERR Client names cannot contain",
        reason: "Redis 7.0 checks the password before the name",
        leaves_other_data: false,
    },
    Known {
        command: "HELLO",
        release: Some(Release::V70),
        redis: "-WRONGPASS",
        pollux: "-ERR Syntax error in HELLO option",
        reason: "Redis 7.0 checks the password before the options behind it",
        leaves_other_data: false,
    },
    Known {
        command: "*",
        release: Some(Release::V70),
        redis: "-ERR Unbalanced XREAD list of streams",
        pollux: "-ERR Unbalanced ",
        reason: "7.2 has another text",
        leaves_other_data: false,
    },
    Known {
        command: "XREAD",
        release: Some(Release::V70),
        redis: "-ERR The > ID can be specified only",
        pollux: "timeout is out of range",
        reason: "Redis 7.0 lets a timeout of more than 2^63 ms overflow",
        leaves_other_data: false,
    },
    Known {
        command: "*",
        release: Some(Release::V70),
        redis: "timeout is negative",
        pollux: "timeout is out of range",
        reason: "Redis 7.0 lets a timeout of more than 2^63 ms overflow",
        leaves_other_data: false,
    },
];

/// Whether Redis leaves open what a command does, or does something that nobody wants. Such a command is not said.
pub(super) fn is_open(command: &str, args: &[Vec<u8>]) -> bool {
    let cursor_at = if command == "SCAN" { 1 } else { 2 };
    match command {
        // The index is cut to 32 bits, and another element is set.
        "LSET" => args
            .get(2)
            .and_then(|index| number(index))
            .is_some_and(|index| i32::try_from(index).is_err()),
        // A cursor that no reply has given.
        "SCAN" | "SSCAN" | "HSCAN" | "ZSCAN" => {
            let is_digit = |byte: &u8| (b'1'..=b'9').contains(byte);
            args.get(cursor_at).is_some_and(|cursor| cursor.iter().any(is_digit))
        }
        "SORT" | "SORT_RO" => is_sort_open(args),
        // What ends clients, servers and their roles, or stops the play for a time: but not in the forms of the grammar.
        "CLIENT KILL" => args.len() > 3 && !args.iter().any(|arg| is_nobody(arg)),
        "CLIENT PAUSE" => args.get(2).and_then(|ms| number(ms)).is_some_and(|ms| ms > 0),
        "DEBUG SLEEP" => args.get(2).is_some_and(|time| time != b"0" && time != b"x"),
        "SHUTDOWN" => args.len() != 2,
        "REPLICAOF" | "SLAVEOF" => args.get(2).is_some_and(|port| is_port(port)),
        "WAIT" => args.get(2).is_some_and(|ms| !is_short(ms)),
        "WAITAOF" => {
            args.get(1).is_some_and(|local| local == b"1")
                || args.get(3).is_some_and(|ms| !is_short(ms))
        }
        // A NUL ends the name.
        "CLIENT SETINFO" | "CLIENT SETNAME" | "HELLO" => args.iter().any(|arg| arg.contains(&0)),
        // Every server counts its clients itself; this one may be there on one of them.
        "CLIENT TRACKING" => args.windows(2).any(|pair| {
            pair[0].eq_ignore_ascii_case(b"REDIRECT")
                && number(&pair[1]).is_some_and(|id| (1..i64::from(u32::MAX)).contains(&id))
        }),
        // A key that expires meanwhile, here earlier and there later.
        "EXPIRE" | "SETEX" => args.get(2).is_some_and(|seconds| is_soon(seconds, 1)),
        "RESTORE" | "RESTORE-ASKING" => args.get(2).is_some_and(|ms| is_soon(ms, 1000)),
        "PEXPIRE" | "PSETEX" => args.get(2).is_some_and(|ms| is_soon(ms, 1000)),
        "SET" | "GETEX" => args.windows(2).any(|pair| {
            let option = pair[0].to_ascii_uppercase();
            match option.as_slice() {
                b"EX" => is_soon(&pair[1], 1),
                b"PX" => is_soon(&pair[1], 1000),
                // SET to a time that has passed leaves the key to be found due.
                b"EXAT" | b"PXAT" => number(&pair[1]).is_some_and(|at| at < AT_LEAST),
                _ => false,
            }
        }),
        _ => false,
    }
}

/// Whether a client would be told of changes to keys: the subscriber knows what to do with that, the others do not.
pub(super) fn is_tracking(command: &str, args: &[Vec<u8>]) -> bool {
    let has = |word: &str| args.iter().any(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
    let to_nobody = args.windows(2).any(|pair| {
        pair[0].eq_ignore_ascii_case(b"REDIRECT") && [&b"0"[..], b"x"].contains(&&*pair[1])
    });
    let is_refused = has("x")
        || to_nobody
        || has("OPTIN") && (has("OPTOUT") || has("BCAST"))
        || has("PREFIX") && !has("BCAST");
    command == "CLIENT TRACKING" && has("ON") && !is_refused
}

/// A name, in a filter of CLIENT KILL, that no client has.
fn is_nobody(name: &[u8]) -> bool {
    [&b"987654321"[..], b"1.2.3.4:1", b"x"].contains(&name)
}

fn is_port(text: &[u8]) -> bool {
    number(text).is_some_and(|port| (0..=65535).contains(&port))
}

/// Whether a wait of so many milliseconds ends soon, or with an error.
fn is_short(ms: &[u8]) -> bool {
    number(ms).is_none_or(|ms| ms < 0 || ms == 1)
}

/// Texts are compared by the collation of the machine, up to a NUL, unless the result is stored; those of other keys may be
/// equal; and a BY without `*` leaves the order as it is, which sets have none of.
fn is_sort_open(args: &[Vec<u8>]) -> bool {
    let has = |word: &str| args.iter().any(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
    let is_unsorted =
        args.windows(2).any(|pair| pair[0].eq_ignore_ascii_case(b"BY") && !pair[1].contains(&b'*'));
    has("ALPHA") && (has("BY") || !has("STORE")) || is_unsorted
}

/// Seconds since 1970 behind which all times are that scripts mean to come.
const AT_LEAST: i64 = 4_000_000_000;

/// Whether a time to live, of which so many units are a second, ends while a script is played.
fn is_soon(text: &[u8], units: i64) -> bool {
    number(text).is_some_and(|time| (1..=600 * units).contains(&time))
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Whether a command selects by the order of members, which Redis leaves open when scores differ; with the key.
pub(super) fn lexical_key<'a>(command: &str, args: &'a [Vec<u8>]) -> Option<&'a [u8]> {
    let is_by_lex = args.iter().any(|arg| arg.eq_ignore_ascii_case(b"BYLEX"));
    let key_at = match command {
        "ZLEXCOUNT" | "ZRANGEBYLEX" | "ZREVRANGEBYLEX" | "ZREMRANGEBYLEX" => 1,
        "ZRANGE" if is_by_lex => 1,
        "ZRANGESTORE" if is_by_lex => 2,
        _ => return None,
    };
    args.get(key_at).map(Vec::as_slice)
}

/// Whether a command keeps only some of the members around a point, and which of those that are equally near Redis leaves to
/// the way its partial sort goes (Pollux keeps those that come first in the set); with the key.
pub(super) fn nearest_key<'a>(command: &str, args: &'a [Vec<u8>]) -> Option<&'a [u8]> {
    let key_at = match command {
        "GEORADIUS"
        | "GEORADIUS_RO"
        | "GEORADIUSBYMEMBER"
        | "GEORADIUSBYMEMBER_RO"
        | "GEOSEARCH" => 1,
        "GEOSEARCHSTORE" => 2,
        _ => return None,
    };
    args.iter()
        .any(|arg| arg.eq_ignore_ascii_case(b"COUNT"))
        .then(|| args.get(key_at))?
        .map(Vec::as_slice)
}

/// Whether a command is said only to a newer release, as this one does not know it in this form.
pub(super) fn is_newer(release: Release, command: &str, args: &[Vec<u8>]) -> bool {
    let is_newer = match command {
        // WITHSCORE.
        "ZRANK" | "ZREVRANK" => args.len() > 3,
        // It names the client before it looks at what follows.
        "HELLO" => {
            let is_named = |arg: &Vec<u8>| arg.eq_ignore_ascii_case(b"SETNAME");
            args.iter().position(is_named).is_some_and(|at| at + 2 != args.len())
        }
        // What a user may not do is told in other words.
        "AUTH" => args.get(1).is_some_and(|user| user == b"u3"),
        "CLIENT SETINFO" | "CLIENT NO-TOUCH" | "WAITAOF" | "CLUSTER MYSHARDID" => true,
        // The smallest rank overflows.
        "LPOS" => args.iter().any(|arg| number(arg) == Some(i64::MIN)),
        // Of commands with fewer than two words.
        "COMMAND GETKEYS" | "COMMAND GETKEYSANDFLAGS" => args.len() < 5,
        _ => false,
    };
    release == Release::V70 && is_newer
}

/// Consumers of groups, with key and group, that a command makes although it finds nothing to give them; 7.0 does not,
/// so there they are made before.
pub(super) fn consumers_made<'a>(
    release: Release,
    command: &str,
    args: &'a [Vec<u8>],
) -> Vec<[&'a [u8]; 3]> {
    let word = |at: usize| args.get(at).map_or(&b""[..], Vec::as_slice);
    let place = |name: &str| args.iter().position(|arg| arg.eq_ignore_ascii_case(name.as_bytes()));
    match command {
        _ if release != Release::V70 => Vec::new(),
        "XCLAIM" | "XAUTOCLAIM" => vec![[word(1), word(2), word(3)]],
        "XREADGROUP" => match (place("GROUP"), place("STREAMS")) {
            (Some(group), Some(streams)) => {
                let keys = &args[streams + 1..];
                let keys = &keys[..keys.len() / 2];
                keys.iter().map(|key| [key.as_slice(), word(group + 1), word(group + 2)]).collect()
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
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

/// Options that the grammar does not say of the commands that it says, with the command in the catalog's form.
pub(super) const UNSAID: &[(&str, &str, &str)] = &[
    ("client|reply", "OFF", "no reply comes then"),
    ("client|reply", "SKIP", "no reply comes then"),
    ("script|debug", "SYNC", "Pollux has no debugger"),
    ("script|debug", "YES", "Pollux has no debugger"),
    ("shutdown", "FORCE", "ends the server"),
    ("shutdown", "NOSAVE", "ends the server"),
    ("shutdown", "NOW", "ends the server"),
    ("shutdown", "SAVE", "ends the server"),
    ("sort_ro", "ALPHA", "texts are compared by the collation of the machine"),
    ("xadd", "*", "the id is that of the server's clock"),
];

/// Why redis-server answers to some of what the grammar says only with errors, or (7.0) is not asked: a command with all of
/// its options, a command with one option, or all subcommands of a container.
pub(super) const REFUSED: &[(&str, &str)] = &[
    ("acl|load", "there is no file of users"),
    ("acl|save", "there is no file of users"),
    ("asking", "both are no members of a cluster"),
    ("client", "names no subcommand"),
    ("client|no-touch", "since 7.2"),
    ("client|setinfo", "since 7.2"),
    ("client|tracking REDIRECT", "only to clients that are not there"),
    ("cluster|", "both are no members of a cluster"),
    ("failover", "there is no replica"),
    ("function|kill", "no function runs"),
    ("latency|graph", "nothing was slow"),
    ("module|load", "there are no modules"),
    ("module|loadex", "there are no modules"),
    ("module|unload", "there are no modules"),
    ("object", "names no subcommand"),
    ("readonly", "both are no members of a cluster"),
    ("readwrite", "both are no members of a cluster"),
    ("script|kill", "no script runs"),
    ("shutdown", "no server is about to end"),
    ("waitaof", "since 7.2"),
    ("zrank WITHSCORE", "since 7.2"),
    ("zrevrank WITHSCORE", "since 7.2"),
];

/// Commands that Pollux executes and that are not compared at random, in the catalog's form.
pub const EXEMPT: &[(&str, &str)] = &[
    ("bgrewriteaof", "starts work on files"),
    ("bgsave", "starts work on files"),
    ("config|rewrite", "writes a file"),
    ("debug", "looks inside, and inside is another program; but PROTOCOL is compared"),
    ("function|dump", "names the version of RDB; what it gives is restored in tests"),
    ("hexpire", "since 7.4"),
    ("hexpireat", "since 7.4"),
    ("hexpiretime", "since 7.4"),
    ("hpersist", "since 7.4"),
    ("hpexpire", "since 7.4"),
    ("hpexpireat", "since 7.4"),
    ("hpexpiretime", "since 7.4"),
    ("hpttl", "since 7.4"),
    ("httl", "since 7.4"),
    ("memory|malloc-stats", "text about the allocator"),
    ("migrate", "speaks with another server; see `interop`"),
    ("psync", "the connection becomes a link of replication"),
    ("replconf", "the connection becomes a link of replication"),
    ("monitor", "shows the time of day; `monitor.rs` of the kernel's tests"),
    ("save", "writes a file"),
    ("sync", "the connection becomes a link of replication"),
];
