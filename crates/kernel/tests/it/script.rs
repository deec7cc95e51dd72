//! Scripts that last, and what stays of scripts and functions.

use testkit::client::Client;

use crate::save::{hear, with_node};

/// Sends without waiting for the reply.
fn say(client: &mut Client, words: &[&str]) {
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    client.send(request.as_bytes()).unwrap();
}

fn call(client: &mut Client, words: &[&str]) -> String {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    String::from_utf8_lossy(&client.call_raw(&words).unwrap().1).into_owned()
}

/// Asks until the node says that a script runs for too long.
fn until_busy(client: &mut Client) -> String {
    loop {
        let reply = call(client, &["GET", "k"]);
        if reply.starts_with("-BUSY") {
            return reply;
        }
    }
}

#[test]
fn a_slow_script_is_ended_while_others_are_answered() {
    let dir = tempfile::tempdir().unwrap();
    with_node(dir.path(), |address, client| {
        assert_eq!(call(client, &["CONFIG", "SET", "lua-time-limit", "20"]), "+OK\r\n");
        let mut caller = Client::connect(address).unwrap();
        for code in [
            "while true do end",
            "while true do pcall(error) end",
            "while true do redis.call('GET', 'k') end",
        ] {
            say(&mut caller, &["EVAL", code, "0"]);
            let busy = until_busy(client);
            assert!(busy.contains("SCRIPT KILL or SHUTDOWN NOSAVE"), "{busy}");
            let mut other = Client::connect(address).unwrap();
            assert!(call(&mut other, &["FUNCTION", "KILL"]).starts_with("-BUSY"));
            assert_eq!(call(&mut other, &["MULTI"]), "+OK\r\n");
            assert!(call(&mut other, &["SET", "k", "v"]).starts_with("-BUSY"));
            assert!(call(&mut other, &["EXEC"]).starts_with("-EXECABORT"));
            assert_eq!(call(client, &["SCRIPT", "KILL"]), "+OK\r\n");
            let reply = String::from_utf8_lossy(&caller.receive().unwrap().1).into_owned();
            assert!(reply.starts_with("-ERR Script killed by user"), "{reply}");
            assert_eq!(call(&mut caller, &["PING"]), "+PONG\r\n");
        }
    });
}

#[test]
fn time_stands_still_in_a_script() {
    let dir = tempfile::tempdir().unwrap();
    with_node(dir.path(), |_, client| {
        let code = "local a = redis.call('TIME') redis.call('DEBUG', 'SLEEP', '0.01') \
                    local b = redis.call('TIME') return a[1] == b[1] and a[2] == b[2]";
        assert_eq!(call(client, &["DEBUG", "SET-DISABLE-DENY-SCRIPTS", "1"]), "+OK\r\n");
        assert_eq!(call(client, &["EVAL", code, "0"]), ":1\r\n");
    });
}

/// While a script is slow, the few commands that run are for those who may call them; and clients that leave take
/// everything of theirs with them.
#[test]
fn a_slow_script_opens_no_door() {
    let dir = tempfile::tempdir().unwrap();
    with_node(dir.path(), |address, client| {
        assert_eq!(call(client, &["CONFIG", "SET", "lua-time-limit", "20"]), "+OK\r\n");
        let user = ["ACL", "SETUSER", "bob", "on", ">b", "~x", "+ping", "+auth"];
        assert_eq!(call(client, &user), "+OK\r\n");
        let mut bob = Client::connect(address).unwrap();
        assert_eq!(call(&mut bob, &["AUTH", "bob", "b"]), "+OK\r\n");
        let mut leaver = Client::connect(address).unwrap();
        call(&mut leaver, &["HELLO", "3"]);
        let tracking = ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "z"];
        assert_eq!(call(&mut leaver, &tracking), "+OK\r\n");
        let mut caller = Client::connect(address).unwrap();
        call(&mut caller, &["HELLO", "3"]);
        assert_eq!(call(&mut caller, &tracking), "+OK\r\n");
        say(&mut caller, &["EVAL", "while true do end", "0"]);
        until_busy(client);
        for words in [
            &["SCRIPT", "KILL"][..],
            &["WATCH", "secret"],
            &["REPLCONF", "listening-port", "1"],
            &["SHUTDOWN", "NOSAVE"],
            &["GET", "x"],
        ] {
            let reply = call(&mut bob, words);
            assert!(reply.starts_with("-NOPERM User bob has no permissions"), "{words:?}: {reply}");
        }
        assert!(call(&mut bob, &["PING"]).starts_with("-BUSY"));
        drop(leaver);
        drop(caller);
        assert_eq!(call(client, &["SCRIPT", "KILL"]), "+OK\r\n");
        loop {
            let info = call(client, &["INFO", "everything"]);
            if info.contains("\r\nconnected_clients:2\r\n") {
                assert!(info.contains("\r\ntracking_clients:0\r\n"), "{info}");
                assert!(info.contains("\r\ntracking_total_prefixes:0\r\n"), "{info}");
                break;
            }
        }
    });
}

