//! XADD and XTRIM.

use store::Stream;
use store::stream::{Effort, Trim};
use wire::effect::Effect;
use wire::resp::reply::ErrorReply;
use wire::stream::{IdText, Sequence, StreamId, node};

use super::{ids, put_id};
use crate::command::{Args, CmdResult, Stop, Turn};
use crate::interop::Phrase;
use crate::keyspace::{Class, Keyspace};

/// Nodes that trimming with `~` empties at most, unless LIMIT says otherwise.
const NODES_TRIMMED_MAX: usize = 100;
/// Entries that it removes at most, whatever `stream-node-max-entries` is; and where that says nothing.
const ENTRIES_TRIMMED_MAX: usize = 1_000_000;
const ENTRIES_TRIMMED_DEFAULT: usize = 10_000;

/// The ID that XADD was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wanted {
    Auto,
    /// `ms-*`
    AutoSequence(u64),
    Exactly(StreamId),
}

impl Wanted {
    fn parse(text: &[u8]) -> Option<Wanted> {
        let (ms, seq) = StreamId::parse(text)?;
        Some(match seq {
            Sequence::Auto => Wanted::AutoSequence(ms),
            Sequence::Missing => Wanted::Exactly(StreamId::new(ms, 0)),
            Sequence::Given(seq) => Wanted::Exactly(StreamId::new(ms, seq)),
        })
    }

    /// The ID of the next entry; `None` when there is none above `last`.
    fn choose(self, last: StreamId, now_ms: u64) -> Option<StreamId> {
        let id = match self {
            Wanted::Auto if now_ms > last.ms => StreamId::new(now_ms, 0),
            Wanted::Auto => last.next()?,
            Wanted::AutoSequence(ms) if ms == last.ms => {
                StreamId::new(ms, last.seq.checked_add(1)?)
            }
            Wanted::AutoSequence(ms) => StreamId::new(ms, 0),
            Wanted::Exactly(id) => id,
        };
        (id > last).then_some(id)
    }
}

/// What stands between the key and the fields.
struct Options {
    must_exist: bool,
    trimming: Option<(Trim, Effort)>,
    /// Of XADD, with its argument. Missing when nothing is left for it.
    id: Option<(usize, Wanted)>,
}

/// Replicas of Redis hear of an XADD that trims as one command, which says what is left where this one said about how much.
fn tell_added(
    keys: &mut Keyspace,
    phrase: Phrase,
    args: &Args<'_>,
    options: &Options,
    (at, id): (usize, StreamId),
) {
    let Some((trim, effort)) = options.trimming.filter(|_| keys.stream().is_open()) else { return };
    let (key, id) = (args.key(1), IdText::of(id));
    let stream = keys.view_stream(key).ok().flatten();
    let left = match trim {
        Trim::MaxLen(_) => stream.map_or(0, Stream::len).to_string().into_bytes(),
        Trim::MinId(least) => {
            let first = stream.filter(|stream| !stream.is_empty()).map_or(least, Stream::first_id);
            IdText::of(first).as_bytes().to_vec()
        }
    };
    let strategy: &[u8] = if matches!(trim, Trim::MaxLen(_)) { b"MAXLEN" } else { b"MINID" };
    let mut words = vec![args.key(0), key];
    if effort == Effort::Exact {
        words.extend(args.iter_from(2).take(at - 2));
    } else {
        words.extend(options.must_exist.then_some(b"NOMKSTREAM".as_slice()));
        words.extend([strategy, b"=", &left]);
    }
    words.push(id.as_bytes());
    words.extend(args.iter_from(at + 1));
    let db = keys.db();
    keys.stream_mut().instead(phrase, db, &words);
}

/// The options while they are read.
#[derive(Default)]
struct Parser {
    must_exist: bool,
    trim: Option<Trim>,
    is_approximate: bool,
    limit: Option<u64>,
    id: Option<(usize, Wanted)>,
}

impl Parser {
    /// Reads the option at `at`; returns where the next one is, or `None` behind the ID.
    fn option(&mut self, args: &Args<'_>, at: usize, is_xadd: bool) -> Result<Option<usize>, Stop> {
        let error = |text| Err(Stop::Error(ErrorReply::new(text)));
        let more = args.len() - 1 - at;
        if is_xadd && args.key(at) == b"*" {
            self.id = Some((at, Wanted::Auto));
            return Ok(None);
        }
        let is_maxlen = args.is(at, "MAXLEN");
        if more > 0 && (is_maxlen || args.is(at, "MINID")) {
            if self.trim.is_some() {
                return error(
                    "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
                );
            }
            let operator = args.key(at + 1);
            let has_operator = more >= 2 && (operator == b"~" || operator == b"=");
            self.is_approximate = has_operator && operator == b"~";
            let value = at + 1 + usize::from(has_operator);
            self.trim = Some(if is_maxlen {
                let Ok(length) = u64::try_from(args.int(value)?) else {
                    return error("ERR The MAXLEN argument must be >= 0.");
                };
                Trim::MaxLen(length)
            } else {
                Trim::MinId(ids::strict(args, value, 0)?)
            });
            return Ok(Some(value + 1));
        }
        if more > 0 && args.is(at, "LIMIT") {
            let Ok(limit) = u64::try_from(args.int(at + 1)?) else {
                return error("ERR The LIMIT argument must be >= 0.");
            };
            self.limit = Some(limit);
            return Ok(Some(at + 2));
        }
        if !is_xadd {
            return Err(ErrorReply::SYNTAX.into());
        }
        if args.is(at, "NOMKSTREAM") {
            self.must_exist = true;
            return Ok(Some(at + 1));
        }
        let id = Wanted::parse(args.key(at)).ok_or(ids::INVALID_ID)?;
        self.id = Some((at, id));
        Ok(None)
    }

