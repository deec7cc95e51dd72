//! LCS: the longest common subsequence of two strings.
//!
//! ```text
//!   length[i][j] = LCS of the first i bytes of a and the first j bytes of b
//!                = length[i-1][j-1] + 1 where the bytes are equal, else the larger neighbour
//! ```
//!
//! The subsequence is read off backwards from the corner. Time and memory are `a * b`; the table is bounded by
//! `proto-max-bulk-len`, as in Redis.

use store::Value;
use wire::resp::reply::ErrorReply;

use super::table::Binding;
use super::{Args, CmdResult, Handler, NodeTurn, Stop};

pub(crate) const COMMANDS: &[Binding] = &[("lcs", Handler::Node(lcs))];

#[derive(Default)]
struct Options {
    is_length: bool,
    is_index: bool,
    has_match_length: bool,
    match_length_min: usize,
}

impl Options {
    fn parse(args: &Args<'_>) -> Result<Options, Stop> {
        let mut options = Options::default();
        let mut at = 3;
        while at < args.len() {
            if args.is(at, "idx") {
                options.is_index = true;
            } else if args.is(at, "len") {
                options.is_length = true;
            } else if args.is(at, "withmatchlen") {
                options.has_match_length = true;
            } else if args.is(at, "minmatchlen") && at + 1 < args.len() {
                options.match_length_min = usize::try_from(args.int(at + 1)?).unwrap_or(0);
                at += 1;
            } else {
                return Err(ErrorReply::SYNTAX.into());
            }
            at += 1;
        }
        if options.is_index && options.is_length {
            return Err(Stop::Error(ErrorReply::new(
                "ERR If you want both the length and indexes, please just use IDX.",
            )));
        }
        Ok(options)
    }
}

fn lcs(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    // As in Redis, the keys are looked at before the options are.
    let a = text(cx, args.key(1))?;
    let b = text(cx, args.key(2))?;
    let options = Options::parse(args)?;
    let table_bytes = (a.len() as u64 + 1).saturating_mul(b.len() as u64 + 1).saturating_mul(4);
    if table_bytes > cx.node.config.settings().proto_max_bulk_len {
        return Err(Stop::Error(ErrorReply::new(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        )));
    }
    let table = Table::new(&a, &b);
    let reply = &mut cx.turn.reply;
    if options.is_length {
        reply.count(table.length());
        return Ok(());
    }
    let matches = table.matches(&a, &b);
    if !options.is_index {
        let found = matches.iter().rev().flat_map(|found| &a[found.a..found.a + found.length]);
        reply.bulk(&found.copied().collect::<Vec<u8>>());
        return Ok(());
    }
    let is_shown = |found: &&Match| found.length >= options.match_length_min;
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(matches.iter().filter(is_shown).count());
    for found in matches.iter().filter(is_shown) {
        reply.array(2 + usize::from(options.has_match_length));
        for start in [found.a, found.b] {
            reply.array(2);
            reply.count(start);
            reply.count(start + found.length - 1);
        }
        if options.has_match_length {
            reply.count(found.length);
        }
    }
    reply.bulk(b"len");
    reply.count(table.length());
    Ok(())
}

/// A copy of the string, as both are needed at once; a missing key is an empty one.
fn text(cx: &mut NodeTurn<'_>, key: &[u8]) -> Result<Vec<u8>, Stop> {
    match cx.turn.keys.value(key) {
        None => Ok(Vec::new()),
        Some(Value::String(string)) => Ok(string.text(&mut itoa::Buffer::new()).to_vec()),
        Some(_) => {
            Err(Stop::Error(ErrorReply::new("ERR The specified keys must contain string values")))
        }
    }
}

/// A run of bytes that is part of the subsequence, and where it stands in both strings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Match {
    a: usize,
    b: usize,
    length: usize,
}

struct Table {
    lengths: Vec<u32>,
    width: usize,
}

impl Table {
    fn new(a: &[u8], b: &[u8]) -> Table {
        let width = b.len() + 1;
        let mut lengths = vec![0; (a.len() + 1) * width];
        for (i, x) in a.iter().enumerate() {
            let (before, row) = lengths[i * width..].split_at_mut(width);
            for (j, y) in b.iter().enumerate() {
                row[j + 1] = if x == y { before[j] + 1 } else { before[j + 1].max(row[j]) };
            }
        }
        Table { lengths, width }
    }

    fn length(&self) -> usize {
        self.lengths.last().map_or(0, |length| *length as usize)
    }

    /// The runs, last one first, with Redis' choice among subsequences of equal length.
    fn matches(&self, a: &[u8], b: &[u8]) -> Vec<Match> {
        let (mut i, mut j) = (a.len(), b.len());
        let mut matches = Vec::new();
        let mut open: Option<Match> = None;
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                let length = open.map_or(1, |run| run.length + 1);
                open = Some(Match { a: i, b: j, length });
            } else {
                matches.extend(open.take());
                if self.lengths[(i - 1) * self.width + j] > self.lengths[i * self.width + j - 1] {
                    i -= 1;
                } else {
                    j -= 1;
                }
            }
        }
        matches.extend(open);
        matches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(a: &str, b: &str, expect: &str, runs: usize) {
        let (a, b) = (a.as_bytes(), b.as_bytes());
        let table = Table::new(a, b);
        let matches = table.matches(a, b);
        let found: Vec<u8> =
            matches.iter().rev().flat_map(|run| a[run.a..run.a + run.length].to_vec()).collect();
        assert_eq!(String::from_utf8_lossy(&found), expect);
        assert_eq!((table.length(), matches.len()), (expect.len(), runs));
        assert!(matches.iter().all(|m| a[m.a..][..m.length] == b[m.b..][..m.length]));
    }

    #[test]
    fn subsequences() {
        check("ohmytext", "mynewtext", "mytext", 2);
        check("abc", "abc", "abc", 1);
        check("abc", "xyz", "", 0);
        check("", "abc", "", 0);
        check("foobar", "barfoo", "bar", 1);
    }
}
