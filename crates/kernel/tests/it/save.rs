//! SAVE and BGSAVE at a node that keeps a log.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use kernel::alone::Alone;
use kernel::config::Config;
use kernel::config::file::Directive;
use testkit::client::Client;

fn directive(name: &str, word: &str) -> Directive {
    Directive { name: name.to_owned(), words: vec![word.to_owned()] }
}

/// The reply to words, raw; `None` when the server closes instead.
pub(crate) fn hear(client: &mut Client, words: &str) -> Option<String> {
    let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
    let (_, raw) = client.call_raw(&words).ok()?;
    Some(String::from_utf8_lossy(&raw).into_owned())
}

/// Runs a node over `dir` while `act` talks to it; it gets the node's address and a client.
pub(crate) fn with_node(dir: &Path, act: impl FnOnce(&str, &mut Client)) {
    with_node_of(dir, &[], act);
}

/// As [`with_node`], with settings of the caller.
pub(crate) fn with_node_of(
    dir: &Path,
    settings: &[(&str, &str)],
    act: impl FnOnce(&str, &mut Client),
) {
    let mut config = Config::default();
    let mut directives = vec![
        directive("dir", dir.to_str().unwrap()),
        directive("port", "0"),
        directive("bind", "127.0.0.1"),
        directive("save", ""),
        directive("enable-debug-command", "local"),
    ];
    directives.extend(settings.iter().map(|(name, word)| directive(name, word)));
    config.load(&directives).unwrap();
    let node = Alone::open(config).unwrap();
    let address = node.addresses()[0].to_string();
    let thread = std::thread::spawn(move || node.run(&mut |_| {}).unwrap());
    let mut client = Client::connect(&address).unwrap();
    while hear(&mut client, "PING").is_some_and(|reply| reply.starts_with("-LOADING")) {}
    act(&address, &mut client);
    assert_eq!(hear(&mut client, "SHUTDOWN"), None);
    thread.join().unwrap();
}

#[test]
fn a_node_that_has_written_nothing_starts_again() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        with_node(dir.path(), |_, client| {
            assert_eq!(hear(client, "DBSIZE").as_deref(), Some(":0\r\n"));
        });
    }
    with_node(dir.path(), |_, client| {
        assert_eq!(hear(client, "SET k v").as_deref(), Some("+OK\r\n"));
    });
    with_node(dir.path(), |_, client| {
        assert_eq!(hear(client, "GET k").as_deref(), Some("$1\r\nv\r\n"));
    });
}

/// Nobody follows a lone node by its log, so it keeps no tail of it in memory; what it does keep is told as such, not as
/// data, and not counted against `maxmemory`.
#[test]
fn what_the_log_keeps_in_memory_is_told() {
    let dir = tempfile::tempdir().unwrap();
    with_node(dir.path(), |_, client| {
        let value = "v".repeat(100_000);
        for _ in 0..10 {
            assert_eq!(hear(client, &format!("SET k {value}")).as_deref(), Some("+OK\r\n"));
        }
        let info = hear(client, "INFO memory").unwrap();
        let field = |name: &str| -> u64 {
            let prefix = format!("{name}:");
            info.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap().parse().unwrap()
        };
        let kept = field("mem_replication_backlog");
        assert!(kept < 200_000, "no more than the newest batch: {info}");
        assert!(field("mem_not_counted_for_evict") >= field("mem_replication_backlog"), "{info}");
        assert!(field("used_memory_overhead") >= field("mem_replication_backlog"), "{info}");
    });
}

