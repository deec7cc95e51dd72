//! RDB: the file format of Redis for a whole keyspace, which is also our snapshot and checkpoint format.
//!
//! ```text
//!   "REDIS" "0010" | aux* | database* | 0xFF | crc64 (little-endian, over everything before it)
//!
//!   aux       0xFA name value                      redis-ver, ctime, pollux-opid, pollux-epoch, ...
//!   database  0xFE db | 0xFB keys expiries | entry*
//!   entry     [0xFC unix-ms u64 | 0xFD unix-s u32] [0xF8 idle-s | 0xF9 freq u8] | type u8 | key | value
//!
//!   length    00llllll                  6 bits        string   length bytes
//!             01llllll llllllll        14 bits                 C0 i8 | C1 i16 | C2 i32 (little-endian)
//!             80 u32 | 81 u64     big-endian                   C3 packed-length length LZF-bytes
//! ```
//!
//! We write version 10, which Redis 7.0 and everything after it reads, and read every version up to that of
//! Redis 7.4. Modules and function libraries are refused by name.
//!
//! Nothing before Redis 7.4 knows hashes whose fields have deadlines. So a file has the hash without them, and in front of
//! it facts that only we understand, one for every 64 KiB or so. A payload of DUMP has one of the types of 7.4, and then the
//! version of 7.4 as well: it is for who keeps the deadlines, or refuses it.
//!
//! ```text
//!   file      0xFA "pollux-field-deadlines" (unix-ms u64 | length u32 | field)*        little-endian
//!   payload   unix-ms u64 of the earliest, then of each field
//!             24  length (0: none, else its deadline - earliest + 1) | field | value
//!             25  one listpack: field value deadline (0: none) ...
//!   stream    nodes, each: key (16 bytes as a string) listpack | length last-id first-id max-deleted-id added
//!             groups, each: name last-id read | pending, each: id (16 bytes) i64-ms count
//!                           consumers, each: name seen-i64-ms active-i64-ms | ids (16 bytes each)
//! ```
//!
//! Invariants
//! - What is written can be read by redis-server 7.0 and by redis-check-rdb; streams by those of 7.2, since which
//!   consumers have two times.
//! - Reading allocates by what arrived: a length is compared with its bound and then waited for.
//! - A value that is handed out is well-formed: listpacks, intsets and ziplists were walked to their end.

pub mod dump;
mod legacy;
pub mod load;
pub mod lzf;
pub mod save;

use crc::{CRC_64_REDIS, Crc, Digest, Table};

/// Version that is written.
pub const VERSION: u16 = 10;
/// Version of a payload that is a hash with deadlines of fields.
const VERSION_OF_DEADLINES: u16 = 12;
/// Name of the fact that tells deadlines of fields of the hash behind it.
const FIELD_DEADLINES: &str = "pollux-field-deadlines";
/// One such fact tells more only when a single field is longer (bytes).
const FIELD_DEADLINES_BYTES: usize = 64 << 10;
/// Newest version that is read (Redis 7.4).
pub const VERSION_READ_MAX: u16 = 12;
/// Largest string, key or packed value, bytes, before and after decompression.
pub const STRING_BYTES_MAX: usize = 2 << 30;
/// The fixed front of a file.
pub const HEADER_BYTES: usize = 9;

/// Sixteen tables: about 2 GB/s, so that the checksum never is what a snapshot waits for.
static CRC64: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_REDIS);

type Crc64 = Digest<'static, u64, Table<16>>;

/// The checksum at the end of files and of DUMP payloads.
pub fn crc64(bytes: &[u8]) -> u64 {
    CRC64.checksum(bytes)
}

