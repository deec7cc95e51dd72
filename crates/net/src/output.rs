//! The bytes that a connection still has to send.
//!
//! ```text
//!            sent          released        end
//!   bytes  ----|---------------|------------|
//!    written   | may be written| waits      |
//! ```
//!
//! Invariants
//! - `sent <= released <= bytes.len()`.
//! - Stream positions count every byte ever appended, so that they stay valid while the front of
//!   the buffer is given back.

/// A buffer above this capacity (bytes) is given back as soon as it is empty.
const KEPT_CAPACITY_MAX: usize = 64 << 10;

/// Output of one connection: appended by its owner, released when it may leave.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    sent: usize,
    released: usize,
    /// Stream position of `bytes[0]`.
    base: u64,
}

impl Output {
    /// The buffer to append to. Bytes that were there before must stay as they are.
    #[inline]
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Stream position of the end: what to release later, when only the bytes up to now may leave.
    #[inline]
    pub fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    /// Lets everything up to the stream position `to` leave with the next flush.
    #[inline]
    pub fn release_to(&mut self, to: u64) {
        let offset = usize::try_from(to.saturating_sub(self.base)).unwrap_or(usize::MAX);
        self.released = self.released.max(offset.min(self.bytes.len()));
    }

    /// Lets everything leave with the next flush.
    #[inline]
    pub fn release(&mut self) {
        self.released = self.bytes.len();
    }

    /// Bytes not yet taken by the kernel, released or not.
    #[inline]
    pub fn pending(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// What may be written now.
    #[inline]
    pub(crate) fn sendable(&self) -> &[u8] {
        &self.bytes[self.sent..self.released]
    }

    /// `count` bytes of `sendable` are in the kernel's hands.
    #[inline]
    pub(crate) fn advance(&mut self, count: usize) {
        self.sent += count;
        if self.sent == self.bytes.len() {
            self.base += self.sent as u64;
            (self.sent, self.released) = (0, 0);
            if self.bytes.capacity() > KEPT_CAPACITY_MAX {
                self.bytes = Vec::new();
            } else {
                self.bytes.clear();
            }
        } else if self.sent >= KEPT_CAPACITY_MAX && self.sent >= self.bytes.len() / 2 {
            // At most as many bytes move as were sent since the last move.
            self.bytes.drain(..self.sent);
            self.base += self.sent as u64;
            self.released -= self.sent;
            self.sent = 0;
        }
    }

    /// Gives the memory of an empty buffer back.
    pub(crate) fn trim(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
    }

    /// What was released or not, and not sent.
    pub(crate) fn into_unsent(mut self) -> Vec<u8> {
        self.bytes.drain(..self.sent);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_released_bytes_are_sendable() {
        let mut output = Output::default();
        output.buffer().extend_from_slice(b"first");
        let mark = output.end();
        output.buffer().extend_from_slice(b"second");
        assert_eq!(output.sendable(), b"");
        output.release_to(mark);
        assert_eq!(output.sendable(), b"first");
        output.advance(3);
        assert_eq!(output.sendable(), b"st");
        assert_eq!(output.pending(), 8);
        output.release();
        output.advance(8);
        assert_eq!((output.pending(), output.end()), (0, 11));
    }

    #[test]
    fn positions_survive_the_giving_back_of_the_front() {
        let mut output = Output::default();
        output.buffer().resize(2 * KEPT_CAPACITY_MAX, 1);
        let mark = output.end();
        output.release_to(mark);
        output.advance(KEPT_CAPACITY_MAX + 1);
        output.buffer().extend_from_slice(b"later");
        assert_eq!(output.end(), mark + 5);
        output.release_to(mark);
        assert_eq!(output.sendable().len(), KEPT_CAPACITY_MAX - 1);
        output.release_to(mark + 5);
        assert!(output.sendable().ends_with(b"later"));
    }

    #[test]
    fn large_buffers_are_not_kept() {
        let mut output = Output::default();
        output.buffer().resize(KEPT_CAPACITY_MAX * 4, 0);
        output.release();
        output.advance(KEPT_CAPACITY_MAX * 4);
        assert_eq!(output.capacity(), 0);
    }
}
