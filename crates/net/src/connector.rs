//! Connections that this side begins: plain ones, and those that speak TLS as a client.
//!
//! ```text
//!   TcpStream --TlsConnector::connect--> TlsStream, blocking, on a thread of its owner
//!       `------------ Outgoing -------------'`
//!                        `--Driver::adopt--> a connection of a driver, as if it had been accepted
//! ```
//!
//! Invariants
//! - A connection whose handshake is not done is never handed out: who the other side is was checked.
//! - A read makes one call of the socket at most, so that a peer whose bytes come one by one does not outlive a deadline.
//!
//! Whether the certificate of the server fits the name by which it was called is not looked at, as in Redis: what counts is
//! that one of the authorities vouches for it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use crate::tls::{TlsError, TlsOptions, identity, provider, roots, versions};

/// Makes connections that begin here encrypted ones.
#[derive(Clone, Debug)]
pub struct TlsConnector(Arc<ClientConfig>);

impl TlsConnector {
    /// Reads all files and checks that they fit together. Authorities are needed; a certificate is shown to servers that ask
    /// when there is one: that for clients, or else the node's own.
    pub fn load(options: &TlsOptions) -> Result<TlsConnector, TlsError> {
        let provider = Arc::new(provider(options)?);
        let roots = roots(options)?;
        if roots.is_empty() {
            return Err(TlsError::NoServerAuthorities);
        }
        let algorithms = provider.signature_verification_algorithms;
        let verifier = Arc::new(ChainVerifier { roots, algorithms });
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions(&options.protocols)?)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let (certificate, key, password) = match &options.client_certificate_file {
            Some(certificate) => {
                (Some(certificate), &options.client_key_file, &options.client_key_password)
            }
            None => (options.certificate_file.as_ref(), &options.key_file, &options.key_password),
        };
        let mut config = match certificate {
            None => builder.with_no_client_auth(),
            Some(certificate) => {
                let (chain, key) = identity(Some(certificate), key.as_deref(), password)?;
                builder.with_client_auth_cert(chain, key)?
            }
        };
        config.enable_sni = false;
        Ok(TlsConnector(Arc::new(config)))
    }

    /// Makes a connected socket an encrypted one. It blocks, for `patience` at most; timeouts of the socket are set anew by the
    /// caller afterwards.
    pub fn connect(&self, socket: TcpStream, patience: Duration) -> io::Result<TlsStream> {
        let deadline = Instant::now() + patience;
        let name = ServerName::from(socket.peer_addr()?.ip());
        let session = ClientConnection::new(Arc::clone(&self.0), name).map_err(io::Error::other)?;
        let mut stream = TlsStream { socket, session };
        loop {
            stream.send()?;
            if !stream.session.is_handshaking() {
                return Ok(stream);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            stream.socket.set_read_timeout(Some(left))?;
            match stream.receive() {
                Ok(true) => {}
                Ok(false) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Checks that an authority vouches for the server, whatever its name.
#[derive(Debug)]
struct ChainVerifier {
    roots: RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for ChainVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.roots,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// A blocking encrypted connection.
#[derive(Debug)]
pub struct TlsStream {
    pub(crate) socket: TcpStream,
    pub(crate) session: ClientConnection,
}

impl TlsStream {
    /// Sends everything that is sealed.
    fn send(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes what one call of the socket brings; whether it was anything.
    fn receive(&mut self) -> io::Result<bool> {
        if self.session.read_tls(&mut self.socket)? == 0 {
            return Ok(false);
        }
        if let Err(error) = self.session.process_new_packets() {
            // The alert that says why; a peer that does not take it learns less.
            let _ = self.send();
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(true)
    }
}

impl Read for TlsStream {
    /// `Interrupted`: bytes have come, but they are no whole record yet.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let is_empty = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        match self.session.reader().read(buffer) {
            Err(error) if is_empty(&error) => {}
            done => return done,
        }
        self.send()?;
        // An end without a goodbye shows in the plain text, too.
        self.receive()?;
        match self.session.reader().read(buffer) {
            Err(error) if is_empty(&error) => Err(io::ErrorKind::Interrupted.into()),
            done => done,
        }
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.session.writer().write(bytes)?;
        self.send()?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

/// A connection that this side has begun.
#[derive(Debug)]
pub enum Outgoing {
    Plain(TcpStream),
    Encrypted(Box<TlsStream>),
}

impl Outgoing {
    /// Makes a connected socket a connection: an encrypted one if there is a connector.
    pub fn begin(
        socket: TcpStream,
        tls: Option<&TlsConnector>,
        patience: Duration,
    ) -> io::Result<Outgoing> {
        Ok(match tls {
            None => Outgoing::Plain(socket),
            Some(tls) => Outgoing::Encrypted(Box::new(tls.connect(socket, patience)?)),
        })
    }

    /// The socket below, for its addresses and timeouts.
    pub fn socket(&self) -> &TcpStream {
        match self {
            Outgoing::Plain(socket) => socket,
            Outgoing::Encrypted(stream) => &stream.socket,
        }
    }
}

impl From<TcpStream> for Outgoing {
    fn from(socket: TcpStream) -> Outgoing {
        Outgoing::Plain(socket)
    }
}

impl Read for Outgoing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Outgoing::Plain(socket) => socket.read(buffer),
            Outgoing::Encrypted(stream) => stream.read(buffer),
        }
    }
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Outgoing::Plain(socket) => socket.write(bytes),
            Outgoing::Encrypted(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Outgoing::Plain(socket) => socket.flush(),
            Outgoing::Encrypted(stream) => stream.flush(),
        }
    }
}
