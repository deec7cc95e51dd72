//! What a clean stop remembers of the replication with Redis, so that the next start goes on by a partial resynchronisation.
//!
//! ```text
//!   replication.state   1 <op> <id> <offset> <db>
//! ```
//!
//! The data that the log holds up to `op` is that of the history `id` at `offset`, and `db` is selected there.
//!
//! Invariant: the file is removed when it is read, and believed only if the log still ends at `op`: what happens after a start is not
//! in it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::interop::is_id;

const FILE: &str = "replication.state";
const VERSION: &str = "1";

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Past {
    /// Newest op of the log.
    pub(super) op: u64,
    /// 40 hexadecimal digits.
    pub(super) id: String,
    pub(super) offset: u64,
    pub(super) db: u16,
}

/// Notes it beside the log, which is stopped.
pub(super) fn keep(directory: &Path, past: &Past) -> io::Result<()> {
    let Past { op, id, offset, db } = past;
    let mut options = OpenOptions::new();
    let mut file =
        options.write(true).create(true).truncate(true).mode(0o600).open(directory.join(FILE))?;
    file.write_all(format!("{VERSION} {op} {id} {offset} {db}\n").as_bytes())?;
    file.sync_all()?;
    File::open(directory)?.sync_all()
}

/// What was noted, if it is of a log that ends at `op`. It is gone afterwards.
pub(super) fn take(directory: &Path, op: u64) -> io::Result<Option<Past>> {
    let path = directory.join(FILE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    fs::remove_file(&path)?;
    File::open(directory)?.sync_all()?;
    Ok(parse(&text).filter(|past| past.op == op))
}

fn parse(text: &[u8]) -> Option<Past> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('\n')?;
    let [VERSION, op, id, offset, db] = text.split(' ').collect::<Vec<&str>>()[..] else {
        return None;
    };
    let past = Past {
        op: op.parse().ok()?,
        id: id.to_owned(),
        offset: offset.parse().ok()?,
        db: db.parse().ok()?,
    };
    is_id(id).then_some(past)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_told_once_and_only_of_the_same_log() {
        let dir = tempfile::tempdir().unwrap();
        let past = Past { op: 7, id: "0123456789".repeat(4), offset: 4711, db: 9 };
        assert_eq!(take(dir.path(), 7).unwrap(), None);
        keep(dir.path(), &past).unwrap();
        assert_eq!(take(dir.path(), 7).unwrap(), Some(past.clone()));
        assert_eq!(take(dir.path(), 7).unwrap(), None);
        keep(dir.path(), &past).unwrap();
        assert_eq!(take(dir.path(), 8).unwrap(), None);
        for damaged in [&b""[..], b"1 7 x 1 0\n", b"2 7 0 1 0\n", b"\xff", b"1 7"] {
            fs::write(dir.path().join(FILE), damaged).unwrap();
            assert_eq!(take(dir.path(), 7).unwrap(), None);
        }
    }
}
