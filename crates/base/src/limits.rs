//! Bounds that more than one crate must agree on. Every bound has a name and a unit.

/// Databases an instance may have (`databases`); the default is 16.
pub const DATABASES_MAX: u16 = 256;
/// Largest argument of a command unless `proto-max-bulk-len` says otherwise.
pub const BULK_BYTES_DEFAULT: usize = 512 << 20;
/// Arguments in one command, as in Redis; `client-query-buffer-limit` bounds what they take.
pub const ARGS_COUNT_MAX: usize = i32::MAX as usize;
/// Arguments and bytes of a command before AUTH succeeded (Redis: 10 and 16384).
pub const UNAUTHENTICATED_ARGS_COUNT_MAX: usize = 10;
pub const UNAUTHENTICATED_BULK_BYTES_MAX: usize = 16_384;
/// Longest inline command or length line (Redis: PROTO_INLINE_MAX_SIZE).
pub const INLINE_BYTES_MAX: usize = 64 << 10;
/// Replicas of one shard.
pub const REPLICAS_COUNT_MAX: usize = 5;
