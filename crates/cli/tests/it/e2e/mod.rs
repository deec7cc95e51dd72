//! End to end: `pollux up` with real clients. Each test has a directory and ports of its own.

mod config_servers;
mod refusals;

/// The program under test.
const POLLUX: &str = env!("CARGO_BIN_EXE_pollux");
