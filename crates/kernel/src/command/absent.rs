//! The commands of what this edition does not have: the protocol of Redis Cluster, and modules. They answer as a
//! redis-server does that does not use these parts.

use wire::resp::reply::ErrorReply;

use super::table::Binding;
use super::{Args, CmdResult, Handler, Stop, Turn};

pub(crate) const COMMANDS: &[Binding] = &[
    ("asking", Handler::Data(no_cluster)),
    ("readonly", Handler::Data(no_cluster)),
    ("readwrite", Handler::Data(no_cluster)),
    ("cluster|addslots", Handler::Data(no_cluster)),
    ("cluster|addslotsrange", Handler::Data(no_cluster)),
    ("cluster|bumpepoch", Handler::Data(no_cluster)),
    ("cluster|count-failure-reports", Handler::Data(no_cluster)),
    ("cluster|countkeysinslot", Handler::Data(no_cluster)),
    ("cluster|delslots", Handler::Data(no_cluster)),
    ("cluster|delslotsrange", Handler::Data(no_cluster)),
    ("cluster|failover", Handler::Data(no_cluster)),
    ("cluster|flushslots", Handler::Data(no_cluster)),
    ("cluster|forget", Handler::Data(no_cluster)),
    ("cluster|getkeysinslot", Handler::Data(no_cluster)),
    ("cluster|help", Handler::Data(no_cluster)),
    ("cluster|info", Handler::Data(no_cluster)),
    ("cluster|keyslot", Handler::Data(no_cluster)),
    ("cluster|links", Handler::Data(no_cluster)),
    ("cluster|meet", Handler::Data(no_cluster)),
    ("cluster|myid", Handler::Data(no_cluster)),
    ("cluster|myshardid", Handler::Data(no_cluster)),
    ("cluster|nodes", Handler::Data(no_cluster)),
    ("cluster|replicas", Handler::Data(no_cluster)),
    ("cluster|replicate", Handler::Data(no_cluster)),
    ("cluster|reset", Handler::Data(no_cluster)),
    ("cluster|saveconfig", Handler::Data(no_cluster)),
    ("cluster|set-config-epoch", Handler::Data(no_cluster)),
    ("cluster|setslot", Handler::Data(no_cluster)),
    ("cluster|shards", Handler::Data(no_cluster)),
    ("cluster|slaves", Handler::Data(no_cluster)),
    ("cluster|slots", Handler::Data(no_cluster)),
    ("module|help", Handler::Data(super::help::help)),
    ("module|list", Handler::Data(module_list)),
    ("module|load", Handler::Data(no_modules)),
    ("module|loadex", Handler::Data(no_modules)),
    ("module|unload", Handler::Data(no_modules)),
];

fn error(text: &'static str) -> CmdResult {
    Err(Stop::Error(ErrorReply::new(text)))
}

fn no_cluster(_: &mut Turn<'_>, _: &Args<'_>) -> CmdResult {
    error("ERR This instance has cluster support disabled")
}

fn module_list(cx: &mut Turn<'_>, _: &Args<'_>) -> CmdResult {
    cx.reply.array(0);
    Ok(())
}

/// `enable-module-command` is always `no`: said already when such a command is queued.
pub(crate) const NO_MODULES: ErrorReply = ErrorReply::new(
    "ERR MODULE command not allowed. If the enable-module-command option is set to \"local\", you can run \
         it from a local connection, otherwise you need to set this option in the configuration file, and \
         then restart the server.",
);

fn no_modules(_: &mut Turn<'_>, _: &Args<'_>) -> CmdResult {
    Err(Stop::Error(NO_MODULES))
}
