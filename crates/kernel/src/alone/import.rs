//! What redis-server has left in the directory becomes the data of a node whose own log is still empty.
//!
//! ```text
//!   <appenddirname>/<appendfilename>.manifest   base, then increments in their order     | the first
//!   <appendfilename>                            one file, as before Redis 7              | that is
//!   <dbfilename>                                                                         | there
//!
//! With `appendonly no` in the configuration redis-server would read the image only, and so does this node: an AOF that
//! was left behind is older. Where nothing is said, and the image is newer than the AOF, somebody must say which one counts.
//!
//!   *.rdb, or an AOF's RDB front --FileLoader, Loader--> store        commands --parser--> handlers --> store
//!   then: an image of the store -> start_over: the first checkpoint of the log
//! ```
//!
//! Invariants
//! - The files of Redis are only read. The log has nothing of them before it has all of them.
//! - Commands of a transaction that is cut off have no effect.
//! - A file changes data and nothing else. What would stop the node, set it up, reach out of it or wait (SHUTDOWN, CONFIG,
//!   REPLICAOF, MIGRATE, DEBUG SLEEP, ...) is left out and named in the log; Redis would obey it.
//! - A command that fails is told in the log, and the next one follows, as in Redis: an AOF may well hold a script that fails
//!   at its end. What is no command stops the import, and so does a SELECT that fails, as what follows it would get into
//!   another database.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::{OpId, Position};
use binlog::{Directory, History};
use catalog::{CommandSpec, Flag, Group};
use net::{TcpOptions, Token};
use tracing::{info, warn};
use wire::resp::request::{Progress, RequestLimits, RequestParser};

use super::{AloneError, REIGN};
use crate::admit;
use crate::command::Args;
use crate::command::table::{self, Resolved};
use crate::config::Config;
use crate::limits::MASTER_BULK_BYTES_MAX;
use crate::persist::{About, FileWriter, Loader, Snapshot, SnapshotStep};
use crate::turn::{Executor, monotonic_clock};

/// How long loading goes on between two turns.
const SLICE: Duration = Duration::from_millis(5);
const CHUNK_BYTES: usize = 1 << 20;
/// A manifest is small, whatever it holds (bytes).
const MANIFEST_BYTES_MAX: u64 = 16 << 20;
const RDB_SIGNATURE: &[u8] = b"REDIS";
/// A line between commands is short (bytes).
const NOTE_BYTES_MAX: usize = 64 << 10;

/// Where the import stands in the log's history: before everything that this node writes.
const POSITION: Position = Position { epoch: REIGN, opid: 1 };

/// Files to be read, in this order.
#[derive(Debug)]
pub struct Found {
    files: Vec<PathBuf>,
    /// The end of the last file may be cut off.
    may_be_cut: bool,
}

impl Found {
    /// One file that must be an image from its first byte on: whatever else lies there, empty or text, is not played.
    fn image(path: PathBuf) -> Result<Found, AloneError> {
        let io = |error: io::Error| wrong(&path, &error);
        let mut front = Vec::new();
        let file = File::open(&path).map_err(io)?;
        file.take(RDB_SIGNATURE.len() as u64).read_to_end(&mut front).map_err(io)?;
        if front != RDB_SIGNATURE {
            return Err(wrong(&path, &"it is no RDB image: it does not begin with REDIS"));
        }
        Ok(Found { files: vec![path], may_be_cut: false })
    }
}

/// Says which files of Redis are not looked at, because the log has the say: who has put one there to restore it must not
/// believe that it was read.
pub(super) fn tell_what_is_left(config: &Config, log: &Path) {
    let text = |name: &str| config.get(name).unwrap_or_default();
    let dir = Path::new(text("dir"));
    for name in ["dbfilename", "appendfilename", "appenddirname"] {
        let (name, path) = (text(name), dir.join(text(name)));
        if !name.is_empty() && path.exists() {
            info!(file = %path.display(), log = %log.display(), "not read: the data is that of the log");
        }
    }
}

fn wrong(path: &Path, why: &dyn std::fmt::Display) -> AloneError {
    AloneError::Import { path: path.to_owned(), why: why.to_string() }
}

