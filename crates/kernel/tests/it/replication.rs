//! Two and three nodes of a shard: who follows whom, from where, and what becomes of what differs.

use std::path::Path;
use std::process::{Command, Stdio};

use base::{Epoch, OpId, UnixMs};
use cluster::api::{NodePhase, NodeRole};
use kernel::member::MemberError;
use kernel::replicate::handshake::Peer;
use testkit::certificates::Authority;
use testkit::client::Client;
use wire::effect::{Effect, End, Expiry};
use wire::frame::Frame;
use wire::record::{self, Flags, Head, Origin};
use wire::resp::response::Response;

use crate::shard::{Node, call, free_endpoint, hello, text};

/// A lease that outlasts every test.
const LONG_MS: u64 = 600_000;

#[test]
fn a_replica_follows_from_memory_and_after_a_restart_from_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Node::start(dir.path(), 1), Node::start(dir.path(), 2));
    let (mut first, mut second) = (one.agent(), two.agent());
    let mut client = first.make_master(1, free_endpoint(), LONG_MS);
    second.make_replica(1, &one);
    for number in 0..100 {
        call(&mut client, &format!("RPUSH list {number}"));
    }
    let at = first.state().opid;
    assert_eq!(at, 100);
    let state = second.until_at(at);
    assert_eq!((state.role, state.phase), (NodeRole::Replica, NodePhase::Ready));
    first.until(|state| state.replicas.first().is_some_and(|r| r.acked == at && r.lag_ops == 0));

    assert_eq!(second.until(|state| state.followed == state.epoch).epoch.0, 1);
    drop(second);
    let two = two.restart(dir.path());
    call(&mut client, "RPUSH list 100");
    let mut second = two.agent();
    assert_eq!(second.state().phase, NodePhase::Waiting);
    assert_eq!(second.state().opid, 100);
    second.make_replica(1, &one);
    let state = second.until_at(101);
    assert_eq!(state.discarded_ops, 0);

    // To be told whom to follow is not to follow.
    second.until(|state| state.followed.0 == 1);
    second.order(&format!("ROLE REPLICA 2 node-9 {}", free_endpoint()));
    let state = second.until(|state| state.link.as_ref().is_some_and(|link| !link.up));
    assert_eq!((state.epoch.0, state.phase, state.followed.0), (2, NodePhase::Ready, 1));
}

/// Node 2 was promoted, and died before it wrote anything; node 1, which nobody had told, wrote where node 2 would have.
#[test]
fn a_reign_that_wrote_nothing_does_not_keep_its_node_from_following() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Node::start(dir.path(), 1), Node::start(dir.path(), 2));
    let (mut first, mut second) = (one.agent(), two.agent());
    let mut client = first.make_master(3, free_endpoint(), LONG_MS);
    second.make_replica(3, &one);
    call(&mut client, "SET both 1");
    second.until_at(1);
    second.make_master(5, free_endpoint(), LONG_MS);
    let mut client = first.make_master(4, free_endpoint(), LONG_MS);
    for number in 0..10 {
        call(&mut client, &format!("SET key:{number} 1"));
    }
    drop((client, first, second));
    let (one, two) = (one.restart(dir.path()), two.restart(dir.path()));
    let (mut first, mut second) = (one.agent(), two.agent());
    let mut client = first.make_master(6, free_endpoint(), LONG_MS);
    second.make_replica(6, &one);
    second.until_at(11);
    call(&mut client, "SET more 1");
    let state = second.until_at(12);
    assert_eq!((state.opid_epoch.0, state.discarded_ops), (6, 0));
}

