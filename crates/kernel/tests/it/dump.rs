//! DUMP and RESTORE of values of every size, and payloads that were tampered with.

use testkit::client::Client;
use wire::rdb::crc64;
use wire::resp::response::Response;

use crate::server::Server;

/// Bytes behind the value: version and checksum.
const SEAL_BYTES: usize = 10;
/// Changed bytes tried for each value.
const CHANGES: usize = 400;

const DEADLINES: [&str; 2] =
    ["HPEXPIREAT k 4102444800500 FIELDS 1 a", "HPEXPIREAT k 4102444800000 FIELDS 1 c"];

/// Commands that make one value of every encoding, under the key `k`.
fn values() -> Vec<Vec<Vec<String>>> {
    let streams = [
        &["XADD k 1-1 f v", "XADD k 1-2 f w", "XDEL k 1-1"][..],
        &[
            "CONFIG SET stream-node-max-entries 2",
            "XADD k 1-1 f v n 12",
            "XADD k 1-2 other w",
            "XADD k 5-0 f v",
            "XGROUP CREATE k g 0",
            "XGROUP CREATE k h 5 ENTRIESREAD 3",
            "XREADGROUP GROUP g alice COUNT 2 STREAMS k >",
            "XREADGROUP GROUP g bob STREAMS k >",
            "XDEL k 1-2",
        ],
        &["XGROUP CREATE k g $ MKSTREAM"],
    ];
    let volatile = [
        &["HSET k a 1 b 2 c 3", DEADLINES[0], DEADLINES[1]][..],
        &[
            "CONFIG SET hash-max-listpack-entries 2",
            "HSET k a 1 b 2 c 3",
            DEADLINES[0],
            DEADLINES[1],
        ],
    ];
    let words = |line: &&str| line.split(' ').map(str::to_owned).collect();
    let lines = streams.iter().chain(&volatile);
    let lines = lines.map(|lines| lines.iter().map(words).collect());
    collections().into_iter().map(|command| vec![command]).chain(lines).collect()
}

/// Those that one command makes.
fn collections() -> Vec<Vec<String>> {
    let fill = |name: &str, count: usize, item: &dyn Fn(usize) -> Vec<String>| {
        let words = [name.to_owned(), "k".to_owned()];
        words.into_iter().chain((0..count).flat_map(item)).collect::<Vec<String>>()
    };
    let text = |at: usize| vec![format!("element-{at}")];
    let pair = |at: usize| vec![format!("field-{at}"), format!("value-{at}")];
    let scored = |at: usize| vec![format!("{at}.5"), format!("member-{at}")];
    vec![
        vec!["SET".into(), "k".into(), "-17".into()],
        vec!["SET".into(), "k".into(), "short".into()],
        vec!["SET".into(), "k".into(), "long ".repeat(5000)],
        fill("RPUSH", 3, &text),
        fill("RPUSH", 3000, &text),
        fill("SADD", 20, &|at| vec![at.to_string()]),
        fill("SADD", 20, &text),
        fill("SADD", 3000, &text),
        fill("HSET", 3, &pair),
        fill("HSET", 3000, &pair),
        fill("ZADD", 3, &scored),
        fill("ZADD", 3000, &scored),
    ]
}

fn call(client: &mut Client, words: &[&[u8]]) -> Response {
    client.call(words).unwrap()
}

fn make(client: &mut Client, commands: &[Vec<String>]) {
    for command in commands {
        let words: Vec<&[u8]> = command.iter().map(String::as_bytes).collect();
        call(client, &words);
    }
}

fn dump(client: &mut Client, key: &[u8]) -> Vec<u8> {
    match call(client, &[b"DUMP", key]) {
        Response::Bulk(payload) => payload,
        other => panic!("DUMP answers {other:?}"),
    }
}

/// Gives a payload the checksum that its bytes have now.
fn seal(payload: &mut [u8]) {
    let at = payload.len() - 8;
    let checksum = crc64(&payload[..at]).to_le_bytes();
    payload[at..].copy_from_slice(&checksum);
}

#[test]
fn what_is_dumped_is_restored() {
    let server = Server::start();
    let mut client = server.connect();
    for value in values() {
        call(&mut client, &[b"FLUSHALL"]);
        make(&mut client, &value);
        let payload = dump(&mut client, b"k");
        let digest = |client: &mut Client| call(client, &[b"DEBUG", b"DIGEST-VALUE", b"k"]);
        let encoding = |client: &mut Client| call(client, &[b"OBJECT", b"ENCODING", b"k"]);
        let before = (digest(&mut client), encoding(&mut client));
        call(&mut client, &[b"DEL", b"k"]);
        let restored = call(&mut client, &[b"RESTORE", b"k", b"0", &payload]);
        assert_eq!(restored, Response::Simple("OK".into()), "{:?}", value[0]);
        assert_eq!((digest(&mut client), encoding(&mut client)), before, "{:?}", value[0]);
    }
}

#[test]
fn tampered_payloads_are_refused_or_are_values() {
    let server = Server::start();
    let mut client = server.connect();
    let mut random = 20_261_121_u64;
    let mut next = |bound: usize| {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap() % bound
    };
    for value in values() {
        call(&mut client, &[b"FLUSHALL"]);
        make(&mut client, &value);
        let payload = dump(&mut client, b"k");
        for change in 0..CHANGES {
            let mut tampered = payload.clone();
            // Most of what can go wrong is said in the first bytes.
            let bound = if change % 2 == 0 { 24 } else { tampered.len() };
            let at = next(bound.min(tampered.len() - SEAL_BYTES));
            tampered[at] = u8::try_from(next(256)).unwrap();
            seal(&mut tampered);
            match call(&mut client, &[b"RESTORE", b"t", b"0", &tampered, b"REPLACE"]) {
                Response::Error(_) => {}
                // It is a value, if another one: reading all of it must work.
                Response::Simple(_) => drop(dump(&mut client, b"t")),
                other => panic!("RESTORE answers {other:?}"),
            }
        }
    }
    assert_eq!(call(&mut client, &[b"PING"]), Response::Simple("PONG".into()));
}

/// A payload of RESTORE that grows to so many bytes: one literal run, then repeats of it.
pub(crate) fn compressed(length: usize) -> Vec<u8> {
    const UNIT: usize = 264;
    let mut packed = Vec::new();
    for run in [32, 32, 32, 32, 32, 32, 32, 32, 8] {
        packed.push(run - 1);
        packed.resize(packed.len() + usize::from(run), b'x');
    }
    for _ in 1..length / UNIT {
        packed.extend_from_slice(&[0xe1, 255, 7]);
    }
    let mut payload = vec![0, 0xc3];
    for length in [packed.len(), length / UNIT * UNIT] {
        payload.push(0x80);
        payload.extend_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
    }
    payload.extend_from_slice(&packed);
    payload.extend_from_slice(&10_u16.to_le_bytes());
    let seal = crc64(&payload);
    payload.extend_from_slice(&seal.to_le_bytes());
    payload
}

#[test]
fn what_unpacks_to_more_than_the_log_takes_is_refused() {
    let server = Server::start();
    let mut client = server.connect();
    let mut restore = |length: usize| client.call(&[b"RESTORE", b"k", b"0", &compressed(length)]);
    let Ok(Response::Error(text)) = restore(800 << 20) else { panic!("it is refused") };
    assert!(text.contains("more than 768 MiB"), "{text}");
    assert_eq!(restore(1 << 20).unwrap(), Response::Simple("OK".to_owned()));
    assert_eq!(client.call(&[b"STRLEN", b"k"]).unwrap(), Response::Integer((1 << 20) / 264 * 264));
}
