//! Command grammars: one line says what a command takes, and a generator makes arguments of it.
//!
//! ```text
//!   SET {key} {value} [NX|XX] [GET] [EX {seconds}|PX {ms}|KEEPTTL]
//!   {kind}   a random value of that kind       a|b    one of these
//!   [x]      x, or nothing                     x+     x once or more
//! ```

use super::values::value;
use crate::random::Random;

/// A parsed grammar line.
#[derive(Debug)]
pub(super) struct Grammar {
    pub(super) name: &'static str,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Word(&'static str),
    Value(&'static str),
    OneOf(Vec<Vec<Part>>),
    Maybe(Vec<Vec<Part>>),
    Repeat(Box<Part>),
}

impl Grammar {
    /// Panics on a malformed line: the table is ours.
    pub(super) fn parse(line: &'static str) -> Grammar {
        let mut tokens = tokenize(line).into_iter().peekable();
        let name = tokens.next().expect("a grammar begins with the command");
        let mut alternatives = parse_alternatives(&mut tokens);
        assert!(alternatives.len() == 1 && tokens.next().is_none(), "unbalanced grammar: {line}");
        Grammar { name, parts: alternatives.remove(0) }
    }

    /// One command line: the name (its words split) and arguments.
    pub(super) fn generate(&self, random: &mut Random) -> Vec<Vec<u8>> {
        let mut args: Vec<Vec<u8>> =
            self.name.split('.').map(|word| word.as_bytes().to_vec()).collect();
        generate_all(&self.parts, random, &mut args);
        args
    }
}

type Tokens = std::iter::Peekable<std::vec::IntoIter<&'static str>>;

fn tokenize(line: &'static str) -> Vec<&'static str> {
    let mut tokens = Vec::new();
    let mut start = None;
    for (at, c) in line.char_indices() {
        let special = matches!(c, '[' | ']' | '(' | ')' | '|' | '+');
        if special || c == ' ' {
            if let Some(from) = start.take() {
                tokens.push(&line[from..at]);
            }
            if special {
                tokens.push(&line[at..=at]);
            }
        } else if start.is_none() {
            start = Some(at);
        }
    }
    if let Some(from) = start {
        tokens.push(&line[from..]);
    }
    tokens
}

fn parse_alternatives(tokens: &mut Tokens) -> Vec<Vec<Part>> {
    let mut alternatives = vec![Vec::new()];
    while let Some(&token) = tokens.peek() {
        if matches!(token, "]" | ")") {
            break;
        }
        tokens.next();
        let current = alternatives.last_mut().expect("never empty");
        match token {
            "|" => alternatives.push(Vec::new()),
            "+" => {
                let repeated = current.pop().expect("+ follows something");
                current.push(Part::Repeat(Box::new(repeated)));
            }
            "[" => {
                current.push(Part::Maybe(parse_alternatives(tokens)));
                assert_eq!(tokens.next(), Some("]"));
            }
            "(" => {
                current.push(Part::OneOf(parse_alternatives(tokens)));
                assert_eq!(tokens.next(), Some(")"));
            }
            word => current.push(match word.strip_prefix('{') {
                Some(kind) => Part::Value(kind.strip_suffix('}').expect("a kind ends with }")),
                None => Part::Word(word),
            }),
        }
    }
    alternatives
}

fn generate_all(parts: &[Part], random: &mut Random, args: &mut Vec<Vec<u8>>) {
    for part in parts {
        generate_part(part, random, args);
    }
}

fn generate_part(part: &Part, random: &mut Random, args: &mut Vec<Vec<u8>>) {
    match part {
        Part::Word(word) => args.push(word.as_bytes().to_vec()),
        Part::Value(kind) => value(kind, random, args),
        Part::OneOf(alternatives) => {
            let chosen: &Vec<Part> = random.pick(alternatives);
            generate_all(chosen, random, args);
        }
        Part::Maybe(alternatives) => {
            if random.chance(40) {
                let chosen: &Vec<Part> = random.pick(alternatives);
                generate_all(chosen, random, args);
            }
        }
        Part::Repeat(repeated) => {
            // Few most of the time; sometimes enough to pass a threshold.
            let count = match random.between(0, 99) {
                0 => random.between(100, 200),
                1..8 => random.between(5, 30),
                _ => random.between(1, 4),
            };
            for _ in 0..count {
                generate_part(repeated, random, args);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_generates_what_it_says() {
        let grammar = Grammar::parse("SET {key} {value} [NX|XX] [EX {seconds}|KEEPTTL]");
        let mut random = Random::new(1);
        for _ in 0..200 {
            let args = grammar.generate(&mut random);
            assert_eq!(args[0], b"SET");
            assert!((3..=6).contains(&args.len()), "{args:?}");
        }
        let grammar = Grammar::parse("OBJECT.ENCODING {key}");
        assert_eq!(grammar.generate(&mut random)[..2], [b"OBJECT".to_vec(), b"ENCODING".to_vec()]);
    }
}
