use std::fs;
use std::os::unix::fs::FileExt as _;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use redb::backends::InMemoryBackend;
use redb::{Database, StorageBackend};
use tempfile::TempDir;

use super::*;

struct Fresh;

impl StoreBuilder<TypeConfig, log::Store, machine::Machine, TempDir> for Fresh {
    async fn build(
        &self,
    ) -> Result<(TempDir, log::Store, machine::Machine), StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().expect("tempdir");
        let store = log::Store::open(&dir.path().join("raft.redb"), "a test").expect("store");
        let machine = machine::Machine::open(store.clone()).expect("machine");
        Ok((dir, store, machine))
    }
}

#[tokio::test]
async fn the_store_passes_the_conformance_suite() {
    Suite::test_all(Fresh).await.expect("conformance");
}

/// A disk that can be told to fail.
#[derive(Debug)]
struct Disk {
    memory: InMemoryBackend,
    is_broken: Arc<AtomicBool>,
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.memory.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.memory.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.memory.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.is_broken.load(Ordering::SeqCst) {
            true => Err(io::Error::other("the disk is broken")),
            false => self.memory.sync_data(),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.memory.write(offset, data)
    }
}

/// What the log holds.
fn text(store: &log::Store) -> String {
    format!("{:?}", store.entries(..).expect("a log that was opened can be read"))
}

fn join(host: &str) -> Command {
    Command::JoinHost { host: host.to_owned() }
}

#[tokio::test]
async fn a_failed_sync_confirms_nothing_and_ends_the_server() {
    let is_broken = Arc::new(AtomicBool::new(false));
    let disk = Disk { memory: InMemoryBackend::new(), is_broken: Arc::clone(&is_broken) };
    let db = Database::builder().create_with_backend(disk).expect("database");
    let store = log::Store::adopt(db, "a test").expect("store");
    let machine = machine::Machine::open(store.clone()).expect("machine");
    let members = BTreeMap::from([(1, "127.0.0.1:1".to_owned())]);
    let consensus =
        Consensus::start((store, machine), 1, &members, ClusterId(1), "s").await.expect("start");
    while !consensus.leads_with_newest_state().await {
        tokio::task::yield_now().await;
    }
    consensus.propose(join("a")).await.expect("a good disk");
    is_broken.store(true, Ordering::SeqCst);
    let error = consensus.propose(join("b")).await.expect_err("a broken disk");
    assert!(matches!(error, ProposeError::Unknown(_)), "{error}");
    let why = consensus.failed().await;
    assert!(why.contains("the disk is broken"), "{why}");
    assert!(!consensus.state().hosts.contains("b"));
}

#[tokio::test]
async fn a_damaged_file_is_refused_or_read_right() {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("raft.redb");
    let members = BTreeMap::from([(1, "127.0.0.1:1".to_owned())]);
    let open = || Consensus::open(&path, 1, &members, ClusterId(1), "s");
    let consensus = open().await.expect("fresh");
    while !consensus.leads_with_newest_state().await {
        tokio::task::yield_now().await;
    }
    for host in 0..20 {
        consensus.propose(join(&format!("host-{host}"))).await.expect("commit");
    }
    consensus.shutdown().await;
    let owner = "server 1 of cluster 00000000000000000000000000000001";
    let right = text(&log::Store::open(&path, owner).expect("nobody else has it open"));
    let good = fs::read(&path).expect("read");
    let copy = dir.path().join("copy.redb");
    // Pages that hold something: a damaged free page is no damage.
    let places = good.iter().enumerate().filter(|(_, byte)| **byte != 0).map(|(at, _)| at);
    let places: Vec<usize> = places.step_by(97).collect();
    assert!(places.len() > 50, "{}", places.len());
    let mut refused = 0;
    for at in places {
        fs::write(&copy, &good).expect("write");
        let file = fs::File::options().write(true).open(&copy).expect("open");
        file.write_all_at(&[good[at] ^ 0xff], at as u64).expect("write");
        // A panic of redb is a refusal as well, if an ugly one.
        let opened = panic::catch_unwind(|| log::Store::open(&copy, owner));
        match opened {
            Ok(Ok(store)) => assert_eq!(text(&store), right, "byte {at}"),
            Ok(Err(_)) | Err(_) => refused += 1,
        }
    }
    assert!(refused > 0);
}
