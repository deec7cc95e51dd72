//! Inputs made of seeds: changed bytes, lengths and numbers, parts left out, doubled, or taken from another seed.

use testkit::random::Random;

/// Changes made to one input at most.
const CHANGES_MAX: usize = 6;
/// Inputs do not grow beyond this (bytes).
const BYTES_MAX: usize = 1 << 16;

/// Numbers at which lengths and counts tend to go wrong.
const NUMBERS: &[u64] = &[
    0,
    1,
    0x3f,
    0x40,
    0x7f,
    0x80,
    0xff,
    0x3fff,
    0x4000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_ffff,
];

/// The same where numbers are text.
const WORDS: &[&str] = &[
    "0",
    "-1",
    "1",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "1e400",
    "nan",
    "-inf",
    "*",
    "\r\n",
    "\0",
];

/// A source of inputs; the same seed gives the same ones.
#[derive(Debug)]
pub struct Mutator {
    random: Random,
    seeds: Vec<Vec<u8>>,
}

impl Mutator {
    /// Panics when there are no seeds.
    pub fn new(seed: u64, seeds: Vec<Vec<u8>>) -> Mutator {
        assert!(!seeds.is_empty(), "there is something to begin with");
        Mutator { random: Random::new(seed), seeds }
    }

    pub fn next_input(&mut self) -> Vec<u8> {
        let mut input = self.random.pick(&self.seeds).clone();
        for _ in 0..self.random.between(1, CHANGES_MAX) {
            self.change(&mut input);
            input.truncate(BYTES_MAX);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let random = &mut self.random;
        let start = random.between(0, input.len());
        let end = (start + random.between(0, 16)).min(input.len());
        match random.between(0, 9) {
            0 if start < input.len() => input[start] ^= 1 << random.between(0, 7),
            1 if start < input.len() => input[start] = byte(random),
            2 => drop(input.drain(start..end)),
            3 => input.truncate(start),
            4 => {
                let part = input[start..end].to_vec();
                let at = random.between(0, input.len());
                drop(input.splice(at..at, part));
            }
            5 => {
                let width = *random.pick(&[1, 2, 4, 8]);
                let number = *random.pick(NUMBERS);
                let bytes = if random.chance(50) {
                    number.to_le_bytes()[..width].to_vec()
                } else {
                    number.to_be_bytes()[8 - width..].to_vec()
                };
                let end = (start + width).min(input.len());
                drop(input.splice(start..end, bytes));
            }
            6 => {
                let word = random.pick(WORDS).bytes();
                drop(input.splice(start..end, word));
            }
            7 => {
                let other = random.pick(&self.seeds);
                let from = random.between(0, other.len());
                drop(input.splice(start.., other[from..].iter().copied()));
            }
            8 => {
                let run = vec![byte(random); random.between(1, 300)];
                drop(input.splice(start..start, run));
            }
            _ => {
                let noise: Vec<u8> = (0..random.between(1, 8)).map(|_| byte(random)).collect();
                drop(input.splice(start..end, noise));
            }
        }
    }
}

fn byte(random: &mut Random) -> u8 {
    u8::try_from(random.between(0, 255)).expect("below 256")
}
