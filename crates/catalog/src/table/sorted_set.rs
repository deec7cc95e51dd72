//! table: the commands of the group "sorted-set".

use crate::row::{
    ONE, at, block, counted, double, integer, key, one_of, pattern, row, string, token, up_to,
};
use crate::spec::{Category as C, CommandSpec, Flag as F, KeyFlag as K};

pub(super) const ROWS: &[CommandSpec] = &[
    row("bzmpop", -5, &[F::Write, F::Blocking, F::MovableKeys], &[C::SortedSet])
        .keys(&[at(2, counted(0, 1, 1), &[K::Rw, K::Access, K::Delete])])
        .docs(
            "7.0.0",
            "O(K) + O(M*log(N)) where K is the number of provided keys, N being the \
             number of elements in the sorted set, and M being the number of elements \
             popped.",
            "Removes and returns a member by score from one or more sorted sets. Blocks \
             until a member is available otherwise. Deletes the sorted set if the last \
             element was popped.",
        )
        .arguments(&[
            double("timeout"),
            integer("numkeys"),
            key("key", 0).multiple(),
            one_of("where", &[token("min", "MIN"), token("max", "MAX")]),
            integer("count").token("COUNT").optional(),
        ]),
    row("bzpopmax", -3, &[F::Write, F::Blocking, F::Fast], &[C::SortedSet])
        .range(1, -2, 1)
        .keys(&[at(1, up_to(-2, 1, 0), &[K::Rw, K::Access, K::Delete])])
        .docs(
            "5.0.0",
            "O(log(N)) with N being the number of elements in the sorted set.",
            "Removes and returns the member with the highest score from one or more \
             sorted sets. Blocks until a member available otherwise.  Deletes the sorted \
             set if the last element was popped.",
        )
        .history(&[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")])
        .arguments(&[key("key", 0).multiple(), double("timeout")]),
    row("bzpopmin", -3, &[F::Write, F::Blocking, F::Fast], &[C::SortedSet])
        .range(1, -2, 1)
        .keys(&[at(1, up_to(-2, 1, 0), &[K::Rw, K::Access, K::Delete])])
        .docs(
            "5.0.0",
            "O(log(N)) with N being the number of elements in the sorted set.",
            "Removes and returns the member with the lowest score from one or more sorted \
             sets. Blocks until a member is available otherwise. Deletes the sorted set \
             if the last element was popped.",
        )
        .history(&[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")])
        .arguments(&[key("key", 0).multiple(), double("timeout")]),
    row("zadd", -4, &[F::Write, F::Denyoom, F::Fast], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Update])])
        .docs(
            "1.2.0",
            "O(log(N)) for each item added, where N is the number of elements in the \
             sorted set.",
            "Adds one or more members to a sorted set, or updates their scores. Creates \
             the key if it doesn't exist.",
        )
        .history(&[
            ("2.4.0", "Accepts multiple elements."),
            ("3.0.2", "Added the `XX`, `NX`, `CH` and `INCR` options."),
            ("6.2.0", "Added the `GT` and `LT` options."),
        ])
        .arguments(&[
            key("key", 0),
            one_of("condition", &[token("nx", "NX"), token("xx", "XX")]).since("3.0.2").optional(),
            one_of("comparison", &[token("gt", "GT"), token("lt", "LT")]).since("6.2.0").optional(),
            token("change", "CH").since("3.0.2").optional(),
            token("increment", "INCR").since("3.0.2").optional(),
            block("data", &[double("score"), string("member")]).multiple(),
        ]),
    row("zcard", 2, &[F::Readonly, F::Fast], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro])])
        .docs("1.2.0", "O(1)", "Returns the number of members in a sorted set.")
        .arguments(&[key("key", 0)]),
    row("zcount", 4, &[F::Readonly, F::Fast], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "2.0.0",
            "O(log(N)) with N being the number of elements in the sorted set.",
            "Returns the count of members in a sorted set that have scores within a range.",
        )
        .arguments(&[key("key", 0), double("min"), double("max")]),
    row("zdiff", -3, &[F::Readonly, F::MovableKeys], &[C::SortedSet])
        .keys(&[at(1, counted(0, 1, 1), &[K::Ro, K::Access])])
        .docs(
            "6.2.0",
            "O(L + (N-K)log(N)) worst case where L is the total number of elements in all \
             the sets, N is the size of the first set, and K is the size of the result \
             set.",
            "Returns the difference between multiple sorted sets.",
        )
        .arguments(&[
            integer("numkeys"),
            key("key", 0).multiple(),
            token("withscores", "WITHSCORES").optional(),
        ]),
    row("zdiffstore", -4, &[F::Write, F::Denyoom, F::MovableKeys], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ow, K::Update]), at(2, counted(0, 1, 1), &[K::Ro, K::Access])])
        .docs(
            "6.2.0",
            "O(L + (N-K)log(N)) worst case where L is the total number of elements in all \
             the sets, N is the size of the first set, and K is the size of the result \
             set.",
            "Stores the difference of multiple sorted sets in a key.",
        )
        .arguments(&[key("destination", 0), integer("numkeys"), key("key", 1).multiple()]),
    row("zincrby", 4, &[F::Write, F::Denyoom, F::Fast], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Update])])
        .docs(
            "1.2.0",
            "O(log(N)) where N is the number of elements in the sorted set.",
            "Increments the score of a member in a sorted set.",
        )
        .arguments(&[key("key", 0), integer("increment"), string("member")]),
    row("zinter", -3, &[F::Readonly, F::MovableKeys], &[C::SortedSet])
        .keys(&[at(1, counted(0, 1, 1), &[K::Ro, K::Access])])
        .docs(
            "6.2.0",
            "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K \
             being the number of input sorted sets and M being the number of elements in \
             the resulting sorted set.",
            "Returns the intersect of multiple sorted sets.",
        )
        .arguments(&[
            integer("numkeys"),
            key("key", 0).multiple(),
            integer("weight").token("WEIGHTS").optional().multiple(),
            one_of("aggregate", &[token("sum", "SUM"), token("min", "MIN"), token("max", "MAX")])
                .token("AGGREGATE")
                .optional(),
            token("withscores", "WITHSCORES").optional(),
        ]),
    row("zintercard", -3, &[F::Readonly, F::MovableKeys], &[C::SortedSet])
        .keys(&[at(1, counted(0, 1, 1), &[K::Ro, K::Access])])
        .docs(
            "7.0.0",
            "O(N*K) worst case with N being the smallest input sorted set, K being the \
             number of input sorted sets.",
            "Returns the number of members of the intersect of multiple sorted sets.",
        )
        .arguments(&[
            integer("numkeys"),
            key("key", 0).multiple(),
            integer("limit").token("LIMIT").optional(),
        ]),
    row("zinterstore", -4, &[F::Write, F::Denyoom, F::MovableKeys], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ow, K::Update]), at(2, counted(0, 1, 1), &[K::Ro, K::Access])])
        .docs(
            "2.0.0",
            "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K \
             being the number of input sorted sets and M being the number of elements in \
             the resulting sorted set.",
            "Stores the intersect of multiple sorted sets in a key.",
        )
        .arguments(&[
            key("destination", 0),
            integer("numkeys"),
            key("key", 1).multiple(),
            integer("weight").token("WEIGHTS").optional().multiple(),
            one_of("aggregate", &[token("sum", "SUM"), token("min", "MIN"), token("max", "MAX")])
                .token("AGGREGATE")
                .optional(),
        ]),
    row("zlexcount", 4, &[F::Readonly, F::Fast], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "2.8.9",
            "O(log(N)) with N being the number of elements in the sorted set.",
            "Returns the number of members in a sorted set within a lexicographical range.",
        )
        .arguments(&[key("key", 0), string("min"), string("max")]),
    row("zmpop", -4, &[F::Write, F::MovableKeys], &[C::SortedSet])
        .keys(&[at(1, counted(0, 1, 1), &[K::Rw, K::Access, K::Delete])])
        .docs(
            "7.0.0",
            "O(K) + O(M*log(N)) where K is the number of provided keys, N being the \
             number of elements in the sorted set, and M being the number of elements \
             popped.",
            "Returns the highest- or lowest-scoring members from one or more sorted sets \
             after removing them. Deletes the sorted set if the last member was popped.",
        )
        .arguments(&[
            integer("numkeys"),
            key("key", 0).multiple(),
            one_of("where", &[token("min", "MIN"), token("max", "MAX")]),
            integer("count").token("COUNT").optional(),
        ]),
    row("zmscore", -3, &[F::Readonly, F::Fast], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "6.2.0",
            "O(N) where N is the number of members being requested.",
            "Returns the score of one or more members in a sorted set.",
        )
        .arguments(&[key("key", 0), string("member").multiple()]),
    row("zpopmax", -2, &[F::Write, F::Fast], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Delete])])
        .docs(
            "5.0.0",
            "O(log(N)*M) with N being the number of elements in the sorted set, and M \
             being the number of elements popped.",
            "Returns the highest-scoring members from a sorted set after removing them. \
             Deletes the sorted set if the last member was popped.",
        )
        .arguments(&[key("key", 0), integer("count").optional()]),
    row("zpopmin", -2, &[F::Write, F::Fast], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Access, K::Delete])])
        .docs(
            "5.0.0",
            "O(log(N)*M) with N being the number of elements in the sorted set, and M \
             being the number of elements popped.",
            "Returns the lowest-scoring members from a sorted set after removing them. \
             Deletes the sorted set if the last member was popped.",
        )
        .arguments(&[key("key", 0), integer("count").optional()]),
    row("zrandmember", -2, &[F::Readonly], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .tips(&["nondeterministic_output"])
        .docs(
            "6.2.0",
            "O(N) where N is the number of members returned",
            "Returns one or more random members from a sorted set.",
        )
        .arguments(&[
            key("key", 0),
            block("options", &[integer("count"), token("withscores", "WITHSCORES").optional()])
                .optional(),
        ]),
    row("zrange", -4, &[F::Readonly], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "1.2.0",
            "O(log(N)+M) with N being the number of elements in the sorted set and M the \
             number of elements returned.",
            "Returns members in a sorted set within a range of indexes.",
        )
        .history(&[("6.2.0", "Added the `REV`, `BYSCORE`, `BYLEX` and `LIMIT` options.")])
        .arguments(&[
            key("key", 0),
            string("start"),
            string("stop"),
            one_of("sortby", &[token("byscore", "BYSCORE"), token("bylex", "BYLEX")])
                .since("6.2.0")
                .optional(),
            token("rev", "REV").since("6.2.0").optional(),
            block("limit", &[integer("offset"), integer("count")])
                .token("LIMIT")
                .since("6.2.0")
                .optional(),
            token("withscores", "WITHSCORES").optional(),
        ]),
    row("zrangebylex", -4, &[F::Readonly], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "2.8.9",
            "O(log(N)+M) with N being the number of elements in the sorted set and M the \
             number of elements being returned. If M is constant (e.g. always asking for \
             the first 10 elements with LIMIT), you can consider it O(log(N)).",
            "Returns members in a sorted set within a lexicographical range.",
        )
        .deprecated("6.2.0", "`ZRANGE` with the `BYLEX` argument")
        .arguments(&[
            key("key", 0),
            string("min"),
            string("max"),
            block("limit", &[integer("offset"), integer("count")]).token("LIMIT").optional(),
        ]),
    row("zrangebyscore", -4, &[F::Readonly], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "1.0.5",
            "O(log(N)+M) with N being the number of elements in the sorted set and M the \
             number of elements being returned. If M is constant (e.g. always asking for \
             the first 10 elements with LIMIT), you can consider it O(log(N)).",
            "Returns members in a sorted set within a range of scores.",
        )
        .history(&[("2.0.0", "Added the `WITHSCORES` modifier.")])
        .deprecated("6.2.0", "`ZRANGE` with the `BYSCORE` argument")
        .arguments(&[
            key("key", 0),
            double("min"),
            double("max"),
            token("withscores", "WITHSCORES").since("2.0.0").optional(),
            block("limit", &[integer("offset"), integer("count")]).token("LIMIT").optional(),
        ]),
    row("zrangestore", -5, &[F::Write, F::Denyoom], &[C::SortedSet])
        .range(1, 2, 1)
        .keys(&[at(1, ONE, &[K::Ow, K::Update]), at(2, ONE, &[K::Ro, K::Access])])
        .docs(
            "6.2.0",
            "O(log(N)+M) with N being the number of elements in the sorted set and M the \
             number of elements stored into the destination key.",
            "Stores a range of members from sorted set in a key.",
        )
        .arguments(&[
            key("dst", 0),
            key("src", 1),
            string("min"),
            string("max"),
            one_of("sortby", &[token("byscore", "BYSCORE"), token("bylex", "BYLEX")]).optional(),
            token("rev", "REV").optional(),
            block("limit", &[integer("offset"), integer("count")]).token("LIMIT").optional(),
        ]),
    row("zrank", -3, &[F::Readonly, F::Fast], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "2.0.0",
            "O(log(N))",
            "Returns the index of a member in a sorted set ordered by ascending scores.",
        )
        .history(&[("7.2.0", "Added the optional `WITHSCORE` argument.")])
        .arguments(&[key("key", 0), string("member"), token("withscore", "WITHSCORE").optional()]),
    row("zrem", -3, &[F::Write, F::Fast], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Delete])])
        .docs(
            "1.2.0",
            "O(M*log(N)) with N being the number of elements in the sorted set and M the \
             number of elements to be removed.",
            "Removes one or more members from a sorted set. Deletes the sorted set if all \
             members were removed.",
        )
        .history(&[("2.4.0", "Accepts multiple elements.")])
        .arguments(&[key("key", 0), string("member").multiple()]),
    row("zremrangebylex", 4, &[F::Write], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Delete])])
        .docs(
            "2.8.9",
            "O(log(N)+M) with N being the number of elements in the sorted set and M the \
             number of elements removed by the operation.",
            "Removes members in a sorted set within a lexicographical range. Deletes the \
             sorted set if all members were removed.",
        )
        .arguments(&[key("key", 0), string("min"), string("max")]),
    row("zremrangebyrank", 4, &[F::Write], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Delete])])
        .docs(
            "2.0.0",
            "O(log(N)+M) with N being the number of elements in the sorted set and M the \
             number of elements removed by the operation.",
            "Removes members in a sorted set within a range of indexes. Deletes the \
             sorted set if all members were removed.",
        )
        .arguments(&[key("key", 0), integer("start"), integer("stop")]),
    row("zremrangebyscore", 4, &[F::Write], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Delete])])
        .docs(
            "1.2.0",
            "O(log(N)+M) with N being the number of elements in the sorted set and M the \
             number of elements removed by the operation.",
            "Removes members in a sorted set within a range of scores. Deletes the sorted \
             set if all members were removed.",
        )
        .arguments(&[key("key", 0), double("min"), double("max")]),
    row("zrevrange", -4, &[F::Readonly], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "1.2.0",
            "O(log(N)+M) with N being the number of elements in the sorted set and M the \
             number of elements returned.",
            "Returns members in a sorted set within a range of indexes in reverse order.",
        )
        .deprecated("6.2.0", "`ZRANGE` with the `REV` argument")
        .arguments(&[
            key("key", 0),
            integer("start"),
            integer("stop"),
            token("withscores", "WITHSCORES").optional(),
        ]),
    row("zrevrangebylex", -4, &[F::Readonly], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "2.8.9",
            "O(log(N)+M) with N being the number of elements in the sorted set and M the \
             number of elements being returned. If M is constant (e.g. always asking for \
             the first 10 elements with LIMIT), you can consider it O(log(N)).",
            "Returns members in a sorted set within a lexicographical range in reverse order.",
        )
        .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments")
        .arguments(&[
            key("key", 0),
            string("max"),
            string("min"),
            block("limit", &[integer("offset"), integer("count")]).token("LIMIT").optional(),
        ]),
    row("zrevrangebyscore", -4, &[F::Readonly], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "2.2.0",
            "O(log(N)+M) with N being the number of elements in the sorted set and M the \
             number of elements being returned. If M is constant (e.g. always asking for \
             the first 10 elements with LIMIT), you can consider it O(log(N)).",
            "Returns members in a sorted set within a range of scores in reverse order.",
        )
        .history(&[("2.1.6", "`min` and `max` can be exclusive.")])
        .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments")
        .arguments(&[
            key("key", 0),
            double("max"),
            double("min"),
            token("withscores", "WITHSCORES").optional(),
            block("limit", &[integer("offset"), integer("count")]).token("LIMIT").optional(),
        ]),
    row("zrevrank", -3, &[F::Readonly, F::Fast], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs(
            "2.0.0",
            "O(log(N))",
            "Returns the index of a member in a sorted set ordered by descending scores.",
        )
        .history(&[("7.2.0", "Added the optional `WITHSCORE` argument.")])
        .arguments(&[key("key", 0), string("member"), token("withscore", "WITHSCORE").optional()]),
    row("zscan", -3, &[F::Readonly], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .tips(&["nondeterministic_output"])
        .docs(
            "2.8.0",
            "O(1) for every call. O(N) for a complete iteration, including enough command \
             calls for the cursor to return back to 0. N is the number of elements inside \
             the collection.",
            "Iterates over members and scores of a sorted set.",
        )
        .arguments(&[
            key("key", 0),
            integer("cursor"),
            pattern("pattern").token("MATCH").optional(),
            integer("count").token("COUNT").optional(),
        ]),
    row("zscore", 3, &[F::Readonly, F::Fast], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ro, K::Access])])
        .docs("1.2.0", "O(1)", "Returns the score of a member in a sorted set.")
        .arguments(&[key("key", 0), string("member")]),
    row("zunion", -3, &[F::Readonly, F::MovableKeys], &[C::SortedSet])
        .keys(&[at(1, counted(0, 1, 1), &[K::Ro, K::Access])])
        .docs(
            "6.2.0",
            "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, \
             and M being the number of elements in the resulting sorted set.",
            "Returns the union of multiple sorted sets.",
        )
        .arguments(&[
            integer("numkeys"),
            key("key", 0).multiple(),
            integer("weight").token("WEIGHTS").optional().multiple(),
            one_of("aggregate", &[token("sum", "SUM"), token("min", "MIN"), token("max", "MAX")])
                .token("AGGREGATE")
                .optional(),
            token("withscores", "WITHSCORES").optional(),
        ]),
    row("zunionstore", -4, &[F::Write, F::Denyoom, F::MovableKeys], &[C::SortedSet])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Ow, K::Update]), at(2, counted(0, 1, 1), &[K::Ro, K::Access])])
        .docs(
            "2.0.0",
            "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, \
             and M being the number of elements in the resulting sorted set.",
            "Stores the union of multiple sorted sets in a key.",
        )
        .arguments(&[
            key("destination", 0),
            integer("numkeys"),
            key("key", 1).multiple(),
            integer("weight").token("WEIGHTS").optional().multiple(),
            one_of("aggregate", &[token("sum", "SUM"), token("min", "MIN"), token("max", "MAX")])
                .token("AGGREGATE")
                .optional(),
        ]),
];
