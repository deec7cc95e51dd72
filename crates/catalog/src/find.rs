//! Finding a command by name: a hash table that the compiler filled.
//!
//! ```text
//!   name --fold case, mix--> slot --> id (or EMPTY) --same name?--> CommandSpec
//!                             |  no
//!                             `----> next slot
//! ```
//!
//! Invariants
//! - The index is at most a quarter full, so a probe ends soon, also for names that are not there.
//! - Folding may confuse bytes that are no letters; the comparison of the names decides.

use crate::spec::CommandSpec;
use crate::table::{COMMAND_COUNT, COMMANDS, is_subcommand};

const SLOTS: usize = 1024;
const EMPTY: u16 = u16::MAX;
const NAME_BYTES_MAX: usize = 24;

static INDEX: [u16; SLOTS] = index();

const fn index() -> [u16; SLOTS] {
    let mut slots = [EMPTY; SLOTS];
    let mut used = 0;
    let mut id = 0;
    while id < COMMAND_COUNT {
        let name = COMMANDS[id].name;
        if !is_subcommand(name) {
            assert!(name.len() <= NAME_BYTES_MAX, "the name of a command outgrew the index");
            let mut slot = slot_of(name.as_bytes());
            while slots[slot] != EMPTY {
                slot = (slot + 1) % SLOTS;
            }
            slots[slot] = id as u16;
            used += 1;
        }
        id += 1;
    }
    assert!(used * 4 <= SLOTS, "the index of commands is too full");
    slots
}

/// Sets bit 5 of every byte, which makes letters lower case.
const FOLD: u64 = 0x2020_2020_2020_2020;

#[inline]
const fn slot_of(name: &[u8]) -> usize {
    let mut hash = name.len() as u64;
    let mut rest = name;
    while let Some((word, tail)) = rest.split_first_chunk::<8>() {
        hash = mix(hash, u64::from_le_bytes(*word));
        rest = tail;
    }
    let mut word = 0u64;
    let mut i = 0;
    while i < rest.len() {
        word |= (rest[i] as u64) << (8 * i);
        i += 1;
    }
    (mix(hash, word) >> 40) as usize % SLOTS
}

#[inline]
const fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(23) ^ (word | FOLD)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The command with this name in any case; never a subcommand.
#[inline]
pub fn find(name: &[u8]) -> Option<&'static CommandSpec> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let mut slot = slot_of(name);
    loop {
        let id = INDEX[slot];
        if id == EMPTY {
            return None;
        }
        let spec = &COMMANDS[usize::from(id)];
        if spec.name.as_bytes().eq_ignore_ascii_case(name) {
            return Some(spec);
        }
        slot = (slot + 1) % SLOTS;
    }
}

/// The subcommand of `container` with this name (without the container's) in any case.
pub fn find_subcommand(container: &CommandSpec, name: &[u8]) -> Option<&'static CommandSpec> {
    container.subcommands().iter().find(|spec| {
        let (_, short) = spec.name.split_at(container.name.len() + 1);
        short.as_bytes().eq_ignore_ascii_case(name)
    })
}

/// The command or subcommand with its full name: `get`, `config|get`.
pub fn find_full(name: &[u8]) -> Option<&'static CommandSpec> {
    match name.iter().position(|&byte| byte == b'|') {
        None => find(name),
        Some(bar) => {
            let (container, rest) = name.split_at(bar);
            find_subcommand(find(container)?, &rest[1..])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_in_any_case() {
        for spec in &COMMANDS {
            let found = find_full(spec.name.as_bytes()).expect(spec.name);
            assert_eq!(found.id, spec.id);
            let found = find_full(spec.name.to_ascii_uppercase().as_bytes()).expect(spec.name);
            assert_eq!(found.id, spec.id);
        }
    }

    #[test]
    fn other_names_are_not() {
        let names = ["", "ge", "gett", "g\u{45}\u{0}", "config|get", "restore\rasking", "GET "];
        for name in names {
            assert!(find(name.as_bytes()).is_none(), "{name:?}");
        }
        assert!(find(&b"x".repeat(1 << 16)).is_none());
        assert!(find_full(b"config|").is_none());
        assert!(find_full(b"get|config").is_none());
    }

    #[test]
    fn probes_are_short() {
        let longest = COMMANDS
            .iter()
            .filter(|spec| !is_subcommand(spec.name))
            .map(|spec| {
                let home = slot_of(spec.name.as_bytes());
                (0..SLOTS).position(|i| INDEX[(home + i) % SLOTS] == spec.id.0).expect("indexed")
            })
            .max();
        assert!(longest <= Some(4), "{longest:?}");
    }
}
