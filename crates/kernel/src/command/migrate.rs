//! MIGRATE: keys leave for another server, by DUMP here and RESTORE there.
//!
//! ```text
//!   > [AUTH ..] SELECT db, RESTORE key ttl payload [REPLACE] ...     all at once
//!   < +OK, +OK ...                                                   a key that arrived is deleted here, unless COPY
//! ```
//!
//! With `tls-cluster` the connection is encrypted. As in Redis the move is atomic for everybody: nothing else runs meanwhile. So every wait for the other server is bounded by the
//! command's timeout, and what is not acknowledged stays.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use net::{Outgoing, TlsConnector};
use wire::effect::Effect;
use wire::resp::reply::ErrorReply;
use wire::resp::response::{Response, ResponseLimits, decode, encode_command};

use super::table::Binding;
use super::{Args, CmdResult, Handler, NodeTurn, Stop};
use crate::boot;
use crate::keyspace::Keyspace;
use crate::persist::encode;

pub(crate) const COMMANDS: &[Binding] = &[("migrate", Handler::Node(migrate))];

const NO_CONNECTION: ErrorReply =
    ErrorReply::new("IOERR error or timeout connecting to the client");
const NOT_WRITTEN: ErrorReply =
    ErrorReply::new("IOERR error or timeout writing to target instance");
const NOT_READ: ErrorReply = ErrorReply::new("IOERR error or timeout reading to target instance");
const KEY_NOT_EMPTY: ErrorReply = ErrorReply::new(
    "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
);
const TIMEOUT_MS_DEFAULT: u64 = 1000;

#[derive(Debug)]
struct Request<'a> {
    host: &'a [u8],
    port: &'a [u8],
    db: i64,
    timeout: Duration,
    is_copy: bool,
    is_replacing: bool,
    /// The words behind AUTH: a password, or user and password.
    auth: Vec<&'a [u8]>,
    keys: Vec<&'a [u8]>,
}

impl<'a> Request<'a> {
    /// `host port key db timeout [COPY] [REPLACE] [AUTH password | AUTH2 user password] [KEYS key ...]`
    fn parse(args: &Args<'a>) -> Result<Request<'a>, Stop> {
        let (mut is_copy, mut is_replacing) = (false, false);
        let (mut auth, mut keys) = (Vec::new(), vec![args.key(3)]);
        let mut at = 6;
        while at < args.len() {
            if args.is(at, "COPY") {
                is_copy = true;
            } else if args.is(at, "REPLACE") {
                is_replacing = true;
            } else if args.is(at, "AUTH") && at + 1 < args.len() {
                auth = vec![args.key(at + 1)];
                at += 1;
            } else if args.is(at, "AUTH2") && at + 2 < args.len() {
                auth = vec![args.key(at + 1), args.key(at + 2)];
                at += 2;
            } else if args.is(at, "KEYS") {
                if !args.key(3).is_empty() {
                    return Err(KEY_NOT_EMPTY.into());
                }
                keys = args.iter_from(at + 1).collect();
                break;
            } else {
                return Err(ErrorReply::SYNTAX.into());
            }
            at += 1;
        }
        let timeout_ms = u64::try_from(args.int(5)?).ok().filter(|ms| *ms > 0);
        Ok(Request {
            host: args.key(1),
            port: args.key(2),
            db: args.int(4)?,
            timeout: Duration::from_millis(timeout_ms.unwrap_or(TIMEOUT_MS_DEFAULT)),
            is_copy,
            is_replacing,
            auth,
            keys,
        })
    }
}

fn migrate(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    let request = Request::parse(args)?;
    let settings = cx.node.config.settings();
    let tls = settings.tls_links.cluster.then(|| boot::connector(settings)).transpose();
    let tls = tls.map_err(|_| NO_CONNECTION)?;
    let cx = &mut cx.turn;
    let (mut commands, keys) = restores(cx.keys, &request);
    if keys.is_empty() {
        cx.reply.simple("NOKEY");
        return Ok(());
    }
    let mut preface = Vec::new();
    if !request.auth.is_empty() {
        let words: Vec<&[u8]> =
            [b"AUTH".as_slice()].into_iter().chain(request.auth.clone()).collect();
        encode_command(&mut preface, &words);
    }
    encode_command(&mut preface, &[b"SELECT", request.db.to_string().as_bytes()]);
    let prefaces = 1 + usize::from(!request.auth.is_empty());
    preface.append(&mut commands);
    let mut target = Target::connect(&request, tls.as_ref())?;
    target.write(&preface)?;
    for _ in 0..prefaces {
        target.expect_ok()?;
    }
    // What arrived is gone from here, whatever becomes of the others.
    let mut failure = None;
    for key in keys {
        match target.expect_ok() {
            Ok(()) if request.is_copy => {}
            Ok(()) => {
                cx.keys.apply(Effect::Delete { key });
            }
            Err(Failure::Said(error)) => {
                failure.get_or_insert(error);
            }
            Err(Failure::Silent(error)) => {
                failure.get_or_insert(error);
                break;
            }
        }
    }
    match failure {
        Some(error) => Err(error.into()),
        None => {
            cx.reply.ok();
            Ok(())
        }
    }
}

/// The commands that make the keys over there, and the keys that are here.
fn restores<'a>(keys: &mut Keyspace, request: &Request<'a>) -> (Vec<u8>, Vec<&'a [u8]>) {
    let (mut commands, mut there) = (Vec::new(), Vec::new());
    let now = keys.now();
    for &key in &request.keys {
        let Some(entry) = keys.peek_entry(key) else { continue };
        // A key that is about to expire does so over there.
        let ttl = entry.expiry().map_or(0, |at| at.0.saturating_sub(now.0).max(1));
        let payload = encode::dump(entry.value());
        let ttl = ttl.to_string();
        let mut words: Vec<&[u8]> = vec![b"RESTORE", key, ttl.as_bytes(), &payload];
        if request.is_replacing {
            words.push(b"REPLACE");
        }
        encode_command(&mut commands, &words);
        there.push(key);
    }
    (commands, there)
}

