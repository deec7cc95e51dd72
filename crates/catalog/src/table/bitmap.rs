//! table: the commands of the group "bitmap".

use crate::row::{ONE, at, block, integer, key, one_of, row, string, token, up_to};
use crate::spec::{Category as C, CommandSpec, Flag as F, KeyFlag as K};

pub(super) const ROWS: &[CommandSpec] = &[
    row("bitcount", -2, &[F::Readonly], &[C::Bitmap])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs("2.6.0", "O(N)", "Count set bits in a string")
        .history(&[("7.0.0", "Added the `BYTE|BIT` option.")])
        .arguments(&[
            key("key", 0),
            block(
                "index",
                &[
                    integer("start"),
                    integer("end"),
                    one_of("index_unit", &[token("byte", "BYTE"), token("bit", "BIT")])
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
            "Perform arbitrary bitfield integer operations on strings",
        )
        .arguments(&[
            key("key", 0),
            one_of(
                "operation",
                &[
                    block("encoding_offset", &[string("encoding"), integer("offset")]).token("GET"),
                    block(
                        "write",
                        &[
                            one_of(
                                "wrap_sat_fail",
                                &[
                                    token("wrap", "WRAP"),
                                    token("sat", "SAT"),
                                    token("fail", "FAIL"),
                                ],
                            )
                            .token("OVERFLOW")
                            .optional(),
                            one_of(
                                "write_operation",
                                &[
                                    block(
                                        "encoding_offset_value",
                                        &[string("encoding"), integer("offset"), integer("value")],
                                    )
                                    .token("SET"),
                                    block(
                                        "encoding_offset_increment",
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
            "Perform arbitrary bitfield integer operations on strings. Read-only \
             variant of BITFIELD",
        )
        .arguments(&[
            key("key", 0),
            block("encoding_offset", &[string("encoding"), integer("offset")])
                .token("GET")
                .optional()
                .multiple()
                .repeats_token(),
        ]),
    row("bitop", -4, &[F::Write, F::Denyoom], &[C::Bitmap])
        .range(2, -1, 1)
        .keys(&[at(2, ONE, &[K::Ow, K::Update]), at(3, up_to(-1, 1, 0), &[K::Ro, K::Access])])
        .docs("2.6.0", "O(N)", "Perform bitwise operations between strings")
        .arguments(&[string("operation"), key("destkey", 0), key("key", 1).multiple()]),
    row("bitpos", -3, &[F::Readonly], &[C::Bitmap])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs("2.8.7", "O(N)", "Find first bit set or clear in a string")
        .history(&[("7.0.0", "Added the `BYTE|BIT` option.")])
        .arguments(&[
            key("key", 0),
            integer("bit"),
            block(
                "index",
                &[
                    integer("start"),
                    block(
                        "end_index",
                        &[
                            integer("end"),
                            one_of("index_unit", &[token("byte", "BYTE"), token("bit", "BIT")])
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
        .docs("2.2.0", "O(1)", "Returns the bit value at offset in the string value stored at key")
        .arguments(&[key("key", 0), integer("offset")]),
    row("setbit", 4, &[F::Write, F::Denyoom], &[C::Bitmap])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Update])])
        .docs("2.2.0", "O(1)", "Sets or clears the bit at offset in the string value stored at key")
        .arguments(&[key("key", 0), integer("offset"), integer("value")]),
];
