//! What we write is read back, what Redis writes is read, and nothing hostile gets through.

mod stream;

use base::UnixMs;
use proptest::prelude::*;

use super::load::{DEADLINE_MS_MAX, Entry, Event, ListNode, Reader, Value, VolatileField, scored};
use super::save::{self, Head, Usage, Writer};
use super::{RdbError, VERSION, crc64};
use crate::intset::Intset;
use crate::listpack::{Element, Listpack};

/// Everything in a file that is fed in chunks of `chunk` bytes.
fn read(file: &[u8], chunk: usize) -> Result<Vec<Event>, RdbError> {
    let mut reader = Reader::new();
    let mut events = Vec::new();
    for chunk in file.chunks(chunk) {
        reader.feed(chunk);
        loop {
            match reader.next_event()? {
                Event::NeedMore => break,
                Event::End => return Ok(events),
                event => events.push(event),
            }
        }
    }
    events.push(Event::NeedMore);
    Ok(events)
}

fn entries(events: &[Event]) -> Vec<&Entry> {
    events
        .iter()
        .filter_map(|e| if let Event::Entry(entry) = e { Some(entry) } else { None })
        .collect()
}

fn pack(items: &[&str]) -> Listpack {
    items.iter().map(|item| item.as_bytes()).collect()
}

fn head(key: &str) -> Head<'_> {
    Head { key: key.as_bytes(), expire: None, usage: Usage::Unknown }
}

/// One value of every kind, with the seams where lengths change their form.
fn sample(is_compressing: bool) -> Vec<u8> {
    let mut writer = Writer::new(is_compressing);
    writer.aux("redis-ver", b"7.2.0");
    writer.select(0);
    writer.sizes(11, 1);
    writer.string(
        &Head { key: b"text", expire: Some(UnixMs(4_102_444_800_000)), usage: Usage::Unknown },
        b"hello",
    );
    writer.string(&head("digits"), b"-129");
    writer.string(&head("long"), &b"pollux".repeat(4000));
    writer.integer(&head("integer"), i64::MIN);
    let plain = vec![b'x'; 70];
    let packed = pack(&["a", "3", ""]);
    let nodes = [save::ListNode::Packed(&packed), save::ListNode::Plain(&plain)];
    writer.list(&head("list"), nodes.into_iter());
    let mut intset = Intset::new();
    assert!(intset.insert(1 << 40) && intset.insert(-1));
    writer.set_intset(&head("intset"), intset.as_bytes());
    writer.begin_set(&head("set"), 2);
    writer.element(Element::Bytes(b"member"));
    writer.element(Element::Integer(70_000));
    writer.hash_listpack(&head("hash"), &pack(&["field", "value"]));
    writer.begin_hash(&head("hash:table"), 1);
    writer.element(Element::Bytes(b"f"));
    writer.element(Element::Integer(5_000_000_000));
    writer.zset_listpack(&head("zset"), &pack(&["a", "1", "b", "2.5", "c", "inf"]));
    writer.select(255);
    writer.sizes(2, 0);
    writer.begin_zset(&head("zset:table"), 2);
    writer.element(Element::Bytes(b"b"));
    writer.score(f64::INFINITY);
    writer.element(Element::Bytes(b"a"));
    writer.score(-0.5);
    stream::write_sample(&mut writer);
    let mut file = writer.take();
    file.extend_from_slice(&writer.finish());
    file
}

