//! Bounds that more than one crate must agree on. Every bound has a name and a unit.

/// Databases an instance may have (`databases`); the default is 16.
pub const DATABASES_MAX: u16 = 256;
/// Largest argument of a command unless `proto-max-bulk-len` says otherwise.
pub const BULK_BYTES_DEFAULT: usize = 512 << 20;
/// Arguments in one command (Redis: 1024*1024 for ordinary clients).
pub const ARGS_COUNT_MAX: usize = 1024 * 1024;
/// Arguments and bytes of a command before AUTH succeeded (Redis: 10 and 16384).
pub const UNAUTHENTICATED_ARGS_COUNT_MAX: usize = 10;
pub const UNAUTHENTICATED_BULK_BYTES_MAX: usize = 16_384;
/// Longest inline command or length line (Redis: PROTO_INLINE_MAX_SIZE).
pub const INLINE_BYTES_MAX: usize = 64 << 10;
/// Replicas of one shard.
pub const REPLICAS_COUNT_MAX: usize = 5;
