//! The whole keyspace of two servers, compared key by key: type, content, encoding, expiry, digest, and payload of DUMP.

use std::io;

use super::compare::{self, Promise, Release};
use super::frame::Frame;
use super::payload;
use crate::client::Client;

const DATABASES: u32 = 16;

/// A question that the servers answer differently.
#[derive(Clone, Debug)]
pub(super) struct Unlike {
    pub(super) question: Vec<Vec<u8>>,
    pub(super) redis: Frame,
    pub(super) pollux: Frame,
}

/// How much was compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compared {
    pub keys: usize,
    /// Payloads of DUMP that were restored by the other server.
    pub exchanged: usize,
    /// Payloads that were compared with that of the other server.
    pub payloads: usize,
}

impl Compared {
    /// Sums up.
    pub(super) fn add(&mut self, more: Compared) {
        self.keys += more.keys;
        self.exchanged += more.exchanged;
        self.payloads += more.payloads;
    }
}

/// Asks on connections that see database 0, and leaves them so.
pub(super) fn compare(
    release: Release,
    redis: &mut Client,
    pollux: &mut Client,
    scope: Scope,
    compared: &mut Compared,
) -> io::Result<Option<Unlike>> {
    for db in 0..DATABASES {
        let mut asked = Asked { release, db, scope, redis: &mut *redis, pollux: &mut *pollux };
        let unlike = asked.database(compared)?;
        if unlike.is_some() {
            return Ok(unlike);
        }
    }
    for client in [redis, pollux] {
        client.call(&[b"SELECT", b"0"])?;
    }
    Ok(None)
}

/// How much of a key is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scope {
    Everything,
    /// Not the encoding, which a restart chooses anew by the thresholds of the configuration, nor payloads.
    Content,
}

/// Both servers, at one of their databases.
pub(super) struct Asked<'a> {
    pub(super) release: Release,
    pub(super) scope: Scope,
    db: u32,
    redis: &'a mut Client,
    pollux: &'a mut Client,
}

impl Asked<'_> {
    fn database(&mut self, compared: &mut Compared) -> io::Result<Option<Unlike>> {
        let db = self.db.to_string();
        self.both(&[b"SELECT", db.as_bytes()])?;
        let keys = match self.ask(&[b"KEYS", b"*"], Promise::Unordered)? {
            Ok(keys) => keys,
            Err(unlike) => return Ok(Some(unlike)),
        };
        if let Err(unlike) = self.ask(&[b"DBSIZE"], Promise::Bytes)? {
            return Ok(Some(unlike));
        }
        for key in keys.items().unwrap_or_default() {
            compared.keys += 1;
            let key = key.text().unwrap_or_default();
            if let Err(unlike) = self.key(key)? {
                return Ok(Some(unlike));
            }
            // Not of a replica, which restores nothing.
            if self.scope == Scope::Everything
                && let Err(unlike) = payload::compare(self, key, compared)?
            {
                return Ok(Some(unlike));
            }
        }
        Ok(None)
    }

    fn key(&mut self, key: &[u8]) -> io::Result<Result<(), Unlike>> {
        let kind = match self.ask(&[b"TYPE", key], Promise::Bytes)? {
            Ok(kind) => kind,
            Err(unlike) => return Ok(Err(unlike)),
        };
        let content: (&[&[u8]], Promise) = match kind.text().unwrap_or_default() {
            b"string" => (&[b"GET", key], Promise::Bytes),
            b"list" => (&[b"LRANGE", key, b"0", b"-1"], Promise::Bytes),
            b"hash" => (&[b"HGETALL", key], Promise::UnorderedPairs),
            b"set" => (&[b"SMEMBERS", key], Promise::Unordered),
            // How entries are packed depends on the thresholds.
            b"stream" if self.scope == Scope::Content => {
                (&[b"XRANGE", key, b"-", b"+"], Promise::Bytes)
            }
            b"stream" => (&[b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"], Promise::Ages),
            _ => (&[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"], Promise::Scores),
        };
        let questions: [(&[&[u8]], Promise); 3] = [
            content,
            (&[b"OBJECT", b"ENCODING", key], Promise::Encoding),
            (&[b"PEXPIRETIME", key], Promise::Time { slack: 5000 }),
        ];
        for (question, promise) in questions {
            if self.scope == Scope::Content && promise == Promise::Encoding {
                continue;
            }
            if let Err(unlike) = self.ask(question, promise)? {
                return Ok(Err(unlike));
            }
        }
        Ok(Ok(()))
    }

    pub(super) fn both(&mut self, question: &[&[u8]]) -> io::Result<(Frame, Frame)> {
        self.each(question, question)
    }

    /// Another question to each server.
    pub(super) fn each(
        &mut self,
        to_redis: &[&[u8]],
        to_pollux: &[&[u8]],
    ) -> io::Result<(Frame, Frame)> {
        let (_, redis) = self.redis.call_raw(to_redis)?;
        let (_, pollux) = self.pollux.call_raw(to_pollux)?;
        Ok((Frame::decode(&redis), Frame::decode(&pollux)))
    }

    pub(super) fn ask(
        &mut self,
        question: &[&[u8]],
        promise: Promise,
    ) -> io::Result<Result<Frame, Unlike>> {
        let (redis, pollux) = self.both(question)?;
        if compare::equal(self.release, promise, &redis, &pollux) {
            return Ok(Ok(redis));
        }
        Ok(Err(self.unlike(question, redis, pollux)))
    }

    pub(super) fn unlike(&self, question: &[&[u8]], redis: Frame, pollux: Frame) -> Unlike {
        let mut question: Vec<Vec<u8>> = question.iter().map(|word| word.to_vec()).collect();
        question.push(format!("(database {})", self.db).into_bytes());
        Unlike { question, redis, pollux }
    }
}
