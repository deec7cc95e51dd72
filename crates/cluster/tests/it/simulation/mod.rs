//! The whole protocol of mastership in a simulated world: the pure decisions are the real ones; nodes, agents, the network
//! and the config server's process are models that crash, stop, pause and are cut off at random.
//!
//! ```text
//!   node models <--- look, orders --- agent models <=== late, lost, reordered messages ===> leader (real decisions)
//!      |  ^                                                                                     |
//!      +--+ replication, cut at times                                    State (real), as Raft would keep it
//! ```
//!
//! Safety, looked at after every step of 10 ms:
//! - at no instant two nodes could take a write, by their own clocks, which run at different speeds;
//! - an epoch has one process, and epochs only grow;
//! - nobody is promoted who is not in the in-sync set;
//! - a switchover loses no write that was acknowledged;
//! - what a master holds when it is promoted is a piece of the one history: no ops are mixed.
//!
//! Liveness: when the trouble ends, a master takes writes, and all nodes hold the same log.
//!
//! One seed is one world: a failure names it, and `SEED=n` runs it alone. `SEEDS=n` runs more of them.

mod host;
mod node;
mod site;

use site::Site;

/// Worlds of an ordinary run.
const SEEDS: u64 = 40;
/// Length of the trouble, ms.
const TROUBLE_MS: u64 = 60_000;
/// In which all must be well again, ms.
const HEALING_MS: u64 = 40_000;

/// SplitMix64: small, and the same everywhere.
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In `low..high`.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low)
    }

    /// True once in `count` on average.
    pub(super) fn once_in(&mut self, count: u64) -> bool {
        self.next().is_multiple_of(count)
    }
}

fn live_through(seed: u64) -> site::Story {
    let mut site = Site::new(seed);
    while site.now < TROUBLE_MS {
        site.trouble();
        site.step();
    }
    site.heal();
    let end = site.now + HEALING_MS;
    while site.now < end && !site.is_well() {
        site.step();
    }
    assert!(
        site.is_well(),
        "seed {seed}: not well {HEALING_MS} ms after the trouble\n{}",
        site.scene()
    );
    site.story
}

#[test]
fn masters_come_and_go_and_there_is_never_more_than_one() {
    let number = |name| std::env::var_os(name)?.to_str()?.parse::<u64>().ok();
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(SEEDS),
    };
    let is_one = seeds.end - seeds.start == 1;
    let mut total = site::Story::default();
    for seed in seeds {
        total.add(&live_through(seed));
    }
    // The worlds were troubled enough to prove something.
    let numbers =
        [total.failovers, total.switchovers, total.aborts, total.leaders, total.lost, total.writes];
    assert!(is_one || numbers.iter().all(|number| *number > 0), "{total:?}");
}
