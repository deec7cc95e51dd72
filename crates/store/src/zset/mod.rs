//! Sorted sets.

pub mod rank_tree;
