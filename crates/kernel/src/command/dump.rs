//! DUMP and RESTORE: a value as a sealed string of bytes, for another place or another time.

use base::UnixMs;
use store::{Body, Hash, List, Set, Stream, Zset};
use wire::effect::{Claim, Effect, End, Expiry};
use wire::listpack::Element;
use wire::rdb::VERSION;
use wire::rdb::dump::{self, OpenError};
use wire::rdb::load::Value;
use wire::resp::reply::ErrorReply;

use super::element::Texts;
use super::table::Binding;
use super::{Args, CmdResult, Handler, Stop, Turn};
use crate::interop::Phrase;
use crate::keyspace::{Class, Keyspace, in_parts};
use crate::persist::{decode, encode};

pub(crate) const COMMANDS: &[Binding] = &[
    ("dump", Handler::Data(dump_command)),
    ("restore", Handler::Data(restore)),
    ("restore-asking", Handler::Data(restore)),
];

const BUSY_KEY: ErrorReply = ErrorReply::new("BUSYKEY Target key name already exists.");
const BAD_TTL: ErrorReply = ErrorReply::new("ERR Invalid TTL value, must be >= 0");
const BAD_IDLE_TIME: ErrorReply = ErrorReply::new("ERR Invalid IDLETIME value, must be >= 0");
const BAD_FREQUENCY: ErrorReply =
    ErrorReply::new("ERR Invalid FREQ value, must be >= 0 and <= 255");
const BAD_SEAL: ErrorReply = ErrorReply::new("ERR DUMP payload version or checksum are wrong");
const BAD_DATA: ErrorReply = ErrorReply::new("ERR Bad data format");
const GROWN: &str = "RESTORE refused a payload that is too large unpacked.";
/// The newest type of value that Redis 7.0 reads: a stream without the last activity of its consumers.
const TYPE_OF_7_0_MAX: u8 = 19;
/// What an effect of its own takes in the log besides what it holds, about (bytes).
const RECORD_BYTES: usize = 64;
/// Unix milliseconds of the latest deadline that Redis can hold.
const DEADLINE_MAX: u64 = i64::MAX.unsigned_abs();
/// The longest idle time that an access clock can tell (seconds).
const IDLE_SECONDS_MAX: u32 = (1 << 24) - 1;

/// What a payload says it holds, in the words of Redis' log.
fn form(payload: &[u8]) -> &'static str {
    match payload.first() {
        Some(9) => "Zipmap",
        Some(10) => "List ziplist",
        Some(11) => "Intset",
        Some(12) => "Zset ziplist",
        Some(13) => "Hash ziplist",
        Some(14) => "Ziplist",
        Some(15 | 19 | 21) => "Stream listpack",
        Some(16) => "Hash listpack",
        Some(17) => "Zset listpack",
        Some(18) => "Listpack",
        Some(20) => "Set listpack",
        _ => "Value",
    }
}

/// Tells the log what kind of value was refused.
#[cold]
fn bad_data(payload: &[u8]) -> ErrorReply {
    tracing::warn!("{} integrity check failed: RESTORE refused a payload.", form(payload));
    BAD_DATA
}

/// The same of a value that is well-formed, but that no key can hold.
#[cold]
fn bad_value(payload: &[u8]) -> ErrorReply {
    let what = match form(payload) {
        "Stream listpack" => {
            "Duplicate stream consumer detected, or a pending entry that has not one owner"
                .to_owned()
        }
        form => format!("{form} with dup elements, or without any"),
    };
    tracing::warn!("{what}: integrity check failed, RESTORE refused a payload.");
    BAD_DATA
}

fn dump_command(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    match cx.keys.value(args.key(1)) {
        Some(value) => {
            let sealed = encode::dump(value);
            let sealed = cx.keys.temporary(sealed);
            cx.reply.bulk(&sealed);
        }
        None => cx.reply.null(),
    }
    Ok(())
}

