//! End to end: `pollux up` with real clients. Each test has a directory and ports of its own.

mod clients;
mod config_servers;
mod failover;
mod full_sync;
mod refusals;
mod restart;
mod serve;
mod switchover;

use super::POLLUX;
