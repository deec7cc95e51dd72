//! Replication between Pollux and a real redis-server, in both directions, with whatever the differential tester knows to write.

use std::time::{Duration, Instant};

use testkit::client::{Client, Response};
use testkit::differential::{Duel, RedisServer, Script};

use crate::save::{with_node, with_node_of};
use crate::tls::free_port;

const STEPS: usize = 3000;
const PATIENCE: Duration = Duration::from_secs(60);

/// The reply to words, as text.
pub(crate) fn ask(client: &mut Client, words: &str) -> String {
    let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
    let (_, raw) = client.call_raw(&words).unwrap();
    String::from_utf8_lossy(&raw).into_owned()
}

pub(crate) fn connect(address: &str) -> Client {
    Client::connect(address).unwrap()
}

fn write(client: &mut Client, seed: u64) {
    write_some(client, seed, STEPS);
}

/// Sends the writes of a script of so many steps.
pub(crate) fn write_some(client: &mut Client, seed: u64, steps: usize) {
    Script::generate(seed, steps).write_to(client).unwrap();
}

/// Takes all expiries off, so that time changes nothing any more, and waits until the replica has everything.
pub(crate) fn come_to_rest(master: &mut Client, replica: &mut Client) {
    for db in 0..3 {
        ask(master, &format!("SELECT {db}"));
        let Response::Array(keys) = master.call(&[b"KEYS", b"*"]).unwrap() else {
            panic!("KEYS gives a list")
        };
        for key in keys {
            let Response::Bulk(key) = key else { panic!("a key is a string") };
            master.call_raw(&[b"PERSIST", &key]).unwrap();
        }
    }
    ask(master, "SELECT 0");
    ask(master, "SET rest 1");
    until("the replica is up", || ask(replica, "INFO replication").contains("link_status:up"));
    until("the replica has everything", || ask(master, "WAIT 1 1000") == ":1\r\n");
}

pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::yield_now();
    }
}

fn assert_equal(redis: &str, pollux: &str) {
    let duel = Duel { redis: redis.to_owned(), pollux: pollux.to_owned() };
    let found = duel.compare_keyspace().unwrap();
    assert!(found.is_none(), "{}", found.unwrap());
}

pub(crate) fn replicaof(client: &mut Client, master: &str) {
    // There are no others to wait for.
    ask(&mut connect(master), "CONFIG SET repl-diskless-sync-delay 0");
    let (host, port) = master.split_once(':').unwrap();
    assert_eq!(ask(client, &format!("REPLICAOF {host} {port}")), "+OK\r\n");
}

/// The value of a field of INFO.
pub(crate) fn field(client: &mut Client, section: &str, name: &str) -> String {
    let info = ask(client, &format!("INFO {section}"));
    let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("no {name} in {info}")).to_owned()
}

/// A stream of 7.2 with the entries 1-2 and 5-0, and 1-1 and 1-2 pending at `alice`; 1-1 was deleted.
const PENDING_THOUGH_DELETED: &str = "15011000000000000000010000000000000001393900000016000201010101018161020001030100010001816202040102010001010181\
     6302040100010401dfff0201018164028165020601ff020500010201010301016701020202000000000000000100000000000000013fba\
     b701a201000001000000000000000100000000000000023fbab701a2010000010105616c6963653fbab701a20100003fbab701a2010000\
     0200000000000000010000000000000001000000000000000100000000000000020b000d2000647ff07541";

/// What is restored in a form of 7.2 reaches a replica of 7.0 whole.
#[test]
fn a_restored_stream_keeps_what_is_pending_at_a_real_replica() {
    let redis = RedisServer::start().expect("redis-server can be started");
    let mut replica = connect(&redis.address());
    let digits: Vec<u8> = PENDING_THOUGH_DELETED.bytes().collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let payload: Vec<u8> = digits.chunks(2).map(byte).collect();
    let dir = tempfile::tempdir().unwrap();
    with_node(dir.path(), |address, master| {
        replicaof(&mut replica, address);
        until("the replica is up", || {
            ask(&mut replica, "INFO replication").contains("link_status:up")
        });
        assert_eq!(
            master.call(&[b"RESTORE", b"s", b"0", &payload]).unwrap(),
            Response::Simple("OK".to_owned())
        );
        // What we dump ourselves is no older in its type.
        let Response::Bulk(own) = master.call(&[b"DUMP", b"s"]).unwrap() else { panic!("a dump") };
        let restored = master.call(&[b"RESTORE", b"copy", b"0", &own]).unwrap();
        assert_eq!(restored, Response::Simple("OK".to_owned()));
        come_to_rest(master, &mut replica);
        let pending = |client: &mut Client| {
            let reply = ask(client, "XPENDING s g - + 10");
            ["1-1", "1-2"].map(|id| reply.contains(id))
        };
        assert_eq!(pending(master), [true, true]);
        assert_eq!(pending(&mut replica), [true, true]);
        assert_eq!(ask(&mut replica, "XLEN s"), ":2\r\n");
        let copied = ask(&mut replica, "XPENDING copy g - + 10");
        assert!(copied.contains("1-1") && copied.contains("1-2"), "{copied}");
    });
}

