//! table: the commands of the group "pubsub".

use crate::row::{ONE, at, pattern, row, string, up_to};
use crate::spec::{CommandSpec, Flag as F, KeyFlag as K};

pub(super) const ROWS: &[CommandSpec] = &[
    row("psubscribe", -2, &[F::Pubsub, F::Noscript, F::Loading, F::Stale], &[])
        .docs(
            "2.0.0",
            "O(N) where N is the number of patterns to subscribe to.",
            "Listens for messages published to channels that match one or more patterns.",
        )
        .arguments(&[pattern("pattern").multiple()]),
    row("publish", 3, &[F::Pubsub, F::Loading, F::Stale, F::Fast], &[])
        .docs(
            "2.0.0",
            "O(N+M) where N is the number of clients subscribed to the receiving channel \
             and M is the total number of subscribed patterns (by any client).",
            "Posts a message to a channel.",
        )
        .arguments(&[string("channel"), string("message")]),
    row("pubsub", -2, &[], &[]).docs(
        "2.8.0",
        "Depends on subcommand.",
        "A container for Pub/Sub commands.",
    ),
    row("pubsub|channels", -2, &[F::Pubsub, F::Loading, F::Stale], &[])
        .docs(
            "2.8.0",
            "O(N) where N is the number of active channels, and assuming constant time \
             pattern matching (relatively short channels and patterns)",
            "Returns the active channels.",
        )
        .arguments(&[pattern("pattern").optional()]),
    row("pubsub|help", 2, &[F::Loading, F::Stale], &[]).docs(
        "6.2.0",
        "O(1)",
        "Returns helpful text about the different subcommands.",
    ),
    row("pubsub|numpat", 2, &[F::Pubsub, F::Loading, F::Stale], &[]).docs(
        "2.8.0",
        "O(1)",
        "Returns a count of unique pattern subscriptions.",
    ),
    row("pubsub|numsub", -2, &[F::Pubsub, F::Loading, F::Stale], &[])
        .docs(
            "2.8.0",
            "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
            "Returns a count of subscribers to channels.",
        )
        .arguments(&[string("channel").optional().multiple()]),
    row("pubsub|shardchannels", -2, &[F::Pubsub, F::Loading, F::Stale], &[])
        .docs(
            "7.0.0",
            "O(N) where N is the number of active shard channels, and assuming constant \
             time pattern matching (relatively short shard channels).",
            "Returns the active shard channels.",
        )
        .arguments(&[pattern("pattern").optional()]),
    row("pubsub|shardnumsub", -2, &[F::Pubsub, F::Loading, F::Stale], &[])
        .docs(
            "7.0.0",
            "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested \
             shard channels",
            "Returns the count of subscribers of shard channels.",
        )
        .arguments(&[string("shardchannel").optional().multiple()]),
    row("punsubscribe", -1, &[F::Pubsub, F::Noscript, F::Loading, F::Stale], &[])
        .docs(
            "2.0.0",
            "O(N) where N is the number of patterns to unsubscribe.",
            "Stops listening to messages published to channels that match one or more \
             patterns.",
        )
        .arguments(&[pattern("pattern").optional().multiple()]),
    row("spublish", 3, &[F::Pubsub, F::Loading, F::Stale, F::Fast], &[])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::NotKey])])
        .docs(
            "7.0.0",
            "O(N) where N is the number of clients subscribed to the receiving shard channel.",
            "Post a message to a shard channel",
        )
        .arguments(&[string("shardchannel"), string("message")]),
    row("ssubscribe", -2, &[F::Pubsub, F::Noscript, F::Loading, F::Stale], &[])
        .range(1, -1, 1)
        .keys(&[at(1, up_to(-1, 1, 0), &[K::NotKey])])
        .docs(
            "7.0.0",
            "O(N) where N is the number of shard channels to subscribe to.",
            "Listens for messages published to shard channels.",
        )
        .arguments(&[string("shardchannel").multiple()]),
    row("subscribe", -2, &[F::Pubsub, F::Noscript, F::Loading, F::Stale], &[])
        .docs(
            "2.0.0",
            "O(N) where N is the number of channels to subscribe to.",
            "Listens for messages published to channels.",
        )
        .arguments(&[string("channel").multiple()]),
    row("sunsubscribe", -1, &[F::Pubsub, F::Noscript, F::Loading, F::Stale], &[])
        .range(1, -1, 1)
        .keys(&[at(1, up_to(-1, 1, 0), &[K::NotKey])])
        .docs(
            "7.0.0",
            "O(N) where N is the number of shard channels to unsubscribe.",
            "Stops listening to messages posted to shard channels.",
        )
        .arguments(&[string("shardchannel").optional().multiple()]),
    row("unsubscribe", -1, &[F::Pubsub, F::Noscript, F::Loading, F::Stale], &[])
        .docs(
            "2.0.0",
            "O(N) where N is the number of channels to unsubscribe.",
            "Stops listening to messages posted to channels.",
        )
        .arguments(&[string("channel").optional().multiple()]),
];
