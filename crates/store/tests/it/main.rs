//! The store behind its public interface, compared with a naive model.
#![allow(clippy::unwrap_used, reason = "the model is test code outside of test functions")]

mod database;
mod effects;
mod eviction;
mod model;
mod snapshots;
mod stream_model;
