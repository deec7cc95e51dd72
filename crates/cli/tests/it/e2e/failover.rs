//! The master dies or hangs.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;
use testkit::client::Client;
use testkit::oracle::{Account, Oracle, judge};
use testkit::site::{Site, discarded_ops, eventually, master, node_of, pid, replica, signal};
use wire::resp::response::Response;

use super::POLLUX;

/// Waits until another node than `old` is master and everything is in place again.
fn wait_for_successor(site: &Site, old: &Value) -> Value {
    site.wait_shard("a new master", |shard| {
        shard["master"].is_string() && shard["master"] != old["id"]
    });
    site.wait_ready()
}

/// Loss is allowed in the class `async`, but only as much as the status says.
fn check_loss(site: &Site, shard: &Value, accounts: &[Account]) {
    let verdict = judge(&mut site.client(), accounts);
    let told = discarded_ops(shard);
    assert!(verdict.lost <= told, "{verdict:?}, told: {told}\n{}", site.everything_printed());
    assert_eq!((verdict.doubled, verdict.reordered, verdict.invented), (0, 0, 0), "{verdict:?}");
}

fn info(client: &mut Client, section: &str, field: &str) -> String {
    let reply = client.call(&[b"INFO", section.as_bytes()]).unwrap();
    let text = String::from_utf8(reply.as_bytes().unwrap().to_vec()).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {field} in\n{text}")).to_owned()
}

/// The record of the first failover.
fn failover_record(site: &Site) -> Value {
    let events = site.pollux(&["events", "--json"]);
    let events: Value = serde_json::from_slice(&events.stdout).unwrap();
    let failover = events.as_array().unwrap().iter().find(|event| event["kind"] == "failover");
    failover.expect("an event")["record"].clone()
}

#[test]
fn a_killed_master_is_replaced_and_returns_as_a_replica_by_partial_sync() {
    let site = Site::running(POLLUX, &[]);
    let before = site.wait_ready();
    let old = master(&before).clone();
    let oracle = Oracle::start(&site.endpoint(), 4);
    oracle.wait_for(1_000);
    signal(pid(&old), Signal::KILL);
    let after = wait_for_successor(&site, &old);
    oracle.wait_for(500);
    let accounts = oracle.stop();

    assert!(after["epoch"].as_u64() > before["epoch"].as_u64());
    assert_eq!(node_of(&after, &old["id"])["role"], "replica");
    check_loss(&site, &after, &accounts);
    let mut client = site.client();
    assert_eq!(info(&mut client, "stats", "sync_full"), "0", "{}", site.everything_printed());
    // Once more when it had ops to set aside: it asks again after it has cut them.
    let partial: u64 = info(&mut client, "stats", "sync_partial_ok").parse().unwrap();
    assert!((1..=2).contains(&partial), "{partial}");

    // The failover can be explained afterwards, with the cause of death.
    let record = failover_record(&site);
    let decision = record["decision"].as_str().unwrap();
    assert!(decision.starts_with(&format!("pid {} ended by signal 9;", pid(&old))), "{decision}");
    assert_eq!(record["from"], old["id"], "{record:#}");
    assert!(!record["candidates"].as_array().unwrap().is_empty(), "{record:#}");
}

#[test]
fn what_every_replica_held_survives_any_number_of_failovers() {
    let site = Site::running(POLLUX, &["--replicas", "2"]);
    let mut kept = 0;
    for round in 0..3 {
        let mut client = site.client();
        for serial in 0..50 {
            let key = format!("kept:{round}:{serial}");
            client.call(&[b"SET", key.as_bytes(), b"x"]).unwrap();
            kept += 1;
        }
        assert_eq!(client.call(&[b"WAIT", b"2", b"0"]).unwrap(), Response::Integer(2));
        let shard = site.wait_ready();
        let old = master(&shard).clone();
        signal(pid(&old), Signal::KILL);
        wait_for_successor(&site, &old);
        assert_eq!(site.client().call(&[b"DBSIZE"]).unwrap(), Response::Integer(kept));
    }
}

