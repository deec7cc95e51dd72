//! Moving an element from list to list.

use wire::effect::{Effect, End};

use super::{outermost, parse_end, popped, pushed};
use crate::command::{Args, CmdResult, Stop, Turn};
use crate::interop::Phrase;
use crate::keyspace::Class;

/// What LMOVE and its relatives move.
pub(super) struct Move<'a> {
    pub(super) source: &'a [u8],
    target: &'a [u8],
    from: End,
    to: End,
    /// It was said without the ends.
    is_rpoplpush: bool,
}

impl<'a> Move<'a> {
    /// `source target LEFT|RIGHT LEFT|RIGHT`
    pub(super) fn parse(args: &Args<'a>) -> Result<Move<'a>, Stop> {
        let (from, to) = (parse_end(args, 3)?, parse_end(args, 4)?);
        Ok(Move { source: args.key(1), target: args.key(2), from, to, is_rpoplpush: false })
    }

    /// RPOPLPUSH.
    pub(super) fn tail_to_head(args: &Args<'a>) -> Move<'a> {
        let (source, target) = (args.key(1), args.key(2));
        Move { source, target, from: End::Tail, to: End::Head, is_rpoplpush: true }
    }

    /// Moves and replies; `false`, and no reply, when the source is not there.
    pub(super) fn serve(&self, cx: &mut Turn<'_>) -> Result<bool, Stop> {
        if cx.keys.peek_list(self.source)?.is_none() {
            return Ok(false);
        }
        cx.keys.peek_list(self.target)?;
        let Some(list) = cx.keys.view_list(self.source)? else { return Ok(false) };
        let found = outermost(list, self.from).next();
        let value = found.expect("no list is empty").to_vec();
        cx.keys.check_room([value.len()].into_iter())?;
        cx.reply.bulk(&value);
        let value = value.as_slice();
        let phrase = cx.keys.stream().phrase();
        if self.source == self.target && list.len() == 1 {
            // Pop and push would remove the key in between, and its expiry with it.
            cx.keys.apply(Effect::ListSet { key: self.source, index: 0, value });
        } else {
            cx.keys.apply(Effect::ListPop { key: self.source, end: self.from, count: 1 });
            let values = vec![value];
            cx.keys.apply(Effect::ListPush { key: self.target, end: self.to, values });
        }
        self.tell(cx, phrase);
        // Redis pushes first, so it tells of that first.
        cx.keys.notify(Class::List, pushed(self.to), self.target);
        cx.keys.notify_removal(Class::List, popped(self.from), self.source);
        Ok(true)
    }

    /// Replicas of Redis hear of it as it was said.
    fn tell(&self, cx: &mut Turn<'_>, phrase: Phrase) {
        let name = |end: End| -> &[u8] { if end == End::Head { b"left" } else { b"right" } };
        let (from, to) = (name(self.from), name(self.to));
        let long: &[&[u8]] = &[b"LMOVE", self.source, self.target, from, to];
        let short: &[&[u8]] = &[b"RPOPLPUSH", self.source, self.target];
        let db = cx.keys.db();
        let words = if self.is_rpoplpush { short } else { long };
        cx.keys.stream_mut().instead(phrase, db, words);
    }
}

pub(super) fn lmove(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    reply_or_null(cx, &Move::parse(args)?)
}

pub(super) fn rpoplpush(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    reply_or_null(cx, &Move::tail_to_head(args))
}

fn reply_or_null(cx: &mut Turn<'_>, element: &Move<'_>) -> CmdResult {
    if !element.serve(cx)? {
        cx.reply.null();
    }
    Ok(())
}
