//! What others hear while a script runs for too long, compared with redis-server.

use std::time::{Duration, Instant};

use testkit::client::Client;
use testkit::differential::RedisServer;

use crate::save::with_node;

/// Lines said on a connection of their own; before `!` those that are said before the script begins.
const TALKS: &[&str] = &[
    "PING",
    "NOSUCH",
    "GET",
    "EXEC",
    "DISCARD",
    "MULTI, EXEC, GET k",
    "MULTI, UNWATCH, EXEC, GET k",
    "MULTI, UNWATCH, DISCARD",
    "MULTI, GET k, UNWATCH, DISCARD",
    "MULTI, SET k v, EXEC",
    "MULTI, MULTI, DISCARD",
    "MULTI, WATCH a, DISCARD",
    "MULTI, AUTH x, HELLO 3, SCRIPT KILL, FUNCTION KILL, FUNCTION STATS, DISCARD",
    "MULTI, REPLCONF listening-port 1, DISCARD",
    "MULTI, SHUTDOWN NOSAVE, DISCARD",
    "MULTI, NOSUCH, DISCARD",
    "MULTI, GET, EXEC",
    "MULTI, RESET, GET k, EXEC",
    "MULTI, QUIT",
    "MULTI, SET k v ! EXEC",
    "MULTI, SET k v ! UNWATCH, GET k, DISCARD",
    "WATCH k ! UNWATCH",
    "WATCH k ! MULTI, DISCARD",
    "WATCH k, UNWATCH",
    "WATCH",
    "QUIT",
    "RESET, GET k",
    "AUTH x",
    "AUTH bob b, GET k",
    "AUTH bob wrong",
    "HELLO 4",
    "HELLO x",
    "REPLCONF nosuch 1",
    "SHUTDOWN",
    "SHUTDOWN SAVE",
    "SHUTDOWN NOW",
    "SHUTDOWN BAD",
    "SHUTDOWN NOSAVE SAVE",
    "SHUTDOWN ABORT",
    "SHUTDOWN NOSAVE ABORT",
    "FUNCTION LIST",
    "SCRIPT EXISTS a",
    "SCRIPT FLUSH",
    "SCRIPT NOSUCH",
    "FUNCTION NOSUCH",
    "EVAL return(1) 0",
    "FCALL f 0",
    "EVAL_RO return(1) 0",
    "CLIENT KILL ID 1",
    "CLIENT ID",
    "CONFIG GET hz",
    "INFO",
    "SUBSCRIBE c",
    "SUBSCRIBE c ! PING",
    "SUBSCRIBE c ! GET k",
    "SUBSCRIBE c ! MULTI",
    "SUBSCRIBE c ! AUTH x",
    "SUBSCRIBE c ! FUNCTION STATS",
    "SUBSCRIBE c ! UNSUBSCRIBE c",
    "SUBSCRIBE c ! RESET, GET k",
    "SUBSCRIBE c ! QUIT",
    "MONITOR",
    "SELECT 1",
    "PUBLISH a b",
    "REPLICAOF NO ONE",
    "WAIT 0 0",
    "HELLO 3 ! UNWATCH, GET k",
    "CLIENT REPLY SKIP",
    "ACL WHOAMI",
    "SELECT 2 ! RESET",
];

const FUNCTION: &str =
    "#!lua name=l\nredis.register_function('f', function() while true do end end)";

fn send(client: &mut Client, words: &[&[u8]]) {
    let mut request = Vec::new();
    wire::resp::response::encode_command(&mut request, words);
    client.send(&request).unwrap();
}

/// The reply to a line; `closed` when the server ends the connection instead.
fn hear(client: &mut Client, line: &str) -> String {
    let words: Vec<&[u8]> = line.trim().split(' ').map(str::as_bytes).collect();
    let heard = client.call_raw(&words);
    heard.map_or("closed".to_owned(), |(_, raw)| String::from_utf8_lossy(&raw).into_owned())
}

/// Everything that is heard while `slow` runs, and what its own client and the one who ends it hear.
fn talk(address: &str, slow: &[&[u8]], end: &str) -> Vec<(String, Vec<String>)> {
    let mut client = Client::connect(address).unwrap();
    hear(&mut client, "CONFIG SET busy-reply-threshold 10");
    hear(&mut client, "ACL SETUSER bob on >b ~* +@all");
    client.call_raw(&[b"FUNCTION", b"LOAD", b"REPLACE", FUNCTION.as_bytes()]).unwrap();
    let mut talks: Vec<(&str, Client)> = Vec::new();
    for line in TALKS {
        let mut own = Client::connect(address).unwrap();
        let (before, during) = line.split_once('!').unwrap_or(("", line));
        for line in before.split(',').filter(|line| !line.is_empty()) {
            hear(&mut own, line);
        }
        talks.push((during, own));
    }
    let mut caller = Client::connect(address).unwrap();
    send(&mut caller, slow);
    while !hear(&mut client, "GET k").starts_with("-BUSY") {}
    let heard = |(during, own): &mut (&str, Client)| {
        let replies = during.split(',').map(|line| hear(own, line)).collect();
        ((*during).to_owned(), replies)
    };
    let mut all: Vec<(String, Vec<String>)> = talks.iter_mut().map(heard).collect();
    let ended = hear(&mut client, end);
    let reply = String::from_utf8_lossy(&caller.receive().unwrap().1).into_owned();
    all.push((end.to_owned(), vec![ended, reply]));
    all
}

#[test]
fn a_busy_node_says_what_redis_says() {
    let eval: &[&[u8]] = &[b"EVAL", b"while true do end", b"0"];
    let call: &[&[u8]] = &[b"FCALL", b"f", b"0"];
    let redis = RedisServer::start().unwrap();
    let dir = tempfile::tempdir().unwrap();
    with_node(dir.path(), |address, _| {
        for (slow, end) in [(eval, "SCRIPT KILL"), (call, "FUNCTION KILL")] {
            let (expect, found) = (talk(&redis.address(), slow, end), talk(address, slow, end));
            for (expect, found) in expect.iter().zip(&found) {
                assert_eq!(expect, found, "expected is what redis-server says");
            }
        }
    });
}

/// Seconds since a client of this name was heard last.
fn idle_seconds(client: &mut Client, name: &str) -> u64 {
    let list = hear(client, "CLIENT LIST");
    let line = list.lines().find(|line| line.contains(&format!(" name={name} "))).unwrap();
    line.split(' ').find_map(|word| word.strip_prefix("idle=")).unwrap().parse().unwrap()
}

/// The clock of the turn stands still while a script runs; who has spoken meanwhile must not be taken for silent behind it.
#[test]
fn who_speaks_while_a_script_runs_is_not_idle() {
    let dir = tempfile::tempdir().unwrap();
    with_node(dir.path(), |address, client| {
        hear(client, "CONFIG SET busy-reply-threshold 10");
        let [mut silent, mut speaking] = [(); 2].map(|()| Client::connect(address).unwrap());
        hear(&mut speaking, "CLIENT SETNAME speaking");
        hear(&mut silent, "CLIENT SETNAME silent");
        let begun = Instant::now();
        let mut caller = Client::connect(address).unwrap();
        send(&mut caller, &[b"EVAL", b"while true do end", b"0"]);
        while begun.elapsed() < Duration::from_secs(2) {
            hear(&mut speaking, "GET k");
        }
        while !hear(client, "SCRIPT KILL").starts_with("+OK") {}
        caller.receive().unwrap();
        let (silent, speaking) = (idle_seconds(client, "silent"), idle_seconds(client, "speaking"));
        assert!(silent > speaking, "{silent} s and {speaking} s");
    });
}
