//! What once broke Redis or its relatives, tried here: one test for each class of flaw, named by the CVEs or issues.
//!
//! Each ends by asking whether the node still serves; the rig fails the test when the executor panicked.

use testkit::client::Client;
use wire::rdb::crc64;
use wire::resp::response::Response;

use crate::server::Server;

const EXTREMES: &[&str] = &[
    "0",
    "1",
    "-1",
    "2147483647",
    "2147483648",
    "-2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775806",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "1e400",
    "nan",
    "-inf",
    "",
];

/// Strings stay below 1 MiB here, so that no test needs gigabytes.
fn start() -> Server {
    Server::start_with(&[("proto-max-bulk-len", "1048576"), ("enable-debug-command", "local")])
}

fn say(client: &mut Client, line: &str) -> Response {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    client.call(&words).unwrap()
}

fn assert_serves(client: &mut Client) {
    assert_eq!(say(client, "PING"), Response::Simple("PONG".into()));
}

/// `{}` in each line becomes each of the extremes; every other one too, if there are two.
fn say_with_extremes(client: &mut Client, lines: &[&str]) {
    for line in lines {
        for (at, extreme) in EXTREMES.iter().enumerate() {
            let other = EXTREMES[EXTREMES.len() - 1 - at];
            let mut words: Vec<&[u8]> = Vec::new();
            let mut fill = [*extreme, other, extreme].into_iter();
            for word in line.split(' ') {
                words.push(if word == "{}" { fill.next().unwrap() } else { word }.as_bytes());
            }
            client.call(&words).unwrap();
        }
    }
    assert_serves(client);
}

/// Class B: the payload of RESTORE, sealed as it should be.
fn restore(client: &mut Client, value: &[u8]) -> Response {
    let mut payload = [value, &11_u16.to_le_bytes()].concat();
    payload.extend_from_slice(&crc64(&payload).to_le_bytes());
    client.call(&[b"RESTORE", b"restored", b"0", &payload, b"REPLACE"]).unwrap()
}

