//! The commands of one turn: parsed first, executed afterwards, so that the memory which they will
//! touch can be fetched ahead, window by window.
//!
//! ```text
//!   inputs    [ client A: bytes ----------------- ] [ client B: bytes ---- ] ...
//!   requests    |GET k|SET k v|INCR n|GET (cut off)   |PING|
//!   spans        . .   .  . .   .   .                   .
//! ```
//!
//! Invariants
//! - Requests of one input are neighbours, in the order in which they arrived.
//! - `consumed` of an input covers exactly the requests that need not run again.

use std::ops::Range;

use catalog::CommandSpec;
use net::Token;
use store::Place;
use wire::resp::request::{Progress, ProtocolError, RequestLimits, RequestParser, Span};

use crate::command::Args;
use crate::command::table::{self, Resolved};
use crate::keyspace::Keyspace;

/// Commands that one client may run per turn; the rest of its input waits for the next turn.
const CLIENT_COMMANDS_MAX: usize = 1024;
/// Commands whose memory is fetched at once: enough for their cache misses to overlap, few enough that what was fetched
/// is still in the first-level cache when they run.
const WINDOW_COMMANDS: usize = 64;
/// A batch takes no further client beyond this.
const BATCH_COMMANDS_MAX: usize = 4096;
/// Room for arguments that an empty batch keeps: a request of a million arguments is rare.
const SPANS_KEPT_MAX: usize = 16 << 10;

#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) inputs: Vec<Input>,
    requests: Vec<Request>,
    spans: Vec<Span>,
    /// Emptied by each prefetch.
    places: Vec<(u16, Place)>,
    /// The first request whose memory was not asked for yet.
    fetched: usize,
    /// Requests and arguments of the largest batch since the last [`Batch::trim`].
    most: (usize, usize),
}

/// What one client has sent.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) token: Token,
    /// The database that is selected when the first of its requests runs.
    db: u16,
    pub(crate) bytes: Vec<u8>,
    /// Bytes at the front that are done with.
    pub(crate) consumed: usize,
    /// Bytes at the front that are complete requests; empty ones, which nobody runs, included. The parser is behind them.
    pub(crate) parsed: usize,
    /// Which of the batch's requests are in here.
    pub(crate) requests: Range<usize>,
    /// What stands behind the last request.
    pub(crate) rest: Rest,
}

/// How the parsing of an input ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rest {
    /// Nothing, or the beginning of a request of which this many bytes are there.
    Partial(usize),
    /// More requests than one turn runs.
    More,
    Broken(ProtocolError),
}

/// One parsed command.
#[derive(Clone, Debug)]
struct Request {
    /// Place of its input.
    input: usize,
    /// Its bytes in the input.
    bytes: Range<usize>,
    /// Its arguments in the batch; their places count from `bytes.start`.
    spans: Range<usize>,
    resolved: Resolved,
}

impl Batch {
    /// Whether another client fits.
    pub(crate) fn has_room(&self) -> bool {
        self.requests.len() < BATCH_COMMANDS_MAX
    }

    pub(crate) fn clear(&mut self) {
        self.most = (self.most.0.max(self.requests.len()), self.most.1.max(self.spans.len()));
        self.inputs.clear();
        self.requests.clear();
        self.spans.clear();
        if self.spans.capacity() > SPANS_KEPT_MAX {
            self.spans = Vec::new();
        }
        self.fetched = 0;
    }

    /// Gives back the room that no batch has needed since the last call, but for a small one's: after a burst of large
    /// pipelines the memory belongs to the data again. Between batches.
    pub(crate) fn trim(&mut self) {
        self.clear();
        let (requests, spans) = std::mem::take(&mut self.most);
        self.requests.shrink_to(requests.max(WINDOW_COMMANDS));
        self.spans.shrink_to(spans.max(WINDOW_COMMANDS));
        self.inputs.shrink_to(requests.max(WINDOW_COMMANDS));
    }

    /// Requests that fit without asking for memory.
    #[cfg(test)]
    pub(crate) fn room(&self) -> usize {
        self.requests.capacity()
    }