/// Why an answer is not OK.
enum Failure {
    /// The other server refused; it goes on to answer.
    Said(ErrorReply),
    /// Nothing more will come.
    Silent(ErrorReply),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        match failure {
            Failure::Said(error) | Failure::Silent(error) => error.into(),
        }
    }
}

/// The other server.
struct Target {
    socket: Outgoing,
    input: Vec<u8>,
    /// Longest wait for a single step.
    timeout: Duration,
}

impl Target {
    fn connect(request: &Request<'_>, tls: Option<&TlsConnector>) -> Result<Target, Stop> {
        let failed = |_: io::Error| Stop::Error(NO_CONNECTION);
        let text = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
        let port = text(request.port).parse::<u16>().map_err(|_| NO_CONNECTION)?;
        let mut addresses =
            (text(request.host).as_str(), port).to_socket_addrs().map_err(failed)?;
        let address = addresses.next().ok_or(NO_CONNECTION)?;
        let socket = TcpStream::connect_timeout(&address, request.timeout).map_err(failed)?;
        socket.set_nodelay(true).map_err(failed)?;
        socket.set_write_timeout(Some(request.timeout)).map_err(failed)?;
        let socket = Outgoing::begin(socket, tls, request.timeout).map_err(failed)?;
        Ok(Target { socket, input: Vec::new(), timeout: request.timeout })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.socket.write_all(bytes).map_err(|_| NOT_WRITTEN.into())
    }

    fn expect_ok(&mut self) -> Result<(), Failure> {
        match self.answer() {
            Ok(Response::Error(text)) => {
                let text = format!("ERR Target instance replied with error: {text}");
                Err(Failure::Said(text.into()))
            }
            Ok(_) => Ok(()),
            Err(_) => Err(Failure::Silent(NOT_READ)),
        }
    }

    /// The next reply, for which the other server has `timeout` in all, however slowly its bytes come.
    fn answer(&mut self) -> io::Result<Response> {
        let deadline = Instant::now() + self.timeout;
        let mut chunk = [0; 4096];
        loop {
            let decoded = decode(&self.input, &ResponseLimits::default());
            if let Some((response, length)) = decoded.map_err(|_| io::ErrorKind::InvalidData)? {
                self.input.drain(..length);
                return Ok(response);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.socket.socket().set_read_timeout(Some(left))?;
            match self.socket.read(&mut chunk) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.input.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