#[test]
fn a_master_that_is_made_master_again_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Node::start(dir.path(), 1), Node::start(dir.path(), 2));
    let (mut first, mut second) = (one.agent(), two.agent());
    let (before, behind) = (free_endpoint(), free_endpoint());
    let mut client = first.make_master(1, before, LONG_MS);
    second.make_replica(1, &one);
    call(&mut client, "SET k 1");
    second.until_at(1);
    first.order("FENCE 1 60000");
    first.order(&format!("ROLE MASTER 2 {behind}"));
    let state = first.until(|state| !state.endpoint_bound);
    assert_eq!((state.lease_ms_left, state.fenced), (None, false));
    assert!(client.call(&[b"PING"]).is_err(), "its clients are closed");
    assert!(Client::connect(&before.to_string()).is_err(), "its old endpoint is closed");
    first.order(&format!("LEASE {} 2 {LONG_MS}", state.nonce));
    first.until(|state| state.endpoint_bound);
    let mut client = Client::connect(&behind.to_string()).unwrap();
    assert_eq!(text(&call(&mut client, "GET k")), "1");
    second.make_replica(2, &one);
    call(&mut client, "SET k 2");
    second.until_at(2);
}

#[test]
fn what_the_new_master_never_had_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Node::start(dir.path(), 1), Node::start(dir.path(), 2));
    let (mut first, mut second) = (one.agent(), two.agent());
    let mut client = first.make_master(1, free_endpoint(), LONG_MS);
    second.make_replica(1, &one);
    call(&mut client, "SET both 1");
    second.until_at(1);
    // Node 2 becomes master without node 1 knowing; both go on.
    let mut elsewhere = second.make_master(2, free_endpoint(), LONG_MS);
    for number in 0..3 {
        call(&mut client, &format!("SET lost {number}"));
    }
    call(&mut elsewhere, "SET kept 1");
    first.make_replica(2, &two);
    let state = first.until_at(2);
    assert_eq!((state.discarded_ops, state.last_discarded_ops), (3, 3));
    assert_eq!(one.files("discarded-1").len(), 1);

    let mut client = first.make_master(3, free_endpoint(), LONG_MS);
    assert_eq!(text(&call(&mut client, "GET both")), "1");
    assert_eq!(text(&call(&mut client, "GET kept")), "1");
    assert_eq!(call(&mut client, "EXISTS lost"), Response::Integer(0));
}

#[test]
fn a_full_synchronisation_brings_everything() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Node::start(dir.path(), 1), Node::start(dir.path(), 2));
    let (mut first, mut second) = (one.agent(), two.agent());
    // Node 2 has a history of its own, which has nothing in common with that of node 1.
    let mut alone = second.make_master(1, free_endpoint(), LONG_MS);
    call(&mut alone, "SET own 1");
    let mut client = first.make_master(2, free_endpoint(), LONG_MS);
    let value = "v".repeat(1000);
    for number in 0..2000 {
        call(&mut client, &format!("SET key:{number} {value}"));
    }
    // What node 1 has besides its checkpoint does not reach back to the beginning.
    assert_eq!(text(&call(&mut client, "SAVE")), "OK");
    drop((client, first));
    std::fs::remove_file(one.stop().join("00000000000000000001.binlog")).unwrap();
    let one = Node::start(dir.path(), 1);
    let mut first = one.agent();
    let mut client = first.make_master(3, free_endpoint(), LONG_MS);
    second.make_replica(3, &one);
    let state = second.until_at(2000);
    assert_eq!(state.discarded_ops, 1);
    call(&mut client, "SET after 1");
    second.until_at(2001);
    assert!(text(&call(&mut client, "INFO stats")).contains("sync_full:1\r\n"));

    let mut client = second.make_master(4, free_endpoint(), LONG_MS);
    assert_eq!(call(&mut client, "DBSIZE"), Response::Integer(2001));
    assert_eq!(call(&mut client, "EXISTS own after key:1999"), Response::Integer(2));
    assert_eq!(text(&call(&mut client, "GET key:77")), value);
}

