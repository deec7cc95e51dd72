//! Writes down what a real redis-server passes, for later runs to compare with.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::Mode;
use super::run::Tally;

pub(super) fn write(lists: &Path, mode: Mode, tallies: &[(String, Tally)]) -> Result<()> {
    let mut text = format!(
        "# Tests of the suite of Redis 7.0.15 that redis-server 7.0.15 passes, mode {}.\n\
         # Written by: cargo xtask suite --mode {} --server redis-server --record\n",
        mode.name(),
        mode.name()
    );
    for (file, tally) in tallies {
        text.push_str(&format!("{file}\t{}\n", tally.passed.len()));
    }
    fs::write(lists.join(format!("{}.tsv", mode.name())), text)?;
    Ok(())
}
