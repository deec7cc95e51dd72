//! Executors over real loopback sockets, turned by the test.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use base::{ClusterId, Epoch, Incarnation, NodeId, ShardId};
use binlog::{Directory, Owner};
use net::{Driver, TcpOptions};
use store::{DATABASES_DEFAULT, Graveyard, Rng, Store};
use wire::resp::request::Span;

use super::*;
use crate::client_list;
use crate::command::Args;
use crate::command::table;
use crate::config::file::Directive;
use crate::interop::{Downstream, Phase};
use crate::limits::Limits;
use crate::node::Pause;

/// Larger than what two sockets hold.
const BIG_BYTES: usize = 32 << 20;

fn executor() -> (Executor, SocketAddr) {
    let mut driver = Driver::new().unwrap();
    let listener = driver.listen("127.0.0.1:0".parse().unwrap(), &TcpOptions::default()).unwrap();
    let address = driver.local_address(listener).unwrap();
    let store = Store::new(DATABASES_DEFAULT, Graveyard::immediate(), Rng::new(7));
    let keys = Keyspace::new(store, Rng::new(7));
    (Executor::new(Node::new(driver, Limits::default()), keys), address)
}

/// Turns until it is as wanted.
fn until(executor: &mut Executor, is_wanted: impl Fn(&Executor) -> bool) {
    for _ in 0..5_000 {
        if is_wanted(executor) {
            return;
        }
        executor.turn().unwrap();
    }
    panic!("it never came to that");
}

fn only_client(executor: &Executor) -> &Session {
    executor.node.clients.iter().next().expect("a client is connected")
}

/// A client that has asked for more than the sockets hold, has quit, and has not read anything yet.
fn leaving(executor: &mut Executor, address: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(address).unwrap();
    let request = format!("SETRANGE big {} x\r\nGET big\r\nQUIT\r\n", BIG_BYTES - 1);
    socket.write_all(request.as_bytes()).unwrap();
    until(executor, |executor| executor.node.clients.iter().any(|one| one.close_after_reply));
    socket
}

fn heard(mut socket: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // The connection may be reset: what came before that counts.
    let _ = socket.read_to_end(&mut bytes);
    bytes
}

#[test]
fn a_held_reply_of_a_leaving_client_ends_with_the_other_clients() {
    let (mut executor, address) = executor();
    let mut socket = TcpStream::connect(address).unwrap();
    until(&mut executor, |executor| executor.node.clients.count() == 1);
    let token = only_client(&executor).token;
    // What it wrote last is not on disk, and there is no log any more that could bring it there.
    executor.node.clients.get_mut(token).unwrap().waits_for_op = 7;
    socket.write_all(b"QUIT\r\n").unwrap();
    until(&mut executor, |executor| only_client(executor).close_after_reply);
    for _ in 0..10 {
        executor.turn_at_once().unwrap();
    }
    assert_eq!(executor.node.net.output_pending(token), b"+OK\r\n".len(), "it is held");
    executor.node.close_clients();
    executor.stage(|stage| stage.carry_out_requests());
    assert!(!executor.node.net.is_open(token));
    assert_eq!(executor.node.barrier.oldest_op(), None);
    assert_eq!(heard(socket), b"");
}

#[test]
fn leaving_clients_count_and_are_bounded() {
    let (mut executor, address) = executor();
    executor.node.limits.maxclients = 1;
    let slow = leaving(&mut executor, address);
    assert_eq!(executor.node.clients.count(), 1);
    let second = TcpStream::connect(address).unwrap();
    until(&mut executor, |executor| executor.node.counters.rejected_connections == 1);
    assert!(heard(second).starts_with(b"-ERR max number of clients reached"));
    executor.node.limits.output_normal.hard_bytes = 1 << 20;
    until(&mut executor, |executor| executor.node.clients.count() == 0);
    assert!(heard(slow).len() < BIG_BYTES);
}