/// Options of RESTORE.
#[derive(Default)]
struct Options {
    is_replacing: bool,
    is_absolute: bool,
    /// At most one of the two is set.
    idle_seconds: Option<u32>,
    frequency: Option<u8>,
}

impl Options {
    fn parse(args: &Args<'_>) -> Result<Options, Stop> {
        let mut options = Options::default();
        let mut at = 4;
        while at < args.len() {
            let has_value = at + 1 < args.len();
            if args.is(at, "replace") {
                options.is_replacing = true;
            } else if args.is(at, "absttl") {
                options.is_absolute = true;
            } else if args.is(at, "idletime") && has_value && options.frequency.is_none() {
                let seconds = u64::try_from(args.int(at + 1)?).map_err(|_| BAD_IDLE_TIME)?;
                let seconds = u32::try_from(seconds).unwrap_or(IDLE_SECONDS_MAX);
                options.idle_seconds = Some(seconds.min(IDLE_SECONDS_MAX));
                at += 1;
            } else if args.is(at, "freq") && has_value && options.idle_seconds.is_none() {
                let count = u8::try_from(args.int(at + 1)?).map_err(|_| BAD_FREQUENCY)?;
                options.frequency = Some(count);
                at += 1;
            } else {
                return Err(ErrorReply::SYNTAX.into());
            }
            at += 1;
        }
        Ok(options)
    }

    /// The access clock of the restored key; `None` for that of a new one. What does not fit the policy is ignored.
    fn clock(&self, access: &store::Access) -> Option<u32> {
        if access.is_lfu {
            self.frequency.map(|count| access.lfu_clock(count))
        } else {
            self.idle_seconds.map(|seconds| access.idle_clock(seconds))
        }
    }
}

/// `RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds | FREQ count]`
fn restore(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let (key, now) = (args.key(1), cx.keys.now());
    let options = Options::parse(args)?;
    // What is replaced is not looked at: it does not expire before.
    let is_there = if options.is_replacing {
        cx.keys.store().db(cx.keys.db()).get(key).is_some()
    } else {
        cx.keys.peek_entry(key).is_some()
    };
    if is_there && !options.is_replacing {
        return Err(BUSY_KEY.into());
    }
    let ttl = u64::try_from(args.int(2)?).map_err(|_| BAD_TTL)?;
    let payload = args.key(3);
    let open = if cx.keys.skips_checksums { dump::open_unchecked } else { dump::open };
    let value = open(payload).map_err(|error| match error {
        OpenError::Seal => BAD_SEAL,
        OpenError::Value(_) => bad_data(payload),
    })?;
    let checked = Restored::check(value, cx.keys, payload.len());
    let value = checked.ok_or_else(|| bad_value(payload))?;
    let expiry = match ttl {
        0 => None,
        at if options.is_absolute => Some(UnixMs(at)),
        // A deadline that does not fit wraps round in Redis, into the past.
        ms => Some(now.plus_ms(ms)).filter(|at| at.0 <= DEADLINE_MAX).or(Some(UnixMs(0))),
    };
    cx.keys.check_room(value.lengths()).inspect_err(|_| tracing::warn!("{GROWN}"))?;
    let phrase = cx.keys.stream().phrase();
    if is_there {
        cx.keys.apply(Effect::Delete { key });
    }
    if !expiry.is_some_and(|at| cx.keys.is_past(at)) {
        value.put(cx.keys, key, expiry);
        if let Some(clock) = options.clock(cx.keys.store().access()) {
            cx.keys.apply(Effect::SetClock { key, clock });
        }
        tell(cx.keys, phrase, args, &options, expiry);
        cx.keys.notify(Class::Generic, "restore", key);
    } else if is_there {
        cx.keys.notify(Class::Generic, "del", key);
    }
    value.discard(cx.keys);
    cx.reply.ok();
    Ok(())
}

