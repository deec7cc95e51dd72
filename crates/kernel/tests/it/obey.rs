//! A node that follows a master obeys it, whatever it would refuse a client: a command that is left out is data that differs.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use testkit::client::Client;
use wire::resp::response::encode_command;

use crate::dump::compressed;
use crate::interop::{ask, connect, field, until};
use crate::save::{hear, with_node_of};

/// An image without keys and without checksum.
const EMPTY_IMAGE: &[u8] = b"REDIS0010\xff\0\0\0\0\0\0\0\0";

/// What the master calls its history.
const HISTORY: &str = "abcdefabcdefabcdefabcdefabcdefabcdefabcd";

/// A master that this test plays.
struct Master {
    listener: TcpListener,
    link: TcpStream,
    sent: usize,
}

impl Master {
    /// Makes the node a replica of this master, with an image without keys.
    fn of(client: &mut Client) -> Master {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(ask(client, &format!("REPLICAOF 127.0.0.1 {port}")), "+OK\r\n");
        let link = accept(&listener).0;
        let mut master = Master { listener, link, sent: 0 };
        master.send_image(EMPTY_IMAGE);
        master
    }

    /// Answers PSYNC.
    fn send_image(&mut self, image: &[u8]) {
        let head = format!("+FULLRESYNC {HISTORY} 0\r\n${}\r\n", image.len());
        self.link.write_all(head.as_bytes()).unwrap();
        self.link.write_all(image).unwrap();
    }

    /// Waits until the node comes back; the history that it says it has.
    fn meet_again(&mut self) -> String {
        let (link, history) = accept(&self.listener);
        (self.link, self.sent) = (link, 0);
        history
    }

    fn send(&mut self, words: &[&[u8]]) {
        let mut bytes = Vec::new();
        encode_command(&mut bytes, words);
        self.link.write_all(&bytes).unwrap();
        self.sent += bytes.len();
    }

    /// Waits until the node has taken everything; the link must be the first one still.
    fn wait_for(&self, client: &mut Client) {
        let sent = self.sent.to_string();
        until("the replica has everything", || {
            field(client, "replication", "slave_repl_offset") == sent
        });
        assert_eq!(field(client, "replication", "master_link_status"), "up");
        assert_eq!(field(client, "stats", "unexpected_error_replies"), "0");
    }
}

/// A node that asks for the stream, and the history that it says it has.
fn accept(listener: &TcpListener) -> (TcpStream, String) {
    let mut link = listener.accept().unwrap().0;
    let mut requests = BufReader::new(link.try_clone().unwrap());
    let history = loop {
        let words = read_command(&mut requests);
        match words[0].to_ascii_uppercase().as_str() {
            "PING" => link.write_all(b"+PONG\r\n").unwrap(),
            "PSYNC" => break words[1].clone(),
            _ => link.write_all(b"+OK\r\n").unwrap(),
        }
    };
    // Acknowledgements are nothing to this master, but must not fill up the connection.
    std::thread::spawn(move || {
        // The end of the connection ends it, in whatever way.
        let _ = std::io::copy(&mut requests, &mut std::io::sink());
    });
    (link, history)
}

/// One request, as words.
fn read_command(input: &mut impl BufRead) -> Vec<String> {
    let mut line = String::new();
    let mut number = |input: &mut dyn BufRead| -> usize {
        line.clear();
        input.read_line(&mut line).unwrap();
        line.trim_end()[1..].parse().unwrap()
    };
    let count = number(input);
    let mut words = Vec::new();
    for _ in 0..count {
        let mut word = vec![0; number(input) + 2];
        input.read_exact(&mut word).unwrap();
        word.truncate(word.len() - 2);
        words.push(String::from_utf8(word).unwrap());
    }
    words
}

#[test]
fn no_limit_of_clients_holds_for_the_master() {
    let dir = tempfile::tempdir().unwrap();
    let limits = [("client-query-buffer-limit", "1mb"), ("proto-max-bulk-len", "1mb")];
    with_node_of(dir.path(), &limits, |_, client| {
        let mut master = Master::of(client);
        let large = vec![b'x'; 3 << 20];
        master.send(&[b"SET", b"large", &large]);
        master.send(&[b"MULTI"]);
        for key in [b"a", b"b", b"c"] {
            master.send(&[b"SET", key, &large[..700_000]]);
        }
        master.send(&[b"EXEC"]);
        master.wait_for(client);
        assert_eq!(ask(client, "STRLEN large"), format!(":{}\r\n", large.len()));
        assert_eq!(ask(client, "EXISTS a b c"), ":3\r\n");
    });
}

#[test]
fn a_master_may_run_scripts_and_clients_where_they_may_write() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("min-replicas-to-write", "1")];
    with_node_of(dir.path(), &settings, |_, client| {
        let script: &[u8] = b"redis.call('SET', KEYS[1], 'x') return 1";
        let mut master = Master::of(client);
        master.send(&[b"EVAL", script, b"1", b"plain"]);
        let shebang = [b"#!lua\n".as_slice(), script].concat();
        master.send(&[b"MULTI"]);
        master.send(&[b"EVAL", &shebang, b"1", b"flagged"]);
        master.send(&[b"EXEC"]);
        master.wait_for(client);
        assert_eq!(ask(client, "MGET plain flagged"), "*2\r\n$1\r\nx\r\n$1\r\nx\r\n");

        let run = |client: &mut Client| {
            let (_, raw) = client.call_raw(&[b"EVAL", script, b"1", b"own"]).unwrap();
            String::from_utf8_lossy(&raw).into_owned()
        };
        let refused = run(client);
        assert!(refused.contains("READONLY"), "{refused}");
        ask(client, "CONFIG SET replica-read-only no min-replicas-to-write 0");
        assert_eq!(run(client), ":1\r\n");
    });
}

