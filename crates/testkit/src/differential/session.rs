//! A session: one seed, one connection to each server, a few hundred commands, then the state compared.

use std::fmt;
use std::io;

use wire::resp::response::Response;

use super::commands::GRAMMARS;
use super::compare::{self, Promise};
use super::differences;
use super::grammar::{Grammar, KEYS, spoil};
use crate::client::Client;
use crate::random::Random;

const SPOILED_PERCENT: u64 = 8;
const DATABASES: u32 = 16;

/// Where the two servers said or became something else.
#[derive(Debug)]
pub struct Difference {
    pub seed: u64,
    pub step: usize,
    pub command: Vec<Vec<u8>>,
    pub redis: String,
    pub pollux: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} step {}:", self.seed, self.step)?;
        for arg in &self.command {
            write!(f, " \"{}\"", arg.escape_ascii())?;
        }
        write!(f, "\n  redis:  {}\n  pollux: {}", self.redis, self.pollux)
    }
}

/// What a session did.
#[derive(Debug, Default)]
pub struct SessionReport {
    pub commands: usize,
    /// Replies that were not errors: a tester that only collects errors tests nothing.
    pub successes: usize,
    pub differences: Vec<Difference>,
}

/// The differential tester over two running servers.
#[derive(Debug)]
pub struct Session {
    redis_address: String,
    pollux_address: String,
    grammars: Vec<Grammar>,
}

/// A reply, decoded and as it came.
type Reply = (Response, Vec<u8>);

/// The state of one run.
struct Run {
    seed: u64,
    step: usize,
    redis: Client,
    pollux: Client,
    /// Commands that were answered with QUEUED since MULTI.
    queued: Vec<String>,
    report: SessionReport,
}

impl Session {
    pub fn new(redis_address: &str, pollux_address: &str) -> Session {
        Session {
            redis_address: redis_address.to_owned(),
            pollux_address: pollux_address.to_owned(),
            grammars: GRAMMARS.iter().map(|line| Grammar::parse(line)).collect(),
        }
    }

    /// Names of all commands that are tested, in the catalog's form: `config|get`.
    pub fn commands(&self) -> Vec<String> {
        self.grammars.iter().map(|g| g.name.to_lowercase().replace('.', "|")).collect()
    }

    /// Runs `length` commands from `seed` on empty databases.
    pub fn run(&self, seed: u64, length: usize) -> io::Result<SessionReport> {
        let mut random = Random::new(seed);
        let mut run = Run {
            seed,
            step: 0,
            redis: Client::connect(&self.redis_address)?,
            pollux: Client::connect(&self.pollux_address)?,
            queued: Vec::new(),
            report: SessionReport::default(),
        };
        run.both(&[b"FLUSHALL"])?;
        run.both(&[b"CONFIG", b"RESETSTAT"])?;
        if random.chance(50) {
            run.both(&[b"HELLO", b"3"])?;
        }
        for step in 0..length {
            run.step = step;
            let mut args = random.pick(&self.grammars).generate(&mut random);
            if random.chance(SPOILED_PERCENT) {
                spoil(&mut args, &mut random);
            }
            self.step(&mut run, &args)?;
        }
        run.step = length;
        run.redis = Client::connect(&self.redis_address)?;
        run.pollux = Client::connect(&self.pollux_address)?;
        run.compare_state()?;
        run.restore_settings()?;
        Ok(run.report)
    }

    fn step(&self, run: &mut Run, args: &[Vec<u8>]) -> io::Result<()> {
        let slices: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let name = command_name(args);
        let (redis, pollux) = run.both(&slices)?;
        run.report.commands += 1;
        if !matches!(redis.0, Response::Error(_)) {
            run.report.successes += 1;
        }
        let same = redis.1 == pollux.1 || run.equal(&name, &slices, &redis.0, &pollux.0)?;
        if !same && !differences::is_known(&name, &show(&redis.0), &show(&pollux.0)) {
            run.differ(args, show(&redis.0), show(&pollux.0));
        }
        let popped_in_transaction =
            name == "EXEC" && run.queued.iter().any(|queued| queued == "SPOP");
        run.track_queue(&name, &redis.0);
        if name == "QUIT"
            || !same && matches!(redis.0, Response::Error(ref e) if e.contains("Protocol error"))
        {
            run.redis = Client::connect(&self.redis_address)?;
            run.pollux = Client::connect(&self.pollux_address)?;
            run.queued.clear();
        }
        // What SPOP took is chance: from here on what is left is not comparable.
        if name == "SPOP" && !matches!(redis.0, Response::Simple(_)) && slices.len() > 1 {
            run.both(&[b"DEL", slices[1]])?;
        }
        if popped_in_transaction {
            run.both(&[b"FLUSHALL"])?;
        }
        Ok(())
    }
}

/// `CONFIG GET` for a container command, else the first word; upper case.
fn command_name(args: &[Vec<u8>]) -> String {
    let word = |at: usize| {
        args.get(at).map(|arg| arg.escape_ascii().to_string().to_uppercase()).unwrap_or_default()
    };
    match word(0).as_str() {
        container @ ("CONFIG" | "CLIENT" | "OBJECT" | "PUBSUB" | "MEMORY" | "COMMAND"
        | "SLOWLOG") => {
            format!("{container} {}", word(1))
        }
        name => name.to_owned(),
    }
}

fn show(response: &Response) -> String {
    let text = match response {
        Response::Bulk(bytes) => format!("\"{}\"", bytes.escape_ascii()),
        other => format!("{other:?}"),
    };
    text.chars().take(400).collect()
}