/// How lately a key was used is no data, but where RESTORE says it, all nodes shall know.
#[test]
fn the_idle_time_of_a_restored_key_reaches_replica_and_log() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Node::start(dir.path(), 1), Node::start(dir.path(), 2));
    let (mut first, mut second) = (one.agent(), two.agent());
    let mut client = first.make_master(1, free_endpoint(), LONG_MS);
    second.make_replica(1, &one);
    call(&mut client, "SET k v");
    let Response::Bulk(payload) = call(&mut client, "DUMP k") else { panic!("a value is dumped") };
    client.call(&[b"RESTORE", b"k", b"0", &payload, b"REPLACE", b"IDLETIME", b"5000"]).unwrap();
    let at = first.state().opid;
    second.until_at(at);
    drop(second);
    let two = two.restart(dir.path());
    let mut client = two.agent().make_master(2, free_endpoint(), LONG_MS);
    let idle = call(&mut client, "OBJECT IDLETIME k");
    assert!(matches!(idle, Response::Integer(5000..6000)), "{idle:?}");
}

#[test]
fn a_master_that_cannot_load_its_data_ends_and_as_a_replica_fetches_it() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Node::start(dir.path(), 1), Node::start(dir.path(), 2));
    let (mut first, mut second) = (one.agent(), two.agent());
    let mut client = second.make_master(1, free_endpoint(), LONG_MS);
    first.make_replica(1, &two);
    for number in 0..100 {
        call(&mut client, &format!("SET key:{number} 1"));
    }
    first.until_at(100);
    assert_eq!(text(&call(&mut client, "SAVE")), "OK");
    // The checkpoint of node 2 is damaged, and no log is left that would replace it.
    let [image] = two.files("checkpoint-").try_into().expect("one image");
    let log = two.stop();
    let image = log.join(image);
    let mut bytes = std::fs::read(&image).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&image, &bytes).unwrap();
    std::fs::remove_file(log.join("00000000000000000001.binlog")).unwrap();

    let mut two = Node::start(dir.path(), 2);
    let endpoint = free_endpoint();
    two.agent().order(&format!("ROLE MASTER 2 {endpoint}"));
    let error = two.wait_failed();
    assert!(matches!(error, MemberError::DataLost { .. }), "{error}");
    assert!(error.to_string().contains(&image.display().to_string()), "{error}");
    assert!(Client::connect(&endpoint.to_string()).is_err(), "nobody was served");
    drop(two);

    let mut client = first.make_master(3, free_endpoint(), LONG_MS);
    let two = Node::start(dir.path(), 2);
    let mut second = two.agent();
    second.make_replica(3, &one);
    second.until_at(100);
    call(&mut client, "SET more 1");
    second.until_at(101);
    assert!(text(&call(&mut client, "INFO stats")).contains("sync_full:1\r\n"));
}

#[test]
fn a_switchover_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Node::start(dir.path(), 1), Node::start(dir.path(), 2));
    let (mut first, mut second) = (one.agent(), two.agent());
    let endpoint = free_endpoint();
    let mut client = first.make_master(1, endpoint, LONG_MS);
    second.make_replica(1, &one);
    for number in 0..500 {
        call(&mut client, &format!("SET key:{number} 1"));
    }
    first.order("FENCE 1 60000");
    client.send(b"*3\r\n$3\r\nSET\r\n$4\r\nheld\r\n$1\r\n1\r\n").unwrap();
    let fenced = first.state();
    assert!(fenced.fenced);
    let state = second.until_at(fenced.opid);
    assert_eq!(state.opid_epoch, fenced.opid_epoch);
    first.make_replica(2, &two);
    first.until(|state| !state.endpoint_bound);
    let mut client = second.make_master(2, endpoint, LONG_MS);
    // The connection ended without an answer: the held write happened nowhere.
    assert_eq!(call(&mut client, "DBSIZE"), Response::Integer(500));
    call(&mut client, "SET more 1");
    let state = first.until_at(501);
    assert_eq!(state.discarded_ops, 0);
    assert_eq!(state.epoch.0, 2);
}

