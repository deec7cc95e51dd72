//! COMMAND: what the commands are, read from the catalog. Only those that are executed here are shown.

use catalog::{
    Argument, Begin, Category, CommandSpec, Find, Flag, KeyFlag, KeyFlags, KeySpec, KeysError,
};
use wire::resp::reply::{ErrorReply, ReplyWriter};

use super::table::{self, Binding};
use super::{Args, CmdResult, Handler, Stop, Turn};

pub(crate) const COMMANDS: &[Binding] = &[
    ("command", Handler::Data(command)),
    ("command|count", Handler::Data(count)),
    ("command|docs", Handler::Data(docs)),
    ("command|getkeys", Handler::Data(getkeys)),
    ("command|getkeysandflags", Handler::Data(getkeysandflags)),
    ("command|info", Handler::Data(info)),
    ("command|list", Handler::Data(list)),
];

/// Commands that are known here; containers but not their subcommands.
fn known() -> impl Iterator<Item = &'static CommandSpec> {
    catalog::COMMANDS.iter().filter(|spec| spec.container().is_none() && table::is_known(spec))
}

fn known_subcommands(spec: &CommandSpec) -> Vec<&'static CommandSpec> {
    spec.subcommands().iter().filter(|spec| table::is_known(spec)).collect()
}

/// By full name (`config|get`).
fn find_known(name: &[u8]) -> Option<&'static CommandSpec> {
    catalog::find_full(name).filter(|spec| table::is_known(spec))
}

fn command(cx: &mut Turn<'_>, _: &Args<'_>) -> CmdResult {
    let all: Vec<&CommandSpec> = known().collect();
    cx.reply.array(all.len());
    for spec in all {
        write_info(&mut cx.reply, spec);
    }
    Ok(())
}

fn count(cx: &mut Turn<'_>, _: &Args<'_>) -> CmdResult {
    cx.reply.count(known().count());
    Ok(())
}

fn info(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    if args.len() == 2 {
        return command(cx, args);
    }
    cx.reply.array(args.len() - 2);
    for name in args.iter_from(2) {
        match find_known(name) {
            Some(spec) => write_info(&mut cx.reply, spec),
            None => cx.reply.null(),
        }
    }
    Ok(())
}

fn write_info(reply: &mut ReplyWriter<'_>, spec: &CommandSpec) {
    let (first, last, step) = spec.range;
    reply.array(10);
    reply.bulk(spec.name.as_bytes());
    reply.integer(i64::from(spec.arity));
    reply.set(spec.flags.iter().count());
    spec.flags.iter().map(Flag::name).for_each(|name| reply.simple(name));
    for position in [first, last, step] {
        reply.integer(i64::from(position));
    }
    reply.set(spec.categories.iter().count());
    for name in spec.categories.iter().map(Category::name) {
        reply.simple(&format!("@{name}"));
    }
    reply.set(spec.tips.len());
    spec.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    reply.set(spec.keys.len());
    spec.keys.iter().for_each(|key| write_key_spec(reply, key));
    let subcommands = known_subcommands(spec);
    if spec.is_container() {
        reply.array(subcommands.len());
    } else {
        reply.set(0);
    }
    subcommands.into_iter().for_each(|spec| write_info(reply, spec));
}

fn write_key_spec(reply: &mut ReplyWriter<'_>, key: &KeySpec) {
    reply.map(if key.notes.is_empty() { 3 } else { 4 });
    if !key.notes.is_empty() {
        reply.bulk(b"notes");
        reply.bulk(key.notes.as_bytes());
    }
    reply.bulk(b"flags");
    write_key_flags(reply, key.flags);
    reply.bulk(b"begin_search");
    match key.begin {
        Begin::Index(index) => write_search(reply, "index", &[("index", index)], None),
        Begin::Keyword { word, from } => {
            write_search(reply, "keyword", &[("startfrom", from)], Some(("keyword", word)));
        }
        Begin::Unknown => write_search(reply, "unknown", &[], None),
    }
    reply.bulk(b"find_keys");
    match key.find {
        Find::Range { last, step, limit } => {
            let numbers = [("lastkey", last), ("keystep", step), ("limit", limit)];
            write_search(reply, "range", &numbers, None);
        }
        Find::KeyNum { count_at, first, step } => {
            let numbers = [("keynumidx", count_at), ("firstkey", first), ("keystep", step)];
            write_search(reply, "keynum", &numbers, None);
        }
        Find::Unknown => write_search(reply, "unknown", &[], None),
    }
}