    /// `node_entries_max`: the setting `stream-node-max-entries`.
    fn finish(self, is_xadd: bool, node_entries_max: usize) -> Result<Options, Stop> {
        let error = |text| Err(Stop::Error(ErrorReply::new(text)));
        let Parser { must_exist, trim, is_approximate, limit, id } = self;
        if trim.is_none() && limit.is_some_and(|limit| limit > 0) {
            return error(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            );
        }
        if trim.is_none() && !is_xadd {
            return error("ERR syntax error, XTRIM must be called with a trimming strategy");
        }
        if limit.is_some() && !is_approximate {
            return error("ERR syntax error, LIMIT cannot be used without the special ~ option");
        }
        let effort = if is_approximate {
            let default = match NODES_TRIMMED_MAX.saturating_mul(node_entries_max) {
                0 => ENTRIES_TRIMMED_DEFAULT,
                entries => entries.min(ENTRIES_TRIMMED_MAX),
            };
            Effort::WholeNodes { limit: limit.unwrap_or(default as u64) }
        } else {
            Effort::Exact
        };
        Ok(Options { must_exist, trimming: trim.map(|trim| (trim, effort)), id })
    }
}

impl Options {
    fn parse(cx: &Turn<'_>, args: &Args<'_>, is_xadd: bool) -> Result<Options, Stop> {
        let mut parser = Parser::default();
        let mut next = Some(2);
        while let Some(at) = next.filter(|at| *at < args.len()) {
            next = parser.option(args, at, is_xadd)?;
        }
        if cx.session.is_master {
            // A master of Redis has made `=` and what was left of `~`, and leaves the LIMIT where it was.
            parser.limit = parser.is_approximate.then_some(0);
        }
        parser.finish(is_xadd, cx.keys.store().thresholds().stream_node_max_entries)
    }
}

/// `XADD key [NOMKSTREAM] [MAXLEN|MINID [=|~] threshold [LIMIT count]] *|id field value ...`
pub(super) fn xadd(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let error = |text| Err(Stop::Error(ErrorReply::new(text)));
    let key = args.key(1);
    let options = Options::parse(cx, args, true)?;
    let (at, wanted) = options.id.unwrap_or((args.len(), Wanted::Auto));
    let pairs = args.from(at + 1);
    if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
        return Err(ErrorReply::wrong_arity("xadd").into());
    }
    if wanted == Wanted::Exactly(StreamId::MIN) {
        return error("ERR The ID specified in XADD must be greater than 0-0");
    }
    let now = cx.keys.now();
    let stream = cx.keys.peek_stream(key)?;
    if stream.is_none() && options.must_exist {
        cx.reply.null();
        return Ok(());
    }
    let last = stream.map_or(StreamId::MIN, Stream::last_id);
    if last == StreamId::MAX {
        return error(
            "ERR The stream has exhausted the last possible ID, unable to add more items",
        );
    }
    let Some(id) = wanted.choose(last, now.0) else {
        return error(
            "ERR The ID specified in XADD is equal or smaller than the target stream top item",
        );
    };
    if !node::has_room_for(&pairs) {
        return error("ERR Elements are too large to be stored");
    }
    let phrase = cx.keys.stream().phrase();
    cx.keys.apply(Effect::StreamAdd { key, id, pairs });
    cx.keys.notify(Class::Stream, "xadd", key);
    put_id(&mut cx.reply, id);
    if let Some((trim, effort)) = options.trimming {
        trim_stream(cx.keys, key, trim, effort)?;
        tell_added(cx.keys, phrase, args, &options, (at, id));
    }
    Ok(())
}

/// `XTRIM key MAXLEN|MINID [=|~] threshold [LIMIT count]`
pub(super) fn xtrim(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let key = args.key(1);
    let options = Options::parse(cx, args, false)?;
    cx.keys.settle(key);
    let removed = match options.trimming {
        Some((trim, effort)) => trim_stream(cx.keys, key, trim, effort)?,
        None => 0,
    };
    cx.reply.integer(removed);
    Ok(())
}

/// Removes what is too much. What goes by whole nodes depends on how this node of the shard keeps the stream, so the
/// effect says how many entries go.
fn trim_stream(keys: &mut Keyspace, key: &[u8], trim: Trim, effort: Effort) -> Result<i64, Stop> {
    let stream = keys.view_stream(key)?;
    let count = stream.map_or(0, |stream| stream.trim_count(trim, effort));
    if count == 0 {
        return Ok(0);
    }
    let removed = keys.apply(Effect::StreamTrim { key, count });
    keys.notify(Class::Stream, "xtrim", key);
    Ok(removed.0)
}