#[test]
fn a_real_server_follows_pollux() {
    let redis = RedisServer::start().expect("redis-server can be started");
    let mut replica = connect(&redis.address());
    let dir = tempfile::tempdir().unwrap();
    with_node(dir.path(), |address, master| {
        write(master, 1);
        replicaof(&mut replica, address);
        write(master, 2);
        come_to_rest(master, &mut replica);
        assert_equal(&redis.address(), address);
        assert!(ask(master, "CLIENT LIST TYPE replica").contains("flags=S"));
        assert!(field(master, "replication", "slave0").contains("state=online"));

        // A cut costs only what was missed.
        assert_eq!(ask(master, "CLIENT KILL TYPE replica"), ":1\r\n");
        write(master, 3);
        come_to_rest(master, &mut replica);
        assert_equal(&redis.address(), address);
        assert_eq!(field(master, "stats", "sync_full"), "1");
        assert_eq!(field(master, "stats", "sync_partial_ok"), "1");
    });
}

#[test]
fn pollux_follows_a_real_server_and_goes_on_alone() {
    let redis = RedisServer::start().expect("redis-server can be started");
    let mut master = connect(&redis.address());
    ask(&mut master, "CONFIG SET repl-diskless-sync-delay 0");
    let dir = tempfile::tempdir().unwrap();
    write(&mut master, 4);
    with_node(dir.path(), |address, replica| {
        ask(replica, "SET mine 1");
        replicaof(replica, &redis.address());
        write(&mut master, 5);
        come_to_rest(&mut master, replica);
        assert_equal(&redis.address(), address);
        let stats = ask(replica, "INFO commandstats");
        let failed: Vec<&str> =
            stats.lines().filter(|line| !line.ends_with("failed_calls=0")).skip(2).collect();
        assert_eq!(field(replica, "stats", "unexpected_error_replies"), "0", "{failed:?}");
        assert!(ask(replica, "SET k v").starts_with("-READONLY"));

        assert_eq!(ask(replica, "CLIENT KILL TYPE master"), ":1\r\n");
        write(&mut master, 6);
        come_to_rest(&mut master, replica);
        assert_equal(&redis.address(), address);
        assert_eq!(field(&mut master, "stats", "sync_partial_ok"), "1");
        assert_eq!(ask(replica, "REPLICAOF NO ONE"), "+OK\r\n");
        assert_eq!(ask(replica, "SET rest 1"), "+OK\r\n");
    });
    // The image and the log behind it are on disk.
    with_node(dir.path(), |address, _| assert_equal(&redis.address(), address));
}

/// Subscribers of a replica hear of what its master does.
#[test]
fn a_replica_tells_of_what_it_applies() {
    let redis = RedisServer::start().expect("redis-server can be started");
    let mut master = connect(&redis.address());
    ask(&mut master, "CONFIG SET repl-diskless-sync-delay 0");
    let dir = tempfile::tempdir().unwrap();
    with_node(dir.path(), |address, replica| {
        replicaof(replica, &redis.address());
        until("the replica is up", || ask(replica, "INFO replication").contains("status:up"));
        ask(replica, "CONFIG SET notify-keyspace-events EA");
        let mut listener = connect(address);
        ask(&mut listener, "PSUBSCRIBE __keyevent@0__:*");
        for words in [
            "SET k v PX 50",
            "RPUSH l a b",
            "LPOP l 2",
            "SPOP none",
            "EVAL return{redis.call('incr','n')} 0",
        ] {
            ask(&mut master, words);
        }
        let mut heard = Vec::new();
        // The master's word ends the key: here nothing expires by itself.
        while heard.last().is_none_or(|event| event != "del k") {
            let (response, _) = listener.receive().unwrap();
            let (Response::Array(parts) | Response::Push(parts)) = response else {
                panic!("{response:?}")
            };
            let text =
                |at: usize| String::from_utf8_lossy(parts[at].as_bytes().unwrap()).into_owned();
            let channel = text(2);
            let event = channel.rsplit_once(':').unwrap().1;
            heard.push(format!("{event} {}", text(3)));
        }
        let expected = ["set k", "expire k", "rpush l", "lpop l", "del l", "incrby n", "del k"];
        assert_eq!(heard, expected);
    });
}

