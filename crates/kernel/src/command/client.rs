//! CLIENT: who is connected, and what is done to connections.

use std::sync::Arc;

use net::{Address, Token};
use wire::resp::reply::ErrorReply;

use super::args::wrong_form;
use super::connection::check_name;
use super::table::Binding;
use super::{Args, CmdResult, Handler, NodeTurn, Stop, Turn};
use crate::access::{Access, User};
use crate::client::{ReplyMode, Session};
use crate::client_list::{ClientType, line};
use crate::node::Pause;

pub(crate) const COMMANDS: &[Binding] = &[
    ("client|getname", Handler::Data(getname)),
    ("client|id", Handler::Data(id)),
    ("client|info", Handler::Node(info)),
    ("client|kill", Handler::Node(kill)),
    ("client|list", Handler::Node(list)),
    ("client|no-evict", Handler::Data(no_evict)),
    ("client|no-touch", Handler::Data(no_touch)),
    ("client|pause", Handler::Node(pause)),
    ("client|reply", Handler::Data(reply)),
    ("client|setinfo", Handler::Data(setinfo)),
    ("client|setname", Handler::Data(setname)),
    ("client|unblock", Handler::Node(unblock)),
    ("client|unpause", Handler::Node(unpause)),
];

fn error(text: &'static str) -> Stop {
    Stop::Error(ErrorReply::new(text))
}

fn id(cx: &mut Turn<'_>, _: &Args<'_>) -> CmdResult {
    cx.reply.integer(i64::try_from(cx.session.id.0).unwrap_or(i64::MAX));
    Ok(())
}

fn getname(cx: &mut Turn<'_>, _: &Args<'_>) -> CmdResult {
    if cx.session.name.is_empty() {
        cx.reply.null();
    } else {
        cx.reply.bulk(&cx.session.name);
    }
    Ok(())
}

fn setname(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    check_name(args.key(2))?;
    cx.session.name = args.key(2).to_vec();
    cx.reply.ok();
    Ok(())
}

fn setinfo(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (option, value) = (args.key(2), args.key(3));
    let field = if args.is(2, "LIB-NAME") {
        &mut cx.session.library_name
    } else if args.is(2, "LIB-VER") {
        &mut cx.session.library_version
    } else {
        let option = String::from_utf8_lossy(option);
        return Err(Stop::Error(format!("ERR Unrecognized option '{option}'").into()));
    };
    if check_name(value).is_err() {
        let option = String::from_utf8_lossy(option);
        return Err(Stop::Error(
            format!("ERR {option} cannot contain spaces, newlines or special characters.").into(),
        ));
    }
    *field = value.to_vec();
    cx.reply.ok();
    Ok(())
}

fn on_or_off(args: &Args<'_>) -> Result<bool, Stop> {
    match () {
        () if args.is(2, "ON") => Ok(true),
        () if args.is(2, "OFF") => Ok(false),
        () => Err(ErrorReply::SYNTAX.into()),
    }
}

fn no_evict(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    cx.session.no_evict = on_or_off(args)?;
    cx.reply.ok();
    Ok(())
}

fn no_touch(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    cx.session.no_touch = on_or_off(args)?;
    cx.reply.ok();
    Ok(())
}

/// Only ON is answered.
fn reply(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    if args.is(2, "ON") {
        cx.session.reply_mode = ReplyMode::On;
        cx.reply.ok();
    } else if args.is(2, "OFF") {
        cx.session.reply_mode = ReplyMode::Off;
    } else if args.is(2, "SKIP") {
        if cx.session.reply_mode != ReplyMode::Off {
            cx.session.reply_mode = ReplyMode::SkipNext;
        }
    } else {
        return Err(ErrorReply::SYNTAX.into());
    }
    Ok(())
}

