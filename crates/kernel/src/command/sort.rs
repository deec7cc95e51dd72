//! SORT: the elements of a list, set or sorted set, in their own order or in that of other keys.
//!
//! ```text
//!   SORT tasks BY task:*->due LIMIT 0 10 GET # GET task:*->title
//!
//!   elements --BY--> weights --> sorted --LIMIT--> part --GET--> what is replied or stored
//! ```
//!
//! In a pattern the first `*` stands for the element, and what follows `->` names a field of a hash. A BY without
//! `*` means: do not sort.

use std::cmp::Ordering;

use base::number::parse_double;
use store::Value;
use wire::effect::{Effect, End};
use wire::listpack::{Element, TextBuffer};
use wire::resp::reply::ErrorReply;

use super::table::Binding;
use super::{Args, CmdResult, Handler, Stop, Turn};
use crate::access::may_read_every_key;
use crate::client::Session;
use crate::keyspace::{Class, Keyspace, Stored, in_parts};

pub(crate) const COMMANDS: &[Binding] =
    &[("sort", Handler::Data(sort)), ("sort_ro", Handler::Data(sort_ro))];

const NOT_A_NUMBER: ErrorReply =
    ErrorReply::new("ERR One or more scores can't be converted into double");

const BY_DENIED: ErrorReply =
    ErrorReply::new("ERR BY option of SORT denied due to insufficient ACL permissions.");
const GET_DENIED: ErrorReply =
    ErrorReply::new("ERR GET option of SORT denied due to insufficient ACL permissions.");

#[derive(Default)]
struct Options<'a> {
    /// Pattern of the keys that say what to sort by.
    by: Option<&'a [u8]>,
    is_unsorted: bool,
    /// Elements left out at the start, and elements taken at most; a negative count takes all.
    limit: Option<(i64, i64)>,
    gets: Vec<&'a [u8]>,
    is_descending: bool,
    is_alpha: bool,
    target: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    /// A user who may not read every key may not name keys by patterns.
    fn parse(args: &Args<'a>, may_store: bool, session: &Session) -> Result<Options<'a>, Stop> {
        let mut options = Options::default();
        let may_look_up = || {
            let spec = catalog::find(args.key(0)).expect("resolved by this name");
            session.is_unrestricted || may_read_every_key(&session.user, spec, args)
        };
        let mut at = 2;
        while at < args.len() {
            let follow = args.len() - at - 1;
            let mut taken = 1;
            if args.is(at, "asc") {
                options.is_descending = false;
            } else if args.is(at, "desc") {
                options.is_descending = true;
            } else if args.is(at, "alpha") {
                options.is_alpha = true;
            } else if args.is(at, "limit") && follow >= 2 {
                options.limit = Some((args.int(at + 1)?, args.int(at + 2)?));
                taken = 3;
            } else if args.is(at, "store") && follow >= 1 && may_store {
                options.target = Some(args.key(at + 1));
                taken = 2;
            } else if args.is(at, "by") && follow >= 1 {
                options.by = Some(args.key(at + 1));
                if !args.key(at + 1).contains(&b'*') {
                    options.is_unsorted = true;
                } else if !may_look_up() {
                    return Err(BY_DENIED.into());
                }
                taken = 2;
            } else if args.is(at, "get") && follow >= 1 {
                if !may_look_up() {
                    return Err(GET_DENIED.into());
                }
                options.gets.push(args.key(at + 1));
                taken = 2;
            } else {
                return Err(ErrorReply::SYNTAX.into());
            }
            at += taken;
        }
        Ok(options)
    }

    /// The part of `length` elements that LIMIT leaves.
    fn part(&self, length: usize) -> std::ops::Range<usize> {
        let (offset, count) = self.limit.unwrap_or((0, -1));
        let start = usize::try_from(offset.max(0)).unwrap_or(usize::MAX).min(length);
        let end = match usize::try_from(count) {
            Ok(count) => start.saturating_add(count).min(length),
            Err(_) => length,
        };
        start..end
    }
}

fn sort(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    run(cx, args, true)
}

fn sort_ro(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    run(cx, args, false)
}

fn run(cx: &mut Turn<'_>, args: &Args<'_>, may_store: bool) -> CmdResult {
    let mut options = Options::parse(args, may_store, cx.session)?;
    let (elements, is_set) = elements(cx.keys, args.key(1))?;
    let mut elements = cx.keys.temporary(elements);
    let wants_order = options.target.is_some() || cx.keys.is_for_script;
    if options.is_unsorted && is_set && wants_order {
        // The order of a set is nobody's promise; what is stored must have one.
        (options.is_unsorted, options.is_alpha, options.by) = (false, true, None);
    }
    if !options.is_unsorted {
        sort_elements(cx.keys, &mut elements, &options)?;
    } else if options.is_descending && !is_set {
        elements.reverse();
    }
    let part = options.part(elements.len());
    let chosen = &elements[part];
    match options.target {
        None => {
            cx.reply.array(chosen.len() * options.gets.len().max(1));
            for_each_result(cx.keys, chosen, &options.gets, |result| match result {
                Some(result) => cx.reply.bulk(result),
                None => cx.reply.null(),
            });
        }
        Some(target) => {
            let mut results = cx.keys.temporary(Vec::new());
            for_each_result(cx.keys, chosen, &options.gets, |result| {
                results.push(result.unwrap_or(b"").to_vec());
            });
            store(cx.keys, target, &results)?;
            cx.reply.count(results.len());
        }
    }
    Ok(())
}

