//! FCALL and FUNCTION.

use std::collections::BTreeSet;

use store::libraries::Libraries;
use wire::effect::Effect;
use wire::rdb::dump::{FunctionsError, open_functions};
use wire::rdb::save::Writer;
use wire::resp::reply::{ErrorReply, ReplyWriter};

use super::help::help;
use super::script::key_count;
use super::table::Binding;
use super::{Args, CmdResult, Handler, NodeTurn, Stop};
use crate::script::library::{CLIENT_TIME, Function, Functions, Header, Registered};
use crate::script::run::{Call, run};
use crate::script::{Kind, busy};
use crate::turn::monotonic_clock;

pub(crate) const COMMANDS: &[Binding] = &[
    ("fcall", Handler::Node(|cx, args| fcall(cx, args, false))),
    ("fcall_ro", Handler::Node(|cx, args| fcall(cx, args, true))),
    ("function|delete", Handler::Node(delete)),
    ("function|dump", Handler::Node(dump)),
    ("function|flush", Handler::Node(flush)),
    ("function|help", Handler::Data(help)),
    ("function|kill", Handler::Node(kill)),
    ("function|list", Handler::Node(list)),
    ("function|load", Handler::Node(load)),
    ("function|restore", Handler::Node(restore)),
    ("function|stats", Handler::Node(stats)),
];

fn error(text: impl AsRef<str>) -> Stop {
    Stop::Error(ErrorReply::from(format!("ERR {}", text.as_ref())))
}

/// The functions, as the data has them.
fn functions<'a>(cx: &'a mut NodeTurn<'_>) -> (&'a mut Functions, &'a Libraries) {
    let data = cx.turn.keys.store().libraries();
    let functions = &mut cx.node.scripts.functions;
    functions.follow(data, cx.turn.keys.store().graveyard());
    (functions, data)
}

fn fcall(cx: &mut NodeTurn<'_>, args: &Args<'_>, is_read_only: bool) -> CmdResult {
    let (functions, _) = functions(cx);
    let Some(Function { name, flags, function, .. }) = functions.find(args.key(1)).cloned() else {
        return Err(error("Function not found"));
    };
    let keys = key_count(args, ErrorReply::new("ERR Bad number of keys provided"))?;
    let name = String::from_utf8_lossy(&name);
    let (kind, flags) = (Kind::Function, Some(flags));
    let call = Call { kind, name: &name, function, flags, is_read_only, keys };
    let mut sandbox = cx.node.scripts.functions.take_sandbox();
    let result = run(cx, &mut sandbox, &call, args);
    cx.node.scripts.functions.sandbox = Some(sandbox);
    result
}

/// `FUNCTION LOAD [REPLACE] code`
fn load(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let last = args.len() - 1;
    for at in 2..last {
        if !args.is(at, "REPLACE") {
            let option = String::from_utf8_lossy(args.key(at));
            return Err(error(format!("Unknown option given: {option}")));
        }
    }
    let (code, is_replacing) = (args.key(last), last > 2);
    cx.turn.keys.check_room([code.len()].into_iter())?;
    let (functions, _) = functions(cx);
    let replaced = Header::of(code).ok().map(|header| header.name);
    let replaced = replaced.as_deref().filter(|_| is_replacing);
    let library = functions.prepare(code, replaced, CLIENT_TIME).map_err(error)?;
    let name = library.name.clone();
    functions.link(library);
    cx.turn.keys.apply(Effect::FunctionLoad { name: &name, code });
    cx.node.scripts.functions.follows(cx.turn.keys.store().libraries());
    cx.turn.reply.bulk(&name);
    Ok(())
}

fn delete(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let name = args.key(2);
    let (functions, data) = functions(cx);
    if data.get(name).is_none() {
        return Err(error("Library not found"));
    }
    functions.unlink(name);
    cx.turn.keys.apply(Effect::FunctionDelete { name });
    cx.node.scripts.functions.follows(cx.turn.keys.store().libraries());
    cx.turn.reply.ok();
    Ok(())
}

/// `FUNCTION FLUSH [ASYNC | SYNC]`
fn flush(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    if args.len() > 3 {
        return Err(super::args::wrong_form(args));
    }
    if args.len() == 3 && !args.is(2, "ASYNC") && !args.is(2, "SYNC") {
        return Err(error("FUNCTION FLUSH only supports SYNC|ASYNC option"));
    }
    cx.turn.keys.apply(Effect::FunctionFlush);
    functions(cx);
    cx.turn.reply.ok();
    Ok(())
}

fn dump(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    let mut writer = Writer::for_dump();
    for (_, code) in cx.turn.keys.store().libraries().iter() {
        writer.function(code);
    }
    cx.turn.reply.bulk(&writer.finish());
    Ok(())
}

/// What happens to the libraries that are there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    Append,
    Replace,
    Flush,
}