/// The replica is stopped, so that what the master acknowledges then cannot reach it; the master dies; the
/// replica goes on. How much is lost depends on what the sockets held, and must be told exactly.
#[test]
fn ops_that_only_the_dead_master_had_are_set_aside_and_counted() {
    let site = Site::running(POLLUX, &[]);
    let before = site.wait_ready();
    let (old, other) = (master(&before).clone(), replica(&before).clone());
    let mut client = site.client();
    client.call(&[b"SET", b"before", b"x"]).unwrap();
    assert_eq!(client.call(&[b"WAIT", b"1", b"0"]).unwrap(), Response::Integer(1));
    signal(pid(&other), Signal::STOP);
    let value = vec![b'v'; 1 << 20];
    // More than sockets hold between two processes.
    let sent = 48;
    for serial in 0..sent {
        let key = format!("late:{serial}");
        let reply = client.call(&[b"SET", key.as_bytes(), &value]).unwrap();
        assert_eq!(reply, Response::Simple("OK".into()));
    }
    signal(pid(&old), Signal::KILL);
    signal(pid(&other), Signal::CONT);
    site.wait_shard("the end of the old process", |shard| {
        node_of(shard, &old["id"])["pid"] != old["pid"]
    });
    let after = site.wait_ready();
    let Response::Integer(held) = site.client().call(&[b"DBSIZE"]).unwrap() else {
        panic!("DBSIZE")
    };
    let lost = sent + 1 - u64::try_from(held).unwrap();
    assert_eq!(discarded_ops(&after), lost, "{}", site.everything_printed());
    if after["master"] == old["id"] {
        // The replica was given up before the master died: then nothing may be lost.
        assert_eq!(lost, 0);
        return;
    }
    assert!(lost > 0, "the sockets cannot have held that much");
    let dir = site.data().join("nodes").join(old["id"].as_str().unwrap());
    let aside = |name: &str| name.starts_with("discarded-");
    let names = fs::read_dir(dir.join("binlog")).unwrap();
    let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.any(|name| aside(&name)), "{}", site.everything_printed());
    let log = fs::read_to_string(dir.join("node.log")).unwrap();
    assert!(log.contains("set aside") && log.contains(&lost.to_string()), "{log}");
    assert_eq!(site.client().call(&[b"GET", b"before"]).unwrap(), Response::Bulk(b"x".to_vec()));

    // The count belongs to the directory, not to the process.
    let returned = node_of(&after, &old["id"]);
    signal(pid(returned), Signal::KILL);
    let again = site.wait_shard("its next process", |shard| {
        let node = node_of(shard, &old["id"]);
        node["pid"].is_u64() && node["pid"] != returned["pid"] && node["state"] == "in-sync"
    });
    assert_eq!(discarded_ops(&again), lost);
}

#[test]
fn a_stopped_master_is_replaced() {
    let site = Site::running(POLLUX, &[]);
    let before = site.wait_ready();
    let old = master(&before).clone();
    let oracle = Oracle::start(&site.endpoint(), 2);
    oracle.wait_for(500);
    signal(pid(&old), Signal::STOP);
    let after = wait_for_successor(&site, &old);
    oracle.wait_for(500);
    check_loss(&site, &after, &oracle.stop());
    let record = failover_record(&site);
    let decision = record["decision"].as_str().unwrap();
    // Who loses patience first, the agent or the config server, is open on a busy machine.
    let causes = ["was hung (no answer for ", "was killed as ordered;"];
    let is_told = |cause: &&str| decision.starts_with(&format!("pid {} {cause}", pid(&old)));
    assert!(causes.iter().any(is_told), "{decision}");
}

/// Agent and config server sleep as well, so nobody can kill the master and nobody can renew its lease. It wakes
/// alone, when its lease has run out, with a write waiting in its socket.
#[test]
fn a_master_that_wakes_after_its_lease_acknowledges_nothing() {
    let site = Site::running(POLLUX, &["--edition", "single"]);
    let shard = site.wait_ready();
    let master = pid(master(&shard));
    let mut client = site.client();
    assert_eq!(client.call(&[b"SET", b"k", b"1"]).unwrap(), Response::Simple("OK".into()));
    let others = [site.pid_of("agent").unwrap(), site.pid_of("config").unwrap()];
    for pid in others {
        signal(pid, Signal::STOP);
    }
    signal(master, Signal::STOP);
    client.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n2\r\n").unwrap();
    let lease = std::time::Duration::from_millis(3_000);
    let asleep = std::time::Instant::now();
    eventually("the end of the lease", || (asleep.elapsed() > lease).then_some(()));
    signal(master, Signal::CONT);
    match client.receive() {
        Ok((Response::Error(text), _)) => assert!(text.starts_with("READONLY"), "{text}"),
        Ok((reply, _)) => panic!("acknowledged without a lease: {reply:?}"),
        Err(_) => {}
    }
    for pid in others {
        signal(pid, Signal::CONT);
    }
    site.wait_ready();
    assert_eq!(site.client().call(&[b"GET", b"k"]).unwrap(), Response::Bulk(b"1".to_vec()));
}
