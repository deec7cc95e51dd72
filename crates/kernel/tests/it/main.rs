//! The data node over real loopback sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod counted;
mod differential;
mod dump;
mod hostile;
mod import;
mod interop;
mod liar;
mod memory;
mod pipeline;
mod replication;
mod save;
mod server;
mod shard;
mod transcript;

#[global_allocator]
static ALLOCATOR: store::memory::CountingAllocator<std::alloc::System> =
    store::memory::CountingAllocator(std::alloc::System);
