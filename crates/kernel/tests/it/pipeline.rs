//! Requests cut anywhere: what a client sends in pieces is answered as what it sends at once.

use std::time::Duration;

use testkit::client::Client;
use testkit::random::Random;
use wire::resp::response::encode_command;

use crate::server::Server;

const ROUNDS: u64 = 60;
const COMMANDS_MAX: usize = 40;

/// Commands without chance, time and identity; the inline form among them.
fn pipeline(random: &mut Random) -> Vec<u8> {
    let keys: [&[u8]; 4] = [b"a", b"b", b"", b"a longer name \x00\r\n of a key"];
    let values: [&[u8]; 5] = [b"", b"1", b"-7", b"\r\n$3\r\n*1\r\n", &[b'v'; 300]];
    let mut bytes = Vec::new();
    for _ in 0..random.between(1, COMMANDS_MAX) {
        let (key, value) = (*random.pick(&keys), *random.pick(&values));
        let other = *random.pick(&keys);
        match random.between(0, 13) {
            0 => encode_command(&mut bytes, &[b"SET", key, value]),
            1 => encode_command(&mut bytes, &[b"GET", key]),
            2 => encode_command(&mut bytes, &[b"LPUSH", key, value, value]),
            3 => encode_command(&mut bytes, &[b"LRANGE", key, b"0", b"-1"]),
            4 => encode_command(&mut bytes, &[b"RENAME", key, other]),
            5 => encode_command(&mut bytes, &[b"DEL", key]),
            6 => encode_command(&mut bytes, &[b"MULTI"]),
            7 => encode_command(&mut bytes, &[b"EXEC"]),
            8 => encode_command(&mut bytes, &[b"NOSUCH", value]),
            9 => encode_command(&mut bytes, &[b"ECHO", value]),
            10 => bytes.extend_from_slice(b"SET b \"a \\x41 value\"\r\nGET b\n"),
            11 => bytes.extend_from_slice(b"\r\n*0\r\n"),
            12 => encode_command(&mut bytes, &[b"HELLO", b"3"]),
            _ => encode_command(&mut bytes, &[b"ZADD", key, b"1.5", value]),
        }
    }
    bytes
}

/// What a server says to `pieces`, each of which it has read before it gets the next, and to a last PING. `HELLO` tells
/// who was asked, so its numbers are left out.
fn answer(server: &Server, pieces: &[&[u8]]) -> Vec<String> {
    let mut client = server.connect();
    let mut barrier = server.connect();
    for piece in pieces {
        // A server that has closed the connection says why; that is read below.
        if client.send(piece).is_err() {
            break;
        }
        barrier.call(&[b"PING"]).unwrap();
    }
    let mut heard = Vec::new();
    hear(&mut client, &mut heard);
    heard
}

fn hear(client: &mut Client, heard: &mut Vec<String>) {
    const LAST: &[u8] = b"the last reply";
    let mut bytes = b"\r\n".to_vec();
    encode_command(&mut bytes, &[b"DISCARD"]);
    encode_command(&mut bytes, &[b"PING", LAST]);
    let is_open = client.send(&bytes).is_ok();
    client.set_deadline(Duration::from_secs(2)).unwrap();
    while let Ok((reply, raw)) = client.receive() {
        let is_hello = reply.get("proto").is_some();
        heard.push(if is_hello { "hello".to_owned() } else { raw.escape_ascii().to_string() });
        if is_open && reply.as_bytes() == Some(LAST) {
            return;
        }
    }
    heard.push("closed".to_owned());
}

#[test]
fn a_pipeline_may_be_cut_anywhere() {
    let mut random = Random::new(20_260_502);
    for round in 0..ROUNDS {
        let bytes = pipeline(&mut random);
        let whole = answer(&Server::start(), &[&bytes]);
        let at = random.between(0, bytes.len());
        let halves = answer(&Server::start(), &[&bytes[..at], &bytes[at..]]);
        assert_eq!(halves, whole, "round {round}, cut at {at}: {}", bytes.escape_ascii());
        let mut pieces = Vec::new();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at(random.between(1, rest.len().min(60)));
            pieces.push(piece);
            rest = tail;
        }
        let cut = answer(&Server::start(), &pieces);
        assert_eq!(cut, whole, "round {round}, in pieces: {}", bytes.escape_ascii());
    }
}

/// Bytes that are no protocol end a connection, never the server, and how they are cut changes nothing.
#[test]
fn broken_pipelines_are_answered_alike_however_they_are_cut() {
    let mut random = Random::new(20_260_503);
    for round in 0..ROUNDS {
        let mut bytes = pipeline(&mut random);
        for _ in 0..random.between(1, 4) {
            let at = random.between(0, bytes.len() - 1);
            bytes[at] = *random.pick(b"\r\n*$-0123456789 \"\x00\xff:");
        }
        // What is claimed and never comes would be waited for: this ends it.
        bytes.extend_from_slice(&[b'\n'; 400]);
        let server = Server::start();
        let whole = answer(&server, &[&bytes]);
        assert!(server.connect().call(&[b"PING"]).is_ok(), "round {round}: the server is there");
        let at = random.between(0, bytes.len());
        let cut = answer(&Server::start(), &[&bytes[..at], &bytes[at..]]);
        assert_eq!(cut, whole, "round {round}, cut at {at}: {}", bytes.escape_ascii());
    }
}
