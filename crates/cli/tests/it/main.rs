//! The program as a whole: its processes, started and broken as people and machines do it.

#[cfg(test)]
mod e2e;
#[cfg(test)]
mod server;

/// The program under test.
#[cfg(test)]
const POLLUX: &str = env!("CARGO_BIN_EXE_pollux");
