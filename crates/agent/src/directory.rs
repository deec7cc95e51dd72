//! A directory with one owner at a time.
//!
//! The lock is an `flock` on `<dir>/<name>.lock`: it ends with the process, however that ends, and is
//! not inherited by children (close-on-exec), so a survivor of ours never keeps us out.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

/// Why a directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("{path} is held by process {holder}")]
    Held { path: PathBuf, holder: String },
    #[error("cannot use {path}")]
    Io { path: PathBuf, source: io::Error },
}

/// Makes a directory, and those above it, unless it is there: what lies in it is for this user only.
pub(crate) fn create_private(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Held as long as it lives.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes `<dir>/<name>.lock`, creating `dir` if need be.
    pub fn take(dir: &Path, name: &str) -> Result<DirectoryLock, LockError> {
        let path = dir.join(format!("{name}.lock"));
        let failed = |source| LockError::Io { path: path.clone(), source };
        create_private(dir).map_err(failed)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                // Only for the message: an unreadable holder is an unknown holder.
                let _ = file.take(32).read_to_string(&mut holder);
                let holder = holder.trim();
                let holder = if holder.is_empty() { "?" } else { holder }.to_owned();
                return Err(LockError::Held { path, holder });
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(DirectoryLock { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_it_makes_is_for_its_user_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("site");
        let _held = DirectoryLock::take(&path, "up").unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn one_owner_at_a_time_and_the_other_is_told_who() {
        let dir = tempfile::tempdir().unwrap();
        let held = DirectoryLock::take(dir.path(), "up").unwrap();
        let error = DirectoryLock::take(dir.path(), "up").unwrap_err();
        let LockError::Held { holder, .. } = error else { panic!("{error}") };
        assert_eq!(holder, std::process::id().to_string());
        drop(held);
        DirectoryLock::take(dir.path(), "up").unwrap();
    }
}
