//! TLS between servers: a real redis-server and Pollux follow each other, and keys migrate.

use std::net::TcpListener;
use std::path::Path;

use testkit::certificates::{Authority, Identity};
use testkit::client::Client;
use testkit::differential::RedisServer;

use crate::interop::{ask, connect, field, until};
use crate::save::with_node_of;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// REPLICAOF a port for TLS.
fn replicaof(client: &mut Client, master: &str) {
    let (host, port) = master.split_once(':').unwrap();
    assert_eq!(ask(client, &format!("REPLICAOF {host} {port}")), "+OK\r\n");
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The settings of a server that shows `identity` and asks everybody for a certificate of the authority in `ca`.
fn settings<'a>(port: &'a str, identity: &'a Identity, ca: &'a Path) -> Vec<(&'a str, &'a str)> {
    vec![
        ("tls-port", port),
        ("tls-cert-file", text(&identity.certificate_file)),
        ("tls-key-file", text(&identity.key_file)),
        ("tls-ca-cert-file", text(ca)),
        ("tls-auth-clients", "yes"),
        ("tls-replication", "yes"),
        ("tls-cluster", "yes"),
    ]
}

/// And serves without TLS at `port`.
fn with_plain<'a>(port: &'a str, mut settings: Vec<(&'a str, &'a str)>) -> Vec<(&'a str, &'a str)> {
    settings.push(("port", port));
    settings
}

fn start_redis(settings: &[(&str, &str)]) -> RedisServer {
    let words: Vec<String> = settings
        .iter()
        .flat_map(|(name, value)| [format!("--{name}"), (*value).to_owned()])
        .collect();
    RedisServer::start_with(&words).expect("redis-server can be started")
}

fn has(client: &mut Client, key: &str, value: &str) -> bool {
    ask(client, &format!("GET {key}")) == format!("${}\r\n{value}\r\n", value.len())
}

#[test]
fn pollux_follows_a_real_server() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("one");
    let ca = authority.write(dir.path(), "one");
    let (theirs, ours) =
        (authority.issue(dir.path(), "redis"), authority.issue(dir.path(), "pollux"));
    let (port, other) = (free_port().to_string(), free_port().to_string());
    let redis = start_redis(&settings(&port, &theirs, &ca));
    let mut master = connect(&redis.address());
    ask(&mut master, "CONFIG SET repl-diskless-sync-delay 0");
    ask(&mut master, "SET before 1");
    let data = tempfile::tempdir().unwrap();
    let plain = free_port().to_string();
    with_node_of(data.path(), &with_plain(&plain, settings(&other, &ours, &ca)), |_, replica| {
        replicaof(replica, &format!("127.0.0.1:{port}"));
        until("the image is here", || has(replica, "before", "1"));
        // More than a record of TLS, and than what is read at once.
        let large = "x".repeat(300_000);
        ask(&mut master, &format!("SET large {large}"));
        until("the stream is here", || has(replica, "large", &large));
        until("the replica is acknowledged", || ask(&mut master, "WAIT 1 100") == ":1\r\n");
        // Its listening port is the one for TLS.
        assert!(field(&mut master, "replication", "slave0").contains(&format!("port={other}")));

        // The files are read again for the next link: a certificate of somebody else does not get in.
        let stranger = Authority::new("two").issue(dir.path(), "stranger");
        let set = |name: &str, path: &Path| format!("CONFIG SET {name} {}", text(path));
        let words = format!(
            "{} tls-client-key-file {}",
            set("tls-client-cert-file", &stranger.certificate_file),
            text(&stranger.key_file)
        );
        assert_eq!(ask(replica, &words), "+OK\r\n");
        assert_eq!(ask(replica, "CLIENT KILL TYPE master"), ":1\r\n");
        ask(&mut master, "SET behind 1");
        until("the master has refused", || {
            field(replica, "replication", "master_link_status") == "down"
                && field(&mut master, "replication", "connected_slaves") == "0"
        });
        assert_eq!(ask(replica, "EXISTS behind"), ":0\r\n");
        let own = format!(
            "{} tls-client-key-file {}",
            set("tls-client-cert-file", &ours.certificate_file),
            text(&ours.key_file)
        );
        assert_eq!(ask(replica, &own), "+OK\r\n");
        until("the replica is let in again", || has(replica, "behind", "1"));
        assert_eq!(field(&mut master, "stats", "sync_partial_ok"), "1");
    });
}

