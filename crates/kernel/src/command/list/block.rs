//! The commands on lists that wait for an element.

use base::UnixMs;
use wire::effect::End;

use super::transfer::Move;
use super::{Lmpop, outermost, take};
use crate::command::element::element_or_null;
use crate::command::{Args, Awaited, BlockOn, CmdResult, Stop, TimeoutReply, Turn};

/// Parks the client until a list appears at one of the keys.
fn wait<'a>(
    keys: impl Iterator<Item = &'a [u8]>,
    deadline: Option<UnixMs>,
    on_timeout: TimeoutReply,
) -> CmdResult {
    Err(Stop::Block(BlockOn {
        keys: keys.map(<[u8]>::to_vec).collect(),
        awaited: Awaited::List,
        deadline,
        on_timeout,
        again: None,
    }))
}

pub(super) fn blpop(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    pop(cx, args, End::Head)
}

pub(super) fn brpop(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    pop(cx, args, End::Tail)
}

/// `key ... timeout`
fn pop(cx: &mut Turn<'_>, args: &Args<'_>, end: End) -> CmdResult {
    let last = args.len() - 1;
    let deadline = args.deadline(last, cx.keys.now())?;
    let keys = || args.iter_from(1).take(last - 1);
    for key in keys() {
        let Some(list) = cx.keys.peek_list(key)? else { continue };
        cx.reply.array(2);
        cx.reply.bulk(key);
        element_or_null(&mut cx.reply, outermost(list, end).next());
        take(cx, key, end, 1);
        return Ok(());
    }
    wait(keys(), deadline, TimeoutReply::NullArray)
}

pub(super) fn blmove(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let element = Move::parse(args)?;
    let deadline = args.deadline(5, cx.keys.now())?;
    move_or_wait(cx, &element, deadline)
}

pub(super) fn brpoplpush(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let deadline = args.deadline(3, cx.keys.now())?;
    move_or_wait(cx, &Move::tail_to_head(args), deadline)
}

fn move_or_wait(cx: &mut Turn<'_>, element: &Move<'_>, deadline: Option<UnixMs>) -> CmdResult {
    if element.serve(cx)? {
        return Ok(());
    }
    wait(std::iter::once(element.source), deadline, TimeoutReply::NullArrayAfterWait)
}

/// `timeout numkeys key ... LEFT|RIGHT [COUNT count]`
pub(super) fn blmpop(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let lmpop = Lmpop::parse(args, 2)?;
    let deadline = args.deadline(1, cx.keys.now())?;
    if lmpop.serve(cx)? {
        return Ok(());
    }
    wait(lmpop.keys.iter().copied(), deadline, TimeoutReply::NullArray)
}
