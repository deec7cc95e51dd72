//! The newest bytes of the stream, for replicas that come back and for those that are being served.
//!
//! ```text
//!   blocks   [ front ............ ][ ............ ][ .......... back ]
//!             ^first                                                ^end       offsets: bytes of the stream before
//! ```
//!
//! Invariant: the blocks hold exactly the bytes `first..end`; a block never moves.

use std::collections::VecDeque;

/// A block takes no further bytes beyond this.
const BLOCK_BYTES: usize = 16 << 10;

#[derive(Debug)]
pub(super) struct Backlog {
    blocks: VecDeque<Vec<u8>>,
    /// Capacity of all blocks.
    allocated: usize,
    first: u64,
    end: u64,
}

impl Backlog {
    /// Nothing yet, but room for the first bytes; the next one of the stream has the offset `end`.
    pub(super) fn new(end: u64) -> Backlog {
        let block = Vec::with_capacity(BLOCK_BYTES);
        Backlog { allocated: block.capacity(), blocks: VecDeque::from([block]), first: end, end }
    }

    /// Offset of the oldest byte.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Memory of the blocks, and of what finds them (bytes).
    pub(super) fn allocated_bytes(&self) -> usize {
        self.allocated + self.blocks.capacity() * size_of::<Vec<u8>>()
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.end += bytes.len() as u64;
        match self.blocks.back_mut() {
            Some(back) if back.len() + bytes.len() <= BLOCK_BYTES => back.extend_from_slice(bytes),
            _ => {
                let mut block = Vec::with_capacity(bytes.len().max(BLOCK_BYTES));
                block.extend_from_slice(bytes);
                self.allocated += block.capacity();
                self.blocks.push_back(block);
            }
        }
    }

    /// Gives whole blocks back that lie before `keep_from`, but for the one that was made in advance.
    pub(super) fn trim(&mut self, keep_from: u64) {
        while let Some(front) = self.blocks.front()
            && self.first + front.len() as u64 <= keep_from
            && (!front.is_empty() || self.blocks.len() > 1)
        {
            self.first += front.len() as u64;
            self.allocated -= front.capacity();
            self.blocks.pop_front();
        }
        // After a replica that was far behind the way to the blocks is memory as well.
        let needed = self.blocks.len().next_power_of_two();
        if self.blocks.capacity() > 4 * needed {
            self.blocks.shrink_to(needed);
        }
    }

    /// Appends to `out` up to `bytes_max` bytes from the offset `from` on, which is not before
    /// [`first`](Self::first); returns their number.
    pub(super) fn copy(&self, from: u64, bytes_max: usize, out: &mut Vec<u8>) -> usize {
        assert!(from >= self.first && from <= self.end, "the backlog does not hold {from}");
        let mut skip = usize::try_from(from - self.first).expect("it is in memory");
        let mut left = bytes_max;
        for block in &self.blocks {
            if left == 0 {
                break;
            }
            if skip >= block.len() {
                skip -= block.len();
                continue;
            }
            let part = &block[skip..];
            let part = &part[..part.len().min(left)];
            out.extend_from_slice(part);
            left -= part.len();
            skip = 0;
        }
        bytes_max - left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_from_any_offset_until_they_are_trimmed() {
        let mut backlog = Backlog::new(1000);
        backlog.trim(1000);
        assert!(backlog.allocated_bytes() >= BLOCK_BYTES, "the first block is there in advance");
        let bytes: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
        for chunk in bytes.chunks(7001) {
            backlog.append(chunk);
        }
        assert_eq!((backlog.first(), backlog.end()), (1000, 1000 + bytes.len() as u64));
        let mut out = Vec::new();
        assert_eq!(backlog.copy(1000 + 65_000, 100_000, &mut out), 100_000);
        assert_eq!(out, bytes[65_000..165_000]);
        let blocks = bytes.len().div_ceil(BLOCK_BYTES);
        let least = bytes.len() + blocks * size_of::<Vec<u8>>();
        assert!(backlog.allocated_bytes() >= least, "the way to the blocks is memory, too");
        backlog.trim(1000 + 500_000);
        assert!(backlog.first() <= 501_000 && backlog.first() > 501_000 - 20_000);
        out.clear();
        let from = backlog.first();
        backlog.copy(from, usize::MAX, &mut out);
        assert_eq!(out, bytes[usize::try_from(from).unwrap() - 1000..]);
        assert_eq!(backlog.copy(backlog.end(), 10, &mut out), 0);
    }
}
