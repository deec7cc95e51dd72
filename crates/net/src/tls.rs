//! TLS: certificates and rules from files. For listeners they are read once and shared by all connections of a listener;
//! connections that begin here have them from a [`TlsConnector`](crate::TlsConnector).
//!
//! ```text
//!   files, options --load--> TlsAcceptor (Arc)
//!                               |- a listener holds it; Driver::set_tls puts another one in its place
//!                               `- a connection begins with the one of its moment, and keeps it
//! ```
//!
//! Invariant: an acceptor is complete. A file that is missing, no PEM, or does not fit the others gives an error and
//! no acceptor, so the one in use stays in use.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};

use crate::key::{self, Password};

/// Files read from a directory of authorities.
const AUTHORITY_FILES_MAX: usize = 4096;

/// Whether clients show certificates.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ClientCertificates {
    #[default]
    NotAsked,
    /// One that is shown must be good.
    Optional,
    Required,
}

/// What an acceptor is made of. Texts are those of redis.conf; an empty one stands for the default.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsOptions {
    /// The certificate and those that lead to its authority (PEM).
    pub certificate_file: Option<PathBuf>,
    /// The private key (PEM).
    pub key_file: Option<PathBuf>,
    /// Opens the key if it is encrypted.
    pub key_password: Password,
    /// Shown to servers that are connected to, instead of the two above (PEM).
    pub client_certificate_file: Option<PathBuf>,
    pub client_key_file: Option<PathBuf>,
    pub client_key_password: Password,
    /// Authorities of peers (PEM); both may be given.
    pub ca_file: Option<PathBuf>,
    pub ca_dir: Option<PathBuf>,
    pub client_certificates: ClientCertificates,
    /// `TLSv1.2 TLSv1.3`.
    pub protocols: String,
    /// Of TLS 1.2, by the names of OpenSSL, colons between them.
    pub ciphers: String,
    /// Of TLS 1.3, colons between them.
    pub ciphersuites: String,
    /// The first one in the order of this side is taken, not of the client's.
    pub prefers_own_ciphers: bool,
    /// Sessions that can be resumed; 0: none.
    pub sessions_max: usize,
}

/// Why there is no acceptor.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("no {0} is configured")]
    Missing(&'static str),
    #[error("cannot read {path}: {error}")]
    Read { path: PathBuf, error: io::Error },
    #[error("{path}: {error}")]
    Pem { path: PathBuf, error: pem::Error },
    #[error("the key in {0} is encrypted, and there is no password for it")]
    NoPassword(PathBuf),
    #[error("the key in {0} does not open with the password")]
    WrongPassword(PathBuf),
    #[error(
        "the key in {0} is encrypted in another way than PKCS#8 with PBKDF2 and AES-CBC of 128 or 256 bits"
    )]
    UnknownEncryption(PathBuf),
    #[error("there is no certificate in {0}")]
    NoCertificate(PathBuf),
    #[error("clients must show certificates, but there is no authority to check them with")]
    NoAuthorities,
    #[error("servers are connected to, but there is no authority to check their certificates with")]
    NoServerAuthorities,
    #[error("'{0}' is not a protocol that is offered: TLSv1.2, TLSv1.3")]
    UnknownProtocol(String),
    #[error("'{0}' is not a cipher that is offered")]
    UnknownCipher(String),
    #[error("the authorities cannot be used: {0}")]
    Authorities(#[from] rustls::server::VerifierBuilderError),
    /// The certificate and the key do not fit, or no cipher fits the protocols.
    #[error(transparent)]
    Unfit(#[from] rustls::Error),
}

/// Makes connections of a listener encrypted ones.
#[derive(Clone, Debug)]
pub struct TlsAcceptor(pub(crate) Arc<ServerConfig>);

impl TlsAcceptor {
    /// Reads all files and checks that they fit together.
    pub fn load(options: &TlsOptions) -> Result<TlsAcceptor, TlsError> {
        let key_file = options.key_file.as_deref();
        let (chain, key) =
            identity(options.certificate_file.as_deref(), key_file, &options.key_password)?;
        let provider = Arc::new(provider(options)?);
        let verifier = verifier(options, &provider)?;
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions(&options.protocols)?)?;
        let builder = match verifier {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key)?;
        config.ignore_client_order = options.prefers_own_ciphers;
        config.session_storage = match options.sessions_max {
            0 => Arc::new(NoServerSessionStorage {}),
            sessions_max => ServerSessionMemoryCache::new(sessions_max),
        };
        Ok(TlsAcceptor(Arc::new(config)))
    }
}

/// What this side shows: certificates, its own first, and their key.
pub(crate) fn identity(
    certificate_file: Option<&Path>,
    key_file: Option<&Path>,
    password: &Password,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let file = certificate_file.ok_or(TlsError::Missing("certificate"))?;
    let chain = certificates(file)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(file.to_owned()));
    }
    let file = key_file.ok_or(TlsError::Missing("private key"))?;
    Ok((chain, key::read(file, password)?))
}

