//! One test or more for each class of vulnerability that Redis and its kin had, by the letters of the list that we keep:
//!
//! | class | here | elsewhere |
//! |---|---|---|
//! | A scripts | what a script leaves, whom it can shut out | `lua`: `abuse`; [`crate::script`] |
//! | B serialized payloads | values that no server writes | [`crate::dump`], [`crate::hostile_bytes`] |
//! | C huge numbers | every command with every extreme | `hostile_bytes`: `commands` |
//! | D slow algorithms | patterns wherever there are some | `base::glob`, `lua`: `patterns_nest_only_so_deep` |
//! | E before a password | replies that a stranger does not read | [`crate::hostile`] |
//! | F memory of clients | what MULTI queues | [`crate::hostile`], [`crate::memory`] |
//! | G rules | no command reads or changes what its user may not | `kernel::access` |
//! | H confusion of the protocol | line ends in what is replied | [`crate::hostile`], `lua`: `cve_2025_67733` |
//! | I links | a master of Redis that says anything | [`crate::hostile_bytes`]: `record`, `effect`, `handshake` |
//! | J lifetimes | what a client is doing x what happens to it | [`crate::counted`] |
//!
//! K (tools), L (from the data to the host) and M (defaults) are about files and settings: [`crate::save`], `kernel::config`.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use catalog::CommandSpec;
use testkit::client::{Client, Response};
use testkit::random::Random;
use wire::rdb::crc64;
use wire::resp::response::encode_command;

use crate::hostile_bytes::mutate::Mutator;
use crate::hostile_bytes::rig;
use crate::save::with_node;
use crate::server::Server;

/// The reply to a line, raw.
fn hear(client: &mut Client, line: &str) -> String {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    String::from_utf8_lossy(&client.call_raw(&words).unwrap().1).into_owned()
}

/// Commands that read or change keys and do not wait.
fn commands_of_data() -> impl Iterator<Item = &'static CommandSpec> {
    let is_about_data = |spec: &&'static CommandSpec| {
        let words: Vec<&[u8]> = spec.name.split('|').map(str::as_bytes).collect();
        crate::hostile_bytes::is_about_data(&words)
    };
    catalog::COMMANDS.iter().filter(|spec| !spec.is_container()).filter(is_about_data)
}

fn eval(client: &mut Client, code: &str) -> String {
    let (_, raw) = client.call_raw(&[b"EVAL", code.as_bytes(), b"0"]).unwrap();
    String::from_utf8_lossy(&raw).into_owned()
}

mod scripts {
    use super::*;

    /// CVE-2025-46818: a script of one user must leave nothing that runs in the next one's.
    #[test]
    fn a_leaves_nothing_for_the_script_of_another_user() {
        let server = Server::start();
        let (mut bad, mut good) = (server.connect(), server.connect());
        hear(&mut bad, "ACL SETUSER bad on nopass +eval +ping");
        hear(&mut bad, "AUTH bad x");
        for trap in [
            "getmetatable('').__index = function() return redis.call('FLUSHALL') end",
            "getmetatable('').__add = function() return redis.call('FLUSHALL') end",
            "getmetatable(_G).__index = function() return redis.call('FLUSHALL') end",
            "string.upper = function() return redis.call('FLUSHALL') end",
            "redis.sha1hex = function() return redis.call('FLUSHALL') end",
            "rawset(string, 'upper', function() return redis.call('FLUSHALL') end)",
            "setmetatable(_G, {__index = function() return redis.call('FLUSHALL') end})",
            "debug.setmetatable(1, {__index = function() return redis.call('FLUSHALL') end})",
            "x = function() return redis.call('FLUSHALL') end",
            "setfenv(1, {}) y = 1 setfenv(0, {string = 1})",
            "KEYS.trap = 1 cjson.encode = nil",
        ] {
            eval(&mut bad, trap);
            hear(&mut good, "SET k v");
            let code = "local s = 'abc' local ok = pcall(function() return s + 1 end) \
                return {s:upper(), redis.sha1hex(''):sub(1, 4), tostring(ok), cjson.encode({1}), #KEYS}";
            let reply = eval(&mut good, code);
            assert_eq!(
                reply, "*5\r\n$3\r\nABC\r\n$4\r\nda39\r\n$5\r\nfalse\r\n$3\r\n[1]\r\n:0\r\n",
                "{trap}"
            );
            assert_eq!(hear(&mut good, "EXISTS k"), ":1\r\n", "{trap}");
        }
    }

