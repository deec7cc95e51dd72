//! Nodes of a shard in this process, and an agent's hand that orders them about.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use base::{ClusterId, Epoch, Incarnation, NodeId, ShardId};
use binlog::Owner;
use cluster::api::NodeState;
use kernel::config::Config;
use kernel::config::file::Directive;
use kernel::member::{Member, MemberError, NodeConf};
use kernel::replicate::handshake::{Hello, Identity, Peer};
use kernel::stopper::Stopper;
use testkit::client::Client;
use wire::resp::response::Response;

const CLUSTER: ClusterId = ClusterId(0xc1);
const SECRET: &[u8] = b"a secret";

/// Which node of the shard, and what is special about it.
pub(crate) fn conf(node: u32, parameters: &[(&str, &str)]) -> NodeConf {
    let owner = Owner {
        cluster: CLUSTER,
        shard: ShardId(0),
        node: NodeId(node),
        incarnation: Incarnation(1),
    };
    let mut config = Config::default();
    let lines: Vec<Directive> = parameters
        .iter()
        .map(|(name, value)| Directive {
            name: (*name).to_owned(),
            words: vec![(*value).to_owned()],
        })
        .collect();
    config.load(&lines).unwrap();
    NodeConf {
        identity: Identity { owner, secret: SECRET.to_vec() },
        hash_seed: 0,
        listen: "127.0.0.1:0".parse().unwrap(),
        config,
    }
}

/// A running node; ends, cleanly, when it is dropped.
pub(crate) struct Node {
    pub(crate) number: u32,
    pub(crate) address: SocketAddr,
    dir: PathBuf,
    stopper: Stopper,
    thread: Option<JoinHandle<Result<(), MemberError>>>,
}

impl Node {
    pub(crate) fn start(dir: &Path, number: u32) -> Node {
        Node::start_with(dir, number, &[])
    }

    pub(crate) fn start_with(dir: &Path, number: u32, parameters: &[(&str, &str)]) -> Node {
        let dir = dir.join(format!("node-{number}"));
        let member = Member::open(&dir, conf(number, parameters)).unwrap();
        let (address, stopper) = (member.address(), member.stopper());
        let thread = std::thread::spawn(move || member.run());
        Node { number, address, dir, stopper, thread: Some(thread) }
    }

    /// Ends it and starts it again.
    pub(crate) fn restart(mut self, parent: &Path) -> Node {
        self.end();
        Node::start(parent, self.number)
    }

    fn end(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(matches!(ended, Ok(Ok(()))) || std::thread::panicking(), "{ended:?}");
        }
    }

    /// Waits until it ends by itself, and returns why.
    pub(crate) fn wait_failed(&mut self) -> MemberError {
        let thread = self.thread.take().expect("it runs");
        thread.join().expect("the node panicked").expect_err("it ended as if all were well")
    }

    /// Ends it; its log directory.
    pub(crate) fn stop(mut self) -> PathBuf {
        self.end();
        self.dir.join("binlog")
    }

    /// Names of the files of the log directory that begin so.
    pub(crate) fn files(&self, prefix: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.join("binlog")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(prefix)).collect()
    }

    pub(crate) fn agent(&self) -> Agent {
        let mut link = Client::connect(&self.address.to_string()).unwrap();
        let words = hello(Peer::Agent).words();
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let answer = link.call(&words).unwrap();
        let node = answer.get("node").and_then(Response::as_bytes);
        assert_eq!(node, Some(format!("node-{}", self.number).as_bytes()), "{answer:?}");
        Agent { link }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.end();
    }
}

pub(crate) fn hello(from: Peer) -> Hello {
    Hello {
        cluster: CLUSTER,
        shard: ShardId(0),
        from,
        incarnation: Incarnation(1),
        epoch: Epoch(0),
        secret: SECRET.to_vec(),
    }
}

/// A free port of the loopback interface.
pub(crate) fn free_endpoint() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The connection of an agent.
pub(crate) struct Agent {
    link: Client,
}

impl Agent {
    /// Says `POLLUX ...`.
    pub(crate) fn say(&mut self, words: &str) -> Response {
        let words: Vec<&[u8]> =
            std::iter::once("POLLUX").chain(words.split(' ')).map(str::as_bytes).collect();
        self.link.call(&words).unwrap()
    }

    pub(crate) fn order(&mut self, words: &str) {
        let answer = self.say(words);
        assert!(matches!(&answer, Response::Simple(ok) if ok == "OK"), "{words}: {answer:?}");
    }

    pub(crate) fn refused(&mut self, words: &str) -> String {
        match self.say(words) {
            Response::Error(text) => text,
            other => panic!("{words}: {other:?}"),
        }
    }

    pub(crate) fn state(&mut self) -> NodeState {
        match self.say("STATE") {
            Response::Bulk(json) => serde_json::from_slice(&json).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Asks until the state is as wanted: each question is answered between two turns of the node.
    pub(crate) fn until(&mut self, is_wanted: impl Fn(&NodeState) -> bool) -> NodeState {
        let mut state = self.state();
        for _ in 0..2_000_000 {
            if is_wanted(&state) {
                return state;
            }
            std::thread::yield_now();
            state = self.state();
        }
        panic!("never as wanted: {state:#?}");
    }

    /// Makes it master of `epoch` with a lease of `ttl_ms`; returns when it serves.
    pub(crate) fn make_master(&mut self, epoch: u64, endpoint: SocketAddr, ttl_ms: u64) -> Client {
        self.order(&format!("ROLE MASTER {epoch} {endpoint}"));
        let state = self.state();
        self.order(&format!("LEASE {} {epoch} {ttl_ms}", state.nonce));
        self.until(|state| state.endpoint_bound);
        Client::connect(&endpoint.to_string()).unwrap()
    }

    pub(crate) fn make_replica(&mut self, epoch: u64, master: &Node) {
        self.order(&format!("ROLE REPLICA {epoch} node-{} {}", master.number, master.address));
    }

    /// Returns when it has everything up to `opid` and follows.
    pub(crate) fn until_at(&mut self, opid: u64) -> NodeState {
        self.until(|state| state.link.as_ref().is_some_and(|link| link.up) && state.opid == opid)
    }
}

/// One command of a client, its words in one text.
pub(crate) fn call(client: &mut Client, words: &str) -> Response {
    let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
    client.call(&words).unwrap()
}

pub(crate) fn text(response: &Response) -> String {
    match response {
        Response::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Response::Simple(text) | Response::Error(text) => text.clone(),
        other => format!("{other:?}"),
    }
}
