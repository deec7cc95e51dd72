//! Large results as effects of bounded size. They are one atomic group, as they belong to one command.
//!
//! ```text
//!   frame of a link  <=  open batch  =  at most COMMIT_BYTES of whole groups + one group
//!   group            <=  GROUP_BYTES_MAX + one command, which its request (1 GiB) or `check_room` bounds
//! ```
//!
//! Invariant: neither a record nor what is handed to the log at once reaches 2 GiB, the bound of both formats.

use wire::resp::reply::ErrorReply;

use super::Keyspace;

/// An effect takes no further element beyond so many, or so many bytes of them.
const ELEMENTS_PER_EFFECT: usize = 1024;
const BYTES_PER_EFFECT: usize = 1 << 20;
/// Effects of one group (bytes) that no further command may be added to.
const GROUP_BYTES_MAX: usize = 768 << 20;
/// Effects (bytes) that do not wait for the end of the turn.
const COMMIT_BYTES: usize = 4 << 20;
/// What a record and an effect add to an element at most, roughly (bytes).
const ELEMENT_EXTRA_BYTES: usize = 16;

pub(crate) const TOO_LARGE: ErrorReply = ErrorReply::new(
    "ERR the command would write more than 768 MiB at once, together with the transaction it belongs to",
);

impl Keyspace {
    /// Whether the group may grow by effects that hold elements of these lengths (bytes). Asked before anything
    /// is changed, by commands whose effects can be much larger than their requests.
    pub(crate) fn check_room(
        &self,
        mut lengths: impl Iterator<Item = usize>,
    ) -> Result<(), ErrorReply> {
        let open = self.open_bytes();
        if open > GROUP_BYTES_MAX {
            return Err(TOO_LARGE);
        }
        let total = lengths.try_fold(open, |total, length| {
            let total = total.saturating_add(length).saturating_add(ELEMENT_EXTRA_BYTES);
            (total <= GROUP_BYTES_MAX).then_some(total)
        });
        total.map(drop).ok_or(TOO_LARGE)
    }

    /// Hands over what commands have written when it is much; between commands.
    #[inline]
    pub(crate) fn commit_if_large(&mut self) {
        if self.open_bytes() >= COMMIT_BYTES {
            self.commit();
        }
    }
}

/// Hands over `items` in parts that one effect may hold.
pub(crate) fn in_parts<T>(
    items: impl Iterator<Item = T>,
    bytes_of: impl Fn(&T) -> usize,
    mut take: impl FnMut(&[T]),
) {
    let (mut part, mut bytes) = (Vec::new(), 0);
    for item in items {
        bytes += bytes_of(&item);
        part.push(item);
        if part.len() == ELEMENTS_PER_EFFECT || bytes >= BYTES_PER_EFFECT {
            take(&part);
            part.clear();
            bytes = 0;
        }
    }
    if !part.is_empty() {
        take(&part);
    }
}

#[cfg(test)]
mod tests {
    use store::{Graveyard, Rng, Store};

    use super::*;

    #[test]
    fn parts_are_bounded_in_number_and_bytes() {
        let mut parts = Vec::new();
        in_parts(0..2500, |_| 1, |part| parts.push(part.len()));
        assert_eq!(parts, [1024, 1024, 452]);
        parts.clear();
        in_parts(0..5, |_| BYTES_PER_EFFECT / 2, |part| parts.push(part.len()));
        assert_eq!(parts, [2, 2, 1]);
    }

    #[test]
    fn a_group_takes_no_more_than_its_bound() {
        let keys = Keyspace::new(Store::new(1, Graveyard::immediate(), Rng::new(1)), Rng::new(1));
        assert_eq!(keys.check_room([512 << 20, 200 << 20].into_iter()), Ok(()));
        assert_eq!(keys.check_room([512 << 20, 512 << 20].into_iter()), Err(TOO_LARGE));
        assert_eq!(keys.check_room([usize::MAX, usize::MAX].into_iter()), Err(TOO_LARGE));
        assert_eq!(
            keys.check_room(std::iter::repeat(0)),
            Err(TOO_LARGE),
            "empty ones count as well"
        );
    }
}
