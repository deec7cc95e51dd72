//! table: the values of which commands are made: what values, members, numbers and ranges tend to go wrong with.

use super::lua;
use super::script::CLIENTS;
use crate::random::Random;

/// Appends a value of a kind; `nkeys`, `nsets` and `nzsets` ... append a count and as many keys.
pub(super) fn value(kind: &str, random: &mut Random, args: &mut Vec<Vec<u8>>) {
    if let Some(kind) = keys_of(kind) {
        let count = random.between(1, 3);
        if random.chance(5) {
            let wrong: &&str = random.pick(&["0", "-1", "x", "9223372036854775807"]);
            args.push(wrong.as_bytes().to_vec());
            return args.push(key(kind, random));
        }
        args.push(count.to_string().into_bytes());
        return args.extend((0..count).map(|_| key(kind, random)));
    }
    let text = |text: &&str| text.as_bytes().to_vec();
    args.push(match kind {
        "key" | "string" | "list" | "hash" | "set" | "zset" | "sketch" | "geo" | "stream" => {
            key(kind, random)
        }
        "value" if random.chance(15) => number(random, 100_000),
        "value" => random.pick(VALUES).to_vec(),
        "member" | "field" if random.chance(30) => [b"m".to_vec(), number(random, 300)].concat(),
        "member" | "field" => random.pick(MEMBERS).to_vec(),
        "channel" => random.pick(CHANNELS).to_vec(),
        "command" => text(random.pick(COMMANDS)),
        "clientid" => client_id(random.between(0, CLIENTS)),
        "user" => text(random.pick(&["u1", "u2", "u3", "x", "a b"])),
        "aclrule" => text(random.pick(ACL_RULES)),
        "int" => text(random.pick(INTS)),
        "index" => text(random.pick(INDEXES)),
        "count" => text(random.pick(COUNTS)),
        "float" => text(random.pick(FLOATS)),
        "longitude" if random.chance(90) => degrees(random, 180),
        "latitude" if random.chance(90) => degrees(random, 85),
        "longitude" | "latitude" => text(random.pick(DEGREES)),
        "distance" if random.chance(80) => number(random, 10_000),
        "distance" => text(random.pick(&["0", "-1", "0.5", "1e9", "25000", "inf", "nan", "x", ""])),
        "unit" => text(random.pick(&["m", "km", "km", "km", "KM", "ft", "mi", "mi", "x", ""])),
        "bitoffset" if random.chance(50) => number(random, 3000),
        "bitoffset" => text(random.pick(BIT_OFFSETS)),
        "bittype" => text(random.pick(BIT_TYPES)),
        "score" => text(random.pick(SCORES)),
        "bound" => text(random.pick(BOUNDS)),
        "lex" => text(random.pick(LEXES)),
        // So far away that nothing expires meanwhile, and no two are so near that the order of two deadlines would
        // depend on when their commands came.
        "seconds" if random.chance(70) => number(random, 1_000_000_000),
        "seconds" => text(random.pick(&["0", "-1", "x", "9223372036854775807", "1.5", ""])),
        "ms" if random.chance(70) => number(random, 1_000_000_000_000),
        "ms" => {
            text(random.pick(&["0", "-1", "1.5", "9223372036854775807", "-9223372036854775808"]))
        }
        "at" => text(random.pick(&[
            "4000000000",
            "4100000000",
            "1",
            "0",
            "-5",
            "x",
            "9223372036854775",
        ])),
        "atms" => text(random.pick(&["4000000000000", "4100000000000", "1", "0", "-5", "x"])),
        "timeout" if random.chance(70) => b"0".to_vec(),
        "timeout" => text(random.pick(&["0.001", "0.002", "-1", "x", "inf", "1e20", "nan", ""])),
        "db" => text(random.pick(&["0", "1", "2", "15", "16", "-1", "x"])),
        "pattern" => text(random.pick(&["*", "k*", "?", "[a-l]*", "z", "k[1-3]", "\\*", ""])),
        "cursor" if random.chance(90) => b"0".to_vec(),
        "cursor" => text(random.pick(&["x", "18446744073709551616", "", " 0"])),
        other => stream_value(other, random)
            .or_else(|| script_value(other, random))
            .unwrap_or_else(|| panic!("unknown kind {other}")),
    });
}