/// Replicas of Redis hear of it as it was said, with the time that it means. What only newer ones can read is said in our own form,
/// which 7.0 reads: by its effects a stream would lose what is pending, though deleted. There is no such form of hashes some
/// of whose fields expire; those are told by their effects.
fn tell(
    keys: &mut Keyspace,
    phrase: Phrase,
    args: &Args<'_>,
    options: &Options,
    expiry: Option<UnixMs>,
) {
    if !keys.stream().is_open() {
        return;
    }
    // What DUMP gives here names the old version also where its type is a newer one.
    let is_read_by_all = |payload: &[u8]| {
        dump::version(payload).is_some_and(|version| version <= VERSION)
            && payload.first().is_some_and(|kind| *kind <= TYPE_OF_7_0_MAX)
    };
    let at = expiry.map(|at| at.0.to_string());
    let own;
    let mut words = args.from(0);
    if !is_read_by_all(args.key(3)) {
        let Some(entry) = keys.peek_entry(args.key(1)) else { return };
        own = encode::dump_for_old(entry.value());
        if !is_read_by_all(&own) {
            return;
        }
        words[3] = &own;
    }
    if let Some(at) = &at {
        words[2] = at.as_bytes();
        words.extend((!options.is_absolute).then_some(b"ABSTTL".as_slice()));
    }
    let db = keys.db();
    keys.stream_mut().instead(phrase, db, &words);
}

/// A value that was found to be one that a key can hold.
enum Restored {
    String(Vec<u8>),
    List(List),
    Hash(Hash),
    Set(Set),
    Zset(Zset),
    Stream(Stream),
}

impl Restored {
    /// `None` for a collection that is empty or has an element twice. `bytes`: length of the payload.
    fn check(mut value: Value, keys: &Keyspace, bytes: usize) -> Option<Restored> {
        if let Value::String(bytes) = value {
            return Some(Restored::String(bytes));
        }
        let restored =
            decode::body(&mut value, &keys.store().thresholds()).map(|body| match body {
                Body::List(list) => Restored::List(list),
                Body::Hash(hash) => Restored::Hash(hash),
                Body::Set(set) => Restored::Set(set),
                Body::Zset(zset) => Restored::Zset(zset),
                Body::Stream(stream) => Restored::Stream(stream),
                Body::Int(_) | Body::Inline(_) | Body::Large(_) => {
                    unreachable!("strings were taken out above")
                }
            });
        // An element takes two bytes of the payload at least.
        keys.discard(value, bytes / 2);
        restored
    }

