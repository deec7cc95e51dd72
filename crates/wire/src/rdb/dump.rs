//! DUMP payloads: one value, sealed. FUNCTION DUMP: libraries, sealed in the same way.
//!
//! ```text
//!   type u8 | value, as in a file | version u16 | crc64 u64        little-endian
//!   '------------- in the checksum -------------'
//!   (245 | code)*                 | version     | crc64
//! ```
//!
//! Write them with [`Writer::for_dump`](super::save::Writer::for_dump).

use super::load::{Value, read_functions, read_value};
use super::{RdbError, VERSION_READ_MAX, crc64};

/// Version and checksum.
const SEAL_BYTES: usize = 10;

/// Bytes that are no value.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OpenError {
    #[error("version or checksum are wrong")]
    Seal,
    #[error(transparent)]
    Value(#[from] RdbError),
}

/// The version of RDB that a payload names; `None` when it is too short to name one.
pub fn version(payload: &[u8]) -> Option<u16> {
    let (_, seal) = payload.split_last_chunk::<10>()?;
    Some(u16::from_le_bytes([seal[0], seal[1]]))
}

/// The value in a payload. Nothing is decoded before the checksum is found right; hostile bytes can have a right
/// one, so everything behind it is checked as well.
pub fn open(payload: &[u8]) -> Result<Value, OpenError> {
    Ok(read_value(unseal(payload)?)?)
}

/// As [`open`], but the checksum may be wrong: for tests of what hostile bytes can do.
pub fn open_unchecked(payload: &[u8]) -> Result<Value, OpenError> {
    let at = payload.len().checked_sub(SEAL_BYTES).ok_or(OpenError::Seal)?;
    if version(payload).is_none_or(|version| version > VERSION_READ_MAX) {
        return Err(OpenError::Seal);
    }
    Ok(read_value(&payload[..at])?)
}

/// Why a payload of FUNCTION RESTORE is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FunctionsError {
    #[error("version or checksum are wrong")]
    Seal,
    #[error("a library in the format of a release candidate of Redis 7.0")]
    Before7,
    #[error("something else than a library")]
    OtherType,
    #[error("malformed library")]
    Malformed,
}

/// The code of the libraries in a payload.
pub fn open_functions(payload: &[u8]) -> Result<Vec<Vec<u8>>, FunctionsError> {
    read_functions(unseal(payload).map_err(|_| FunctionsError::Seal)?)
}

/// What the seal is of, if it is right.
fn unseal(payload: &[u8]) -> Result<&[u8], OpenError> {
    let at = payload.len().checked_sub(SEAL_BYTES).ok_or(OpenError::Seal)?;
    let (value, seal) = payload.split_at(at);
    let (version, checksum) = seal.split_at(2);
    let version = u16::from_le_bytes(version.try_into().expect("split at two"));
    let checksum = u64::from_le_bytes(checksum.try_into().expect("eight are left of ten"));
    let is_right = crc64(&payload[..at + 2]) == checksum;
    if !is_right || version > VERSION_READ_MAX {
        return Err(OpenError::Seal);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::super::save::{Head, Usage, Writer};
    use super::*;
    use crate::listpack::Element;

    const HEAD: Head<'_> = Head { key: b"", expire: None, usage: Usage::Unknown };

    fn set(members: &[&[u8]], count: usize) -> Vec<u8> {
        let mut writer = Writer::for_dump();
        writer.begin_set(&HEAD, count);
        members.iter().for_each(|member| writer.element(Element::Bytes(member)));
        writer.finish()
    }

    fn sealed(value: &[u8]) -> Vec<u8> {
        let mut payload = [value, &super::super::VERSION.to_le_bytes()].concat();
        payload.extend_from_slice(&crc64(&payload).to_le_bytes());
        payload
    }

    #[test]
    fn what_is_dumped_is_opened() {
        let members = vec![b"a".to_vec(), b"b".to_vec()];
        assert_eq!(open(&set(&[b"a", b"b"], 2)), Ok(Value::Set(members)));
        let mut writer = Writer::for_dump();
        writer.string(
            &Head { key: b"k", expire: Some(base::UnixMs(1)), usage: Usage::Unknown },
            b"text",
        );
        assert_eq!(open(&writer.finish()), Ok(Value::String(b"text".to_vec())));
    }

    /// `DUMP` of the string `10` by redis-server 7.0.15.
    #[test]
    fn a_payload_of_redis_is_opened() {
        let payload = b"\x00\xc0\x0a\x0a\x00n\x9fWE\x0e\xaec\xbb";
        assert_eq!(open(payload), Ok(Value::String(b"10".to_vec())));
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let payload = set(&[b"a", b"b"], 2);
        for at in 0..payload.len() {
            let mut changed = payload.clone();
            changed[at] ^= 1;
            assert_eq!(open(&changed), Err(OpenError::Seal), "byte {at}");
            assert_eq!(open(&payload[..at]), Err(OpenError::Seal), "cut at {at}");
        }
    }

    #[test]
    fn a_right_checksum_does_not_make_a_value() {
        let is_malformed = |value: &[u8]| matches!(open(&sealed(value)), Err(OpenError::Value(_)));
        assert!(is_malformed(b""));
        assert!(is_malformed(b"\xff"));
        // Two members of four thousand million.
        assert!(is_malformed(b"\x02\x80\xff\xff\xff\xff\x01a\x01b"));
        // Bytes behind the value.
        assert!(is_malformed(b"\x00\x01ab"));
        // A string that claims to be 2 GiB.
        assert!(is_malformed(b"\x00\x80\x80\x00\x00\x00abc"));
    }
}
