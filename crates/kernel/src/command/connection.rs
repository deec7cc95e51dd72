//! PING, ECHO, AUTH, HELLO, SELECT, QUIT, RESET.

use wire::resp::reply::{ErrorReply, Protocol};

use super::table::Binding;
use super::{Args, CmdResult, Handler, NodeTurn, Stop, Turn};
use crate::access::DEFAULT_USER;
use crate::client::ReplyMode;

pub(crate) const COMMANDS: &[Binding] = &[
    ("ping", Handler::Data(ping)),
    ("echo", Handler::Data(echo)),
    ("auth", Handler::Node(auth)),
    ("hello", Handler::Node(hello)),
    ("select", Handler::Node(select)),
    ("quit", Handler::Data(quit)),
    ("reset", Handler::Node(reset)),
];

const WRONG_PASSWORD: ErrorReply =
    ErrorReply::new("WRONGPASS invalid username-password pair or user is disabled.");

fn ping(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    if args.len() > 2 {
        return Err(ErrorReply::wrong_arity("ping").into());
    }
    if cx.session.is_subscribed() && cx.session.protocol == Protocol::Resp2 {
        cx.reply.array(2);
        cx.reply.bulk(b"pong");
        cx.reply.bulk(args.get(1).unwrap_or_default());
        return Ok(());
    }
    match args.get(1) {
        Some(text) => cx.reply.bulk(text),
        None => cx.reply.simple("PONG"),
    }
    Ok(())
}

fn echo(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    cx.reply.bulk(args.key(1));
    Ok(())
}

fn quit(cx: &mut Turn<'_>, _: &Args<'_>) -> CmdResult {
    cx.reply.ok();
    cx.session.close_after_reply = true;
    Ok(())
}

fn auth(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let (user, password) = match args.len() {
        2 => (DEFAULT_USER, args.key(1)),
        3 => (args.key(1), args.key(2)),
        _ => return Err(ErrorReply::SYNTAX.into()),
    };
    if args.len() == 2 && cx.node.access.default_user().needs_no_password() {
        return Err(Stop::Error(ErrorReply::new(
            "ERR AUTH <password> called without any password configured for the default user. \
             Are you sure your configuration is correct?",
        )));
    }
    log_in(cx, args, user, password)?;
    cx.turn.reply.ok();
    Ok(())
}

fn log_in(cx: &mut NodeTurn<'_>, args: &Args<'_>, user: &[u8], password: &[u8]) -> CmdResult {
    let Some(user) = cx.node.access.authenticate(user, password) else {
        cx.node.note_failed_login(cx.turn.session, user, args);
        return Err(WRONG_PASSWORD.into());
    };
    cx.turn.session.log_in(user);
    Ok(())
}

/// What HELLO asks for; nothing is done before all of it is understood.
struct Hello<'a> {
    protocol: Option<Protocol>,
    login: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

impl<'a> Hello<'a> {
    fn parse(args: &Args<'a>) -> Result<Hello<'a>, Stop> {
        let mut hello = Hello { protocol: None, login: None, name: None };
        let Some(version) = args.get(1) else { return Ok(hello) };
        hello.protocol = Some(match base::number::parse_i64(version) {
            Some(2) => Protocol::Resp2,
            Some(3) => Protocol::Resp3,
            Some(_) => return Err(ErrorReply::new("NOPROTO unsupported protocol version").into()),
            None => {
                let text = "ERR Protocol version is not an integer or out of range";
                return Err(ErrorReply::new(text).into());
            }
        });
        let mut at = 2;
        while at < args.len() {
            if args.is(at, "AUTH") && at + 2 < args.len() {
                hello.login = Some((args.key(at + 1), args.key(at + 2)));
                at += 3;
            } else if args.is(at, "SETNAME") && at + 1 < args.len() {
                check_name(args.key(at + 1))?;
                hello.name = Some(args.key(at + 1));
                at += 2;
            } else {
                let option = String::from_utf8_lossy(args.key(at));
                return Err(Stop::Error(
                    format!("ERR Syntax error in HELLO option '{option}'").into(),
                ));
            }
        }
        Ok(hello)
    }
}

fn hello(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let hello = Hello::parse(args)?;
    if let Some((user, password)) = hello.login {
        log_in(cx, args, user, password)?;
    }
    if !cx.turn.session.is_authenticated {
        return Err(Stop::Error(ErrorReply::new(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the \
             HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and \
             select the RESP protocol version at the same time",
        )));
    }
    if let Some(name) = hello.name {
        cx.turn.session.name = name.to_vec();
    }
    if let Some(protocol) = hello.protocol {
        cx.turn.session.protocol = protocol;
        cx.turn.reply.set_protocol(protocol);
    }
    let is_replica = cx.turn.keys.is_replica();
    let id = i64::try_from(cx.turn.session.id.0).unwrap_or(i64::MAX);
    let reply = &mut cx.turn.reply;
    reply.map(7);
    for (key, value) in [("server", "redis"), ("version", crate::REDIS_VERSION)] {
        reply.bulk(key.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"proto");
    reply.integer(if reply.protocol() == Protocol::Resp3 { 3 } else { 2 });
    reply.bulk(b"id");
    reply.integer(id);
    for (key, value) in
        [("mode", "standalone"), ("role", if is_replica { "replica" } else { "master" })]
    {
        reply.bulk(key.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"modules");
    reply.array(0);
    Ok(())
}

/// A name that CLIENT LIST can show: printable, without spaces.
pub(crate) fn check_name(name: &[u8]) -> Result<(), Stop> {
    if name.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        return Ok(());
    }
    Err(Stop::Error(ErrorReply::new(
        "ERR Client names cannot contain spaces, newlines or special characters.",
    )))
}

fn select(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let db = u16::try_from(args.int32(1)?).ok().filter(|db| *db < cx.node.limits.databases);
    let db = db.ok_or(ErrorReply::new("ERR DB index is out of range"))?;
    cx.turn.session.db = db;
    cx.turn.keys.select(db);
    cx.turn.reply.ok();
    Ok(())
}

/// Back to the state of a fresh connection.
fn reset(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    let session = &mut *cx.turn.session;
    if let Some(transaction) = session.transaction.take() {
        cx.turn.keys.forget_queue(transaction);
    }
    cx.turn.keys.unwatch(session);
    cx.node.pubsub.unsubscribe_all(session);
    cx.node.tracking.disable(session);
    cx.node.end_monitor(session);
    cx.node.follow_trackers(cx.turn.keys);
    session.db = 0;
    session.name.clear();
    session.protocol = Protocol::Resp2;
    session.reply_mode = ReplyMode::On;
    session.no_evict = false;
    session.no_touch = false;
    session.start_as_default(&cx.node.access);
    cx.turn.keys.select(0);
    cx.turn.reply.set_protocol(Protocol::Resp2);
    cx.turn.reply.simple("RESET");
    Ok(())
}
