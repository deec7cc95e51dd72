//! Names to functions: every command file binds its names, and this table joins them with the catalog.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use catalog::{COMMAND_COUNT, CommandId, CommandSpec};

use wire::resp::reply::ErrorReply;

use super::{Args, Handler};

/// What one command file binds: `("get", ...)`, `("client|list", ...)`.
pub(crate) type Binding = (&'static str, Handler);

/// All command files.
const FILES: &[&[Binding]] = &[
    super::absent::COMMANDS,
    super::acl::COMMANDS,
    super::bitmap::COMMANDS,
    super::client::COMMANDS,
    super::config::COMMANDS,
    super::connection::COMMANDS,
    super::debug::COMMANDS,
    super::describe::COMMANDS,
    super::dump::COMMANDS,
    super::expiry::COMMANDS,
    super::geo::COMMANDS,
    super::function::COMMANDS,
    super::hash::COMMANDS,
    super::help::COMMANDS,
    super::hyperloglog::COMMANDS,
    super::keys::COMMANDS,
    super::latency::COMMANDS,
    super::lcs::COMMANDS,
    super::list::COMMANDS,
    super::memory::COMMANDS,
    super::migrate::COMMANDS,
    crate::monitor::COMMANDS,
    super::object::COMMANDS,
    super::psync::COMMANDS,
    super::pubsub::COMMANDS,
    super::replication::COMMANDS,
    super::script::COMMANDS,
    super::server::COMMANDS,
    super::set::COMMANDS,
    super::slowlog::COMMANDS,
    super::sort::COMMANDS,
    super::stream::COMMANDS,
    super::string::COMMANDS,
    super::tracking::COMMANDS,
    super::transaction::COMMANDS,
    super::walk::COMMANDS,
    super::zset::COMMANDS,
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

/// What a client's words name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resolved {
    Known { spec: &'static CommandSpec, handler: Handler },
    UnknownCommand,
    UnknownSubcommand { container: &'static CommandSpec },
    WrongArity { spec: &'static CommandSpec },
}

/// Names that commands have instead of their own (`rename-command`).
#[derive(Debug, Default)]
struct Renames {
    /// In lower case.
    new: HashMap<Vec<u8>, &'static CommandSpec>,
    /// Commands whose own name means nothing any more.
    gone: Vec<CommandId>,
}

/// Of the process, like its log: there is one node a process, but in tests, and those rename nothing.
static RENAMES: OnceLock<Renames> = OnceLock::new();

/// Gives commands other names, or none (empty), for the life of the process; called before the first command.
/// `Err` is what is wrong with a pair.
pub(crate) fn rename(pairs: &[(String, String)]) -> Result<(), &'static str> {
    let mut renames = Renames::default();
    for (old, new) in pairs {
        let spec = catalog::find(old.as_bytes()).filter(|spec| is_known(spec));
        let spec = spec.filter(|spec| !renames.gone.contains(&spec.id));
        let spec = spec.ok_or("No such command in rename-command")?;
        renames.gone.push(spec.id);
        let name = new.to_ascii_lowercase().into_bytes();
        let is_taken = catalog::find(&name).is_some_and(|other| !renames.gone.contains(&other.id));
        if is_taken || renames.new.contains_key(&name) {
            return Err("Target command name already exists");
        }
        if !name.is_empty() {
            renames.new.insert(name, spec);
        }
    }
    if !renames.gone.is_empty() && RENAMES.set(renames).is_err() {
        return Err("the commands of this process have their names already");
    }
    Ok(())
}

impl Renames {
    #[cold]
    fn find(&self, name: &[u8]) -> Option<&'static CommandSpec> {
        if let Some(spec) = self.new.get(&name.to_ascii_lowercase()) {
            return Some(spec);
        }
        catalog::find(name).filter(|spec| !self.gone.contains(&spec.id))
    }
}

/// Finds the command that `args` name and checks their number.
#[inline]
pub(crate) fn resolve(args: &Args<'_>) -> Resolved {
    let found = match RENAMES.get() {
        None => catalog::find(args.key(0)),
        Some(renames) => renames.find(args.key(0)),
    };
    let Some(spec) = found else { return Resolved::UnknownCommand };
    let spec = if spec.is_container() && args.len() > 1 {
        match catalog::find_subcommand(spec, args.key(1)) {
            Some(subcommand) => subcommand,
            None if is_known(spec) => return Resolved::UnknownSubcommand { container: spec },
            None => return Resolved::UnknownCommand,
        }
    } else {
        spec
    };
    match handler(spec.id) {
        Some(handler) if spec.accepts(args.len()) => Resolved::Known { spec, handler },
        Some(_) => Resolved::WrongArity { spec },
        None if spec.is_container() && is_known(spec) => Resolved::WrongArity { spec },
        None => match spec.container() {
            Some(container) if is_known(container) => Resolved::UnknownSubcommand { container },
            _ => Resolved::UnknownCommand,
        },
    }
}

/// The error reply to words that name nothing.
pub(crate) fn unresolved(resolved: &Resolved, args: &Args<'_>) -> Option<ErrorReply> {
    match resolved {
        Resolved::Known { .. } => None,
        Resolved::UnknownCommand => Some(unknown_command(args)),
        Resolved::UnknownSubcommand { container } => {
            let name = String::from_utf8_lossy(cut(args.key(1), 128));
            let container = container.name.to_ascii_uppercase();
            Some(format!("ERR unknown subcommand '{name}'. Try {container} HELP.").into())
        }
        Resolved::WrongArity { spec } => Some(ErrorReply::wrong_arity(spec.name)),
    }
}

fn unknown_command(args: &Args<'_>) -> ErrorReply {
    use std::fmt::Write;
    let name = String::from_utf8_lossy(cut(args.key(0), 128));
    let mut text = format!("ERR unknown command '{name}', with args beginning with: ");
    let mut shown = 0;
    for arg in args.iter_from(1) {
        if shown >= 128 {
            break;
        }
        let arg = cut(arg, 128 - shown);
        shown += arg.len() + 3;
        write!(text, "'{}' ", String::from_utf8_lossy(arg)).expect("a string can be written to");
    }
    text.into()
}

/// At most `length` bytes, and none behind a NUL.
fn cut(text: &[u8], length: usize) -> &[u8] {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    &text[..text.len().min(length)]
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
