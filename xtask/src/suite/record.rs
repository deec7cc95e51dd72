//! Writes down what a real redis-server passes, for later runs to compare with.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::Mode;
use super::run::Tally;
use super::verdict::Expected;

/// Files that are not of this run stay as they are. Of a file that was recorded before the smaller number is kept: some run
/// as often as time allows (psync2), and what is expected must not be luck. For the same reason it keeps its number when a
/// test of it failed: a real server fails when the machine is too busy. To record all anew, remove the list first.
#[expect(clippy::print_stdout, reason = "the report is what the task is asked for")]
pub(super) fn write(lists: &Path, mode: Mode, tallies: &[(String, Tally)]) -> Result<()> {
    let path = lists.join(format!("{}.tsv", mode.name()));
    let mut counts = Expected::read(&path)?;
    for (file, tally) in tallies {
        let count = tally.passed.len();
        for test in &tally.failed {
            println!("failed by the server that is recorded: {file}: {test}");
        }
        match counts.of(file) {
            Some(_) if !tally.failed.is_empty() => {}
            before => counts.set(file, before.map_or(count, |before| before.min(count))),
        }
    }
    let mut text = format!(
        "# Tests of the suite of Redis 7.0.15 that redis-server 7.0.15 passes, mode {}.\n\
         # Written by: cargo xtask suite --mode {} --server redis-server --record\n",
        mode.name(),
        mode.name()
    );
    for (file, count) in counts.all() {
        text.push_str(&format!("{file}\t{count}\n"));
    }
    fs::write(path, text)?;
    Ok(())
}
