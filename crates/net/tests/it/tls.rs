//! Encrypted connections: a client that speaks TLS, and some that only pretend to.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use net::{ClientCertificates, Driver, Event, TcpOptions, TlsAcceptor, TlsError, TlsOptions, Wake};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use testkit::certificates::{Authority, Identity};

use super::PATIENCE;

fn options(identity: &Identity) -> TlsOptions {
    TlsOptions {
        certificate_file: Some(identity.certificate_file.clone()),
        key_file: Some(identity.key_file.clone()),
        sessions_max: 16,
        ..TlsOptions::default()
    }
}

/// A driver on a thread of its own that sends back what it receives, and closes after a `q`.
struct Echo {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    wake: Wake,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    fn start(acceptor: TlsAcceptor) -> Echo {
        let mut driver = Driver::new().unwrap();
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = driver.listen_tls(any, &TcpOptions::default(), acceptor).unwrap();
        let address = driver.local_address(listener).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let (wake, ends) = (driver.wake_handle(), Arc::clone(&is_over));
        let thread = thread::spawn(move || {
            let mut events = Vec::new();
            while !ends.load(Ordering::Acquire) {
                driver.wait(Some(PATIENCE), &mut events).unwrap();
                for event in events.drain(..) {
                    let Event::Received { token, .. } = event else { continue };
                    let input = driver.take_input(token);
                    let output = driver.output(token).unwrap();
                    output.buffer().extend_from_slice(&input);
                    output.release();
                    driver.put_input(token, Vec::new(), 0);
                    if input.last() == Some(&b'q') {
                        driver.close_after_flush(token);
                    }
                }
                driver.flush();
            }
        });
        Echo { address, is_over, wake, thread: Some(thread) }
    }

    fn client(&self, config: ClientConfig) -> StreamOwned<ClientConnection, TcpStream> {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), socket)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        self.wake.wake().unwrap();
        self.thread.take().unwrap().join().unwrap();
    }
}

/// A client that trusts the authority, and shows a certificate if it has one.
fn config(authority: &Authority, identity: Option<&Identity>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = CertificateDer::pem_file_iter(&identity.certificate_file).unwrap();
            let key = PrivateKeyDer::from_pem_file(&identity.key_file).unwrap();
            builder.with_client_auth_cert(chain.map(Result::unwrap).collect(), key).unwrap()
        }
    }
}

fn acceptor(dir: &Path, name: &str) -> (Authority, TlsAcceptor) {
    let authority = Authority::new(name);
    let identity = authority.issue(dir, name);
    let acceptor = TlsAcceptor::load(&options(&identity)).unwrap();
    (authority, acceptor)
}

#[test]
fn bytes_go_both_ways_and_the_end_is_announced() {
    let dir = tempfile::tempdir().unwrap();
    let (authority, acceptor) = acceptor(dir.path(), "one");
    let echo = Echo::start(acceptor);
    let mut client = echo.client(config(&authority, None));
    client.write_all(b"ping").unwrap();
    let mut heard = [0; 4];
    client.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"ping");
    client.write_all(b"pong q").unwrap();
    let mut rest = Vec::new();
    // Without a goodbye this would be an error: the stream could have been cut by anybody.
    client.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"pong q");
}

#[test]
fn more_than_any_buffer_goes_through() {
    let dir = tempfile::tempdir().unwrap();
    let (authority, acceptor) = acceptor(dir.path(), "one");
    let echo = Echo::start(acceptor);
    let mut client = echo.client(config(&authority, None));
    let block: Vec<u8> = (0..1 << 20).map(|n: u32| (n % 251) as u8).collect();
    let mut heard = vec![0; block.len()];
    for _ in 0..8 {
        // Halves, so that neither side waits for the other with full sockets.
        for half in block.chunks(1 << 16) {
            client.write_all(half).unwrap();
            client.read_exact(&mut heard[..half.len()]).unwrap();
            assert!(heard[..half.len()] == *half, "bytes differ");
        }
    }
}

#[test]
fn clients_show_certificates_where_they_must() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("one");
    let stranger = Authority::new("two").issue(dir.path(), "stranger");
    let (server, friend) =
        (authority.issue(dir.path(), "server"), authority.issue(dir.path(), "friend"));
    let mut options = options(&server);
    options.client_certificates = ClientCertificates::Required;
    assert!(matches!(TlsAcceptor::load(&options), Err(TlsError::NoAuthorities)));
    options.ca_file = Some(authority.write(dir.path(), "one"));
    let echo = Echo::start(TlsAcceptor::load(&options).unwrap());
    let answers = |identity: Option<&Identity>| {
        let mut client = echo.client(config(&authority, identity));
        let mut heard = [0; 1];
        client.write_all(b"x").and_then(|()| client.read_exact(&mut heard)).is_ok()
    };
    assert!(answers(Some(&friend)));
    assert!(!answers(None));
    assert!(!answers(Some(&stranger)));
}

#[test]
fn who_speaks_no_tls_is_sent_away() {
    let dir = tempfile::tempdir().unwrap();
    let (_, acceptor) = acceptor(dir.path(), "one");
    let echo = Echo::start(acceptor);
    let mut socket = TcpStream::connect(echo.address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(b"*1\r\n$4\r\nPING\r\n").unwrap();
    let mut heard = Vec::new();
    match socket.read_to_end(&mut heard) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    assert!(heard.is_empty(), "an alert is no reply: {heard:?}");
}

#[test]
fn files_that_do_not_fit_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("one");
    let (one, two) = (authority.issue(dir.path(), "one"), authority.issue(dir.path(), "two"));
    let load = |change: &dyn Fn(&mut TlsOptions)| {
        let mut options = options(&one);
        change(&mut options);
        TlsAcceptor::load(&options).map(drop)
    };
    assert!(load(&|_| {}).is_ok());
    assert!(matches!(load(&|o| o.key_file = None), Err(TlsError::Missing("private key"))));
    assert!(matches!(
        load(&|o| o.key_file = Some(two.key_file.clone())),
        Err(TlsError::Unfit(rustls::Error::InconsistentKeys(_)))
    ));
    let key = one.key_file.clone();
    assert!(matches!(
        load(&|o| o.certificate_file = Some(key.clone())),
        Err(TlsError::NoCertificate(_))
    ));
    let absent = dir.path().join("absent");
    assert!(matches!(
        load(&|o| o.certificate_file = Some(absent.clone())),
        Err(TlsError::Read { .. })
    ));
    assert!(load(&|o| o.ciphersuites = "TLS_AES_256_GCM_SHA384".to_owned()).is_ok());
    assert!(matches!(
        load(&|o| o.ciphersuites = "TLS_NULL".to_owned()),
        Err(TlsError::UnknownCipher(_))
    ));
}
