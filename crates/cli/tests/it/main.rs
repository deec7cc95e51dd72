//! The program as a whole: its processes, started and broken as people and machines do it.

#[cfg(test)]
mod e2e;
