//! table: the commands of the group "server".

use crate::row::{ONE, at, block, integer, key, one_of, pattern, row, string, token};
use crate::spec::{Category as C, CommandSpec, Flag as F, KeyFlag as K};

pub(super) const ROWS: &[CommandSpec] = &[
    row("acl", -2, &[], &[]).docs(
        "6.0.0",
        "Depends on subcommand.",
        "A container for Access List Control commands.",
    ),
    row("acl|cat", -2, &[F::Noscript, F::Loading, F::Stale], &[])
        .docs(
            "6.0.0",
            "O(1) since the categories and commands are a fixed set.",
            "Lists the ACL categories, or the commands inside a category.",
        )
        .arguments(&[string("category").optional()]),
    row("acl|deluser", -3, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs(
            "6.0.0",
            "O(1) amortized time considering the typical user.",
            "Deletes ACL users, and terminates their connections.",
        )
        .arguments(&[string("username").multiple()]),
    row("acl|dryrun", -4, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[])
        .docs(
            "7.0.0",
            "O(1).",
            "Simulates the execution of a command by a user, without executing the command.",
        )
        .arguments(&[string("username"), string("command"), string("arg").optional().multiple()]),
    row("acl|genpass", -2, &[F::Noscript, F::Loading, F::Stale], &[])
        .docs(
            "6.0.0",
            "O(1)",
            "Generates a pseudorandom, secure password that can be used to identify ACL \
             users.",
        )
        .arguments(&[integer("bits").optional()]),
    row("acl|getuser", 3, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[])
        .docs(
            "6.0.0",
            "O(N). Where N is the number of password, command and pattern rules that the \
             user has.",
            "Lists the ACL rules of a user.",
        )
        .history(&[
            ("6.2.0", "Added Pub/Sub channel patterns."),
            (
                "7.0.0",
                "Added selectors and changed the format of key and channel patterns from a \
             list to their rule representation.",
            ),
        ])
        .arguments(&[string("username")]),
    row("acl|help", 2, &[F::Loading, F::Stale], &[]).docs(
        "6.0.0",
        "O(1)",
        "Returns helpful text about the different subcommands.",
    ),
    row("acl|list", 2, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[]).docs(
        "6.0.0",
        "O(N). Where N is the number of configured users.",
        "Dumps the effective rules in ACL file format.",
    ),
    row("acl|load", 2, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[]).docs(
        "6.0.0",
        "O(N). Where N is the number of configured users.",
        "Reloads the rules from the configured ACL file.",
    ),
    row("acl|log", -2, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[])
        .docs(
            "6.0.0",
            "O(N) with N being the number of entries shown.",
            "Lists recent security events generated due to ACL rules.",
        )
        .history(&[("7.2.0", "Added entry ID, timestamp created, and timestamp last updated.")])
        .arguments(&[one_of("operation", &[integer("count"), token("reset", "RESET")]).optional()]),
    row("acl|save", 2, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs(
            "6.0.0",
            "O(N). Where N is the number of configured users.",
            "Saves the effective ACL rules in the configured ACL file.",
        ),
    row("acl|setuser", -3, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs(
            "6.0.0",
            "O(N). Where N is the number of rules provided.",
            "Creates and modifies an ACL user and its rules.",
        )
        .history(&[
            ("6.2.0", "Added Pub/Sub channel patterns."),
            ("7.0.0", "Added selectors and key based permissions."),
        ])
        .arguments(&[string("username"), string("rule").optional().multiple()]),
    row("acl|users", 2, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[]).docs(
        "6.0.0",
        "O(N). Where N is the number of configured users.",
        "Lists all ACL users.",
    ),
    row("acl|whoami", 2, &[F::Noscript, F::Loading, F::Stale], &[]).docs(
        "6.0.0",
        "O(1)",
        "Returns the authenticated username of the current connection.",
    ),
    row("bgrewriteaof", 1, &[F::Admin, F::Noscript, F::NoAsyncLoading], &[]).docs(
        "1.0.0",
        "O(1)",
        "Asynchronously rewrites the append-only file to disk.",
    ),
    row("bgsave", -1, &[F::Admin, F::Noscript, F::NoAsyncLoading], &[])
        .docs("1.0.0", "O(1)", "Asynchronously saves the database(s) to disk.")
        .history(&[("3.2.2", "Added the `SCHEDULE` option.")])
        .arguments(&[token("schedule", "SCHEDULE").since("3.2.2").optional()]),
    row("command", -1, &[F::Loading, F::Stale], &[C::Connection])
        .tips(&["nondeterministic_output_order"])
        .docs(
            "2.8.13",
            "O(N) where N is the total number of Redis commands",
            "Returns detailed information about all commands.",
        ),
    row("command|count", 2, &[F::Loading, F::Stale], &[C::Connection]).docs(
        "2.8.13",
        "O(1)",
        "Returns a count of commands.",
    ),
    row("command|docs", -2, &[F::Loading, F::Stale], &[C::Connection])
        .tips(&["nondeterministic_output_order"])
        .docs(
            "7.0.0",
            "O(N) where N is the number of commands to look up",
            "Returns documentary information about one, multiple or all commands.",
        )
        .arguments(&[string("command-name").optional().multiple()]),
    row("command|getkeys", -3, &[F::Loading, F::Stale], &[C::Connection])
        .docs(
            "2.8.13",
            "O(N) where N is the number of arguments to the command",
            "Extracts the key names from an arbitrary command.",
        )
        .arguments(&[string("command"), string("arg").optional().multiple()]),
    row("command|getkeysandflags", -3, &[F::Loading, F::Stale], &[C::Connection])
        .docs(
            "7.0.0",
            "O(N) where N is the number of arguments to the command",
            "Extracts the key names and access flags for an arbitrary command.",
        )
        .arguments(&[string("command"), string("arg").optional().multiple()]),
    row("command|help", 2, &[F::Loading, F::Stale], &[C::Connection]).docs(
        "5.0.0",
        "O(1)",
        "Returns helpful text about the different subcommands.",
    ),
    row("command|info", -2, &[F::Loading, F::Stale], &[C::Connection])
        .tips(&["nondeterministic_output_order"])
        .docs(
            "2.8.13",
            "O(N) where N is the number of commands to look up",
            "Returns information about one, multiple or all commands.",
        )
        .history(&[("7.0.0", "Allowed to be called with no argument to get info on all commands.")])
        .arguments(&[string("command-name").optional().multiple()]),
    row("command|list", -2, &[F::Loading, F::Stale], &[C::Connection])
        .tips(&["nondeterministic_output_order"])
        .docs(
            "7.0.0",
            "O(N) where N is the total number of Redis commands",
            "Returns a list of command names.",
        )
        .arguments(&[one_of(
            "filterby",
            &[
                string("module-name").token("MODULE"),
                string("category").token("ACLCAT"),
                pattern("pattern").token("PATTERN"),
            ],
        )
        .token("FILTERBY")
        .optional()]),
    row("config", -2, &[], &[]).docs(
        "2.0.0",
        "Depends on subcommand.",
        "A container for server configuration commands.",
    ),
    row("config|get", -3, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[])
        .docs(
            "2.0.0",
            "O(N) when N is the number of configuration parameters provided",
            "Returns the effective values of configuration parameters.",
        )
        .history(&[("7.0.0", "Added the ability to pass multiple pattern parameters in one call")])
        .arguments(&[string("parameter").multiple()]),
    row("config|help", 2, &[F::Loading, F::Stale], &[]).docs(
        "5.0.0",
        "O(1)",
        "Returns helpful text about the different subcommands.",
    ),
    row("config|resetstat", 2, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs("2.0.0", "O(1)", "Resets the server's statistics."),
    row("config|rewrite", 2, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs("2.8.0", "O(1)", "Persists the effective configuration to file."),
    row("config|set", -4, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs(
            "2.0.0",
            "O(N) when N is the number of configuration parameters provided",
            "Sets configuration parameters in-flight.",
        )
        .history(&[("7.0.0", "Added the ability to set multiple parameters in one call.")])
        .arguments(&[block("data", &[string("parameter"), string("value")]).multiple()]),
    row("dbsize", 1, &[F::Readonly, F::Fast], &[C::Keyspace])
        .tips(&["request_policy:all_shards", "response_policy:agg_sum"])
        .docs("1.0.0", "O(1)", "Returns the number of keys in the database."),
    row("debug", -2, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[])
        .docs("1.0.0", "Depends on subcommand.", "A container for debugging commands.")
        .system(),
    row("failover", -1, &[F::Admin, F::Noscript, F::Stale], &[])
        .docs(
            "6.2.0",
            "O(1)",
            "Starts a coordinated failover from a server to one of its replicas.",
        )
        .arguments(&[
            block("target", &[string("host"), integer("port"), token("force", "FORCE").optional()])
                .token("TO")
                .optional(),
            token("abort", "ABORT").optional(),
            integer("milliseconds").token("TIMEOUT").optional(),
        ]),
    row("flushall", -1, &[F::Write], &[C::Keyspace, C::Dangerous])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .docs(
            "1.0.0",
            "O(N) where N is the total number of keys in all databases",
            "Removes all keys from all databases.",
        )
        .history(&[
            ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
            ("6.2.0", "Added the `SYNC` flushing mode modifier."),
        ])
        .arguments(&[one_of(
            "flush-type",
            &[token("async", "ASYNC").since("4.0.0"), token("sync", "SYNC").since("6.2.0")],
        )
        .optional()]),
    row("flushdb", -1, &[F::Write], &[C::Keyspace, C::Dangerous])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .docs(
            "1.0.0",
            "O(N) where N is the number of keys in the selected database",
            "Remove all keys from the current database.",
        )
        .history(&[
            ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
            ("6.2.0", "Added the `SYNC` flushing mode modifier."),
        ])
        .arguments(&[one_of(
            "flush-type",
            &[token("async", "ASYNC").since("4.0.0"), token("sync", "SYNC").since("6.2.0")],
        )
        .optional()]),
    row("info", -1, &[F::Loading, F::Stale], &[C::Dangerous])
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .docs("1.0.0", "O(1)", "Returns information and statistics about the server.")
        .history(&[("7.0.0", "Added support for taking multiple section arguments.")])
        .arguments(&[string("section").optional().multiple()]),
    row("lastsave", 1, &[F::Loading, F::Stale, F::Fast], &[C::Admin, C::Dangerous])
        .tips(&["nondeterministic_output"])
        .docs("1.0.0", "O(1)", "Returns the Unix timestamp of the last successful save to disk."),
    row("latency", -2, &[], &[]).docs(
        "2.8.13",
        "Depends on subcommand.",
        "A container for latency diagnostics commands.",
    ),
    row("latency|doctor", 2, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[])
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .docs("2.8.13", "O(1)", "Returns a human-readable latency analysis report."),
    row("latency|graph", 3, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[])
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .docs("2.8.13", "O(1)", "Returns a latency graph for an event.")
        .arguments(&[string("event")]),
    row("latency|help", 2, &[F::Loading, F::Stale], &[]).docs(
        "2.8.13",
        "O(1)",
        "Returns helpful text about the different subcommands.",
    ),
    row("latency|histogram", -2, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[])
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .docs(
            "7.0.0",
            "O(N) where N is the number of commands with latency information being retrieved.",
            "Returns the cumulative distribution of latencies of a subset or all commands.",
        )
        .arguments(&[string("command").optional().multiple()]),
    row("latency|history", 3, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[])
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .docs("2.8.13", "O(1)", "Returns timestamp-latency samples for an event.")
        .arguments(&[string("event")]),
    row("latency|latest", 2, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[])
        .tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"])
        .docs("2.8.13", "O(1)", "Returns the latest latency samples for all events."),
    row("latency|reset", -2, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[])
        .tips(&["request_policy:all_nodes", "response_policy:agg_sum"])
        .docs("2.8.13", "O(1)", "Resets the latency data for one or more events.")
        .arguments(&[string("event").optional().multiple()]),
    row("lolwut", -1, &[F::Readonly, F::Fast], &[])
        .docs("5.0.0", "", "Displays computer art and the Redis version")
        .arguments(&[integer("version").token("VERSION").optional()]),
    row("memory", -2, &[], &[]).docs(
        "4.0.0",
        "Depends on subcommand.",
        "A container for memory diagnostics commands.",
    ),
    row("memory|doctor", 2, &[], &[])
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .docs("4.0.0", "O(1)", "Outputs a memory problems report."),
    row("memory|help", 2, &[F::Loading, F::Stale], &[]).docs(
        "4.0.0",
        "O(1)",
        "Returns helpful text about the different subcommands.",
    ),
    row("memory|malloc-stats", 2, &[], &[])
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .docs(
            "4.0.0",
            "Depends on how much memory is allocated, could be slow",
            "Returns the allocator statistics.",
        ),
    row("memory|purge", 2, &[], &[])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .docs(
            "4.0.0",
            "Depends on how much memory is allocated, could be slow",
            "Asks the allocator to release memory.",
        ),
    row("memory|stats", 2, &[], &[])
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .docs("4.0.0", "O(1)", "Returns details about memory usage."),
    row("memory|usage", -3, &[F::Readonly], &[])
        .range(2, 2, 1)
        .keys(&[at(2, ONE, &[K::Ro])])
        .docs(
            "4.0.0",
            "O(N) where N is the number of samples.",
            "Estimates the memory usage of a key.",
        )
        .arguments(&[key("key", 0), integer("count").token("SAMPLES").optional()]),
    row("module", -2, &[], &[]).docs(
        "4.0.0",
        "Depends on subcommand.",
        "A container for module commands.",
    ),
    row("module|help", 2, &[F::Loading, F::Stale], &[]).docs(
        "5.0.0",
        "O(1)",
        "Returns helpful text about the different subcommands.",
    ),
    row("module|list", 2, &[F::Admin, F::Noscript], &[])
        .tips(&["nondeterministic_output_order"])
        .docs(
            "4.0.0",
            "O(N) where N is the number of loaded modules.",
            "Returns all loaded modules.",
        ),
    row("module|load", -3, &[F::Admin, F::Noscript, F::NoAsyncLoading], &[])
        .docs("4.0.0", "O(1)", "Loads a module.")
        .arguments(&[string("path"), string("arg").optional().multiple()]),
    row("module|loadex", -3, &[F::Admin, F::Noscript, F::NoAsyncLoading], &[])
        .docs("7.0.0", "O(1)", "Loads a module using extended parameters.")
        .arguments(&[
            string("path"),
            block("configs", &[string("name"), string("value")])
                .token("CONFIG")
                .optional()
                .multiple()
                .repeats_token(),
            string("args").token("ARGS").optional().multiple(),
        ]),
    row("module|unload", 3, &[F::Admin, F::Noscript, F::NoAsyncLoading], &[])
        .docs("4.0.0", "O(1)", "Unloads a module.")
        .arguments(&[string("name")]),
    row("monitor", 1, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[]).docs(
        "1.0.0",
        "",
        "Listens for all requests received by the server in real-time.",
    ),
    row("psync", -3, &[F::Admin, F::Noscript, F::NoAsyncLoading, F::NoMulti], &[])
        .docs("2.8.0", "", "An internal command used in replication.")
        .arguments(&[string("replicationid"), integer("offset")]),
    row("replconf", -1, &[F::Admin, F::Noscript, F::Loading, F::Stale, F::AllowBusy], &[])
        .docs("3.0.0", "O(1)", "An internal command for configuring the replication stream.")
        .system(),
    row("replicaof", 3, &[F::Admin, F::Noscript, F::Stale, F::NoAsyncLoading], &[])
        .docs(
            "5.0.0",
            "O(1)",
            "Configures a server as replica of another, or promotes it to a master.",
        )
        .arguments(&[one_of(
            "args",
            &[
                block("host-port", &[string("host"), integer("port")]),
                block("no-one", &[token("no", "NO"), token("one", "ONE")]),
            ],
        )]),
    row("restore-asking", -4, &[F::Write, F::Denyoom, F::Asking], &[C::Keyspace, C::Dangerous])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ow, K::Update])])
        .docs(
            "3.0.0",
            "O(1) to create the new key and additional O(N*M) to reconstruct the \
             serialized value, where N is the number of Redis objects composing the value \
             and M their average size. For small string values the time complexity is \
             thus O(1)+O(1*M) where M is small, so simply O(1). However for sorted set \
             values the complexity is O(N*M*log(N)) because inserting values into sorted \
             sets is O(log(N)).",
            "An internal command for migrating keys in a cluster.",
        )
        .history(&[
            ("3.0.0", "Added the `REPLACE` modifier."),
            ("5.0.0", "Added the `ABSTTL` modifier."),
            ("5.0.0", "Added the `IDLETIME` and `FREQ` options."),
        ])
        .system()
        .arguments(&[
            key("key", 0),
            integer("ttl"),
            string("serialized-value"),
            token("replace", "REPLACE").since("3.0.0").optional(),
            token("absttl", "ABSTTL").since("5.0.0").optional(),
            integer("seconds").token("IDLETIME").since("5.0.0").optional(),
            integer("frequency").token("FREQ").since("5.0.0").optional(),
        ]),
    row("role", 1, &[F::Noscript, F::Loading, F::Stale, F::Fast], &[C::Admin, C::Dangerous]).docs(
        "2.8.12",
        "O(1)",
        "Returns the replication role.",
    ),
    row("save", 1, &[F::Admin, F::Noscript, F::NoAsyncLoading, F::NoMulti], &[]).docs(
        "1.0.0",
        "O(N) where N is the total number of keys in all databases",
        "Synchronously saves the database(s) to disk.",
    ),
    row(
        "shutdown",
        -1,
        &[F::Admin, F::Noscript, F::Loading, F::Stale, F::NoMulti, F::AllowBusy],
        &[],
    )
    .docs(
        "1.0.0",
        "O(N) when saving, where N is the total number of keys in all databases when \
             saving data, otherwise O(1)",
        "Synchronously saves the database(s) to disk and shuts down the Redis server.",
    )
    .history(&[("7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers.")])
    .arguments(&[
        one_of("save-selector", &[token("nosave", "NOSAVE"), token("save", "SAVE")]).optional(),
        token("now", "NOW").since("7.0.0").optional(),
        token("force", "FORCE").since("7.0.0").optional(),
        token("abort", "ABORT").since("7.0.0").optional(),
    ]),
    row("slaveof", 3, &[F::Admin, F::Noscript, F::Stale, F::NoAsyncLoading], &[])
        .docs(
            "1.0.0",
            "O(1)",
            "Sets a Redis server as a replica of another, or promotes it to being a master.",
        )
        .deprecated("5.0.0", "`REPLICAOF`")
        .arguments(&[one_of(
            "args",
            &[
                block("host-port", &[string("host"), integer("port")]),
                block("no-one", &[token("no", "NO"), token("one", "ONE")]),
            ],
        )]),
    row("slowlog", -2, &[], &[]).docs(
        "2.2.12",
        "Depends on subcommand.",
        "A container for slow log commands.",
    ),
    row("slowlog|get", -2, &[F::Admin, F::Loading, F::Stale], &[])
        .tips(&["request_policy:all_nodes", "nondeterministic_output"])
        .docs(
            "2.2.12",
            "O(N) where N is the number of entries returned",
            "Returns the slow log's entries.",
        )
        .history(&[("4.0.0", "Added client IP address, port and name to the reply.")])
        .arguments(&[integer("count").optional()]),
    row("slowlog|help", 2, &[F::Loading, F::Stale], &[]).docs(
        "6.2.0",
        "O(1)",
        "Show helpful text about the different subcommands",
    ),
    row("slowlog|len", 2, &[F::Admin, F::Loading, F::Stale], &[])
        .tips(&["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"])
        .docs("2.2.12", "O(1)", "Returns the number of entries in the slow log."),
    row("slowlog|reset", 2, &[F::Admin, F::Loading, F::Stale], &[])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs(
            "2.2.12",
            "O(N) where N is the number of entries in the slowlog",
            "Clears all entries from the slow log.",
        ),
    row("swapdb", 3, &[F::Write, F::Fast], &[C::Keyspace, C::Dangerous])
        .docs(
            "4.0.0",
            "O(N) where N is the count of clients watching or blocking on keys from both \
             databases.",
            "Swaps two Redis databases.",
        )
        .arguments(&[integer("index1"), integer("index2")]),
    row("sync", 1, &[F::Admin, F::Noscript, F::NoAsyncLoading, F::NoMulti], &[]).docs(
        "1.0.0",
        "",
        "An internal command used in replication.",
    ),
    row("time", 1, &[F::Loading, F::Stale, F::Fast], &[]).tips(&["nondeterministic_output"]).docs(
        "2.6.0",
        "O(1)",
        "Returns the server time.",
    ),
];
