//! A node that is started where redis-server has run takes its data over.

use std::fs;
use std::path::Path;

use kernel::alone::Alone;
use kernel::config::Config;
use kernel::config::file::Directive;

use crate::interop::ask;
use crate::save::{with_node, with_node_of};

/// Commands as an AOF holds them.
fn commands(lines: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
    }
    bytes
}

/// A `dump.rdb`, as SAVE makes it.
fn image() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    with_node(dir.path(), |_, client| {
        ask(client, "RPUSH list a b");
        ask(client, "SET text old");
        assert_eq!(ask(client, "SAVE"), "+OK\r\n");
    });
    fs::read(dir.path().join("dump.rdb")).unwrap()
}

fn write_multi_part(dir: &Path, last: &[u8]) {
    let parts = dir.join("appendonlydir");
    fs::create_dir(&parts).unwrap();
    fs::write(parts.join("appendonly.aof.1.base.rdb"), image()).unwrap();
    let first = commands(&["SELECT 0", "SET text new", "MULTI", "INCR n", "INCR n", "EXEC"]);
    fs::write(parts.join("appendonly.aof.1.incr.aof"), first).unwrap();
    fs::write(parts.join("appendonly.aof.2.incr.aof"), last).unwrap();
    let manifest = "file appendonly.aof.1.base.rdb seq 1 type b\n\
        file appendonly.aof.1.incr.aof seq 1 type i\nfile appendonly.aof.2.incr.aof seq 2 type i\n";
    fs::write(parts.join("appendonly.aof.manifest"), manifest).unwrap();
}

/// Why a node does not start in `dir`.
fn refusal(dir: &Path, more: &[(&str, &str)]) -> String {
    let directive = |(name, word): &(&str, &str)| Directive {
        name: (*name).to_owned(),
        words: vec![(*word).to_owned()],
    };
    let mut config = Config::default();
    let own = [("dir", dir.to_str().unwrap()), ("port", "0"), ("bind", "127.0.0.1")];
    let directives: Vec<Directive> = own.iter().chain(more).map(directive).collect();
    config.load(&directives).unwrap();
    Alone::open(config).unwrap().run(&mut |_| {}).unwrap_err().to_string()
}

#[test]
fn an_image_is_taken_over_once() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("dump.rdb"), image()).unwrap();
    with_node(dir.path(), |_, client| {
        assert_eq!(ask(client, "LRANGE list 0 -1"), "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
        assert_eq!(ask(client, "DEL list"), ":1\r\n");
    });
    // From now on the log has the say.
    with_node(dir.path(), |_, client| {
        assert_eq!(ask(client, "EXISTS list text"), ":1\r\n");
    });
}

#[test]
fn a_multi_part_aof_is_played_and_its_cut_end_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut last = b"#TS:1700000000\r\n".to_vec();
    last.extend_from_slice(&commands(&["SELECT 9", "SET other 1 PXAT 1", "MULTI", "DEL other"]));
    last.extend_from_slice(b"*2\r\n$3\r\nDEL\r\n$5\r\not");
    write_multi_part(dir.path(), &last);
    for _ in 0..2 {
        with_node(dir.path(), |_, client| {
            assert_eq!(ask(client, "MGET text n"), "*2\r\n$3\r\nnew\r\n$1\r\n2\r\n");
            assert_eq!(ask(client, "LLEN list"), ":2\r\n");
            ask(client, "SELECT 9");
            // It was there until its time was looked at.
            assert_eq!(ask(client, "EXISTS other"), ":0\r\n");
        });
    }
}

/// 7.0 sets the last ID of an empty stream below deleted entries, and LSET of 7.2 takes the lower half of an index. Here
/// clients may do neither; but an AOF, as the stream of a master, is full of what came to pass.
#[test]
fn what_redis_could_do_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let lines = [
        "SELECT 0",
        "XADD s 5-0 f v",
        "XDEL s 5-0",
        "XSETID s 3-0",
        "XADD s 4-0 f v",
        "LSET list 4294967297 x",
        "LSET list -9223372036854775808 y",
    ];
    write_multi_part(dir.path(), &commands(&lines));
    with_node(dir.path(), |_, client| {
        assert_eq!(ask(client, "LRANGE list 0 -1"), "*2\r\n$1\r\ny\r\n$1\r\nx\r\n");
        assert_eq!(ask(client, "XLEN s"), ":1\r\n");
        assert_eq!(ask(client, "LSET list 4294967297 z"), "-ERR index out of range\r\n");
        ask(client, "XDEL s 4-0");
        assert!(ask(client, "XSETID s 3-0").contains("smaller than current max_deleted_entry_id"));
    });
}

#[test]
fn what_is_no_image_is_not_played_as_one() {
    for content in [&b""[..], b"SET text 1\r\n", b"XEDIS0011"] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("dump.rdb"), content).unwrap();
        let refusal = refusal(dir.path(), &[]);
        assert!(refusal.contains("it does not begin with REDIS"), "{refusal}");
        assert_eq!(fs::read(dir.path().join("dump.rdb")).unwrap(), content);
    }
}

