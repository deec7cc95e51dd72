//! `pollux server`: data that survives every kind of end, and refusals that say what to do.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use testkit::certificates::Authority;
use testkit::client::Client;
use testkit::site::eventually;
use wire::resp::response::Response;

use super::POLLUX;

/// A running node; killed when dropped.
struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    address: String,
}

impl Server {
    /// Starts on a port that the system chooses, and waits until it is ready.
    fn start(dir: &Path, options: &[&str]) -> Server {
        let mut command = Command::new(POLLUX);
        command.args(["server", "--port", "0", "--bind", "127.0.0.1", "--dir"]).arg(dir);
        Server::run(command.args(options))
    }

    fn run(command: &mut Command) -> Server {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut server = Server { child, stdout, address: String::new() };
        let mut line = String::new();
        while server.stdout.read_line(&mut line).unwrap() > 0 {
            if let Some((_, address)) = line.trim().split_once("Listening on ")
                && server.address.is_empty()
            {
                server.address = address.to_owned();
            }
            if line.contains("Ready to accept connections tcp") {
                return server;
            }
            line.clear();
        }
        let mut errors = String::new();
        server.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        panic!("it did not get ready: {errors}");
    }

    fn client(&self) -> Client {
        Client::connect(&self.address).unwrap()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn stop(mut self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        assert!(self.child.wait().unwrap().success());
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("ready to exit, bye bye"), "{rest}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is gone already after `kill` and `stop`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn call(client: &mut Client, line: &str) -> Response {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    client.call(&words).unwrap()
}

fn bulk(text: &str) -> Response {
    Response::Bulk(text.as_bytes().to_vec())
}

/// One key of each type, in two databases, one of them expiring.
fn write_all_types(client: &mut Client) {
    for line in [
        "SET string text",
        "SET expiring soon PX 100000000",
        "RPUSH list a b c",
        "HSET hash f v",
        "SADD set 1 2 x",
        "ZADD zset 1.5 m",
        "SELECT 3",
        "INCRBY number 41",
        "INCR number",
        "MULTI",
        "SET in-group 1",
        "LPUSH group-list x y",
        "EXEC",
        "SELECT 0",
        "DEL none",
        "LMOVE list list LEFT RIGHT",
    ] {
        let reply = call(client, line);
        assert!(!matches!(reply, Response::Error(_)), "{line}: {reply:?}");
    }
}

fn check_all_types(client: &mut Client) {
    for (line, reply) in [
        ("GET string", bulk("text")),
        ("LINDEX list 0", bulk("b")),
        ("LINDEX list -1", bulk("a")),
        ("HGET hash f", bulk("v")),
        ("SCARD set", Response::Integer(3)),
        ("ZSCORE zset m", bulk("1.5")),
        ("DBSIZE", Response::Integer(6)),
    ] {
        assert_eq!(call(client, line), reply, "{line}");
    }
    assert!(matches!(call(client, "PTTL expiring"), Response::Integer(90_000_000..)));
    call(client, "SELECT 3");
    assert_eq!(call(client, "GET number"), bulk("42"));
    assert_eq!(call(client, "LLEN group-list"), Response::Integer(2));
}

#[test]
fn a_killed_node_comes_back_with_everything() {
    let dir = tempfile::tempdir().unwrap();
    for policy in ["everysec", "always"] {
        let server = Server::start(dir.path(), &["--appendfsync", policy]);
        let mut client = server.client();
        call(&mut client, "FLUSHALL");
        write_all_types(&mut client);
        server.kill();
        let server = Server::start(dir.path(), &[]);
        check_all_types(&mut server.client());
        server.kill();
    }
}

#[test]
fn signals_and_shutdown_end_it_cleanly() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--appendfsync", "no"]);
    write_all_types(&mut server.client());
    server.stop(Signal::TERM);
    let server = Server::start(dir.path(), &[]);
    check_all_types(&mut server.client());
    server.stop(Signal::INT);
    let mut server = Server::start(dir.path(), &[]);
    server.client().send(b"SHUTDOWN\r\n").unwrap();
    assert!(server.child.wait().unwrap().success());
    check_all_types(&mut Server::start(dir.path(), &[]).client());
}

#[test]
fn checkpoints_are_made_as_the_log_grows() {
    let dir = tempfile::tempdir().unwrap();
    let options = ["--auto-aof-rewrite-min-size", "256kb"];
    let server = Server::start(dir.path(), &options);
    let mut client = server.client();
    let value = "x".repeat(1000);
    for number in 0..600 {
        call(&mut client, &format!("SET key:{} {number}{value}", number % 100));
    }
    let has_checkpoint = || {
        let names = fs::read_dir(dir.path().join("binlog")).unwrap();
        let mut names = names.map(|entry| entry.unwrap().file_name());
        names.find(|name| name.to_string_lossy().ends_with(".rdb"))
    };
    eventually("a checkpoint", has_checkpoint);
    call(&mut client, "SET last 1");
    server.kill();
    let server = Server::start(dir.path(), &options);
    let mut client = server.client();
    assert_eq!(call(&mut client, "DBSIZE"), Response::Integer(101));
    assert_eq!(call(&mut client, "GET key:99"), bulk(&format!("599{value}")));
    assert_eq!(call(&mut client, "GET last"), bulk("1"));
}

#[test]
fn a_configuration_file_is_obeyed_and_rewritten() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("redis.conf");
    let text =
        format!("# mine\nport 0\nbind 127.0.0.1\ndir {}\nmaxmemory 10mb\n", dir.path().display());
    fs::write(&file, text).unwrap();
    let mut command = Command::new(POLLUX);
    let server = Server::run(command.arg("server").arg(&file).args(["--requirepass", "secret"]));
    let mut client = server.client();
    assert!(
        matches!(call(&mut client, "GET x"), Response::Error(error) if error.starts_with("NOAUTH"))
    );
    call(&mut client, "AUTH secret");
    call(&mut client, "CONFIG SET maxmemory 20mb");
    call(&mut client, "CONFIG REWRITE");
    server.stop(Signal::TERM);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("# mine\n") && text.contains("maxmemory 20971520"), "{text}");
}

