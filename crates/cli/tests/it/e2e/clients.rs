//! What people have at hand against the endpoint of `pollux up`: redis-cli, redis-benchmark, redis-py, and the
//! Rust crate `redis`; RESP2 and RESP3.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use testkit::site::Site;

use super::POLLUX;

/// Runs a program that must succeed; gives its output.
fn run(command: &mut Command, site: &Site) -> String {
    let Output { status, stdout, stderr } = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}\n{stdout}\n{stderr}\n{}", site.everything_printed());
    stdout.into_owned()
}

fn redis_cli(site: &Site, args: &[&str]) -> String {
    let mut command = Command::new("redis-cli");
    command.args(["-p", &site.port().to_string(), "-e"]).args(args);
    run(&mut command, site)
}

#[test]
fn redis_cli_in_both_protocols() {
    let site = Site::running(POLLUX, &[]);
    for protocol in ["-2", "-3"] {
        let cli = |args: &[&str]| redis_cli(&site, &[&[protocol], args].concat());
        assert_eq!(cli(&["SET", "k", "v w"]), "OK\n");
        assert_eq!(cli(&["GET", "k"]), "v w\n");
        assert_eq!(cli(&["DEL", "k", "h"]).trim().parse::<u8>().ok(), Some(1));
        assert_eq!(cli(&["HSET", "h", "f", "1"]), "1\n");
        assert!(cli(&["HGETALL", "h"]).starts_with('f'));
        assert_eq!(cli(&["DEL", "h"]), "1\n");
        assert!(cli(&["INFO", "replication"]).contains("connected_slaves:1"));
    }
    for key in 0..100 {
        redis_cli(&site, &["SET", &format!("scan:{key}"), "x"]);
    }
    assert_eq!(redis_cli(&site, &["--scan", "--pattern", "scan:*"]).lines().count(), 100);
    assert!(redis_cli(&site, &["--bigkeys"]).contains("Biggest string"));
}

#[test]
fn redis_cli_loads_in_bulk() {
    let site = Site::running(POLLUX, &[]);
    let mut load = Command::new("redis-cli")
        .args(["-p", &site.port().to_string(), "--pipe"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = load.stdin.take().unwrap();
    for key in 0..20_000 {
        write!(input, "*3\r\n$3\r\nSET\r\n$9\r\nkey:{key:05}\r\n$1\r\nx\r\n").unwrap();
    }
    drop(input);
    let output = load.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("errors: 0, replies: 20000"), "{text}");
    assert_eq!(redis_cli(&site, &["DBSIZE"]), "20000\n");
}

#[test]
fn redis_benchmark_with_and_without_pipelining() {
    let site = Site::running(POLLUX, &[]);
    let tests =
        "ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,lrange_100,mset";
    for pipeline in ["1", "16"] {
        let mut benchmark = Command::new("redis-benchmark");
        benchmark.args(["-p", &site.port().to_string(), "-n", "2000", "-c", "20", "-P", pipeline]);
        benchmark.args(["-r", "1000", "-t", tests, "--csv"]);
        let table = run(&mut benchmark, &site);
        for name in ["SET", "GET", "LPUSH", "ZADD", "MSET (10 keys)"] {
            assert!(table.contains(&format!("\"{name}\",\"")), "{name} is missing in\n{table}");
        }
    }
    site.wait_ready();
}

/// Runs where `POLLUX_TEST_PYTHON` names a Python with redis-py, as `./test` arranges it.
#[test]
fn an_application_in_redis_py() {
    let Some(python) = std::env::var_os("POLLUX_TEST_PYTHON") else { return };
    let site = Site::running(POLLUX, &[]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/clients/redis_py.py");
    let mut application = Command::new(python);
    application.args([script, "127.0.0.1", &site.port().to_string()]);
    let told = run(&mut application, &site);
    assert!(told.starts_with("ok "), "{told}");
}

#[test]
fn the_rust_client_library_in_both_protocols() {
    let site = Site::running(POLLUX, &[]);
    for protocol in ["resp2", "resp3"] {
        let url = format!("redis://127.0.0.1:{}/?protocol={protocol}", site.port());
        let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
        let () = redis::cmd("FLUSHALL").query(&mut connection).unwrap();
        let () = redis::cmd("SET").arg("n").arg(7).query(&mut connection).unwrap();
        let eight: i64 = redis::cmd("INCR").arg("n").query(&mut connection).unwrap();
        assert_eq!(eight, 8);
        let (pushed, items): (i64, Vec<String>) = redis::pipe()
            .atomic()
            .cmd("RPUSH")
            .arg("l")
            .arg(&["a", "b"])
            .cmd("LRANGE")
            .arg(&["l", "0", "-1"])
            .query(&mut connection)
            .unwrap();
        assert_eq!((pushed, items), (2, vec!["a".to_owned(), "b".to_owned()]));
        let scores: Vec<(String, f64)> = {
            let () = redis::cmd("ZADD").arg(&["z", "1.5", "m"]).query(&mut connection).unwrap();
            redis::cmd("ZRANGE")
                .arg(&["z", "0", "-1", "WITHSCORES"])
                .query(&mut connection)
                .unwrap()
        };
        assert_eq!(scores, [("m".to_owned(), 1.5)]);
        let wrong: redis::RedisResult<i64> =
            redis::cmd("LPUSH").arg(&["n", "x"]).query(&mut connection);
        assert!(wrong.unwrap_err().to_string().contains("WRONGTYPE"));
    }
}
