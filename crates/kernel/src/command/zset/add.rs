//! ZADD and ZINCRBY.

use std::collections::BTreeMap;

use store::Zset;
use wire::effect::Effect;
use wire::resp::reply::ErrorReply;

use crate::command::element::score;
use crate::command::{Args, CmdResult, Stop, Turn};
use crate::keyspace::Class;

/// Which members may be touched.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::command) enum Only {
    Any,
    /// NX
    New,
    /// XX
    Existing,
}

/// Which changes of a score are made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Any,
    /// GT
    Up,
    /// LT
    Down,
}

/// Arguments of ZADD.
struct Zadd<'a> {
    only: Only,
    direction: Direction,
    /// CH: the reply counts changed members too.
    counts_changed: bool,
    /// INCR: there is one member, and its score is added to.
    is_increment: bool,
    members: Vec<(f64, &'a [u8])>,
}

/// What ZADD will do.
#[derive(Default)]
struct Plan<'a> {
    /// Final scores, in the order of the arguments.
    members: Vec<(f64, &'a [u8])>,
    added: usize,
    changed: usize,
    /// The score of the last member; `None` if an option forbade to touch it.
    last_score: Option<f64>,
}

impl<'a> Zadd<'a> {
    /// `[NX|XX] [GT|LT] [CH] [INCR] score member ...` from argument 2 on.
    fn parse(args: &Args<'a>) -> Result<Zadd<'a>, Stop> {
        let (mut nx, mut xx, mut gt, mut lt) = (false, false, false, false);
        let (mut counts_changed, mut is_increment) = (false, false);
        let mut at = 2;
        while at < args.len() {
            match args.key(at).to_ascii_uppercase().as_slice() {
                b"NX" => nx = true,
                b"XX" => xx = true,
                b"GT" => gt = true,
                b"LT" => lt = true,
                b"CH" => counts_changed = true,
                b"INCR" => is_increment = true,
                _ => break,
            }
            at += 1;
        }
        let error = |text| Err(Stop::Error(ErrorReply::new(text)));
        let count = args.len() - at;
        if count == 0 || !count.is_multiple_of(2) {
            return Err(ErrorReply::SYNTAX.into());
        }
        if nx && xx {
            return error("ERR XX and NX options at the same time are not compatible");
        }
        if (nx && (gt || lt)) || (gt && lt) {
            return error("ERR GT, LT, and/or NX options at the same time are not compatible");
        }
        if is_increment && count > 2 {
            return error("ERR INCR option supports a single increment-element pair");
        }
        let member = |at: usize| Ok::<_, Stop>((args.float(at)?, args.key(at + 1)));
        Ok(Zadd {
            only: only(nx, xx),
            direction: if gt {
                Direction::Up
            } else if lt {
                Direction::Down
            } else {
                Direction::Any
            },
            counts_changed,
            is_increment,
            members: (at..args.len()).step_by(2).map(member).collect::<Result<_, Stop>>()?,
        })
    }

    /// ZINCRBY: `increment member` from argument 2 on.
    fn increment(args: &Args<'a>) -> Result<Zadd<'a>, Stop> {
        Ok(Zadd {
            only: Only::Any,
            direction: Direction::Any,
            counts_changed: false,
            is_increment: true,
            members: vec![(args.float(2)?, args.key(3))],
        })
    }

    fn plan(&self, zset: Option<&Zset>) -> Result<Plan<'a>, Stop> {
        let mut plan = Plan::default();
        // A member may come twice: the second time it meets what the first has made of it.
        let mut planned: BTreeMap<&[u8], f64> = BTreeMap::new();
        for &(given, member) in &self.members {
            let stored = || zset.and_then(|zset| zset.score(member));
            let old = planned.get(member).copied().or_else(stored);
            let new = self.new_score(old, given)?;
            plan.last_score = new;
            let Some(new) = new else { continue };
            match old {
                None => plan.added += 1,
                Some(old) if old != new => plan.changed += 1,
                Some(_) => continue,
            }
            plan.members.push((new, member));
            if self.members.len() > 1 {
                planned.insert(member, new);
            }
        }
        Ok(plan)
    }

    /// The score that a member gets; `None` if it is not to be touched.
    fn new_score(&self, old: Option<f64>, given: f64) -> Result<Option<f64>, Stop> {
        let Some(old) = old else {
            return Ok((self.only != Only::Existing).then_some(given));
        };
        if self.only == Only::New {
            return Ok(None);
        }
        let new = if self.is_increment { old + given } else { given };
        if new.is_nan() {
            return Err(ErrorReply::new("ERR resulting score is not a number (NaN)").into());
        }
        let is_wanted = match self.direction {
            Direction::Any => true,
            Direction::Up => new > old,
            Direction::Down => new < old,
        };
        Ok(is_wanted.then_some(new))
    }

    fn run(&self, cx: &mut Turn<'_>, key: &[u8]) -> CmdResult {
        let plan = self.plan(cx.keys.peek_zset(key)?)?;
        if !plan.members.is_empty() {
            cx.keys.apply(Effect::ZsetAdd { key, members: plan.members });
            let event = if self.is_increment { "zincr" } else { "zadd" };
            cx.keys.notify(Class::Zset, event, key);
        }
        match (self.is_increment, plan.last_score) {
            (true, Some(new)) => score(&mut cx.reply, new),
            (true, None) => cx.reply.null(),
            (false, _) => {
                let changed = if self.counts_changed { plan.changed } else { 0 };
                cx.reply.count(plan.added + changed);
            }
        }
        Ok(())
    }
}

/// What NX and XX, of which at most one is given, allow.
pub(in crate::command) fn only(nx: bool, xx: bool) -> Only {
    match (nx, xx) {
        (true, _) => Only::New,
        (false, true) => Only::Existing,
        (false, false) => Only::Any,
    }
}

/// Adds members with their scores and replies how many are new; `counts_changed`: or have another score now.
pub(in crate::command) fn add(
    cx: &mut Turn<'_>,
    key: &[u8],
    only: Only,
    counts_changed: bool,
    members: Vec<(f64, &[u8])>,
) -> CmdResult {
    let direction = Direction::Any;
    Zadd { only, direction, counts_changed, is_increment: false, members }.run(cx, key)
}

pub(super) fn zadd(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    Zadd::parse(args)?.run(cx, args.key(1))
}

pub(super) fn zincrby(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    Zadd::increment(args)?.run(cx, args.key(1))
}
