//! `<container> HELP`, written from the catalog: one entry for each subcommand that is executed here.

use catalog::{CommandSpec, Syntax};

use super::table::{self, Binding};
use super::{Args, CmdResult, Handler, Turn};

pub(crate) const COMMANDS: &[Binding] = &[
    ("acl|help", Handler::Data(help)),
    ("client|help", Handler::Data(help)),
    ("command|help", Handler::Data(help)),
    ("config|help", Handler::Data(help)),
    ("latency|help", Handler::Data(help)),
    ("memory|help", Handler::Data(help)),
    ("object|help", Handler::Data(help)),
    ("pubsub|help", Handler::Data(help)),
    ("slowlog|help", Handler::Data(help)),
];

/// HELP of the container that `args` name; command files of other containers bind it too.
pub(crate) fn help(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let container = catalog::find(args.key(0)).expect("resolved by this name");
    let lines = lines(container);
    cx.reply.array(lines.len());
    for line in &lines {
        cx.reply.simple(line);
    }
    Ok(())
}

fn lines(container: &CommandSpec) -> Vec<String> {
    let name = container.name.to_ascii_uppercase();
    let mut lines =
        vec![format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")];
    let is_bound = |spec: &&CommandSpec| table::handler(spec.id).is_some();
    let is_help = |spec: &CommandSpec| spec.short_name() == "help";
    for spec in container.subcommands().iter().filter(is_bound).filter(|spec| !is_help(spec)) {
        let syntax = format!("{} {}", spec.short_name().to_ascii_uppercase(), Syntax(spec));
        lines.push(syntax.trim_end().to_owned());
        lines.push(format!("    {}.", spec.docs.summary.trim_end_matches('.')));
    }
    lines.extend(["HELP".to_owned(), "    Print this help.".to_owned()]);
    lines
}
