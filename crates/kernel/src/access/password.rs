//! A password as it is kept: its SHA-256.

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

/// SHA-256 of a password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PasswordHash([u8; 32]);

impl PasswordHash {
    pub(super) fn of(password: &[u8]) -> PasswordHash {
        PasswordHash(Sha256::digest(password).into())
    }

    /// 64 lower-case hexadecimal digits, and nothing else.
    pub(super) fn parse(text: &[u8]) -> Option<PasswordHash> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let text: &[u8; 64] = text.try_into().ok()?;
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(PasswordHash(hash))
    }

    pub(super) fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// Takes the same time wherever the first difference is.
    pub(super) fn matches(&self, other: &PasswordHash) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

/// Not even a hash belongs into a log.
impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// Two lower-case digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_redis_and_back() {
        let text = "34344e4d60c2b6d639b7bd22e18f2b0b91bc34bf0ac5f9952744435093cfb4e6";
        let hash = PasswordHash::of(b"passwd4");
        assert_eq!(hash.to_hex(), text);
        assert_eq!(PasswordHash::parse(text.as_bytes()), Some(hash));
    }

    #[test]
    fn only_64_lower_case_digits_are_a_hash() {
        let text = "a".repeat(64);
        assert!(PasswordHash::parse(text.as_bytes()).is_some());
        for wrong in [&text[1..], &text.to_uppercase(), &format!("{}q", &text[1..]), ""] {
            assert_eq!(PasswordHash::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
