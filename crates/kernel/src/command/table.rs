//! Names to functions: every command file binds its names, and this table joins them with the catalog.

use std::sync::LazyLock;

use catalog::{COMMAND_COUNT, CommandId, CommandSpec};

use super::Handler;

/// What one command file binds: `("get", ...)`, `("client|list", ...)`.
pub(crate) type Binding = (&'static str, Handler);

/// All command files.
const FILES: &[&[Binding]] = &[
    super::client::COMMANDS,
    super::config::COMMANDS,
    super::connection::COMMANDS,
    super::describe::COMMANDS,
    super::help::COMMANDS,
    super::latency::COMMANDS,
    super::pubsub::COMMANDS,
    super::slowlog::COMMANDS,
];

static HANDLERS: LazyLock<[Option<Handler>; COMMAND_COUNT]> = LazyLock::new(|| {
    let mut handlers = [None; COMMAND_COUNT];
    for (name, handler) in FILES.iter().copied().flatten() {
        let spec = catalog::find_full(name.as_bytes()).expect("a bound name is in the catalog");
        let previous = handlers[spec.id.index()].replace(*handler);
        assert!(previous.is_none(), "{name} is bound twice");
    }
    handlers
});

/// The function of a command; `None` when this program does not execute it.
#[inline]
pub fn handler(id: CommandId) -> Option<Handler> {
    HANDLERS[id.index()]
}

/// Whether the command exists for a client: it, or one of its subcommands, is executed here.
pub fn is_known(spec: &CommandSpec) -> bool {
    handler(spec.id).is_some() || spec.subcommands().iter().any(|sub| handler(sub.id).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_name_is_in_the_catalog_once() {
        let bound = HANDLERS.iter().flatten().count();
        assert_eq!(bound, FILES.iter().map(|file| file.len()).sum::<usize>());
        let unbound: Vec<&str> = catalog::COMMANDS
            .iter()
            .filter(|spec| handler(spec.id).is_none() && !spec.is_container())
            .map(|spec| spec.name)
            .collect();
        println!("{bound} bound; {} not: {}", unbound.len(), unbound.join(" "));
    }
}