/// IDs, groups and times of streams.
fn stream_value(kind: &str, random: &mut Random) -> Option<Vec<u8>> {
    let text = |text: &&str| text.as_bytes().to_vec();
    Some(match kind {
        "newid" if random.chance(50) => number_pair(random, 2000),
        "newid" => {
            text(random.pick(&["7-*", "1000-*", "0-*", "0-0", "5", "x", "-", "+", "5-x", "-*", ""]))
        }
        "id" if random.chance(60) => [b"1000-", &*number(random, 12)].concat(),
        "id" if random.chance(50) => number_pair(random, 2000),
        "id" => text(random.pick(STREAM_IDS)),
        "idbound" if random.chance(50) => text(random.pick(&["-", "+"])),
        "idbound" if random.chance(50) => [b"(1000-", &*number(random, 12)].concat(),
        "idbound" => text(random.pick(STREAM_IDS)),
        "group" => text(random.pick(&["g", "g", "g", "g", "group", ""])),
        "consumer" => text(random.pick(&["alice", "bob", "\u{7f}", ""])),
        // Nothing was delivered so long ago, unless a claim says so.
        "idlems" => text(random.pick(&["0", "0", "0", "3600000", "-1", "x"])),
        "blockms" if random.chance(60) => b"0".to_vec(),
        "blockms" => text(random.pick(&["1", "2", "-1", "x", "1.5"])),
        _ => return None,
    })
}

/// Code, and what only the server itself could make.
fn script_value(kind: &str, random: &mut Random) -> Option<Vec<u8>> {
    let text = |text: &&str| text.as_bytes().to_vec();
    Some(match kind {
        "script" => lua::script(random),
        "library" => lua::library(random),
        // Of what is "known" to both.
        "sha" => text(random.pick(&[
            "e0e1f9fabfc9d4800c877a703b823ac0578ff8db",
            "E0E1F9FABFC9D4800C877A703B823AC0578FF8DB",
            "ffffffffffffffffffffffffffffffffffffffff",
            "x",
        ])),
        "known" => b"return 1".to_vec(),
        "payload" => random.pick(PAYLOADS).to_vec(),
        "functions" => FUNCTIONS.to_vec(),
        _ => return None,
    })
}

/// The kind of the keys that a counted kind appends.
fn keys_of(kind: &str) -> Option<&'static str> {
    match kind {
        "nkeys" => Some("key"),
        "nlists" => Some("list"),
        "nsets" => Some("set"),
        "nzsets" => Some("zset"),
        _ => None,
    }
}

/// A key; of a type, mostly one under which that type is likely to be found, so that values grow.
fn key(kind: &str, random: &mut Random) -> Vec<u8> {
    let initial = match kind {
        "string" => b'k',
        "list" => b'l',
        "hash" => b'h',
        "set" => b's',
        "zset" => b'z',
        "sketch" => b'p',
        "geo" => b'g',
        "stream" => b'x',
        _ => return random.pick(KEYS).to_vec(),
    };
    if random.chance(20) {
        return random.pick(KEYS).to_vec();
    }
    let typed: Vec<&[u8]> = KEYS.iter().copied().filter(|key| key[0] == initial).collect();
    random.pick(&typed).to_vec()
}

/// Digits of a number below `bound`; of large ones none is small.
fn number(random: &mut Random, bound: usize) -> Vec<u8> {
    let least = if bound > 1_000_000 { bound / 1000 } else { 0 };
    random.between(least, bound - 1).to_string().into_bytes()
}

/// Degrees between `-bound` and `bound`, so many different ones that hardly two distances are equal.
fn degrees(random: &mut Random, bound: usize) -> Vec<u8> {
    let sign = if random.chance(50) { "-" } else { "" };
    let (whole, fraction) = (random.between(0, bound - 1), random.between(100_000, 999_999));
    format!("{sign}{whole}.{fraction}").into_bytes()
}

fn number_pair(random: &mut Random, bound: usize) -> Vec<u8> {
    [&*number(random, bound), b"-", &*number(random, 3)].concat()
}

/// Stands for the id that a server gave to a client of the run.
const CLIENT_ID: &[u8] = b"{client}";

fn client_id(client: usize) -> Vec<u8> {
    [CLIENT_ID, client.to_string().as_bytes()].concat()
}

