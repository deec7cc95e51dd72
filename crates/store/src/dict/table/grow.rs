//! How many buckets a table has: the steps 1, 2, 3, 4, 6, 8, 12, 16, 24, ...
//!
//! Steps of x1.5 and x1.33 instead of x2 keep the mean load high (4 to 5.5 items a bucket of 7), which is
//! worth 3 bytes an item; with hash order any bucket count is as good as a power of two.

use super::buckets::BUCKET_ITEMS;

/// Tables up to this many buckets are moved at once (about 350 items, tens of microseconds).
pub(super) const AT_ONCE_BUCKETS_MAX: u32 = 64;
/// Old buckets that one insertion or removal moves. Two are enough to be done long before the
/// next step is due: that takes 1.8 insertions for each old bucket.
pub(super) const BUCKETS_MOVED_PER_CHANGE: u32 = 2;

/// Items that `count` buckets take before they grow: 5.5 a bucket, and one full bucket at least.
pub(super) fn capacity(count: u32) -> usize {
    match count {
        0 => 0,
        1 => BUCKET_ITEMS,
        _ => count as usize * 11 / 2,
    }
}

/// The next larger step.
pub(super) fn step_up(count: u32) -> u32 {
    if count < 2 {
        return count + 1;
    }
    let grown = if count.is_power_of_two() {
        count.checked_add(count / 2)
    } else {
        // 3 * 2^k: a third more is the power of two.
        count.checked_add(count / 3)
    };
    grown.expect("2^31 buckets are more than memory holds")
}

/// The smallest step with room for `items` and a third more.
pub(super) fn fitting(items: usize) -> u32 {
    let mut count = 0;
    while capacity(count) * 3 / 4 < items {
        count = step_up(count);
    }
    count
}

/// Whether `items` are so few for `count` buckets that the table should shrink.
pub(super) fn is_sparse(items: usize, count: u32) -> bool {
    count > 1 && items < capacity(count) / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_powers_of_two_and_one_and_a_half_of_them() {
        let steps: Vec<u32> =
            std::iter::successors(Some(0), |&count| Some(step_up(count))).take(12).collect();
        assert_eq!(steps, [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48]);
    }

    #[test]
    fn a_fitting_count_neither_grows_nor_shrinks_at_once() {
        for items in 1..5000 {
            let count = fitting(items);
            assert!(items <= capacity(count) && !is_sparse(items, count), "{items}");
        }
        assert_eq!(fitting(0), 0);
    }
}
