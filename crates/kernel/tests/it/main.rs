//! The data node over real loopback sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod busy;
mod classes;
mod counted;
mod differential;
mod digest;
mod dump;
mod forms;
#[cfg(debug_assertions)]
mod freeing;
mod hostile;
mod hostile_bytes;
mod images;
mod import;
mod interop;
mod known_flaws;
mod liar;
mod memory;
mod metadata;
mod monitor;
mod obey;
mod pipeline;
mod replication;
mod save;
mod script;
mod server;
mod shard;
mod tls;
mod told;
mod tools;
mod transcript;

#[global_allocator]
static ALLOCATOR: store::memory::CountingAllocator<std::alloc::System> =
    store::memory::CountingAllocator(std::alloc::System);
