//! Private keys from files (PEM), those with a password included.
//!
//! ```text
//!   ENCRYPTED PRIVATE KEY (PKCS#8, RFC 5958)
//!   SEQUENCE
//!     SEQUENCE  PBES2 (RFC 8018)
//!       SEQUENCE  PBKDF2: salt, iterations, [length], [HMAC]   password --> key
//!       SEQUENCE  AES-CBC: initial vector
//!     OCTET STRING  what the key and the vector open: PRIVATE KEY
//! ```
//!
//! That is what `openssl genpkey -aes256`, `openssl pkcs8 -topk8` and, from OpenSSL 3 on, `openssl rsa -aes256` write. Older ways
//! of encryption (DES, keys derived with MD5) are refused.

use std::fmt;
use std::fs;
use std::num::NonZeroU32;
use std::path::Path;

use aws_lc_rs::cipher::{
    AES_128, AES_256, Algorithm, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::tls::{TlsError, unreadable};

const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
/// Rounds of the derivation: some 10 s, as the server stands still meanwhile.
const ITERATIONS_MAX: u32 = 10_000_000;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const NAME: u8 = 0x06;

// Names (OIDs), as they stand in the file.
const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d];
const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c];
/// The last byte says which: 7 SHA-1, 9 SHA-256, 10 SHA-384, 11 SHA-512.
const HMAC: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02];
/// The last byte says which: 2 AES-128-CBC, 42 AES-256-CBC.
const AES: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01];

/// The password of a key; not shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Reads the key in a file. The password is of no concern when the key is not encrypted.
pub(crate) fn read(path: &Path, password: &Password) -> Result<PrivateKeyDer<'static>, TlsError> {
    let read = |error| TlsError::Read { path: path.to_owned(), error };
    let text = fs::read_to_string(path).map_err(read)?;
    if !text.contains(ENCRYPTED) {
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes());
        return key.map_err(|error| unreadable(path, error));
    }
    // The same bytes in the same letters: only the label says what they are.
    let text = text.replace(ENCRYPTED, "PRIVATE KEY");
    let sealed = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes())
        .map_err(|error| unreadable(path, error))?;
    let parts = Sealed::parse(sealed.secret_pkcs8_der())
        .ok_or_else(|| TlsError::UnknownEncryption(path.to_owned()))?;
    if password.0.is_empty() {
        return Err(TlsError::NoPassword(path.to_owned()));
    }
    let opened = parts.open(&password.0).ok_or_else(|| TlsError::WrongPassword(path.to_owned()))?;
    Ok(PrivatePkcs8KeyDer::from(opened).into())
}

/// An encrypted key, and all that opens it but the password.
struct Sealed<'a> {
    derivation: pbkdf2::Algorithm,
    iterations: NonZeroU32,
    salt: &'a [u8],
    cipher: &'static Algorithm,
    key_bytes: usize,
    vector: [u8; 16],
    content: &'a [u8],
}

impl<'a> Sealed<'a> {
    /// `None`: it is encrypted in a way that is not known here, or damaged.
    fn parse(der: &'a [u8]) -> Option<Sealed<'a>> {
        let mut outer = Der(Der(der).take(SEQUENCE)?);
        let mut scheme = Der(outer.take(SEQUENCE)?);
        let content = outer.take(OCTETS)?;
        if scheme.take(NAME)? != PBES2 {
            return None;
        }
        let mut ways = Der(scheme.take(SEQUENCE)?);
        let mut derivation = Der(ways.take(SEQUENCE)?);
        let mut cipher = Der(ways.take(SEQUENCE)?);
        if derivation.take(NAME)? != PBKDF2 {
            return None;
        }
        let mut numbers = Der(derivation.take(SEQUENCE)?);
        let salt = numbers.take(OCTETS)?;
        let iterations = NonZeroU32::new(number(numbers.take(INTEGER)?)?)?;
        // The length of the key follows from the cipher as well.
        let _length = numbers.take(INTEGER);
        let hash = match numbers.take(SEQUENCE) {
            None => 7,
            Some(hash) => *Der(hash).take(NAME)?.strip_prefix(HMAC)?.first()?,
        };
        let derivation = match hash {
            7 => pbkdf2::PBKDF2_HMAC_SHA1,
            9 => pbkdf2::PBKDF2_HMAC_SHA256,
            10 => pbkdf2::PBKDF2_HMAC_SHA384,
            11 => pbkdf2::PBKDF2_HMAC_SHA512,
            _ => return None,
        };
        let (algorithm, key_bytes) = match cipher.take(NAME)?.strip_prefix(AES)? {
            [2] => (&AES_128, 16),
            [42] => (&AES_256, 32),
            _ => return None,
        };
        let vector = cipher.take(OCTETS)?.try_into().ok()?;
        let is_bearable = iterations.get() <= ITERATIONS_MAX;
        let sealed =
            Sealed { derivation, iterations, salt, cipher: algorithm, key_bytes, vector, content };
        is_bearable.then_some(sealed)
    }

    /// `None`: with this password nothing sensible comes out.
    fn open(&self, password: &str) -> Option<Vec<u8>> {
        let mut key = [0; 32];
        let key = &mut key[..self.key_bytes];
        pbkdf2::derive(self.derivation, self.iterations, self.salt, password.as_bytes(), key);
        let key = UnboundCipherKey::new(self.cipher, key).ok()?;
        let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).ok()?;
        let mut content = self.content.to_vec();
        let context = DecryptionContext::Iv128(FixedLength::from(self.vector));
        let opened = key.decrypt(&mut content, context).ok()?.to_vec();
        // Once in some 256 times a wrong password leaves padding that looks right.
        let is_whole = Der(&opened).take(SEQUENCE).is_some();
        is_whole.then_some(opened)
    }
}

