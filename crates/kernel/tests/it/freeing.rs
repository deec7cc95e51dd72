//! Nothing that is let go of is freed by the executor: the proof of `docs/design/freeing.md`.
//!
//! ```text
//!   this thread   turn, turn, turn: frees are counted        graveyard: a channel that nobody empties meanwhile
//! ```
//!
//! Each row makes collections of [`MANY`] elements, each in memory of its own, and runs commands. The executor may free
//! what a command takes for its own words and for parts of 1024 elements; what it frees element by element, or as
//! one large block, shows.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use crossbeam_channel::Receiver;
use kernel::access::Access;
use kernel::config::file::Directive;
use kernel::keyspace::Keyspace;
use kernel::limits::Limits;
use kernel::node::Node;
use kernel::turn::Executor;
use net::{Driver, TcpOptions};
use store::memory::frees_of_this_thread;
use store::{DATABASES_DEFAULT, Garbage, Graveyard, Rng, Store};
use wire::resp::response::encode_command;

const SEED: u64 = 20_260_501;
const MANY: usize = 8_000;
/// Words of one command at most that fills a collection.
const BATCH: usize = 2_000;
/// Allocations that a turn may free where values go as a whole.
const FREES_MAX: usize = MANY / 10;
/// The same where a collection shrinks: its tables and trees get smaller nodes.
const FREES_OF_SHRINKING_MAX: usize = MANY * 3 / 10;
/// The same where collections are built: the tables that they outgrow, and nodes of lists that are made larger.
const FREES_OF_BUILDING_MAX: usize = MANY * 11 / 10;
/// Bytes that a turn may free: a buffer is freed in place up to 1 MiB, and a turn has several.
const BYTES_MAX: u64 = 5 << 20;
/// Turns after which something that should happen counts as not happening.
const TURNS_MAX: usize = 1_000_000;
const END: &[u8] = b"$11\r\nend-of-this\r\n";

/// What one turn has freed at most.
#[derive(Clone, Copy, Default, Debug)]
struct Worst {
    frees: u64,
    bytes: u64,
}

struct Bench {
    executor: Executor,
    address: std::net::SocketAddr,
    socket: TcpStream,
    garbage: Receiver<Garbage>,
}

impl Bench {
    fn start() -> Bench {
        let mut driver = Driver::new().unwrap();
        let options = TcpOptions::default();
        let listener = driver.listen("127.0.0.1:0".parse().unwrap(), &options).unwrap();
        let address = driver.local_address(listener).unwrap();
        let (graveyard, garbage) = Graveyard::background();
        let store = Store::new(DATABASES_DEFAULT, graveyard, Rng::new(SEED));
        let mut node = Node::new(driver, Limits::default());
        let mut keys = Keyspace::new(store, Rng::new(SEED));
        let directive = |(name, value): (&str, &str)| Directive {
            name: name.to_owned(),
            words: vec![value.to_owned()],
        };
        let settings = [
            ("enable-debug-command", "yes"),
            ("list-max-listpack-size", "1"),
            ("stream-node-max-entries", "1"),
        ];
        node.config.load(&settings.map(directive)).unwrap();
        node.access = Access::of(node.config.settings());
        node.configure(&mut keys);
        let executor = Executor::new(node, keys);
        let socket = connect(address);
        let mut bench = Bench { executor, address, socket, garbage };
        bench.run(b"PING");
        bench
    }

    /// Sends a command line and waits for its answer.
    fn run(&mut self, line: &[u8]) -> (Vec<u8>, Worst) {
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        self.call(&words)
    }

    fn call(&mut self, words: &[&[u8]]) -> (Vec<u8>, Worst) {
        let mut request = Vec::new();
        encode_command(&mut request, words);
        encode_command(&mut request, &[b"ECHO", b"end-of-this"]);
        self.say(&request)
    }

