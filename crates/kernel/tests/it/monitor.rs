//! MONITOR: what a watching client is shown, and what not.

use testkit::client::Client;

use crate::server::Server;

/// The next line that a watcher is shown, without the time of day and the address.
fn shown(watcher: &mut Client) -> String {
    let raw = watcher.receive().unwrap().1;
    let line = String::from_utf8(raw).unwrap();
    let (time, rest) = line.split_once(' ').unwrap();
    let (seconds, micros) = time.strip_prefix('+').unwrap().split_once('.').unwrap();
    assert!(seconds.parse::<u64>().unwrap() > 1_600_000_000 && micros.len() == 6, "{line}");
    let (source, words) = rest.trim_end().split_once("] ").unwrap();
    let (db, address) = source.strip_prefix('[').unwrap().split_once(' ').unwrap();
    assert!(address.starts_with("127.0.0.1:"), "{line}");
    format!("{db} {words}")
}

fn watched() -> (Server, Client, Client) {
    let server = Server::start();
    let (client, mut watcher) = (server.connect(), server.connect());
    assert_eq!(watcher.call_raw(&[b"MONITOR"]).unwrap().1, b"+OK\r\n");
    (server, client, watcher)
}

#[test]
fn each_command_is_shown_once_when_it_has_run() {
    let (server, mut client, mut watcher) = watched();
    client.call(&[b"SET", b"k", b"a \"b\"\\\r\n\x00"]).unwrap();
    client.call(&[b"SELECT", b"1"]).unwrap();
    client.call(&[b"CONFIG", b"GET", b"maxmemory"]).unwrap();
    client.call(&[b"NOSUCH"]).unwrap();
    client.call(&[b"GET", b"k", b"x"]).unwrap();
    for words in [&[b"MULTI".as_slice()][..], &[b"INCR", b"n"], &[b"EXEC"]] {
        client.call(words).unwrap();
    }
    for words in [&[b"MULTI".as_slice()][..], &[b"NOSUCH"], &[b"EXEC"]] {
        client.call(words).unwrap();
    }
    let expected = [
        r#"0 "SET" "k" "a \"b\"\\\r\n\x00""#,
        r#"1 "SELECT" "1""#,
        r#"1 "MULTI""#,
        r#"1 "INCR" "n""#,
        r#"1 "EXEC""#,
        r#"1 "MULTI""#,
        r#"1 "EXEC""#,
    ];
    for line in expected {
        assert_eq!(shown(&mut watcher), line);
    }

    let mut waiting = server.connect();
    let mut bytes = Vec::new();
    wire::resp::response::encode_command(&mut bytes, &[b"BLPOP", b"q", b"0"]);
    waiting.send(&bytes).unwrap();
    assert_eq!(shown(&mut watcher), r#"0 "BLPOP" "q" "0""#);
    client.call(&[b"SELECT", b"0"]).unwrap();
    client.call(&[b"RPUSH", b"q", b"v"]).unwrap();
    waiting.receive().unwrap();
    client.call(&[b"PING"]).unwrap();
    for line in [r#"0 "SELECT" "0""#, r#"0 "RPUSH" "q" "v""#, r#"0 "PING""#] {
        assert_eq!(shown(&mut watcher), line);
    }
}

#[test]
fn passwords_are_not_shown_and_a_reset_ends_the_watch() {
    let (_server, mut client, mut watcher) = watched();
    client.call(&[b"AUTH", b"user", b"secret"]).unwrap();
    client.call(&[b"HELLO", b"3", b"AUTH", b"user", b"secret"]).unwrap();
    assert_eq!(shown(&mut watcher), r#"0 "AUTH" "(redacted)" "(redacted)""#);
    assert_eq!(shown(&mut watcher), r#"0 "HELLO" "3" "AUTH" "(redacted)" "(redacted)""#);
    assert_eq!(watcher.call_raw(&[b"RESET"]).unwrap().1, b"+RESET\r\n");
    client.call(&[b"PING"]).unwrap();
    assert_eq!(watcher.call_raw(&[b"ECHO", b"x"]).unwrap().1, b"$1\r\nx\r\n");
}
