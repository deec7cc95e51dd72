//! The target `aof`: what Redis may have left in the directory of a node.
//!
//! ```text
//!   commands, perhaps behind an image                           appendonly.aof
//!   manifest | file f1 | file f2 ...     (| is a line ====)     appendonlydir/
//! ```

use std::fs;

use wire::rdb::save::{Head, Usage, Writer};
use wire::resp::response::{self, Response};

use super::rig;
use super::targets::{loops, uses, write_values};

const BETWEEN: &[u8] = b"\n====\n";

fn parts(data: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut rest) = (Vec::new(), data);
    while let Some(at) = rest.windows(BETWEEN.len()).position(|window| window == BETWEEN) {
        parts.push(&rest[..at]);
        rest = &rest[at + BETWEEN.len()..];
    }
    parts.push(rest);
    parts
}

pub(crate) fn run(data: &[u8]) {
    // A script that does not end is left to the operator, as in Redis.
    if loops(data) {
        return;
    }
    rig::with(|rig| {
        rig.call(&[b"FUNCTION", b"FLUSH"]);
        let is_loaded = rig.import(|dir| {
            let [manifest, files @ ..] = &parts(data)[..] else { return Ok(()) };
            if files.is_empty() {
                return fs::write(dir.join("appendonly.aof"), manifest);
            }
            let parts = dir.join("appendonlydir");
            fs::create_dir_all(&parts)?;
            fs::write(parts.join("appendonly.aof.manifest"), manifest)?;
            for (number, file) in files.iter().take(4).enumerate() {
                fs::write(parts.join(format!("f{}", number + 1)), file)?;
            }
            Ok(())
        });
        assert_eq!(rig.call(&[b"PING"]), Response::Simple("PONG".to_owned()), "it still serves");
        if is_loaded {
            rig.call(&[b"DEBUG", b"DIGEST"]);
            uses(rig);
        }
    });
}

fn commands(lines: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        response::encode_command(&mut bytes, &words);
    }
    bytes
}

fn image() -> Vec<u8> {
    let mut writer = Writer::new(true);
    writer.aux("aof-base", b"1");
    writer.select(0);
    let mut number = 0;
    write_values(|write| {
        let key = if number == 0 { "k".to_owned() } else { format!("k{number}") };
        number += 1;
        write(&mut writer, &Head { key: key.as_bytes(), expire: None, usage: Usage::Unknown });
    });
    writer.finish()
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    const MANIFEST: &[u8] = b"# note\nfile f1 seq 1 type b\nfile \"f2\" seq 1 type i\nseq 2 file f3 type i\nfile f4 seq 1 type h";
    let data = commands(&[
        "SELECT 0",
        "SET k v PXAT 4102444800000",
        "MULTI",
        "RPUSH l a b c",
        "LPOP l",
        "EXEC",
        "HSET h f 1 g 2",
        "HPEXPIREAT h 4102444800000 FIELDS 1 f",
        "ZADD z 1.5 a 2 b",
        "SADD s 1 2 x",
        "PFADD p a b",
        "SELECT 3",
        "SETRANGE k 5 x",
        "FLUSHDB",
    ]);
    let streams = commands(&[
        "XADD k 1-1 f v",
        "XGROUP CREATE k g 0 MKSTREAM ENTRIESREAD 0",
        "XCLAIM k g alice 0 1-1 TIME 1 RETRYCOUNT 1 FORCE JUSTID LASTID 1-1",
        "XSETID k 5-5 ENTRIESADDED 9 MAXDELETEDID 4-4",
        "XDEL k 1-1",
    ]);
    let scripts = commands(&[
        "EVAL return(redis.call('SET',KEYS[1],ARGV[1])) 1 k v",
        "SCRIPT LOAD return(1)",
        "FUNCTION LOAD #!lua\x20name=lib\nredis.register_function('f',function()\x20end)",
        "FCALL f 0",
        "RESTORE k 0 x REPLACE ABSTTL",
    ]);
    let server = commands(&[
        "SHUTDOWN NOSAVE NOW FORCE",
        "CONFIG SET maxmemory 1",
        "BLPOP k 0",
        "MULTI",
        "XREADGROUP GROUP g c BLOCK 0 STREAMS k >",
        "DEBUG SLEEP 100",
        "DISCARD",
        "RESET",
    ]);
    let noted = [b"#TS:1700000000\r\n", &data[..]].concat();
    let joined = |files: &[&[u8]]| files.join(BETWEEN);
    vec![
        noted.clone(),
        server.clone(),
        [image(), streams.clone()].concat(),
        joined(&[MANIFEST, &image(), &data, &streams, &server]),
        joined(&[MANIFEST, &data, &noted, &scripts, b""]),
        scripts,
    ]
}
