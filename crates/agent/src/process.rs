//! A process of ours: started, or found again after we ourselves died.
//!
//! ```text
//!   start ----> Process { pid, born, pidfd } ----> exited() ----> Exit (proof of death)
//!   find  ----^   (pid file + /proc says: this command line, this start time)
//! ```
//!
//! Invariants
//! - A bare pid is never trusted: a process is identified by its pid *and* its start time, and a
//!   found one must in addition carry the expected command line. After that only the pidfd is used,
//!   which cannot be reused, so a signal never reaches a stranger.
//! - `Exit` is only made when the kernel said that the process is gone.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cluster::api::ProcessId;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use tokio::io::unix::AsyncFd;

/// The log of a process is rotated when it is longer than this (bytes).
pub const LOG_BYTES_MAX: u64 = 16 << 20;

/// What to start.
#[derive(Clone, Debug)]
pub struct Spec {
    pub binary: PathBuf,
    pub args: Vec<OsString>,
    /// Standard output and error are appended here.
    pub log: PathBuf,
    /// Where its [`ProcessId`] is written down, for whoever has to find the process again.
    pub record: PathBuf,
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// It returned this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It is gone; it was not our child, so the kernel does not say how.
    Unknown,
}

/// In words that follow the name of the process.
impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "ended with code {code}"),
            Exit::Signal(signal) => write!(f, "ended by signal {signal}"),
            Exit::Unknown => f.write_str("ended"),
        }
    }
}

/// A running (or just ended, not yet collected) process.
#[derive(Debug)]
pub struct Process {
    id: ProcessId,
    fd: AsyncFd<Pidfd>,
    adopted: bool,
}

/// `AsyncFd` needs a raw descriptor; `OwnedFd` keeps it open.
#[derive(Debug)]
struct Pidfd(OwnedFd);

impl AsRawFd for Pidfd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Process {
    /// Starts `spec` with its own output file and no input. The child leaves our session itself
    /// (`--detach`), so that a Ctrl-C at our terminal does not reach it.
    pub fn start(spec: &Spec) -> io::Result<Process> {
        rotate_log(&spec.log, LOG_BYTES_MAX)?;
        let log = OpenOptions::new().create(true).append(true).open(&spec.log)?;
        let mut child = Command::new(&spec.binary)
            .args(&spec.args)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Process::take(&child, spec).inspect_err(|_| {
            // One that nobody knows of would hold its directory against every process that is started after it.
            if let Err(error) = child.kill().and_then(|()| child.wait()) {
                tracing::error!(pid = child.id(), %error, "cannot end a process that was started in vain");
            }
        })
    }

    /// Makes a child ours, and writes that down.
    fn take(child: &Child, spec: &Spec) -> io::Result<Process> {
        // Nobody else can reap the child, so its pid is its own until we do.
        let process = Process::watch(Pid::from_child(child), false)?
            .ok_or_else(|| io::Error::other("/proc does not know our child"))?;
        write_atomically(&spec.record, &serde_json::to_vec(&process.id)?)?;
        Ok(process)
    }

    /// The process that `spec` described in an earlier life of ours, if it still runs.
    ///
    /// `pid_file` is a second place to look: the process wrote its own pid there, in case we died
    /// between starting it and writing the record.
    pub fn find(spec: &Spec, pid_file: Option<&Path>) -> io::Result<Option<Process>> {
        if let Some(recorded) = read_record(&spec.record)
            && let Some(process) = Process::claim(recorded.pid, spec)?
            && process.id == recorded
        {
            return Ok(Some(process));
        }
        let own_word = pid_file
            .and_then(|path| fs::read_to_string(path).ok())
            .and_then(|text| text.trim().parse::<u32>().ok());
        match own_word {
            Some(pid) => Process::claim(pid, spec),
            None => Ok(None),
        }
    }

    /// Opens `pid` and then makes sure that it runs exactly our command line.
    fn claim(pid: u32, spec: &Spec) -> io::Result<Option<Process>> {
        let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
        let Some(process) = Process::watch(pid, true)? else { return Ok(None) };
        // Looked at only after the pidfd holds the process: if the command line is ours now, the
        // descriptor is ours too.
        let ours = command_line(process.pid())
            .is_some_and(|line| line.get(1..) == Some(spec.args.as_slice()));
        Ok(ours.then_some(process))
    }

