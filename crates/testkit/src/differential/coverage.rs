//! What a play has covered: each command, and each option that its syntax knows.
//!
//! ```text
//!   words of a step --catalog--> Said { name, options }  --a reply--> Hits of the command and of each option
//! ```
//!
//! An option is a token of the argument tree of COMMAND DOCS. A word that equals one is taken for it wherever it stands: no
//! key, member or number of the tables in `values.rs` does, but for the bounds of ranges, which are no words.

use std::collections::BTreeMap;
use std::fmt;

use catalog::{Argument, CommandSpec};

use super::commands::commands;
use super::differences::{EXEMPT, REFUSED, UNSAID};

/// A command line, as far as coverage goes.
#[derive(Clone, Debug)]
pub(super) struct Said {
    /// As [`command_name`] says it.
    pub(super) name: String,
    /// Each once.
    options: Vec<&'static str>,
}

impl Said {
    pub(super) fn of(args: &[Vec<u8>]) -> Said {
        let name = command_name(args);
        let Some(spec) = spec_of(&name) else { return Said { name, options: Vec::new() } };
        let behind = if spec.container().is_some() { 2 } else { 1 };
        let words = args.get(behind..).unwrap_or_default();
        let is_said =
            |option: &&str| words.iter().any(|word| word.eq_ignore_ascii_case(option.as_bytes()));
        Said { name, options: options(spec).into_iter().filter(is_said).collect() }
    }
}

/// `CONFIG GET` for a container command, and DEBUG, which is none in the table; else the first word; upper case.
pub(super) fn command_name(args: &[Vec<u8>]) -> String {
    let word = |at: usize| {
        args.get(at).map(|arg| arg.escape_ascii().to_string().to_uppercase()).unwrap_or_default()
    };
    let spec = args.first().and_then(|name| catalog::find(name));
    match spec {
        Some(spec) if spec.is_container() || spec.name == "debug" => {
            format!("{} {}", word(0), word(1)).trim_end().to_owned()
        }
        _ => word(0),
    }
}

fn spec_of(name: &str) -> Option<&'static CommandSpec> {
    catalog::find_full(name.replace(' ', "|").as_bytes())
}

/// Tokens of the command's argument tree, each once.
fn options(spec: &CommandSpec) -> Vec<&'static str> {
    fn gather(arguments: &[Argument], tokens: &mut Vec<&'static str>) {
        for argument in arguments {
            tokens.extend(argument.token);
            gather(argument.arguments, tokens);
        }
    }
    let mut tokens = Vec::new();
    gather(spec.docs.arguments, &mut tokens);
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

/// Replies of redis-server; those inside of EXEC count too.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hits {
    pub replies: usize,
    /// Those that were not errors.
    pub successes: usize,
}

impl Hits {
    fn add(&mut self, more: Hits) {
        self.replies += more.replies;
        self.successes += more.successes;
    }
}

/// By command, in the catalog's form, and by option; of the command itself the option is empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Coverage {
    hits: BTreeMap<(String, &'static str), Hits>,
}

impl Coverage {
    pub(super) fn count(&mut self, said: &Said, is_success: bool) {
        let name = said.name.to_lowercase().replace(' ', "|");
        let hit = Hits { replies: 1, successes: usize::from(is_success) };
        for option in [""].iter().chain(&said.options) {
            self.hits.entry((name.clone(), option)).or_default().add(hit);
        }
    }

    /// Sums up several plays.
    pub fn add(&mut self, other: Coverage) {
        for (what, hits) in other.hits {
            self.hits.entry(what).or_default().add(hits);
        }
    }

    fn hits(&self, name: &str, option: &'static str) -> Hits {
        self.hits.get(&(name.to_owned(), option)).copied().unwrap_or_default()
    }

    /// Commands and options of the grammar that redis-server has never answered but with an error, each with the reason if
    /// one is known; without those that are not said for a reason.
    pub fn gaps(&self) -> Vec<Gap> {
        let answered = |(name, option): &(String, &'static str)| self.hits(name, option);
        let missing = wanted().into_iter().filter(|what| answered(what).successes == 0);
        missing
            .map(|what| Gap {
                is_said: answered(&what).replies > 0,
                reason: reason(&what.0, what.1),
                what: format!("{} {}", what.0, what.1).trim_end().to_owned(),
            })
            .collect()
    }

    /// Of the commands of the grammar, or of their options: how many there are, were said, and were answered not only with
    /// errors.
    pub fn totals(&self, of_options: bool) -> [usize; 3] {
        let all = wanted().into_iter().filter(|(_, option)| option.is_empty() != of_options);
        let hits: Vec<Hits> = all.map(|(name, option)| self.hits(&name, option)).collect();
        let count = |is_so: fn(&Hits) -> bool| hits.iter().filter(|hits| is_so(hits)).count();
        [hits.len(), count(|hits| hits.replies > 0), count(|hits| hits.successes > 0)]
    }
}

/// What was never answered but with an error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gap {
    /// A command in the catalog's form, perhaps with an option.
    pub what: String,
    /// There was an answer.
    pub is_said: bool,
    pub reason: Option<&'static str>,
}

