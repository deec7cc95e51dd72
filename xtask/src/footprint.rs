//! What data and connections cost in memory: Pollux beside redis-server.

use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::flags;
use crate::servers::{
    Server, binary, cpu_seconds, resident_bytes, scratch, start_pollux, start_redis,
};

const USAGE: &str = "\
usage: cargo xtask footprint [--keys N] [--connections N] [--bin PATH]

Fills Pollux and redis-server with N different keys (16 bytes, values of 64 bytes) and prints resident memory
and bytes per key; then opens idle connections and prints what they cost.

  --keys N          (5000000)
  --connections N   (10000; the limit of open files must allow twice as many)
  --bin PATH        a pollux binary that is already built

example: cargo xtask footprint --keys 1000000
";

const PIPELINE: u64 = 1000;
const VALUE: [u8; 64] = [b'v'; 64];

pub(crate) fn run(root: &Path, args: &[String]) -> Result<()> {
    let told = flags::read(USAGE, args, |flags| {
        let keys = flags.take("--keys")?.unwrap_or(5_000_000);
        let connections = flags.take("--connections")?.unwrap_or(10_000);
        Ok((keys, connections, flags.take("--bin")?))
    })?;
    let Some((keys, connections, bin)) = told else { return Ok(()) };
    ensure!(keys > 0, "--keys must be positive");
    measure(&binary(root, bin)?, scratch()?.path(), keys, connections)
}

#[expect(clippy::print_stdout, reason = "the table is what the task is asked for")]
fn measure(bin: &Path, scratch: &Path, keys: u64, connections: usize) -> Result<()> {
    println!(
        "| server | empty MB | with {keys} keys MB | bytes per key | {connections} idle connections MB | CPU while idle ms/s |"
    );
    println!("|---|---|---|---|---|---|");
    // One at a time: both at once would measure who swaps.
    for pollux in [false, true] {
        let server = if pollux { start_pollux(bin, scratch)? } else { start_redis(scratch)? };
        let empty = resident_bytes(server.child.id())?;
        fill(&server, keys)?;
        let full = resident_bytes(server.child.id())?;
        let held = open_idle(&server, connections)?;
        let connected = resident_bytes(server.child.id())?;
        let (cpu, start) = (cpu_seconds(server.child.id())?, Instant::now());
        std::thread::sleep(std::time::Duration::from_secs(5));
        let idle = (cpu_seconds(server.child.id())? - cpu) * 1000.0 / start.elapsed().as_secs_f64();
        println!(
            "| {} | {} | {} | {} | {} | {idle:.1} |",
            server.name,
            empty >> 20,
            full >> 20,
            full.saturating_sub(empty) / keys,
            connected.saturating_sub(full) >> 20,
        );
        drop(held);
    }
    Ok(())
}

fn fill(server: &Server, keys: u64) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port))?;
    let mut replies = BufReader::new(stream.try_clone()?);
    let mut next = 0;
    while next < keys {
        let end = keys.min(next + PIPELINE);
        let mut output = Vec::new();
        for key in next..end {
            write!(output, "*3\r\n$3\r\nSET\r\n$16\r\nkey:{key:012}\r\n$64\r\n")?;
            output.extend_from_slice(&VALUE);
            output.extend_from_slice(b"\r\n");
        }
        stream.write_all(&output)?;
        let mut answer = vec![0; usize::try_from(end - next)? * b"+OK\r\n".len()];
        replies.read_exact(&mut answer)?;
        ensure!(answer.chunks(5).all(|reply| reply == b"+OK\r\n"), "{} refused a SET", server.name);
        next = end;
    }
    Ok(())
}

fn open_idle(server: &Server, connections: usize) -> Result<Vec<TcpStream>> {
    let mut held = Vec::with_capacity(connections);
    for _ in 0..connections {
        let mut stream =
            TcpStream::connect(("127.0.0.1", server.port)).context("connecting (ulimit -n?)")?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer)?;
        held.push(stream);
    }
    Ok(held)
}
