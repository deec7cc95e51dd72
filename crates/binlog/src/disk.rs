//! What the log asks of a disk. The real one is [`RealDisk`]; tests put a failing one in its place.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::AsFd as _;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

/// Buffers handed to the kernel in one call.
const SLICES_COUNT_MAX: usize = 512;

/// The three calls that can fail late.
pub trait Disk: Send + Sync + std::fmt::Debug {
    /// Writes all `parts` one behind the other from file offset `at` on. After an error any part of
    /// them may have been written.
    fn write(&self, file: &File, parts: &[&[u8]], at: u64) -> io::Result<()>;

    /// Makes the file's data durable. After an error nothing is known about any of it.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// Reserves `bytes` of space without changing the size of the file.
    fn reserve(&self, file: &File, bytes: u64) -> io::Result<()>;
}

/// The file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn write(&self, file: &File, parts: &[&[u8]], mut at: u64) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut left = slices.as_mut_slice();
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            let batch = &left[..left.len().min(SLICES_COUNT_MAX)];
            match rustix::io::pwritev(file.as_fd(), batch, at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    at += written as u64;
                    IoSlice::advance_slices(&mut left, written);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn reserve(&self, file: &File, bytes: u64) -> io::Result<()> {
        match rustix::fs::fallocate(file.as_fd(), FallocateFlags::KEEP_SIZE, 0, bytes) {
            // A file system without reservation works as well, only less predictably.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether space (or quota) is what was missing: the one error that passes by itself.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
