//! LZF: the light compression of strings inside RDB.
//!
//! ```text
//!   000LLLLL  L+1 literal bytes
//!   LLLooooo oooooooo            repeat L+2 bytes from (o+1) bytes back,  L = 1..6
//!   111ooooo LLLLLLLL oooooooo   the same with L+7+2 bytes
//! ```
//!
//! Invariants
//! - `decompress` writes exactly the length that it was told, or errs; it allocates at most what the
//!   compressed bytes could expand to.
//! - `compress` yields something shorter than its input, or nothing.

/// Distance that a repeat can reach back, bytes.
const WINDOW_BYTES: usize = 1 << 13;
const REPEAT_BYTES_MIN: usize = 3;
const REPEAT_BYTES_MAX: usize = 264;
const LITERALS_MAX: usize = 32;
/// Three bytes yield at most 264.
const EXPANSION_MAX: usize = REPEAT_BYTES_MAX / 3;
const TABLE_BITS: u32 = 13;

/// A compressor that is kept between strings, so that its table need not be cleared for each.
#[derive(Debug)]
pub struct Compressor {
    /// Where three bytes with this hash were last seen: position in the string + `base`.
    seen: Box<[u32]>,
    /// Positions below belong to earlier strings.
    base: u32,
}

impl Default for Compressor {
    fn default() -> Compressor {
        Compressor { seen: vec![0; 1 << TABLE_BITS].into_boxed_slice(), base: 1 }
    }
}

impl Compressor {
    pub fn new() -> Compressor {
        Compressor::default()
    }

    /// Appends the compressed form of `input`, unless it would not save at least four bytes; then `out` is
    /// left as it was and the answer is `false`.
    pub fn compress(&mut self, input: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let Ok(len) = u32::try_from(input.len()) else { return false };
        let next_base = match self.base.checked_add(len) {
            Some(next) => next,
            None => {
                self.seen.fill(0);
                self.base = 1;
                let Some(next) = len.checked_add(1) else { return false };
                next
            }
        };
        let is_shorter = self.run(input, out, start + input.len().saturating_sub(4));
        self.base = next_base;
        if !is_shorter {
            out.truncate(start);
        }
        is_shorter
    }

    /// `false` as soon as `out` would pass `out_max`.
    fn run(&mut self, input: &[u8], out: &mut Vec<u8>, out_max: usize) -> bool {
        let mut literal_start = 0;
        let mut at = 0;
        while let Some(&[a, b, c]) = input[at..].first_chunk::<3>() {
            let slot = &mut self.seen[hash(a, b, c)];
            let candidate = slot.checked_sub(self.base).map(|position| position as usize);
            *slot = self.base + u32::try_from(at).expect("the input is shorter than 4 GiB");
            let repeat = candidate
                .filter(|&from| at - from <= WINDOW_BYTES)
                .map(|from| (from, common_prefix(input, from, at)))
                .filter(|&(_, len)| len >= REPEAT_BYTES_MIN);
            match repeat {
                Some((from, len)) => {
                    put_literals(out, &input[literal_start..at]);
                    put_repeat(out, at - from - 1, len);
                    at += len;
                    literal_start = at;
                }
                None => at += 1,
            }
            // Literals that wait cost at least their own length.
            if out.len() + (at - literal_start) > out_max {
                return false;
            }
        }
        put_literals(out, &input[literal_start..]);
        out.len() <= out_max
    }
}

fn hash(a: u8, b: u8, c: u8) -> usize {
    let bytes = u32::from_le_bytes([a, b, c, 0]);
    // Multiplicative hashing with the golden ratio; the high bits are the well-mixed ones.
    (bytes.wrapping_mul(0x9e37_79b1) >> (32 - TABLE_BITS)) as usize
}

/// Length of what follows `from` and `at` alike; the two may overlap.
fn common_prefix(input: &[u8], from: usize, at: usize) -> usize {
    let later = &input[at..input.len().min(at + REPEAT_BYTES_MAX)];
    later.iter().zip(&input[from..]).take_while(|(a, b)| a == b).count()
}

fn put_literals(out: &mut Vec<u8>, literals: &[u8]) {
    for run in literals.chunks(LITERALS_MAX) {
        out.push((run.len() - 1) as u8);
        out.extend_from_slice(run);
    }
}

