//! ACL: users and their rules, and what was denied.

use base::number::format_double;
use catalog::{COMMANDS as CATALOG, Category};
use rustix::rand::{GetRandomFlags, getrandom};
use tracing::warn;
use wire::resp::reply::{ErrorReply, ReplyWriter};

use super::args::wrong_form;
use super::table::Binding;
use super::{Args, CmdResult, Handler, NodeTurn, Stop, Turn};
use crate::access::{self, Entry, User};

pub(crate) const COMMANDS: &[Binding] = &[
    ("acl|cat", Handler::Data(cat)),
    ("acl|deluser", Handler::Node(deluser)),
    ("acl|dryrun", Handler::Node(dryrun)),
    ("acl|genpass", Handler::Data(genpass)),
    ("acl|getuser", Handler::Node(getuser)),
    ("acl|list", Handler::Node(list)),
    ("acl|load", Handler::Node(load)),
    ("acl|log", Handler::Node(log)),
    ("acl|save", Handler::Node(save)),
    ("acl|setuser", Handler::Node(setuser)),
    ("acl|users", Handler::Node(users)),
    ("acl|whoami", Handler::Data(whoami)),
];

/// Bits of a password that GENPASS makes.
const PASSWORD_BITS: i64 = 256;
const PASSWORD_BITS_MAX: i64 = 4096;
/// Entries that LOG shows when it is not told how many.
const LOG_ENTRIES: i64 = 10;

const NO_FILE: ErrorReply = ErrorReply::new(
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL \
     SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order \
     to store users in the Redis configuration.",
);

fn error(text: String) -> Stop {
    Stop::Error(text.into())
}

fn whoami(cx: &mut Turn<'_>, _: &Args<'_>) -> CmdResult {
    cx.reply.bulk(cx.session.user.name());
    Ok(())
}

fn users(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    let users = cx.node.access.users();
    cx.turn.reply.array(users.len());
    users.for_each(|user| cx.turn.reply.bulk(user.name()));
    Ok(())
}

fn list(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    cx.turn.reply.array(cx.node.access.users().len());
    cx.node.access.lines().for_each(|line| cx.turn.reply.bulk(&line));
    Ok(())
}

fn setuser(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let name = args.key(2);
    if access::has_gaps(name) {
        let text = "ERR Usernames can't contain spaces or null characters";
        return Err(ErrorReply::new(text).into());
    }
    let user = cx.node.access.changed_user(name, &args.from(3));
    let user = user.map_err(|refusal| error(format!("ERR {refusal}")))?;
    cx.replace_user(user);
    cx.turn.reply.ok();
    Ok(())
}

fn deluser(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    if args.iter_from(2).any(|name| name == access::DEFAULT_USER) {
        return Err(ErrorReply::new("ERR The 'default' user cannot be removed").into());
    }
    let removed = args.iter_from(2).filter(|name| cx.remove_user(name)).count();
    cx.turn.reply.count(removed);
    Ok(())
}

fn getuser(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let reply = &mut cx.turn.reply;
    let Some(user) = cx.node.access.user(args.key(2)) else {
        reply.null();
        return Ok(());
    };
    reply.map(6);
    reply.bulk(b"flags");
    reply.set(user.flags().count());
    user.flags().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"passwords");
    let hashes = user.password_hashes();
    reply.array(hashes.len());
    hashes.for_each(|hash| reply.bulk(hash.as_bytes()));
    write_selectors(reply, user);
    Ok(())
}

/// The rules of the root selector, and then those of the others in a list.
fn write_selectors(reply: &mut ReplyWriter<'_>, user: &User) {
    let rules = user.selector_rules();
    let others = rules.len() - 1;
    for (at, (commands, keys, channels)) in rules.enumerate() {
        if at > 0 {
            reply.map(3);
        }
        let fields: [(&str, &[u8]); 3] =
            [("commands", commands.as_bytes()), ("keys", &keys), ("channels", &channels)];
        for (name, value) in fields {
            reply.bulk(name.as_bytes());
            reply.bulk(value);
        }
        if at == 0 {
            reply.bulk(b"selectors");
            reply.array(others);
        }
    }
}

/// `ACL CAT [category]`
fn cat(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    match args.len() {
        2 => {
            cx.reply.array(Category::ALL.len());
            Category::ALL.iter().for_each(|category| cx.reply.bulk(category.name().as_bytes()));
        }
        3 => {
            let category = access::find_category(args.key(2)).ok_or_else(|| {
                let name = &args.key(2)[..args.key(2).len().min(128)];
                error(format!("ERR Unknown category '{}'", String::from_utf8_lossy(name)))
            })?;
            let members = CATALOG.iter().filter(|spec| spec.categories.contains(category));
            cx.reply.array(members.clone().count());
            members.for_each(|spec| cx.reply.bulk(spec.name.as_bytes()));
        }
        _ => return Err(wrong_form(args)),
    }
    Ok(())
}