#[test]
fn what_is_written_is_read_back_however_it_is_cut() {
    for is_compressing in [false, true] {
        let file = sample(is_compressing);
        let whole = read(&file, file.len()).unwrap();
        for chunk in [1, 7, 4096] {
            assert_eq!(read(&file, chunk).unwrap(), whole, "chunks of {chunk}");
        }
        assert_eq!(
            whole[..2],
            [
                Event::Aux { name: b"redis-ver".to_vec(), value: b"7.2.0".to_vec() },
                Event::Sizes { db: 0, keys: 11, expiries: 1 },
            ]
        );
        let entries = entries(&whole);
        let text = |text: &str| text.as_bytes().to_vec();
        let expect = [
            ("text", Value::String(text("hello"))),
            ("digits", Value::String(text("-129"))),
            ("long", Value::String(b"pollux".repeat(4000))),
            ("integer", Value::String(text("-9223372036854775808"))),
            (
                "list",
                Value::List(vec![
                    ListNode::Packed(pack(&["a", "3", ""])),
                    ListNode::Item(vec![b'x'; 70]),
                ]),
            ),
        ];
        for (entry, (key, value)) in entries.iter().zip(expect) {
            assert_eq!((entry.key.as_slice(), &entry.value), (key.as_bytes(), &value));
        }
        assert_eq!(entries[0].expire, Some(UnixMs(4_102_444_800_000)));
        assert_eq!(entries[6].value, Value::Set(vec![text("member"), text("70000")]));
        assert_eq!(entries[8].value, Value::Hash(vec![(text("f"), text("5000000000"))]));
        assert_eq!(entries[10].db, 255);
        let zset = vec![(text("b"), f64::INFINITY), (text("a"), -0.5)];
        assert_eq!(entries[10].value, Value::Zset(zset));
        assert_eq!(entries[11].value, stream::sample());
    }
}

#[test]
fn a_file_of_redis_7_0_is_read() {
    let file = include_bytes!("../../testdata/rdb/redis-7.0.rdb");
    let events = read(file, 64).unwrap();
    let entries = entries(&events);
    let value = |key: &str| {
        let entry = entries.iter().find(|entry| entry.key == key.as_bytes());
        &entry.unwrap_or_else(|| panic!("{key} is missing")).value
    };
    let string = |text: &str| Value::String(text.as_bytes().to_vec());
    assert_eq!(entries.len(), 17);
    assert_eq!(value("int8"), &string("-7"));
    assert_eq!(value("int16"), &string("300"));
    assert_eq!(value("int32"), &string("-70000"));
    assert_eq!(value("int64"), &string("9007199254740993"));
    assert_eq!(value("long"), &string(&"pollux ".repeat(100)));
    assert_eq!(
        value("list"),
        &Value::List(vec![ListNode::Packed(pack(&["a", "b", "3", "-40000"]))])
    );
    assert_eq!(
        value("list:nodes"),
        &Value::List(vec![
            ListNode::Packed(pack(&["1", "2"])),
            ListNode::Packed(pack(&["3", "4"])),
            ListNode::Packed(pack(&["5"])),
            ListNode::Packed(pack(&[&"x".repeat(9000)])),
        ])
    );
    let Value::SetIntset(intset) = value("intset") else { panic!("intset") };
    assert_eq!(intset.iter().collect::<Vec<_>>(), [-2, 1, 70_000, 5_000_000_000]);
    assert!(matches!(value("set"), Value::Set(members) if members.len() == 3));
    assert_eq!(value("hash"), &Value::HashListpack(pack(&["f1", "v1", "f2", "2"])));
    assert!(matches!(value("hash:table"), Value::Hash(pairs) if pairs.len() == 3));
    let Value::ZsetListpack(zset) = value("zset") else { panic!("zset") };
    let scores: Vec<f64> = scored(zset).map(|(_, score)| score).collect();
    assert_eq!(scores, [f64::NEG_INFINITY, 1.0, 2.5, f64::INFINITY]);
    let Value::Zset(members) = value("zset:table") else { panic!("zset:table") };
    assert!(members.contains(&(b"a".to_vec(), 1.25)));
    let volatile = entries.iter().find(|entry| entry.key == b"volatile").unwrap();
    assert_eq!(volatile.expire, Some(UnixMs(4_102_444_800_000)));
    assert_eq!(entries.last().unwrap().db, 3);
}

/// A version 3 file (no checksum) whose body is `body`.
fn old_file(body: &[u8]) -> Vec<u8> {
    [b"REDIS0003".as_slice(), body, &[0xff]].concat()
}