/// `offset` is the distance less one, below [`WINDOW_BYTES`].
fn put_repeat(out: &mut Vec<u8>, offset: usize, len: usize) {
    let (high, low) = ((offset >> 8) as u8, (offset & 0xff) as u8);
    let len = len - 2;
    if len < 7 {
        out.extend_from_slice(&[(len as u8) << 5 | high, low]);
    } else {
        out.extend_from_slice(&[7 << 5 | high, (len - 7) as u8, low]);
    }
}

/// The `len` bytes that `input` stands for; `None` when it stands for anything else.
pub fn decompress(input: &[u8], len: usize) -> Option<Vec<u8>> {
    if len > input.len().checked_mul(EXPANSION_MAX)? {
        return None;
    }
    let mut out = Vec::with_capacity(len);
    let mut rest = input;
    while let Some((&control, tail)) = rest.split_first() {
        rest = tail;
        if control < 32 {
            let (run, tail) = rest.split_at_checked(usize::from(control) + 1)?;
            out.extend_from_slice(run);
            rest = tail;
        } else {
            let mut repeat = usize::from(control >> 5) + 2;
            if control >> 5 == 7 {
                let (&more, tail) = rest.split_first()?;
                repeat += usize::from(more);
                rest = tail;
            }
            let (&low, tail) = rest.split_first()?;
            rest = tail;
            let distance = (usize::from(control & 0x1f) << 8 | usize::from(low)) + 1;
            copy_back(&mut out, distance, repeat)?;
        }
        if out.len() > len {
            return None;
        }
    }
    (out.len() == len).then_some(out)
}

/// Appends `count` bytes that begin `distance` bytes back; a run that overlaps itself repeats.
fn copy_back(out: &mut Vec<u8>, distance: usize, count: usize) -> Option<()> {
    let start = out.len().checked_sub(distance)?;
    if distance >= count {
        out.extend_from_within(start..start + count);
    } else {
        for at in start..start + count {
            out.push(out[at]);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn repetitive_text_shrinks_and_noise_does_not() {
        let mut compressor = Compressor::new();
        let mut out = Vec::new();
        let text = b"pollux ".repeat(1000);
        assert!(compressor.compress(&text, &mut out));
        assert!(out.len() < 200, "{}", out.len());
        assert_eq!(decompress(&out, text.len()).as_deref(), Some(text.as_slice()));
        out.clear();
        assert!(!compressor.compress(b"abcdefghijklmnopqrstuvwxyz", &mut out));
        assert!(!compressor.compress(b"aaa", &mut out));
        assert!(out.is_empty());
    }

    #[test]
    fn old_positions_are_not_taken_for_new_ones() {
        let mut compressor = Compressor { base: u32::MAX - 40, ..Compressor::new() };
        for _ in 0..4 {
            let text = b"abcabcabcabcabcabcabcabc";
            let mut out = Vec::new();
            assert!(compressor.compress(text, &mut out));
            assert_eq!(decompress(&out, text.len()).as_deref(), Some(text.as_slice()));
        }
    }

    #[test]
    fn hostile_input_is_refused() {
        assert_eq!(decompress(&[0x20, 0x00], 3), None, "reaches before the start");
        assert_eq!(decompress(&[0x05, b'a'], 6), None, "literals cut off");
        assert_eq!(decompress(&[0x00, b'a', 0xe0], 9), None, "length cut off");
        assert_eq!(decompress(&[0x00, b'a'], 2), None, "shorter than told");
        assert_eq!(decompress(&[0x01, b'a', b'b'], 1), None, "longer than told");
        assert_eq!(decompress(&[0x00, b'a'], usize::MAX), None, "implausible");
        assert_eq!(decompress(&[0x00, b'a', 0xe0, 0xff, 0x00], 265), Some(vec![b'a'; 265]));
    }

    proptest! {
        #[test]
        fn round_trip(
            pieces in proptest::collection::vec(
                (proptest::collection::vec(0u8..4, 1..40), 1usize..400), 1..12),
        ) {
            let text: Vec<u8> = pieces.into_iter().flat_map(|(piece, n)| piece.repeat(n)).collect();
            let mut out = Vec::new();
            if Compressor::new().compress(&text, &mut out) {
                prop_assert!(out.len() + 4 <= text.len());
                prop_assert_eq!(decompress(&out, text.len()), Some(text));
            }
        }

        #[test]
        fn noise_never_panics(input in proptest::collection::vec(any::<u8>(), 0..64), len in 0usize..2000) {
            if let Some(out) = decompress(&input, len) {
                prop_assert_eq!(out.len(), len);
            }
        }
    }
}
