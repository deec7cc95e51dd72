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
        "Authenticate to the server",
    )
    .history(&[("6.0.0", "Added ACL style (username and password).")])
    .arguments(&[string("username").since("6.0.0").optional(), string("password")]),
    row("client", -2, &[], &[]).docs(
        "2.4.0",
        "Depends on subcommand.",
        "A container for client connection commands",
    ),
    row("client|caching", 3, &[F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .docs("6.0.0", "O(1)", "Instruct the server about tracking or not keys in the next request")
        .arguments(&[one_of("mode", &[token("yes", "YES"), token("no", "NO")])]),
    row("client|getname", 2, &[F::Noscript, F::Loading, F::Stale], &[C::Connection]).docs(
        "2.6.9",
        "O(1)",
        "Get the current connection name",
    ),
    row("client|getredir", 2, &[F::Noscript, F::Loading, F::Stale], &[C::Connection]).docs(
        "6.0.0",
        "O(1)",
        "Get tracking notifications redirection client ID if any",
    ),
    row("client|help", 2, &[F::Loading, F::Stale], &[C::Connection]).docs(
        "5.0.0",
        "O(1)",
        "Show helpful text about the different subcommands",
    ),
    row("client|id", 2, &[F::Noscript, F::Loading, F::Stale], &[C::Connection]).docs(
        "5.0.0",
        "O(1)",
        "Returns the client ID for the current connection",
    ),
    row("client|info", 2, &[F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .tips(&["nondeterministic_output"])
        .docs("6.2.0", "O(1)", "Returns information about the current client connection."),
    row("client|kill", -3, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .docs(
            "2.4.0",
            "O(N) where N is the number of client connections",
            "Kill the connection of a client",
        )
        .history(&[
            ("2.8.12", "Added new filter format."),
            ("2.8.12", "`ID` option."),
            ("3.2.0", "Added `master` type in for `TYPE` option."),
            (
                "5.0.0",
                "Replaced `slave` `TYPE` with `replica`. `slave` still supported for \
             backward compatibility.",
            ),
            ("6.2.0", "`LADDR` option."),
        ])
        .arguments(&[one_of(
            "filter",
            &[
                string("ip:port").deprecated_since("2.8.12"),
                one_of(
                    "new-format",
                    &[
                        integer("client-id").token("ID").since("2.8.12").optional(),
                        one_of(
                            "normal_master_slave_pubsub",
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
                        string("ip:port").token("ADDR").optional(),
                        string("ip:port").token("LADDR").since("6.2.0").optional(),
                        string("yes/no").token("SKIPME").optional(),
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
            "Get the list of client connections",
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
                "normal_master_replica_pubsub",
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
            block("id", &[integer("client-id").multiple()]).token("ID").since("6.2.0").optional(),
        ]),
    row("client|no-evict", 3, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .docs("7.0.0", "O(1)", "Set client eviction mode for the current connection")
        .arguments(&[one_of("enabled", &[token("on", "ON"), token("off", "OFF")])]),
    row("client|no-touch", 3, &[F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .docs(
            "7.2.0",
            "O(1)",
            "Control whether commands sent by the client alter the LRU/LFU of the keys \
             they access",
        )
        .arguments(&[one_of("enabled", &[token("on", "ON"), token("off", "OFF")])]),
    row("client|pause", -3, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .docs("3.0.0", "O(1)", "Stop processing commands from clients for some time")
        .history(&[("6.2.0", "`CLIENT PAUSE WRITE` mode added along with the `mode` option.")])
        .arguments(&[
            integer("timeout"),
            one_of("mode", &[token("write", "WRITE"), token("all", "ALL")])
                .since("6.2.0")
                .optional(),
        ]),
    row("client|reply", 3, &[F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .docs("3.2.0", "O(1)", "Instruct the server whether to reply to commands")
        .arguments(&[one_of(
            "on_off_skip",
            &[token("on", "ON"), token("off", "OFF"), token("skip", "SKIP")],
        )]),
    row("client|setinfo", 4, &[F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs("7.2.0", "O(1)", "Set information specific to the client or connection")
        .arguments(&[one_of(
            "attr",
            &[string("libname").token("LIB-NAME"), string("libver").token("LIB-VER")],
        )]),
    row("client|setname", 3, &[F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
        .docs("2.6.9", "O(1)", "Set the current connection name")
        .arguments(&[string("connection-name")]),
    row("client|tracking", -3, &[F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .docs(
            "6.0.0",
            "O(1). Some options may introduce additional complexity.",
            "Enable or disable server assisted client side caching support",
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
        "Return information about server assisted client side caching for the \
             current connection",
    ),
    row("client|unblock", -3, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .docs(
            "5.0.0",
            "O(log N) where N is the number of client connections",
            "Unblock a client blocked in a blocking command from a different connection",
        )
        .arguments(&[
            integer("client-id"),
            one_of("timeout_error", &[token("timeout", "TIMEOUT"), token("error", "ERROR")])
                .optional(),
        ]),
    row("client|unpause", 2, &[F::Admin, F::Noscript, F::Loading, F::Stale], &[C::Connection])
        .docs(
            "6.2.0",
            "O(N) Where N is the number of paused clients",
            "Resume processing of clients that were paused",
        ),
    row("echo", 2, &[F::Loading, F::Stale, F::Fast], &[C::Connection])
        .docs("1.0.0", "O(1)", "Echo the given string")
        .arguments(&[string("message")]),
    row(
        "hello",
        -1,
        &[F::Noscript, F::Loading, F::Stale, F::Fast, F::NoAuth, F::AllowBusy],
        &[C::Connection],
    )
    .docs("6.0.0", "O(1)", "Handshake with Redis")
    .history(&[(
        "6.2.0",
        "`protover` made optional; when called without arguments the command \
             reports the current connection's context.",
    )])
    .arguments(&[block(
        "arguments",
        &[
            integer("protover"),
            block("username_password", &[string("username"), string("password")])
                .token("AUTH")
                .optional(),
            string("clientname").token("SETNAME").optional(),
        ],
    )
    .optional()]),
    row("ping", -1, &[F::Fast], &[C::Connection])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .docs("1.0.0", "O(1)", "Ping the server")
        .arguments(&[string("message").optional()]),
    row(
        "quit",
        -1,
        &[F::Noscript, F::Loading, F::Stale, F::Fast, F::NoAuth, F::AllowBusy],
        &[C::Connection],
    )
    .docs("1.0.0", "O(1)", "Close the connection")
    .deprecated("7.2.0", "just closing the connection"),
    row(
        "reset",
        1,
        &[F::Noscript, F::Loading, F::Stale, F::Fast, F::NoAuth, F::AllowBusy],
        &[C::Connection],
    )
    .docs("6.2.0", "O(1)", "Reset the connection"),
    row("select", 2, &[F::Loading, F::Stale, F::Fast], &[C::Connection])
        .docs("1.0.0", "O(1)", "Change the selected database for the current connection")
        .arguments(&[integer("index")]),
];
