//! What replicas of Redis hear, command by command: the same as from a real redis-server that was told the same.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use testkit::client::Response;
use testkit::differential::RedisServer;
use wire::resp::response::{ResponseLimits, decode};

use crate::interop::{ask, connect};
use crate::save::with_node;

/// A replica that only listens.
struct Ear {
    socket: TcpStream,
    input: Vec<u8>,
}

impl Ear {
    /// Asks for everything, and skips the image.
    fn attach(address: &str) -> Ear {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut ear = Ear { socket, input: Vec::new() };
        ear.socket.write_all(b"SYNC\r\n").unwrap();
        let length: usize = loop {
            // A master that is busy with the image says empty lines.
            let line = ear.line();
            if let Some(length) = line.strip_prefix('$') {
                break length.parse().unwrap();
            }
        };
        while ear.input.len() < length {
            ear.fill();
        }
        ear.input.drain(..length);
        ear
    }

    fn fill(&mut self) {
        let mut chunk = [0; 4096];
        let count = self.socket.read(&mut chunk).unwrap();
        assert!(count > 0, "the master closed the connection");
        self.input.extend_from_slice(&chunk[..count]);
    }

    fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.input.drain(..=end).collect();
                return String::from_utf8(line).unwrap().trim_end().to_owned();
            }
            self.fill();
        }
    }

    /// The next command, in lower case, with all times alike.
    fn next(&mut self) -> String {
        loop {
            let decoded = decode(&self.input, &ResponseLimits::default()).unwrap();
            let Some((response, length)) = decoded else {
                self.fill();
                continue;
            };
            self.input.drain(..length);
            let Response::Array(words) = response else { panic!("{response:?}") };
            let is_time = |word: &str| word.len() == 13 && word.parse::<u64>().is_ok();
            let words = words.iter().map(|word| {
                let word = String::from_utf8_lossy(word.as_bytes().unwrap()).to_lowercase();
                if is_time(&word) { "<time>".to_owned() } else { word }
            });
            return words.collect::<Vec<_>>().join(" ");
        }
    }

    /// What comes before `SET end 1`. Where SELECT stands beside MULTI differs between 7.0 and 7.2.
    fn until_end(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            let command = self.next();
            match command.split(' ').next().unwrap() {
                "ping" | "replconf" | "select" => {}
                _ if command == "set end 1" => return heard,
                _ => heard.push(command),
            }
        }
    }
}

