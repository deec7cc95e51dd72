//! table: the commands of the group "cluster".

use crate::row::{block, integer, one_of, row, string, token};
use crate::spec::{Category as C, CommandSpec, Flag as F};

pub(super) const ROWS: &[CommandSpec] = &[
    row("asking", 1, &[F::Fast], &[C::Connection]).docs(
        "3.0.0",
        "O(1)",
        "Signals that a cluster client is following an -ASK redirect.",
    ),
    row("cluster", -2, &[], &[]).docs(
        "3.0.0",
        "Depends on subcommand.",
        "A container for Redis Cluster commands.",
    ),
    row("cluster|addslots", -3, &[F::Admin, F::Stale, F::NoAsyncLoading], &[])
        .docs(
            "3.0.0",
            "O(N) where N is the total number of hash slot arguments",
            "Assigns new hash slots to a node.",
        )
        .arguments(&[integer("slot").multiple()]),
    row("cluster|addslotsrange", -4, &[F::Admin, F::Stale, F::NoAsyncLoading], &[])
        .docs(
            "7.0.0",
            "O(N) where N is the total number of the slots between the start slot and end \
             slot arguments.",
            "Assigns new hash slot ranges to a node.",
        )
        .arguments(&[block("range", &[integer("start-slot"), integer("end-slot")]).multiple()]),
    row("cluster|bumpepoch", 2, &[F::Admin, F::Stale, F::NoAsyncLoading], &[])
        .tips(&["nondeterministic_output"])
        .docs("3.0.0", "O(1)", "Advances the cluster config epoch."),
    row("cluster|count-failure-reports", 3, &[F::Admin, F::Stale], &[])
        .tips(&["nondeterministic_output"])
        .docs(
            "3.0.0",
            "O(N) where N is the number of failure reports",
            "Returns the number of active failure reports active for a node.",
        )
        .arguments(&[string("node-id")]),
    row("cluster|countkeysinslot", 3, &[F::Stale], &[])
        .docs("3.0.0", "O(1)", "Returns the number of keys in a hash slot.")
        .arguments(&[integer("slot")]),
    row("cluster|delslots", -3, &[F::Admin, F::Stale, F::NoAsyncLoading], &[])
        .docs(
            "3.0.0",
            "O(N) where N is the total number of hash slot arguments",
            "Sets hash slots as unbound for a node.",
        )
        .arguments(&[integer("slot").multiple()]),
    row("cluster|delslotsrange", -4, &[F::Admin, F::Stale, F::NoAsyncLoading], &[])
        .docs(
            "7.0.0",
            "O(N) where N is the total number of the slots between the start slot and end \
             slot arguments.",
            "Sets hash slot ranges as unbound for a node.",
        )
        .arguments(&[block("range", &[integer("start-slot"), integer("end-slot")]).multiple()]),
    row("cluster|failover", -2, &[F::Admin, F::Stale, F::NoAsyncLoading], &[])
        .docs("3.0.0", "O(1)", "Forces a replica to perform a manual failover of its master.")
        .arguments(&[
            one_of("options", &[token("force", "FORCE"), token("takeover", "TAKEOVER")]).optional()
        ]),
    row("cluster|flushslots", 2, &[F::Admin, F::Stale, F::NoAsyncLoading], &[]).docs(
        "3.0.0",
        "O(1)",
        "Deletes all slots information from a node.",
    ),
    row("cluster|forget", 3, &[F::Admin, F::Stale, F::NoAsyncLoading], &[])
        .docs("3.0.0", "O(1)", "Removes a node from the nodes table.")
        .arguments(&[string("node-id")]),
    row("cluster|getkeysinslot", 4, &[F::Stale], &[])
        .tips(&["nondeterministic_output"])
        .docs(
            "3.0.0",
            "O(N) where N is the number of requested keys",
            "Returns the key names in a hash slot.",
        )
        .arguments(&[integer("slot"), integer("count")]),
    row("cluster|help", 2, &[F::Loading, F::Stale], &[]).docs(
        "5.0.0",
        "O(1)",
        "Returns helpful text about the different subcommands.",
    ),
    row("cluster|info", 2, &[F::Stale], &[]).tips(&["nondeterministic_output"]).docs(
        "3.0.0",
        "O(1)",
        "Returns information about the state of a node.",
    ),
    row("cluster|keyslot", 3, &[F::Stale], &[])
        .docs(
            "3.0.0",
            "O(N) where N is the number of bytes in the key",
            "Returns the hash slot for a key.",
        )
        .arguments(&[string("key")]),
    row("cluster|links", 2, &[F::Stale], &[]).tips(&["nondeterministic_output"]).docs(
        "7.0.0",
        "O(N) where N is the total number of Cluster nodes",
        "Returns a list of all TCP links to and from peer nodes.",
    ),
    row("cluster|meet", -4, &[F::Admin, F::Stale, F::NoAsyncLoading], &[])
        .docs("3.0.0", "O(1)", "Forces a node to handshake with another node.")
        .history(&[("4.0.0", "Added the optional `cluster_bus_port` argument.")])
        .arguments(&[
            string("ip"),
            integer("port"),
            integer("cluster-bus-port").since("4.0.0").optional(),
        ]),
    row("cluster|myid", 2, &[F::Stale], &[]).docs("3.0.0", "O(1)", "Returns the ID of a node."),
    row("cluster|myshardid", 2, &[F::Stale], &[]).tips(&["nondeterministic_output"]).docs(
        "7.2.0",
        "O(1)",
        "Returns the shard ID of a node.",
    ),
    row("cluster|nodes", 2, &[F::Stale], &[]).tips(&["nondeterministic_output"]).docs(
        "3.0.0",
        "O(N) where N is the total number of Cluster nodes",
        "Returns the cluster configuration for a node.",
    ),
    row("cluster|replicas", 3, &[F::Admin, F::Stale], &[])
        .tips(&["nondeterministic_output"])
        .docs(
            "5.0.0",
            "O(N) where N is the number of replicas.",
            "Lists the replica nodes of a master node.",
        )
        .arguments(&[string("node-id")]),
    row("cluster|replicate", 3, &[F::Admin, F::Stale, F::NoAsyncLoading], &[])
        .docs("3.0.0", "O(1)", "Configure a node as replica of a master node.")
        .arguments(&[string("node-id")]),
    row("cluster|reset", -2, &[F::Admin, F::Noscript, F::Stale], &[])
        .docs(
            "3.0.0",
            "O(N) where N is the number of known nodes. The command may execute a \
             FLUSHALL as a side effect.",
            "Resets a node.",
        )
        .arguments(&[
            one_of("reset-type", &[token("hard", "HARD"), token("soft", "SOFT")]).optional()
        ]),
    row("cluster|saveconfig", 2, &[F::Admin, F::Stale, F::NoAsyncLoading], &[]).docs(
        "3.0.0",
        "O(1)",
        "Forces a node to save the cluster configuration to disk.",
    ),
    row("cluster|set-config-epoch", 3, &[F::Admin, F::Stale, F::NoAsyncLoading], &[])
        .docs("3.0.0", "O(1)", "Sets the configuration epoch for a new node.")
        .arguments(&[integer("config-epoch")]),
    row("cluster|setslot", -4, &[F::Admin, F::Stale, F::NoAsyncLoading], &[])
        .docs("3.0.0", "O(1)", "Binds a hash slot to a node.")
        .arguments(&[
            integer("slot"),
            one_of(
                "subcommand",
                &[
                    string("importing").token("IMPORTING").display("node-id"),
                    string("migrating").token("MIGRATING").display("node-id"),
                    string("node").token("NODE").display("node-id"),
                    token("stable", "STABLE"),
                ],
            ),
        ]),
    row("cluster|shards", 2, &[F::Loading, F::Stale], &[]).tips(&["nondeterministic_output"]).docs(
        "7.0.0",
        "O(N) where N is the total number of cluster nodes",
        "Returns the mapping of cluster slots to shards.",
    ),
    row("cluster|slaves", 3, &[F::Admin, F::Stale], &[])
        .tips(&["nondeterministic_output"])
        .docs(
            "3.0.0",
            "O(N) where N is the number of replicas.",
            "Lists the replica nodes of a master node.",
        )
        .deprecated("5.0.0", "`CLUSTER REPLICAS`")
        .arguments(&[string("node-id")]),
    row("cluster|slots", 2, &[F::Loading, F::Stale], &[])
        .tips(&["nondeterministic_output"])
        .docs(
            "3.0.0",
            "O(N) where N is the total number of Cluster nodes",
            "Returns the mapping of cluster slots to nodes.",
        )
        .history(&[
            ("4.0.0", "Added node IDs."),
            ("7.0.0", "Added additional networking metadata field."),
        ])
        .deprecated("7.0.0", "`CLUSTER SHARDS`"),
    row("readonly", 1, &[F::Loading, F::Stale, F::Fast], &[C::Connection]).docs(
        "3.0.0",
        "O(1)",
        "Enables read-only queries for a connection to a Redis Cluster replica node.",
    ),
    row("readwrite", 1, &[F::Loading, F::Stale, F::Fast], &[C::Connection]).docs(
        "3.0.0",
        "O(1)",
        "Enables read-write queries for a connection to a Reids Cluster replica node.",
    ),
];
