//! Commands that replicas of Redis hear in their own words.
//!
//! Most effects are one command of Redis each. Some commands are several effects here, or one that looks like another command;
//! Redis sends them as they were said, and so do we, as they give the same everywhere: no chance, no clock, no arithmetic that differs
//! between C libraries (why GEOSEARCHSTORE is not among them), no listing of what only this node can know.

/// Whether the command of this name (lower case, `container|subcommand`) is sent as it was said.
pub(crate) fn is_quoted(name: &str) -> bool {
    matches!(
        name,
        "bitfield"
            | "bitop"
            | "copy"
            | "decrby"
            | "del"
            | "hdel"
            | "hincrby"
            | "hmset"
            | "hsetnx"
            | "incrby"
            | "linsert"
            | "lpushx"
            | "lrem"
            | "lset"
            | "ltrim"
            | "mset"
            | "msetnx"
            | "pfadd"
            | "pfmerge"
            | "renamenx"
            | "rpushx"
            | "sadd"
            | "sdiffstore"
            | "setbit"
            | "setnx"
            | "sinterstore"
            | "smove"
            | "sort"
            | "srem"
            | "sunionstore"
            | "unlink"
            | "xdel"
            | "xgroup|create"
            | "xgroup|setid"
            | "xsetid"
            | "zadd"
            | "zdiffstore"
            | "zincrby"
            | "zinterstore"
            | "zpopmax"
            | "zpopmin"
            | "zrangestore"
            | "zrem"
            | "zremrangebylex"
            | "zremrangebyrank"
            | "zremrangebyscore"
            | "zunionstore"
    )
}