/// The elements in the order of their collection, and whether that is a set.
fn elements(keys: &mut Keyspace, key: &[u8]) -> Result<(Vec<Vec<u8>>, bool), Stop> {
    let own = |element: Element<'_>| element.to_vec();
    match keys.value(key) {
        None => Ok((Vec::new(), false)),
        Some(Value::List(list)) => Ok((list.iter().map(own).collect(), false)),
        Some(Value::Set(set)) => Ok((set.iter().map(own).collect(), true)),
        Some(Value::Zset(zset)) => {
            Ok((zset.iter().map(|(_, member)| own(member)).collect(), false))
        }
        Some(Value::String(_) | Value::Hash(_) | Value::Stream(_)) => {
            Err(ErrorReply::WRONG_TYPE.into())
        }
    }
}

/// What an element is sorted by. Variants are not mixed in one SORT, but that a text may be missing.
enum Weight {
    Number(f64),
    Missing,
    Text(Vec<u8>),
    /// The element itself, as text.
    Own,
}

fn sort_elements(
    keys: &mut Keyspace,
    elements: &mut Vec<Vec<u8>>,
    options: &Options<'_>,
) -> Result<(), Stop> {
    let weighted = elements.drain(..).map(|element| (Weight::Own, element)).collect();
    let mut weighted = keys.temporary::<(Weight, Vec<u8>)>(weighted);
    for (weight, element) in weighted.iter_mut() {
        *weight = match (options.by, options.is_alpha) {
            (None, true) => Weight::Own,
            (None, false) => Weight::Number(number(element)?),
            (Some(pattern), true) => {
                look_up(keys, pattern, element).map_or(Weight::Missing, Weight::Text)
            }
            (Some(pattern), false) => match look_up(keys, pattern, element) {
                None => Weight::Number(0.0),
                Some(text) => Weight::Number(number(&text)?),
            },
        };
    }
    weighted.sort_by(|a, b| {
        let ordering = compare(a, b);
        if options.is_descending { ordering.reverse() } else { ordering }
    });
    elements.extend(weighted.iter_mut().map(|(_, element)| std::mem::take(element)));
    Ok(())
}

/// Equal numbers leave the order to the elements, so that it is always the same; equal texts leave it as it was.
fn compare(a: &(Weight, Vec<u8>), b: &(Weight, Vec<u8>)) -> Ordering {
    match (&a.0, &b.0) {
        (Weight::Number(x), Weight::Number(y)) => {
            x.partial_cmp(y).unwrap_or(Ordering::Equal).then_with(|| a.1.cmp(&b.1))
        }
        (Weight::Own, Weight::Own) => a.1.cmp(&b.1),
        (Weight::Missing, Weight::Missing) => Ordering::Equal,
        (Weight::Missing, _) => Ordering::Less,
        (_, Weight::Missing) => Ordering::Greater,
        (Weight::Text(x), Weight::Text(y)) => x.cmp(y),
        (Weight::Number(_) | Weight::Own | Weight::Text(_), _) => {
            unreachable!("one SORT has one kind of weight")
        }
    }
}

/// A weight as C's `strtod` reads it: a NUL ends it, blanks may stand before it, and nothing at all is 0.
fn number(text: &[u8]) -> Result<f64, Stop> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Ok(0.0);
    }
    parse_double(text.trim_ascii_start()).ok_or(Stop::Error(NOT_A_NUMBER))
}

/// Hands over what the GET patterns yield for each element: the elements themselves without any.
fn for_each_result(
    keys: &mut Keyspace,
    elements: &[Vec<u8>],
    gets: &[&[u8]],
    mut take: impl FnMut(Option<&[u8]>),
) {
    for element in elements {
        if gets.is_empty() {
            take(Some(element));
        }
        for pattern in gets {
            take(look_up(keys, pattern, element).as_deref());
        }
    }
}

/// The string, or the field of the hash, that a pattern names for an element; `#` names the element itself.
fn look_up(keys: &mut Keyspace, pattern: &[u8], element: &[u8]) -> Option<Vec<u8>> {
    if pattern == b"#" {
        return Some(element.to_vec());
    }
    let star = pattern.iter().position(|&byte| byte == b'*')?;
    let (prefix, rest) = (&pattern[..star], &pattern[star + 1..]);
    let arrow = rest.windows(2).position(|pair| pair == b"->");
    let field = arrow.map(|at| &rest[at + 2..]).filter(|field| !field.is_empty());
    let suffix = match (arrow, field) {
        (Some(at), Some(_)) => &rest[..at],
        _ => rest,
    };
    let key = [prefix, element, suffix].concat();
    let now = keys.now();
    match (keys.value(&key)?, field) {
        (Value::String(string), None) => Some(string.text(&mut itoa::Buffer::new()).to_vec()),
        (Value::Hash(hash), Some(field)) => {
            hash.at(now).get(field).map(|value| value.text(&mut TextBuffer::default()).to_vec())
        }
        _ => None,
    }
}

/// Makes `results` the list under `target`; without results there is no list.
fn store(keys: &mut Keyspace, target: &[u8], results: &[Vec<u8>]) -> Result<(), ErrorReply> {
    keys.check_room(results.iter().map(Vec::len))?;
    let was_there = keys.make_way(target, results.is_empty());
    in_parts(
        results.iter().map(Vec::as_slice),
        |result| result.len(),
        |part| {
            let values = part.to_vec();
            keys.apply(Effect::ListPush { key: target, end: End::Tail, values });
        },
    );
    let stored = Stored::of(results.is_empty(), was_there);
    keys.notify_stored(Class::List, "sortstore", target, stored);
    Ok(())
}
