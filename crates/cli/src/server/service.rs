//! What a service manager wants of a server: going into the background, a file with the process id, and word of
//! when it is ready.

use std::env;
use std::fs;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{self, Command, Stdio};

use anyhow::{Context as _, Result};
use rustix::process::{Signal, getpid, kill_process};

/// Set for the process that goes on in the background.
const IN_BACKGROUND: &str = "POLLUX_IN_BACKGROUND";
/// Where a server in the background that was told no other file writes its process id.
const PID_FILE: &str = "/var/run/redis.pid";

/// Starts the same program with the same arguments, apart from this terminal. Whether it was started: then this process
/// has done its part. There is nothing to copy yet, so a new process is as good as a fork.
pub(super) fn went_on_in_the_background() -> Result<bool> {
    if env::var_os(IN_BACKGROUND).is_some() {
        agent::process::detach();
        return Ok(false);
    }
    let program = env::current_exe().context("cannot find this program")?;
    Command::new(program)
        .args(env::args_os().skip(1))
        .env(IN_BACKGROUND, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start in the background")?;
    Ok(true)
}

/// The file with the process id; removed when dropped.
#[derive(Debug)]
pub(super) struct PidFile(PathBuf);

impl PidFile {
    /// `named`: `pidfile`; without it only a server in the background writes one. A failure is no reason not to serve.
    pub(super) fn write(named: &str, in_background: bool) -> Option<PidFile> {
        let path = match named {
            "" if in_background => PathBuf::from(PID_FILE),
            "" => return None,
            named => PathBuf::from(named),
        };
        match fs::write(&path, format!("{}\n", process::id())) {
            Ok(()) => Some(PidFile(path)),
            Err(error) => {
                tracing::warn!("Failed to write PID file {}: {error}", path.display());
                None
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // It may have been cleared away before us.
        let _ = fs::remove_file(&self.0);
    }
}

/// Who has started this process and waits for word of it (`supervised`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Supervisor {
    Nobody,
    Systemd,
    Upstart,
}

impl Supervisor {
    pub(super) fn of(setting: &str) -> Supervisor {
        let is_systemd = env::var_os("NOTIFY_SOCKET").is_some();
        let is_upstart = env::var_os("UPSTART_JOB").is_some();
        match setting {
            "systemd" => Supervisor::Systemd,
            "upstart" => Supervisor::Upstart,
            "auto" if is_upstart => Supervisor::Upstart,
            "auto" if is_systemd => Supervisor::Systemd,
            _ => Supervisor::Nobody,
        }
    }

    /// Clients are served.
    pub(super) fn tell_ready(self) {
        let told = match self {
            Supervisor::Nobody => Ok(()),
            Supervisor::Systemd => notify("READY=1\nSTATUS=Ready to accept connections\n"),
            Supervisor::Upstart => kill_process(getpid(), Signal::STOP).map_err(io::Error::from),
        };
        if let Err(error) = told {
            tracing::warn!(%error, "the supervisor was not told that the server is ready");
        }
    }

    pub(super) fn tell_stopping(self) {
        if self == Supervisor::Systemd {
            // It sees the end of the process anyway.
            let _ = notify("STOPPING=1\n");
        }
    }
}

/// One datagram to the socket that systemd names; a leading `@` means the abstract name space.
fn notify(text: &str) -> io::Result<()> {
    use std::os::linux::net::SocketAddrExt as _;
    let name = env::var("NOTIFY_SOCKET").map_err(|_| io::ErrorKind::NotFound)?;
    let address = match name.strip_prefix('@') {
        Some(name) => std::os::unix::net::SocketAddr::from_abstract_name(name)?,
        None => std::os::unix::net::SocketAddr::from_pathname(&name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.send(text.as_bytes()).map(drop)
}
