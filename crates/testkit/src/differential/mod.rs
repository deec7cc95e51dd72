//! The differential tester: the same random commands against Pollux and a real redis-server.
//!
//! ```text
//!   table of grammars -> generator (seed) -> both servers -> replies made comparable -> equal, or a listed difference
//! ```
//!
//! Arguments are right most of the time and wrong on purpose some of the time: missing, surplus, of the wrong type, out of
//! range. A session works on few keys, so that commands meet each other's values. At its end the state of both servers is
//! compared key by key: type, encoding, content, expiry.

mod commands;
mod compare;
mod differences;
mod grammar;
mod session;

pub use session::{Difference, Session, SessionReport};
