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
    .docs("2.0.0", "O(N), when N is the number of queued commands", "Discards a transaction."),
    row("exec", 1, &[F::Noscript, F::Loading, F::Stale, F::SkipSlowlog], &[C::Transaction]).docs(
        "1.2.0",
        "Depends on commands in the transaction",
        "Executes all commands in a transaction.",
    ),
    row("multi", 1, &[F::Noscript, F::Loading, F::Stale, F::Fast, F::AllowBusy], &[C::Transaction])
        .docs("1.2.0", "O(1)", "Starts a transaction."),
    row(
        "unwatch",
        1,
        &[F::Noscript, F::Loading, F::Stale, F::Fast, F::AllowBusy],
        &[C::Transaction],
    )
    .docs("2.2.0", "O(1)", "Forgets about watched keys of a transaction."),
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
        "Monitors changes to keys to determine the execution of a transaction.",
    )
    .arguments(&[key("key", 0).multiple()]),
];