/// CVE-2021-32627, CVE-2021-32628, CVE-2021-32687, CVE-2026-25243: lengths inside packed values that point out of them.
#[test]
fn packed_values_with_wrong_lengths() {
    let server = start();
    let mut client = server.connect();
    let listpack = |items: &[u8], bytes: u32, count: u16| {
        let mut pack = bytes.to_le_bytes().to_vec();
        pack.extend_from_slice(&count.to_le_bytes());
        pack.extend_from_slice(items);
        pack
    };
    let whole = |kind: u8, pack: &[u8]| [&[kind, u8::try_from(pack.len()).unwrap()], pack].concat();
    // A string of 2^32 - 1 bytes, one whose back length lies, and headers that lie.
    let strings: [&[u8]; 4] = [
        &[0xf0, 0xff, 0xff, 0xff, 0xff, b'x', 5, 0xff],
        &[0x81, b'a', 0x7f, 0xff],
        &[0xe0, 0xff, 0xff, 0xff],
        &[0xf1, 1, 0xff],
    ];
    for items in strings {
        let length = u32::try_from(items.len() + 6).unwrap();
        for (bytes, count) in [(length, 1), (u32::MAX, 1), (length, u16::MAX), (0, 0)] {
            for kind in [16, 17, 20, 23] {
                let value = whole(kind, &listpack(items, bytes, count));
                assert!(matches!(restore(&mut client, &value), Response::Error(_)), "{value:?}");
            }
        }
    }
    // Intsets: 2^32 - 1 numbers, numbers of 3 bytes, and out of order.
    let intsets: [&[u8]; 3] = [
        &[8, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
        &[3, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3],
        &[2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 1, 0],
    ];
    for ints in intsets {
        assert!(matches!(restore(&mut client, &whole(11, ints)), Response::Error(_)), "{ints:?}");
    }
    // Counts and lengths of 2^63 and more, with nothing behind them.
    for kind in [1, 2, 3, 4, 5, 14, 18, 22, 24] {
        let mut value = vec![kind, 0x81];
        value.extend_from_slice(&[0xff; 8]);
        assert!(matches!(restore(&mut client, &value), Response::Error(_)), "{value:?}");
    }
    assert_serves(&mut client);
}

/// redis#15414, redis#15415: not a number as a score, an element twice; and no elements at all.
#[test]
fn values_that_no_key_can_hold() {
    let server = start();
    let mut client = server.connect();
    let nan = [&[5, 1, 1, b'm'], f64::NAN.to_le_bytes().as_slice()].concat();
    let values: [&[u8]; 8] = [
        &nan,
        &[3, 1, 1, b'm', 253],
        &[2, 2, 1, b'm', 1, b'm'],
        &[4, 2, 1, b'f', 1, b'v', 1, b'f', 1, b'w'],
        &[2, 0],
        &[4, 0],
        &[5, 0],
        // A field's deadline beyond 2^48.
        &[22, 1, 0x81, 0, 2, 0, 0, 0, 0, 0, 0, 1, b'f', 1, b'v'],
    ];
    for value in values {
        assert!(matches!(restore(&mut client, value), Response::Error(_)), "{value:?}");
        assert_eq!(say(&mut client, "EXISTS restored"), Response::Integer(0));
    }
    // A string of 9 bytes that claims to be gigabytes when unpacked.
    let bomb = [&[0, 0xc3, 9, 0x80, 0x7f, 0xff, 0xff, 0xff], [0x20; 9].as_slice()].concat();
    assert!(matches!(restore(&mut client, &bomb), Response::Error(_)));
    assert_serves(&mut client);
}

/// CVE-2021-21309, CVE-2021-32761 (bits), CVE-2021-41099, CVE-2022-35977 (SETRANGE, SORT), CVE-2022-36021,
/// CVE-2023-22458, CVE-2023-25155 (random picks), CVE-2021-32625 (LCS): numbers at the edges.
#[test]
fn numbers_at_the_edges() {
    let server = start();
    let mut client = server.connect();
    for line in [
        "SET s hello",
        "RPUSH l a b c",
        "HSET h f 1 g 2",
        "SADD t a b",
        "ZADD z 1 a 2 b",
        "SET n 1",
    ] {
        say(&mut client, line);
    }
    say_with_extremes(
        &mut client,
        &[
            "SETRANGE s {} x",
            "GETRANGE s {} {}",
            "SETBIT s {} 1",
            "SETBIT s 1 {}",
            "GETBIT s {}",
            "BITCOUNT s {} {}",
            "BITCOUNT s {} {} BIT",
            "BITPOS s 1 {} {} BIT",
            "BITFIELD s SET u8 {} {}",
            "BITFIELD s INCRBY i64 {} {}",
            "BITFIELD s OVERFLOW SAT INCRBY i64 0 {}",
            "LCS s n MINMATCHLEN {} IDX",
            "INCRBY n {}",
            "DECRBY n {}",
            "INCRBYFLOAT n {}",
            "HINCRBY h f {}",
            "HINCRBYFLOAT h g {}",
            "EXPIRE s {}",
            "PEXPIREAT n {}",
            "HPEXPIRE h {} FIELDS 1 f",
            "LRANGE l {} {}",
            "LTRIM l {} {}",
            "LPOS l a RANK {} COUNT {} MAXLEN {}",
            "LREM l {} nosuch",
            "LINDEX l {}",
            "LPOP nosuch {}",
            "SRANDMEMBER nosuch {}",
            "SPOP nosuch {}",
            "SINTERCARD {} t t",
            "ZADD z {} m",
            "ZRANGE z {} {} BYSCORE LIMIT {} 1",
            "ZRANGE z {} {} REV",
            "ZREMRANGEBYRANK nosuch {} {}",
            "ZUNION 2 z z WEIGHTS {} {} WITHSCORES",
            "SORT l ALPHA LIMIT {} {}",
            "SCAN {} COUNT {}",
            "GEOADD g {} {} m",
            "GEOSEARCH z FROMLONLAT 1 1 BYRADIUS {} km COUNT {}",
            "GEOSEARCH z FROMMEMBER a BYBOX {} {} m",
            "RESTORE s {} x",
            "SET s v PX {}",
            "COPY s c DB {}",
            "MOVE s {}",
        ],
    );
}

/// CVE-2023-22458, CVE-2023-25155: the most negative count, which has no counterpart.
#[test]
fn random_picks_without_bound() {
    let server = start();
    let mut client = server.connect();
    for line in ["HSET h f 1", "SADD t a", "ZADD z 1 a"] {
        say(&mut client, line);
    }
    for (line, behind) in
        [("HRANDFIELD h", " WITHVALUES"), ("SRANDMEMBER t", ""), ("ZRANDMEMBER z", " WITHSCORES")]
    {
        for count in ["-9223372036854775808", "-9223372036854775807", "-4611686018427387905"] {
            let said = say(&mut client, &format!("{line} {count}{behind}"));
            assert!(matches!(said, Response::Error(_)), "{line} {count}");
        }
    }
    assert_serves(&mut client);
}

/// CVE-2023-28856: HINCRBYFLOAT stored what could not be read again.
#[test]
fn sums_of_floats_can_be_read_again() {
    let server = start();
    let mut client = server.connect();
    for increment in ["1e308", "1e308", "1.7976931348623157e308", "-inf", "inf", "nan", "1e-4950"] {
        say(&mut client, &format!("HINCRBYFLOAT h f {increment}"));
        let again = say(&mut client, "HINCRBYFLOAT h f 0");
        assert!(matches!(again, Response::Bulk(_)), "after {increment}: {again:?}");
    }
    assert_serves(&mut client);
}

/// CVE-2025-32023 and redis#14513: sparse runs that add up to more than there are registers.
#[test]
fn sketches_with_too_many_registers() {
    let server = start();
    let mut client = server.connect();
    let header = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80";
    let runs: [&[u8]; 5] = [
        &vec![0x7f; 60_000],
        &[[0x7f, 0xff].as_slice(), &[0xff; 40]].concat(),
        &[[0x7f, 0xfe].as_slice(), &[0xff; 9]].concat(),
        &vec![0xff; 50_000],
        &[0x7f],
    ];
    for runs in runs {
        let sketch = [header, runs].concat();
        for command in [
            ["PFADD", "k", "x"].as_slice(),
            &["PFCOUNT", "k"],
            &["PFCOUNT", "k", "k"],
            &["PFMERGE", "d", "k"],
            &["PFDEBUG", "GETREG", "k"],
            &["PFDEBUG", "TODENSE", "k"],
        ] {
            client.call(&[b"SET", b"k", &sketch]).unwrap();
            let words: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).collect();
            client.call(&words).unwrap();
        }
    }
    assert_serves(&mut client);
}

