//! What a real server passes, what Pollux is known to miss, and what came out this time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::run::Tally;

/// Passed tests per file, of a real redis-server.
#[derive(Debug, Default)]
pub(super) struct Expected(BTreeMap<String, usize>);

impl Expected {
    /// `file <tab> count` a line; `#` begins a comment.
    pub(super) fn read(path: &Path) -> Result<Expected> {
        let mut counts = BTreeMap::new();
        for fields in rows(path, 2)? {
            counts.insert(fields[0].clone(), fields[1].parse().context(fields[0].clone())?);
        }
        Ok(Expected(counts))
    }

    pub(super) fn set(&mut self, file: &str, count: usize) {
        self.0.insert(file.to_owned(), count);
    }

    /// By name.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, usize)> {
        self.0.iter().map(|(file, count)| (file.as_str(), *count))
    }

    pub(super) fn of(&self, file: &str) -> Option<usize> {
        self.0.get(file).copied()
    }
}

/// What the reason of a miss begins with when Redis itself has changed: redis-server 7.2.6 fails the test as well.
const OF_7_2: &str = "7.2: ";

/// What the reason begins with when the test is one of how Redis itself handles the files of its AOF and RDB.
const OF_FILES: &str = "files: ";
/// What the reason begins with when it is luck whether the test passes: it looks at what cannot be waited for.
const OF_LUCK: &str = "luck: ";

/// Tests that Pollux is known to fail: how often each, and why.
#[derive(Debug, Default)]
pub(super) struct Misses {
    counts: BTreeMap<(String, String), usize>,
    /// Misses per file that are no fault of Pollux.
    of_7_2: BTreeMap<String, usize>,
    /// Misses per file that are of no concern to Pollux.
    of_files: BTreeMap<String, usize>,
    /// Those that may pass.
    of_luck: BTreeSet<(String, String)>,
}

impl Misses {
    /// `file <tab> test <tab> reason` a line. A test that counts several times, as in a loop, is listed as often.
    pub(super) fn read(path: &Path) -> Result<Misses> {
        let mut misses = Misses::default();
        for fields in rows(path, 3)? {
            let [file, test, reason] = [0, 1, 2].map(|at| fields[at].clone());
            ensure!(!reason.is_empty(), "{test}: a miss without reason");
            if reason.starts_with(OF_7_2) {
                *misses.of_7_2.entry(file.clone()).or_default() += 1;
            } else if reason.starts_with(OF_FILES) {
                *misses.of_files.entry(file.clone()).or_default() += 1;
            } else if reason.starts_with(OF_LUCK) {
                misses.of_luck.insert((file.clone(), test.clone()));
            }
            *misses.counts.entry((file, test)).or_default() += 1;
        }
        Ok(misses)
    }

    fn in_file(&self, file: &str) -> usize {
        self.counts.iter().filter(|((of, _), _)| of == file).map(|(_, count)| count).sum()
    }

    fn count(&self, file: &str, test: &str) -> usize {
        self.counts.get(&(file.to_owned(), test.to_owned())).copied().unwrap_or(0)
    }
}

/// The rows of a table; a table that is not there has none.
fn rows(path: &Path, width: usize) -> Result<Vec<Vec<String>>> {
    let Ok(text) = fs::read_to_string(path) else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
        ensure!(fields.len() == width, "{}: not {width} columns: {line}", path.display());
        rows.push(fields);
    }
    Ok(rows)
}

/// One line for each thing that is not as expected.
pub(super) fn judge(
    tallies: &[(String, Tally)],
    expected: &Expected,
    misses: &Misses,
) -> Vec<String> {
    let mut problems = Vec::new();
    for (file, tally) in tallies {
        for (test, count) in counted(&tally.failed) {
            if count > misses.count(file, test) {
                problems.push(format!("FAILED and not listed: {file}: {test}"));
            }
        }
        let failed = counted(&tally.failed);
        let passed = counted(&tally.passed);
        let certain = misses.counts.iter().filter(|(miss, _)| !misses.of_luck.contains(miss));
        for ((of, test), count) in certain.filter(|((of, _), _)| of == file) {
            let still = failed.get(test.as_str()).copied().unwrap_or(0);
            // Behind an error outside of tests others may not have run at all.
            if still < *count && passed.contains_key(test.as_str()) {
                problems.push(format!("listed, but it does not fail: {of}: {test}"));
            }
        }
        let Some(real) = expected.of(file) else { continue };
        let least = real.saturating_sub(misses.in_file(file));
        if tally.passed.len() < least {
            problems.push(format!(
                "{file}: {} tests passed; a real server passes {real}, so with the listed misses it should be {least}",
                tally.passed.len()
            ));
        }
    }
    problems
}

fn counted(names: &[String]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for name in names {
        *counts.entry(name.as_str()).or_default() += 1;
    }
    counts
}

/// Prints the sums, and how they compare with a real server's over the same files.
#[expect(clippy::print_stdout, reason = "the report is what the task is asked for")]
pub(super) fn summarize(tallies: &[(String, Tally)], expected: &Expected, misses: &Misses) {
    let passed: usize = tallies.iter().map(|(_, tally)| tally.passed.len()).sum();
    let failed: usize = tallies.iter().map(|(_, tally)| tally.failed.len()).sum();
    let known = tallies.iter().filter_map(|(file, tally)| Some((expected.of(file)?, tally)));
    let (real, ours) = known.fold((0, 0), |(real, ours), (count, tally)| {
        (real + count, ours + tally.passed.len().min(count))
    });
    println!("{passed} passed, {failed} failed");
    if real > 0 {
        let percent = 100.0 * ours as f64 / real as f64;
        println!(
            "redis-server 7.0.15 passes {real} in these files; Pollux {ours} of them: {percent:.2} %"
        );
        let sum = |misses: &BTreeMap<String, usize>| -> usize {
            tallies.iter().filter_map(|(file, _)| misses.get(file)).sum()
        };
        let (of_7_2, of_files) = (sum(&misses.of_7_2), sum(&misses.of_files));
        let percent = |less: usize| 100.0 * ours as f64 / real.saturating_sub(less).max(1) as f64;
        println!(
            "without {of_7_2} that redis-server 7.2.6 fails as well: {:.2} %",
            percent(of_7_2)
        );
        println!(
            "without these and {of_files} of how Redis handles its AOF and RDB: {:.2} %",
            percent(of_7_2 + of_files)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: usize, failed: &[&str]) -> Tally {
        Tally {
            passed: vec!["x".to_owned(); passed],
            failed: failed.iter().map(|&name| name.to_owned()).collect(),
            ..Tally::default()
        }
    }

    #[test]
    fn what_is_not_expected_is_told() {
        let file = || "unit/x".to_owned();
        let expected = Expected(BTreeMap::from([(file(), 5)]));
        let counts = BTreeMap::from([((file(), "a".to_owned()), 1)]);
        let misses = Misses { counts, ..Misses::default() };
        let judge = |tally| judge(&[(file(), tally)], &expected, &misses).len();
        assert_eq!(judge(tally(4, &["a"])), 0);
        assert_eq!(judge(tally(4, &["a", "b"])), 1, "a new failure");
        assert_eq!(judge(tally(4, &["a", "a"])), 1, "it fails more often");
        assert_eq!(judge(tally(4, &[])), 0, "it has not run");
        let mut better = tally(4, &[]);
        better.passed.push("a".to_owned());
        assert_eq!(judge(better), 1, "it does not fail any more");
        assert_eq!(judge(tally(3, &["a"])), 1, "a test has vanished");
    }
}