/// `CLIENT PAUSE ms [WRITE | ALL]`: a pause is only ever made longer and stricter.
fn pause(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let is_all = match args.len() {
        3 => true,
        4 if args.is(3, "ALL") => true,
        4 if args.is(3, "WRITE") => false,
        4 => return Err(error("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        _ => return Err(wrong_form(args)),
    };
    let ms = args.int(2).map_err(|_| error("ERR timeout is not an integer or out of range"))?;
    let ms = u64::try_from(ms).map_err(|_| error("ERR timeout is negative"))?;
    let until = cx.node.now.plus_ms(ms);
    if i64::try_from(until.0).is_err() {
        return Err(error("ERR timeout is out of range"));
    }
    let old = cx.node.holds.pause.filter(|pause| pause.until > cx.node.now);
    cx.node.holds.pause = Some(Pause {
        until: old.map_or(until, |old| old.until.max(until)),
        is_all: is_all || old.is_some_and(|old| old.is_all),
    });
    cx.turn.reply.ok();
    Ok(())
}

fn unpause(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    cx.node.holds.pause = None;
    cx.turn.reply.ok();
    Ok(())
}

fn unblock(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let with_error = match args.len() {
        3 => false,
        4 if args.is(3, "TIMEOUT") => false,
        4 if args.is(3, "ERROR") => true,
        4 => return Err(error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
        _ => return Err(wrong_form(args)),
    };
    let id = args.int(2)?;
    let token = cx
        .node
        .clients
        .iter()
        .find(|session| i64::try_from(session.id.0) == Ok(id))
        .map(|session| session.token);
    let reason =
        with_error.then(|| ErrorReply::new("UNBLOCKED client unblocked via CLIENT UNBLOCK"));
    let is_done = token.is_some_and(|token| cx.node.unblock(token, reason));
    cx.turn.reply.integer(i64::from(is_done));
    Ok(())
}

fn info(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let is_broken = cx.turn.keys.interest.is_broken(cx.turn.session.token);
    let line = line(cx.turn.session, cx.node, is_broken, args.request_bytes());
    cx.turn.reply.verbatim("txt", &line);
    Ok(())
}

/// `CLIENT LIST [TYPE type | ID id ...]`
fn list(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let (mut kind, mut ids) = (None, None);
    match args.len() {
        2 => {}
        4 if args.is(2, "TYPE") => kind = Some(client_type(args.key(3))?),
        4.. if args.is(2, "ID") => {
            let read = |text: &[u8]| {
                base::number::parse_i64(text).ok_or_else(|| error("ERR Invalid client ID"))
            };
            let named = args.iter_from(3).map(read).collect::<Result<Vec<i64>, Stop>>()?;
            // No client has a negative one.
            let mut named: Vec<u64> =
                named.into_iter().filter_map(|id| u64::try_from(id).ok()).collect();
            named.sort_unstable();
            ids = Some(named);
        }
        _ => return Err(ErrorReply::SYNTAX.into()),
    }
    let mut sessions: Vec<&Session> = cx
        .sessions()
        .filter(|session| !session.is_internal)
        .filter(|session| kind.is_none_or(|kind| ClientType::of(session) == kind))
        .filter(|session| ids.as_ref().is_none_or(|ids| ids.binary_search(&session.id.0).is_ok()))
        .collect();
    sessions.sort_unstable_by_key(|session| session.id);
    let mut text = Vec::new();
    for session in sessions {
        let is_caller = session.token == cx.turn.session.token;
        let request = if is_caller { args.request_bytes() } else { 0 };
        let is_broken = cx.turn.keys.interest.is_broken(session.token);
        text.extend_from_slice(&line(session, cx.node, is_broken, request));
    }
    cx.turn.reply.verbatim("txt", &text);
    Ok(())
}

fn client_type(text: &[u8]) -> Result<ClientType, Stop> {
    ClientType::parse(text).ok_or_else(|| {
        let text = String::from_utf8_lossy(text);
        Stop::Error(format!("ERR Unknown client type '{text}'").into())
    })
}

/// Whom CLIENT KILL means: a client that fits all filters.
#[derive(Default)]
struct Victims<'a> {
    id: Option<u64>,
    kind: Option<ClientType>,
    address: Option<&'a [u8]>,
    local_address: Option<&'a [u8]>,
    user: Option<&'a Arc<User>>,
    spares_me: bool,
}

impl<'a> Victims<'a> {
    /// `option value ...` from argument 2 on.
    fn parse(args: &Args<'a>, access: &'a Access) -> Result<Victims<'a>, Stop> {
        let mut victims = Victims { spares_me: true, ..Victims::default() };
        for at in (2..args.len()).step_by(2) {
            let value = args.get(at + 1).ok_or(ErrorReply::SYNTAX)?;
            if args.is(at, "ID") {
                let id = base::number::parse_i64(value).and_then(|id| u64::try_from(id).ok());
                let id = id.filter(|id| *id > 0);
                let id = id.ok_or_else(|| error("ERR client-id should be greater than 0"))?;
                victims.id = Some(id);
            } else if args.is(at, "TYPE") {
                victims.kind = Some(client_type(value)?);
            } else if args.is(at, "ADDR") {
                victims.address = Some(value);
            } else if args.is(at, "LADDR") {
                victims.local_address = Some(value);
            } else if args.is(at, "USER") {
                let user = access.user(value).ok_or_else(|| {
                    let user = String::from_utf8_lossy(value);
                    Stop::Error(format!("ERR No such user '{user}'").into())
                })?;
                victims.user = Some(user);
            } else if args.is(at, "SKIPME") && args.is(at + 1, "YES") {
                victims.spares_me = true;
            } else if args.is(at, "SKIPME") && args.is(at + 1, "NO") {
                victims.spares_me = false;
            } else {
                return Err(ErrorReply::SYNTAX.into());
            }
        }
        Ok(victims)
    }

    /// Never a link of the cluster: by these come leases and orders.
    fn include(&self, session: &Session) -> bool {
        !session.is_internal
            && self.id.is_none_or(|id| session.id.0 == id)
            && self.kind.is_none_or(|kind| ClientType::of(session) == kind)
            && self.user.is_none_or(|user| Arc::ptr_eq(user, &session.user))
            && self.address.is_none_or(|text| is_address(&session.peer, text))
            && self.local_address.is_none_or(|text| is_address(&session.local, text))
    }
}

fn is_address(address: &Address, text: &[u8]) -> bool {
    address.to_string().as_bytes() == text
}

/// `CLIENT KILL ip:port` or `CLIENT KILL option value ...`
fn kill(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let is_old_form = args.len() == 3;
    let victims = if is_old_form {
        Victims { address: Some(args.key(2)), ..Victims::default() }
    } else {
        Victims::parse(args, &cx.node.access)?
    };
    let others: Vec<Token> = cx
        .node
        .clients
        .iter()
        .filter(|session| victims.include(session))
        .map(|session| session.token)
        .collect();
    let includes_me = !victims.spares_me && victims.include(cx.turn.session);
    let count = others.len() + usize::from(includes_me);
    if is_old_form && count == 0 {
        return Err(error("ERR No such client"));
    }
    for token in others {
        cx.node.close(token);
    }
    if includes_me {
        cx.turn.session.close_after_reply = true;
    }
    if is_old_form {
        cx.turn.reply.ok();
    } else {
        cx.turn.reply.count(count);
    }
    Ok(())
}
