//! Keys that go without being asked: expired ones and victims of `maxmemory`. The binary counts its allocations.

use std::time::{Duration, Instant};

use testkit::client::Client;

use crate::server::Server;

/// How long something may take that happens in the background.
const PATIENCE: Duration = Duration::from_secs(20);
const OOM: &str = "OOM command not allowed when used memory > 'maxmemory'.";
/// Room for the test's own keys above what the process uses already.
const ROOM_BYTES: u64 = 4 << 20;

fn text(client: &mut Client, words: &[&str]) -> String {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    String::from_utf8_lossy(&client.call_raw(&words).unwrap().1).into_owned()
}

fn info(client: &mut Client, field: &str) -> u64 {
    let info = text(client, &["INFO"]);
    let line = info.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
    line.unwrap_or_else(|| panic!("INFO has {field}")).parse().unwrap()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "never came true: {what}");
        std::thread::yield_now();
    }
}

/// Limits the memory to what is used now and [`ROOM_BYTES`].
fn limit(client: &mut Client, policy: &str) {
    let maxmemory = (info(client, "used_memory") + ROOM_BYTES).to_string();
    let set = ["CONFIG", "SET", "maxmemory-policy", policy, "maxmemory", &maxmemory];
    assert_eq!(text(client, &set), "+OK\r\n");
}

/// Writes many keys of 4 KiB, each with the options; how many were stored.
fn fill(client: &mut Client, keys: usize, options: &[&str]) -> usize {
    let value = "v".repeat(4096);
    let set = |at: &usize| {
        let key = format!("key:{at}");
        let mut words = vec!["SET", &key, &value];
        words.extend(options);
        text(client, &words) == "+OK\r\n"
    };
    (0..keys).filter(set).count()
}

#[test]
fn due_keys_go_though_nobody_asks() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(fill(&mut client, 500, &["PX", "1"]), 500);
    text(&mut client, &["SELECT", "3"]);
    text(&mut client, &["SET", "other", "db", "PX", "1"]);
    text(&mut client, &["SET", "stays", "here", "EX", "1000"]);
    wait_until("all due keys are removed", || info(&mut client, "expired_keys") == 501);
    assert_eq!(text(&mut client, &["DBSIZE"]), ":1\r\n");
}