/// What is left of a run of DER elements.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next element if it has this tag; else nothing is taken.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
                let digit = |length: usize, digit: &u8| length << 8 | usize::from(*digit);
                (digits.iter().fold(0, digit), rest)
            }
            _ => return None,
        };
        if found != tag {
            return None;
        }
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(content)
    }
}

/// A number that is not negative.
fn number(digits: &[u8]) -> Option<u32> {
    let digits = match digits {
        [0, rest @ ..] => rest,
        [0x80..=0xff, ..] => return None,
        digits => digits,
    };
    let is_small = digits.len() <= 4;
    is_small.then(|| digits.iter().fold(0, |sum, digit| sum << 8 | u32::from(*digit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `openssl genpkey -algorithm ED25519 -aes256 -pass pass:1234`
    const KEY: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAguLDpzu1JEnAICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEAdAkDjeE7Oqna+MeDF4fcYEQATl
B4AiUplfX0YsmeTv1rQUI2bgQEpx6ZA+KmZR1LOtLGEOOWi9ZcSQcBRQjHNcT6Sy
U7WEvsKHCPeHqam8TJY=
-----END ENCRYPTED PRIVATE KEY-----
";
    /// `openssl pkcs8 -topk8 -v2 aes-128-cbc -v2prf hmacWithSHA1 -iter 5` of the same one.
    const OTHER: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGMMEgGCSqGSIb3DQEFDTA7MBoGCSqGSIb3DQEFDDANBAgadpy9QNy5KwIBBTAd
BglghkgBZQMEAQIEELWOZIdzkpEzqZ4kRpQnObwEQO7V6hjb4c5KmCXX7d3tMej2
KP4r23lL9ZFjy9BOaT96bRrlq9yEoVXrODKjOoshJlQV1kO9DQO4YR6DtHygqLQ=
-----END ENCRYPTED PRIVATE KEY-----
";
    /// `openssl pkey` of both.
    const OPEN: &str = "\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIKrcImxcjVywNSE9PEqxx9kUCgv+D4wu6Z+eW05gUFk8
-----END PRIVATE KEY-----
";

    fn key(text: &str, password: &str) -> Result<Vec<u8>, TlsError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, text).unwrap();
        read(&path, &Password(password.to_owned())).map(|key| key.secret_der().to_vec())
    }

    #[test]
    fn a_key_opens_with_its_password_only() {
        let open = key(OPEN, "").unwrap();
        assert_eq!(key(OPEN, "of no concern").unwrap(), open);
        assert_eq!(key(KEY, "1234").unwrap(), open);
        assert_eq!(key(OTHER, "1234").unwrap(), open);
        assert!(matches!(key(KEY, ""), Err(TlsError::NoPassword(_))));
        assert!(matches!(key(KEY, "12345"), Err(TlsError::WrongPassword(_))));
        assert_eq!(format!("{:?}", Password("1234".to_owned())), "Password(..)");
    }

    #[test]
    fn a_damaged_key_is_refused() {
        let text = KEY.replace(ENCRYPTED, "PRIVATE KEY");
        let sealed = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).unwrap();
        let der = sealed.secret_pkcs8_der();
        for length in 0..der.len() {
            assert!(Sealed::parse(&der[..length]).is_none(), "{length} bytes of {}", der.len());
        }
        for at in 0..der.len() {
            let mut der = der.to_vec();
            der[at] ^= 0xff;
            // What it says is of no interest, but that it says something.
            let _ = Sealed::parse(&der).is_some();
        }
        let many = |count: &[u8]| number(count).unwrap_or(u32::MAX);
        assert_eq!(many(&[0x08, 0x00]), 2048);
        assert_eq!(many(&[0, 0xff]), 255);
        assert_eq!(number(&[0xff]), None, "negative");
        assert_eq!(number(&[1; 5]), None, "too large");
    }
}
