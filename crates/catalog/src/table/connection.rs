//! table: the commands of the group "connection".

use crate::row::{block, integer, one_of, row, string, token};
use crate::spec::{Category as C, CommandSpec, Flag as F};

pub(super) const ROWS: &[CommandSpec] = &[
    row(
        "auth",
        -2,
        &[F::Noscript, F::Loading, F::Stale, F::Fast, F::NoAuth, F::AllowBusy],
        &[C::Connection],
    )
    .docs(
        "1.0.0",
        "O(N) where N is the number of passwords defined for the user",
        "Authenticates the connection.",
    )
    .history(&[("6.0.0", "Added ACL style (username and password).")])
    .arguments(&[string("username").since("6.0.0").optional(), string("password")]),
    row("client", -2, &[], &[]).docs(
        "2.4.0",
        "Depends on subcommand.",
        "A container for client connection commands.",
    ),
    row("client|caching", 3, &[F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .docs(
            "6.0.0",
            "O(1)",
            "Instructs the server whether to track the keys in the next request.",
        )
        .arguments(&[one_of("mode", &[token("yes", "YES"), token("no", "NO")])]),
    row("client|getname", 2, &[F::Noscript, F::Loading, F::Stale], &[C::Connection]).docs(
        "2.6.9",
        "O(1)",
        "Returns the name of the connection.",
    ),
    row("client|getredir", 2, &[F::Noscript, F::Loading, F::Stale], &[C::Connection]).docs(
        "6.0.0",
        "O(1)",
        "Returns the client ID to which the connection's tracking notifications are \
             redirected.",
    ),
    row("client|help", 2, &[F::Loading, F::Stale], &[C::Connection]).docs(
        "5.0.0",
        "O(1)",
        "Returns helpful text about the different subcommands.",
    ),
    row("client|id", 2, &[F::Noscript, F::Loading, F::Stale], &[C::Connection]).docs(
        "5.0.0",
        "O(1)",
        "Returns the unique client ID of the connection.",
    ),
    row("client|info", 2, &[F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .tips(&["nondeterministic_output"])
        .docs("6.2.0", "O(1)", "Returns information about the connection."),
    row("client|kill", -3, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .docs(
            "2.4.0",
            "O(N) where N is the number of client connections",
            "Terminates open connections.",
        )
        .history(&[
            ("2.8.12", "Added new filter format."),
            ("2.8.12", "`ID` option."),
            ("3.2.0", "Added `master` type in for `TYPE` option."),
            (
                "5.0.0",
                "Replaced `slave` `TYPE` with `replica`. `slave` still supported for backward \
             compatibility.",
            ),
            ("6.2.0", "`LADDR` option."),
        ])
        .arguments(&[one_of(
            "filter",
            &[
                string("old-format").display("ip:port").deprecated_since("2.8.12"),
                one_of(
                    "new-format",
                    &[
                        integer("client-id").token("ID").since("2.8.12").optional(),
                        one_of(
                            "client-type",
                            &[
                                token("normal", "NORMAL"),
                                token("master", "MASTER").since("3.2.0"),
                                token("slave", "SLAVE"),
                                token("replica", "REPLICA").since("5.0.0"),
                                token("pubsub", "PUBSUB"),
                            ],
                        )
                        .token("TYPE")
                        .since("2.8.12")
                        .optional(),
                        string("username").token("USER").optional(),
                        string("addr").token("ADDR").display("ip:port").optional(),
                        string("laddr").token("LADDR").display("ip:port").since("6.2.0").optional(),
                        one_of("skipme", &[token("yes", "YES"), token("no", "NO")])
                            .token("SKIPME")
                            .optional(),
                    ],
                )
                .multiple(),
            ],
        )]),
    row("client|list", -2, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .tips(&["nondeterministic_output"])
        .docs(
            "2.4.0",
            "O(N) where N is the number of client connections",
            "Lists open connections.",
        )
        .history(&[
            ("2.8.12", "Added unique client `id` field."),
            ("5.0.0", "Added optional `TYPE` filter."),
            ("6.0.0", "Added `user` field."),
            (
                "6.2.0",
                "Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional \
             `ID` filter.",
            ),
            ("7.0.0", "Added `resp`, `multi-mem`, `rbs` and `rbp` fields."),
            ("7.0.3", "Added `ssub` field."),
        ])
        .arguments(&[
            one_of(
                "client-type",
                &[
                    token("normal", "NORMAL"),
                    token("master", "MASTER"),
                    token("replica", "REPLICA"),
                    token("pubsub", "PUBSUB"),
                ],
            )
            .token("TYPE")
            .since("5.0.0")
            .optional(),
            integer("client-id").token("ID").since("6.2.0").optional().multiple(),
        ]),
    row("client|no-evict", 3, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .docs("7.0.0", "O(1)", "Sets the client eviction mode of the connection.")
        .arguments(&[one_of("enabled", &[token("on", "ON"), token("off", "OFF")])]),
    row("client|no-touch", 3, &[F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .docs(
            "7.2.0",
            "O(1)",
            "Controls whether commands sent by the client affect the LRU/LFU of accessed \
             keys.",
        )
        .arguments(&[one_of("enabled", &[token("on", "ON"), token("off", "OFF")])]),
    row("client|pause", -3, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .docs("3.0.0", "O(1)", "Suspends commands processing.")
        .history(&[("6.2.0", "`CLIENT PAUSE WRITE` mode added along with the `mode` option.")])
        .arguments(&[
            integer("timeout"),
            one_of("mode", &[token("write", "WRITE"), token("all", "ALL")])
                .since("6.2.0")
                .optional(),
        ]),
    row("client|reply", 3, &[F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .docs("3.2.0", "O(1)", "Instructs the server whether to reply to commands.")
        .arguments(&[one_of(
            "action",
            &[token("on", "ON"), token("off", "OFF"), token("skip", "SKIP")],
        )]),
    row("client|setinfo", 4, &[F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs("7.2.0", "O(1)", "Sets information specific to the client or connection.")
        .arguments(&[one_of(
            "attr",
            &[string("libname").token("LIB-NAME"), string("libver").token("LIB-VER")],
        )]),
    row("client|setname", 3, &[F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs("2.6.9", "O(1)", "Sets the connection name.")
        .arguments(&[string("connection-name")]),
    row("client|tracking", -3, &[F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .docs(
            "6.0.0",
            "O(1). Some options may introduce additional complexity.",
            "Controls server-assisted client-side caching for the connection.",
        )
        .arguments(&[
            one_of("status", &[token("on", "ON"), token("off", "OFF")]),
            integer("client-id").token("REDIRECT").optional(),
            string("prefix").token("PREFIX").optional().multiple().repeats_token(),
            token("bcast", "BCAST").optional(),
            token("optin", "OPTIN").optional(),
            token("optout", "OPTOUT").optional(),
            token("noloop", "NOLOOP").optional(),
        ]),
    row("client|trackinginfo", 2, &[F::Noscript, F::Loading, F::Stale], &[C::Connection]).docs(
        "6.2.0",
        "O(1)",
        "Returns information about server-assisted client-side caching for the \
             connection.",
    ),
    row("client|unblock", -3, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .docs(
            "5.0.0",
            "O(log N) where N is the number of client connections",
            "Unblocks a client blocked by a blocking command from a different connection.",
        )
        .arguments(&[
            integer("client-id"),
            one_of("unblock-type", &[token("timeout", "TIMEOUT"), token("error", "ERROR")])
                .optional(),
        ]),
    row("client|unpause", 2, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .docs(
            "6.2.0",
            "O(N) Where N is the number of paused clients",
            "Resumes processing commands from paused clients.",
        ),
    row("echo", 2, &[F::Loading, F::Stale, F::Fast], &[C::Connection])
        .docs("1.0.0", "O(1)", "Returns the given string.")
        .arguments(&[string("message")]),
    row(
        "hello",
        -1,
        &[F::Noscript, F::Loading, F::Stale, F::Fast, F::NoAuth, F::AllowBusy],
        &[C::Connection],
    )
    .docs("6.0.0", "O(1)", "Handshakes with the Redis server.")
    .history(&[(
        "6.2.0",
        "`protover` made optional; when called without arguments the command reports \
             the current connection's context.",
    )])
    .arguments(&[block(
        "arguments",
        &[
            integer("protover"),
            block("auth", &[string("username"), string("password")]).token("AUTH").optional(),
            string("clientname").token("SETNAME").optional(),
        ],
    )
    .optional()]),
    row("ping", -1, &[F::Fast], &[C::Connection])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .docs("1.0.0", "O(1)", "Returns the server's liveliness response.")
        .arguments(&[string("message").optional()]),
    row(
        "quit",
        -1,
        &[F::Noscript, F::Loading, F::Stale, F::Fast, F::NoAuth, F::AllowBusy],
        &[C::Connection],
    )
    .docs("1.0.0", "O(1)", "Closes the connection.")
    .deprecated("7.2.0", "just closing the connection"),
    row(
        "reset",
        1,
        &[F::Noscript, F::Loading, F::Stale, F::Fast, F::NoAuth, F::AllowBusy],
        &[C::Connection],
    )
    .docs("6.2.0", "O(1)", "Resets the connection."),
    row("select", 2, &[F::Loading, F::Stale, F::Fast], &[C::Connection])
        .docs("1.0.0", "O(1)", "Changes the selected database.")
        .arguments(&[integer("index")]),
];