#[test]
fn a_fence_holds_writes_until_it_is_lifted() {
    let dir = tempfile::tempdir().unwrap();
    let one = Node::start(dir.path(), 1);
    let mut first = one.agent();
    let mut client = first.make_master(1, free_endpoint(), LONG_MS);
    first.order("FENCE 1 60000");
    client.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n1\r\n").unwrap();
    assert_eq!(first.state().opid, 0);
    first.order("UNFENCE 1");
    assert_eq!(text(&client.receive().unwrap().0), "OK");
    assert_eq!(first.until(|state| state.opid == 1).opid, 1);
    assert!(first.refused("FENCE 2 1000").starts_with("STALE"));
}

#[test]
fn a_master_without_a_lease_serves_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let one = Node::start(dir.path(), 1);
    let mut first = one.agent();
    let endpoint = free_endpoint();
    first.order(&format!("ROLE MASTER 1 {endpoint}"));
    let state = first.until(|state| state.phase == NodePhase::Ready);
    assert!(!state.endpoint_bound && state.lease_ms_left.is_none());
    first.order(&format!("LEASE {} 1 300", state.nonce));
    first.until(|state| state.endpoint_bound);
    let mut client = Client::connect(&endpoint.to_string()).unwrap();
    call(&mut client, "SET k 1");
    let state = first.until(|state| !state.endpoint_bound);
    assert!(state.lease_ms_left.is_some_and(|left| left <= 0));
    assert!(client.call(&[b"PING"]).is_err(), "its clients are closed");
    assert!(Client::connect(&endpoint.to_string()).is_err(), "its endpoint is closed");
    // A lease asked for before it ran out counts from then; a new one lets it go on.
    assert!(first.refused(&format!("LEASE {} 2 3000", state.nonce)).starts_with("STALE"));
    assert!(first.refused("LEASE 1 1 3000").starts_with("STALE"));
    first.order(&format!("LEASE {} 1 60000", state.nonce));
    first.until(|state| state.endpoint_bound);
    let mut client = Client::connect(&endpoint.to_string()).unwrap();
    assert_eq!(text(&call(&mut client, "GET k")), "1");
}

#[test]
fn old_orders_and_second_masters_of_an_epoch_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Node::start(dir.path(), 1), Node::start(dir.path(), 2));
    let mut first = one.agent();
    let endpoint = free_endpoint();
    drop(first.make_master(5, endpoint, LONG_MS));
    let replica = format!("node-2 {}", two.address);
    assert!(first.refused(&format!("ROLE REPLICA 4 {replica}")).starts_with("STALE"));
    assert!(first.refused(&format!("ROLE REPLICA 5 {replica}")).starts_with("STALE"));
    first.order(&format!("ROLE MASTER 5 {endpoint}"));
    drop(first);
    let one = one.restart(dir.path());
    let mut first = one.agent();
    assert_eq!(first.state().epoch.0, 0, "a new process has no role");
    assert!(first.refused("ROLE MASTER 5 -").starts_with("STALE"), "an epoch has one master");
    first.order("ROLE MASTER 6 -");
}

#[test]
fn strangers_are_refused_before_anything_happens() {
    let dir = tempfile::tempdir().unwrap();
    let one = Node::start(dir.path(), 1);
    let check = |bytes: &[u8], expect: &str| {
        let mut client = Client::connect(&one.address.to_string()).unwrap();
        client.send(bytes).unwrap();
        let answer = text(&client.receive().unwrap().0);
        assert!(answer.starts_with(expect), "{answer}");
        assert!(client.receive().is_err(), "closed after {answer}");
    };
    check(b"GET / HTTP/1.1\r\n\r\n", "ERR this address is for the cluster's own traffic");
    check(b"*1\r\n$4\r\nPING\r\n", "ERR this address is for the cluster's own traffic");
    check(b"*2\r\n$6\r\nPOLLUX\r\n$5\r\nSTATE\r\n", "NOAUTH");
    check(b"*1\r\n$999999999\r\n", "ERR Protocol error");
    check(b"*2\r\n$6\r\nPOLLUX\r\n$5\r\nHELLO\r\n", "ERR wrong number");
    let mut wrong = hello(Peer::Agent);
    wrong.secret = b"guess".to_vec();
    let words = wrong.words();
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let mut client = Client::connect(&one.address.to_string()).unwrap();
    assert_eq!(text(&client.call(&words).unwrap()), "IDENTITY secret differs");
    assert!(client.receive().is_err());
    assert_eq!(one.agent().state().role, NodeRole::None);
}

