//! CLIENT TRACKING, CACHING, GETREDIR, TRACKINGINFO: client-side caching as a client sees it.

use std::collections::BTreeSet;

use wire::resp::reply::ErrorReply;

use super::table::Binding;
use super::{Args, CmdResult, Handler, NodeTurn, Stop, Turn};
use crate::client::{ClientId, Session};
use crate::tracking::{Mode, Tracked};

pub(crate) const COMMANDS: &[Binding] = &[
    ("client|caching", Handler::Data(caching)),
    ("client|getredir", Handler::Data(getredir)),
    ("client|tracking", Handler::Node(tracking)),
    ("client|trackinginfo", Handler::Data(trackinginfo)),
];

fn error<T>(text: &'static str) -> Result<T, Stop> {
    Err(Stop::Error(ErrorReply::new(text)))
}

/// Options of CLIENT TRACKING, behind ON or OFF.
#[derive(Default)]
struct Options<'a> {
    redirect: Option<ClientId>,
    is_broadcast: bool,
    is_opt_in: bool,
    is_opt_out: bool,
    no_loop: bool,
    prefixes: Vec<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn parse(cx: &NodeTurn<'_>, args: &Args<'a>) -> Result<Options<'a>, Stop> {
        let mut options = Options::default();
        let mut at = 3;
        while at < args.len() {
            let has_value = at + 1 < args.len();
            if args.is(at, "redirect") && has_value {
                if options.redirect.is_some() {
                    return error("ERR A client can only redirect to a single other client");
                }
                options.redirect = redirect(cx, args.int(at + 1)?)?;
                at += 1;
            } else if args.is(at, "bcast") {
                options.is_broadcast = true;
            } else if args.is(at, "optin") {
                options.is_opt_in = true;
            } else if args.is(at, "optout") {
                options.is_opt_out = true;
            } else if args.is(at, "noloop") {
                options.no_loop = true;
            } else if args.is(at, "prefix") && has_value {
                options.prefixes.push(args.key(at + 1));
                at += 1;
            } else {
                return Err(ErrorReply::SYNTAX.into());
            }
            at += 1;
        }
        Ok(options)
    }

    /// Whether the options fit each other, and what the client has said before.
    fn check(&self, old: Option<&Tracked>) -> CmdResult {
        if !self.is_broadcast && !self.prefixes.is_empty() {
            return error("ERR PREFIX option requires BCAST mode to be enabled");
        }
        let is_mode = |mode| old.is_some_and(|old| old.mode == mode);
        if old.is_some() && self.is_broadcast != is_mode(Mode::Broadcast) {
            return error(
                "ERR You can't switch BCAST mode on/off before disabling tracking for this client, \
                 and then re-enabling it with a different mode.",
            );
        }
        if self.is_broadcast && (self.is_opt_in || self.is_opt_out) {
            return error("ERR OPTIN and OPTOUT are not compatible with BCAST");
        }
        if self.is_opt_in && self.is_opt_out {
            return error("ERR You can't specify both OPTIN mode and OPTOUT mode");
        }
        if self.is_opt_in && is_mode(Mode::OptOut) || self.is_opt_out && is_mode(Mode::OptIn) {
            return error(
                "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, \
                 and then re-enabling it with a different mode.",
            );
        }
        if self.is_broadcast {
            check_prefixes(&self.prefixes, old)?;
        }
        Ok(())
    }

    fn tracked(&self) -> Tracked {
        let mode = match (self.is_broadcast, self.is_opt_in, self.is_opt_out) {
            (true, _, _) => Mode::Broadcast,
            (false, true, _) => Mode::OptIn,
            (false, false, true) => Mode::OptOut,
            (false, false, false) => Mode::Default,
        };
        let mut prefixes: BTreeSet<Box<[u8]>> =
            self.prefixes.iter().map(|prefix| Box::from(*prefix)).collect();
        if self.is_broadcast && prefixes.is_empty() {
            prefixes.insert(Box::default());
        }
        Tracked {
            mode,
            no_loop: self.no_loop,
            redirect: self.redirect,
            is_caching_said: false,
            is_redirect_broken: false,
            prefixes,
            prefix_bytes: 0,
        }
    }
}

