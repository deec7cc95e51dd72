//! Disks that fail: a full one is waited for, a broken one ends the log, and nothing is claimed.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base::Epoch;
use binlog::{Appender, Disk, Health, OpenError, Options, RealDisk, SyncPolicy};

use crate::rig::{PATIENCE, check_directory, group, open, opid, options, waker};

/// The real disk with switches.
#[derive(Debug, Default)]
struct Faulty {
    full: AtomicBool,
    broken_sync: AtomicBool,
}

impl Disk for Faulty {
    fn write(&self, file: &File, parts: &[&[u8]], at: u64) -> io::Result<()> {
        if self.full.load(Ordering::SeqCst) {
            // Half of it arrives.
            let all = parts.concat();
            RealDisk.write(file, &[&all[..all.len() / 2]], at)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        RealDisk.write(file, parts, at)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        if self.broken_sync.load(Ordering::SeqCst) {
            return Err(io::Error::other("the platter is scratched"));
        }
        RealDisk.sync(file)
    }

    fn reserve(&self, file: &File, bytes: u64) -> io::Result<()> {
        RealDisk.reserve(file, bytes)
    }
}

fn start(path: &std::path::Path, disk: Arc<dyn Disk>, waker: binlog::Waker) -> Appender {
    let options =
        Options { disk, waker, unwritten_bytes_max: 1000, ..options(2000, SyncPolicy::Always) };
    let mut appender = open(path).start(options).unwrap();
    appender.begin_reign(Epoch(1)).unwrap();
    appender
}

#[test]
fn a_full_disk_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Faulty::default());
    let (waker, woken) = waker();
    let mut appender = start(dir.path(), Arc::clone(&disk) as Arc<dyn Disk>, waker);
    let log = appender.log();
    group(&mut appender, 3, 100);
    assert!(log.wait_durable(3));
    disk.full.store(true, Ordering::SeqCst);
    group(&mut appender, 3, 100);
    woken.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(log.health(), Health::Full { .. }));
    assert_eq!((log.is_sound(), appender.written()), (false, 3));
    for _ in 0..10 {
        group(&mut appender, 3, 100);
    }
    assert!(appender.backpressure());
    disk.full.store(false, Ordering::SeqCst);
    assert!(log.wait_durable(36));
    assert!(log.is_sound() && !appender.backpressure());
    let directory = appender.stop().unwrap();
    assert_eq!(check_directory(&directory, 1), 36);
}

#[test]
fn a_failed_fsync_ends_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Faulty::default());
    let (waker, woken) = waker();
    let mut appender = start(dir.path(), Arc::clone(&disk) as Arc<dyn Disk>, waker);
    let log = appender.log();
    group(&mut appender, 1, 100);
    assert!(log.wait_durable(1));
    disk.broken_sync.store(true, Ordering::SeqCst);
    group(&mut appender, 1, 100);
    woken.recv_timeout(PATIENCE).unwrap();
    disk.broken_sync.store(false, Ordering::SeqCst);
    group(&mut appender, 1, 100);
    assert!(!log.wait_durable(2), "it must not try again and pretend");
    assert!(matches!(log.health(), Health::Failed { ref why } if why.contains("scratched")));
    assert_eq!(appender.durable(), 1);
    // What is in memory can still be read: replicas may be saved by it.
    let mut cursor = log.cursor(opid(2));
    crate::rig::follow(&mut cursor, 3);
    let refused = appender.stop().unwrap_err();
    assert!(matches!(refused, OpenError::Unwritten { count: 2, .. }), "{refused}");
    assert!(open(dir.path()).position().opid >= 1);
}
