//! Command grammars: one line says what a command takes, and a generator makes arguments of it.
//!
//! ```text
//!   SET {key} {value} [NX|XX] [GET] [EX {seconds}|PX {ms}|KEEPTTL]
//!   {kind}   a random value of that kind       a|b    one of these
//!   [x]      x, or nothing                     x+     x once or more
//! ```

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
            for _ in 0..random.between(1, 4) {
                generate_part(repeated, random, args);
            }
        }
    }
}

/// Appends a value of a kind; `nkeys` appends a count and as many keys.
fn value(kind: &str, random: &mut Random, args: &mut Vec<Vec<u8>>) {
    if kind == "nkeys" {
        let count = random.between(1, 3);
        args.push(count.to_string().into_bytes());
        for _ in 0..count {
            args.push(random.pick(KEYS).to_vec());
        }
        return;
    }
    let text = |text: &&str| text.as_bytes().to_vec();
    args.push(match kind {
        "key" => random.pick(KEYS).to_vec(),
        "value" => random.pick(VALUES).to_vec(),
        "member" => random.pick(MEMBERS).to_vec(),
        "field" => random.pick(MEMBERS).to_vec(),
        "int" => text(random.pick(INTS)),
        "index" => text(random.pick(INDEXES)),
        "count" => text(random.pick(COUNTS)),
        "float" => text(random.pick(FLOATS)),
        "score" => text(random.pick(SCORES)),
        "bound" => text(random.pick(BOUNDS)),
        "lex" => text(random.pick(LEXES)),
        // Far enough away that nothing expires while both servers are asked.
        "seconds" => {
            text(random.pick(&["1000", "5000", "100000", "0", "-1", "x", "9223372036854775807"]))
        }
        "ms" => text(random.pick(&["1000000", "5000000", "0", "-1", "1.5", "9223372036854775807"])),
        "at" => text(random.pick(&["4000000000", "4100000000", "1", "0", "-5", "x"])),
        "atms" => text(random.pick(&["4000000000000", "4100000000000", "1", "0", "-5"])),
        "timeout" => text(random.pick(&["0.01", "0.02", "0.001", "-1", "x"])),
        "db" => text(random.pick(&["0", "1", "2", "15", "16", "-1", "x"])),
        "pattern" => text(random.pick(&["*", "k*", "?", "[a-l]*", "z", "k[1-3]", "\\*", ""])),
        "cursor" => b"0".to_vec(),
        other => panic!("unknown kind {other}"),
    });
}

pub(super) const KEYS: &[&[u8]] = &[
    b"k1", b"k2", b"k3", b"l1", b"l2", b"h1", b"h2", b"s1", b"s2", b"z1", b"z2", b"{t}a", b"{t}b",
];

const VALUES: &[&[u8]] = &[
    b"",
    b"a",
    b"b",
    b"hello",
    b"10",
    b"-3",
    b"3.5",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"007",
    b" 1",
    b"1e3",
    b"\x00\x01\xff\r\n",
    b"the quick brown fox jumps over the lazy dog and runs away",
    b"12345678901234567890",
    b"a value of more than sixty-four bytes, so that compact encodings are left behind for good",
];

const MEMBERS: &[&[u8]] = &[
    b"a",
    b"b",
    b"c",
    b"d",
    b"e",
    b"f",
    b"1",
    b"2",
    b"3",
    b"100000",
    b"-7",
    b"3.0",
    b"",
    b"\xfe\x00",
    b"a member of more than sixty-four bytes, so that compact encodings are left behind for good",
];

const INTS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "3",
    "10",
    "100",
    "-100",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "1.0",
    "x",
    "",
    "+1",
    "01",
];
const INDEXES: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "-2",
    "5",
    "-5",
    "100",
    "-100",
    "x",
    "9223372036854775807",
    "-9223372036854775808",
];
const COUNTS: &[&str] = &["0", "1", "2", "3", "10", "-1", "-2", "x"];
const FLOATS: &[&str] = &[
    "0", "1", "-1", "0.5", "1.5", "3.14159", "1e5", "-2.25", "inf", "-inf", "nan", "x", "",
    "1e400", " 1", "0.1",
];
const SCORES: &[&str] = &[
    "0", "1", "2", "3", "-1", "1.5", "2.25", "inf", "-inf", "+inf", "1e3", "nan", "x", "0.1", "-0",
];
const BOUNDS: &[&str] =
    &["0", "1", "2", "3", "(1", "(2", "-inf", "+inf", "inf", "(-inf", "1.5", "x", "("];
const LEXES: &[&str] = &["-", "+", "[a", "(a", "[c", "(c", "[e", "[", "(", "x", "[zz"];

/// Makes one thing wrong: too few, too many, another type, another case.
pub(super) fn spoil(args: &mut Vec<Vec<u8>>, random: &mut Random) {
    let at = random.between(1, args.len());
    match random.between(0, 5) {
        0 if args.len() > 1 => {
            args.truncate(at);
        }
        1 if at < args.len() => {
            args.remove(at);
        }
        2 => args.insert(at, random.pick(VALUES).to_vec()),
        3 if at < args.len() => args[at] = random.pick(INTS).as_bytes().to_vec(),
        4 if at < args.len() => args[at] = random.pick(VALUES).to_vec(),
        _ => {
            for arg in args.iter_mut() {
                // Keys are lower case on purpose: only words of the command's syntax change.
                if arg.iter().all(u8::is_ascii_uppercase) {
                    arg.make_ascii_lowercase();
                }
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
