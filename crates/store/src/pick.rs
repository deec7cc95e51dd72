//! Judging a collection by some of its items: random picks without repetition (HRANDFIELD, SRANDMEMBER,
//! ZRANDMEMBER), and sizes (MEMORY USAGE).

use std::collections::BTreeSet;

use wire::listpack::Element;

use crate::Rng;

/// A third of a collection or more is picked from a copy of all references, less by drawing again.
const DENSE_SHARE: usize = 3;

/// Picks `count` distinct items of a collection of `length`; all of them in their order if `count` reaches
/// it. `draw` gives random ones, `name` tells them apart.
pub(crate) fn distinct<'a, T>(
    length: usize,
    count: usize,
    rng: &mut Rng,
    all: impl Iterator<Item = T>,
    mut draw: impl FnMut(&mut Rng) -> Option<T>,
    name: impl Fn(&T) -> Element<'a>,
) -> Vec<T> {
    if count >= length {
        return all.collect();
    }
    if count * DENSE_SHARE >= length {
        let mut items: Vec<T> = all.collect();
        for at in 0..count {
            items.swap(at, at + rng.index(length - at));
        }
        items.truncate(count);
        return items;
    }
    let (mut items, mut seen) = (Vec::with_capacity(count), BTreeSet::new());
    while items.len() < count {
        let Some(item) = draw(rng) else { break };
        if seen.insert(name(&item)) {
            items.push(item);
        }
    }
    items
}

/// The sum of `sizes`, of which there are `length`, judged by the first `samples` (0: by all).
pub(crate) fn extrapolate(
    sizes: impl Iterator<Item = usize>,
    length: usize,
    samples: usize,
) -> usize {
    if samples == 0 || samples >= length {
        return sizes.sum();
    }
    sizes.take(samples).sum::<usize>() * length / samples
}