#[test]
fn users_come_from_the_configuration_or_from_the_aclfile() {
    let dir = tempfile::tempdir().unwrap();
    let names = |client: &mut Client| match call(client, "ACL USERS") {
        Response::Array(users) => users.len(),
        other => panic!("{other:?}"),
    };
    fs::write(dir.path().join("users.acl"), "user default on nopass ~* &* +@all\nuser one off\n")
        .unwrap();
    let options = ["--aclfile", "users.acl"];
    let server = Server::start(dir.path(), &options);
    let mut client = server.client();
    assert_eq!(names(&mut client), 2);
    call(&mut client, "ACL SETUSER two on >pass ~* +@all");
    assert_eq!(call(&mut client, "ACL SAVE"), Response::Simple("OK".to_owned()));
    server.kill();
    let server = Server::start(dir.path(), &options);
    let mut client = server.client();
    assert_eq!(names(&mut client), 3);
    assert_eq!(call(&mut client, "AUTH two pass"), Response::Simple("OK".to_owned()));
    assert_eq!(call(&mut client, "ACL WHOAMI"), bulk("two"));
    drop(server);
    let file = dir.path().join("redis.conf");
    let text = format!(
        "port 0\nbind 127.0.0.1\ndir {}\nuser three on nopass ~* +@all\n",
        dir.path().display()
    );
    fs::write(&file, text).unwrap();
    let server = Server::run(Command::new(POLLUX).arg("server").arg(&file));
    let mut client = server.client();
    call(&mut client, "ACL SETUSER four on");
    assert_eq!(names(&mut client), 3);
    assert_eq!(call(&mut client, "CONFIG REWRITE"), Response::Simple("OK".to_owned()));
    server.kill();
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("user three on nopass") && text.contains("user four on sanitize"),
        "{text}"
    );
    refuse(&[file.to_str().unwrap(), "--aclfile", "users.acl"], 1, &["aclfile", "choose one"]);
    fs::write(dir.path().join("users.acl"), "user one +nope").unwrap();
    let at = dir.path().to_str().unwrap();
    refuse(&["--port", "0", "--dir", at, "--aclfile", "users.acl"], 1, &["users.acl:1", "+nope"]);
}

