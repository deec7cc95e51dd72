//! One file of the suite: its tests, one process of tclsh, again without the test that made it hang or end.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};

use super::Mode;
use super::source::{self, Source};

/// Tests of one file that may hang or end the suite before the rest is given up.
const ATTEMPTS_MAX: usize = 12;
/// A file that is not through by then is cut off.
const FILE_DEADLINE: Duration = Duration::from_secs(900);

/// Ports that a run has to itself: the suite and its servers listen there, each server at one more than the one before.
const LANE_PORTS: u16 = 500;
const LANES: u16 = 20;
/// The suite listens so far below the first port that it is given.
const SUITE_PORT_BELOW: u16 = 32;
const LANES_FIRST_PORT: u16 = 19_000;
/// Who listens at the port of its lane has the lane. Below all lanes, and apart from them also in the ports of cluster buses.
const LANE_KEYS_FIRST_PORT: u16 = 18_900;

/// What became of one file. Names may come several times, as tests run in loops have one name.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) passed: Vec<String>,
    pub(super) failed: Vec<String>,
    pub(super) took: Duration,
}

pub(super) struct Runner<'a> {
    source: &'a Source,
    server: PathBuf,
    out: &'a Path,
    idle: Duration,
    lane: Lane,
}

/// Where the suite and the servers that it starts listen; two runs at a time shall not meet.
struct Lane {
    /// Held as long as the run lasts.
    _key: TcpListener,
    base_port: u16,
}

impl Lane {
    fn take() -> Result<Lane> {
        for lane in 0..LANES {
            let listen = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
            let base_port = LANES_FIRST_PORT + 100 + lane * LANE_PORTS;
            // The suite itself, of a run that was killed, may still be there.
            if listen(base_port - SUITE_PORT_BELOW).is_ok()
                && let Ok(key) = listen(LANE_KEYS_FIRST_PORT + lane)
            {
                return Ok(Lane { _key: key, base_port });
            }
        }
        bail!("{LANES} runs of the suite at a time: there are no more ports")
    }
}

/// How one process of the suite ended.
enum End {
    Done,
    /// In this test, if one was running.
    Broken(Option<String>),
}

impl<'a> Runner<'a> {
    pub(super) fn new(
        source: &'a Source,
        server: &Path,
        out: &'a Path,
        idle: Duration,
    ) -> Result<Runner<'a>> {
        Ok(Runner { source, server: server.to_owned(), out, idle, lane: Lane::take()? })
    }

    pub(super) fn run(&self, file: &str) -> Result<Tally> {
        let server = match self.server.canonicalize() {
            Ok(path) => path,
            Err(_) => source::find(&self.server.to_string_lossy())?,
        };
        if self.source.mode == Mode::Spawn {
            self.source.put_server(&server)?;
        }
        if self.is_encrypted(file) {
            self.source.make_certificates()?;
        }
        let log = self.out.join(format!("{}.log", file.replace('/', "__")));
        let mut log = File::create(&log).with_context(|| log.display().to_string())?;
        let began = Instant::now();
        let mut skipped = BTreeSet::new();
        let mut tally = Tally::default();
        for _ in 0..ATTEMPTS_MAX {
            // Each attempt runs the whole file, so only the last one counts.
            tally = Tally::default();
            let end = match self.source.mode {
                Mode::Spawn => self.attempt(file, None, &skipped, &mut log, &mut tally)?,
                Mode::External => {
                    let server = Server::start(&server)?;
                    self.attempt(file, Some(server.port), &skipped, &mut log, &mut tally)?
                }
            };
            match end {
                End::Done => break,
                End::Broken(Some(test)) if began.elapsed() < FILE_DEADLINE => {
                    writeln!(log, "=== again without: {test}")?;
                    if !skipped.insert(test) {
                        break;
                    }
                }
                End::Broken(test) => {
                    let has_begun =
                        test.is_some() || !tally.passed.is_empty() || !tally.failed.is_empty();
                    ensure!(
                        has_begun,
                        "{file}: the suite ended before its first test: see its output"
                    );
                    skipped.extend(test);
                    break;
                }
            }
        }
        tally.failed.extend(skipped);
        tally.took = began.elapsed();
        Ok(tally)
    }

    fn is_encrypted(&self, file: &str) -> bool {
        self.source.mode == Mode::Spawn && file == source::TLS_FILE
    }

    fn attempt(
        &self,
        file: &str,
        port: Option<u16>,
        skipped: &BTreeSet<String>,
        log: &mut File,
        tally: &mut Tally,
    ) -> Result<End> {
        let base_port = self.lane.base_port.to_string();
        let mut command = Command::new("tclsh");
        command.current_dir(&self.source.dir).args(["tests/test_helper.tcl", "--single", file]);
        match port {
            // Encodings are those of 7.2 here, and the suite is that of 7.0.
            Some(port) => command.args([
                "--ignore-encoding",
                "--host",
                "127.0.0.1",
                "--port",
                &port.to_string(),
            ]),
            None => command.args(["--clients", "1"]),
        };
        command.args(["--durable", "--dont-clean", "--baseport", &base_port, "--timeout", "1200"]);
        if self.is_encrypted(file) {
            command.arg("--tls");
        }
        for test in skipped {
            command.args(["--skiptest", test]);
        }
        command.env("TERM", "dumb").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).process_group(0).spawn().context("tclsh")?;
        let lines = lines_of(&mut child);
        let deadline = Instant::now() + FILE_DEADLINE;
        let mut current = None;
        let mut end = None;
        // Silence for too long, or the end of the output.
        while let Ok(line) = lines.recv_timeout(self.idle) {
            writeln!(log, "{line}")?;
            if let Some(ended) = note(&line, &mut current, tally) {
                end = Some(ended);
            }
            if Instant::now() > deadline {
                break;
            }
        }
        // The servers that it started are of its group. A group that is gone is what is wanted.
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        child.wait()?;
        Ok(end.unwrap_or(End::Broken(current)))
    }
}

