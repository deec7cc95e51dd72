//! XREAD and XREADGROUP.
//!
//! ```text
//!   XREAD        entries behind an ID                                         nothing there: wait for the key
//!   XREADGROUP   `>`  entries behind the group's last ID become pending       nothing there: wait for key or group
//!                id   what is pending for the consumer already                always answers
//! ```

use base::UnixMs;
use store::Stream;
use store::stream::Group;
use wire::effect::{Claim, Effect};
use wire::resp::reply::{ErrorReply, Protocol, ReplyWriter};
use wire::stream::{IdText, StreamId};

use super::{ids, put_counted, put_entries, put_entry, put_header, put_id};
use crate::command::replication::timeout_ms;
use crate::command::{Args, Awaited, BlockOn, CmdResult, Stop, TimeoutReply, Turn};
use crate::keyspace::{Class, Keyspace, in_parts};

/// How `>` is written among IDs, as in Redis: nothing is ever behind the largest ID.
const NEW: StreamId = StreamId::MAX;

/// Arguments of both commands.
struct Read<'a> {
    /// Entries of each stream; `None`: all.
    count: Option<usize>,
    /// `BLOCK`, with the deadline.
    blocks: Option<Option<UnixMs>>,
    group: Option<(&'a [u8], &'a [u8])>,
    is_noack: bool,
    keys: Vec<&'a [u8]>,
    /// The argument of the first ID.
    ids_at: usize,
}

impl<'a> Read<'a> {
    fn parse(args: &Args<'a>, is_group: bool, now: UnixMs) -> Result<Read<'a>, Stop> {
        let mut read = Read {
            count: None,
            blocks: None,
            group: None,
            is_noack: false,
            keys: Vec::new(),
            ids_at: 0,
        };
        let mut at = 1;
        while at < args.len() {
            let more = args.len() - 1 - at;
            if args.is(at, "BLOCK") && more > 0 {
                let ms = timeout_ms(args, at + 1, now)?;
                read.blocks = Some((ms > 0).then(|| now.plus_ms(ms)));
                at += 1;
            } else if args.is(at, "COUNT") && more > 0 {
                let count = usize::try_from(args.int(at + 1)?).unwrap_or(0);
                read.count = (count > 0).then_some(count);
                at += 1;
            } else if args.is(at, "STREAMS") && more > 0 {
                read.streams(args, at + 1, is_group)?;
                break;
            } else if args.is(at, "GROUP") && more >= 2 {
                only_with_groups("GROUP", is_group)?;
                read.group = Some((args.key(at + 1), args.key(at + 2)));
                at += 2;
            } else if args.is(at, "NOACK") {
                only_with_groups("NOACK", is_group)?;
                read.is_noack = true;
            } else {
                return Err(ErrorReply::SYNTAX.into());
            }
            at += 1;
        }
        if read.keys.is_empty() {
            return Err(ErrorReply::SYNTAX.into());
        }
        if is_group && read.group.is_none() {
            return Err(ErrorReply::new("ERR Missing GROUP option for XREADGROUP").into());
        }
        Ok(read)
    }

    fn streams(&mut self, args: &Args<'a>, at: usize, is_group: bool) -> Result<(), Stop> {
        let count = args.len() - at;
        if !count.is_multiple_of(2) {
            let (name, symbol) = if is_group { ("xreadgroup", '>') } else { ("xread", '$') };
            let text = format!(
                "ERR Unbalanced '{name}' list of streams: for each stream key an ID or '{symbol}' \
                 must be specified."
            );
            return Err(ErrorReply::from(text).into());
        }
        self.keys = args.iter_from(at).take(count / 2).collect();
        self.ids_at = at + count / 2;
        Ok(())
    }

    /// Nothing to read: waits if the client wants to.
    fn wait(&self, cx: &mut Turn<'_>, again: Option<Vec<Vec<u8>>>) -> CmdResult {
        let Some(deadline) = self.blocks else {
            cx.reply.null_array();
            return Ok(());
        };
        Err(Stop::Block(BlockOn {
            keys: self.keys.iter().map(|key| key.to_vec()).collect(),
            awaited: if self.group.is_some() { Awaited::Group } else { Awaited::Stream },
            deadline,
            on_timeout: TimeoutReply::NullArray,
            again,
        }))
    }
}

/// Whether the arguments of XREAD or XREADGROUP ask to wait, which scripts may not.
pub(crate) fn asks_to_wait(args: &Args<'_>) -> bool {
    let mut at = 1;
    while at + 1 < args.len() {
        at += match () {
            () if args.is(at, "BLOCK") => return true,
            () if args.is(at, "COUNT") => 2,
            () if args.is(at, "GROUP") => 3,
            () if args.is(at, "NOACK") => 1,
            () => return false,
        };
    }
    false
}

fn only_with_groups(option: &str, is_group: bool) -> Result<(), Stop> {
    if is_group {
        return Ok(());
    }
    let text = format!(
        "ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."
    );
    Err(ErrorReply::from(text).into())
}

/// The streams of a reply: a map of their names, in RESP2 an array of pairs.
struct Served {
    /// Bytes of the buffer in front of it.
    at: usize,
    count: usize,
}

impl Served {
    fn begin(reply: &mut ReplyWriter<'_>) -> Served {
        Served { at: reply.buffer().len(), count: 0 }
    }

