//! The seed of a lone node's hash: random, so that nobody can choose keys that collide, and kept beside its log, so
//! that cursors of SCAN outlive a restart. (The nodes of an instance get theirs from the config server.)
//!
//! Nothing on disk depends on it. A file that is lost or damaged is replaced by a new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::boot::random_seed;

/// 16 hexadecimal digits.
const FILE: &str = "hash.seed";

/// The seed of the node whose log lies at `directory`, which is locked; the first time, a random one.
pub(super) fn of(directory: &Path) -> io::Result<u64> {
    let path = directory.join(FILE);
    let kept = match fs::read(&path) {
        Ok(text) => parse(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if let Some(seed) = kept {
        return Ok(seed);
    }
    let seed = random_seed()?;
    // The log removes what is left of such a file after a crash.
    let fresh = directory.join(format!("{FILE}.tmp"));
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(format!("{seed:016x}\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, &path)?;
    File::open(directory)?.sync_all()?;
    Ok(seed)
}

fn parse(text: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(text).ok()?.trim_end();
    let is_ours = digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_ours.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_node_keeps_its_seed_and_shares_it_with_none() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let seed = of(one.path()).unwrap();
        assert_eq!(of(one.path()).unwrap(), seed);
        assert_ne!(of(two.path()).unwrap(), seed);
        let mode = fs::metadata(one.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(one.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_seed_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        for damaged in [&b""[..], b"12", b"+123456789abcdef", b"\xff\xff", b"0123456789abcdef01"] {
            fs::write(directory.path().join(FILE), damaged).unwrap();
            let seed = of(directory.path()).unwrap();
            assert_eq!(of(directory.path()).unwrap(), seed, "{damaged:?}");
        }
    }
}
