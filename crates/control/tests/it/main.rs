//! Config servers in this process, asked over HTTP as agents and people ask them.

mod cluster_of_three;
mod rest;
mod shard;
mod world;