/// Lines of which both hear the same, in this order; `|` parts the lines of a transaction.
const LINES: &[&str] = &[
    "SET s 10 EX 1000",
    "SETEX s 1000 10",
    "GETEX s PERSIST",
    "GETEX s PX 100000",
    "SET s 11 KEEPTTL",
    "INCRBY s 5",
    "DECRBY s 2",
    "INCRBYFLOAT s 0.5",
    "GETSET s 1",
    "GETDEL s",
    "SETNX s 3",
    "SETBIT bits 7 1",
    "BITFIELD bits SET u8 0 200 GET u8 0",
    "BITOP NOT tib bits",
    "MSET a 1 b 2",
    "MSETNX c 1 d 2",
    "COPY a e",
    "RENAMENX e f",
    "DEL a b none",
    "UNLINK c none d",
    "DEL none",
    "APPEND f text",
    "SETRANGE f 1 x",
    "PEXPIRE f 100000",
    "PERSIST f",
    "PERSIST f",
    "MOVE f 3",
    "EXPIRE f 1000",
    "EXPIRE f -1",
    "LPUSHX l none",
    "RPUSH l a b c d e f g h",
    "RPUSHX l i",
    "LINSERT l BEFORE c x",
    "LREM l 1 x",
    "LSET l -1 z",
    "LMPOP 1 l LEFT",
    "LMPOP 1 l RIGHT COUNT 2",
    "LPOP l",
    "RPOP l 2",
    "BLPOP l 1",
    "BLMPOP 1 1 l RIGHT",
    "RPUSH l a b c",
    "LMOVE l m LEFT RIGHT",
    "BRPOPLPUSH l m 1",
    "LTRIM m 0 0",
    "SORT m ALPHA STORE sorted",
    "HSET h f 1 g 2",
    "HMSET h i 1",
    "HSETNX h j 1",
    "HINCRBY h f 2",
    "HINCRBYFLOAT h g 0.5",
    "HDEL h f none",
    "SADD t only only",
    "SADD t only",
    "SREM t none",
    "SPOP t",
    "SADD t only",
    "SPOP t 5",
    "SADD t a b c",
    "SADD u b",
    "SMOVE t u a",
    "SUNIONSTORE v t u",
    "SINTERSTORE v t u",
    "SDIFFSTORE v u u",
    "ZADD z 1 a 2 b 3 c 4 d 5 e 6 f 7 g",
    "ZADD z GT CH 9 a",
    "ZADD z XX 5 none",
    "ZADD z NX 5 a 8 h",
    "ZREM z h none",
    "ZINCRBY z 1 b",
    "ZPOPMIN z",
    "ZPOPMAX z 2",
    "BZPOPMIN z 1",
    "ZMPOP 1 z MIN COUNT 1",
    "BZMPOP 1 1 z MAX",
    "ZADD z 1 a 2 b 3 c 4 d",
    "ZUNIONSTORE y 1 z WEIGHTS 2",
    "ZRANGESTORE x z 0 1",
    "ZREMRANGEBYRANK z 0 0",
    "ZREMRANGEBYSCORE z -inf 2",
    "PFADD p a b c",
    "PFMERGE q p",
    "GEOADD places 13.361389 38.115556 p",
    "RENAME p r",
    "PUBLISH channel message",
    "XADD st 1-1 f v",
    "XADD st MAXLEN 2 2-1 f v",
    "XADD st MAXLEN ~ 100 3-1 f v",
    "XADD st NOMKSTREAM MINID ~ 1 4-1 f v",
    "XDEL st 2-1 9-9",
    "XGROUP CREATE st g 0",
    "XREADGROUP GROUP g alice COUNT 1 STREAMS st >",
    "XREADGROUP GROUP g alice NOACK COUNT 1 STREAMS st >",
    "XREADGROUP GROUP g alice STREAMS st >",
    "XACK st g 3-1 9-9",
    "XGROUP CREATECONSUMER st g bob",
    "XGROUP DELCONSUMER st g bob",
    "XGROUP SETID st g 0",
    "XGROUP DESTROY st g",
    "XGROUP CREATE fresh g $ MKSTREAM",
    "XSETID st 9-9",
    "XTRIM st MAXLEN = 1",
    "EVAL return{redis.call('set','n','1'),redis.call('incr','n')} 0",
    "EVAL return{redis.call('get','n')} 0",
    "EVAL return{redis.call('mset','n','1','o','2')} 0",
    "MULTI|MSET a 1 b 2|GET a|DEL a b|EXEC",
    "MULTI|SET a 1|EXEC",
    "MULTI|GET a|EXEC",
    "SWAPDB 1 2",
    "FLUSHALL",
];

#[test]
fn of_commands_are_those_of_a_real_server() {
    let redis = RedisServer::start().expect("redis-server can be started");
    let dir = tempfile::tempdir().unwrap();
    with_node(dir.path(), |address, _| {
        let hear = |address: &str| -> Vec<Vec<String>> {
            let mut client = connect(address);
            let mut ear = Ear::attach(address);
            let each = LINES.iter().map(|line| {
                line.split('|').for_each(|words| drop(ask(&mut client, words)));
                ask(&mut client, "SET end 1");
                ear.until_end()
            });
            each.collect()
        };
        ask(&mut connect(&redis.address()), "CONFIG SET repl-diskless-sync-delay 0");
        let (theirs, ours) = (hear(&redis.address()), hear(address));
        let unlike: Vec<String> = LINES
            .iter()
            .zip(theirs.iter().zip(&ours))
            .filter(|(_, (theirs, ours))| theirs != ours)
            .map(|(line, (theirs, ours))| format!("{line}: {theirs:?}, not {ours:?}"))
            .collect();
        assert!(unlike.is_empty(), "{}", unlike.join("\n"));
    });
}