/// What a redis-cli says to the TLS port; `None` when it gets no connection.
fn ask_tls(port: u16, authority: &Path, words: &[&str]) -> Option<String> {
    let output = Command::new("redis-cli")
        .args(["-h", "localhost", "-p", &port.to_string(), "--tls", "--cacert"])
        .arg(authority)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn encrypted_connections_and_certificates_that_change() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let (old_ca, new_ca) = (old.write(dir.path(), "old"), new.write(dir.path(), "new"));
    let (first, second) = (old.issue(dir.path(), "first"), new.issue(dir.path(), "second"));
    let port = free_port();
    let options = [
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        "first.pem",
        "--tls-key-file",
        "first.key",
        "--tls-auth-clients",
        "no",
    ];
    // `port 0` is the system's choice only where there is no TLS.
    let mut command = Command::new(POLLUX);
    command.args(["server", "--bind", "127.0.0.1", "--port", &free_port().to_string(), "--dir"]);
    let server = Server::run(command.arg(dir.path()).args(options));
    let mut client = Client::connect(server.address.split(' ').next().unwrap()).unwrap();
    assert_eq!(ask_tls(port, &old_ca, &["SET", "key", "value"]).as_deref(), Some("OK"));
    assert_eq!(call(&mut client, "GET key"), bulk("value"));
    assert_eq!(ask_tls(port, &new_ca, &["PING"]), None, "nobody vouches for the certificate");
    // A key that does not fit, and a file that is not there: what is in use stays.
    for change in ["tls-key-file second.key", "tls-cert-file nowhere.pem", "tls-auth-clients yes"] {
        match call(&mut client, &format!("CONFIG SET {change}")) {
            Response::Error(error) => {
                assert!(error.contains("Unable to update TLS configuration: "), "{error}");
            }
            other => panic!("{change}: {other:?}"),
        }
    }
    assert_eq!(ask_tls(port, &old_ca, &["PING"]).as_deref(), Some("PONG"));
    let both = "CONFIG SET tls-cert-file second.pem tls-key-file second.key";
    assert_eq!(call(&mut client, both), Response::Simple("OK".to_owned()));
    assert_eq!(ask_tls(port, &old_ca, &["PING"]), None);
    assert_eq!(ask_tls(port, &new_ca, &["PING"]).as_deref(), Some("PONG"));
    // New files under the same names.
    fs::copy(&first.certificate_file, &second.certificate_file).unwrap();
    fs::copy(&first.key_file, &second.key_file).unwrap();
    call(&mut client, "CONFIG SET tls-cert-file second.pem");
    assert_eq!(ask_tls(port, &old_ca, &["PING"]).as_deref(), Some("PONG"));
    // Certificates of clients.
    let ca = format!("CONFIG SET tls-ca-cert-file {} tls-auth-clients yes", new_ca.display());
    assert_eq!(call(&mut client, &ca), Response::Simple("OK".to_owned()));
    assert_eq!(ask_tls(port, &old_ca, &["PING"]), None);
    let friend = new.issue(dir.path(), "friend");
    let (certificate, key) = (friend.certificate_file, friend.key_file);
    let shown = ["--cert", certificate.to_str().unwrap(), "--key", key.to_str().unwrap(), "PING"];
    assert_eq!(ask_tls(port, &old_ca, &shown).as_deref(), Some("PONG"));
}

fn refuse(args: &[&str], code: i32, says: &[&str]) {
    let output: Output =
        Command::new(POLLUX).arg("server").args(args).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{text}");
    for part in says {
        assert!(text.contains(part), "{args:?} does not say {part:?}:\n{text}");
    }
}

#[test]
fn wrong_parameters_are_usage_errors() {
    refuse(&["--no-such-thing", "1"], 2, &["no-such-thing", "--help"]);
    refuse(&["--maxmemory", "lots"], 2, &["maxmemory", "memory value"]);
    refuse(&["--cluster-enabled", "yes"], 2, &["cluster-enabled", "not available"]);
    refuse(&["--tls-port", "1", "--tls-key-file", "k"], 1, &["no certificate", "tls-cert-file"]);
    refuse(&["/no/such/file.conf"], 2, &["/no/such/file.conf"]);
}

#[test]
fn what_is_in_the_way_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let at = |path| ["--port", "0", "--bind", "127.0.0.1", "--dir", path];
    refuse(&at("/no/such/directory"), 1, &["/no/such/directory", "--dir"]);
    let server = Server::start(dir.path(), &[]);
    call(&mut server.client(), "SET key value");
    let own = format!("process {}", server.child.id());
    refuse(&at(path), 1, &["binlog", &own, "--dir"]);
    let port = server.address.rsplit_once(':').unwrap().1;
    refuse(&["--port", port, "--bind", "127.0.0.1"], 1, &[&server.address, "in use", "--port"]);
    server.kill();
    let manifest = dir.path().join("binlog/MANIFEST");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("generation 1", "generation 2")).unwrap();
    refuse(&at(path), 1, &["MANIFEST", "corrupt", "backup"]);
    fs::remove_file(&manifest).unwrap();
    refuse(&at(path), 1, &["no manifest", "--dir"]);
}
