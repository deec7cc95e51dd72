//! The hash of a key: seeded foldhash, one seed for the whole process.
//!
//! The seed is the one global of this crate: tables are everywhere (16,384 a database, one in each
//! large collection), and a seed in each would cost 8 bytes and an argument in every call. It is
//! random in production so that clients cannot choose keys that collide, and fixed in tests.

use std::hash::Hasher;
use std::sync::OnceLock;

use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;

/// What makes the hashes of this process unpredictable.
#[derive(Clone, Debug)]
pub struct HashSeed {
    own: u64,
    shared: SharedSeed,
}

static SEED: OnceLock<HashSeed> = OnceLock::new();

/// Used when nothing was installed: tests and tools.
const FIXED: u64 = 0x506f_6c6c_7578_0001;

impl HashSeed {
    pub fn new(seed: u64) -> HashSeed {
        HashSeed { own: seed.rotate_left(32) ^ FIXED, shared: SharedSeed::from_u64(seed) }
    }

    /// Makes this the seed of the process. Must come before the first hash; afterwards it is too late
    /// (tables are ordered by the old hashes) and `false` is returned.
    #[must_use]
    pub fn install(self) -> bool {
        SEED.set(self).is_ok()
    }
}

/// The hash of a key in any table of this process. All 64 bits are good: the position in a table comes
/// from the highest 48, the tag from the lowest 8.
#[inline]
pub fn hash_of(key: &[u8]) -> u64 {
    let seed = SEED.get_or_init(|| HashSeed::new(FIXED));
    let mut hasher = FoldHasher::with_seed(seed.own, &seed.shared);
    hasher.write(key);
    hasher.finish()
}