    /// Script + FLUSH, + CLIENT KILL, + more scripts (CVE-2026-23631 and its kin): what happens meanwhile waits, and the kill of
    /// a script cannot be caught.
    #[test]
    fn a_stands_whatever_happens_while_it_runs() {
        let server = Server::start_with(&[("busy-reply-threshold", "1")]);
        // Who asks may be killed by what happens meanwhile, and asks again.
        let ask = |line: &str| {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            let answer = server.connect().call_raw(&words);
            answer.map_or_else(|_| String::new(), |(_, raw)| String::from_utf8(raw).unwrap())
        };
        for meanwhile in [
            "FLUSHALL",
            "SCRIPT FLUSH",
            "FUNCTION FLUSH",
            "CLIENT KILL TYPE normal SKIPME yes",
            "CONFIG SET lua-memory-limit 16mb",
            "ACL SETUSER default -eval",
            "MULTI",
            "EVAL return_1 0",
            "SUBSCRIBE c",
            "QUIT",
        ] {
            let code = "while true do pcall(function() while true do end end) end";
            let (mut runner, mut other) = (server.connect(), server.connect());
            let mut request = Vec::new();
            encode_command(&mut request, &[b"EVAL", code.as_bytes(), b"0"]);
            runner.send(&request).unwrap();
            while !ask("PING").starts_with("-BUSY") {}
            // It may be refused, answered later, or be cut off.
            let words: Vec<&[u8]> = meanwhile.split(' ').map(str::as_bytes).collect();
            request.clear();
            encode_command(&mut request, &words);
            other.send(&request).unwrap();
            while ask("SCRIPT KILL") != "+OK\r\n" {}
            while ask("ACL SETUSER default +@all") != "+OK\r\n" {}
            assert_eq!(eval(&mut server.connect(), "return 7"), ":7\r\n", "{meanwhile}");
        }
    }

    /// Memory: the bound is a parameter, and a script that reaches it fails alone.
    #[test]
    fn a_are_bounded_in_memory() {
        let server = Server::start_with(&[("lua-memory-limit", "32mb")]);
        let mut client = server.connect();
        let greedy = "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end";
        assert!(eval(&mut client, greedy).contains("not enough memory"));
        assert_eq!(eval(&mut client, "return #('x'):rep(2^20)"), ":1048576\r\n");
        assert!(eval(&mut client, "return #('x'):rep(2^26)").contains("not enough memory"));
        assert_eq!(hear(&mut client, "CONFIG SET lua-memory-limit 1gb"), "+OK\r\n");
        assert_eq!(eval(&mut client, "return #('x'):rep(2^26)"), ":67108864\r\n");
        let refused = hear(&mut client, "CONFIG SET lua-memory-limit 1mb");
        assert!(refused.contains("argument must be between"), "{refused}");
    }
}

mod payloads {
    use super::*;

    fn sealed(value: &[u8]) -> Vec<u8> {
        let mut payload = value.to_vec();
        payload.extend_from_slice(&10_u16.to_le_bytes());
        let sum = crc64(&payload);
        payload.extend_from_slice(&sum.to_le_bytes());
        payload
    }

    fn listpack(entries: &[&[u8]]) -> Vec<u8> {
        let body: Vec<u8> = entries.concat();
        let mut pack = u32::try_from(body.len() + 7).unwrap().to_le_bytes().to_vec();
        pack.extend_from_slice(&u16::try_from(entries.len()).unwrap().to_le_bytes());
        pack.extend_from_slice(&body);
        pack.push(0xff);
        pack
    }

    fn blob(kind: u8, bytes: &[u8]) -> Vec<u8> {
        assert!(bytes.len() < 64, "one byte tells the length");
        [&[kind, u8::try_from(bytes.len()).unwrap()], bytes].concat()
    }