/// Why only errors can be expected.
fn reason(name: &str, option: &str) -> Option<&'static str> {
    let is_meant = |entry: &str| match entry.split_once(' ') {
        Some(whole) => whole == (name, option),
        None => name == entry || entry.ends_with('|') && name.starts_with(entry),
    };
    REFUSED.iter().find(|(entry, _)| is_meant(entry)).map(|(_, reason)| *reason)
}

/// Options that no play says, and commands that none compares, each with the reason.
pub fn left_out() -> impl Iterator<Item = (String, &'static str)> {
    let options = UNSAID.iter().map(|(name, option, why)| (format!("{name} {option}"), *why));
    options.chain(EXEMPT.iter().map(|(name, why)| ((*name).to_owned(), *why)))
}

/// Commands of the grammar, each with the empty option and its options, but for those that are not said for a reason.
fn wanted() -> Vec<(String, &'static str)> {
    let mut all = Vec::new();
    for name in commands() {
        let spec = catalog::find_full(name.as_bytes());
        let options = spec.map(options).unwrap_or_default();
        for option in [""].into_iter().chain(options) {
            let is_listed =
                UNSAID.iter().any(|(command, listed, _)| *command == name && *listed == option);
            if spec.is_some() && !is_listed {
                all.push((name.clone(), option));
            }
        }
    }
    all
}

/// A line for each command of the grammar and for each of its options: replies, and those that were not errors.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, option) in wanted() {
            let hits = self.hits(&name, option);
            let what = if option.is_empty() { name } else { format!("    {option}") };
            writeln!(f, "{what:28} {:8} {:8}", hits.replies, hits.successes)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::differential::script::Script;

    fn said(line: &str) -> Said {
        Said::of(&line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_the_tokens_of_the_syntax() {
        let set = said("set k v nx ex 10 GET");
        assert_eq!((&*set.name, set.options), ("SET", vec!["EX", "GET", "NX"]));
        let kill = said("client kill TYPE normal");
        assert_eq!(kill.name, "CLIENT KILL");
        assert!(kill.options.contains(&"TYPE") && kill.options.contains(&"NORMAL"));
        assert!(said("nosuch GET").options.is_empty());
    }

    #[test]
    fn what_was_not_answered_is_told_with_its_reason() {
        let mut coverage = Coverage::default();
        coverage.count(&said("set k v nx"), true);
        coverage.count(&said("cluster slots"), false);
        let gaps = coverage.gaps();
        let gap = |what: &str| gaps.iter().find(|gap| gap.what == what);
        assert!(gap("set").is_none() && gap("set NX").is_none());
        assert_eq!(gap("set XX").map(|gap| (gap.is_said, gap.reason)), Some((false, None)));
        let of_cluster = gap("cluster|slots").expect("only refused");
        assert!(of_cluster.is_said && of_cluster.reason.is_some());
        assert_eq!(coverage.totals(false)[1..], [2, 1]);
        assert_eq!(coverage.totals(true)[1..], [1, 1]);
        for (entry, _) in REFUSED {
            let is_known = wanted().iter().any(|(name, option)| {
                reason(name, option).is_some()
                    && (entry.ends_with('|') && name.starts_with(entry)
                        || format!("{name} {option}").trim_end() == *entry)
            });
            assert!(is_known, "the grammar does not say {entry}");
        }
    }

    /// What is wanted is said; what is not said is an option, and has a reason still.
    #[test]
    fn every_option_is_in_the_grammar_or_has_a_reason() {
        let mut seen = BTreeSet::new();
        for script in (1..30).map(|seed| Script::generate(seed, 3000)) {
            for step in &script.steps {
                let said = Said::of(step.args());
                let name = said.name.to_lowercase().replace(' ', "|");
                seen.extend([""].iter().chain(&said.options).map(|option| (name.clone(), *option)));
            }
        }
        let missing: Vec<_> = wanted().into_iter().filter(|what| !seen.contains(what)).collect();
        assert!(missing.is_empty(), "neither said nor listed: {missing:?}");
        for (name, option, reason) in UNSAID {
            let spec = catalog::find_full(name.as_bytes()).expect(name);
            assert!(options(spec).contains(option), "{name} has no option {option} ({reason})");
            assert!(!seen.contains(&((*name).to_owned(), *option)), "{name} {option} is said");
        }
    }
}