    /// `None`: there is no such process.
    #[expect(
        deprecated,
        reason = "its successor asks by `unsafe` for what `Pidfd` guarantees: the descriptor stays open and the same"
    )]
    fn watch(pid: Pid, adopted: bool) -> io::Result<Option<Process>> {
        let fd = match pidfd_open(pid, PidfdFlags::NONBLOCK) {
            Ok(fd) => AsyncFd::new(Pidfd(fd))?,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        let pid = pid.as_raw_nonzero().get().unsigned_abs();
        let id = started(pid).map(|started| ProcessId { pid, started });
        Ok(id.map(|id| Process { id, fd, adopted }))
    }

    /// Pid and start time.
    pub fn id(&self) -> ProcessId {
        self.id
    }

    pub fn pid(&self) -> u32 {
        self.id.pid
    }

    /// CPU time of the main thread, which is the executor of a node, in clock ticks.
    pub fn main_thread_ticks(&self) -> Option<u64> {
        let pid = self.pid();
        parse_ticks(&fs::read_to_string(format!("/proc/{pid}/task/{pid}/stat")).ok()?)
    }

    /// Whether it was found rather than started.
    pub fn is_adopted(&self) -> bool {
        self.adopted
    }

    /// Returns when the process is gone. Cancel safe.
    pub async fn exited(&self) -> Exit {
        loop {
            match self.fd.readable().await {
                Ok(mut ready) => {
                    if let Some(exit) = self.collect() {
                        return exit;
                    }
                    ready.clear_ready();
                }
                // The reactor is shutting down; the caller's task ends with it.
                Err(_) => std::future::pending::<()>().await,
            }
        }
    }

    /// How the process ended; `None` while it runs.
    fn collect(&self) -> Option<Exit> {
        let id = WaitId::PidFd(self.fd.get_ref().0.as_fd());
        match waitid(id, WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            Ok(None) => None,
            Ok(Some(status)) => Some(match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => Exit::Code(code),
                (None, Some(signal)) => Exit::Signal(signal),
                (None, None) => Exit::Unknown,
            }),
            // Not our child: the readable pidfd alone is the proof.
            Err(_) => Some(Exit::Unknown),
        }
    }

    /// Asks to end.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends it at once; works on a stopped process too.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Sends a signal; a process that is gone already is what the caller wants to hear from `exited`.
    pub fn signal(&self, signal: Signal) {
        if let Err(error) = pidfd_send_signal(&self.fd.get_ref().0, signal)
            && error != rustix::io::Errno::SRCH
        {
            tracing::error!(pid = self.pid(), %error, "cannot signal");
        }
    }
}

/// Leaves the session and terminal of whoever started us; a no-op when we lead a session already.
pub fn detach() {
    if let Err(error) = rustix::process::setsid() {
        tracing::debug!(%error, "already the leader of a process group");
    }
}

/// Replaces the file at `path` by `bytes` so that a reader sees the old or the new, never a part. Only
/// we may read it: what is written here may hold secrets.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut partial = path.as_os_str().to_owned();
    partial.push(".tmp");
    let partial = PathBuf::from(partial);
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    if let Some(parent) = path.parent() {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

/// Keeps one older log beside the current one. The writer appends (`O_APPEND`), so emptying the file
/// under its hands is safe; lines written between copy and cut are lost, which a log may.
pub fn rotate_log(path: &Path, bytes_max: u64) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(meta) if meta.len() > bytes_max => {}
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    let mut older = path.as_os_str().to_owned();
    older.push(".1");
    fs::copy(path, PathBuf::from(older))?;
    OpenOptions::new().write(true).open(path)?.set_len(0)
}

/// More than a last line ever has.
const LAST_WORDS_BYTES: u64 = 4096;

/// Why a process of this program ended: the line that it writes last, without its name in front. `None` when it
/// could not write one.
pub fn last_words(log: &Path) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let bytes = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(bytes.saturating_sub(LAST_WORDS_BYTES))).ok()?;
    let mut tail = Vec::new();
    file.take(LAST_WORDS_BYTES).read_to_end(&mut tail).ok()?;
    let tail = String::from_utf8_lossy(&tail);
    // A remedy may stand on an indented line behind it.
    let lines = tail.lines().rev();
    let last = lines.take_while(|line| !line.trim().is_empty()).find(|line| !line.starts_with(' '));
    last?.strip_prefix("pollux: ").map(str::to_owned)
}

