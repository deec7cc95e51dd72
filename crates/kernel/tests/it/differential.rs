//! The executor in this process against a redis-server: see `testkit::differential`.

use std::collections::BTreeSet;

use kernel::command::table;
use testkit::differential::{Duel, EXEMPT, RedisServer, Report, Script, commands};

use crate::liar::{Liar, Tamper};
use crate::save::with_node;
use crate::server::Server;

/// What every run of the tests plays; longer plays are `cargo xtask compat`.
const SEEDS: std::ops::Range<u64> = 1..9;
const STEPS: usize = 3000;
/// Each ends with a restart.
const RESTART_SEEDS: std::ops::Range<u64> = 11..14;

/// Digests are asked of both servers.
const DEBUG: &[(&str, &str)] = &[("enable-debug-command", "local")];

/// Needs a redis-server on `PATH`, or named by `REDIS_SERVER`.
#[test]
fn processes_answer_as_redis_does() {
    let redis = RedisServer::start().expect("redis-server can be started");
    let pollux = Server::start_with(DEBUG);
    let duel = Duel { redis: redis.address(), pollux: pollux.address().to_owned() };
    let mut report = Report::default();
    for seed in SEEDS {
        report.add(duel.run(&Script::generate(seed, STEPS)).unwrap());
    }
    println!("{report:?}");
    let differences: Vec<String> = report.differences.iter().map(ToString::to_string).collect();
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
    assert!(report.successes * 2 > report.commands, "most commands are right: {report:?}");
    assert!(report.served > 0 && report.compared.keys > 0, "{report:?}");
}

/// What redis-server holds after a script, Pollux holds after the script and a restart.
#[test]
fn processes_agree_after_a_restart_from_the_log() {
    let redis = RedisServer::start().expect("redis-server can be started");
    let dir = tempfile::tempdir().unwrap();
    let duel = |address: &str| Duel { redis: redis.address(), pollux: address.to_owned() };
    for seed in RESTART_SEEDS {
        with_node(dir.path(), |address, _| {
            let report = duel(address).run(&Script::generate(seed, STEPS)).unwrap();
            let differences: Vec<String> =
                report.differences.iter().map(ToString::to_string).collect();
            assert!(differences.is_empty(), "\n{}", differences.join("\n"));
        });
        with_node(dir.path(), |address, _| {
            let found = duel(address).compare_keyspace().unwrap();
            assert!(found.is_none(), "seed {seed}, restored: {found:?}");
        });
    }
}

#[test]
fn every_command_is_compared_or_has_a_reason() {
    let compared = commands();
    let exempt: BTreeSet<String> = EXEMPT.iter().map(|(name, _)| (*name).to_owned()).collect();
    let missing: Vec<&str> = catalog::COMMANDS
        .iter()
        .filter(|spec| table::handler(spec.id).is_some())
        .map(|spec| spec.name)
        .filter(|name| !compared.contains(*name) && !exempt.contains(*name))
        .collect();
    assert!(missing.is_empty(), "neither in the grammar nor exempt: {missing:?}");
    let both: Vec<&String> = compared.intersection(&exempt).collect();
    assert!(both.is_empty(), "in the grammar and exempt: {both:?}");
}

/// The tester is tested: between two nodes of the same program it finds nothing, and it finds one changed byte in what the
/// second one hears or says.
///
/// No single script is relied upon to say the byte and to keep what it made until somebody looks: one of a few must.
#[test]
fn a_changed_byte_is_found() {
    let play = |seed: u64, tamper: Option<Tamper>| {
        let (left, right) = (Server::start_with(DEBUG), Server::start_with(DEBUG));
        let liar = tamper.map(|tamper| Liar::start(right.address(), tamper));
        let address = liar.as_ref().map_or(right.address(), Liar::address);
        let duel = Duel { redis: left.address().to_owned(), pollux: address.to_owned() };
        duel.run(&Script::generate(seed, 1200)).unwrap().differences
    };
    let mut seeds = 1..6;
    let honest: Vec<String> = play(1, None).iter().map(ToString::to_string).collect();
    assert!(honest.is_empty(), "\n{}", honest.join("\n"));
    let reply = Tamper::Replies { from: b":1\r\n", to: b":3\r\n" };
    assert!(seeds.clone().any(|seed| !play(seed, Some(reply)).is_empty()));
    // Replies do not show what was pushed; the comparison of the keyspaces does.
    let hello = Tamper::Requests { from: b"$5\r\nhello\r\n", to: b"$5\r\nhullo\r\n" };
    assert!(seeds.any(|seed| !play(seed, Some(hello)).is_empty()));
}

#[test]
fn a_difference_is_cut_down_to_what_it_needs() {
    let mut script = Script::generate(2, 400);
    // Through a relay it is not certain who is parked when.
    script.steps.retain(|step| !step.to_string().to_uppercase().contains("> B"));
    let (left, right) = (Server::start_with(DEBUG), Server::start_with(DEBUG));
    let liar = Liar::start(right.address(), Tamper::Replies { from: b":1\r\n", to: b":3\r\n" });
    let duel = Duel { redis: left.address().to_owned(), pollux: liar.address().to_owned() };
    let found = duel.run(&script).unwrap().differences.remove(0);
    let (shortest, shown) = duel.shrink(&script, &found).unwrap();
    assert!(shortest.steps.len() <= 3, "{shown}:\n{shortest}");
    assert_eq!(shown.command(), found.command());
}
