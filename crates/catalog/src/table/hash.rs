//! table: the commands of the group "hash".

use crate::row::{ONE, at, block, double, integer, key, one_of, pattern, row, string, token};
use crate::spec::{Argument, Category as C, CommandSpec, Flag as F, KeyFlag as K};

const PER_FIELD: &str = "O(N) where N is the number of specified fields";
const CONDITION: Argument = one_of(
    "condition",
    &[token("nx", "NX"), token("xx", "XX"), token("gt", "GT"), token("lt", "LT")],
)
.optional();
const FIELDS: Argument =
    block("fields", &[integer("numfields"), string("field").multiple()]).token("FIELDS");

pub(super) const ROWS: &[CommandSpec] = &[
    row("hdel", -3, &[F::Write, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Delete])])
        .docs(
            "2.0.0",
            "O(N) where N is the number of fields to be removed.",
            "Deletes one or more fields and their values from a hash. Deletes the hash if \
             no fields remain.",
        )
        .history(&[("2.4.0", "Accepts multiple `field` arguments.")])
        .arguments(&[key("key", 0), string("field").multiple()]),
    row("hexists", 3, &[F::Readonly, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro])])
        .docs("2.0.0", "O(1)", "Determines whether a field exists in a hash.")
        .arguments(&[key("key", 0), string("field")]),
    row("hexpire", -6, &[F::Write, F::Denyoom, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Update])])
        .docs("7.4.0", PER_FIELD, "Let fields of a hash expire after seconds")
        .arguments(&[key("key", 0), integer("seconds"), CONDITION, FIELDS]),
    row("hexpireat", -6, &[F::Write, F::Denyoom, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Update])])
        .docs("7.4.0", PER_FIELD, "Let fields of a hash expire at a Unix time in seconds")
        .arguments(&[key("key", 0), integer("unix-time-seconds"), CONDITION, FIELDS]),
    row("hexpiretime", -5, &[F::Readonly, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs("7.4.0", PER_FIELD, "Tell when fields of a hash expire, as a Unix time in seconds")
        .arguments(&[key("key", 0), FIELDS]),
    row("hget", 3, &[F::Readonly, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs("2.0.0", "O(1)", "Returns the value of a field in a hash.")
        .arguments(&[key("key", 0), string("field")]),
    row("hgetall", 2, &[F::Readonly], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .tips(&["nondeterministic_output_order"])
        .docs(
            "2.0.0",
            "O(N) where N is the size of the hash.",
            "Returns all fields and values in a hash.",
        )
        .arguments(&[key("key", 0)]),
    row("hincrby", 4, &[F::Write, F::Denyoom, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Update])])
        .docs(
            "2.0.0",
            "O(1)",
            "Increments the integer value of a field in a hash by a number. Uses 0 as \
             initial value if the field doesn't exist.",
        )
        .arguments(&[key("key", 0), string("field"), integer("increment")]),
    row("hincrbyfloat", 4, &[F::Write, F::Denyoom, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Update])])
        .docs(
            "2.6.0",
            "O(1)",
            "Increments the floating point value of a field by a number. Uses 0 as \
             initial value if the field doesn't exist.",
        )
        .arguments(&[key("key", 0), string("field"), double("increment")]),
    row("hkeys", 2, &[F::Readonly], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .tips(&["nondeterministic_output_order"])
        .docs("2.0.0", "O(N) where N is the size of the hash.", "Returns all fields in a hash.")
        .arguments(&[key("key", 0)]),
    row("hlen", 2, &[F::Readonly, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro])])
        .docs("2.0.0", "O(1)", "Returns the number of fields in a hash.")
        .arguments(&[key("key", 0)]),
    row("hmget", -3, &[F::Readonly, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "2.0.0",
            "O(N) where N is the number of fields being requested.",
            "Returns the values of all fields in a hash.",
        )
        .arguments(&[key("key", 0), string("field").multiple()]),
    row("hmset", -4, &[F::Write, F::Denyoom, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Update])])
        .docs(
            "2.0.0",
            "O(N) where N is the number of fields being set.",
            "Sets the values of multiple fields.",
        )
        .deprecated("4.0.0", "`HSET` with multiple field-value pairs")
        .arguments(&[key("key", 0), block("data", &[string("field"), string("value")]).multiple()]),
    row("hpersist", -5, &[F::Write, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Update])])
        .docs("7.4.0", PER_FIELD, "Let fields of a hash expire no more")
        .arguments(&[key("key", 0), FIELDS]),
    row("hpexpire", -6, &[F::Write, F::Denyoom, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Update])])
        .docs("7.4.0", PER_FIELD, "Let fields of a hash expire after milliseconds")
        .arguments(&[key("key", 0), integer("milliseconds"), CONDITION, FIELDS]),
    row("hpexpireat", -6, &[F::Write, F::Denyoom, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Update])])
        .docs("7.4.0", PER_FIELD, "Let fields of a hash expire at a Unix time in milliseconds")
        .arguments(&[key("key", 0), integer("unix-time-milliseconds"), CONDITION, FIELDS]),
    row("hpexpiretime", -5, &[F::Readonly, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "7.4.0",
            PER_FIELD,
            "Tell when fields of a hash expire, as a Unix time in milliseconds",
        )
        .arguments(&[key("key", 0), FIELDS]),
    row("hpttl", -5, &[F::Readonly, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs("7.4.0", PER_FIELD, "Tell how many milliseconds fields of a hash have left")
        .arguments(&[key("key", 0), FIELDS]),
    row("hrandfield", -2, &[F::Readonly], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .tips(&["nondeterministic_output"])
        .docs(
            "6.2.0",
            "O(N) where N is the number of fields returned",
            "Returns one or more random fields from a hash.",
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
            "O(1) for every call. O(N) for a complete iteration, including enough command \
             calls for the cursor to return back to 0. N is the number of elements inside \
             the collection.",
            "Iterates over fields and values of a hash.",
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
            "Creates or modifies the value of a field in a hash.",
        )
        .history(&[("4.0.0", "Accepts multiple `field` and `value` arguments.")])
        .arguments(&[key("key", 0), block("data", &[string("field"), string("value")]).multiple()]),
    row("hsetnx", 4, &[F::Write, F::Denyoom, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Insert])])
        .docs(
            "2.0.0",
            "O(1)",
            "Sets the value of a field in a hash only when the field doesn't exist.",
        )
        .arguments(&[key("key", 0), string("field"), string("value")]),
    row("hstrlen", 3, &[F::Readonly, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro])])
        .docs("3.2.0", "O(1)", "Returns the length of the value of a field.")
        .arguments(&[key("key", 0), string("field")]),
    row("httl", -5, &[F::Readonly, F::Fast], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs("7.4.0", PER_FIELD, "Tell how many seconds fields of a hash have left")
        .arguments(&[key("key", 0), FIELDS]),
    row("hvals", 2, &[F::Readonly], &[C::Hash])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .tips(&["nondeterministic_output_order"])
        .docs("2.0.0", "O(N) where N is the size of the hash.", "Returns all values in a hash.")
        .arguments(&[key("key", 0)]),
];
