//! A log's ordinary life: write, rotate, follow, stop, start, cut, start over, forget.

use base::{Epoch, Incarnation, Position};
use binlog::{
    Barrier, Directory, Discards, MANIFEST, OpenError, Options, Owner, RawBatch, RawError,
    ReadError, Retention, Step, SyncPolicy,
};

use crate::rig::{
    PATIENCE, check_directory, check_records, follow, group, master, open, opid, options, owner,
    waker,
};

#[test]
fn an_empty_log_says_that_it_is_fresh() {
    let dir = tempfile::tempdir().unwrap();
    let directory = open(dir.path());
    assert!(directory.is_fresh());
    assert_eq!(directory.position(), Position::default());
    assert_eq!(directory.oldest(), None);
    assert!(directory.can_rebuild(0));
    drop(directory);
    assert!(!open(dir.path()).is_fresh());
}

#[test]
fn what_was_stopped_comes_back_over_many_segments() {
    let dir = tempfile::tempdir().unwrap();
    let mut appender = master(dir.path(), 2000, SyncPolicy::Never, 3);
    for count in 1..=20 {
        group(&mut appender, count, 50);
    }
    let directory = appender.stop().unwrap();
    assert_eq!(directory.position(), Position { epoch: Epoch(3), opid: 210 });
    assert_eq!(check_directory(&directory, 1), 210);
    assert_eq!(check_directory(&directory, 77), 210);
    drop(directory);

    let directory = open(dir.path());
    assert_eq!(directory.torn(), None);
    assert_eq!(directory.history().to_string(), "3:1");
    let mut appender = directory.start(options(2000, SyncPolicy::Always)).unwrap();
    assert_eq!((appender.written(), appender.durable()), (210, 210));
    appender.begin_reign(Epoch(5)).unwrap();
    group(&mut appender, 2, 10);
    let directory = appender.stop().unwrap();
    assert_eq!(directory.position(), Position { epoch: Epoch(5), opid: 212 });
    assert_eq!(directory.history().to_string(), "3:1,5:211");
    assert_eq!(check_directory(&directory, 1), 212);
}

#[test]
fn a_cursor_goes_from_disk_to_memory_and_waits_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut appender = master(dir.path(), 3000, SyncPolicy::Never, 1);
    for _ in 0..100 {
        group(&mut appender, 3, 40);
    }
    let log = appender.log();
    let mut early = log.cursor(opid(1));
    let mut middle = log.cursor(opid(151));
    follow(&mut early, 300);
    follow(&mut middle, 300);
    let follower = std::thread::spawn(move || {
        follow(&mut early, 330);
        assert!(matches!(early.next(PATIENCE), Ok(Step::Closed)));
    });
    for _ in 0..10 {
        group(&mut appender, 3, 40);
    }
    appender.stop().unwrap();
    follower.join().unwrap();
}

#[test]
fn the_waker_comes_once_for_a_wanted_barrier() {
    let dir = tempfile::tempdir().unwrap();
    let (waker, woken) = waker();
    let options = Options { waker, ..options(1 << 20, SyncPolicy::Always) };
    let mut appender = open(dir.path()).start(options).unwrap();
    appender.begin_reign(Epoch(1)).unwrap();
    group(&mut appender, 1, 10);
    if !appender.wake_when(Barrier::Durable, 1) {
        woken.recv_timeout(PATIENCE).unwrap();
    }
    assert_eq!(appender.durable(), 1);
    assert!(appender.wake_when(Barrier::Written, 1));
    group(&mut appender, 1, 10);
    assert!(appender.log().wait_durable(2));
    assert!(woken.is_empty(), "nobody had asked for that one");
}

#[test]
fn the_policy_can_change_while_it_runs() {
    let dir = tempfile::tempdir().unwrap();
    let mut appender = master(dir.path(), 1 << 20, SyncPolicy::Never, 1);
    group(&mut appender, 1, 10);
    let (log, mut cursor) = (appender.log(), appender.log().cursor(opid(1)));
    follow(&mut cursor, 1);
    log.set_policy(SyncPolicy::Always);
    group(&mut appender, 1, 10);
    assert!(log.wait_durable(2));
    assert_eq!(log.policy(), SyncPolicy::Always);
}