/// Deadlines of fields hold at a replica, and over a restart.
#[test]
fn fields_expire_at_replicas_and_after_a_restart() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    with_node(one.path(), |first, master| {
        ask(master, "HSET h a 1 b 2 c 3 d 4");
        ask(master, "HPEXPIRE h 3600000 FIELDS 1 a");
        with_node(two.path(), |_, replica| {
            replicaof(replica, first);
            until("the image is here", || ask(replica, "HLEN h") == ":4\r\n");
            ask(master, "HPEXPIRE h 1 FIELDS 1 b");
            ask(master, "HEXPIRE h 7200 FIELDS 1 c");
            until("the field is gone at the replica", || ask(replica, "HLEN h") == ":3\r\n");
            assert_eq!(ask(master, "WAIT 1 30000"), ":1\r\n");
            let times = "HPEXPIRETIME h FIELDS 4 a b c d";
            assert_eq!(ask(master, times), ask(replica, times));
            let digest = |client: &mut Client| ask(client, "DEBUG DIGEST");
            // The field is hidden at once, and deleted when the master says so.
            until("the digests are equal", || digest(master) == digest(replica));
        });
        ask(master, "HPEXPIRE h 1 FIELDS 1 d");
    });
    let times = |client: &mut Client| {
        let told = ask(client, "HPTTL h FIELDS 4 a b c d");
        told.split("\r\n")
            .skip(1)
            .map(|ttl| ttl.trim_start_matches(':').parse::<i64>().is_ok_and(|ms| ms > 0))
            .collect()
    };
    for (dir, fields) in [(&one, ":2\r\n"), (&two, ":3\r\n")] {
        with_node(dir.path(), |_, client| {
            ask(client, "REPLICAOF NO ONE");
            until("what was due is gone", || ask(client, "HLEN h") == fields);
            let left: Vec<bool> = times(client);
            assert_eq!(left[..3], [true, false, true], "deadlines of a and c are kept");
        });
    }
}

/// Redis before 7.4 knows no deadlines of fields: such a replica holds the fields, and hears when they are gone.
#[test]
fn a_server_that_knows_no_deadlines_of_fields_follows() {
    let redis = RedisServer::start().expect("redis-server can be started");
    let mut replica = connect(&redis.address());
    let dir = tempfile::tempdir().unwrap();
    with_node(dir.path(), |address, master| {
        // In the image: packed, and as a table.
        ask(master, "HSET packed a 1 b 2");
        ask(master, "HEXPIRE packed 3600 FIELDS 1 a");
        let fill = "for i = 1, 1000 do redis.call('HSET', 'table', i, 'v') \
                    redis.call('HEXPIRE', 'table', 3600 + i, 'FIELDS', 1, i) end";
        let words: [&[u8]; 3] = [b"EVAL", fill.as_bytes(), b"0"];
        master.call_raw(&words).unwrap();
        replicaof(&mut replica, address);
        until("the image is there", || ask(&mut replica, "HLEN table") == ":1000\r\n");
        assert_eq!(ask(&mut replica, "HGET packed a"), "$1\r\n1\r\n");
        // In the stream: a transaction is kept whole.
        ask(master, "MULTI");
        ask(master, "SET whole 1");
        ask(master, "HSET h f 1 g 2 k 3");
        ask(master, "HEXPIRE h 100 FIELDS 2 f g");
        ask(master, "HINCRBY h f 4");
        ask(master, "EXEC");
        ask(master, "HPERSIST h FIELDS 1 f");
        let Response::Bulk(payload) = master.call(&[b"DUMP", b"h"]).unwrap() else {
            panic!("a payload is a string")
        };
        master.call_raw(&[b"RESTORE", b"restored", b"0", &payload]).unwrap();
        ask(master, "HPEXPIRE h 1 FIELDS 2 g k");
        ask(master, "HPEXPIRE packed 1 FIELDS 1 a");
        until("due fields are gone", || ask(&mut replica, "HLEN h") == ":1\r\n");
        until("due fields of the image too", || ask(&mut replica, "HLEN packed") == ":1\r\n");
        assert_eq!(ask(&mut replica, "HGET h f"), "$1\r\n5\r\n");
        assert_eq!(ask(&mut replica, "GET whole"), "$1\r\n1\r\n");
        assert_eq!(ask(&mut replica, "HLEN restored"), ":3\r\n");
        assert_eq!(field(&mut replica, "stats", "unexpected_error_replies"), "0");
        assert_eq!(field(master, "stats", "sync_full"), "1");
        assert_eq!(ask(master, "WAIT 1 60000"), ":1\r\n");
    });
    // From its own image the node knows them all the same.
    with_node(dir.path(), |_, client| {
        let times = ask(client, "HTTL table FIELDS 3 1 500 1000");
        assert!(!times.contains(":-"), "{times}");
    });
}

