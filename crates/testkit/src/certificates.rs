//! Certificates for tests of TLS: an authority, and who it vouches for.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Signs certificates; its own one is self-signed.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// A certificate and its key, as PEM files.
#[derive(Clone, Debug)]
pub struct Identity {
    pub certificate_file: PathBuf,
    pub key_file: PathBuf,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let key = KeyPair::generate().expect("the random source works");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("the parameters are whole").pem();
        Authority { issuer: Issuer::new(params, key), certificate }
    }

    /// Its own certificate (PEM).
    pub fn pem(&self) -> &str {
        &self.certificate
    }

    /// Writes the authority's own certificate to `<name>.ca.pem` in `dir`.
    pub fn write(&self, dir: &Path, name: &str) -> PathBuf {
        let path = dir.join(format!("{name}.ca.pem"));
        fs::write(&path, &self.certificate).expect("the directory of a test can be written to");
        path
    }

    /// Makes a certificate for `localhost` and 127.0.0.1, and writes it with its key to files in `dir` that begin with `name`.
    pub fn issue(&self, dir: &Path, name: &str) -> Identity {
        let key = KeyPair::generate().expect("the random source works");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("the names are names");
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).expect("the parameters are whole");
        let identity = Identity {
            certificate_file: dir.join(format!("{name}.pem")),
            key_file: dir.join(format!("{name}.key")),
        };
        fs::write(&identity.certificate_file, certificate.pem()).expect("a test's directory");
        fs::write(&identity.key_file, key.serialize_pem()).expect("a test's directory");
        identity
    }
}
