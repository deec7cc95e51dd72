//! A node in this thread, to which commands are spoken over a socket: turn by turn, so that nothing runs beside it.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::{env, fs, process, thread};

use kernel::alone::import;
use kernel::config::file::Directive;
use kernel::keyspace::Keyspace;
use kernel::limits::Limits;
use kernel::node::Node;
use kernel::turn::Executor;
use net::{Driver, TcpOptions};
use store::{DATABASES_DEFAULT, Graveyard, Rng, Store};
use wire::resp::response::{self, Response, ResponseLimits};

const SEED: u64 = 20_260_501;
/// Turns after which a command that has not answered counts as hung.
const TURNS_MAX: usize = 1_000_000;

thread_local! {
    static RIG: RefCell<Option<Rig>> = const { RefCell::new(None) };
}

/// Runs `test` with the node of this thread, which is empty then.
pub(crate) fn with(test: impl FnOnce(&mut Rig)) {
    RIG.with_borrow_mut(|rig| {
        let rig = rig.get_or_insert_with(Rig::start);
        rig.call(&[b"FLUSHALL"]);
        test(rig);
    });
}

pub(crate) struct Rig {
    executor: Executor,
    /// `dir` of its configuration; there only while files are imported.
    dir: PathBuf,
    socket: TcpStream,
    heard: Vec<u8>,
}

impl Rig {
    fn start() -> Rig {
        let mut driver = Driver::new().expect("a poll can be made");
        let any = "127.0.0.1:0".parse().expect("an address");
        let listener = driver.listen(any, &TcpOptions::default()).expect("a port is free");
        let address = driver.local_address(listener).expect("the listener has one");
        let store = Store::new(DATABASES_DEFAULT, Graveyard::immediate(), Rng::new(SEED));
        let mut node = Node::new(driver, Limits::default());
        let mut keys = Keyspace::new(store, Rng::new(SEED));
        let directive = |name: &str, value: &str| Directive {
            name: name.to_owned(),
            words: vec![value.to_owned()],
        };
        // Values stay small, so that an input takes no gigabytes.
        let dir = format!("pollux-fuzz-{}-{:?}", process::id(), thread::current().id());
        let dir = env::temp_dir().join(dir);
        let directives = [
            directive("proto-max-bulk-len", "1048576"),
            directive("enable-debug-command", "yes"),
            directive(
                "dir",
                dir.to_str().expect("the folder for temporary files has a plain name"),
            ),
        ];
        node.config.load(&directives).expect("the settings are right");
        node.configure(&mut keys);
        let socket = TcpStream::connect(address).expect("the listener takes clients");
        socket.set_nonblocking(true).expect("a socket can be told so");
        socket.set_nodelay(true).expect("a socket can be told so");
        Rig { executor: Executor::new(node, keys), dir, socket, heard: Vec::new() }
    }

    /// Says a command and waits for its answer.
    pub(crate) fn call(&mut self, words: &[&[u8]]) -> Response {
        let mut request = Vec::new();
        response::encode_command(&mut request, words);
        self.send(&request);
        self.hear()
    }

    /// Imports what `write` leaves in a folder as files of Redis. `false`: they were refused, and a part may be loaded.
    pub(crate) fn import(&mut self, write: impl FnOnce(&Path) -> io::Result<()>) -> bool {
        fs::create_dir_all(&self.dir).expect("a folder can be made");
        write(&self.dir).expect("files can be written");
        let loaded = match import::find(&self.executor.node.config) {
            Ok(Some(found)) => import::load(&mut self.executor, &found, &|_| false).is_ok(),
            Ok(None) | Err(_) => false,
        };
        fs::remove_dir_all(&self.dir).expect("the folder can be removed");
        loaded
    }

    /// Sends bytes, which may be any.
    fn send(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.socket.write(bytes) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
            }
            self.turn();
        }
    }

    fn turn(&mut self) {
        self.executor.turn_at_once().expect("a turn meets no error of the system");
    }

    fn hear(&mut self) -> Response {
        let limits = ResponseLimits::default();
        let mut chunk = vec![0; 1 << 16];
        for _ in 0..TURNS_MAX {
            let decoded = response::decode(&self.heard, &limits).expect("a node speaks RESP");
            if let Some((response, length)) = decoded {
                self.heard.drain(..length);
                return response;
            }
            self.turn();
            match self.socket.read(&mut chunk) {
                Ok(0) => panic!("the node has closed the connection"),
                Ok(count) => self.heard.extend_from_slice(&chunk[..count]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
            }
        }
        panic!("a command has not answered");
    }
}