impl Run {
    fn both(&mut self, args: &[&[u8]]) -> io::Result<(Reply, Reply)> {
        let describe = |who: &str, error: io::Error, args: &[&[u8]]| {
            let words: Vec<String> =
                args.iter().map(|arg| arg.escape_ascii().to_string()).collect();
            io::Error::new(error.kind(), format!("{who} did not answer {words:?}: {error}"))
        };
        let redis = self.redis.call_raw(args).map_err(|e| describe("redis-server", e, args))?;
        let pollux = self.pollux.call_raw(args).map_err(|e| describe("pollux", e, args))?;
        Ok((redis, pollux))
    }

    fn equal(
        &mut self,
        name: &str,
        args: &[&[u8]],
        redis: &Response,
        pollux: &Response,
    ) -> io::Result<bool> {
        if name == "EXEC"
            && let (Response::Array(redis), Response::Array(pollux)) = (redis, pollux)
        {
            let same = |((name, a), b): ((&String, &Response), &Response)| {
                let promise =
                    if name.ends_with("SCAN") { Promise::Shape } else { compare::promise(name) };
                compare::equal(promise, a, b)
            };
            return Ok(
                redis.len() == pollux.len() && self.queued.iter().zip(redis).zip(pollux).all(same)
            );
        }
        if name.ends_with("SCAN")
            && matches!((redis, pollux), (Response::Array(_), Response::Array(_)))
        {
            let redis = scan_all(&mut self.redis, args, redis)?;
            return Ok(redis == scan_all(&mut self.pollux, args, pollux)?);
        }
        Ok(compare::equal(compare::promise(name), redis, pollux))
    }

    fn track_queue(&mut self, name: &str, reply: &Response) {
        match (name, reply) {
            (_, Response::Simple(text)) if text == "QUEUED" => self.queued.push(name.to_owned()),
            ("EXEC" | "DISCARD" | "RESET" | "QUIT", _) => self.queued.clear(),
            _ => {}
        }
    }

    fn differ(&mut self, command: &[Vec<u8>], redis: String, pollux: String) {
        self.report.differences.push(Difference {
            seed: self.seed,
            step: self.step,
            command: command.to_vec(),
            redis,
            pollux,
        });
    }

    /// Every key of every database: type, encoding, content, expiry.
    fn compare_state(&mut self) -> io::Result<()> {
        for db in 0..DATABASES {
            self.check(&[b"SELECT", db.to_string().as_bytes()])?;
            self.check(&[b"DBSIZE"])?;
            for key in KEYS {
                let kind = self.check(&[b"TYPE", key])?;
                match kind.as_bytes().unwrap_or_default() {
                    b"string" => self.check(&[b"GET", key])?,
                    b"list" => self.check(&[b"LRANGE", key, b"0", b"-1"])?,
                    b"hash" => self.check(&[b"HGETALL", key])?,
                    b"set" => self.check(&[b"SMEMBERS", key])?,
                    b"zset" => self.check(&[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"])?,
                    _ => continue,
                };
                self.check(&[b"OBJECT", b"ENCODING", key])?;
                self.check(&[b"PEXPIRETIME", key])?;
            }
        }
        Ok(())
    }

    fn check(&mut self, args: &[&[u8]]) -> io::Result<Response> {
        let owned: Vec<Vec<u8>> = args.iter().map(|arg| arg.to_vec()).collect();
        let name = command_name(&owned);
        let (redis, pollux) = self.both(args)?;
        if redis.1 != pollux.1
            && !compare::equal(compare::promise(&name), &redis.0, &pollux.0)
            && !differences::is_known(&name, &show(&redis.0), &show(&pollux.0))
        {
            self.differ(&owned, show(&redis.0), show(&pollux.0));
        }
        Ok(redis.0)
    }

    /// Sessions change thresholds; the next one must start from the same.
    fn restore_settings(&mut self) -> io::Result<()> {
        for (name, value) in [
            ("hash-max-listpack-entries", "128"),
            ("zset-max-listpack-entries", "128"),
            ("set-max-intset-entries", "512"),
        ] {
            self.both(&[b"CONFIG", b"SET", name.as_bytes(), value.as_bytes()])?;
        }
        Ok(())
    }
}

/// Follows the cursor to its end; what came, sorted and without repetitions.
fn scan_all(client: &mut Client, args: &[&[u8]], first: &Response) -> io::Result<Vec<String>> {
    let cursor_at = usize::from(args[0].len() > 4);
    let mut seen = Vec::new();
    let mut reply = first.clone();
    loop {
        let Response::Array(parts) = &reply else { return Ok(vec![show(&reply)]) };
        let [cursor, Response::Array(items)] = parts.as_slice() else {
            return Ok(vec![show(&reply)]);
        };
        let pairs =
            args[0].eq_ignore_ascii_case(b"HSCAN") || args[0].eq_ignore_ascii_case(b"ZSCAN");
        let width = if pairs { 2 } else { 1 };
        seen.extend(items.chunks(width).map(|chunk| format!("{chunk:?}")));
        let cursor = cursor.as_bytes().unwrap_or_default().to_vec();
        if cursor == b"0" {
            break;
        }
        let mut next = args.to_vec();
        next[cursor_at + 1] = &cursor;
        reply = client.call_raw(&next)?.0;
    }
    seen.sort();
    seen.dedup();
    Ok(seen)
}
