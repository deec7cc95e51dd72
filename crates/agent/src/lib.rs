//! The agent: keeps one host as ordered.
//!
//! It decides nothing that concerns more than one node: the config server says which nodes this host
//! runs and what each of them is; the agent makes it so and reports what it saw.

pub mod decide;
pub mod directory;
pub mod link;
pub mod process;
pub mod render;
