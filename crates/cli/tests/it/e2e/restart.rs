//! Stops, crashes and comebacks of everything but the master.

use rustix::process::Signal;
use testkit::oracle::{Oracle, judge};
use testkit::site::{Site, eventually, master, pid, replica, signal};
use wire::resp::response::Response;

use super::POLLUX;

#[test]
fn a_clean_stop_loses_nothing_and_the_next_up_needs_no_options() {
    let mut site = Site::running(POLLUX, &[]);
    let oracle = Oracle::start(&site.endpoint(), 4);
    oracle.wait_for(2_000);
    assert!(site.stop().success(), "{}", site.everything_printed());
    let accounts = oracle.stop();

    site.up(&[]);
    site.wait_ready();
    let verdict = judge(&mut site.client(), &accounts);
    assert!(verdict.is_clean(), "{verdict:?}\n{}", site.everything_printed());
}

#[test]
fn after_kill_of_everything_data_and_roles_come_back() {
    let mut site = Site::running(POLLUX, &[]);
    let oracle = Oracle::start(&site.endpoint(), 4);
    oracle.wait_for(2_000);
    site.kill_all();
    let accounts = oracle.stop();

    site.up(&[]);
    let shard = site.wait_ready();
    let nodes = shard["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 2);
    // Both logs were written before the acknowledgements, at least the master's.
    let verdict = judge(&mut site.client(), &accounts);
    assert!(verdict.is_clean(), "{verdict:?}\n{}", site.everything_printed());
}

#[test]
fn nodes_do_not_notice_the_death_of_agent_config_server_or_up() {
    let mut site = Site::running(POLLUX, &[]);
    let before = site.wait_ready();
    let oracle = Oracle::start(&site.endpoint(), 2);
    oracle.wait_for(200);

    for role in ["config", "agent"] {
        let dead = site.pid_of(role).unwrap();
        signal(dead, Signal::KILL);
        eventually("its successor", || site.pid_of(role).filter(|pid| *pid != dead));
        // A status is only had from a config server that leads again, to which the agent reports again.
        site.wait_ready();
        oracle.wait_for(200);
    }
    let after = site.wait_ready();
    assert_eq!(after["epoch"], before["epoch"], "{}", site.everything_printed());

    // A killed `up` leaves everything running; the next one takes it over.
    let children = (site.pid_of("agent"), site.pid_of("config"));
    signal(site.up_pid(), Signal::KILL);
    site.wait_up();
    oracle.wait_for(200);
    site.up(&[]);
    eventually("takeover", || site.printed().contains("taken over").then_some(()));
    let after = site.wait_ready();
    assert_eq!((site.pid_of("agent"), site.pid_of("config")), children);
    for node in [master, replica] {
        assert_eq!(pid(node(&after)), pid(node(&before)), "{}", site.everything_printed());
    }

    let accounts = oracle.stop();
    let refused: u64 = accounts.iter().map(|account| account.refused).sum();
    assert_eq!(refused, 0, "{accounts:?}");
    let lost = accounts.iter().any(|account| !account.unknown.is_empty());
    assert!(!lost, "a connection was lost\n{}", site.everything_printed());
    assert!(judge(&mut site.client(), &accounts).is_clean());
    assert!(site.stop().success());
}

#[test]
fn a_killed_replica_returns_and_catches_up() {
    let site = Site::running(POLLUX, &[]);
    let before = site.wait_ready();
    let oracle = Oracle::start(&site.endpoint(), 2);
    oracle.wait_for(500);
    let dead = pid(replica(&before));
    signal(dead, Signal::KILL);
    site.wait_shard("a new process of the replica", |shard| {
        let pid = replica(shard)["pid"].as_u64();
        pid.is_some_and(|pid| pid != u64::from(dead))
    });
    oracle.wait_for(500);
    let accounts = oracle.stop();
    let after = site.wait_ready();
    assert_eq!(after["epoch"], before["epoch"], "no failover");
    site.wait_shard("equal OpIDs", |shard| replica(shard)["opid"] == master(shard)["opid"]);
    assert!(accounts.iter().all(|account| account.refused == 0 && account.unknown.is_empty()));
    assert!(judge(&mut site.client(), &accounts).is_clean());
    assert_eq!(site.client().call(&[b"PING"]).unwrap(), Response::Simple("PONG".into()));
}