pub(crate) fn unreadable(path: &Path, error: pem::Error) -> TlsError {
    let path = path.to_owned();
    match error {
        pem::Error::Io(error) => TlsError::Read { path, error },
        error => TlsError::Pem { path, error },
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(path, error))
}

/// The provider with the ciphers that are wanted, in the order in which they are named.
pub(crate) fn provider(options: &TlsOptions) -> Result<CryptoProvider, TlsError> {
    let mut provider = aws_lc_rs::default_provider();
    let all = provider.cipher_suites.clone();
    let (mut new, mut old): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|suite| suite.tls13().is_some());
    if !options.ciphersuites.is_empty() {
        new = chosen(&options.ciphersuites, &new, |suite| suite.replacen("TLS13_", "TLS_", 1))?;
    }
    if !options.ciphers.is_empty() {
        old = chosen(&options.ciphers, &old, openssl_name)?;
    }
    provider.cipher_suites = new.into_iter().chain(old).collect();
    Ok(provider)
}

/// `TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384` as `ECDHE-RSA-AES256-GCM-SHA384`.
fn openssl_name(suite: &str) -> String {
    let name = suite.trim_start_matches("TLS_").replace("_WITH", "").replace("AES_", "AES");
    name.replace("POLY1305_SHA256", "POLY1305").replace('_', "-")
}

fn chosen(
    names: &str,
    offered: &[SupportedCipherSuite],
    shown: impl Fn(&str) -> String,
) -> Result<Vec<SupportedCipherSuite>, TlsError> {
    let find = |name: &str| {
        let is_named = |suite: &&SupportedCipherSuite| {
            let own = format!("{:?}", suite.suite());
            shown(&own).eq_ignore_ascii_case(name)
        };
        let found = offered.iter().find(is_named).copied();
        found.ok_or_else(|| TlsError::UnknownCipher(name.to_owned()))
    };
    names.split([':', ' ', ',']).filter(|name| !name.is_empty()).map(find).collect()
}

pub(crate) fn versions(names: &str) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let mut versions: Vec<&'static SupportedProtocolVersion> = Vec::new();
    for name in names.split_ascii_whitespace() {
        versions.push(match name.to_ascii_lowercase().as_str() {
            "tlsv1.2" => &rustls::version::TLS12,
            "tlsv1.3" => &rustls::version::TLS13,
            _ => return Err(TlsError::UnknownProtocol(name.to_owned())),
        });
    }
    if versions.is_empty() {
        versions.extend([&rustls::version::TLS13, &rustls::version::TLS12]);
    }
    Ok(versions)
}

/// Who checks the certificates of clients; nobody when they are not asked for.
fn verifier(
    options: &TlsOptions,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    if options.client_certificates == ClientCertificates::NotAsked {
        return Ok(None);
    }
    let roots = roots(options)?;
    if roots.is_empty() {
        return Err(TlsError::NoAuthorities);
    }
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = match options.client_certificates {
        ClientCertificates::Optional => builder.allow_unauthenticated(),
        ClientCertificates::Required | ClientCertificates::NotAsked => builder,
    };
    Ok(Some(builder.build()?))
}

/// Who may vouch for peers.
pub(crate) fn roots(options: &TlsOptions) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &options.ca_file {
        for certificate in certificates(path)? {
            roots.add(certificate)?;
        }
    }
    if let Some(folder) = &options.ca_dir {
        add_folder(&mut roots, folder)?;
    }
    Ok(roots)
}

/// Every certificate in the folder's files. As in OpenSSL, what is no certificate is passed over.
fn add_folder(roots: &mut RootCertStore, folder: &Path) -> Result<(), TlsError> {
    let failed = |error| TlsError::Read { path: folder.to_owned(), error };
    for entry in fs::read_dir(folder).map_err(failed)?.take(AUTHORITY_FILES_MAX) {
        let path = entry.map_err(failed)?.path();
        if path.is_file() {
            roots.add_parsable_certificates(certificates(&path).unwrap_or_default());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ciphers_have_the_names_of_openssl() {
        let names: Vec<String> = aws_lc_rs::ALL_CIPHER_SUITES
            .iter()
            .filter(|suite| suite.tls13().is_none())
            .map(|suite| openssl_name(&format!("{:?}", suite.suite())))
            .collect();
        for name in [
            "ECDHE-ECDSA-AES256-GCM-SHA384",
            "ECDHE-RSA-AES128-GCM-SHA256",
            "ECDHE-RSA-CHACHA20-POLY1305",
        ] {
            assert!(names.iter().any(|known| known == name), "{name}: {names:?}");
        }
    }

    #[test]
    fn protocols_by_name() {
        let count = |names: &str| versions(names).map(|versions| versions.len());
        assert_eq!(count("").unwrap(), 2);
        assert_eq!(count("TLSv1.3").unwrap(), 1);
        assert!(
            matches!(count("TLSv1.1 TLSv1.2"), Err(TlsError::UnknownProtocol(name)) if name == "TLSv1.1")
        );
    }
}
