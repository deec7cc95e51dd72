//! table: the commands of the group "string".

use crate::row::{
    ONE, at, block, double, integer, key, one_of, row, string, token, unix_time, up_to,
};
use crate::spec::{Category as C, CommandSpec, Flag as F, KeyFlag as K};

pub(super) const ROWS: &[CommandSpec] = &[
    row("append", 3, &[F::Write, F::Denyoom, F::Fast], &[C::String])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Insert])])
        .docs(
            "2.0.0",
            "O(1). The amortized time complexity is O(1) assuming the appended value is \
             small and the already present value is of any size, since the dynamic string \
             library used by Redis will double the free space available on every \
             reallocation.",
            "Appends a string to the value of a key. Creates the key if it doesn't exist.",
        )
        .arguments(&[key("key", 0), string("value")]),
    row("decr", 2, &[F::Write, F::Denyoom, F::Fast], &[C::String])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Update])])
        .docs(
            "1.0.0",
            "O(1)",
            "Decrements the integer value of a key by one. Uses 0 as initial value if the \
             key doesn't exist.",
        )
        .arguments(&[key("key", 0)]),
    row("decrby", 3, &[F::Write, F::Denyoom, F::Fast], &[C::String])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Update])])
        .docs(
            "1.0.0",
            "O(1)",
            "Decrements a number from the integer value of a key. Uses 0 as initial value \
             if the key doesn't exist.",
        )
        .arguments(&[key("key", 0), integer("decrement")]),
    row("get", 2, &[F::Readonly, F::Fast], &[C::String])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs("1.0.0", "O(1)", "Returns the string value of a key.")
        .arguments(&[key("key", 0)]),
    row("getdel", 2, &[F::Write, F::Fast], &[C::String])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Delete])])
        .docs("6.2.0", "O(1)", "Returns the string value of a key after deleting the key.")
        .arguments(&[key("key", 0)]),
    row("getex", -2, &[F::Write, F::Fast], &[C::String])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Update])
            .notes("RW and UPDATE because it changes the TTL")])
        .docs(
            "6.2.0",
            "O(1)",
            "Returns the string value of a key after setting its expiration time.",
        )
        .arguments(&[
            key("key", 0),
            one_of(
                "expiration",
                &[
                    integer("seconds").token("EX"),
                    integer("milliseconds").token("PX"),
                    unix_time("unix-time-seconds").token("EXAT"),
                    unix_time("unix-time-milliseconds").token("PXAT"),
                    token("persist", "PERSIST"),
                ],
            )
            .optional(),
        ]),
    row("getrange", 4, &[F::Readonly], &[C::String])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "2.4.0",
            "O(N) where N is the length of the returned string. The complexity is \
             ultimately determined by the returned length, but because creating a \
             substring from an existing string is very cheap, it can be considered O(1) \
             for small strings.",
            "Returns a substring of the string stored at a key.",
        )
        .arguments(&[key("key", 0), integer("start"), integer("end")]),
    row("getset", 3, &[F::Write, F::Denyoom, F::Fast], &[C::String])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Update])])
        .docs(
            "1.0.0",
            "O(1)",
            "Returns the previous string value of a key after setting it to a new value.",
        )
        .deprecated("6.2.0", "`SET` with the `!GET` argument")
        .arguments(&[key("key", 0), string("value")]),
    row("incr", 2, &[F::Write, F::Denyoom, F::Fast], &[C::String])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Update])])
        .docs(
            "1.0.0",
            "O(1)",
            "Increments the integer value of a key by one. Uses 0 as initial value if the \
             key doesn't exist.",
        )
        .arguments(&[key("key", 0)]),
    row("incrby", 3, &[F::Write, F::Denyoom, F::Fast], &[C::String])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Update])])
        .docs(
            "1.0.0",
            "O(1)",
            "Increments the integer value of a key by a number. Uses 0 as initial value \
             if the key doesn't exist.",
        )
        .arguments(&[key("key", 0), integer("increment")]),
    row("incrbyfloat", 3, &[F::Write, F::Denyoom, F::Fast], &[C::String])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Update])])
        .docs(
            "2.6.0",
            "O(1)",
            "Increment the floating point value of a key by a number. Uses 0 as initial \
             value if the key doesn't exist.",
        )
        .arguments(&[key("key", 0), double("increment")]),
    row("lcs", -3, &[F::Readonly], &[C::String])
        .range(1, 2, 1)
        .keys(&[at(1, up_to(1, 1, 0), &[K::Ro, K::Access])])
        .docs(
            "7.0.0",
            "O(N*M) where N and M are the lengths of s1 and s2, respectively",
            "Finds the longest common substring.",
        )
        .arguments(&[
            key("key1", 0),
            key("key2", 0),
            token("len", "LEN").optional(),
            token("idx", "IDX").optional(),
            integer("min-match-len").token("MINMATCHLEN").optional(),
            token("withmatchlen", "WITHMATCHLEN").optional(),
        ]),
    row("mget", -2, &[F::Readonly, F::Fast], &[C::String])
        .range(1, -1, 1)
        .keys(&[at(1, up_to(-1, 1, 0), &[K::Ro, K::Access])])
        .tips(&["request_policy:multi_shard"])
        .docs(
            "1.0.0",
            "O(N) where N is the number of keys to retrieve.",
            "Atomically returns the string values of one or more keys.",
        )
        .arguments(&[key("key", 0).multiple()]),
    row("mset", -3, &[F::Write, F::Denyoom], &[C::String])
        .range(1, -1, 2)
        .keys(&[at(1, up_to(-1, 2, 0), &[K::Ow, K::Update])])
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"])
        .docs(
            "1.0.1",
            "O(N) where N is the number of keys to set.",
            "Atomically creates or modifies the string values of one or more keys.",
        )
        .arguments(&[block("data", &[key("key", 0), string("value")]).multiple()]),
    row("msetnx", -3, &[F::Write, F::Denyoom], &[C::String])
        .range(1, -1, 2)
        .keys(&[at(1, up_to(-1, 2, 0), &[K::Ow, K::Insert])])
        .docs(
            "1.0.1",
            "O(N) where N is the number of keys to set.",
            "Atomically modifies the string values of one or more keys only when all keys \
             don't exist.",
        )
        .arguments(&[block("data", &[key("key", 0), string("value")]).multiple()]),
    row("psetex", 4, &[F::Write, F::Denyoom], &[C::String])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ow, K::Update])])
        .docs(
            "2.6.0",
            "O(1)",
            "Sets both string value and expiration time in milliseconds of a key. The key \
             is created if it doesn't exist.",
        )
        .deprecated("2.6.12", "`SET` with the `PX` argument")
        .arguments(&[key("key", 0), integer("milliseconds"), string("value")]),
    row("set", -3, &[F::Write, F::Denyoom], &[C::String])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Update, K::VariableFlags])
            .notes("RW and ACCESS due to the optional `GET` argument")])
        .docs(
            "1.0.0",
            "O(1)",
            "Sets the string value of a key, ignoring its type. The key is created if it \
             doesn't exist.",
        )
        .history(&[
            ("2.6.12", "Added the `EX`, `PX`, `NX` and `XX` options."),
            ("6.0.0", "Added the `KEEPTTL` option."),
            ("6.2.0", "Added the `GET`, `EXAT` and `PXAT` option."),
            ("7.0.0", "Allowed the `NX` and `GET` options to be used together."),
        ])
        .arguments(&[
            key("key", 0),
            string("value"),
            one_of("condition", &[token("nx", "NX"), token("xx", "XX")]).since("2.6.12").optional(),
            token("get", "GET").since("6.2.0").optional(),
            one_of(
                "expiration",
                &[
                    integer("seconds").token("EX").since("2.6.12"),
                    integer("milliseconds").token("PX").since("2.6.12"),
                    unix_time("unix-time-seconds").token("EXAT").since("6.2.0"),
                    unix_time("unix-time-milliseconds").token("PXAT").since("6.2.0"),
                    token("keepttl", "KEEPTTL").since("6.0.0"),
                ],
            )
            .optional(),
        ]),
    row("setex", 4, &[F::Write, F::Denyoom], &[C::String])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ow, K::Update])])
        .docs(
            "2.0.0",
            "O(1)",
            "Sets the string value and expiration time of a key. Creates the key if it \
             doesn't exist.",
        )
        .deprecated("2.6.12", "`SET` with the `EX` argument")
        .arguments(&[key("key", 0), integer("seconds"), string("value")]),
    row("setnx", 3, &[F::Write, F::Denyoom, F::Fast], &[C::String])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ow, K::Insert])])
        .docs("1.0.0", "O(1)", "Set the string value of a key only when the key doesn't exist.")
        .deprecated("2.6.12", "`SET` with the `NX` argument")
        .arguments(&[key("key", 0), string("value")]),
    row("setrange", 4, &[F::Write, F::Denyoom], &[C::String])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Update])])
        .docs(
            "2.2.0",
            "O(1), not counting the time taken to copy the new string in place. Usually, \
             this string is very small so the amortized complexity is O(1). Otherwise, \
             complexity is O(M) with M being the length of the value argument.",
            "Overwrites a part of a string value with another by an offset. Creates the \
             key if it doesn't exist.",
        )
        .arguments(&[key("key", 0), integer("offset"), string("value")]),
    row("strlen", 2, &[F::Readonly, F::Fast], &[C::String])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro])])
        .docs("2.2.0", "O(1)", "Returns the length of a string value.")
        .arguments(&[key("key", 0)]),
    row("substr", 4, &[F::Readonly], &[C::String])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "1.0.0",
            "O(N) where N is the length of the returned string. The complexity is \
             ultimately determined by the returned length, but because creating a \
             substring from an existing string is very cheap, it can be considered O(1) \
             for small strings.",
            "Returns a substring from a string value.",
        )
        .deprecated("2.0.0", "`GETRANGE`")
        .arguments(&[key("key", 0), integer("start"), integer("end")]),
];