#[test]
fn forms_of_old_versions() {
    let check = |body: &[u8], expect: Value| {
        let events = read(&old_file(body), 3).unwrap();
        let [Event::Entry(entry)] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!(entry.value, expect);
    };
    let ziplist = b"\x10\x00\x00\x00\x0d\x00\x00\x00\x02\x00\x00\x01a\x03\xf2\xff";
    let sized = |kind: u8, before: &[u8], blob: &[u8]| {
        let mut blob = blob.to_vec();
        blob[0] = blob.len() as u8;
        [&[kind, 1, b'k'], before, &[blob.len() as u8], &blob].concat()
    };
    let packed = pack(&["a", "1"]);
    check(&sized(10, &[], ziplist), Value::List(vec![ListNode::Packed(packed.clone())]));
    check(&sized(14, &[1], ziplist), Value::List(vec![ListNode::Packed(packed.clone())]));
    check(&sized(13, &[], ziplist), Value::HashListpack(packed.clone()));
    check(&sized(12, &[], ziplist), Value::ZsetListpack(packed.clone()));
    check(b"\x09\x01k\x07\x01\x01a\x01\x001\xff", Value::HashListpack(packed));
    let item = |text: &str| ListNode::Item(text.as_bytes().to_vec());
    check(b"\x01\x01k\x02\x01a\xc0\x05", Value::List(vec![item("a"), item("5")]));
    let scores = vec![(b"a".to_vec(), 1.5), (b"b".to_vec(), f64::INFINITY)];
    check(b"\x03\x01k\x02\x01a\x031.5\x01b\xfe", Value::Zset(scores));
    check(b"\xfd\x01\x00\x00\x00\x00\x01k\x01v", Value::String(b"v".to_vec()));
}

#[test]
fn wrong_files_are_refused() {
    let check = |file: &[u8], expect: RdbError| assert_eq!(read(file, 5), Err(expect));
    check(b"REDIT0003", RdbError::Signature);
    check(b"REDIS00x3", RdbError::Signature);
    check(b"REDIS0013", RdbError::Version(13));
    check(b"REDIS0000", RdbError::Version(0));
    let body = |body: &[u8], expect: RdbError| check(&old_file(body), expect);
    body(&[99], RdbError::UnknownType(99));
    body(&[7, 1, b'k'], RdbError::Unsupported("value of a module"));
    let old = "function library of a release candidate of Redis 7.0";
    body(&[246, 1, b'f'], RdbError::Unsupported(old));
    body(&[0xfe, 0x41, 0x00], RdbError::Malformed("database number"));
    body(&[0, 0xc4], RdbError::Malformed("length"));
    body(b"\x05\x01k\x01\x01a\xff\xff\xff\xff\xff\xff\xff\xff", RdbError::Malformed("score"));
    body(b"\x0c\x01k\x07\x07\x00\x00\x00\x01\x00\xff", RdbError::Malformed("ziplist"));
    body(b"\x0b\x01k\x01x", RdbError::Malformed("intset"));
    body(b"\x00\xc3\x01\x05\x00x", RdbError::Malformed("compressed string"));
    let huge = [&[0, 0x81], 1u64.rotate_right(1).to_be_bytes().as_slice()].concat();
    body(&huge, RdbError::TooLarge { what: "string", bytes: 1 << 63 });
}

#[test]
fn a_damaged_file_is_noticed() {
    let mut file = sample(false);
    let len = file.len();
    let (body, sum) = file.split_at(len - 8);
    assert_eq!(crc64(body).to_le_bytes(), sum);
    file[30] ^= 1;
    assert!(matches!(read(&file, 100), Err(RdbError::Checksum { .. })));
    file[len - 8..].fill(0);
    assert!(read(&file, 100).is_ok(), "zero stands for no checksum");
    assert_eq!(read(&file[..len - 1], 100).unwrap().last(), Some(&Event::NeedMore));
}

#[test]
fn huge_counts_wait_for_bytes() {
    let mut reader = Reader::new();
    reader.feed(b"REDIS0010\x02\x01k\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01a");
    assert_eq!(reader.next_event(), Ok(Event::NeedMore));
    assert!(reader.rest().is_empty());
}

/// The check value of CRC-64/Redis over "123456789".
#[test]
fn checksum_is_that_of_redis() {
    assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    assert_eq!(sample(false)[..9], *format!("REDIS{VERSION:04}").as_bytes());
}