    /// CVE-2021-32627, -32628, -32687, 2026-25243, redis#15414, #15415: what no server writes is refused, and nothing changes.
    #[test]
    fn b_that_no_server_writes_are_refused() {
        let a = [0x81, b'a', 2];
        let nan = f64::NAN.to_le_bytes();
        let huge = [0x81, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        let lzf_bomb = [&[0, 0xc3, 1][..], &[0x80, 0x7f, 0xff, 0xff, 0xff], b"\0"].concat();
        let refused: Vec<(&str, Vec<u8>)> = vec![
            ("no value at all", vec![]),
            ("an unknown type", vec![99, 1, b'a']),
            ("a module", vec![7, 1, 0]),
            ("a string longer than the payload", [&[0], &huge[..]].concat()),
            ("an LZF string that claims 2 GiB", lzf_bomb),
            ("a set of 2^63 members", [&[2], &huge[..]].concat()),
            ("a hash of 2^63 fields", [&[4], &huge[..]].concat()),
            ("a sorted set of 2^63 members", [&[5], &huge[..]].concat()),
            ("a quicklist of 2^63 nodes", [&[18], &huge[..]].concat()),
            ("a stream of 2^63 nodes", [&[21], &huge[..]].concat()),
            ("an empty set", vec![2, 0]),
            ("an empty list", vec![18, 0]),
            ("an empty hash", vec![4, 0]),
            ("an empty sorted set", vec![5, 0]),
            ("a member twice", vec![2, 2, 1, b'a', 1, b'a']),
            ("a field twice", vec![4, 2, 1, b'a', 1, b'1', 1, b'a', 1, b'2']),
            ("a score that is no number", [&[5, 1, 1, b'a'][..], &nan].concat()),
            (
                "a scored member twice",
                [&[5, 2, 1, b'a'][..], &[0; 8], &[1, b'a'], &[0; 8]].concat(),
            ),
            ("a field without value", blob(16, &listpack(&[&a]))),
            ("a field twice, packed", blob(16, &listpack(&[&a, &a, &a, &a]))),
            ("a member twice, packed", blob(20, &listpack(&[&a, &a]))),
            ("a score that is text, packed", blob(17, &listpack(&[&a, &a]))),
            ("integers out of order", blob(11, b"\x02\0\0\0\x02\0\0\0\x05\0\x01\0")),
            ("more integers than there are", blob(11, b"\x02\0\0\0\xff\xff\xff\xff\x05\0")),
            ("integers of three bytes", blob(11, b"\x03\0\0\0\x01\0\0\0\x05\0\0")),
            ("a listpack that is longer than it is", blob(16, b"\xff\0\0\0\x02\0\x81a\x02\xff")),
            (
                "an entry that reaches behind its listpack",
                blob(16, &listpack(&[&[0xbf, b'a', 2], &a])),
            ),
            (
                "an entry whose backward length is wrong",
                blob(16, &listpack(&[&[0x81, b'a', 9], &a])),
            ),
            ("a ziplist that is none", blob(13, b"\x0b\0\0\0\x0a\0\0\0\x01\0\xfe\xff\xff\xff\xff")),
            ("a zipmap that is none", blob(9, b"\x01\xfd\xff\xff\xff\x7f\xff")),
        ];
        let server = Server::start();
        let mut client = server.connect();
        hear(&mut client, "SET other value");
        hear(&mut client, "RPUSH k old");
        let digest = hear(&mut client, "DEBUG DIGEST");
        for (what, value) in refused {
            for words in [&[&b"RESTORE"[..], b"k", b"0"][..], &[b"RESTORE", b"fresh", b"0"]] {
                let payload = sealed(&value);
                let mut words = words.to_vec();
                words.extend([&payload[..], b"REPLACE"]);
                let (_, reply) = client.call_raw(&words).unwrap();
                let reply = String::from_utf8_lossy(&reply).into_owned();
                assert!(reply.starts_with("-ERR "), "{what}: {reply}");
            }
            assert_eq!(hear(&mut client, "DEBUG DIGEST"), digest, "{what}");
        }
    }

    /// A bad seal is refused before anything is decoded.
    #[test]
    fn b_with_a_broken_seal_are_refused() {
        let server = Server::start();
        let mut client = server.connect();
        let good = sealed(&[0, 1, b'a']);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            let (_, reply) = client.call_raw(&[b"RESTORE", b"k", b"0", &bad]).unwrap();
            assert_eq!(reply, b"-ERR DUMP payload version or checksum are wrong\r\n", "byte {at}");
        }
        assert_eq!(client.call_raw(&[b"RESTORE", b"k", b"0", &good]).unwrap().1, b"+OK\r\n");
    }
}

