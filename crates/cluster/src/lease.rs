//! Leases: the bounded right to act as master.
//!
//! ```text
//!   node     |--nonce n--------------------------- ttl ---------|  stops by itself
//!   agent          \--report(n)                       
//!   leader           |--receives, grants(n)---------- ttl -----------|- margin -|  may grant to another
//! ```
//!
//! The node counts from the instant at which it *answered* with nonce n, the leader from the later instant at which it
//! received that answer, so the node's lease ends first; the margin covers the difference of two clocks' speeds.
//!
//! Leases live in the leader's memory only. A new leader cannot know what its predecessor granted, so it
//! behaves as if every master had been granted a lease at the moment it was elected. The predecessor cannot grant
//! later than that: it grants only while a quorum has confirmed it within an election timeout, and the members of
//! that quorum elect nobody else during it.

use std::collections::BTreeMap;

use base::{Epoch, ShardId, Tick};

use crate::api::LeaseGrant;
use crate::observed::Observed;
use crate::state::{Mastership, Shard, State, SwitchoverPhase};

/// Allowance for clocks that do not run at the same speed; 1 % of a lease of 10 s, many times what clocks do.
pub const MARGIN_MS: u64 = 100;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leases {
    leading_since: Tick,
    granted: BTreeMap<ShardId, (Epoch, Tick)>,
}

impl Leases {
    pub fn new(leading_since: Tick) -> Leases {
        Leases { leading_since, granted: BTreeMap::new() }
    }

    /// Remembers that a lease of the shard was granted at `now`.
    pub fn note(&mut self, shard: ShardId, epoch: Epoch, now: Tick) {
        let entry = self.granted.entry(shard).or_insert((epoch, now));
        *entry = (epoch.max(entry.0), now.max(entry.1));
    }

    /// Whether no lease of the shard can still be running anywhere.
    pub fn have_ended(&self, shard: ShardId, ttl_ms: u64, now: Tick) -> bool {
        now >= self.end(shard, ttl_ms)
    }

    /// From when on no lease of the shard can be running.
    pub fn end(&self, shard: ShardId, ttl_ms: u64) -> Tick {
        let newest = self.granted.get(&shard).map_or(self.leading_since, |(_, at)| *at);
        newest.max(self.leading_since).plus_ms(ttl_ms + MARGIN_MS)
    }
}

/// The leases to hand out with the answer to a report of `host` that was accepted at `now`. The caller notes
/// them in [`Observed::leases`] before it answers, and asks only while it is certain to be the leader.
pub fn grants(desired: &State, observed: &Observed, host: &str, now: Tick) -> Vec<LeaseGrant> {
    let nodes = desired.nodes_of(host).map(|node| node.id);
    let granted = nodes.filter_map(|id| {
        let shard = desired.shard_of(id)?;
        let Mastership::Held { node, process } = shard.mastership else { return None };
        if node != id || is_fencing(shard) {
            return None;
        }
        let seen = observed.nodes.get(&id)?;
        let state = seen.state.as_ref()?;
        // The very process that was promoted; it may still be on its way to the role. To grant for one nonce
        // twice does no harm, the lease ends at the same instant; an old one is worth too little.
        let ttl_ms = desired.timing.lease_ms;
        let is_it = seen.process.running() == Some(process);
        let is_recent = now.ms_since(seen.answered_at) < ttl_ms / 2;
        if !is_it || !is_recent || state.epoch > shard.epoch || state.nonce == 0 {
            return None;
        }
        Some(LeaseGrant { node, nonce: state.nonce, epoch: shard.epoch, ttl_ms })
    });
    granted.collect()
}

fn is_fencing(shard: &Shard) -> bool {
    shard.switchover.is_some_and(|s| matches!(s.phase, SwitchoverPhase::Fence { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_leader_waits_a_whole_lease() {
        let mut leases = Leases::new(Tick(0).plus_ms(10_000));
        let shard = ShardId(0);
        assert!(!leases.have_ended(shard, 3000, Tick(0).plus_ms(13_099)));
        assert!(leases.have_ended(shard, 3000, Tick(0).plus_ms(13_100)));
        leases.note(shard, Epoch(4), Tick(0).plus_ms(12_000));
        assert!(!leases.have_ended(shard, 3000, Tick(0).plus_ms(15_099)));
        assert!(leases.have_ended(shard, 3000, Tick(0).plus_ms(15_100)));
        assert!(leases.have_ended(ShardId(1), 3000, Tick(0).plus_ms(13_100)), "each for itself");
    }
}
