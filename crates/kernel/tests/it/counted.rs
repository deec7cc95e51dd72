//! What INFO counts of clients that wait: for a key, and for the end of a pause.

use testkit::client::{Client, Response};

use crate::server::Server;

fn info(client: &mut Client, section: &str) -> String {
    let reply = client.call(&[b"INFO", section.as_bytes()]).unwrap();
    String::from_utf8_lossy(reply.as_bytes().unwrap_or_default()).into_owned()
}

/// Sends a command that is not answered, and waits until it is counted among those that wait.
fn leave_waiting(server: &Server, observer: &mut Client, words: &[&[u8]]) -> Client {
    let mut waiting = server.connect();
    let mut bytes = Vec::new();
    wire::resp::response::encode_command(&mut bytes, words);
    waiting.send(&bytes).unwrap();
    while !info(observer, "clients").contains("\r\nblocked_clients:1\r\n") {}
    waiting
}

/// The number of the client that runs, or waits in, `command`.
fn id_of(observer: &mut Client, command: &str) -> String {
    let list = observer.call(&[b"CLIENT", b"LIST"]).unwrap();
    let list = String::from_utf8_lossy(list.as_bytes().unwrap()).into_owned();
    let line = list.lines().find(|line| line.contains(&format!("cmd={command} "))).unwrap();
    line.split(' ').find_map(|word| word.strip_prefix("id=")).unwrap().to_owned()
}

#[test]
fn a_command_counts_when_its_wait_ends() {
    let server = Server::start();
    let mut observer = server.connect();
    let mut waiting = leave_waiting(&server, &mut observer, &[b"BLPOP", b"k", b"0"]);
    assert!(!info(&mut observer, "commandstats").contains("cmdstat_blpop"));
    observer.call(&[b"RPUSH", b"k", b"v"]).unwrap();
    waiting.receive().unwrap();
    let served = info(&mut observer, "commandstats");
    assert!(served.contains("cmdstat_blpop:calls=1,"), "{served}");

    let mut waiting = leave_waiting(&server, &mut observer, &[b"BRPOP", b"k", b"0"]);
    let id = id_of(&mut observer, "brpop");
    observer.call(&[b"CLIENT", b"UNBLOCK", id.as_bytes(), b"ERROR"]).unwrap();
    assert!(matches!(waiting.receive().unwrap().0, Response::Error(_)));
    let told = info(&mut observer, "everything");
    assert!(told.contains("errorstat_UNBLOCKED:count=1\r\n"), "{told}");
    let failed = told.lines().find(|line| line.starts_with("cmdstat_brpop:calls=1,")).unwrap();
    assert!(failed.ends_with("failed_calls=1"), "{failed}");
}

#[test]
fn a_client_that_a_pause_holds_counts_as_blocked() {
    let server = Server::start();
    let mut observer = server.connect();
    observer.call(&[b"CLIENT", b"PAUSE", b"100000", b"WRITE"]).unwrap();
    let mut waiting = leave_waiting(&server, &mut observer, &[b"SET", b"k", b"v"]);
    observer.call(&[b"CLIENT", b"UNPAUSE"]).unwrap();
    assert_eq!(waiting.receive().unwrap().1, b"+OK\r\n");
    assert!(info(&mut observer, "clients").contains("\r\nblocked_clients:0\r\n"));
}

#[test]
fn output_that_nobody_takes_is_told() {
    let server = Server::start();
    let mut observer = server.connect();
    let value = vec![b'x'; 1 << 20];
    observer.call(&[b"SET", b"k", &value]).unwrap();
    let mut lazy = server.connect();
    let mut bytes = Vec::new();
    // More than the sockets on the way hold.
    (0..64).for_each(|_| wire::resp::response::encode_command(&mut bytes, &[b"GET", b"k"]));
    lazy.send(&bytes).unwrap();
    let told = |observer: &mut Client| -> Option<[u64; 3]> {
        let list = observer.call(&[b"CLIENT", b"LIST"]).unwrap();
        let list = String::from_utf8_lossy(list.as_bytes().unwrap()).into_owned();
        let line = list.lines().find(|line| line.contains(" cmd=get "))?;
        Some(["obl=", "oll=", "omem="].map(|field| {
            let digits = line.split(' ').find_map(|word| word.strip_prefix(field)).unwrap();
            digits.parse().unwrap()
        }))
    };
    let [obl, oll, omem] = loop {
        if let Some(told) = told(&mut observer).filter(|told| told[2] > 1 << 20) {
            break told;
        }
    };
    assert_eq!(obl, 16 << 10);
    assert_eq!(oll, omem.div_ceil(16 << 10));
}

/// A pause must end: its end is a time that can be told.
#[test]
fn a_pause_without_end_is_refused() {
    let server = Server::start();
    let mut client = server.connect();
    let pause = |client: &mut Client, ms: &str| {
        client.call_raw(&[b"CLIENT", b"PAUSE", ms.as_bytes(), b"WRITE"]).unwrap().1
    };
    let refusal = b"-ERR timeout is out of range\r\n";
    assert_eq!(pause(&mut client, "9223372036854775807"), refusal);
    assert_eq!(pause(&mut client, "9223372036854000000"), refusal);
    assert_eq!(pause(&mut client, "-1"), b"-ERR timeout is negative\r\n");
    let text = b"-ERR timeout is not an integer or out of range\r\n";
    assert_eq!(pause(&mut client, "9223372036854775808"), text);
    assert_eq!(client.call_raw(&[b"SET", b"k", b"v"]).unwrap().1, b"+OK\r\n", "nothing is held");
    assert_eq!(pause(&mut client, "9000000000000000000"), b"+OK\r\n");
}

#[test]
fn who_is_unblocked_in_a_transaction_gets_nothing_of_what_it_pushes() {
    let server = Server::start();
    let mut observer = server.connect();
    let mut waiting = leave_waiting(&server, &mut observer, &[b"BLPOP", b"k", b"0"]);
    let id = id_of(&mut observer, "blpop");
    observer.call(&[b"MULTI"]).unwrap();
    observer.call(&[b"RPUSH", b"k", b"v"]).unwrap();
    observer.call(&[b"CLIENT", b"UNBLOCK", id.as_bytes()]).unwrap();
    let done = Response::Array(vec![Response::Integer(1), Response::Integer(1)]);
    assert_eq!(observer.call(&[b"EXEC"]).unwrap(), done);
    assert_eq!(waiting.receive().unwrap().1, b"*-1\r\n");
    assert_eq!(observer.call(&[b"LLEN", b"k"]).unwrap(), Response::Integer(1));
}