mod numbers {
    use super::*;

    const EXTREMES: &[&str] = &[
        "-9223372036854775808",
        "-9223372036854775807",
        "-2147483649",
        "-1",
        "0",
        "1",
        "2147483648",
        "4294967295",
        "9223372036854775806",
        "9223372036854775807",
        "18446744073709551615",
        "1e400",
        "-inf",
        "nan",
        "1e308",
        "",
    ];

    const VALUES: &[&[&str]] = &[
        &["SET", "k", "12"],
        &["RPUSH", "k", "1", "2", "3"],
        &["SADD", "k", "1", "2", "x"],
        &["ZADD", "k", "1", "1", "1.5e300", "x"],
        &["HSET", "k", "1", "1", "f", "x"],
        &["XADD", "k", "1-1", "1", "1"],
        &["GEOADD", "k", "1", "1", "x"],
        &["PFADD", "k", "1", "2"],
    ];

    /// CVE-2021-21309, -41099, -32625, -32761, 2022-35977, 2023-22458, -25155, 2025-32023: every command of data with every
    /// extreme at every place behind its keys is answered. What is allocated is bounded by `proto-max-bulk-len`.
    #[test]
    fn c_at_every_place_of_every_command() {
        let mut random = Random::new(7);
        rig::with(|rig| {
            // Repeated picks may be millions, which takes long to read.
            for spec in commands_of_data().filter(|spec| !spec.name.contains("rand")) {
                for round in 0..60 {
                    let value = VALUES[round % VALUES.len()];
                    let value: Vec<&[u8]> = value.iter().map(|word| word.as_bytes()).collect();
                    rig.call(&[b"DEL", b"k"]);
                    rig.call(&value);
                    let count = spec.arity.unsigned_abs() as usize + random.between(0, 4);
                    let mut words: Vec<&[u8]> = spec.name.split('|').map(str::as_bytes).collect();
                    words.push(b"k");
                    while words.len() < count {
                        words.push(random.pick(EXTREMES).as_bytes());
                    }
                    rig.call(&words);
                }
            }
            assert!(matches!(rig.call(&[b"PING"]), Response::Simple(_)));
        });
    }
}

mod patterns {
    use super::*;

    /// CVE-2022-36021, 2024-31228: a pattern costs what its length times that of the text is, not a power of it. One that did not
    /// would not come to an end here.
    #[test]
    fn d_cost_no_power_of_their_length() {
        let server = Server::start();
        let (mut client, mut subscriber) = (server.connect(), server.connect());
        let (stars, text) = ("a*".repeat(400) + "b", "a".repeat(4000));
        assert_eq!(hear(&mut client, &format!("SET {text} v")), "+OK\r\n");
        assert_eq!(hear(&mut client, &format!("KEYS {stars}")), "*0\r\n");
        assert!(hear(&mut client, &format!("SCAN 0 COUNT 1000 MATCH {stars}")).ends_with("*0\r\n"));
        assert_eq!(hear(&mut client, &format!("CONFIG GET {stars}")), "*0\r\n");
        hear(&mut subscriber, &format!("PSUBSCRIBE {stars}"));
        assert_eq!(hear(&mut client, &format!("PUBLISH {text} m")), ":0\r\n");
        assert_eq!(
            hear(&mut client, &format!("ACL SETUSER u on nopass +@all ~{stars} &{stars}")),
            "+OK\r\n"
        );
        assert!(hear(&mut client, &format!("ACL DRYRUN u GET {text}")).contains("no permissions"));
        assert_eq!(hear(&mut client, &format!("SADD set {text}")), ":1\r\n");
        assert!(hear(&mut client, &format!("SSCAN set 0 MATCH {stars}")).ends_with("*0\r\n"));
        assert_eq!(hear(&mut client, &format!("PUBSUB CHANNELS {stars}")), "*0\r\n");
    }

