//! The master is moved on purpose.

use testkit::oracle::{Oracle, judge};
use testkit::site::{Site, master, replica};

use super::POLLUX;

#[test]
fn a_switchover_under_load_loses_no_acknowledged_write() {
    let site = Site::running(POLLUX, &[]);
    let oracle = Oracle::start(&site.endpoint(), 4);
    for _ in 0..4 {
        oracle.wait_for(500);
        let before = site.wait_ready();
        let moved = site.pollux(&["instance", "failover", "default"]);
        let text = String::from_utf8_lossy(&moved.stderr).into_owned();
        assert!(moved.status.success(), "{text}\n{}", site.everything_printed());
        let after = site.wait_ready();
        assert_eq!(after["master"], replica(&before)["id"]);
        assert!(after["epoch"].as_u64() > before["epoch"].as_u64());
    }
    oracle.wait_for(500);
    let accounts = oracle.stop();
    let verdict = judge(&mut site.client(), &accounts);
    assert!(verdict.is_clean(), "{verdict:?}\n{}", site.everything_printed());
}

#[test]
fn a_switchover_that_makes_no_sense_is_refused_and_changes_nothing() {
    let site = Site::running(POLLUX, &[]);
    let before = site.wait_ready();
    let present = master(&before)["id"].as_str().unwrap();
    for (args, says) in [
        (&["default", "--target", "node-9"][..], "node-9"),
        (&["default", "--target", present], "is the master already"),
        (&["other"], "other"),
    ] {
        let refused = site.pollux(&[&["instance", "failover"], args].concat());
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{args:?}: {text}");
        assert!(text.contains(says), "{args:?}: {text}");
    }
    assert_eq!(site.wait_ready()["epoch"], before["epoch"]);
}
