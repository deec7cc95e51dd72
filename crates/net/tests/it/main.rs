//! The driver over real loopback sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod tls;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use net::{CloseReason, Driver, Event, ListenerId, TcpOptions, Token};

/// Long enough for a loaded machine; no test waits this long when it passes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A driver with one listener, and what it has reported so far.
struct Bench {
    driver: Driver,
    listener: ListenerId,
    address: SocketAddr,
    events: Vec<Event>,
}

impl Bench {
    fn new() -> Bench {
        let mut driver = Driver::new().unwrap();
        let options = TcpOptions::default();
        let listener = driver.listen("127.0.0.1:0".parse().unwrap(), &options).unwrap();
        let address = driver.local_address(listener).unwrap();
        Bench { driver, listener, address, events: Vec::new() }
    }

    fn connect(&mut self) -> (TcpStream, Token) {
        let client = TcpStream::connect(self.address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let token = self.until(|event| match event {
            Event::Accepted { token, .. } => Some(*token),
            _ => None,
        });
        (client, token)
    }

    /// Turns until `find` recognises an event, which is removed together with all before it.
    fn until<R>(&mut self, find: impl Fn(&Event) -> Option<R>) -> R {
        for _ in 0..10_000 {
            if let Some(at) = self.events.iter().position(|event| find(event).is_some()) {
                let found = find(&self.events[at]).unwrap();
                self.events.drain(..=at);
                return found;
            }
            self.events.clear();
            self.driver.wait(Some(PATIENCE), &mut self.events).unwrap();
            self.driver.flush();
        }
        panic!("the event never came");
    }

    /// Bytes come in as small shares as they were sent; what must not happen is that none come any more.
    fn until_input(&mut self, token: Token, length: usize) -> Vec<u8> {
        let (mut received, mut idle_waits) = (0, 0);
        while self.driver.input_length(token) < length {
            self.driver.wait(Some(PATIENCE), &mut self.events).unwrap();
            let now = self.driver.input_length(token);
            idle_waits = if now > received { 0 } else { idle_waits + 1 };
            received = now;
            assert!(idle_waits < 10_000, "of {length} bytes {received} came");
        }
        self.driver.take_input(token)
    }

    fn send(&mut self, token: Token, bytes: &[u8]) {
        let output = self.driver.output(token).unwrap();
        output.buffer().extend_from_slice(bytes);
        output.release();
        self.driver.flush();
    }
}

fn is_closed(token: Token) -> impl Fn(&Event) -> Option<bool> {
    move |event| match event {
        Event::Closed { token: closed, reason } if *closed == token => {
            Some(matches!(reason, CloseReason::Peer))
        }
        _ => None,
    }
}

#[test]
fn bytes_go_both_ways() {
    let mut bench = Bench::new();
    let (mut client, token) = bench.connect();
    client.write_all(b"hello").unwrap();
    let input = bench.until_input(token, 5);
    assert_eq!(input, b"hello");
    bench.driver.put_input(token, input, 4);
    client.write_all(b"!").unwrap();
    assert_eq!(bench.until_input(token, 2), b"o!");
    bench.send(token, b"world");
    let mut reply = [0; 5];
    client.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"world");
}

#[test]
fn what_was_not_released_stays() {
    let mut bench = Bench::new();
    let (mut client, token) = bench.connect();
    let output = bench.driver.output(token).unwrap();
    output.buffer().extend_from_slice(b"now");
    let mark = output.end();
    output.buffer().extend_from_slice(b"later");
    output.release_to(mark);
    bench.driver.flush();
    let mut now = [0; 3];
    client.read_exact(&mut now).unwrap();
    assert_eq!(&now, b"now");
    assert_eq!(bench.driver.output_pending(token), 5);
    client.set_nonblocking(true).unwrap();
    assert!(client.read(&mut now).is_err(), "held bytes have left");
}

#[test]
fn large_input_and_output_pass_in_shares() {
    const LENGTH: usize = 24 << 20;
    let mut bench = Bench::new();
    let (client, token) = bench.connect();
    let mut writer = client.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        let bytes: Vec<u8> = (0..LENGTH).map(|i| (i % 251) as u8).collect();
        writer.write_all(&bytes).unwrap();
        bytes
    });
    bench.driver.allow_input(token, LENGTH, LENGTH);
    let input = bench.until_input(token, LENGTH);
    let sent = sender.join().unwrap();
    assert!(input == sent);
    let mut reader = client;
    let receiver = std::thread::spawn(move || {
        let mut received = vec![0; LENGTH];
        reader.read_exact(&mut received).unwrap();
        received
    });
    bench.send(token, &input);
    while bench.driver.output_pending(token) > 0 {
        bench.driver.wait(Some(PATIENCE), &mut bench.events).unwrap();
        bench.driver.flush();
    }
    assert!(receiver.join().unwrap() == sent);
}

#[test]
fn what_nobody_consumes_is_not_read() {
    const LENGTH: usize = 24 << 20;
    let mut bench = Bench::new();
    let (mut client, token) = bench.connect();
    let (mut other, beside) = bench.connect();
    let sender = std::thread::spawn(move || client.write_all(&vec![7; LENGTH]).map(|()| client));
    let mut received = 0;
    while received < LENGTH {
        // Waiting for another connection turns the driver as often as it takes.
        other.write_all(b"x").unwrap();
        let input = bench.until_input(beside, 1);
        bench.driver.put_input(beside, input, 1);
        let input = bench.driver.take_input(token);
        assert!(input.len() < 2 << 20, "{} bytes were read ahead", input.len());
        received += input.len();
        let consumed = input.len();
        bench.driver.put_input(token, input, consumed);
    }
    sender.join().unwrap().unwrap();
    assert_eq!(bench.driver.take_sent().bytes, 0);
}

