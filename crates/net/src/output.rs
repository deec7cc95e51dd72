//! The bytes that a connection still has to send.
//!
//! ```text
//!            sent          released        end
//!   bytes  ----|---------------|------------|
//!    written   | may be written| waits      |
//!   chunks [ sealed ][ sealed ][ newest ...
//! ```
//!
//! Invariants
//! - `sent <= released <= end`.
//! - Stream positions count every byte ever appended, so that they stay valid while the front of
//!   the buffer is given back.
//! - A sealed chunk never moves: a client that reads nothing costs memory, but no copies of what waits.

use std::collections::VecDeque;

use base::allocation::size_class;

/// A buffer above this capacity (bytes) is given back as soon as it is empty.
const KEPT_CAPACITY_MAX: usize = 64 << 10;
/// A chunk of at least so many bytes is sealed before more is appended.
const CHUNK_BYTES: usize = 1 << 20;

/// Output of one connection: appended by its owner, released when it may leave.
#[derive(Debug, Default)]
pub struct Output {
    sealed: VecDeque<Vec<u8>>,
    /// Bytes of all sealed chunks.
    sealed_bytes: usize,
    newest: Vec<u8>,
    /// Bytes of the oldest chunk that are in the kernel's hands.
    sent: usize,
    /// Stream position of the oldest chunk.
    base: u64,
    /// Stream position up to which bytes may leave.
    released: u64,
    /// Large buffers that were sent; see [`Driver::take_spent`](crate::Driver::take_spent).
    spent: Vec<Vec<u8>>,
}

/// Memory that a buffer takes (bytes).
pub(crate) fn allocated(buffer: &Vec<u8>) -> usize {
    if buffer.capacity() == 0 { 0 } else { size_class(buffer.capacity()) }
}

impl Output {
    /// The buffer to append to. Bytes that were there before must stay as they are.
    #[inline]
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.newest
    }

    /// As [`Output::buffer`]; a buffer that has grown large is sealed first, so the one given may be a new one.
    #[inline]
    pub fn chunk(&mut self) -> &mut Vec<u8> {
        if self.newest.len() >= CHUNK_BYTES {
            self.seal();
        }
        &mut self.newest
    }

    #[cold]
    fn seal(&mut self) {
        self.sealed_bytes += self.newest.len();
        self.sealed.push_back(std::mem::take(&mut self.newest));
    }

    /// Stream position of the end: what to release later, when only the bytes up to now may leave.
    #[inline]
    pub fn end(&self) -> u64 {
        self.base + (self.sealed_bytes + self.newest.len()) as u64
    }

    /// Lets everything up to the stream position `to` leave with the next flush.
    #[inline]
    pub fn release_to(&mut self, to: u64) {
        self.released = self.released.max(to.min(self.end()));
    }

    /// Lets everything leave with the next flush.
    #[inline]
    pub fn release(&mut self) {
        self.released = self.end();
    }

    /// Bytes not yet taken by the kernel, released or not.
    #[inline]
    pub fn pending(&self) -> usize {
        self.sealed_bytes + self.newest.len() - self.sent
    }

    /// Memory that it takes (bytes).
    pub fn allocated(&self) -> usize {
        self.sealed.iter().chain([&self.newest]).map(allocated).sum()
    }

    /// What may be written now, as far as it lies in one piece; empty when nothing may.
    #[inline]
    pub(crate) fn sendable(&self) -> &[u8] {
        let oldest = self.sealed.front().unwrap_or(&self.newest);
        let released = usize::try_from(self.released - self.base).unwrap_or(usize::MAX);
        &oldest[self.sent..released.min(oldest.len())]
    }

    /// `count` bytes of `sendable` are in the kernel's hands.
    #[inline]
    pub(crate) fn advance(&mut self, count: usize) {
        self.sent += count;
        if !self.sealed.is_empty() {
            self.give_sealed_back();
        } else if self.sent == self.newest.len() {
            self.base += self.sent as u64;
            self.sent = 0;
            if self.newest.capacity() >= CHUNK_BYTES {
                self.spent.push(std::mem::take(&mut self.newest));
            } else if self.newest.capacity() > KEPT_CAPACITY_MAX {
                self.newest = Vec::new();
            } else {
                self.newest.clear();
            }
        } else if self.sent >= KEPT_CAPACITY_MAX && self.sent >= self.newest.len() / 2 {
            // At most as many bytes move as were sent since the last move.
            self.newest.drain(..self.sent);
            self.base += self.sent as u64;
            self.sent = 0;
        }
    }

    fn give_sealed_back(&mut self) {
        let sent = self.sent;
        if let Some(oldest) = self.sealed.pop_front_if(|oldest| oldest.len() == sent) {
            self.sealed_bytes -= oldest.len();
            self.base += oldest.len() as u64;
            self.sent = 0;
            self.spent.push(oldest);
        }
    }

    /// Large buffers that are of no use any more.
    #[inline]
    pub(crate) fn take_spent(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.spent)
    }

    /// All buffers, of a connection that is gone.
    pub(crate) fn into_buffers(self) -> impl Iterator<Item = Vec<u8>> {
        self.sealed.into_iter().chain([self.newest]).chain(self.spent)
    }

    /// Gives the memory of an empty buffer back.
    pub(crate) fn trim(&mut self) {
        if self.newest.is_empty() {
            self.newest = Vec::new();
        }
    }

    /// What was released or not, and not sent.
    pub(crate) fn into_unsent(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.pending());
        for chunk in self.sealed.iter().chain([&self.newest]) {
            bytes.extend_from_slice(chunk);
        }
        bytes.drain(..self.sent);
        bytes
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
    fn chunks_leave_in_order_and_in_one_piece() {
        let mut output = Output::default();
        for number in 0..5_u8 {
            output.chunk().resize(CHUNK_BYTES + usize::from(number), number);
        }
        let waits_from = output.end() - 3;
        output.release_to(waits_from);
        let mut sent = Vec::new();
        while !output.sendable().is_empty() {
            let share = output.sendable().len().min(300_000);
            sent.extend_from_slice(&output.sendable()[..share]);
            output.advance(share);
        }
        let wanted: Vec<u8> =
            (0..5_u8).flat_map(|n| std::iter::repeat_n(n, CHUNK_BYTES + usize::from(n))).collect();
        assert!(sent == wanted[..wanted.len() - 3], "bytes, order or length differ");
        assert_eq!((output.pending(), output.end()), (3, wanted.len() as u64));
        assert_eq!(output.into_unsent(), [4, 4, 4]);
    }

    #[test]
    fn large_buffers_are_not_kept() {
        let mut output = Output::default();
        output.buffer().resize(KEPT_CAPACITY_MAX * 4, 0);
        output.release();
        output.advance(KEPT_CAPACITY_MAX * 4);
        assert_eq!(output.allocated(), 0);
    }
}
