//! A node in this process: its executor on a thread, an empty keyspace without a log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use kernel::access::Access;
use kernel::config::file::Directive;
use kernel::keyspace::Keyspace;
use kernel::limits::Limits;
use kernel::node::Node;
use kernel::turn::Executor;
use net::{Driver, TcpOptions, Wake};
use store::{DATABASES_DEFAULT, Graveyard, Rng, Store};
use testkit::client::Client;

/// Seed of everything random in the node.
const SEED: u64 = 20_260_501;

/// Ends its thread when it is dropped.
pub(crate) struct Server {
    address: String,
    is_over: Arc<AtomicBool>,
    wake: Wake,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start() -> Server {
        Server::start_with(&[])
    }

    /// With parameters of redis.conf.
    pub(crate) fn start_with(parameters: &[(&str, &str)]) -> Server {
        let mut driver = Driver::new().unwrap();
        let listener =
            driver.listen("127.0.0.1:0".parse().unwrap(), &TcpOptions::default()).unwrap();
        let address = driver.local_address(listener).unwrap().to_string();
        let store = Store::new(DATABASES_DEFAULT, Graveyard::immediate(), Rng::new(SEED));
        let mut node = Node::new(driver, Limits::default());
        let mut keys = Keyspace::new(store, Rng::new(SEED));
        let directive = |(name, value): &(&str, &str)| Directive {
            name: (*name).to_owned(),
            words: value.split(' ').map(str::to_owned).collect(),
        };
        let directives: Vec<Directive> = parameters.iter().map(directive).collect();
        node.config.load(&directives).unwrap();
        node.access = Access::of(node.config.settings());
        node.configure(&mut keys);
        let mut executor = Executor::new(node, keys);
        let wake = executor.wake_handle();
        let is_over = Arc::new(AtomicBool::new(false));
        let is_told_over = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            while !is_told_over.load(Ordering::Acquire) {
                executor.turn().unwrap();
            }
        });
        Server { address, is_over, wake, thread: Some(thread) }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(&self.address).unwrap()
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        let woken = self.wake.wake();
        let joined = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            woken.unwrap();
            assert!(joined.is_some_and(|result| result.is_ok()), "the executor panicked");
        }
    }
}
