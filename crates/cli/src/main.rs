//! The binary `pollux`.

fn main() {}