proptest! {
    #[test]
    fn strings_survive(
        pairs in proptest::collection::vec(
            (proptest::collection::vec(any::<u8>(), 0..80), proptest::collection::vec(97u8..100, 0..400)),
            1..20,
        ),
        is_compressing: bool,
        chunk in 1usize..200,
    ) {
        let mut writer = Writer::new(is_compressing);
        for (key, value) in &pairs {
            writer.string(&Head { key, expire: None, usage: Usage::Unknown }, value);
        }
        let events = read(&writer.finish(), chunk).unwrap();
        let found: Vec<_> = entries(&events)
            .into_iter()
            .map(|entry| match &entry.value {
                Value::String(value) => (entry.key.clone(), value.clone()),
                other => panic!("{other:?}"),
            })
            .collect();
        prop_assert_eq!(found, pairs);
    }

    #[test]
    fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..200), chunk in 1usize..50) {
        let _ = read(&old_file(&noise), chunk);
    }

    #[test]
    fn a_flipped_byte_never_panics(at in 9usize..600, flip in 1u8.., chunk in 1usize..500) {
        let mut file = sample(false);
        let at = at % file.len();
        file[at] ^= flip;
        prop_assert!(read(&file, chunk).is_err() || at < 9 || read(&file, chunk).unwrap().last() == Some(&Event::NeedMore));
    }
}

fn volatile(field: &str, value: &str, at: Option<u64>) -> VolatileField {
    VolatileField { field: field.into(), value: value.into(), deadline: at.map(UnixMs) }
}

/// As values of DUMP: type 24 relative to the earliest deadline, 25 as one listpack, 22 and 23 as the release candidates of
/// Redis 7.4 wrote them.
#[test]
fn hashes_with_deadlines() {
    let (near, far) = (UnixMs(1_800_000_000_000), UnixMs(1_800_000_000_500));
    let expect = Value::VolatileHash(vec![
        volatile("a", "1", Some(near.0)),
        volatile("b", "2", Some(far.0)),
        volatile("c", "x", None),
    ]);
    let triples = pack(&["a", "1", "1800000000000", "b", "2", "1800000000500", "c", "x", "0"]);

    let mut writer = Writer::for_dump();
    writer.begin_volatile_hash(&head(""), near, 3);
    for (field, value, at) in [("a", "1", Some(near)), ("b", "2", Some(far)), ("c", "x", None)] {
        writer.deadline(near, at);
        writer.element(Element::Bytes(field.as_bytes()));
        writer.element(Element::Bytes(value.as_bytes()));
    }
    assert_eq!(super::dump::open(&writer.finish()), Ok(expect.clone()));

    let mut writer = Writer::for_dump();
    writer.volatile_hash_listpack(&head(""), near, &triples);
    let sealed = writer.finish();
    assert_eq!(super::dump::open(&sealed), Ok(expect.clone()));

    // Without the earliest deadline it is the older form.
    let mut old = vec![23];
    old.extend_from_slice(&sealed[9..sealed.len() - 10]);
    assert_eq!(super::load::read_value(&old), Ok(expect));
    let old = [22, 1, 5, 1, b'f', 1, b'v'];
    let expect = Value::VolatileHash(vec![volatile("f", "v", Some(5))]);
    assert_eq!(super::load::read_value(&old), Ok(expect));
}

/// In a file the hash is one that every server reads, whatever its form; other facts are passed on as ever.
#[test]
fn files_tell_deadlines_in_front_of_the_hash() {
    let (near, far) = (UnixMs(1_800_000_000_000), UnixMs(1_800_000_000_500));
    let long = "f".repeat(40_000);
    let mut writer = Writer::new(true);
    writer.select(0);
    writer.field_deadlines([(near, b"a".as_slice()), (far, b"12")].into_iter());
    writer.hash_listpack(&head("packed"), &pack(&["a", "1", "b", "2", "12", "x"]));
    let deadlines = [(near, "a"), (far, long.as_str()), (near, "b"), (far, "c")];
    writer.field_deadlines(deadlines.iter().map(|(at, field)| (*at, field.as_bytes())));
    writer.begin_hash(&head("table"), 5);
    for word in ["a", "1", &long, "2", "none", "3", "b", "4", "c", "5"] {
        writer.element(Element::Bytes(word.as_bytes()));
    }
    writer.hash_listpack(&head("without"), &pack(&["a", "1"]));
    let file = writer.finish();
    for chunk in [1, 7, 100_000] {
        let events = read(&file, chunk).unwrap();
        let found = entries(&events);
        assert_eq!(found.len(), events.len(), "no fact is left over");
        let packed = [
            volatile("a", "1", Some(near.0)),
            volatile("b", "2", None),
            volatile("12", "x", Some(far.0)),
        ];
        assert_eq!(found[0].value, Value::VolatileHash(packed.to_vec()));
        let table = [
            volatile("a", "1", Some(near.0)),
            volatile(&long, "2", Some(far.0)),
            volatile("none", "3", None),
            volatile("b", "4", Some(near.0)),
            volatile("c", "5", Some(far.0)),
        ];
        assert_eq!(found[1].value, Value::VolatileHash(table.to_vec()));
        assert_eq!(found[2].value, Value::HashListpack(pack(&["a", "1"])));
    }
}

