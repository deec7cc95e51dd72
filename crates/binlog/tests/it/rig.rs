//! Builds logs whose payloads tell what they must be: record `n` carries the text `op-n` and padding.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::{ClusterId, Epoch, Incarnation, NodeId, OpId, ShardId, UnixMs};
use binlog::{Appender, Cursor, Directory, Options, Owner, Step, SyncPolicy};
use wire::record::{Flags, Record};

/// Long enough for any machine; nothing waits this long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn owner() -> Owner {
    Owner {
        cluster: ClusterId(0xc1),
        shard: ShardId(0),
        node: NodeId(1),
        incarnation: Incarnation(1),
    }
}

pub(crate) fn options(segment_bytes: u64, policy: SyncPolicy) -> Options {
    Options { segment_bytes, policy, tail_bytes_max: 1000, ..Options::default() }
}

pub(crate) fn open(path: &Path) -> Directory {
    Directory::open(path, owner()).unwrap()
}

/// A master's log in `path` that rotates every `segment_bytes`.
pub(crate) fn master(path: &Path, segment_bytes: u64, policy: SyncPolicy, epoch: u64) -> Appender {
    let mut appender = open(path).start(options(segment_bytes, policy)).unwrap();
    appender.begin_reign(Epoch(epoch)).unwrap();
    appender
}

pub(crate) fn opid(value: u64) -> OpId {
    OpId::new(value).unwrap()
}

/// Appends one committed group of `count` records with `padding` bytes each.
pub(crate) fn group(appender: &mut Appender, count: u64, padding: usize) {
    appender.begin_group();
    for _ in 0..count {
        let n = appender.position().opid + 1;
        appender.append(Flags::NONE, 0, UnixMs(n), |out| {
            out.extend_from_slice(&payload(n, padding));
        });
    }
    appender.end_group();
    appender.commit();
}

pub(crate) fn payload(n: u64, padding: usize) -> Vec<u8> {
    let mut bytes = format!("op-{n} ").into_bytes();
    bytes.resize(bytes.len() + padding, b'.');
    bytes
}

/// Checks that `bytes` are whole records from `first` on with the payloads of [`group`], and ends with a
/// group; returns the last OpID.
pub(crate) fn check_records(mut bytes: &[u8], first: u64) -> u64 {
    let mut n = first;
    let mut more = true;
    while !bytes.is_empty() {
        let (record, length) = Record::decode(bytes).unwrap();
        assert_eq!(record.head.opid.get(), n);
        assert!(record.payload.starts_with(format!("op-{n} ").as_bytes()), "payload of {n}");
        more = record.head.flags.contains(Flags::MORE);
        n += 1;
        bytes = &bytes[length..];
    }
    assert!(!more, "the records end inside a group");
    n - 1
}

/// Follows `cursor` until it has seen `last`.
pub(crate) fn follow(cursor: &mut Cursor, last: u64) {
    while cursor.position().get() <= last {
        let first = cursor.position().get();
        match cursor.next(PATIENCE).unwrap() {
            Step::Records(records) => {
                assert_eq!(records.first().get(), first);
                assert_eq!(check_records(records.bytes(), first), records.last().get());
            }
            step => panic!("{step:?} at {first}"),
        }
    }
}

/// Reads a stopped log from `first` to its end and returns its last OpID.
pub(crate) fn check_directory(directory: &Directory, first: u64) -> u64 {
    let mut reader = directory.reader(opid(first));
    let mut last = first - 1;
    while let Some(batch) = reader.next(1000).unwrap() {
        last = check_records(batch.bytes(), last + 1);
    }
    last
}

/// Copies the files of a log as a crash would leave them.
pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A waker and the receiver that hears it.
pub(crate) fn waker() -> (binlog::Waker, crossbeam_channel::Receiver<()>) {
    let (sender, receiver) = crossbeam_channel::unbounded();
    let waker = Arc::new(move || {
        // The receiver may be gone at the end of a test.
        let _gone = sender.send(());
    });
    (waker, receiver)
}
