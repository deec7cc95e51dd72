//! A duel: a script played to both servers at once, and what came of it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use super::coverage::{Coverage, Said, command_name};
use super::differences;
use super::keyspace::{Compared, Scope};
use super::script::{Script, Step};
use super::stage::{Stage, Unlike};
use crate::client::Client;

/// Steps between two comparisons of the keyspace.
const KEYSPACE_INTERVAL: usize = 500;
/// Of a long reply only the beginning is shown.
const SHOWN_CHARS: usize = 600;

/// Where the two servers said or became something else.
#[derive(Clone, Debug)]
pub struct Difference {
    pub seed: u64,
    /// Index of the step behind which it was seen.
    pub step: usize,
    /// First step that the state depends on: before it everything was empty.
    pub since: usize,
    pub said: String,
    pub question: String,
    name: String,
    pub redis: String,
    pub pollux: String,
}

impl Difference {
    /// The command, in upper case; also that of a question about the keyspace.
    pub fn command(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} steps {}..={}: {}", self.seed, self.since, self.step, self.said)?;
        if !self.question.is_empty() {
            write!(f, "\n  asked:  {}", self.question)?;
        }
        write!(f, "\n  redis:  {}\n  pollux: {}", self.redis, self.pollux)
    }
}

/// What a run did.
#[derive(Debug, Default)]
pub struct Report {
    pub commands: usize,
    /// Replies that were not errors: a tester that only collects errors tests nothing.
    pub successes: usize,
    pub coverage: Coverage,
    /// Replies to clients that had waited for a key.
    pub served: usize,
    pub compared: Compared,
    /// Listed differences that were met, by their reason.
    pub known: BTreeMap<&'static str, usize>,
    pub differences: Vec<Difference>,
}

impl Report {
    /// A reply of redis-server.
    pub(super) fn count(&mut self, said: &Said, is_success: bool) {
        self.coverage.count(said, is_success);
        self.successes += usize::from(is_success);
    }

    /// Sums up several runs.
    pub fn add(&mut self, other: Report) {
        self.commands += other.commands;
        self.successes += other.successes;
        self.served += other.served;
        self.compared.add(other.compared);
        self.coverage.add(other.coverage);
        for (reason, count) in other.known {
            *self.known.entry(reason).or_default() += count;
        }
        self.differences.extend(other.differences);
    }
}

/// Two running servers.
#[derive(Clone, Debug)]
pub struct Duel {
    pub redis: String,
    pub pollux: String,
}

impl Duel {
    /// Plays a script on empty databases. After a difference both are emptied and the play goes on.
    pub fn run(&self, script: &Script) -> io::Result<Report> {
        let mut report = Report::default();
        let mut stage = Stage::new(self, script)?;
        let mut since = 0;
        for (at, step) in script.steps.iter().enumerate() {
            let place = |error: io::Error| {
                let text = format!("seed {} step {at}: {step}: {error}", script.seed);
                io::Error::new(error.kind(), text)
            };
            let mut unlike = stage.perform(step, &mut report).map_err(place)?;
            let is_pause = (at + 1) % KEYSPACE_INTERVAL == 0 || at + 1 == script.steps.len();
            if unlike.is_none() && is_pause {
                unlike = stage.compare_keyspace(Scope::Everything, &mut report).map_err(place)?;
            }
            let Some(unlike) = unlike else { continue };
            let found = difference(script.seed, at, since, step, unlike);
            let release = stage.release();
            let known = differences::known(release, &found.name, &found.redis, &found.pollux);
            let is_over = known.is_none_or(|known| known.leaves_other_data);
            match known {
                Some(known) => *report.known.entry(known.reason).or_default() += 1,
                None => report.differences.push(found),
            }
            if is_over {
                stage.end()?;
                stage = Stage::new(self, script)?;
                since = at + 1;
            }
        }
        stage.end()?;
        Ok(report)
    }

    /// Compares the keyspaces as they are, but for encodings: after a restart.
    pub fn compare_keyspace(&self) -> io::Result<Option<Difference>> {
        let mut report = Report::default();
        let mut stage = Stage::connect(self)?;
        let unlike = stage.compare_keyspace(Scope::Content, &mut report)?;
        let step = Step { client: 0, args: Vec::new(), expired: None };
        Ok(unlike.map(|unlike| difference(0, 0, 0, &step, unlike)))
    }

    pub(super) fn clients(&self) -> io::Result<(Client, Client)> {
        Ok((Client::connect(&self.redis)?, Client::connect(&self.pollux)?))
    }
}

fn difference(seed: u64, at: usize, since: usize, step: &Step, unlike: Unlike) -> Difference {
    let shown = |text: String| -> String { text.chars().take(SHOWN_CHARS).collect() };
    let words = if unlike.question.is_empty() { &step.args } else { &unlike.question };
    let question: Vec<String> =
        unlike.question.iter().map(|word| word.escape_ascii().to_string()).collect();
    Difference {
        seed,
        step: at,
        since,
        said: step.to_string(),
        name: command_name(words),
        question: question.join(" "),
        redis: shown(unlike.redis),
        pollux: shown(unlike.pollux),
    }
}
