//! Commands on sets.

pub(crate) mod combine;

use store::Set;
use wire::effect::Effect;
use wire::resp::reply::ErrorReply;

use super::bounds::{self, Sample};
use super::element::{element, element_or_null};
use super::scan::{self, Scan};
use super::table::Binding;
use super::{Args, CmdResult, Handler, Turn};
use crate::keyspace::{Class, in_parts};

pub(crate) const COMMANDS: &[Binding] = &[
    ("sadd", Handler::Data(sadd)),
    ("srem", Handler::Data(srem)),
    ("sismember", Handler::Data(sismember)),
    ("smismember", Handler::Data(smismember)),
    ("scard", Handler::Data(scard)),
    ("smembers", Handler::Data(smembers)),
    ("smove", Handler::Data(smove)),
    ("spop", Handler::Data(spop)),
    ("srandmember", Handler::Data(srandmember)),
    ("sscan", Handler::Data(sscan)),
    ("sinter", Handler::Data(combine::sinter)),
    ("sinterstore", Handler::Data(combine::sinterstore)),
    ("sintercard", Handler::Data(combine::sintercard)),
    ("sunion", Handler::Data(combine::sunion)),
    ("sunionstore", Handler::Data(combine::sunionstore)),
    ("sdiff", Handler::Data(combine::sdiff)),
    ("sdiffstore", Handler::Data(combine::sdiffstore)),
];

fn sadd(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let key = args.key(1);
    let set = cx.keys.peek_set(key)?;
    let members = args.from(2);
    let is_changing = set.is_none_or(|set| members.iter().any(|member| !set.contains(member)));
    let mut added = 0;
    if is_changing {
        added = cx.keys.apply(Effect::SetAdd { key, members }).0;
        cx.keys.notify(Class::Set, "sadd", key);
    }
    cx.reply.integer(added);
    Ok(())
}

fn srem(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let key = args.key(1);
    let set = cx.keys.peek_set(key)?;
    let mut members = args.from(2);
    members.retain(|member| set.is_some_and(|set| set.contains(member)));
    let mut removed = 0;
    if !members.is_empty() {
        removed = cx.keys.apply(Effect::SetRemove { key, members }).0;
        cx.keys.notify_removal(Class::Set, "srem", key);
    }
    cx.reply.integer(removed);
    Ok(())
}

fn sismember(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let is_there = cx.keys.set(args.key(1))?.is_some_and(|set| set.contains(args.key(2)));
    cx.reply.integer(i64::from(is_there));
    Ok(())
}

fn smismember(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let set = cx.keys.set(args.key(1))?;
    cx.reply.array(args.len() - 2);
    for member in args.iter_from(2) {
        cx.reply.integer(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

fn scard(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let length = cx.keys.set(args.key(1))?.map_or(0, Set::len);
    cx.reply.count(length);
    Ok(())
}

fn smembers(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let set = cx.keys.set(args.key(1))?;
    cx.reply.set(set.map_or(0, Set::len));
    for member in set.into_iter().flat_map(Set::iter) {
        element(&mut cx.reply, member);
    }
    Ok(())
}

fn smove(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (source, target, member) = (args.key(1), args.key(2), args.key(3));
    let Some(set) = cx.keys.peek_set(source)? else {
        cx.reply.integer(0);
        return Ok(());
    };
    let is_there = set.contains(member);
    let is_new = !cx.keys.peek_set(target)?.is_some_and(|set| set.contains(member));
    if is_there && source != target {
        cx.keys.apply(Effect::SetRemove { key: source, members: vec![member] });
        cx.keys.notify_removal(Class::Set, "srem", source);
        if is_new {
            cx.keys.apply(Effect::SetAdd { key: target, members: vec![member] });
            cx.keys.notify(Class::Set, "sadd", target);
        }
    }
    cx.reply.integer(i64::from(is_there));
    Ok(())
}

fn spop(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (key, mut rng) = (args.key(1), cx.keys.rng().fork());
    if args.len() > 3 {
        return Err(ErrorReply::SYNTAX.into());
    }
    let count = if args.len() == 3 { Some(bounds::count(args, 2)?) } else { None };
    let Some(set) = cx.keys.peek_set(key)? else {
        match count {
            Some(_) => cx.reply.set(0),
            None => cx.reply.null(),
        }
        return Ok(());
    };
    let picked = set.random_distinct(count.unwrap_or(1), &mut rng);
    if count.is_some() {
        cx.reply.set(picked.len());
    }
    picked.iter().for_each(|member| element(&mut cx.reply, *member));
    if picked.is_empty() {
        return Ok(());
    }
    let is_all = picked.len() == set.len();
    let members: Vec<Vec<u8>> = match is_all && count.is_some() {
        true => Vec::new(),
        false => picked.iter().map(|member| member.to_vec()).collect(),
    };
    let members = cx.keys.temporary(members);
    if is_all {
        let phrase = cx.keys.stream().phrase();
        cx.keys.apply(Effect::Delete { key });
        if let [member] = members.as_slice() {
            // Redis names the member, also when nothing is left behind it.
            let db = cx.keys.db();
            cx.keys.stream_mut().instead(phrase, db, &[b"SREM", key, member]);
        }
    } else {
        cx.keys.check_room(members.iter().map(Vec::len))?;
        in_parts(
            members.iter().map(Vec::as_slice),
            |member| member.len(),
            |part| {
                cx.keys.apply(Effect::SetRemove { key, members: part.to_vec() });
            },
        );
    }
    cx.keys.notify_removal(Class::Set, "spop", key);
    Ok(())
}

fn srandmember(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (key, mut rng) = (args.key(1), cx.keys.rng().fork());
    if args.len() == 2 {
        let found = cx.keys.set(key)?.and_then(|set| set.random(&mut rng));
        element_or_null(&mut cx.reply, found);
        return Ok(());
    }
    if args.len() > 3 {
        return Err(ErrorReply::SYNTAX.into());
    }
    let sample = bounds::sample(args, 2, false)?;
    let Some(set) = cx.keys.set(key)? else {
        cx.reply.array(0);
        return Ok(());
    };
    let picked = match sample {
        Sample::Distinct(count) => set.random_distinct(count, &mut rng),
        Sample::Repeated(count) => (0..count).filter_map(|_| set.random(&mut rng)).collect(),
    };
    cx.reply.array(picked.len());
    picked.into_iter().for_each(|member| element(&mut cx.reply, member));
    Ok(())
}

fn sscan(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    scan::cursor(args.key(2))?;
    let Some(set) = cx.keys.set(args.key(1))? else {
        scan::reply_nothing(&mut cx.reply);
        return Ok(());
    };
    let request = Scan::parse(args, 2)?;
    let mut body = scan::Body::new(cx.reply.protocol());
    let cursor = request.run(|cursor| {
        let mut visited = 0;
        let next = set.scan(cursor, |member| {
            visited += 1;
            if request.takes(member) {
                body.add(|reply| element(reply, member));
            }
        });
        (next, visited)
    });
    body.finish(&mut cx.reply, cursor);
    Ok(())
}