mod opcode {
    pub(super) const FUNCTION: u8 = 245;
    pub(super) const FUNCTION_BEFORE_7_0: u8 = 246;
    pub(super) const MODULE_AUX: u8 = 247;
    pub(super) const IDLE: u8 = 248;
    pub(super) const FREQ: u8 = 249;
    pub(super) const AUX: u8 = 250;
    pub(super) const RESIZE_DB: u8 = 251;
    pub(super) const EXPIRE_MS: u8 = 252;
    pub(super) const EXPIRE_SECONDS: u8 = 253;
    pub(super) const SELECT_DB: u8 = 254;
    pub(super) const EOF: u8 = 255;
}

mod kind {
    pub(super) const STRING: u8 = 0;
    pub(super) const LIST: u8 = 1;
    pub(super) const SET: u8 = 2;
    /// Scores as text.
    pub(super) const ZSET: u8 = 3;
    pub(super) const HASH: u8 = 4;
    /// Scores as IEEE 754.
    pub(super) const ZSET_2: u8 = 5;
    pub(super) const MODULE: u8 = 6;
    pub(super) const MODULE_2: u8 = 7;
    pub(super) const HASH_ZIPMAP: u8 = 9;
    pub(super) const LIST_ZIPLIST: u8 = 10;
    pub(super) const SET_INTSET: u8 = 11;
    pub(super) const ZSET_ZIPLIST: u8 = 12;
    pub(super) const HASH_ZIPLIST: u8 = 13;
    /// Nodes are ziplists.
    pub(super) const LIST_QUICKLIST: u8 = 14;
    /// Without first and largest deleted ID, and without the counters of entries.
    pub(super) const STREAM: u8 = 15;
    pub(super) const HASH_LISTPACK: u8 = 16;
    pub(super) const ZSET_LISTPACK: u8 = 17;
    /// Nodes are listpacks or single strings.
    pub(super) const LIST_QUICKLIST_2: u8 = 18;
    /// Consumers have one time.
    pub(super) const STREAM_2: u8 = 19;
    /// Since version 11 (Redis 7.2), so it is read but not written.
    pub(super) const SET_LISTPACK: u8 = 20;
    /// Since Redis 7.2: what is written.
    pub(super) const STREAM_3: u8 = 21;
    /// Hashes with deadlines of fields, since version 12 (Redis 7.4). The first two are of its release candidates; they
    /// lack the earliest deadline in front, so they are read but not written.
    pub(super) const HASH_METADATA_OLD: u8 = 22;
    pub(super) const HASH_LISTPACK_EX_OLD: u8 = 23;
    pub(super) const HASH_METADATA: u8 = 24;
    pub(super) const HASH_LISTPACK_EX: u8 = 25;
}

/// First byte of lengths and of specially encoded strings.
mod length {
    pub(super) const BITS_14: u8 = 0x40;
    pub(super) const BITS_32: u8 = 0x80;
    pub(super) const BITS_64: u8 = 0x81;
    pub(super) const INT_8: u8 = 0xc0;
    pub(super) const INT_16: u8 = 0xc1;
    pub(super) const INT_32: u8 = 0xc2;
    pub(super) const LZF: u8 = 0xc3;
}

/// How a node of a quicklist holds its items.
mod container {
    pub(super) const PLAIN: u64 = 1;
    pub(super) const PACKED: u64 = 2;
}

/// Bytes that are not an RDB file, or one that we cannot hold.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RdbError {
    #[error("not an RDB file: it does not begin with REDIS and a version")]
    Signature,
    #[error("RDB version {0} is not one of 1 to {VERSION_READ_MAX}")]
    Version(u16),
    #[error("unknown opcode or type {0}")]
    UnknownType(u8),
    #[error("{0} cannot be loaded")]
    Unsupported(&'static str),
    #[error("malformed {0}")]
    Malformed(&'static str),
    #[error("{what} of {bytes} bytes is larger than {STRING_BYTES_MAX}")]
    TooLarge { what: &'static str, bytes: u64 },
    #[error("checksum is {found:#018x}, the file says {expected:#018x}")]
    Checksum { expected: u64, found: u64 },
}

#[cfg(test)]
mod tests;
