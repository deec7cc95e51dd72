use std::fs;
use std::path::Path;

use base::{ClusterId, Epoch, Incarnation, NodeId, ShardId};
use binlog::{Options, Owner};
use store::{Graveyard, Rng, Store};
use wire::effect::Expiry;

use super::*;
use crate::limits::Limits;
use crate::node::{Node, SaveKind, Saving};
use crate::persist::checkpoint::Checkpointer;

const OWNER: Owner = Owner {
    cluster: ClusterId(1),
    shard: ShardId(0),
    node: NodeId(1),
    incarnation: Incarnation(1),
};

fn keyspace() -> Keyspace {
    Keyspace::new(Store::new(4, Graveyard::immediate(), Rng::new(1)), Rng::new(2))
}

fn set(keys: &mut Keyspace, key: &str, value: &str) {
    keys.apply(Effect::SetString {
        key: key.as_bytes(),
        value: value.as_bytes(),
        expiry: Expiry::Clear,
    });
}

/// Writes to the log of `path`, with a checkpoint after each part but the last.
fn write(path: &Path, parts: &[&[&str]]) {
    let mut log = Directory::open(path, OWNER).unwrap().start(Options::default()).unwrap();
    log.begin_reign(Epoch(1)).unwrap();
    let mut keys = keyspace();
    keys.attach_log(log);
    let mut node = Node::new(net::Driver::new().unwrap(), Limits::default());
    let mut checkpointer = Checkpointer::new(std::sync::Arc::clone(&node.desk));
    for (at, part) in parts.iter().enumerate() {
        for key in *part {
            set(&mut keys, key, &at.to_string());
        }
        keys.commit();
        if at + 1 < parts.len() {
            checkpointer.poll(&mut node, &mut keys);
            node.saving = Saving::Wanted(SaveKind::Snapshot);
            while node.facts.persistence.saves == at as u64 {
                checkpointer.poll(&mut node, &mut keys);
                std::thread::yield_now();
            }
        }
    }
    keys.detach_log().unwrap().stop().unwrap();
}

fn restore(path: &Path) -> Result<(Keyspace, RestoreProgress), RestoreError> {
    let directory = Directory::open(path, OWNER).unwrap();
    let mut keys = keyspace();
    let mut restore = Restore::begin(&directory)?;
    while !restore.is_done() {
        restore.step(&mut keys, Duration::from_millis(1))?;
    }
    Ok((keys, restore.progress()))
}

fn damage(path: &Path, checkpoint: usize) {
    let directory = Directory::open(path, OWNER).unwrap();
    let file = path.join(&directory.checkpoints()[checkpoint].file);
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(&file, bytes).unwrap();
}

fn value(keys: &Keyspace, key: &str) -> Option<String> {
    let entry = keys.store().db(0).get(key.as_bytes())?;
    match entry.value() {
        store::Value::String(string) => {
            let text = string.text(&mut itoa::Buffer::new()).to_vec();
            Some(String::from_utf8(text).unwrap())
        }
        other => panic!("{key} is {other:?}"),
    }
}

#[test]
fn the_newest_checkpoint_and_the_log_behind_it() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &[&["a", "b"], &["b", "c"], &["c", "d", "e"]]);
    let (keys, progress) = restore(directory.path()).unwrap();
    assert_eq!((progress.keys, progress.ops, progress.percent()), (3, 3, 100));
    let values = ["a", "b", "c", "d", "e"].map(|key| value(&keys, key).unwrap());
    assert_eq!(values, ["0", "1", "2", "2", "2"]);
}

#[test]
fn nothing_at_all_is_restored_to_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (keys, progress) = restore(directory.path()).unwrap();
    assert_eq!(keys.store().len(), 0);
    assert_eq!(progress.percent(), 100);
}

#[test]
fn damaged_checkpoints_are_replaced_by_log() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &[&["a", "b"], &["b", "c"], &["c", "d", "e"]]);
    damage(directory.path(), 1);
    let (keys, progress) = restore(directory.path()).unwrap();
    assert_eq!((keys.store().len(), progress.keys, progress.ops), (5, 2, 5));
    damage(directory.path(), 0);
    let (keys, progress) = restore(directory.path()).unwrap();
    assert_eq!((keys.store().len(), progress.keys, progress.ops), (5, 0, 7));
    assert_eq!(value(&keys, "c").as_deref(), Some("2"));
}

#[test]
fn a_damaged_checkpoint_without_its_log_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &[&["a"], &[]]);
    // The log as retention leaves it: gone up to the checkpoint.
    let first = directory.path().join("00000000000000000001.binlog");
    fs::remove_file(first).unwrap();
    let (keys, _) = restore(directory.path()).unwrap();
    assert_eq!(keys.store().len(), 1);
    damage(directory.path(), 0);
    let error = restore(directory.path()).unwrap_err();
    assert!(matches!(error, RestoreError::Checkpoint { .. }), "{error}");
}

#[test]
fn a_log_of_another_history_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut log =
        Directory::open(directory.path(), OWNER).unwrap().start(Options::default()).unwrap();
    log.begin_reign(Epoch(1)).unwrap();
    let effect = Effect::IncrBy { key: b"n", delta: 1 };
    log.append(wire::record::Flags::NONE, 0, base::UnixMs(1), |out| {
        Effect::SetString { key: b"n", value: b"text", expiry: Expiry::Clear }.encode(out);
    });
    log.append(wire::record::Flags::NONE, 0, base::UnixMs(1), |out| effect.encode(out));
    log.commit();
    log.stop().unwrap();
    let error = restore(directory.path()).unwrap_err();
    assert!(matches!(error, RestoreError::Apply { opid, .. } if opid.get() == 2), "{error}");
}
