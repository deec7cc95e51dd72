//! The log through its public door: directories, appenders, cursors.
#![allow(clippy::unwrap_used, reason = "the rig is test code outside of test functions")]

mod damage;
mod faults;
mod life;
mod rig;
