//! What data costs: bytes and CPU of a key, of an element of a collection, and the longest single step.
//!
//! ```text
//!   cargo run --release -p store --example density -- <figures> [number]
//!
//!   layout       a table for each slot beside one table: bytes and CPU of a key at 1 k, 100 k, 1 M and 5 M keys
//!   operations   CPU of changes and look-ups at [number] keys (1,000,000), with and without prefetch
//!   collections  bytes of small and of large collections
//!   steps        the longest step while a key of [number] elements (1,000,000) grows and goes
//! ```
//!
//! All times are CPU of the thread, so that other load on the host counts only by what it does to the
//! caches. Each line is measured in a process of its own: resident memory has no memory of other lines. The
//! figures of docs/design/density.md come from here.
#![expect(clippy::print_stdout, reason = "the output is the purpose")]

mod collections;
mod layout;
mod operations;
mod steps;

use std::process::Command;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use store::memory::CountingAllocator;
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: CountingAllocator<Jemalloc> = CountingAllocator(Jemalloc);

const VALUE: [u8; 64] = [b'v'; 64];

/// A key of 16 bytes. The text is written by hand: formatting would cost more than a look-up.
type Key = [u8; 16];

fn key(number: u64) -> Key {
    let mut key = *b"key:000000000000";
    let mut rest = number;
    for digit in key[4..].iter_mut().rev() {
        *digit += u8::try_from(rest % 10).expect("a digit");
        rest /= 10;
    }
    key
}

/// CPU time of this thread.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).expect("CPU time is positive");
    let nanoseconds = u32::try_from(time.tv_nsec).expect("below a second");
    Duration::new(seconds, nanoseconds)
}

/// Nanoseconds of CPU for each of `count` rounds of what happened since `start`.
fn each(start: Duration, count: u64) -> f64 {
    (cpu() - start).as_secs_f64() * 1e9 / count as f64
}

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux has /proc");
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.expect("statm has a second number") * 4096
}

/// Runs this program again with these arguments: a line of a table.
fn line(args: &[&str]) {
    let program = std::env::current_exe().expect("a running program has a path");
    let status = Command::new(program).args(args).status().expect("it ran a moment ago");
    assert!(status.success(), "{args:?} failed");
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match *args.as_slice() {
        ["layout"] => layout::table(),
        ["layout", layout, keys] => layout::measure(layout, keys.parse().expect("a number")),
        ["operations"] => operations::table(1_000_000),
        ["operations", keys] => operations::table(keys.parse().expect("a number of keys")),
        ["collections"] => collections::table(),
        ["collections", kind] => collections::measure(kind),
        ["steps"] => steps::table(1_000_000),
        ["steps", elements] => steps::table(elements.parse().expect("a number of elements")),
        _ => println!("figures: layout, operations, collections, steps"),
    }
}
