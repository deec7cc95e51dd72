//! Commands on hashes.

mod expiry;

use base::extended::Extended;
use base::number::parse_i64;
use store::Value;
use store::hash::Visible;
use wire::effect::Effect;
use wire::listpack::{Element, TextBuffer};
use wire::resp::reply::ErrorReply;

use super::bounds::{self, Sample};
use super::element::{element, element_or_null, pair, pairs};
use super::scan::{self, Scan};
use super::table::Binding;
use super::{Args, CmdResult, Handler, Stop, Turn};
use crate::keyspace::Class;

pub(crate) const COMMANDS: &[Binding] = &[
    ("hset", Handler::Data(hset)),
    ("hmset", Handler::Data(hmset)),
    ("hsetnx", Handler::Data(hsetnx)),
    ("hget", Handler::Data(hget)),
    ("hmget", Handler::Data(hmget)),
    ("hgetall", Handler::Data(hgetall)),
    ("hkeys", Handler::Data(hkeys)),
    ("hvals", Handler::Data(hvals)),
    ("hlen", Handler::Data(hlen)),
    ("hstrlen", Handler::Data(hstrlen)),
    ("hexists", Handler::Data(hexists)),
    ("hdel", Handler::Data(hdel)),
    ("hincrby", Handler::Data(hincrby)),
    ("hincrbyfloat", Handler::Data(hincrbyfloat)),
    ("hrandfield", Handler::Data(hrandfield)),
    ("hscan", Handler::Data(hscan)),
    ("hexpire", Handler::Data(expiry::hexpire)),
    ("hpexpire", Handler::Data(expiry::hpexpire)),
    ("hexpireat", Handler::Data(expiry::hexpireat)),
    ("hpexpireat", Handler::Data(expiry::hpexpireat)),
    ("httl", Handler::Data(expiry::httl)),
    ("hpttl", Handler::Data(expiry::hpttl)),
    ("hexpiretime", Handler::Data(expiry::hexpiretime)),
    ("hpexpiretime", Handler::Data(expiry::hpexpiretime)),
    ("hpersist", Handler::Data(expiry::hpersist)),
];

/// Sets the pairs from argument 2 on; returns how many fields are new.
fn set_pairs(cx: &mut Turn<'_>, args: &Args<'_>, name: &str) -> Result<i64, Stop> {
    if !args.len().is_multiple_of(2) {
        return Err(ErrorReply::wrong_arity(name).into());
    }
    let key = args.key(1);
    cx.keys.peek_hash(key)?;
    let added = cx.keys.apply(Effect::HashSet { key, pairs: args.from(2) }).0;
    cx.keys.notify(Class::Hash, "hset", key);
    Ok(added)
}

fn hset(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let added = set_pairs(cx, args, "hset")?;
    cx.reply.integer(added);
    Ok(())
}

fn hmset(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    set_pairs(cx, args, "hmset")?;
    cx.reply.ok();
    Ok(())
}

fn hsetnx(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (key, field) = (args.key(1), args.key(2));
    cx.keys.settle_fields(key, [field].into_iter());
    let is_there = cx.keys.peek_hash(key)?.is_some_and(|hash| hash.contains(field));
    if !is_there {
        cx.keys.apply(Effect::HashSet { key, pairs: vec![field, args.key(3)] });
        cx.keys.notify(Class::Hash, "hset", key);
    }
    cx.reply.integer(i64::from(!is_there));
    Ok(())
}

fn hget(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    cx.keys.settle_fields(args.key(1), args.iter_from(2));
    let found = cx.keys.hash(args.key(1))?.and_then(|hash| hash.get(args.key(2)));
    element_or_null(&mut cx.reply, found);
    Ok(())
}

fn hmget(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    cx.keys.settle_fields(args.key(1), args.iter_from(2));
    let hash = cx.keys.hash(args.key(1))?;
    cx.reply.array(args.len() - 2);
    for field in args.iter_from(2) {
        element_or_null(&mut cx.reply, hash.and_then(|hash| hash.get(field)));
    }
    Ok(())
}

fn hgetall(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let hash = cx.keys.hash(args.key(1))?;
    cx.reply.map(hash.map_or(0, Visible::len));
    for (field, value) in hash.into_iter().flat_map(Visible::iter) {
        element(&mut cx.reply, field);
        element(&mut cx.reply, value);
    }
    Ok(())
}

fn hkeys(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    column(cx, args, |entry| entry.0)
}

fn hvals(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    column(cx, args, |entry| entry.1)
}

/// One side of all pairs.
fn column(
    cx: &mut Turn<'_>,
    args: &Args<'_>,
    side: for<'e> fn(store::hash::Entry<'e>) -> Element<'e>,
) -> CmdResult {
    let hash = cx.keys.hash(args.key(1))?;
    cx.reply.array(hash.map_or(0, Visible::len));
    for entry in hash.into_iter().flat_map(Visible::iter) {
        element(&mut cx.reply, side(entry));
    }
    Ok(())
}

fn hlen(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    // As in Redis, with the fields that are due but not yet deleted.
    let length = cx.keys.hash(args.key(1))?.map_or(0, |hash| hash.whole().len());
    cx.reply.count(length);
    Ok(())
}