/// What there is to import in the directory of `config`; `None` when Redis has left nothing.
pub fn find(config: &Config) -> Result<Option<Found>, AloneError> {
    let text = |name: &str| config.get(name).unwrap_or_default();
    let dir = Path::new(text("dir"));
    let may_be_cut = text("aof-load-truncated") == "yes";
    let append_dir = dir.join(text("appenddirname"));
    let manifest = append_dir.join(format!("{}.manifest", text("appendfilename")));
    let old = dir.join(text("appendfilename"));
    let image = dir.join(text("dbfilename"));
    let aof = [&manifest, &old].into_iter().find(|path| path.is_file());
    if config.said_in_vain("appendonly") == Some("no") {
        if let Some(aof) = aof {
            warn!(file = %aof.display(), "not read: the configuration says `appendonly no`");
        }
        return image.is_file().then(|| Found::image(image)).transpose();
    }
    if manifest.is_file() {
        let files = read_manifest(&manifest)?;
        let files: Vec<PathBuf> = files.iter().map(|name| append_dir.join(name)).collect();
        check_newest(config, &files, &image)?;
        Ok(Some(Found { files, may_be_cut }))
    } else if old.is_file() {
        check_newest(config, std::slice::from_ref(&old), &image)?;
        Ok(Some(Found { files: vec![old], may_be_cut }))
    } else if image.is_file() {
        Found::image(image).map(Some)
    } else {
        Ok(None)
    }
}

/// Refuses to guess between an AOF and a newer image, unless `appendonly yes` was said.
fn check_newest(config: &Config, aof: &[PathBuf], image: &Path) -> Result<(), AloneError> {
    if config.said_in_vain("appendonly").is_some() {
        return Ok(());
    }
    // A file that is not there is older than any, and reading it will tell.
    let written = |path: &Path| std::fs::metadata(path).and_then(|file| file.modified()).ok();
    let newest = aof.iter().filter_map(|path| written(path)).max();
    if newest.is_some() && written(image) > newest {
        let why = "it is newer than the AOF beside it: say `appendonly yes` to import the AOF, or `appendonly no` to import this";
        return Err(wrong(image, &why));
    }
    Ok(())
}

/// Names of the files in a manifest: the base, if there is one, then the increments.
fn read_manifest(path: &Path) -> Result<Vec<String>, AloneError> {
    let io = |error: io::Error| wrong(path, &error);
    let mut text = String::new();
    let file = File::open(path).map_err(io)?;
    file.take(MANIFEST_BYTES_MAX).read_to_string(&mut text).map_err(io)?;
    let (mut base, mut increments, mut newest) = (None, Vec::new(), 0);
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let entry = parse_entry(line).ok_or_else(|| wrong(path, &format!("malformed: {line}")))?;
        match entry.kind {
            'b' if base.is_none() => base = Some(entry.name),
            'i' if entry.number > newest => {
                newest = entry.number;
                increments.push(entry.name);
            }
            'h' => {}
            'b' => return Err(wrong(path, &"it names two base files")),
            _ => return Err(wrong(path, &"its increments are not in order")),
        }
    }
    Ok(base.into_iter().chain(increments).collect())
}

struct Entry {
    name: String,
    number: u64,
    kind: char,
}

/// `file <name> seq <number> type <b, h or i>`, in any order; names may be quoted.
fn parse_entry(line: &str) -> Option<Entry> {
    let mut line = line.as_bytes().to_vec();
    let mut spans = Vec::new();
    wire::resp::request::split_line(&mut line, &mut spans)?;
    let words: Vec<&str> = (spans.iter().map(|span| std::str::from_utf8(span.of(&line)).ok()))
        .collect::<Option<_>>()?;
    let value = |name: &str| {
        words.chunks_exact(2).find(|pair| pair[0].eq_ignore_ascii_case(name)).map(|pair| pair[1])
    };
    let name = value("file")?;
    // Only files of that directory are meant.
    let is_plain = !name.is_empty() && !name.contains('/') && name != "..";
    let [kind @ ('b' | 'h' | 'i')] = value("type")?.chars().collect::<Vec<char>>()[..] else {
        return None;
    };
    let number = value("seq")?.parse().ok()?;
    is_plain.then(|| Entry { name: name.to_owned(), number, kind })
}

/// Loads everything into the executor's store. `false`: `is_over` said so meanwhile, and a part is loaded.
pub fn load(
    executor: &mut Executor,
    found: &Found,
    is_over: &dyn Fn(&Executor) -> bool,
) -> Result<bool, AloneError> {
    let Some((last, before)) = found.files.split_last() else { return Ok(true) };
    let failed_before = executor.node.counters.unexpected_error_replies;
    let mut reader = CommandReader::new(executor)?;
    let mut read_all = || {
        for path in before {
            if !reader.read(executor, path, false, is_over)? {
                return Ok(false);
            }
        }
        reader.read(executor, last, found.may_be_cut, is_over)
    };
    let outcome = read_all();
    executor.node.net.close(reader.token);
    executor.stage(|stage| stage.forget(reader.token));
    if !outcome? {
        return Ok(false);
    }
    info!(keys = executor.keys.store().len(), file = %last.display(), "data of Redis imported");
    let failed = executor.node.counters.unexpected_error_replies - failed_before;
    if failed > 0 {
        warn!(failed, "commands of the AOF failed: the data may not be what it was in Redis");
    }
    Ok(true)
}