/// The client that is told in place of this one; it must be there now. Number 0 is nobody.
fn redirect(cx: &NodeTurn<'_>, number: i64) -> Result<Option<ClientId>, Stop> {
    let id = u64::try_from(number).ok().map(ClientId);
    match id.filter(|id| cx.node.clients.by_id(*id).is_some()) {
        Some(id) => Ok(Some(id)),
        None => error("ERR The client ID you want redirect to does not exist"),
    }
}

/// No prefix may begin with another one: a key would be told twice.
fn check_prefixes(prefixes: &[&[u8]], old: Option<&Tracked>) -> CmdResult {
    let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
    let refuse = |prefix: &[u8], what: &str, other: &[u8]| {
        let (prefix, other) = (String::from_utf8_lossy(prefix), String::from_utf8_lossy(other));
        Err(Stop::Error(ErrorReply::from(format!(
            "ERR Prefix '{prefix}' overlaps with {what} prefix '{other}'. Prefixes for a single client \
             must not overlap."
        ))))
    };
    for (at, prefix) in prefixes.iter().enumerate() {
        let mut existing = old.iter().flat_map(|old| &old.prefixes);
        if let Some(other) = existing.find(|other| overlap(prefix, other)) {
            return refuse(prefix, "an existing", other);
        }
        if let Some(other) = prefixes[at + 1..].iter().find(|other| overlap(prefix, other)) {
            return refuse(prefix, "another provided", other);
        }
    }
    Ok(())
}

/// `CLIENT TRACKING ON | OFF [REDIRECT id] [PREFIX prefix ...] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]`
fn tracking(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let options = Options::parse(cx, args)?;
    if args.is(2, "on") {
        options.check(cx.turn.session.tracking.as_deref())?;
        cx.node.tracking.enable(cx.turn.session, options.tracked());
    } else if args.is(2, "off") {
        cx.node.tracking.disable(cx.turn.session);
    } else {
        return Err(ErrorReply::SYNTAX.into());
    }
    cx.node.follow_trackers(cx.turn.keys);
    cx.turn.reply.ok();
    Ok(())
}

/// `CLIENT CACHING YES | NO`: about the next command or transaction.
fn caching(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let Some(tracked) = &mut cx.session.tracking else {
        return error(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or \
             OPTOUT mode enabled",
        );
    };
    if args.is(2, "yes") {
        if tracked.mode != Mode::OptIn {
            return error(
                "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
            );
        }
    } else if args.is(2, "no") {
        if tracked.mode != Mode::OptOut {
            return error(
                "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
            );
        }
    } else {
        return Err(ErrorReply::SYNTAX.into());
    }
    tracked.is_caching_said = true;
    cx.reply.ok();
    Ok(())
}

/// -1: the client does not track; 0: it hears itself.
fn redirect_number(session: &Session) -> i64 {
    let tracked = session.tracking.as_ref();
    tracked.map_or(-1, |tracked| {
        tracked.redirect.map_or(0, |id| i64::try_from(id.0).unwrap_or(i64::MAX))
    })
}

fn getredir(cx: &mut Turn<'_>, _: &Args<'_>) -> CmdResult {
    cx.reply.integer(redirect_number(cx.session));
    Ok(())
}

fn trackinginfo(cx: &mut Turn<'_>, _: &Args<'_>) -> CmdResult {
    let tracked = cx.session.tracking.as_deref();
    let mut flags = vec![if tracked.is_some() { "on" } else { "off" }];
    if let Some(tracked) = tracked {
        flags.extend(
            match (tracked.mode, tracked.is_caching_said) {
                (Mode::Default, _) => [None, None],
                (Mode::Broadcast, _) => [Some("bcast"), None],
                (Mode::OptIn, false) => [Some("optin"), None],
                (Mode::OptIn, true) => [Some("optin"), Some("caching-yes")],
                (Mode::OptOut, false) => [Some("optout"), None],
                (Mode::OptOut, true) => [Some("optout"), Some("caching-no")],
            }
            .into_iter()
            .flatten(),
        );
        flags.extend(tracked.no_loop.then_some("noloop"));
        flags.extend(tracked.is_redirect_broken.then_some("broken_redirect"));
    }
    let reply = &mut cx.reply;
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"redirect");
    reply.integer(redirect_number(cx.session));
    reply.bulk(b"prefixes");
    reply.array(tracked.map_or(0, |tracked| tracked.prefixes.len()));
    tracked.into_iter().flat_map(|tracked| &tracked.prefixes).for_each(|prefix| reply.bulk(prefix));
    Ok(())
}