    /// The entries of `key` follow.
    fn stream(&mut self, reply: &mut ReplyWriter<'_>, key: &[u8]) {
        self.count += 1;
        if reply.protocol() == Protocol::Resp2 {
            reply.array(2);
        }
        reply.bulk(key);
    }

    /// `false`, and no reply, when no stream had anything.
    fn finish(self, reply: &mut ReplyWriter<'_>) -> bool {
        let is_any = self.count > 0;
        if is_any {
            put_header(reply, self.at, |reply| match reply.protocol() {
                Protocol::Resp2 => reply.array(self.count),
                Protocol::Resp3 => reply.map(self.count),
            });
        }
        is_any
    }
}

/// `XREAD [COUNT count] [BLOCK ms] STREAMS key ... id ...`
pub(super) fn xread(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let read = Read::parse(args, false, cx.keys.now())?;
    let mut from = Vec::with_capacity(read.keys.len());
    let mut again = None;
    for (at, key) in (read.ids_at..).zip(&read.keys) {
        let stream = cx.keys.read_stream(key)?;
        let id = match args.key(at) {
            b"$" => stream.map_or(StreamId::MIN, Stream::last_id),
            // The last entry itself, so what is behind the ID before it.
            b"+" => stream
                .and_then(Stream::last_entry_id)
                .map_or(StreamId::MIN, |id| id.previous().expect("no entry has the first ID")),
            b">" => {
                return Err(ErrorReply::new(
                    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP \
                     <group> <consumer> option.",
                )
                .into());
            }
            _ => ids::strict(args, at, 0)?,
        };
        if matches!(args.key(at), b"$" | b"+") {
            // A later run must not begin where the stream ends then.
            let words = again.get_or_insert_with(|| {
                args.iter_from(0).map(<[u8]>::to_vec).collect::<Vec<Vec<u8>>>()
            });
            words[at] = IdText::of(id).as_bytes().to_vec();
        }
        from.push(id);
    }
    let mut served = Served::begin(&mut cx.reply);
    for (key, after) in read.keys.iter().zip(from) {
        let stream = cx.keys.view_stream(key)?;
        let Some(stream) = stream.filter(|stream| has_behind(stream, after)) else { continue };
        let start = after.next().expect("an entry is behind it");
        served.stream(&mut cx.reply, key);
        put_entries(&mut cx.reply, stream.range(start, StreamId::MAX), read.count);
    }
    if served.finish(&mut cx.reply) { Ok(()) } else { read.wait(cx, again) }
}

fn has_behind(stream: &Stream, id: StreamId) -> bool {
    stream.last_entry_id().is_some_and(|last| last > id)
}

/// `XREADGROUP GROUP group consumer [COUNT count] [BLOCK ms] [NOACK] STREAMS key ... id ...`
pub(super) fn xreadgroup(cx: &mut Turn<'_>, args: &Args<'_>) -> CmdResult {
    let read = Read::parse(args, true, cx.keys.now())?;
    let (group, consumer) = read.group.expect("parsed for this command");
    let mut from = Vec::with_capacity(read.keys.len());
    for (at, key) in (read.ids_at..).zip(&read.keys) {
        let stream = cx.keys.read_stream(key)?;
        if stream.and_then(|stream| stream.group(group)).is_none() {
            let (key, group) = (String::from_utf8_lossy(key), String::from_utf8_lossy(group));
            let text = format!(
                "NOGROUP No such key '{key}' or consumer group '{group}' in XREADGROUP with GROUP option"
            );
            return Err(ErrorReply::from(text).into());
        }
        from.push(match args.key(at) {
            b">" => NEW,
            symbol @ (b"$" | b"+") => return Err(meaningless(symbol)),
            _ => ids::strict(args, at, 0)?,
        });
    }
    let mut served = Served::begin(&mut cx.reply);
    for (key, after) in read.keys.iter().zip(from) {
        let reader = Reader { key, group, consumer, count: read.count, is_noack: read.is_noack };
        if after == NEW {
            reader.read_new(cx, &mut served)?;
        } else {
            reader.read_pending(cx, &mut served, after)?;
        }
    }
    if served.finish(&mut cx.reply) { Ok(()) } else { read.wait(cx, None) }
}

fn meaningless(symbol: &[u8]) -> Stop {
    let symbol = String::from_utf8_lossy(symbol);
    let text = format!(
        "ERR The {symbol} ID is meaningless in the context of XREADGROUP: you want to read the \
         history of this consumer by specifying a proper ID, or use the > ID to get new messages. \
         The {symbol} ID would just return an empty result set."
    );
    ErrorReply::from(text).into()
}

/// One consumer at one stream, whose group was found there.
struct Reader<'a> {
    key: &'a [u8],
    group: &'a [u8],
    consumer: &'a [u8],
    count: Option<usize>,
    is_noack: bool,
}

