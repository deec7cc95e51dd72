//! table: the commands of the group "generic".

use crate::row::{
    ONE, at, behind, block, integer, key, one_of, pattern, row, somewhere, string, token,
    unix_time, up_to,
};
use crate::spec::{Category as C, CommandSpec, Flag as F, KeyFlag as K};

pub(super) const ROWS: &[CommandSpec] = &[
    row("copy", -3, &[F::Write, F::Denyoom], &[C::Keyspace])
        .range(1, 2, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access]), at(2, ONE, &[K::Ow, K::Update])])
        .docs(
            "6.2.0",
            "O(N) worst case for collections, where N is the number of nested items. O(1) \
             for string values.",
            "Copies the value of a key to a new key.",
        )
        .arguments(&[
            key("source", 0),
            key("destination", 1),
            integer("destination-db").token("DB").optional(),
            token("replace", "REPLACE").optional(),
        ]),
    row("del", -2, &[F::Write], &[C::Keyspace])
        .range(1, -1, 1)
        .keys(&[at(1, up_to(-1, 1, 0), &[K::Rm, K::Delete])])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .docs(
            "1.0.0",
            "O(N) where N is the number of keys that will be removed. When a key to \
             remove holds a value other than a string, the individual complexity for this \
             key is O(M) where M is the number of elements in the list, set, sorted set \
             or hash. Removing a single key that holds a string value is O(1).",
            "Deletes one or more keys.",
        )
        .arguments(&[key("key", 0).multiple()]),
    row("dump", 2, &[F::Readonly], &[C::Keyspace])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .tips(&["nondeterministic_output"])
        .docs(
            "2.6.0",
            "O(1) to access the key and additional O(N*M) to serialize it, where N is the \
             number of Redis objects composing the value and M their average size. For \
             small string values the time complexity is thus O(1)+O(1*M) where M is \
             small, so simply O(1).",
            "Returns a serialized representation of the value stored at a key.",
        )
        .arguments(&[key("key", 0)]),
    row("exists", -2, &[F::Readonly, F::Fast], &[C::Keyspace])
        .range(1, -1, 1)
        .keys(&[at(1, up_to(-1, 1, 0), &[K::Ro])])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .docs(
            "1.0.0",
            "O(N) where N is the number of keys to check.",
            "Determines whether one or more keys exist.",
        )
        .history(&[("3.0.3", "Accepts multiple `key` arguments.")])
        .arguments(&[key("key", 0).multiple()]),
    row("expire", -3, &[F::Write, F::Fast], &[C::Keyspace])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Update])])
        .docs("1.0.0", "O(1)", "Sets the expiration time of a key in seconds.")
        .history(&[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")])
        .arguments(&[
            key("key", 0),
            integer("seconds"),
            one_of(
                "condition",
                &[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")],
            )
            .since("7.0.0")
            .optional(),
        ]),
    row("expireat", -3, &[F::Write, F::Fast], &[C::Keyspace])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Update])])
        .docs("1.2.0", "O(1)", "Sets the expiration time of a key to a Unix timestamp.")
        .history(&[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")])
        .arguments(&[
            key("key", 0),
            unix_time("unix-time-seconds"),
            one_of(
                "condition",
                &[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")],
            )
            .since("7.0.0")
            .optional(),
        ]),
    row("expiretime", 2, &[F::Readonly, F::Fast], &[C::Keyspace])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs("7.0.0", "O(1)", "Returns the expiration time of a key as a Unix timestamp.")
        .arguments(&[key("key", 0)]),
    row("keys", 2, &[F::Readonly], &[C::Keyspace, C::Dangerous])
        .tips(&["request_policy:all_shards", "nondeterministic_output_order"])
        .docs(
            "1.0.0",
            "O(N) with N being the number of keys in the database, under the assumption \
             that the key names in the database and the given pattern have limited \
             length.",
            "Returns all key names that match a pattern.",
        )
        .arguments(&[pattern("pattern")]),
    row("migrate", -6, &[F::Write, F::MovableKeys], &[C::Keyspace, C::Dangerous])
        .range(3, 3, 1)
        .keys(&[
            at(3, ONE, &[K::Rw, K::Access, K::Delete]),
            behind("KEYS", -2, up_to(-1, 1, 0), &[K::Rw, K::Access, K::Delete, K::Incomplete]),
        ])
        .tips(&["nondeterministic_output"])
        .docs(
            "2.6.0",
            "This command actually executes a DUMP+DEL in the source instance, and a \
             RESTORE in the target instance. See the pages of these commands for time \
             complexity. Also an O(N) data transfer between the two instances is \
             performed.",
            "Atomically transfers a key from one Redis instance to another.",
        )
        .history(&[
            ("3.0.0", "Added the `COPY` and `REPLACE` options."),
            ("3.0.6", "Added the `KEYS` option."),
            ("4.0.7", "Added the `AUTH` option."),
            ("6.0.0", "Added the `AUTH2` option."),
        ])
        .arguments(&[
            string("host"),
            integer("port"),
            one_of("key-selector", &[key("key", 0), token("empty-string", "")]),
            integer("destination-db"),
            integer("timeout"),
            token("copy", "COPY").since("3.0.0").optional(),
            token("replace", "REPLACE").since("3.0.0").optional(),
            one_of(
                "authentication",
                &[
                    string("auth").token("AUTH").display("password").since("4.0.7"),
                    block("auth2", &[string("username"), string("password")])
                        .token("AUTH2")
                        .since("6.0.0"),
                ],
            )
            .optional(),
            key("keys", 1).token("KEYS").display("key").since("3.0.6").optional().multiple(),
        ]),
    row("move", 3, &[F::Write, F::Fast], &[C::Keyspace])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Update])])
        .docs("1.0.0", "O(1)", "Moves a key to another database.")
        .arguments(&[key("key", 0), integer("db")]),
    row("object", -2, &[], &[]).docs(
        "2.2.3",
        "Depends on subcommand.",
        "A container for object introspection commands.",
    ),
    row("object|encoding", 3, &[F::Readonly], &[C::Keyspace])
        .range(2, 2, 1)
        .keys(&[at(2, ONE, &[K::Ro])])
        .tips(&["nondeterministic_output"])
        .docs("2.2.3", "O(1)", "Returns the internal encoding of a Redis object.")
        .arguments(&[key("key", 0)]),
    row("object|freq", 3, &[F::Readonly], &[C::Keyspace])
        .range(2, 2, 1)
        .keys(&[at(2, ONE, &[K::Ro])])
        .tips(&["nondeterministic_output"])
        .docs(
            "4.0.0",
            "O(1)",
            "Returns the logarithmic access frequency counter of a Redis object.",
        )
        .arguments(&[key("key", 0)]),
    row("object|help", 2, &[F::Loading, F::Stale], &[C::Keyspace]).docs(
        "6.2.0",
        "O(1)",
        "Returns helpful text about the different subcommands.",
    ),
    row("object|idletime", 3, &[F::Readonly], &[C::Keyspace])
        .range(2, 2, 1)
        .keys(&[at(2, ONE, &[K::Ro])])
        .tips(&["nondeterministic_output"])
        .docs("2.2.3", "O(1)", "Returns the time since the last access to a Redis object.")
        .arguments(&[key("key", 0)]),
    row("object|refcount", 3, &[F::Readonly], &[C::Keyspace])
        .range(2, 2, 1)
        .keys(&[at(2, ONE, &[K::Ro])])
        .tips(&["nondeterministic_output"])
        .docs("2.2.3", "O(1)", "Returns the reference count of a value of a key.")
        .arguments(&[key("key", 0)]),
    row("persist", 2, &[F::Write, F::Fast], &[C::Keyspace])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Update])])
        .docs("2.2.0", "O(1)", "Removes the expiration time of a key.")
        .arguments(&[key("key", 0)]),
    row("pexpire", -3, &[F::Write, F::Fast], &[C::Keyspace])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Update])])
        .docs("2.6.0", "O(1)", "Sets the expiration time of a key in milliseconds.")
        .history(&[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")])
        .arguments(&[
            key("key", 0),
            integer("milliseconds"),
            one_of(
                "condition",
                &[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")],
            )
            .since("7.0.0")
            .optional(),
        ]),
    row("pexpireat", -3, &[F::Write, F::Fast], &[C::Keyspace])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Update])])
        .docs(
            "2.6.0",
            "O(1)",
            "Sets the expiration time of a key to a Unix milliseconds timestamp.",
        )
        .history(&[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")])
        .arguments(&[
            key("key", 0),
            unix_time("unix-time-milliseconds"),
            one_of(
                "condition",
                &[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")],
            )
            .since("7.0.0")
            .optional(),
        ]),
    row("pexpiretime", 2, &[F::Readonly, F::Fast], &[C::Keyspace])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "7.0.0",
            "O(1)",
            "Returns the expiration time of a key as a Unix milliseconds timestamp.",
        )
        .arguments(&[key("key", 0)]),
    row("pttl", 2, &[F::Readonly, F::Fast], &[C::Keyspace])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .tips(&["nondeterministic_output"])
        .docs("2.6.0", "O(1)", "Returns the expiration time in milliseconds of a key.")
        .history(&[("2.8.0", "Added the -2 reply.")])
        .arguments(&[key("key", 0)]),
    row("randomkey", 1, &[F::Readonly], &[C::Keyspace])
        .tips(&["request_policy:all_shards", "response_policy:special", "nondeterministic_output"])
        .docs("1.0.0", "O(1)", "Returns a random key name from the database."),
    row("rename", 3, &[F::Write], &[C::Keyspace])
        .range(1, 2, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Delete]), at(2, ONE, &[K::Ow, K::Update])])
        .docs("1.0.0", "O(1)", "Renames a key and overwrites the destination.")
        .arguments(&[key("key", 0), key("newkey", 1)]),
    row("renamenx", 3, &[F::Write, F::Fast], &[C::Keyspace])
        .range(1, 2, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Delete]), at(2, ONE, &[K::Ow, K::Insert])])
        .docs("1.0.0", "O(1)", "Renames a key only when the target key name doesn't exist.")
        .history(&[(
            "3.2.0",
            "The command no longer returns an error when source and destination names are \
             the same.",
        )])
        .arguments(&[key("key", 0), key("newkey", 1)]),
    row("restore", -4, &[F::Write, F::Denyoom], &[C::Keyspace, C::Dangerous])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ow, K::Update])])
        .docs(
            "2.6.0",
            "O(1) to create the new key and additional O(N*M) to reconstruct the \
             serialized value, where N is the number of Redis objects composing the value \
             and M their average size. For small string values the time complexity is \
             thus O(1)+O(1*M) where M is small, so simply O(1). However for sorted set \
             values the complexity is O(N*M*log(N)) because inserting values into sorted \
             sets is O(log(N)).",
            "Creates a key from the serialized representation of a value.",
        )
        .history(&[
            ("3.0.0", "Added the `REPLACE` modifier."),
            ("5.0.0", "Added the `ABSTTL` modifier."),
            ("5.0.0", "Added the `IDLETIME` and `FREQ` options."),
        ])
        .arguments(&[
            key("key", 0),
            integer("ttl"),
            string("serialized-value"),
            token("replace", "REPLACE").since("3.0.0").optional(),
            token("absttl", "ABSTTL").since("5.0.0").optional(),
            integer("seconds").token("IDLETIME").since("5.0.0").optional(),
            integer("frequency").token("FREQ").since("5.0.0").optional(),
        ]),
    row("scan", -2, &[F::Readonly], &[C::Keyspace])
        .tips(&["nondeterministic_output", "request_policy:special", "response_policy:special"])
        .docs(
            "2.8.0",
            "O(1) for every call. O(N) for a complete iteration, including enough command \
             calls for the cursor to return back to 0. N is the number of elements inside \
             the collection.",
            "Iterates over the key names in the database.",
        )
        .history(&[("6.0.0", "Added the `TYPE` subcommand.")])
        .arguments(&[
            integer("cursor"),
            pattern("pattern").token("MATCH").optional(),
            integer("count").token("COUNT").optional(),
            string("type").token("TYPE").since("6.0.0").optional(),
        ]),
    row(
        "sort",
        -2,
        &[F::Write, F::Denyoom, F::MovableKeys],
        &[C::Set, C::SortedSet, C::List, C::Dangerous],
    )
    .range(1, 1, 1)
    .keys(&[
        at(1, ONE, &[K::Ro, K::Access]),
        somewhere(&[K::Ro, K::Access]).notes(
            "For the optional BY/GET keyword. It is marked 'unknown' because the key \
             names derive from the content of the key we sort",
        ),
        somewhere(&[K::Ow, K::Update]).notes(
            "For the optional STORE keyword. It is marked 'unknown' because the keyword \
             can appear anywhere in the argument array",
        ),
    ])
    .docs(
        "1.0.0",
        "O(N+M*log(M)) where N is the number of elements in the list or set to sort, \
             and M the number of returned elements. When the elements are not sorted, \
             complexity is O(N).",
        "Sorts the elements in a list, a set, or a sorted set, optionally storing the \
             result.",
    )
    .arguments(&[
        key("key", 0),
        pattern("by-pattern").found_by(1).token("BY").display("pattern").optional(),
        block("limit", &[integer("offset"), integer("count")]).token("LIMIT").optional(),
        pattern("get-pattern")
            .found_by(1)
            .token("GET")
            .display("pattern")
            .optional()
            .multiple()
            .repeats_token(),
        one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
        token("sorting", "ALPHA").optional(),
        key("destination", 2).token("STORE").optional(),
    ]),
    row(
        "sort_ro",
        -2,
        &[F::Readonly, F::MovableKeys],
        &[C::Set, C::SortedSet, C::List, C::Dangerous],
    )
    .range(1, 1, 1)
    .keys(&[
        at(1, ONE, &[K::Ro, K::Access]),
        somewhere(&[K::Ro, K::Access]).notes(
            "For the optional BY/GET keyword. It is marked 'unknown' because the key \
             names derive from the content of the key we sort",
        ),
    ])
    .docs(
        "7.0.0",
        "O(N+M*log(M)) where N is the number of elements in the list or set to sort, \
             and M the number of returned elements. When the elements are not sorted, \
             complexity is O(N).",
        "Returns the sorted elements of a list, a set, or a sorted set.",
    )
    .arguments(&[
        key("key", 0),
        pattern("by-pattern").found_by(1).token("BY").display("pattern").optional(),
        block("limit", &[integer("offset"), integer("count")]).token("LIMIT").optional(),
        pattern("get-pattern")
            .found_by(1)
            .token("GET")
            .display("pattern")
            .optional()
            .multiple()
            .repeats_token(),
        one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
        token("sorting", "ALPHA").optional(),
    ]),
    row("touch", -2, &[F::Readonly, F::Fast], &[C::Keyspace])
        .range(1, -1, 1)
        .keys(&[at(1, up_to(-1, 1, 0), &[K::Ro])])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .docs(
            "3.2.1",
            "O(N) where N is the number of keys that will be touched.",
            "Returns the number of existing keys out of those specified after updating \
             the time they were last accessed.",
        )
        .arguments(&[key("key", 0).multiple()]),
    row("ttl", 2, &[F::Readonly, F::Fast], &[C::Keyspace])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .tips(&["nondeterministic_output"])
        .docs("1.0.0", "O(1)", "Returns the expiration time in seconds of a key.")
        .history(&[("2.8.0", "Added the -2 reply.")])
        .arguments(&[key("key", 0)]),
    row("type", 2, &[F::Readonly, F::Fast], &[C::Keyspace])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro])])
        .docs("1.0.0", "O(1)", "Determines the type of value stored at a key.")
        .arguments(&[key("key", 0)]),
    row("unlink", -2, &[F::Write, F::Fast], &[C::Keyspace])
        .range(1, -1, 1)
        .keys(&[at(1, up_to(-1, 1, 0), &[K::Rm, K::Delete])])
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
        .docs(
            "4.0.0",
            "O(1) for each key removed regardless of its size. Then the command does O(N) \
             work in a different thread in order to reclaim memory, where N is the number \
             of allocations the deleted objects where composed of.",
            "Asynchronously deletes one or more keys.",
        )
        .arguments(&[key("key", 0).multiple()]),
    row("wait", 3, &[], &[C::Connection])
        .tips(&["request_policy:all_shards", "response_policy:agg_min"])
        .docs(
            "3.0.0",
            "O(1)",
            "Blocks until the asynchronous replication of all preceding write commands \
             sent by the connection is completed.",
        )
        .arguments(&[integer("numreplicas"), integer("timeout")]),
    row("waitaof", 4, &[F::Noscript], &[C::Connection])
        .tips(&["request_policy:all_shards", "response_policy:agg_min"])
        .docs(
            "7.2.0",
            "O(1)",
            "Blocks until all of the preceding write commands sent by the connection are \
             written to the append-only file of the master and/or replicas.",
        )
        .arguments(&[integer("numlocal"), integer("numreplicas"), integer("timeout")]),
];
