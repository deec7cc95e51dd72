//! The whole keyspace of two servers, compared key by key: type, content, encoding, expiry.

use std::io;

use super::compare::{self, Promise, Release};
use super::frame::Frame;
use crate::client::Client;

const DATABASES: u32 = 16;

/// A question that the servers answer differently.
#[derive(Clone, Debug)]
pub(super) struct Unlike {
    pub(super) question: Vec<Vec<u8>>,
    pub(super) redis: Frame,
    pub(super) pollux: Frame,
}

/// Asks on connections that speak RESP2 and see database 0, and leaves them so.
pub(super) fn compare(
    release: Release,
    redis: &mut Client,
    pollux: &mut Client,
    scope: Scope,
    keys_compared: &mut usize,
) -> io::Result<Option<Unlike>> {
    for db in 0..DATABASES {
        let mut asked = Asked { release, db, scope, redis: &mut *redis, pollux: &mut *pollux };
        let unlike = asked.database(keys_compared)?;
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
    /// Not the encoding: a restart chooses it anew, by the thresholds of the configuration.
    Content,
}

struct Asked<'a> {
    release: Release,
    scope: Scope,
    db: u32,
    redis: &'a mut Client,
    pollux: &'a mut Client,
}

impl Asked<'_> {
    fn database(&mut self, keys_compared: &mut usize) -> io::Result<Option<Unlike>> {
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
            *keys_compared += 1;
            if let Err(unlike) = self.key(key.text().unwrap_or_default())? {
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

    fn both(&mut self, question: &[&[u8]]) -> io::Result<(Frame, Frame)> {
        let (_, redis) = self.redis.call_raw(question)?;
        let (_, pollux) = self.pollux.call_raw(question)?;
        Ok((Frame::decode(&redis), Frame::decode(&pollux)))
    }

    fn ask(&mut self, question: &[&[u8]], promise: Promise) -> io::Result<Result<Frame, Unlike>> {
        let (redis, pollux) = self.both(question)?;
        if compare::equal(self.release, promise, &redis, &pollux) {
            return Ok(Ok(redis));
        }
        let mut question: Vec<Vec<u8>> = question.iter().map(|word| word.to_vec()).collect();
        question.push(format!("(database {})", self.db).into_bytes());
        Ok(Err(Unlike { question, redis, pollux }))
    }
}
