//! table: the commands of the group "hyperloglog".

use crate::row::{ONE, at, key, row, string, up_to};
use crate::spec::{Category as C, CommandSpec, Flag as F, KeyFlag as K};

pub(super) const ROWS: &[CommandSpec] = &[
    row("pfadd", -2, &[F::Write, F::Denyoom, F::Fast], &[C::Hyperloglog])
        .range(1, 1, 1)
        .keys(&[at(1, ONE, &[K::Rw, K::Insert])])
        .docs(
            "2.8.9",
            "O(1) to add every element.",
            "Adds elements to a HyperLogLog key. Creates the key if it doesn't exist.",
        )
        .arguments(&[key("key", 0), string("element").optional().multiple()]),
    row("pfcount", -2, &[F::Readonly], &[C::Hyperloglog])
        .range(1, -1, 1)
        .keys(&[at(1, up_to(-1, 1, 0), &[K::Rw, K::Access]).notes(
            "RW because it may change the internal representation of the key, and \
             propagate to replicas",
        )])
        .docs(
            "2.8.9",
            "O(1) with a very small average constant time when called with a single key. \
             O(N) with N being the number of keys, and much bigger constant times, when \
             called with multiple keys.",
            "Returns the approximated cardinality of the set(s) observed by the \
             HyperLogLog key(s).",
        )
        .arguments(&[key("key", 0).multiple()]),
    row("pfdebug", 3, &[F::Write, F::Denyoom, F::Admin], &[C::Hyperloglog])
        .range(2, 2, 1)
        .keys(&[at(2, ONE, &[K::Rw, K::Access])])
        .docs("2.8.9", "N/A", "Internal commands for debugging HyperLogLog values.")
        .system()
        .arguments(&[string("subcommand"), key("key", 0)]),
    row("pfmerge", -2, &[F::Write, F::Denyoom], &[C::Hyperloglog])
        .range(1, -1, 1)
        .keys(&[
            at(1, ONE, &[K::Rw, K::Access, K::Insert]),
            at(2, up_to(-1, 1, 0), &[K::Ro, K::Access]),
        ])
        .docs(
            "2.8.9",
            "O(N) to merge N HyperLogLogs, but with high constant times.",
            "Merges one or more HyperLogLog values into a single key.",
        )
        .arguments(&[key("destkey", 0), key("sourcekey", 1).optional().multiple()]),
    row("pfselftest", 1, &[F::Admin], &[C::Hyperloglog])
        .docs("2.8.9", "N/A", "An internal command for testing HyperLogLog values.")
        .system(),
];
