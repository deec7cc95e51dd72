//! table: the commands of the group "hash".

use crate::row::{ONE, at, block, double, integer, key, pattern, row, string, token};
use crate::spec::{Category as C, CommandSpec, Flag as F, KeyFlag as K};

pub(super) const ROWS: &[CommandSpec] = &[
    row("hdel", -3, &[F::Write, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Delete])])
        .docs(
            "2.0.0",
            "O(N) where N is the number of fields to be removed.",
            "Delete one or more hash fields",
        )
        .history(&[("2.4.0", "Accepts multiple `field` arguments.")])
        .arguments(&[key("key", 0), string("field").multiple()]),
    row("hexists", 3, &[F::Readonly, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro])])
        .docs("2.0.0", "O(1)", "Determine if a hash field exists")
        .arguments(&[key("key", 0), string("field")]),
    row("hget", 3, &[F::Readonly, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs("2.0.0", "O(1)", "Get the value of a hash field")
        .arguments(&[key("key", 0), string("field")]),
    row("hgetall", 2, &[F::Readonly], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .tips(&["nondeterministic_output_order"])
        .docs(
            "2.0.0",
            "O(N) where N is the size of the hash.",
            "Get all the fields and values in a hash",
        )
        .arguments(&[key("key", 0)]),
    row("hincrby", 4, &[F::Write, F::Denyoom, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Update])])
        .docs("2.0.0", "O(1)", "Increment the integer value of a hash field by the given number")
        .arguments(&[key("key", 0), string("field"), integer("increment")]),
    row("hincrbyfloat", 4, &[F::Write, F::Denyoom, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Update])])
        .docs("2.6.0", "O(1)", "Increment the float value of a hash field by the given amount")
        .arguments(&[key("key", 0), string("field"), double("increment")]),
    row("hkeys", 2, &[F::Readonly], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .tips(&["nondeterministic_output_order"])
        .docs("2.0.0", "O(N) where N is the size of the hash.", "Get all the fields in a hash")
        .arguments(&[key("key", 0)]),
    row("hlen", 2, &[F::Readonly, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro])])
        .docs("2.0.0", "O(1)", "Get the number of fields in a hash")
        .arguments(&[key("key", 0)]),
    row("hmget", -3, &[F::Readonly, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "2.0.0",
            "O(N) where N is the number of fields being requested.",
            "Get the values of all the given hash fields",
        )
        .arguments(&[key("key", 0), string("field").multiple()]),
    row("hmset", -4, &[F::Write, F::Denyoom, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Update])])
        .docs(
            "2.0.0",
            "O(N) where N is the number of fields being set.",
            "Set multiple hash fields to multiple values",
        )
        .deprecated("4.0.0", "`HSET` with multiple field-value pairs")
        .arguments(&[
            key("key", 0),
            block("field_value", &[string("field"), string("value")]).multiple(),
        ]),
    row("hrandfield", -2, &[F::Readonly], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .tips(&["nondeterministic_output"])
        .docs(
            "6.2.0",
            "O(N) where N is the number of fields returned",
            "Get one or multiple random fields from a hash",
        )
        .arguments(&[
            key("key", 0),
            block("options", &[integer("count"), token("withvalues", "WITHVALUES").optional()])
                .optional(),
        ]),
    row("hscan", -3, &[F::Readonly], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .tips(&["nondeterministic_output"])
        .docs(
            "2.8.0",
            "O(1) for every call. O(N) for a complete iteration, including enough \
             command calls for the cursor to return back to 0. N is the number of \
             elements inside the collection.",
            "Incrementally iterate hash fields and associated values",
        )
        .arguments(&[
            key("key", 0),
            integer("cursor"),
            pattern("pattern").token("MATCH").optional(),
            integer("count").token("COUNT").optional(),
        ]),
    row("hset", -4, &[F::Write, F::Denyoom, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Update])])
        .docs(
            "2.0.0",
            "O(1) for each field/value pair added, so O(N) to add N field/value pairs \
             when the command is called with multiple field/value pairs.",
            "Set the string value of a hash field",
        )
        .history(&[("4.0.0", "Accepts multiple `field` and `value` arguments.")])
        .arguments(&[
            key("key", 0),
            block("field_value", &[string("field"), string("value")]).multiple(),
        ]),
    row("hsetnx", 4, &[F::Write, F::Denyoom, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Insert])])
        .docs("2.0.0", "O(1)", "Set the value of a hash field, only if the field does not exist")
        .arguments(&[key("key", 0), string("field"), string("value")]),
    row("hstrlen", 3, &[F::Readonly, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro])])
        .docs("3.2.0", "O(1)", "Get the length of the value of a hash field")
        .arguments(&[key("key", 0), string("field")]),
    row("hvals", 2, &[F::Readonly], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .tips(&["nondeterministic_output_order"])
        .docs("2.0.0", "O(N) where N is the size of the hash.", "Get all the values in a hash")
        .arguments(&[key("key", 0)]),
];
