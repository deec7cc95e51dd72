//! table: the commands of the group "transactions".

use crate::row::{at, key, row, up_to};
use crate::spec::{Category as C, CommandSpec, Flag as F, KeyFlag as K};

pub(super) const ROWS: &[CommandSpec] = &[
    row(
        "discard",
        1,
        &[F::Noscript, F::Loading, F::Stale, F::Fast, F::AllowBusy],
        &[C::Transaction],
    )
    .docs(
        "2.0.0",
        "O(N), when N is the number of queued commands",
        "Discard all commands issued after MULTI",
    ),
    row("exec", 1, &[F::Noscript, F::Loading, F::Stale, F::SkipSlowlog], &[C::Transaction]).docs(
        "1.2.0",
        "Depends on commands in the transaction",
        "Execute all commands issued after MULTI",
    ),
    row("multi", 1, &[F::Noscript, F::Loading, F::Stale, F::Fast, F::AllowBusy], &[C::Transaction])
        .docs("1.2.0", "O(1)", "Mark the start of a transaction block"),
    row(
        "unwatch",
        1,
        &[F::Noscript, F::Loading, F::Stale, F::Fast, F::AllowBusy],
        &[C::Transaction],
    )
    .docs("2.2.0", "O(1)", "Forget about all watched keys"),
    row(
        "watch",
        -2,
        &[F::Noscript, F::Loading, F::Stale, F::Fast, F::AllowBusy],
        &[C::Transaction],
    )
    .range(1, -1, 1)
    .keys(&[at(1, up_to(-1, 1, 0), &[K::Ro])])
    .docs(
        "2.2.0",
        "O(1) for every key.",
        "Watch the given keys to determine execution of the MULTI/EXEC block",
    )
    .arguments(&[key("key", 0).multiple()]),
];
