//! A redis-server of our own to compare with: on a free port, in a directory of its own, ended with the test.

use std::io;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::client::Client;

/// Which program: a path, or a name on `PATH`.
const PROGRAM_VARIABLE: &str = "REDIS_SERVER";
const START_DEADLINE: Duration = Duration::from_secs(20);

/// Killed when dropped.
#[derive(Debug)]
pub struct RedisServer {
    child: Child,
    port: u16,
    /// Where it leaves what it saves for a replica.
    _dir: TempDir,
}

impl RedisServer {
    /// Starts the program that `REDIS_SERVER` names, or else `redis-server`, and waits until it answers.
    pub fn start() -> io::Result<RedisServer> {
        RedisServer::start_with(&[])
    }

    /// As [`RedisServer::start`], with more words on its command line.
    pub fn start_with(words: &[String]) -> io::Result<RedisServer> {
        let program = std::env::var(PROGRAM_VARIABLE).unwrap_or_else(|_| "redis-server".to_owned());
        let dir = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new(program)
            .args(["--port", &port.to_string(), "--save", "", "--appendonly", "no"])
            .args(["--bind", "127.0.0.1", "--enable-debug-command", "local"])
            .arg("--dir")
            .arg(dir.path())
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut server = RedisServer { child, port, _dir: dir };
        let deadline = Instant::now() + START_DEADLINE;
        while Client::connect(&server.address()).and_then(|mut c| c.call(&[b"PING"])).is_err() {
            if let Some(status) = server.child.try_wait()? {
                return Err(io::Error::other(format!("redis-server ended with {status}")));
            }
            if Instant::now() >= deadline {
                return Err(io::Error::other("redis-server does not listen"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // One that is gone already is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
