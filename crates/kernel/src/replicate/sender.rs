//! Two threads per replica: one sends, one listens for acknowledgements.
//!
//! ```text
//!   +CONTINUE n                            records from n + 1, heartbeats
//!   +FULL n ...   checkpoint in chunks, its end, then records from there on, heartbeats
//! ```
//!
//! Invariants
//! - What is sent as records is what the log holds, byte for byte, in whole groups.
//! - From the answer on, and from the choice of a checkpoint on, retention leaves the log behind it alone.
//! - A replica that sends no acknowledgement for [`SILENCE_MAX`] is gone; slow it may be as long as it
//!   likes.

use std::fs::File;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use base::{OpId, Position};
use binlog::{Checkpoint, Consumer, Log, ReadError, Step};
use wire::frame::{self, Frame, FrameError};

use super::handshake::Answer;
use super::master::Follower;
use crate::persist::checkpoint::Desk;
use crate::turn::wall_clock;

/// Pause between two signs of life.
const HEARTBEAT: Duration = Duration::from_millis(100);
/// A replica acknowledges at least once a second.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Bytes of a checkpoint per frame.
const CHUNK_BYTES: usize = 256 << 10;
/// Acknowledgements are small; more unread bytes than this are no frames.
const INPUT_BYTES_MAX: usize = 64 << 10;

/// Why a replica's link ended.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("the connection failed")]
    Io(#[from] io::Error),
    #[error("the log cannot be read")]
    Log(#[from] ReadError),
    #[error("the replica closed the link: {0}")]
    Closed(String),
    #[error("the replica sent something that is no acknowledgement")]
    Protocol,
    #[error("the replica's frame is broken")]
    Frame(#[from] FrameError),
    #[error("no checkpoint for a full sync: {0}")]
    Checkpoint(String),
}

/// The sending thread.
#[derive(Debug)]
pub(crate) struct Sender {
    follower: Arc<Follower>,
    socket: TcpStream,
    log: Log,
    desk: Arc<Desk>,
    newest_heartbeat: Instant,
}

impl Sender {
    /// Starts both threads of a link. `unsent` goes out in front of the answer; `consumer` holds what it promises.
    pub(crate) fn start(
        follower: Arc<Follower>,
        socket: TcpStream,
        mut unsent: Vec<u8>,
        answer: Answer,
        log: Log,
        desk: Arc<Desk>,
        consumer: Consumer,
    ) -> io::Result<()> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(SILENCE_MAX))?;
        let (listening, acked) = (socket.try_clone()?, Arc::clone(&follower));
        unsent.extend_from_slice(answer.line(&log.history()).as_bytes());
        let newest_heartbeat = Instant::now();
        let sender = Sender { follower, socket, log, desk, newest_heartbeat };
        thread::Builder::new()
            .name("replica-acks".to_owned())
            .spawn(move || end("listening to", &acked, listen(listening, &acked)))?;
        thread::Builder::new().name("replica-sender".to_owned()).spawn(move || {
            let follower = Arc::clone(&sender.follower);
            end("sending to", &follower, sender.run(&unsent, answer, consumer));
        })?;
        Ok(())
    }

    fn run(mut self, greeting: &[u8], answer: Answer, consumer: Consumer) -> Result<(), SendError> {
        self.socket.write_all(greeting)?;
        // Without a gap between two consumers: retention must never overtake a replica that is connected.
        let (after, consumer) = match answer {
            Answer::Continue { after } => (after, consumer),
            Answer::Full { .. } => {
                drop(consumer);
                let (position, consumer) = self.send_checkpoint()?;
                (position.opid, consumer)
            }
        };
        let mut cursor = self.log.cursor(after_opid(after));
        // The replica learns at once how far it has to go.
        self.send_heartbeat()?;
        while self.follower.is_connected() {
            match cursor.next(HEARTBEAT)? {
                Step::Records(records) => {
                    let header = frame::records_header(records.bytes());
                    write_both(&self.socket, &header, records.bytes())?;
                    consumer.advance(records.first().get() - 1);
                }
                Step::Idle => {}
                Step::Closed => {
                    return self.send(&Frame::Close { reason: "the master closed its log" });
                }
            }
            self.heartbeat()?;
        }
        Ok(())
    }

    /// Sends the newest checkpoint that the log still connects to, or has one made.
    fn send_checkpoint(&mut self) -> Result<(Position, Consumer), SendError> {
        let _place = loop {
            if let Some(place) = self.desk.enter(HEARTBEAT) {
                break place;
            }
            self.look_after_link()?;
        };
        let (image, newest, consumer) = loop {
            if let Some(found) = self.newest_checkpoint() {
                break found;
            }
            let rounds = self.desk.want();
            let outcome = loop {
                self.look_after_link()?;
                if let Some(outcome) = self.desk.wait(rounds, HEARTBEAT) {
                    break outcome;
                }
            };
            outcome.map_err(SendError::Checkpoint)?;
        };
        self.send(&Frame::SnapshotBegin { bytes: newest.bytes })?;
        let bytes = self.send_image(image)?;
        self.send(&Frame::SnapshotEnd { position: newest.position, bytes })?;
        tracing::info!(node = %self.follower.node, bytes, position = %newest.position, "snapshot sent");
        Ok((newest.position, consumer))
    }

    /// The newest checkpoint, open, if the log goes on behind it; the consumer keeps that so.
    fn newest_checkpoint(&self) -> Option<(File, Checkpoint, Consumer)> {
        let newest = self.log.manifest().checkpoints.pop()?;
        let consumer = self.log.register_consumer(newest.position.opid);
        let is_end = newest.position.opid == self.log.position().opid;
        let oldest = self.log.oldest();
        let is_joined = is_end || oldest.is_some_and(|o| o.get() <= newest.position.opid + 1);
        let file = File::open(self.log.directory().join(&newest.file)).ok()?;
        is_joined.then_some((file, newest, consumer))
    }

    fn send_image(&mut self, mut image: File) -> Result<u64, SendError> {
        let mut bytes = 0;
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let count = image.read(&mut chunk)?;
            if count == 0 {
                return Ok(bytes);
            }
            let header = frame::snapshot_chunk_header(&chunk[..count]);
            write_both(&self.socket, &header, &chunk[..count])?;
            bytes += count as u64;
            self.heartbeat()?;
        }
    }

    /// While there is nothing to send: a sign of life, unless the replica is gone.
    fn look_after_link(&mut self) -> Result<(), SendError> {
        if !self.follower.is_connected() {
            return Err(SendError::Closed("while it waited for a snapshot".to_owned()));
        }
        self.heartbeat()
    }

    fn heartbeat(&mut self) -> Result<(), SendError> {
        if self.newest_heartbeat.elapsed() >= HEARTBEAT { self.send_heartbeat() } else { Ok(()) }
    }

    fn send_heartbeat(&mut self) -> Result<(), SendError> {
        self.newest_heartbeat = Instant::now();
        self.send(&Frame::Heartbeat { newest: self.log.position(), at: wall_clock() })
    }

    fn send(&self, frame: &Frame<'_>) -> Result<(), SendError> {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        Ok((&self.socket).write_all(&bytes)?)
    }
}

