//! A checkpoint file on its way to a replica: a thread reads it, so that the executor never waits for the disk.
//!
//! Invariant: at most [`CHUNKS_AHEAD_MAX`] chunks wait for the executor.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::thread;

use crossbeam_channel::{Receiver, TryRecvError, bounded};
use net::Wake;

const CHUNK_BYTES: usize = 256 << 10;
const CHUNKS_AHEAD_MAX: usize = 4;

/// What [`ImageReader::next`] has.
pub(super) enum Piece {
    Bytes(Vec<u8>),
    /// The thread wakes the executor when there is more.
    NotYet,
    End,
    Failed(io::Error),
}

/// The executor's end of the file.
#[derive(Debug)]
pub(crate) struct ImageReader {
    chunks: Receiver<io::Result<Vec<u8>>>,
    /// Bytes that were not handed out yet.
    missing: u64,
}

impl ImageReader {
    /// Opens the file and starts to read; `wake` ends a wait of the executor. Tells the length in bytes as well.
    pub(super) fn start(path: &Path, wake: Wake) -> io::Result<(ImageReader, u64)> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let (send, chunks) = bounded(CHUNKS_AHEAD_MAX);
        thread::Builder::new().name("replica-image".to_owned()).spawn(move || {
            loop {
                let mut chunk = vec![0; CHUNK_BYTES];
                let read = file.read(&mut chunk).map(|count| {
                    chunk.truncate(count);
                    chunk
                });
                let is_last = read.as_ref().map_or(true, Vec::is_empty);
                // Nobody takes it when the replica is gone.
                if send.send(read).is_err() {
                    return;
                }
                // It fails only when the executor is gone.
                let _ = wake.wake();
                if is_last {
                    return;
                }
            }
        })?;
        Ok((ImageReader { chunks, missing: length }, length))
    }

    /// The next piece, if it has been read.
    pub(super) fn next(&mut self) -> Piece {
        if self.missing == 0 {
            return Piece::End;
        }
        match self.chunks.try_recv() {
            Ok(Ok(chunk)) if chunk.is_empty() => Piece::Failed(io::ErrorKind::UnexpectedEof.into()),
            Ok(Ok(chunk)) => {
                self.missing = self.missing.saturating_sub(chunk.len() as u64);
                Piece::Bytes(chunk)
            }
            Ok(Err(error)) => Piece::Failed(error),
            Err(TryRecvError::Empty) => Piece::NotYet,
            Err(TryRecvError::Disconnected) => Piece::Failed(io::ErrorKind::BrokenPipe.into()),
        }
    }
}
