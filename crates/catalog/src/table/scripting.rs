//! table: the commands of the group "scripting".

use crate::row::{at, counted, integer, key, one_of, row, string, token};
use crate::spec::{Category as C, CommandSpec, Flag as F, KeyFlag as K};

pub(super) const ROWS: &[CommandSpec] = &[
    row(
        "eval",
        -3,
        &[F::Noscript, F::Stale, F::SkipMonitor, F::NoMandatoryKeys, F::MovableKeys],
        &[C::Scripting],
    )
    .keys(&[at(2, counted(0, 1, 1), &[K::Rw, K::Access, K::Update]).notes(
        "We cannot tell how the keys will be used so we assume the worst, RW and \
             UPDATE",
    )])
    .docs("2.6.0", "Depends on the script that is executed.", "Executes a server-side Lua script.")
    .arguments(&[
        string("script"),
        integer("numkeys"),
        key("key", 0).optional().multiple(),
        string("arg").optional().multiple(),
    ]),
    row(
        "eval_ro",
        -3,
        &[F::Readonly, F::Noscript, F::Stale, F::SkipMonitor, F::NoMandatoryKeys, F::MovableKeys],
        &[C::Scripting],
    )
    .keys(&[at(2, counted(0, 1, 1), &[K::Ro, K::Access]).notes(
        "We cannot tell how the keys will be used so we assume the worst, RO and \
             ACCESS",
    )])
    .docs(
        "7.0.0",
        "Depends on the script that is executed.",
        "Executes a read-only server-side Lua script.",
    )
    .arguments(&[
        string("script"),
        integer("numkeys"),
        key("key", 0).optional().multiple(),
        string("arg").optional().multiple(),
    ]),
    row(
        "evalsha",
        -3,
        &[F::Noscript, F::Stale, F::SkipMonitor, F::NoMandatoryKeys, F::MovableKeys],
        &[C::Scripting],
    )
    .keys(&[at(2, counted(0, 1, 1), &[K::Rw, K::Access, K::Update])])
    .docs(
        "2.6.0",
        "Depends on the script that is executed.",
        "Executes a server-side Lua script by SHA1 digest.",
    )
    .arguments(&[
        string("sha1"),
        integer("numkeys"),
        key("key", 0).optional().multiple(),
        string("arg").optional().multiple(),
    ]),
    row(
        "evalsha_ro",
        -3,
        &[F::Readonly, F::Noscript, F::Stale, F::SkipMonitor, F::NoMandatoryKeys, F::MovableKeys],
        &[C::Scripting],
    )
    .keys(&[at(2, counted(0, 1, 1), &[K::Ro, K::Access])])
    .docs(
        "7.0.0",
        "Depends on the script that is executed.",
        "Executes a read-only server-side Lua script by SHA1 digest.",
    )
    .arguments(&[
        string("sha1"),
        integer("numkeys"),
        key("key", 0).optional().multiple(),
        string("arg").optional().multiple(),
    ]),
    row(
        "fcall",
        -3,
        &[F::Noscript, F::Stale, F::SkipMonitor, F::NoMandatoryKeys, F::MovableKeys],
        &[C::Scripting],
    )
    .keys(&[at(2, counted(0, 1, 1), &[K::Rw, K::Access, K::Update]).notes(
        "We cannot tell how the keys will be used so we assume the worst, RW and \
             UPDATE",
    )])
    .docs("7.0.0", "Depends on the function that is executed.", "Invokes a function.")
    .arguments(&[
        string("function"),
        integer("numkeys"),
        key("key", 0).optional().multiple(),
        string("arg").optional().multiple(),
    ]),
    row(
        "fcall_ro",
        -3,
        &[F::Readonly, F::Noscript, F::Stale, F::SkipMonitor, F::NoMandatoryKeys, F::MovableKeys],
        &[C::Scripting],
    )
    .keys(&[at(2, counted(0, 1, 1), &[K::Ro, K::Access]).notes(
        "We cannot tell how the keys will be used so we assume the worst, RO and \
             ACCESS",
    )])
    .docs("7.0.0", "Depends on the function that is executed.", "Invokes a read-only function.")
    .arguments(&[
        string("function"),
        integer("numkeys"),
        key("key", 0).optional().multiple(),
        string("arg").optional().multiple(),
    ]),
    row("function", -2, &[], &[]).docs(
        "7.0.0",
        "Depends on subcommand.",
        "A container for function commands.",
    ),
    row("function|delete", 3, &[F::Write, F::Noscript], &[C::Scripting])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .docs("7.0.0", "O(1)", "Deletes a library and its functions.")
        .arguments(&[string("library-name")]),
    row("function|dump", 2, &[F::Noscript], &[C::Scripting]).docs(
        "7.0.0",
        "O(N) where N is the number of functions",
        "Dumps all libraries into a serialized binary payload.",
    ),
    row("function|flush", -2, &[F::Write, F::Noscript], &[C::Scripting])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .docs(
            "7.0.0",
            "O(N) where N is the number of functions deleted",
            "Deletes all libraries and functions.",
        )
        .arguments(&[
            one_of("flush-type", &[token("async", "ASYNC"), token("sync", "SYNC")]).optional()
        ]),
    row("function|help", 2, &[F::Loading, F::Stale], &[C::Scripting]).docs(
        "7.0.0",
        "O(1)",
        "Returns helpful text about the different subcommands.",
    ),
    row("function|kill", 2, &[F::Noscript, F::AllowBusy], &[C::Scripting])
        .tips(&["request_policy:all_shards", "response_policy:one_succeeded"])
        .docs("7.0.0", "O(1)", "Terminates a function during execution."),
    row("function|list", -2, &[F::Noscript], &[C::Scripting])
        .tips(&["nondeterministic_output_order"])
        .docs(
            "7.0.0",
            "O(N) where N is the number of functions",
            "Returns information about all libraries.",
        )
        .arguments(&[
            string("library-name-pattern").token("LIBRARYNAME").optional(),
            token("withcode", "WITHCODE").optional(),
        ]),
    row("function|load", -3, &[F::Write, F::Denyoom, F::Noscript], &[C::Scripting])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .docs("7.0.0", "O(1) (considering compilation time is redundant)", "Creates a library.")
        .arguments(&[token("replace", "REPLACE").optional(), string("function-code")]),
    row("function|restore", -3, &[F::Write, F::Denyoom, F::Noscript], &[C::Scripting])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .docs(
            "7.0.0",
            "O(N) where N is the number of functions on the payload",
            "Restores all libraries from a payload.",
        )
        .arguments(&[
            string("serialized-value"),
            one_of(
                "policy",
                &[token("flush", "FLUSH"), token("append", "APPEND"), token("replace", "REPLACE")],
            )
            .optional(),
        ]),
    row("function|stats", 2, &[F::Noscript, F::AllowBusy], &[C::Scripting])
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .docs("7.0.0", "O(1)", "Returns information about a function during execution."),
    row("script", -2, &[], &[]).docs(
        "2.6.0",
        "Depends on subcommand.",
        "A container for Lua scripts management commands.",
    ),
    row("script|debug", 3, &[F::Noscript], &[C::Scripting])
        .docs("3.2.0", "O(1)", "Sets the debug mode of server-side Lua scripts.")
        .arguments(&[one_of(
            "mode",
            &[token("yes", "YES"), token("sync", "SYNC"), token("no", "NO")],
        )]),
    row("script|exists", -3, &[F::Noscript], &[C::Scripting])
        .tips(&["request_policy:all_shards", "response_policy:agg_logical_and"])
        .docs(
            "2.6.0",
            "O(N) with N being the number of scripts to check (so checking a single \
             script is an O(1) operation).",
            "Determines whether server-side Lua scripts exist in the script cache.",
        )
        .arguments(&[string("sha1").multiple()]),
    row("script|flush", -2, &[F::Noscript], &[C::Scripting])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs(
            "2.6.0",
            "O(N) with N being the number of scripts in cache",
            "Removes all server-side Lua scripts from the script cache.",
        )
        .history(&[("6.2.0", "Added the `ASYNC` and `SYNC` flushing mode modifiers.")])
        .arguments(&[one_of("flush-type", &[token("async", "ASYNC"), token("sync", "SYNC")])
            .since("6.2.0")
            .optional()]),
    row("script|help", 2, &[F::Loading, F::Stale], &[C::Scripting]).docs(
        "5.0.0",
        "O(1)",
        "Returns helpful text about the different subcommands.",
    ),
    row("script|kill", 2, &[F::Noscript, F::AllowBusy], &[C::Scripting])
        .tips(&["request_policy:all_shards", "response_policy:one_succeeded"])
        .docs("2.6.0", "O(1)", "Terminates a server-side Lua script during execution."),
    row("script|load", 3, &[F::Noscript, F::Stale], &[C::Scripting])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs(
            "2.6.0",
            "O(N) with N being the length in bytes of the script body.",
            "Loads a server-side Lua script to the script cache.",
        )
        .arguments(&[string("script")]),
];