fn hstrlen(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    cx.keys.settle_fields(args.key(1), args.iter_from(2));
    let found = cx.keys.hash(args.key(1))?.and_then(|hash| hash.get(args.key(2)));
    cx.reply.count(found.map_or(0, |value| value.text_len()));
    Ok(())
}

fn hexists(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    cx.keys.settle_fields(args.key(1), args.iter_from(2));
    let is_there = cx.keys.hash(args.key(1))?.is_some_and(|hash| hash.contains(args.key(2)));
    cx.reply.integer(i64::from(is_there));
    Ok(())
}

fn hdel(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let key = args.key(1);
    let hash = cx.keys.peek_hash(key)?;
    let mut fields = args.from(2);
    // As in Redis, a due field that is still there counts.
    fields.retain(|field| hash.is_some_and(|hash| hash.whole().contains(field)));
    let mut removed = 0;
    if !fields.is_empty() {
        removed = cx.keys.apply(Effect::HashDelete { key, fields }).0;
        cx.keys.notify_removal(Class::Hash, "hdel", key);
    }
    cx.reply.integer(removed);
    Ok(())
}

fn hincrby(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (key, field, increment) = (args.key(1), args.key(2), args.int(3)?);
    cx.keys.settle_fields(key, [field].into_iter());
    let old = match cx.keys.peek_hash(key)?.and_then(|hash| hash.get(field)) {
        None => 0,
        Some(Element::Integer(value)) => value,
        Some(Element::Bytes(text)) => {
            parse_i64(text).ok_or(ErrorReply::new("ERR hash value is not an integer"))?
        }
    };
    let overflow = ErrorReply::new("ERR increment or decrement would overflow");
    let new = old.checked_add(increment).ok_or(overflow)?;
    replace(cx, key, field, new.to_string().as_bytes());
    cx.keys.notify(Class::Hash, "hincrby", key);
    cx.reply.integer(new);
    Ok(())
}

fn hincrbyfloat(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (key, field) = (args.key(1), args.key(2));
    let increment = Extended::parse(args.key(3)).ok_or(ErrorReply::NOT_A_FLOAT)?;
    if increment.is_infinite() {
        return Err(ErrorReply::new("ERR value is NaN or Infinity").into());
    }
    cx.keys.settle_fields(key, [field].into_iter());
    let old = cx.keys.peek_hash(key)?.and_then(|hash| hash.get(field));
    let old = old.unwrap_or(Element::Integer(0));
    let old = Extended::parse(old.text(&mut TextBuffer::default()))
        .ok_or(ErrorReply::new("ERR hash value is not a float"))?;
    let sum = old
        .plus(increment)
        .ok_or(ErrorReply::new("ERR increment would produce NaN or Infinity"))?;
    let text = sum.to_text();
    replace(cx, key, field, text.as_bytes());
    cx.keys.notify(Class::Hash, "hincrbyfloat", key);
    cx.reply.bulk(text.as_bytes());
    Ok(())
}

/// Gives a field another value; it expires when it did.
fn replace(cx: &mut Turn<'_>, key: &[u8], field: &[u8], value: &[u8]) {
    let hash = cx.keys.view_value(key);
    let is_volatile = matches!(hash, Some(Value::Hash(hash)) if hash.deadline(field).is_some());
    let pairs = vec![field, value];
    cx.keys.apply(match is_volatile {
        true => Effect::HashSetAndKeep { key, pairs },
        false => Effect::HashSet { key, pairs },
    });
}

fn hrandfield(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let mut rng = cx.keys.rng().fork();
    if args.len() == 2 {
        cx.keys.settle_all_fields(args.key(1));
        let found = cx.keys.hash(args.key(1))?.and_then(|hash| hash.random(&mut rng));
        element_or_null(&mut cx.reply, found.map(|(field, _)| field));
        return Ok(());
    }
    let (sample, with_values) = bounds::sample_of_pairs(args, "WITHVALUES")?;
    cx.keys.settle_all_fields(args.key(1));
    let Some(hash) = cx.keys.hash(args.key(1))? else {
        cx.reply.array(0);
        return Ok(());
    };
    let picked = match sample {
        Sample::Distinct(count) => hash.random_distinct(count, &mut rng),
        Sample::Repeated(count) => hash.random_repeated(count, &mut rng),
    };
    if !with_values {
        cx.reply.array(picked.len());
        picked.into_iter().for_each(|(field, _)| element(&mut cx.reply, field));
        return Ok(());
    }
    pairs(&mut cx.reply, picked.len());
    for (field, value) in picked {
        pair(&mut cx.reply);
        element(&mut cx.reply, field);
        element(&mut cx.reply, value);
    }
    Ok(())
}

fn hscan(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    scan::cursor(args.key(2))?;
    let Some(hash) = cx.keys.hash(args.key(1))? else {
        scan::reply_nothing(&mut cx.reply);
        return Ok(());
    };
    let request = Scan::parse(args, 2)?;
    let mut body = scan::Body::new(cx.reply.protocol());
    let cursor = request.run(|cursor| {
        let mut visited = 0;
        let next = hash.whole().scan(cursor, |(field, value)| {
            visited += 1;
            if hash.shows(field) && request.takes(field) {
                body.add(|reply| element(reply, field));
                body.add(|reply| element(reply, value));
            }
        });
        (next, visited)
    });
    body.finish(&mut cx.reply, cursor);
    Ok(())
}