    /// CVE-2024-51741, 2024-31227: rules of every kind are read or refused.
    #[test]
    fn d_of_rules_nest_nowhere() {
        let server = Server::start();
        let mut client = server.connect();
        for rule in [
            "%",
            "%R",
            "%~",
            "%RW",
            "%RWRWRW~a",
            "(",
            ")",
            "(()",
            "(~a (~b))",
            "+",
            "-|",
            "+get|",
            "#0",
            ">",
        ] {
            let words = [&b"ACL"[..], b"SETUSER", b"u", rule.as_bytes()];
            client.call_raw(&words).unwrap();
        }
        let deep = format!("ACL SETUSER u {}", "(".repeat(10_000));
        assert!(hear(&mut client, &deep).starts_with("-ERR"));
        assert_eq!(hear(&mut client, "PING"), "+PONG\r\n");
    }
}

mod strangers {
    use super::*;

    /// CVE-2025-21605: errors that a stranger does not read must not fill the memory.
    #[test]
    fn e_who_do_not_read_are_stopped() {
        let server = Server::start_with(&[("requirepass", "secret")]);
        let mut owner = server.connect();
        hear(&mut owner, "AUTH secret");
        let mut stranger = std::net::TcpStream::connect(server.address()).unwrap();
        stranger.set_nonblocking(true).unwrap();
        let request = b"*1\r\n$4\r\nPING\r\n".repeat(1000);
        let (mut sent, mut blocked, mut is_over) = (0_u64, 0, false);
        // 400 MB of requests would be answered by 1 GB of errors.
        while sent < 400 << 20 && !is_over {
            match stranger.write(&request) {
                Ok(count) => (sent, blocked) = (sent + count as u64, 0),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    let list = hear(&mut owner, "CLIENT LIST");
                    let used = list.lines().find(|line| line.contains("cmd=NULL"));
                    let Some(line) = used else { continue };
                    let field = |name: &str| -> u64 {
                        let value =
                            line.split(' ').find_map(|word| word.strip_prefix(name)).unwrap();
                        value.parse().unwrap()
                    };
                    let held = field("tot-mem=");
                    assert!(
                        held < 8 << 20,
                        "a stranger holds {held} bytes after {sent} sent: {line}"
                    );
                    // It is read no more: what it sends waits at its own end.
                    blocked += 1;
                    is_over = blocked == 50;
                }
                Err(_) => is_over = true,
            }
        }
        assert!(is_over, "a stranger is answered without end");
        assert_eq!(hear(&mut owner, "PING"), "+PONG\r\n");
    }
}

mod clients {
    use super::*;

    /// What MULTI queues is bounded by `client-query-buffer-limit`.
    #[test]
    fn f_queue_no_more_than_they_may() {
        let server = Server::start_with(&[("client-query-buffer-limit", "1mb")]);
        let mut client = server.connect();
        assert_eq!(hear(&mut client, "MULTI"), "+OK\r\n");
        let line = format!("SET k {}", "v".repeat(10_000));
        let mut replies = (0..1000).map(|_| {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            client.call_raw(&words).map(|(_, raw)| raw)
        });
        let refused = replies.find(|reply| !reply.as_ref().is_ok_and(|raw| raw == b"+QUEUED\r\n"));
        assert!(refused.is_some(), "10 MB were queued");
        assert_eq!(hear(&mut server.connect(), "PING"), "+PONG\r\n");
    }
}

mod rules {
    use super::*;

    const SECRET: &[u8] = b"s3cr3t-value";

    const SECRETS: &[&str] = &[
        "SET secret:s s3cr3t-value",
        "RPUSH secret:l s3cr3t-value",
        "SADD secret:m s3cr3t-value",
        "ZADD secret:z 1 s3cr3t-value",
        "HSET secret:h s3cr3t-value s3cr3t-value",
        "XADD secret:x 1-1 f s3cr3t-value",
    ];

    const NAMES: &str =
        "own:s own:l own:m own:z secret:s secret:l secret:m secret:z secret:h secret:x";

    /// Options and arguments, so that commands are right now and then.
    const WORDS: &str = "STORE STOREDIST GET BY secret:* # COUNT WEIGHTS LIMIT LEFT RIGHT MIN MAX ASC REPLACE DB KEYS STREAMS GROUP g \
        c > 0 1 2 3 -1 f FROMMEMBER BYRADIUS km AND NOT IDX ALPHA nosort WITHSCORES NX ID $";

