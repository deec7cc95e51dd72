//! `pollux node`: a data node, started by an agent.
//!
//! ```text
//!   <dir>/node.conf      read at the start        (written by the agent)
//!   <dir>/binlog/        the log and its checkpoints
//!   <dir>/node.address   where it listens         (written by the node, then:)
//!   <dir>/node.pid       its process
//! ```

use agent::process::write_atomically;
use anyhow::{Context as _, Result};
use kernel::config::file;
use kernel::member::{Member, NodeConf};

use crate::args;
use crate::server::stop_on_signals;

/// Runs until `POLLUX SHUTDOWN` or SIGTERM.
pub(crate) fn run(args: &args::Node) -> Result<()> {
    if args.detach.detach {
        agent::process::detach();
    }
    let path = args.dir.join("node.conf");
    let directives = file::read(&path).with_context(|| path.display().to_string())?;
    let conf = NodeConf::parse(directives).with_context(|| path.display().to_string())?;
    anyhow::ensure!(
        store::dict::HashSeed::new(conf.hash_seed).install(),
        "the seed of the hash was set before node.conf was read"
    );
    let node = Member::open(&args.dir, conf)?;
    stop_on_signals(node.stopper())?;
    let told = [
        ("node.address", node.address().to_string()),
        ("node.pid", std::process::id().to_string()),
    ];
    for (name, text) in told {
        let path = args.dir.join(name);
        write_atomically(&path, text.as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    node.run()?;
    tracing::info!("stopped: everything is on disk");
    Ok(())
}
