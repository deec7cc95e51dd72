//! DEBUG, for tests: only where `enable-debug-command` allows it.

use std::time::Duration;

use store::Entry;
use tracing::info;
use wire::effect::{Effect, Expiry};
use wire::record::HEADER_BYTES as RECORD_BYTES;
use wire::resp::reply::{ErrorReply, Protocol, ReplyWriter};

use super::args::wrong_form;
use super::digest::{self, Digest, Scores};
use super::table::Binding;
use super::{Args, Awaited, BlockOn, CmdResult, Handler, NodeTurn, Stop, TimeoutReply};
use crate::persist::{self, ReloadError};
use crate::turn::{monotonic_clock, wall_clock};

pub(crate) const COMMANDS: &[Binding] = &[("debug", Handler::Node(debug))];

const NOT_ALLOWED: &str = "ERR DEBUG command not allowed. If the enable-debug-command option is set \
                           to \"local\", you can run it from a local connection, otherwise you \
                           need to set this option in the configuration file, and then restart \
                           the server.";

struct Subcommand {
    name: &'static str,
    /// Number of arguments, `DEBUG` included; negative: at least so many.
    arity: i64,
    run: fn(&mut NodeTurn<'_>, &Args<'_>) -> CmdResult,
    syntax: &'static str,
    summary: &'static str,
}

const fn row(
    name: &'static str,
    arity: i64,
    run: fn(&mut NodeTurn<'_>, &Args<'_>) -> CmdResult,
    syntax: &'static str,
    summary: &'static str,
) -> Subcommand {
    Subcommand { name, arity, run, syntax, summary }
}

#[rustfmt::skip]
const SUBCOMMANDS: &[Subcommand] = &[
    row("CHANGE-REPL-ID", 2, change_repl_id, "", "Give the history of this node another id for Redis tools."),
    row("CONFIG-REWRITE-FORCE-ALL", 2, rewrite_all, "", "CONFIG REWRITE, with all that has its default."),
    row("DIGEST", -2, digest_all, "[7.0|7.2]", "A fingerprint of all data, as that version makes it; 0 when there is none."),
    row("DIGEST-VALUE", -3, digest_values, "<key> [<key> ...]", "Fingerprints of values."),
    row("ERROR", 3, error, "<text>", "Reply with an error."),
    row("HELP", 2, help, "", "This list."),
    row("LISTPACK", 3, listpack, "<key>", "Whether a value is kept as one listpack, and its size."),
    row("LOADAOF", 2, reload, "", "As RELOAD: what was written is in the log in any case."),
    row("LOG", 3, log, "<text>", "Write a line to the log."),
    row("OBJECT", 3, object, "<key>", "How a value is kept."),
    row("PAUSE-CRON", 3, pause_cron, "<0|1>", "Stop or start periodic work."),
    row("POPULATE", -3, populate, "<count> [<prefix>] [<size>]", "Create string keys <prefix>:<n> that are not there."),
    row("PROTOCOL", 3, protocol, "<type>", "Reply with a value of a type of RESP3."),
    row("SET-SKIP-CHECKSUM-VALIDATION", 3, set_skip_checksums, "<0|1>", "Let RESTORE take payloads with a wrong checksum, or not."),
    row("QUICKLIST-PACKED-THRESHOLD", 3, accept, "<size>", "Accepted; lists here need no such bound."),
    row("RELOAD", -2, reload, "[<option> ...]", "Write a snapshot to memory and load it back."),
    row("REPLICATE", -3, replicate, "<argument> [<argument> ...]", "Put a command into the stream of the replicas of Redis."),
    row("REPLYBUFFER", 4, accept, "PEAK-RESET-TIME|RESIZING <value>", "Accepted; replies have one buffer here."),
    row("SET-ACTIVE-EXPIRE", 3, set_active_expire, "<0|1>", "Stop or start looking for due keys."),
    row("SET-DISABLE-DENY-SCRIPTS", 3, set_allow_all, "<0|1>", "Let scripts call every command, or not."),
    row("SLEEP", 3, sleep, "<seconds>", "Stop the executor."),
    row("STRINGMATCH-LEN", 4, stringmatch_len, "<length> <pattern>", "Match a pattern against so many letters a."),
];

fn debug(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let is_local = cx.turn.session.peer.is_local();
    if !cx.node.config.settings().enable_debug_command.allows(is_local) {
        return Err(Stop::Error(ErrorReply::new(NOT_ALLOWED)));
    }
    let count = i64::try_from(args.len()).unwrap_or(i64::MAX);
    let fits = |row: &&Subcommand| {
        args.is(1, row.name) && (count == row.arity || row.arity < 0 && count >= -row.arity)
    };
    let Some(row) = SUBCOMMANDS.iter().find(fits) else {
        return Err(wrong_form(args));
    };
    (row.run)(cx, args)
}

fn help(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    let reply = &mut cx.turn.reply;
    reply.array(2 * SUBCOMMANDS.len() + 1);
    reply.simple("DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    for Subcommand { name, syntax, summary, .. } in SUBCOMMANDS {
        reply.simple(format!("{name} {syntax}").trim_end());
        reply.simple(&format!("    {summary}"));
    }
    Ok(())
}

