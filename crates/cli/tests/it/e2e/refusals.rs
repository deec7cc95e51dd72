//! What `up` and its sisters refuse, and that they say what to do.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Output};

use super::POLLUX;

fn run(args: &[&str]) -> Output {
    Command::new(POLLUX).args(args).output().unwrap()
}

fn check(args: &[&str], code: i32, says: &[&str]) {
    let output = run(args);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{text}");
    for part in says {
        assert!(text.contains(part), "{args:?} does not say {part:?}:\n{text}");
    }
}

#[test]
fn wrong_options_are_usage_errors() {
    check(&["up", "--port", "0"], 2, &["--port"]);
    check(&["up", "--config-servers", "2"], 2, &["1 or 3"]);
    check(&["up", "--bind", "localhost"], 2, &["--bind"]);
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("new");
    let dir = dir.to_str().unwrap();
    check(
        &["up", "--dir", dir, "--edition", "single", "--replicas", "2"],
        2,
        &["no replicas", "--edition standard"],
    );
}

#[test]
fn a_directory_of_someone_else_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.tex"), "x").unwrap();
    check(&["up", "--dir", dir.path().to_str().unwrap()], 1, &["thesis.tex", "--dir"]);
    let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["thesis.tex"]);
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    check(&["up", "--dir", "/proc/pollux"], 1, &["/proc/pollux", "--dir"]);
}

#[test]
fn a_taken_port_is_named_with_its_holder() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let dir = tempfile::tempdir().unwrap();
    let new = dir.path().join("new");
    let own = format!("process {}", std::process::id());
    check(
        &["up", "--dir", new.to_str().unwrap(), "--port", &port],
        1,
        &[&format!("127.0.0.1:{port}"), &own, "--port"],
    );
    assert!(!new.join("pollux.json").exists(), "nothing was decided");
}

#[test]
fn an_address_of_another_machine_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let new = dir.path().join("new");
    check(
        &["up", "--dir", new.to_str().unwrap(), "--bind", "192.0.2.1"],
        1,
        &["192.0.2.1", "--bind"],
    );
}

#[test]
fn operators_without_a_cluster_are_told_how_to_get_one() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().to_str().unwrap();
    check(&["status", "--dir", dir], 1, &["pollux up"]);
    check(&["events", "--dir", dir], 1, &["pollux up"]);
    check(&["instance", "list", "--dir", dir], 1, &["pollux up"]);
    check(&["instance", "delete", "default", "--dir", dir], 2, &["--yes"]);
}
