//! What one command tells others is bounded while it runs, not only when it has ended.

use testkit::client::Client;

use crate::server::Server;

/// So many messages are said, each of this many bytes: 16 MiB, far beyond the limits below.
const SAID: usize = 256;
const BYTES: usize = 64 << 10;

fn call(client: &mut Client, words: &[&str]) -> String {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    String::from_utf8_lossy(&client.call_raw(&words).unwrap().1).into_owned()
}

fn start() -> Server {
    Server::start_with(&[
        ("client-output-buffer-limit", "pubsub 1mb 0 0 normal 1mb 0 0"),
        ("notify-keyspace-events", "KEA"),
    ])
}

/// Runs `code`, which asks INFO at its end how many clients were given up so far.
fn given_up(client: &mut Client, code: &str) -> String {
    let code = format!(
        "{code} return string.match(redis.call('INFO', 'stats'), 'client_output_buffer_limit_disconnections:(%d+)')"
    );
    call(client, &["EVAL", &code, "0"])
}

#[test]
fn a_subscriber_that_one_script_floods_is_given_up_in_the_middle() {
    let server = start();
    let (mut speaker, mut listener) = (server.connect(), server.connect());
    call(&mut listener, &["SUBSCRIBE", "ch"]);
    let code = format!(
        "local m = string.rep('x', {BYTES}) for i = 1, {SAID} do redis.call('PUBLISH', 'ch', m) end"
    );
    assert_eq!(given_up(&mut speaker, &code), "$1\r\n1\r\n");
    assert!(listener.receive().is_err(), "nothing is sent to it any more");
    assert_eq!(call(&mut speaker, &["PUBSUB", "NUMSUB", "ch"]), "*2\r\n$2\r\nch\r\n:0\r\n");
}

/// It listens to what it says itself.
#[test]
fn a_script_that_floods_its_own_client_ends_it() {
    let server = start();
    let (mut other, mut speaker) = (server.connect(), server.connect());
    call(&mut speaker, &["HELLO", "3"]);
    call(&mut speaker, &["SUBSCRIBE", "ch"]);
    let code = format!(
        "local m = string.rep('x', {BYTES}) for i = 1, {SAID} do redis.call('PUBLISH', 'ch', m) end return 1"
    );
    let words: [&[u8]; 3] = [b"EVAL", code.as_bytes(), b"0"];
    assert!(speaker.call_raw(&words).is_err(), "neither messages nor a reply");
    assert!(call(&mut other, &["INFO", "clients"]).contains("\r\nconnected_clients:1\r\n"));
}

#[test]
fn a_transaction_bounds_what_it_tells_as_well() {
    let server = start();
    let (mut speaker, mut listener) = (server.connect(), server.connect());
    call(&mut listener, &["PSUBSCRIBE", "*"]);
    let message = "x".repeat(BYTES);
    call(&mut speaker, &["MULTI"]);
    for _ in 0..SAID {
        call(&mut speaker, &["PUBLISH", "ch", &message]);
    }
    call(&mut speaker, &["INFO", "stats"]);
    let replies = call(&mut speaker, &["EXEC"]);
    assert!(replies.contains("client_output_buffer_limit_disconnections:1\r\n"), "{replies}");
    assert!(listener.receive().is_err());
}

/// Keyspace events, what MONITOR shows, and invalidations take the same path.
#[test]
fn events_and_monitors_are_bounded_in_a_script() {
    let server = start();
    let mut speaker = server.connect();
    let mut listener = server.connect();
    call(&mut listener, &["PSUBSCRIBE", "__key*"]);
    let name = "k".repeat(BYTES);
    let code = format!("for i = 1, {SAID} do redis.call('SET', '{name}', 'v') end");
    assert_eq!(given_up(&mut speaker, &code), "$1\r\n1\r\n");

    let mut monitor = server.connect();
    call(&mut monitor, &["MONITOR"]);
    let code = format!("for i = 1, {SAID} do redis.call('GET', '{name}') end");
    assert_eq!(given_up(&mut speaker, &code), "$1\r\n2\r\n");

    let mut tracker = server.connect();
    call(&mut tracker, &["HELLO", "3"]);
    call(&mut tracker, &["CLIENT", "TRACKING", "ON"]);
    let long = |number: usize| format!("{name}{number}");
    for number in 0..SAID {
        call(&mut tracker, &["GET", &long(number)]);
    }
    let code = format!("for i = 0, {SAID} - 1 do redis.call('SET', '{name}' .. i, 'v') end");
    assert_eq!(given_up(&mut speaker, &code), "$1\r\n3\r\n");
    assert!(call(&mut speaker, &["INFO", "clients"]).contains("\r\nconnected_clients:1\r\n"));
}