#[test]
fn what_no_group_can_hold_is_fetched_with_everything_though_a_script_passes_over_it() {
    let dir = tempfile::tempdir().unwrap();
    with_node_of(dir.path(), &[], |_, client| {
        let mut master = Master::of(client);
        master.send(&[b"SET", b"before", b"1"]);
        master.wait_for(client);
        let script = b"redis.pcall('RESTORE', KEYS[1], 0, ARGV[1]) redis.call('SET', 'behind', 1)";
        master.send(&[b"EVAL", script, b"1", b"huge", &compressed(800 << 20)]);
        assert_ne!(master.meet_again(), HISTORY);
        // What could be done instead is no reason to go on with the history.
        master.send_image(b"no image at all");
        assert_ne!(master.meet_again(), HISTORY);
        master.send_image(EMPTY_IMAGE);
        master.send(&[b"SET", b"again", b"1"]);
        master.wait_for(client);
        assert_eq!(field(client, "replication", "master_replid"), HISTORY);
        assert_eq!(ask(client, "EXISTS before behind again"), ":1\r\n");
    });
}

#[test]
fn a_script_of_a_master_cannot_be_killed() {
    let dir = tempfile::tempdir().unwrap();
    with_node_of(dir.path(), &[("busy-reply-threshold", "5")], |_, client| {
        let mut master = Master::of(client);
        master.send(&[b"EVAL", b"while true do end", b"0"]);
        until("the script is slow", || ask(client, "GET key").starts_with("-BUSY"));
        let killed = ask(client, "SCRIPT KILL");
        assert!(killed.starts_with("-UNKILLABLE The busy script was sent by a master"), "{killed}");
        assert_eq!(hear(client, "SHUTDOWN NOSAVE"), None);
    });
}

#[test]
fn what_a_master_sends_while_a_script_is_slow_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    with_node_of(dir.path(), &[("busy-reply-threshold", "5")], |address, client| {
        let mut master = Master::of(client);
        master.send(&[b"SET", b"before", b"1"]);
        master.wait_for(client);
        let mut slow = connect(address);
        let mut output = Vec::new();
        encode_command(&mut output, &[b"EVAL", b"while true do end", b"0"]);
        slow.send(&output).unwrap();
        let mut is_busy = || ask(client, "GET before").starts_with("-BUSY");
        until("the script is slow", &mut is_busy);
        for number in 0..500 {
            let key = format!("key:{number}");
            master.send(&[b"SET", key.as_bytes(), b"1"]);
            assert!(is_busy(), "others are looked at");
        }
        assert_eq!(ask(client, "SCRIPT KILL"), "+OK\r\n");
        let killed = String::from_utf8(slow.receive().unwrap().1).unwrap();
        assert!(killed.contains("killed by user"), "{killed}");
        master.wait_for(client);
        assert_eq!(ask(client, "DBSIZE"), ":501\r\n");
    });
}

#[test]
fn what_a_script_wrote_before_shutdown_reaches_no_replica() {
    let dir = tempfile::tempdir().unwrap();
    let mut past = None;
    with_node_of(dir.path(), &[("busy-reply-threshold", "5")], |address, client| {
        let (mut replica, start) = follow(address, client);
        ask(client, "SET base 1");
        let history = field(client, "replication", "master_replid");
        let mut slow = connect(address);
        let script = b"redis.call('SET', 'half', '1') while true do end";
        let mut output = Vec::new();
        encode_command(&mut output, &[b"MULTI"]);
        encode_command(&mut output, &[b"EVAL", script, b"0"]);
        encode_command(&mut output, &[b"SET", b"behind", b"1"]);
        encode_command(&mut output, &[b"EXEC"]);
        encode_command(&mut output, &[b"SET", b"behind", b"2"]);
        slow.send(&output).unwrap();
        until("the script is slow", || ask(client, "GET base").starts_with("-BUSY"));
        assert_eq!(hear(client, "SHUTDOWN NOSAVE"), None);
        let mut heard = Vec::new();
        replica.read_to_end(&mut heard).unwrap();
        past = Some((history, start + heard.len()));
        let heard = String::from_utf8_lossy(&heard).into_owned();
        assert!(heard.contains("base"), "{heard}");
        assert!(!heard.contains("half") && !heard.contains("behind"), "{heard}");
    });
    let (history, end) = past.unwrap();
    with_node_of(dir.path(), &[], |_, client| {
        assert_eq!(ask(client, "EXISTS base half behind"), ":1\r\n");
        // The stream goes on, under another name, exactly where the replica heard it end.
        assert_eq!(field(client, "replication", "master_replid2"), history);
        assert_eq!(field(client, "replication", "master_repl_offset"), end.to_string());
    });
}

/// A connection that follows the node as a replica of Redis does, behind the image, and the offset there.
fn follow(address: &str, client: &mut Client) -> (TcpStream, usize) {
    ask(client, "CONFIG SET repl-diskless-sync-delay 0");
    let mut link = TcpStream::connect(address).unwrap();
    link.write_all(b"REPLCONF capa psync2\r\nPSYNC ? -1\r\n").unwrap();
    let mut input = BufReader::new(link.try_clone().unwrap());
    let mut line = String::new();
    let mut offset = 0;
    while !line.starts_with('$') {
        line.clear();
        input.read_line(&mut line).unwrap();
        if let Some(place) = line.strip_prefix("+FULLRESYNC ") {
            offset = place.trim_end().split_once(' ').unwrap().1.parse().unwrap();
        }
    }
    let mut image = vec![0; line.trim_end()[1..].parse().unwrap()];
    input.read_exact(&mut image).unwrap();
    assert!(input.buffer().is_empty(), "nothing stands behind the image yet");
    (link, offset)
}
