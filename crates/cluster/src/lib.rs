//! Describes and decides: the topology, what is desired and what was observed, who may be master, and the REST
//! contract in which all of this is spoken.
//!
//! Everything in here is pure: no clock, no randomness, no socket. Time
//! comes in as a value, so the same input gives the same plan, and a test owns the clock. The one exception is
//! the REST client, behind the feature `client`.

pub mod api;
#[cfg(feature = "client")]
pub mod client;
pub mod failover;
pub mod lease;
pub mod observed;
pub mod orders;
pub mod reconcile;
pub mod state;
pub mod status;
pub mod switchover;