#[test]
fn the_end_comes_after_the_last_bytes() {
    let mut bench = Bench::new();
    let (mut client, token) = bench.connect();
    client.write_all(b"last words").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let input = bench.until_input(token, 10);
    assert_eq!(input, b"last words");
    bench.send(token, b"heard");
    assert!(bench.until(is_closed(token)));
    let mut reply = Vec::new();
    client.read_to_end(&mut reply).unwrap();
    assert_eq!(reply, b"heard");
}

#[test]
fn close_after_flush_sends_everything_first() {
    let mut bench = Bench::new();
    let (mut client, token) = bench.connect();
    let output = bench.driver.output(token).unwrap();
    output.buffer().extend_from_slice(b"-ERR max number of clients reached\r\n");
    output.release();
    bench.driver.close_after_flush(token);
    bench.driver.flush();
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    assert_eq!(text, "-ERR max number of clients reached\r\n");
    assert!(!bench.until(is_closed(token)), "our own closing was reported as the peer's");
    assert!(!bench.driver.is_open(token));
}

#[test]
fn tokens_are_not_reused() {
    let mut bench = Bench::new();
    let (_first, old) = bench.connect();
    bench.driver.close(old);
    let (mut client, new) = bench.connect();
    assert_eq!(old.index(), new.index());
    assert!(bench.driver.output(old).is_none());
    bench.driver.close(old);
    client.write_all(b"x").unwrap();
    assert_eq!(bench.until_input(new, 1), b"x");
}

#[test]
fn listeners_come_and_go() {
    let mut bench = Bench::new();
    let second =
        bench.driver.listen("127.0.0.1:0".parse().unwrap(), &TcpOptions::default()).unwrap();
    assert_ne!(second, bench.listener);
    let address = bench.driver.local_address(second).unwrap();
    let occupied = bench.driver.listen(address, &TcpOptions::default());
    assert_eq!(occupied.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    let _client = TcpStream::connect(address).unwrap();
    let from = bench.until(|event| match event {
        Event::Accepted { listener, .. } => Some(*listener),
        _ => None,
    });
    assert_eq!(from, second);
    bench.driver.unlisten(second);
    assert!(TcpStream::connect(address).is_err());
    bench.connect();
}

#[test]
fn a_wake_ends_the_wait() {
    let mut bench = Bench::new();
    let wake = bench.driver.wake_handle();
    let thread = std::thread::spawn(move || wake.wake().unwrap());
    bench.until(|event| matches!(event, Event::Woken).then_some(()));
    thread.join().unwrap();
}

#[test]
fn a_detached_connection_lives_on_elsewhere() {
    let mut bench = Bench::new();
    let (mut client, token) = bench.connect();
    client.write_all(b"in").unwrap();
    let input = bench.until_input(token, 2);
    bench.driver.put_input(token, input, 0);
    bench.driver.output(token).unwrap().buffer().extend_from_slice(b"out");
    let mut detached = bench.driver.detach(token).unwrap();
    assert_eq!((detached.input.as_slice(), detached.output.as_slice()), (&b"in"[..], &b"out"[..]));
    detached.socket.write_all(b"direct").unwrap();
    let mut reply = [0; 6];
    client.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"direct");
    assert!(bench.driver.detach(token).is_err());
}

#[test]
fn idle_connections_hold_no_buffers() {
    let mut bench = Bench::new();
    let mut clients = Vec::new();
    for _ in 0..200 {
        let (mut client, token) = bench.connect();
        client.write_all(b"PING").unwrap();
        let input = bench.until_input(token, 4);
        bench.driver.put_input(token, input, 4);
        clients.push((client, token));
    }
    for (_, token) in &clients {
        bench.driver.trim(*token);
        assert_eq!(bench.driver.buffer_bytes(*token), (0, 0));
    }
}

#[test]
fn while_memory_is_scarce_no_empty_buffer_is_kept() {
    let mut bench = Bench::new();
    let (_client, token) = bench.connect();
    bench.send(token, &[7; 10_000]);
    bench.driver.flush();
    assert_eq!(bench.driver.output_pending(token), 0);
    assert!(bench.driver.buffer_bytes(token).1 >= 10_000);
    bench.driver.set_memory_scarce(true);
    bench.send(token, &[7; 10_000]);
    bench.driver.flush();
    assert_eq!((bench.driver.output_pending(token), bench.driver.buffer_bytes(token)), (0, (0, 0)));
}

#[test]
fn a_socket_with_room_again_waits_for_the_flush() {
    const LENGTH: usize = 24 << 20;
    let mut bench = Bench::new();
    let (mut client, token) = bench.connect();
    bench.send(token, &vec![7; LENGTH]);
    let mut left = LENGTH + 1;
    while bench.driver.output_pending(token) < left {
        left = bench.driver.output_pending(token);
        bench.driver.flush();
    }
    assert!(left > 0, "the sockets took {LENGTH} bytes at once");
    let mut taken = vec![0; LENGTH - left];
    client.read_exact(&mut taken).unwrap();
    bench.driver.wait(Some(PATIENCE), &mut bench.events).unwrap();
    assert_eq!(bench.driver.output_pending(token), left, "sent while nobody has allowed it");
    bench.driver.flush();
    assert!(bench.driver.output_pending(token) < left);
}