/// Makes what was loaded the first checkpoint of the log.
pub(super) fn keep(executor: &mut Executor, directory: &mut Directory) -> Result<(), AloneError> {
    let image = directory.path().join("import.tmp");
    write_image(executor, &image)?;
    let mut history = History::default();
    history.begin(REIGN, OpId::FIRST).map_err(binlog::OpenError::from)?;
    directory.start_over(&image, POSITION, history, 0)?;
    Ok(())
}

/// The store as a checkpoint file.
fn write_image(executor: &mut Executor, path: &Path) -> Result<(), AloneError> {
    let writer = Arc::new(FileWriter::create(path).map_err(|error| wrong(path, &error))?);
    let memory_bytes = store::memory::used_bytes();
    let about = About { position: POSITION, now: executor.node.now, memory_bytes, stream_db: None };
    let store = executor.keys.store_mut();
    let begun = Snapshot::begin(store, &about, false, Box::new(Arc::clone(&writer)));
    let mut snapshot = begun.map_err(|_| wrong(path, &"a snapshot is being written"))?;
    loop {
        let until = monotonic_clock().plus(SLICE);
        while monotonic_clock() < until
            && matches!(snapshot.step(executor.keys.store_mut(), 64), SnapshotStep::Walking { .. })
        {
        }
        match writer.outcome() {
            None => executor.turn_at_once()?,
            Some(Ok(_)) => return Ok(()),
            Some(Err(error)) => return Err(wrong(path, &error)),
        }
    }
}

/// Plays files as the commands of a master: nothing is refused, nothing is answered, nothing expires, nothing waits.
struct CommandReader {
    token: Token,
    /// The other end, on which nobody speaks: with it the connection would be gone, and the session that plays the file.
    _peer: TcpStream,
    parser: RequestParser,
    /// Commands that were left out, each named in the log once.
    left_out: BTreeSet<&'static str>,
}

impl CommandReader {
    /// Sessions belong to connections, so it gets one that nobody speaks on.
    fn new(executor: &mut Executor) -> io::Result<CommandReader> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let socket = TcpStream::connect(listener.local_addr()?)?;
        let (peer, address) = listener.accept()?;
        let node = &mut executor.node;
        let token = node.net.adopt(socket, &TcpOptions::default())?;
        let session = node.clients.insert(token, address.into(), address.into(), node.now);
        session.become_file();
        let parser = RequestParser::new();
        Ok(CommandReader { token, _peer: peer, parser, left_out: BTreeSet::new() })
    }

    /// One file: an RDB image, commands, or first the one, then the others.
    fn read(
        &mut self,
        executor: &mut Executor,
        path: &Path,
        may_be_cut: bool,
        is_over: &dyn Fn(&Executor) -> bool,
    ) -> Result<bool, AloneError> {
        let io = |error: io::Error| wrong(path, &error);
        let mut file = File::open(path).map_err(io)?;
        info!(file = %path.display(), bytes = file.metadata().map_err(io)?.len(), "importing");
        let (mut input, mut chunk) = (Vec::new(), vec![0; CHUNK_BYTES]);
        let mut image = None;
        let mut is_first = true;
        let mut until = monotonic_clock().plus(SLICE);
        loop {
            if monotonic_clock() >= until {
                executor.turn_at_once()?;
                if is_over(executor) {
                    return Ok(false);
                }
                until = monotonic_clock().plus(SLICE);
            }
            let count = file.read(&mut chunk).map_err(io)?;
            let fresh = &chunk[..count];
            if std::mem::take(&mut is_first) && fresh.starts_with(RDB_SIGNATURE) {
                image = Some(Loader::new());
            }
            match &mut image {
                Some(loader) => {
                    let fed = loader.feed_front(executor.keys.store_mut(), fresh);
                    let fed = fed.map_err(|error| wrong(path, &error))?;
                    if let Some((_, rest)) = fed {
                        input = rest;
                        image = None;
                    } else if count == 0 {
                        return Err(wrong(path, &"the image ends in the middle"));
                    }
                }
                None => input.extend_from_slice(fresh),
            }
            if image.is_none() {
                self.play(executor, path, &mut input)?;
            }
            if count == 0 {
                return self.end(executor, path, input.len(), may_be_cut).map(|()| true);
            }
        }
    }

    /// Runs what is complete at the front of `input`, and takes it out.
    fn play(
        &mut self,
        executor: &mut Executor,
        path: &Path,
        input: &mut Vec<u8>,
    ) -> Result<(), AloneError> {
        let limits =
            RequestLimits { bulk_bytes_max: MASTER_BULK_BYTES_MAX, ..RequestLimits::default() };
        let mut at = 0;
        while let Some(first) = input.get(at) {
            match first {
                b'*' => {}
                // Redis notes the time in lines between commands.
                b'#' => match note_length(&input[at..]) {
                    Some(length) => {
                        at += length;
                        continue;
                    }
                    None if input.len() - at > NOTE_BYTES_MAX => {
                        return Err(wrong(path, &"it is no AOF: a line does not end"));
                    }
                    None => break,
                },
                _ => return Err(wrong(path, &"it is no AOF: a command begins with '*'")),
            }
            match self.parser.parse(&mut input[at..], &limits) {
                Ok(Progress::Incomplete) => break,
                Ok(Progress::Request { consumed }) => {
                    let args = Args::new(&input[at..at + consumed], self.parser.args());
                    if args.len() == 0 {
                        return Err(wrong(path, &"it is no AOF: a command without a name"));
                    }
                    perform(self.token, &mut self.left_out, executor, path, &args)?;
                    at += consumed;
                }
                Err(error) => return Err(wrong(path, &format!("it is no AOF: {error}"))),
            }
        }
        // The parser knows how far it has come in what is left.
        input.drain(..at);
        Ok(())
    }

    /// What is left at the end of a file was cut off, and an open transaction as well.
    fn end(
        &mut self,
        executor: &mut Executor,
        path: &Path,
        rest: usize,
        may_be_cut: bool,
    ) -> Result<(), AloneError> {
        self.parser.reset();
        let session = executor.node.clients.get_mut(self.token);
        let transaction = session.and_then(|session| session.transaction.take());
        if rest == 0 && transaction.is_none() {
            return Ok(());
        }
        if !may_be_cut {
            return Err(wrong(path, &"it ends in the middle of a command or transaction"));
        }
        warn!(file = %path.display(), bytes = rest, "the cut-off end of the AOF is left out");
        Ok(())
    }
}

