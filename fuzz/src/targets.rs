//! The targets, each with the inputs to begin with.
//!
//! Invariant: a target panics only where the program is wrong. What a bound of ours refuses, it passes over.

use base::extended::Extended;
use base::{glob, number};
use catalog::{Flag, Group};
use cluster::api::{CreateInstance, FailoverRequest, HostReport, NodeState};
use kernel::config::{Config, file};
use kernel::replicate::handshake::{Heard, Hello, SyncRequest};
use store::{Graveyard, Rng, Store};
use testkit::differential::Script;
use wire::effect::{Effect, End, Expiry};
use wire::frame::Frame;
use wire::hyperloglog;
use wire::intset::Intset;
use wire::listpack::{Element, Listpack, Needle};
use wire::rdb::load::{Event, Reader};
use wire::rdb::lzf;
use wire::rdb::save::{Head, ListNode, Usage, Writer};
use wire::record;
use wire::resp::request::{Progress, RequestLimits, RequestParser};
use wire::resp::response::{self, Response, ResponseLimits};

use super::{aof, rig};

/// A function that takes hostile bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    pub seeds: fn() -> Vec<Vec<u8>>,
}

pub const ALL: &[Target] = &[
    Target { name: "request", run: request, seeds: request_seeds },
    Target { name: "response", run: response, seeds: response_seeds },
    Target { name: "rdb", run: rdb, seeds: rdb_seeds },
    Target { name: "restore", run: restore, seeds: restore_seeds },
    Target { name: "listpack", run: listpack, seeds: listpack_seeds },
    Target { name: "intset", run: intset, seeds: intset_seeds },
    Target { name: "effect", run: effect, seeds: effect_seeds },
    Target { name: "record", run: records, seeds: record_seeds },
    Target { name: "lzf", run: unpack, seeds: lzf_seeds },
    Target { name: "hyperloglog", run: sketch, seeds: sketch_seeds },
    Target { name: "glob", run: pattern, seeds: pattern_seeds },
    Target { name: "number", run: numbers, seeds: number_seeds },
    Target { name: "acl", run: rules, seeds: rule_seeds },
    Target { name: "lua", run: lua, seeds: lua_seeds },
    Target { name: "commands", run: commands, seeds: command_seeds },
    Target { name: "script", run: script, seeds: script_seeds },
    Target { name: "config", run: config, seeds: config_seeds },
    Target { name: "handshake", run: handshake, seeds: handshake_seeds },
    Target { name: "rest", run: rest, seeds: rest_seeds },
    Target { name: "aof", run: aof::run, seeds: aof::seeds },
];

fn texts(texts: &[&[u8]]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.to_vec()).collect()
}

// --- RESP

/// The first byte tells where the input is cut into two reads.
fn request(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else { return };
    let limits = RequestLimits { unauthenticated: cut % 2 == 1, ..RequestLimits::default() };
    let (mut parser, mut input) = (RequestParser::new(), bytes.to_vec());
    let first = (usize::from(*cut) * input.len() / 256).min(input.len());
    for end in [first, input.len()] {
        let mut end = end.min(input.len());
        loop {
            let consumed = match parser.parse(&mut input[..end], &limits) {
                Ok(Progress::Request { consumed }) => consumed,
                Ok(Progress::Incomplete) => break,
                Err(_) => return,
            };
            let total: usize = parser.args().iter().map(|span| span.of(&input).len()).sum();
            assert!(consumed > 0 && total <= consumed, "arguments lie in their request");
            input.drain(..consumed);
            end -= consumed;
        }
    }
}

fn request_seeds() -> Vec<Vec<u8>> {
    texts(&[
        b"\x80*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n*1\r\n$4\r\nPING\r\n",
        b"\x41SET k \"a \\x41 b\"\r\nPING\r\n",
        b"\x01*-1\r\n*0\r\n\r\n*2\r\n$0\r\n\r\n$1\r\nx\r\n",
    ])
}

