//! A fresh `pollux up`: what a new user sees.

use testkit::site::{Site, eventually};
use wire::resp::response::Response;

use super::POLLUX;

#[test]
fn up_brings_a_master_and_a_replica_and_says_where() {
    let mut site = Site::running(POLLUX, &[]);
    for part in ["new cluster", "ready: instance default", "redis-cli -h 127.0.0.1 -p", "Ctrl-C"] {
        eventually(part, || site.printed().contains(part).then_some(()));
    }

    // RESP2, then RESP3 on the same connection.
    let mut client = site.client();
    assert_eq!(client.call(&[b"SET", b"k", b"v"]).unwrap(), Response::Simple("OK".into()));
    assert_eq!(client.call(&[b"GET", b"k"]).unwrap(), Response::Bulk(b"v".to_vec()));
    let hello = client.call(&[b"HELLO", b"3"]).unwrap();
    assert_eq!(hello.get("proto"), Some(&Response::Integer(3)), "{hello:?}");
    assert_eq!(hello.get("role").and_then(Response::as_bytes), Some(&b"master"[..]));
    client.call(&[b"HSET", b"h", b"f", b"1"]).unwrap();
    let all = client.call(&[b"HGETALL", b"h"]).unwrap();
    assert!(matches!(all, Response::Map(_)), "{all:?}");

    // The status: one master, one replica, both with a pid and an address, in sync.
    let shard = site.wait_ready();
    let nodes = shard["nodes"].as_array().unwrap();
    let mut roles: Vec<&str> = nodes.iter().map(|node| node["role"].as_str().unwrap()).collect();
    roles.sort_unstable();
    assert_eq!(roles, ["master", "replica"]);
    assert!(nodes.iter().all(|node| node["pid"].is_u64() && node["address"].is_string()));
    let table = site.pollux(&["status"]);
    let table = String::from_utf8(table.stdout).unwrap();
    for part in ["node-1", "node-2", "in-sync", "epoch 1"] {
        assert!(table.contains(part), "{part}:\n{table}");
    }

    assert!(site.stop().success(), "{}", site.everything_printed());
    assert_eq!(site.pids(), [0_u32; 0], "everything has ended");
    let unreachable = site.pollux(&["status"]);
    let text = String::from_utf8_lossy(&unreachable.stderr).into_owned();
    assert_eq!(unreachable.status.code(), Some(1));
    assert!(text.contains("pollux up"), "{text}");
}

#[test]
fn a_single_node_with_a_password_and_three_config_servers() {
    let options = ["--edition", "single", "--requirepass", "a \"secret\"", "--config-servers", "3"];
    let site = Site::running(POLLUX, &options);
    let mut client = site.client();
    let refused = client.call(&[b"GET", b"k"]).unwrap();
    assert!(matches!(&refused, Response::Error(text) if text.starts_with("NOAUTH")), "{refused:?}");
    assert_eq!(client.call(&[b"AUTH", b"a \"secret\""]).unwrap(), Response::Simple("OK".into()));
    assert_eq!(client.call(&[b"SET", b"k", b"v"]).unwrap(), Response::Simple("OK".into()));
    let shard = site.wait_ready();
    assert_eq!(shard["nodes"].as_array().unwrap().len(), 1);
}

#[test]
fn a_second_up_on_the_same_directory_is_refused() {
    let site = Site::running(POLLUX, &["--edition", "single"]);
    let second = site.pollux(&["up"]);
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1));
    assert!(text.contains(&format!("process {}", site.up_pid())), "{text}");
    assert!(text.contains("pollux status"), "{text}");
}

#[test]
fn a_second_instance_lives_beside_the_first_and_is_deleted_with_its_data() {
    let site = Site::running(POLLUX, &[]);
    let port = Site::new(POLLUX).port().to_string();
    let made = site.pollux(&["instance", "create", "jobs", "--port", &port, "--edition", "single"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let address = format!("127.0.0.1:{port}");
    let mut jobs =
        eventually("the second endpoint", || testkit::client::Client::connect(&address).ok());
    assert_eq!(jobs.call(&[b"SET", b"j", b"1"]).unwrap(), Response::Simple("OK".into()));
    assert_eq!(site.client().call(&[b"GET", b"j"]).unwrap(), Response::Null);

    let again = site.pollux(&["instance", "create", "jobs", "--port", &port]);
    assert_eq!(again.status.code(), Some(1));
    let deleted = site.pollux(&["instance", "delete", "jobs", "--yes"]);
    assert!(deleted.status.success(), "{}", String::from_utf8_lossy(&deleted.stderr));
    eventually("its directory to go", || {
        (!site.data().join("nodes/node-3").is_dir()).then_some(())
    });
    eventually("the instance to go", || {
        let listed = site.pollux(&["instance", "list"]);
        (!String::from_utf8_lossy(&listed.stdout).contains("jobs")).then_some(())
    });
    assert!(site.data().join("nodes/node-1").is_dir());
}
