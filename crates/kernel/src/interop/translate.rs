//! One effect as the Redis command that does the same.
//!
//! Invariants
//! - The command is deterministic at the replica: absolute times, no names of users, nothing relative to a clock.
//! - A command is a RESP array of bulk strings, as a master sends it.

mod stream;

use base::UnixMs;
use base::number::format_double;
use store::{Db, Entry, Outcome, Value};
use wire::effect::{Effect, End, Expiry};
use wire::listpack::Needle;

/// Appends a command to `out`.
pub(super) fn command(out: &mut Vec<u8>, words: &[&[u8]]) {
    header(out, words.len());
    words.iter().for_each(|word| bulk(out, word));
}

fn header(out: &mut Vec<u8>, words: usize) {
    out.push(b'*');
    number(out, words as u64);
    out.extend_from_slice(b"\r\n");
}

fn bulk(out: &mut Vec<u8>, word: &[u8]) {
    out.push(b'$');
    number(out, word.len() as u64);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(word);
    out.extend_from_slice(b"\r\n");
}

fn number(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn long(out: &mut Vec<u8>, name: &[u8], key: &[u8], rest: &[&[u8]]) {
    header(out, rest.len() + 2);
    bulk(out, name);
    bulk(out, key);
    rest.iter().for_each(|word| bulk(out, word));
}

/// Appends what `effect`, just applied to `db` with this outcome, is in Redis' words; `unlinks`: a key that goes is freed
/// in the background. Returns the number of commands: none for what Redis does not replicate.
pub(super) fn effect(
    out: &mut Vec<u8>,
    effect: &Effect<'_>,
    outcome: Outcome,
    db: &Db,
    unlinks: bool,
) -> usize {
    let mut text = itoa::Buffer::new();
    match effect {
        Effect::Delete { key } => {
            command(out, &[if unlinks { b"UNLINK" } else { b"DEL" }, key]);
        }
        Effect::Rename { from, to } => command(out, &[b"RENAME", from, to]),
        Effect::Copy { from, to_db, to } => {
            let to_db = text.format(*to_db).as_bytes();
            command(out, &[b"COPY", from, to, b"DB", to_db, b"REPLACE"]);
        }
        Effect::Move { key, to_db } => {
            command(out, &[b"MOVE", key, text.format(*to_db).as_bytes()])
        }
        Effect::ExpireAt { key, at } => {
            command(out, &[b"PEXPIREAT", key, text.format(at.0).as_bytes()]);
        }
        Effect::Persist { key } => command(out, &[b"PERSIST", key]),
        Effect::SetClock { .. } => return 0,
        Effect::FlushDb => command(out, &[b"FLUSHDB"]),
        Effect::FlushAll => command(out, &[b"FLUSHALL"]),
        Effect::SwapDb { a, b } => {
            let b = text.format(*b).as_bytes();
            command(out, &[b"SWAPDB", itoa::Buffer::new().format(*a).as_bytes(), b]);
        }
        Effect::SetString { .. }
        | Effect::Append { .. }
        | Effect::SetRange { .. }
        | Effect::IncrBy { .. } => string(out, effect),
        Effect::ListPush { .. }
        | Effect::ListPop { .. }
        | Effect::ListSet { .. }
        | Effect::ListInsert { .. }
        | Effect::ListTrim { .. }
        | Effect::ListRemove { .. } => list(out, effect, db),
        Effect::HashSet { .. }
        | Effect::HashSetAndKeep { .. }
        | Effect::HashDelete { .. }
        | Effect::HashExpire { .. }
        | Effect::HashPersist { .. } => return hash(out, effect, db),
        Effect::SetAdd { key, members } => long(out, b"SADD", key, members),
        Effect::SetRemove { key, members } => long(out, b"SREM", key, members),
        Effect::ZsetAdd { key, members } => {
            header(out, 2 + 2 * members.len());
            bulk(out, b"ZADD");
            bulk(out, key);
            for (score, member) in members {
                bulk(out, &format_double(*score));
                bulk(out, member);
            }
        }
        Effect::ZsetRemove { key, members } => long(out, b"ZREM", key, members),
        Effect::FunctionLoad { code, .. } => {
            command(out, &[b"FUNCTION", b"LOAD", b"REPLACE", code]);
        }
        Effect::FunctionDelete { name } => command(out, &[b"FUNCTION", b"DELETE", name]),
        Effect::FunctionFlush => command(out, &[b"FUNCTION", b"FLUSH"]),
        Effect::StreamAdd { .. }
        | Effect::StreamAddNode { .. }
        | Effect::StreamDelete { .. }
        | Effect::StreamTrim { .. }
        | Effect::StreamSet { .. }
        | Effect::StreamSetGroup { .. }
        | Effect::StreamRemoveGroup { .. }
        | Effect::StreamSetConsumer { .. }
        | Effect::StreamRemoveConsumer { .. }
        | Effect::StreamDeliver { .. }
        | Effect::StreamClaim { .. }
        | Effect::StreamAck { .. } => return stream::effect(out, effect, outcome, db),
    }
    1
}

/// Runs a command that the replica may not know, and passes over its error.
const TRY: &[u8] = b"redis.pcall(ARGV[1],KEYS[1],unpack(ARGV,2))";
/// Fields of one such command: what `unpack` can hand over has a bound.
const FIELDS_MAX: usize = 1000;

/// Before 7.4 Redis knows no deadlines of fields. A replica that is older holds such fields without one, until the master
/// says that they are gone, as it says to all replicas. Returns the number of commands.
fn hash(out: &mut Vec<u8>, effect: &Effect<'_>, db: &Db) -> usize {
    match effect {
        Effect::HashSet { key, pairs } => long(out, b"HSET", key, pairs),
        Effect::HashSetAndKeep { key, pairs } => {
            // HSET takes deadlines away, so they are said again.
            long(out, b"HSET", key, pairs);
            let hash = match db.get(key).map(Entry::value) {
                Some(Value::Hash(hash)) => hash,
                _ => return 1,
            };
            let fields = pairs.iter().step_by(2);
            let kept = fields.filter_map(|field| Some((hash.deadline(field)?, *field)));
            return 1 + expire(out, key, &kept.collect::<Vec<_>>());
        }
        Effect::HashDelete { key, fields } => long(out, b"HDEL", key, fields),
        Effect::HashExpire { key, fields } => return expire(out, key, fields),
        Effect::HashPersist { key, fields } => {
            let runs = fields.chunks(FIELDS_MAX);
            let commands = runs.len();
            runs.for_each(|run| try_fields(out, &[b"HPERSIST"], key, run));
            return commands;
        }
        _ => unreachable!("only effects on hashes are sent here"),
    }
    1
}

/// One command for neighbours with the same deadline.
fn expire(out: &mut Vec<u8>, key: &[u8], fields: &[(UnixMs, &[u8])]) -> usize {
    let mut commands = 0;
    for run in fields.chunk_by(|a, b| a.0 == b.0).flat_map(|run| run.chunks(FIELDS_MAX)) {
        let at = run[0].0.0.to_string();
        let fields: Vec<&[u8]> = run.iter().map(|(_, field)| *field).collect();
        try_fields(out, &[b"HPEXPIREAT", at.as_bytes()], key, &fields);
        commands += 1;
    }
    commands
}

/// `name key [argument] FIELDS count field ...`, where the replica knows it.
fn try_fields(out: &mut Vec<u8>, name_and_argument: &[&[u8]], key: &[u8], fields: &[&[u8]]) {
    let count = fields.len().to_string();
    let head: [&[u8]; 3] = [TRY, b"1", key];
    header(out, 1 + head.len() + name_and_argument.len() + 2 + fields.len());
    let tail: [&[u8]; 2] = [b"FIELDS", count.as_bytes()];
    let words = head.iter().chain(name_and_argument).chain(&tail).chain(fields);
    std::iter::once(&b"EVAL".as_slice()).chain(words).for_each(|word| bulk(out, word));
}

fn string(out: &mut Vec<u8>, effect: &Effect<'_>) {
    let mut text = itoa::Buffer::new();
    match effect {
        Effect::SetString { key, value, expiry } => match expiry {
            Expiry::Clear => command(out, &[b"SET", key, value]),
            Expiry::Keep => command(out, &[b"SET", key, value, b"KEEPTTL"]),
            Expiry::At(at) => {
                command(out, &[b"SET", key, value, b"PXAT", text.format(at.0).as_bytes()]);
            }
        },
        Effect::Append { key, value } => command(out, &[b"APPEND", key, value]),
        Effect::SetRange { key, offset, value } => {
            command(out, &[b"SETRANGE", key, text.format(*offset).as_bytes(), value]);
        }
        Effect::IncrBy { key, delta: 1 } => command(out, &[b"INCR", key]),
        Effect::IncrBy { key, delta: -1 } => command(out, &[b"DECR", key]),
        Effect::IncrBy { key, delta } => {
            command(out, &[b"INCRBY", key, text.format(*delta).as_bytes()]);
        }
        _ => unreachable!("only effects on strings are sent here"),
    }
}

fn list(out: &mut Vec<u8>, effect: &Effect<'_>, db: &Db) {
    let mut text = itoa::Buffer::new();
    match effect {
        Effect::ListPush { key, end, values } => {
            long(out, if *end == End::Head { b"LPUSH" } else { b"RPUSH" }, key, values);
        }
        Effect::ListPop { key, end, count } => {
            let name: &[u8] = if *end == End::Head { b"LPOP" } else { b"RPOP" };
            match count {
                1 => command(out, &[name, key]),
                count => command(out, &[name, key, text.format(*count).as_bytes()]),
            }
        }
        Effect::ListSet { key, index, value } => {
            command(out, &[b"LSET", key, text.format(*index).as_bytes(), value]);
        }
        Effect::ListInsert { key, index, value } => insert(out, key, *index, value, db),
        Effect::ListTrim { key, start, count } => {
            // Nothing is left of a list whose last index lies before the first.
            let (start, last) = if *count == 0 { (1, 0) } else { (*start, start + count - 1) };
            let last = text.format(last).as_bytes();
            command(out, &[b"LTRIM", key, itoa::Buffer::new().format(start).as_bytes(), last]);
        }
        Effect::ListRemove { key, count, value } => {
            command(out, &[b"LREM", key, text.format(*count).as_bytes(), value]);
        }
        _ => unreachable!("only effects on lists are sent here"),
    }
}

/// Redis knows no insertion by index: it names the neighbour, and means the first element of that value. The effect
/// came from such a command, so one of the two neighbours is the first of its value.
fn insert(out: &mut Vec<u8>, key: &[u8], index: u64, value: &[u8], db: &Db) {
    let Some(Value::List(list)) = db.get(key).map(|entry| entry.value()) else {
        unreachable!("the effect has just been applied to this list")
    };
    let index = usize::try_from(index).expect("the list is in memory");
    let element = |index: usize| list.get(index).map(|element| element.to_vec());
    let is_first = |at: usize, pivot: &[u8]| {
        let pivot = Needle::new(pivot);
        // The new element was not there when the command looked.
        list.iter().enumerate().take(at).all(|(i, found)| i == index || !pivot.is(found))
    };
    if let Some(pivot) = element(index + 1).filter(|pivot| is_first(index + 1, pivot)) {
        return command(out, &[b"LINSERT", key, b"BEFORE", &pivot, value]);
    }
    let before = index.checked_sub(1).and_then(element);
    let pivot = before.filter(|pivot| is_first(index - 1, pivot));
    match pivot {
        Some(pivot) => command(out, &[b"LINSERT", key, b"AFTER", &pivot, value]),
        None => unreachable!("LINSERT found one of the neighbours first"),
    }
}

#[cfg(test)]
mod tests {
    use base::UnixMs;
    use store::{Graveyard, Rng, Store};

    use super::*;

    /// The commands as text: words of a command parted by spaces, those of one effect by ` | `, effects by `; `.
    pub(super) fn check(effects: &[Effect<'_>], expect: &str) {
        let mut store = Store::new(16, Graveyard::immediate(), Rng::new(1));
        let mut out = Vec::new();
        let mut commands = Vec::new();
        for one in effects {
            let outcome = store.apply(0, one).unwrap();
            let count = effect(&mut out, one, outcome, store.db(0), false);
            let text = String::from_utf8(std::mem::take(&mut out)).unwrap();
            // No word of the tests has a star.
            let each = text.split('*').skip(1).map(|command| {
                command.split("\r\n").skip(2).step_by(2).collect::<Vec<_>>().join(" ")
            });
            let each: Vec<String> = each.collect();
            assert_eq!(count, each.len());
            commands.push(each.join(" | "));
        }
        assert_eq!(commands.join("; "), expect);
    }

    #[test]
    fn strings_and_keys() {
        let (key, value): (&[u8], &[u8]) = (b"k", b"7");
        check(
            &[
                Effect::SetString { key, value, expiry: Expiry::At(UnixMs(99)) },
                Effect::SetString { key, value, expiry: Expiry::Keep },
                Effect::IncrBy { key, delta: 1 },
                Effect::IncrBy { key, delta: -7 },
                Effect::SetClock { key, clock: 5 },
                Effect::Copy { from: key, to_db: 3, to: b"l" },
                Effect::Delete { key },
            ],
            "SET k 7 PXAT 99; SET k 7 KEEPTTL; INCR k; INCRBY k -7; ; COPY k l DB 3 REPLACE; DEL k",
        );
    }

    #[test]
    fn an_insertion_names_the_neighbour_that_redis_would_find() {
        let key = b"l".as_slice();
        let push = Effect::ListPush { key, end: End::Tail, values: vec![b"a", b"b", b"a"] };
        check(
            &[
                push,
                // BEFORE b: [a x b a]
                Effect::ListInsert { key, index: 1, value: b"x" },
                // AFTER a, as BEFORE x would do as well: [a a x b a]
                Effect::ListInsert { key, index: 1, value: b"a" },
                // BEFORE the first a: [z a a x b a]
                Effect::ListInsert { key, index: 0, value: b"z" },
                // AFTER b, as the a behind it is not the first one.
                Effect::ListInsert { key, index: 5, value: b"y" },
            ],
            "RPUSH l a b a; LINSERT l BEFORE b x; LINSERT l BEFORE x a; LINSERT l BEFORE a z; \
             LINSERT l AFTER b y",
        );
    }

    #[test]
    fn deadlines_of_fields_are_absolute() {
        let (key, pairs) = (b"h".as_slice(), vec![b"f".as_slice(), b"1", b"g", b"2"]);
        let at = |ms: u64, field: &'static [u8]| (UnixMs(ms), field);
        check(
            &[
                Effect::HashSet { key, pairs },
                Effect::HashExpire { key, fields: vec![at(5, b"f"), at(5, b"g"), at(7, b"g")] },
                Effect::HashSetAndKeep { key, pairs: vec![b"g", b"3"] },
                Effect::HashPersist { key, fields: vec![b"f", b"g"] },
            ],
            &"HSET h f 1 g 2; TRY h HPEXPIREAT 5 FIELDS 2 f g | TRY h HPEXPIREAT 7 FIELDS 1 g; \
              HSET h g 3 | TRY h HPEXPIREAT 7 FIELDS 1 g; TRY h HPERSIST FIELDS 2 f g"
                .replace("TRY", "EVAL redis.pcall(ARGV[1],KEYS[1],unpack(ARGV,2)) 1"),
        );
    }

    #[test]
    fn deadlines_of_many_fields_are_several_commands() {
        let names: Vec<String> = (0..2500).map(|number| number.to_string()).collect();
        let fields: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        let pairs = fields.iter().flat_map(|field| [*field, b"v"]).collect();
        let mut store = Store::new(1, Graveyard::immediate(), Rng::new(1));
        let key = b"h".as_slice();
        store.apply(0, &Effect::HashSet { key, pairs }).unwrap();
        let due = fields.iter().map(|field| (UnixMs(7), *field)).collect();
        for one in [Effect::HashExpire { key, fields: due }, Effect::HashPersist { key, fields }] {
            let mut out = Vec::new();
            let outcome = store.apply(0, &one).unwrap();
            assert_eq!(effect(&mut out, &one, outcome, store.db(0), false), 3);
            let commands = out.windows(4).filter(|bytes| bytes == b"EVAL").count();
            assert_eq!(commands, 3);
        }
    }

    #[test]
    fn scores_keep_every_bit() {
        let members = vec![(0.1, b"a".as_slice()), (f64::NEG_INFINITY, b"b"), (1e300, b"c")];
        check(&[Effect::ZsetAdd { key: b"z", members }], "ZADD z 0.1 a -inf b 1e+300 c");
    }
}
