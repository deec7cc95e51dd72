//! A script: what the clients of a run say, made of a seed.

use std::fmt;

use super::commands::{GRAMMARS, SUBSCRIBER_GRAMMARS};
use super::grammar::Grammar;
use super::values::{KEYS, spoil};
use crate::random::Random;

/// Clients that work on keys; the one behind them is the subscriber.
pub(super) const WORKERS: usize = 3;
pub(super) const SUBSCRIBER: usize = WORKERS;
pub(super) const CLIENTS: usize = WORKERS + 1;

const SPOILED_PERCENT: u64 = 8;
/// Of the commands that empty databases, and of those that never succeed, so many are said: values shall grow.
const RARE_PERCENT: u64 = 25;
const RARE: [&str; 6] = ["FLUSH", "CLUSTER", "MODULE", "FAILOVER", "READ", "ASKING"];
/// Commands that a transaction gets at most, unless the next EXEC is spoiled.
const TRANSACTION_MAX: usize = 8;
/// Each costs a few milliseconds.
const EXPIRED_PERMILLE: u64 = 6;

/// One command of one client.
#[derive(Clone, Debug)]
pub struct Step {
    pub(super) client: usize,
    pub(super) args: Vec<Vec<u8>>,
    /// A key that gets due just before: nobody has looked at it since.
    pub(super) expired: Option<Vec<u8>>,
}

impl Step {
    /// The command with its name; never empty.
    pub fn args(&self) -> &[Vec<u8>] {
        &self.args
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = &self.expired {
            write!(f, "({} expires) ", key.escape_ascii())?;
        }
        write!(f, "{}>", self.client)?;
        for arg in &self.args {
            let is_plain =
                !arg.is_empty() && arg.iter().all(|b| b.is_ascii_graphic() && *b != b'"');
            if is_plain {
                write!(f, " {}", arg.escape_ascii())?;
            } else {
                write!(f, " \"{}\"", arg.escape_ascii())?;
            }
        }
        Ok(())
    }
}

/// Settings and steps. The same seed and length give the same script on every machine.
#[derive(Clone, Debug)]
pub struct Script {
    pub seed: u64,
    /// `CONFIG SET` before the first step: where values change their encoding.
    pub(super) settings: Vec<(&'static str, &'static str)>,
    /// Clients that speak RESP3 from the start.
    pub(super) resp3: [bool; CLIENTS],
    pub steps: Vec<Step>,
}

/// All that is needed to play it by hand.
impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.settings {
            writeln!(f, "  CONFIG SET {name} {value}")?;
        }
        for (client, _) in self.resp3.iter().enumerate().filter(|(_, resp3)| **resp3) {
            writeln!(f, "  {client}> HELLO 3")?;
        }
        self.steps.iter().try_for_each(|step| writeln!(f, "  {step}"))
    }
}

/// Thresholds of the encodings: as they are by default, and so low that small values pass them.
const SETTINGS: &[(&str, &[&str])] = &[
    ("list-max-listpack-size", &["-2", "4", "-1"]),
    ("hash-max-listpack-entries", &["128", "3"]),
    ("hash-max-listpack-value", &["64", "8"]),
    ("set-max-intset-entries", &["512", "4"]),
    // Not in 7.0.
    ("set-max-listpack-entries", &["128", "3"]),
    ("set-max-listpack-value", &["64", "8"]),
    ("zset-max-listpack-entries", &["128", "3"]),
    ("zset-max-listpack-value", &["64", "8"]),
    ("hll-sparse-max-bytes", &["3000", "100"]),
    ("stream-node-max-entries", &["100", "3"]),
    ("stream-node-max-bytes", &["4096", "60"]),
    ("maxmemory-policy", &["noeviction", "allkeys-lfu"]),
    // Without `m`: what is looked at before an error is found is open.
    ("notify-keyspace-events", &["", "KEA", "EAn", "Kg$x"]),
];

impl Script {
    /// Whether the servers publish what happens to keys.
    pub(super) fn tells_events(&self) -> bool {
        let is_events =
            |(name, value): &(&str, &str)| *name == "notify-keyspace-events" && !value.is_empty();
        self.settings.iter().any(is_events)
    }

    pub fn generate(seed: u64, length: usize) -> Script {
        let mut random = Random::new(seed);
        let parse = |lines: &[&'static str]| -> Vec<Grammar> {
            lines.iter().map(|line| Grammar::parse(line)).collect()
        };
        let (grammars, of_subscriber) = (parse(GRAMMARS), parse(SUBSCRIBER_GRAMMARS));
        let exec = Grammar::parse("EXEC");
        let settings =
            SETTINGS.iter().map(|(name, values)| (*name, *random.pick(values))).collect();
        let resp3 = std::array::from_fn(|_| random.chance(50));
        // Commands that still go into the open transaction of each client, as far as is known here.
        let mut left: [Option<usize>; CLIENTS] = [None; CLIENTS];
        let steps = (0..length)
            .map(|_| {
                let client = match random.between(0, 99) {
                    0..60 => 0,
                    60..80 => 1,
                    80..95 => 2,
                    _ => SUBSCRIBER,
                };
                let table = if client == SUBSCRIBER { &of_subscriber } else { &grammars };
                let mut grammar: &Grammar = random.pick(table);
                let is_rare = RARE.iter().any(|name| grammar.name.starts_with(name));
                if is_rare && !random.chance(RARE_PERCENT) {
                    grammar = random.pick(table);
                }
                match &mut left[client] {
                    Some(0) => (left[client], grammar) = (None, &exec),
                    Some(more) => *more -= 1,
                    None if grammar.name == "MULTI" => {
                        left[client] = Some(random.between(0, TRANSACTION_MAX));
                    }
                    None => {}
                }
                step(client, grammar, &mut random)
            })
            .collect();
        Script { seed, settings, resp3, steps }
    }
}

fn step(client: usize, grammar: &Grammar, random: &mut Random) -> Step {
    let mut args = grammar.generate(random);
    if random.chance(SPOILED_PERCENT) {
        spoil(&mut args, random);
    }
    let is_key = |arg: &&Vec<u8>| KEYS.contains(&arg.as_slice());
    let may_expire = client < WORKERS && random.next_u64() % 1000 < EXPIRED_PERMILLE;
    let expired = args.iter().skip(1).find(is_key).filter(|_| may_expire).cloned();
    Step { client, args, expired }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_script() {
        let text = |seed| {
            let script = Script::generate(seed, 200);
            script.steps.iter().map(Step::to_string).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(text(7), text(7));
        assert_ne!(text(7), text(8));
    }
}
