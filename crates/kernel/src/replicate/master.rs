//! The master's side: who follows, and how far each of them is.
//!
//! ```text
//!   executor --attach(socket)--> sender thread   log --> replica     (sender.rs)
//!            <--Follower-------- ack thread      <-- acknowledgements
//! ```
//!
//! Invariants
//! - The executor reads atomics; it never touches a replica's socket, except to shut it down.
//! - A slow replica costs nothing but its own lag: it reads from disk what memory has dropped.

use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use base::{NodeId, Tick};
use binlog::Log;
use net::Wake;
use wire::frame::Ack;

use super::handshake::{Answer, SyncRequest};
use super::sender::Sender;
use crate::persist::checkpoint::Desk;
use crate::turn::monotonic_clock;

/// Distance between two samples of the newest op, ms: the resolution of a lag in time.
const SAMPLE_MS: u64 = 50;
/// A replica without data is sent the whole log when it has no more bytes than this, or than the newest checkpoint:
/// so much is there before a walk of the keyspace would be through.
const WHOLE_LOG_BYTES_MAX: u64 = 64 << 20;
/// Samples kept: some minutes. An older lag is told as that of the oldest sample.
const SAMPLES_COUNT_MAX: usize = 4096;

/// One replica's link, as executor, sender and ack thread see it.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) node: NodeId,
    pub(crate) address: SocketAddr,
    socket: TcpStream,
    applied: AtomicU64,
    written: AtomicU64,
    fsynced: AtomicU64,
    /// Tick of the last acknowledgement.
    heard_at: AtomicU64,
    is_connected: AtomicBool,
    wake: Wake,
}

impl Follower {
    pub(crate) fn ack(&self) -> Ack {
        Ack {
            applied: self.applied.load(Ordering::Acquire),
            written: self.written.load(Ordering::Acquire),
            fsynced: self.fsynced.load(Ordering::Acquire),
        }
    }

    /// Takes an acknowledgement (ack thread) and tells the executor.
    pub(crate) fn acknowledge(&self, ack: Ack) {
        self.applied.fetch_max(ack.applied, Ordering::AcqRel);
        self.written.fetch_max(ack.written, Ordering::AcqRel);
        self.fsynced.fetch_max(ack.fsynced, Ordering::AcqRel);
        self.heard_at.store(monotonic_clock().0, Ordering::Release);
        self.wake_executor();
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Acquire)
    }

    /// Ends the link; its threads notice.
    pub(crate) fn close(&self) {
        self.is_connected.store(false, Ordering::Release);
        // It may be closed already.
        let _ = self.socket.shutdown(Shutdown::Both);
        self.wake_executor();
    }

    fn wake_executor(&self) {
        // It fails only when the executor is gone.
        let _ = self.wake.wake();
    }
}

/// How far a replica is, for STATE, ROLE and INFO.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FollowerReport {
    pub(crate) node: NodeId,
    pub(crate) address: SocketAddr,
    pub(crate) ack: Ack,
    /// Ops of ours that it has not applied.
    pub(crate) lag_ops: u64,
    /// Age of the oldest of them, ms.
    pub(crate) lag_ms: u64,
    /// Since its last sign of life, ms.
    pub(crate) silent_ms: u64,
}

/// All replicas of a master.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    list: Vec<Arc<Follower>>,
    /// When which op was the newest one, oldest first.
    samples: VecDeque<(Tick, u64)>,
}

/// A replica's connection, after its `POLLUX SYNC` was decided upon.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) node: NodeId,
    pub(crate) request: SyncRequest,
    /// Blocking.
    pub(crate) socket: TcpStream,
    /// Replies to earlier commands that were not sent yet.
    pub(crate) unsent: Vec<u8>,
}

impl Followers {
    /// Answers a replica and starts to serve it. An older link of the same node is closed.
    pub(crate) fn attach(
        &mut self,
        arrival: Arrival,
        log: &Log,
        desk: Arc<Desk>,
        wake: Wake,
    ) -> io::Result<Answer> {
        let Arrival { node, request, socket, unsent } = arrival;
        // Registered before the answer is decided: what it promises is still there when it is read.
        let consumer = log.register_consumer(0);
        let end = log.position().opid;
        let newest_bytes =
            log.manifest().checkpoints.pop().map_or(0, |checkpoint| checkpoint.bytes);
        let is_long = log.bytes_on_disk() > newest_bytes.max(WHOLE_LOG_BYTES_MAX);
        let answer = Answer::decide(&log.history(), end, log.oldest(), is_long, &request);
        if let Answer::Continue { after } = answer {
            consumer.advance(after);
        }
        for old in self.list.extract_if(.., |follower| follower.node == node) {
            old.close();
        }
        let follower = Arc::new(Follower {
            node,
            address: socket.peer_addr()?,
            socket: socket.try_clone()?,
            applied: AtomicU64::new(0),
            written: AtomicU64::new(0),
            fsynced: AtomicU64::new(0),
            heard_at: AtomicU64::new(monotonic_clock().0),
            is_connected: AtomicBool::new(true),
            wake,
        });
        let there = Arc::clone(&follower);
        Sender::start(there, socket, unsent, answer, log.clone(), desk, consumer)?;
        tracing::info!(%node, ?answer, "a replica follows");
        self.list.push(follower);
        Ok(answer)
    }

