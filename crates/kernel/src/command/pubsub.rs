//! SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE, their opposites, PUBLISH, SPUBLISH, PUBSUB.

use super::args::wrong_form;
use super::{Args, CmdResult, Handler, NodeTurn};
use crate::client::ReplyMode;
use crate::command::table::Binding;
use crate::pubsub::Scope;

pub(crate) const COMMANDS: &[Binding] = &[
    ("subscribe", Handler::Node(|cx, args| subscribe(cx, args, Scope::Channel))),
    ("psubscribe", Handler::Node(|cx, args| subscribe(cx, args, Scope::Pattern))),
    ("ssubscribe", Handler::Node(|cx, args| subscribe(cx, args, Scope::ShardChannel))),
    ("unsubscribe", Handler::Node(|cx, args| unsubscribe(cx, args, Scope::Channel))),
    ("punsubscribe", Handler::Node(|cx, args| unsubscribe(cx, args, Scope::Pattern))),
    ("sunsubscribe", Handler::Node(|cx, args| unsubscribe(cx, args, Scope::ShardChannel))),
    ("publish", Handler::Node(|cx, args| publish(cx, args, Scope::Channel))),
    ("spublish", Handler::Node(|cx, args| publish(cx, args, Scope::ShardChannel))),
    ("pubsub|channels", Handler::Node(|cx, args| names(cx, args, Scope::Channel))),
    ("pubsub|shardchannels", Handler::Node(|cx, args| names(cx, args, Scope::ShardChannel))),
    ("pubsub|numsub", Handler::Node(|cx, args| counts(cx, args, Scope::Channel))),
    ("pubsub|shardnumsub", Handler::Node(|cx, args| counts(cx, args, Scope::ShardChannel))),
    ("pubsub|numpat", Handler::Node(numpat)),
];

fn subscribe(cx: &mut NodeTurn<'_>, args: &Args<'_>, scope: Scope) -> CmdResult {
    let before = cx.turn.reply.buffer().len();
    let kind: &[u8] = match scope {
        Scope::Channel => b"subscribe",
        Scope::Pattern => b"psubscribe",
        Scope::ShardChannel => b"ssubscribe",
    };
    for name in args.iter_from(1) {
        cx.node.pubsub.subscribe(scope, name, cx.turn.session);
        confirm(cx, kind, Some(name), scope);
    }
    push_to_silent(cx, before);
    Ok(())
}

fn unsubscribe(cx: &mut NodeTurn<'_>, args: &Args<'_>, scope: Scope) -> CmdResult {
    let before = cx.turn.reply.buffer().len();
    let kind: &[u8] = match scope {
        Scope::Channel => b"unsubscribe",
        Scope::Pattern => b"punsubscribe",
        Scope::ShardChannel => b"sunsubscribe",
    };
    if args.len() > 1 {
        for name in args.iter_from(1) {
            cx.node.pubsub.unsubscribe(scope, name, cx.turn.session);
            confirm(cx, kind, Some(name), scope);
        }
        push_to_silent(cx, before);
        return Ok(());
    }
    let all = scope.of(&mut cx.turn.session.subscriptions).in_order();
    for name in &all {
        cx.node.pubsub.unsubscribe(scope, name, cx.turn.session);
        confirm(cx, kind, Some(name), scope);
    }
    if all.is_empty() {
        confirm(cx, kind, None, scope);
    }
    push_to_silent(cx, before);
    Ok(())
}

/// Confirmations are pushes: a client that has switched off replies gets what was written behind `before` all the same.
fn push_to_silent(cx: &mut NodeTurn<'_>, before: usize) {
    let session = &*cx.turn.session;
    if session.reply_mode == ReplyMode::On {
        return;
    }
    let Some(output) = cx.node.net.output(session.token) else { return };
    output.buffer().extend_from_slice(&cx.turn.reply.buffer()[before..]);
    cx.node.touch(session.token);
}

fn confirm(cx: &mut NodeTurn<'_>, kind: &[u8], name: Option<&[u8]>, scope: Scope) {
    let subscriptions = &cx.turn.session.subscriptions;
    let count = match scope {
        Scope::Channel | Scope::Pattern => subscriptions.count(),
        Scope::ShardChannel => subscriptions.shard_channels.len(),
    };
    let reply = &mut cx.turn.reply;
    reply.push(3);
    reply.bulk(kind);
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.count(count);
}

fn publish(cx: &mut NodeTurn<'_>, args: &Args<'_>, scope: Scope) -> CmdResult {
    let deliveries = cx.publish(scope, args.key(1), args.key(2));
    let db = cx.turn.session.db;
    cx.turn.keys.stream_mut().publish(db, args.key(0), args.key(1), args.key(2));
    cx.turn.reply.count(deliveries);
    Ok(())
}

fn names(cx: &mut NodeTurn<'_>, args: &Args<'_>, scope: Scope) -> CmdResult {
    if args.len() > 3 {
        return Err(wrong_form(args));
    }
    let names: Vec<&[u8]> = cx.node.pubsub.names(scope, args.get(2)).collect();
    cx.turn.reply.array(names.len());
    for name in names {
        cx.turn.reply.bulk(name);
    }
    Ok(())
}

fn counts(cx: &mut NodeTurn<'_>, args: &Args<'_>, scope: Scope) -> CmdResult {
    cx.turn.reply.array(2 * (args.len() - 2));
    for name in args.iter_from(2) {
        cx.turn.reply.bulk(name);
        cx.turn.reply.count(cx.node.pubsub.listeners(scope, name));
    }
    Ok(())
}

fn numpat(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    cx.turn.reply.count(cx.node.pubsub.patterns());
    Ok(())
}
