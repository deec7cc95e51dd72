//! Clients that mean harm, or are broken: each hears a clear error or is closed, what it makes the node keep is
//! bounded, and the others are served.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use testkit::client::Client;
use wire::resp::response::encode_command;

use crate::server::Server;

const PATIENCE: Duration = Duration::from_secs(60);
const PROTOCOL_ERROR: &str = "-ERR Protocol error: ";

fn raw(server: &Server) -> TcpStream {
    let socket = TcpStream::connect(server.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Everything that the server says until it closes; a reset counts as closing.
fn until_closed(socket: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match socket.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => heard.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("the server neither answers nor closes: {error}"),
        }
    }
    String::from_utf8_lossy(&heard).into_owned()
}

/// The reply to words, raw.
fn hear(client: &mut Client, words: &str) -> String {
    let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
    String::from_utf8(client.call_raw(&words).unwrap().1).unwrap()
}

/// The server still serves a client that behaves.
fn assert_serves(server: &Server) {
    assert_eq!(hear(&mut server.connect(), "PING"), "+PONG\r\n");
}

/// A field of INFO or of a line of CLIENT LIST.
fn field(text: &str, name: &str) -> u64 {
    let at = text.find(name).unwrap_or_else(|| panic!("{name} is in {text}")) + name.len();
    let digits = text[at..].find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len() - at);
    text[at..at + digits].parse().unwrap()
}

fn bytes_of(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_command(&mut bytes, words);
    bytes
}

#[test]
fn bytes_that_are_no_request_are_refused() {
    let server = Server::start();
    let long = "1".repeat(70_000);
    let check = |sent: &str, expected: &str| {
        let mut socket = raw(&server);
        // The server may close before it has taken everything.
        let _ = socket.write_all(sent.as_bytes());
        let heard = until_closed(&mut socket);
        let shown = &sent[..sent.len().min(40)];
        assert_eq!(heard, format!("{PROTOCOL_ERROR}{expected}\r\n"), "{shown}");
    };
    check("*2147483648\r\n", "invalid multibulk length");
    check("*99999999999999999999\r\n", "invalid multibulk length");
    check("*x\r\n", "invalid multibulk length");
    check("*2\r\n$-1\r\n", "invalid bulk length");
    check("*1\r\n$536870913\r\n", "invalid bulk length");
    check("*1\r\n$99999999999999999999\r\n", "invalid bulk length");
    check("*1\r\n:5\r\n", "expected '$', got ':'");
    check("\"PING\r\n", "unbalanced quotes in request");
    check(&format!("*{long}"), "too big mbulk count string");
    check(&format!("*1\r\n${long}"), "too big bulk count string");
    check(&"PING ".repeat(14_000), "too big inline request");
    assert_serves(&server);
}