/// A master that goes on after a restart does not say again which database it is in; our own replicas need to know.
#[test]
fn a_replica_of_a_restarted_replica_knows_the_database() {
    let redis = RedisServer::start().expect("redis-server can be started");
    let last = RedisServer::start().expect("redis-server can be started");
    let (mut master, mut last) = (connect(&redis.address()), connect(&last.address()));
    // Nothing is in the stream but what is written here.
    ask(&mut master, "CONFIG SET repl-ping-replica-period 3600");
    ask(&mut master, "CONFIG SET repl-timeout 3600");
    let dir = tempfile::tempdir().unwrap();
    let is_up = |client: &mut Client| ask(client, "INFO replication").contains("link_status:up");
    with_node(dir.path(), |_, replica| {
        replicaof(replica, &redis.address());
        until("the replica is up", || is_up(replica));
        ask(&mut master, "SELECT 5");
        ask(&mut master, "SET early 1");
        assert_eq!(ask(&mut master, "WAIT 1 60000"), ":1\r\n");
    });
    let there = redis.address().replace(':', " ");
    with_node_of(dir.path(), &[("replicaof", &there)], |address, replica| {
        until("the replica is up again", || is_up(replica));
        replicaof(&mut last, address);
        until("the last one is up", || is_up(&mut last));
        ask(&mut master, "SET late 1");
        for client in [&mut *replica, &mut last] {
            ask(client, "SELECT 5");
            until("the key is where it was written", || ask(client, "EXISTS late") == ":1\r\n");
            assert_eq!(ask(client, "INFO keyspace").matches("keys=").count(), 1);
        }
        assert_eq!(field(&mut master, "stats", "sync_partial_ok"), "1");
        ask(replica, "SELECT 0");
    });
}

/// Who hears nothing counts its master as gone, so a pause does not keep a master from saying that it is there.
#[test]
fn replicas_hear_of_a_master_that_pauses() {
    let redis = RedisServer::start().expect("redis-server can be started");
    let mut replica = connect(&redis.address());
    let dir = tempfile::tempdir().unwrap();
    with_node_of(dir.path(), &[("repl-ping-replica-period", "1")], |address, master| {
        replicaof(&mut replica, address);
        ask(master, "SET k v");
        until("the key is there", || ask(&mut replica, "EXISTS k") == ":1\r\n");
        assert_eq!(ask(master, "CLIENT PAUSE 3600000 WRITE"), "+OK\r\n");
        let has = |replica: &mut Client| field(replica, "replication", "slave_repl_offset");
        let paused_at = has(&mut replica);
        // The first may have been on its way when the pause began.
        for _ in 0..2 {
            let before = has(&mut replica);
            until("the master says something", || has(&mut replica) != before);
        }
        assert_ne!(has(&mut replica), paused_at);
        assert_eq!(ask(master, "CLIENT UNPAUSE"), "+OK\r\n");
    });
}