#[test]
fn pollux_is_unknown_at_the_endpoint() {
    let dir = tempfile::tempdir().unwrap();
    let one = Node::start(dir.path(), 1);
    let mut client = one.agent().make_master(1, free_endpoint(), LONG_MS);
    let answer = text(&call(&mut client, "POLLUX STATE"));
    assert!(answer.starts_with("ERR unknown command 'POLLUX'"), "{answer}");
}

#[test]
fn encrypted_clients_are_served_by_the_master_only() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("one");
    let ca = authority.write(dir.path(), "one");
    let identity = authority.issue(dir.path(), "node");
    let port = free_endpoint().port().to_string();
    let file = |path: &Path| path.to_str().unwrap().to_owned();
    let (certificate, key) = (file(&identity.certificate_file), file(&identity.key_file));
    let parameters = [
        ("tls-port", port.as_str()),
        ("tls-cert-file", certificate.as_str()),
        ("tls-key-file", key.as_str()),
        ("tls-auth-clients", "no"),
    ];
    let node = Node::start_with(dir.path(), 1, &parameters);
    let mut agent = node.agent();
    let endpoint = free_endpoint();
    let ask = || {
        let mut cli = Command::new("redis-cli");
        cli.args(["-h", "127.0.0.1", "-p", &port, "--tls", "--cacert"]).arg(&ca).arg("PING");
        String::from_utf8(cli.stdin(Stdio::null()).output().unwrap().stdout).unwrap()
    };
    assert_eq!(ask(), "", "nobody is served before there is a role");
    agent.make_master(1, endpoint, LONG_MS);
    assert_eq!(ask(), "PONG\n");
    agent.order(&format!("ROLE REPLICA 2 node-9 {}", free_endpoint()));
    agent.until(|state| !state.endpoint_bound);
    assert_eq!(ask(), "");
}

#[test]
fn a_client_may_wait_for_replicas_and_disks() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Node::start(dir.path(), 1), Node::start(dir.path(), 2));
    let (mut first, mut second) = (one.agent(), two.agent());
    let mut client = first.make_master(1, free_endpoint(), LONG_MS);
    call(&mut client, "SET k 1");
    assert_eq!(call(&mut client, "WAIT 0 0"), Response::Integer(0));
    assert_eq!(call(&mut client, "WAIT 1 1"), Response::Integer(0), "nobody follows");
    assert_eq!(text(&call(&mut client, "WAIT 1 -1")), "ERR timeout is negative");
    second.make_replica(1, &one);
    assert_eq!(call(&mut client, "WAIT 1 0"), Response::Integer(1));
    let both = Response::Array(vec![Response::Integer(1), Response::Integer(1)]);
    assert_eq!(call(&mut client, "WAITAOF 1 1 0"), both);
    let role = call(&mut client, "ROLE");
    let Response::Array(role) = role else { panic!("{role:?}") };
    assert_eq!(text(&role[0]), "master");
    assert!(matches!(&role[2], Response::Array(replicas) if replicas.len() == 1));
    let info = text(&call(&mut client, "INFO replication"));
    assert!(info.contains("role:master") && info.contains("connected_slaves:1"), "{info}");
}

