//! What a script declares in its first line: `#!lua flags=no-writes,allow-oom`.

use wire::resp::reply::ErrorReply;

/// A flag and its bit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ScriptFlag {
    NoWrites = 1,
    AllowOom = 2,
    AllowStale = 4,
    NoCluster = 8,
    AllowCrossSlotKeys = 16,
}

/// In the order in which FUNCTION LIST shows them.
const FLAGS: [(ScriptFlag, &str); 5] = [
    (ScriptFlag::NoWrites, "no-writes"),
    (ScriptFlag::AllowOom, "allow-oom"),
    (ScriptFlag::AllowStale, "allow-stale"),
    (ScriptFlag::NoCluster, "no-cluster"),
    (ScriptFlag::AllowCrossSlotKeys, "allow-cross-slot-keys"),
];

/// The flags of a script.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct ScriptFlags(u8);

impl ScriptFlags {
    pub(crate) fn has(self, flag: ScriptFlag) -> bool {
        self.0 & flag as u8 != 0
    }

    /// `false`: there is no such flag.
    pub(crate) fn add(&mut self, name: &[u8]) -> bool {
        let known = FLAGS.iter().find(|(_, known)| known.as_bytes() == name);
        if let Some((flag, _)) = known {
            self.0 |= *flag as u8;
        }
        known.is_some()
    }

    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        FLAGS.into_iter().filter(move |(flag, _)| self.has(*flag)).map(|(_, name)| name)
    }
}

/// The first line of a script.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shebang {
    /// `None`: the script is of the old kind and declares nothing.
    pub(crate) flags: Option<ScriptFlags>,
    /// Bytes in front of the code; the end of the line stays, so that lines are counted right.
    pub(crate) length: usize,
}

impl Shebang {
    /// Of a script for EVAL.
    pub(crate) fn of(code: &[u8]) -> Result<Shebang, ErrorReply> {
        if !code.starts_with(b"#!") {
            return Ok(Shebang { flags: None, length: 0 });
        }
        let Some(length) = code.iter().position(|byte| *byte == b'\n') else {
            return Err(ErrorReply::new("ERR Invalid script shebang"));
        };
        let words = split_words(&code[..length]).filter(|words| !words.is_empty());
        let Some(words) = words else {
            return Err(ErrorReply::new("ERR Invalid engine in script shebang"));
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if words[0] != b"#!lua" {
            let engine = text(&words[0]);
            return Err(format!("ERR Unexpected engine in script shebang: {engine}").into());
        }
        let mut flags = ScriptFlags::default();
        for word in &words[1..] {
            let Some(list) = word.strip_prefix(b"flags=") else {
                return Err(format!("ERR Unknown lua shebang option: {}", text(word)).into());
            };
            // An empty list has no flag, not an empty one.
            for name in list.split(|byte| *byte == b',').filter(|_| !list.is_empty()) {
                if !flags.add(name) {
                    let name = text(name);
                    return Err(format!("ERR Unexpected flag in script shebang: {name}").into());
                }
            }
        }
        Ok(Shebang { flags: Some(flags), length })
    }
}

/// Words between spaces; quotes as in configuration files. `None`: a quote is open, or text stands behind one.
pub(crate) fn split_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let is_space = |byte: u8| matches!(byte, b' ' | b'\t'..=b'\r' | 0);
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        let spaces = rest.iter().take_while(|byte| is_space(**byte)).count();
        rest = &rest[spaces..];
        if rest.is_empty() {
            return Some(words);
        }
        let mut word = Vec::new();
        while let Some((&byte, tail)) = rest.split_first() {
            match byte {
                // A quote may begin in the middle of a word, and ends it.
                b'"' | b'\'' => {
                    rest = quoted(tail, byte, &mut word)?;
                    if rest.first().is_some_and(|byte| !is_space(*byte)) {
                        return None;
                    }
                    break;
                }
                byte if is_space(byte) => break,
                byte => word.push(byte),
            }
            rest = tail;
        }
        words.push(word);
    }
}

/// Takes what stands in quotes, from behind the first one on; returns what stands behind the second.
fn quoted<'l>(line: &'l [u8], quote: u8, word: &mut Vec<u8>) -> Option<&'l [u8]> {
    let mut at = 0;
    loop {
        match (*line.get(at)?, line.get(at + 1)) {
            (byte, _) if byte == quote => return Some(&line[at + 1..]),
            (b'\\', Some(&next)) if quote == b'"' || next == b'\'' => {
                word.push(match next {
                    b'n' if quote == b'"' => b'\n',
                    b'r' if quote == b'"' => b'\r',
                    b't' if quote == b'"' => b'\t',
                    b'b' if quote == b'"' => 8,
                    b'a' if quote == b'"' => 7,
                    other => other,
                });
                at += 2;
            }
            (byte, _) => {
                word.push(byte);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines() {
        let check = |code: &str, expect: Result<(&[&str], usize), &str>| {
            let found = Shebang::of(code.as_bytes());
            let found = found.as_ref().map(|shebang| {
                (shebang.flags.unwrap_or_default().names().collect::<Vec<_>>(), shebang.length)
            });
            match (found, expect) {
                (Ok(found), Ok((names, length))) => assert_eq!(found, (names.to_vec(), length)),
                (Err(error), Err(text)) => assert_eq!(error.0, text),
                (found, expect) => panic!("{code}: {found:?}, not {expect:?}"),
            }
        };
        check("return 1", Ok((&[], 0)));
        check("#!lua\nreturn 1", Ok((&[], 5)));
        check("#!lua flags=\nreturn 1", Ok((&[], 12)));
        check("#!lua flags=allow-oom,no-writes\n", Ok((&["no-writes", "allow-oom"], 31)));
        check("#!lua", Err("ERR Invalid script shebang"));
        check("#!js\n", Err("ERR Unexpected engine in script shebang: #!js"));
        check("#!lua 'x\n", Err("ERR Invalid engine in script shebang"));
        check("#!lua flags=x\n", Err("ERR Unexpected flag in script shebang: x"));
        check("#!lua name=x\n", Err("ERR Unknown lua shebang option: name=x"));
    }

    #[test]
    fn words_in_quotes() {
        let check = |line: &str, expect: Option<&[&str]>| {
            let words = split_words(line.as_bytes());
            let words: Option<Vec<String>> = words.map(|words| {
                words.into_iter().map(|word| String::from_utf8(word).unwrap()).collect()
            });
            assert_eq!(words, expect.map(|words| words.iter().map(|w| (*w).to_owned()).collect()));
        };
        check(" a  b ", Some(&["a", "b"]));
        check("'a b' \"c\\nd\"", Some(&["a b", "c\nd"]));
        check("'it\\'s'", Some(&["it's"]));
        check("a=\"b c\" d", Some(&["a=b c", "d"]));
        check("'a'b", None);
        check("\"a", None);
    }
}
