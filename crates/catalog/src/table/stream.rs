//! table: the commands of the group "stream".

use crate::row::{
    ONE, at, behind, block, integer, key, one_of, row, string, token, unix_time, up_to,
};
use crate::spec::{Category as C, CommandSpec, Flag as F, KeyFlag as K};

pub(super) const ROWS: &[CommandSpec] = &[
    row("xack", -4, &[F::Write, F::Fast], &[C::Stream])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Update])])
        .docs(
            "5.0.0",
            "O(1) for each message ID processed.",
            "Returns the number of messages that were successfully acknowledged by the \
             consumer group member of a stream.",
        )
        .arguments(&[key("key", 0), string("group"), string("id").multiple()]),
    row("xadd", -5, &[F::Write, F::Denyoom, F::Fast], &[C::Stream])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Update])
            .notes("UPDATE instead of INSERT because of the optional trimming feature")])
        .tips(&["nondeterministic_output"])
        .docs(
            "5.0.0",
            "O(1) when adding a new entry, O(N) when trimming where N being the number of \
             entries evicted.",
            "Appends a new message to a stream. Creates the key if it doesn't exist.",
        )
        .history(&[
            (
                "6.2.0",
                "Added the `NOMKSTREAM` option, `MINID` trimming strategy and the `LIMIT` option.",
            ),
            ("7.0.0", "Added support for the `<ms>-*` explicit ID form."),
        ])
        .arguments(&[
            key("key", 0),
            token("nomkstream", "NOMKSTREAM").since("6.2.0").optional(),
            block(
                "trim",
                &[
                    one_of(
                        "strategy",
                        &[token("maxlen", "MAXLEN"), token("minid", "MINID").since("6.2.0")],
                    ),
                    one_of("operator", &[token("equal", "="), token("approximately", "~")])
                        .optional(),
                    string("threshold"),
                    integer("count").token("LIMIT").since("6.2.0").optional(),
                ],
            )
            .optional(),
            one_of("id-selector", &[token("auto-id", "*"), string("id")]),
            block("data", &[string("field"), string("value")]).multiple(),
        ]),
    row("xautoclaim", -6, &[F::Write, F::Fast], &[C::Stream])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Delete])])
        .tips(&["nondeterministic_output"])
        .docs(
            "6.2.0",
            "O(1) if COUNT is small.",
            "Changes, or acquires, ownership of messages in a consumer group, as if the \
             messages were delivered to as consumer group member.",
        )
        .history(&[(
            "7.0.0",
            "Added an element to the reply array, containing deleted entries the command \
             cleared from the PEL",
        )])
        .arguments(&[
            key("key", 0),
            string("group"),
            string("consumer"),
            string("min-idle-time"),
            string("start"),
            integer("count").token("COUNT").optional(),
            token("justid", "JUSTID").optional(),
        ]),
    row("xclaim", -6, &[F::Write, F::Fast], &[C::Stream])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Update])])
        .tips(&["nondeterministic_output"])
        .docs(
            "5.0.0",
            "O(log N) with N being the number of messages in the PEL of the consumer group.",
            "Changes, or acquires, ownership of a message in a consumer group, as if the \
             message was delivered a consumer group member.",
        )
        .arguments(&[
            key("key", 0),
            string("group"),
            string("consumer"),
            string("min-idle-time"),
            string("id").multiple(),
            integer("ms").token("IDLE").optional(),
            unix_time("unix-time-milliseconds").token("TIME").optional(),
            integer("count").token("RETRYCOUNT").optional(),
            token("force", "FORCE").optional(),
            token("justid", "JUSTID").optional(),
            string("lastid").token("LASTID").optional(),
        ]),
    row("xdel", -3, &[F::Write, F::Fast], &[C::Stream])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Delete])])
        .docs(
            "5.0.0",
            "O(1) for each single item to delete in the stream, regardless of the stream \
             size.",
            "Returns the number of messages after removing them from a stream.",
        )
        .arguments(&[key("key", 0), string("id").multiple()]),
    row("xgroup", -2, &[], &[]).docs(
        "5.0.0",
        "Depends on subcommand.",
        "A container for consumer groups commands.",
    ),
    row("xgroup|create", -5, &[F::Write, F::Denyoom], &[C::Stream])
        .range(2, 2, 1)
        .keys(&[at(2, ONE, &[K::Rw, K::Insert])])
        .docs("5.0.0", "O(1)", "Creates a consumer group.")
        .history(&[("7.0.0", "Added the `entries_read` named argument.")])
        .arguments(&[
            key("key", 0),
            string("group"),
            one_of("id-selector", &[string("id"), token("new-id", "$")]),
            token("mkstream", "MKSTREAM").optional(),
            integer("entries-read").token("ENTRIESREAD").optional(),
        ]),
    row("xgroup|createconsumer", 5, &[F::Write, F::Denyoom], &[C::Stream])
        .range(2, 2, 1)
        .keys(&[at(2, ONE, &[K::Rw, K::Insert])])
        .docs("6.2.0", "O(1)", "Creates a consumer in a consumer group.")
        .arguments(&[key("key", 0), string("group"), string("consumer")]),
    row("xgroup|delconsumer", 5, &[F::Write], &[C::Stream])
        .range(2, 2, 1)
        .keys(&[at(2, ONE, &[K::Rw, K::Delete])])
        .docs("5.0.0", "O(1)", "Deletes a consumer from a consumer group.")
        .arguments(&[key("key", 0), string("group"), string("consumer")]),
    row("xgroup|destroy", 4, &[F::Write], &[C::Stream])
        .range(2, 2, 1)
        .keys(&[at(2, ONE, &[K::Rw, K::Delete])])
        .docs(
            "5.0.0",
            "O(N) where N is the number of entries in the group's pending entries list (PEL).",
            "Destroys a consumer group.",
        )
        .arguments(&[key("key", 0), string("group")]),
    row("xgroup|help", 2, &[F::Loading, F::Stale], &[C::Stream]).docs(
        "5.0.0",
        "O(1)",
        "Returns helpful text about the different subcommands.",
    ),
    row("xgroup|setid", -5, &[F::Write], &[C::Stream])
        .range(2, 2, 1)
        .keys(&[at(2, ONE, &[K::Rw, K::Update])])
        .docs("5.0.0", "O(1)", "Sets the last-delivered ID of a consumer group.")
        .history(&[("7.0.0", "Added the optional `entries_read` argument.")])
        .arguments(&[
            key("key", 0),
            string("group"),
            one_of("id-selector", &[string("id"), token("new-id", "$")]),
            integer("entriesread").token("ENTRIESREAD").display("entries-read").optional(),
        ]),
    row("xinfo", -2, &[], &[]).docs(
        "5.0.0",
        "Depends on subcommand.",
        "A container for stream introspection commands.",
    ),
    row("xinfo|consumers", 4, &[F::Readonly], &[C::Stream])
        .range(2, 2, 1)
        .keys(&[at(2, ONE, &[K::Ro, K::Access])])
        .tips(&["nondeterministic_output"])
        .docs("5.0.0", "O(1)", "Returns a list of the consumers in a consumer group.")
        .history(&[("7.2.0", "Added the `inactive` field.")])
        .arguments(&[key("key", 0), string("group")]),
    row("xinfo|groups", 3, &[F::Readonly], &[C::Stream])
        .range(2, 2, 1)
        .keys(&[at(2, ONE, &[K::Ro, K::Access])])
        .docs("5.0.0", "O(1)", "Returns a list of the consumer groups of a stream.")
        .history(&[("7.0.0", "Added the `entries-read` and `lag` fields")])
        .arguments(&[key("key", 0)]),
    row("xinfo|help", 2, &[F::Loading, F::Stale], &[C::Stream]).docs(
        "5.0.0",
        "O(1)",
        "Returns helpful text about the different subcommands.",
    ),
    row("xinfo|stream", -3, &[F::Readonly], &[C::Stream])
        .range(2, 2, 1)
        .keys(&[at(2, ONE, &[K::Ro, K::Access])])
        .docs("5.0.0", "O(1)", "Returns information about a stream.")
        .history(&[
            ("6.0.0", "Added the `FULL` modifier."),
            (
                "7.0.0",
                "Added the `max-deleted-entry-id`, `entries-added`, \
             `recorded-first-entry-id`, `entries-read` and `lag` fields",
            ),
            ("7.2.0", "Added the `active-time` field, and changed the meaning of `seen-time`."),
        ])
        .arguments(&[
            key("key", 0),
            block(
                "full-block",
                &[token("full", "FULL"), integer("count").token("COUNT").optional()],
            )
            .optional(),
        ]),
    row("xlen", 2, &[F::Readonly, F::Fast], &[C::Stream])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro])])
        .docs("5.0.0", "O(1)", "Return the number of messages in a stream.")
        .arguments(&[key("key", 0)]),
    row("xpending", -3, &[F::Readonly], &[C::Stream])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .tips(&["nondeterministic_output"])
        .docs(
            "5.0.0",
            "O(N) with N being the number of elements returned, so asking for a small \
             fixed number of entries per call is O(1). O(M), where M is the total number \
             of entries scanned when used with the IDLE filter. When the command returns \
             just the summary and the list of consumers is small, it runs in O(1) time; \
             otherwise, an additional O(N) time for iterating every consumer.",
            "Returns the information and entries from a stream consumer group's pending \
             entries list.",
        )
        .history(&[("6.2.0", "Added the `IDLE` option and exclusive range intervals.")])
        .arguments(&[
            key("key", 0),
            string("group"),
            block(
                "filters",
                &[
                    integer("min-idle-time").token("IDLE").since("6.2.0").optional(),
                    string("start"),
                    string("end"),
                    integer("count"),
                    string("consumer").optional(),
                ],
            )
            .optional(),
        ]),
    row("xrange", -4, &[F::Readonly], &[C::Stream])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "5.0.0",
            "O(N) with N being the number of elements being returned. If N is constant \
             (e.g. always asking for the first 10 elements with COUNT), you can consider \
             it O(1).",
            "Returns the messages from a stream within a range of IDs.",
        )
        .history(&[("6.2.0", "Added exclusive ranges.")])
        .arguments(&[
            key("key", 0),
            string("start"),
            string("end"),
            integer("count").token("COUNT").optional(),
        ]),
    row("xread", -4, &[F::Readonly, F::Blocking, F::MovableKeys], &[C::Stream])
        .keys(&[behind("STREAMS", 1, up_to(-1, 1, 2), &[K::Ro, K::Access])])
        .docs(
            "5.0.0",
            "",
            "Returns messages from multiple streams with IDs greater than the ones \
             requested. Blocks until a message is available otherwise.",
        )
        .arguments(&[
            integer("count").token("COUNT").optional(),
            integer("milliseconds").token("BLOCK").optional(),
            block("streams", &[key("key", 0).multiple(), string("id").multiple()]).token("STREAMS"),
        ]),
    row("xreadgroup", -7, &[F::Write, F::Blocking, F::MovableKeys], &[C::Stream])
        .keys(&[behind("STREAMS", 4, up_to(-1, 1, 2), &[K::Ro, K::Access])])
        .docs(
            "5.0.0",
            "For each stream mentioned: O(M) with M being the number of elements \
             returned. If M is constant (e.g. always asking for the first 10 elements \
             with COUNT), you can consider it O(1). On the other side when XREADGROUP \
             blocks, XADD will pay the O(N) time in order to serve the N clients blocked \
             on the stream getting new data.",
            "Returns new or historical messages from a stream for a consumer in a group. \
             Blocks until a message is available otherwise.",
        )
        .arguments(&[
            block("group-block", &[string("group"), string("consumer")]).token("GROUP"),
            integer("count").token("COUNT").optional(),
            integer("milliseconds").token("BLOCK").optional(),
            token("noack", "NOACK").optional(),
            block("streams", &[key("key", 0).multiple(), string("id").multiple()]).token("STREAMS"),
        ]),
    row("xrevrange", -4, &[F::Readonly], &[C::Stream])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "5.0.0",
            "O(N) with N being the number of elements returned. If N is constant (e.g. \
             always asking for the first 10 elements with COUNT), you can consider it \
             O(1).",
            "Returns the messages from a stream within a range of IDs in reverse order.",
        )
        .history(&[("6.2.0", "Added exclusive ranges.")])
        .arguments(&[
            key("key", 0),
            string("end"),
            string("start"),
            integer("count").token("COUNT").optional(),
        ]),
    row("xsetid", -3, &[F::Write, F::Denyoom, F::Fast], &[C::Stream])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Update])])
        .docs("5.0.0", "O(1)", "An internal command for replicating stream values.")
        .history(&[("7.0.0", "Added the `entries_added` and `max_deleted_entry_id` arguments.")])
        .arguments(&[
            key("key", 0),
            string("last-id"),
            integer("entries-added").token("ENTRIESADDED").since("7.0.0").optional(),
            string("max-deleted-id").token("MAXDELETEDID").since("7.0.0").optional(),
        ]),
    row("xtrim", -4, &[F::Write], &[C::Stream])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Delete])])
        .tips(&["nondeterministic_output"])
        .docs(
            "5.0.0",
            "O(N), with N being the number of evicted entries. Constant times are very \
             small however, since entries are organized in macro nodes containing \
             multiple entries that can be released with a single deallocation.",
            "Deletes messages from the beginning of a stream.",
        )
        .history(&[("6.2.0", "Added the `MINID` trimming strategy and the `LIMIT` option.")])
        .arguments(&[
            key("key", 0),
            block(
                "trim",
                &[
                    one_of(
                        "strategy",
                        &[token("maxlen", "MAXLEN"), token("minid", "MINID").since("6.2.0")],
                    ),
                    one_of("operator", &[token("equal", "="), token("approximately", "~")])
                        .optional(),
                    string("threshold"),
                    integer("count").token("LIMIT").since("6.2.0").optional(),
                ],
            ),
        ]),
];
