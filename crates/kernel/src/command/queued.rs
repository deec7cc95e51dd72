//! A command that is kept for later: queued by MULTI, or parked until a key arrives.

use catalog::CommandSpec;
use wire::resp::request::Span;

use super::{Args, Handler};

/// A command with its own copy of the arguments.
#[derive(Clone, Debug)]
pub struct Queued {
    pub spec: &'static CommandSpec,
    pub handler: Handler,
    buffer: Box<[u8]>,
    spans: Box<[Span]>,
}

impl Queued {
    pub fn new(spec: &'static CommandSpec, handler: Handler, args: &Args<'_>) -> Queued {
        Queued::copy(spec, handler, args.iter_from(0))
    }

    /// The command with other arguments, its name included.
    pub(crate) fn of_words(
        spec: &'static CommandSpec,
        handler: Handler,
        words: &[Vec<u8>],
    ) -> Queued {
        Queued::copy(spec, handler, words.iter().map(Vec::as_slice))
    }

    fn copy<'w>(
        spec: &'static CommandSpec,
        handler: Handler,
        words: impl Iterator<Item = &'w [u8]> + Clone,
    ) -> Queued {
        let length = words.clone().map(<[u8]>::len).sum();
        let mut buffer = Vec::with_capacity(length);
        let spans = words.map(|arg| {
            let start = buffer.len();
            buffer.extend_from_slice(arg);
            Span { start, length: arg.len() }
        });
        let spans = spans.collect();
        Queued { spec, handler, buffer: buffer.into_boxed_slice(), spans }
    }

    pub fn args(&self) -> Args<'_> {
        Args::new(&self.buffer, &self.spans)
    }

    /// Memory held by the arguments (bytes).
    pub fn bytes(&self) -> usize {
        self.buffer.len() + size_of_val(&*self.spans)
    }
}
