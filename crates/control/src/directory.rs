//! The directory of a config server: one process at a time, one identity for ever.
//!
//! ```text
//!   lock            held (flock) while a process uses the directory; holds its pid for the error message
//!   identity.json   cluster id and server id, written once
//!   raft.redb       Raft's log, vote and snapshot
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use base::ClusterId;
use serde::{Deserialize, Serialize};

const FORMAT: u32 = 1;

/// Whose directory this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Identity {
    format: u32,
    cluster: ClusterId,
    server_id: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error("{path} is in use by another process (pid {pid})")]
    InUse { path: PathBuf, pid: String },
    #[error(
        "{path} belongs to server {found_server} of cluster {found}, not to server {server} of {cluster}"
    )]
    Foreign { path: PathBuf, found: ClusterId, found_server: u64, cluster: ClusterId, server: u64 },
    #[error("{path} was written by a newer version (format {found})")]
    Format { path: PathBuf, found: u32 },
    #[error("{path} is not readable as the identity of a config server: {source}")]
    Damaged { path: PathBuf, source: serde_json::Error },
    #[error("{path} holds a Raft log but no identity: it is not taken over")]
    NoIdentity { path: PathBuf },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

/// A directory that this process holds. Dropping it releases the lock.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Makes the directory, for this user only, if there is none, locks it, and checks that it is this server's.
    pub(crate) fn open(
        path: &Path,
        cluster: ClusterId,
        server: u64,
    ) -> Result<Directory, DirectoryError> {
        let io = |source| DirectoryError::Io { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io)?;
        let lock = take_lock(path)?;
        let file = path.join("identity.json");
        match fs::read(&file) {
            Ok(bytes) => check(path, &bytes, cluster, server)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if path.join("raft.redb").exists() {
                    return Err(DirectoryError::NoIdentity { path: path.to_owned() });
                }
                let identity = Identity { format: FORMAT, cluster, server_id: server };
                write_durably(path, &file, &identity).map_err(io)?;
            }
            Err(error) => return Err(io(error)),
        }
        Ok(Directory { path: path.to_owned(), _lock: lock })
    }

    /// Where Raft's database is.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join("raft.redb")
    }
}

fn take_lock(path: &Path) -> Result<File, DirectoryError> {
    let io = |source| DirectoryError::Io { path: path.to_owned(), source };
    let name = path.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(name)
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            file.read_to_string(&mut pid).map_err(io)?;
            let pid = if pid.is_empty() { "unknown".to_owned() } else { pid };
            return Err(DirectoryError::InUse { path: path.to_owned(), pid });
        }
        Err(TryLockError::Error(error)) => return Err(io(error)),
    }
    file.set_len(0).map_err(io)?;
    file.rewind().map_err(io)?;
    write!(file, "{}", std::process::id()).map_err(io)?;
    Ok(file)
}

fn check(path: &Path, bytes: &[u8], cluster: ClusterId, server: u64) -> Result<(), DirectoryError> {
    let path = path.to_owned();
    let found: Identity = match serde_json::from_slice(bytes) {
        Ok(found) => found,
        Err(source) => return Err(DirectoryError::Damaged { path, source }),
    };
    if found.format != FORMAT {
        return Err(DirectoryError::Format { path, found: found.format });
    }
    if (found.cluster, found.server_id) != (cluster, server) {
        let (found, found_server) = (found.cluster, found.server_id);
        return Err(DirectoryError::Foreign { path, found, found_server, cluster, server });
    }
    Ok(())
}

/// Write beside, sync, rename, sync the directory: after a crash the file is whole or absent.
fn write_durably(dir: &Path, file: &Path, identity: &Identity) -> io::Result<()> {
    let new = dir.join("identity.json.new");
    let mut out = File::create(&new)?;
    out.write_all(&serde_json::to_vec_pretty(identity)?)?;
    out.sync_all()?;
    fs::rename(new, file)?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_directory_has_one_owner_and_one_identity() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("config-1");
        let held = Directory::open(&path, ClusterId(1), 1).expect("fresh");
        let mode = path.metadata().expect("it was made").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let again = Directory::open(&path, ClusterId(1), 1).expect_err("locked");
        assert!(matches!(again, DirectoryError::InUse { .. }), "{again}");
        drop(held);
        let foreign = Directory::open(&path, ClusterId(2), 1).expect_err("foreign");
        assert!(matches!(foreign, DirectoryError::Foreign { .. }), "{foreign}");
        drop(Directory::open(&path, ClusterId(1), 1).expect("its own"));
        fs::write(path.join("identity.json"), b"{").expect("write");
        let damaged = Directory::open(&path, ClusterId(1), 1).expect_err("damaged");
        assert!(matches!(damaged, DirectoryError::Damaged { .. }), "{damaged}");
    }
}
