//! CONFIG: the parameters of redis.conf at run time.

use net::TlsError;
use tracing::{info, warn};
use wire::resp::reply::ErrorReply;

use super::table::Binding;
use super::{Args, CmdResult, Handler, NodeTurn, Stop};
use crate::access::User;
use crate::admit::LOADING;
use crate::boot::{self, ListenError};
use crate::node::Node;

pub(crate) const COMMANDS: &[Binding] = &[
    ("config|get", Handler::Node(get)),
    ("config|resetstat", Handler::Node(resetstat)),
    ("config|rewrite", Handler::Node(rewrite)),
    ("config|set", Handler::Node(set)),
];

fn get(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let found = cx.node.config.matching(&args.from(2));
    cx.turn.reply.map(found.len());
    for (name, value) in found {
        cx.turn.reply.bulk(name.as_bytes());
        cx.turn.reply.bulk(value.as_bytes());
    }
    Ok(())
}

fn set(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    if !args.len().is_multiple_of(2) {
        return Err(ErrorReply::SYNTAX.into());
    }
    let pairs: Vec<(&[u8], &[u8])> =
        (2..args.len()).step_by(2).map(|at| (args.key(at), args.key(at + 1))).collect();
    let is_local = cx.turn.session.peer.is_local();
    if let Some((name, _)) = pairs.iter().find(|(name, _)| is_for_loaded(name))
        && cx.node.is_loading_anything()
    {
        let name = String::from_utf8_lossy(name);
        tracing::debug!("CONFIG SET {name} refused while data is loaded");
        return Err(LOADING.into());
    }
    let before = cx.node.config.clone();
    let changed = cx.node.config.set(&pairs, is_local)?;
    if changed.contains(&"dir") {
        cx.node.config = before;
        return failed("dir", "the data cannot move while the server runs");
    }
    if changed.contains(&"maxclients")
        && let Err(error) = provide_clients(cx.node.config.settings().maxclients)
    {
        cx.node.config = before;
        return Err(error);
    }
    // Also when only the files have changed, and not their names.
    let mut acceptor = None;
    if let Some(name) = pairs.iter().map(|(name, _)| name).find(|name| is_of_tls(name)) {
        acceptor = match boot::check_tls(cx.node.config.settings()) {
            Ok(acceptor) => acceptor,
            Err(error) => {
                cx.node.config = before;
                return Err(tls_unchanged(name, &error));
            }
        };
    }
    if let Some(name) = changed.iter().find(|name| matches!(**name, "port" | "bind" | "tls-port"))
        && let Err(error) = listen(cx.node, name)
    {
        cx.node.config = before;
        return Err(error);
    }
    if changed.iter().any(|name| name.starts_with("oom-score-adj")) {
        let is_replica = cx.turn.keys.is_replica();
        if let Err(problem) = cx.node.oom.apply(cx.node.config.settings(), is_replica) {
            warn!(%problem, "oom_score_adj cannot be set");
            cx.node.config = before;
            cx.node.oom.follow_role(cx.node.config.settings(), is_replica);
            return failed(
                "oom-score-adj",
                "Failed to apply new oom_score_adj configuration, check server logs.",
            );
        }
    }
    if let Some(acceptor) = acceptor {
        cx.node.net.set_tls(&acceptor);
    }
    if !changed.is_empty() {
        cx.node.configure(cx.turn.keys);
    }
    if changed.contains(&"requirepass") {
        let mut user = User::clone(cx.node.access.default_user());
        user.set_password(cx.node.config.settings().requirepass.as_bytes());
        cx.replace_user(user);
    }
    cx.turn.reply.ok();
    Ok(())
}

/// Whether a parameter stays as it is while data is loaded.
fn is_for_loaded(name: &[u8]) -> bool {
    ["dir", "appendonly"].iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// Whether the system gives descriptors for so many clients.
fn provide_clients(wanted: u32) -> CmdResult {
    let fit = boot::provide_descriptors(wanted).unwrap_or(0);
    if fit >= wanted {
        return Ok(());
    }
    Err(Stop::Error(ErrorReply::from(format!(
        "ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is \
         not able to handle the specified number of clients, try with {fit}"
    ))))
}

fn failed(name: &str, problem: &str) -> CmdResult {
    Err(Stop::Error(ErrorReply::from(format!(
        "ERR CONFIG SET failed (possibly related to argument '{name}') - {problem}"
    ))))
}

/// Listens where the configuration says from now on.
fn listen(node: &mut Node, name: &str) -> CmdResult {
    // The node of a cluster serves its endpoint, which is not its own to move.
    let Some(mut listeners) = node.listeners.take() else {
        return failed(name, "can't set immutable config");
    };
    let changed = listeners.change(&mut node.net, node.config.settings());
    node.listeners = Some(listeners);
    match changed {
        Ok(()) => Ok(()),
        Err(error @ ListenError::InUse { .. }) => {
            warn!(%error, "cannot listen there");
            let name = if name == "bind" { "port" } else { name };
            failed(name, "Unable to listen on this port. Check server logs.")
        }
        Err(error) => {
            warn!(%error, "cannot listen there");
            failed("bind", "Failed to bind to specified addresses.")
        }
    }
}

fn is_of_tls(name: &[u8]) -> bool {
    name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"tls-"))
}

/// The files do not fit together; later connections begin as those before.
fn tls_unchanged(name: &[u8], error: &TlsError) -> Stop {
    let name = String::from_utf8_lossy(name);
    Stop::Error(ErrorReply::from(format!(
        "ERR CONFIG SET failed (possibly related to argument '{name}') - Unable to update TLS configuration: {error}"
    )))
}

fn resetstat(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    cx.node.counters.reset();
    cx.turn.keys.reset_tally();
    cx.turn.keys.store().graveyard().reset_freed();
    cx.turn.reply.ok();
    Ok(())
}

fn rewrite(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    rewrite_file(cx, false)
}

/// `is_all`: what has its default is written as well.
pub(super) fn rewrite_file(cx: &mut NodeTurn<'_>, is_all: bool) -> CmdResult {
    let Some(path) = cx.node.config.file() else {
        return Err(Stop::Error(ErrorReply::new(
            "ERR The server is running without a config file",
        )));
    };
    let users = user_lines(cx.node)?;
    if let Err(error) = cx.node.config.rewrite(path, &users, is_all) {
        warn!(path = %path.display(), %error, "configuration file was not rewritten");
        return Err(Stop::Error(format!("ERR Rewriting config file: {error}").into()));
    }
    info!(path = %path.display(), "configuration file rewritten");
    cx.turn.reply.ok();
    Ok(())
}

/// The users as lines of the configuration file; none when they live in an aclfile.
fn user_lines(node: &Node) -> Result<Vec<String>, Stop> {
    if !node.config.settings().aclfile.is_empty() {
        return Ok(Vec::new());
    }
    node.access.lines().map(String::from_utf8).collect::<Result<_, _>>().map_err(|_| {
        Stop::Error(ErrorReply::new(
            "ERR Rewriting config file: the rules of a user are not UTF-8 text; use an ACL file",
        ))
    })
}
