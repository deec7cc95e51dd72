//! The slow log: the commands that ran longest lately, newest first, cut to a bounded size.

use std::collections::VecDeque;

use catalog::CommandSpec;

use crate::command::Args;
use crate::config;

/// Arguments kept of a command, and bytes kept of an argument.
const ARGS_COUNT_MAX: usize = 32;
const ARG_BYTES_MAX: usize = 128;
const REDACTED: &[u8] = b"(redacted)";

/// One slow command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Grows by one an entry; not reset by SLOWLOG RESET.
    pub id: u64,
    pub unix_seconds: u64,
    pub micros: u64,
    /// Cut to size; secrets are replaced.
    pub args: Vec<Vec<u8>>,
    /// `ip:port` of the client.
    pub address: String,
    /// As set by CLIENT SETNAME.
    pub client_name: Vec<u8>,
}

#[derive(Debug, Default)]
pub struct Slowlog {
    /// Newest first.
    entries: VecDeque<Entry>,
    next_id: u64,
}

impl Slowlog {
    /// Whether a command that ran so long belongs in the log; `slower_than_us` as configured.
    #[inline]
    pub fn is_slow(micros: u64, slower_than_us: i64) -> bool {
        u64::try_from(slower_than_us).is_ok_and(|bound| micros >= bound)
    }

    /// Adds an entry and drops the oldest ones above `entries_max`.
    pub fn push(&mut self, entry: Entry, entries_max: u64) {
        self.entries.push_front(Entry { id: self.next_id, ..entry });
        self.next_id += 1;
        self.shrink(entries_max);
    }

    /// Drops the oldest entries above `entries_max`.
    pub fn shrink(&mut self, entries_max: u64) {
        self.entries.truncate(usize::try_from(entries_max).unwrap_or(usize::MAX));
    }

    /// The newest `count` entries; `None` is all.
    pub fn newest(&self, count: Option<usize>) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter().take(count.unwrap_or(usize::MAX))
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

/// The arguments as an entry keeps them: at most 32, at most 128 bytes each, and no passwords.
pub fn trimmed(spec: &CommandSpec, args: &Args<'_>) -> Vec<Vec<u8>> {
    let count = args.len().min(ARGS_COUNT_MAX);
    (0..count)
        .map(|at| {
            if at + 1 == ARGS_COUNT_MAX && args.len() > ARGS_COUNT_MAX {
                let rest = args.len() - ARGS_COUNT_MAX + 1;
                return format!("... ({rest} more arguments)").into_bytes();
            }
            if is_secret(spec, args, at) {
                return REDACTED.to_vec();
            }
            let arg = &args[at];
            if arg.len() <= ARG_BYTES_MAX {
                return arg.to_vec();
            }
            let mut cut = arg[..ARG_BYTES_MAX].to_vec();
            let rest = arg.len() - ARG_BYTES_MAX;
            cut.extend_from_slice(format!("... ({rest} more bytes)").as_bytes());
            cut
        })
        .collect()
}

/// Whether argument `at` may hold a password.
pub(crate) fn is_secret(spec: &CommandSpec, args: &Args<'_>, at: usize) -> bool {
    let follows = |word: &str, distance: usize| at > distance && args.is(at - distance, word);
    match spec.name {
        "auth" => at > 0,
        "acl|setuser" => at > 1,
        "config|set" => at > 2 && at % 2 == 1 && config::is_secret(&args[at - 1]),
        "hello" => follows("auth", 1) || follows("auth", 2),
        "migrate" => follows("auth", 1) || follows("auth2", 1) || follows("auth2", 2),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use wire::resp::request::Span;

    use super::*;

    fn check(line: &str, expect: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let buffer = words.concat().into_bytes();
        let mut start = 0;
        let spans: Vec<Span> = words
            .iter()
            .map(|word| {
                let span = Span { start, length: word.len() };
                start += word.len();
                span
            })
            .collect();
        let args = Args::new(&buffer, &spans);
        let spec = catalog::find(words[0].as_bytes()).expect("a command");
        let spec = words
            .get(1)
            .and_then(|word| catalog::find_subcommand(spec, word.as_bytes()))
            .unwrap_or(spec);
        let kept = trimmed(spec, &args).join(&b' ');
        assert_eq!(String::from_utf8_lossy(&kept), expect, "{line}");
    }

    #[test]
    fn secrets_are_not_kept() {
        check("auth user pass", "auth (redacted) (redacted)");
        check("config set hz 5 requirepass x", "config set hz 5 requirepass (redacted)");
        check("hello 3 auth u p setname n", "hello 3 auth (redacted) (redacted) setname n");
        check("acl setuser a >p", "acl setuser (redacted) (redacted)");
        check("set a b", "set a b");
    }

    #[test]
    fn long_commands_are_cut() {
        let long = "x".repeat(130);
        check(&format!("get {long}"), &format!("get {}... (2 more bytes)", "x".repeat(128)));
        let many = format!("del{}", " a".repeat(40));
        check(&many, &format!("del{} ... (10 more arguments)", " a".repeat(30)));
    }

    #[test]
    fn bounded_and_numbered() {
        let entry = Entry {
            id: 0,
            unix_seconds: 1,
            micros: 2,
            args: vec![b"get".to_vec()],
            address: "127.0.0.1:1".to_owned(),
            client_name: Vec::new(),
        };
        let mut log = Slowlog::default();
        (0..5).for_each(|_| log.push(entry.clone(), 3));
        assert_eq!(log.newest(None).map(|entry| entry.id).collect::<Vec<_>>(), [4, 3, 2]);
        assert_eq!(log.newest(Some(1)).count(), 1);
        log.clear();
        log.push(entry, 3);
        assert_eq!(log.newest(None).next().map(|entry| entry.id), Some(5));
        assert!(Slowlog::is_slow(10, 10) && !Slowlog::is_slow(9, 10) && !Slowlog::is_slow(9, -1));
    }
}
