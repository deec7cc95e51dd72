//! table: the commands of the group "cluster".

use crate::row::{block, integer, one_of, row, string, token};
use crate::spec::{Category as C, CommandSpec, Flag as F};

pub(super) const ROWS: &[CommandSpec] = &[
    row("asking", 1, &[F::Fast], &[C::Connection]).docs(
        "3.0.0",
        "O(1)",
        "Sent by cluster clients after an -ASK redirect",
    ),
    row("cluster", -2, &[], &[]).docs(
        "3.0.0",
        "Depends on subcommand.",
        "A container for cluster commands",
    ),
    row("cluster|addslots", -3, &[F::Admin, F::Stale, F::NoAsyncLoading], &[])
        .docs(
            "3.0.0",
            "O(N) where N is the total number of hash slot arguments",
            "Assign new hash slots to receiving node",
        )
        .arguments(&[integer("slot").multiple()]),
    row("cluster|addslotsrange", -4, &[F::Admin, F::Stale, F::NoAsyncLoading], &[])
        .docs(
            "7.0.0",
            "O(N) where N is the total number of the slots between the start slot and \
             end slot arguments.",
            "Assign new hash slots to receiving node",
        )
        .arguments(&[
            block("start-slot_end-slot", &[integer("start-slot"), integer("end-slot")]).multiple()
        ]),
    row("cluster|bumpepoch", 2, &[F::Admin, F::Stale, F::NoAsyncLoading], &[])
        .tips(&["nondeterministic_output"])
        .docs("3.0.0", "O(1)", "Advance the cluster config epoch"),
    row("cluster|count-failure-reports", 3, &[F::Admin, F::Stale], &[])
        .tips(&["nondeterministic_output"])
        .docs(
            "3.0.0",
            "O(N) where N is the number of failure reports",
            "Return the number of failure reports active for a given node",
        )
        .arguments(&[string("node-id")]),
    row("cluster|countkeysinslot", 3, &[F::Stale], &[])
        .docs("3.0.0", "O(1)", "Return the number of local keys in the specified hash slot")
        .arguments(&[integer("slot")]),
    row("cluster|delslots", -3, &[F::Admin, F::Stale, F::NoAsyncLoading], &[])
        .docs(
            "3.0.0",
            "O(N) where N is the total number of hash slot arguments",
            "Set hash slots as unbound in receiving node",
        )
        .arguments(&[integer("slot").multiple()]),
    row("cluster|delslotsrange", -4, &[F::Admin, F::Stale, F::NoAsyncLoading], &[])
        .docs(
            "7.0.0",
            "O(N) where N is the total number of the slots between the start slot and \
             end slot arguments.",
            "Set hash slots as unbound in receiving node",
        )
        .arguments(&[
            block("start-slot_end-slot", &[integer("start-slot"), integer("end-slot")]).multiple()
        ]),
    row("cluster|failover", -2, &[F::Admin, F::Stale, F::NoAsyncLoading], &[])
        .docs("3.0.0", "O(1)", "Forces a replica to perform a manual failover of its master.")
        .arguments(&[
            one_of("options", &[token("force", "FORCE"), token("takeover", "TAKEOVER")]).optional()
        ]),
    row("cluster|flushslots", 2, &[F::Admin, F::Stale, F::NoAsyncLoading], &[]).docs(
        "3.0.0",
        "O(1)",
        "Delete a node's own slots information",
    ),
    row("cluster|forget", 3, &[F::Admin, F::Stale, F::NoAsyncLoading], &[])
        .docs("3.0.0", "O(1)", "Remove a node from the nodes table")
        .arguments(&[string("node-id")]),
    row("cluster|getkeysinslot", 4, &[F::Stale], &[])
        .tips(&["nondeterministic_output"])
        .docs(
            "3.0.0",
            "O(log(N)) where N is the number of requested keys",
            "Return local key names in the specified hash slot",
        )
        .arguments(&[integer("slot"), integer("count")]),
    row("cluster|help", 2, &[F::Loading, F::Stale], &[]).docs(
        "5.0.0",
        "O(1)",
        "Show helpful text about the different subcommands",
    ),
    row("cluster|info", 2, &[F::Stale], &[]).tips(&["nondeterministic_output"]).docs(
        "3.0.0",
        "O(1)",
        "Provides info about Redis Cluster node state",
    ),
    row("cluster|keyslot", 3, &[F::Stale], &[])
        .docs(
            "3.0.0",
            "O(N) where N is the number of bytes in the key",
            "Returns the hash slot of the specified key",
        )
        .arguments(&[string("key")]),
    row("cluster|links", 2, &[F::Stale], &[]).tips(&["nondeterministic_output"]).docs(
        "7.0.0",
        "O(N) where N is the total number of Cluster nodes",
        "Returns a list of all TCP links to and from peer nodes in cluster",
    ),
    row("cluster|meet", -4, &[F::Admin, F::Stale, F::NoAsyncLoading], &[])
        .docs("3.0.0", "O(1)", "Force a node cluster to handshake with another node")
        .history(&[("4.0.0", "Added the optional `cluster_bus_port` argument.")])
        .arguments(&[
            string("ip"),
            integer("port"),
            integer("cluster_bus_port").since("4.0.0").optional(),
        ]),
    row("cluster|myid", 2, &[F::Stale], &[]).docs("3.0.0", "O(1)", "Return the node id"),
    row("cluster|myshardid", 2, &[F::Loading, F::Stale], &[])
        .tips(&["nondeterministic_output"])
        .docs("7.2.0", "O(1)", "Return the shard ID of the node"),
    row("cluster|nodes", 2, &[F::Stale], &[]).tips(&["nondeterministic_output"]).docs(
        "3.0.0",
        "O(N) where N is the total number of Cluster nodes",
        "Get Cluster config for the node",
    ),
    row("cluster|replicas", 3, &[F::Admin, F::Stale], &[])
        .tips(&["nondeterministic_output"])
        .docs("5.0.0", "O(1)", "List replica nodes of the specified master node")
        .arguments(&[string("node-id")]),
    row("cluster|replicate", 3, &[F::Admin, F::Stale, F::NoAsyncLoading], &[])
        .docs("3.0.0", "O(1)", "Reconfigure a node as a replica of the specified master node")
        .arguments(&[string("node-id")]),
    row("cluster|reset", -2, &[F::Admin, F::Noscript, F::Stale], &[])
        .docs(
            "3.0.0",
            "O(N) where N is the number of known nodes. The command may execute a \
             FLUSHALL as a side effect.",
            "Reset a Redis Cluster node",
        )
        .arguments(&[
            one_of("hard_soft", &[token("hard", "HARD"), token("soft", "SOFT")]).optional()
        ]),
    row("cluster|saveconfig", 2, &[F::Admin, F::Stale, F::NoAsyncLoading], &[]).docs(
        "3.0.0",
        "O(1)",
        "Forces the node to save cluster state on disk",
    ),
    row("cluster|set-config-epoch", 3, &[F::Admin, F::Stale, F::NoAsyncLoading], &[])
        .docs("3.0.0", "O(1)", "Set the configuration epoch in a new node")
        .arguments(&[integer("config-epoch")]),
    row("cluster|setslot", -4, &[F::Admin, F::Stale, F::NoAsyncLoading], &[])
        .docs("3.0.0", "O(1)", "Bind a hash slot to a specific node")
        .arguments(&[
            integer("slot"),
            one_of(
                "subcommand",
                &[
                    string("node-id").token("IMPORTING"),
                    string("node-id").token("MIGRATING"),
                    string("node-id").token("NODE"),
                    token("stable", "STABLE"),
                ],
            ),
        ]),
    row("cluster|shards", 2, &[F::Stale], &[]).tips(&["nondeterministic_output"]).docs(
        "7.0.0",
        "O(N) where N is the total number of cluster nodes",
        "Get array of cluster slots to node mappings",
    ),
    row("cluster|slaves", 3, &[F::Admin, F::Stale], &[])
        .tips(&["nondeterministic_output"])
        .docs("3.0.0", "O(1)", "List replica nodes of the specified master node")
        .deprecated("5.0.0", "`CLUSTER REPLICAS`")
        .arguments(&[string("node-id")]),
    row("cluster|slots", 2, &[F::Stale], &[])
        .tips(&["nondeterministic_output"])
        .docs(
            "3.0.0",
            "O(N) where N is the total number of Cluster nodes",
            "Get array of Cluster slot to node mappings",
        )
        .history(&[
            ("4.0.0", "Added node IDs."),
            ("7.0.0", "Added additional networking metadata field."),
        ])
        .deprecated("7.0.0", "`CLUSTER SHARDS`"),
    row("readonly", 1, &[F::Loading, F::Stale, F::Fast], &[C::Connection]).docs(
        "3.0.0",
        "O(1)",
        "Enables read queries for a connection to a cluster replica node",
    ),
    row("readwrite", 1, &[F::Loading, F::Stale, F::Fast], &[C::Connection]).docs(
        "3.0.0",
        "O(1)",
        "Disables read queries for a connection to a cluster replica node",
    ),
];