    /// CVE-2023-41053, redis#15478, #15538: whatever a command is made of, a user neither reads nor changes what its rules do not
    /// name. The one parser of keys is checked against what the commands do.
    #[test]
    fn g_hold_for_every_key_that_a_command_touches() {
        let server = Server::start();
        let (mut owner, mut user) = (server.connect(), server.connect());
        SECRETS.iter().for_each(|line| drop(hear(&mut owner, line)));
        hear(&mut owner, "XGROUP CREATE secret:x g 0");
        hear(
            &mut owner,
            "ACL SETUSER u on nopass ~own:* &* +@all -@admin -@dangerous -@blocking +sort +info",
        );
        assert_eq!(hear(&mut user, "AUTH u x"), "+OK\r\n");
        let digest = |owner: &mut Client| {
            ["s", "l", "m", "z", "h", "x"].map(|kind| hear(owner, &format!("DUMP secret:{kind}")))
        };
        let before = digest(&mut owner);
        let specs: Vec<&CommandSpec> = commands_of_data().collect();
        let [names, words] = [NAMES, WORDS].map(|list| list.split(' ').collect::<Vec<&str>>());
        let mut random = Random::new(11);
        let mut answered = 0;
        for round in 0..30_000 {
            let spec = *random.pick(&specs);
            let count = spec.arity.unsigned_abs() as usize + random.between(0, 6);
            let mut line: Vec<&str> = spec.name.split('|').collect();
            while line.len() < count {
                let pool: &[&str] = if random.chance(50) { &names } else { &words };
                line.push(*random.pick::<&str>(pool));
            }
            let line: Vec<&[u8]> = line.iter().map(|word| word.as_bytes()).collect();
            let (_, reply) = user.call_raw(&line).unwrap();
            answered += usize::from(!reply.starts_with(b"-"));
            let leaks = reply.windows(SECRET.len()).any(|part| part == SECRET);
            assert!(!leaks, "{line:?} shows {}", String::from_utf8_lossy(&reply));
            if round % 500 == 0 {
                assert_eq!(digest(&mut owner), before, "after {line:?}");
            }
        }
        assert_eq!(digest(&mut owner), before);
        assert!(answered > 100, "only {answered} commands were allowed and right");
    }

    /// What a user may do is asked again when it matters: after a change of its rules, in EXEC, in a script, when a wait ends.
    #[test]
    fn g_hold_from_the_moment_they_are_set() {
        let server = Server::start();
        let (mut owner, mut user) = (server.connect(), server.connect());
        hear(&mut owner, "ACL SETUSER u on nopass ~* &* +@all");
        hear(&mut user, "AUTH u x");
        hear(&mut user, "MULTI");
        hear(&mut user, "GET secret");
        hear(&mut owner, "SET secret s3cr3t");
        hear(&mut owner, "ACL SETUSER u resetkeys ~own:*");
        let reply = hear(&mut user, "EXEC");
        assert!(reply.contains("NOPERM") && !reply.contains("s3cr3t"), "{reply}");
        let reply = eval(&mut user, "return redis.pcall('GET', 'secret')");
        assert!(
            reply.contains("No permissions to access a key") && !reply.contains("s3cr3t"),
            "{reply}"
        );
    }
}

mod confusion {
    use super::*;

