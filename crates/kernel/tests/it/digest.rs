//! A real redis-server on the other end of a link, under write load with all types: DEBUG DIGEST gives the same word.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use testkit::client::Client;
use testkit::differential::RedisServer;

use crate::interop::{ask, come_to_rest, connect, field, replicaof, until, write_some};
use crate::save::with_node;

/// Clients that write until they are told to stop.
struct Load<'s> {
    is_over: &'s AtomicBool,
}

impl Load<'_> {
    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    /// What the differential tester knows to write.
    fn write_anything(&self, address: &str, mut seed: u64) {
        let mut client = connect(address);
        while self.goes_on() {
            seed += 1;
            write_some(&mut client, seed, 200);
        }
    }

    /// Scripts, transactions, keys that expire, streams with groups, and elements for those who wait.
    fn write_deliberately(&self, address: &str) {
        let mut client = connect(address);
        let lines = [
            "SET short 1 PX 3",
            "SET long 1 EX 1000",
            "GETEX long PX 2",
            "HSET hash f 1 g 2.5 h text",
            "HINCRBYFLOAT hash g 0.1",
            "PEXPIRE hash 4",
            "INCRBYFLOAT float 0.3",
            "ZADD scores 0.1 a 3.14159 b -1e300 c 17 d",
            "ZINCRBY scores 0.7 a",
            "ZADD wanted 1.5 x 2 y",
            "SADD members 1 2 3 4 5 x y z",
            "SPOP members 2",
            "SPOP members",
            "MULTI",
            "MSET one 1 two 2",
            "DEL one none",
            "LPUSH wanted-list a b c",
            "EXEC",
            "EVAL return{redis.call('incr','n'),redis.call('rpush','made',redis.call('time')[1])} 0",
            "LTRIM made -20 -1",
            "XADD events MAXLEN ~ 50 * f v",
            "XADD events * g w h 12",
            "XGROUP CREATE events readers 0",
            "XREADGROUP GROUP readers alice COUNT 3 STREAMS events >",
            "XAUTOCLAIM events readers bob 0 - COUNT 2",
            "XADD waited-for * f v",
            "PFADD visitors a b c",
            "SETBIT bits 1234 1",
            "GEOADD places 13.361389 38.115556 p 15.087269 37.502669 q",
            "GEOSEARCHSTORE near places FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST",
            "SELECT 2",
            "APPEND text more",
            "COPY text other DB 1 REPLACE",
            "SELECT 0",
        ];
        while self.goes_on() {
            lines.iter().for_each(|line| drop(ask(&mut client, line)));
        }
    }

    /// Waits for elements.
    fn take(&self, address: &str, command: &str) {
        let mut client = connect(address);
        ask(&mut client, "XGROUP CREATE waited-for g $ MKSTREAM");
        while self.goes_on() {
            ask(&mut client, command);
        }
    }
}

/// Runs `act` while clients write to `master`.
fn under_load(master: &str, seed: u64, act: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    let load = Load { is_over: &is_over };
    thread::scope(|scope| {
        scope.spawn(|| load.write_anything(master, seed));
        scope.spawn(|| load.write_deliberately(master));
        for command in [
            "BLPOP wanted-list 0.05",
            "BLMOVE wanted-list moved LEFT RIGHT 0.05",
            "BZPOPMIN wanted 0.05",
            "BZMPOP 0.05 1 wanted MAX COUNT 2",
            "XREADGROUP GROUP g me BLOCK 50 STREAMS waited-for >",
        ] {
            let load = &load;
            scope.spawn(move || load.take(master, command));
        }
        // Also when it panics, or the clients would go on for ever.
        struct End<'e>(&'e AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _end = End(&is_over);
        act();
    });
}

/// A full synchronisation and a partial one under load.
fn synchronise(master: &mut Client, replica: &mut Client, address: &str) {
    let number =
        |client: &mut Client, name: &str| field(client, "stats", name).parse::<u64>().unwrap();
    replicaof(replica, address);
    until("the replica is up", || ask(replica, "INFO replication").contains("link_status:up"));
    let (partial, writes) =
        (number(master, "sync_partial_ok"), number(master, "total_commands_processed"));
    until("more is written", || number(master, "total_commands_processed") > writes + 2000);
    assert_eq!(ask(master, "CLIENT KILL TYPE replica"), ":1\r\n");
    until("the replica goes on", || number(master, "sync_partial_ok") > partial);
    let writes = number(master, "total_commands_processed");
    until("more is written", || number(master, "total_commands_processed") > writes + 2000);
}

fn assert_digests_equal(master: &mut Client, replica: &mut Client) {
    let digest = |client: &mut Client| ask(client, "DEBUG DIGEST");
    until("the digests are equal", || digest(master) == digest(replica));
    assert_ne!(digest(master), format!("+{}\r\n", "0".repeat(40)));
    for key in ["scores", "hash", "events", "members", "made", "near", "visitors", "n"] {
        let digest = |client: &mut Client| ask(client, &format!("DEBUG DIGEST-VALUE {key}"));
        assert_eq!(digest(master), digest(replica), "{key}");
    }
}

#[test]
fn of_a_real_server_that_follows_pollux_under_load() {
    let redis = RedisServer::start().expect("redis-server can be started");
    let mut replica = connect(&redis.address());
    let dir = tempfile::tempdir().unwrap();
    with_node(dir.path(), |address, master| {
        under_load(address, 100, || synchronise(master, &mut replica, address));
        come_to_rest(master, &mut replica);
        assert_digests_equal(master, &mut replica);
        assert_eq!(field(master, "stats", "sync_full"), "1");
    });
}

#[test]
fn of_pollux_that_follows_a_real_server_under_load() {
    let redis = RedisServer::start().expect("redis-server can be started");
    let mut master = connect(&redis.address());
    ask(&mut master, "CONFIG SET repl-diskless-sync-delay 0");
    let dir = tempfile::tempdir().unwrap();
    with_node(dir.path(), |_, replica| {
        let address = redis.address();
        under_load(&address, 200, || synchronise(&mut master, replica, &address));
        come_to_rest(&mut master, replica);
        assert_digests_equal(&mut master, replica);
        let stats = ask(replica, "INFO commandstats");
        let is_bad = |line: &&str| {
            line.contains(",rejected_calls=") && !line.ends_with(",rejected_calls=0,failed_calls=0")
        };
        let failed: Vec<&str> = stats.lines().filter(is_bad).collect();
        assert_eq!(field(replica, "stats", "unexpected_error_replies"), "0", "{failed:?}");
    });
}
