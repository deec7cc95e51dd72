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
    /// In a set where all scores are equal, as the commands demand.
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