#[test]
fn a_real_server_follows_pollux_and_keys_migrate() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("one");
    let ca = authority.write(dir.path(), "one");
    let (theirs, ours) =
        (authority.issue(dir.path(), "redis"), authority.issue(dir.path(), "pollux"));
    let (port, other) = (free_port().to_string(), free_port().to_string());
    let redis = start_redis(&settings(&port, &theirs, &ca));
    let mut replica = connect(&redis.address());
    let data = tempfile::tempdir().unwrap();
    let plain = free_port().to_string();
    with_node_of(data.path(), &with_plain(&plain, settings(&other, &ours, &ca)), |_, master| {
        ask(master, "SET before 1");
        replicaof(&mut replica, &format!("127.0.0.1:{other}"));
        until("the image is there", || has(&mut replica, "before", "1"));
        let large = "x".repeat(300_000);
        ask(master, &format!("SET large {large}"));
        until("the stream is there", || has(&mut replica, "large", &large));
        let digest = |client: &mut Client| ask(client, "DEBUG DIGEST");
        assert_eq!(digest(master), digest(&mut replica));
        assert_eq!(ask(&mut replica, "REPLICAOF NO ONE"), "+OK\r\n");

        let there = format!("MIGRATE 127.0.0.1 {port} large 5 5000");
        assert_eq!(ask(master, &there), "+OK\r\n");
        assert_eq!(ask(master, "EXISTS large"), ":0\r\n");
        ask(&mut replica, "SELECT 5");
        assert!(has(&mut replica, "large", &large));
        // Here is nobody who speaks TLS.
        let plain = redis.address().rsplit_once(':').unwrap().1.to_owned();
        let refused = ask(master, &format!("MIGRATE 127.0.0.1 {plain} before 5 1000"));
        assert_eq!(refused, "-IOERR error or timeout connecting to the client\r\n");
    });
}

/// Who answers is checked: a master with a certificate of another authority is not followed.
#[test]
fn a_stranger_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Authority::new("one"), Authority::new("two"));
    let (ca_one, ca_two) = (one.write(dir.path(), "one"), two.write(dir.path(), "two"));
    let (theirs, ours) = (two.issue(dir.path(), "redis"), one.issue(dir.path(), "pollux"));
    let (port, other) = (free_port().to_string(), free_port().to_string());
    let mut theirs = settings(&port, &theirs, &ca_two);
    theirs.retain(|(name, _)| *name != "tls-auth-clients");
    theirs.push(("tls-auth-clients", "no"));
    let redis = start_redis(&theirs);
    ask(&mut connect(&redis.address()), "SET secret 1");
    let data = tempfile::tempdir().unwrap();
    let plain = free_port().to_string();
    with_node_of(
        data.path(),
        &with_plain(&plain, settings(&other, &ours, &ca_one)),
        |_, replica| {
            replicaof(replica, &format!("127.0.0.1:{port}"));
            until("it was tried for two seconds", || {
                let seconds = field(replica, "replication", "master_link_down_since_seconds");
                seconds.parse::<u64>().unwrap() >= 2
            });
            assert_eq!(field(replica, "replication", "master_link_status"), "down");
            assert_eq!(ask(replica, "EXISTS secret"), ":0\r\n");
            assert_eq!(
                ask(replica, &format!("CONFIG SET tls-ca-cert-file {}", text(&ca_two))),
                "+OK\r\n"
            );
            until("it is followed, as it is known now", || has(replica, "secret", "1"));
            let refused = ask(replica, "CONFIG SET tls-ca-cert-file \"\"");
            assert!(refused.starts_with("-ERR CONFIG SET failed"), "{refused}");
        },
    );
}