#[test]
fn a_replica_is_served_from_disk_when_memory_has_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let one = Node::start(dir.path(), 1);
    let mut first = one.agent();
    let mut client = first.make_master(1, free_endpoint(), LONG_MS);
    for number in 0..300 {
        call(&mut client, &format!("ZADD zset {number} member:{number}"));
    }
    call(&mut client, "SET gone 1 PXAT 1");
    drop((client, first));
    // What it wrote in its former life is on its disk only.
    let one = one.restart(dir.path());
    let mut first = one.agent();
    let mut client = first.make_master(2, free_endpoint(), LONG_MS);
    call(&mut client, "ZADD zset 300 member:300");
    let at = first.state().opid;
    let two = Node::start(dir.path(), 2);
    let mut second = two.agent();
    second.make_replica(2, &one);
    let state = second.until_at(at);
    assert_eq!(state.opid_epoch.0, 2);
    let mut client = second.make_master(3, free_endpoint(), LONG_MS);
    assert_eq!(call(&mut client, "ZCARD zset"), Response::Integer(301));
    assert_eq!(call(&mut client, "EXISTS gone"), Response::Integer(0));
}

/// One group of records of epoch 1 in a frame, as a master sends it.
fn frame_of(first: u64, effects: &[Effect<'_>]) -> Vec<u8> {
    let (mut records, mut newest) = (Vec::new(), 0);
    for (opid, effect) in (first..).zip(effects) {
        let head = Head {
            opid: OpId::new(opid).unwrap(),
            epoch: Epoch(1),
            time: UnixMs(1),
            origin: Origin::default(),
            flags: Flags::MORE,
            db: 0,
        };
        newest = record::open(&mut records, &head);
        effect.encode(&mut records);
        record::close(&mut records, newest);
    }
    record::end_group(&mut records, newest);
    record::seal(&mut records);
    let mut frame = Vec::new();
    Frame::Records(&records).encode(&mut frame);
    frame
}

/// The second half of a group does not fit, the first half is in memory by then.
#[test]
fn nobody_reigns_over_half_a_group() {
    let dir = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (done, until_done) = std::sync::mpsc::channel::<()>();
    let (seen, until_seen) = std::sync::mpsc::channel::<String>();
    let thread = std::thread::spawn(move || {
        let accept = || {
            let mut socket = listener.accept().unwrap().0;
            let mut input = [0; 4096];
            std::io::Read::read(&mut socket, &mut input).unwrap();
            let hello = b"*2\r\n$4\r\nnode\r\n$6\r\nnode-9\r\n";
            std::io::Write::write_all(&mut socket, hello).unwrap();
            let length = std::io::Read::read(&mut socket, &mut input).unwrap();
            (socket, String::from_utf8_lossy(&input[..length]).into_owned())
        };
        let (mut socket, asked) = accept();
        assert!(!asked.contains("FULL"), "{asked}");
        let set = |key| Effect::SetString { key, value: b"1", expiry: Expiry::Clear };
        let push = Effect::ListPush { key: b"whole", end: End::Tail, values: vec![b"1"] };
        let mut answer = b"+CONTINUE 0\r\n".to_vec();
        answer.extend(frame_of(1, &[set(b"whole")]));
        answer.extend(frame_of(2, &[set(b"half"), push]));
        std::io::Write::write_all(&mut socket, &answer).unwrap();
        let (_socket, asked) = accept();
        seen.send(asked).unwrap();
        // It never gets the answer.
        let _ = until_done.recv();
    });
    let one = Node::start(dir.path(), 1);
    let mut first = one.agent();
    first.order(&format!("ROLE REPLICA 1 node-9 {address}"));
    let why = |state: &cluster::api::NodeState| {
        state.link.as_ref().and_then(|link| link.why_down.clone()).unwrap_or_default()
    };
    let state = first.until(|state| why(state).contains("op 3 does not fit"));
    assert_eq!((state.phase, state.opid), (NodePhase::Waiting, 1));
    let asked = until_seen.recv().unwrap();
    assert!(asked.contains("FULL"), "{asked}");
    let mut client = first.make_master(2, free_endpoint(), LONG_MS);
    assert_eq!(call(&mut client, "EXISTS whole"), Response::Integer(1));
    assert_eq!(call(&mut client, "EXISTS half"), Response::Integer(0));
    assert_eq!(first.state().opid, 1);
    drop(done);
    thread.join().unwrap();
}

#[test]
fn a_master_that_sends_rubbish_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, until_seen) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut input = [0; 4096];
        let mut answer = |reply: &[u8]| {
            std::io::Read::read(&mut socket, &mut input).unwrap();
            std::io::Write::write_all(&mut socket, reply).unwrap();
        };
        answer(b"*2\r\n$4\r\nnode\r\n$6\r\nnode-9\r\n");
        answer(b"+CONTINUE 0\r\n\xff\xff\xff\xff is the length of no frame");
        // Until then the next attempt is neither refused nor answered, so that the reason stands.
        let _ = until_seen.recv();
    });
    let one = Node::start(dir.path(), 1);
    let mut first = one.agent();
    first.order(&format!("ROLE REPLICA 1 node-9 {address}"));
    let why = |state: &cluster::api::NodeState| {
        state.link.as_ref().and_then(|link| link.why_down.clone()).unwrap_or_default()
    };
    first.until(|state| why(state).starts_with("broken frame"));
    drop(seen);
    thread.join().unwrap();
    // Nobody listens there any more: the link says so, and the node goes on.
    first.until(|state| why(state).starts_with("cannot reach the master"));
}