#[test]
fn keys_migrate_to_a_real_server_and_back() {
    let redis = RedisServer::start().expect("redis-server can be started");
    let mut other = connect(&redis.address());
    let port = |address: &str| address.rsplit_once(':').unwrap().1.to_owned();
    let dir = tempfile::tempdir().unwrap();
    with_node(dir.path(), |address, client| {
        let there = format!("MIGRATE 127.0.0.1 {}", port(&redis.address()));
        ask(client, "RPUSH list a b c");
        ask(client, "SET text hello PX 100000");
        ask(client, "ZADD scores 1.5 m");
        assert_eq!(ask(client, &format!("{there} none 0 1000")), "+NOKEY\r\n");
        assert_eq!(ask(client, &format!("{there} list 3 1000 COPY")), "+OK\r\n");
        assert_eq!(ask(client, "EXISTS list"), ":1\r\n");
        let busy =
            "-ERR Target instance replied with error: BUSYKEY Target key name already exists.\r\n";
        assert_eq!(ask(client, &format!("{there} list 3 1000")), busy);
        assert_eq!(ask(client, &format!("{there} list 3 1000 REPLACE")), "+OK\r\n");
        assert_eq!(ask(client, "EXISTS list"), ":0\r\n");
        let several: Vec<&[u8]> = vec![b"", b"0", b"1000", b"KEYS", b"text", b"gone", b"scores"];
        let words: Vec<&[u8]> = there.split(' ').map(str::as_bytes).chain(several).collect();
        assert_eq!(client.call_raw(&words).unwrap().1, b"+OK\r\n");
        assert_eq!(ask(client, "DBSIZE"), ":0\r\n");
        assert!(ask(&mut other, "PTTL text").len() > 7, "the expiry came along");
        let here = format!("MIGRATE 127.0.0.1 {} scores 0 1000", port(address));
        assert_eq!(ask(&mut other, &here), "+OK\r\n");
        assert_eq!(ask(client, "ZSCORE scores m"), "$3\r\n1.5\r\n");
        let nobody = "MIGRATE 127.0.0.1 1 scores 0 1000";
        assert_eq!(ask(client, nobody), "-IOERR error or timeout connecting to the client\r\n");
        // Somebody who takes connections, and says nothing.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let silent = silent.local_addr().unwrap().port();
        let heard = ask(client, &format!("MIGRATE 127.0.0.1 {silent} scores 0 50"));
        assert!(heard.starts_with("-IOERR error or timeout"), "{heard}");
        assert_eq!(ask(client, "EXISTS scores"), ":1\r\n");
    });
}

#[test]
fn a_stopped_node_goes_on_where_it_was() {
    let redis = RedisServer::start().expect("redis-server can be started");
    let mut replica = connect(&redis.address());
    let dir = tempfile::tempdir().unwrap();
    with_node(dir.path(), |address, master| {
        replicaof(&mut replica, address);
        write(master, 9);
        come_to_rest(master, &mut replica);
        until("the replica has every byte of the stream", || {
            let told = field(master, "replication", "master_repl_offset");
            told == field(&mut replica, "replication", "slave_repl_offset")
        });
    });
    with_node(dir.path(), |address, master| {
        // It has another port now.
        replicaof(&mut replica, address);
        write(master, 10);
        come_to_rest(master, &mut replica);
        assert_equal(&redis.address(), address);
        assert_eq!(field(master, "stats", "sync_full"), "0");
    });
}

/// FAILOVER: the master waits until its replica has everything, and then follows it.
#[test]
fn a_master_hands_its_role_over() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    with_node(one.path(), |first, old| {
        assert!(ask(old, "FAILOVER").starts_with("-ERR FAILOVER requires connected replicas"));
        // A replica tells its master the port that it was given.
        let port = free_port().to_string();
        with_node_of(two.path(), &[("port", &port)], |second, new| {
            replicaof(new, first);
            write(old, 11);
            come_to_rest(old, new);
            assert_eq!(ask(old, "FAILOVER ABORT"), "-ERR No failover in progress.\r\n");
            assert!(ask(new, "FAILOVER").starts_with("-ERR FAILOVER is not valid"));
            let nobody = "-ERR FAILOVER target HOST and PORT is not a replica.\r\n";
            assert_eq!(ask(old, "FAILOVER TO 127.0.0.1 1"), nobody);
            let (host, port) = second.split_once(':').unwrap();
            assert_eq!(ask(old, &format!("FAILOVER TO {host} {port} TIMEOUT 60000")), "+OK\r\n");
            until("the failover is over", || {
                field(old, "replication", "master_failover_state") == "no-failover"
            });
            assert_eq!(field(old, "replication", "role"), "slave");
            assert_eq!(field(new, "replication", "role"), "master");
            write(new, 12);
            come_to_rest(new, old);
            assert_eq!(field(new, "stats", "sync_full"), "0");
            let digest = |client: &mut Client| ask(client, "DEBUG DIGEST");
            assert_eq!(digest(new), digest(old));
        });
    });
}