/// `FUNCTION RESTORE payload [APPEND | REPLACE | FLUSH]`
fn restore(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    if args.len() > 4 {
        return Err(super::args::wrong_form(args));
    }
    let policy = match args.get(3) {
        None => Policy::Append,
        Some(_) if args.is(3, "APPEND") => Policy::Append,
        Some(_) if args.is(3, "REPLACE") => Policy::Replace,
        Some(_) if args.is(3, "FLUSH") => Policy::Flush,
        Some(_) => {
            let text =
                "Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.";
            return Err(error(text));
        }
    };
    let codes = open_functions(args.key(2)).map_err(|why| {
        error(match why {
            FunctionsError::Seal => "DUMP payload version or checksum are wrong",
            FunctionsError::Before7 => "Pre-GA function format not supported",
            FunctionsError::OtherType => "given type is not a function",
            FunctionsError::Malformed => "Failed loading library data",
        })
    })?;
    cx.turn.keys.check_room(codes.iter().map(Vec::len))?;
    let mut fresh = cx.node.scripts.functions.anew();
    for code in &codes {
        let library = fresh.prepare(code, None, CLIENT_TIME).map_err(error)?;
        fresh.link(library);
    }
    let (current, _) = functions(cx);
    if policy != Policy::Flush {
        check_joint(current, &fresh, policy)?;
    }
    // From here on nothing fails; what is compiled is made anew from the data.
    if policy == Policy::Flush {
        cx.turn.keys.apply(Effect::FunctionFlush);
    }
    for code in &codes {
        let header = Header::of(code).expect("it was prepared above");
        cx.turn.keys.apply(Effect::FunctionLoad { name: &header.name, code });
    }
    functions(cx);
    cx.turn.reply.ok();
    Ok(())
}

/// Whether what is restored may stand beside what is there.
fn check_joint(current: &Functions, fresh: &Functions, policy: Policy) -> Result<(), Stop> {
    let names: BTreeSet<&[u8]> = fresh.libraries().map(|(name, _)| name).collect();
    let kept = |name: &[u8]| policy == Policy::Append || !names.contains(name);
    if policy == Policy::Append
        && let Some((name, _)) = current.libraries().find(|(name, _)| names.contains(name))
    {
        let name = String::from_utf8_lossy(name);
        return Err(error(format!("Library {name} already exists")));
    }
    for (_, registered) in current.libraries().filter(|(name, _)| kept(name)) {
        if let Some(taken) = registered.keys().find(|name| fresh.find(name).is_some()) {
            let taken = String::from_utf8_lossy(taken);
            return Err(error(format!("Function {taken} already exists")));
        }
    }
    Ok(())
}

fn kill(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    cx.node.scripts.kill(Kind::Function)?;
    cx.turn.reply.ok();
    Ok(())
}

/// `FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE]`
fn list(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let (mut pattern, mut with_code, mut at) = (None, false, 2);
    while at < args.len() {
        if !with_code && args.is(at, "WITHCODE") {
            with_code = true;
        } else if pattern.is_none() && args.is(at, "LIBRARYNAME") {
            at += 1;
            let Some(given) = args.get(at) else {
                return Err(error("library name argument was not given"));
            };
            pattern = Some(given);
        } else {
            let argument = String::from_utf8_lossy(args.key(at));
            return Err(error(format!("Unknown argument {argument}")));
        }
        at += 1;
    }
    functions(cx);
    let data = cx.turn.keys.store().libraries();
    let is_listed =
        |name: &[u8]| pattern.is_none_or(|pattern| base::glob::matches(pattern, name, true));
    let listed: Vec<(&[u8], &Registered)> =
        cx.node.scripts.functions.libraries().filter(|(name, _)| is_listed(name)).collect();
    let reply = &mut cx.turn.reply;
    reply.array(listed.len());
    for (name, registered) in listed {
        reply.map(if with_code { 4 } else { 3 });
        reply.bulk(b"library_name");
        reply.bulk(name);
        reply.bulk(b"engine");
        reply.bulk(b"LUA");
        reply.bulk(b"functions");
        write_functions(reply, registered);
        if with_code {
            reply.bulk(b"library_code");
            reply.bulk(data.get(name).unwrap_or_default());
        }
    }
    Ok(())
}

fn write_functions(reply: &mut ReplyWriter<'_>, registered: &Registered) {
    reply.array(registered.len());
    for function in registered.values() {
        reply.map(3);
        reply.bulk(b"name");
        reply.bulk(&function.name);
        reply.bulk(b"description");
        match &function.description {
            Some(description) => reply.bulk(description),
            None => reply.null(),
        }
        reply.bulk(b"flags");
        reply.set(function.flags.names().count());
        function.flags.names().for_each(|name| reply.simple(name));
    }
}

/// What runs, and how many functions each engine has: there is one engine.
fn stats(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    let is_running = |kind| {
        let running = cx.node.scripts.running.as_ref();
        running.is_some_and(|running| running.kind == kind)
    };
    if is_running(Kind::Script) {
        return Err(busy(Kind::Script).into());
    }
    if !is_running(Kind::Function) {
        functions(cx);
    }
    let scripts = &cx.node.scripts;
    let reply = &mut cx.turn.reply;
    reply.map(2);
    reply.bulk(b"running_script");
    match &scripts.running {
        None => reply.null(),
        Some(running) => {
            reply.map(3);
            reply.bulk(b"name");
            reply.bulk(running.name.as_bytes());
            reply.bulk(b"command");
            reply.array(running.words.len());
            running.words.iter().for_each(|word| reply.bulk(word));
            reply.bulk(b"duration_ms");
            let ms = monotonic_clock().ms_since(running.began);
            reply.integer(i64::try_from(ms).unwrap_or(i64::MAX));
        }
    }
    reply.bulk(b"engines");
    reply.map(1);
    reply.bulk(b"LUA");
    reply.map(2);
    reply.bulk(b"libraries_count");
    reply.count(scripts.functions.libraries().len());
    reply.bulk(b"functions_count");
    reply.count(scripts.functions.len());
    Ok(())
}
