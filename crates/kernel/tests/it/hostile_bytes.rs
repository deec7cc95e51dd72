//! The fuzz targets on their seeds and on seeded mutations of them; longer runs: `fuzz/README.md`.

#![expect(unreachable_pub, reason = "in the folder of the targets it is a library")]

#[path = "../../../../fuzz/src/aof.rs"]
mod aof;
#[path = "../../../../fuzz/src/mutate.rs"]
pub(crate) mod mutate;
#[path = "../../../../fuzz/src/rig.rs"]
pub(crate) mod rig;
#[path = "../../../../fuzz/src/targets.rs"]
mod targets;

use mutate::Mutator;
pub(crate) use targets::is_about_data;
use targets::{ALL, Target};

/// Inputs of each target; those that go through a node are dearer.
const RUNS: usize = 3000;
const RUNS_OF_NODES: usize = 250;

fn needs_node(target: &Target) -> bool {
    matches!(target.name, "restore" | "hyperloglog" | "acl" | "lua" | "commands" | "script" | "aof")
}

fn play(target: &Target) {
    let seeds = (target.seeds)();
    seeds.iter().for_each(|seed| (target.run)(seed));
    let mut mutator = Mutator::new(1, seeds);
    for _ in 0..if needs_node(target) { RUNS_OF_NODES } else { RUNS } {
        (target.run)(&mutator.next_input());
    }
}

#[test]
fn stop_no_decoder() {
    ALL.iter().filter(|target| !needs_node(target)).for_each(play);
}

fn play_named(name: &str) {
    play(ALL.iter().find(|target| target.name == name).expect("it is a target"));
}

#[test]
fn restored_values_are_values() {
    play_named("restore");
}

#[test]
fn damaged_sketches_are_answered() {
    play_named("hyperloglog");
}

#[test]
fn rules_of_any_kind_are_answered() {
    play_named("acl");
}

#[test]
fn scripts_decode_anything() {
    play_named("lua");
}

#[test]
fn scripts_of_any_kind_are_answered() {
    play_named("script");
}

#[test]
fn commands_of_any_kind_are_answered() {
    play_named("commands");
}

#[test]
fn files_of_redis_are_read_or_refused() {
    play_named("aof");
}
