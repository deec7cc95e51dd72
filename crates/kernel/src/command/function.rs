//! FUNCTION.

use super::table::Binding;
use super::{Args, CmdResult, Handler, NodeTurn};
use crate::script::{Kind, busy};
use crate::turn::monotonic_clock;

pub(crate) const COMMANDS: &[Binding] =
    &[("function|kill", Handler::Node(kill)), ("function|stats", Handler::Node(stats))];

fn kill(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    cx.node.scripts.kill(Kind::Function)?;
    cx.turn.reply.ok();
    Ok(())
}

/// What runs, and how many functions each engine has: there is one engine.
fn stats(cx: &mut NodeTurn<'_>, _: &Args<'_>) -> CmdResult {
    let running = cx.node.scripts.running.as_ref();
    if running.is_some_and(|running| running.kind == Kind::Script) {
        return Err(busy(Kind::Script).into());
    }
    let reply = &mut cx.turn.reply;
    reply.map(2);
    reply.bulk(b"running_script");
    match running {
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
    for name in [&b"libraries_count"[..], b"functions_count"] {
        reply.bulk(name);
        reply.integer(0);
    }
    Ok(())
}