fn response(data: &[u8]) {
    if let Ok(Some((_, length))) = response::decode(data, &ResponseLimits::default()) {
        assert!(length <= data.len(), "a reply lies in what was heard");
    }
}

fn response_seeds() -> Vec<Vec<u8>> {
    texts(&[
        b"*3\r\n:1\r\n$3\r\nabc\r\n$-1\r\n",
        b"%1\r\n+key\r\n*1\r\n,1.5\r\n",
        b"~2\r\n#t\r\n(12345678901234567890\r\n",
        b">2\r\n=7\r\ntxt:abc\r\n_\r\n",
        b"-ERR no\r\n",
    ])
}

// --- RDB

fn pack(items: &[&[u8]]) -> Listpack {
    items.iter().copied().collect()
}

/// One value of every form, each written by `write` to a new writer.
pub(crate) fn write_values(mut write: impl FnMut(&dyn Fn(&mut Writer, &Head<'_>))) {
    let earliest = base::UnixMs(1_800_000_000_000);
    let elements = |writer: &mut Writer, items: &[&[u8]]| {
        items.iter().for_each(|item| writer.element(Element::Bytes(item)));
    };
    write(&|writer, head| writer.string(head, b"hello"));
    write(&|writer, head| writer.string(head, &b"pollux".repeat(30)));
    write(&|writer, head| writer.integer(head, 12345));
    write(&|writer, head| {
        let packed = pack(&[b"a", b"300", b"text"]);
        let nodes = [ListNode::Packed(&packed), ListNode::Plain(b"plain")];
        writer.list(head, nodes.into_iter());
    });
    write(&|writer, head| {
        let mut ints = Intset::new();
        for value in [1, -5, 70_000, 1 << 40] {
            ints.insert(value);
        }
        writer.set_intset(head, ints.as_bytes());
    });
    write(&|writer, head| {
        writer.begin_set(head, 2);
        elements(writer, &[b"a", b"17"]);
    });
    write(&|writer, head| writer.hash_listpack(head, &pack(&[b"f", b"1", b"g", b"two"])));
    write(&|writer, head| {
        writer.begin_hash(head, 2);
        elements(writer, &[b"f", b"1", b"g", b"two"]);
    });
    write(&|writer, head| {
        let triples = pack(&[b"f", b"1", b"1800000000000", b"g", b"two", b"0"]);
        writer.volatile_hash_listpack(head, earliest, &triples);
    });
    write(&|writer, head| {
        writer.begin_volatile_hash(head, earliest, 2);
        writer.deadline(earliest, Some(base::UnixMs(earliest.0 + 7)));
        elements(writer, &[b"f", b"1"]);
        writer.deadline(earliest, None);
        elements(writer, &[b"g", b"two"]);
    });
    write(&|writer, head| writer.zset_listpack(head, &pack(&[b"a", b"1", b"b", b"2.5"])));
    write(&|writer, head| {
        writer.begin_zset(head, 1);
        elements(writer, &[b"member"]);
        writer.score(1.5);
    });
}

/// The first byte tells how long the chunks are in which the file arrives.
fn rdb(data: &[u8]) {
    let Some((chunk, file)) = data.split_first() else { return };
    let mut reader = Reader::new();
    for chunk in file.chunks(usize::from(*chunk) + 1) {
        reader.feed(chunk);
        loop {
            match reader.next_event() {
                Ok(Event::NeedMore) => break,
                Ok(Event::End) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }
}

fn rdb_seeds() -> Vec<Vec<u8>> {
    let mut writer = Writer::new(true);
    writer.aux("redis-ver", b"7.2.0");
    writer.select(3);
    writer.sizes(12, 1);
    let head =
        Head { key: b"key", expire: Some(base::UnixMs(4_102_444_800_000)), usage: Usage::Unknown };
    write_values(|write| write(&mut writer, &head));
    vec![[&[20], writer.finish().as_slice()].concat()]
}

/// The value of a DUMP payload, without its seal.
fn restore(data: &[u8]) {
    rig::with(|rig| {
        let mut payload = [data, &10_u16.to_le_bytes()].concat();
        payload.extend_from_slice(&wire::rdb::crc64(&payload).to_le_bytes());
        let restored = rig.call(&[b"RESTORE", b"k", b"0", &payload]);
        if matches!(restored, Response::Error(_)) {
            assert_eq!(rig.call(&[b"DBSIZE"]), Response::Integer(0), "it was refused as a whole");
            return;
        }
        let digest = [b"DEBUG".as_slice(), b"DIGEST-VALUE", b"k"];
        let before = rig.call(&digest);
        if let Response::Bulk(dumped) = rig.call(&[b"DUMP", b"k"]) {
            rig.call(&[b"RESTORE", b"k", b"0", &dumped, b"REPLACE"]);
            assert_eq!(rig.call(&digest), before, "what is dumped is restored");
        }
        uses(rig);
    });
}

pub(crate) fn uses(rig: &mut rig::Rig) {
    for line in USES {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        rig.call(&words);
    }
}

/// Commands that read and change a value of any type.
const USES: &[&str] = &[
    "OBJECT ENCODING k",
    "MEMORY USAGE k SAMPLES 0",
    "COPY k l",
    "GET k",
    "APPEND k x",
    "SETBIT k 7 1",
    "PFCOUNT k",
    "PFADD k x",
    "LRANGE k 0 -1",
    "LINSERT k BEFORE a b",
    "LREM k 0 a",
    "LSET k 0 v",
    "LPOP k",
    "SMEMBERS k",
    "SADD k 5 x",
    "SPOP k",
    "HGETALL k",
    "HSCAN k 0",
    "HTTL k FIELDS 2 f g",
    "HSET k f 1 new 2",
    "HEXPIRE k 100 FIELDS 1 new",
    "HRANDFIELD k 3 WITHVALUES",
    "HDEL k f",
    "ZRANGE k 0 -1 WITHSCORES",
    "ZADD k 2 new",
    "ZRANK k new",
    "ZPOPMIN k",
    "GEOPOS k a member",
    "GEOSEARCH k FROMLONLAT 1 1 BYRADIUS 9000 km ASC",
    "XRANGE k - +",
    "XADD k * a b",
    "XINFO STREAM k FULL",
    "XREADGROUP GROUP g new STREAMS k >",
    "XAUTOCLAIM k g new 0 0",
    "XACK k g 1-1",
    "XTRIM k MAXLEN 1",
    "SORT k ALPHA",
    "DUMP k",
    "DEL k",
];

fn restore_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    write_values(|write| {
        let mut writer = Writer::for_dump();
        write(&mut writer, &Head { key: b"", expire: None, usage: Usage::Unknown });
        let sealed = writer.finish();
        seeds.push(sealed[..sealed.len() - 10].to_vec());
    });
    rig::with(|rig| {
        for line in STREAM {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            rig.call(&words);
            if let Response::Bulk(sealed) = rig.call(&[b"DUMP", b"k"]) {
                seeds.push(sealed[..sealed.len() - 10].to_vec());
            }
        }
    });
    seeds
}

/// A stream with all that one can have.
const STREAM: &[&str] = &[
    "XADD k 1-1 f v n 12",
    "XADD k 1-2 other w",
    "XADD k 5-0 f v",
    "XGROUP CREATE k g 0",
    "XREADGROUP GROUP g alice COUNT 2 STREAMS k >",
    "XREADGROUP GROUP g bob STREAMS k >",
    "XDEL k 1-2",
];

// --- packed values

fn listpack(data: &[u8]) {
    let Some(mut pack) = Listpack::from_bytes(data) else { return };
    let items: Vec<Vec<u8>> = pack.iter().map(|element| element.to_vec()).collect();
    assert_eq!(items.len(), pack.len(), "the header counts what is there");
    for (index, item) in items.iter().enumerate() {
        let place = pack.at(index).expect("an index below the length");
        assert_eq!(pack.get(place).map(|element| element.to_vec()).as_ref(), Some(item));
        assert!(pack.find(pack.begin(), &Needle::new(item), 1).is_some(), "it finds what it shows");
    }
    pack.push_back(b"12");
    pack.push_front(b"some text");
    let middle = pack.at(pack.len() / 2).expect("two are there");
    pack.replace(middle, b"x");
    let tail = pack.split_off(pack.at(pack.len() / 2).expect("two are there"));
    pack.append(&tail);
    pack.remove(pack.begin(), 1);
    assert_eq!(pack.len(), items.len() + 1);
    assert!(Listpack::from_bytes(pack.as_bytes()).is_some(), "it stays well-formed");
}

fn listpack_seeds() -> Vec<Vec<u8>> {
    let long = vec![b'x'; 5000];
    [
        pack(&[b"a", b"1", b"-1", b"4000", b"70000", b"9999999999", b"9223372036854775807"]),
        pack(&[&long, &long[..100], b""]),
        pack(&[]),
    ]
    .map(|pack| pack.as_bytes().to_vec())
    .to_vec()
}

fn intset(data: &[u8]) {
    let Some(mut ints) = Intset::from_bytes(data) else { return };
    let values: Vec<i64> = ints.iter().collect();
    assert!(values.is_sorted_by(|a, b| a < b), "in order, each once");
    assert!(values.iter().all(|value| ints.contains(*value)));
    for value in [0, i64::MIN, i64::MAX, values.len() as i64] {
        ints.insert(value);
        assert!(ints.contains(value));
        assert!(ints.remove(value) && !ints.contains(value));
    }
}

fn intset_seeds() -> Vec<Vec<u8>> {
    let of = |values: &[i64]| {
        let mut ints = Intset::new();
        for value in values {
            ints.insert(*value);
        }
        ints.as_bytes().to_vec()
    };
    vec![of(&[1, 2, 3]), of(&[-70_000, 5]), of(&[i64::MIN, 0, i64::MAX]), of(&[])]
}

/// The first two bytes tell how long the text is.
fn unpack(data: &[u8]) {
    let Some((length, packed)) = data.split_first_chunk::<2>() else { return };
    let length = usize::from(u16::from_le_bytes(*length));
    if let Some(text) = lzf::decompress(packed, length) {
        assert_eq!(text.len(), length);
    }
    let mut out = Vec::new();
    if lzf::Compressor::new().compress(packed, &mut out) {
        assert_eq!(lzf::decompress(&out, packed.len()).as_deref(), Some(packed));
    }
}

fn lzf_seeds() -> Vec<Vec<u8>> {
    let text = b"a text that repeats, that repeats, that repeats itself ".repeat(4);
    let mut packed = u16::try_from(text.len()).expect("short").to_le_bytes().to_vec();
    assert!(lzf::Compressor::new().compress(&text, &mut packed), "it repeats itself");
    vec![packed]
}

// --- the log

/// One after the other is applied to a store; each begins with its length in one byte.
fn effect(data: &[u8]) {
    let mut store = Store::new(2, Graveyard::immediate(), Rng::new(1));
    let mut rest = data;
    while let Some((length, tail)) = rest.split_first() {
        let (payload, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = tail;
        let Ok(effect) = Effect::decode(payload) else { continue };
        let mut again = Vec::new();
        effect.encode(&mut again);
        assert_eq!(Effect::decode(&again).as_ref(), Ok(&effect));
        // It would be right to make a string of gigabytes, but slow.
        if !matches!(effect, Effect::SetRange { offset, .. } if offset > 1 << 20) {
            let _any_answer_will_do = store.apply(0, &effect);
        }
    }
    for db in 0..store.databases() {
        assert_eq!(store.db(db).iter().count(), store.db(db).len());
    }
}

fn effect_seeds() -> Vec<Vec<u8>> {
    let key = b"k".as_slice();
    let at = base::UnixMs(77);
    let groups = [
        vec![
            Effect::SetString { key, value: b"v", expiry: Expiry::At(at) },
            Effect::Append { key, value: b"w" },
            Effect::SetRange { key, offset: 3, value: b"x" },
            Effect::Copy { from: key, to_db: 1, to: b"c" },
            Effect::Rename { from: key, to: b"d" },
        ],
        vec![
            Effect::ListPush { key, end: End::Tail, values: vec![b"a", b"b", b"3"] },
            Effect::ListInsert { key, index: 1, value: b"i" },
            Effect::ListRemove { key, count: -1, value: b"a" },
            Effect::ListTrim { key, start: 0, count: 1 },
        ],
        vec![
            Effect::HashSet { key, pairs: vec![b"f", b"1", b"g", b"2"] },
            Effect::HashExpire { key, fields: vec![(at, b"f"), (at, b"g")] },
            Effect::HashSetAndKeep { key, pairs: vec![b"f", b"3"] },
            Effect::HashPersist { key, fields: vec![b"f"] },
            Effect::HashDelete { key, fields: vec![b"f", b"g"] },
        ],
        vec![
            Effect::SetAdd { key, members: vec![b"1", b"2"] },
            Effect::SetRemove { key, members: vec![b"1"] },
            Effect::Move { key, to_db: 1 },
            Effect::ZsetAdd { key, members: vec![(1.5, b"a"), (-1.0, b"b")] },
            Effect::ZsetRemove { key, members: vec![b"a"] },
            Effect::SwapDb { a: 0, b: 1 },
            Effect::FlushAll,
        ],
    ];
    let encoded = |effects: Vec<Effect<'_>>| {
        let mut out = Vec::new();
        for effect in effects {
            let mut payload = Vec::new();
            effect.encode(&mut payload);
            out.push(u8::try_from(payload.len()).expect("short"));
            out.extend_from_slice(&payload);
        }
        out
    };
    groups.map(encoded).to_vec()
}

fn records(data: &[u8]) {
    if let Ok((record, length)) = record::Record::decode(data) {
        assert!(record.payload.len() < length && length <= data.len());
    }
    let _any_answer_will_do = record::head(data);
    let mut rest = data;
    while let Ok(Some((_, length))) = Frame::decode(rest) {
        assert!(length > 0, "a frame has a header");
        rest = &rest[length..];
    }
}

fn record_seeds() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    Frame::SnapshotBegin { bytes: 9 }.encode(&mut frames);
    Frame::SnapshotChunk(b"123456789").encode(&mut frames);
    Frame::Close { reason: "over" }.encode(&mut frames);
    let mut record = vec![0; 64];
    record[0] = 64;
    vec![frames, record]
}

// --- strings that are more

fn sketch(data: &[u8]) {
    rig::with(|rig| {
        let whole = [b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80", data].concat();
        for bytes in [data, &whole] {
            rig.call(&[b"SET", b"h", bytes]);
            rig.call(&[b"PFCOUNT", b"h"]);
            rig.call(&[b"PFCOUNT", b"h", b"h"]);
            rig.call(&[b"PFDEBUG", b"DECODE", b"h"]);
            rig.call(&[b"PFMERGE", b"d", b"h"]);
            rig.call(&[b"PFADD", b"h", b"a", b"b", b"c", b"d"]);
            rig.call(&[b"PFMERGE", b"h", b"d"]);
            rig.call(&[b"PFDEBUG", b"GETREG", b"h"]);
            rig.call(&[b"PFCOUNT", b"h"]);
        }
    });
}

fn sketch_seeds() -> Vec<Vec<u8>> {
    let mut bytes = hyperloglog::empty();
    let mut seeds = vec![bytes.clone()];
    for number in 0..300_u32 {
        let (index, rank) = hyperloglog::place(&number.to_le_bytes());
        hyperloglog::raise(&mut bytes, index, rank, 3000).expect("it is sound");
    }
    let dense = hyperloglog::to_dense(&bytes).expect("it is sound");
    seeds.extend([bytes[16..].to_vec(), bytes, dense]);
    seeds
}

/// Pattern, NUL, text.
fn pattern(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let (pattern, text) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    for ignore_case in [false, true] {
        glob::matches(pattern, text, ignore_case);
    }
    assert!(text.is_empty() || glob::matches(b"*", text, false));
}

fn pattern_seeds() -> Vec<Vec<u8>> {
    let stars = [b"a*".repeat(500).as_slice(), b"b\0", &b"a".repeat(3000)].concat();
    let mut seeds = texts(&[b"h[a-z^]llo?\\*\0hello", b"[^]]*\0x", b"[\0[", b"\\\0\\"]);
    seeds.push(stars);
    seeds
}

fn numbers(data: &[u8]) {
    if let Some(value) = number::parse_i64(data) {
        assert_eq!(value.to_string().as_bytes(), data, "there is one form of an integer");
    }
    if let Some(value) = number::parse_double(data) {
        assert_eq!(number::parse_double(&number::format_double(value)), Some(value));
    }
    if let Some(value) = Extended::parse(data) {
        if let Some(sum) = value.plus(value) {
            sum.to_text();
        }
        value.to_text();
    }
}

fn number_seeds() -> Vec<Vec<u8>> {
    texts(&[b"0", b"-9223372036854775808", b"1.5e300", b"0x1p-1074", b"inf", b"1e-4950", b"+.5"])
}

// --- rules and scripts

/// Words of ACL SETUSER.
fn rules(data: &[u8]) {
    rig::with(|rig| {
        let head = [b"ACL".as_slice(), b"SETUSER", b"u"];
        let rules = data.split(u8::is_ascii_whitespace).filter(|rule| !rule.is_empty());
        let words: Vec<&[u8]> = head.into_iter().chain(rules.take(40)).collect();
        rig.call(&words);
        rig.call(&[b"ACL", b"GETUSER", b"u"]);
        rig.call(&[b"ACL", b"LIST"]);
        rig.call(&[b"ACL", b"DRYRUN", b"u", b"COPY", b"key:1", b"x"]);
        rig.call(&[b"ACL", b"DELUSER", b"u"]);
    });
}

fn rule_seeds() -> Vec<Vec<u8>> {
    texts(&[
        b"on >secret ~key:* %R~a %W~b &ch* +@all -@dangerous -get +config|get",
        b"reset nopass allkeys resetchannels (+set ~x) (~y -@all +@read) clearselectors",
        b"off <secret #9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 resetpass",
    ])
}

/// What the libraries of scripts decode; of `struct`, the format stands before the first NUL.
fn lua(data: &[u8]) {
    const SCRIPTS: &[&[u8]] = &[
        b"local ok, v = pcall(cjson.decode, ARGV[1]) if ok then return cjson.encode(v) end",
        b"local ok, v = pcall(cmsgpack.unpack, ARGV[1]) if ok then return cmsgpack.pack(v) end",
        b"return {pcall(struct.unpack, ARGV[2], ARGV[1])}",
        b"return {pcall(struct.pack, ARGV[2], 1, 2.5, ARGV[1])}",
        b"return {pcall(struct.size, ARGV[2])}",
    ];
    let format = data.split(|byte| *byte == 0).next().unwrap_or_default();
    rig::with(|rig| {
        for script in SCRIPTS {
            rig.call(&[b"EVAL", script, b"0", data, format]);
        }
    });
}

fn lua_seeds() -> Vec<Vec<u8>> {
    texts(&[
        br#"{"a":[1,2.5e3,null,true,"\u00e9\ud83d\ude00"],"b":{"c":[]}}"#,
        b"[[[[[[1]]]]]]",
        b"\x93\x01\xa3abc\x82\x01\xc0\xcb\x3f\xf8\0\0\0\0\0\0\xc3",
        b"\xdd\xff\xff\xff\xff\xc1",
        b"<i4>I2s!8d\0\x01\x02\x03\x04\x05\x06text\0",
        b"c0i16\0\x09abc",
    ])
}

/// Whether a script in it may loop for long, which is no fault of the sandbox: it is left to SCRIPT KILL.
pub(crate) fn loops(data: &[u8]) -> bool {
    let words: &[&[u8]] = &[b"while", b"repeat", b"for", b"goto"];
    words.iter().any(|word| data.windows(word.len()).any(|part| part == *word))
}

/// The source of a script.
fn script(data: &[u8]) {
    if loops(data) {
        return;
    }
    rig::with(|rig| {
        rig.call(&[b"EVAL", data, b"1", b"k", b"12"]);
        rig.call(&[b"EVAL", b"return {1, cjson.encode({})}", b"0"]);
        rig.call(&[b"FUNCTION", b"LOAD", b"REPLACE", data]);
        rig.call(&[b"FUNCTION", b"FLUSH"]);
        rig.call(&[b"SCRIPT", b"FLUSH"]);
    });
}

fn script_seeds() -> Vec<Vec<u8>> {
    texts(&[
        b"local t = {1, 2.5, 'x', {a = true}} return {cjson.encode(t), #t, t[3]:rep(10)}",
        b"return {unpack({1, 2, 3}, 1, 3), string.format('%5.2f %s %d %q', 1, 'a', 3, '\\n')}",
        b"return {redis.call('SET', KEYS[1], ARGV[1]), redis.pcall('INCRBY', KEYS[1], 'x').err}",
        b"local ok, e = pcall(function() error({err = 'MINE'}) end) return {tostring(ok), e.err}",
        b"return {('abc'):gsub('%w', '%0%0'), ('k=v'):match('(%w+)=(%w*)'), ('a,b'):find(',', 1, true)}",
        b"return {bit.tohex(255, -4), struct.pack('>I2', 7), cmsgpack.pack({1}), math.floor(-1.5)}",
        b"local c = coroutine.wrap(function(a) coroutine.yield(a) end) return {c(1), select('#', 1, 2)}",
        b"local t = setmetatable({}, {__index = function(_, k) return k end}) return t.x .. t[1]",
        b"return {table.concat({1, 2}, ','), tostring(nil), tonumber('10', 2), loadstring('return 1')()}",
        b"return {redis.sha1hex(''), redis.status_reply('OK'), redis.error_reply('a b'), redis.setresp(3)}",
        b"#!lua name=lib\nredis.register_function{function_name='f', callback=function(k, a) return a end}",
    ])
}

// --- files and nodes

/// A configuration file.
fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(directives) = file::parse(text) else { return };
    let mut config = Config::default();
    if config.load(&directives).is_err() {
        return;
    }
    let rewritten = config.rewritten(text, &[], false);
    let again = file::parse(&rewritten).expect("what was rewritten can be read");
    let mut same = Config::default();
    same.load(&again).expect("what was rewritten is obeyed");
    assert!(same.settings() == config.settings(), "it says the same:\n{rewritten}");
}

fn config_seeds() -> Vec<Vec<u8>> {
    texts(&[
        b"port 7000\nsave 900 1 300 10\n# a comment\nmaxmemory 100mb\nmaxmemory-policy allkeys-lru\n",
        b"bind 127.0.0.1 -::1\nrequirepass \"a \\x41 b\"\nclient-output-buffer-limit pubsub 1mb 2mb 60\n",
        b"notify-keyspace-events KEA\noom-score-adj-values 0 200 800\nlua-memory-limit 64mb\nhz 50\n",
        // Blanks that end no word, but may not begin one either.
        b"bind 127.0.0.1 7[\x0c\x0bZ:1\n",
        b"user alice on >secret ~key:* +@all\nlatency-tracking-info-percentiles 50 99 99.9\n",
    ])
}

/// What nodes say when a link begins: words in a line.
fn handshake(data: &[u8]) {
    let words: Vec<&[u8]> = data.split(|byte| *byte == b' ').collect();
    let _any_answer_will_do = Hello::parse(&words).is_ok();
    let _any_answer_will_do = SyncRequest::parse(&words).is_ok();
    if let Ok(text) = std::str::from_utf8(data) {
        let _any_answer_will_do = Heard::parse(text);
    }
}

fn handshake_seeds() -> Vec<Vec<u8>> {
    texts(&[
        b"1 orders orders-0 agent 7 3 secret",
        b"1 orders orders-0 node-2 7 3 secret",
        b"3-100 1:1,2:50,3:77",
        b"CONTINUE 100",
        b"FULL no-data",
    ])
}

/// Bodies of requests at a config server.
fn rest(data: &[u8]) {
    if let Ok(request) = serde_json::from_slice::<CreateInstance>(data) {
        let _any_answer_will_do = request.validate();
    }
    let _any_answer_will_do = serde_json::from_slice::<FailoverRequest>(data).is_ok();
    let _any_answer_will_do = serde_json::from_slice::<HostReport>(data).is_ok();
    let _any_answer_will_do = serde_json::from_slice::<NodeState>(data).is_ok();
}

fn rest_seeds() -> Vec<Vec<u8>> {
    texts(&[
        br#"{"name":"orders","edition":"standard","replicas":1,"port":7000,"params":{"maxmemory":"1gb"}}"#,
        br#"{"node":"node-2","force":false}"#,
        br#"{"host":"a","agent":1,"nodes":[{"node":"n","process":{"pid":7}}],"number":9}"#,
        br#"{"cluster":"c","shard":"s","node":"n","incarnation":1,"epoch":3,"role":"master","phase":"ready"}"#,
    ])
}

// --- commands

/// Lines, each a command as a person types it. Those that wait, or reach out of the data, are passed over.
fn commands(data: &[u8]) {
    rig::with(|rig| {
        for line in data.split(|byte| *byte == b'\n').take(60) {
            let mut line = line.to_vec();
            let mut spans = Vec::new();
            if wire::resp::request::split_line(&mut line, &mut spans).is_none() {
                continue;
            }
            let words: Vec<&[u8]> = spans.iter().map(|span| span.of(&line)).collect();
            if is_about_data(&words) {
                rig.call(&words);
            }
        }
    });
}

/// Whether a command reads or changes keys, and neither waits nor answers at great length.
pub fn is_about_data(words: &[&[u8]]) -> bool {
    let Some(spec) = words.first().and_then(|name| catalog::find(name)) else { return false };
    let is_data = match spec.group {
        Group::Bitmap
        | Group::Geo
        | Group::Hash
        | Group::Hyperloglog
        | Group::List
        | Group::Set
        | Group::SortedSet
        | Group::Stream
        | Group::String => true,
        Group::Generic => !matches!(spec.name, "wait" | "waitaof" | "migrate"),
        Group::Cluster
        | Group::Connection
        | Group::Pubsub
        | Group::Scripting
        | Group::Server
        | Group::Transactions => false,
    };
    // Repeated picks may be 2^24, which takes long to read.
    let is_long = spec.name.contains("rand") && words.iter().any(|word| word.len() > 5);
    is_data && !spec.flags.contains(Flag::Blocking) && !is_long
}

fn command_seeds() -> Vec<Vec<u8>> {
    let script = |seed: u64| {
        let text = Script::generate(seed, 40).to_string();
        let line = |line: &str| line.split_once("> ").map(|(_, words)| words.to_owned());
        text.lines().filter_map(line).collect::<Vec<String>>().join("\n").into_bytes()
    };
    (1..60).map(script).collect()
}