#[test]
fn a_replica_stores_the_masters_bytes() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut appender = master(one.path(), 1 << 20, SyncPolicy::Never, 4);
    for count in 1..=5 {
        group(&mut appender, count, 20);
    }
    appender.begin_reign(Epoch(6)).unwrap();
    group(&mut appender, 2, 20);

    let mut replica = open(two.path()).start(options(500, SyncPolicy::Never)).unwrap();
    replica.follow();
    let mut cursor = appender.log().cursor(opid(1));
    while replica.position().opid < 17 {
        let Step::Records(records) = cursor.next(PATIENCE).unwrap() else { panic!("no records") };
        let batch = RawBatch::validate(records.bytes().to_vec(), replica.position()).unwrap();
        replica.append_raw(batch).unwrap();
    }
    let (master, replica) = (appender.stop().unwrap(), replica.stop().unwrap());
    assert_eq!(replica.position(), Position { epoch: Epoch(6), opid: 17 });
    assert_eq!(replica.history(), master.history());
    assert_eq!(check_directory(&replica, 1), 17);
    drop(replica);
    assert_eq!(open(two.path()).history().to_string(), "4:1,6:16");
}

/// A reign outlives its node's death even when nothing was written in it. The next master may be another node, whose
/// records of an older epoch take that place.
#[test]
fn a_noted_reign_gives_way_to_the_master_that_is_followed() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut theirs = master(one.path(), 1 << 20, SyncPolicy::Never, 3);
    let mut ours = open(two.path()).start(options(1 << 20, SyncPolicy::Never)).unwrap();
    let mut cursor = theirs.log().cursor(opid(1));
    let mut next = |after: Position| match cursor.next(PATIENCE).unwrap() {
        Step::Records(records) => RawBatch::validate(records.bytes().to_vec(), after).unwrap(),
        other => panic!("{other:?}"),
    };
    group(&mut theirs, 2, 10);
    ours.append_raw(next(ours.position())).unwrap();
    // The first time epoch 3 goes on, the second time epoch 4 has begun.
    for (noted, history) in [(5, "3:1"), (6, "3:1,4:5")] {
        ours.begin_reign(Epoch(noted)).unwrap();
        drop(ours.stop().unwrap());
        ours = open(two.path()).start(options(1 << 20, SyncPolicy::Never)).unwrap();
        let before = ours.position();
        if noted == 6 {
            theirs.begin_reign(Epoch(4)).unwrap();
        }
        group(&mut theirs, 2, 10);
        let batch = next(before);
        let again = RawBatch::validate(batch.bytes().to_vec(), before).unwrap();
        ours.append_raw(batch).unwrap_err();
        assert_eq!(ours.position(), before, "nothing was added");
        ours.follow();
        ours.append_raw(again).unwrap();
        assert_eq!(ours.log().history().to_string(), history);
    }
    assert_eq!(ours.position(), theirs.position());
}

#[test]
fn received_records_are_checked_before_they_count() {
    let dir = tempfile::tempdir().unwrap();
    let mut appender = master(dir.path(), 1 << 20, SyncPolicy::Never, 4);
    group(&mut appender, 3, 20);
    let Step::Records(records) = appender.log().cursor(opid(1)).next(PATIENCE).unwrap() else {
        panic!("no records")
    };
    let bytes = records.bytes().to_vec();
    let third = bytes.len() / 3;
    let at = |epoch: u64, opid: u64| Position { epoch: Epoch(epoch), opid };
    let check = |bytes: &[u8], after: Position| RawBatch::validate(bytes.to_vec(), after);
    assert_eq!(check(&bytes, at(0, 0)).unwrap().end(), at(4, 3));
    assert!(matches!(check(&bytes, at(0, 1)), Err(RawError::OutOfOrder { .. })));
    assert!(matches!(check(&bytes, at(5, 0)), Err(RawError::OldEpoch { .. })));
    assert!(matches!(check(&bytes[..2 * third], at(0, 0)), Err(RawError::CutGroup)));
    assert!(matches!(check(&bytes[..third + 1], at(0, 0)), Err(RawError::Record { .. })));
    assert!(matches!(check(&[], at(0, 0)), Err(RawError::Empty)));
}

