//! The snapshot writer: a thread that turns buffers into one durable file.
//!
//! ```text
//!   offer(buffer) --bounded channel--> write --every 32 MiB--> fdatasync
//!   finish() --------------------------> fsync -> rename -> fsync directory -> outcome()
//!   drop before finish() --------------> the temporary file is removed
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, Sender, TryRecvError, TrySendError, bounded};

use super::snapshot::Drain;

/// Buffers that may wait for the disk: 4 MiB of chunks.
const BUFFERS_COUNT_MAX: usize = 64;
/// Bytes written between two syncs, so that the last one is short and the page cache stays small.
const UNSYNCED_BYTES_MAX: u64 = 32 << 20;

/// Added to the niceness of the thread: where executor and file want the same core, the file can wait.
const NICENESS: i32 = 10;
/// The data is for the user that the node runs as, whatever the umask says.
const FILE_MODE: u32 = 0o600;

/// Distinguishes the temporary files of one process: an abandoned writer may still be removing its own.
static NEXT_FILE: AtomicU64 = AtomicU64::new(0);

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("cannot write {path}")]
    Io { path: PathBuf, source: io::Error },
    #[error("cannot start the snapshot writer")]
    Thread(#[source] io::Error),
    #[error("the snapshot writer died")]
    Died,
}

enum Message {
    Buffer(Vec<u8>),
    Finish,
}

/// The executor's end of the thread.
#[derive(Debug)]
pub struct FileWriter {
    sender: Sender<Message>,
    outcome: Receiver<Result<u64, FileError>>,
}

impl FileWriter {
    /// Starts a thread that writes `path` by way of a temporary file beside it.
    pub fn create(path: &Path) -> Result<FileWriter, FileError> {
        let (sender, messages) = bounded(BUFFERS_COUNT_MAX);
        let (report, outcome) = bounded(1);
        let number = NEXT_FILE.fetch_add(1, Ordering::Relaxed);
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".{}-{number}.tmp", std::process::id()));
        let target = Target { path: path.to_owned(), temporary: temporary.into() };
        thread::Builder::new()
            .name("snapshot".to_owned())
            .spawn(move || {
                // A wish: without it the thread gets more of the core than it needs, no more.
                let _ = rustix::process::setpriority_process(None, NICENESS);
                if let Some(result) = target.write(&messages) {
                    // Nobody may be left to ask: then the file speaks for itself.
                    let _ = report.send(result);
                }
            })
            .map_err(FileError::Thread)?;
        Ok(FileWriter { sender, outcome })
    }

    fn send(&self, message: Message) -> Result<(), Message> {
        match self.sender.try_send(message) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => Ok(()),
            Err(TrySendError::Full(message)) => Err(message),
        }
    }

    /// The file's length in bytes once it is durable, or why it will not be; `None` while the thread works.
    pub fn outcome(&self) -> Option<Result<u64, FileError>> {
        match self.outcome.try_recv() {
            Ok(result) => Some(result),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(FileError::Died)),
        }
    }
}

/// After a failed write chunks vanish; [`FileWriter::outcome`] tells.
impl Drain for FileWriter {
    fn offer(&self, chunk: Vec<u8>) -> Result<(), Vec<u8>> {
        self.send(Message::Buffer(chunk)).map_err(|message| match message {
            Message::Buffer(chunk) => chunk,
            Message::Finish => unreachable!("the message comes back as it was sent"),
        })
    }

    fn finish(&self) -> bool {
        self.send(Message::Finish).is_ok()
    }
}

struct Target {
    path: PathBuf,
    temporary: PathBuf,
}

impl Target {
    /// `None`: the executor gave up.
    fn write(&self, messages: &Receiver<Message>) -> Option<Result<u64, FileError>> {
        let result = self.write_temporary(messages).and_then(|written| match written {
            Some(bytes) => self.publish().map(|()| Some(bytes)),
            None => Ok(None),
        });
        if !matches!(result, Ok(Some(_))) {
            // It may not exist, or the disk is gone: leftovers are removed at the next boot.
            let _ = fs::remove_file(&self.temporary);
        }
        let path = &self.temporary;
        result.map_err(|source| FileError::Io { path: path.clone(), source }).transpose()
    }

    fn write_temporary(&self, messages: &Receiver<Message>) -> io::Result<Option<u64>> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(FILE_MODE);
        let mut file = options.open(&self.temporary)?;
        let (mut written, mut synced) = (0u64, 0u64);
        loop {
            match messages.recv() {
                Ok(Message::Buffer(buffer)) => {
                    file.write_all(&buffer)?;
                    written += buffer.len() as u64;
                }
                Ok(Message::Finish) => break,
                Err(_) => return Ok(None),
            }
            if written - synced >= UNSYNCED_BYTES_MAX {
                file.sync_data()?;
                synced = written;
            }
        }
        file.sync_all()?;
        Ok(Some(written))
    }

    fn publish(&self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.path)?;
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// The outcome; blocks on the channel itself, as the tests have nothing else to do.
    fn wait(writer: &FileWriter) -> Result<u64, FileError> {
        writer.outcome.recv().unwrap_or(Err(FileError::Died))
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_finished_file_has_its_name_and_nothing_else_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dump.rdb");
        fs::write(&path, b"old").unwrap();
        let writer = FileWriter::create(&path).unwrap();
        writer.offer(b"new ".to_vec()).unwrap();
        writer.offer(b"content".to_vec()).unwrap();
        assert!(writer.finish());
        assert_eq!(wait(&writer).unwrap(), 11);
        assert_eq!(fs::read(&path).unwrap(), b"new content");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, FILE_MODE);
        assert_eq!(names(directory.path()), ["dump.rdb"]);
    }

    #[test]
    fn an_abandoned_file_leaves_the_old_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dump.rdb");
        fs::write(&path, b"old").unwrap();
        let FileWriter { sender, outcome } = FileWriter::create(&path).unwrap();
        sender.send(Message::Buffer(b"new".to_vec())).unwrap();
        drop(sender);
        // The thread reports nothing and hangs up when it has cleaned up.
        assert!(outcome.recv().is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(directory.path()), ["dump.rdb"]);
    }

    #[test]
    fn a_failure_is_told_and_later_buffers_are_swallowed() {
        let writer = FileWriter::create(Path::new("/proc/no such directory/dump.rdb")).unwrap();
        assert!(matches!(wait(&writer), Err(FileError::Io { .. })));
        for _ in 0..2 * BUFFERS_COUNT_MAX {
            // It is refused only while the queue is full; who swallows makes room.
            while writer.offer(vec![0; 10]).is_err() {
                thread::yield_now();
            }
        }
        while !writer.finish() {
            thread::yield_now();
        }
    }
}
