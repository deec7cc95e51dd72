//! Starts things, breaks things, records what clients saw, and judges it. For tests only.

#[cfg(feature = "certificates")]
pub mod certificates;
pub mod client;
pub mod differential;
pub mod oracle;
pub mod random;
pub mod site;
