//! A relay between clients and a server that changes what it passes on, to see whether testers notice.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// What is changed: each occurrence of some bytes that comes in one piece.
#[derive(Clone, Copy)]
pub(crate) enum Tamper {
    Requests { from: &'static [u8], to: &'static [u8] },
    Replies { from: &'static [u8], to: &'static [u8] },
}

/// Stops to accept when it is dropped; its relays end with their connections.
pub(crate) struct Liar {
    address: String,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Liar {
    pub(crate) fn start(server: &str, tamper: Tamper) -> Liar {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let is_over = Arc::new(AtomicBool::new(false));
        let (is_told_over, server) = (Arc::clone(&is_over), server.to_owned());
        let thread = std::thread::spawn(move || {
            for client in listener.incoming() {
                if is_told_over.load(Ordering::Acquire) {
                    return;
                }
                let client = client.unwrap();
                let server = TcpStream::connect(&server).unwrap();
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let (requests, replies) = match tamper {
                    Tamper::Requests { from, to } => (Some((from, to)), None),
                    Tamper::Replies { from, to } => (None, Some((from, to))),
                };
                relay(client.try_clone().unwrap(), server.try_clone().unwrap(), requests);
                relay(server, client, replies);
            }
        });
        Liar { address, is_over, thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        // Ends the wait for a client.
        drop(TcpStream::connect(&self.address));
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            assert!(std::thread::panicking(), "the relay panicked");
        }
    }
}

/// Passes bytes on until either end is closed.
fn relay(
    mut source: TcpStream,
    mut target: TcpStream,
    change: Option<(&'static [u8], &'static [u8])>,
) {
    std::thread::spawn(move || {
        let mut chunk = vec![0; 64 << 10];
        while let Ok(length) = source.read(&mut chunk) {
            let bytes = &mut chunk[..length];
            if let Some((from, to)) = change {
                for at in 0..(length + 1).saturating_sub(from.len()) {
                    if bytes[at..].starts_with(from) {
                        bytes[at..at + to.len()].copy_from_slice(to);
                    }
                }
            }
            if length == 0 || target.write_all(bytes).is_err() {
                break;
            }
        }
        // One that is closed already is what is wanted.
        let _ = target.shutdown(Shutdown::Both);
    });
}
