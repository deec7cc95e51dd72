//! Writes down what a real redis-server passes, for later runs to compare with.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::Mode;
use super::run::Tally;
use super::verdict::Expected;

/// Files that are not of this run stay as they are. Of a file that was recorded before the smaller number is kept: some run
/// as often as time allows (psync2), and what is expected must not be luck.
pub(super) fn write(lists: &Path, mode: Mode, tallies: &[(String, Tally)]) -> Result<()> {
    let path = lists.join(format!("{}.tsv", mode.name()));
    let mut counts = Expected::read(&path)?;
    for (file, tally) in tallies {
        let count = tally.passed.len();
        counts.set(file, counts.of(file).map_or(count, |before| before.min(count)));
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