#[test]
fn a_leaving_client_that_takes_nothing_is_let_go() {
    let (mut executor, address) = executor();
    let slow = leaving(&mut executor, address);
    let token = only_client(&executor).token;
    for _ in 0..100 {
        executor.turn_at_once().unwrap();
    }
    let start = executor.node.now;
    executor.look_after_clients();
    executor.node.now = start.plus_ms(59_000);
    executor.look_after_clients();
    assert!(executor.node.net.is_open(token));
    executor.node.now = start.plus_ms(121_000);
    executor.look_after_clients();
    assert!(!executor.node.net.is_open(token));
    assert_eq!(executor.node.clients.count(), 0);
    assert!(heard(slow).len() < BIG_BYTES);
}

#[test]
fn a_leaving_client_that_reads_hears_everything() {
    let (mut executor, address) = executor();
    let slow = leaving(&mut executor, address);
    let reader = std::thread::spawn(move || heard(slow));
    until(&mut executor, |executor| executor.node.clients.count() == 0);
    let bytes = reader.join().unwrap();
    assert!(bytes.len() > BIG_BYTES && bytes.ends_with(b"+OK\r\n"));
}

/// Sends requests to a node and returns its replies; the last of them is that of QUIT.
fn talk(executor: &mut Executor, address: SocketAddr, requests: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(requests.as_bytes()).unwrap();
    socket.write_all(b"QUIT\r\n").unwrap();
    let connected = executor.node.clients.total();
    until(executor, |executor| {
        executor.node.clients.total() > connected && executor.node.clients.count() == 0
    });
    String::from_utf8(heard(socket)).unwrap()
}

#[test]
fn a_transaction_is_bounded_like_a_request() {
    let (mut executor, address) = executor();
    executor.node.limits.client_query_buffer_limit = 1000;
    let value = "v".repeat(600);
    let requests = format!("MULTI\r\nSET k {value}\r\nSET k {value}\r\nEXEC\r\nEXISTS k\r\n");
    assert_eq!(
        talk(&mut executor, address, &requests),
        "+OK\r\n+QUEUED\r\n\
         -ERR the commands of this transaction exceed client-query-buffer-limit\r\n\
         -EXECABORT Transaction discarded because of previous errors.\r\n:0\r\n+OK\r\n"
    );
}

#[test]
fn debug_populate_does_not_write_while_writes_are_held() {
    let (mut executor, address) = executor();
    let words = vec!["yes".to_owned()];
    let directive = Directive { name: "enable-debug-command".to_owned(), words };
    executor.node.config.load([&directive]).unwrap();
    executor.node.holds.fence_until = Some(monotonic_clock().plus_ms(600_000));
    let reply = talk(&mut executor, address, "DEBUG POPULATE 10\r\nDBSIZE\r\n");
    assert_eq!(reply, "-ERR this node takes no writes at the moment\r\n:0\r\n+OK\r\n");
    executor.node.holds.fence_until = None;
    let reply = talk(&mut executor, address, "DEBUG POPULATE 10\r\nDBSIZE\r\n");
    assert_eq!(reply, "+OK\r\n:10\r\n+OK\r\n");
}

#[test]
fn much_that_is_written_does_not_wait_for_the_end_of_the_turn() {
    let (mut executor, address) = executor();
    let dir = tempfile::tempdir().unwrap();
    let owner = Owner {
        cluster: ClusterId(0),
        shard: ShardId(0),
        node: NodeId(0),
        incarnation: Incarnation(1),
    };
    let directory = Directory::open(dir.path(), owner).unwrap();
    let mut log = directory.start(binlog::Options::default()).unwrap();
    log.begin_reign(Epoch(1)).unwrap();
    executor.keys.attach_log(log);
    let _socket = TcpStream::connect(address).unwrap();
    until(&mut executor, |executor| executor.node.clients.count() == 1);
    let token = only_client(&executor).token;
    let mut set = |length: usize| {
        let buffer = [b"SETk".as_slice(), &vec![b'v'; length]].concat();
        let spans = [(0, 3), (3, 1), (4, length)].map(|(start, length)| Span { start, length });
        let args = Args::new(&buffer, &spans);
        executor.stage(|stage| stage.perform(token, table::resolve(&args), &args));
        executor.keys.open_bytes()
    };
    assert!(set(1) > 0, "it waits for more");
    assert_eq!(set(5 << 20), 0);
    drop(executor.keys.detach_log());
}