/// CVE-2022-36021, CVE-2024-31228: patterns that take time exponential in their stars. It is not measured: with the flaw the
/// test would not end.
#[test]
fn patterns_full_of_stars() {
    let server = start();
    let mut client = server.connect();
    let text = "a".repeat(2000);
    say(&mut client, &format!("SET {text} x"));
    let pattern = "a*".repeat(900) + "b";
    assert_eq!(say(&mut client, &format!("KEYS {pattern}")), Response::Array(vec![]));
    say(&mut client, &format!("SCAN 0 MATCH {pattern}"));
    say(&mut client, &format!("CONFIG GET {pattern}"));
    say(&mut client, &format!("PSUBSCRIBE {pattern}"));
    let mut other = server.connect();
    say(&mut other, &format!("PUBLISH {text} x"));
    assert_serves(&mut other);
}

/// CVE-2025-67733: a client's words inside an error must not end its line.
#[test]
fn errors_are_one_line() {
    let server = start();
    let mut client = server.connect();
    let evil = b"x\r\n+OK\r\n$3\r\nabc\r\n".as_slice();
    let requests: [&[&[u8]]; 6] = [
        &[evil],
        &[b"CLIENT", evil],
        &[b"CONFIG", b"SET", evil, evil],
        &[b"PFDEBUG", evil, b"k"],
        &[b"OBJECT", evil, b"k"],
        &[b"GEOADD", b"k", evil, b"1", b"m"],
    ];
    client.call(&[b"PFADD", b"k"]).unwrap();
    for request in requests {
        assert!(matches!(client.call(request).unwrap(), Response::Error(_)));
        assert_serves(&mut client);
    }
}

/// CVE-2023-36824: counts of keys that are larger than the command line.
#[test]
fn counts_of_keys_that_are_not_there() {
    let server = start();
    let mut client = server.connect();
    say_with_extremes(
        &mut client,
        &[
            "COMMAND GETKEYS ZUNION {} a b",
            "COMMAND GETKEYSANDFLAGS ZUNIONSTORE d {} a",
            "COMMAND GETKEYS LMPOP {} a LEFT",
            "COMMAND GETKEYS EVAL x {} a",
            "ZINTERCARD {} a b",
            "LMPOP {} a LEFT COUNT {}",
            "ZMPOP {} a MIN",
            "BLMPOP 0.001 {} a LEFT",
        ],
    );
}
