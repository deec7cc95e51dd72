//! The table: one row a command, one file a group; a container is followed by its subcommands.

mod bitmap;
mod cluster;
mod connection;
mod generic;
mod geo;
mod hash;
mod hyperloglog;
mod list;
mod pubsub;
mod scripting;
mod server;
mod set;
mod sorted_set;
mod stream;
mod string;
mod transactions;

use crate::spec::{CommandId, CommandSpec, Group};

const GROUPS: &[(Group, &[CommandSpec])] = &[
    (Group::Bitmap, bitmap::ROWS),
    (Group::Cluster, cluster::ROWS),
    (Group::Connection, connection::ROWS),
    (Group::Generic, generic::ROWS),
    (Group::Geo, geo::ROWS),
    (Group::Hash, hash::ROWS),
    (Group::Hyperloglog, hyperloglog::ROWS),
    (Group::List, list::ROWS),
    (Group::Pubsub, pubsub::ROWS),
    (Group::Scripting, scripting::ROWS),
    (Group::Server, server::ROWS),
    (Group::Set, set::ROWS),
    (Group::SortedSet, sorted_set::ROWS),
    (Group::Stream, stream::ROWS),
    (Group::String, string::ROWS),
    (Group::Transactions, transactions::ROWS),
];

/// Commands and subcommands; one more than the greatest [`CommandId`].
pub const COMMAND_COUNT: usize = {
    let mut count = 0;
    let mut g = 0;
    while g < GROUPS.len() {
        count += GROUPS[g].1.len();
        g += 1;
    }
    count
};

/// Every command and subcommand, at the index of its id.
pub static COMMANDS: [CommandSpec; COMMAND_COUNT] = number(GROUPS);

/// Gives rows their ids and groups, and containers the range of the rows that follow them.
#[expect(clippy::large_stack_arrays, reason = "runs in the compiler only")]
const fn number(groups: &[(Group, &[CommandSpec])]) -> [CommandSpec; COMMAND_COUNT] {
    let mut all = [groups[0].1[0]; COMMAND_COUNT];
    let mut id = 0;
    let mut g = 0;
    while g < groups.len() {
        let (group, rows) = groups[g];
        let mut container = id;
        let mut r = 0;
        while r < rows.len() {
            let mut spec = rows[r];
            spec.id = CommandId(id as u16);
            spec.group = group;
            if is_subcommand(spec.name) {
                spec.parent = Some(all[container].id);
                all[container].subcommands.1 = id as u16 + 1;
            } else {
                container = id;
                spec.subcommands = (id as u16 + 1, id as u16 + 1);
            }
            all[id] = spec;
            id += 1;
            r += 1;
        }
        g += 1;
    }
    all
}

pub(crate) const fn is_subcommand(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        if bytes[i] == b'|' {
            return true;
        }
        i += 1;
    }
    false
}
