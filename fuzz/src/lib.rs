//! Fuzz targets: functions that take hostile bytes, what to begin with, and how to change it. See README.md.

mod aof;
pub mod mutate;
mod rig;
pub mod targets;

/// Runs a target on an input. Panics when there is no such target, too.
pub fn run(name: &str, data: &[u8]) {
    let target = targets::ALL.iter().find(|target| target.name == name);
    (target.expect("the name is one of `targets::ALL`").run)(data);
}