    /// Forgets closed links and notes the newest op. Once a turn.
    pub(crate) fn poll(&mut self, now: Tick, newest: u64) {
        self.list.retain(|follower| follower.is_connected());
        let is_due = self.samples.back().is_none_or(|(at, _)| now.ms_since(*at) >= SAMPLE_MS);
        if is_due && self.samples.back().is_none_or(|(_, opid)| *opid != newest) {
            if self.samples.len() == SAMPLES_COUNT_MAX {
                self.samples.pop_front();
            }
            self.samples.push_back((now, newest));
        }
    }

    /// Closes all links: this node is no master any more.
    pub(crate) fn close_all(&mut self) {
        for follower in self.list.drain(..) {
            follower.close();
        }
        self.samples.clear();
    }

    /// Replicas that have `opid` in memory, or on disk.
    pub(crate) fn acknowledged(&self, opid: u64, is_durable: bool) -> usize {
        let has = |ack: Ack| if is_durable { ack.fsynced >= opid } else { ack.applied >= opid };
        self.list.iter().filter(|follower| has(follower.ack())).count()
    }

    /// Age at `now` of the oldest op behind `acked`, ms.
    fn lag_ms(&self, now: Tick, acked: u64, newest: u64) -> u64 {
        if acked >= newest {
            return 0;
        }
        let seen = self.samples.partition_point(|(_, opid)| *opid <= acked);
        self.samples.get(seen).map_or(0, |(at, _)| now.ms_since(*at))
    }

    pub(crate) fn reports(&self, now: Tick, newest: u64) -> Vec<FollowerReport> {
        let report = |follower: &Arc<Follower>| {
            let ack = follower.ack();
            FollowerReport {
                node: follower.node,
                address: follower.address,
                ack,
                lag_ops: newest.saturating_sub(ack.applied),
                lag_ms: self.lag_ms(now, ack.applied, newest),
                silent_ms: now.ms_since(Tick(follower.heard_at.load(Ordering::Acquire))),
            }
        };
        self.list.iter().map(report).collect()
    }
}

#[cfg(test)]
mod tests {
    use base::{ClusterId, Epoch, Incarnation, Position, ShardId, UnixMs};
    use binlog::{Appender, Directory, Options, Owner, Retention, SyncPolicy};
    use wire::record::Flags;

    use super::*;

    fn write(log: &mut Appender, count: u64) {
        for _ in 0..count {
            log.append(Flags::NONE, 0, UnixMs(1), |payload| payload.extend_from_slice(&[0; 100]));
            log.commit();
        }
    }

    /// The replica does not read, so its sender cannot even say the answer.
    #[test]
    fn what_was_promised_to_a_replica_stays_until_it_is_sent() {
        let dir = tempfile::tempdir().unwrap();
        let (cluster, shard, node) = (ClusterId(1), ShardId(0), NodeId(1));
        let owner = Owner { cluster, shard, node, incarnation: Incarnation(1) };
        let options = Options {
            segment_bytes: 1000,
            policy: SyncPolicy::Always,
            tail_bytes_max: 1000,
            retention: Retention { bytes_max: 0, age_seconds_max: 0 },
            ..Options::default()
        };
        let mut appender = Directory::open(dir.path(), owner).unwrap().start(options).unwrap();
        appender.begin_reign(Epoch(1)).unwrap();
        write(&mut appender, 100);
        let log = appender.log();
        let wake = net::Driver::new().unwrap().wake_handle();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let replica = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let position = Position { epoch: Epoch(1), opid: 50 };
        let arrival = Arrival {
            node: NodeId(2),
            request: SyncRequest { position, history: log.history(), wants_full: false },
            socket: listener.accept().unwrap().0,
            unsent: vec![b'x'; 64 << 20],
        };
        let mut followers = Followers::default();
        let desk = Arc::new(Desk::new(wake.clone()));
        let answer = followers.attach(arrival, &log, desk, wake).unwrap();
        assert_eq!(answer, Answer::Continue { after: 50 });

        assert!(log.wait_durable(100));
        std::fs::write(dir.path().join("image"), b"image").unwrap();
        log.install_checkpoint(&dir.path().join("image"), log.position()).unwrap();
        write(&mut appender, 100);
        assert!(log.wait_durable(200));
        let oldest = log.oldest().unwrap().get();
        assert!((2..=51).contains(&oldest), "the log begins with {oldest}");
        followers.close_all();
        drop(replica);
    }

    #[test]
    fn lag_is_the_age_of_the_oldest_op_that_is_missing() {
        let mut followers = Followers::default();
        let at = |ms: u64| Tick(0).plus_ms(ms);
        for (ms, newest) in [(0, 10), (20, 11), (100, 20), (200, 20), (300, 35)] {
            followers.poll(at(ms), newest);
        }
        let check = |acked: u64, expect: u64| {
            assert_eq!(followers.lag_ms(at(1000), acked, 35), expect, "{acked}");
        };
        check(35, 0);
        check(20, 700);
        check(15, 900);
        check(3, 1000);
    }
}
