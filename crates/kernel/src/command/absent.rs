//! The commands of what this edition does not have: the protocol of Redis Cluster, modules, and FAILOVER, whose place
//! the config server takes. They answer as a redis-server does that does not use these parts.

use wire::resp::reply::ErrorReply;

use super::table::Binding;
use super::{Args, CmdResult, Handler, NodeTurn, Stop, Turn};

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
    ("failover", Handler::Node(failover)),
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

/// `FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT ms]`: nobody but the config server moves a mastership.
fn failover(cx: &mut NodeTurn<'_>, args: &Args<'_>) -> CmdResult {
    if args.len() == 2 && args.is(1, "abort") {
        return error("ERR No failover in progress.");
    }
    let (mut has_timeout, mut has_target, mut is_forced) = (false, false, false);
    let mut at = 1;
    while at < args.len() {
        let left = args.len() - at - 1;
        if args.is(at, "timeout") && left >= 1 && !has_timeout {
            if args.int(at + 1)? <= 0 {
                return error("ERR FAILOVER timeout must be greater than 0");
            }
            has_timeout = true;
            at += 1;
        } else if args.is(at, "to") && left >= 2 && !has_target {
            args.int(at + 2)?;
            has_target = true;
            at += 2;
        } else if args.is(at, "force") && !is_forced {
            is_forced = true;
        } else {
            return Err(ErrorReply::SYNTAX.into());
        }
        at += 1;
    }
    if cx.turn.keys.is_replica() {
        return error("ERR FAILOVER is not valid when server is a replica.");
    }
    if cx.node.replication.is_some() {
        return error("ERR FAILOVER is not available: `pollux switchover` moves the master");
    }
    error("ERR FAILOVER requires connected replicas.")
}
