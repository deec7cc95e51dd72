//! The lease: until when this node may act as master.
//!
//! ```text
//!   node   --STATE answered, nonce 7 at t0--> agent --> config server: grants 3000 ms
//!   node   <--LEASE 7 3000-- ...                        master until t0 + 3000 ms, less the drift margin
//! ```
//!
//! The grant counts from the instant at which the node *asked*, on the node's own clock, so it ends here
//! before it can end where it was granted, however long the way took.
//!
//! Invariants
//! - Only a nonce that this process gave out counts; a grant of an earlier life means nothing.
//! - Grants never shorten a lease; only [`Lease::revoke`] ends it early.

use std::collections::VecDeque;
use std::time::Duration;

use base::Tick;
use wire::resp::reply::ErrorReply;

/// What a client hears that wants to write when the lease has run out. `READONLY` makes client
/// libraries connect anew and so find the master of the next epoch.
pub const RUN_OUT: ErrorReply = ErrorReply::new(
    "READONLY The lease of this master has run out; another node may be the master by now",
);

/// Nonces that are remembered: some seconds of questions, which is longer than a lease lasts.
const NONCES_COUNT_MAX: usize = 256;

/// A lease ends this fraction earlier than granted: clocks of healthy machines drift by far less.
const DRIFT_DIVISOR: u64 = 100;

/// The nonce was never given out by this process, or too long ago.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown nonce {0}")]
pub struct UnknownNonce(pub u64);

/// The instants that were told to the config server, and what came back.
#[derive(Debug)]
pub struct Lease {
    asked: VecDeque<(u64, Tick)>,
    next_nonce: u64,
    until: Option<Tick>,
}

impl Lease {
    /// No lease yet. `first_nonce` must differ between lives of a process: wall-clock based.
    pub fn new(first_nonce: u64) -> Lease {
        Lease { asked: VecDeque::new(), next_nonce: first_nonce.max(1), until: None }
    }

    /// Notes that the node's state is told at `now`; the returned nonce names this instant.
    pub fn ask(&mut self, now: Tick) -> u64 {
        if self.asked.len() == NONCES_COUNT_MAX {
            self.asked.pop_front();
        }
        let nonce = self.next_nonce;
        self.next_nonce += 1;
        self.asked.push_back((nonce, now));
        nonce
    }

    /// The config server grants `ttl_ms` from the instant that `nonce` names.
    pub fn grant(&mut self, nonce: u64, ttl_ms: u64) -> Result<(), UnknownNonce> {
        let asked = self.asked.iter().find(|(known, _)| *known == nonce);
        let (_, asked_at) = asked.ok_or(UnknownNonce(nonce))?;
        let until = asked_at.plus_ms(ttl_ms - ttl_ms / DRIFT_DIVISOR);
        self.until = self.until.max(Some(until));
        Ok(())
    }

    /// Ends the lease, and forgets the nonces: what was asked as master of an older epoch grants nothing.
    pub fn revoke(&mut self) {
        self.asked.clear();
        self.until = None;
    }

    /// Whether the node may act as master at `now`.
    #[inline]
    pub fn holds(&self, now: Tick) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    /// What is left, rounded up: positive as long as the lease holds. Zero or less when it has run out, `None` without
    /// a lease.
    pub fn ms_left(&self, now: Tick) -> Option<i64> {
        let until = self.until?;
        let ms = |duration: Duration| {
            i64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
        };
        Some(if until >= now { ms(until.since(now)) } else { -ms(now.since(until)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Tick {
        Tick(0).plus_ms(ms)
    }

    #[test]
    fn a_lease_counts_from_the_question() {
        let mut lease = Lease::new(1);
        assert!(!lease.holds(at(0)));
        assert_eq!(lease.ms_left(at(0)), None);
        let nonce = lease.ask(at(1000));
        // The answer comes late; that shortens what is left.
        lease.grant(nonce, 3000).unwrap();
        assert!(lease.holds(at(3969)));
        assert!(!lease.holds(at(3970)));
        assert_eq!(lease.ms_left(at(3000)), Some(970));
        let last_moment = Tick(at(3970).0 - 1);
        assert!(lease.holds(last_moment));
        assert_eq!(lease.ms_left(last_moment), Some(1), "what holds has something left");
        assert_eq!(lease.ms_left(at(3970)), Some(0));
        assert_eq!(lease.ms_left(at(4000)), Some(-30));
    }

    #[test]
    fn an_old_grant_does_not_shorten_a_newer_one() {
        let mut lease = Lease::new(1);
        let (first, second) = (lease.ask(at(0)), lease.ask(at(100)));
        lease.grant(second, 3000).unwrap();
        lease.grant(first, 3000).unwrap();
        assert!(lease.holds(at(3069)));
    }

    #[test]
    fn nonces_of_another_life_or_another_epoch_grant_nothing() {
        let mut lease = Lease::new(500);
        assert_eq!(lease.grant(499, 3000), Err(UnknownNonce(499)));
        let nonce = lease.ask(at(0));
        lease.revoke();
        assert_eq!(lease.grant(nonce, 3000), Err(UnknownNonce(nonce)));
        let oldest = lease.ask(at(0));
        for _ in 0..NONCES_COUNT_MAX {
            lease.ask(at(1));
        }
        assert_eq!(lease.grant(oldest, 3000), Err(UnknownNonce(oldest)));
        assert!(!lease.holds(at(0)));
    }
}