    /// CVE-2025-67733 and its kin: whatever stands in names and texts, a reply stays one reply.
    #[test]
    fn h_of_line_ends_stays_out_of_replies() {
        let server = Server::start();
        let mut client = server.connect();
        let evil: &[u8] = b"x\r\n+OK\r\n$3\r\nabc\r\n";
        let requests: Vec<Vec<&[u8]>> = vec![
            vec![evil],
            vec![b"GET", evil, evil],
            vec![b"CONFIG", evil],
            vec![b"CONFIG", b"SET", evil, evil],
            vec![b"OBJECT", evil, evil],
            vec![b"ACL", b"SETUSER", evil],
            vec![b"ACL", b"DRYRUN", evil, evil],
            vec![b"AUTH", evil, evil],
            vec![b"CLIENT", b"SETNAME", evil],
            vec![b"CLIENT", b"KILL", b"TYPE", evil],
            vec![b"HELLO", b"3", b"SETNAME", evil],
            vec![b"FCALL", evil, b"0"],
            vec![b"FUNCTION", b"LOAD", evil],
            vec![b"EVAL", evil, b"0"],
            vec![b"EVAL", b"return redis.error_reply(ARGV[1])", b"0", evil],
            vec![b"EVAL", b"return redis.status_reply(ARGV[1])", b"0", evil],
            vec![b"EVAL", b"return {err = ARGV[1]}", b"0", evil],
            vec![b"EVAL", b"return {ok = ARGV[1]}", b"0", evil],
            vec![b"EVAL", b"error(ARGV[1])", b"0", evil],
            vec![b"EVAL", b"error({err = ARGV[1]})", b"0", evil],
            vec![b"EVAL", b"return redis.call(ARGV[1])", b"0", evil],
            vec![b"XADD", b"k", evil, b"f", b"v"],
            vec![b"XREADGROUP", b"GROUP", evil, evil, b"STREAMS", b"k", b">"],
            vec![b"SET", b"k", b"v", evil],
            vec![b"SORT", b"k", b"BY", evil, evil],
            vec![b"DEBUG", evil],
            vec![b"REPLICAOF", evil, b"1"],
        ];
        for words in requests {
            for protocol in [&b"2"[..], b"3"] {
                client.call_raw(&[b"HELLO", protocol]).unwrap();
                let (_, reply) = client.call_raw(&words).unwrap();
                // If the reply were cut in two, the second half would be the answer to this.
                let (_, pong) = client.call_raw(&[b"ECHO", b"mark"]).unwrap();
                let shown = String::from_utf8_lossy(&reply).into_owned();
                assert_eq!(pong, b"$4\r\nmark\r\n", "{words:?}: {shown}");
            }
        }
    }
}

mod links {
    use super::*;

    /// What a redis-server says to a replica at a full synchronisation, with a bit of stream behind it.
    fn conversation() -> Vec<u8> {
        let mut image =
            b"REDIS0011\xfa\tredis-ver\x057.2.0\xfe\x00\xfb\x01\x00\x00\x01k\x01v\xff".to_vec();
        let sum = crc64(&image);
        image.extend_from_slice(&sum.to_le_bytes());
        let mut said = b"+PONG\r\n+OK\r\n+OK\r\n+OK\r\n+FULLRESYNC ".to_vec();
        said.extend_from_slice(&[b'a'; 40]);
        said.extend_from_slice(format!(" 1\r\n${}\r\n", image.len()).as_bytes());
        said.extend_from_slice(&image);
        for words in [
            &["SELECT", "0"][..],
            &["SET", "k", "w"],
            &["MULTI"],
            &["INCR", "n"],
            &["EXEC"],
            &["PING"],
        ] {
            let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            encode_command(&mut said, &words);
        }
        said
    }

    /// Redis#10243, CVE-2026-21863 and their kin: a node that follows a master survives whatever that says.
    #[test]
    fn i_to_a_master_that_says_anything() {
        let dir = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&served);
        std::thread::spawn(move || {
            let seeds = vec![conversation(), b"-LOADING\r\n+CONTINUE\r\n$EOF:".to_vec()];
            let mut mutator = Mutator::new(3, seeds);
            for socket in listener.incoming() {
                let mut socket = socket.unwrap();
                // Its first words are read, so that what is said is an answer.
                let _ = socket.read(&mut [0; 1024]);
                let is_first = count.load(Ordering::Acquire) == 0;
                let said = if is_first { conversation() } else { mutator.next_input() };
                let _ = socket.write_all(&said);
                drop(socket);
                count.fetch_add(1, Ordering::AcqRel);
            }
        });
        with_node(dir.path(), |_, client| {
            for round in 1..=60 {
                hear(client, &format!("REPLICAOF 127.0.0.1 {port}"));
                while served.load(Ordering::Acquire) < round {
                    hear(client, "INFO replication");
                }
                assert_eq!(hear(client, "REPLICAOF NO ONE"), "+OK\r\n");
                assert_eq!(hear(client, "PING"), "+PONG\r\n");
            }
        });
    }
}

mod lifetimes {
    use super::*;

