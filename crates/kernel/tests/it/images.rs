//! What SAVE writes: files that the tools of Redis read, with all that Redis would keep in them.

use std::path::Path;
use std::process::Command;

use testkit::client::{Client, Response};
use wire::rdb::load::{Entry, Event, Reader};

use crate::save::{hear, with_node, with_node_of};

/// Seconds that a test may take at most, so that idle times are known about.
const PATIENCE: u64 = 600;

/// One value or more of every type and encoding that Redis 7.0 knows.
const VALUES: &[&str] = &[
    "SET text short",
    "SET integer -17",
    "SET volatile v EX 100000",
    "RPUSH list:listpack a 1 -5 70000",
    "SADD set:intset 1 2 300000",
    "SADD set:listpack a b 3",
    "HSET hash:listpack f v g 12",
    "ZADD zset:listpack 1.5 a -inf b",
    "PFADD sketch a b c",
    "GEOADD places 13.4 52.5 berlin",
    "SETBIT bits 1000 1",
    "XADD stream 1-1 f v n 12",
    "XADD stream 1-2 other w",
    "XADD stream 5-0 f v",
    "XDEL stream 1-2",
    "XGROUP CREATE stream g 0",
    "XGROUP CREATE stream empty $",
    "XREADGROUP GROUP g alice COUNT 1 STREAMS stream >",
    "XREADGROUP GROUP g bob STREAMS stream >",
    "SELECT 3",
    "SET elsewhere v",
];

const LARGE: &str = "for i = 1, 2000 do \
    redis.call('SADD', 'set:hashtable', 'member:' .. i) \
    redis.call('ZADD', 'zset:skiplist', i / 3, 'member:' .. i) \
    redis.call('HSET', 'hash:hashtable', 'field:' .. i, string.rep('v', 100)) \
    redis.call('RPUSH', 'list:quicklist', string.rep('x', 100)) \
    redis.call('XADD', 'stream:long', '*', 'f', i) \
    end redis.call('SET', 'text:long', string.rep('long ', 20000)) \
    redis.call('RPUSH', 'list:plain', string.rep('y', 100000))";

const LIBRARY: &str = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";

fn saved(client: &mut Client) {
    assert_eq!(hear(client, "SAVE").as_deref(), Some("+OK\r\n"));
}

#[test]
fn redis_check_rdb_finds_nothing_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let values = 20;
    for policy in ["noeviction", "allkeys-lru", "allkeys-lfu"] {
        let parameters = [("maxmemory-policy", policy)];
        with_node_of(dir.path(), &parameters, |_, client| {
            client.call(&[b"FLUSHALL"]).unwrap();
            client.call(&[b"FUNCTION", b"FLUSH"]).unwrap();
            client.call(&[b"EVAL", LARGE.as_bytes(), b"0"]).unwrap();
            client.call(&[b"FUNCTION", b"LOAD", LIBRARY.as_bytes()]).unwrap();
            for line in VALUES {
                let reply = hear(client, line).unwrap();
                assert!(!reply.starts_with('-'), "{line}: {reply}");
            }
            saved(client);
        });
        let output = Command::new("redis-check-rdb").arg(dir.path().join("dump.rdb")).output();
        let output = output.expect("redis-check-rdb is on the PATH (./test installs it)");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && told.contains("RDB looks OK!"), "{policy}: {told}");
        assert!(told.contains(&format!("[info] {values} keys read")), "{policy}: {told}");
        assert!(told.contains("[info] 1 expires"), "{policy}: {told}");
    }
}

/// The keys of a file.
fn entries(path: &Path) -> Vec<Entry> {
    let (mut reader, mut entries) = (Reader::default(), Vec::new());
    reader.feed(&std::fs::read(path).unwrap());
    loop {
        match reader.next_event().unwrap() {
            Event::Entry(entry) => entries.push(entry),
            Event::Aux { .. } | Event::Sizes { .. } | Event::Function(_) => {}
            Event::End => return entries,
            Event::NeedMore => panic!("the file is whole"),
        }
    }
}

fn number(client: &mut Client, line: &str) -> Option<u64> {
    hear(client, line)?.strip_prefix(':')?.trim_end().parse().ok()
}

/// A key with a past: it was idle, or often used, before it came here.
fn restore(client: &mut Client, how: &[&[u8]]) {
    client.call(&[b"SET", b"model", b"v"]).unwrap();
    let Response::Bulk(payload) = client.call(&[b"DUMP", b"model"]).unwrap() else {
        panic!("DUMP answers with a payload")
    };
    let words: Vec<&[u8]> =
        [&b"RESTORE"[..], b"k", b"0", &payload, b"REPLACE"].iter().chain(how).copied().collect();
    assert_eq!(client.call_raw(&words).unwrap().1, b"+OK\r\n");
}

#[test]
fn how_long_keys_were_idle_is_kept_under_a_policy_that_asks_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let parameters = [("maxmemory-policy", "volatile-lru")];
    let is_right = |idle: Option<u64>| {
        let idle = idle.expect("it is told");
        assert!((5000..5000 + PATIENCE).contains(&idle), "{idle}");
    };
    with_node_of(dir.path(), &parameters, |_, client| {
        restore(client, &[b"IDLETIME", b"5000"]);
        saved(client);
        let entries = entries(&dir.path().join("dump.rdb"));
        is_right(entries.iter().find(|entry| entry.key == b"k").unwrap().idle_seconds);
        let model = entries.iter().find(|entry| entry.key == b"model").unwrap();
        assert!(model.idle_seconds.unwrap() < PATIENCE && model.frequency.is_none());
        assert_eq!(hear(client, "DEBUG RELOAD").as_deref(), Some("+OK\r\n"));
        is_right(number(client, "OBJECT IDLETIME k"));
    });
    with_node_of(dir.path(), &parameters, |_, client| {
        is_right(number(client, "OBJECT IDLETIME k"));
    });
    // Under a policy that does not ask for it, it is not written; what was read stays.
    with_node(dir.path(), |_, client| {
        saved(client);
        let is_unknown = |entry: &Entry| (entry.idle_seconds, entry.frequency) == (None, None);
        assert!(entries(&dir.path().join("dump.rdb")).iter().all(is_unknown));
    });
}

#[test]
fn how_often_keys_were_used_is_kept_under_a_policy_that_asks_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let parameters = [("maxmemory-policy", "allkeys-lfu"), ("lfu-decay-time", "0")];
    with_node_of(dir.path(), &parameters, |_, client| {
        restore(client, &[b"FREQ", b"77"]);
        saved(client);
        let entries = entries(&dir.path().join("dump.rdb"));
        let entry = entries.iter().find(|entry| entry.key == b"k").unwrap();
        assert_eq!((entry.frequency, entry.idle_seconds), (Some(77), None));
        assert_eq!(hear(client, "DEBUG RELOAD").as_deref(), Some("+OK\r\n"));
        assert_eq!(number(client, "OBJECT FREQ k"), Some(77));
    });
    with_node_of(dir.path(), &parameters, |_, client| {
        assert_eq!(number(client, "OBJECT FREQ k"), Some(77));
    });
}