/// A setting of Redis' lists that ours does not need.
fn accept(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    cx.turn.reply.ok();
    Ok(())
}

/// `DEBUG SLEEP seconds`: the executor stands still, as in Redis; text that is no number is 0. What follows in the turn,
/// clients that are served included, sees the time at which it woke up.
fn sleep(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let seconds = std::str::from_utf8(args.key(2)).ok().and_then(|text| text.parse().ok());
    let duration = Duration::try_from_secs_f64(seconds.unwrap_or(0.0)).unwrap_or_default();
    std::thread::sleep(duration);
    if !cx.turn.keys.is_for_script {
        // For a script time stands still.
        let node = &mut *cx.node;
        node.now = wall_clock();
        cx.turn.keys.begin_turn(node.now, node.is_still(monotonic_clock()));
    }
    cx.turn.reply.ok();
    Ok(())
}

fn set_allow_all(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    cx.node.scripts.allows_all = args.key(2) != b"0";
    cx.turn.reply.ok();
    Ok(())
}

fn set_skip_checksums(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    cx.turn.keys.skips_checksums = args.key(2) != b"0";
    cx.turn.reply.ok();
    Ok(())
}

fn set_active_expire(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    cx.node.is_active_expire_on = args.key(2) != b"0";
    cx.turn.reply.ok();
    Ok(())
}

fn pause_cron(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    cx.node.is_cron_paused = args.key(2) != b"0";
    cx.turn.reply.ok();
    Ok(())
}

fn rewrite_all(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    super::config::rewrite_file(cx, true)
}

/// `DEBUG REPLICATE argument ...`: what replicas are sent, whether or not it is a command.
fn replicate(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let db = cx.turn.session.db;
    cx.turn.keys.stream_mut().insert(db, &args.from(2));
    cx.turn.reply.ok();
    Ok(())
}

fn change_repl_id(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    cx.turn.keys.stream_mut().rename();
    cx.turn.reply.ok();
    Ok(())
}

/// `DEBUG STRINGMATCH-LEN length pattern`: matches the pattern against that many `a`.
fn stringmatch_len(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    const LENGTH_MAX: usize = 1 << 24;
    let length = usize::try_from(args.int(2)?).unwrap_or(0).min(LENGTH_MAX);
    let is_match = base::glob::matches(args.key(3), &vec![b'a'; length], false);
    cx.turn.reply.integer(i64::from(is_match));
    Ok(())
}

fn error(_: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let text = String::from_utf8_lossy(args.key(2)).replace(['\r', '\n'], " ");
    Err(Stop::Error(text.into()))
}

fn log(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    info!("DEBUG LOG: {}", String::from_utf8_lossy(args.key(2)));
    cx.turn.reply.ok();
    Ok(())
}

/// `DEBUG DIGEST [7.0 | 7.2]`: the digest of a server of that version, which differ in scores.
fn digest_all(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let scores = match args.len() {
        2 => Scores::default(),
        3 if args.is(2, "7.0") => Scores::Long,
        3 if args.is(2, "7.2") => Scores::Short,
        _ => return Err(wrong_form(args)),
    };
    let digest = digest::of_store(cx.turn.keys.store(), scores);
    cx.turn.reply.simple(&digest.hex());
    Ok(())
}

/// The digests do not depend on the names of the keys; those that are not there have 0, those that are due are still there.
fn digest_values(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    cx.turn.reply.array(args.len() - 2);
    for key in args.iter_from(2) {
        let keys = &*cx.turn.keys;
        let entry = keys.store().db(keys.db()).get(key);
        let of_value = |entry| digest::of_value(entry, Scores::default());
        let digest = entry.map_or(Digest::default(), of_value);
        cx.turn.reply.simple(&digest.hex());
    }
    Ok(())
}

/// The entry of a key, neither counted nor touched.
/// Also of a key that is due and has not been removed yet.
fn entry<'a>(cx: &'a mut NodeTurn<'_>, key: &[u8]) -> Result<&'a Entry, Stop> {
    let keys = &*cx.turn.keys;
    keys.store().db(keys.db()).get(key).ok_or(Stop::Error(ErrorReply::NO_SUCH_KEY))
}

/// `DEBUG OBJECT key`. The serialized length is that of the value in memory.
fn object(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let access = *cx.turn.keys.store().access();
    let entry = entry(cx, args.key(2))?;
    let (address, clock) = (std::ptr::from_ref::<Entry>(entry), entry.clock());
    let (encoding, bytes) = (entry.value().encoding(), entry.heap_bytes(0));
    let idle = access.idle_seconds(clock);
    cx.turn.reply.simple(&format!(
        "Value at:{address:p} refcount:1 encoding:{encoding} serializedlength:{bytes} lru:{clock} \
         lru_seconds_idle:{idle}"
    ));
    Ok(())
}