/// Length of the line at the front; `None`: it is cut off.
fn note_length(input: &[u8]) -> Option<usize> {
    let line = &input[..input.len().min(NOTE_BYTES_MAX)];
    line.iter().position(|byte| *byte == b'\n').map(|end| end + 1)
}

fn perform(
    token: Token,
    left_out: &mut BTreeSet<&'static str>,
    executor: &mut Executor,
    path: &Path,
    args: &Args<'_>,
) -> Result<(), AloneError> {
    let resolved = table::resolve(args);
    if let Some(error) = table::unresolved(&resolved, args) {
        return Err(wrong(path, &error.0));
    }
    let Resolved::Known { spec, .. } = resolved else { unreachable!("looked at above") };
    if !is_of_data(spec) {
        if left_out.insert(spec.name) {
            warn!(
                command = spec.name,
                file = %path.display(),
                "a command that does not belong into an AOF is left out"
            );
        }
        return Ok(());
    }
    let failed_before = executor.node.counters.unexpected_error_replies;
    assert!(executor.node.clients.get(token).is_some(), "the connection of the file is held open");
    executor.stage(|stage| stage.perform(token, resolved, args));
    let has_failed = executor.node.counters.unexpected_error_replies > failed_before;
    if has_failed && spec.name == "select" {
        let db = String::from_utf8_lossy(args.key(1)).into_owned();
        let why = format!("SELECT {db} fails: the setting `databases` rules it out");
        return Err(wrong(path, &why));
    }
    Ok(())
}

/// Whether a file may hold the command: it changes data, or says where or as a whole with what.
fn is_of_data(spec: &CommandSpec) -> bool {
    let changes = spec.has(Flag::Write) || admit::may_replicate(spec);
    (changes && !spec.has(Flag::Admin) && spec.name != "migrate")
        || spec.group == Group::Transactions
        || matches!(spec.name, "select" | "script|load" | "script|flush")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_names_the_files_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.manifest");
        let check = |text: &str, expect: Option<&str>| {
            std::fs::write(&path, text).unwrap();
            let found = read_manifest(&path).ok();
            let found = found.map(|names| names.join(", "));
            assert_eq!(found.as_deref(), expect, "{text}");
        };
        check(
            "# a comment\nfile b.rdb seq 1 type b\nfile \"i 1\" seq 1 type i\nfile old seq 1 type h\n\
             seq 3 file i3 type i\n",
            Some("b.rdb, i 1, i3"),
        );
        check("file i1 seq 2 type i\nfile i2 seq 1 type i\n", None);
        check("file b seq 1 type b\nfile c seq 2 type b\n", None);
        check("file ../b seq 1 type b\n", None);
        check("file b seq x type b\n", None);
        check("file b seq 1\n", None);
    }
}