/// `{type: kind, spec: {...}}`
fn write_search(
    reply: &mut ReplyWriter<'_>,
    kind: &str,
    numbers: &[(&str, i16)],
    text: Option<(&str, &str)>,
) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(numbers.len() + usize::from(text.is_some()));
    if let Some((name, value)) = text {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    for (name, value) in numbers {
        reply.bulk(name.as_bytes());
        reply.integer(i64::from(*value));
    }
}

fn write_key_flags(reply: &mut ReplyWriter<'_>, flags: KeyFlags) {
    reply.set(flags.iter().count());
    flags.iter().map(KeyFlag::name).for_each(|name| reply.simple(name));
}

fn docs(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let wanted: Vec<&CommandSpec> = if args.len() == 2 {
        known().collect()
    } else {
        args.iter_from(2).filter_map(find_known).collect()
    };
    cx.reply.map(wanted.len());
    for spec in wanted {
        write_docs(&mut cx.reply, spec);
    }
    Ok(())
}

/// The name and the map that belongs to it.
fn write_docs(reply: &mut ReplyWriter<'_>, spec: &CommandSpec) {
    let docs = &spec.docs;
    let subcommands = known_subcommands(spec);
    let fields = 3
        + usize::from(!docs.complexity.is_empty())
        + usize::from(docs.is_system || docs.deprecated.is_some())
        + 2 * usize::from(docs.deprecated.is_some())
        + usize::from(!docs.history.is_empty())
        + usize::from(!docs.arguments.is_empty())
        + usize::from(!subcommands.is_empty());
    reply.bulk(spec.name.as_bytes());
    reply.map(fields);
    write_text(reply, "summary", docs.summary);
    write_text(reply, "since", docs.since);
    write_text(reply, "group", spec.group.name());
    if !docs.complexity.is_empty() {
        write_text(reply, "complexity", docs.complexity);
    }
    if docs.is_system || docs.deprecated.is_some() {
        let flags = [(docs.deprecated.is_some(), "deprecated"), (docs.is_system, "syscmd")];
        reply.bulk(b"doc_flags");
        reply.set(flags.iter().filter(|(is_set, _)| *is_set).count());
        flags.iter().filter(|(is_set, _)| *is_set).for_each(|(_, name)| reply.simple(name));
    }
    if let Some((since, instead)) = docs.deprecated {
        write_text(reply, "deprecated_since", since);
        write_text(reply, "replaced_by", instead);
    }
    if !docs.history.is_empty() {
        reply.bulk(b"history");
        reply.set(docs.history.len());
        for (version, change) in docs.history {
            reply.array(2);
            reply.bulk(version.as_bytes());
            reply.bulk(change.as_bytes());
        }
    }
    if !docs.arguments.is_empty() {
        reply.bulk(b"arguments");
        write_arguments(reply, docs.arguments);
    }
    if !subcommands.is_empty() {
        reply.bulk(b"subcommands");
        reply.map(subcommands.len());
        subcommands.into_iter().for_each(|spec| write_docs(reply, spec));
    }
}

fn write_arguments(reply: &mut ReplyWriter<'_>, arguments: &[Argument]) {
    reply.array(arguments.len());
    for argument in arguments {
        let flags: Vec<&str> = [
            (argument.is_optional, "optional"),
            (argument.is_multiple, "multiple"),
            (argument.repeats_token, "multiple_token"),
        ]
        .iter()
        .filter(|(is_set, _)| *is_set)
        .map(|(_, name)| *name)
        .collect();
        // What a syntax line shows; a choice and a block are shown by what is in them.
        let shown = argument.display.unwrap_or(argument.name);
        let display = Some(shown).filter(|_| argument.arguments.is_empty());
        let texts = [
            ("display_text", display),
            ("token", argument.token),
            ("since", argument.since),
            ("deprecated_since", argument.deprecated_since),
        ];
        let fields = 2
            + usize::from(argument.key_spec.is_some())
            + texts.iter().filter(|(_, text)| text.is_some()).count()
            + usize::from(!flags.is_empty())
            + usize::from(!argument.arguments.is_empty());
        reply.map(fields);
        write_text(reply, "name", argument.name);
        write_text(reply, "type", argument.kind.name());
        if let Some(index) = argument.key_spec {
            reply.bulk(b"key_spec_index");
            reply.integer(i64::from(index));
        }
        for (name, text) in texts {
            if let Some(text) = text {
                write_text(reply, name, text);
            }
        }
        if !flags.is_empty() {
            reply.bulk(b"flags");
            reply.set(flags.len());
            flags.iter().for_each(|flag| reply.simple(flag));
        }
        if !argument.arguments.is_empty() {
            reply.bulk(b"arguments");
            write_arguments(reply, argument.arguments);
        }
    }
}

