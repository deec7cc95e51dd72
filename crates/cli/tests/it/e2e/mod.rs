//! End to end: `pollux up` with real clients. Each test has a directory and ports of its own.

mod config_servers;
mod refusals;

use super::POLLUX;