#[test]
fn a_divergent_tail_is_set_aside_before_it_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let mut appender = master(dir.path(), 700, SyncPolicy::Never, 3);
    for _ in 0..15 {
        group(&mut appender, 2, 50);
    }
    let mut directory = appender.stop().unwrap();
    let discarded = directory.truncate_after(10).unwrap();
    assert_eq!(discarded.count, 20);
    let file = discarded.file.unwrap();
    assert_eq!(file.file_name().unwrap(), "discarded-3.binlog");
    assert_eq!(check_records(&std::fs::read(file).unwrap()[64..], 11), 30);
    assert_eq!(check_directory(&directory, 1), 10);
    drop(directory);

    let mut directory = open(dir.path());
    assert_eq!(directory.position(), Position { epoch: Epoch(3), opid: 10 });
    assert_eq!(directory.truncate_after(10).unwrap().count, 0);
    assert_eq!(directory.discards(), Discards { total: 20, latest: 20 });
    let mut appender = directory.start(options(700, SyncPolicy::Never)).unwrap();
    appender.begin_reign(Epoch(4)).unwrap();
    for _ in 0..5 {
        group(&mut appender, 2, 50);
    }
    let mut directory = appender.stop().unwrap();
    assert_eq!(check_directory(&directory, 1), 20);
    directory.truncate_after(0).unwrap();
    assert_eq!((directory.oldest(), directory.history().to_string().as_str()), (None, "-"));
    drop(directory);
    assert_eq!(open(dir.path()).discards(), Discards { total: 40, latest: 20 });
}

#[test]
fn a_received_checkpoint_replaces_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut appender = master(dir.path(), 700, SyncPolicy::Never, 3);
    group(&mut appender, 30, 50);
    let mut directory = appender.stop().unwrap();
    let image = dir.path().join("incoming.tmp");
    std::fs::write(&image, b"image").unwrap();
    let position = Position { epoch: Epoch(5), opid: 1000 };
    let history = "2:1,5:900,6:1001".parse().unwrap();
    directory.start_over(&image, position, history, 30).unwrap();
    assert_eq!((directory.position(), directory.oldest()), (position, None));
    assert!(directory.can_rebuild(1000) && !directory.can_rebuild(999));
    drop(directory);

    let directory = open(dir.path());
    assert_eq!(directory.position(), position);
    assert_eq!(directory.history().to_string(), "2:1,5:900");
    let mut appender = directory.start(options(700, SyncPolicy::Never)).unwrap();
    appender.begin_reign(Epoch(7)).unwrap();
    group(&mut appender, 3, 10);
    let directory = appender.stop().unwrap();
    assert_eq!(check_directory(&directory, 1001), 1003);
}