fn write_text(reply: &mut ReplyWriter<'_>, name: &str, text: &str) {
    reply.bulk(name.as_bytes());
    reply.bulk(text.as_bytes());
}

/// `COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN glob]`, subcommands included.
fn list(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let is_wanted: Box<dyn Fn(&CommandSpec) -> bool> = match args.len() {
        2 => Box::new(|_| true),
        5 if args.is(2, "FILTERBY") && args.is(3, "MODULE") => Box::new(|_| false),
        5 if args.is(2, "FILTERBY") && args.is(3, "ACLCAT") => {
            let named = |category: &Category| args.is(4, category.name());
            let category = Category::ALL.iter().copied().find(named);
            Box::new(move |spec| {
                category.is_some_and(|category| spec.categories.contains(category))
            })
        }
        5 if args.is(2, "FILTERBY") && args.is(3, "PATTERN") => {
            let pattern = args.key(4);
            Box::new(move |spec| base::glob::matches(pattern, spec.name.as_bytes(), true))
        }
        _ => return Err(ErrorReply::SYNTAX.into()),
    };
    let listed: Vec<&CommandSpec> =
        catalog::COMMANDS.iter().filter(|spec| table::is_known(spec) && is_wanted(spec)).collect();
    cx.reply.array(listed.len());
    for spec in listed {
        cx.reply.bulk(spec.name.as_bytes());
    }
    Ok(())
}

/// The command that stands behind COMMAND GETKEYS.
struct Inner<'a> {
    args: &'a Args<'a>,
}

impl catalog::Arguments for Inner<'_> {
    fn count(&self) -> usize {
        self.args.len() - 2
    }

    fn at(&self, index: usize) -> &[u8] {
        self.args.key(index + 2)
    }
}

/// Positions (in `args`) and uses of the keys of the inner command.
fn inner_keys(args: &Args<'_>) -> Result<Vec<(usize, KeyFlags)>, Stop> {
    let error = |text| Stop::Error(ErrorReply::new(text));
    let invalid = || error("ERR Invalid command specified");
    let mut spec = catalog::find(args.key(2)).filter(|spec| table::is_known(spec));
    if let (Some(container), Some(name)) = (spec.filter(|spec| spec.is_container()), args.get(3)) {
        spec = catalog::find_subcommand(container, name).filter(|spec| table::is_known(spec));
    }
    let spec = spec.ok_or_else(invalid)?;
    if spec.keys.iter().all(|key| key.flags.contains(KeyFlag::NotKey)) {
        return Err(error("ERR The command has no key arguments"));
    }
    if !spec.accepts(args.len() - 2) {
        return Err(error("ERR Invalid number of arguments specified for command"));
    }
    let mut keys = Vec::new();
    let found = catalog::keys(spec, &Inner { args }, |at, flags| keys.push((at + 2, flags)));
    if found == Err(KeysError) {
        keys.clear();
    }
    if keys.is_empty() && !spec.has(Flag::NoMandatoryKeys) {
        return Err(error("ERR Invalid arguments specified for command"));
    }
    Ok(keys)
}

fn getkeys(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let keys = inner_keys(args)?;
    cx.reply.array(keys.len());
    for (at, _) in keys {
        cx.reply.bulk(args.key(at));
    }
    Ok(())
}

fn getkeysandflags(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let keys = inner_keys(args)?;
    cx.reply.array(keys.len());
    for (at, flags) in keys {
        cx.reply.array(2);
        cx.reply.bulk(args.key(at));
        write_key_flags(&mut cx.reply, flags);
    }
    Ok(())
}