fn after_opid(opid: u64) -> OpId {
    OpId::new(opid + 1).expect("one more than something is not zero")
}

/// Body of the ack thread.
fn listen(mut socket: TcpStream, follower: &Follower) -> Result<(), SendError> {
    let mut input = Vec::new();
    let mut buffer = [0; 4096];
    while follower.is_connected() {
        let count = socket.read(&mut buffer)?;
        if count == 0 {
            return Err(SendError::Closed("without a word".to_owned()));
        }
        input.extend_from_slice(&buffer[..count]);
        let mut taken = 0;
        while let Some((frame, length)) = Frame::decode(&input[taken..])? {
            match frame {
                Frame::Ack(ack) => follower.acknowledge(ack),
                Frame::Close { reason } => return Err(SendError::Closed(reason.to_owned())),
                _ => return Err(SendError::Protocol),
            }
            taken += length;
        }
        input.drain(..taken);
        if input.len() > INPUT_BYTES_MAX {
            return Err(SendError::Protocol);
        }
    }
    Ok(())
}

/// The end of one of the threads is the end of the link.
fn end(doing: &str, follower: &Follower, result: Result<(), SendError>) {
    // The second thread to notice has nothing new to tell.
    if follower.is_connected()
        && let Err(error) = result
    {
        let why: &dyn std::error::Error = &error;
        tracing::warn!(node = %follower.node, error = why, "{doing} a replica ended");
    }
    follower.close();
}

/// Writes header and payload with as few calls as the kernel allows.
fn write_both(mut socket: &TcpStream, header: &[u8], payload: &[u8]) -> io::Result<()> {
    let mut slices = [IoSlice::new(header), IoSlice::new(payload)];
    let mut left = slices.as_mut_slice();
    while !left.is_empty() {
        match socket.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
