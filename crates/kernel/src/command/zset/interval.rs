//! Intervals of scores and of members: `(1 5`, `-inf +inf`, `[a (c`, `- +`.

use std::ops::Range;

use base::number::parse_score_bound;
use store::Zset;
use wire::resp::reply::ErrorReply;

use crate::command::Stop;

/// What ZCOUNT, ZLEXCOUNT and the ranges by score or member select.
#[derive(Clone, Copy, Debug)]
pub(super) enum Interval<'a> {
    Scores(Edge<f64>, Edge<f64>),
    /// In a set where all scores are equal, as the commands demand; in others what Redis finds in a small set.
    Members(Edge<&'a [u8]>, Edge<&'a [u8]>),
}

/// One edge of an interval.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edge<T> {
    /// `-`: before everything.
    Lowest,
    Included(T),
    Excluded(T),
    /// `+`: behind everything.
    Highest,
}

impl<T: PartialOrd> Edge<T> {
    /// Whether `value` stands before an interval that starts here.
    fn starts_behind(&self, value: &T) -> bool {
        match self {
            Edge::Lowest => false,
            Edge::Included(edge) => value < edge,
            Edge::Excluded(edge) => value <= edge,
            Edge::Highest => true,
        }
    }

    /// Whether `value` stands before the end of an interval that ends here.
    fn ends_behind(&self, value: &T) -> bool {
        match self {
            Edge::Lowest => false,
            Edge::Included(edge) => value <= edge,
            Edge::Excluded(edge) => value < edge,
            Edge::Highest => true,
        }
    }
}

impl<'a> Interval<'a> {
    pub(super) fn scores(min: &[u8], max: &[u8]) -> Result<Interval<'a>, Stop> {
        let edge = |text: &[u8]| match text.strip_prefix(b"(") {
            Some(text) => parse_score_bound(text).map(Edge::Excluded),
            None => parse_score_bound(text).map(Edge::Included),
        };
        match (edge(min), edge(max)) {
            (Some(min), Some(max)) => Ok(Interval::Scores(min, max)),
            _ => Err(ErrorReply::new("ERR min or max is not a float").into()),
        }
    }

    pub(super) fn members(min: &'a [u8], max: &'a [u8]) -> Result<Interval<'a>, Stop> {
        let edge = |text: &'a [u8]| match text {
            b"-" => Some(Edge::Lowest),
            b"+" => Some(Edge::Highest),
            [b'[', member @ ..] => Some(Edge::Included(member)),
            [b'(', member @ ..] => Some(Edge::Excluded(member)),
            _ => None,
        };
        match (edge(min), edge(max)) {
            (Some(min), Some(max)) => Ok(Interval::Members(min, max)),
            _ => Err(ErrorReply::new("ERR min or max not valid string range item").into()),
        }
    }

    /// From the score `first`, included, to `behind`, excluded.
    pub(super) fn between(first: f64, behind: f64) -> Interval<'a> {
        Interval::Scores(Edge::Included(first), Edge::Excluded(behind))
    }

    /// The ranks of the members inside.
    pub(super) fn ranks(&self, zset: &Zset) -> Range<usize> {
        self.ranks_from(zset, false)
    }

    /// The ranks of the members inside, as a walk up from the lower edge finds them, or one down from the upper edge. The
    /// two differ only for members of different scores, where an interval of members means little.
    pub(super) fn ranks_from(&self, zset: &Zset, is_reverse: bool) -> Range<usize> {
        if let Interval::Members(min, max) = self
            && has_several_scores(zset)
            && zset.as_listpack().is_some()
        {
            return walk(zset, min, max, is_reverse);
        }
        let (start, end) = match self {
            Interval::Scores(min, max) => (
                zset.rank_where(|score, _| min.starts_behind(&score)),
                zset.rank_where(|score, _| max.ends_behind(&score)),
            ),
            Interval::Members(min, max) => (
                zset.rank_where(|_, member| min.starts_behind(&member)),
                zset.rank_where(|_, member| max.ends_behind(&member)),
            ),
        };
        start..end.max(start)
    }
}

fn has_several_scores(zset: &Zset) -> bool {
    let score = |rank| zset.range(rank, 1).next().map(|(score, _)| score);
    score(0) != score(zset.len().saturating_sub(1))
}

/// What Redis finds in a listpack: nothing unless both ends of the set are on the right side of the edges; else the first
/// member behind one edge, and those next to it up to the other edge.
fn walk(zset: &Zset, min: &Edge<&[u8]>, max: &Edge<&[u8]>, is_reverse: bool) -> Range<usize> {
    let members: Vec<Vec<u8>> = zset.iter().map(|(_, member)| member.to_vec()).collect();
    let is_above = |member: &Vec<u8>| !min.starts_behind(&member.as_slice());
    let is_below = |member: &Vec<u8>| max.ends_behind(&member.as_slice());
    if !members.last().is_some_and(is_above) || !members.first().is_some_and(is_below) {
        return 0..0;
    }
    if is_reverse {
        let last = members.iter().rposition(is_below).expect("the first one is below");
        let count = members[..=last].iter().rev().take_while(|member| is_above(member)).count();
        last + 1 - count..last + 1
    } else {
        let first = members.iter().position(is_above).expect("the last one is above");
        let count = members[first..].iter().take_while(|member| is_below(member)).count();
        first..first + count
    }
}

#[cfg(test)]
mod tests {
    use store::Thresholds;

    use super::*;

    /// The numbers are those of redis-server 7.2.
    #[test]
    fn members_of_different_scores_are_found_as_redis_finds_them() {
        let mut zset = Zset::new();
        for (score, member) in ["z", "a", "d", "c", "e", "b", "aa"].iter().enumerate() {
            zset.add(score as f64, member.as_bytes(), &Thresholds::default());
        }
        let check = |min: &[u8], max: &[u8], up: Range<usize>, down: Range<usize>| {
            let interval = Interval::members(min, max).unwrap();
            assert_eq!((interval.ranks(&zset), interval.ranks_from(&zset, true)), (up, down));
        };
        check(b"-", b"+", 0..7, 0..7);
        check(b"(a", b"+", 0..7, 2..7);
        check(b"[a", b"(c", 0..0, 0..0);
        check(b"[z", b"[z", 0..0, 0..0);
        check(b"[c", b"(aa", 0..0, 0..0);
    }
}