#[test]
fn save_answers_when_the_image_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let dump = dir.path().join("dump.rdb");
    with_node(dir.path(), |_, client| {
        assert_eq!(hear(client, "SET k v").as_deref(), Some("+OK\r\n"));
        assert_eq!(hear(client, "SAVE").as_deref(), Some("+OK\r\n"));
        let first = std::fs::read(&dump).unwrap();
        assert!(first.starts_with(b"REDIS"));
        assert_eq!(hear(client, "RPUSH l a b").as_deref(), Some(":2\r\n"));
        let started = "+Background saving started\r\n";
        assert_eq!(hear(client, "BGSAVE SCHEDULE").as_deref(), Some(started));
        let is_over = |info: &str| {
            ["rdb_bgsave_in_progress:0", "rdb_saves:2", "rdb_changes_since_last_save:0"]
                .iter()
                .all(|field| info.contains(field))
        };
        while !hear(client, "INFO persistence").is_some_and(|info| is_over(&info)) {}
        assert_ne!(std::fs::read(&dump).unwrap(), first);
        assert_eq!(
            hear(client, "CONFIG GET dbfilename").as_deref(),
            Some("*2\r\n$10\r\ndbfilename\r\n$8\r\ndump.rdb\r\n")
        );
    });
    with_node(dir.path(), |_, client| {
        assert_eq!(hear(client, "GET k").as_deref(), Some("$1\r\nv\r\n"));
        assert_eq!(hear(client, "LLEN l").as_deref(), Some(":2\r\n"));
    });
}

/// A rewrite of the log and a snapshot are told apart, and one may be ordered while the other is written.
#[test]
fn a_rewrite_and_a_snapshot_follow_each_other() {
    let dir = tempfile::tempdir().unwrap();
    with_node(dir.path(), |_, client| {
        let value = "v".repeat(1000);
        for n in 0..1000 {
            hear(client, &format!("SET k{n} {value}"));
        }
        // One turn of the executor, so that the first is still under way when the second is ordered.
        let commands = [
            "BGREWRITEAOF",
            "BGREWRITEAOF",
            "BGSAVE",
            "INFO persistence",
            "BGSAVE SCHEDULE",
            "DEBUG RELOAD",
            "SAVE",
            "INFO persistence",
        ];
        client.send(commands.map(|line| format!("{line}\r\n")).concat().as_bytes()).unwrap();
        let text = commands.map(|_| {
            let (_, raw) = client.receive().unwrap();
            String::from_utf8_lossy(&raw).into_owned()
        });
        assert_eq!(text[0], "+Background append only file rewriting started\r\n");
        assert_eq!(text[1], "-ERR Background append only file rewriting already in progress\r\n");
        assert!(text[2].starts_with("-ERR Another child process is active (AOF?)"), "{}", text[2]);
        assert!(text[3].contains("aof_rewrite_in_progress:1\r\n"), "{}", text[3]);
        assert!(text[3].contains("rdb_bgsave_in_progress:0\r\n"), "{}", text[3]);
        assert_eq!(text[4], "+Background saving scheduled\r\n");
        assert_eq!(text[5], "+OK\r\n", "a reload waits for the end of a checkpoint");
        let scheduled_runs = "-ERR Background save already in progress\r\n";
        assert!(["+OK\r\n", scheduled_runs].contains(&text[6].as_str()), "{}", text[6]);
        assert!(text[7].contains("aof_rewrites:1\r\n"), "{}", text[7]);
        assert_eq!(hear(client, "DBSIZE").as_deref(), Some(":1000\r\n"));
        let error = "-ERR Error trying to load the RDB dump, check server logs.\r\n";
        assert_eq!(hear(client, "DEBUG RELOAD NOFLUSH").as_deref(), Some(error));
        assert_eq!(hear(client, "DEBUG RELOAD NOFLUSH MERGE NOSAVE").as_deref(), Some("+OK\r\n"));
    });
}

/// The data is nobody else's, whatever the umask says.
#[test]
fn what_a_node_writes_is_for_its_user_only() {
    let dir = tempfile::tempdir().unwrap();
    with_node(dir.path(), |_, client| {
        hear(client, "SET k v");
        assert_eq!(hear(client, "SAVE").as_deref(), Some("+OK\r\n"));
        let mut folders = vec![dir.path().to_owned()];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let mode = path.metadata().unwrap().permissions().mode() & 0o777;
                if path.is_dir() {
                    assert_eq!(mode, 0o700, "{}", path.display());
                    folders.push(path);
                } else {
                    assert_eq!(mode, 0o600, "{}", path.display());
                    files += 1;
                }
            }
        }
        assert!(files >= 5, "lock, manifest, segment, checkpoint, dump.rdb: only {files}");
    });
}