    /// What a client is in the middle of.
    const STATES: &[&[&str]] = &[
        &["BLPOP k 0"],
        &["BZPOPMIN k 0"],
        &["XREAD BLOCK 0 STREAMS k $"],
        &["XGROUP CREATE k g $ MKSTREAM", "XREADGROUP GROUP g c BLOCK 0 STREAMS k >"],
        &["BLMOVE k d LEFT RIGHT 0"],
        &["BLMPOP 0 2 k d LEFT"],
        &["WAIT 3 0"],
        &["MULTI", "SET k v", "BLPOP k 0"],
        &["WATCH k d", "MULTI", "SET k v"],
        &["SUBSCRIBE c"],
        &["PSUBSCRIBE *"],
        &["SSUBSCRIBE c"],
        &["HELLO 3", "CLIENT TRACKING ON", "GET k"],
        &["HELLO 3", "CLIENT TRACKING ON BCAST PREFIX k"],
        &["MONITOR"],
        &["CLIENT PAUSE 100000 WRITE"],
        &["PSYNC ? -1"],
        &["CLIENT REPLY OFF", "GET k"],
    ];

    /// What happens to it.
    const EVENTS: &[&[&str]] = &[
        &["CLIENT KILL TYPE normal SKIPME yes"],
        &["CLIENT KILL TYPE pubsub"],
        &["CLIENT KILL TYPE replica"],
        &["FLUSHALL"],
        &["DEL k", "SET k string"],
        &["DEL k", "RPUSH k a b"],
        &["DEL k", "ZADD k 1 a"],
        &["DEL k", "XADD k * f v"],
        &["XGROUP DESTROY k g"],
        &["SWAPDB 0 1", "SWAPDB 0 1"],
        &["RENAME k d"],
        &["MULTI", "RPUSH k a", "DEL k", "RPUSH k b", "EXEC"],
        &["ACL DELUSER u"],
        &["ACL SETUSER u off resetkeys -@all"],
        &["CONFIG SET maxclients 100", "PUBLISH c m", "PUBLISH k m"],
        &["DEBUG RELOAD"],
        &["EVAL return(redis.call('RPUSH','k','a')) 0", "CLIENT UNPAUSE"],
        &["RESET"],
    ];

    /// CVE-2026-23479, -56684, 2022-31144, redis#15594, #15615: whatever a client is doing, whatever happens meanwhile, and whether
    /// it then hangs up: the node goes on, and counts nobody who is gone.
    #[test]
    fn j_of_clients_end_well_whatever_they_do_and_whatever_happens() {
        let server = Server::start_with(&[("enable-debug-command", "yes")]);
        for state in STATES {
            for event in EVENTS {
                let mut owner = server.connect();
                hear(&mut owner, "CLIENT UNPAUSE");
                hear(&mut owner, "FLUSHALL");
                hear(&mut owner, "ACL SETUSER u on nopass ~* &* +@all");
                let mut client = server.connect();
                hear(&mut client, "AUTH u x");
                let mut request = Vec::new();
                for line in *state {
                    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
                    encode_command(&mut request, &words);
                }
                client.send(&request).unwrap();
                let is_in_it = |list: &str| {
                    list.lines().any(|line| line.contains(" user=u ") && !line.contains("cmd=auth"))
                };
                while !is_in_it(&hear(&mut owner, "CLIENT LIST")) {}
                // A pause holds writes, those of the owner as well.
                if state[0].starts_with("CLIENT PAUSE") {
                    hear(&mut owner, "CLIENT UNPAUSE");
                }
                for line in *event {
                    hear(&mut owner, line);
                }
                drop(client);
                let mut observer = server.connect();
                while hear(&mut observer, "CLIENT LIST").contains(" user=u ") {}
                let info = hear(&mut observer, "INFO clients");
                for nobody in ["blocked_clients:0", "tracking_clients:0"] {
                    assert!(info.contains(nobody), "{state:?} and {event:?}: {info}");
                }
                assert_eq!(
                    hear(&mut observer, "PUBSUB NUMPAT"),
                    ":0\r\n",
                    "{state:?} and {event:?}"
                );
                assert_eq!(hear(&mut observer, "PING"), "+PONG\r\n");
            }
        }
    }
}
