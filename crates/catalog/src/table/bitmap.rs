//! table: the commands of the group "bitmap".

use crate::row::{ONE, at, block, integer, key, one_of, row, string, token, up_to};
use crate::spec::{Category as C, CommandSpec, Flag as F, KeyFlag as K};

pub(super) const ROWS: &[CommandSpec] = &[
    row("bitcount", -2, &[F::Readonly], &[C::Bitmap])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs("2.6.0", "O(N)", "Counts the number of set bits (population counting) in a string.")
        .history(&[("7.0.0", "Added the `BYTE|BIT` option.")])
        .arguments(&[
            key("key", 0),
            block(
                "range",
                &[
                    integer("start"),
                    integer("end"),
                    one_of("unit", &[token("byte", "BYTE"), token("bit", "BIT")])
                        .since("7.0.0")
                        .optional(),
                ],
            )
            .optional(),
        ]),
    row("bitfield", -2, &[F::Write, F::Denyoom], &[C::Bitmap])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Update, K::VariableFlags])
            .notes("This command allows both access and modification of the key")])
        .docs(
            "3.2.0",
            "O(1) for each subcommand specified",
            "Performs arbitrary bitfield integer operations on strings.",
        )
        .arguments(&[
            key("key", 0),
            one_of(
                "operation",
                &[
                    block("get-block", &[string("encoding"), integer("offset")]).token("GET"),
                    block(
                        "write",
                        &[
                            one_of(
                                "overflow-block",
                                &[
                                    token("wrap", "WRAP"),
                                    token("sat", "SAT"),
                                    token("fail", "FAIL"),
                                ],
                            )
                            .token("OVERFLOW")
                            .optional(),
                            one_of(
                                "write-operation",
                                &[
                                    block(
                                        "set-block",
                                        &[string("encoding"), integer("offset"), integer("value")],
                                    )
                                    .token("SET"),
                                    block(
                                        "incrby-block",
                                        &[
                                            string("encoding"),
                                            integer("offset"),
                                            integer("increment"),
                                        ],
                                    )
                                    .token("INCRBY"),
                                ],
                            ),
                        ],
                    ),
                ],
            )
            .optional()
            .multiple(),
        ]),
    row("bitfield_ro", -2, &[F::Readonly, F::Fast], &[C::Bitmap])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "6.0.0",
            "O(1) for each subcommand specified",
            "Performs arbitrary read-only bitfield integer operations on strings.",
        )
        .arguments(&[
            key("key", 0),
            block("get-block", &[string("encoding"), integer("offset")])
                .token("GET")
                .optional()
                .multiple()
                .repeats_token(),
        ]),
    row("bitop", -4, &[F::Write, F::Denyoom], &[C::Bitmap])
        .range(2, -1, 1)
        .keys(&[at(2, ONE, &[K::Ow, K::Update]), at(3, up_to(-1, 1, 0), &[K::Ro, K::Access])])
        .docs(
            "2.6.0",
            "O(N)",
            "Performs bitwise operations on multiple strings, and stores the result.",
        )
        .arguments(&[
            one_of(
                "operation",
                &[token("and", "AND"), token("or", "OR"), token("xor", "XOR"), token("not", "NOT")],
            ),
            key("destkey", 0),
            key("key", 1).multiple(),
        ]),
    row("bitpos", -3, &[F::Readonly], &[C::Bitmap])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs("2.8.7", "O(N)", "Finds the first set (1) or clear (0) bit in a string.")
        .history(&[("7.0.0", "Added the `BYTE|BIT` option.")])
        .arguments(&[
            key("key", 0),
            integer("bit"),
            block(
                "range",
                &[
                    integer("start"),
                    block(
                        "end-unit-block",
                        &[
                            integer("end"),
                            one_of("unit", &[token("byte", "BYTE"), token("bit", "BIT")])
                                .since("7.0.0")
                                .optional(),
                        ],
                    )
                    .optional(),
                ],
            )
            .optional(),
        ]),
    row("getbit", 3, &[F::Readonly, F::Fast], &[C::Bitmap])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs("2.2.0", "O(1)", "Returns a bit value by offset.")
        .arguments(&[key("key", 0), integer("offset")]),
    row("setbit", 4, &[F::Write, F::Denyoom], &[C::Bitmap])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Update])])
        .docs(
            "2.2.0",
            "O(1)",
            "Sets or clears the bit at offset of the string value. Creates the key if it \
             doesn't exist.",
        )
        .arguments(&[key("key", 0), integer("offset"), integer("value")]),
];