#[test]
fn the_configuration_says_which_file_counts() {
    let write = || {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("appendonly.aof"), commands(&["SET text stale"])).unwrap();
        fs::write(dir.path().join("dump.rdb"), image()).unwrap();
        let newer = std::time::SystemTime::now() + std::time::Duration::from_secs(10);
        let file = fs::File::options().write(true).open(dir.path().join("dump.rdb")).unwrap();
        file.set_modified(newer).unwrap();
        dir
    };
    let refusal = refusal(write().path(), &[]);
    assert!(refusal.contains("newer than the AOF beside it: say `appendonly yes`"), "{refusal}");
    for (word, text) in [("no", "$3\r\nold\r\n"), ("yes", "$5\r\nstale\r\n")] {
        let dir = write();
        with_node_of(dir.path(), &[("appendonly", word)], |_, client| {
            assert_eq!(ask(client, "GET text"), text, "appendonly {word}");
        });
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("appendonly.aof"), commands(&["SET text stale"])).unwrap();
    with_node_of(dir.path(), &[("appendonly", "no")], |_, client| {
        assert_eq!(ask(client, "DBSIZE"), ":0\r\n");
    });
}

#[test]
fn an_old_aof_begins_with_an_image() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = [image(), commands(&["SELECT 0", "APPEND text er"])].concat();
    fs::write(dir.path().join("appendonly.aof"), bytes).unwrap();
    with_node(dir.path(), |_, client| {
        assert_eq!(ask(client, "GET text"), "$5\r\nolder\r\n");
    });
}

#[test]
fn what_cannot_be_read_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("appendonly.aof");
    let cut = &commands(&["SET a 1", "SET b 2"])[..30];
    fs::write(&path, cut).unwrap();
    let no = [("aof-load-truncated", "no")];
    assert!(refusal(dir.path(), &no).contains("ends in the middle"));
    fs::write(&path, b"*1\r\n$7\r\nNOTHING\r\n").unwrap();
    assert!(refusal(dir.path(), &[]).contains("unknown command"));
    fs::write(&path, b"SET a 1\r\n").unwrap();
    assert!(refusal(dir.path(), &[]).contains("begins with '*'"));
    fs::write(&path, b"*0\r\n").unwrap();
    assert!(refusal(dir.path(), &[]).contains("without a name"));
    fs::write(&path, format!("#{}", "x".repeat(70_000))).unwrap();
    assert!(refusal(dir.path(), &[]).contains("does not end"));
    fs::write(&path, commands(&["SET a 1", "SELECT 99", "SET a 2"])).unwrap();
    assert!(refusal(dir.path(), &[]).contains("SELECT 99 fails"));
    fs::write(&path, commands(&["SET a"])).unwrap();
    assert!(refusal(dir.path(), &[]).contains("wrong number of arguments"));
    fs::write(&path, b"REDIS0009\xff").unwrap();
    assert!(refusal(dir.path(), &[]).contains("ends in the middle"));
    // Nothing of all this is in the log.
    fs::write(&path, commands(&["SET c 3"])).unwrap();
    with_node(dir.path(), |_, client| assert_eq!(ask(client, "DBSIZE"), ":1\r\n"));
}

#[test]
fn a_file_changes_data_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let hostile = commands(&[
        "SET before 1",
        "SHUTDOWN NOSAVE NOW FORCE",
        "DEBUG SLEEP 3600",
        "CONFIG SET maxmemory 1",
        "CONFIG SET requirepass secret",
        "ACL SETUSER default off",
        "REPLICAOF 127.0.0.1 1",
        "CLIENT PAUSE 3600000 ALL",
        "CLIENT REPLY ON",
        "RESET",
        "QUIT",
        "SUBSCRIBE channel",
        "MONITOR",
        "SAVE",
        "WAIT 1 0",
        "MIGRATE 127.0.0.1 1 before 0 1000",
        "MULTI",
        "SET inside 1",
        "SHUTDOWN NOSAVE NOW FORCE",
        "EXEC",
        // What waits in a client does not wait here, and takes nothing afterwards.
        "BLPOP queue 0",
        "BRPOPLPUSH queue other 0",
        "XREADGROUP GROUP g c BLOCK 0 STREAMS s >",
        "RPUSH queue kept",
        // These fail, and are no reason to stop.
        "SADD queue x",
        "EVALSHA 0123456789012345678901234567890123456789 0",
        "EVAL return(redis.call('SHUTDOWN','NOSAVE')) 0",
        "SET after 1",
    ]);
    fs::write(dir.path().join("appendonly.aof"), hostile).unwrap();
    with_node(dir.path(), |_, client| {
        assert_eq!(ask(client, "DBSIZE"), ":4\r\n");
        assert_eq!(ask(client, "EXISTS before inside after"), ":3\r\n");
        assert_eq!(ask(client, "LRANGE queue 0 -1"), "*1\r\n$4\r\nkept\r\n");
        assert_eq!(ask(client, "CONFIG GET maxmemory"), "*2\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n");
        assert!(ask(client, "INFO replication").contains("role:master"));
        assert!(ask(client, "INFO clients").contains("blocked_clients:0"));
    });
}

/// Loading goes on between turns, in which the node looks at its connections.
#[test]
fn a_long_file_is_played_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (0..60_000).map(|number| format!("SADD s {number}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    fs::write(dir.path().join("appendonly.aof"), commands(&lines)).unwrap();
    with_node(dir.path(), |_, client| assert_eq!(ask(client, "SCARD s"), ":60000\r\n"));
}

#[test]
fn a_command_is_read_once_however_long_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = b"*200002\r\n$5\r\nRPUSH\r\n$4\r\nlong\r\n".to_vec();
    for _ in 0..200_000 {
        bytes.extend_from_slice(b"$12\r\nan element..\r\n");
    }
    bytes.extend_from_slice(b"#TS:1\r\n");
    bytes.extend_from_slice(&commands(&["SET after 1"]));
    fs::write(dir.path().join("appendonly.aof"), bytes).unwrap();
    with_node(dir.path(), |_, client| {
        assert_eq!(ask(client, "LLEN long"), ":200000\r\n");
        assert_eq!(ask(client, "EXISTS after"), ":1\r\n");
    });
}
