//! Transcripts: what clients say and what they hear, as text files that also a real server can be asked.
//!
//! ```text
//!   # a comment
//!   > LPUSH k a b          the client called `main` sends words (quotes as in redis-cli) ...
//!   :2                     ... and hears this
//!   a> BLPOP q 0           another client sends, and is not waited for
//!   > RPUSH q x
//!   :1
//!   a< ["q" "x"]           what it heard meanwhile
//!   ! HELLO 3              the client `main` sends, and what it hears is of no interest
//! ```
//!
//! Replies: `+OK`, `-ERR ...`, `:1`, `"bulk"`, `[array]`, `%[map]`, `~[set]`, `>[push]`, `,1.5`, `_`; `null` is `$-1` and
//! `null-array` is `*-1`. Most were recorded from a redis-server 7.0.15, and then read with the changes up to 7.2 in mind.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use testkit::client::Client;

use crate::server::Server;

#[test]
fn transcripts() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    assert!(!files.is_empty(), "there are transcripts in {}", root.display());
    let differences: Vec<String> = files.iter().filter_map(|file| run(file).err()).collect();
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ext| ext == "resp") {
            files.push(path);
        }
    }
}

/// Those who speak in a transcript.
struct Cast {
    server: Server,
    main: Client,
    others: HashMap<String, Client>,
    /// When it is answered, what others had sent before has been read.
    barrier: Client,
}

/// All differences in one file, as text.
fn run(file: &Path) -> Result<(), String> {
    let server = Server::start_with(&[("enable-debug-command", "local")]);
    let (main, barrier) = (server.connect(), server.connect());
    let mut cast = Cast { server, main, others: HashMap::new(), barrier };
    let (mut unread, mut differences) = (None, String::new());
    for (number, line) in std::fs::read_to_string(file).unwrap().lines().enumerate() {
        let said = match parse(line) {
            Line::Remark => continue,
            Line::Send(words) => {
                unread = Some(cast.main.call_raw(&slices(&words)).unwrap().1);
                continue;
            }
            Line::SendUnheard(words) => {
                cast.main.call(&slices(&words)).unwrap();
                continue;
            }
            Line::OtherSendsUnheard(name, words) => {
                cast.send(name, &words);
                cast.hear(name);
                continue;
            }
            Line::OtherSends(name, words) => {
                cast.send(name, &words);
                continue;
            }
            Line::Expect(expected) => {
                (unread.take().expect("a command stands before its reply"), expected)
            }
            Line::OtherExpects(name, expected) => (cast.hear(name), expected),
        };
        let (heard, expected) = (render(&said.0), said.1);
        if heard != expected {
            let place = format!("{}:{}", file.display(), number + 1);
            writeln!(differences, "{place}\n  expected {expected}\n  heard    {heard}").unwrap();
        }
    }
    if differences.is_empty() { Ok(()) } else { Err(differences) }
}

impl Cast {
    /// Sends, and waits until the server has read it.
    fn send(&mut self, name: &str, words: &[Vec<u8>]) {
        let server = &self.server;
        let client = self.others.entry(name.to_owned()).or_insert_with(|| server.connect());
        let mut bytes = Vec::new();
        wire::resp::response::encode_command(&mut bytes, &slices(words));
        client.send(&bytes).unwrap();
        self.barrier.call(&[b"PING"]).unwrap();
    }

    fn hear(&mut self, name: &str) -> Vec<u8> {
        self.others.get_mut(name).expect("the client has sent something").receive().unwrap().1
    }
}

/// What a line of a transcript says.
enum Line<'a> {
    Remark,
    Send(Vec<Vec<u8>>),
    SendUnheard(Vec<Vec<u8>>),
    Expect(&'a str),
    OtherSends(&'a str, Vec<Vec<u8>>),
    OtherSendsUnheard(&'a str, Vec<Vec<u8>>),
    OtherExpects(&'a str, &'a str),
}

fn parse(line: &str) -> Line<'_> {
    let of_other = |arrow| line.split_once(arrow).filter(|(name, _)| is_name(name));
    if line.is_empty() || line.starts_with('#') {
        Line::Remark
    } else if let Some(words) = line.strip_prefix("> ") {
        Line::Send(split(words))
    } else if let Some(words) = line.strip_prefix("! ") {
        Line::SendUnheard(split(words))
    } else if let Some((name, words)) = of_other("> ") {
        Line::OtherSends(name, split(words))
    } else if let Some((name, words)) = of_other("! ") {
        Line::OtherSendsUnheard(name, split(words))
    } else if let Some((name, expected)) = of_other("< ") {
        Line::OtherExpects(name, expected)
    } else {
        Line::Expect(line)
    }
}

fn slices(words: &[Vec<u8>]) -> Vec<&[u8]> {
    words.iter().map(Vec::as_slice).collect()
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// Words separated by spaces; one in double quotes may hold spaces and `\xhh`, `\n`, `\r`, `\\`, `\"`.
fn split(text: &str) -> Vec<Vec<u8>> {
    let (mut words, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, tail)) = rest.split_first() {
        match first {
            b' ' => rest = tail,
            b'"' => {
                let mut word = Vec::new();
                rest = tail;
                loop {
                    match rest {
                        [b'"', tail @ ..] => {
                            rest = tail;
                            break;
                        }
                        [b'\\', b'x', high, low, tail @ ..] => {
                            let hex = [*high, *low];
                            let hex = std::str::from_utf8(&hex).unwrap();
                            word.push(u8::from_str_radix(hex, 16).unwrap());
                            rest = tail;
                        }
                        [b'\\', escaped, tail @ ..] => {
                            word.push(match escaped {
                                b'n' => b'\n',
                                b'r' => b'\r',
                                other => *other,
                            });
                            rest = tail;
                        }
                        [byte, tail @ ..] => {
                            word.push(*byte);
                            rest = tail;
                        }
                        [] => panic!("an open quote in {text}"),
                    }
                }
                words.push(word);
            }
            _ => {
                let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
                words.push(rest[..end].to_vec());
                rest = &rest[end..];
            }
        }
    }
    words
}

/// A whole reply as one line.
fn render(mut raw: &[u8]) -> String {
    let text = render_one(&mut raw);
    assert!(raw.is_empty(), "one reply was received");
    text
}

fn render_one(raw: &mut &[u8]) -> String {
    let end = raw.windows(2).position(|pair| pair == b"\r\n").expect("a reply has a line");
    let line = String::from_utf8_lossy(&raw[..end]).into_owned();
    *raw = &raw[end + 2..];
    let (kind, rest) = line.split_at(1);
    match (kind, rest) {
        ("$", "-1") => "null".to_owned(),
        ("*", "-1") => "null-array".to_owned(),
        ("$", length) => {
            let length: usize = length.parse().unwrap();
            let text = raw[..length].escape_ascii().to_string().replace("\\'", "'");
            *raw = &raw[length + 2..];
            format!("\"{text}\"")
        }
        ("*" | "~" | "%" | ">", count) => {
            let count: usize = count.parse().unwrap();
            let count = if kind == "%" { 2 * count } else { count };
            let items: Vec<String> = (0..count).map(|_| render_one(raw)).collect();
            format!("{}[{}]", if kind == "*" { "" } else { kind }, items.join(" "))
        }
        _ => line,
    }
}