/// `ACL GENPASS [bits]`
fn genpass(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let bits = match args.len() {
        2 => PASSWORD_BITS,
        3 => args.int(2)?,
        _ => return Err(wrong_form(args)),
    };
    if !(1..=PASSWORD_BITS_MAX).contains(&bits) {
        return Err(error(format!(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to \
             {PASSWORD_BITS_MAX}"
        )));
    }
    let digits = bits.unsigned_abs().div_ceil(4) as usize;
    let mut bytes = vec![0; digits.div_ceil(2)];
    let mut filled = 0;
    while filled < bytes.len() {
        filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty())
            .map_err(|problem| error(format!("ERR no random numbers: {problem}")))?;
    }
    cx.reply.bulk(&access::hex(&bytes).as_bytes()[..digits]);
    Ok(())
}

/// `ACL DRYRUN user command [arg ...]`
fn dryrun(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let name = |at: usize| String::from_utf8_lossy(args.key(at));
    let user = cx.node.access.user(args.key(2));
    let user = user.ok_or_else(|| error(format!("ERR User '{}' not found", name(2))))?;
    let inner = args.tail(3);
    let container = catalog::find(inner.key(0));
    let spec = match (container.filter(|spec| spec.is_container()), inner.get(1)) {
        (Some(container), Some(word)) => catalog::find_subcommand(container, word),
        (_, _) => container,
    };
    let spec = spec.ok_or_else(|| error(format!("ERR Command '{}' not found", name(3))))?;
    if !spec.accepts(inner.len()) {
        return Err(ErrorReply::wrong_arity(spec.name).into());
    }
    match access::check(user, spec, &inner) {
        Ok(()) => cx.turn.reply.ok(),
        Err(denial) => cx.turn.reply.bulk(&denial.detail(user, spec, &inner)),
    }
    Ok(())
}

/// `ACL LOG [count | RESET]`
fn log(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let count = match args.len() {
        2 => LOG_ENTRIES,
        3 if args.is(2, "RESET") => {
            cx.node.access.log.clear();
            cx.turn.reply.ok();
            return Ok(());
        }
        3 => args.int(2)?,
        _ => return Err(wrong_form(args)),
    };
    let count = usize::try_from(count).unwrap_or(0);
    let entries = cx.node.access.log.entries().take(count);
    cx.turn.reply.array(entries.len());
    for entry in entries {
        let age_ms = cx.node.now.0.saturating_sub(entry.incident.at.0);
        write_entry(&mut cx.turn.reply, entry, age_ms);
    }
    Ok(())
}

fn write_entry(reply: &mut ReplyWriter<'_>, entry: &Entry, age_ms: u64) {
    let incident = &entry.incident;
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    reply.map(10);
    reply.bulk(b"count");
    reply.integer(number(entry.count));
    let texts: [(&str, &[u8]); 4] = [
        ("reason", incident.reason.name().as_bytes()),
        ("context", incident.context.name().as_bytes()),
        ("object", &incident.object),
        ("username", &incident.username),
    ];
    for (name, text) in texts {
        reply.bulk(name.as_bytes());
        reply.bulk(text);
    }
    reply.bulk(b"age-seconds");
    reply.double_text(&format_double(age_ms as f64 / 1000.0));
    reply.bulk(b"client-info");
    reply.bulk(&incident.client);
    for (name, value) in [
        ("entry-id", entry.id),
        ("timestamp-created", entry.created_at.0),
        ("timestamp-last-updated", incident.at.0),
    ] {
        reply.bulk(name.as_bytes());
        reply.integer(number(value));
    }
}

fn load(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    let settings = cx.node.config.settings();
    if settings.aclfile.is_empty() {
        return Err(NO_FILE.into());
    }
    let users = access::file::load(settings, settings.acl_pubsub_opens);
    let users = users.map_err(|problems| error(format!("ERR {problems}")))?;
    cx.replace_all_users(users);
    cx.turn.reply.ok();
    Ok(())
}

fn save(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    let path = access::file::path(cx.node.config.settings()).ok_or(NO_FILE)?;
    if let Err(problem) = access::file::save(&path, cx.node.access.lines()) {
        warn!(path = %path.display(), error = %problem, "the aclfile was not written");
        return Err(ErrorReply::new(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
        )
        .into());
    }
    cx.turn.reply.ok();
    Ok(())
}
