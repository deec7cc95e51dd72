//! Crashes and rot: whatever happens to the files, nothing durable is lost silently and no group is split.

use base::Position;
use binlog::{Directory, OpenError, SyncPolicy};
use proptest::prelude::*;

use crate::rig::{check_directory, copy, follow, group, master, open, opid, owner};

/// The newest segment of a log.
fn newest_segment(path: &std::path::Path) -> std::path::PathBuf {
    let names = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    names
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.ends_with(".binlog") && !name.starts_with("discarded")
        })
        .max()
        .unwrap()
}

#[test]
fn a_copy_of_a_running_log_recovers() {
    let (live, dead) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut appender = master(live.path(), 5000, SyncPolicy::Always, 1);
    for _ in 0..200 {
        group(&mut appender, 3, 30);
    }
    let durable = appender.durable();
    copy(live.path(), dead.path());
    let directory = open(dead.path());
    let end = directory.position().opid;
    assert!(durable <= end && end.is_multiple_of(3), "{durable} {end}");
    assert_eq!(check_directory(&directory, 1), end);
    // It goes on from there, in a new epoch.
    drop(directory);
    let mut appender = master(dead.path(), 5000, SyncPolicy::Never, 2);
    group(&mut appender, 5, 10);
    let directory = appender.stop().unwrap();
    assert_eq!(check_directory(&directory, 1), end + 5);
}

#[test]
fn rot_in_front_of_a_mark_is_refused_with_its_place() {
    let (live, dead) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut appender = master(live.path(), 1 << 20, SyncPolicy::Always, 1);
    group(&mut appender, 3, 30);
    let log = appender.log();
    assert!(log.wait_durable(3));
    group(&mut appender, 3, 30);
    follow(&mut log.cursor(opid(4)), 6);
    assert!(log.wait_durable(6));
    copy(live.path(), dead.path());
    let segment = newest_segment(dead.path());
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[64 + 20] ^= 4;
    std::fs::write(&segment, &bytes).unwrap();
    match Directory::open(dead.path(), owner()).unwrap_err() {
        OpenError::Corrupt { file, offset, why } => {
            assert_eq!((file, offset), (segment, 64));
            assert!(why.contains("checksum"), "{why}");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_lost_tail_is_refused_when_it_was_durable() {
    let dir = tempfile::tempdir().unwrap();
    let mut appender = master(dir.path(), 1 << 20, SyncPolicy::Never, 1);
    group(&mut appender, 1, 30);
    group(&mut appender, 1, 30);
    drop(appender.stop().unwrap());
    let segment = newest_segment(dir.path());
    let bytes = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, &bytes[..bytes.len() - 5]).unwrap();
    let refused = Directory::open(dir.path(), owner()).unwrap_err();
    assert!(matches!(refused, OpenError::Corrupt { .. }), "{refused}");
}

#[test]
fn a_missing_segment_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut appender = master(dir.path(), 500, SyncPolicy::Never, 1);
    for _ in 0..30 {
        group(&mut appender, 1, 100);
    }
    drop(appender.stop().unwrap());
    let mut names: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|name| name.extension().is_some_and(|extension| extension == "binlog"));
    names.sort();
    let check = |name: &std::path::Path| {
        let aside = name.with_extension("aside");
        std::fs::rename(name, &aside).unwrap();
        let refused = Directory::open(dir.path(), owner()).unwrap_err();
        let refused_well = matches!(refused, OpenError::Corrupt { .. } | OpenError::Gap { .. });
        assert!(refused_well, "{}: {refused}", name.display());
        std::fs::rename(&aside, name).unwrap();
    };
    check(&names[0]);
    check(&names[1]);
    check(names.last().unwrap());
    assert_eq!(open(dir.path()).position().opid, 30);
}

/// What a power cut may do to bytes behind the last fsync.
#[derive(Clone, Debug)]
enum Tear {
    Cut,
    Zeros,
    Garbage(u8),
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Behind the durable bytes everything may be torn; the log always starts, with all that was durable.
    #[test]
    fn any_torn_tail_is_cut_at_a_group(
        groups in prop::collection::vec((1u64..6, 0usize..300), 1..30),
        torn in prop::collection::vec((1u64..6, 0usize..300), 1..6),
        at in 0.0f64..1.0,
        tear in prop_oneof![
            Just(Tear::Cut),
            Just(Tear::Zeros),
            any::<u8>().prop_map(|byte| Tear::Garbage(byte | 1)),
        ],
    ) {
        let (live, dead) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut appender = master(live.path(), 3000, SyncPolicy::Never, 1);
        for &(count, padding) in &groups {
            group(&mut appender, count, padding);
        }
        let durable = appender.position().opid;
        prop_assert!(appender.log().wait_durable(durable));
        let segment = newest_segment(live.path());
        let synced = std::fs::metadata(&segment).unwrap().len();
        for &(count, padding) in &torn {
            group(&mut appender, count, padding);
        }
        let last = appender.position().opid;
        follow(&mut appender.log().cursor(opid(durable + 1)), last);
        // Files are copied one by one: while they grow, the copy would be of no instant.
        while appender.written() < last {
            std::thread::yield_now();
        }
        copy(live.path(), dead.path());

        // The tear only counts when the segment is still the newest one.
        let newest = newest_segment(dead.path());
        if newest.file_name() == segment.file_name() {
            let mut bytes = std::fs::read(&newest).unwrap();
            let behind = (bytes.len() as u64 - synced) as f64;
            let from = (synced as f64 + at * behind) as usize;
            match tear {
                Tear::Cut => bytes.truncate(from),
                Tear::Zeros => bytes[from..].fill(0),
                Tear::Garbage(mask) => bytes[from..].iter_mut().for_each(|byte| *byte ^= mask),
            }
            std::fs::write(&newest, &bytes).unwrap();
        }
        let directory = open(dead.path());
        let Position { opid: end, .. } = directory.position();
        prop_assert!(durable <= end && end <= last);
        prop_assert_eq!(check_directory(&directory, 1), end);
        drop(directory);
        prop_assert!(open(dead.path()).torn().is_none());
    }

    /// One flipped bit anywhere in a cleanly stopped log: refused when the log is opened or read, with
    /// the file's name, or the log reads as it was. Never fewer or other records.
    #[test]
    fn rot_never_goes_unseen(
        groups in prop::collection::vec((1u64..4, 0usize..200), 1..15),
        pick in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut appender = master(dir.path(), 1000, SyncPolicy::Never, 1);
        for &(count, padding) in &groups {
            group(&mut appender, count, padding);
        }
        let directory = appender.stop().unwrap();
        let last = directory.position().opid;
        drop(directory);
        let mut files: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "binlog"))
            .collect();
        files.sort();
        let file = pick.get(&files);
        let mut bytes = std::fs::read(file).unwrap();
        let at = place.index(bytes.len());
        bytes[at] ^= 1 << bit;
        std::fs::write(file, &bytes).unwrap();
        match Directory::open(dir.path(), owner()) {
            Err(error) => prop_assert!(error.to_string().contains(".binlog"), "{}", error),
            Ok(directory) => {
                let mut reader = directory.reader(opid(1));
                let mut end = 0;
                loop {
                    match reader.next(1) {
                        Ok(Some(batch)) => end = crate::rig::check_records(batch.bytes(), end + 1),
                        Ok(None) => {
                            prop_assert_eq!(end, last);
                            break;
                        }
                        Err(error) => {
                            prop_assert!(error.to_string().contains(".binlog"), "{}", error);
                            break;
                        }
                    }
                }
            }
        }
    }
}
