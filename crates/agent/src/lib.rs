//! The agent: keeps one host as ordered.
//!
//! ```text
//!   host ----- one conversation with the config servers: report in, orders out
//!    `- keeper (one a node) ----- decide (pure): what to do about the process
//!         |- process ------------ start, find again, watch, end
//!         `- courier ------------ obey (pure): what to say to the node;  link: how to say it
//! ```
//!
//! It decides nothing that concerns more than one node: the config server says which nodes this host
//! runs and what each of them is; the agent makes it so and reports what it saw.

pub mod clock;
mod courier;
pub mod decide;
pub mod directory;
mod effort;
mod host;
mod keeper;
mod link;
mod obey;
pub mod process;
mod render;

pub use decide::Patience;
pub use host::{Options, RunError, Stop, run};
pub use keeper::kill_nodes;