/// Reads one line of the suite's output; says when the file is through.
fn note(line: &str, current: &mut Option<String>, tally: &mut Tally) -> Option<End> {
    if let Some(name) = line.strip_prefix("[testing]: ") {
        *current = Some(name.to_owned());
    } else if let Some(rest) = line.strip_prefix("[ok]: ") {
        // `name (12 ms)`; the time is missing in older suites.
        let name = match rest.rsplit_once(" (") {
            Some((name, time)) if time.ends_with(" ms)") => name,
            _ => rest,
        };
        tally.passed.push(name.to_owned());
        *current = None;
    } else if let Some(rest) = line.strip_prefix("[err]: ") {
        // `name in tests/unit/x.tcl`; an error outside of any test has no place, and loses the rest of its block.
        let name = match rest.rsplit_once(" in tests/") {
            Some((name, _)) => name.to_owned(),
            None => format!("(outside of tests) {}", rest.chars().take(100).collect::<String>()),
        };
        tally.failed.push(name);
        *current = None;
    } else if line.starts_with("[exception]: ") {
        return Some(End::Broken(current.take()));
    } else if line.starts_with("[1/1 done]") {
        return Some(End::Done);
    }
    None
}

/// Lines of the output as they come; the sender goes with the end of the output.
fn lines_of(child: &mut Child) -> mpsc::Receiver<String> {
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    let (send, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if send.send(text).is_err() {
                return;
            }
            line.clear();
        }
    });
    lines
}

/// A server of its own for one attempt of the mode `external`; killed, with its directory, when dropped.
struct Server {
    child: Child,
    port: u16,
    dir: PathBuf,
}

impl Server {
    fn start(program: &Path) -> Result<Server> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let dir = std::env::temp_dir().join(format!("pollux-suite-server-{port}"));
        fs::create_dir_all(&dir)?;
        let log = File::create(dir.join("log"))?;
        let mut command = Command::new(program);
        if program.file_name().is_some_and(|name| name != "redis-server") {
            command.arg("server");
        }
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"]).arg(&dir);
        for name in ["enable-protected-configs", "enable-debug-command", "enable-module-command"] {
            command.args([format!("--{name}"), "yes".to_owned()]);
        }
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut server = Server { child, port, dir };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = server.child.try_wait()? {
                let log = fs::read_to_string(server.dir.join("log")).unwrap_or_default();
                bail!("{} ended with {status}:\n{log}", program.display());
            }
            ensure!(Instant::now() < deadline, "{} does not listen", program.display());
            thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A child that is gone already is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_suite_are_understood() {
        let (mut current, mut tally) = (None, Tally::default());
        for line in [
            "[testing]: SET works",
            "[ok]: SET works (3 ms)",
            "[testing]: GET (twice)",
            "[err]: GET (twice) in tests/unit/type/string.tcl",
            "Expected 'a' to be equal to 'b'",
            "[testing]: hangs",
        ] {
            assert!(note(line, &mut current, &mut tally).is_none());
        }
        assert_eq!(tally.passed, ["SET works"]);
        assert_eq!(tally.failed, ["GET (twice)"]);
        assert_eq!(current.as_deref(), Some("hangs"));
        assert!(matches!(
            note("[1/1 done]: unit/x (1 seconds)", &mut current, &mut tally),
            Some(End::Done)
        ));
    }
}
