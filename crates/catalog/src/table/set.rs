//! table: the commands of the group "set".

use crate::row::{ONE, at, counted, integer, key, pattern, row, string, up_to};
use crate::spec::{Category as C, CommandSpec, Flag as F, KeyFlag as K};

pub(super) const ROWS: &[CommandSpec] = &[
    row("sadd", -3, &[F::Write, F::Denyoom, F::Fast], &[C::Set])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Insert])])
        .docs(
            "1.0.0",
            "O(1) for each element added, so O(N) to add N elements when the command is \
             called with multiple arguments.",
            "Adds one or more members to a set. Creates the key if it doesn't exist.",
        )
        .history(&[("2.4.0", "Accepts multiple `member` arguments.")])
        .arguments(&[key("key", 0), string("member").multiple()]),
    row("scard", 2, &[F::Readonly, F::Fast], &[C::Set])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro])])
        .docs("1.0.0", "O(1)", "Returns the number of members in a set.")
        .arguments(&[key("key", 0)]),
    row("sdiff", -2, &[F::Readonly], &[C::Set])
        .range(1, -1, 1)
        .keys(&[at(1, up_to(-1, 1, 0), &[K::Ro, K::Access])])
        .tips(&["nondeterministic_output_order"])
        .docs(
            "1.0.0",
            "O(N) where N is the total number of elements in all given sets.",
            "Returns the difference of multiple sets.",
        )
        .arguments(&[key("key", 0).multiple()]),
    row("sdiffstore", -3, &[F::Write, F::Denyoom], &[C::Set])
        .range(1, -1, 1)
        .keys(&[at(1, ONE, &[K::Ow, K::Update]), at(2, up_to(-1, 1, 0), &[K::Ro, K::Access])])
        .docs(
            "1.0.0",
            "O(N) where N is the total number of elements in all given sets.",
            "Stores the difference of multiple sets in a key.",
        )
        .arguments(&[key("destination", 0), key("key", 1).multiple()]),
    row("sinter", -2, &[F::Readonly], &[C::Set])
        .range(1, -1, 1)
        .keys(&[at(1, up_to(-1, 1, 0), &[K::Ro, K::Access])])
        .tips(&["nondeterministic_output_order"])
        .docs(
            "1.0.0",
            "O(N*M) worst case where N is the cardinality of the smallest set and M is \
             the number of sets.",
            "Returns the intersect of multiple sets.",
        )
        .arguments(&[key("key", 0).multiple()]),
    row("sintercard", -3, &[F::Readonly, F::MovableKeys], &[C::Set])
        .keys(&[at(1, counted(0, 1, 1), &[K::Ro, K::Access])])
        .docs(
            "7.0.0",
            "O(N*M) worst case where N is the cardinality of the smallest set and M is \
             the number of sets.",
            "Returns the number of members of the intersect of multiple sets.",
        )
        .arguments(&[
            integer("numkeys"),
            key("key", 0).multiple(),
            integer("limit").token("LIMIT").optional(),
        ]),
    row("sinterstore", -3, &[F::Write, F::Denyoom], &[C::Set])
        .range(1, -1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Update]), at(2, up_to(-1, 1, 0), &[K::Ro, K::Access])])
        .docs(
            "1.0.0",
            "O(N*M) worst case where N is the cardinality of the smallest set and M is \
             the number of sets.",
            "Stores the intersect of multiple sets in a key.",
        )
        .arguments(&[key("destination", 0), key("key", 1).multiple()]),
    row("sismember", 3, &[F::Readonly, F::Fast], &[C::Set])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro])])
        .docs("1.0.0", "O(1)", "Determines whether a member belongs to a set.")
        .arguments(&[key("key", 0), string("member")]),
    row("smembers", 2, &[F::Readonly], &[C::Set])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .tips(&["nondeterministic_output_order"])
        .docs("1.0.0", "O(N) where N is the set cardinality.", "Returns all members of a set.")
        .arguments(&[key("key", 0)]),
    row("smismember", -3, &[F::Readonly, F::Fast], &[C::Set])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "6.2.0",
            "O(N) where N is the number of elements being checked for membership",
            "Determines whether multiple members belong to a set.",
        )
        .arguments(&[key("key", 0), string("member").multiple()]),
    row("smove", 4, &[F::Write, F::Fast], &[C::Set])
        .range(1, 2, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Delete]), at(2, ONE, &[K::Rw, K::Insert])])
        .docs("1.0.0", "O(1)", "Moves a member from one set to another.")
        .arguments(&[key("source", 0), key("destination", 1), string("member")]),
    row("spop", -2, &[F::Write, F::Fast], &[C::Set])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Delete])])
        .tips(&["nondeterministic_output"])
        .docs(
            "1.0.0",
            "Without the count argument O(1), otherwise O(N) where N is the value of the \
             passed count.",
            "Returns one or more random members from a set after removing them. Deletes \
             the set if the last member was popped.",
        )
        .history(&[("3.2.0", "Added the `count` argument.")])
        .arguments(&[key("key", 0), integer("count").since("3.2.0").optional()]),
    row("srandmember", -2, &[F::Readonly], &[C::Set])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .tips(&["nondeterministic_output"])
        .docs(
            "1.0.0",
            "Without the count argument O(1), otherwise O(N) where N is the absolute \
             value of the passed count.",
            "Get one or multiple random members from a set",
        )
        .history(&[("2.6.0", "Added the optional `count` argument.")])
        .arguments(&[key("key", 0), integer("count").since("2.6.0").optional()]),
    row("srem", -3, &[F::Write, F::Fast], &[C::Set])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Delete])])
        .docs(
            "1.0.0",
            "O(N) where N is the number of members to be removed.",
            "Removes one or more members from a set. Deletes the set if the last member \
             was removed.",
        )
        .history(&[("2.4.0", "Accepts multiple `member` arguments.")])
        .arguments(&[key("key", 0), string("member").multiple()]),
    row("sscan", -3, &[F::Readonly], &[C::Set])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .tips(&["nondeterministic_output"])
        .docs(
            "2.8.0",
            "O(1) for every call. O(N) for a complete iteration, including enough command \
             calls for the cursor to return back to 0. N is the number of elements inside \
             the collection.",
            "Iterates over members of a set.",
        )
        .arguments(&[
            key("key", 0),
            integer("cursor"),
            pattern("pattern").token("MATCH").optional(),
            integer("count").token("COUNT").optional(),
        ]),
    row("sunion", -2, &[F::Readonly], &[C::Set])
        .range(1, -1, 1)
        .keys(&[at(1, up_to(-1, 1, 0), &[K::Ro, K::Access])])
        .tips(&["nondeterministic_output_order"])
        .docs(
            "1.0.0",
            "O(N) where N is the total number of elements in all given sets.",
            "Returns the union of multiple sets.",
        )
        .arguments(&[key("key", 0).multiple()]),
    row("sunionstore", -3, &[F::Write, F::Denyoom], &[C::Set])
        .range(1, -1, 1)
        .keys(&[at(1, ONE, &[K::Ow, K::Update]), at(2, up_to(-1, 1, 0), &[K::Ro, K::Access])])
        .docs(
            "1.0.0",
            "O(N) where N is the total number of elements in all given sets.",
            "Stores the union of multiple sets in a key.",
        )
        .arguments(&[key("destination", 0), key("key", 1).multiple()]),
];