#[test]
fn noise_stops_nobody() {
    let server = Server::start();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..200 {
        let mut socket = raw(&server);
        let length = usize::try_from(noise() % 3000).unwrap();
        let mut bytes: Vec<u8> = (0..length).map(|_| noise() as u8).collect();
        if round % 2 == 0 {
            // Something that begins as a request does.
            bytes.splice(0..0, *b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$9\r\n");
        }
        let _ = socket.write_all(&bytes);
        socket.shutdown(Shutdown::Write).unwrap();
        until_closed(&mut socket);
    }
    assert_serves(&server);
}

#[test]
fn a_browser_is_cut_off_before_its_body() {
    let server = Server::start();
    for head in ["POST / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: there\r\n"] {
        let mut socket = raw(&server);
        socket.write_all(format!("{head}\r\nSET knocked 1\r\n").as_bytes()).unwrap();
        assert!(!until_closed(&mut socket).contains("+OK"));
    }
    assert_eq!(hear(&mut server.connect(), "GET knocked"), "$-1\r\n");
}

#[test]
fn empty_requests_are_no_requests() {
    let server = Server::start();
    let mut client = server.connect();
    client.send(b"\r\n*0\r\n*-7\r\n  \r\n").unwrap();
    assert_eq!(hear(&mut client, "PING"), "+PONG\r\n");
}

#[test]
fn a_promise_of_bytes_costs_no_memory() {
    const PROMISE: &[u8] = b"*1048576\r\n$536870912\r\nabc";
    let server = Server::start();
    let mut client = server.connect();
    let before = field(&hear(&mut client, "INFO memory"), "used_memory:");
    // Of a long argument CLIENT LIST tells what has come of itself.
    let arrived = " qbuf=3 ";
    let sockets: Vec<TcpStream> = (0..64)
        .map(|_| {
            let mut socket = raw(&server);
            socket.write_all(PROMISE).unwrap();
            socket
        })
        .collect();
    let mut list = hear(&mut client, "CLIENT LIST");
    while list.lines().filter(|line| line.contains(arrived)).count() < sockets.len() {
        list = hear(&mut client, "CLIENT LIST");
    }
    let kept = field(&hear(&mut client, "INFO memory"), "used_memory:").saturating_sub(before);
    assert!(kept < 64 * 70_000, "{kept} bytes are kept for 64 clients");
    // But maxmemory-clients counts what was announced.
    let told: u64 = list
        .lines()
        .filter(|line| line.contains(arrived))
        .map(|line| field(line, "tot-mem="))
        .sum();
    assert!(told >= 64 << 29, "{told} bytes are told of 64 clients");
    drop(sockets);
    assert_serves(&server);
}

#[test]
fn a_million_arguments() {
    let server = Server::start();
    let mut bytes = b"*1048576\r\n$3\r\nDEL\r\n".to_vec();
    for number in 1..1_048_576 {
        let key = format!("k{number}");
        bytes.extend_from_slice(format!("${}\r\n{key}\r\n", key.len()).as_bytes());
    }
    let mut client = server.connect();
    assert_eq!(hear(&mut client, "SET k77 v"), "+OK\r\n");
    client.send(&bytes).unwrap();
    assert_eq!(client.receive().unwrap().1, b":1\r\n");
    assert_serves(&server);
}

#[test]
fn half_a_request() {
    let server = Server::start();
    let mut slow = server.connect();
    for byte in b"*2\r\n$4\r\nECHO\r\n$2\r\nhi" {
        slow.send(&[*byte]).unwrap();
        assert_serves(&server);
    }
    slow.send(b"\r\n").unwrap();
    assert_eq!(slow.receive().unwrap().1, b"$2\r\nhi\r\n");
    let mut gone = raw(&server);
    gone.write_all(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nva").unwrap();
    gone.shutdown(Shutdown::Write).unwrap();
    assert_eq!(until_closed(&mut gone), "");
    assert_eq!(hear(&mut server.connect(), "EXISTS k"), ":0\r\n");
}

#[test]
fn errors_do_not_break_the_protocol() {
    let server = Server::start();
    let mut client = server.connect();
    let (_, heard) = client.call_raw(&[b"FOO\r\n+OK\r\n", b"a\r\nb"]).unwrap();
    assert!(heard.starts_with(b"-ERR unknown command"), "{}", heard.escape_ascii());
    let name = vec![b'x'; 1 << 20];
    let (_, heard) = client.call_raw(&[&name, &name]).unwrap();
    assert!(heard.len() < 1000, "an error of {} bytes", heard.len());
    assert_eq!(hear(&mut client, "PING"), "+PONG\r\n");
}

#[test]
fn a_stranger_may_not_send_much() {
    let server = Server::start_with(&[("requirepass", "secret")]);
    let mut client = server.connect();
    assert_eq!(hear(&mut client, "GET k"), "-NOAUTH Authentication required.\r\n");
    assert_eq!(
        hear(&mut client, "AUTH wrong"),
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
    );
    assert_eq!(
        hear(&mut client, "AUTH nobody secret"),
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
    );
    assert!(hear(&mut client, "HELLO 3").starts_with("-NOAUTH HELLO must be called with"));
    for (sent, expected) in [
        ("*11\r\n", "unauthenticated multibulk length"),
        ("*2\r\n$16385\r\n", "unauthenticated bulk length"),
    ] {
        let mut socket = raw(&server);
        socket.write_all(sent.as_bytes()).unwrap();
        assert_eq!(until_closed(&mut socket), format!("{PROTOCOL_ERROR}{expected}\r\n"));
    }
    assert_eq!(hear(&mut client, "AUTH secret"), "+OK\r\n");
    assert_eq!(hear(&mut client, "GET k"), "$-1\r\n");
}

#[test]
fn no_more_clients_than_allowed() {
    let server = Server::start_with(&[("maxclients", "2")]);
    let mut first = server.connect();
    assert_eq!(hear(&mut first, "PING"), "+PONG\r\n");
    let mut second = server.connect();
    assert_eq!(hear(&mut second, "PING"), "+PONG\r\n");
    let mut third = raw(&server);
    assert_eq!(until_closed(&mut third), "-ERR max number of clients reached\r\n");
    assert_eq!(hear(&mut second, "QUIT"), "+OK\r\n");
    assert_eq!(field(&hear(&mut first, "INFO stats"), "rejected_connections:"), 1);
    while field(&hear(&mut first, "INFO clients"), "connected_clients:") > 1 {}
    assert_serves(&server);
}

#[test]
fn a_request_larger_than_the_query_buffer() {
    let server = Server::start_with(&[("client-query-buffer-limit", "1mb")]);
    let mut socket = raw(&server);
    socket.write_all(b"*2\r\n$4\r\nECHO\r\n$8000000\r\n").unwrap();
    // The server closes while this is on its way.
    let _ = socket.write_all(&vec![b'x'; 4 << 20]);
    assert_eq!(until_closed(&mut socket), "");
    let mut client = server.connect();
    let stats = hear(&mut client, "INFO stats");
    assert_eq!(field(&stats, "client_query_buffer_limit_disconnections:"), 1);
    // Many small requests are no large one.
    let pings = b"PING\r\n".repeat(500_000);
    let mut reader = raw(&server);
    let mut writer = reader.try_clone().unwrap();
    let sender = std::thread::spawn(move || writer.write_all(&pings).unwrap());
    let mut heard = vec![0; 7 * 500_000];
    reader.read_exact(&mut heard).unwrap();
    sender.join().unwrap();
    assert!(heard.chunks(7).all(|reply| reply == b"+PONG\r\n"));
}

#[test]
fn who_asks_for_much_and_reads_late_gets_it_all_while_others_are_served() {
    const VALUE_BYTES: usize = 1 << 20;
    const COUNT: usize = 100;
    let server = Server::start();
    let mut client = server.connect();
    client.call_raw(&[b"SET", b"large", &vec![7; VALUE_BYTES]]).unwrap();
    let mut socket = raw(&server);
    socket.write_all(&b"GET large\r\n".repeat(COUNT)).unwrap();
    assert_serves(&server);
    let mut reply = vec![0; format!("${VALUE_BYTES}\r\n").len() + VALUE_BYTES + 2];
    for _ in 0..COUNT {
        socket.read_exact(&mut reply).unwrap();
        assert!(reply.starts_with(b"$1048576\r\n\x07") && reply.ends_with(b"\x07\r\n"));
    }
    socket.write_all(b"PING\r\n").unwrap();
    let mut pong = [0; 7];
    socket.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"+PONG\r\n");
}

#[test]
fn who_does_not_read_is_closed() {
    let server = Server::start_with(&[("client-output-buffer-limit", "normal 4mb 0 0")]);
    let mut client = server.connect();
    let value = vec![b'v'; 1 << 20];
    assert_eq!(client.call_raw(&[b"SET", b"k", &value]).unwrap().1, b"+OK\r\n");
    let mut deaf = raw(&server);
    // More than sockets and limit hold together.
    let _ = deaf.write_all(&bytes_of(&[b"GET", b"k"]).repeat(200));
    let closed = "client_output_buffer_limit_disconnections:";
    while field(&hear(&mut client, "INFO stats"), closed) == 0 {}
    assert_eq!(field(&hear(&mut client, "INFO clients"), "connected_clients:"), 1);
}

#[test]
fn a_subscriber_that_does_not_read_is_closed() {
    let server = Server::start_with(&[("client-output-buffer-limit", "pubsub 2mb 0 0")]);
    let mut deaf = server.connect();
    assert!(hear(&mut deaf, "SUBSCRIBE news").contains("subscribe"));
    let mut client = server.connect();
    let text = vec![b't'; 1 << 20];
    let mut receivers = 1;
    for _ in 0..200 {
        if receivers == 1 {
            let heard = client.call_raw(&[b"PUBLISH", b"news", &text]).unwrap().1;
            receivers = field(std::str::from_utf8(&heard).unwrap(), ":");
        }
    }
    assert_eq!(receivers, 0, "the subscriber is still there");
    assert_serves(&server);
}

/// Clients whose commands wait must not make the node keep all that they send.
fn flood(
    server: &Server,
    mut flooder: Client,
    marker: &'static str,
) -> std::thread::JoinHandle<Client> {
    let bytes = bytes_of(&[b"RPUSH", b"flood", &[b'x'; 1000]]).repeat(40_000);
    let sender = std::thread::spawn(move || {
        flooder.send(&bytes).unwrap();
        flooder
    });
    let mut client = server.connect();
    let mut seen = 0;
    while seen < 200_000 {
        let list = hear(&mut client, "CLIENT LIST");
        let line = list.lines().find(|line| line.contains(marker)).unwrap();
        seen = field(line, " qbuf=");
    }
    for _ in 0..200 {
        let list = hear(&mut client, "CLIENT LIST");
        let line = list.lines().find(|line| line.contains(marker)).unwrap();
        assert!(field(line, " qbuf=") < 4 << 20, "{line}");
    }
    sender
}

#[test]
fn a_paused_flood_waits_at_its_sender() {
    let server = Server::start();
    let mut client = server.connect();
    let mut flooder = server.connect();
    assert_eq!(hear(&mut flooder, "CLIENT SETNAME flooder"), "+OK\r\n");
    assert_eq!(hear(&mut client, "CLIENT PAUSE 100000 WRITE"), "+OK\r\n");
    let sender = flood(&server, flooder, "name=flooder");
    assert_eq!(hear(&mut client, "LLEN flood"), ":0\r\n");
    assert_eq!(hear(&mut client, "CLIENT UNPAUSE"), "+OK\r\n");
    let mut flooder = sender.join().unwrap();
    for length in 1..=40_000 {
        assert_eq!(flooder.receive().unwrap().1, format!(":{length}\r\n").as_bytes());
    }
}

#[test]
fn a_flood_behind_a_blocking_command_waits_at_its_sender() {
    let server = Server::start();
    let mut flooder = server.connect();
    assert_eq!(hear(&mut flooder, "CLIENT SETNAME flooder"), "+OK\r\n");
    flooder.send(&bytes_of(&[b"BLPOP", b"queue", b"0"])).unwrap();
    let sender = flood(&server, flooder, "name=flooder");
    let mut client = server.connect();
    assert_eq!(hear(&mut client, "RPUSH queue job"), ":1\r\n");
    let mut flooder = sender.join().unwrap();
    assert_eq!(flooder.receive().unwrap().1, b"*2\r\n$5\r\nqueue\r\n$3\r\njob\r\n");
    for length in 1..=40_000 {
        assert_eq!(flooder.receive().unwrap().1, format!(":{length}\r\n").as_bytes());
    }
}

#[test]
fn replies_that_are_read_late_are_all_there() {
    let server = Server::start();
    let mut late = server.connect();
    let value = vec![b'v'; 64 << 10];
    assert_eq!(late.call_raw(&[b"SET", b"k", &value]).unwrap().1, b"+OK\r\n");
    late.send(&bytes_of(&[b"GET", b"k"]).repeat(400)).unwrap();
    assert_serves(&server);
    for _ in 0..400 {
        assert_eq!(late.receive().unwrap().1.len(), value.len() + "$65536\r\n\r\n".len());
    }
    assert_eq!(hear(&mut late, "PING"), "+PONG\r\n");
}
