//! The barrier: replies that wait until the op which they promise is as safe as asked for.
//!
//! ```text
//!   held   (op 7, client A, 120 B) (op 7, client B, 5 B) (op 9, client A, 180 B)
//!                                                      ^ passed = 8
//! ```
//!
//! Invariant: an output is released up to a position only when all ops promised before that position
//! have passed; so replies of a client leave in order.
//!
//! The queue is in the order in which replies were held, which is not quite that of the ops: what a client reads
//! waits for the op that it wrote last, and stands behind newer ops of others. It then leaves with those, a little
//! later than it might.

use std::collections::VecDeque;

use net::Token;

#[derive(Debug)]
struct Held {
    op: u64,
    client: Token,
    /// Stream position of the client's output up to which the promise reaches.
    end: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Barrier {
    held: VecDeque<Held>,
}

impl Barrier {
    /// The output of `client` up to `end` waits for `op`.
    pub(crate) fn hold(&mut self, op: u64, client: Token, end: u64) {
        self.held.push_back(Held { op, client, end });
    }

    /// Nobody is left who would hear the held replies.
    pub(crate) fn clear(&mut self) {
        self.held.clear();
    }

    /// The op that the longest held reply waits for.
    pub(crate) fn oldest_op(&self) -> Option<u64> {
        self.held.front().map(|held| held.op)
    }

    /// Calls `release` for all outputs whose ops lie at or before `passed`.
    pub(crate) fn pass(&mut self, passed: u64, mut release: impl FnMut(Token, u64)) {
        while let Some(held) = self.held.pop_front_if(|held| held.op <= passed) {
            release(held.client, held.end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_wait_for_their_op() {
        let mut bench = Vec::new();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut driver = net::Driver::new().unwrap();
        let socket = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let client = driver.adopt(socket, &net::TcpOptions::default()).unwrap();
        let mut barrier = Barrier::default();
        barrier.hold(7, client, 120);
        barrier.hold(9, client, 180);
        for passed in [6, 8, 9] {
            barrier.pass(passed, |_, end| bench.push((passed, end)));
        }
        assert_eq!(bench, [(8, 120), (9, 180)]);
    }
}