#[test]
fn segments_of_an_older_generation_are_removed() {
    let (dir, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut appender = master(dir.path(), 700, SyncPolicy::Never, 3);
    group(&mut appender, 30, 50);
    let mut directory = appender.stop().unwrap();
    crate::rig::copy(dir.path(), crashed.path());
    let image = dir.path().join("incoming.tmp");
    std::fs::write(&image, b"image").unwrap();
    let position = Position { epoch: Epoch(5), opid: 10 };
    directory.start_over(&image, position, "5:1".parse().unwrap(), 30).unwrap();
    // The crash came behind the new manifest, before the old segments were gone.
    for file in [MANIFEST, directory.checkpoints()[0].file.as_str()] {
        std::fs::copy(dir.path().join(file), crashed.path().join(file)).unwrap();
    }
    let recovered = open(crashed.path());
    assert_eq!((recovered.position(), recovered.oldest()), (position, None));
}

#[test]
fn retention_spares_checkpoints_and_consumers() {
    let dir = tempfile::tempdir().unwrap();
    let retention = Retention { bytes_max: 1500, age_seconds_max: u64::MAX };
    let options = Options { retention, ..options(1000, SyncPolicy::Never) };
    let mut appender = open(dir.path()).start(options).unwrap();
    appender.begin_reign(Epoch(1)).unwrap();
    let log = appender.log();
    let consumer = log.register_consumer(0);
    let write = |appender: &mut binlog::Appender| {
        for _ in 0..100 {
            group(appender, 1, 100);
        }
        assert!(appender.log().wait_durable(appender.position().opid));
    };
    write(&mut appender);
    assert_eq!(log.oldest(), Some(opid(1)), "no checkpoint: the log is all there is");
    let image = dir.path().join("image.tmp");
    std::fs::write(&image, b"image").unwrap();
    let at = log.install_checkpoint(&image, appender.position()).unwrap();
    assert_eq!((at.position.opid, log.manifest().checkpoints.len()), (100, 1));
    write(&mut appender);
    assert_eq!(log.oldest(), Some(opid(1)), "a consumer still stands at the start");
    consumer.advance(50);
    write(&mut appender);
    assert!(log.oldest() > Some(opid(10)) && log.oldest() <= Some(opid(51)));
    drop(consumer);
    write(&mut appender);
    assert!(log.oldest() > Some(opid(80)) && log.oldest() <= Some(opid(101)));
    let gone = log.cursor(opid(1)).next(PATIENCE);
    assert!(matches!(gone, Err(ReadError::Gone { .. })), "{gone:?}");
    let mut cursor = log.cursor(opid(101));
    follow(&mut cursor, 400);
    let directory = appender.stop().unwrap();
    assert!(directory.can_rebuild(100) && !directory.can_rebuild(99));
}

#[test]
fn two_checkpoints_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut appender = master(dir.path(), 1000, SyncPolicy::Never, 1);
    let log = appender.log();
    for _ in 0..3 {
        group(&mut appender, 10, 10);
        let image = dir.path().join("image.tmp");
        std::fs::write(&image, b"image").unwrap();
        log.install_checkpoint(&image, appender.position()).unwrap();
    }
    let directory = appender.stop().unwrap();
    let kept: Vec<_> = directory.checkpoints().iter().map(|c| c.position.opid).collect();
    assert_eq!(kept, [20, 30]);
    assert!(!dir.path().join("checkpoint-00000000000000000010-1.rdb").exists());
}

#[test]
fn other_owners_and_other_processes_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let directory = open(dir.path());
    let pid = std::process::id().to_string();
    let second = Directory::open(dir.path(), owner()).unwrap_err();
    assert!(second.to_string().ends_with(&format!("is in use by process {pid}")), "{second}");
    drop(directory);
    let stranger = Owner { incarnation: Incarnation(2), ..owner() };
    let refused = Directory::open(dir.path(), stranger).unwrap_err();
    assert!(matches!(refused, OpenError::Identity { field: "incarnation", .. }), "{refused}");
}

#[test]
fn directories_that_are_not_ours_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("thesis.txt"), b"precious").unwrap();
    let refused = Directory::open(dir.path(), owner()).unwrap_err();
    assert!(matches!(refused, OpenError::Foreign { ref file, .. } if file == "thesis.txt"));

    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let manifest = dir.path().join(MANIFEST);
    let mut text = std::fs::read(&manifest).unwrap();
    text[30] ^= 1;
    std::fs::write(&manifest, text).unwrap();
    let refused = Directory::open(dir.path(), owner()).unwrap_err().to_string();
    assert!(refused.contains("MANIFEST: manifest is corrupt at byte"), "{refused}");
}
