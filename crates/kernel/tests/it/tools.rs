//! The tools that come with Redis, against a node: redis-cli in the modes that end by themselves, redis-check-rdb, and what
//! exporters read from INFO.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use testkit::client::Client;
use testkit::differential::RedisServer;

use crate::interop::{ask, connect};
use crate::save::with_node;

/// What redis-cli prints in a mode, with `input` at its standard input; it must end well.
fn cli(address: &str, words: &[&str], input: &str) -> String {
    let (host, port) = address.split_once(':').unwrap();
    let mut child = Command::new("redis-cli")
        .args(["-h", host, "-p", port])
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {printed}{complaints}");
    printed
}

fn check(address: &str, words: &[&str], expect: &[&str]) {
    let printed = cli(address, words, "");
    for part in expect {
        assert!(printed.contains(part), "{words:?} does not say {part}: {printed}");
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn fill(client: &mut Client) {
    for words in [
        "RPUSH list a b c",
        "HSET hash f 1 g 2",
        "SADD set 1 2 3 4",
        "ZADD zset 1 a 2.5 b",
        "XADD stream 1-1 f v",
        "SET text hello EX 1000",
    ] {
        ask(client, words);
    }
    let library = b"#!lua name=l\nredis.register_function('f', function() return 1 end)";
    client.call(&[b"FUNCTION", b"LOAD", library]).unwrap();
}

#[test]
fn redis_cli_in_its_modes() {
    let (dir, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    with_node(dir.path(), |address, client| {
        fill(client);
        let big = [
            "Sampled 6 keys",
            "1 lists with 3 items",
            "1 hashs with 2 fields",
            "1 sets with 4 members",
        ];
        check(address, &["--bigkeys"], &big);
        check(address, &["--memkeys"], &["Sampled 6 keys", "1 streams with"]);
        ask(client, "CONFIG SET maxmemory-policy allkeys-lfu");
        (0..100).for_each(|_| drop(ask(client, "GET text")));
        check(address, &["--hotkeys"], &["hot key found with counter", "text"]);
        assert_eq!(cli(address, &["--scan", "--pattern", "?ash"], ""), "hash\n");
        let pipe = cli(address, &["--pipe"], "SET piped 1\r\nSET piped 2\r\nAPPEND piped 3\r\n");
        assert!(pipe.contains("errors: 0, replies: 3"), "{pipe}");

        let script = out.path().join("e.lua");
        std::fs::write(&script, "return {KEYS[1], ARGV[1]}").unwrap();
        assert_eq!(cli(address, &["--eval", text(&script), "k", ",", "v"], ""), "k\nv\n");

        let (data, functions) = (out.path().join("data.rdb"), out.path().join("functions.rdb"));
        cli(address, &["--rdb", text(&data)], "");
        cli(address, &["--functions-rdb", text(&functions)], "");
        for (file, keys) in [(&data, "7 keys read"), (&functions, "0 keys read")] {
            let checked = Command::new("redis-check-rdb").arg(file).output().unwrap();
            let told = String::from_utf8_lossy(&checked.stdout).into_owned();
            assert!(checked.status.success() && told.contains(keys), "{told}");
        }
        let kept = std::fs::read(&functions).unwrap();
        assert!(kept.windows(17).any(|part| part == b"register_function"), "the library is there");
        check(address, &["--json", "-3", "HGETALL", "hash"], &["{\"f\":\"1\",\"g\":\"2\"}"]);
        check(address, &["--csv", "LRANGE", "list", "0", "-1"], &["\"a\",\"b\",\"c\""]);
        check(address, &["--latency", "--raw", "-r", "1", "-i", "0.01"], &[]);
    });
}

/// Fields that a real server has and this one has not, with the reason.
const FIELDS_MISSING: &[(&str, &str)] = &[];

/// Exporters read INFO by the names of its fields: all of a real server are here, in the same sections.
#[test]
fn info_has_the_fields_of_a_real_server() {
    let redis = RedisServer::start().expect("redis-server can be started");
    let dir = tempfile::tempdir().unwrap();
    with_node(dir.path(), |_, pollux| {
        let fields = |client: &mut Client| -> BTreeSet<String> {
            ask(client, "SET k v EX 1000");
            ask(client, "GET");
            let info = ask(client, "INFO everything");
            let mut section = String::new();
            let mut found = BTreeSet::new();
            for line in info.lines() {
                if let Some(name) = line.strip_prefix("# ") {
                    section = name.to_owned();
                } else if let Some((field, _)) = line.split_once(':') {
                    found.insert(format!("{section}: {field}"));
                }
            }
            found
        };
        let theirs = fields(&mut connect(&redis.address()));
        assert!(theirs.len() > 150, "{theirs:?}");
        let ours = fields(pollux);
        let missing: Vec<&String> = theirs
            .difference(&ours)
            .filter(|field| !FIELDS_MISSING.iter().any(|(known, _)| field == known))
            .collect();
        assert_eq!(missing, Vec::<&String>::new());
    });
}
