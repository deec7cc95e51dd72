//! A replica without its data: it fetches all of it, and people see how far it is.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;
use serde_json::Value;
use testkit::client::Client;
use testkit::site::{Site, eventually, master, node_of, pid, replica, signal};
use wire::resp::response::Response;

use super::POLLUX;

/// Enough that a full sync is seen by `up`, which looks every 100 ms, on any machine, and more than a master sends as log.
const KEYS: usize = 1200;
const VALUE_BYTES: usize = 200_000;

/// Bytes that do not compress, different for each key.
fn value(key: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ (key as u64 + 1);
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(VALUE_BYTES / 8).flatten().collect()
}

fn fill(client: &mut Client) {
    for key in 0..KEYS {
        let reply = client.call(&[b"SET", format!("key:{key}").as_bytes(), &value(key)]).unwrap();
        assert_eq!(reply, Response::Simple("OK".into()));
    }
}

/// Kills the process of `node` and takes its data away.
fn empty(site: &Site, node: &Value) {
    let dir = site.data().join("nodes").join(node["id"].as_str().unwrap());
    // Its name goes first, so that a process that is started meanwhile finds all of it or nothing.
    let doomed = site.data().join("taken-away");
    fs::rename(&dir, &doomed).unwrap();
    signal(pid(node), Signal::KILL);
    fs::remove_dir_all(&doomed).unwrap();
}

/// DBSIZE and some values, at the endpoint.
fn check_data(site: &Site) {
    let mut client = site.client();
    assert_eq!(client.call(&[b"DBSIZE"]).unwrap(), Response::Integer(KEYS as i64));
    for key in (0..KEYS).step_by(97) {
        let held = client.call(&[b"GET", format!("key:{key}").as_bytes()]).unwrap();
        assert!(held == Response::Bulk(value(key)), "key:{key}");
    }
}

#[test]
fn an_emptied_replica_fetches_everything_while_people_watch() {
    let site = Site::running(POLLUX, &[]);
    let before = site.wait_ready();
    fill(&mut site.client());
    let lost = replica(&before).clone();
    site.wait_shard("equal OpIDs", |shard| replica(shard)["opid"] == master(shard)["opid"]);

    empty(&site, &lost);
    let is_syncing = AtomicBool::new(false);
    let after = site.wait_shard("the emptied replica in sync again", |shard| {
        let node = node_of(shard, &lost["id"]);
        is_syncing.fetch_or(node["state"] == "syncing", Ordering::Relaxed);
        node["pid"] != lost["pid"] && node["in_sync"] == true && node["state"] == "in-sync"
    });
    assert_eq!(after["master"], before["master"], "{}", site.everything_printed());
    assert!(is_syncing.into_inner(), "the status told of it\n{}", site.everything_printed());
    let id = lost["id"].as_str().unwrap();
    for line in [
        format!("the data of {id} is gone; it fetches everything from"),
        format!("{id}: full sync "),
        format!("{id} is in its place"),
    ] {
        eventually(&line, || site.printed().contains(&line).then_some(()));
    }

    // What it fetched is all there is left.
    site.wait_shard("equal OpIDs", |shard| replica(shard)["opid"] == master(shard)["opid"]);
    signal(pid(master(&after)), Signal::KILL);
    site.wait_shard("the fetched copy as master", |shard| shard["master"] == lost["id"]);
    check_data(&site);
}

#[test]
fn a_master_that_comes_back_emptied_is_replaced_and_fetches_everything() {
    let mut site = Site::running(POLLUX, &[]);
    let before = site.wait_ready();
    let mut client = site.client();
    client.call(&[b"SET", b"kept", b"1"]).unwrap();
    // WAIT would do with what the replica has in memory, and its process is killed as well.
    let durable = client.call(&[b"WAITAOF", b"0", b"1", b"0"]).unwrap();
    assert!(
        matches!(&durable, Response::Array(on) if on[1] == Response::Integer(1)),
        "{durable:?}"
    );
    site.kill_all();
    let id = master(&before)["id"].as_str().unwrap().to_owned();
    fs::remove_dir_all(site.data().join("nodes").join(&id)).unwrap();

    site.up(&[]);
    let after = site.wait_ready();
    assert_ne!(after["master"], before["master"], "{}", site.everything_printed());
    let kept = site.client().call(&[b"GET", b"kept"]).unwrap();
    assert_eq!(kept, Response::Bulk(b"1".to_vec()));
}