    /// How long the elements are that [`Restored::put`] writes to the log (bytes): many times what the payload is, as that
    /// may be compressed.
    fn lengths(&self) -> Box<dyn Iterator<Item = usize> + '_> {
        match self {
            Restored::String(value) => Box::new(std::iter::once(value.len())),
            Restored::List(list) => Box::new(list.iter().map(|element| element.text_len())),
            Restored::Set(set) => Box::new(set.iter().map(|member| member.text_len())),
            Restored::Zset(zset) => Box::new(zset.iter().map(|(_, member)| member.text_len())),
            Restored::Hash(hash) => {
                let fields = hash.iter().flat_map(|(field, value)| [field, value]);
                let fields = fields.map(|element| element.text_len());
                Box::new(fields.chain(hash.iter_deadlines().map(|(_, field)| field.len())))
            }
            Restored::Stream(stream) => {
                let nodes = stream.nodes().map(|(_, node)| node.as_listpack().as_bytes().len());
                let groups = stream.groups().flat_map(|(name, group)| {
                    let consumers = group.consumers().flat_map(|consumer| {
                        let own = RECORD_BYTES + name.len() + consumer.name().len();
                        std::iter::once(own).chain(consumer.pending().map(|_| size_of::<Claim>()))
                    });
                    std::iter::once(RECORD_BYTES + name.len()).chain(consumers)
                });
                Box::new(nodes.map(|length| RECORD_BYTES + length).chain(groups))
            }
        }
    }

    /// Stores the value under a key that is not there, by effects of bounded size: they are one atomic group, as
    /// they belong to one command.
    fn put(&self, keys: &mut Keyspace, key: &[u8], expiry: Option<UnixMs>) {
        let mut texts = Texts::default();
        match self {
            Restored::String(value) => {
                let expiry = expiry.map_or(Expiry::Clear, Expiry::At);
                keys.apply(Effect::SetString { key, value, expiry });
                return;
            }
            Restored::List(list) => {
                in_parts(list.iter(), Element::text_len, |part| {
                    let values = texts.of(part.iter().copied());
                    keys.apply(Effect::ListPush { key, end: End::Tail, values });
                });
            }
            Restored::Set(set) => {
                in_parts(set.iter(), Element::text_len, |part| {
                    let members = texts.of(part.iter().copied());
                    keys.apply(Effect::SetAdd { key, members });
                });
            }
            Restored::Hash(hash) => {
                in_parts(
                    hash.iter(),
                    |(field, value)| field.text_len() + value.text_len(),
                    |part| {
                        let words: Vec<Element<'_>> =
                            part.iter().flat_map(|(field, value)| [*field, *value]).collect();
                        let pairs = texts.of(words.into_iter());
                        keys.apply(Effect::HashSet { key, pairs });
                    },
                );
                let deadlines = hash.iter_deadlines();
                in_parts(
                    deadlines,
                    |(_, field)| field.len(),
                    |part| {
                        keys.apply(Effect::HashExpire { key, fields: part.to_vec() });
                    },
                );
            }
            Restored::Zset(zset) => {
                in_parts(
                    zset.iter(),
                    |(_, member)| member.text_len(),
                    |part| {
                        let scores = part.iter().map(|(score, _)| *score);
                        let members = texts.of(part.iter().map(|(_, member)| *member));
                        let members = scores.zip(members).collect();
                        keys.apply(Effect::ZsetAdd { key, members });
                    },
                );
            }
            Restored::Stream(stream) => put_stream(keys, key, stream),
        }
        if let Some(at) = expiry {
            keys.apply(Effect::ExpireAt { key, at });
        }
    }

    /// Lets go of the value: the keyspace has its own.
    fn discard(self, keys: &Keyspace) {
        let body = match self {
            Restored::String(bytes) => Body::Large(Box::new(bytes)),
            Restored::List(list) => Body::List(list),
            Restored::Set(set) => Body::Set(set),
            Restored::Hash(hash) => Body::Hash(hash),
            Restored::Zset(zset) => Body::Zset(zset),
            Restored::Stream(stream) => Body::Stream(stream),
        };
        keys.store().graveyard().discard_body(body);
    }
}

/// A stream node by node, then its groups.
fn put_stream(keys: &mut Keyspace, key: &[u8], stream: &Stream) {
    for (first, node) in stream.nodes() {
        let listpack = node.as_listpack().as_bytes();
        keys.apply(Effect::StreamAddNode { key, first, listpack });
    }
    keys.apply(Effect::StreamSet {
        key,
        last_id: stream.last_id(),
        max_deleted: stream.max_deleted(),
        entries_added: stream.entries_added(),
    });
    // An empty stream has no entries by which those who watch the key would know it.
    let db = keys.db();
    keys.interest.changed(db, key);
    for (group, about) in stream.groups() {
        let (last_id, entries_read) = (about.last_id, about.entries_read);
        keys.apply(Effect::StreamSetGroup { key, group, last_id, entries_read });
        for consumer in about.consumers() {
            let (seen, active) = (consumer.seen, consumer.active);
            let pending = consumer.pending().map(|id| {
                let pending = about.find_pending(id).expect("what a consumer has, its group has");
                Claim { id, at: pending.at, count: pending.count }
            });
            let consumer = consumer.name();
            keys.apply(Effect::StreamSetConsumer { key, group, consumer, seen, active });
            in_parts(
                pending,
                |_| size_of::<Claim>(),
                |claims| {
                    let claims = claims.to_vec();
                    keys.apply(Effect::StreamClaim { key, group, consumer, claims });
                },
            );
        }
    }
}
