//! Readiness by epoll (through mio), edge-triggered: a socket is announced once, and is read until
//! it has no more or its share of the turn is used up.

use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Sockets announced by one call at most.
const EVENTS_MAX: usize = 1024;
/// Reserved for the waker; all other values carry a [`crate::driver::Source`].
const WAKE: mio::Token = mio::Token(usize::MAX);

/// Ends a wait of the driver's thread, from any thread. Wakes that nobody waits for are merged.
#[derive(Clone, Debug)]
pub struct Wake(Arc<mio::Waker>);

impl Wake {
    pub fn wake(&self) -> io::Result<()> {
        self.0.wake()
    }
}

/// What epoll said about one source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    /// The value given at registration.
    pub(crate) source: usize,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer sends no more, or the socket failed: a read will tell which.
    pub(crate) ended: bool,
}

#[derive(Debug)]
pub(crate) struct Poll {
    poll: mio::Poll,
    events: mio::Events,
    wake: Wake,
    pub(crate) ready: Vec<Ready>,
}

impl Poll {
    pub(crate) fn new() -> io::Result<Poll> {
        let poll = mio::Poll::new()?;
        let wake = Wake(Arc::new(mio::Waker::new(poll.registry(), WAKE)?));
        Ok(Poll { poll, events: mio::Events::with_capacity(EVENTS_MAX), wake, ready: Vec::new() })
    }

    pub(crate) fn wake_handle(&self) -> Wake {
        self.wake.clone()
    }

    pub(crate) fn add_source(
        &self,
        socket: &mut dyn mio::event::Source,
        source: usize,
    ) -> io::Result<()> {
        self.poll.registry().register(socket, mio::Token(source), mio::Interest::READABLE)
    }

    pub(crate) fn add_source_both(
        &self,
        socket: &mut dyn mio::event::Source,
        source: usize,
    ) -> io::Result<()> {
        let both = mio::Interest::READABLE | mio::Interest::WRITABLE;
        self.poll.registry().register(socket, mio::Token(source), both)
    }

    pub(crate) fn remove(&self, socket: &mut dyn mio::event::Source) -> io::Result<()> {
        self.poll.registry().deregister(socket)
    }

    /// Fills `ready`; returns whether a [`Wake`] was called. A signal that interrupts the wait
    /// ends it with nothing ready.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        self.ready.clear();
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            Err(error) => return Err(error),
        }
        let mut woken = false;
        for event in &self.events {
            if event.token() == WAKE {
                woken = true;
                continue;
            }
            self.ready.push(Ready {
                source: event.token().0,
                readable: event.is_readable(),
                writable: event.is_writable(),
                ended: event.is_read_closed() || event.is_error(),
            });
        }
        Ok(woken)
    }
}