/// User and system time in clock ticks: fields 14 and 15, counted as in [`parse_started`].
fn parse_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn read_record(path: &Path) -> Option<ProcessId> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Start time of a process in clock ticks since boot.
fn started(pid: u32) -> Option<u64> {
    parse_started(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Field 22. The second field is the program's name in parentheses and may hold anything, spaces and
/// parentheses included, so counting starts behind the last one.
fn parse_started(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// The arguments of a process, its program first. Empty for a zombie.
fn command_line(pid: u32) -> Option<Vec<OsString>> {
    use std::os::unix::ffi::OsStringExt;
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(&bytes);
    Some(bytes.split(|&byte| byte == 0).map(|arg| OsString::from_vec(arg.to_vec())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(dir: &Path, program: &str, args: &[&str]) -> Spec {
        Spec {
            binary: program.into(),
            args: args.iter().map(OsString::from).collect(),
            log: dir.join("log"),
            record: dir.join("process.json"),
        }
    }

    #[tokio::test]
    async fn the_end_of_a_child_is_seen_with_its_cause() {
        let dir = tempfile::tempdir().unwrap();
        let process = Process::start(&spec(dir.path(), "sh", &["-c", "exit 7"])).unwrap();
        assert_eq!(process.exited().await, Exit::Code(7));

        let process = Process::start(&spec(dir.path(), "sleep", &["600"])).unwrap();
        process.kill();
        assert_eq!(process.exited().await, Exit::Signal(9));
    }

    #[tokio::test]
    async fn a_process_that_cannot_be_recorded_is_not_left_running() {
        let dir = tempfile::tempdir().unwrap();
        // Its output goes into a pipe, which ends when nobody can write any more.
        let (mut output, input) = io::pipe().unwrap();
        let log = format!("/proc/self/fd/{}", input.as_raw_fd());
        let in_vain = Spec {
            log: log.into(),
            record: dir.path().join("missing").join("process.json"),
            ..spec(dir.path(), "sh", &["-c", "sleep 1; echo it lives"])
        };
        let error = Process::start(&in_vain).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        drop(input);
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        assert_eq!(text, "");
    }

    #[tokio::test]
    async fn a_stopped_process_can_be_killed() {
        let dir = tempfile::tempdir().unwrap();
        let process = Process::start(&spec(dir.path(), "sleep", &["601"])).unwrap();
        process.signal(Signal::STOP);
        process.kill();
        assert_eq!(process.exited().await, Exit::Signal(9));
    }

    #[tokio::test]
    async fn a_process_is_found_again_only_by_pid_and_command_line() {
        let dir = tempfile::tempdir().unwrap();
        let ours = spec(dir.path(), "sleep", &["602"]);
        let process = Process::start(&ours).unwrap();

        let found = Process::find(&ours, None).unwrap().expect("it runs");
        assert_eq!(found.id(), process.id());
        assert!(found.is_adopted());

        let other = Spec { args: vec!["603".into()], ..ours.clone() };
        assert!(Process::find(&other, None).unwrap().is_none(), "another command line");

        process.kill();
        process.exited().await;
        assert!(Process::find(&ours, None).unwrap().is_none(), "it is gone");
    }

    #[tokio::test]
    async fn work_shows_in_the_time_of_the_main_thread() {
        let dir = tempfile::tempdir().unwrap();
        let process =
            Process::start(&spec(dir.path(), "sh", &["-c", "while :; do :; done"])).unwrap();
        let first = process.main_thread_ticks().unwrap();
        while process.main_thread_ticks().unwrap() <= first + 1 {
            tokio::task::yield_now().await;
        }
        process.kill();
        process.exited().await;
    }

    #[tokio::test]
    async fn a_recycled_pid_is_not_ours() {
        let dir = tempfile::tempdir().unwrap();
        let ours = spec(dir.path(), "sleep", &["604"]);
        let process = Process::start(&ours).unwrap();
        let ProcessId { pid, started } = process.id();
        let record = ProcessId { pid, started: started + 1 };
        fs::write(&ours.record, serde_json::to_vec(&record).unwrap()).unwrap();
        assert!(Process::find(&ours, None).unwrap().is_none());

        let pid_file = dir.path().join("pid");
        fs::write(&pid_file, pid.to_string()).unwrap();
        assert!(Process::find(&ours, Some(&pid_file)).unwrap().is_some(), "by its own word");
        process.kill();
        process.exited().await;
    }

    #[test]
    fn start_time_is_read_behind_a_hostile_name() {
        let stat = "42 (a) b) (c) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987 1 1";
        assert_eq!(parse_started(stat), Some(987));
        assert_eq!(parse_started("42 (x"), None);
        assert_eq!(parse_started("42 (x) S 1"), None);
    }

    #[test]
    fn the_last_words_are_those_of_the_program() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("node.log");
        let check = |text: &str, expect: Option<&str>| {
            fs::write(&log, text).unwrap();
            assert_eq!(last_words(&log).as_deref(), expect, "{text:?}");
        };
        check("", None);
        check("2026 INFO stopping\n", None);
        check(
            "2026 INFO stopping\npollux: its data cannot be used\n",
            Some("its data cannot be used"),
        );
        check("pollux: no\n  say yes\n", Some("no"));
        check("pollux: of an earlier life\n2026 INFO waiting for an order\n", None);
        check(&format!("{}\npollux: long\n", "x".repeat(9000)), Some("long"));
        fs::remove_file(&log).unwrap();
        assert_eq!(last_words(&log), None);
    }

    #[test]
    fn a_long_log_is_moved_aside_and_a_missing_one_is_fine() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("node.log");
        rotate_log(&log, 4).unwrap();
        fs::write(&log, "12345").unwrap();
        rotate_log(&log, 4).unwrap();
        assert_eq!(fs::read(&log).unwrap(), b"");
        assert_eq!(fs::read(dir.path().join("node.log.1")).unwrap(), b"12345");
    }
}