/// `DEBUG LISTPACK key`: Redis prints the structure; here the reply says how large it is.
fn listpack(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let entry = entry(cx, args.key(2))?;
    if !matches!(entry.value().encoding(), "listpack" | "listpackex") {
        return Err(Stop::Error(ErrorReply::new("ERR Not a listpack encoded object.")));
    }
    let bytes = entry.heap_bytes(0);
    cx.turn.reply.simple(&format!("listpack of {bytes} bytes"));
    Ok(())
}

/// Keys that one POPULATE may create, and bytes of each of their values.
const POPULATE_KEYS_MAX: u64 = 100_000_000;
const POPULATE_BYTES_MAX: usize = 512 << 20;

/// `DEBUG POPULATE count [prefix] [size]`: `key:0` holds `value:0`, cut or padded with zero bytes to the
/// size.
fn populate(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    const RANGE: ErrorReply = ErrorReply::new("ERR value is out of range, must be positive");
    let positive =
        |at: usize| -> Result<u64, Stop> { Ok(u64::try_from(args.int(at)?).map_err(|_| RANGE)?) };
    // DEBUG counts as no write, so nobody has asked this before.
    let is_writable_replica = cx.turn.keys.is_replica()
        && cx.node.sink.is_some()
        && !cx.node.config.settings().replica_read_only;
    if !cx.turn.keys.may_clean_up() && !is_writable_replica {
        return Err(ErrorReply::new("ERR this node takes no writes at the moment").into());
    }
    let count = positive(2)?.min(POPULATE_KEYS_MAX);
    let prefix = args.get(3).unwrap_or(b"key");
    let size = if args.len() > 4 { usize::try_from(positive(4)?).unwrap_or(usize::MAX) } else { 0 };
    for number in 0..count {
        let key = [prefix, format!(":{number}").as_bytes()].concat();
        if cx.turn.keys.peek_value(&key).is_none() {
            let mut value = format!("value:{number}").into_bytes();
            if size > 0 {
                value.resize(size.min(POPULATE_BYTES_MAX), 0);
            }
            cx.turn.keys.check_room([key.len(), value.len(), RECORD_BYTES].into_iter())?;
            let effect = Effect::SetString { key: &key, value: &value, expiry: Expiry::Clear };
            cx.turn.keys.apply(effect);
        }
    }
    cx.turn.reply.ok();
    Ok(())
}

/// `DEBUG RELOAD [NOSAVE] [NOFLUSH] [MERGE]`: the data as a snapshot holds it. Nothing of it is in the log, as
/// nothing changes; so the snapshot is always one of now. NOFLUSH without MERGE is refused, as in Redis, where each
/// key of the snapshot would be there already. Waits for the end of a checkpoint that runs.
fn reload(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let known = ["NOSAVE", "NOFLUSH", "MERGE"];
    if !(2..args.len()).all(|at| known.iter().any(|word| args.is(at, word))) {
        return Err(ErrorReply::SYNTAX.into());
    }
    let has = |word: &str| (2..args.len()).any(|at| args.is(at, word));
    let store = cx.turn.keys.store_mut();
    let is_empty = store.is_empty() && store.libraries().is_empty();
    if has("NOFLUSH") && !has("MERGE") && !is_empty {
        let text = "ERR Error trying to load the RDB dump, check server logs.";
        return Err(Stop::Error(ErrorReply::new(text)));
    }
    match persist::reload(store, cx.node.now) {
        Ok(()) => {
            cx.turn.reply.ok();
            Ok(())
        }
        Err(ReloadError::Busy) => Err(Stop::Block(BlockOn {
            keys: Vec::new(),
            awaited: Awaited::List,
            deadline: None,
            on_timeout: TimeoutReply::Busy,
            again: None,
        })),
        Err(problem) => Err(Stop::Error(format!("ERR {problem}").into())),
    }
}

/// One value of each type, for the tests of clients.
fn protocol(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let reply = &mut cx.turn.reply;
    let is_resp3 = reply.protocol() == Protocol::Resp3;
    match args.key(2).to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.integer(12345),
        b"double" => reply.double_text(b"3.141"),
        b"bignum" if is_resp3 => put(reply, "(1234567999999999999999999999999999999\r\n"),
        b"bignum" => reply.bulk(b"1234567999999999999999999999999999999"),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"map" => {
            reply.map(3);
            (0..3).for_each(|number| {
                reply.integer(number);
                reply.boolean(number == 1);
            });
        }
        b"attrib" => {
            if is_resp3 {
                put(reply, "|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n");
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" if is_resp3 => {
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.integer(42);
            reply.bulk(b"Some real reply following the push reply");
        }
        b"push" => {
            let text = "ERR RESP2 is not supported by this command";
            return Err(Stop::Error(ErrorReply::new(text)));
        }
        b"verbatim" => reply.verbatim("txt", b"This is a verbatim\nstring"),
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        _ => {
            let text = "ERR Wrong protocol type name. Please use one of the following: \
                        string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false";
            return Err(Stop::Error(ErrorReply::new(text)));
        }
    }
    Ok(())
}

/// Bytes of types that no other command replies with.
fn put(reply: &mut ReplyWriter<'_>, text: &str) {
    reply.buffer().extend_from_slice(text.as_bytes());
}