    /// Adds the complete commands at the front of `bytes`: as many as one client may run in a turn, before it has
    /// logged in only the first.
    pub(crate) fn add(
        &mut self,
        token: Token,
        db: u16,
        mut bytes: Vec<u8>,
        parser: &mut RequestParser,
        limits: &RequestLimits,
    ) {
        // Before AUTH succeeded, the next command decides about the limits of the one behind it.
        let commands_max = if limits.unauthenticated { 1 } else { CLIENT_COMMANDS_MAX };
        let first = self.requests.len();
        let mut at = 0;
        let rest = loop {
            if self.requests.len() - first == commands_max {
                break Rest::More;
            }
            match parser.parse(&mut bytes[at..], limits) {
                Ok(Progress::Incomplete) => break Rest::Partial(bytes.len() - at),
                Ok(Progress::Request { consumed }) => {
                    let spans = self.spans.len()..self.spans.len() + parser.args().len();
                    self.spans.extend_from_slice(parser.args());
                    let request = at..at + consumed;
                    if !spans.is_empty() {
                        let args = Args::new(&bytes[request.clone()], &self.spans[spans.clone()]);
                        let resolved = table::resolve(&args);
                        let input = self.inputs.len();
                        self.requests.push(Request { input, bytes: request, spans, resolved });
                    }
                    at += consumed;
                }
                Err(error) => break Rest::Broken(error),
            }
        };
        let requests = first..self.requests.len();
        self.inputs.push(Input { token, db, bytes, consumed: 0, parsed: at, requests, rest });
    }

    /// Before request `index` runs: when it is the first of a window, fetches what the commands of the window will touch,
    /// stage by stage for all of them: the heads of the tables, the buckets, the entries that the buckets point to. Only
    /// a hint: nothing changes.
    #[inline]
    pub(crate) fn prefetch(&mut self, index: usize, keys: &Keyspace) {
        if index >= self.fetched {
            self.fetched = self.requests.len().min(index + WINDOW_COMMANDS);
            self.prefetch_window(index..self.fetched, keys);
        }
    }

    fn prefetch_window(&mut self, window: Range<usize>, keys: &Keyspace) {
        if window.len() < 2 {
            return;
        }
        let mut places = std::mem::take(&mut self.places);
        for index in window {
            let request = &self.requests[index];
            let (resolved, args) = (request.resolved, request.args(&self.inputs, &self.spans));
            if let Resolved::Known { spec, .. } = resolved
                && let Some(key) = first_key(spec, &args)
            {
                let db = self.inputs[self.requests[index].input].db;
                places.push((db, keys.prefetch_table(db, key)));
            }
        }
        for (db, place) in &places {
            keys.prefetch_bucket(*db, *place);
        }
        for (db, place) in places.drain(..) {
            keys.prefetch_entry(db, place);
        }
        self.places = places;
    }

    /// Request `index`: what it asks, with the end of its bytes in the input; and the inputs behind that one.
    #[inline]
    pub(crate) fn request(&mut self, index: usize) -> (Resolved, Args<'_>, usize, &mut [Input]) {
        let request = &self.requests[index];
        let (inputs, later) = self.inputs.split_at_mut(request.input + 1);
        (request.resolved, request.args(inputs, &self.spans), request.bytes.end, later)
    }
}

impl Request {
    #[inline]
    fn args<'b>(&self, inputs: &'b [Input], spans: &'b [Span]) -> Args<'b> {
        let bytes = &inputs[self.input].bytes[self.bytes.clone()];
        Args::new(bytes, &spans[self.spans.clone()])
    }
}

impl Input {
    /// Takes the bytes out: nothing of them runs in this batch, and they will be parsed again.
    pub(crate) fn withdraw(&mut self) -> Vec<u8> {
        (self.requests, self.parsed, self.rest) = (0..0, 0, Rest::Partial(0));
        std::mem::take(&mut self.bytes)
    }
}

/// The first key of a command, if it has a fixed place.
#[inline]
fn first_key<'a>(spec: &CommandSpec, args: &Args<'a>) -> Option<&'a [u8]> {
    match usize::try_from(spec.range.0) {
        Ok(0) | Err(_) => None,
        Ok(position) => args.get(position),
    }
}