/// A replica that cannot acknowledge counts as silent, and would be closed.
#[test]
fn a_pause_holds_clients_but_no_replicas() {
    let (mut executor, address) = executor();
    let mut replica = TcpStream::connect(address).unwrap();
    until(&mut executor, |executor| executor.node.clients.count() == 1);
    let token = only_client(&executor).token;
    let online = Downstream { phase: Phase::Online, ..Downstream::default() };
    executor.node.clients.get_mut(token).unwrap().downstream = Some(Box::new(online));
    let until_then = executor.node.now.plus_ms(3_600_000);
    executor.node.holds.pause = Some(Pause { until: until_then, is_all: true });
    replica.write_all(b"REPLCONF ACK 4711\r\n").unwrap();
    until(&mut executor, |executor| {
        let session = executor.node.clients.get(token).unwrap();
        session.downstream.as_ref().is_some_and(|replica| replica.acked == 4711)
    });
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"PING\r\n").unwrap();
    until(&mut executor, |executor| executor.node.clients.held() == 1);
}

#[test]
fn a_long_argument_counts_as_announced() {
    const ANNOUNCED: usize = 1 << 20;
    let (mut executor, address) = executor();
    let mut socket = TcpStream::connect(address).unwrap();
    socket
        .write_all(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${ANNOUNCED}\r\nv").as_bytes())
        .unwrap();
    let bytes = |executor: &Executor| {
        let session = executor.node.clients.iter().next()?;
        Some(client_list::memory_bytes(session, &executor.node.net))
    };
    until(&mut executor, |executor| bytes(executor).is_some_and(|bytes| bytes > ANNOUNCED));
    let token = only_client(&executor).token;
    assert!(executor.node.net.input_length(token) < 100, "of it nearly nothing has come");
    assert!(bytes(&executor).unwrap() < ANNOUNCED + (64 << 10));
}

#[test]
fn who_exceeds_its_limit_is_gone_for_the_next_command_of_the_turn() {
    let (mut executor, address) = executor();
    executor.node.limits.output_normal.hard_bytes = 1 << 20;
    let mut first = TcpStream::connect(address).unwrap();
    let mut second = TcpStream::connect(address).unwrap();
    first.write_all(b"SETRANGE big 4194303 x\r\n").unwrap();
    until(&mut executor, |executor| executor.node.counters.commands == 1);
    until(&mut executor, |executor| executor.node.clients.count() == 2);
    first.write_all(b"GET big\r\n").unwrap();
    second.write_all(b"CLIENT LIST\r\n").unwrap();
    until(&mut executor, |executor| executor.node.counters.commands == 3);
    assert_eq!(executor.node.counters.output_limit_closed, 1);
    // Both were there when the turn began, the first one's first.
    second.shutdown(std::net::Shutdown::Write).unwrap();
    until(&mut executor, |executor| executor.node.clients.count() == 0);
    let list = String::from_utf8(heard(second)).unwrap();
    assert_eq!(list.matches("cmd=").count(), 1, "{list}");
    assert!(list.contains("cmd=client|list"), "{list}");
}

#[test]
fn room_for_a_burst_is_given_back() {
    let (mut executor, address) = executor();
    let mut socket = TcpStream::connect(address).unwrap();
    let burst = 1000;
    socket.write_all(b"PING\r\n".repeat(burst).as_slice()).unwrap();
    until(&mut executor, |executor| executor.node.counters.commands == burst as u64);
    let room = |executor: &mut Executor| {
        executor.batch.trim();
        executor.batch.room()
    };
    let before = room(&mut executor);
    let after = room(&mut executor);
    assert!(before > 10 * after, "{before} requests, then {after}");
}