/// No command makes a record of any size: a link and a log bound what they take at once.
#[test]
fn large_results_are_stored_in_parts() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Node::start(dir.path(), 1), Node::start(dir.path(), 2));
    let (mut first, mut second) = (one.agent(), two.agent());
    let mut client = first.make_master(1, free_endpoint(), LONG_MS);
    second.make_replica(1, &one);
    let members: String = (0..5000).map(|number| format!(" member:{number}")).collect();
    let scored: String = (0..5000).map(|number| format!(" {number} member:{number}")).collect();
    call(&mut client, &format!("SADD set{members}"));
    call(&mut client, &format!("ZADD zset{scored}"));
    for (store, parts) in [
        ("SUNIONSTORE target set", 5),
        ("ZUNIONSTORE target 1 zset", 1 + 5),
        ("ZRANGESTORE target zset 0 -1", 1 + 5),
        ("SORT set ALPHA STORE target", 1 + 5),
        ("SPOP set 4999", 5),
        ("ZREMRANGEBYRANK zset 1 -1", 5),
    ] {
        let before = first.state().opid;
        call(&mut client, store);
        let after = first.state().opid;
        assert_eq!(after - before, parts, "{store}");
        second.until_at(after);
    }
}

/// Orders and leases come by links that clients neither see nor close.
#[test]
fn clients_cannot_end_the_links_of_the_cluster() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), 1);
    let mut agent = node.agent();
    let mut client = agent.make_master(1, free_endpoint(), LONG_MS);
    let list = text(&call(&mut client, "CLIENT LIST"));
    assert!(list.lines().count() == 1 && list.contains("cmd=client|list"), "{list}");
    let own = list.split(' ').find_map(|word| word.strip_prefix("laddr=")).unwrap();
    for filter in ["TYPE normal", "SKIPME yes", &format!("LADDR {}", node.address)] {
        assert_eq!(call(&mut client, &format!("CLIENT KILL {filter}")), Response::Integer(0));
    }
    for id in 1..10 {
        call(&mut client, &format!("CLIENT KILL ID {id} SKIPME yes"));
    }
    assert_ne!(own, node.address.to_string());
    // Its connection is the one that it had.
    assert_eq!(agent.state().role, NodeRole::Master);
}