#[test]
fn active_expiry_can_be_switched_off() {
    let server = Server::start();
    let mut client = server.connect();
    text(&mut client, &["CONFIG", "SET", "hz", "500"]);
    text(&mut client, &["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    text(&mut client, &["SET", "a", "1", "PX", "1"]);
    let began = Instant::now();
    wait_until("a while passes", || began.elapsed() > Duration::from_millis(30));
    assert_eq!(text(&mut client, &["DBSIZE"]), ":1\r\n");
    assert_eq!(text(&mut client, &["GET", "a"]), "$-1\r\n");
    assert_eq!(text(&mut client, &["DBSIZE"]), ":0\r\n");
}

#[test]
fn without_eviction_growing_commands_are_refused() {
    let server = Server::start();
    let mut client = server.connect();
    text(&mut client, &["SET", "old", "1"]);
    limit(&mut client, "noeviction");
    assert!(fill(&mut client, 2000, &[]) < 2000);
    // What the log has written by now is free again, and may be just what was too much.
    text(&mut client, &["CONFIG", "SET", "maxmemory", "1"]);
    let oom = format!("-{OOM}\r\n");
    assert_eq!(text(&mut client, &["SET", "a", "b"]), oom);
    assert_eq!(text(&mut client, &["GET", "old"]), "$1\r\n1\r\n");
    assert_eq!(text(&mut client, &["DEL", "old"]), ":1\r\n");

    // A transaction may not even be queued, and EXEC is told so.
    assert_eq!(text(&mut client, &["MULTI"]), "+OK\r\n");
    assert_eq!(text(&mut client, &["GET", "a"]), oom);
    let aborted = "-EXECABORT Transaction discarded because of previous errors.\r\n";
    assert_eq!(text(&mut client, &["EXEC"]), aborted);

    // One that was queued before is refused for its growing commands only.
    text(&mut client, &["CONFIG", "SET", "maxmemory", "0"]);
    text(&mut client, &["MULTI"]);
    text(&mut client, &["SET", "a", "b"]);
    let mut other = server.connect();
    text(&mut other, &["CONFIG", "SET", "maxmemory", "1"]);
    let refused = format!("-EXECABORT Transaction discarded because of: {OOM}\r\n");
    assert_eq!(text(&mut client, &["EXEC"]), refused);

    text(&mut client, &["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(text(&mut client, &["SET", "a", "b"]), "+OK\r\n");
    assert_eq!(info(&mut client, "evicted_keys"), 0);
}

#[test]
fn every_policy_that_may_evict_any_key_makes_room() {
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
        let server = Server::start();
        let mut client = server.connect();
        limit(&mut client, policy);
        assert_eq!(fill(&mut client, 2000, &[]), 2000, "{policy}");
        assert!(info(&mut client, "evicted_keys") > 500, "{policy}");
    }
}

#[test]
fn volatile_policies_evict_volatile_keys_only() {
    for policy in ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"] {
        let server = Server::start();
        let mut client = server.connect();
        text(&mut client, &["SET", "persistent", "1"]);
        limit(&mut client, policy);
        assert_eq!(fill(&mut client, 2000, &["EX", "1000"]), 2000, "{policy}");
        assert!(info(&mut client, "evicted_keys") > 500, "{policy}");
        assert_eq!(text(&mut client, &["EXISTS", "persistent"]), ":1\r\n", "{policy}");

        // When the last volatile key has gone, nothing is left that may go.
        assert!(fill(&mut client, 4000, &[]) < 4000, "{policy}");
        assert_eq!(text(&mut client, &["EXISTS", "persistent"]), ":1\r\n", "{policy}");
    }
}

#[test]
fn a_lower_maxmemory_acts_without_further_commands() {
    let server = Server::start();
    let mut client = server.connect();
    limit(&mut client, "allkeys-random");
    text(&mut client, &["CONFIG", "SET", "maxmemory", "0"]);
    let empty = info(&mut client, "used_memory");
    assert_eq!(fill(&mut client, 2000, &[]), 2000);
    let maxmemory = (empty + ROOM_BYTES).to_string();
    text(&mut client, &["CONFIG", "SET", "maxmemory", &maxmemory]);
    wait_until("memory is below the new limit", || {
        info(&mut client, "used_memory") <= empty + ROOM_BYTES + (1 << 20)
    });
    assert!(info(&mut client, "evicted_keys") > 500);
}

/// What the log and the clients hear of a victim is as long as its key. If that took memory as data does, each victim would
/// make the next one necessary.
#[test]
fn victims_with_long_names_do_not_make_more_victims() {
    let server = Server::start();
    let mut client = server.connect();
    let mut trackers: Vec<Client> = (0..10).map(|_| server.connect()).collect();
    for tracker in &mut trackers {
        text(tracker, &["HELLO", "3"]);
        assert_eq!(text(tracker, &["CLIENT", "TRACKING", "ON"]), "+OK\r\n");
    }
    for at in 0..300 {
        let key = format!("{at:0>1000}");
        assert_eq!(text(&mut client, &["SET", &key, "x"]), "+OK\r\n");
        for tracker in &mut trackers {
            assert_eq!(text(tracker, &["GET", &key]), "$1\r\nx\r\n");
        }
    }
    text(&mut client, &["CONFIG", "SET", "maxmemory-eviction-tenacity", "100"]);
    let maxmemory = (info(&mut client, "used_memory") - 40_000).to_string();
    let set = ["CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "maxmemory", &maxmemory];
    assert_eq!(text(&mut client, &set), "+OK\r\n");
    // What the trackers are told of the victims makes no more of them, now or later.
    for _ in 0..200 {
        assert_eq!(text(&mut client, &["PING"]), "+PONG\r\n");
    }
    let evicted = info(&mut client, "evicted_keys");
    assert!((20..=100).contains(&evicted), "{evicted} keys of about 1 kB for 40 kB");
}

#[test]
fn keys_go_for_clients_that_may_not_be_closed() {
    let server = Server::start();
    let (mut client, mut kept) = (server.connect(), server.connect());
    for at in 0..100 {
        text(&mut client, &["SETRANGE", &at.to_string(), "100000", "x"]);
    }
    assert_eq!(text(&mut kept, &["CLIENT", "NO-EVICT", "ON"]), "+OK\r\n");
    text(&mut kept, &["MULTI"]);
    assert_eq!(text(&mut kept, &["SET", "queued", &"x".repeat(20 << 20)]), "+QUEUED\r\n");
    // The asker may not go either: there is nobody who could be closed for it.
    text(&mut client, &["CLIENT", "NO-EVICT", "ON"]);
    text(&mut client, &["CONFIG", "SET", "maxmemory-clients", "1mb"]);
    let maxmemory = (info(&mut client, "used_memory") - (1 << 20)).to_string();
    let set = ["CONFIG", "SET", "maxmemory-policy", "allkeys-random", "maxmemory", &maxmemory];
    assert_eq!(text(&mut client, &set), "+OK\r\n");
    assert_eq!(text(&mut client, &["PING"]), "+PONG\r\n");
    assert!(info(&mut client, "evicted_keys") >= 5);
    assert_eq!(text(&mut kept, &["DISCARD"]), "+OK\r\n");
}