    /// Sends commands, the last of which is the ECHO that marks the end, and returns what comes before it.
    fn say(&mut self, request: &[u8]) -> (Vec<u8>, Worst) {
        let (mut worst, mut heard, mut sent) = (Worst::default(), Vec::new(), 0);
        let mut chunk = vec![0; 1 << 16];
        for _ in 0..TURNS_MAX {
            if sent < request.len() {
                match self.socket.write(&request[sent..]) {
                    Ok(count) => sent += count,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            }
            self.turn(&mut worst);
            match self.socket.read(&mut chunk) {
                Ok(count) => heard.extend_from_slice(&chunk[..count]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            if heard.ends_with(END) {
                heard.truncate(heard.len() - END.len());
                return (heard, worst);
            }
        }
        panic!("no answer");
    }

    fn turn(&mut self, worst: &mut Worst) {
        let (frees, bytes) = frees_of_this_thread();
        self.executor.turn_at_once().unwrap();
        let (frees_after, bytes_after) = frees_of_this_thread();
        worst.frees = worst.frees.max(frees_after - frees);
        worst.bytes = worst.bytes.max(bytes_after - bytes);
    }

    /// Takes what was thrown away, and returns how many allocations that was.
    fn bury(&mut self) -> u64 {
        let (before, _) = frees_of_this_thread();
        self.garbage.try_iter().for_each(drop);
        frees_of_this_thread().0 - before
    }

    /// Fills a collection by commands of so many elements as are allowed in one.
    fn fill(&mut self, key: &str, kind: &str) {
        let (command, width) = match kind {
            "set" => ("SADD", 1),
            "zset" => ("ZADD", 2),
            "hash" => ("HSET", 2),
            "list" => ("RPUSH", 1),
            "stream" => return self.fill_stream(key),
            _ => panic!("{kind} is no kind"),
        };
        for first in (0..MANY).step_by(BATCH) {
            let mut words = vec![command.to_owned(), key.to_owned()];
            for number in first..first + BATCH {
                match kind {
                    "zset" => words.extend([number.to_string(), member(number)]),
                    "hash" => words.extend([member(number), "value".to_owned()]),
                    _ => words.push(member(number)),
                }
            }
            assert_eq!(words.len(), 2 + width * BATCH);
            let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
            assert!(self.call(&words).0.starts_with(b":"));
        }
    }

    fn fill_stream(&mut self, key: &str) {
        let mut request = Vec::new();
        for number in 1..=MANY {
            let id = format!("{number}-1");
            encode_command(&mut request, &[b"XADD", key.as_bytes(), id.as_bytes(), b"f", b"v"]);
        }
        encode_command(&mut request, &[b"ECHO", b"end-of-this"]);
        self.say(&request);
    }

    /// Runs lines, of which the last is looked at; `least`: allocations that must be left to the background.
    fn check(&mut self, lines: &[&str], least: usize) {
        self.check_frees(lines, least, FREES_MAX);
    }

    fn check_frees(&mut self, lines: &[&str], least: usize, frees_max: usize) {
        let (last, before) = lines.split_last().unwrap();
        for line in before {
            if let Some((kind, key)) =
                line.strip_prefix("fill ").and_then(|rest| rest.split_once(' '))
            {
                self.fill(key, kind);
            } else {
                let (reply, _) = self.run(line.as_bytes());
                assert!(!reply.starts_with(b"-"), "{line}: {}", String::from_utf8_lossy(&reply));
            }
        }
        self.bury();
        let (reply, worst) = self.run(last.as_bytes());
        let reply = String::from_utf8_lossy(&reply[..reply.len().min(80)]).into_owned();
        self.judge_frees(last, &reply, worst, least, frees_max);
        self.run(b"FLUSHALL");
        self.bury();
    }

    fn judge(&mut self, what: &str, reply: &str, worst: Worst, least: usize) {
        self.judge_frees(what, reply, worst, least, FREES_MAX);
    }

    fn judge_frees(
        &mut self,
        what: &str,
        reply: &str,
        worst: Worst,
        least: usize,
        frees_max: usize,
    ) {
        let buried = self.bury();
        let shown = &what[..what.len().min(80)];
        assert!(
            worst.frees <= frees_max as u64,
            "{shown}: the executor frees {} ({reply})",
            worst.frees
        );
        assert!(worst.bytes <= BYTES_MAX, "{shown}: the executor frees {} bytes", worst.bytes);
        assert!(buried >= least as u64, "{shown}: only {buried} go to the background ({reply})");
    }
}

fn connect(address: std::net::SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

fn member(number: usize) -> String {
    format!("member:{number:08}")
}

const KINDS: [&str; 5] = ["set", "zset", "hash", "list", "stream"];

#[test]
fn keys_that_are_removed() {
    let mut bench = Bench::start();
    for kind in KINDS {
        let fill = format!("fill {kind} k");
        for line in ["DEL k", "UNLINK k", "FLUSHALL", "FLUSHDB", "FLUSHALL SYNC", "PEXPIREAT k 1"] {
            bench.check(&[&fill, line], MANY);
        }
        bench.check(&[&fill, "SWAPDB 0 1", "FLUSHALL"], MANY);
        bench.check(&[&fill, "MOVE k 3", "FLUSHALL"], MANY);
    }
}

#[test]
fn keys_that_are_overwritten() {
    let mut bench = Bench::start();
    for kind in KINDS {
        let fill = format!("fill {kind} k");
        let check = |bench: &mut Bench, before: &[&str], line: &str| {
            let lines: Vec<&str> =
                [fill.as_str()].iter().chain(before).copied().chain([line]).collect();
            bench.check(&lines, MANY);
        };
        for line in ["SET k v", "MSET k v x w", "SETEX k 100 v"] {
            check(&mut bench, &[], line);
        }
        check(&mut bench, &["SET x v"], "RENAME x k");
        check(&mut bench, &["SET x v"], "COPY x k REPLACE");
        check(&mut bench, &["SET x v"], "BITOP NOT k x");
        check(&mut bench, &["SADD x a b"], "SUNIONSTORE k x");
        check(&mut bench, &["SADD x a b"], "SDIFFSTORE k x y");
        check(&mut bench, &["SADD x a b"], "SINTERSTORE k nothing");
        check(&mut bench, &["ZADD x 1 a"], "ZUNIONSTORE k 1 x");
        check(&mut bench, &["ZADD x 1 a"], "ZRANGESTORE k x 0 -1");
        check(&mut bench, &["GEOADD x 1 1 a"], "GEOSEARCHSTORE k x FROMLONLAT 1 1 BYRADIUS 1 km");
        check(&mut bench, &["RPUSH x 2 1"], "SORT x STORE k");
    }
}

#[test]
fn a_restored_value_takes_the_place_of_a_huge_one() {
    let mut bench = Bench::start();
    for kind in KINDS {
        bench.fill("x", kind);
        let (dump, worst) = bench.run(b"DUMP x");
        assert!(
            worst.frees < FREES_MAX as u64 && worst.bytes < BYTES_MAX,
            "DUMP {kind}: {worst:?}"
        );
        let start = dump.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let payload = &dump[start..dump.len() - 2];
        bench.fill("k", kind);
        bench.bury();
        let (reply, worst) = bench.call(&[b"RESTORE", b"k", b"0", payload, b"REPLACE"]);
        assert_eq!(reply, b"+OK\r\n");
        let what = format!("RESTORE {kind}");
        // A node of a stream, which has a hundred entries as a rule and one here, is checked and copied.
        let checks = if kind == "stream" { MANY } else { 0 };
        bench.judge_frees(&what, "", worst, 2 * MANY, FREES_OF_BUILDING_MAX + checks);
        bench.run(b"FLUSHALL");
        bench.bury();
    }
}

#[test]
fn keys_that_expire() {
    let mut bench = Bench::start();
    for kind in KINDS {
        for (active, poll) in [("0", &b"EXISTS k"[..]), ("0", b"STRLEN k"), ("1", b"DBSIZE")] {
            bench.run(format!("DEBUG SET-ACTIVE-EXPIRE {active}").as_bytes());
            bench.fill("k", kind);
            bench.run(b"PEXPIRE k 1");
            let mut worst = Worst::default();
            while bench.run(poll).0 != b":0\r\n" {
                bench.turn(&mut worst);
            }
            let (_, last) = bench.run(b"DBSIZE");
            worst.frees = worst.frees.max(last.frees);
            let what = format!("expiry of a {kind} seen by {}", String::from_utf8_lossy(poll));
            bench.judge(&what, "", worst, MANY);
        }
    }
}

#[test]
fn keys_that_are_evicted() {
    let mut bench = Bench::start();
    for policy in ["allkeys-lru", "allkeys-random"] {
        for kind in KINDS {
            bench.fill(kind, kind);
        }
        bench.run(format!("CONFIG SET maxmemory-policy {policy}").as_bytes());
        bench.bury();
        let (_, worst) = bench.run(b"CONFIG SET maxmemory 1");
        let (reply, after) = bench.run(b"SET x y");
        assert!(reply.starts_with(b"-OOM"), "everything is not enough");
        let worst = Worst { frees: worst.frees.max(after.frees), bytes: 0 };
        bench.judge(policy, "", worst, 5 * MANY);
        bench.run(b"CONFIG SET maxmemory 0");
    }
}

#[test]
fn results_and_what_is_made_on_the_way_to_them() {
    let mut bench = Bench::start();
    for line in [
        "SUNIONSTORE d k x",
        "SINTERSTORE d k k",
        "SDIFFSTORE d k x",
        "SUNION k x",
        "ZUNIONSTORE d 2 k x",
        "ZINTERSTORE d 1 k",
        "ZDIFFSTORE d 2 k x",
        "ZUNION 2 k x",
        "ZINTER 1 k",
        "ZDIFF 2 k x",
        "ZINTERCARD 1 k",
        "SORT k ALPHA",
        "SORT k",
        "SORT k ALPHA STORE d",
        "SORT k BY nosort GET # STORE d",
        "SORT k ALPHA BY weight_* LIMIT 0 1",
    ] {
        bench.check_frees(&["fill set k", "SADD x y", line], MANY, FREES_OF_BUILDING_MAX);
    }
    for line in [
        "ZUNIONSTORE d 2 k x WEIGHTS 2 3",
        "ZINTER 1 k WITHSCORES",
        "ZRANGESTORE d k 0 -1",
        "ZRANGESTORE d k -inf +inf BYSCORE",
        "GEOSEARCH k FROMLONLAT 0 0 BYRADIUS 30000 km ASC",
        "GEOSEARCH k FROMLONLAT 0 0 BYRADIUS 30000 km COUNT 1",
        "GEOSEARCHSTORE d k FROMLONLAT 0 0 BYRADIUS 30000 km",
        "SORT k ALPHA",
    ] {
        bench.check_frees(&["fill zset k", "ZADD x 1 y", line], MANY, FREES_OF_BUILDING_MAX);
    }
    for line in ["SORT k ALPHA", "SORT k ALPHA STORE d", "SORT k BY nosort DESC"] {
        bench.check_frees(&["fill list k", line], MANY, FREES_OF_BUILDING_MAX);
    }
    for (kind, line) in [
        ("set", "SMEMBERS k"),
        ("set", "SRANDMEMBER k 1000000"),
        ("hash", "HGETALL k"),
        ("hash", "HRANDFIELD k 1000000 WITHVALUES"),
        ("zset", "ZRANGE k 0 -1 WITHSCORES"),
        ("zset", "ZRANDMEMBER k 1000000"),
        ("list", "LRANGE k 0 -1"),
        ("stream", "XRANGE k - +"),
    ] {
        bench.check(&[&format!("fill {kind} k"), line], 0);
    }
    for kind in KINDS {
        let fill = format!("fill {kind} k");
        bench.check_frees(&[&fill, "COPY k d"], 0, FREES_OF_BUILDING_MAX);
        // What the file holds is read piece by piece, and each piece is freed.
        bench.check_frees(&[&fill, "DEBUG RELOAD"], MANY, FREES_OF_BUILDING_MAX + 2 * MANY);
    }
}

#[test]
fn elements_that_are_removed() {
    let mut bench = Bench::start();
    let all_but_one = (MANY - 1).to_string();
    let listed = |command: &str| {
        let members: Vec<String> = (0..MANY).map(member).collect();
        format!("{command} k {}", members.join(" "))
    };
    for line in [format!("SPOP k {MANY}"), format!("SPOP k {all_but_one}"), listed("SREM")] {
        bench.check_frees(&["fill set k", &line], MANY - 100, FREES_OF_SHRINKING_MAX);
    }
    for line in [
        "ZREMRANGEBYRANK k 0 -1".to_owned(),
        "ZREMRANGEBYRANK k 0 -2".to_owned(),
        "ZREMRANGEBYSCORE k 1 +inf".to_owned(),
        "ZREMRANGEBYLEX k [a +".to_owned(),
        format!("ZPOPMIN k {MANY}"),
        format!("ZPOPMAX k {all_but_one}"),
        format!("ZMPOP 1 k MIN COUNT {MANY}"),
        listed("ZREM"),
    ] {
        bench.check_frees(&["fill zset k", &line], MANY - 100, FREES_OF_SHRINKING_MAX);
    }
    for line in [
        "LTRIM k 1 0".to_owned(),
        "LTRIM k 0 0".to_owned(),
        "LTRIM k -1 -1".to_owned(),
        format!("LPOP k {MANY}"),
        format!("RPOP k {all_but_one}"),
        format!("LMPOP 1 k LEFT COUNT {MANY}"),
    ] {
        bench.check_frees(&["fill list k", &line], MANY - 100, FREES_OF_SHRINKING_MAX);
    }
    bench.check_frees(&["fill hash k", &listed("HDEL")], MANY - 100, FREES_OF_SHRINKING_MAX);
    let ids: Vec<String> = (1..=MANY).map(|number| format!("{number}-1")).collect();
    for line in [
        "XTRIM k MAXLEN 0".to_owned(),
        "XTRIM k MAXLEN 1".to_owned(),
        format!("XTRIM k MINID {MANY}"),
        "XADD k MAXLEN 1 * f v".to_owned(),
        format!("XDEL k {}", ids.join(" ")),
    ] {
        bench.check_frees(&["fill stream k", &line], MANY - 100, FREES_OF_SHRINKING_MAX);
    }
}

#[test]
fn equal_elements_of_a_list() {
    let mut bench = Bench::start();
    let words: Vec<&[u8]> =
        [&b"RPUSH"[..], b"k"].into_iter().chain((0..MANY).map(|_| &b"same"[..])).collect();
    for line in ["LREM k 0 same", "LREM k -7500 same"] {
        bench.call(&words);
        bench.bury();
        let (_, worst) = bench.run(line.as_bytes());
        bench.judge_frees(line, "", worst, 7_000, FREES_OF_SHRINKING_MAX);
    }
}

#[test]
fn groups_of_streams() {
    let mut bench = Bench::start();
    let read = "XREADGROUP GROUP g alice STREAMS k >";
    let other = "XREADGROUP GROUP g bob COUNT 10 STREAMS k >";
    let before = ["fill stream k", "XGROUP CREATE k g 0", other, read];
    for line in ["XGROUP DESTROY k g", "XGROUP DELCONSUMER k g alice", "DEL k"] {
        let lines: Vec<&str> = before.iter().copied().chain([line]).collect();
        bench.check(&lines, MANY / 12);
    }
    let claim = format!("XAUTOCLAIM k g bob 0 0 COUNT {MANY} JUSTID");
    let lines: Vec<&str> = before.iter().copied().chain([claim.as_str()]).collect();
    bench.check_frees(&lines, MANY / 12, FREES_OF_SHRINKING_MAX);
}

#[test]
fn fields_that_expire() {
    let mut bench = Bench::start();
    let members: Vec<String> = (0..MANY).map(member).collect();
    let past = format!("HPEXPIREAT k 1 FIELDS {MANY} {}", members.join(" "));
    bench.check_frees(&["fill hash k", &past], MANY - 100, FREES_OF_SHRINKING_MAX);
    let later = format!("HPEXPIRE k 1000000 FIELDS {MANY} {}", members.join(" "));
    bench.check(&["fill hash k", &later, "DEL k"], 2 * MANY);
}

#[test]
fn transactions() {
    let mut bench = Bench::start();
    let queue = |end: &[u8]| {
        let mut request = Vec::new();
        encode_command(&mut request, &[b"MULTI"]);
        for _ in 0..MANY {
            encode_command(&mut request, &[b"SET", b"key", b"value"]);
        }
        if !end.is_empty() {
            encode_command(&mut request, &[end]);
        }
        request
    };
    for end in [&b"DISCARD"[..], b"EXEC", b"RESET"] {
        let mut request = queue(end);
        encode_command(&mut request, &[b"ECHO", b"end-of-this"]);
        let (_, worst) = bench.say(&request);
        bench.judge(&String::from_utf8_lossy(end), "", worst, MANY);
    }
    // A client that hangs up in the middle.
    let mut other = connect(bench.address);
    let (request, mut sent, mut worst) = (queue(b""), 0, Worst::default());
    let mut chunk = vec![0; 1 << 16];
    while sent < request.len() {
        match other.write(&request[sent..]) {
            Ok(count) => sent += count,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        bench.turn(&mut worst);
        while other.read(&mut chunk).is_ok() {}
    }
    let queued = |bench: &mut Bench| String::from_utf8(bench.run(b"CLIENT LIST").0).unwrap();
    while !queued(&mut bench).contains(&format!(" multi={MANY} ")) {}
    drop(other);
    bench.bury();
    let mut worst = Worst::default();
    while queued(&mut bench).contains(&format!(" multi={MANY} ")) {
        bench.turn(&mut worst);
    }
    bench.judge("a client that hangs up", "", worst, MANY);
}

/// Blocks of 16 MiB: requests, values, results, replies, and what a client leaves behind.
#[test]
fn large_buffers() {
    let mut bench = Bench::start();
    let value = vec![b'x'; 16 << 20];
    let check = |bench: &mut Bench, what: &str, words: &[&[u8]]| {
        let (_, worst) = bench.call(words);
        bench.judge(what, "", worst, 0);
    };
    check(&mut bench, "SET", &[b"SET", b"k", &value]);
    check(&mut bench, "SET again", &[b"SET", b"k", &value]);
    check(&mut bench, "GET", &[b"GET", b"k"]);
    check(&mut bench, "DUMP", &[b"DUMP", b"k"]);
    check(&mut bench, "BITOP", &[b"BITOP", b"NOT", b"d", b"k"]);
    check(&mut bench, "GETSET", &[b"GETSET", b"k", b"1"]);
    check(&mut bench, "INCR", &[b"INCR", b"k"]);
    check(&mut bench, "DEL", &[b"DEL", b"k", b"d"]);
    bench.call(&[b"SET", b"k", &value]);
    bench.bury();
    let mut other = connect(bench.address);
    let mut worst = Worst::default();
    let mut request = Vec::new();
    (0..4).for_each(|_| encode_command(&mut request, &[b"GET", b"k"]));
    other.write_all(&request).unwrap();
    let is_full = |bench: &mut Bench| {
        let list = String::from_utf8(bench.run(b"CLIENT LIST").0).unwrap();
        list.lines().any(|line| line.contains("cmd=get") && !line.contains("omem=0 "))
    };
    while !is_full(&mut bench) {}
    drop(other);
    while is_full(&mut bench) {
        bench.turn(&mut worst);
    }
    bench.judge("a client that leaves much unread", "", worst, 1);
}

#[test]
fn interpreters_of_scripts() {
    let mut bench = Bench::start();
    for number in 0..MANY / 10 {
        let code = format!("local t = {{ {number}, 'a{number}', 'b{number}' }} return t");
        bench.call(&[b"SCRIPT", b"LOAD", code.as_bytes()]);
    }
    bench.check(&["SCRIPT FLUSH"], MANY / 2);
    let functions: Vec<String> = (0..MANY / 10)
        .map(|number| {
            format!("redis.register_function('f{number}', function() return '{number}' end)")
        })
        .collect();
    let code = format!("#!lua name=lib\n{}", functions.join("\n"));
    for end in ["FUNCTION FLUSH", "FUNCTION FLUSH SYNC"] {
        let (reply, _) = bench.call(&[b"FUNCTION", b"LOAD", code.as_bytes()]);
        assert_eq!(reply, b"$3\r\nlib\r\n");
        bench.check(&[end], MANY / 2);
    }
}

#[test]
fn what_clients_cache_is_forgotten() {
    let mut bench = Bench::start();
    bench.run(b"CLIENT TRACKING ON BCAST");
    bench.run(b"CLIENT TRACKING OFF");
    bench.run(b"HELLO 3");
    bench.run(b"CLIENT TRACKING ON");
    let mut request = Vec::new();
    for number in 0..MANY {
        encode_command(&mut request, &[b"GET", member(number).as_bytes()]);
    }
    encode_command(&mut request, &[b"ECHO", b"end-of-this"]);
    bench.say(&request);
    let (_, worst) = bench.run(b"FLUSHALL");
    bench.judge("FLUSHALL with tracked keys", "", worst, MANY);
}
