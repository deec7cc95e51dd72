use base::{ClusterId, Incarnation, NodeId, ShardId, UnixMs};
use wire::record::Flags;

use super::*;
use crate::log::{Options, SyncPolicy};
use crate::manifest::Owner;

const OPS: u64 = 30;

fn at(epoch: u64, opid: u64) -> Position {
    Position { epoch: Epoch(epoch), opid }
}

fn open(path: &Path) -> Directory {
    let owner = Owner {
        cluster: ClusterId(1),
        shard: ShardId(0),
        node: NodeId(1),
        incarnation: Incarnation(1),
    };
    Directory::open(path, owner).unwrap()
}

/// Writes up to op `end` in `epoch`, in segments of a few records.
fn write(directory: Directory, epoch: u64, end: u64) -> Directory {
    let options = Options { segment_bytes: 500, policy: SyncPolicy::Never, ..Options::default() };
    let mut appender = directory.start(options).unwrap();
    appender.begin_reign(Epoch(epoch)).unwrap();
    while appender.position().opid < end {
        appender.append(Flags::NONE, 0, UnixMs(1), |out| out.extend_from_slice(&[b'x'; 40]));
        appender.commit();
    }
    appender.stop().unwrap()
}

/// A log of two reigns and a checkpoint in each, so that a cut after op 10 takes several segments, the
/// second reign and its checkpoint away.
fn sample(path: &Path) -> Directory {
    let mut directory = open(path);
    for (epoch, end) in [(1, OPS / 2), (2, OPS)] {
        directory = write(directory, epoch, end);
        let appender = directory.start(Options::default()).unwrap();
        let image = path.join("image.tmp");
        std::fs::write(&image, b"ours").unwrap();
        appender.log().install_checkpoint(&image, appender.position()).unwrap();
        directory = appender.stop().unwrap();
    }
    directory
}

/// What a log holds: where it ends, its history, the positions of its checkpoints, and the ops set aside.
fn held(directory: &Directory) -> (Position, String, Vec<u64>, u64) {
    if let Some(oldest) = directory.oldest() {
        let mut reader = directory.reader(oldest);
        let mut newest = 0;
        while let Some(batch) = reader.next(1).unwrap() {
            newest = batch.last().get();
        }
        assert_eq!(newest, directory.position().opid);
    }
    let checkpoints = directory.checkpoints().iter().map(|c| c.position.opid).collect();
    let history = directory.history().to_string();
    (directory.position(), history, checkpoints, directory.discards().total)
}

fn files(path: &Path, suffix: &str) -> usize {
    let names = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().ends_with(suffix)).count()
}

#[test]
fn a_crash_between_any_two_steps_of_a_cut_leaves_the_old_log_or_the_new_one() {
    for steps in 0..=3 {
        let dir = tempfile::tempdir().unwrap();
        let mut directory = sample(dir.path());
        let before = held(&directory);
        assert_eq!(before, (at(2, OPS), "1:1,2:16".to_owned(), vec![15, OPS], 0));
        let discarded =
            if steps > 0 { directory.set_aside(10).unwrap() } else { Discarded::default() };
        if steps > 1 {
            directory.commit_cut(10, &discarded).unwrap();
        }
        if steps > 2 {
            directory.finish_cut().unwrap();
        }
        drop(directory);

        let mut directory = open(dir.path());
        let after = (at(1, 10), "1:1".to_owned(), vec![], 20);
        assert_eq!(held(&directory), if steps > 1 { after.clone() } else { before }, "{steps}");
        // What is asked again comes to the same, and is counted once.
        directory.truncate_after(10).unwrap();
        assert_eq!(held(&directory), after, "{steps}");
        // What is written behind a cut stays.
        drop(write(directory, 3, 40));
        let directory = open(dir.path());
        assert_eq!(held(&directory), (at(3, 40), "1:1,3:11".to_owned(), vec![], 20), "{steps}");
        assert_eq!(files(dir.path(), ".rdb"), 0, "{steps}");
    }
}

#[test]
fn a_crash_between_any_two_steps_of_a_start_over_leaves_the_old_log_or_the_new_one() {
    // The image of the master may stand where one of ours does.
    for (steps, position) in (0..=4).flat_map(|steps| [(steps, at(1, 15)), (steps, at(4, 100))]) {
        let dir = tempfile::tempdir().unwrap();
        let mut directory = sample(dir.path());
        let before = held(&directory);
        let history: History = "1:1,4:100".parse().unwrap();
        let image = dir.path().join("incoming-0.tmp");
        std::fs::write(&image, b"the master's").unwrap();
        let discarded =
            if steps > 0 { directory.set_aside(10).unwrap() } else { Discarded::default() };
        if steps > 1 {
            let checkpoint = directory.name_image(&image, position).unwrap();
            if steps > 2 {
                directory.commit_start(checkpoint, history.clone(), &discarded).unwrap();
            }
        }
        if steps > 3 {
            directory.remove_replaced().unwrap();
        }
        drop(directory);

        let mut directory = open(dir.path());
        let reigns = if position.epoch == Epoch(1) { "1:1" } else { "1:1,4:100" };
        let after = (position, reigns.to_owned(), vec![position.opid], 20);
        let case = format!("{steps} steps to {position}");
        if steps > 2 {
            assert_eq!(held(&directory), after, "{case}");
        } else {
            assert_eq!(held(&directory), before, "{case}");
            assert_eq!(files(dir.path(), ".rdb"), 2, "{case}");
            std::fs::write(&image, b"the master's").unwrap();
            directory.start_over(&image, position, history, 10).unwrap();
            assert_eq!(held(&directory), after, "{case}");
        }
        assert_eq!((files(dir.path(), ".rdb"), directory.oldest()), (1, None), "{case}");
        drop(write(directory, 5, position.opid + 20));
        let directory = open(dir.path());
        assert_eq!(directory.position(), at(5, position.opid + 20), "{case}");
    }
}