#[test]
fn wrong_deadlines_in_front_of_a_value_are_refused() {
    let told = |at: u64, length: u32, field: &[u8]| {
        [&at.to_le_bytes()[..], &length.to_le_bytes(), field].concat()
    };
    let check = |fact: &[u8], write: fn(&mut Writer)| {
        let mut writer = Writer::new(true);
        writer.aux("pollux-field-deadlines", fact);
        write(&mut writer);
        read(&writer.finish(), 1000)
    };
    let hash = |writer: &mut Writer| writer.hash_listpack(&head("h"), &pack(&["f", "v"]));
    let good = told(5, 1, b"f");
    assert!(check(&good, hash).is_ok());
    let too_late = told(DEADLINE_MS_MAX + 1, 1, b"f");
    let numbered = |number: u32| told(5, 4, &number.to_le_bytes());
    let many: Vec<u8> = (0..10_000).flat_map(numbered).collect();
    let twice = good.repeat(2);
    for wrong in [&told(5, 2, b"f")[..], &good[..10], &too_late, &many, &twice] {
        assert!(check(wrong, hash).is_err(), "{wrong:?}");
    }
    let refused = Err(RdbError::Malformed("deadlines of fields"));
    assert_eq!(check(&told(5, 1, b"g"), hash), refused, "the hash has no such field");
    assert!(check(&good, |writer| writer.string(&head("s"), b"v")).is_err());
}

/// A payload says which servers can read it.
#[test]
fn payloads_with_deadlines_are_of_a_later_version() {
    let version = |write: &dyn Fn(&mut Writer)| {
        let mut writer = Writer::for_dump();
        write(&mut writer);
        super::dump::version(&writer.finish())
    };
    let plain = |writer: &mut Writer| writer.hash_listpack(&head(""), &pack(&["f", "v"]));
    assert_eq!(version(&plain), Some(VERSION));
    let triples = pack(&["f", "v", "5"]);
    let packed =
        |writer: &mut Writer| writer.volatile_hash_listpack(&head(""), UnixMs(5), &triples);
    assert_eq!(version(&packed), Some(12));
    let table = |writer: &mut Writer| writer.begin_volatile_hash(&head(""), UnixMs(5), 1);
    assert_eq!(version(&table), Some(12));
}

#[test]
fn wrong_deadlines_are_refused() {
    let too_late = (DEADLINE_MS_MAX + 1).to_string();
    for wrong in [["f", "v", "x"], ["f", "v", "-1"], ["f", "v", &too_late]] {
        let mut writer = Writer::for_dump();
        writer.volatile_hash_listpack(&head(""), UnixMs(1), &pack(&wrong));
        assert!(super::dump::open(&writer.finish()).is_err(), "{wrong:?}");
    }
    let mut writer = Writer::for_dump();
    writer.volatile_hash_listpack(&head(""), UnixMs(1), &pack(&["f", "v"]));
    assert!(super::dump::open(&writer.finish()).is_err());
    // The earliest deadline, and one behind it, together pass 64 bits.
    let mut bytes = vec![24];
    bytes.extend_from_slice(&u64::MAX.to_le_bytes());
    bytes.extend_from_slice(&[1, 2, 1, b'f', 1, b'v']);
    assert!(super::load::read_value(&bytes).is_err());
}
