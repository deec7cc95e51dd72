//! The decisions of the config server as tables: `testdata/*.txt` holds cases of
//! `== title`, a world, `----`, and the plan that must come of it. `UPDATE=1` rewrites the plans.

mod contract;
mod simulation;
mod state;
mod world;

use std::fmt::Write as _;
use std::path::Path;

use cluster::reconcile::decide;
use world::{World, print};

fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
    let text = std::fs::read_to_string(&path).expect("table");
    let mut found = String::new();
    for case in text.split("== ").skip(1) {
        let (title, rest) = case.split_once('\n').expect("title line");
        let (input, _) = rest.split_once("----\n").expect("----");
        let world = World::read(input);
        let plan = decide(&world.desired, &world.observed, world.now);
        let again = decide(&world.desired, &world.observed, world.now);
        assert_eq!(plan, again, "{title}: same input, same plan");
        write!(found, "== {title}\n{input}----\n").expect("string");
        for command in &plan {
            writeln!(found, "{}", print(command)).expect("string");
        }
        found.push('\n');
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &found).expect("write table");
    }
    assert_eq!(text.trim_end(), found.trim_end(), "{name} (UPDATE=1 rewrites it)");
}

#[test]
fn failover() {
    check("failover.txt");
}

#[test]
fn switchover() {
    check("switchover.txt");
}

#[test]
fn in_sync() {
    check("in_sync.txt");
}