impl Reader<'_> {
    fn look<'k>(&self, keys: &'k Keyspace) -> Result<Option<(&'k Stream, &'k Group)>, Stop> {
        let stream = keys.view_stream(self.key)?;
        Ok(stream.and_then(|stream| Some((stream, stream.group(self.group)?))))
    }

    /// Creates the consumer, or notes that it was here.
    fn meet(&self, keys: &mut Keyspace) -> Result<(), Stop> {
        let Reader { key, group, consumer, .. } = *self;
        let is_there =
            self.look(keys)?.is_some_and(|(_, found)| found.consumer(consumer).is_some());
        if is_there {
            keys.see_consumer(key, group, consumer);
        } else {
            let seen = keys.now();
            keys.apply(Effect::StreamSetConsumer { key, group, consumer, seen, active: None });
            keys.notify(Class::Stream, "xgroup-createconsumer", key);
        }
        Ok(())
    }

    /// Entries that nobody in the group has got.
    fn read_new(&self, cx: &mut Turn<'_>, served: &mut Served) -> Result<(), Stop> {
        let Reader { key, group, consumer, .. } = *self;
        let at = cx.keys.now();
        let found = self.look(cx.keys)?.filter(|(stream, found)| has_behind(stream, found.last_id));
        let Some((stream, found)) = found else { return self.meet(cx.keys) };
        let is_new = found.consumer(consumer).is_none();
        served.stream(&mut cx.reply, key);
        let start = found.last_id.next().expect("an entry is behind it");
        let mut read = found.entries_read;
        // Each with how many the group has read when it has got this one.
        let mut got = Vec::new();
        put_counted(&mut cx.reply, |reply| {
            let entries = stream.range(start, StreamId::MAX);
            for entry in entries.take(self.count.unwrap_or(usize::MAX)) {
                read = stream.read_with(read, entry.id);
                got.push((entry.id, read));
                put_entry(reply, &entry);
            }
            got.len()
        });
        if self.is_noack {
            self.meet(cx.keys)?;
            let (last_id, entries_read) = *got.last().expect("an entry is behind the last ID");
            cx.keys.apply(Effect::StreamSetGroup { key, group, last_id, entries_read });
            return Ok(());
        }
        in_parts(
            got.into_iter(),
            |_| size_of::<StreamId>(),
            |part| {
                let (last_id, entries_read) = *part.last().expect("a part is not empty");
                let ids = part.iter().map(|(id, _)| *id).collect();
                cx.keys.apply(Effect::StreamDeliver {
                    key,
                    group,
                    consumer,
                    at,
                    last_id,
                    entries_read,
                    ids,
                });
            },
        );
        if is_new {
            cx.keys.notify(Class::Stream, "xgroup-createconsumer", key);
        }
        Ok(())
    }

    /// What is pending for the consumer behind an ID: it is delivered once more. Of entries that were deleted
    /// meanwhile only the ID is left.
    fn read_pending(
        &self,
        cx: &mut Turn<'_>,
        served: &mut Served,
        after: StreamId,
    ) -> Result<(), Stop> {
        let Reader { key, group, consumer, .. } = *self;
        let at = cx.keys.now();
        self.meet(cx.keys)?;
        let Some((stream, found)) = self.look(cx.keys)? else { return Ok(()) };
        let Some(owner) = found.consumer(consumer) else { return Ok(()) };
        served.stream(&mut cx.reply, key);
        let start = after.next().expect("the largest ID means new entries");
        let mut claims = Vec::new();
        put_counted(&mut cx.reply, |reply| {
            let pending = owner.pending_from(start).take(self.count.unwrap_or(usize::MAX));
            pending.map(|id| claims.extend(put_again(reply, stream, found, id, at))).count()
        });
        // The same stream may be named many times.
        cx.keys.check_room(claims.iter().map(|_| size_of::<Claim>()))?;
        in_parts(
            claims.into_iter(),
            |_| size_of::<Claim>(),
            |part| {
                let claims = part.to_vec();
                cx.keys.apply(Effect::StreamClaim { key, group, consumer, claims });
            },
        );
        Ok(())
    }
}

/// Writes a pending entry; how it counts from now on, if it is still there.
fn put_again(
    reply: &mut ReplyWriter<'_>,
    stream: &Stream,
    group: &Group,
    id: StreamId,
    at: UnixMs,
) -> Option<Claim> {
    let Some(entry) = stream.entry(id) else {
        reply.array(2);
        put_id(reply, id);
        reply.null_array();
        return None;
    };
    put_entry(reply, &entry);
    let count = group.find_pending(id).map_or(0, |pending| pending.count);
    Some(Claim { id, at, count: count.saturating_add(1) })
}