/// The client for whose id `arg` stands.
pub(super) fn client_of(arg: &[u8]) -> Option<usize> {
    let digits = arg.strip_prefix(CLIENT_ID)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

pub(super) const KEYS: &[&[u8]] = &[
    b"k1", b"k2", b"k3", b"l1", b"l2", b"h1", b"h2", b"s1", b"s2", b"z1", b"z2", b"p1", b"p2",
    b"g1", b"g2", b"x1", b"x2", b"{t}a", b"{t}b",
];

const CHANNELS: &[&[u8]] = &[b"c1", b"c2", b"c3", b"{t}c", b""];

const COMMANDS: &[&str] = &["get", "SET", "lpush", "zunion", "config|get", "object|encoding", "x"];

/// None of them takes a client away that has logged in: the others could not go on.
const ACL_RULES: &[&str] = &[
    "on",
    "off",
    "nopass",
    "resetpass",
    "reset",
    ">a",
    ">b",
    "<a",
    "#2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "!2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "#12",
    "allkeys",
    "resetkeys",
    "~*",
    "~k*",
    "~{t}*",
    "%R~l*",
    "%W~l*",
    "%RW~z*",
    "%x~z",
    "allchannels",
    "resetchannels",
    "&*",
    "&c1",
    "&c*",
    "+@all",
    "-@all",
    "+@read",
    "-@string",
    "+@HASH",
    "+get",
    "-GET",
    "+config",
    "-config",
    "+config|get",
    "-config|get",
    "+config|get|x",
    "+select|0",
    "-select|0",
    "+debug|object",
    "+debug|",
    "+nope",
    "+@nope",
    "clearselectors",
    "sanitize-payload",
    "skip-sanitize-payload",
    "(+get ~k*)",
    "(+@all %R~k* &c*)",
    "(&* &c1)",
    "()",
    "(",
    ")",
    "x",
    "",
    "~a b",
];

const VALUES: &[&[u8]] = &[
    b"",
    b"a",
    b"b",
    b"hello",
    b"10",
    b"-3",
    b"3.5",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"007",
    b" 1",
    b"1e3",
    b"\x00\x01\xff\r\n",
    b"the quick brown fox jumps over the lazy dog and runs away",
    b"12345678901234567890",
    b"a value of more than sixty-four bytes, so that compact encodings are left behind for good",
];

/// What DUMP of Redis 7.0 says of values of each type.
const PAYLOADS: &[&[u8]] = &[
    b"\x00\x04text\x0a\x00|\xf3&m\xca\xb5\xa51",
    b"\x00\xc190\x0a\x00\x9d\x94\xea'\x93\xfc\x08\xb9",
    b"\x12\x01\x02\x0f\x0f\x00\x00\x00\x03\x00\x81x\x02\x07\x01\x81y\x02\xff\x0a\x00\xa2N\x0d\x99\xb7=~\xf6",
    b"\x10\x12\x12\x00\x00\x00\x04\x00\x81f\x02\x01\x01\x81g\x02\x81v\x02\xff\x0a\x00-p\xa0\xe7m\xcc\xa7g",
    b"\x0b\x0e\x02\x00\x00\x00\x03\x00\x00\x00\x01\x00\x02\x00,\x01\x0a\x00\xe5\x10\xb2\x8e{\x95)\xaa",
    b"\x02\x02\x01n\x01m\x0a\x002\xbc\xf8A\xdb0\x8d\xef",
    b"\x11\x14\x14\x00\x00\x00\x04\x00\x81m\x02\x01\x01\x81n\x02\x832.5\x04\xff\x0a\x00\x10\xcd:\xb0\xf3|YW",
    b"\x13\x01\x10\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01))\x00\x00\x00\x0f\x00\x02\x01\x00\x01\x01\x01\x81f\x02\x00\x01\x02\x01\x00\x01\x00\x01\x81v\x02\x04\x01\x02\x01\x01\x01\xdf\xff\x02\x81w\x02\x04\x01\xff\x02\x02\x00\x01\x01\x00\x00\x02\x01\x01g\x01\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x15\xc0\xe4\x00\xa2\x01\x00\x00\x01\x01\x05alice\x15\xc0\xe4\x00\xa2\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x0a\x00l\x92\x05h\xb6\xf4Q1",
];

/// What FUNCTION DUMP says of a library `other` with a function `h`.
const FUNCTIONS: &[u8] = b"\xf5\xc3@Q@V\x1f#!lua name=other\x0aredis.register_\x0dfunction('h', \xe0\x00\x0d\x11KEYS, ARGV) return`\x0c\x07[1] end)\x0a\x00\x9c\xbd(\x13U\xf0d\xe1";

const MEMBERS: &[&[u8]] = &[
    b"a",
    b"b",
    b"c",
    b"d",
    b"e",
    b"f",
    b"1",
    b"2",
    b"3",
    b"100000",
    b"-7",
    b"3.0",
    b"",
    b"\xfe\x00",
    b"a member of more than sixty-four bytes, so that compact encodings are left behind for good",
];

const INTS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "3",
    "10",
    "100",
    "-100",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1.0",
    "x",
    "",
    "+1",
    "01",
];
const INDEXES: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "-2",
    "5",
    "-5",
    "100",
    "-100",
    "x",
    "9223372036854775807",
    "-9223372036854775808",
];
const COUNTS: &[&str] = &[
    "0",
    "1",
    "1",
    "2",
    "2",
    "3",
    "10",
    "-1",
    "-2",
    "x",
    "",
    "1.5",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
];
const FLOATS: &[&str] = &[
    "0",
    "1",
    "-1",
    "0.5",
    "1.5",
    "3.14159",
    "1e5",
    "-2.25",
    "inf",
    "-inf",
    "nan",
    "x",
    "",
    "1e400",
    " 1",
    "0.1",
    "-0",
    "1e-5",
    "0x10",
    "1e17",
    "3.0",
    "123456789.123456789",
    ".5",
    "5.",
];
const DEGREES: &[&str] = &[
    "0",
    "180",
    "-180",
    "85.05112878",
    "-85.05112878",
    "85.06",
    "181",
    "-0",
    "1e-5",
    "x",
    "",
    "inf",
    "nan",
];
const BIT_OFFSETS: &[&str] = &[
    "0",
    "1",
    "7",
    "8",
    "63",
    "#0",
    "#1",
    "#7",
    "#-1",
    "-1",
    "4294967296",
    "9223372036854775807",
    "#",
    "x",
    "",
];
const BIT_TYPES: &[&str] = &[
    "u8", "i8", "u8", "i8", "u1", "i1", "i5", "u13", "u63", "i64", "i63", "u64", "i65", "u0", "x",
    "", "U8",
];
const SCORES: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "-1",
    "1.5",
    "2.25",
    "inf",
    "-inf",
    "+inf",
    "1e3",
    "nan",
    "x",
    "0.1",
    "-0",
    "1e22",
    "123456789012345678",
    "1e-7",
    "3.14159265358979",
];
const BOUNDS: &[&str] = &[
    "0", "1", "2", "3", "(1", "(2", "-inf", "+inf", "inf", "(-inf", "1.5", "1e22", "x", "(", "",
    "nan", "(nan", "1e400",
];
const STREAM_IDS: &[&str] = &[
    "0",
    "0-0",
    "0-1",
    "7",
    "1000",
    "1000-1",
    "999-5",
    "-",
    "(-",
    "x",
    "",
    "(",
    "(0-0",
    " 7-1",
    "07-1",
    "7-*",
    "18446744073709551615-18446744073709551615",
    "(18446744073709551615-18446744073709551615",
    "18446744073709551616",
];
const LEXES: &[&str] =
    &["-", "+", "[a", "(a", "[c", "(c", "[e", "[", "(", "x", "[zz", "", "[1", "(m1"];

/// Makes one thing wrong: too few, too many, another type, another case.
pub(super) fn spoil(args: &mut Vec<Vec<u8>>, random: &mut Random) {
    let at = random.between(1, args.len());
    match random.between(0, 5) {
        0 if args.len() > 1 => {
            args.truncate(at);
        }
        1 if at < args.len() => {
            args.remove(at);
        }
        2 => args.insert(at, random.pick(VALUES).to_vec()),
        3 if at < args.len() => args[at] = random.pick(INTS).as_bytes().to_vec(),
        4 if at < args.len() => args[at] = random.pick(VALUES).to_vec(),
        _ => {
            for arg in args.iter_mut() {
                // Keys are lower case on purpose: only words of the command's syntax change.
                if arg.iter().all(u8::is_ascii_uppercase) {
                    arg.make_ascii_lowercase();
                }
            }
        }
    }
}