#[test]
fn scripts_are_not_nested_even_when_everything_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    with_node(dir.path(), |_, client| {
        assert_eq!(call(client, &["DEBUG", "SET-DISABLE-DENY-SCRIPTS", "1"]), "+OK\r\n");
        for inner in ["'eval', 'return 1', 0", "'fcall', 'f', 0", "'function', 'flush'"] {
            let reply = call(client, &["EVAL", &format!("return redis.call({inner})"), "0"]);
            assert!(reply.starts_with("-ERR This Redis command is not allowed"), "{reply}");
        }
        assert_eq!(call(client, &["EVAL", "return redis.call('PING')", "0"]), "+PONG\r\n");
    });
}

/// The pause has no end, so whoever is held by it is never answered.
#[test]
fn scripts_that_only_read_are_not_held_by_a_pause_in_a_transaction_either() {
    let dir = tempfile::tempdir().unwrap();
    with_node(dir.path(), |address, client| {
        assert_eq!(call(client, &["CLIENT", "PAUSE", "9000000000000", "WRITE"]), "+OK\r\n");
        let reading = "#!lua flags=no-writes\nreturn 12";
        assert_eq!(call(client, &["EVAL", reading, "0"]), ":12\r\n");
        assert_eq!(call(client, &["MULTI"]), "+OK\r\n");
        assert_eq!(call(client, &["EVAL", reading, "0"]), "+QUEUED\r\n");
        assert_eq!(call(client, &["GET", "k"]), "+QUEUED\r\n");
        assert_eq!(call(client, &["EXEC"]), "*2\r\n:12\r\n$-1\r\n");
        let mut other = Client::connect(address).unwrap();
        assert_eq!(call(&mut other, &["MULTI"]), "+OK\r\n");
        assert_eq!(call(&mut other, &["EVAL", reading, "0"]), "+QUEUED\r\n");
        assert_eq!(call(&mut other, &["EVAL", "return 13", "0"]), "+QUEUED\r\n");
        say(&mut other, &["EXEC"]);
        while !call(client, &["INFO", "clients"]).contains("\r\nblocked_clients:1\r\n") {}
        assert_eq!(call(client, &["CLIENT", "UNPAUSE"]), "+OK\r\n");
        assert_eq!(other.receive().unwrap().1, b"*2\r\n:12\r\n:13\r\n");
    });
}

#[test]
fn what_a_script_has_written_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let library = "#!lua name=lib\nredis.register_function('f', function() return 'kept' end)";
    with_node(dir.path(), |_, client| {
        let code = "for i = 1, 3 do redis.call('RPUSH', 'l', i) end return redis.call('LLEN', 'l')";
        assert_eq!(call(client, &["EVAL", code, "0"]), ":3\r\n");
        assert_eq!(call(client, &["FUNCTION", "LOAD", library]), "$3\r\nlib\r\n");
    });
    with_node(dir.path(), |_, client| {
        assert_eq!(hear(client, "LLEN l").as_deref(), Some(":3\r\n"));
        assert_eq!(hear(client, "FCALL f 0").as_deref(), Some("$4\r\nkept\r\n"));
        assert_eq!(hear(client, "BGSAVE").as_deref(), Some("+Background saving started\r\n"));
        assert_eq!(hear(client, "FUNCTION DELETE lib").as_deref(), Some("+OK\r\n"));
    });
    with_node(dir.path(), |_, client| {
        assert_eq!(hear(client, "FCALL f 0").as_deref(), Some("-ERR Function not found\r\n"));
    });
}

/// `lua-enable-deprecated-api` is for functions as well, whatever becomes of those that were there before.
#[test]
fn functions_keep_the_deprecated_api() {
    let server = crate::server::Server::start_with(&[("lua-enable-deprecated-api", "yes")]);
    let mut client = server.connect();
    let code = |name: &str| {
        let function = "function() return type(getfenv) end";
        format!("#!lua name={name}\nredis.register_function('{name}', {function})")
    };
    for name in ["a", "b"] {
        call(&mut client, &["FUNCTION", "LOAD", &code(name)]);
        assert_eq!(call(&mut client, &["FCALL", name, "0"]), "$8\r\nfunction\r\n");
        let payload = client.call(&[b"FUNCTION", b"DUMP"]).unwrap();
        let payload = payload.as_bytes().unwrap();
        client.call(&[b"FUNCTION", b"RESTORE", payload, b"FLUSH"]).unwrap();
        assert_eq!(call(&mut client, &["FCALL", name, "0"]), "$8\r\nfunction\r\n");
        assert_eq!(call(&mut client, &["FUNCTION", "FLUSH"]), "+OK\r\n");
    }
}