/// The old master becomes a replica of the new one, which was its replica, without a full synchronisation.
#[test]
fn roles_change_without_a_full_synchronisation() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    with_node(one.path(), |first, old| {
        with_node(two.path(), |second, new| {
            replicaof(new, first);
            write(old, 7);
            come_to_rest(old, new);
            assert_eq!(ask(new, "REPLICAOF NO ONE"), "+OK\r\n");
            replicaof(old, second);
            write(new, 8);
            come_to_rest(new, old);
            assert_eq!(field(new, "stats", "sync_full"), "0");
            assert_eq!(field(new, "stats", "sync_partial_ok"), "1");
            let digest = |client: &mut Client| ask(client, "DEBUG DIGEST");
            assert_eq!(digest(new), digest(old));
        });
    });
}

/// CLIENT PAUSE at a replica stops what its master says as well: the bytes wait, and are told of.
#[test]
fn a_paused_replica_reads_but_does_not_run() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    with_node(one.path(), |first, master| {
        ask(master, "CONFIG SET repl-ping-replica-period 3600");
        with_node(two.path(), |_, replica| {
            replicaof(replica, first);
            until("the stream is open", || {
                ask(master, "INCR a");
                field(replica, "replication", "slave_repl_offset") != "0"
            });
            let told = |client: &mut Client, name| field(client, "replication", name);
            let before = told(master, "master_repl_offset");
            until("all of it has run", || told(replica, "slave_repl_offset") == before);
            assert_eq!(ask(replica, "CLIENT PAUSE 100000 WRITE"), "+OK\r\n");
            ask(master, "SET b 2");
            let after = told(master, "master_repl_offset");
            until("it was read", || told(replica, "slave_read_repl_offset") == after);
            assert_eq!(told(replica, "slave_repl_offset"), before);
            assert_eq!(ask(replica, "EXISTS a b"), ":1\r\n");
            assert_eq!(ask(replica, "CLIENT UNPAUSE"), "+OK\r\n");
            until("it has run", || told(replica, "slave_repl_offset") == after);
            assert_eq!(ask(replica, "EXISTS a b"), ":2\r\n");
        });
    });
}

/// What a script declares decides whether a replica runs it, also in a transaction that was queued before.
#[test]
fn a_replica_asks_what_scripts_declare() {
    fn eval(client: &mut Client, code: &str) -> String {
        let (_, raw) = client.call_raw(&[b"EVAL", code.as_bytes(), b"0"]).unwrap();
        String::from_utf8_lossy(&raw).into_owned()
    }
    let dir = tempfile::tempdir().unwrap();
    with_node(dir.path(), |address, node| {
        let mut queued = connect(address);
        assert_eq!(ask(&mut queued, "MULTI"), "+OK\r\n");
        assert_eq!(eval(&mut queued, "#!lua\nreturn 1"), "+QUEUED\r\n");
        // Nobody is there.
        assert_eq!(ask(node, "REPLICAOF 127.0.0.1 1"), "+OK\r\n");
        let aborted = "-EXECABORT Transaction discarded because of: READONLY ";
        assert!(ask(&mut queued, "EXEC").starts_with(aborted));
        let refused = "-READONLY You can't write against a read only replica.";
        assert!(eval(node, "#!lua\nreturn 1").starts_with(refused));
        assert_eq!(eval(node, "#!lua flags=no-writes\nreturn 1"), ":1\r\n");
        assert_eq!(ask(node, "CONFIG SET replica-serve-stale-data no"), "+OK\r\n");
        assert!(eval(node, "#!lua flags=no-writes\nreturn 1").starts_with("-MASTERDOWN "));
        assert!(eval(node, "return 1").starts_with("-MASTERDOWN "));
        let stale = "#!lua flags=no-writes,allow-stale\n";
        assert_eq!(eval(node, &format!("{stale}return 1")), ":1\r\n");
        let refused = eval(node, &format!("{stale}return redis.call('get', 'x')"));
        assert!(refused.contains("Can not execute the command on a stale replica"), "{refused}");
        assert_eq!(ask(node, "CONFIG SET replica-serve-stale-data yes"), "+OK\r\n");
        assert!(eval(node, "return redis.call('set', 'x', '1')").starts_with("-READONLY "));
        assert_eq!(ask(node, "CONFIG SET replica-read-only no"), "+OK\r\n");
        assert_eq!(eval(node, "return redis.call('set', 'x', '1')"), "+OK\r\n");
    });
}
